/*
** snapshot_save.c - th_machine_save: the contexts, what their registers hold, and all objects that can be reached from
** there and from globals, bindings and holds. Objects are found breadth first: each is numbered when it is first seen and
** written when its turn comes, so that depth costs nothing and sharing and cycles are kept. Changes nothing but what is
** still to be printed, which it flushes.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/machine_int.h"
#include "machine/snapshot.h"
#include "program/types_io.h"
#include "state_flat.h"

/* A string of a program: not stored, but named by its place. */
typedef struct constant {
    const th_str *str; /* NULL: an empty slot */
    uint32_t unit, index;
} constant;

typedef struct saver {
    th_machine *m;
    th_mem *mem;
    th_arena arena; /* of what lives as long as the saving */
    th_error *err;
    /* objects, and where each is in memory */
    theta_values_Object *objects;
    const void **pointers;
    size_t nobjects, objects_capacity, pointers_capacity;
    uint32_t *index; /* open addressing by pointer: number + 1 */
    size_t index_capacity;
    constant *constants; /* open addressing by pointer */
    size_t constants_mask;
    uint64_t *words;
    size_t nwords, words_capacity;
    th_buf bytes;
    const th_native_class **classes;
    size_t nclasses, classes_capacity;
    /* contexts 1 .. top are written */
    size_t top;
    bool rewound;  /* the top one, a builtin, as it was when it was called */
    size_t *bases; /* of each context, from the bottom of the stack */
    th_place *places;
    theta_state_Word *stack;
    size_t nstack;
} saver;

static th_status no_memory(saver *s) {
    if (!atomic_load_explicit(&s->mem->refused, memory_order_relaxed))
        return th_fail(s->err, TH_E_NOMEM, "out of memory");
    atomic_store_explicit(&s->mem->refused, false, memory_order_relaxed);
    return th_fail(s->err, TH_E_MEMORY_LIMIT, "the memory limit of %zu bytes is reached while the run is saved",
                   s->mem->limit_bytes);
}

static th_status grow(saver *s, void **array, size_t *capacity, size_t needed, size_t item_bytes) {
    return th_mem_grow(s->mem, array, capacity, needed, item_bytes) == TH_OK ? TH_OK : no_memory(s);
}

/* ---- Program strings ---------------------------------------------------------------------------------------- */

static constant *constant_slot(const saver *s, const void *pointer) {
    size_t i = th_hash_word(th_ptr_word(pointer)) & s->constants_mask;
    while (s->constants[i].str && s->constants[i].str != pointer) i = (i + 1) & s->constants_mask;
    return &s->constants[i];
}

static th_status collect_constants(saver *s) {
    size_t count = 0, capacity = 8;
    for (size_t u = 0; u < s->m->nunits; u++) count += s->m->units[u]->program->nstrings;
    while (capacity < count * 2) capacity *= 2;
    s->constants = th_arena_zeroed(&s->arena, capacity * sizeof *s->constants);
    if (!s->constants) return no_memory(s);
    s->constants_mask = capacity - 1;
    for (size_t u = 0; u < s->m->nunits; u++) {
        const th_program *p = s->m->units[u]->program;
        for (uint32_t i = 0; i < p->nstrings; i++) {
            constant *slot = constant_slot(s, p->strings[i]);
            if (!slot->str) *slot = (constant){p->strings[i], (uint32_t)u, i};
        }
    }
    return TH_OK;
}

/* ---- Objects ------------------------------------------------------------------------------------------------ */

static uint32_t *object_slot(const saver *s, const void *pointer) {
    size_t mask = s->index_capacity - 1, i = th_hash_word(th_ptr_word(pointer)) & mask;
    while (s->index[i] != 0 && s->pointers[s->index[i] - 1] != pointer) i = (i + 1) & mask;
    return &s->index[i];
}

