/* SPDX-License-Identifier: Apache-2.0 */
/* What a wish asks for, and how long it lasts. */
#include "multipath/test_world.h"

#define SECONDS(n) ((nanos)(n)*NANOS_PER_SEC)
#define MS(n)      ((nanos)(n)*NANOS_PER_MS)

static bool connected(const struct world *world)
{
    return world->connected > 0;
}

static bool failed(const struct world *world)
{
    return world->failed > 0;
}

/* RFC 8305 section 5: 250 ms between two attempts; no peer answers. */
static void test_attempts_one_after_another(void **state)
{
    (void)state;
    struct world *world = world_new(3, 3);
    for (unsigned i = 0; i < 3; i++)
        world->links[i].hole = true;
    world_start(world);
    world_connect(world, true);
    for (unsigned attempts = 1; attempts <= 3; attempts++) {
        world_run(world, MS(attempts == 1 ? 200 : 250));
        assert_int_equal(world->connects, attempts);
    }
    world_free(world);
}

/* max_ike_sas (D-20) is a limit of our own, too: the paths behind it get no IKE SA. */
static void test_own_limit_of_ike_sas(void **state)
{
    (void)state;
    struct world *world = world_new(3, 5);
    world->conn->max_ike_sas = 2;
    world_start(world);
    world_connect(world, true);
    world_until(world, connected, SECONDS(5));
    world_run(world, SECONDS(30));
    assert_int_equal(world_established(world), 2);
    assert_int_equal(world->clones, 1);
    world_free(world);
}

static ike_sa_id established(const struct world *world)
{
    ike_sa_id id = 0;
    for (unsigned i = 0; i < WORLD_SAS; i++)
        if (world->sas[i].id != 0 && world->sas[i].life == IKE_ESTABLISHED)
            id = world->sas[i].id;
    return id;
}

/* An IKE SA keeps its number through all attempts of its login. The next session has the next
 * number, also after a restart of the Gateway: knocks use up no number. */
static void test_number_of_a_login(void **state)
{
    (void)state;
    struct world *world = world_new(1, 7);
    world->conn->keyingtries = 0;
    world->peer_up = false;
    world->flow = true;
    world_start(world);
    world_connect(world, true);
    ike_sa_id last = 0;
    for (unsigned login = 1; login <= 3; login++) {
        world->connects = 0;
        world_run(world, SECONDS(login == 1 ? 600 : 60));
        assert_in_range(world->connects, 2, 60);
        world->peer_started = world->now;
        world->peer_up = true;
        world_run(world, SECONDS(60));
        assert_int_equal(world->logins, login);
        assert_int_equal(world_established(world), 1);
        assert_int_equal(established(world), last + 1);
        last = world->last_id;
        world->peer_up = false;
    }
    world_free(world);
}

/* keyingtries counts rounds over all paths. */
static void test_keyingtries(void **state)
{
    (void)state;
    struct world *world = world_new(2, 6);
    world->conn->keyingtries = 2;
    world->peer_up = false;
    world_start(world);
    world_connect(world, true);
    world_until(world, failed, SECONDS(900));
    assert_int_equal(world->connects, 4);
    assert_int_equal(world->retries, 1);
    world_run(world, SECONDS(300));
    assert_int_equal(world->connects, 4);
    world_free(world);
}

/* A session that was wanted once ends for good. */
static void test_wanted_once(void **state)
{
    (void)state;
    struct world *world = world_new(2, 7);
    world_start(world);
    world_connect(world, false);
    world_until(world, world_all_up, SECONDS(5));
    for (unsigned link = 0; link < 2; link++)
        world_sa_kill(world, link, IKE_PEER_DELETED);
    world_run(world, SECONDS(120));
    assert_int_equal(world->logins, 1);
    world_free(world);
}

/* test_childless_login - RFC 6023: a caller that waits for a child gets CONNECTED once the Child SA
 * exists. */
