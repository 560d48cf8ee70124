/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudonyms and fast re-authentication of EAP-SIM, EAP-AKA and EAP-AKA', both sides. */
#include "base/unit_test.h"
#include "eap/sim_auth.h"
#include "eap/test_pair.h"

#define USIM "0123456789abcdef0123456789abcdef" /* K and OPc, 16 octets each */
#define ANNA "anna@lab"

static const enum eap_type types[] = {EAP_TYPE_SIM, EAP_TYPE_AKA, EAP_TYPE_AKA_PRIME};

static void begin(struct test_pair *p, enum eap_type type)
{
    test_pair_begin(p, 1, NULL);
    test_pair_method(p, type);
    test_pair_names(p);
    for (int side = 0; side < 2; side++)
        test_pair_password(p, side, USIM);
    p->config[0].identity = span_text(ANNA);
    test_pair_make(p);
}

static struct span said(const struct test_pair *p) /* in EAP-Response/Identity */
{
    return span_of(p->peer_result.packet + 5, p->peer_result.packet_len - 5);
}

static struct span pseudonym_of(const struct test_pair *p)
{
    return span_of(p->sides[0].names.pseudonym, p->sides[0].names.pseudonym_len);
}

static struct span reauth_id_of(const struct test_pair *p)
{
    return span_of(p->sides[0].names.reauth_id, p->sides[0].names.reauth_id_len);
}

static void assert_logged_in(const struct test_pair *p)
{
    assert_int_equal(p->result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p->peer_result.verdict, EAP_SUCCEEDED);
    assert_int_equal(p->result.msk_len, EAP_MSK);
    assert_memory_equal(p->result.msk, p->peer_result.msk, EAP_MSK);
    assert_int_equal(p->result.identity_len, strlen(ANNA));
    assert_memory_equal(p->result.identity, ANNA, strlen(ANNA));
}

/* login - logs in; the peer's EAP-Response/Identity must contain `wanted`. */
static void login(struct test_pair *p, struct span wanted)
{
    uint8_t octets[EAP_IDENTITY];
    memcpy(octets, wanted.ptr, wanted.len);
    test_pair_to_peer(p);
    assert_int_equal(said(p).len, wanted.len);
    assert_memory_equal(said(p).ptr, octets, wanted.len);
    test_pair_to_authenticator(p);
    test_pair_run(p);
    assert_logged_in(p);
}

/* Each login uses the re-authentication identity of the login before. Each identity is used once,
 * and each login has its own key. */
static void fast_reauthentication(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        uint8_t msk[EAP_MSK];
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        for (unsigned round = 0; round < 4; round++) {
            memcpy(msk, p.result.msk, EAP_MSK);
            uint64_t sqn = p.sides[1].sqn;
            test_pair_again(&p);
            login(&p, reauth_id_of(&p));
            assert_memory_not_equal(msk, p.result.msk, EAP_MSK);
            assert_int_equal(p.sides[1].sqn, sqn); /* no challenge of the USIM */
            assert_int_equal(p.packets, 5);
            assert_int_equal(p.sides[0].names.reauth.counter, round + 2);
        }
        test_pair_end(&p);
    }
}

/* The authenticator accepts a re-authentication identity once, then asks for another identity. */
static void used_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        const struct eap_names kept = p.sides[0].names;
        test_pair_again(&p);
        login(&p, reauth_id_of(&p));
        assert_int_equal(p.packets, 5);
        p.sides[0].names = kept;
        test_pair_again(&p);
        login(&p, reauth_id_of(&p));
        assert_true(p.packets > 5);
        test_pair_end(&p);
    }
}

/* A peer without a re-authentication identity sends its pseudonym, and gets a new one for the next
 * login. */
