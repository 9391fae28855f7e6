/*
** snapshot_restore.c - th_machine_restore: a checked file (snapshot_check.c) becomes a machine. Objects are made first and
** then filled, as they may refer to each other in circles. Everything restored is older than every region, which are then
** opened again: collections find nothing to move in it.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/snapshot_restore.h"

/* ---- Building ----------------------------------------------------------------------------------------------- */

static th_status trapped(th_restorer *r) {
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    (void)th_machine_take_trap(r->m, &inner);
    if (inner.code == TH_E_NOMEM || inner.code == TH_E_MEMORY_LIMIT)
        return th_fail(r->err, inner.code, "%s", inner.message);
    return th_restore_refuse(r, "%s", inner.message);
}

/* A checked word of the file as a word of the machine. */
static uint64_t live_word(const th_restorer *r, th_type_id type, uint64_t bits) {
    if (bits == 0 || !type_at(r, type)->pointers) return bits;
    return th_ptr_word(r->built[bits - 1]);
}

static void *new_list(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    th_list *list = th_new_list(r->m, type, o->count);
    size_t width = type_at(r, type_at(r, type)->args[0])->bytes;
    if (!list) return NULL;
    list->len = o->count;
    if (o->count > 0 && width < 8) memcpy(list->data, r->bytes + o->start, o->count * width);
    return list;
}

/* As large as it was, so that it grows and is charged as it would have been; but not much larger than what it holds. */
static void *new_dict(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    uint64_t n = o->count / 2, capacity = o->flags;
    if (capacity < n || capacity > 16 * n + 1024) capacity = n;
    return th_new_dict(r->m, type, capacity);
}

static void *new_closure(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    th_closure *closure = th_new_bytes(r->m, sizeof *closure + o->count * sizeof closure->captures[0]);
    if (!closure) return NULL;
    closure->object = (th_object){type, 0};
    closure->fn = &r->m->units[o->unit]->fns[o->index];
    closure->ncaptures = o->count;
    memset(closure->captures, 0, o->count * sizeof closure->captures[0]);
    return closure;
}

static th_status new_native(th_restorer *r, const theta_values_Object *o, th_type_id type, void **out) {
    const th_native_class *cls = th_restore_class(r, o);
    void *pointer;
    th_error inner = {.code = TH_OK};
    const uint8_t *bytes = o->count > 0 ? r->bytes + o->start : (const uint8_t *)"";
    th_status status = cls->restore(r->m, bytes, o->count, &pointer, &inner);
    if (status == TH_E_NOMEM) return th_restore_no_memory(r);
    if (status != TH_OK)
        return th_restore_refuse(r, "%s: %s", cls->name, inner.message[0] ? inner.message : th_status_text(status));
    *out = th_new_native(r->m, type, cls, pointer);
    return *out ? TH_OK : trapped(r);
}

static th_status build(th_restorer *r, uint32_t i) {
    const theta_values_Object *o = &r->objects[i];
    th_type_id type = r->object_types[i];
    void *object;
    switch (o->kind) {
    case theta_values_ObjectKind_String:
        object = th_new_str_of(r->m, (const char *)(o->count > 0 ? r->bytes + o->start : NULL), o->count);
        break;
    case theta_values_ObjectKind_ProgramString:
        object = (void *)(uintptr_t)r->m->units[o->unit]->program->strings[o->index];
        break;
    case theta_values_ObjectKind_List: object = new_list(r, o, type); break;
    case theta_values_ObjectKind_Dict: object = new_dict(r, o, type); break;
    case theta_values_ObjectKind_Closure: object = new_closure(r, o, type); break;
    case theta_values_ObjectKind_Native: return new_native(r, o, type, &r->built[i]);
    default: object = th_new_record(r->m, type, o->count); break;
    }
    r->built[i] = object;
    return object ? TH_OK : trapped(r);
}

static th_status fill_dict(th_restorer *r, const theta_values_Object *o, th_type_id type, th_dict *dict) {
    const th_type_id key = type_at(r, type)->args[0], value = type_at(r, type)->args[1];
    const uint64_t *words = r->words + o->start;
    for (uint64_t i = 0; i < o->count; i += 2)
        if (!th_dict_set(r->m, dict, live_word(r, key, words[i]), live_word(r, value, words[i + 1]))) return trapped(r);
    if (dict->len != o->count / 2) return th_restore_refuse(r, "a dict has a key twice");
    while (dict->used < o->index && dict->used < dict->capacity) dict->entries[dict->used++] = (th_dict_entry){0, 0, 0};
    return TH_OK;
}

