/*
** engine.c - what machines share: the budget and the registry of builtins with their signatures.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

th_status th_engine_new(th_mem *mem, th_engine **out) {
    th_engine *engine = th_mem_zeroed(mem, sizeof *engine);
    if (!engine) return TH_E_NOMEM;
    engine->mem = mem;
    th_arena_init(&engine->arena, mem);
    th_status status = th_types_init(&engine->types, mem);
    if (status != TH_OK) {
        th_mem_free(mem, engine, sizeof *engine);
        return status;
    }
    *out = engine;
    return TH_OK;
}

void th_engine_free(th_engine *engine) {
    if (!engine) return;
    th_mem *mem = engine->mem;
    th_mem_free(mem, engine->entries, engine->entries_capacity * sizeof *engine->entries);
    th_mem_free(mem, engine->names, engine->names_capacity * sizeof *engine->names);
    th_mem_free(mem, engine->natives, engine->natives_capacity * sizeof *engine->natives);
    th_types_clear(&engine->types);
    th_arena_clear(&engine->arena);
    th_mem_free(mem, engine, sizeof *engine);
}

th_mem *th_engine_mem(th_engine *engine) { return engine->mem; }
const th_types *th_engine_types(const th_engine *engine) { return &engine->types; }
size_t th_engine_builtin_count(const th_engine *engine) { return engine->nentries; }
const th_builtin *th_engine_builtin(const th_engine *engine, size_t i) { return engine->entries[i].builtin; }
const th_signature *th_engine_signature(const th_engine *engine, size_t i) { return &engine->entries[i].signature; }

th_status th_engine_add_native(th_engine *engine, const th_native_class *cls) {
    TH_TRY(th_mem_grow(engine->mem, (void **)&engine->natives, &engine->natives_capacity, engine->nnatives + 1,
                       sizeof *engine->natives));
    engine->natives[engine->nnatives++] = cls;
    return TH_OK;
}

const th_native_class *th_engine_native(const th_engine *engine, th_view name) {
    for (size_t i = 0; i < engine->nnatives; i++)
        if (th_view_is(name, engine->natives[i]->name)) return engine->natives[i];
    return NULL;
}

/* ---- Signatures --------------------------------------------------------------------------------------------- */

static th_view trim(th_view text) {
    while (text.len > 0 && text.data[0] == ' ') text.data++, text.len--;
    while (text.len > 0 && text.data[text.len - 1] == ' ') text.len--;
    return text;
}

/* The end of the part that starts at `from`: a comma or the arrow outside all brackets, or the end. */
static size_t part_end(th_view text, size_t from) {
    int depth = 0;
    for (size_t i = from; i < text.len; i++) {
        char c = text.data[i];
        if (c == '<' || c == '(')
            depth++;
        else if (c == ')' || (c == '>' && (i == 0 || text.data[i - 1] != '-')))
            depth--;
        else if (depth == 0 && (c == ',' || (c == '-' && i + 1 < text.len && text.data[i + 1] == '>')))
            return i;
    }
    return text.len;
}

typedef struct parameter {
    th_view name;
    th_type_id type;
} parameter;

static th_status read_parameter(th_engine *engine, th_view part, parameter *out, th_error *err) {
    const char *colon = memchr(part.data, ':', part.len);
    *out = (parameter){.name = {"", 0}};
    if (colon) {
        out->name = trim((th_view){part.data, (size_t)(colon - part.data)});
        part = trim((th_view){colon + 1, (size_t)(part.data + part.len - colon) - 1});
    }
    return th_type_parse(&engine->types, part, &out->type, err);
}

#define MAX_PARAMETERS 32

static th_status read_signature(th_engine *engine, const char *text, th_signature *out, th_error *err) {
    parameter parameters[MAX_PARAMETERS];
    size_t n = 0, at = 0;
    th_view all = th_view_of(text);
    *out = (th_signature){0};
    for (;;) {
        size_t end = part_end(all, at);
        th_view part = trim((th_view){all.data + at, end - at});
        if (th_view_is(part, "...")) {
            out->variadic = true;
        } else if (part.len > 0) {
            if (n == MAX_PARAMETERS) return th_fail(err, TH_E_ARGUMENT, "too many parameters: %s", text);
            TH_TRY(read_parameter(engine, part, &parameters[n++], err));
        }
        if (end == all.len) return th_fail(err, TH_E_ARGUMENT, "no '->' in the signature: %s", text);
        at = end + 1;
        if (all.data[end] == '-') break;
    }
    th_view result = trim((th_view){all.data + at + 1, all.len - at - 1});
    TH_TRY(th_type_parse(&engine->types, result, &out->result, err));
    th_type_id *types = th_arena_new(&engine->arena, (n + 1) * sizeof *types);
    th_view *names = th_arena_new(&engine->arena, (n + 1) * sizeof *names);
    if (!types || !names) return TH_E_NOMEM;
    for (size_t i = 0; i < n; i++) types[i] = parameters[i].type, names[i] = parameters[i].name;
    out->params = types;
    out->names = names;
    out->nparams = (uint32_t)n;
    return TH_OK;
}

/* ---- The registry ------------------------------------------------------------------------------------------- */

static uint32_t *name_slot(const th_engine *engine, th_view name) {
    size_t mask = engine->names_capacity - 1;
    size_t i = th_hash_bytes(name.data, name.len, 0) & mask;
    while (engine->names[i] != 0 && !th_view_is(name, engine->entries[engine->names[i] - 1].builtin->name))
        i = (i + 1) & mask;
    return &engine->names[i];
}

