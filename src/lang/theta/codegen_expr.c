/*
** codegen_expr.c - lowering of values: literals, locals, operators, conditions, objects, lists, options, strings.
** Relies on the facts about nodes. A value that is there already (a local, a literal moved out of the loop) is named,
** not copied; what must be computed goes to the destination handed down (G1).
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

#define HOIST_SIZE 16 /* nodes of an expression that is moved out of a loop */

static void at(th_gen *g, const th_tir *node) { g->span = node->span; }

th_class th_gen_class(const th_gen *g, th_type_id type) { return th_types_class(g->types, type); }

bool th_gen_is_pointer(th_class cls) {
    return cls == TH_CLASS_PTR || cls == TH_CLASS_STRING || cls == TH_CLASS_TABLE || cls == TH_CLASS_NODE ||
           cls == TH_CLASS_VALUE;
}

static bool is_int(th_class cls) { return cls >= TH_CLASS_I8 && cls <= TH_CLASS_I64; }
static th_class class_of(const th_gen *g, const th_tir *node) { return th_gen_class(g, node->type); }
static th_kind kind_of(const th_gen *g, th_type_id type) { return th_types_kind(g->types, type); }

uint32_t th_gen_dest(th_gen *g, uint32_t dest, th_class cls) {
    return dest != TH_GEN_NONE ? dest : th_gen_vreg_new(g, cls);
}

/* A copy, sealing what may be under construction (G3). */
void th_gen_move(th_gen *g, uint32_t dest, uint32_t from) {
    if (dest == from) return;
    if (g->vregs[from].builder) th_gen_emit(g, TH_OP_SSEAL, from, 0, 0);
    th_gen_emit(g, TH_OP_MOV, dest, from, 0);
}

void th_gen_into(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t v = th_gen_value(g, node, dest);
    if (v == dest) return;
    at(g, node);
    th_gen_move(g, dest, v);
}

uint32_t th_gen_kept(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t v = th_gen_value(g, node, dest);
    if (g->vregs[v].builder) th_gen_emit(g, TH_OP_SSEAL, v, 0, 0);
    return v;
}

/* `v` is the value of an operand; what is evaluated after it may set the local that it is: then a copy is taken. */
static uint32_t steady(th_gen *g, uint32_t v, const th_tir *later) {
    if (later == NULL || !g->vregs[v].shared) return v;
    if (!(th_gen_fact_of(g, later)->flags & TH_FACT_SETS)) return v;
    uint32_t copy = th_gen_vreg_new(g, (th_class)g->vregs[v].cls);
    th_gen_move(g, copy, v);
    return copy;
}

static void operands(th_gen *g, const th_tir *k0, const th_tir *k1, uint32_t *a, uint32_t *b) {
    th_tir lit;
    if (k1->nkids > 0 && th_gen_fold(g, k0, &lit)) { /* need not be held while the other is computed */
        *b = th_gen_value(g, k1, TH_GEN_NONE);
        *a = th_gen_value(g, k0, TH_GEN_NONE);
        return;
    }
    *a = steady(g, th_gen_value(g, k0, TH_GEN_NONE), k1);
    *b = th_gen_value(g, k1, TH_GEN_NONE);
}

/* ---- Literals, and what is moved out of loops --------------------------------------------------------------- */

static uint32_t add_i64(th_gen *g, int64_t value) {
    uint32_t index = 0;
    th_status status = th_builder_i64(g->builder, value, &index);
    if (status != TH_OK) th_gen_fail(g, status);
    return index;
}

static void load_int(th_gen *g, uint32_t dest, th_class cls, int64_t value) {
    if (value == (int16_t)value) {
        th_gen_emit(g, TH_OP_LDI, dest, (uint32_t)(int32_t)value, 0);
    } else if (cls == TH_CLASS_I64) {
        th_gen_emit_word(g, TH_OP_LDKW, dest, 0, 0, add_i64(g, value));
    } else {
        uint32_t wide = th_gen_vreg_new(g, TH_CLASS_I64);
        th_gen_emit_word(g, TH_OP_LDKW, wide, 0, 0, add_i64(g, value));
        th_gen_emit(g, TH_OP_WRAP32, dest, wide, 0);
    }
}

static void load_literal(th_gen *g, uint32_t dest, th_class cls, uint64_t bits) {
    if (is_int(cls) || cls == TH_CLASS_BOOL) {
        load_int(g, dest, cls, (int64_t)bits);
        return;
    }
    if (cls == TH_CLASS_STRING) {
        th_gen_emit_word(g, TH_OP_LDSW, dest, 0, 0, (uint32_t)bits);
        return;
    }
    uint32_t index = 0;
    double wide;
    float narrow;
    uint32_t low = (uint32_t)bits;
    memcpy(&wide, &bits, sizeof wide);
    memcpy(&narrow, &low, sizeof narrow);
    th_status status =
        cls == TH_CLASS_F32 ? th_builder_f32(g->builder, narrow, &index) : th_builder_f64(g->builder, wide, &index);
    if (status != TH_OK) th_gen_fail(g, status);
    th_gen_emit_word(g, TH_OP_LDKW, dest, 0, 0, index);
}

typedef struct place_saved {
    th_gen_ins *cursor;
    th_gen_loop *loop;
    th_span span;
} place_saved;

static place_saved go_before(th_gen *g, th_gen_loop *loop) {
    place_saved saved = {g->cursor, g->loop, g->span};
    g->cursor = loop->before->prev;
    g->loop = loop->outer;
    return saved;
}

static void come_back(th_gen *g, place_saved saved) {
    g->cursor = saved.cursor;
    g->loop = saved.loop;
    g->span = saved.span;
}

static uint32_t remember(th_gen *g, th_gen_loop *loop, th_gen_hoisted entry) {
    th_gen_hoisted *h = th_arena_new(&g->scratch, sizeof *h);
    if (h == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return entry.v;
    }
    *h = entry;
    g->vregs[entry.v].fixed = true;
    h->next = loop->hoisted;
    loop->hoisted = h;
    g->hoisted++;
    return entry.v;
}

/* A literal as an operand: in a loop it is loaded once, before the outermost one. */
static uint32_t literal(th_gen *g, th_class cls, uint64_t bits, uint32_t dest) {
    if (g->status != TH_OK || (dest == TH_GEN_NONE && cls == TH_CLASS_I64 && bits == 0)) return TH_GEN_ZERO;
    if (dest != TH_GEN_NONE || g->loop == NULL) {
        dest = th_gen_dest(g, dest, cls);
        load_literal(g, dest, cls, bits);
        return dest;
    }
    th_gen_loop *loop = g->loop;
    while (loop->outer != NULL) loop = loop->outer;
    for (th_gen_hoisted *h = loop->hoisted; h != NULL; h = h->next)
        if (h->node == NULL && h->cls == cls && h->bits == bits) return h->v;
    uint32_t v = th_gen_vreg_new(g, cls);
    if (g->hoisted >= g->hoist_limit) {
        load_literal(g, v, cls, bits);
        return v;
    }
    place_saved saved = go_before(g, loop);
    load_literal(g, v, cls, bits);
    come_back(g, saved);
    return remember(g, loop, (th_gen_hoisted){.cls = (uint8_t)cls, .bits = bits, .v = v});
}

uint32_t th_gen_int(th_gen *g, th_class cls, int64_t value, uint32_t dest) {
    return literal(g, cls, (uint64_t)value, dest);
}

static uint32_t string_literal(th_gen *g, th_view text, uint32_t dest) {
    uint32_t index = 0;
    th_status status = th_builder_string(g->builder, text, &index);
    if (status != TH_OK) th_gen_fail(g, status);
    return literal(g, TH_CLASS_STRING, index, dest);
}

static uint32_t literal_node(th_gen *g, const th_tir *node, uint32_t dest) {
    at(g, node);
    if (node->kind == TH_TIR_STRING) return string_literal(g, node->text, dest);
    th_class cls = class_of(g, node);
    if (node->kind == TH_TIR_INT) return literal(g, cls, (uint64_t)node->ival, dest);
    uint64_t bits = 0;
    if (cls == TH_CLASS_F32) {
        float narrow = (float)node->fval;
        memcpy(&bits, &narrow, sizeof narrow);
    } else {
        memcpy(&bits, &node->fval, sizeof bits);
    }
    return literal(g, cls, bits, dest);
}

