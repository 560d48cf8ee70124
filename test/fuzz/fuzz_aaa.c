/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The doors of the aaa process. Octet 0 chooses: what a server grants, a request of a server for a
 * change (raw, or sealed with the right secret: that gets past the authenticators), or a struct of a
 * hostile engine.
 */
#include "base/assert.h"
#include "daemon/aaa/aaa_grant.h"
#include "daemon/aaa/aaa_service.h"
#include "linux/entropy.h"
#include "radius/test_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void grant(struct span input)
{
    struct aaa_grant grant = {0};
    struct radius_packet packet;
    uint8_t octets[RADIUS_PACKET] = {RADIUS_ACCESS_ACCEPT};
    struct writer w = writer_of(octets, sizeof(octets));
    w.len = RADIUS_HEADER;
    write_bytes(&w, input);
    if (writer_failed(&w))
        return;
    writer_patch_u16(&w, 2, (uint16_t)w.len);
    if (!radius_packet_read(writer_span(&w), &packet))
        return;
    aaa_grant_read(&packet, true, &grant);
    ASSERT(grant.groups.n <= AAA_GROUPS && grant.n_dns <= AAA_DNS);
    ASSERT(grant.n_classes <= AAA_CLASSES);
    for (uint32_t i = 0; i < grant.groups.n; i++)
        ASSERT(memchr(grant.groups.names[i], 0, LIMIT_NAME) != NULL);
    ASSERT(memchr(grant.pool4, 0, LIMIT_NAME) != NULL &&
           memchr(grant.pool6, 0, LIMIT_NAME) != NULL);
}

static void change(struct change_requests *requests, struct span input, bool sealed)
{
    static const struct radius_key key = {1, "s"};
    static const struct change_when when = {0};
    static struct change_result result;
    uint8_t octets[RADIUS_PACKET];
    struct change_from from = {.key = &key, .undated = true, .octets = input};
    if (input.len < 2 || input.len > 4000)
        return;
    const struct test_reply what = {(enum radius_code)(40 + input.ptr[0] % 6), (input.ptr[1] & 1),
                                    span_of(input.ptr + 2, input.len - 2)};
    if (sealed)
        from.octets = span_of(octets, test_server_request(&what, input.ptr[1], "s", octets));
    enum change_verdict verdict = change_requests_recv(requests, &from, 3799, &when, &result);
    if (verdict == CHANGE_ASK) {
        const struct aaa_change *c = &result.change;
        ASSERT(c->groups.n <= AAA_GROUPS && c->user_len <= RADIUS_VALUE);
        ASSERT(c->disconnect || c->timeout || c->idle || c->filter);
        ASSERT(change_requests_server(requests, result.job) == 0);
        if (!change_requests_done(requests, result.job, AAA_DONE, &key, &result.reply))
            return;
    }
    if (verdict == CHANGE_DROP)
        return;
    ASSERT(result.reply.octets.len <= CHANGE_REPLY);
    verdict = change_requests_recv(requests, &from, 3799, &when, &result);
    ASSERT(verdict == CHANGE_REPLY_NOW); /* once more: the same reply, and nothing happens */
}

static void engine(struct aaa_service *service, struct span input)
{
    static struct aaa_request request;
    static struct aaa_server server;
    static struct aaa_answer answer;
    uint32_t changed = 0;
    memset(&request, input.len > 0 ? input.ptr[0] : 0, sizeof(request));
    memcpy(&request, input.ptr, input.len < sizeof(request) ? input.len : sizeof(request));
    memset(&server, 0, sizeof(server));
    memcpy(&server, input.ptr, input.len < sizeof(server) ? input.len : sizeof(server));
    if (request.n_octets % 4 == 1)
        (void)!aaa_service_load(service, &server, &changed);
    else if (request.n_octets % 4 == 2)
        (void)!aaa_service_stage_load(service, &server);
    request.kind %= 8;
    if (request.n_octets % 4 == 0)
        (void)aaa_service_ask(service, &request, 0, &answer, &changed);
    ASSERT(changed < UINT32_C(1) << RADIUS_SERVERS);
    aaa_service_tick(service, 0, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct change_requests *requests;
    static struct aaa_service *service;
    static unsigned uses;
    if (uses++ % 512 == 0) {
        change_requests_free(requests);
        aaa_service_free(service);
        requests = change_requests_new();
        service = aaa_service_new(entropy_random(), -1, false);
    }
    ASSERT(requests != NULL && service != NULL);
    if (size == 0)
        return 0;
    struct span input = span_of(data + 1, size - 1);
    if (data[0] % 4 == 0)
        grant(input);
    else if (data[0] % 4 == 3)
        engine(service, input);
    else
        change(requests, input, data[0] % 4 == 1);
    return 0;
}
