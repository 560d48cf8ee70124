/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/cert_check.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "crypto/signature.h"
#include "daemon/verifier/cert_identity.h"

#define SECURITY_LEVEL 2 /* 112 bits: RSA with 2,048 bits, no signature with SHA-1 */
#define BIT(hash)      ((uint16_t)(1u << (hash)))

static int refuse(struct cert_check *check, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static int refuse(struct cert_check *check, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(check->reason, sizeof(check->reason), format, arguments);
    va_end(arguments);
    return ERR_AUTH;
}

static const char *owner(const struct cert_check *check)
{
    return check->radius       ? "the RADIUS server's"
           : check->of_gateway ? "the gateway's"
                               : "the peer's";
}

/* section - the kind of the configuration section with these demands. */
static const char *section(const struct cert_check *check)
{
    return check->radius ? "RADIUS server" : "connection";
}

/* --- keys --- */

static bool strength_fits(const struct cert_policy *policy, const EVP_PKEY *key,
                          enum signature_key kind)
{
    const struct cert_strength *s = &policy->strength;
    bool any = s->rsa_bits == 0 && s->ecdsa_bits == 0 && s->ed25519 == 0 && s->ed448 == 0;
    int bits = EVP_PKEY_get_bits(key);
    switch (kind) {
    case SIGNATURE_KEY_NONE: return false;
    case SIGNATURE_KEY_RSA: return any || (s->rsa_bits != 0 && bits >= s->rsa_bits);
    case SIGNATURE_KEY_P256:
    case SIGNATURE_KEY_P384:
    case SIGNATURE_KEY_P521: return any || (s->ecdsa_bits != 0 && bits >= s->ecdsa_bits);
    case SIGNATURE_KEY_ED25519: return any || s->ed25519 != 0;
    case SIGNATURE_KEY_ED448: return any || s->ed448 != 0;
    }
    return false;
}

bool cert_check_key(const struct cert_policy *policy, const EVP_PKEY *key)
{
    return strength_fits(policy, key, signature_key_kind(key));
}

/* --- errors of libcrypto in words --- */

static const char *time_text(const ASN1_TIME *at, char out[32])
{
    struct tm tm;
    if (at == NULL || ASN1_TIME_to_tm(at, &tm) != 1)
        return strcpy(out, "an unknown date");
    (void)strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm);
    return out;
}

static const char *clock_text(char out[32])
{
    time_t now = time(NULL);
    struct tm tm;
    if (gmtime_r(&now, &tm) == NULL)
        return strcpy(out, "?");
    (void)strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm);
    return out;
}

static int refuse_time(struct cert_check *check, X509 *x509, bool expired)
{
    char subject[IDENTITY_TEXT_MAX], when[32], now[32];
    if (expired)
        return refuse(check, "%s certificate %.150s expired on %s; the clock of this host says %s",
                      x509 == check->leaf ? owner(check) : "the CA",
                      cert_identity_print(x509, subject), time_text(X509_get0_notAfter(x509), when),
                      clock_text(now));
    return refuse(check,
                  "%s certificate %.150s is not valid before %s; the clock of "
                  "this host says %s",
                  x509 == check->leaf ? owner(check) : "the CA", cert_identity_print(x509, subject),
                  time_text(X509_get0_notBefore(x509), when), clock_text(now));
}

/* refuse_issuer - the path ends at a certificate whose CA we do not have, or at
 * a CA that signed itself and is not trusted. */
static int refuse_issuer(struct cert_check *check, X509 *x509)
{
    char leaf[IDENTITY_TEXT_MAX], ca[IDENTITY_TEXT_MAX];
    const X509_NAME *of_ca = X509_get_issuer_name(x509);
    bool direct = X509_NAME_cmp(X509_get_issuer_name(check->leaf), of_ca) == 0;
    const char *named = check->radius ? "cacerts of RADIUS server " : "cacerts of connection ";
    const char *where = check->policy->n_cas > 0 ? named : "x509ca";
    cert_identity_print(check->leaf, leaf);
    cert_identity_print_name(of_ca, ca);
    if (X509_NAME_cmp(X509_get_subject_name(check->leaf), of_ca) == 0)
        return refuse(check,
                      "%s certificate %.150s signed itself, and is not in certs of "
                      "%s %.63s",
                      owner(check), leaf, section(check), check->conn);
    return refuse(check, "%s certificate %.120s %s %.120s, which is not in %s%.63s", owner(check),
                  leaf, direct ? "is signed by CA" : "has a chain that ends at CA", ca, where,
                  check->policy->n_cas > 0 ? check->conn : "");
}

