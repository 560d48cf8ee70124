/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/audit/audit_log.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/unit_test.h"

static char room[8 << 20];

/* struct file - the audit file, read again line by line. */
struct file {
    int fd;
    size_t at, len;
};

/* file_new - a file without a name, open as the supervisor opens it; *ret_fd goes to the log. */
static struct file file_new(int *ret_fd)
{
    char name[] = "/tmp/ikat-audit-XXXXXX";
    struct file file = {.fd = mkstemp(name)};
    assert_true(file.fd >= 0);
    *ret_fd = open(name, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(*ret_fd >= 0);
    assert_int_equal(unlink(name), 0);
    return file;
}

static void file_read(struct file *file)
{
    ssize_t n = pread(file->fd, room, sizeof(room), 0);
    assert_true(n >= 0);
    *file = (struct file){.fd = file->fd, .len = (size_t)n};
}

/* line_next - NULL: no more. Each line is an object, and printable ASCII. */
static json_t *line_next(struct file *file)
{
    const char *begin = room + file->at;
    const char *end = memchr(begin, '\n', file->len - file->at);
    if (file->at == file->len)
        return NULL;
    assert_non_null(end);
    for (const char *c = begin; c < end; c++)
        assert_true(*c >= 0x20 && *c <= 0x7e);
    json_t *line = json_loadb(begin, (size_t)(end - begin), JSON_REJECT_DUPLICATES, NULL);
    assert_true(json_is_object(line));
    file->at += (size_t)(end - begin) + 1;
    return line;
}

static const char *text_in(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text == NULL ? "" : text;
}

static json_int_t number_in(const json_t *line, const char *key)
{
    return json_integer_value(json_object_get(line, key));
}

static struct audit_record login(uint32_t session)
{
    return (struct audit_record){.kind = AUDIT_LOGIN,
                                 .role = AUDIT_GATEWAY,
                                 .session = session,
                                 .conn = "office",
                                 .local_id = "gw",
                                 .remote_id = "anna",
                                 .method = "psk",
                                 .local = "192.0.2.1:500",
                                 .remote = "[2001:db8::1]:4500",
                                 .n_addresses = 1,
                                 .addresses = {"10.99.0.1"}};
}

static void add_login(struct audit_log *log, uint32_t session)
{
    const struct audit_record record = login(session);
    audit_log_add(log, &record, 0);
}

static void facts(void **state)
{
    (void)state;
    int fd;
    struct file file = file_new(&fd);
    struct audit_log *log = audit_log_new(fd);
    struct audit_record command = {.kind = AUDIT_COMMAND,
                                   .user = 1000,
                                   .command = "terminate",
                                   .arguments = {{"ike", "office"}, {"force", "yes"}}};
    struct audit_record result = {
        .kind = AUDIT_RESULT, .user = 1000, .command = "terminate", .reason = "no\nmatch"};
    add_login(log, 7);
    audit_log_add(log, &command, 0);
    audit_log_add(log, &result, 0);
    assert_true(audit_log_deadline(log) == NANOS_NEVER);
    file_read(&file);
    json_t *line = line_next(&file);
    assert_string_equal(text_in(line, "event"), "login");
    assert_int_equal(number_in(line, "number"), 1);
    assert_int_equal(number_in(line, "session"), 7);
    assert_string_equal(text_in(line, "remote_id"), "anna");
    assert_string_equal(json_string_value(json_array_get(json_object_get(line, "addresses"), 0)),
                        "10.99.0.1");
    assert_null(json_object_get(line, "reason"));
    json_decref(line);
    line = line_next(&file);
    assert_int_equal(number_in(line, "number"), 2);
    assert_int_equal(number_in(line, "uid"), 1000);
    assert_string_equal(text_in(json_object_get(line, "arguments"), "ike"), "office");
    json_decref(line);
    line = line_next(&file);
    assert_string_equal(text_in(line, "event"), "result");
    assert_string_equal(text_in(line, "command"), "terminate");
    assert_string_equal(text_in(line, "reason"), "no\\x0amatch");
    assert_int_equal(number_in(line, "uid"), 1000);
    assert_null(json_object_get(line, "arguments"));
    json_decref(line);
    assert_null(line_next(&file));
    audit_log_free(log);
    close(file.fd);
}

/* Any text of a peer becomes one value in one line. */
static void hostile_text(void **state)
{
    (void)state;
    int fd;
    struct file file = file_new(&fd);
    struct audit_log *log = audit_log_new(fd);
    struct audit_record record = {
        .kind = AUDIT_REFUSED,
        .remote_id = "\",\"event\":\"login\",\n{\033[2J\xff\xc0\x80\\x0a\xe2\x80\xae"};
    memset(record.reason, '\x01', sizeof(record.reason) - 1);
    assert_true(audit_record_sound(&record, true));
    audit_log_add(log, &record, 0);
    file_read(&file);
    json_t *line = line_next(&file);
    assert_string_equal(text_in(line, "event"), "refused");
    assert_string_equal(text_in(line, "remote_id"),
                        "\",\"event\":\"login\",\\x0a{\\x1b[2J\\xff\\xc0"
                        "\\x80\\x0a\\xe2\\x80\\xae");
    assert_int_equal(strlen(text_in(line, "reason")), 4 * (AUDIT_REASON - 1));
    json_decref(line);
    assert_null(line_next(&file));
    audit_log_free(log);
    close(file.fd);
}

/* Only a compromised process sends such a record. */
static void hostile_record(void **state)
{
    (void)state;
    struct audit_record record = login(1);
    assert_true(audit_record_sound(&record, true));
    assert_false(audit_record_sound(&record, false)); /* the supervisor knows no session */
    for (uint32_t kind = AUDIT_START; kind <= AUDIT_REOPEN; kind++) {
        record.kind = kind;
        assert_false(audit_record_sound(&record, true));
    }
    record.kind = AUDIT_KINDS;
    assert_false(audit_record_sound(&record, true));
    record = login(1);
    record.role = AUDIT_ROLES;
    assert_false(audit_record_sound(&record, true));
    record = login(1);
    record.n_addresses = IKE_LEASE_ADDRESSES + 1;
    assert_false(audit_record_sound(&record, true));
    record = login(1);
    memset(record.addresses[0], 'a', sizeof(record.addresses[0]));
    assert_false(audit_record_sound(&record, true));
    record = login(1);
    memset(record.arguments[AUDIT_ARGUMENTS - 1].value, 'a', AUDIT_WORD);
    assert_false(audit_record_sound(&record, true));
    record = login(1);
    memset(record.remote_old, 'a', sizeof(record.remote_old));
    assert_false(audit_record_sound(&record, true));
}

/* A full disk: lines wait, and are written in order once there is room again. */
static void full_disk(void **state)
{
    (void)state;
    int fd;
    struct file file = file_new(&fd);
    struct audit_log *log = audit_log_new(open("/dev/full", O_WRONLY | O_CLOEXEC));
    for (uint32_t session = 1; session <= 3; session++)
        add_login(log, session);
    assert_true(audit_log_deadline(log) == AUDIT_RETRY_NS);
    audit_log_tick(log, AUDIT_RETRY_NS);
    assert_true(audit_log_deadline(log) == 2 * AUDIT_RETRY_NS);
    audit_log_reopen(log, fd, 3 * AUDIT_RETRY_NS);
    assert_true(audit_log_deadline(log) == NANOS_NEVER);
    file_read(&file);
    for (uint32_t session = 1; session <= 3; session++) {
        json_t *line = line_next(&file);
        assert_int_equal(number_in(line, "session"), session);
        json_decref(line);
    }
    assert_null(line_next(&file));
    audit_log_free(log);
    close(file.fd);
}

/* Too many lines wait: those beyond the limit are counted, and a line says how many are missing. */
static void lost(void **state)
{
    (void)state;
    int fd;
    json_int_t n = 0, lost = 0;
    struct file file = file_new(&fd);
    struct audit_log *log = audit_log_new(open("/dev/full", O_WRONLY | O_CLOEXEC));
    for (uint32_t session = 1; session <= 20000; session++)
        add_login(log, session);
    audit_log_reopen(log, fd, AUDIT_RETRY_NS);
    add_login(log, 20001);
    file_read(&file);
    assert_true(file.len > AUDIT_WAITING - 1024 && file.len < AUDIT_WAITING + 1024);
    for (json_t *line; (line = line_next(&file)) != NULL; json_decref(line))
        if (strcmp(text_in(line, "event"), "lost") == 0)
            lost += number_in(line, "records");
        else
            assert_int_equal(number_in(line, "session"), lost == 0 ? ++n : 20001);
    assert_true(n > 1000);
    assert_int_equal(n + lost, 20000);
    audit_log_free(log);
    close(file.fd);
}

#define SESSIONS 600 /* more than a pipe takes */

/* half_written - a log that has written its first lines to a pipe, the last one in part. `room` has
 * the octets of the pipe. */
static struct audit_log *half_written(int *ret_fd, size_t *ret_len)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], room, 4096) > 0)
        ;
    struct audit_log *log = audit_log_new(ends[1]);
    for (uint32_t session = 1; session <= SESSIONS; session++)
        add_login(log, session);
    assert_true(read(ends[0], room, sizeof(room)) > 0);
    audit_log_tick(log, AUDIT_RETRY_NS);
    assert_true(audit_log_deadline(log) == 2 * AUDIT_RETRY_NS);
    *ret_len = (size_t)read(ends[0], room, sizeof(room));
    assert_true(*ret_len < sizeof(room) && room[*ret_len - 1] != '\n');
    *ret_fd = ends[0];
    return log;
}

