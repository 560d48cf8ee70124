/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a RADIUS server sends. Octet 0: the low bit says whether the input is a whole packet, or the
 * attributes of one that is sealed with the right secret: that gets past the authenticators.
 */
#include "base/assert.h"
#include "radius/radius_client.h"
#include "radius/test_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fill(void *context, void *octets, size_t len)
{
    (void)context;
    memset(octets, 0x5a, len);
}

static void look(const struct radius_outcome *outcome)
{
    uint8_t eap[RADIUS_PACKET];
    struct span value;
    for (int type = 0; type < 256; type++)
        if (radius_find(&outcome->reply, (enum radius_attribute)type, &value))
            ASSERT(value.len <= RADIUS_VALUE);
    ASSERT(radius_eap_join(&outcome->reply, eap, sizeof(eap)) <= sizeof(eap));
    (void)radius_find_vendor(&outcome->reply, 311, 28, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct random random = {fill, NULL};
    static const struct radius_server server = {.key = {1, "s"}};
    struct radius_client *client = radius_client_new(&random);
    const struct radius_ask ask = {RADIUS_ACCESS_REQUEST, 1, RADIUS_SERVERS, {0}};
    struct radius_datagram datagram;
    struct radius_outcome outcome;
    uint8_t request[RADIUS_PACKET], reply[RADIUS_PACKET];
    if (size < 2 || size > 4000)
        return (void)radius_client_free(client), 0;
    radius_client_server_set(client, 0, &server);
    int error = radius_client_ask(client, &ask, 0);
    bool sent = radius_client_send(client, 0, &datagram);
    ASSERT(error == 0 && sent);
    memcpy(request, datagram.octets.ptr, datagram.octets.len);
    struct span input = span_of(data + 2, size - 2);
    const struct test_reply what = {(enum radius_code)data[1], true, input};
    if ((data[0] & 1) != 0)
        input = span_of(reply,
                        test_server_seal(&what, span_of(request, datagram.octets.len), "s", reply));
    datagram.octets = input;
    if (radius_client_recv(client, &datagram, 0, &outcome))
        look(&outcome);
    radius_client_free(client);
    return 0;
}
