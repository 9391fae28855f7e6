/*
** loader.c - from bytes to a checked program.
** The bytes are copied once and used in place: code, register classes, strings, handlers and positions point into them.
** Checks, in this order: the FlatBuffer, the version, each table of the program, then every function (verify.c).
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/program.h"

#include <stdio.h>

#include "flat/flat.h"
#include "program/rules.h"
#include "program/types_io.h"
#include "program_flat.h"

/* What is read as it lies in the file. */
_Static_assert(sizeof(th_handler) == sizeof(theta_program_Handler) &&
                   offsetof(th_handler, depth) == offsetof(theta_program_Handler, depth),
               "handlers are used in place");
_Static_assert(sizeof(th_position) == sizeof(theta_program_Position) &&
                   offsetof(th_position, span.end_column) == offsetof(theta_program_Position, end_column),
               "positions are used in place");

_Static_assert(sizeof(th_span) == sizeof(theta_program_Span) &&
                   offsetof(th_span, end_column) == offsetof(theta_program_Span, end_column),
               "spans are used in place");

typedef struct loader {
    th_program *program;
    th_flat_table root;
    th_error *err;
} loader;

static th_status no_memory(th_error *err) { return th_fail(err, TH_E_NOMEM, "out of memory"); }

static int shown(const th_str *s) { return s->len > 200 ? 200 : (int)s->len; }

static void *new_array(loader *l, size_t count, size_t bytes) {
    return th_arena_zeroed(&l->program->arena, count * bytes + 1);
}

