/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/party.h"

#include <stdio.h>

#include "base/assert.h"
#include "crypto/prf.h"
#include "ike/terms/identity.h"
#include "ike/terms/ppk.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"

uint64_t dice_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void fill(void *context, void *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)octets)[i] = (uint8_t)dice_next(context);
}

struct random dice_random(uint64_t *state)
{
    return (struct random){fill, state};
}

struct ike_conn *party_conn(bool gateway)
{
    struct ike_conn *conn = ike_conn_new();
    ASSERT(conn != NULL);
    strcpy(conn->name, "office");
    proposal_default(WIRE_PROTO_IKE, &conn->proposals);
    strcpy(conn->remote[0].id_pattern, gateway ? "*.user.example" : "gw.example");
    ASSERT(identity_parse(gateway ? "gw.example" : "anna.user.example", &conn->local[0].id) == 0);
    ASSERT(gateway || identity_parse("gw.example", &conn->remote[0].id) == 0);
    conn->n_local_rounds = conn->n_remote_rounds = 1;
    conn->mobike = true;
    conn->fragmentation = IKE_FRAGMENTATION_YES;
    conn->clone = IKE_CLONE_BOTH;
    conn->prefer = IKE_CLONE_KEEP_OLD;
    conn->max_ike_sas = 8;
    conn->n_children = 1;
    struct ike_child_policy *child = &conn->children[0];
    strcpy(child->name, "net");
    proposal_default(WIRE_PROTO_ESP, &child->proposals);
    child->replay_window = 1024;
    struct ike_ts_policy *lan = gateway ? &child->local_ts : &child->remote_ts;
    struct ike_ts_policy *user = gateway ? &child->remote_ts : &child->local_ts;
    lan->fixed.n = 1;
    ASSERT(range_parse("10.1.0.0/16", &lan->fixed.ts[0].range));
    lan->fixed.ts[0].end_port = 65535;
    user->n_dynamic = 1;
    user->dynamic[0].end_port = 65535;
    if (gateway) {
        conn->n_pools = 1;
        strcpy(conn->pools[0], "pool");
    } else {
        conn->n_vips = 1;
        conn->vips[0].family = ADDRESS_V4;
    }
    return conn;
}

/* add_round - the second round of `own`, which `peer` demands. */
static void add_round(struct ike_auth_policy *own, struct ike_auth_policy *peer,
                      enum ike_auth_method method)
{
    own[1] = own[0];
    peer[1] = peer[0];
    own[0].method = peer[0].method = IKE_AUTH_PUBKEY;
    own[1].method = peer[1].method = method;
}

void party_rounds(struct ike_conn *user, struct ike_conn *gateway)
{
    add_round(user->local, gateway->remote, IKE_AUTH_EAP);
    add_round(gateway->local, user->remote, IKE_AUTH_PSK);
    user->n_local_rounds = user->n_remote_rounds = 2;
    gateway->n_local_rounds = gateway->n_remote_rounds = 2;
}

/* party_key - the private key of an identity, which is its public key as well; the certificate is
 * its name. */
static void party_key(const struct ike_id *id, char out[IDENTITY_TEXT_MAX + 8])
{
    char text[IDENTITY_TEXT_MAX];
    (void)snprintf(out, IDENTITY_TEXT_MAX + 8, "key of %s", identity_print(id, text));
}

/* party_demands - credentials 7 demand that the certificate is of CA 7, as those of "x.ca7.example"
 * are. */
static bool party_demands(const struct ike_auth_job *job)
{
    char name[IDENTITY_TEXT_MAX], ca[32];
    (void)snprintf(ca, sizeof(ca), ".ca%u.", job->credentials);
    return job->credentials == 0 || strstr(identity_print(&job->remote_id, name), ca) != NULL;
}

/* party_signature - stands for public keys: AUTH by a key that everybody can compute from the name
 * in the certificate. `room` holds AUTH and the certificate. */
static void party_signature(struct crypto_provider *crypto, const struct ike_event *event,
                            uint8_t *room, struct ike_result *result)
{
    const struct ike_auth_job *job = &event->auth;
    bool sign = event->kind == IKE_EV_AUTH_SIGN;
    const struct ike_id *signer = sign ? &job->local_id : &job->remote_id;
    char key[IDENTITY_TEXT_MAX + 8];
    party_key(signer, key);
    ASSERT(auth_octets_shared(crypto, &job->octets, span_text(key), room) == 0);
    result->auth = span_of(room, crypto_prf_find(job->octets.prf)->len);
    result->auth_method = AUTH_DIGITAL_SIGNATURE;
    if (sign && job->cert_wanted) {
        char *name = (char *)room + AUTH_OCTETS_PRF;
        (void)identity_print(signer, name);
        result->certs[result->n_certs++] = (struct ike_cert){CERT_X509, span_text(name)};
        if (job->ocsp_wanted)
            result->certs[result->n_certs++] = (struct ike_cert){CERT_OCSP, span_text("good")};
    }
    if (sign)
        return;
    bool named = job->n_certs == 0, revoked = false;
    for (uint8_t i = 0; i < job->n_certs; i++) {
        named |= span_equal(job->certs[i].octets, span_text(key + strlen("key of ")));
        revoked |= job->certs[i].encoding == CERT_OCSP &&
                   !span_equal(job->certs[i].octets, span_text("good"));
    }
    if (revoked) {
        result->error = ERR_AUTH;
        result->reason = "the certificate was revoked";
        return;
    }
    if (!named || !span_equal(result->auth, job->auth)) {
        result->error = ERR_AUTH;
        result->reason = named ? "the signature is wrong" : "the certificate has another name";
    } else if (!party_demands(job)) {
        result->error = ERR_AUTH;
        result->unfit = true;
        result->reason = "the certificate is of another CA";
    }
}

void party_auth(struct crypto_provider *crypto, const char *psk, const struct ike_event *event,
                uint8_t *room, struct ike_result *ret_result)
{
    *ret_result = (struct ike_result){0};
    if (event->auth.method == IKE_AUTH_PUBKEY) {
        party_signature(crypto, event, room, ret_result);
        return;
    }
    if (psk == NULL) {
        ret_result->error = ERR_NOT_FOUND;
        return;
    }
    const struct auth_octets *octets = &event->auth.octets;
    ASSERT(auth_octets_shared(crypto, octets, span_text(psk), room) == 0);
    ret_result->auth = span_of(room, crypto_prf_find(octets->prf)->len);
    ASSERT(event->auth.local_id.type != ID_ANY); /* a secret may belong to us alone */
    if (event->kind == IKE_EV_AUTH_VERIFY && !span_equal(ret_result->auth, event->auth.auth))
        ret_result->error = ERR_AUTH;
}

void party_ppk(struct crypto_provider *crypto, struct party_ppk ppk, const struct ike_event *event,
               uint8_t *room, struct ike_result *ret_result)
{
    const struct ike_ppk_job *job = &event->ppk;
    *ret_result = (struct ike_result){.error = ERR_NOT_FOUND};
    if (ppk.key == NULL || !span_equal(span_of(job->id.data, job->id.len), span_text(ppk.id)))
        return;
    ret_result->error = ppk_mix(crypto, job->prf, span_text(ppk.key), job->keys, room);
    ret_result->ppk_keys = span_of(room, job->keys.len);
}