static int refuse_revoked(struct cert_check *check, X509 *x509)
{
    char subject[IDENTITY_TEXT_MAX];
    check->revoked = true;
    return refuse(check, "%s certificate %.200s was revoked on %s",
                  x509 == check->leaf ? owner(check) : "the CA", cert_identity_print(x509, subject),
                  check->revoked_on);
}

static int refuse_error(struct cert_check *check, X509_STORE_CTX *ctx)
{
    char subject[IDENTITY_TEXT_MAX];
    int error = X509_STORE_CTX_get_error(ctx);
    X509 *x509 = X509_STORE_CTX_get_current_cert(ctx);
    if (x509 == NULL)
        x509 = check->leaf;
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return refuse_time(check, x509, true);
    case X509_V_ERR_CERT_NOT_YET_VALID: return refuse_time(check, x509, false);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return refuse_issuer(check, x509);
    case X509_V_ERR_CERT_REVOKED: return refuse_revoked(check, x509);
    default:
        return refuse(check, "%s certificate chain: %.150s: %.120s", owner(check),
                      cert_identity_print(x509, subject), X509_verify_cert_error_string(error));
    }
}

/* --- revocation --- */

/* list_missing - notes a missing list for statuses_check(). */
static void list_missing(struct cert_check *check, X509_STORE_CTX *ctx)
{
    int depth = X509_STORE_CTX_get_error_depth(ctx);
    check->unlisted |= depth >= 0 && depth < 32 ? 1u << depth : 0;
}

/* delta_entry - the entry of the certificate in a delta list: libcrypto shows only that of the
 * base. NULL: none. */
static X509_REVOKED *delta_entry(const struct cert_store *store, X509 *x509)
{
    X509_REVOKED *entry = NULL;
    for (size_t i = 0; entry == NULL && i < store->n_crls; i++) {
        const struct cert_crl *crl = &store->crls[i];
        if (crl->verified && X509_CRL_get_ext_by_NID(crl->list, NID_delta_crl, -1) >= 0 &&
            X509_NAME_cmp(X509_CRL_get_issuer(crl->list), X509_get_issuer_name(x509)) == 0)
            (void)X509_CRL_get0_by_cert(crl->list, &entry, x509);
    }
    return entry;
}

/* revocation_note - keeps the date of the entry: libcrypto forgets the list after the callback. */
static void revocation_note(struct cert_check *check, X509_STORE_CTX *ctx)
{
    X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
    X509 *x509 = X509_STORE_CTX_get_current_cert(ctx);
    X509_REVOKED *entry = NULL;
    if (crl != NULL)
        (void)X509_CRL_get0_by_cert(crl, &entry, x509);
    if (entry == NULL)
        entry = delta_entry(check->store, x509);
    time_text(entry == NULL ? NULL : X509_REVOKED_get0_revocationDate(entry), check->revoked_on);
}

/* of_now - the list is valid now, with our tolerance: libcrypto allows for no skew of clocks. */
static bool of_now(X509_STORE_CTX *ctx)
{
    const X509_CRL *crl = X509_STORE_CTX_get0_current_crl(ctx);
    return crl != NULL && cert_store_list_of_now(crl);
}

static int on_error(int ok, X509_STORE_CTX *ctx)
{
    if (ok == 1)
        return 1;
    switch (X509_STORE_CTX_get_error(ctx)) {
    case X509_V_ERR_CERT_REVOKED: revocation_note(X509_STORE_CTX_get_app_data(ctx), ctx); return 0;
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_HAS_EXPIRED:
        if (of_now(ctx)) {
            X509_STORE_CTX_set_error(ctx, X509_V_OK);
            return 1;
        }
        break;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_ERROR_IN_CRL_LAST_UPDATE_FIELD:
    case X509_V_ERR_ERROR_IN_CRL_NEXT_UPDATE_FIELD:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN:
    case X509_V_ERR_UNHANDLED_CRITICAL_CRL_EXTENSION:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE:
    case X509_V_ERR_CRL_PATH_VALIDATION_ERROR: break;
    default: return 0;
    }
    list_missing(X509_STORE_CTX_get_app_data(ctx), ctx);
    X509_STORE_CTX_set_error(ctx, X509_V_OK);
    return 1;
}

