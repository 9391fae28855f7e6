/*
** arrow.c - incoming Arrow columns: what their types become here, checked and converted, shared where they can be.
** Serves the C data interface (cdata.c) and IPC (ipc.c). Trusts no length, offset or index that it is given; where
** sizes are known (IPC) nothing is read beyond them. Strings are checked to be UTF-8.
** Source: the Arrow columnar format specification.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <stdio.h>

#include "table/table_int.h"

/* ---- Types -------------------------------------------------------------------------------------------------- */

#define FIXED(type_, width_, unsigned_)                                                                                \
    {.type = TH_COLUMN_##type_,                                                                                        \
     .layout = TH_LAYOUT_FIXED,                                                                                        \
     .width = width_,                                                                                                  \
     .is_unsigned = unsigned_,                                                                                         \
     .multiply = 1,                                                                                                    \
     .divide = 1}
#define OTHER(type_, layout_) {.type = TH_COLUMN_##type_, .layout = TH_LAYOUT_##layout_, .multiply = 1, .divide = 1}

static const struct {
    const char *format, *text;
    bool known;
    th_arrow_type type;
} FORMATS[] = {
    {"n", "null", true, OTHER(NULL, NULL)},
    {"b", "bool", true, OTHER(BOOL, BITS)},
    {"c", "int8", true, FIXED(I8, 1, false)},
    {"C", "uint8", true, FIXED(I16, 1, true)},
    {"s", "int16", true, FIXED(I16, 2, false)},
    {"S", "uint16", true, FIXED(I32, 2, true)},
    {"i", "int32", true, FIXED(I32, 4, false)},
    {"I", "uint32", true, FIXED(I64, 4, true)},
    {"l", "int64", true, FIXED(I64, 8, false)},
    {"L", "uint64", true, FIXED(I64, 8, true)},
    {"f", "float", true, FIXED(F32, 4, false)},
    {"g", "double", true, FIXED(F64, 8, false)},
    {"u", "string", true, OTHER(STRING, TEXT)},
    {"U", "large_string", true, OTHER(STRING, LARGE_TEXT)},
    {"vu", "string_view", true, OTHER(STRING, VIEWS)},
    {"tdD", "date32", true, FIXED(DATE, 4, false)},
    {"tdm",
     "date64",
     true,
     {.type = TH_COLUMN_DATE, .layout = TH_LAYOUT_FIXED, .width = 8, .multiply = 1, .divide = 86400000}},
    {"e", "halffloat", false, {0}},
    {"z", "binary", false, {0}},
    {"Z", "large_binary", false, {0}},
    {"vz", "binary_view", false, {0}},
    {"tts", "time32[s]", false, {0}},
    {"ttm", "time32[ms]", false, {0}},
    {"ttu", "time64[us]", false, {0}},
    {"ttn", "time64[ns]", false, {0}},
    {"tDs", "duration[s]", false, {0}},
    {"tDm", "duration[ms]", false, {0}},
    {"tDu", "duration[us]", false, {0}},
    {"tDn", "duration[ns]", false, {0}},
    {"tiM", "month_interval", false, {0}},
    {"tiD", "day_time_interval", false, {0}},
    {"tin", "month_day_nano_interval", false, {0}},
    {"+l", "list", false, {0}},
    {"+L", "large_list", false, {0}},
    {"+vl", "list_view", false, {0}},
    {"+vL", "large_list_view", false, {0}},
    {"+s", "struct", false, {0}},
    {"+m", "map", false, {0}},
    {"+r", "run_end_encoded", false, {0}},
};

static bool timestamp_type(const char *format, th_arrow_type *out) {
    static const struct {
        char unit;
        int64_t multiply, divide;
    } units[] = {{'s', 1000000, 1}, {'m', 1000, 1}, {'u', 1, 1}, {'n', 1, 1000}};
    if (strncmp(format, "ts", 2) != 0 || !format[2] || format[3] != ':') return false;
    for (size_t i = 0; i < TH_COUNT(units); i++) {
        if (format[2] != units[i].unit) continue;
        *out = (th_arrow_type)FIXED(TIMESTAMP, 8, false);
        out->multiply = units[i].multiply;
        out->divide = units[i].divide;
        return true;
    }
    return false;
}

