/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit_test.h"
#include "wire/builder.h"
#include "wire/certificate.h"
#include "wire/encdns.h"

/* A chain of one of each, written, read back, and cut at every length. */
static struct wire_builder build(uint8_t *buffer, size_t cap)
{
    struct wire_builder b = wire_builder_of(buffer, cap);
    struct wire_sa sa = {.n = 2};
    static const uint8_t spi[4] = {1, 2, 3, 4};
    for (uint8_t i = 0; i < 2; i++)
        sa.proposals[i] = (struct wire_proposal){
            .number = (uint8_t)(i + 1),
            .protocol = WIRE_PROTO_ESP,
            .spi = span_of(spi, 4),
            .n = 2,
            .transforms = {{.type = WIRE_ENCR, .id = ENCR_AES_GCM_16, .key_bits = 256},
                           {.type = WIRE_SN, .id = 1}},
        };
    struct wire_ts_list ts = {.n = 2};
    assert_true(range_parse("10.0.0.0/8", &ts.ts[0].range));
    ts.ts[0].end_port = 65535;
    assert_true(range_parse("2001:db8::/32", &ts.ts[1].range));
    ts.ts[1].start_port = ts.ts[1].end_port = 53;
    static const uint8_t nonce[32] = {9};
    wire_add_keep_old(&b, KEEP_OLD_DEFAULT_NOTIFY, (struct keep_old){true, KEEP_OLD_KEEP});
    wire_add_sa(&b, &sa);
    wire_add(&b, WIRE_PAYLOAD_NONCE, span_of(nonce, sizeof(nonce)));
    wire_add_ke(&b, 31, span_of(nonce, sizeof(nonce)));
    wire_add_id(&b, WIRE_PAYLOAD_IDi, ID_FQDN, span_text("a.example"));
    wire_add_auth(&b, AUTH_SHARED_KEY, span_of(nonce, sizeof(nonce)));
    wire_add_ts(&b, WIRE_PAYLOAD_TSi, &ts);
    wire_add_delete_esp(&b, (uint32_t[]){0xc0ffee, 5}, 2);
    assert_false(writer_failed(&b.w));
    return b;
}

static enum wire_fault parse(struct span octets, uint8_t first, struct wire_message *message)
{
    uint8_t critical, inner;
    return wire_chain_read(octets, first, message, &critical, &inner);
}

static void round_trip(void **state)
{
    (void)state;
    uint8_t buffer[1024];
    struct wire_builder b = build(buffer, sizeof(buffer));
    struct wire_message m;
    assert_int_equal(parse(writer_span(&b.w), b.first, &m), WIRE_OK);
    assert_int_equal(m.n, 8);
    struct wire_sa sa;
    assert_true(wire_sa_read(wire_find(&m, WIRE_PAYLOAD_SA, NULL)->body, &sa));
    assert_int_equal(sa.n, 2);
    assert_int_equal(sa.proposals[1].transforms[0].key_bits, 256);
    struct wire_ts_list ts;
    assert_true(wire_ts_read(wire_find(&m, WIRE_PAYLOAD_TSi, NULL)->body, &ts));
    assert_int_equal(ts.n, 2);
    assert_int_equal(ts.ts[1].start_port, 53);
    struct wire_delete d;
    assert_true(wire_delete_read(wire_find(&m, WIRE_PAYLOAD_D, NULL)->body, &d));
    assert_int_equal(d.spis[0], 0xc0ffee);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    uint8_t buffer[1024];
    struct wire_builder b = build(buffer, sizeof(buffer));
    struct wire_message m;
    for (size_t len = 0; len < b.w.len; len++) {
        /* a chain that ends exactly between two payloads still names a next one */
        assert_int_equal(parse(span_of(buffer, len), b.first, &m), WIRE_MALFORMED);
    }
    buffer[b.w.len] = 0;
    assert_int_equal(parse(span_of(buffer, b.w.len + 1), b.first, &m), WIRE_MALFORMED);
}

