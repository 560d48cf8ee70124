/* SPDX-License-Identifier: Apache-2.0 */
#include "explorer/play.h"

#include "exchange/party.h"
#include "exchange/plane.h"

#define FLIGHTS  ORDER_EVENTS
#define SENT_MAX 256
/* Timers up to here belong to exchanges; later ones are lifetimes, which world_run() waits for. */
#define PATIENCE_NS (40 * NANOS_PER_SEC)

enum kind { KIND_BEGIN, KIND_DELIVER };

const struct operation operations[] = {
    {"nothing", IKE_CMD_PROBE, .nothing = true},
    {"rekey-child", IKE_CMD_REKEY_CHILD, .children = 0},
    {"rekey-ike", IKE_CMD_REKEY_IKE, .children = 0},
    {"clone", IKE_CMD_CLONE, .sas = 1},
    {"clone-unused", IKE_CMD_CLONE, .unused_old = true},
    {"create-child", IKE_CMD_CREATE_CHILD, .children = 1},
    {"delete-child", IKE_CMD_DELETE_CHILD, .ends = true},
    {"delete-ike", IKE_CMD_DELETE_IKE, .ends = true},
    {"probe", IKE_CMD_PROBE, .children = 0},
    {"move", IKE_CMD_MOVE, .only_a = true},
    {"create-moved", IKE_CMD_CREATE_MOVED, .children = 1, .only_a = true},
    {"gateway-moves", IKE_CMD_CREATE_MOVED, .children = 1, .only_b = true},
    {"reauth", IKE_CMD_REAUTH, .ends = true, .only_a = true},
    {"ask-reauth", IKE_CMD_REAUTH, .children = 0, .only_b = true},
    {"login", IKE_CMD_CONNECT, .only_a = true},
};
const unsigned n_operations = ARRAY_LEN(operations);

const struct variant variants[] = {
    {"keep-old", IKE_CLONE_BOTH, IKE_CLONE_BOTH, IKE_CLONE_KEEP_OLD, .blind = false},
    {"rfc7791", IKE_CLONE_BOTH, IKE_CLONE_BOTH, IKE_CLONE_RFC7791, .blind = false},
    {"blind", IKE_CLONE_KEEP_OLD, IKE_CLONE_OFF, IKE_CLONE_KEEP_OLD, .blind = true},
    {"on-clone", IKE_CLONE_BOTH, IKE_CLONE_BOTH, IKE_CLONE_KEEP_OLD, .on_clone = true},
    {"login", IKE_CLONE_BOTH, IKE_CLONE_BOTH, IKE_CLONE_KEEP_OLD, .logging_in = true},
    {"rounds", IKE_CLONE_BOTH, IKE_CLONE_BOTH, IKE_CLONE_KEEP_OLD, .logging_in = true,
     .rounds = true},
};
const unsigned n_variants = ARRAY_LEN(variants);
const char *const fate_names[FATES] = {"none", "lost", "twice", "late"};

struct flight {
    unsigned host, ordinal, copy; /* of the sender */
    bool late;
    struct ike_datagram d;
};

/* struct sent - a message that was sent; a copy must have the same octets (RFC 7296 section
 * 2.1). */
struct sent {
    unsigned host;
    uint8_t header[24]; /* SPIs, next payload to message ID */
    uint8_t part[4];    /* of SKF */
    uint64_t digest;
};

bool operation_fits(const struct variant *variant, const struct operation *operation, unsigned host)
{
    bool login = operation->kind == IKE_CMD_CONNECT;
    if (host == 0 ? operation->only_b : operation->only_a)
        return false;
    if (operation->only_b && operation->kind == IKE_CMD_CREATE_MOVED)
        return variant->on_clone;
    return host == 0 ? login == variant->logging_in : !login;
}

static struct running {
    const struct schedule *schedule;
    struct world *world;
    struct plane plane[2];
    unsigned n_sent[2], n_flights, n_digests;
    struct flight flights[FLIGHTS];
    struct sent digests[SENT_MAX];
    bool begun[2], hit;
    uint64_t tags[2];
} running;

static uint64_t digest(const uint8_t *octets, size_t len)
{
    uint64_t h = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ octets[i]) * 0x100000001b3;
    return h;
}

static void check_octets(struct running *r, unsigned host, const struct ike_datagram *d)
{
    struct sent now = {.host = host, .digest = digest(d->octets, d->len)};
    memcpy(now.header, d->octets, sizeof(now.header));
    if (d->octets[16] == 53 && d->len > 36) /* SKF: fragment number and total */
        memcpy(now.part, d->octets + 32, sizeof(now.part));
    for (unsigned i = 0; i < r->n_digests; i++) {
        const struct sent *s = &r->digests[i];
        if (s->host == host && memcmp(s->header, now.header, sizeof(s->header)) == 0 &&
            memcmp(s->part, now.part, sizeof(s->part)) == 0) {
            assert_true(s->digest == now.digest);
            return;
        }
    }
    assert_true(r->n_digests < SENT_MAX);
    r->digests[r->n_digests++] = now;
}