static void test_childless_login(void **state)
{
    (void)state;
    struct world *world = world_new(1, 14);
    world->childless = true;
    world_start(world);
    world_connect(world, true);
    world_until(world, connected, SECONDS(5));
    assert_int_equal(world->logins, 1);
    assert_int_equal(world->creates, 1);
    assert_int_not_equal(world->sas[0].child, 0);
    world_free(world);
}

/* A path is up once the host has the routes of a Child SA on it. */
static void test_up_with_its_routes(void **state)
{
    (void)state;
    struct world *world = world_new(1, 5);
    world->no_routes = true;
    world_start(world);
    world_connect(world, true);
    world_run(world, SECONDS(5));
    assert_int_not_equal(world->sas[0].child, 0);
    assert_int_equal(world_path(world, "p0").state, PATH_CREATING);
    assert_int_equal(world->creates, 0); /* the login created the Child SA: no second one */
    world_child_routed(world);
    assert_int_equal(world_path(world, "p0").state, PATH_UP);
    world_free(world);
}

static bool ended(const struct world *world)
{
    return world->connected + world->failed > 0;
}

/* A path is not up before it has a Child SA, however the peer refuses it. */
static void test_refused_is_not_up(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct world *world = world_new(1, 15);
        bool keep = (i & 1) != 0;
        world->refuses = true;
        world->childless = (i & 2) != 0; /* CREATE_CHILD_SA is refused, not IKE_AUTH */
        world_start(world);
        world_connect(world, keep);
        if (i == 0) {
            world_until(world, ended, SECONDS(5));
            assert_int_equal(world->outcome, IKE_TS_REFUSED);
        }
        world_run(world, SECONDS(20));
        assert_int_equal(world->ups, 0);
        assert_int_not_equal(world_path(world, "p0").state, PATH_UP);
        world_free(world);
    }
}

static bool retried(const struct world *world)
{
    return world->retries > 0;
}

/* A login is refused, and another path brings the session. The next login has no answer: that is a timeout. */
static void test_refusal_is_forgotten(void **state)
{
    (void)state;
    struct world *world = world_new(2, 8);
    world_start(world);
    world_connect(world, true);
    world_sa_kill(world, 0, IKE_INVALID_SYNTAX); /* not final: the other path is tried */
    world_until(world, world_all_up, SECONDS(30));
    assert_int_equal(world->logins, 1);
    world->conn->keyingtries = 0;
    world->retries = 0;
    world->links[1].hole = true;
    world_run(world, MS(5));
    world_sa_kill(world, 0, IKE_PEER_DELETED);
    world->links[0].hole = true;
    world_sa_kill(world, 1, IKE_PEER_DELETED);
    world_until(world, retried, SECONDS(600));
    assert_int_equal(world->outcome, IKE_TIMEOUT);
    world_free(world);
}

static void all_deleted(struct world *world)
{
    for (unsigned link = 0; link < 2; link++)
        world_sa_kill(world, link, IKE_PEER_DELETED);
}

/* A Gateway that deletes a session may be restarting: the attempts of the next round repeat their
 * requests early, and no other attempts do. */
static void test_gateway_starts_anew(void **state)
{
    (void)state;
    struct world *world = world_new(2, 9);
    world->conn->keyingtries = 0;
    world_start(world);
    world_connect(world, true);
    world_until(world, world_all_up, SECONDS(5));
    all_deleted(world); /* a short life: the next login waits, and asks as usual */
    world_until(world, world_all_up, SECONDS(5));
    assert_int_equal(world->early, 0);
    world_run(world, SECONDS(30));
    world->links[0].hole = world->links[1].hole = true;
    all_deleted(world);
    world->retries = 0;
    world_until(world, retried, SECONDS(600));
    assert_int_equal(world->early, 2);
    world_run(world, SECONDS(5));
    assert_int_equal(world->early, 2);
    world_free(world);
}

static const struct address elsewhere = {.family = ADDRESS_V4, .octets = {203, 0, 113, 99}};
static const struct ike_gateway there = {
    .address = {.family = ADDRESS_V4, .octets = {203, 0, 113, 99}}};
