/*
** rows.c - batches kept whole while a verb needs all rows of an input, and columns gathered from any of their rows.
** A row is named by one word: the batch in the upper half, the row of that batch in the lower, so that names are in the
** order in which the rows came.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flow/flow_int.h"

void th_rows_init(th_rows *rows, th_mem *mem) { *rows = (th_rows){.mem = mem}; }

void th_rows_clear(th_rows *rows) {
    for (size_t i = 0; i < rows->len; i++) th_batch_release(rows->batches[i]);
    th_mem_free(rows->mem, rows->batches, rows->capacity * sizeof *rows->batches);
    th_mem_free(rows->mem, rows->starts, rows->starts_capacity * sizeof *rows->starts);
    th_rows_init(rows, rows->mem);
}

th_status th_rows_add(th_rows *rows, th_batch *batch) {
    if (batch->nrows > UINT32_MAX || rows->len >= UINT32_MAX) return TH_E_LIMIT; /* TH_PICK_NULL names no row */
    size_t needed = rows->len + 1;
    TH_TRY(th_mem_grow(rows->mem, (void **)&rows->batches, &rows->capacity, needed, sizeof *rows->batches));
    TH_TRY(th_mem_grow(rows->mem, (void **)&rows->starts, &rows->starts_capacity, needed, sizeof *rows->starts));
    rows->batches[rows->len] = th_batch_retain(batch);
    rows->starts[rows->len++] = rows->nrows;
    rows->nrows += batch->nrows;
    return TH_OK;
}

static th_status read_one(void *user, th_batch *batch) { return th_rows_add(user, batch); }

th_status th_rows_read(th_rows *rows, const th_schema *schema, const uint8_t *bytes, uint32_t len, th_error *err) {
    return len == 0 ? TH_OK : th_batches_read(rows->mem, schema, bytes, len, read_one, rows, err);
}

/* ---- Gathering ---------------------------------------------------------------------------------------------- */

static inline const th_column *column_of(const th_rows *rows, size_t column, uint64_t pick) {
    return &rows->batches[pick >> 32]->columns[column];
}

static th_status gather_validity(const th_rows *rows, size_t column, const uint64_t *picks, size_t n, th_column *out) {
    size_t nulls = 0;
    for (size_t i = 0; i < n; i++)
        nulls += picks[i] == TH_PICK_NULL || !th_column_valid(column_of(rows, column, picks[i]), (uint32_t)picks[i]);
    out->null_count = (int64_t)nulls;
    if (nulls == 0) return TH_OK;
    TH_TRY(th_buffer_new(rows->mem, (n + 7) / 8, &out->validity));
    uint8_t *bits = out->validity->data;
    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        if (picks[i] != TH_PICK_NULL && th_column_valid(column_of(rows, column, picks[i]), (uint32_t)picks[i]))
            bits[i >> 3] |= (uint8_t)(1u << (i & 7));
    return TH_OK;
}

#define GATHER(ctype)                                                                                                  \
    do {                                                                                                               \
        TH_TRY(th_buffer_new(rows->mem, n * sizeof(ctype), &out->values));                                             \
        ctype *to_ = (ctype *)(void *)out->values->data;                                                               \
        for (size_t i = 0; i < n; i++)                                                                                 \
            to_[i] = picks[i] == TH_PICK_NULL                                                                          \
                         ? 0                                                                                           \
                         : TH_COLUMN_AT(column_of(rows, column, picks[i]), ctype)[(uint32_t)picks[i]];                 \
        return TH_OK;                                                                                                  \
    } while (0)

static th_status gather_bools(const th_rows *rows, size_t column, const uint64_t *picks, size_t n, th_column *out) {
    TH_TRY(th_buffer_new(rows->mem, (n + 7) / 8, &out->values));
    uint8_t *bits = out->values->data;
    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        if (picks[i] != TH_PICK_NULL && th_column_bool(column_of(rows, column, picks[i]), (uint32_t)picks[i]))
            bits[i >> 3] |= (uint8_t)(1u << (i & 7));
    return TH_OK;
}

static th_status gather_texts(const th_rows *rows, size_t column, const uint64_t *picks, size_t n, th_column *out) {
    TH_TRY(th_buffer_new(rows->mem, (n + 1) * sizeof(int32_t), &out->offsets));
    int32_t *offsets = (int32_t *)(void *)out->offsets->data;
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        offsets[i] = (int32_t)total;
        if (picks[i] != TH_PICK_NULL)
            total += th_column_text(column_of(rows, column, picks[i]), (uint32_t)picks[i]).len;
        if (total > INT32_MAX) return TH_E_LIMIT;
    }
    offsets[n] = (int32_t)total;
    TH_TRY(th_buffer_new(rows->mem, total, &out->values));
    for (size_t i = 0; i < n; i++) {
        if (offsets[i] == offsets[i + 1]) continue;
        th_view text = th_column_text(column_of(rows, column, picks[i]), (uint32_t)picks[i]);
        memcpy(out->values->data + offsets[i], text.data, text.len);
    }
    return TH_OK;
}

static th_status gather(const th_rows *rows, size_t column, const uint64_t *picks, size_t n, th_column *out) {
    TH_TRY(gather_validity(rows, column, picks, n, out));
    switch (out->type) {
    case TH_COLUMN_STRING: return gather_texts(rows, column, picks, n, out);
    case TH_COLUMN_BOOL: return gather_bools(rows, column, picks, n, out);
    case TH_COLUMN_I8: GATHER(int8_t);
    case TH_COLUMN_I16: GATHER(int16_t);
    case TH_COLUMN_I32:
    case TH_COLUMN_DATE: GATHER(int32_t);
    case TH_COLUMN_F32: GATHER(float);
    case TH_COLUMN_F64: GATHER(double);
    default: GATHER(int64_t);
    }
}

th_status th_rows_gather(const th_rows *rows, size_t column, th_column_type type, const uint64_t *picks, size_t n,
                         th_column *out) {
    th_column c = {.type = type, .len = n};
    th_status status = TH_OK;
    if (type == TH_COLUMN_NULL)
        c.null_count = (int64_t)n;
    else
        status = gather(rows, column, picks, n, &c);
    if (status != TH_OK) {
        th_column_clear(&c);
        return status;
    }
    *out = c;
    return TH_OK;
}

/* ---- Batches ------------------------------------------------------------------------------------------------ */

th_status th_batch_make(th_mem *mem, th_schema *schema, size_t nrows, th_make_column make, void *user, th_batch **out) {
    size_t done = 0, bytes = (schema->nfields + 1) * sizeof(th_column);
    th_column *columns = th_mem_zeroed(mem, bytes);
    if (!columns) return TH_E_NOMEM;
    th_status status = TH_OK;
    while (done < schema->nfields && status == TH_OK) {
        status = make(user, done, &columns[done]);
        done += status == TH_OK;
    }
    if (status == TH_OK) status = th_batch_new(mem, schema, nrows, columns, out);
    if (status != TH_OK)
        for (size_t i = 0; i < done; i++) th_column_clear(&columns[i]);
    th_mem_free(mem, columns, bytes);
    return status;
}
