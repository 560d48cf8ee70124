/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IKE_POLICY_H
#define IKE_POLICY_H

/*
 * What the configuration says, in the form in which the IKE core uses it. A struct ike_conn is
 * built once from a load-conn request (daemon/config/conn_build.c), never changed afterwards, and
 * reference counted: IKE SAs that were built from it keep it after it was replaced or unloaded.
 *
 * A Gateway loads tens of thousands of connections. So lists, long texts and what few connections
 * have are behind pointers, into memory that the connection owns (connection_lists.h). The pointers
 * are never NULL. ike_conn_new() makes room for the most items of each list, to be filled.
 * ike_conn_copy() makes a connection with room for the items that there are, to be kept. Both take
 * one block of memory. Assign no struct that has such pointers: copy the items.
 */

#include "base/address.h"
#include "base/domain_list.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/random.h"
#include "base/time.h"
#include "base/traffic_class.h"

#define POLICY_ADDRESSES   8
#define POLICY_CHILDREN    16
#define POLICY_PATHS       LIMIT_SESSION_PATHS
#define POLICY_CLASSES     LIMIT_CLASSES
#define POLICY_CLASS_PATHS 4
#define POLICY_POOLS       4
#define POLICY_TS          LIMIT_TRAFFIC_SELECTORS
#define POLICY_PROPOSALS   16
#define POLICY_TEXT        (LIMIT_ID / 2) /* octets of an identity as text, with its NUL */
#define POLICY_HOST        256            /* octets of the name of a host, with its NUL */
#define GATEWAY_NAME       254            /* the same of a DNS name: RFC 1035 section 2.3.4 */
#define POLICY_SCRIPT      128            /* octets of a script and its arguments, with the NUL */

/* struct ike_id - an identity as in IDi/IDr (RFC 7296 section 3.5): type and data octets, no
 * reserved ones. */
struct ike_id {
    uint8_t type; /* enum wire_id_type; 0: %any, in a pattern only */
    uint16_t len;
    uint8_t data[LIMIT_ID / 2];
};

#define POLICY_CHOICES 8
/* struct ike_encr_choice, struct ike_proposal - one proposal: up to POLICY_CHOICES alternatives for
 * each transform type, in order of preference. ike/terms/proposal.c reads them from strings such as
 * "aes128gcm16-prfsha256-x25519". */
struct ike_encr_choice {
    uint16_t id;       /* ENCR_* */
    uint16_t key_bits; /* 0: fixed key length (ChaCha20-Poly1305) */
};
struct ike_proposal {
    uint8_t protocol; /* 1 IKE, 3 ESP */
    uint8_t n_encr, n_prf, n_integ, n_ke, n_sn;
    struct ike_encr_choice encr[POLICY_CHOICES];
    uint16_t prf[POLICY_CHOICES];
    uint16_t integ[POLICY_CHOICES]; /* empty with AEAD algorithms */
    uint16_t ke[POLICY_CHOICES];    /* ESP: empty: no PFS; 0 (NONE) among others: PFS optional */
    uint8_t sn[2];                  /* ESP only: 0 32-bit, 1 ESN */
};

/* struct ike_proposal_list - in order of preference; at most POLICY_PROPOSALS. */
struct ike_proposal_list {
    uint8_t n;
    struct ike_proposal *proposals;
};

/* struct ike_ts - a traffic selector (RFC 7296 section 3.13.1); ports and protocol in host order.
 */
struct ike_ts {
    uint8_t protocol; /* 0: any */
    uint16_t start_port, end_port;
    struct address_range range;
};

struct ike_ts_list {
    size_t n;
    struct ike_ts ts[POLICY_TS];
};

/* struct ike_packet - the packet of the inner side for which a Child SA is wanted. src.family
 * ADDRESS_NONE: it is not wanted for one. Ports 0: it has none; ICMP: type * 256 + code in both. */
struct ike_packet {
    struct address src, dst;
    uint16_t src_port, dst_port;
    uint8_t protocol;
};

