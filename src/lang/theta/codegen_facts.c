/*
** codegen_facts.c - what the generator knows about the trees before it lowers any of them.
** First each function is scanned: how its locals are used, what it may call. Then effects flow along the calls until
** nothing changes. Last every node gets its facts, by which lowering decides what it may move, inline or leave out.
** Recursion is bounded by the depth of the trees.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

#include <math.h>

#define CALLEE_TYPE   0x80000000u /* a closure of some function of this type */
#define CALLEE_MADE   0x40000000u /* made a closure of, not called here */
#define CALLEE_LOOP   0x20000000u /* in a loop */
#define CALLEE_INDEX  0x1fffffffu
#define EFFECTS       (TH_FACT_GARBAGE | TH_FACT_WRITES_FIELDS | TH_FACT_WRITES_LENGTHS)
#define INLINE_SIZE   40
#define SIZE_MAX_KEPT 60000u

static th_kind kind_of(const th_gen *g, th_type_id type) { return th_types_kind(g->types, type); }
static bool is_literal(const th_tir *n) {
    return n->kind == TH_TIR_INT || n->kind == TH_TIR_FLOAT || n->kind == TH_TIR_STRING;
}

const th_tir *th_gen_string_head(const th_tir *node) {
    if (node->kind != TH_TIR_BINARY || node->op != TH_TIR_ADD || node->type != TH_TYPE_STRING) return NULL;
    while (node->kind == TH_TIR_BINARY && node->op == TH_TIR_ADD) node = node->kids[0];
    return node;
}

bool th_gen_mentions(const th_tir *node, const th_local *local) {
    if (node == NULL) return false;
    if (node->kind == TH_TIR_LOCAL && node->local == local) return true;
    for (uint32_t i = 0; i < node->nlocals; i++)
        if (node->locals[i] == local) return true;
    for (uint32_t i = 0; i < node->nkids; i++)
        if (th_gen_mentions(node->kids[i], local)) return true;
    return false;
}

bool th_gen_is_append(const th_tir *set) {
    const th_tir *value = set->kids[0], *head = th_gen_string_head(value);
    if (head == NULL || head->kind != TH_TIR_LOCAL || head->local != set->local) return false;
    for (; value != head; value = value->kids[0])
        if (th_gen_mentions(value->kids[1], set->local)) return false;
    return true;
}

bool th_gen_intrinsic(const th_types *types, const th_tir *node, th_op *op) {
    static const struct {
        const char *name;
        uint8_t nargs, ints, floats; /* instructions; NOP: none */
    } table[] = {
        {"Math.sqrt", 1, TH_OP_NOP, TH_OP_FSQRT}, {"Math.floor", 1, TH_OP_NOP, TH_OP_FFLOOR},
        {"Math.abs", 1, TH_OP_ABS, TH_OP_FABS},   {"Math.min", 2, TH_OP_MIN, TH_OP_FMIN},
        {"Math.max", 2, TH_OP_MAX, TH_OP_FMAX},   {"Math.pow", 2, TH_OP_NOP, TH_OP_FPOW},
    };
    if (node->kind != TH_TIR_CALL_BUILTIN) return false;
    for (size_t i = 0; i < TH_COUNT(table); i++) {
        if (!th_view_is(node->text, table[i].name) || node->nkids != table[i].nargs) continue;
        bool ints = node->type == TH_TYPE_I64, floats = node->type == TH_TYPE_F64;
        for (uint32_t k = 0; k < node->nkids; k++)
            if (node->kids[k]->type != node->type) return false;
        *op = ints ? (th_op)table[i].ints : floats ? (th_op)table[i].floats : TH_OP_NOP;
        (void)types;
        return *op != TH_OP_NOP;
    }
    return false;
}

/* What a call of a builtin may do, by its signature: there is nothing else that the generator knows of it. */
static uint16_t builtin_effects(const th_gen *g, const th_tir *node) {
    th_op op;
    if (th_gen_intrinsic(g->types, node, &op)) return 0;
    uint16_t flags = 0;
    for (uint32_t i = 0; i < node->nkids; i++) {
        th_kind kind = kind_of(g, node->kids[i]->type);
        if (th_gen_is_pointer(th_gen_class(g, node->kids[i]->type)))
            flags |= TH_FACT_GARBAGE;
        else
            continue;
        if (kind == TH_KIND_STRING || kind == TH_KIND_SYMBOL) continue;
        flags |= TH_FACT_WRITES_LENGTHS;
        if (kind != TH_KIND_LIST && kind != TH_KIND_DICT) flags |= EFFECTS;
    }
    if (th_gen_is_pointer(th_gen_class(g, node->type))) flags |= TH_FACT_GARBAGE;
    return flags;
}

