/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-AKA (RFC 4187) and EAP-AKA' (RFC 9048), both sides. The USIM is a secret of 32 octets: K and
 * OPc of MILENAGE. sim_auth.h has the fast re-authentication.
 *
 *   peer                                          authenticator
 *                  <---- [AKA-Identity: AT_..._ID_REQ]
 *   [AT_IDENTITY] ---->
 *                  <---- AKA-Challenge: AT_RAND, AT_AUTN, [AT_IV, AT_ENCR_DATA], AT_MAC
 *   AKA-Challenge: AT_RES, AT_MAC  |  Authentication-Reject  |  Synchronization-Failure: AT_AUTS ---->
 *
 * In AKA' the challenge also has AT_KDF and AT_KDF_INPUT, the name of the network. The keys depend
 * on that name. The separation bit of AMF marks a vector as one for AKA'; the peer refuses others.
 */
#include "base/secret.h"
#include "eap/sim_auth.h"

enum aka_subtype {
    AKA_CHALLENGE = 1,
    AKA_REJECT = 2,
    AKA_SYNC_FAILURE = 4,
    AKA_IDENTITY = 5,
};

#define KDF_1       1      /* RFC 9048 section 3.2: the only key derivation function */
#define NETWORK     "WLAN" /* 3GPP TS 24.302: access over a network that is not trusted */
#define NETWORK_MAX 253
#define AMF_PRIME   0x80 /* the separation bit, in the first octet of AMF */
#define BIDDING     0x80 /* RFC 9048 section 4: the bit D of AT_BIDDING, in its first octet */

struct aka_state {
    bool prime;      /* the method is AKA', not AKA */
    bool asking;     /* authenticator: an AKA-Identity request is outstanding */
    bool challenged; /* authenticator: an AKA-Challenge is outstanding */
    size_t network_len;
    uint8_t network[NETWORK_MAX];
    struct milenage usim;
    uint8_t rand[MILENAGE_KEY];
    struct milenage_answer answer;
    unsigned synchronizations;
    struct sim_auth auth;
};

static int keys_make_prime(struct eap_talk *talk, struct aka_state *s, const uint8_t *autn)
{
    uint8_t ck_ik[2 * MILENAGE_KEY];
    struct aka_prime_keys keys;
    memcpy(ck_ik, s->answer.ck, MILENAGE_KEY);
    memcpy(ck_ik + MILENAGE_KEY, s->answer.ik, MILENAGE_KEY);
    const struct aka_prime_input input = {.ck_ik = span_of(ck_ik, sizeof(ck_ik)),
                                          .sqn_ak = span_of(autn, MILENAGE_SQN),
                                          .network = span_of(s->network, s->network_len),
                                          .identity = talk->claimed};
    int error = aka_prime_derive(talk->crypto, &input, &keys);
    s->auth.k_aut.len = sizeof(keys.k_aut);
    memcpy(s->auth.k_aut.octets, keys.k_aut, sizeof(keys.k_aut));
    memcpy(s->auth.k_encr, keys.k_encr, sizeof(keys.k_encr));
    memcpy(s->auth.key, keys.k_re, sizeof(keys.k_re));
    memcpy(s->auth.msk, keys.msk, EAP_MSK);
    wipe(ck_ik, sizeof(ck_ik));
    wipe(&keys, sizeof(keys));
    return error;
}

