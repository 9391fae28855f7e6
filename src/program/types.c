/*
** types.c - the table of types: what makes a type, interning, printing and reading the text form.
** Relies on base only. Invariants: (1) a structural type comes after its arguments; (2) structural types are unique;
** (3) no structural nesting is deeper than TH_TYPE_DEPTH, so that recursion over structure is bounded by it.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/types.h"

#include <stdio.h>

typedef struct kind_info {
    const char *text;
    uint8_t cls, bytes;
} kind_info;

static const kind_info kinds[TH_KIND_COUNT] = {
#define TH_KIND(name, number, class_name, text, bytes) [number] = {text, TH_CLASS_##class_name, bytes},
#include "program/types.def"
#undef TH_KIND
};

/* What is asked for in a look-up: the parts of a type that make it what it is. */
typedef struct parts {
    th_kind kind;
    th_view name;
    const th_type_id *args;
    size_t nargs;
    const th_view *names;
    size_t nnames;
} parts;

#define MAX_FIELDS     255
#define MAX_PARAMETERS 250
#define MAX_PRINTED    1000 /* parts of one type text */

const char *th_class_text(th_class cls) {
    static const char *const texts[TH_CLASS_COUNT] = {"none", "i8",  "i16",    "i32",   "i64",  "f32",  "f64",
                                                      "bool", "ptr", "string", "table", "node", "value"};
    return (unsigned)cls < TH_CLASS_COUNT ? texts[cls] : "none";
}

static bool is_nominal(th_kind kind) {
    return kind == TH_KIND_STRUCT || kind == TH_KIND_ENUM || kind == TH_KIND_OPAQUE;
}

static bool is_pointer_class(th_class cls) {
    return cls == TH_CLASS_PTR || cls == TH_CLASS_STRING || cls == TH_CLASS_TABLE || cls == TH_CLASS_NODE;
}

/* ---- Interning ---------------------------------------------------------------------------------------------- */

static uint64_t hash_parts(const parts *p) {
    uint64_t h = th_hash_bytes(p->name.data, p->name.len, 17 + (uint64_t)p->kind);
    h = th_hash_bytes(p->args, p->nargs * sizeof(th_type_id), h);
    for (size_t i = 0; i < p->nnames; i++) h = th_hash_bytes(p->names[i].data, p->names[i].len, h);
    return h;
}

static bool same_names(const th_type *t, const th_view *names, size_t nnames) {
    if (t->nnames != nnames) return false;
    for (size_t i = 0; i < nnames; i++)
        if (!th_view_eq(th_view_str(t->names[i]), names[i])) return false;
    return true;
}

static bool same_name(const th_type *t, th_view name) {
    return t->name ? th_view_eq(th_view_str(t->name), name) : name.len == 0;
}

static bool same_parts(const th_type *t, const parts *p) {
    return t->kind == p->kind && t->nargs == p->nargs && same_name(t, p->name) &&
           (p->nargs == 0 || memcmp(t->args, p->args, p->nargs * sizeof(th_type_id)) == 0) &&
           same_names(t, p->names, p->nnames);
}

static bool look_up(const th_types *types, const parts *p, uint64_t hash, th_type_id *out) {
    if (types->index_capacity == 0) return false;
    size_t mask = types->index_capacity - 1;
    for (size_t i = hash & mask; types->index[i] != 0; i = (i + 1) & mask) {
        if (same_parts(&types->items[types->index[i] - 1], p)) {
            *out = types->index[i] - 1;
            return true;
        }
    }
    return false;
}

static uint64_t hash_type(const th_type *t) {
    uint64_t h = th_hash_bytes(t->name ? t->name->bytes : NULL, t->name ? t->name->len : 0, 17 + (uint64_t)t->kind);
    h = th_hash_bytes(t->args, t->nargs * sizeof(th_type_id), h);
    for (size_t i = 0; i < t->nnames; i++) h = th_hash_bytes(t->names[i]->bytes, t->names[i]->len, h);
    return h;
}

static void index_put(th_types *types, uint64_t hash, th_type_id id) {
    size_t mask = types->index_capacity - 1, i = hash & mask;
    while (types->index[i] != 0) i = (i + 1) & mask;
    types->index[i] = id + 1;
}

