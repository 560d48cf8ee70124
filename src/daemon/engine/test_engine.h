/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_TEST_ENGINE_H
#define DAEMON_TEST_ENGINE_H

/*
 * An engine for tests of the VICI server. Its operations record their arguments; its IKE core has
 * connections and no SA. A running initiate or terminate ends when the test ends it.
 */

#include "daemon/vici/engine_ops.h"

struct test_engine {
    struct engine_ops ops; /* ops.engine is this */
    struct ike *ike;       /* owned, as the next two */
    struct crypto_provider *crypto;
    struct pools *pools;
    struct random random;
    nanos now;
    struct credentials *credentials;
    struct engine_authority authority; /* of the last load; its name is empty: none */

    unsigned n_loaded, n_unloaded, n_initiated, n_terminated, n_rekeyed, n_unwatched;
    char asked[32];                           /* the last change that a client asked for */
    char result[64];                          /* its result, as told for the audit file */
    struct engine_redirect redirect;          /* the last one; its names are gone */
    unsigned refused;                         /* what redirect answers */
    unsigned matches;                         /* the result of terminate and rekey */
    bool at_once;                             /* initiate: `done` is called before it returns */
    char conn[LIMIT_NAME], child[LIMIT_NAME]; /* of the last call; empty: it was NULL */
    nanos timeout;
    bool alone;
    bool force, reauth;
    struct engine_filter filter;   /* the numbers in it; the names are above */
    struct engine_watch watch;     /* done NULL: none */
    char radius[LIMIT_NAME];       /* the RADIUS server; empty: none */
    uint64_t load_dropped;         /* of the last loader that went */
    struct engine_reply committed; /* of the last load of a loader; done NULL: none */
    size_t n_secrets;
    struct {
        char id[LIMIT_NAME];
        size_t n_octets;
        uint8_t first, n_owners;
    } secrets[16];
};

/* test_engine_init - aborts without memory. The structure must not move afterwards. */
void test_engine_init(struct test_engine *t);
void test_engine_done(struct test_engine *t);
/* test_engine_end - the running command ends. */
void test_engine_end(struct test_engine *t, bool success, const char *error);

#endif
