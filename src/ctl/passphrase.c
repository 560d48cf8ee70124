/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/passphrase.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum line { LINE_READ, LINE_REFUSED, LINE_SIGNAL };

/* terminal_signals - the signals that end or stop a program at its terminal. */
static sigset_t terminal_signals(void)
{
    static const int numbers[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGTSTP};
    sigset_t set;
    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        (void)sigaddset(&set, numbers[i]);
    return set;
}

/* input_wait - waits for input. false: a signal is pending. */
static bool input_wait(int signals)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = signals, .events = POLLIN}};
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    return fds[1].revents == 0;
}

/* line_read - reads octet by octet, so that the lines that follow stay in the pipe for other
 * files. */
static enum line line_read(int signals, struct secret *secret)
{
    uint8_t octet = 0;
    bool fits = true, begun = false;
    secret_done(secret);
    while (input_wait(signals)) {
        bool ended = read(STDIN_FILENO, &octet, 1) != 1;
        if (ended || octet == '\n')
            return fits && (begun || !ended) ? LINE_READ : LINE_REFUSED;
        begun = true;
        fits = fits && secret->len < SECRET_CAP;
        if (fits)
            secret->octets[secret->len++] = octet;
        wipe(&octet, sizeof(octet));
    }
    return LINE_SIGNAL;
}

/* terminal_read - shows the prompt, and reads a line without showing it. */
static enum line terminal_read(const char *path, int signals, struct secret *secret,
                               const struct termios *shown)
{
    struct termios hidden = *shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    (void)fprintf(stderr, "passphrase of %s: ", path);
    enum line line = line_read(signals, secret);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, shown);
    (void)fputc('\n', stderr);
    return line;
}

bool passphrase_read(const char *path, struct secret *ret_passphrase)
{
    const sigset_t signals = terminal_signals();
    int pending = signalfd(-1, &signals, SFD_CLOEXEC);
    enum line line = pending < 0 ? LINE_REFUSED : LINE_SIGNAL;
    while (line == LINE_SIGNAL) {
        sigset_t before;
        struct termios shown;
        (void)sigprocmask(SIG_BLOCK, &signals, &before);
        line = tcgetattr(STDIN_FILENO, &shown) == 0
                   ? terminal_read(path, pending, ret_passphrase, &shown)
                   : line_read(pending, ret_passphrase);
        (void)sigprocmask(SIG_SETMASK, &before, NULL); /* a pending signal acts here */
    }
    if (pending >= 0)
        (void)close(pending);
    if (line != LINE_READ)
        secret_done(ret_passphrase);
    return line == LINE_READ;
}
