/*
** ipc.c - reads Arrow IPC, the file format and the stream format.
** A file is mapped and its columns point into the map; standard input and pipes are read a message at a time. Metadata
** are verified FlatBuffers (src/flat); every offset and length in them is checked against the bytes that are there
** before it is used, and columns are checked again by arrow.c. A file must not be cut short by others while it is
** mapped. Compressed buffers are expanded into memory, a batch at a time. Not read: nested types, big-endian data.
** Source: the Arrow columnar format specification, "Serialization and interprocess communication".
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arrow_flat.h"
#include "flat/flat.h"
#include "table/table_int.h"

#define MAGIC        "ARROW1"
#define MAGIC_BYTES  6u
#define METADATA_MAX ((size_t)1 << 30)
#define FIRST_READ   ((size_t)1 << 20) /* a body of a pipe is not believed to be longer before it has come */

/* ---- Owners of bytes ---------------------------------------------------------------------------------------- */

typedef struct mapping {
    th_owner owner;
    void *bytes; /* NULL: borrowed, nothing to unmap */
    size_t len;
    th_buffer *copy; /* NULL: no copy */
} mapping;

static void free_mapping(th_owner *owner) {
    mapping *m = (mapping *)owner;
    if (m->bytes) munmap(m->bytes, m->len);
    th_buffer_release(m->copy);
    th_mem_free(owner->mem, m, sizeof *m);
}

typedef struct body {
    th_owner owner;
    th_buffer *buffer;
} body;

static void free_body(th_owner *owner) {
    body *b = (body *)owner;
    th_buffer_release(b->buffer);
    th_mem_free(owner->mem, b, sizeof *b);
}

/* ---- The reader --------------------------------------------------------------------------------------------- */

typedef struct dictionary {
    int64_t id;
    th_arrow_type type; /* of its values */
    const char *name;   /* of the first column that uses it */
    bool present, growing;
    th_column values;
    th_column_builder more; /* while growing: the values and what deltas added, until a batch wants them */
} dictionary;

/* One message; `root` and `body` live as long as the reader's metadata buffer and `owner`. */
typedef struct message {
    th_flat_table root;
    const uint8_t *body;
    size_t body_len;
    th_owner *owner; /* one reference, the receiver's */
    bool end;
} message;

typedef struct reader {
    th_stream stream;
    th_mem *mem;
    th_arena arena; /* name, types, dictionaries, the copy of a misaligned footer */
    const char *name;

    const uint8_t *bytes; /* NULL: from fd */
    size_t len, at;
    mapping *map;
    int fd;
    bool close_fd;
    th_file_mark mark;
    uint64_t nbatches;   /* begun */
    th_buffer *metadata; /* of the last message, when it could not be used in place */

    bool is_file;
    const arrow_Block *blocks, *dictionary_blocks; /* file format */
    uint32_t nblocks, ndictionary_blocks, next_block;

    th_arrow_type *types;
    uint32_t *dictionary_of; /* by column; UINT32_MAX: none */
    size_t ncolumns;
    dictionary *dictionaries;
    size_t ndictionaries;

    th_raw_batch raw;
    th_owner *current; /* keeps raw's memory; NULL: fetch the next message */
    const uint8_t **variadic;
    int64_t *variadic_sizes;
    size_t variadic_capacity, sizes_capacity;
    arrow_Buffer *expanded; /* places of the buffers of a batch whose body was compressed */
    size_t expanded_capacity;
    th_status failed;
    bool done;
} reader;

static th_status no_memory(th_error *err) { return th_fail(err, TH_E_NOMEM, "not enough memory to read Arrow data"); }

static th_status malformed(const reader *r, const char *what, th_error *err) {
    return th_fail(err, TH_E_FORMAT, "'%s' is not sound Arrow data: %s", r->name, what);
}

/* ---- Bytes -------------------------------------------------------------------------------------------------- */

