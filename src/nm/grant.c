/* SPDX-License-Identifier: Apache-2.0 */
#include "nm/grant.h"

static uint8_t read_addresses(const struct tree *list, struct address out[NM_GRANT_MAX])
{
    uint8_t n = 0;
    for (const struct tree *item = list == NULL ? NULL : list->first;
         item != NULL && n < NM_GRANT_MAX; item = item->next)
        if (address_parse(tree_value_text(item), &out[n]))
            n++;
    return n;
}

static uint8_t read_domains(const struct tree *list, char out[NM_GRANT_MAX][NM_DOMAIN_MAX])
{
    uint8_t n = 0;
    for (const struct tree *item = list == NULL ? NULL : list->first;
         item != NULL && n < NM_GRANT_MAX; item = item->next)
        if (item->len > 0 && item->len < NM_DOMAIN_MAX &&
            item->len == strlen(tree_value_text(item)))
            memcpy(out[n++], item->value, item->len + 1);
    return n;
}

static bool is_up(const struct tree *session)
{
    return strcmp(tree_text_or(session, "state", ""), "established") == 0 &&
           strcmp(tree_text_or(session, "child-sas", "0"), "0") != 0 &&
           /* without an IKE SA it is ending */
           strcmp(tree_text_or(session, "ike-sas", "0"), "0") != 0;
}

/* read_gateway - of the first established IKE SA. false: none. */
static bool read_gateway(const struct tree *sas, const char *conn, struct address *ret)
{
    for (const struct tree *sa = sas->first; sa != NULL; sa = sa->next)
        if (strcmp(sa->name, conn) == 0 &&
            strcmp(tree_text_or(sa, "state", ""), "ESTABLISHED") == 0 &&
            address_parse(tree_text_or(sa, "remote-host", ""), ret))
            return true;
    return false;
}

bool nm_grant_read(const struct tree *sessions, const struct tree *sas, const char *conn,
                   struct nm_grant *ret_grant)
{
    const struct tree *latest = NULL;
    for (const struct tree *session = sessions->first; session != NULL; session = session->next)
        if (strcmp(session->name, conn) == 0 && is_up(session))
            latest = session;
    if (latest == NULL)
        return false;
    struct nm_grant grant;
    memset(&grant, 0, sizeof(grant));
    if (!read_gateway(sas, conn, &grant.gateway))
        return false;
    grant.n_addresses = read_addresses(tree_get(latest, "addresses"), grant.addresses);
    grant.n_dns = read_addresses(tree_get(latest, "usable-dns"), grant.dns);
    grant.n_domains = read_domains(tree_get(latest, "usable-domains"), grant.domains);
    *ret_grant = grant;
    return true;
}

static bool same_addresses(const struct address *a, const struct address *b, uint8_t n)
{
    for (uint8_t i = 0; i < n; i++)
        if (!address_equal(&a[i], &b[i]))
            return false;
    return true;
}

bool nm_grant_equal(const struct nm_grant *a, const struct nm_grant *b)
{
    bool equal = address_equal(&a->gateway, &b->gateway) && a->n_addresses == b->n_addresses &&
                 a->n_dns == b->n_dns && a->n_domains == b->n_domains &&
                 same_addresses(a->addresses, b->addresses, a->n_addresses) &&
                 same_addresses(a->dns, b->dns, a->n_dns);
    for (uint8_t i = 0; equal && i < a->n_domains; i++)
        equal = strcmp(a->domains[i], b->domains[i]) == 0;
    return equal;
}

bool nm_grant_has(const struct nm_grant *grant, enum address_family family)
{
    for (uint8_t i = 0; i < grant->n_addresses; i++)
        if (grant->addresses[i].family == family)
            return true;
    return false;
}
