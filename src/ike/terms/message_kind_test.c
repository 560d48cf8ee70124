/* SPDX-License-Identifier: Apache-2.0 */
/* Every combination of the facts that make a message what it is, and every payload rule. */
#include "ike/terms/message_kind.h"

#include "base/unit_test.h"
#include "wire/payloads.h"

static const uint8_t proposal_ike[] = {0, 0, 0, 8, 1, WIRE_PROTO_IKE, 0, 0};
static const uint8_t proposal_esp[] = {0, 0, 0, 8, 1, WIRE_PROTO_ESP, 0, 0};
static const uint8_t delete_ike[] = {WIRE_PROTO_IKE, 0, 0, 0};
static const uint8_t delete_esp[] = {WIRE_PROTO_ESP, 4, 0, 0};
static const uint8_t notify_rekey[] = {0, 0, 0x40, 0x09};          /* REKEY_SA */
static const uint8_t notify_refuses[] = {0, 0, 0, 43};             /* TEMPORARY_FAILURE */
static const uint8_t notify_refuses_child[] = {0, 0, 0, 38};       /* TS_UNACCEPTABLE */
static const uint8_t notify_status[] = {0, 0, 0x40, 0x0c};         /* MOBIKE_SUPPORTED */
static const uint8_t notify_group[] = {0, 0, 0x9d, 0xd0, 0x80, 0}; /* 40400: Q = 1, code 0 */
#define GROUP_NUMBER 40400

