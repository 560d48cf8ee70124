/* SPDX-License-Identifier: Apache-2.0 */
#include "nm/vici_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/secret.h"

#define FILE_OCTETS  65536
#define ANSWER_MS    10000
#define INITIATE_MS  50000 /* NetworkManager gives up after 60 s */
#define TERMINATE_MS 3000  /* a dead gateway does not answer the Delete */

/* --- files --- */

struct file {
    size_t len;
    uint8_t octets[FILE_OCTETS];
};

static bool file_read(const char *path, struct file *file, char error[NM_ERROR_MAX])
{
    struct stat status = {.st_size = 0};
    const char *why = path[0] == '/' ? NULL : "is not an absolute path";
    int fd = why == NULL ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    if (why == NULL && (fd < 0 || fstat(fd, &status) != 0))
        why = strerror(errno);
    if (why == NULL && (!S_ISREG(status.st_mode) || status.st_size > FILE_OCTETS))
        why = "is no regular file of at most 64 KiB";
    ssize_t got = why == NULL ? read(fd, file->octets, sizeof(file->octets)) : -1;
    if (why == NULL && got < 0)
        why = strerror(errno);
    if (fd >= 0)
        (void)close(fd);
    if (why != NULL)
        (void)snprintf(error, NM_ERROR_MAX, "%.300s: %s", path, why);
    file->len = got < 0 ? 0 : (size_t)got;
    return why == NULL;
}

/* --- requests --- */

/* settled - takes the response. */
static bool settled(struct tree *response, const char *what, char error[NM_ERROR_MAX])
{
    bool ok = response != NULL && strcmp(tree_text_or(response, "success", "no"), "yes") == 0;
    if (response == NULL)
        (void)snprintf(error, NM_ERROR_MAX, "ikatd did not answer; see its log");
    else if (!ok)
        (void)snprintf(error, NM_ERROR_MAX, "%s%.400s", what,
                       tree_text_or(response, "errmsg", "no reason given"));
    tree_free(response);
    return ok;
}

static bool load(struct client *client, const char *command, const struct tree *message,
                 char error[NM_ERROR_MAX])
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    vici_tree(&w, message);
    return settled(client_request(client, &w, NULL, NULL, ANSWER_MS), "", error);
}

/* ask - a request without arguments. NULL: no answer. */
static struct tree *ask(struct client *client, const char *command)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    return client_request(client, &w, NULL, NULL, ANSWER_MS);
}

static const struct tree *items_of(const struct tree *response, const char *list)
{
    const struct tree *items = response == NULL ? NULL : tree_get(response, list);
    return items == NULL ? NULL : items->first;
}

static bool has_item(const struct tree *response, const char *list, const char *text)
{
    for (const struct tree *item = items_of(response, list); item != NULL; item = item->next)
        if (strcmp(tree_value_text(item), text) == 0)
            return true;
    return false;
}

/* has_others - other connections of NetworkManager are loaded, which may use the same private key. */
static bool has_others(const struct tree *response, const char *conn)
{
    for (const struct tree *item = items_of(response, "conns"); item != NULL; item = item->next)
        if (strncmp(tree_value_text(item), NM_CONN_PREFIX, strlen(NM_CONN_PREFIX)) == 0 &&
            strcmp(tree_value_text(item), conn) != 0)
            return true;
    return false;
}

static bool load_key(struct client *client, const struct nm_plan *plan, const struct file *file,
                     char key_id[64], char error[NM_ERROR_MAX])
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "load-key");
    vici_put(&w, "type", "any");
    vici_octets(&w, "data", span_of(file->octets, file->len));
    if (plan->key_password != NULL)
        vici_octets(&w, "secret", span_of(plan->key_password, strlen(plan->key_password)));
    struct tree *before = ask(client, "get-keys");
    struct tree *response = client_request(client, &w, NULL, NULL, ANSWER_MS);
    const char *id = response == NULL ? "" : tree_text_or(response, "id", "");
    /* ikatd had the key before: do not unload it at the end */
    if (before != NULL && !has_item(before, "keys", id))
        (void)snprintf(key_id, 64, "%.63s", id);
    tree_free(before);
    return settled(response, "private-key: ", error);
}

