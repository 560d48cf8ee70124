/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/terms/proposal.h"

#include <string.h>

#include "base/unit_test.h"

static struct ike_proposal_list list_of(uint8_t protocol, const char *const *texts)
{
    static struct ike_proposal rooms[8][POLICY_PROPOSALS]; /* of the lists made last */
    static size_t made;
    struct ike_proposal_list list = {.proposals = rooms[made++ % ARRAY_LEN(rooms)]};
    char error[PROPOSAL_TEXT_MAX];
    for (; *texts != NULL; texts++)
        assert_int_equal(proposal_parse(protocol, *texts, &list.proposals[list.n++], error), 0);
    return list;
}
#define IKE(...) list_of(WIRE_PROTO_IKE, (const char *const[]){__VA_ARGS__, NULL})
#define ESP(...) list_of(WIRE_PROTO_ESP, (const char *const[]){__VA_ARGS__, NULL})

static void parse_and_print(void **state)
{
    static const struct {
        uint8_t protocol;
        const char *text, *printed;
    } rows[] = {
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519"},
        {WIRE_PROTO_IKE, "aes256-sha256-modp2048", "aes256-sha256-prfsha256-modp2048"},
        {WIRE_PROTO_IKE, "AES256-SHA512-prfsha384-ECP384", "aes256-sha512-prfsha384-ecp384"},
        {WIRE_PROTO_IKE, "chacha20poly1305-prfsha512-curve25519-x448",
         "chacha20poly1305-prfsha512-x25519-x448"},
        /* AEAD takes no integrity algorithm, but its hash may name the PRF */
        {WIRE_PROTO_IKE, "aes128gcm16-sha256-x25519", "aes128gcm16-prfsha256-x25519"},
        {WIRE_PROTO_ESP, "aes128gcm16", "aes128gcm16-noesn"},
        {WIRE_PROTO_ESP, "aes128gcm128-esn", "aes128gcm16-esn"},
        {WIRE_PROTO_ESP, "aes256-sha256-x25519-modpnone-esn-noesn",
         "aes256-sha256-x25519-modpnone-esn-noesn"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_proposal proposal, again;
        char error[PROPOSAL_TEXT_MAX], out[PROPOSAL_TEXT_MAX];
        assert_int_equal(proposal_parse(rows[i].protocol, rows[i].text, &proposal, error), 0);
        assert_string_equal(proposal_print(&proposal, out, sizeof(out)), rows[i].printed);
        assert_int_equal(proposal_parse(rows[i].protocol, out, &again, error), 0);
        assert_memory_equal(&proposal, &again, sizeof(again));
    }
}

static void refused(void **state)
{
    static const struct {
        uint8_t protocol;
        const char *text, *word; /* the error names this word */
    } rows[] = {
        {WIRE_PROTO_IKE, "", "unknown algorithm ''"},
        {WIRE_PROTO_IKE, "aes128gcm16-", "unknown algorithm ''"},
        {WIRE_PROTO_IKE, "aes128gcm16--x25519", "unknown algorithm ''"},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x2551", "'x2551'"},
        {WIRE_PROTO_IKE, "3des-sha1-modp1024", "'3des'"},
        {WIRE_PROTO_IKE, "aes128-md5-modp2048", "'md5'"},
        {WIRE_PROTO_IKE, "aes128gcm16-x25519", "pseudo-random"},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256", "key exchange"},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-modpnone", "ESP only"},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519-modpnone", "ESP only"},
        {WIRE_PROTO_IKE, "aes128-prfsha256-x25519", "integrity"},
        {WIRE_PROTO_IKE, "aes128-aes128gcm16-sha256-x25519", "AEAD"},
        {WIRE_PROTO_IKE, "prfsha256-x25519", "encryption"},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519-esn", "esn"},
        {WIRE_PROTO_ESP, "aes128gcm16-prfsha256", "IKE only"},
        {WIRE_PROTO_ESP, "aes128", "integrity"},
        {WIRE_PROTO_ESP, "aes128gcm16-esn-noesn-esn", "too many"},
        {WIRE_PROTO_ESP, "aes128-aes128-aes128-aes128-aes128-aes128-aes128-aes128-aes128-sha256",
         "too many"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_proposal proposal = {.protocol = 77};
        char error[PROPOSAL_TEXT_MAX];
        assert_int_equal(proposal_parse(rows[i].protocol, rows[i].text, &proposal, error),
                         ERR_INVALID);
        assert_non_null(strstr(error, rows[i].word));
        assert_int_equal(proposal.protocol, 77);
    }
}

/* RFC 8247 and RFC 8221: the defaults have what must be offered, and nothing that must not. */
/* SHA-1 and modp1536 are known as weak; AES-192 is not. The defaults have neither. */
static void legacy(void **state)
{
    (void)state;
    static const struct {
        uint8_t protocol;
        const char *text;
        bool legacy;
    } table[] = {
        {WIRE_PROTO_IKE, "aes128-sha1-modp2048", true},
        {WIRE_PROTO_IKE, "aes128-sha256-prfsha1-modp2048", true},
        {WIRE_PROTO_IKE, "aes128-sha256-modp2048-modp1536", true},
        {WIRE_PROTO_IKE, "aes192-sha256-modp2048", false},
        {WIRE_PROTO_ESP, "aes192-sha256-sha1", true},
        {WIRE_PROTO_ESP, "aes192gcm16-modp1536", true},
        {WIRE_PROTO_ESP, "aes192gcm16", false},
    };
    struct ike_proposal proposal;
    struct ike_proposal room[POLICY_PROPOSALS];
    struct ike_proposal_list list = {.proposals = room};
    char error[PROPOSAL_TEXT_MAX];
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_int_equal(proposal_parse(table[i].protocol, table[i].text, &proposal, error), 0);
        assert_true(proposal_is_legacy(&proposal) == table[i].legacy);
    }
    for (uint8_t protocol = WIRE_PROTO_IKE; protocol <= WIRE_PROTO_ESP; protocol += 2) {
        proposal_default(protocol, &list);
        for (size_t i = 0; i < list.n; i++)
            assert_false(proposal_is_legacy(&list.proposals[i]));
    }
}

