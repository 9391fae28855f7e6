/*
** builder.c - collects the parts of a program and writes the FlatBuffer.
** Relies on emit.c for the bodies of functions and on flat for the format. The same calls give the same bytes.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/build.h"

#include <stdio.h>

#include "flat/flat.h"
#include "program/types_io.h"
#include "program_flat.h"

/* An open-addressed table from contents to an index: a slot is index + 1, 0 empty; the user compares contents. */
typedef struct intern {
    uint32_t *slots;
    uint32_t *hashes;
    size_t capacity, count;
} intern;

typedef struct constant {
    uint64_t bits;
    th_class cls;
} constant;

typedef struct named {
    th_view name;
    uint32_t type; /* or the function, of an export */
} named;

typedef struct fn_def {
    th_view name;
    th_type_id type;
    th_fn_builder *body;
} fn_def;

typedef struct source_def {
    th_view name, text;
} source_def;

typedef struct shape_def {
    const uint32_t *names;
    const th_span *positions; /* or NULL */
    size_t count;
    uint32_t source;
} shape_def;

struct th_builder {
    th_mem *mem;
    th_arena arena;
    th_types types;
    th_view name;
    th_status status;
    th_error error;
    fn_def *functions;
    size_t nfunctions, functions_capacity;
    constant *constants;
    size_t nconstants, constants_capacity;
    intern constant_index;
    th_view *strings;
    size_t nstrings, strings_capacity;
    intern string_index;
    named *globals;
    size_t nglobals, globals_capacity;
    named *imports;
    size_t nimports, imports_capacity;
    intern import_index;
    named *exports;
    size_t nexports, exports_capacity;
    intern export_index;
    source_def *sources;
    size_t nsources, sources_capacity;
    uint32_t start; /* index + 1 */
    uint32_t *sites;
    size_t nsites, sites_capacity;
    shape_def *shapes;
    size_t nshapes, shapes_capacity;
};

/* ---- Failure and memory ------------------------------------------------------------------------------------- */

th_status th_builder_fail(th_builder *b, th_status status, const char *format, ...) {
    if (b->status != TH_OK) return b->status;
    b->status = status;
    b->error = (th_error){.code = status};
    va_list args;
    va_start(args, format);
    vsnprintf(b->error.message, sizeof b->error.message, format, args);
    va_end(args);
    return status;
}

static th_status no_memory(th_builder *b) { return th_builder_fail(b, TH_E_NOMEM, "out of memory"); }

th_status th_builder_status(const th_builder *b) { return b->status; }

const char *th_builder_message(const th_builder *b) { return b->error.message; }

th_arena *th_builder_arena(th_builder *b) { return &b->arena; }

th_view th_builder_fn_name(const th_builder *b, uint32_t function) { return b->functions[function].name; }

bool th_builder_grow(th_builder *b, void **array, size_t *capacity, size_t needed, size_t item_bytes) {
    if (b->status != TH_OK) return false;
    if (needed <= *capacity) return true;
    size_t grown = *capacity ? *capacity : 8;
    while (grown < needed) grown *= 2;
    if (grown > UINT32_MAX) return th_builder_fail(b, TH_E_LIMIT, "the program has too many parts"), false;
    void *copy = th_arena_new(&b->arena, grown * item_bytes);
    if (copy == NULL) return no_memory(b), false;
    if (*capacity > 0) memcpy(copy, *array, *capacity * item_bytes);
    *array = copy;
    *capacity = grown;
    return true;
}

static bool copy_text(th_builder *b, th_view text, th_view *out) {
    if (text.len > TH_STR_MAX) return th_builder_fail(b, TH_E_LIMIT, "a text is too long"), false;
    char *copy = th_arena_text(&b->arena, text.data, text.len);
    if (copy == NULL) return no_memory(b), false;
    *out = (th_view){copy, text.len};
    return true;
}

static int shown(th_view name) { return name.len > 200 ? 200 : (int)name.len; }

/* ---- Interning ---------------------------------------------------------------------------------------------- */

typedef bool (*same_fn)(const th_builder *b, uint32_t index, const void *wanted);

