/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing and opening: accepted packets, and all kinds of refused ones. */
#include "esp/esp_child.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/unit_test.h"
#include "esp/child_test_util.h"
#include "esp/ecn.h"
#include "esp/packet_test_util.h"
#include "esp/selector.h"

struct algorithm {
    uint16_t encr, bits, integ;
    size_t key, integ_key;
};

static const struct algorithm algorithms[] = {
    {20, 128, 0, 20, 0},   {20, 256, 0, 36, 0},   {28, 0, 0, 36, 0},
    {12, 128, 12, 16, 32}, {12, 256, 14, 32, 64},
};

static struct esp_crypto *crypto;
static struct esp_child_config config_of(const struct algorithm *a, bool esn)
{
    return (struct esp_child_config){
        .child = 1,
        .session = 1,
        .spi_in = 0x11223344,
        .spi_out = 0x11223344, /* what we send comes back to us */
        .encr = a->encr,
        .encr_key_bits = a->bits,
        .integ = a->integ,
        .encr_in = span_of(key_octets, a->key),
        .encr_out = span_of(key_octets, a->key),
        .integ_in = span_of(key_octets + 40, a->integ_key),
        .integ_out = span_of(key_octets + 40, a->integ_key),
        .esn = esn,
        .replay_window = 1024,
        .copy_ecn = true,
        .local_ts = any_of("10.8.0.2"),
        .remote_ts = any_of("10.8.0.0/24"),
    };
}

static struct esp_child *child_of(const struct esp_child_config *config)
{
    struct esp_child *child;
    assert_int_equal(esp_child_new(crypto, config, &child), 0);
    return child;
}

static struct esp_child *gcm_child(void)
{
    struct esp_child_config config = config_of(&algorithms[0], false);
    return child_of(&config);
}

static size_t inner_write(uint8_t *at, size_t payload)
{
    struct test_packet p = {
        .protocol = 17, .src_port = 1000, .dst_port = 2000, .payload = payload, .fill = 3};
    return test_packet_write(at, &p);
}

/* seal - a packet with the inner octets already in place. Returns its length. */
static size_t seal(struct esp_child *child, uint64_t sequence, uint8_t *packet, size_t len)
{
    assert_int_equal(esp_child_seal(crypto, child, sequence, (struct buffer){packet, len}, cbc_iv),
                     0);
    return esp_child_sealed_len(child->key_out, len);
}

static size_t sealed_udp(struct esp_child *child, uint64_t sequence, uint8_t *packet,
                         size_t payload)
{
    size_t len = inner_write(packet + esp_child_text_offset(child->key_out), payload);
    return seal(child, sequence, packet, len);
}

static struct esp_opened open_one(struct esp_child *child, uint8_t *packet, size_t len)
{
    struct esp_opened p = {.packet = packet, .len = len};
    esp_child_open(crypto, child, &p, 1);
    return p;
}

static void test_round_trip(void **state)
{
    (void)state;
    uint8_t packet[2000], plain[2000];
    for (size_t a = 0; a < ARRAY_LEN(algorithms); a++)
        for (unsigned esn = 0; esn < 2; esn++) {
            struct esp_child_config config = config_of(&algorithms[a], esn != 0);
            struct esp_child *child = child_of(&config);
            uint64_t sequence = 1;
            for (size_t payload = 0; payload < 1400; payload += payload < 40 ? 1 : 173) {
                size_t inner = inner_write(plain, payload);
                size_t len = sealed_udp(child, sequence, packet, payload);
                /* RFC 4303 section 2.4: text ends on 4 octets, and on the block of the cipher */
                assert_int_equal((len - esp_icv_len(child->key_out)) % 4, 0);
                struct esp_opened p = open_one(child, packet, len);
                assert_int_equal(p.verdict, ESP_PASS);
                assert_int_equal(p.len, inner);
                assert_memory_equal(p.packet, plain, inner);
                assert_true(p.newest);
                sequence++;
            }
            esp_child_free(child);
        }
}

