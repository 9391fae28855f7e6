/*
** table.h - columns in Arrow's layout, batches and schemas; the Arrow C data interface; readers and writers.
** A batch is immutable once made and shared by count; its buffers may be borrowed from the host (Arrow C data), from a
** mapped file, or owned. Knows no machine.
** Sources: the Arrow columnar format, C data interface and IPC specifications; RFC 4180 for CSV.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_TABLE_H
#define TH_TABLE_H

#include "base/base.h"

/* Column types: name, number (append-only), bytes of a value in memory (0: bits or variable), Arrow format string. */
#define TH_COLUMN_TYPES(X)                                                                                             \
    X(NULL, 0, 0, "n")                                                                                                 \
    X(BOOL, 1, 0, "b")                                                                                                 \
    X(I8, 2, 1, "c")                                                                                                   \
    X(I16, 3, 2, "s")                                                                                                  \
    X(I32, 4, 4, "i")                                                                                                  \
    X(I64, 5, 8, "l")                                                                                                  \
    X(F32, 6, 4, "f")                                                                                                  \
    X(F64, 7, 8, "g")                                                                                                  \
    X(STRING, 8, 0, "u")      /* 32-bit offsets, then bytes */                                                         \
    X(DATE, 9, 4, "tdD")      /* days since 1970-01-01 */                                                              \
    X(TIMESTAMP, 10, 8, "tsu:") /* microseconds since 1970-01-01, no zone */

typedef enum th_column_type {
#define X(name, number, bytes, format) TH_COLUMN_##name = number,
    TH_COLUMN_TYPES(X)
#undef X
    TH_COLUMN_TYPE_COUNT
} th_column_type;
const char *th_column_type_text(th_column_type type); /* "i64", "String", ... */

typedef struct th_field {
    const char *name; /* UTF-8, NUL-terminated */
    th_column_type type;
    bool nullable;
} th_field;

/* Shared by count; immutable. */
typedef struct th_schema {
    _Atomic uint32_t refs;
    th_mem *mem;
    size_t nfields;
    th_field *fields;
} th_schema;
th_status th_schema_new(th_mem *mem, const th_field *fields, size_t nfields, th_schema **out) TH_CHECKED; /* copies */
th_schema *th_schema_retain(th_schema *schema);
void th_schema_release(th_schema *schema);
int64_t th_schema_find(const th_schema *schema, th_view name); /* index or -1; the first of equal names */
bool th_schema_equal(const th_schema *a, const th_schema *b);

/* Memory that columns share. `release` runs when the last sharer lets go. */
typedef struct th_buffer {
    _Atomic uint32_t refs;
    th_mem *mem;
    uint8_t *data;
    size_t len, capacity;
    void (*release)(struct th_buffer *buffer); /* NULL: data is th_mem's */
    void *owner;
} th_buffer;
th_status th_buffer_new(th_mem *mem, size_t bytes, th_buffer **out) TH_CHECKED; /* 64-byte aligned, zeroed padding */
th_buffer *th_buffer_retain(th_buffer *buffer); /* NULL is allowed */
void th_buffer_release(th_buffer *buffer);      /* NULL is allowed */

/* One column of a batch: `len` values from `offset` in the buffers. Bit i of validity set: not null; no buffer: none are
** null. STRING: offsets has offset+len+1 int32 entries into values. BOOL: values are bits. */
typedef struct th_column {
    th_column_type type;
    size_t len, offset;
    int64_t null_count; /* exact */
    th_buffer *validity, *values, *offsets; /* shared; NULL where the type has none */
} th_column;

static inline bool th_column_valid(const th_column *c, size_t i) {
    return !c->validity || (c->validity->data[(c->offset + i) >> 3] >> ((c->offset + i) & 7) & 1);
}
static inline bool th_column_bool(const th_column *c, size_t i) {
    return c->values->data[(c->offset + i) >> 3] >> ((c->offset + i) & 7) & 1;
}
static inline th_view th_column_text(const th_column *c, size_t i) {
    const int32_t *o = (const int32_t *)(const void *)c->offsets->data + c->offset + i;
    return (th_view){(const char *)c->values->data + o[0], (size_t)(o[1] - o[0])};
}
#define TH_COLUMN_AT(c, ctype) ((const ctype *)(const void *)(c)->values->data + (c)->offset)

