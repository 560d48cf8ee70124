/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_EXCHANGE_PATH_TERMS_H
#define IKE_EXCHANGE_PATH_TERMS_H

#include "ike/core/exchange.h"

/* path_terms_take - a Gateway reads the terms of the path, and the classes of traffic beside them,
 * in an INFORMATIONAL request. A malformed notify changes nothing. */
void path_terms_take(struct sa *sa, const struct wire_message *request);

/* path_terms_moved - the End User moved the IKE SA: which classes of traffic may take the new path is said anew. */
void path_terms_moved(struct sa *sa);

#endif
