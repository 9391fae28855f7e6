/*
** flat.h - FlatBuffers in C: read in place, verify, build, print as JSON and read from it.
**
** A schema (schema/NAME.fbs) is turned at build time into generated/NAME_flat.h (typed accessors, slot numbers, enum
** constants, add functions) and generated/NAME_flat.c (one static th_flat_schema), by flatgen from flatc's .bfbs.
** Include it as "NAME_flat.h". Use:
**
**     TH_TRY(th_flat_verify(bytes, len, &theta_program_schema, NULL, err));          // once, at the door
**     th_flat_table program = th_flat_root(bytes);
**     for (uint32_t i = 0; i < theta_program_Program_functions_len(program); i++) {
**         th_flat_table f = theta_program_Program_functions_at(program, i);
**         const th_str *name = theta_program_Function_name(f);                       // NULL when absent
**         const uint32_t *code = theta_program_Function_code(f);                     // in place, with ..._code_len
**     }
**
** What verifying promises: every accessor of the schema reads inside the buffer; strings are th_str in place (4-byte
** aligned, NUL-terminated, UTF-8 unless asked otherwise); scalars, structs and vectors lie at their natural alignment;
** required fields are there; a union whose type the schema knows has a value of that type, and NONE has none. What it
** does not promise: that enum values and union types are known ones (a newer writer may have more: ignore the value of
** a union whose type you do not know), that indices kept as numbers are in range, that a bool is 0 or 1 (the accessors
** see to that), that fields the schema does not know are sound, or that parts do not overlap.
** Reading an absent table, vector or string gives absent parts and default values, so chains need no tests between.
** Relies on base only. A buffer is at most 2^31 - 1 bytes, as everywhere in FlatBuffers.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_FLAT_H
#define TH_FLAT_H

#include "base/base.h"

/* The format is little-endian and vectors are used in place. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "FlatBuffers are read in place on little-endian machines only");

#define TH_FLAT_MAX_BYTES 0x7fffffffu
#define TH_FLAT_MAX_SLOTS 32765u /* the vtable's size is a 16-bit number of bytes */

/* ---- Schemas (generated) ------------------------------------------------------------------------------------ */

typedef enum th_flat_base {
    TH_FLAT_BOOL, TH_FLAT_I8, TH_FLAT_U8, TH_FLAT_I16, TH_FLAT_U16, TH_FLAT_I32, TH_FLAT_U32, TH_FLAT_I64, TH_FLAT_U64,
    TH_FLAT_F32, TH_FLAT_F64,
    TH_FLAT_STRING, TH_FLAT_STRUCT, TH_FLAT_TABLE, TH_FLAT_UNION
} th_flat_base;

enum {
    TH_FLAT_VECTOR = 1,     /* `base` is the element's */
    TH_FLAT_ARRAY = 2,      /* in a struct: `count` elements in line */
    TH_FLAT_REQUIRED = 4,
    TH_FLAT_OPTIONAL = 8,   /* a scalar that may be null */
    TH_FLAT_DEPRECATED = 16,/* skipped: a hole in the slots */
    TH_FLAT_UNION_TYPE = 32 /* the type of the union in the next slot */
};

#define TH_FLAT_NO_INDEX 0xffffu

typedef struct th_flat_field_info {
    const char *name;
    uint8_t base;      /* th_flat_base */
    uint8_t flags;     /* TH_FLAT_VECTOR | ... */
    uint16_t at;       /* slot in a table, byte offset in a struct */
    uint16_t index;    /* STRUCT, TABLE: in objects; an enum's scalar, UNION and its type: in enums; else NO_INDEX */
    uint16_t count;    /* ARRAY */
    uint64_t bits;     /* default: two's complement of the integer, or the IEEE 754 bits of the f64 */
} th_flat_field_info;

typedef struct th_flat_object_info {
    const char *name;  /* with its namespace: "theta.program.Function" */
    const th_flat_field_info *fields; /* ascending by slot or offset; a union follows its type */
    uint16_t nfields;
    bool is_struct;
    uint16_t align;    /* structs */
    uint32_t bytes;    /* structs */
} th_flat_object_info;