/* Keeps the index at most half full with `types->len + 1` entries. */
static th_status index_reserve(th_types *types) {
    if ((types->len + 1) * 2 <= types->index_capacity) return TH_OK;
    size_t capacity = types->index_capacity ? types->index_capacity * 2 : 64;
    uint32_t *index = th_mem_zeroed(types->mem, capacity * sizeof *index);
    if (index == NULL) return TH_E_NOMEM;
    th_mem_free(types->mem, types->index, types->index_capacity * sizeof *index);
    types->index = index;
    types->index_capacity = capacity;
    for (size_t i = 0; i < types->len; i++)
        if (!types->items[i].open) index_put(types, hash_type(&types->items[i]), (th_type_id)i);
    return TH_OK;
}

static th_str *copy_name(th_types *types, th_view name) {
    if (name.len > TH_STR_MAX) return NULL;
    th_str *s = th_arena_new(&types->arena, sizeof(th_str) + name.len + 1);
    if (s == NULL) return NULL;
    s->len = (uint32_t)name.len;
    if (name.len) memcpy(s->bytes, name.data, name.len);
    s->bytes[name.len] = 0;
    return s;
}

/* ---- What makes a type -------------------------------------------------------------------------------------- */

/* An argument that a register or a slot can hold. */
static bool is_value(const th_types *types, th_type_id id) {
    return id < types->len && types->items[id].kind != TH_KIND_VOID;
}

static bool all_values(const th_types *types, const th_type_id *args, size_t nargs) {
    for (size_t i = 0; i < nargs; i++)
        if (!is_value(types, args[i])) return false;
    return true;
}

static bool is_key(const th_types *types, th_type_id id) {
    switch (types->items[id].kind) {
    case TH_KIND_I8:
    case TH_KIND_I16:
    case TH_KIND_I32:
    case TH_KIND_I64:
    case TH_KIND_BOOL:
    case TH_KIND_STRING:
    case TH_KIND_SYMBOL:
    case TH_KIND_ENUM:
    case TH_KIND_TYPE_VARIABLE: return true;
    default: return false;
    }
}

static bool good_function(const th_types *types, const parts *p) {
    return p->nargs >= 1 && p->nargs <= MAX_PARAMETERS + 1 && all_values(types, p->args, p->nargs - 1) &&
           p->args[p->nargs - 1] < types->len;
}

static bool good_table(const th_types *types, const parts *p) {
    if (p->nargs == 0) return true;
    if (p->nargs != 1 || p->args[0] >= types->len) return false;
    uint8_t kind = types->items[p->args[0]].kind;
    return kind == TH_KIND_STRUCT || kind == TH_KIND_TYPE_VARIABLE;
}

/* What an object may hold: no value of dynamic type, so that their collector need not look into typed objects. */
static bool all_fields(const th_types *types, const th_type_id *args, size_t nargs) {
    for (size_t i = 0; i < nargs; i++)
        if (!is_value(types, args[i]) || types->items[args[i]].kind == TH_KIND_VALUE) return false;
    return true;
}

/* Whether the parts make a type; names are allowed where a kind has them only. */
static bool good_parts(const th_types *types, const parts *p) {
    bool plain = p->name.len == 0 && p->nnames == 0;
    switch (p->kind) {
    case TH_KIND_LIST:
    case TH_KIND_CELL: return plain && p->nargs == 1 && all_fields(types, p->args, 1);
    case TH_KIND_OPTION:
        return plain && p->nargs == 1 && all_fields(types, p->args, 1) &&
               types->items[p->args[0]].kind != TH_KIND_OPTION;
    case TH_KIND_DICT: return plain && p->nargs == 2 && all_fields(types, p->args, 2) && is_key(types, p->args[0]);
    case TH_KIND_TUPLE: return plain && p->nargs >= 1 && p->nargs <= MAX_FIELDS && all_fields(types, p->args, p->nargs);
    case TH_KIND_VARIANT:
        return plain && p->nargs >= 2 && p->nargs <= MAX_FIELDS && all_fields(types, p->args, p->nargs);
    case TH_KIND_FUNCTION: return plain && good_function(types, p);
    case TH_KIND_TABLE: return plain && good_table(types, p);
    case TH_KIND_STRUCT:
        return p->name.len > 0 && p->nargs <= MAX_FIELDS && p->nnames == p->nargs &&
               all_fields(types, p->args, p->nargs);
    case TH_KIND_ENUM: return p->name.len > 0 && p->nargs == 0 && p->nnames >= 1 && p->nnames <= UINT32_MAX;
    case TH_KIND_OPAQUE:
    case TH_KIND_TYPE_VARIABLE: return p->name.len > 0 && p->nargs == 0 && p->nnames == 0;
    case TH_KIND_ERROR: /* its fields are known to all, see object.h */
    default: return plain && p->nargs == 0 && (unsigned)p->kind < TH_KIND_COUNT;
    }
}

