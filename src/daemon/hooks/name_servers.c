/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hooks/name_servers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/writer.h"
#include "daemon/common/log.h"
#include "daemon/hooks/program.h"
#include "daemon/hooks/resolv_conf.h"

#define RESOLVED_SOCKET "/run/systemd/resolve/io.systemd.Resolve"
#define RESOLV_CONF     "/etc/resolv.conf"
#define PATIENCE        (5 * NANOS_PER_SEC)
#define DOMAINS_MAX     128 /* of one octet each and a blank */
#define WORDS_MAX       (DOMAINS_MAX + 4)

static char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};

bool name_servers_sound(const struct hook_name_servers *wanted)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strnlen(wanted->device, sizeof(wanted->device));
    bool sound = len > 0 && len < sizeof(wanted->device) && wanted->device[0] != '-' &&
                 strspn(wanted->device, plain) == len && wanted->n <= HOOK_DNS &&
                 domain_list_sound(&wanted->domains) && encrypted_dns_sound(&wanted->encrypted_dns);
    for (uint32_t i = 0; sound && i < wanted->n; i++)
        sound = hook_name_server_usable(&wanted->servers[i]);
    for (uint8_t i = 0; sound && i < wanted->encrypted_dns.n; i++)
        sound = hook_name_server_usable(&wanted->encrypted_dns.servers[i]);
    return sound;
}

/* --- systemd-resolved and resolvconf --- */

static const char *program_of(enum name_server_way way)
{
    static const char *const found[][2] = {
        [NAME_SERVERS_RESOLVED] = {"/usr/bin/resolvectl", "/bin/resolvectl"},
        [NAME_SERVERS_RESOLVCONF] = {"/usr/sbin/resolvconf", "/sbin/resolvconf"},
    };
    for (size_t i = 0; i < 2; i++)
        if (access(found[way][i], X_OK) == 0)
            return found[way][i];
    return NULL;
}

static enum name_server_way way_of_host(void)
{
    if (access(RESOLVED_SOCKET, F_OK) == 0 && program_of(NAME_SERVERS_RESOLVED) != NULL)
        return NAME_SERVERS_RESOLVED;
    return program_of(NAME_SERVERS_RESOLVCONF) != NULL ? NAME_SERVERS_RESOLVCONF
                                                       : NAME_SERVERS_FILE;
}

/* tell - runs the program with these words, NULL at the end. If the program is missing, its servers
 * are gone, too. */
static bool tell(enum name_server_way way, const char *const words[], struct span input)
{
    const char *argv[WORDS_MAX + 1] = {program_of(way)};
    size_t n = 1;
    for (size_t i = 0; words[i] != NULL && n < WORDS_MAX; i++)
        argv[n++] = words[i];
    return argv[0] != NULL && program_run((char *const *)argv, environment, input, PATIENCE);
}

static bool resolved_tell(const char *const words[])
{
    return tell(NAME_SERVERS_RESOLVED, words, (struct span){0});
}

/* routed_words - the domains as resolvectl has routing domains: ~corp.example.com. `room` holds the
 * text of the words. */
static void routed_words(const struct domain_list *domains, char room[2 * sizeof(domains->text)],
                         const char *words[DOMAINS_MAX + 1])
{
    struct span domain = {0};
    size_t n = 0;
    while ((domain = domain_list_next(domains, domain)).len > 0) {
        words[n++] = room;
        *room++ = '~';
        memcpy(room, domain.ptr, domain.len);
        room[domain.len] = '\0';
        room += domain.len + 1;
    }
    words[n] = NULL;
}

/* resolved_servers - the words of the servers. Encrypted servers exclude others: a link uses TLS
 * for all its servers, or for none. */
static void resolved_servers(const struct hook_name_servers *wanted,
                             char text[HOOK_DNS][ENCRYPTED_DNS_TEXT], const char *words[HOOK_DNS])
{
    const struct encrypted_dns *encrypted = &wanted->encrypted_dns;
    for (uint8_t i = 0; i < encrypted->n; i++)
        words[i] = encrypted_dns_print(encrypted, i, text[i]);
    for (uint32_t i = 0; encrypted->n == 0 && i < wanted->n; i++)
        words[i] = address_print(&wanted->servers[i], text[i]);
}