/* The four vectors of the draft's notify, next payload SA. */
static void keep_old_vectors(void **state)
{
    (void)state;
    static const uint8_t vectors[4][12] = {
        {0x21, 0, 0, 0x0c, 0, 0, 0xba, 0xaf, 0x80, 0x00, 0, 0},
        {0x21, 0, 0, 0x0c, 0, 0, 0xba, 0xaf, 0x00, 0x00, 0, 0},
        {0x21, 0, 0, 0x0c, 0, 0, 0xba, 0xaf, 0x80, 0x01, 0, 0},
        {0x21, 0, 0, 0x0c, 0, 0, 0xba, 0xaf, 0x00, 0x01, 0, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        uint8_t buffer[64];
        struct wire_builder b = wire_builder_of(buffer, sizeof(buffer));
        struct keep_old value = {.question = i % 2 == 0, .code = (uint8_t)(i / 2)};
        wire_add_keep_old(&b, KEEP_OLD_DEFAULT_NOTIFY, value);
        wire_add(&b, WIRE_PAYLOAD_SA, (struct span){0});
        assert_memory_equal(buffer, vectors[i], 12);
        struct wire_notify notify;
        struct keep_old read;
        assert_true(wire_notify_read(span_of(buffer + 4, 8), &notify));
        assert_true(keep_old_read(notify.data, &read));
        assert_int_equal(read.question, value.question);
        assert_int_equal(read.code, value.code);
    }
}

static void keep_old_liberal(void **state)
{
    (void)state;
    struct keep_old value;
    static const uint8_t data[8] = {0xff, 1, 0xff, 0xff, 9, 9, 9, 9};
    assert_false(keep_old_read(span_of(data, 0), &value));
    assert_false(keep_old_read(span_of(data, 1), &value));
    for (size_t len = 2; len <= 8; len++) {
        assert_true(keep_old_read(span_of(data, len), &value));
        assert_true(value.question);
        assert_int_equal(value.code, 1);
    }
    uint8_t vid[KEEP_OLD_VENDOR_ID_LEN];
    uint16_t number = 0;
    keep_old_vendor_id_write(47791, vid);
    assert_true(keep_old_vendor_id_read(span_of(vid, sizeof(vid)), &number));
    assert_int_equal(number, 47791);
    assert_false(keep_old_vendor_id_read(span_of(vid, sizeof(vid) - 1), &number));
    vid[16] = 0, vid[17] = 7; /* an error type */
    assert_false(keep_old_vendor_id_read(span_of(vid, sizeof(vid)), &number));
}

struct hostile {
    const char *what;
    uint8_t type;
    size_t len;
    uint8_t body[24];
};

/* hostile_table - none of these bodies may be read. */
static const struct hostile hostile_table[] = {
    {"CERT without an encoding", WIRE_PAYLOAD_CERT, 0, {0}},
    {"CERT without a certificate", WIRE_PAYLOAD_CERT, 1, {4}},
    {"CERTREQ without an encoding", WIRE_PAYLOAD_CERTREQ, 0, {0}},
    {"CERTREQ with a key id of 19 octets", WIRE_PAYLOAD_CERTREQ, 20, {4}},
    {"CERTREQ with a key id of 21 octets", WIRE_PAYLOAD_CERTREQ, 22, {4}},
    {"EAP without a packet", WIRE_PAYLOAD_EAP, 0, {0}},
    {"EAP packet of 3 octets", WIRE_PAYLOAD_EAP, 3, {1, 1, 0}},
    {"EAP length of 3", WIRE_PAYLOAD_EAP, 4, {1, 1, 0, 3}},
    {"EAP Request without a Type", WIRE_PAYLOAD_EAP, 4, {1, 1, 0, 4}},
    {"EAP shorter than its length", WIRE_PAYLOAD_EAP, 6, {2, 1, 0, 7, 1, 0}},
    {"EAP longer than its length", WIRE_PAYLOAD_EAP, 6, {2, 1, 0, 5, 1, 0}},
    {"EAP code 0", WIRE_PAYLOAD_EAP, 5, {0, 1, 0, 5, 1}},
    {"EAP code 5", WIRE_PAYLOAD_EAP, 5, {5, 1, 0, 5, 1}},
    {"EAP Success with data", WIRE_PAYLOAD_EAP, 5, {3, 1, 0, 5, 1}},
    {"SA without a proposal", WIRE_PAYLOAD_SA, 0, {0}},
    {"proposal longer than the payload", WIRE_PAYLOAD_SA, 8, {0, 0, 0, 9, 1, 1, 0, 0}},
    {"proposal without transforms", WIRE_PAYLOAD_SA, 8, {0, 0, 0, 8, 1, 1, 0, 0}},
    {"proposal number 0", WIRE_PAYLOAD_SA, 16, {0, 0, 0, 16, 0, 1, 0, 1, 0, 0, 0, 8, 1, 0, 0, 12}},
    {"transform count larger than what is there",
     WIRE_PAYLOAD_SA,
     16,
     {0, 0, 0, 16, 1, 1, 0, 2, 0, 0, 0, 8, 1, 0, 0, 12}},
    {"transform shorter than its header",
     WIRE_PAYLOAD_SA,
     16,
     {0, 0, 0, 16, 1, 1, 0, 1, 0, 0, 0, 7, 1, 0, 0, 12}},
    {"SPI longer than the proposal", WIRE_PAYLOAD_SA, 8, {0, 0, 0, 8, 1, 1, 200, 1}},
    {"TS with no selector", WIRE_PAYLOAD_TSi, 4, {0, 0, 0, 0}},
    {"TS count larger than what is there", WIRE_PAYLOAD_TSi, 20, {2,  0, 0,  0,   7,   0,  0,
                                                                  16, 0, 0,  255, 255, 10, 0,
                                                                  0,  0, 10, 0,   0,   9}},
    {"TS with first after last", WIRE_PAYLOAD_TSi, 20, {1,   0,   0,  0, 7, 0, 0,  16, 0, 0,
                                                        255, 255, 10, 0, 0, 9, 10, 0,  0, 0}},
    {"TS with ports turned around", WIRE_PAYLOAD_TSi, 20, {1, 0, 0,  0, 7, 0, 0,  16, 0, 9,
                                                           0, 8, 10, 0, 0, 0, 10, 0,  0, 9}},
    {"TS of the wrong length",
     WIRE_PAYLOAD_TSi,
     19,
     {1, 0, 0, 0, 7, 0, 0, 15, 0, 0, 255, 255, 10, 0, 0, 0, 10, 0, 0}},
    {"nonce of 15 octets", WIRE_PAYLOAD_NONCE, 15, {0}},
    {"KE without a value", WIRE_PAYLOAD_KE, 4, {0, 31, 0, 0}},
    {"ID of IPv4 with 5 octets", WIRE_PAYLOAD_IDi, 9, {1, 0, 0, 0, 1, 2, 3, 4, 5}},
    {"ID without data", WIRE_PAYLOAD_IDi, 4, {2, 0, 0, 0}},
    {"AUTH shorter than its head", WIRE_PAYLOAD_AUTH, 3, {2, 0, 0}},
    {"notify with an SPI that is not there", WIRE_PAYLOAD_N, 4, {3, 4, 0, 1}},
    {"Delete with fewer SPIs than said", WIRE_PAYLOAD_D, 8, {3, 4, 0, 2, 1, 2, 3, 4}},
    {"Delete of the IKE SA with SPIs", WIRE_PAYLOAD_D, 4, {1, 8, 0, 1}},
    {"Delete with 65535 SPIs", WIRE_PAYLOAD_D, 4, {3, 4, 255, 255}},
    {"CP attribute longer than the payload", WIRE_PAYLOAD_CP, 8, {1, 0, 0, 0, 0, 1, 0, 9}},
};

static void hostile_bodies(void **state)
{
    (void)state;
    static struct wire_sa sa;
    struct wire_ts_list ts;
    struct wire_delete d;
    struct wire_cfg cfg;
    struct wire_ke ke;
    struct wire_id id;
    struct wire_cert cert;
    struct wire_eap eap;
    struct wire_auth auth;
    struct wire_notify n;
    struct span nonce;
    for (size_t i = 0; i < ARRAY_LEN(hostile_table); i++) {
        struct span body = span_of(hostile_table[i].body, hostile_table[i].len);
        bool ok = true;
        switch (hostile_table[i].type) {
        case WIRE_PAYLOAD_SA: ok = wire_sa_read(body, &sa); break;
        case WIRE_PAYLOAD_TSi: ok = wire_ts_read(body, &ts); break;
        case WIRE_PAYLOAD_NONCE: ok = wire_nonce_read(body, &nonce); break;
        case WIRE_PAYLOAD_KE: ok = wire_ke_read(body, &ke); break;
        case WIRE_PAYLOAD_IDi: ok = wire_id_read(body, &id); break;
        case WIRE_PAYLOAD_AUTH: ok = wire_auth_read(body, &auth); break;
        case WIRE_PAYLOAD_CERT: ok = wire_cert_read(body, &cert); break;
        case WIRE_PAYLOAD_CERTREQ: ok = wire_certreq_read(body, &cert); break;
        case WIRE_PAYLOAD_EAP: ok = wire_eap_read(body, &eap); break;
        case WIRE_PAYLOAD_N: ok = wire_notify_read(body, &n); break;
        case WIRE_PAYLOAD_D: ok = wire_delete_read(body, &d); break;
        case WIRE_PAYLOAD_CP: ok = wire_cfg_read(body, &cfg); break;
        default: fail();
        }
        if (ok)
            fail_msg("accepted: %s", hostile_table[i].what);
    }
}

static void critical_bit(void **state)
{
    (void)state;
    struct wire_message m;
    uint8_t critical = 0, inner;
    uint8_t octets[8] = {43, 0x80, 0, 4, 0, 0, 0, 4};
    /* unknown type 200, critical, then an empty Vendor ID */
    assert_int_equal(wire_chain_read(span_of(octets, 8), 200, &m, &critical, &inner),
                     WIRE_UNKNOWN_CRITICAL);
    assert_int_equal(critical, 200);
    octets[1] = 0;
    assert_int_equal(wire_chain_read(span_of(octets, 8), 200, &m, &critical, &inner), WIRE_OK);
    assert_int_equal(m.n, 1);
    octets[3] = 3; /* a length below its own header must not loop */
    assert_int_equal(wire_chain_read(span_of(octets, 8), 200, &m, &critical, &inner),
                     WIRE_MALFORMED);
}

/* A notify with a cut SPI makes the whole chain malformed, even if no code reads that notify. */
static void torn_notify(void **state)
{
    (void)state;
    struct wire_message m;
    uint8_t critical, inner;
    uint8_t octets[12] = {0, 0, 0, 12, 0, 4, 0x40, 0, 1, 2, 3, 4};
    assert_int_equal(wire_chain_read(span_of(octets, 12), 41, &m, &critical, &inner), WIRE_OK);
    octets[5] = 5;
    assert_int_equal(wire_chain_read(span_of(octets, 12), 41, &m, &critical, &inner),
                     WIRE_MALFORMED);
    octets[5] = 0;
    octets[3] = 7;
    assert_int_equal(wire_chain_read(span_of(octets, 7), 41, &m, &critical, &inner),
                     WIRE_MALFORMED);
}

/* An empty payload still has its place in the chain, as callers compute with it. */
static void empty_payloads(void **state)
{
    (void)state;
    struct wire_message m;
    static const uint8_t octets[8] = {WIRE_PAYLOAD_V, 0, 0, 4, 0, 0, 0, 4};
    assert_int_equal(parse(span_of(octets, 8), WIRE_PAYLOAD_V, &m), WIRE_OK);
    assert_int_equal(m.n, 2);
    assert_ptr_equal(m.payloads[0].body.ptr, octets + 4);
    assert_ptr_equal(m.payloads[1].body.ptr, octets + 8);
}

/* is_reserved - RFC 7296 sections 3.2 to 3.13: octets of a payload of build() that mean nothing;
 * for the first of the generic header all but the critical bit. */
static bool is_reserved(uint8_t type, size_t at)
{
    if (at == 1)
        return true;
    switch (type) {
    case WIRE_PAYLOAD_SA: {
        /* a proposal of 12 octets with its SPI, transforms of 12 and of 8 */
        size_t in = (at - 4) % 32;
        return at >= 4 && (in == 1 || in == 12 + 1 || in == 12 + 5 || in == 24 + 1 || in == 24 + 5);
    }
    case WIRE_PAYLOAD_KE: return at == 6 || at == 7;
    case WIRE_PAYLOAD_IDi:
    case WIRE_PAYLOAD_AUTH:
    case WIRE_PAYLOAD_TSi: return at >= 5 && at <= 7;
    default: return false;
    }
}

/* A peer that offers all its algorithms in two proposals is understood, up to a bound. */
static void many_transforms(void **state)
{
    (void)state;
    static struct wire_sa sa;
    static uint8_t octets[2 * (8 + 8 * (LIMIT_TRANSFORMS + 1))];
    for (uint8_t n = 1; n <= LIMIT_TRANSFORMS + 1; n++) {
        struct writer w = writer_of(octets, sizeof(octets));
        for (uint8_t p = 1; p <= 2; p++) {
            write_u16(&w, p == 2 ? 0 : 0x0200);
            write_u16(&w, (uint16_t)(8 + 8 * n));
            write_u8(&w, p);
            write_u8(&w, WIRE_PROTO_IKE);
            write_u8(&w, 0);
            write_u8(&w, n);
            for (uint8_t i = 0; i < n; i++) {
                write_u16(&w, i + 1 == n ? 0 : 0x0300);
                write_u16(&w, 8);
                write_u16(&w, WIRE_KE << 8);
                write_u16(&w, i);
            }
        }
        assert_int_equal(wire_sa_read(writer_span(&w), &sa), n <= LIMIT_TRANSFORMS);
        assert_true(n > LIMIT_TRANSFORMS || sa.proposals[1].n == n);
    }
}

/* RFC 7296 section 2.5: reserved fields are sent as zero and ignored on receipt. */
static void reserved_bits(void **state)
{
    (void)state;
    uint8_t buffer[1024];
    struct wire_builder b = build(buffer, sizeof(buffer));
    struct wire_message m;
    static struct wire_sa before, after;
    struct wire_ts_list ts;
    struct wire_id id;
    struct wire_auth auth;
    struct wire_ke ke;
    assert_int_equal(parse(writer_span(&b.w), b.first, &m), WIRE_OK);
    assert_true(wire_sa_read(wire_find(&m, WIRE_PAYLOAD_SA, NULL)->body, &before));
    size_t n = 0;
    for (size_t i = 0; i < m.n; i++) {
        uint8_t *payload = buffer + (m.payloads[i].body.ptr - buffer) - 4;
        for (size_t at = 0; at < m.payloads[i].body.len + 4; at++)
            if (is_reserved(m.payloads[i].type, at)) {
                assert_int_equal(payload[at], 0);
                payload[at] = at == 1 ? 0x7f : 0xff;
                n++;
            }
    }
    assert_int_equal(n, 8 + 2 * 5 + 2 + 3 * 3);
    assert_int_equal(parse(writer_span(&b.w), b.first, &m), WIRE_OK);
    assert_int_equal(m.n, 8);
    assert_true(wire_sa_read(wire_find(&m, WIRE_PAYLOAD_SA, NULL)->body, &after));
    assert_memory_equal(&after, &before, sizeof(after));
    assert_true(wire_ts_read(wire_find(&m, WIRE_PAYLOAD_TSi, NULL)->body, &ts));
    assert_int_equal(ts.n, 2);
    assert_true(wire_id_read(wire_find(&m, WIRE_PAYLOAD_IDi, NULL)->body, &id));
    assert_int_equal(id.type, ID_FQDN);
    assert_true(wire_auth_read(wire_find(&m, WIRE_PAYLOAD_AUTH, NULL)->body, &auth));
    assert_int_equal(auth.method, AUTH_SHARED_KEY);
    assert_true(wire_ke_read(wire_find(&m, WIRE_PAYLOAD_KE, NULL)->body, &ke));
    assert_int_equal(ke.group, 31);
}

/* The same of the Configuration payload, with the reserved bit of an attribute (section 3.15.1). */
static void reserved_bits_of_cp(void **state)
{
    (void)state;
    static const uint8_t body[12] = {CFG_REPLY, 0xff, 0xff, 0xff, 0x80, INTERNAL_IP4_ADDRESS,
                                     0,         4,    10,   9,    0,    1};
    struct wire_cfg cfg;
    assert_true(wire_cfg_read(span_of(body, sizeof(body)), &cfg));
    assert_int_equal(cfg.type, CFG_REPLY);
    assert_int_equal(cfg.n, 1);
    assert_int_equal(cfg.attributes[0].type, INTERNAL_IP4_ADDRESS);
    assert_int_equal(cfg.attributes[0].value.len, 4);
}

/* --- ENCDNS_IP4 and ENCDNS_IP6, RFC 9464 section 3.1 --- */

static struct encrypted_dns resolver(uint16_t port)
{
    struct encrypted_dns dns = {.port = port, .n = 3};
    assert_int_equal(encrypted_dns_name(&dns, span_text("dns.example")), 0);
    assert_true(address_parse("192.0.2.53", &dns.servers[0]));
    assert_true(address_parse("2001:db8::53", &dns.servers[1]));
    assert_true(address_parse("192.0.2.54", &dns.servers[2]));
    return dns;
}

/* The attribute as the RFC draws it, octet by octet, and read again. */
static void encrypted_dns_is_written(void **state)
{
    (void)state;
    static const uint8_t want[] = {0, 27, 0,   37,  0,   1,   2,   11,  192, 0,   2,   53,   192, 0,
                                   2, 54, 'd', 'n', 's', '.', 'e', 'x', 'a', 'm', 'p', 'l',  'e', 0,
                                   1, 0,  4,   3,   'd', 'o', 't', 0,   3,   0,   2,   0x22, 0x95};
    uint8_t octets[128];
    struct encrypted_dns dns = resolver(8853), got;
    struct writer w = writer_of(octets, sizeof(octets));
    uint16_t priority;
    wire_encrypted_dns_write(&w, &dns, ADDRESS_V4);
    assert_int_equal(w.len, sizeof(want));
    assert_memory_equal(octets, want, sizeof(want));
    assert_true(wire_encrypted_dns_read(span_of(want + 4, 37), ADDRESS_V4, &priority, &got));
    assert_int_equal(priority, 1);
    assert_int_equal(got.n, 2);
    assert_int_equal(got.port, 8853);
    assert_string_equal(got.name, "dns.example");
    assert_true(address_equal(&got.servers[1], &dns.servers[2]));
    for (size_t len = 0; len < 37; len++) /* cut: at 31 the port is missing, and nothing says so */
        assert_int_equal(
            wire_encrypted_dns_read(span_of(want + 4, len), ADDRESS_V4, &priority, &got),
            len == 31);
}

/* Without a port: the default. Without an address of the family: no attribute. */
static void encrypted_dns_of_one_family(void **state)
{
    (void)state;
    uint8_t octets[128];
    struct encrypted_dns dns = resolver(ENCRYPTED_DNS_PORT), got;
    struct writer w = writer_of(octets, sizeof(octets));
    uint16_t priority;
    wire_encrypted_dns_write(&w, &dns, ADDRESS_V6);
    assert_int_equal(octets[1], ENCDNS_IP6);
    assert_true(
        wire_encrypted_dns_read(span_of(octets + 4, w.len - 4), ADDRESS_V6, &priority, &got));
    assert_int_equal(got.port, ENCRYPTED_DNS_PORT);
    assert_int_equal(got.n, 1);
    w = writer_of(octets, sizeof(octets));
    dns.servers[1] = dns.servers[0];
    wire_encrypted_dns_write(&w, &dns, ADDRESS_V6);
    assert_int_equal(w.len, 0);
}

/* encdns_reads - of one address and a short name, with these service parameters. */
static bool encdns_reads(uint16_t priority, const char *name, struct span params)
{
    uint8_t octets[512];
    struct writer w = writer_of(octets, sizeof(octets));
    struct encrypted_dns got;
    write_u16(&w, priority);
    write_u8(&w, 1);
    write_u8(&w, (uint8_t)strlen(name));
    write_u32(&w, 0xc0000235);
    write_bytes(&w, span_text(name));
    write_bytes(&w, params);
    return wire_encrypted_dns_read(span_of(octets, w.len), ADDRESS_V4, &priority, &got);
}

#define PARAMS(...)                                                                                \
    span_of(((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__}))
#define ALPN_DOT 0, 1, 0, 4, 3, 'd', 'o', 't'

static void encrypted_dns_service_parameters(void **state)
{
    (void)state;
    assert_true(encdns_reads(1, "a.b", PARAMS(ALPN_DOT)));
    assert_true(encdns_reads(1, "a.b", PARAMS(0, 0, 0, 4, 0, 1, 0, 3, ALPN_DOT, 0, 3, 0, 2, 0, 9)));
    assert_true(encdns_reads(1, "a.b", PARAMS(0, 1, 0, 7, 2, 'h', '2', 3, 'd', 'o', 't')));
    assert_true(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, 0, 2, 0, 0, 0xff, 0, 0, 1, 7)));
    /* DNS over HTTPS alone; no protocol; an unknown mandatory key */
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 1, 0, 3, 2, 'h', '2')));
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 3, 0, 2, 3, 0x55)));
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 0, 0, 2, 0, 7, ALPN_DOT)));
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 0, 0, 0, ALPN_DOT)));
    /* MUST NOT: AliasMode, hints, keys out of order or twice, a name with a terminator */
    assert_false(encdns_reads(0, "a.b", PARAMS(ALPN_DOT)));
    assert_false(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, 0, 4, 0, 4, 10, 0, 0, 1)));
    assert_false(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, 0, 6, 0, 1, 0)));
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 3, 0, 2, 0, 9, ALPN_DOT)));
    assert_false(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, ALPN_DOT)));
    assert_false(encdns_reads(1, "a\nb", PARAMS(ALPN_DOT)));
    assert_false(encdns_reads(1, "", PARAMS(ALPN_DOT)));
    /* octets that are cut, port 0, a port of three octets */
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 1, 0, 4, 4, 'd', 'o', 't')));
    assert_false(encdns_reads(1, "a.b", PARAMS(0, 1, 0, 9, 3, 'd', 'o', 't')));
    assert_false(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, 0)));
    assert_false(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, 0, 3, 0, 2, 0, 0)));
    assert_false(encdns_reads(1, "a.b", PARAMS(ALPN_DOT, 0, 3, 0, 3, 0, 9, 9)));
}

