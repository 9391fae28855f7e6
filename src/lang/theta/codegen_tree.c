/*
** codegen_tree.c - lowering of statements and control: bodies, locals, branches, loops, handlers, regions.
** Loops are tested at their bottom, counting ones with one instruction. A loop that may leave garbage runs in a region.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

/* What is to become of a value. */
typedef enum use_kind { USE_NONE, USE_INTO, USE_RETURN } use_kind;
typedef struct use {
    use_kind kind;
    uint32_t dest; /* INTO */
} use;

static void lower(th_gen *g, const th_tir *node, use u);
static void at(th_gen *g, const th_tir *node) { g->span = node->span; }
static bool has_kid(const th_tir *node, uint32_t i) { return node->nkids > i && node->kids[i] != NULL; }

/* ---- Leaving ------------------------------------------------------------------------------------------------ */

/* Ends the stretches of all handlers around here, innermost first: the first that covers takes the error. */
static void end_stretches(th_gen *g, th_gen_guard *down_to) {
    for (th_gen_guard *guard = g->guard; guard != down_to; guard = guard->outer) {
        th_gen_try *t = th_arena_zeroed(&g->scratch, sizeof *t);
        if (t == NULL) {
            th_gen_fail(g, TH_E_NOMEM);
            return;
        }
        *t = (th_gen_try){NULL, guard->start, th_gen_label_new(g), guard->target, guard->reg, guard->depth, 0};
        th_gen_place_label(g, t->end);
        *g->last_try = t;
        g->last_try = &t->next;
    }
}

static void start_stretches(th_gen *g) {
    for (th_gen_guard *guard = g->guard; guard != NULL; guard = guard->outer) {
        guard->start = th_gen_label_new(g);
        th_gen_place_label(g, guard->start);
    }
}

/* Leaves all regions and the function. The registers that survive a region are found by liveness. No handler covers
** this: it would be entered with fewer regions open than it knows of. */
static void emit_return(th_gen *g, th_op op, uint32_t v) {
    bool cut = g->guard != NULL && g->regions > 0;
    if (cut) end_stretches(g, NULL);
    for (uint32_t open = g->regions; open > 0; open--) th_gen_emit(g, TH_OP_RLEAVE, 0, 0, 0);
    th_gen_emit(g, op, v, 0, 0);
    if (cut) start_stretches(g);
}

static bool is_void(const th_gen *g, const th_gen_function *fn) {
    return th_types_result(g->types, fn->tir->type) == TH_TYPE_VOID;
}

static void return_void(th_gen *g) { emit_return(g, TH_OP_RETV, 0); }

/* `node` is the value of the function being lowered. */
static void return_value(th_gen *g, const th_tir *node) {
    if (th_gen_tail_call(g, node)) return;
    uint32_t v = th_gen_kept(g, node, TH_GEN_NONE);
    if (node->never) return;
    at(g, node);
    emit_return(g, TH_OP_RET, v);
}

static void lower_return(th_gen *g, const th_tir *node) {
    const th_gen_scope *scope = g->scope;
    const th_tir *value = has_kid(node, 0) ? node->kids[0] : NULL;
    if (scope->outer == NULL) {
        if (value != NULL && !is_void(g, g->fn)) {
            lower(g, value, (use){USE_RETURN, 0});
            return;
        }
        if (value != NULL) th_gen_void(g, value);
        at(g, node);
        return_void(g);
        return;
    }
    if (value != NULL && scope->result != TH_GEN_NONE)
        lower(g, value, (use){USE_INTO, scope->result});
    else if (value != NULL)
        th_gen_void(g, value);
    th_gen_jump(g, scope->leave);
}

/* ---- Locals ------------------------------------------------------------------------------------------------- */

static bool frame_holds_option(const th_gen *g, const th_local *local) {
    th_class cls = th_gen_class(g, local->type);
    return th_gen_is_pointer(cls) && cls != TH_CLASS_STRING && th_types_kind(g->types, local->type) != TH_KIND_OPTION;
}

/* Stores a value in field `slot` of an object: of a cell, or of a frame. */
static void store_field(th_gen *g, uint32_t object, uint32_t slot, const th_local *local, bool option, uint32_t v) {
    if (option) {
        th_type_id type = th_gen_option_of(g, local->type);
        uint32_t some = th_gen_vreg_new(g, th_gen_class(g, type));
        th_gen_emit_word(g, TH_OP_SOME, some, v, 0, type);
        v = some;
    }
    bool pointer = th_gen_is_pointer(th_gen_class(g, local->type));
    th_gen_emit(g, pointer ? TH_OP_SETP : TH_OP_SET, object, v, slot);
}

/* A value for a variable that has none yet: nobody reads it. */
static uint32_t blank(th_gen *g, th_type_id type, uint32_t dest) {
    th_class cls = th_gen_class(g, type);
    th_tir lit = {.kind = TH_TIR_INT, .type = type, .span = g->span};
    if (cls == TH_CLASS_F64 || cls == TH_CLASS_F32) lit.kind = TH_TIR_FLOAT;
    if (cls == TH_CLASS_STRING && th_types_kind(g->types, type) != TH_KIND_OPTION)
        lit.kind = TH_TIR_STRING;
    else if (th_gen_is_pointer(cls)) {
        lit.kind = TH_TIR_NULL;
        lit.type = th_gen_option_of(g, type);
    }
    lit.text = (th_view){"", 0};
    uint32_t d = th_gen_dest(g, dest, th_gen_class(g, lit.type));
    th_gen_into(g, &lit, d);
    return d;
}

