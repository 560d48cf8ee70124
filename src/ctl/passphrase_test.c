/* SPDX-License-Identifier: Apache-2.0 */
/* A passphrase from a terminal and from a script. */
#include "ctl/passphrase.h"

#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

/* input_set - makes the standard input of this process a pipe that holds the text and then ends. */
static void input_set(const char *text)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(ends[1]), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(close(ends[0]), 0);
}

static void assert_read(const char *text)
{
    struct secret secret = {0};
    assert_true(passphrase_read("file", &secret));
    assert_int_equal(secret.len, strlen(text));
    assert_memory_equal(secret.octets, text, secret.len);
}

static void script_has_a_line_for_each_file(void **state)
{
    (void)state;
    struct secret secret = {0};
    input_set("one\n\nno end");
    assert_read("one");
    assert_read("");
    assert_read("no end");
    assert_false(passphrase_read("file", &secret));
}

static void long_line_is_refused_as_a_whole(void **state)
{
    (void)state;
    struct secret secret = {0};
    char text[SECRET_CAP + 16];
    memset(text, 'x', sizeof(text));
    text[SECRET_CAP + 1] = '\n';
    memcpy(text + SECRET_CAP + 2, "next\n", 6);
    input_set(text);
    assert_false(passphrase_read("file", &secret));
    assert_int_equal(secret.len, 0);
    assert_read("next");
    input_set(text + 1); /* SECRET_CAP octets */
    assert_true(passphrase_read("file", &secret));
    assert_int_equal(secret.len, SECRET_CAP);
}

static const int interrupts[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP};

/* interrupts_default - resets the signals, because the runner of the tests may ignore some
 * (nohup(1)). */
static void interrupts_default(void)
{
    for (size_t i = 0; i < sizeof(interrupts) / sizeof(interrupts[0]); i++)
        (void)signal(interrupts[i], SIG_DFL);
}

/* person_asked - starts a child that asks for a passphrase at a terminal, and waits for its
 * prompt. */
static pid_t person_asked(int *ret_terminal)
{
    char text[512];
    size_t len = 0;
    pid_t pid = forkpty(ret_terminal, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        struct secret secret = {0};
        interrupts_default();
        _exit(passphrase_read("file", &secret) && secret.len == 5 &&
                      memcmp(secret.octets, "sesam", 5) == 0
                  ? 0
                  : 1);
    }
    do {
        ssize_t n = read(*ret_terminal, text + len, sizeof(text) - 1 - len);
        assert_true(n > 0);
        len += (size_t)n;
        text[len] = '\0';
    } while (strstr(text, "passphrase of file: ") == NULL);
    return pid;
}

static bool echoes(int terminal)
{
    struct termios now;
    assert_int_equal(tcgetattr(terminal, &now), 0);
    return (now.c_lflag & ECHO) != 0;
}

static void person_types_unseen(void **state)
{
    (void)state;
    int terminal, status;
    pid_t pid = person_asked(&terminal);
    assert_false(echoes(terminal));
    assert_int_equal(write(terminal, "sesam\n", 6), 6);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(echoes(terminal));
    assert_int_equal(close(terminal), 0);
}

static void interrupted_terminal_shows_input_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(interrupts) / sizeof(interrupts[0]); i++) {
        int terminal, status;
        pid_t pid = person_asked(&terminal);
        assert_int_equal(write(terminal, "ses", 3), 3);
        if (interrupts[i] == SIGINT)
            assert_int_equal(write(terminal, "\003", 1), 1); /* Ctrl-C */
        else
            assert_int_equal(kill(pid, interrupts[i]), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == interrupts[i]);
        assert_true(echoes(terminal));
        assert_int_equal(close(terminal), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(script_has_a_line_for_each_file),
        cmocka_unit_test(long_line_is_refused_as_a_whole),
        cmocka_unit_test(person_types_unseen),
        cmocka_unit_test(interrupted_terminal_shows_input_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