typedef struct th_flat_enum_value {
    const char *name;
    uint64_t bits;     /* two's complement */
    uint16_t object;   /* of a union's member; NO_INDEX for NONE and plain enums */
} th_flat_enum_value;

typedef struct th_flat_enum_info {
    const char *name;
    const th_flat_enum_value *values; /* ascending */
    uint16_t nvalues;
    bool is_union;
    bool bit_flags;    /* values are single bits that combine */
} th_flat_enum_info;

typedef struct th_flat_schema {
    const char *name;  /* of the file: "program" */
    const th_flat_object_info *objects;
    const th_flat_enum_info *enums;
    uint16_t nobjects, nenums;
    uint16_t root;     /* in objects */
    char ident[5];     /* file identifier; empty: none */
    const char *extension; /* "thb"; empty: none */
} th_flat_schema;

/* Bytes of a scalar, which are its alignment too; 0 for what is no scalar. */
static inline uint32_t th_flat_base_bytes(uint8_t base) {
    static const uint8_t bytes[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
    return base < sizeof bytes ? bytes[base] : 0;
}
/* Index of an object by its full name ("org.apache.arrow.flatbuf.Footer"), NO_INDEX when there is none. */
uint16_t th_flat_find_object(const th_flat_schema *schema, th_view name);
/* The name of an enum's or union's value, NULL when the schema has none. */
const char *th_flat_enum_text(const th_flat_schema *schema, uint16_t enum_index, int64_t value);

/* ---- Verifying (verify.c) ----------------------------------------------------------------------------------- */

/* Why a buffer was refused. */
#define TH_FLAT_REASONS(X)                                                                                             \
    X(OK, "sound")                                                                                                     \
    X(TOO_LARGE, "the buffer is larger than 2^31 - 1 bytes")                                                           \
    X(TOO_SMALL, "the buffer is too small")                                                                            \
    X(BASE_ALIGNMENT, "the buffer does not start at a multiple of 8")                                                  \
    X(SIZE_PREFIX, "the size prefix does not fit the buffer")                                                          \
    X(IDENTIFIER, "the file identifier is another")                                                                    \
    X(OFFSET_RANGE, "the offset points outside the buffer")                                                            \
    X(OFFSET_ZERO, "the offset is zero")                                                                               \
    X(ALIGNMENT, "misaligned")                                                                                         \
    X(TABLE_RANGE, "the table reaches outside the buffer")                                                             \
    X(VTABLE_RANGE, "the vtable lies outside the buffer")                                                              \
    X(VTABLE_SIZE, "the vtable's size is odd or too small")                                                            \
    X(TABLE_SIZE, "the table's size is too small")                                                                     \
    X(FIELD_RANGE, "the field lies outside its table")                                                                 \
    X(REQUIRED, "the required field is missing")                                                                       \
    X(VECTOR_RANGE, "the vector reaches outside the buffer")                                                           \
    X(STRING_RANGE, "the string reaches outside the buffer")                                                           \
    X(STRING_NUL, "the string does not end in a NUL")                                                                  \
    X(STRING_UTF8, "the string is not UTF-8")                                                                          \
    X(UNION_VALUE, "the union has a type but no value")                                                                \
    X(UNION_TYPE, "the union has a value but no type")                                                                 \
    X(DEPTH, "nested too deep")                                                                                        \
    X(TABLES, "more tables than allowed")                                                                              \
    X(APPARENT, "the parts, each counted as often as it is referred to, are larger than allowed")

typedef enum th_flat_reason {
#define X(name, text) TH_FLAT_R_##name,
    TH_FLAT_REASONS(X)
#undef X
    TH_FLAT_REASON_COUNT
} th_flat_reason;
const char *th_flat_reason_text(th_flat_reason reason);

#define TH_FLAT_DEPTH_CAP 512

/* Zeros mean the defaults, which keep the work linear in the size of the buffer. */
typedef struct th_flat_limits {
    uint32_t max_depth;          /* tables within tables; default 64, at most TH_FLAT_DEPTH_CAP */
    uint64_t max_tables;         /* visited, so a shared one counts each time; default len / 4 + 1024 */
    uint64_t max_apparent_bytes; /* default 64 * len + 2^20 */
    bool size_prefixed;          /* the buffer starts with its own length */
    bool skip_utf8;              /* strings may hold any bytes */
} th_flat_limits;

/* Where and why. `object` and `field` (may be NULL) borrow from the schema. */
typedef struct th_flat_fault {
    th_flat_reason reason;
    size_t at; /* byte offset of the offending part */
    const char *object, *field;
} th_flat_fault;

/* Checks a buffer whose root is object `root` of the schema. `bytes` must start at a multiple of 8, as th_mem's blocks and
** mapped files do: copy what does not. The file identifier is checked when `root` is the schema's
** root and the schema has one. `limits` may be NULL. Allocates nothing. Cost is linear in the number of tables and
** table references and the bytes of strings. */
th_flat_reason th_flat_check(const void *bytes, size_t len, const th_flat_schema *schema, uint16_t root,
                             const th_flat_limits *limits, th_flat_fault *fault);
/* The same as a status: E_FORMAT, or E_LIMIT for the limits; the error says where and why. */
th_status th_flat_verify(const void *bytes, size_t len, const th_flat_schema *schema, const th_flat_limits *limits,
                         th_error *err) TH_CHECKED;
th_status th_flat_verify_as(const void *bytes, size_t len, const th_flat_schema *schema, uint16_t root,
                            const th_flat_limits *limits, th_error *err) TH_CHECKED;

/* ---- Reading in place (verified buffers only) --------------------------------------------------------------- */

/* `at` NULL: absent. Borrowed from the buffer, as all that is read through it. */
typedef struct th_flat_table { const uint8_t *at; } th_flat_table;
typedef struct th_flat_vector { const uint8_t *at; uint32_t len; } th_flat_vector; /* at: the first element */

#define TH_FLAT_LOADER(name, type)                                                                                     \
    static inline type th_flat_load_##name(const void *at) {                                                           \
        type x;                                                                                                        \
        memcpy(&x, at, sizeof x);                                                                                      \
        return x;                                                                                                      \
    }