static th_status read_fully(reader *r, uint8_t *out, size_t want, size_t *got, th_error *err) {
    *got = 0;
    while (*got < want) {
        ssize_t n = read(r->fd, out + *got, want - *got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return th_fail(err, TH_E_IO, "cannot read '%s': %s", r->name, strerror(errno));
        if (n == 0) break;
        *got += (size_t)n;
    }
    return TH_OK;
}

/* `want` bytes of the input into a new buffer, which grows as they come: a length is a claim until then. */
static th_status read_buffer(reader *r, size_t want, th_buffer **out, th_error *err) {
    size_t capacity = want < FIRST_READ ? want : FIRST_READ, len = 0;
    th_buffer *buffer;
    if (th_buffer_new(r->mem, capacity, &buffer) != TH_OK) return no_memory(err);
    for (;;) {
        size_t got;
        th_status status = read_fully(r, buffer->data + len, capacity - len, &got, err);
        if (status == TH_OK && got < capacity - len) status = malformed(r, "it ends within a message", err);
        len = capacity;
        if (status == TH_OK && len == want) break;
        th_buffer *bigger;
        capacity = want - len < len ? want : 2 * len;
        if (status == TH_OK && th_buffer_new(r->mem, capacity, &bigger) != TH_OK) status = no_memory(err);
        if (status == TH_OK) memcpy(bigger->data, buffer->data, len);
        th_buffer_release(buffer);
        if (status != TH_OK) return status;
        buffer = bigger;
    }
    *out = buffer;
    return TH_OK;
}

/* ---- Messages ----------------------------------------------------------------------------------------------- */

/* Sets r->metadata's bytes as the message's root. */
static th_status verify_message(reader *r, const uint8_t *bytes, size_t len, message *m, th_error *err) {
    th_error detail = {.code = TH_OK};
    th_status status = th_flat_verify(bytes, len, &theta_arrow_schema, NULL, &detail);
    if (status != TH_OK)
        return th_fail(err, status, "'%s' is not sound Arrow data: in a message's metadata: %.700s", r->name,
                       detail.message);
    m->root = th_flat_root(bytes);
    int16_t version = arrow_Message_version(m->root);
    if (version != arrow_MetadataVersion_V4 && version != arrow_MetadataVersion_V5)
        return th_fail(err, TH_E_VERSION, "'%s' has Arrow metadata of version V%d; V4 and V5 are supported", r->name,
                       version + 1);
    if (arrow_Message_bodyLength(m->root) < 0) return malformed(r, "a message's body has a negative length", err);
    return TH_OK;
}

static th_status copy_metadata(reader *r, const uint8_t *bytes, size_t len, const uint8_t **out) {
    th_buffer_release(r->metadata);
    r->metadata = NULL;
    TH_TRY(th_buffer_new(r->mem, len, &r->metadata));
    memcpy(r->metadata->data, bytes, len);
    *out = r->metadata->data;
    return TH_OK;
}

/* The message that begins at `at` in memory and ends, body and all, at or before `limit`. *next: one past it. */
static th_status message_in_memory(reader *r, size_t at, size_t limit, message *m, size_t *next, th_error *err) {
    if (limit - at < 4) {
        m->end = true; /* a stream may end without its mark */
        return limit == at ? TH_OK : malformed(r, "it ends within a message", err);
    }
    uint32_t len = th_flat_load_u32(r->bytes + at);
    at += 4;
    if (len == UINT32_MAX) {
        if (limit - at < 4) return malformed(r, "it ends within a message", err);
        len = th_flat_load_u32(r->bytes + at);
        at += 4;
    }
    if (len == 0) {
        m->end = true;
        return TH_OK;
    }
    if (len > METADATA_MAX || len > limit - at) return malformed(r, "it ends within a message", err);
    const uint8_t *metadata = r->bytes + at;
    if (((uintptr_t)metadata & 7) && copy_metadata(r, metadata, len, &metadata) != TH_OK) return no_memory(err);
    TH_TRY(verify_message(r, metadata, len, m, err));
    at += len;
    uint64_t body_len = (uint64_t)arrow_Message_bodyLength(m->root);
    if (body_len > limit - at) return malformed(r, "it ends within a message's body", err);
    m->body = r->bytes + at;
    m->body_len = (size_t)body_len;
    m->owner = &r->map->owner;
    th_owner_retain(m->owner);
    *next = at + m->body_len;
    return TH_OK;
}

/* An owner whose buffer is still to come. NULL: no memory. */
static body *new_body(th_mem *mem) {
    body *b = th_mem_zeroed(mem, sizeof *b);
    if (!b) return NULL;
    atomic_init(&b->owner.refs, 1);
    b->owner.mem = mem;
    b->owner.free = free_body;
    return b;
}

static th_status read_body(reader *r, message *m, th_error *err) {
    int64_t len = arrow_Message_bodyLength(m->root);
    body *b = new_body(r->mem);
    if (!b) return no_memory(err);
    th_status status = read_buffer(r, (size_t)len, &b->buffer, err);
    if (status != TH_OK) {
        th_owner_release(&b->owner);
        return status;
    }
    m->body = b->buffer->data;
    m->body_len = (size_t)len;
    m->owner = &b->owner;
    return TH_OK;
}

static th_status message_from_fd(reader *r, message *m, th_error *err) {
    uint8_t head[4];
    size_t got;
    uint32_t len = 0;
    for (int i = 0; i < 2; i++) { /* the mark that goes on, then the length; old streams have the length alone */
        TH_TRY(read_fully(r, head, 4, &got, err));
        if (got == 0 && i == 0) break;
        if (got < 4) return malformed(r, "it ends within a message", err);
        len = th_flat_load_u32(head);
        if (len != UINT32_MAX) break;
    }
    if (len == 0) {
        m->end = true;
        return TH_OK;
    }
    if (len > METADATA_MAX) return malformed(r, "a message's metadata have an impossible length", err);
    th_buffer_release(r->metadata);
    r->metadata = NULL;
    TH_TRY(read_buffer(r, len, &r->metadata, err));
    TH_TRY(verify_message(r, r->metadata->data, len, m, err));
    return read_body(r, m, err);
}

static th_status next_message(reader *r, message *m, th_error *err) {
    *m = (message){0};
    return r->bytes ? message_in_memory(r, r->at, r->len, m, &r->at, err) : message_from_fd(r, m, err);
}

/* The message of a file's block. */
static th_status block_message(reader *r, const arrow_Block *block, message *m, th_error *err) {
    *m = (message){0};
    size_t next;
    if (block->offset < 0 || block->metaDataLength <= 0 || block->bodyLength < 0 || (uint64_t)block->offset > r->len)
        return malformed(r, "a block of its footer lies outside the file", err);
    TH_TRY(message_in_memory(r, (size_t)block->offset, r->len, m, &next, err));
    return m->end ? malformed(r, "a block of its footer holds no message", err) : TH_OK;
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

static const char *integer_format(int32_t width, bool is_signed) {
    switch (width) {
    case 8: return is_signed ? "c" : "C";
    case 16: return is_signed ? "s" : "S";
    case 32: return is_signed ? "i" : "I";
    case 64: return is_signed ? "l" : "L";
    default: return "an integer of unusual width";
    }
}

static const char *timestamp_format(th_flat_table type) {
    static const char *const formats[] = {"tss:", "tsm:", "tsu:", "tsn:"};
    int16_t unit = arrow_Timestamp_unit(type);
    return unit >= 0 && unit < 4 ? formats[unit] : "timestamp of unknown unit";
}

/* The format string that the C data interface has for a type. */
static const char *format_of(uint8_t kind, th_flat_table type) {
    switch (kind) {
    case arrow_Type_Null: return "n";
    case arrow_Type_Int: return integer_format(arrow_Int_bitWidth(type), arrow_Int_is_signed(type));
    case arrow_Type_FloatingPoint: {
        int16_t precision = arrow_FloatingPoint_precision(type);
        return precision == arrow_Precision_HALF ? "e" : precision == arrow_Precision_SINGLE ? "f" : "g";
    }
    case arrow_Type_Binary: return "z";
    case arrow_Type_Utf8: return "u";
    case arrow_Type_Bool: return "b";
    case arrow_Type_Decimal: return "d:";
    case arrow_Type_Date: return arrow_Date_unit(type) == arrow_DateUnit_DAY ? "tdD" : "tdm";
    case arrow_Type_Time: return "time";
    case arrow_Type_Timestamp: return timestamp_format(type);
    case arrow_Type_Interval: return "interval";
    case arrow_Type_List: return "+l";
    case arrow_Type_Struct_: return "+s";
    case arrow_Type_Union: return "+u";
    case arrow_Type_FixedSizeBinary: return "w:";
    case arrow_Type_FixedSizeList: return "+w:";
    case arrow_Type_Map: return "+m";
    case arrow_Type_Duration: return "duration";
    case arrow_Type_LargeBinary: return "Z";
    case arrow_Type_LargeUtf8: return "U";
    case arrow_Type_LargeList: return "+L";
    case arrow_Type_RunEndEncoded: return "+r";
    case arrow_Type_BinaryView: return "vz";
    case arrow_Type_Utf8View: return "vu";
    case arrow_Type_ListView: return "+vl";
    case arrow_Type_LargeListView: return "+vL";
    default: return "of an unknown kind";
    }
}

static bool same_type(const th_arrow_type *a, const th_arrow_type *b) {
    return a->type == b->type && a->layout == b->layout && a->width == b->width && a->is_unsigned == b->is_unsigned &&
           a->multiply == b->multiply && a->divide == b->divide;
}

static th_status field_dictionary(reader *r, th_flat_table encoding, th_arrow_type *type, const char *name,
                                  uint32_t *dictionary_of, th_error *err) {
    th_flat_table index = arrow_DictionaryEncoding_indexType(encoding);
    int32_t width = th_flat_present(index) ? arrow_Int_bitWidth(index) : 32;
    if (width != 8 && width != 16 && width != 32 && width != 64)
        return malformed(r, "dictionary indices have an unusual width", err);
    int64_t id = arrow_DictionaryEncoding_id(encoding);
    size_t at = 0;
    while (at < r->ndictionaries && r->dictionaries[at].id != id) at++;
    if (at == r->ndictionaries)
        r->dictionaries[r->ndictionaries++] = (dictionary){.id = id, .type = *type, .name = name};
    else if (!same_type(&r->dictionaries[at].type, type))
        return malformed(r, "columns of different types share a dictionary", err);
    type->dictionary = true;
    type->index_width = (uint8_t)(width / 8);
    type->index_unsigned = th_flat_present(index) && !arrow_Int_is_signed(index);
    *dictionary_of = (uint32_t)at;
    return TH_OK;
}

static th_status take_field(reader *r, th_flat_table in, size_t i, th_field *out, th_error *err) {
    const th_str *text = arrow_Field_name(in);
    const char *name = text ? text->bytes : "";
    if (text && strlen(name) != text->len) return malformed(r, "a column's name holds a NUL byte", err);
    const char *format = format_of(arrow_Field_type_type(in), arrow_Field_type(in));
    if (!th_arrow_type_of_format(format, &r->types[i])) return th_arrow_unsupported(name, format, "", err);
    *out = (th_field){name, r->types[i].type, arrow_Field_nullable(in) || r->types[i].type == TH_COLUMN_NULL};
    r->dictionary_of[i] = UINT32_MAX;
    th_flat_table encoding = arrow_Field_dictionary(in);
    if (!th_flat_present(encoding)) return TH_OK;
    name = th_arena_text(&r->arena, name, strlen(name));
    if (!name) return no_memory(err);
    return field_dictionary(r, encoding, &r->types[i], name, &r->dictionary_of[i], err);
}

static th_status take_schema(reader *r, th_flat_table in, th_error *err) {
    if (!th_flat_present(in)) return malformed(r, "it has no schema", err);
    if (arrow_Schema_endianness(in) != arrow_Endianness_Little)
        return th_fail(err, TH_E_UNSUPPORTED, "'%s' holds big-endian Arrow data, which are not supported", r->name);
    size_t n = arrow_Schema_fields_len(in);
    r->ncolumns = r->raw.ncolumns = n;
    r->types = th_arena_zeroed(&r->arena, n * sizeof *r->types + 1);
    r->dictionary_of = th_arena_zeroed(&r->arena, n * sizeof *r->dictionary_of + 1);
    r->dictionaries = th_arena_zeroed(&r->arena, n * sizeof *r->dictionaries + 1);
    r->raw.columns = th_arena_zeroed(&r->arena, n * sizeof *r->raw.columns + 1);
    th_field *fields = th_arena_zeroed(&r->arena, n * sizeof *fields + 1);
    if (!r->types || !r->dictionary_of || !r->dictionaries || !r->raw.columns || !fields) return no_memory(err);
    for (size_t i = 0; i < n; i++) TH_TRY(take_field(r, arrow_Schema_fields_at(in, (uint32_t)i), i, &fields[i], err));
    return th_schema_new(r->mem, fields, n, &r->stream.schema) == TH_OK ? TH_OK : no_memory(err);
}

/* ---- Batches ------------------------------------------------------------------------------------------------ */

/* Walks the buffers of a record batch in order. */
typedef struct buffers {
    reader *r;
    const message *m;
    const arrow_Buffer *items;
    size_t len, at;
    const int64_t *counts; /* of variadic buffers */
    size_t ncounts, next_count, nvariadic;
} buffers;

static th_status buffer_bytes(const reader *r, const message *m, const arrow_Buffer *buffer, const uint8_t **data,
                              size_t *size, th_error *err) {
    if (buffer->offset < 0 || buffer->length < 0 || (uint64_t)buffer->offset > m->body_len ||
        (uint64_t)buffer->length > m->body_len - (uint64_t)buffer->offset)
        return malformed(r, "a buffer lies outside its message", err);
    *data = buffer->length ? m->body + buffer->offset : NULL;
    *size = (size_t)buffer->length;
    return TH_OK;
}

static th_status next_buffer(buffers *b, const uint8_t **data, size_t *size, th_error *err) {
    if (b->at == b->len) return malformed(b->r, "a batch has too few buffers", err);
    return buffer_bytes(b->r, b->m, &b->items[b->at++], data, size, err);
}

static th_status variadic_buffers(buffers *b, th_raw_column *raw, th_error *err) {
    reader *r = b->r;
    if (b->next_count == b->ncounts) return malformed(r, "a batch has too few counts of text buffers", err);
    int64_t n = b->counts[b->next_count++];
    if (n < 0 || (uint64_t)n > b->len - b->at) return malformed(r, "a batch has too few buffers", err);
    raw->variadic = r->variadic + b->nvariadic;
    raw->variadic_sizes = r->variadic_sizes + b->nvariadic;
    raw->nvariadic = (size_t)n;
    for (int64_t i = 0; i < n; i++, b->nvariadic++) {
        size_t size;
        TH_TRY(next_buffer(b, &r->variadic[b->nvariadic], &size, err));
        r->variadic_sizes[b->nvariadic] = (int64_t)size;
    }
    return TH_OK;
}

static th_status take_column(buffers *b, const arrow_FieldNode *node, const char *name, const th_arrow_type *type,
                             th_raw_column *raw, th_error *err) {
    *raw = (th_raw_column){.name = name, .type = *type, .len = (size_t)node->length};
    th_layout layout = type->dictionary ? TH_LAYOUT_FIXED : type->layout;
    if (layout == TH_LAYOUT_NULL) return TH_OK;
    TH_TRY(next_buffer(b, &raw->validity, &raw->validity_size, err));
    if (!raw->validity && node->null_count > 0)
        return malformed(b->r, "a column with nulls has no validity bitmap", err);
    if (layout == TH_LAYOUT_TEXT || layout == TH_LAYOUT_LARGE_TEXT)
        TH_TRY(next_buffer(b, &raw->offsets, &raw->offsets_size, err));
    TH_TRY(next_buffer(b, &raw->values, &raw->values_size, err));
    return layout == TH_LAYOUT_VIEWS ? variadic_buffers(b, raw, err) : TH_OK;
}

/* ---- Compressed bodies -------------------------------------------------------------------------------------- */

/* A compressed buffer begins with the length that its bytes stand for; -1: they are as they are. */
#define PREFIX_BYTES 8

static th_status codec_of(const reader *r, th_flat_table compression, th_codec *codec, th_error *err) {
    *codec = (th_codec)arrow_BodyCompression_codec(compression);
    if (!th_codec_text(*codec) || arrow_BodyCompression_method(compression) != arrow_BodyCompressionMethod_BUFFER)
        return th_fail(err, TH_E_UNSUPPORTED, "'%s' is compressed in an unknown way", r->name);
    if (th_codec_here(*codec)) return TH_OK;
    return th_fail(
        err, TH_E_UNSUPPORTED,
        "'%s' is compressed with %s, which this build of theta cannot read; write it uncompressed (in pyarrow: "
        "compression 'uncompressed')",
        r->name, th_codec_text(*codec));
}

/* One buffer of a message; *len: what it stands for; *plain: the bytes behind the length stand for themselves. */
static th_status compressed_buffer(const reader *r, const message *m, const arrow_Buffer *buffer, th_codec codec,
                                   th_view *bytes, size_t *len, bool *plain, th_error *err) {
    const uint8_t *data = NULL;
    size_t size = 0;
    TH_TRY(buffer_bytes(r, m, buffer, &data, &size, err));
    *bytes = (th_view){NULL, 0};
    *len = 0;
    *plain = true;
    if (size == 0) return TH_OK;
    if (size < PREFIX_BYTES) return malformed(r, "a compressed buffer is cut short", err);
    int64_t claim = th_flat_load_i64(data);
    *bytes = (th_view){(const char *)data + PREFIX_BYTES, size - PREFIX_BYTES};
    *plain = claim == -1 || claim == 0;
    *len = claim == -1 ? bytes->len : (size_t)claim;
    if (claim < -1 || (!*plain && *len > th_codec_most(codec, bytes->len)))
        return malformed(r, "a compressed buffer has an impossible length", err);
    return TH_OK;
}

/* Lays the expanded buffers out in r->expanded; *total: how long they are together. */
static th_status place_expanded(reader *r, const message *m, const arrow_Buffer *items, size_t n, th_codec codec,
                                size_t *total, th_error *err) {
    if (n > r->expanded_capacity &&
        th_mem_grow(r->mem, (void **)&r->expanded, &r->expanded_capacity, n, sizeof *r->expanded) != TH_OK)
        return no_memory(err);
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        th_view bytes;
        size_t len;
        bool plain;
        TH_TRY(compressed_buffer(r, m, &items[i], codec, &bytes, &len, &plain, err));
        r->expanded[i] = (arrow_Buffer){(int64_t)*total, (int64_t)len};
        if (len > SIZE_MAX / 4 || *total > SIZE_MAX / 4) return no_memory(err);
        *total += TH_ALIGN(len, 64);
    }
    return TH_OK;
}

static th_status fill_expanded(reader *r, const message *m, const arrow_Buffer *items, size_t n, th_codec codec,
                               uint8_t *out, th_error *err) {
    for (size_t i = 0; i < n; i++) {
        th_view bytes;
        size_t len;
        bool plain;
        TH_TRY(compressed_buffer(r, m, &items[i], codec, &bytes, &len, &plain, err));
        if (len == 0) continue;
        uint8_t *to = out + r->expanded[i].offset;
        th_status status = TH_OK;
        if (plain)
            memcpy(to, bytes.data, len);
        else
            status = th_codec_expand(r->mem, codec, (const uint8_t *)bytes.data, bytes.len, to, len);
        if (status == TH_E_NOMEM) return no_memory(err);
        if (status != TH_OK) return malformed(r, "a compressed buffer is damaged", err);
    }
    return TH_OK;
}

/* Makes *m, whose body is compressed, a message with a body and an owner of its own; its buffers lie where r->expanded
** says. The caller releases the owner, whatever the outcome. */
static th_status expand_body(reader *r, message *m, const arrow_Buffer *items, size_t n, th_flat_table compression,
                             th_error *err) {
    const message in = *m;
    th_codec codec;
    size_t total = 0;
    m->owner = NULL;
    TH_TRY(codec_of(r, compression, &codec, err));
    TH_TRY(place_expanded(r, &in, items, n, codec, &total, err));
    body *b = new_body(r->mem);
    if (!b) return no_memory(err);
    m->owner = &b->owner;
    if (th_buffer_new(r->mem, total, &b->buffer) != TH_OK) return no_memory(err);
    m->body = b->buffer->data;
    m->body_len = total;
    return fill_expanded(r, &in, items, n, codec, b->buffer->data, err);
}

/* ---- Columns of a batch ------------------------------------------------------------------------------------- */

static th_status reserve_variadic(reader *r, size_t n) {
    if (n > r->variadic_capacity)
        TH_TRY(th_mem_grow(r->mem, (void **)&r->variadic, &r->variadic_capacity, n, sizeof *r->variadic));
    if (n > r->sizes_capacity)
        TH_TRY(th_mem_grow(r->mem, (void **)&r->variadic_sizes, &r->sizes_capacity, n, sizeof *r->variadic_sizes));
    return TH_OK;
}

/* The columns that `b` walks; `only_name` is of a dictionary's one column, NULL for a batch of the schema. */
static th_status take_columns(buffers *b, th_flat_table batch, const th_arrow_type *types, const char *only_name,
                              size_t n, th_raw_column *raw, th_error *err) {
    reader *r = b->r;
    int64_t length = arrow_RecordBatch_length(batch);
    const arrow_FieldNode *nodes = arrow_RecordBatch_nodes(batch);
    if (length < 0 || arrow_RecordBatch_nodes_len(batch) != n)
        return malformed(r, "a batch does not match the schema", err);
    if (reserve_variadic(r, b->len) != TH_OK) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        if (nodes[i].length != length || nodes[i].null_count < 0 || nodes[i].null_count > length)
            return malformed(r, "a column's length is not its batch's", err);
        const char *name = only_name ? only_name : r->stream.schema->fields[i].name;
        TH_TRY(take_column(b, &nodes[i], name, &types[i], &raw[i], err));
    }
    return b->at == b->len ? TH_OK : malformed(r, "a batch has too many buffers", err);
}