static void declare_empty(th_gen *g, const th_tir *node) {
    const th_local *local = node->local;
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    th_gen_place *place = th_gen_place_of(g, local);
    at(g, node);
    if (facts->cell) {
        uint32_t v = blank(g, local->type, TH_GEN_NONE);
        th_gen_new_cell(g, local, v, true);
        return;
    }
    if (place->kind != TH_PLACE_UNSET) return;
    place->kind = TH_PLACE_REG;
    place->v = th_gen_local_vreg(g, local);
    th_gen_emit(g, TH_GEN_DECLARE, place->v, 0, 0);
}

/* A literal bound for good is its own place. */
static bool bind_literal(th_gen *g, const th_tir *node, th_gen_place *place) {
    th_tir lit;
    if (node->local->assigned || !th_gen_fold(g, node->kids[0], &lit)) return false;
    place->node = th_arena_copy(&g->scratch, &lit, sizeof lit);
    if (place->node == NULL)
        th_gen_fail(g, TH_E_NOMEM);
    else
        place->kind = TH_PLACE_NODE;
    return true;
}

/* `y = x` of two names that never change: one register. */
static bool bind_alias(th_gen *g, const th_tir *node, th_gen_place *place) {
    const th_tir *k0 = node->kids[0];
    if (node->local->assigned || k0->kind != TH_TIR_LOCAL || k0->local->assigned) return false;
    const th_gen_place *from = th_gen_place_of(g, k0->local);
    if (from->kind != TH_PLACE_REG || g->vregs[from->v].shared || g->vregs[from->v].builder) return false;
    *place = *from;
    return true;
}

static void let_register(th_gen *g, const th_tir *node, th_gen_place *place, const th_gen_local *facts) {
    if (place->kind == TH_PLACE_UNSET && (bind_literal(g, node, place) || bind_alias(g, node, place))) return;
    if (place->kind == TH_PLACE_NODE) return;
    bool known = node->kids[0]->kind == TH_TIR_CLOSURE && !node->local->assigned;
    if (known && facts->uses == 0 && node->kids[0]->nlocals == 0) { /* called only, by name */
        place->kind = TH_PLACE_NODE;
        place->node = place->closure = node->kids[0];
        return;
    }
    if (place->kind == TH_PLACE_UNSET) {
        place->kind = TH_PLACE_REG;
        place->v = th_gen_local_vreg(g, node->local);
    }
    uint32_t v = place->v;
    th_gen_into(g, node->kids[0], v);
    if (known) place->closure = node->kids[0];
}

void th_gen_let(th_gen *g, const th_tir *node) {
    if (!has_kid(node, 0)) {
        declare_empty(g, node);
        return;
    }
    const th_gen_local *facts = &g->scope->fn->locals[node->local->index];
    th_gen_place *place = th_gen_place_of(g, node->local);
    if (node->kids[0]->never) {
        th_gen_void(g, node->kids[0]);
    } else if (facts->scalars) {
        th_gen_set_fields_start(g, place, node->kids[0]);
    } else if (facts->cell) {
        uint32_t v = th_gen_kept(g, node->kids[0], TH_GEN_NONE);
        at(g, node);
        th_gen_new_cell(g, node->local, v, false);
    } else if (place->kind == TH_PLACE_FRAME) {
        th_gen_set(g, node);
    } else {
        let_register(g, node, place, facts);
    }
}

/* s = s + a + b: appends in place. In a handler's range all operands come first: s is seen whole or not at all. */
static bool set_append(th_gen *g, const th_tir *node, uint32_t v) {
    const th_tir *value = node->kids[0];
    const th_gen_local *facts = &g->scope->fn->locals[node->local->index];
    if (!facts->builder || !th_gen_is_append(node)) return false;
    size_t count = th_gen_string_operands(value, NULL, 0);
    const th_tir **operand = th_arena_new(&g->scratch, count * sizeof *operand);
    uint32_t *early = th_arena_new(&g->scratch, count * sizeof *early);
    if (operand == NULL || early == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return true;
    }
    th_gen_string_operands(value, operand, count);
    for (size_t i = 1; i < count; i++)
        if (th_gen_fact_of(g, operand[i])->flags & TH_FACT_SETS) return false;
    if (g->guard == NULL || count == 2) {
        th_gen_append(g, v, operand + 1, count - 1);
        return true;
    }
    for (size_t i = 1; i < count; i++) early[i] = th_gen_value(g, operand[i], TH_GEN_NONE);
    at(g, value);
    for (size_t i = 1; i < count; i++) th_gen_emit(g, TH_OP_SAPPEND, v, early[i], 0);
    return true;
}

void th_gen_set(th_gen *g, const th_tir *node) {
    const th_local *local = node->local;
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    th_gen_place *place = th_gen_place_of(g, local);
    if (node->kids[0]->never) {
        th_gen_void(g, node->kids[0]);
        return;
    }
    if (place->kind == TH_PLACE_UNSET && facts->cell) { /* a cell captured from outside: have it loaded */
        th_tir read = {.kind = TH_TIR_LOCAL, .type = local->type, .span = node->span, .local = node->local};
        th_gen_value(g, &read, TH_GEN_NONE);
    }
    if (place->kind == TH_PLACE_UNSET) {
        place->kind = TH_PLACE_REG;
        place->v = th_gen_local_vreg(g, local);
    }
    if (place->kind == TH_PLACE_REG) {
        if (!set_append(g, node, place->v)) th_gen_into(g, node->kids[0], place->v);
        return;
    }
    uint32_t v = th_gen_kept(g, node->kids[0], TH_GEN_NONE);
    at(g, node);
    if (place->kind == TH_PLACE_CELL)
        store_field(g, place->v, 0, local, facts->cell_option && frame_holds_option(g, local), v);
    else if (place->kind == TH_PLACE_FRAME)
        store_field(g, place->v, place->slot, local, frame_holds_option(g, local), v);
}

