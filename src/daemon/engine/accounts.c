/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/accounts.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

/* The number of paths of one session with their own counters. The traffic of further paths is
 * charged to the last one. */
#define PATHS_MAX 64

struct session_account {
    ike_session_id id;
    UT_hash_handle hh;
    char *names; /* owned: the texts of `who`, one after another; NULL: not up */
    struct account_who who;
    nanos began_ns;
    size_t n;
    struct account *paths; /* owned */
    struct child_account *children;
};

struct child_account {
    ike_child_id id;
    UT_hash_handle hh;
    struct session_account *session;
    struct child_account *next, **link; /* of the session */
    size_t path;                        /* index */
    struct engine_child_traffic seen;
};

struct accounts {
    accounts_read read;
    void *context;
    struct session_account *sessions;
    struct child_account *children;
};

struct accounts *accounts_new(accounts_read read, void *context)
{
    struct accounts *accounts = calloc(1, sizeof(*accounts));
    if (accounts != NULL)
        *accounts = (struct accounts){.read = read, .context = context};
    return accounts;
}

static struct session_account *session_find(const struct accounts *accounts, ike_session_id id)
{
    struct session_account *session;
    HASH_FIND(hh, accounts->sessions, &id, sizeof(id), session);
    return session;
}

static struct child_account *child_find(const struct accounts *accounts, ike_child_id id)
{
    struct child_account *child;
    HASH_FIND(hh, accounts->children, &id, sizeof(id), child);
    return child;
}

static void child_free(struct accounts *accounts, struct child_account *child)
{
    *child->link = child->next;
    if (child->next != NULL)
        child->next->link = child->link;
    HASH_DELETE(hh, accounts->children, child);
    free(child);
}

struct accounts *accounts_free(struct accounts *accounts)
{
    while (accounts != NULL && accounts->sessions != NULL)
        accounts_end(accounts, accounts->sessions->id);
    free(accounts);
    return NULL;
}

static struct session_account *session_of(struct accounts *accounts, ike_session_id id)
{
    struct session_account *session = session_find(accounts, id);
    if (session != NULL || (session = calloc(1, sizeof(*session))) == NULL)
        return session;
    session->id = id;
    HASH_ADD(hh, accounts->sessions, id, sizeof(session->id), session);
    if (TABLE_HAS(session))
        return session;
    free(session);
    return NULL;
}

/* who_keep - copies the texts into one piece of memory; without memory, the session counts as not
 * up. */
static void who_keep(struct session_account *session, const struct account_who *who)
{
    size_t conn = strlen(who->conn) + 1, local = strlen(who->local_id) + 1;
    size_t remote = strlen(who->remote_id) + 1;
    session->names = malloc(conn + local + remote);
    if (session->names == NULL)
        return;
    session->who = (struct account_who){
        .role = who->role,
        .resumed = who->resumed,
        .conn = memcpy(session->names, who->conn, conn),
        .local_id = memcpy(session->names + conn, who->local_id, local),
        .remote_id = memcpy(session->names + conn + local, who->remote_id, remote)};
}

void accounts_begin(struct accounts *accounts, ike_session_id id, const struct account_who *who,
                    nanos now)
{
    struct session_account *session = session_of(accounts, id);
    if (session == NULL || session->names != NULL)
        return;
    who_keep(session, who);
    session->began_ns = now;
}

bool accounts_who(const struct accounts *accounts, ike_session_id id, struct account_who *ret_who,
                  nanos *ret_began_ns)
{
    const struct session_account *session = session_find(accounts, id);
    *ret_began_ns = session == NULL ? 0 : session->began_ns;
    if (session == NULL || session->names == NULL)
        return false;
    *ret_who = session->who;
    return true;
}

static bool same_path(const struct ike_path *a, const struct ike_path *b)
{
    return a->interface == b->interface && address_equal(&a->local.address, &b->local.address) &&
           address_equal(&a->remote.address, &b->remote.address);
}

/* path_index - the account to charge; SIZE_MAX: no memory for one. */
static size_t path_index(struct session_account *session, const struct ike_path *path)
{
    for (size_t i = 0; i < session->n; i++)
        if (same_path(&session->paths[i].path, path))
            return i;
    if (session->n == PATHS_MAX)
        return PATHS_MAX - 1;
    struct account *paths = reallocarray(session->paths, session->n + 1, sizeof(*paths));
    if (paths == NULL)
        return session->n > 0 ? session->n - 1 : SIZE_MAX;
    session->paths = paths;
    paths[session->n] = (struct account){.path = *path};
    paths[session->n].path.local.port = paths[session->n].path.remote.port = 0;
    return session->n++;
}

