/*
** ipc_write.c - writes Arrow IPC, the file format and the stream format.
** Slices are written as what they are, from their first row on; buffers are padded to 64 bytes. Nothing is buffered but
** the places of batches for the footer and, where bits or offsets must be moved, a few kilobytes.
** Source: the Arrow columnar format specification, "Serialization and interprocess communication".
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include "arrow_flat.h"
#include "flat/flat.h"
#include "table/table_int.h"

#define BUFFER_ALIGN 64u
#define PIECE        4096u /* items that are moved at a time */

struct th_ipc_writer {
    th_mem *mem;
    th_schema *schema; /* shared */
    th_sink sink;
    bool file_format, failed, finished;
    int64_t at; /* bytes written */
    arrow_Block *blocks;
    size_t nblocks, blocks_capacity;
    arrow_Buffer *buffers; /* of one batch */
    arrow_FieldNode *nodes;
};

static th_status no_memory(th_error *err) { return th_fail(err, TH_E_NOMEM, "not enough memory to write Arrow data"); }

/* ---- Bytes -------------------------------------------------------------------------------------------------- */

static th_status put(th_ipc_writer *w, const void *bytes, size_t len, th_error *err) {
    if (len == 0) return TH_OK;
    TH_TRY(w->sink.write(&w->sink, bytes, len, err));
    w->at += (int64_t)len;
    return TH_OK;
}

static th_status pad(th_ipc_writer *w, size_t len, size_t to, th_error *err) {
    static const uint8_t zeros[BUFFER_ALIGN];
    return put(w, zeros, TH_ALIGN(len, to) - len, err);
}

static th_status put_u32(th_ipc_writer *w, uint32_t x, th_error *err) { return put(w, &x, 4, err); }

/* A message's metadata, after the mark and its length, padded so that the body is aligned. Frees the bytes. */
static th_status put_metadata(th_ipc_writer *w, uint8_t *bytes, size_t len, int32_t *written, th_error *err) {
    size_t padded = TH_ALIGN(8 + len, 8) - 8;
    th_status status = put_u32(w, UINT32_MAX, err);
    if (status == TH_OK) status = put_u32(w, (uint32_t)padded, err);
    if (status == TH_OK) status = put(w, bytes, len, err);
    if (status == TH_OK) status = pad(w, 8 + len, 8, err);
    th_mem_free(w->mem, bytes, len);
    *written = (int32_t)(8 + padded);
    return status;
}

/* ---- The schema --------------------------------------------------------------------------------------------- */

static th_flat_ref put_type(th_flat_builder *b, th_column_type type, uint8_t *kind) {
    switch (type) {
    case TH_COLUMN_NULL: *kind = arrow_Type_Null; break;
    case TH_COLUMN_BOOL: *kind = arrow_Type_Bool; break;
    case TH_COLUMN_F32:
    case TH_COLUMN_F64: *kind = arrow_Type_FloatingPoint; break;
    case TH_COLUMN_STRING: *kind = arrow_Type_Utf8; break;
    case TH_COLUMN_DATE: *kind = arrow_Type_Date; break;
    case TH_COLUMN_TIMESTAMP: *kind = arrow_Type_Timestamp; break;
    default: *kind = arrow_Type_Int;
    }
    switch (*kind) {
    case arrow_Type_Int:
        arrow_Int_start_table(b);
        arrow_Int_add_bitWidth(b, (int32_t)(8 * th_column_width(type)));
        arrow_Int_add_is_signed(b, true);
        break;
    case arrow_Type_FloatingPoint:
        arrow_FloatingPoint_start_table(b);
        arrow_FloatingPoint_add_precision(b, type == TH_COLUMN_F32 ? arrow_Precision_SINGLE : arrow_Precision_DOUBLE);
        break;
    case arrow_Type_Date:
        arrow_Date_start_table(b);
        arrow_Date_add_unit(b, arrow_DateUnit_DAY);
        break;
    case arrow_Type_Timestamp:
        arrow_Timestamp_start_table(b);
        arrow_Timestamp_add_unit(b, arrow_TimeUnit_MICROSECOND);
        break;
    default: th_flat_start(b, 0);
    }
    return th_flat_end(b);
}

static th_flat_ref put_field(th_flat_builder *b, const th_field *field) {
    uint8_t kind;
    th_flat_ref name = th_flat_put_string(b, field->name, strlen(field->name));
    th_flat_ref type = put_type(b, field->type, &kind);
    th_flat_ref children = th_flat_put_refs(b, NULL, 0); /* some readers want the empty list */
    arrow_Field_start_table(b);
    arrow_Field_add_name(b, name);
    arrow_Field_add_nullable(b, field->nullable);
    arrow_Field_add_type_type(b, kind);
    arrow_Field_add_type(b, type);
    arrow_Field_add_children(b, children);
    return th_flat_end(b);
}

