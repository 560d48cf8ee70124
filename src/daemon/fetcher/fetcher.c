/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fetcher process: lists of revocations and OCSP answers by HTTP, for the verifier. It reads
 * nothing of what it fetches. A URL comes from a certificate whose chain is trusted, or from the
 * configuration, and the limits hold for both:
 *
 *      http alone, no proxy, no credentials, no cookies; redirects lead to http as well
 *      a URL of a certificate, or of a redirect, never leads to a loopback, link-local or multicast
 *      address
 *      CONNECT_MS and TOTAL_MS of time, FETCH_OCTETS of content, REDIRECTS of detours
 *      AT_ONCE transfers, and AT_ONE_HOST of them with one server
 */
#include <curl/curl.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/common/channel.h"
#include "daemon/common/fetch_channel.h"
#include "daemon/common/log.h"
#include "daemon/process/confine.h"
#include "daemon/process/helpers.h"
#include "linux/clock.h"
#include "linux/udp_socket.h"

#define CONNECT_MS  3000L
#define TOTAL_MS    6000L
#define REDIRECTS   3L
#define AT_ONCE     32L
#define AT_ONE_HOST 8L
#define DESCRIPTORS 256
#define TURN_MS     1000

struct fetcher {
    CURLM *multi;
    struct curl_slist *ocsp_headers;
    int channel;
    int error; /* of the channel */
};

/* struct transfer - one request. */
struct transfer {
    struct fetch_request request;
    uint8_t body[FETCH_BODY];
    CURL *easy;
    bool denied, too_long;
    nanos begun_at; /* 0: it waits, since AT_ONE_HOST others have its server */
    size_t len, cap;
    uint8_t *octets; /* owned: what has come so far */
    char error[CURL_ERROR_SIZE];
};

/* --- one transfer --- */

static size_t on_octets(char *octets, size_t size, size_t n, void *context)
{
    struct transfer *t = context;
    size_t len = size * n;
    if (len > FETCH_OCTETS - t->len) {
        t->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    if (t->len + len > t->cap) {
        size_t cap = 2 * t->cap < t->len + len ? t->len + len : 2 * t->cap;
        uint8_t *more = realloc(t->octets, cap);
        if (more == NULL)
            return CURL_WRITEFUNC_ERROR;
        t->octets = more;
        t->cap = cap;
    }
    memcpy(t->octets + t->len, octets, len);
    t->len += len;
    return len;
}

/* mapped - an IPv4 address in the form of IPv6 reaches what the IPv4 address does. */
static bool mapped(const struct address *a)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return a->family == ADDRESS_V6 && memcmp(a->octets, prefix, sizeof(prefix)) == 0;
}

/* redirected - the current URL comes from a server, not from the request. */
static bool redirected(const struct transfer *t)
{
    long n = 0;
    return curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_COUNT, &n) != CURLE_OK || n > 0;
}

/* address_allowed - no certificate and no server may lead us to services that trust this host. The
 * administrator may. */
static bool address_allowed(const struct transfer *t, const struct address *address)
{
    return (t->request.local != 0 && !redirected(t)) ||
           (address_usable_outer(address, false) && !address_is_link_local(address) &&
            !mapped(address));
}

static void begins(struct transfer *t)
{
    if (t->begun_at == 0)
        t->begun_at = clock_now();
}

static int on_resolve(void *resolver, void *unused, void *context)
{
    (void)resolver;
    (void)unused;
    begins(context);
    return 0;
}

/* on_socket - each address that a name or a redirect leads to. */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct transfer *t = context;
    struct sockaddr_storage sockaddr = {0};
    struct endpoint endpoint;
    if (purpose != CURLSOCKTYPE_IPCXN || to->addrlen > sizeof(sockaddr))
        return CURL_SOCKET_BAD;
    begins(t);
    memcpy(&sockaddr, &to->addr, to->addrlen);
    if (!endpoint_from_sockaddr(&sockaddr, &endpoint) || !address_allowed(t, &endpoint.address)) {
        t->denied = true;
        return CURL_SOCKET_BAD;
    }
    return socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
}