/* struct ike_ts_fixed - the configured selectors that name addresses; at most POLICY_TS. */
struct ike_ts_fixed {
    uint8_t n;
    struct ike_ts *ts;
};

/* struct ike_ts_policy - configured selectors; `dynamic` entries stand for the peer's inner (or,
 * without one, outer) address. */
struct ike_ts_policy {
    struct ike_ts_fixed fixed;
    uint8_t n_dynamic;
    struct {
        uint8_t protocol;
        uint16_t start_port, end_port;
    } dynamic[4];
};

enum ike_auth_method { IKE_AUTH_PSK, IKE_AUTH_PUBKEY, IKE_AUTH_EAP };

/* struct ike_auth_policy - one authentication round of one side (RFC 4739). The core knows neither
 * keys nor certificates nor EAP methods: `credentials` is a number of the daemon's for what the
 * round may use. It comes back in each job of the round. */
struct ike_auth_policy {
    enum ike_auth_method method;
    uint32_t credentials; /* opaque, the daemon's; 0: none */
    /* remote, EAP: opaque. One EAP conversation proves the round for all policies with this number: they
     * differ in the demands on its result only (eap_id, groups) */
    uint32_t conversation;
    /* local: own identity (type 0: the outer address); remote: what the peer must be */
    struct ike_id id;
    char *id_pattern; /* remote: text with wildcards as configured; empty: %any; POLICY_TEXT */
    /* the EAP identity. local: ours; empty: `id`. remote: a pattern; empty: IDi stands for it;
     * "%any": any that is asked for. POLICY_TEXT */
    char *eap_id;
    /* remote: EAP proves the identity that the peer says at first, not a name in its place */
    bool eap_says;
    /* remote: the only EAP method that is taken; 0: one of several, or a server's choice */
    uint8_t eap_type;
    /* remote: signatures of the peer that are taken; 0: all. Bits of enum signature_hash, which do not
     * concern Ed25519 and Ed448, and of enum signature_kind */
    uint16_t hashes;
    uint8_t signature_kinds;
    /* local: what the server of the EAP method must be; type 0: the identity of the Gateway */
    struct ike_id *aaa_id;
};

/* Rounds of one side, and CA key ids that our CERTREQ payload names. */
#define POLICY_ROUNDS     4
#define POLICY_CAS        16
#define POLICY_RESPONDERS 8  /* OCSP responders that our CERTREQ payload names */
#define IKE_KEY_ID        20 /* SHA-1 of a SubjectPublicKeyInfo (RFC 7296 section 3.7) */
/* struct ike_cas - key ids for our CERTREQ payload: of our CAs, and of OCSP responders that we
 * trust for certificates of any CA. */
struct ike_cas {
    uint8_t n, n_responders;
    uint8_t ids[POLICY_CAS][IKE_KEY_ID];
    uint8_t responders[POLICY_RESPONDERS][IKE_KEY_ID];
};

enum ike_send_cert { IKE_CERT_IF_ASKED, IKE_CERT_ALWAYS, IKE_CERT_NEVER };

/* What becomes of the packets of a child's selectors. TRANSPORT is a wish: the peer may want a
 * tunnel. A pass or drop policy (BYPASS and DISCARD of
 * RFC 4301 section 4.4.1) has no Child SA: such a child is called a shunt. */
enum ike_child_mode { IKE_MODE_TUNNEL, IKE_MODE_TRANSPORT, IKE_MODE_PASS, IKE_MODE_DROP };
enum ike_child_start { IKE_START_NONE, IKE_START_TRAP, IKE_START_START };
enum ike_dpd_action { IKE_DPD_CLEAR, IKE_DPD_TRAP, IKE_DPD_RESTART };

struct ike_lifetime {
    nanos rekey_ns;  /* soft: 0 or NANOS_NEVER: none */
    nanos life_ns;   /* hard: counted from establishment */
    nanos jitter_ns; /* a random part of it is subtracted from rekey_ns */
    /* the same by volume, of Child SAs; 0: none */
    uint64_t rekey_bytes, life_bytes, jitter_bytes;
    uint64_t rekey_packets, life_packets, jitter_packets;
};

