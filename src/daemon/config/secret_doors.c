/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config/secret_doors.h"

#include <stdio.h>

#include "base/secret.h"
#include "base/writer.h"
#include "daemon/common/channel.h"
#include "daemon/config/secret_requests.h"

static int key_ask_for(const struct secret_doors *doors, struct key_request *request,
                       struct span octets, struct buffer room, struct key_answer *ret)
{
    size_t n;
    request->n_octets = (uint32_t)octets.len;
    if (channel_send_tail(doors->key_fd, span_of(request, sizeof(*request)), octets) != 0 ||
        channel_recv_tail(doors->key_fd, ret, sizeof(*ret), room, &n) != 0)
        return ERR_SYSTEM;
    ret->reason[sizeof(ret->reason) - 1] = '\0';
    return ret->error;
}

static int key_ask(const struct secret_doors *doors, struct key_request *request,
                   struct span octets, struct key_answer *ret)
{
    return key_ask_for(doors, request, octets, (struct buffer){NULL, 0}, ret);
}

static int eap_ask(const struct secret_doors *doors, const struct engine_secret *secret)
{
    struct eap_request request = {.kind = EAP_LOAD};
    struct eap_answer answer;
    int error = secret_to_eap(secret, &request.load);
    if (error == 0 && (channel_send(doors->eap_fd, &request, sizeof(request), NULL, 0) != 0 ||
                       channel_recv(doors->eap_fd, &answer, sizeof(answer), NULL, NULL) != 0))
        error = ERR_SYSTEM;
    wipe(&request, sizeof(request));
    return error != 0 ? error : answer.error;
}

int secret_doors_secret(const struct secret_doors *doors, const struct engine_secret *secret)
{
    struct key_request request = {.kind = KEY_LOAD};
    struct key_answer answer;
    if (secret_of_eap(secret->kind))
        return eap_ask(doors, secret);
    int error = secret_to_key(secret, &request.load);
    return error != 0
               ? error
               : key_ask(doors, &request, span_of(secret->octets, secret->n_octets), &answer);
}

int secret_doors_key(const struct secret_doors *doors, struct span octets, struct span passphrase,
                     struct key_answer *ret)
{
    static uint8_t both[KEY_FILE];
    struct key_request request = {.kind = KEY_PRIVATE_LOAD};
    size_t len = octets.len + passphrase.len;
    *ret = (struct key_answer){0};
    if (octets.len == 0 || octets.len > KEY_FILE || passphrase.len > KEY_FILE - octets.len)
        return ERR_INVALID;
    memcpy(both, octets.ptr, octets.len);
    if (passphrase.len > 0)
        memcpy(both + octets.len, passphrase.ptr, passphrase.len);
    request.private.octets_len = (uint32_t)octets.len;
    request.private.passphrase_len = (uint32_t)passphrase.len;
    int error = key_ask(doors, &request, span_of(both, len), ret);
    wipe(both, len);
    return error;
}

int secret_doors_token(const struct secret_doors *doors, const struct key_token *token,
                       struct key_answer *ret)
{
    struct key_request request = {.kind = KEY_TOKEN_LOAD, .token = *token};
    *ret = (struct key_answer){0};
    int error = key_ask(doors, &request, (struct span){0}, ret);
    wipe(&request, sizeof(request));
    return error;
}

int secret_doors_cert(const struct secret_doors *doors, const struct key_token *token,
                      struct buffer room, struct key_answer *ret)
{
    struct key_request request = {.kind = KEY_TOKEN_CERT, .token = *token};
    *ret = (struct key_answer){0};
    int error = key_ask_for(doors, &request, (struct span){0}, room, ret);
    wipe(&request, sizeof(request));
    return error;
}

int secret_doors_module(const struct secret_doors *doors, const struct key_module *module)
{
    struct key_request request = {.kind = KEY_MODULE, .module = *module};
    struct key_answer answer;
    return key_ask(doors, &request, (struct span){0}, &answer);
}

/* unpack_ask - asks the unpacker. ERR_SYSTEM: it has ended, since the container crashed it or took
 * too much time. */
static int unpack_ask(const struct secret_doors *doors, struct span request, struct span octets,
                      struct buffer room, struct unpack_answer *ret)
{
    size_t n;
    if (channel_send_tail(doors->unpack_fd, request, octets) == 0 &&
        channel_recv_tail(doors->unpack_fd, ret, sizeof(*ret), room, &n) == 0) {
        ret->reason[sizeof(ret->reason) - 1] = '\0';
        return ret->error;
    }
    (void)snprintf(ret->reason, sizeof(ret->reason),
                   "it, or another container, took too long to open or broke the unpacker");
    return ERR_SYSTEM;
}

int secret_doors_unpack(const struct secret_doors *doors, const struct span container_passphrase[2],
                        struct buffer room, struct unpack_answer *ret)
{
    static uint8_t octets[UNPACK_OCTETS];
    struct writer w = writer_of(octets, sizeof(octets));
    struct unpack_request request = {.passphrase_len = (uint32_t)container_passphrase[1].len};
    *ret = (struct unpack_answer){0};
    write_bytes(&w, container_passphrase[0]);
    write_bytes(&w, container_passphrase[1]);
    if (writer_failed(&w)) {
        (void)snprintf(ret->reason, sizeof(ret->reason), "is longer than 64 KiB");
        return ERR_INVALID;
    }
    request.n_octets = (uint32_t)w.len;
    int error = unpack_ask(doors, span_of(&request, sizeof(request)), writer_span(&w), room, ret);
    wipe(octets, w.len);
    return error;
}

int secret_doors_radius(const struct secret_doors *doors, const struct aaa_server *server)
{
    const struct aaa_request request = {.n_octets = sizeof(*server), .kind = AAA_SERVER_LOAD};
    struct aaa_answer answer;
    bool told = channel_send_tail(doors->aaa_fd, span_of(&request, sizeof(request)),
                                  span_of(server, sizeof(*server))) == 0 &&
                channel_recv(doors->aaa_fd, &answer, sizeof(answer), NULL, NULL) == 0;
    return told ? answer.error : ERR_SYSTEM;
}
