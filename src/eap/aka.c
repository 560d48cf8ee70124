/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048), both sides, full authentication. The USIM is a secret
 * of 32 octets: K and OPc of MILENAGE. No pseudonyms, no fast re-authentication: attributes for them may be ignored.
 *
 *   peer                                          authenticator
 *                  <---- [AKA-Identity: AT_..._ID_REQ]
 *   [AT_IDENTITY] ---->
 *                  <---- AKA-Challenge: AT_RAND, AT_AUTN, AT_MAC
 *   AKA-Challenge: AT_RES, AT_MAC  |  Authentication-Reject  |  Synchronization-Failure: AT_AUTS ---->
 *
 * In AKA' the challenge also has AT_KDF_INPUT, the name of the network, and AT_KDF; the keys are
 * bound to that name, and the separation bit of AMF keeps its vectors apart from those of others.
 */
#include "base/secret.h"
#include "eap/method.h"
#include "eap/milenage.h"
#include "eap/sim_keys.h"

enum aka_subtype {
    AKA_CHALLENGE = 1,
    AKA_REJECT = 2,
    AKA_SYNC_FAILURE = 4,
    AKA_IDENTITY = 5,
    AKA_NOTIFICATION = 12,
    AKA_CLIENT_ERROR = 14,
};

#define AKA_IDENTITIES 3 /* RFC 4187 section 4.1.4: AKA-Identity requests of a conversation */

#define KDF_1       1      /* RFC 9048 section 3.2: the only key derivation function */
#define NETWORK     "WLAN" /* 3GPP TS 24.302: access over a network that is not trusted */
#define NETWORK_MAX 253
#define AMF_PRIME   0x80 /* the separation bit, in the first octet of AMF */

struct aka_state {
    bool prime; /* AKA' */
    size_t network_len;
    uint8_t network[NETWORK_MAX];
    struct milenage usim;
    uint8_t rand[MILENAGE_KEY];
    struct milenage_answer answer;
    struct sim_mac_key k_aut;
    uint8_t msk[EAP_MSK];
    unsigned identities, synchronizations;
};

static int usim_find(struct eap_talk *talk, struct milenage *ret)
{
    struct eap_secret secret;
    int error = talk->secrets->find(talk->secrets->context, talk->identity, &secret);
    if (error == 0 && (secret.kind != EAP_SECRET_PASSWORD || secret.len != sizeof(*ret)))
        error = ERR_INVALID;
    if (error == 0)
        memcpy(ret, secret.octets, sizeof(*ret));
    wipe(&secret, sizeof(secret));
    return error;
}

static int keys_make_prime(struct eap_talk *talk, struct aka_state *s, const uint8_t *autn)
{
    uint8_t ck_ik[2 * MILENAGE_KEY];
    struct aka_prime_keys keys;
    memcpy(ck_ik, s->answer.ck, MILENAGE_KEY);
    memcpy(ck_ik + MILENAGE_KEY, s->answer.ik, MILENAGE_KEY);
    const struct aka_prime_input input = {.ck_ik = span_of(ck_ik, sizeof(ck_ik)),
                                          .sqn_ak = span_of(autn, MILENAGE_SQN),
                                          .network = span_of(s->network, s->network_len),
                                          .identity = talk->identity};
    int error = aka_prime_derive(talk->crypto, &input, &keys);
    s->k_aut.len = sizeof(keys.k_aut);
    memcpy(s->k_aut.octets, keys.k_aut, sizeof(keys.k_aut));
    memcpy(s->msk, keys.msk, EAP_MSK);
    wipe(ck_ik, sizeof(ck_ik));
    wipe(&keys, sizeof(keys));
    return error;
}

