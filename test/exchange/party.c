/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/party.h"

#include "base/assert.h"
#include "crypto/prf.h"
#include "ike/terms/identity.h"
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

void party_auth(struct crypto_provider *crypto, const char *psk, const struct ike_event *event,
                uint8_t *room, struct ike_result *ret_result)
{
    *ret_result = (struct ike_result){0};
    if (psk == NULL) {
        ret_result->error = ERR_NOT_FOUND;
        return;
    }
    const struct auth_octets *octets = &event->auth.octets;
    ASSERT(auth_octets_shared(crypto, octets, span_text(psk), room) == 0);
    ret_result->auth = span_of(room, crypto_prf_find(octets->prf)->len);
    if (event->kind == IKE_EV_AUTH_VERIFY && !span_equal(ret_result->auth, event->auth.auth))
        ret_result->error = ERR_AUTH;
}
