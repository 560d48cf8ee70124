/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/tables/credentials.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "base/table.h"
#include "wire/certificate.h"

#define BIT(role) (1u << (role))

struct entry {
    UT_hash_handle hh;
    struct credential_cert cert;
    uint8_t octets[];
};

struct key_entry {
    UT_hash_handle hh;
    uint8_t id[KEY_ID_SIZE];
};

struct policy_entry {
    UT_hash_handle hh;
    uint32_t number;
    struct cert_policy policy;
};

struct credentials {
    size_t n_policies, policies_cap;
    struct policy_entry **policies; /* number - 1 is the index */
    /* the same by policy: hundreds of thousands of rounds look up theirs */
    struct policy_entry *by_policy;
    struct entry *certs;
    struct key_entry *keys;
};

struct credentials *credentials_new(void)
{
    return calloc(1, sizeof(struct credentials));
}

struct credentials *credentials_free(struct credentials *c)
{
    struct entry *cert, *next_cert;
    struct key_entry *key, *next_key;
    if (c == NULL)
        return NULL;
    HASH_ITER(hh, c->certs, cert, next_cert)
    {
        HASH_DEL(c->certs, cert);
        free(cert);
    }
    HASH_ITER(hh, c->keys, key, next_key)
    {
        HASH_DEL(c->keys, key);
        free(key);
    }
    HASH_CLEAR(hh, c->by_policy);
    for (size_t i = 0; i < c->n_policies; i++)
        free(c->policies[i]);
    free(c->policies);
    free(c);
    return NULL;
}

/* --- policies --- */

static int policies_reserve(struct credentials *c)
{
    size_t cap = c->policies_cap == 0 ? 16 : 2 * c->policies_cap;
    if (c->n_policies < c->policies_cap)
        return 0;
    struct policy_entry **policies = reallocarray(c->policies, cap, sizeof(c->policies[0]));
    if (policies == NULL)
        return ERR_NO_MEMORY;
    c->policies = policies;
    c->policies_cap = cap;
    return 0;
}

uint32_t credentials_policy_add(struct credentials *c, const struct cert_policy *policy)
{
    struct policy_entry *entry;
    /* by its octets: the struct was zero before it was filled */
    HASH_FIND(hh, c->by_policy, policy, sizeof(*policy), entry);
    if (entry != NULL)
        return entry->number;
    entry = policies_reserve(c) == 0 ? malloc(sizeof(*entry)) : NULL;
    if (entry == NULL)
        return 0;
    memset(entry, 0, sizeof(*entry));
    memcpy(&entry->policy, policy, sizeof(*policy)); /* with its padding */
    HASH_ADD(hh, c->by_policy, policy, sizeof(entry->policy), entry);
    if (!TABLE_HAS(entry)) {
        free(entry);
        return 0;
    }
    c->policies[c->n_policies++] = entry;
    entry->number = (uint32_t)c->n_policies;
    return entry->number;
}

const struct cert_policy *credentials_policy(const struct credentials *c, uint32_t number)
{
    return number == 0 || number > c->n_policies ? NULL : &c->policies[number - 1]->policy;
}

/* --- certificates --- */

static struct entry *cert_find(const struct credentials *c, const uint8_t digest[CERT_DIGEST])
{
    struct entry *entry;
    HASH_FIND(hh, c->certs, digest, CERT_DIGEST, entry);
    return entry;
}

/* cert_fill - fills in the summary of the certificate in entry->octets. */
static bool cert_fill(struct credential_cert *cert, enum cert_role role)
{
    struct wire_certificate outline = {.key_info = cert->octets};
    bool sound = cert_role_is_pubkey(role) ? wire_key_info_read(cert->octets, &outline.key)
                                           : wire_certificate_read(cert->octets, &outline);
    if (!sound)
        return false;
    cert->subject = outline.subject;
    SHA1(outline.key.ptr, outline.key.len, cert->key_id);
    SHA1(outline.key_info.ptr, outline.key_info.len, cert->info_id);
    return true;
}