static bool load_files(struct client *client, struct nm_plan *plan, char key_id[64],
                       char error[NM_ERROR_MAX])
{
    struct file *file = calloc(1, sizeof(*file));
    bool ok = file != NULL;
    if (file == NULL)
        (void)snprintf(error, NM_ERROR_MAX, "no memory");
    for (int ca = 0; ok && ca <= 1; ca++) {
        const char *path = ca == 1 ? plan->ca : plan->certificate;
        if (path == NULL)
            continue;
        ok = file_read(path, file, error);
        if (ok && !nm_plan_file(plan, ca == 1, span_of(file->octets, file->len))) {
            (void)snprintf(error, NM_ERROR_MAX, "no memory");
            ok = false;
        }
    }
    if (ok && plan->private_key != NULL)
        ok = file_read(plan->private_key, file, error) &&
             load_key(client, plan, file, key_id, error);
    if (file != NULL)
        wipe(file, sizeof(*file));
    free(file);
    return ok;
}

bool nm_session_load(const char *socket, struct nm_plan *plan, char key_id[64],
                     char error[NM_ERROR_MAX])
{
    key_id[0] = '\0';
    struct client *client = client_open(socket, error);
    if (client == NULL)
        return false;
    bool ok = load_files(client, plan, key_id, error) &&
              (plan->shared == NULL || load(client, "load-shared", plan->shared, error)) &&
              load(client, "load-conn", plan->load, error);
    client_close(client);
    return ok;
}

bool nm_session_initiate(const char *socket, const char *conn, char error[NM_ERROR_MAX])
{
    struct vici_writer w;
    struct client *client = client_open(socket, error);
    if (client == NULL)
        return false;
    vici_begin(&w, VICI_CMD_REQUEST, "initiate");
    vici_put(&w, "ike", "%s", conn);
    vici_put(&w, "first-child", "yes");
    vici_put(&w, "timeout", "%d", INITIATE_MS);
    bool ok = settled(client_request(client, &w, NULL, NULL, INITIATE_MS + 5000), "", error);
    client_close(client);
    return ok;
}

enum nm_answer nm_session_grant(const char *socket, const char *conn, struct nm_grant *ret_grant)
{
    char error[NM_ERROR_MAX];
    struct client *client = client_open(socket, error);
    struct tree *sessions =
        client == NULL ? NULL : client_list(client, "list-sessions", "list-session");
    struct tree *sas = client == NULL ? NULL : client_list(client, "list-sas", "list-sa");
    enum nm_answer answer = sessions == NULL || sas == NULL                 ? NM_UNKNOWN
                            : nm_grant_read(sessions, sas, conn, ret_grant) ? NM_YES
                                                                            : NM_NO;
    tree_free(sessions);
    tree_free(sas);
    client_close(client);
    return answer;
}

enum nm_answer nm_session_is_loaded(const char *socket, const char *conn)
{
    char error[NM_ERROR_MAX];
    struct client *client = client_open(socket, error);
    struct tree *response = client == NULL ? NULL : ask(client, "get-conns");
    enum nm_answer answer = response == NULL                    ? NM_UNKNOWN
                            : has_item(response, "conns", conn) ? NM_YES
                                                                : NM_NO;
    tree_free(response);
    client_close(client);
    return answer;
}

/* tell - sends a request that may fail: its object may have ended already. */
static void tell(struct client *client, const char *command, const char *key, const char *value)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, command);
    vici_put(&w, key, "%s", value);
    if (strcmp(command, "terminate") == 0) {
        vici_put(&w, "hold", "yes");
        vici_put(&w, "timeout", "%d", TERMINATE_MS);
    }
    tree_free(client_request(client, &w, NULL, NULL, ANSWER_MS));
}

void nm_session_end(const char *socket, const char *conn, const char *key_id)
{
    char error[NM_ERROR_MAX];
    struct client *client = client_open(socket, error);
    if (client == NULL)
        return; /* ikatd has ended, with all that it had loaded */
    tell(client, "terminate", "ike", conn);
    tell(client, "unload-conn", "name", conn);
    tell(client, "unload-shared", "id", conn);
    if (key_id[0] != '\0') {
        struct tree *conns = ask(client, "get-conns");
        if (conns != NULL && !has_others(conns, conn))
            tell(client, "unload-key", "id", key_id);
        tree_free(conns);
    }
    client_close(client);
}
