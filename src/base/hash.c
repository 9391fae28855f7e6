/*
** hash.c - the hash of tables in memory, and the content hash of stored things.
** Relies on libsodium for BLAKE2b. th_hash_bytes folds 64-by-64-bit products and is made for short keys: up to 16 bytes
** take two overlapping loads and two multiplications. Its results depend on the byte order and are never stored.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <sodium.h>

/* Odd, with as many ones as zeros, and unlike each other: fractional bits of the square roots of 2, 3, 5 and 7. */
#define K0 0x6a09e667f3bcc909u
#define K1 0xbb67ae8584caa73bu
#define K2 0x3c6ef372fe94f82bu
#define K3 0xa54ff53a5f1d36f1u

static inline uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t load64(const unsigned char *p) {
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

static inline uint64_t load32(const unsigned char *p) {
    uint32_t w;
    memcpy(&w, p, 4);
    return w;
}

/* Past 16 bytes: two lanes of 16 bytes at a time, then the last 16 (which may overlap what was seen). */
static TH_NOINLINE uint64_t hash_long(const unsigned char *p, size_t len, uint64_t seed) {
    const unsigned char *last = p + len - 16;
    uint64_t other = seed ^ K2;
    size_t left = len;
    for (; left > 32; left -= 32, p += 32) {
        seed = fold(load64(p) ^ K0, load64(p + 8) ^ seed);
        other = fold(load64(p + 16) ^ K1, load64(p + 24) ^ other);
    }
    if (left > 16) seed = fold(load64(p) ^ K3, load64(p + 8) ^ seed);
    return fold(load64(last) ^ K1 ^ len, load64(last + 8) ^ seed ^ other);
}

uint64_t th_hash_bytes(const void *bytes, size_t len, uint64_t seed) {
    const unsigned char *p = bytes;
    uint64_t a = 0, b = 0;
    seed ^= K0;
    if (TH_LIKELY(len <= 16)) {
        if (len >= 8) {
            a = load64(p);
            b = load64(p + len - 8);
        } else if (len >= 4) {
            a = load32(p);
            b = load32(p + len - 4);
        } else if (len > 0) {
            a = (uint64_t)p[0] << 16 | (uint64_t)p[len >> 1] << 8 | p[len - 1];
        }
    } else {
        a = hash_long(p, len, seed);
    }
    return fold(fold(a ^ K1, b ^ seed) ^ K2, K3 ^ len);
}

void th_digest_of(const void *bytes, size_t len, th_digest *out) {
    _Static_assert(sizeof out->bytes == crypto_generichash_BYTES, "the digest is libsodium's default size");
    /* Chooses the fast code for this processor once, and is cheap and thread safe after that; when it fails, the
    ** portable code is used, with the same results. */
    int ready = sodium_init();
    (void)ready;
    crypto_generichash(out->bytes, sizeof out->bytes, bytes, len, NULL, 0);
}
