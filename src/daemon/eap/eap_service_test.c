/* SPDX-License-Identifier: Apache-2.0 */
/* The eap process without the process: whole logins, and an engine that is taken over. */
#include "base/unit_test.h"
#include "daemon/common/eap_methods.h"
#include "daemon/eap/eap_service.h"
#include "ike/terms/identity.h"
#include "linux/entropy.h"
#include "wire/iana.h"

static struct eap_crypto *crypto;
static struct eap_service *service;
static struct usim_book *usims;
static struct eap_request request;
static struct eap_answer answer, last;
static const char *pattern = "";
static const struct eap_doors doors; /* without TLS they stay closed */

static int setup(void **state)
{
    (void)state;
    crypto = eap_crypto_new();
    usims = usim_book_new(-1);
    service = eap_service_new(crypto, entropy_random(), &doors, usims);
    return crypto == NULL || service == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    eap_service_free(service);
    usim_book_free(usims);
    eap_crypto_free(crypto);
    return 0;
}

static void load_fill(const char *name, const char *owner, const char *password)
{
    memset(&request, 0, sizeof(request));
    request.kind = EAP_LOAD;
    strcpy(request.load.name, name);
    request.load.kind = EAP_SECRET_PASSWORD;
    request.load.len = (uint32_t)strlen(password);
    memcpy(request.load.octets, password, strlen(password));
    if (owner != NULL) {
        request.load.n_owners = 1;
        request.load.owners[0].len = (uint16_t)strlen(owner);
        memcpy(request.load.owners[0].data, owner, strlen(owner));
    }
}

static int load(const char *name, const char *owner, const char *password)
{
    load_fill(name, owner, password);
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    assert_int_equal(answer.job, 0);
    return answer.error;
}

static void step(uint32_t conversation, bool authenticator, const char *identity)
{
    memset(&request, 0, sizeof(request));
    request.kind = EAP_STEP;
    request.job = 77;
    request.step.conversation = conversation;
    request.step.authenticator = authenticator;
    request.step.n_methods = 1;
    request.step.methods[0] = EAP_TYPE_MSCHAPV2;
    request.step.identity_len = (uint32_t)strlen(identity);
    memcpy(request.step.identity, identity, strlen(identity));
    strcpy(request.step.pattern, pattern);
    request.step.packet_len = (uint32_t)last.result.packet_len;
    memcpy(request.step.packet, last.result.packet, last.result.packet_len);
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    assert_int_equal(answer.job, 77);
    last = answer;
}

static uint32_t login(uint32_t number, const char *peer, const char *gateway)
{
    last.result.packet_len = 0;
    step(number, true, gateway);
    while (last.error == 0 && last.verdict == EAP_REPLY) {
        step(number + 1, false, peer);
        if (last.error != 0 || last.result.packet_len == 0)
            break;
        step(number, true, gateway);
    }
    return last.verdict;
}

static void logs_in(void **state)
{
    (void)state;
    assert_int_equal(load("eap-anna", "anna", "one"), 0);
    assert_int_equal(load("eap-bert", "bert", "two"), 0);
    assert_int_equal(login(1, "anna", ""), EAP_SUCCEEDED);
    assert_int_equal(last.result.msk_len, EAP_MSK);
    assert_int_equal(last.result.identity_len, 4);
    assert_memory_equal(last.result.identity, "anna", 4);
    assert_int_equal(login(11, "bert", "bert"), EAP_SUCCEEDED);
    assert_int_equal(login(21, "carl", ""), EAP_FAILED);
    assert_int_equal(login(31, "anna", "bert"), EAP_FAILED);
}

/* answers - the conversation begins with what the peer has answered to another one. */
static void answers(const char *packet, size_t len, const char *identity)
{
    memset(&last, 0, sizeof(last));
    memcpy(last.result.packet, packet, len);
    last.result.packet_len = len;
    step(41, true, identity);
}