bool th_arrow_type_of_format(const char *format, th_arrow_type *out) {
    for (size_t i = 0; i < TH_COUNT(FORMATS); i++) {
        if (strcmp(format, FORMATS[i].format) != 0) continue;
        *out = FORMATS[i].type;
        return FORMATS[i].known;
    }
    return timestamp_type(format, out);
}

const char *th_arrow_format_text(const char *format) {
    for (size_t i = 0; i < TH_COUNT(FORMATS); i++)
        if (strcmp(format, FORMATS[i].format) == 0) return FORMATS[i].text;
    if (strncmp(format, "d:", 2) == 0) return "decimal";
    if (strncmp(format, "w:", 2) == 0) return "fixed_size_binary";
    if (strncmp(format, "+w:", 3) == 0) return "fixed_size_list";
    if (strncmp(format, "+u", 2) == 0) return "union";
    return format;
}

th_status th_arrow_unsupported(const char *name, const char *format, const char *where, th_error *err) {
    return th_fail(err, TH_E_UNSUPPORTED, "column '%s' has the Arrow type %s%s, which is not supported", name,
                   th_arrow_format_text(format), where);
}

/* ---- Owners ------------------------------------------------------------------------------------------------- */

void th_owner_retain(th_owner *owner) { atomic_fetch_add_explicit(&owner->refs, 1, memory_order_relaxed); }

void th_owner_release(th_owner *owner) {
    if (owner && atomic_fetch_sub_explicit(&owner->refs, 1, memory_order_acq_rel) == 1) owner->free(owner);
}

static void release_owner(th_buffer *buffer) { th_owner_release(buffer->owner); }

/* A buffer over incoming memory; an empty one of our own where there is none, so that readers need not ask. */
static th_status share(th_mem *mem, const void *data, size_t len, th_owner *owner, th_buffer **out) {
    if (!data || len == 0) return th_buffer_new(mem, 0, out);
    TH_TRY(th_buffer_wrap(mem, data, len, release_owner, owner, out));
    th_owner_retain(owner);
    return TH_OK;
}

/* ---- Checks ------------------------------------------------------------------------------------------------- */

static th_status malformed(const th_raw_column *raw, const char *what, th_error *err) {
    return th_fail(err, TH_E_FORMAT, "malformed Arrow data in column '%s': %s", raw->name, what);
}

static th_status no_memory(th_error *err) { return th_fail(err, TH_E_NOMEM, "not enough memory to import Arrow data"); }

static th_status bad_row(const th_raw_column *raw, size_t row, th_status code, const char *what, th_error *err) {
    return th_fail(err, code, "column '%s', row %zu: %s", raw->name, row + 1, what);
}

/* Are the first `n` items of `bytes` each (0: bits) inside the buffer? */
static bool holds(const uint8_t *data, size_t size, size_t n, size_t bytes) {
    if (n == 0) return true;
    if (!data) return false;
    size_t items = size == SIZE_MAX ? SIZE_MAX : bytes ? size / bytes : size >= SIZE_MAX / 8 ? SIZE_MAX : size * 8;
    return n <= items;
}

static bool aligned(const void *p, size_t to) { return ((uintptr_t)p & (to - 1)) == 0; }

static bool raw_valid(const th_raw_column *raw, size_t i) {
    return !raw->validity || th_bit_get(raw->validity, raw->offset + i);
}

