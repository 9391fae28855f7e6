/*
** base.h - what every room stands on: status codes, errors, memory budgets, arenas, bytes, strings, hashing.
** Relies on the C library (and libutf8proc in utf8.c, libsodium in hash.c). Knows no other room.
** Words used for ownership everywhere: owns, borrows (until X), takes, shares, copies.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_BASE_H
#define TH_BASE_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TH_LIKELY(x)     __builtin_expect(!!(x), 1)
#define TH_UNLIKELY(x)   __builtin_expect(!!(x), 0)
#define TH_CHECKED       __attribute__((warn_unused_result))
#define TH_IGNORE(status) do { if (status) {} } while (0) /* of a TH_CHECKED call, where failing changes nothing */
#define TH_PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define TH_NOINLINE      __attribute__((noinline))
#define TH_COUNT(array)  (sizeof(array) / sizeof((array)[0]))
#define TH_ALIGN(n, to)  (((n) + ((to)-1)) & ~(size_t)((to)-1))

/* ---- Status ------------------------------------------------------------------------------------------------- */

typedef enum th_status {
#define TH_STATUS(name, number, text) TH_##name = number,
#include "base/status.def"
#undef TH_STATUS
} th_status;

/* The stable word for a status ("out of memory"), never NULL. */
const char *th_status_text(th_status status);

/* A place in a source text. Lines and columns count from 1, columns in code points; 0 means unknown. */
typedef struct th_span {
    uint32_t line, column;
    uint32_t end_line, end_column; /* one past the last character */
} th_span;

/* Caller-owned detail of a failure; needs no allocation, so that it can be filled when memory is gone. */
typedef struct th_error {
    th_status code;
    th_span span;
    char file[256]; /* empty when the error has no file */
    char message[1024];
} th_error;

/* Fills `err` (which may be NULL) and returns `code`, so that a function can `return th_fail(err, ...)`. */
th_status th_fail(th_error *err, th_status code, const char *format, ...) TH_PRINTF(3, 4);
th_status th_fail_at(th_error *err, th_status code, const char *file, th_span span, const char *format, ...)
    TH_PRINTF(5, 6);

#define TH_TRY(expression)                                                                                             \
    do {                                                                                                               \
        th_status try_status = (expression);                                                                           \
        if (TH_UNLIKELY(try_status != TH_OK)) return try_status;                                                       \
    } while (0)

/* ---- Memory ------------------------------------------------------------------------------------------------- */

/* The one allocator hook: like realloc, told the old size; size 0 frees and returns NULL. */
typedef void *(*th_alloc_fn)(void *user, void *block, size_t old_bytes, size_t new_bytes);

/* A budget of bytes over an allocator. Every allocation of the library goes through one; budgets nest (a machine's
** charges its engine's). Thread safe. */
typedef struct th_mem {
    th_alloc_fn alloc;
    void *user;
    struct th_mem *parent; /* borrowed; may be NULL */
    size_t limit_bytes;    /* 0: none */
    _Atomic size_t used_bytes;
    _Atomic size_t peak_bytes;
    _Atomic bool refused; /* a request was refused because of limit_bytes (sticky; the owner clears it) */
} th_mem;

/* `alloc` NULL means the C library's; `parent` may be NULL and is used for the allocator when `alloc` is NULL. */
void th_mem_init(th_mem *mem, th_alloc_fn alloc, void *user, th_mem *parent, size_t limit_bytes);

/* NULL when the budget or the allocator refuses; then nothing changed. New bytes are not zeroed. */
void *th_mem_resize(th_mem *mem, void *block, size_t old_bytes, size_t new_bytes);
void *th_mem_new(th_mem *mem, size_t bytes);       /* not zeroed */
void *th_mem_zeroed(th_mem *mem, size_t bytes);    /* zeroed */
void th_mem_free(th_mem *mem, void *block, size_t bytes);
/* Grows an array of `*capacity` items of `item_bytes` to at least `needed` (doubling). E_NOMEM leaves all as it was. */
th_status th_mem_grow(th_mem *mem, void **array, size_t *capacity, size_t needed, size_t item_bytes) TH_CHECKED;

/* ---- Arenas ------------------------------------------------------------------------------------------------- */

/* Bump allocation dropped as a unit. Blocks are 8-byte aligned. Hooks run, last added first, when the arena is
** cleared: that is how imported buffers are released. Not thread safe. */
typedef struct th_arena {
    th_mem *mem; /* borrowed */
    struct th_arena_chunk *chunks;
    struct th_arena_hook *hooks;
    char *next, *end;
    size_t chunk_bytes; /* size of the next chunk; doubles up to a cap */
} th_arena;

void th_arena_init(th_arena *arena, th_mem *mem);
void th_arena_clear(th_arena *arena); /* runs the hooks, frees everything; the arena can be used again */
void *th_arena_new(th_arena *arena, size_t bytes);     /* NULL: no memory; not zeroed */
void *th_arena_zeroed(th_arena *arena, size_t bytes);
void *th_arena_copy(th_arena *arena, const void *bytes, size_t len);
char *th_arena_text(th_arena *arena, const char *text, size_t len); /* copies and adds a NUL */
char *th_arena_printf(th_arena *arena, const char *format, ...) TH_PRINTF(2, 3);
th_status th_arena_on_clear(th_arena *arena, void (*hook)(void *), void *argument) TH_CHECKED;

/* ---- Growable bytes ----------------------------------------------------------------------------------------- */

/* A byte buffer that remembers failure: after the first refused growth `failed` is set and writes are ignored, so a
** long sequence of appends needs one check at its end. Always NUL-terminated when data is not NULL. */
typedef struct th_buf {
    th_mem *mem; /* borrowed */
    char *data;
    size_t len, capacity;
    bool failed;
} th_buf;

