# SPDX-License-Identifier: Apache-2.0
# bash completion for ikat(1)
_ikat()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} i command=
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket | --child | --timeout | --session | --peer) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]}; break ;;
        esac
    done
    case $previous in
    -s | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    --child | --timeout | --session | --peer) return ;;
    esac
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W '-s --help up down status paths watch log trace why doctor conns metrics check import unlock upgrade version' -- "$current") ;;
    up | down)
        local options='--child --timeout --json'
        [ "$command" = up ] || options='--session --peer --json'
        mapfile -t COMPREPLY < <(compgen -W "$options $(ikat conns 2>/dev/null)" -- "$current")
        ;;
    trace) mapfile -t COMPREPLY < <(compgen -W "-f --json $(ikat conns 2>/dev/null)" -- "$current") ;;
    doctor) mapfile -t COMPREPLY < <(compgen -W "--json $(ikat conns 2>/dev/null)" -- "$current") ;;
    log) mapfile -t COMPREPLY < <(compgen -W '-f --json' -- "$current") ;;
    status | paths | conns | version | why) mapfile -t COMPREPLY < <(compgen -W '--json' -- "$current") ;;
    check) mapfile -t COMPREPLY < <(compgen -W '--json' -f -- "$current") ;;
    import) mapfile -t COMPREPLY < <(compgen -W '-o --json' -f -- "$current") ;;
    unlock) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    esac
}
complete -F _ikat ikat