static void fill_list(const th_restorer *r, const theta_values_Object *o, th_type_id type, th_list *list) {
    th_type_id element = type_at(r, type)->args[0];
    if (type_at(r, element)->bytes < 8) return; /* filled when it was made */
    for (uint64_t i = 0; i < o->count; i++) list->words[i] = live_word(r, element, r->words[o->start + i]);
}

static void fill_closure(const th_restorer *r, const theta_values_Object *o, th_closure *closure) {
    const th_type_id *types = closure->fn->unit->types, *captures = closure->fn->info->captures;
    for (uint64_t i = 0; i < o->count; i++)
        closure->captures[i] = live_word(r, types[captures[i]], r->words[o->start + i]);
}

static void fill_record(const th_restorer *r, const theta_values_Object *o, th_type_id type, th_record *record) {
    const uint64_t *words = r->words + o->start;
    for (uint64_t i = 0; i < o->count; i++)
        record->slots[i] = live_word(r, th_restore_slot_type(r, type, words, i), words[i]);
}

static th_status fill(th_restorer *r, uint32_t i) {
    const theta_values_Object *o = &r->objects[i];
    th_type_id type = r->object_types[i];
    switch (o->kind) {
    case theta_values_ObjectKind_List: fill_list(r, o, type, r->built[i]); return TH_OK;
    case theta_values_ObjectKind_Dict: return fill_dict(r, o, type, r->built[i]);
    case theta_values_ObjectKind_Closure: fill_closure(r, o, r->built[i]); return TH_OK;
    case theta_values_ObjectKind_Record: fill_record(r, o, type, r->built[i]); return TH_OK;
    case theta_values_ObjectKind_Native:
        if (o->unit == 0) return TH_OK;
        return th_native_attach(r->m, r->built[i], th_ptr_word(r->built[o->unit - 1])) ? TH_OK : trapped(r);
    default: return TH_OK;
    }
}

static th_status build_objects(th_restorer *r) {
    r->built = th_restore_array(r, r->nobjects, sizeof *r->built);
    if (!r->built) return th_restore_no_memory(r);
    for (uint32_t i = 0; i < r->nobjects; i++) TH_TRY(build(r, i));
    for (uint32_t i = 0; i < r->nobjects; i++) TH_TRY(fill(r, i));
    return TH_OK;
}

/* ---- Putting it in place ------------------------------------------------------------------------------------ */

static th_status make_room(th_restorer *r) {
    th_machine *m = r->m;
    size_t registers = (size_t)(m->stack_end - m->stack), contexts = (size_t)(m->contexts_end - m->contexts),
           needed = 0;
    for (uint32_t i = 0; i < r->nframes; i++) {
        const th_frame *f = &r->frames[i];
        size_t end =
            f->base + (f->kind == TH_CONTEXT_CODE ? (size_t)f->fn->nregs + 2 : th_binding_delta(f->binding) + 4);
        if (end > needed) needed = end;
    }
    if (th_mem_grow(&m->mem, (void **)&m->stack, &registers, needed, sizeof *m->stack) != TH_OK)
        return th_restore_no_memory(r);
    m->stack_end = m->stack + registers;
    m->base = m->stack;
    memset(m->stack, 0, registers * sizeof *m->stack);
    th_status status =
        th_mem_grow(&m->mem, (void **)&m->contexts, &contexts, (size_t)r->nframes + 16, sizeof *m->contexts);
    m->contexts_end = m->contexts + contexts;
    m->context = m->contexts;
    return status == TH_OK ? TH_OK : th_restore_no_memory(r);
}

