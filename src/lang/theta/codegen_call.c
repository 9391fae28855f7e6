/*
** codegen_call.c - lowering of calls: windows, builtins, closures, inlining, a function's tail calls of itself.
** Relies on codegen_regs.c to place windows so that few arguments and results are copied.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

#define INLINE_DEPTH  4
#define INLINE_BUDGET 4000 /* nodes inlined into one function */

static th_class class_of(const th_gen *g, const th_tir *node) { return th_gen_class(g, node->type); }

/* Whether evaluating it late is the same as evaluating it in turn: a literal, or a local that nothing after it sets. */
static bool can_wait(const th_gen *g, th_tir *const *args, uint32_t i, uint32_t count) {
    th_tir lit;
    if (th_gen_fold(g, args[i], &lit)) return true;
    if (args[i]->kind != TH_TIR_LOCAL) return false;
    const th_gen_place *place = &g->scope->places[args[i]->local->index];
    if (place->kind != TH_PLACE_REG) return false;
    if (!g->vregs[place->v].shared) return true;
    for (uint32_t k = i + 1; k < count; k++)
        if (th_gen_fact_of(g, args[k])->flags & TH_FACT_SETS) return false;
    return true;
}

static void into_slot(th_gen *g, const th_tir *node, uint32_t slot, bool seal) {
    if (seal) {
        th_gen_into(g, node, slot);
        return;
    }
    uint32_t v = th_gen_value(g, node, slot);
    if (v == slot) return;
    g->span = node->span;
    th_gen_emit(g, TH_OP_MOV, slot, v, 0);
}

/* What needs work first, each straight into its slot, so that inner calls find the higher slots still free. */
static void arguments(th_gen *g, th_gen_group *group, th_tir *const *args, uint32_t count, bool seal) {
    bool *wait = th_arena_zeroed(&g->scratch, count + 1);
    if (wait == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        wait[i] = can_wait(g, args, i, count);
        if (!wait[i]) into_slot(g, args[i], group->slots[i], seal);
    }
    for (uint32_t i = 0; i < count; i++)
        if (wait[i]) into_slot(g, args[i], group->slots[i], seal);
}

/* A builtin that only looks at strings cannot keep one: it has nowhere to put it. */
static bool may_retain(const th_gen *g, const th_tir *node) {
    if (th_gen_is_pointer(class_of(g, node))) return true;
    for (uint32_t i = 0; i < node->nkids; i++) {
        th_class cls = class_of(g, node->kids[i]);
        if (th_gen_is_pointer(cls) && cls != TH_CLASS_STRING) return true;
    }
    return false;
}

static uint32_t import_of(th_gen *g, const th_tir *node) {
    uint32_t index = 0;
    th_status status = th_builder_import(g->builder, node->text, node->fntype, &index);
    if (status != TH_OK) th_gen_fail(g, status);
    return index;
}

static bool too_many(th_gen *g, const th_tir *node, uint32_t count) {
    if (count <= 240) return false;
    th_gen_limit(g, node->span, "a call with %u arguments: at most 240 are possible", count);
    return true;
}

/* Opens a window for the arguments, evaluates them, calls. `op` CALLC: `callee` is the closure's register. */
static uint32_t windowed(th_gen *g, const th_tir *node, th_op op, uint32_t callee, th_tir *const *args, uint32_t count,
                         uint32_t dest) {
    th_class result = class_of(g, node);
    if (node->never) result = th_gen_class(g, node->type); /* declared to have one, though it never comes */
    if (too_many(g, node, count)) return TH_GEN_ZERO;
    th_gen_group *group = th_gen_group_new(g, count, true, result);
    if (group == NULL) return TH_GEN_ZERO;
    for (uint32_t i = 0; i < count; i++) th_gen_group_class(g, group, i, class_of(g, args[i]));
    g->span = node->span;
    th_gen_group_open(g, group);
    arguments(g, group, args, count, op != TH_OP_CALLB || may_retain(g, node));
    g->span = node->span;
    uint32_t d = result == TH_CLASS_NONE ? TH_GEN_NONE : th_gen_dest(g, dest, result);
    th_gen_ins *ins = th_gen_emit(g, op, 0, callee, 0);
    if (ins == NULL) return TH_GEN_ZERO;
    ins->group = group;
    ins->def = d;
    group->user = ins;
    if (node->never) th_gen_trap_text(g, TH_E_TRAP, "a call that should not return came back");
    return d == TH_GEN_NONE ? TH_GEN_ZERO : d;
}

/* ---- Inlining ----------------------------------------------------------------------------------------------- */

static bool should_inline(const th_gen *g, const th_gen_function *callee) {
    if (!callee->inlinable || callee->tir->source != g->fn->tir->source) return false;
    if (g->inlined + callee->size > INLINE_BUDGET) return false;
    uint32_t depth = 0;
    for (const th_gen_scope *s = g->scope; s != NULL; s = s->outer, depth++)
        if (s->fn == callee) return false;
    return depth <= INLINE_DEPTH;
}