/* Section 3.9: 16 to 256 octets. */
static void nonce_sizes(void **state)
{
    (void)state;
    static const uint8_t octets[257] = {0};
    struct span nonce;
    assert_false(wire_nonce_read(span_of(octets, 15), &nonce));
    assert_true(wire_nonce_read(span_of(octets, 16), &nonce));
    assert_true(wire_nonce_read(span_of(octets, 256), &nonce));
    assert_int_equal(nonce.len, 256);
    assert_false(wire_nonce_read(span_of(octets, 257), &nonce));
}

/* Sections 3.1 and 3.14: no payload may follow an Encrypted payload. */
static void behind_the_encrypted_one(void **state)
{
    (void)state;
    struct wire_message m;
    static const uint8_t kinds[] = {WIRE_PAYLOAD_SK, WIRE_PAYLOAD_SKF};
    static const uint8_t octets[16] = {
        WIRE_PAYLOAD_V, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 4};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        assert_int_equal(parse(span_of(octets, 12), kinds[i], &m), WIRE_OK);
        assert_int_equal(parse(span_of(octets, 16), kinds[i], &m), WIRE_MALFORMED);
        assert_int_equal(parse(span_of(octets, 13), kinds[i], &m), WIRE_MALFORMED);
    }
}

/* Section 3.3: a transform with two key lengths, or with one of zero, is none that is understood.
 */
