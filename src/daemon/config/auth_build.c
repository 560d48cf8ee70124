/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/auth_build.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <strings.h>

#include "control/values.h"
#include "crypto/signature.h"
#include "daemon/common/eap_methods.h"
#include "daemon/config/conn_keys.h"
#include "daemon/config/pem.h"
#include "daemon/config/token_build.h"
#include "ike/terms/identity.h"
#include "wire/certificate.h"

#define LEN(a)       (sizeof(a) / sizeof((a)[0]))
#define ROUND(field) offsetof(struct round_work, field)
#define WORD_MAX     24

/* struct round_work - one round while it is built. */
struct round_work {
    struct ike_auth_policy *auth;
    struct cert_policy *certs;
    struct conn_credentials *credentials;
    uint32_t order;
    int revocation;        /* enum cert_revocation */
    struct ike_id subject; /* of the first certificate or key: stands in for a missing id */
};

void conn_credentials_done(struct conn_credentials *credentials)
{
    for (size_t i = 0; i < credentials->n_certs; i++)
        free(credentials->certs[i].octets);
    credentials->n_certs = 0;
}

/* --- auth = pubkey-..., with strengths and hashes --- */

struct hash_word {
    const char *name;
    enum signature_hash hash;
};
static const struct hash_word hash_words[] = {{"sha256", SIGNATURE_SHA2_256},
                                              {"sha384", SIGNATURE_SHA2_384},
                                              {"sha512", SIGNATURE_SHA2_512},
                                              {"identity", SIGNATURE_IDENTITY}};

static uint16_t hash_bit(const char *word)
{
    for (size_t i = 0; i < LEN(hash_words); i++)
        if (strcasecmp(word, hash_words[i].name) == 0)
            return (uint16_t)(1u << hash_words[i].hash);
    return 0;
}

/* struct constraints - the words behind "pubkey". bits: the target of the last kind. */
struct constraints {
    struct cert_strength strength;
    uint16_t hashes;
    uint8_t pss;
    uint16_t *bits;
};

static bool strength_word(struct constraints *c, const char *word)
{
    uint64_t bits;
    if (value_u64(word, &bits)) {
        if (c->bits == NULL || bits > 16384)
            return false;
        *c->bits = (uint16_t)bits;
        return true;
    }
    c->bits = NULL;
    if (strcasecmp(word, "rsa") == 0 || strcasecmp(word, "rsa/pss") == 0) {
        c->pss |= strcasecmp(word, "rsa/pss") == 0;
        c->bits = &c->strength.rsa_bits;
    } else if (strcasecmp(word, "ecdsa") == 0) {
        c->bits = &c->strength.ecdsa_bits;
    } else if (strcasecmp(word, "ed25519") == 0 || strcasecmp(word, "eddsa") == 0) {
        c->strength.ed25519 = 1;
        c->strength.ed448 |= strcasecmp(word, "eddsa") == 0;
    } else if (strcasecmp(word, "ed448") == 0) {
        c->strength.ed448 = 1;
    } else {
        return false;
    }
    if (c->bits != NULL && *c->bits == 0)
        *c->bits = 1; /* the kind alone: any accepted strength */
    return true;
}

static int constraint(const struct tree *node, struct constraints *c, const char *word,
                      struct build_error *error)
{
    if (strcasecmp(word, "pubkey") == 0)
        return 0;
    if (strcasecmp(word, "sha1") == 0 || strcasecmp(word, "md5") == 0)
        return build_fail(error, node, "%s is broken, and ikat does not use it", word);
    uint16_t hash = hash_bit(word);
    c->hashes |= hash;
    if (hash != 0 || strength_word(c, word))
        return 0;
    return build_fail(error, node, "'%.23s' is neither a kind of key, its bits, nor a hash", word);
}