static void pseudonyms(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        uint8_t before[EAP_IDENTITY];
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        for (unsigned round = 0; round < 3; round++) {
            memcpy(before, pseudonym_of(&p).ptr, pseudonym_of(&p).len);
            p.sides[0].names.reauth_id_len = 0;
            test_pair_again(&p);
            login(&p, pseudonym_of(&p));
            assert_memory_not_equal(before, pseudonym_of(&p).ptr, pseudonym_of(&p).len);
            assert_null(memmem(before, sizeof(before), "anna", 4));
        }
        test_pair_end(&p);
    }
}

/* A Gateway that has forgotten its names asks for the permanent identity (RFC 4187 section 4.2). */
static void forgotten(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i / 2]);
        login(&p, span_text(ANNA));
        name_book_free(p.sides[1].book);
        p.sides[1].book = name_book_new(p.crypto, &p.random);
        if (i % 2 == 1)
            p.sides[0].names.reauth_id_len = 0;
        test_pair_again(&p);
        login(&p, i % 2 == 0 ? reauth_id_of(&p) : pseudonym_of(&p));
        test_pair_again(&p);
        login(&p, reauth_id_of(&p));
        test_pair_end(&p);
    }
}

/* An expired name is not accepted, neither as a name nor as a permanent identity. */
static void expires(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        p.sides[1].hour += EAP_PSEUDONYM_HOURS;
        uint64_t sqn = p.sides[1].sqn;
        test_pair_again(&p);
        login(&p, reauth_id_of(&p));
        assert_true(types[i] == EAP_TYPE_SIM || p.sides[1].sqn > sqn);
        assert_true(p.packets > 5);
        test_pair_end(&p);
    }
}

/* The peer's counter is ahead of the authenticator's: AT_COUNTER_TOO_SMALL, and a full login. */
static void counter_too_small(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        p.sides[0].names.reauth.counter = 7;
        test_pair_again(&p);
        login(&p, reauth_id_of(&p));
        assert_true(p.packets > 5);
        assert_int_equal(p.sides[0].names.reauth.counter, 1);
        test_pair_end(&p);
    }
}

/* Another USIM with the same identity: neither end uses the names of the old USIM. */
static void another_usim(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        test_pair_password(&p, 1, "0123456789abcdef0123456789abcdeX");
        test_pair_again(&p);
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, EAP_FAILED);
        test_pair_password(&p, 0, "0123456789abcdef0123456789abcdeX");
        p.sides[0].sqn = 0;
        test_pair_again(&p);
        login(&p, span_text(ANNA));
        test_pair_end(&p);
    }
}

/* A peer that knows a re-authentication identity without its keys cannot log in. */
static void stolen_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        p.sides[0].names.reauth.k_aut[3] ^= 1;
        test_pair_again(&p);
        test_pair_run(&p);
        assert_int_equal(p.result.verdict, EAP_FAILED);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        assert_non_null(strstr(p.peer_result.reason, "keys of the login before"));
        test_pair_end(&p);
    }
}

/* After a pseudonym has failed three times, the peer sends its permanent identity. */
static void pseudonym_that_fails(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p, EAP_TYPE_AKA);
    login(&p, span_text(ANNA));
    p.sides[0].names.reauth_id_len = 0;
    for (unsigned i = 0; i < 3; i++) {
        test_pair_again(&p);
        test_pair_to_peer(&p);
        assert_int_equal(said(&p).len, pseudonym_of(&p).len);
    }
    test_pair_again(&p);
    login(&p, span_text(ANNA));
    p.sides[0].names.reauth_id_len = 0;
    test_pair_again(&p);
    login(&p, pseudonym_of(&p));
    test_pair_end(&p);
}

