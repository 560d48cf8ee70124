/* SPDX-License-Identifier: Apache-2.0 */
/* A section of `radius`: a server. The keys are those of charon's plugins.eap-radius.servers. */
#include <stddef.h>
#include <stdlib.h>

#include "base/secret.h"
#include "control/values.h"
#include "daemon/config/conn_keys.h"
#include "radius/radius_client.h"

#define AUTH_PORT 1812
#define ACCT_PORT 1813
#define DAE_PORT  3799 /* RFC 5176 section 2.3 */

static int set_address(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    return address_parse(text, &server->address)
               ? 0
               : build_fail(error, node, "'%.60s' is not an address; names are not looked up",
                            text);
}

static int set_secret(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    server->secret_len = (uint32_t)value_secret(text, server->secret, sizeof(server->secret));
    /* the value itself is never repeated */
    return server->secret_len != 0
               ? 0
               : build_fail(error, node, "is empty, too long, or not valid 0x or 0s notation");
}

static int set_preference(const struct tree *node, void *target, struct build_error *error)
{
    struct aaa_server *server = target;
    const char *text = tree_value_text(node);
    char *end;
    long value = strtol(text, &end, 10);
    if (text[0] == '\0' || *end != '\0' || value < -1000 || value > 1000)
        return build_fail(error, node, "a number from -1000 to 1000 is expected");
    server->preference = (int32_t)value;
    return 0;
}

#define TRIES_MOST     10
#define REPEAT_MOST_NS (30 * NANOS_PER_SEC)
#define DEAD_MOST_NS   KEY_HOUR_NS

/* check_limits - what is beyond is a slip of the pen. */
static int check_limits(const struct tree *section, const struct aaa_server *server,
                        struct build_error *error)
{
    if (server->retransmit_tries > TRIES_MOST)
        return build_fail(error, key_node(section, "retransmit_tries"), "0 to %d are possible",
                          TRIES_MOST);
    if (server->retransmit_ns < NANOS_PER_SEC / 10 || server->retransmit_ns > REPEAT_MOST_NS)
        return build_fail(error, key_node(section, "retransmit_timeout"),
                          "100ms to 30s are possible");
    if (server->dead_ns < NANOS_PER_SEC || server->dead_ns > DEAD_MOST_NS)
        return build_fail(error, key_node(section, "dead_time"), "1s to 1h are possible");
    if (server->max_requests == 0 || server->max_requests > RADIUS_MOST)
        return build_fail(error, key_node(section, "max_requests"), "1 to %d are possible",
                          RADIUS_MOST);
    return 0;
}

#define SERVER(field) offsetof(struct aaa_server, field)

static const struct key server_keys[] = {
    {.name = "address", .kind = KEY_FUNCTION, .function = set_address},
    {.name = "secret", .kind = KEY_FUNCTION, .function = set_secret},
    {.name = "auth_port", .kind = KEY_U16, .offset = SERVER(auth_port)},
    {.name = "acct_port", .kind = KEY_U16, .offset = SERVER(acct_port)},
    {.name = "preference", .kind = KEY_FUNCTION, .function = set_preference},
    {.name = "class_group", .kind = KEY_BOOL, .offset = SERVER(class_group)},
    {.name = "accounting", .kind = KEY_BOOL, .offset = SERVER(accounting)},
    {.name = "retransmit_tries", .kind = KEY_U32, .offset = SERVER(retransmit_tries)},
    {.name = "retransmit_timeout", .kind = KEY_TIME, .offset = SERVER(retransmit_ns)},
    {.name = "dead_time", .kind = KEY_TIME, .offset = SERVER(dead_ns)},
    {.name = "max_requests", .kind = KEY_U32, .offset = SERVER(max_requests)},
    {.name = "status_server", .kind = KEY_BOOL, .offset = SERVER(watched)},
    {.name = "dae", .kind = KEY_BOOL, .offset = SERVER(dae)},
    {.name = "dae_port", .kind = KEY_U16, .offset = SERVER(dae_port)},
    {.name = "dae_undated", .kind = KEY_BOOL, .offset = SERVER(undated)},
    {.name = "accounting_interval", .kind = KEY_TIME, .offset = SERVER(interval_ns)},
};

int radius_build(const struct tree *section, bool held, struct aaa_server *ret_server,
                 struct build_error *error)
{
    static const struct key_table table = {server_keys,
                                           sizeof(server_keys) / sizeof(server_keys[0]), NULL};
    struct aaa_server server = {.auth_port = AUTH_PORT,
                                .acct_port = ACCT_PORT,
                                .dae_port = DAE_PORT,
                                .retransmit_tries = RADIUS_TRIES - 1,
                                .retransmit_ns = RADIUS_FIRST_NS,
                                .dead_ns = RADIUS_DEAD_NS,
                                .max_requests = RADIUS_MOST};
    int err = key_name_copy(section, server.name, error);
    if (err == 0)
        err = keys_apply(&table, section, &server, error);
    if (err == 0)
        err = check_limits(section, &server, error);
    if (err == 0 && server.address.family == ADDRESS_NONE)
        err = build_fail(error, section, "'address' is missing");
    if (err == 0 && (server.secret_len == 0) != held)
        err = build_fail(error, section, held ? "'secret' is not for here" : "'secret' is missing");
    if (err == 0)
        *ret_server = server;
    wipe(&server, sizeof(server));
    return err;
}