static th_status check_sizes(const th_raw_column *raw, size_t from, size_t count, th_error *err) {
    size_t end = from + count;
    if (raw->len > INT64_MAX / 32 || raw->offset > INT64_MAX / 32 || count > raw->len || from > raw->len - count)
        return malformed(raw, "its length is impossible", err);
    end += raw->offset;
    if (raw->validity && !holds(raw->validity, raw->validity_size, end, 0))
        return malformed(raw, "the validity bitmap is too short", err);
    size_t width = raw->type.dictionary ? raw->type.index_width : raw->type.width;
    th_layout layout = raw->type.dictionary ? TH_LAYOUT_FIXED : raw->type.layout;
    bool enough = true;
    switch (layout) {
    case TH_LAYOUT_NULL: break;
    case TH_LAYOUT_BITS: enough = holds(raw->values, raw->values_size, end, 0); break;
    case TH_LAYOUT_FIXED: enough = holds(raw->values, raw->values_size, end, width); break;
    case TH_LAYOUT_TEXT: enough = count == 0 || holds(raw->offsets, raw->offsets_size, end + 1, 4); break;
    case TH_LAYOUT_LARGE_TEXT: enough = count == 0 || holds(raw->offsets, raw->offsets_size, end + 1, 8); break;
    case TH_LAYOUT_VIEWS: enough = holds(raw->values, raw->values_size, end, 16); break;
    }
    return enough ? TH_OK : malformed(raw, "a buffer is too short for its length", err);
}

/* ---- Validity ----------------------------------------------------------------------------------------------- */

static size_t count_nulls(const th_raw_column *raw, size_t from, size_t count) {
    if (raw->type.layout == TH_LAYOUT_NULL && !raw->type.dictionary) return count;
    return raw->validity ? count - th_bits_count(raw->validity, raw->offset + from, count) : 0;
}

