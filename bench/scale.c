/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: scale [SESSIONS...] - a Gateway with so many sessions of two IKE SAs in one process: what
 * a login, a clone and a lookup cost it, and its memory. IKE core, path manager and address pools
 * are the real ones, on virtual time; End Users log in one after another, clone, and are forgotten
 * on their side. Prints a line of JSON for each number of sessions.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/writer.h"
#include "crypto/prf.h"
#include "crypto/provider.h"
#include "crypto/sk.h"
#include "daemon/engine/engine_state.h"
#include "daemon/tables/pools.h"
#include "exchange/party.h"
#include "ike/terms/identity.h"
#include "multipath/path_manager.h"
#include "wire/message.h"

#define STEP_NS      NANOS_PER_US /* of virtual time between two events */
#define SESSIONS_MAX 16000000     /* addresses of End Users */
#define WARM         16           /* sessions before memory is first looked at */
#define SMALL        1000         /* sessions of the Gateway to compare with */
#define WINDOW       1000         /* operations that are measured ... */
#define CHUNK        50           /* ... in portions of so many, of which the middle one is told */
#define LOOKUPS      4096         /* in a row, CHUNK times */
#define PROBES       64           /* the same */
#define DPD_NS       (3600 * NANOS_PER_SEC)
#define PROBE_IV     1000000 /* far from what the End User has used */

static const char psk[] = "a secret of both";

struct side {
    struct ike *ike;
    struct crypto_provider *crypto;
    struct random random;
    uint64_t dice;
    struct ike_conn *conn;
    struct path_manager *paths; /* Gateway only, like the pools */
    struct pools *pools;
    ike_sa_id sa; /* that came up last */
    unsigned done, failed;
};

struct scale {
    struct side user, gateway;
    nanos now;
    struct ike_path path; /* as the End User sees it */
    unsigned sessions;
    uint32_t *asked; /* owned; next Message ID of each session's clone */
    unsigned asked_room;
    nanos busy_ns; /* processor time of the Gateway in the current operation */
    struct ike_datagram datagram;
};

static nanos cpu_now(void)
{
    struct timespec ts;
    int err = clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    ASSERT(err == 0);
    return ts.tv_sec * NANOS_PER_SEC + ts.tv_nsec;
}

/* --- the two sides --- */

static void side_init(struct side *side, bool gateway)
{
    *side = (struct side){.dice = gateway ? 1 : 2};
    side->random = dice_random(&side->dice);
    side->crypto = crypto_new();
    struct ike_options options = {.crypto = side->crypto, .random = &side->random};
    side->ike = ike_new(&options);
    side->conn = party_conn(gateway);
    side->conn->lifetime = (struct ike_lifetime){.rekey_ns = 4 * 3600 * NANOS_PER_SEC};
    side->conn->dpd_delay_ns = DPD_NS;
    side->conn->unique = IKE_UNIQUE_REPLACE;
    int err = ike_conn_add(side->ike, side->conn);
    ASSERT(err == 0);
    if (!gateway)
        return;
    struct path_options view = {.random = &side->random, .view = path_view_of(side->ike)};
    struct pool_config inner = {.name = "pool"};
    side->paths = path_manager_new(&view);
    side->pools = pools_new((const uint8_t[16]){1});
    bool parsed = range_parse("10.0.0.0/8", &inner.range);
    err = pools_load(side->pools, &inner, NULL);
    ASSERT(parsed && err == 0 && side->paths != NULL);
}

static void side_done(struct side *side)
{
    path_manager_free(side->paths);
    pools_free(side->pools);
    ike_free(side->ike);
    ike_conn_unref(side->conn);
    crypto_free(side->crypto);
}

static void job(struct scale *scale, struct side *side, const struct ike_event *event)
{
    uint8_t auth[PARTY_ROOM];
    struct ike_result result = {0};
    if (event->kind == IKE_EV_AUTH_SIGN || event->kind == IKE_EV_AUTH_VERIFY)
        party_auth(side->crypto, psk, event, auth, &result);
    else if (event->kind == IKE_EV_LEASE)
        result.error =
            pools_lease(side->pools, &event->lease, NULL, event->session, &result.config);
    else if (event->kind != IKE_EV_CHILD_INSTALL && event->kind != IKE_EV_ADMIT)
        return;
    ike_complete(side->ike, event->job, &result, scale->now);
}