/* ---- The scan of a function --------------------------------------------------------------------------------- */

typedef struct scan {
    th_gen *g;
    th_gen_function *fn;
    uint32_t index;
    bool loop;
} scan;

static void add_callee(scan *s, uint32_t callee) {
    th_gen_function *fn = s->fn;
    for (size_t i = 0; i < fn->ncallees && i < 16; i++)
        if (fn->callees[i] == callee) return;
    void *array = fn->callees;
    if (th_mem_grow(s->g->mem, &array, &fn->callees_capacity, fn->ncallees + 1, sizeof *fn->callees) != TH_OK) {
        th_gen_fail(s->g, TH_E_NOMEM);
        return;
    }
    fn->callees = array;
    fn->callees[fn->ncallees++] = callee;
}

static void add_capture(scan *s, const th_tir *node) {
    th_gen_facts *facts = &s->g->facts;
    void *array = facts->captures;
    if (th_mem_grow(s->g->mem, &array, &facts->captures_capacity, facts->ncaptures + 1, sizeof *facts->captures) !=
        TH_OK) {
        th_gen_fail(s->g, TH_E_NOMEM);
        return;
    }
    facts->captures = array;
    facts->captures[facts->ncaptures++] = (th_gen_capture){s->index, node->index, node};
}

/* In a loop it goes with the loop's region. */
static void add_garbage(scan *s) {
    if (s->loop)
        s->fn->garbage_in_loops = true;
    else
        s->fn->garbage_here = true;
}

static th_gen_local *local_of(scan *s, const th_local *local) {
    th_gen_local *facts = &s->fn->locals[local->index];
    facts->in_loop |= s->loop;
    return facts;
}

static void scan_node(scan *s, const th_tir *n);

static void scan_kids(scan *s, const th_tir *n, uint32_t from) {
    for (uint32_t i = from; i < n->nkids; i++)
        if (n->kids[i] != NULL) scan_node(s, n->kids[i]);
}

static void scan_let(scan *s, const th_tir *n) {
    th_gen_local *local = local_of(s, n->local);
    if (n->nkids == 0 || n->kids[0] == NULL) {
        if (!local->made) local->cell_option = true; /* counts only if it turns out to be a cell */
        return;
    }
    local->made = n->kids[0];
    if (n->kids[0]->kind == TH_TIR_STRUCT)
        scan_kids(s, n->kids[0], 0); /* whether it is made is settled later */
    else
        scan_node(s, n->kids[0]);
}

static void scan_closure(scan *s, const th_tir *n) {
    for (uint32_t i = 0; i < n->nlocals; i++) local_of(s, n->locals[i])->uses++;
    add_callee(s, n->index | CALLEE_MADE);
    add_capture(s, n);
    s->g->facts.functions[n->index].closed = true;
    s->g->facts.functions[n->index].called = true;
    add_garbage(s);
}

static void scan_call(scan *s, const th_tir *n) {
    uint32_t from = 0;
    if (n->kind == TH_TIR_CALL) {
        s->g->facts.functions[n->index].called = true;
        add_callee(s, n->index | (s->loop ? CALLEE_LOOP : 0));
    } else if (n->kind == TH_TIR_CALL_CLOSURE) {
        s->fn->flags |= TH_FACT_WRITES_FIELDS | TH_FACT_WRITES_LENGTHS;
        add_callee(s, n->kids[0]->type | CALLEE_TYPE | (s->loop ? CALLEE_LOOP : 0));
        if (n->kids[0]->kind == TH_TIR_LOCAL) {
            local_of(s, n->kids[0]->local)->heads++;
            from = 1;
        }
    } else {
        uint16_t effects = builtin_effects(s->g, n);
        s->fn->flags |= effects & ~TH_FACT_GARBAGE;
        if (effects & TH_FACT_GARBAGE) add_garbage(s);
    }
    scan_kids(s, n, from);
}

static void scan_loop(scan *s, const th_tir *n) {
    bool outer = s->loop;
    if (n->kind == TH_TIR_FOR_RANGE) {
        scan_node(s, n->kids[0]);
        scan_node(s, n->kids[1]);
        s->loop = true;
        local_of(s, n->local);
        scan_node(s, n->kids[2]);
    } else {
        s->loop = true;
        scan_kids(s, n, 0);
    }
    s->loop = outer;
}

