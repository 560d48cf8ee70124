/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP-SIM (RFC 4186), both sides. The SIM is a secret of 32 octets, K and OPc of MILENAGE, from
 * which 3GPP TS 55.205 makes GSM triplets; or it is a list of triplets. sim_auth.h has the fast
 * re-authentication.
 *
 *   peer                                                authenticator
 *                                            <----  SIM-Start: AT_VERSION_LIST, [AT_..._ID_REQ]
 *   SIM-Start: AT_NONCE_MT,
 *     AT_SELECTED_VERSION, [AT_IDENTITY]     ---->
 *                                            <----  SIM-Challenge: AT_RAND, [AT_IV, AT_ENCR_DATA],
 *                                                   AT_MAC
 *   SIM-Challenge: AT_MAC  |  Client-Error   ---->
 */
#include "base/secret.h"
#include "eap/sim_auth.h"

enum sim_subtype {
    SIM_START = 10,
    SIM_CHALLENGE = 11,
};

#define SIM_VERSION  1
#define SIM_STARTS   3  /* RFC 4186 section 4.2.5; after AT_COUNTER_TOO_SMALL one follows */
#define SIM_VERSIONS 32 /* octets of a list of versions */
#define NO_SIM                                                                                     \
    "no K and OPc (32 octets) or different triplets (28 octets each) for the EAP identity"

struct sim_state {
    unsigned starts;
    uint8_t nonce[SIM_NONCE];
    size_t versions_len, n_rands;
    uint8_t versions[SIM_VERSIONS];
    uint8_t sres[SIM_RANDS * SIM_SRES], kc[SIM_RANDS * SIM_KC];
    bool nonced;   /* peer: AT_NONCE_MT was sent */
    bool full;     /* authenticator: after AT_COUNTER_TOO_SMALL */
    bool starting; /* authenticator: a SIM-Start is outstanding */
    bool begun;    /* authenticator: the peer has answered */
    struct sim_auth auth;
};

/* usim_run - 3GPP TS 55.205: SRES and Kc are XORs of parts of RES, CK and IK. */
static int usim_run(struct eap_talk *talk, struct sim_state *s, const struct milenage *usim,
                    const uint8_t *rands)
{
    struct milenage_answer answer;
    int error = 0;
    for (size_t i = 0; error == 0 && i < s->n_rands; i++) {
        error = milenage_f2345(talk->crypto, usim, rands + i * SIM_RAND, &answer);
        for (size_t j = 0; j < SIM_SRES; j++)
            s->sres[i * SIM_SRES + j] = answer.res[j] ^ answer.res[j + SIM_SRES];
        for (size_t j = 0; j < SIM_KC; j++)
            s->kc[i * SIM_KC + j] =
                answer.ck[j] ^ answer.ck[j + SIM_KC] ^ answer.ik[j] ^ answer.ik[j + SIM_KC];
    }
    wipe(&answer, sizeof(answer));
    return error;
}

/* triplets_look_up - finds the triplet of each RAND. ERR_NOT_FOUND: one RAND has none. */
static int triplets_look_up(struct sim_state *s, struct span triplets, const uint8_t *rands)
{
    for (size_t i = 0; i < s->n_rands; i++) {
        size_t at = 0;
        while (at < triplets.len && memcmp(triplets.ptr + at, rands + i * SIM_RAND, SIM_RAND) != 0)
            at += SIM_TRIPLET;
        if (at == triplets.len)
            return ERR_NOT_FOUND;
        memcpy(s->sres + i * SIM_SRES, triplets.ptr + at + SIM_RAND, SIM_SRES);
        memcpy(s->kc + i * SIM_KC, triplets.ptr + at + SIM_RAND + SIM_SRES, SIM_KC);
    }
    return 0;
}

/* triplets_make - SRES and Kc of each RAND. ERR_NOT_FOUND: a list of triplets has no such RAND. */
static int triplets_make(struct eap_talk *talk, struct sim_state *s, const uint8_t *rands)
{
    struct eap_secret secret;
    struct milenage usim;
    int error = sim_secret_find(talk, &s->auth, &secret);
    if (error == 0 && secret.len == sizeof(usim)) {
        memcpy(&usim, secret.octets, sizeof(usim));
        error = usim_run(talk, s, &usim, rands);
        wipe(&usim, sizeof(usim));
    } else if (error == 0) {
        error = triplets_look_up(s, span_of(secret.octets, secret.len), rands);
    }
    wipe(&secret, sizeof(secret));
    return error;
}

/* keys_make - MK = SHA1(Identity | n*Kc | NONCE_MT | Version List | Selected Version), RFC 4186
 * section 7. */
