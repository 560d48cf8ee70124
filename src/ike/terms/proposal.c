/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/proposal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"
#include "base/reader.h"
#include "crypto/algorithm.h"
#include "wire/builder.h"

#define PAYLOAD_HEADER_LEN 4 /* generic payload header, RFC 7296 section 3.2 */

struct word {
    const char *text;
    uint8_t type;
    uint16_t id, key_bits;
};

/* The first word of an id is used for printing. */
static const struct word words[] = {
    {"aes128gcm16", WIRE_ENCR, ENCR_AES_GCM_16, 128},
    {"aes192gcm16", WIRE_ENCR, ENCR_AES_GCM_16, 192},
    {"aes256gcm16", WIRE_ENCR, ENCR_AES_GCM_16, 256},
    {"aes128gcm128", WIRE_ENCR, ENCR_AES_GCM_16, 128},
    {"aes192gcm128", WIRE_ENCR, ENCR_AES_GCM_16, 192},
    {"aes256gcm128", WIRE_ENCR, ENCR_AES_GCM_16, 256},
    {"aes128gcm", WIRE_ENCR, ENCR_AES_GCM_16, 128},
    {"aes192gcm", WIRE_ENCR, ENCR_AES_GCM_16, 192},
    {"aes256gcm", WIRE_ENCR, ENCR_AES_GCM_16, 256},
    {"chacha20poly1305", WIRE_ENCR, ENCR_CHACHA20_POLY1305, 0},
    {"chacha20poly1305compat", WIRE_ENCR, ENCR_CHACHA20_POLY1305, 0},
    {"aes128", WIRE_ENCR, ENCR_AES_CBC, 128},
    {"aes192", WIRE_ENCR, ENCR_AES_CBC, 192},
    {"aes256", WIRE_ENCR, ENCR_AES_CBC, 256},
    {"aes", WIRE_ENCR, ENCR_AES_CBC, 128},
    {"sha1", WIRE_INTEG, AUTH_HMAC_SHA1_96, 0},
    {"sha", WIRE_INTEG, AUTH_HMAC_SHA1_96, 0},
    {"sha256", WIRE_INTEG, AUTH_HMAC_SHA2_256_128, 0},
    {"sha384", WIRE_INTEG, AUTH_HMAC_SHA2_384_192, 0},
    {"sha512", WIRE_INTEG, AUTH_HMAC_SHA2_512_256, 0},
    {"sha2_256", WIRE_INTEG, AUTH_HMAC_SHA2_256_128, 0},
    {"sha2_384", WIRE_INTEG, AUTH_HMAC_SHA2_384_192, 0},
    {"sha2_512", WIRE_INTEG, AUTH_HMAC_SHA2_512_256, 0},
    {"prfsha1", WIRE_PRF, PRF_HMAC_SHA1, 0},
    {"prfsha256", WIRE_PRF, PRF_HMAC_SHA2_256, 0},
    {"prfsha384", WIRE_PRF, PRF_HMAC_SHA2_384, 0},
    {"prfsha512", WIRE_PRF, PRF_HMAC_SHA2_512, 0},
    {"x25519", WIRE_KE, 31, 0},
    {"x448", WIRE_KE, 32, 0},
    {"curve25519", WIRE_KE, 31, 0},
    {"curve448", WIRE_KE, 32, 0},
    {"ecp256", WIRE_KE, 19, 0},
    {"ecp384", WIRE_KE, 20, 0},
    {"ecp521", WIRE_KE, 21, 0},
    {"modp1536", WIRE_KE, 5, 0},
    {"modp2048", WIRE_KE, 14, 0},
    {"modp3072", WIRE_KE, 15, 0},
    {"modp4096", WIRE_KE, 16, 0},
    {"modpnone", WIRE_KE, 0, 0},
    {"esn", WIRE_SN, 1, 0},
    {"noesn", WIRE_SN, 0, 0},
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

static bool is_aead(uint16_t encr)
{
    return encr == ENCR_AES_GCM_16 || encr == ENCR_CHACHA20_POLY1305;
}

bool proposal_id_add(uint16_t *ids, uint8_t *n, uint16_t id)
{
    for (uint8_t i = 0; i < *n; i++)
        if (ids[i] == id)
            return true;
    if (*n == POLICY_CHOICES)
        return false;
    ids[(*n)++] = id;
    return true;
}

static bool add_word(struct ike_proposal *p, const struct word *word)
{
    switch (word->type) {
    case WIRE_ENCR:
        if (p->n_encr == POLICY_CHOICES)
            return false;
        p->encr[p->n_encr++] = (struct ike_encr_choice){word->id, word->key_bits};
        return true;
    case WIRE_PRF: return proposal_id_add(p->prf, &p->n_prf, word->id);
    case WIRE_INTEG: return proposal_id_add(p->integ, &p->n_integ, word->id);
    case WIRE_KE: return proposal_id_add(p->ke, &p->n_ke, word->id);
    default:
        if (p->n_sn == sizeof(p->sn))
            return false;
        p->sn[p->n_sn++] = (uint8_t)word->id;
        return true;
    }
}

static const struct word *find_word(const char *text, size_t len)
{
    for (size_t i = 0; i < N_WORDS; i++)
        if (strlen(words[i].text) == len && strncasecmp(words[i].text, text, len) == 0)
            return &words[i];
    return NULL;
}

static uint16_t prf_of(uint16_t integ)
{
    return integ == AUTH_HMAC_SHA1_96
               ? PRF_HMAC_SHA1
               : (uint16_t)(integ - AUTH_HMAC_SHA2_256_128 + PRF_HMAC_SHA2_256);
}

/* complete - fills in omitted transforms and checks contradictions. NULL: fine; otherwise the
 * fault. */
static const char *complete(struct ike_proposal *p)
{
    size_t n_aead = 0;
    for (uint8_t i = 0; i < p->n_encr; i++)
        n_aead += is_aead(p->encr[i].id);
    if (p->n_encr == 0)
        return "no encryption algorithm";
    if (n_aead != 0 && n_aead != p->n_encr)
        return "AEAD and other encryption algorithms in one proposal (RFC 7296 section 3.3)";
    if (p->protocol == WIRE_PROTO_IKE) {
        if (p->n_sn != 0)
            return "esn is for ESP only";
        if (p->n_prf == 0) /* "aes128-sha256-...": the hash serves for both */
            for (uint8_t i = 0; i < p->n_integ; i++)
                p->prf[p->n_prf++] = prf_of(p->integ[i]);
        if (p->n_prf == 0)
            return "no pseudo-random function, such as prfsha256";
        for (uint8_t i = 0; i < p->n_ke; i++)
            if (p->ke[i] == 0)
                return "modpnone is for ESP only";
        if (p->n_ke == 0)
            return "no key exchange method, such as x25519";
    } else {
        if (p->n_prf != 0)
            return "a pseudo-random function is for IKE only";
        if (p->n_sn == 0)
            p->sn[p->n_sn++] = 0;
    }
    if (n_aead != 0) {
        p->n_integ = 0;
        memset(p->integ, 0, sizeof(p->integ));
    } else if (p->n_integ == 0) {
        return "no integrity algorithm, such as sha256";
    }
    return NULL;
}

int proposal_parse(uint8_t protocol, const char *text, struct ike_proposal *ret_proposal,
                   char error[PROPOSAL_TEXT_MAX])
{
    struct ike_proposal p = {.protocol = protocol};
    const char *word = text;
    for (;;) {
        size_t len = strcspn(word, "-");
        const struct word *found = find_word(word, len);
        if (found == NULL) {
            (void)snprintf(error, PROPOSAL_TEXT_MAX, "unknown algorithm '%.*s' in '%.100s'",
                           len > 40 ? 40 : (int)len, word, text);
            return ERR_INVALID;
        }
        if (!add_word(&p, found)) {
            (void)snprintf(error, PROPOSAL_TEXT_MAX, "too many algorithms of one kind in '%.100s'",
                           text);
            return ERR_INVALID;
        }
        if (word[len] == '\0')
            break;
        word += len + 1;
    }
    const char *why = complete(&p);
    if (why != NULL) {
        (void)snprintf(error, PROPOSAL_TEXT_MAX, "'%.100s': %s", text, why);
        return ERR_INVALID;
    }
    *ret_proposal = p;
    return 0;
}

bool proposal_is_legacy(const struct ike_proposal *p)
{
    bool legacy = false;
    for (uint8_t i = 0; i < p->n_integ; i++)
        legacy |= p->integ[i] == AUTH_HMAC_SHA1_96;
    for (uint8_t i = 0; i < p->n_prf; i++)
        legacy |= p->prf[i] == PRF_HMAC_SHA1;
    for (uint8_t i = 0; i < p->n_ke; i++)
        legacy |= p->ke[i] == 5;
    return legacy;
}

void proposal_default(uint8_t protocol, struct ike_proposal_list *list)
{
    static const char *const ike[] = {
        "aes256gcm16-aes128gcm16-chacha20poly1305-prfsha256-prfsha384-prfsha512-"
        "x25519-ecp256-ecp384-x448-modp3072-modp2048-ecp521-modp4096",
        "aes256-aes128-sha256-sha384-sha512-prfsha256-prfsha384-prfsha512-"
        "x25519-ecp256-ecp384-x448-modp3072-modp2048-ecp521-modp4096",
    };
    static const char *const esp[] = {
        "aes256gcm16-aes128gcm16-chacha20poly1305-esn-noesn",
        "aes256-aes128-sha256-sha384-sha512-esn-noesn",
    };
    char error[PROPOSAL_TEXT_MAX];
    list->n = 2;
    for (size_t i = 0; i < 2; i++) {
        int err = proposal_parse(protocol, protocol == WIRE_PROTO_IKE ? ike[i] : esp[i],
                                 &list->proposals[i], error);
        ASSERT(err == 0);
    }
}

static size_t print_word(char *out, size_t size, size_t at, uint8_t type, uint16_t id,
                         uint16_t key_bits)
{
    for (size_t i = 0; i < N_WORDS && at < size; i++)
        if (words[i].type == type && words[i].id == id && words[i].key_bits == key_bits) {
            int n = snprintf(out + at, size - at, "%s%s", at == 0 ? "" : "-", words[i].text);
            return at + (size_t)n;
        }
    return at;
}

const char *proposal_print(const struct ike_proposal *p, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (uint8_t i = 0; i < p->n_encr; i++)
        at = print_word(out, size, at, WIRE_ENCR, p->encr[i].id, p->encr[i].key_bits);
    for (uint8_t i = 0; i < p->n_integ; i++)
        at = print_word(out, size, at, WIRE_INTEG, p->integ[i], 0);
    for (uint8_t i = 0; i < p->n_prf; i++)
        at = print_word(out, size, at, WIRE_PRF, p->prf[i], 0);
    for (uint8_t i = 0; i < p->n_ke; i++)
        at = print_word(out, size, at, WIRE_KE, p->ke[i], 0);
    for (uint8_t i = 0; i < p->n_sn; i++)
        at = print_word(out, size, at, WIRE_SN, p->sn[i], 0);
    return out;
}

static void print_offer(const struct wire_proposal *offer, char *out, size_t size)
{
    static const uint8_t order[] = {WIRE_ENCR, WIRE_INTEG, WIRE_PRF, WIRE_KE, WIRE_SN};
    size_t at = 0;
    out[0] = '\0';
    for (size_t type = 0; type < sizeof(order); type++)
        for (size_t i = 0; i < offer->n; i++)
            if (offer->transforms[i].type == order[type])
                at = print_word(out, size, at, order[type], offer->transforms[i].id,
                                offer->transforms[i].key_bits);
}

/* --- to the wire --- */

static void put(struct wire_proposal *w, uint8_t type, uint16_t id, uint16_t key_bits)
{
    ASSERT(w->n < LIMIT_TRANSFORMS);
    w->transforms[w->n++] = (struct wire_transform){type, id, key_bits, false};
}

void proposal_to_wire(const struct ike_proposal_list *list, struct span spi, bool with_ke,
                      struct wire_sa *ret_sa)
{
    ret_sa->n = list->n;
    for (size_t i = 0; i < list->n; i++) {
        const struct ike_proposal *p = &list->proposals[i];
        struct wire_proposal *w = &ret_sa->proposals[i];
        *w =
            (struct wire_proposal){.number = (uint8_t)(i + 1), .protocol = p->protocol, .spi = spi};
        for (uint8_t j = 0; j < p->n_encr; j++)
            put(w, WIRE_ENCR, p->encr[j].id, p->encr[j].key_bits);
        for (uint8_t j = 0; j < p->n_prf; j++)
            put(w, WIRE_PRF, p->prf[j], 0);
        for (uint8_t j = 0; j < p->n_integ; j++)
            put(w, WIRE_INTEG, p->integ[j], 0);
        for (uint8_t j = 0; with_ke && j < p->n_ke; j++)
            put(w, WIRE_KE, p->ke[j], 0);
        for (uint8_t j = 0; j < p->n_sn; j++)
            put(w, WIRE_SN, p->sn[j], 0);
    }
}

void proposal_choice_to_wire(const struct proposal_choice *choice, uint8_t protocol,
                             struct span spi, struct wire_sa *ret_sa)
{
    struct wire_proposal *w = &ret_sa->proposals[0];
    ret_sa->n = 1;
    *w = (struct wire_proposal){.number = choice->number, .protocol = protocol, .spi = spi};
    put(w, WIRE_ENCR, choice->encr, choice->encr_key_bits);
    if (protocol == WIRE_PROTO_IKE)
        put(w, WIRE_PRF, choice->prf, 0);
    if (choice->integ != 0)
        put(w, WIRE_INTEG, choice->integ, 0);
    if (choice->ke != 0)
        put(w, WIRE_KE, choice->ke, 0);
    if (protocol == WIRE_PROTO_ESP)
        put(w, WIRE_SN, choice->esn, 0);
}

/* --- selection --- */

static bool offers(const struct wire_proposal *w, uint8_t type, uint16_t id, uint16_t key_bits)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->transforms[i].type == type && w->transforms[i].id == id &&
            w->transforms[i].key_bits == key_bits && !w->transforms[i].odd)
            return true;
    return false;
}

