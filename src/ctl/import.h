/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_IMPORT_H
#define CTL_IMPORT_H

/* Converts a configuration of strongSwan or libreswan to one of ikat. */

#include "ctl/findings.h"
#include "ctl/ipsec_conf.h"

/*
 * struct import - the new configuration, and remarks about the conversion. The kinds of remarks:
 * refused: a connection, child or secret is left out;
 * left-out: a key is left out;
 * differs: a key has another meaning in ikat;
 * to-do: a person has to act.
 */
struct import {
    struct tree *root; /* owned: the configuration that is made */
    struct findings remarks;
};

/* import_ipsec - converts all of ipsec.conf and ipsec.secrets. */
void import_ipsec(const struct ipsec_conf *conf, struct import *import);
/* import_ipsec_secrets - converts the secrets alone. */
void import_ipsec_secrets(const struct ipsec_conf *conf, struct import *import);

/* import_swanctl - removes IKEv1 from a swanctl.conf, and remarks on keys with another meaning. */
void import_swanctl(struct import *import);

/* import_triplets - the file of triplets for EAP-SIM becomes secrets, if it is there. */
void import_triplets(struct import *import, const char *path);

/* import_settle - runs ikatd --check, and leaves out the parts that ikatd refuses, until it accepts
 * the rest. `credentials`: a folder with x509, private and so on; NULL: none. false: ikatd is
 * missing, or still refuses after many rounds. */
bool import_settle(struct import *import, const char *credentials);

#endif
