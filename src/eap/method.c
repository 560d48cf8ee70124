/* SPDX-License-Identifier: Apache-2.0 */
#include "eap/method.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/secret.h"

static const struct eap_method *const methods[] = {
    &eap_method_mschapv2, &eap_method_tls,      &eap_method_aka,       &eap_method_aka_prime,
    &eap_method_sim,      &eap_method_ttls,     &eap_method_peap,      &eap_method_md5,
    &eap_method_gtc,      &eap_method_ttls_pap, &eap_method_ttls_chap, &eap_method_ttls_mschapv2,
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

const struct eap_method *eap_method_find(enum eap_type type)
{
    for (size_t i = 0; i < N_METHODS; i++)
        if (methods[i]->type == type)
            return methods[i];
    return NULL;
}

uint8_t eap_type_wire(enum eap_type type)
{
    const struct eap_method *method = eap_method_find(type);
    return (uint8_t)(method == NULL || method->wire == EAP_TYPE_NONE ? type : method->wire);
}

const char *eap_type_name(uint8_t type)
{
    const struct eap_method *method = eap_method_find((enum eap_type)type);
    return method == NULL ? "unknown" : method->name;
}

bool eap_type_plays(enum eap_type type, bool authenticator)
{
    const struct eap_method *method = eap_method_find(type);
    return method != NULL &&
           (authenticator ? method->authenticator_begin != NULL : method->peer_recv != NULL);
}

bool eap_type_derives_keys(enum eap_type type)
{
    const struct eap_method *method = eap_method_find(type);
    return method != NULL && method->keys;
}

bool eap_type_presents(enum eap_type type, bool authenticator)
{
    const struct eap_method *method = eap_method_find(type);
    return method != NULL &&
           (authenticator ? method->authenticator_presents : method->peer_presents);
}

static bool identity_set(struct span *place, uint8_t octets[EAP_IDENTITY], struct span identity)
{
    if (identity.len > EAP_IDENTITY)
        return false;
    if (identity.len > 0)
        memmove(octets, identity.ptr, identity.len);
    *place = span_of(octets, identity.len);
    return true;
}

bool eap_talk_claim(struct eap_talk *talk, struct span identity)
{
    return identity_set(&talk->claimed, talk->claimed_octets, identity);
}

bool eap_talk_identify(struct eap_talk *talk, struct span identity)
{
    return identity_set(&talk->identity, talk->identity_octets, identity);
}

enum eap_step eap_failed(struct eap_talk *talk, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    (void)vsnprintf(talk->reason, sizeof(talk->reason), format, list);
    va_end(list);
    return EAP_STEP_FAILED;
}

void eap_result_done(struct eap_result *result)
{
    wipe(result, sizeof(*result));
}

void eap_result_refuse(struct eap_result *result, const char *reason)
{
    uint8_t identifier = result->packet[1];
    struct writer w = writer_of(result->packet, sizeof(result->packet));
    wipe(result->msk, sizeof(result->msk));
    result->msk_len = 0;
    result->verdict = EAP_FAILED;
    eap_packet_short(&w, EAP_FAILURE, identifier); /* RFC 3748 section 4.2 */
    result->packet_len = w.len;
    (void)snprintf(result->reason, sizeof(result->reason), "%s", reason);
}
