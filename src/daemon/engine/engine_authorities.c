/* SPDX-License-Identifier: Apache-2.0 */
/* The loaded authorities: each trusts its CA, as a file of x509ca does. */
#include <stdlib.h>

#include "daemon/common/log.h"
#include "daemon/engine/engine_state.h"

struct loaded_authority {
    UT_hash_handle hh;
    struct engine_authority authority;
};

static struct loaded_authority *authority_find(const struct engine *e, const char *name)
{
    struct loaded_authority *loaded;
    HASH_FIND_STR(e->authorities, name, loaded);
    return loaded;
}

static bool ca_shared(const struct engine *e, const struct loaded_authority *one)
{
    for (const struct loaded_authority *other = e->authorities; other != NULL;
         other = other->hh.next)
        if (other != one &&
            memcmp(other->authority.digest, one->authority.digest, CERT_DIGEST) == 0)
            return true;
    return false;
}

static void uris_join(struct engine_uris *all, const struct engine_uris *some)
{
    for (uint8_t i = 0; i < some->n && all->n < AUTHORITY_URIS; i++)
        memcpy(all->text[all->n++], some->text[i], AUTHORITY_URI);
}

/* uris_tell - sends the URIs of the CA, from all its sections. */
static int uris_tell(struct engine *e, const uint8_t digest[CERT_DIGEST])
{
    struct verifier_request request = {.kind = VERIFIER_AUTHORITY};
    struct verifier_authority *told = &request.authority;
    memcpy(told->digest, digest, CERT_DIGEST);
    for (const struct loaded_authority *one = e->authorities; one != NULL; one = one->hh.next)
        if (memcmp(one->authority.digest, digest, CERT_DIGEST) == 0) {
            uris_join(&told->crl, &one->authority.crl);
            uris_join(&told->ocsp, &one->authority.ocsp);
            if (told->cert_uri_base[0] == '\0')
                memcpy(told->cert_uri_base, one->authority.cert_uri_base, AUTHORITY_URI);
        }
    int error = engine_loading_add(e, NULL, &request.job);
    return error != 0 ? error : engine_verifier_send(e, &request, (struct span){0});
}

static int drop(struct engine *e, struct loaded_authority *loaded)
{
    bool shared = ca_shared(e, loaded);
    uint8_t digest[CERT_DIGEST];
    memcpy(digest, loaded->authority.digest, CERT_DIGEST);
    HASH_DEL(e->authorities, loaded);
    free(loaded);
    return shared ? uris_tell(e, digest) : engine_cert_unload(e, CERT_ROLE_AUTHORITY, digest);
}

int engine_authority_load(struct engine *e, const struct engine_authority *authority,
                          const struct engine_reply *reply)
{
    struct loaded_authority *old = authority_find(e, authority->name);
    struct loaded_authority *loaded = calloc(1, sizeof(*loaded));
    if (loaded == NULL)
        return ERR_NO_MEMORY;
    int error = engine_cert_load(e, CERT_ROLE_AUTHORITY, authority->octets, reply);
    if (error != 0) {
        free(loaded);
        return error;
    }
    loaded->authority = *authority;
    loaded->authority.octets = (struct span){0};
    if (old != NULL && memcmp(old->authority.digest, authority->digest, CERT_DIGEST) != 0)
        error = drop(e, old);
    else if (old != NULL) { /* the CA stays the same, so it stays trusted */
        HASH_DEL(e->authorities, old);
        free(old);
    }
    HASH_ADD_STR(e->authorities, authority.name, loaded);
    if (!TABLE_HAS(loaded)) {
        free(loaded);
        return ERR_NO_MEMORY;
    }
    return error != 0 ? error : uris_tell(e, loaded->authority.digest);
}

int engine_authority_unload(struct engine *e, const char *name)
{
    struct loaded_authority *loaded = authority_find(e, name);
    return loaded == NULL ? ERR_NOT_FOUND : drop(e, loaded);
}

static bool authority_in(const struct engine_load *load, const char *name)
{
    for (size_t i = 0; i < load->n_authorities; i++)
        if (strcmp(load->authorities[i].name, name) == 0)
            return true;
    return false;
}

int engine_authorities_switch(struct engine *e, const struct engine_load *load)
{
    struct loaded_authority *loaded, *next;
    int error = 0;
    for (size_t i = 0; error == 0 && i < load->n_authorities; i++)
        error = engine_authority_load(e, &load->authorities[i], NULL);
    HASH_ITER(hh, e->authorities, loaded, next)
    if (error == 0 && !authority_in(load, loaded->authority.name))
        error = drop(e, loaded);
    return error;
}

const struct engine_authority *engine_authority_at(const struct engine *e, size_t index)
{
    const struct loaded_authority *loaded = e->authorities;
    while (loaded != NULL && index-- > 0)
        loaded = loaded->hh.next;
    return loaded == NULL ? NULL : &loaded->authority;
}

void engine_authorities_done(struct engine *e)
{
    struct loaded_authority *loaded, *next;
    HASH_ITER(hh, e->authorities, loaded, next)
    {
        HASH_DEL(e->authorities, loaded);
        free(loaded);
    }
}