TH_FLAT_LOADER(i8, int8_t)
TH_FLAT_LOADER(u8, uint8_t)
TH_FLAT_LOADER(i16, int16_t)
TH_FLAT_LOADER(u16, uint16_t)
TH_FLAT_LOADER(i32, int32_t)
TH_FLAT_LOADER(u32, uint32_t)
TH_FLAT_LOADER(i64, int64_t)
TH_FLAT_LOADER(u64, uint64_t)
TH_FLAT_LOADER(f32, float)
TH_FLAT_LOADER(f64, double)
#undef TH_FLAT_LOADER

static inline const uint8_t *th_flat_follow(const uint8_t *at) { return at + th_flat_load_u32(at); }

static inline th_flat_table th_flat_root(const void *bytes) {
    return (th_flat_table){th_flat_follow((const uint8_t *)bytes)};
}
static inline th_flat_table th_flat_root_prefixed(const void *bytes) {
    return (th_flat_table){th_flat_follow((const uint8_t *)bytes + 4)};
}
static inline bool th_flat_present(th_flat_table t) { return t.at != NULL; }
/* Whether a buffer carries this identifier (4 characters): for telling kinds of files apart before verifying. */
static inline bool th_flat_has_ident(const void *bytes, size_t len, const char *ident) {
    return len >= 8 && memcmp((const uint8_t *)bytes + 4, ident, 4) == 0;
}

/* Where the field of a slot starts, NULL when it is absent. */
static inline const uint8_t *th_flat_field(th_flat_table t, uint32_t slot) {
    if (!t.at) return NULL;
    const uint8_t *vtable = t.at - th_flat_load_i32(t.at);
    if (4 + 2 * slot + 2 > th_flat_load_u16(vtable)) return NULL;
    uint16_t offset = th_flat_load_u16(vtable + 4 + 2 * slot);
    return offset ? t.at + offset : NULL;
}
static inline bool th_flat_has(th_flat_table t, uint32_t slot) { return th_flat_field(t, slot) != NULL; }

