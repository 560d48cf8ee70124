/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "daemon/audit/audit.h"
#include "daemon/common/log.h"
#include "daemon/config/config_load.h"
#include "daemon/engine/engine.h"
#include "daemon/hooks/hooks.h"
#include "daemon/loader/credential_check.h"
#include "daemon/loader/unpacker.h"
#include "daemon/process/helpers.h"
#include "daemon/process/spawn.h"
#include "daemon/supervisor/supervisor.h"
#include "daemon/token/token.h"

#define DEFAULT_CONFIG "/etc/ikat"
#define DEFAULT_SOCKET "/run/ikat.vici"
#define MEMORY_MIB     (1u << 24) /* 16 TiB */
#define DEFAULT_STATE  "/var/lib/ikat"

static const char usage[] =
    "usage: ikatd [-c FILE|DIRECTORY] [-s SOCKET] [-g GROUP] [-S DIRECTORY] [-i DEVICE] [-m MTU] "
    "[-w WORKERS]"
    " [-K FILE] [-d]\n"
    "       ikatd [-c FILE|DIRECTORY] --check\n"
    "  -c  configuration (" DEFAULT_CONFIG "); \"none\": wait for a client of the socket\n"
    "  -s  control socket (" DEFAULT_SOCKET ")\n"
    "  -g  group that may use the control socket (ikat, if there is one)\n"
    "  -S  directory for what outlives ikatd (" DEFAULT_STATE ")\n"
    "  -i  name of the inner device (ikat%d)\n"
    "  -m  MTU of the inner device (what one ESP packet carries over the links)\n"
    "  -w  worker threads (one for each processor, at most 8)\n"
    "  -K  append the keys of all IKE SAs to FILE, for a dissector\n"
    "  -d  log every exchange\n"
    "  --audit-log  append a record of each login, refusal, end and change to this file\n"
    "  --initiator-only  answer no IKE_SA_INIT request: this host logs in, nobody logs in to it\n"
    "  --memory  most MiB of the engine (three quarters of what there is); near it, it refuses "
    "logins\n"
    "  --check  read the configuration, say what is wrong, and end\n";

enum {
    OPTION_CHECK = 256,
    OPTION_MEMORY,
    OPTION_AUDIT,
    OPTION_INITIATOR,
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_HANDED
};

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"socket", required_argument, NULL, 's'},
    {"group", required_argument, NULL, 'g'},
    {"state", required_argument, NULL, 'S'},
    {"device", required_argument, NULL, 'i'},
    {"workers", required_argument, NULL, 'w'},
    {"mtu", required_argument, NULL, 'm'},
    {"keylog", required_argument, NULL, 'K'},
    {"memory", required_argument, NULL, OPTION_MEMORY},
    {"audit-log", required_argument, NULL, OPTION_AUDIT},
    {"initiator-only", no_argument, NULL, OPTION_INITIATOR},
    {"debug", no_argument, NULL, 'd'},
    {"check", no_argument, NULL, OPTION_CHECK},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    /* start options between the supervisor and its processes */
    {"handed", required_argument, NULL, OPTION_HANDED},
    {0},
};

static unsigned workers_default(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > LIMIT_WORKERS ? LIMIT_WORKERS : (unsigned)n;
}

/* number_parse - false: no number, or out of range. */
static bool number_parse(const char *text, unsigned least, unsigned most, unsigned *ret)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '1' || *text > '9' || *end != '\0' || n < least || n > most)
        return false;
    *ret = (unsigned)n;
    return true;
}

static int check(const char *config)
{
    struct settings settings;
    static struct build_errors all;
    static struct build_errors warnings;
    struct build_error error = {.all = &all, .warnings = &warnings};
    int err = config_load(config, &settings, &error);
    if (err == 0) {
        err = credential_check(settings.root, &error);
        settings_done(&settings);
    }
    for (unsigned i = 0; i < warnings.n; i++)
        fprintf(stderr, "%s (a warning)\n", warnings.text[i]);
    if (err == 0)
        return EXIT_SUCCESS;
    for (unsigned i = 0; i < all.n; i++)
        fprintf(stderr, "%s\n", all.text[i]);
    if (all.more)
        fprintf(stderr, "there are more errors than these %d\n", BUILD_ERRORS_MAX);
    return EXIT_FAILURE;
}