static void test_largest_fits(void **state)
{
    (void)state;
    for (size_t a = 0; a < ARRAY_LEN(algorithms); a++) {
        struct esp_child_config config = config_of(&algorithms[a], false);
        struct esp_child *child = child_of(&config);
        for (uint16_t mtu = 576; mtu < 1600; mtu++) {
            size_t most = esp_child_inner_max(child->key_out, mtu, false, true);
            assert_true(esp_child_sealed_len(child->key_out, most) + 28 <= mtu);
            assert_true(esp_child_sealed_len(child->key_out, most + 1) + 28 > mtu);
        }
        esp_child_free(child);
    }
}

/* Each flipped bit is detected, and a refused packet does not move the window. */
static void test_every_bit(void **state)
{
    (void)state;
    uint8_t good[400], packet[400];
    for (size_t a = 0; a < ARRAY_LEN(algorithms); a++) {
        struct esp_child_config config = config_of(&algorithms[a], true);
        struct esp_child *child = child_of(&config);
        size_t len = sealed_udp(child, 77, good, 50);
        for (size_t bit = 32; bit < len * 8; bit++) { /* the SPI has already chosen the child */
            memcpy(packet, good, len);
            packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(open_one(child, packet, len).verdict, ESP_PASS);
            assert_int_equal(child->replay->top, 0);
        }
        memcpy(packet, good, len);
        packet[0] ^= 1;
        assert_int_equal(open_one(child, packet, len).verdict, ESP_AUTH_FAILED);
        memcpy(packet, good, len);
        assert_int_equal(open_one(child, packet, len).verdict, ESP_PASS);
        assert_int_equal(child->replay->top, 77);
        struct esp_counters counters;
        esp_child_counters(child, &counters);
        assert_int_equal(counters.packets_in, 1);
        assert_true(counters.auth_failed > 0);
        esp_child_free(child);
    }
}

/* from nothing to one octet short */
static void test_runts(void **state)
{
    (void)state;
    uint8_t good[400], packet[400];
    for (size_t a = 0; a < ARRAY_LEN(algorithms); a++) {
        struct esp_child_config config = config_of(&algorithms[a], false);
        struct esp_child *child = child_of(&config);
        size_t len = sealed_udp(child, 1, good, 50);
        for (size_t cut = 0; cut < len; cut++) {
            memcpy(packet, good, len);
            assert_int_not_equal(open_one(child, packet, cut).verdict, ESP_PASS);
        }
        assert_int_equal(child->replay->top, 0);
        esp_child_free(child);
    }
}

static void test_replay(void **state)
{
    (void)state;
    uint8_t good[400], packet[400];
    struct esp_child *child = gcm_child();
    size_t len = sealed_udp(child, 5, good, 50);
    memcpy(packet, good, len);
    assert_int_equal(open_one(child, packet, len).verdict, ESP_PASS);
    memcpy(packet, good, len);
    assert_int_equal(open_one(child, packet, len).verdict, ESP_REPLAYED);
    len = sealed_udp(child, 0, packet, 50);
    assert_int_equal(open_one(child, packet, len).verdict, ESP_REPLAYED);
    /* twice in one batch: exactly one passes */
    uint8_t twins[2][400];
    struct esp_opened batch[2];
    for (int i = 0; i < 2; i++) {
        len = sealed_udp(child, 6, twins[i], 50);
        batch[i] = (struct esp_opened){.packet = twins[i], .len = len};
    }
    esp_child_open(crypto, child, batch, 2);
    assert_int_equal(batch[0].verdict, ESP_PASS);
    assert_int_equal(batch[1].verdict, ESP_REPLAYED);
    esp_child_free(child);
}