static void defaults(void **state)
{
    struct ike_proposal rooms[2][POLICY_PROPOSALS];
    struct ike_proposal_list ike = {.proposals = rooms[0]}, esp = {.proposals = rooms[1]};
    struct proposal_choice choice;
    struct wire_sa wire;
    (void)state;
    proposal_default(WIRE_PROTO_IKE, &ike);
    proposal_default(WIRE_PROTO_ESP, &esp);
    struct ike_proposal_list musts = IKE("aes128-sha256-modp2048");
    proposal_to_wire(&musts, (struct span){0}, true, &wire);
    assert_true(proposal_select(&ike, &wire, WIRE_PROTO_IKE,
                                (struct proposal_wish){.with_ke = true}, &choice));
    musts = ESP("aes128-sha256");
    proposal_to_wire(&musts, (struct span){0}, true, &wire);
    assert_true(proposal_select(&esp, &wire, WIRE_PROTO_ESP,
                                (struct proposal_wish){.with_ke = true}, &choice));
    assert_false(choice.esn);
}

static void select_(void **state)
{
    static const struct {
        uint8_t protocol;
        const char *ours, *peers;
        bool with_ke;
        uint16_t ke_sent;
        const char *chosen; /* NULL: NO_PROPOSAL_CHOSEN */
    } rows[] = {
        {WIRE_PROTO_IKE, "aes256gcm16-aes128gcm16-prfsha256-x25519-ecp256",
         "aes128gcm16-prfsha256-ecp256-x25519", true, 0, "aes128gcm16-prfsha256-x25519"},
        /* the group of the KE payload if it is acceptable, which saves a round trip */
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519-ecp256",
         "aes128gcm16-prfsha256-ecp256-x25519", true, 19, "aes128gcm16-prfsha256-ecp256"},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519-ecp256",
         true, 19, "aes128gcm16-prfsha256-x25519"},
        {WIRE_PROTO_IKE, "aes256gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519", true, 0,
         NULL}, /* key length */
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha384-x25519", true, 0,
         NULL},
        {WIRE_PROTO_IKE, "aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-ecp256", true, 0,
         NULL},
        {WIRE_PROTO_IKE, "aes128-sha256-x25519", "aes128-sha512-prfsha256-x25519", true, 0, NULL},
        {WIRE_PROTO_ESP, "aes128gcm16-esn-noesn", "aes128gcm16-noesn-esn", true, 0,
         "aes128gcm16-esn"},
        {WIRE_PROTO_ESP, "aes128gcm16-esn", "aes128gcm16-noesn", true, 0, NULL},
        /* PFS: one side demands it, the other does not have it */
        {WIRE_PROTO_ESP, "aes128gcm16-x25519", "aes128gcm16", true, 0, NULL},
        {WIRE_PROTO_ESP, "aes128gcm16", "aes128gcm16-x25519", true, 31, NULL},
        {WIRE_PROTO_ESP, "aes128gcm16-x25519-modpnone", "aes128gcm16", true, 0,
         "aes128gcm16-noesn"},
        {WIRE_PROTO_ESP, "aes128gcm16", "aes128gcm16-x25519-modpnone", true, 31,
         "aes128gcm16-noesn"},
        {WIRE_PROTO_ESP, "aes128gcm16-x25519", "aes128gcm16-x25519", true, 31,
         "aes128gcm16-x25519-noesn"},
        /* IKE_AUTH: no key exchange of its own (section 1.2) */
        {WIRE_PROTO_ESP, "aes128gcm16-x25519", "aes128gcm16", false, 0, "aes128gcm16-noesn"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct ike_proposal_list ours =
            list_of(rows[i].protocol, (const char *const[]){rows[i].ours, NULL});
        struct ike_proposal_list peers =
            list_of(rows[i].protocol, (const char *const[]){rows[i].peers, NULL});
        struct proposal_wish wish = {rows[i].with_ke, rows[i].ke_sent};
        struct proposal_choice choice, accepted;
        struct wire_sa offer, answer;
        proposal_to_wire(&peers, (struct span){0}, true, &offer);
        bool found = proposal_select(&ours, &offer, rows[i].protocol, wish, &choice);
        assert_int_equal(found, rows[i].chosen != NULL);
        if (!found)
            continue;
        proposal_choice_to_wire(&choice, rows[i].protocol, (struct span){0}, &answer);
        struct ike_proposal_list want =
            list_of(rows[i].protocol, (const char *const[]){rows[i].chosen, NULL});
        const struct ike_proposal *w = &want.proposals[0];
        assert_int_equal(choice.encr, w->encr[0].id);
        assert_int_equal(choice.encr_key_bits, w->encr[0].key_bits);
        assert_int_equal(choice.prf, w->n_prf > 0 ? w->prf[0] : 0);
        assert_int_equal(choice.integ, w->n_integ > 0 ? w->integ[0] : 0);
        assert_int_equal(choice.ke, w->n_ke > 0 ? w->ke[0] : 0);
        assert_int_equal(choice.esn, w->n_sn > 0 && w->sn[0]);
        /* the other side accepts the answer, since it offered it */
        assert_true(proposal_accept(&peers, &answer, rows[i].protocol, rows[i].with_ke, &accepted));
        assert_int_equal(accepted.encr, choice.encr);
        assert_int_equal(accepted.ke, choice.ke);
        assert_int_equal(accepted.esn, choice.esn);
    }
}

