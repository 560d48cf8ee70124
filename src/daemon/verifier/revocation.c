/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/revocation.h"

#include <openssl/sha.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "daemon/common/log.h"
#include "daemon/verifier/cert_identity.h"
#include "daemon/verifier/dead_hosts.h"

#define KEY      SHA256_DIGEST_LENGTH
#define URLS_MAX 8 /* of one certificate and kind */

/* struct known - the OCSP status of one certificate. */
struct known {
    UT_hash_handle hh; /* by key, in order of arrival */
    uint8_t key[KEY];
    struct ocsp_response response;
    uint8_t *octets; /* owned: as it was signed; NULL: it was too long */
    size_t n_octets;
};

/* struct attempt - a fetch. */
struct attempt {
    UT_hash_handle hh; /* by key, in order of beginning */
    uint8_t key[KEY];  /* of the URL and the issuer; with OCSP, of the certificate, too */
    uint64_t job;      /* 0: it has ended */
    bool sent, local;
    nanos again_at;        /* ended: earliest time of the next try */
    X509 *cert, *issuer;   /* owned while it runs */
    OCSP_REQUEST *request; /* owned while it runs; NULL: a list is fetched */
    char url[FETCH_URL];
    char reason[FETCH_REASON]; /* ended: why it failed */
};

struct revocation {
    struct known *responses;
    struct attempt *attempts;
    struct dead_hosts dead;
    unsigned n_running;
    uint64_t n_ended;
    uint64_t last_job;
};

/* struct urls - of one certificate and kind, in the order in which they are tried. */
struct urls {
    enum host_service service;
    size_t n;
    struct {
        char text[FETCH_URL];
        bool local;
    } of[URLS_MAX];
};

struct revocation *revocation_new(void)
{
    return calloc(1, sizeof(struct revocation));
}

static void attempt_settle(struct attempt *attempt)
{
    X509_free(attempt->cert);
    X509_free(attempt->issuer);
    OCSP_REQUEST_free(attempt->request);
    attempt->cert = attempt->issuer = NULL;
    attempt->request = NULL;
    attempt->job = 0;
}

static void attempt_drop(struct revocation *r, struct attempt *attempt)
{
    r->n_running -= attempt->job != 0;
    attempt_settle(attempt);
    HASH_DEL(r->attempts, attempt);
    free(attempt);
}

static void known_drop(struct revocation *r, struct known *known)
{
    HASH_DEL(r->responses, known);
    free(known->octets);
    free(known);
}

static void responses_drop(struct revocation *r)
{
    struct known *known, *next;
    HASH_ITER(hh, r->responses, known, next)
    known_drop(r, known);
}

struct revocation *revocation_free(struct revocation *r)
{
    struct attempt *attempt, *next;
    if (r == NULL)
        return NULL;
    HASH_ITER(hh, r->attempts, attempt, next)
    attempt_drop(r, attempt);
    responses_drop(r);
    free(r);
    return NULL;
}

void revocation_flush(struct revocation *r)
{
    responses_drop(r);
}

void revocation_retry(struct revocation *r)
{
    struct attempt *attempt, *next;
    HASH_ITER(hh, r->attempts, attempt, next)
    if (attempt->job == 0)
        attempt_drop(r, attempt);
    r->dead.n = 0;
}

/* --- URLs --- */

/* urls_add - adds the URL if the fetcher supports it. */
static void urls_add(struct urls *urls, const char *text, size_t len, bool local)
{
    if (urls->n == URLS_MAX || len >= FETCH_URL || len <= strlen("http://") ||
        strncasecmp(text, "http://", strlen("http://")) != 0)
        return;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] >= 0x7f)
            return;
    memcpy(urls->of[urls->n].text, text, len);
    urls->of[urls->n].text[len] = '\0';
    urls->of[urls->n++].local = local;
}

static void urls_of_authority(struct urls *urls, const struct engine_uris *uris)
{
    for (uint8_t i = 0; i < uris->n && i < AUTHORITY_URIS; i++)
        urls_add(urls, uris->text[i], strnlen(uris->text[i], AUTHORITY_URI), true);
}

static void urls_of_names(struct urls *urls, const GENERAL_NAMES *names)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_URI)
            urls_add(urls, (const char *)ASN1_STRING_get0_data(name->d.ia5),
                     (size_t)ASN1_STRING_length(name->d.ia5), false);
    }
}

/* urls_of_points - adds the URLs of the points, and frees the points. */
static void urls_of_points(struct urls *urls, CRL_DIST_POINTS *points)
{
    for (int i = 0; i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT_NAME *name = sk_DIST_POINT_value(points, i)->distpoint;
        if (name != NULL && name->type == 0)
            urls_of_names(urls, name->name.fullname);
    }
    CRL_DIST_POINTS_free(points);
}

