/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/audit/audit_log.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/common/log.h"

struct audit_log {
    int fd;
    uint64_t number; /* of the last line */
    uint64_t lost;   /* lines that found no room, since the last line that did */
    nanos retry_at;  /* NANOS_NEVER: no line waits */
    size_t written;  /* octets of the first waiting line that are in the file */
    size_t n;        /* octets that wait */
    char waiting[AUDIT_WAITING];
};

static const char *const events[AUDIT_KINDS] = {
    [AUDIT_START] = "start",   [AUDIT_STOP] = "stop",   [AUDIT_RESTART] = "restart",
    [AUDIT_RELOAD] = "reload", [AUDIT_LOGIN] = "login", [AUDIT_REFUSED] = "refused",
    [AUDIT_END] = "end",       [AUDIT_MOVED] = "moved", [AUDIT_COMMAND] = "command",
    [AUDIT_RESULT] = "result",
};

struct audit_log *audit_log_new(int fd)
{
    struct audit_log *log = calloc(1, sizeof(*log));
    if (log == NULL) {
        (void)close(fd);
        return NULL;
    }
    log->fd = fd;
    log->retry_at = NANOS_NEVER;
    return log;
}

struct audit_log *audit_log_free(struct audit_log *log)
{
    if (log != NULL)
        (void)close(log->fd);
    free(log);
    return NULL;
}

/* --- records --- */

#define SOUND(text) (memchr((text), '\0', sizeof(text)) != NULL)

static bool arguments_sound(const struct audit_record *r)
{
    bool sound = true;
    for (size_t i = 0; i < AUDIT_ARGUMENTS; i++)
        sound = sound && SOUND(r->arguments[i].key) && SOUND(r->arguments[i].value);
    for (size_t i = 0; sound && i < r->n_addresses; i++)
        sound = SOUND(r->addresses[i]);
    return sound;
}

bool audit_record_sound(const struct audit_record *r, bool engine)
{
    return r->kind < AUDIT_KINDS && (r->kind >= AUDIT_LOGIN) == engine && r->role < AUDIT_ROLES &&
           r->n_addresses <= IKE_LEASE_ADDRESSES && SOUND(r->conn) && SOUND(r->local_id) &&
           SOUND(r->remote_id) && SOUND(r->claimed_id) && SOUND(r->method) && SOUND(r->local) &&
           SOUND(r->remote) && SOUND(r->local_old) && SOUND(r->remote_old) && SOUND(r->command) &&
           SOUND(r->reason) && arguments_sound(r);
}

/* --- JSON --- */

/* text_of - escapes all but printable ASCII as \xNN, as identity_print does, so that no text of a
 * peer can control a terminal. */
static json_t *text_of(const char *text)
{
    char out[4 * IDENTITY_TEXT_MAX];
    size_t n = 0;
    for (; *text != '\0' && n + 5 < sizeof(out); text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c > 0x7e)
            n += (size_t)snprintf(out + n, sizeof(out) - n, "\\x%02x", (unsigned)c);
        else
            out[n++] = (char)c;
    }
    return json_stringn(out, n);
}

/* put - adds a text, unless it is empty. The object owns the value; jansson itself refuses NULL. */
static int put(json_t *line, const char *key, const char *text)
{
    return text[0] == '\0' ? 0 : json_object_set_new(line, key, text_of(text));
}

static int put_number(json_t *line, const char *key, uint64_t value)
{
    return json_object_set_new(line, key, json_integer((json_int_t)(value & INT64_MAX)));
}

static int put_known(json_t *line, const char *key, uint64_t value)
{
    return value == 0 ? 0 : put_number(line, key, value);
}

static int put_addresses(json_t *line, const struct audit_record *r)
{
    json_t *list = r->n_addresses == 0 ? NULL : json_array();
    int bad = r->n_addresses > 0 && list == NULL ? -1 : 0;
    for (uint32_t i = 0; bad == 0 && i < r->n_addresses; i++)
        bad = json_array_append_new(list, text_of(r->addresses[i]));
    if (list != NULL)
        bad |= json_object_set_new(line, "addresses", list);
    return bad;
}

static int put_arguments(json_t *line, const struct audit_record *r)
{
    json_t *object = json_object();
    int bad = object == NULL ? -1 : 0;
    for (size_t i = 0; bad == 0 && i < AUDIT_ARGUMENTS && r->arguments[i].key[0] != '\0'; i++) {
        json_t *key = text_of(r->arguments[i].key);
        bad = key == NULL ? -1 : put(object, json_string_value(key), r->arguments[i].value);
        json_decref(key);
    }
    if (object != NULL)
        bad |= json_object_set_new(line, "arguments", object);
    return bad;
}