static th_status copy_bits(th_mem *mem, const uint8_t *bits, size_t offset, size_t n, th_buffer **out) {
    TH_TRY(th_buffer_new(mem, (n + 7) / 8, out));
    memset((*out)->data, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        if (th_bit_get(bits, offset + i)) th_bit_set((*out)->data, i);
    return TH_OK;
}

/* Buffers of one column share one offset: when the values are shared, so is the bitmap, and when they were made anew,
** it is moved to begin at bit 0. */
static th_status take_validity(th_mem *mem, const th_raw_column *raw, size_t from, th_owner *owner, th_column *c) {
    if (c->null_count == 0) return TH_OK;
    if (c->type == TH_COLUMN_NULL) {
        TH_TRY(th_buffer_new(mem, (c->len + 7) / 8, &c->validity));
        memset(c->validity->data, 0, (c->len + 7) / 8);
        return TH_OK;
    }
    if (c->offset == raw->offset + from)
        return share(mem, raw->validity, (c->offset + c->len + 7) / 8, owner, &c->validity);
    return copy_bits(mem, raw->validity, raw->offset + from, c->len, &c->validity);
}

/* ---- Fixed width -------------------------------------------------------------------------------------------- */

/* False when an unsigned value is beyond 63 bits. */
static bool load_integer(const uint8_t *p, size_t width, bool is_unsigned, int64_t *out) {
    uint64_t x = 0;
    memcpy(&x, p, width);
    unsigned unused = (unsigned)(64 - 8 * width);
    *out = is_unsigned ? (int64_t)x : (int64_t)(x << unused) >> unused;
    return !is_unsigned || x <= INT64_MAX;
}

static bool same_layout(const th_arrow_type *t) {
    if (t->multiply != 1 || t->divide != 1 || t->is_unsigned) return false;
    return t->layout == TH_LAYOUT_BITS || t->width == th_column_width(t->type);
}

static th_status convert_integer(const th_raw_column *raw, size_t row, const uint8_t *p, uint8_t *out, th_error *err) {
    const th_arrow_type *t = &raw->type;
    int64_t x;
    if (!load_integer(p, t->width, t->is_unsigned, &x))
        return bad_row(raw, row, TH_E_CONVERSION, "the uint64 value does not fit i64", err);
    if (x % t->divide != 0)
        return bad_row(raw, row, TH_E_CONVERSION,
                       t->type == TH_COLUMN_DATE ? "the date64 value is no whole day"
                                                 : "the time is finer than a microsecond",
                       err);
    x /= t->divide;
    if (__builtin_mul_overflow(x, t->multiply, &x) || !th_column_fits(t->type, x))
        return bad_row(raw, row, TH_E_CONVERSION, "the value is out of range", err);
    memcpy(out, &x, th_column_width(t->type)); /* little-endian: the low bytes come first */
    return TH_OK;
}

static th_status convert_fixed(th_mem *mem, const th_raw_column *raw, size_t from, th_column *c, th_error *err) {
    size_t in_width = raw->type.width, width = th_column_width(c->type);
    if (th_buffer_new(mem, c->len * width, &c->values) != TH_OK) return no_memory(err);
    const uint8_t *in = raw->values + (raw->offset + from) * in_width;
    uint8_t *out = c->values->data;
    if (same_layout(&raw->type)) { /* only misaligned */
        if (c->len) memcpy(out, in, c->len * width);
        return TH_OK;
    }
    for (size_t i = 0; i < c->len; i++, in += in_width, out += width) {
        if (raw_valid(raw, from + i))
            TH_TRY(convert_integer(raw, from + i, in, out, err));
        else
            memset(out, 0, width);
    }
    return TH_OK;
}

static th_status take_fixed(th_mem *mem, const th_raw_column *raw, size_t from, th_owner *owner, th_column *c,
                            th_error *err) {
    size_t width = th_column_width(c->type);
    bool bits = raw->type.layout == TH_LAYOUT_BITS;
    if (c->len && (!same_layout(&raw->type) || (!bits && !aligned(raw->values, width))))
        return convert_fixed(mem, raw, from, c, err);
    c->offset = raw->offset + from;
    size_t end = c->offset + c->len;
    if (c->len == 0) c->offset = end = 0;
    th_status status = share(mem, raw->values, bits ? (end + 7) / 8 : end * width, owner, &c->values);
    return status == TH_OK ? TH_OK : no_memory(err);
}

/* ---- Text --------------------------------------------------------------------------------------------------- */

static int64_t load_offset(const th_raw_column *raw, size_t i) {
    if (raw->type.layout == TH_LAYOUT_TEXT) {
        int32_t x;
        memcpy(&x, raw->offsets + i * 4, 4);
        return x;
    }
    int64_t x;
    memcpy(&x, raw->offsets + i * 8, 8);
    return x;
}

static bool view_text(const th_raw_column *raw, size_t i, th_view *out) {
    const uint8_t *view = raw->values + i * 16;
    int32_t len, index, offset;
    memcpy(&len, view, 4);
    memcpy(&index, view + 8, 4);
    memcpy(&offset, view + 12, 4);
    if (len < 0) return false;
    *out = (th_view){(const char *)view + 4, (size_t)len};
    if (len <= 12) return true;
    if (index < 0 || (size_t)index >= raw->nvariadic || offset < 0) return false;
    if (!raw->variadic[index] || (int64_t)offset + len > raw->variadic_sizes[index]) return false;
    out->data = (const char *)raw->variadic[index] + offset;
    return true;
}

/* The text of row i, offset and all; false when it lies outside its buffer. */
static bool raw_text(const th_raw_column *raw, size_t i, th_view *out) {
    i += raw->offset;
    if (raw->type.layout == TH_LAYOUT_VIEWS) return view_text(raw, i, out);
    int64_t from = load_offset(raw, i), to = load_offset(raw, i + 1);
    if (from < 0 || to < from || (uint64_t)to > raw->values_size) return false;
    *out = (th_view){raw->values ? (const char *)raw->values + from : "", (size_t)(to - from)};
    return raw->values || to == from;
}

static th_status copy_text(th_mem *mem, const th_raw_column *raw, size_t from, th_column *c, th_error *err) {
    th_column_builder b;
    th_column_builder_init(&b, mem, TH_COLUMN_STRING);
    th_status status = TH_OK;
    for (size_t i = 0; i < c->len && status == TH_OK; i++) {
        th_view text;
        if (!raw_valid(raw, from + i))
            th_column_put_null(&b);
        else if (!raw_text(raw, from + i, &text))
            status = malformed(raw, "a text lies outside its buffer", err);
        else if (th_utf8_valid(text.data, text.len) != text.len)
            status = bad_row(raw, from + i, TH_E_FORMAT, "the text is not UTF-8", err);
        else
            th_column_put_text(&b, text);
    }
    if (status == TH_OK && (status = th_column_builder_finish(&b, c)) != TH_OK)
        status = status == TH_E_LIMIT ? th_fail(err, status, "column '%s' holds more than 2 GiB of text", raw->name)
                                      : no_memory(err);
    th_column_builder_clear(&b);
    return status;
}

/* All at once first; when that fails, the rows that are not null one by one: a null may hide any bytes. */
static th_status check_text(const th_raw_column *raw, size_t from, size_t count, th_error *err) {
    int64_t first = load_offset(raw, raw->offset + from), before = first;
    bool sound = true;
    if (first < 0) return malformed(raw, "a text offset is negative", err);
    for (size_t i = 1; i <= count; i++) {
        int64_t next = load_offset(raw, raw->offset + from + i);
        if (next < before) return malformed(raw, "text offsets decrease", err);
        before = next;
    }
    if ((uint64_t)before > raw->values_size) return malformed(raw, "a text lies outside its buffer", err);
    if (before == first) return TH_OK;
    if (!raw->values) return malformed(raw, "the text buffer is missing", err);
    const char *text = (const char *)raw->values;
    size_t total = (size_t)(before - first);
    sound = th_utf8_valid(text + first, total) == total;
    for (size_t i = 1; i < count && sound; i++) { /* no text may begin inside a sequence */
        int64_t at = load_offset(raw, raw->offset + from + i);
        sound = at == before || ((uint8_t)text[at] & 0xc0) != 0x80;
    }
    for (size_t i = 0; i < count && !sound; i++) {
        th_view row;
        if (!raw_valid(raw, from + i) || !raw_text(raw, from + i, &row)) continue;
        if (th_utf8_valid(row.data, row.len) != row.len)
            return bad_row(raw, from + i, TH_E_FORMAT, "the text is not UTF-8", err);
    }
    return TH_OK;
}

static th_status take_text(th_mem *mem, const th_raw_column *raw, size_t from, th_owner *owner, th_column *c,
                           th_error *err) {
    if (c->len == 0 || raw->type.layout != TH_LAYOUT_TEXT || !aligned(raw->offsets, 4))
        return copy_text(mem, raw, from, c, err);
    TH_TRY(check_text(raw, from, c->len, err));
    c->offset = raw->offset + from;
    size_t end = c->offset + c->len, bytes = (size_t)load_offset(raw, end);
    if (share(mem, raw->offsets, (end + 1) * 4, owner, &c->offsets) != TH_OK) return no_memory(err);
    return share(mem, raw->values, bytes, owner, &c->values) == TH_OK ? TH_OK : no_memory(err);
}

/* ---- Dictionaries ------------------------------------------------------------------------------------------- */

static bool load_index(const th_raw_column *raw, size_t row, size_t *out) {
    int64_t index;
    const uint8_t *at = raw->values + (raw->offset + row) * raw->type.index_width;
    if (!load_integer(at, raw->type.index_width, raw->type.index_unsigned, &index)) return false;
    *out = (size_t)index;
    return index >= 0 && (uint64_t)index < raw->dictionary->len;
}

static th_status take_decoded(th_mem *mem, const th_raw_column *raw, size_t from, th_column *c, th_error *err) {
    th_column_builder b;
    th_column_builder_init(&b, mem, raw->type.type);
    th_status status = TH_OK;
    for (size_t i = 0; i < c->len && status == TH_OK && b.status == TH_OK; i++) {
        size_t index;
        if (!raw_valid(raw, from + i))
            th_column_put_null(&b);
        else if (!load_index(raw, from + i, &index))
            status = bad_row(raw, from + i, TH_E_FORMAT, "the dictionary has no such entry", err);
        else
            th_column_put_from(&b, raw->dictionary, index);
    }
    if (status == TH_OK && (status = th_column_builder_finish(&b, c)) != TH_OK)
        status = status == TH_E_LIMIT ? th_fail(err, status, "column '%s' holds more than 2 GiB of text", raw->name)
                                      : no_memory(err);
    th_column_builder_clear(&b);
    return status;
}

/* ---- Entry points ------------------------------------------------------------------------------------------- */

static th_status take_values(th_mem *mem, const th_raw_column *raw, size_t from, th_owner *owner, th_column *c,
                             th_error *err) {
    if (raw->type.dictionary) return take_decoded(mem, raw, from, c, err);
    switch (raw->type.layout) {
    case TH_LAYOUT_NULL: return TH_OK;
    case TH_LAYOUT_BITS:
    case TH_LAYOUT_FIXED: return take_fixed(mem, raw, from, owner, c, err);
    default: return take_text(mem, raw, from, owner, c, err);
    }
}

th_status th_raw_convert(th_mem *mem, const th_raw_column *raw, size_t from, size_t count, th_owner *owner,
                         th_column *out, th_error *err) {
    TH_TRY(check_sizes(raw, from, count, err));
    th_column c = {.type = raw->type.type, .len = count, .null_count = (int64_t)count_nulls(raw, from, count)};
    th_status status = take_values(mem, raw, from, owner, &c, err);
    bool built = c.validity != NULL; /* a builder has seen to it */
    if (status == TH_OK && !built && take_validity(mem, raw, from, owner, &c) != TH_OK) status = no_memory(err);
    if (status != TH_OK)
        th_column_clear(&c);
    else
        *out = c;
    return status;
}

static size_t row_bytes(const th_raw_column *raw, size_t row) {
    th_view text;
    size_t index;
    if (!raw_valid(raw, row)) return 0;
    if (!raw->type.dictionary) return raw_text(raw, row, &text) ? text.len : 0;
    if (!load_index(raw, row, &index) || !th_column_valid(raw->dictionary, index)) return 0;
    return th_column_text(raw->dictionary, index).len;
}

/* The most rows from `from` that fit one batch, as far as this column's text goes; 0 when not even one does. */
static size_t fitting_rows(const th_raw_column *raw, size_t from, size_t count) {
    if (raw->type.type != TH_COLUMN_STRING || (raw->type.layout == TH_LAYOUT_TEXT && !raw->type.dictionary))
        return count;
    if (check_sizes(raw, from, count, NULL) != TH_OK) return count; /* converting will say why */
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += row_bytes(raw, from + i);
        if (bytes > TH_TEXT_MAX) return i;
    }
    return count;
}