/* No octet of the request or the response can be changed unnoticed. */
static void every_octet_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(types); i++)
        for (size_t at = 5, len = 6; at < len; at += 3) {
            struct test_pair p;
            begin(&p, types[i / 2]);
            login(&p, span_text(ANNA));
            test_pair_again(&p);
            test_pair_to_peer(&p);
            test_pair_to_authenticator(&p);
            if (i % 2 == 1)
                test_pair_to_peer(&p);
            struct eap_result *last = i % 2 == 0 ? &p.result : &p.peer_result;
            len = last->packet_len;
            assert_int_equal(last->packet[5], 13); /* Re-authentication */
            last->packet[at] ^= 1;
            if (i % 2 == 0)
                test_pair_to_peer(&p);
            if (i % 2 == 0 && p.peer_result.packet_len > 5 && p.peer_result.packet[5] == 13)
                fail_msg("octet %zu of the request does not count", at);
            test_pair_to_authenticator(&p);
            assert_true(p.result.verdict == EAP_FAILED || test_pair_notified(&p));
            test_pair_end(&p);
        }
}

/* --- notifications (RFC 4187 section 6.1) --- */

/* struct notice - a Notification of a hostile or a failing authenticator. */
struct notice {
    const char *name;
    uint8_t code[2];
    bool mac, counter; /* AT_MAC; AT_ENCR_DATA with a counter */
    int wrong;         /* added to the counter */
    bool broken;       /* AT_MAC is wrong */
    uint8_t answer[2]; /* the Subtype that the peer answers with: after a full login, a fast one */
};

static size_t notice_write(struct test_pair *p, const struct notice *row, enum eap_type type,
                           uint8_t packet[256])
{
    const struct eap_reauth *keys = &p->sides[1].put.reauth; /* of the login that is under way */
    struct eap_talk talk = {.crypto = p->crypto, .random = &p->random};
    struct sim_auth auth = {.k_aut.len = type == EAP_TYPE_AKA_PRIME ? 32 : 16};
    uint8_t octets[64], counter[2] = {0, (uint8_t)(keys->counter - 1 + (uint32_t)row->wrong)};
    struct writer w = writer_of(packet, 256), plain = writer_of(octets, sizeof(octets));
    const struct span code = span_of(row->code, 2), value = span_of(counter, 2);
    memcpy(auth.k_aut.octets, keys->k_aut, sizeof(keys->k_aut));
    memcpy(auth.k_encr, keys->k_encr, sizeof(keys->k_encr));
    eap_packet_begin(&w, EAP_REQUEST, 99, (uint8_t)type);
    sim_begin(&w, SIM_NOTIFICATION);
    sim_attribute_write(&w, AT_NOTIFICATION, &code, 1);
    sim_attribute_write(&plain, AT_COUNTER, &value, 1);
    if (row->counter)
        assert_int_equal(sim_encrypted_write(&talk, &auth, &plain, &w), 0);
    if (row->mac)
        assert_int_equal(sim_mac_write(p->crypto, &auth.k_aut, &w), 0);
    eap_packet_end(&w);
    packet[w.len - 1] ^= row->broken;
    return w.len;
}

/* notified - the peer has proven itself, and waits for EAP-Success. It answers the Notification, and takes no
 * Success after it. */
static void notified(enum eap_type type, const struct notice *row, bool fast)
{
    uint8_t packet[256];
    struct test_pair p;
    begin(&p, type);
    login(&p, span_text(ANNA));
    const struct eap_names names = p.sides[0].names;
    test_pair_again(&p);
    if (!fast)
        p.sides[0].names.reauth_id_len = 0;
    while (p.peer_result.packet_len == 0 ||
           p.peer_result.packet[5] != (fast                   ? 13
                                       : type == EAP_TYPE_SIM ? 11
                                                              : 1)) {
        test_pair_to_peer(&p);
        if (p.peer_result.packet[5] != (fast ? 13 : type == EAP_TYPE_SIM ? 11 : 1))
            test_pair_to_authenticator(&p);
    }
    test_pair_to_authenticator(&p);
    assert_int_equal(p.result.verdict, EAP_SUCCEEDED);
    size_t len = notice_write(&p, row, type, packet);
    eap_peer_recv(p.peer, span_of(packet, len), &p.peer_result);
    if (p.peer_result.verdict != EAP_REPLY || p.peer_result.packet[5] != row->answer[fast])
        fail_msg("%s, %s", row->name, fast ? "fast" : "full");
    if (row->mac && row->answer[fast] == SIM_NOTIFICATION)
        assert_true(p.peer_result.packet_len >= 8 + 20 + (fast ? 40 : 0)); /* protected as well */
    else
        assert_int_equal(p.peer_result.packet_len, row->answer[fast] == SIM_NOTIFICATION ? 8 : 12);
    eap_peer_recv(p.peer, span_of("\3\x63\0\4", 4), &p.peer_result);
    assert_true(p.peer_result.verdict == EAP_FAILED && p.peer_result.msk_len == 0);
    /* RFC 4186 section 4.2.1.8: the names of a login that fails do not count */
    assert_int_equal(p.sides[0].names.reauth_id_len, 0);
    assert_memory_equal(&names.pseudonym, pseudonym_of(&p).ptr, names.pseudonym_len);
    test_pair_end(&p);
}

