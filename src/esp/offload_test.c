/* SPDX-License-Identifier: Apache-2.0 */
/* Segmentation, coalescing and checksums, compared with the simplest algorithms. */
#include <stdlib.h>

#include "base/unit_test.h"
#include "esp/checksum.h"
#include "esp/coalesce.h"
#include "esp/icmp.h"
#include "esp/packet_test_util.h"
#include "esp/segment.h"

static uint8_t frame[70000], packet[70000];

static void test_checksum(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 7 + i / 251);
    memset(frame + 4096, 0xff, 2048);
    for (size_t len = 0; len < 3000; len += len < 200 ? 1 : 37)
        for (size_t from = 0; from < 8192; from += 1021) {
            uint16_t sum = checksum_fold(checksum_add(0, frame + from, len));
            uint8_t wire[2];
            checksum_put(wire, sum);
            assert_int_equal(test_get16(wire) % 0xffff, naive_sum(frame + from, len, 0) % 0xffff);
        }
}

static struct esp_inner parsed(const uint8_t *at, size_t len)
{
    struct esp_inner inner;
    assert_true(esp_inner_parse(span_of(at, len), &inner));
    return inner;
}

static enum esp_segment_plan begin(struct esp_segments *s, const struct esp_vnet *vnet, size_t len,
                                   size_t inner_max)
{
    struct esp_inner inner = parsed(frame, len);
    return esp_segments_begin(s, vnet, (struct buffer){frame, len}, &inner, inner_max);
}

/* segments_check - each packet is right, and all together are the frame. Returns their number. */
static unsigned segments_check(struct esp_segments *s, const struct test_packet *p,
                               size_t inner_max)
{
    size_t header = s->header_len, done = 0;
    unsigned n = 0;
    for (size_t len, next; (next = esp_segments_next_len(s)) != 0; n++) {
        len = esp_segments_next(s, packet);
        assert_int_equal(len, next);
        assert_in_range(len, header + 1, inner_max);
        struct esp_inner inner = parsed(packet, len);
        assert_int_equal(inner.total_len, len);
        assert_int_equal(naive_l4_sum(packet, len), 0xffff);
        if (!p->v6) {
            assert_int_equal(naive_sum(packet, 20, 0), 0xffff);
            assert_int_equal(test_get16(packet + 4), (uint16_t)(p->identification + n));
        }
        assert_memory_equal(packet + header, frame + header + done, len - header);
        done += len - header;
        bool last = done == p->payload;
        if (p->protocol == 6) {
            const uint8_t *tcp = packet + inner.l4_offset;
            uint32_t sequence = (uint32_t)test_get16(tcp + 4) << 16 | test_get16(tcp + 6);
            assert_int_equal(sequence, (uint32_t)(p->sequence + done - (len - header)));
            uint8_t expected = p->flags;
            expected &= (uint8_t)(last ? 0xff : ~0x09);
            expected &= (uint8_t)(n == 0 ? 0xff : ~0x80);
            assert_int_equal(tcp[13], expected);
        }
    }
    assert_int_equal(done, p->payload);
    assert_int_equal(esp_segments_next(s, packet), 0);
    return n;
}

static void test_super_packets(void **state)
{
    (void)state;
    static const size_t payloads[] = {1, 2, 1000, 1001, 2000, 2001, 40000, 65000, 65475};
    for (unsigned kind = 0; kind < 8; kind++)
        for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
            struct test_packet p = {.v6 = (kind & 1) != 0,
                                    .protocol = (kind & 2) != 0 ? 17 : 6,
                                    .flags = 0x99, /* CWR, ACK, PSH, FIN */
                                    .identification = 0xfff0,
                                    .src_port = 1234,
                                    .dst_port = 80,
                                    .sequence = 0xfffffff0,
                                    .options = (kind & 4) != 0 ? 12 : 0,
                                    .payload = payloads[i],
                                    .fill = (uint8_t)i};
            size_t len = test_packet_write(frame, &p);
            if (len > UINT16_MAX)
                continue;
            struct esp_vnet vnet = {.flags = ESP_VNET_NEEDS_CSUM,
                                    .gso_type = p.protocol == 17 ? ESP_VNET_GSO_UDP_L4
                                                : p.v6           ? ESP_VNET_GSO_TCPV6
                                                                 : ESP_VNET_GSO_TCPV4,
                                    .gso_size = 1000};
            struct esp_segments s;
            assert_int_equal(begin(&s, &vnet, len, 1400), ESP_SEGMENT_OK);
            unsigned count = s.count;
            assert_int_equal(count, (p.payload + 999) / 1000);
            assert_int_equal(segments_check(&s, &p, 1400), count);
            if (p.protocol == 17)
                continue;
            /* a path that is narrower than the segment size: TCP is cut smaller */
            assert_int_equal(begin(&s, &vnet, len, 700), ESP_SEGMENT_OK);
            segments_check(&s, &p, 700);
        }
}