/* Likewise of a message. Expands what is compressed: *m has then another body and owner, and its old owner was released. */
static th_status take_batch(reader *r, message *m, th_flat_table batch, const th_arrow_type *types,
                            const char *only_name, size_t n, th_raw_column *raw, size_t *len, th_error *err) {
    buffers b = {.r = r,
                 .m = m,
                 .items = arrow_RecordBatch_buffers(batch),
                 .len = arrow_RecordBatch_buffers_len(batch),
                 .counts = arrow_RecordBatch_variadicBufferCounts(batch),
                 .ncounts = arrow_RecordBatch_variadicBufferCounts_len(batch)};
    th_flat_table compression = arrow_RecordBatch_compression(batch);
    if (th_flat_present(compression)) {
        th_owner *packed = m->owner;
        th_status status = expand_body(r, m, b.items, b.len, compression, err);
        th_owner_release(packed);
        TH_TRY(status);
        b.items = r->expanded;
    }
    TH_TRY(take_columns(&b, batch, types, only_name, n, raw, err));
    *len = (size_t)arrow_RecordBatch_length(batch);
    return TH_OK;
}

/* ---- Dictionaries ------------------------------------------------------------------------------------------- */

static void grow_dictionary(reader *r, dictionary *d, const th_column *values) {
    if (!d->growing) {
        th_column_builder_init(&d->more, r->mem, d->type.type);
        for (size_t i = 0; i < d->values.len; i++) th_column_put_from(&d->more, &d->values, i);
    }
    for (size_t i = 0; i < values->len; i++) th_column_put_from(&d->more, values, i);
    d->growing = true;
}

