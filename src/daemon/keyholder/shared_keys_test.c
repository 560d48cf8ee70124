/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/keyholder/shared_keys.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "base/unit_test.h"
#include "daemon/keyholder/keyring.h"
#include "wire/iana.h"

#define MANY 40000

static struct ike_id name_of(unsigned i, const char *realm)
{
    struct ike_id id = {.type = ID_FQDN};
    id.len = (uint16_t)snprintf((char *)id.data, sizeof(id.data), "host%u.%s.example", i, realm);
    return id;
}

static int load(struct shared_keys *keys, unsigned i, const char *word)
{
    char secret[64];
    struct key_load load = {.n_owners = 2, .owners = {name_of(i, "a"), name_of(i, "b")}};
    (void)snprintf(load.name, sizeof(load.name), "secret-%u", i);
    (void)snprintf(secret, sizeof(secret), "the %s secret of host %u", word, i);
    load.secret_len = (uint32_t)strlen(secret);
    return shared_keys_load(keys, &load, span_text(secret));
}

/* A reload has two sets at once. With more than 32,768 of 1 KiB the arena of 64 MiB was full. */
static void reload_of_many(void **state)
{
    (void)state;
    struct shared_keys *keys = shared_keys_new();
    assert_non_null(keys);
    for (int round = 0; round < 2; round++) {
        struct shared_keys *staged = shared_keys_new();
        assert_non_null(staged);
        for (unsigned i = 0; i < MANY; i++)
            assert_int_equal(load(staged, i, round == 0 ? "old" : "new"), 0);
        assert_int_equal(shared_keys_replace(keys, staged), 0);
        shared_keys_free(staged);
    }
    const struct ike_id us = name_of(MANY - 1, "a"), them = name_of(MANY - 1, "b");
    assert_true(span_equal(shared_keys_choose(keys, &us, &them),
                           span_text("the new secret of host 39999")));
    shared_keys_free(keys);
}

/* The room that one load is promised fits twice, with the smallest and the largest secrets. */
static void promised_room(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 64, 65, 128, 129, 256, 257, KEY_SECRET};
    for (size_t k = 0; k < ARRAY_LEN(lengths); k++) {
        size_t room = key_secret_room(lengths[k]), n = 0;
        void *first = NULL;
        for (size_t used = 0; used + room <= 2 * (size_t)KEY_SECRETS_ROOM; used += room, n++) {
            void **piece = OPENSSL_secure_malloc(lengths[k] < 8 ? 8 : lengths[k]);
            assert_non_null(piece);
            assert_int_equal(OPENSSL_secure_actual_size(piece), room);
            *piece = first;
            first = piece;
        }
        while (first != NULL) {
            void *next = *(void **)first;
            OPENSSL_secure_free(first);
            first = next;
        }
        assert_int_equal(n, 2 * (size_t)KEY_SECRETS_ROOM / room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reload_of_many),
        cmocka_unit_test(promised_room),
    };
    (void)keyring_arena_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
