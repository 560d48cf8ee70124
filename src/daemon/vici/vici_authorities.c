/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the VICI server for authorities. */
#include "daemon/config/authority_build.h"
#include "daemon/vici/vici_server.h"
#include "daemon/vici/vici_stage.h"

static void on_loaded(void *context, int error, const char *reason, const uint8_t *key_id)
{
    struct vici_client *client = context;
    (void)key_id;
    if (error != 0 && vici_client_stage(client) != NULL)
        vici_stage_break(vici_client_stage(client));
    vici_client_busy(client, false);
    vici_finish(client, error, reason);
}

/* authority_put - loads the authority at once, or adds it to the load in preparation. */
static int authority_put(struct vici_client *client, const struct engine_authority *authority)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_reply reply = {.context = client, .done = on_loaded};
    const struct engine_cert cert = {.role = CERT_ROLE_AUTHORITY, .octets = authority->octets};
    if (vici_client_stage(client) == NULL) {
        vici_files_forget(vici_client_files(client), VICI_FILE_AUTHORITY, authority->name);
        return ops->authority_load(ops->engine, authority, &reply);
    }
    int err = vici_stage_authority(vici_client_stage(client), authority);
    return err != 0 ? err : ops->cert_check(ops->engine, &cert, &reply);
}

void vici_load_authority(struct vici_client *client, const struct tree *m)
{
    uint8_t octets[VERIFIER_CERT_MAX];
    struct build_error error = {.text = ""};
    struct engine_authority authority;
    if (m->first == NULL || m->first != m->last || m->first->kind != TREE_SECTION) {
        vici_fail(client, "exactly one section, named after the authority, is expected");
        return;
    }
    int err = authority_build(m->first, octets, &authority, &error);
    vici_client_busy(client, true);
    if (err == 0)
        err = authority_put(client, &authority);
    if (err == 0)
        return;
    if (vici_client_stage(client) != NULL)
        vici_stage_break(vici_client_stage(client));
    vici_client_busy(client, false);
    vici_finish(client, err, error.text);
}

void vici_unload_authority(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const char *name = tree_text_or(m, "name", "");
    if (vici_of_files(client, VICI_FILE_AUTHORITY, name))
        return;
    vici_finish(client, ops->authority_unload(ops->engine, name),
                "no authority of that name is loaded");
}

void vici_get_authorities(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_authority *authority;
    struct vici_writer w;
    (void)m;
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_list(&w, "authorities");
    for (size_t i = 0; (authority = ops->authority_at(ops->engine, i)) != NULL; i++)
        vici_item(&w, authority->name);
    vici_list_end(&w);
    vici_client_send(client, &w);
}

static void put_uris(struct vici_writer *w, const char *name, const struct engine_uris *uris)
{
    vici_list(w, name);
    for (uint8_t i = 0; i < uris->n; i++)
        vici_item(w, uris->text[i]);
    vici_list_end(w);
}

void vici_list_authorities(struct vici_client *client, const struct tree *m)
{
    const struct engine_ops *ops = vici_client_ops(client);
    const struct engine_authority *authority;
    const char *only = tree_text(m, "name");
    struct vici_writer w;
    for (size_t i = 0; vici_client_registered(client, VICI_EV_LIST_AUTHORITY) &&
                       (authority = ops->authority_at(ops->engine, i)) != NULL;
         i++) {
        if (only != NULL && strcmp(only, authority->name) != 0)
            continue;
        vici_begin(&w, VICI_EVENT, vici_event_name(VICI_EV_LIST_AUTHORITY));
        vici_section(&w, authority->name);
        vici_put(&w, "cacert", "%s", authority->subject);
        put_uris(&w, "crl_uris", &authority->crl);
        put_uris(&w, "ocsp_uris", &authority->ocsp);
        if (authority->cert_uri_base[0] != '\0')
            vici_put(&w, "cert_uri_base", "%s", authority->cert_uri_base);
        vici_section_end(&w);
        vici_client_send(client, &w);
    }
    vici_begin(&w, VICI_CMD_RESPONSE, "");
    vici_client_send(client, &w);
}