static void install_code(th_restorer *r, uint32_t i, th_context *c) {
    const th_frame *f = &r->frames[i];
    uint64_t *window = r->m->stack + f->base;
    const th_type_id *types = r->places[i].types;
    c->fn = f->fn;
    c->pc = f->fn->code + f->pc;
    c->closure = f->closure ? r->built[f->closure - 1] : NULL;
    for (uint32_t reg = 1; reg < th_restore_nregs(r, i); reg++)
        if (types[reg] != TH_TYPE_UNDEFINED)
            window[reg] = live_word(r, f->fn->unit->types[types[reg]], r->stack[f->base + reg].bits);
}

static void install_builtin(th_restorer *r, const th_frame *f, th_context *c) {
    const th_context *bottom = r->m->contexts;
    uint64_t *window = r->m->stack + f->base, *slots = window + 2 + f->binding->nargs;
    c->fn = bottom->fn;
    c->pc = bottom->pc;
    c->binding = f->binding;
    c->state = f->state & TH_CONTEXT_STATE_MAX;
    for (uint32_t a = 0; a < f->binding->nargs; a++)
        window[2 + a] = live_word(r, th_types_param(&r->m->types, f->binding->type, a), r->stack[f->base + 2 + a].bits);
    for (uint32_t s = 0; f->slots && s < f->binding->builtin->nslots; s++) {
        const theta_state_Word *word = &f->slots[s];
        switch (f->binding->builtin->slots[s]) {
        case 'i': slots[s] = word->bits; break;
        case 't': slots[s] = r->types[word->type]; break;
        default: slots[s] = word->bits ? th_ptr_word(r->built[word->bits - 1]) : 0;
        }
    }
}

static th_status install_contexts(th_restorer *r) {
    th_machine *m = r->m;
    TH_TRY(make_room(r));
    if (th_memory_enter(&m->memory, 0) != TH_OK) return th_restore_no_memory(r);
    for (uint32_t i = 0; i < r->nframes; i++) {
        const th_frame *f = &r->frames[i];
        th_context *c = &m->contexts[i + 1];
        *c = (th_context){.kind = (uint32_t)f->kind & 0xffu, .delta = f->base - (i > 0 ? r->frames[i - 1].base : 0)};
        if (f->kind == TH_CONTEXT_CODE)
            install_code(r, i, c);
        else
            install_builtin(r, f, c);
        for (uint32_t depth = 0; f->kind == TH_CONTEXT_CODE && depth < r->places[i].depth; depth++)
            if (th_memory_enter(&m->memory, i + 1) != TH_OK) return th_restore_no_memory(r);
    }
    return TH_OK;
}

static void install_globals(th_restorer *r) {
    for (uint32_t u = 0; u < r->m->nunits; u++) {
        th_flat_table t = theta_state_State_units_at(r->root, u);
        th_unit *unit = r->m->units[u];
        for (uint32_t i = 0; i < unit->program->nglobals; i++) {
            unit->globals_set[i] = theta_state_Unit_globals_set(t)[i] != 0;
            if (!unit->globals_set[i]) continue;
            unit->globals[i] =
                live_word(r, unit->types[unit->program->globals[i].type], theta_state_Unit_globals(t)[i]);
        }
    }
}

static th_status install_named(th_restorer *r) {
    th_machine *m = r->m;
    for (uint32_t i = 0; i < theta_state_State_bindings_len(r->root); i++) {
        th_flat_table t = theta_state_State_bindings_at(r->root, i);
        const theta_state_Word *word = theta_state_Binding_value(t);
        th_type_id type = r->types[word->type];
        if (th_machine_bind(m, binding_name(t), type, live_word(r, type, word->bits)) != TH_OK)
            return th_restore_no_memory(r);
    }
    uint32_t nholds = theta_state_State_holds_len(r->root);
    if (th_mem_grow(&m->mem, (void **)&m->holds, &m->holds_capacity, nholds, sizeof *m->holds) != TH_OK)
        return th_restore_no_memory(r);
    for (uint32_t i = 0; i < nholds; i++) {
        const theta_state_Word *word = &theta_state_State_holds(r->root)[i];
        m->holds[i] = (th_held){.used = word->type != TH_TYPE_UNDEFINED};
        if (!m->holds[i].used) continue;
        m->holds[i].type = r->types[word->type];
        m->holds[i].word = live_word(r, m->holds[i].type, word->bits);
    }
    m->nholds = nholds;
    return TH_OK;
}