static bool has_type(const struct wire_proposal *w, uint8_t type)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->transforms[i].type == type)
            return true;
    return false;
}

static bool pick(const struct wire_proposal *w, uint8_t type, const uint16_t *ids, uint8_t n,
                 uint16_t *ret_id)
{
    for (uint8_t i = 0; i < n; i++)
        if (offers(w, type, ids[i], 0)) {
            *ret_id = ids[i];
            return true;
        }
    return false;
}

static bool pick_ke(const struct ike_proposal *p, const struct wire_proposal *w,
                    struct proposal_wish wish, uint16_t *ret_ke)
{
    *ret_ke = 0;
    if (!wish.with_ke)
        /* section 1.2: in IKE_AUTH the peer's offer of key exchange methods does not count */
        return true;
    for (uint8_t i = 0; i < p->n_ke; i++)
        if (wish.ke_sent != 0 && p->ke[i] == wish.ke_sent && offers(w, WIRE_KE, p->ke[i], 0)) {
            *ret_ke = p->ke[i];
            return true;
        }
    if (pick(w, WIRE_KE, p->ke, p->n_ke, ret_ke))
        return true;
    /* no method on either side, or NONE where the other side leaves it open */
    bool we_can = p->n_ke == 0, peer_can = !has_type(w, WIRE_KE) || offers(w, WIRE_KE, 0, 0);
    for (uint8_t i = 0; i < p->n_ke; i++)
        we_can |= p->ke[i] == 0;
    return p->protocol == WIRE_PROTO_ESP && we_can && peer_can;
}

