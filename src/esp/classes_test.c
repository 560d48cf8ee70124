/* SPDX-License-Identifier: Apache-2.0 */
#include "esp/classes.h"

#include <stdlib.h>

#include "esp/child_test_util.h"
#include "esp/policy.h"

static struct esp_crypto *crypto;

static const struct traffic_class anything = {
    .local_port = {0, UINT16_MAX}, .remote_port = {0, UINT16_MAX}, .size = {0, UINT16_MAX}};

static struct address_range range(const char *text)
{
    struct address_range range;
    assert_true(range_parse(text, &range));
    return range;
}

/* udp - 10.0.0.1 port 5000 to 10.1.0.1 port 53: 100 octets, DSCP 46. */
static struct esp_inner udp(void)
{
    struct esp_inner inner = {.version = 4,
                              .protocol = ESP_PROTO_UDP,
                              .has_ports = true,
                              .src_port = 5000,
                              .dst_port = 53,
                              .tos = 46 << 2 | 1,
                              .total_len = 100,
                              .segment_len = 100};
    assert_true(address_parse("10.0.0.1", &inner.src));
    assert_true(address_parse("10.1.0.1", &inner.dst));
    return inner;
}

static int find(const struct traffic_class *classes, unsigned n, bool mirrored,
                const struct esp_inner *inner)
{
    struct esp_classes *made = esp_classes_new(
        &(struct traffic_classes){.n = n, .mirrored = mirrored, .classes = classes});
    assert_non_null(made);
    int class = esp_class_find(made, inner);
    free(made);
    return class;
}

static bool takes(struct traffic_class class, struct esp_inner inner)
{
    return find(&class, 1, false, &inner) == 0;
}

static void test_each_condition(void **state)
{
    (void)state;
    struct traffic_class class = anything;
    struct esp_inner inner = udp();
    assert_true(takes(class, inner));
    class.dscp = UINT64_C(1) << 46;
    assert_true(takes(class, inner));
    class.dscp = UINT64_C(1) << 45 | 1;
    assert_false(takes(class, inner));
    inner.tos = 3; /* ECN is no part of it */
    assert_true(takes(class, inner));
    class = anything;
    class.protocol = ESP_PROTO_TCP;
    assert_false(takes(class, inner));
    class.protocol = ESP_PROTO_UDP;
    class.remote_port = (struct number_range){50, 53};
    assert_true(takes(class, inner));
    class.local_port = (struct number_range){5001, 5002};
    assert_false(takes(class, inner));
    class = anything;
    class.size = (struct number_range){100, 100};
    assert_true(takes(class, inner));
    inner.segment_len = 101;
    assert_false(takes(class, inner));
    class = anything;
    class.remote[0] = range("10.2.0.0/16");
    class.n_remote = 1;
    assert_false(takes(class, inner));
    class.remote[1] = range("10.1.0.1");
    class.n_remote = 2;
    assert_true(takes(class, inner));
}

/* Packets without ports: all fragments of a packet are in one class, and ICMP types are no ports. */
static void test_without_ports(void **state)
{
    (void)state;
    struct traffic_class class = anything;
    struct esp_inner inner = udp();
    class.remote_port = (struct number_range){0, 1024};
    assert_true(takes(class, inner));
    inner.fragment = true;
    assert_false(takes(class, inner));
    inner = udp();
    inner.has_ports = false;
    inner.dst_port = 0;
    assert_false(takes(class, inner));
    inner = udp();
    inner.protocol = ESP_PROTO_ICMP;
    assert_false(takes(class, inner));
    inner.protocol = ESP_PROTO_ICMPV6;
    assert_false(takes(class, inner));
}

static void test_first_wins(void **state)
{
    (void)state;
    struct traffic_class classes[LIMIT_CLASSES];
    struct esp_inner inner = udp();
    for (unsigned i = 0; i < LIMIT_CLASSES; i++) {
        classes[i] = anything;
        classes[i].protocol = ESP_PROTO_TCP;
    }
    assert_int_equal(find(classes, LIMIT_CLASSES, false, &inner), ESP_CLASS_NONE);
    classes[15].protocol = 0;
    assert_int_equal(find(classes, LIMIT_CLASSES, false, &inner), 15);
    classes[3].protocol = ESP_PROTO_UDP;
    assert_int_equal(find(classes, LIMIT_CLASSES, false, &inner), 3);
}

/* A Gateway has the classes of its End User, and sends in the other direction. */
static void test_mirrored(void **state)
{
    (void)state;
    struct traffic_class class = anything;
    struct esp_inner up = udp(), down = up;
    down.src = up.dst;
    down.dst = up.src;
    down.src_port = up.dst_port;
    down.dst_port = up.src_port;
    class.local_port = (struct number_range){5000, 5000};
    class.remote_port = (struct number_range){53, 53};
    class.remote[0] = range("10.1.0.0/16");
    class.n_remote = 1;
    assert_int_equal(find(&class, 1, false, &up), 0);
    assert_int_equal(find(&class, 1, true, &down), 0);
    assert_int_equal(find(&class, 1, true, &up), ESP_CLASS_NONE);
    assert_int_equal(find(&class, 1, false, &down), ESP_CLASS_NONE);
}