static void drop_dictionary(dictionary *d) {
    th_column_clear(&d->values);
    if (d->growing) th_column_builder_clear(&d->more);
    d->growing = false;
}

static th_status finish_dictionary(reader *r, dictionary *d, th_error *err) {
    if (!d->present) return malformed(r, "a batch comes before its dictionary", err);
    if (!d->growing) return TH_OK;
    th_column values;
    d->growing = false;
    th_status status = th_column_builder_finish(&d->more, &values);
    if (status != TH_OK) return th_fail(err, status, "cannot extend the dictionary of column '%s'", d->name);
    th_column_clear(&d->values);
    d->values = values;
    return TH_OK;
}

static th_status take_dictionary(reader *r, message *m, th_error *err) {
    th_flat_table in = arrow_Message_header(m->root), data = arrow_DictionaryBatch_data(in);
    int64_t id = arrow_DictionaryBatch_id(in);
    dictionary *d = NULL;
    for (size_t i = 0; i < r->ndictionaries; i++)
        if (r->dictionaries[i].id == id) d = &r->dictionaries[i];
    if (!d) return malformed(r, "it has a dictionary that no column uses", err);
    if (!th_flat_present(data)) return malformed(r, "a dictionary has no values", err);
    th_raw_column raw;
    th_column values;
    size_t len;
    TH_TRY(take_batch(r, m, data, &d->type, d->name, 1, &raw, &len, err));
    TH_TRY(th_raw_convert(r->mem, &raw, 0, len, m->owner, &values, err));
    if (arrow_DictionaryBatch_isDelta(in) && d->present) {
        grow_dictionary(r, d, &values);
        th_column_clear(&values);
        return TH_OK;
    }
    drop_dictionary(d);
    d->values = values;
    d->present = true;
    return TH_OK;
}

