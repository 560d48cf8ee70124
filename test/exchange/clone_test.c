/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clones of IKE SAs: draft-mglt-ipsecme-keep-old-ike-sa-00 and RFC 7791, message by message. The
 * numbers M1 to M12 are those of the draft's Appendix B.
 */
#include <limits.h>

#include "exchange/scenario.h"

/* Appendix B.1 to B.4, in the order "move, then create". */
static void the_draft(void **state)
{
    (void)state;
    struct world *world = world_new(1);
    scenario_watch(world);
    scenario_login(world);
    EXPECT_MESSAGES(
        world,
        /* M1, M2 */
        "#1 a:500 -> b:500 IKE_SA_INIT request: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) V",
        "#1 b:500 -> a:500 IKE_SA_INIT response: SA(IKE) KE NONCE N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(IKEV2_FRAGMENTATION_SUPPORTED) "
        "N(SIGNATURE_HASH_ALGORITHMS) N(CHILDLESS_IKEV2_SUPPORTED) V",
        /* M3, M4 */
        "#1 a -> b IKE_AUTH request: IDi N(INITIAL_CONTACT) IDr AUTH CP(REQUEST) SA(ESP) TSi TSr "
        "N(MOBIKE_SUPPORTED) N(CLONE_IKE_SA_SUPPORTED)",
        "#1 b -> a IKE_AUTH response: IDr AUTH CP(REPLY) SA(ESP) TSi TSr N(MOBIKE_SUPPORTED) "
        "N(CLONE_IKE_SA_SUPPORTED)");
    ike_sa_id first = world_sa(&world->a, 0);

    scenario_watch(world);
    ike_sa_id second = scenario_clone(&world->a, first);
    EXPECT_MESSAGES(
        world,
        /* M5, M6 */
        "#1 a -> b CREATE_CHILD_SA request: N(KEEP_OLD_IKE_SA Q=1 code=0) SA(IKE) NONCE KE",
        "#1 b -> a CREATE_CHILD_SA response: N(KEEP_OLD_IKE_SA Q=0 code=0) SA(IKE) NONCE KE");
    assert_int_equal(scenario_sa(&world->a, second).origin, IKE_ORIGIN_CLONED);
    assert_int_equal(scenario_sa(&world->a, second).parent, first);

    scenario_watch(world);
    scenario_move(world, second, 1);
    EXPECT_MESSAGES(
        world,
        /* M9 to M12, and the return routability check of RFC 4555 section 3.7 */
        "#2 a1 -> b INFORMATIONAL request: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 b -> a1 INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP)",
        "#2 a1 -> b INFORMATIONAL request: N(UPDATE_SA_ADDRESSES) N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#2 b -> a1 INFORMATIONAL response: N(NAT_DETECTION_SOURCE_IP) "
        "N(NAT_DETECTION_DESTINATION_IP) N(COOKIE2)",
        "#2 b -> a1 INFORMATIONAL request: N(COOKIE2)",
        "#2 a1 -> b INFORMATIONAL response: N(COOKIE2)");

    scenario_watch(world);
    scenario_create(&world->a, second);
    EXPECT_MESSAGES(world,
                    /* M7, M8 */
                    "#2 a1 -> b CREATE_CHILD_SA request: SA(ESP) NONCE TSi TSr",
                    "#2 b -> a1 CREATE_CHILD_SA response: SA(ESP) NONCE TSi TSr");
    assert_int_equal(world_n_children(&world->b), 2);
    assert_int_equal(scenario_session(&world->b).logins, 1);
    scenario_end(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_draft),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
