/*
** table_int.h - what the files of the table room share: bitmaps, wrapped buffers, civil dates, Arrow types as they come
** in. Private to src/table.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_TABLE_INT_H
#define TH_TABLE_INT_H

#include "table/table.h"

/* Text of one column of one batch: its offsets are 32 bits wide. */
#define TH_TEXT_MAX ((size_t)INT32_MAX)

static inline bool th_bit_get(const uint8_t *bits, size_t i) { return bits[i >> 3] >> (i & 7) & 1; }
static inline void th_bit_set(uint8_t *bits, size_t i) { bits[i >> 3] |= (uint8_t)(1u << (i & 7)); }
static inline void th_bit_unset(uint8_t *bits, size_t i) { bits[i >> 3] &= (uint8_t)~(1u << (i & 7)); }
/* How many of the `len` bits from `offset` are set. Reads no byte that holds none of them. */
size_t th_bits_count(const uint8_t *bits, size_t offset, size_t len);
/* Sets the first `len` bits and zeroes the rest of their last byte. */
void th_bits_fill(uint8_t *bits, size_t len);

static inline size_t th_column_width(th_column_type type) {
    switch (type) {
    case TH_COLUMN_I8: return 1;
    case TH_COLUMN_I16: return 2;
    case TH_COLUMN_I32:
    case TH_COLUMN_F32:
    case TH_COLUMN_DATE: return 4;
    case TH_COLUMN_I64:
    case TH_COLUMN_F64:
    case TH_COLUMN_TIMESTAMP: return 8;
    default: return 0;
    }
}

/* A buffer over bytes that someone else owns: `release` runs once, when the last sharer lets go (NULL: nothing to do).
** */
th_status th_buffer_wrap(th_mem *mem, const void *data, size_t len, void (*release)(th_buffer *), void *owner,
                         th_buffer **out) TH_CHECKED;
/* A buffer of bits, all set. */
th_status th_buffer_bits(th_mem *mem, size_t nbits, th_buffer **out) TH_CHECKED;

/* Which file a stream reads: what th_stream_place says of it (stream.c). */
typedef struct th_file_mark {
    bool again;
    uint64_t size;
    int64_t mtime_ns;
} th_file_mark;
th_file_mark th_file_mark_of(int fd);
th_status th_file_mark_check(const th_file_mark *mark, const char *name, const th_stream_place *place,
                             th_error *err) TH_CHECKED;

/* An IPC writer of the file format that has written `written` bytes, and the places of its batches: three words each.
** (ipc_write.c) */
size_t th_ipc_writer_blocks(const th_ipc_writer *writer, const uint64_t **words, int64_t *written);
th_status th_ipc_writer_continue(th_mem *mem, const th_schema *schema, th_sink sink, const uint64_t *words, size_t n,
                                 int64_t written, th_ipc_writer **out, th_error *err) TH_CHECKED;

/* Reads a range of `type`'s values: does `x` fit? BOOL takes 0 and 1. */
bool th_column_fits(th_column_type type, int64_t x);

/* The text of a value that is neither null nor a string: numbers shortest and exact, dates ISO 8601. Returns the
** length; out holds 48 bytes. (csv_write.c) */
size_t th_cell_text(const th_column *c, size_t i, char *out);

/* ---- Dates (date.c) ----------------------------------------------------------------------------------------- */

#define TH_DAY_MICROS INT64_C(86400000000)

/* Days from 1970-01-01 in the proleptic Gregorian calendar; month 1-12, day 1-31 (not checked).
** Years are counted from March, so that the leap day is a year's last and a day of the year gives its month by a line
** through the month lengths: month m (0 = March) begins at day (153 m + 2) / 5. 146097 days are 400 years; 1970-01-01
** is day 719468 from 0000-03-01. */
static inline int64_t th_days_of_civil(int64_t year, unsigned month, unsigned day) {
    if (month <= 2) year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned in_era = (unsigned)(year - era * 400);
    unsigned from_march = month > 2 ? month - 3 : month + 9;
    unsigned day_of_year = (153 * from_march + 2) / 5 + day - 1;
    return era * 146097 + (int64_t)(in_era * 365 + in_era / 4 - in_era / 100 + day_of_year) - 719468;
}
void th_civil_of_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);
unsigned th_days_in_month(int64_t year, unsigned month);

