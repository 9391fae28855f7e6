/*
** unicode.c - properties of code points, case, grapheme clusters, normal forms.
** Relies on libutf8proc; allocates only through the caller's buffer.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/unicode.h"

#include <utf8proc.h>

static bool is_scalar(uint32_t code) { return code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff); }

uint32_t th_unicode_upper(uint32_t code) {
    if (code < 128) return code >= 'a' && code <= 'z' ? code - 32 : code;
    return is_scalar(code) ? (uint32_t)utf8proc_toupper((utf8proc_int32_t)code) : code;
}

uint32_t th_unicode_lower(uint32_t code) {
    if (code < 128) return code >= 'A' && code <= 'Z' ? code + 32 : code;
    return is_scalar(code) ? (uint32_t)utf8proc_tolower((utf8proc_int32_t)code) : code;
}

uint32_t th_unicode_title(uint32_t code) {
    return is_scalar(code) ? (uint32_t)utf8proc_totitle((utf8proc_int32_t)code) : code;
}

static utf8proc_category_t category(uint32_t code) {
    return is_scalar(code) ? utf8proc_category((utf8proc_int32_t)code) : UTF8PROC_CATEGORY_CN;
}

/* ---- Full case mappings -------------------------------------------------------------------------------------- */

/* The case folding of a code point where it has several; 0: it has one. */
static size_t folded_apart(uint32_t code, utf8proc_int32_t out[TH_CASE_MAX]) {
    utf8proc_int32_t codes[8];
    int boundary = UTF8PROC_BOUNDCLASS_START;
    if (code < 0xdf || !is_scalar(code)) return 0;
    utf8proc_ssize_t n =
        utf8proc_decompose_char((utf8proc_int32_t)code, codes, TH_COUNT(codes), UTF8PROC_CASEFOLD, &boundary);
    if (n < 2 || n > TH_CASE_MAX) return 0;
    memcpy(out, codes, (size_t)n * sizeof *codes);
    return (size_t)n;
}

/* What has no single upper case folds to several code points, and their upper cases are its own: so Unicode's special
** mappings follow from the folding. An upper-case letter that folds to several (İ) is its own upper case. */
size_t th_unicode_upper_full(uint32_t code, uint32_t out[TH_CASE_MAX]) {
    utf8proc_int32_t parts[TH_CASE_MAX];
    size_t n = category(code) == UTF8PROC_CATEGORY_LU ? 0 : folded_apart(code, parts);
    for (size_t i = 0; i < n; i++) out[i] = th_unicode_upper((uint32_t)parts[i]);
    if (n) return n;
    out[0] = th_unicode_upper(code);
    return 1;
}

size_t th_unicode_lower_full(uint32_t code, uint32_t out[TH_CASE_MAX]) {
    out[0] = th_unicode_lower(code);
    out[1] = 0x307; /* the one letter whose lower case is two: the capital I with a dot keeps the dot */
    return code == 0x130 ? 2 : 1;
}

size_t th_unicode_title_full(uint32_t code, uint32_t out[TH_CASE_MAX]) {
    enum { SHARP_S = 0xdf, IOTA = 0x3b9, IOTA_BELOW = 0x345, GREEK_EXTENDED = 0x1f00, GREEK_END = 0x1fff };
    utf8proc_int32_t parts[TH_CASE_MAX];
    bool single = category(code) == UTF8PROC_CATEGORY_LU || (th_unicode_title(code) != code && code != SHARP_S);
    size_t n = single || category(code) == UTF8PROC_CATEGORY_LT ? 0 : folded_apart(code, parts);
    if (n == 0) {
        out[0] = th_unicode_title(code);
        return 1;
    }
    out[0] = th_unicode_title((uint32_t)parts[0]);
    for (size_t i = 1; i < n; i++) {
        bool below = parts[i] == IOTA && code >= GREEK_EXTENDED && code <= GREEK_END;
        out[i] = below ? IOTA_BELOW : (uint32_t)parts[i];
    }
    /* a letter that never begins a word is written as its mark: the first real letter is the capital one */
    if (parts[0] == 0x2bc) out[1] = th_unicode_title((uint32_t)parts[1]);
    return n;
}

bool th_unicode_is_cased(uint32_t code) {
    utf8proc_category_t c = category(code);
    if (c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT) return true;
    return th_unicode_upper(code) != code || th_unicode_lower(code) != code;
}

