/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names that an authenticator gives, and fast re-authentication: RFC 4186 section 5, RFC 4187
 * section 5, RFC 9048 section 3.3. sim_auth.h has the messages.
 */
#include "base/secret.h"
#include "eap/sim_auth.h"

/* RFC 4187 section 5.1: "an upper limit for the number of subsequent fast re-authentications". The
 * peer's limit is only a safeguard, so it is the higher one. */
#define AUTHENTICATOR_MOST 100
#define PEER_MOST          1000

/* RFC 4187 section 10.19: the bits of the first octet of AT_NOTIFICATION. S: success. P: no challenge or
 * re-authentication has succeeded yet. */
#define NOTIFICATION_S 0x80
#define NOTIFICATION_P 0x40

enum eap_step sim_client_error(struct eap_talk *talk, struct writer *w, const char *reason)
{
    return sim_client_error_of(talk, w, SIM_UNABLE, reason);
}

enum eap_step sim_client_error_of(struct eap_talk *talk, struct writer *w, enum sim_error_code code,
                                  const char *reason)
{
    const uint8_t number[] = {0, (uint8_t)code};
    const struct span value = span_of(number, sizeof(number));
    sim_begin(w, SIM_CLIENT_ERROR);
    sim_attribute_write(w, AT_CLIENT_ERROR_CODE, &value, 1);
    return eap_failed(talk, "%s", reason);
}

enum eap_step sim_key_yield(struct eap_talk *talk, const struct sim_auth *auth)
{
    memcpy(talk->msk, auth->msk, EAP_MSK);
    talk->msk_len = EAP_MSK;
    return EAP_STEP_READY;
}

enum eap_step sim_refuse(struct eap_talk *talk, struct sim_auth *auth, struct writer *w,
                         const char *reason)
{
    /* "General failure": the peer is not proven yet, so the bit P is 1 and there is no AT_MAC */
    static const uint8_t code[] = {NOTIFICATION_P, 0};
    const struct span value = span_of(code, sizeof(code));
    auth->refused = true;
    sim_begin(w, SIM_NOTIFICATION);
    sim_attribute_write(w, AT_NOTIFICATION, &value, 1);
    (void)eap_failed(talk, "%s", reason);
    return EAP_STEP_REPLY;
}

void sim_auth_derive(struct sim_auth *auth, const uint8_t mk[20])
{
    struct sim_keys keys;
    sim_keys_derive(mk, &keys);
    auth->k_aut = (struct sim_mac_key){.len = sizeof(keys.k_aut)};
    memcpy(auth->k_aut.octets, keys.k_aut, sizeof(keys.k_aut));
    memcpy(auth->k_encr, keys.k_encr, sizeof(auth->k_encr));
    memcpy(auth->key, mk, 20);
    memcpy(auth->msk, keys.msk, EAP_MSK);
    wipe(&keys, sizeof(keys));
}

/* --- names --- */

/* name_write - RFC 4187 sections 10.10 and 10.11: the length of the name, and the name. */
static void name_write(struct writer *w, enum sim_attribute type, struct span name)
{
    const uint8_t len[] = {(uint8_t)(name.len >> 8), (uint8_t)name.len};
    const struct span parts[] = {span_of(len, sizeof(len)), name};
    if (name.len > 0)
        sim_attribute_write(w, type, parts, 2);
}

static void reauth_id_make(struct eap_talk *talk, struct sim_auth *auth, struct writer *plain)
{
    auth->reauth_id_len =
        talk->store->reauth_make(talk->store->context, auth->type, talk->identity, auth->reauth_id);
    name_write(plain, AT_NEXT_REAUTH_ID, span_of(auth->reauth_id, auth->reauth_id_len));
}

int sim_names_offer(struct eap_talk *talk, struct sim_auth *auth, struct writer *w)
{
    uint8_t octets[SIM_ENCRYPTED], pseudonym[EAP_IDENTITY];
    struct writer plain = writer_of(octets, sizeof(octets));
    if (talk->store == NULL)
        return 0;
    size_t len =
        talk->store->pseudonym_make(talk->store->context, auth->type, talk->identity, pseudonym);
    name_write(&plain, AT_NEXT_PSEUDONYM, span_of(pseudonym, len));
    reauth_id_make(talk, auth, &plain);
    return plain.len == 0 ? 0 : sim_encrypted_write(talk, auth, &plain, w);
}

