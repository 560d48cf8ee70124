/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/hook_env.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/common/hook_script.h"
#include "ike/terms/identity.h"

#define PROTO_ICMP   1
#define PROTO_ICMPV6 58

static bool text_sound(const char *text, size_t cap)
{
    return strnlen(text, cap) < cap;
}

static bool family_sound(const struct address *address)
{
    return address->family == ADDRESS_V4 || address->family == ADDRESS_V6;
}

static bool ts_sound(const struct ike_ts *ts)
{
    return family_sound(&ts->range.first) && ts->range.first.family == ts->range.last.family &&
           address_compare(&ts->range.first, &ts->range.last) <= 0;
}

bool hook_request_sound(const struct hook_request *r)
{
    bool sound = r->up <= 1 && r->hostaccess <= 1 && r->udp_encap <= 1 && r->end_user <= 1 &&
                 r->own_device <= 1 && text_sound(r->script, sizeof(r->script)) &&
                 text_sound(r->conn, LIMIT_NAME) && text_sound(r->child, LIMIT_NAME) &&
                 text_sound(r->interface, sizeof(r->interface)) &&
                 text_sound(r->device, sizeof(r->device)) && family_sound(&r->local) &&
                 family_sound(&r->remote) && ts_sound(&r->local_ts) && ts_sound(&r->remote_ts) &&
                 r->n_inner <= IKE_LEASE_ADDRESSES && r->n_dns <= HOOK_DNS &&
                 r->local_id.len <= sizeof(r->local_id.data) &&
                 r->remote_id.len <= sizeof(r->remote_id.data);
    for (uint32_t i = 0; sound && i < r->n_inner; i++)
        sound = family_sound(&r->inner[i]);
    for (uint32_t i = 0; sound && i < r->n_dns; i++)
        sound = family_sound(&r->dns[i]);
    return sound;
}

/* --- variables --- */

__attribute__((format(printf, 2, 0))) static char *put(struct hook_env *env, const char *format,
                                                       va_list arguments)
{
    char *at = env->text + env->used;
    size_t room = sizeof(env->text) - env->used;
    int len = vsnprintf(at, room, format, arguments);
    if (len < 0 || (size_t)len >= room)
        return NULL;
    env->used += (size_t)len + 1;
    return at;
}

/* variable - writes "NAME=value"; the caller has checked the characters of the value. */
__attribute__((format(printf, 2, 3))) static void variable(struct hook_env *env, const char *format,
                                                           ...)
{
    size_t n = 0;
    va_list arguments;
    while (n < HOOK_ENV_MAX && env->envp[n] != NULL)
        n++;
    if (n == HOOK_ENV_MAX)
        return;
    va_start(arguments, format);
    env->envp[n] = put(env, format, arguments);
    va_end(arguments);
    for (char *c = env->envp[n]; c != NULL && *c != '\0'; c++)
        if (!hook_plain(*c) && *c != '*')
            *c = '_';
}

/* put_verb - "up-client"; "-host" for the host itself, "-v6" for IPv6 inside the tunnel. */
static void put_verb(struct hook_env *env, const struct hook_request *r)
{
    const struct address_range *own = &r->local_ts.range;
    bool host = address_equal(&own->first, &own->last) && address_equal(&own->first, &r->local);
    variable(env, "PLUTO_VERB=%s-%s%s", r->up ? "up" : "down", host ? "host" : "client",
             own->first.family == ADDRESS_V6 ? "-v6" : "");
}

/* put_client - writes a selector as a network; a range that is no network becomes the smallest
 * network around it. */
static void put_client(struct hook_env *env, const char *side, const struct ike_ts *ts)
{
    char text[ADDRESS_TEXT_MAX];
    unsigned len = (unsigned)address_len(&ts->range.first) * 8;
    struct address_range around = ts->range;
    if (!range_to_prefix(&ts->range, &len))
        do
            len--;
        while (range_from_prefix(&ts->range.first, len, &around) &&
               !range_contains(&around, &ts->range.last));
    bool icmp = ts->protocol == PROTO_ICMP || ts->protocol == PROTO_ICMPV6;
    bool one = ts->start_port == ts->end_port || icmp;
    variable(env, "PLUTO_%s_CLIENT=%s/%u", side, address_print(&around.first, text), len);
    variable(env, "PLUTO_%s_PORT=%u", side,
             !one   ? 0u
             : icmp ? (unsigned)ts->start_port >> 8
                    : (unsigned)ts->start_port);
    variable(env, "PLUTO_%s_PROTOCOL=%u", side, ts->protocol);
}

