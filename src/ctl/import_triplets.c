/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of GSM triplets that strongSwan's plugin eap-sim-file reads. ikat has triplets in the
 * secret of the EAP identity. A line of the file:
 *
 *     identity,RAND,SRES,Kc     the last three in hexadecimal digits
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "ctl/config_text.h"
#include "ctl/config_view.h"
#include "ctl/import.h"

#define LINE         1024
#define DIGITS       56 /* of a triplet: RAND 32, SRES 8, Kc 16 */
#define RAND_DIGITS  32
#define LEAST        3 /* triplets of a challenge */
#define MOST         9 /* that a secret of 256 octets has room for */
#define IDENTITY_MAX 253
#define SECRET       (2 + MOST * DIGITS + 1)

struct line {
    char *identity;
    char digits[DIGITS + 1];
};

/* digits_take - the next field of the line: that many hexadecimal digits. */
static bool digits_take(char **rest, size_t n, char *to)
{
    char *field = strsep(rest, ",");
    if (field == NULL || strlen(field) != n || strspn(field, "0123456789abcdefABCDEF") != n)
        return false;
    memcpy(to, field, n + 1);
    return true;
}

static bool line_read(char *text, struct line *ret)
{
    char *rest = text;
    ret->identity = strsep(&rest, ",");
    return ret->identity[0] != '\0' && strlen(ret->identity) <= IDENTITY_MAX &&
           digits_take(&rest, RAND_DIGITS, ret->digits) &&
           digits_take(&rest, 8, ret->digits + RAND_DIGITS) &&
           digits_take(&rest, 16, ret->digits + 40) && rest == NULL;
}

/* secret_of - the section of the identity that this file made; NULL: it has made none. */
static struct tree *secret_of(struct tree *secrets, const char *identity)
{
    for (struct tree *secret = secrets->first; secret != NULL; secret = secret->next)
        if (strncmp(secret->name, "eap-triplets-", 13) == 0 &&
            strcmp(config_text(secret, "id", ""), identity) == 0)
            return secret;
    return NULL;
}

/* rand_known - the identity has a triplet with that RAND already. A Gateway must not send one RAND twice
 * (RFC 4186 section 10.9). */
static bool rand_known(struct tree *secrets, const struct line *line)
{
    const struct tree *secret = secret_of(secrets, line->identity);
    const char *all = secret == NULL ? "0x" : config_text(secret, "secret", "0x");
    for (const char *at = all + 2; *at != '\0'; at += DIGITS)
        if (strncasecmp(at, line->digits, RAND_DIGITS) == 0)
            return true;
    return false;
}

/* triplet_put - appends the triplet to the secret of its identity. false: the secret has no room. */
static bool triplet_put(struct tree *secrets, const struct line *line, unsigned n)
{
    char name[32], all[SECRET];
    struct tree *secret = secret_of(secrets, line->identity);
    if (secret == NULL) {
        (void)snprintf(name, sizeof(name), "eap-triplets-%u", n);
        secret = config_section(secrets, name, NULL);
        config_put(secret, "id", "%s", line->identity);
    }
    const char *before = config_text(secret, "secret", "0x");
    if (strlen(before) + DIGITS >= sizeof(all))
        return false;
    (void)snprintf(all, sizeof(all), "%s%s", before, line->digits);
    config_put(secret, "secret", "%s", all);
    return true;
}

/* few_remove - the protocol takes at least LEAST triplets for a challenge. */
static void few_remove(struct import *import, struct tree *secrets, const char *path)
{
    struct tree *next;
    for (struct tree *secret = secrets->first; secret != NULL; secret = next) {
        next = secret->next;
        if (strncmp(secret->name, "eap-triplets-", 13) != 0 ||
            strlen(config_text(secret, "secret", "")) >= 2 + LEAST * DIGITS)
            continue;
        findings_add(&import->remarks, "refused", path, "%.80s has less than %d triplets",
                     config_text(secret, "id", ""), LEAST);
        tree_remove(secrets, secret);
    }
}

void import_triplets(struct import *import, const char *path)
{
    char text[LINE], where[FINDING_WHERE];
    struct line line;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    struct tree *secrets = config_section(import->root, "secrets", NULL);
    findings_add(&import->remarks, "differs", path,
                 "its triplets for EAP-SIM are secrets of the new configuration");
    for (unsigned n = 1; secrets != NULL && fgets(text, sizeof(text), file) != NULL; n++) {
        text[strcspn(text, "\r\n")] = '\0';
        if (text[0] == '\0' || text[0] == '#')
            continue;
        (void)snprintf(where, sizeof(where), "%.200s:%u", path, n);
        if (!line_read(text, &line))
            findings_add(&import->remarks, "refused", where, "no identity,RAND,SRES,Kc");
        else if (rand_known(secrets, &line))
            findings_add(&import->remarks, "left-out", where, "%.80s has this RAND already",
                         line.identity);
        else if (!triplet_put(secrets, &line, n))
            findings_add(&import->remarks, "left-out", where, "%.80s has %d triplets already",
                         line.identity, MOST);
    }
    (void)fclose(file);
    if (secrets != NULL)
        few_remove(import, secrets, path);
}
