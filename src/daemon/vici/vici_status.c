/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/vici/vici_status.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/config/selectors.h"
#include "ike/terms/identity.h"
#include "ike/terms/proposal.h"
#include "wire/iana.h"

static const char *encr_name(uint16_t id)
{
    switch (id) {
    case ENCR_AES_GCM_16: return "AES_GCM_16";
    case ENCR_AES_CBC: return "AES_CBC";
    case ENCR_CHACHA20_POLY1305: return "CHACHA20_POLY1305";
    default: return "?";
    }
}

static const char *integ_name(uint16_t id)
{
    switch (id) {
    case AUTH_HMAC_SHA1_96: return "HMAC_SHA1_96";
    case AUTH_HMAC_SHA2_256_128: return "HMAC_SHA2_256_128";
    case AUTH_HMAC_SHA2_384_192: return "HMAC_SHA2_384_192";
    case AUTH_HMAC_SHA2_512_256: return "HMAC_SHA2_512_256";
    default: return "?";
    }
}

static const char *prf_name(uint16_t id)
{
    switch (id) {
    case PRF_HMAC_SHA1: return "PRF_HMAC_SHA1";
    case PRF_HMAC_SHA2_256: return "PRF_HMAC_SHA2_256";
    case PRF_HMAC_SHA2_384: return "PRF_HMAC_SHA2_384";
    case PRF_HMAC_SHA2_512: return "PRF_HMAC_SHA2_512";
    default: return "?";
    }
}

static const char *ke_name(uint16_t id)
{
    static const struct {
        uint16_t id;
        const char *name;
    } names[] = {{5, "MODP_1536"},  {14, "MODP_2048"},   {15, "MODP_3072"},
                 {16, "MODP_4096"}, {19, "ECP_256"},     {20, "ECP_384"},
                 {21, "ECP_521"},   {31, "CURVE_25519"}, {32, "CURVE_448"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].id == id)
            return names[i].name;
    return "?";
}

static const char *life_name(enum ike_sa_life life)
{
    switch (life) {
    case IKE_HALF_OPEN: return "CREATED";
    case IKE_AUTHENTICATING: return "CONNECTING";
    case IKE_ESTABLISHED: return "ESTABLISHED";
    case IKE_SA_REPLACED: return "REKEYED";
    case IKE_DELETING:
    case IKE_DEAD: return "DELETING"; /* charon sends the end before it destroys */
    }
    return "?";
}

static const char *child_life_name(const struct ike_child_info *child)
{
    switch (child->life) {
    case IKE_CHILD_LARVAL: return "CREATED";
    case IKE_CHILD_INBOUND_READY:
    case IKE_CHILD_ACTIVE: return child->up ? "INSTALLED" : "INSTALLING";
    case IKE_CHILD_REPLACED: return "REKEYED";
    case IKE_CHILD_DELETING: return "DELETING";
    }
    return "?";
}

const char *vici_mode_name(enum ike_child_mode mode)
{
    switch (mode) {
    case IKE_MODE_TUNNEL: return "TUNNEL";
    case IKE_MODE_TRANSPORT: return "TRANSPORT";
    case IKE_MODE_PASS: return "PASS";
    case IKE_MODE_DROP: return "DROP";
    }
    return "?";
}

static const char *origin_name(enum ike_origin origin)
{
    switch (origin) {
    case IKE_ORIGIN_AUTHENTICATED: return "authenticated";
    case IKE_ORIGIN_CLONED: return "cloned";
    case IKE_ORIGIN_REKEYED: return "rekeyed";
    }
    return "?";
}

static long long seconds(nanos ns)
{
    return (long long)(ns / NANOS_PER_SEC);
}

static void put_ts(struct vici_writer *w, const char *name, const struct ike_ts_list *list)
{
    char text[TS_TEXT_MAX];
    vici_list(w, name);
    for (size_t i = 0; i < list->n; i++)
        vici_item(w, ts_print(&list->ts[i], text));
    vici_list_end(w);
}

