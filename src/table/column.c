/*
** column.c - schemas, shared buffers, columns, batches and their builders.
** Relies on th_mem only. A batch is never written after th_batch_new; a slice shares its parent's buffers.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <assert.h>

#include "table/table_int.h"

#define BUFFER_ALIGN 64u

const char *th_column_type_text(th_column_type type) {
    switch (type) {
    case TH_COLUMN_NULL: return "null";
    case TH_COLUMN_BOOL: return "bool";
    case TH_COLUMN_I8: return "i8";
    case TH_COLUMN_I16: return "i16";
    case TH_COLUMN_I32: return "i32";
    case TH_COLUMN_I64: return "i64";
    case TH_COLUMN_F32: return "f32";
    case TH_COLUMN_F64: return "f64";
    case TH_COLUMN_STRING: return "String";
    case TH_COLUMN_DATE: return "Date";
    case TH_COLUMN_TIMESTAMP: return "Timestamp";
    default: return "?";
    }
}

bool th_column_fits(th_column_type type, int64_t x) {
    switch (type) {
    case TH_COLUMN_BOOL: return x == 0 || x == 1;
    case TH_COLUMN_I8: return x >= INT8_MIN && x <= INT8_MAX;
    case TH_COLUMN_I16: return x >= INT16_MIN && x <= INT16_MAX;
    case TH_COLUMN_I32:
    case TH_COLUMN_DATE: return x >= INT32_MIN && x <= INT32_MAX;
    default: return true;
    }
}

/* ---- Bits --------------------------------------------------------------------------------------------------- */

size_t th_bits_count(const uint8_t *bits, size_t offset, size_t len) {
    size_t count = 0, i = offset, end = offset + len;
    for (; i < end && (i & 7); i++) count += th_bit_get(bits, i);
    for (; i + 64 <= end; i += 64) {
        uint64_t word;
        memcpy(&word, bits + (i >> 3), 8);
        count += (size_t)__builtin_popcountll(word);
    }
    for (; i + 8 <= end; i += 8) count += (size_t)__builtin_popcount(bits[i >> 3]);
    for (; i < end; i++) count += th_bit_get(bits, i);
    return count;
}

void th_bits_fill(uint8_t *bits, size_t len) {
    memset(bits, 0xff, len >> 3);
    if (len & 7) bits[len >> 3] = (uint8_t)((1u << (len & 7)) - 1);
}

/* ---- Schemas ------------------------------------------------------------------------------------------------ */

static size_t schema_bytes(const th_field *fields, size_t nfields) {
    size_t bytes = sizeof(th_schema) + nfields * sizeof(th_field);
    for (size_t i = 0; i < nfields; i++) bytes += strlen(fields[i].name) + 1;
    return bytes;
}

th_status th_schema_new(th_mem *mem, const th_field *fields, size_t nfields, th_schema **out) {
    if (nfields > UINT32_MAX) return TH_E_LIMIT;
    for (size_t i = 0; i < nfields; i++)
        if (!fields[i].name || (unsigned)fields[i].type >= TH_COLUMN_TYPE_COUNT) return TH_E_ARGUMENT;
    th_schema *schema = th_mem_new(mem, schema_bytes(fields, nfields));
    if (!schema) return TH_E_NOMEM;
    atomic_init(&schema->refs, 1);
    schema->mem = mem;
    schema->nfields = nfields;
    schema->fields = (th_field *)(schema + 1);
    char *names = (char *)(schema->fields + nfields);
    for (size_t i = 0; i < nfields; i++) {
        size_t size = strlen(fields[i].name) + 1;
        schema->fields[i] = (th_field){names, fields[i].type, fields[i].nullable};
        memcpy(names, fields[i].name, size);
        names += size;
    }
    *out = schema;
    return TH_OK;
}

th_schema *th_schema_retain(th_schema *schema) {
    atomic_fetch_add_explicit(&schema->refs, 1, memory_order_relaxed);
    return schema;
}

void th_schema_release(th_schema *schema) {
    if (!schema || atomic_fetch_sub_explicit(&schema->refs, 1, memory_order_acq_rel) != 1) return;
    th_mem_free(schema->mem, schema, schema_bytes(schema->fields, schema->nfields));
}

int64_t th_schema_find(const th_schema *schema, th_view name) {
    for (size_t i = 0; i < schema->nfields; i++)
        if (th_view_is(name, schema->fields[i].name)) return (int64_t)i;
    return -1;
}

