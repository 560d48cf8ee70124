/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/ttls_plain.h"

#include <openssl/err.h>

#include "base/secret.h"
#include "eap/mschap.h"
#include "eap/ttls_avp.h"

#define PAP_BLOCK     16 /* RFC 5281 section 11.2.5: padding hides the length of the password */
#define CHAP_LEN      16
#define CHALLENGE_LEN 17 /* 16 octets, and the identifier */
#define MS_RESPONSE   50 /* RFC 2548 section 2.3.2 */
#define TEXT_MOST     100

/* challenge_make - RFC 5281 section 11.1, RFC 9427 section 2.4: both ends compute the challenge
 * from the TLS key, so that a recorded response is useless in another tunnel. */
static bool challenge_make(const struct inner *inner, uint8_t out[CHALLENGE_LEN])
{
    static const char label[] = "ttls challenge";
    ERR_clear_error();
    return SSL_export_keying_material(inner->tunnel.ssl, out, CHALLENGE_LEN, label,
                                      sizeof(label) - 1, NULL, 0, 0) == 1;
}

static void write_own(struct writer *out, enum avp_code code, struct span data)
{
    const struct avp avp = {.code = (uint32_t)code, .data = data};
    avp_write(out, &avp);
}

static void write_microsoft(struct writer *out, enum avp_microsoft code, struct span data)
{
    const struct avp avp = {.code = (uint32_t)code, .vendor = AVP_MICROSOFT, .data = data};
    avp_write(out, &avp);
}

static int secret_find(struct eap_talk *talk, struct eap_secret *ret)
{
    int error = talk->secrets->find(talk->secrets->context, talk->identity, ret);
    return error != 0 ? error : ret->len == 0 ? ERR_NOT_FOUND : 0;
}

static enum eap_step no_password(struct eap_talk *talk)
{
    return eap_failed(talk, "no password for the EAP identity");
}

/* --- the server's answer --- */

/* answer_find - finds the AVP of that code. false: it is missing, the AVPs are malformed, or
 * another AVP is mandatory. */
static bool answer_find(struct span data, uint32_t code, uint32_t vendor, struct span *ret)
{
    struct reader r = reader_of(data);
    struct avp avp;
    bool found = false, other = false;
    while (avp_read(&r, &avp)) {
        bool wanted = avp.code == code && avp.vendor == vendor;
        if (wanted && !found)
            *ret = avp.data;
        found |= wanted;
        other |= !wanted && avp.mandatory && avp.vendor == 0 && avp.code != AVP_REPLY_MESSAGE;
    }
    return found && !other && !reader_failed(&r);
}

static enum eap_step refused(struct eap_talk *talk, struct span text)
{
    int len = text.len < TEXT_MOST ? (int)text.len : TEXT_MOST;
    return eap_failed(talk, "the EAP server refuses the password: %.*s", len,
                      text.len == 0 ? "" : (const char *)text.ptr);
}

/* asked_again - RFC 5281 section 11.2.5: a challenge asks for another password. The login fails,
 * because no person is there to type it. */
static enum eap_step asked_again(struct eap_talk *talk, struct span data)
{
    struct span text = {0};
    if (answer_find(data, AVP_REPLY_MESSAGE, 0, &text))
        return refused(talk, text);
    return eap_failed(talk, "the AVPs in the tunnel are malformed or of an unknown kind");
}

/* --- PAP --- */

static enum eap_step pap_peer(struct eap_talk *talk, struct inner *inner, struct span data,
                              struct writer *out)
{
    struct eap_secret secret;
    uint8_t padded[EAP_PASSWORD + PAP_BLOCK] = {0};
    (void)inner;
    if (data.len > 0)
        return asked_again(talk, data);
    bool known = secret_find(talk, &secret) == 0 && secret.kind == EAP_SECRET_PASSWORD;
    size_t len = known ? (secret.len + PAP_BLOCK - 1) / PAP_BLOCK * PAP_BLOCK : 0;
    if (known) {
        memcpy(padded, secret.octets, secret.len);
        write_own(out, AVP_USER_NAME, talk->identity);
        write_own(out, AVP_USER_PASSWORD, span_of(padded, len));
    }
    wipe(&secret, sizeof(secret));
    wipe(padded, sizeof(padded));
    return known ? EAP_STEP_READY : no_password(talk);
}

/* --- CHAP --- */

