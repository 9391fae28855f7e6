/*
** lib_string.c - String: searching, cutting, joining, case, code points and graphemes, padding, numbers as text.
** Places in a text are counted in code points, as len() counts; an ill-formed byte counts as one. Strings are immutable.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include <stdio.h>

#include "base/unicode.h"

/* ---- Places ------------------------------------------------------------------------------------------------- */

/* Byte offset of code point `index`, or len when there are fewer. */
static size_t offset_of(th_view text, size_t index) {
    size_t at = 0;
    if (is_ascii(text)) return index < text.len ? index : text.len;
    for (uint32_t code; index > 0 && at < text.len; index--) at += th_utf8_decode(text.data, text.len, at, &code);
    return at;
}

static size_t count_codes(th_view text) { return th_utf8_count(text.data, text.len); }

/* A place given by a program: from the end when negative, kept within 0 .. n. */
static size_t clamp_place(int64_t place, size_t n) {
    if (place < 0) return (uint64_t)-(place + 1) >= n ? 0 : n - (size_t)(-(place + 1)) - 1;
    return (uint64_t)place > n ? n : (size_t)place;
}

static th_view part(th_view text, size_t from, size_t to) { return (th_view){text.data + from, to - from}; }

static th_step done_part(th_machine *m, th_call *call, th_view text, size_t from, size_t to) {
    if (from == 0 && to == text.len) return done(call, call->args[0]);
    return th_lib_done_view(m, call, part(text, from, to));
}

#define NOT_FOUND SIZE_MAX

static size_t find_first(th_view text, th_view wanted, size_t from) {
    if (wanted.len > text.len - from) return NOT_FOUND;
    if (wanted.len == 0) return from;
    const char *hit = wanted.len == 1 ? memchr(text.data + from, wanted.data[0], text.len - from)
                                      : memmem(text.data + from, text.len - from, wanted.data, wanted.len);
    return hit ? (size_t)(hit - text.data) : NOT_FOUND;
}

static size_t find_last(th_view text, th_view wanted) {
    if (wanted.len > text.len) return NOT_FOUND;
    for (size_t at = text.len - wanted.len + 1; at-- > 0;)
        if (wanted.len == 0 ||
            (text.data[at] == wanted.data[0] && memcmp(text.data + at, wanted.data, wanted.len) == 0))
            return at;
    return NOT_FOUND;
}

static bool starts_with(th_view text, th_view start) {
    return text.len >= start.len && memcmp(text.data, start.data, start.len) == 0;
}
static bool ends_with(th_view text, th_view end) {
    return text.len >= end.len && memcmp(text.data + text.len - end.len, end.data, end.len) == 0;
}

/* ---- Asking ------------------------------------------------------------------------------------------------- */

static th_step string_length(th_machine *m, th_call *call) {
    CHARGE(m, 1 + arg_str(call, 0)->len / 8);
    return done(call, count_codes(arg_view(call, 0)));
}

static th_step string_byte_length(th_machine *m, th_call *call) {
    (void)m;
    return done(call, arg_str(call, 0)->len);
}

static th_step string_is_empty(th_machine *m, th_call *call) {
    (void)m;
    return done(call, arg_str(call, 0)->len == 0);
}

static th_step string_width(th_machine *m, th_call *call) {
    CHARGE(m, 1 + arg_str(call, 0)->len);
    return done(call, th_utf8_width(arg_str(call, 0)->bytes, arg_str(call, 0)->len));
}

static th_step string_contains(th_machine *m, th_call *call) {
    CHARGE(m, 2 + arg_str(call, 0)->len / 8);
    return done(call, find_first(arg_view(call, 0), arg_view(call, 1), 0) != NOT_FOUND);
}

static th_step string_starts_with(th_machine *m, th_call *call) {
    CHARGE(m, 2 + arg_str(call, 1)->len / 8);
    return done(call, starts_with(arg_view(call, 0), arg_view(call, 1)));
}

static th_step string_ends_with(th_machine *m, th_call *call) {
    CHARGE(m, 2 + arg_str(call, 1)->len / 8);
    return done(call, ends_with(arg_view(call, 0), arg_view(call, 1)));
}

static th_step done_place(th_machine *m, th_call *call, th_view text, size_t offset) {
    if (offset == NOT_FOUND) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_I64, count_codes(part(text, 0, offset)));
}

static th_step string_index_of(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 4);
    return done_place(m, call, text, find_first(text, arg_view(call, 1), 0));
}

static th_step string_index_from(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 2);
    size_t from = offset_of(text, clamp_place(arg_i64(call, 2), count_codes(text)));
    return done_place(m, call, text, find_first(text, arg_view(call, 1), from));
}

static th_step string_last_index_of(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len + arg_str(call, 1)->len);
    return done_place(m, call, text, find_last(text, arg_view(call, 1)));
}

static th_step string_count(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0), wanted = arg_view(call, 1);
    CHARGE(m, 2 + text.len / 4);
    if (wanted.len == 0) return done(call, count_codes(text) + 1);
    size_t n = 0;
    for (size_t at = 0; (at = find_first(text, wanted, at)) != NOT_FOUND; at += wanted.len) n++;
    return done(call, n);
}

static th_step string_compare(th_machine *m, th_call *call) {
    CHARGE(m, 2 + arg_str(call, 0)->len / 16);
    int order = th_view_compare(arg_view(call, 0), arg_view(call, 1));
    return done(call, (uint64_t)(int64_t)((order > 0) - (order < 0)));
}

/* ---- Kinds of characters ------------------------------------------------------------------------------------ */

static bool is_alphanumeric(uint32_t code) { return th_unicode_is_letter(code) || th_unicode_is_number(code); }
static bool is_ascii_code(uint32_t code) { return code < 128; }

/* Not empty, and every code point is of the kind. */
static th_step all_are(th_machine *m, th_call *call, bool (*kind)(uint32_t)) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 2);
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        at += th_utf8_decode(text.data, text.len, at, &code);
        if (!kind(code)) return done(call, 0);
    }
    return done(call, text.len > 0);
}

static th_step string_is_alpha(th_machine *m, th_call *call) { return all_are(m, call, th_unicode_is_letter); }
static th_step string_is_digit(th_machine *m, th_call *call) { return all_are(m, call, th_unicode_is_digit); }
static th_step string_is_alphanumeric(th_machine *m, th_call *call) { return all_are(m, call, is_alphanumeric); }
static th_step string_is_space(th_machine *m, th_call *call) { return all_are(m, call, th_unicode_is_space); }
static th_step string_is_upper(th_machine *m, th_call *call) { return all_are(m, call, th_unicode_is_upper); }
static th_step string_is_lower(th_machine *m, th_call *call) { return all_are(m, call, th_unicode_is_lower); }
static th_step string_is_ascii(th_machine *m, th_call *call) { return all_are(m, call, is_ascii_code); }