static void transfer_free(struct transfer *t)
{
    if (t->easy != NULL)
        curl_easy_cleanup(t->easy);
    free(t->octets);
    free(t);
}

#define SET(option, value) (ok = ok && curl_easy_setopt(t->easy, option, value) == CURLE_OK)

static bool limits_set(struct transfer *t)
{
    bool ok = true;
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http");
    SET(CURLOPT_FOLLOWLOCATION, 1L);
    SET(CURLOPT_MAXREDIRS, REDIRECTS);
    SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, TOTAL_MS);
    SET(CURLOPT_MAXFILESIZE, (long)FETCH_OCTETS);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name that does not resolve */
    SET(CURLOPT_FORBID_REUSE, 1L);
    SET(CURLOPT_FRESH_CONNECT, 1L);
    SET(CURLOPT_FAILONERROR, 1L);
    SET(CURLOPT_RESOLVER_START_FUNCTION, on_resolve); /* not if the address is in libcurl's cache */
    SET(CURLOPT_RESOLVER_START_DATA, t);
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    return ok;
}

static bool transfer_set(const struct fetcher *f, struct transfer *t)
{
    bool ok = limits_set(t);
    SET(CURLOPT_URL, t->request.url);
    SET(CURLOPT_USERAGENT, "ikat");
    SET(CURLOPT_WRITEFUNCTION, on_octets);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    SET(CURLOPT_PRIVATE, t);
    if (t->request.n_octets > 0) { /* RFC 6960 appendix A.1 */
        SET(CURLOPT_POSTFIELDS, (const char *)t->body);
        SET(CURLOPT_POSTFIELDSIZE, (long)t->request.n_octets);
        SET(CURLOPT_HTTPHEADER, f->ocsp_headers);
    }
    return ok;
}

/* --- answers --- */

static void answer_send(struct fetcher *f, const struct fetch_answer *answer, struct span octets)
{
    if (f->error == 0)
        f->error = channel_send_tail(f->channel, span_of(answer, sizeof(*answer)), octets);
}

static void failure_send(struct fetcher *f, uint64_t job, int error, const char *reason)
{
    struct fetch_answer answer = {.error = error, .job = job};
    (void)snprintf(answer.reason, sizeof(answer.reason), "%s", reason);
    answer_send(f, &answer, (struct span){0});
}

/* had_time - the server had about `ms` to answer. TOTAL_MS also counts the time before the transfer
 * began, so it says nothing about the server. */
static bool had_time(const struct transfer *t, long ms)
{
    return t->begun_at != 0 && clock_now() - t->begun_at >= ms * NANOS_PER_MS * 9 / 10;
}

/* error_of - the error for the verifier. After a redirect the failed host is not the host of the
 * URL, so the error does not name a dead host. */
static int error_of(const struct transfer *t, CURLcode code)
{
    curl_off_t connected_us = 0;
    if (t->denied || t->len > 0 || redirected(t))
        return ERR_SYSTEM;
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return ERR_NOT_FOUND;
    if (code != CURLE_OPERATION_TIMEDOUT)
        return ERR_SYSTEM;
    (void)curl_easy_getinfo(t->easy, CURLINFO_CONNECT_TIME_T, &connected_us);
    if (!had_time(t, connected_us == 0 ? CONNECT_MS : TOTAL_MS))
        return ERR_SYSTEM;
    return connected_us == 0 ? ERR_NOT_FOUND : ERR_AGAIN;
}

static const char *reason_of(const struct transfer *t, CURLcode code)
{
    if (t->denied)
        return "the URL leads to a loopback, link-local or multicast address";
    if (t->too_long || code == CURLE_FILESIZE_EXCEEDED)
        return "the answer is longer than 1 MiB";
    if (t->begun_at == 0 && code == CURLE_OPERATION_TIMEDOUT)
        return "too many other fetches from this server go first";
    return t->error[0] != '\0' ? t->error : curl_easy_strerror(code);
}