static th_status grow_index(saver *s) {
    if ((s->nobjects + 1) * 2 <= s->index_capacity) return TH_OK;
    size_t capacity = s->index_capacity ? s->index_capacity * 2 : 64;
    uint32_t *index = th_mem_zeroed(s->mem, capacity * sizeof *index);
    if (!index) return no_memory(s);
    th_mem_free(s->mem, s->index, s->index_capacity * sizeof *index);
    s->index = index;
    s->index_capacity = capacity;
    for (size_t i = 0; i < s->nobjects; i++) *object_slot(s, s->pointers[i]) = (uint32_t)i + 1;
    return TH_OK;
}

/* The number + 1 of an object, given when it is first seen. */
static th_status number_of(saver *s, const void *pointer, bool string, uint64_t *out) {
    TH_TRY(grow_index(s));
    uint32_t *slot = object_slot(s, pointer);
    if (*slot == 0) {
        if (s->nobjects >= UINT32_MAX / 2) return th_fail(s->err, TH_E_LIMIT, "the run has too many objects to save");
        TH_TRY(grow(s, (void **)&s->objects, &s->objects_capacity, s->nobjects + 1, sizeof *s->objects));
        TH_TRY(grow(s, (void **)(void *)&s->pointers, &s->pointers_capacity, s->nobjects + 1, sizeof *s->pointers));
        s->objects[s->nobjects] = (theta_values_Object){
            .kind = string ? theta_values_ObjectKind_String : theta_values_ObjectKind_Record, .type = TH_TYPE_STRING};
        s->pointers[s->nobjects++] = pointer;
        *slot = (uint32_t)s->nobjects;
    }
    *out = *slot;
    return TH_OK;
}

/* A word of the machine as a word of the file. */
static th_status save_word(saver *s, th_type_id type, uint64_t word, uint64_t *out) {
    const th_type *t = th_types_get(&s->m->types, type);
    if (t->cls == TH_CLASS_VALUE) return th_fail(s->err, TH_E_UNSUPPORTED, "values of dynamic type cannot be saved");
    *out = t->kind == TH_KIND_VOID ? 0 : word;
    if (!t->pointers || word == 0) return TH_OK;
    return number_of(s, th_word_ptr(word), t->cls == TH_CLASS_STRING, out);
}

static th_status put_word(saver *s, th_type_id type, uint64_t word) {
    uint64_t bits;
    TH_TRY(save_word(s, type, word, &bits));
    TH_TRY(grow(s, (void **)&s->words, &s->words_capacity, s->nwords + 1, sizeof *s->words));
    s->words[s->nwords++] = bits;
    return TH_OK;
}

static th_status put_bytes(saver *s, const void *bytes, size_t len) {
    if (len > 0) th_buf_put(&s->bytes, bytes, len);
    return s->bytes.failed ? no_memory(s) : TH_OK;
}

static th_status put_string(saver *s, const th_str *str, theta_values_Object *o) {
    const constant *c = constant_slot(s, str);
    if (c->str) {
        o->kind = theta_values_ObjectKind_ProgramString;
        o->unit = c->unit;
        o->index = c->index;
        return TH_OK;
    }
    o->start = s->bytes.len;
    o->count = str->len;
    return put_bytes(s, str->bytes, str->len);
}

static th_status put_list(saver *s, const th_list *list, theta_values_Object *o) {
    th_type_id element = th_types_get(&s->m->types, list->object.type)->args[0];
    size_t width = th_types_get(&s->m->types, element)->bytes;
    o->kind = theta_values_ObjectKind_List;
    o->count = list->len;
    if (width < 8) {
        o->start = s->bytes.len;
        return put_bytes(s, list->data, list->len * width);
    }
    o->start = s->nwords;
    for (size_t i = 0; i < list->len; i++) TH_TRY(put_word(s, element, list->words[i]));
    return TH_OK;
}

static th_status put_dict(saver *s, const th_dict *dict, theta_values_Object *o) {
    const th_type_id *args = th_types_get(&s->m->types, dict->object.type)->args;
    o->kind = theta_values_ObjectKind_Dict;
    o->start = s->nwords;
    o->count = dict->len * 2;
    o->flags = dict->capacity;
    o->index = dict->used;
    size_t at = 0;
    for (const th_dict_entry *e; (e = th_dict_next(dict, &at)) != NULL;) {
        TH_TRY(put_word(s, args[0], e->key));
        TH_TRY(put_word(s, args[1], e->value));
    }
    return TH_OK;
}

