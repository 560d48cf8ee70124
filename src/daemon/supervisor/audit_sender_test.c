/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/audit_sender.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/common/channel.h"

static uint32_t read_all(int fd, uint32_t *ret_left_out)
{
    struct audit_record record;
    uint32_t n = 0;
    for (; channel_recv(fd, &record, sizeof(record), NULL, NULL) == 0; n++)
        *ret_left_out = record.left_out;
    return n;
}

/* Records without room in the channel are lost. The next record of the kind counts them. */
static void lost_records_count(void **state)
{
    int ends[2];
    uint32_t left_out = 0, sent;
    (void)state;
    assert_int_equal(channel_pair(ends, 1 << 14), 0);
    assert_true(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    assert_true(fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0);
    struct audit_sender sender = {.path = "audit.log", .fd = ends[0]};
    for (int i = 0; i < 100; i++)
        audit_sender_say(&sender, AUDIT_RELOAD, "loaded");
    sent = read_all(ends[1], &left_out);
    assert_in_range(sent, 1, 99);
    assert_int_equal(left_out, 0);
    audit_sender_say(&sender, AUDIT_RESTART, "resolver");
    assert_int_equal(read_all(ends[1], &left_out), 1);
    assert_int_equal(left_out, 0);
    audit_sender_say(&sender, AUDIT_RELOAD, "loaded");
    assert_int_equal(read_all(ends[1], &left_out), 1);
    assert_int_equal(left_out, 100 - sent);
    audit_sender_say(&sender, AUDIT_RELOAD, "loaded");
    assert_int_equal(read_all(ends[1], &left_out), 1);
    assert_int_equal(left_out, 0);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_records_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