static void two_key_lengths(void **state)
{
    (void)state;
    static struct wire_sa sa;
    static const uint8_t lengths[][2] = {{0, 128}, {1, 0}, {0, 0}};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        uint8_t body[24] = {0,
                            0,
                            0,
                            24,
                            1,
                            1,
                            0,
                            1,
                            0,
                            0,
                            0,
                            16,
                            1,
                            0,
                            0,
                            20,
                            0x80,
                            14,
                            0,
                            128,
                            0x80,
                            14,
                            lengths[i][0],
                            lengths[i][1]};
        assert_true(wire_sa_read(span_of(body, sizeof(body)), &sa));
        assert_true(sa.proposals[0].transforms[0].odd);
    }
}

static void header(void **state)
{
    (void)state;
    struct ike_header h = {.spi_i = 1, .spi_r = 2, .version = IKE_VERSION, .length = 28}, read;
    uint8_t octets[29];
    ike_header_write(&h, octets);
    assert_true(ike_header_read(span_of(octets, 28), &read));
    assert_int_equal(read.spi_r, 2);
    assert_false(ike_header_read(span_of(octets, 27), &read));
    assert_false(ike_header_read(span_of(octets, 29), &read));
}

#define CA_AT 52 /* of the octet in `root` that says cA TRUE */