/* resolved_set - sets the domains first: a link with servers and without domains serves all names.
 * Over TLS the certificate must have the name of the server; an empty word leaves the choice to the
 * host. */
static bool resolved_set(const struct hook_name_servers *wanted)
{
    char text[HOOK_DNS][ENCRYPTED_DNS_TEXT], room[2 * sizeof(wanted->domains.text)];
    bool split = !domain_list_empty(&wanted->domains);
    const char *dns[HOOK_DNS + 3] = {"dns", wanted->device};
    const char *domain[DOMAINS_MAX + 3] = {"domain", wanted->device, "~."};
    const char *const route[] = {"default-route", wanted->device, split ? "no" : "yes", NULL};
    const char *const over_tls[] = {"dnsovertls", wanted->device,
                                    wanted->encrypted_dns.n > 0 ? "yes" : "", NULL};
    const char *const flush[] = {"flush-caches", NULL};
    if (split)
        routed_words(&wanted->domains, room, domain + 2);
    resolved_servers(wanted, text, dns + 2);
    /* a TLS port is never used without TLS */
    const bool encrypted = wanted->encrypted_dns.n > 0;
    return resolved_tell(route) && resolved_tell(domain) &&
           resolved_tell(encrypted ? over_tls : dns) && resolved_tell(encrypted ? dns : over_tls) &&
           resolved_tell(flush);
}

/* RFC 8598 section 5: at the end what was learned of the domains MUST be forgotten too. */
static bool resolved_unset(const char *device)
{
    const char *const revert[] = {"revert", device, NULL}, *const flush[] = {"flush-caches", NULL};
    return resolved_tell(revert) && resolved_tell(flush);
}

static bool resolvconf_set(const struct hook_name_servers *wanted)
{
    char text[ADDRESS_TEXT_MAX], record[32];
    uint8_t lines[1024];
    struct writer w = writer_of(lines, sizeof(lines));
    for (uint32_t i = 0; i < wanted->n; i++) {
        write_bytes(&w, span_text("nameserver "));
        write_bytes(&w, span_text(address_print(&wanted->servers[i], text)));
        write_bytes(&w, span_text("\n"));
    }
    if (!domain_list_empty(&wanted->domains)) {
        write_bytes(&w, span_text("search "));
        write_bytes(&w, span_text(wanted->domains.text));
        write_bytes(&w, span_text("\n"));
    }
    (void)snprintf(record, sizeof(record), "%s.ikat", wanted->device);
    const char *const words[] = {"-a", record, NULL};
    return tell(NAME_SERVERS_RESOLVCONF, words, span_of(lines, w.len));
}

static bool resolvconf_unset(const char *device)
{
    char record[32];
    (void)snprintf(record, sizeof(record), "%s.ikat", device);
    const char *const drop[] = {"-d", record, NULL};
    return tell(NAME_SERVERS_RESOLVCONF, drop, (struct span){0});
}

/* --- /etc/resolv.conf --- */

/* whole_read - false: the file is missing or too long. */
static bool whole_read(const char *path, struct buffer room, size_t *ret_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;
    size_t len = 0;
    while (fd >= 0 && len < room.len && (n = read(fd, room.ptr + len, room.len - len)) > 0)
        len += (size_t)n;
    if (fd >= 0)
        close(fd);
    *ret_len = len;
    return fd >= 0 && n == 0 && len < room.len;
}

static bool whole_write(int fd, struct span text)
{
    while (text.len > 0) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n <= 0)
            return false;
        text = span_of(text.ptr + n, text.len - (size_t)n);
    }
    return true;
}

/* replaced - replaces the file by a rename, so no reader sees a part of it. false: the folder
 * cannot be written, or another file system is mounted on the file. */
static bool replaced(const char *path, struct span text, mode_t mode)
{
    char beside[PATH_MAX];
    if (snprintf(beside, sizeof(beside), "%s.ikatd", path) >= (int)sizeof(beside))
        return false;
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool done = whole_write(fd, text) && fchmod(fd, mode) == 0 && fsync(fd) == 0 &&
                rename(beside, path) == 0;
    close(fd);
    if (!done)
        (void)unlink(beside);
    return done;
}