/* the upper half of the sequence number is authenticated */
static void test_extended_sequence(void **state)
{
    (void)state;
    uint8_t packet[400];
    for (size_t a = 0; a < ARRAY_LEN(algorithms); a++) {
        struct esp_child_config config = config_of(&algorithms[a], true);
        struct esp_child *child = child_of(&config);
        uint64_t turn = (uint64_t)1 << 32;
        for (uint64_t s = turn - 3; s < turn + 3; s++) {
            if (s == turn - 3)
                child->replay->top = turn - 10;
            size_t len = sealed_udp(child, s, packet, 20);
            assert_int_equal(open_one(child, packet, len).verdict, ESP_PASS);
            assert_int_equal(child->replay->top, s);
        }
        size_t len = sealed_udp(child, turn * 2 + 9, packet, 20); /* a wrong guess */
        assert_int_equal(open_one(child, packet, len).verdict, ESP_AUTH_FAILED);
        esp_child_free(child);
    }
}

/* sealed_text - `text` with its trailer as it stands, encrypted with the child's key. */
static size_t sealed_text(struct esp_child *child, uint32_t sequence, uint8_t *packet,
                          const uint8_t *text, size_t len)
{
    size_t at = esp_child_text_offset(child->key_out);
    memcpy(packet + at, text, len);
    test_put16(packet, child->spi_out >> 16);
    test_put16(packet + 2, child->spi_out & 0xffff);
    test_put16(packet + 4, sequence >> 16);
    test_put16(packet + 6, sequence & 0xffff);
    struct esp_job job = {
        .packet = packet, .text = packet + at, .text_len = len, .sequence = sequence};
    assert_int_equal(esp_seal(crypto, child->key_out, &job, cbc_iv), 0);
    return at + len + esp_icv_len(child->key_out);
}

static enum esp_verdict text_verdict(struct esp_child *child, const uint8_t *text, size_t len)
{
    static uint32_t sequence;
    uint8_t packet[2000];
    size_t sealed = sealed_text(child, ++sequence, packet, text, len);
    return open_one(child, packet, sealed).verdict;
}

/* Authentic, but malformed. */
static void test_hostile_text(void **state)
{
    (void)state;
    struct esp_child *child = gcm_child();
    uint8_t text[1024], good[1024];
    size_t inner = inner_write(good, 24); /* 52 octets */
    assert_int_equal(inner, 52);
    memcpy(good + inner, "\x01\x02\x02\x04", 4);
    size_t len = inner + 4;
    assert_int_equal(text_verdict(child, good, len), ESP_PASS);
#define EXPECT(expected, change)                                                                   \
    do {                                                                                           \
        memcpy(text, good, sizeof(text));                                                          \
        change;                                                                                    \
        assert_int_equal(text_verdict(child, text, len), expected);                                \
    } while (0)
    EXPECT(ESP_MALFORMED, text[len - 2] = 255);
    EXPECT(ESP_MALFORMED, text[len - 2] = (uint8_t)(len - 1));
    EXPECT(ESP_MALFORMED, text[len - 2] = (uint8_t)(len - 2)); /* the padding is not 1, 2, 3 */
    EXPECT(ESP_MALFORMED, text[len - 3] = 3);
    EXPECT(ESP_MALFORMED, text[len - 4] = 0);
    EXPECT(ESP_DUMMY, text[len - 1] = 59);
    EXPECT(ESP_MALFORMED, text[len - 1] = 41);
    EXPECT(ESP_MALFORMED, text[len - 1] = 6);
    EXPECT(ESP_MALFORMED, text[len - 1] = 17);
    EXPECT(ESP_MALFORMED, text[len - 1] = 50);
    EXPECT(ESP_MALFORMED, text[len - 1] = 0);
    EXPECT(ESP_MALFORMED, text[len - 1] = 255);
    EXPECT(ESP_MALFORMED, text[0] = 0x65);           /* version */
    EXPECT(ESP_MALFORMED, text[0] = 0x44);           /* header of 16 octets */
    EXPECT(ESP_MALFORMED, text[0] = 0x4f);           /* header longer than the packet */
    EXPECT(ESP_MALFORMED, test_put16(text + 2, 53)); /* longer than what came */
    EXPECT(ESP_MALFORMED, test_put16(text + 2, 65535));
    EXPECT(ESP_MALFORMED, test_put16(text + 2, 19));
    EXPECT(ESP_MALFORMED, test_put16(text + 2, 0));
    EXPECT(ESP_MALFORMED, text[8] = 1); /* checksum of the header */
#undef EXPECT
    uint8_t empty[4] = {1, 2, 2, 4};
    assert_int_equal(text_verdict(child, empty, 4), ESP_MALFORMED); /* no packet at all */
    esp_child_free(child);
}