void th_gen_trap_text(th_gen *g, th_status status, const char *text) {
    uint32_t message = th_gen_vreg_new(g, TH_CLASS_STRING), index = 0;
    th_status added = th_builder_string(g->builder, th_view_of(text), &index);
    if (added != TH_OK) th_gen_fail(g, added);
    th_gen_emit_word(g, TH_OP_LDSW, message, 0, 0, index);
    th_gen_emit(g, TH_OP_TRAP, message, (uint32_t)status, 0);
}

/* Whether a MOVABLE expression has the same value in every round of the loop. */
static bool is_invariant(const th_gen *g, const th_tir *node, const th_gen_loop *loop) {
    if (node->kind == TH_TIR_LOCAL) {
        uint32_t i = node->local->index;
        const th_gen_place *place = &g->scope->places[i];
        const th_tir_function *fn = g->scope->fn->tir;
        if (loop->assigned[i >> 6] >> (i & 63) & 1) return false;
        if (place->kind == TH_PLACE_UNSET)
            return i >= fn->nparams && i < fn->nparams + fn->ncaptures && !g->scope->fn->locals[i].cell;
        return place->kind == TH_PLACE_REG || place->kind == TH_PLACE_NODE || place->kind == TH_PLACE_FIELDS;
    }
    if (node->kind == TH_TIR_FIELD && (loop->flags & TH_FACT_WRITES_FIELDS)) return false;
    if (node->kind == TH_TIR_LEN && node->kids[0]->type != TH_TYPE_STRING && (loop->flags & TH_FACT_WRITES_LENGTHS))
        return false;
    for (uint32_t i = 0; i < node->nkids; i++)
        if (!is_invariant(g, node->kids[i], loop)) return false;
    return true;
}

/* Computes the expression before the outermost loop that leaves it alone; TH_GEN_NONE when there is none. */
static uint32_t hoist(th_gen *g, const th_tir *node, uint32_t dest) {
    if (g->loop == NULL || g->scope->outer != NULL) return TH_GEN_NONE;
    const th_gen_fact *fact = th_gen_fact_of(g, node);
    if (!(fact->flags & TH_FACT_MOVABLE) || (fact->flags & TH_FACT_CONST) || fact->size > HOIST_SIZE)
        return TH_GEN_NONE;
    if (dest != TH_GEN_NONE && !(fact->flags & TH_FACT_COMPOUND)) return TH_GEN_NONE;
    th_gen_loop *best = NULL;
    for (th_gen_loop *l = g->loop; l != NULL && l->assigned != NULL && is_invariant(g, node, l); l = l->outer) best = l;
    if (best == NULL) return TH_GEN_NONE;
    for (th_gen_hoisted *h = best->hoisted; h != NULL; h = h->next)
        if (h->node != NULL && th_gen_same(h->node, node)) return h->v;
    if (g->hoisted >= g->hoist_limit) return TH_GEN_NONE;
    place_saved saved = go_before(g, best);
    uint32_t v = th_gen_value(g, node, TH_GEN_NONE);
    come_back(g, saved);
    return remember(g, best, (th_gen_hoisted){.node = node, .v = v});
}

/* ---- Locals and globals ------------------------------------------------------------------------------------- */

th_gen_place *th_gen_place_of(th_gen *g, const th_local *local) { return &g->scope->places[local->index]; }

th_type_id th_gen_option_of(th_gen *g, th_type_id type) {
    th_type_id option = type;
    th_status status = th_types_option(g->types, type, &option);
    if (status != TH_OK) th_gen_fail(g, status);
    return option;
}

/* What a cell or a frame holds for a local: an option where there is no value to begin with. */
static bool needs_option(const th_gen *g, const th_local *local) {
    th_class cls = th_gen_class(g, local->type);
    return th_gen_is_pointer(cls) && cls != TH_CLASS_STRING && kind_of(g, local->type) != TH_KIND_OPTION;
}

th_type_id th_gen_cell_type(th_gen *g, const th_local *local, const th_gen_local *facts) {
    th_type_id held = local->type, cell = 0;
    if (facts->cell_option && needs_option(g, local)) held = th_gen_option_of(g, held);
    th_status status = th_types_add(g->types, TH_KIND_CELL, (th_view){0}, &held, 1, NULL, 0, &cell);
    if (status != TH_OK) th_gen_fail(g, status);
    return cell;
}

uint32_t th_gen_local_vreg(th_gen *g, const th_local *local) {
    uint32_t v = th_gen_vreg_new(g, th_gen_class(g, local->type));
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    g->vregs[v].shared = local->assigned;
    g->vregs[v].builder = facts->builder;
    if (g->scope->outer == NULL) g->vregs[v].local = local;
    return v;
}

/* All captures are loaded at the entry; those that nothing reads go as dead code. */
static void load_capture(th_gen *g, const th_local *local, th_gen_place *place) {
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    place->kind = facts->cell ? TH_PLACE_CELL : TH_PLACE_REG;
    place->v = facts->cell ? th_gen_vreg_new(g, TH_CLASS_PTR) : th_gen_vreg_new(g, th_gen_class(g, local->type));
    g->vregs[place->v].fixed = true;
    place_saved saved = {g->cursor, g->loop, g->span};
    g->cursor = g->entry->prev;
    th_gen_emit(g, TH_OP_LDCAP, place->v, local->index - g->scope->fn->tir->nparams, 0);
    come_back(g, saved);
}

static uint32_t load_field(th_gen *g, uint32_t object, uint32_t field, const th_local *local, bool option,
                           uint32_t dest) {
    th_class cls = th_gen_class(g, local->type);
    if (!option) {
        uint32_t d = th_gen_dest(g, dest, cls);
        th_gen_emit(g, TH_OP_GET, d, object, field);
        return d;
    }
    uint32_t held = th_gen_vreg_new(g, th_gen_class(g, th_gen_option_of(g, local->type)));
    th_gen_emit(g, TH_OP_GET, held, object, field);
    uint32_t d = th_gen_dest(g, dest, cls);
    th_gen_emit(g, TH_OP_UNWRAP, d, held, 0);
    return d;
}

static uint32_t local_value(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_local *local = node->local;
    th_gen_place *place = th_gen_place_of(g, local);
    const th_tir_function *fn = g->scope->fn->tir;
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    at(g, node);
    if (place->kind == TH_PLACE_UNSET) {
        if (local->index >= fn->nparams && local->index < fn->nparams + fn->ncaptures) {
            load_capture(g, local, place);
        } else {
            place->kind = TH_PLACE_REG;
            place->v = th_gen_local_vreg(g, local);
        }
    }
    switch (place->kind) {
    case TH_PLACE_CELL: return load_field(g, place->v, 0, local, facts->cell_option && needs_option(g, local), dest);
    case TH_PLACE_FRAME: return load_field(g, place->v, place->slot, local, needs_option(g, local), dest);
    case TH_PLACE_NODE: return th_gen_value(g, place->node, dest);
    default: return place->v;
    }
}

static uint32_t global_value(th_gen *g, const th_tir *node, uint32_t dest) {
    th_class cls = class_of(g, node);
    at(g, node);
    bool fixed = g->facts.global_fixed[node->index] && !g->fn->in_start;
    if (g->loop == NULL || dest != TH_GEN_NONE || !fixed || g->hoisted >= g->hoist_limit) {
        uint32_t d = th_gen_dest(g, dest, cls);
        th_gen_emit(g, TH_OP_GGET, d, node->index, 0);
        return d;
    }
    th_gen_loop *loop = g->loop;
    while (loop->outer != NULL) loop = loop->outer;
    for (th_gen_hoisted *h = loop->hoisted; h != NULL; h = h->next)
        if (h->node != NULL && h->node->kind == TH_TIR_GLOBAL && h->node->index == node->index) return h->v;
    uint32_t v = th_gen_vreg_new(g, cls);
    place_saved saved = go_before(g, loop);
    th_gen_emit(g, TH_OP_GGET, v, node->index, 0);
    come_back(g, saved);
    return remember(g, loop, (th_gen_hoisted){.node = node, .v = v});
}

