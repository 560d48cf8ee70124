/* SPDX-License-Identifier: Apache-2.0 */
#include "nm/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX      1024
#define ITEMS_MAX      16 /* of a list: as many paths as a connection may have */
#define GATEWAYS_MAX   8
#define INTERFACE_MAX  15
#define FLAG_UNSAVED   2 /* NetworkManager's flags of a secret */
#define FLAG_AGENT     1
#define FLAG_NOT_ASKED 4

enum method { METHOD_PSK, METHOD_EAP, METHOD_PUBKEY };

/* --- the keys --- */

enum key {
    KEY_GATEWAY,
    KEY_METHOD,
    KEY_LOCAL_ID,
    KEY_REMOTE_ID,
    KEY_USER,
    KEY_CERTIFICATE,
    KEY_PRIVATE_KEY,
    KEY_CA,
    KEY_INTERFACES,
    KEY_MULTIPATH,
    KEY_PROPOSALS,
    KEY_ESP_PROPOSALS,
    KEY_REMOTE_TS,
    KEY_ENCAP,
    KEY_LAN,
    KEY_ON_FAILURE,
    KEY_PSK_FLAGS,
    KEY_PASSWORD_FLAGS,
    KEY_KEY_PASSWORD_FLAGS,
    KEYS
};

static const char *const key_names[KEYS] = {
    [KEY_GATEWAY] = "gateway",
    [KEY_METHOD] = "method",
    [KEY_LOCAL_ID] = "local-id",
    [KEY_REMOTE_ID] = "remote-id",
    [KEY_USER] = "user",
    [KEY_CERTIFICATE] = "certificate",
    [KEY_PRIVATE_KEY] = "private-key",
    [KEY_CA] = "ca",
    [KEY_INTERFACES] = "interfaces",
    [KEY_MULTIPATH] = "multipath",
    [KEY_PROPOSALS] = "proposals",
    [KEY_ESP_PROPOSALS] = "esp-proposals",
    [KEY_REMOTE_TS] = "remote-ts",
    [KEY_ENCAP] = "encap",
    [KEY_LAN] = "lan",
    [KEY_ON_FAILURE] = "on-failure",
    [KEY_PSK_FLAGS] = "psk-flags",
    [KEY_PASSWORD_FLAGS] = "password-flags",
    [KEY_KEY_PASSWORD_FLAGS] = "key-password-flags",
};

enum secret { SECRET_PSK, SECRET_PASSWORD, SECRET_KEY_PASSWORD, SECRETS };

static const struct {
    const char *name, *label;
    enum key flags;
} secrets_known[SECRETS] = {
    [SECRET_PSK] = {"psk", "Pre-shared key", KEY_PSK_FLAGS},
    [SECRET_PASSWORD] = {"password", "Password", KEY_PASSWORD_FLAGS},
    [SECRET_KEY_PASSWORD] = {"key-password", "Passphrase of the private key",
                             KEY_KEY_PASSWORD_FLAGS},
};

struct work {
    const char *value[KEYS]; /* NULL: not given, or empty */
    const char *secret[SECRETS];
    enum method method;
    bool no_memory;
    char *why;
};

static bool refuse(const struct work *work, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static bool refuse(const struct work *work, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(work->why, NM_WHY_MAX, format, arguments);
    va_end(arguments);
    return false;
}

/* is_plain - no control character (a line break would be one); octets of UTF-8 pass. */
static bool is_plain(const char *text)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
    return true;
}

/* take_data - keeps one value. An error message prints a name only if it is one of ours, or plain
 * text. */
static bool take_data(struct work *work, const struct nm_value *given)
{
    size_t key = 0;
    while (key < KEYS && strcmp(key_names[key], given->name) != 0)
        key++;
    if (key == KEYS)
        return is_plain(given->name)
                   ? refuse(work, "'%.64s' is not a key that ikat knows", given->name)
                   : refuse(work, "a key has a control character in its name");
    if (strlen(given->value) > VALUE_MAX)
        return refuse(work, "%s: longer than %d characters", key_names[key], VALUE_MAX);
    if (!is_plain(given->value))
        return refuse(work, "%s: has a line break or another control character", key_names[key]);
    if (strpbrk(given->value, "\"'") != NULL)
        return refuse(work, "%s: has a quote", key_names[key]);
    if (given->value[0] != '\0')
        work->value[key] = given->value;
    return true;
}

static bool take_secret(struct work *work, const struct nm_value *given)
{
    size_t i = 0;
    while (i < SECRETS && strcmp(secrets_known[i].name, given->name) != 0)
        i++;
    if (i == SECRETS)
        return is_plain(given->name)
                   ? refuse(work, "'%.64s' is not a secret that ikat knows", given->name)
                   : refuse(work, "a secret has a control character in its name");
    if (strlen(given->value) > VALUE_MAX)
        return refuse(work, "%s: longer than %d characters", secrets_known[i].name, VALUE_MAX);
    if (!is_plain(given->value))
        return refuse(work, "%s: has a line break or another control character",
                      secrets_known[i].name);
    if (given->value[0] != '\0')
        work->secret[i] = given->value;
    return true;
}

