/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/tickets.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/unit_test.h"
#include "crypto/prf.h"
#include "daemon/keyholder/keyring.h"
#include "daemon/keyholder/ticket_file.h"
#include "ike/terms/identity.h"
#include "linux/entropy.h"

#define T0 INT64_C(1800000000000) /* milliseconds */

static struct crypto_provider *crypto;
static struct tickets *tickets;
static uint8_t sealed[2][LIMIT_TICKET];
static size_t sealed_len[2];

static const uint8_t sk_d[32] = {1, 2, 3};

static struct key_ticket ticket_of(const char *user)
{
    struct key_ticket t = {.lifetime_s = 3600,
                           .valid_until_s = T0 / 1000 + 50000,
                           .ppk = 1,
                           .encr = 20,
                           .encr_key_bits = 256,
                           .prf = 5,
                           .ke = 31,
                           .conn = "office"};
    assert_int_equal(identity_parse("gw.example", &t.local), 0);
    assert_int_equal(identity_parse(user, &t.remote), 0);
    t.proven = (struct ike_id){.type = 250, .len = 3, .data = "amy"};
    return t;
}

static int seal(struct key_ticket *ticket, unsigned place, int64_t now_ms)
{
    const struct ticket_inside inside = {
        .sk_d = span_of(sk_d, sizeof(sk_d)), .extra = span_text("a grant"), .secret = {7, 7}};
    struct writer w = writer_of(sealed[place], LIMIT_TICKET);
    int error = tickets_seal(tickets, ticket, &inside, now_ms, &w);
    sealed_len[place] = w.len;
    return error;
}

static int open_octets(struct span octets, int64_t now_ms, struct key_ticket *ret)
{
    struct ticket_inside inside;
    int error = tickets_open(tickets, octets, now_ms, ret, &inside);
    if (error != 0)
        return error;
    assert_int_equal(inside.sk_d.len, sizeof(sk_d));
    assert_memory_equal(inside.sk_d.ptr, sk_d, sizeof(sk_d));
    assert_true(span_equal(inside.extra, span_text("a grant")));
    assert_int_equal(inside.secret[1], 7);
    return 0;
}

static int open_at(unsigned place, int64_t now_ms)
{
    struct key_ticket t;
    return open_octets(span_of(sealed[place], sealed_len[place]), now_ms, &t);
}

static int setup(void **state)
{
    (void)state;
    crypto = crypto_new();
    tickets = tickets_new(crypto, entropy_random(), -1, T0);
    return crypto != NULL && tickets != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    tickets = tickets_free(tickets);
    crypto = crypto_free(crypto);
    return 0;
}

static void restart(int fd, int64_t now_ms)
{
    tickets_free(tickets);
    tickets = tickets_new(crypto, entropy_random(), fd, now_ms);
    assert_non_null(tickets);
}

/* The contents come back unchanged. The lifetime ends with the authentication at the latest. */
static void test_round(void **state)
{
    (void)state;
    struct key_ticket t = ticket_of("amy@example"), out;
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(t.lifetime_s, 3600);
    assert_int_equal(t.expires_s, T0 / 1000 + 3600);
    assert_int_not_equal(t.family, 0);
    assert_int_equal(open_octets(span_of(sealed[0], sealed_len[0]), T0 + 1, &out), 0);
    assert_string_equal(out.conn, "office");
    assert_true(identity_equal(&out.remote, &t.remote) && identity_equal(&out.local, &t.local) &&
                identity_equal(&out.proven, &t.proven));
    assert_int_equal(out.valid_until_s, t.valid_until_s);
    assert_int_equal(out.ke, 31);
    assert_int_equal(out.ppk, 1);
    assert_int_equal(out.shared, 0);
    t = ticket_of("amy@example");
    t.certs_until_s = T0 / 1000 + 100;
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(t.lifetime_s, 100);
    t = ticket_of("amy@example");
    t.lifetime_s = UINT32_MAX;
    t.valid_until_s = 0;
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(t.lifetime_s, LIMIT_TICKET_LIFE);
    t.valid_until_s = T0 / 1000;
    assert_int_equal(seal(&t, 0, T0), ERR_FULL);
}