static th_step string_is_valid(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 4);
    return done(call, th_utf8_valid(text.data, text.len) == text.len);
}

/* ---- Cutting ------------------------------------------------------------------------------------------------ */

static th_step string_slice(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 4);
    size_t n = count_codes(text), from = clamp_place(arg_i64(call, 1), n), to = clamp_place(arg_i64(call, 2), n);
    if (to <= from) return th_lib_done_view(m, call, part(text, 0, 0));
    size_t start = offset_of(text, from);
    size_t end = start + offset_of(part(text, start, text.len), to - from);
    return done_part(m, call, text, start, end);
}

static th_step string_slice_from(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 4);
    size_t n = count_codes(text);
    return done_part(m, call, text, offset_of(text, clamp_place(arg_i64(call, 1), n)), text.len);
}

static th_step out_of_text(th_machine *m, th_call *call) {
    return th_machine_trap(m, TH_E_INDEX, "index %lld is outside a text of %zu characters", (long long)arg_i64(call, 1),
                           count_codes(arg_view(call, 0)));
}

/* The byte offset of the character that argument 1 asks for; NOT_FOUND: outside. */
static size_t wanted_char(th_call *call, th_view text) {
    int64_t index = arg_i64(call, 1);
    if (index < 0 || (uint64_t)index >= text.len) return NOT_FOUND;
    size_t at = offset_of(text, (size_t)index);
    return at < text.len ? at : NOT_FOUND;
}

static th_step string_char_at(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 8);
    size_t at = wanted_char(call, text);
    if (at == NOT_FOUND) return out_of_text(m, call);
    uint32_t code;
    size_t used = th_utf8_decode(text.data, text.len, at, &code);
    return th_lib_done_view(m, call, part(text, at, at + used));
}

static th_step string_code_at(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 8);
    size_t at = wanted_char(call, text);
    if (at == NOT_FOUND) return out_of_text(m, call);
    uint32_t code;
    (void)th_utf8_decode(text.data, text.len, at, &code);
    return done(call, code);
}

static size_t skip_space(th_view text) {
    size_t at = 0;
    while (at < text.len) {
        uint32_t code;
        size_t used = th_utf8_decode(text.data, text.len, at, &code);
        if (!th_unicode_is_space(code)) break;
        at += used;
    }
    return at;
}

/* The end of the text without its trailing white space, not before `from`. */
static size_t skip_space_back(th_view text, size_t from) {
    size_t end = text.len;
    while (end > from) {
        size_t at = end - 1;
        while (at > from && end - at < 4 && ((unsigned char)text.data[at] & 0xc0) == 0x80) at--;
        uint32_t code;
        size_t used = th_utf8_decode(text.data, end, at, &code);
        if (at + used != end || !th_unicode_is_space(code)) break;
        end = at;
    }
    return end;
}

static th_step trim_sides(th_machine *m, th_call *call, bool start, bool end) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 2 + text.len / 8);
    size_t from = start ? skip_space(text) : 0;
    return done_part(m, call, text, from, end ? skip_space_back(text, from) : text.len);
}

static th_step string_trim(th_machine *m, th_call *call) { return trim_sides(m, call, true, true); }
static th_step string_trim_start(th_machine *m, th_call *call) { return trim_sides(m, call, true, false); }
static th_step string_trim_end(th_machine *m, th_call *call) { return trim_sides(m, call, false, true); }

static th_step string_strip_prefix(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0), start = arg_view(call, 1);
    CHARGE(m, 2 + text.len / 8);
    return done_part(m, call, text, starts_with(text, start) ? start.len : 0, text.len);
}

static th_step string_strip_suffix(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0), end = arg_view(call, 1);
    CHARGE(m, 2 + text.len / 8);
    return done_part(m, call, text, 0, text.len - (ends_with(text, end) ? end.len : 0));
}

/* ---- To lists ----------------------------------------------------------------------------------------------- */

/* Ends a piece that starts at `at`: gives the piece's end and where the next one starts; NOT_FOUND: it was the last. */
typedef size_t (*cut_fn)(th_view text, size_t at, const void *how, size_t *piece_end);

/* Counts first, so that the list is made at its size. */
static th_step cut_up(th_machine *m, th_call *call, th_view text, size_t start, cut_fn cut, const void *how,
                      size_t max) {
    size_t n = 0, end;
    CHARGE(m, 4 + text.len / 4);
    for (size_t at = start; at != NOT_FOUND && n < max; n++)
        if (n % LOOP_BLOCK == LOOP_BLOCK - 1 && !th_machine_charge(m, LOOP_BLOCK))
            return TH_STEP_ERROR;
        else
            at = cut(text, at, how, &end);
    th_list *list = th_lib_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    size_t at = start;
    for (size_t i = 0; i < n; i++) {
        size_t next = cut(text, at, how, &end);
        if (i + 1 == max) end = text.len;
        list->strings[i] = th_new_str_of(m, text.data + at, end - at);
        if (!list->strings[i] || !loop_charge(m, i, n)) return TH_STEP_ERROR;
        at = next;
    }
    th_list_written(m, list);
    return done_ptr(call, list);
}

static size_t cut_separator(th_view text, size_t at, const void *how, size_t *end) {
    const th_view *separator = how;
    size_t hit = find_first(text, *separator, at);
    *end = hit == NOT_FOUND ? text.len : hit;
    return hit == NOT_FOUND ? NOT_FOUND : hit + separator->len;
}

static size_t cut_char(th_view text, size_t at, const void *how, size_t *end) {
    (void)how;
    uint32_t code;
    *end = at + th_utf8_decode(text.data, text.len, at, &code);
    return *end < text.len ? *end : NOT_FOUND;
}

static size_t cut_grapheme(th_view text, size_t at, const void *how, size_t *end) {
    (void)how;
    *end = th_grapheme_end(text.data, text.len, at);
    return *end < text.len ? *end : NOT_FOUND;
}

static size_t cut_line(th_view text, size_t at, const void *how, size_t *end) {
    (void)how;
    const char *newline = memchr(text.data + at, '\n', text.len - at);
    size_t next = newline ? (size_t)(newline - text.data) + 1 : text.len;
    *end = newline ? next - 1 : next;
    if (*end > at && text.data[*end - 1] == '\r') --*end;
    return next < text.len ? next : NOT_FOUND;
}