#define TH_FLAT_READER(name, type)                                                                                     \
    static inline type th_flat_##name(th_flat_table t, uint32_t slot, type absent) {                                   \
        const uint8_t *at = th_flat_field(t, slot);                                                                    \
        return at ? th_flat_load_##name(at) : absent;                                                                  \
    }
TH_FLAT_READER(i8, int8_t)
TH_FLAT_READER(u8, uint8_t)
TH_FLAT_READER(i16, int16_t)
TH_FLAT_READER(u16, uint16_t)
TH_FLAT_READER(i32, int32_t)
TH_FLAT_READER(u32, uint32_t)
TH_FLAT_READER(i64, int64_t)
TH_FLAT_READER(u64, uint64_t)
TH_FLAT_READER(f32, float)
TH_FLAT_READER(f64, double)
#undef TH_FLAT_READER
static inline bool th_flat_bool(th_flat_table t, uint32_t slot, bool absent) {
    const uint8_t *at = th_flat_field(t, slot);
    return at ? *at != 0 : absent;
}

static inline const th_str *th_flat_str(th_flat_table t, uint32_t slot) {
    const uint8_t *at = th_flat_field(t, slot);
    return at ? (const th_str *)(const void *)th_flat_follow(at) : NULL;
}
/* A table, or the value of a union. */
static inline th_flat_table th_flat_child(th_flat_table t, uint32_t slot) {
    const uint8_t *at = th_flat_field(t, slot);
    return (th_flat_table){at ? th_flat_follow(at) : NULL};
}
static inline const void *th_flat_struct(th_flat_table t, uint32_t slot) { return th_flat_field(t, slot); }

static inline th_flat_vector th_flat_vec(th_flat_table t, uint32_t slot) {
    const uint8_t *at = th_flat_field(t, slot);
    if (!at) return (th_flat_vector){NULL, 0};
    at = th_flat_follow(at);
    return (th_flat_vector){at + 4, th_flat_load_u32(at)};
}
/* i < v.len, in all of these. */
static inline const th_str *th_flat_vec_str(th_flat_vector v, uint32_t i) {
    return (const th_str *)(const void *)th_flat_follow(v.at + (size_t)i * 4);
}
static inline th_flat_table th_flat_vec_table(th_flat_vector v, uint32_t i) {
    return (th_flat_table){th_flat_follow(v.at + (size_t)i * 4)};
}

/* ---- Building (build.c) ------------------------------------------------------------------------------------- */

/* A finished part: its distance from the end of the buffer. 0: none (and what every call gives after a failure). */
typedef uint32_t th_flat_ref;

/* Writes from the back to the front, children before parents. The same calls give the same bytes. After a failure it is
** poisoned: calls do nothing and finish returns the first status. Fields are for build.c alone. */
typedef struct th_flat_builder {
    th_mem *mem; /* borrowed */
    uint8_t *data;
    size_t capacity, used; /* the bytes are the last `used` of data */
    size_t align;          /* the largest so far */
    th_status status;
    bool write_defaults;   /* set it to write fields that have their default value */
    bool in_table;
    size_t table_start;    /* `used` when the open table began */
    uint32_t *slots;       /* `used` at each field of the open table, 0: absent */
    size_t slots_capacity;
    uint32_t nslots;
    uint32_t *vtables;     /* `used` of each vtable, an open-addressed table; 0: empty */
    size_t vtables_capacity, nvtables;
} th_flat_builder;

void th_flat_builder_init(th_flat_builder *b, th_mem *mem);
void th_flat_builder_clear(th_flat_builder *b); /* frees; harmless twice */
th_status th_flat_builder_status(const th_flat_builder *b);