/* --- beyond the path --- */

/* RFC 4945 section 5.1.3.2: digitalSignature or nonRepudiation, if the
 * extension is there. */
static bool usage_fits(X509 *x509)
{
    uint32_t usage = X509_get_key_usage(x509);
    return (usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0;
}

/* extended_usage_fits - RFC 4945 section 5.1.3.12: the extension is absent, or allows IKE or any
 * use. In practice gateways have server certificates, on both sides of a login, and users have
 * client certificates. A client must not pass for a gateway. A RADIUS server does not need a
 * certificate for IKE. */
static bool extended_usage_fits(const struct cert_check *check)
{
    static const char *const ike[] = {"2.5.29.37.0",       "1.3.6.1.5.5.7.3.17",
                                      "1.3.6.1.5.5.7.3.5", "1.3.6.1.5.5.7.3.6",
                                      "1.3.6.1.5.5.7.3.7", "1.3.6.1.5.5.8.2.2"};
    size_t n_ike = check->radius ? 1 : sizeof(ike) / sizeof(ike[0]);
    X509 *leaf = check->leaf;
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
    bool fits = usages == NULL && X509_get_ext_by_NID(leaf, NID_ext_key_usage, -1) < 0;
    bool server_fits = check->of_gateway || !check->tls;
    for (int i = 0; !fits && i < sk_ASN1_OBJECT_num(usages); i++) {
        const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);
        char oid[64];
        (void)OBJ_obj2txt(oid, sizeof(oid), usage, 1);
        fits = (server_fits && OBJ_obj2nid(usage) == NID_server_auth) ||
               (!check->of_gateway && OBJ_obj2nid(usage) == NID_client_auth);
        for (size_t j = 0; !fits && j < n_ike; j++)
            fits = strcmp(oid, ike[j]) == 0;
    }
    sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
    return fits;
}

static int leaf_check(struct cert_check *check)
{
    char subject[IDENTITY_TEXT_MAX];
    cert_identity_print(check->leaf, subject);
    if (!usage_fits(check->leaf))
        return refuse(check, "%s certificate %.200s has a keyUsage without digitalSignature",
                      owner(check), subject);
    if (!extended_usage_fits(check))
        return refuse(check, "%s certificate %.200s is not for %s: see its extendedKeyUsage",
                      owner(check), subject, check->radius ? "a server of TLS" : "IKE");
    return 0;
}

static enum signature_hash hash_of(int nid)
{
    return nid == NID_sha256   ? SIGNATURE_SHA2_256
           : nid == NID_sha384 ? SIGNATURE_SHA2_384
           : nid == NID_sha512 ? SIGNATURE_SHA2_512
                               : SIGNATURE_IDENTITY;
}

/* link_check - checks one certificate of the chain. `signer` false: the last one, whose own
 * signature proves nothing. */
static int link_check(struct cert_check *check, X509 *x509, bool is_leaf, bool signer)
{
    char subject[IDENTITY_TEXT_MAX];
    int digest = NID_undef;
    cert_identity_print(x509, subject);
    const EVP_PKEY *key = X509_get0_pubkey(x509);
    if (!strength_fits(check->policy, key,
                       is_leaf ? signature_key_kind(key) : signature_ca_key_kind(key)))
        return refuse(check,
                      "the key of certificate %.200s is of a kind or strength that "
                      "%s %.63s does not accept",
                      subject, section(check), check->conn);
    if (!is_leaf && X509_check_ca(x509) != 1)
        return refuse(check, "certificate %.200s in the chain is not that of a CA", subject);
    (void)X509_get_signature_info(x509, &digest, NULL, NULL, NULL);
    if (signer && check->policy->chain_hashes != 0 &&
        (check->policy->chain_hashes & BIT(hash_of(digest))) == 0)
        return refuse(check,
                      "certificate %.200s is signed with a hash that %s %.63s does "
                      "not accept",
                      subject, section(check), check->conn);
    return 0;
}

static int64_t end_of(X509 *x509)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm) != 1)
        return 0;
    return timegm(&tm);
}

