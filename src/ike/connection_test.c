/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of connections, and their comparison. */
#include "ike/connection.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit_test.h"

/* full - something in each list, in some more than once. */
static struct ike_conn *full(void)
{
    struct ike_conn *conn = ike_conn_new();
    assert_non_null(conn);
    strcpy(conn->name, "office");
    conn->n_local_addrs = conn->n_remote_addrs = conn->n_vips = 2;
    strcpy(conn->remote_addrs[1].name, "gw.example");
    conn->vips[1].family = ADDRESS_V6;
    conn->n_pools = POLICY_POOLS;
    strcpy(conn->pools[POLICY_POOLS - 1], "last");
    conn->proposals.n = POLICY_PROPOSALS;
    conn->proposals.proposals[POLICY_PROPOSALS - 1].n_encr = 3;
    conn->n_local_rounds = 1;
    conn->n_remote_rounds = 2;
    strcpy(conn->remote[1].id_pattern, "*.example");
    strcpy(conn->remote[1].eap_id, "%any");
    conn->local[0].aaa_id->type = 2;
    conn->ppk_id->type = 11;
    strcpy(conn->ppk_pattern, "*@example");
    strcpy(conn->redirect_to->name, "other.example");
    strcpy(conn->dns_domains->text, "corp.example");
    conn->n_paths = 1;
    conn->paths[0].weight = 7;
    conn->n_children = 1;
    conn->n_shunts = 1;
    strcpy(conn->children[0].name, "net");
    strcpy(conn->children[0].updown, "/etc/ikat/up");
    conn->children[0].proposals.n = 1;
    conn->children[0].proposals.proposals[0].n_ke = 1;
    conn->children[1].local_ts.fixed.n = POLICY_TS;
    conn->children[1].local_ts.fixed.ts[POLICY_TS - 1].end_port = 9;
    conn->children[1].remote_ts.fixed.n = 1;
    conn->children[1].remote_ts.n_dynamic = 1;
    return conn;
}

static void change_address(struct ike_conn *conn)
{
    conn->local_addrs[1].range.last.family = ADDRESS_V4;
}
static void change_host(struct ike_conn *conn)
{
    conn->remote_addrs[1].name[1] = 'x';
}
static void change_proposal(struct ike_conn *conn)
{
    conn->proposals.proposals[POLICY_PROPOSALS - 1].encr[2].id++;
}
static void change_vip(struct ike_conn *conn)
{
    conn->vips[1].octets[15] = 1;
}
static void change_pool(struct ike_conn *conn)
{
    conn->pools[POLICY_POOLS - 1][0] = 'x';
}
static void change_pattern(struct ike_conn *conn)
{
    conn->remote[1].id_pattern[0] = 'x';
}
static void change_eap_id(struct ike_conn *conn)
{
    conn->remote[1].eap_id[0] = '\0';
}
static void change_aaa_id(struct ike_conn *conn)
{
    conn->local[0].aaa_id->len++;
}
static void change_ppk_id(struct ike_conn *conn)
{
    conn->ppk_id->data[LIMIT_ID / 2 - 1] = 1;
}
static void change_ppk_pattern(struct ike_conn *conn)
{
    conn->ppk_pattern[0] = 'x';
}
static void change_gateway(struct ike_conn *conn)
{
    conn->redirect_to->name[0] = 'x';
}
static void change_domains(struct ike_conn *conn)
{
    conn->dns_domains->text[0] = 'x';
}
static void change_path(struct ike_conn *conn)
{
    conn->paths[0].metered = true;
}
static void change_child_name(struct ike_conn *conn)
{
    conn->children[0].name[0] = 'x';
}
static void change_script(struct ike_conn *conn)
{
    conn->children[0].updown[1] = 'x';
}
static void change_esp(struct ike_conn *conn)
{
    conn->children[0].proposals.proposals[0].ke[0] = 31;
}
static void change_selector(struct ike_conn *conn)
{
    conn->children[1].local_ts.fixed.ts[POLICY_TS - 1].end_port++;
}
static void change_dynamic(struct ike_conn *conn)
{
    conn->children[1].remote_ts.dynamic[0].protocol = 6;
}
static void change_shunts(struct ike_conn *conn)
{
    conn->n_shunts = 0;
}
static void change_last(struct ike_conn *conn)
{
    conn->stable_for_ns = 1;
}

