/*
** hash.c - hashes as Nix writes them: base 16, its own base 32, base 64, and SRI ("sha256-...").
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/nix_int.h"

static const char *const names[] = {"md5", "sha1", "sha256", "sha512"};
static const size_t lengths[] = {16, 20, 32, 64};

bool nix_hash_of(th_view name, nix_hash *out) {
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        if (!th_view_is(name, names[i])) continue;
        *out = (nix_hash)i;
        return true;
    }
    return false;
}

const char *nix_hash_name(nix_hash hash) { return names[hash]; }

size_t nix_hash_bytes(nix_hash hash, th_view data, uint8_t out[64]) {
    static const th_checksum_kind kinds[] = {TH_MD5, TH_SHA1, TH_SHA256, TH_SHA512};
    return th_checksum(kinds[hash], data.data, data.len, out);
}

/* ---- Writing ------------------------------------------------------------------------------------------------ */

void nix_base16(const uint8_t *bytes, size_t n, th_buf *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        th_buf_char(out, digits[bytes[i] >> 4]);
        th_buf_char(out, digits[bytes[i] & 15]);
    }
}

/* Five bits a digit, the last bits of the number first; no e, o, t, u. */
static const char digits32[] = "0123456789abcdfghijklmnpqrsvwxyz";

static size_t length32(size_t n) { return n ? (n * 8 - 1) / 5 + 1 : 0; }

void nix_base32(const uint8_t *bytes, size_t n, th_buf *out) {
    for (size_t k = length32(n); k-- > 0;) {
        size_t bit = k * 5, i = bit / 8, shift = bit % 8;
        unsigned high = i + 1 < n ? (unsigned)bytes[i + 1] << (8 - shift) : 0;
        th_buf_char(out, digits32[(bytes[i] >> shift | high) & 31]);
    }
}

static const char digits64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void nix_base64(const uint8_t *bytes, size_t n, th_buf *out) {
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i < 3 ? n - i : 3;
        uint32_t word = (uint32_t)bytes[i] << 16;
        if (left > 1) word |= (uint32_t)bytes[i + 1] << 8;
        if (left > 2) word |= bytes[i + 2];
        for (size_t k = 0; k < 4; k++) th_buf_char(out, k <= left ? digits64[word >> (18 - 6 * k) & 63] : '=');
    }
}

static int digit_of(const char *digits, char c) {
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int nix_base32_digit(char c) { return digit_of(digits32, c); }

/* ---- Reading ------------------------------------------------------------------------------------------------ */

static bool read16(th_view text, uint8_t *out) {
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return false;
        out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
    }
    return true;
}

static bool read32(th_view text, uint8_t *out, size_t n) {
    memset(out, 0, n);
    for (size_t k = 0; k < text.len; k++) {
        int found = nix_base32_digit(text.data[text.len - 1 - k]);
        if (found < 0) return false;
        unsigned digit = (unsigned)found;
        size_t bit = k * 5, i = bit / 8, shift = bit % 8;
        out[i] |= (uint8_t)(digit << shift);
        unsigned carry = digit >> (8 - shift);
        if (shift < 4) continue;
        if (i + 1 < n)
            out[i + 1] |= (uint8_t)carry;
        else if (carry)
            return false;
    }
    return true;
}

static bool read64(th_view text, uint8_t *out, size_t n) {
    uint32_t word = 0;
    size_t have = 0, written = 0;
    for (size_t i = 0; i < text.len && text.data[i] != '='; i++) {
        int digit = digit_of(digits64, text.data[i]);
        if (digit < 0) return false;
        word = word << 6 | (uint32_t)digit;
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (written == n) return false;
        out[written++] = (uint8_t)(word >> have);
    }
    return written == n && (word & ((1u << have) - 1)) == 0;
}

static bool starts(th_view text, const char *prefix, size_t len) {
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* "sha256:..." and "sha256-..." name the algorithm themselves; one that is known must be the same. */
static bool take_name(th_view *text, nix_hash *hash, bool *known, bool *sri) {
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        size_t len = strlen(names[i]);
        if (!starts(*text, names[i], len) || text->len == len) continue;
        char mark = text->data[len];
        if (mark != ':' && mark != '-') continue;
        if (*known && *hash != (nix_hash)i) return false;
        *hash = (nix_hash)i;
        *known = true;
        *sri = mark == '-';
        *text = (th_view){text->data + len + 1, text->len - len - 1};
        return true;
    }
    return true;
}

bool nix_hash_parse(th_view text, nix_hash *hash, bool known, uint8_t out[64], size_t *n) {
    bool sri = false;
    if (!take_name(&text, hash, &known, &sri) || !known) return false;
    *n = lengths[*hash];
    if (!sri && text.len == *n * 2) return read16(text, out);
    if (!sri && text.len == length32(*n)) return read32(text, out, *n);
    return text.len == (*n + 2) / 3 * 4 && read64(text, out, *n);
}