#define MAX_FUEL ((int64_t)1 << 60) /* so that sums stay in range */

static th_status install_fuel(th_restorer *r) {
    th_machine *m = r->m;
    th_flat_table t = theta_state_State_fuel(r->root);
    int64_t used = theta_state_Fuel_used(t), limit = theta_state_Fuel_limit(t);
    if (used < 0 || used > MAX_FUEL || limit > MAX_FUEL) return th_restore_refuse(r, "its fuel is out of range");
    m->fuel_spent = used;
    m->slice = m->fuel = 0;
    if (m->fuel_limit >= 0)
        m->fuel_limit = used + (m->fuel_limit < MAX_FUEL ? m->fuel_limit : MAX_FUEL);
    else
        m->fuel_limit = limit < 0 ? -1 : limit;
    m->resumable = theta_state_Fuel_resumable(t);
    return TH_OK;
}

static th_status install(th_restorer *r) {
    th_machine *m = r->m;
    TH_TRY(build_objects(r));
    TH_TRY(install_contexts(r));
    install_globals(r);
    TH_TRY(install_named(r));
    TH_TRY(install_fuel(r));
    m->context = m->contexts + r->nframes;
    m->base = m->stack + r->frames[r->nframes - 1].base;
    m->main_fn = r->frames[0].fn;
    m->result_type = r->types[theta_state_State_result_type(r->root)];
    m->stop = (th_status)theta_state_State_status(r->root);
    m->state = (th_run_state)theta_state_State_run_state(r->root);
    m->deadline_ns = 0;
    m->trace.len = 0;
    return TH_OK;
}

/* ---- The whole ---------------------------------------------------------------------------------------------- */

static th_status open_file(th_restorer *r, const void *bytes, size_t len) {
    th_flat_limits limits = {.skip_utf8 = true, .max_apparent_bytes = 8 * (uint64_t)len + (1 << 20)};
    if (len > TH_FLAT_MAX_BYTES || !th_flat_has_ident(bytes, len, theta_state_ident))
        return th_fail(r->err, TH_E_FORMAT, "this is no saved state of a Theta machine");
    TH_TRY(th_flat_verify(bytes, len, &theta_state_schema, &limits, r->err));
    r->root = th_flat_root(bytes);
    r->len = len;
    unsigned major = theta_state_State_major(r->root), minor = theta_state_State_minor(r->root);
    if (major == TH_STATE_MAJOR) return TH_OK; /* what a newer minor adds may be ignored */
    return th_fail(r->err, TH_E_VERSION, "the saved state has format version %u.%u, this Theta reads %d.x", major,
                   minor, TH_STATE_MAJOR);
}

static th_status restore(th_restorer *r, const void *bytes, size_t len) {
    void *copy = NULL; /* files are read in place, which needs their bytes at a multiple of 8 */
    if ((uintptr_t)bytes % 8 != 0) {
        copy = th_arena_copy(&r->arena, bytes, len);
        if (!copy) return th_restore_no_memory(r);
        bytes = copy;
    }
    TH_TRY(open_file(r, bytes, len));
    TH_TRY(th_restore_check(r));
    return install(r);
}

/* Leaves nothing of a state that was built in part. */
static void undo(th_machine *m) {
    m->context = m->contexts;
    m->base = m->stack;
    m->state = TH_RUN_IDLE;
    m->trapped = false;
    for (size_t i = 0; i < m->nunits; i++) m->units[i]->started = m->units[i]->program->start == 0;
    TH_IGNORE(th_machine_reset(m));
}

th_status th_machine_restore(th_machine *m, const void *bytes, size_t len, th_error *err) {
    if (m->state != TH_RUN_IDLE || m->nunits > 0 || m->nbindings > 0 || m->nholds > 0)
        return th_fail(err, TH_E_BUSY, "a saved state needs a fresh machine");
    TH_TRY(th_machine_reset(m));
    th_restorer r = {.m = m, .mem = &m->mem, .err = err};
    th_arena_init(&r.arena, r.mem);
    th_status status = restore(&r, bytes, len);
    if (status != TH_OK) undo(m);
    if (status == TH_E_NOMEM) status = th_restore_no_memory(&r);
    th_arena_clear(&r.arena);
    return status;
}