static void notifications(void **state)
{
    static const struct notice rows[] = {
        {"general failure", {0x40, 0}, .answer = {12, 12}},
        {"of an unknown number", {0x7f, 9}, .answer = {12, 12}},
        {"general failure with AT_MAC", {0x40, 0}, .mac = true, .answer = {14, 14}},
        {"after authentication", {0, 0}, .mac = true, .answer = {12, 14}},
        {"after fast authentication", {0, 0}, .mac = true, .counter = true, .answer = {12, 12}},
        {"of another counter",
         {0, 0},
         .mac = true,
         .counter = true,
         .wrong = 1,
         .answer = {12, 14}},
        {"unprotected", {0, 0}, .answer = {14, 14}},
        {"with a wrong AT_MAC", {0, 0}, .mac = true, .broken = true, .answer = {14, 14}},
        {"success", {0x80, 0}, .mac = true, .counter = true, .answer = {14, 14}},
        {"success before the challenge", {0xc0, 0}, .answer = {14, 14}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t j = 0; j < 2 * ARRAY_LEN(types); j++)
            notified(types[j / 2], &rows[i], j % 2 == 1);
}

/* The authenticator goes on after the peer has proven it: nothing but a Notification is taken. */
static void goes_on_after_the_challenge(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        login(&p, span_text(ANNA));
        test_pair_again(&p);
        test_pair_to_peer(&p);
        test_pair_to_authenticator(&p);
        test_pair_to_peer(&p);
        assert_int_equal(p.peer_result.packet[5], 13);
        test_pair_to_peer(&p); /* the same request again */
        assert_int_equal(p.peer_result.packet[5], SIM_CLIENT_ERROR);
        eap_peer_recv(p.peer, span_of("\3\1\0\4", 4), &p.peer_result);
        assert_int_equal(p.peer_result.verdict, EAP_FAILED);
        test_pair_end(&p);
    }
}