/* Register `v` becomes the value of a local that a loop or a handler declares. */
static void declare_from(th_gen *g, const th_local *local, uint32_t v) {
    th_gen_place *place = th_gen_place_of(g, local);
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    if (facts->cell) {
        th_gen_new_cell(g, local, v, false);
    } else if (place->kind == TH_PLACE_FRAME) {
        store_field(g, place->v, place->slot, local, frame_holds_option(g, local), v);
    } else {
        if (place->kind == TH_PLACE_UNSET) {
            place->kind = TH_PLACE_REG;
            place->v = th_gen_local_vreg(g, local);
        }
        th_gen_move(g, place->v, v);
    }
}

static bool in_register(const th_gen *g, const th_local *local) {
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    return !facts->cell && g->scope->places[local->index].kind <= TH_PLACE_REG;
}

/* ---- Branches ----------------------------------------------------------------------------------------------- */

static uint32_t lower_exits(th_gen *g, const th_tir *block, uint32_t from);

static void lower_block(th_gen *g, const th_tir *node, use u) {
    for (uint32_t i = 0; i < node->nkids; i++) {
        uint32_t exits = lower_exits(g, node, i);
        if (exits > 0) {
            i += exits - 1;
            continue;
        }
        const th_tir *kid = node->kids[i];
        if (i + 1 == node->nkids)
            lower(g, kid, u);
        else
            th_gen_void(g, kid);
        if (kid->never) return; /* nothing after it is reached */
    }
    if (node->nkids == 0 && u.kind == USE_RETURN) return_void(g);
}

/* ---- Chains of comparisons with literals, as a table ---- */

#define CASES_FEWEST 4
#define CASES_MOST   256

typedef struct cases {
    const th_local *local;
    int64_t *value, low; /* value NULL: only counted so far */
    const th_tir **body;
    uint32_t count, span; /* span: of the values, in the table */
} cases;

static bool make_room(th_gen *g, cases *c) {
    c->value = th_arena_new(&g->scratch, c->count * sizeof *c->value);
    c->body = th_arena_new(&g->scratch, c->count * sizeof *c->body);
    if (c->value == NULL || c->body == NULL) th_gen_fail(g, TH_E_NOMEM);
    c->count = 0;
    return g->status == TH_OK;
}

/* `x == 3`, of the same x as before. */
static bool add_case(const th_gen *g, cases *c, const th_tir *test, const th_tir *body) {
    if (c->count == CASES_MOST || test->kind != TH_TIR_BINARY || test->op != TH_TIR_EQ) return false;
    const th_tir *x = test->kids[0], *value = test->kids[1];
    if (x->kind != TH_TIR_LOCAL) {
        x = test->kids[1];
        value = test->kids[0];
    }
    th_tir lit;
    if (x->kind != TH_TIR_LOCAL || (c->count > 0 && x->local != c->local)) return false;
    if (!th_gen_fold(g, value, &lit) || lit.kind != TH_TIR_INT || th_gen_class(g, x->type) == TH_CLASS_BOOL)
        return false;
    if (lit.ival < -100 || lit.ival > 30000) return false;
    if (g->scope->places[x->local->index].kind != TH_PLACE_REG) return false;
    c->local = x->local;
    if (c->value != NULL) {
        c->value[c->count] = lit.ival;
        c->body[c->count] = body;
    }
    c->count++;
    return true;
}

static bool is_dense(cases *c) {
    if (c->count < CASES_FEWEST) return false;
    int64_t low = c->value[0], high = c->value[0];
    for (uint32_t i = 1; i < c->count; i++) {
        if (c->value[i] < low) low = c->value[i];
        if (c->value[i] > high) high = c->value[i];
    }
    if (low > 0 && low <= 4) low = 0;
    c->low = low;
    c->span = (uint32_t)(high - low + 1);
    return c->span <= 2 * c->count + 8;
}

