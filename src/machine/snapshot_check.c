/*
** snapshot_check.c - decides whether a saved state, which may be hostile, can be restored (what is checked, and why:
** snapshot.h). Objects are checked in one pass: each says its type, and each reference is held against the type that its
** place needs, so no walk over the graph is needed. Loads the programs and types into the machine; builds nothing else.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>

#include "machine/snapshot_restore.h"
#include "program/types_io.h"

th_status th_restore_refuse(th_restorer *r, const char *format, ...) {
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return th_fail(r->err, TH_E_FORMAT, "the saved state is malformed: %s", what);
}

th_status th_restore_no_memory(th_restorer *r) {
    if (!atomic_load_explicit(&r->m->mem.refused, memory_order_relaxed))
        return th_fail(r->err, TH_E_NOMEM, "out of memory");
    atomic_store_explicit(&r->m->mem.refused, false, memory_order_relaxed);
    return th_fail(r->err, TH_E_MEMORY_LIMIT, "the memory limit of %zu bytes is too small for the saved state",
                   r->m->mem.limit_bytes);
}

void *th_restore_array(th_restorer *r, size_t count, size_t bytes) {
    return th_arena_zeroed(&r->arena, count * bytes + 1);
}

/* ---- Programs, units, types --------------------------------------------------------------------------------- */

/* What is loaded for a unit is larger than what names it: a small file must not stand for hours of loading. */
static th_status check_amount(th_restorer *r) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < theta_state_State_units_len(r->root); i++) {
        uint32_t program = theta_state_Unit_program(theta_state_State_units_at(r->root, i));
        if (program >= theta_state_State_programs_len(r->root))
            return th_restore_refuse(r, "unit %u has no program", i);
        sum += theta_state_Program_bytes_len(theta_state_State_programs_at(r->root, program));
    }
    for (uint32_t i = 0; i < theta_state_State_programs_len(r->root); i++)
        sum += theta_state_Program_bytes_len(theta_state_State_programs_at(r->root, i));
    if (sum <= 64 * (uint64_t)r->len + (1u << 20)) return TH_OK;
    return th_fail(r->err, TH_E_LIMIT, "the saved state has too many units of its programs");
}

static th_status load_program(th_restorer *r, uint32_t index, th_program **out) {
    th_flat_table t = theta_state_State_programs_at(r->root, index);
    const uint8_t *bytes = theta_state_Program_bytes(t);
    th_error inner = {.code = TH_OK};
    th_status status = th_program_load(th_engine_mem(r->m->engine), bytes ? bytes : (const uint8_t *)"",
                                       theta_state_Program_bytes_len(t), out, &inner);
    if (status == TH_OK) return TH_OK;
    if (status == TH_E_NOMEM) return th_restore_no_memory(r);
    if (status == TH_E_VERIFY) status = TH_E_FORMAT;
    return th_fail(r->err, status, "the saved state is malformed: program %u: %s", index, inner.message);
}

static th_status load_units(th_restorer *r, th_program **programs) {
    for (uint32_t i = 0; i < theta_state_State_units_len(r->root); i++) {
        th_flat_table t = theta_state_State_units_at(r->root, i);
        th_unit *unit;
        th_error inner = {.code = TH_E_NOMEM};
        th_status status = th_machine_load(r->m, programs[theta_state_Unit_program(t)], &unit, &inner);
        if (status == TH_E_NOMEM) return th_restore_no_memory(r);
        if (status != TH_OK)
            return th_fail(r->err, status, "%s", inner.message[0] ? inner.message : th_status_text(status));
        if (r->m->heap) return th_fail(r->err, TH_E_UNSUPPORTED, "a state with dynamic values cannot be restored yet");
        unit->started = unit->program->start == 0 || theta_state_Unit_started(t);
        if (theta_state_Unit_globals_len(t) != unit->program->nglobals ||
            theta_state_Unit_globals_set_len(t) != unit->program->nglobals)
            return th_restore_refuse(r, "unit %u has not the globals of its program", i);
    }
    return TH_OK;
}

static th_status load_programs(th_restorer *r) {
    uint32_t count = theta_state_State_programs_len(r->root), loaded = 0;
    TH_TRY(check_amount(r));
    th_program **programs = th_restore_array(r, count, sizeof *programs);
    if (!programs) return th_restore_no_memory(r);
    th_status status = TH_OK;
    for (; loaded < count && status == TH_OK; loaded++) status = load_program(r, loaded, &programs[loaded]);
    if (status == TH_OK) status = load_units(r, programs);
    for (uint32_t i = 0; i < loaded; i++) th_program_release(programs[i]);
    return status;
}