/* the lines of sessions `first` to SESSIONS, and no more */
static void assert_sessions(struct file *file, uint32_t first)
{
    for (uint32_t session = first; session <= SESSIONS; session++) {
        json_t *line = line_next(file);
        assert_int_equal(number_in(line, "session"), session);
        json_decref(line);
    }
    assert_null(line_next(file));
}

/* The file takes only a part of a line: the next file gets the whole line. */
static void part_of_a_line(void **state)
{
    (void)state;
    int fd, pipe_fd;
    size_t len;
    struct file file = file_new(&fd);
    struct audit_log *log = half_written(&pipe_fd, &len);
    uint32_t whole = 0;
    for (size_t i = 0; i < len; i++)
        whole += room[i] == '\n';
    audit_log_reopen(log, fd, 2 * AUDIT_RETRY_NS);
    file_read(&file);
    assert_sessions(&file, whole + 1);
    audit_log_free(log);
    close(pipe_fd);
    close(file.fd);
}

/* The rest of a line follows its first part in the same file. */
static void rest_of_a_line(void **state)
{
    (void)state;
    struct file file = {.at = 0};
    struct audit_log *log = half_written(&file.fd, &file.len);
    while (audit_log_deadline(log) != NANOS_NEVER) {
        audit_log_tick(log, audit_log_deadline(log));
        ssize_t n = read(file.fd, room + file.len, sizeof(room) - file.len);
        assert_true(n > 0);
        file.len += (size_t)n;
    }
    assert_sessions(&file, 1);
    audit_log_free(log);
    close(file.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts),          cmocka_unit_test(hostile_text),
        cmocka_unit_test(hostile_record), cmocka_unit_test(full_disk),
        cmocka_unit_test(lost),           cmocka_unit_test(part_of_a_line),
        cmocka_unit_test(rest_of_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