th_flat_ref th_flat_put_string(th_flat_builder *b, const char *bytes, size_t len);
static inline th_flat_ref th_flat_put_view(th_flat_builder *b, th_view v) { return th_flat_put_string(b, v.data, v.len); }
/* A vector of scalars or structs: `count` elements of `bytes` each, aligned to `align`. */
th_flat_ref th_flat_put_vector(th_flat_builder *b, const void *elements, size_t count, size_t bytes, size_t align);
/* The same, to be filled by the caller through *space (zeroed; valid until the next call on the builder). */
th_flat_ref th_flat_put_space(th_flat_builder *b, size_t count, size_t bytes, size_t align, void **space);
/* A vector of tables or strings. Refs must not be 0. */
th_flat_ref th_flat_put_refs(th_flat_builder *b, const th_flat_ref *refs, size_t count);

/* Tables: start (the generated ..._start_table knows nslots), add fields in any order, end. Strings, vectors and other tables are put before start. Tables do not nest
** while open. A scalar equal to its default is left out, a ref of 0 too. */
void th_flat_start(th_flat_builder *b, uint32_t nslots);
th_flat_ref th_flat_end(th_flat_builder *b);
void th_flat_add_bytes(th_flat_builder *b, uint32_t slot, const void *value, size_t bytes, size_t align); /* always written */
void th_flat_add_ref(th_flat_builder *b, uint32_t slot, th_flat_ref ref);
#define TH_FLAT_ADDER(name, type)                                                                                      \
    static inline void th_flat_add_##name(th_flat_builder *b, uint32_t slot, type value, type absent) {                \
        if (b->write_defaults || memcmp(&value, &absent, sizeof value) != 0) {                                         \
            th_flat_add_bytes(b, slot, &value, sizeof value, sizeof value);                                            \
        }                                                                                                              \
    }
TH_FLAT_ADDER(bool, bool)
TH_FLAT_ADDER(i8, int8_t)
TH_FLAT_ADDER(u8, uint8_t)
TH_FLAT_ADDER(i16, int16_t)
TH_FLAT_ADDER(u16, uint16_t)
TH_FLAT_ADDER(i32, int32_t)
TH_FLAT_ADDER(u32, uint32_t)
TH_FLAT_ADDER(i64, int64_t)
TH_FLAT_ADDER(u64, uint64_t)
TH_FLAT_ADDER(f32, float)
TH_FLAT_ADDER(f64, double)
#undef TH_FLAT_ADDER

/* Ends the buffer. `ident` is 4 characters or NULL. The caller owns the bytes: th_mem_free(mem, *bytes, *len). The
** builder is empty afterwards, whatever the result, and can be used again. E_LIMIT: 2^31 bytes were not enough. */
th_status th_flat_finish(th_flat_builder *b, th_flat_ref root, const char *ident, uint8_t **bytes, size_t *len) TH_CHECKED;
th_status th_flat_finish_prefixed(th_flat_builder *b, th_flat_ref root, const char *ident, uint8_t **bytes,
                                  size_t *len) TH_CHECKED;

/* ---- JSON (json.c, parse.c) --------------------------------------------------------------------------------- */

/* Verifies, then appends the buffer as strict JSON, in what flatc writes with --strict-json --defaults-json --natural-utf8:
** defaults are written, absent strings, tables, structs and vectors are not, enums are their names where they have one.
** Numbers are written so that they read back exactly; NaN and infinities as the strings "nan", "inf", "-inf". `indent` is
** the number of spaces a level is indented by; 0: all on one line. */
th_status th_flat_to_json(const void *bytes, size_t len, const th_flat_schema *schema, uint16_t root,
                          const th_flat_limits *limits, unsigned indent, th_buf *out, th_error *err) TH_CHECKED;
/* Reads such JSON and writes the buffer (identified as its schema says). Errors are at line and column: bad syntax, a field
** the schema does not have, a value of another type or out of range, a missing required field. The caller owns the bytes:
** th_mem_free(mem, *bytes, *len). */
th_status th_flat_from_json(th_mem *mem, th_view text, const th_flat_schema *schema, uint16_t root, uint8_t **bytes,
                            size_t *len, th_error *err) TH_CHECKED;

#endif