static int put_who(json_t *line, const struct audit_record *r)
{
    static const char *const roles[] = {"", "end-user", "gateway"};
    return put(line, "conn", r->conn) | put_known(line, "session", r->session) |
           put_known(line, "sa", r->sa) | put(line, "role", roles[r->role]) |
           put(line, "local_id", r->local_id) | put(line, "remote_id", r->remote_id) |
           put(line, "claimed_id", r->claimed_id) | put(line, "method", r->method) |
           put(line, "local", r->local) | put(line, "remote", r->remote) |
           put(line, "local_old", r->local_old) | put(line, "remote_old", r->remote_old) |
           put_addresses(line, r);
}

static int put_more(json_t *line, const struct audit_record *r)
{
    int bad = put(line, "reason", r->reason) | put_known(line, "left_out", r->left_out);
    if (r->kind == AUDIT_END)
        bad |= put_number(line, "duration_ms", r->duration_ns / NANOS_PER_MS) |
               put_number(line, "octets_in", r->traffic.octets_in) |
               put_number(line, "octets_out", r->traffic.octets_out) |
               put_number(line, "packets_in", r->traffic.packets_in) |
               put_number(line, "packets_out", r->traffic.packets_out);
    if (r->kind == AUDIT_COMMAND || r->kind == AUDIT_RESULT)
        bad |= put(line, "command", r->command) | put_number(line, "uid", r->user);
    if (r->kind == AUDIT_COMMAND)
        bad |= put_arguments(line, r);
    return bad;
}

/* line_begin - adds the number and the time itself: the sender of a record cannot choose them. */
static json_t *line_begin(struct audit_log *log, const char *event)
{
    char time[LOG_CLOCK_MAX];
    json_t *line = json_object();
    if (line == NULL || put_number(line, "number", ++log->number) != 0 ||
        put(line, "time", log_clock(time)) != 0 || put(line, "event", event) != 0) {
        json_decref(line);
        return NULL;
    }
    return line;
}

/* --- lines that wait --- */

/* line_end - appends the line to those that wait, and frees it. false: no room, or no memory. */
static bool line_end(struct audit_log *log, json_t *line, int bad)
{
    char *text =
        line == NULL || bad != 0 ? NULL : json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    size_t len = text == NULL ? 0 : strlen(text);
    bool room = text != NULL && len + 1 <= AUDIT_WAITING - log->n;
    if (room) {
        memcpy(log->waiting + log->n, text, len);
        log->waiting[log->n + len] = '\n';
        log->n += len + 1;
    }
    free(text);
    json_decref(line);
    return room;
}

static bool lost_say(struct audit_log *log)
{
    json_t *line = line_begin(log, "lost");
    int bad = line == NULL ? -1 : put_number(line, "records", log->lost);
    return line_end(log, line, bad);
}

static void drop_written(struct audit_log *log, size_t len)
{
    memmove(log->waiting, log->waiting + len, log->n - len);
    log->n -= len;
}

/* lines_done - removes whole lines of the first `len` octets, and remembers how much of the next
 * one is in the file. */
static void lines_done(struct audit_log *log, size_t len)
{
    const char *last = memrchr(log->waiting, '\n', len);
    size_t whole = last == NULL ? 0 : (size_t)(last - log->waiting) + 1;
    drop_written(log, whole);
    log->written = len - whole;
}

static void trouble_say(const struct audit_log *log)
{
    log_line(LOG_LEVEL_ERROR, "event=audit-not-written waiting-octets=%zu reason=\"%s\"", log->n,
             strerror(errno));
}

static void lines_write(struct audit_log *log, nanos now)
{
    bool waited = log->retry_at != NANOS_NEVER;
    log->retry_at = NANOS_NEVER;
    while (log->n > 0) {
        ssize_t n = write(log->fd, log->waiting + log->written, log->n - log->written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (!waited)
                trouble_say(log);
            log->retry_at = nanos_after(now, AUDIT_RETRY_NS);
            return;
        }
        lines_done(log, log->written + (size_t)n);
    }
    if (waited)
        log_line(LOG_LEVEL_INFO, "event=audit-written lost=%llu", (unsigned long long)log->lost);
}

void audit_log_add(struct audit_log *log, const struct audit_record *record, nanos now)
{
    if (log->lost > 0 && lost_say(log))
        log->lost = 0;
    json_t *line = line_begin(log, events[record->kind]);
    int bad = line == NULL ? -1 : put_who(line, record) | put_more(line, record);
    if (!line_end(log, line, bad))
        log->lost++;
    if (log->retry_at == NANOS_NEVER)
        lines_write(log, now);
}

void audit_log_reopen(struct audit_log *log, int fd, nanos now)
{
    (void)close(log->fd);
    log->fd = fd;
    log->written = 0;
    lines_write(log, now);
}

void audit_log_tick(struct audit_log *log, nanos now)
{
    if (now < log->retry_at)
        return;
    lines_write(log, now);
    if (log->retry_at == NANOS_NEVER && log->lost > 0 && lost_say(log)) {
        log->lost = 0;
        lines_write(log, now);
    }
}

nanos audit_log_deadline(const struct audit_log *log)
{
    return log->retry_at;
}
