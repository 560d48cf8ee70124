/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_stage.h"

#include <openssl/sha.h>
#include <stdlib.h>

#include "base/secret.h"
#include "daemon/common/aaa_channel.h"
#include "radius/radius_client.h"

struct vici_stage {
    struct engine_load load;
    size_t conns_cap, pools_cap, secrets_cap, certs_cap, keys_cap, authorities_cap;
    bool broken;
};

struct vici_stage *vici_stage_new(uint64_t number)
{
    struct vici_stage *stage = calloc(1, sizeof(*stage));
    if (stage != NULL)
        stage->load.number = number;
    return stage;
}

/* owned - objects that the load borrows. */
static void *owned(const void *octets)
{
    return (void *)(uintptr_t)octets;
}

static void secret_free(const void *octets, size_t len)
{
    if (octets != NULL)
        wipe(owned(octets), len);
    free(owned(octets));
}

static void credentials_free_all(struct engine_load *load)
{
    for (size_t i = 0; i < load->n_secrets; i++)
        secret_free(load->secrets[i].octets, load->secrets[i].n_octets);
    for (size_t i = 0; i < load->n_keys; i++) {
        secret_free(load->keys[i].octets.ptr, load->keys[i].octets.len);
        secret_free(load->keys[i].passphrase.ptr, load->keys[i].passphrase.len);
    }
    for (size_t i = 0; i < load->n_certs; i++)
        free(owned(load->certs[i].octets.ptr));
    for (size_t i = 0; i < load->n_authorities; i++)
        free(owned(load->authorities[i].octets.ptr));
    if (load->radius != NULL)
        wipe(load->radius, load->n_radius * sizeof(load->radius[0]));
    free(load->secrets);
    free(load->keys);
    free(load->certs);
    free(load->authorities);
    free(load->radius);
}

struct vici_stage *vici_stage_free(struct vici_stage *stage)
{
    if (stage == NULL)
        return NULL;
    struct engine_load *load = &stage->load;
    for (size_t i = 0; i < load->n_conns; i++)
        ike_conn_unref(load->conns[i]);
    credentials_free_all(load);
    free(load->conns);
    free(load->pools);
    free(stage);
    return NULL;
}

/* room - for one more. */
static bool room(void *list, size_t n, size_t *cap, size_t size)
{
    void **pointer = list;
    if (n < *cap)
        return true;
    size_t more = *cap == 0 ? 16 : 2 * *cap;
    void *grown = reallocarray(*pointer, more, size);
    if (grown == NULL)
        return false;
    *pointer = grown;
    *cap = more;
    return true;
}

/* copied - NULL and *ret_ok false: no memory. NULL stays NULL. */
static struct span copied(struct span octets, bool *ret_ok)
{
    uint8_t *copy = octets.len == 0 ? NULL : malloc(octets.len);
    *ret_ok = octets.len == 0 || copy != NULL;
    if (copy != NULL)
        memcpy(copy, octets.ptr, octets.len);
    return span_of(copy, copy == NULL ? 0 : octets.len);
}

static int conn_certs(struct vici_stage *stage, const struct conn_credentials *credentials)
{
    int error = 0;
    for (size_t i = 0; error == 0 && i < credentials->n_certs; i++) {
        const struct conn_cert *own = &credentials->certs[i];
        const struct engine_cert cert = {.role = own->role,
                                         .octets = span_of(own->octets, own->len)};
        error = credentials_cert_sound(cert.role, cert.octets) ? vici_stage_cert(stage, &cert)
                                                               : ERR_INVALID;
    }
    return error;
}

int vici_stage_conn(struct vici_stage *stage, struct ike_conn *conn,
                    const struct conn_credentials *credentials)
{
    struct engine_load *load = &stage->load;
    if (!room(&load->conns, load->n_conns, &stage->conns_cap, sizeof(load->conns[0])))
        return ERR_NO_MEMORY;
    load->conns[load->n_conns++] = ike_conn_ref(conn);
    return conn_certs(stage, credentials);
}

int vici_stage_pool(struct vici_stage *stage, const struct pool_config *pool)
{
    struct engine_load *load = &stage->load;
    if (!room(&load->pools, load->n_pools, &stage->pools_cap, sizeof(load->pools[0])))
        return ERR_NO_MEMORY;
    load->pools[load->n_pools++] = *pool;
    return 0;
}

