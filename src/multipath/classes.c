/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes of traffic: tells the data plane the classes of a session, and for each Child SA the classes that may take
 * its path. An End User has the classes of the newest configuration, so a reload applies to sessions that are up. A
 * Gateway has the classes that its End User sent (path_terms.c).
 */
#include "multipath/vpn.h"

static const struct ike_conn *classes_conn(const struct vpn *vpn)
{
    return vpn->conn_next != NULL ? vpn->conn_next : vpn->conn;
}

static struct traffic_classes classes_now(const struct vpn *vpn)
{
    const struct ike_conn *conn = classes_conn(vpn);
    const struct path_view *view = &vpn->pm->options.view;
    struct ike_session_info info;
    if (vpn_end_user(vpn))
        return (struct traffic_classes){.n = conn->n_classes, .classes = conn->classes};
    if (!view->session(view->context, vpn->session.id, &info))
        return (struct traffic_classes){0};
    return info.classes;
}

bool classes_order(struct vpn *vpn, struct path_order *ret_order)
{
    if (vpn->session.classes_told)
        return false;
    const struct traffic_classes classes = classes_now(vpn);
    bool some = classes.n > 0, had = vpn->session.classes_some;
    vpn->session.classes_told = true;
    vpn->session.classes_some = some;
    if (!some && !had)
        return false;
    for (unsigned i = 0; i < vpn->session.n_bearers; i++)
        vpn->bearers[i].carries = 0; /* the data plane forgets them with the former list */
    *ret_order = (struct path_order){
        .kind = PATH_ORDER_CLASSES, .session = vpn->session.id, .classes = classes};
    return true;
}

bool classes_to_tell(const struct vpn *vpn)
{
    return classes_conn(vpn)->n_classes > 0 || vpn->session.classes_spoken;
}

void classes_loaded(struct vpn *vpn)
{
    vpn->session.classes_told = false;
    for (unsigned i = 0; i < vpn->session.n_legs; i++)
        vpn->legs[i].classes_told = false;
}

/* way_is - the path is one of those that the class names, by section or by interface. */
static bool way_is(const struct vpn *vpn, const struct ike_class_paths *class,
                   const struct path *path)
{
    const char *section = path->policy < 0 ? "" : vpn->conn->paths[path->policy].name;
    for (uint8_t i = 0; i < class->n_paths; i++)
        if (strcmp(class->paths[i], path->interface) == 0 || strcmp(class->paths[i], section) == 0)
            return true;
    return class->n_paths == 0 && class->first_priority <= path->priority &&
           path->priority <= class->last_priority;
}

uint16_t classes_of_path(const struct vpn *vpn, const struct path *path)
{
    const struct ike_conn *conn = classes_conn(vpn);
    unsigned bits = 0;
    for (uint8_t i = 0; i < conn->n_classes; i++)
        bits |= (unsigned)way_is(vpn, &conn->class_paths[i], path) << i;
    return (uint16_t)bits;
}

uint16_t classes_on(const struct vpn *vpn, const struct leg *leg)
{
    if (leg == NULL)
        return 0;
    if (!vpn_end_user(vpn))
        return vpn->session.classes_some ? leg->terms.classes : 0;
    if (classes_conn(vpn)->n_classes == 0)
        return 0;
    for (unsigned i = 0; i < vpn->n_paths; i++)
        if (vpn->paths[i].present && wanted_at_home(&vpn->paths[i], &leg->at))
            return classes_of_path(vpn, &vpn->paths[i]);
    return 0;
}

void classes_status(const struct vpn *vpn, uint16_t on, struct path_status *status)
{
    const struct ike_conn *conn = classes_conn(vpn);
    status->n_classes = (uint8_t)classes_now(vpn).n;
    status->class_names = vpn_end_user(vpn) ? conn->class_paths : NULL;
    status->classes = on;
}