static int keys_make(struct eap_talk *talk, struct sim_state *s)
{
    static const uint8_t selected[] = {0, SIM_VERSION};
    uint8_t mk[20] = {0};
    const struct span parts[] = {
        talk->claimed, span_of(s->kc, s->n_rands * SIM_KC), span_of(s->nonce, SIM_NONCE),
        span_of(s->versions, s->versions_len), span_of(selected, sizeof(selected))};
    int error = eap_digest(talk->crypto, talk->crypto->sha1, parts, 5, mk);
    sim_auth_derive(&s->auth, mk);
    wipe(mk, sizeof(mk));
    return error;
}

/* --- the peer --- */

/* versions_read - RFC 4186 section 10.2: the length of the list, then two octets for each
 * version. */
static bool versions_read(struct sim_state *s, struct span value)
{
    struct reader r = reader_of(value);
    struct span list = read_bytes(&r, read_u16(&r));
    bool ours = false;
    if (reader_failed(&r) || list.len % 2 != 0 || list.len > sizeof(s->versions))
        return false;
    memcpy(s->versions, list.ptr, list.len);
    s->versions_len = list.len;
    for (size_t i = 0; i + 1 < list.len; i += 2)
        ours |= list.ptr[i] == 0 && list.ptr[i + 1] == SIM_VERSION;
    return ours;
}

/* peer_start - RFC 4186 section 9.2: a Response with a re-authentication identity has neither
 * AT_NONCE_MT nor AT_SELECTED_VERSION. */
static enum eap_step peer_start(struct eap_talk *talk, struct sim_state *s,
                                const struct sim_attributes *a, struct writer *w)
{
    static const uint8_t reserved[2], selected[] = {0, SIM_VERSION};
    const struct span version = span_of(selected, sizeof(selected));
    bool asks =
        a->seen[AT_ANY_ID_REQ] || a->seen[AT_FULLAUTH_ID_REQ] || a->seen[AT_PERMANENT_ID_REQ];
    if (++s->starts > SIM_STARTS || (asks && !sim_identity_asks(&s->auth, a)))
        return sim_client_error(talk, w, "the authenticator's SIM-Start is out of turn");
    if (!versions_read(s, a->values[AT_VERSION_LIST]))
        return sim_client_error_of(talk, w, SIM_VERSION_UNKNOWN,
                                   "the authenticator does not have version 1 of EAP-SIM");
    sim_begin(w, SIM_START);
    if (asks && sim_identity_write(talk, &s->auth, w))
        return EAP_STEP_REPLY;
    if (!s->nonced) /* RFC 4186 section 10.4: the same in all Starts */
        random_fill(talk->random, s->nonce, sizeof(s->nonce));
    const struct span nonce[] = {span_of(reserved, 2), span_of(s->nonce, SIM_NONCE)};
    sim_attribute_write(w, AT_NONCE_MT, nonce, 2);
    sim_attribute_write(w, AT_SELECTED_VERSION, &version, 1);
    s->nonced = true;
    return EAP_STEP_REPLY;
}

/* rands_differ - no two of the RANDs are equal. The next one begins `step` octets further. */
static bool rands_differ(const uint8_t *rands, size_t n, size_t step)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (memcmp(rands + i * step, rands + j * step, SIM_RAND) == 0)
                return false;
    return true;
}

/* rands_check - RFC 4186 section 10.9: two or three RANDs, all different. Fewer make a weaker key. true: they
 * are. false: *ret_code tells the authenticator why not. */
static bool rands_check(struct sim_state *s, struct span value, enum sim_error_code *ret_code)
{
    size_t n = value.len < 2 ? 0 : (value.len - 2) / SIM_RAND;
    bool whole = value.len == 2 + n * SIM_RAND && n <= SIM_RANDS;
    bool differ = whole && rands_differ(value.ptr + 2, n, SIM_RAND);
    s->n_rands = differ && n >= 2 ? n : 0;
    *ret_code = !whole ? SIM_UNABLE : !differ ? SIM_OLD_RANDS : SIM_FEW_RANDS;
    return s->n_rands > 0;
}