static th_status put_closure(saver *s, const th_closure *closure, theta_values_Object *o) {
    const th_fn *fn = closure->fn;
    o->kind = theta_values_ObjectKind_Closure;
    o->start = s->nwords;
    o->count = closure->ncaptures;
    o->unit = fn->unit->index;
    o->index = fn->info->index;
    for (size_t i = 0; i < closure->ncaptures; i++)
        TH_TRY(put_word(s, fn->unit->types[fn->info->captures[i]], closure->captures[i]));
    return TH_OK;
}

static th_status class_number(saver *s, const th_native_class *cls, uint32_t *out) {
    for (size_t i = 0; i < s->nclasses; i++) {
        if (s->classes[i] != cls) continue;
        *out = (uint32_t)i;
        return TH_OK;
    }
    TH_TRY(grow(s, (void **)(void *)&s->classes, &s->classes_capacity, s->nclasses + 1, sizeof *s->classes));
    *out = (uint32_t)s->nclasses;
    s->classes[s->nclasses++] = cls;
    return TH_OK;
}

static th_status put_native(saver *s, const th_native *native, theta_values_Object *o) {
    const th_native_class *cls = native->cls;
    if (!native->pointer || !cls->save || !cls->restore ||
        th_engine_native(s->m->engine, th_view_of(cls->name)) != cls ||
        !th_native_fits(&s->m->types, native->object.type, th_view_of(cls->name)))
        return th_fail(s->err, TH_E_UNSUPPORTED, "the run holds an object of class %s, which cannot be saved",
                       cls->name);
    o->kind = theta_values_ObjectKind_Native;
    o->start = s->bytes.len;
    TH_TRY(class_number(s, cls, &o->index));
    th_error inner = {.code = TH_OK};
    th_status status = cls->save(s->m, native->pointer, &s->bytes, &inner);
    if (s->bytes.failed || status == TH_E_NOMEM) return no_memory(s);
    if (status != TH_OK)
        return th_fail(s->err, status, "%s", inner.message[0] ? inner.message : th_status_text(status));
    o->count = s->bytes.len - o->start;
    uint64_t attached = 0;
    if (native->attached) TH_TRY(number_of(s, th_word_ptr(native->attached), false, &attached));
    o->unit = (uint32_t)attached;
    return TH_OK;
}

static th_type_id slot_type(const th_types *types, const th_record *record, size_t slot) {
    const th_type *t = th_types_get(types, record->object.type);
    th_type_id field = TH_TYPE_VOID;
    if (t->kind == TH_KIND_VARIANT) return slot == 0 ? TH_TYPE_I64 : t->args[record->slots[0]];
    if (t->kind == TH_KIND_OPTION) return t->args[0];
    (void)th_types_field(types, record->object.type, slot, &field);
    return field;
}

static th_status put_record(saver *s, const th_record *record, theta_values_Object *o) {
    size_t n = th_record_slots(&s->m->types, record->object.type);
    o->kind = theta_values_ObjectKind_Record;
    o->start = s->nwords;
    o->count = n;
    for (size_t i = 0; i < n; i++) TH_TRY(put_word(s, slot_type(&s->m->types, record, i), record->slots[i]));
    return TH_OK;
}

static th_status put_object(saver *s, size_t number) {
    const void *pointer = s->pointers[number];
    theta_values_Object o = s->objects[number];
    th_status status;
    if (o.kind == theta_values_ObjectKind_String) {
        status = put_string(s, pointer, &o);
    } else {
        o.type = ((const th_object *)pointer)->type;
        switch (th_types_kind(&s->m->types, o.type)) {
        case TH_KIND_LIST: status = put_list(s, pointer, &o); break;
        case TH_KIND_DICT: status = put_dict(s, pointer, &o); break;
        case TH_KIND_FUNCTION: status = put_closure(s, pointer, &o); break;
        case TH_KIND_TABLE:
        case TH_KIND_OPAQUE: status = put_native(s, pointer, &o); break;
        default: status = put_record(s, pointer, &o); break;
        }
    }
    s->objects[number] = o; /* the array may have moved */
    return status;
}

