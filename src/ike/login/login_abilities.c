/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/login_abilities.h"

#include "ike/exchanges/mobike.h"

void login_abilities_add(struct sa *sa, const struct ike_conn *conn, struct wire_builder *message)
{
    if (conn->mobike) {
        wire_add_notify(message, N_MOBIKE_SUPPORTED, (struct span){0});
        mobike_add_addresses(sa, &sa->path, false, message);
    }
    if (ike_conn_rfc7791(conn)) /* RFC 7791 section 5.1 */
        wire_add_notify(message, N_CLONE_IKE_SA_SUPPORTED, (struct span){0});
}

void login_abilities_read(struct sa *sa, const struct wire_message *message,
                          const struct ike_path *path)
{
    struct session *session = sa->session;
    session->mobike = session->conn->mobike && wire_notify_has(message, N_MOBIKE_SUPPORTED);
    session->peer_rfc7791 =
        ike_conn_rfc7791(session->conn) && wire_notify_has(message, N_CLONE_IKE_SA_SUPPORTED);
    sa->peer_addresses[0] = path->remote.address;
    sa->n_peer_addresses = 1;
    if (session->mobike)
        mobike_read_addresses(sa, message, path);
}

void login_delete_unwanted(struct sa *sa, uint32_t spi_in)
{
    struct intent intent = {.kind = INTENT_DELETE_CHILD, .spi_in = spi_in};
    intent_owe(sa, &intent);
}