static void pull(struct scale *scale, struct side *side)
{
    struct ike_command command;
    struct path_order order;
    struct path_news news;
    const struct ike_event *event;
    while ((event = ike_event(side->ike)) != NULL) {
        job(scale, side, event);
        if (event->kind == IKE_EV_SA_UP)
            side->sa = event->sa;
        if (event->kind == IKE_EV_LEASE_RELEASE && side->pools != NULL)
            pools_release(side->pools, event->session);
        if (event->kind == IKE_EV_COMMAND_DONE) {
            side->done++;
            side->failed += event->outcome != IKE_OK;
        }
        if (side->paths == NULL)
            continue;
        path_manager_event(side->paths, event, scale->now);
        while (path_manager_order(side->paths, &order))
            ;
        while (path_manager_news(side->paths, &news))
            ;
        while (path_manager_command(side->paths, &command))
            if (ike_command(side->ike, &command, scale->now) != 0)
                path_manager_refused(side->paths, command.tag, ERR_WRONG_STATE, scale->now);
    }
}

/* gateway_takes - one datagram; what that costs the Gateway is counted. */
static void gateway_takes(struct scale *scale, const struct ike_path *path, struct span octets)
{
    nanos began = cpu_now();
    ike_tick(scale->gateway.ike, scale->now);
    path_manager_tick(scale->gateway.paths, scale->now);
    ike_recv(scale->gateway.ike, path, octets, scale->now);
    pull(scale, &scale->gateway);
    scale->busy_ns += cpu_now() - began;
}

static struct ike_path reversed(const struct ike_path *path)
{
    return (struct ike_path){.local = path->remote, .remote = path->local};
}

/* talk - until nobody has anything to say; no datagram is lost. */
static void talk(struct scale *scale)
{
    struct ike_datagram *d = &scale->datagram;
    for (;;) {
        scale->now += STEP_NS;
        pull(scale, &scale->user);
        if (ike_send(scale->user.ike, d)) {
            struct ike_path path = reversed(&d->path);
            gateway_takes(scale, &path, span_of(d->octets, d->len));
        } else if (ike_send(scale->gateway.ike, d)) {
            struct ike_path path = reversed(&d->path);
            ike_recv(scale->user.ike, &path, span_of(d->octets, d->len), scale->now);
        } else {
            return;
        }
    }
}

/* command - of the End User, to its end. Returns what it cost the Gateway. */
static nanos command(struct scale *scale, const struct ike_command *command)
{
    unsigned done = scale->user.done;
    scale->busy_ns = 0;
    int err = ike_command(scale->user.ike, command, scale->now);
    ASSERT(err == 0);
    talk(scale);
    ASSERT(scale->user.done == done + 1 && scale->user.failed == 0);
    return scale->busy_ns;
}

/* forget - the End User's half goes without a word, as the next one takes its place. */
static void forget(struct scale *scale)
{
    struct ike_sa_info sa;
    bool found = ike_sa_get(scale->user.ike, scale->user.sa, &sa);
    ASSERT(found);
    struct ike_command end = {.kind = IKE_CMD_DELETE_SESSION, .session = sa.session, .force = true};
    int err = ike_command(scale->user.ike, &end, scale->now);
    ASSERT(err == 0);
    pull(scale, &scale->user);
    while (ike_send(scale->user.ike, &scale->datagram))
        ;
}

static void session_add(struct scale *scale, nanos *ret_login_ns, nanos *ret_clone_ns)
{
    char name[64];
    unsigned n = scale->sessions++;
    if (n == scale->asked_room) {
        scale->asked_room = 2 * n + WARM;
        scale->asked = reallocarray(scale->asked, scale->asked_room, sizeof(scale->asked[0]));
        ASSERT(scale->asked != NULL);
    }
    scale->asked[n] = 0;
    (void)snprintf(name, sizeof(name), "u%06u.user.example", n);
    int err = identity_parse(name, &scale->user.conn->local[0].id);
    ASSERT(err == 0);
    scale->path.local.address.octets[1] = (uint8_t)(n >> 16);
    scale->path.local.address.octets[2] = (uint8_t)(n >> 8);
    scale->path.local.address.octets[3] = (uint8_t)n;
    struct ike_command connect = {
        .kind = IKE_CMD_CONNECT, .tag = 1, .conn = scale->user.conn->name, .path = scale->path};
    *ret_login_ns = command(scale, &connect);
    struct ike_command clone = {.kind = IKE_CMD_CLONE, .tag = 1, .sa = scale->user.sa};
    *ret_clone_ns = command(scale, &clone);
    forget(scale);
}

/* --- figures --- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* middle - the mean of the middle portion: what else runs on the machine disturbs the others. */
static double middle(const nanos *each, size_t n)
{
    double chunks[WINDOW / CHUNK];
    size_t n_chunks = n / CHUNK;
    for (size_t i = 0; i < n_chunks; i++) {
        chunks[i] = 0;
        for (size_t k = 0; k < CHUNK; k++)
            chunks[i] += (double)each[i * CHUNK + k] / CHUNK;
    }
    qsort(chunks, n_chunks, sizeof(chunks[0]), compare);
    return chunks[n_chunks / 2];
}

