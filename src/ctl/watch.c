/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `ikat watch`: sessions and paths on the whole screen, refreshed each second, with the latest
 * events below. It uses one connection to the daemon for requests and another one for events, so an
 * event never arrives between a request and its response.
 */
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctl/commands.h"
#include "ctl/history.h"
#include "ctl/status.h"

#define REFRESH_MS   1000
#define EVENTS_SHOWN 5
#define EVENT_TEXT   160
#define GRAPH_WIDTH  12

enum { PAIR_GOOD = 1, PAIR_WARN, PAIR_BAD };

struct watch {
    struct client *asking, *listening;
    struct history_set histories;
    char events[EVENTS_SHOWN][EVENT_TEXT]; /* oldest first; empty: none */
    bool utf8;
    int row;
};

static long long clock_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void event_note(void *context, const char *name, struct tree *message)
{
    struct watch *watch = context;
    char clock[16] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) != NULL)
        (void)strftime(clock, sizeof(clock), "%H:%M:%S", &local);
    memmove(watch->events[0], watch->events[1], sizeof(watch->events) - EVENT_TEXT);
    char *line = watch->events[EVENTS_SHOWN - 1];
    if (strcmp(name, "path") == 0) {
        const char *reason = tree_text_or(message, "reason", "");
        (void)snprintf(line, EVENT_TEXT, "%s  %s: path %s: %s -> %s%s%s", clock,
                       tree_text_or(message, "conn", "?"), tree_text_or(message, "path", "?"),
                       tree_text_or(message, "from", "?"), tree_text_or(message, "to", "?"),
                       reason[0] == '\0' ? "" : ", ", reason);
        return;
    }
    const struct tree *subject = NULL;
    for (const struct tree *part = message->first; part != NULL; part = part->next)
        if (part->kind == TREE_SECTION)
            subject = part;
    bool up = strcmp(tree_text_or(message, "up", "no"), "yes") == 0;
    (void)snprintf(line, EVENT_TEXT, "%s  %s: %s %s", clock, subject == NULL ? "?" : subject->name,
                   name, up ? "up" : "down");
}

static int colour_of(const char *state)
{
    if (strcmp(state, "up") == 0)
        return COLOR_PAIR(PAIR_GOOD);
    bool bad = strcmp(state, "down") == 0 || strcmp(state, "dead") == 0;
    return COLOR_PAIR(bad ? PAIR_BAD : PAIR_WARN);
}

static const char *rate_print(double octets, char out[16])
{
    double bits = octets * 8;
    static const char *const units[] = {"bit/s", "kbit/s", "Mbit/s", "Gbit/s"};
    size_t unit = 0;
    while (bits >= 1000 && unit < 3) {
        bits /= 1000;
        unit++;
    }
    (void)snprintf(out, 16, "%.*f %s", unit == 0 || bits >= 100 ? 0 : 1, bits, units[unit]);
    return out;
}

static double milliseconds(const struct tree *path, const char *key)
{
    return strtod(tree_text_or(path, key, "0"), NULL) / 1000;
}

static uint64_t counter(const struct tree *path, const char *key)
{
    return strtoull(tree_text_or(path, key, "0"), NULL, 10);
}

static void path_draw(struct watch *watch, const struct tree *path)
{
    char name[HISTORY_NAME], in[16], out[16], graph[3 * GRAPH_WIDTH + 1];
    const char *state = tree_text_or(path, "state", "?");
    double rtt = milliseconds(path, "rtt-us");
    (void)snprintf(name, sizeof(name), "%s/%s", tree_text_or(path, "session", "0"), path->name);
    struct history *history = history_of(&watch->histories, name);
    if (history == NULL || watch->row >= LINES)
        return;
    history_add(history, rtt, counter(path, "bytes-in"), counter(path, "bytes-out"), clock_ms());
    mvprintw(watch->row, 2, "%-10.10s %-9.9s ", path->name, tree_text_or(path, "interface", "-"));
    attron(colour_of(state));
    printw("%-10.10s", state);
    attroff(colour_of(state));
    printw(" %7.1f ms ", rtt);
    history_graph(history->rtt_ms, history->n, GRAPH_WIDTH, watch->utf8, graph);
    addstr(graph);
    printw(" %11s %11s ", rate_print(history->rate_in, in), rate_print(history->rate_out, out));
    history_graph(history->rate, history->n, GRAPH_WIDTH, watch->utf8, graph);
    if (COLS >= 92)
        addstr(graph);
    watch->row++;
}

static void paths_draw(struct watch *watch, const struct status *status, const char *session)
{
    for (const struct tree *path = status->paths->first; path != NULL; path = path->next)
        if (strcmp(tree_text_or(path, "session", "0"), session) == 0)
            path_draw(watch, path);
}