static th_status load_types(th_restorer *r) {
    th_types types;
    if (th_types_init(&types, r->mem) != TH_OK) return th_restore_no_memory(r);
    th_error inner = {.code = TH_OK};
    r->ntypes = theta_state_State_types_len(r->root);
    r->types = th_restore_array(r, r->ntypes, sizeof *r->types);
    th_status status =
        r->types ? th_types_read(&types, theta_state_State_types(r->root), &r->arena, &inner) : TH_E_NOMEM;
    if (status == TH_OK) status = th_types_import(&r->m->types, &types, r->types);
    th_types_clear(&types);
    if (status == TH_OK) return TH_OK;
    if (status == TH_E_NOMEM) return th_restore_no_memory(r);
    return th_restore_refuse(r, "%s", inner.message[0] ? inner.message : "its types do not fit together");
}

static bool is_value_type(const th_restorer *r, uint32_t id) {
    if (id >= r->ntypes) return false;
    const th_type *t = type_at(r, r->types[id]);
    return !t->generic && t->kind != TH_KIND_VOID;
}

/* ---- Words -------------------------------------------------------------------------------------------------- */

static bool scalar_fits(const th_type *t, uint64_t bits) {
    int64_t value = (int64_t)bits;
    switch (t->cls) {
    case TH_CLASS_BOOL: return bits <= 1;
    case TH_CLASS_I8: return value == (int8_t)value;
    case TH_CLASS_I16: return value == (int16_t)value;
    case TH_CLASS_I32: return value == (int32_t)value;
    case TH_CLASS_F32: return bits <= UINT32_MAX;
    case TH_CLASS_I64:
    case TH_CLASS_F64: return true;
    default: return false;
    }
}

/* Whether the object is what a reference of this type, which is not null, refers to. */
static bool object_fits(const th_restorer *r, uint32_t object, th_type_id type) {
    const th_type *t = type_at(r, type);
    uint8_t kind = r->objects[object].kind;
    if (t->kind == TH_KIND_OPTION && type_at(r, t->args[0])->pointers) {
        type = t->args[0];
        t = type_at(r, type);
    }
    if (t->cls == TH_CLASS_STRING)
        return kind == theta_values_ObjectKind_String || kind == theta_values_ObjectKind_ProgramString;
    if (kind == theta_values_ObjectKind_String || kind == theta_values_ObjectKind_ProgramString) return false;
    if (t->kind == TH_KIND_TABLE) return type_at(r, r->object_types[object])->kind == TH_KIND_TABLE;
    return r->object_types[object] == type;
}

/* Whether a word of the file is a value of the machine's type; counts the reference. */
static bool word_fits(th_restorer *r, th_type_id type, uint64_t bits) {
    const th_type *t = type_at(r, type);
    if (!t->pointers) return scalar_fits(t, bits);
    if (bits == 0) return t->kind == TH_KIND_OPTION;
    if (bits > r->nobjects || !object_fits(r, (uint32_t)(bits - 1), type)) return false;
    r->references[bits - 1]++;
    return true;
}

/* ---- Objects ------------------------------------------------------------------------------------------------ */

static th_status malformed(th_restorer *r, uint32_t object) {
    return th_restore_refuse(r, "object %u is not what its type asks for", object);
}

static bool words_fit(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    for (uint64_t i = 0; i < o->count; i++)
        if (!word_fits(r, type, r->words[o->start + i])) return false;
    return true;
}

static bool list_fits(th_restorer *r, const theta_values_Object *o, const th_type *t) {
    const th_type *element = type_at(r, t->args[0]);
    if (element->bytes == 8) return words_fit(r, o, t->args[0]);
    for (uint64_t i = 0; element->kind == TH_KIND_BOOL && i < o->count; i++)
        if (r->bytes[o->start + i] > 1) return false;
    return true;
}

static bool dict_fits(th_restorer *r, const theta_values_Object *o, const th_type *t) {
    if (o->count % 2 != 0 || o->count / 2 > (uint64_t)1 << 30) return false;
    for (uint64_t i = 0; i < o->count; i++)
        if (!word_fits(r, t->args[i % 2], r->words[o->start + i])) return false;
    return true;
}

static bool closure_fits(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    if (o->unit >= r->m->nunits) return false;
    const th_unit *unit = r->m->units[o->unit];
    if (o->index >= unit->program->nfunctions || unit->fns[o->index].type != type) return false;
    const th_function *f = unit->fns[o->index].info;
    if (o->count != f->ncaptures) return false;
    for (uint64_t i = 0; i < o->count; i++)
        if (!word_fits(r, unit->types[f->captures[i]], r->words[o->start + i])) return false;
    return true;
}

