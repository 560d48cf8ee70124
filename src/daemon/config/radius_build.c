/* SPDX-License-Identifier: Apache-2.0 */
/* A section of `radius`: a server. The keys are those of charon's plugins.eap-radius.servers, and more
 * for RADIUS/TLS. */
#include <openssl/sha.h>
#include <stddef.h>
#include <stdlib.h>
#include <strings.h>

#include "base/secret.h"
#include "control/values.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/pem.h"
#include "ike/terms/identity.h"
#include "radius/radius_client.h"
#include "radius/tls_link.h"
#include "wire/certificate.h"

#define TLS_PORT  2083 /* RFC 6614 section 2.1 */
#define AUTH_PORT 1812
#define ACCT_PORT 1813
#define DAE_PORT  3799 /* RFC 5176 section 2.3 */

static int set_address(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    return address_parse(text, &server->address)
               ? 0
               : build_fail(error, node, "'%.60s' is not an address; names are not looked up",
                            text);
}

static int set_secret(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    server->secret_len = (uint32_t)value_secret(text, server->secret, sizeof(server->secret));
    /* the error must not contain the value */
    return server->secret_len != 0
               ? 0
               : build_fail(error, node, "is empty, too long, or not valid 0x or 0s notation");
}

static int set_preference(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    char *end;
    long value = strtol(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || value < -1000 || value > 1000)
        return build_fail(error, node, "a number from -1000 to 1000 is expected");
    server->preference = (int32_t)value;
    return 0;
}

/* --- RADIUS/TLS --- */

static int set_transport(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    server->stream = strcasecmp(text, "tls") == 0;
    return server->stream || strcasecmp(text, "udp") == 0
               ? 0
               : build_fail(error, node, "'%.60s' is neither udp nor tls", text);
}

static int set_id(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    struct ike_id id;
    bool sound = identity_parse(text, &id) == 0 && !identity_is_pattern(&id) && text[0] != '.' &&
                 (id.type == ID_FQDN || id.type == ID_IPV4_ADDR || id.type == ID_IPV6_ADDR) &&
                 id.len < RADIUS_TLS_NAME;
    if (!sound)
        return build_fail(error, node, "'%.60s' is neither a DNS name nor an address", text);
    server->tls.id = id;
    return 0;
}

static size_t certs_len(const struct aaa_tls *tls)
{
    size_t len = 0;
    for (uint32_t i = 0; i < tls->n_certs + tls->n_cas; i++)
        len += tls->lengths[i];
    return len;
}

/* cert_insert - inserts the certificate behind those of its kind: the CAs come last. */
static void cert_insert(struct aaa_tls *tls, struct span der, bool ca)
{
    size_t end = certs_len(tls), at = 0;
    uint32_t place = ca ? tls->n_certs + tls->n_cas : tls->n_certs;
    for (uint32_t i = 0; i < place; i++)
        at += tls->lengths[i];
    memmove(tls->octets + at + der.len, tls->octets + at, end - at);
    memcpy(tls->octets + at, der.ptr, der.len);
    memmove(&tls->lengths[place + 1], &tls->lengths[place],
            (tls->n_certs + tls->n_cas - place) * sizeof(tls->lengths[0]));
    tls->lengths[place] = (uint32_t)der.len;
    *(ca ? &tls->n_cas : &tls->n_certs) += 1;
}

static int cert_add(const struct tree *node, const struct tree *value, struct aaa_tls *tls, bool ca,
                    struct build_error *error)
{
    uint8_t room[VERIFIER_CERT_MAX];
    struct wire_certificate outline;
    struct span der = pem_read(span_of(value->value, value->len), room, sizeof(room));
    if (der.len == 0 || !wire_certificate_read(der, &outline))
        return build_fail(error, node, "is no X.509 certificate in PEM or DER");
    if ((ca ? tls->n_cas : tls->n_certs) == (ca ? CERT_POLICY_CERTS : AAA_CERTS))
        return build_fail(error, node, "more than %d", ca ? CERT_POLICY_CERTS : AAA_CERTS);
    if (der.len > sizeof(tls->octets) - certs_len(tls))
        return build_fail(error, node, "'certs' and 'cacerts' have more than %d octets together",
                          AAA_CHAIN);
    if (ca)
        SHA256(der.ptr, der.len, tls->cas[tls->n_cas]);
    else if (tls->n_certs == 0)
        SHA1(outline.key.ptr, outline.key.len, tls->key_id);
    cert_insert(tls, der, ca);
    return 0;
}