/* struct ike_mark - a mark of packets in the kernel (a netfilter mark), or the id of an interface.
 * The core does not look at it. UNIQUE: one value for each session and child, in both directions;
 * UNIQUE_DIR: one for each direction. SAME: the packet gets the mark that selected it; only for
 * marks to set. */
enum ike_mark_kind {
    IKE_MARK_NONE,
    IKE_MARK_FIXED,
    IKE_MARK_UNIQUE,
    IKE_MARK_UNIQUE_DIR,
    IKE_MARK_SAME
};
struct ike_mark {
    uint32_t kind; /* enum ike_mark_kind */
    uint32_t value, mask;
};

static inline bool ike_mark_is_unique(const struct ike_mark *mark)
{
    return mark->kind == IKE_MARK_UNIQUE || mark->kind == IKE_MARK_UNIQUE_DIR;
}

/* enum ike_routes - whether ikat sets the routes to the device. NO: the administrator or a routing
 * daemon sets them. DEFAULT: as the connection says; without a word there, NO for a child with an
 * interface id, YES for all others. */
enum ike_routes { IKE_ROUTES_DEFAULT, IKE_ROUTES_NO, IKE_ROUTES_YES };

struct ike_child_policy {
    char name[LIMIT_NAME];
    struct ike_proposal_list proposals; /* ESP */
    struct ike_ts_policy local_ts, remote_ts;
    struct ike_lifetime lifetime;
    nanos inactivity_ns;    /* without a packet for so long, its Child SAs end; 0: they stay */
    uint32_t replay_window; /* packets; 0: none */
    uint32_t reqid;
    uint32_t priority; /* a lower number goes first; 0: by mode and selectors (esp/shunt.h) */
    enum ike_child_mode mode;
    char interface[16]; /* DROP: only packets that arrive or leave by it; empty: all packets */
    enum ike_child_start start_action, close_action;
    enum ike_dpd_action dpd_action;
    bool copy_ecn, copy_dscp_out, copy_dscp_in;
    bool icmp;       /* ICMP errors about its packets pass, whatever their source */
    bool hostaccess; /* told to the script */
    char *updown;    /* script and its arguments; empty: none; POLICY_SCRIPT */
    /* TUN device of its own (daemon/common/inner_device.h) */
    struct ike_mark mark_in, mark_out, set_mark_in, if_id_in, if_id_out;
    char device[16]; /* its name; empty: by marks and ids, if there are any */
    enum ike_routes routes;
};

/* ike_child_is_unique - each session has packets of its own for this child, chosen by a mark or an
 * interface: several may have the same selectors. */
static inline bool ike_child_is_unique(const struct ike_child_policy *policy)
{
    return ike_mark_is_unique(&policy->mark_out) || ike_mark_is_unique(&policy->if_id_out);
}

enum ike_clone { IKE_CLONE_OFF, IKE_CLONE_KEEP_OLD, IKE_CLONE_RFC7791, IKE_CLONE_BOTH };
enum ike_multipath {
    IKE_MULTIPATH_FAILOVER,
    IKE_MULTIPATH_BALANCE,
    IKE_MULTIPATH_AGGREGATE,
    IKE_MULTIPATH_REDUNDANT,
    IKE_MULTIPATH_AUTO
};
enum ike_unique { IKE_UNIQUE_NO, IKE_UNIQUE_NEVER, IKE_UNIQUE_KEEP, IKE_UNIQUE_REPLACE };
enum ike_childless {
    IKE_CHILDLESS_ALLOW,
    IKE_CHILDLESS_PREFER,
    IKE_CHILDLESS_FORCE,
    IKE_CHILDLESS_NEVER
};
/* enum ike_ocsp - OCSP responses in IKE_AUTH (RFC 4806). REPLY: the peer gets one about our
 * certificate, if it asks; REQUEST: we ask it for one about its own; BOTH; NEVER. */