typedef struct th_batch {
    _Atomic uint32_t refs;
    th_mem *mem;
    th_schema *schema; /* shared */
    size_t nrows;
    th_column *columns; /* schema->nfields */
} th_batch;
/* Takes the columns' references on success. */
th_status th_batch_new(th_mem *mem, th_schema *schema, size_t nrows, th_column *columns, th_batch **out) TH_CHECKED;
th_batch *th_batch_retain(th_batch *batch);
void th_batch_release(th_batch *batch);
th_status th_batch_slice(const th_batch *batch, size_t from, size_t count, th_batch **out) TH_CHECKED; /* no copy */
void th_column_clear(th_column *column); /* releases its buffers */
th_column th_column_share(const th_column *column);

/* Builds one column value by value. Poisoned by a failure: finish reports it. */
typedef struct th_column_builder {
    th_mem *mem;
    th_column_type type;
    size_t len, null_count;
    th_buffer *validity, *values, *offsets;
    size_t values_len;
    th_status status;
} th_column_builder;
void th_column_builder_init(th_column_builder *b, th_mem *mem, th_column_type type);
void th_column_builder_clear(th_column_builder *b);
void th_column_put_null(th_column_builder *b);
void th_column_put_i64(th_column_builder *b, int64_t x); /* every integer type, DATE, TIMESTAMP (the caller checks range), BOOL */
void th_column_put_f64(th_column_builder *b, double x);  /* F32, F64 */
void th_column_put_text(th_column_builder *b, th_view text);
void th_column_put_from(th_column_builder *b, const th_column *from, size_t i); /* same type */
th_status th_column_builder_finish(th_column_builder *b, th_column *out) TH_CHECKED; /* the builder is empty again */

/* ---- Streams ------------------------------------------------------------------------------------------------ */

/* A source of batches with one schema. `next` gives TH_OK and *out == NULL at the end. The caller owns each batch. */
typedef struct th_stream {
    th_schema *schema; /* owned by the stream */
    th_status (*next)(struct th_stream *stream, th_batch **out, th_error *err);
    void (*close)(struct th_stream *stream); /* frees the stream */
} th_stream;

/* Where a stream over a file is, between two batches, so that a stream opened in the same way in another process can go on
** there and gives the same batches. Filled by a `tell`; a `seek` trusts none of it. */
typedef struct th_stream_place {
    bool again;          /* the file has a name and keeps what was read: it can be opened again */
    uint64_t size;       /* of the file, and when it was written: another one is not gone on with */
    int64_t mtime_ns;
    uint64_t at;         /* CSV: the file offset of the window; Arrow: batches begun before */
    uint64_t row;        /* CSV: of the rows from `first` on; Arrow: of the batch: the next one */
    uint64_t line;       /* CSV: of the window's first byte */
    uint64_t target;     /* CSV: how many bytes the window was filled to */
    uint64_t first_line; /* CSV: of the window's lines, the first that is a row of those being read */
} th_stream_place;

/* ---- CSV (csv.c) -------------------------------------------------------------------------------------------- */

typedef enum th_bad_cell { TH_BAD_ERROR, TH_BAD_NULL, TH_BAD_SKIP } th_bad_cell; /* stop | null cell | skip the row */

