/*
** utf8.c - UTF-8: validity, decoding, encoding, counting, terminal width.
** Relies on libutf8proc for the widths of characters, on nothing for the rest. Well-formed is what RFC 3629 says.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <utf8proc.h>

#define HIGH_BITS 0x8080808080808080u

static uint64_t load64(const void *p) {
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

/* Length of the well-formed sequence at `s` (n > 0 bytes left), or 0. */
static size_t sequence(const unsigned char *s, size_t n) {
    unsigned char lead = s[0];
    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    size_t need = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (n < need) return 0;
    /* The second byte's range is what refuses overlong forms, surrogates and codes past U+10FFFF. */
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < need; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return need;
}

size_t th_utf8_valid(const char *bytes, size_t len) {
    const unsigned char *s = (const unsigned char *)bytes;
    size_t i = 0;
    while (i < len) {
        if (s[i] < 0x80) {
            while (len - i >= 8 && !(load64(s + i) & HIGH_BITS)) i += 8;
            while (i < len && s[i] < 0x80) i++;
            continue;
        }
        size_t n = sequence(s + i, len - i);
        if (n == 0) return i;
        i += n;
    }
    return len;
}

size_t th_utf8_decode(const char *bytes, size_t len, size_t at, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)bytes + at;
    size_t n = sequence(s, len - at);
    switch (n) {
    case 1: *code = s[0]; return 1;
    case 2: *code = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu); return 2;
    case 3: *code = (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu); return 3;
    case 4: *code = (s[0] & 0x07u) << 18 | (s[1] & 0x3fu) << 12 | (s[2] & 0x3fu) << 6 | (s[3] & 0x3fu); return 4;
    default: *code = 0xfffd; return 1;
    }
}

size_t th_utf8_encode(uint32_t code, char out[4]) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        if (code >= 0xd800 && code <= 0xdfff) return 0;
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    if (code > 0x10ffff) return 0;
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Counts as th_utf8_decode steps: an ill-formed byte is one character. */
size_t th_utf8_count(const char *bytes, size_t len) {
    const unsigned char *s = (const unsigned char *)bytes;
    size_t count = 0, i = 0;
    while (i < len) {
        while (len - i >= 8 && !(load64(s + i) & HIGH_BITS)) {
            i += 8;
            count += 8;
        }
        if (i == len) break;
        size_t n = sequence(s + i, len - i);
        i += n ? n : 1;
        count++;
    }
    return count;
}

size_t th_utf8_width(const char *bytes, size_t len) {
    size_t width = 0, i = 0;
    while (i < len) {
        uint32_t code;
        i += th_utf8_decode(bytes, len, i, &code);
        if (code < 0x7f) {
            width += code >= 0x20;
            continue;
        }
        int w = utf8proc_charwidth((utf8proc_int32_t)code);
        if (w > 0) width += (size_t)w;
    }
    return width;
}