static const struct ike_gateway named = {.name = "gw2.example"};

static unsigned logins_to(const struct world *world, const struct address *remote)
{
    unsigned n = 0;
    for (unsigned i = 0; i < WORLD_SAS; i++)
        n += world->sas[i].id != 0 && address_equal(&world->sas[i].path.remote.address, remote);
    return n;
}

/* An attacker on one link forges a REDIRECT: the login over the other link goes on. */
static void test_forged_redirect_on_one_path(void **state)
{
    (void)state;
    struct world *world = world_new(2, 8);
    world->links[0].hole = true;
    world->links[1].rtt = MS(300);
    world_start(world);
    world_connect(world, true);
    world_run(world, MS(20));
    assert_int_equal(world->connects, 1);
    world_redirect(world, 0, &there);
    for (unsigned ms = 0; ms < 2000; ms += 50) {
        world_run(world, MS(50));
        assert_int_equal(logins_to(world, &elsewhere), 0);
    }
    assert_true(connected(world));
    world_free(world);
}

/* The REDIRECT is followed if no other path answers within a second. */
static void test_redirect_while_others_are_dead(void **state)
{
    (void)state;
    struct world *world = world_new(2, 9);
    world->links[0].hole = world->links[1].hole = true;
    world_start(world);
    world_connect(world, true);
    world_run(world, MS(20));
    world_redirect(world, 0, &there);
    world_run(world, MS(900));
    assert_int_equal(logins_to(world, &elsewhere), 0);
    world_run(world, MS(200));
    assert_int_equal(logins_to(world, &elsewhere), 1);
    world_free(world);
}

/* All paths are redirected, or only one path exists: the REDIRECT is followed at once. */
static void test_redirect_of_all_paths(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 2; n++) {
        struct world *world = world_new(n, 10);
        for (unsigned i = 0; i < n; i++)
            world->links[i].hole = true;
        world_start(world);
        world_connect(world, true);
        for (unsigned i = 0; i < n; i++) {
            world_run(world, MS(20));
            assert_int_equal(logins_to(world, &elsewhere), 0);
            world_redirect(world, i, &there);
        }
        world_run(world, MS(20));
        assert_int_equal(logins_to(world, &elsewhere), 1);
        world_free(world);
    }
}

/* asked - the number of the open question for the name; 0: none. */
static uint64_t asked(struct world *world)
{
    struct path_question question;
    if (!path_manager_question(world->pm, &question))
        return 0;
    assert_string_equal(question.name, named.name);
    assert_string_equal(question.conn, world->conn->name);
    assert_false(path_manager_question(world->pm, &question)); /* it is asked for once */
    assert_true((question.tag & PATH_TAG) != 0);
    return question.tag;
}

static struct world *sent_to_a_name(uint32_t seed, uint64_t *ret_tag)
{
    struct world *world = world_new(1, seed);
    world->conn->keyingtries = 0;
    world->links[0].hole = true;
    world_start(world);
    world_connect(world, true);
    world_run(world, MS(20));
    world_redirect(world, 0, &named);
    world_run(world, MS(20));
    *ret_tag = asked(world);
    assert_int_not_equal(*ret_tag, 0);
    return world;
}

/* No login begins before the name has addresses. Answers to other questions are ignored. */
static void test_redirect_to_a_name(void **state)
{
    (void)state;
    uint64_t tag;
    struct world *world = sent_to_a_name(11, &tag);
    unsigned connects = world->connects;
    path_manager_resolved(world->pm, tag + 1, &elsewhere, 1, world->now);
    path_manager_resolved(world->pm, 0, &elsewhere, 1, world->now);
    world_run(world, SECONDS(10));
    assert_int_equal(world->connects, connects);
    path_manager_resolved(world->pm, tag, &elsewhere, 1, world->now);
    world_run(world, MS(20));
    assert_int_equal(logins_to(world, &elsewhere), 1);
    path_manager_resolved(world->pm, tag, &elsewhere, 1, world->now); /* a second time */
    world_run(world, MS(20));
    assert_int_equal(world->connects, connects + 1);
    world_free(world);
}