/* reauth_make - the keys of this login, for the fast re-authentication that follows. */
static void reauth_make(const struct sim_auth *auth, uint32_t counter, struct eap_reauth *ret)
{
    ret->counter = counter;
    memcpy(ret->key, auth->key, sizeof(auth->key));
    memcpy(ret->k_encr, auth->k_encr, sizeof(auth->k_encr));
    memcpy(ret->k_aut, auth->k_aut.octets, sizeof(ret->k_aut));
    memcpy(ret->usim, auth->usim, sizeof(auth->usim));
}

void sim_names_register(struct eap_talk *talk, const struct sim_auth *auth, uint32_t counter)
{
    if (talk->store == NULL || auth->reauth_id_len == 0)
        return;
    struct eap_named named = {.identity_len = talk->identity.len};
    reauth_make(auth, counter, &named.reauth);
    memcpy(named.identity, talk->identity.ptr, talk->identity.len);
    talk->store->reauth_put(talk->store->context, span_of(auth->reauth_id, auth->reauth_id_len),
                            &named);
    wipe(&named, sizeof(named));
}

/* name_read - reads the value of an attribute with a name, and appends `realm`. *ret_len is 0 if
 * the name is too long. false: malformed. */
static bool name_read(struct span value, struct span realm, uint8_t out[EAP_IDENTITY],
                      uint32_t *ret_len)
{
    struct reader r = reader_of(value);
    struct span name = read_bytes(&r, read_u16(&r));
    struct writer w = writer_of(out, EAP_IDENTITY);
    if (reader_failed(&r) || name.len == 0)
        return false;
    write_bytes(&w, name);
    write_bytes(&w, realm);
    *ret_len = writer_failed(&w) ? 0 : (uint32_t)w.len;
    return true;
}

/* names_set - replaces the names by those in encrypted attributes. Without a new pseudonym the old
 * one stays; an old re-authentication identity goes in any case (RFC 4187 section 5.3). */
static bool names_set(struct eap_talk *talk, const struct sim_auth *auth,
                      const struct sim_attributes *nested)
{
    struct eap_names *n = &talk->names;
    n->type = (uint32_t)auth->type;
    n->tries = 0;
    n->reauth_id_len = 0;
    memcpy(n->usim, auth->usim, sizeof(n->usim));
    return (!nested->seen[AT_NEXT_PSEUDONYM] ||
            name_read(nested->values[AT_NEXT_PSEUDONYM], eap_realm(talk->identity), n->pseudonym,
                      &n->pseudonym_len)) &&
           (!nested->seen[AT_NEXT_REAUTH_ID] ||
            name_read(nested->values[AT_NEXT_REAUTH_ID], (struct span){0}, n->reauth_id,
                      &n->reauth_id_len));
}

bool sim_names_take(struct eap_talk *talk, const struct sim_auth *auth,
                    const struct sim_attributes *a)
{
    uint8_t room[SIM_ENCRYPTED];
    struct sim_attributes nested = {0};
    bool encrypted = a->seen[AT_IV] || a->seen[AT_ENCR_DATA];
    if (encrypted && !sim_encrypted_read(talk, auth, a, room, &nested))
        return false;
    if (talk->store == NULL)
        return true;
    if (!names_set(talk, auth, &nested))
        return false;
    reauth_make(auth, 1, &talk->names.reauth);
    talk->names_new = true;
    return true;
}

/* --- keys --- */

/* keys_of_before - sets the keys of the full authentication. */
static void keys_of_before(struct sim_auth *auth, const struct eap_reauth *reauth)
{
    auth->k_aut = (struct sim_mac_key){.len = auth->type == EAP_TYPE_AKA_PRIME ? 32 : 16};
    memcpy(auth->k_aut.octets, reauth->k_aut, auth->k_aut.len);
    memcpy(auth->k_encr, reauth->k_encr, sizeof(auth->k_encr));
    memcpy(auth->key, reauth->key, sizeof(auth->key));
}

static int msk_make(struct eap_talk *talk, struct sim_auth *auth, uint32_t counter,
                    struct span nonce_s)
{
    bool prime = auth->type == EAP_TYPE_AKA_PRIME;
    const struct sim_reauth_input input = {.key = span_of(auth->key, prime ? 32 : 20),
                                           .identity = talk->claimed,
                                           .nonce_s = nonce_s,
                                           .counter = counter};
    return prime ? aka_prime_reauth_derive(talk->crypto, &input, auth->msk)
                 : sim_reauth_derive(talk->crypto, &input, auth->msk);
}