static uint8_t class_of(const th_types *types, const parts *p) {
    if (p->kind != TH_KIND_OPTION) return kinds[p->kind].cls;
    th_class inner = th_types_class(types, p->args[0]);
    return (uint8_t)(is_pointer_class(inner) ? inner : TH_CLASS_PTR);
}

/* Fills what follows from the kind and the arguments. */
static void derive(const th_types *types, const parts *p, th_type *t) {
    t->kind = (uint8_t)p->kind;
    t->cls = class_of(types, p);
    t->bytes = kinds[p->kind].bytes;
    t->pointers = is_pointer_class(t->cls);
    t->generic = p->kind == TH_KIND_TYPE_VARIABLE;
    t->depth = 1;
    for (size_t i = 0; i < p->nargs; i++) {
        const th_type *arg = &types->items[p->args[i]];
        if (arg->generic) t->generic = true;
        if (!is_nominal(p->kind) && arg->depth >= t->depth) t->depth = (uint8_t)(arg->depth + 1);
    }
}

/* Copies arguments and names into the arena. */
static th_status copy_parts(th_types *types, const parts *p, th_type *t) {
    t->nargs = (uint32_t)p->nargs;
    t->nnames = (uint32_t)p->nnames;
    if (p->nargs > 0) {
        t->args = th_arena_copy(&types->arena, p->args, p->nargs * sizeof(th_type_id));
        if (t->args == NULL) return TH_E_NOMEM;
    }
    if (p->nnames == 0) return TH_OK;
    const th_str **names = th_arena_new(&types->arena, p->nnames * sizeof *names);
    if (names == NULL) return TH_E_NOMEM;
    for (size_t i = 0; i < p->nnames; i++)
        if ((names[i] = copy_name(types, p->names[i])) == NULL) return TH_E_NOMEM;
    t->names = names;
    return TH_OK;
}

/* Room for one more in the items and in the index. */
static th_status reserve_one(th_types *types) {
    if (types->len >= UINT32_MAX / 2) return TH_E_LIMIT;
    TH_TRY(th_mem_grow(types->mem, (void **)&types->items, &types->capacity, types->len + 1, sizeof(th_type)));
    return index_reserve(types);
}

/* ---- The public face of the table --------------------------------------------------------------------------- */

bool th_types_find(const th_types *types, th_kind kind, th_view name, const th_type_id *args, size_t nargs,
                   const th_view *names, size_t nnames, th_type_id *out) {
    parts p = {kind, name, args, nargs, names, nnames};
    return look_up(types, &p, hash_parts(&p), out);
}

th_status th_types_add(th_types *types, th_kind kind, th_view name, const th_type_id *args, size_t nargs,
                       const th_view *names, size_t nnames, th_type_id *out) {
    parts p = {kind, name, args, nargs, names, nnames};
    uint64_t hash = hash_parts(&p);
    if (look_up(types, &p, hash, out)) return TH_OK;
    if (!good_parts(types, &p)) return TH_E_ARGUMENT;
    th_type t = {0};
    derive(types, &p, &t);
    if (t.depth > TH_TYPE_DEPTH) return TH_E_LIMIT;
    if (kind == TH_KIND_STRUCT && t.generic) return TH_E_ARGUMENT;
    if (name.len > 0 && (t.name = copy_name(types, name)) == NULL) return TH_E_NOMEM;
    TH_TRY(copy_parts(types, &p, &t));
    TH_TRY(reserve_one(types));
    th_type_id id = (th_type_id)types->len;
    types->items[types->len++] = t;
    index_put(types, hash, id);
    *out = id;
    return TH_OK;
}

