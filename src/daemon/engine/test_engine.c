/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/test_engine.h"

#include "daemon/common/aaa_channel.h"

#include <stdio.h>

#include "base/assert.h"
#include "crypto/provider.h"

static void fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 7, len);
}

static void note(char out[LIMIT_NAME], const char *name)
{
    (void)snprintf(out, LIMIT_NAME, "%s", name == NULL ? "" : name);
}

static nanos op_now(void *engine)
{
    return ((struct test_engine *)engine)->now;
}

static struct ike *op_ike(void *engine)
{
    return ((struct test_engine *)engine)->ike;
}

static struct pools *op_pools(void *engine)
{
    return ((struct test_engine *)engine)->pools;
}

static int op_conn_credentials(void *engine, const struct conn_credentials *credentials,
                               struct ike_conn *conn, bool staged)
{
    (void)engine, (void)credentials, (void)conn, (void)staged;
    return 0;
}

static int op_conn_load(void *engine, struct ike_conn *conn)
{
    struct test_engine *t = engine;
    t->n_loaded++;
    return ike_conn_add(t->ike, conn);
}

static int op_upgrade(void *engine, const struct engine_reply *reply)
{
    (void)engine, (void)reply;
    return ERR_AGAIN;
}

static enum upgrade_outcome op_upgraded(void *engine)
{
    (void)engine;
    return UPGRADE_NONE;
}

static int op_conn_unload(void *engine, const char *name)
{
    struct test_engine *t = engine;
    t->n_unloaded++;
    return ike_conn_remove(t->ike, name);
}

static size_t secret_find(const struct test_engine *t, const char *id)
{
    size_t i = 0;
    while (i < t->n_secrets && strcmp(t->secrets[i].id, id) != 0)
        i++;
    return i;
}

static int op_radius_load(void *engine, const struct aaa_server *server)
{
    struct test_engine *t = engine;
    note(t->radius, server->name);
    return 0;
}

static int op_radius_unload(void *engine, const char *name)
{
    struct test_engine *t = engine;
    if (name[0] == '\0' || strcmp(t->radius, name) != 0)
        return ERR_NOT_FOUND;
    t->radius[0] = '\0';
    return 0;
}

static bool op_radius_at(void *engine, size_t index, char ret_name[LIMIT_NAME])
{
    struct test_engine *t = engine;
    if (index > 0 || t->radius[0] == '\0')
        return false;
    note(ret_name, t->radius);
    return true;
}

/* replied - the call that the real engine makes later. */
static int replied(const struct engine_reply *reply, int error)
{
    static const uint8_t key_id[KEY_ID_SIZE] = {0xab};
    if (error == 0 && reply->done != NULL)
        reply->done(reply->context, 0, "", key_id);
    return error;
}

static int op_secret_load(void *engine, const struct engine_secret *secret,
                          const struct engine_reply *reply)
{
    struct test_engine *t = engine;
    size_t i = secret_find(t, secret->id);
    if (i == sizeof(t->secrets) / sizeof(t->secrets[0]))
        return ERR_FULL;
    note(t->secrets[i].id, secret->id);
    t->secrets[i].n_octets = secret->n_octets;
    t->secrets[i].first = secret->n_octets == 0 ? 0 : secret->octets[0];
    t->secrets[i].n_owners = secret->n_owners;
    t->n_secrets += i == t->n_secrets;
    return replied(reply, 0);
}

static int op_token_load(void *engine, const struct key_token *token,
                         const struct engine_reply *reply)
{
    (void)engine;
    reply->done(reply->context, 0, "", token->handle);
    return 0;
}

static int op_key_load(void *engine, struct span octets, struct span passphrase,
                       const struct engine_reply *reply)
{
    (void)engine, (void)passphrase;
    return replied(reply, octets.len == 0 ? ERR_INVALID : 0);
}

static int op_key_unload(void *engine, const uint8_t key_id[KEY_ID_SIZE])
{
    struct test_engine *t = engine;
    return credentials_key_remove(t->credentials, key_id) ? 0 : ERR_NOT_FOUND;
}

static int op_cert_load(void *engine, enum cert_role role, struct span octets,
                        const struct engine_reply *reply)
{
    struct test_engine *t = engine;
    const struct credential_cert *cert;
    bool is_new;
    return replied(reply, credentials_cert_add(t->credentials, role, octets, &cert, &is_new));
}

