/* SPDX-License-Identifier: Apache-2.0 */
/* A Child SA goes on in another process: no number twice, and no packet that was seen before. */
#include "esp/child_octets.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "esp/child_test_util.h"
#include "esp/packet_test_util.h"

#define NOW  (1000 * NANOS_PER_SEC)
#define ROOM 8192

static struct esp_crypto *crypto;
static const struct esp_child_place nowhere;

static struct esp_child *child_new(bool cbc, bool esn)
{
    struct esp_child *child;
    struct esp_child_config config = {
        .child = 7,
        .session = 3,
        .spi_in = 0x11223344,
        .spi_out = 0x11223344, /* what we send comes back to us */
        .encr = cbc ? 12 : 20,
        .encr_key_bits = 128,
        .integ = cbc ? 12 : 0,
        .encr_in = span_of(key_octets, cbc ? 16 : 20),
        .encr_out = span_of(key_octets, cbc ? 16 : 20),
        .integ_in = span_of(key_octets + 40, cbc ? 32 : 0),
        .integ_out = span_of(key_octets + 40, cbc ? 32 : 0),
        .esn = esn,
        .replay_window = 1024,
        .soft_packets = 1000,
        .hard_packets = 2000000,
        .local_ts = any_of("10.8.0.2"),
        .remote_ts = any_of("10.8.0.0/24"),
    };
    assert_int_equal(esp_child_new(crypto, &config, &child), 0);
    return child;
}

static size_t exported(struct esp_child *child, uint8_t *octets)
{
    struct writer w = writer_of(octets, ROOM);
    assert_int_equal(esp_child_export(child, &nowhere, &w, NOW), 0);
    return w.len;
}

static struct esp_child *moved(struct esp_child *source)
{
    uint8_t octets[ROOM];
    struct esp_child_config config;
    struct esp_child *child;
    size_t len = exported(source, octets);
    assert_true(len <= esp_child_octets_most(source));
    assert_int_equal(esp_child_import(crypto, span_of(octets, len), NOW, &config, &child), 0);
    return child;
}

static bool reserve(struct esp_child *child, uint64_t *ret_sequence)
{
    bool soft;
    return esp_child_reserve(child, 1, ret_sequence, &soft);
}

static size_t seal(struct esp_child *child, uint8_t *packet)
{
    struct test_packet p = {.protocol = 17, .src_port = 1, .dst_port = 2, .payload = 30, .fill = 3};
    size_t len = test_packet_write(packet + esp_child_text_offset(child->key_out), &p);
    uint64_t sequence;
    assert_true(reserve(child, &sequence));
    assert_int_equal(esp_child_seal(crypto, child, sequence, (struct buffer){packet, len}, cbc_iv),
                     0);
    return esp_child_sealed_len(child->key_out, len);
}

static enum esp_verdict verdict(struct esp_child *child, const uint8_t *packet, size_t len)
{
    uint8_t copy[500];
    memcpy(copy, packet, len);
    struct esp_opened p = {.packet = copy, .len = len};
    esp_child_open(crypto, child, &p, 1);
    return p.verdict;
}

static void goes_on(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        uint8_t seen[500], late[500], next[500];
        struct esp_child *source = child_new(kind & 1, kind & 2);
        size_t late_len = seal(source, late), seen_len = seal(source, seen);
        uint64_t sequence;
        assert_int_equal(verdict(source, seen, seen_len), ESP_PASS);
        struct esp_child *child = moved(source);
        /* the source has no numbers left, and accepts no packet */
        assert_false(reserve(source, &sequence));
        atomic_store(&source->exhausted, false); /* as a worker read it before the export */
        assert_false(reserve(source, &sequence));
        assert_int_equal(verdict(source, late, late_len), ESP_REPLAYED);
        /* a packet that the source has seen is a replay; a new one is accepted */
        assert_int_equal(verdict(child, seen, seen_len), ESP_REPLAYED);
        assert_int_equal(verdict(child, late, late_len), ESP_PASS);
        assert_int_equal(verdict(child, late, late_len), ESP_REPLAYED);
        /* the next number, which is new */
        size_t next_len = seal(child, next);
        assert_int_equal(next[7], 3);
        assert_int_equal(verdict(child, next, next_len), ESP_PASS);
        assert_int_equal(child->id, 7);
        assert_int_equal(child->session, 3);
        assert_int_equal(child->soft_packets, 1000);
        assert_int_equal(child->hard_packets, 2000000);
        struct esp_child *again = moved(child);
        assert_true(reserve(again, &sequence));
        assert_int_equal(sequence, 4);
        esp_child_free(source);
        esp_child_free(child);
        esp_child_free(again);
    }
}

