/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/eap/eap_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/secret.h"
#include "daemon/common/eap_methods.h"
#include "daemon/process/load_door.h"
#include "eap/name_book.h"
#include "ike/terms/identity.h"
#include "wire/iana.h"

#define EAP_SECRETS       4096
#define EAP_CONVERSATIONS (LIMIT_HALF_OPEN + LIMIT_PATIENT)

struct conversation_slot {
    uint32_t number; /* 0: free */
    struct eap_peer *peer;
    struct eap_authenticator *authenticator; /* exactly one of them */
    char pattern[LIMIT_ID / 2];              /* pattern for the proven identity; empty: any */
    struct eap_tls_slot *tls;                /* owned; NULL: no method of TLS */
    struct eap_result *proven; /* owned: a success that did not match `pattern`; NULL: none */
};

/* struct eap_tls_slot - the part of a conversation that TLS needs. */
struct eap_tls_slot {
    struct eap_tls tls;
    struct eap_tls_terms terms;
    const struct eap_doors *doors;
    uint8_t octets[]; /* our certificates */
};

/* struct eap_stage - the secrets of a load that is being prepared. */
struct eap_stage {
    size_t n;
    struct eap_load secrets[EAP_SECRETS];
};

struct eap_service {
    struct eap_crypto *crypto;
    const struct random *random;
    const struct eap_doors *doors;
    struct eap_secrets lookup;
    size_t n;
    struct eap_load secrets[EAP_SECRETS];
    /* of USIMs, as authenticator: the highest sequence number that was used */
    uint64_t sqns[EAP_SECRETS];
    struct name_book *given; /* owned: the names that we gave, as authenticator */
    struct usim_book *usims; /* of our USIMs, as peer */
    struct eap_name_store store;
    struct conversation_slot slots[EAP_CONVERSATIONS];
    struct load_stages stages;
    unsigned staging; /* the place of the loader that came last */
    struct eap_stage staged[LOAD_STAGES];
};

/* --- secrets --- */

static bool owner_is(const struct ike_id *owner, struct span identity)
{
    return span_equal(span_of(owner->data, owner->len), identity);
}

static const struct eap_load *secret_choose(const struct eap_service *s, struct span identity)
{
    const struct eap_load *anybodys = NULL;
    for (size_t i = 0; i < s->n; i++) {
        const struct eap_load *load = &s->secrets[i];
        for (size_t j = 0; j < load->n_owners; j++)
            if (owner_is(&load->owners[j], identity))
                return load;
        if (load->n_owners == 0)
            anybodys = load;
    }
    return anybodys;
}

static int secret_find(void *context, struct span identity, struct eap_secret *ret)
{
    const struct eap_load *load = secret_choose(context, identity);
    if (load == NULL)
        return ERR_NOT_FOUND;
    *ret = (struct eap_secret){.kind = (enum eap_secret_kind)load->kind, .len = load->len};
    memcpy(ret->octets, load->octets, load->len);
    return 0;
}

static uint64_t *secret_sqn(struct eap_service *s, struct span identity)
{
    const struct eap_load *load = secret_choose(s, identity);
    return load == NULL ? NULL : &s->sqns[load - s->secrets];
}

static bool sqn_take(void *context, struct span identity, uint64_t sqn, uint64_t *ret_highest)
{
    const struct eap_service *s = context;
    return usim_book_sqn_take(s->usims, identity, sqn, ret_highest);
}

/* 3GPP TS 33.102 annex C.1.1.3: from a clock, so that it is new after a restart too. The lowest 5
 * bits are IND. */
static uint64_t sqn_next(void *context, struct span identity, uint64_t above)
{
    uint64_t *highest = secret_sqn(context, identity);
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    uint64_t sqn = ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000) << 5;
    if (highest != NULL && sqn <= *highest)
        sqn = *highest + 32;
    if (sqn <= above)
        sqn = above + 32;
    if (highest != NULL)
        *highest = sqn;
    return sqn & ((UINT64_C(1) << 48) - 1);
}

/* --- names of SIM and AKA --- */

static uint32_t hour_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)(now.tv_sec / 3600);
}

static bool names_get(void *context, struct span permanent, struct eap_names *ret)
{
    const struct eap_service *s = context;
    return usim_book_names(s->usims, permanent, ret);
}