const th_native_class *th_restore_class(const th_restorer *r, const theta_values_Object *o) {
    if (o->index >= r->classes.len) return NULL;
    return th_engine_native(r->m->engine, th_view_str(th_flat_vec_str(r->classes, o->index)));
}

static bool native_fits(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    const th_native_class *cls = th_restore_class(r, o);
    if (!cls || !cls->restore || !th_native_fits(&r->m->types, type, th_view_of(cls->name))) return false;
    if (o->unit == 0) return true;
    if (o->unit > r->nobjects || type_at(r, r->object_types[o->unit - 1])->kind != TH_KIND_TUPLE) return false;
    r->references[o->unit - 1]++;
    return true;
}

th_type_id th_restore_slot_type(const th_restorer *r, th_type_id type, const uint64_t *words, size_t slot) {
    const th_type *t = type_at(r, type);
    th_type_id field = TH_TYPE_VOID;
    if (t->kind == TH_KIND_VARIANT) return slot == 0 ? TH_TYPE_I64 : t->args[words[0]];
    if (t->kind == TH_KIND_OPTION) return t->args[0];
    (void)th_types_field(&r->m->types, type, slot, &field);
    return field;
}

static bool record_fits(th_restorer *r, const theta_values_Object *o, th_type_id type) {
    const th_type *t = type_at(r, type);
    const uint64_t *words = r->words + o->start;
    bool known = t->kind == TH_KIND_STRUCT || t->kind == TH_KIND_TUPLE || t->kind == TH_KIND_CELL ||
                 t->kind == TH_KIND_ERROR || t->kind == TH_KIND_VARIANT ||
                 (t->kind == TH_KIND_OPTION && !type_at(r, t->args[0])->pointers);
    if (!known || o->count != th_record_slots(&r->m->types, type)) return false;
    if (t->kind == TH_KIND_VARIANT && words[0] >= t->nargs) return false;
    for (size_t i = 0; i < o->count; i++)
        if (!word_fits(r, th_restore_slot_type(r, type, words, i), words[i])) return false;
    return true;
}

static bool object_is_sound(th_restorer *r, uint32_t i) {
    const theta_values_Object *o = &r->objects[i];
    th_type_id type = r->object_types[i];
    const th_type *t = type_at(r, type);
    switch (o->kind) {
    case theta_values_ObjectKind_String: return type == TH_TYPE_STRING && o->count <= TH_STR_MAX;
    case theta_values_ObjectKind_ProgramString:
        return type == TH_TYPE_STRING && o->unit < r->m->nunits && o->index < r->m->units[o->unit]->program->nstrings;
    case theta_values_ObjectKind_List: return t->kind == TH_KIND_LIST && list_fits(r, o, t);
    case theta_values_ObjectKind_Dict: return t->kind == TH_KIND_DICT && dict_fits(r, o, t);
    case theta_values_ObjectKind_Closure: return t->kind == TH_KIND_FUNCTION && closure_fits(r, o, type);
    case theta_values_ObjectKind_Native: return native_fits(r, o, type);
    case theta_values_ObjectKind_Record: return record_fits(r, o, type);
    default: return false;
    }
}

/* How many words and bytes the object has in the file; its parts lie right behind those of the object before, so that
** none is counted twice and what is built is no larger than what was read. */
static bool takes_part(th_restorer *r, uint32_t i, uint64_t *words, uint64_t *bytes, uint64_t nwords, uint64_t nbytes) {
    const theta_values_Object *o = &r->objects[i];
    const th_type *t = type_at(r, r->object_types[i]);
    uint64_t width = 1;
    bool narrow = o->kind == theta_values_ObjectKind_String || o->kind == theta_values_ObjectKind_Native;
    if (o->kind == theta_values_ObjectKind_ProgramString) return true;
    if (o->kind == theta_values_ObjectKind_List && t->kind == TH_KIND_LIST) {
        width = type_at(r, t->args[0])->bytes;
        narrow = width < 8;
    }
    uint64_t *at = narrow ? bytes : words, end = narrow ? nbytes : nwords;
    if (!narrow) width = 1;
    if (o->start != *at || o->count > (end - *at) / width) return false;
    *at += o->count * width;
    return true;
}