/* ---- The stream --------------------------------------------------------------------------------------------- */

static th_status use_batch(reader *r, message *m, th_error *err) {
    r->nbatches++;
    th_flat_table batch = arrow_Message_header(m->root);
    TH_TRY(take_batch(r, m, batch, r->types, NULL, r->ncolumns, r->raw.columns, &r->raw.len, err));
    for (size_t i = 0; i < r->ncolumns; i++) {
        if (!r->types[i].dictionary) continue;
        dictionary *d = &r->dictionaries[r->dictionary_of[i]];
        TH_TRY(finish_dictionary(r, d, err));
        r->raw.columns[i].dictionary = &d->values;
    }
    r->raw.at = 0;
    r->raw.owner = r->current = m->owner;
    th_owner_retain(m->owner);
    return TH_OK;
}

static th_status use_message(reader *r, message *m, th_error *err) {
    switch (arrow_Message_header_type(m->root)) {
    case arrow_MessageHeader_DictionaryBatch: return take_dictionary(r, m, err);
    case arrow_MessageHeader_RecordBatch: return use_batch(r, m, err);
    case arrow_MessageHeader_Schema: return malformed(r, "it has a second schema", err);
    default: return th_fail(err, TH_E_UNSUPPORTED, "'%s' holds a message that is no table", r->name);
    }
}