/* "rsa-3072-sha256": for keys and certificates of the chain, and for IKE; "ike:...": for IKE. */
static int set_constraints(const struct tree *node, const char *text, struct cert_policy *certs,
                           struct build_error *error)
{
    struct constraints c = {.hashes = 0};
    bool ike_only = strncasecmp(text, "ike:", 4) == 0;
    text += ike_only ? 4 : 0;
    while (*text != '\0') {
        char word[WORD_MAX] = "";
        size_t len = strcspn(text, "-");
        if (len == 0 || len >= sizeof(word))
            return build_fail(error, node, "'%.60s' is not understood", text);
        memcpy(word, text, len);
        int err = constraint(node, &c, word, error);
        if (err != 0)
            return err;
        text += len + (text[len] == '-');
    }
    certs->ike_hashes = c.hashes;
    certs->pss = c.pss;
    if (!ike_only) {
        certs->strength = c.strength;
        certs->chain_hashes = c.hashes;
    }
    return 0;
}

#define KIND(kind) (1u << SIGNATURE_##kind)

/* signatures_set - tells the core which signatures the constraints allow, for RFC 9593. */
static void signatures_set(struct ike_auth_policy *auth, const struct cert_policy *certs)
{
    const struct cert_strength *s = &certs->strength;
    unsigned kinds = (s->rsa_bits != 0 ? KIND(RSA_PKCS1) | KIND(RSA_PSS) : 0) |
                     (s->ecdsa_bits != 0 ? KIND(ECDSA) : 0) |
                     (s->ed25519 != 0 ? KIND(ED25519) : 0) | (s->ed448 != 0 ? KIND(ED448) : 0);
    if (kinds == 0 && certs->pss != 0)
        kinds = KIND(RSA_PSS) | KIND(ECDSA) | KIND(ED25519) | KIND(ED448);
    if (certs->pss != 0)
        kinds &= ~KIND(RSA_PKCS1);
    auth->signature_kinds = (uint8_t)kinds;
    auth->hashes = certs->ike_hashes;
}

/* "eap-tls:ecdsa-256-sha256": what the other side's certificates in TLS must be. */
static int set_eap(const struct tree *node, const char *text, struct round_work *work,
                   struct build_error *error)
{
    char method[WORD_MAX] = "";
    size_t len = strcspn(text, ":");
    if (len < sizeof(method))
        memcpy(method, text, len);
    if (!eap_credentials_parse(method, &work->certs->eap))
        return build_fail(error, node, "'%.40s' is not supported by ikat; psk, pubkey and EAP are",
                          text);
    work->auth->method = IKE_AUTH_EAP;
    return text[len] == '\0' ? 0 : set_constraints(node, text + len + 1, work->certs, error);
}

static int set_auth(const struct tree *node, void *target, struct build_error *error)
{
    static const char *const keys[] = {"pubkey",  "ike:",  "rsa",  "ecdsa",
                                       "ed25519", "ed448", "eddsa"};
    struct round_work *work = target;
    const char *text = tree_value_text(node);
    if (strcasecmp(text, "psk") == 0) {
        work->auth->method = IKE_AUTH_PSK;
        return 0;
    }
    for (size_t i = 0; i < LEN(keys); i++)
        if (strncasecmp(text, keys[i], strlen(keys[i])) == 0) {
            work->auth->method = IKE_AUTH_PUBKEY;
            int err = set_constraints(node, text, work->certs, error);
            if (err == 0)
                signatures_set(work->auth, work->certs);
            return err;
        }
    if (strncasecmp(text, "eap", 3) == 0)
        return set_eap(node, text, work, error);
    if (strncasecmp(text, "xauth", 5) == 0)
        return build_fail(error, node, "XAuth is of IKEv1, which is not supported");
    return build_fail(error, node, "'%.40s' is not supported by ikat; psk, pubkey and EAP are",
                      text);
}

/* --- identities --- */

static int id_parse(const struct tree *node, const char *text, struct ike_id *ret_id,
                    struct build_error *error)
{
    return identity_parse(text, ret_id) == 0
               ? 0
               : build_fail(error, node, "'%.60s' is not an identity", text);
}

