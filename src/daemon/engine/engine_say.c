/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines for users. They begin with the words that charon uses for the same event. */
#include <stdarg.h>
#include <stdio.h>

#include "daemon/common/log.h"
#include "daemon/config/selectors.h"
#include "daemon/engine/engine_state.h"
#include "daemon/vici/vici_server.h"
#include "ike/terms/identity.h"

static void say(struct engine *e, const struct engine_line *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct engine *e, const struct engine_line *about, const char *format, ...)
{
    char text[1024];
    struct engine_line line = *about;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    line.text = text;
    engine_watch_log(e, &line);
}

/* ends_print - "ADDRESS[IDENTITY]...ADDRESS[IDENTITY]". */
static const char *ends_print(const struct ike_sa_info *sa, const struct ike_session_info *session,
                              char *text, size_t cap)
{
    char local[ADDRESS_TEXT_MAX], remote[ADDRESS_TEXT_MAX];
    char local_id[IDENTITY_TEXT_MAX], remote_id[IDENTITY_TEXT_MAX];
    (void)snprintf(text, cap, "%s[%s]...%s[%s]", address_print(&sa->path.local.address, local),
                   identity_print(&session->local_id, local_id),
                   address_print(&sa->path.remote.address, remote),
                   identity_print(&session->remote_id, remote_id));
    return text;
}

/* known - looks up the subject of the event, which may have ended. false: nothing is known of it. */
static bool known(const struct engine *e, const struct ike_event *event, struct ike_sa_info *ret_sa,
                  struct ike_session_info *ret_session)
{
    if (event->gone != NULL) {
        *ret_sa = event->gone->sa;
        *ret_session = event->gone->session;
        return ret_session->conn != NULL;
    }
    return ike_sa_get(e->ike, event->sa, ret_sa) &&
           ike_session_get(e->ike, ret_sa->session, ret_session);
}

void engine_say_sa(struct engine *e, const struct ike_event *event)
{
    char ends[2 * (ADDRESS_TEXT_MAX + IDENTITY_TEXT_MAX) + 16];
    struct ike_sa_info sa;
    struct ike_session_info session;
    if (!known(e, event, &sa, &session))
        return;
    const char *name = session.conn->name;
    struct engine_line line = {.group = "IKE", .conn = name, .sa = sa.id};
    (void)ends_print(&sa, &session, ends, sizeof(ends));
    if (event->kind == IKE_EV_SA_DOWN)
        say(e, &line, "IKE_SA %s[%u] deleted, between %s: %s", name, sa.id, ends,
            ike_outcome_name(event->outcome));
    else if (event->kind == IKE_EV_SA_MOVED)
        say(e, &line, "IKE_SA %s[%u] moved, between %s", name, sa.id, ends);
    else if (event->sa_old == 0)
        say(e, &line, "IKE_SA %s[%u] established between %s", name, sa.id, ends);
    else
        say(e, &line, "IKE_SA %s[%u] %s from %s[%u], between %s", name, sa.id,
            sa.rekey ? "rekeyed" : "cloned", name, event->sa_old, ends);
}

static const char *selectors_print(const struct ike_ts_list *list, char *text, size_t cap)
{
    char one[TS_TEXT_MAX];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list->n && at < cap; i++)
        at += (size_t)snprintf(text + at, cap - at, "%s%s", i == 0 ? "" : " ",
                               ts_print(&list->ts[i], one));
    return text;
}