static void test_partial_checksum(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct test_packet p = {
            .v6 = v6 != 0, .protocol = 17, .src_port = 5, .dst_port = 7, .payload = 333};
        size_t len = test_packet_write(frame, &p), header = test_header_len(frame);
        /* as the kernel does it: the sum of the pseudo-header in the field */
        checksum_put(frame + header + 6, checksum_fold(checksum_pseudo(frame, 17, len - header)));
        struct esp_vnet vnet = {
            .flags = ESP_VNET_NEEDS_CSUM, .csum_start = (uint16_t)header, .csum_offset = 6};
        struct esp_segments s;
        assert_int_equal(begin(&s, &vnet, len, 1400), ESP_SEGMENT_OK);
        assert_int_equal(esp_segments_next(&s, packet), len);
        assert_int_equal(naive_l4_sum(packet, len), 0xffff);
    }
}

/* false values in the header of the TUN device */
static void test_hostile_vnet(void **state)
{
    (void)state;
    struct test_packet p = {.protocol = 6, .src_port = 1, .dst_port = 2, .payload = 3000};
    size_t len = test_packet_write(frame, &p);
    static const struct esp_vnet refused[] = {
        {.gso_type = ESP_VNET_GSO_TCPV4, .gso_size = 0},
        {.gso_type = ESP_VNET_GSO_TCPV6, .gso_size = 1000},  /* IPv4 inside */
        {.gso_type = ESP_VNET_GSO_UDP_L4, .gso_size = 1000}, /* TCP inside */
        {.gso_type = 3, .gso_size = 1000},                   /* UFO, gone */
        {.gso_type = 77, .gso_size = 1000},
        {.flags = ESP_VNET_NEEDS_CSUM, .csum_start = 60000, .csum_offset = 6},
        {.flags = ESP_VNET_NEEDS_CSUM, .csum_start = 20, .csum_offset = 60000},
        {.flags = ESP_VNET_NEEDS_CSUM, .csum_start = 65535, .csum_offset = 65535},
        {.flags = ESP_VNET_NEEDS_CSUM, .csum_start = 0, .csum_offset = 10},
    };
    struct esp_segments s;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_int_equal(begin(&s, &refused[i], len, 9000), ESP_SEGMENT_INVALID);
    frame[20 + 12] = 0xf0; /* a TCP header of 60 octets is fine here ... */
    struct esp_vnet tcp = {.gso_type = ESP_VNET_GSO_TCPV4, .gso_size = 1000};
    assert_int_equal(begin(&s, &tcp, len, 9000), ESP_SEGMENT_OK);
    frame[20 + 12] = 0x40; /* ... one of 16 is not */
    assert_int_equal(begin(&s, &tcp, len, 9000), ESP_SEGMENT_INVALID);
    p.payload = 0;
    len = test_packet_write(frame, &p);
    assert_int_equal(begin(&s, &tcp, len, 9000), ESP_SEGMENT_INVALID);
    struct esp_inner inner = parsed(frame, len);
    struct esp_vnet none = {0};
    assert_int_equal(esp_segments_begin(&s, &none, (struct buffer){frame, len + 1}, &inner, 9000),
                     ESP_SEGMENT_INVALID);
}

static void test_too_big_and_fragments(void **state)
{
    (void)state;
    struct esp_vnet none = {0};
    struct esp_segments s;
    struct test_packet p = {
        .protocol = 17, .dont_fragment = true, .src_port = 1, .dst_port = 2, .payload = 3001};
    assert_int_equal(begin(&s, &none, test_packet_write(frame, &p), 1400), ESP_SEGMENT_TOO_BIG);
    p.v6 = true;
    p.dont_fragment = false;
    assert_int_equal(begin(&s, &none, test_packet_write(frame, &p), 1400), ESP_SEGMENT_TOO_BIG);
    p.v6 = false;
    size_t len = test_packet_write(frame, &p), done = 0;
    assert_int_equal(begin(&s, &none, len, 1400), ESP_SEGMENT_OK);
    assert_int_equal(s.count, 3);
    for (size_t n; (n = esp_segments_next(&s, packet)) != 0; done += n - 20) {
        assert_true(n <= 1400);
        assert_int_equal(naive_sum(packet, 20, 0), 0xffff);
        assert_int_equal((test_get16(packet + 6) & 0x1fff) * 8, done);
        assert_int_equal((test_get16(packet + 6) & 0x2000) == 0, done + n - 20 == len - 20);
        assert_int_equal(test_get16(packet + 4), test_get16(frame + 4));
        assert_memory_equal(packet + 20, frame + 20 + done, n - 20);
    }
    assert_int_equal(done, len - 20);
}