static th_status next_in_file(reader *r, message *m, th_error *err) {
    uint32_t at = r->next_block;
    if (at < r->ndictionary_blocks)
        TH_TRY(block_message(r, &r->dictionary_blocks[at], m, err));
    else if (at - r->ndictionary_blocks < r->nblocks)
        TH_TRY(block_message(r, &r->blocks[at - r->ndictionary_blocks], m, err));
    else
        m->end = true;
    r->next_block++;
    return TH_OK;
}

/* The next batch that has rows. */
static th_status fetch(reader *r, th_error *err) {
    while (!r->current && !r->done) {
        message m = {0};
        TH_TRY(r->is_file ? next_in_file(r, &m, err) : next_message(r, &m, err));
        r->done = m.end;
        th_status status = m.end ? TH_OK : use_message(r, &m, err);
        th_owner_release(m.owner);
        TH_TRY(status);
        if (r->current && r->raw.len == 0) {
            th_owner_release(r->current);
            r->current = NULL;
        }
    }
    return TH_OK;
}

static th_status next_batch(reader *r, th_batch **out, th_error *err) {
    TH_TRY(fetch(r, err));
    if (!r->current) return TH_OK;
    TH_TRY(th_raw_take(r->mem, r->stream.schema, &r->raw, out, err));
    if (r->raw.at < r->raw.len) return TH_OK;
    th_owner_release(r->current);
    r->current = NULL;
    return TH_OK;
}

static th_status ipc_next(th_stream *stream, th_batch **out, th_error *err) {
    reader *r = (reader *)stream;
    *out = NULL;
    if (r->failed != TH_OK) return th_fail(err, r->failed, "reading '%s' failed before", r->name);
    return r->failed = next_batch(r, out, err);
}

static void ipc_close(th_stream *stream) {
    reader *r = (reader *)stream;
    th_mem *mem = r->mem;
    if (r->close_fd) close(r->fd);
    th_owner_release(r->current);
    for (size_t i = 0; i < r->ndictionaries; i++) drop_dictionary(&r->dictionaries[i]);
    th_mem_free(mem, r->variadic, r->variadic_capacity * sizeof *r->variadic);
    th_mem_free(mem, r->variadic_sizes, r->sizes_capacity * sizeof *r->variadic_sizes);
    th_mem_free(mem, r->expanded, r->expanded_capacity * sizeof *r->expanded);
    th_buffer_release(r->metadata);
    if (r->map) th_owner_release(&r->map->owner);
    th_schema_release(stream->schema);
    th_arena_clear(&r->arena);
    th_mem_free(mem, r, sizeof *r);
}

/* ---- Opening ------------------------------------------------------------------------------------------------ */