/* Our order decides, and the answer has the number of the peer's proposal. */
static void our_order(void **state)
{
    struct ike_proposal_list ours = ESP("chacha20poly1305", "aes128gcm16");
    struct ike_proposal_list peers = ESP("aes128gcm16", "aes256gcm16", "chacha20poly1305");
    struct proposal_choice choice;
    struct wire_sa offer;
    (void)state;
    proposal_to_wire(&peers, (struct span){0}, true, &offer);
    assert_true(proposal_select(&ours, &offer, WIRE_PROTO_ESP, (struct proposal_wish){0}, &choice));
    assert_int_equal(choice.encr, ENCR_CHACHA20_POLY1305);
    assert_int_equal(choice.number, 3);
}

static void change_answer(struct wire_sa *answer, unsigned how)
{
    struct wire_proposal *p = &answer->proposals[0];
    switch (how) {
    case 0: answer->n = 0; break;
    case 1: answer->proposals[answer->n++] = *p; break;      /* two proposals */
    case 2: p->transforms[p->n++] = p->transforms[0]; break; /* two of a type */
    case 3: p->number = 0; break;
    case 4: p->number = 2; break; /* exists, but has other algorithms */
    case 5: p->number = 9; break;
    case 6: p->protocol = WIRE_PROTO_AH; break;
    case 7: p->transforms[0].key_bits = 256; break;
    case 8: p->transforms[0].key_bits = 0; break;
    case 9: p->transforms[0].odd = true; break;
    case 10: p->n--; break; /* without the last type */
    case 11: p->n = 0; break;
    default: p->transforms[p->n++] = (struct wire_transform){.type = 99, .id = 1}; break;
    }
}