static double longest(const nanos *each, size_t n)
{
    nanos most = 0;
    for (size_t i = 0; i < n; i++)
        most = each[i] > most ? each[i] : most;
    return (double)most / 1e3;
}

/* stale - a message of an IKE SA with a Message ID that is long past: found, and dropped. */
static void stale(const struct ike_sa_info *sa, uint8_t octets[IKE_HEADER_LEN + 4])
{
    struct ike_header header = {.spi_i = sa->spi_i,
                                .spi_r = sa->spi_r,
                                .next_payload = WIRE_PAYLOAD_SK,
                                .version = IKE_VERSION,
                                .exchange = WIRE_INFORMATIONAL,
                                .flags = IKE_FLAG_INITIATOR,
                                .message_id = 1000,
                                .length = IKE_HEADER_LEN + 4};
    ike_header_write(&header, octets);
    memcpy(octets + IKE_HEADER_LEN, (uint8_t[]){0, 0, 0, 4}, 4);
}

/* by_spi - IKE SAs at random; `batch` datagrams are received at once. */
static double by_spi(struct scale *scale, uint64_t *dice, size_t batch)
{
    static struct span datagrams[LOOKUPS];
    static uint8_t octets[LOOKUPS][IKE_HEADER_LEN + 4];
    struct ike_path path = reversed(&scale->path);
    struct ike_sa_info info;
    for (size_t i = 0; i < LOOKUPS; i++) {
        ike_sa_id id = (ike_sa_id)(dice_next(dice) % ((uint64_t)2 * scale->sessions) + 1);
        bool found = ike_sa_get(scale->gateway.ike, id, &info);
        ASSERT(found);
        stale(&info, octets[i]);
    }
    for (size_t i = 0; i < LOOKUPS; i++)
        datagrams[i] = span_of(octets[i], sizeof(octets[i]));
    nanos began = cpu_now();
    for (size_t i = 0; i < LOOKUPS; i++) {
        if (i % batch == 0 && batch > 1)
            ike_expect(scale->gateway.ike, datagrams + i, batch);
        ike_recv(scale->gateway.ike, &path, datagrams[i], scale->now);
    }
    return (double)(cpu_now() - began) / LOOKUPS;
}

/* probe - an empty INFORMATIONAL request of the End User on an IKE SA. */
static void probe(struct scale *scale, const struct ike_sa_info *sa, uint32_t message_id,
                  struct buffer message)
{
    enum { ASSOCIATED = IKE_HEADER_LEN + 4 };
    struct ike_keylog keys;
    bool found = ike_keylog_get(scale->gateway.ike, sa->id, &keys);
    struct sk_keys sk = {.encr = crypto_encr_find(sa->encr, sa->encr_key_bits),
                         .integ = crypto_integ_find(sa->integ),
                         .encr_key = secret_span(&keys.sk_ei).ptr,
                         .integ_key = secret_span(&keys.sk_ai).ptr};
    message.len = ASSOCIATED + sk_size(&sk, 0);
    stale(sa, message.ptr);
    struct writer w = writer_of(message.ptr + 20, ASSOCIATED - 20);
    write_u32(&w, message_id);
    write_u32(&w, (uint32_t)message.len);
    write_u16(&w, 0);
    write_u16(&w, (uint16_t)(message.len - IKE_HEADER_LEN));
    int err = sk_seal(scale->user.crypto, &sk, message, ASSOCIATED, 0, PROBE_IV + message_id,
                      &scale->user.random);
    ASSERT(found && !writer_failed(&w) && err == 0);
}

/* by_request - IKE SAs at random answer a liveness check. */
static double by_request(struct scale *scale, uint64_t *dice)
{
    uint8_t octets[128];
    struct ike_sa_info info;
    struct ike_path path = reversed(&scale->path);
    scale->busy_ns = 0;
    for (size_t i = 0; i < PROBES; i++) {
        size_t clone = (size_t)(dice_next(dice) % scale->sessions);
        bool found = ike_sa_get(scale->gateway.ike, (ike_sa_id)(2 * clone + 2), &info);
        ASSERT(found && info.parent != 0);
        probe(scale, &info, scale->asked[clone]++, (struct buffer){octets, sizeof(octets)});
        size_t len = (size_t)octets[26] << 8 | octets[27];
        gateway_takes(scale, &path, span_of(octets, len));
        bool answered = ike_send(scale->gateway.ike, &scale->datagram);
        ASSERT(answered && (scale->datagram.octets[19] & IKE_FLAG_RESPONSE) != 0);
    }
    return (double)scale->busy_ns / PROBES;
}

static double median(const double values[CHUNK])
{
    double sorted[CHUNK];
    memcpy(sorted, values, sizeof(sorted));
    qsort(sorted, CHUNK, sizeof(sorted[0]), compare);
    return sorted[CHUNK / 2];
}