/* ---- Arithmetic --------------------------------------------------------------------------------------------- */

static bool small_literal(const th_gen *g, const th_tir *node, int64_t *value) {
    th_tir lit;
    if (!th_gen_fold(g, node, &lit) || lit.kind != TH_TIR_INT) return false;
    *value = lit.ival;
    return true;
}

static int power_of_two(int64_t x) { return x > 1 && (x & (x - 1)) == 0 ? __builtin_ctzll((uint64_t)x) : -1; }
static bool fits_s8(int64_t x) { return x == (int8_t)x; }

/* `x op literal` as one instruction with the literal inside; false when there is none. */
static bool immediate_form(uint8_t op, int64_t c, th_op *out, int64_t *imm) {
    *imm = c;
    switch (op) {
    case TH_TIR_ADD: *out = TH_OP_ADDI; return fits_s8(c);
    case TH_TIR_SUB:
        *out = TH_OP_ADDI;
        *imm = c == INT64_MIN ? 1000 : -c;
        return fits_s8(*imm);
    case TH_TIR_MUL:
        *out = TH_OP_MULI;
        if (power_of_two(c) > 0) {
            *out = TH_OP_SHLI;
            *imm = power_of_two(c);
        }
        return fits_s8(*imm);
    case TH_TIR_DIV: *out = TH_OP_DIVI; return c != 0 && fits_s8(c);
    case TH_TIR_REM: *out = TH_OP_REMI; return c != 0 && fits_s8(c);
    case TH_TIR_BAND: *out = TH_OP_ANDI; return c >= 0 && c <= 255;
    case TH_TIR_SHL:
        *out = TH_OP_SHLI;
        *imm = c & 63;
        return true;
    case TH_TIR_SHR:
        *out = TH_OP_SHRI;
        *imm = c & 63;
        return true;
    default: return false;
    }
}

static th_op int_op(uint8_t op) {
    switch (op) {
    case TH_TIR_ADD: return TH_OP_ADD;
    case TH_TIR_SUB: return TH_OP_SUB;
    case TH_TIR_MUL: return TH_OP_MUL;
    case TH_TIR_DIV: return TH_OP_DIV;
    case TH_TIR_REM: return TH_OP_REM;
    case TH_TIR_POW: return TH_OP_IPOW;
    case TH_TIR_BAND: return TH_OP_AND;
    case TH_TIR_BOR: return TH_OP_OR;
    case TH_TIR_BXOR: return TH_OP_XOR;
    case TH_TIR_SHL: return TH_OP_SHL;
    default: return TH_OP_SHR;
    }
}

static bool commutes(uint8_t op) {
    return op == TH_TIR_ADD || op == TH_TIR_MUL || op == TH_TIR_BAND || op == TH_TIR_BOR || op == TH_TIR_BXOR;
}

static bool is_neutral(uint8_t op, int64_t c) {
    if (op == TH_TIR_MUL || op == TH_TIR_DIV) return c == 1;
    return c == 0 && (op == TH_TIR_ADD || op == TH_TIR_SUB || op == TH_TIR_SHL || op == TH_TIR_SHR ||
                      op == TH_TIR_BOR || op == TH_TIR_BXOR);
}

/* Whether `dest` may be written before `later` is evaluated. */
static bool may_write_early(const th_gen *g, uint32_t dest, const th_tir *later) {
    if (dest == TH_GEN_NONE || !g->vregs[dest].shared) return true;
    const th_local *local = g->vregs[dest].local;
    return local != NULL && g->scope->outer == NULL && g->guard == NULL && !th_gen_mentions(later, local);
}

static bool is_product(const th_gen *g, const th_tir *node, th_type_id type) {
    th_tir lit;
    return node->kind == TH_TIR_BINARY && node->op == TH_TIR_MUL && node->type == type && !th_gen_fold(g, node, &lit);
}

static bool is_register_of(const th_gen *g, const th_tir *node, uint32_t v) {
    if (node->kind != TH_TIR_LOCAL || v == TH_GEN_NONE) return false;
    const th_gen_place *place = &g->scope->places[node->local->index];
    return place->kind == TH_PLACE_REG && place->v == v;
}

/* The left operand of `x + a * b`, if it can take the sum in place: the destination itself, or a value that nobody else
** has. TH_GEN_NONE: it cannot; then *plain is what was evaluated of it, or TH_GEN_NONE. */
static uint32_t accumulator(th_gen *g, const th_tir *k0, const th_tir *product, uint32_t dest, uint32_t *plain) {
    th_tir lit;
    *plain = TH_GEN_NONE;
    if (hoist(g, product, TH_GEN_NONE) != TH_GEN_NONE) return TH_GEN_NONE;
    if (is_register_of(g, k0, dest)) return th_gen_fact_of(g, product)->flags & TH_FACT_SETS ? TH_GEN_NONE : dest;
    if (k0->kind == TH_TIR_LOCAL || th_gen_fold(g, k0, &lit)) return TH_GEN_NONE;
    uint32_t wish = may_write_early(g, dest, product) ? dest : TH_GEN_NONE;
    size_t before = g->nvregs;
    uint32_t v = th_gen_value(g, k0, wish);
    const th_gen_vreg *r = &g->vregs[v];
    if (v != TH_GEN_ZERO && (v == wish || (v >= before && !r->fixed && !r->shared && r->local == NULL))) return v;
    *plain = v;
    return TH_GEN_NONE;
}

/* Sums and differences with a product on the right: one instruction that adds in place, or the usual two. */
static uint32_t with_product(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *k0 = node->kids[0], *k1 = node->kids[1];
    bool floats = node->type == TH_TYPE_F64;
    if ((!floats && node->type != TH_TYPE_I64) || (node->op != TH_TIR_ADD && (node->op != TH_TIR_SUB || !floats)))
        return TH_GEN_NONE;
    if (node->op == TH_TIR_ADD && is_product(g, k0, node->type) && is_register_of(g, k1, dest)) {
        const th_tir *swap = k0;
        k0 = k1;
        k1 = swap;
    }
    if (!is_product(g, k1, node->type)) return TH_GEN_NONE;
    uint32_t plain, a, b, sum = accumulator(g, k0, k1, dest, &plain);
    if (sum == TH_GEN_NONE && plain == TH_GEN_NONE) return TH_GEN_NONE;
    if (sum != TH_GEN_NONE) {
        operands(g, k1->kids[0], k1->kids[1], &a, &b);
        at(g, node);
        th_gen_emit(g, !floats ? TH_OP_MADD : node->op == TH_TIR_ADD ? TH_OP_FMADD : TH_OP_FMSUB, sum, a, b);
        return sum;
    }
    a = steady(g, plain, k1);
    b = th_gen_value(g, k1, TH_GEN_NONE);
    uint32_t d = th_gen_dest(g, dest, class_of(g, node));
    at(g, node);
    th_gen_emit(g, !floats ? TH_OP_ADD : node->op == TH_TIR_ADD ? TH_OP_FADD : TH_OP_FSUB, d, a, b);
    return d;
}

/* An integer operation on 64 bits; `dest` has class i64. */
static uint32_t wide_arithmetic(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *k0 = node->kids[0], *k1 = node->kids[1];
    int64_t c, imm;
    th_op op;
    if (commutes(node->op) && small_literal(g, k0, &c)) {
        const th_tir *swap = k0;
        k0 = k1;
        k1 = swap;
    }
    if (small_literal(g, k1, &c)) {
        if (is_neutral(node->op, c) && class_of(g, node) == TH_CLASS_I64) return th_gen_value(g, k0, dest);
        if ((node->op == TH_TIR_DIV || node->op == TH_TIR_REM) && c >= 2 && c <= INT32_MAX) {
            uint32_t a = th_gen_value(g, k0, TH_GEN_NONE);
            uint32_t d = th_gen_dest(g, dest, TH_CLASS_I64);
            at(g, node);
            th_gen_emit_word(g, node->op == TH_TIR_DIV ? TH_OP_DIVK : TH_OP_REMK, d, a, 0, add_i64(g, c));
            return d;
        }
        if (immediate_form(node->op, c, &op, &imm)) {
            uint32_t a = th_gen_value(g, k0, TH_GEN_NONE);
            uint32_t d = th_gen_dest(g, dest, TH_CLASS_I64);
            at(g, node);
            th_gen_emit(g, op, d, a, (uint32_t)(int32_t)imm);
            return d;
        }
    }
    uint32_t a, b;
    operands(g, k0, k1, &a, &b);
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_I64);
    at(g, node);
    if (node->op == TH_TIR_SUB && a == TH_GEN_ZERO)
        th_gen_emit(g, TH_OP_NEG, d, b, 0);
    else
        th_gen_emit(g, int_op(node->op), d, a, b);
    return d;
}