/* struct paths - a session with three Child SAs of the same selectors. */
struct paths {
    struct esp_child *children[3];
    struct esp_policy *policy;
    const struct esp_group *group;
};

static void paths_init(struct paths *p)
{
    static const uint8_t key[20];
    struct esp_inner inner = udp();
    p->policy = esp_policy_new(7);
    assert_non_null(p->policy);
    for (uint32_t i = 0; i < 3; i++) {
        struct esp_child_config c = {.child = i + 1,
                                     .session = 1,
                                     .spi_in = 1001 + i,
                                     .spi_out = 5001 + i,
                                     .encr = 20,
                                     .encr_key_bits = 128,
                                     .encr_in = span_of(key, 20),
                                     .encr_out = span_of(key, 20),
                                     .local_ts = any_of("10.0.0.0/16"),
                                     .remote_ts = any_of("10.1.0.0/16"),
                                     .replay_window = 32};
        assert_int_equal(esp_child_new(crypto, &c, &p->children[i]), 0);
        p->children[i]->flow_tag = (uint16_t)(i + 1);
        esp_child_state_set(p->children[i], 1, 1, true);
        assert_int_equal(esp_policy_add(p->policy, p->children[i]), 0);
        assert_int_equal(esp_policy_send(p->policy, p->children[i], NULL), 0);
    }
    p->group = esp_policy_group(p->policy, &inner);
    assert_int_equal(p->group->n, 3);
}

static void paths_done(struct paths *p)
{
    esp_policy_free(p->policy);
    for (size_t i = 0; i < 3; i++)
        esp_child_free(p->children[i]);
}

/* choose_udp - the child for a packet of UDP of flow 1, which came in with this tag just now. */
static uint32_t choose_udp(const struct esp_group *group, uint16_t tag)
{
    struct esp_inner inner = udp();
    const struct esp_child *child = esp_group_choose_class(
        group, esp_group_class(group, &inner), 1, (struct flow_origin){.tag = tag, .recent = true});
    return child == NULL ? 0 : child->id;
}

/* A class takes the paths that it may take, whatever their rank. While none of them works it takes
 * any path, or with `strict` none. */
static void test_choice(void **state)
{
    (void)state;
    const struct flow_origin nowhere = {0};
    struct paths p;
    paths_init(&p);
    struct traffic_class class = {
        .protocol = 17, .local_port = NUMBER_ANY, .remote_port = NUMBER_ANY, .size = NUMBER_ANY};
    struct traffic_classes list = {.n = 1, .classes = &class};
    esp_session_id session = 1;
    assert_int_equal(choose_udp(p.group, 0), 1);
    for (int strict = 0; strict < 2; strict++) {
        class.strict = strict != 0;
        assert_int_equal(esp_policy_classes(p.policy, session, &list), 0);
        assert_int_equal(choose_udp(p.group, 0), strict ? 0 : 1); /* no path is named yet */
        p.children[1]->classes = 1;
        p.children[2]->classes = 3;
        p.children[2]->priority = 9;
        assert_int_equal(choose_udp(p.group, 0), 2);
        assert_int_equal(choose_udp(p.group, 3), 3); /* came in there */
        assert_int_equal(choose_udp(p.group, 1), 2); /* it may not answer on the child on which it
                                                      * arrived */
        assert_int_equal(esp_group_choose(p.group, 1, nowhere)->id, 1); /* of no class */
        p.children[1]->usable = false;
        assert_int_equal(choose_udp(p.group, 0), 3);
        p.children[2]->usable = false;
        assert_int_equal(choose_udp(p.group, 0), strict ? 0 : 1);
        p.children[1]->usable = p.children[2]->usable = true;
    }
    /* a new list without this packet: the old permissions of the children are void */
    class.protocol = 6;
    assert_int_equal(esp_policy_classes(p.policy, session, &list), 0);
    assert_int_equal(p.children[1]->classes, 0);
    assert_int_equal(choose_udp(p.group, 0), 1);
    list.n = 0;
    assert_int_equal(esp_policy_classes(p.policy, session, &list), 0);
    assert_null(p.group->classes);
    paths_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_condition), cmocka_unit_test(test_without_ports),
        cmocka_unit_test(test_first_wins),     cmocka_unit_test(test_mirrored),
        cmocka_unit_test(test_choice),
    };
    crypto = esp_crypto_new();
    assert_non_null(crypto);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    esp_crypto_free(crypto);
    return failed;
}
