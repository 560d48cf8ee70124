/* SPDX-License-Identifier: Apache-2.0 */

/* Prints what the cryptography of a packet and of a login costs on this machine: CPU nanoseconds.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "base/time.h"
#include "crypto/esp_cipher.h"
#include "crypto/ke.h"
#include "crypto/prf.h"
#include "crypto/sk.h"

#define TEXT_MAX 1400

struct bench {
    struct crypto_provider *provider;
    struct esp_crypto *esp;
    struct esp_key *key;
    struct ke_job ke, peer;
    struct sk_keys sk;
    uint64_t sequence;
    size_t len;
    uint16_t group;
    uint8_t octets[64];
    uint8_t text[TEXT_MAX];
    uint8_t packet[TEXT_MAX + ESP_OVERHEAD_MAX];
};

static void fill(void *context, void *octets, size_t len)
{
    uint64_t *state = context;
    for (size_t i = 0; i < len; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        ((uint8_t *)octets)[i] = (uint8_t)(*state >> 56);
    }
}

static nanos cpu_now(void)
{
    struct timespec t;
    ASSERT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
    return t.tv_sec * NANOS_PER_SEC + t.tv_nsec;
}

static uint64_t seed = 1;
static const struct random dice = {fill, &seed};

/* measure - CPU nanoseconds of a call, the mean over calls of at least 50 ms. */
static double measure(void (*operation)(struct bench *), struct bench *bench)
{
    operation(bench);
    for (int64_t calls = 8;; calls *= 4) {
        nanos start = cpu_now();
        for (int64_t i = 0; i < calls; i++)
            operation(bench);
        nanos taken = cpu_now() - start;
        if (taken > 50 * NANOS_PER_MS)
            return (double)taken / (double)calls;
    }
}

static void seal(struct bench *bench)
{
    struct esp_job job = {bench->packet, bench->text, bench->len, ++bench->sequence, false};
    ASSERT(esp_seal(bench->esp, bench->key, &job, bench->octets) == 0);
}

static void seal_open(struct bench *bench)
{
    seal(bench);
    struct esp_job job = {bench->packet, NULL, bench->len, bench->sequence, false};
    ASSERT(esp_open(bench->esp, bench->key, &job) == 0);
}

static const struct {
    const char *name;
    uint16_t encr, bits, integ;
} suites[] = {
    {"aes128gcm16", 20, 128, 0},       {"aes256gcm16", 20, 256, 0},
    {"chacha20poly1305", 28, 0, 0},    {"aes128cbc-sha256", 12, 128, 12},
    {"aes256cbc-sha384", 12, 256, 13}, {"aes256cbc-sha512", 12, 256, 14},
};

static void packets(struct bench *bench)
{
    for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
        struct esp_algorithms algorithms = {suites[i].encr, suites[i].bits, suites[i].integ};
        const struct crypto_encr *encr = crypto_encr_find(algorithms.encr, algorithms.key_bits);
        const struct crypto_integ *integ = crypto_integ_find(algorithms.integ);
        bench->key = esp_key_new(bench->esp, &algorithms,
                                 span_of(bench->octets, (size_t)encr->key_len + encr->salt_len),
                                 span_of(bench->octets, integ == NULL ? 0 : integ->key_len));
        ASSERT(bench->key != NULL);
        for (int big = 0; big < 2; big++) {
            bench->len = big ? 1392 : 64; /* a multiple of the block of CBC */
            double sealing = measure(seal, bench);
            double both = measure(seal_open, bench);
            printf("%-10s %-17s %4zu octets  seal %6.0f ns  open %6.0f ns\n",
                   esp_crypto_backend(bench->esp), suites[i].name, bench->len, sealing,
                   both - sealing);
        }
        bench->key = esp_key_free(bench->key);
    }
}

static void ke_generate(struct bench *bench)
{
    ASSERT(ke_begin(&bench->ke, bench->group));
    ke_run(&bench->ke);
}

static void ke_derive(struct bench *bench)
{
    struct ke_job job = bench->ke;
    ASSERT(ke_finish(&job, ke_public(&bench->peer)));
    ke_run(&job);
    ASSERT(job.error == 0);
}

static void prf(struct bench *bench)
{
    struct span part = span_of(bench->text, 64);
    ASSERT(crypto_prf(bench->provider, 5, span_of(bench->octets, 32), &part, 1, bench->packet) ==
           0);
}

static void prf_plus(struct bench *bench)
{
    /* SK_d, SK_ei, SK_er, SK_pi, SK_pr with AES-GCM-128: 3 * 32 + 2 * 20 octets */
    struct span part = span_of(bench->text, 80);
    ASSERT(crypto_prf_plus(bench->provider, 5, span_of(bench->octets, 32), &part, 1,
                           (struct buffer){bench->packet, 136}) == 0);
}

static void sk_pair(struct bench *bench)
{
    struct buffer message = {bench->packet, 32 + sk_size(&bench->sk, 200)};
    struct span plain;
    ASSERT(sk_seal(bench->provider, &bench->sk, message, 32, 200, ++bench->sequence, &dice) == 0);
    ASSERT(sk_open(bench->provider, &bench->sk, message, 32, &plain) == 0);
}

static void key_setup(struct bench *bench)
{
    struct esp_algorithms algorithms = {20, 128, 0};
    esp_key_free(
        esp_key_new(bench->esp, &algorithms, span_of(bench->octets, 20), (struct span){0}));
}

static void login(struct bench *bench)
{
    static const uint16_t groups[] = {31, 19, 20, 14, 32};
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        bench->group = groups[i];
        ke_generate(bench);
        bench->peer = bench->ke;
        double generate = measure(ke_generate, bench);
        printf("key exchange %2u: generate %8.0f ns  derive %8.0f ns\n", groups[i], generate,
               measure(ke_derive, bench));
    }
    printf("prf SHA2-256 of 64 octets: %.0f ns\n", measure(prf, bench));
    printf("prf+ SHA2-256 to 136 octets: %.0f ns\n", measure(prf_plus, bench));
    bench->sk = (struct sk_keys){crypto_encr_find(20, 128), NULL, bench->octets, NULL};
    printf("SK seal and open, AES-GCM, 200 octets: %.0f ns\n", measure(sk_pair, bench));
    printf("ESP key setup and wipe, AES-GCM-128: %.0f ns\n", measure(key_setup, bench));
}

int main(void)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    ASSERT(bench != NULL);
    fill(&seed, bench->octets, sizeof(bench->octets));
    fill(&seed, bench->text, sizeof(bench->text));
    bench->provider = crypto_new();
    bench->esp = esp_crypto_new();
    ASSERT(bench->provider != NULL && bench->esp != NULL);
    login(bench);
    packets(bench);
    esp_crypto_free(bench->esp);
    bench->esp = esp_crypto_new_portable();
    ASSERT(bench->esp != NULL);
    packets(bench);
    esp_crypto_free(bench->esp);
    crypto_free(bench->provider);
    free(bench);
    return 0;
}