/* If descriptor 0, 1 or 2 is closed, the next socket would get its number, and messages would be
 * printed to it. */
static void standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

/* process_run - runs one of the processes below a supervisor. Returns the exit status. */
static int process_run(const char *handed)
{
    static struct spawn_start start;
    if (spawn_start_read(handed, &start) != 0)
        return SPAWN_OTHER;
    enum process process = (enum process)start.process;
    (void)prctl(PR_SET_NAME, process_name(process));
    log_open(process_name(process), start.debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
    /* engine and loader wait later, with more of their work done */
    if (process != PROCESS_ENGINE && process != PROCESS_LOADER && !gate_pass(&start.gate))
        return EXIT_SUCCESS;
    switch (process) {
    case PROCESS_KEYHOLDER: return keyholder_run(&start);
    case PROCESS_TOKEN: return token_run(&start);
    case PROCESS_VERIFIER: return verifier_run(&start);
    case PROCESS_EAP: return eap_run(&start);
    case PROCESS_AAA: return aaa_run(&start);
    case PROCESS_FETCHER: return fetcher_run(start.fd, start.parent);
    case PROCESS_RESOLVER: return resolver_run(start.fd, start.parent);
    case PROCESS_ENGINE: return engine_run(&start.engine, start.parent);
    case PROCESS_LOADER: return loader_run(&start);
    case PROCESS_HOOKS: return hooks_run(&start);
    case PROCESS_UNPACKER: return unpacker_run(&start);
    case PROCESS_AUDIT: return audit_run(&start);
    case PROCESS_PROBE: return probe_run(&start);
    case N_PROCESSES: break;
    }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct supervisor_options options = {.config = DEFAULT_CONFIG,
                                         .socket = DEFAULT_SOCKET,
                                         .state = DEFAULT_STATE,
                                         .device = "ikat%d",
                                         .n_workers = workers_default()};
    bool only_check = false, sound = true;
    unsigned mtu = 0, memory = 0;
    int c;
    standard_descriptors();
    while ((c = getopt_long(argc, argv, "c:s:g:S:i:m:w:K:dh", long_options, NULL)) != -1) {
        if (c == 'c')
            options.config = strcmp(optarg, "none") == 0 ? NULL : optarg;
        else if (c == 's')
            options.socket = optarg;
        else if (c == 'g')
            options.group = optarg;
        else if (c == 'S')
            options.state = optarg;
        else if (c == 'i')
            options.device = optarg;
        else if (c == 'w')
            sound = sound && number_parse(optarg, 1, LIMIT_WORKERS, &options.n_workers);
        else if (c == 'm')
            sound = sound && number_parse(optarg, TUN_MTU_MIN, TUN_MTU_MAX, &mtu);
        else if (c == OPTION_MEMORY)
            sound = sound && number_parse(optarg, 1, MEMORY_MIB, &memory);
        else if (c == OPTION_AUDIT)
            options.audit = optarg;
        else if (c == OPTION_INITIATOR)
            options.initiator_only = true;
        else if (c == 'K')
            options.keylog = optarg;
        else if (c == 'd')
            options.debug = true;
        else if (c == OPTION_HANDED)
            return process_run(optarg);
        else if (c == OPTION_CHECK)
            only_check = true;
        else if (c == OPTION_VERSION)
            return printf("ikatd " IKAT_VERSION "\n") < 0;
        else if (c == OPTION_HELP || c == 'h')
            return fputs(usage, stdout) < 0;
        else
            sound = false;
    }
    if (options.socket[0] == '\0')
        sound = false;
    if (options.config != NULL && strlen(options.config) >= SPAWN_PATH_MAX)
        sound = false;
    if (!sound || optind != argc || (only_check && options.config == NULL)) {
        fputs(usage, stderr);
        return 2;
    }
    options.mtu = (uint16_t)mtu;
    options.memory_most = (uint64_t)memory << 20;
    return only_check ? check(options.config) : supervisor_run(&options);
}