/* Unusable addresses, addresses without a route, no address, and no answer: the login continues at
 * the configured Gateway. */
static void test_redirect_to_a_name_in_vain(void **state)
{
    (void)state;
    static const struct address useless[] = {
        {.family = ADDRESS_V4, .octets = {127, 0, 0, 1}},
        {.family = ADDRESS_V4, .octets = {224, 0, 0, 1}},
        {.family = ADDRESS_V4},
        {.family = ADDRESS_V6, .octets = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(useless) + 2; i++) {
        uint64_t tag;
        struct world *world = sent_to_a_name(12, &tag);
        unsigned connects = world->connects;
        world->links[0].hole = false;
        if (i < ARRAY_LEN(useless))
            path_manager_resolved(world->pm, tag, &useless[i], 1, world->now);
        else if (i == ARRAY_LEN(useless))
            path_manager_resolved(world->pm, tag, NULL, 0, world->now);
        else
            world_run(world, SECONDS(20));
        world_run(world, SECONDS(5));
        assert_true(world->connects > connects);
        assert_int_equal(logins_to(world, &elsewhere), 0);
        for (size_t k = 0; k < ARRAY_LEN(useless); k++)
            assert_int_equal(logins_to(world, &useless[k]), 0);
        assert_true(connected(world));
        world_free(world);
    }
}

/* RFC 5685 section 7: MAX_REDIRECTS bounds the questions for names too. */
static void test_names_in_circles(void **state)
{
    (void)state;
    struct world *world = world_new(1, 13);
    unsigned questions = 0;
    world->links[0].hole = true;
    world_start(world);
    world_connect(world, true);
    for (unsigned ms = 0; ms < 100000; ms += 20) {
        world_run(world, MS(20));
        world_redirect(world, 0, &named);
        uint64_t tag = asked(world);
        questions += tag != 0;
        if (tag != 0)
            path_manager_resolved(world->pm, tag, &elsewhere, 1, world->now);
    }
    assert_int_equal(questions, 5);
    world_free(world);
}

static int connect_to(struct world *world, unsigned host, bool keep)
{
    struct path_connect wish = {.conn = world->conn, .beside = true, .n_remotes = 1, .keep = keep};
    wish.remotes[0] = (struct address){
        .family = ADDRESS_V4, .octets = {192, 0, (uint8_t)(2 + host / 256), (uint8_t)host}};
    int error = path_manager_connect(world->pm, &wish, world->now);
    world_run(world, MS(20));
    return error;
}

/* The trap of a connection with any peer makes one login to each host. The session of the
 * connection itself is separate. */
static void test_hosts_beside_each_other(void **state)
{
    (void)state;
    struct world *world = world_new(1, 15);
    world->links[0].hole = true;
    world_start(world);
    for (unsigned host = 7; host <= 8; host++) {
        const struct address to = {.family = ADDRESS_V4, .octets = {192, 0, 2, (uint8_t)host}};
        assert_int_equal(connect_to(world, host, false), 0);
        assert_int_equal(connect_to(world, host, false), 0);
        assert_int_equal(logins_to(world, &to), 1);
        assert_int_equal(world->connects, host - 6);
    }
    world_connect(world, false);
    world_run(world, MS(20));
    assert_int_equal(world->connects, 3);
    assert_int_equal(logins_to(world, &world->conn->remote_addrs[0].range.first), 1);
    world_free(world);
}

/* A scan of a network ends at the limit, and takes nothing from the session of the connection. */
static void test_limit_of_hosts(void **state)
{
    (void)state;
    struct world *world = world_new(1, 16);
    world_start(world);
    world_link_set(world, 0, false);
    for (unsigned host = 0; host < LIMIT_TRAP_LOGINS; host++)
        assert_int_equal(connect_to(world, host, true), 0);
    assert_int_equal(connect_to(world, LIMIT_TRAP_LOGINS, true), ERR_FULL);
    assert_int_equal(connect_to(world, 3, true), 0); /* known */
    world_connect(world, true);
    path_manager_disconnect(world->pm, world->conn->name, world->now);
    world_run(world, MS(20));
    assert_int_equal(connect_to(world, LIMIT_TRAP_LOGINS, true), 0);
    world_free(world);
}

/* Packets from forged sources ask for many silent hosts: a further host displaces the first one. A
 * host that is already asked displaces none. */
static void test_hosts_that_do_not_answer(void **state)
{
    (void)state;
    struct world *world = world_new(1, 16);
    world->links[0].hole = true;
    world_start(world);
    for (unsigned host = 0; host < LIMIT_TRAP_LOGINS; host++)
        assert_int_equal(connect_to(world, host, false), 0);
    assert_int_equal(connect_to(world, 0, false), 0);
    assert_int_equal(world->failed, 0);
    assert_int_equal(connect_to(world, LIMIT_TRAP_LOGINS, false), 0);
    assert_int_equal(world->connects, LIMIT_TRAP_LOGINS + 1);
    assert_int_equal(world->failed, 1);
    assert_int_equal(connect_to(world, 1, false), 0); /* it is still asked */
    assert_int_equal(world->connects, LIMIT_TRAP_LOGINS + 1);
    assert_int_equal(connect_to(world, 0, false), 0); /* it made way */
    assert_int_equal(world->connects, LIMIT_TRAP_LOGINS + 2);
    assert_int_equal(world->failed, 2);
    world_free(world);
}

static void remotes_are(struct world *world, const struct address *first,
                        const struct address *second)
{
    struct ike_remote *remotes = world->conn->remote_addrs;
    world->conn->n_remote_addrs = 2;
    world->conn->mesh = IKE_MESH_FIRST;
    remotes[0].range = (struct address_range){*first, *first};
    remotes[1].range = (struct address_range){*second, *second};
}

/* A host whose login proceeds keeps its place: only silent hosts are displaced. */
static void test_host_that_answers_slowly(void **state)
{
    (void)state;
    struct world *world = world_new(1, 16);
    world->links[0].rtt = MS(2000);
    world_start(world);
    assert_int_equal(connect_to(world, 0, false), 0);
    world_run(world, MS(2100));
    for (unsigned host = 1; host <= LIMIT_TRAP_LOGINS; host++)
        assert_int_equal(connect_to(world, host, false), 0);
    assert_int_equal(world->failed, 1);
    unsigned connects = world->connects;
    assert_int_equal(connect_to(world, 0, false), 0);
    assert_int_equal(world->connects, connects);
    assert_int_equal(connect_to(world, 1, false), 0);
    assert_int_equal(world->connects, connects + 1);
    world_free(world);
}

/* The first address of the list does not answer, or has no route: the login continues with the next
 * one, and all paths of the session lead to that one. */
static void test_next_address(void **state)
{
    (void)state;
    static const struct address first[] = {
        {.family = ADDRESS_V4, .octets = {192, 0, 2, 8}},
        {.family = ADDRESS_V6, .octets = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        struct world *world = world_new(2, 17);
        world->n_remotes = 0;
        world->dead_remote = first[i];
        remotes_are(world, &first[i], &elsewhere);
        world_start(world);
        world_connect(world, true);
        world_until(world, connected, MS(i == 0 ? 1800 : 500));
        assert_int_equal(logins_to(world, &elsewhere), 1);
        world_until(world, world_all_up, SECONDS(5));
        world_run(world, SECONDS(10));
        assert_int_equal(world->logins, 1);
        struct path_status second = world_path(world, "p1");
        assert_true(address_equal(&second.wanted.remote.address, &elsewhere));
        assert_int_equal(logins_to(world, &first[i]), 0);
        world_free(world);
    }
}

/* The next address may be another Gateway: it is not tried while the first one may still answer. */
static void test_first_address_is_slow(void **state)
{
    (void)state;
    struct world *world = world_new(1, 18);
    const struct address first = {.family = ADDRESS_V4, .octets = {192, 0, 2, 1}};
    world->links[0].rtt = MS(800);
    remotes_are(world, &first, &elsewhere);
    world_start(world);
    world_connect(world, true);
    world_until(world, connected, SECONDS(5));
    assert_int_equal(world->connects, 1);
    assert_int_equal(logins_to(world, &first), 1);
    world_free(world);
}

/* The address of the session is silent for a moment, and another address of the Gateway answers the
 * knock. Without MOBIKE the session cannot move there: its path stays, and works again. */
static void test_knock_answered_elsewhere(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        struct world *world = world_new(1, 30 + i);
        const struct address first = {.family = ADDRESS_V4, .octets = {192, 0, 2, 1}};
        world->peer_mobike = world->peer_clones = false;
        remotes_are(world, &first, &elsewhere);
        world_start(world);
        world_connect(world, true);
        world_until(world, connected, SECONDS(5));
        world_until(world, world_all_up, SECONDS(5));
        world->dead_remote = first;
        world_run(world, SECONDS(2) + MS(250) * i);
        world->dead_remote = (struct address){0};
        world_until(world, world_all_up, SECONDS(30));
        world_free(world);
    }
}

/* A name gets another address after a failed round. An answer without an address changes nothing,
 * nor does one that arrives when a session exists. */
static void test_resolved_again(void **state)
{
    (void)state;
    struct world *world = world_new(1, 19);
    struct path_connect resolved = {.conn = world->conn, .n_remotes = 1, .remotes = {elsewhere}};
    struct path_connect nothing = {.conn = world->conn};
    world->conn->keyingtries = 0;
    world->conn->n_remote_addrs = 0; /* a name */
    world->peer_up = false;
    world_start(world);
    struct path_connect wish = {.conn = world->conn, .n_remotes = 1, .keep = true};
    wish.remotes[0] = (struct address){.family = ADDRESS_V4, .octets = {192, 0, 2, 8}};
    assert_int_equal(path_manager_connect(world->pm, &wish, world->now), 0);
    world_until(world, retried, SECONDS(300));
    path_manager_remotes(world->pm, &resolved, world->now);
    path_manager_remotes(world->pm, &nothing, world->now);
    world->peer_up = true;
    world_until(world, connected, SECONDS(60));
    assert_int_equal(logins_to(world, &elsewhere), 1);
    path_manager_remotes(world->pm, &wish, world->now);
    world_run(world, SECONDS(10));
    assert_int_equal(world->logins, 1);
    assert_int_equal(logins_to(world, &wish.remotes[0]), 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attempts_one_after_another),
        cmocka_unit_test(test_own_limit_of_ike_sas),
        cmocka_unit_test(test_number_of_a_login),
        cmocka_unit_test(test_keyingtries),
        cmocka_unit_test(test_wanted_once),
        cmocka_unit_test(test_childless_login),
        cmocka_unit_test(test_up_with_its_routes),
        cmocka_unit_test(test_refused_is_not_up),
        cmocka_unit_test(test_refusal_is_forgotten),
        cmocka_unit_test(test_gateway_starts_anew),
        cmocka_unit_test(test_forged_redirect_on_one_path),
        cmocka_unit_test(test_redirect_while_others_are_dead),
        cmocka_unit_test(test_redirect_of_all_paths),
        cmocka_unit_test(test_redirect_to_a_name),
        cmocka_unit_test(test_redirect_to_a_name_in_vain),
        cmocka_unit_test(test_names_in_circles),
        cmocka_unit_test(test_hosts_beside_each_other),
        cmocka_unit_test(test_limit_of_hosts),
        cmocka_unit_test(test_hosts_that_do_not_answer),
        cmocka_unit_test(test_host_that_answers_slowly),
        cmocka_unit_test(test_next_address),
        cmocka_unit_test(test_first_address_is_slow),
        cmocka_unit_test(test_knock_answered_elsewhere),
        cmocka_unit_test(test_resolved_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