static int certs_add(const struct tree *node, struct aaa_tls *tls, bool ca,
                     struct build_error *error)
{
    int err = 0;
    if (node->kind == TREE_VALUE)
        return node->len == 0 ? 0 : cert_add(node, node, tls, ca, error);
    for (const struct tree *item = node->first; err == 0 && item != NULL; item = item->next)
        err = cert_add(node, item, tls, ca, error);
    return err;
}

static int set_certs(const struct tree *node, void *target, struct build_error *error)
{
    return certs_add(node, &((struct aaa_server *)target)->tls, false, error);
}

static int set_cacerts(const struct tree *node, void *target, struct build_error *error)
{
    return certs_add(node, &((struct aaa_server *)target)->tls, true, error);
}

static int set_revocation(const struct tree *node, void *target, struct build_error *error)
{
    static const char *const words[] = {"relaxed", "ifuri", "strict"}; /* enum cert_revocation */
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0) {
            server->tls.revocation = i;
            return 0;
        }
    return build_fail(error, node, "'%.60s' is none of relaxed, ifuri and strict", text);
}

/* check_absent - refuses keys that have no meaning for this transport. */
static int check_absent(const struct tree *section, bool stream, struct build_error *error)
{
    static const char *const of_udp[] = {"secret", "auth_port", "acct_port", "dae_port",
                                         "dae_undated"};
    static const char *const of_tls[] = {"tls_port", "id", "certs", "cacerts", "revocation"};
    for (size_t i = 0; i < 5; i++) {
        const char *name = stream ? of_udp[i] : of_tls[i];
        const struct tree *node = key_node(section, name);
        if (node != section)
            return build_fail(error, node, "is for transport = %s", stream ? "udp" : "tls");
    }
    return 0;
}

/* tls_finish - RFC 6614 section 2.3: the shared secret is known to everybody, and the address stands
 * in for a missing name. */
static int tls_finish(const struct tree *section, struct aaa_server *server,
                      struct build_error *error)
{
    if (server->tls.n_certs == 0)
        return build_fail(error, section, "'certs' is missing: the server asks who we are");
    if (server->tls.id.type == ID_ANY &&
        identity_from_address(&server->address, &server->tls.id) != 0)
        return ERR_INVALID;
    server->secret_len = sizeof(RADIUS_TLS_SECRET) - 1;
    memcpy(server->secret, RADIUS_TLS_SECRET, server->secret_len);
    if (key_node(section, "status_server") == section)
        server->watched = true; /* RFC 6613 section 2.6: the watchdog is mandatory */
    return 0;
}

#define TRIES_MOST     10
#define REPEAT_MOST_NS (30 * NANOS_PER_SEC)
#define DEAD_MOST_NS   KEY_HOUR_NS

/* check_limits - values beyond these limits are mistakes. */
static int check_limits(const struct tree *section, const struct aaa_server *server,
                        struct build_error *error)
{
    if (server->retransmit_tries > TRIES_MOST)
        return build_fail(error, key_node(section, "retransmit_tries"), "0 to %d are possible",
                          TRIES_MOST);
    if (server->retransmit_ns < NANOS_PER_SEC / 10 || server->retransmit_ns > REPEAT_MOST_NS)
        return build_fail(error, key_node(section, "retransmit_timeout"),
                          "100ms to 30s are possible");
    if (server->dead_ns < NANOS_PER_SEC || server->dead_ns > DEAD_MOST_NS)
        return build_fail(error, key_node(section, "dead_time"), "1s to 1h are possible");
    if (server->max_requests == 0 || server->max_requests > RADIUS_MOST)
        return build_fail(error, key_node(section, "max_requests"), "1 to %d are possible",
                          RADIUS_MOST);
    return 0;
}