static th_op wrap_op(th_class cls) {
    return cls == TH_CLASS_I8 ? TH_OP_WRAP8 : cls == TH_CLASS_I16 ? TH_OP_WRAP16 : TH_OP_WRAP32;
}

static uint32_t int_arithmetic(th_gen *g, const th_tir *node, uint32_t dest) {
    th_class cls = class_of(g, node);
    if (cls == TH_CLASS_I64) return wide_arithmetic(g, node, dest);
    if (cls == TH_CLASS_I32 && (node->op == TH_TIR_ADD || node->op == TH_TIR_SUB || node->op == TH_TIR_MUL)) {
        uint32_t a, b;
        operands(g, node->kids[0], node->kids[1], &a, &b);
        uint32_t d = th_gen_dest(g, dest, cls);
        at(g, node);
        th_gen_emit(g,
                    node->op == TH_TIR_ADD   ? TH_OP_ADD32
                    : node->op == TH_TIR_SUB ? TH_OP_SUB32
                                             : TH_OP_MUL32,
                    d, a, b);
        return d;
    }
    uint32_t wide = wide_arithmetic(g, node, TH_GEN_NONE);
    uint32_t d = th_gen_dest(g, dest, cls);
    th_gen_emit(g, wrap_op(cls), d, wide, 0);
    return d;
}

static uint32_t widen_f32(th_gen *g, uint32_t v) {
    uint32_t wide = th_gen_vreg_new(g, TH_CLASS_F64);
    th_gen_emit(g, TH_OP_S2F, wide, v, 0);
    return wide;
}

static th_op float_op(uint8_t op, bool narrow) {
    switch (op) {
    case TH_TIR_ADD: return narrow ? TH_OP_SADD : TH_OP_FADD;
    case TH_TIR_SUB: return narrow ? TH_OP_SSUB : TH_OP_FSUB;
    case TH_TIR_MUL: return narrow ? TH_OP_SMUL : TH_OP_FMUL;
    case TH_TIR_DIV: return narrow ? TH_OP_SDIV : TH_OP_FDIV;
    case TH_TIR_REM: return TH_OP_FREM;
    default: return TH_OP_FPOW;
    }
}

static uint32_t float_arithmetic(th_gen *g, const th_tir *node, uint32_t dest) {
    bool narrow = class_of(g, node) == TH_CLASS_F32;
    uint32_t a, b;
    operands(g, node->kids[0], node->kids[1], &a, &b);
    at(g, node);
    th_op op = float_op(node->op, narrow);
    if (!narrow || (op != TH_OP_FREM && op != TH_OP_FPOW)) {
        uint32_t d = th_gen_dest(g, dest, class_of(g, node));
        th_gen_emit(g, op, d, a, b);
        return d;
    }
    uint32_t x = widen_f32(g, a), y = widen_f32(g, b), wide = th_gen_vreg_new(g, TH_CLASS_F64);
    th_gen_emit(g, op, wide, x, y);
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_F32);
    th_gen_emit(g, TH_OP_F2S, d, wide, 0);
    return d;
}

static uint32_t unary(th_gen *g, const th_tir *node, uint32_t dest) {
    th_class cls = class_of(g, node);
    uint32_t a = th_gen_value(g, node->kids[0], TH_GEN_NONE);
    at(g, node);
    if (cls == TH_CLASS_F64 || cls == TH_CLASS_F32 || cls == TH_CLASS_I64) {
        uint32_t d = th_gen_dest(g, dest, cls);
        th_op op = cls == TH_CLASS_F64       ? TH_OP_FNEG
                   : cls == TH_CLASS_F32     ? TH_OP_SNEG
                   : node->op == TH_TIR_BNOT ? TH_OP_BNOT
                                             : TH_OP_NEG;
        th_gen_emit(g, op, d, a, 0);
        return d;
    }
    uint32_t wide = th_gen_vreg_new(g, TH_CLASS_I64);
    th_gen_emit(g, node->op == TH_TIR_BNOT ? TH_OP_BNOT : TH_OP_NEG, wide, a, 0);
    uint32_t d = th_gen_dest(g, dest, cls);
    th_gen_emit(g, wrap_op(cls), d, wide, 0);
    return d;
}

static uint32_t intrinsic(th_gen *g, const th_tir *node, th_op op, uint32_t dest) {
    uint32_t a = 0, b = 0;
    if (node->nkids == 1)
        a = th_gen_value(g, node->kids[0], TH_GEN_NONE);
    else
        operands(g, node->kids[0], node->kids[1], &a, &b);
    uint32_t d = th_gen_dest(g, dest, class_of(g, node));
    at(g, node);
    th_gen_emit(g, op, d, a, b);
    return d;
}

/* ---- Conversions -------------------------------------------------------------------------------------------- */

static th_op fit_op(th_class cls) {
    return cls == TH_CLASS_I8 ? TH_OP_FIT8 : cls == TH_CLASS_I16 ? TH_OP_FIT16 : TH_OP_FIT32;
}

static uint32_t to_int(th_gen *g, uint32_t v, th_class cls, uint32_t dest) {
    th_class from = (th_class)g->vregs[v].cls;
    if (from == TH_CLASS_F32) {
        v = widen_f32(g, v);
        from = TH_CLASS_F64;
    }
    if (from == TH_CLASS_F64) {
        uint32_t wide = th_gen_dest(g, cls == TH_CLASS_I64 ? dest : TH_GEN_NONE, TH_CLASS_I64);
        th_gen_emit(g, TH_OP_F2I, wide, v, 0);
        if (cls == TH_CLASS_I64) return wide;
        v = wide;
        from = TH_CLASS_I64;
    }
    if (from == cls) return v;
    uint32_t d = th_gen_dest(g, dest, cls);
    th_gen_emit(g, cls == TH_CLASS_I64 ? TH_OP_WIDEN : from < cls ? wrap_op(cls) : fit_op(cls), d, v, 0);
    return d;
}

static uint32_t to_float(th_gen *g, uint32_t v, th_class cls, uint32_t dest) {
    th_class from = (th_class)g->vregs[v].cls;
    if (from == cls) return v;
    if (is_int(from)) {
        uint32_t wide = th_gen_dest(g, cls == TH_CLASS_F64 ? dest : TH_GEN_NONE, TH_CLASS_F64);
        th_gen_emit(g, TH_OP_I2F, wide, v, 0);
        if (cls == TH_CLASS_F64) return wide;
        v = wide;
    }
    uint32_t d = th_gen_dest(g, dest, cls);
    th_gen_emit(g, cls == TH_CLASS_F64 ? TH_OP_S2F : TH_OP_F2S, d, v, 0);
    return d;
}

/* Traps unless 0 <= v < members. */
static uint32_t to_enum(th_gen *g, uint32_t v, th_type_id type, uint32_t dest) {
    uint32_t members = th_types_get(g->types, type)->nnames;
    th_gen_label *bad = th_gen_label_new(g), *good = th_gen_label_new(g);
    th_gen_emit_branch(g, TH_OP_JLTI, v, 0, 0, bad);
    if (members <= INT16_MAX)
        th_gen_emit_branch(g, TH_OP_JLTI, v, members, 0, good);
    else
        th_gen_emit_branch(g, TH_OP_JLT, v, th_gen_int(g, TH_CLASS_I64, members, TH_GEN_NONE), 0, good);
    th_gen_place_label(g, bad);
    th_gen_trap_text(g, TH_E_CONVERSION, "the number is no member of the enum");
    th_gen_place_label(g, good);
    return to_int(g, v, TH_CLASS_I64, dest);
}