static const th_tir *copy_literal(th_gen *g, const th_tir *lit) {
    th_tir *copy = th_arena_copy(&g->scratch, lit, sizeof *lit);
    if (copy == NULL) th_gen_fail(g, TH_E_NOMEM);
    return copy;
}

/* Where the callee finds a parameter: the argument's own register when neither side changes it. */
static void place_argument(th_gen *g, th_gen_place *place, const th_local *parameter, th_tir *const *args, uint32_t i,
                           uint32_t count) {
    th_tir lit;
    if (!parameter->assigned && th_gen_fold(g, args[i], &lit)) {
        place->kind = TH_PLACE_NODE;
        place->node = copy_literal(g, &lit);
        return;
    }
    uint32_t v = th_gen_value(g, args[i], TH_GEN_NONE);
    bool later_sets = false;
    for (uint32_t k = i + 1; k < count; k++)
        if (th_gen_fact_of(g, args[k])->flags & TH_FACT_SETS) later_sets = true;
    if (parameter->assigned || v == TH_GEN_ZERO || g->vregs[v].builder || (later_sets && g->vregs[v].shared)) {
        uint32_t copy = th_gen_vreg_new(g, (th_class)g->vregs[v].cls);
        g->vregs[copy].shared = parameter->assigned;
        th_gen_move(g, copy, v);
        v = copy;
    }
    place->kind = TH_PLACE_REG;
    place->v = v;
}

/* The captures of a closure made in this function are locals of this function. */
static void place_captures(th_gen *g, th_gen_place *places, const th_gen_function *callee, const th_tir *closure) {
    for (uint32_t k = 0; closure != NULL && k < closure->nlocals; k++) {
        const th_gen_place *from = th_gen_place_of(g, closure->locals[k]);
        places[callee->tir->nparams + k] = *from;
    }
}

static bool captures_are_placed(th_gen *g, const th_tir *closure) {
    for (uint32_t k = 0; closure != NULL && k < closure->nlocals; k++) {
        const th_gen_place *from = th_gen_place_of(g, closure->locals[k]);
        if (from->kind != TH_PLACE_REG && from->kind != TH_PLACE_NODE) return false;
    }
    return true;
}

static uint32_t inlined(th_gen *g, th_gen_function *callee, const th_tir *closure, th_tir *const *args, uint32_t count,
                        uint32_t dest) {
    th_gen_scope scope = {.outer = g->scope, .fn = callee, .leave = th_gen_label_new(g), .result = TH_GEN_NONE};
    scope.places = th_arena_zeroed(&g->scratch, (callee->tir->nlocals + 1) * sizeof *scope.places);
    if (scope.places == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return TH_GEN_ZERO;
    }
    for (uint32_t i = 0; i < count; i++) place_argument(g, &scope.places[i], callee->tir->locals[i], args, i, count);
    place_captures(g, scope.places, callee, closure);
    th_class result = th_gen_class(g, th_types_result(g->types, callee->tir->type));
    if (result != TH_CLASS_NONE) scope.result = th_gen_dest(g, dest, result);
    g->inlined += callee->size;
    g->scope = &scope;
    if (result == TH_CLASS_NONE || callee->tir->body->never)
        th_gen_void(g, callee->tir->body);
    else
        th_gen_into(g, callee->tir->body, scope.result);
    g->scope = scope.outer;
    th_gen_place_label(g, scope.leave);
    return result == TH_CLASS_NONE ? TH_GEN_ZERO : scope.result;
}

static th_tir *const *from_kid(const th_tir *node, uint32_t from) {
    return node->nkids > from ? node->kids + from : NULL;
}

/* ---- Calls -------------------------------------------------------------------------------------------------- */

static uint32_t call_function(th_gen *g, const th_tir *node, uint32_t index, uint32_t from, uint32_t dest) {
    th_gen_function *callee = &g->facts.functions[index];
    if (should_inline(g, callee)) return inlined(g, callee, NULL, from_kid(node, from), node->nkids - from, dest);
    return windowed(g, node, TH_OP_CALL, callee->index, from_kid(node, from), node->nkids - from, dest);
}

static bool any_sets(const th_gen *g, const th_tir *node, uint32_t from) {
    for (uint32_t i = from; i < node->nkids; i++)
        if (th_gen_fact_of(g, node->kids[i])->flags & TH_FACT_SETS) return true;
    return false;
}

static uint32_t call_closure(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *head = node->kids[0], *known = head->kind == TH_TIR_CLOSURE ? head : NULL;
    if (head->kind == TH_TIR_LOCAL) known = th_gen_place_of(g, head->local)->closure;
    if (known != NULL) {
        th_gen_function *callee = &g->facts.functions[known->index];
        if (known->nlocals == 0) return call_function(g, node, known->index, 1, dest);
        if (should_inline(g, callee) && captures_are_placed(g, known))
            return inlined(g, callee, known, from_kid(node, 1), node->nkids - 1, dest);
    }
    uint32_t closure = th_gen_value(g, head, TH_GEN_NONE);
    if (g->vregs[closure].shared && any_sets(g, node, 1)) {
        uint32_t copy = th_gen_vreg_new(g, TH_CLASS_PTR);
        th_gen_move(g, copy, closure);
        closure = copy;
    }
    return windowed(g, node, TH_OP_CALLC, closure, from_kid(node, 1), node->nkids - 1, dest);
}