/* Whether the node itself (its kids aside) allocates something that may be dropped soon. Room for lists and dicts to
** grow is not counted: what growing leaves behind is less than what is kept. */
static bool makes_garbage(const th_gen *g, const th_tir *n) {
    switch (n->kind) {
    case TH_TIR_STRUCT:
    case TH_TIR_LIST:
    case TH_TIR_DICT:
    case TH_TIR_CLOSURE:
    case TH_TIR_VARIANT: return true;
    case TH_TIR_BINARY: return n->type == TH_TYPE_STRING;
    case TH_TIR_SOME: return !th_gen_is_pointer(th_gen_class(g, n->kids[0]->type));
    case TH_TIR_DICT_GET: return true;
    default: return false;
    }
}

/* Whether a look-up's option is never made: only asked for null, or replaced at once by a default at hand. */
static bool uses_entry(const th_tir *n) {
    if (n->kids[0]->kind != TH_TIR_DICT_GET) return false;
    if (n->kind == TH_TIR_IS_NULL) return true;
    return n->kind == TH_TIR_COALESCE && (n->kids[1]->kind == TH_TIR_LOCAL || is_literal(n->kids[1])) &&
           n->type != n->kids[0]->type;
}

static void scan_node(scan *s, const th_tir *n) {
    switch (n->kind) {
    case TH_TIR_LOCAL: local_of(s, n->local)->uses++; return;
    case TH_TIR_LET: scan_let(s, n); return;
    case TH_TIR_SET:
        if (th_gen_is_append(n)) local_of(s, n->local)->builder = true;
        local_of(s, n->local);
        break;
    case TH_TIR_FIELD:
    case TH_TIR_FIELD_SET:
        if (n->kind == TH_TIR_FIELD_SET) s->fn->flags |= TH_FACT_WRITES_FIELDS;
        if (n->kids[0]->kind == TH_TIR_LOCAL) {
            local_of(s, n->kids[0]->local)->fields++;
            scan_kids(s, n, 1);
            return;
        }
        break;
    case TH_TIR_LIST_PUSH:
    case TH_TIR_LIST_POP:
    case TH_TIR_DICT_SET: s->fn->flags |= TH_FACT_WRITES_LENGTHS; break;
    case TH_TIR_GLOBAL_SET:
        if ((int64_t)s->index != s->g->program->start) s->g->facts.global_fixed[n->index] = false;
        break;
    case TH_TIR_CALL:
    case TH_TIR_CALL_CLOSURE:
    case TH_TIR_CALL_BUILTIN: scan_call(s, n); return;
    case TH_TIR_CLOSURE: scan_closure(s, n); return;
    case TH_TIR_WHILE:
    case TH_TIR_FOR_RANGE: scan_loop(s, n); return;
    case TH_TIR_TRY: local_of(s, n->local); break;
    case TH_TIR_IS_NULL:
    case TH_TIR_COALESCE:
        if (!uses_entry(n)) break;
        scan_kids(s, n->kids[0], 0);
        scan_kids(s, n, 1);
        return;
    default: break;
    }
    if (makes_garbage(s->g, n)) add_garbage(s);
    scan_kids(s, n, 0);
}

/* ---- What follows from all scans ---------------------------------------------------------------------------- */

/* Cells are shared, so both sides of a capture agree on what is one. */
static void settle_cells(th_gen *g) {
    th_gen_facts *facts = &g->facts;
    for (uint32_t f = 0; f < g->program->nfunctions; f++)
        for (uint32_t i = 0; i < g->program->functions[f]->nlocals; i++) {
            const th_local *local = g->program->functions[f]->locals[i];
            facts->functions[f].locals[i].cell = local->captured && local->assigned;
        }
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < facts->ncaptures; i++) {
            const th_gen_capture *c = &facts->captures[i];
            const th_tir_function *to = g->program->functions[c->to];
            for (uint32_t k = 0; k < c->node->nlocals; k++) {
                th_gen_local *outer = &facts->functions[c->from].locals[c->node->locals[k]->index];
                th_gen_local *inner = &facts->functions[c->to].locals[to->nparams + k];
                bool cell = outer->cell || inner->cell || to->locals[to->nparams + k]->assigned;
                bool option = cell && (outer->cell_option || inner->cell_option);
                if (cell == outer->cell && cell == inner->cell &&
                    (!cell || (option == outer->cell_option && option == inner->cell_option)))
                    continue;
                outer->cell = inner->cell = cell;
                outer->cell_option = inner->cell_option = option;
                changed = true;
            }
        }
    }
}