static int op_cert_check(void *engine, const struct engine_cert *cert,
                         const struct engine_reply *reply)
{
    (void)engine;
    bool sound =
        cert->crl ? cert->octets.len > 0 : credentials_cert_sound(cert->role, cert->octets);
    return replied(reply, sound ? 0 : ERR_INVALID);
}

static int op_key_check(void *engine, struct span octets, struct span passphrase,
                        const struct engine_reply *reply)
{
    return op_key_load(engine, octets, passphrase, reply);
}

static int op_cert_unload(void *engine, enum cert_role role, const uint8_t digest[CERT_DIGEST])
{
    struct test_engine *t = engine;
    credentials_cert_remove(t->credentials, role, digest);
    return 0;
}

static int op_crl_load(void *engine, struct span octets, const struct engine_reply *reply)
{
    (void)engine;
    return replied(reply, octets.len == 0 ? ERR_INVALID : 0);
}

static int op_crls_flush(void *engine, uint32_t what)
{
    (void)engine, (void)what;
    return 0;
}

/* One list of revocations, and one OCSP response. */
static int op_cached_show(void *engine, const struct verifier_show *what,
                          const struct engine_reply *reply)
{
    (void)engine;
    if (what->index == 0)
        reply->item(reply->context, span_text(what->responses ? "a response" : "a list"));
    reply->done(reply->context, what->index == 0 ? 0 : ERR_NOT_FOUND, "", NULL);
    return 0;
}

static int op_authority_load(void *engine, const struct engine_authority *authority,
                             const struct engine_reply *reply)
{
    struct test_engine *t = engine;
    t->authority = *authority;
    t->authority.octets = (struct span){0};
    return replied(reply, 0);
}

static int op_authority_unload(void *engine, const char *name)
{
    struct test_engine *t = engine;
    if (strcmp(t->authority.name, name) != 0)
        return ERR_NOT_FOUND;
    t->authority.name[0] = '\0';
    return 0;
}

static const struct engine_authority *op_authority_at(void *engine, size_t index)
{
    const struct test_engine *t = engine;
    return index == 0 && t->authority.name[0] != '\0' ? &t->authority : NULL;
}

static void op_credentials_clear(void *engine)
{
    ((struct test_engine *)engine)->n_secrets = 0;
}

static const struct credentials *op_credentials(void *engine)
{
    return ((struct test_engine *)engine)->credentials;
}

static int op_load_all(void *engine, const struct engine_load *load,
                       const struct engine_reply *reply, char ret_why[ENGINE_ERROR_MAX])
{
    struct test_engine *t = engine;
    struct pools_fault fault;
    struct pools_left left;
    struct ike_conn *conn;
    int err = pools_switch(t->pools, load->pools, load->n_pools, &fault, &left);
    (void)snprintf(ret_why, ENGINE_ERROR_MAX, "pool %s", fault.name);
    if (err != 0)
        return err;
    while ((conn = ike_conn_at(t->ike, 0)) != NULL)
        ASSERT(ike_conn_remove(t->ike, conn->name) == 0);
    for (size_t i = 0; i < load->n_conns; i++)
        ASSERT(ike_conn_add(t->ike, load->conns[i]) == 0);
    t->authority.name[0] = t->radius[0] = '\0';
    for (size_t i = 0; i < load->n_authorities; i++)
        ASSERT(op_authority_load(t, &load->authorities[i], &(struct engine_reply){0}) == 0);
    for (size_t i = 0; i < load->n_radius; i++)
        ASSERT(op_radius_load(t, &load->radius[i]) == 0);
    for (size_t i = 0; i < load->n_certs; i++)
        ASSERT(op_cert_load(t, load->certs[i].role, load->certs[i].octets,
                            &(struct engine_reply){0}) == 0);
    t->n_secrets = 0;
    for (size_t i = 0; i < load->n_secrets; i++)
        ASSERT(op_secret_load(t, &load->secrets[i], &(struct engine_reply){0}) == 0);
    if (load->number != 0)
        t->committed = *reply;
    return 0;
}

static void op_load_drop(void *engine, uint64_t number)
{
    ((struct test_engine *)engine)->load_dropped = number;
}