/* RFC 4303 section 2.7: octets behind the inner packet are padding against traffic analysis */
static void test_tfc_padding(void **state)
{
    (void)state;
    struct esp_child *child = gcm_child();
    uint8_t text[512] = {0}, packet[1024];
    size_t inner = inner_write(text, 24);
    text[511] = 4;
    size_t len = sealed_text(child, 9, packet, text, sizeof(text));
    struct esp_opened p = open_one(child, packet, len);
    assert_int_equal(p.verdict, ESP_PASS);
    assert_int_equal(p.len, inner);
    esp_child_free(child);
}

static enum esp_verdict source_verdict(struct esp_child *child, const char *src, const char *dst)
{
    uint8_t text[64];
    struct address from, to;
    size_t inner = inner_write(text, 24);
    assert_true(address_parse(src, &from) && address_parse(dst, &to));
    memcpy(text + 12, from.octets, 4);
    memcpy(text + 16, to.octets, 4);
    test_put16(text + 10, 0);
    test_put16(text + 10, (uint16_t)~naive_sum(text, 20, 0));
    memcpy(text + inner, "\x01\x02\x02\x04", 4);
    return text_verdict(child, text, inner + 4);
}

struct trailer_row {
    bool agreed, present; /* agreed: both ends agreed on trailers; present: a trailer is found */
    uint8_t first_octet;  /* of the trailer */
    size_t between,
        behind; /* octets of TFC padding in front of it; of the trailer that are there */
};

/* A receiver that agreed on order trailers finds them, also behind real TFC padding. Another
 * receiver discards them (RFC 4303 section 2.7). A short trailer, or one of another version, counts
 * as none. */
