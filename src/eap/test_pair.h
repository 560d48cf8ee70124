/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EAP_TEST_PAIR_H
#define EAP_TEST_PAIR_H

/* A peer and an authenticator in one process, for unit tests and fuzzers. The randomness comes from
 * a seed. The users are "anna" and "bert", with any realm. */

#include "eap/name_book.h"

struct test_side {
    struct eap_secret secret;
    uint64_t sqn; /* the highest that the USIM took, or the authenticator used */
    /* the names of the peer, and the book of the authenticator (names.h) */
    struct eap_names names;
    struct name_book *book; /* owned */
    uint32_t hour;
    struct eap_named put; /* the last one that the authenticator has stored */
};

struct test_pair {
    uint64_t seed;
    struct random random;
    struct eap_crypto *crypto;
    struct eap_secrets secrets[2]; /* of the peer, of the authenticator */
    struct eap_name_store stores[2];
    struct test_side sides[2];
    struct eap_config config[2];
    struct eap_peer *peer;
    struct eap_authenticator *authenticator;
    struct eap_result peer_result, result; /* the last ones */
    unsigned packets;
};

/* test_pair_begin - fills in the configuration of both; the test may change it before
 * test_pair_make. The pair owns `crypto`; NULL: it makes one. */
void test_pair_begin(struct test_pair *p, uint64_t seed, struct eap_crypto *crypto);
void test_pair_method(struct test_pair *p, enum eap_type type); /* the only one of both */
void test_pair_password(struct test_pair *p, int side, const char *password);
void test_pair_names(struct test_pair *p); /* both have a store of names */
void test_pair_make(struct test_pair *p);
/* test_pair_again - a new conversation; secrets and names stay. */
void test_pair_again(struct test_pair *p);
void test_pair_end(struct test_pair *p);

/* test_pair_to_peer, test_pair_to_authenticator - deliver the last packet of the other side. */
void test_pair_to_peer(struct test_pair *p);
void test_pair_to_authenticator(struct test_pair *p);

/* test_pair_notified - the authenticator tells a failure by a Notification of SIM or AKA, and the
 * response to that gets EAP-Failure. */
bool test_pair_notified(struct test_pair *p);

/* test_pair_run - runs from the authenticator's first packet until both sides have ended. */
void test_pair_run(struct test_pair *p);

#endif