void th_buf_init(th_buf *buf, th_mem *mem);
void th_buf_clear(th_buf *buf);
bool th_buf_reserve(th_buf *buf, size_t more);
void th_buf_put(th_buf *buf, const void *bytes, size_t len);
void th_buf_text(th_buf *buf, const char *text);
void th_buf_char(th_buf *buf, char c);
void th_buf_printf(th_buf *buf, const char *format, ...) TH_PRINTF(2, 3);
void th_buf_vprintf(th_buf *buf, const char *format, va_list args);
th_status th_buf_status(const th_buf *buf); /* TH_OK or TH_E_NOMEM */

/* ---- Strings ------------------------------------------------------------------------------------------------ */

/* The one string layout: a FlatBuffers string, so that strings in a loaded file are values as they stand.
** `len` bytes of UTF-8, then a NUL that is not counted. 4-byte aligned. */
typedef struct th_str {
    uint32_t len;
    char bytes[];
} th_str;

#define TH_STR_MAX 0x7ffffff0u

/* A borrowed run of bytes, not terminated. */
typedef struct th_view {
    const char *data;
    size_t len;
} th_view;

static inline th_view th_view_of(const char *text) { return (th_view){text, strlen(text)}; }
static inline th_view th_view_str(const th_str *s) { return (th_view){s->bytes, s->len}; }
static inline bool th_view_eq(th_view a, th_view b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool th_view_is(th_view a, const char *text) { return th_view_eq(a, th_view_of(text)); }
int th_view_compare(th_view a, th_view b); /* bytewise, which for UTF-8 is code point order */

/* ---- UTF-8 (utf8.c) ----------------------------------------------------------------------------------------- */

/* Byte offset of the first ill-formed sequence (RFC 3629: no overlongs, no surrogates), or len. */
size_t th_utf8_valid(const char *bytes, size_t len);
/* Decodes at `at` (< len); returns the bytes used, at least 1; an ill-formed byte gives U+FFFD and 1. */
size_t th_utf8_decode(const char *bytes, size_t len, size_t at, uint32_t *code);
size_t th_utf8_encode(uint32_t code, char out[4]); /* 0 when code is no scalar value */
size_t th_utf8_count(const char *bytes, size_t len); /* code points */
size_t th_utf8_width(const char *bytes, size_t len); /* terminal columns */

/* ---- Hashing (hash.c) --------------------------------------------------------------------------------------- */

/* A fast, seeded, non-cryptographic hash for tables in memory; never stored. */
uint64_t th_hash_bytes(const void *bytes, size_t len, uint64_t seed);
static inline uint64_t th_hash_word(uint64_t x) {
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x * 0xd6e8feb86659fd93u;
}
/* The content hash of stored things: BLAKE2b with 32 bytes (libsodium). */
typedef struct th_digest { uint8_t bytes[32]; } th_digest;
void th_digest_of(const void *bytes, size_t len, th_digest *out);

/* Hash functions that other tools' formats name (checksum.c, libnettle). Returns the length of the digest. */
typedef enum th_checksum_kind { TH_MD5, TH_SHA1, TH_SHA256, TH_SHA512 } th_checksum_kind;
#define TH_CHECKSUM_MAX 64
size_t th_checksum(th_checksum_kind kind, const void *bytes, size_t len, uint8_t out[TH_CHECKSUM_MAX]);
/* The same, over bytes that come in pieces. */
typedef struct th_hasher {
    th_checksum_kind kind;
    uint64_t state[32]; /* the library's own */
} th_hasher;
void th_hasher_init(th_hasher *hasher, th_checksum_kind kind);
void th_hasher_put(th_hasher *hasher, const void *bytes, size_t len);
size_t th_hasher_take(th_hasher *hasher, uint8_t out[TH_CHECKSUM_MAX]); /* init before it is used again */

/* ---- Numbers as text (number.c) ----------------------------------------------------------------------------- */

/* Shortest text that reads back as the same double ("0.1", "1e+300", "nan", "inf"); whole numbers keep ".0" when
** `keep_point`. Returns the length; out holds at least 32 bytes and is terminated. */
size_t th_format_f64(double x, bool keep_point, char *out);
size_t th_format_f32(float x, bool keep_point, char *out);
size_t th_format_i64(int64_t x, char *out);
/* Parse the whole of the text, correctly rounded, locale-free; false when it is not a number of that kind or does not fit. Floats take
** digits, point, exponent, "inf", "nan" and signs. */
bool th_parse_i64(th_view text, int64_t *out);
bool th_parse_f64(th_view text, double *out);

/* ---- Writing files (file.c) --------------------------------------------------------------------------------- */

/* All of the bytes, however few a call takes. 0, or errno. */
int th_write_all(int fd, const void *bytes, size_t len) TH_CHECKED;

/* A file that is replaced as a whole: write to `fd`, then finish, or drop. What is at the path stays as it is until then,
** keeps its mode, and stays a link when it is one. Devices and pipes are written as they are. */
typedef struct th_replacement {
    th_mem *mem; /* borrowed */
    int fd;
    char *target, *temporary; /* NULL: a device or a pipe */
} th_replacement;
int th_replacement_open(th_mem *mem, const char *path, th_replacement *out) TH_CHECKED; /* 0, or errno */
/* On the disk, and in its place. 0, or errno: then nothing was replaced and nothing is left. Dropped in both cases. */
int th_replacement_finish(th_replacement *r) TH_CHECKED;
void th_replacement_drop(th_replacement *r); /* removes what was written; harmless after either */

/* ---- Clock -------------------------------------------------------------------------------------------------- */
int64_t th_clock_monotonic_ns(void);
int64_t th_clock_unix_ns(void);

#endif
