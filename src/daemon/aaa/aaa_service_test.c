/* SPDX-License-Identifier: Apache-2.0 */
/* EAP through RADIUS without sockets: packets of the peer and of a server, valid and hostile. */
#include "base/unit_test.h"
#include "daemon/aaa/aaa_service.h"
#include "linux/entropy.h"
#include "radius/test_server.h"

#define SECRET "testing123"

static struct aaa_service *service;
static struct aaa_request request;
static struct aaa_server loaded;
static struct aaa_answer answer;
static uint8_t sent[RADIUS_PACKET];
static struct radius_datagram datagram;
static struct radius_packet asked;

static struct aaa_groups demanded;

static bool accounting;

static void server_load(bool class_group)
{
    uint32_t changed;
    memset(&loaded, 0, sizeof(loaded));
    strcpy(loaded.name, "one");
    assert_true(address_parse("192.0.2.1", &loaded.address));
    loaded.secret_len = sizeof(SECRET) - 1;
    memcpy(loaded.secret, SECRET, sizeof(SECRET) - 1);
    loaded.class_group = class_group;
    loaded.accounting = accounting;
    assert_int_equal(aaa_service_load(service, &loaded, &changed), 0);
    assert_true(changed == 0 || changed == 1); /* it is still a bool */
    assert_int_equal(loaded.secret[0], 0);
}

static int setup(void **state)
{
    (void)state;
    service = aaa_service_new(entropy_random(), -1, false);
    server_load(false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    service = aaa_service_free(service);
    return 0;
}

/* A step of conversation 5; true: it is answered at once. */
static bool step(const char *identity, const char *pattern, struct span packet)
{
    uint32_t changed;
    memset(&request, 0, sizeof(request));
    request.kind = AAA_STEP;
    request.job = 77;
    request.step.eap.conversation = 5;
    request.step.eap.authenticator = 1;
    request.step.eap.identity_len = (uint32_t)strlen(identity);
    memcpy(request.step.eap.identity, identity, strlen(identity));
    strcpy(request.step.eap.pattern, pattern);
    request.step.eap.packet_len = (uint32_t)packet.len;
    if (packet.len > 0)
        memcpy(request.step.eap.packet, packet.ptr, packet.len);
    request.step.groups = demanded;
    strcpy(request.step.calling, "198.51.100.7:4500");
    return aaa_service_ask(service, &request, 0, &answer, &changed);
}

static void expect_request(void)
{
    assert_true(radius_client_send(aaa_service_client(service), 0, &datagram));
    memcpy(sent, datagram.octets.ptr, datagram.octets.len);
    datagram.octets.ptr = sent;
    assert_true(radius_packet_read(datagram.octets, &asked));
    assert_int_equal(asked.code, RADIUS_ACCESS_REQUEST);
    assert_int_equal(radius_count(&asked, RADIUS_MESSAGE_AUTHENTICATOR), 1);
}

/* The server's answer, with `eap` and more attributes. */
static void server_says(enum radius_code code, const char *eap, size_t eap_len, struct span more)
{
    uint8_t attributes[2048], reply[RADIUS_PACKET];
    struct writer w = writer_of(attributes, sizeof(attributes));
    struct radius_datagram from = datagram;
    struct radius_outcome outcome;
    radius_eap_write(&w, span_of(eap, eap_len));
    write_bytes(&w, more);
    const struct test_reply what = {code, true, writer_span(&w)};
    size_t len = test_server_seal(&what, datagram.octets, SECRET, reply);
    from.octets = span_of(reply, len);
    assert_true(radius_client_recv(aaa_service_client(service), &from, 0, &outcome));
    assert_true(aaa_service_outcome(service, &outcome, 0, &answer));
    assert_int_equal(answer.job, 77);
}

static struct span keys(void)
{
    static uint8_t octets[256];
    static const uint8_t key[32] = {1};
    struct writer w = writer_of(octets, sizeof(octets));
    test_server_mppe(&w, 17, span_of(key, 32), sent + 4, SECRET);
    test_server_mppe(&w, 16, span_of(key, 32), sent + 4, SECRET);
    radius_u32_write(&w, RADIUS_SESSION_TIMEOUT, 3600);
    radius_u32_write(&w, RADIUS_FRAMED_IP_ADDRESS, 0x0a1e0007);
    radius_attribute_write(&w, RADIUS_FRAMED_POOL, span_text("inner"));
    radius_attribute_write(&w, RADIUS_CLASS, span_text("gold"));
    return writer_span(&w);
}

static void begin(const char *pattern)
{
    uint32_t changed;
    memset(&request, 0, sizeof(request));
    request.kind = AAA_END; /* what the server gave may be kept for another connection */
    request.step.eap.conversation = 5;
    assert_false(aaa_service_ask(service, &request, 0, &answer, &changed));
    assert_false(step("anna@example.org", pattern, (struct span){0}));
    expect_request();
}

static void passes_through(void **state)
{
    uint8_t eap[64];
    struct span value;
    (void)state;
    begin("");
    assert_true(radius_find(&asked, RADIUS_NAS_IDENTIFIER, &value));
    assert_int_equal(value.len, 4); /* the engine did not say: ikat */
    assert_int_equal(radius_eap_join(&asked, eap, sizeof(eap)), 21);
    assert_memory_equal(eap, "\2\0\0\x15\1anna@example.org", 21);
    assert_true(radius_find(&asked, RADIUS_USER_NAME, &value));
    assert_int_equal(value.len, 16);
    static const uint8_t state_attribute[] = {RADIUS_STATE, 4, 'x', 'y'};
    server_says(RADIUS_ACCESS_CHALLENGE, "\1\7\0\6\4\0", 6, span_of(state_attribute, 4));
    assert_int_equal(answer.verdict, EAP_REPLY);
    assert_int_equal(answer.result.packet_len, 6);
    assert_false(step("", "", span_of("\2\7\0\6\4\1", 6)));
    expect_request();
    assert_true(radius_find(&asked, RADIUS_STATE, &value));
    assert_memory_equal(value.ptr, "xy", 2);
    assert_int_equal(radius_eap_join(&asked, eap, sizeof(eap)), 6);
    server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, keys());
    assert_int_equal(answer.verdict, EAP_SUCCEEDED);
    assert_int_equal(answer.result.msk_len, 64);
    assert_int_equal(answer.result.identity_len, 16);
    assert_int_equal(answer.grant.session_timeout_s, 3600);
    assert_int_equal(answer.grant.framed4.family, ADDRESS_V4);
    assert_string_equal(answer.grant.pool4, "inner");
    assert_int_equal(answer.grant.n_classes, 6);
    /* it is over: the number would begin anew */
    assert_true(step("", "", span_of("\2\7\0\6\4\1", 6)));
    assert_int_equal(answer.verdict, EAP_FAILED);
}

