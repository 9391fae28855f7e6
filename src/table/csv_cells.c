/*
** csv_cells.c - cells of a CSV window into columns, one column at a time.
** Each cell is first tried by a short path for its type that reads eight bytes at once (the window is padded for that);
** what that path does not know (quotes, blanks around a number, exponents, many digits, nulls) goes to a slower one
** that accepts the same values and more. The two never disagree on a value.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/csv_int.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef enum cell_state { CELL_VALUE, CELL_NULL, CELL_BAD } cell_state;

/* ---- Short paths -------------------------------------------------------------------------------------------- */

ALWAYS_INLINE uint64_t load64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* 1 to 8 digits at once: the text is moved to the top of the word, so that missing digits are leading zeros, then
** neighbours are added in pairs, fours, eights. */
ALWAYS_INLINE bool digits8(const uint8_t *p, size_t n, uint64_t *out) {
    unsigned shift = (unsigned)(64 - 8 * n);
    uint64_t x = (load64(p) ^ 0x3030303030303030u) << shift;
    if (((x + 0x7676767676767676u) | x) & 0x8080808080808080u) return false; /* a byte above 9? */
    x = (x * 10 + (x >> 8)) & 0x00ff00ff00ff00ffu;
    x = (x * 100 + (x >> 16)) & 0x0000ffff0000ffffu;
    *out = (x * 10000 + (x >> 32)) & 0xffffffffu;
    return true;
}

/* 1 to 16 digits. */
ALWAYS_INLINE bool digits16(const uint8_t *p, size_t n, uint64_t *out) {
    if (TH_LIKELY(n <= 8)) return digits8(p, n, out);
    uint64_t high, low;
    if (!digits8(p, n - 8, &high) || !digits8(p + n - 8, 8, &low)) return false;
    *out = high * 100000000 + low;
    return true;
}

/* 1 to 19 digits. */
ALWAYS_INLINE bool digits19(const uint8_t *p, size_t n, uint64_t *out) {
    if (TH_LIKELY(n <= 16)) return digits16(p, n, out);
    uint64_t high, low;
    if (!digits8(p, n - 16, &high) || !digits16(p + n - 16, 16, &low)) return false;
    *out = high * 10000000000000000 + low;
    return true;
}

ALWAYS_INLINE bool fast_integer(const uint8_t *p, size_t n, int64_t *out) {
    bool negative = *p == '-';
    p += negative;
    n -= negative;
    uint64_t x;
    if (n - 1 >= 18 || !digits19(p, n, &x)) return false; /* 18 digits always fit */
    *out = negative ? -(int64_t)x : (int64_t)x;
    return true;
}

#define E(n) UINT64_C(1##n)
static const uint64_t POW10[19] = {E(),
                                   E(0),
                                   E(00),
                                   E(000),
                                   E(0000),
                                   E(00000),
                                   E(000000),
                                   E(0000000),
                                   E(00000000),
                                   E(000000000),
                                   E(0000000000),
                                   E(00000000000),
                                   E(000000000000),
                                   E(0000000000000),
                                   E(00000000000000),
                                   E(000000000000000),
                                   E(0000000000000000),
                                   E(00000000000000000),
                                   E(000000000000000000)};
#undef E

/* mantissa / 10^exponent, correctly rounded: the quotient has at least 62 bits, of which the conversion to a double
** keeps 53; a remainder is gathered in the lowest bit, where it decides ties. */
static TH_NOINLINE double divide_pow10(uint64_t mantissa, size_t exponent) {
    if (mantissa == 0) return 0;
    int up = __builtin_clzll(mantissa), down = __builtin_clzll(POW10[exponent]);
    uint64_t divisor = POW10[exponent] << down;
    unsigned __int128 dividend = (unsigned __int128)(mantissa << up) << 63;
    uint64_t quotient = (uint64_t)(dividend / divisor);
    quotient |= dividend != (unsigned __int128)quotient * divisor;
    uint64_t scale_bits = (uint64_t)(1023 + down - up - 63) << 52;
    double scale;
    memcpy(&scale, &scale_bits, 8);
    return (double)quotient * scale;
}