static void test_order_trailer(void **state)
{
    static const struct trailer_row rows[] = {
        {true, true, 0x10, 0, 8},  {true, true, 0x17, 0, 8},   {true, true, 0x18, 100, 8},
        {true, false, 0x20, 0, 8}, {true, false, 0x00, 0, 8},  {true, false, 0x10, 0, 7},
        {true, false, 0x10, 0, 0}, {false, false, 0x10, 0, 8}, {false, false, 0x10, 100, 8},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        for (size_t a = 0; a < ARRAY_LEN(algorithms); a++) {
            uint8_t packet[2000] = {0};
            struct esp_child_config config = config_of(&algorithms[a], false);
            config.order = rows[i].agreed;
            struct esp_child *child = child_of(&config);
            uint8_t *text = packet + esp_child_text_offset(child->key_out);
            size_t inner = inner_write(text, 100), len = inner + rows[i].between;
            memcpy(text + len, "\x10\x21\x12\x34\xff\xff\xff\xfe", 8);
            text[len] = rows[i].first_octet;
            struct esp_opened p =
                open_one(child, packet, seal(child, 1, packet, len + rows[i].behind));
            assert_int_equal(p.verdict, ESP_PASS);
            assert_int_equal(p.len, inner);
            assert_int_equal(p.order.present, rows[i].present);
            if (rows[i].present) {
                assert_int_equal(p.order.copy << 2 | p.order.no_hold << 1 | p.order.reset,
                                 rows[i].first_octet & 7);
                assert_int_equal(p.order.bucket, 0x21);
                assert_int_equal(p.order.time, 0x1234);
                assert_int_equal(p.order.number, UINT32_MAX - 1);
            }
            esp_child_free(child);
        }
}

/* A text that is no IP packet leaves as a dummy packet (RFC 4303 section 2.6). */
static void test_dummy_packet(void **state)
{
    (void)state;
    uint8_t packet[200] = {0};
    struct esp_child *child = gcm_child();
    uint8_t *text = packet + esp_child_text_offset(child->key_out);
    text[0] = 0x11;
    struct esp_opened p = open_one(child, packet, seal(child, 1, packet, 30));
    assert_int_equal(p.verdict, ESP_DUMMY);
    assert_int_equal(p.len, 30);
    assert_int_equal(p.packet[0], 0x11);
    esp_child_free(child);
}

static void test_spoofed_inner_source(void **state)
{
    (void)state;
    struct esp_child *child = gcm_child();
    assert_int_equal(source_verdict(child, "10.8.0.1", "10.8.0.2"), ESP_PASS);
    assert_int_equal(source_verdict(child, "10.8.1.1", "10.8.0.2"), ESP_WRONG_SELECTOR);
    assert_int_equal(source_verdict(child, "10.8.0.1", "10.8.0.3"), ESP_WRONG_SELECTOR);
    assert_int_equal(source_verdict(child, "127.0.0.1", "10.8.0.2"), ESP_WRONG_SELECTOR);
    esp_child_free(child);

    struct esp_child_config config = config_of(&algorithms[0], false);
    config.local_ts = config.remote_ts = any_of("0.0.0.0-255.255.255.255");
    child = child_of(&config);
    assert_int_equal(source_verdict(child, "192.0.2.1", "203.0.113.9"), ESP_PASS);
    assert_int_equal(source_verdict(child, "127.0.0.1", "10.8.0.2"), ESP_WRONG_SELECTOR);
    assert_int_equal(source_verdict(child, "0.0.0.0", "10.8.0.2"), ESP_WRONG_SELECTOR);
    assert_int_equal(source_verdict(child, "224.0.0.5", "10.8.0.2"), ESP_WRONG_SELECTOR);
    assert_int_equal(source_verdict(child, "10.8.0.1", "127.0.0.1"), ESP_WRONG_SELECTOR);
    esp_child_free(child);
}

/* A sequence number is never used twice. */
static void test_sequence_numbers_end(void **state)
{
    (void)state;
    struct esp_child *child = gcm_child();
    uint64_t first;
    bool soft;
    assert_true(esp_child_reserve(child, 3, &first, &soft));
    assert_int_equal(first, 1);
    atomic_store(&child->sent, child->soft_packets - 1);
    assert_true(esp_child_reserve(child, 2, &first, &soft));
    assert_true(soft);
    atomic_store(&child->sent, (uint64_t)UINT32_MAX - 2);
    assert_true(esp_child_reserve(child, 2, &first, &soft));
    assert_int_equal(first + 1, UINT32_MAX);
    assert_false(soft);
    assert_false(esp_child_reserve(child, 1, &first, &soft));
    assert_true(atomic_load(&child->exhausted));
    assert_false(esp_child_reserve(child, 1, &first, &soft));
    esp_child_free(child);
}

static void test_refused_configurations(void **state)
{
    (void)state;
    struct esp_child *child;
    struct esp_child_config good = config_of(&algorithms[0], false), c;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        c = good;                                                                                  \
        change;                                                                                    \
        assert_int_equal(esp_child_new(crypto, &c, &child), ERR_INVALID);                          \
    } while (0)
    REFUSED(c.spi_in = 255);
    REFUSED(c.spi_out = 0);
    REFUSED(c.encr = 11);
    REFUSED(c.encr_key_bits = 192 + 1);
    REFUSED(c.integ = 12);
    REFUSED(c.encr_in.len--);
    REFUSED(c.encr_out.len++);
    REFUSED(c.replay_window = LIMIT_REPLAY_WINDOW + 1);
    REFUSED(c.local_ts.n = 0);
    REFUSED(c.remote_ts.n = ESP_TS_MAX + 1);
    REFUSED((c.esn = true, c.replay_window = 0));
#undef REFUSED
}