/* ---- Contexts ----------------------------------------------------------------------------------------------- */

static bool opens_regions(const th_machine *m, size_t context) {
    for (size_t i = m->memory.nregions; i > 0 && m->memory.regions[i - 1].context >= context; i--)
        if (m->memory.regions[i - 1].context == context) return true;
    return false;
}

/* A builtin that the host began is found again by its name. */
static bool can_be_named(const th_machine *m, const th_binding *binding) {
    void *user;
    return th_engine_match(m->engine, th_view_of(binding->builtin->name), &m->types, binding->type, &user) ==
           binding->builtin;
}

/* Finds the outermost builtin that must start again: nothing above it is saved. */
static th_status choose_top(saver *s) {
    const th_machine *m = s->m;
    s->top = (size_t)(m->context - m->contexts);
    for (size_t i = 1; i <= s->top; i++) {
        const th_context *c = &m->contexts[i];
        if (c->kind == TH_CONTEXT_CODE) continue;
        if (c->binding == &m->own_binding && !can_be_named(m, c->binding))
            return th_fail(s->err, TH_E_UNSUPPORTED, "a run of %s alone cannot be saved", c->binding->builtin->name);
        if (c->kind == TH_CONTEXT_HOST) continue;
        th_resume resume = th_binding_resume(&m->types, c->binding, c->state, i < s->top);
        if (resume == TH_RESUME_SELF || (resume != TH_RESUME_NOT && !opens_regions(m, i))) continue;
        s->top = i;
        s->rewound = true;
    }
    if (s->top == 0) return th_fail(s->err, TH_E_UNSUPPORTED, "the run is over: there is nothing to save");
    return TH_OK;
}

static th_status place_contexts(saver *s) {
    const th_machine *m = s->m;
    s->bases = th_arena_zeroed(&s->arena, (s->top + 2) * sizeof *s->bases);
    s->places = th_arena_zeroed(&s->arena, (s->top + 2) * sizeof *s->places);
    if (!s->bases || !s->places) return no_memory(s);
    for (size_t i = 1; i <= s->top; i++) {
        const th_context *c = &m->contexts[i];
        s->bases[i] = s->bases[i - 1] + c->delta;
        if (c->kind == TH_CONTEXT_CODE) s->places[i] = (th_place){.fn = c->fn, .pc = th_context_pc(m, c)};
    }
    const th_context *top = &m->contexts[s->top];
    s->nstack = s->bases[s->top] + (top->kind == TH_CONTEXT_CODE ? top->fn->nregs : th_binding_delta(top->binding));
    s->stack = th_mem_zeroed(s->mem, s->nstack * sizeof *s->stack);
    if (!s->stack) return no_memory(s);
    for (size_t i = 0; i < s->nstack; i++) s->stack[i].type = TH_TYPE_UNDEFINED;
    return th_places_resolve(s->mem, &s->arena, s->places, s->top + 1, s->err);
}

static th_status save_register(saver *s, size_t at, th_type_id type) {
    s->stack[at].type = type;
    return save_word(s, type, s->m->stack[at], &s->stack[at].bits);
}

/* The registers of a function; from the window above it on they are that context's. */
static th_status save_registers(saver *s, size_t i) {
    const th_fn *fn = s->m->contexts[i].fn;
    size_t n = fn->nregs;
    if (i < s->top && s->bases[i + 1] - s->bases[i] < n) n = s->bases[i + 1] - s->bases[i];
    for (size_t r = 1; r < n; r++)
        if (s->places[i].types[r] != TH_TYPE_UNDEFINED)
            TH_TRY(save_register(s, s->bases[i] + r, fn->unit->types[s->places[i].types[r]]));
    return TH_OK;
}

static th_status save_args(saver *s, size_t i) {
    const th_binding *binding = s->m->contexts[i].binding;
    for (uint32_t a = 0; a < binding->nargs; a++)
        TH_TRY(save_register(s, s->bases[i] + 2 + a, th_types_param(&s->m->types, binding->type, a)));
    return TH_OK;
}

