/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CTL_FINDINGS_H
#define CTL_FINDINGS_H

/* Findings: parts of a valid configuration that are probably mistakes, or do not fit this host. */

#include "control/tree.h"
#include "ctl/host_view.h"

#define FINDING_WHERE 256

struct finding {
    char kind[24];             /* a word for programs, such as "pool-in-network" */
    char where[FINDING_WHERE]; /* "file:line: name" */
    char text[384];
};

struct findings {
    struct finding *items; /* owned */
    size_t n;
};

/* findings_add - adds a finding; `where` is "file:line: name". Without memory it adds none. */
void findings_add(struct findings *findings, const char *kind, const char *where,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* findings_where - writes "file:line: name" of a node; returns `text`. */
const char *findings_where(const struct tree *node, char text[FINDING_WHERE]);
void findings_done(struct findings *findings);

/* findings_config - adds all findings of a valid configuration on this host. */
void findings_config(struct findings *findings, const struct tree *root,
                     const struct host_view *host);

/* findings_host - adds the findings of a connection that depend on the networks, routes and
 * firewall of the host. */
void findings_host(struct findings *findings, const struct tree *conn,
                   const struct host_view *host);
/* findings_keys - adds keys of the connection without effect, and limits that contradict each
 * other. */
void findings_keys(struct findings *findings, const struct tree *conn);
/* findings_pools - adds the pools that lie in a network of the host. */
void findings_pools(struct findings *findings, const struct tree *pools,
                    const struct host_view *host);

#endif