static void asked_by_another(void **state)
{
    (void)state;
    assert_int_equal(load("eap-anna", "anna", "one"), 0);
    answers("\2\x21\0\x09\1anna", 9, "");
    assert_int_equal(last.verdict, EAP_REPLY);
    assert_int_equal(last.result.packet[1], 0x22);
    assert_int_equal(last.result.packet[4], EAP_TYPE_MSCHAPV2);
    request = (struct eap_request){.kind = EAP_END, .step.conversation = 41};
    (void)eap_service_answer(service, &request, (struct span){0}, &answer);
    static const struct {
        const char *packet;
        size_t len;
    } bad[] = {
        {"\2\x21\0\5\1", 5},       {"\2\x21\0\x09\x04\0\0\0\0", 9}, {"\1\x21\0\x09\1anna", 9},
        {"\2\x21\0\x08\1anna", 9}, {"\2\x21\0\x09\x1a\2\1\0\4", 9}, {"\2\x21\0\6\3\x1a", 6}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        answers(bad[i].packet, bad[i].len, "");
        assert_true(last.error != 0 || last.verdict == EAP_FAILED);
    }
    answers("\2\x21\0\x09\1anna", 9, "anna"); /* nobody was to ask */
    assert_int_equal(last.error, ERR_INVALID);
}

/* A right password of a person whom the connection is not for. */
static void only_whom_eap_id_names(void **state)
{
    static const struct {
        const char *pattern;
        uint32_t verdict;
    } rows[] = {{"", EAP_SUCCEEDED},
                {"%any", EAP_SUCCEEDED},
                {"anna@example.org", EAP_SUCCEEDED},
                {"*@example.org", EAP_SUCCEEDED},
                {"*@example.com", EAP_FAILED},
                {"bert@example.org", EAP_FAILED}};
    (void)state;
    assert_int_equal(load("eap-anna", "anna@example.org", "one"), 0);
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        pattern = rows[i].pattern;
        assert_int_equal(login(1 + 10 * i, "anna@example.org", ""), rows[i].verdict);
        if (rows[i].verdict == EAP_FAILED)
            assert_int_equal(last.result.packet[0], 4);
    }
    pattern = "";
}

/* An engine that is taken over lies about the certificates and the OCSP response behind a request. */
static void lengths_that_lie(void **state)
{
    static const struct {
        uint32_t n_certs, cert, ocsp;
        size_t len;
        int error;
    } rows[] = {{0, 0, 0, 0, 0},
                {0, 0, 4, 4, 0},
                {1, 4, 4, 8, 0},
                {0, 0, 5, 0, ERR_INVALID},
                {0, 0, 3, 4, ERR_INVALID},
                {0, 0, UINT32_MAX, 4, ERR_INVALID},
                {1, 4, UINT32_MAX, 8, ERR_INVALID},
                {EAP_CERTS + 1, 0, 0, 0, ERR_INVALID}};
    static const uint8_t octets[8];
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
        memset(&request, 0, sizeof(request));
        request.kind = EAP_STEP;
        request.job = 77;
        request.step.conversation = 301 + i;
        request.step.authenticator = request.step.n_methods = 1;
        request.step.methods[0] = EAP_TYPE_MSCHAPV2;
        request.tls.n_certs = rows[i].n_certs;
        request.tls.cert_lengths[0] = rows[i].cert;
        request.tls.ocsp_length = rows[i].ocsp;
        assert_true(eap_service_answer(service, &request, span_of(octets, rows[i].len), &answer));
        assert_int_equal(answer.error, rows[i].error);
    }
}

/* again - whether another connection takes the person who is proven. */
static uint32_t again(uint32_t conversation, const char *eap_id, uint32_t flag)
{
    memset(&request, 0, sizeof(request));
    request.kind = EAP_STEP;
    request.job = 78;
    request.step.conversation = conversation;
    request.step.authenticator = 1;
    request.step.again = flag;
    strcpy(request.step.pattern, eap_id);
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    assert_int_equal(answer.job, 78);
    return answer.verdict;
}