static void transfer_end(struct fetcher *f, struct transfer *t, CURLcode code)
{
    const struct fetch_answer whole = {.n_octets = (uint32_t)t->len, .job = t->request.job};
    if (code == CURLE_OK)
        answer_send(f, &whole, span_of(t->octets, t->len));
    else
        failure_send(f, t->request.job, error_of(t, code), reason_of(t, code));
    (void)curl_multi_remove_handle(f->multi, t->easy);
    transfer_free(t);
}

static void transfer_begin(struct fetcher *f, const struct fetch_request *request, struct span body)
{
    struct transfer *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->request = *request;
        if (body.len > 0)
            memcpy(t->body, body.ptr, body.len);
        t->easy = curl_easy_init();
    }
    if (t != NULL && t->easy != NULL && transfer_set(f, t) &&
        curl_multi_add_handle(f->multi, t->easy) == CURLM_OK)
        return;
    failure_send(f, request->job, ERR_SYSTEM, "there is no memory for the transfer");
    if (t != NULL)
        transfer_free(t);
}

/* --- the verifier --- */

/* request_take - handles one request. false: none waits. We exit if the request is malformed: our
 * verifier sends no such request. */
static bool request_take(struct fetcher *f)
{
    struct fetch_request request;
    uint8_t body[FETCH_BODY];
    size_t n;
    int error = channel_recv_tail(f->channel, &request, sizeof(request),
                                  (struct buffer){body, sizeof(body)}, &n);
    if (error == ERR_AGAIN)
        return false;
    if (error == 0 && memchr(request.url, '\0', sizeof(request.url)) == NULL)
        error = ERR_INVALID;
    if (error == 0)
        transfer_begin(f, &request, span_of(body, n));
    f->error = f->error != 0 ? f->error : error;
    return f->error == 0;
}

static void serve(struct fetcher *f)
{
    struct curl_waitfd door = {.fd = f->channel, .events = CURL_WAIT_POLLIN};
    int running, left;
    while (f->error == 0) {
        const CURLMsg *message;
        if (curl_multi_perform(f->multi, &running) != CURLM_OK)
            f->error = ERR_SYSTEM;
        while (f->error == 0 && (message = curl_multi_info_read(f->multi, &left)) != NULL) {
            struct transfer *t = NULL;
            CURLcode code = message->data.result;
            if (message->msg == CURLMSG_DONE &&
                curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &t) == CURLE_OK)
                transfer_end(f, t, code);
        }
        door.revents = 0;
        if (f->error == 0 && curl_multi_poll(f->multi, &door, 1, running > 0 ? TURN_MS : INT32_MAX,
                                             NULL) != CURLM_OK)
            f->error = ERR_SYSTEM;
        if (f->error == 0 && door.revents != 0)
            (void)request_take(f);
    }
}

static bool fetcher_init(struct fetcher *f)
{
    (void)mallopt(M_ARENA_MAX,
                  1); /* threads that resolve names get no address space of their own */
    if (curl_global_init(CURL_GLOBAL_NOTHING) != CURLE_OK)
        return false;
    f->multi = curl_multi_init();
    f->ocsp_headers = curl_slist_append(NULL, "Content-Type: application/ocsp-request");
    return f->multi != NULL && f->ocsp_headers != NULL &&
           curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, AT_ONCE) == CURLM_OK &&
           curl_multi_setopt(f->multi, CURLMOPT_MAX_HOST_CONNECTIONS, AT_ONE_HOST) == CURLM_OK;
}

int fetcher_run(int fd, pid_t parent)
{
    /* names are resolved as in the resolver process, by threads of libcurl */
    const struct confinement kept = {.process = PROCESS_FETCHER,
                                     .files = SANDBOX_FILES_READ,
                                     .calls = SANDBOX_READER,
                                     .descriptors = DESCRIPTORS,
                                     .threads = true};
    struct fetcher fetcher = {.channel = fd};
    if (!fetcher_init(&fetcher) || confine(&kept, parent) != 0) {
        log_line(LOG_LEVEL_ERROR, "event=helper-failed what=fetcher reason=\"%s\"",
                 strerror(errno));
        return EXIT_FAILURE;
    }
    serve(&fetcher);
    return fetcher.error == ERR_NOT_FOUND ? EXIT_SUCCESS : EXIT_FAILURE;
}