static th_status save_slots(saver *s, const th_binding *binding, const uint64_t *slots, theta_state_Word *out) {
    for (uint32_t i = 0; i < binding->builtin->nslots; i++) {
        char cls = binding->builtin->slots[i];
        out[i] = (theta_state_Word){.bits = slots[i], .type = TH_TYPE_I64};
        if (cls == 't') out[i] = (theta_state_Word){.type = (uint32_t)slots[i]};
        if (cls == 't' || cls == 'i' || slots[i] == 0) continue;
        out[i].type = cls == 's' ? TH_TYPE_STRING : ((const th_object *)th_word_ptr(slots[i]))->type;
        TH_TRY(save_word(s, out[i].type, slots[i], &out[i].bits));
    }
    return TH_OK;
}

/* What the words of contexts, globals, bindings and holds refer to; then what those do, to the end. */
static th_status reach_contexts(saver *s, uint32_t *closures, theta_state_Word **slots) {
    for (size_t i = 1; i <= s->top; i++) {
        const th_context *c = &s->m->contexts[i];
        uint64_t word = 0;
        if (c->kind != TH_CONTEXT_CODE) {
            TH_TRY(save_args(s, i));
            bool restart = c->kind == TH_CONTEXT_HOST || (i == s->top && s->rewound);
            if (restart) continue;
            th_resume resume = th_binding_resume(&s->m->types, c->binding, c->state, i < s->top);
            if (resume != TH_RESUME_CHECKED && resume != TH_RESUME_SELF) continue;
            slots[i] = th_arena_zeroed(&s->arena, (c->binding->builtin->nslots + 1) * sizeof **slots);
            if (!slots[i]) return no_memory(s);
            TH_TRY(save_slots(s, c->binding, s->m->stack + s->bases[i] + 2 + c->binding->nargs, slots[i]));
            continue;
        }
        TH_TRY(save_registers(s, i));
        if (c->fn->info->ncaptures > 0) TH_TRY(number_of(s, c->closure, false, &word));
        closures[i] = (uint32_t)word;
    }
    return TH_OK;
}

static th_flat_ref put_context(const saver *s, th_flat_builder *fb, size_t i, uint32_t closure,
                               const theta_state_Word *slots) {
    const th_context *c = &s->m->contexts[i];
    bool code = c->kind == TH_CONTEXT_CODE, restart = i == s->top && s->rewound;
    bool own = !code && c->binding == &s->m->own_binding;
    th_flat_ref name = own ? th_flat_put_view(fb, th_view_of(c->binding->builtin->name)) : 0;
    th_flat_ref slots_ref = slots ? theta_state_Context_put_slots(fb, slots, c->binding->builtin->nslots) : 0;
    theta_state_Context_start_table(fb);
    theta_state_Context_add_base(fb, (uint32_t)s->bases[i]);
    if (code) {
        theta_state_Context_add_kind(fb, theta_state_ContextKind_CODE);
        theta_state_Context_add_unit(fb, c->fn->unit->index);
        theta_state_Context_add_function(fb, c->fn->info->index);
        theta_state_Context_add_pc(fb, (uint32_t)(c->pc - c->fn->code));
        theta_state_Context_add_closure(fb, closure);
        theta_state_Context_add_regions(fb, s->places[i].depth);
    } else {
        theta_state_Context_add_kind(fb, c->kind == TH_CONTEXT_HOST ? theta_state_ContextKind_HOST
                                                                    : theta_state_ContextKind_BUILTIN);
        if (own) {
            theta_state_Context_add_name(fb, name);
            theta_state_Context_add_type(fb, c->binding->type);
        } else {
            const th_unit *unit = s->m->contexts[i - 1].fn->unit; /* an import is called by code of its unit */
            theta_state_Context_add_unit(fb, unit->index);
            theta_state_Context_add_builtin_import(fb, (uint32_t)(c->binding - unit->imports));
        }
        if (c->kind == TH_CONTEXT_BUILTIN && !restart) theta_state_Context_add_state(fb, c->state);
        theta_state_Context_add_slots(fb, slots_ref);
    }
    return th_flat_end(fb);
}