/* The peer proves itself once. The connection that is for the proven identity takes the proof. */
static void another_connection(void **state)
{
    (void)state;
    assert_int_equal(load("eap-anna", "anna@example.org", "one"), 0);
    pattern = "*@example.com";
    assert_int_equal(login(201, "anna@example.org", ""), EAP_FAILED);
    assert_true(last.unfit == 1 && last.result.msk_len == 0);
    assert_memory_equal(last.result.msk, (uint8_t[EAP_MSK]){0}, EAP_MSK);
    assert_memory_equal(last.result.identity, "anna@example.org", 16); /* chooses the next one */
    assert_int_equal(again(201, "bert@example.org", 1), EAP_FAILED);
    assert_int_equal(answer.unfit, 1);
    assert_int_equal(again(201, "*@example.org", 1), EAP_SUCCEEDED);
    assert_true(answer.unfit == 0 && answer.result.msk_len == EAP_MSK);
    assert_int_equal(again(201, "*@example.org", 1), 0); /* it is over */
    assert_int_equal(answer.error, ERR_INVALID);

    assert_int_equal(login(211, "anna@example.org", ""), EAP_FAILED);
    assert_int_equal(again(211, "*@example.org", 0), 0); /* a packet is no way on, and ends it */
    assert_int_equal(answer.error, ERR_INVALID);
    assert_int_equal(again(211, "*@example.org", 1), 0);

    assert_int_equal(again(221, "*@example.org", 1), 0); /* before anything is proven */
    assert_int_equal(answer.error, ERR_INVALID);
    last.result.packet_len = 0;
    step(231, true, "");
    assert_int_equal(again(231, "*@example.org", 1), 0);
    assert_int_equal(answer.error, ERR_INVALID);

    assert_int_equal(login(241, "anna@example.org", ""), EAP_FAILED);
    request = (struct eap_request){.kind = EAP_END, .step.conversation = 241};
    (void)eap_service_answer(service, &request, (struct span){0}, &answer);
    assert_int_equal(again(241, "*@example.org", 1), 0);
    pattern = "";
}

/* An identity may be a distinguished name in DER, as strongSwan sends it; whatever only looks like one
 * is a name. */
static void distinguished_names(void **state)
{
    static const struct {
        const char *pattern;
        bool fits;
    } rows[] = {{"", true},
                {"%any", true},
                {"C=CH, O=Lab, CN=anna", true},
                {"C=CH, O=Lab, CN=*", true},
                {"C=CH, O=Lab, CN=bert", false},
                {"C=CH, O=Lab", false},
                {"anna", false}};
    struct ike_id name, id;
    (void)state;
    assert_int_equal(identity_parse("C=CH, O=Lab, CN=anna", &name), 0);
    const struct span octets = span_of(name.data, name.len);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(identity_fits_eap(rows[i].pattern, octets), rows[i].fits);
    assert_true(identity_from_eap(octets, &id));
    assert_true(identity_equal(&id, &name));
    for (uint16_t len = 1; len < name.len; len++) {
        assert_true(identity_from_eap(span_of(name.data, len), &id));
        assert_int_equal(id.type, ID_FQDN);
    }
    assert_true(identity_from_eap(span_text("C=CH, O=Lab, CN=anna"), &id));
    assert_true(identity_equal(&id, &name));
    assert_false(identity_from_eap((struct span){0}, &id));
}

static void loads_and_unloads(void **state)
{
    (void)state;
    assert_int_equal(load("eap-anna", "anna", "one"), 0);
    memset(&request, 0, sizeof(request));
    request.kind = EAP_UNLOAD;
    strcpy(request.load.name, "eap-anna");
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    assert_int_equal(answer.error, 0);
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    assert_int_equal(answer.error, ERR_NOT_FOUND);
    assert_int_equal(login(1, "anna", ""), EAP_FAILED);
    assert_int_equal(load("eap-any", NULL, "one"), 0);
    assert_int_equal(login(11, "anna", ""), EAP_SUCCEEDED);
}

static int stage(const char *name, const char *owner, const char *password)
{
    static const uint8_t zeros[EAP_PASSWORD];
    load_fill(name, owner, password);
    eap_service_stage_answer(service, &request, &answer);
    assert_memory_equal(request.load.octets, zeros, sizeof(zeros));
    return answer.error;
}

static int stage_end(uint64_t number, bool commit)
{
    memset(&request, 0, sizeof(request));
    request.kind = commit ? EAP_STAGE_COMMIT : EAP_STAGE_DROP;
    request.load_number = number;
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    return answer.error;
}