bool th_types_find_named(const th_types *types, th_view name, th_type_id *out) {
    for (size_t i = 0; i < types->len; i++) {
        if (!is_nominal(types->items[i].kind) || !same_name(&types->items[i], name)) continue;
        *out = (th_type_id)i;
        return true;
    }
    return false;
}

th_status th_types_declare(th_types *types, th_kind kind, th_view name, th_type_id *out) {
    if ((kind != TH_KIND_STRUCT && kind != TH_KIND_ENUM) || name.len == 0) return TH_E_ARGUMENT;
    parts p = {kind, name, NULL, 0, NULL, 0};
    th_type t = {0};
    derive(types, &p, &t);
    t.open = true;
    if ((t.name = copy_name(types, name)) == NULL) return TH_E_NOMEM;
    TH_TRY(reserve_one(types));
    *out = (th_type_id)types->len;
    types->items[types->len++] = t;
    return TH_OK;
}

th_status th_types_define(th_types *types, th_type_id id, const th_type_id *args, size_t nargs, const th_view *names,
                          size_t nnames) {
    if (id >= types->len || !types->items[id].open) return TH_E_ARGUMENT;
    th_type t = types->items[id];
    parts p = {(th_kind)t.kind, th_view_str(t.name), args, nargs, names, nnames};
    if (!good_parts(types, &p)) return TH_E_ARGUMENT;
    derive(types, &p, &t);
    if (t.generic) return TH_E_ARGUMENT;
    TH_TRY(copy_parts(types, &p, &t));
    TH_TRY(index_reserve(types));
    t.open = false;
    types->items[id] = t;
    index_put(types, hash_type(&t), id);
    return TH_OK;
}

static th_status add_fixed(th_types *types) {
    static const uint8_t fixed[TH_TYPE_FIRST_FREE] = {
        [TH_TYPE_VOID] = TH_KIND_VOID,     [TH_TYPE_I8] = TH_KIND_I8,       [TH_TYPE_I16] = TH_KIND_I16,
        [TH_TYPE_I32] = TH_KIND_I32,       [TH_TYPE_I64] = TH_KIND_I64,     [TH_TYPE_F32] = TH_KIND_F32,
        [TH_TYPE_F64] = TH_KIND_F64,       [TH_TYPE_BOOL] = TH_KIND_BOOL,   [TH_TYPE_STRING] = TH_KIND_STRING,
        [TH_TYPE_SYMBOL] = TH_KIND_SYMBOL, [TH_TYPE_ERROR] = TH_KIND_ERROR, [TH_TYPE_VALUE] = TH_KIND_VALUE,
    };
    for (size_t i = 0; i < TH_TYPE_FIRST_FREE; i++) {
        th_type_id id;
        TH_TRY(th_types_add(types, (th_kind)fixed[i], (th_view){0}, NULL, 0, NULL, 0, &id));
    }
    return TH_OK;
}

th_status th_types_init(th_types *types, th_mem *mem) {
    memset(types, 0, sizeof *types);
    types->mem = mem;
    th_arena_init(&types->arena, mem);
    th_status status = add_fixed(types);
    if (status != TH_OK) th_types_clear(types);
    return status;
}

void th_types_clear(th_types *types) {
    if (types->mem == NULL) return;
    th_arena_clear(&types->arena);
    th_mem_free(types->mem, types->items, types->capacity * sizeof(th_type));
    th_mem_free(types->mem, types->index, types->index_capacity * sizeof(uint32_t));
    types->items = NULL;
    types->index = NULL;
    types->len = types->capacity = types->index_capacity = 0;
}

th_status th_types_list(th_types *types, th_type_id element, th_type_id *out) {
    return th_types_add(types, TH_KIND_LIST, (th_view){0}, &element, 1, NULL, 0, out);
}

th_status th_types_dict(th_types *types, th_type_id key, th_type_id value, th_type_id *out) {
    th_type_id args[2] = {key, value};
    return th_types_add(types, TH_KIND_DICT, (th_view){0}, args, 2, NULL, 0, out);
}

