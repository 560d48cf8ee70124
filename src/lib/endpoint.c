/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "base/siphash.h"
#include "crypto/prf.h"
#include "ike/terms/identity.h"
#include "ike/terms/ppk.h"
#include "lib/lib_config.h"
#include "linux/entropy.h"
#include "multipath/install.h"

#define IKE_PORT 500
#define SPI_LEN  4 /* of ESP; the non-ESP marker has as many octets */

static int public_error(int error)
{
    switch (error) {
    case 0: return IKAT_OK;
    case ERR_NO_MEMORY: return IKAT_NO_MEMORY;
    case ERR_NOT_FOUND: return IKAT_NOT_FOUND;
    case ERR_FULL: return IKAT_FULL;
    default: return IKAT_INVALID;
    }
}

const char *ikat_error_text(int error)
{
    switch ((enum ikat_error)error) {
    case IKAT_OK: return "done";
    case IKAT_NO_MEMORY: return "no memory";
    case IKAT_INVALID: return "an argument or the configuration is invalid";
    case IKAT_NOT_FOUND: return "no such object";
    case IKAT_FULL: return "a limit is reached";
    case IKAT_NO_SA: return "no Child SA may carry the packet";
    case IKAT_TOO_BIG: return "the packet does not fit the path";
    }
    return "an unknown error";
}

/* --- beginning and end --- */

static bool child_traffic(const void *context, ike_child_id id, nanos *ret_in_ns, nanos *ret_out_ns)
{
    struct esp_counters counters;
    const struct ikat *ikat = context;
    if (data_plane_counters(lib_plane(ikat), id, &counters) != 0)
        return false;
    *ret_in_ns = counters.last_in_ns;
    *ret_out_ns = counters.last_out_ns;
    return true;
}

struct ikat *ikat_new(const struct ikat_options *options)
{
    struct ikat *ikat = calloc(1, sizeof(*ikat));
    uint8_t hash_key[SIPHASH_KEY_LEN];
    if (ikat == NULL)
        return NULL;
    ikat->last = &ikat->first;
    ikat->random = entropy_random();
    random_fill(ikat->random, hash_key, sizeof(hash_key));
    ikat->crypto = crypto_new();
    const struct ike_options ike_options = {.crypto = ikat->crypto,
                                            .random = ikat->random,
                                            .allow_loopback =
                                                options != NULL && options->allow_loopback};
    if (ikat->crypto != NULL)
        ikat->ike = ike_new(&ike_options);
    const struct path_options path_options = {.random = ikat->random,
                                              .view = path_view_of(ikat->ike),
                                              .traffic = {.context = ikat, .child = child_traffic}};
    ikat->paths = path_manager_new(&path_options);
    ikat->proofs = proofs_new();
    ikat->pools = pools_new(hash_key);
    ikat->secrets = shared_keys_new();
    ikat->esp = lib_esp_new(ikat);
    if (ikat->ike != NULL && ikat->paths != NULL && ikat->pools != NULL && ikat->secrets != NULL &&
        ikat->esp != NULL && ikat->proofs != NULL)
        return ikat;
    ikat_free(ikat);
    return NULL;
}

void ikat_free(struct ikat *ikat)
{
    if (ikat == NULL)
        return;
    path_manager_free(ikat->paths);
    if (ikat->ike != NULL)
        ike_free(ikat->ike);
    small_plane_free(ikat->esp);
    proofs_free(ikat->proofs);
    pools_free(ikat->pools);
    shared_keys_free(ikat->secrets);
    crypto_free(ikat->crypto);
    while (ikat->first != NULL) {
        struct queued *first = ikat->first;
        ikat->first = first->next;
        free(first);
    }
    free(ikat->pulled);
    free(ikat);
}

/* --- output --- */

static const char *text_keep(const char *text, uint8_t **at)
{
    if (text == NULL)
        return "";
    size_t len = strlen(text) + 1;
    memcpy(*at, text, len);
    *at += len;
    return (const char *)*at - len;
}

int lib_queue(struct ikat *ikat, const struct ikat_output *output)
{
    const char *texts[] = {output->connection, output->path, output->state, output->reason};
    size_t len = output->len;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        len += texts[i] != NULL ? strlen(texts[i]) + 1 : 0;
    if (ikat->n_queued >= QUEUE_MAX)
        return IKAT_FULL;
    struct queued *queued = malloc(sizeof(*queued) + len);
    if (queued == NULL)
        return IKAT_NO_MEMORY;
    uint8_t *at = queued->octets + output->len;
    queued->next = NULL;
    queued->output = *output;
    if (output->len > 0)
        memcpy(queued->octets, output->octets, output->len);
    queued->output.octets = queued->octets;
    queued->output.connection = text_keep(output->connection, &at);
    queued->output.path = text_keep(output->path, &at);
    queued->output.state = text_keep(output->state, &at);
    queued->output.reason = text_keep(output->reason, &at);
    *ikat->last = queued;
    ikat->last = &queued->next;
    ikat->n_queued++;
    return IKAT_OK;
}

