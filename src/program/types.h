/*
** types.h - types of registers, values and signatures: kinds, structural types interned in a table.
** A type is an index into a th_types; equal types have equal indices within one table. Structs and enums are nominal
** (name and members); all else is structural. Tables own their entries; entries are borrowed until the table clears.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_TYPES_H
#define TH_TYPES_H

#include "base/base.h"

/* Register classes: the static type of a register for the whole of a function. What a pointer points at is tracked
** by the verifier from instruction to instruction. */
typedef enum th_class {
    TH_CLASS_NONE,
    TH_CLASS_I8,
    TH_CLASS_I16,
    TH_CLASS_I32,
    TH_CLASS_I64,
    TH_CLASS_F32,
    TH_CLASS_F64,
    TH_CLASS_BOOL,
    TH_CLASS_PTR,
    TH_CLASS_STRING,
    TH_CLASS_TABLE, /* a materialised table */
    TH_CLASS_NODE,  /* a lazy flow node */
    TH_CLASS_VALUE,
    TH_CLASS_COUNT
} th_class;
const char *th_class_text(th_class cls);

typedef enum th_kind {
#define TH_KIND(name, number, cls, text, bytes) TH_KIND_##name = number,
#include "program/types.def"
#undef TH_KIND
    TH_KIND_COUNT
} th_kind;

typedef uint32_t th_type_id; /* 0 is always void */

typedef struct th_type {
    uint8_t kind;  /* th_kind */
    uint8_t cls;   /* th_class of a register that holds it */
    uint8_t bytes; /* of an element in a list: 1, 2, 4 or 8 */
    bool pointers; /* the word is a pointer into the arena (or NULL), followed by snapshots and region collections */
    bool generic;  /* a type variable is somewhere inside: no value has this type */
    bool open;     /* declared, not yet defined */
    uint8_t depth; /* nesting of structural types, at most TH_TYPE_DEPTH; a struct, enum or opaque is 1 */
    uint32_t nargs;
    const th_type_id *args;
    const th_str *name;         /* STRUCT, ENUM, OPAQUE, TYPE_VARIABLE; else NULL */
    const th_str *const *names; /* STRUCT: nargs field names; ENUM: nnames members */
    uint32_t nnames;
} th_type;

/* How deep List<List<...>> may nest (E_LIMIT beyond), so that walks over a type's structure need no stack of their own.
** Walks through the fields of structs can go round in circles: stop at names. */
#define TH_TYPE_DEPTH 60

typedef struct th_types {
    th_mem *mem;
    th_arena arena;
    th_type *items;
    size_t len, capacity;
    uint32_t *index; /* open addressing, 0 empty, else id + 1 */
    size_t index_capacity;
} th_types;

/* The scalar kinds and String, Symbol, Error, value have the id of their kind (0 .. 9 and the constants below). */
enum {
    TH_TYPE_VOID = 0, TH_TYPE_I8, TH_TYPE_I16, TH_TYPE_I32, TH_TYPE_I64, TH_TYPE_F32, TH_TYPE_F64, TH_TYPE_BOOL,
    TH_TYPE_STRING, TH_TYPE_SYMBOL, TH_TYPE_ERROR, TH_TYPE_VALUE,
    TH_TYPE_FIRST_FREE
};

th_status th_types_init(th_types *types, th_mem *mem) TH_CHECKED;
void th_types_clear(th_types *types);
/* Interns; copies all it is given. E_ARGUMENT when the parts do not make a type of that kind (see types.def), E_LIMIT
** when it nests too deeply. Adding may move the entries: keep ids, not pointers. */
th_status th_types_add(th_types *types, th_kind kind, th_view name, const th_type_id *args, size_t nargs,
                       const th_view *names, size_t nnames, th_type_id *out) TH_CHECKED;
/* The same look-up without adding: false when there is no such type. */
bool th_types_find(const th_types *types, th_kind kind, th_view name, const th_type_id *args, size_t nargs,
                   const th_view *names, size_t nnames, th_type_id *out);
/* The first STRUCT, ENUM or OPAQUE of that name, declared ones included. Looks at every type. */
bool th_types_find_named(const th_types *types, th_view name, th_type_id *out);
/* A STRUCT or ENUM that may refer to itself, or to one that comes later: declare it, add the types of its fields, then
** define it (once; E_ARGUMENT as in th_types_add). Each declaration is a type of its own. */
th_status th_types_declare(th_types *types, th_kind kind, th_view name, th_type_id *out) TH_CHECKED;
th_status th_types_define(th_types *types, th_type_id id, const th_type_id *args, size_t nargs, const th_view *names,
                          size_t nnames) TH_CHECKED;
/* Brings every type of `from` (all defined) into `types`; equal ones, recursive structs included, find their equals.
** `map` has room for from->len ids: map[id in from] is the id in types. On failure some may have been added. */
th_status th_types_import(th_types *types, const th_types *from, th_type_id *map) TH_CHECKED;
/* Shorthands over th_types_add. */
th_status th_types_list(th_types *types, th_type_id element, th_type_id *out) TH_CHECKED;
th_status th_types_dict(th_types *types, th_type_id key, th_type_id value, th_type_id *out) TH_CHECKED;
th_status th_types_option(th_types *types, th_type_id of, th_type_id *out) TH_CHECKED; /* an option stays itself */
th_status th_types_function(th_types *types, const th_type_id *params, size_t nparams, th_type_id result,
                            th_type_id *out) TH_CHECKED;

static inline const th_type *th_types_get(const th_types *types, th_type_id id) { return &types->items[id]; }
static inline th_kind th_types_kind(const th_types *types, th_type_id id) { return (th_kind)types->items[id].kind; }
static inline th_class th_types_class(const th_types *types, th_type_id id) { return (th_class)types->items[id].cls; }
/* A function type's parts. */
static inline size_t th_types_nparams(const th_types *types, th_type_id id) { return types->items[id].nargs - 1; }
static inline th_type_id th_types_param(const th_types *types, th_type_id id, size_t i) { return types->items[id].args[i]; }
static inline th_type_id th_types_result(const th_types *types, th_type_id id) {
    return types->items[id].args[types->items[id].nargs - 1];
}

/* The type of field `i` of a STRUCT, TUPLE, CELL or ERROR; false when it has no such field. */
bool th_types_field(const th_types *types, th_type_id id, size_t i, th_type_id *out);

/* As a user reads it: "List<i64>", "Function<f64, bool>", "Trip", "i64?". Bounded: beyond a thousand parts "...". */
void th_type_print(const th_types *types, th_type_id id, th_buf *out);
/* Reads the same text (structs, enums and opaques by the name of one already in the table; single capitals are type
** variables; `...` last in a parameter list is handled by the caller). */
th_status th_type_parse(th_types *types, th_view text, th_type_id *out, th_error *err) TH_CHECKED;

#endif