static th_status check_objects(th_restorer *r) {
    static const uint64_t nothing;
    th_flat_table t = theta_state_State_objects(r->root);
    uint64_t words = 0, bytes = 0;
    if (th_flat_present(t)) {
        r->objects = theta_values_Objects_objects(t);
        r->nobjects = theta_values_Objects_objects_len(t);
        r->words = theta_values_Objects_words(t);
        r->bytes = theta_values_Objects_bytes(t);
        r->classes = theta_values_Objects_classes(t);
    }
    if (!r->words) r->words = &nothing;
    if (!r->bytes) r->bytes = (const uint8_t *)&nothing;
    r->object_types = th_restore_array(r, r->nobjects, sizeof *r->object_types);
    r->references = th_restore_array(r, r->nobjects, sizeof *r->references);
    if (!r->object_types || !r->references) return th_restore_no_memory(r);
    for (uint32_t i = 0; i < r->nobjects; i++) {
        if (!is_value_type(r, r->objects[i].type)) return malformed(r, i);
        r->object_types[i] = r->types[r->objects[i].type];
        if (!takes_part(r, i, &words, &bytes, theta_values_Objects_words_len(t), theta_values_Objects_bytes_len(t)))
            return th_restore_refuse(r, "the parts of object %u are not in the file", i);
    }
    for (uint32_t i = 0; i < r->nobjects; i++)
        if (!object_is_sound(r, i)) return malformed(r, i);
    return TH_OK;
}

/* ---- Tables do not depend on themselves --------------------------------------------------------------------- */

typedef struct visit {
    uint32_t object, next;
} visit;

/* The object that slot `i` of what is attached to a native refers to, when it is a table; nobjects: no more. */
static uint32_t input_of(const th_restorer *r, uint32_t native, uint32_t *i) {
    uint32_t attached = r->objects[native].unit;
    if (attached == 0) return r->nobjects;
    const theta_values_Object *tuple = &r->objects[attached - 1];
    const th_type *t = type_at(r, r->object_types[attached - 1]);
    while (*i < t->nargs) {
        uint32_t slot = (*i)++;
        if (type_at(r, t->args[slot])->kind == TH_KIND_TABLE) return (uint32_t)(r->words[tuple->start + slot] - 1);
    }
    return r->nobjects;
}

enum { UNSEEN, OPEN, CLOSED };

static bool is_acyclic(const th_restorer *r, uint32_t from, uint8_t *seen, visit *stack) {
    size_t depth = 0;
    stack[depth++] = (visit){from, 0};
    seen[from] = OPEN;
    while (depth > 0) {
        uint32_t input = input_of(r, stack[depth - 1].object, &stack[depth - 1].next);
        if (input == r->nobjects) {
            seen[stack[--depth].object] = CLOSED;
        } else if (seen[input] == OPEN) {
            return false;
        } else if (seen[input] == UNSEEN) {
            seen[input] = OPEN;
            stack[depth++] = (visit){input, 0};
        }
    }
    return true;
}

static th_status check_tables(th_restorer *r) {
    uint32_t natives = 0;
    for (uint32_t i = 0; i < r->nobjects; i++) natives += r->objects[i].kind == theta_values_ObjectKind_Native;
    if (natives == 0) return TH_OK;
    uint8_t *seen = th_restore_array(r, r->nobjects, 1);
    visit *stack = th_restore_array(r, natives, sizeof *stack);
    if (!seen || !stack) return th_restore_no_memory(r);
    for (uint32_t i = 0; i < r->nobjects; i++)
        if (r->objects[i].kind == theta_values_ObjectKind_Native && seen[i] == UNSEEN && !is_acyclic(r, i, seen, stack))
            return th_restore_refuse(r, "table %u depends on itself", i);
    return TH_OK;
}

/* ---- Contexts: what they are -------------------------------------------------------------------------------- */

static th_status read_code(th_restorer *r, th_flat_table t, uint32_t i, th_frame *f) {
    if (theta_state_Context_unit(t) >= r->m->nunits) return th_restore_refuse(r, "context %u has no unit", i);
    const th_unit *unit = r->m->units[theta_state_Context_unit(t)];
    uint32_t function = theta_state_Context_function(t);
    if (function >= unit->program->nfunctions) return th_restore_refuse(r, "context %u has no function", i);
    f->kind = TH_CONTEXT_CODE;
    f->fn = &unit->fns[function];
    f->pc = theta_state_Context_pc(t);
    f->closure = theta_state_Context_closure(t);
    bool top = i + 1 == r->nframes;
    r->places[i] = (th_place){.fn = f->fn, .pc = top || f->pc == 0 ? f->pc : f->pc - 1};
    return TH_OK;
}