/* tell - queues an output. A caller can look up what a lost one said. */
static void tell(struct ikat *ikat, const struct ikat_output *output)
{
    if (lib_queue(ikat, output) != IKAT_OK)
        return;
}

bool ikat_next(struct ikat *ikat, struct ikat_output *ret_output)
{
    free(ikat->pulled);
    ikat->pulled = ikat->first;
    if (ikat->first == NULL)
        return false;
    ikat->first = ikat->first->next;
    if (ikat->first == NULL)
        ikat->last = &ikat->first;
    ikat->n_queued--;
    *ret_output = ikat->pulled->output;
    return true;
}

/* --- jobs of the IKE core --- */

static void complete(struct ikat *ikat, const struct ike_event *event,
                     const struct ike_result *result)
{
    proofs_answer(ikat->proofs, event->job, result);
    ike_complete(ikat->ike, event->job, result, ikat->now);
}

static bool auth_equal(struct span a, struct span b)
{
    return a.len == b.len && ct_equal(a.ptr, b.ptr, a.len);
}

/* auth_job - computes or checks AUTH. An identity without a secret takes as long as a wrong AUTH. */
static void auth_job(struct ikat *ikat, const struct ike_event *event)
{
    struct ike_result result = {0};
    uint8_t room[AUTH_OCTETS_PRF], none[32];
    const struct ike_auth_job *job = &event->auth;
    struct span secret = shared_keys_choose(ikat->secrets, &job->local_id, &job->remote_id);
    bool found = secret.len > 0;
    random_fill(ikat->random, none, sizeof(none));
    if (!found)
        secret = span_of(none, sizeof(none));
    result.error = job->method != IKE_AUTH_PSK
                       ? ERR_NOT_FOUND
                       : auth_octets_shared(ikat->crypto, &job->octets, secret, room);
    if (result.error == 0) {
        result.auth = span_of(room, crypto_prf_find(job->octets.prf)->len);
        bool same = event->kind == IKE_EV_AUTH_SIGN || auth_equal(result.auth, job->auth);
        result.error = !found ? ERR_NOT_FOUND : same ? 0 : ERR_AUTH;
    }
    complete(ikat, event, &result);
    wipe(room, sizeof(room));
}

static void ppk_job(struct ikat *ikat, const struct ike_event *event)
{
    struct ike_result result = {.error = ERR_NOT_FOUND};
    uint8_t room[PPK_KEYS_MAX];
    const struct ike_ppk_job *job = &event->ppk;
    struct span ppk = shared_keys_ppk(ikat->secrets, &job->id);
    if (ppk.len > 0)
        result.error = ppk_mix(ikat->crypto, job->prf, ppk, job->keys, room);
    result.ppk_keys = span_of(room, job->keys.len);
    complete(ikat, event, &result);
    wipe(room, sizeof(room));
}

static void admit_job(struct ikat *ikat, const struct ike_event *event)
{
    bool proven = proofs_admit(ikat->proofs, ikat->ike, event);
    complete(ikat, event, &(struct ike_result){.error = proven ? 0 : ERR_DENIED});
}

static void lease_job(struct ikat *ikat, const struct ike_event *event)
{
    struct ike_result result = {0};
    result.error = pools_lease(ikat->pools, &event->lease, NULL, event->session, &result.config);
    complete(ikat, event, &result);
}

static void install_job(struct ikat *ikat, const struct ike_event *event)
{
    struct ike_result result = {.error = lib_esp_install(ikat, &event->install)};
    complete(ikat, event, &result);
}

/* --- events --- */

static void child_remove(struct ikat *ikat, const struct ike_event *event)
{
    if (data_plane_remove(lib_plane(ikat), event->child, event->linger_ns, ikat->now) != 0)
        return; /* its installation was refused */
}

/* session_up - without an admission it ends at once. */
static void session_up(struct ikat *ikat, const struct ike_event *event)
{
    struct ike_session_info info;
    const struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION,
                                    .session = event->session,
                                    .force = true,
                                    .reason = IKE_PEER_AUTH_FAILED};
    if (!proofs_take(ikat->proofs, ikat->ike, event) &&
        ike_command(ikat->ike, &end, ikat->now) == 0)
        return;
    if (ike_session_get(ikat->ike, event->session, &info))
        tell(ikat, &(struct ikat_output){.kind = IKAT_SESSION_UP,
                                         .session = event->session,
                                         .connection = info.conn->name});
}