/* charge - charges the traffic since the last call to the path of the Child SA. */
static void charge(struct accounts *accounts, struct child_account *child)
{
    struct engine_child_traffic now;
    struct engine_child_traffic *to = &child->session->paths[child->path].traffic;
    if (!accounts->read(accounts->context, child->id, &now))
        return;
    to->packets_in += now.packets_in - child->seen.packets_in;
    to->octets_in += now.octets_in - child->seen.octets_in;
    to->packets_out += now.packets_out - child->seen.packets_out;
    to->octets_out += now.octets_out - child->seen.octets_out;
    if (now.last_in_ns > to->last_in_ns)
        to->last_in_ns = now.last_in_ns;
    if (now.last_out_ns > to->last_out_ns)
        to->last_out_ns = now.last_out_ns;
    child->seen = now;
}

void accounts_child(struct accounts *accounts, ike_session_id session_id, ike_child_id id,
                    const struct ike_path *path)
{
    struct session_account *session = session_of(accounts, session_id);
    struct child_account *child = session == NULL ? NULL : calloc(1, sizeof(*child));
    size_t index = child == NULL ? SIZE_MAX : path_index(session, path);
    if (index == SIZE_MAX || child_find(accounts, id) != NULL) {
        free(child);
        return;
    }
    *child = (struct child_account){.id = id,
                                    .session = session,
                                    .next = session->children,
                                    .link = &session->children,
                                    .path = index};
    HASH_ADD(hh, accounts->children, id, sizeof(child->id), child);
    if (!TABLE_HAS(child)) {
        free(child);
        return;
    }
    if (child->next != NULL)
        child->next->link = &child->next;
    session->children = child;
}

void accounts_moved(struct accounts *accounts, ike_child_id id, const struct ike_path *path)
{
    struct child_account *child = child_find(accounts, id);
    if (child == NULL)
        return;
    charge(accounts, child);
    child->path = path_index(child->session, path);
}

void accounts_child_gone(struct accounts *accounts, ike_child_id id)
{
    struct child_account *child = child_find(accounts, id);
    if (child == NULL)
        return;
    charge(accounts, child);
    child_free(accounts, child);
}

void accounts_end(struct accounts *accounts, ike_session_id id)
{
    struct session_account *session = session_find(accounts, id);
    if (session == NULL)
        return;
    while (session->children != NULL)
        child_free(accounts, session->children);
    HASH_DELETE(hh, accounts->sessions, session);
    free(session->paths);
    free(session->names);
    free(session);
}

static void charge_all(struct accounts *accounts, const struct session_account *session)
{
    for (struct child_account *child = session->children; child != NULL; child = child->next)
        charge(accounts, child);
}

bool accounts_at(struct accounts *accounts, ike_session_id id, size_t index,
                 struct account *ret_account)
{
    const struct session_account *session = session_find(accounts, id);
    if (session == NULL || index >= session->n)
        return false;
    if (index == 0)
        charge_all(accounts, session);
    *ret_account = session->paths[index];
    return true;
}

struct engine_child_traffic accounts_path(struct accounts *accounts, ike_session_id id,
                                          const struct ike_path *path)
{
    struct account account;
    for (size_t i = 0; accounts_at(accounts, id, i, &account); i++)
        if (same_path(&account.path, path))
            return account.traffic;
    return (struct engine_child_traffic){0};
}

/* --- to another engine --- */

static void carry_account(struct carrier *c, struct account *account)
{
    struct engine_child_traffic *t = &account->traffic;
    account->path.interface = carry_u32(c, account->path.interface);
    carry_address(c, &account->path.local.address);
    carry_address(c, &account->path.remote.address);
    t->packets_in = carry_u64(c, t->packets_in);
    t->octets_in = carry_u64(c, t->octets_in);
    t->packets_out = carry_u64(c, t->packets_out);
    t->octets_out = carry_u64(c, t->octets_out);
    t->last_in_ns = carry_stamp(c, t->last_in_ns);
    t->last_out_ns = carry_stamp(c, t->last_out_ns);
}

/* account_enter - adds the account of a session that has just arrived. */
static void account_enter(struct accounts *accounts, ike_session_id id,
                          const struct account *account)
{
    struct session_account *session = session_of(accounts, id);
    size_t index = session == NULL ? SIZE_MAX : path_index(session, &account->path);
    if (index != SIZE_MAX)
        session->paths[index].traffic = account->traffic;
}

void accounts_carry(struct accounts *accounts, ike_session_id id, struct carrier *c)
{
    struct account account = {0};
    uint32_t n = 0;
    while (!carrier_is_reader(c) && accounts_at(accounts, id, n, &account))
        n++;
    n = carry_within(c, n, 0, PATHS_MAX);
    for (uint32_t i = 0; c->error == 0 && i < n; i++) {
        account = (struct account){0};
        if (!carrier_is_reader(c))
            (void)accounts_at(accounts, id, i, &account);
        carry_account(c, &account);
        if (carrier_is_reader(c) && c->error == 0)
            account_enter(accounts, id, &account);
    }
}

void accounts_child_counted(struct accounts *accounts, ike_child_id id)
{
    struct child_account *child = child_find(accounts, id);
    if (child != NULL)
        (void)accounts->read(accounts->context, id, &child->seen);
}