static uint32_t convert(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t v = th_gen_value(g, node->kids[0], TH_GEN_NONE);
    th_class cls = class_of(g, node);
    at(g, node);
    if (kind_of(g, node->type) == TH_KIND_ENUM && kind_of(g, node->kids[0]->type) != TH_KIND_ENUM)
        return to_enum(g, steady(g, v, NULL), node->type, dest);
    if (cls == TH_CLASS_F64 || cls == TH_CLASS_F32) return to_float(g, v, cls, dest);
    return is_int(cls) ? to_int(g, v, cls, dest) : v;
}

/* ---- Comparisons as values ---------------------------------------------------------------------------------- */

typedef struct comparison {
    uint8_t op; /* EQ, LT or LE */
    bool negate;
    uint32_t a, b;
} comparison;

/* a > b is b < a; != is not ==; a >= b is b <= a. */
static comparison normal(uint8_t op, uint32_t a, uint32_t b) {
    switch (op) {
    case TH_TIR_NE: return (comparison){TH_TIR_EQ, true, a, b};
    case TH_TIR_GT: return (comparison){TH_TIR_LT, false, b, a};
    case TH_TIR_GE: return (comparison){TH_TIR_LE, false, b, a};
    default: return (comparison){op, false, a, b};
    }
}

/* Instruction that sets a bool for operands of class `cls`. */
static th_op set_op(uint8_t op, th_class cls) {
    bool eq = op == TH_TIR_EQ, lt = op == TH_TIR_LT;
    if (cls == TH_CLASS_F64) return eq ? TH_OP_FEQ : lt ? TH_OP_FLT : TH_OP_FLE;
    if (cls == TH_CLASS_STRING) return eq ? TH_OP_STREQ : lt ? TH_OP_STRLT : TH_OP_STRLE;
    if (cls == TH_CLASS_BOOL) return TH_OP_BEQ;
    return eq ? TH_OP_EQ : lt ? TH_OP_LT : TH_OP_LE;
}

/* false < true: a < b is !a && b, a <= b is !(b < a); both operands are values already. */
static uint32_t order_bools(th_gen *g, comparison c, uint32_t dest) {
    uint32_t a = c.op == TH_TIR_LT ? c.a : c.b, b = c.op == TH_TIR_LT ? c.b : c.a;
    uint32_t less = th_gen_vreg_new(g, TH_CLASS_BOOL), d = th_gen_dest(g, dest, TH_CLASS_BOOL);
    th_gen_label *end = th_gen_label_new(g);
    th_gen_emit(g, TH_OP_NOT, less, a, 0);
    th_gen_emit_branch(g, TH_OP_JF, less, 0, 0, end);
    th_gen_emit(g, TH_OP_MOV, less, b, 0);
    th_gen_place_label(g, end);
    th_gen_emit(g, c.op == TH_TIR_LT ? TH_OP_MOV : TH_OP_NOT, d, less, 0);
    return d;
}

static void compared(th_gen *g, const th_tir *node, uint32_t *a, uint32_t *b, th_class *cls) {
    operands(g, node->kids[0], node->kids[1], a, b);
    at(g, node);
    *cls = class_of(g, node->kids[0]);
    if (*cls != TH_CLASS_F32) return;
    *a = widen_f32(g, *a);
    *b = widen_f32(g, *b);
    *cls = TH_CLASS_F64;
}

static uint32_t compare(th_gen *g, const th_tir *node, uint32_t dest, bool negate) {
    uint32_t a, b;
    th_class cls;
    compared(g, node, &a, &b, &cls);
    comparison c = normal(node->op, a, b);
    c.negate ^= negate;
    if (c.negate && c.op != TH_TIR_EQ && (is_int(cls) || cls == TH_CLASS_STRING)) { /* total orders */
        c = (comparison){c.op == TH_TIR_LT ? TH_TIR_LE : TH_TIR_LT, false, c.b, c.a};
    }
    if (cls == TH_CLASS_BOOL && c.op != TH_TIR_EQ) {
        uint32_t v = order_bools(g, c, c.negate ? TH_GEN_NONE : dest);
        if (!c.negate) return v;
        uint32_t d = th_gen_dest(g, dest, TH_CLASS_BOOL);
        th_gen_emit(g, TH_OP_NOT, d, v, 0);
        return d;
    }
    if (!c.negate) {
        uint32_t d = th_gen_dest(g, dest, TH_CLASS_BOOL);
        th_gen_emit(g, set_op(c.op, cls), d, c.a, c.b);
        return d;
    }
    uint32_t equal = th_gen_vreg_new(g, TH_CLASS_BOOL);
    th_gen_emit(g, set_op(c.op, cls), equal, c.a, c.b);
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_BOOL);
    th_gen_emit(g, TH_OP_NOT, d, equal, 0);
    return d;
}

static uint32_t not_value(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *k0 = node->kids[0];
    if (k0->kind == TH_TIR_BINARY && k0->op >= TH_TIR_EQ) return compare(g, k0, dest, true);
    uint32_t a = th_gen_value(g, k0, TH_GEN_NONE);
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_BOOL);
    at(g, node);
    th_gen_emit(g, TH_OP_NOT, d, a, 0);
    return d;
}

static uint32_t own_dest(th_gen *g, uint32_t dest, th_class cls) {
    return dest == TH_GEN_NONE || g->vregs[dest].shared ? th_gen_vreg_new(g, cls) : dest;
}

/* && and || as values: the result register is written before the second operand is evaluated, so it must be our own. */
static uint32_t short_circuit(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t d = own_dest(g, dest, TH_CLASS_BOOL);
    th_gen_label *end = th_gen_label_new(g);
    th_gen_into(g, node->kids[0], d);
    at(g, node);
    th_gen_emit_branch(g, node->kind == TH_TIR_AND ? TH_OP_JF : TH_OP_JT, d, 0, 0, end);
    th_gen_into(g, node->kids[1], d);
    th_gen_place_label(g, end);
    return d;
}

/* ---- Conditions --------------------------------------------------------------------------------------------- */

/* Branch on `a op literal`; the mirrored form is for `literal op a`. */
static th_op literal_branch(uint8_t op, bool sense) {
    switch (op) {
    case TH_TIR_EQ: return sense ? TH_OP_JEQI : TH_OP_JNEI;
    case TH_TIR_NE: return sense ? TH_OP_JNEI : TH_OP_JEQI;
    case TH_TIR_LT: return sense ? TH_OP_JLTI : TH_OP_JGEI;
    case TH_TIR_LE: return sense ? TH_OP_JLEI : TH_OP_JGTI;
    case TH_TIR_GT: return sense ? TH_OP_JGTI : TH_OP_JLEI;
    default: return sense ? TH_OP_JGEI : TH_OP_JLTI;
    }
}

static uint8_t mirrored(uint8_t op) {
    switch (op) {
    case TH_TIR_LT: return TH_TIR_GT;
    case TH_TIR_LE: return TH_TIR_GE;
    case TH_TIR_GT: return TH_TIR_LT;
    case TH_TIR_GE: return TH_TIR_LE;
    default: return op;
    }
}

/* x % 2^k == 0 is x & (2^k - 1) == 0, whatever the sign. The register of the latter, or TH_GEN_NONE. */
static uint32_t low_bits(th_gen *g, const th_tir *node, uint8_t op, int64_t c) {
    int64_t divisor;
    if (c != 0 || (op != TH_TIR_EQ && op != TH_TIR_NE) || node->kind != TH_TIR_BINARY || node->op != TH_TIR_REM)
        return TH_GEN_NONE;
    if (!small_literal(g, node->kids[1], &divisor) || divisor > 256 || power_of_two(divisor) < 0) return TH_GEN_NONE;
    uint32_t a = th_gen_value(g, node->kids[0], TH_GEN_NONE), bits = th_gen_vreg_new(g, TH_CLASS_I64);
    at(g, node);
    th_gen_emit(g, TH_OP_ANDI, bits, a, (uint32_t)(divisor - 1));
    return bits;
}

