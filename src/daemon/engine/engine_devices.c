/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/engine/engine_devices.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/map.h"
#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

#define UNIQUE_TRIES 1024 /* more numbers than devices may have taken */

struct device {
    uint16_t number; /* 0: free */
    bool asked;      /* the supervisor was asked and has not answered */
    bool there;      /* the data plane has it */
    int error;       /* of the last attempt */
    uint32_t n_children;
    struct inner_device what;
};

/* struct child_device - of a Child SA. */
struct child_device {
    ike_child_id child;
    ike_session_id session;
    char name[LIMIT_NAME]; /* of its policy */
    uint16_t out, in;
    struct inner_unique unique;
    struct inner_marks marks;
    struct child_device *next; /* of the session */
};

struct engine_devices {
    struct device devices[LIMIT_DEVICES]; /* by number % LIMIT_DEVICES; the first stays free */
    uint16_t last_number;
    uint32_t last_mark, last_id; /* the last values that replaced %unique */
    struct map by_child, by_session;
};

struct engine_devices *engine_devices_new(void)
{
    return calloc(1, sizeof(struct engine_devices));
}

struct engine_devices *engine_devices_free(struct engine_devices *devices)
{
    if (devices == NULL)
        return NULL;
    for (size_t i = 0; i < devices->by_child.cap; i++)
        free(map_at(&devices->by_child, i));
    map_done(&devices->by_child);
    map_done(&devices->by_session);
    free(devices);
    return NULL;
}

/* --- devices --- */

static struct device *device_of(const struct engine *e, uint16_t number)
{
    struct device *device = &e->devices->devices[number % LIMIT_DEVICES];
    return number != 0 && device->number == number ? device : NULL;
}

static struct device *device_named(const struct engine *e, const char *name)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        if (e->devices->devices[i].number != 0 &&
            strcmp(e->devices->devices[i].what.name, name) == 0)
            return &e->devices->devices[i];
    return NULL;
}

bool engine_is_device(const struct engine *e, const char *name)
{
    return device_named(e, name) != NULL;
}

/* place_find - a free place, with a number that was never used. NULL: none. */
static struct device *place_find(struct engine *e)
{
    for (unsigned tries = 0; tries < LIMIT_DEVICES; tries++) {
        uint16_t number = ++e->devices->last_number;
        struct device *device = &e->devices->devices[number % LIMIT_DEVICES];
        if (number % LIMIT_DEVICES == 0 || device->number != 0)
            continue;
        device->number = number;
        return device;
    }
    return NULL;
}

static void device_ask(struct engine *e, struct device *device)
{
    device->asked = true;
    device->error = 0;
    host_device_open(e->host, device->number, &device->what);
}

static void device_close(struct engine *e, struct device *device)
{
    if (device->there && esp_plane_device_remove(e->esp, device->number) != 0)
        log_line(LOG_LEVEL_WARNING, "event=device-lost device=%s", device->what.name);
    host_device_close(e->host, device->number); /* ends the blocks of a refused device, too */
    *device = (struct device){.number = 0};
}

/* devices_fixed - of a child without %unique. false: it has the first device. */
static bool devices_fixed(const struct ike_child_policy *policy, struct inner_device ret[2],
                          int *ret_error)
{
    struct inner_marks marks;
    *ret_error = 0;
    if (inner_has_unique(policy))
        return false;
    inner_marks_of(policy, NULL, &marks);
    return inner_devices_of(policy, &marks, &ret[0], &ret[1], ret_error) && *ret_error == 0;
}

static bool is_named(const struct ike_child_policy *policy, const struct device *device)
{
    struct inner_device devices[2];
    int error;
    return devices_fixed(policy, devices, &error) &&
           (inner_device_equal(&devices[0], &device->what) ||
            inner_device_equal(&devices[1], &device->what));
}