static bool intern_find(const th_builder *b, const intern *table, uint64_t hash, same_fn same, const void *wanted,
                        uint32_t *index) {
    if (table->capacity == 0) return false;
    size_t mask = table->capacity - 1;
    for (size_t i = hash & mask; table->slots[i] != 0; i = (i + 1) & mask) {
        if (table->hashes[i] != (uint32_t)(hash >> 32) || !same(b, table->slots[i] - 1, wanted)) continue;
        *index = table->slots[i] - 1;
        return true;
    }
    return false;
}

static void intern_insert(intern *table, uint64_t hash, uint32_t index) {
    size_t mask = table->capacity - 1, i = hash & mask;
    while (table->slots[i] != 0) i = (i + 1) & mask;
    table->slots[i] = index + 1;
    table->hashes[i] = (uint32_t)(hash >> 32);
    table->count++;
}

/* Hashes are kept in part only; the low bits come from mixing that part again, so that growing needs no contents. */
static uint64_t spread(uint64_t hash) {
    uint64_t high = hash >> 32;
    return high << 32 | (th_hash_word(high) & UINT32_MAX);
}

static bool intern_put(th_builder *b, intern *table, uint64_t hash, uint32_t index) {
    if ((table->count + 1) * 2 > table->capacity) {
        intern grown = {.capacity = table->capacity ? table->capacity * 2 : 64};
        grown.slots = th_arena_zeroed(&b->arena, grown.capacity * sizeof *grown.slots);
        grown.hashes = th_arena_zeroed(&b->arena, grown.capacity * sizeof *grown.hashes);
        if (grown.slots == NULL || grown.hashes == NULL) return no_memory(b), false;
        for (size_t i = 0; i < table->capacity; i++)
            if (table->slots[i] != 0)
                intern_insert(&grown, spread((uint64_t)table->hashes[i] << 32), table->slots[i] - 1);
        *table = grown;
    }
    intern_insert(table, hash, index);
    return true;
}

/* ---- Life --------------------------------------------------------------------------------------------------- */

th_status th_builder_new(th_mem *mem, th_view name, th_builder **out) {
    th_builder *b = th_mem_zeroed(mem, sizeof *b);
    if (b == NULL) return TH_E_NOMEM;
    b->mem = mem;
    th_arena_init(&b->arena, mem);
    th_status status = th_types_init(&b->types, mem);
    if (status == TH_OK && !copy_text(b, name, &b->name)) status = b->status;
    if (status != TH_OK) {
        th_builder_free(b);
        return status;
    }
    *out = b;
    return TH_OK;
}

th_status th_builder_rename(th_builder *b, th_view name) {
    TH_TRY(b->status);
    copy_text(b, name, &b->name);
    return b->status;
}

void th_builder_free(th_builder *b) {
    if (b == NULL) return;
    th_types_clear(&b->types);
    th_arena_clear(&b->arena);
    th_mem_free(b->mem, b, sizeof *b);
}

th_types *th_builder_types(th_builder *b) { return &b->types; }

/* ---- Constants and strings ---------------------------------------------------------------------------------- */

static bool same_constant(const th_builder *b, uint32_t index, const void *wanted) {
    const constant *c = wanted;
    return b->constants[index].bits == c->bits && b->constants[index].cls == c->cls;
}

static th_status add_constant(th_builder *b, constant c, uint32_t *index) {
    TH_TRY(b->status);
    uint64_t hash = spread(th_hash_word(c.bits + (uint64_t)c.cls * 0x9e3779b97f4a7c15u));
    if (intern_find(b, &b->constant_index, hash, same_constant, &c, index)) return TH_OK;
    if (!th_builder_grow(b, (void **)&b->constants, &b->constants_capacity, b->nconstants + 1, sizeof c) ||
        !intern_put(b, &b->constant_index, hash, (uint32_t)b->nconstants))
        return b->status;
    b->constants[b->nconstants] = c;
    *index = (uint32_t)b->nconstants++;
    return TH_OK;
}

th_status th_builder_i64(th_builder *b, int64_t value, uint32_t *index) {
    return add_constant(b, (constant){(uint64_t)value, TH_CLASS_I64}, index);
}

/* There is one NaN, so that a run does not depend on where a constant came from. */
th_status th_builder_f64(th_builder *b, double value, uint32_t *index) {
    uint64_t bits = 0x7ff8000000000000u;
    if (value == value) memcpy(&bits, &value, sizeof value);
    return add_constant(b, (constant){bits, TH_CLASS_F64}, index);
}

