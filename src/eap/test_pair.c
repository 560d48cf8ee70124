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
    const struct span user = span_of(identity.ptr, identity.len - eap_realm(identity).len);
    bool known = span_equal(user, span_text("anna")) || span_equal(user, span_text("bert"));
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

static bool names_get(void *context, struct span permanent, struct eap_names *ret)
{
    const struct test_side *side = context;
    (void)permanent;
    *ret = side->names;
    return side->names.type != 0;
}

static void names_put(void *context, struct span permanent, const struct eap_names *names)
{
    struct test_side *side = context;
    (void)permanent;
    side->names = *names;
}

static enum eap_name_kind name_find(void *context, enum eap_type type, struct span name,
                                    struct eap_named *ret)
{
    const struct test_side *side = context;
    return name_book_find(side->book, type, name, side->hour, ret);
}

static size_t pseudonym_make(void *context, enum eap_type type, struct span permanent,
                             uint8_t ret[EAP_IDENTITY])
{
    const struct test_side *side = context;
    return name_book_pseudonym(side->book, type, permanent, side->hour, ret);
}

static size_t reauth_make(void *context, enum eap_type type, struct span permanent,
                          uint8_t ret[EAP_IDENTITY])
{
    const struct test_side *side = context;
    return name_book_reauth(side->book, type, permanent, ret);
}

static void reauth_put(void *context, struct span reauth_id, const struct eap_named *named)
{
    struct test_side *side = context;
    side->put = *named;
    name_book_put(side->book, reauth_id, named, side->hour);
}

void test_pair_names(struct test_pair *p)
{
    p->stores[0] =
        (struct eap_name_store){.get = names_get, .put = names_put, .context = &p->sides[0]};
    p->stores[1] = (struct eap_name_store){.find = name_find,
                                           .pseudonym_make = pseudonym_make,
                                           .reauth_make = reauth_make,
                                           .reauth_put = reauth_put,
                                           .context = &p->sides[1]};
    p->sides[1].book = name_book_new(p->crypto, &p->random);
    ASSERT(p->sides[1].book != NULL);
    for (int side = 0; side < 2; side++)
        p->config[side].store = &p->stores[side];
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

static void conversations_end(struct test_pair *p)
{
    p->peer = eap_peer_free(p->peer);
    p->authenticator = eap_authenticator_free(p->authenticator);
}

void test_pair_again(struct test_pair *p)
{
    conversations_end(p);
    p->packets = 0;
    test_pair_make(p);
}

void test_pair_end(struct test_pair *p)
{
    conversations_end(p);
    name_book_free(p->sides[1].book);
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

bool test_pair_notified(struct test_pair *p)
{
    static const uint8_t general[] = {12, 0, 0, 12, 1, 0x40, 0}; /* RFC 4187 section 10.19 */
    struct eap_result *r = &p->result;
    if (r->verdict != EAP_REPLY || r->packet_len != 5 + sizeof(general) ||
        memcmp(r->packet + 5, general, sizeof(general)) != 0)
        return false;
    const uint8_t response[] = {2, r->packet[1], 0, 8, r->packet[4], 12, 0, 0};
    eap_authenticator_recv(p->authenticator, span_of(response, sizeof(response)), r);
    return r->verdict == EAP_FAILED && r->packet_len == 4;
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
