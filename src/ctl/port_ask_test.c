/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/port_ask.h"

#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unit_test.h"

static int port_open(uint16_t *ret_port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *ret_port = ntohs(at.sin_port);
    return fd;
}

/* serve - sends each question back. `spoil`: with another SPI, as somebody who guesses does. */
static pid_t serve(int fd, size_t spi_at, bool spoil)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        uint8_t octets[512];
        struct sockaddr_in from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(fd, octets, sizeof(octets), 0, (struct sockaddr *)&from, &len);
        if (n <= 0)
            _exit(0);
        octets[spi_at] = (uint8_t)(octets[spi_at] ^ (spoil ? 1 : 0));
        (void)sendto(fd, octets, (size_t)n, 0, (struct sockaddr *)&from, len);
    }
}

/* A port that answers, one with a forged answer, and a closed one, in both forms of a question. */
static void test_answers(void **state)
{
    struct port_ask asks[6] = {0};
    pid_t pids[4];
    int fds[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        assert_true(address_parse("127.0.0.1", &asks[i].to));
        fds[i] = port_open(&asks[i].port);
        asks[i].bare = i % 2 == 0;
        if (i < 4)
            pids[i] = serve(fds[i], asks[i].bare ? 0 : 4, i >= 2);
        (void)close(fds[i]);
    }
    ports_ask(asks, 6);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(asks[i].answer, i < 2 ? PORT_ANSWERS : i < 4 ? PORT_SILENT : PORT_REFUSED);
    assert_true(address_equal(&asks[4].by, &asks[4].to));
    assert_string_equal(asks[5].why, "ICMP: port unreachable");
    for (size_t i = 0; i < 4; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
}

static void test_no_such_interface(void **state)
{
    struct port_ask ask = {.port = 500, .bare = true, .interface = "nothere0"};
    (void)state;
    assert_true(address_parse("127.0.0.1", &ask.to));
    ports_ask(&ask, 1);
    assert_int_equal(ask.answer, PORT_UNASKED);
    assert_string_equal(ask.why, "No such device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_no_such_interface),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