th_status th_builder_f32(th_builder *b, float value, uint32_t *index) {
    uint32_t bits = 0x7fc00000u;
    if (value == value) memcpy(&bits, &value, sizeof value);
    return add_constant(b, (constant){bits, TH_CLASS_F32}, index);
}

static bool same_string(const th_builder *b, uint32_t index, const void *wanted) {
    return th_view_eq(b->strings[index], *(const th_view *)wanted);
}

th_status th_builder_string(th_builder *b, th_view text, uint32_t *index) {
    TH_TRY(b->status);
    uint64_t hash = spread(th_hash_bytes(text.data, text.len, 0));
    if (intern_find(b, &b->string_index, hash, same_string, &text, index)) return TH_OK;
    th_view copy;
    if (!copy_text(b, text, &copy) ||
        !th_builder_grow(b, (void **)&b->strings, &b->strings_capacity, b->nstrings + 1, sizeof copy) ||
        !intern_put(b, &b->string_index, hash, (uint32_t)b->nstrings))
        return b->status;
    b->strings[b->nstrings] = copy;
    *index = (uint32_t)b->nstrings++;
    return TH_OK;
}

/* ---- Globals, imports, exports, sources --------------------------------------------------------------------- */

static th_status add_named(th_builder *b, named **array, size_t *len, size_t *capacity, named item, uint32_t *index) {
    if (*len >= TH_MAX_INDEX)
        return th_builder_fail(b, TH_E_LIMIT, "the program has more than %u globals, imports or exports", TH_MAX_INDEX);
    if (!copy_text(b, item.name, &item.name) || !th_builder_grow(b, (void **)array, capacity, *len + 1, sizeof item))
        return b->status;
    (*array)[*len] = item;
    if (index != NULL) *index = (uint32_t)*len;
    ++*len;
    return TH_OK;
}

static bool is_concrete(const th_builder *b, th_type_id type) {
    return type < b->types.len && !b->types.items[type].generic;
}

th_status th_builder_global(th_builder *b, th_view name, th_type_id type, uint32_t *index) {
    TH_TRY(b->status);
    if (!is_concrete(b, type) || type == TH_TYPE_VOID)
        return th_builder_fail(b, TH_E_ARGUMENT, "global \"%.*s\" has no type that a value can have", shown(name),
                               name.data);
    return add_named(b, &b->globals, &b->nglobals, &b->globals_capacity, (named){name, type}, index);
}

static bool same_import(const th_builder *b, uint32_t index, const void *wanted) {
    const named *n = wanted;
    return b->imports[index].type == n->type && th_view_eq(b->imports[index].name, n->name);
}

static bool is_signature(const th_builder *b, th_type_id type) {
    return is_concrete(b, type) && b->types.items[type].kind == TH_KIND_FUNCTION;
}

th_status th_builder_import(th_builder *b, th_view name, th_type_id type, uint32_t *index) {
    TH_TRY(b->status);
    named wanted = {name, type};
    uint64_t hash = spread(th_hash_bytes(name.data, name.len, type));
    if (intern_find(b, &b->import_index, hash, same_import, &wanted, index)) return TH_OK;
    if (!is_signature(b, type))
        return th_builder_fail(b, TH_E_ARGUMENT, "import \"%.*s\" has no function type without variables", shown(name),
                               name.data);
    uint32_t added;
    TH_TRY(add_named(b, &b->imports, &b->nimports, &b->imports_capacity, wanted, &added));
    if (!intern_put(b, &b->import_index, hash, added)) return b->status;
    *index = added;
    return TH_OK;
}

static bool same_export(const th_builder *b, uint32_t index, const void *wanted) {
    return th_view_eq(b->exports[index].name, *(const th_view *)wanted);
}

th_status th_builder_export(th_builder *b, th_view name, uint32_t function) {
    TH_TRY(b->status);
    uint32_t index;
    uint64_t hash = spread(th_hash_bytes(name.data, name.len, 1));
    if (intern_find(b, &b->export_index, hash, same_export, &name, &index))
        return th_builder_fail(b, TH_E_ARGUMENT, "\"%.*s\" is exported twice", shown(name), name.data);
    TH_TRY(add_named(b, &b->exports, &b->nexports, &b->exports_capacity, (named){name, function}, &index));
    intern_put(b, &b->export_index, hash, index);
    return b->status;
}

