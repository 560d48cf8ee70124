/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preloaded into the daemons of a host: notes each signature that OpenSSL makes or verifies there,
 * whatever program asks for it. The file that IKAT_SIGNATURES names is shared memory of all their
 * processes (lab/signatures.py reads it). A process that may open no file gets the descriptor from
 * the one that starts it: ikatd closes low ones only.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

#define RECORDS    65535
#define DESCRIPTOR 2000

enum kind { MADE = 1, VERIFIED };

struct record {
    int64_t at_ns; /* since 1970 */
    int64_t kind;
};

struct notes {
    _Atomic int64_t n;
    int64_t zero;
    struct record records[RECORDS];
};

static struct notes *notes;
static _Thread_local int depth; /* a function of libcrypto calls another one */

/* descriptor_keep - for the processes that this one starts. */
static void descriptor_keep(int fd)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur <= DESCRIPTOR) {
        limit.rlim_cur = DESCRIPTOR + 1;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    (void)dup2(fd, DESCRIPTOR);
    close(fd);
}

__attribute__((constructor)) static void notes_map(void)
{
    const char *path = getenv("IKAT_SIGNATURES");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        descriptor_keep(fd);
    void *at = path == NULL
                   ? MAP_FAILED
                   : mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, DESCRIPTOR, 0);
    if (at != MAP_FAILED)
        notes = at;
}

static void note(enum kind kind, const EVP_PKEY *key)
{
    struct timespec now;
    if (notes == NULL || depth > 0 || key == NULL || EVP_PKEY_get_base_id(key) == EVP_PKEY_HMAC)
        return;
    int64_t place = atomic_fetch_add(&notes->n, 1);
    clock_gettime(CLOCK_REALTIME, &now);
    if (place < RECORDS)
        notes->records[place] =
            (struct record){(int64_t)now.tv_sec * 1000000000 + now.tv_nsec, kind};
}

static const EVP_PKEY *key_of(EVP_MD_CTX *digest)
{
    EVP_PKEY_CTX *ctx = EVP_MD_CTX_get_pkey_ctx(digest);
    return ctx == NULL ? NULL : EVP_PKEY_CTX_get0_pkey(ctx);
}

/* A call with no room for the signature asks only how long it will be. */
#define PASS(name, kind, key, counts, args, ...)                                                   \
    static int (*next)(__VA_ARGS__);                                                               \
    if (next == NULL)                                                                              \
        *(void **)&next = dlsym(RTLD_NEXT, name);                                                  \
    if (counts)                                                                                    \
        note(kind, key);                                                                           \
    depth++;                                                                                       \
    int ok = next args;                                                                            \
    depth--;                                                                                       \
    return ok

int EVP_DigestSign(EVP_MD_CTX *ctx, unsigned char *sig, size_t *len, const unsigned char *tbs,
                   size_t n)
{
    PASS("EVP_DigestSign", MADE, key_of(ctx), sig != NULL, (ctx, sig, len, tbs, n), EVP_MD_CTX *,
         unsigned char *, size_t *, const unsigned char *, size_t);
}

int EVP_DigestSignFinal(EVP_MD_CTX *ctx, unsigned char *sig, size_t *len)
{
    PASS("EVP_DigestSignFinal", MADE, key_of(ctx), sig != NULL, (ctx, sig, len), EVP_MD_CTX *,
         unsigned char *, size_t *);
}

int EVP_PKEY_sign(EVP_PKEY_CTX *ctx, unsigned char *sig, size_t *len, const unsigned char *tbs,
                  size_t n)
{
    PASS("EVP_PKEY_sign", MADE, EVP_PKEY_CTX_get0_pkey(ctx), sig != NULL, (ctx, sig, len, tbs, n),
         EVP_PKEY_CTX *, unsigned char *, size_t *, const unsigned char *, size_t);
}

int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *sig, size_t len,
                     const unsigned char *tbs, size_t n)
{
    PASS("EVP_DigestVerify", VERIFIED, key_of(ctx), 1, (ctx, sig, len, tbs, n), EVP_MD_CTX *,
         const unsigned char *, size_t, const unsigned char *, size_t);
}

int EVP_DigestVerifyFinal(EVP_MD_CTX *ctx, const unsigned char *sig, size_t len)
{
    PASS("EVP_DigestVerifyFinal", VERIFIED, key_of(ctx), 1, (ctx, sig, len), EVP_MD_CTX *,
         const unsigned char *, size_t);
}

int EVP_PKEY_verify(EVP_PKEY_CTX *ctx, const unsigned char *sig, size_t len,
                    const unsigned char *tbs, size_t n)
{
    PASS("EVP_PKEY_verify", VERIFIED, EVP_PKEY_CTX_get0_pkey(ctx), 1, (ctx, sig, len, tbs, n),
         EVP_PKEY_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);
}