/* Forged tickets, cut tickets, and tickets of another Gateway. */
static void test_forged(void **state)
{
    (void)state;
    struct key_ticket t = ticket_of("amy@example"), out;
    uint8_t copy[LIMIT_TICKET + 1];
    assert_int_equal(seal(&t, 0, T0), 0);
    size_t len = sealed_len[0];
    for (size_t i = 0; i < len; i++) {
        memcpy(copy, sealed[0], len);
        copy[i] ^= 0x40;
        assert_int_equal(open_octets(span_of(copy, len), T0, &out), ERR_AUTH);
        assert_int_equal(open_octets(span_of(sealed[0], i), T0, &out), ERR_AUTH);
    }
    memcpy(copy, sealed[0], len);
    memset(copy + len, 0, sizeof(copy) - len);
    assert_int_equal(open_octets(span_of(copy, len + 1), T0, &out), ERR_AUTH);
    assert_int_equal(open_octets(span_of(copy, sizeof(copy)), T0, &out), ERR_AUTH);
    restart(-1, T0);
    assert_int_equal(open_octets(span_of(sealed[0], len), T0, &out), ERR_AUTH);
}

/* Section 4.3.1: used once. Section 6.2: it expires, and a newer one takes its place. */
static void test_counts_once(void **state)
{
    (void)state;
    struct key_ticket t = ticket_of("amy@example"), other = ticket_of("bob@example");
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(seal(&other, 1, T0), 0);
    assert_int_not_equal(t.family, other.family);
    assert_int_equal(open_at(0, T0 + 3600 * 1000), ERR_DENIED);
    assert_int_equal(open_at(0, T0 + 3599 * 1000), 0);
    assert_int_equal(open_at(0, T0 - 301 * 1000), ERR_DENIED); /* the clock went back */
    assert_int_equal(tickets_use(tickets, t.family, t.issued_ms, T0), 0);
    assert_int_equal(tickets_use(tickets, t.family, t.issued_ms, T0), ERR_DENIED);
    assert_int_equal(open_at(0, T0), ERR_DENIED);
    assert_int_equal(open_at(1, T0), 0);
    assert_int_equal(seal(&t, 0, T0), 0); /* the next one of the family */
    assert_int_equal(open_at(0, T0), 0);
    sealed_len[1] = sealed_len[0];
    memcpy(sealed[1], sealed[0], sealed_len[0]);
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(open_at(1, T0), ERR_DENIED);
    assert_int_equal(open_at(0, T0), 0);
    tickets_end(tickets, t.family, T0);
    assert_int_equal(open_at(0, T0), ERR_DENIED);
    assert_int_equal(seal(&t, 0, T0 + 1000), ERR_DENIED);
    assert_int_equal(tickets_use(tickets, 0, 1, T0), ERR_INVALID);
    assert_int_equal(tickets_use(tickets, 5, UINT64_MAX, T0), ERR_INVALID);
}

/* A restart of the daemon keeps the tickets. A used ticket stays used. */
static void test_restart(void **state)
{
    (void)state;
    int fd = memfd_create("tickets", 0);
    struct key_ticket t = ticket_of("amy@example"), u = ticket_of("bob@example");
    restart(fd, T0);
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(seal(&u, 1, T0), 0);
    assert_int_equal(tickets_use(tickets, t.family, t.issued_ms, T0), 0);
    restart(fd, T0 + 1000);
    assert_int_equal(open_at(0, T0 + 1000), ERR_DENIED);
    assert_int_equal(open_at(1, T0 + 1000), 0);
    tickets_end(tickets, u.family, T0);
    restart(fd, T0 + 2000);
    assert_int_equal(open_at(1, T0 + 2000), ERR_DENIED);
    close(fd);
}

/* A full disk: a used ticket stays used, and all older tickets become invalid. A file that takes no
 * octet: no ticket is valid. */