/* --- coalescing --- */

static struct esp_coalesce coalesce;
static uint8_t store[100][2000];

static void add(size_t slot, const struct test_packet *p)
{
    size_t len = test_packet_write(store[slot], p);
    struct esp_inner inner = parsed(store[slot], len);
    assert_true(esp_coalesce_add(&coalesce, store[slot], &inner));
}

/* gather - what the frame writes, without the vnet header. */
static size_t gather(const struct esp_frame *f)
{
    size_t len = 0;
    for (unsigned i = 1; i <= f->parts; i++) {
        memcpy(frame + len, f->iov[i].iov_base, f->iov[i].iov_len);
        len += f->iov[i].iov_len;
    }
    return len;
}

/* Packets that were coalesced and segmented again are unchanged. */
static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct test_packet p = {.v6 = (kind & 1) != 0,
                                .protocol = (kind & 2) != 0 ? 17 : 6,
                                .flags = 0x10,
                                .identification = 100,
                                .src_port = 9,
                                .dst_port = 10,
                                .sequence = 0xfffff000,
                                .options = 12,
                                .payload = 1300};
        static uint8_t sent[40][2000];
        size_t sent_len[40];
        coalesce.uso = true;
        esp_coalesce_reset(&coalesce);
        for (unsigned i = 0; i < 40; i++) {
            if (i == 39) {
                p.payload = 77;
                p.flags = 0x18;
            }
            sent_len[i] = test_packet_write(sent[i], &p);
            add(i, &p);
            p.sequence += (uint32_t)p.payload;
            p.identification++;
            p.fill = (uint8_t)(p.fill + p.payload);
        }
        esp_coalesce_finish(&coalesce);
        assert_int_equal(coalesce.n, 1);
        const struct esp_frame *f = &coalesce.frames[0];
        assert_int_equal(f->parts, 40);
        assert_int_equal(f->vnet.gso_size, 1300);
        size_t len = gather(f);
        struct esp_segments s;
        assert_int_equal(begin(&s, &f->vnet, len, 2000), ESP_SEGMENT_OK);
        for (unsigned i = 0; i < 40; i++) {
            assert_int_equal(esp_segments_next(&s, packet), sent_len[i]);
            assert_memory_equal(packet, sent[i], sent_len[i]);
        }
        assert_int_equal(esp_segments_next(&s, packet), 0);
    }
}

static unsigned frames_of(const struct test_packet *a, const struct test_packet *b)
{
    esp_coalesce_reset(&coalesce);
    add(0, a);
    add(1, b);
    esp_coalesce_finish(&coalesce);
    return coalesce.n;
}

static void test_what_does_not_merge(void **state)
{
    (void)state;
    const struct test_packet a = {.protocol = 6,
                                  .flags = 0x10,
                                  .src_port = 1,
                                  .dst_port = 2,
                                  .sequence = 1000,
                                  .payload = 500};
    struct test_packet good = a;
    good.sequence += 500;
    assert_int_equal(frames_of(&a, &good), 1);
    struct test_packet b[9];
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        b[i] = good;
    b[0].sequence++;
    b[1].src_port++;
    b[2].flags = 0x11; /* FIN */
    b[3].flags = 0x90; /* CWR */
    b[4].tos = 3;
    b[5].options = 4;
    b[6].payload = 501;
    b[7].payload = 0;
    b[8].dont_fragment = true;
    for (size_t i = 0; i < ARRAY_LEN(b); i++)
        if (frames_of(&a, &b[i]) != 2)
            fail_msg("case %zu", i);
}

/* A super-packet has PSH if one of its segments had it. Its last segment has PSH then. */
static void test_push_moves_to_the_end(void **state)
{
    (void)state;
    for (unsigned pushed = 0; pushed < 3; pushed++) {
        struct test_packet p = {.protocol = 6, .sequence = 1000, .payload = 500};
        esp_coalesce_reset(&coalesce);
        for (unsigned i = 0; i < 3; i++, p.sequence += 500) {
            p.flags = i == pushed ? 0x18 : 0x10;
            add(i, &p);
        }
        esp_coalesce_finish(&coalesce);
        assert_int_equal(coalesce.n, 1);
        struct esp_segments s;
        size_t len = gather(&coalesce.frames[0]);
        assert_int_equal(begin(&s, &coalesce.frames[0].vnet, len, 2000), ESP_SEGMENT_OK);
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(esp_segments_next(&s, packet), 540);
            assert_int_equal(packet[20 + 13], i == 2 ? 0x18 : 0x10);
        }
    }
}