static int set_id(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const char *text = tree_value_text(node);
    if (strlen(text) >= POLICY_TEXT)
        return build_fail(error, node, "'%.60s' is not an identity", text);
    int err = id_parse(node, text, &work->auth->id, error);
    if (err == 0)
        strcpy(work->auth->id_pattern, text);
    return err;
}

static int set_ca_id(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const char *text = tree_value_text(node);
    return id_parse(node, text, &work->certs->ca_id, error);
}

static int set_eap_id(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const char *text = tree_value_text(node);
    size_t len = strlen(text);
    if (len == 0 || len > EAP_IDENTITY || len >= POLICY_TEXT)
        return build_fail(error, node, "'%.60s' is not an EAP identity", text);
    strcpy(work->auth->eap_id, text);
    return 0;
}

static int set_aaa_id(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const char *text = tree_value_text(node);
    return id_parse(node, text, work->auth->aaa_id, error);
}

/* --- certificates and keys --- */

static int cert_keep(const struct tree *node, struct conn_credentials *all, enum cert_role role,
                     struct span octets, struct build_error *error)
{
    struct conn_cert *cert = &all->certs[all->n_certs];
    if (all->n_certs == CONN_CERTS)
        return build_fail(error, node, "more than %d certificates and keys", CONN_CERTS);
    cert->octets = malloc(octets.len);
    if (cert->octets == NULL)
        return ERR_NO_MEMORY;
    memcpy(cert->octets, octets.ptr, octets.len);
    cert->len = octets.len;
    cert->role = role;
    all->n_certs++;
    return 0;
}

struct cert_target {
    struct round_work *work;
    enum cert_role role;
    uint8_t (*digests)[CERT_DIGEST];
    uint8_t *n;
    bool names_us; /* its subject stands in for a missing id */
};

static bool subject_take(struct round_work *work, struct span subject)
{
    const struct wire_id id = {.type = ID_DER_ASN1_DN, .data = subject};
    return work->subject.type != ID_ANY || identity_from_wire(&id, &work->subject);
}

/* key_id_take - takes the key ID of a public key: the SHA-1 of its SubjectPublicKeyInfo, as
 * strongSwan names a key without a certificate. */
static bool key_id_take(struct round_work *work, struct span der)
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1(der.ptr, der.len, digest);
    const struct wire_id id = {.type = ID_KEY_ID, .data = span_of(digest, sizeof(digest))};
    return work->subject.type != ID_ANY || identity_from_wire(&id, &work->subject);
}

static int cert_add(const struct tree *node, const struct tree *value,
                    const struct cert_target *target, struct build_error *error)
{
    uint8_t room[VERIFIER_CERT_MAX];
    struct wire_certificate outline = {.subject = {0}};
    struct span der = pem_read(span_of(value->value, value->len), room, sizeof(room));
    bool sound = cert_role_is_pubkey(target->role) ? wire_key_info_read(der, &outline.key)
                                                   : wire_certificate_read(der, &outline);
    if (der.len == 0 || !sound)
        return build_fail(error, node, "is no %s in PEM or DER",
                          cert_role_is_pubkey(target->role) ? "public key" : "X.509 certificate");
    if (*target->n == CERT_POLICY_CERTS)
        return build_fail(error, node, "more than %d", CERT_POLICY_CERTS);
    SHA256(der.ptr, der.len, target->digests[(*target->n)++]);
    bool named = !target->names_us ||
                 (cert_role_is_pubkey(target->role) ? key_id_take(target->work, der)
                                                    : subject_take(target->work, outline.subject));
    if (!named)
        return build_fail(error, node, "the subject of the certificate is too long");
    return cert_keep(node, target->work->credentials, target->role, der, error);
}

/* certs_add - the contents of one certificate, or a list of them. */
static int certs_add(const struct tree *node, const struct cert_target *target,
                     struct build_error *error)
{
    int first = 0;
    if (node->kind == TREE_VALUE)
        return node->len == 0 ? 0 : cert_add(node, node, target, error);
    for (const struct tree *item = node->first; item != NULL; item = item->next)
        if (!build_goes_on(error, cert_add(node, item, target, error), &first))
            break;
    return first;
}