bool credentials_cert_sound(enum cert_role role, struct span octets)
{
    struct credential_cert cert = {.octets = octets};
    return octets.len > 0 && octets.len <= VERIFIER_CERT_MAX && cert_fill(&cert, role);
}

static int cert_new(struct credentials *c, enum cert_role role, struct span octets,
                    const uint8_t digest[CERT_DIGEST], struct entry **ret_entry)
{
    struct entry *entry = calloc(1, sizeof(*entry) + octets.len);
    if (entry == NULL)
        return ERR_NO_MEMORY;
    memcpy(entry->octets, octets.ptr, octets.len);
    memcpy(entry->cert.digest, digest, CERT_DIGEST);
    entry->cert.octets = span_of(entry->octets, octets.len);
    if (!cert_fill(&entry->cert, role)) {
        free(entry);
        return ERR_INVALID;
    }
    HASH_ADD(hh, c->certs, cert.digest, CERT_DIGEST, entry);
    if (!TABLE_HAS(entry)) {
        free(entry);
        return ERR_NO_MEMORY;
    }
    *ret_entry = entry;
    return 0;
}

int credentials_cert_add(struct credentials *c, enum cert_role role, struct span octets,
                         const struct credential_cert **ret_cert, bool *ret_new)
{
    uint8_t digest[CERT_DIGEST];
    if (octets.len == 0 || octets.len > VERIFIER_CERT_MAX)
        return ERR_INVALID;
    SHA256(octets.ptr, octets.len, digest);
    struct entry *entry = cert_find(c, digest);
    int error = entry == NULL ? cert_new(c, role, octets, digest, &entry) : 0;
    if (error != 0)
        return error;
    *ret_new = (entry->cert.roles & BIT(role)) == 0;
    entry->cert.roles |= BIT(role);
    *ret_cert = &entry->cert;
    return 0;
}

void credentials_cert_remove(struct credentials *c, enum cert_role role,
                             const uint8_t digest[CERT_DIGEST])
{
    struct entry *entry = cert_find(c, digest);
    if (entry == NULL)
        return;
    entry->cert.roles &= ~BIT(role);
    if (entry->cert.roles == 0) {
        HASH_DEL(c->certs, entry);
        free(entry);
    }
}

const struct credential_cert *credentials_cert_at(const struct credentials *c, size_t index)
{
    const struct entry *entry = c->certs;
    while (entry != NULL && index-- > 0)
        entry = entry->hh.next;
    return entry == NULL ? NULL : &entry->cert;
}

/* --- private keys --- */

static struct key_entry *key_find(const struct credentials *c, const uint8_t key_id[KEY_ID_SIZE])
{
    struct key_entry *entry;
    HASH_FIND(hh, c->keys, key_id, KEY_ID_SIZE, entry);
    return entry;
}

int credentials_key_add(struct credentials *c, const uint8_t key_id[KEY_ID_SIZE])
{
    if (key_find(c, key_id) != NULL)
        return 0;
    struct key_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return ERR_NO_MEMORY;
    memcpy(entry->id, key_id, KEY_ID_SIZE);
    HASH_ADD(hh, c->keys, id, KEY_ID_SIZE, entry);
    if (TABLE_HAS(entry))
        return 0;
    free(entry);
    return ERR_NO_MEMORY;
}

bool credentials_key_remove(struct credentials *c, const uint8_t key_id[KEY_ID_SIZE])
{
    struct key_entry *entry = key_find(c, key_id);
    if (entry == NULL)
        return false;
    HASH_DEL(c->keys, entry);
    free(entry);
    return true;
}

bool credentials_key_known(const struct credentials *c, const uint8_t key_id[KEY_ID_SIZE])
{
    return key_find(c, key_id) != NULL;
}

const uint8_t *credentials_key_at(const struct credentials *c, size_t index)
{
    const struct key_entry *entry = c->keys;
    while (entry != NULL && index-- > 0)
        entry = entry->hh.next;
    return entry == NULL ? NULL : entry->id;
}
