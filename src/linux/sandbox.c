/* SPDX-License-Identifier: Apache-2.0 */
#include "linux/sandbox.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int sandbox_common(pid_t parent)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return ERR_SYSTEM;
    if (parent == 0)
        return 0;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        return ERR_SYSTEM;
    if (getppid() != parent) {
        errno = ESRCH;
        return ERR_SYSTEM;
    }
    return 0;
}

int sandbox_memory_lockable(uint64_t octets)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        return ERR_SYSTEM;
    if (limit.rlim_cur >= octets)
        return 0;
    limit.rlim_cur = octets;
    limit.rlim_max = limit.rlim_max < octets ? octets : limit.rlim_max;
    return setrlimit(RLIMIT_MEMLOCK, &limit) < 0 ? ERR_SYSTEM : 0;
}

/* The shadow memory of a sanitizer uses up the whole address space. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

int sandbox_limits(unsigned descriptors, uint64_t memory, bool threads)
{
    const struct rlimit files = {descriptors, descriptors}, none = {0, 0}, space = {memory, memory};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || (!threads && setrlimit(RLIMIT_NPROC, &none) < 0))
        return ERR_SYSTEM;
    return memory != 0 && !SANITIZED && setrlimit(RLIMIT_AS, &space) < 0 ? ERR_SYSTEM : 0;
}

int sandbox_seconds(unsigned seconds)
{
    const struct rlimit limit = {seconds, seconds};
    return setrlimit(RLIMIT_CPU, &limit) < 0 ? ERR_SYSTEM : 0;
}

bool sandbox_has_net_admin(void)
{
    capng_clear(CAPNG_SELECT_ALL);
    return capng_get_caps_process() == 0 &&
           capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_ADMIN) != 0;
}

int sandbox_supervisor(void)
{
    static const struct {
        unsigned capability;
        bool must; /* false: kept only if the process has it */
    } kept[] = {{CAP_NET_ADMIN, true}, {CAP_SETUID, true},    {CAP_SETGID, true},
                {CAP_SETPCAP, true},   {CAP_IPC_LOCK, false}, {CAP_NET_BIND_SERVICE, false}};
    const capng_type_t sets = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
    bool there[sizeof(kept) / sizeof(kept[0])];
    capng_clear(CAPNG_SELECT_ALL);
    bool known = capng_get_caps_process() == 0;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        there[i] = kept[i].must ||
                   (known && capng_have_capability(CAPNG_PERMITTED, kept[i].capability) != 0);
    capng_clear(CAPNG_SELECT_ALL);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (there[i] && capng_update(CAPNG_ADD, sets, kept[i].capability) != 0)
            return ERR_SYSTEM;
    return capng_apply(CAPNG_SELECT_BOTH) != 0 ? ERR_SYSTEM : 0;
}

void sandbox_user_find(const struct sandbox_user *user, uid_t *ret_uid, gid_t *ret_gid)
{
    const struct passwd *entry = getpwnam(user->name);
    bool own = entry != NULL && entry->pw_uid != 0;
    *ret_uid = own ? entry->pw_uid : user->number;
    *ret_gid = own ? entry->pw_gid : user->number;
}

int sandbox_user_kill(const struct sandbox_user *user, pid_t pid)
{
    uid_t uid, own = geteuid();
    gid_t gid;
    if (kill(pid, SIGKILL) == 0)
        return 0;
    sandbox_user_find(user, &uid, &gid);
    if (seteuid(uid) < 0)
        return ERR_SYSTEM;
    int done = kill(pid, SIGKILL);
    return seteuid(own) < 0 || done < 0 ? ERR_SYSTEM : 0;
}