static th_status convert_rows(th_mem *mem, th_schema *schema, th_raw_batch *raw, size_t n, th_column *columns,
                              th_batch **out, th_error *err) {
    th_status status = TH_OK;
    for (size_t i = 0; i < raw->ncolumns && status == TH_OK; i++)
        status = th_raw_convert(mem, &raw->columns[i], raw->at, n, raw->owner, &columns[i], err);
    if (status == TH_OK && th_batch_new(mem, schema, n, columns, out) != TH_OK) status = no_memory(err);
    for (size_t i = 0; i < raw->ncolumns && status != TH_OK; i++) th_column_clear(&columns[i]);
    return status;
}

th_status th_raw_take(th_mem *mem, th_schema *schema, th_raw_batch *raw, th_batch **out, th_error *err) {
    size_t n = raw->len - raw->at;
    for (size_t i = 0; i < raw->ncolumns; i++) n = fitting_rows(&raw->columns[i], raw->at, n);
    if (n == 0 && raw->at < raw->len) return th_fail(err, TH_E_LIMIT, "a text in an Arrow batch is longer than 2 GiB");
    size_t bytes = raw->ncolumns * sizeof(th_column) + 1;
    th_column *columns = th_mem_zeroed(mem, bytes);
    if (!columns) return no_memory(err);
    th_status status = convert_rows(mem, schema, raw, n, columns, out, err);
    th_mem_free(mem, columns, bytes);
    if (status == TH_OK) raw->at += n;
    return status;
}
