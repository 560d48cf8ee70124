/* SPDX-License-Identifier: Apache-2.0 */
/* The cores of libikat believe a wrong AUTH, as by an error in the order of their steps. */
#include "lib/ikat.h"

#include <stdio.h>

#include "base/time.h"
#include "base/unit_test.h"
#include "daemon/engine/proofs.h"
#include "ike/ike.h"

#define BEGIN (1000 * NANOS_PER_SEC)

void __real_ike_complete(struct ike *ike, ike_job_id job, const struct ike_result *result,
                         nanos now);
void __wrap_ike_complete(struct ike *ike, ike_job_id job, const struct ike_result *result,
                         nanos now);

/* Linked in the place of ike_complete. */
void __wrap_ike_complete(struct ike *ike, ike_job_id job, const struct ike_result *result,
                         nanos now)
{
    struct ike_result told = *result;
    if (told.error == ERR_AUTH)
        told.error = 0;
    __real_ike_complete(ike, job, &told, now);
}

static bool admits; /* the table of proofs is not asked whether a session may begin */

bool __real_proofs_admit(struct proofs *proofs, const struct ike *ike,
                         const struct ike_event *asked);
bool __wrap_proofs_admit(struct proofs *proofs, const struct ike *ike,
                         const struct ike_event *asked);

/* Linked in the place of proofs_admit. */
bool __wrap_proofs_admit(struct proofs *proofs, const struct ike *ike,
                         const struct ike_event *asked)
{
    return admits || __real_proofs_admit(proofs, ike, asked);
}

/* struct outcome - of one login. Sessions: 0: End User, 1: Gateway. */
struct outcome {
    unsigned sessions[2];
    char reason[64];
};

static struct ikat *endpoint(bool user, const char *secret)
{
    static const char gateway_text[] =
        "connections {\n gate {\n  local {\n auth = psk\n id = gw\n }\n"
        "  remote {\n auth = psk\n }\n"
        "  children {\n net {\n local_ts = 10.20.0.0/24\n }\n }\n }\n}\n";
    static const char user_text[] =
        "connections {\n home {\n  remote_addrs = 192.0.2.1\n"
        "  local {\n auth = psk\n id = user\n }\n"
        "  remote {\n auth = psk\n id = gw\n }\n"
        "  children {\n net {\n remote_ts = 10.20.0.0/24\n }\n }\n }\n}\n";
    char error[IKAT_TEXT_MAX], text[1024];
    const struct ikat_link link = {
        .index = 1, .name = "eth0", .v4 = {.family = 4, .octets = {192, 0, 2, user ? 2 : 1}}};
    struct ikat *ikat = ikat_new(NULL);
    assert_non_null(ikat);
    (void)snprintf(text, sizeof(text), "%ssecrets {\n ike-both {\n secret = %s\n }\n}\n",
                   user ? user_text : gateway_text, secret);
    assert_int_equal(ikat_links_set(ikat, &link, 1, BEGIN), IKAT_OK);
    if (ikat_configure(ikat, "text", text, error) != IKAT_OK)
        fail_msg("%s", error);
    return ikat;
}

/* carry - one output of a side. */
static void carry(struct ikat *other, const struct ikat_output *output, struct outcome *outcome,
                  int side)
{
    struct ikat_place place = {
        .interface = 1, .local = output->place.remote, .remote = output->place.local};
    if (output->kind == IKAT_SESSION_UP)
        outcome->sessions[side]++;
    if (output->kind == IKAT_FAILED)
        (void)snprintf(outcome->reason, sizeof(outcome->reason), "%s", output->reason);
    if (output->kind == IKAT_DATAGRAM)
        ikat_receive(other, &place, (uint8_t *)output->octets, output->len, BEGIN);
}

static struct outcome log_in(const char *secret)
{
    struct outcome outcome = {.reason = ""};
    struct ikat_output output;
    struct ikat *sides[] = {endpoint(true, secret), endpoint(false, "a-secret-of-both")};
    assert_int_equal(ikat_up(sides[0], "home", NULL, BEGIN), IKAT_OK);
    for (bool busy = true; busy;) {
        busy = false;
        for (int i = 0; i < 2; i++)
            while (ikat_next(sides[i], &output)) {
                carry(sides[!i], &output, &outcome, i);
                busy = true;
            }
    }
    ikat_free(sides[0]);
    ikat_free(sides[1]);
    return outcome;
}

static void no_session_without_a_proof(void **state)
{
    (void)state;
    struct outcome right = log_in("a-secret-of-both"), wrong = log_in("another-secret-here");
    assert_int_equal(right.sessions[0] + right.sessions[1], 2);
    assert_int_equal(wrong.sessions[0] + wrong.sessions[1], 0);
    assert_string_equal(wrong.reason, ike_outcome_name(IKE_AUTH_FAILED));
}

static void no_session_without_an_admission(void **state)
{
    (void)state;
    admits = true;
    struct outcome right = log_in("a-secret-of-both"), wrong = log_in("another-secret-here");
    assert_int_equal(right.sessions[0] + right.sessions[1] + wrong.sessions[0] + wrong.sessions[1],
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_session_without_a_proof),
        cmocka_unit_test(no_session_without_an_admission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