static void names_put(void *context, struct span permanent, const struct eap_names *names)
{
    const struct eap_service *s = context;
    usim_book_keep(s->usims, permanent, names);
}

static enum eap_name_kind given_find(void *context, enum eap_type type, struct span name,
                                     struct eap_named *ret)
{
    const struct eap_service *s = context;
    return name_book_find(s->given, type, name, hour_now(), ret);
}

static size_t pseudonym_make(void *context, enum eap_type type, struct span permanent,
                             uint8_t ret[EAP_IDENTITY])
{
    const struct eap_service *s = context;
    return name_book_pseudonym(s->given, type, permanent, hour_now(), ret);
}

static size_t reauth_make(void *context, enum eap_type type, struct span permanent,
                          uint8_t ret[EAP_IDENTITY])
{
    const struct eap_service *s = context;
    return name_book_reauth(s->given, type, permanent, ret);
}

static void reauth_put(void *context, struct span reauth_id, const struct eap_named *named)
{
    const struct eap_service *s = context;
    name_book_put(s->given, reauth_id, named, hour_now());
}

/* --- loads --- */

static bool name_sound(const char *name)
{
    size_t len = strnlen(name, LIMIT_NAME);
    return len > 0 && len < LIMIT_NAME;
}

static struct eap_load *secret_named(struct eap_load *secrets, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(secrets[i].name, name) == 0)
            return &secrets[i];
    return NULL;
}

static bool load_sound(const struct eap_load *load)
{
    bool sound = name_sound(load->name) && load->len > 0 && load->len <= sizeof(load->octets) &&
                 load->n_owners <= EAP_OWNERS &&
                 (load->kind == EAP_SECRET_PASSWORD || load->kind == EAP_SECRET_NT_HASH);
    for (size_t i = 0; sound && i < load->n_owners; i++)
        sound = load->owners[i].len <= sizeof(load->owners[i].data);
    return sound;
}

/* secret_put - in the place of the one of that name; `most` there may be. */
static int secret_put(struct eap_load *secrets, size_t *n, size_t most, const struct eap_load *load)
{
    if (!load_sound(load))
        return ERR_INVALID;
    struct eap_load *place = secret_named(secrets, *n, load->name);
    if (place == NULL && *n >= most)
        return ERR_FULL;
    if (place == NULL)
        place = &secrets[(*n)++];
    *place = *load;
    return 0;
}

static void secret_remove(struct eap_service *s, struct eap_load *place)
{
    s->sqns[place - s->secrets] = s->sqns[--s->n];
    s->sqns[s->n] = 0;
    *place = s->secrets[s->n];
    wipe(&s->secrets[s->n], sizeof(s->secrets[0]));
}

static int secret_unload(struct eap_service *s, const char *name)
{
    struct eap_load *place = name_sound(name) ? secret_named(s->secrets, s->n, name) : NULL;
    if (place == NULL)
        return ERR_NOT_FOUND;
    secret_remove(s, place);
    return 0;
}

static void secrets_clear(struct eap_service *s)
{
    wipe(s->secrets, s->n * sizeof(s->secrets[0]));
    memset(s->sqns, 0, s->n * sizeof(s->sqns[0])); /* they are of those USIMs */
    s->n = 0;
}

/* --- loads of whole configurations --- */

/* named - by a client. The engine gives the other secrets names that no client can say. */
static bool named(const struct eap_load *load)
{
    return (unsigned char)load->name[0] >= ' ';
}

static void stage_empty(struct eap_stage *stage)
{
    wipe(stage->secrets, stage->n * sizeof(stage->secrets[0]));
    stage->n = 0;
}

void eap_service_stage_begin(struct eap_service *s, uint64_t number)
{
    s->staging = load_stages_begin(&s->stages, number);
    stage_empty(&s->staged[s->staging]);
}

void eap_service_stage_answer(struct eap_service *s, struct eap_request *request,
                              struct eap_answer *ret)
{
    struct eap_stage *stage = &s->staged[s->staging];
    size_t most = EAP_SECRETS;
    *ret = (struct eap_answer){.job = request->job, .error = ERR_INVALID};
    for (size_t i = 0; i < s->n; i++)
        most -= !named(&s->secrets[i]); /* those stay */
    if (request->kind == EAP_LOAD)
        ret->error = secret_put(stage->secrets, &stage->n, most, &request->load);
    wipe(&request->load, sizeof(request->load));
}