int sandbox_unprivileged(const struct sandbox_user *user, bool *ret_same_uid)
{
    uid_t uid;
    gid_t gid;
    sandbox_user_find(user, &uid, &gid);
    *ret_same_uid = false;
    if (geteuid() != 0) {
        *ret_same_uid = true; /* the daemon was started without root, with capabilities only */
    } else if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0) {
        if (errno != EINVAL && errno != EPERM)
            return ERR_SYSTEM;
        *ret_same_uid = true;
    }
    capng_clear(CAPNG_SELECT_ALL);
    if (!*ret_same_uid) {
        /* the bounding set goes first: changing it needs CAP_SETPCAP, which goes with the uid */
        if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SETUID) != 0 ||
            capng_apply(CAPNG_SELECT_BOTH) != 0 || setresuid(uid, uid, uid) < 0)
            return ERR_SYSTEM;
        capng_clear(CAPNG_SELECT_ALL);
        if (capng_apply(CAPNG_SELECT_CAPS) != 0)
            return ERR_SYSTEM;
    } else if (capng_apply(CAPNG_SELECT_BOTH) != 0 && capng_apply(CAPNG_SELECT_CAPS) != 0) {
        return ERR_SYSTEM;
    }
    /* setresuid made the process dumpable again, and cleared the death signal */
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0
               ? ERR_SYSTEM
               : 0;
}

/* --- system calls --- */

/* memory, time, signals, exit: libc and malloc need them in each process */
static const int common_calls[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(sendto),
    SCMP_SYS(close),
    SCMP_SYS(ppoll),
    SCMP_SYS(poll),
    SCMP_SYS(getrandom),
    SCMP_SYS(futex),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(munlock),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time), /* time(3), where the kernel has no vDSO: User-Mode Linux, vdso=0 */
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getppid),
    SCMP_SYS(tgkill),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sched_yield),
    SCMP_SYS(prlimit64),
    SCMP_SYS(getrusage),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(lseek),
};

static const int engine_calls[] = {
    SCMP_SYS(epoll_wait),    SCMP_SYS(epoll_pwait),     SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_create1), SCMP_SYS(epoll_pwait2),    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),      SCMP_SYS(accept4),         SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),   SCMP_SYS(getpeername),     SCMP_SYS(shutdown),
    SCMP_SYS(eventfd2),      SCMP_SYS(timerfd_settime), SCMP_SYS(fcntl),
    SCMP_SYS(uname),         SCMP_SYS(sysinfo),         SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getuid),        SCMP_SYS(geteuid),         SCMP_SYS(getgid),
    SCMP_SYS(getegid),       SCMP_SYS(getcpu),          SCMP_SYS(sched_setaffinity),
    SCMP_SYS(membarrier),
};

static const int aaa_calls[] = {
    SCMP_SYS(socket),       SCMP_SYS(connect), SCMP_SYS(epoll_wait),    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),    SCMP_SYS(fcntl),   SCMP_SYS(epoll_create1), SCMP_SYS(setsockopt),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(pread64), SCMP_SYS(pwrite64),      SCMP_SYS(bind),
    SCMP_SYS(getsockopt),
};

static const int supervisor_calls[] = {
    SCMP_SYS(socket),
    SCMP_SYS(bind),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(connect),
    SCMP_SYS(ioctl),
    SCMP_SYS(fcntl),
    SCMP_SYS(openat),
    SCMP_SYS(open),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(getdents64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    SCMP_SYS(wait4),
    SCMP_SYS(waitid),
    SCMP_SYS(kill),
    SCMP_SYS(prctl),
    SCMP_SYS(capget),
    SCMP_SYS(capset),
    SCMP_SYS(seccomp),
    SCMP_SYS(setgroups),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(signalfd4),
    SCMP_SYS(statx),
    SCMP_SYS(getcwd),
    SCMP_SYS(umask),
    SCMP_SYS(set_tid_address),
    SCMP_SYS(dup),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(shutdown),
    SCMP_SYS(getpeername),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(socketpair),
    SCMP_SYS(pipe2),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(memfd_create),
    SCMP_SYS(mlock2),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(bind),
    SCMP_SYS(arch_prctl),
    SCMP_SYS(readahead),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(landlock_create_ruleset),
    SCMP_SYS(landlock_add_rule),
    SCMP_SYS(landlock_restrict_self),
    SCMP_SYS(get_robust_list),
};

/* arg_cmp - a comparison of a system call's argument; libseccomp's macros leave members out. */
static struct scmp_arg_cmp arg_cmp(unsigned argument, enum scmp_compare op, uint64_t a, uint64_t b)
{
    return (struct scmp_arg_cmp){.arg = argument, .op = op, .datum_a = a, .datum_b = b};
}

/* no socket of the engine may forge IP headers; SOL_RAW reaches the same option as SOL_IPV6 */
static int options_allow(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp rules[][2] = {
        {arg_cmp(1, SCMP_CMP_EQ, IPPROTO_IP, 0), arg_cmp(2, SCMP_CMP_NE, IP_HDRINCL, 0)},
        {arg_cmp(1, SCMP_CMP_EQ, IPPROTO_IPV6, 0), arg_cmp(2, SCMP_CMP_NE, IPV6_HDRINCL, 0)},
        {arg_cmp(1, SCMP_CMP_EQ, SOL_SOCKET, 0), arg_cmp(2, SCMP_CMP_NE, SO_BINDTODEVICE, 0)},
        {arg_cmp(1, SCMP_CMP_EQ, IPPROTO_UDP, 0), arg_cmp(2, SCMP_CMP_GE, 0, 0)},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(setsockopt), 2, rules[i]);
    return rc;
}

static const int deadly_calls[] = {
    SCMP_SYS(execve),           SCMP_SYS(execveat),          SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
};

static int calls_allow(scmp_filter_ctx filter, const int *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (rc < 0 && rc != -EDOM && rc != -EINVAL) /* not on this architecture */
            return rc;
    }
    return 0;
}