th_status th_types_option(th_types *types, th_type_id of, th_type_id *out) {
    if (of < types->len && types->items[of].kind == TH_KIND_OPTION) {
        *out = of;
        return TH_OK;
    }
    return th_types_add(types, TH_KIND_OPTION, (th_view){0}, &of, 1, NULL, 0, out);
}

th_status th_types_function(th_types *types, const th_type_id *params, size_t nparams, th_type_id result,
                            th_type_id *out) {
    th_type_id args[MAX_PARAMETERS + 1];
    if (nparams > MAX_PARAMETERS) return TH_E_LIMIT;
    if (nparams > 0) memcpy(args, params, nparams * sizeof *args);
    args[nparams] = result;
    return th_types_add(types, TH_KIND_FUNCTION, (th_view){0}, args, nparams + 1, NULL, 0, out);
}

bool th_types_field(const th_types *types, th_type_id id, size_t i, th_type_id *out) {
    /* kind, message, file, line, column, trace */
    static const uint8_t error_fields[] = {TH_TYPE_STRING, TH_TYPE_STRING, TH_TYPE_STRING,
                                           TH_TYPE_I64,    TH_TYPE_I64,    TH_TYPE_STRING};
    const th_type *t = &types->items[id];
    switch (t->kind) {
    case TH_KIND_STRUCT:
    case TH_KIND_TUPLE:
    case TH_KIND_CELL:
        if (i >= t->nargs) return false;
        *out = t->args[i];
        return true;
    case TH_KIND_ERROR:
        if (i >= TH_COUNT(error_fields)) return false;
        *out = error_fields[i];
        return true;
    default: return false;
    }
}

/* ---- Bringing one table into another ------------------------------------------------------------------------ */

#define NOWHERE UINT32_MAX

/* The next type at or after `id` that could be the nominal `t`: same kind, name and member names. */
static th_type_id next_candidate(const th_types *types, th_type_id id, const th_type *t) {
    for (; id < types->len; id++) {
        const th_type *c = &types->items[id];
        if (c->kind != t->kind || c->open || c->nargs != t->nargs || c->nnames != t->nnames ||
            !th_view_eq(th_view_str(c->name), th_view_str(t->name)))
            continue;
        bool same = true;
        for (size_t i = 0; i < t->nnames && same; i++)
            same = th_view_eq(th_view_str(c->names[i]), th_view_str(t->names[i]));
        if (same) return id;
    }
    return NOWHERE;
}

/* Maps arguments; false when one has no counterpart. */
static bool map_args(const th_type *t, const th_type_id *map, th_type_id args[]) {
    for (size_t i = 0; i < t->nargs; i++)
        if ((args[i] = map[t->args[i]]) == NOWHERE) return false;
    return true;
}

static th_view name_of(const th_type *t) { return t->name ? th_view_str(t->name) : (th_view){0}; }

/* Finds the structural types under the present guess for the nominal ones. */
static void map_structural(const th_types *types, const th_types *from, th_type_id *map) {
    th_type_id args[MAX_FIELDS];
    for (size_t i = 0; i < from->len; i++) {
        const th_type *t = &from->items[i];
        if (is_nominal(t->kind)) continue;
        if (!map_args(t, map, args) || !th_types_find(types, t->kind, name_of(t), args, t->nargs, NULL, 0, &map[i]))
            map[i] = NOWHERE;
    }
}

/* Drops guesses that the fields refute; true when there was one, and all has to be looked at again. */
static bool refute(const th_types *types, const th_types *from, th_type_id *map) {
    th_type_id args[MAX_FIELDS];
    bool changed = false;
    for (size_t i = 0; i < from->len; i++) {
        const th_type *t = &from->items[i];
        if (!is_nominal(t->kind) || map[i] == NOWHERE) continue;
        if (map_args(t, map, args) &&
            (t->nargs == 0 || memcmp(args, types->items[map[i]].args, t->nargs * sizeof *args) == 0))
            continue;
        map[i] = next_candidate(types, map[i] + 1, t);
        changed = true;
    }
    return changed;
}