/* stage_switch - a secret that keeps its name keeps its sequence number. */
static int stage_switch(struct eap_service *s, struct eap_stage *stage)
{
    int error = 0;
    for (size_t i = s->n; i-- > 0;)
        if (named(&s->secrets[i]) &&
            secret_named(stage->secrets, stage->n, s->secrets[i].name) == NULL)
            secret_remove(s, &s->secrets[i]);
    for (size_t i = 0; error == 0 && i < stage->n; i++)
        error = secret_put(s->secrets, &s->n, EAP_SECRETS, &stage->secrets[i]);
    return error;
}

static int stage_end(struct eap_service *s, uint64_t number, bool commit)
{
    unsigned place = load_stages_end(&s->stages, number);
    if (place == LOAD_STAGES)
        return commit ? ERR_NOT_FOUND : 0;
    int error = commit ? stage_switch(s, &s->staged[place]) : 0;
    stage_empty(&s->staged[place]);
    return error;
}

/* --- TLS --- */

static int tls_sign(void *context, const struct eap_signature *signature,
                    struct writer *ret_signature)
{
    const struct eap_tls_slot *slot = context;
    struct key_tls wanted = {.kind = (uint32_t)signature->scheme.kind,
                             .hash = (uint32_t)signature->scheme.hash};
    memcpy(wanted.key_id, signature->key_id, sizeof(wanted.key_id));
    return slot->doors->sign(slot->doors->context, &wanted, signature->octets, ret_signature);
}

/* identity_of - the identity as the certificate spells it. Limits are by identity, so one
 * certificate must not log in under several spellings, as "anna@x", "email:anna@x" and
 * "email:#616e6e614078" would be. */
static bool identity_of(struct span octets, struct ike_id *ret_id)
{
    char text[EAP_IDENTITY + 1], printed[IDENTITY_TEXT_MAX];
    if (identity_from_eap(octets, ret_id) && ret_id->type == ID_DER_ASN1_DN)
        return !identity_is_pattern(ret_id); /* the session has its text */
    if (octets.len == 0 || octets.len >= sizeof(text) || memchr(octets.ptr, 0, octets.len) != NULL)
        return false;
    memcpy(text, octets.ptr, octets.len);
    text[octets.len] = '\0';
    return identity_parse(text, ret_id) == 0 && ret_id->type != ID_ANY &&
           !identity_is_pattern(ret_id) && strcmp(identity_print(ret_id, printed), text) == 0;
}

static int tls_check(void *context, const struct eap_chain *chain, struct eap_vouched *ret_vouched,
                     char ret_reason[EAP_REASON])
{
    static uint8_t room[VERIFIER_CHAIN * VERIFIER_CERT_MAX];
    const struct eap_tls_slot *slot = context;
    struct writer w = writer_of(room, sizeof(room));
    struct verifier_answer answer;
    struct verifier_tls wanted = {.of = chain->of_server ? TLS_OF_EAP_SERVER : TLS_OF_USER,
                                  .policy = slot->terms.policy,
                                  .identity = slot->terms.server};
    memcpy(wanted.conn, slot->terms.conn, sizeof(wanted.conn));
    if (!chain->of_server && !identity_of(chain->identity, &wanted.identity)) {
        (void)snprintf(ret_reason, EAP_REASON, "the EAP identity cannot be one of a certificate");
        return ERR_AUTH;
    }
    for (size_t i = 0; i < chain->n && i < VERIFIER_CHAIN; i++) {
        wanted.cert_lengths[wanted.n_certs++] = (uint32_t)chain->certs[i].len;
        write_bytes(&w, chain->certs[i]);
    }
    if (writer_failed(&w))
        return ERR_INVALID;
    int error = slot->doors->check(slot->doors->context, &wanted, writer_span(&w), &answer);
    if (error != 0)
        return error;
    (void)snprintf(ret_reason, EAP_REASON, "%.*s", EAP_REASON - 1, answer.reason);
    *ret_vouched = (struct eap_vouched){.not_after = answer.not_after, .chain = answer.chain};
    return answer.error;
}