static bool pick_sn(const struct ike_proposal *p, const struct wire_proposal *w, bool *ret_esn)
{
    for (uint8_t i = 0; i < p->n_sn; i++)
        if (offers(w, WIRE_SN, p->sn[i], 0) || (p->sn[i] == 0 && !has_type(w, WIRE_SN))) {
            *ret_esn = p->sn[i] != 0;
            return true;
        }
    return false;
}

/* proposal_match - one of ours against one of the peer's. A transform type that we do not know
 * makes the proposal unacceptable (section 3.3.6). */
static bool proposal_match(const struct ike_proposal *p, const struct wire_proposal *w,
                           struct proposal_wish wish, struct proposal_choice *choice)
{
    bool found = false;
    *choice = (struct proposal_choice){.number = w->number, .spi = w->spi};
    if (w->protocol != p->protocol)
        return false;
    for (size_t i = 0; i < w->n; i++)
        if (w->transforms[i].type == 0 || w->transforms[i].type > WIRE_SN)
            return false;
    for (uint8_t i = 0; !found && i < p->n_encr; i++) {
        found = offers(w, WIRE_ENCR, p->encr[i].id, p->encr[i].key_bits);
        choice->encr = p->encr[i].id;
        choice->encr_key_bits = p->encr[i].key_bits;
    }
    if (!found)
        return false;
    if (is_aead(choice->encr)) {
        if (has_type(w, WIRE_INTEG) && !offers(w, WIRE_INTEG, AUTH_NONE, 0))
            return false;
    } else if (!pick(w, WIRE_INTEG, p->integ, p->n_integ, &choice->integ)) {
        return false;
    }
    if (p->protocol == WIRE_PROTO_IKE && !pick(w, WIRE_PRF, p->prf, p->n_prf, &choice->prf))
        return false;
    if (p->protocol == WIRE_PROTO_ESP && !pick_sn(p, w, &choice->esn))
        return false;
    return pick_ke(p, w, wish, &choice->ke);
}