static void asks_for_the_identity(void **state)
{
    (void)state;
    assert_true(step("", "%any", (struct span){0}));
    assert_int_equal(answer.verdict, EAP_REPLY);
    assert_int_equal(answer.result.packet[4], 1);
    assert_false(step("", "", span_of("\2\7\0\x09\1bert", 9)));
    expect_request();
    server_says(RADIUS_ACCESS_REJECT, "\4\7\0\4", 4, (struct span){0});
    assert_int_equal(answer.verdict, EAP_FAILED);
    assert_int_equal(answer.result.packet[0], 4);
}

/* Another conversation has asked for the identity, and the peer has answered. */
static void asked_by_another(void **state)
{
    struct span name;
    (void)state;
    assert_false(step("", "", span_of("\2\7\0\x09\1bert", 9)));
    expect_request();
    assert_true(radius_find(&asked, RADIUS_USER_NAME, &name));
    assert_true(span_equal(name, span_text("bert")));
    server_says(RADIUS_ACCESS_REJECT, "\4\7\0\4", 4, (struct span){0});
    assert_true(step("", "", span_of("\2\7\0\6\4\0", 6)));
    assert_int_equal(answer.verdict, EAP_FAILED);
    assert_true(step("anna", "", span_of("\2\7\0\x09\1bert", 9)));
    assert_int_equal(answer.error, ERR_INVALID);
}