static int op_secret_unload(void *engine, const char *id)
{
    struct test_engine *t = engine;
    size_t i = secret_find(t, id);
    if (i == t->n_secrets)
        return ERR_NOT_FOUND;
    t->n_secrets--;
    memmove(&t->secrets[i], &t->secrets[i + 1], (t->n_secrets - i) * sizeof(t->secrets[0]));
    return 0;
}

static bool op_secret_at(void *engine, size_t index, char ret_id[LIMIT_NAME])
{
    struct test_engine *t = engine;
    if (index >= t->n_secrets)
        return false;
    note(ret_id, t->secrets[index].id);
    return true;
}

static int op_initiate(void *engine, const struct engine_initiate *what)
{
    struct test_engine *t = engine;
    const struct engine_watch *watch = what->watch;
    t->n_initiated++;
    note(t->conn, what->conn);
    note(t->child, what->child);
    t->alone = what->alone;
    t->timeout = what->timeout;
    if (ike_conn_find(t->ike, what->conn) == NULL)
        return ERR_NOT_FOUND;
    if (watch != NULL && t->at_once)
        watch->done(watch->context, true, 1, "");
    else if (watch != NULL)
        t->watch = *watch;
    return 0;
}

static unsigned op_terminate(void *engine, const struct engine_filter *filter, bool force,
                             const struct engine_watch *watch)
{
    struct test_engine *t = engine;
    t->n_terminated++;
    t->filter = *filter;
    note(t->conn, filter->ike);
    note(t->child, filter->child);
    t->force = force;
    if (watch != NULL && t->matches > 0)
        t->watch = *watch;
    return t->matches;
}

static unsigned op_redirect(void *engine, struct engine_redirect *what)
{
    struct test_engine *t = engine;
    t->redirect = *what;
    note(t->conn, what->ike);
    what->refused = t->refused;
    return t->matches;
}

static unsigned op_rekey(void *engine, const struct engine_filter *filter, bool reauth)
{
    struct test_engine *t = engine;
    t->n_rekeyed++;
    t->filter = *filter;
    note(t->conn, filter->ike);
    note(t->child, filter->child);
    t->reauth = reauth;
    return t->matches;
}

static void op_asked(void *engine, const struct engine_asked *asked)
{
    struct test_engine *t = engine;
    (void)snprintf(t->asked, sizeof(t->asked), "%s", asked->command);
    (void)snprintf(t->result, sizeof(t->result), "%s", asked->result == NULL ? "" : asked->result);
}

static void op_unwatch(void *engine, void *context)
{
    struct test_engine *t = engine;
    t->n_unwatched++;
    if (t->watch.context == context)
        t->watch = (struct engine_watch){0};
}

static void op_pools_changed(void *engine)
{
    (void)engine;
}

static bool op_limit_at(void *engine, size_t index, struct engine_limit *ret_limit)
{
    (void)engine;
    *ret_limit = (struct engine_limit){"leases of pool inner", 9, 10};
    return index == 0;
}

static struct engine_loads op_loads(void *engine)
{
    (void)engine;
    return (struct engine_loads){.n = 3, .n_refused = 1};
}

static bool op_filtered(void *engine)
{
    (void)engine;
    return true;
}

static uint32_t op_reqid(void *engine, ike_child_id child)
{
    (void)engine;
    return child + 100;
}

static bool op_marks(void *engine, ike_child_id child, struct engine_child_marks *ret)
{
    (void)engine;
    *ret = (struct engine_child_marks){
        .marks = {.mark_in = 8, .mask_in = UINT32_MAX, .mark_out = 4, .mask_out = 0xff},
        .device = "ikat-m4-8"};
    return child % 2 == 0;
}

static bool op_traffic(void *engine, ike_child_id child, struct engine_child_traffic *ret_traffic)
{
    (void)engine;
    (void)child;
    (void)ret_traffic;
    return false;
}

static bool op_interface_name(void *engine, uint32_t index, char ret_name[16])
{
    (void)engine;
    (void)snprintf(ret_name, 16, "eth%u", index % 1000);
    return index != 0;
}

