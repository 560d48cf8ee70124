/* SPDX-License-Identifier: Apache-2.0 */
/* ikat: the command of the person who runs a VPN. It speaks VICI to ikatd. */
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control/values.h"
#include "ctl/commands.h"

#define SOCKET_DEFAULT "/run/ikat.vici"
#define UP_TIMEOUT_S   60
#define UNLOCK_FILES   64

static const struct ctl_command commands[] = {
    {"up", "NAME [--child CHILD] [--timeout SECONDS] [--json]", "connect, and show how it goes",
     "ctj", 1, 1, command_up},
    {"down", "NAME | --session ID | --peer IDENTITY [--json]",
     "disconnect a connection, a session or all of a peer", "Spj", 0, 1, command_down},
    {"status", "[--json]", "sessions, IKE SAs and VPNs", "j", 0, 0, command_status},
    {"paths", "[--json]", "the paths and their health", "j", 0, 0, command_paths},
    {"watch", "", "the paths, live", "", 0, 0, command_watch},
    {"log", "[-f] [--json]", "the latest lines of the log; -f: and those that come", "fj", 0, 0,
     command_log},
    {"why", "PEER [--json]", "why a peer, address or connection failed last", "j", 1, 1,
     command_why},
    {"trace", "[SESSION|NAME|ADDRESS] [-f] [--json]",
     "IKE messages as a diagram; -f: and those that come", "fj", 0, 1, command_trace},
    {"doctor", "[NAME] [--json]", "look for what keeps a VPN from working, and ask the gateways",
     "j", 0, 1, command_doctor},
    {"conns", "[--json]", "names of the connections", "j", 0, 0, command_conns},
    {"metrics", "", "all figures, as OpenMetrics", "", 0, 0, command_metrics},
    {"check", "FILE|DIR [--json]", "whether a configuration is valid, and what it means", "j", 1, 1,
     command_check},
    {"unlock", "FILE...", "load keys and containers whose passphrases are not in the configuration",
     "", 1, UNLOCK_FILES, command_unlock},
    {"import", "FILE|DIR [-o FILE] [--json]",
     "a configuration of strongSwan or libreswan as one of ikat", "oj", 1, 1, command_import},
    {"upgrade", "", "the daemon goes over to the program that is installed now", "", 0, 0,
     command_upgrade},
    {"version", "[--json]", "of this program and of the daemon", "j", 0, 0, command_version},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

int ctl_complain(const char *what)
{
    (void)fprintf(stderr, "ikat: %s\n", what);
    return 1;
}

struct client *ctl_connect(const struct ctl_options *options)
{
    char error[512] = "out of memory";
    struct client *client = client_open(options->socket, error);
    if (client == NULL)
        (void)ctl_complain(error);
    return client;
}

struct tree *ctl_conn_names(struct client *client)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "get-conns");
    struct tree *response = client_request(client, &w, NULL, NULL, CLIENT_ANSWER_MS);
    if (response == NULL)
        return NULL;
    struct tree *names = tree_items(tree_get(response, "conns"));
    tree_free(response);
    return names;
}

static void usage_print(FILE *to)
{
    (void)fputs("usage: ikat [-s SOCKET] COMMAND\n\n", to);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        char left[80];
        (void)snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
        if (strlen(left) <= 30)
            (void)fprintf(to, "  %-30s %s\n", left, commands[i].help);
        else
            (void)fprintf(to, "  %s\n  %-30s %s\n", left, "", commands[i].help);
    }
}

static int usage(void)
{
    usage_print(stderr);
    return 2;
}