static bool branch_on_literal(th_gen *g, const th_tir *node, th_gen_label *target, bool sense) {
    const th_tir *k0 = node->kids[0], *k1 = node->kids[1];
    uint8_t op = node->op;
    int64_t c;
    if (!is_int(class_of(g, k0))) return false;
    if (small_literal(g, k0, &c)) {
        k0 = k1;
        op = mirrored(op);
    } else if (!small_literal(g, k1, &c)) {
        return false;
    }
    if (c != (int16_t)c) return false;
    uint32_t a = low_bits(g, k0, op, c);
    if (a == TH_GEN_NONE) a = th_gen_value(g, k0, TH_GEN_NONE);
    at(g, node);
    th_gen_emit_branch(g, literal_branch(op, sense), a, (uint32_t)(int32_t)c, 0, target);
    return true;
}

static void branch_ints(th_gen *g, comparison c, th_gen_label *target, bool sense) {
    sense ^= c.negate;
    if (c.op == TH_TIR_EQ)
        th_gen_emit_branch(g, sense ? TH_OP_JEQ : TH_OP_JNE, c.a, c.b, 0, target);
    else if (sense)
        th_gen_emit_branch(g, c.op == TH_TIR_LT ? TH_OP_JLT : TH_OP_JLE, c.a, c.b, 0, target);
    else
        th_gen_emit_branch(g, c.op == TH_TIR_LT ? TH_OP_JLE : TH_OP_JLT, c.b, c.a, 0, target);
}

static void branch_floats(th_gen *g, comparison c, th_gen_label *target, bool sense) {
    sense ^= c.negate;
    th_op op = c.op == TH_TIR_EQ   ? (sense ? TH_OP_JFEQ : TH_OP_JFNE)
               : c.op == TH_TIR_LT ? (sense ? TH_OP_JFLT : TH_OP_JFNLT)
                                   : (sense ? TH_OP_JFLE : TH_OP_JFNLE);
    th_gen_emit_branch(g, op, c.a, c.b, 0, target);
}

static void branch_on_bool(th_gen *g, const th_tir *node, uint32_t v, th_gen_label *target, bool sense) {
    at(g, node);
    th_gen_emit_branch(g, sense ? TH_OP_JT : TH_OP_JF, v, 0, 0, target);
}

static void branch_comparison(th_gen *g, const th_tir *node, th_gen_label *target, bool sense) {
    if (branch_on_literal(g, node, target, sense)) return;
    th_class cls = class_of(g, node->kids[0]);
    bool strings = cls == TH_CLASS_STRING && (node->op == TH_TIR_EQ || node->op == TH_TIR_NE);
    if (!is_int(cls) && cls != TH_CLASS_F64 && cls != TH_CLASS_F32 && !strings) {
        branch_on_bool(g, node, compare(g, node, TH_GEN_NONE, !sense), target, true);
        return;
    }
    uint32_t a, b;
    compared(g, node, &a, &b, &cls);
    comparison c = normal(node->op, a, b);
    if (strings)
        th_gen_emit_branch(g, sense != c.negate ? TH_OP_JSEQ : TH_OP_JSNE, a, b, 0, target);
    else if (cls == TH_CLASS_F64)
        branch_floats(g, c, target, sense);
    else
        branch_ints(g, c, target, sense);
}

/* `a && b`, `a || b`: one of them is decided by its first operand alone. */
static void branch_both(th_gen *g, const th_tir *node, th_gen_label *target, bool sense) {
    bool first_decides = (node->kind == TH_TIR_OR) == sense;
    if (first_decides) {
        th_gen_branch(g, node->kids[0], target, sense);
        th_gen_branch(g, node->kids[1], target, sense);
        return;
    }
    th_gen_label *skip = th_gen_label_new(g);
    th_gen_branch(g, node->kids[0], skip, !sense);
    th_gen_branch(g, node->kids[1], target, sense);
    th_gen_place_label(g, skip);
}

static void branch_null(th_gen *g, const th_tir *node, th_gen_label *target, bool sense) {
    const th_tir *k0 = node->kids[0];
    if (k0->kind == TH_TIR_DICT_GET) {
        uint32_t dict, key, has = th_gen_vreg_new(g, TH_CLASS_BOOL);
        operands(g, k0->kids[0], k0->kids[1], &dict, &key);
        at(g, k0);
        th_gen_emit(g, TH_OP_DHAS, has, dict, key);
        branch_on_bool(g, node, has, target, !sense);
        return;
    }
    uint32_t v = th_gen_value(g, k0, TH_GEN_NONE);
    at(g, node);
    th_gen_emit_branch(g, sense ? TH_OP_JNULL : TH_OP_JNNULL, v, 0, 0, target);
}

void th_gen_branch(th_gen *g, const th_tir *node, th_gen_label *target, bool sense) {
    th_tir lit;
    if (g->status != TH_OK || target == NULL) return;
    if (th_gen_fold(g, node, &lit)) {
        if ((lit.ival != 0) == sense) th_gen_jump(g, target);
        return;
    }
    switch (node->kind) {
    case TH_TIR_UNARY: th_gen_branch(g, node->kids[0], target, !sense); return;
    case TH_TIR_AND:
    case TH_TIR_OR: branch_both(g, node, target, sense); return;
    case TH_TIR_IS_NULL: branch_null(g, node, target, sense); return;
    case TH_TIR_BINARY: branch_comparison(g, node, target, sense); return;
    case TH_TIR_BLOCK:
        if (node->nkids == 0) break;
        for (uint32_t i = 0; i + 1 < node->nkids; i++) th_gen_void(g, node->kids[i]);
        th_gen_branch(g, node->kids[node->nkids - 1], target, sense);
        return;
    default: break;
    }
    if (node->never) {
        th_gen_void(g, node);
        return;
    }
    branch_on_bool(g, node, th_gen_value(g, node, TH_GEN_NONE), target, sense);
}

/* ---- Groups of consecutive registers ------------------------------------------------------------------------ */

th_gen_group *th_gen_group_new(th_gen *g, uint32_t count, bool window, th_class result) {
    th_gen_group *group = th_arena_zeroed(&g->scratch, sizeof *group);
    uint32_t *slots = th_arena_zeroed(&g->scratch, (count + 1) * sizeof *slots);
    if (group == NULL || slots == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return NULL;
    }
    *group = (th_gen_group){.slots = slots, .count = count, .window = window, .result = (uint8_t)result};
    return group;
}

void th_gen_group_class(th_gen *g, th_gen_group *group, uint32_t i, th_class cls) {
    group->slots[i] = th_gen_vreg_new(g, cls);
    g->vregs[group->slots[i]].slot = true;
}

void th_gen_group_open(th_gen *g, th_gen_group *group) {
    th_gen_ins *ins = th_gen_emit(g, TH_GEN_GROUP, 0, 0, 0);
    if (ins != NULL) ins->group = group;
}

/* ---- Objects ------------------------------------------------------------------------------------------------ */

static void use_group(th_gen_ins *ins, th_gen_group *group) {
    if (ins == NULL) return;
    ins->group = group;
    ins->c = group->count;
    group->user = ins;
}

/* An object of one field, or of the register that holds it: no group is needed. */
static void emit_new(th_gen *g, uint32_t dest, uint32_t field, th_type_id type) {
    th_gen_group *group = th_gen_group_new(g, 1, false, TH_CLASS_NONE);
    if (group == NULL) return;
    group->slots[0] = field;
    use_group(th_gen_emit_word(g, TH_OP_NEW, dest, 0, 1, type), group);
}

static uint32_t make_struct(th_gen *g, const th_tir *node, uint32_t dest) {
    if (node->nkids > TH_GEN_FIELDS) {
        const th_str *name = th_types_get(g->types, node->type)->name;
        th_gen_limit(g, node->span, "a literal of %.*s with %u fields: at most %u are possible",
                     name ? (int)name->len : 7, name ? name->bytes : "a tuple", node->nkids, TH_GEN_FIELDS);
        return TH_GEN_ZERO;
    }
    if (node->nkids == 1) {
        uint32_t field = th_gen_kept(g, node->kids[0], TH_GEN_NONE), d = th_gen_dest(g, dest, TH_CLASS_PTR);
        at(g, node);
        emit_new(g, d, field, node->type);
        return d;
    }
    th_gen_group *group = th_gen_group_new(g, node->nkids, false, TH_CLASS_NONE);
    if (group == NULL) return TH_GEN_ZERO;
    for (uint32_t i = 0; i < node->nkids; i++) th_gen_group_class(g, group, i, class_of(g, node->kids[i]));
    at(g, node);
    th_gen_group_open(g, group);
    for (uint32_t i = 0; i < node->nkids; i++) th_gen_into(g, node->kids[i], group->slots[i]);
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_PTR);
    at(g, node);
    use_group(th_gen_emit_word(g, TH_OP_NEW, d, 0, node->nkids, node->type), group);
    return d;
}

