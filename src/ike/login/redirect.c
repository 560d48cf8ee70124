/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/login/redirect.h"

#include "ike/core/conn_index.h"
#include "ike/core/exchange.h"
#include "ike/core/seal.h"
#include "ike/login/login.h"

/* --- End User --- */

void redirect_announce(const struct sa *sa, struct wire_builder *request)
{
    const struct login *login = sa->login;
    uint8_t octets[REDIRECT_DATA_MAX];
    struct ike_gateway from = {.address = login->redirected_from};
    if (!login->conn->follow_redirects)
        return;
    if (ike_gateway_given(&from)) /* section 3: MUST include */
        wire_add_notify(request, N_REDIRECTED_FROM,
                        redirect_write(&from, (struct span){0}, octets));
    else
        wire_add_notify(request, N_REDIRECT_SUPPORTED, (struct span){0});
}

static bool read(const struct wire_message *message, struct ike_gateway *ret,
                 struct span *ret_nonce)
{
    struct wire_notify notify;
    return wire_notify_find(message, N_REDIRECT, &notify) &&
           redirect_read(notify.data, ret, ret_nonce);
}

bool redirect_found(const struct sa *sa, const struct wire_message *message, bool init)
{
    const struct ike_conn *conn = sa->session != NULL ? sa->session->conn : sa->login->conn;
    struct ike_gateway gateway;
    struct span nonce, expected = {0};
    if (!conn->follow_redirects || !read(message, &gateway, &nonce) ||
        (gateway.name[0] == '\0' &&
         !address_usable_outer(&gateway.address, sa->ike->options.allow_loopback)))
        return false;
    /* section 3: the nonce MUST be ours; section 9.2: it MUST NOT be there in other exchanges */
    if (init)
        expected = span_of(sa->login->ni, sa->login->n_ni);
    return nonce.len == expected.len &&
           (nonce.len == 0 || memcmp(nonce.ptr, expected.ptr, nonce.len) == 0);
}

void redirect_follow(struct sa *sa, const struct wire_message *message)
{
    struct ike_gateway gateway;
    struct span nonce;
    char text[ADDRESS_TEXT_MAX];
    if (!read(message, &gateway, &nonce))
        return;
    event_notice(sa, "the Gateway redirects us to %s", gateway_print(&gateway, text));
    struct ike_event *event = event_sa(sa, IKE_EV_REDIRECT);
    event->path.remote.address = gateway.address;
    event->tag = sa->login != NULL && sa->asking != NULL ? sa->asking->intent.tag : 0;
    event_text(sa->ike, gateway.name);
}

/* --- Gateway --- */

bool redirect_announced(const struct wire_message *init_request)
{
    return wire_notify_has(init_request, N_REDIRECT_SUPPORTED) ||
           wire_notify_has(init_request, N_REDIRECTED_FROM);
}

static bool same(const struct ike_gateway *a, const struct ike_gateway *b)
{
    return strcmp(a->name, b->name) == 0 && address_equal(&a->address, &b->address);
}

bool redirect_at_once(const struct ike *ike, const struct ike_path *path,
                      const struct ike_conn *conn, const struct wire_message *request)
{
    if (!ike_gateway_given(conn->redirect_to) || !redirect_announced(request))
        return false;
    for (size_t i = 0; i < ike->n_conns; i++)
        if (conn_rank(ike->conns[i], path) > 0 &&
            !same(ike->conns[i]->redirect_to, conn->redirect_to))
            return false;
    return true;
}

bool redirect_after_proof(const struct sa *sa, struct wire_builder *reply)
{
    const struct ike_gateway *to = sa->login->conn->redirect_to;
    uint8_t octets[REDIRECT_DATA_MAX];
    if (!ike_gateway_given(to) || !sa->login->redirects)
        return false;
    wire_add_notify(reply, N_REDIRECT, redirect_write(to, (struct span){0}, octets));
    return true;
}

static enum ike_outcome redirect_ask(struct sa *sa, struct asking *asking,
                                     struct wire_builder *request, nanos now)
{
    uint8_t octets[REDIRECT_DATA_MAX];
    (void)sa;
    (void)now;
    wire_add_notify(request, N_REDIRECT,
                    redirect_write(&asking->intent.gateway, (struct span){0}, octets));
    return IKE_OK;
}

const struct exchange_ops exchange_redirect_session = {.what = "redirect",
                                                       .exchange = WIRE_INFORMATIONAL,
                                                       .ask = redirect_ask,
                                                       .answered = exchange_acknowledged};
