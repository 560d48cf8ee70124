/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What other daemons said (messages/, made by lab/interop/captures.py from a run of the
 * interoperability cases; the Encrypted payload is opened) is read without an error, payload by
 * payload.
 */
#include <dirent.h>
#include <stdio.h>

#include "base/unit_test.h"
#include "wire/payloads.h"

#define ROOM 65536

static const char *folder;
static unsigned seen[256]; /* payloads, by type */

static size_t file_read(const char *name, uint8_t *out)
{
    char path[512];
    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(out, 1, ROOM, file);
    (void)fclose(file);
    return len;
}

static bool payload_read(const struct wire_payload *p)
{
    static struct wire_sa sa;
    static struct wire_ts_list ts;
    static struct wire_cfg cfg;
    struct wire_ke ke;
    struct wire_id id;
    struct wire_auth auth;
    struct wire_notify notify;
    struct wire_delete d;
    struct span nonce;
    switch (p->type) {
    case WIRE_PAYLOAD_SA: return wire_sa_read(p->body, &sa) && sa.n > 0;
    case WIRE_PAYLOAD_KE: return wire_ke_read(p->body, &ke);
    case WIRE_PAYLOAD_NONCE: return wire_nonce_read(p->body, &nonce);
    case WIRE_PAYLOAD_IDi:
    case WIRE_PAYLOAD_IDr: return wire_id_read(p->body, &id);
    case WIRE_PAYLOAD_AUTH: return wire_auth_read(p->body, &auth);
    case WIRE_PAYLOAD_N: return wire_notify_read(p->body, &notify);
    case WIRE_PAYLOAD_D: return wire_delete_read(p->body, &d);
    case WIRE_PAYLOAD_TSi:
    case WIRE_PAYLOAD_TSr: return wire_ts_read(p->body, &ts) && ts.n > 0;
    case WIRE_PAYLOAD_CP: return wire_cfg_read(p->body, &cfg);
    case WIRE_PAYLOAD_V: return true;
    default: return false;
    }
}

static void message_check(const char *name)
{
    static uint8_t octets[ROOM];
    static struct wire_message message;
    uint8_t critical, inner_first;
    size_t len = file_read(name, octets);
    if (!ike_header_read(span_of(octets, len), &message.header) ||
        message.header.version != IKE_VERSION)
        fail_msg("%s: header", name);
    enum wire_fault fault =
        wire_chain_read(span_of(octets + IKE_HEADER_LEN, len - IKE_HEADER_LEN),
                        message.header.next_payload, &message, &critical, &inner_first);
    if (fault != WIRE_OK)
        fail_msg("%s: chain of payloads, %d", name, (int)fault);
    for (size_t i = 0; i < message.n; i++) {
        if (!payload_read(&message.payloads[i]))
            fail_msg("%s: payload %zu of type %u", name, i, message.payloads[i].type);
        seen[message.payloads[i].type]++;
    }
}

static void test_what_others_said(void **state)
{
    (void)state;
    static const uint8_t types[] = {WIRE_PAYLOAD_SA,  WIRE_PAYLOAD_KE,  WIRE_PAYLOAD_NONCE,
                                    WIRE_PAYLOAD_IDi, WIRE_PAYLOAD_IDr, WIRE_PAYLOAD_AUTH,
                                    WIRE_PAYLOAD_N,   WIRE_PAYLOAD_D,   WIRE_PAYLOAD_TSi,
                                    WIRE_PAYLOAD_TSr, WIRE_PAYLOAD_CP,  WIRE_PAYLOAD_V};
    const struct dirent *entry;
    unsigned n = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.') {
            message_check(entry->d_name);
            n++;
        }
    (void)closedir(directory);
    assert_true(n >= 50);
    for (size_t i = 0; i < sizeof(types); i++)
        if (seen[types[i]] == 0)
            fail_msg("no payload of type %u", types[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_others_said)};
    if (argc != 2)
        return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