static void test_ports_and_fragments(void **state)
{
    (void)state;
    struct esp_ts_list local = any_of("10.0.0.0/8"), remote = any_of("10.0.0.0/8");
    uint8_t packet[200];
    struct test_packet p = {.protocol = 6, .src_port = 1000, .dst_port = 443, .payload = 20};
    size_t len = test_packet_write(packet, &p);
    struct esp_inner inner;
    remote.ts[0].protocol = 6;
    remote.ts[0].start_port = remote.ts[0].end_port = 443;
    assert_true(esp_inner_parse(span_of(packet, len), &inner));
    assert_true(esp_selector_out(&local, &remote, &inner));
    assert_false(esp_selector_in(&local, &remote, &inner)); /* source port is 1000 */
    remote.ts[0].start_port = remote.ts[0].end_port = 444;
    assert_false(esp_selector_out(&local, &remote, &inner));
    /* a later fragment has no ports: only "any" and OPAQUE take it */
    test_put16(packet + 6, 100);
    assert_true(esp_inner_parse(span_of(packet, len), &inner));
    assert_true(inner.fragment && !inner.has_ports);
    assert_false(esp_selector_out(&local, &remote, &inner));
    remote.ts[0].start_port = 0;
    remote.ts[0].end_port = UINT16_MAX;
    assert_true(esp_selector_out(&local, &remote, &inner));
    remote.ts[0].start_port = UINT16_MAX;
    remote.ts[0].end_port = 0;
    assert_true(esp_selector_out(&local, &remote, &inner));
}

static void test_ipv6_headers(void **state)
{
    (void)state;
    uint8_t packet[1000], chain[1000];
    struct esp_inner inner;
    struct test_packet p = {.v6 = true, .protocol = 17, .src_port = 1, .dst_port = 2, .payload = 4};
    size_t len = test_packet_write(packet, &p);
    assert_true(esp_inner_parse(span_of(packet, len), &inner));
    assert_int_equal(inner.dst_port, 2);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(esp_inner_parse(span_of(packet, cut), &inner));
    packet[4] = packet[5] = 0; /* jumbogram */
    assert_false(esp_inner_parse(span_of(packet, len), &inner));
    for (unsigned n = 1; n < 100; n++) {
        memcpy(chain, packet, 40);
        chain[6] = 60;
        for (unsigned i = 0; i < n; i++) {
            memset(chain + 40 + 8 * i, 0, 8);
            chain[40 + 8 * i] = i + 1 == n ? 17 : 60;
        }
        memcpy(chain + 40 + 8 * n, packet + 40, 12);
        test_put16(chain + 4, 8 * n + 12);
        assert_int_equal(esp_inner_parse(span_of(chain, 52 + 8 * n), &inner), n < 8);
        if (n < 8)
            assert_int_equal(inner.dst_port, 2);
        chain[40 + 8 * (n - 1) + 1] = 255; /* the last header leaves the packet */
        assert_false(esp_inner_parse(span_of(chain, 52 + 8 * n), &inner));
    }
}

/* The IP header says that the packet ends within its transport header. */
static void test_cut_transport_header(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol;
        size_t header;
    } rows[] = {{6, 20}, {17, 8}, {132, 8}, {136, 8}, {1, 2}, {58, 2}, {47, 0}};
    for (unsigned i = 0; i < 2 * ARRAY_LEN(rows); i++)
        for (size_t l4 = 1; l4 < 24; l4++) {
            bool v6 = i % 2 != 0;
            size_t ip = v6 ? 40 : 20;
            uint8_t packet[64];
            struct test_packet p = {.v6 = v6, .protocol = rows[i / 2].protocol};
            size_t len = test_ip_write(packet, &p, l4);
            assert_int_equal(len, ip);
            /* in a block of its own, so that ASan sees a read behind it */
            uint8_t *exact = malloc(ip + l4);
            assert_non_null(exact);
            memset(exact, 7, ip + l4);
            memcpy(exact, packet, ip);
            struct esp_inner inner;
            bool whole = l4 >= rows[i / 2].header;
            assert_int_equal(esp_inner_parse(span_of(exact, ip + l4), &inner), whole);
            if (whole)
                assert_int_equal(inner.has_ports, rows[i / 2].header != 0);
            free(exact);
        }
}