bool th_schema_equal(const th_schema *a, const th_schema *b) {
    if (a == b) return true;
    if (a->nfields != b->nfields) return false;
    for (size_t i = 0; i < a->nfields; i++) {
        const th_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->type != y->type || x->nullable != y->nullable || strcmp(x->name, y->name) != 0) return false;
    }
    return true;
}

/* ---- Buffers ------------------------------------------------------------------------------------------------ */

/* An owned buffer is one block: the head, then the data at the next multiple of 64. */
static size_t buffer_block_bytes(size_t capacity) { return sizeof(th_buffer) + BUFFER_ALIGN + capacity; }

th_status th_buffer_new(th_mem *mem, size_t bytes, th_buffer **out) {
    if (bytes > SIZE_MAX / 2) return TH_E_NOMEM;
    size_t capacity = bytes ? TH_ALIGN(bytes, BUFFER_ALIGN) : BUFFER_ALIGN;
    th_buffer *buffer = th_mem_new(mem, buffer_block_bytes(capacity));
    if (!buffer) return TH_E_NOMEM;
    atomic_init(&buffer->refs, 1);
    buffer->mem = mem;
    buffer->data = (uint8_t *)TH_ALIGN((uintptr_t)(buffer + 1), BUFFER_ALIGN);
    buffer->len = bytes;
    buffer->capacity = capacity;
    buffer->release = NULL;
    buffer->owner = NULL;
    memset(buffer->data + bytes, 0, capacity - bytes);
    *out = buffer;
    return TH_OK;
}

th_status th_buffer_wrap(th_mem *mem, const void *data, size_t len, void (*release)(th_buffer *), void *owner,
                         th_buffer **out) {
    th_buffer *buffer = th_mem_new(mem, sizeof *buffer);
    if (!buffer) return TH_E_NOMEM;
    atomic_init(&buffer->refs, 1);
    buffer->mem = mem;
    buffer->data = (uint8_t *)(uintptr_t)data; /* const is kept by the batch: it is immutable */
    buffer->len = buffer->capacity = len;
    buffer->release = release;
    buffer->owner = owner;
    *out = buffer;
    return TH_OK;
}

th_status th_buffer_bits(th_mem *mem, size_t nbits, th_buffer **out) {
    TH_TRY(th_buffer_new(mem, (nbits + 7) / 8, out));
    th_bits_fill((*out)->data, nbits);
    return TH_OK;
}

th_buffer *th_buffer_retain(th_buffer *buffer) {
    if (buffer) atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}

void th_buffer_release(th_buffer *buffer) {
    if (!buffer || atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) != 1) return;
    if (buffer->release) {
        buffer->release(buffer);
        th_mem_free(buffer->mem, buffer, sizeof *buffer);
    } else {
        th_mem_free(buffer->mem, buffer, buffer_block_bytes(buffer->capacity));
    }
}

/* ---- Columns and batches ------------------------------------------------------------------------------------ */

void th_column_clear(th_column *column) {
    th_buffer_release(column->validity);
    th_buffer_release(column->values);
    th_buffer_release(column->offsets);
    column->validity = column->values = column->offsets = NULL;
    column->len = 0;
}

th_column th_column_share(const th_column *column) {
    th_buffer_retain(column->validity);
    th_buffer_retain(column->values);
    th_buffer_retain(column->offsets);
    return *column;
}

static th_status batch_alloc(th_mem *mem, th_schema *schema, size_t nrows, th_batch **out) {
    th_batch *batch = th_mem_new(mem, sizeof *batch + schema->nfields * sizeof(th_column));
    if (!batch) return TH_E_NOMEM;
    atomic_init(&batch->refs, 1);
    batch->mem = mem;
    batch->schema = th_schema_retain(schema);
    batch->nrows = nrows;
    batch->columns = (th_column *)(batch + 1);
    *out = batch;
    return TH_OK;
}

th_status th_batch_new(th_mem *mem, th_schema *schema, size_t nrows, th_column *columns, th_batch **out) {
    for (size_t i = 0; i < schema->nfields; i++)
        if (columns[i].len != nrows || columns[i].type != schema->fields[i].type) return TH_E_ARGUMENT;
    TH_TRY(batch_alloc(mem, schema, nrows, out));
    if (schema->nfields) memcpy((*out)->columns, columns, schema->nfields * sizeof *columns);
    return TH_OK;
}

