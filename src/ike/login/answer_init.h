/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_ANSWER_INIT_H
#define IKE_ANSWER_INIT_H

/* The checks that IKE_SA_INIT and IKE_SESSION_RESUME have in common. Anybody can send these
 * requests; answer_init.c lists the checks in their order. */

#include "ike/login/login.h"

struct init_request {
    const struct ike_path *path;
    const struct wire_message *message;
    struct span ni;
    struct wire_sa sa;
    struct wire_ke ke;
    uint64_t key; /* hash of the octets and their source */
    bool proven;  /* the source returned a cookie of ours */
    nanos now;
};

uint64_t init_request_key(const struct ike *ike, const struct init_request *request);

/* init_repeated - true: the request has an IKE SA already, and its response was sent again (section
 * 2.1). */
bool init_repeated(struct ike *ike, const struct init_request *request);

/* init_admitted - checks the half-open IKE SAs and the failures of the source. false: the request
 * was refused or got a cookie. */
bool init_admitted(struct ike *ike, struct init_request *request);

/* init_affordable - the budget has `cost` left. Otherwise the source gets a cookie, which gives it
 * priority. */
bool init_affordable(struct ike *ike, const struct init_request *request, nanos cost);

/* init_evict - makes room in the full table by ending one login. false: all of them are busy. */
bool init_evict(struct ike *ike, const struct init_request *request);

/* init_half_open_begin - creates the half-open IKE SA with its login, in all tables. NULL: no
 * memory. */
struct sa *init_half_open_begin(struct ike *ike, const struct init_request *request,
                                struct ike_conn *conn);

/* init_refuse_limited - answers with one notify that is never larger than the request, within the
 * rate of the source. */
void init_refuse_limited(struct ike *ike, const struct init_request *request, uint16_t type,
                         struct span data);

/* resume_answer - answer_resume.c: answers an IKE_SESSION_RESUME request with a sound nonce. */
void resume_answer(struct ike *ike, struct init_request *request);

#endif