static size_t cut_word(th_view text, size_t at, const void *how, size_t *end) {
    (void)how;
    *end = at;
    while (*end < text.len) {
        uint32_t code;
        size_t used = th_utf8_decode(text.data, text.len, *end, &code);
        if (th_unicode_is_space(code)) break;
        *end += used;
    }
    size_t next = *end + skip_space(part(text, *end, text.len));
    return next < text.len ? next : NOT_FOUND;
}

static th_step split_at_most(th_machine *m, th_call *call, size_t max) {
    th_view text = arg_view(call, 0), separator = arg_view(call, 1);
    if (separator.len > 0) return cut_up(m, call, text, 0, cut_separator, &separator, max);
    return cut_up(m, call, text, text.len ? 0 : NOT_FOUND, cut_char, NULL, max);
}

static th_step string_split(th_machine *m, th_call *call) { return split_at_most(m, call, SIZE_MAX); }

static th_step string_split_limit(th_machine *m, th_call *call) {
    int64_t limit = arg_i64(call, 2);
    if (limit < 1)
        return th_machine_trap(m, TH_E_ARGUMENT, "a limit of %lld pieces: it must be 1 or more", (long long)limit);
    return split_at_most(m, call, (size_t)limit);
}

static th_step string_chars(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    return cut_up(m, call, text, text.len ? 0 : NOT_FOUND, cut_char, NULL, SIZE_MAX);
}

static th_step string_graphemes(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, text.len);
    return cut_up(m, call, text, text.len ? 0 : NOT_FOUND, cut_grapheme, NULL, SIZE_MAX);
}

static th_step string_lines(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    return cut_up(m, call, text, text.len ? 0 : NOT_FOUND, cut_line, NULL, SIZE_MAX);
}

static th_step string_words(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, text.len);
    size_t start = skip_space(text);
    return cut_up(m, call, text, start < text.len ? start : NOT_FOUND, cut_word, NULL, SIZE_MAX);
}

static th_step string_split_once(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0), separator = arg_view(call, 1);
    CHARGE(m, 4 + text.len / 4);
    size_t hit = find_first(text, separator, 0);
    if (hit == NOT_FOUND) return done_null(call);
    th_type_id tuple = type_arg(m, result_type(m, call), 0);
    th_str *left = th_new_str_of(m, text.data, hit);
    th_str *right = left ? th_new_str_of(m, text.data + hit + separator.len, text.len - hit - separator.len) : NULL;
    th_record *pair = right ? th_new_record(m, tuple, 2) : NULL;
    if (!pair) return TH_STEP_ERROR;
    pair->slots[0] = th_ptr_word(left);
    pair->slots[1] = th_ptr_word(right);
    return done_ptr(call, pair);
}

static th_step string_code_points(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 4 + text.len);
    size_t n = count_codes(text), at = 0;
    th_list *list = th_lib_new_list(m, result_type(m, call), n);
    if (!list) return TH_STEP_ERROR;
    for (size_t i = 0; i < n; i++) {
        uint32_t code;
        at += th_utf8_decode(text.data, text.len, at, &code);
        list->i64[i] = code;
    }
    return done_ptr(call, list);
}

static th_step string_to_bytes(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 4 + text.len);
    th_list *list = th_lib_new_list(m, result_type(m, call), text.len);
    if (!list) return TH_STEP_ERROR;
    for (size_t i = 0; i < text.len; i++) list->i64[i] = (unsigned char)text.data[i];
    return done_ptr(call, list);
}

static th_step string_from_code_points(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len);
    size_t len = 0;
    char bytes[4];
    for (size_t i = 0; i < list->len; i++) {
        int64_t code = list->i64[i];
        size_t used = code >= 0 && code <= 0x10ffff ? th_utf8_encode((uint32_t)code, bytes) : 0;
        if (!used) return th_machine_trap(m, TH_E_ARGUMENT, "%lld is no code point", (long long)code);
        len += used;
    }
    th_str *s = th_new_str(m, len);
    if (!s) return TH_STEP_ERROR;
    len = 0;
    for (size_t i = 0; i < list->len; i++) {
        size_t used = th_utf8_encode((uint32_t)list->i64[i], bytes);
        memcpy(s->bytes + len, bytes, used);
        len += used;
    }
    return done_ptr(call, s);
}

static th_step string_from_bytes(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    CHARGE(m, 4 + list->len);
    th_str *s = th_new_str(m, list->len);
    if (!s) return TH_STEP_ERROR;
    for (size_t i = 0; i < list->len; i++) {
        if (list->i64[i] < 0 || list->i64[i] > 255)
            return th_machine_trap(m, TH_E_ARGUMENT, "%lld is no byte", (long long)list->i64[i]);
        s->bytes[i] = (char)list->i64[i];
    }
    return done_ptr(call, s);
}

static th_step string_join(th_machine *m, th_call *call) {
    const th_list *list = arg_list(call, 0);
    th_view separator = arg_view(call, 1);
    size_t len = list->len ? separator.len * (list->len - 1) : 0;
    CHARGE(m, 4 + list->len);
    for (size_t i = 0; i < list->len; i++) len += list->strings[i]->len;
    CHARGE(m, len / 8);
    th_str *s = th_new_str(m, len);
    if (!s) return TH_STEP_ERROR;
    char *to = s->bytes;
    for (size_t i = 0; i < list->len; i++) {
        if (i > 0) to = mempcpy(to, separator.data, separator.len);
        to = mempcpy(to, list->strings[i]->bytes, list->strings[i]->len);
    }
    return done_ptr(call, s);
}

/* ---- Changing ----------------------------------------------------------------------------------------------- */

static th_step replace_some(th_machine *m, th_call *call, size_t max) {
    th_view text = arg_view(call, 0), from = arg_view(call, 1), to = arg_view(call, 2);
    if (from.len == 0) return th_machine_trap(m, TH_E_ARGUMENT, "the text to replace is empty");
    CHARGE(m, 4 + text.len / 4);
    size_t n = 0;
    for (size_t at = 0; n < max && (at = find_first(text, from, at)) != NOT_FOUND; at += from.len) n++;
    if (n == 0) return done(call, call->args[0]);
    size_t len = text.len - n * from.len + n * to.len; /* at most 2^31 times 2^31 */
    CHARGE(m, n + (len < TH_STR_MAX ? len / 8 : 0));
    th_str *s = th_new_str(m, len);
    if (!s) return TH_STEP_ERROR;
    char *out = s->bytes;
    size_t at = 0;
    for (; n > 0; n--) {
        size_t hit = find_first(text, from, at);
        out = mempcpy(out, text.data + at, hit - at);
        out = mempcpy(out, to.data, to.len);
        at = hit + from.len;
    }
    memcpy(out, text.data + at, text.len - at);
    return done_ptr(call, s);
}