static void urls_of_lists(struct urls *urls, const struct revocation_of *of)
{
    if (of->uris != NULL)
        urls_of_authority(urls, &of->uris->crl);
    urls_of_points(urls, X509_get_ext_d2i(of->cert, NID_crl_distribution_points, NULL, NULL));
}

/* urls_of_deltas - RFC 5280 sections 4.2.1.15 and 5.2.6. */
static void urls_of_deltas(struct urls *urls, const struct revocation_of *of)
{
    if (of->base == NULL)
        return;
    urls_of_points(urls, X509_get_ext_d2i(of->cert, NID_freshest_crl, NULL, NULL));
    urls_of_points(urls, X509_CRL_get_ext_d2i(of->base, NID_freshest_crl, NULL, NULL));
}

static void urls_of_responders(struct urls *urls, const struct revocation_of *of)
{
    STACK_OF(OPENSSL_STRING) *uris = X509_get1_ocsp(of->cert);
    if (of->uris != NULL)
        urls_of_authority(urls, &of->uris->ocsp);
    for (int i = 0; i < sk_OPENSSL_STRING_num(uris); i++)
        urls_add(urls, sk_OPENSSL_STRING_value(uris, i), strlen(sk_OPENSSL_STRING_value(uris, i)),
                 false);
    X509_email_free(uris);
}

/* names_responder - authorityInfoAccess names an OCSP responder; often it has only caIssuers. */
static bool names_responder(X509 *cert)
{
    STACK_OF(OPENSSL_STRING) *uris = X509_get1_ocsp(cert);
    bool found = sk_OPENSSL_STRING_num(uris) > 0;
    X509_email_free(uris);
    return found;
}

bool revocation_has_uris(const struct revocation_of *of)
{
    return (of->uris != NULL && of->uris->crl.n + of->uris->ocsp.n > 0) ||
           X509_get_ext_by_NID(of->cert, NID_crl_distribution_points, -1) >= 0 ||
           names_responder(of->cert);
}

bool revocation_lacks_delta(const struct revocation_of *of)
{
    return of->base != NULL && (X509_get_ext_by_NID(of->cert, NID_freshest_crl, -1) >= 0 ||
                                X509_CRL_get_ext_by_NID(of->base, NID_freshest_crl, -1) >= 0);
}

/* --- OCSP responses --- */

/* cert_key - hashes a certificate and its issuer. */
static void cert_key(const struct revocation_of *of, uint8_t out[KEY])
{
    uint8_t digests[2 * KEY];
    unsigned len = KEY;
    memset(digests, 0, sizeof(digests));
    (void)X509_digest(of->cert, EVP_sha256(), digests, &len);
    (void)X509_digest(of->issuer, EVP_sha256(), digests + KEY, &len);
    SHA256(digests, sizeof(digests), out);
}

static struct known *known_find(const struct revocation *r, const uint8_t key[KEY])
{
    struct known *known;
    HASH_FIND(hh, r->responses, key, KEY, known);
    return known;
}

const struct ocsp_response *revocation_response(const struct revocation *r,
                                                const struct revocation_of *of, int64_t now)
{
    uint8_t key[KEY];
    cert_key(of, key);
    const struct known *known = known_find(r, key);
    return known == NULL || known->response.good_until < now ? NULL : &known->response;
}

/* known_add - NULL: no memory. */
static struct known *known_add(struct revocation *r, const uint8_t key[KEY])
{
    if (HASH_COUNT(r->responses) >= REVOCATION_RESPONSES)
        known_drop(r, r->responses); /* the oldest */
    struct known *known = calloc(1, sizeof(*known));
    if (known == NULL)
        return NULL;
    memcpy(known->key, key, KEY);
    HASH_ADD(hh, r->responses, key, KEY, known);
    if (TABLE_HAS(known))
        return known;
    free(known);
    return NULL;
}

/* octets_keep - keeps the response for peers. Without memory only its status is kept. */
static void octets_keep(struct known *known, struct span octets)
{
    free(known->octets);
    known->octets = octets.len > REVOCATION_OCTETS ? NULL : malloc(octets.len);
    known->n_octets = known->octets == NULL ? 0 : octets.len;
    if (known->octets != NULL)
        memcpy(known->octets, octets.ptr, octets.len);
}