static void counter_write(struct writer *w, uint32_t counter)
{
    const uint8_t octets[] = {(uint8_t)(counter >> 8), (uint8_t)counter};
    const struct span value = span_of(octets, sizeof(octets));
    sim_attribute_write(w, AT_COUNTER, &value, 1);
}

/* counter_read - false: AT_COUNTER is missing or malformed. */
static bool counter_read(const struct sim_attributes *nested, uint32_t *ret)
{
    struct reader r = reader_of(nested->values[AT_COUNTER]);
    *ret = read_u16(&r);
    return reader_done(&r);
}

static bool is_aka(const struct sim_auth *auth)
{
    return auth->type != EAP_TYPE_SIM;
}

/* --- the authenticator --- */

enum eap_step sim_reauth_ask(struct eap_talk *talk, struct sim_auth *auth, struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t octets[SIM_ENCRYPTED];
    struct writer plain = writer_of(octets, sizeof(octets));
    keys_of_before(auth, &auth->reauth);
    random_fill(talk->random, auth->nonce_s, sizeof(auth->nonce_s));
    const struct span nonce[] = {span_of(reserved, 2), span_of(auth->nonce_s, SIM_NONCE)};
    counter_write(&plain, auth->reauth.counter);
    sim_attribute_write(&plain, AT_NONCE_S, nonce, 2);
    auth->reauth_id_len = 0;
    if (auth->reauth.counter < AUTHENTICATOR_MOST)
        reauth_id_make(talk, auth, &plain);
    sim_begin(w, SIM_REAUTHENTICATION);
    if (is_aka(auth))
        sim_checkcode_write(talk, auth, w);
    if (sim_encrypted_write(talk, auth, &plain, w) != 0 ||
        sim_mac_write(talk->crypto, &auth->k_aut, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return EAP_STEP_REPLY;
}

enum sim_reauth_verdict sim_reauth_read(struct eap_talk *talk, struct sim_auth *auth,
                                        const struct eap_packet *response,
                                        const struct sim_attributes *a)
{
    uint8_t room[SIM_ENCRYPTED];
    struct sim_attributes nested;
    struct sim_mac_key k_aut = auth->k_aut;
    const struct span nonce_s = span_of(auth->nonce_s, SIM_NONCE);
    uint32_t counter, asked = auth->reauth.counter;
    k_aut.extra = nonce_s;
    auth->reauth.counter = 0; /* only one Response is accepted */
    if (asked == 0 || sim_mac_check(talk->crypto, &k_aut, response, a) != 0 ||
        !sim_checkcode_right(talk, auth, a) || !sim_encrypted_read(talk, auth, a, room, &nested) ||
        !counter_read(&nested, &counter) || counter != asked)
        return SIM_REAUTH_WRONG;
    if (nested.seen[AT_COUNTER_TOO_SMALL])
        return SIM_REAUTH_COUNTER;
    if (msk_make(talk, auth, counter, nonce_s) != 0)
        return SIM_REAUTH_WRONG;
    sim_names_register(talk, auth, counter + 1);
    return SIM_REAUTH_PROVEN;
}

/* --- the peer --- */

/* response_write - RFC 4187 section 9.8: AT_MAC covers NONCE_S as well. */
static int response_write(struct eap_talk *talk, struct sim_auth *auth,
                          const struct sim_attributes *nested, bool too_small, struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t octets[SIM_ENCRYPTED];
    struct writer plain = writer_of(octets, sizeof(octets));
    struct sim_mac_key k_aut = auth->k_aut;
    const struct span empty = span_of(reserved, sizeof(reserved));
    uint32_t counter = 0;
    (void)counter_read(nested, &counter);
    k_aut.extra = span_of(nested->values[AT_NONCE_S].ptr + 2, SIM_NONCE);
    counter_write(&plain, counter);
    if (too_small)
        sim_attribute_write(&plain, AT_COUNTER_TOO_SMALL, &empty, 1);
    sim_begin(w, SIM_REAUTHENTICATION);
    if (is_aka(auth))
        sim_checkcode_write(talk, auth, w);
    int error = sim_encrypted_write(talk, auth, &plain, w);
    return error != 0 ? error : sim_mac_write(talk->crypto, &k_aut, w);
}

/* is_ours - the identity that we sent last is our re-authentication identity. */
static bool is_ours(const struct eap_talk *talk, const struct sim_auth *auth)
{
    const struct eap_names *n = &talk->names;
    return talk->store != NULL && n->type == (uint32_t)auth->type && n->reauth_id_len > 0 &&
           n->reauth.counter > 0 &&
           span_equal(talk->claimed, span_of(n->reauth_id, n->reauth_id_len));
}

static enum eap_step reauth_accept(struct eap_talk *talk, struct sim_auth *auth,
                                   const struct sim_attributes *nested, uint32_t counter)
{
    if (!names_set(talk, auth, nested))
        return eap_failed(talk, "the authenticator's next identity is malformed");
    auth->reauth.counter = counter;
    talk->names.reauth.counter = counter + 1;
    if (counter >= PEER_MOST)
        talk->names.reauth_id_len = 0;
    talk->names_new = true;
    return sim_key_yield(talk, auth);
}

enum eap_step sim_reauth_answer(struct eap_talk *talk, struct sim_auth *auth,
                                const struct eap_packet *request, const struct sim_attributes *a,
                                struct writer *w)
{
    static const char malformed[] = "the authenticator's re-authentication is malformed";
    uint8_t room[SIM_ENCRYPTED];
    struct sim_attributes nested;
    uint32_t counter;
    if (!is_ours(talk, auth))
        return sim_client_error(talk, w, "re-authentication that nobody asked for");
    memcpy(auth->usim, talk->names.usim, sizeof(auth->usim));
    keys_of_before(auth, &talk->names.reauth);
    if (sim_mac_check(talk->crypto, &auth->k_aut, request, a) != 0)
        return sim_client_error(talk, w,
                                "the authenticator does not know the keys of the login before");
    if (!sim_checkcode_right(talk, auth, a) || !sim_encrypted_read(talk, auth, a, room, &nested) ||
        !counter_read(&nested, &counter) || nested.values[AT_NONCE_S].len != 2 + SIM_NONCE)
        return sim_client_error(talk, w, malformed);
    const struct span nonce_s = span_of(nested.values[AT_NONCE_S].ptr + 2, SIM_NONCE);
    bool too_small = counter < talk->names.reauth.counter;
    if (response_write(talk, auth, &nested, too_small, w) != 0 ||
        msk_make(talk, auth, counter, nonce_s) != 0)
        return eap_failed(talk, "the crypto library refused");
    if (!too_small)
        return reauth_accept(talk, auth, &nested, counter);
    talk->names.reauth.counter = 0; /* a full authentication follows */
    return EAP_STEP_REPLY;
}

/* --- notifications --- */

/* protected_right - RFC 4187 section 9.10: AT_MAC, and after a fast re-authentication its AT_COUNTER. */
static bool protected_right(struct eap_talk *talk, const struct sim_auth *auth,
                            const struct eap_packet *request, const struct sim_attributes *a)
{
    uint8_t room[SIM_ENCRYPTED];
    struct sim_attributes nested;
    uint32_t counter;
    if (talk->msk_len == 0 || sim_mac_check(talk->crypto, &auth->k_aut, request, a) != 0)
        return false;
    return auth->reauth.counter == 0 ||
           (sim_encrypted_read(talk, auth, a, room, &nested) && counter_read(&nested, &counter) &&
            counter == auth->reauth.counter);
}

/* protected_write - RFC 4187 section 9.11: the response is protected as the request is. */
static int protected_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *w)
{
    uint8_t octets[SIM_ENCRYPTED];
    struct writer plain = writer_of(octets, sizeof(octets));
    int error = 0;
    if (auth->reauth.counter > 0) {
        counter_write(&plain, auth->reauth.counter);
        error = sim_encrypted_write(talk, auth, &plain, w);
    }
    return error != 0 ? error : sim_mac_write(talk->crypto, &auth->k_aut, w);
}

enum eap_step sim_notification_answer(struct eap_talk *talk, struct sim_auth *auth,
                                      const struct eap_packet *request,
                                      const struct sim_attributes *a, struct writer *w)
{
    struct span code = a->values[AT_NOTIFICATION];
    bool bare = code.len == 2 && (code.ptr[0] & NOTIFICATION_P) != 0;
    auth->k_aut.extra = (struct span){0};
    if (code.len != 2 || (code.ptr[0] & NOTIFICATION_S) != 0 || (bare && a->seen[AT_MAC]) ||
        (!bare && !protected_right(talk, auth, request, a)))
        return sim_client_error(talk, w, "the authenticator's Notification is wrong");
    sim_begin(w, SIM_NOTIFICATION);
    if (!bare && protected_write(talk, auth, w) != 0)
        return eap_failed(talk, "the crypto library refused");
    return eap_failed(talk, "the authenticator refuses the login (Notification %u)",
                      (unsigned)(code.ptr[0] << 8 | code.ptr[1]));
}
