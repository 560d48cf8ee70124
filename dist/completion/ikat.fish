# SPDX-License-Identifier: Apache-2.0
# fish completion for ikat(1)
set -l commands up down status paths watch log trace why doctor conns metrics check import unlock upgrade version
complete -c ikat -f
complete -c ikat -s s -l socket -r -d 'control socket'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a up -d 'connect, and show how it goes'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a down -d 'disconnect'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a status -d 'sessions, IKE SAs and VPNs'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a paths -d 'the paths and their health'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a watch -d 'the paths, live'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a doctor -d 'look for what keeps a VPN from working'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a log -d 'the latest lines of the log'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a trace -d 'IKE messages as a diagram'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a why -d 'why a peer failed last'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a conns -d 'names of the connections'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a metrics -d 'all figures, as OpenMetrics'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a check -d 'whether a configuration is valid, and what it means'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a import -d 'a configuration of strongSwan or libreswan as one of ikat'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a unlock -d 'load keys whose passphrases are not in the configuration'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a upgrade -d 'the daemon goes over to the installed program'
complete -c ikat -n "not __fish_seen_subcommand_from $commands" -a version -d 'of this program and of the daemon'
complete -c ikat -n '__fish_seen_subcommand_from up down trace doctor' -a '(ikat conns 2>/dev/null)'
complete -c ikat -n '__fish_seen_subcommand_from up' -l child -r
complete -c ikat -n '__fish_seen_subcommand_from up' -l timeout -r
complete -c ikat -n '__fish_seen_subcommand_from down' -l session -r
complete -c ikat -n '__fish_seen_subcommand_from down' -l peer -r
complete -c ikat -n '__fish_seen_subcommand_from up down log why status paths check trace import doctor conns version' -l json -d 'for programs'
complete -c ikat -n '__fish_seen_subcommand_from check import unlock' -F
complete -c ikat -n '__fish_seen_subcommand_from log trace' -s f -l follow -d 'and those that come'
complete -c ikat -n '__fish_seen_subcommand_from import' -s o -l output -r -F -d 'file to write'
