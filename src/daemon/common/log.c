/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "linux/clock.h"

#define LINE_MAX_OCTETS 1024

/* The one variable that every part of the daemon reaches without an argument. It is set once, at
 * start. */
static const char *log_who = "ikatd";
static enum log_level log_limit = LOG_LEVEL_INFO;
static atomic_ulong log_lost;

/* Lines of other threads are not passed on: the listener's data belong to this thread. */
static _Thread_local struct {
    void (*line)(void *context, enum log_level level, const char *text);
    void *context;
    bool telling;
} listener;

void log_listen(void (*line)(void *context, enum log_level level, const char *text), void *context)
{
    listener.line = line;
    listener.context = context;
}

static void tell(enum log_level level, const char *text)
{
    if (listener.line == NULL || listener.telling)
        return;
    listener.telling = true;
    listener.line(listener.context, level, text);
    listener.telling = false;
}

void log_open(const char *who, enum log_level level)
{
    log_who = who;
    log_limit = level;
}

static bool sink_ready(void)
{
    struct pollfd sink = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&sink, 1, 0) == 1 && (sink.revents & POLLOUT) && !(sink.revents & POLLERR);
}

/* gmtime_r(3) looks for a time zone file, which most processes must not open, so we compute the date.
 * Years begin with March, so that a leap day comes last. */
const char *log_clock(char out[LOG_CLOCK_MAX])
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    unsigned long days = (unsigned long)(now.tv_sec / 86400) + 719468; /* since 0000-03-01 */
    unsigned long seconds = (unsigned long)(now.tv_sec % 86400);
    unsigned long era = days / 146097, of_era = days % 146097; /* 400 years */
    unsigned long year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned long day = of_era - (365 * year + year / 4 - year / 100);
    unsigned long month = (5 * day + 2) / 153; /* 0: March */
    (void)snprintf(out, LOG_CLOCK_MAX, "%04lu-%02lu-%02luT%02lu:%02lu:%02lu.%03ldZ",
                   era * 400 + year + (month >= 10), month < 10 ? month + 3 : month - 9,
                   day - (153 * month + 2) / 5 + 1, seconds / 3600, seconds / 60 % 60, seconds % 60,
                   now.tv_nsec / 1000000);
    return out;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_MAX_OCTETS], day[LOG_CLOCK_MAX];
    int saved = errno;
    if (level > log_limit)
        return;
    unsigned long lost = atomic_exchange(&log_lost, 0);
    nanos now = clock_now();
    int len = snprintf(line, sizeof(line), "<%d>t=%lld.%06lld time=%s proc=%s ", (int)level,
                       (long long)(now / NANOS_PER_SEC),
                       (long long)(now % NANOS_PER_SEC / NANOS_PER_US), log_clock(day), log_who);
    if (lost > 0)
        len += snprintf(line + len, sizeof(line) - (size_t)len, "lines-lost=%lu ", lost);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + len, sizeof(line) - (size_t)len - 1, format, args);
    va_end(args);
    size_t total = (size_t)len + (more < 0 ? 0 : (size_t)more);
    if (total > sizeof(line) - 2)
        total = sizeof(line) - 2;
    for (size_t i = 0; i < total; i++) /* one event is one line, whatever text it holds */
        if (line[i] == '\n' || line[i] == '\r')
            line[i] = ' ';
    line[total] = '\0';
    tell(level, line + len);
    line[total++] = '\n';
    if (!sink_ready() || write(STDERR_FILENO, line, total) < 0)
        atomic_fetch_add(&log_lost, lost + 1);
    errno = saved;
}

const char *log_text(const char *text, char *out, size_t cap)
{
    size_t n = 0;
    if (cap < 8)
        return "";
    out[n++] = '"';
    for (; *text != '\0' && n + 6 < cap; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\' || c < 0x20 || c > 0x7e)
            n += (size_t)snprintf(out + n, cap - n, "\\x%02x", (unsigned)c);
        else
            out[n++] = (char)c;
    }
    out[n++] = '"';
    out[n] = '\0';
    return out;
}