/* RFC 6040 figure 4 */
static void test_ecn(void **state)
{
    (void)state;
    uint8_t tos;
    assert_false(esp_tos_in(0xb8, 3, true, false, &tos)); /* CE, and the inner header cannot carry
                                                           * it */
    assert_true(esp_tos_in(0xb8, 3, false, false, &tos));
    assert_int_equal(tos, 0xb8);
    assert_true(esp_tos_in(0xba, 3, true, false, &tos));
    assert_int_equal(tos, 0xbb);
    assert_true(esp_tos_in(0x02, 0x28 | 1, true, true, &tos));
    assert_int_equal(tos, 0x29);
    assert_true(esp_tos_in(3, 0, true, false, &tos));
    assert_int_equal(tos, 3);
    assert_int_equal(esp_tos_out(0xbb, true, false), 3);
    assert_int_equal(esp_tos_out(0xbb, false, true), 0xb8);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        uint8_t packet[100];
        struct esp_inner inner;
        struct test_packet p = {.v6 = v6 != 0, .protocol = 17, .tos = 0xba, .payload = 4};
        size_t len = test_packet_write(packet, &p);
        esp_tos_rewrite(packet, 0xbb);
        assert_true(esp_inner_parse(span_of(packet, len), &inner));
        assert_int_equal(inner.tos, 0xbb);
        assert_true(esp_inner_ipv4_checksum_ok(packet));
    }
}

/* the same packets given to two threads pass once each. */
#define RACE_PACKETS 2000
struct race {
    struct esp_child *child;
    uint8_t (*packets)[128];
    size_t len;
    unsigned passed;
};

static void *race_run(void *argument)
{
    struct race *race = argument;
    struct esp_crypto *own = esp_crypto_new();
    for (unsigned i = 0; i < RACE_PACKETS; i++) {
        struct esp_opened p = {.packet = race->packets[i], .len = race->len};
        esp_child_open(own, race->child, &p, 1);
        race->passed += p.verdict == ESP_PASS;
    }
    esp_crypto_free(own);
    return NULL;
}

static void test_two_threads(void **state)
{
    (void)state;
    static uint8_t packets[2][RACE_PACKETS][128];
    struct esp_child *child = gcm_child();
    struct race race[2];
    pthread_t threads[2];
    for (int t = 0; t < 2; t++) {
        race[t] = (struct race){.child = child, .packets = packets[t]};
        for (unsigned i = 0; i < RACE_PACKETS; i++)
            race[t].len = sealed_udp(child, i + 1, packets[t][i], 30);
    }
    for (int t = 0; t < 2; t++)
        assert_int_equal(pthread_create(&threads[t], NULL, race_run, &race[t]), 0);
    for (int t = 0; t < 2; t++)
        pthread_join(threads[t], NULL);
    /* a thread that falls behind by more than the window could lose packets: it loses none */
    assert_int_equal(race[0].passed + race[1].passed, RACE_PACKETS);
    struct esp_counters counters;
    esp_child_counters(child, &counters);
    assert_int_equal(counters.packets_in, RACE_PACKETS);
    assert_int_equal(counters.replayed, RACE_PACKETS);
    esp_child_free(child);
}

static int setup(void **state)
{
    (void)state;
    crypto = esp_crypto_new();
    return crypto == NULL;
}

static int teardown(void **state)
{
    (void)state;
    crypto = esp_crypto_free(crypto);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_largest_fits),
        cmocka_unit_test(test_every_bit),
        cmocka_unit_test(test_runts),
        cmocka_unit_test(test_replay),
        cmocka_unit_test(test_extended_sequence),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_tfc_padding),
        cmocka_unit_test(test_order_trailer),
        cmocka_unit_test(test_dummy_packet),
        cmocka_unit_test(test_spoofed_inner_source),
        cmocka_unit_test(test_sequence_numbers_end),
        cmocka_unit_test(test_refused_configurations),
        cmocka_unit_test(test_ports_and_fragments),
        cmocka_unit_test(test_ipv6_headers),
        cmocka_unit_test(test_cut_transport_header),
        cmocka_unit_test(test_ecn),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