/* ---- Units, bindings, holds --------------------------------------------------------------------------------- */

static th_status reach_globals(saver *s, uint64_t **globals) {
    for (size_t u = 0; u < s->m->nunits; u++) {
        const th_unit *unit = s->m->units[u];
        globals[u] = th_arena_zeroed(&s->arena, (unit->program->nglobals + 1) * sizeof **globals);
        if (!globals[u]) return no_memory(s);
        for (uint32_t i = 0; i < unit->program->nglobals; i++)
            if (unit->globals_set[i])
                TH_TRY(save_word(s, unit->types[unit->program->globals[i].type], unit->globals[i], &globals[u][i]));
    }
    return TH_OK;
}

static th_status reach_named(saver *s, theta_state_Word *bindings, theta_state_Word *holds) {
    const th_machine *m = s->m;
    for (size_t i = 0; i < m->nbindings; i++) {
        bindings[i].type = m->bindings[i].type;
        TH_TRY(save_word(s, m->bindings[i].type, m->bindings[i].word, &bindings[i].bits));
    }
    for (size_t i = 0; i < m->nholds; i++) {
        holds[i].type = m->holds[i].used ? m->holds[i].type : TH_TYPE_UNDEFINED;
        if (m->holds[i].used) TH_TRY(save_word(s, m->holds[i].type, m->holds[i].word, &holds[i].bits));
    }
    return TH_OK;
}

static th_flat_ref put_unit(th_flat_builder *fb, const th_unit *unit, uint32_t program, const uint64_t *globals) {
    uint32_t n = unit->program->nglobals;
    th_flat_ref words = theta_state_Unit_put_globals(fb, globals, n);
    th_flat_ref set = theta_state_Unit_put_globals_set(fb, (const uint8_t *)unit->globals_set, n);
    theta_state_Unit_start_table(fb);
    theta_state_Unit_add_program(fb, program);
    theta_state_Unit_add_globals(fb, words);
    theta_state_Unit_add_globals_set(fb, set);
    theta_state_Unit_add_started(fb, unit->started);
    return th_flat_end(fb);
}

static th_flat_ref put_program(th_flat_builder *fb, const th_program *program) {
    void *space;
    th_flat_ref bytes = th_flat_put_space(fb, program->len, 1, 8, &space);
    if (bytes) memcpy(space, program->bytes, program->len);
    theta_state_Program_start_table(fb);
    theta_state_Program_add_bytes(fb, bytes);
    return th_flat_end(fb);
}

/* ---- The file ----------------------------------------------------------------------------------------------- */

/* All that was reached, ready to be written. */
typedef struct image {
    uint32_t *closures;       /* of each context: number + 1 */
    theta_state_Word **slots; /* of each context */
    uint64_t **globals;       /* of each unit */
    uint32_t *programs;       /* of each unit: the number of its program */
    theta_state_Word *bindings, *holds;
    th_flat_ref *refs; /* room for the longest vector */
} image;

static th_status new_image(saver *s, image *im) {
    const th_machine *m = s->m;
    im->closures = th_arena_zeroed(&s->arena, (s->top + 1) * sizeof *im->closures);
    im->slots = th_arena_zeroed(&s->arena, (s->top + 1) * sizeof *im->slots);
    im->globals = th_arena_zeroed(&s->arena, (m->nunits + 1) * sizeof *im->globals);
    im->bindings = th_arena_zeroed(&s->arena, (m->nbindings + 1) * sizeof *im->bindings);
    im->holds = th_arena_zeroed(&s->arena, (m->nholds + 1) * sizeof *im->holds);
    im->programs = th_arena_zeroed(&s->arena, (m->nunits + 1) * sizeof *im->programs);
    bool ok = im->closures && im->slots && im->globals && im->bindings && im->holds && im->programs;
    return ok ? TH_OK : no_memory(s);
}

