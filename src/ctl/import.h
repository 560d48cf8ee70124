/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H

/* From the configuration of strongSwan or libreswan to one of ikat. */

#include "ctl/findings.h"
#include "ctl/ipsec_conf.h"

/* Kinds of remarks: `refused`: a connection, child or secret is left out; `left-out`: a key is;
 * `differs`: a key does something else; `to-do`: a person has to act. */
struct import {
    struct tree *root; /* owned: the configuration that is made */
    struct findings remarks;
};

/* import_ipsec - all of ipsec.conf and ipsec.secrets. */
void import_ipsec(const struct ipsec_conf *conf, struct import *import);
/* import_ipsec_secrets - the secrets alone. */
void import_ipsec_secrets(const struct ipsec_conf *conf, struct import *import);

/* import_swanctl - takes IKEv1 out of a swanctl.conf, and says what differs. */
void import_swanctl(struct import *import);

/* import_settle - asks ikatd --check, and leaves out what it refuses, until it refuses nothing.
 * `credentials`: a folder with x509, private and the like; NULL: none. false: ikatd is not there,
 * or refuses for ever. */
bool import_settle(struct import *import, const char *credentials);

#endif