bool proposal_select(const struct ike_proposal_list *ours, const struct wire_sa *peers,
                     uint8_t protocol, struct proposal_wish wish,
                     struct proposal_choice *ret_choice)
{
    struct proposal_choice choice;
    for (size_t i = 0; i < ours->n; i++)
        for (size_t j = 0; j < peers->n; j++)
            if (ours->proposals[i].protocol == protocol &&
                proposal_match(&ours->proposals[i], &peers->proposals[j], wish, &choice)) {
                *ret_choice = choice;
                return true;
            }
    return false;
}

bool proposal_overlaps(const struct ike_proposal *any, const struct wire_proposal *w)
{
    uint16_t id;
    bool encr = false;
    for (uint8_t i = 0; i < any->n_encr && !encr; i++)
        encr = offers(w, WIRE_ENCR, any->encr[i].id, any->encr[i].key_bits);
    return encr && pick(w, WIRE_PRF, any->prf, any->n_prf, &id) &&
           pick(w, WIRE_KE, any->ke, any->n_ke, &id);
}

bool proposal_accept(const struct ike_proposal_list *ours, const struct wire_sa *answer,
                     uint8_t protocol, bool with_ke, struct proposal_choice *ret_choice)
{
    if (answer->n != 1)
        return false;
    const struct wire_proposal *w = &answer->proposals[0];
    for (size_t i = 0; i < w->n; i++)
        for (size_t j = 0; j < i; j++)
            if (w->transforms[i].type == w->transforms[j].type)
                return false;
    if (w->number == 0 || w->number > ours->n)
        return false;
    struct proposal_wish wish = {.with_ke = with_ke};
    const struct ike_proposal_list one = {.n = 1, .proposals = &ours->proposals[w->number - 1]};
    return proposal_select(&one, answer, protocol, wish, ret_choice);
}