bool th_unicode_is_case_ignorable(uint32_t code) {
    static const uint16_t within_words[] = {0x27,   0x2e,   0x3a,   0xb7,   0x387,  0x55f,  0x5f4,  0x2018, 0x2019,
                                            0x2024, 0x2027, 0xfe13, 0xfe52, 0xfe55, 0xff07, 0xff0e, 0xff1a};
    switch (category(code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: break;
    }
    for (size_t i = 0; i < TH_COUNT(within_words); i++)
        if (code == within_words[i]) return true;
    return false;
}

/* ---- Properties ---------------------------------------------------------------------------------------------- */

bool th_unicode_is_letter(uint32_t code) {
    if (code < 128) return (code | 32) >= 'a' && (code | 32) <= 'z';
    utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO;
}

bool th_unicode_is_digit(uint32_t code) {
    if (code < 128) return code >= '0' && code <= '9';
    return category(code) == UTF8PROC_CATEGORY_ND;
}

bool th_unicode_is_number(uint32_t code) {
    utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO;
}

bool th_unicode_is_space(uint32_t code) {
    if (code < 128) return code == ' ' || (code >= 9 && code <= 13);
    if (code == 0x85) return true;
    utf8proc_category_t c = category(code);
    return c >= UTF8PROC_CATEGORY_ZS && c <= UTF8PROC_CATEGORY_ZP;
}

bool th_unicode_is_upper(uint32_t code) {
    if (code < 128) return code >= 'A' && code <= 'Z';
    return category(code) == UTF8PROC_CATEGORY_LU;
}

bool th_unicode_is_lower(uint32_t code) {
    if (code < 128) return code >= 'a' && code <= 'z';
    return category(code) == UTF8PROC_CATEGORY_LL;
}

const char *th_unicode_category(uint32_t code) {
    return is_scalar(code) ? utf8proc_category_string((utf8proc_int32_t)code) : "Cn";
}

size_t th_grapheme_end(const char *bytes, size_t len, size_t at) {
    uint32_t last;
    utf8proc_int32_t state = 0;
    at += th_utf8_decode(bytes, len, at, &last);
    while (at < len) {
        uint32_t next;
        size_t used = th_utf8_decode(bytes, len, at, &next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)last, (utf8proc_int32_t)next, &state)) break;
        last = next;
        at += used;
    }
    return at;
}

/* utf8proc wants code points: ill-formed bytes are replaced on the way. Each decomposes to at most 18 others. */
enum { DECOMPOSED_MAX = 18 };

static utf8proc_option_t form_options(th_normal_form form) {
    unsigned options = UTF8PROC_STABLE;
    options |= form == TH_NFC || form == TH_NFKC ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
    if (form == TH_NFKC || form == TH_NFKD) options |= UTF8PROC_COMPAT;
    return (utf8proc_option_t)options;
}

/* Canonical order: combining marks sorted by class, stably. */
static void reorder(utf8proc_int32_t *codes, size_t n) {
    for (size_t i = 1; i < n; i++) {
        utf8proc_int32_t code = codes[i];
        int cls = utf8proc_get_property(code)->combining_class;
        if (cls == 0) continue;
        size_t j = i;
        while (j > 0 && utf8proc_get_property(codes[j - 1])->combining_class > cls) {
            codes[j] = codes[j - 1];
            j--;
        }
        codes[j] = code;
    }
}

/* Normalises the run codes[0..n) and appends it. Runs start at a code point of combining class 0, so that a text is
** normalised in pieces; a run longer than the buffer is cut, as the Stream-Safe Text Format of UAX 15 allows. */
static void put_run(utf8proc_int32_t *codes, size_t n, utf8proc_option_t options, th_buf *out) {
    reorder(codes, n);
    utf8proc_ssize_t len = utf8proc_normalize_utf32(codes, (utf8proc_ssize_t)n, options);
    for (utf8proc_ssize_t i = 0; i < len; i++) {
        char bytes[4];
        size_t used = th_utf8_encode((uint32_t)codes[i], bytes);
        th_buf_put(out, bytes, used);
    }
}

/* Hangul vowels and trailing consonants compose with what is before them although their class is 0. */
static bool joins_before(utf8proc_int32_t code) {
    return utf8proc_get_property(code)->combining_class != 0 || (code >= 0x1161 && code <= 0x11ff) ||
           utf8proc_get_property(code)->boundclass == UTF8PROC_BOUNDCLASS_EXTEND ||
           utf8proc_get_property(code)->boundclass == UTF8PROC_BOUNDCLASS_SPACINGMARK;
}

th_status th_unicode_normalize(th_view text, th_normal_form form, th_buf *out) {
    enum { RUN = 256 };
    utf8proc_int32_t codes[RUN + DECOMPOSED_MAX];
    size_t n = 0;
    utf8proc_option_t options = form_options(form);
    for (size_t i = 0; i < text.len && !out->failed;) {
        uint32_t code;
        i += th_utf8_decode(text.data, text.len, i, &code);
        utf8proc_int32_t parts[DECOMPOSED_MAX + 4];
        int last_class = 0;
        utf8proc_ssize_t count =
            utf8proc_decompose_char((utf8proc_int32_t)code, parts, DECOMPOSED_MAX,
                                    (utf8proc_option_t)(options | UTF8PROC_DECOMPOSE), &last_class);
        if (count < 1 || count > DECOMPOSED_MAX) {
            parts[0] = (utf8proc_int32_t)code;
            count = 1;
        }
        if (n > 0 && (!joins_before(parts[0]) || n >= RUN)) {
            put_run(codes, n, options, out);
            n = 0;
        }
        memcpy(codes + n, parts, (size_t)count * sizeof *parts);
        n += (size_t)count;
    }
    if (n > 0) put_run(codes, n, options, out);
    return th_buf_status(out);
}