static void put_encr(struct vici_writer *w, uint16_t encr, uint16_t key_bits, uint16_t integ)
{
    vici_put(w, "encr-alg", "%s", encr_name(encr));
    if (key_bits != 0)
        vici_put(w, "encr-keysize", "%u", key_bits);
    if (integ != 0)
        vici_put(w, "integ-alg", "%s", integ_name(integ));
}

static void put_mark(struct vici_writer *w, const char *way, uint32_t mark, uint32_t mask)
{
    char key[24];
    if (mask == 0)
        return;
    (void)snprintf(key, sizeof(key), "mark-%s", way);
    vici_put(w, key, "%08x", mark);
    (void)snprintf(key, sizeof(key), "mark-mask-%s", way);
    if (mask != UINT32_MAX)
        vici_put(w, key, "%08x", mask);
}

/* put_marks - and interface ids, as charon writes them. */
static void put_marks(struct vici_writer *w, const struct inner_marks *marks)
{
    put_mark(w, "in", marks->mark_in, marks->mask_in);
    put_mark(w, "out", marks->mark_out, marks->mask_out);
    if (marks->if_id_in != 0)
        vici_put(w, "if-id-in", "%08x", marks->if_id_in);
    if (marks->if_id_out != 0)
        vici_put(w, "if-id-out", "%08x", marks->if_id_out);
}

void vici_status_child_keys(struct vici_writer *w, const struct engine_ops *ops,
                            const struct ike_child_info *child, const char *state)
{
    struct engine_child_traffic traffic = {0};
    struct engine_child_marks of;
    nanos now = ops->now(ops->engine);
    bool device = ops->marks(ops->engine, child->id, &of);
    (void)ops->traffic(ops->engine, child->id, &traffic);
    vici_put(w, "name", "%s", child->policy->name);
    vici_put(w, "uniqueid", "%u", child->id);
    vici_put(w, "reqid", "%u",
             child->policy->reqid != 0 ? child->policy->reqid : ops->reqid(ops->engine, child->id));
    vici_put(w, "state", "%s", state != NULL ? state : child_life_name(child));
    vici_put(w, "mode", "%s", child->transport ? "TRANSPORT" : "TUNNEL");
    vici_put(w, "protocol", "ESP");
    if (child->udp_encap)
        vici_put(w, "encap", "yes");
    vici_put(w, "spi-in", "%08x", child->spi_in);
    vici_put(w, "spi-out", "%08x", child->spi_out);
    if (device)
        put_marks(w, &of.marks);
    put_encr(w, child->encr, child->encr_key_bits, child->integ);
    if (child->ke != 0)
        vici_put(w, "dh-group", "%s", ke_name(child->ke));
    if (child->esn)
        vici_put(w, "esn", "1");
    vici_put(w, "bytes-in", "%" PRIu64, traffic.octets_in);
    vici_put(w, "packets-in", "%" PRIu64, traffic.packets_in);
    if (traffic.last_in_ns != 0)
        vici_put(w, "use-in", "%lld", seconds(now - traffic.last_in_ns));
    vici_put(w, "bytes-out", "%" PRIu64, traffic.octets_out);
    vici_put(w, "packets-out", "%" PRIu64, traffic.packets_out);
    if (traffic.last_out_ns != 0)
        vici_put(w, "use-out", "%lld", seconds(now - traffic.last_out_ns));
    if (child->rekey_at_ns != NANOS_NEVER)
        vici_put(w, "rekey-time", "%lld", seconds(child->rekey_at_ns - now));
    if (child->expires_at_ns != NANOS_NEVER)
        vici_put(w, "life-time", "%lld", seconds(child->expires_at_ns - now));
    vici_put(w, "install-time", "%lld", seconds(now - child->installed_ns));
    put_ts(w, "local-ts", &child->local_ts);
    put_ts(w, "remote-ts", &child->remote_ts);
    if (device)
        vici_put(w, "device", "%.15s", of.device);
}

void vici_status_child(struct vici_writer *w, const struct engine_ops *ops,
                       const struct ike_child_info *child, const char *state)
{
    char name[LIMIT_NAME + 16];
    (void)snprintf(name, sizeof(name), "%s-%u", child->policy->name, child->id);
    vici_section(w, name);
    vici_status_child_keys(w, ops, child, state);
    vici_section_end(w);
}