typedef struct th_csv_options {
    char delimiter;            /* 0: ',' (or tab for a .tsv name) */
    bool no_header;            /* columns are named c1, c2, ... */
    th_bad_cell bad_cell;      /* a cell that does not read as its column's type; a row with too many or too few cells */
    const th_field *declared;  /* types by column name (a null cell in a non-nullable one is a bad cell); type NULL: infer
                                  it; the array NULL: infer all. A name that the file has not is E_REFERENCE. */
    size_t ndeclared;
    bool only_declared;        /* read no other column: cells are skipped unparsed; columns in the declared order */
    size_t infer_rows;         /* 0: default 10000 (within 16 MiB); a later cell that breaks the type is a bad cell */
    size_t batch_rows;         /* the most rows of a batch; 0: default 16384 */
    const char *null_text[4];  /* besides the empty cell: default "NA", "null", "NULL" when all are NULL; quoted text in
                                  a String column is never null */
} th_csv_options;

/* Opens a file ("-": standard input) or reads from memory (borrowed until closed). Inferred types are bool, i64, f64,
** Date, Timestamp, else String, all nullable; whole numbers with a leading zero or plus stay String. Under TH_BAD_NULL
** every column is nullable. Empty and repeated names in the header are made unique ("c3", "name_2"). The error of a bad
** cell is E_CONVERSION at file:line:column with the value quoted; rows before it are delivered first. Reads ahead a
** bounded buffer; quoted fields may hold newlines (RFC 4180); CRLF and LF; a UTF-8 BOM is skipped; ill-formed UTF-8 in a
** string cell is a bad cell; a cell is limited to 64 MiB. */
th_status th_csv_open(th_mem *mem, const char *path, const th_csv_options *options, th_stream **out, th_error *err) TH_CHECKED;
th_status th_csv_open_memory(th_mem *mem, const char *name, const void *bytes, size_t len, const th_csv_options *options,
                             th_stream **out, th_error *err) TH_CHECKED;
/* Before the first batch of a stream of th_csv_open: reads only the columns marked in `keep` (one bool a field), at least one. */
th_status th_csv_project(th_stream *stream, const bool *keep, th_error *err) TH_CHECKED;
/* Of a stream of th_csv_open. Seeking: before the first batch. E_IO: the file is not the one it was; E_FORMAT: no such place. */
void th_csv_tell(const th_stream *stream, th_stream_place *out);
th_status th_csv_seek(th_stream *stream, const th_stream_place *place, th_error *err) TH_CHECKED;
/* Where bytes go. TH_OK, or E_IO with a message. */
typedef struct th_sink {
    th_status (*write)(struct th_sink *sink, const void *bytes, size_t len, th_error *err);
    void *user;
} th_sink;
th_status th_csv_write_header(const th_schema *schema, th_buf *out) TH_CHECKED;
/* Quotes where RFC 4180 needs it, and strings that would read as null; null is empty (NA in a table of one column, where
** an empty line would be no row), an empty string is "". */
th_status th_csv_write_batch(const th_batch *batch, th_buf *out) TH_CHECKED;

/* ---- Arrow (ipc.c, cdata.c) --------------------------------------------------------------------------------- */

/* The Arrow C data and stream interface structures, as the specification lays them out. */
#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE
#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
#endif
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};
#endif
/* Imports take their argument (its release is NULL afterwards) on success; buffers are shared, not copied. Types beyond
** ours are converted where no value is lost (large strings, unsigned, other time units, dictionaries), else E_UNSUPPORTED. */
th_status th_import_stream(th_mem *mem, struct ArrowArrayStream *in, th_stream **out, th_error *err) TH_CHECKED;
/* Export takes the stream. */
th_status th_export_stream(th_mem *mem, th_stream *stream, struct ArrowArrayStream *out) TH_CHECKED;