th_status th_builder_source(th_builder *b, th_view name, th_view text, uint32_t *index) {
    TH_TRY(b->status);
    source_def def;
    if (!copy_text(b, name, &def.name) || !copy_text(b, text, &def.text) ||
        !th_builder_grow(b, (void **)&b->sources, &b->sources_capacity, b->nsources + 1, sizeof def))
        return b->status;
    b->sources[b->nsources] = def;
    *index = (uint32_t)b->nsources++;
    return TH_OK;
}

th_status th_builder_start(th_builder *b, uint32_t function) {
    TH_TRY(b->status);
    b->start = function + 1;
    return TH_OK;
}

/* ---- Sites and shapes --------------------------------------------------------------------------------------- */

uint32_t th_builder_nstrings(const th_builder *b) { return (uint32_t)b->nstrings; }

th_status th_builder_site(th_builder *b, uint32_t name, uint32_t *index) {
    TH_TRY(b->status);
    if (name >= b->nstrings)
        return th_builder_fail(b, TH_E_ARGUMENT, "a site is named by string %u, which is not there", name);
    if (!th_builder_grow(b, (void **)&b->sites, &b->sites_capacity, b->nsites + 1, sizeof *b->sites)) return b->status;
    b->sites[b->nsites] = name;
    *index = (uint32_t)b->nsites++;
    return TH_OK;
}

th_status th_builder_shape(th_builder *b, const uint32_t *names, const th_span *positions, size_t n, uint32_t source,
                           uint32_t *index) {
    TH_TRY(b->status);
    shape_def def = {.count = n, .source = source};
    for (size_t i = 0; i < n; i++)
        if (names[i] >= b->nstrings)
            return th_builder_fail(b, TH_E_ARGUMENT, "a shape has the name of string %u, which is not there", names[i]);
    if (n > 0) {
        def.names = th_arena_copy(&b->arena, names, n * sizeof *names);
        if (positions != NULL) def.positions = th_arena_copy(&b->arena, positions, n * sizeof *positions);
        if (def.names == NULL || (positions != NULL && def.positions == NULL)) return no_memory(b);
    }
    if (!th_builder_grow(b, (void **)&b->shapes, &b->shapes_capacity, b->nshapes + 1, sizeof def)) return b->status;
    b->shapes[b->nshapes] = def;
    *index = (uint32_t)b->nshapes++;
    return TH_OK;
}