/* RFC 4187 section 7: MK = SHA1(Identity|IK|CK) */
static int keys_make(struct eap_talk *talk, struct aka_state *s, const uint8_t *autn)
{
    struct sim_keys keys;
    if (s->prime)
        return keys_make_prime(talk, s, autn);
    uint8_t mk[20] = {0};
    const struct span parts[] = {talk->identity, span_of(s->answer.ik, MILENAGE_KEY),
                                 span_of(s->answer.ck, MILENAGE_KEY)};
    int error = eap_digest(talk->crypto, talk->crypto->sha1, parts, 3, mk);
    sim_keys_derive(mk, &keys);
    s->k_aut.len = sizeof(keys.k_aut);
    memcpy(s->k_aut.octets, keys.k_aut, sizeof(keys.k_aut));
    memcpy(s->msk, keys.msk, EAP_MSK);
    wipe(&keys, sizeof(keys));
    wipe(mk, sizeof(mk));
    return error;
}

static enum eap_step key_yield(struct eap_talk *talk, const struct aka_state *s)
{
    memcpy(talk->msk, s->msk, EAP_MSK);
    talk->msk_len = EAP_MSK;
    return EAP_STEP_DONE;
}

static uint64_t sqn_read(const uint8_t sqn[MILENAGE_SQN])
{
    uint64_t value = 0;
    for (size_t i = 0; i < MILENAGE_SQN; i++)
        value = value << 8 | sqn[i];
    return value;
}

static void sqn_write(uint64_t value, uint8_t sqn[MILENAGE_SQN])
{
    for (size_t i = MILENAGE_SQN; i-- > 0; value >>= 8)
        sqn[i] = (uint8_t)value;
}

/* --- the peer --- */

/* RFC 4187 section 6.3.1: a malformed packet is answered with AKA-Client-Error, "unable to
 * process". */
static enum eap_step client_error(struct eap_talk *talk, struct writer *w, const char *reason)
{
    static const uint8_t code[2];
    const struct span value = span_of(code, sizeof(code));
    sim_begin(w, AKA_CLIENT_ERROR);
    sim_attribute_write(w, AT_CLIENT_ERROR_CODE, &value, 1);
    return eap_failed(talk, "%s", reason);
}

/* Whichever identity is asked for, we have only the permanent one. */
static enum eap_step peer_identity(struct eap_talk *talk, struct aka_state *s,
                                   const struct sim_attributes *a, struct writer *w)
{
    uint8_t len[2] = {(uint8_t)(talk->identity.len >> 8), (uint8_t)talk->identity.len};
    const struct span parts[] = {span_of(len, sizeof(len)), talk->identity};
    bool asks =
        a->seen[AT_ANY_ID_REQ] || a->seen[AT_FULLAUTH_ID_REQ] || a->seen[AT_PERMANENT_ID_REQ];
    if (!asks || ++s->identities > AKA_IDENTITIES)
        return client_error(talk, w, "the authenticator asks for the identity again and again");
    sim_begin(w, AKA_IDENTITY);
    sim_attribute_write(w, AT_IDENTITY, parts, 2);
    return EAP_STEP_REPLY;
}

static void kdf_write(struct writer *w)
{
    static const uint8_t number[] = {0, KDF_1};
    const struct span value = span_of(number, sizeof(number));
    sim_attribute_write(w, AT_KDF, &value, 1);
}

/* RFC 9048 section 3.1: Actual Network Name Length (2), name, padding. Any name is accepted here:
 * the keys prove it. */
static bool network_read(struct aka_state *s, struct span value)
{
    struct reader r = reader_of(value);
    struct span name = read_bytes(&r, read_u16(&r));
    if (reader_failed(&r) || name.len == 0 || name.len > sizeof(s->network))
        return false;
    memcpy(s->network, name.ptr, name.len);
    s->network_len = name.len;
    return true;
}

/* prime_fits - RFC 9048 section 3.2: an unknown function counts as a wrong AUTN. */
static bool prime_fits(struct aka_state *s, const struct sim_attributes *a)
{
    struct reader r = reader_of(a->values[AT_KDF]);
    return read_u16(&r) == KDF_1 && reader_done(&r) && network_read(s, a->values[AT_KDF_INPUT]) &&
           (a->values[AT_AUTN].ptr[2 + MILENAGE_SQN] & AMF_PRIME) != 0;
}