static enum eap_step peer_challenge(struct eap_talk *talk, struct sim_state *s,
                                    const struct eap_packet *request,
                                    const struct sim_attributes *a, struct writer *w)
{
    struct span rands = a->values[AT_RAND];
    struct sim_mac_key *k_aut = &s->auth.k_aut;
    enum sim_error_code code = SIM_UNABLE;
    if (!s->nonced || !rands_check(s, rands, &code))
        return sim_client_error_of(talk, w, code, "the authenticator's SIM challenge is malformed");
    if (triplets_make(talk, s, rands.ptr + 2) != 0)
        return sim_client_error(talk, w, NO_SIM ", with the authenticator's RAND");
    if (keys_make(talk, s) != 0)
        return sim_client_error(talk, w, "the crypto library refused");
    k_aut->extra = span_of(s->nonce, SIM_NONCE);
    if (sim_mac_check(talk->crypto, k_aut, request, a) != 0)
        return sim_client_error(talk, w, "the authenticator does not know the SIM's key");
    if (!sim_names_take(talk, &s->auth, a))
        return sim_client_error(talk, w, "the encrypted attributes are malformed");
    k_aut->extra = span_of(s->sres, s->n_rands * SIM_SRES);
    sim_begin(w, SIM_CHALLENGE);
    if (sim_mac_write(talk->crypto, k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return sim_key_yield(talk, &s->auth);
}

static enum eap_step sim_peer_recv(struct eap_talk *talk, void *state,
                                   const struct eap_packet *request, struct writer *w)
{
    struct sim_state *s = state;
    struct sim_attributes a;
    s->auth.type = EAP_TYPE_SIM;
    if (!sim_attributes_read(request->data, &a))
        return sim_client_error(talk, w, "the authenticator's SIM packet is malformed");
    if (talk->msk_len > 0 && a.subtype != SIM_NOTIFICATION)
        return sim_client_error(talk, w, "the authenticator goes on after the method is over");
    switch (a.subtype) {
    case SIM_START: return peer_start(talk, s, &a, w);
    case SIM_CHALLENGE: return peer_challenge(talk, s, request, &a, w);
    case SIM_REAUTHENTICATION:
        s->starts = SIM_STARTS - 1;
        return sim_reauth_answer(talk, &s->auth, request, &a, w);
    case SIM_NOTIFICATION: return sim_notification_answer(talk, &s->auth, request, &a, w);
    default: return sim_client_error(talk, w, "SIM packet with an unknown Subtype");
    }
}

/* --- the authenticator --- */

static enum eap_step start_send(struct sim_state *s, bool asks, struct writer *w)
{
    static const uint8_t list[] = {0, 2, 0, SIM_VERSION};
    const struct span versions = span_of(list, sizeof(list));
    memcpy(s->versions, list + 2, 2);
    s->versions_len = 2;
    s->starting = true;
    sim_begin(w, SIM_START);
    if (asks)
        sim_identity_ask(&s->auth, w);
    sim_attribute_write(w, AT_VERSION_LIST, &versions, 1);
    return EAP_STEP_REPLY;
}

/* nobody - the EAP identity has no SIM. Before the method has begun, EAP-Failure tells it. */
static enum eap_step nobody(struct eap_talk *talk, struct sim_state *s, struct writer *w)
{
    return s->begun ? sim_refuse(talk, &s->auth, w, NO_SIM) : eap_failed(talk, NO_SIM);
}

static enum eap_step sim_authenticator_begin(struct eap_talk *talk, void *state, uint8_t identifier,
                                             struct writer *w)
{
    struct sim_state *s = state;
    (void)identifier;
    s->auth.type = EAP_TYPE_SIM;
    switch (sim_identity_find(talk, &s->auth)) {
    case SIM_FOUND_FULL: return start_send(s, false, w);
    case SIM_FOUND_REAUTH: return sim_reauth_ask(talk, &s->auth, w);
    case SIM_FOUND_ASK: return start_send(s, true, w);
    case SIM_FOUND_NOBODY: break;
    }
    return nobody(talk, s, w);
}

/* rands_choose - fresh ones; of a list of triplets, SIM_RANDS in a row from a random place. ERR_INVALID: a
 * RAND is twice in the list. RFC 4186 section 10.9: the server must use different ones. */
static int rands_choose(struct eap_talk *talk, struct sim_state *s, uint8_t *rands)
{
    struct eap_secret secret;
    int error = sim_secret_find(talk, &s->auth, &secret);
    size_t n = error == 0 && secret.len != sizeof(struct milenage) ? secret.len / SIM_TRIPLET : 0;
    if (!rands_differ(secret.octets, n, SIM_TRIPLET))
        error = ERR_INVALID;
    random_fill(talk->random, rands, SIM_RANDS * SIM_RAND);
    size_t first = n == 0 ? 0 : rands[0] % n;
    for (size_t i = 0; n > 0 && i < SIM_RANDS; i++)
        memcpy(rands + i * SIM_RAND, secret.octets + (first + i) % n * SIM_TRIPLET, SIM_RAND);
    wipe(&secret, sizeof(secret));
    return error;
}

static enum eap_step challenge_send(struct eap_talk *talk, struct sim_state *s,
                                    const struct sim_attributes *a, struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t rands[SIM_RANDS * SIM_RAND];
    struct span nonce = a->values[AT_NONCE_MT];
    struct reader version = reader_of(a->values[AT_SELECTED_VERSION]);
    if (nonce.len != 2 + SIM_NONCE || read_u16(&version) != SIM_VERSION)
        return sim_refuse(talk, &s->auth, w, "the peer's SIM-Start is malformed");
    memcpy(s->nonce, nonce.ptr + 2, SIM_NONCE);
    s->n_rands = SIM_RANDS;
    if (rands_choose(talk, s, rands) != 0 || triplets_make(talk, s, rands) != 0)
        return nobody(talk, s, w);
    if (keys_make(talk, s) != 0)
        return eap_failed(talk, "the crypto library refused");
    const struct span values[] = {span_of(reserved, 2), span_of(rands, sizeof(rands))};
    sim_begin(w, SIM_CHALLENGE);
    sim_attribute_write(w, AT_RAND, values, 2);
    s->auth.k_aut.extra = span_of(s->nonce, SIM_NONCE);
    if (sim_names_offer(talk, &s->auth, w) != 0 ||
        sim_mac_write(talk->crypto, &s->auth.k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    s->auth.k_aut.extra = span_of(s->sres, s->n_rands * SIM_SRES);
    return EAP_STEP_REPLY;
}

static enum eap_step started(struct eap_talk *talk, struct sim_state *s,
                             const struct sim_attributes *a, struct writer *w)
{
    if (!s->starting || s->n_rands > 0)
        return sim_refuse(talk, &s->auth, w, "the peer's SIM-Start is out of turn");
    s->starting = false;
    if (s->auth.rank == SIM_ASKED_NOTHING || s->full)
        return challenge_send(talk, s, a, w);
    if (!sim_identity_read(talk, a->values[AT_IDENTITY]))
        return sim_refuse(talk, &s->auth, w, "the peer does not say its identity");
    switch (sim_identity_find(talk, &s->auth)) {
    case SIM_FOUND_FULL: return challenge_send(talk, s, a, w);
    case SIM_FOUND_REAUTH: return sim_reauth_ask(talk, &s->auth, w);
    case SIM_FOUND_ASK: return start_send(s, true, w);
    case SIM_FOUND_NOBODY: break;
    }
    return nobody(talk, s, w);
}

static enum eap_step reauth_recv(struct eap_talk *talk, struct sim_state *s,
                                 const struct eap_packet *response, const struct sim_attributes *a,
                                 struct writer *w)
{
    switch (sim_reauth_read(talk, &s->auth, response, a)) {
    case SIM_REAUTH_PROVEN: return sim_key_yield(talk, &s->auth);
    case SIM_REAUTH_COUNTER: s->full = true; return start_send(s, false, w);
    case SIM_REAUTH_WRONG: break;
    }
    return sim_refuse(talk, &s->auth, w, "the peer does not know the keys of the login before");
}

static enum eap_step challenge_recv(struct eap_talk *talk, struct sim_state *s,
                                    const struct eap_packet *response,
                                    const struct sim_attributes *a, struct writer *w)
{
    if (s->n_rands == 0 || sim_mac_check(talk->crypto, &s->auth.k_aut, response, a) != 0)
        return sim_refuse(talk, &s->auth, w, "the peer does not know the SIM's key");
    sim_names_register(talk, &s->auth, 1);
    return sim_key_yield(talk, &s->auth);
}

static enum eap_step sim_authenticator_recv(struct eap_talk *talk, void *state,
                                            const struct eap_packet *response, struct writer *w)
{
    struct sim_state *s = state;
    struct sim_attributes a;
    if (s->auth.refused)
        return EAP_STEP_FAILED;
    s->begun = true;
    if (!sim_attributes_read(response->data, &a))
        return sim_refuse(talk, &s->auth, w, "the peer's SIM packet is malformed");
    switch (a.subtype) {
    case SIM_START: return started(talk, s, &a, w);
    case SIM_CHALLENGE: return challenge_recv(talk, s, response, &a, w);
    case SIM_REAUTHENTICATION: return reauth_recv(talk, s, response, &a, w);
    case SIM_CLIENT_ERROR: return eap_failed(talk, "the peer cannot process our SIM packet");
    default: return sim_refuse(talk, &s->auth, w, "SIM packet with an unknown Subtype");
    }
}

const struct eap_method eap_method_sim = {
    .type = EAP_TYPE_SIM,
    .name = "sim",
    .keys = true,
    .state_size = sizeof(struct sim_state),
    .peer_recv = sim_peer_recv,
    .authenticator_begin = sim_authenticator_begin,
    .authenticator_recv = sim_authenticator_recv,
};