bool th_builder_shape_find(const th_builder *b, uint32_t shape, uint32_t name, uint32_t *index) {
    if (shape >= b->nshapes) return false;
    const shape_def *def = &b->shapes[shape];
    for (size_t i = 0; i < def->count; i++)
        if (def->names[i] == name) return *index = (uint32_t)i, true;
    return false;
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

th_status th_builder_declare(th_builder *b, th_view name, th_type_id type, uint32_t *index) {
    TH_TRY(b->status);
    if (!is_signature(b, type))
        return th_builder_fail(b, TH_E_ARGUMENT, "function \"%.*s\" has no function type without variables",
                               shown(name), name.data);
    if (b->nfunctions >= TH_MAX_INDEX)
        return th_builder_fail(b, TH_E_LIMIT, "the program has more than %u functions", TH_MAX_INDEX);
    fn_def def = {.type = type};
    if (!copy_text(b, name, &def.name) ||
        !th_builder_grow(b, (void **)&b->functions, &b->functions_capacity, b->nfunctions + 1, sizeof def))
        return b->status;
    b->functions[b->nfunctions] = def;
    *index = (uint32_t)b->nfunctions++;
    return TH_OK;
}

/* The classes that calls fix: r0, the result, the parameters. */
static void set_frame(const th_builder *b, th_fn_builder *f, th_type_id type) {
    f->classes[0] = TH_CLASS_I64;
    f->classes[1] = (uint8_t)th_types_class(&b->types, th_types_result(&b->types, type));
    f->nregs = 2;
    for (size_t i = 0; i < th_types_nparams(&b->types, type); i++)
        f->classes[f->nregs++] = (uint8_t)th_types_class(&b->types, th_types_param(&b->types, type, i));
}

th_status th_builder_begin(th_builder *b, uint32_t function, const th_type_id *captures, size_t ncaptures,
                           uint32_t source, th_fn_builder **out) {
    TH_TRY(b->status);
    if (function >= b->nfunctions || b->functions[function].body != NULL)
        return th_builder_fail(b, TH_E_ARGUMENT, "function %u is not declared, or has a body already", function);
    for (size_t i = 0; i < ncaptures; i++)
        if (!is_concrete(b, captures[i]) || captures[i] == TH_TYPE_VOID)
            return th_builder_fail(b, TH_E_ARGUMENT, "capture %zu has no type that a value can have", i);
    th_fn_builder *f = th_arena_zeroed(&b->arena, sizeof *f);
    if (f == NULL) return no_memory(b);
    if (ncaptures > 0) {
        f->captures = th_arena_copy(&b->arena, captures, ncaptures * sizeof *captures);
        if (f->captures == NULL) return no_memory(b);
    }
    f->ncaptures = ncaptures;
    f->builder = b;
    f->keep_index.arena = &b->arena;
    f->function = function;
    f->source = source;
    set_frame(b, f, b->functions[function].type);
    b->functions[function].body = f;
    *out = f;
    return TH_OK;
}

/* ---- Writing ------------------------------------------------------------------------------------------------ */

/* A run of refs under construction, in the builder's arena. */
static th_flat_ref *new_refs(th_builder *b, size_t count) {
    th_flat_ref *refs = th_arena_new(&b->arena, (count + 1) * sizeof *refs);
    if (refs == NULL) no_memory(b);
    return refs;
}

static th_flat_ref put_types(th_builder *b, th_flat_builder *fb) {
    th_flat_ref ref = th_types_put(fb, &b->arena, &b->types);
    if (ref == 0 && th_flat_builder_status(fb) == TH_OK) no_memory(b);
    return ref;
}

static th_flat_ref put_handlers(th_flat_builder *fb, const th_fn_builder *f) {
    if (f->nhandlers == 0) return 0;
    void *space;
    th_flat_ref ref = th_flat_put_space(fb, f->nhandlers, sizeof(theta_program_Handler), 4, &space);
    theta_program_Handler *out = space;
    for (size_t i = 0; ref != 0 && i < f->nhandlers; i++) {
        const th_handler *h = &f->handlers[i];
        out[i] = (theta_program_Handler){h->start, h->end, h->target, h->reg, h->depth};
    }
    return ref;
}

static th_flat_ref put_positions(th_flat_builder *fb, const th_fn_builder *f) {
    if (f->npositions == 0) return 0;
    void *space;
    th_flat_ref ref = th_flat_put_space(fb, f->npositions, sizeof(theta_program_Position), 4, &space);
    theta_program_Position *out = space;
    for (size_t i = 0; ref != 0 && i < f->npositions; i++) {
        th_span s = f->positions[i].span;
        out[i] = (theta_program_Position){f->positions[i].pc, s.line, s.column, s.end_line, s.end_column};
    }
    return ref;
}

static th_flat_ref put_keeps(th_builder *b, th_flat_builder *fb, const th_fn_builder *f) {
    th_flat_ref *refs = f->nkeeps ? new_refs(b, f->nkeeps) : NULL;
    if (refs == NULL) return 0;
    for (size_t i = 0; i < f->nkeeps; i++) {
        th_flat_ref registers = theta_program_KeepSet_put_registers(fb, f->keeps[i].regs, f->keeps[i].count);
        th_flat_start(fb, theta_program_KeepSet_nslots);
        theta_program_KeepSet_add_registers(fb, registers);
        refs[i] = th_flat_end(fb);
    }
    return th_flat_put_refs(fb, refs, f->nkeeps);
}

static th_flat_ref put_function(th_builder *b, th_flat_builder *fb, const fn_def *def) {
    const th_fn_builder *f = def->body;
    th_flat_ref positions = put_positions(fb, f);
    th_flat_ref keeps = put_keeps(b, fb, f);
    th_flat_ref handlers = put_handlers(fb, f);
    th_flat_ref code = theta_program_Function_put_code(fb, f->code, f->ncode);
    th_flat_ref captures = f->ncaptures ? theta_program_Function_put_captures(fb, f->captures, f->ncaptures) : 0;
    th_flat_ref registers = theta_program_Function_put_registers(fb, f->classes, f->nregs);
    th_flat_ref name = th_flat_put_view(fb, def->name);
    th_flat_start(fb, theta_program_Function_nslots);
    theta_program_Function_add_name(fb, name);
    theta_program_Function_add_type(fb, def->type);
    theta_program_Function_add_registers(fb, registers);
    theta_program_Function_add_captures(fb, captures);
    theta_program_Function_add_code(fb, code);
    theta_program_Function_add_handlers(fb, handlers);
    theta_program_Function_add_keeps(fb, keeps);
    theta_program_Function_add_positions(fb, positions);
    theta_program_Function_add_source(fb, f->source);
    theta_program_Function_add_note(fb, f->note);
    return th_flat_end(fb);
}

static th_flat_ref put_functions(th_builder *b, th_flat_builder *fb) {
    th_flat_ref *refs = b->nfunctions ? new_refs(b, b->nfunctions) : NULL;
    if (refs == NULL) return 0;
    for (size_t i = 0; i < b->nfunctions && b->status == TH_OK; i++) refs[i] = put_function(b, fb, &b->functions[i]);
    return b->status == TH_OK ? th_flat_put_refs(fb, refs, b->nfunctions) : 0;
}

static th_flat_ref put_constants(th_builder *b, th_flat_builder *fb) {
    if (b->nconstants == 0) return 0;
    void *space;
    th_flat_ref ref = th_flat_put_space(fb, b->nconstants, sizeof(theta_program_Constant), 8, &space);
    theta_program_Constant *out = space;
    for (size_t i = 0; ref != 0 && i < b->nconstants; i++) {
        out[i].bits = b->constants[i].bits;
        out[i].class = (uint8_t)b->constants[i].cls;
    }
    return ref;
}

static th_flat_ref put_strings(th_builder *b, th_flat_builder *fb) {
    th_flat_ref *refs = b->nstrings ? new_refs(b, b->nstrings) : NULL;
    if (refs == NULL) return 0;
    for (size_t i = 0; i < b->nstrings; i++) refs[i] = th_flat_put_view(fb, b->strings[i]);
    return th_flat_put_refs(fb, refs, b->nstrings);
}

/* Globals, imports and exports are alike: a name in slot 0, a number in slot 1. */
_Static_assert(theta_program_Global_slot_name == 0 && theta_program_Global_slot_type == 1, "one shape");
_Static_assert(theta_program_Import_slot_name == 0 && theta_program_Import_slot_type == 1, "one shape");
_Static_assert(theta_program_Export_slot_name == 0 && theta_program_Export_slot_function == 1, "one shape");

static th_flat_ref put_named(th_builder *b, th_flat_builder *fb, const named *items, size_t count) {
    th_flat_ref *refs = count ? new_refs(b, count) : NULL;
    if (refs == NULL) return 0;
    for (size_t i = 0; i < count; i++) {
        th_flat_ref name = th_flat_put_view(fb, items[i].name);
        th_flat_start(fb, 2);
        th_flat_add_ref(fb, 0, name);
        th_flat_add_u32(fb, 1, items[i].type, 0);
        refs[i] = th_flat_end(fb);
    }
    return th_flat_put_refs(fb, refs, count);
}

static th_flat_ref put_sources(th_builder *b, th_flat_builder *fb) {
    th_flat_ref *refs = b->nsources ? new_refs(b, b->nsources) : NULL;
    if (refs == NULL) return 0;
    for (size_t i = 0; i < b->nsources; i++) {
        th_flat_ref text = th_flat_put_view(fb, b->sources[i].text);
        th_flat_ref name = th_flat_put_view(fb, b->sources[i].name);
        th_flat_start(fb, theta_program_Source_nslots);
        theta_program_Source_add_name(fb, name);
        theta_program_Source_add_text(fb, text);
        refs[i] = th_flat_end(fb);
    }
    return th_flat_put_refs(fb, refs, b->nsources);
}

static th_flat_ref put_spans(th_flat_builder *fb, const th_span *spans, size_t count) {
    void *space;
    th_flat_ref ref = th_flat_put_space(fb, count, sizeof(theta_program_Span), 4, &space);
    theta_program_Span *out = space;
    for (size_t i = 0; ref != 0 && i < count; i++)
        out[i] = (theta_program_Span){spans[i].line, spans[i].column, spans[i].end_line, spans[i].end_column};
    return ref;
}

static th_flat_ref put_shapes(th_builder *b, th_flat_builder *fb) {
    th_flat_ref *refs = b->nshapes ? new_refs(b, b->nshapes) : NULL;
    if (refs == NULL) return 0;
    for (size_t i = 0; i < b->nshapes; i++) {
        const shape_def *s = &b->shapes[i];
        th_flat_ref positions = s->positions != NULL ? put_spans(fb, s->positions, s->count) : 0;
        th_flat_ref names = s->count > 0 ? theta_program_Shape_put_names(fb, s->names, s->count) : 0;
        th_flat_start(fb, theta_program_Shape_nslots);
        theta_program_Shape_add_names(fb, names);
        theta_program_Shape_add_positions(fb, positions);
        theta_program_Shape_add_source(fb, s->source);
        refs[i] = th_flat_end(fb);
    }
    return th_flat_put_refs(fb, refs, b->nshapes);
}

/* Written from the back: what is read first when running lies at the front. */
static th_flat_ref put_program(th_builder *b, th_flat_builder *fb) {
    th_flat_ref sources = put_sources(b, fb);
    th_flat_ref exports = put_named(b, fb, b->exports, b->nexports);
    th_flat_ref imports = put_named(b, fb, b->imports, b->nimports);
    th_flat_ref globals = put_named(b, fb, b->globals, b->nglobals);
    th_flat_ref shapes = put_shapes(b, fb);
    th_flat_ref strings = put_strings(b, fb);
    th_flat_ref sites = b->nsites ? theta_program_Program_put_sites(fb, b->sites, b->nsites) : 0;
    th_flat_ref constants = put_constants(b, fb);
    th_flat_ref functions = put_functions(b, fb);
    th_flat_ref types = put_types(b, fb);
    th_flat_ref name = th_flat_put_view(fb, b->name);
    if (b->status != TH_OK) return 0;
    th_flat_start(fb, theta_program_Program_nslots);
    theta_program_Program_add_major(fb, TH_PROGRAM_MAJOR);
    theta_program_Program_add_minor(fb, TH_PROGRAM_MINOR);
    theta_program_Program_add_name(fb, name);
    theta_program_Program_add_types(fb, types);
    theta_program_Program_add_functions(fb, functions);
    theta_program_Program_add_constants(fb, constants);
    theta_program_Program_add_strings(fb, strings);
    theta_program_Program_add_globals(fb, globals);
    theta_program_Program_add_imports(fb, imports);
    theta_program_Program_add_exports(fb, exports);
    theta_program_Program_add_sources(fb, sources);
    theta_program_Program_add_start(fb, b->start);
    theta_program_Program_add_sites(fb, sites);
    theta_program_Program_add_shapes(fb, shapes);
    return th_flat_end(fb);
}

/* Whether all that was announced is there. */
static th_status check_complete(th_builder *b) {
    TH_TRY(b->status);
    for (size_t i = 0; i < b->types.len; i++) {
        const th_type *t = &b->types.items[i];
        if (t->open)
            return th_builder_fail(b, TH_E_ARGUMENT, "type \"%.*s\" is declared and not defined",
                                   shown(th_view_str(t->name)), t->name->bytes);
    }
    for (size_t i = 0; i < b->nfunctions; i++) {
        const fn_def *def = &b->functions[i];
        if (def->body == NULL || !def->body->ended)
            return th_builder_fail(b, TH_E_ARGUMENT, "function \"%.*s\" is declared and has no finished body",
                                   shown(def->name), def->name.data);
    }
    for (size_t i = 0; i < b->nexports; i++)
        if (b->exports[i].type >= b->nfunctions)
            return th_builder_fail(b, TH_E_ARGUMENT, "export \"%.*s\" means no function", shown(b->exports[i].name),
                                   b->exports[i].name.data);
    if (b->start > b->nfunctions) return th_builder_fail(b, TH_E_ARGUMENT, "the start function does not exist");
    return TH_OK;
}

th_status th_builder_finish(th_builder *b, uint8_t **bytes, size_t *len, th_error *err) {
    if (check_complete(b) == TH_OK) {
        th_flat_builder fb;
        th_flat_builder_init(&fb, b->mem);
        th_flat_ref root = put_program(b, &fb);
        th_status status = b->status;
        if (status == TH_OK) status = th_flat_finish(&fb, root, theta_program_ident, bytes, len);
        th_flat_builder_clear(&fb);
        if (status != TH_OK) th_builder_fail(b, status, "the program could not be written: %s", th_status_text(status));
    }
    if (b->status != TH_OK) return th_fail(err, b->status, "%s", b->error.message);
    return TH_OK;
}