/* `value` becomes the first content of the cell of a local. */
void th_gen_new_cell(th_gen *g, const th_local *local, uint32_t value, bool already_option) {
    const th_gen_local *facts = &g->scope->fn->locals[local->index];
    th_type_id cell = th_gen_cell_type(g, local, facts);
    th_gen_place *place = th_gen_place_of(g, local);
    if (place->kind == TH_PLACE_UNSET) {
        place->v = th_gen_vreg_new(g, TH_CLASS_PTR);
        place->kind = TH_PLACE_CELL;
    }
    if (facts->cell_option && needs_option(g, local) && !already_option) {
        th_type_id option = th_gen_option_of(g, local->type);
        uint32_t some = th_gen_vreg_new(g, th_gen_class(g, option));
        th_gen_emit_word(g, TH_OP_SOME, some, value, 0, option);
        value = some;
    }
    emit_new(g, place->v, value, cell);
}

void th_gen_set_fields_start(th_gen *g, th_gen_place *place, const th_tir *made) {
    if (place->kind == TH_PLACE_UNSET) {
        place->kind = TH_PLACE_FIELDS;
        place->v = (uint32_t)g->nvregs;
        for (uint32_t i = 0; i < made->nkids; i++) {
            uint32_t v = th_gen_vreg_new(g, class_of(g, made->kids[i]));
            g->vregs[v].shared = true;
        }
    }
    for (uint32_t i = 0; i < made->nkids; i++) th_gen_into(g, made->kids[i], place->v + i);
}

static uint32_t field_value(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *k0 = node->kids[0];
    if (k0->kind == TH_TIR_LOCAL && th_gen_place_of(g, k0->local)->kind == TH_PLACE_FIELDS)
        return th_gen_place_of(g, k0->local)->v + node->index;
    uint32_t object = th_gen_value(g, k0, TH_GEN_NONE), d = th_gen_dest(g, dest, class_of(g, node));
    at(g, node);
    th_gen_emit(g, TH_OP_GET, d, object, node->index);
    return d;
}

static uint32_t make_list(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t d = own_dest(g, dest, TH_CLASS_PTR);
    at(g, node);
    uint32_t room = node->nkids == 0 ? TH_GEN_ZERO : th_gen_vreg_new(g, TH_CLASS_I64);
    if (node->nkids > 0) load_int(g, room, TH_CLASS_I64, node->nkids);
    th_gen_emit_word(g, TH_OP_LNEW, d, room, 0, node->type);
    for (uint32_t i = 0; i < node->nkids; i++) {
        uint32_t v = th_gen_kept(g, node->kids[i], TH_GEN_NONE);
        at(g, node->kids[i]);
        th_gen_emit(g, TH_OP_LPUSH, d, v, 0);
    }
    return d;
}

static uint32_t make_dict(th_gen *g, const th_tir *node, uint32_t dest) {
    uint32_t d = own_dest(g, dest, TH_CLASS_PTR);
    at(g, node);
    th_gen_emit_word(g, TH_OP_DNEW, d, 0, 0, node->type);
    for (uint32_t i = 0; i + 1 < node->nkids; i += 2) {
        uint32_t key = steady(g, th_gen_kept(g, node->kids[i], TH_GEN_NONE), node->kids[i + 1]);
        uint32_t value = th_gen_kept(g, node->kids[i + 1], TH_GEN_NONE);
        at(g, node->kids[i]);
        th_gen_emit(g, TH_OP_DSET, d, key, value);
    }
    return d;
}

/* ---- Lists, dicts, options, variants ------------------------------------------------------------------------ */

static th_op get_op(const th_gen *g, th_type_id element) {
    switch (th_gen_class(g, element)) {
    case TH_CLASS_I8: return TH_OP_LGET8;
    case TH_CLASS_BOOL: return TH_OP_LGETB;
    case TH_CLASS_I16: return TH_OP_LGET16;
    case TH_CLASS_I32: return TH_OP_LGET32;
    case TH_CLASS_F32: return TH_OP_LGETF;
    default: return TH_OP_LGET64;
    }
}

static uint32_t two_operands(th_gen *g, const th_tir *node, th_op op, uint32_t dest) {
    uint32_t a, b;
    operands(g, node->kids[0], node->kids[1], &a, &b);
    uint32_t d = th_gen_dest(g, dest, class_of(g, node));
    at(g, node);
    th_gen_emit(g, op, d, a, b);
    return d;
}

static uint32_t one_operand(th_gen *g, const th_tir *node, th_op op, uint32_t c, uint32_t word, uint32_t dest) {
    uint32_t a = node->kind == TH_TIR_SOME || node->kind == TH_TIR_VARIANT
                     ? th_gen_kept(g, node->kids[0], TH_GEN_NONE)
                     : th_gen_value(g, node->kids[0], TH_GEN_NONE);
    uint32_t d = th_gen_dest(g, dest, class_of(g, node));
    at(g, node);
    th_gen_emit_word(g, op, d, a, c, word);
    return d;
}

static uint32_t length(th_gen *g, const th_tir *node, uint32_t dest) {
    th_kind kind = kind_of(g, node->kids[0]->type);
    return one_operand(g, node,
                       kind == TH_KIND_LIST   ? TH_OP_LLEN
                       : kind == TH_KIND_DICT ? TH_OP_DLEN
                                              : TH_OP_SLEN,
                       0, 0, dest);
}

/* r = default; if the key is there, r = its value. */
static uint32_t get_or(th_gen *g, const th_tir *node, const th_tir *dict, const th_tir *key, const th_tir *otherwise,
                       uint32_t dest) {
    uint32_t a, b, d = own_dest(g, dest, class_of(g, node));
    operands(g, dict, key, &a, &b);
    th_gen_into(g, otherwise, d);
    at(g, node);
    th_gen_emit(g, TH_OP_DGETOR, d, a, b);
    return d;
}

static bool is_at_hand(const th_tir *node) {
    return node->kind == TH_TIR_LOCAL || node->kind == TH_TIR_INT || node->kind == TH_TIR_FLOAT ||
           node->kind == TH_TIR_STRING;
}

static uint32_t coalesce(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *k0 = node->kids[0], *k1 = node->kids[1];
    if (k0->kind == TH_TIR_DICT_GET && is_at_hand(k1) &&
        th_types_get(g->types, k0->kids[0]->type)->args[1] == node->type)
        return get_or(g, node, k0->kids[0], k0->kids[1], k1, dest);
    uint32_t option = th_gen_value(g, k0, TH_GEN_NONE), d = th_gen_dest(g, dest, class_of(g, node));
    th_gen_label *null = th_gen_label_new(g), *end = th_gen_label_new(g);
    at(g, node);
    th_gen_emit_branch(g, TH_OP_JNULL, option, 0, 0, null);
    if (kind_of(g, node->type) == TH_KIND_OPTION)
        th_gen_move(g, d, option);
    else
        th_gen_emit(g, TH_OP_UNWRAP, d, option, 0);
    th_gen_jump(g, end);
    th_gen_place_label(g, null);
    if (k1->never)
        th_gen_void(g, k1);
    else
        th_gen_into(g, k1, d);
    th_gen_place_label(g, end);
    return d;
}

static uint32_t is_null(th_gen *g, const th_tir *node, uint32_t dest) {
    const th_tir *k0 = node->kids[0];
    if (k0->kind != TH_TIR_DICT_GET) return one_operand(g, node, TH_OP_ISNULL, 0, 0, dest);
    uint32_t dict, key, has = th_gen_vreg_new(g, TH_CLASS_BOOL);
    operands(g, k0->kids[0], k0->kids[1], &dict, &key);
    uint32_t d = th_gen_dest(g, dest, TH_CLASS_BOOL);
    at(g, k0);
    th_gen_emit(g, TH_OP_DHAS, has, dict, key);
    th_gen_emit(g, TH_OP_NOT, d, has, 0);
    return d;
}