typedef void change(struct ike_conn *conn);
static change *const changes[] = {
    change_address, change_host,     change_proposal, change_vip,        change_pool,
    change_pattern, change_eap_id,   change_aaa_id,   change_ppk_id,     change_ppk_pattern,
    change_gateway, change_domains,  change_path,     change_child_name, change_script,
    change_esp,     change_selector, change_dynamic,  change_shunts,     change_last,
};

/* A copy is equal and independent: a change of one does not change the other. */
static void copies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        struct ike_conn *conn = full(), *copy = ike_conn_copy(conn), *other = ike_conn_new();
        assert_non_null(copy);
        ike_conn_set(other, copy);
        assert_true(ike_conn_same(conn, copy) && ike_conn_same(copy, other));
        changes[i](copy);
        assert_false(ike_conn_same(conn, copy));
        assert_false(ike_conn_same(copy, conn));
        assert_true(ike_conn_same(conn, other));
        changes[i](other);
        assert_true(ike_conn_same(copy, other));
        ike_conn_unref(conn);
        assert_true(ike_conn_same(copy, other));
        ike_conn_unref(copy);
        ike_conn_unref(other);
    }
}

static void children(void **state)
{
    (void)state;
    struct ike_conn *conn = full();
    struct ike_child_policy *one = ike_child_copy(&conn->children[0]);
    struct ike_child_policy *other = ike_child_copy(&conn->children[1]);
    assert_true(ike_child_same(one, &conn->children[0]));
    assert_false(ike_child_same(one, other));
    ike_child_set(&conn->children[0], other);
    assert_true(ike_child_same(other, &conn->children[0]));
    assert_true(ike_child_same(other, &conn->children[1]));
    conn->children[0].local_ts.fixed.ts[0].protocol = 6;
    assert_true(ike_child_same(other, &conn->children[1]));
    assert_false(ike_child_same(other, &conn->children[0]));
    free(one);
    free(other);
    ike_conn_unref(conn);
}

static void cas(void **state)
{
    (void)state;
    struct ike_conn *conn = full();
    const struct ike_cas none = {0}, two = {.n = 2, .ids = {{1}, {2}}};
    assert_int_equal(ike_conn_cas_set(conn, &two), 0);
    struct ike_conn *copy = ike_conn_copy(conn);
    assert_true(ike_conn_same(conn, copy));
    assert_int_equal(ike_conn_cas_set(copy, &none), 0);
    assert_null(copy->cas);
    assert_false(ike_conn_same(conn, copy));
    assert_false(ike_conn_same(copy, conn));
    ike_conn_unref(conn);
    ike_conn_unref(copy);
}

/* plain_conn_is_small - a Gateway loads tens of thousands of these. */
static void plain_conn_is_small(void **state)
{
    (void)state;
    struct ike_conn *conn = full();
    conn->n_local_addrs = conn->n_remote_addrs = 1;
    conn->n_vips = conn->n_pools = conn->n_paths = conn->n_shunts = 0;
    conn->proposals.n = conn->children[0].proposals.n = 2;
    conn->n_local_rounds = conn->n_remote_rounds = 1;
    conn->children[0].local_ts.fixed.n = conn->children[0].remote_ts.fixed.n = 1;
    conn->local[0].aaa_id->type = conn->ppk_id->type = 0;
    conn->redirect_to->name[0] = '\0';
    memset(conn->dns_domains, 0, sizeof(*conn->dns_domains));
    memset(conn->redirect_to, 0, sizeof(*conn->redirect_to));
    struct ike_conn *copy = ike_conn_copy(conn);
    assert_true(ike_conn_size(copy) <= 3072);
    ike_conn_unref(conn);
    ike_conn_unref(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(children),
        cmocka_unit_test(cas),
        cmocka_unit_test(plain_conn_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