static int ca_id_check(struct cert_check *check, const STACK_OF(X509) * chain)
{
    char text[IDENTITY_TEXT_MAX];
    if (check->policy->ca_id.type == ID_ANY)
        return 0;
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (cert_identity_has(sk_X509_value(chain, i), &check->policy->ca_id))
            return 0;
    return refuse(check, "no CA of the chain has the identity %.200s (ca_id of connection %.63s)",
                  identity_print(&check->policy->ca_id, text), check->conn);
}

static int chain_check(struct cert_check *check, const STACK_OF(X509) * chain)
{
    int n = sk_X509_num(chain), error = 0;
    check->not_after = INT64_MAX;
    for (int i = 0; error == 0 && i < n; i++) {
        X509 *x509 = sk_X509_value(chain, i);
        int64_t end = end_of(x509);
        error = link_check(check, x509, i == 0, i < n - 1);
        check->not_after = end < check->not_after ? end : check->not_after;
    }
    return error != 0 ? error : ca_id_check(check, chain);
}

/* RFC 5280 section 6.1.5: each wanted policy must be among those that the whole
 * path is valid for. */
static int policies_check(struct cert_check *check, X509_STORE_CTX *ctx)
{
    const X509_POLICY_TREE *tree = X509_STORE_CTX_get0_policy_tree(ctx);
    const STACK_OF(X509_POLICY_NODE) *nodes =
        tree == NULL ? NULL : X509_policy_tree_get0_user_policies(tree);
    for (int wanted = 0; wanted < check->policy->n_policies; wanted++) {
        bool found = false;
        for (int i = 0; !found && i < sk_X509_POLICY_NODE_num(nodes); i++) {
            char oid[CERT_POLICY_OID];
            (void)OBJ_obj2txt(oid, sizeof(oid),
                              X509_policy_node_get0_policy(sk_X509_POLICY_NODE_value(nodes, i)), 1);
            found = strcmp(oid, check->policy->policies[wanted]) == 0;
        }
        if (!found)
            return refuse(check,
                          "%s certificate chain is not valid for the policy %.63s "
                          "(cert_policy of connection %.63s)",
                          owner(check), check->policy->policies[wanted], check->conn);
    }
    return 0;
}

/* --- the path --- */

bool cert_check_named(const uint8_t (*digests)[CERT_DIGEST], size_t n, const uint8_t *digest)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(digests[i], digest, CERT_DIGEST) == 0)
            return true;
    return false;
}

/* anchors_new - the CAs that the connection names, or all of x509ca. A peer certificate that the
 * connection names needs no CA. */
static X509_STORE *anchors_new(const struct cert_check *check, bool pinned)
{
    const struct cert_policy *policy = check->policy;
    if (policy->n_cas == 0 && !pinned) {
        X509_STORE *all = cert_store_anchors(check->store);
        if (all != NULL)
            X509_STORE_up_ref(all);
        return all;
    }
    X509_STORE *anchors = X509_STORE_new();
    bool ok = anchors != NULL;
    for (int i = 0; ok && i < policy->n_cas; i++) {
        const struct cert *ca = cert_store_find(check->store, policy->cas[i]);
        ok = ca == NULL || ca->x509 == NULL || X509_STORE_add_cert(anchors, ca->x509) == 1;
    }
    if (ok && pinned)
        ok = X509_STORE_add_cert(anchors, check->leaf) == 1;
    if (!ok) {
        X509_STORE_free(anchors);
        return NULL;
    }
    return anchors;
}

static bool policies_set(X509_VERIFY_PARAM *param, const struct cert_policy *policy)
{
    for (int i = 0; i < policy->n_policies; i++) {
        ASN1_OBJECT *oid = OBJ_txt2obj(policy->policies[i], 1);
        if (oid == NULL || X509_VERIFY_PARAM_add0_policy(param, oid) != 1) {
            ASN1_OBJECT_free(oid);
            return false;
        }
    }
    return policy->n_policies == 0 ||
           X509_VERIFY_PARAM_set_flags(param,
                                       X509_V_FLAG_POLICY_CHECK | X509_V_FLAG_EXPLICIT_POLICY) == 1;
}

static bool param_set(const struct cert_check *check, X509_STORE_CTX *ctx,
                      STACK_OF(X509_CRL) * crls)
{
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST;
    flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL | X509_V_FLAG_USE_DELTAS |
             X509_V_FLAG_EXTENDED_CRL_SUPPORT;
    X509_VERIFY_PARAM_set_depth(param, VERIFIER_CHAIN - 1);
    X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
    X509_STORE_CTX_set0_crls(ctx, crls);
    X509_STORE_CTX_set_verify_cb(ctx, on_error);
    return X509_VERIFY_PARAM_set_flags(param, flags) == 1 && policies_set(param, check->policy);
}