static void test_broken_checksum_stays_broken(void **state)
{
    (void)state;
    for (unsigned broken = 0; broken < 2; broken++) {
        struct test_packet p = {.protocol = 6, .flags = 0x10, .sequence = 1, .payload = 500};
        esp_coalesce_reset(&coalesce);
        for (unsigned i = 0; i < 2; i++, p.sequence += 500) {
            size_t len = test_packet_write(store[i], &p);
            if (i == broken)
                store[i][100] ^= 1;
            struct esp_inner inner = parsed(store[i], len);
            assert_true(esp_coalesce_add(&coalesce, store[i], &inner));
        }
        esp_coalesce_finish(&coalesce);
        assert_int_equal(coalesce.n, 2);
        assert_int_equal(coalesce.frames[broken].vnet.flags, 0);
        assert_int_not_equal(naive_l4_sum(store[broken], 540), 0xffff);
    }
}

/* A packet of a flow that cannot be merged is not overtaken by later ones. */
static void test_order_within_a_flow(void **state)
{
    (void)state;
    struct test_packet p = {.protocol = 6, .flags = 0x10, .sequence = 1, .payload = 100};
    struct test_packet other = p, ack = p;
    other.src_port = 99;
    ack.payload = 0;
    esp_coalesce_reset(&coalesce);
    add(0, &p);
    add(1, &other);
    ack.sequence = p.sequence += 100;
    add(2, &ack);
    add(3, &p);
    esp_coalesce_finish(&coalesce);
    assert_int_equal(coalesce.n, 4);
    assert_ptr_equal(coalesce.frames[2].packet, store[2]);
    assert_ptr_equal(coalesce.frames[3].packet, store[3]);
}

static void test_full(void **state)
{
    (void)state;
    struct test_packet p = {.protocol = 17, .payload = 5};
    size_t len = test_packet_write(store[0], &p);
    struct esp_inner inner = parsed(store[0], len);
    coalesce.uso = false;
    esp_coalesce_reset(&coalesce);
    for (unsigned i = 0; i < ESP_FRAMES; i++)
        assert_true(esp_coalesce_add(&coalesce, store[0], &inner));
    assert_false(esp_coalesce_add(&coalesce, store[0], &inner));
}

static void test_icmp(void **state)
{
    (void)state;
    uint8_t answer[ESP_ICMP_MAX];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct test_packet p = {.v6 = v6 != 0, .protocol = 17, .src_port = 1, .payload = 2000};
        size_t len = test_packet_write(frame, &p);
        struct esp_inner inner = parsed(frame, len);
        size_t n = esp_icmp_too_big(span_of(frame, len), &inner, 1300, answer);
        assert_int_equal(n, v6 != 0 ? 1280 : 576);
        struct esp_inner back = parsed(answer, n);
        assert_true(address_equal(&back.dst, &inner.src));
        assert_int_equal(back.protocol, v6 != 0 ? 58 : 1);
        assert_int_equal(back.src_port, v6 != 0 ? 0x0200 : 0x0304);
        if (v6 != 0)
            assert_int_equal(naive_l4_sum(answer, n), 0xffff);
        else
            assert_int_equal(naive_sum(answer + 20, n - 20, 0), 0xffff);
        assert_int_equal(test_get16(answer + back.l4_offset + 6), 1300);
        assert_memory_equal(answer + back.l4_offset + 8, frame, n - back.l4_offset - 8);
        /* an error is never answered with an error */
        assert_int_equal(esp_icmp_too_big(span_of(answer, n), &back, 500, packet), 0);
        inner.src = inner.dst;
        inner.src.octets[0] = v6 != 0 ? 0xff : 224;
        assert_int_equal(esp_icmp_too_big(span_of(frame, len), &inner, 1300, answer), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checksum),
        cmocka_unit_test(test_super_packets),
        cmocka_unit_test(test_partial_checksum),
        cmocka_unit_test(test_hostile_vnet),
        cmocka_unit_test(test_too_big_and_fragments),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_what_does_not_merge),
        cmocka_unit_test(test_push_moves_to_the_end),
        cmocka_unit_test(test_broken_checksum_stays_broken),
        cmocka_unit_test(test_order_within_a_flow),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_icmp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