static void add(struct wire_message *message, uint8_t type, struct span body)
{
    message->payloads[message->n++] = (struct wire_payload){.type = type, .body = body};
}
#define ADD(message, type, octets)                                                                 \
    add(message, WIRE_PAYLOAD_##type, span_of(octets, sizeof(octets)))

/* --- the kind --- */

enum { SA_NONE, SA_IKE, SA_ESP, SA_CUT, SA_FORMS };
enum { D_NONE, D_IKE, D_ESP, D_CUT, D_FORMS };
enum { N_NONE, N_REFUSES, N_REFUSES_CHILD, N_STATUS, N_FORMS };

struct facts {
    unsigned exchange, response, sa, d, notify;
    unsigned tsi, tsr, rekey, id, auth, eap;
};

static struct wire_message message_of(const struct facts *f)
{
    struct wire_message m = {
        .header = {.exchange = (uint8_t)f->exchange, .flags = f->response ? IKE_FLAG_RESPONSE : 0}};
    switch (f->notify) {
    case N_REFUSES: ADD(&m, N, notify_refuses); break;
    case N_REFUSES_CHILD: ADD(&m, N, notify_refuses_child); break;
    case N_STATUS: ADD(&m, N, notify_status); break;
    default: break;
    }
    if (f->rekey)
        ADD(&m, N, notify_rekey);
    if (f->id)
        add(&m, WIRE_PAYLOAD_IDi, (struct span){0});
    if (f->auth)
        add(&m, WIRE_PAYLOAD_AUTH, (struct span){0});
    if (f->eap)
        add(&m, WIRE_PAYLOAD_EAP, (struct span){0});
    switch (f->sa) {
    case SA_IKE: ADD(&m, SA, proposal_ike); break;
    case SA_ESP: ADD(&m, SA, proposal_esp); break;
    case SA_CUT: add(&m, WIRE_PAYLOAD_SA, span_of(proposal_ike, 5)); break;
    default: break;
    }
    if (f->tsi)
        add(&m, WIRE_PAYLOAD_TSi, (struct span){0});
    if (f->tsr)
        add(&m, WIRE_PAYLOAD_TSr, (struct span){0});
    switch (f->d) {
    case D_IKE: ADD(&m, D, delete_ike); break;
    case D_ESP: ADD(&m, D, delete_esp); break;
    case D_CUT: add(&m, WIRE_PAYLOAD_D, (struct span){0}); break;
    default: break;
    }
    return m;
}

/* expected - the kind as a list of conditions, independent of the table. */
static enum message_kind expected(const struct facts *f)
{
    bool error = f->notify == N_REFUSES || f->notify == N_REFUSES_CHILD;
    if (f->exchange == WIRE_IKE_SA_INIT && !f->response)
        return MESSAGE_INIT;
    if (f->exchange == WIRE_IKE_SA_INIT)
        return f->sa == SA_NONE ? MESSAGE_INIT_REFUSAL : MESSAGE_INIT_ANSWER;
    if (f->exchange == WIRE_IKE_AUTH && !f->response) {
        if (f->eap)
            return f->id || f->auth ? MESSAGE_NONE : MESSAGE_AUTH_EAP;
        if (f->id)
            return f->auth ? MESSAGE_AUTH_ROUND : MESSAGE_AUTH_ROUND_BY_EAP;
        return f->auth ? MESSAGE_AUTH_CONFIRM : MESSAGE_AUTH_NEXT;
    }
    if (f->exchange == WIRE_IKE_AUTH)
        return f->notify == N_REFUSES && !f->auth && !f->eap ? MESSAGE_AUTH_REFUSAL
                                                             : MESSAGE_AUTH_ANSWER;
    if (f->exchange == WIRE_CREATE_CHILD_SA && !f->response) {
        if (f->rekey)
            return MESSAGE_REKEY_CHILD;
        return f->sa == SA_IKE && !f->tsi && !f->tsr ? MESSAGE_REKEY_IKE : MESSAGE_CREATE_CHILD;
    }
    if (f->exchange == WIRE_CREATE_CHILD_SA) {
        if (error || f->sa == SA_NONE)
            return MESSAGE_CREATE_REFUSAL;
        return f->sa == SA_IKE ? MESSAGE_IKE_ANSWER : MESSAGE_CHILD_ANSWER;
    }
    if (f->exchange == WIRE_IKE_SESSION_RESUME) /* no combination has a Nonce */
        return f->response ? MESSAGE_RESUME_REFUSAL : MESSAGE_RESUME;
    if (f->exchange != WIRE_INFORMATIONAL)
        return MESSAGE_NONE;
    if (f->response)
        return MESSAGE_INFORMATIONAL_ANSWER;
    return f->d == D_ESP ? MESSAGE_DELETE_CHILDREN : MESSAGE_INFORMATIONAL;
}

static void check_combinations(unsigned exchange)
{
    const unsigned bits = 1u << 7;
    for (unsigned i = 0; i < bits * SA_FORMS * D_FORMS * N_FORMS; i++) {
        unsigned rest = i / bits;
        struct facts f = {.exchange = exchange,
                          .response = i & 1,
                          .tsi = i >> 1 & 1,
                          .tsr = i >> 2 & 1,
                          .rekey = i >> 3 & 1,
                          .id = i >> 4 & 1,
                          .auth = i >> 5 & 1,
                          .eap = i >> 6 & 1,
                          .sa = rest % SA_FORMS,
                          .d = rest / SA_FORMS % D_FORMS,
                          .notify = rest / SA_FORMS / D_FORMS};
        struct wire_message m = message_of(&f);
        if (message_kind(&m) != expected(&f))
            fail_msg("exchange %u, combination %u: kind %u, not %u", exchange, i,
                     (unsigned)message_kind(&m), (unsigned)expected(&f));
    }
}

static void every_combination(void **state)
{
    (void)state;
    for (unsigned exchange = 0; exchange <= UINT8_MAX; exchange += exchange < 48 ? 1 : 23)
        check_combinations(exchange);
}

/* --- the rules --- */

static const uint8_t columns[] = {
    WIRE_PAYLOAD_SA,   WIRE_PAYLOAD_KE,  WIRE_PAYLOAD_NONCE, WIRE_PAYLOAD_IDi, WIRE_PAYLOAD_IDr,
    WIRE_PAYLOAD_AUTH, WIRE_PAYLOAD_EAP, WIRE_PAYLOAD_CP,    WIRE_PAYLOAD_TSi, WIRE_PAYLOAD_TSr,
};

/* must - the payloads that RFC 7296 demands for the kind, as bits in the order of `columns`. */
static const unsigned must[MESSAGE_KIND_COUNT] = {
    [MESSAGE_INIT] = 0x007,          [MESSAGE_INIT_ANSWER] = 0x007,
    [MESSAGE_AUTH_ROUND] = 0x028,    [MESSAGE_AUTH_CONFIRM] = 0x020,
    [MESSAGE_AUTH_EAP] = 0x040,      [MESSAGE_AUTH_ROUND_BY_EAP] = 0x008,
    [MESSAGE_CREATE_CHILD] = 0x305,  [MESSAGE_REKEY_CHILD] = 0x305,
    [MESSAGE_CHILD_ANSWER] = 0x305,  [MESSAGE_REKEY_IKE] = 0x007,
    [MESSAGE_IKE_ANSWER] = 0x007,    [MESSAGE_RESUME] = 0x004,
    [MESSAGE_RESUME_ANSWER] = 0x004,
};

/* with_sa - these kinds need both traffic selectors as soon as there is an SA payload. */
static bool with_sa(enum message_kind kind)
{
    return kind == MESSAGE_AUTH_ROUND || kind == MESSAGE_AUTH_ROUND_BY_EAP ||
           kind == MESSAGE_AUTH_EAP || kind == MESSAGE_AUTH_CONFIRM || kind == MESSAGE_AUTH_NEXT;
}

static bool fits(enum message_kind kind, unsigned present, unsigned twice)
{
    struct wire_message m = {0};
    for (size_t i = 0; i < ARRAY_LEN(columns); i++)
        for (unsigned n = (present >> i & 1) + (twice >> i & 1); n > 0; n--)
            add(&m, columns[i], (struct span){0});
    return message_rules_fit(kind, &m);
}

static void every_rule(void **state)
{
    (void)state;
    for (enum message_kind kind = MESSAGE_NONE; kind < MESSAGE_KIND_COUNT; kind++)
        for (unsigned present = 0; present < 1u << ARRAY_LEN(columns); present++) {
            bool ts_missing = with_sa(kind) && (present & 1) != 0 && (present & 0x300) != 0x300;
            bool fine = kind != MESSAGE_NONE && (must[kind] & ~present) == 0 && !ts_missing;
            if (fits(kind, present, 0) != fine)
                fail_msg("kind %u with payloads %#x", (unsigned)kind, present);
            for (size_t i = 0; fine && i < ARRAY_LEN(columns); i++)
                if ((present >> i & 1) != 0 && fits(kind, present, 1u << i))
                    fail_msg("kind %u with payloads %#x, %u twice", (unsigned)kind, present,
                             columns[i]);
        }
}

/* A repeated payload has a limit. SK never occurs inside of a message, nor in IKE_SA_INIT. */
static void repeated_and_encrypted(void **state)
{
    static const struct {
        uint8_t type;
        size_t most;
    } limits[] = {
        {WIRE_PAYLOAD_N, LIMIT_NOTIFIES},       {WIRE_PAYLOAD_D, LIMIT_DELETES},
        {WIRE_PAYLOAD_V, LIMIT_VENDOR_IDS},     {WIRE_PAYLOAD_CERT, LIMIT_CERTS},
        {WIRE_PAYLOAD_CERTREQ, LIMIT_CERTREQS}, {WIRE_PAYLOAD_SK, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        struct wire_message m = {0};
        for (size_t n = 0; n <= limits[i].most + 1; n++) {
            assert_int_equal(message_rules_fit(MESSAGE_INFORMATIONAL, &m), n <= limits[i].most);
            add(&m, limits[i].type, (struct span){0});
        }
    }
}

/* --- a login with a group: docs/protocol.md section 6 --- */

static struct wire_message login_with_group(void)
{
    struct wire_message m = {.header = {.exchange = WIRE_IKE_AUTH}};
    add(&m, WIRE_PAYLOAD_IDi, (struct span){0});
    add(&m, WIRE_PAYLOAD_AUTH, (struct span){0});
    ADD(&m, SA, proposal_esp);
    ADD(&m, N, notify_group);
    ADD(&m, SA, proposal_ike);
    add(&m, WIRE_PAYLOAD_NONCE, (struct span){0});
    ADD(&m, N, notify_status);
    add(&m, WIRE_PAYLOAD_KE, (struct span){0});
    add(&m, WIRE_PAYLOAD_TSi, (struct span){0});
    return m;
}

static void group_is_split_off(void **state)
{
    struct wire_message m = login_with_group(), login, group;
    (void)state;
    assert_true(message_split(&m, GROUP_NUMBER, &login, &group));
    assert_int_equal(login.n, 5);
    assert_int_equal(group.n, 4);
    assert_int_equal(message_kind(&m), MESSAGE_AUTH_ROUND);
    assert_int_equal(wire_count(&login, WIRE_PAYLOAD_SA), 1);
    assert_int_equal(wire_count(&login, WIRE_PAYLOAD_KE), 0);
    /* without the extension, Nonce and KE are ignored, and an SA for IKE is refused */
    assert_false(message_split(&m, 0, &login, &group));
    m.payloads[4].body = span_of(proposal_esp, sizeof(proposal_esp));
    assert_true(message_split(&m, 0, &login, &group));
    assert_int_equal(group.n, 0);
    assert_int_equal(wire_count(&login, WIRE_PAYLOAD_KE), 0);
}

static void group_is_whole(void **state)
{
    (void)state;
    for (size_t gone = 3; gone < 8;
         gone++) { /* each payload of the group; a status notify between */
        struct wire_message m = login_with_group(), login, group;
        memmove(&m.payloads[gone], &m.payloads[gone + 1], (m.n - gone - 1) * sizeof(m.payloads[0]));
        m.n--;
        assert_int_equal(message_split(&m, GROUP_NUMBER, &login, &group), gone == 6);
    }
    struct wire_message m = login_with_group(), login, group;
    ADD(&m, N, notify_group);
    assert_false(message_split(&m, GROUP_NUMBER, &login, &group)); /* a second one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination),      cmocka_unit_test(every_rule),
        cmocka_unit_test(repeated_and_encrypted), cmocka_unit_test(group_is_split_off),
        cmocka_unit_test(group_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
