/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads a whole configuration at once. First it makes room and checks all objects. Then it switches
 * all of them within one turn of the loop, so no datagram meets half of a configuration.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_aaa.h"
#include "daemon/engine/engine_devices.h"
#include "daemon/engine/engine_eap.h"
#include "daemon/engine/engine_state.h"
#include "daemon/vici/vici_server.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool name_in(const char *const *names, size_t n, const char *name)
{
    return n > 0 && bsearch(&name, names, n, sizeof(names[0]), by_name) != NULL;
}

static void why_set(char why[ENGINE_ERROR_MAX], int error, const struct pools_fault *fault)
{
    if (error == ERR_INVALID && fault->other[0] != '\0')
        (void)snprintf(why, ENGINE_ERROR_MAX, "pool %s overlaps pool %s", fault->name,
                       fault->other);
}

/* left_say - logs the pools whose leases remain. The load succeeds: new logins get new addresses. */
static void left_say(const struct pools_left *left)
{
    for (uint32_t i = 0; i < left->n; i++)
        log_line(LOG_LEVEL_WARNING,
                 "event=pool-changed pool=%s leases-left=%u text=\"sessions keep addresses that no "
                 "pool has now, until they end: ikat status lists them, ikat down --peer IDENTITY "
                 "ends them\"",
                 left->names[i], left->n_leases);
}

/* unload_conns - unloads the connections without a successor, the last one first. */
static void unload_conns(struct engine *e, const char *const *names, size_t n)
{
    size_t i = 0;
    while (ike_conn_at(e->ike, i) != NULL)
        i++;
    while (i-- > 0) {
        const struct ike_conn *conn = ike_conn_at(e->ike, i);
        if (!name_in(names, n, conn->name))
            (void)e->ops.conn_unload(e, conn->name);
    }
}

static int unload_secrets(struct engine *e, const struct engine_load *load,
                          const char *const *names)
{
    char id[LIMIT_NAME];
    int error = 0;
    for (size_t i = 0; error == 0 && engine_secret_at(e, i, id);)
        if (name_in(names, load->n_secrets, id))
            i++;
        else if (load->number != 0)
            engine_secret_forget(e, id);
        else
            error = engine_secret_unload(e, id);
    return error;
}

static int switch_secrets(struct engine *e, const struct engine_load *load, const char **names)
{
    for (size_t i = 0; i < load->n_secrets; i++)
        names[i] = load->secrets[i].id;
    qsort(names, load->n_secrets, sizeof(names[0]), by_name);
    int error = unload_secrets(e, load, names);
    for (size_t i = 0; error == 0 && i < load->n_secrets; i++)
        error = load->number != 0 ? engine_secret_known(e, &load->secrets[i])
                                  : engine_secret_load(e, &load->secrets[i], NULL);
    return error;
}

static int switch_conns(struct engine *e, const struct engine_load *load, const char **names)
{
    int error = 0;
    for (size_t i = 0; i < load->n_conns; i++)
        names[i] = load->conns[i]->name;
    qsort(names, load->n_conns, sizeof(names[0]), by_name);
    e->load_switching = true;
    unload_conns(e, names, load->n_conns);
    for (size_t i = 0; error == 0 && i < load->n_conns; i++) {
        error = engine_conn_cas(e, load->conns[i]);
        if (error == 0)
            error = e->ops.conn_load(e, load->conns[i]);
    }
    e->load_switching = false;
    engine_devices_settle(e);
    engine_traps_renew(e);
    return error;
}

/* switch_credentials - certificates before the connections that are proven by them. */
static int switch_credentials(struct engine *e, const struct engine_load *load)
{
    int error = engine_certs_switch(e, load);
    if (error == 0)
        error = engine_keys_switch(e, load);
    if (error == 0)
        error = engine_authorities_switch(e, load);
    return error == 0 ? engine_radius_switch(e, load) : error;
}

/* --- the loader's secrets in other processes --- */

/* on_commit - without the secrets that belong to it, the configuration is not the one of the files.
 * The supervisor starts us anew, and the files are loaded again. */