enum ike_ocsp { IKE_OCSP_REPLY, IKE_OCSP_REQUEST, IKE_OCSP_BOTH, IKE_OCSP_NEVER };
enum ike_fragmentation { IKE_FRAGMENTATION_NO, IKE_FRAGMENTATION_ACCEPT, IKE_FRAGMENTATION_YES };
/* enum ike_tickets - session tickets (RFC 5723). ASK: as End User; a Gateway gives none. */
enum ike_tickets { IKE_TICKETS_NO, IKE_TICKETS_ASK, IKE_TICKETS_YES };
enum ike_on_failure { IKE_ON_FAILURE_BLOCK, IKE_ON_FAILURE_BYPASS };
enum ike_mesh { IKE_MESH_PAIRS, IKE_MESH_FULL, IKE_MESH_FIRST };
enum ike_reduced { IKE_REDUCED_OFF, IKE_REDUCED_END_USER, IKE_REDUCED_GATEWAY };

/* struct ike_path_policy - one `paths.<name>` section. */
struct ike_path_policy {
    char name[LIMIT_NAME];
    char interface[16]; /* "auto": every interface with a route to the peer */
    uint8_t n_local, n_remote;
    struct address local[POLICY_ADDRESSES],
        remote[POLICY_ADDRESSES]; /* empty: as the system / connection says */
    uint32_t priority;            /* failover: lowest first */
    uint32_t weight;              /* balance */
    bool metered;
};

/* struct ike_class_paths - of a class of traffic (`classes.<name>`): its name, and the paths that its packets may
 * take. */
struct ike_class_paths {
    char name[LIMIT_NAME];
    uint8_t n_paths; /* 0: first_priority and last_priority name the paths */
    char paths[POLICY_CLASS_PATHS][LIMIT_NAME]; /* names of path sections or of interfaces */
    uint32_t first_priority, last_priority;     /* of the paths; 0 and UINT32_MAX: all */
};

/* struct ike_remote - one entry of local_addrs/remote_addrs: addresses that match, or a name to
 * resolve. */
struct ike_remote {
    struct address_range range; /* first.family ADDRESS_NONE: %any, or `name` is set */
    char *name; /* FQDN, resolved outside of the core; empty otherwise; POLICY_HOST */
};

/* ike_remote_any - %any. It stands in a list only beside other entries: an empty list means the same. */
static inline bool ike_remote_any(const struct ike_remote *remote)
{
    return remote->range.first.family == ADDRESS_NONE && remote->name[0] == '\0';
}

/* struct ike_gateway - where a Gateway is (RFC 5685): an address, or a name. */
struct ike_gateway {
    struct address address; /* family ADDRESS_NONE: `name`, or none at all */
    char name[GATEWAY_NAME];
};

static inline bool ike_gateway_given(const struct ike_gateway *gateway)
{
    return gateway->name[0] != '\0' || gateway->address.family != ADDRESS_NONE;
}

/* enum ike_lan - of an End User whose tunnel is for all addresses: whether the networks that this
 * host is in are left out of it. */
enum ike_lan { IKE_LAN_BYPASS, IKE_LAN_BLOCK };