static th_status define_from(th_types *types, const th_type *t, const th_type_id *map, th_type_id id) {
    th_type_id args[MAX_FIELDS];
    if (!map_args(t, map, args)) return TH_E_ARGUMENT;
    th_view *names = NULL;
    if (t->nnames > 0 && (names = th_mem_new(types->mem, t->nnames * sizeof *names)) == NULL) return TH_E_NOMEM;
    for (size_t i = 0; i < t->nnames; i++) names[i] = th_view_str(t->names[i]);
    th_status status = th_types_define(types, id, args, t->nargs, names, t->nnames);
    th_mem_free(types->mem, names, t->nnames * sizeof *names);
    return status;
}

/* Adds what found no equal: names first, then structure, then the fields of the names. */
static th_status add_missing(th_types *types, const th_types *from, th_type_id *map) {
    th_type_id args[MAX_FIELDS];
    size_t old_len = types->len;
    for (size_t i = 0; i < from->len; i++) {
        const th_type *t = &from->items[i];
        if (map[i] != NOWHERE) continue;
        if (t->kind == TH_KIND_STRUCT || t->kind == TH_KIND_ENUM)
            TH_TRY(th_types_declare(types, t->kind, name_of(t), &map[i]));
        else if (t->kind == TH_KIND_OPAQUE)
            TH_TRY(th_types_add(types, t->kind, name_of(t), NULL, 0, NULL, 0, &map[i]));
    }
    for (size_t i = 0; i < from->len; i++) {
        const th_type *t = &from->items[i];
        if (map[i] != NOWHERE) continue;
        if (!map_args(t, map, args)) return TH_E_ARGUMENT; /* breaks invariant 1 */
        TH_TRY(th_types_add(types, t->kind, name_of(t), args, t->nargs, NULL, 0, &map[i]));
    }
    for (size_t i = 0; i < from->len; i++)
        if (map[i] >= old_len && types->items[map[i]].open) TH_TRY(define_from(types, &from->items[i], map, map[i]));
    return TH_OK;
}

th_status th_types_import(th_types *types, const th_types *from, th_type_id *map) {
    for (size_t i = 0; i < from->len; i++) {
        const th_type *t = &from->items[i];
        if (t->open) return TH_E_ARGUMENT;
        map[i] = is_nominal(t->kind) ? next_candidate(types, 0, t) : NOWHERE;
    }
    /* Guess that names mean the same and let the fields refute it: so recursive structs find their equals. */
    do map_structural(types, from, map);
    while (refute(types, from, map));
    return add_missing(types, from, map);
}

/* ---- Text --------------------------------------------------------------------------------------------------- */

static void print_type(const th_types *types, th_type_id id, size_t *budget, th_buf *out);

static void print_args(const th_types *types, const th_type *t, size_t *budget, th_buf *out) {
    for (size_t i = 0; i < t->nargs; i++) {
        if (i > 0) th_buf_text(out, ", ");
        print_type(types, t->args[i], budget, out);
        if (*budget > 0 || i + 1 == t->nargs) continue;
        th_buf_text(out, ", ...");
        return;
    }
}

/* Recursion is bounded by invariant 3, the length of the text by the budget. */
static void print_type(const th_types *types, th_type_id id, size_t *budget, th_buf *out) {
    if (id >= types->len || *budget == 0) {
        th_buf_text(out, "...");
        return;
    }
    --*budget;
    const th_type *t = &types->items[id];
    if (t->name != NULL) {
        th_buf_put(out, t->name->bytes, t->name->len);
    } else if (t->kind == TH_KIND_OPTION) {
        print_type(types, t->args[0], budget, out);
        th_buf_char(out, '?');
    } else {
        th_buf_text(out, kinds[t->kind].text);
        if (t->nargs == 0) return;
        th_buf_char(out, '<');
        print_args(types, t, budget, out);
        th_buf_char(out, '>');
    }
}

void th_type_print(const th_types *types, th_type_id id, th_buf *out) {
    size_t budget = MAX_PRINTED;
    print_type(types, id, &budget, out);
}

typedef struct reader {
    th_types *types;
    th_view text;
    size_t at;
    th_error *err;
} reader;

static th_status syntax(const reader *r, const char *what) {
    int len = r->text.len > 200 ? 200 : (int)r->text.len;
    th_span span = {1, (uint32_t)r->at + 1, 1, (uint32_t)r->at + 2};
    return th_fail_at(r->err, TH_E_SYNTAX, NULL, span, "in the type '%.*s', at column %zu: %s", len, r->text.data,
                      r->at + 1, what);
}

