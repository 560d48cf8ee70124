/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange/party_eap.h"

#include "base/assert.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"

#define TYPE          254 /* expanded: of nobody */
#define TYPE_IDENTITY 1
#define TYPE_NAK      3

static struct span packet_of(struct party_eap *eap, uint8_t code)
{
    bool ends = code == EAP_SUCCESS || code == EAP_FAILURE;
    uint8_t len = ends ? 4 : 9;
    memset(eap->packet, 0xee, sizeof(eap->packet));
    eap->packet[0] = code;
    eap->packet[1] = (uint8_t)(eap->identifier + (code == EAP_SUCCESS && eap->counts_on));
    eap->packet[2] = 0;
    eap->packet[3] = len;
    if (!ends)
        eap->packet[4] = TYPE;
    return span_of(eap->packet, len);
}

/* identity_of - the packet is of the Identity, the first of a conversation that asks for it. */
static struct span identity_of(struct party_eap *eap, uint8_t code)
{
    size_t n = code == EAP_RESPONSE ? strlen(eap->says) : 0;
    struct span packet = packet_of(eap, code);
    eap->packet[3] = (uint8_t)(5 + n);
    eap->packet[4] = 1;
    memcpy(eap->packet + 5, eap->says, n);
    return span_of(packet.ptr, 5 + n);
}

/* nak_of - RFC 3748 section 5.3.1: the peer wants another method. */
static struct span nak_of(struct party_eap *eap)
{
    (void)packet_of(eap, EAP_RESPONSE);
    eap->packet[3] = 6;
    eap->packet[4] = TYPE_NAK;
    eap->packet[5] = eap->wants;
    return span_of(eap->packet, 6);
}

static void succeed(struct party_eap *eap, struct ike_result *result)
{
    const char *seed = eap->key != NULL ? eap->key : "shared";
    for (size_t i = 0; i < sizeof(eap->msk); i++)
        eap->msk[i] = (uint8_t)(seed[i % strlen(seed)] + (int)i);
    result->eap_state = IKE_EAP_SUCCESS;
    if (!eap->no_key)
        result->msk = span_of(eap->msk, eap->short_key ? 32 : sizeof(eap->msk));
    result->proof.valid_ns = eap->valid_ns;
    result->proof.grant = eap->grant;
    if (eap->identity != NULL)
        strcpy(result->proof.identity, eap->identity);
}

/* judged - the method has succeeded; the policy may demand another group or identity. */
static void judged(struct party_eap *eap, const struct ike_eap_job *job, struct ike_result *result)
{
    result->unfit =
        (eap->member != 0 && job->credentials != eap->member) ||
        (eap->judges && !identity_fits_eap(job->policy->eap_id, span_text(eap->identity)));
    if (result->unfit) {
        if (eap->judges)
            strcpy(result->proof.identity, eap->identity);
        result->eap_state = IKE_EAP_FAILURE;
        result->eap_packet = packet_of(eap, EAP_FAILURE);
        result->reason = "it is of another group";
        return;
    }
    succeed(eap, result);
    result->eap_packet = packet_of(eap, EAP_SUCCESS);
}

static void authenticator(struct party_eap *eap, const struct ike_eap_job *job,
                          struct ike_result *result)
{
    unsigned requests = eap->requests == 0 ? 2 : eap->requests;
    bool done = eap->seen > requests || eap->seen == eap->succeed_at;
    bool refused = job->packet.len > 4 && job->packet.ptr[4] == TYPE_NAK;
    if ((job->need_key && eap->no_key) || refused) {
        result->eap_state = IKE_EAP_FAILURE;
        result->eap_packet = packet_of(eap, EAP_FAILURE);
    } else if (done) {
        judged(eap, job, result);
    } else {
        eap->identifier++;
        result->eap_packet = eap->says != NULL && job->packet.len == 0
                                 ? identity_of(eap, EAP_REQUEST)
                                 : packet_of(eap, EAP_REQUEST);
        if (job->policy->eap_type != 0 && eap->packet[4] == TYPE)
            eap->packet[4] = job->policy->eap_type;
    }
}

static void supplicant(struct party_eap *eap, const struct ike_eap_job *job,
                       struct ike_result *result)
{
    ASSERT(job->packet.len >= 4); /* the core has checked the framing */
    eap->identifier = job->packet.ptr[1];
    if (job->packet.ptr[0] == EAP_SUCCESS || eap->seen == eap->succeed_at)
        succeed(eap, result);
    else if (eap->wants != 0 && job->packet.ptr[4] != TYPE_IDENTITY &&
             job->packet.ptr[4] != eap->wants)
        result->eap_packet = nak_of(eap);
    else
        result->eap_packet = job->packet.ptr[4] == TYPE_IDENTITY ? identity_of(eap, EAP_RESPONSE)
                                                                 : packet_of(eap, EAP_RESPONSE);
}

void party_eap(struct party_eap *eap, const struct ike_event *event, struct ike_result *ret_result)
{
    const struct ike_eap_job *job = &event->eap;
    *ret_result = (struct ike_result){0};
    if (job->again) {
        ASSERT(job->authenticator && job->packet.len == 0 &&
               job->conversation == eap->conversation);
        judged(eap, job, ret_result);
        return;
    }
    if (job->conversation != eap->conversation) {
        eap->conversation = job->conversation;
        eap->conversations++;
        eap->seen = 0;
        eap->identifier =
            job->packet.len > 1 ? job->packet.ptr[1] : (uint8_t)(40 + eap->conversations);
    }
    eap->seen++; /* the authenticator's first packet is empty */
    if (eap->seen == eap->fail_at) {
        ret_result->eap_state = IKE_EAP_FAILURE;
        ret_result->reason = "the script says so";
        if (job->authenticator)
            ret_result->eap_packet = packet_of(eap, EAP_FAILURE);
        return;
    }
    if (job->authenticator)
        authenticator(eap, job, ret_result);
    else
        supplicant(eap, job, ret_result);
    if (eap->seen == eap->garbage_at)
        ret_result->eap_packet = span_of(eap->packet, 3);
}
