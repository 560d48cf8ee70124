/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EAP, both roles. Octet 0 chooses role and method, octet 1 says how many true packets come first.
 * Then the input is packets: a length octet, and as many octets. A packet that begins with 0xff
 * changes one octet of the true one instead: its position, its value. Bit 0x40 of octet 1: SIM and AKA
 * have names, from a login before.
 */
#include "base/assert.h"
#include "eap/packet.h"
#include "eap/test_certificates.h"
#include "eap/test_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum eap_type types[] = {EAP_TYPE_MSCHAPV2, EAP_TYPE_TLS,       EAP_TYPE_AKA,
                                      EAP_TYPE_MD5,      EAP_TYPE_GTC,       EAP_TYPE_TTLS,
                                      EAP_TYPE_PEAP,     EAP_TYPE_AKA_PRIME, EAP_TYPE_SIM};

static struct eap_crypto *crypto; /* costly to make, as the next two */
static struct test_tls tls[2];

static void check(const struct eap_result *result)
{
    struct eap_packet packet;
    ASSERT(result->packet_len <= EAP_PACKET && result->msk_len <= EAP_MSK);
    ASSERT(memchr(result->reason, 0, sizeof(result->reason)) != NULL);
    ASSERT(result->packet_len == 0 ||
           eap_packet_read(span_of(result->packet, result->packet_len), &packet));
    if (result->verdict != EAP_SUCCEEDED)
        ASSERT(result->msk_len == 0);
}

/* The packet to hand over: what `input` says, or the true one changed. */
static size_t packet_make(struct span input, const struct eap_result *last, uint8_t *packet)
{
    if (input.len == 3 && input.ptr[0] == 0xff && last->packet_len > 0) {
        memcpy(packet, last->packet, last->packet_len);
        packet[input.ptr[1] % last->packet_len] = input.ptr[2];
        return last->packet_len;
    }
    memcpy(packet, input.ptr, input.len);
    return input.len;
}

static void play(struct test_pair *p, bool to_peer, struct reader *r)
{
    uint8_t packet[EAP_PACKET];
    while (r->left > 0) {
        size_t len = read_u8(r);
        struct span input = read_bytes(r, len < r->left ? len : r->left);
        struct span octets =
            span_of(packet, packet_make(input, to_peer ? &p->result : &p->peer_result, packet));
        if (input.len == 0)
            octets.len = 0;
        if (to_peer)
            eap_peer_recv(p->peer, octets, &p->peer_result);
        else
            eap_authenticator_recv(p->authenticator, octets, &p->result);
        check(&p->result), check(&p->peer_result);
    }
}

static bool of_usim(enum eap_type type)
{
    return type == EAP_TYPE_AKA || type == EAP_TYPE_AKA_PRIME || type == EAP_TYPE_SIM;
}

static void login_before(struct test_pair *p)
{
    test_pair_names(p);
    test_pair_make(p);
    test_pair_run(p);
    ASSERT(p->result.verdict == EAP_SUCCEEDED);
    test_pair_again(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(span_of(data, size));
    struct test_pair p;
    uint8_t choice = read_u8(&r);
    uint8_t before = read_u8(&r);
    test_pair_begin(&p, 1, crypto);
    crypto = p.crypto;
    test_pair_method(&p, types[choice / 2 % (sizeof(types) / sizeof(types[0]))]);
    if (tls[0].key == NULL) {
        const struct test_leaf peer = {.name = "anna"}, server = {.name = "aaa"};
        struct test_ca ca;
        test_ca_make(&ca, "CA");
        test_tls_make(&tls[0], &ca, &peer, &ca);
        test_tls_make(&tls[1], &ca, &server, &ca);
        test_ca_end(&ca);
    }
    bool usim = of_usim(p.config[0].methods[0]);
    for (int side = 0; side < 2 && usim; side++)
        test_pair_password(&p, side, "0123456789abcdef0123456789abcdef");
    p.config[0].tls = &tls[0].tls, p.config[1].tls = &tls[1].tls;
    tls[1].tls.only_12 = (choice & 0x80) != 0;
    if (usim && (before & 0x40) != 0)
        login_before(&p);
    else
        test_pair_make(&p);
    for (unsigned i = 0; i < before % 8u; i++) {
        test_pair_to_peer(&p);
        check(&p.peer_result);
        if (p.peer_result.packet_len == 0)
            break;
        test_pair_to_authenticator(&p);
    }
    if ((choice & 1) == 0)
        test_pair_to_peer(&p);
    play(&p, (choice & 1) != 0, &r);
    p.crypto = NULL;
    test_pair_end(&p);
    return 0;
}