/* RFC 4187 section 4.1.4: ANY, FULLAUTH and PERMANENT, in this order, each once and alone. */
static void requests_for_identities(void **state)
{
    static const struct {
        const char *ranks; /* a digit per request: Type of AT_..._ID_REQ is 13, 17, 10 */
        const char *verdict;
    } rows[] = {
        {"a", "r"},   {"f", "p"},   {"p", "i"},   {"afp", "rpi"}, {"ap", "ri"},
        {"aa", "r!"}, {"fa", "p!"}, {"pf", "i!"}, {"ff", "p!"},   {"pp", "i!"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct test_pair p;
        begin(&p, EAP_TYPE_AKA);
        login(&p, span_text(ANNA));
        const struct eap_names names = p.sides[0].names;
        test_pair_again(&p);
        for (size_t j = 0; rows[i].ranks[j] != '\0'; j++) {
            char rank = rows[i].ranks[j], verdict = rows[i].verdict[j];
            uint8_t packet[] = {1, (uint8_t)j, 0, 12, EAP_TYPE_AKA, 5, 0, 0, 0, 1, 0, 0};
            packet[8] = rank == 'a' ? 13 : rank == 'f' ? 17 : 10;
            eap_peer_recv(p.peer, span_of(packet, sizeof(packet)), &p.peer_result);
            const uint8_t *octets = p.peer_result.packet;
            struct span identity = span_of(octets + 12, (size_t)(octets[10] << 8 | octets[11]));
            if (verdict == '!')
                assert_int_equal(octets[5], 14); /* Client-Error */
            else if (verdict == 'r')
                assert_true(span_equal(identity, span_of(names.reauth_id, names.reauth_id_len)));
            else if (verdict == 'p')
                assert_true(span_equal(identity, span_of(names.pseudonym, names.pseudonym_len)));
            else
                assert_true(span_equal(identity, span_text(ANNA)));
        }
        test_pair_end(&p);
    }
}

/* An attacker forged the request for an identity: AT_CHECKCODE reveals it (RFC 4187 section
 * 10.13). */
static void forged_request_for_an_identity(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p, EAP_TYPE_AKA);
    p.config[1].identity = span_text(ANNA);
    test_pair_again(&p);
    eap_peer_recv(p.peer, span_of("\1\1\0\x0c\x17\5\0\0\x0a\1\0\0", 12), &p.peer_result);
    assert_int_equal(p.peer_result.packet[5], 5);
    test_pair_to_peer(&p);
    assert_non_null(strstr(p.peer_result.reason, "AT_CHECKCODE"));
    test_pair_end(&p);
}

/* The peer sends an anonymous identity first; the method then asks for the identity of the USIM. */
static void anonymous(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct test_pair p;
        begin(&p, types[i]);
        test_pair_to_peer(&p);
        p.peer_result.packet_len = 5;
        memcpy(p.peer_result.packet + 5, "nobody@lab", 10);
        p.peer_result.packet_len += 10, p.peer_result.packet[3] = 15;
        test_pair_to_authenticator(&p);
        test_pair_run(&p);
        assert_logged_in(&p);
        test_pair_end(&p);
    }
}

/* The identity comes from IKE (IDi), so EAP asks for no other one. A name that we gave, or an
 * identity without a USIM, ends the login. */
static void claimed_by_ike(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3 * ARRAY_LEN(types); i++) {
        struct test_pair p;
        uint8_t octets[EAP_IDENTITY];
        begin(&p, types[i / 3]);
        login(&p, span_text(ANNA));
        struct span claim = i % 3 == 0   ? pseudonym_of(&p)
                            : i % 3 == 1 ? reauth_id_of(&p)
                                         : span_text("nobody@lab");
        memcpy(octets, claim.ptr, claim.len);
        p.config[1].identity = span_of(octets, claim.len);
        test_pair_again(&p);
        assert_int_equal(p.result.verdict, EAP_FAILED);
        assert_non_null(strstr(p.result.reason, "no K and OPc"));
        test_pair_end(&p);
    }
}

/* RFC 9048 section 4: both ends have AKA', and an attacker makes them choose AKA. */
static void bidding_down(void **state)
{
    struct test_pair p;
    (void)state;
    begin(&p, EAP_TYPE_AKA);
    for (int side = 0; side < 2; side++)
        p.config[side].methods[p.config[side].n_methods++] = EAP_TYPE_AKA_PRIME;
    test_pair_again(&p);
    test_pair_run(&p);
    assert_int_equal(p.result.verdict, EAP_FAILED);
    assert_non_null(strstr(p.peer_result.reason, "both ends have AKA'"));
    test_pair_end(&p);
}