/* command_unknown - prints the command that was typed, and the one that was probably meant. */
static int command_unknown(const char *typed)
{
    const char *words[N_COMMANDS];
    for (size_t i = 0; i < N_COMMANDS; i++)
        words[i] = commands[i].name;
    const char *near = value_nearest(typed, words, N_COMMANDS);
    (void)fprintf(stderr, "ikat: there is no command '%s'%s%s%s\n", typed,
                  near == NULL ? "; see: ikat --help" : ", did you mean '",
                  near == NULL ? "" : near, near == NULL ? "" : "'?");
    return 2;
}

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},  {"json", no_argument, NULL, 'j'},
    {"child", required_argument, NULL, 'c'},   {"timeout", required_argument, NULL, 't'},
    {"session", required_argument, NULL, 'S'}, {"peer", required_argument, NULL, 'p'},
    {"help", no_argument, NULL, 'h'},          {"follow", no_argument, NULL, 'f'},
    {"output", required_argument, NULL, 'o'},  {NULL, 0, NULL, 0},
};

static unsigned option_bit(int c)
{
    for (size_t i = 0; long_options[i].name != NULL; i++)
        if (long_options[i].val == c)
            return 1u << i;
    return 0;
}

/* option_strange - the first option that was given and that the command does not have; NULL: none. */
static const char *option_strange(const struct ctl_command *command, unsigned given)
{
    for (size_t i = 0; long_options[i].name != NULL; i++)
        if ((given & 1u << i) != 0 && strchr(command->options, long_options[i].val) == NULL &&
            long_options[i].val != 's')
            return long_options[i].name;
    return NULL;
}

static int command_usage(const struct ctl_command *command)
{
    (void)fprintf(stderr, "usage: ikat %s%s%s\n", command->name,
                  command->arguments[0] == '\0' ? "" : " ", command->arguments);
    return 2;
}

static int command_run(const struct ctl_options *options, int argc, char **argv)
{
    if (argc == 0)
        return usage();
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct ctl_command *command = &commands[i];
        if (strcmp(argv[0], command->name) != 0)
            continue;
        const char *strange = option_strange(command, options->given);
        if (strange != NULL) {
            (void)fprintf(stderr, "ikat: '%s' does not have the option --%s\n", command->name,
                          strange);
            return command_usage(command);
        }
        if (argc - 1 >= command->least && argc - 1 <= command->most)
            return command->run(options, argv + 1, argc - 1);
        return command_usage(command);
    }
    return command_unknown(argv[0]);
}

static int seconds_of(const char *text)
{
    uint64_t value;
    return value_u64(text, &value) && value <= 86400 ? (int)value : 0;
}

/* colour_wanted - NO_COLOR, set and not empty, switches colours off (no-color.org). */
static bool colour_wanted(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) == 1 && (no == NULL || no[0] == '\0');
}

/* reader_ended - standard output is a pipe that nobody reads any more, as with `| head`. */
static bool reader_ended(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/* output_end - the exit status, once all output is written. */
static int output_end(int code)
{
    bool lost = fflush(stdout) != 0;
    lost |= ferror(stdout) != 0;
    if (lost && !reader_ended())
        (void)ctl_complain("cannot write the output: is the disk full?");
    return lost && code == 0 ? 1 : code;
}

int main(int argc, char **argv)
{
    struct ctl_options options = {
        .socket = SOCKET_DEFAULT,
        .colour = colour_wanted(),
        .timeout_s = UP_TIMEOUT_S,
    };
    int c;
    (void)signal(SIGPIPE, SIG_IGN);
    while ((c = getopt_long(argc, argv, "s:hfo:", long_options, NULL)) != -1) {
        options.given |= option_bit(c);
        switch (c) {
        case 's': options.socket = optarg; break;
        case 'j': options.json = true; break;
        case 'f': options.follow = true; break;
        case 'o': options.output = optarg; break;
        case 'c': options.child = optarg; break;
        case 'S': options.session = optarg; break;
        case 'p': options.peer = optarg; break;
        case 't': options.timeout_s = seconds_of(optarg); break;
        case 'h': usage_print(stdout); return 0;
        default: return usage();
        }
    }
    if (options.timeout_s == 0) {
        (void)ctl_complain("--timeout: 1 to 86400 seconds are expected");
        return 2;
    }
    return output_end(command_run(&options, argc - optind, argv + optind));
}
