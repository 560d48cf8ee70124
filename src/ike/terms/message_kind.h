/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_MESSAGE_KIND_H
#define IKE_MESSAGE_KIND_H

/*
 * The kind of a message, and which payloads it must and may have (RFC 7296 sections 1.2 to 1.4).
 * Exchange type, R flag and payloads decide; the state of an IKE SA does not. Pure.
 */

#include "wire/message.h"

/*
 * The payload rules, one row for each kind of message:
 *
 *      1   required, once
 *      o   at most one
 *      s   one if there is an SA payload; otherwise as '.'
 *      .   ignored; at most one
 *      x   forbidden
 *
 * Notify, Delete, Vendor ID, CERT and CERTREQ may repeat in each message, up to the LIMIT_* of
 * their type. The parser skips payloads of unknown types, or refuses critical ones (RFC 7296
 * section 2.5).
 */
/* clang-format off */
#define MESSAGE_KINDS(X) \
    /* kind                   SA  KE  No IDi IDr AUTH EAP CP TSi TSr SK */ \
    X(INIT,                  "1   1   1   .   .   .   .   .   .   .   x") \
    X(INIT_ANSWER,           "1   1   1   .   .   .   .   .   .   .   .") \
    X(INIT_REFUSAL,          ".   .   .   .   .   .   .   .   .   .   .") /* COOKIE, or an error */ \
    X(RESUME,                ".   .   1   .   .   .   .   .   .   .   x") /* by a session ticket */ \
    X(RESUME_ANSWER,         ".   .   1   .   .   .   .   .   .   .   .") \
    X(RESUME_REFUSAL,        ".   .   .   .   .   .   .   .   .   .   .") \
    X(AUTH_ROUND,            "o   .   .   1   o   1   .   o   s   s   x") /* AUTH proves the round */ \
    X(AUTH_ROUND_BY_EAP,     "o   .   .   1   o   .   .   o   s   s   x") /* EAP will prove it */ \
    X(AUTH_EAP,              "o   .   .   .   .   .   1   .   s   s   x") \
    X(AUTH_CONFIRM,          "o   .   .   .   .   1   .   .   s   s   x") /* AUTH by the key of EAP */ \
    X(AUTH_NEXT,             "o   .   .   .   .   .   .   .   s   s   x") /* rounds of the Gateway */ \
    X(AUTH_ANSWER,           "o   .   .   .   o   o   o   o   o   o   x") \
    X(AUTH_REFUSAL,          ".   .   .   .   .   .   .   .   .   .   x") \
    X(CREATE_CHILD,          "1   o   1   .   .   .   .   o   1   1   x") \
    X(REKEY_CHILD,           "1   o   1   .   .   .   .   .   1   1   x") \
    X(REKEY_IKE,             "1   1   1   .   .   .   .   .   .   .   x") /* or a clone */ \
    X(CHILD_ANSWER,          "1   o   1   .   .   .   .   o   1   1   x") \
    X(IKE_ANSWER,            "1   1   1   .   .   .   .   .   .   .   x") \
    X(CREATE_REFUSAL,        ".   .   .   .   .   .   .   .   .   .   x") \
    X(INFORMATIONAL,         ".   .   .   .   .   .   .   .   .   .   x") \
    X(DELETE_CHILDREN,       ".   .   .   .   .   .   .   .   .   .   x") \
    X(INFORMATIONAL_ANSWER,  ".   .   .   .   .   .   .   .   .   .   x")
/* clang-format on */

enum message_kind {
    MESSAGE_NONE, /* no kind: another exchange type, or payloads that do not go together */
#define X(name, rules) MESSAGE_##name,
    MESSAGE_KINDS(X)
#undef X
        MESSAGE_KIND_COUNT
};

/*
 * message_kind - total: every message has a kind, or MESSAGE_NONE. Only these facts decide:
 *
 *      IKE_SESSION_RESUME        Nonce
 *      IKE_AUTH request          IDi, AUTH, EAP
 *      CREATE_CHILD_SA request   protocol of the first proposal; TSi or TSr; N(REKEY_SA)
 *      INFORMATIONAL request     protocol of the first Delete
 *      responses                 SA; an error notify; in IKE_AUTH also AUTH and EAP
 *
 * A CREATE_CHILD_SA request concerns an IKE SA rekey if its proposals are for IKE, and
 * nothing in it concerns a Child SA. An error notify of any type means that a CREATE_CHILD_SA
 * request failed entirely (RFC 7296 section 3.10.1). In IKE_AUTH it refuses the login, except for
 * notifies that refuse only the Child SA (section 1.2).
 */
enum message_kind message_kind(const struct wire_message *message);

/* message_rules_fit - `message` has the payloads that a message of this kind must and may have. false for
 * MESSAGE_NONE. */
bool message_rules_fit(enum message_kind kind, const struct wire_message *message);

/*
 * message_split - separates the payloads of a login from the group that N(KEEP_OLD_IKE_SA) opens (docs/protocol.md
 * section 6). Both results are views into `message`. Without a group ret_group->n is 0; otherwise the group has SA
 * (of IKE), Nonce and KE behind its notify. `number`: our notify; 0: the peer did not announce the extension. false:
 * INVALID_SYNTAX (D-06).
 */
bool message_split(const struct wire_message *message, uint16_t number,
                   struct wire_message *ret_login, struct wire_message *ret_group);

#endif