/* The table, then the bodies, which go to `end` unless they leave; `other` is for all other values. */
static void lower_cases(th_gen *g, const cases *c, use u, th_gen_label *other, th_gen_label *end) {
    th_gen_label **table = th_arena_zeroed(&g->scratch, c->span * sizeof(th_gen_label *));
    if (table == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    uint32_t v = th_gen_place_of(g, c->local)->v;
    for (uint32_t i = 0; i < c->span; i++) table[i] = other;
    for (uint32_t i = c->count; i-- > 0;) table[c->value[i] - c->low] = NULL; /* the first of equal ones counts */
    th_gen_label *label[CASES_MOST];
    for (uint32_t i = 0; i < c->count; i++) {
        th_gen_label **slot = &table[c->value[i] - c->low];
        label[i] = *slot == NULL ? (*slot = th_gen_label_new(g)) : NULL;
    }
    if (c->low != 0) {
        uint32_t offset = th_gen_vreg_new(g, TH_CLASS_I64), low = th_gen_int(g, TH_CLASS_I64, c->low, TH_GEN_NONE);
        th_gen_emit(g, TH_OP_SUB, offset, v, low);
        v = offset;
    }
    th_gen_ins *ins = th_gen_emit(g, TH_OP_SWITCH, v, c->span, 0);
    if (ins != NULL) ins->targets = table;
    th_gen_jump(g, other);
    for (uint32_t i = 0; i < c->count; i++) {
        if (label[i] == NULL) continue;
        th_gen_place_label(g, label[i]);
        lower(g, c->body[i], u);
        if (end != NULL) th_gen_jump(g, end);
    }
}

/* What follows the cases of `node`: the last else, or NULL. */
static const th_tir *read_chain(const th_gen *g, const th_tir *node, cases *c) {
    while (node != NULL && node->kind == TH_TIR_IF && add_case(g, c, node->kids[0], node->kids[1]))
        node = has_kid(node, 2) ? node->kids[2] : NULL;
    return node;
}

/* if (x == 0) a else if (x == 1) b else if .. */
static bool lower_chain(th_gen *g, const th_tir *node, use u) {
    cases c = {0};
    read_chain(g, node, &c);
    if (c.count < CASES_FEWEST) return false;
    if (!make_room(g, &c)) return true;
    const th_tir *rest = read_chain(g, node, &c);
    if (!is_dense(&c)) return false;
    th_gen_label *other = th_gen_label_new(g), *end = u.kind == USE_RETURN ? NULL : th_gen_label_new(g);
    lower_cases(g, &c, u, other, end);
    th_gen_place_label(g, other);
    if (rest != NULL)
        lower(g, rest, u);
    else if (u.kind == USE_RETURN)
        return_void(g);
    if (end != NULL) th_gen_place_label(g, end);
    return true;
}

static void read_exits(const th_gen *g, const th_tir *block, uint32_t from, cases *c) {
    for (uint32_t i = from; i + 1 < block->nkids; i++) { /* the last statement may be the block's value */
        const th_tir *kid = block->kids[i];
        if (kid->kind != TH_TIR_IF || has_kid(kid, 2) || !kid->kids[1]->never) return;
        if (!add_case(g, c, kid->kids[0], kid->kids[1])) return;
    }
}

/* if (x == 0) { return a; } if (x == 1) { return b; } ..: how many statements were lowered, 0: none. */
static uint32_t lower_exits(th_gen *g, const th_tir *block, uint32_t from) {
    cases c = {0};
    read_exits(g, block, from, &c);
    if (c.count < CASES_FEWEST || !make_room(g, &c)) return 0;
    read_exits(g, block, from, &c);
    if (!is_dense(&c)) return 0;
    th_gen_label *other = th_gen_label_new(g);
    at(g, block->kids[from]);
    lower_cases(g, &c, (use){USE_NONE, 0}, other, NULL);
    th_gen_place_label(g, other);
    return c.count;
}

static void lower_if(th_gen *g, const th_tir *node, use u) {
    for (;;) { /* else-if chains without recursion */
        if (lower_chain(g, node, u)) return;
        bool other = has_kid(node, 2);
        th_gen_label *no = th_gen_label_new(g);
        th_tir lit;
        if (th_gen_fold(g, node->kids[0], &lit)) {
            if (lit.ival != 0)
                lower(g, node->kids[1], u);
            else if (other)
                lower(g, node->kids[2], u);
            else if (u.kind == USE_RETURN)
                return_void(g);
            return;
        }
        th_gen_branch(g, node->kids[0], no, false);
        lower(g, node->kids[1], u);
        if (u.kind == USE_RETURN) {
            th_gen_place_label(g, no);
            if (!other)
                return_void(g);
            else if (node->kids[2]->kind == TH_TIR_IF && !node->kids[2]->never) {
                node = node->kids[2];
                continue;
            } else {
                lower(g, node->kids[2], u);
            }
            return;
        }
        if (!other) {
            th_gen_place_label(g, no);
            return;
        }
        th_gen_label *end = th_gen_label_new(g);
        th_gen_jump(g, end);
        th_gen_place_label(g, no);
        lower(g, node->kids[2], u);
        th_gen_place_label(g, end);
        return;
    }
}

/* Few cases are compared one by one, more go through a table. */
static void lower_switch(th_gen *g, const th_tir *node, use u) {
    uint32_t cases = node->nkids - 2;
    uint32_t v = th_gen_value(g, node->kids[0], TH_GEN_NONE);
    th_gen_label *end = th_gen_label_new(g);
    th_gen_label **label = th_arena_zeroed(&g->scratch, (cases + 1) * sizeof *label);
    if (label == NULL || end == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    if (cases > UINT16_MAX) {
        th_gen_limit(g, node->span, "a match with %u cases: at most 65535 are possible", cases);
        return;
    }
    at(g, node);
    for (uint32_t i = 0; i < cases; i++) label[i] = th_gen_label_new(g);
    if (cases >= 4) {
        th_gen_ins *ins = th_gen_emit(g, TH_OP_SWITCH, v, cases, 0);
        if (ins != NULL) ins->targets = label;
    } else {
        for (uint32_t i = 0; i < cases; i++) th_gen_emit_branch(g, TH_OP_JEQI, v, i, 0, label[i]);
    }
    for (uint32_t i = 0; i <= cases; i++) { /* the body for all else comes first */
        if (i > 0) th_gen_place_label(g, label[i - 1]);
        lower(g, node->kids[i == 0 ? cases + 1 : i], u);
        if (u.kind != USE_RETURN && i < cases) th_gen_jump(g, end);
    }
    th_gen_place_label(g, end);
}

/* The body of a `try`, and then its handler's first instructions. */
static void guarded(th_gen *g, const th_tir *node, use u, th_gen_label *end) {
    th_gen_guard guard = {g->guard, th_gen_label_new(g), th_gen_label_new(g), th_gen_vreg_new(g, TH_CLASS_PTR),
                          g->regions};
    th_gen_place_label(g, guard.start);
    g->guard = &guard;
    lower(g, node->kids[0], u);
    end_stretches(g, guard.outer);
    g->guard = guard.outer;
    th_gen_jump(g, end);
    at(g, node);
    th_gen_place_label(g, guard.target);
    th_gen_emit(g, TH_GEN_CATCH, guard.reg, 0, 0);
    if (node->local != NULL) declare_from(g, node->local, guard.reg);
}

static void lower_try(th_gen *g, const th_tir *node, use u) {
    th_gen_label *end = th_gen_label_new(g);
    use inner = u;
    if (u.kind == USE_RETURN) { /* leaving comes after the stretch: the result must not be caught again */
        th_class cls = th_gen_class(g, node->type);
        inner = cls == TH_CLASS_NONE ? (use){USE_NONE, 0} : (use){USE_INTO, th_gen_vreg_new(g, cls)};
    }
    guarded(g, node, inner, end);
    lower(g, node->kids[1], inner);
    th_gen_place_label(g, end);
    if (u.kind != USE_RETURN || node->never) return;
    if (is_void(g, g->fn) || inner.kind == USE_NONE)
        return_void(g);
    else
        emit_return(g, TH_OP_RET, inner.dest);
}

/* ---- Loops -------------------------------------------------------------------------------------------------- */

typedef struct loop_frame {
    th_gen_loop loop;
    th_gen_label *top, *done; /* done: past the region */
    bool region;
} loop_frame;

static void open_loop(th_gen *g, loop_frame *f, const th_tir *node, uint16_t flags) {
    *f = (loop_frame){0};
    size_t words = (g->scope->fn->tir->nlocals + 63) / 64;
    f->region = flags & TH_FACT_GARBAGE;
    f->loop =
        (th_gen_loop){.outer = g->loop, .again = th_gen_label_new(g), .leave = th_gen_label_new(g), .flags = flags};
    f->loop.assigned = th_arena_zeroed(&g->scratch, words * 8 + 8);
    if (f->loop.assigned == NULL)
        th_gen_fail(g, TH_E_NOMEM);
    else
        th_gen_assigned(node, f->loop.assigned);
    f->loop.before = th_gen_emit(g, TH_GEN_MARK, 0, 0, 0);
    f->top = th_gen_label_new(g);
    f->done = f->region ? th_gen_label_new(g) : f->loop.leave;
    g->loop = &f->loop;
}

/* The loop is certain to run from here on. */
static void enter_region(th_gen *g, const loop_frame *f) {
    if (!f->region) return;
    th_gen_emit(g, TH_OP_RENTER, 0, 0, 0);
    g->regions++;
}

static void loop_region(th_gen *g, const loop_frame *f) {
    if (f->region) th_gen_emit(g, TH_OP_RLOOP, 0, 0, 0);
}

static void close_loop(th_gen *g, loop_frame *f) {
    th_gen_place_label(g, f->loop.leave);
    if (f->region) {
        th_gen_emit(g, TH_OP_RLEAVE, 0, 0, 0);
        g->regions--;
        th_gen_place_label(g, f->done);
    }
    g->loop = f->loop.outer;
}

/* `i = i + step` at the end of a round, and `i < limit` after it. */
typedef struct counter {
    const th_local *local;
    int64_t step;
    const th_tir *limit;
    int64_t bound; /* when limit is NULL */
} counter;

static bool is_step(const th_gen *g, const th_tir *node, counter *c) {
    if (node->kind != TH_TIR_SET || node->local->type != TH_TYPE_I64) return false;
    if (g->scope->places[node->local->index].kind != TH_PLACE_REG) return false;
    const th_tir *value = node->kids[0];
    if (value->kind != TH_TIR_BINARY || (value->op != TH_TIR_ADD && value->op != TH_TIR_SUB)) return false;
    th_tir lit;
    if (value->kids[0]->kind != TH_TIR_LOCAL || value->kids[0]->local != node->local) return false;
    if (!th_gen_fold(g, value->kids[1], &lit) || lit.ival < -127 || lit.ival > 127) return false;
    c->local = node->local;
    c->step = value->op == TH_TIR_ADD ? lit.ival : -lit.ival;
    return true;
}

static bool is_bound(const th_gen *g, const th_tir *test, counter *c) {
    if (test->kind != TH_TIR_BINARY) return false;
    const th_tir *i = test->kids[0], *limit = test->kids[1];
    uint8_t op = test->op;
    if (op == TH_TIR_GT || op == TH_TIR_GE) { /* limit > i */
        i = test->kids[1];
        limit = test->kids[0];
        op = op == TH_TIR_GT ? TH_TIR_LT : TH_TIR_LE;
    }
    if (i->kind != TH_TIR_LOCAL || i->local != c->local || (op != TH_TIR_LT && op != TH_TIR_LE)) return false;
    th_tir lit;
    c->limit = limit;
    if (th_gen_fold(g, limit, &lit)) {
        if (op == TH_TIR_LE && lit.ival == INT64_MAX) return false;
        c->limit = NULL;
        c->bound = lit.ival + (op == TH_TIR_LE);
        return true;
    }
    const th_gen_fact *fact = th_gen_fact_of(g, limit);
    return op == TH_TIR_LT && (fact->flags & TH_FACT_MOVABLE) && fact->size <= 16 && !th_gen_mentions(limit, c->local);
}

static void emit_counter(th_gen *g, const counter *c, const th_tir *test, th_gen_label *top) {
    uint32_t i = th_gen_place_of(g, c->local)->v;
    if (c->limit == NULL && c->bound == (int16_t)c->bound && c->step == 1) {
        at(g, test);
        th_gen_emit_branch(g, TH_OP_LOOPI, i, (uint32_t)(int32_t)c->bound, 0, top);
        return;
    }
    uint32_t limit =
        c->limit != NULL ? th_gen_value(g, c->limit, TH_GEN_NONE) : th_gen_int(g, TH_CLASS_I64, c->bound, TH_GEN_NONE);
    at(g, test);
    th_gen_emit_branch(g, TH_OP_LOOP, i, limit, (uint32_t)(int32_t)c->step, top);
}

/* A body without its last statement, which is the loop's step. */
static void lower_all_but_last(th_gen *g, const th_tir *body) {
    for (uint32_t i = 0; i + 1 < body->nkids; i++) {
        th_gen_void(g, body->kids[i]);
        if (body->kids[i]->never) return;
    }
}

typedef struct while_parts {
    const th_tir *test, *body, *step;
    const th_tir *first, *rest; /* test is first && rest, when the loop counts by `first` */
    bool step_in_body, counts;
    counter counter;
} while_parts;

static void find_counter(const th_gen *g, while_parts *p) {
    const th_tir *last = p->step;
    if (last == NULL && p->body->kind == TH_TIR_BLOCK && p->body->nkids > 0 &&
        !(th_gen_fact_of(g, p->body)->flags & TH_FACT_CONTINUES)) {
        last = p->body->kids[p->body->nkids - 1];
        p->step_in_body = true;
    }
    p->first = p->test;
    while (p->first->kind == TH_TIR_AND) p->first = p->first->kids[0];
    p->counts = last != NULL && is_step(g, last, &p->counter) && is_bound(g, p->first, &p->counter);
    if (!p->counts) p->step_in_body = false;
}

/* The operands of a chain of && after the first: left to right. */
static void branch_rest(th_gen *g, const th_tir *test, th_gen_label *leave) {
    if (test->kind != TH_TIR_AND) return;
    branch_rest(g, test->kids[0], leave);
    th_gen_branch(g, test->kids[1], leave, false);
}

/*  if (!i < n) goto done;  top: if (!rest) goto leave;  body;  loop i, n, top  */
static void lower_counting(th_gen *g, loop_frame *f, const while_parts *p) {
    th_gen_branch(g, p->first, f->done, false);
    enter_region(g, f);
    th_gen_place_label(g, f->top);
    branch_rest(g, p->test, f->loop.leave);
    if (p->step_in_body)
        lower_all_but_last(g, p->body);
    else
        th_gen_void(g, p->body);
    th_gen_place_label(g, f->loop.again);
    loop_region(g, f);
    emit_counter(g, &p->counter, p->first, f->top);
}

/*  if (!test) goto done;  top: body;  step;  if (test) goto top    - a large test is written once and jumped to  */
static void lower_testing(th_gen *g, loop_frame *f, const while_parts *p) {
    const th_gen_fact *fact = th_gen_fact_of(g, p->test);
    bool twice = fact->size <= 12 && !(fact->flags & (TH_FACT_CALLS | TH_FACT_SETS | TH_FACT_CONTROL));
    th_gen_label *test = twice ? NULL : th_gen_label_new(g);
    if (twice) th_gen_branch(g, p->test, f->done, false);
    enter_region(g, f);
    if (!twice) th_gen_jump(g, test);
    th_gen_place_label(g, f->top);
    th_gen_void(g, p->body);
    th_gen_place_label(g, f->loop.again);
    if (p->step != NULL) th_gen_void(g, p->step);
    loop_region(g, f);
    if (!twice) th_gen_place_label(g, test);
    th_gen_branch(g, p->test, f->top, true);
}

static void lower_while(th_gen *g, const th_tir *node) {
    while_parts p = {.test = node->kids[0], .body = node->kids[1], .step = has_kid(node, 2) ? node->kids[2] : NULL};
    loop_frame f;
    th_tir lit;
    if (th_gen_fold(g, p.test, &lit) && lit.ival == 0) return;
    open_loop(g, &f, node, th_gen_fact_of(g, node)->flags);
    find_counter(g, &p);
    if (p.counts)
        lower_counting(g, &f, &p);
    else
        lower_testing(g, &f, &p);
    close_loop(g, &f);
}

static void lower_for(th_gen *g, const th_tir *node) {
    const th_local *local = node->local;
    loop_frame f;
    th_tir from, to;
    bool known = th_gen_fold(g, node->kids[0], &from), bounded = th_gen_fold(g, node->kids[1], &to);
    if (known && bounded && from.ival >= to.ival) return;
    bool own = in_register(g, local) && !local->assigned;
    uint32_t i, limit = TH_GEN_NONE;
    th_gen_place *place = th_gen_place_of(g, local);
    if (own && place->kind == TH_PLACE_UNSET) {
        place->kind = TH_PLACE_REG;
        place->v = th_gen_local_vreg(g, local);
    }
    i = own ? place->v : th_gen_vreg_new(g, TH_CLASS_I64);
    g->vregs[i].shared = true;
    th_gen_into(g, node->kids[0], i);
    bool small = bounded && to.ival == (int16_t)to.ival;
    if (!small) {
        limit = th_gen_value(g, node->kids[1], TH_GEN_NONE);
        if (g->vregs[limit].shared) {
            uint32_t copy = th_gen_vreg_new(g, TH_CLASS_I64);
            th_gen_move(g, copy, limit);
            limit = copy;
        }
    }
    open_loop(g, &f, node, th_gen_fact_of(g, node)->flags);
    at(g, node);
    if (!(known && bounded)) {
        if (small)
            th_gen_emit_branch(g, TH_OP_JGEI, i, (uint32_t)(int32_t)to.ival, 0, f.done);
        else
            th_gen_emit_branch(g, TH_OP_JLE, limit, i, 0, f.done);
    }
    enter_region(g, &f);
    th_gen_place_label(g, f.top);
    if (!own) declare_from(g, local, i);
    th_gen_void(g, node->kids[2]);
    th_gen_place_label(g, f.loop.again);
    at(g, node);
    loop_region(g, &f);
    if (small)
        th_gen_emit_branch(g, TH_OP_LOOPI, i, (uint32_t)(int32_t)to.ival, 0, f.top);
    else
        th_gen_emit_branch(g, TH_OP_LOOP, i, limit, 1, f.top);
    close_loop(g, &f);
}

/* ---- Any node ----------------------------------------------------------------------------------------------- */

static th_op store_op(const th_gen *g, th_type_id element) {
    switch (th_gen_class(g, element)) {
    case TH_CLASS_I8:
    case TH_CLASS_BOOL: return TH_OP_LSET8;
    case TH_CLASS_I16: return TH_OP_LSET16;
    case TH_CLASS_I32:
    case TH_CLASS_F32: return TH_OP_LSET32;
    case TH_CLASS_I64:
    case TH_CLASS_F64: return TH_OP_LSET64;
    default: return TH_OP_LSETP;
    }
}

static uint32_t held(th_gen *g, uint32_t v, const th_tir *later) {
    bool sets = th_gen_fact_of(g, later)->flags & TH_FACT_SETS;
    if (!g->vregs[v].shared || !sets) return v;
    uint32_t copy = th_gen_vreg_new(g, (th_class)g->vregs[v].cls);
    th_gen_move(g, copy, v);
    return copy;
}

static void store(th_gen *g, const th_tir *node) {
    const th_tir *k0 = node->kids[0], *k1 = node->kids[1], *k2 = node->kids[2];
    uint32_t object = held(g, held(g, th_gen_value(g, k0, TH_GEN_NONE), k1), k2);
    uint32_t index = node->kind == TH_TIR_DICT_SET ? th_gen_kept(g, k1, TH_GEN_NONE) : th_gen_value(g, k1, TH_GEN_NONE);
    index = held(g, index, k2);
    uint32_t value = th_gen_kept(g, k2, TH_GEN_NONE);
    at(g, node);
    th_gen_emit(g, node->kind == TH_TIR_DICT_SET ? TH_OP_DSET : store_op(g, k2->type), object, index, value);
}

static void store_struct_field(th_gen *g, const th_tir *node) {
    const th_tir *k0 = node->kids[0], *k1 = node->kids[1];
    if (k0->kind == TH_TIR_LOCAL && th_gen_place_of(g, k0->local)->kind == TH_PLACE_FIELDS) {
        th_gen_into(g, k1, th_gen_place_of(g, k0->local)->v + node->index);
        return;
    }
    uint32_t object = held(g, th_gen_value(g, k0, TH_GEN_NONE), k1);
    uint32_t value = th_gen_kept(g, k1, TH_GEN_NONE);
    at(g, node);
    bool pointer = th_gen_is_pointer(th_gen_class(g, k1->type));
    th_gen_emit(g, pointer ? TH_OP_SETP : TH_OP_SET, object, value, node->index);
}

static void push(th_gen *g, const th_tir *node) {
    uint32_t list = held(g, th_gen_value(g, node->kids[0], TH_GEN_NONE), node->kids[1]);
    uint32_t value = th_gen_kept(g, node->kids[1], TH_GEN_NONE);
    at(g, node);
    th_gen_emit(g, TH_OP_LPUSH, list, value, 0);
}

/* A condition with an effect in its second half, as a statement. */
static void short_circuit(th_gen *g, const th_tir *node) {
    th_gen_label *end = th_gen_label_new(g);
    th_gen_branch(g, node->kids[0], end, node->kind == TH_TIR_OR);
    th_gen_void(g, node->kids[1]);
    th_gen_place_label(g, end);
}

static bool statement(th_gen *g, const th_tir *node) {
    switch (node->kind) {
    case TH_TIR_LET: th_gen_let(g, node); return true;
    case TH_TIR_SET: th_gen_set(g, node); return true;
    case TH_TIR_GLOBAL_SET: {
        uint32_t v = th_gen_kept(g, node->kids[0], TH_GEN_NONE);
        at(g, node);
        th_gen_emit(g, TH_OP_GSET, v, node->index, 0);
        return true;
    }
    case TH_TIR_FIELD_SET: store_struct_field(g, node); return true;
    case TH_TIR_INDEX_SET:
    case TH_TIR_DICT_SET: store(g, node); return true;
    case TH_TIR_LIST_PUSH: push(g, node); return true;
    case TH_TIR_WHILE: lower_while(g, node); return true;
    case TH_TIR_FOR_RANGE: lower_for(g, node); return true;
    case TH_TIR_BREAK: th_gen_jump(g, g->loop->leave); return true;
    case TH_TIR_CONTINUE: th_gen_jump(g, g->loop->again); return true;
    case TH_TIR_RETURN: lower_return(g, node); return true;
    case TH_TIR_THROW: {
        uint32_t v = th_gen_value(g, node->kids[0], TH_GEN_NONE);
        at(g, node);
        th_gen_emit(g, TH_OP_THROW, v, 0, 0);
        return true;
    }
    case TH_TIR_TRAP: {
        uint32_t v = th_gen_kept(g, node->kids[0], TH_GEN_NONE);
        at(g, node);
        th_gen_emit(g, TH_OP_TRAP, v, node->index, 0);
        return true;
    }
    default: return false;
    }
}

static bool branches(th_gen *g, const th_tir *node, use u) {
    switch (node->kind) {
    case TH_TIR_BLOCK: lower_block(g, node, u); return true;
    case TH_TIR_IF: lower_if(g, node, u); return true;
    case TH_TIR_SWITCH: lower_switch(g, node, u); return true;
    case TH_TIR_TRY: lower_try(g, node, u); return true;
    default: return false;
    }
}

static void lower(th_gen *g, const th_tir *node, use u) {
    if (g->status != TH_OK) return;
    at(g, node);
    if (branches(g, node, u)) return;
    bool statements = statement(g, node);
    if (u.kind == USE_RETURN) {
        if (statements && !node->never) return_void(g);
        if (statements) return;
        if (is_void(g, g->fn)) {
            if (th_gen_tail_call(g, node)) return;
            th_gen_value(g, node, TH_GEN_NONE);
            if (!node->never) return_void(g);
        } else {
            return_value(g, node);
        }
        return;
    }
    if (statements) return;
    if (u.kind == USE_INTO && !node->never)
        th_gen_into(g, node, u.dest);
    else if (node->kind == TH_TIR_AND || node->kind == TH_TIR_OR)
        short_circuit(g, node);
    else
        th_gen_value(g, node, TH_GEN_NONE);
}

void th_gen_void(th_gen *g, const th_tir *node) { lower(g, node, (use){USE_NONE, 0}); }

uint32_t th_gen_choice(th_gen *g, const th_tir *node, uint32_t dest) {
    if (node->type == TH_TYPE_VOID || node->never) {
        th_gen_void(g, node);
        return node->never && node->type != TH_TYPE_VOID ? th_gen_vreg_new(g, th_gen_class(g, node->type))
                                                         : TH_GEN_ZERO;
    }
    if (node->kind == TH_TIR_BLOCK && node->nkids > 0) {
        for (uint32_t i = 0; i + 1 < node->nkids; i++) {
            th_gen_void(g, node->kids[i]);
            if (node->kids[i]->never) return th_gen_vreg_new(g, th_gen_class(g, node->type));
        }
        return th_gen_value(g, node->kids[node->nkids - 1], dest);
    }
    uint32_t d = th_gen_dest(g, dest, th_gen_class(g, node->type));
    branches(g, node, (use){USE_INTO, d});
    return d;
}

/* ---- A whole function --------------------------------------------------------------------------------------- */

/* Objects for the locals that found no register. */
static void make_frames(th_gen *g) {
    for (uint32_t f = 0; f < g->nframes; f++) {
        g->frames[f] = th_gen_vreg_new(g, TH_CLASS_PTR);
        uint32_t count = g->frame_sizes[f];
        th_gen_group *group = th_gen_group_new(g, count, false, TH_CLASS_NONE);
        if (group == NULL) return;
        for (uint32_t i = 0; i < count; i++) th_gen_group_class(g, group, i, th_gen_class(g, g->frame_fields[f]));
        if (count == 1)
            g->vregs[group->slots[0]].slot = false;
        else
            th_gen_group_open(g, group);
        for (uint32_t i = 0; i < count; i++) blank(g, g->frame_fields[f], group->slots[i]);
        th_gen_ins *ins = th_gen_emit_word(g, TH_OP_NEW, g->frames[f], 0, count, g->frame_types[f]);
        if (ins == NULL) return;
        ins->group = group;
        group->user = ins;
    }
}

static void place_parameters(th_gen *g) {
    const th_tir_function *fn = g->fn->tir;
    for (uint32_t i = 0; i < fn->nlocals; i++) {
        if (!g->fn->locals[i].spilled) continue;
        th_gen_place *place = &g->scope->places[i];
        *place = (th_gen_place){
            .kind = TH_PLACE_FRAME, .v = g->frames[g->fn->locals[i].frame], .slot = g->fn->locals[i].slot};
    }
    for (uint32_t i = 0; i < fn->nparams; i++) {
        th_gen_place *place = &g->scope->places[i];
        if (g->fn->locals[i].cell || g->fn->locals[i].spilled) {
            declare_from(g, fn->locals[i], TH_GEN_ZERO + 1 + i);
        } else {
            *place = (th_gen_place){.kind = TH_PLACE_REG, .v = TH_GEN_ZERO + 1 + i};
        }
    }
}

static void make_parameters(th_gen *g) {
    const th_tir_function *fn = g->fn->tir;
    uint32_t zero = th_gen_vreg_new(g, TH_CLASS_I64);
    if (g->status != TH_OK) return;
    g->vregs[zero].real = 0;
    for (uint32_t i = 0; i < fn->nparams; i++) {
        uint32_t v = th_gen_vreg_new(g, th_gen_class(g, fn->locals[i]->type));
        if (g->status != TH_OK) return;
        g->vregs[v].real = 2 + i;
        g->vregs[v].shared = fn->locals[i]->assigned || g->fn->tail_loop;
        g->vregs[v].builder = g->fn->locals[i].builder;
        g->vregs[v].local = fn->locals[i];
    }
}

/* Whether what the function allocates can go when it returns: the only ways out are the result and older objects. */
static bool wants_region(const th_gen *g) {
    th_type_id result = th_types_result(g->types, g->fn->tir->type);
    bool pointer = result != TH_TYPE_VOID && th_gen_is_pointer(th_gen_class(g, result));
    return g->fn->garbage_outside && g->fn->called && !pointer;
}

void th_gen_body(th_gen *g) {
    const th_tir *body = g->fn->tir->body;
    th_gen_loop whole = {0};
    make_parameters(g);
    make_frames(g);
    g->entry = th_gen_emit(g, TH_GEN_MARK, 0, 0, 0);
    if (g->status != TH_OK) return;
    g->fn_region = wants_region(g) || (g->fn->tail_loop && g->fn->garbage_outside);
    if (g->fn_region) {
        g->span = g->fn->tir->span;
        th_gen_emit(g, TH_OP_RENTER, 0, 0, 0);
        g->regions = 1;
    }
    if (g->fn->tail_loop) {
        g->restart = th_gen_label_new(g);
        whole.before = g->entry;
        g->loop = &whole;
        th_gen_place_label(g, g->restart);
    }
    place_parameters(g);
    lower(g, body, (use){USE_RETURN, 0});
}