/* Each program is written once, however many units it has. */
static void number_programs(const th_machine *m, uint32_t *programs) {
    uint32_t count = 0;
    for (size_t u = 0; u < m->nunits; u++) {
        size_t first = 0;
        while (m->units[first]->program != m->units[u]->program) first++;
        programs[u] = first < u ? programs[first] : count++;
    }
}

static th_flat_ref put_objects(saver *s, th_flat_builder *fb, th_flat_ref *refs) {
    for (size_t i = 0; i < s->nclasses; i++) refs[i] = th_flat_put_view(fb, th_view_of(s->classes[i]->name));
    th_flat_ref classes = th_flat_put_refs(fb, refs, s->nclasses);
    th_flat_ref bytes = theta_values_Objects_put_bytes(fb, (const uint8_t *)s->bytes.data, s->bytes.len);
    th_flat_ref words = theta_values_Objects_put_words(fb, s->words, s->nwords);
    th_flat_ref objects = theta_values_Objects_put_objects(fb, s->objects, s->nobjects);
    theta_values_Objects_start_table(fb);
    theta_values_Objects_add_objects(fb, objects);
    theta_values_Objects_add_words(fb, words);
    theta_values_Objects_add_bytes(fb, bytes);
    theta_values_Objects_add_classes(fb, classes);
    return th_flat_end(fb);
}

static th_flat_ref put_bindings(const saver *s, th_flat_builder *fb, const image *im) {
    const th_machine *m = s->m;
    for (size_t i = 0; i < m->nbindings; i++) {
        th_flat_ref name = th_flat_put_string(fb, m->bindings[i].name, m->bindings[i].len);
        theta_state_Binding_start_table(fb);
        theta_state_Binding_add_name(fb, name);
        theta_state_Binding_add_value(fb, &im->bindings[i]);
        im->refs[i] = th_flat_end(fb);
    }
    return th_flat_put_refs(fb, im->refs, m->nbindings);
}

static th_flat_ref put_units(const saver *s, th_flat_builder *fb, const image *im, th_flat_ref *programs) {
    const th_machine *m = s->m;
    size_t nprograms = 0;
    for (size_t u = 0; u < m->nunits; u++)
        if (im->programs[u] == nprograms) im->refs[nprograms++] = put_program(fb, m->units[u]->program);
    *programs = th_flat_put_refs(fb, im->refs, nprograms);
    for (size_t u = 0; u < m->nunits; u++) im->refs[u] = put_unit(fb, m->units[u], im->programs[u], im->globals[u]);
    return th_flat_put_refs(fb, im->refs, m->nunits);
}

static th_flat_ref put_fuel(const th_machine *m, th_flat_builder *fb) {
    theta_state_Fuel_start_table(fb);
    theta_state_Fuel_add_used(fb, th_machine_fuel_used(m));
    theta_state_Fuel_add_limit(fb, m->fuel_limit < 0 ? -1 : m->fuel_limit);
    theta_state_Fuel_add_resumable(fb, m->resumable);
    return th_flat_end(fb);
}

/* Written from the back, so that what inspecting asks first lies at the front. */
static th_flat_ref put_state(saver *s, th_flat_builder *fb, const image *im) {
    const th_machine *m = s->m;
    th_flat_ref programs, units = put_units(s, fb, im, &programs);
    th_flat_ref objects = put_objects(s, fb, im->refs);
    th_flat_ref bindings = put_bindings(s, fb, im);
    th_flat_ref holds = theta_state_State_put_holds(fb, im->holds, m->nholds);
    th_flat_ref types = th_types_put(fb, &s->arena, &m->types);
    th_flat_ref stack = theta_state_State_put_stack(fb, s->stack, s->nstack);
    for (size_t i = 1; i <= s->top; i++) im->refs[i - 1] = put_context(s, fb, i, im->closures[i], im->slots[i]);
    th_flat_ref contexts = th_flat_put_refs(fb, im->refs, s->top);
    th_flat_ref fuel = put_fuel(m, fb);
    if (!types) return 0;
    theta_state_State_start_table(fb);
    theta_state_State_add_major(fb, TH_STATE_MAJOR);
    theta_state_State_add_minor(fb, TH_STATE_MINOR);
    theta_state_State_add_run_state(fb, (uint8_t)m->state);
    theta_state_State_add_status(fb, m->state == TH_RUN_SUSPENDED ? (uint16_t)m->stop : 0);
    theta_state_State_add_programs(fb, programs);
    theta_state_State_add_types(fb, types);
    theta_state_State_add_units(fb, units);
    theta_state_State_add_contexts(fb, contexts);
    theta_state_State_add_stack(fb, stack);
    theta_state_State_add_objects(fb, objects);
    theta_state_State_add_bindings(fb, bindings);
    theta_state_State_add_holds(fb, holds);
    theta_state_State_add_result_type(fb, m->result_type);
    theta_state_State_add_fuel(fb, fuel);
    return th_flat_end(fb);
}