/* The outline of a CA that names itself; another issuer, another constraint and each cut give
 * another result. */
static void certificate_of_a_ca(void **state)
{
    (void)state;
    static const uint8_t root[] = {
        0x30, 0x37, 0x30, 0x31, /* Certificate, TBSCertificate */
        0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x01, 0x01, 0x30, 0x00, /* version, serial, signature */
        0x30, 0x02, 0x05, 0x00, 0x30, 0x00,                         /* issuer, validity */
        0x30, 0x02, 0x05, 0x00, 0x30, 0x06, 0x30, 0x00, 0x03, 0x02, 0x00, 0x01, /* subject, key */
        0xa3, 0x13, 0x30, 0x11, 0x30, 0x0f,             /* extensions: basicConstraints */
        0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, /* its OID, critical */
        0x04, 0x05, 0x30, 0x03, 0x01, 0x01, 0xff,       /* cA TRUE */
        0x30, 0x00, 0x03, 0x00,                         /* signature */
    };
    struct wire_certificate read;
    uint8_t copy[sizeof(root)];
    assert_true(wire_certificate_read(span_of(root, sizeof(root)), &read));
    assert_true(read.ca && wire_certificate_root(&read));
    for (size_t len = 0; len < sizeof(root); len++)
        assert_false(wire_certificate_read(span_of(root, len), &read));
    for (size_t at = 0; at < 3; at++) {
        static const size_t changed[] = {CA_AT, 42 /* another extension */,
                                         22 /* another subject */};
        memcpy(copy, root, sizeof(root));
        copy[changed[at]] = 0;
        assert_true(wire_certificate_read(span_of(copy, sizeof(copy)), &read));
        assert_false(wire_certificate_root(&read));
        assert_true(read.ca == (at == 2));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(keep_old_vectors),
        cmocka_unit_test(keep_old_liberal),
        cmocka_unit_test(hostile_bodies),
        cmocka_unit_test(critical_bit),
        cmocka_unit_test(torn_notify),
        cmocka_unit_test(empty_payloads),
        cmocka_unit_test(reserved_bits),
        cmocka_unit_test(reserved_bits_of_cp),
        cmocka_unit_test(header),
        cmocka_unit_test(nonce_sizes),
        cmocka_unit_test(two_key_lengths),
        cmocka_unit_test(behind_the_encrypted_one),
        cmocka_unit_test(encrypted_dns_is_written),
        cmocka_unit_test(encrypted_dns_of_one_family),
        cmocka_unit_test(encrypted_dns_service_parameters),
        cmocka_unit_test(many_transforms),
        cmocka_unit_test(certificate_of_a_ca),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