/* What a loader stages counts from the commit on; what else has a name is gone then. */
static void staged_by_a_loader(void **state)
{
    (void)state;
    assert_int_equal(load("eap-bob", "bob", "one"), 0);
    assert_int_equal(load("\x01"
                          "7",
                          "carol", "one"),
                     0); /* of a client, without a name */
    eap_service_stage_begin(service, 1);
    assert_int_equal(stage("eap-anna", "anna", "one"), 0);
    assert_int_equal(login(1, "anna", ""), EAP_FAILED);
    assert_int_equal(login(11, "bob", ""), EAP_SUCCEEDED);
    assert_int_equal(stage_end(1, true), 0);
    assert_int_equal(login(21, "anna", ""), EAP_SUCCEEDED);
    assert_int_equal(login(31, "bob", ""), EAP_FAILED);
    assert_int_equal(login(41, "carol", ""), EAP_SUCCEEDED);
    assert_int_equal(stage_end(1, true), ERR_NOT_FOUND);
    eap_service_stage_begin(service, 2);
    assert_int_equal(stage("eap-bob", "bob", "one"), 0);
    assert_int_equal(stage_end(2, false), 0);
    assert_int_equal(stage_end(2, true), ERR_NOT_FOUND);
    assert_int_equal(login(51, "anna", ""), EAP_SUCCEEDED);
    assert_int_equal(login(61, "bob", ""), EAP_FAILED);
    memset(&request, 0xff, sizeof(request)); /* a loader says nothing else */
    request.kind = EAP_STEP;
    eap_service_stage_answer(service, &request, &answer);
    assert_int_equal(answer.error, ERR_INVALID);
}

/* The secret is wiped from the request, and a conversation that is over is gone. */
static void keeps_nothing(void **state)
{
    static const uint8_t zeros[EAP_PASSWORD];
    (void)state;
    assert_int_equal(load("eap-anna", "anna", "one"), 0);
    assert_memory_equal(request.load.octets, zeros, sizeof(zeros));
    for (uint32_t i = 0; i < 3 * LIMIT_HALF_OPEN; i++) {
        last.result.packet_len = 0;
        step(1 + i, true, "");
        assert_int_equal(answer.error, 0);
        memset(&request, 0, sizeof(request));
        request.kind = EAP_END;
        request.step.conversation = 1 + i;
        assert_false(eap_service_answer(service, &request, (struct span){0}, &answer));
    }
}

static void is_bounded(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < LIMIT_HALF_OPEN + LIMIT_PATIENT; i++) {
        last.result.packet_len = 0;
        step(1 + i, true, "");
        assert_int_equal(answer.error, 0);
    }
    last.result.packet_len = 0;
    step(5000, true, "");
    assert_int_equal(answer.error, ERR_FULL);
}

/* Whatever an engine says that somebody else has taken over. */
static void hostile_engine(void **state)
{
    (void)state;
    for (unsigned row = 0; row < 12; row++) {
        last.result.packet_len = 0;
        step(1 + row, true, "anna");
        assert_int_equal(answer.error, 0);
        step(100 + row, true, ""); /* a new conversation that begins with such a packet */
        assert_int_equal(answer.verdict, EAP_FAILED);
        memset(&request, 0xff, sizeof(request));
        request.kind = row;
        bool answered = eap_service_answer(service, &request, (struct span){0}, &answer);
        assert_int_equal(answered, row != EAP_END);
        if (answered && row != EAP_CLEAR && row != EAP_STAGE_DROP)
            assert_true(answer.error < 0);
    }
    memset(&request, 0, sizeof(request));
    request.kind = EAP_STEP;
    request.step.conversation = 1000;
    request.step.n_methods = 1;
    request.step.methods[0] = 99;
    request.step.authenticator = 1;
    assert_true(eap_service_answer(service, &request, (struct span){0}, &answer));
    assert_int_equal(answer.error, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logs_in, setup, teardown),
        cmocka_unit_test_setup_teardown(asked_by_another, setup, teardown),
        cmocka_unit_test_setup_teardown(only_whom_eap_id_names, setup, teardown),
        cmocka_unit_test_setup_teardown(another_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(lengths_that_lie, setup, teardown),
        cmocka_unit_test_setup_teardown(distinguished_names, setup, teardown),
        cmocka_unit_test_setup_teardown(loads_and_unloads, setup, teardown),
        cmocka_unit_test_setup_teardown(staged_by_a_loader, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(hostile_engine, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