static void flight_add(struct running *r, unsigned host, const struct ike_datagram *d,
                       unsigned copy, bool late)
{
    assert_true(r->n_flights < FLIGHTS);
    r->flights[r->n_flights++] = (struct flight){host, r->n_sent[host], copy, late, *d};
}

static bool capture(struct world *world, bool to_b, struct ike_datagram *d)
{
    struct running *r = world->hook_context;
    const struct schedule *s = r->schedule;
    unsigned host = to_b ? 0 : 1;
    check_octets(r, host, d);
    bool struck =
        s->fate != FATE_NONE && s->fate_host == host && s->fate_ordinal == r->n_sent[host];
    r->hit |= struck;
    if (!struck || s->fate != FATE_LOST)
        flight_add(r, host, d, 0, struck && s->fate == FATE_LATE);
    if (struck && s->fate == FATE_TWICE)
        flight_add(r, host, d, 1, false);
    r->n_sent[host]++;
    return false;
}

static struct peer *peer_of(struct running *r, unsigned host)
{
    return host == 0 ? &r->world->a : &r->world->b;
}

static const struct variant *variant_of(const struct running *r)
{
    return &variants[r->schedule->variant];
}

static const struct operation *operation_of(const struct schedule *s, unsigned host)
{
    return &operations[host == 0 ? s->of_a : s->of_b];
}

static void begin(struct running *r, unsigned host)
{
    struct peer *peer = peer_of(r, host);
    const struct operation *operation = operation_of(r->schedule, host);
    struct ike_session_info session = {0};
    struct ike_path path = world_path(1);
    struct ike_command command = {.kind = operation->kind,
                                  .sa = world_sa(peer, variant_of(r)->on_clone),
                                  .child_id = world_child(peer, 0),
                                  .unused_old = operation->unused_old,
                                  .path = path};
    struct ike_child_info child;
    bool of_child =
        operation->kind == IKE_CMD_REKEY_CHILD || operation->kind == IKE_CMD_DELETE_CHILD;
    r->begun[host] = true;
    if (operation->kind == IKE_CMD_CONNECT) {
        command = (struct ike_command){
            .kind = IKE_CMD_CONNECT, .conn = "office", .clone = true, .path = world_path(0)};
        r->tags[host] = world_post(peer, command);
        return;
    }
    if (host == 1)
        command.path = (struct ike_path){.local = path.remote, .remote = path.local};
    if (operation->nothing || command.sa == 0 || !ike_session_next(peer->ike, 0, &session) ||
        (of_child && !ike_child_get(peer->ike, command.child_id, &child)))
        return; /* the other end was faster, and no work is left */
    command.session = session.id;
    if (operation->kind == IKE_CMD_REAUTH)
        command.path = world_path(0);
    r->tags[host] = world_post(peer, command);
}

/* enabled - the events that can happen; the first one is next in turn. */
static void enabled(const struct running *r, struct order_set *ret)
{
    ret->n = 0;
    for (unsigned host = 0; host < 2; host++)
        if (!r->begun[host])
            ret->events[ret->n++] = order_event(host, KIND_BEGIN, 0, 0);
    for (unsigned i = 0; i < r->n_flights; i++) {
        const struct flight *f = &r->flights[i];
        bool second = false; /* of two equal datagrams the first one is first */
        for (unsigned j = 0; j < i; j++)
            second |= r->flights[j].host == f->host && r->flights[j].ordinal == f->ordinal;
        if (!second && !f->late)
            ret->events[ret->n++] = order_event(1 - f->host, KIND_DELIVER, f->ordinal, f->copy);
    }
}

static void happen(struct running *r, uint32_t event)
{
    unsigned host = order_host(event), i = 0;
    if ((event >> 24 & 0x3f) == KIND_BEGIN) {
        begin(r, host);
        return;
    }
    while (order_event(1 - r->flights[i].host, KIND_DELIVER, r->flights[i].ordinal,
                       r->flights[i].copy) != event)
        i++;
    struct flight f = r->flights[i];
    memmove(&r->flights[i], &r->flights[i + 1], (--r->n_flights - i) * sizeof(r->flights[0]));
    struct ike_path path = {.local = f.d.path.remote, .remote = f.d.path.local};
    world_deliver_raw(r->world, f.host == 0, &path, span_of(f.d.octets, f.d.len));
}

