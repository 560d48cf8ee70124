/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/aaa/aaa_tls.h"

#include <stdio.h>

#include <openssl/err.h>

#include "wire/iana.h"

bool aaa_tls_home_init(struct aaa_tls_home *home, int key_fd, int verifier_fd)
{
    home->channels = (struct eap_channels){key_fd, verifier_fd};
    home->doors = eap_doors_of(&home->channels);
    return tls_library_init(&home->library);
}

/* --- doors --- */

static int sign(void *context, const struct eap_signature *signature, struct writer *ret_signature)
{
    struct aaa_tls_terms *terms = context;
    const struct eap_doors *doors = &terms->home->doors;
    struct key_tls wanted = {.kind = (uint32_t)signature->scheme.kind,
                             .hash = (uint32_t)signature->scheme.hash};
    memcpy(wanted.key_id, signature->key_id, sizeof(wanted.key_id));
    int error = doors->sign(doors->context, &wanted, signature->octets, ret_signature);
    terms->refused = error != 0;
    return error;
}

static void question_make(const struct aaa_server *server, struct verifier_tls *ret)
{
    const struct aaa_tls *tls = &server->tls;
    *ret = (struct verifier_tls){.of = TLS_OF_RADIUS_SERVER, .identity = tls->id};
    memcpy(ret->conn, server->name, sizeof(ret->conn));
    ret->policy.revocation = (uint8_t)tls->revocation;
    ret->policy.n_cas = (uint8_t)tls->n_cas;
    memcpy(ret->policy.cas, tls->cas, sizeof(ret->policy.cas));
}

/* check - waits for the verifier, which waits for nothing. */
static int check(void *context, const struct span *certs, size_t n,
                 char ret_reason[RADIUS_TLS_REASON])
{
    static uint8_t room[VERIFIER_CHAIN * VERIFIER_CERT_MAX];
    const struct aaa_tls_terms *terms = context;
    const struct eap_doors *doors = &terms->home->doors;
    struct writer w = writer_of(room, sizeof(room));
    struct verifier_answer answer;
    struct verifier_tls wanted;
    question_make(terms->server, &wanted);
    for (size_t i = 0; i < n && i < VERIFIER_CHAIN; i++) {
        wanted.cert_lengths[wanted.n_certs++] = (uint32_t)certs[i].len;
        write_bytes(&w, certs[i]);
    }
    if (writer_failed(&w))
        return ERR_INVALID;
    int error = doors->check(doors->context, &wanted, writer_span(&w), &answer);
    if (error != 0)
        return error;
    (void)snprintf(ret_reason, RADIUS_TLS_REASON, "%s", answer.reason);
    return answer.error;
}

/* --- terms --- */

static void config_make(struct aaa_tls_terms *terms, struct radius_tls_config *config)
{
    const struct aaa_tls *tls = &terms->server->tls;
    struct reader r = reader_of(span_of(tls->octets, sizeof(tls->octets)));
    *config = (struct radius_tls_config){
        .library = terms->home->library.context, .check = check, .context = terms};
    while (config->n_certs < tls->n_certs)
        config->certs[config->n_certs] = read_bytes(&r, tls->lengths[config->n_certs]),
        config->n_certs++;
    if (tls->id.type == ID_FQDN)
        memcpy(config->server, tls->id.data, tls->id.len);
}

int aaa_tls_terms_begin(struct aaa_tls_terms *terms, struct aaa_tls_home *home,
                        const struct aaa_server *server)
{
    struct radius_tls_config config;
    *terms = (struct aaa_tls_terms){
        .home = home, .server = server, .signer = {.sign = sign, .context = terms}};
    config_make(terms, &config);
    X509 *ours = tls_certificate_read(home->library.context, config.certs[0]);
    config.key = ours == NULL ? NULL : tls_key_new(&home->library, &terms->signer, ours);
    X509_free(ours);
    int error = config.key == NULL ? ERR_INVALID : radius_tls_new(&config, &terms->tls);
    EVP_PKEY_free(config.key);
    ERR_clear_error();
    return error;
}

void aaa_tls_terms_end(struct aaa_tls_terms *terms)
{
    terms->tls = radius_tls_free(terms->tls);
}