/* response_keep - keeps the newest response: an attacker may replay an older one. */
static int response_keep(struct revocation *r, const struct revocation_of *of,
                         const struct ocsp_response *response, struct span octets,
                         char reason[VERIFIER_REASON])
{
    uint8_t key[KEY];
    cert_key(of, key);
    struct known *known = known_find(r, key);
    if (known != NULL && known->response.this_update > response->this_update) {
        (void)snprintf(reason, VERIFIER_REASON, "the answer is older than one that was here");
        return ERR_AUTH;
    }
    if (known == NULL)
        known = known_add(r, key);
    if (known == NULL)
        return ERR_NO_MEMORY;
    known->response = *response;
    octets_keep(known, octets);
    return 0;
}

/* response_take - checks and keeps the response. The responders of the question come from the
 * store. */
static int response_take(struct revocation *r, struct ocsp_question question,
                         struct cert_store *store, struct span octets, char reason[VERIFIER_REASON])
{
    const struct revocation_of of = {.cert = question.cert, .issuer = question.issuer};
    struct ocsp_response response;
    question.responders = cert_store_responders(store);
    if (question.responders == NULL)
        return ERR_NO_MEMORY;
    int error = ocsp_answer_check(&question, octets, (int64_t)time(NULL), &response, reason);
    sk_X509_free(question.responders);
    return error != 0 ? error : response_keep(r, &of, &response, octets, reason);
}

int revocation_sent(struct revocation *r, const struct revocation_of *of, struct cert_store *store,
                    struct span octets, char reason[VERIFIER_REASON])
{
    return response_take(r, (struct ocsp_question){.cert = of->cert, .issuer = of->issuer}, store,
                         octets, reason);
}

enum revocation_age revocation_octets(const struct revocation *r, const struct revocation_of *of,
                                      int64_t now, struct span *ret_octets)
{
    uint8_t key[KEY];
    cert_key(of, key);
    const struct known *known = known_find(r, key);
    if (known == NULL || known->octets == NULL || known->response.status != OCSP_GOOD ||
        known->response.next_update <= now)
        return REVOCATION_MISSING;
    *ret_octets = span_of(known->octets, known->n_octets);
    int64_t half = (known->response.this_update + known->response.next_update) / 2;
    return half <= now ? REVOCATION_OLD : REVOCATION_YOUNG;
}

bool revocation_at(const struct revocation *r, uint32_t index, struct span *ret_octets)
{
    const struct known *known = r->responses;
    while (known != NULL && index-- > 0)
        known = known->hh.next;
    if (known == NULL)
        return false;
    *ret_octets = span_of(known->octets, known->n_octets);
    return true;
}

/* --- fetches --- */

/* attempt_key - a list is checked against the issuer of the certificate that asked for it. A
 * certificate of another CA with the same URL must not share that result. */
static void attempt_key(const char *url, const struct revocation_of *of, bool ocsp,
                        uint8_t out[KEY])
{
    uint8_t both[FETCH_URL + KEY] = {0};
    size_t len = strnlen(url, FETCH_URL);
    unsigned digest = KEY;
    memcpy(both, url, len);
    if (ocsp)
        cert_key(of, both + FETCH_URL);
    else
        (void)X509_digest(of->issuer, EVP_sha256(), both + FETCH_URL, &digest);
    SHA256(both, sizeof(both), out);
}

static struct attempt *attempt_find(const struct revocation *r, const uint8_t key[KEY])
{
    struct attempt *attempt;
    HASH_FIND(hh, r->attempts, key, KEY, attempt);
    return attempt;
}

/* room_make - drops an ended attempt. false: all of them run. */
static bool room_make(struct revocation *r)
{
    struct attempt *attempt, *next;
    if (HASH_COUNT(r->attempts) < REVOCATION_ATTEMPTS)
        return true;
    HASH_ITER(hh, r->attempts, attempt, next)
    if (attempt->job == 0) {
        attempt_drop(r, attempt);
        return true;
    }
    return false;
}

static struct attempt *attempt_new(struct revocation *r, const uint8_t key[KEY],
                                   const struct revocation_of *of, bool ocsp)
{
    struct attempt *attempt = room_make(r) ? calloc(1, sizeof(*attempt)) : NULL;
    if (attempt == NULL)
        return NULL;
    memcpy(attempt->key, key, KEY);
    attempt->cert = X509_up_ref(of->cert) == 1 ? of->cert : NULL;
    attempt->issuer = X509_up_ref(of->issuer) == 1 ? of->issuer : NULL;
    attempt->request = ocsp ? ocsp_request_new(of->cert, of->issuer) : NULL;
    HASH_ADD(hh, r->attempts, key, KEY, attempt);
    if (TABLE_HAS(attempt) && attempt->cert != NULL && attempt->issuer != NULL &&
        (!ocsp || attempt->request != NULL)) {
        attempt->job = ++r->last_job;
        r->n_running++;
        return attempt;
    }
    if (TABLE_HAS(attempt))
        HASH_DEL(r->attempts, attempt);
    attempt_settle(attempt);
    free(attempt);
    return NULL;
}