/* The session has the identity that the server confirms, whatever identity the peer sent. */
static void identities(void **state)
{
    static const struct {
        const char *pattern, *user_name; /* of the Access-Accept; NULL: none */
        const char *proven;              /* NULL: refused */
    } rows[] = {
        {"", NULL, "anna@example.org"},
        {"%any", NULL, "anna@example.org"},
        {"*@example.org", NULL, "anna@example.org"},
        {"*@example.com", NULL, NULL},
        {"", "bert@example.org", "bert@example.org"},
        {"bert@example.org", "bert@example.org", "bert@example.org"},
        {"anna@example.org", "bert@example.org", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t more[512];
        struct writer w = writer_of(more, sizeof(more));
        begin(rows[i].pattern);
        write_bytes(&w, keys());
        if (rows[i].user_name != NULL)
            radius_attribute_write(&w, RADIUS_USER_NAME, span_text(rows[i].user_name));
        server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, writer_span(&w));
        assert_int_equal(answer.verdict, rows[i].proven == NULL ? EAP_FAILED : EAP_SUCCEEDED);
        if (rows[i].proven == NULL) {
            assert_int_equal(answer.result.packet[0], 4);
            assert_int_equal(answer.result.msk_len, 0);
            continue;
        }
        assert_int_equal(answer.result.identity_len, strlen(rows[i].proven));
        assert_memory_equal(answer.result.identity, rows[i].proven, strlen(rows[i].proven));
    }
}

/* struct part - an attribute that a server may send. */
struct part {
    uint8_t type;
    const char *value;
    size_t len;
};

/* granted - the grant of an Access-Accept with these attributes. */
static const struct aaa_grant *granted(const struct part *parts, size_t n)
{
    uint8_t more[1024];
    struct writer w = writer_of(more, sizeof(more));
    begin("");
    for (size_t i = 0; i < n; i++)
        radius_attribute_write(&w, (enum radius_attribute)parts[i].type,
                               span_of(parts[i].value, parts[i].len));
    server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, writer_span(&w));
    assert_int_equal(answer.verdict, EAP_SUCCEEDED);
    return &answer.grant;
}