static th_flat_ref put_schema(th_ipc_writer *w, th_flat_builder *b) {
    size_t n = w->schema->nfields, bytes = n * sizeof(th_flat_ref) + 1;
    th_flat_ref *refs = th_mem_new(w->mem, bytes);
    if (!refs) {
        b->status = b->status == TH_OK ? TH_E_NOMEM : b->status;
        return 0;
    }
    for (size_t i = 0; i < n; i++) refs[i] = put_field(b, &w->schema->fields[i]);
    th_flat_ref fields = th_flat_put_refs(b, refs, n);
    th_mem_free(w->mem, refs, bytes);
    arrow_Schema_start_table(b);
    arrow_Schema_add_fields(b, fields);
    return th_flat_end(b);
}

/* Wraps a header as a message and writes its metadata. */
static th_status put_message(th_ipc_writer *w, th_flat_builder *b, uint8_t kind, th_flat_ref header, int64_t body_len,
                             int32_t *written, th_error *err) {
    arrow_Message_start_table(b);
    arrow_Message_add_version(b, arrow_MetadataVersion_V5);
    arrow_Message_add_header_type(b, kind);
    arrow_Message_add_header(b, header);
    arrow_Message_add_bodyLength(b, body_len);
    uint8_t *bytes;
    size_t len;
    th_status status = th_flat_finish(b, th_flat_end(b), NULL, &bytes, &len);
    if (status != TH_OK) return th_fail(err, status, "cannot write Arrow metadata: %s", th_status_text(status));
    return put_metadata(w, bytes, len, written, err);
}

static th_status put_schema_message(th_ipc_writer *w, th_error *err) {
    th_flat_builder b;
    th_flat_builder_init(&b, w->mem);
    int32_t written;
    th_status status = put_message(w, &b, arrow_MessageHeader_Schema, put_schema(w, &b), 0, &written, err);
    th_flat_builder_clear(&b);
    return status;
}

/* ---- Batches ------------------------------------------------------------------------------------------------ */

static bool has_validity(const th_column *c) {
    return c->type != TH_COLUMN_NULL && c->validity && c->null_count > 0 && c->len > 0;
}

static int32_t offset_at(const th_column *c, size_t i) {
    return ((const int32_t *)(const void *)c->offsets->data)[c->offset + i];
}

static size_t values_bytes(const th_column *c) {
    if (c->type == TH_COLUMN_BOOL) return (c->len + 7) / 8;
    if (c->type == TH_COLUMN_STRING) return c->len ? (size_t)(offset_at(c, c->len) - offset_at(c, 0)) : 0;
    return c->len * th_column_width(c->type);
}

static void place_buffer(th_ipc_writer *w, size_t *n, int64_t *at, size_t bytes) {
    w->buffers[(*n)++] = (arrow_Buffer){*at, (int64_t)bytes};
    *at += (int64_t)TH_ALIGN(bytes, BUFFER_ALIGN);
}

/* Lays the body out; returns the number of buffers. */
static size_t place_buffers(th_ipc_writer *w, const th_batch *batch, int64_t *body_len) {
    size_t n = 0;
    *body_len = 0;
    for (size_t i = 0; i < batch->schema->nfields; i++) {
        const th_column *c = &batch->columns[i];
        w->nodes[i] = (arrow_FieldNode){(int64_t)c->len, c->null_count};
        if (c->type == TH_COLUMN_NULL) continue;
        place_buffer(w, &n, body_len, has_validity(c) ? (c->len + 7) / 8 : 0);
        if (c->type == TH_COLUMN_STRING) place_buffer(w, &n, body_len, (c->len + 1) * sizeof(int32_t));
        place_buffer(w, &n, body_len, values_bytes(c));
    }
    return n;
}

static th_status put_bits(th_ipc_writer *w, const uint8_t *bits, size_t offset, size_t len, th_error *err) {
    uint8_t piece[PIECE / 8];
    for (size_t at = 0; at < len; at += PIECE) {
        size_t n = len - at < PIECE ? len - at : PIECE;
        memset(piece, 0, sizeof piece);
        for (size_t i = 0; i < n; i++)
            if (th_bit_get(bits, offset + at + i)) th_bit_set(piece, i);
        TH_TRY(put(w, piece, (n + 7) / 8, err));
    }
    return pad(w, (len + 7) / 8, BUFFER_ALIGN, err);
}