static void event_act(struct ikat *ikat, const struct ike_event *event)
{
    static const struct ike_result cannot = {.error = ERR_NOT_FOUND};
    if (proofs_ask(ikat->proofs, ikat->ike, event) != 0) {
        complete(ikat, event, &(struct ike_result){.error = ERR_NO_MEMORY});
        return;
    }
    switch ((int)event->kind) {
    case IKE_EV_AUTH_SIGN:
    case IKE_EV_AUTH_VERIFY: auth_job(ikat, event); break;
    case IKE_EV_PPK: ppk_job(ikat, event); break;
    case IKE_EV_ADMIT: admit_job(ikat, event); break;
    case IKE_EV_LEASE: lease_job(ikat, event); break;
    case IKE_EV_LEASE_RELEASE: pools_release(ikat->pools, event->session); break;
    case IKE_EV_CHILD_INSTALL: install_job(ikat, event); break;
    case IKE_EV_CHILD_SWITCH: lib_esp_switch(ikat, event->child); break;
    case IKE_EV_CHILD_MOVE: lib_esp_move(ikat, event); break;
    case IKE_EV_CHILD_REMOVE: child_remove(ikat, event); break;
    case IKE_EV_SESSION_UP: session_up(ikat, event); break;
    case IKE_EV_SESSION_DOWN:
        data_plane_session_end(lib_plane(ikat), event->session);
        tell(ikat, &(struct ikat_output){.kind = IKAT_SESSION_DOWN,
                                         .session = event->session,
                                         .reason = ike_outcome_name(event->outcome)});
        break;
    default: /* libikat does not report this event, or cannot do this job */
        if (event->job != 0)
            complete(ikat, event, &cannot);
        break;
    }
}

static void news_take(struct ikat *ikat, const struct path_news *news)
{
    struct ikat_output output = {.session = news->session,
                                 .connection = news->conn,
                                 .path = news->path,
                                 .reason = news->reason};
    switch (news->kind) {
    case PATH_NEWS_CONNECT_RETRY: return;
    case PATH_NEWS_STATE:
        output.kind = IKAT_PATH;
        output.state = path_state_name(news->to);
        break;
    case PATH_NEWS_CONNECTED: output.kind = IKAT_UP; break;
    case PATH_NEWS_CONNECT_FAILED:
        output.kind = IKAT_FAILED;
        output.reason = ike_outcome_name(news->outcome);
        break;
    }
    tell(ikat, &output);
}

/* --- the order of work --- */

static bool pump_once(struct ikat *ikat)
{
    const struct ike_event *event;
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    struct path_question question;
    bool busy = false;
    while ((event = ike_event(ikat->ike)) != NULL) {
        event_act(ikat, event);
        path_manager_event(ikat->paths, event, ikat->now);
        busy = true;
    }
    if (path_manager_command(ikat->paths, &command)) {
        int error = ike_command(ikat->ike, &command, ikat->now);
        if (error != 0)
            path_manager_refused(ikat->paths, command.tag, error, ikat->now);
        busy = true;
    }
    while (path_manager_question(ikat->paths, &question)) { /* there is no resolver */
        path_manager_resolved(ikat->paths, question.tag, NULL, 0, ikat->now);
        busy = true;
    }
    while (path_manager_order(ikat->paths, &order)) {
        if (install_order(lib_plane(ikat), &order) != 0)
            continue; /* the child has ended, or there is no memory: one path at a time */
        busy = true;
    }
    while (path_manager_news(ikat->paths, &news)) {
        news_take(ikat, &news);
        busy = true;
    }
    return busy;
}

/* datagram_queue - with the non-ESP marker in front where ESP shares the port (RFC 3948 section
 * 2.2). One that finds no room is repeated by IKE. */
static void datagram_queue(struct ikat *ikat, const struct ike_datagram *datagram)
{
    uint8_t marked[SPI_LEN + LIMIT_IKE_MESSAGE];
    bool plain = datagram->path.local.port == IKE_PORT;
    memset(marked, 0, SPI_LEN);
    memcpy(marked + SPI_LEN, datagram->octets, datagram->len);
    tell(ikat, &(struct ikat_output){.kind = IKAT_DATAGRAM,
                                     .place = lib_place_out(&datagram->path),
                                     .octets = plain ? datagram->octets : marked,
                                     .len = plain ? datagram->len : datagram->len + SPI_LEN});
}