#define SERVER(field) offsetof(struct aaa_server, field)

static const struct key server_keys[] = {
    {.name = "address", .kind = KEY_FUNCTION, .function = set_address},
    {.name = "secret", .kind = KEY_FUNCTION, .function = set_secret},
    {.name = "transport", .kind = KEY_FUNCTION, .function = set_transport},
    {.name = "tls_port", .kind = KEY_U16, .offset = SERVER(tls_port)},
    {.name = "id", .kind = KEY_FUNCTION, .function = set_id},
    {.name = "certs", .kind = KEY_FUNCTION, .function = set_certs},
    {.name = "cacerts", .kind = KEY_FUNCTION, .function = set_cacerts},
    {.name = "revocation", .kind = KEY_FUNCTION, .function = set_revocation},
    {.name = "auth_port", .kind = KEY_U16, .offset = SERVER(auth_port)},
    {.name = "acct_port", .kind = KEY_U16, .offset = SERVER(acct_port)},
    {.name = "preference", .kind = KEY_FUNCTION, .function = set_preference},
    {.name = "class_group", .kind = KEY_BOOL, .offset = SERVER(class_group)},
    {.name = "accounting", .kind = KEY_BOOL, .offset = SERVER(accounting)},
    {.name = "retransmit_tries", .kind = KEY_U32, .offset = SERVER(retransmit_tries)},
    {.name = "retransmit_timeout", .kind = KEY_TIME, .offset = SERVER(retransmit_ns)},
    {.name = "dead_time", .kind = KEY_TIME, .offset = SERVER(dead_ns)},
    {.name = "max_requests", .kind = KEY_U32, .offset = SERVER(max_requests)},
    {.name = "status_server", .kind = KEY_BOOL, .offset = SERVER(watched)},
    {.name = "dae", .kind = KEY_BOOL, .offset = SERVER(dae)},
    {.name = "dae_port", .kind = KEY_U16, .offset = SERVER(dae_port)},
    {.name = "dae_undated", .kind = KEY_BOOL, .offset = SERVER(undated)},
    {.name = "accounting_interval", .kind = KEY_TIME, .offset = SERVER(interval_ns)},
};

int radius_build(const struct tree *section, bool held, struct aaa_server *ret_server,
                 struct build_error *error)
{
    static const struct key_table table = {
        server_keys, sizeof(server_keys) / sizeof(server_keys[0]), NULL, NULL};
    struct aaa_server server = {.tls_port = TLS_PORT,
                                .auth_port = AUTH_PORT,
                                .acct_port = ACCT_PORT,
                                .dae_port = DAE_PORT,
                                .retransmit_tries = RADIUS_TRIES - 1,
                                .retransmit_ns = RADIUS_FIRST_NS,
                                .dead_ns = RADIUS_DEAD_NS,
                                .max_requests = RADIUS_MOST};
    int err = key_name_copy(section, server.name, error);
    if (err == 0)
        err = keys_apply(&table, section, &server, error);
    if (err == 0)
        err = check_limits(section, &server, error);
    if (err == 0 && server.address.family == ADDRESS_NONE)
        err = build_fail(error, section, "'address' is missing");
    if (err == 0)
        err = check_absent(section, server.stream, error);
    if (err == 0 && server.stream)
        err = tls_finish(section, &server, error);
    if (err == 0 && !server.stream && (server.secret_len == 0) != held)
        err = build_fail(error, section, held ? "'secret' is not for here" : "'secret' is missing");
    if (err == 0)
        *ret_server = server;
    wipe(&server, sizeof(server));
    return err;
}