/* A struct that only its own function sees, field by field, needs no object. */
static void settle_locals(th_gen *g, uint32_t f) {
    const th_tir_function *tir = g->program->functions[f];
    for (uint32_t i = 0; i < tir->nlocals; i++) {
        th_gen_local *local = &g->facts.functions[f].locals[i];
        const th_local *l = tir->locals[i];
        if (local->cell || l->type != TH_TYPE_STRING) local->builder = false;
        if (!local->cell) local->cell_option = false;
        local->scalars = local->made != NULL && local->made->kind == TH_TIR_STRUCT && !l->assigned && !l->captured &&
                         local->uses == 0 && local->heads == 0 && local->made->nkids <= 16;
        bool made = local->made != NULL && local->made->kind == TH_TIR_STRUCT && !local->scalars;
        bool capture = i >= tir->nparams && i < tir->nparams + tir->ncaptures;
        if (made || (local->cell && !capture)) g->facts.functions[f].garbage_here = true;
    }
}

/* What a call of any closure of a type may do. */
static uint16_t closure_effects(const th_gen *g, th_type_id type) {
    uint16_t flags = 0;
    for (uint32_t f = 0; f < g->program->nfunctions; f++)
        if (g->facts.functions[f].closed && g->program->functions[f]->type == type)
            flags |= g->facts.functions[f].flags & EFFECTS;
    return flags;
}

/* A call leaves garbage to its caller only when its result is a pointer: else the function's own region takes it. */
static bool flow_effects(th_gen *g, th_gen_function *fn) {
    th_type_id result = th_types_result(g->types, fn->tir->type);
    uint16_t flags = fn->flags;
    bool outside = fn->garbage_here || fn->garbage_outside, any = outside || fn->garbage_in_loops, changed = false;
    for (size_t i = 0; i < fn->ncallees; i++) {
        uint32_t callee = fn->callees[i];
        uint16_t effects = 0;
        if (callee & CALLEE_TYPE) {
            effects = closure_effects(g, callee & CALLEE_INDEX);
        } else {
            th_gen_function *other = &g->facts.functions[callee & CALLEE_INDEX];
            if (!(callee & CALLEE_MADE)) effects = other->flags & EFFECTS;
            if (fn->in_start && !other->in_start) other->in_start = changed = true;
        }
        flags |= effects & ~TH_FACT_GARBAGE;
        any |= (effects & TH_FACT_GARBAGE) != 0;
        outside |= (effects & TH_FACT_GARBAGE) && !(callee & CALLEE_LOOP);
    }
    if (any && result != TH_TYPE_VOID && th_gen_is_pointer(th_gen_class(g, result))) flags |= TH_FACT_GARBAGE;
    changed |= flags != fn->flags || outside != fn->garbage_outside;
    fn->flags = flags;
    fn->garbage_outside = outside;
    return changed;
}

/* ---- Facts of nodes ----------------------------------------------------------------------------------------- */

static size_t slot_of(const th_gen_facts *facts, const th_tir *node) {
    size_t i = (size_t)th_hash_word((uint64_t)(uintptr_t)node) & (facts->capacity - 1);
    while (facts->slots[i].node != NULL && facts->slots[i].node != node) i = (i + 1) & (facts->capacity - 1);
    return i;
}

static bool grow_slots(th_gen *g) {
    th_gen_facts *facts = &g->facts;
    th_gen_facts old = *facts;
    size_t capacity = old.capacity ? old.capacity * 2 : 1024;
    th_gen_fact *slots = th_mem_zeroed(g->mem, capacity * sizeof *slots);
    if (slots == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return false;
    }
    facts->slots = slots;
    facts->capacity = capacity;
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].node != NULL) facts->slots[slot_of(facts, old.slots[i].node)] = old.slots[i];
    th_mem_free(g->mem, old.slots, old.capacity * sizeof *old.slots);
    return true;
}

const th_gen_fact *th_gen_fact_of(const th_gen *g, const th_tir *node) {
    static const th_gen_fact unknown = {
        NULL, TH_FACT_SETS | TH_FACT_CALLS | TH_FACT_TRAPS | TH_FACT_CONTROL | TH_FACT_CONTINUES | EFFECTS, 1000};
    if (g->facts.capacity == 0) return &unknown;
    const th_gen_fact *fact = &g->facts.slots[slot_of(&g->facts, node)];
    return fact->node != NULL ? fact : &unknown;
}

static bool converts_freely(const th_gen *g, th_type_id from, th_type_id to) {
    th_kind a = kind_of(g, from), b = kind_of(g, to);
    if (a == TH_KIND_ENUM) return b == TH_KIND_I64;
    bool from_int = a >= TH_KIND_I8 && a <= TH_KIND_I64, to_int = b >= TH_KIND_I8 && b <= TH_KIND_I64;
    if (from_int && to_int) return b >= a;
    return (b == TH_KIND_F64 || b == TH_KIND_F32) && (from_int || a == TH_KIND_F64 || a == TH_KIND_F32);
}