static th_status grow_names(th_engine *engine, size_t needed) {
    if (needed * 2 <= engine->names_capacity) return TH_OK;
    size_t capacity = engine->names_capacity ? engine->names_capacity * 2 : 1024;
    while (capacity < needed * 2) capacity *= 2;
    uint32_t *names = th_mem_zeroed(engine->mem, capacity * sizeof *names);
    if (!names) return TH_E_NOMEM;
    th_mem_free(engine->mem, engine->names, engine->names_capacity * sizeof *names);
    engine->names = names;
    engine->names_capacity = capacity;
    for (size_t i = 0; i < engine->nentries; i++)
        *name_slot(engine, th_view_of(engine->entries[i].builtin->name)) = (uint32_t)i + 1;
    return TH_OK;
}

static bool same_signature(const th_signature *a, const th_signature *b) {
    if (a->nparams != b->nparams || a->variadic != b->variadic) return false;
    return memcmp(a->params, b->params, a->nparams * sizeof *a->params) == 0;
}

static th_status add_one(th_engine *engine, const th_builtin *builtin, void *user, th_error *err) {
    th_entry entry = {.builtin = builtin, .user = user};
    TH_TRY(read_signature(engine, builtin->signature, &entry.signature, err));
    TH_TRY(th_mem_grow(engine->mem, (void **)&engine->entries, &engine->entries_capacity, engine->nentries + 1,
                       sizeof *engine->entries));
    TH_TRY(grow_names(engine, engine->nentries + 1));
    uint32_t *slot = name_slot(engine, th_view_of(builtin->name));
    for (uint32_t i = *slot; i != 0; i = engine->entries[i - 1].next)
        if (same_signature(&engine->entries[i - 1].signature, &entry.signature))
            return th_fail(err, TH_E_ARGUMENT, "%s(%s) is registered already", builtin->name, builtin->signature);
    entry.next = *slot;
    engine->entries[engine->nentries++] = entry;
    *slot = (uint32_t)engine->nentries;
    return TH_OK;
}

th_status th_engine_add(th_engine *engine, const th_builtin *builtins, size_t count, void *user, th_error *err) {
    for (size_t i = 0; i < count; i++) TH_TRY(add_one(engine, &builtins[i], user, err));
    return TH_OK;
}

th_status th_engine_add_standard(th_engine *engine, th_error *err) {
    TH_TRY(th_lib_register(engine, err));
#define LIB(name) TH_TRY(th_engine_add(engine, th_lib_##name, th_lib_##name##_count, NULL, err))
    LIB(core);
    LIB(string);
    LIB(math);
    LIB(list);
    LIB(dict);
    LIB(time);
    LIB(random);
    LIB(json);
    LIB(io);
    LIB(regex);
#undef LIB
    return TH_OK;
}

/* ---- Matching ----------------------------------------------------------------------------------------------- */

typedef struct matcher {
    const th_types *patterns, *types;
    th_type_id variables[26]; /* + 1; 0: free */
} matcher;

/* Depth is that of the pattern, which is a builtin's own signature. */
static bool match_type(matcher *m, th_type_id pattern, th_type_id type) {
    const th_type *p = th_types_get(m->patterns, pattern), *t = th_types_get(m->types, type);
    if (p->kind == TH_KIND_TYPE_VARIABLE) {
        th_type_id *bound = &m->variables[(p->name->bytes[0] - 'A') % 26];
        if (*bound == 0) *bound = type + 1;
        return *bound == type + 1;
    }
    if (p->kind != t->kind) return false;
    if (p->kind == TH_KIND_OPTION && th_types_kind(m->patterns, p->args[0]) == TH_KIND_TYPE_VARIABLE) {
        /* an option of an option is the option itself: T? is T when T is one */
        th_type_id bound = m->variables[(th_types_get(m->patterns, p->args[0])->name->bytes[0] - 'A') % 26];
        if (bound != 0 && th_types_kind(m->types, bound - 1) == TH_KIND_OPTION) return bound == type + 1;
    }
    if (p->kind == TH_KIND_TABLE && p->nargs == 0) return true;
    if (p->kind == TH_KIND_TABLE && t->nargs == 0) return false;
    if (p->name && !th_view_eq(th_view_str(p->name), th_view_str(t->name))) return false;
    if (p->nargs != t->nargs) return false;
    for (uint32_t i = 0; i < p->nargs; i++)
        if (!match_type(m, p->args[i], t->args[i])) return false;
    return true;
}

static bool match_signature(const th_engine *engine, const th_signature *s, const th_types *types, th_type_id type) {
    matcher m = {.patterns = &engine->types, .types = types};
    size_t n = th_types_nparams(types, type);
    if (n < s->nparams || (n > s->nparams && !s->variadic)) return false;
    for (size_t i = 0; i < s->nparams; i++)
        if (!match_type(&m, s->params[i], th_types_param(types, type, i))) return false;
    return match_type(&m, s->result, th_types_result(types, type));
}

const th_builtin *th_engine_match(const th_engine *engine, th_view name, const th_types *types, th_type_id type,
                                  void **user) {
    if (engine->nentries == 0 || th_types_kind(types, type) != TH_KIND_FUNCTION) return NULL;
    for (uint32_t i = *name_slot(engine, name); i != 0; i = engine->entries[i - 1].next) {
        const th_entry *entry = &engine->entries[i - 1];
        if (!match_signature(engine, &entry->signature, types, type)) continue;
        if (user) *user = entry->user;
        return entry->builtin;
    }
    return NULL;
}