/* chap_peer - RFC 1994 section 4.1: the response is MD5(Identifier, secret, challenge). */
static enum eap_step chap_peer(struct eap_talk *talk, struct inner *inner, struct span data,
                               struct writer *out)
{
    struct eap_secret secret;
    uint8_t challenge[CHALLENGE_LEN], password[1 + CHAP_LEN];
    if (data.len > 0)
        return asked_again(talk, data);
    if (!challenge_make(inner, challenge))
        return eap_failed(talk, "TLS yields no challenge");
    bool known = secret_find(talk, &secret) == 0 && secret.kind == EAP_SECRET_PASSWORD;
    password[0] = challenge[CHAP_LEN];
    const struct span parts[] = {span_of(password, 1),
                                 span_of(secret.octets, known ? secret.len : 0),
                                 span_of(challenge, CHAP_LEN)};
    known = known && eap_digest(talk->crypto, talk->crypto->md5, parts, 3, password + 1) == 0;
    wipe(&secret, sizeof(secret));
    if (!known)
        return no_password(talk);
    write_own(out, AVP_USER_NAME, talk->identity);
    write_own(out, AVP_CHAP_CHALLENGE, span_of(challenge, CHAP_LEN));
    write_own(out, AVP_CHAP_PASSWORD, span_of(password, sizeof(password)));
    return EAP_STEP_READY;
}

/* --- MS-CHAP-V2 --- */

static enum eap_step mschapv2_begin(struct eap_talk *talk, struct inner *inner, struct writer *out)
{
    struct mschap_exchange *e = &inner->mschap;
    struct eap_secret secret;
    uint8_t challenge[CHALLENGE_LEN], response[MS_RESPONSE] = {0};
    if (!challenge_make(inner, challenge))
        return eap_failed(talk, "TLS yields no challenge");
    memcpy(e->authenticator_challenge, challenge, MSCHAP_CHALLENGE);
    random_fill(talk->random, e->peer_challenge, MSCHAP_CHALLENGE);
    int error = secret_find(talk, &secret);
    if (error == 0)
        error = mschap_secret_hash(talk->crypto, &secret, inner->hash);
    wipe(&secret, sizeof(secret));
    if (error != 0 ||
        mschap_nt_response(talk->crypto, e, talk->identity, inner->hash, e->nt_response) != 0)
        return no_password(talk);
    inner->ident = challenge[MSCHAP_CHALLENGE];
    response[0] = inner->ident;
    memcpy(response + 2, e->peer_challenge, MSCHAP_CHALLENGE);
    memcpy(response + 26, e->nt_response, MSCHAP_NT_RESPONSE);
    write_own(out, AVP_USER_NAME, talk->identity);
    write_microsoft(out, AVP_MS_CHAP_CHALLENGE, span_of(challenge, MSCHAP_CHALLENGE));
    write_microsoft(out, AVP_MS_CHAP2_RESPONSE, span_of(response, sizeof(response)));
    return EAP_STEP_REPLY;
}

/* mschapv2_peer - RFC 5281 section 11.2.4: the server proves that it knows the password. We
 * acknowledge the proof with an empty packet. */
static enum eap_step mschapv2_peer(struct eap_talk *talk, struct inner *inner, struct span data,
                                   struct writer *out)
{
    struct span value = {0};
    uint8_t wanted[MSCHAP_AUTH];
    if (data.len == 0)
        return mschapv2_begin(talk, inner, out);
    if (answer_find(data, AVP_MS_CHAP_ERROR, AVP_MICROSOFT, &value))
        return refused(talk, value.len == 0 ? value : span_of(value.ptr + 1, value.len - 1));
    if (!answer_find(data, AVP_MS_CHAP2_SUCCESS, AVP_MICROSOFT, &value))
        return eap_failed(talk, "the AVPs in the tunnel are malformed or of an unknown kind");
    if (mschap_authenticator_response(talk->crypto, &inner->mschap, talk->identity, inner->hash,
                                      wanted) != 0)
        return eap_failed(talk, "the crypto library refused");
    if (value.len < 1 + MSCHAP_AUTH || value.ptr[0] != inner->ident ||
        !ct_equal(value.ptr + 1, wanted, MSCHAP_AUTH))
        return eap_failed(talk, "the EAP server does not know the password");
    return EAP_STEP_DONE;
}

#define CODEC(NAME)                                                                                \
    {                                                                                              \
        .type = EAP_TYPE_TTLS, .label = "ttls keying material", .peer_begins = true, .peer = NAME, \
    }

const struct inner_codec ttls_pap_codec = CODEC(pap_peer);
const struct inner_codec ttls_chap_codec = CODEC(chap_peer);
const struct inner_codec ttls_mschapv2_codec = CODEC(mschapv2_peer);