/* timer - no datagram is in flight: runs the next timer of an exchange. false: none. */
static bool timer(struct running *r)
{
    struct world *world = r->world;
    nanos at = nanos_min(ike_deadline(world->a.ike), ike_deadline(world->b.ike));
    bool due = at != NANOS_NEVER && at - world->now < PATIENCE_NS, waits = false;
    if (due)
        world_run(world, at > world->now ? at - world->now : 0);
    for (unsigned i = 0; i < r->n_flights; i++) {
        waits |= r->flights[i].late;
        r->flights[i].late = false;
    }
    return due || waits;
}

/* look - after each event: no end sends on a Child SA that the other end does not know. */
static void look(struct running *r)
{
    const struct world *world = r->world;
    plane_follow(&r->plane[0], &world->a);
    plane_follow(&r->plane[1], &world->b);
    assert_true(world_n_sas(&world->a) <= 8 && world_n_sas(&world->b) <= 8);
    bool through = r->plane[0].n_inbound > 0 && r->plane[1].n_inbound > 0;
    if (operation_of(r->schedule, 0)->ends || operation_of(r->schedule, 1)->ends || !through)
        return;
    for (unsigned host = 0; host < 2; host++) {
        assert_int_not_equal(r->plane[host].sending, 0);
        assert_true(plane_gets_through(&r->plane[host], &r->plane[1 - host], world->now));
    }
}

static int gain(struct running *r, unsigned host, int sas)
{
    const struct ike_event *done =
        r->tags[host] == 0 ? NULL : world_done(peer_of(r, host), r->tags[host]);
    return done != NULL && done->outcome == IKE_OK ? sas : 0;
}

static void check_end(struct running *r)
{
    struct world *world = r->world;
    world_check(world);
    int sas = 1 + (variant_of(r)->on_clone || variant_of(r)->logging_in), children = 1;
    bool ends = false;
    for (unsigned host = 0; host < 2; host++) {
        const struct operation *operation = operation_of(r->schedule, host);
        assert_true(r->tags[host] == 0 || world_done(peer_of(r, host), r->tags[host]) != NULL);
        sas += gain(r, host, operation->sas);
        if (operation->kind == IKE_CMD_CREATE_MOVED)
            children += gain(r, host, 1);
        else if (r->tags[host] != 0)
            children += operation->children;
        ends |= operation->ends;
    }
    struct ike_stats stats;
    ike_stats_get(world->b.ike, &stats);
    assert_int_equal(stats.sessions, world->b.n_leases);
    assert_int_equal(stats.half_open, 0);
    if (ends)
        return;
    assert_int_equal(world_n_sas(&world->a), sas);
    assert_int_equal(world_n_children(&world->a), children);
}

/* up_to_clone - the session has a clone without a Child SA. */
static void up_to_clone(struct world *world)
{
    struct address own[2] = {world_path(0).local.address, world_path(1).local.address};
    ike_local_addresses_set(world->a.ike, own, 2, world->now);
    assert_int_equal(world_connect(world), IKE_OK);
    struct ike_command clone = {.kind = IKE_CMD_CLONE, .sa = world_sa(&world->a, 0)};
    assert_int_equal(world_command(&world->a, clone), IKE_OK);
}

static void setup(struct running *r, const struct schedule *schedule)
{
    const struct variant *v = &variants[schedule->variant];
    *r = (struct running){.schedule = schedule, .world = world_new(7)};
    struct world *world = r->world;
    world->conn_a->prefer = world->conn_b->prefer = v->prefer;
    world->conn_a->keep_old_blind = v->blind;
    world->conn_a->clone = v->clone_a;
    world->conn_b->clone = v->clone_b;
    world->conn_a->combined_auth = world->conn_b->combined_auth = v->logging_in;
    if (v->rounds)
        party_rounds(world->conn_a, world->conn_b);
    if (v->on_clone)
        world->conn_a->reduced = world->conn_b->reduced = IKE_REDUCED_GATEWAY;
    world_start(world);
    if (v->on_clone)
        up_to_clone(world);
    else if (!v->logging_in)
        assert_int_equal(world_connect(world), IKE_OK);
    look(r);
    world->hook = capture;
    world->hook_context = r;
}

bool play(const struct schedule *schedule, struct order *order, bool *ret_hit)
{
    struct running *r = &running;
    struct order_set next;
    uint32_t event = 0;
    setup(r, schedule);
    order_begin(order);
    for (;;) {
        enabled(r, &next);
        if (next.n == 0) {
            if (!timer(r))
                break;
            look(r);
            continue;
        }
        event = order_choose(order, &next);
        if (event == ORDER_PRUNED)
            break;
        happen(r, event);
        world_run(r->world, NANOS_PER_MS);
        look(r);
    }
    r->world->hook = NULL;
    if (event != ORDER_PRUNED) {
        world_run(r->world, 400 * NANOS_PER_SEC);
        check_end(r);
    }
    *ret_hit = r->hit;
    world_free(r->world);
    return event != ORDER_PRUNED;
}