th_batch *th_batch_retain(th_batch *batch) {
    atomic_fetch_add_explicit(&batch->refs, 1, memory_order_relaxed);
    return batch;
}

void th_batch_release(th_batch *batch) {
    if (!batch || atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel) != 1) return;
    size_t n = batch->schema->nfields;
    for (size_t i = 0; i < n; i++) th_column_clear(&batch->columns[i]);
    th_schema_release(batch->schema);
    th_mem_free(batch->mem, batch, sizeof *batch + n * sizeof(th_column));
}

th_status th_batch_slice(const th_batch *batch, size_t from, size_t count, th_batch **out) {
    if (from > batch->nrows || count > batch->nrows - from) return TH_E_INDEX;
    th_batch *slice;
    TH_TRY(batch_alloc(batch->mem, batch->schema, count, &slice));
    for (size_t i = 0; i < batch->schema->nfields; i++) {
        th_column *c = &slice->columns[i];
        *c = th_column_share(&batch->columns[i]);
        c->offset += from;
        c->len = count;
        if (c->null_count && c->validity)
            c->null_count = (int64_t)(count - th_bits_count(c->validity->data, c->offset, count));
    }
    *out = slice;
    return TH_OK;
}

/* ---- Builders ----------------------------------------------------------------------------------------------- */

void th_column_builder_init(th_column_builder *b, th_mem *mem, th_column_type type) {
    *b = (th_column_builder){.mem = mem, .type = type, .status = TH_OK};
}

void th_column_builder_clear(th_column_builder *b) {
    th_buffer_release(b->validity);
    th_buffer_release(b->values);
    th_buffer_release(b->offsets);
    th_column_builder_init(b, b->mem, b->type);
}

/* Makes room for `needed` bytes, of which the first `used` are kept; new bytes are zero, so that bits can be set into
** them. */
static TH_NOINLINE bool grow(th_column_builder *b, th_buffer **buffer, size_t used, size_t needed) {
    size_t capacity = *buffer ? (*buffer)->capacity * 2 : 512;
    th_buffer *bigger;
    th_status status = th_buffer_new(b->mem, needed > capacity ? needed : capacity, &bigger);
    if (status != TH_OK) {
        b->status = status;
        return false;
    }
    if (used) memcpy(bigger->data, (*buffer)->data, used);
    memset(bigger->data + used, 0, bigger->capacity - used);
    th_buffer_release(*buffer);
    *buffer = bigger;
    return true;
}

static inline bool reserve(th_column_builder *b, th_buffer **buffer, size_t used, size_t needed) {
    return TH_LIKELY(*buffer && (*buffer)->capacity >= needed) || grow(b, buffer, used, needed);
}

/* Validity is kept only from the first null on. */
static bool put_validity(th_column_builder *b, bool valid) {
    if (!b->validity && valid) return true;
    if (!b->validity) {
        if (!grow(b, &b->validity, 0, b->len / 8 + 1)) return false;
        th_bits_fill(b->validity->data, b->len);
    }
    if (!reserve(b, &b->validity, (b->len + 7) / 8, b->len / 8 + 1)) return false;
    if (valid) th_bit_set(b->validity->data, b->len);
    return true;
}

static bool put_fixed(th_column_builder *b, const void *value, size_t width) {
    if (!reserve(b, &b->values, b->values_len, b->values_len + width)) return false;
    memcpy(b->values->data + b->values_len, value, width);
    b->values_len += width;
    return true;
}

static bool put_bit(th_column_builder *b, bool value) {
    if (!reserve(b, &b->values, (b->len + 7) / 8, b->len / 8 + 1)) return false;
    if (value) th_bit_set(b->values->data, b->len);
    return true;
}

static bool put_bytes(th_column_builder *b, th_view text) {
    if (text.len > TH_TEXT_MAX - b->values_len) {
        b->status = TH_E_LIMIT;
        return false;
    }
    size_t offsets_used = b->offsets ? (b->len + 1) * sizeof(int32_t) : 0; /* a fresh buffer begins with a zero */
    if (!reserve(b, &b->offsets, offsets_used, (b->len + 2) * sizeof(int32_t))) return false;
    if (!reserve(b, &b->values, b->values_len, b->values_len + text.len)) return false;
    if (text.len) memcpy(b->values->data + b->values_len, text.data, text.len);
    b->values_len += text.len;
    ((int32_t *)(void *)b->offsets->data)[b->len + 1] = (int32_t)b->values_len;
    return true;
}