static th_status write_file(saver *s, const image *im, uint8_t **bytes, size_t *len) {
    th_flat_builder fb;
    th_flat_builder_init(&fb, s->mem);
    th_flat_ref root = put_state(s, &fb, im);
    th_status status = root == 0 && th_flat_builder_status(&fb) == TH_OK
                           ? TH_E_NOMEM
                           : th_flat_finish(&fb, root, theta_state_ident, bytes, len);
    th_flat_builder_clear(&fb);
    if (status == TH_E_NOMEM) return no_memory(s);
    return status == TH_OK ? TH_OK : th_fail(s->err, status, "the run is too large to save");
}

static th_status save(saver *s, uint8_t **bytes, size_t *len) {
    image im = {0};
    th_machine *m = s->m;
    for (size_t i = 0; i < m->types.len; i++)
        if (m->types.items[i].open)
            return th_fail(s->err, TH_E_UNSUPPORTED, "a program that could not be loaded left a type without fields");
    TH_TRY(choose_top(s));
    TH_TRY(collect_constants(s));
    TH_TRY(place_contexts(s));
    TH_TRY(new_image(s, &im));
    TH_TRY(reach_contexts(s, im.closures, im.slots));
    TH_TRY(reach_globals(s, im.globals));
    TH_TRY(reach_named(s, im.bindings, im.holds));
    for (size_t i = 0; i < s->nobjects; i++) TH_TRY(put_object(s, i));
    number_programs(m, im.programs);
    im.refs = th_arena_new(&s->arena, (s->top + m->nunits + m->nbindings + s->nclasses + 1) * sizeof *im.refs);
    if (!im.refs) return no_memory(s);
    return write_file(s, &im, bytes, len);
}

th_status th_machine_save(th_machine *m, uint8_t **bytes, size_t *len, th_error *err) {
    if (m->state != TH_RUN_SUSPENDED && m->state != TH_RUN_READY)
        return th_fail(err, TH_E_ARGUMENT, "the machine is not suspended: there is nothing to save");
    if (m->trapped) return th_fail(err, TH_E_BUSY, "an error is still to be raised: run the machine first");
    if (m->heap) return th_fail(err, TH_E_UNSUPPORTED, "a machine that works with dynamic values cannot be saved yet");
    TH_IGNORE(th_machine_flush(m)); /* its failure is told by whoever prints next */
    saver s = {.m = m, .mem = &m->mem, .err = err};
    th_arena_init(&s.arena, s.mem);
    th_buf_init(&s.bytes, s.mem);
    th_status status = save(&s, bytes, len);
    th_mem_free(s.mem, s.objects, s.objects_capacity * sizeof *s.objects);
    th_mem_free(s.mem, s.pointers, s.pointers_capacity * sizeof *s.pointers);
    th_mem_free(s.mem, s.index, s.index_capacity * sizeof *s.index);
    th_mem_free(s.mem, s.words, s.words_capacity * sizeof *s.words);
    th_mem_free(s.mem, s.classes, s.classes_capacity * sizeof *s.classes);
    th_mem_free(s.mem, s.stack, s.nstack * sizeof *s.stack);
    th_buf_clear(&s.bytes);
    th_arena_clear(&s.arena);
    return status == TH_E_NOMEM ? no_memory(&s) : status;
}