uint16_t proposal_other_ke(const struct ike_proposal_list *ours, struct span data, uint16_t refused)
{
    struct reader r = reader_of(data);
    uint16_t group = read_u16(&r);
    if (!reader_done(&r) || group == refused)
        return 0;
    for (size_t i = 0; i < ours->n; i++)
        for (uint8_t j = 0; j < ours->proposals[i].n_ke; j++)
            if (ours->proposals[i].ke[j] == group)
                return group;
    return 0;
}

struct span proposal_refusal(const struct ike_proposal_list *ours, struct buffer out)
{
    struct wire_builder b = wire_builder_of(out.ptr, out.len);
    struct wire_sa sa;
    proposal_to_wire(ours, (struct span){0}, true, &sa);
    wire_add_sa(&b, &sa);
    if (writer_failed(&b.w))
        return (struct span){0};
    return span_of(out.ptr + PAYLOAD_HEADER_LEN, b.w.len - PAYLOAD_HEADER_LEN);
}

bool proposal_refusal_print(struct span data, char *out, size_t size)
{
    struct wire_sa sa;
    size_t at = 0;
    if (!wire_sa_read(data, &sa) || sa.n == 0)
        return false;
    for (size_t i = 0; i < sa.n && at < size; i++) {
        char one[PROPOSAL_TEXT_MAX];
        print_offer(&sa.proposals[i], one, sizeof(one));
        at += (size_t)snprintf(out + at, size - at, "%s%s", i == 0 ? "" : ", ", one);
    }
    return true;
}

static bool has_number(const uint16_t *list, uint8_t n, uint16_t number)
{
    for (uint8_t i = 0; i < n; i++)
        if (list[i] == number)
            return true;
    return false;
}

static bool has_encr(const struct ike_proposal *p, const struct proposal_choice *choice)
{
    for (uint8_t i = 0; i < p->n_encr; i++)
        if (p->encr[i].id == choice->encr && p->encr[i].key_bits == choice->encr_key_bits)
            return true;
    return false;
}

bool proposal_has(const struct ike_proposal_list *ours, const struct proposal_choice *choice)
{
    for (size_t i = 0; i < ours->n; i++) {
        const struct ike_proposal *p = &ours->proposals[i];
        bool integ =
            p->n_integ == 0 ? choice->integ == 0 : has_number(p->integ, p->n_integ, choice->integ);
        if (has_encr(p, choice) && integ && has_number(p->prf, p->n_prf, choice->prf) &&
            has_number(p->ke, p->n_ke, choice->ke))
            return true;
    }
    return false;
}
