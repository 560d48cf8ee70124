/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"
#include "daemon/vici/vici_server.h"

/* sockets_first - asks for the sockets of a path before an IKE SA uses it. If the source of an IPv6
 * datagram is given, its route depends on the interface of the socket alone. A login begins at
 * IKE_PORT and goes on at NAT_PORT (RFC 7296 section 2.23, RFC 4555 section 3.3). */
static void sockets_first(struct engine *e, const struct ike_command *command)
{
    struct ike_session_info session;
    struct ike_path path = command->path;
    bool login = command->kind == IKE_CMD_CONNECT;
    bool elsewhere = command->kind == IKE_CMD_MOVE || command->kind == IKE_CMD_PATH_TEST ||
                     command->kind == IKE_CMD_CREATE_MOVED;
    if (path.local.address.family != ADDRESS_V6 ||
        (!login && !(elsewhere && ike_session_get(e->ike, command->session, &session) &&
                     session.role == IKE_END_USER)))
        return;
    if (login) {
        path.local.port = IKE_PORT;
        engine_path_bind(e, &path);
    }
    path.local.port = NAT_PORT;
    engine_path_bind(e, &path);
}

static void command_run(struct engine *e, const struct ike_command *command)
{
    sockets_first(e, command);
    int error = ike_command(e->ike, command, e->now);
    if (error != 0)
        path_manager_refused(e->paths, command->tag, error, e->now);
}

static void news_log(struct engine *e, const struct path_news *news)
{
    char reason[96];
    if (news->kind == PATH_NEWS_STATE)
        log_line(LOG_LEVEL_INFO, "event=path-%s conn=%s path=%s session=%u sa=%u was=%s reason=%s",
                 path_state_name(news->to), news->conn, news->path, news->session, news->sa,
                 path_state_name(news->from), log_text(news->reason, reason, sizeof(reason)));
    else if (news->kind == PATH_NEWS_CONNECT_RETRY)
        log_line(LOG_LEVEL_INFO, "event=connect-retry conn=%s reason=%s", news->conn,
                 ike_outcome_name(news->outcome));
    else if (news->kind == PATH_NEWS_CONNECT_FAILED)
        log_line(LOG_LEVEL_WARNING, "event=connect-failed conn=%s reason=%s", news->conn,
                 ike_outcome_name(news->outcome));
    if (news->kind == PATH_NEWS_CONNECT_RETRY)
        engine_names_again(e, news->conn);
    engine_audit_failed(e, news);
    engine_watch_news(e, news);
    vici_server_path_news(e->vici, news);
}

/* one round; false: nothing was left to do */
static bool pump_once(struct engine *e)
{
    bool busy = false;
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    struct path_question question;
    const struct ike_event *event;
    while ((event = ike_event(e->ike)) != NULL) {
        engine_event(e, event);
        path_manager_event(e->paths, event, e->now);
        busy = true;
    }
    /* one command, then its events: ike.h demands this order */
    if (path_manager_command(e->paths, &command)) {
        command_run(e, &command);
        busy = true;
    }
    while (path_manager_order(e->paths, &order)) {
        engine_order(e, &order);
        busy = true;
    }
    while (path_manager_news(e->paths, &news)) {
        news_log(e, &news);
        busy = true;
    }
    while (path_manager_question(e->paths, &question)) {
        engine_name_ask(e, &question);
        busy = true;
    }
    return busy;
}

void engine_pump(struct engine *e)
{
    while (pump_once(e))
        ;
    while (ike_send(e->ike, &e->datagram))
        engine_datagram_send(e, &e->datagram);
    vici_server_trace(e->vici);
}
