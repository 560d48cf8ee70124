/* SPDX-License-Identifier: Apache-2.0 */
/* `ikat unlock`: loads keys and containers whose passphrase a person types. It opens PKCS#12
 * containers itself, as swanctl does; the daemon opens keys. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/container.h"
#include "ctl/commands.h"
#include "ctl/passphrase.h"

#define ANSWER_MS 10000
#define TRIES     3 /* for a person; a script has one */

/* struct locked - a file, and its passphrase. */
struct locked {
    const char *path;
    uint8_t octets[CONTAINER_MAX];
    size_t len;
    struct secret passphrase;
};

static int file_complain(const struct locked *file, const char *why)
{
    (void)fprintf(stderr, "ikat: %s: %s\n", file->path, why);
    return 1;
}

/* file_read - reads the file. false: it failed, and the reason is printed. */
static bool file_read(struct locked *file)
{
    struct stat status;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool regular = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    bool fits = regular && status.st_size <= (off_t)sizeof(file->octets);
    ssize_t got = fits ? read(fd, file->octets, sizeof(file->octets)) : -1;
    if (got < 0)
        (void)file_complain(file, fd < 0 || fits ? strerror(errno)
                                  : regular      ? "is longer than 64 KiB"
                                                 : "is not a regular file");
    file->len = got < 0 ? 0 : (size_t)got;
    if (fd >= 0)
        (void)close(fd);
    return got >= 0;
}

/* --- to the daemon --- */

static int load(struct client *client, struct vici_writer *w, const struct locked *file,
                const char *loaded)
{
    struct tree *response = client_request(client, w, NULL, NULL, ANSWER_MS);
    int code = 0;
    if (response == NULL)
        code = ctl_complain("the daemon did not answer; see its log");
    else if (strcmp(tree_text_or(response, "success", "no"), "yes") != 0)
        code = file_complain(file, tree_text_or(response, "errmsg", "no reason given"));
    else
        printf("%s: %s\n", file->path, loaded);
    tree_free(response);
    return code;
}

static int load_key(struct client *client, const struct locked *file, struct span octets,
                    struct span passphrase)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "load-key");
    vici_put(&w, "type", "any");
    vici_octets(&w, "data", octets);
    if (passphrase.len > 0)
        vici_octets(&w, "secret", passphrase);
    return load(client, &w, file, "the private key is loaded");
}

static int load_cert(struct client *client, const struct locked *file, struct span der)
{
    struct vici_writer w;
    vici_begin(&w, VICI_CMD_REQUEST, "load-cert");
    vici_put(&w, "type", "X509");
    vici_put(&w, "flag", "NONE");
    vici_octets(&w, "data", der);
    return load(client, &w, file, "a certificate is loaded");
}

static int load_items(struct client *client, const struct locked *file, struct span octets)
{
    struct reader items = reader_of(octets);
    enum container_item kind;
    struct span item;
    int code = 0;
    while (code == 0 && container_next(&items, &kind, &item))
        code = kind == CONTAINER_KEY ? load_key(client, file, item, (struct span){0})
                                     : load_cert(client, file, item);
    return code;
}

/* --- one file --- */

/* is_container - whether the file is PKCS#12. A PFX begins with its version, 3 (RFC 7292 section
 * 4); no kind of key begins so. */
static bool is_container(const struct locked *file)
{
    static const uint8_t version[] = {2, 1, 3};
    return file->len > 8 && file->octets[0] == 0x30 &&
           memmem(file->octets, 8, version, sizeof(version)) != NULL;
}

static int file_load(struct client *client, const struct locked *file)
{
    static uint8_t items[CONTAINER_MAX];
    struct writer w = writer_of(items, sizeof(items));
    struct span octets = span_of(file->octets, file->len);
    struct span passphrase = secret_span(&file->passphrase);
    const char *why;
    if (!is_container(file))
        return load_key(client, file, octets, passphrase);
    int error = container_unpack(octets, passphrase, &w, &why);
    int code = error != 0 ? file_complain(file, why == NULL ? "cannot be read" : why)
                          : load_items(client, file, writer_span(&w));
    wipe(items, sizeof(items));
    return code;
}

static int file_unlock(struct client *client, struct locked *file)
{
    int tries = isatty(STDIN_FILENO) == 1 ? TRIES : 1, code = 1;
    if (!file_read(file))
        return 1;
    while (code != 0 && tries-- > 0) {
        if (!passphrase_read(file->path, &file->passphrase))
            return file_complain(file, "no passphrase was given, or one of more than 512 octets");
        code = file_load(client, file);
    }
    return code;
}

int command_unlock(const struct ctl_options *options, char **arguments, int n)
{
    static struct locked file;
    struct client *client = ctl_connect(options);
    int code = client == NULL ? 1 : 0;
    if (!container_init())
        (void)fprintf(
            stderr, "ikat: OpenSSL's legacy provider is missing: old containers cannot be read\n");
    for (int i = 0; client != NULL && i < n; i++) {
        file.path = arguments[i];
        code |= file_unlock(client, &file);
        wipe(&file, sizeof(file));
    }
    client_close(client);
    return code;
}