uint32_t th_gen_call(th_gen *g, const th_tir *node, uint32_t dest) {
    if (node->kind == TH_TIR_CALL) return call_function(g, node, node->index, 0, dest);
    if (node->kind == TH_TIR_CALL_CLOSURE) return call_closure(g, node, dest);
    return windowed(g, node, TH_OP_CALLB, import_of(g, node), node->kids, node->nkids, dest);
}

/* ---- Closures ----------------------------------------------------------------------------------------------- */

/* The register that a capture is taken from: the cell itself when it is shared. */
static uint32_t captured(th_gen *g, const th_local *local, uint32_t dest) {
    th_gen_place *place = th_gen_place_of(g, local);
    th_tir read = {.kind = TH_TIR_LOCAL, .type = local->type, .span = g->span, .nkids = 0};
    read.local = (th_local *)local;
    if (g->scope->fn->locals[local->index].cell) {
        if (place->kind == TH_PLACE_UNSET) { /* a cell captured from further out: load it, not what it holds */
            th_gen_value(g, &read, TH_GEN_NONE);
            place = th_gen_place_of(g, local);
        }
        if (dest == TH_GEN_NONE) return place->v;
        th_gen_move(g, dest, place->v);
        return dest;
    }
    uint32_t v = th_gen_kept(g, &read, dest);
    if (dest == TH_GEN_NONE || v == dest) return v;
    th_gen_emit(g, TH_OP_MOV, dest, v, 0);
    return dest;
}

uint32_t th_gen_closure(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t count = node->nlocals, function = g->facts.functions[node->index].index;
    if (count > TH_GEN_FIELDS) {
        th_gen_limit(g, node->span, "a function that uses %u variables from outside: at most %u are possible", count,
                     TH_GEN_FIELDS);
        return TH_GEN_ZERO;
    }
    th_gen_group *group = th_gen_group_new(g, count, false, TH_CLASS_NONE);
    if (group == NULL) return TH_GEN_ZERO;
    if (count == 1) {
        group->slots[0] = captured(g, node->locals[0], TH_GEN_NONE);
    } else if (count > 1) {
        for (uint32_t i = 0; i < count; i++) {
            const th_local *local = node->locals[i];
            bool cell = g->scope->fn->locals[local->index].cell;
            th_gen_group_class(g, group, i, cell ? TH_CLASS_PTR : th_gen_class(g, local->type));
        }
        g->span = node->span;
        th_gen_group_open(g, group);
        for (uint32_t i = 0; i < count; i++) captured(g, node->locals[i], group->slots[i]);
    }
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_PTR);
    g->span = node->span;
    th_gen_ins *ins = th_gen_emit_word(g, TH_OP_CLOSURE, d, 0, count, function);
    if (ins != NULL) ins->group = group;
    group->user = ins;
    return d;
}

/* ---- Calls of itself in tail position ----------------------------------------------------------------------- */

/* Whether a later argument, or one that waits for its turn, reads the parameter. */
static bool needed_later(const th_gen *g, const th_tir *node, uint32_t i) {
    const th_local *parameter = g->fn->tir->locals[i];
    for (uint32_t k = i + 1; k < node->nkids; k++)
        if (th_gen_mentions(node->kids[k], parameter)) return true;
    return false;
}

bool th_gen_tail_call(th_gen *g, const th_tir *node) {
    if (g->restart == NULL || g->scope->outer != NULL || g->guard != NULL || node->kind != TH_TIR_CALL ||
        &g->facts.functions[node->index] != g->fn)
        return false;
    uint32_t *temp = th_arena_zeroed(&g->scratch, (node->nkids + 1) * sizeof *temp);
    if (temp == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return true;
    }
    for (uint32_t i = 0; i < node->nkids; i++) {
        const th_tir *arg = node->kids[i];
        const th_local *parameter = g->fn->tir->locals[i];
        uint32_t real = TH_GEN_ZERO + 1 + i;
        bool plain = th_gen_place_of(g, parameter)->kind == TH_PLACE_REG;
        if (plain && arg->kind == TH_TIR_LOCAL && arg->local == parameter) continue;
        if (plain && !needed_later(g, node, i)) {
            th_gen_into(g, arg, real);
            continue;
        }
        temp[i] = th_gen_vreg_new(g, (th_class)g->vregs[real].cls);
        th_gen_into(g, arg, temp[i]);
    }
    g->span = node->span;
    for (uint32_t i = 0; i < node->nkids; i++)
        if (temp[i] != 0) th_gen_move(g, TH_GEN_ZERO + 1 + i, temp[i]);
    for (uint32_t open = g->regions; open > (g->fn_region ? 1u : 0u); open--) th_gen_emit(g, TH_OP_RLEAVE, 0, 0, 0);
    if (g->fn_region) th_gen_emit(g, TH_OP_RLOOP, 0, 0, 0);
    th_gen_jump(g, g->restart);
    return true;
}
