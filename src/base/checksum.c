/*
** checksum.c - the well-known hash functions that other tools' files and protocols name (libnettle).
** SPDX-License-Identifier: Apache-2.0
*/
#include <nettle/md5.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>

#include "base/base.h"

_Static_assert(TH_CHECKSUM_MAX >= SHA512_DIGEST_SIZE, "room for the longest");

typedef union any_state {
    struct md5_ctx md5;
    struct sha1_ctx sha1;
    struct sha256_ctx sha256;
    struct sha512_ctx sha512;
} any_state;

_Static_assert(sizeof(any_state) <= sizeof(((th_hasher *)0)->state), "room for the largest");

static any_state *state_of(th_hasher *h) { return (any_state *)(void *)h->state; }

void th_hasher_init(th_hasher *h, th_checksum_kind kind) {
    h->kind = kind;
    switch (kind) {
    case TH_MD5: md5_init(&state_of(h)->md5); break;
    case TH_SHA1: sha1_init(&state_of(h)->sha1); break;
    case TH_SHA256: sha256_init(&state_of(h)->sha256); break;
    case TH_SHA512: sha512_init(&state_of(h)->sha512); break;
    }
}

void th_hasher_put(th_hasher *h, const void *bytes, size_t len) {
    if (len == 0) return;
    switch (h->kind) {
    case TH_MD5: md5_update(&state_of(h)->md5, len, bytes); break;
    case TH_SHA1: sha1_update(&state_of(h)->sha1, len, bytes); break;
    case TH_SHA256: sha256_update(&state_of(h)->sha256, len, bytes); break;
    case TH_SHA512: sha512_update(&state_of(h)->sha512, len, bytes); break;
    }
}

size_t th_hasher_take(th_hasher *h, uint8_t out[TH_CHECKSUM_MAX]) {
    switch (h->kind) {
    case TH_MD5: md5_digest(&state_of(h)->md5, MD5_DIGEST_SIZE, out); return MD5_DIGEST_SIZE;
    case TH_SHA1: sha1_digest(&state_of(h)->sha1, SHA1_DIGEST_SIZE, out); return SHA1_DIGEST_SIZE;
    case TH_SHA256: sha256_digest(&state_of(h)->sha256, SHA256_DIGEST_SIZE, out); return SHA256_DIGEST_SIZE;
    case TH_SHA512: sha512_digest(&state_of(h)->sha512, SHA512_DIGEST_SIZE, out); return SHA512_DIGEST_SIZE;
    }
    return 0;
}

size_t th_checksum(th_checksum_kind kind, const void *bytes, size_t len, uint8_t out[TH_CHECKSUM_MAX]) {
    th_hasher h;
    th_hasher_init(&h, kind);
    th_hasher_put(&h, bytes, len);
    return th_hasher_take(&h, out);
}
