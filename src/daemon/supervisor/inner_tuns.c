/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/supervisor/inner_tuns.h"

#include <errno.h>
#include <net/if.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "daemon/supervisor/supervisor.h"
#include "linux/tun.h"

struct inner_tun *inner_tun_find(struct inner_tuns *tuns, uint16_t number)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        if (tuns->tuns[i].used && !tuns->tuns[i].stale && tuns->tuns[i].number == number)
            return &tuns->tuns[i];
    return NULL;
}

uint32_t inner_tun_table(const struct inner_tuns *tuns, const struct inner_tun *tun)
{
    return tun->what.mask_out == 0 ? ROUTE_TABLE : ROUTE_TABLE + (uint32_t)(tun - tuns->tuns);
}

static int family_rules(struct inner_tuns *tuns, enum netlink_change change,
                        const struct netlink_mark *rule, enum address_family family)
{
    int error = change == NETLINK_ADD
                    ? netlink_rule_outer(tuns->netlink, change, family, RULE_OUTER, tuns->landing)
                    : 0;
    return error != 0 ? error : netlink_rule_mark(tuns->netlink, change, family, rule);
}

/* rules_change - adds or removes the rule from the device's mark to its table. Outer packets may
 * have the same bits in their mark; they skip our tables first. */
static int rules_change(struct inner_tuns *tuns, enum netlink_change change,
                        const struct inner_tun *tun)
{
    const struct netlink_mark rule = {.mark = tun->what.mark_out,
                                      .mask = tun->what.mask_out,
                                      .table = inner_tun_table(tuns, tun),
                                      .priority = RULE_MARK};
    if (tun->what.mask_out == 0)
        return 0;
    int error = family_rules(tuns, change, &rule, ADDRESS_V4);
    if (error == 0)
        error = family_rules(tuns, change, &rule, ADDRESS_V6);
    return error != 0 && errno == EAFNOSUPPORT ? 0 : error;
}

/* stale_find - the same device, left by an earlier engine. A device without a TUN is compared by
 * its mark alone. NULL: none. */
static struct inner_tun *stale_find(struct inner_tuns *tuns, const struct inner_device *what)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++) {
        struct inner_tun *tun = &tuns->tuns[i];
        bool same_mark = what->mask_out != 0 && tun->what.mask_out == what->mask_out &&
                         tun->what.mark_out == what->mark_out;
        if (tun->used && tun->stale &&
            (tun->bare ? same_mark : inner_device_equal(&tun->what, what)))
            return tun;
    }
    return NULL;
}

/* name_used - another device of the engine has the name. */
static bool name_used(const struct inner_tuns *tuns, const struct inner_device *what)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++) {
        const struct inner_tun *tun = &tuns->tuns[i];
        if (tun->used && !tun->stale && strcmp(tun->what.name, what->name) == 0)
            return true;
    }
    return false;
}

static struct inner_tun *place_find(struct inner_tuns *tuns)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        if (!tuns->tuns[i].used)
            return &tuns->tuns[i];
    return NULL;
}

/* tun_make - opens the TUN like the first device: all queues have the same offloads. */
static int tun_make(struct inner_tuns *tuns, struct inner_tun *tun)
{
    char name[TUN_NAME_MAX];
    bool uso;
    /* TUNSETIFF would join our device or a persistent one of another program */
    if (if_nametoindex(tun->what.name) != 0)
        return ERR_WRONG_STATE;
    if (tun_open(tun->what.name, tuns->n_workers, tun->fds, name, &uso) != 0)
        return ERR_SYSTEM;
    tun->index = if_nametoindex(name);
    if (netlink_link_silence(tuns->netlink, tun->index) != 0)
        log_line(LOG_LEVEL_DEBUG, "event=setting-refused device=%s", tun->what.name);
    if (netlink_address_dummy(tuns->netlink, tun->index) != 0)
        log_line(LOG_LEVEL_WARNING, "event=dummy-address-refused device=%s reason=\"%s\"",
                 tun->what.name, strerror(errno));
    return 0;
}