/* The builtin that the host began: there is no unit that imports it. */
static th_status read_own(th_restorer *r, th_flat_table t, uint32_t i, th_frame *f) {
    th_machine *m = r->m;
    const th_str *name = theta_state_Context_name(t);
    uint32_t type = theta_state_Context_type(t);
    if (i > 0 || f->base != 0 || f->kind != TH_CONTEXT_BUILTIN)
        return th_restore_refuse(r, "context %u was not begun by the host", i);
    if (type >= r->ntypes || type_at(r, r->types[type])->kind != TH_KIND_FUNCTION ||
        type_at(r, r->types[type])->generic)
        return th_restore_refuse(r, "context %u is of no function's type", i);
    th_binding own = {.type = r->types[type]};
    own.builtin = th_engine_match(m->engine, th_view_str(name), &m->types, own.type, &own.user);
    own.nargs = (uint32_t)th_types_nparams(&m->types, own.type);
    if (!own.builtin)
        return th_fail(r->err, TH_E_NOT_FOUND, "%.*s is under way and is not registered",
                       (int)(name->len > 200 ? 200 : name->len), name->bytes);
    m->own_binding = own;
    f->binding = &m->own_binding;
    return TH_OK;
}

static th_status read_import(th_restorer *r, th_flat_table t, uint32_t i, th_frame *f) {
    if (theta_state_Context_unit(t) >= r->m->nunits) return th_restore_refuse(r, "context %u has no unit", i);
    const th_unit *unit = r->m->units[theta_state_Context_unit(t)];
    uint32_t import = theta_state_Context_builtin_import(t);
    if (import >= unit->program->nimports) return th_restore_refuse(r, "context %u has no builtin", i);
    f->binding = &unit->imports[import];
    return TH_OK;
}

static th_status read_builtin(th_restorer *r, th_flat_table t, uint32_t i, th_frame *f) {
    TH_TRY(theta_state_Context_name(t) ? read_own(r, t, i, f) : read_import(r, t, i, f));
    const th_builtin *builtin = f->binding->builtin;
    if (!(builtin->flags & TH_BUILTIN_STATEFUL))
        return th_restore_refuse(r, "%s has no context of its own", builtin->name);
    if (f->kind == TH_CONTEXT_HOST) return TH_OK;
    uint32_t needs = builtin->flags & (TH_BUILTIN_FS | TH_BUILTIN_NET | TH_BUILTIN_CLOCK);
    if (!th_machine_allows(r->m, needs))
        return th_fail(r->err, TH_E_DENIED, "%s is under way and needs a capability that is not granted",
                       builtin->name);
    f->state = theta_state_Context_state(t);
    uint32_t nslots = theta_state_Context_slots_len(t);
    if (nslots > 0) f->slots = theta_state_Context_slots(t);
    if (f->state > TH_CONTEXT_STATE_MAX || (nslots > 0 && nslots != builtin->nslots))
        return th_restore_refuse(r, "context %u is no state of %s", i, builtin->name);
    return TH_OK;
}

static th_status read_contexts(th_restorer *r) {
    r->nframes = theta_state_State_contexts_len(r->root);
    r->stack = theta_state_State_stack(r->root);
    r->nstack = theta_state_State_stack_len(r->root);
    if (r->nframes == 0) return th_restore_refuse(r, "it has no context");
    r->frames = th_restore_array(r, r->nframes, sizeof *r->frames);
    r->places = th_restore_array(r, r->nframes, sizeof *r->places);
    if (!r->frames || !r->places) return th_restore_no_memory(r);
    for (uint32_t i = 0; i < r->nframes; i++) {
        th_flat_table t = theta_state_State_contexts_at(r->root, i);
        th_frame *f = &r->frames[i];
        uint32_t below = i > 0 ? r->frames[i - 1].base : 0;
        f->base = theta_state_Context_base(t);
        if (f->base < below || f->base > r->nstack) return th_restore_refuse(r, "context %u is not on the stack", i);
        switch (theta_state_Context_kind(t)) {
        case theta_state_ContextKind_CODE: TH_TRY(read_code(r, t, i, f)); break;
        case theta_state_ContextKind_BUILTIN:
        case theta_state_ContextKind_HOST:
            f->kind =
                theta_state_Context_kind(t) == theta_state_ContextKind_HOST ? TH_CONTEXT_HOST : TH_CONTEXT_BUILTIN;
            TH_TRY(read_builtin(r, t, i, f));
            break;
        default: return th_restore_refuse(r, "context %u is of a kind that does not run", i);
        }
    }
    return th_places_resolve(r->mem, &r->arena, r->places, r->nframes, r->err);
}