/* Invented names, and true names that were changed. */
static void hostile_names(void **state)
{
    struct eap_crypto *crypto = eap_crypto_new();
    struct test_pair p;
    struct eap_named named;
    uint8_t name[EAP_IDENTITY];
    (void)state;
    test_pair_begin(&p, 3, crypto);
    test_pair_names(&p);
    struct name_book *book = p.sides[1].book;
    size_t len = name_book_pseudonym(book, EAP_TYPE_AKA, span_text(ANNA), 5, name);
    memcpy(name + len, "@lab", 4);
    const struct span whole = span_of(name, len + 4);
    assert_int_equal(name_book_find(book, EAP_TYPE_AKA, whole, 5, &named), EAP_NAME_PSEUDONYM);
    assert_int_equal(name_book_find(book, EAP_TYPE_SIM, whole, 5, &named), EAP_NAME_OLD_PSEUDONYM);
    assert_int_equal(name_book_find(book, EAP_TYPE_AKA, whole, 4, &named), EAP_NAME_OLD_PSEUDONYM);
    for (size_t at = 0; at < whole.len; at++) {
        uint8_t kept = name[at];
        name[at] = kept == 'b' ? 'c' : 'b';
        enum eap_name_kind kind = name_book_find(book, EAP_TYPE_AKA, whole, 5, &named);
        if (kind == EAP_NAME_PSEUDONYM)
            fail_msg("octet %zu does not count", at);
        name[at] = kept;
    }
    for (size_t n = 0; n < whole.len; n++)
        assert_int_not_equal(name_book_find(book, EAP_TYPE_AKA, span_of(name, n), 5, &named),
                             EAP_NAME_REAUTH);
    len = name_book_reauth(book, EAP_TYPE_AKA, span_text(ANNA), name);
    name_book_put(book, span_of(name, len), &(struct eap_named){.identity_len = 4}, 5);
    memcpy(name + len, ".changed", 8); /* RFC 4187 section 4.1.1.7: the realm does not count */
    assert_int_equal(name_book_find(book, EAP_TYPE_AKA, span_of(name, len + 8), 5, &named),
                     EAP_NAME_REAUTH);
    uint8_t zeros[EAP_IDENTITY] = {'2'};
    assert_int_equal(name_book_find(book, EAP_TYPE_AKA, span_of(zeros, sizeof(zeros)), 5, &named),
                     EAP_NAME_OTHER);
    test_pair_end(&p);
}

/* A full table drops its oldest entry. An identity with a long user name gets no pseudonym. */
static void bounded(void **state)
{
    struct test_pair p;
    struct eap_named named = {.identity_len = 4, .identity = "anna"};
    static uint8_t ids[EAP_NAME_BOOK + 1][EAP_IDENTITY];
    uint8_t longer[EAP_IDENTITY] = {0};
    size_t len = 0;
    (void)state;
    test_pair_begin(&p, 4, NULL);
    test_pair_names(&p);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        len = name_book_reauth(p.sides[1].book, EAP_TYPE_AKA, span_text("anna"), ids[i]);
        name_book_put(p.sides[1].book, span_of(ids[i], len), &named, 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_int_equal(
            name_book_find(p.sides[1].book, EAP_TYPE_AKA, span_of(ids[i], len), 1, &named),
            i == 0 ? EAP_NAME_OLD_REAUTH : EAP_NAME_REAUTH);
    memset(longer, 'x', sizeof(longer));
    uint8_t name[EAP_IDENTITY];
    assert_int_equal(name_book_pseudonym(p.sides[1].book, EAP_TYPE_AKA,
                                         span_of(longer, sizeof(longer)), 1, name),
                     0);
    test_pair_end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_reauthentication),
        cmocka_unit_test(used_once),
        cmocka_unit_test(pseudonyms),
        cmocka_unit_test(forgotten),
        cmocka_unit_test(expires),
        cmocka_unit_test(counter_too_small),
        cmocka_unit_test(another_usim),
        cmocka_unit_test(stolen_name),
        cmocka_unit_test(pseudonym_that_fails),
        cmocka_unit_test(every_octet_counts),
        cmocka_unit_test(notifications),
        cmocka_unit_test(goes_on_after_the_challenge),
        cmocka_unit_test(requests_for_identities),
        cmocka_unit_test(forged_request_for_an_identity),
        cmocka_unit_test(anonymous),
        cmocka_unit_test(claimed_by_ike),
        cmocka_unit_test(bidding_down),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