/* IPC: file format (random access, mapped) and stream format are told apart by their first bytes; "-" is standard input.
** Every offset and length is checked. Batches point into the file; memory is borrowed until the stream is closed and all
** its batches are released. Compressed buffers (LZ4, ZSTD) are expanded a batch at a time; E_UNSUPPORTED where the build has
** not the codec's library. */
th_status th_ipc_open(th_mem *mem, const char *path, th_stream **out, th_error *err) TH_CHECKED;
th_status th_ipc_open_memory(th_mem *mem, const char *name, const void *bytes, size_t len, th_stream **out, th_error *err) TH_CHECKED;
/* The same over a copy of the bytes, which the stream and its batches share. */
th_status th_ipc_open_copy(th_mem *mem, const char *name, const void *bytes, size_t len, th_stream **out, th_error *err) TH_CHECKED;
/* Of a stream of th_ipc_open, as th_csv_tell and th_csv_seek. */
void th_ipc_tell(const th_stream *stream, th_stream_place *out);
th_status th_ipc_seek(th_stream *stream, const th_stream_place *place, th_error *err) TH_CHECKED;
typedef struct th_ipc_writer th_ipc_writer;
th_status th_ipc_writer_new(th_mem *mem, const th_schema *schema, bool file_format, th_sink sink, th_ipc_writer **out, th_error *err) TH_CHECKED;
th_status th_ipc_writer_batch(th_ipc_writer *writer, const th_batch *batch, th_error *err) TH_CHECKED;
th_status th_ipc_writer_finish(th_ipc_writer *writer, th_error *err) TH_CHECKED; /* writes the footer */
void th_ipc_writer_free(th_ipc_writer *writer);
/* Batches of one schema as the bytes of an Arrow stream, and back: `each` is lent every batch that has rows. E_FORMAT when
** they are of another schema. */
th_status th_batches_write(th_mem *mem, const th_schema *schema, th_batch *const *batches, size_t n, th_buf *out,
                           th_error *err) TH_CHECKED;
typedef th_status (*th_each_batch)(void *user, th_batch *batch);
th_status th_batches_read(th_mem *mem, const th_schema *schema, const void *bytes, size_t len, th_each_batch each,
                          void *user, th_error *err) TH_CHECKED;

/* ---- Showing (show.c) --------------------------------------------------------------------------------------- */

typedef enum th_table_format { TH_FORMAT_GRID, TH_FORMAT_CSV, TH_FORMAT_JSON, TH_FORMAT_NDJSON, TH_FORMAT_MARKDOWN, TH_FORMAT_ARROW } th_table_format;
bool th_table_format_of(th_view name, th_table_format *out);
/* A writer of batches in one of the formats. GRID keeps at most max_rows (0: 40; head and tail shown, the middle elided)
** and draws at finish: numbers right-aligned, columns truncated to `width` terminal columns (0: no limit), types under
** the names, the row count below. */
typedef struct th_table_writer th_table_writer;
th_status th_table_writer_new(th_mem *mem, th_table_format format, const th_schema *schema, size_t width, size_t max_rows,
                              th_sink sink, th_table_writer **out, th_error *err) TH_CHECKED;
/* GRID: nulls and types dimmed, names bold, by ANSI sequences. Off unless asked for; before the first batch. */
void th_table_writer_color(th_table_writer *writer, bool color);
/* After a failure of either the writer refuses all but being freed. */
th_status th_table_writer_batch(th_table_writer *writer, const th_batch *batch, th_error *err) TH_CHECKED;
th_status th_table_writer_finish(th_table_writer *writer, th_error *err) TH_CHECKED;
void th_table_writer_free(th_table_writer *writer);
/* A writer between two batches as bytes (schema/writer.fbs), and a writer that goes on from there; nothing that was written
** is written again. The bytes may be hostile: E_FORMAT. */
th_status th_table_writer_save(const th_table_writer *writer, th_buf *out, th_error *err) TH_CHECKED;
th_status th_table_writer_restore(th_mem *mem, const void *bytes, size_t len, const th_schema *schema, th_sink sink,
                                  th_table_writer **out, th_error *err) TH_CHECKED;
th_table_format th_table_writer_format(const th_table_writer *writer);

/* Dates: ISO 8601. Return the length; out holds 40 bytes. Parse the whole text. */
size_t th_format_date(int32_t days, char *out);
size_t th_format_timestamp(int64_t micros, char *out);
bool th_parse_date(th_view text, int32_t *days);
bool th_parse_timestamp(th_view text, int64_t *micros);

#endif