/* put_list - PREFIX4_1, PREFIX6_1 and so on; if scripts expect it, also the first one without a
 * number. */
static void put_list(struct hook_env *env, const char *prefix, bool first,
                     const struct address *list, uint32_t n)
{
    char text[ADDRESS_TEXT_MAX];
    unsigned v4 = 0, v6 = 0;
    for (uint32_t i = 0; i < n; i++) {
        unsigned family = list[i].family, number = family == ADDRESS_V4 ? ++v4 : ++v6;
        if (first && i == 0)
            variable(env, "%s=%s", prefix, address_print(&list[i], text));
        variable(env, "%s%u_%u=%s", prefix, family, number, address_print(&list[i], text));
    }
}

static void put_ends(struct hook_env *env, const struct hook_request *r)
{
    char address[ADDRESS_TEXT_MAX], id[IDENTITY_TEXT_MAX];
    variable(env, "PLUTO_ME=%s", address_print(&r->local, address));
    variable(env, "PLUTO_MY_ID=%s", identity_print_hex(&r->local_id, id));
    put_client(env, "MY", &r->local_ts);
    variable(env, "PLUTO_PEER=%s", address_print(&r->remote, address));
    variable(env, "PLUTO_PEER_ID=%s", identity_print_hex(&r->remote_id, id));
    put_client(env, "PEER", &r->remote_ts);
    put_list(env, r->end_user ? "PLUTO_MY_SOURCEIP" : "PLUTO_PEER_SOURCEIP", true, r->inner,
             r->n_inner);
    put_list(env, "PLUTO_DNS", false, r->dns, r->n_dns);
}

/* put_mark - writes "8/0xffffffff", the form of iptables. */
static void put_mark(struct hook_env *env, const char *way, uint32_t mark, uint32_t mask)
{
    if (mask != 0)
        variable(env, "PLUTO_MARK_%s=%u/0x%08x", way, mark, mask);
}

static void put_marks(struct hook_env *env, const struct inner_marks *marks)
{
    put_mark(env, "IN", marks->mark_in, marks->mask_in);
    put_mark(env, "OUT", marks->mark_out, marks->mask_out);
    if (marks->if_id_in != 0)
        variable(env, "PLUTO_IF_ID_IN=%u", marks->if_id_in);
    if (marks->if_id_out != 0)
        variable(env, "PLUTO_IF_ID_OUT=%u", marks->if_id_out);
}

/* put_arguments - the arguments in the configured line. */
static int put_arguments(struct hook_env *env, const struct hook_request *r)
{
    size_t n = 0;
    char *rest = env->text + env->used;
    (void)snprintf(rest, HOOK_SCRIPT, "%s", r->script);
    env->used += HOOK_SCRIPT;
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        if (word[0] == '\0')
            continue;
        if (n == HOOK_ARGS_MAX)
            return ERR_INVALID;
        env->argv[n++] = word;
    }
    return n > 0 ? 0 : ERR_INVALID;
}

int hook_env_fill(const struct hook_request *r, struct hook_env *ret_env)
{
    *ret_env = (struct hook_env){.used = 0};
    if (put_arguments(ret_env, r) != 0)
        return ERR_INVALID;
    variable(ret_env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    variable(ret_env, "PLUTO_VERSION=1.1");
    put_verb(ret_env, r);
    variable(ret_env, "PLUTO_CONNECTION=%s", r->child);
    variable(ret_env, "IKAT_CONNECTION=%s", r->conn);
    /* rules with -i and -o match the inner packets, which pass the TUN device */
    variable(ret_env, "PLUTO_INTERFACE=%s", r->device);
    variable(ret_env, "IKAT_INTERFACE=%s", r->interface);
    if (r->own_device)
        put_marks(ret_env, &r->marks);
    variable(ret_env, "IKAT_DEVICE=%s", r->device);
    variable(ret_env, "PLUTO_REQID=%u", r->reqid);
    variable(ret_env, "PLUTO_PROTO=esp");
    variable(ret_env, "PLUTO_UNIQUEID=%u", r->uniqueid);
    put_ends(ret_env, r);
    if (r->udp_encap)
        variable(ret_env, "PLUTO_UDP_ENC=4500");
    if (r->hostaccess)
        variable(ret_env, "PLUTO_HOST_ACCESS=1");
    return 0;
}