static th_status open_stream_format(reader *r, th_error *err) {
    message m;
    TH_TRY(next_message(r, &m, err));
    if (m.end) return malformed(r, "it has no schema", err);
    th_status status = arrow_Message_header_type(m.root) == arrow_MessageHeader_Schema
                           ? take_schema(r, arrow_Message_header(m.root), err)
                           : malformed(r, "it does not begin with a schema", err);
    th_owner_release(m.owner);
    return status;
}

/* The footer lies before its length and the magic, at the end of the file. */
static th_status open_file_format(reader *r, th_error *err) {
    const size_t tail = 4 + MAGIC_BYTES, head = 8;
    if (r->len < head + tail || memcmp(r->bytes + r->len - MAGIC_BYTES, MAGIC, MAGIC_BYTES) != 0)
        return malformed(r, "it has no footer; the file is cut short", err);
    uint32_t len = th_flat_load_u32(r->bytes + r->len - tail);
    if (len == 0 || len > r->len - tail - head) return malformed(r, "its footer lies outside the file", err);
    const uint8_t *footer = r->bytes + r->len - tail - len;
    if ((uintptr_t)footer & 7) footer = th_arena_copy(&r->arena, footer, len);
    if (!footer) return no_memory(err);
    th_error detail = {.code = TH_OK};
    th_status status =
        th_flat_verify_as(footer, len, &theta_arrow_schema, theta_arrow_object_arrow_Footer, NULL, &detail);
    if (status != TH_OK)
        return th_fail(err, status, "'%s' is not sound Arrow data: in its footer: %.700s", r->name, detail.message);
    th_flat_table root = th_flat_root(footer);
    r->is_file = true;
    r->blocks = arrow_Footer_recordBatches(root);
    r->nblocks = arrow_Footer_recordBatches_len(root);
    r->dictionary_blocks = arrow_Footer_dictionaries(root);
    r->ndictionary_blocks = arrow_Footer_dictionaries_len(root);
    r->len -= tail + len; /* messages end where the footer begins */
    return take_schema(r, arrow_Footer_schema(root), err);
}

static th_status not_arrow(const reader *r, const uint8_t *p, size_t n, th_error *err) {
    if (n == 0) return th_fail(err, TH_E_FORMAT, "'%s' is empty", r->name);
    if (n >= 4 && memcmp(p, "PAR1", 4) == 0) return th_fail(err, TH_E_FORMAT, "'%s' is a Parquet file", r->name);
    if (n >= 4 && memcmp(p, "FEA1", 4) == 0)
        return th_fail(err, TH_E_UNSUPPORTED, "'%s' is a Feather file of version 1, which is not supported", r->name);
    return th_fail(err, TH_E_FORMAT, "'%s' is no Arrow file and no Arrow stream", r->name);
}

static th_status open_in_memory(reader *r, th_error *err) {
    if (r->len >= MAGIC_BYTES && memcmp(r->bytes, MAGIC, MAGIC_BYTES) == 0) return open_file_format(r, err);
    if (r->len < 8) return not_arrow(r, r->bytes, r->len, err);
    /* A stream begins with the mark, or, before 2019, with a length that the file has room for. */
    uint32_t first = th_flat_load_u32(r->bytes);
    if (first != UINT32_MAX && (first == 0 || first > r->len - 4 || first > METADATA_MAX))
        return not_arrow(r, r->bytes, r->len, err);
    return open_stream_format(r, err);
}

/* A pipe: the file format can be read in order too, for between its magic and its footer it is a stream. */
static th_status open_pipe(reader *r, th_error *err) {
    uint8_t head[8];
    size_t got;
    TH_TRY(read_fully(r, head, 8, &got, err));
    uint32_t first = got == 8 ? th_flat_load_u32(head) : 0, len = got == 8 ? th_flat_load_u32(head + 4) : 0;
    if (got == 8 && memcmp(head, MAGIC, MAGIC_BYTES) == 0) return open_stream_format(r, err);
    if (first != UINT32_MAX || len == 0 || len > METADATA_MAX) return not_arrow(r, head, got, err);
    message m = {0};
    TH_TRY(read_buffer(r, len, &r->metadata, err));
    TH_TRY(verify_message(r, r->metadata->data, len, &m, err));
    if (arrow_Message_header_type(m.root) != arrow_MessageHeader_Schema || arrow_Message_bodyLength(m.root) != 0)
        return malformed(r, "it does not begin with a schema", err);
    return take_schema(r, arrow_Message_header(m.root), err);
}

static th_status open_reader(th_mem *mem, const char *name, reader **out, th_error *err) {
    reader *r = th_mem_zeroed(mem, sizeof *r);
    if (!r) return no_memory(err);
    r->stream = (th_stream){NULL, ipc_next, ipc_close};
    r->mem = mem;
    r->fd = -1;
    th_arena_init(&r->arena, mem);
    r->name = th_arena_text(&r->arena, name, strlen(name));
    if (!r->name) {
        ipc_close(&r->stream);
        return no_memory(err);
    }
    *out = r;
    return TH_OK;
}

/* Makes the reader's owner of `bytes`; `mapped` when they are to be unmapped. */
static th_status own_bytes(reader *r, void *bytes, size_t len, bool mapped) {
    mapping *map = th_mem_zeroed(r->mem, sizeof *map);
    if (!map) return TH_E_NOMEM;
    atomic_init(&map->owner.refs, 1);
    map->owner.mem = r->mem;
    map->owner.free = free_mapping;
    map->bytes = mapped ? bytes : NULL;
    map->len = len;
    r->map = map;
    r->bytes = bytes;
    r->len = len;
    return TH_OK;
}