/* ---- Contexts: who called whom ------------------------------------------------------------------------------ */

static th_type_id result_of(const th_restorer *r, const th_fn *fn) { return th_types_result(&r->m->types, fn->type); }

/* Below a function that has not begun yet there may only be the start function of its unit. */
static bool started_fits(const th_restorer *r, uint32_t i) {
    const th_frame *below = &r->frames[i - 1], *f = &r->frames[i];
    uint32_t room = below->fn->nregs < 2 ? 2 : below->fn->nregs;
    return i == 1 && f->kind == TH_CONTEXT_CODE && f->base - below->base >= room && result_of(r, f->fn) == TH_TYPE_VOID;
}

/* The instruction that `below` waits at called context i. A tail call may have put another function in its place. */
static bool called_by_code(const th_restorer *r, uint32_t i) {
    const th_frame *below = &r->frames[i - 1], *f = &r->frames[i];
    const th_unit *unit = below->fn->unit;
    if (below->pc == 0) return started_fits(r, i);
    uint32_t w = below->fn->code[below->pc - 1];
    th_type_id signature;
    switch (TH_INSN_OP(w)) {
    case TH_OP_CALL: signature = unit->fns[TH_INSN_IMM(w)].type; break;
    case TH_OP_CALLC: signature = unit->types[r->places[i - 1].types[TH_INSN_B(w)]]; break;
    case TH_OP_CALLB:
        return f->kind != TH_CONTEXT_CODE && f->base - below->base == TH_INSN_A(w) &&
               f->binding == &unit->imports[TH_INSN_IMM(w)];
    default: return false;
    }
    return f->kind == TH_CONTEXT_CODE && f->base - below->base == TH_INSN_A(w) &&
           th_result_fits(&r->m->types, result_of(r, f->fn), th_types_result(&r->m->types, signature));
}

/* What a closure gives that the builtin has called. */
static th_type_id callback_of(const th_restorer *r, const th_frame *f) {
    const th_builtin *builtin = f->binding->builtin;
    if (!(builtin->flags & TH_BUILTIN_CHECKS)) return th_binding_callback(&r->m->types, f->binding);
    uint32_t slot = th_builtin_type_slot(builtin);
    if (!f->slots || slot == builtin->nslots || f->slots[slot].type >= r->ntypes) return TH_TYPE_UNDEFINED;
    return r->types[f->slots[slot].type];
}

static bool called_by_builtin(const th_restorer *r, uint32_t i) {
    const th_frame *below = &r->frames[i - 1], *f = &r->frames[i];
    th_type_id callback = callback_of(r, below);
    return below->kind == TH_CONTEXT_BUILTIN && f->kind == TH_CONTEXT_CODE && callback != TH_TYPE_UNDEFINED &&
           f->base - below->base == th_binding_delta(below->binding) &&
           th_result_fits(&r->m->types, result_of(r, f->fn), callback);
}

static th_status check_chain(th_restorer *r) {
    uint32_t result = theta_state_State_result_type(r->root);
    const th_frame *first = &r->frames[0];
    bool own = first->binding && first->binding == &r->m->own_binding;
    if ((first->kind != TH_CONTEXT_CODE && !own) || first->base != 0)
        return th_restore_refuse(r, "its outermost context is no function");
    if (result >= r->ntypes || type_at(r, r->types[result])->generic ||
        !th_result_fits(&r->m->types,
                        own ? th_types_result(&r->m->types, first->binding->type) : result_of(r, first->fn),
                        r->types[result]))
        return th_restore_refuse(r, "its result is of another type than its function's");
    for (uint32_t i = 1; i < r->nframes; i++) {
        bool good = r->frames[i - 1].kind == TH_CONTEXT_CODE ? called_by_code(r, i) : called_by_builtin(r, i);
        if (!good) return th_restore_refuse(r, "context %u was not called by the one below it", i);
    }
    return TH_OK;
}

static th_status check_run_state(th_restorer *r) {
    uint8_t state = theta_state_State_run_state(r->root);
    uint16_t status = theta_state_State_status(r->root);
    bool host = r->frames[r->nframes - 1].kind == TH_CONTEXT_HOST;
    bool good = state == TH_RUN_READY ? !host && status == TH_OK
                                      : state == TH_RUN_SUSPENDED &&
                                            (host ? status == TH_OK : status == TH_E_FUEL || status == TH_E_SUSPENDED);
    return good ? TH_OK : th_restore_refuse(r, "it does not say why it was suspended");
}

