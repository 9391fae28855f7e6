/*
** snapshot.c - what saving (snapshot_save.c) and restoring (snapshot_restore.c) share.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/snapshot.h"

#include <stdlib.h>

/* ---- Places ------------------------------------------------------------------------------------------------- */

static int compare_places(const void *a, const void *b) {
    const th_place *x = *(th_place *const *)a, *y = *(th_place *const *)b;
    if (x->fn != y->fn) return (uintptr_t)x->fn < (uintptr_t)y->fn ? -1 : 1;
    return x->pc < y->pc ? -1 : x->pc > y->pc;
}

/* All places of one function, in order. */
static th_status resolve_function(th_mem *mem, th_arena *arena, th_place **places, size_t count, th_error *err) {
    const th_function *f = places[0]->fn->info;
    size_t npcs = 0;
    uint32_t *pcs = th_arena_new(arena, count * sizeof *pcs);
    if (!pcs) return th_fail(err, TH_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (npcs == 0 || pcs[npcs - 1] != places[i]->pc) pcs[npcs++] = places[i]->pc;
    uint32_t *depths = th_arena_new(arena, npcs * sizeof *depths);
    th_type_id *types = th_arena_new(arena, npcs * f->nregs * sizeof *types);
    if (!depths || !types) return th_fail(err, TH_E_NOMEM, "out of memory");
    th_status status = th_verify_states(mem, places[0]->fn->unit->program, f->index, pcs, npcs, types, depths);
    if (status == TH_E_NOMEM) return th_fail(err, status, "out of memory");
    for (size_t i = 0, at = 0; i < count && status == TH_OK; i++) {
        if (pcs[at] != places[i]->pc) at++;
        places[i]->types = types + at * f->nregs;
        places[i]->depth = depths[at];
        if (places[i]->types[0] == TH_TYPE_UNDEFINED) status = TH_E_FORMAT; /* where nothing was verified */
    }
    if (status == TH_OK) return TH_OK;
    return th_fail(err, TH_E_FORMAT, "the saved state is malformed: function \"%.*s\" cannot stand where it does",
                   (int)(f->name->len > 200 ? 200 : f->name->len), f->name->bytes);
}

th_status th_places_resolve(th_mem *mem, th_arena *arena, th_place *places, size_t count, th_error *err) {
    th_place **order = th_arena_new(arena, count * sizeof *order + 1);
    size_t n = 0;
    if (!order) return th_fail(err, TH_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (places[i].fn) order[n++] = &places[i];
    if (n > 1) qsort(order, n, sizeof *order, compare_places);
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && order[to]->fn == order[from]->fn;) to++;
        TH_TRY(resolve_function(mem, arena, order + from, to - from, err));
    }
    return TH_OK;
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

/* The verifier's rules of what may stand for what (verify.c), for types of the machine. */
static th_type_id held(const th_types *types, th_type_id id) {
    const th_type *t = th_types_get(types, id);
    if (t->cls >= TH_CLASS_I8 && t->cls <= TH_CLASS_BOOL) return (th_type_id)t->cls;
    return t->kind == TH_KIND_SYMBOL ? TH_TYPE_STRING : id;
}
_Static_assert((int)TH_CLASS_I8 == (int)TH_TYPE_I8 && (int)TH_CLASS_BOOL == (int)TH_TYPE_BOOL, "scalars in one order");

bool th_result_fits(const th_types *types, th_type_id from, th_type_id to) {
    if (from == TH_TYPE_VOID || to == TH_TYPE_VOID) return from == to;
    if (held(types, from) == held(types, to)) return true;
    const th_type *t = th_types_get(types, to), *s = th_types_get(types, from);
    if (t->kind != TH_KIND_OPTION || !th_types_get(types, t->args[0])->pointers) return false;
    return held(types, s->kind == TH_KIND_OPTION ? s->args[0] : from) == held(types, t->args[0]);
}

/* ---- Builtins ----------------------------------------------------------------------------------------------- */

th_type_id th_binding_callback(const th_types *types, const th_binding *binding) {
    th_type_id result = TH_TYPE_UNDEFINED;
    for (size_t i = 0; i < th_types_nparams(types, binding->type); i++) {
        th_type_id param = th_types_param(types, binding->type, i);
        if (th_types_kind(types, param) != TH_KIND_FUNCTION) continue;
        if (result != TH_TYPE_UNDEFINED && result != th_types_result(types, param)) return TH_TYPE_UNDEFINED;
        result = th_types_result(types, param);
    }
    return result;
}

static bool is_sort(const th_builtin *builtin) {
    return builtin >= th_lib_list && builtin < th_lib_list + th_lib_list_count && builtin->nslots == TH_SORT_SLOTS &&
           strcmp(builtin->name, "List.sort_by") == 0;
}

uint32_t th_builtin_type_slot(const th_builtin *builtin) {
    uint32_t i = 0;
    while (i < builtin->nslots && builtin->slots[i] != 't') i++;
    return i;
}

th_resume th_binding_resume(const th_types *types, const th_binding *binding, uint32_t state, bool called) {
    if (state == 0 && !called) return TH_RESUME_START;
    if (binding->builtin->flags & TH_BUILTIN_CHECKS) return TH_RESUME_SELF;
    if (called && th_binding_callback(types, binding) == TH_TYPE_UNDEFINED) return TH_RESUME_NOT;
    if (binding->builtin->nslots == 0) return TH_RESUME_STATE;
    return called && is_sort(binding->builtin) ? TH_RESUME_CHECKED : TH_RESUME_NOT;
}

/* ---- Natives ------------------------------------------------------------------------------------------------ */

static th_view last_part(th_view name) {
    for (size_t i = name.len; i > 0; i--)
        if (name.data[i - 1] == '.') return (th_view){name.data + i, name.len - i};
    return name;
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c; }

bool th_native_fits(const th_types *types, th_type_id type, th_view cls) {
    const th_type *t = th_types_get(types, type);
    if (t->kind == TH_KIND_TABLE) return th_view_is(cls, "theta.flow.node");
    if (t->kind != TH_KIND_OPAQUE) return false;
    th_view a = last_part(th_view_str(t->name)), b = last_part(cls);
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i])) return false;
    return true;
}