int inner_tun_take(struct inner_tuns *tuns, uint16_t number, const struct inner_device *what,
                   struct inner_tun **ret_tun)
{
    struct inner_tun *tun = inner_tun_find(tuns, number);
    if (tun != NULL && (!tun->bare || !inner_device_equal(&tun->what, what)))
        return ERR_INVALID;
    if (tun == NULL && name_used(tuns, what))
        return ERR_WRONG_STATE;
    if (tun == NULL)
        tun = stale_find(tuns, what);
    if (tun == NULL) {
        tun = place_find(tuns);
        if (tun == NULL)
            return ERR_FULL;
        *tun = (struct inner_tun){.used = true, .bare = true};
    }
    tun->what = *what;
    tun->stale = false;
    tun->number = number;
    *ret_tun = tun;
    return rules_change(tuns, NETLINK_ADD, tun);
}

int inner_tun_open(struct inner_tuns *tuns, struct inner_tun *tun)
{
    int error = tun->bare ? tun_make(tuns, tun) : 0;
    if (error == 0)
        tun->bare = false;
    return error;
}

int inner_tun_up(struct inner_tuns *tuns, struct inner_tun *tun)
{
    int error = tun_up(tun->what.name, tuns->mtu);
    log_line(error == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
             "event=device-open device=%s result=%s", tun->what.name, error_text(error));
    return error;
}

void inner_tun_strip(const struct inner_tuns *tuns, struct inner_tun *tun)
{
    /* workers of the engine may still have descriptors, but the name has to be free at once */
    if (tun->used && !tun->bare && netlink_link_delete(tuns->netlink, tun->index) != 0)
        log_line(LOG_LEVEL_WARNING, "event=device-stays device=%s reason=\"%s\"", tun->what.name,
                 strerror(errno));
    for (unsigned i = 0; tun->used && !tun->bare && i < tuns->n_workers; i++)
        close(tun->fds[i]);
    tun->bare = true;
}

void inner_tuns_done(struct inner_tuns *tuns)
{
    for (size_t i = 1; i < LIMIT_DEVICES; i++) {
        inner_tun_strip(tuns, &tuns->tuns[i]);
        tuns->tuns[i] = (struct inner_tun){.used = false};
    }
}

void inner_tun_close(struct inner_tuns *tuns, struct inner_tun *tun)
{
    if (rules_change(tuns, NETLINK_DELETE, tun) != 0)
        log_line(LOG_LEVEL_WARNING, "event=rules-stay device=%s reason=\"%s\"", tun->what.name,
                 strerror(errno));
    log_line(LOG_LEVEL_INFO, "event=device-close device=%s", tun->what.name);
    inner_tun_strip(tuns, tun);
    *tun = (struct inner_tun){.used = false};
}

void inner_tuns_mtu(struct inner_tuns *tuns, uint16_t mtu)
{
    tuns->mtu = mtu;
    for (size_t i = 1; i < LIMIT_DEVICES; i++)
        if (tuns->tuns[i].used && !tuns->tuns[i].bare &&
            tun_mtu_set(tuns->tuns[i].what.name, mtu) != 0)
            log_line(LOG_LEVEL_WARNING, "event=mtu-refused device=%s reason=\"%s\"",
                     tuns->tuns[i].what.name, strerror(errno));
}

int inner_tuns_flush(struct inner_tuns *tuns)
{
    static const uint32_t priorities[] = {RULE_OUTER, RULE_MARK};
    int error = 0;
    for (size_t i = 0; error == 0 && i < sizeof(priorities) / sizeof(priorities[0]); i++) {
        error = netlink_rules_flush(tuns->netlink, ADDRESS_V4, priorities[i]);
        if (error == 0)
            error = netlink_rules_flush(tuns->netlink, ADDRESS_V6, priorities[i]);
    }
    return error;
}

int inner_tuns_inherit(struct inner_tuns *tuns)
{
    struct netlink_mark marks[LIMIT_DEVICES];
    size_t n;
    int error = netlink_marks_list(tuns->netlink, RULE_MARK, marks, LIMIT_DEVICES, &n);
    if (error != 0 || n == 0)
        return error != 0 ? error : inner_tuns_flush(tuns);
    for (size_t i = 0; i < n; i++) {
        uint32_t place = marks[i].table - ROUTE_TABLE;
        if (place != 0 && place < LIMIT_DEVICES)
            tuns->tuns[place] =
                (struct inner_tun){.used = true,
                                   .bare = true,
                                   .stale = true,
                                   .what = {.mark_out = marks[i].mark, .mask_out = marks[i].mask}};
    }
    return 0;
}