int vici_stage_secret(struct vici_stage *stage, const struct engine_secret *secret)
{
    struct engine_load *load = &stage->load;
    if (secret->id[0] == '\0')
        return ERR_INVALID;
    bool ok = room(&load->secrets, load->n_secrets, &stage->secrets_cap, sizeof(load->secrets[0]));
    struct span octets =
        ok ? copied(span_of(secret->octets, secret->n_octets), &ok) : (struct span){0};
    if (!ok)
        return ERR_NO_MEMORY;
    load->secrets[load->n_secrets] = *secret;
    load->secrets[load->n_secrets++].octets = octets.ptr;
    return 0;
}

int vici_stage_cert(struct vici_stage *stage, const struct engine_cert *cert)
{
    struct engine_load *load = &stage->load;
    bool ok = room(&load->certs, load->n_certs, &stage->certs_cap, sizeof(load->certs[0]));
    struct span octets = ok ? copied(cert->octets, &ok) : (struct span){0};
    if (!ok)
        return ERR_NO_MEMORY;
    load->certs[load->n_certs] = *cert;
    load->certs[load->n_certs].octets = octets;
    SHA256(octets.ptr, octets.len, load->certs[load->n_certs++].digest);
    return 0;
}

int vici_stage_key(struct vici_stage *stage, struct span octets, struct span passphrase)
{
    struct engine_load *load = &stage->load;
    struct engine_key key = {.id = {0}};
    bool ok = room(&load->keys, load->n_keys, &stage->keys_cap, sizeof(load->keys[0])), more = true;
    if (ok)
        key.octets = copied(octets, &ok);
    if (ok)
        key.passphrase = copied(passphrase, &more);
    if (!ok || !more) {
        secret_free(key.octets.ptr, key.octets.len);
        return ERR_NO_MEMORY;
    }
    load->keys[load->n_keys++] = key;
    return 0;
}

int vici_stage_key_held(struct vici_stage *stage, const uint8_t key_id[KEY_ID_SIZE])
{
    int error = vici_stage_key(stage, (struct span){0}, (struct span){0});
    if (error == 0)
        vici_stage_key_id(stage, key_id);
    return error;
}

void vici_stage_key_id(struct vici_stage *stage, const uint8_t key_id[KEY_ID_SIZE])
{
    if (stage->load.n_keys > 0)
        memcpy(stage->load.keys[stage->load.n_keys - 1].id, key_id, KEY_ID_SIZE);
}

int vici_stage_authority(struct vici_stage *stage, const struct engine_authority *authority)
{
    struct engine_load *load = &stage->load;
    bool ok = room(&load->authorities, load->n_authorities, &stage->authorities_cap,
                   sizeof(load->authorities[0]));
    struct span octets = ok ? copied(authority->octets, &ok) : (struct span){0};
    if (!ok)
        return ERR_NO_MEMORY;
    load->authorities[load->n_authorities] = *authority;
    load->authorities[load->n_authorities++].octets = octets;
    return 0;
}

/* radius_certs - the CAs that a server's section names go to the verifier, with those of connections. */
static int radius_certs(struct vici_stage *stage, const struct aaa_tls *tls)
{
    struct reader r = reader_of(span_of(tls->octets, sizeof(tls->octets)));
    int error = 0;
    for (uint32_t i = 0; error == 0 && i < tls->n_certs + tls->n_cas; i++) {
        const struct engine_cert cert = {.role = CERT_ROLE_CONN,
                                         .octets = read_bytes(&r, tls->lengths[i])};
        if (i >= tls->n_certs)
            error = vici_stage_cert(stage, &cert);
    }
    return error;
}

int vici_stage_radius(struct vici_stage *stage, const struct aaa_server *server)
{
    struct engine_load *load = &stage->load;
    if (load->n_radius == RADIUS_SERVERS)
        return ERR_FULL;
    if (load->radius == NULL) /* never moved in memory: it contains secrets */
        load->radius = calloc(RADIUS_SERVERS, sizeof(load->radius[0]));
    if (load->radius == NULL)
        return ERR_NO_MEMORY;
    load->radius[load->n_radius++] = *server;
    return radius_certs(stage, &server->tls);
}

void vici_stage_files(struct vici_stage *stage)
{
    stage->load.files = true;
}

void vici_stage_break(struct vici_stage *stage)
{
    stage->broken = true;
}

bool vici_stage_broken(const struct vici_stage *stage)
{
    return stage->broken;
}

const struct engine_load *vici_stage_load(const struct vici_stage *stage)
{
    return &stage->load;
}