/* The initiator accepts only what it offered (RFC 7296 section 2.7). */
static void hostile_answers(void **state)
{
    struct ike_proposal_list ours =
        IKE("aes128gcm16-prfsha256-x25519-ecp256", "aes256-sha512-ecp384");
    struct proposal_choice choice;
    struct wire_sa offer, answer, changed;
    (void)state;
    proposal_to_wire(&ours, (struct span){0}, true, &offer);
    assert_true(proposal_select(&ours, &offer, WIRE_PROTO_IKE,
                                (struct proposal_wish){.with_ke = true}, &choice));
    proposal_choice_to_wire(&choice, WIRE_PROTO_IKE, (struct span){0}, &answer);
    assert_true(proposal_accept(&ours, &answer, WIRE_PROTO_IKE, true, &choice));
    for (unsigned how = 0; how <= 12; how++) {
        changed = answer;
        change_answer(&changed, how);
        assert_false(proposal_accept(&ours, &changed, WIRE_PROTO_IKE, true, &choice));
    }
}

/* Section 3.3.6: an unknown type or attribute makes its proposal or transform unacceptable, and no
 * other one. */
static void odd_offers(void **state)
{
    struct ike_proposal_list ours = IKE("aes128gcm16-prfsha256-x25519");
    struct ike_proposal_list peers =
        IKE("aes128gcm16-prfsha256-x25519", "aes128gcm16-prfsha256-x25519");
    struct proposal_wish wish = {.with_ke = true};
    struct proposal_choice choice;
    struct wire_sa good, offer;
    (void)state;
    proposal_to_wire(&peers, (struct span){0}, true, &good);

    offer = good; /* a transform type that nobody knows */
    offer.proposals[0].transforms[offer.proposals[0].n++] =
        (struct wire_transform){.type = 99, .id = 1};
    assert_true(proposal_select(&ours, &offer, WIRE_PROTO_IKE, wish, &choice));
    assert_int_equal(choice.number, 2);

    offer = good; /* a type that is missing */
    offer.proposals[0].n--;
    assert_true(proposal_select(&ours, &offer, WIRE_PROTO_IKE, wish, &choice));
    assert_int_equal(choice.number, 2);

    offer = good; /* an attribute, and an algorithm, that nobody knows, beside others */
    struct wire_proposal *p = &offer.proposals[0];
    p->transforms[p->n] = p->transforms[0];
    p->transforms[p->n++].odd = true;
    p->transforms[p->n++] = (struct wire_transform){.type = WIRE_ENCR, .id = 1000};
    assert_true(proposal_select(&ours, &offer, WIRE_PROTO_IKE, wish, &choice));
    assert_int_equal(choice.number, 1);
    p->transforms[0].odd = true; /* and alone */
    offer.n = 1;
    assert_false(proposal_select(&ours, &offer, WIRE_PROTO_IKE, wish, &choice));
    proposal_to_wire(&peers, (struct span){0}, true, &offer);
    for (size_t i = 0; i < 2; i++) /* without a group: the key exchange is never left out */
        for (size_t j = 0; j < offer.proposals[i].n; j++)
            if (offer.proposals[i].transforms[j].type == WIRE_KE)
                offer.proposals[i].transforms[j].id = 0;
    assert_false(proposal_select(&ours, &offer, WIRE_PROTO_IKE, wish, &choice));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_and_print), cmocka_unit_test(refused),
        cmocka_unit_test(legacy),          cmocka_unit_test(defaults),
        cmocka_unit_test(select_),         cmocka_unit_test(our_order),
        cmocka_unit_test(hostile_answers), cmocka_unit_test(odd_offers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