/* ---- Strings ------------------------------------------------------------------------------------------------ */

/* Operands of a tree of joins, left to right (joining is associative); the number there are, of which at most `limit` are
** written. */
size_t th_gen_string_operands(const th_tir *node, const th_tir **out, size_t limit) {
    if (node->kind != TH_TIR_BINARY || node->op != TH_TIR_ADD) {
        if (limit > 0) out[0] = node;
        return 1;
    }
    size_t left = th_gen_string_operands(node->kids[0], out, limit), rest = limit > left ? limit - left : 0;
    return left + th_gen_string_operands(node->kids[1], rest > 0 ? out + left : NULL, rest);
}

uint32_t th_gen_append(th_gen *g, uint32_t builder, const th_tir *const *operand, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t v = th_gen_value(g, operand[i], TH_GEN_NONE);
        at(g, operand[i]);
        th_gen_emit(g, TH_OP_SAPPEND, builder, v, 0);
    }
    return builder;
}

static uint32_t join_strings(th_gen *g, const th_tir *node, uint32_t dest) {
    size_t count = th_gen_string_operands(node, NULL, 0);
    const th_tir **operand = th_arena_new(&g->scratch, count * sizeof *operand);
    if (operand == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return TH_GEN_ZERO;
    }
    th_gen_string_operands(node, operand, count);
    uint32_t a, b;
    operands(g, operand[0], operand[1], &a, &b);
    at(g, node);
    if (count == 2) {
        uint32_t d = th_gen_dest(g, dest, TH_CLASS_STRING);
        th_gen_emit(g, TH_OP_SCAT, d, a, b);
        return d;
    }
    uint32_t d = own_dest(g, dest, TH_CLASS_STRING);
    th_gen_emit(g, TH_OP_SCAT, d, a, b);
    th_gen_append(g, d, operand + 2, count - 2);
    th_gen_emit(g, TH_OP_SSEAL, d, 0, 0);
    return d;
}

/* ---- Any value ---------------------------------------------------------------------------------------------- */

/* x + a + b in a loop that changes x: x + (a + b), so that less hangs on x from round to round, and a + b may leave the
** loop. Integers only: they wrap, so that the sum is the same. */
static const th_tir *regrouped(th_gen *g, const th_tir *node) {
    const th_tir *left = node->kids[0];
    if (g->loop == NULL || g->loop->assigned == NULL || g->scope->outer != NULL || node->op != TH_TIR_ADD ||
        node->type != TH_TYPE_I64 || left->kind != TH_TIR_BINARY || left->op != TH_TIR_ADD ||
        left->kids[0]->kind != TH_TIR_LOCAL)
        return node;
    uint32_t x = left->kids[0]->local->index;
    if (!(g->loop->assigned[x >> 6] >> (x & 63) & 1)) return node;
    if (!(th_gen_fact_of(g, node)->flags & TH_FACT_MOVABLE)) return node;
    th_tir *sum = th_arena_copy(g->arena, left, sizeof *sum), *whole = th_arena_copy(g->arena, node, sizeof *whole);
    th_tir **kids = th_arena_new(g->arena, 4 * sizeof *kids);
    if (sum == NULL || whole == NULL || kids == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return node;
    }
    kids[0] = left->kids[1];
    kids[1] = node->kids[1];
    kids[2] = left->kids[0];
    kids[3] = sum;
    sum->kids = kids;
    whole->kids = kids + 2;
    th_gen_learn_node(g, whole);
    return whole;
}

static uint32_t binary(th_gen *g, const th_tir *node, uint32_t dest) {
    if (node->op >= TH_TIR_EQ) return compare(g, node, dest, false);
    th_class cls = class_of(g, node);
    node = regrouped(g, node);
    if (cls == TH_CLASS_STRING) return join_strings(g, node, dest);
    uint32_t v = with_product(g, node, dest);
    if (v != TH_GEN_NONE) return v;
    return is_int(cls) ? int_arithmetic(g, node, dest) : float_arithmetic(g, node, dest);
}

static uint32_t computed(th_gen *g, const th_tir *node, uint32_t dest) {
    th_op op;
    switch (node->kind) {
    case TH_TIR_INT:
    case TH_TIR_FLOAT:
    case TH_TIR_STRING: return literal_node(g, node, dest);
    case TH_TIR_NULL: {
        uint32_t d = th_gen_dest(g, dest, class_of(g, node));
        at(g, node);
        th_gen_emit(g, TH_OP_LDNULL, d, node->type, 0);
        return d;
    }
    case TH_TIR_LOCAL: return local_value(g, node, dest);
    case TH_TIR_GLOBAL: return global_value(g, node, dest);
    case TH_TIR_UNARY: return node->op == TH_TIR_NOT ? not_value(g, node, dest) : unary(g, node, dest);
    case TH_TIR_BINARY: return binary(g, node, dest);
    case TH_TIR_AND:
    case TH_TIR_OR: return short_circuit(g, node, dest);
    case TH_TIR_IF:
    case TH_TIR_SWITCH:
    case TH_TIR_BLOCK:
    case TH_TIR_TRY: return th_gen_choice(g, node, dest);
    case TH_TIR_FIELD: return field_value(g, node, dest);
    case TH_TIR_INDEX: return two_operands(g, node, get_op(g, node->type), dest);
    case TH_TIR_LIST_POP: return one_operand(g, node, TH_OP_LPOP, 0, 0, dest);
    case TH_TIR_LEN: return length(g, node, dest);
    case TH_TIR_DICT_GET: return two_operands(g, node, TH_OP_DGET, dest);
    case TH_TIR_DICT_HAS: return two_operands(g, node, TH_OP_DHAS, dest);
    case TH_TIR_DICT_GET_OR: return get_or(g, node, node->kids[0], node->kids[1], node->kids[2], dest);
    case TH_TIR_CALL:
    case TH_TIR_CALL_CLOSURE: return th_gen_call(g, node, dest);
    case TH_TIR_CALL_BUILTIN:
        return th_gen_intrinsic(g->types, node, &op) ? intrinsic(g, node, op, dest) : th_gen_call(g, node, dest);
    case TH_TIR_CLOSURE: return th_gen_closure(g, node, dest);
    case TH_TIR_STRUCT: return make_struct(g, node, dest);
    case TH_TIR_LIST: return make_list(g, node, dest);
    case TH_TIR_DICT: return make_dict(g, node, dest);
    case TH_TIR_SOME: return one_operand(g, node, TH_OP_SOME, 0, node->type, dest);
    case TH_TIR_UNWRAP: return one_operand(g, node, TH_OP_UNWRAP, 0, 0, dest);
    case TH_TIR_IS_NULL: return is_null(g, node, dest);
    case TH_TIR_COALESCE: return coalesce(g, node, dest);
    case TH_TIR_VARIANT: return one_operand(g, node, TH_OP_VNEW, node->index, node->type, dest);
    case TH_TIR_VARIANT_TAG: return one_operand(g, node, TH_OP_VTAG, 0, 0, dest);
    case TH_TIR_VARIANT_GET: return one_operand(g, node, TH_OP_VGET, node->index, 0, dest);
    case TH_TIR_CONVERT: return convert(g, node, dest);
    default: break; /* a statement, or control that does not come out */
    }
    th_gen_void(g, node);
    return node->never || node->type != TH_TYPE_VOID ? th_gen_vreg_new(g, class_of(g, node)) : TH_GEN_ZERO;
}

uint32_t th_gen_value(th_gen *g, const th_tir *node, uint32_t dest) {
    th_tir lit;
    if (g->status != TH_OK) return TH_GEN_ZERO;
    bool operation = node->kind == TH_TIR_UNARY || node->kind == TH_TIR_BINARY || node->kind == TH_TIR_CONVERT;
    if (operation && th_gen_fold(g, node, &lit)) return literal_node(g, &lit, dest);
    if (operation || node->kind == TH_TIR_FIELD || node->kind == TH_TIR_LEN || node->kind == TH_TIR_CALL_BUILTIN) {
        uint32_t v = hoist(g, node, dest);
        if (v != TH_GEN_NONE) return v;
    }
    return computed(g, node, dest);
}
