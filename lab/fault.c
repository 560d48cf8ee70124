/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into a daemon of the lab: calls of the C library fail as lab/faults.py says, at once and
 * in each process. What fails stands in a file that is mapped before a process restricts itself.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct faults {
    int32_t random_errno; /* of getrandom; 0: none */
    int32_t send_errno;   /* of datagrams to an address */
    int64_t clock_s;      /* the time of day is another one by so much */
};

static const struct faults *faults;

static const struct faults *map(void)
{
    static const struct faults none;
    const char *path = getenv("IKAT_FAULTS");
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void *octets = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*faults), PROT_READ, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return octets == MAP_FAILED ? &none : octets;
}

__attribute__((constructor)) static void begin(void)
{
    faults = map();
}

static const struct faults *now(void)
{
    if (faults == NULL) /* another library's constructor came first */
        faults = map();
    return faults;
}

/* next - the function that is shadowed. */
static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

#define FORWARD(name, ...)                                                                         \
    do {                                                                                           \
        static __typeof__(&name) real;                                                             \
        if (real == NULL) {                                                                        \
            void *found = next(#name);                                                             \
            memcpy(&real, &found, sizeof(real));                                                   \
        }                                                                                          \
        return real(__VA_ARGS__);                                                                  \
    } while (0)

static int failed(int error)
{
    errno = error;
    return -1;
}

ssize_t getrandom(void *octets, size_t len, unsigned flags)
{
    if (now()->random_errno != 0)
        return failed(now()->random_errno);
    FORWARD(getrandom, octets, len, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (now()->send_errno != 0 && message->msg_name != NULL)
        return failed(now()->send_errno);
    FORWARD(sendmsg, fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
    if (now()->send_errno != 0 && n > 0 && messages[0].msg_hdr.msg_name != NULL)
        return failed(now()->send_errno);
    FORWARD(sendmmsg, fd, messages, n, flags);
}

static int real_clock_gettime(clockid_t clock, struct timespec *ret)
{
    FORWARD(clock_gettime, clock, ret);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    int rc = real_clock_gettime(clock, ret);
    if (rc == 0 && clock == CLOCK_REALTIME)
        ret->tv_sec += now()->clock_s;
    return rc;
}

time_t time(time_t *ret)
{
    struct timespec of_day;
    (void)clock_gettime(CLOCK_REALTIME, &of_day);
    if (ret != NULL)
        *ret = of_day.tv_sec;
    return of_day.tv_sec;
}