static bool divides_freely(const th_tir *n) {
    if (n->type == TH_TYPE_F64 || n->type == TH_TYPE_F32) return true;
    if (n->op == TH_TIR_POW) return false;
    return n->kids[1]->kind == TH_TIR_INT && n->kids[1]->ival != 0;
}

/* The flags that the kind of a node adds; *movable: whether it may be moved when its operands may. */
static uint16_t own_flags(const th_gen *g, th_gen_function *fn, const th_tir *n, bool *movable) {
    *movable = false;
    th_op op;
    switch (n->kind) {
    case TH_TIR_INT:
    case TH_TIR_FLOAT:
    case TH_TIR_STRING:
    case TH_TIR_LOCAL: *movable = true; return 0;
    case TH_TIR_NULL:
    case TH_TIR_AND:
    case TH_TIR_OR:
    case TH_TIR_IF:
    case TH_TIR_SWITCH:
    case TH_TIR_BLOCK:
    case TH_TIR_RETURN:
    case TH_TIR_IS_NULL:
    case TH_TIR_VARIANT_TAG:
    case TH_TIR_DICT_HAS:
    case TH_TIR_DICT_GET_OR: return 0;
    case TH_TIR_GLOBAL:
        *movable = g->facts.global_fixed[n->index] && !fn->in_start;
        return g->facts.global_fixed[n->index] ? 0 : TH_FACT_TRAPS;
    case TH_TIR_UNARY: *movable = true; return 0;
    case TH_TIR_BINARY:
        if (n->type == TH_TYPE_STRING) return TH_FACT_TRAPS | TH_FACT_GARBAGE;
        if (n->op >= TH_TIR_EQ) return 0;
        *movable = (n->op != TH_TIR_DIV && n->op != TH_TIR_REM && n->op != TH_TIR_POW) || divides_freely(n);
        return *movable ? 0 : TH_FACT_TRAPS;
    case TH_TIR_CONVERT: *movable = converts_freely(g, n->kids[0]->type, n->type); return *movable ? 0 : TH_FACT_TRAPS;
    case TH_TIR_FIELD:
    case TH_TIR_LEN: *movable = true; return TH_FACT_READS;
    case TH_TIR_LET: return fn->locals[n->local->index].cell ? TH_FACT_TRAPS | TH_FACT_GARBAGE : 0;
    case TH_TIR_SET: return TH_FACT_SETS | (fn->locals[n->local->index].cell ? TH_FACT_TRAPS : 0);
    case TH_TIR_FIELD_SET: {
        bool in_registers = n->kids[0]->kind == TH_TIR_LOCAL && fn->locals[n->kids[0]->local->index].scalars;
        bool pointer = th_gen_is_pointer(th_gen_class(g, n->kids[1]->type));
        return TH_FACT_WRITES_FIELDS | (in_registers ? TH_FACT_SETS : pointer ? TH_FACT_TRAPS : 0);
    }
    case TH_TIR_LIST_PUSH:
    case TH_TIR_LIST_POP:
    case TH_TIR_DICT_SET: return TH_FACT_TRAPS | TH_FACT_WRITES_LENGTHS;
    case TH_TIR_CALL: return TH_FACT_TRAPS | TH_FACT_CALLS | (g->facts.functions[n->index].flags & EFFECTS);
    case TH_TIR_CALL_CLOSURE: {
        uint16_t flags = TH_FACT_TRAPS | TH_FACT_CALLS | TH_FACT_WRITES_FIELDS | TH_FACT_WRITES_LENGTHS;
        flags |= closure_effects(g, n->kids[0]->type);
        return flags;
    }
    case TH_TIR_CALL_BUILTIN:
        if (th_gen_intrinsic(g->types, n, &op)) {
            *movable = true;
            return 0;
        }
        return TH_FACT_TRAPS | TH_FACT_CALLS | builtin_effects(g, n);
    case TH_TIR_CLOSURE: return TH_FACT_TRAPS | TH_FACT_GARBAGE | TH_FACT_CLOSURES;
    case TH_TIR_CONTINUE: return TH_FACT_CONTROL | TH_FACT_CONTINUES;
    case TH_TIR_BREAK:
    case TH_TIR_WHILE: return TH_FACT_CONTROL;
    case TH_TIR_FOR_RANGE: return TH_FACT_CONTROL | (fn->locals[n->local->index].cell ? TH_FACT_GARBAGE : 0);
    case TH_TIR_TRY: return TH_FACT_CONTROL | TH_FACT_TRAPS | (fn->locals[n->local->index].cell ? TH_FACT_GARBAGE : 0);
    default: return TH_FACT_TRAPS | (makes_garbage(g, n) ? TH_FACT_GARBAGE : 0);
    }
}