static th_step string_replace(th_machine *m, th_call *call) { return replace_some(m, call, SIZE_MAX); }
static th_step string_replace_first(th_machine *m, th_call *call) { return replace_some(m, call, 1); }

/* Writes `n` copies of `text` to `out` by doubling. */
static void fill_copies(char *out, th_view text, size_t n) {
    size_t len = text.len * n, have = text.len < len ? text.len : len;
    memcpy(out, text.data, have);
    while (have < len) {
        size_t more = have < len - have ? have : len - have;
        memcpy(out + have, out, more);
        have += more;
    }
}

static th_step string_repeat(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    int64_t n = arg_i64(call, 1);
    if (n < 0) return th_machine_trap(m, TH_E_ARGUMENT, "a text cannot be repeated %lld times", (long long)n);
    if (text.len > 0 && (uint64_t)n > TH_STR_MAX / text.len)
        return th_machine_trap(m, TH_E_LIMIT, "a text of %zu bytes repeated %lld times is longer than a string can be",
                               text.len, (long long)n);
    if (text.len == 0) n = 0;
    CHARGE(m, 4 + text.len * (size_t)n / 8);
    th_str *s = th_new_str(m, text.len * (size_t)n);
    if (!s) return TH_STEP_ERROR;
    fill_copies(s->bytes, text, (size_t)n);
    return done_ptr(call, s);
}

typedef size_t (*case_map)(uint32_t code, uint32_t out[TH_CASE_MAX]);

static size_t put_mapped(case_map map, uint32_t code, char out[4 * TH_CASE_MAX]) {
    uint32_t codes[TH_CASE_MAX];
    size_t n = map(code, codes), used = 0;
    for (size_t i = 0; i < n; i++) used += th_utf8_encode(codes[i], out + used);
    return used;
}

enum { SIGMA = 0x3a3, FINAL_SIGMA = 0x3c2 };

/* Whether a letter follows at `at`, marks and the like left out. */
static bool letter_follows(th_view text, size_t at) {
    while (at < text.len) {
        uint32_t code;
        at += th_utf8_decode(text.data, text.len, at, &code);
        if (!th_unicode_is_case_ignorable(code)) return th_unicode_is_cased(code);
    }
    return false;
}

/* Likewise whether one stands before it. */
static bool letter_before(th_view text, size_t at) {
    while (at > 0) {
        uint32_t code;
        do at--;
        while (at > 0 && ((uint8_t)text.data[at] & 0xc0) == 0x80);
        th_utf8_decode(text.data, text.len, at, &code);
        if (!th_unicode_is_case_ignorable(code)) return th_unicode_is_cased(code);
    }
    return false;
}

static void map_text(th_view text, case_map map, th_buf *buf) {
    for (size_t at = 0; at < text.len;) {
        uint32_t code;
        char bytes[4 * TH_CASE_MAX];
        size_t used = th_utf8_decode(text.data, text.len, at, &code);
        bool sigma = code == SIGMA && map == th_unicode_lower_full;
        if (code == 0xfffd) /* ill-formed bytes stay as they are */
            th_buf_put(buf, text.data + at, used);
        else if (sigma && letter_before(text, at) && !letter_follows(text, at + used))
            th_buf_put(buf, bytes, th_utf8_encode(FINAL_SIGMA, bytes));
        else
            th_buf_put(buf, bytes, put_mapped(map, code, bytes));
        at += used;
    }
}

static th_step map_codes(th_machine *m, th_call *call, uint32_t (*ascii)(uint32_t), case_map map) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 4 + text.len);
    if (is_ascii(text)) {
        th_str *s = th_new_str(m, text.len);
        if (!s) return TH_STEP_ERROR;
        for (size_t i = 0; i < text.len; i++) s->bytes[i] = (char)ascii((unsigned char)text.data[i]);
        return done_ptr(call, s);
    }
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    (void)th_buf_reserve(&buf, text.len + 8);
    map_text(text, map, &buf);
    return th_lib_done_buf(m, call, &buf);
}

static th_step string_upper(th_machine *m, th_call *call) {
    return map_codes(m, call, th_unicode_upper, th_unicode_upper_full);
}
static th_step string_lower(th_machine *m, th_call *call) {
    return map_codes(m, call, th_unicode_lower, th_unicode_lower_full);
}

static th_step string_capitalize(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 4 + text.len / 8);
    if (text.len == 0) return done(call, call->args[0]);
    uint32_t code;
    char bytes[4 * TH_CASE_MAX];
    size_t used = th_utf8_decode(text.data, text.len, 0, &code);
    if (code == 0xfffd) return done(call, call->args[0]);
    size_t put = put_mapped(th_unicode_title_full, code, bytes);
    th_str *s = th_new_str(m, put + text.len - used);
    if (!s) return TH_STEP_ERROR;
    memcpy(s->bytes, bytes, put);
    memcpy(s->bytes + put, text.data + used, text.len - used);
    return done_ptr(call, s);
}

static th_step string_reverse(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 4 + text.len);
    th_str *s = th_new_str(m, text.len);
    if (!s) return TH_STEP_ERROR;
    for (size_t at = 0; at < text.len;) {
        size_t end = th_grapheme_end(text.data, text.len, at);
        memcpy(s->bytes + text.len - end, text.data + at, end - at);
        at = end;
    }
    return done_ptr(call, s);
}

static th_step pad(th_machine *m, th_call *call, bool left, th_view fill) {
    th_view text = arg_view(call, 0);
    int64_t width = arg_i64(call, 1);
    CHARGE(m, 4 + text.len / 8);
    size_t have = count_codes(text), each = count_codes(fill);
    if (width <= 0 || (uint64_t)width <= have) return done(call, call->args[0]);
    if (each == 0) return th_machine_trap(m, TH_E_ARGUMENT, "the text to pad with is empty");
    if (width > TH_STR_MAX) return th_machine_trap(m, TH_E_LIMIT, "a width of %lld is too large", (long long)width);
    size_t missing = (size_t)width - have, whole = missing / each, rest = offset_of(fill, missing % each);
    size_t len = whole * fill.len + rest;
    if (len > TH_STR_MAX) return th_machine_trap(m, TH_E_LIMIT, "a width of %lld is too large", (long long)width);
    CHARGE(m, len / 8);
    th_str *s = th_new_str(m, text.len + len);
    if (!s) return TH_STEP_ERROR;
    char *out = s->bytes;
    if (!left) out = mempcpy(out, text.data, text.len);
    fill_copies(out, fill, whole);
    out += whole * fill.len;
    out = mempcpy(out, fill.data, rest);
    if (left) memcpy(out, text.data, text.len);
    return done_ptr(call, s);
}

