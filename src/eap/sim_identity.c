/* SPDX-License-Identifier: Apache-2.0 */
/* Identities of EAP-SIM, EAP-AKA and EAP-AKA' (RFC 4186 section 4.2, RFC 4187 section 4.1). */
#include "base/secret.h"
#include "eap/sim_auth.h"

#define PSEUDONYM_TRIES 3 /* after so many failed logins the peer sends its permanent identity */

struct span eap_realm(struct span identity)
{
    for (size_t i = identity.len; i-- > 0;)
        if (identity.ptr[i] == '@')
            return span_of(identity.ptr + i, identity.len - i);
    return (struct span){0};
}

static bool secret_fits(const struct sim_auth *auth, const struct eap_secret *secret)
{
    bool triplets = auth->type == EAP_TYPE_SIM && secret->len >= SIM_RANDS * SIM_TRIPLET &&
                    secret->len % SIM_TRIPLET == 0;
    return secret->kind == EAP_SECRET_PASSWORD &&
           (triplets || secret->len == sizeof(struct milenage));
}

int sim_secret_find(struct eap_talk *talk, struct sim_auth *auth, struct eap_secret *ret)
{
    int error = talk->secrets->find(talk->secrets->context, talk->identity, ret);
    if (error == 0 && !secret_fits(auth, ret))
        error = ERR_INVALID;
    if (error == 0) {
        const struct span octets = span_of(ret->octets, ret->len);
        error = eap_digest(talk->crypto, talk->crypto->sha256, &octets, 1, auth->usim);
    }
    return error;
}

int sim_usim_find(struct eap_talk *talk, struct sim_auth *auth, struct milenage *ret)
{
    struct eap_secret secret;
    _Static_assert(sizeof(*ret) == 2 * MILENAGE_KEY, "K and OPc, in this order");
    int error = sim_secret_find(talk, auth, &secret);
    if (error == 0 && secret.len != sizeof(*ret))
        error = ERR_INVALID;
    if (error == 0)
        memcpy(ret, secret.octets, sizeof(*ret));
    wipe(&secret, sizeof(secret));
    return error;
}

/* secret_known - auth->usim is the digest of the secret of talk->identity. */
static bool secret_known(struct eap_talk *talk, struct sim_auth *auth)
{
    struct eap_secret secret;
    bool known = sim_secret_find(talk, auth, &secret) == 0;
    wipe(&secret, sizeof(secret));
    return known;
}

/* --- the peer --- */

static bool names_sound(const struct eap_names *n)
{
    return n->pseudonym_len <= EAP_IDENTITY && n->reauth_id_len <= EAP_IDENTITY;
}

/* names_load - loads the names that this USIM got by one of the methods. */
static void names_load(struct eap_talk *talk, const enum eap_type *methods, size_t n)
{
    struct sim_auth auth = {0};
    struct eap_names names;
    bool wanted = false;
    if (talk->store == NULL || talk->names.type != 0 ||
        !talk->store->get(talk->store->context, talk->identity, &names))
        return;
    for (size_t i = 0; i < n; i++)
        wanted |= (uint32_t)methods[i] == names.type;
    auth.type = (enum eap_type)names.type;
    if (wanted && names_sound(&names) && secret_known(talk, &auth) &&
        ct_equal(names.usim, auth.usim, sizeof(auth.usim)))
        talk->names = names;
    if (talk->names.tries >= PSEUDONYM_TRIES)
        talk->names.pseudonym_len = 0;
    wipe(&names, sizeof(names));
}

/* name_used - RFC 4187 section 4.1.1.7: a re-authentication identity is used once, "even if the
 * authentication exchange was not completed". */
static struct span name_used(struct eap_talk *talk, bool reauth)
{
    struct eap_names kept = talk->names;
    kept.reauth_id_len = reauth ? 0 : kept.reauth_id_len;
    kept.tries += reauth ? 0 : 1;
    talk->store->put(talk->store->context, talk->identity, &kept);
    wipe(&kept, sizeof(kept));
    return reauth ? span_of(talk->names.reauth_id, talk->names.reauth_id_len)
                  : span_of(talk->names.pseudonym, talk->names.pseudonym_len);
}

struct span sim_identity_first(struct eap_talk *talk, const enum eap_type *methods, size_t n)
{
    names_load(talk, methods, n);
    bool reauth = talk->names.reauth_id_len > 0;
    bool name = reauth || talk->names.pseudonym_len > 0;
    (void)eap_talk_claim(talk, name ? name_used(talk, reauth) : talk->identity);
    return talk->claimed;
}

bool sim_identity_asks(struct sim_auth *auth, const struct sim_attributes *a)
{
    int asked = a->seen[AT_ANY_ID_REQ] + a->seen[AT_FULLAUTH_ID_REQ] + a->seen[AT_PERMANENT_ID_REQ];
    enum sim_rank rank = a->seen[AT_ANY_ID_REQ]        ? SIM_ASKED_ANY
                         : a->seen[AT_FULLAUTH_ID_REQ] ? SIM_ASKED_FULL
                                                       : SIM_ASKED_PERMANENT;
    bool right = asked == 1 && rank > auth->rank && ++auth->identities <= SIM_IDENTITIES;
    if (right)
        auth->rank = rank;
    return right;
}