static bool overwritten(const char *path, struct span text)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool done = fd >= 0 && whole_write(fd, text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* file_set - writes to the file to which /etc/resolv.conf leads. */
static bool file_set(const struct hook_name_servers *wanted)
{
    static uint8_t before[RESOLV_CONF_MAX], after[RESOLV_CONF_MAX];
    char path[PATH_MAX];
    struct stat status = {.st_mode = 0644};
    size_t len = 0;
    if (realpath(RESOLV_CONF, path) == NULL)
        (void)snprintf(path, sizeof(path), "%s", RESOLV_CONF);
    bool there = stat(path, &status) == 0;
    if (there && !whole_read(path, (struct buffer){before, sizeof(before)}, &len))
        return false;
    const struct resolv_conf_ours ours = {wanted->servers, wanted->n, wanted->domains.text};
    int new_len =
        resolv_conf_edit(span_of(before, len), &ours, (struct buffer){after, sizeof(after)});
    if (new_len < 0)
        return false;
    struct span text = span_of(after, (size_t)new_len);
    if (there && span_equal(text, span_of(before, len)))
        return true;
    return replaced(path, text, status.st_mode & 0777) || overwritten(path, text);
}

/* --- all ways --- */

static const struct hook_name_servers none;

void name_servers_begin(void)
{
    if (!file_set(&none))
        log_line(LOG_LEVEL_WARNING, "event=dns-failed file=%s", RESOLV_CONF);
}

static bool way_unset(enum name_server_way way, const char *device)
{
    switch (way) {
    case NAME_SERVERS_RESOLVED: return resolved_unset(device);
    case NAME_SERVERS_RESOLVCONF: return resolvconf_unset(device);
    case NAME_SERVERS_FILE: return file_set(&none);
    case NAME_SERVERS_UNSET: break;
    }
    return true;
}

void name_servers_end(struct name_servers *servers)
{
    enum name_server_way way = servers->way;
    servers->way = NAME_SERVERS_UNSET;
    if (way == NAME_SERVERS_UNSET)
        return;
    bool done = way_unset(way, servers->device);
    log_line(done ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "event=%s device=%s",
             done ? "dns-restored" : "dns-failed", servers->device);
}

static bool way_set(enum name_server_way way, const struct hook_name_servers *wanted)
{
    switch (way) {
    case NAME_SERVERS_RESOLVED: return resolved_set(wanted);
    case NAME_SERVERS_RESOLVCONF: return resolvconf_set(wanted);
    case NAME_SERVERS_FILE: return file_set(wanted);
    case NAME_SERVERS_UNSET: break;
    }
    return false;
}

/* one_kind - keeps either the plain or the encrypted servers, as this way supports. RFC 9464
 * section 4 RECOMMENDS the encrypted ones. */
static struct hook_name_servers one_kind(enum name_server_way way,
                                         const struct hook_name_servers *wanted)
{
    struct hook_name_servers kept = *wanted;
    if (way != NAME_SERVERS_RESOLVED)
        kept.encrypted_dns = (struct encrypted_dns){.n = 0};
    else if (kept.encrypted_dns.n > 0)
        kept.n = 0;
    return kept;
}

void name_servers_set(struct name_servers *servers, const struct hook_name_servers *wanted)
{
    enum name_server_way way = way_of_host();
    const struct hook_name_servers kept = one_kind(way, wanted);
    uint32_t n = kept.n + kept.encrypted_dns.n;
    if (n == 0 || (servers->way != NAME_SERVERS_UNSET && servers->way != way))
        name_servers_end(servers);
    if (n == 0 && wanted->encrypted_dns.n > 0)
        log_line(LOG_LEVEL_WARNING,
                 "event=dns-failed device=%s reason=\"the Gateway's servers answer over TLS only: "
                 "that needs systemd-resolved\"",
                 wanted->device);
    if (n == 0)
        return;
    static const char *const names[] = {"unset", "systemd-resolved", "resolvconf", RESOLV_CONF};
    bool done = way_set(way, &kept);
    if (!done) /* names must not be sent to a device without servers */
        (void)way_unset(way, wanted->device);
    servers->way = way;
    memcpy(servers->device, wanted->device, sizeof(servers->device));
    log_line(done ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
             "event=%s device=%s servers=%u encrypted=%s domains=\"%s\" by=%s",
             done ? "dns-set" : "dns-failed", wanted->device, n,
             kept.encrypted_dns.n > 0 ? "yes" : "no",
             domain_list_empty(&kept.domains) ? "all" : kept.domains.text, names[way]);
}