static th_step string_pad_left(th_machine *m, th_call *call) { return pad(m, call, true, th_view_of(" ")); }
static th_step string_pad_right(th_machine *m, th_call *call) { return pad(m, call, false, th_view_of(" ")); }
static th_step string_pad_left_with(th_machine *m, th_call *call) { return pad(m, call, true, arg_view(call, 2)); }
static th_step string_pad_right_with(th_machine *m, th_call *call) { return pad(m, call, false, arg_view(call, 2)); }

static th_step normalize(th_machine *m, th_call *call, th_normal_form form) {
    th_view text = arg_view(call, 0);
    CHARGE(m, 4 + text.len * 4);
    if (is_ascii(text)) return done(call, call->args[0]);
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    if (th_unicode_normalize(text, form, &buf) == TH_OK) return th_lib_done_buf(m, call, &buf);
    th_buf_clear(&buf);
    return th_trap_memory(m);
}

static th_step string_normalize(th_machine *m, th_call *call) { return normalize(m, call, TH_NFC); }

static th_step string_normalize_form(th_machine *m, th_call *call) {
    static const char *const names[] = {"NFC", "NFD", "NFKC", "NFKD"};
    for (size_t i = 0; i < TH_COUNT(names); i++)
        if (th_view_is(arg_view(call, 1), names[i])) return normalize(m, call, (th_normal_form)i);
    return th_machine_trap(m, TH_E_ARGUMENT, "%s is no normal form: NFC, NFD, NFKC or NFKD",
                           th_lib_excerpt(arg_view(call, 1)).text);
}

/* ---- Distance ----------------------------------------------------------------------------------------------- */

static size_t decode_all(th_view text, uint32_t *codes) {
    size_t n = 0;
    for (size_t at = 0; at < text.len;) at += th_utf8_decode(text.data, text.len, at, &codes[n++]);
    return n;
}

/* One row of the table of distances: the old one is overwritten. */
static void distance_row(uint32_t *row, const uint32_t *b, size_t nb, uint32_t code, uint32_t number) {
    uint32_t diagonal = row[0];
    row[0] = number;
    for (size_t j = 0; j < nb; j++) {
        uint32_t best = diagonal + (b[j] != code);
        diagonal = row[j + 1];
        if (row[j] + 1 < best) best = row[j] + 1;
        if (diagonal + 1 < best) best = diagonal + 1;
        row[j + 1] = best;
    }
}

static th_step string_levenshtein(th_machine *m, th_call *call) {
    th_view a = arg_view(call, 0), b = arg_view(call, 1);
    th_mem *mem = th_machine_mem(m);
    size_t words = a.len + 2 * b.len + 1;
    CHARGE(m, 4 + words);
    uint32_t *codes = th_mem_new(mem, words * sizeof *codes);
    if (!codes) return th_trap_memory(m);
    size_t na = decode_all(a, codes), nb = decode_all(b, codes + a.len);
    uint32_t *row = codes + a.len + b.len;
    for (size_t j = 0; j <= nb; j++) row[j] = (uint32_t)j;
    bool ok = true;
    for (size_t i = 0; i < na && ok; i++) {
        ok = th_machine_charge(m, (int64_t)nb);
        distance_row(row, codes + a.len, nb, codes[i], (uint32_t)i + 1);
    }
    uint32_t distance = row[nb];
    th_mem_free(mem, codes, words * sizeof *codes);
    return ok ? done(call, distance) : TH_STEP_ERROR;
}

/* ---- Numbers as text ---------------------------------------------------------------------------------------- */

enum { FIXED_BYTES = 512, DECIMALS_MAX = 100 };

/* Fixed decimals, with a point whatever the process's locale says. */
static size_t format_fixed(double x, int decimals, char *out) {
    if (x != x || x - x != 0) return th_format_f64(x, true, out);
    int len = snprintf(out, FIXED_BYTES, "%.*f", decimals, x);
    size_t at = 0, n = (size_t)len;
    while (at < n && (out[at] == '-' || (out[at] >= '0' && out[at] <= '9'))) at++;
    if (at == n) return n;
    out[at] = '.';
    return n;
}

static th_step string_fixed(th_machine *m, th_call *call) {
    int64_t decimals = arg_i64(call, 1);
    char text[FIXED_BYTES];
    if (decimals < 0 || decimals > DECIMALS_MAX)
        return th_machine_trap(m, TH_E_ARGUMENT, "%lld decimals: 0 to %d are possible", (long long)decimals,
                               DECIMALS_MAX);
    CHARGE(m, 32);
    return th_lib_done_view(m, call, (th_view){text, format_fixed(arg_f64(call, 0), (int)decimals, text)});
}

/* Digits of a magnitude, written backwards from `end`. */
static char *put_digits(char *end, uint64_t magnitude, uint64_t base) {
    do *--end = "0123456789abcdefghijklmnopqrstuvwxyz"[magnitude % base];
    while ((magnitude /= base) != 0);
    return end;
}

static th_step bad_base(th_machine *m, int64_t base) {
    return th_machine_trap(m, TH_E_ARGUMENT, "base %lld: 2 to 36 are possible", (long long)base);
}

static th_step string_radix(th_machine *m, th_call *call) {
    int64_t number = arg_i64(call, 0), base = arg_i64(call, 1);
    char text[72], *end = text + sizeof text;
    if (base < 2 || base > 36) return bad_base(m, base);
    CHARGE(m, 16);
    char *start = put_digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, (uint64_t)base);
    if (number < 0) *--start = '-';
    return th_lib_done_view(m, call, (th_view){start, (size_t)(end - start)});
}

static bool parse_radix(th_view text, uint64_t base, int64_t *out) {
    size_t i = 0;
    bool negative = text.len > 0 && text.data[0] == '-';
    if (text.len > 0 && (negative || text.data[0] == '+')) i++;
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    if (i == text.len) return false;
    for (; i < text.len; i++) {
        char c = text.data[i];
        uint64_t digit = c >= '0' && c <= '9'                 ? (uint64_t)(c - '0')
                         : (c | 32) >= 'a' && (c | 32) <= 'z' ? (uint64_t)((c | 32) - 'a') + 10
                                                              : 99;
        if (digit >= base || value > (limit - digit) / base) return false;
        value = value * base + digit;
    }
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

static th_step string_from_radix(th_machine *m, th_call *call) {
    int64_t base = arg_i64(call, 1), value;
    if (base < 2 || base > 36) return bad_base(m, base);
    CHARGE(m, 4 + arg_str(call, 0)->len);
    if (!parse_radix(arg_view(call, 0), (uint64_t)base, &value)) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_I64, (uint64_t)value);
}

