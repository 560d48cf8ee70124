/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that reads payloads to find the kind of a message. */
#include "ike/terms/message_kind.h"

#include "base/assert.h"
#include "wire/payloads.h"

/* --- the facts in the payloads --- */

enum spoken_of { OF_NOTHING, OF_IKE, OF_CHILD, SPOKEN_OF };

static bool has(const struct wire_message *message, uint8_t type)
{
    return wire_find(message, type, NULL) != NULL;
}

/* proposal_of - the protocol of the first proposal (RFC 7296 section 3.3.1): its second octet behind the header. The
 * handlers check the others. */
static enum spoken_of proposal_of(const struct wire_payload *sa)
{
    if (sa == NULL)
        return OF_NOTHING;
    return sa->body.len > 5 && sa->body.ptr[5] == WIRE_PROTO_IKE ? OF_IKE : OF_CHILD;
}

static enum spoken_of delete_of(const struct wire_payload *d)
{
    if (d == NULL || d->body.len == 0)
        return OF_NOTHING;
    return d->body.ptr[0] == WIRE_PROTO_ESP ? OF_CHILD : OF_IKE;
}

/* refuses_child_alone - RFC 7296 section 1.2: the notify refuses the Child SA, and the IKE SA is
 * established. */
static bool refuses_child_alone(uint16_t notify)
{
    return notify == N_NO_PROPOSAL_CHOSEN || notify == N_TS_UNACCEPTABLE ||
           notify == N_SINGLE_PAIR_REQUIRED || notify == N_INTERNAL_ADDRESS_FAILURE ||
           notify == N_FAILED_CP_REQUIRED || notify == N_NO_ADDITIONAL_SAS;
}

/* --- the kind --- */

static enum message_kind auth_request(const struct wire_message *message)
{
    static const enum message_kind kinds[2][2][2] = {
        /* [IDi][AUTH][EAP] */
        [0][0] = {MESSAGE_AUTH_NEXT, MESSAGE_AUTH_EAP},
        [0][1] = {MESSAGE_AUTH_CONFIRM, MESSAGE_NONE},
        [1][0] = {MESSAGE_AUTH_ROUND_BY_EAP, MESSAGE_NONE},
        [1][1] = {MESSAGE_AUTH_ROUND, MESSAGE_NONE},
    };
    return kinds[has(message, WIRE_PAYLOAD_IDi)][has(message, WIRE_PAYLOAD_AUTH)]
                [has(message, WIRE_PAYLOAD_EAP)];
}

static enum message_kind create_request(const struct wire_message *message)
{
    static const enum message_kind kinds[SPOKEN_OF][2][2] = {
        /* [first proposal][TSi or TSr][N(REKEY_SA)] */
        [OF_NOTHING] = {{MESSAGE_CREATE_CHILD, MESSAGE_REKEY_CHILD},
                        {MESSAGE_CREATE_CHILD, MESSAGE_REKEY_CHILD}},
        [OF_CHILD] = {{MESSAGE_CREATE_CHILD, MESSAGE_REKEY_CHILD},
                      {MESSAGE_CREATE_CHILD, MESSAGE_REKEY_CHILD}},
        [OF_IKE] = {{MESSAGE_REKEY_IKE, MESSAGE_REKEY_CHILD},
                    {MESSAGE_CREATE_CHILD, MESSAGE_REKEY_CHILD}},
    };
    bool ts = has(message, WIRE_PAYLOAD_TSi) || has(message, WIRE_PAYLOAD_TSr);
    return kinds[proposal_of(wire_find(message, WIRE_PAYLOAD_SA, NULL))][ts]
                [wire_notify_has(message, N_REKEY_SA)];
}

static enum message_kind informational_request(const struct wire_message *message)
{
    return delete_of(wire_find(message, WIRE_PAYLOAD_D, NULL)) == OF_CHILD ? MESSAGE_DELETE_CHILDREN
                                                                           : MESSAGE_INFORMATIONAL;
}

static enum message_kind auth_response(const struct wire_message *message)
{
    struct wire_notify notify;
    bool proves = has(message, WIRE_PAYLOAD_AUTH) || has(message, WIRE_PAYLOAD_EAP);
    bool refuses = wire_notify_error(message, &notify) && !refuses_child_alone(notify.type);
    return refuses && !proves ? MESSAGE_AUTH_REFUSAL : MESSAGE_AUTH_ANSWER;
}

static enum message_kind create_response(const struct wire_message *message)
{
    static const enum message_kind kinds[SPOKEN_OF][2] = {
        /* [first proposal][error notify] */
        [OF_NOTHING] = {MESSAGE_CREATE_REFUSAL, MESSAGE_CREATE_REFUSAL},
        [OF_CHILD] = {MESSAGE_CHILD_ANSWER, MESSAGE_CREATE_REFUSAL},
        [OF_IKE] = {MESSAGE_IKE_ANSWER, MESSAGE_CREATE_REFUSAL},
    };
    struct wire_notify notify;
    return kinds[proposal_of(wire_find(message, WIRE_PAYLOAD_SA, NULL))]
                [wire_notify_error(message, &notify)];
}