static int set_certs(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const struct cert_target certs = {.work = work,
                                      .role = CERT_ROLE_CONN,
                                      .digests = work->certs->certs,
                                      .n = &work->certs->n_certs,
                                      .names_us = true};
    return certs_add(node, &certs, error);
}

static int set_cacerts(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const struct cert_target certs = {.work = work,
                                      .role = CERT_ROLE_CONN,
                                      .digests = work->certs->cas,
                                      .n = &work->certs->n_cas};
    return certs_add(node, &certs, error);
}

static int set_pubkeys(const struct tree *node, void *target, struct build_error *error)
{
    struct round_work *work = target;
    const struct cert_target keys = {.work = work,
                                     .role = CERT_ROLE_CONN_PUBKEY,
                                     .digests = work->certs->pubkeys,
                                     .n = &work->certs->n_pubkeys,
                                     .names_us = true};
    return certs_add(node, &keys, error);
}

static int add_policy(const struct tree *node, const char *text, void *target,
                      struct build_error *error)
{
    struct round_work *work = target;
    struct cert_policy *certs = work->certs;
    if (text[0] == '\0' || strspn(text, "0123456789.") != strlen(text) ||
        strlen(text) >= CERT_POLICY_OID)
        return build_fail(error, node, "'%.60s' is not an object identifier such as 1.3.6.1", text);
    if (certs->n_policies == CERT_POLICY_POLICIES)
        return build_fail(error, node, "more than %d policies", CERT_POLICY_POLICIES);
    strcpy(certs->policies[certs->n_policies++], text);
    return 0;
}

static int set_policies(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_policy);
}

static int add_group(const struct tree *node, const char *text, void *target,
                     struct build_error *error)
{
    struct round_work *work = target;
    struct cert_policy *certs = work->certs;
    if (text[0] == '\0' || strlen(text) >= LIMIT_NAME)
        return build_fail(error, node, "'%.60s' is not the name of a group", text);
    if (certs->n_groups == CERT_POLICY_GROUPS)
        return build_fail(error, node, "more than %d groups", CERT_POLICY_GROUPS);
    strcpy(certs->groups[certs->n_groups++], text);
    return 0;
}

static int set_groups(const struct tree *node, void *target, struct build_error *error)
{
    return key_for_items(node, target, error, add_group);
}

static const char *const revocation_words[] = {"relaxed", "ifuri", "strict", NULL};
static const struct key auth_keys[] = {
    {.name = "auth", .kind = KEY_FUNCTION, .function = set_auth},
    {.name = "id", .kind = KEY_FUNCTION, .function = set_id},
    {.name = "round", .kind = KEY_U32, .offset = ROUND(order)},
    {.name = "certs", .kind = KEY_FUNCTION, .function = set_certs},
    {.name = "pubkeys", .kind = KEY_FUNCTION, .function = set_pubkeys},
    {.name = "cacerts", .kind = KEY_FUNCTION, .function = set_cacerts},
    {.name = "ca_id", .kind = KEY_FUNCTION, .function = set_ca_id},
    {.name = "eap_id", .kind = KEY_FUNCTION, .function = set_eap_id},
    {.name = "aaa_id", .kind = KEY_FUNCTION, .function = set_aaa_id},
    {.name = "xauth_id", .kind = KEY_UNSUPPORTED, .why = "it is of IKEv1"},
    {.name = "groups", .kind = KEY_FUNCTION, .function = set_groups},
    {.name = "cert_policy", .kind = KEY_FUNCTION, .function = set_policies},
    {.name = "revocation",
     .kind = KEY_WORD,
     .offset = ROUND(revocation),
     .words = revocation_words},
};

static int handle_check(const struct tree *section, struct build_error *error)
{
    struct key_token token;
    if (section->file == NULL)
        return build_fail(
            error, section,
            "certificates on tokens are read for the files of ikatd only: name a file "
            "in 'certs'");
    return token_build(section, &token, error);
}