static th_step string_grouped(th_machine *m, th_call *call) {
    int64_t number = arg_i64(call, 0);
    th_view separator = arg_view(call, 1);
    char digits[24], *end = digits + sizeof digits;
    CHARGE(m, 16 + separator.len);
    char *start = put_digits(end, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    if (number < 0) th_buf_char(&buf, '-');
    for (char *at = start; at < end; at++) {
        if (at > start && (end - at) % 3 == 0) th_buf_put(&buf, separator.data, separator.len);
        th_buf_char(&buf, *at);
    }
    return th_lib_done_buf(m, call, &buf);
}

/* ---- format ------------------------------------------------------------------------------------------------- */

/* What stands between the braces after a colon: [[fill]align][0][width][.decimals]. */
typedef struct format_spec {
    th_view fill;
    char align; /* '<' '>' '^', 0: numbers right, all else left */
    size_t width;
    int decimals; /* -1: not given */
} format_spec;

static bool read_number(th_view text, size_t *at, size_t max, size_t *out) {
    size_t n = 0, from = *at;
    while (*at < text.len && text.data[*at] >= '0' && text.data[*at] <= '9') {
        n = n * 10 + (size_t)(text.data[(*at)++] - '0');
        if (n > max) return false;
    }
    *out = n;
    return *at > from;
}

static bool is_align(char c) { return c == '<' || c == '>' || c == '^'; }

static bool read_spec(th_view text, format_spec *spec) {
    size_t at = 0, decimals;
    uint32_t code;
    *spec = (format_spec){.fill = th_view_of(" "), .decimals = -1};
    size_t first = text.len ? th_utf8_decode(text.data, text.len, 0, &code) : 0;
    if (first < text.len && is_align(text.data[first])) {
        spec->fill = part(text, 0, first);
        spec->align = text.data[first];
        at = first + 1;
    } else if (text.len > 0 && is_align(text.data[0])) {
        spec->align = text.data[at++];
    }
    if (at < text.len && text.data[at] == '0' && !spec->align) {
        spec->fill = th_view_of("0");
        spec->align = '>';
        at++;
    }
    (void)read_number(text, &at, 100000, &spec->width);
    if (at < text.len && text.data[at] == '.') {
        at++;
        if (!read_number(text, &at, DECIMALS_MAX, &decimals)) return false;
        spec->decimals = (int)decimals;
    }
    return at == text.len;
}

static void put_padded(th_buf *out, const format_spec *spec, th_view text, bool number) {
    size_t have = count_codes(text), missing = spec->width > have ? spec->width - have : 0;
    char align = spec->align ? spec->align : number ? '>' : '<';
    size_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0;
    bool sign = number && spec->fill.data[0] == '0' && before > 0 && text.len > 0 && text.data[0] == '-';
    if (sign) th_buf_char(out, '-'), text.data++, text.len--;
    for (size_t i = 0; i < before; i++) th_buf_put(out, spec->fill.data, spec->fill.len);
    th_buf_put(out, text.data, text.len);
    for (size_t i = before; i < missing; i++) th_buf_put(out, spec->fill.data, spec->fill.len);
}

static th_step put_argument(th_machine *m, th_call *call, size_t arg, const format_spec *spec, th_buf *out) {
    th_type_id type = param_type(m, call, arg);
    th_kind kind = (th_kind)type_of(m, type)->kind;
    bool number = (kind >= TH_KIND_I8 && kind <= TH_KIND_F64);
    if (kind == TH_KIND_F64 && spec->decimals >= 0) {
        char text[FIXED_BYTES];
        put_padded(out, spec, (th_view){text, format_fixed(arg_f64(call, arg), spec->decimals, text)}, true);
        return TH_STEP_DONE;
    }
    if (spec->width == 0)
        return th_value_print(m, type, call->args[arg], TH_PRINT_PLAIN, out) ? TH_STEP_ERROR : TH_STEP_DONE;
    th_buf text;
    th_buf_init(&text, th_machine_mem(m));
    th_status status = th_value_print(m, type, call->args[arg], TH_PRINT_PLAIN, &text);
    if (status == TH_OK) put_padded(out, spec, (th_view){text.data ? text.data : "", text.len}, number);
    th_buf_clear(&text);
    return status == TH_OK ? TH_STEP_DONE : TH_STEP_ERROR;
}

/* One {..}; `inside` is what stands between the braces. */
static th_step put_field(th_machine *m, th_call *call, th_view inside, size_t *next, th_buf *out) {
    size_t nargs = th_types_nparams(th_machine_types(m), call->type) - 1, at = 0, index = *next;
    bool numbered = read_number(inside, &at, nargs, &index);
    if (!numbered) index = (*next)++;
    format_spec spec = {.fill = th_view_of(" "), .decimals = -1};
    bool good = at == inside.len;
    if (!good && inside.data[at] == ':') good = read_spec(part(inside, at + 1, inside.len), &spec);
    if (!good)
        return th_machine_trap(m, TH_E_ARGUMENT, "the format holds %s, which is no field",
                               th_lib_excerpt((th_view){inside.data - 1, inside.len + 2}).text);
    if (index >= nargs)
        return th_machine_trap(m, TH_E_ARGUMENT, "the format asks for value %zu, but there are %zu", index + 1, nargs);
    CHARGE(m, 16 + spec.width);
    return put_argument(m, call, index + 1, &spec, out);
}

static th_step format_all(th_machine *m, th_call *call, th_view text, th_buf *out) {
    size_t next = 0, at = 0;
    while (at < text.len) {
        char c = text.data[at];
        if ((c == '{' || c == '}') && at + 1 < text.len && text.data[at + 1] == c) {
            th_buf_char(out, c);
            at += 2;
        } else if (c == '{') {
            const char *close = memchr(text.data + at, '}', text.len - at);
            if (!close) return th_machine_trap(m, TH_E_ARGUMENT, "a '{' in the format is not closed");
            size_t end = (size_t)(close - text.data);
            if (put_field(m, call, part(text, at + 1, end), &next, out) != TH_STEP_DONE) return TH_STEP_ERROR;
            at = end + 1;
        } else {
            size_t end = at + 1;
            while (end < text.len && text.data[end] != '{' && text.data[end] != '}') end++;
            th_buf_put(out, text.data + at, end - at);
            at = end;
        }
        if (out->failed) return th_trap_memory(m);
    }
    return TH_STEP_DONE;
}

static th_step string_format(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    th_buf buf;
    CHARGE(m, 4 + text.len / 4);
    th_buf_init(&buf, th_machine_mem(m));
    if (format_all(m, call, text, &buf) == TH_STEP_DONE) return th_lib_done_buf(m, call, &buf);
    th_buf_clear(&buf);
    return TH_STEP_ERROR;
}

/* ---- Table -------------------------------------------------------------------------------------------------- */

#define PURE  TH_BUILTIN_PURE
#define KEEPS (TH_BUILTIN_PURE | TH_BUILTIN_RETAINS) /* may return its argument itself */

const th_builtin th_lib_string[] = {
    {"String.length", "text: String -> i64",
     "The number of characters (code points), as len.\ne.g. String.length('h\u00e9') == 2", string_length, PURE, 0,
     NULL},
    {"String.byte_length", "text: String -> i64",
     "The number of bytes in UTF-8.\ne.g. String.byte_length('h\u00e9') == 3", string_byte_length, PURE, 0, NULL},
    {"String.width", "text: String -> i64",
     "The columns that a terminal needs for the text.\ne.g. String.width('abc') == 3", string_width, PURE, 0, NULL},
    {"String.is_empty", "text: String -> bool",
     "Whether there is nothing in the text.\ne.g. String.is_empty('') == true", string_is_empty, PURE, 0, NULL},
    {"String.contains", "text: String, part: String -> bool",
     "Whether the part occurs in the text.\ne.g. String.contains('theta', 'het') == true", string_contains, PURE, 0,
     NULL},
    {"String.starts_with", "text: String, start: String -> bool",
     "Whether the text begins so.\ne.g. String.starts_with('theta', 'th') == true", string_starts_with, PURE, 0, NULL},
    {"String.ends_with", "text: String, end: String -> bool",
     "Whether the text ends so.\ne.g. String.ends_with('theta', 'ta') == true", string_ends_with, PURE, 0, NULL},
    {"String.index_of", "text: String, part: String -> i64?",
     "Where the part first occurs, or null.\ne.g. String.index_of('banana', 'an') == 1", string_index_of, PURE, 0,
     NULL},
    {"String.index_of", "text: String, part: String, from: i64 -> i64?",
     "Where the part first occurs at or after a place, or null.\ne.g. String.index_of('banana', 'an', 2) == 3",
     string_index_from, PURE, 0, NULL},
    {"String.last_index_of", "text: String, part: String -> i64?",
     "Where the part last occurs, or null.\ne.g. String.last_index_of('banana', 'an') == 3", string_last_index_of, PURE,
     0, NULL},
    {"String.count", "text: String, part: String -> i64",
     "How often the part occurs, without overlaps.\ne.g. String.count('banana', 'a') == 3", string_count, PURE, 0,
     NULL},
    {"String.compare", "a: String, b: String -> i64",
     "-1, 0 or 1 as `a` sorts before, with or after `b` by code points.\ne.g. String.compare('a', 'b') == -1",
     string_compare, PURE, 0, NULL},
    {"String.is_alpha", "text: String -> bool",
     "Whether it is letters only, and not empty.\ne.g. String.is_alpha('abc') == true", string_is_alpha, PURE, 0, NULL},
    {"String.is_digit", "text: String -> bool",
     "Whether it is decimal digits only, and not empty.\ne.g. String.is_digit('2024') == true", string_is_digit, PURE,
     0, NULL},
    {"String.is_alphanumeric", "text: String -> bool",
     "Whether it is letters and numbers only, and not empty.\ne.g. String.is_alphanumeric('a1') == true",
     string_is_alphanumeric, PURE, 0, NULL},
    {"String.is_space", "text: String -> bool",
     "Whether it is white space only, and not empty.\ne.g. String.is_space(' ') == true", string_is_space, PURE, 0,
     NULL},
    {"String.is_upper", "text: String -> bool",
     "Whether it is upper-case letters only, and not empty.\ne.g. String.is_upper('AB') == true", string_is_upper, PURE,
     0, NULL},
    {"String.is_lower", "text: String -> bool",
     "Whether it is lower-case letters only, and not empty.\ne.g. String.is_lower('Ab') == false", string_is_lower,
     PURE, 0, NULL},
    {"String.is_ascii", "text: String -> bool",
     "Whether it is ASCII only, and not empty.\ne.g. String.is_ascii('ab') == true", string_is_ascii, PURE, 0, NULL},
    {"String.is_valid", "text: String -> bool",
     "Whether the bytes are well-formed UTF-8.\ne.g. String.is_valid('ab') == true", string_is_valid, PURE, 0, NULL},
    {"String.slice", "text: String, from: i64, to: i64 -> String",
     "The characters from one place up to, not including, another; negative places count from the end.\ne.g. "
     "String.slice('theta', 1, -1) == 'het'",
     string_slice, KEEPS, 0, NULL},
    {"String.slice", "text: String, from: i64 -> String",
     "The characters from a place on; a negative place counts from the end.\ne.g. String.slice('theta', -2) == 'ta'",
     string_slice_from, KEEPS, 0, NULL},
    {"String.char_at", "text: String, index: i64 -> String",
     "The character at a place; an error outside the text.\ne.g. String.char_at('abc', 1) == 'b'", string_char_at, PURE,
     0, NULL},
    {"String.code_at", "text: String, index: i64 -> i64",
     "The code point at a place; an error outside the text.\ne.g. String.code_at('abc', 0) == 97", string_code_at, PURE,
     0, NULL},
    {"String.trim", "text: String -> String", "Without white space at both ends.\ne.g. String.trim(' a ') == 'a'",
     string_trim, KEEPS, 0, NULL},
    {"String.trim_start", "text: String -> String",
     "Without white space at the start.\ne.g. String.trim_start(' a ') == 'a '", string_trim_start, KEEPS, 0, NULL},
    {"String.trim_end", "text: String -> String",
     "Without white space at the end.\ne.g. String.trim_end(' a ') == ' a'", string_trim_end, KEEPS, 0, NULL},
    {"String.strip_prefix", "text: String, start: String -> String",
     "Without this start, where it has it.\ne.g. String.strip_prefix('v1.2', 'v') == '1.2'", string_strip_prefix, KEEPS,
     0, NULL},
    {"String.strip_suffix", "text: String, end: String -> String",
     "Without this end, where it has it.\ne.g. String.strip_suffix('a.csv', '.csv') == 'a'", string_strip_suffix, KEEPS,
     0, NULL},
    {"String.split", "text: String, separator: String -> List<String>",
     "The parts between separators; with an empty separator, the characters.\ne.g. String.split('a,b,,c', ',') == "
     "['a', 'b', '', 'c']",
     string_split, 0, 0, NULL},
    {"String.split", "text: String, separator: String, limit: i64 -> List<String>",
     "At most so many parts; the last one is all the rest.\ne.g. String.split('a,b,c', ',', 2) == ['a', 'b,c']",
     string_split_limit, 0, 0, NULL},
    {"String.split_once", "text: String, separator: String -> Tuple<String, String>?",
     "What stands before and after the first separator, or null.\ne.g. String.split_once('k=v=w', '=') == {'k', 'v=w'}",
     string_split_once, 0, 0, NULL},
    {"String.lines", "text: String -> List<String>",
     "The lines, without their ends (\\n or \\r\\n).\ne.g. String.lines('a\\nb\\n') == ['a', 'b']", string_lines, 0, 0,
     NULL},
    {"String.words", "text: String -> List<String>",
     "The parts between white space.\ne.g. String.words(' a  b ') == ['a', 'b']", string_words, 0, 0, NULL},
    {"String.chars", "text: String -> List<String>",
     "The characters, each as a text.\ne.g. String.chars('abc') == ['a', 'b', 'c']", string_chars, 0, 0, NULL},
    {"String.graphemes", "text: String -> List<String>",
     "What a reader sees as characters: a letter with its accents is one.\ne.g. String.graphemes('ab') == ['a', 'b']",
     string_graphemes, 0, 0, NULL},
    {"String.code_points", "text: String -> List<i64>",
     "The code points as numbers.\ne.g. String.code_points('ab') == [97, 98]", string_code_points, 0, 0, NULL},
    {"String.from_code_points", "codes: List<i64> -> String",
     "The text of code points.\ne.g. String.from_code_points([104, 105]) == 'hi'", string_from_code_points, 0, 0, NULL},
    {"String.to_bytes", "text: String -> List<i64>",
     "The bytes of the text in UTF-8.\ne.g. String.to_bytes('ab') == [97, 98]", string_to_bytes, 0, 0, NULL},
    {"String.from_bytes", "bytes: List<i64> -> String",
     "The text that has these bytes.\ne.g. String.from_bytes([97, 98]) == 'ab'", string_from_bytes, 0, 0, NULL},
    {"String.join", "parts: List<String>, separator: String -> String",
     "The parts with a separator between them.\ne.g. String.join(['a', 'b'], '-') == 'a-b'", string_join, 0, 0, NULL},
    {"String.replace", "text: String, from: String, to: String -> String",
     "With every occurrence replaced.\ne.g. String.replace('banana', 'an', 'o') == 'booa'", string_replace, KEEPS, 0,
     NULL},
    {"String.replace_first", "text: String, from: String, to: String -> String",
     "With the first occurrence replaced.\ne.g. String.replace_first('banana', 'an', 'o') == 'boana'",
     string_replace_first, KEEPS, 0, NULL},
    {"String.repeat", "text: String, times: i64 -> String",
     "The text so many times.\ne.g. String.repeat('ab', 3) == 'ababab'", string_repeat, PURE, 0, NULL},
    {"String.upper", "text: String -> String", "In upper case.\ne.g. String.upper('abc') == 'ABC'", string_upper, PURE,
     0, NULL},
    {"String.lower", "text: String -> String", "In lower case.\ne.g. String.lower('ABC') == 'abc'", string_lower, PURE,
     0, NULL},
    {"String.capitalize", "text: String -> String",
     "With a capital first letter.\ne.g. String.capitalize('abc') == 'Abc'", string_capitalize, KEEPS, 0, NULL},
    {"String.reverse", "text: String -> String",
     "Backwards; what a reader sees as a character stays whole.\ne.g. String.reverse('abc') == 'cba'", string_reverse,
     PURE, 0, NULL},
    {"String.pad_left", "text: String, width: i64 -> String",
     "With spaces before it, up to a number of characters.\ne.g. String.pad_left('7', 3) == '  7'", string_pad_left,
     KEEPS, 0, NULL},
    {"String.pad_left", "text: String, width: i64, fill: String -> String",
     "With a fill before it, up to a number of characters.\ne.g. String.pad_left('7', 3, '0') == '007'",
     string_pad_left_with, KEEPS, 0, NULL},
    {"String.pad_right", "text: String, width: i64 -> String",
     "With spaces after it, up to a number of characters.\ne.g. String.pad_right('7', 3) == '7  '", string_pad_right,
     KEEPS, 0, NULL},
    {"String.pad_right", "text: String, width: i64, fill: String -> String",
     "With a fill after it, up to a number of characters.\ne.g. String.pad_right('7', 3, '.') == '7..'",
     string_pad_right_with, KEEPS, 0, NULL},
    {"String.normalize", "text: String -> String", "In Unicode normal form C.\ne.g. String.normalize('abc') == 'abc'",
     string_normalize, KEEPS, 0, NULL},
    {"String.normalize", "text: String, form: String -> String",
     "In a Unicode normal form: NFC, NFD, NFKC or NFKD.\ne.g. String.normalize('abc', 'NFD') == 'abc'",
     string_normalize_form, KEEPS, 0, NULL},
    {"String.levenshtein", "a: String, b: String -> i64",
     "The fewest insertions, deletions and replacements of characters that make one text the other.\ne.g. "
     "String.levenshtein('kitten', 'sitting') == 3",
     string_levenshtein, PURE, 0, NULL},
    {"String.fixed", "number: f64, decimals: i64 -> String",
     "A number with so many decimals.\ne.g. String.fixed(2.5, 2) == '2.50'", string_fixed, PURE, 0, NULL},
    {"String.grouped", "number: i64, separator: String -> String",
     "A number with a separator between groups of three digits.\ne.g. String.grouped(1234567, ',') == '1,234,567'",
     string_grouped, PURE, 0, NULL},
    {"String.radix", "number: i64, base: i64 -> String",
     "A number in a base from 2 to 36.\ne.g. String.radix(255, 16) == 'ff'", string_radix, PURE, 0, NULL},
    {"String.from_radix", "text: String, base: i64 -> i64?",
     "The number that a text is in a base from 2 to 36, or null.\ne.g. String.from_radix('ff', 16) == 255",
     string_from_radix, PURE, 0, NULL},
    {"String.format", "template: String, ... -> String",
     "The template with each {} replaced by the next value, {0} by the first; {:>8} {:<8} {:^8} pad, {:08} pads with "
     "zeros, {:.2} fixes the decimals; {{ is a brace.\ne.g. String.format('{} of {:.1}', 3, 4.0) == '3 of 4.0'",
     string_format, 0, 0, NULL},
};
const size_t th_lib_string_count = TH_COUNT(th_lib_string);
