/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/outbox.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "daemon/common/channel.h"

struct numbered {
    uint32_t n_tail, number;
};

static int ends[2];

static int open_channel(void **state)
{
    (void)state;
    return channel_pair(ends, 1 << 12) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0 ||
           fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0;
}

static int close_channel(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int send_number(struct outbox *outbox, uint32_t number, uint32_t tail)
{
    static const uint8_t octets[4096];
    struct numbered message = {.n_tail = tail, .number = number};
    return outbox_send(outbox, span_of(&message, sizeof(message)), span_of(octets, tail));
}

/* 150 logins at once: no request is lost or refused, and the order stays. */
static void a_full_channel_only_takes_time(void **state)
{
    struct outbox *outbox = outbox_new(ends[0]);
    uint8_t tail[4096];
    (void)state;
    for (uint32_t i = 0; i < 2000; i++)
        assert_int_equal(send_number(outbox, i, i % 7 * 100), 0);
    assert_true(outbox_waiting(outbox) > 1000);
    for (uint32_t i = 0; i <= 2000; i++) {
        struct numbered message;
        size_t n;
        int error = channel_recv_tail(ends[1], &message, sizeof(message),
                                      (struct buffer){tail, sizeof(tail)}, &n);
        if (error == ERR_AGAIN) {
            int flushed = outbox_flush(outbox);
            assert_int_equal(flushed, outbox_waiting(outbox) > 0 ? ERR_AGAIN : 0);
            error = channel_recv_tail(ends[1], &message, sizeof(message),
                                      (struct buffer){tail, sizeof(tail)}, &n);
        }
        assert_int_equal(error, 0);
        assert_int_equal(message.number, i);
        assert_int_equal(n, i % 7 * 100);
        if (i == 10) /* the channel has room again, and others wait in front */
            assert_int_equal(send_number(outbox, 2000, 2000 % 7 * 100), 0);
    }
    assert_int_equal(outbox_waiting(outbox), 0);
    assert_int_equal(outbox_flush(outbox), 0);
    outbox_free(outbox);
}

static void the_queue_has_an_end(void **state)
{
    struct outbox *outbox = outbox_new(ends[0]);
    uint32_t n = 0;
    (void)state;
    while (send_number(outbox, n, 4096) == 0)
        n++;
    assert_int_equal(send_number(outbox, n, 4096), ERR_FULL);
    assert_true(n > OUTBOX_OCTETS / 4200 && n <= OUTBOX_OCTETS / 4096 + 8);
    outbox_free(outbox);
}

static void the_other_end_is_gone(void **state)
{
    struct outbox *outbox = outbox_new(ends[0]);
    (void)state;
    while (outbox_waiting(outbox) == 0)
        assert_int_equal(send_number(outbox, 0, 100), 0);
    close(ends[1]);
    assert_int_equal(outbox_flush(outbox), ERR_SYSTEM);
    outbox_free(outbox);
    ends[1] = dup(ends[0]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_full_channel_only_takes_time, open_channel,
                                        close_channel),
        cmocka_unit_test_setup_teardown(the_queue_has_an_end, open_channel, close_channel),
        cmocka_unit_test_setup_teardown(the_other_end_is_gone, open_channel, close_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