/* The place of the first point in 8 bytes, 8 when there is none. */
ALWAYS_INLINE size_t find_point(const uint8_t *p) {
    uint64_t x = load64(p) ^ 0x2e2e2e2e2e2e2e2eu;
    uint64_t found = (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
    return found ? (size_t)__builtin_ctzll(found) >> 3 : 8;
}

/* digits.digits with at most 8 before the point and 19 in all. When all digits together are below 2^53, one division of
** two exact doubles rounds correctly. */
ALWAYS_INLINE bool fast_decimal(const uint8_t *p, size_t n, double *out) {
    bool negative = *p == '-';
    p += negative;
    n -= negative;
    size_t whole_n = find_point(p);
    uint64_t whole, fraction, mantissa;
    if (whole_n >= n || (whole_n == 8 && p[8] != '.')) { /* no point in this cell, or beyond the short path */
        if (n - 1 >= 16 || !digits16(p, n, &mantissa) || mantissa >> 53) return false;
        *out = negative ? -(double)mantissa : (double)mantissa;
        return true;
    }
    size_t fraction_n = n - whole_n - 1;
    if (whole_n - 1 >= 8 || fraction_n - 1 >= 18 || whole_n + fraction_n > 19) return false;
    if (!digits8(p, whole_n, &whole) || !digits19(p + whole_n + 1, fraction_n, &fraction)) return false;
    mantissa = whole * POW10[fraction_n] + fraction;
    double x = TH_LIKELY(mantissa >> 53 == 0 && fraction_n <= 16) ? (double)mantissa / (double)POW10[fraction_n]
                                                                  : divide_pow10(mantissa, fraction_n);
    *out = negative ? -x : x;
    return true;
}

/* yyyy-mm-dd, the first ten bytes. */
ALWAYS_INLINE bool fast_date(const uint8_t *p, int64_t *days) {
    uint64_t year, month, day;
    if (p[4] != '-' || p[7] != '-') return false;
    if (!digits8(p, 4, &year) || !digits8(p + 5, 2, &month) || !digits8(p + 8, 2, &day)) return false;
    if (month - 1 >= 12 || day - 1 >= 31) return false;
    if (day > 28 && day > th_days_in_month((int64_t)year, (unsigned)month)) return false;
    *days = th_days_of_civil((int64_t)year, (unsigned)month, (unsigned)day);
    return true;
}

/* yyyy-mm-dd hh:mm:ss, then nothing or up to six digits of a second. */
ALWAYS_INLINE bool fast_timestamp(const uint8_t *p, size_t n, int64_t *micros) {
    static const uint32_t scale[] = {0, 100000, 10000, 1000, 100, 10, 1};
    int64_t days;
    uint64_t hours, minutes, seconds, fraction = 0;
    if (n < 19 || n > 26 || n == 20 || !fast_date(p, &days)) return false;
    if ((p[10] != 'T' && p[10] != ' ') || p[13] != ':' || p[16] != ':') return false;
    if (!digits8(p + 11, 2, &hours) || !digits8(p + 14, 2, &minutes) || !digits8(p + 17, 2, &seconds)) return false;
    if (hours > 23 || minutes > 59 || seconds > 59) return false;
    if (n > 20) {
        if (p[19] != '.' || !digits8(p + 20, n - 20, &fraction)) return false;
        fraction *= scale[n - 20];
    }
    *micros = days * TH_DAY_MICROS + (int64_t)((hours * 60 + minutes) * 60 + seconds) * 1000000 + (int64_t)fraction;
    return true;
}

ALWAYS_INLINE bool fast_bool(const uint8_t *p, size_t n, bool *out) {
    *out = n == 4;
    return (n == 4 && memcmp(p, "true", 4) == 0) || (n == 5 && memcmp(p, "false", 5) == 0);
}

/* Stores what the type holds; BOOL stores a byte, which the caller turns into a bit. */
ALWAYS_INLINE bool fast_cell(th_column_type type, const uint8_t *p, size_t n, void *out) {
    int64_t x;
    double f;
    switch (type) {
    case TH_COLUMN_BOOL: return fast_bool(p, n, out);
    case TH_COLUMN_I64: return fast_integer(p, n, out);
    case TH_COLUMN_F64: return fast_decimal(p, n, out);
    case TH_COLUMN_TIMESTAMP: return fast_timestamp(p, n, out);
    case TH_COLUMN_F32:
        if (!fast_decimal(p, n, &f)) return false;
        *(float *)out = (float)f;
        return true;
    case TH_COLUMN_DATE:
        if (n != 10 || !fast_date(p, &x)) return false;
        *(int32_t *)out = (int32_t)x;
        return true;
    default:
        if (!fast_integer(p, n, &x) || !th_column_fits(type, x)) return false;
        if (type == TH_COLUMN_I8)
            *(int8_t *)out = (int8_t)x;
        else if (type == TH_COLUMN_I16)
            *(int16_t *)out = (int16_t)x;
        else
            *(int32_t *)out = (int32_t)x;
        return true;
    }
}

/* ---- Cells as texts ----------------------------------------------------------------------------------------- */

th_view th_csv_cell(const th_csv_rows *rows, size_t row, size_t cell) {
    const uint32_t *end = rows->ends + rows->rows[row] + cell;
    const char *p = (const char *)rows->window + (uint32_t)(end[-1] + 1);
    int32_t n = (int32_t)(end[0] - (end[-1] + 1));
    if (n <= 0) return (th_view){p, 0};
    if (p[n] == '\n' && p[n - 1] == '\r') n--;
    return (th_view){p, (size_t)n};
}

static bool blank(char c) { return c == ' ' || c == '\t'; }

static th_view trim(th_view text) {
    while (text.len && blank(text.data[0])) text = (th_view){text.data + 1, text.len - 1};
    while (text.len && blank(text.data[text.len - 1])) text.len--;
    return text;
}

/* What is between the quotes of a cell that begins with one; nothing but blanks may follow the closing quote. */
static bool unquote(th_view cell, th_view *inner, bool *escapes) {
    const char *p = cell.data + 1, *end = cell.data + cell.len;
    *escapes = false;
    for (;;) {
        const char *quote = p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
        if (!quote) return false;
        if (quote + 1 < end && quote[1] == '"') {
            *escapes = true;
            p = quote + 2;
            continue;
        }
        *inner = (th_view){cell.data + 1, (size_t)(quote - cell.data - 1)};
        return trim((th_view){quote + 1, (size_t)(end - quote - 1)}).len == 0;
    }
}

/* Writes the inside of a quoted cell, doubled quotes once; returns the length. */
static size_t copy_escaped(char *out, th_view inner) {
    size_t n = 0;
    for (size_t i = 0; i < inner.len; i++) {
        out[n++] = inner.data[i];
        if (inner.data[i] == '"') i++;
    }
    return n;
}

static bool is_null_word(const th_csv_nulls *nulls, th_view text) {
    if (text.len > nulls->longest || !nulls->first[(uint8_t)text.data[0]]) return false;
    for (size_t i = 0; i < nulls->nwords; i++)
        if (th_view_eq(text, nulls->words[i])) return true;
    return false;
}

bool th_csv_cell_text(th_view cell, th_buf *out) {
    if (cell.len == 0 || cell.data[0] != '"') {
        th_buf_put(out, cell.data, cell.len);
        return true;
    }
    th_view inner;
    bool escapes;
    if (!unquote(cell, &inner, &escapes)) return false;
    if (!th_buf_reserve(out, inner.len)) return true; /* `out` remembers */
    char *scratch = out->data + out->len;
    size_t n = inner.len;
    if (escapes)
        n = copy_escaped(scratch, inner);
    else if (n)
        memcpy(scratch, inner.data, n);
    out->len += n;
    out->data[out->len] = 0;
    return true;
}

/* ---- Values the longer way ---------------------------------------------------------------------------------- */

static bool parse_bool(th_view text, bool *out) {
    static const char *const words[] = {"false", "true", "False", "True", "FALSE", "TRUE", "0", "1"};
    for (size_t i = 0; i < TH_COUNT(words); i++) {
        if (!th_view_is(text, words[i])) continue;
        *out = i & 1;
        return true;
    }
    return false;
}

static bool parse_float(th_view text, float *out) {
    double x;
    if (!th_parse_f64(text, &x)) return false;
    float f = (float)x;
    if (__builtin_isinf(f) && !__builtin_isinf(x)) return false;
    *out = f;
    return true;
}

static bool parse_integer(th_column_type type, th_view text, void *out) {
    int64_t x;
    if (!th_parse_i64(text, &x) || !th_column_fits(type, x)) return false;
    memcpy(out, &x, th_column_width(type)); /* little-endian: the low bytes come first */
    return true;
}

static bool parse_value(th_column_type type, th_view text, void *out) {
    switch (type) {
    case TH_COLUMN_BOOL: return parse_bool(text, out);
    case TH_COLUMN_F32: return parse_float(text, out);
    case TH_COLUMN_F64: return th_parse_f64(text, out);
    case TH_COLUMN_DATE: return th_parse_date(text, out);
    case TH_COLUMN_TIMESTAMP: return th_parse_timestamp(text, out);
    default: return parse_integer(type, text, out);
    }
}

/* Any type but STRING. Null words count inside quotes too: some writers quote everything. */
static TH_NOINLINE cell_state slow_cell(const th_csv_nulls *nulls, th_column_type type, th_view text, void *out) {
    bool escapes = false;
    if (text.len && text.data[0] == '"' && (!unquote(text, &text, &escapes) || escapes)) return CELL_BAD;
    text = trim(text);
    if (text.len == 0 || is_null_word(nulls, text)) return CELL_NULL;
    if (type == TH_COLUMN_NULL) return CELL_BAD;
    return parse_value(type, text, out) ? CELL_VALUE : CELL_BAD;
}

/* ---- Columns ------------------------------------------------------------------------------------------------ */

typedef struct target {
    th_mem *mem;
    th_csv_rows *rows;
    size_t cell;
    bool nullable;
    th_buffer *validity, *values, *offsets;
    size_t null_count;
} target;

static th_status put_null(target *t, size_t row) {
    if (!t->validity) TH_TRY(th_buffer_bits(t->mem, t->rows->nrows, &t->validity));
    th_bit_unset(t->validity->data, row);
    t->null_count++;
    return TH_OK;
}

/* A cell that holds no value: a null, or a bad one under the reader's policy. *stop: read no further. */
static TH_NOINLINE th_status no_value(target *t, size_t row, cell_state state, bool *stop) {
    th_csv_rows *rows = t->rows;
    if (state == CELL_BAD || !t->nullable) {
        if (rows->policy == TH_BAD_ERROR) {
            rows->bad_row = row;
            rows->bad_cell = t->cell;
            *stop = true;
            return TH_OK;
        }
        if (rows->policy == TH_BAD_SKIP) {
            th_bit_set(rows->skip, row);
            rows->any_skipped = true;
        }
    }
    return put_null(t, row);
}

typedef struct span {
    const uint8_t *p;
    int32_t n; /* below 0: the row has no such cell */
} span;

ALWAYS_INLINE span cell_span(const th_csv_rows *rows, size_t row, size_t cell, bool last) {
    const uint32_t *end = rows->ends + rows->rows[row] + cell;
    uint32_t from = end[-1] + 1;
    span s = {rows->window + from, (int32_t)(end[0] - from)};
    if (last && s.n > 0 && s.p[s.n - 1] == '\r' && s.p[s.n] == '\n') s.n--;
    return s;
}

ALWAYS_INLINE th_status read_fixed(target *t, bool last, th_column_type type) {
    size_t width = type == TH_COLUMN_BOOL ? 1 : th_column_width(type);
    th_csv_rows *rows = t->rows;
    TH_TRY(th_buffer_new(t->mem, rows->nrows * width, &t->values));
    uint8_t *out = t->values->data;
    for (size_t i = 0; i < rows->bad_row; i++, out += width) {
        span s = cell_span(rows, i, t->cell, last);
        if (TH_LIKELY(s.n > 0 && fast_cell(type, s.p, (size_t)s.n, out))) continue;
        th_view text = {(const char *)s.p, s.n > 0 ? (size_t)s.n : 0};
        cell_state state = slow_cell(rows->nulls, type, text, out);
        if (state == CELL_VALUE) continue;
        memset(out, 0, width);
        bool stop = false;
        TH_TRY(no_value(t, i, state, &stop));
        if (stop) break;
    }
    return TH_OK;
}

/* Bytes to bits, in place. */
static void pack_bits(th_buffer *values, size_t n) {
    uint8_t *bytes = values->data;
    for (size_t i = 0; i < n; i++) {
        bool bit = bytes[i];
        if ((i & 7) == 0)
            bytes[i >> 3] = bit;
        else if (bit)
            th_bit_set(bytes, i);
    }
    values->len = (n + 7) / 8;
}

static th_status read_bools(target *t, bool last) {
    TH_TRY(read_fixed(t, last, TH_COLUMN_BOOL));
    memset(t->values->data + t->rows->bad_row, 0, t->rows->nrows - t->rows->bad_row);
    pack_bits(t->values, t->rows->nrows);
    return TH_OK;
}

/* ---- Text columns ------------------------------------------------------------------------------------------- */

/* Copies n bytes, perhaps up to 15 more; tells whether all of those were ASCII. */
ALWAYS_INLINE bool copy_text(uint8_t *out, const uint8_t *p, size_t n) {
    uint64_t high = 0;
    for (size_t i = 0; i < n; i += 16) {
        uint64_t a = load64(p + i), b = load64(p + i + 8);
        memcpy(out + i, &a, 8);
        memcpy(out + i + 8, &b, 8);
        high |= a | b;
    }
    return !(high & 0x8080808080808080u);
}

static bool sound(const uint8_t *p, size_t n) { return th_utf8_valid((const char *)p, n) == n; }

/* The place of the first quote of a text that has one. */
ALWAYS_INLINE size_t find_quote(const uint8_t *p) {
    for (size_t at = 0;; at += 8) {
        uint64_t x = load64(p + at) ^ 0x2222222222222222u;
        uint64_t found = (x - 0x0101010101010101u) & ~x & 0x8080808080808080u;
        if (found) return at + ((size_t)__builtin_ctzll(found) >> 3);
    }
}

/* A quoted cell; *n is the length written. Quotes make a text of anything, an empty one too. */
static TH_NOINLINE cell_state quoted_text(uint8_t *out, th_view cell, size_t *n) {
    th_view inner = {cell.data + 1, cell.len - 2};
    bool escapes = false;
    bool simple =
        cell.len >= 2 && cell.data[cell.len - 1] == '"' && find_quote((const uint8_t *)inner.data) == inner.len;
    if (!simple && !unquote(cell, &inner, &escapes)) return CELL_BAD;
    *n = inner.len;
    if (escapes)
        *n = copy_escaped((char *)out, inner);
    else if (copy_text(out, (const uint8_t *)inner.data, inner.len))
        return CELL_VALUE;
    return sound(out, *n) ? CELL_VALUE : CELL_BAD;
}

ALWAYS_INLINE cell_state text_cell(const th_csv_nulls *nulls, uint8_t *out, span s, size_t *n) {
    if (s.n <= 0) return CELL_NULL;
    th_view text = {(const char *)s.p, (size_t)s.n};
    if (TH_UNLIKELY(*s.p == '"')) return quoted_text(out, text, n);
    if (TH_UNLIKELY(nulls->first[*s.p]) && is_null_word(nulls, text)) return CELL_NULL;
    *n = text.len;
    return TH_LIKELY(copy_text(out, s.p, text.len)) || sound(s.p, text.len) ? CELL_VALUE : CELL_BAD;
}

/* An upper bound of the column's text, from the index alone. */
static size_t text_bytes(const th_csv_rows *rows, size_t cell) {
    size_t bytes = 0;
    for (size_t i = 0; i < rows->nrows; i++) {
        const uint32_t *end = rows->ends + rows->rows[i] + cell;
        uint32_t n = end[0] - (end[-1] + 1);
        bytes += n == UINT32_MAX ? 0 : n;
    }
    return bytes;
}

static th_status read_text(target *t, bool last) {
    th_csv_rows *rows = t->rows;
    TH_TRY(th_buffer_new(t->mem, (rows->nrows + 1) * sizeof(int32_t), &t->offsets));
    TH_TRY(th_buffer_new(t->mem, text_bytes(rows, t->cell) + 16, &t->values));
    int32_t *offsets = (int32_t *)(void *)t->offsets->data;
    uint8_t *text = t->values->data;
    size_t at = 0;
    for (size_t i = 0; i < rows->bad_row; i++) {
        offsets[i] = (int32_t)at;
        size_t n = 0;
        cell_state state = text_cell(rows->nulls, text + at, cell_span(rows, i, t->cell, last), &n);
        if (TH_LIKELY(state == CELL_VALUE)) {
            at += n;
            continue;
        }
        bool stop = false;
        TH_TRY(no_value(t, i, state, &stop));
        if (stop) break;
    }
    for (size_t i = rows->bad_row; i <= rows->nrows; i++) offsets[i] = (int32_t)at;
    t->values->len = at;
    return TH_OK;
}

/* ---- Entry points ------------------------------------------------------------------------------------------- */

static th_status read_any(target *t, bool last, th_column_type type) {
    switch (type) {
    case TH_COLUMN_BOOL: return read_bools(t, last);
    case TH_COLUMN_I8: return read_fixed(t, last, TH_COLUMN_I8);
    case TH_COLUMN_I16: return read_fixed(t, last, TH_COLUMN_I16);
    case TH_COLUMN_I32: return read_fixed(t, last, TH_COLUMN_I32);
    case TH_COLUMN_I64: return read_fixed(t, last, TH_COLUMN_I64);
    case TH_COLUMN_F32: return read_fixed(t, last, TH_COLUMN_F32);
    case TH_COLUMN_F64: return read_fixed(t, last, TH_COLUMN_F64);
    case TH_COLUMN_DATE: return read_fixed(t, last, TH_COLUMN_DATE);
    case TH_COLUMN_TIMESTAMP: return read_fixed(t, last, TH_COLUMN_TIMESTAMP);
    default: return read_text(t, last);
    }
}

th_status th_csv_read_column(th_mem *mem, th_csv_rows *rows, size_t cell, bool last, th_column_type type, bool nullable,
                             th_column *out) {
    target t = {.mem = mem, .rows = rows, .cell = cell, .nullable = nullable};
    th_status status = read_any(&t, last, type);
    *out = (th_column){.type = type,
                       .len = rows->nrows,
                       .null_count = (int64_t)t.null_count,
                       .validity = t.validity,
                       .values = t.values,
                       .offsets = t.offsets};
    if (status != TH_OK) th_column_clear(out);
    return status;
}

/* ---- Inference ---------------------------------------------------------------------------------------------- */

/* Numbers as a person writes quantities: no leading zero (that is a code) and no plus before a whole number (that is a
** telephone number); digits beyond 64 bits are an identifier. */
static uint32_t number_types(th_view text) {
    const char *p = text.data, *end = p + text.len;
    bool plus = *p == '+';
    if (*p == '-' || *p == '+') p++;
    if (end - p >= 2 && p[0] == '0' && p[1] >= '0' && p[1] <= '9') return 0;
    const char *digits = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    int64_t whole;
    double number;
    if (p == end && p > digits) {
        if (plus || !th_parse_i64(text, &whole)) return 0;
        return 1u << TH_COLUMN_I64 | 1u << TH_COLUMN_F64;
    }
    return th_parse_f64(text, &number) ? 1u << TH_COLUMN_F64 : 0;
}

uint32_t th_csv_cell_types(th_view cell, const th_csv_nulls *nulls) {
    th_view text = cell;
    bool escapes = false, truth;
    if (text.len && text.data[0] == '"') {
        if (!unquote(cell, &text, &escapes)) return TH_CSV_ANY_TYPE; /* bad whatever the type */
        if (escapes) return 0;
    }
    text = trim(text);
    if (text.len == 0 || is_null_word(nulls, text)) return TH_CSV_ANY_TYPE;
    if (text.len > 1 && parse_bool(text, &truth)) return 1u << TH_COLUMN_BOOL;
    int32_t days;
    int64_t micros;
    if (th_parse_date(text, &days)) return 1u << TH_COLUMN_DATE | 1u << TH_COLUMN_TIMESTAMP;
    if (th_parse_timestamp(text, &micros)) return 1u << TH_COLUMN_TIMESTAMP;
    return number_types(text);
}
