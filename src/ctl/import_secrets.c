/* SPDX-License-Identifier: Apache-2.0 */
/* Converts the entries of ipsec.secrets to sections of `secrets`. */
#include <stdio.h>
#include <strings.h>

#include "ctl/config_text.h"
#include "ctl/config_view.h"
#include "ctl/import.h"

/* secret_put - a quoted secret is text. If it begins like a number (0x, 0s), it is written in
 * hexadecimal, so that ikatd does not decode it. */
static void secret_put(struct tree *to, const struct tree *from)
{
    const char *text = config_text(from, "word-1", "");
    bool quoted = tree_get(from, "quoted") != NULL;
    char hex[2 * 512 + 1];
    size_t len = strlen(text);
    if (!quoted || text[0] != '0' || (text[1] != 'x' && text[1] != 's') || len > 512) {
        config_put(to, "secret", "%s", text);
        return;
    }
    for (size_t i = 0; i < len; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
    config_put(to, "secret", "0x%s", hex);
}

static void ids_put(struct tree *to, const struct tree *from)
{
    for (const struct tree *id = from->first; id != NULL; id = id->next)
        if (strncmp(id->name, "id-", 3) == 0)
            config_put(to, id->name, "%s", tree_value_text(id));
}

static void shared_put(struct import *import, const struct tree *from, const char *kind, unsigned n)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s-%u", kind, n);
    struct tree *to = config_section(config_section(import->root, "secrets", from), name, from);
    ids_put(to, from);
    secret_put(to, from);
}

/* key_put - adds a section for a file of the folder private, with its passphrase if it has one. */
static void key_put(struct import *import, const struct tree *from, unsigned n)
{
    char name[32], where[FINDING_WHERE];
    const char *file = config_text(from, "word-1", ""), *pass = config_text(from, "word-2", "");
    const char *slash = strrchr(file, '/');
    findings_add(&import->remarks, "to-do", findings_where(from, where),
                 "put the private key %.200s into the folder private beside the configuration",
                 file);
    if (pass[0] == '\0' || strcasecmp(pass, "%prompt") == 0)
        return;
    (void)snprintf(name, sizeof(name), "private-%u", n);
    struct tree *to = config_section(config_section(import->root, "secrets", from), name, from);
    config_put(to, "file", "%s", slash == NULL ? file : slash + 1);
    config_put(to, "secret", "%s", pass);
}

void import_ipsec_secrets(const struct ipsec_conf *conf, struct import *import)
{
    unsigned n = 0;
    char where[FINDING_WHERE];
    for (const struct tree *from = conf->secrets->first; from != NULL; from = from->next) {
        const char *type = config_text(from, "type", "");
        const char *word = config_text(from, "word-1", "");
        n++;
        if (word[0] == '\0' || word[0] == '{')
            findings_add(
                &import->remarks, "refused", findings_where(from, where),
                "a secret of type %.20s without a value, or a raw RSA key: take a PEM file", type);
        else if (strcasecmp(type, "PSK") == 0)
            shared_put(import, from, "ike", n);
        else if (strcasecmp(type, "EAP") == 0)
            shared_put(import, from, "eap", n);
        else if (strcasecmp(type, "NTLM") == 0)
            shared_put(import, from, "ntlm", n);
        else if (strcasecmp(type, "RSA") == 0 || strcasecmp(type, "ECDSA") == 0 ||
                 strcasecmp(type, "PKCS8") == 0)
            key_put(import, from, n);
        else
            findings_add(&import->remarks, "refused", findings_where(from, where),
                         "ikat has no secrets of type %.20s%s", type,
                         strcasecmp(type, "XAUTH") == 0 ? ", which is of IKEv1" : "");
    }
}