static size_t resident(void)
{
    unsigned long size = 0, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL || fscanf(file, "%lu %lu", &size, &pages) != 2)
        pages = 0;
    if (file != NULL)
        (void)fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t allocated(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

struct memory {
    size_t resident, allocated;
};

/* figures - of one Gateway. */
struct figures {
    nanos login[WINDOW], clone[WINDOW];
    double single[CHUNK], spi[CHUNK], request[CHUNK];
};

static void pair(const char *name, double value, double small)
{
    printf(", \"%s\": [%.3f, %.3f]", name, value, small);
}

static void report(const struct figures f[2], unsigned sessions, struct memory used)
{
    double sas = 2.0 * (sessions - WARM);
    printf("{\"sessions\": %u", sessions);
    pair("login_us", middle(f[0].login, WINDOW) / 1e3, middle(f[1].login, WINDOW) / 1e3);
    pair("clone_us", middle(f[0].clone, WINDOW) / 1e3, middle(f[1].clone, WINDOW) / 1e3);
    pair("request_us", median(f[0].request) / 1e3, median(f[1].request) / 1e3);
    pair("lookup_us", median(f[0].spi) / 1e3, median(f[1].spi) / 1e3);
    pair("single_us", median(f[0].single) / 1e3, median(f[1].single) / 1e3);
    pair("longest_login_us", longest(f[0].login, WINDOW), longest(f[1].login, WINDOW));
    printf(", \"octets_per_sa\": %.0f, \"resident_per_sa\": %.0f}\n", (double)used.allocated / sas,
           (double)used.resident / sas);
    (void)fflush(stdout);
}

static void gateway_new(struct scale *scale)
{
    *scale = (struct scale){0};
    side_init(&scale->user, false);
    side_init(&scale->gateway, true);
    bool parsed = address_parse("198.0.0.0", &scale->path.local.address) &&
                  address_parse("192.0.2.1", &scale->path.remote.address);
    ASSERT(parsed);
}

static void gateway_free(struct scale *scale)
{
    ike_check_invariants(scale->gateway.ike);
    path_manager_check_invariants(scale->gateway.paths);
    struct path_status status, again;
    size_t paths = 0;
    while (path_manager_status(scale->gateway.paths, paths, &status))
        paths++;
    ASSERT(paths == 2 * (size_t)scale->sessions);
    bool first = path_manager_status(scale->gateway.paths, 1, &status);
    bool last = path_manager_status(scale->gateway.paths, paths - 1, &again);
    ASSERT(first && last && status.session == 1 && again.session == scale->sessions);
    side_done(&scale->user);
    side_done(&scale->gateway);
    free(scale->asked);
}

static void fill(struct scale *scale, unsigned until)
{
    nanos login, clone;
    while (scale->sessions < until)
        session_add(scale, &login, &clone);
}

/* measure - this Gateway and a small one, in turns. */
static void measure(struct scale *scale, struct figures f[2])
{
    static struct scale small;
    struct scale *both[2] = {scale, &small};
    uint64_t dice[2] = {3, 3};
    gateway_new(&small);
    fill(&small, SMALL);
    for (size_t i = 0; i < WINDOW; i++)
        for (unsigned k = 0; k < 2; k++)
            session_add(both[k], &f[k].login[i], &f[k].clone[i]);
    for (size_t i = 0; i < CHUNK; i++)
        for (unsigned k = 0; k < 2; k++) {
            f[k].single[i] = by_spi(both[k], &dice[k], 1);
            f[k].spi[i] = by_spi(both[k], &dice[k], ENGINE_BATCH);
            f[k].request[i] = by_request(both[k], &dice[k]);
        }
    gateway_free(&small);
}

int main(int argc, char **argv)
{
    static const char *const usual[] = {"1000", "10000", "100000"};
    static struct scale scale;
    static struct figures figures[2];
    gateway_new(&scale);
    fill(&scale, WARM); /* what is allocated once does not count */
    size_t resident_0 = resident(), allocated_0 = allocated();
    size_t n = argc > 1 ? (size_t)argc - 1 : sizeof(usual) / sizeof(usual[0]);
    for (size_t i = 0; i < n; i++) {
        unsigned long until = strtoul(argc > 1 ? argv[i + 1] : usual[i], NULL, 10);
        if (until < SMALL || until > SESSIONS_MAX || until < scale.sessions) {
            (void)fprintf(stderr, "scale: numbers of sessions from %d on, ascending\n", SMALL);
            return 2;
        }
        fill(&scale, (unsigned)until);
        struct memory used = {resident() - resident_0, allocated() - allocated_0};
        measure(&scale, figures);
        report(figures, (unsigned)until, used);
    }
    gateway_free(&scale);
    return 0;
}