#define ALLOW(filter, list) calls_allow(filter, list, sizeof(list) / sizeof((list)[0]))

/* programs_allow - code may be mapped from files; no memory is ever writable and executable at
 * once. With `starts`, a program that is already open can be started. */
static int programs_allow(scmp_filter_ctx filter, bool starts)
{
    const struct scmp_arg_cmp open_program = arg_cmp(4, SCMP_CMP_EQ, AT_EMPTY_PATH, 0);
    const struct scmp_arg_cmp only_exec =
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC | PROT_WRITE, PROT_EXEC);
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &only_exec);
    if (rc == 0 && starts)
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(execveat), 1, &open_program);
    return rc;
}

static int memory_allow(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp not_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, &not_exec);
    if (rc == 0)
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, &not_exec);
    return rc;
}

static int filter_fill(scmp_filter_ctx filter, enum sandbox_profile profile)
{
    int rc = ALLOW(filter, common_calls);
    if (rc == 0)
        rc = memory_allow(filter);
    bool starts = profile == SANDBOX_SUPERVISOR;
    if (rc == 0 && (starts || profile == SANDBOX_ENGINE || profile == SANDBOX_READER))
        rc = ALLOW(filter, engine_calls);
    if (rc == 0 && profile == SANDBOX_AAA)
        rc = ALLOW(filter, aaa_calls);
    if (rc == 0 && (starts || profile == SANDBOX_READER))
        rc = ALLOW(filter, supervisor_calls);
    if (rc == 0 && profile == SANDBOX_ENGINE)
        rc = options_allow(filter);
    if (rc == 0 && (starts || profile == SANDBOX_READER))
        rc = programs_allow(filter, starts);
    for (size_t i = 0; rc == 0 && i < sizeof(deadly_calls) / sizeof(deadly_calls[0]); i++)
        if (!starts || deadly_calls[i] != SCMP_SYS(execveat))
            rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly_calls[i], 0);
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc ==
        0) /* a tree instead of a list: the data plane makes a hundred thousand calls a second */
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return rc == 0 ? seccomp_load(filter) : rc;
}

int sandbox_filter(enum sandbox_profile profile)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return ERR_SYSTEM;
    int rc = filter_fill(filter, profile);
    seccomp_release(filter);
    if (rc < 0) {
        errno = -rc;
        return ERR_SYSTEM;
    }
    return 0;
}

/* The process may still signal itself: abort() does. */
int sandbox_no_signals(void)
{
    const struct scmp_arg_cmp other = arg_cmp(0, SCMP_CMP_NE, (uint64_t)(uint32_t)getpid(), 0);
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL)
        return ERR_SYSTEM;
    int rc = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(kill), 1, &other);
    if (rc == 0)
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(tgkill), 1, &other);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc == 0 ? 0 : ERR_SYSTEM;
}