/* 3GPP TS 33.102 section 6.3.3: AUTS = (SQN_MS xor AK*) | MAC-S, with an AMF of zeros. */
static enum eap_step peer_synchronize(struct eap_talk *talk, struct aka_state *s, uint64_t highest,
                                      struct writer *w)
{
    uint8_t auts[MILENAGE_AUTS], sqn_amf[8] = {0}, mac[2 * MILENAGE_MAC];
    sqn_write(highest, sqn_amf);
    if (++s->synchronizations > 1 ||
        milenage_f1(talk->crypto, &s->usim, s->rand, sqn_amf, mac) != 0)
        return client_error(talk, w, "the authenticator's sequence number is old");
    for (size_t i = 0; i < MILENAGE_SQN; i++)
        auts[i] = sqn_amf[i] ^ s->answer.ak_star[i];
    memcpy(auts + MILENAGE_SQN, mac + MILENAGE_MAC, MILENAGE_MAC);
    const struct span value = span_of(auts, sizeof(auts));
    sim_begin(w, AKA_SYNC_FAILURE);
    sim_attribute_write(w, AT_AUTS, &value, 1);
    if (s->prime)
        kdf_write(w);
    return EAP_STEP_REPLY;
}

enum autn_verdict { AUTN_FRESH, AUTN_OLD, AUTN_WRONG };

/* AUTN = (SQN xor AK) | AMF | MAC-A */
static enum autn_verdict autn_check(struct eap_talk *talk, struct aka_state *s, const uint8_t *autn,
                                    uint64_t *ret_highest)
{
    uint8_t sqn_amf[8], mac[2 * MILENAGE_MAC];
    memcpy(sqn_amf, autn, sizeof(sqn_amf));
    for (size_t i = 0; i < MILENAGE_SQN; i++)
        sqn_amf[i] ^= s->answer.ak[i];
    if (milenage_f1(talk->crypto, &s->usim, s->rand, sqn_amf, mac) != 0 ||
        !ct_equal(mac, autn + 8, MILENAGE_MAC))
        return AUTN_WRONG;
    return talk->secrets->sqn_take(talk->secrets->context, talk->identity, sqn_read(sqn_amf),
                                   ret_highest)
               ? AUTN_FRESH
               : AUTN_OLD;
}