static void grant_of_addresses(void **state)
{
#define NET "\xfd\x30\0\0\0\0\0\1" /* 64 bits */
    static const struct {
        struct part parts[2];
        const char *framed4, *framed6; /* "": none */
    } rows[] = {
        {{{8, "\12\36\0\7", 4}}, "10.30.0.7", ""},
        {{{8, "\377\377\377\376", 4}}, "", ""}, /* the choice is ours */
        {{{8, "\377\377\377\377", 4}}, "", ""},
        {{{8, "\0\0\0\0", 4}}, "", ""},
        {{{8, "\340\0\0\1", 4}}, "", ""}, /* multicast */
        {{{8, "\177\0\0\1", 4}}, "", ""}, /* loopback */
        {{{8, "\12\36\0", 3}}, "", ""},
        {{{8, "\12\36\0\7\0", 5}}, "", ""},
        {{{168, NET "\0\0\0\0\0\0\0\5", 16}}, "", "fd30:0:0:1::5"},
        {{{168, NET "\0\0\0\0\0\0\0", 15}}, "", ""},
        {{{168, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\5", 16}}, "", ""}, /* of a link */
        {{{97, "\0\x40" NET, 10}}, "", "fd30:0:0:1::1"},
        {{{97, "\0\x40" NET, 10}, {96, "\0\0\0\0\0\0\0\x42", 8}}, "", "fd30:0:0:1::42"},
        {{{97, "\0\x80" NET "\0\0\0\0\0\0\0\6", 18}}, "", "fd30:0:0:1::6"},
        {{{97, "\0\x40\xfd\x30\0\0", 6}}, "", ""}, /* shorter than its length says */
        {{{97, "\0\x81" NET, 10}}, "", ""},        /* no such length */
        {{{97, "\0\0", 2}}, "", ""},               /* all of IPv6 */
        {{{97, "\0", 1}}, "", ""},
        {{{97, "\0\x40" NET "\0\0\0\0\0\0\0\0\0", 19}}, "", ""}, /* longer than an address */
    };
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct aaa_grant *grant = granted(rows[i].parts, rows[i].parts[1].type != 0 ? 2 : 1);
        assert_int_equal(grant->framed4.family, rows[i].framed4[0] != '\0' ? ADDRESS_V4 : 0);
        assert_int_equal(grant->framed6.family, rows[i].framed6[0] != '\0' ? ADDRESS_V6 : 0);
        if (grant->framed4.family != ADDRESS_NONE)
            assert_string_equal(address_print(&grant->framed4, text), rows[i].framed4);
        if (grant->framed6.family != ADDRESS_NONE)
            assert_string_equal(address_print(&grant->framed6, text), rows[i].framed6);
    }
#undef NET
}

static void grant_of_lists(void **state)
{
    static const char long_name[LIMIT_NAME] = {'x'};
    const struct part parts[] = {
        {11, "staff", 5},
        {11, "", 0},
        {11, "a\0b", 3},
        {11, long_name, LIMIT_NAME},
        {25, "gold", 4},
        {88, "", 0},
        {85, "\0\0\2\x58", 4},
        {28, "\0\0\0\x1e", 4},
        {169, "\xfd\x30\0\0\0\0\0\0\0\0\0\0\0\0\0\x35", 16},
        {26, "\0\0\1\x37\34\6\12\24\0\1", 10},
    };
    (void)state;
    const struct aaa_grant *grant = granted(parts, ARRAY_LEN(parts));
    assert_int_equal(grant->groups.n, 1); /* without class_group Class names none */
    assert_string_equal(grant->groups.names[0], "staff");
    assert_int_equal(grant->n_classes, 6);
    assert_string_equal(grant->pool4, "");
    assert_int_equal(grant->interim_s, 600);
    assert_int_equal(grant->idle_timeout_s, 30);
    assert_int_equal(grant->n_dns, 2);
}

/* More than there is room for: the rest counts as not given. */
static void grant_without_end(void **state)
{
    static char classes[3][250];
    struct part parts[AAA_GROUPS + 5];
    (void)state;
    for (size_t i = 0; i < AAA_GROUPS + 2; i++)
        parts[i] = (struct part){11, "group", 5};
    for (size_t i = 0; i < 3; i++)
        parts[AAA_GROUPS + 2 + i] = (struct part){25, classes[i], sizeof(classes[i])};
    const struct aaa_grant *grant = granted(parts, ARRAY_LEN(parts));
    assert_int_equal(grant->groups.n, AAA_GROUPS);
    assert_int_equal(grant->n_classes, 2 * 252);
}

static void groups_demanded(void **state)
{
    static const struct {
        const char *wanted, *filter, *class;
        bool class_group, granted;
    } rows[] = {
        {"staff", "staff", "x", false, true},     {"staff", "guests", "x", false, false},
        {"staff", "staf", "staff", false, false}, {"staff", "x", "staff", true, true},
        {"staff", "Staff", "x", true, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint8_t more[512];
        struct writer w = writer_of(more, sizeof(more));
        server_load(rows[i].class_group);
        demanded.n = 1;
        strcpy(demanded.names[0], rows[i].wanted);
        begin("");
        write_bytes(&w, keys());
        radius_attribute_write(&w, RADIUS_FILTER_ID, span_text(rows[i].filter));
        radius_attribute_write(&w, RADIUS_CLASS, span_text(rows[i].class));
        server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, writer_span(&w));
        assert_int_equal(answer.verdict, rows[i].granted ? EAP_SUCCEEDED : EAP_FAILED);
        assert_int_equal(answer.result.msk_len, rows[i].granted ? 64 : 0);
    }
    demanded.n = 0;
}

/* A23 and RFC 3579 section 2.6.3: code and EAP-Message must say the same. */
/* again - whether another connection takes the peer that the server lets in. */
static bool again(const char *pattern, const char *group)
{
    uint32_t changed;
    memset(&request, 0, sizeof(request));
    request.kind = AAA_STEP;
    request.job = 78;
    request.step.eap.conversation = 5;
    request.step.eap.authenticator = 1;
    request.step.eap.again = 1;
    strcpy(request.step.eap.pattern, pattern);
    request.step.groups.n = 1;
    strcpy(request.step.groups.names[0], group);
    assert_true(aaa_service_ask(service, &request, 0, &answer, &changed));
    assert_int_equal(answer.job, 78);
    return answer.error == 0 && answer.verdict == EAP_SUCCEEDED;
}

/* accepted_for_another - the server lets anna in, as one of the staff; the connection is for guests. */
static void accepted_for_another(void)
{
    uint8_t more[512];
    struct writer w = writer_of(more, sizeof(more));
    demanded.n = 1;
    strcpy(demanded.names[0], "guests");
    begin("*@example.org");
    demanded.n = 0;
    write_bytes(&w, keys());
    radius_attribute_write(&w, RADIUS_FILTER_ID, span_text("staff"));
    server_says(RADIUS_ACCESS_ACCEPT, "\3\7\0\4", 4, writer_span(&w));
    assert_true(answer.verdict == EAP_FAILED && answer.unfit == 1);
    assert_true(answer.result.msk_len == 0 && answer.grant.groups.n == 0);
    assert_memory_equal(answer.result.identity, "anna@example.org", 16); /* chooses the next one */
}

/* The server is asked once. Its answer counts for the connection whose demands it meets. */
static void another_connection(void **state)
{
    (void)state;
    accepted_for_another();
    assert_false(again("*@example.org", "managers"));
    assert_int_equal(answer.unfit, 1);
    assert_false(again("*@other.example", "staff"));
    assert_int_equal(answer.unfit, 1);
    assert_true(again("*@example.org", "staff"));
    assert_true(answer.result.msk_len == 64 && answer.grant.groups.n == 1 && answer.unfit == 0);
    assert_memory_equal(answer.result.identity, "anna@example.org", 16);
    assert_false(radius_client_send(aaa_service_client(service), 0, &datagram));
    assert_false(again("", "staff")); /* it is over */
    assert_int_equal(answer.error, ERR_INVALID);

    accepted_for_another(); /* the peer's next packet is no way on, and ends it */
    assert_true(step("", "*@example.org", span_of("\2\7\0\5\1", 5)));
    assert_int_equal(answer.error, ERR_INVALID);
    assert_false(again("", "staff"));

    begin(""); /* before the server has said anything */
    assert_false(again("", "staff"));
}

static void hostile_server(void **state)
{
    static const struct {
        const char *name;
        enum radius_code code;
        const char *eap;
        size_t len;
    } rows[] = {
        {"accept without EAP", RADIUS_ACCESS_ACCEPT, "", 0},
        {"accept with failure", RADIUS_ACCESS_ACCEPT, "\4\7\0\4", 4},
        {"accept with a request", RADIUS_ACCESS_ACCEPT, "\1\7\0\6\4\0", 6},
        {"challenge without EAP", RADIUS_ACCESS_CHALLENGE, "", 0},
        {"challenge with success", RADIUS_ACCESS_CHALLENGE, "\3\7\0\4", 4},
        {"challenge with a response", RADIUS_ACCESS_CHALLENGE, "\2\7\0\6\4\0", 6},
        {"challenge with a length too long", RADIUS_ACCESS_CHALLENGE, "\1\7\0\7\4\0", 6},
        {"reject with success", RADIUS_ACCESS_REJECT, "\3\7\0\4", 4},
        {"reject without EAP", RADIUS_ACCESS_REJECT, "", 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin("");
        server_says(rows[i].code, rows[i].eap, rows[i].len, keys());
        if (answer.verdict != EAP_FAILED || answer.result.msk_len != 0 ||
            answer.result.packet_len != 4 || answer.result.packet[0] != 4)
            fail_msg("taken: %s", rows[i].name);
    }
}

static void hostile_peer(void **state)
{
    static const struct {
        const char *octets;
        size_t len;
    } rows[] = {{"\1\7\0\6\4\0", 6}, {"\2\7\0\7\4\0", 6}, {"\2", 1}, {"\3\7\0\4", 4}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin("");
        server_says(RADIUS_ACCESS_CHALLENGE, "\1\7\0\6\4\0", 6, (struct span){0});
        assert_true(step("", "", span_of(rows[i].octets, rows[i].len)));
        assert_int_equal(answer.verdict, EAP_FAILED);
    }
}

/* Loading a server again without a change keeps the requests that wait for it. */
static void loaded_again(void **state)
{
    struct radius_outcome outcome;
    (void)state;
    begin("");
    server_load(false);
    assert_false(radius_client_failed(aaa_service_client(service), &outcome));
    server_says(RADIUS_ACCESS_REJECT, "\4\7\0\4", 4, (struct span){0});
    assert_non_null(strstr(answer.result.reason, "the RADIUS server one refuses the login"));
    begin("");
    server_load(true);
    assert_true(radius_client_failed(aaa_service_client(service), &outcome));
}

static void no_server(void **state)
{
    uint32_t changed;
    (void)state;
    memset(&request, 0, sizeof(request));
    request.kind = AAA_SERVER_UNLOAD;
    strcpy(request.name, "one");
    assert_true(aaa_service_ask(service, &request, 0, &answer, &changed));
    assert_int_equal(answer.error, 0);
    assert_true(step("anna@example.org", "", (struct span){0}));
    assert_int_equal(answer.verdict, EAP_FAILED);
    assert_string_equal(answer.result.reason, "no RADIUS server is configured");
}

static void silent_server(void **state)
{
    struct radius_client *client = aaa_service_client(service);
    struct radius_outcome outcome;
    (void)state;
    begin("");
    while (radius_client_deadline(client) != NANOS_NEVER)
        (void)radius_client_send(client, radius_client_deadline(client), &datagram);
    assert_true(radius_client_failed(client, &outcome));
    assert_true(aaa_service_outcome(service, &outcome, 0, &answer));
    assert_int_equal(answer.verdict, EAP_FAILED);
    assert_non_null(strstr(answer.result.reason, "no answer from the RADIUS server one"));
}

static void account_add(enum aaa_account_kind kind)
{
    uint32_t changed;
    memset(&request, 0, sizeof(request));
    request.kind = AAA_ACCOUNT;
    struct aaa_account *a = &request.account;
    a->kind = kind;
    a->cause = AAA_CAUSE_IDLE_TIMEOUT;
    a->at_s = 1000;
    a->duration_s = 42;
    strcpy(a->session_id, "0123-1");
    a->user_len = 4;
    memcpy(a->user, "anna", 4);
    a->traffic = (struct aaa_traffic){(UINT64_C(3) << 32) + 5, 6, 7, 8};
    a->n_paths = 2;
    strcpy(a->paths[0].interface, "wan0");
    assert_true(address_parse("192.0.2.1", &a->paths[0].local));
    assert_true(address_parse("198.51.100.7", &a->paths[0].remote));
    a->paths[0].traffic = (struct aaa_traffic){1, 2, 3, 4};
    a->n_classes = 6;
    memcpy(a->classes, "\31\6gold", 6);
    assert_false(aaa_service_ask(service, &request, 0, &answer, &changed));
}

static void expect_account(nanos now, int64_t wall_s)
{
    aaa_service_tick(service, now, wall_s);
    assert_true(radius_client_send(aaa_service_client(service), now, &datagram));
    assert_true(datagram.accounting);
    memcpy(sent, datagram.octets.ptr, datagram.octets.len);
    datagram.octets.ptr = sent;
    assert_true(radius_packet_read(datagram.octets, &asked));
    assert_int_equal(asked.code, RADIUS_ACCOUNTING_REQUEST);
}

static void expect_u32(enum radius_attribute type, uint32_t value)
{
    uint32_t found;
    assert_true(radius_find_u32(&asked, type, &found));
    assert_int_equal(found, value);
}

static bool account_answered(enum radius_code code)
{
    uint8_t reply[RADIUS_PACKET];
    struct radius_datagram from = datagram;
    struct radius_outcome outcome;
    const struct test_reply what = {code, false, {0}};
    from.octets = span_of(reply, test_server_seal(&what, datagram.octets, SECRET, reply));
    if (!radius_client_recv(aaa_service_client(service), &from, 0, &outcome))
        return false;
    assert_false(aaa_service_outcome(service, &outcome, 0, &answer));
    return true;
}

static void accounts(void **state)
{
    struct span value;
    uint32_t cause;
    (void)state;
    account_add(AAA_ACCOUNT_START);
    aaa_service_tick(service, 0, 1000);
    assert_false(radius_client_send(aaa_service_client(service), 0, &datagram)); /* no server */
    accounting = true;
    server_load(false);
    accounting = false;
    expect_account(0, 1000);
    expect_u32(RADIUS_ACCT_STATUS_TYPE, 1);
    assert_false(radius_find_u32(&asked, RADIUS_ACCT_TERMINATE_CAUSE, &cause));
    assert_false(account_answered(RADIUS_ACCESS_ACCEPT));
    assert_true(account_answered(RADIUS_ACCOUNTING_RESPONSE));
    account_add(AAA_ACCOUNT_STOP);
    expect_account(0, 1003);
    expect_u32(RADIUS_ACCT_STATUS_TYPE, 2);
    expect_u32(RADIUS_ACCT_DELAY_TIME, 3);
    expect_u32(RADIUS_EVENT_TIMESTAMP, 1000);
    expect_u32(RADIUS_ACCT_SESSION_TIME, 42);
    expect_u32(RADIUS_ACCT_TERMINATE_CAUSE, 4);
    expect_u32(RADIUS_ACCT_INPUT_OCTETS, 5);
    expect_u32(RADIUS_ACCT_INPUT_GIGAWORDS, 3);
    expect_u32(RADIUS_ACCT_OUTPUT_OCTETS, 6);
    expect_u32(RADIUS_ACCT_OUTPUT_GIGAWORDS, 0);
    expect_u32(RADIUS_ACCT_INPUT_PACKETS, 7);
    expect_u32(RADIUS_ACCT_OUTPUT_PACKETS, 8);
    assert_true(radius_find(&asked, RADIUS_CLASS, &value));
    assert_memory_equal(value.ptr, "gold", 4);
    assert_int_equal(radius_count(&asked, RADIUS_VENDOR_SPECIFIC), 2);
    assert_true(radius_find_vendor(&asked, 32473, 1, &value));
    static const char path[] = "if=wan0 local=192.0.2.1 remote=198.51.100.7 in=1/3 out=2/4";
    assert_int_equal(value.len, sizeof(path) - 1);
    assert_memory_equal(value.ptr, path, value.len);
    assert_true(account_answered(RADIUS_ACCOUNTING_RESPONSE));
    assert_int_equal(account_queue_waiting(aaa_service_accounts(service)), 0);
}

/* The server is away for an hour: the record stays, and says how late it is. */
static void accounts_late(void **state)
{
    struct radius_client *client = aaa_service_client(service);
    struct radius_outcome outcome;
    nanos now = 0;
    (void)state;
    accounting = true;
    server_load(false);
    accounting = false;
    account_add(AAA_ACCOUNT_STOP);
    while (now < 3600 * NANOS_PER_SEC) {
        aaa_service_tick(service, now, 1000 + now / NANOS_PER_SEC);
        while (radius_client_send(client, now, &datagram))
            ;
        while (radius_client_failed(client, &outcome))
            assert_false(aaa_service_outcome(service, &outcome, now, &answer));
        assert_true(aaa_service_deadline(service) > now);
        now = aaa_service_deadline(service);
        assert_int_not_equal(now, NANOS_NEVER);
    }
    do { /* until a new request goes out */
        aaa_service_tick(service, now, 1000 + now / NANOS_PER_SEC);
        while (radius_client_failed(client, &outcome))
            (void)aaa_service_outcome(service, &outcome, now, &answer);
        if (radius_client_send(client, now, &datagram))
            break;
        now = aaa_service_deadline(service);
    } while (now < 3700 * NANOS_PER_SEC);
    assert_true(radius_packet_read(datagram.octets, &asked));
    uint32_t delay;
    assert_true(radius_find_u32(&asked, RADIUS_ACCT_DELAY_TIME, &delay));
    assert_true(delay >= 3500 && delay <= 3700);
    memcpy(sent, datagram.octets.ptr, datagram.octets.len);
    datagram.octets.ptr = sent;
    assert_true(account_answered(RADIUS_ACCOUNTING_RESPONSE));
    assert_int_equal(account_queue_waiting(aaa_service_accounts(service)), 0);
}

static void stage(const char *name, const char *secret)
{
    memset(&loaded, 0, sizeof(loaded));
    strcpy(loaded.name, name);
    assert_true(address_parse("192.0.2.9", &loaded.address));
    loaded.secret_len = (uint32_t)strlen(secret);
    memcpy(loaded.secret, secret, strlen(secret));
    assert_int_equal(aaa_service_stage_load(service, &loaded), 0);
    assert_int_equal(loaded.secret[0], 0);
}

static uint32_t stage_end(uint64_t number, bool commit)
{
    uint32_t changed;
    memset(&request, 0, sizeof(request));
    request.kind = commit ? AAA_STAGE_COMMIT : AAA_STAGE_DROP;
    request.load_number = number;
    assert_true(aaa_service_ask(service, &request, 0, &answer, &changed));
    return changed;
}

static bool has(const char *name, const char *secret)
{
    for (unsigned i = 0; i < RADIUS_SERVERS; i++) {
        const struct aaa_server *server = aaa_service_server(service, i);
        const struct radius_key *key = radius_client_key(aaa_service_client(service), i);
        if (server != NULL && strcmp(server->name, name) == 0)
            return key->len == strlen(secret) && memcmp(key->octets, secret, key->len) == 0;
    }
    return false;
}

/* From the commit on, exactly the servers that the loader staged are in use. */
static void staged_by_a_loader(void **state)
{
    (void)state;
    aaa_service_stage_begin(service, 1);
    stage("one", "first");
    stage("two", "second");
    assert_false(has("one", "first"));
    assert_int_equal(stage_end(1, true), 3);
    assert_int_equal(answer.error, 0);
    assert_true(has("one", "first") && has("two", "second"));
    (void)stage_end(1, true); /* once */
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    aaa_service_stage_begin(service, 2);
    stage("two", "second");
    aaa_service_stage_begin(service, 3); /* the commit of the second one is on its way */
    stage("three", "third");
    assert_int_equal(stage_end(2, true), 1); /* `two` is what it was */
    assert_true(has("two", "second") && !has("one", "first") && !has("three", "third"));
    assert_int_equal(stage_end(3, false), 0);
    (void)stage_end(3, true);
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    assert_true(has("two", "second"));
}

/* A hostile engine. */
static void hostile_engine(void **state)
{
    uint32_t changed;
    (void)state;
    begin("");
    assert_true(step("", "", span_of("\2\7\0\6\4\1", 6))); /* the server is asked already */
    assert_int_equal(answer.error, ERR_INVALID);
    for (uint32_t kind = 0; kind < AAA_ACCOUNTS_ALL + 2; kind++) {
        memset(&request, 0xff, sizeof(request));
        request.kind = kind;
        if (aaa_service_ask(service, &request, 0, &answer, &changed))
            assert_int_equal(answer.error, kind == AAA_STAGE_COMMIT ? ERR_NOT_FOUND
                                           : kind == AAA_STAGE_DROP ? 0
                                                                    : ERR_INVALID);
        else
            assert_true(kind == AAA_END || kind == AAA_ACCOUNT || kind == AAA_ACCOUNT_KEEP ||
                        kind == AAA_ACCOUNTS_ALL);
        assert_int_equal(changed, 0);
    }
}

/* A server of which one flag is neither true nor false: it takes no place of the one that is loaded. */
static void hostile_flags(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        uint32_t changed;
        server_load(false);
        uint8_t *flags[] = {&loaded.stream,  &loaded.class_group, &loaded.accounting,
                            &loaded.watched, &loaded.dae,         &loaded.undated};
        memcpy(loaded.secret, SECRET, sizeof(SECRET) - 1);
        *flags[i] = 2;
        assert_int_equal(aaa_service_load(service, &loaded, &changed), ERR_INVALID);
        assert_int_equal(changed, 0);
        assert_int_equal(loaded.secret[0], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passes_through, setup, teardown),
        cmocka_unit_test_setup_teardown(asks_for_the_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(asked_by_another, setup, teardown),
        cmocka_unit_test_setup_teardown(identities, setup, teardown),
        cmocka_unit_test_setup_teardown(another_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(grant_of_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(grant_of_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(grant_without_end, setup, teardown),
        cmocka_unit_test_setup_teardown(groups_demanded, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_server, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_peer, setup, teardown),
        cmocka_unit_test_setup_teardown(loaded_again, setup, teardown),
        cmocka_unit_test_setup_teardown(no_server, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_server, setup, teardown),
        cmocka_unit_test_setup_teardown(accounts, setup, teardown),
        cmocka_unit_test_setup_teardown(accounts_late, setup, teardown),
        cmocka_unit_test_setup_teardown(staged_by_a_loader, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_engine, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_flags, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
