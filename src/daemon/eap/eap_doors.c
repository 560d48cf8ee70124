/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/eap/eap_doors.h"

#include "daemon/common/channel.h"

static int sign(void *context, const struct key_tls *wanted, struct span octets,
                struct writer *ret_signature)
{
    const struct eap_channels *channels = context;
    struct key_request request = {
        .n_octets = (uint32_t)octets.len, .kind = KEY_TLS_SIGN, .tls = *wanted};
    struct key_answer answer;
    uint8_t room[KEY_AUTH];
    size_t n;
    if (octets.len > KEY_OCTETS ||
        channel_send_tail(channels->key_fd, span_of(&request, sizeof(request)), octets) != 0 ||
        channel_recv_tail(channels->key_fd, &answer, sizeof(answer),
                          (struct buffer){room, sizeof(room)}, &n) != 0)
        return ERR_SYSTEM;
    if (answer.error == 0)
        write_bytes(ret_signature, span_of(room, n));
    return answer.error;
}

static int check(void *context, const struct verifier_tls *wanted, struct span octets,
                 struct verifier_answer *ret)
{
    const struct eap_channels *channels = context;
    struct verifier_request request = {
        .n_octets = (uint32_t)octets.len, .kind = VERIFIER_TLS, .tls = *wanted};
    size_t n;
    if (channel_send_tail(channels->verifier_fd, span_of(&request, sizeof(request)), octets) != 0 ||
        channel_recv_tail(channels->verifier_fd, ret, sizeof(*ret), (struct buffer){NULL, 0}, &n) !=
            0)
        return ERR_SYSTEM;
    ret->reason[sizeof(ret->reason) - 1] = '\0';
    return 0;
}

struct eap_doors eap_doors_of(struct eap_channels *channels)
{
    return (struct eap_doors){sign, check, channels};
}