enum message_kind message_kind(const struct wire_message *message)
{
    bool response = ike_header_response(&message->header);
    switch (message->header.exchange) {
    case WIRE_IKE_SA_INIT:
        if (!response)
            return MESSAGE_INIT;
        return has(message, WIRE_PAYLOAD_SA) ? MESSAGE_INIT_ANSWER : MESSAGE_INIT_REFUSAL;
    case WIRE_IKE_SESSION_RESUME:
        if (!response)
            return MESSAGE_RESUME;
        return has(message, WIRE_PAYLOAD_NONCE) ? MESSAGE_RESUME_ANSWER : MESSAGE_RESUME_REFUSAL;
    case WIRE_IKE_AUTH: return response ? auth_response(message) : auth_request(message);
    case WIRE_CREATE_CHILD_SA: return response ? create_response(message) : create_request(message);
    case WIRE_INFORMATIONAL:
        return response ? MESSAGE_INFORMATIONAL_ANSWER : informational_request(message);
    default: return MESSAGE_NONE;
    }
}

/* --- the payload rules --- */

static const uint8_t columns[] = {
    WIRE_PAYLOAD_SA,  WIRE_PAYLOAD_KE,   WIRE_PAYLOAD_NONCE, WIRE_PAYLOAD_IDi,
    WIRE_PAYLOAD_IDr, WIRE_PAYLOAD_AUTH, WIRE_PAYLOAD_EAP,   WIRE_PAYLOAD_CP,
    WIRE_PAYLOAD_TSi, WIRE_PAYLOAD_TSr,  WIRE_PAYLOAD_SK,
};
#define COLUMNS      (sizeof(columns) / sizeof(columns[0]))
#define COLUMN_WIDTH 4

/* rows - a cell is one character, COLUMN_WIDTH apart. */
static const char rows[MESSAGE_KIND_COUNT][(COLUMNS - 1) * COLUMN_WIDTH + 2] = {
#define X(name, rules) [MESSAGE_##name] = rules,
    MESSAGE_KINDS(X)
#undef X
};

static bool repeated_fit(const struct wire_message *message)
{
    return wire_count(message, WIRE_PAYLOAD_N) <= LIMIT_NOTIFIES &&
           wire_count(message, WIRE_PAYLOAD_D) <= LIMIT_DELETES &&
           wire_count(message, WIRE_PAYLOAD_V) <= LIMIT_VENDOR_IDS &&
           wire_count(message, WIRE_PAYLOAD_CERT) <= LIMIT_CERTS &&
           wire_count(message, WIRE_PAYLOAD_CERTREQ) <= LIMIT_CERTREQS;
}

bool message_rules_fit(enum message_kind kind, const struct wire_message *message)
{
    ASSERT(kind < MESSAGE_KIND_COUNT);
    if (kind == MESSAGE_NONE || !repeated_fit(message))
        return false;
    bool with_sa = has(message, WIRE_PAYLOAD_SA);
    for (size_t i = 0; i < COLUMNS; i++) {
        size_t n = wire_count(message, columns[i]);
        char rule = rows[kind][i * COLUMN_WIDTH];
        bool must = rule == '1' || (rule == 's' && with_sa);
        if (n > 1 || (must && n == 0) || (rule == 'x' && n > 0))
            return false;
    }
    return true;
}

/* --- a login with a group --- */

/* opens_group - a valid N(KEEP_OLD_IKE_SA) for this place. Any other form counts as absent. */
static bool opens_group(const struct wire_message *message, const struct wire_payload *payload,
                        uint16_t number)
{
    struct wire_notify notify;
    struct keep_old value;
    return number != 0 && payload->type == WIRE_PAYLOAD_N &&
           wire_notify_read(payload->body, &notify) && notify.type == number &&
           keep_old_read(notify.data, &value) && value.code == KEEP_OLD_KEEP &&
           value.question == !ike_header_response(&message->header);
}

static bool is_ike_sa(const struct wire_payload *payload)
{
    return payload->type == WIRE_PAYLOAD_SA && proposal_of(payload) == OF_IKE;
}

static bool is_key_exchange(const struct wire_payload *payload)
{
    return payload->type == WIRE_PAYLOAD_NONCE || payload->type == WIRE_PAYLOAD_KE;
}

bool message_split(const struct wire_message *message, uint16_t number,
                   struct wire_message *ret_login, struct wire_message *ret_group)
{
    /* D-06: the payloads of the group, in this order. */
    static const uint8_t order[] = {WIRE_PAYLOAD_N, WIRE_PAYLOAD_SA, WIRE_PAYLOAD_NONCE,
                                    WIRE_PAYLOAD_KE};
    *ret_login = *message;
    *ret_group = *message;
    ret_login->n = ret_group->n = 0;
    for (size_t i = 0; i < message->n; i++) {
        const struct wire_payload *payload = &message->payloads[i];
        bool opening = opens_group(message, payload, number);
        size_t n = ret_group->n;
        if (opening && n > 0)
            return false; /* a second one */
        bool between = payload->type == WIRE_PAYLOAD_N || payload->type == WIRE_PAYLOAD_V;
        if (!opening && (n == 0 || n == sizeof(order) || between)) {
            if (number == 0 && is_key_exchange(payload))
                continue; /* without the extension it has no meaning */
            if (is_key_exchange(payload) || is_ike_sa(payload))
                return false;
            ret_login->payloads[ret_login->n++] = *payload;
            continue;
        }
        if (payload->type != order[n] || (n == 1 && !is_ike_sa(payload)))
            return false;
        ret_group->payloads[ret_group->n++] = *payload;
    }
    return ret_group->n == 0 || ret_group->n == sizeof(order);
}