/* ---- Contexts: what they hold ------------------------------------------------------------------------------- */

uint32_t th_restore_nregs(const th_restorer *r, uint32_t i) {
    uint32_t n = r->frames[i].fn->nregs;
    if (i + 1 == r->nframes) return n;
    uint32_t above = r->frames[i + 1].base - r->frames[i].base;
    return above < n ? above : n;
}

/* A value in the stack, where the register is in it. */
static bool register_fits(th_restorer *r, uint64_t at, th_type_id type) {
    return at < r->nstack && word_fits(r, type, r->stack[at].bits);
}

static th_status check_code(th_restorer *r, uint32_t i) {
    const th_frame *f = &r->frames[i];
    const th_unit *unit = f->fn->unit;
    const th_place *place = &r->places[i];
    for (uint32_t reg = 1; reg < th_restore_nregs(r, i); reg++)
        if (place->types[reg] != TH_TYPE_UNDEFINED &&
            !register_fits(r, (uint64_t)f->base + reg, unit->types[place->types[reg]]))
            return th_restore_refuse(r, "register %u of context %u does not hold what its function expects", reg, i);
    if (theta_state_Context_regions(theta_state_State_contexts_at(r->root, i)) != place->depth)
        return th_restore_refuse(r, "context %u has not the regions of its function", i);
    if (f->fn->info->ncaptures == 0)
        return f->closure == 0 ? TH_OK : th_restore_refuse(r, "context %u runs no closure", i);
    if (f->closure == 0 || f->closure > r->nobjects) return th_restore_refuse(r, "context %u runs no closure", i);
    const theta_values_Object *o = &r->objects[f->closure - 1];
    if (o->kind != theta_values_ObjectKind_Closure || o->unit != unit->index || o->index != f->fn->info->index)
        return th_restore_refuse(r, "context %u runs another closure than its function's", i);
    r->references[f->closure - 1]++;
    return TH_OK;
}

static th_status check_args(th_restorer *r, uint32_t i) {
    const th_frame *f = &r->frames[i];
    for (uint32_t a = 0; a < f->binding->nargs; a++)
        if (!register_fits(r, (uint64_t)f->base + 2 + a, th_types_param(&r->m->types, f->binding->type, a)))
            return th_restore_refuse(r, "argument %u of %s is of another type", a + 1, f->binding->builtin->name);
    if (f->kind == TH_CONTEXT_HOST) return TH_OK;
    th_resume resume = th_binding_resume(&r->m->types, f->binding, f->state, i + 1 < r->nframes);
    bool keeps = resume == TH_RESUME_CHECKED || resume == TH_RESUME_SELF;
    if (resume == TH_RESUME_NOT || (f->slots != NULL) != keeps)
        return th_restore_refuse(r, "%s cannot go on from its state", f->binding->builtin->name);
    return TH_OK;
}

/* A list of the sort: of its type, and nobody else's, for the sort relies on its length. */
static const theta_values_Object *sort_list(const th_restorer *r, const th_frame *f, uint64_t bits) {
    if (bits == 0 || bits > r->nobjects || r->references[bits - 1] != 0) return NULL;
    th_type_id type = th_types_result(&r->m->types, f->binding->type);
    return object_fits(r, (uint32_t)(bits - 1), type) ? &r->objects[bits - 1] : NULL;
}

/* A merge sort waiting for its comparer: between which blocks it is, and how far (lib_list.c). */
static bool sort_fits(const th_restorer *r, const th_frame *f) {
    const theta_state_Word *s = f->slots;
    const theta_values_Object *a = sort_list(r, f, s[TH_SORT_A].bits), *b = sort_list(r, f, s[TH_SORT_B].bits);
    if (!a || !b || a == b || a->count != b->count) return false;
    uint64_t n = a->count, width = s[TH_SORT_WIDTH].bits, lo = s[TH_SORT_LO].bits, i = s[TH_SORT_I].bits,
             j = s[TH_SORT_J].bits, k = s[TH_SORT_K].bits;
    if (width < 1 || width >= n || lo >= n || width >= n - lo) return false;
    uint64_t mid = lo + width, hi = width < n - mid ? mid + width : n;
    if (f->state == TH_SORT_ORDERED) return i == lo && j == mid && k == lo;
    return f->state == TH_SORT_MERGED && i >= lo && i < mid && j >= mid && j < hi && k == i + j - mid;
}

