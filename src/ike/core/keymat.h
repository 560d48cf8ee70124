/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_KEYMAT_H
#define IKE_KEYMAT_H

/* The key hierarchy: SKEYSEED and the seven SK_* (RFC 7296 section 2.14), their successors in a
 * rekey or clone (section 2.18), KEYMAT of Child SAs (section 2.17). */

#include "base/error.h"
#include "base/secret.h"
#include "crypto/provider.h"
#include "crypto/sk.h"

struct sa;
struct ike_keylog;
struct ike_child_keys;

#define SK_ENCR_MAX 36
#define SK_HASH_MAX 64

/* struct ike_sa_keys - compact, since memory per IKE SA counts; lengths follow from the algorithms.
 */
struct ike_sa_keys {
    uint8_t sk_d[SK_HASH_MAX], sk_ai[SK_HASH_MAX], sk_ar[SK_HASH_MAX];
    uint8_t sk_ei[SK_ENCR_MAX], sk_er[SK_ENCR_MAX];
    uint8_t sk_pi[SK_HASH_MAX], sk_pr[SK_HASH_MAX];
};

/* keymat_initial - sa->keys from IKE_SA_INIT: algorithms and SPIs of `sa` are set. */
int keymat_initial(struct sa *sa, struct span ni, struct span nr,
                   const struct secret *shared) MUST_USE;

/* keymat_resumed - sa->keys of an IKE SA that resumes (RFC 5723 section 5.1), from SK_d of the old
 * one: SKEYSEED = prf(SK_d_old, "Resumption" | Ni | Nr). keymat_from_seed - from SKEYSEED itself. */
int keymat_resumed(struct sa *sa, struct span sk_d, struct span ni, struct span nr) MUST_USE;
int keymat_from_seed(struct sa *sa, struct span skeyseed, struct span ni, struct span nr) MUST_USE;

/* keymat_derived - sa->keys of an IKE SA that was rekeyed or cloned from `old` (section 2.18):
 * SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) with the PRF of the old SA. */
int keymat_derived(struct sa *sa, const struct sa *old, struct span ni, struct span nr,
                   const struct secret *shared) MUST_USE;

/* keymat_child - keys of a Child SA with `encr`... ; `shared`: with PFS, else NULL.
 * `exchange_initiator`: we sent the request: KEYMAT's first half is for packets of its sender. */
struct keymat_child {
    uint16_t encr, encr_key_bits, integ;
    struct span ni, nr;
    const struct secret *shared;
    bool exchange_initiator;
};
int keymat_child(const struct sa *sa, const struct keymat_child *input,
                 struct ike_child_keys *ret_keys) MUST_USE;

/* sk_keys_of - the keys that seal messages of the original initiator (`initiator`) or responder. */
struct sk_keys sk_keys_of(const struct sa *sa, bool initiator);

/* sa_sk_p - SK_pi or SK_pr, for AUTH (section 2.15). */
struct span sa_sk_p(const struct sa *sa, bool initiator);

void sa_keys_export(const struct sa *sa, struct ike_keylog *ret_keys);

#endif