/* Offsets from 0, whatever the column's begin with. */
static th_status put_offsets(th_ipc_writer *w, const th_column *c, th_error *err) {
    int32_t piece[PIECE], first = c->len ? offset_at(c, 0) : 0;
    for (size_t at = 0; at <= c->len; at += PIECE) {
        size_t n = c->len + 1 - at < PIECE ? c->len + 1 - at : PIECE;
        for (size_t i = 0; i < n; i++) piece[i] = c->len ? offset_at(c, at + i) - first : 0;
        TH_TRY(put(w, piece, n * sizeof *piece, err));
    }
    return pad(w, (c->len + 1) * sizeof(int32_t), BUFFER_ALIGN, err);
}

static th_status put_column(th_ipc_writer *w, const th_column *c, th_error *err) {
    if (c->type == TH_COLUMN_NULL) return TH_OK;
    if (has_validity(c)) TH_TRY(put_bits(w, c->validity->data, c->offset, c->len, err));
    if (c->type == TH_COLUMN_BOOL) return put_bits(w, c->values->data, c->offset, c->len, err);
    size_t bytes = values_bytes(c), from = c->offset * th_column_width(c->type);
    if (c->type == TH_COLUMN_STRING) {
        TH_TRY(put_offsets(w, c, err));
        from = c->len ? (size_t)offset_at(c, 0) : 0;
    }
    TH_TRY(put(w, c->values->data + from, bytes, err));
    return pad(w, bytes, BUFFER_ALIGN, err);
}

static th_status put_batch_message(th_ipc_writer *w, const th_batch *batch, size_t nbuffers, arrow_Block *block,
                                   th_error *err) {
    th_flat_builder b;
    th_flat_builder_init(&b, w->mem);
    th_flat_ref nodes = arrow_RecordBatch_put_nodes(&b, w->nodes, batch->schema->nfields);
    th_flat_ref buffers = arrow_RecordBatch_put_buffers(&b, w->buffers, nbuffers);
    arrow_RecordBatch_start_table(&b);
    arrow_RecordBatch_add_length(&b, (int64_t)batch->nrows);
    arrow_RecordBatch_add_nodes(&b, nodes);
    arrow_RecordBatch_add_buffers(&b, buffers);
    th_status status = put_message(w, &b, arrow_MessageHeader_RecordBatch, th_flat_end(&b), block->bodyLength,
                                   &block->metaDataLength, err);
    th_flat_builder_clear(&b);
    return status;
}

static th_status write_batch(th_ipc_writer *w, const th_batch *batch, th_error *err) {
    if (w->nblocks == w->blocks_capacity && w->file_format) {
        th_status status =
            th_mem_grow(w->mem, (void **)&w->blocks, &w->blocks_capacity, w->nblocks + 1, sizeof *w->blocks);
        if (status != TH_OK) return no_memory(err);
    }
    arrow_Block block = {.offset = w->at};
    size_t nbuffers = place_buffers(w, batch, &block.bodyLength);
    TH_TRY(put_batch_message(w, batch, nbuffers, &block, err));
    for (size_t i = 0; i < batch->schema->nfields; i++) TH_TRY(put_column(w, &batch->columns[i], err));
    if (w->file_format) w->blocks[w->nblocks++] = block;
    return TH_OK;
}

/* ---- Footer ------------------------------------------------------------------------------------------------- */

static th_status put_footer(th_ipc_writer *w, th_error *err) {
    th_flat_builder b;
    th_flat_builder_init(&b, w->mem);
    th_flat_ref schema = put_schema(w, &b);
    th_flat_ref dictionaries = arrow_Footer_put_dictionaries(&b, NULL, 0);
    th_flat_ref batches = arrow_Footer_put_recordBatches(&b, w->blocks, w->nblocks);
    arrow_Footer_start_table(&b);
    arrow_Footer_add_version(&b, arrow_MetadataVersion_V5);
    arrow_Footer_add_schema(&b, schema);
    arrow_Footer_add_dictionaries(&b, dictionaries);
    arrow_Footer_add_recordBatches(&b, batches);
    uint8_t *bytes;
    size_t len;
    th_status status = th_flat_finish(&b, th_flat_end(&b), NULL, &bytes, &len);
    if (status != TH_OK) return th_fail(err, status, "cannot write an Arrow footer: %s", th_status_text(status));
    status = put(w, bytes, len, err);
    th_mem_free(w->mem, bytes, len);
    TH_TRY(status);
    TH_TRY(put_u32(w, (uint32_t)len, err));
    return put(w, "ARROW1", 6, err);
}