static void test_full_disk(void **state)
{
    (void)state;
    int fd = memfd_create("tickets", MFD_ALLOW_SEALING);
    struct key_ticket t = ticket_of("amy@example"), u = ticket_of("bob@example");
    restart(fd, T0);
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(seal(&u, 1, T0), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
    assert_int_equal(tickets_use(tickets, t.family, t.issued_ms, T0 + 1000), 0);
    restart(fd, T0 + 1000);
    assert_int_not_equal(open_at(0, T0 + 1000), 0);
    assert_int_not_equal(open_at(1, T0 + 1000), 0);
    assert_int_equal(seal(&u, 1, T0 + 2000), 0);
    assert_int_equal(open_at(1, T0 + 2000), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
    assert_int_equal(tickets_use(tickets, u.family, u.issued_ms, T0 + 2000), ERR_DENIED);
    close(fd);
}

/* A file with cut or malformed records: none of its tickets is valid. */
static void test_broken_file(void **state)
{
    (void)state;
    int fd = memfd_create("tickets", 0);
    struct key_ticket t = ticket_of("amy@example"), u = ticket_of("bob@example");
    restart(fd, T0);
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(seal(&u, 1, T0), 0);
    assert_int_equal(tickets_use(tickets, t.family, t.issued_ms, T0), 0);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_int_equal(ftruncate(fd, size - 1), 0);
    restart(fd, T0);
    assert_int_equal(open_at(0, T0), ERR_AUTH);
    assert_int_equal(open_at(1, T0), ERR_AUTH);
    assert_int_equal(seal(&t, 0, T0), 0);
    restart(fd, T0 - 600 * 1000); /* its key is made in the future */
    assert_int_equal(open_at(0, T0 - 600 * 1000), ERR_AUTH);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    restart(fd, T0);
    assert_int_equal(seal(&t, 0, T0), 0);
    close(fd);
}

/* Section 9.5: the key changes; tickets of the one before are good until they have expired. */
static void test_rotation(void **state)
{
    (void)state;
    const int64_t week = TICKET_KEY_S * 1000;
    struct key_ticket t = ticket_of("amy@example"), u = ticket_of("bob@example");
    t.valid_until_s = u.valid_until_s = 0;
    t.lifetime_s = LIMIT_TICKET_LIFE;
    assert_int_equal(seal(&t, 0, T0 + week - 1000), 0);
    assert_int_equal(seal(&u, 1, T0 + week), 0);
    assert_memory_not_equal(sealed[0] + 1, sealed[1] + 1, TICKET_KEY_ID);
    assert_int_equal(open_at(0, T0 + week), 0);
    assert_int_equal(open_at(1, T0 + week), 0);
    assert_int_equal(open_at(0, T0 + week + (LIMIT_TICKET_LIFE + 1) * INT64_C(1000)), ERR_AUTH);
}

/* Too many records: all tickets so far become invalid. No used ticket becomes valid. */
static void test_too_many(void **state)
{
    (void)state;
    struct key_ticket t = ticket_of("amy@example"), u = ticket_of("bob@example");
    assert_int_equal(seal(&t, 0, T0), 0);
    assert_int_equal(tickets_use(tickets, t.family, t.issued_ms, T0), 0);
    assert_int_equal(seal(&u, 1, T0), 0);
    for (uint64_t i = 1; i <= LIMIT_TICKET_RECORDS; i++)
        tickets_end(tickets, i, T0);
    assert_int_equal(open_at(0, T0), ERR_DENIED);
    assert_int_equal(open_at(1, T0), ERR_DENIED);
    assert_int_equal(seal(&u, 1, T0 + 10), 0);
    assert_int_equal(open_at(1, T0 + 10), 0);
    /* expired records make room without that */
    int64_t later = T0 + (LIMIT_TICKET_LIFE + 10) * INT64_C(1000);
    u.family = 0;
    u.valid_until_s = 0;
    assert_int_equal(seal(&u, 1, later), 0);
    for (uint64_t i = 1; i <= LIMIT_TICKET_RECORDS / 2; i++)
        tickets_end(tickets, i << 32, later);
    assert_int_equal(open_at(1, later), 0);
}

static void test_hostile_engine(void **state)
{
    (void)state;
    struct key_ticket t = ticket_of("amy@example");
    struct ticket_inside inside = {.sk_d = span_of(sk_d, sizeof(sk_d))};
    struct writer w = writer_of(sealed[0], LIMIT_TICKET);
    t.remote.len = sizeof(t.remote.data) + 1;
    assert_int_equal(tickets_seal(tickets, &t, &inside, T0, &w), ERR_INVALID);
    t = ticket_of("amy@example");
    memset(t.conn, 'x', sizeof(t.conn));
    assert_int_equal(tickets_seal(tickets, &t, &inside, T0, &w), ERR_INVALID);
    t = ticket_of("amy@example");
    inside.sk_d.len = 0;
    assert_int_equal(tickets_seal(tickets, &t, &inside, T0, &w), ERR_INVALID);
    static const uint8_t much[LIMIT_TICKET_EXTRA + 1];
    inside = (struct ticket_inside){.sk_d = span_of(sk_d, 32), .extra = span_of(much, 513)};
    assert_int_equal(tickets_seal(tickets, &t, &inside, T0, &w), ERR_INVALID);
    inside.extra.len = 512;
    t.remote.len = t.local.len = sizeof(t.remote.data);
    assert_int_equal(tickets_seal(tickets, &t, &inside, T0, &w), ERR_FULL);
    assert_int_equal(w.len, 0);
}

/* --- the keyholder's door --- */

static struct keyring *keyring;
static struct key_answer answer;
static uint8_t behind[KEY_ANSWER + 200];

static struct span ask(struct key_request *request, const struct span *parts, size_t n)
{
    static uint8_t out[KEY_ANSWER];
    struct writer w = writer_of(behind, sizeof(behind)), made = writer_of(out, sizeof(out));
    for (size_t i = 0; i < n; i++)
        write_bytes(&w, parts[i]);
    keyring_answer(keyring, request, writer_span(&w), &answer, &made);
    assert_false(writer_failed(&made));
    return span_of(out, answer.n_octets);
}

static void secret_load(const char *secret)
{
    struct key_request request = {.kind = KEY_LOAD};
    strcpy(request.load.name, "k");
    request.load.secret_len = (uint32_t)strlen(secret);
    ask(&request, &(struct span){(const uint8_t *)secret, strlen(secret)}, 1);
    assert_int_equal(answer.error, 0);
}

static struct span ticket_ask(void)
{
    struct key_request request = {.kind = KEY_TICKET_SEAL, .ticket = ticket_of("amy@example")};
    request.ticket.valid_until_s = 0;
    request.ticket.shared = 1;
    request.ticket.sk_d_len = sizeof(sk_d);
    const struct span parts[] = {span_of(sk_d, sizeof(sk_d))};
    struct span out = ask(&request, parts, 1);
    if (answer.error != 0)
        return (struct span){0};
    struct key_ticket t;
    memcpy(&t, out.ptr, sizeof(t));
    assert_int_equal(out.len, sizeof(t) + t.ticket_len);
    memcpy(sealed[0], out.ptr + sizeof(t), t.ticket_len);
    return span_of(sealed[0], t.ticket_len);
}

static struct span ticket_show(struct span octets)
{
    struct key_request request = {.kind = KEY_TICKET_OPEN};
    const struct span parts[] = {octets, span_text("the nonce of one"), span_text("and of other")};
    request.ticket.ticket_len = (uint16_t)octets.len;
    request.ticket.ni_len = (uint16_t)parts[1].len;
    request.ticket.nr_len = (uint16_t)parts[2].len;
    return ask(&request, parts, 3);
}

/* SKEYSEED = prf(SK_d_old, "Resumption" | Ni | Nr) leaves the keyholder, SK_d does not. If the
 * secret is removed or replaced, the ticket is invalid. */
static void test_door(void **state)
{
    (void)state;
    const struct span seed[] = {span_text("Resumption"), span_text("the nonce of one"),
                                span_text("and of other")};
    uint8_t skeyseed[CRYPTO_HASH_MAX];
    keyring = keyring_new(crypto);
    (void)ticket_ask();
    assert_int_equal(answer.error, ERR_NOT_FOUND); /* tickets are off */
    assert_int_equal(keyring_tickets(keyring, entropy_random(), -1), 0);
    (void)ticket_ask();
    assert_int_equal(answer.error, ERR_NOT_FOUND); /* no secret for amy */
    secret_load("first");
    struct span octets = ticket_ask();
    assert_int_equal(answer.error, 0);
    struct span out = ticket_show(octets);
    assert_int_equal(answer.error, 0);
    assert_int_equal(out.len, sizeof(struct key_ticket) + 32);
    assert_int_equal(crypto_prf(crypto, 5, span_of(sk_d, 32), seed, 3, skeyseed), 0);
    assert_memory_equal(out.ptr + sizeof(struct key_ticket), skeyseed, 32);
    secret_load("second");
    (void)ticket_show(octets);
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    assert_int_equal(answer.n_octets, 0);
    secret_load("first");
    (void)ticket_show(octets);
    assert_int_equal(answer.error, 0);
    struct key_request clear = {.kind = KEY_CLEAR};
    ask(&clear, NULL, 0);
    (void)ticket_show(octets);
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    keyring = keyring_free(keyring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_counts_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_hostile_engine, setup, teardown),
        cmocka_unit_test_setup_teardown(test_door, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
