/* SPDX-License-Identifier: Apache-2.0 */
/* Connections as VICI sections: the body of list-conn. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/common/eap_methods.h"
#include "daemon/vici/vici_status.h"
#include "ike/terms/identity.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"

static long long seconds(nanos ns)
{
    return (long long)(ns / NANOS_PER_SEC);
}

/* remote_print - a single address is printed as such, as the configuration has it. */
static const char *remote_print(const struct ike_remote *remote, char text[RANGE_TEXT_MAX])
{
    if (remote->name[0] != '\0')
        return remote->name;
    if (remote->range.first.family == ADDRESS_NONE)
        return "%any";
    if (address_equal(&remote->range.first, &remote->range.last))
        return address_print(&remote->range.first, text);
    return range_print(&remote->range, text);
}

static void put_remotes(struct vici_writer *w, const char *name, const struct ike_remote *list,
                        uint8_t n)
{
    char text[RANGE_TEXT_MAX];
    vici_list(w, name);
    for (uint8_t i = 0; i < n; i++)
        vici_item(w, remote_print(&list[i], text));
    if (n == 0)
        vici_item(w, "%any");
    vici_list_end(w);
}

/* put_eap - the method as charon names it, "EAP_MSCHAPV2". */
static void put_eap(struct vici_writer *w, uint32_t method)
{
    char text[32];
    (void)snprintf(text, sizeof(text), "%s", eap_credentials_print(method));
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    vici_put(w, "eap-type", "%s", text);
}

/* put_subjects - prints subjects of certificates by their digests; unloaded ones are left out. */
static void put_subjects(struct vici_writer *w, const struct engine_ops *ops, const char *name,
                         const uint8_t (*digests)[CERT_DIGEST], uint8_t n)
{
    const struct credentials *credentials = ops->credentials(ops->engine);
    const struct credential_cert *cert;
    char text[IDENTITY_TEXT_MAX];
    vici_list(w, name);
    for (uint8_t i = 0; i < n; i++)
        for (size_t j = 0; (cert = credentials_cert_at(credentials, j)) != NULL; j++) {
            struct ike_id subject = {.type = ID_DER_ASN1_DN, .len = (uint16_t)cert->subject.len};
            if (memcmp(cert->digest, digests[i], CERT_DIGEST) != 0 ||
                cert->subject.len > sizeof(subject.data))
                continue;
            memcpy(subject.data, cert->subject.ptr, cert->subject.len);
            vici_item(w, identity_print(&subject, text));
        }
    vici_list_end(w);
}

static void put_id(struct vici_writer *w, const char *name, const struct ike_id *id)
{
    char text[IDENTITY_TEXT_MAX];
    if (id->type != ID_ANY)
        vici_put(w, name, "%s", identity_print_hex(id, text));
}

/* put_round - writes one round. `local`: its id is an identity. The peer's id is a pattern. */
static void put_round(struct vici_writer *w, const struct engine_ops *ops,
                      const struct ike_auth_policy *auth, bool local)
{
    static const char *const classes[] = {[IKE_AUTH_PSK] = "pre-shared key",
                                          [IKE_AUTH_PUBKEY] = "public key",
                                          [IKE_AUTH_EAP] = "EAP"};
    /* as charon: the weakest result that the validation may have */
    static const char *const revocations[] = {
        [CERT_REVOCATION_IFURI] = "SKIPPED", [CERT_REVOCATION_STRICT] = "GOOD"};
    static const struct cert_policy none;
    const struct cert_policy *policy =
        credentials_policy(ops->credentials(ops->engine), auth->credentials);
    if (policy == NULL)
        policy = &none;
    vici_put(w, "class", "%s", classes[auth->method]);
    if (auth->method == IKE_AUTH_EAP)
        put_eap(w, policy->eap);
    if (policy->revocation != CERT_REVOCATION_RELAXED)
        vici_put(w, "revocation", "%s", revocations[policy->revocation]);
    if (local)
        put_id(w, "id", &auth->id);
    else if (auth->id_pattern[0] != '\0')
        vici_put(w, "id", "%s", auth->id_pattern);
    put_id(w, "ca_id", &policy->ca_id);
    put_id(w, "aaa_id", auth->aaa_id);
    if (auth->eap_id[0] != '\0')
        vici_put(w, "eap_id", "%s", auth->eap_id);
    vici_list(w, "groups");
    for (uint8_t i = 0; i < policy->n_groups; i++)
        vici_item(w, policy->groups[i]);
    vici_list_end(w);
    vici_list(w, "cert_policy");
    for (uint8_t i = 0; i < policy->n_policies; i++)
        vici_item(w, policy->policies[i]);
    vici_list_end(w);
    put_subjects(w, ops, "certs", policy->certs, policy->n_certs);
    put_subjects(w, ops, "cacerts", policy->cas, policy->n_cas);
}