/* ask_one - fetches from the first URL that is being fetched already, or was not tried recently and
 * has no dead host. */
static uint64_t ask_one(struct revocation *r, const struct revocation_of *of,
                        const struct urls *urls, nanos now)
{
    bool ocsp = urls->service == HOST_OCSP;
    for (size_t i = 0; i < urls->n; i++) {
        uint8_t key[KEY];
        attempt_key(urls->of[i].text, of, ocsp, key);
        struct attempt *attempt = attempt_find(r, key);
        if (attempt != NULL && attempt->job != 0)
            return attempt->job;
        if ((attempt != NULL && now < attempt->again_at) ||
            dead_hosts_find(&r->dead, urls->of[i].text, urls->service, now) != NULL)
            continue;
        if (r->n_running >= (of->background ? REVOCATION_BACKGROUND : REVOCATION_RUNNING))
            return REVOCATION_FULL;
        if (attempt != NULL)
            attempt_drop(r, attempt);
        attempt = attempt_new(r, key, of, ocsp);
        if (attempt == NULL)
            return 0;
        memcpy(attempt->url, urls->of[i].text, sizeof(attempt->url));
        attempt->local = urls->of[i].local;
        return attempt->job;
    }
    return 0;
}

uint64_t revocation_ask_ocsp(struct revocation *r, const struct revocation_of *of, nanos now)
{
    struct urls responders = {.service = HOST_OCSP};
    urls_of_responders(&responders, of);
    return ask_one(r, of, &responders, now);
}

uint64_t revocation_ask(struct revocation *r, const struct revocation_of *of, bool listed,
                        nanos now)
{
    struct urls lists = {.service = HOST_LISTS};
    uint64_t job = revocation_ask_ocsp(r, of, now);
    if (job != 0)
        return job;
    if (listed && !of->behind)
        urls_of_deltas(&lists, of);
    else
        urls_of_lists(&lists, of);
    return ask_one(r, of, &lists, now);
}

bool revocation_running(const struct revocation *r, uint64_t job)
{
    if (job == REVOCATION_FULL)
        return r->n_running >= REVOCATION_RUNNING;
    for (const struct attempt *attempt = r->attempts; attempt != NULL; attempt = attempt->hh.next)
        if (attempt->job == job)
            return true;
    return false;
}

uint64_t revocation_ended(const struct revocation *r)
{
    return r->n_ended;
}

static bool why_one(const struct revocation *r, const struct revocation_of *of,
                    const struct urls *urls, nanos now, char ret_text[VERIFIER_REASON])
{
    for (size_t i = 0; i < urls->n; i++) {
        uint8_t key[KEY];
        const char *url = urls->of[i].text;
        attempt_key(url, of, urls->service == HOST_OCSP, key);
        const struct attempt *attempt = attempt_find(r, key);
        const char *reason = attempt != NULL && attempt->reason[0] != '\0'
                                 ? attempt->reason
                                 : dead_hosts_find(&r->dead, url, urls->service, now);
        if (reason == NULL)
            continue;
        (void)snprintf(ret_text, VERIFIER_REASON, "%.120s: %.110s", url, reason);
        return true;
    }
    return false;
}

void revocation_why(const struct revocation *r, const struct revocation_of *of, nanos now,
                    char ret_text[VERIFIER_REASON])
{
    struct urls responders = {.service = HOST_OCSP}, lists = {.service = HOST_LISTS};
    urls_of_responders(&responders, of);
    urls_of_lists(&lists, of);
    ret_text[0] = '\0';
    if (!why_one(r, of, &lists, now, ret_text))
        (void)why_one(r, of, &responders, now, ret_text);
}

bool revocation_send(struct revocation *r, struct fetch_request *ret, uint8_t ret_body[FETCH_BODY])
{
    struct attempt *attempt = r->attempts;
    while (attempt != NULL && (attempt->job == 0 || attempt->sent))
        attempt = attempt->hh.next;
    if (attempt == NULL)
        return false;
    *ret = (struct fetch_request){.job = attempt->job, .local = attempt->local};
    memcpy(ret->url, attempt->url, sizeof(ret->url));
    int len = attempt->request == NULL ? 0 : i2d_OCSP_REQUEST(attempt->request, NULL);
    if (len > 0 && len <= FETCH_BODY) { /* always so: one certificate is in it */
        ret->n_octets = (uint32_t)len;
        (void)i2d_OCSP_REQUEST(attempt->request, &ret_body);
    }
    attempt->sent = true;
    return true;
}