/* put_traffic - sums since the login. The Child SAs have counters of their own. */
static void put_traffic(struct vici_writer *w, const char *prefix,
                        const struct engine_child_traffic *traffic)
{
    const uint64_t values[] = {traffic->octets_in, traffic->packets_in, traffic->octets_out,
                               traffic->packets_out};
    static const char *const names[] = {"bytes-in", "packets-in", "bytes-out", "packets-out"};
    char name[32];
    for (size_t i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof(name), "%s%s", prefix, names[i]);
        vici_put(w, name, "%" PRIu64, values[i]);
    }
}

static void put_interface(struct vici_writer *w, const struct engine_ops *ops, uint32_t index)
{
    char name[16];
    if (ops->interface_name(ops->engine, index, name))
        vici_put(w, "interface", "%s", name);
}

static void put_sa_keys(struct vici_writer *w, const struct engine_ops *ops,
                        const struct ike_sa_info *sa, const struct ike_session_info *session)
{
    nanos now = ops->now(ops->engine);
    if (sa->encr != 0) {
        put_encr(w, sa->encr, sa->encr_key_bits, sa->integ);
        vici_put(w, "prf-alg", "%s", prf_name(sa->prf));
        vici_put(w, "dh-group", "%s", ke_name(sa->ke));
    }
    if (session->ppk)
        vici_put(w, "ppk", "yes");
    if (session->resumed)
        vici_put(w, "resumed", "yes");
    if (sa->life != IKE_ESTABLISHED)
        return;
    vici_put(w, "established", "%lld", seconds(now - sa->established_ns));
    if (sa->rekey_at_ns != NANOS_NEVER)
        vici_put(w, "rekey-time", "%lld", seconds(sa->rekey_at_ns - now));
}

void vici_status_sa_keys(struct vici_writer *w, const struct engine_ops *ops,
                         const struct ike_sa_info *sa, const struct ike_session_info *session)
{
    char text[IDENTITY_TEXT_MAX], address[ADDRESS_TEXT_MAX];
    vici_put(w, "uniqueid", "%u", sa->id);
    vici_put(w, "version", "2");
    vici_put(w, "state", "%s", life_name(sa->life));
    vici_put(w, "local-host", "%s", address_print(&sa->path.local.address, address));
    vici_put(w, "local-port", "%u", sa->path.local.port);
    vici_put(w, "local-id", "%s", identity_print_hex(&session->local_id, text));
    vici_put(w, "remote-host", "%s", address_print(&sa->path.remote.address, address));
    vici_put(w, "remote-port", "%u", sa->path.remote.port);
    vici_put(w, "remote-id", "%s", identity_print_hex(&session->claimed_id, text));
    if (session->eap_identity[0] != '\0')
        vici_put(w, "remote-eap-id", "%s", session->eap_identity);
    if (sa->role == IKE_SA_INITIATOR)
        vici_put(w, "initiator", "yes");
    vici_put(w, "initiator-spi", "%016" PRIx64, sa->spi_i);
    vici_put(w, "responder-spi", "%016" PRIx64, sa->spi_r);
    if (sa->nat_local)
        vici_put(w, "nat-local", "yes");
    if (sa->nat_remote)
        vici_put(w, "nat-remote", "yes");
    bool fake = !sa->nat_local && !sa->nat_remote && session->conn != NULL && session->conn->encap;
    if (fake)
        vici_put(w, "nat-fake", "yes");
    if (sa->nat_local || sa->nat_remote || fake)
        vici_put(w, "nat-any", "yes");
    put_sa_keys(w, ops, sa, session);
    /* ours */
    vici_put(w, "session", "%u", sa->session);
    vici_put(w, "origin", "%s", origin_name(sa->origin));
    if (sa->parent != 0)
        vici_put(w, "clone-of", "%u", sa->parent);
    put_interface(w, ops, sa->path.interface);
    struct engine_child_traffic traffic = ops->path_traffic(ops->engine, sa->session, &sa->path);
    put_traffic(w, "path-", &traffic);
    vici_list(w, session->role == IKE_END_USER ? "local-vips" : "remote-vips");
    for (uint8_t i = 0; sa->config != NULL && i < sa->config->n_addresses; i++)
        vici_item(w, address_print(&sa->config->addresses[i], address));
    vici_list_end(w);
}