/* untrusted_new - certificates to build a path with: the peer's, then our CAs.
 */
static STACK_OF(X509) * untrusted_new(const struct cert_check *check)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    bool ok = all != NULL;
    for (int i = 0; ok && i < sk_X509_num(check->others); i++)
        ok = sk_X509_push(all, sk_X509_value(check->others, i)) > 0;
    for (const struct cert *cert = check->store->certs; ok && cert != NULL; cert = cert->hh.next)
        if (cert->x509 != NULL && X509_check_ca(cert->x509) == 1)
            ok = sk_X509_push(all, cert->x509) > 0;
    if (!ok) {
        sk_X509_free(all);
        return NULL;
    }
    return all;
}

/* --- revocation, RFC 5280 section 6.3, RFC 6960 --- */

static const struct cert_uris *uris_of(const struct cert_store *store, const X509 *issuer)
{
    uint8_t digest[CERT_DIGEST];
    unsigned len = sizeof(digest);
    const struct cert *ca = X509_digest(issuer, EVP_sha256(), digest, &len) == 1
                                ? cert_store_find(store, digest)
                                : NULL;
    return ca == NULL ? NULL : ca->uris;
}

/* silence_allowed - an unknown status is acceptable. swanctl.conf(5): never with `strict`; with
 * `ifuri` only if the certificate names no server. */
static bool silence_allowed(const struct cert_check *check, const struct revocation_of *of)
{
    switch ((enum cert_revocation)check->policy->revocation) {
    case CERT_REVOCATION_RELAXED: return true;
    case CERT_REVOCATION_IFURI: return !revocation_has_uris(of);
    case CERT_REVOCATION_STRICT: return false;
    }
    return false;
}

static int refuse_silence(struct cert_check *check, const struct revocation_of *of)
{
    char subject[IDENTITY_TEXT_MAX], why[VERIFIER_REASON];
    revocation_why(check->revocation, of, check->now, why);
    return refuse(
        check,
        "no valid CRL or OCSP answer says whether %.100s is revoked%s%.100s%s%.60s "
        "(revocation = %s)",
        cert_identity_print(of->cert, subject), why[0] == '\0' ? "" : "; ", why,
        check->ocsp_why[0] == '\0' ? "" : "; the OCSP response in CERT: ", check->ocsp_why,
        check->policy->revocation == CERT_REVOCATION_STRICT ? "strict" : "ifuri");
}

static void known_until(struct cert_check *check, int64_t end)
{
    check->known_until = end < check->known_until ? end : check->known_until;
}

/* status_check - checks the status of one certificate. OCSP comes first: its response is newer than
 * a list. */
static int status_check(struct cert_check *check, const struct revocation_of *of, bool listed)
{
    const struct ocsp_response *response =
        revocation_response(check->revocation, of, (int64_t)time(NULL));
    if (response != NULL && response->status == OCSP_REVOKED) {
        memcpy(check->revoked_on, response->revoked_on, sizeof(check->revoked_on));
        return refuse_revoked(check, of->cert);
    }
    if (response != NULL) {
        known_until(check, response->good_until);
        return 0;
    }
    if (listed)
        known_until(check, cert_store_lists_end(check->store, of->issuer));
    /* This check may not wait; a later one then has the status. */
    uint64_t job = revocation_ask(check->revocation, of, listed, check->now);
    if (job != 0 && !check->impatient && check->n_waits < CERT_WAITS) {
        check->waits[check->n_waits++] = job;
        return 0;
    }
    check->crowded |= job == REVOCATION_FULL;
    check->n_fetching += job != 0 && job != REVOCATION_FULL;
    check->unknown |= job == 0 && (listed ? revocation_lacks_delta(of) : revocation_has_uris(of));
    return listed || silence_allowed(check, of) ? 0 : refuse_silence(check, of);
}

/* responses_take - reads the responses that the peer sent with its certificates. The path is valid
 * and AUTH is verified, so an unauthenticated peer cannot cause this work. They count like fetched
 * ones. */
static void responses_take(struct cert_check *check, const struct revocation_of *of)
{
    for (size_t i = 0; i < check->n_ocsp; i++)
        if (revocation_sent(check->revocation, of, check->store, check->ocsp[i], check->ocsp_why) ==
            0)
            return;
}