bool sim_identity_write(struct eap_talk *talk, struct sim_auth *auth, struct writer *w)
{
    const enum eap_type type = auth->type;
    if (auth->rank != SIM_ASKED_PERMANENT)
        names_load(talk, &type, 1);
    bool ours = talk->names.type == (uint32_t)type;
    bool reauth = ours && auth->rank == SIM_ASKED_ANY && talk->names.reauth_id_len > 0;
    bool name =
        reauth || (ours && auth->rank != SIM_ASKED_PERMANENT && talk->names.pseudonym_len > 0);
    (void)eap_talk_claim(talk, name ? name_used(talk, reauth) : talk->identity);
    const uint8_t len[] = {(uint8_t)(talk->claimed.len >> 8), (uint8_t)talk->claimed.len};
    const struct span parts[] = {span_of(len, sizeof(len)), talk->claimed};
    sim_attribute_write(w, AT_IDENTITY, parts, 2);
    return reauth;
}

/* --- the authenticator --- */

/* next_asked - the identity to ask for next, after a claim of this kind (RFC 4187 sections 4.2.3 to
 * 4.2.5). A claim from IKE is final, because IKE chose the connection by it. */
static enum sim_found next_asked(const struct eap_talk *talk, struct sim_auth *auth,
                                 enum eap_name_kind kind)
{
    enum sim_rank next = kind == EAP_NAME_OTHER        ? SIM_ASKED_ANY
                         : kind == EAP_NAME_OLD_REAUTH ? SIM_ASKED_FULL
                                                       : SIM_ASKED_PERMANENT;
    if (next <= auth->rank)
        next = auth->rank + 1;
    if (talk->settled || next > SIM_ASKED_PERMANENT)
        return SIM_FOUND_NOBODY;
    auth->rank = next;
    return SIM_FOUND_ASK;
}

enum sim_found sim_identity_find(struct eap_talk *talk, struct sim_auth *auth)
{
    struct eap_named named = {0};
    enum eap_name_kind kind = EAP_NAME_OTHER;
    if (talk->store != NULL && !talk->settled)
        kind = talk->store->find(talk->store->context, auth->type, talk->claimed, &named);
    bool is_name = kind == EAP_NAME_PSEUDONYM || kind == EAP_NAME_REAUTH;
    bool old = kind == EAP_NAME_OLD_PSEUDONYM || kind == EAP_NAME_OLD_REAUTH;
    enum sim_found found = SIM_FOUND_NOBODY;
    bool taken = eap_talk_identify(talk, is_name ? span_of(named.identity, named.identity_len)
                                                 : talk->claimed);
    if (!taken || old || !secret_known(talk, auth))
        found = next_asked(talk, auth, kind);
    else if (kind == EAP_NAME_REAUTH && ct_equal(named.reauth.usim, auth->usim, EAP_USIM_DIGEST))
        found = SIM_FOUND_REAUTH;
    else
        found = SIM_FOUND_FULL;
    if (found == SIM_FOUND_REAUTH)
        auth->reauth = named.reauth;
    wipe(&named, sizeof(named));
    return found;
}

void sim_identity_ask(const struct sim_auth *auth, struct writer *w)
{
    static const uint8_t reserved[2];
    const struct span value = span_of(reserved, sizeof(reserved));
    sim_attribute_write(w,
                        auth->rank == SIM_ASKED_ANY    ? AT_ANY_ID_REQ
                        : auth->rank == SIM_ASKED_FULL ? AT_FULLAUTH_ID_REQ
                                                       : AT_PERMANENT_ID_REQ,
                        &value, 1);
}

bool sim_identity_read(struct eap_talk *talk, struct span value)
{
    struct reader r = reader_of(value);
    struct span identity = read_bytes(&r, read_u16(&r));
    return !reader_failed(&r) && identity.len > 0 && eap_talk_claim(talk, identity);
}

/* --- AT_CHECKCODE --- */

bool sim_round_add(struct sim_auth *auth, struct span packet)
{
    if (packet.len > sizeof(auth->rounds) - auth->rounds_len)
        return false;
    memcpy(auth->rounds + auth->rounds_len, packet.ptr, packet.len);
    auth->rounds_len += packet.len;
    return true;
}

/* checkcode - the hash of all rounds (RFC 4187 section 10.13, RFC 9048 section 3.5). Returns its
 * length; 0: no round; SIZE_MAX: an error. */
static size_t checkcode(struct eap_talk *talk, const struct sim_auth *auth, uint8_t out[32])
{
    bool prime = auth->type == EAP_TYPE_AKA_PRIME;
    const struct span rounds = span_of(auth->rounds, auth->rounds_len);
    const EVP_MD *md = prime ? talk->crypto->sha256 : talk->crypto->sha1;
    if (rounds.len == 0)
        return 0;
    memset(out, 0, 32);
    return eap_digest(talk->crypto, md, &rounds, 1, out) != 0 ? SIZE_MAX : prime ? 32 : 20;
}

void sim_checkcode_write(struct eap_talk *talk, const struct sim_auth *auth, struct writer *w)
{
    static const uint8_t reserved[2];
    uint8_t code[32];
    size_t len = checkcode(talk, auth, code);
    const struct span parts[] = {span_of(reserved, 2), span_of(code, len == SIZE_MAX ? 0 : len)};
    sim_attribute_write(w, AT_CHECKCODE, parts, 2);
}

bool sim_checkcode_right(struct eap_talk *talk, const struct sim_auth *auth,
                         const struct sim_attributes *a)
{
    uint8_t code[32];
    struct span value = a->values[AT_CHECKCODE];
    size_t len = checkcode(talk, auth, code);
    return !a->seen[AT_CHECKCODE] || (len != SIZE_MAX && value.len == 2 + len &&
                                      (len == 0 || ct_equal(value.ptr + 2, code, len)));
}