void vici_status_sa(struct vici_writer *w, const struct engine_ops *ops,
                    const struct ike_sa_info *sa, const struct vici_child_filter *filter)
{
    struct ike *ike = ops->ike(ops->engine);
    struct ike_session_info session = {0};
    struct ike_child_info info;
    bool known = ike_session_get(ike, sa->session, &session);
    vici_section(w, known ? session.conn->name : "(unnamed)");
    vici_status_sa_keys(w, ops, sa, &session);
    /* swanctl prints when it reads this section, so it is always sent, and last */
    vici_section(w, "child-sas");
    for (ike_child_id id = 0; ike_sa_child_next(ike, sa->id, id, &info); id = info.id)
        if ((filter->id == 0 || filter->id == info.id) &&
            (filter->name == NULL || strcmp(filter->name, info.policy->name) == 0))
            vici_status_child(w, ops, &info, NULL);
    vici_section_end(w);
    vici_section_end(w);
}

/* --- policies and algorithms --- */

void vici_status_ts_policy(struct vici_writer *w, const char *name,
                           const struct ike_ts_policy *policy)
{
    char text[TS_TEXT_MAX];
    vici_list(w, name);
    for (size_t i = 0; ts_policy_print(policy, i, text) != NULL; i++)
        vici_item(w, text);
    vici_list_end(w);
}

void vici_status_policy(struct vici_writer *w, const char *conn,
                        const struct ike_child_policy *child)
{
    char name[2 * LIMIT_NAME];
    (void)snprintf(name, sizeof(name), "%s/%s", conn, child->name);
    vici_section(w, name);
    vici_put(w, "child", "%s", child->name);
    vici_put(w, "ike", "%s", conn);
    vici_put(w, "mode", "%s", vici_mode_name(child->mode));
    vici_status_ts_policy(w, "local-ts", &child->local_ts);
    vici_status_ts_policy(w, "remote-ts", &child->remote_ts);
    vici_section_end(w);
}

static void put_known(struct vici_writer *w, const char *section, const uint16_t *ids,
                      const char *(*name_of)(uint16_t id))
{
    vici_section(w, section);
    for (size_t i = 0; ids[i] != 0; i++)
        vici_put(w, name_of(ids[i]), "openssl");
    vici_section_end(w);
}

static void put_named(struct vici_writer *w, const char *section, const char *const *names)
{
    vici_section(w, section);
    for (size_t i = 0; names[i] != NULL; i++)
        vici_put(w, names[i], "openssl");
    vici_section_end(w);
}

void vici_status_algorithms(struct vici_writer *w)
{
    static const uint16_t ciphers[] = {ENCR_AES_CBC, 0};
    static const uint16_t aeads[] = {ENCR_AES_GCM_16, ENCR_CHACHA20_POLY1305, 0};
    static const uint16_t integs[] = {AUTH_HMAC_SHA2_256_128, AUTH_HMAC_SHA2_384_192,
                                      AUTH_HMAC_SHA2_512_256, 0};
    static const uint16_t prfs[] = {PRF_HMAC_SHA2_256, PRF_HMAC_SHA2_384, PRF_HMAC_SHA2_512, 0};
    static const uint16_t kes[] = {14, 15, 16, 19, 20, 21, 31, 32, 0};
    static const char *const hashers[] = {"HASH_SHA1",     "HASH_SHA2_256", "HASH_SHA2_384",
                                          "HASH_SHA2_512", "HASH_IDENTITY", NULL};
    static const char *const kdfs[] = {"KDF_PRF", "KDF_PRF_PLUS", NULL};
    static const char *const none[] = {NULL};
    put_known(w, "encryption", ciphers, encr_name);
    put_known(w, "integrity", integs, integ_name);
    put_known(w, "aead", aeads, encr_name);
    put_named(w, "hasher", hashers);
    put_known(w, "prf", prfs, prf_name);
    put_named(w, "xof", none);
    put_named(w, "kdf", kdfs);
    put_named(w, "drbg", none);
    put_known(w, "ke", kes, ke_name);
    vici_section(w, "rng"); /* getrandom(2): there is no weaker one */
    vici_put(w, "RNG_STRONG", "kernel");
    vici_put(w, "RNG_TRUE", "kernel");
    vici_section_end(w);
    vici_section(w, "nonce-gen");
    vici_put(w, "NONCE_GEN", "kernel");
    vici_section_end(w);
}