static void screen_draw(struct watch *watch, const struct status *status)
{
    erase();
    attron(A_BOLD);
    mvaddstr(0, 0, "ikat watch");
    attroff(A_BOLD);
    mvaddstr(0, COLS > 12 ? COLS - 8 : 0, "q: quit");
    mvprintw(1, 2, "%-10s %-9s %-10s %10s %*s %11s %11s", "PATH", "INTERFACE", "STATE", "RTT",
             GRAPH_WIDTH, "", "IN", "OUT");
    watch->row = 2;
    for (const struct tree *session = status->sessions->first;
         session != NULL && watch->row < LINES - EVENTS_SHOWN - 1; session = session->next) {
        attron(A_BOLD);
        mvprintw(watch->row++, 0, "%s", session->name);
        attroff(A_BOLD);
        printw(": %s, %s, %s login(s), %s VPN(s), %s", tree_text_or(session, "remote-id", "?"),
               tree_text_or(session, "state", "?"), tree_text_or(session, "logins", "0"),
               tree_text_or(session, "child-sas", "0"), tree_text_or(session, "multipath", "?"));
        paths_draw(watch, status, tree_text_or(session, "id", ""));
    }
    if (status->sessions->first == NULL)
        mvaddstr(watch->row++, 0, "no sessions");
    paths_draw(watch, status, "0"); /* paths of connections that are not up have no session */
    for (int i = 0; i < EVENTS_SHOWN; i++)
        mvaddnstr(LINES - EVENTS_SHOWN + i, 0, watch->events[i], COLS);
    refresh();
}

enum watch_next { WATCH_REFRESH, WATCH_QUIT, WATCH_DAEMON_GONE };

/* watch_wait - waits until a second has passed, or a key or an event came. */
static enum watch_next watch_wait(struct watch *watch)
{
    long long until = clock_ms() + REFRESH_MS;
    for (;;) {
        long long left = until - clock_ms();
        if (left <= 0)
            return WATCH_REFRESH;
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = client_descriptor(watch->listening), .events = POLLIN}};
        int ready = poll(fds, 2, (int)left);
        if (ready <= 0)
            return WATCH_REFRESH; /* time passed, or the window was resized */
        if (fds[1].revents != 0 && !client_event_take(watch->listening, event_note, watch))
            return WATCH_DAEMON_GONE;
        int key = fds[0].revents != 0 ? getch() : ERR;
        if (key == 'q' || key == 'Q' || (fds[0].revents & (POLLHUP | POLLERR)) != 0)
            return WATCH_QUIT;
        if (key != ERR || fds[1].revents != 0)
            return WATCH_REFRESH;
    }
}

static void screen_open(struct watch *watch, bool colour)
{
    (void)setlocale(LC_ALL, "");
    watch->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    initscr();
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    curs_set(0);
    if (colour && has_colors()) {
        start_color();
        use_default_colors();
        init_pair(PAIR_GOOD, COLOR_GREEN, -1);
        init_pair(PAIR_WARN, COLOR_YELLOW, -1);
        init_pair(PAIR_BAD, COLOR_RED, -1);
    }
}

static bool watch_open(struct watch *watch, const struct ctl_options *options)
{
    static const char *const events[] = {"path", "ike-updown", "child-updown"};
    watch->asking = ctl_connect(options);
    watch->listening = watch->asking == NULL ? NULL : ctl_connect(options);
    for (size_t i = 0; watch->listening != NULL && i < sizeof(events) / sizeof(events[0]); i++)
        if (!client_register(watch->listening, events[i]))
            return false;
    return watch->listening != NULL;
}

int command_watch(const struct ctl_options *options, char **arguments, int n)
{
    struct watch watch = {0};
    struct status status;
    (void)arguments, (void)n;
    if (isatty(STDOUT_FILENO) != 1 || isatty(STDIN_FILENO) != 1)
        return ctl_complain("watch needs a terminal; for programs: ikat paths --json");
    bool opened = watch_open(&watch, options);
    if (opened)
        screen_open(&watch, options->colour);
    enum watch_next next = opened ? WATCH_REFRESH : WATCH_DAEMON_GONE;
    while (next == WATCH_REFRESH) {
        next = WATCH_DAEMON_GONE;
        if (!status_fetch(watch.asking, &status))
            break;
        screen_draw(&watch, &status);
        status_done(&status);
        next = watch_wait(&watch);
    }
    if (opened)
        (void)endwin();
    client_close(watch.asking);
    client_close(watch.listening);
    history_set_done(&watch.histories);
    if (next == WATCH_QUIT)
        return 0;
    return opened ? ctl_complain("the daemon has ended") : 1;
}
