/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_CONN_KEYS_H
#define DAEMON_CONN_KEYS_H

/* Tables of keys: how a value of the configuration becomes a field. Used by conn_build.c. */

#include "daemon/config/conn_build.h"

enum key_kind {
    KEY_BOOL,        /* bool; uint8_t where other processes read it: 1 or 0 */
    KEY_TIME,        /* nanos */
    KEY_U16,         /* uint16_t */
    KEY_U32,         /* uint32_t */
    KEY_U64,         /* uint64_t */
    KEY_BYTES,       /* uint64_t */
    KEY_WORD,        /* enum (int), index of the word in `words` */
    KEY_FUNCTION,    /* function(node, target, error) */
    KEY_IGNORED,     /* accepted without effect: for IKEv1, certificates or scripts */
    KEY_ONLY,        /* known to swanctl; refused with `why` except for the values in `words` */
    KEY_UNSUPPORTED, /* known to swanctl, refused with `why` */
};

struct key {
    const char *name;
    enum key_kind kind;
    size_t offset;
    const char *const *words; /* KEY_WORD, KEY_ONLY: NULL at the end */
    int (*function)(const struct tree *node, void *target, struct build_error *error);
    const char *why;
};

/* keys_apply - applies all children of `section` that are no sections to `target`. Sections go to
 * `subsection`, which returns ERR_NOT_FOUND for an unknown name. */
struct key_table {
    const struct key *keys;
    size_t n;
    int (*subsection)(const struct tree *section, void *target, struct build_error *error);
    const char *sections; /* the names that `subsection` knows, for error texts; NULL: none */
};
int keys_apply(const struct key_table *table, const struct tree *section, void *target,
               struct build_error *error) MUST_USE;

/* key_node - the node of a key, without regard to case as in keys_apply(); without the key, the
 * section itself. For errors about an applied value. */
const struct tree *key_node(const struct tree *section, const char *name);

/* key_name_copy - the section's name, 1 to LIMIT_NAME - 1 characters. */
int key_name_copy(const struct tree *node, char out[LIMIT_NAME],
                  struct build_error *error) MUST_USE;

/* key_for_items - calls `function` for each item of a list or a comma separated value. */
int key_for_items(const struct tree *node, void *target, struct build_error *error,
                  int (*function)(const struct tree *node, const char *text, void *target,
                                  struct build_error *error)) MUST_USE;

/* key_add_proposal - an item of a list of proposals; `target` is a struct key_proposals. */
struct key_proposals {
    uint8_t protocol;
    struct ike_proposal_list *list;
};
int key_add_proposal(const struct tree *node, const char *text, void *target,
                     struct build_error *error) MUST_USE;

/* child_build - reads a section of `children` and appends it to the connection (child_build.c). */
int child_build(const struct tree *section, struct ike_conn *conn,
                struct build_error *error) MUST_USE;

/* child_shunts_last - call it after all children: moves those with mode = pass or drop behind the
 * others, in their order, and counts them separately. */
void child_shunts_last(struct ike_conn *conn);

/* classes_build - reads the section `classes`: classes of traffic (class_build.c). classes_check -
 * checks them; call it after all keys of the connection. */
int classes_build(const struct tree *section, struct ike_conn *conn,
                  struct build_error *error) MUST_USE;
int classes_check(const struct tree *section, const struct ike_conn *conn,
                  struct build_error *error) MUST_USE;

#define KEY_HOUR_NS     (3600 * NANOS_PER_SEC)
#define KEY_UNSET       (-1) /* a time that was not given */
#define KEY_KERNEL_ONLY "the userspace data plane has no use for it"

#endif
