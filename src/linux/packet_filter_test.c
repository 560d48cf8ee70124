/* SPDX-License-Identifier: Apache-2.0 */

/* In user and network namespaces of its own, so that it needs no privilege and touches nothing. */

#include "linux/packet_filter.h"

#include <nftables/libnftables.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/unit_test.h"

#define MOST 40

/* struct model - the wanted prefixes, some of them nested. */
struct model {
    struct packet_filter_prefix inner[MOST], protected[MOST];
    size_t n_inner, n_protected;
    struct packet_filter_device device;
    size_t n_devices;
};

static char *listed(struct nft_ctx *nft, const char *command)
{
    assert_int_equal(nft_run_cmd_from_buffer(nft, command), 0);
    return strdup(nft_ctx_get_output_buffer(nft));
}

static struct nft_ctx *reader_new(void)
{
    struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
    assert_non_null(nft);
    assert_int_equal(nft_ctx_buffer_output(nft), 0);
    nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_NUMERIC_ALL);
    return nft;
}

static void set(struct packet_filter *filter, const struct model *model)
{
    struct model copy = *model; /* the lists are sorted */
    const struct packet_filter_lists lists = {.inner = copy.inner,
                                              .protected = copy.protected,
                                              .devices = &copy.device,
                                              .n_inner = copy.n_inner,
                                              .n_protected = copy.n_protected,
                                              .n_devices = copy.n_devices};
    assert_int_equal(packet_filter_set(filter, &lists), 0);
}

static struct packet_filter_prefix prefix_of(uint64_t dice)
{
    static const struct {
        const char *address;
        uint8_t len;
    } nested[] = {{"10.0.0.0", 8},      {"10.7.0.0", 16},       {"10.7.7.0", 24},
                  {"10.8.0.0", 13},     {"10.7.7.128", 25},     {"192.0.2.1", 32},
                  {"192.0.2.0", 31},    {"2001:db8::", 32},     {"2001:db8:1::", 48},
                  {"2001:db8::1", 128}, {"172.16.0.0", 12},     {"172.16.0.0", 16},
                  {"172.17.0.0", 16},   {"255.255.255.255", 32}};
    size_t which = dice % ARRAY_LEN(nested);
    struct packet_filter_prefix prefix = {.prefix_len = nested[which].len};
    assert_true(address_parse(nested[which].address, &prefix.address));
    return prefix;
}

static void change(struct packet_filter_prefix *list, size_t *n, uint64_t dice)
{
    if (*n == MOST || (dice & 1 && *n > 0))
        list[(dice >> 8) % *n] = list[*n - 1], --*n;
    else
        list[*n] = prefix_of(dice >> 8), ++*n;
}

static uint64_t next(uint64_t *dice)
{
    *dice = *dice * 6364136223846793005u + 1442695040888963407u;
    return *dice >> 16;
}

/* After any changes the table equals one that is made anew. */
static void changes_like_anew(void **state)
{
    (void)state;
    struct model model = {.device = {.name = "ikat-m1", .mark = 1, .mask = UINT32_MAX}};
    struct nft_ctx *reader = reader_new();
    struct packet_filter *filter, *anew;
    uint64_t dice = 1;
    assert_int_equal(packet_filter_new("ikat0", &filter), 0);
    for (int round = 0; round < 60; round++) {
        for (uint64_t n = next(&dice) % 6; n > 0; n--)
            change(model.inner, &model.n_inner, next(&dice));
        for (uint64_t n = next(&dice) % 6; n > 0; n--)
            change(model.protected, &model.n_protected, next(&dice));
        model.n_devices = round % 10 == 9;
        set(filter, &model);
        char *changed = listed(reader, "list table inet ikat");
        assert_int_equal(packet_filter_new("ikat0", &anew), 0);
        set(anew, &model);
        packet_filter_free(anew, true);
        char *whole = listed(reader, "list table inet ikat");
        assert_string_equal(changed, whole);
        free(changed), free(whole);
    }
    packet_filter_free(filter, false);
    nft_ctx_free(reader);
}

/* The table and its counters stay when a prefix comes or goes. A table that another program removed
 * is made anew. */
static void table_stays(void **state)
{
    (void)state;
    struct model model = {.protected = {prefix_of(0)}, .n_protected = 1};
    struct nft_ctx *reader = reader_new();
    struct packet_filter *filter;
    nft_ctx_output_set_flags(reader, NFT_CTX_OUTPUT_HANDLE);
    assert_int_equal(packet_filter_new("ikat0", &filter), 0);
    set(filter, &model);
    char *before = listed(reader, "list tables");
    model.inner[model.n_inner++] = prefix_of(5);
    model.protected[model.n_protected++] = prefix_of(10);
    set(filter, &model);
    char *after = listed(reader, "list tables");
    assert_string_equal(before, after);
    free(before), free(after);
    assert_int_equal(nft_run_cmd_from_buffer(reader, "delete table inet ikat"), 0);
    model.n_inner = 0;
    set(filter, &model);
    after = listed(reader, "list table inet ikat");
    assert_non_null(strstr(after, "172.16.0.0/12"));
    free(after);
    packet_filter_free(filter, false);
    nft_ctx_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_like_anew),
        cmocka_unit_test(table_stays),
    };
    struct packet_filter *filter = NULL;
    if (unshare(geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0 ||
        packet_filter_new("ikat0", &filter) != 0) {
        perror("needs namespaces and nftables");
        return 77; /* meson: skipped */
    }
    packet_filter_free(filter, false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