static th_gen_fact learn(th_gen *g, th_gen_function *fn, const th_tir *n);

static void put_fact(th_gen *g, th_gen_fact fact) {
    if ((g->facts.count + 1) * 3 > g->facts.capacity * 2 && !grow_slots(g)) return;
    th_gen_fact *slot = &g->facts.slots[slot_of(&g->facts, fact.node)];
    g->facts.count += slot->node == NULL;
    *slot = fact;
}

/* Whether the node stands for what its kid makes, without making it: the kid's garbage does not count. */
static const th_tir *not_made(const th_gen_function *fn, const th_tir *n) {
    if (n->nkids == 0 || n->kids[0] == NULL) return NULL;
    if (n->kind == TH_TIR_LET && fn->locals[n->local->index].scalars) return n->kids[0];
    return (n->kind == TH_TIR_IS_NULL || n->kind == TH_TIR_COALESCE) && uses_entry(n) ? n->kids[0] : NULL;
}

static th_gen_fact learn(th_gen *g, th_gen_function *fn, const th_tir *n) {
    if (g->facts.capacity > 0) {
        const th_gen_fact *known = &g->facts.slots[slot_of(&g->facts, n)];
        if (known->node != NULL) return *known;
    }
    bool movable, constant = true, compound = false;
    uint32_t flags = own_flags(g, fn, n, &movable), size = 1;
    const th_tir *skipped = not_made(fn, n);
    for (uint32_t i = 0; i < n->nkids; i++) {
        if (n->kids[i] == NULL) continue;
        th_gen_fact kid = learn(g, fn, n->kids[i]);
        if (n->kids[i] == skipped) { /* only what its own kids do */
            kid.flags &= (uint16_t)~TH_FACT_GARBAGE;
            for (uint32_t k = 0; k < skipped->nkids; k++) kid.flags |= learn(g, fn, skipped->kids[k]).flags;
        }
        flags |= kid.flags & ~(TH_FACT_MOVABLE | TH_FACT_CONST | TH_FACT_COMPOUND);
        movable &= (kid.flags & TH_FACT_MOVABLE) != 0;
        constant &= (kid.flags & TH_FACT_CONST) != 0;
        compound |= n->kids[i]->kind != TH_TIR_LOCAL && !is_literal(n->kids[i]);
        size += kid.size;
    }
    if (movable) flags |= TH_FACT_MOVABLE;
    if (movable && constant && n->kind != TH_TIR_LOCAL && n->kind != TH_TIR_GLOBAL) flags |= TH_FACT_CONST;
    if (compound) flags |= TH_FACT_COMPOUND;
    if (n->kind == TH_TIR_WHILE || n->kind == TH_TIR_FOR_RANGE) flags &= ~(uint32_t)TH_FACT_CONTINUES;
    th_gen_fact fact = {n, (uint16_t)flags, (uint16_t)(size > SIZE_MAX_KEPT ? SIZE_MAX_KEPT : size)};
    put_fact(g, fact);
    return fact;
}

void th_gen_learn_node(th_gen *g, const th_tir *node) { learn(g, g->fn, node); }

/* Whether a call of function `self` stands where its value is the function's own. */
static bool calls_itself_last(const th_tir *n, uint32_t self) {
    switch (n->kind) {
    case TH_TIR_CALL: return n->index == self;
    case TH_TIR_RETURN: return n->nkids > 0 && n->kids[0] != NULL && calls_itself_last(n->kids[0], self);
    case TH_TIR_BLOCK:
    case TH_TIR_SWITCH:
    case TH_TIR_IF:
    case TH_TIR_WHILE:
    case TH_TIR_FOR_RANGE: break;
    default: return false;
    }
    for (uint32_t i = 0; i < n->nkids; i++) {
        if (n->kids[i] == NULL) continue;
        bool last = n->kids[i]->kind != TH_TIR_CALL || (n->kind == TH_TIR_BLOCK && i + 1 == n->nkids) ||
                    ((n->kind == TH_TIR_IF || n->kind == TH_TIR_SWITCH) && i > 0);
        if (last && calls_itself_last(n->kids[i], self)) return true;
    }
    return false;
}