static bool is_configured(const struct engine *e, const struct device *device)
{
    const struct ike_conn *conn;
    for (size_t i = 0; (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        for (uint8_t c = 0; c < conn->n_children; c++)
            if (is_named(&conn->children[c], device))
                return true;
    return false;
}

/* device_want - the device is there, or asked for. */
static int device_want(struct engine *e, const struct inner_device *what, struct device **ret)
{
    struct device *device = device_named(e, what->name);
    bool taken = device != NULL && !inner_device_equal(&device->what, what);
    if (taken && device->n_children == 0 && !is_configured(e, device)) {
        device_close(e, device); /* a reload gives its name other marks */
        device = NULL;
        taken = false;
    }
    if (taken || strcmp(what->name, e->start->tun_name) == 0)
        return ERR_INVALID;
    if (device == NULL) {
        device = place_find(e);
        if (device == NULL)
            return ERR_FULL;
        *device = (struct device){.number = device->number, .what = *what};
    }
    if (!device->asked && !device->there)
        device_ask(e, device);
    *ret = device;
    return 0;
}

void engine_devices_answer(struct engine *e, const struct host_sockets *answer)
{
    struct device *device = device_of(e, answer->device);
    int error = answer->error;
    if (device != NULL && error == 0)
        error = esp_plane_device_add(e->esp, device->number, answer->fds, answer->n);
    for (unsigned i = 0; device == NULL && i < answer->n; i++)
        close(answer->fds[i]); /* no child needs the device any more */
    if (device == NULL)
        return;
    device->asked = false;
    device->there = error == 0;
    device->error = error;
    log_line(error == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "event=device device=%s result=%s",
             device->what.name, error == ERR_DENIED ? answer->denied : error_text(error));
    if (device->there)
        engine_links_read(e); /* it may have been taken for a link that paths can use */
}

void engine_devices_conn(struct engine *e, const struct ike_conn *conn)
{
    struct inner_device devices[2];
    struct device *device;
    for (uint8_t c = 0; c < conn->n_children; c++) {
        int error;
        if (!devices_fixed(&conn->children[c], devices, &error))
            continue;
        for (size_t i = 0; error == 0 && i < 2; i++)
            error = device_want(e, &devices[i], &device);
        if (error != 0)
            log_line(LOG_LEVEL_ERROR, "event=device-refused conn=%s child=%s device=%s error=%s",
                     conn->name, conn->children[c].name, devices[0].name, error_text(error));
    }
}

bool engine_policy_device(const struct engine *e, const struct ike_child_policy *policy,
                          uint16_t *ret_device)
{
    struct inner_device devices[2];
    int error;
    *ret_device = 0;
    if (!devices_fixed(policy, devices, &error))
        return error == 0 && !inner_has_unique(policy);
    const struct device *device = device_named(e, devices[0].name);
    if (device == NULL || !inner_device_equal(&device->what, &devices[0]))
        return false;
    *ret_device = device->number;
    return true;
}

uint16_t engine_block_device(const struct engine *e, uint16_t device)
{
    const struct device *of = device_of(e, device);
    return of == NULL || of->what.mask_out == 0 ? 0 : device;
}

/* devices_missing - a device of the connection was refused, since its name had other marks. */
static bool devices_missing(const struct engine *e, const struct ike_conn *conn)
{
    struct inner_device devices[2];
    bool missing = false;
    int error;
    for (uint8_t c = 0; c < conn->n_children; c++) {
        bool own = devices_fixed(&conn->children[c], devices, &error);
        for (size_t i = 0; own && i < 2; i++) {
            const struct device *device = device_named(e, devices[i].name);
            missing |= device == NULL || !inner_device_equal(&device->what, &devices[i]);
        }
    }
    return missing;
}

/* conns_renew - a name has become free: devices that were refused are asked for again. */
static void conns_renew(struct engine *e)
{
    const struct ike_conn *conn;
    for (size_t i = 0; !e->stopping && (conn = ike_conn_at(e->ike, i)) != NULL; i++) {
        if (!devices_missing(e, conn))
            continue;
        engine_devices_conn(e, conn);
        for (uint8_t c = 0; c < conn->n_children; c++)
            (void)engine_trap_set(e, conn, &conn->children[c]);
        engine_conn_networks_hold(e, conn);
    }
}

void engine_devices_settle(struct engine *e)
{
    bool closed = false;
    for (size_t i = 1; i < LIMIT_DEVICES; i++) {
        struct device *device = &e->devices->devices[i];
        if (device->number == 0 || device->n_children > 0 || is_configured(e, device))
            continue;
        device_close(e, device);
        closed = true;
    }
    if (closed)
        conns_renew(e);
}

/* --- of Child SAs --- */

static const struct child_device *child_find(const struct engine *e, ike_child_id child)
{
    return map_get(&e->devices->by_child, child);
}

static bool marks_meet(uint32_t a, uint32_t a_mask, uint32_t b, uint32_t b_mask)
{
    return a_mask != 0 && b_mask != 0 && ((a ^ b) & a_mask & b_mask) == 0;
}

/* meets - the other device has the name, or a packet may have the marks of both. */
static bool meets(const struct ike_child_policy *policy, const struct inner_device *mine,
                  const struct inner_device *other)
{
    return strcmp(mine->name, other->name) == 0 ||
           (ike_mark_is_unique(&policy->mark_out) &&
            marks_meet(mine->mark_out, mine->mask_out, other->mark_out, other->mask_out)) ||
           (ike_mark_is_unique(&policy->mark_in) &&
            marks_meet(mine->mark_in, mine->mask_in, other->mark_in, other->mask_in));
}

/* is_taken - a device has the name or marks, or a connection names them. */
static bool is_taken(const struct engine *e, const struct ike_child_policy *policy,
                     const struct inner_device *what)
{
    const struct ike_conn *conn;
    struct inner_device fixed[2];
    bool taken = strcmp(what->name, e->start->tun_name) == 0;
    int error;
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        taken |=
            e->devices->devices[i].number != 0 && meets(policy, what, &e->devices->devices[i].what);
    for (size_t i = 0; !taken && (conn = ike_conn_at(e->ike, i)) != NULL; i++)
        for (uint8_t c = 0; c < conn->n_children; c++)
            taken |= devices_fixed(&conn->children[c], fixed, &error) &&
                     (meets(policy, what, &fixed[0]) || meets(policy, what, &fixed[1]));
    return taken;
}

static bool is_usable(const struct engine *e, const struct ike_child_policy *p,
                      const struct inner_unique *unique)
{
    struct inner_device what[2];
    struct inner_marks m;
    int error;
    inner_marks_of(p, unique, &m);
    bool none = (ike_mark_is_unique(&p->mark_in) && m.mark_in == 0) ||
                (ike_mark_is_unique(&p->mark_out) && m.mark_out == 0) ||
                (ike_mark_is_unique(&p->if_id_in) && m.if_id_in == 0) ||
                (ike_mark_is_unique(&p->if_id_out) && m.if_id_out == 0);
    return !none && inner_devices_of(p, &m, &what[0], &what[1], &error) && error == 0 &&
           !is_taken(e, p, &what[0]) && !is_taken(e, p, &what[1]);
}

static uint32_t next_of(uint32_t *last)
{
    *last = *last % INNER_UNIQUE_MAX + 1;
    return *last;
}

static struct inner_unique unique_next(struct engine_devices *d, const struct ike_child_policy *p)
{
    struct inner_unique unique = {0};
    unique.mark_in = unique.mark_out = next_of(&d->last_mark);
    if (p->mark_in.kind == IKE_MARK_UNIQUE_DIR || p->mark_out.kind == IKE_MARK_UNIQUE_DIR)
        unique.mark_out = next_of(&d->last_mark);
    unique.if_id_in = unique.if_id_out = next_of(&d->last_id);
    if (p->if_id_in.kind == IKE_MARK_UNIQUE_DIR || p->if_id_out.kind == IKE_MARK_UNIQUE_DIR)
        unique.if_id_out = next_of(&d->last_id);
    return unique;
}

/* unique_of - the marks of other Child SAs of the session and child. Without any: numbers that no
 * other device has. ERR_FULL: none was found. */
static int unique_of(struct engine *e, const struct ike_child_install *install,
                     struct inner_unique *ret)
{
    const struct child_device *other = map_get(&e->devices->by_session, install->session);
    for (; other != NULL; other = other->next)
        if (strcmp(other->name, install->policy->name) == 0) {
            *ret = other->unique;
            return 0;
        }
    for (unsigned tries = 0; tries < UNIQUE_TRIES; tries++) {
        *ret = unique_next(e->devices, install->policy);
        if (is_usable(e, install->policy, ret))
            return 0;
    }
    return ERR_FULL;
}

static int child_link(struct engine_devices *d, struct child_device *child)
{
    child->next = map_get(&d->by_session, child->session);
    if (map_put(&d->by_child, child->child, child) != 0)
        return ERR_NO_MEMORY;
    if (map_set(&d->by_session, child->session, child) == 0)
        return 0;
    (void)map_take(&d->by_child, child->child);
    return ERR_NO_MEMORY;
}

static void child_unlink(struct engine_devices *d, const struct child_device *child)
{
    struct child_device *first = map_get(&d->by_session, child->session), **at = &first;
    while (*at != child)
        at = &(*at)->next;
    *at = child->next;
    map_replace(&d->by_session, child->session, first);
}

static int devices_take(struct engine *e, const struct inner_device what[2],
                        struct child_device *child)
{
    struct device *out, *in;
    int error = device_want(e, &what[0], &out);
    if (error == 0)
        error = device_want(e, &what[1], &in);
    if (error != 0)
        return error;
    child->out = out->number;
    child->in = in->number;
    error = child_link(e->devices, child);
    if (error != 0)
        return error;
    out->n_children++;
    in->n_children++;
    return 0;
}

int engine_devices_child(struct engine *e, const struct ike_child_install *install,
                         struct esp_child_config *config)
{
    struct inner_unique unique = {0};
    struct inner_device what[2];
    struct child_device *child;
    struct inner_marks marks;
    int error;
    if (inner_has_unique(install->policy) && unique_of(e, install, &unique) != 0) {
        log_line(LOG_LEVEL_WARNING, "event=device-refused child=%s error=%s", install->policy->name,
                 error_text(ERR_FULL));
        return ERR_FULL;
    }
    inner_marks_of(install->policy, &unique, &marks);
    if (!inner_devices_of(install->policy, &marks, &what[0], &what[1], &error))
        return 0;
    if (error == 0 && (child = calloc(1, sizeof(*child))) != NULL) {
        *child = (struct child_device){
            .child = install->child, .session = install->session, .unique = unique, .marks = marks};
        memcpy(child->name, install->policy->name, sizeof(child->name));
        error = devices_take(e, what, child);
        if (error == 0) {
            config->device_out = child->out;
            config->device_in = child->in;
            return 0;
        }
        free(child);
    }
    error = error == 0 ? ERR_NO_MEMORY : error;
    engine_devices_settle(e);
    log_line(LOG_LEVEL_WARNING, "event=device-refused child=%s device=%s error=%s",
             install->policy->name, what[0].name, error_text(error));
    return error;
}

void engine_devices_child_gone(struct engine *e, ike_child_id id)
{
    struct child_device *child = map_take(&e->devices->by_child, id);
    if (child == NULL)
        return;
    struct device *devices[] = {device_of(e, child->out), device_of(e, child->in)};
    bool last = false;
    for (size_t i = 0; i < 2; i++)
        last |= devices[i] != NULL && --devices[i]->n_children == 0;
    child_unlink(e->devices, child);
    free(child);
    if (last)
        engine_devices_settle(e);
}

int engine_devices_error(const struct engine *e, ike_child_id id)
{
    const struct child_device *child = child_find(e, id);
    if (child == NULL)
        return 0;
    const struct device *out = device_of(e, child->out), *in = device_of(e, child->in);
    if (out == NULL || in == NULL)
        return ERR_NOT_FOUND;
    return out->error != 0 ? out->error : in->error;
}

uint16_t engine_child_device(const struct engine *e, ike_child_id id)
{
    const struct child_device *child = child_find(e, id);
    return child == NULL ? 0 : child->out;
}

const char *engine_child_device_name(const struct engine *e, ike_child_id id)
{
    const struct device *device = device_of(e, engine_child_device(e, id));
    return device == NULL ? e->start->tun_name : device->what.name;
}

bool engine_child_marks(const struct engine *e, ike_child_id id, struct inner_marks *ret)
{
    const struct child_device *child = child_find(e, id);
    if (child != NULL)
        *ret = child->marks;
    return child != NULL;
}