/* --- ours --- */

static void put_addresses(struct vici_writer *w, const char *name, const struct address *addresses,
                          size_t n)
{
    char text[ADDRESS_TEXT_MAX];
    vici_list(w, name);
    for (size_t i = 0; i < n; i++)
        vici_item(w, address_print(&addresses[i], text));
    vici_list_end(w);
}

static void put_domains(struct vici_writer *w, const char *name, const struct domain_list *domains)
{
    struct span domain = {0};
    vici_list(w, name);
    while ((domain = domain_list_next(domains, domain)).len > 0)
        vici_item_span(w, domain);
    vici_list_end(w);
}

void vici_status_session(struct vici_writer *w, const struct engine_ops *ops,
                         const struct ike_session_info *session)
{
    static const char *const multipath_names[] = {
        [IKE_MULTIPATH_FAILOVER] = "failover",   [IKE_MULTIPATH_BALANCE] = "balance",
        [IKE_MULTIPATH_AGGREGATE] = "aggregate", [IKE_MULTIPATH_REDUNDANT] = "redundant",
        [IKE_MULTIPATH_AUTO] = "auto",
    };

    static const char *const dialects[] = {"none", "rfc7791", "keep-old", "keep-old-blind"};
    char text[IDENTITY_TEXT_MAX], server[ENCRYPTED_DNS_TEXT];
    struct hook_name_servers usable;
    nanos now = ops->now(ops->engine);
    vici_section(w, session->conn->name);
    vici_put(w, "id", "%u", session->id);
    vici_put(w, "role", "%s", session->role == IKE_END_USER ? "end-user" : "gateway");
    vici_put(w, "state", "%s", session->established ? "established" : "connecting");
    vici_put(w, "local-id", "%s", identity_print_hex(&session->local_id, text));
    vici_put(w, "remote-id", "%s", identity_print_hex(&session->remote_id, text));
    if (session->eap_identity[0] != '\0')
        vici_put(w, "remote-eap-id", "%s", session->eap_identity);
    vici_put(w, "logins", "%u", session->logins);
    vici_put(w, "ike-sas", "%u", session->n_ike_sas);
    vici_put(w, "child-sas", "%u", session->n_children);
    vici_put(w, "age", "%lld", session->established ? seconds(now - session->established_ns) : 0);
    vici_put(w, "mobike", "%s", session->mobike ? "yes" : "no");
    vici_put(w, "dialect", "%s", dialects[session->dialect]);
    vici_put(w, "multipath", "%s", multipath_names[session->conn->multipath]);
    put_addresses(w, "addresses", session->config.addresses, session->config.n_addresses);
    put_addresses(w, "dns", session->config.dns, session->config.n_dns);
    vici_list(w, "encrypted-dns");
    for (uint8_t i = 0; i < session->config.encrypted_dns.n; i++)
        vici_item(w, encrypted_dns_print(&session->config.encrypted_dns, i, server));
    vici_list_end(w);
    put_domains(w, "dns-domains", &session->config.domains);
    /* of these, what a program may give to the host that does so in place of ikatd (install_dns = no) */
    ops->name_servers(ops->engine, session, &usable);
    put_addresses(w, "usable-dns", usable.servers, usable.n);
    put_domains(w, "usable-domains", &usable.domains);
    vici_section_end(w);
}