static th_status map_file(reader *r, size_t len, th_error *err) {
    void *bytes = mmap(NULL, len, PROT_READ, MAP_PRIVATE, r->fd, 0);
    if (bytes == MAP_FAILED) return th_fail(err, TH_E_IO, "cannot map '%s': %s", r->name, strerror(errno));
    if (own_bytes(r, bytes, len, true) != TH_OK) {
        munmap(bytes, len);
        return no_memory(err);
    }
    return open_in_memory(r, err);
}

static th_status open_fd(reader *r, th_error *err) {
    struct stat info;
    if (fstat(r->fd, &info) != 0) return th_fail(err, TH_E_IO, "cannot read '%s': %s", r->name, strerror(errno));
    if (S_ISDIR(info.st_mode)) return th_fail(err, TH_E_IO, "cannot read '%s': it is a directory", r->name);
    if (!S_ISREG(info.st_mode) || lseek(r->fd, 0, SEEK_CUR) != 0) return open_pipe(r, err);
    if (info.st_size == 0) return not_arrow(r, NULL, 0, err);
    r->mark = th_file_mark_of(r->fd);
    r->mark.again &= r->close_fd;
    return map_file(r, (size_t)info.st_size, err);
}

static th_status open_path(reader *r, const char *path, th_error *err) {
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return th_fail(err, errno == ENOENT ? TH_E_NOT_FOUND : TH_E_IO, "cannot open '%s': %s", path, strerror(errno));
    r->fd = fd;
    r->close_fd = !standard;
    return open_fd(r, err);
}

th_status th_ipc_open(th_mem *mem, const char *path, th_stream **out, th_error *err) {
    reader *r;
    TH_TRY(open_reader(mem, strcmp(path, "-") == 0 ? "standard input" : path, &r, err));
    th_status status = open_path(r, path, err);
    if (status != TH_OK)
        ipc_close(&r->stream);
    else
        *out = &r->stream;
    return status;
}

th_status th_ipc_open_memory(th_mem *mem, const char *name, const void *bytes, size_t len, th_stream **out,
                             th_error *err) {
    reader *r;
    TH_TRY(open_reader(mem, name, &r, err));
    th_status status = len == 0 ? not_arrow(r, NULL, 0, err) : TH_OK;
    if (status == TH_OK && own_bytes(r, (void *)(uintptr_t)bytes, len, false) != TH_OK) status = no_memory(err);
    if (status == TH_OK) status = open_in_memory(r, err);
    if (status != TH_OK)
        ipc_close(&r->stream);
    else
        *out = &r->stream;
    return status;
}

th_status th_ipc_open_copy(th_mem *mem, const char *name, const void *bytes, size_t len, th_stream **out,
                           th_error *err) {
    reader *r;
    th_buffer *copy;
    if (th_buffer_new(mem, len, &copy) != TH_OK) return no_memory(err);
    if (len) memcpy(copy->data, bytes, len);
    th_status status = th_ipc_open_memory(mem, name, copy->data, len, out, err);
    if (status != TH_OK) {
        th_buffer_release(copy);
        return status;
    }
    r = (reader *)*out;
    r->map->copy = copy;
    return TH_OK;
}

/* ---- Going on elsewhere ------------------------------------------------------------------------------------- */

void th_ipc_tell(const th_stream *stream, th_stream_place *out) {
    const reader *r = (const reader *)stream;
    bool within = r->current != NULL;
    *out = (th_stream_place){.again = r->mark.again,
                             .size = r->mark.size,
                             .mtime_ns = r->mark.mtime_ns,
                             .at = within ? r->nbatches - 1 : r->nbatches,
                             .row = within ? r->raw.at : 0};
}

static th_status no_place(const reader *r, th_error *err) {
    return th_fail(err, TH_E_FORMAT, "there is no such place in '%s'", r->name);
}

/* The batches of a file are found by its footer; dictionaries come first. */
static th_status skip_in_file(reader *r, uint64_t n, th_error *err) {
    while (r->next_block < r->ndictionary_blocks) {
        message m = {0};
        TH_TRY(next_in_file(r, &m, err));
        th_status status = use_message(r, &m, err);
        th_owner_release(m.owner);
        TH_TRY(status);
        if (r->current) return malformed(r, "its footer calls a batch a dictionary", err);
    }
    if (n > r->nblocks) return no_place(r, err);
    r->next_block += (uint32_t)n;
    return TH_OK;
}

static th_status skip_in_stream(reader *r, uint64_t n, th_error *err) {
    for (uint64_t done = 0; done < n;) {
        message m = {0};
        TH_TRY(next_message(r, &m, err));
        if (m.end) return no_place(r, err);
        bool is_batch = arrow_Message_header_type(m.root) == arrow_MessageHeader_RecordBatch;
        th_status status = is_batch ? TH_OK : use_message(r, &m, err);
        th_owner_release(m.owner);
        TH_TRY(status);
        done += is_batch;
    }
    return TH_OK;
}

static th_status seek(reader *r, const th_stream_place *place, th_error *err) {
    TH_TRY(r->is_file ? skip_in_file(r, place->at, err) : skip_in_stream(r, place->at, err));
    r->nbatches = place->at;
    if (place->row == 0) return TH_OK;
    TH_TRY(fetch(r, err));
    if (!r->current || r->nbatches != place->at + 1 || place->row >= r->raw.len) return no_place(r, err);
    r->raw.at = (size_t)place->row;
    return TH_OK;
}

th_status th_ipc_seek(th_stream *stream, const th_stream_place *place, th_error *err) {
    reader *r = (reader *)stream;
    TH_TRY(th_file_mark_check(&r->mark, r->name, place, err));
    th_error inner = {.code = TH_OK};
    r->failed = seek(r, place, &inner);
    if (r->failed != TH_OK && err) *err = inner;
    return r->failed;
}