struct ike_conn {
    unsigned refs;
    struct ike_cas *cas; /* owned, set by ike_conn_cas_set(); NULL: CERTREQ names none */
    char name[LIMIT_NAME];
    uint8_t n_local_addrs, n_remote_addrs;
    struct ike_remote *local_addrs, *remote_addrs; /* at most POLICY_ADDRESSES each */
    uint16_t local_port, remote_port;              /* 500 unless configured */
    struct ike_proposal_list proposals;
    uint8_t n_vips;
    struct address *vips; /* asked for as End User; 0.0.0.0 and :: = any of the family */
    uint8_t n_pools;
    char (*pools)[LIMIT_NAME];               /* served as Gateway */
    uint8_t n_local_rounds, n_remote_rounds; /* in use: at least one each */
    struct ike_auth_policy *local, *remote;  /* at most POLICY_ROUNDS each */
    enum ike_send_cert send_cert;            /* PUBKEY rounds of ours */
    bool no_certreq;                         /* send_certreq = no: PUBKEY rounds of the peer */
    bool hash_and_url; /* the peer may send encodings 12 and 13 (section 3.6) */
    bool ppk_required; /* no session without a PPK */
    /* RFC 8784: octets of the PPK_ID, as ID_KEY_ID. An End User asks for this PPK. type 0: none, or
     * `ppk_pattern` stands for many */
    struct ike_id *ppk_id;
    char *ppk_pattern; /* Gateway: PPK_IDs that it takes, as configured; empty: any; POLICY_TEXT */
    enum ike_ocsp ocsp;
    uint8_t n_children;                /* that have Child SAs */
    uint8_t n_shunts;                  /* behind them in children[] */
    struct ike_child_policy *children; /* at most POLICY_CHILDREN, shunts included */
    struct ike_lifetime lifetime;      /* of the IKE SA */
    nanos reauth_ns;                   /* 0: never */
    /* from the deadline to the end of the session; 0: a tenth of reauth_ns */
    nanos reauth_over_ns;
    nanos reauth_margin_ns; /* before the Gateway's deadline; 0: a tenth of its lifetime */
    nanos dpd_delay_ns;     /* 0: off */
    nanos dpd_timeout_ns;   /* ends the IKE SA without a response; 0: retransmissions decide */
    nanos dead_peer_ns;     /* Gateway without dpd_delay: idle time before a probe; 0: none */
    nanos nat_keepalive_ns; /* RFC 3948 section 2.3; 0: off */
    uint32_t keyingtries;   /* 0: for ever */
    bool mobike, encap;
    enum ike_fragmentation fragmentation;
    enum ike_childless childless;
    enum ike_unique unique;
    uint8_t dscp;

    /* keys of our own (design: "Control and configuration") */
    uint8_t n_paths;
    struct ike_path_policy *paths;
    uint8_t n_classes;
    struct traffic_class *classes;       /* at most POLICY_CLASSES */
    struct ike_class_paths *class_paths; /* of each */
    enum ike_multipath multipath;
    enum ike_clone clone;
    enum ike_clone prefer; /* KEEP_OLD or RFC7791 */
    bool create_then_move; /* clone_order = create-move; default false: move-create */
    uint16_t keep_old_notify;
    bool keep_old_blind;
    bool unused_old; /* rekeys of IKE SAs say code 1 to peers that announced KEEP_OLD_IKE_SA */
    bool combined_auth;
    bool follow_redirects; /* End User: RFC 5685 */
    /* Gateway: redirects End Users there; not given: serves them */
    struct ike_gateway *redirect_to;
    enum ike_tickets session_tickets;
    nanos ticket_lifetime_ns;       /* Gateway */
    enum ike_on_failure on_failure; /* of protected selectors without a session */
    enum ike_lan lan;
    bool install_dns;                /* End User: names are asked of the Gateway's servers */
    bool split_dns;                  /* End User: the Gateway may say for which domains */
    bool encrypted_dns;              /* End User: asks for resolvers that answer over TLS */
    struct domain_list *dns_domains; /* End User: only these; empty: those that the Gateway says */
    bool inner_per_path; /* a clone has inner addresses of its own, if both ends want it */
    enum ike_reduced reduced;
    bool gateway_clones; /* Gateway: begin the first clone itself (draft B.2, third variant) */
    enum ike_mesh mesh;
    uint32_t max_ike_sas;
    uint32_t max_child_sas; /* of a session; 0: LIMIT_CHILD_SAS_SESSION, which is the most */
    uint32_t max_sessions;  /* of one identity, as Gateway; 0: no limit */
    uint32_t max_leases;    /* of one identity in one pool at a time; 0: no limit */
    nanos unused_old_timeout_ns, probe_interval_ns, failover_ns, stable_for_ns;
    /* failover_busy_ns - the most time to find a dead path, while packets flow and another path
     * works; 0: no such bound */
    nanos failover_busy_ns;
    /* probe_idle_ns - between probes of a path of a session that carries nothing; 0: as of others */
    nanos probe_idle_ns;
};

