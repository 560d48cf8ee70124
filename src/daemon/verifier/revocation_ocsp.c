/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/revocation_ocsp.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "daemon/verifier/cert_store.h"

#define NONCE_OCTETS 32
#define SHORT_S      300 /* a response without nextUpdate is valid so long */
#define LEAST_S      30  /* each response is valid so long: the checks that wait for it need it */

OCSP_REQUEST *ocsp_request_new(X509 *cert, X509 *issuer)
{
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    /* The hash only finds the certificate; responders of the field know SHA-1 alone. */
    OCSP_CERTID *id = request == NULL ? NULL : OCSP_cert_to_id(EVP_sha1(), cert, issuer);
    if (id == NULL || OCSP_request_add0_id(request, id) == NULL) {
        OCSP_CERTID_free(id);
        OCSP_REQUEST_free(request);
        return NULL;
    }
    if (OCSP_request_add1_nonce(request, NULL, NONCE_OCTETS) == 1)
        return request;
    OCSP_REQUEST_free(request);
    return NULL;
}

static int refuse(char reason[VERIFIER_REASON], const char *why)
{
    (void)snprintf(reason, VERIFIER_REASON, "%s", why);
    return ERR_AUTH;
}

/* The nonce is ours to choose, so a responder signs octets of ours: no hash with collisions. */
static bool hash_sound(const OCSP_BASICRESP *basic)
{
    const X509_ALGOR *algorithm = OCSP_resp_get0_tbs_sigalg(basic);
    int digest = NID_undef;
    (void)OBJ_find_sigid_algs(OBJ_obj2nid(algorithm->algorithm), &digest, NULL);
    return digest != NID_sha1 && digest != NID_md5 && digest != NID_md4 && digest != NID_md2;
}

/* signer_check - RFC 6960 section 4.2.2.2: the CA itself, or whom it delegated by a certificate with
 * id-kp-OCSPSigning that it signed; or a responder that the administrator trusts. */
static bool signer_check(const struct ocsp_question *question, OCSP_BASICRESP *basic)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *ca = sk_X509_new_null();
    bool signs = store != NULL && ca != NULL && sk_X509_push(ca, question->issuer) > 0 &&
                 X509_STORE_add_cert(store, question->issuer) == 1 &&
                 X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) == 1;
    signs = signs && (OCSP_basic_verify(basic, ca, store, OCSP_NOEXPLICIT) == 1 ||
                      OCSP_basic_verify(basic, question->responders, store,
                                        OCSP_NOINTERN | OCSP_TRUSTOTHER) == 1);
    sk_X509_free(ca);
    X509_STORE_free(store);
    return signs;
}

static int64_t seconds_of(const ASN1_GENERALIZEDTIME *at)
{
    struct tm tm;
    return at == NULL || ASN1_TIME_to_tm(at, &tm) != 1 ? 0 : timegm(&tm);
}

/* good_until - the end of a response, with the skew of clocks that its checks allowed. Without
 * nextUpdate, one that a peer sent counts from thisUpdate: the peer can send it again and again. */
static int64_t good_until(const struct ocsp_question *question,
                          const ASN1_GENERALIZEDTIME *this_update,
                          const ASN1_GENERALIZEDTIME *next_update, int64_t now)
{
    int64_t from = question->request == NULL ? seconds_of(this_update) : now;
    int64_t end =
        next_update == NULL ? from + SHORT_S : seconds_of(next_update) + CERT_STORE_SKEW_S;
    return end < now + LEAST_S ? now + LEAST_S : end;
}

static void date_print(int64_t at, char out[32])
{
    time_t when = at;
    struct tm tm;
    if (at == 0 || gmtime_r(&when, &tm) == NULL)
        strcpy(out, "an unknown date");
    else
        (void)strftime(out, 32, "%Y-%m-%d %H:%M UTC", &tm);
}

static int single_check(const struct ocsp_question *question, OCSP_BASICRESP *basic, int64_t now,
                        struct ocsp_response *ret, char reason[VERIFIER_REASON])
{
    ASN1_GENERALIZEDTIME *revoked = NULL, *this_update = NULL, *next_update = NULL;
    OCSP_CERTID *id = OCSP_cert_to_id(EVP_sha1(), question->cert, question->issuer);
    int status, why;
    bool found = id != NULL && OCSP_resp_find_status(basic, id, &status, &why, &revoked,
                                                     &this_update, &next_update) == 1;
    OCSP_CERTID_free(id);
    if (!found)
        return refuse(reason, "the answer is not about the certificate");
    bool nonce = question->request != NULL && OCSP_check_nonce(question->request, basic) == 1;
    long most = next_update != NULL || nonce ? -1 : SHORT_S;
    if (OCSP_check_validity(this_update, next_update, CERT_STORE_SKEW_S, most) != 1)
        return refuse(reason, "the answer is not of now: see its thisUpdate and nextUpdate");
    if (status == V_OCSP_CERTSTATUS_UNKNOWN)
        return refuse(reason, "the responder does not know the certificate");
    *ret = (struct ocsp_response){
        .status = status == V_OCSP_CERTSTATUS_REVOKED ? OCSP_REVOKED : OCSP_GOOD,
        .this_update = seconds_of(this_update),
        .next_update =
            next_update == NULL ? seconds_of(this_update) + SHORT_S : seconds_of(next_update),
        .good_until = good_until(question, this_update, next_update, now)};
    date_print(seconds_of(revoked), ret->revoked_on);
    return 0;
}

static int basic_check(const struct ocsp_question *question, OCSP_BASICRESP *basic, int64_t now,
                       struct ocsp_response *ret, char reason[VERIFIER_REASON])
{
    if (question->request != NULL && OCSP_check_nonce(question->request, basic) == 0)
        return refuse(reason, "the answer has the nonce of another request");
    if (!hash_sound(basic))
        return refuse(reason, "the answer is signed with MD5 or SHA-1");
    if (!signer_check(question, basic))
        return refuse(reason, "the answer is not signed by the CA, nor by a responder that it "
                              "delegated or that x509ocsp has");
    return single_check(question, basic, now, ret, reason);
}

int ocsp_answer_check(const struct ocsp_question *question, struct span octets, int64_t now,
                      struct ocsp_response *ret_response, char ret_reason[VERIFIER_REASON])
{
    const uint8_t *at = octets.ptr;
    OCSP_RESPONSE *response =
        octets.len == 0 ? NULL : d2i_OCSP_RESPONSE(NULL, &at, (long)octets.len);
    if (response == NULL || at != octets.ptr + octets.len) {
        OCSP_RESPONSE_free(response);
        return refuse(ret_reason, "the answer is no OCSP response");
    }
    int status = OCSP_response_status(response);
    OCSP_BASICRESP *basic =
        status == OCSP_RESPONSE_STATUS_SUCCESSFUL ? OCSP_response_get1_basic(response) : NULL;
    OCSP_RESPONSE_free(response);
    if (basic == NULL) {
        (void)snprintf(ret_reason, VERIFIER_REASON, "the responder says: %s",
                       OCSP_response_status_str(status));
        return ERR_AUTH;
    }
    int error = basic_check(question, basic, now, ret_response, ret_reason);
    OCSP_BASICRESP_free(basic);
    return error;
}