/* pump - events come before datagrams: a Child SA receives before its peer is invited to send. */
static void pump(struct ikat *ikat)
{
    while (pump_once(ikat))
        continue;
    while (ike_send(ikat->ike, &ikat->datagram))
        datagram_queue(ikat, &ikat->datagram);
}

static void time_set(struct ikat *ikat, ikat_time now)
{
    ikat->now = now > ikat->now ? now : ikat->now;
}

/* --- configuration --- */

static bool in_config(const struct lib_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_conns; i++)
        if (strcmp(config->conns[i]->name, name) == 0)
            return true;
    return false;
}

/* conns_switch - cannot fail any more: there is room for all. */
static int conns_switch(struct ikat *ikat, const struct lib_config *config)
{
    struct ike_conn *old;
    for (size_t i = 0; (old = ike_conn_at(ikat->ike, i)) != NULL;)
        if (in_config(config, old->name) || ike_conn_remove(ikat->ike, old->name) != 0)
            i++;
    int error = 0;
    for (size_t i = 0; i < config->n_conns && error == 0; i++) {
        error = ike_conn_add(ikat->ike, config->conns[i]);
        if (error == 0)
            path_manager_conn_loaded(ikat->paths, config->conns[i], ikat->now);
    }
    return error;
}

int ikat_configure(struct ikat *ikat, const char *name, const char *text, char error[IKAT_TEXT_MAX])
{
    struct lib_config config = {.plane = lib_plane(ikat)};
    struct pools_fault fault = {.name = ""};
    struct pools_left left;
    char own[IKAT_TEXT_MAX];
    char *why = error != NULL ? error : own;
    why[0] = '\0';
    int failure = lib_config_read(name, text, &config, why);
    if (failure != 0)
        return public_error(failure);
    failure = ike_conn_reserve(ikat->ike, config.n_conns);
    if (failure == 0) {
        failure = pools_switch(ikat->pools, config.pools, config.n_pools, &fault, &left);
        if (failure == ERR_INVALID)
            (void)snprintf(why, IKAT_TEXT_MAX, "pool %s overlaps pool %s", fault.name, fault.other);
    }
    if (failure == 0)
        failure = shared_keys_replace(ikat->secrets, config.secrets);
    if (failure == 0) {
        ike_ppk_set(ikat->ike, config.any_ppk);
        failure = conns_switch(ikat, &config);
    }
    lib_config_done(&config);
    pump(ikat);
    return public_error(failure);
}

/* --- input --- */

/* link_address - the link leads everywhere from this address; family 0: it has none. */
static void link_address(const struct ikat_address *from, struct path_link *link)
{
    const struct address own = lib_address_in(from);
    if (!range_from_prefix(&own, 0, &link->routes[link->n_routes].destination))
        return;
    link->addresses[link->n_addresses++] = own;
    link->n_routes++;
}

int ikat_links_set(struct ikat *ikat, const struct ikat_link *links, size_t n, ikat_time now)
{
    struct path_link to[IKAT_LINKS] = {0};
    struct address addresses[2 * IKAT_LINKS];
    size_t n_addresses = 0;
    if (n > IKAT_LINKS)
        return IKAT_FULL;
    time_set(ikat, now);
    for (size_t i = 0; i < n; i++) {
        to[i].index = links[i].index;
        to[i].mtu = links[i].mtu;
        to[i].up = true;
        (void)snprintf(to[i].name, sizeof(to[i].name), "%s", links[i].name);
        link_address(&links[i].v4, &to[i]);
        link_address(&links[i].v6, &to[i]);
        for (uint8_t j = 0; j < to[i].n_addresses; j++)
            addresses[n_addresses++] = to[i].addresses[j];
    }
    memcpy(ikat->links, links, n * sizeof(*links));
    ikat->n_links = n;
    path_manager_links_set(ikat->paths, to, n, ikat->now);
    ike_local_addresses_set(ikat->ike, addresses, n_addresses, ikat->now);
    lib_esp_links(ikat);
    pump(ikat);
    return IKAT_OK;
}

int ikat_up(struct ikat *ikat, const char *connection, const char *child, ikat_time now)
{
    struct path_connect wish = {
        .conn = ike_conn_find(ikat->ike, connection), .child = child, .keep = true};
    time_set(ikat, now);
    bool known = child == NULL;
    for (uint8_t i = 0; wish.conn != NULL && child != NULL && i < wish.conn->n_children; i++)
        known |= strcmp(wish.conn->children[i].name, child) == 0;
    if (wish.conn == NULL || !known)
        return IKAT_NOT_FOUND;
    int error = path_manager_connect(ikat->paths, &wish, ikat->now);
    pump(ikat);
    return public_error(error);
}