static bool read_method(struct work *work)
{
    static const char *const names[] = {
        [METHOD_PSK] = "psk", [METHOD_EAP] = "eap", [METHOD_PUBKEY] = "pubkey"};
    const char *text = work->value[KEY_METHOD];
    if (text == NULL)
        return refuse(work, "method: is missing (psk, eap or pubkey)");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(text, names[i]) == 0) {
            work->method = (enum method)i;
            return true;
        }
    return refuse(work, "method: '%.64s' is not psk, eap or pubkey", text);
}

static bool read_all(const struct nm_settings *settings, struct work *work)
{
    bool ok = true;
    for (size_t i = 0; ok && i < settings->data.n; i++)
        ok = take_data(work, &settings->data.values[i]);
    for (size_t i = 0; ok && i < settings->secrets.n; i++)
        ok = take_secret(work, &settings->secrets.values[i]);
    return ok && read_method(work);
}

/* need_keys - the settings have all keys that the method needs. */
static bool need_keys(const struct work *work)
{
    static const enum key needs[][3] = {
        [METHOD_PSK] = {KEY_GATEWAY, KEY_LOCAL_ID, KEY_GATEWAY},
        [METHOD_EAP] = {KEY_GATEWAY, KEY_USER, KEY_GATEWAY},
        [METHOD_PUBKEY] = {KEY_GATEWAY, KEY_CERTIFICATE, KEY_PRIVATE_KEY}};
    for (size_t i = 0; i < 3; i++)
        if (work->value[needs[work->method][i]] == NULL)
            return refuse(work, "%s: is missing (method %s needs it)",
                          key_names[needs[work->method][i]], work->value[KEY_METHOD]);
    if (work->method != METHOD_PUBKEY && work->value[KEY_PRIVATE_KEY] != NULL)
        return refuse(work, "private-key: only method pubkey has one");
    return true;
}

/* --- secrets that are missing --- */

static unsigned flags_of(const struct work *work, enum secret secret)
{
    const char *text = work->value[secrets_known[secret].flags];
    unsigned flags = 0;
    return text != NULL && sscanf(text, "%3u", &flags) == 1 ? flags : 0;
}

/* is_wanted - the secret has to be asked for. We cannot see whether a private key is encrypted, so
 * the settings decide about its passphrase. */
static bool is_wanted(const struct work *work, enum secret secret)
{
    unsigned flags = flags_of(work, secret);
    if ((flags & FLAG_NOT_ASKED) != 0 || work->secret[secret] != NULL)
        return false;
    switch (secret) {
    case SECRET_PSK: return work->method == METHOD_PSK;
    case SECRET_PASSWORD: return work->method == METHOD_EAP;
    case SECRET_KEY_PASSWORD:
        return work->method == METHOD_PUBKEY && (flags & (FLAG_AGENT | FLAG_UNSAVED)) != 0;
    case SECRETS: break;
    }
    return false;
}

static const char *missing_of(const struct work *work)
{
    for (size_t i = 0; i < SECRETS; i++)
        if (is_wanted(work, (enum secret)i))
            return secrets_known[i].name;
    return NULL;
}

const char *nm_secret_missing(const struct nm_settings *settings)
{
    char why[NM_WHY_MAX];
    struct work work = {.why = why};
    return read_all(settings, &work) ? missing_of(&work) : NULL;
}

const char *nm_secret_label(const char *name)
{
    for (size_t i = 0; i < SECRETS; i++)
        if (strcmp(name, secrets_known[i].name) == 0)
            return secrets_known[i].label;
    return name;
}

/* --- the messages --- */

static struct tree *add(struct work *work, struct tree *parent, struct tree *child)
{
    if (child == NULL || parent == NULL) {
        work->no_memory = true;
        return tree_free(child);
    }
    tree_append(parent, child);
    return child;
}

static struct tree *section(struct work *work, struct tree *parent, const char *name)
{
    return add(work, parent, tree_new(TREE_SECTION, name));
}

static void put(struct work *work, struct tree *parent, const char *name, const char *text)
{
    if (text != NULL)
        (void)add(work, parent, tree_value(name, span_of(text, strlen(text))));
}

/* put_list - adds the items of `text`. Commas or spaces separate them: nmcli itself separates keys
 * by commas. Returns how many. */