static enum eap_step peer_challenge(struct eap_talk *talk, struct aka_state *s,
                                    const struct eap_packet *request,
                                    const struct sim_attributes *a, struct writer *w)
{
    static const uint8_t bits[] = {0, 8 * MILENAGE_RES};
    struct span rand = a->values[AT_RAND], autn = a->values[AT_AUTN];
    uint64_t highest = 0;
    if (rand.len != 2 + MILENAGE_KEY || autn.len != 2 + MILENAGE_AUTN || !a->seen[AT_MAC])
        return client_error(talk, w, "the authenticator's AKA challenge is malformed");
    if (s->prime && !prime_fits(s, a)) {
        sim_begin(w, AKA_REJECT);
        return eap_failed(talk, "the authenticator's challenge is not one of AKA'");
    }
    memcpy(s->rand, rand.ptr + 2, sizeof(s->rand));
    if (usim_find(talk, &s->usim) != 0 ||
        milenage_f2345(talk->crypto, &s->usim, s->rand, &s->answer) != 0)
        return client_error(talk, w, "no K and OPc (32 octets) for the EAP identity");
    switch (autn_check(talk, s, autn.ptr + 2, &highest)) {
    case AUTN_WRONG:
        sim_begin(w, AKA_REJECT);
        return eap_failed(talk, "the authenticator does not know the USIM's key");
    case AUTN_OLD: return peer_synchronize(talk, s, highest, w);
    case AUTN_FRESH: break;
    }
    if (keys_make(talk, s, autn.ptr + 2) != 0 ||
        sim_mac_check(talk->crypto, &s->k_aut, request, a) != 0)
        return client_error(talk, w, "AT_MAC of the authenticator's AKA challenge is wrong");
    const struct span parts[] = {span_of(bits, sizeof(bits)), span_of(s->answer.res, MILENAGE_RES)};
    sim_begin(w, AKA_CHALLENGE);
    sim_attribute_write(w, AT_RES, parts, 2);
    if (sim_mac_write(talk->crypto, &s->k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return key_yield(talk, s);
}

static enum eap_step aka_peer_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    struct sim_attributes a;
    if (!sim_attributes_read(request->data, &a))
        return client_error(talk, w, "the authenticator's AKA packet is malformed");
    switch (a.subtype) {
    case AKA_IDENTITY: return peer_identity(talk, state, &a, w);
    case AKA_CHALLENGE: return peer_challenge(talk, state, request, &a, w);
    /* RFC 4187 section 6: before the challenge it can only report a failure */
    case AKA_NOTIFICATION:
        sim_begin(w, AKA_NOTIFICATION);
        return eap_failed(talk, "the authenticator refuses the login (AKA-Notification)");
    default: return client_error(talk, w, "AKA packet with an unknown Subtype");
    }
}

/* --- the authenticator --- */

static void network_write(const struct aka_state *s, struct writer *w)
{
    const uint8_t len[] = {(uint8_t)(s->network_len >> 8), (uint8_t)s->network_len};
    const struct span name[] = {span_of(len, sizeof(len)), span_of(s->network, s->network_len)};
    sim_attribute_write(w, AT_KDF_INPUT, name, 2);
    kdf_write(w);
}

static enum eap_step challenge_send(struct eap_talk *talk, struct aka_state *s, uint64_t above,
                                    struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t sqn_amf[8] = {0}, mac[2 * MILENAGE_MAC], autn[MILENAGE_AUTN];
    if (usim_find(talk, &s->usim) != 0)
        return eap_failed(talk, "no K and OPc (32 octets) for the EAP identity");
    random_fill(talk->random, s->rand, sizeof(s->rand));
    sqn_write(talk->secrets->sqn_next(talk->secrets->context, talk->identity, above), sqn_amf);
    sqn_amf[MILENAGE_SQN] = s->prime ? AMF_PRIME : 0;
    if (milenage_f2345(talk->crypto, &s->usim, s->rand, &s->answer) != 0 ||
        milenage_f1(talk->crypto, &s->usim, s->rand, sqn_amf, mac) != 0)
        return eap_failed(talk, "the crypto library refused");
    memcpy(autn, sqn_amf, sizeof(sqn_amf));
    for (size_t i = 0; i < MILENAGE_SQN; i++)
        autn[i] ^= s->answer.ak[i];
    memcpy(autn + 8, mac, MILENAGE_MAC);
    if (keys_make(talk, s, autn) != 0)
        return eap_failed(talk, "the crypto library refused");
    const struct span rand[] = {span_of(reserved, 2), span_of(s->rand, sizeof(s->rand))};
    const struct span token[] = {span_of(reserved, 2), span_of(autn, sizeof(autn))};
    sim_begin(w, AKA_CHALLENGE);
    sim_attribute_write(w, AT_RAND, rand, 2);
    sim_attribute_write(w, AT_AUTN, token, 2);
    if (s->prime)
        network_write(s, w);
    if (sim_mac_write(talk->crypto, &s->k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return EAP_STEP_REPLY;
}

static enum eap_step aka_authenticator_begin(struct eap_talk *talk, void *state, uint8_t identifier,
                                             struct writer *w)
{
    (void)identifier;
    return challenge_send(talk, state, 0, w);
}

/* The USIM has accepted a higher sequence number, and proves it. At most once in a conversation. */
static enum eap_step synchronize(struct eap_talk *talk, struct aka_state *s, struct span auts,
                                 struct writer *w)
{
    uint8_t sqn_amf[8] = {0}, mac[2 * MILENAGE_MAC];
    if (auts.len != MILENAGE_AUTS || ++s->synchronizations > 1)
        return eap_failed(talk, "the USIM refuses the sequence number again");
    for (size_t i = 0; i < MILENAGE_SQN; i++)
        sqn_amf[i] = auts.ptr[i] ^ s->answer.ak_star[i];
    if (milenage_f1(talk->crypto, &s->usim, s->rand, sqn_amf, mac) != 0 ||
        !ct_equal(mac + MILENAGE_MAC, auts.ptr + MILENAGE_SQN, MILENAGE_MAC))
        return eap_failed(talk, "AUTS of the peer is wrong");
    return challenge_send(talk, s, sqn_read(sqn_amf), w);
}

/* RFC 4187 section 10.8: the length of RES is in bits, and at most 128 of them. */
static bool res_right(const struct aka_state *s, struct span value)
{
    struct reader r = reader_of(value);
    uint16_t bits = read_u16(&r);
    struct span res = read_bytes(&r, bits / 8);
    return !reader_failed(&r) && bits % 8 == 0 && res.len == MILENAGE_RES &&
           ct_equal(res.ptr, s->answer.res, MILENAGE_RES);
}

static enum eap_step aka_authenticator_recv(struct eap_talk *talk, void *state,
                                            const struct eap_packet *response, struct writer *w)
{
    struct aka_state *s = state;
    struct sim_attributes a;
    if (!sim_attributes_read(response->data, &a))
        return eap_failed(talk, "the peer's AKA packet is malformed");
    switch (a.subtype) {
    case AKA_CHALLENGE:
        if (sim_mac_check(talk->crypto, &s->k_aut, response, &a) != 0 ||
            !res_right(s, a.values[AT_RES]))
            return eap_failed(talk, "the peer does not know the USIM's key");
        return key_yield(talk, s);
    case AKA_SYNC_FAILURE: return synchronize(talk, s, a.values[AT_AUTS], w);
    case AKA_REJECT: return eap_failed(talk, "the USIM says that we do not know its key");
    case AKA_CLIENT_ERROR: return eap_failed(talk, "the peer cannot process our AKA packet");
    default: return eap_failed(talk, "AKA packet with an unknown Subtype");
    }
}

const struct eap_method eap_method_aka = {
    .type = EAP_TYPE_AKA,
    .name = "aka",
    .keys = true,
    .state_size = sizeof(struct aka_state),
    .peer_recv = aka_peer_recv,
    .authenticator_begin = aka_authenticator_begin,
    .authenticator_recv = aka_authenticator_recv,
};

/* --- AKA' --- */

static enum eap_step prime_peer_recv(struct eap_talk *talk, void *state,
                                     const struct eap_packet *request, struct writer *w)
{
    struct aka_state *s = state;
    s->prime = true;
    return aka_peer_recv(talk, state, request, w);
}

static enum eap_step prime_authenticator_begin(struct eap_talk *talk, void *state,
                                               uint8_t identifier, struct writer *w)
{
    struct aka_state *s = state;
    (void)identifier;
    s->prime = true;
    s->network_len = strlen(NETWORK);
    memcpy(s->network, NETWORK, s->network_len);
    return challenge_send(talk, s, 0, w);
}

const struct eap_method eap_method_aka_prime = {
    .type = EAP_TYPE_AKA_PRIME,
    .name = "aka-prime",
    .keys = true,
    .state_size = sizeof(struct aka_state),
    .peer_recv = prime_peer_recv,
    .authenticator_begin = prime_authenticator_begin,
    .authenticator_recv = aka_authenticator_recv,
};