int ikat_down(struct ikat *ikat, const char *connection, ikat_time now)
{
    struct ike_session_info info;
    bool found = false;
    time_set(ikat, now);
    path_manager_disconnect(ikat->paths, connection, ikat->now);
    for (ike_session_id id = 0; ike_session_next(ikat->ike, id, &info); id = info.id) {
        const struct ike_command command = {.kind = IKE_CMD_DELETE_SESSION, .session = info.id};
        if (info.conn == NULL || strcmp(info.conn->name, connection) != 0)
            continue;
        path_manager_session_release(ikat->paths, info.id);
        found |= ike_command(ikat->ike, &command, ikat->now) == 0;
    }
    pump(ikat);
    return found ? IKAT_OK : IKAT_NOT_FOUND;
}

static bool marked(const uint8_t *octets, size_t len)
{
    static const uint8_t marker[SPI_LEN];
    return len >= SPI_LEN && memcmp(octets, marker, SPI_LEN) == 0;
}

void ikat_receive(struct ikat *ikat, const struct ikat_place *place, uint8_t *octets, size_t len,
                  ikat_time now)
{
    const struct ike_path path = lib_place_in(place);
    time_set(ikat, now);
    if (path.local.port == IKE_PORT)
        ike_recv(ikat->ike, &path, span_of(octets, len), ikat->now);
    else if (marked(octets, len))
        ike_recv(ikat->ike, &path, span_of(octets + SPI_LEN, len - SPI_LEN), ikat->now);
    else
        lib_esp_receive(ikat, &path, (struct buffer){octets, len});
    pump(ikat);
}

int ikat_send(struct ikat *ikat, const uint8_t *packet, size_t len, ikat_time now)
{
    time_set(ikat, now);
    int error = lib_esp_send(ikat, span_of(packet, len));
    pump(ikat);
    return error;
}

ikat_time ikat_deadline(const struct ikat *ikat)
{
    return nanos_min(nanos_min(ike_deadline(ikat->ike), path_manager_deadline(ikat->paths)),
                     data_plane_deadline(lib_plane(ikat)));
}

void ikat_tick(struct ikat *ikat, ikat_time now)
{
    time_set(ikat, now);
    if (ike_deadline(ikat->ike) <= ikat->now)
        ike_tick(ikat->ike, ikat->now);
    pump(ikat);
    if (path_manager_deadline(ikat->paths) <= ikat->now)
        path_manager_tick(ikat->paths, ikat->now);
    data_plane_tick(lib_plane(ikat), ikat->now);
    pump(ikat);
}

/* --- looking in --- */

int ikat_session(const struct ikat *ikat, uint32_t session, struct ikat_session *ret_session)
{
    struct ike_session_info info;
    char peer[IDENTITY_TEXT_MAX];
    if (!ike_session_get(ikat->ike, session, &info))
        return IKAT_NOT_FOUND;
    *ret_session = (struct ikat_session){.gateway = info.role == IKE_GATEWAY,
                                         .logins = info.logins,
                                         .ike_sas = info.n_ike_sas,
                                         .child_sas = info.n_children};
    (void)snprintf(ret_session->connection, IKAT_NAME_MAX, "%s", info.conn->name);
    (void)snprintf(ret_session->peer, IKAT_TEXT_MAX, "%s", identity_print(&info.remote_id, peer));
    for (uint8_t i = 0; i < info.config.n_addresses && i < IKAT_ADDRESSES; i++)
        ret_session->addresses[ret_session->n_addresses++] =
            lib_address_out(&info.config.addresses[i], 0);
    return IKAT_OK;
}

bool ikat_path(struct ikat *ikat, size_t index, struct ikat_path *ret_path)
{
    struct path_status status;
    struct esp_counters counters;
    if (!path_manager_status(ikat->paths, index, &status))
        return false;
    if (data_plane_counters(lib_plane(ikat), status.child, &counters) != 0)
        counters = (struct esp_counters){0}; /* the path has no Child SA */
    *ret_path = (struct ikat_path){.session = status.session,
                                   .state = path_state_name(status.state),
                                   .place = lib_place_out(&status.at),
                                   .rtt_ns = status.rtt_ns,
                                   .packets_in = counters.packets_in,
                                   .packets_out = counters.packets_out};
    (void)snprintf(ret_path->connection, IKAT_NAME_MAX, "%s", status.conn);
    (void)snprintf(ret_path->name, IKAT_NAME_MAX, "%s", status.path);
    return true;
}