static int tls_begin(const struct eap_service *s, const struct eap_tls_terms *terms,
                     struct span octets, struct eap_tls_slot **ret)
{
    struct reader r = reader_of(octets);
    bool sound = terms->n_certs <= EAP_CERTS && octets.len <= EAP_CHAIN_MAX &&
                 memchr(terms->conn, 0, sizeof(terms->conn)) != NULL &&
                 terms->server.len <= sizeof(terms->server.data);
    for (size_t i = 0; sound && i < terms->n_certs; i++)
        (void)read_bytes(&r, terms->cert_lengths[i]);
    (void)read_bytes(&r, terms->ocsp_length);
    if (!sound || !reader_done(&r))
        return ERR_INVALID;
    struct eap_tls_slot *slot = calloc(1, sizeof(*slot) + octets.len);
    if (slot == NULL)
        return ERR_NO_MEMORY;
    slot->terms = *terms;
    slot->doors = s->doors;
    slot->tls = (struct eap_tls){
        .n_certs = terms->n_certs, .sign = tls_sign, .check = tls_check, .context = slot};
    if (octets.len > 0)
        memcpy(slot->octets, octets.ptr, octets.len);
    r = reader_of(span_of(slot->octets, octets.len));
    for (size_t i = 0; i < terms->n_certs; i++)
        slot->tls.certs[i] = read_bytes(&r, terms->cert_lengths[i]);
    slot->tls.ocsp = read_bytes(&r, terms->ocsp_length);
    *ret = slot;
    return 0;
}

/* --- conversations --- */

static struct conversation_slot *slot_find(struct eap_service *s, uint32_t number)
{
    for (size_t i = 0; i < EAP_CONVERSATIONS; i++)
        if (s->slots[i].number == number)
            return &s->slots[i];
    return NULL;
}

static void slot_end(struct conversation_slot *slot)
{
    eap_peer_free(slot->peer);
    eap_authenticator_free(slot->authenticator);
    free(slot->tls);
    if (slot->proven != NULL)
        eap_result_done(slot->proven);
    free(slot->proven);
    *slot = (struct conversation_slot){0};
}

static bool step_sound(const struct eap_step_request *step)
{
    return step->conversation != 0 && step->n_methods <= EAP_METHODS &&
           step->identity_len <= EAP_IDENTITY &&
           memchr(step->pattern, 0, sizeof(step->pattern)) != NULL &&
           step->packet_len <= EAP_PACKET;
}

/* identity_check - the proof is right, but the connection may not be for this person (eap_id). Then
 * the success is kept, because another connection may accept it. */
static void identity_check(struct conversation_slot *slot, struct eap_answer *ret)
{
    struct eap_result *result = &ret->result;
    if (result->verdict != EAP_SUCCEEDED || slot->authenticator == NULL ||
        identity_fits_eap(slot->pattern, span_of(result->identity, result->identity_len)))
        return;
    if (slot->proven == NULL)
        slot->proven = malloc(sizeof(*slot->proven));
    if (slot->proven != NULL)
        *slot->proven = *result;
    eap_result_refuse(result, "the identity that was proven is not one of eap_id");
    ret->unfit = slot->proven != NULL;
}

static int slot_begin(struct eap_service *s, struct conversation_slot *slot,
                      const struct eap_request *request, struct span octets)
{
    const struct eap_step_request *step = &request->step;
    int error = tls_begin(s, &request->tls, octets, &slot->tls);
    if (error != 0)
        return error;
    struct eap_config config = {.crypto = s->crypto,
                                .random = s->random,
                                .secrets = &s->lookup,
                                .tls = &slot->tls->tls,
                                .store = &s->store,
                                .identity = span_of(step->identity, step->identity_len),
                                .n_methods = step->n_methods};
    for (size_t i = 0; i < step->n_methods; i++)
        config.methods[i] = (enum eap_type)step->methods[i];
    error = step->authenticator != 0 ? eap_authenticator_new(&config, &slot->authenticator)
                                     : eap_peer_new(&config, &slot->peer);
    if (error != 0) {
        slot_end(slot);
        return error;
    }
    slot->number = step->conversation;
    memcpy(slot->pattern, step->pattern, sizeof(slot->pattern));
    return 0;
}

/* slot_again - compares the kept success with the demands of another connection. */
static int slot_again(struct conversation_slot *slot, const struct eap_step_request *step,
                      struct eap_answer *ret)
{
    if (slot->proven == NULL || step->again != 1)
        return ERR_INVALID;
    memcpy(slot->pattern, step->pattern, sizeof(slot->pattern));
    ret->result = *slot->proven;
    identity_check(slot, ret);
    return 0;
}