static void on_commit(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct engine *e = context;
    (void)reason, (void)key_id;
    if (error == 0)
        return;
    log_line(LOG_LEVEL_ERROR, "event=secrets-not-switched error=\"%s\"", error_text(error));
    e->status = EXIT_FAILURE;
    e->done = true;
}

/* stages_end - each process that keeps secrets switches to the loader's ones, or drops them. Job
 * `whole` ends once all have (0: none waits). */
static int stages_end(struct engine *e, uint64_t number, bool commit, uint64_t whole)
{
    const struct engine_reply reply = {.context = e, .done = on_commit};
    struct key_request key = {.kind = commit ? KEY_STAGE_COMMIT : KEY_STAGE_DROP,
                              .load_number = number};
    struct eap_request eap = {.kind = commit ? EAP_STAGE_COMMIT : EAP_STAGE_DROP,
                              .load_number = number};
    struct aaa_request aaa = {.kind = commit ? AAA_STAGE_COMMIT : AAA_STAGE_DROP,
                              .load_number = number};
    int error = engine_loading_add_part(e, &reply, whole, &key.job);
    if (error == 0)
        error = engine_key_send(e, &key, (struct span){0});
    if (error == 0)
        error = engine_loading_add_part(e, &reply, whole, &eap.job);
    if (error == 0)
        error = engine_eap_send(e, &eap, (struct span){0});
    if (error == 0)
        error = engine_loading_add_part(e, &reply, whole, &aaa.job);
    return error != 0 ? error : engine_aaa_send(e, &aaa);
}

/* stages_commit - answers the loader once all processes have switched. Until then no other loader
 * begins: its stage could take the place of this one. */
static int stages_commit(struct engine *e, uint64_t number, const struct engine_reply *reply)
{
    uint64_t whole;
    int error = engine_loading_add(e, reply, &whole);
    return error != 0 ? error : stages_end(e, number, true, whole);
}

void engine_load_drop(struct engine *e, uint64_t number)
{
    int error = number == 0 ? 0 : stages_end(e, number, false, 0);
    if (error != 0) /* a later loader takes its place */
        log_line(LOG_LEVEL_WARNING, "event=load-not-dropped error=\"%s\"", error_text(error));
}

void engine_load_ended(struct engine *e)
{
    engine_arrive(e);
    e->load_ended = true;
    vici_server_loading(e->vici, false);
}

int engine_load_all(struct engine *e, const struct engine_load *load,
                    const struct engine_reply *reply, char ret_why[ENGINE_ERROR_MAX])
{
    size_t n = load->n_conns > load->n_secrets ? load->n_conns : load->n_secrets;
    const char **names = calloc(n + 1, sizeof(char *));
    struct pools_fault fault = {.name = ""};
    struct pools_left left = {.n = 0};
    ret_why[0] = '\0';
    int error = names == NULL ? ERR_NO_MEMORY : 0;
    if (error == 0)
        error = ike_conn_reserve(e->ike, load->n_conns);
    if (error == 0)
        error = load->n_radius > RADIUS_SERVERS ? ERR_FULL : 0;
    if (error == ERR_FULL)
        (void)snprintf(ret_why, ENGINE_ERROR_MAX, "more than %d RADIUS servers", RADIUS_SERVERS);
    if (error == 0)
        error = pools_switch(e->pools, load->pools, load->n_pools, &fault, &left);
    why_set(ret_why, error, &fault);
    if (error == 0)
        error = switch_credentials(e, load);
    if (error == 0)
        error = switch_secrets(e, load, names);
    if (error == 0 && load->number != 0)
        error = stages_commit(e, load->number, reply);
    if (error == 0)
        error = engine_radius_keys(e); /* the keyholder has the keys now */
    if (error == 0)
        error = switch_conns(e, load, names);
    if (error == 0) {
        engine_pools_check(e);
        if (left.n > 0) /* sessions with addresses of former pools had the routes of those pools */
            engine_routes_renew(e);
        engine_lan_check(e);
        left_say(&left);
        engine_load_ended(e);
    }
    if (error != 0) /* the caller tells the client */
        engine_loading_forget(e, reply->context);
    free(names);
    return error;
}