/* put_lane - of a path that shares flows with others; the counters are the session's. */
static void put_lane(struct vici_writer *w, const struct engine_ops *ops, ike_child_id child)
{
    struct esp_plane_lane lane;
    if (child == 0 || !ops->lane(ops->engine, child, &lane))
        return;
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"rate-kbps", lane.rate * 8 / 1000},
        {"rtt-us", (uint64_t)(lane.rtt / NANOS_PER_US)},
        {"queue-us", (uint64_t)(lane.queue / NANOS_PER_US)},
        {"loss-ppm", lane.loss},
        {"repaired", lane.repaired},
        {"abandoned", lane.abandoned},
        {"reinjected", lane.reinjected},
        {"tails", lane.tails},
        {"twins", lane.twins},
        {"copies", lane.copies},
        {"waiting", lane.waiting},
        {"dropped", lane.dropped},
        {"marked", lane.marked},
        {"held", lane.held},
        {"late", lane.late},
        {"skipped", lane.skipped},
        {"duplicates", lane.duplicates},
        {"restored", lane.restored},
    };
    vici_section(w, "aggregate");
    vici_put(w, "state", "%s", !lane.measured ? "unmeasured" : lane.stalled ? "silent" : "carries");
    vici_put(w, "spreads", "%s", lane.by_flow ? "flows" : "packets");
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        vici_put(w, numbers[i].name, "%" PRIu64, numbers[i].value);
    vici_section_end(w);
}

static void put_class(struct vici_writer *w, const struct path_status *path, uint8_t class)
{
    char number[8];
    (void)snprintf(number, sizeof(number), "%u", class + 1u);
    vici_item(w, path->class_names == NULL ? number : path->class_names[class].name);
}

/* put_classes - those that may take the path. Without classes there is no such list. */
static void put_classes(struct vici_writer *w, const struct path_status *path)
{
    if (path->n_classes == 0)
        return;
    vici_list(w, "classes");
    for (uint8_t i = 0; i < path->n_classes; i++)
        if ((path->classes >> i & 1) != 0)
            put_class(w, path, i);
    vici_list_end(w);
}

void vici_status_path(struct vici_writer *w, const struct engine_ops *ops,
                      const struct path_status *path)
{
    char address[ADDRESS_TEXT_MAX];
    nanos now = ops->now(ops->engine);
    const struct ike_path *where = path->sa != 0 && !path->parked ? &path->at : &path->wanted;
    vici_section(w, path->path);
    vici_put(w, "conn", "%s", path->conn);
    vici_put(w, "session", "%u", path->session);
    vici_put(w, "state", "%s", path_state_name(path->state));
    put_interface(w, ops, where->interface != 0 ? where->interface : path->wanted.interface);
    vici_put(w, "local", "%s", address_print(&where->local.address, address));
    vici_put(w, "remote", "%s", address_print(&where->remote.address, address));
    vici_put(w, "priority", "%u", path->priority);
    vici_put(w, "weight", "%u", path->weight);
    vici_put(w, "metered", "%s", path->metered ? "yes" : "no");
    put_classes(w, path);
    vici_put(w, "usable", "%s", path->usable ? "yes" : "no");
    vici_put(w, "parked", "%s", path->parked ? "yes" : "no");
    vici_put(w, "ike-sa", "%u", path->sa);
    vici_put(w, "vpn", "%u", path->child);
    struct engine_child_traffic traffic = ops->path_traffic(ops->engine, path->session, where);
    put_traffic(w, "", &traffic);
    vici_put(w, "rtt-us", "%lld", (long long)(path->rtt_ns / NANOS_PER_US));
    vici_put(w, "jitter-us", "%lld", (long long)(path->jitter_ns / NANOS_PER_US));
    if (path->loss_ppm != LOSS_UNKNOWN)
        vici_put(w, "probe-loss-ppm", "%d", path->loss_ppm);
    vici_put(w, "failures", "%u", path->failures);
    vici_put(w, "losses", "%" PRIu64, path->losses);
    vici_put(w, "since", "%lld", seconds(now - path->since_ns));
    if (path->last_heard_ns != 0)
        vici_put(w, "heard", "%lld", seconds(now - path->last_heard_ns));
    put_lane(w, ops, path->child);
    vici_section_end(w);
}