/* ike_conn_same - all of the configuration: every field and every item of the lists. Octets are
 * compared, so both must have been zero before they were filled. */
bool ike_conn_same(const struct ike_conn *a, const struct ike_conn *b);

/* ike_conn_same_but_classes - the same, whatever the classes of traffic are. false, if there is no memory. */
bool ike_conn_same_but_classes(const struct ike_conn *a, const struct ike_conn *b);

/* ike_conn_ordered - packets of one flow may take several paths, so the connection wants order trailers. */
bool ike_conn_ordered(const struct ike_conn *conn);

/* ike_conn_keep_old, ike_conn_rfc7791 - the dialects of cloning that the connection speaks. */
static inline bool ike_conn_keep_old(const struct ike_conn *conn)
{
    return conn->clone == IKE_CLONE_KEEP_OLD || conn->clone == IKE_CLONE_BOTH;
}
static inline bool ike_conn_rfc7791(const struct ike_conn *conn)
{
    return conn->clone == IKE_CLONE_RFC7791 || conn->clone == IKE_CLONE_BOTH;
}

static inline bool ike_conn_answers_ocsp(const struct ike_conn *conn)
{
    return conn->ocsp == IKE_OCSP_REPLY || conn->ocsp == IKE_OCSP_BOTH;
}

static inline bool ike_conn_asks_ocsp(const struct ike_conn *conn)
{
    return conn->ocsp == IKE_OCSP_REQUEST || conn->ocsp == IKE_OCSP_BOTH;
}

/* ike_lifetime_rekey_at - when an SA that begins now is rekeyed: the soft lifetime less a random
 * part of the jitter. NANOS_NEVER: not at all. */
nanos ike_lifetime_rekey_at(const struct ike_lifetime *lifetime, const struct random *random,
                            nanos now);

/* ike_lifetime_soft - the same by volume: `rekey` less a random part of `jitter`, at least 1;
 * 0: not at all. */
uint64_t ike_lifetime_soft(uint64_t rekey, uint64_t jitter, const struct random *random);

/* ike_conn_new - zeroed, refs 1, with room for the most items of each list: 90 KiB. NULL: no memory.
 */
struct ike_conn *ike_conn_new(void);
/* ike_conn_copy - refs 1, with room for the items of `conn` and no more; some 3 KiB with one child.
 * NULL: no memory. */
struct ike_conn *ike_conn_copy(const struct ike_conn *conn);
/* ike_child_copy - of one child, with its lists in one block: free() it. NULL: no memory.
 * ike_child_set - `child` of a connection of ike_conn_new() becomes a copy. */
struct ike_child_policy *ike_child_copy(const struct ike_child_policy *child);
void ike_child_set(struct ike_child_policy *child, const struct ike_child_policy *from);
/* ike_child_same - every field and every item of the lists, as ike_conn_same(). */
bool ike_child_same(const struct ike_child_policy *a, const struct ike_child_policy *b);

/* ike_conn_size - octets of memory of such a copy. */
size_t ike_conn_size(const struct ike_conn *conn);
/* ike_conn_set - `conn`, of ike_conn_new(), becomes a copy of `from`, except references and cas. */
void ike_conn_set(struct ike_conn *conn, const struct ike_conn *from);

/* ike_conn_cas_set - the key ids that CERTREQ names; copied. Call it before anyone else has a reference.
 * ERR_NO_MEMORY: nothing has changed. */
int ike_conn_cas_set(struct ike_conn *conn, const struct ike_cas *cas) MUST_USE;
struct ike_conn *ike_conn_ref(struct ike_conn *conn);
struct ike_conn *ike_conn_unref(struct ike_conn *conn); /* takes NULL; returns NULL */

#endif