static size_t put_list(struct work *work, struct tree *parent, const char *name, const char *text)
{
    size_t n = 0;
    struct tree *list = add(work, parent, tree_new(TREE_LIST, name));
    for (text += strspn(text, " ,"); *text != '\0'; text += strspn(text, " ,")) {
        size_t len = strcspn(text, " ,");
        if (add(work, list, tree_value("", span_of(text, len))) != NULL)
            n++;
        text += len;
    }
    return n;
}

static bool put_gateways(struct work *work, struct tree *conn)
{
    const char *text = work->value[KEY_GATEWAY];
    size_t n = text == NULL ? 0 : put_list(work, conn, "remote_addrs", text);
    if (n == 0 || n > GATEWAYS_MAX)
        return refuse(work, "gateway: needs 1 to %d addresses or names", GATEWAYS_MAX);
    return true;
}

/* put_paths - adds one path for each interface. With failover the first path has the best priority.
 * In the other modes all paths have the same priority. */
static bool put_paths(struct work *work, struct tree *conn)
{
    const char *mode = work->value[KEY_MULTIPATH];
    const char *text = work->value[KEY_INTERFACES] != NULL ? work->value[KEY_INTERFACES] : "auto";
    bool ranked = mode == NULL || strcmp(mode, "failover") == 0;
    put(work, conn, "multipath", mode);
    if (mode == NULL && work->value[KEY_INTERFACES] == NULL)
        return true; /* one VPN, which follows the interface that works */
    struct tree *names = tree_new(TREE_SECTION, ""), *paths = section(work, conn, "paths");
    size_t n = put_list(work, names, "", text);
    bool ok = n > 0 && n <= ITEMS_MAX;
    if (!ok)
        (void)refuse(work, "interfaces: needs 1 to %d names", ITEMS_MAX);
    const struct tree *item = names == NULL || names->first == NULL ? NULL : names->first->first;
    for (unsigned i = 1; ok && item != NULL; item = item->next, i++) {
        char name[16], priority[16];
        ok = item->len <= INTERFACE_MAX && strchr(tree_value_text(item), '/') == NULL;
        if (!ok)
            (void)refuse(work, "interfaces: '%.64s' is not the name of an interface",
                         tree_value_text(item));
        (void)snprintf(name, sizeof(name), "path%u", i);
        (void)snprintf(priority, sizeof(priority), "%u", ranked ? i : 1);
        struct tree *path = section(work, paths, name);
        put(work, path, "interface", tree_value_text(item));
        put(work, path, "priority", priority);
    }
    tree_free(names);
    return ok;
}

/* remote_id - without the key, the Gateway has the identity by which it is reached. */
static void remote_id(const struct work *work, char out[VALUE_MAX + 1])
{
    const char *text = work->value[KEY_REMOTE_ID], *gateway = work->value[KEY_GATEWAY];
    size_t len = text == NULL ? 0 : strlen(text);
    if (text == NULL && gateway != NULL) {
        text = gateway + strspn(gateway, " ,");
        len = strcspn(text, " ,");
    }
    if (text != NULL)
        memcpy(out, text, len);
    out[len] = '\0';
}

static void put_logins(struct work *work, struct tree *conn, const char *gateway)
{
    static const char *const auth[] = {
        [METHOD_PSK] = "psk", [METHOD_EAP] = "eap", [METHOD_PUBKEY] = "pubkey"};
    struct tree *local = section(work, conn, "local"), *remote = section(work, conn, "remote");
    const char *id = work->value[KEY_LOCAL_ID];
    put(work, local, "auth", auth[work->method]);
    put(work, local, "id", id == NULL ? work->value[KEY_USER] : id);
    if (work->method == METHOD_EAP)
        put(work, local, "eap_id", work->value[KEY_USER]);
    put(work, remote, "auth", work->method == METHOD_PSK ? "psk" : "pubkey");
    put(work, remote, "id", gateway);
}

/* put_child - adds the child. With on_failure = block ikatd logs in again until a person ends the connection, so
 * that no packet leaves in the clear. With bypass NetworkManager learns that the session is lost. */
static void put_child(struct work *work, struct tree *conn, bool persists)
{
    const char *remote_ts = work->value[KEY_REMOTE_TS];
    struct tree *child = section(work, section(work, conn, "children"), "net");
    (void)put_list(work, child, "remote_ts", remote_ts == NULL ? "0.0.0.0/0, ::/0" : remote_ts);
    if (work->value[KEY_ESP_PROPOSALS] != NULL)
        (void)put_list(work, child, "esp_proposals", work->value[KEY_ESP_PROPOSALS]);
    put(work, child, "dpd_action", persists ? "restart" : "none");
    put(work, child, "close_action", persists ? "start" : "none");
}