static struct engine_child_traffic op_path_traffic(void *engine, ike_session_id session,
                                                   const struct ike_path *path)
{
    (void)engine;
    (void)session;
    return path->interface == 3 ? (struct engine_child_traffic){.octets_in = 4000,
                                                                .packets_in = 4,
                                                                .octets_out = 500,
                                                                .packets_out = 5}
                                : (struct engine_child_traffic){0};
}

static bool op_is_trap(void *engine, const struct ike_conn *conn,
                       const struct ike_child_policy *child)
{
    (void)engine;
    (void)conn;
    return child->start_action == IKE_START_TRAP;
}

/* all pass and drop policies of the first connection */
static bool op_shunt_at(void *engine, size_t index, const char **ret_conn,
                        const struct ike_child_policy **ret_child)
{
    const struct test_engine *t = engine;
    const struct ike_conn *conn = ike_conn_at(t->ike, 0);
    if (conn == NULL || index >= conn->n_shunts)
        return false;
    *ret_conn = conn->name;
    *ret_child = &conn->children[conn->n_children + index];
    return true;
}

static int policy_change(struct test_engine *t, const char *conn, const char *child)
{
    note(t->conn, conn);
    note(t->child, child);
    return strcmp(child, "net") == 0    ? 0
           : strcmp(child, "many") == 0 ? ERR_FULL
           : strcmp(child, "none") == 0 ? ERR_INVALID
           : strcmp(child, "any") == 0  ? ERR_WRONG_STATE
                                        : ERR_NOT_FOUND;
}

static int op_install(void *engine, const char *conn, const char *child)
{
    return policy_change(engine, conn, child);
}

static int op_uninstall(void *engine, const char *conn, const char *child)
{
    return policy_change(engine, conn, child);
}

static bool op_lane(void *engine, ike_child_id child, struct esp_plane_lane *ret)
{
    (void)engine;
    if (child == 0)
        return false;
    *ret = (struct esp_plane_lane){.rate = 6250000,
                                   .rtt = 21 * NANOS_PER_MS,
                                   .queue = 3 * NANOS_PER_MS,
                                   .loss = 4900,
                                   .measured = true,
                                   .held = 7,
                                   .late = 1,
                                   .repaired = 2};
    return true;
}

static void op_plane_stats(void *engine, struct esp_plane_stats *ret)
{
    (void)engine;
    *ret = (struct esp_plane_stats){.replayed = 4, .no_policy = 7};
}

static void op_name_servers(void *engine, const struct ike_session_info *session,
                            struct hook_name_servers *ret)
{
    (void)engine;
    *ret = (struct hook_name_servers){.n = session->config.n_dns > 0 ? 1 : 0,
                                      .servers = {session->config.dns[0]}};
}

static struct path_failovers op_failovers(void *engine)
{
    (void)engine;
    return (struct path_failovers){3, 600 * NANOS_PER_MS, 300 * NANOS_PER_MS};
}

static bool op_path_at(void *engine, size_t index, struct path_status *ret_status)
{
    const struct test_engine *t = engine;
    if (index > 0 || ike_conn_at(t->ike, 0) == NULL)
        return false;
    *ret_status = (struct path_status){.path = "wifi", .wanted = {.interface = 3}, .weight = 2};
    note(ret_status->conn, ike_conn_at(t->ike, 0)->name);
    return true;
}

void test_engine_init(struct test_engine *t)
{
    *t = (struct test_engine){
        .random = {.fill = fill},
        .now = 1000 * NANOS_PER_SEC,
        .crypto = crypto_new(),
        .pools = pools_new((const uint8_t[16]){1}),
        .credentials = credentials_new(),
        .ops = ENGINE_OPS(t),
    };
    t->ike = ike_new(&(struct ike_options){.crypto = t->crypto, .random = &t->random});
    ASSERT(t->crypto != NULL && t->pools != NULL && t->ike != NULL);
}

void test_engine_done(struct test_engine *t)
{
    ike_free(t->ike);
    crypto_free(t->crypto);
    pools_free(t->pools);
    credentials_free(t->credentials);
}

void test_engine_end(struct test_engine *t, bool success, const char *error)
{
    struct engine_watch watch = t->watch;
    ASSERT(watch.done != NULL);
    t->watch = (struct engine_watch){0};
    watch.done(watch.context, success, 1, error);
}