static void skip_spaces(reader *r) {
    while (r->at < r->text.len && (r->text.data[r->at] == ' ' || r->text.data[r->at] == '\t')) r->at++;
}

static bool take_char(reader *r, char c) {
    skip_spaces(r);
    if (r->at >= r->text.len || r->text.data[r->at] != c) return false;
    r->at++;
    return true;
}

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           (unsigned char)c >= 0x80;
}

static th_view take_name(reader *r) {
    skip_spaces(r);
    size_t start = r->at;
    while (r->at < r->text.len && is_name_char(r->text.data[r->at])) r->at++;
    return (th_view){r->text.data + start, r->at - start};
}

/* The kind whose text this is, for kinds that are written by their text; -1 for none. */
static int kind_named(th_view name) {
    for (int k = 0; k < TH_KIND_COUNT; k++) {
        if (is_nominal((th_kind)k) || k == TH_KIND_TYPE_VARIABLE) continue;
        if (th_view_is(name, kinds[k].text)) return k;
    }
    return -1;
}

static th_status read_type(reader *r, unsigned depth, th_type_id *out);

/* The arguments between angle brackets, if there are any. */
static th_status read_args(reader *r, unsigned depth, th_type_id args[], size_t *nargs) {
    *nargs = 0;
    if (!take_char(r, '<')) return TH_OK;
    do {
        if (*nargs == MAX_FIELDS) return syntax(r, "too many arguments");
        TH_TRY(read_type(r, depth + 1, &args[*nargs]));
        ++*nargs;
    } while (take_char(r, ','));
    return take_char(r, '>') ? TH_OK : syntax(r, "expected ',' or '>'");
}

static th_status read_kind(reader *r, th_kind kind, unsigned depth, th_type_id *out) {
    th_type_id args[MAX_FIELDS];
    size_t nargs;
    TH_TRY(read_args(r, depth, args, &nargs));
    if (kind == TH_KIND_OPTION && nargs == 1) return th_types_option(r->types, args[0], out);
    th_status status = th_types_add(r->types, kind, (th_view){0}, args, nargs, NULL, 0, out);
    if (status == TH_E_ARGUMENT) {
        char what[80];
        snprintf(what, sizeof what, "these arguments do not fit %s", kinds[kind].text);
        return syntax(r, what);
    }
    return status;
}

static th_status read_named(reader *r, th_view name, th_type_id *out) {
    if (th_types_find_named(r->types, name, out)) return TH_OK;
    if (name.len == 1 && name.data[0] >= 'A' && name.data[0] <= 'Z')
        return th_types_add(r->types, TH_KIND_TYPE_VARIABLE, name, NULL, 0, NULL, 0, out);
    return syntax(r, "there is no type of this name");
}

/* Recursion is bounded by `depth`. */
static th_status read_type(reader *r, unsigned depth, th_type_id *out) {
    if (depth > TH_TYPE_DEPTH) return syntax(r, "types nest too deeply here");
    th_view name = take_name(r);
    if (name.len == 0) return syntax(r, "expected a type");
    int kind = kind_named(name);
    th_type_id id = 0;
    if (kind >= 0)
        TH_TRY(read_kind(r, (th_kind)kind, depth, &id));
    else
        TH_TRY(read_named(r, name, &id));
    while (take_char(r, '?')) {
        if (id == TH_TYPE_VOID || id == TH_TYPE_VALUE || th_types_kind(r->types, id) == TH_KIND_OPTION)
            return syntax(r, "this type cannot be made optional");
        TH_TRY(th_types_option(r->types, id, &id));
    }
    *out = id;
    return TH_OK;
}

th_status th_type_parse(th_types *types, th_view text, th_type_id *out, th_error *err) {
    reader r = {types, text, 0, err};
    th_type_id id;
    th_status status = read_type(&r, 0, &id);
    if (status == TH_E_LIMIT) return th_fail(err, status, "the type nests too deeply");
    if (status == TH_E_NOMEM) return th_fail(err, status, "out of memory");
    TH_TRY(status);
    skip_spaces(&r);
    if (r.at < text.len) return syntax(&r, "unexpected text after the type");
    *out = id;
    return TH_OK;
}