/* --- answers --- */

static int list_take(struct cert_store *store, const struct attempt *attempt, struct span octets,
                     char reason[VERIFIER_REASON])
{
    int error = cert_store_fetched(store, octets, attempt->issuer);
    if (error == 0)
        return 0;
    (void)snprintf(reason, VERIFIER_REASON, "%s",
                   error == ERR_INVALID ? "the answer is no list of revocations"
                   : error == ERR_AUTH  ? "the list is not signed by the CA of the certificate"
                   : error == ERR_WRONG_STATE
                       ? "the list is out of date, or older than one that was here"
                       : error_text(error));
    return error;
}

static int answer_take(struct revocation *r, struct cert_store *store,
                       const struct attempt *attempt, struct span octets,
                       char reason[VERIFIER_REASON])
{
    if (attempt->request == NULL)
        return list_take(store, attempt, octets, reason);
    const struct ocsp_question question = {
        .cert = attempt->cert, .issuer = attempt->issuer, .request = attempt->request};
    return response_take(r, question, store, octets, reason);
}

static void fetch_log(const struct attempt *attempt, const char *reason)
{
    char subject[IDENTITY_TEXT_MAX], who[IDENTITY_TEXT_MAX + 8], url[FETCH_URL + 8];
    char why[VERIFIER_REASON + 8];
    log_text(cert_identity_print(attempt->cert, subject), who, sizeof(who));
    log_text(attempt->url, url, sizeof(url));
    if (reason[0] == '\0')
        log_line(LOG_LEVEL_INFO, "event=revocation-fetched kind=%s url=%s certificate=%s",
                 attempt->request != NULL ? "ocsp" : "crl", url, who);
    else
        log_line(LOG_LEVEL_WARNING,
                 "event=revocation-not-fetched kind=%s url=%s certificate=%s reason=%s",
                 attempt->request != NULL ? "ocsp" : "crl", url, who,
                 log_text(reason, why, sizeof(why)));
}

static void attempt_end(struct revocation *r, struct attempt *attempt, const char *reason,
                        nanos now)
{
    fetch_log(attempt, reason);
    (void)snprintf(attempt->reason, sizeof(attempt->reason), "%.*s", FETCH_REASON - 1, reason);
    attempt->again_at = nanos_after(now, REVOCATION_CALM);
    r->n_running--;
    r->n_ended++;
    attempt_settle(attempt);
}

static unsigned service_of(const struct attempt *attempt)
{
    return attempt->request == NULL ? HOST_LISTS : HOST_OCSP;
}

/* host_lost - ends all fetches from a host that does not answer, so that no login waits for a second
 * one. */
static void host_lost(struct revocation *r, const char *url, unsigned services, const char *reason,
                      nanos now)
{
    dead_hosts_add(&r->dead, url, services, reason, now);
    for (struct attempt *attempt = r->attempts; attempt != NULL; attempt = attempt->hh.next)
        if (attempt->job != 0 && (services & service_of(attempt)) != 0 &&
            dead_hosts_same(attempt->url, url))
            attempt_end(r, attempt, reason, now);
}

void revocation_lost(struct revocation *r, nanos now)
{
    for (struct attempt *attempt = r->attempts; attempt != NULL; attempt = attempt->hh.next)
        if (attempt->job != 0 && attempt->sent)
            attempt_end(r, attempt, "the fetcher process ended", now);
}

void revocation_take(struct revocation *r, struct cert_store *store,
                     const struct fetch_answer *answer, struct span octets, nanos now)
{
    char reason[VERIFIER_REASON] = "";
    struct attempt *attempt = r->attempts;
    while (attempt != NULL && (attempt->job == 0 || attempt->job != answer->job))
        attempt = attempt->hh.next;
    if (attempt == NULL)
        return;
    int error = answer->error;
    if (error != 0)
        (void)snprintf(reason, sizeof(reason), "%.*s", FETCH_REASON - 1, answer->reason);
    else
        error = answer_take(r, store, attempt, octets, reason);
    if (error != 0 && reason[0] == '\0')
        (void)snprintf(reason, sizeof(reason), "%s", error_text(error));
    unsigned service = service_of(attempt);
    attempt_end(r, attempt, reason, now);
    if (answer->error == ERR_NOT_FOUND)
        host_lost(r, attempt->url, HOST_OCSP | HOST_LISTS, reason, now);
    else if (answer->error == ERR_AGAIN)
        host_lost(r, attempt->url, service, reason, now);
}