/* cert1 { file = ... }, cert1 { handle = ... }: the loader puts the contents into certs and cacerts.
 * From a client the engine takes neither: it opens no files, and asks no tokens. */
static int auth_subsection(const struct tree *section, void *target, struct build_error *error)
{
    (void)target;
    if (strncasecmp(section->name, "cert", 4) != 0 && strncasecmp(section->name, "cacert", 6) != 0)
        return ERR_NOT_FOUND;
    if (key_node(section, "handle") != section)
        return handle_check(section, error);
    return build_fail(error, section,
                      "ikatd reads files at start and on SIGHUP only: name it in 'certs', whose "
                      "contents swanctl sends");
}

/* pattern_take - takes the subject as the pattern for the peer's identity. A name that is too long
 * as text is compared only by `certs`. */
static void pattern_take(const struct ike_id *subject, struct ike_auth_policy *auth)
{
    char text[IDENTITY_TEXT_MAX];
    size_t at = (size_t)snprintf(text, sizeof(text), "@#");
    struct ike_id again;
    if (subject->type != ID_KEY_ID)
        identity_print(subject, text);
    for (uint16_t i = 0; subject->type == ID_KEY_ID && i < subject->len; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%02x", subject->data[i]);
    if (strlen(text) < POLICY_TEXT && identity_parse(text, &again) == 0 &&
        identity_equal(&again, subject))
        strcpy(auth->id_pattern, text);
}

/* eap_side_check - the local side is the EAP peer, and ikat authenticates the remote side. */
static int eap_side_check(const struct tree *section, const struct round_work *work,
                          struct build_error *error)
{
    bool local = strncasecmp(section->name, "local", 5) == 0;
    uint32_t eap = work->certs->eap;
    bool one = eap != EAP_CREDENTIALS_ANY && eap != EAP_CREDENTIALS_RADIUS;
    if (work->auth->method != IKE_AUTH_EAP)
        return 0;
    if (local && eap == EAP_CREDENTIALS_RADIUS)
        return build_fail(error, key_node(section, "auth"), "eap-radius is for the remote side");
    if (!local && one && !eap_type_plays((enum eap_type)eap, true))
        return build_fail(error, key_node(section, "auth"),
                          "%s is for the local side: a Gateway leaves it to a RADIUS server, by "
                          "eap-radius",
                          eap_credentials_print(eap));
    return 0;
}

int auth_build(const struct tree *section, struct auth_rounds *rounds,
               struct conn_credentials *credentials, struct build_error *error)
{
    static const struct key_table table = {auth_keys, LEN(auth_keys), auth_subsection, NULL};
    if (rounds->n == POLICY_ROUNDS)
        return build_fail(error, section, "more than %d rounds of authentication", POLICY_ROUNDS);
    struct round_work work = {.auth = &rounds->policies[rounds->n],
                              .certs = &rounds->certs[rounds->n],
                              .credentials = credentials};
    work.auth->method = IKE_AUTH_PUBKEY;
    int err = keys_apply(&table, section, &work, error);
    if (err != 0)
        return err;
    err = eap_side_check(section, &work, error);
    if (err != 0)
        return err;
    bool by_server = work.auth->method == IKE_AUTH_EAP && work.certs->eap == EAP_CREDENTIALS_RADIUS;
    if (work.certs->n_groups > 0 && !by_server)
        return build_fail(error, key_node(section, "groups"),
                          "only a RADIUS server names groups: auth = eap-radius of a remote side");
    work.auth->eap_says = work.auth->method == IKE_AUTH_EAP && eap_credentials_say(work.certs->eap);
    if (work.auth->method == IKE_AUTH_EAP && work.certs->eap != EAP_CREDENTIALS_ANY && !by_server)
        work.auth->eap_type = (uint8_t)work.certs->eap;
    work.certs->revocation = (uint8_t)work.revocation;
    if (work.auth->id.type == ID_ANY && work.auth->id_pattern[0] == '\0' &&
        work.subject.type != ID_ANY) {
        work.auth->id = work.subject;
        pattern_take(&work.subject, work.auth);
    }
    rounds->order[rounds->n++] = work.order;
    return 0;
}

/* keyless - a round whose EAP method has no key; *ret_eap: a round uses EAP. */
static const struct cert_policy *keyless(const struct auth_rounds *rounds, bool *ret_eap)
{
    const struct cert_policy *found = NULL;
    *ret_eap = false;
    for (uint8_t i = 0; i < rounds->n; i++) {
        uint32_t type = rounds->certs[i].eap;
        if (rounds->policies[i].method != IKE_AUTH_EAP)
            continue;
        *ret_eap = true;
        if (type != EAP_CREDENTIALS_ANY && type != EAP_CREDENTIALS_RADIUS &&
            !eap_type_derives_keys((enum eap_type)type))
            found = &rounds->certs[i];
    }
    return found;
}

static bool has_method(const struct auth_rounds *rounds, enum ike_auth_method method)
{
    bool found = false;
    for (uint8_t i = 0; i < rounds->n; i++)
        found |= rounds->policies[i].method == method;
    return found;
}

/* psk_where - the node of `auth = psk` on that side, for the position of a warning. */
static const struct tree *psk_where(const struct tree *section, const char *side)
{
    for (const struct tree *child = section->first; child != NULL; child = child->next)
        if (strncmp(child->name, side, strlen(side)) == 0 && child->kind == TREE_SECTION &&
            strcmp(tree_text_or(child, "auth", ""), "psk") == 0)
            return key_node(child, "auth");
    return section;
}

/* warn_of_shared_key - the End User uses EAP, and the Gateway has a pre-shared key and no other proof.
 * RFC 7296 section 2.16 demands a signature of the Gateway. Other implementations allow such a
 * connection, so ikat warns of it and loads it. */
static void warn_of_shared_key(const struct tree *section, const struct auth_rounds *gateway,
                               const char *side, struct build_error *error)
{
    if (has_method(gateway, IKE_AUTH_PSK) && !has_method(gateway, IKE_AUTH_PUBKEY))
        build_warn(error, psk_where(section, side),
                   "RFC 7296 section 2.16: with EAP the gateway proves itself by pubkey. Who knows "
                   "the pre-shared key can pose as the gateway and attack the EAP method");
}

int auth_rounds_check(const struct tree *section, const struct auth_rounds *local,
                      const struct auth_rounds *remote, struct build_error *error)
{
    bool of_local, of_remote;
    const struct cert_policy *one = keyless(local, &of_local);
    const struct cert_policy *other = keyless(remote, &of_remote);
    if (of_local && !of_remote)
        warn_of_shared_key(section, remote, "remote", error);
    if (of_remote && !of_local)
        warn_of_shared_key(section, local, "local", error);
    if (!of_local || !of_remote || (one == NULL && other == NULL))
        return 0;
    return build_fail(
        error, section,
        "%s has no key: it cannot prove both sides, and one of them needs psk or pubkey",
        eap_credentials_print(one != NULL ? one->eap : other->eap));
}

void auth_rounds_finish(struct auth_rounds *rounds, uint8_t *ret_n,
                        struct cert_policy ret_certs[POLICY_ROUNDS])
{
    struct ike_auth_policy sorted[POLICY_ROUNDS]; /* all of them: the copies share no list */
    bool taken[POLICY_ROUNDS] = {false};
    if (rounds->n == 0) {
        rounds->n = 1;
        rounds->policies[0].method = IKE_AUTH_PUBKEY;
    }
    for (uint8_t at = 0; at < rounds->n; at++) {
        uint8_t next = POLICY_ROUNDS;
        for (uint8_t i = 0; i < rounds->n; i++)
            if (!taken[i] && (next == POLICY_ROUNDS || rounds->order[i] < rounds->order[next]))
                next = i;
        taken[next] = true;
        sorted[at] = rounds->policies[next];
        ret_certs[at] = rounds->certs[next];
    }
    memcpy(rounds->policies, sorted, rounds->n * sizeof(sorted[0]));
    *ret_n = rounds->n;
}