/* Straight-line, small, and unable to fail: then nobody misses its line in a trace. */
static void settle_inlining(th_gen *g, th_gen_function *fn, const th_gen_fact *body) {
    const uint16_t barred = TH_FACT_TRAPS | TH_FACT_CONTROL | TH_FACT_CLOSURES | TH_FACT_CALLS | TH_FACT_GARBAGE;
    fn->size = body->size;
    fn->inlinable = !(body->flags & barred) && body->size <= INLINE_SIZE;
    for (uint32_t i = 0; i < fn->tir->nlocals; i++)
        if (fn->locals[i].cell || fn->locals[i].builder) fn->inlinable = false;
    (void)g;
}

void th_gen_learn(th_gen *g) {
    th_gen_facts *facts = &g->facts;
    uint32_t n = g->program->nfunctions;
    for (uint32_t i = 0; i < g->program->nglobals; i++) facts->global_fixed[i] = true;
    for (uint32_t i = 0; i < n && g->status == TH_OK; i++) {
        scan s = {g, &facts->functions[i], i, false};
        scan_node(&s, s.fn->tir->body);
    }
    settle_cells(g);
    for (uint32_t i = 0; i < n; i++) settle_locals(g, i);
    if (g->program->start >= 0) facts->functions[g->program->start].in_start = true;
    for (bool changed = true; changed && g->status == TH_OK;) {
        changed = false;
        for (uint32_t i = 0; i < n; i++) changed |= flow_effects(g, &facts->functions[i]);
    }
    for (uint32_t i = 0; i < n && g->status == TH_OK; i++) {
        th_gen_function *fn = &facts->functions[i];
        th_gen_fact body = learn(g, fn, fn->tir->body);
        fn->tail_loop = fn->tir->ncaptures == 0 && calls_itself_last(fn->tir->body, i);
        settle_inlining(g, fn, &body);
    }
}

void th_gen_assigned(const th_tir *node, uint64_t *bits) {
    bool sets = node->kind == TH_TIR_LET || node->kind == TH_TIR_SET || node->kind == TH_TIR_FOR_RANGE ||
                node->kind == TH_TIR_TRY;
    if (sets && node->local != NULL) bits[node->local->index >> 6] |= (uint64_t)1 << (node->local->index & 63);
    for (uint32_t i = 0; i < node->nkids; i++)
        if (node->kids[i] != NULL) th_gen_assigned(node->kids[i], bits);
}

/* Not the value: 0.0 and -0.0 differ, and a NaN is itself. */
static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

bool th_gen_same(const th_tir *a, const th_tir *b) {
    if (a == b) return true;
    if (a->kind != b->kind || a->op != b->op || a->type != b->type || a->nkids != b->nkids || a->local != b->local ||
        a->index != b->index || a->ival != b->ival || bits_of(a->fval) != bits_of(b->fval) ||
        !th_view_eq(a->text, b->text))
        return false;
    for (uint32_t i = 0; i < a->nkids; i++)
        if (!th_gen_same(a->kids[i], b->kids[i])) return false;
    return true;
}

/* ---- Literal expressions ------------------------------------------------------------------------------------ */

static int64_t wrap(th_class cls, int64_t x) {
    switch (cls) {
    case TH_CLASS_I8: return (int8_t)x;
    case TH_CLASS_I16: return (int16_t)x;
    case TH_CLASS_I32: return (int32_t)x;
    default: return x;
    }
}

static bool fold_ints(uint8_t op, int64_t x, int64_t y, int64_t *out) {
    uint64_t a = (uint64_t)x, b = (uint64_t)y;
    switch (op) {
    case TH_TIR_ADD: *out = (int64_t)(a + b); return true;
    case TH_TIR_SUB: *out = (int64_t)(a - b); return true;
    case TH_TIR_MUL: *out = (int64_t)(a * b); return true;
    case TH_TIR_DIV:
        if (y == 0) return false;
        *out = y == -1 ? (int64_t)(0 - a) : x / y;
        return true;
    case TH_TIR_REM:
        if (y == 0) return false;
        *out = y == -1 ? 0 : x % y;
        return true;
    case TH_TIR_BAND: *out = x & y; return true;
    case TH_TIR_BOR: *out = x | y; return true;
    case TH_TIR_BXOR: *out = x ^ y; return true;
    case TH_TIR_SHL: *out = (int64_t)(a << (b & 63)); return true;
    case TH_TIR_SHR: *out = x >> (b & 63); return true;
    case TH_TIR_EQ: *out = x == y; return true;
    case TH_TIR_NE: *out = x != y; return true;
    case TH_TIR_LT: *out = x < y; return true;
    case TH_TIR_LE: *out = x <= y; return true;
    case TH_TIR_GT: *out = x > y; return true;
    case TH_TIR_GE: *out = x >= y; return true;
    default: return false;
    }
}