/* slot_step - one packet of the conversation. */
static int slot_step(struct conversation_slot *slot, const struct eap_step_request *step,
                     bool begins, struct eap_answer *ret)
{
    struct span packet = span_of(step->packet, step->packet_len);
    bool asked = slot->authenticator != NULL && begins && packet.len > 1 && step->identity_len == 0;
    bool asks = slot->authenticator != NULL && begins && !asked;
    if (asks != (packet.len == 0))
        return ERR_INVALID;
    if (asked)
        eap_authenticator_asked(slot->authenticator, packet.ptr[1]);
    if (asks)
        eap_authenticator_begin(slot->authenticator, &ret->result);
    else if (slot->authenticator != NULL)
        eap_authenticator_recv(slot->authenticator, packet, &ret->result);
    else
        eap_peer_recv(slot->peer, packet, &ret->result);
    identity_check(slot, ret);
    return 0;
}

static int step_answer(struct eap_service *s, const struct eap_request *request, struct span octets,
                       struct eap_answer *ret)
{
    const struct eap_step_request *step = &request->step;
    if (!step_sound(step))
        return ERR_INVALID;
    struct conversation_slot *slot = slot_find(s, step->conversation);
    bool again = step->again != 0 || (slot != NULL && slot->proven != NULL);
    bool begins = slot == NULL && !again;
    if (begins)
        slot = slot_find(s, 0);
    if (slot == NULL)
        return again ? ERR_INVALID : ERR_FULL;
    int error = begins ? slot_begin(s, slot, request, octets) : 0;
    if (error == 0)
        error = again ? slot_again(slot, step, ret) : slot_step(slot, step, begins, ret);
    if (error != 0 || (ret->result.verdict != EAP_REPLY && ret->unfit == 0))
        slot_end(slot);
    return error;
}

static void conversation_drop(struct eap_service *s, uint32_t number)
{
    struct conversation_slot *slot = number == 0 ? NULL : slot_find(s, number);
    if (slot != NULL)
        slot_end(slot);
}

struct eap_service *eap_service_new(struct eap_crypto *crypto, const struct random *random,
                                    const struct eap_doors *doors, struct usim_book *usims)
{
    struct eap_service *s =
        mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED)
        return NULL;
    /* best effort: a limit on locked memory must not keep the daemon from starting. Most of it is
     * never touched. */
    (void)mlock2(s, sizeof(*s), MLOCK_ONFAULT);
    (void)madvise(s, sizeof(*s), MADV_DONTDUMP);
    s->crypto = crypto;
    s->random = random;
    s->doors = doors;
    s->lookup = (struct eap_secrets){secret_find, sqn_take, sqn_next, s};
    s->usims = usims;
    s->store = (struct eap_name_store){names_get,   names_put,  given_find, pseudonym_make,
                                       reauth_make, reauth_put, s};
    s->given = name_book_new(crypto, random);
    return s->given == NULL ? eap_service_free(s) : s;
}

struct eap_service *eap_service_free(struct eap_service *s)
{
    if (s == NULL)
        return NULL;
    for (size_t i = 0; i < EAP_CONVERSATIONS; i++)
        slot_end(&s->slots[i]);
    name_book_free(s->given);
    wipe(s, sizeof(*s));
    munmap(s, sizeof(*s));
    return NULL;
}

bool eap_service_answer(struct eap_service *s, struct eap_request *request, struct span octets,
                        struct eap_answer *ret)
{
    *ret = (struct eap_answer){.job = request->job};
    switch (request->kind) {
    case EAP_LOAD:
        ret->error = secret_put(s->secrets, &s->n, EAP_SECRETS, &request->load);
        wipe(&request->load, sizeof(request->load));
        return true;
    case EAP_UNLOAD: ret->error = secret_unload(s, request->load.name); return true;
    case EAP_CLEAR: secrets_clear(s); return true;
    case EAP_STAGE_COMMIT:
    case EAP_STAGE_DROP:
        ret->error = stage_end(s, request->load_number, request->kind == EAP_STAGE_COMMIT);
        return true;
    case EAP_STEP:
        ret->error = step_answer(s, request, octets, ret);
        ret->verdict = (uint32_t)ret->result.verdict;
        return true;
    case EAP_END: conversation_drop(s, request->step.conversation); return false;
    default: /* a number from outside */ ret->error = ERR_INVALID; return true;
    }
}
