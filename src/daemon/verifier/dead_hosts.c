/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/verifier/dead_hosts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* name_of - host and port of an http URL. Skips a user name before the host, as libcurl does. */
static void name_of(const char *url, char out[FETCH_URL])
{
    const char *at = strstr(url, "://");
    at = at == NULL ? url : at + 3;
    size_t len = strcspn(at, "/?#");
    for (size_t i = len; i > 0; i--)
        if (at[i - 1] == '@') {
            at += i;
            len -= i;
            break;
        }
    (void)snprintf(out, FETCH_URL, "%.*s", (int)len, at);
}

bool dead_hosts_same(const char *url, const char *other)
{
    char name[FETCH_URL], other_name[FETCH_URL];
    name_of(url, name);
    name_of(other, other_name);
    return strcasecmp(name, other_name) == 0;
}

static struct dead_host *place_of(struct dead_hosts *dead, const char *name)
{
    struct dead_host *first = &dead->of[0];
    for (size_t i = 0; i < dead->n; i++) {
        if (strcasecmp(dead->of[i].name, name) == 0)
            return &dead->of[i];
        if (dead->of[i].until < first->until)
            first = &dead->of[i];
    }
    struct dead_host *place = dead->n < DEAD_HOSTS ? &dead->of[dead->n++] : first;
    *place = (struct dead_host){0};
    (void)snprintf(place->name, sizeof(place->name), "%s", name);
    return place;
}

void dead_hosts_add(struct dead_hosts *dead, const char *url, unsigned services, const char *reason,
                    nanos now)
{
    char name[FETCH_URL];
    name_of(url, name);
    struct dead_host *host = place_of(dead, name);
    host->services = now < host->until ? host->services | services : services;
    host->until = nanos_after(now, DEAD_HOST_TIME);
    (void)snprintf(host->reason, sizeof(host->reason), "%.*s", FETCH_REASON - 1, reason);
}

const char *dead_hosts_find(const struct dead_hosts *dead, const char *url,
                            enum host_service service, nanos now)
{
    char name[FETCH_URL];
    name_of(url, name);
    for (size_t i = 0; i < dead->n; i++)
        if (now < dead->of[i].until && (dead->of[i].services & service) != 0 &&
            strcasecmp(dead->of[i].name, name) == 0)
            return dead->of[i].reason;
    return NULL;
}