void th_column_put_null(th_column_builder *b) {
    static const uint64_t zero = 0;
    if (b->status != TH_OK || !put_validity(b, false)) return;
    bool done = true;
    if (b->type == TH_COLUMN_STRING)
        done = put_bytes(b, (th_view){"", 0});
    else if (b->type == TH_COLUMN_BOOL)
        done = put_bit(b, false);
    else if (b->type != TH_COLUMN_NULL)
        done = put_fixed(b, &zero, th_column_width(b->type));
    if (!done) return;
    b->len++;
    b->null_count++;
}

void th_column_put_i64(th_column_builder *b, int64_t x) {
    if (b->status != TH_OK || !put_validity(b, true)) return;
    bool done = false;
    switch (b->type) {
    case TH_COLUMN_BOOL: done = put_bit(b, x != 0); break;
    case TH_COLUMN_I8: done = put_fixed(b, &(int8_t){(int8_t)x}, 1); break;
    case TH_COLUMN_I16: done = put_fixed(b, &(int16_t){(int16_t)x}, 2); break;
    case TH_COLUMN_I32:
    case TH_COLUMN_DATE: done = put_fixed(b, &(int32_t){(int32_t)x}, 4); break;
    case TH_COLUMN_I64:
    case TH_COLUMN_TIMESTAMP: done = put_fixed(b, &x, 8); break;
    default: assert(!"an integer was put into a column of another kind"); b->status = TH_E_TYPE;
    }
    if (done) b->len++;
}

void th_column_put_f64(th_column_builder *b, double x) {
    if (b->status != TH_OK || !put_validity(b, true)) return;
    bool done = false;
    if (b->type == TH_COLUMN_F64)
        done = put_fixed(b, &x, 8);
    else if (b->type == TH_COLUMN_F32)
        done = put_fixed(b, &(float){(float)x}, 4);
    else
        b->status = TH_E_TYPE;
    assert(b->status != TH_E_TYPE);
    if (done) b->len++;
}

void th_column_put_text(th_column_builder *b, th_view text) {
    assert(b->type == TH_COLUMN_STRING);
    if (b->status != TH_OK || !put_validity(b, true)) return;
    if (put_bytes(b, text)) b->len++;
}

void th_column_put_from(th_column_builder *b, const th_column *from, size_t i) {
    assert(b->type == from->type);
    if (!th_column_valid(from, i)) {
        th_column_put_null(b);
        return;
    }
    switch (b->type) {
    case TH_COLUMN_NULL: th_column_put_null(b); break;
    case TH_COLUMN_STRING: th_column_put_text(b, th_column_text(from, i)); break;
    case TH_COLUMN_BOOL: th_column_put_i64(b, th_column_bool(from, i)); break;
    default: {
        size_t width = th_column_width(b->type);
        if (b->status != TH_OK || !put_validity(b, true)) return;
        if (put_fixed(b, from->values->data + (from->offset + i) * width, width)) b->len++;
    }
    }
}

/* Buffers exist even when there is nothing in them, so that readers of a column need not ask. */
static bool complete(th_column_builder *b) {
    if (b->status != TH_OK) return false;
    if (b->type == TH_COLUMN_NULL && !b->validity && !grow(b, &b->validity, 0, 1)) return false;
    if (b->type == TH_COLUMN_NULL) return true;
    if (!b->values && !grow(b, &b->values, 0, 1)) return false;
    return b->type != TH_COLUMN_STRING || b->offsets || grow(b, &b->offsets, 0, sizeof(int32_t));
}

th_status th_column_builder_finish(th_column_builder *b, th_column *out) {
    if (!complete(b)) {
        th_status status = b->status;
        th_column_builder_clear(b);
        return status;
    }
    if (b->validity) b->validity->len = (b->len + 7) / 8;
    if (b->values) b->values->len = b->type == TH_COLUMN_BOOL ? (b->len + 7) / 8 : b->values_len;
    if (b->offsets) b->offsets->len = (b->len + 1) * sizeof(int32_t);
    *out = (th_column){.type = b->type,
                       .len = b->len,
                       .null_count = (int64_t)b->null_count,
                       .validity = b->validity,
                       .values = b->values,
                       .offsets = b->offsets};
    th_column_builder_init(b, b->mem, b->type);
    return TH_OK;
}