/* statuses_check - checks the status of all certificates except the trust anchor: the configuration
 * trusts that one, and no CA can revoke it. */
static int statuses_check(struct cert_check *check, const STACK_OF(X509) * chain)
{
    int error = 0;
    check->n_waits = 0;
    for (int i = 0; error == 0 && i + 1 < sk_X509_num(chain); i++) {
        struct revocation_of of = {.cert = sk_X509_value(chain, i),
                                   .issuer = sk_X509_value(chain, i + 1),
                                   .background = check->background};
        of.uris = uris_of(check->store, of.issuer);
        enum cert_deltas deltas = cert_store_deltas(check->store, of.issuer);
        of.behind = deltas == CERT_DELTAS_AHEAD;
        if (deltas == CERT_DELTAS_NONE)
            of.base = cert_store_base(check->store, of.issuer);
        responses_take(check, &of);
        error = status_check(check, &of, (check->unlisted & 1u << i) == 0);
    }
    return error == 0 && check->n_waits > 0 ? ERR_AGAIN : error;
}

static int path_check(struct cert_check *check, X509_STORE *anchors, STACK_OF(X509) * untrusted)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509_CRL) *crls = cert_store_crls(check->store, check->others);
    int error = ERR_NO_MEMORY;
    check->unlisted = 0;
    if (ctx != NULL && crls != NULL &&
        X509_STORE_CTX_init(ctx, anchors, check->leaf, untrusted) == 1 &&
        X509_STORE_CTX_set_app_data(ctx, check) == 1 && param_set(check, ctx, crls)) {
        error = X509_verify_cert(ctx) == 1 ? 0 : refuse_error(check, ctx);
        if (error == 0)
            error = chain_check(check, X509_STORE_CTX_get0_chain(ctx));
        if (error == 0)
            error = policies_check(check, ctx);
        if (error == 0)
            error = statuses_check(check, X509_STORE_CTX_get0_chain(ctx));
        if (error == 0 && (check->chain = X509_STORE_CTX_get1_chain(ctx)) == NULL)
            error = ERR_NO_MEMORY;
    }
    X509_STORE_CTX_free(ctx);
    sk_X509_CRL_free(crls);
    return error;
}

int cert_check_run(struct cert_check *check)
{
    const struct cert_policy *policy = check->policy;
    uint8_t digest[CERT_DIGEST];
    unsigned len = sizeof(digest);
    char subject[IDENTITY_TEXT_MAX];
    if (X509_digest(check->leaf, EVP_sha256(), digest, &len) != 1)
        return ERR_NO_MEMORY;
    bool pinned = cert_check_named(policy->certs, policy->n_certs, digest);
    if (policy->n_certs > 0 && !pinned)
        return refuse(check, "%s certificate %.200s is not in certs of connection %.63s",
                      owner(check), cert_identity_print(check->leaf, subject), check->conn);
    if (!pinned && X509_check_ca(check->leaf) == 1)
        return refuse(check, "%s certificate %.200s is that of a CA", owner(check),
                      cert_identity_print(check->leaf, subject));
    int error = leaf_check(check);
    if (error != 0)
        return error;
    X509_STORE *anchors = anchors_new(check, pinned);
    STACK_OF(X509) *untrusted = untrusted_new(check);
    error = anchors == NULL || untrusted == NULL ? ERR_NO_MEMORY
                                                 : path_check(check, anchors, untrusted);
    sk_X509_free(untrusted);
    X509_STORE_free(anchors);
    return error;
}

void cert_check_again(struct cert_check *check)
{
    static const struct cert_policy nothing;
    int n = sk_X509_num(check->others);
    X509_STORE *anchors = X509_STORE_new();
    STACK_OF(X509) *untrusted = n > 0 ? sk_X509_dup(check->others) : NULL;
    check->policy = &nothing;
    check->impatient = check->background = true;
    check->known_until = INT64_MAX;
    bool ok = anchors != NULL && untrusted != NULL &&
              X509_STORE_add_cert(anchors, sk_X509_value(check->others, n - 1)) == 1;
    if (ok)
        (void)!path_check(check, anchors, untrusted);
    sk_X509_pop_free(check->chain, X509_free);
    check->chain = NULL;
    sk_X509_free(untrusted);
    X509_STORE_free(anchors);
}