void engine_say_child(struct engine *e, const struct ike_event *event)
{
    char local[256], remote[256];
    struct ike_sa_info sa;
    struct ike_session_info session;
    struct ike_child_info child = {0};
    if (!known(e, event, &sa, &session))
        return;
    if (event->gone != NULL)
        child = event->gone->child;
    if (event->gone != NULL ? child.id == 0 : !ike_child_get(e->ike, event->child, &child))
        return;
    struct engine_line line = {.group = "IKE", .conn = session.conn->name, .sa = sa.id};
    const char *name = child.policy->name;
    if (event->kind == IKE_EV_CHILD_DOWN) {
        say(e, &line, "CHILD_SA %s{%u} closed: %s", name, child.id,
            ike_outcome_name(event->outcome));
        return;
    }
    say(e, &line, "CHILD_SA %s{%u} %s with SPIs %08x_i %08x_o and TS %s === %s", name, child.id,
        event->child_old != 0 ? "rekeyed" : "established", child.spi_in, child.spi_out,
        selectors_print(&child.local_ts, local, sizeof(local)),
        selectors_print(&child.remote_ts, remote, sizeof(remote)));
}

void engine_say_notice(struct engine *e, const struct ike_event *event)
{
    struct engine_line line = {.level = 1, .group = "IKE"};
    if (e->about_conn[0] != '\0') {
        line.conn = e->about_conn;
        line.sa = e->about_sa;
    }
    say(e, &line, "%s", event->notice);
}

void engine_say_session(struct engine *e, const struct ike_session_info *session, const char *text)
{
    const struct engine_line line = {.group = "CFG", .conn = session->conn->name};
    say(e, &line, "session %u of %s: %s", session->id, session->conn->name, text);
}

void engine_say_path(struct engine *e, const struct path_news *news)
{
    const struct engine_line line = {
        .level = 1, .group = "NET", .conn = news->conn, .sa = news->sa};
    if (news->kind == PATH_NEWS_STATE)
        say(e, &line, "path %s of %s: %s -> %s%s%s", news->path, news->conn,
            path_state_name(news->from), path_state_name(news->to),
            news->reason[0] != '\0' ? ": " : "", news->reason);
    else if (news->kind == PATH_NEWS_CONNECT_RETRY)
        say(e, &line, "%s: %s, trying again", news->conn, ike_outcome_name(news->outcome));
}

/* --- the event `log` --- */

/* group_of - the log group that charon uses for the line. */
static const char *group_of(const char *text)
{
    static const struct {
        const char *begin, *group;
    } groups[] = {
        {"event=conn-", "CFG"},    {"event=control", "CFG"}, {"event=config", "CFG"},
        {"event=child-", "CHD"},   {"event=path", "NET"},    {"event=link", "NET"},
        {"event=exchange", "ENC"}, {"event=route", "KNL"},   {"event=address", "KNL"},
        {"event=session-", "IKE"}, {"event=sa-", "IKE"},     {"event=notice", "IKE"},
        {"event=lease", "CFG"},    {"event=pool", "CFG"},    {"event=radius", "CFG"},
        {"event=install-", "CHD"},
    };
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        if (strncmp(text, groups[i].begin, strlen(groups[i].begin)) == 0)
            return groups[i].group;
    return "DMN";
}

static void on_line(void *context, enum log_level level, const char *text)
{
    struct engine *e = context;
    struct engine_line line = {.level = level == LOG_LEVEL_DEBUG ? 2
                                        : level < LOG_LEVEL_INFO ? 0
                                                                 : 1,
                               .group = group_of(text),
                               .text = text};
    if (e->about_conn[0] != '\0') {
        line.conn = e->about_conn;
        line.sa = e->about_sa;
    }
    if (e->vici != NULL && line.level <= 1)
        vici_server_log(e->vici, &line);
}

void engine_listen(struct engine *e)
{
    log_listen(on_line, e);
}

void engine_about(struct engine *e, const struct ike_event *event)
{
    struct ike_session_info session;
    const struct ike_conn *conn = NULL;
    e->about_conn[0] = '\0';
    if (event == NULL)
        return;
    if (event->gone != NULL)
        conn = event->gone->session.conn;
    else if (ike_session_get(e->ike, event->session, &session))
        conn = session.conn;
    if (conn == NULL)
        return;
    (void)snprintf(e->about_conn, sizeof(e->about_conn), "%s", conn->name);
    e->about_sa = event->sa;
}