static bool fold_floats(uint8_t op, double x, double y, double *number, int64_t *truth) {
    switch (op) {
    case TH_TIR_ADD: *number = x + y; return true;
    case TH_TIR_SUB: *number = x - y; return true;
    case TH_TIR_MUL: *number = x * y; return true;
    case TH_TIR_DIV:
        if (y == 0) return false; /* left to the run: infinities and NaN need no folding */
        *number = x / y;
        return true;
    case TH_TIR_EQ: *truth = x == y; return true;
    case TH_TIR_NE: *truth = x != y; return true;
    case TH_TIR_LT: *truth = x < y; return true;
    case TH_TIR_LE: *truth = x <= y; return true;
    case TH_TIR_GT: *truth = x > y; return true;
    case TH_TIR_GE: *truth = x >= y; return true;
    default: return false;
    }
}

static double narrow(th_type_id type, double x) { return type == TH_TYPE_F32 ? (double)(float)x : x; }

static bool fold_binary(const th_gen *g, const th_tir *n, th_tir *out) {
    th_tir a, b;
    if (!th_gen_fold(g, n->kids[0], &a) || !th_gen_fold(g, n->kids[1], &b)) return false;
    if (a.kind == TH_TIR_INT && b.kind == TH_TIR_INT) {
        if (!fold_ints(n->op, a.ival, b.ival, &out->ival)) return false;
        out->kind = TH_TIR_INT;
        out->ival = wrap(th_gen_class(g, n->type), out->ival);
        return true;
    }
    if (a.kind != TH_TIR_FLOAT || b.kind != TH_TIR_FLOAT) return false;
    if (!fold_floats(n->op, a.fval, b.fval, &out->fval, &out->ival)) return false;
    out->kind = n->op >= TH_TIR_EQ ? TH_TIR_INT : TH_TIR_FLOAT;
    if (out->kind == TH_TIR_FLOAT) out->fval = narrow(n->type, out->fval);
    return !isnan(out->fval);
}

static bool fold_unary(const th_gen *g, const th_tir *n, th_tir *out) {
    if (!th_gen_fold(g, n->kids[0], out)) return false;
    if (out->kind == TH_TIR_FLOAT && n->op == TH_TIR_NEG) {
        out->fval = -out->fval;
        return true;
    }
    if (out->kind != TH_TIR_INT) return false;
    if (n->op == TH_TIR_NOT)
        out->ival = !out->ival;
    else if (n->op == TH_TIR_BNOT)
        out->ival = ~out->ival;
    else
        out->ival = (int64_t)(0 - (uint64_t)out->ival);
    out->ival = wrap(th_gen_class(g, n->type), out->ival);
    return true;
}

static bool fold_convert(const th_gen *g, const th_tir *n, th_tir *out) {
    if (!th_gen_fold(g, n->kids[0], out)) return false;
    th_class cls = th_gen_class(g, n->type);
    bool to_float = cls == TH_CLASS_F64 || cls == TH_CLASS_F32;
    if (kind_of(g, n->type) == TH_KIND_ENUM || cls == TH_CLASS_BOOL) return false;
    if (out->kind == TH_TIR_INT && !to_float) return wrap(cls, out->ival) == out->ival;
    if (out->kind == TH_TIR_INT) {
        out->kind = TH_TIR_FLOAT;
        out->fval = narrow(n->type, (double)out->ival);
        return true;
    }
    if (out->kind != TH_TIR_FLOAT || !to_float) return false;
    out->fval = narrow(n->type, out->fval);
    return true;
}

bool th_gen_fold(const th_gen *g, const th_tir *node, th_tir *out) {
    if (node->kind == TH_TIR_LOCAL) {
        if (g->scope == NULL) return false;
        const th_gen_place *place = &g->scope->places[node->local->index];
        if (place->kind != TH_PLACE_NODE || place->closure != NULL) return false;
        node = place->node;
    }
    if (is_literal(node)) {
        *out = *node;
        out->fval = narrow(node->type, node->fval); /* 0.1 as an f32 is what an f32 holds of it */
        return true;
    }
    if (node->kind != TH_TIR_UNARY && node->kind != TH_TIR_BINARY && node->kind != TH_TIR_CONVERT) return false;
    if (node->type == TH_TYPE_STRING) return false;
    th_tir value = *node;
    value.fval = 0;
    value.ival = 0;
    bool folded = node->kind == TH_TIR_UNARY    ? fold_unary(g, node, &value)
                  : node->kind == TH_TIR_BINARY ? fold_binary(g, node, &value)
                                                : fold_convert(g, node, &value);
    if (!folded) return false;
    value.nkids = 0;
    value.type = node->type;
    value.span = node->span;
    *out = value;
    return true;
}