/* Slots of a builtin that checks what it finds in them: each is of its class. */
static bool own_slots_fit(th_restorer *r, const th_frame *f) {
    for (uint32_t i = 0; i < f->binding->builtin->nslots; i++) {
        char cls = f->binding->builtin->slots[i];
        const theta_state_Word *word = &f->slots[i];
        if (cls == 'i') continue;
        if (cls == 't' && word->type >= r->ntypes) return false;
        if (cls == 't' || word->bits == 0) continue;
        if (word->bits > r->nobjects) return false;
        uint8_t kind = r->objects[word->bits - 1].kind;
        bool native = kind == theta_values_ObjectKind_Native,
             string = kind == theta_values_ObjectKind_String || kind == theta_values_ObjectKind_ProgramString;
        if (cls == 'x' && (!native || r->references[word->bits - 1] != 0)) return false;
        if (cls == 's' ? !string : string) return false;
        r->references[word->bits - 1]++;
    }
    return true;
}

/* After all else was checked, so that every other reference has been counted. */
static th_status check_slots(th_restorer *r) {
    for (uint32_t i = 0; i < r->nframes; i++) {
        const th_frame *f = &r->frames[i];
        if (!f->slots) continue;
        bool own = f->binding->builtin->flags & TH_BUILTIN_CHECKS;
        if (own ? !own_slots_fit(r, f) : !sort_fits(r, f))
            return th_restore_refuse(r, "%s cannot go on from its state", f->binding->builtin->name);
        if (own) continue;
        r->references[f->slots[TH_SORT_A].bits - 1]++; /* another sort cannot have it */
        r->references[f->slots[TH_SORT_B].bits - 1]++;
    }
    return TH_OK;
}

/* ---- Globals, bindings, holds ------------------------------------------------------------------------------- */

static th_status check_globals(th_restorer *r) {
    for (uint32_t u = 0; u < r->m->nunits; u++) {
        th_flat_table t = theta_state_State_units_at(r->root, u);
        const th_unit *unit = r->m->units[u];
        const uint8_t *set = theta_state_Unit_globals_set(t);
        for (uint32_t i = 0; i < unit->program->nglobals; i++) {
            const th_named_type *global = &unit->program->globals[i];
            if (set[i] && !word_fits(r, unit->types[global->type], theta_state_Unit_globals(t)[i]))
                return th_restore_refuse(r, "the global '%.*s' is of another type",
                                         (int)(global->name->len > 200 ? 200 : global->name->len), global->name->bytes);
        }
    }
    return TH_OK;
}

static bool named_fits(th_restorer *r, const theta_state_Word *word) {
    if (word->type == TH_TYPE_VOID) return word->bits == 0;
    return is_value_type(r, word->type) && word_fits(r, r->types[word->type], word->bits);
}

/* A binding that has the name of a native's class is one: who looks it up takes that for granted. */
static bool binding_fits(th_restorer *r, th_view name, const theta_state_Word *word) {
    if (!word || !named_fits(r, word)) return false;
    const th_native_class *cls = th_engine_native(r->m->engine, name);
    return !cls || (word->type != TH_TYPE_VOID && th_native_fits(&r->m->types, r->types[word->type], name));
}

static th_status check_named(th_restorer *r) {
    for (uint32_t i = 0; i < theta_state_State_bindings_len(r->root); i++) {
        th_flat_table t = theta_state_State_bindings_at(r->root, i);
        if (!binding_fits(r, binding_name(t), theta_state_Binding_value(t)))
            return th_restore_refuse(r, "binding %u is of another type", i);
    }
    for (uint32_t i = 0; i < theta_state_State_holds_len(r->root); i++) {
        const theta_state_Word *word = &theta_state_State_holds(r->root)[i];
        if (word->type != TH_TYPE_UNDEFINED && !named_fits(r, word))
            return th_restore_refuse(r, "held value %u is of another type", i + 1);
    }
    return TH_OK;
}

th_status th_restore_check(th_restorer *r) {
    TH_TRY(load_programs(r));
    TH_TRY(load_types(r));
    TH_TRY(check_objects(r));
    TH_TRY(check_tables(r));
    TH_TRY(read_contexts(r));
    TH_TRY(check_chain(r));
    TH_TRY(check_run_state(r));
    for (uint32_t i = 0; i < r->nframes; i++)
        TH_TRY(r->frames[i].kind == TH_CONTEXT_CODE ? check_code(r, i) : check_args(r, i));
    TH_TRY(check_globals(r));
    TH_TRY(check_named(r));
    return check_slots(r);
}