static void put_shared(struct work *work, struct nm_plan *plan, const char *gateway)
{
    bool psk = work->method == METHOD_PSK;
    struct tree *owners;
    plan->shared = tree_new(TREE_SECTION, "");
    put(work, plan->shared, "id", plan->conn);
    put(work, plan->shared, "type", psk ? "IKE" : "EAP");
    put(work, plan->shared, "data", work->secret[psk ? SECRET_PSK : SECRET_PASSWORD]);
    owners = add(work, plan->shared, tree_new(TREE_LIST, "owners"));
    put(work, owners, "", work->value[psk ? KEY_LOCAL_ID : KEY_USER]);
    if (psk)
        put(work, owners, "", gateway);
}

/* read_uuid - into the names at ikatd. NetworkManager's UUIDs are lower case. */
static bool read_uuid(const struct work *work, const char *uuid, struct nm_plan *plan)
{
    size_t device = strlen("ikat");
    if (strlen(uuid) != 36 || strspn(uuid, "0123456789abcdef-") != 36)
        return refuse(work, "the UUID of the connection is not one");
    (void)snprintf(plan->conn, sizeof(plan->conn), NM_CONN_PREFIX "%s", uuid);
    (void)snprintf(plan->device, sizeof(plan->device), "ikat");
    for (const char *c = uuid; *c != '\0' && device + 1 < sizeof(plan->device); c++)
        if (*c != '-')
            plan->device[device++] = *c;
    return true;
}

static bool put_conn(struct work *work, struct nm_plan *plan)
{
    char gateway[VALUE_MAX + 1];
    const char *on_failure = work->value[KEY_ON_FAILURE];
    remote_id(work, gateway);
    plan->persists = on_failure == NULL || strcmp(on_failure, "block") == 0;
    plan->load = tree_new(TREE_SECTION, "");
    struct tree *conn = section(work, plan->load, plan->conn);
    put(work, conn, "version", "2");
    put(work, conn, "device", plan->device);
    put(work, conn, "install_dns", "no");   /* NetworkManager sets the name servers of the host */
    put(work, conn, "encrypted_dns", "no"); /* it takes none that answer over TLS */
    (void)put_list(work, conn, "vips", "0.0.0.0, ::");
    put(work, conn, "on_failure", plan->persists ? "block" : on_failure);
    put(work, conn, "lan", work->value[KEY_LAN]);
    put(work, conn, "encap", work->value[KEY_ENCAP]);
    if (work->value[KEY_PROPOSALS] != NULL)
        (void)put_list(work, conn, "proposals", work->value[KEY_PROPOSALS]);
    put_logins(work, conn, gateway);
    put_child(work, conn, plan->persists);
    if (work->method != METHOD_PUBKEY)
        put_shared(work, plan, gateway);
    return put_gateways(work, conn) && put_paths(work, conn);
}

bool nm_plan_build(const struct nm_settings *settings, struct nm_plan *ret_plan,
                   char why[NM_WHY_MAX])
{
    struct work work = {.why = why};
    struct nm_plan plan = {.persists = false};
    why[0] = '\0';
    if (!read_all(settings, &work) || !need_keys(&work) || !read_uuid(&work, settings->uuid, &plan))
        return false;
    const char *missing = missing_of(&work);
    if (missing != NULL)
        return refuse(&work, "%s: the secret is missing", missing);
    bool ok = put_conn(&work, &plan);
    if (ok && work.no_memory)
        ok = refuse(&work, "no memory");
    if (!ok) {
        nm_plan_done(&plan);
        return false;
    }
    plan.certificate = work.value[KEY_CERTIFICATE];
    plan.private_key = work.value[KEY_PRIVATE_KEY];
    plan.ca = work.value[KEY_CA];
    plan.key_password = work.secret[SECRET_KEY_PASSWORD];
    *ret_plan = plan;
    return true;
}

void nm_plan_done(struct nm_plan *plan)
{
    plan->load = tree_free(plan->load);
    plan->shared = tree_free(plan->shared);
}

bool nm_plan_file(struct nm_plan *plan, bool ca, struct span octets)
{
    struct tree *side = tree_get(plan->load->first, ca ? "remote" : "local");
    struct tree *list = tree_new(TREE_LIST, ca ? "cacerts" : "certs");
    struct tree *item = tree_value("", octets);
    if (side == NULL || list == NULL || item == NULL) {
        tree_free(list);
        tree_free(item);
        return false;
    }
    tree_append(list, item);
    tree_append(side, list);
    return true;
}

bool nm_failure_is_login(const char *outcome)
{
    static const char *const logins[] = {"auth-failed", "peer-auth-failed", "no-secret",
                                         "id-mismatch"};
    for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
        size_t len = strlen(logins[i]);
        if (strncmp(outcome, logins[i], len) == 0 && (outcome[len] == '\0' || outcome[len] == ':'))
            return true;
    }
    return false;
}