static void put_rounds(struct vici_writer *w, const struct engine_ops *ops,
                       const struct ike_auth_policy *rounds, uint8_t n, bool local)
{
    char name[16];
    for (uint8_t i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "%s-%u", local ? "local" : "remote", i + 1U);
        vici_section(w, name);
        put_round(w, ops, &rounds[i], local);
        vici_section_end(w);
    }
}

/* put_interfaces - writes the interfaces of its paths. */
static void put_interfaces(struct vici_writer *w, const struct ike_conn *conn)
{
    char text[640] = "";
    size_t at = 0;
    for (uint8_t i = 0; i < conn->n_paths && at < sizeof(text); i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i == 0 ? "" : ", ",
                               conn->paths[i].interface);
    if (conn->n_paths > 0)
        vici_put(w, "interfaces", "%s", text);
}

/* put_proposals - writes them as one value: swanctl accepts values of unknown keys, but no
 * lists. */
static void put_proposals(struct vici_writer *w, const char *name,
                          const struct ike_proposal_list *list)
{
    char text[1000], one[256];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list->n && at < sizeof(text); i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i == 0 ? "" : ", ",
                               proposal_print(&list->proposals[i], one, sizeof(one)));
    vici_put(w, name, "%s", text);
}

static void put_child(struct vici_writer *w, const struct ike_child_policy *child)
{
    static const char *const dpd[] = {"none", "trap", "start"};
    static const char *const close[] = {"none", "trap", "start"};
    vici_section(w, child->name);
    vici_put(w, "mode", "%s", vici_mode_name(child->mode));
    vici_put(w, "rekey_time", "%lld", seconds(child->lifetime.rekey_ns));
    vici_put(w, "rekey_bytes", "%" PRIu64, child->lifetime.rekey_bytes);
    vici_put(w, "rekey_packets", "%" PRIu64, child->lifetime.rekey_packets);
    put_proposals(w, "esp_proposals", &child->proposals);
    vici_put(w, "dpd_action", "%s", dpd[child->dpd_action]);
    vici_put(w, "close_action", "%s", close[child->close_action]);
    vici_status_ts_policy(w, "local-ts", &child->local_ts);
    vici_status_ts_policy(w, "remote-ts", &child->remote_ts);
    vici_section_end(w);
}

void vici_status_conn(struct vici_writer *w, const struct engine_ops *ops,
                      const struct ike_conn *conn)
{
    static const char *const uniques[] = {"UNIQUE_NO", "UNIQUE_NEVER", "UNIQUE_KEEP",
                                          "UNIQUE_REPLACE"};
    vici_section(w, conn->name);
    put_remotes(w, "local_addrs", conn->local_addrs, conn->n_local_addrs);
    put_remotes(w, "remote_addrs", conn->remote_addrs, conn->n_remote_addrs);
    vici_put(w, "local_port", "%u", conn->local_port != 0 ? conn->local_port : 500);
    vici_put(w, "remote_port", "%u", conn->remote_port != 0 ? conn->remote_port : 500);
    vici_put(w, "version", "IKEv2");
    vici_put(w, "reauth_time", "%lld", seconds(conn->reauth_ns));
    vici_put(w, "rekey_time", "%lld", seconds(conn->lifetime.rekey_ns));
    put_proposals(w, "proposals", &conn->proposals);
    vici_put(w, "unique", "%s", uniques[conn->unique]);
    if (conn->dpd_delay_ns > 0)
        vici_put(w, "dpd_delay", "%lld", seconds(conn->dpd_delay_ns));
    if (conn->ppk_pattern[0] != '\0')
        vici_put(w, "ppk_id", "%s", conn->ppk_pattern);
    if (conn->ppk_required)
        vici_put(w, "ppk_required", "yes");
    put_interfaces(w, conn);
    put_rounds(w, ops, conn->local, conn->n_local_rounds, true);
    put_rounds(w, ops, conn->remote, conn->n_remote_rounds, false);
    vici_section(w, "children");
    for (uint8_t i = 0; i < conn->n_children + conn->n_shunts; i++)
        put_child(w, &conn->children[i]);
    vici_section_end(w);
    vici_section_end(w);
}
