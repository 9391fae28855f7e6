/*
** csv_write.c - batches as CSV text that reads back as the same values.
** Floats keep a point and dates are ISO 8601, so that inference finds their types again; strings that would read as
** null are quoted.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include "table/table_int.h"

size_t th_cell_text(const th_column *c, size_t i, char *out) {
    switch (c->type) {
    case TH_COLUMN_BOOL: {
        const char *word = th_column_bool(c, i) ? "true" : "false";
        memcpy(out, word, strlen(word) + 1);
        return strlen(word);
    }
    case TH_COLUMN_I8: return th_format_i64(TH_COLUMN_AT(c, int8_t)[i], out);
    case TH_COLUMN_I16: return th_format_i64(TH_COLUMN_AT(c, int16_t)[i], out);
    case TH_COLUMN_I32: return th_format_i64(TH_COLUMN_AT(c, int32_t)[i], out);
    case TH_COLUMN_I64: return th_format_i64(TH_COLUMN_AT(c, int64_t)[i], out);
    case TH_COLUMN_F32: return th_format_f32(TH_COLUMN_AT(c, float)[i], true, out);
    case TH_COLUMN_F64: return th_format_f64(TH_COLUMN_AT(c, double)[i], true, out);
    case TH_COLUMN_DATE: return th_format_date(TH_COLUMN_AT(c, int32_t)[i], out);
    case TH_COLUMN_TIMESTAMP: return th_format_timestamp(TH_COLUMN_AT(c, int64_t)[i], out);
    default: out[0] = 0; return 0;
    }
}

static bool needs_quotes(th_view text) {
    if (text.len == 0 || th_view_is(text, "NA") || th_view_is(text, "null") || th_view_is(text, "NULL")) return true;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == ',' || c == '"' || c == '\n' || c == '\r') return true;
    }
    return false;
}

static void put_text(th_buf *out, th_view text, bool quotes) {
    if (!quotes && !needs_quotes(text)) {
        th_buf_put(out, text.data, text.len);
        return;
    }
    th_buf_char(out, '"');
    for (size_t at = 0; at < text.len;) {
        const char *quote = memchr(text.data + at, '"', text.len - at);
        size_t n = quote ? (size_t)(quote - text.data) + 1 - at : text.len - at;
        th_buf_put(out, text.data + at, n);
        if (quote) th_buf_char(out, '"');
        at += n;
    }
    th_buf_char(out, '"');
}

static void put_cell(th_buf *out, const th_column *c, size_t i, bool alone) {
    char number[48];
    if (!th_column_valid(c, i)) {
        if (alone) th_buf_put(out, "NA", 2);
    } else if (c->type == TH_COLUMN_STRING) {
        put_text(out, th_column_text(c, i), false);
    } else {
        size_t n = th_cell_text(c, i, number);
        th_buf_put(out, number, n);
    }
}

/* Readers trim plain names, and may take a first one that looks like a byte order mark for one. */
static bool odd_name(th_view name) {
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.data[i] < 0x20) return true;
    if (name.len >= 3 && memcmp(name.data, "\xef\xbb\xbf", 3) == 0) return true;
    return name.len && (name.data[0] == ' ' || name.data[name.len - 1] == ' ');
}

th_status th_csv_write_header(const th_schema *schema, th_buf *out) {
    for (size_t i = 0; i < schema->nfields; i++) {
        if (i) th_buf_char(out, ',');
        th_view name = th_view_of(schema->fields[i].name);
        put_text(out, name, odd_name(name));
    }
    th_buf_char(out, '\n');
    return th_buf_status(out);
}

th_status th_csv_write_batch(const th_batch *batch, th_buf *out) {
    size_t n = batch->schema->nfields;
    for (size_t row = 0; row < batch->nrows && !out->failed; row++) {
        for (size_t i = 0; i < n; i++) {
            if (i) th_buf_char(out, ',');
            put_cell(out, &batch->columns[i], row, n == 1);
        }
        th_buf_char(out, '\n');
    }
    return th_buf_status(out);
}
