/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/test_pair.h"

#include "base/assert.h"

static void fill(void *context, void *octets, size_t len)
{
    uint64_t *seed = context;
    for (size_t i = 0; i < len; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)octets)[i] = (uint8_t)(*seed >> 56);
    }
}

/* struct test_side - what `context` of the secrets is: one side of a pair. */
static int find(void *context, struct span identity, struct eap_secret *ret_secret)
{
    const struct test_side *side = context;
    bool known = span_equal(identity, span_text("anna")) || span_equal(identity, span_text("bert"));
    if (side->secret.len == 0 || !known)
        return ERR_NOT_FOUND;
    *ret_secret = side->secret;
    return 0;
}

static bool sqn_take(void *context, struct span identity, uint64_t sqn, uint64_t *ret_highest)
{
    struct test_side *side = context;
    (void)identity;
    *ret_highest = side->sqn;
    if (sqn <= side->sqn)
        return false;
    side->sqn = sqn;
    return true;
}

static uint64_t sqn_next(void *context, struct span identity, uint64_t above)
{
    struct test_side *side = context;
    (void)identity;
    side->sqn = (above > side->sqn ? above : side->sqn) + 1;
    return side->sqn;
}

void test_pair_begin(struct test_pair *p, uint64_t seed, struct eap_crypto *crypto)
{
    *p = (struct test_pair){.seed = seed, .crypto = crypto == NULL ? eap_crypto_new() : crypto};
    ASSERT(p->crypto != NULL);
    p->random = (struct random){fill, &p->seed};
    for (int side = 0; side < 2; side++) {
        test_pair_password(p, side, "correct horse");
        p->secrets[side] = (struct eap_secrets){find, sqn_take, sqn_next, &p->sides[side]};
        p->config[side] = (struct eap_config){
            .crypto = p->crypto, .random = &p->random, .secrets = &p->secrets[side]};
    }
    p->config[0].identity = span_text("anna");
    test_pair_method(p, EAP_TYPE_MSCHAPV2);
}

void test_pair_method(struct test_pair *p, enum eap_type type)
{
    for (int side = 0; side < 2; side++) {
        p->config[side].n_methods = 1;
        p->config[side].methods[0] = type;
    }
}

void test_pair_password(struct test_pair *p, int side, const char *password)
{
    p->sides[side].secret =
        (struct eap_secret){.kind = EAP_SECRET_PASSWORD, .len = strlen(password)};
    memcpy(p->sides[side].secret.octets, password, strlen(password));
}

void test_pair_make(struct test_pair *p)
{
    int error = eap_peer_new(&p->config[0], &p->peer);
    ASSERT(error == 0);
    error = eap_authenticator_new(&p->config[1], &p->authenticator);
    ASSERT(error == 0);
    eap_authenticator_begin(p->authenticator, &p->result);
}

void test_pair_end(struct test_pair *p)
{
    eap_peer_free(p->peer);
    eap_authenticator_free(p->authenticator);
    eap_crypto_free(p->crypto);
    *p = (struct test_pair){0};
}

void test_pair_to_peer(struct test_pair *p)
{
    p->packets++;
    eap_peer_recv(p->peer, span_of(p->result.packet, p->result.packet_len), &p->peer_result);
}

void test_pair_to_authenticator(struct test_pair *p)
{
    p->packets++;
    eap_authenticator_recv(p->authenticator,
                           span_of(p->peer_result.packet, p->peer_result.packet_len), &p->result);
}

void test_pair_run(struct test_pair *p)
{
    for (;;) {
        test_pair_to_peer(p);
        if (p->peer_result.packet_len == 0)
            return;
        test_pair_to_authenticator(p);
    }
}