/* ---- Entry points ------------------------------------------------------------------------------------------- */

static th_status begin(th_ipc_writer *w, th_error *err) {
    if (w->file_format) TH_TRY(put(w, "ARROW1\0", 8, err));
    return put_schema_message(w, err);
}

static th_status writer_new(th_mem *mem, const th_schema *schema, bool file_format, th_sink sink, th_ipc_writer **out,
                            th_error *err) {
    th_ipc_writer *w = th_mem_zeroed(mem, sizeof *w);
    if (!w) return no_memory(err);
    w->mem = mem;
    w->schema = th_schema_retain((th_schema *)(uintptr_t)schema);
    w->sink = sink;
    w->file_format = file_format;
    w->buffers = th_mem_zeroed(mem, schema->nfields * 3 * sizeof *w->buffers + 1);
    w->nodes = th_mem_zeroed(mem, schema->nfields * sizeof *w->nodes + 1);
    *out = w;
    if (w->buffers && w->nodes) return TH_OK;
    th_ipc_writer_free(w);
    return no_memory(err);
}

th_status th_ipc_writer_new(th_mem *mem, const th_schema *schema, bool file_format, th_sink sink, th_ipc_writer **out,
                            th_error *err) {
    th_ipc_writer *w;
    TH_TRY(writer_new(mem, schema, file_format, sink, &w, err));
    th_status status = begin(w, err);
    if (status != TH_OK)
        th_ipc_writer_free(w);
    else
        *out = w;
    return status;
}

static th_status broken(th_error *err) {
    return th_fail(err, TH_E_IO, "the Arrow writer failed before, or is finished");
}

th_status th_ipc_writer_batch(th_ipc_writer *w, const th_batch *batch, th_error *err) {
    if (w->failed || w->finished) return broken(err);
    if (!th_schema_equal(batch->schema, w->schema))
        return th_fail(err, TH_E_ARGUMENT, "a batch has another schema than the Arrow data it is written to");
    th_status status = write_batch(w, batch, err);
    w->failed = status != TH_OK;
    return status;
}

th_status th_ipc_writer_finish(th_ipc_writer *w, th_error *err) {
    if (w->failed || w->finished) return broken(err);
    w->failed = true;
    TH_TRY(put_u32(w, UINT32_MAX, err));
    TH_TRY(put_u32(w, 0, err));
    if (w->file_format) TH_TRY(put_footer(w, err));
    w->failed = false;
    w->finished = true;
    return TH_OK;
}

void th_ipc_writer_free(th_ipc_writer *w) {
    if (!w) return;
    size_t n = w->schema->nfields;
    th_mem_free(w->mem, w->blocks, w->blocks_capacity * sizeof *w->blocks);
    th_mem_free(w->mem, w->buffers, w->buffers ? n * 3 * sizeof *w->buffers + 1 : 0);
    th_mem_free(w->mem, w->nodes, w->nodes ? n * sizeof *w->nodes + 1 : 0);
    th_schema_release(w->schema);
    th_mem_free(w->mem, w, sizeof *w);
}

/* ---- Going on elsewhere ------------------------------------------------------------------------------------- */

_Static_assert(sizeof(arrow_Block) == 3 * sizeof(uint64_t), "a block is three words, its 32-bit part padded");

size_t th_ipc_writer_blocks(const th_ipc_writer *w, const uint64_t **words, int64_t *written) {
    *words = (const uint64_t *)(const void *)w->blocks;
    *written = w->at;
    return w->nblocks;
}

/* The blocks are those of the footer to come: numbers that are wrong make a file that readers refuse, no more. */
th_status th_ipc_writer_continue(th_mem *mem, const th_schema *schema, th_sink sink, const uint64_t *words, size_t n,
                                 int64_t written, th_ipc_writer **out, th_error *err) {
    th_ipc_writer *w;
    TH_TRY(writer_new(mem, schema, true, sink, &w, err));
    th_status status = th_mem_grow(mem, (void **)&w->blocks, &w->blocks_capacity, n, sizeof *w->blocks);
    if (status != TH_OK) {
        th_ipc_writer_free(w);
        return no_memory(err);
    }
    if (n) memcpy(w->blocks, words, n * sizeof *w->blocks);
    w->nblocks = n;
    w->at = written;
    *out = w;
    return TH_OK;
}