/* ---- Compressed buffers (codec.c) --------------------------------------------------------------------------- */

typedef enum th_codec { TH_CODEC_LZ4 = 0, TH_CODEC_ZSTD = 1 } th_codec; /* the numbers of Arrow's CompressionType */
const char *th_codec_text(th_codec codec);                              /* NULL: unknown */
bool th_codec_here(th_codec codec);                                     /* built with its library? */
/* The most bytes that `len` bytes of the codec can stand for. */
size_t th_codec_most(th_codec codec, size_t len);
/* Fills `out` exactly, from all of `in`: TH_OK; E_NOMEM; E_FORMAT: it is damaged, or stands for another length. */
th_status th_codec_expand(th_mem *mem, th_codec codec, const uint8_t *in, size_t len, uint8_t *out,
                          size_t out_len) TH_CHECKED;

/* ---- Arrow types as they come in (arrow.c) ------------------------------------------------------------------ */

/* How the buffers of an incoming column are laid out. */
typedef enum th_layout {
    TH_LAYOUT_NULL,
    TH_LAYOUT_BITS,
    TH_LAYOUT_FIXED,
    TH_LAYOUT_TEXT,       /* 32-bit offsets */
    TH_LAYOUT_LARGE_TEXT, /* 64-bit offsets */
    TH_LAYOUT_VIEWS       /* 16-byte views */
} th_layout;

/* An incoming type: what it becomes here, and how its values are turned into that. */
typedef struct th_arrow_type {
    th_column_type type;
    th_layout layout;
    uint8_t width;    /* bytes of a value as it comes in (FIXED) */
    bool is_unsigned; /* FIXED integers */
    bool dictionary;  /* the column holds indices (of width and is_unsigned) into values of `type` and `layout` */
    uint8_t index_width;
    bool index_unsigned;
    int64_t multiply, divide; /* 1 and 1: as they are; else value * multiply, or value / divide without remainder */
} th_arrow_type;

/* From a format string of the C data interface; false: no type of ours can hold it. */
bool th_arrow_type_of_format(const char *format, th_arrow_type *out);
/* A name a person knows for a format string ("list", "decimal128"); the string itself when it has none. */
const char *th_arrow_format_text(const char *format);

/* One incoming column. Sizes are known for IPC and unknown (SIZE_MAX) in the C data interface, where the specification
** makes them follow from the length. */
typedef struct th_raw_column {
    const char *name;
    th_arrow_type type;
    size_t len, offset;
    const uint8_t *validity; /* NULL: none are null */
    size_t validity_size;
    const uint8_t *values; /* values, indices, text bytes, or views */
    size_t values_size;
    const uint8_t *offsets;
    size_t offsets_size;
    const uint8_t *const *variadic; /* VIEWS: the data buffers */
    const int64_t *variadic_sizes;
    size_t nvariadic;
    const th_column *dictionary; /* converted values when type.dictionary; borrowed */
} th_raw_column;

/* What keeps incoming memory alive: shared by the buffers made over it. */
typedef struct th_owner {
    _Atomic uint32_t refs;
    th_mem *mem;
    void (*free)(struct th_owner *owner);
} th_owner;
void th_owner_retain(th_owner *owner);
void th_owner_release(th_owner *owner);

/* Checks and converts rows `from`, `from + count` of an incoming column; shares its memory where the layout is ours and
** aligned. Errors name the column and the row. */
th_status th_raw_convert(th_mem *mem, const th_raw_column *raw, size_t from, size_t count, th_owner *owner,
                         th_column *out, th_error *err) TH_CHECKED;
/* Incoming columns of one batch, `len` rows each, of which rows before `at` were handed on. */
typedef struct th_raw_batch {
    th_raw_column *columns;
    size_t ncolumns, len, at;
    th_owner *owner; /* borrowed */
} th_raw_batch;
/* The next batch made of them: all rows that are left, or as many as one column's text can hold. */
th_status th_raw_take(th_mem *mem, th_schema *schema, th_raw_batch *raw, th_batch **out, th_error *err) TH_CHECKED;
/* E_UNSUPPORTED for a column whose type has this format string. */
th_status th_arrow_unsupported(const char *name, const char *format, const char *where, th_error *err);

#endif