/* A limit that was reached stays reached. */
static void exhausted(void **state)
{
    (void)state;
    struct esp_child *source = child_new(false, true), *child;
    uint64_t sequence;
    atomic_store(&source->sent, source->hard_packets + 5);
    assert_false(reserve(source, &sequence));
    child = moved(source);
    assert_false(reserve(child, &sequence));
    esp_child_free(source);
    esp_child_free(child);
}

/* The same for octets. A soft limit that was reached is reported again with the next packet. */
static void limits_of_octets(void **state)
{
    (void)state;
    struct esp_child *source = child_new(false, true), *child;
    uint64_t sequence;
    bool soft;
    source->soft_octets = 1000;
    source->hard_octets = 2000;
    atomic_store(&source->counts[ESP_COUNT_OCTETS_OUT], 1500);
    atomic_store(&source->sent, source->soft_packets + 3);
    child = moved(source);
    assert_int_equal(child->soft_octets, 1501);
    assert_true(esp_child_reserve(child, 1, &sequence, &soft) && soft);
    assert_true(esp_child_reserve(child, 1, &sequence, &soft) && !soft);
    esp_child_free(source);
    atomic_store(&child->counts[ESP_COUNT_OCTETS_OUT], 2000);
    source = moved(child);
    assert_false(reserve(source, &sequence));
    esp_child_free(child);
    esp_child_free(source);
}

/* worker - takes numbers as long as there are any; returns the last one. */
static void *worker(void *argument)
{
    struct esp_child *child = argument;
    uint64_t last = 0, sequence;
    while (reserve(child, &sequence))
        last = sequence;
    return (void *)(uintptr_t)last;
}

/* A worker that still sends during the export has only numbers that the importer does not use. */
static void under_a_worker(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct esp_child *source = child_new(false, true);
        pthread_t thread;
        void *last;
        uint64_t next;
        assert_int_equal(pthread_create(&thread, NULL, worker, source), 0);
        struct esp_child *child = moved(source);
        assert_int_equal(pthread_join(thread, &last), 0);
        if (reserve(child, &next))
            assert_true(next == (uintptr_t)last + 1);
        esp_child_free(source);
        esp_child_free(child);
    }
}

/* Hostile twin: cut or changed octets are refused, or make a consistent Child SA. */
static void cut_or_changed(void **state)
{
    (void)state;
    uint8_t octets[ROOM];
    struct esp_child_config config;
    struct esp_child *source = child_new(false, true), *child;
    size_t len = exported(source, octets);
    for (size_t n = 0; n < len; n++) {
        uint8_t *exact = malloc(n + 1);
        assert_non_null(exact);
        memcpy(exact, octets, n);
        assert_int_equal(esp_child_import(crypto, span_of(exact, n), NOW, &config, &child),
                         ERR_INVALID);
        free(exact);
    }
    assert_int_equal(esp_child_import(crypto, span_of(octets, len + 1), NOW, &config, &child),
                     ERR_INVALID);
    for (size_t at = 0; at < len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            octets[at] ^= (uint8_t)(1u << bit);
            int err = esp_child_import(crypto, span_of(octets, len), NOW, &config, &child);
            assert_true(err == 0 || (err == ERR_INVALID));
            if (err == 0) {
                uint64_t sequence;
                assert_true(atomic_load(&child->sent) <= child->hard_packets);
                (void)!reserve(child, &sequence);
                esp_child_free(child);
            }
            octets[at] ^= (uint8_t)(1u << bit);
        }
    octets[0] = 2; /* a version that is not known */
    assert_int_equal(esp_child_import(crypto, span_of(octets, len), NOW, &config, &child),
                     ERR_INVALID);
    esp_child_free(source);
}

/* Without room the Child SA is unchanged. */
static void no_room(void **state)
{
    (void)state;
    uint8_t octets[64];
    uint64_t sequence;
    struct esp_child *source = child_new(false, false);
    struct writer w = writer_of(octets, sizeof(octets));
    assert_int_equal(esp_child_export(source, &nowhere, &w, NOW), ERR_TRUNCATED);
    assert_true(reserve(source, &sequence));
    esp_child_free(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_on),          cmocka_unit_test(exhausted),
        cmocka_unit_test(limits_of_octets), cmocka_unit_test(under_a_worker),
        cmocka_unit_test(cut_or_changed),   cmocka_unit_test(no_room),
    };
    crypto = esp_crypto_new();
    int failed = crypto == NULL ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
    esp_crypto_free(crypto);
    return failed;
}