/* keys_make - for AKA: MK = SHA1(Identity|IK|CK), RFC 4187 section 7. */
static int keys_make(struct eap_talk *talk, struct aka_state *s, const uint8_t *autn)
{
    if (s->prime)
        return keys_make_prime(talk, s, autn);
    uint8_t mk[20] = {0};
    const struct span parts[] = {talk->claimed, span_of(s->answer.ik, MILENAGE_KEY),
                                 span_of(s->answer.ck, MILENAGE_KEY)};
    int error = eap_digest(talk->crypto, talk->crypto->sha1, parts, 3, mk);
    sim_auth_derive(&s->auth, mk);
    wipe(mk, sizeof(mk));
    return error;
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

static enum eap_step peer_identity(struct eap_talk *talk, struct sim_auth *auth,
                                   const struct eap_packet *request, const struct sim_attributes *a,
                                   struct writer *w)
{
    if (!sim_identity_asks(auth, a) || !sim_round_add(auth, request->octets))
        return sim_client_error(talk, w, "the authenticator asks for an identity out of turn");
    sim_begin(w, AKA_IDENTITY);
    (void)sim_identity_write(talk, auth, w);
    eap_packet_end(w);
    if (!sim_round_add(auth, writer_span(w)))
        return eap_failed(talk, "the identities are too long");
    return EAP_STEP_REPLY;
}

static void kdf_write(struct writer *w)
{
    static const uint8_t number[] = {0, KDF_1};
    const struct span value = span_of(number, sizeof(number));
    sim_attribute_write(w, AT_KDF, &value, 1);
}

/* network_read - RFC 9048 section 3.1: Actual Network Name Length (2), name, padding. The peer
 * accepts any name, because the keys depend on it. */
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

/* prime_fits - false: the attributes of AKA' are wrong. RFC 9048 section 3.2: an unknown key
 * derivation function counts as a wrong AUTN. */
static bool prime_fits(struct aka_state *s, const struct sim_attributes *a)
{
    struct reader r = reader_of(a->values[AT_KDF]);
    return read_u16(&r) == KDF_1 && reader_done(&r) && network_read(s, a->values[AT_KDF_INPUT]) &&
           (a->values[AT_AUTN].ptr[2 + MILENAGE_SQN] & AMF_PRIME) != 0;
}

/* peer_synchronize - 3GPP TS 33.102 section 6.3.3: AUTS = (SQN_MS xor AK*) | MAC-S, with an AMF of
 * zeros. */
static enum eap_step peer_synchronize(struct eap_talk *talk, struct aka_state *s, uint64_t highest,
                                      struct writer *w)
{
    uint8_t auts[MILENAGE_AUTS], sqn_amf[8] = {0}, mac[2 * MILENAGE_MAC];
    sqn_write(highest, sqn_amf);
    if (++s->synchronizations > 1 ||
        milenage_f1(talk->crypto, &s->usim, s->rand, sqn_amf, mac) != 0)
        return sim_client_error(talk, w, "the authenticator's sequence number is old");
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

/* autn_check - AUTN = (SQN xor AK) | AMF | MAC-A. *ret_highest: the highest SQN accepted before. */
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

/* peer_prove - AUTN is fresh: checks AT_MAC of the challenge, and writes our response. */
static enum eap_step peer_prove(struct eap_talk *talk, struct aka_state *s,
                                const struct eap_packet *request, const struct sim_attributes *a,
                                struct writer *w)
{
    static const uint8_t bits[] = {0, 8 * MILENAGE_RES};
    if (keys_make(talk, s, a->values[AT_AUTN].ptr + 2) != 0 ||
        sim_mac_check(talk->crypto, &s->auth.k_aut, request, a) != 0)
        return sim_client_error(talk, w, "AT_MAC of the authenticator's AKA challenge is wrong");
    if (!sim_checkcode_right(talk, &s->auth, a))
        return sim_client_error(talk, w, "AT_CHECKCODE of the AKA challenge is wrong");
    if (!sim_names_take(talk, &s->auth, a))
        return sim_client_error(talk, w, "the encrypted attributes are malformed");
    const struct span parts[] = {span_of(bits, sizeof(bits)), span_of(s->answer.res, MILENAGE_RES)};
    sim_begin(w, AKA_CHALLENGE);
    sim_attribute_write(w, AT_RES, parts, 2);
    if (a->seen[AT_CHECKCODE])
        sim_checkcode_write(talk, &s->auth, w);
    if (sim_mac_write(talk->crypto, &s->auth.k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return sim_key_yield(talk, &s->auth);
}

/* bid_down - both ends have AKA', yet the method is AKA: an attacker changed the choice. It counts
 * as a wrong AUTN (RFC 9048 section 4). The bit is used before AT_MAC is checked, which is safe: a
 * forged bit can only end the login. */
static bool bid_down(const struct eap_talk *talk, const struct aka_state *s,
                     const struct sim_attributes *a)
{
    struct span value = a->values[AT_BIDDING];
    return !s->prime && talk->prime && value.len == 2 && (value.ptr[0] & BIDDING) != 0;
}

static enum eap_step peer_challenge(struct eap_talk *talk, struct aka_state *s,
                                    const struct eap_packet *request,
                                    const struct sim_attributes *a, struct writer *w)
{
    struct span rand = a->values[AT_RAND], autn = a->values[AT_AUTN];
    uint64_t highest = 0;
    if (rand.len != 2 + MILENAGE_KEY || autn.len != 2 + MILENAGE_AUTN || !a->seen[AT_MAC])
        return sim_client_error(talk, w, "the authenticator's AKA challenge is malformed");
    if (bid_down(talk, s, a) || (s->prime && !prime_fits(s, a))) {
        sim_begin(w, AKA_REJECT);
        return eap_failed(talk, "%s",
                          s->prime ? "the authenticator's challenge is not one of AKA'"
                                   : "AKA although both ends have AKA'");
    }
    memcpy(s->rand, rand.ptr + 2, sizeof(s->rand));
    if (sim_usim_find(talk, &s->auth, &s->usim) != 0 ||
        milenage_f2345(talk->crypto, &s->usim, s->rand, &s->answer) != 0)
        return sim_client_error(talk, w, "no K and OPc (32 octets) for the EAP identity");
    switch (autn_check(talk, s, autn.ptr + 2, &highest)) {
    case AUTN_WRONG:
        sim_begin(w, AKA_REJECT);
        return eap_failed(talk, "the authenticator does not know the USIM's key");
    case AUTN_OLD: return peer_synchronize(talk, s, highest, w);
    case AUTN_FRESH: break;
    }
    return peer_prove(talk, s, request, a, w);
}

static enum eap_step aka_recv(struct eap_talk *talk, struct aka_state *s,
                              const struct eap_packet *request, struct writer *w)
{
    struct sim_attributes a;
    s->auth.type = s->prime ? EAP_TYPE_AKA_PRIME : EAP_TYPE_AKA;
    if (!sim_attributes_read(request->data, &a))
        return sim_client_error(talk, w, "the authenticator's AKA packet is malformed");
    if (talk->msk_len > 0 && a.subtype != SIM_NOTIFICATION)
        return sim_client_error(talk, w, "the authenticator goes on after the method is over");
    switch (a.subtype) {
    case AKA_IDENTITY: return peer_identity(talk, &s->auth, request, &a, w);
    case AKA_CHALLENGE: return peer_challenge(talk, s, request, &a, w);
    case SIM_REAUTHENTICATION: return sim_reauth_answer(talk, &s->auth, request, &a, w);
    case SIM_NOTIFICATION: return sim_notification_answer(talk, &s->auth, request, &a, w);
    default: return sim_client_error(talk, w, "AKA packet with an unknown Subtype");
    }
}

static enum eap_step aka_peer_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    return aka_recv(talk, state, request, w);
}

/* --- the authenticator --- */

static void network_write(const struct aka_state *s, struct writer *w)
{
    const uint8_t len[] = {(uint8_t)(s->network_len >> 8), (uint8_t)s->network_len};
    const struct span name[] = {span_of(len, sizeof(len)), span_of(s->network, s->network_len)};
    sim_attribute_write(w, AT_KDF_INPUT, name, 2);
    kdf_write(w);
}

/* bidding_write - in an AKA challenge: tells the peer that we have AKA' as well (RFC 9048 section
 * 4). */
static void bidding_write(struct writer *w)
{
    static const uint8_t bits[] = {BIDDING, 0};
    const struct span value = span_of(bits, sizeof(bits));
    sim_attribute_write(w, AT_BIDDING, &value, 1);
}

static enum eap_step challenge_send(struct eap_talk *talk, struct aka_state *s, uint64_t above,
                                    struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t sqn_amf[8] = {0}, mac[2 * MILENAGE_MAC], autn[MILENAGE_AUTN];
    if (sim_usim_find(talk, &s->auth, &s->usim) != 0)
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
    s->challenged = true;
    const struct span rand[] = {span_of(reserved, 2), span_of(s->rand, sizeof(s->rand))};
    const struct span token[] = {span_of(reserved, 2), span_of(autn, sizeof(autn))};
    sim_begin(w, AKA_CHALLENGE);
    sim_attribute_write(w, AT_RAND, rand, 2);
    sim_attribute_write(w, AT_AUTN, token, 2);
    if (s->prime)
        network_write(s, w);
    else if (talk->prime)
        bidding_write(w);
    sim_checkcode_write(talk, &s->auth, w);
    if (sim_names_offer(talk, &s->auth, w) != 0 ||
        sim_mac_write(talk->crypto, &s->auth.k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return EAP_STEP_REPLY;
}

static enum eap_step identity_ask(struct eap_talk *talk, struct aka_state *s, struct writer *w)
{
    sim_begin(w, AKA_IDENTITY);
    sim_identity_ask(&s->auth, w);
    eap_packet_end(w);
    s->asking = true;
    return sim_round_add(&s->auth, writer_span(w))
               ? EAP_STEP_REPLY
               : eap_failed(talk, "the identities are too long");
}

/* nobody - the EAP identity has no USIM. Before the method has begun, EAP-Failure tells it. */
static enum eap_step nobody(struct eap_talk *talk, struct sim_auth *auth, struct writer *w)
{
    static const char why[] = "no K and OPc (32 octets) for the EAP identity";
    return auth->rank == SIM_ASKED_NOTHING ? eap_failed(talk, "%s", why)
                                           : sim_refuse(talk, auth, w, why);
}

static enum eap_step claimed(struct eap_talk *talk, struct aka_state *s, struct writer *w)
{
    switch (sim_identity_find(talk, &s->auth)) {
    case SIM_FOUND_FULL: return challenge_send(talk, s, 0, w);
    case SIM_FOUND_REAUTH: return sim_reauth_ask(talk, &s->auth, w);
    case SIM_FOUND_ASK: return identity_ask(talk, s, w);
    case SIM_FOUND_NOBODY: break;
    }
    return nobody(talk, &s->auth, w);
}

static enum eap_step identity_recv(struct eap_talk *talk, struct aka_state *s,
                                   const struct eap_packet *response,
                                   const struct sim_attributes *a, struct writer *w)
{
    if (!s->asking || !sim_identity_read(talk, a->values[AT_IDENTITY]) ||
        !sim_round_add(&s->auth, response->octets))
        return sim_refuse(talk, &s->auth, w, "the peer's AKA identity is malformed or out of turn");
    s->asking = false;
    return claimed(talk, s, w);
}

static enum eap_step reauth_recv(struct eap_talk *talk, struct aka_state *s,
                                 const struct eap_packet *response, const struct sim_attributes *a,
                                 struct writer *w)
{
    switch (sim_reauth_read(talk, &s->auth, response, a)) {
    case SIM_REAUTH_PROVEN: return sim_key_yield(talk, &s->auth);
    case SIM_REAUTH_COUNTER: return challenge_send(talk, s, 0, w);
    case SIM_REAUTH_WRONG: break;
    }
    return sim_refuse(talk, &s->auth, w, "the peer does not know the keys of the login before");
}

static enum eap_step aka_authenticator_begin(struct eap_talk *talk, void *state, uint8_t identifier,
                                             struct writer *w)
{
    struct aka_state *s = state;
    (void)identifier;
    s->auth.type = EAP_TYPE_AKA;
    return claimed(talk, s, w);
}

/* synchronize - AUTS proves that the USIM has accepted a higher sequence number. The next challenge
 * uses a number above it. At most once in a conversation. */
static enum eap_step synchronize(struct eap_talk *talk, struct aka_state *s, struct span auts,
                                 struct writer *w)
{
    uint8_t sqn_amf[8] = {0}, mac[2 * MILENAGE_MAC];
    if (!s->challenged || auts.len != MILENAGE_AUTS || ++s->synchronizations > 1)
        return sim_refuse(talk, &s->auth, w, "the USIM refuses the sequence number again");
    for (size_t i = 0; i < MILENAGE_SQN; i++)
        sqn_amf[i] = auts.ptr[i] ^ s->answer.ak_star[i];
    if (milenage_f1(talk->crypto, &s->usim, s->rand, sqn_amf, mac) != 0 ||
        !ct_equal(mac + MILENAGE_MAC, auts.ptr + MILENAGE_SQN, MILENAGE_MAC))
        return sim_refuse(talk, &s->auth, w, "AUTS of the peer is wrong");
    return challenge_send(talk, s, sqn_read(sqn_amf), w);
}

/* res_right - RFC 4187 section 10.8: the length field of AT_RES counts bits. */
static bool res_right(const struct aka_state *s, struct span value)
{
    struct reader r = reader_of(value);
    uint16_t bits = read_u16(&r);
    struct span res = read_bytes(&r, bits / 8);
    return !reader_failed(&r) && bits % 8 == 0 && res.len == MILENAGE_RES &&
           ct_equal(res.ptr, s->answer.res, MILENAGE_RES);
}

static enum eap_step challenge_recv(struct eap_talk *talk, struct aka_state *s,
                                    const struct eap_packet *response,
                                    const struct sim_attributes *a, struct writer *w)
{
    if (!s->challenged || sim_mac_check(talk->crypto, &s->auth.k_aut, response, a) != 0 ||
        !sim_checkcode_right(talk, &s->auth, a) || !res_right(s, a->values[AT_RES]))
        return sim_refuse(talk, &s->auth, w, "the peer does not know the USIM's key");
    sim_names_register(talk, &s->auth, 1);
    return sim_key_yield(talk, &s->auth);
}

static enum eap_step aka_authenticator_recv(struct eap_talk *talk, void *state,
                                            const struct eap_packet *response, struct writer *w)
{
    struct aka_state *s = state;
    struct sim_attributes a;
    if (s->auth.refused)
        return EAP_STEP_FAILED;
    if (!sim_attributes_read(response->data, &a))
        return sim_refuse(talk, &s->auth, w, "the peer's AKA packet is malformed");
    switch (a.subtype) {
    case AKA_IDENTITY: return identity_recv(talk, s, response, &a, w);
    case AKA_CHALLENGE: return challenge_recv(talk, s, response, &a, w);
    case SIM_REAUTHENTICATION: return reauth_recv(talk, s, response, &a, w);
    case AKA_SYNC_FAILURE: return synchronize(talk, s, a.values[AT_AUTS], w);
    case AKA_REJECT: return eap_failed(talk, "the USIM says that we do not know its key");
    case SIM_CLIENT_ERROR: return eap_failed(talk, "the peer cannot process our AKA packet");
    default: return sim_refuse(talk, &s->auth, w, "AKA packet with an unknown Subtype");
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
    return aka_recv(talk, s, request, w);
}

static enum eap_step prime_authenticator_begin(struct eap_talk *talk, void *state,
                                               uint8_t identifier, struct writer *w)
{
    struct aka_state *s = state;
    (void)identifier;
    s->prime = true;
    s->network_len = strlen(NETWORK);
    memcpy(s->network, NETWORK, s->network_len);
    s->auth.type = EAP_TYPE_AKA_PRIME;
    return claimed(talk, s, w);
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