static const th_str *or_empty(const th_str *s) {
    static const uint32_t empty[2] = {0, 0}; /* no length, and the NUL */
    return s != NULL ? s : (const th_str *)(const void *)empty;
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

static th_status load_types(loader *l) {
    return th_types_read(&l->program->types, theta_program_Program_types(l->root), &l->program->arena, l->err);
}

static bool is_value_type(const loader *l, uint32_t id) {
    const th_types *types = &l->program->types;
    return id < types->len && id != TH_TYPE_VOID && !types->items[id].generic;
}

static bool is_signature(const loader *l, uint32_t id) {
    return is_value_type(l, id) && l->program->types.items[id].kind == TH_KIND_FUNCTION;
}

/* ---- Constants, strings, names ------------------------------------------------------------------------------ */

/* There is one NaN, so that a run does not depend on who wrote the file. */
static uint64_t canonical(uint64_t bits, uint8_t cls) {
    if (cls == TH_CLASS_F64 && (bits & INT64_MAX) > 0x7ff0000000000000u) return 0x7ff8000000000000u;
    if (cls == TH_CLASS_F32 && (bits & INT32_MAX) > 0x7f800000u) return 0x7fc00000u;
    return bits;
}

static th_status load_constants(loader *l) {
    th_program *p = l->program;
    uint32_t count = theta_program_Program_constants_len(l->root);
    const theta_program_Constant *from = theta_program_Program_constants(l->root);
    uint64_t *bits = new_array(l, count, sizeof *bits);
    uint8_t *classes = new_array(l, count, 1);
    if (bits == NULL || classes == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t cls = from[i].class;
        bool good = cls == TH_CLASS_I64 || cls == TH_CLASS_F64 || (cls == TH_CLASS_F32 && from[i].bits <= UINT32_MAX);
        if (!good) return th_fail(l->err, TH_E_VERIFY, "constant %u is no i64, f64 or f32", i);
        classes[i] = cls;
        bits[i] = canonical(from[i].bits, cls);
    }
    p->constants = bits;
    p->constant_classes = classes;
    p->nconstants = count;
    return TH_OK;
}

static th_status load_strings(loader *l) {
    uint32_t count = theta_program_Program_strings_len(l->root);
    const th_str **strings = new_array(l, count, sizeof *strings);
    if (strings == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) strings[i] = theta_program_Program_strings_at(l->root, i);
    l->program->strings = strings;
    l->program->nstrings = count;
    return TH_OK;
}

/* ---- Sites and shapes --------------------------------------------------------------------------------------- */

static th_status load_sites(loader *l) {
    th_program *p = l->program;
    p->nsites = theta_program_Program_sites_len(l->root);
    p->sites = theta_program_Program_sites(l->root);
    for (uint32_t i = 0; i < p->nsites; i++)
        if (p->sites[i] >= p->nstrings)
            return th_fail(l->err, TH_E_VERIFY, "site %u is named by string %u, which is not there", i, p->sites[i]);
    return TH_OK;
}

#define FEW_NAMES 12 /* so many are compared with each other */

static bool same_string(const th_str *a, const th_str *b) {
    return a == b || (a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
}

/* Scratch of the look-out for duplicates in long shapes: open addressing, 0 empty, else the place of the name + 1. */
typedef struct name_set {
    uint32_t *slots;
    size_t capacity;
} name_set;

static th_status reserve_names(loader *l, name_set *set, uint32_t count) {
    size_t capacity = 64;
    while (capacity < 2 * (size_t)count) capacity *= 2;
    if (capacity > set->capacity) {
        uint32_t *slots = th_mem_new(l->program->mem, capacity * sizeof *slots);
        if (slots == NULL) return no_memory(l->err);
        th_mem_free(l->program->mem, set->slots, set->capacity * sizeof *slots);
        *set = (name_set){slots, capacity};
    }
    return TH_OK;
}

/* The place of the first name that is there before; count: none is. */
static uint32_t find_duplicate(const th_program *p, const th_name_shape *s, name_set *set) {
    if (s->count <= FEW_NAMES) {
        for (uint32_t i = 1; i < s->count; i++)
            for (uint32_t k = 0; k < i; k++)
                if (same_string(p->strings[s->names[i]], p->strings[s->names[k]])) return i;
        return s->count;
    }
    size_t mask = 63;
    while (mask + 1 < 2 * (size_t)s->count) mask = mask * 2 + 1;
    memset(set->slots, 0, (mask + 1) * sizeof *set->slots);
    for (uint32_t i = 0; i < s->count; i++) {
        const th_str *name = p->strings[s->names[i]];
        size_t at = th_hash_bytes(name->bytes, name->len, 5) & mask;
        for (; set->slots[at] != 0; at = (at + 1) & mask)
            if (same_string(p->strings[s->names[set->slots[at] - 1]], name)) return i;
        set->slots[at] = i + 1;
    }
    return s->count;
}

static th_status check_shape(loader *l, uint32_t index, const th_name_shape *s, uint32_t npositions, name_set *set) {
    th_program *p = l->program;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->names[i] >= p->nstrings)
            return th_fail(l->err, TH_E_VERIFY, "shape %u has the name of string %u, which is not there", index,
                           s->names[i]);
    if (npositions != 0 && npositions != s->count)
        return th_fail(l->err, TH_E_VERIFY, "shape %u has %u names and %u positions", index, s->count, npositions);
    if (s->source > p->nsources) return th_fail(l->err, TH_E_VERIFY, "the source of shape %u does not exist", index);
    if (s->count > FEW_NAMES) TH_TRY(reserve_names(l, set, s->count));
    uint32_t twice = find_duplicate(p, s, set);
    if (twice == s->count) return TH_OK;
    const th_str *name = p->strings[s->names[twice]];
    return th_fail(l->err, TH_E_VERIFY, "shape %u has the name \"%.*s\" twice", index, shown(name), name->bytes);
}

static th_status load_shapes(loader *l) {
    th_program *p = l->program;
    uint32_t count = theta_program_Program_shapes_len(l->root);
    th_name_shape *shapes = new_array(l, count, sizeof *shapes);
    name_set set = {0};
    if (shapes == NULL) return no_memory(l->err);
    th_status status = TH_OK;
    for (uint32_t i = 0; i < count && status == TH_OK; i++) {
        th_flat_table t = theta_program_Program_shapes_at(l->root, i);
        uint32_t npositions = theta_program_Shape_positions_len(t);
        shapes[i] = (th_name_shape){theta_program_Shape_names(t), NULL, theta_program_Shape_names_len(t),
                                    theta_program_Shape_source(t)};
        if (npositions > 0) shapes[i].positions = (const th_span *)theta_program_Shape_positions(t);
        status = check_shape(l, i, &shapes[i], npositions, &set);
    }
    th_mem_free(p->mem, set.slots, set.capacity * sizeof *set.slots);
    p->shapes = shapes;
    p->nshapes = count;
    return status;
}

static th_status too_many(loader *l, const char *what) {
    return th_fail(l->err, TH_E_LIMIT, "the program has more than %u %s", TH_MAX_INDEX, what);
}

static th_status load_globals(loader *l) {
    uint32_t count = theta_program_Program_globals_len(l->root);
    if (count > TH_MAX_INDEX) return too_many(l, "globals");
    th_named_type *globals = new_array(l, count, sizeof *globals);
    if (globals == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) {
        th_flat_table t = theta_program_Program_globals_at(l->root, i);
        globals[i] = (th_named_type){or_empty(theta_program_Global_name(t)), theta_program_Global_type(t)};
        if (!is_value_type(l, globals[i].type))
            return th_fail(l->err, TH_E_VERIFY, "global \"%.*s\" has no type of values", shown(globals[i].name),
                           globals[i].name->bytes);
    }
    l->program->globals = globals;
    l->program->nglobals = count;
    return TH_OK;
}

static th_status load_imports(loader *l) {
    uint32_t count = theta_program_Program_imports_len(l->root);
    if (count > TH_MAX_INDEX) return too_many(l, "imports");
    th_named_type *imports = new_array(l, count, sizeof *imports);
    if (imports == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) {
        th_flat_table t = theta_program_Program_imports_at(l->root, i);
        imports[i] = (th_named_type){or_empty(theta_program_Import_name(t)), theta_program_Import_type(t)};
        if (!is_signature(l, imports[i].type))
            return th_fail(l->err, TH_E_VERIFY, "import \"%.*s\" has no function type", shown(imports[i].name),
                           imports[i].name->bytes);
    }
    l->program->imports = imports;
    l->program->nimports = count;
    return TH_OK;
}

static th_status load_sources(loader *l) {
    uint32_t count = theta_program_Program_sources_len(l->root);
    const th_str **names = new_array(l, count, sizeof *names), **texts = new_array(l, count, sizeof *texts);
    if (names == NULL || texts == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) {
        th_flat_table t = theta_program_Program_sources_at(l->root, i);
        names[i] = or_empty(theta_program_Source_name(t));
        texts[i] = or_empty(theta_program_Source_text(t));
    }
    l->program->source_names = names;
    l->program->source_texts = texts;
    l->program->nsources = count;
    return TH_OK;
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static th_status load_keeps(loader *l, th_flat_table t, th_function *f) {
    f->nkeeps = theta_program_Function_keeps_len(t);
    th_keep *keeps = new_array(l, f->nkeeps, sizeof *keeps);
    if (keeps == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < f->nkeeps; i++) {
        th_flat_table k = theta_program_Function_keeps_at(t, i);
        keeps[i] = (th_keep){theta_program_KeepSet_registers(k), theta_program_KeepSet_registers_len(k)};
    }
    f->keeps = keeps;
    return TH_OK;
}

/* A function that captures a value captures, takes and gives nothing else. */
static bool is_dynamic_or_not(const loader *l, const th_function *f) {
    const th_type *type = &l->program->types.items[f->type];
    uint32_t values = 0, others = 0;
    for (uint32_t i = 0; i < f->ncaptures; i++) values += f->captures[i] == TH_TYPE_VALUE;
    for (uint32_t i = 0; i < type->nargs; i++) others += type->args[i] != TH_TYPE_VALUE;
    return values == 0 || (values == f->ncaptures && others == 0);
}

/* What verifying another function may ask of this one: its name, type and captures. */
static th_status check_face(loader *l, const th_function *f) {
    const char *what = NULL;
    if (!is_signature(l, f->type)) what = "its type is no function type";
    if (f->ncaptures > 255) what = "it captures more than 255 values";
    if (f->nhandlers > TH_MAX_HANDLERS) what = "it has too many handlers";
    if (f->source > l->program->nsources) what = "its source does not exist";
    for (uint32_t i = 0; i < f->ncaptures && what == NULL; i++)
        if (!is_value_type(l, f->captures[i])) what = "it captures something that has no type of values";
    if (what == NULL && !is_dynamic_or_not(l, f))
        what =
            "it captures values of type value, so that all of its captures, its parameters and its result must be such";
    if (what == NULL) return TH_OK;
    return th_fail(l->err, TH_E_VERIFY, "function \"%.*s\": %s", shown(f->name), f->name->bytes, what);
}

static th_status load_function(loader *l, uint32_t index, th_function *f) {
    th_flat_table t = theta_program_Program_functions_at(l->root, index);
    f->name = or_empty(theta_program_Function_name(t));
    f->type = theta_program_Function_type(t);
    f->index = index;
    f->nregs = theta_program_Function_registers_len(t);
    f->classes = theta_program_Function_registers(t);
    f->captures = theta_program_Function_captures(t);
    f->ncaptures = theta_program_Function_captures_len(t);
    f->code = theta_program_Function_code(t);
    f->ncode = theta_program_Function_code_len(t);
    f->handlers = (const th_handler *)theta_program_Function_handlers(t);
    f->nhandlers = theta_program_Function_handlers_len(t);
    f->positions = (const th_position *)theta_program_Function_positions(t);
    f->npositions = theta_program_Function_positions_len(t);
    f->source = theta_program_Function_source(t);
    uint32_t note = theta_program_Function_note(t);
    if (note > l->program->nstrings)
        return th_fail(l->err, TH_E_VERIFY, "function \"%.*s\": its note does not exist", shown(f->name),
                       f->name->bytes);
    if (note > 0) f->note = l->program->strings[note - 1];
    TH_TRY(load_keeps(l, t, f));
    TH_TRY(check_face(l, f));
    f->nparams = (uint32_t)th_types_nparams(&l->program->types, f->type);
    return TH_OK;
}

static th_status load_functions(loader *l) {
    uint32_t count = theta_program_Program_functions_len(l->root);
    if (count > TH_MAX_INDEX) return too_many(l, "functions");
    th_function *functions = new_array(l, count, sizeof *functions);
    if (functions == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) TH_TRY(load_function(l, i, &functions[i]));
    l->program->functions = functions;
    l->program->nfunctions = count;
    return TH_OK;
}

static th_status load_exports(loader *l) {
    th_program *p = l->program;
    uint32_t count = theta_program_Program_exports_len(l->root);
    th_export *exports = new_array(l, count, sizeof *exports);
    if (exports == NULL) return no_memory(l->err);
    for (uint32_t i = 0; i < count; i++) {
        th_flat_table t = theta_program_Program_exports_at(l->root, i);
        exports[i] = (th_export){or_empty(theta_program_Export_name(t)), theta_program_Export_function(t)};
        if (exports[i].function >= p->nfunctions || p->functions[exports[i].function].ncaptures > 0)
            return th_fail(l->err, TH_E_VERIFY, "export \"%.*s\" is no function that can be called from outside",
                           shown(exports[i].name), exports[i].name->bytes);
    }
    p->exports = exports;
    p->nexports = count;
    return TH_OK;
}

static th_status load_start(loader *l) {
    th_program *p = l->program;
    p->start = theta_program_Program_start(l->root);
    if (p->start == 0) return TH_OK;
    if (p->start > p->nfunctions) return th_fail(l->err, TH_E_VERIFY, "the start function does not exist");
    const th_function *f = &p->functions[p->start - 1];
    if (f->ncaptures > 0 || f->nparams > 0 || th_types_result(&p->types, f->type) != TH_TYPE_VOID)
        return th_fail(l->err, TH_E_VERIFY, "the start function \"%.*s\" takes or gives something", shown(f->name),
                       f->name->bytes);
    return TH_OK;
}

/* ---- The whole ---------------------------------------------------------------------------------------------- */

static th_status check_version(loader *l) {
    unsigned major = theta_program_Program_major(l->root), minor = theta_program_Program_minor(l->root);
    if (major == TH_PROGRAM_MAJOR) return TH_OK; /* what a newer minor adds may be ignored */
    return th_fail(l->err, TH_E_VERSION, "the program has format version %u.%u, this Theta reads %d.x", major, minor,
                   TH_PROGRAM_MAJOR);
}

/* The program's own copy, at a multiple of 16 so that vectors lie as they were aligned in the file. */
static th_status copy_bytes(loader *l, const void *bytes, size_t len) {
    uint8_t *space = th_arena_new(&l->program->arena, len + 16);
    if (space == NULL) return no_memory(l->err);
    uint8_t *copy = space + (16 - (uintptr_t)space % 16) % 16;
    memcpy(copy, bytes, len);
    l->program->bytes = copy;
    l->program->len = len;
    return TH_OK;
}

static th_status load(loader *l, const void *bytes, size_t len) {
    th_program *p = l->program;
    /* Parts may be shared, but not so that a small file stands for hours of verifying. */
    th_flat_limits limits = {.skip_utf8 = true, .max_apparent_bytes = 8 * (uint64_t)len + (1 << 20)};
    if (len > TH_FLAT_MAX_BYTES || !th_flat_has_ident(bytes, len, theta_program_ident))
        return th_fail(l->err, TH_E_FORMAT, "this is no Theta program");
    TH_TRY(copy_bytes(l, bytes, len));
    TH_TRY(th_flat_verify(p->bytes, len, &theta_program_schema, &limits, l->err));
    l->root = th_flat_root(p->bytes);
    TH_TRY(check_version(l));
    p->name = or_empty(theta_program_Program_name(l->root));
    TH_TRY(load_types(l));
    TH_TRY(load_constants(l));
    TH_TRY(load_strings(l));
    TH_TRY(load_globals(l));
    TH_TRY(load_imports(l));
    TH_TRY(load_sources(l));
    TH_TRY(load_sites(l));
    TH_TRY(load_shapes(l));
    TH_TRY(load_functions(l));
    TH_TRY(load_exports(l));
    TH_TRY(load_start(l));
    TH_TRY(th_verify_program(p->mem, p, l->err));
    return TH_OK;
}

th_status th_program_load(th_mem *mem, const void *bytes, size_t len, th_program **out, th_error *err) {
    th_program *p = th_mem_zeroed(mem, sizeof *p);
    if (p == NULL) return no_memory(err);
    atomic_init(&p->refs, 1);
    p->mem = mem;
    th_arena_init(&p->arena, mem);
    loader l = {.program = p, .err = err};
    th_status status = th_types_init(&p->types, mem);
    status = status == TH_OK ? load(&l, bytes, len) : no_memory(err);
    if (status != TH_OK) {
        th_program_release(p);
        return status;
    }
    *out = p;
    return TH_OK;
}

th_program *th_program_retain(th_program *program) {
    atomic_fetch_add_explicit(&program->refs, 1, memory_order_relaxed);
    return program;
}

void th_program_release(th_program *program) {
    if (program == NULL || atomic_fetch_sub_explicit(&program->refs, 1, memory_order_acq_rel) != 1) return;
    th_types_clear(&program->types);
    th_arena_clear(&program->arena);
    th_mem_free(program->mem, program, sizeof *program);
}

void th_program_digest(const th_program *program, th_digest *out) { th_digest_of(program->bytes, program->len, out); }

int64_t th_program_find(const th_program *program, th_view name) {
    for (uint32_t i = 0; i < program->nexports; i++)
        if (th_view_eq(th_view_str(program->exports[i].name), name)) return program->exports[i].function;
    return -1;
}

th_span th_function_span(const th_function *function, uint32_t pc) {
    uint32_t low = 0, high = function->npositions; /* the last entry at or before pc lies before `high` */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (function->positions[middle].pc <= pc)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? function->positions[low - 1].span : (th_span){0};
}
