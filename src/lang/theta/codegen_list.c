/*
** codegen_list.c - the list of instructions of a function being compiled: making it, and tidying it up.
** Relies on the instruction table for what operands mean. Knows nothing of the trees the list was made from.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

/* ---- Making ------------------------------------------------------------------------------------------------- */

static th_gen_ins *new_ins(th_gen *g, uint32_t op, uint32_t a, uint32_t b, uint32_t c) {
    th_gen_ins *ins = th_arena_zeroed(&g->scratch, sizeof *ins);
    if (ins == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return NULL;
    }
    ins->op = (uint16_t)op;
    ins->a = a;
    ins->b = b;
    ins->c = c;
    ins->def = TH_GEN_NONE;
    ins->span = g->span;
    return ins;
}

static void link_after(th_gen *g, th_gen_ins *at, th_gen_ins *ins) {
    ins->prev = at;
    ins->next = at->next;
    if (at->next != NULL)
        at->next->prev = ins;
    else
        g->last = ins;
    at->next = ins;
}

uint32_t th_gen_vreg_new(th_gen *g, th_class cls) {
    void *array = g->vregs;
    if (th_mem_grow(g->mem, &array, &g->vregs_capacity, g->nvregs + 1, sizeof *g->vregs) != TH_OK) {
        th_gen_fail(g, TH_E_NOMEM);
        return TH_GEN_ZERO;
    }
    g->vregs = array;
    g->vregs[g->nvregs] =
        (th_gen_vreg){.cls = (uint8_t)cls, .real = TH_GEN_NONE, .hint = TH_GEN_NONE, .start = 1, .global = TH_GEN_NONE};
    return (uint32_t)g->nvregs++;
}

/* NULL when there is no memory: callers that need the instruction look, others need not. */
th_gen_ins *th_gen_emit(th_gen *g, uint32_t op, uint32_t a, uint32_t b, uint32_t c) {
    th_gen_ins *ins = new_ins(g, op, a, b, c);
    if (ins == NULL) return NULL;
    link_after(g, g->cursor, ins);
    g->cursor = ins;
    return ins;
}

th_gen_ins *th_gen_emit_word(th_gen *g, th_op op, uint32_t a, uint32_t b, uint32_t c, uint32_t word) {
    th_gen_ins *ins = th_gen_emit(g, op, a, b, c);
    if (ins != NULL) ins->word = word;
    return ins;
}

th_gen_ins *th_gen_emit_branch(th_gen *g, th_op op, uint32_t a, uint32_t b, uint32_t c, th_gen_label *target) {
    th_gen_ins *ins = th_gen_emit(g, op, a, b, c);
    if (ins != NULL) ins->label = target;
    return ins;
}

void th_gen_jump(th_gen *g, th_gen_label *target) { th_gen_emit_branch(g, TH_OP_JMP, 0, 0, 0, target); }

th_gen_label *th_gen_label_new(th_gen *g) {
    th_gen_label *label = th_arena_zeroed(&g->scratch, sizeof *label);
    if (label == NULL) th_gen_fail(g, TH_E_NOMEM);
    return label;
}

void th_gen_place_label(th_gen *g, th_gen_label *label) {
    th_gen_ins *ins = th_gen_emit(g, TH_GEN_LABEL, 0, 0, 0);
    if (ins == NULL || label == NULL) return;
    ins->label = label;
    label->at = ins;
}

void th_gen_unlink(th_gen *g, th_gen_ins *ins) {
    ins->prev->next = ins->next;
    if (ins->next != NULL)
        ins->next->prev = ins->prev;
    else
        g->last = ins->prev;
    if (ins->group != NULL && ins->op != TH_GEN_GROUP) { /* its slots become ordinary registers */
        for (uint32_t i = 0; i < ins->group->count; i++) g->vregs[ins->group->slots[i]].slot = false;
        ins->group->user = NULL;
    }
}

/* ---- Operands ----------------------------------------------------------------------------------------------- */

static bool reads_operand(uint8_t kind) {
    return (kind >= TH_OPERAND_R_INT && kind <= TH_OPERAND_R_ANY) ||
           (kind >= TH_OPERAND_RW_I64 && kind <= TH_OPERAND_RW_ANY);
}

static bool writes_operand(uint8_t kind) { return kind >= TH_OPERAND_W_I8 && kind <= TH_OPERAND_RW_ANY; }

unsigned th_gen_reads(const th_gen_ins *ins, uint32_t out[3]) {
    if (ins->op >= TH_OP_COUNT) return 0;
    const uint8_t *operand = th_ops[ins->op].operand;
    unsigned n = 0;
    if (reads_operand(operand[0])) out[n++] = ins->a;
    if (reads_operand(operand[1]) && (ins->group == NULL || ins->group->window)) out[n++] = ins->b;
    if (reads_operand(operand[2])) out[n++] = ins->c;
    return n;
}

uint32_t th_gen_writes(const th_gen_ins *ins) {
    if (ins->op == TH_GEN_CATCH) return ins->a;
    if (ins->op >= TH_OP_COUNT) return TH_GEN_NONE;
    if (th_ops[ins->op].operand[0] == TH_OPERAND_BASE) return ins->def;
    return writes_operand(th_ops[ins->op].operand[0]) ? ins->a : TH_GEN_NONE;
}

bool th_gen_ends(const th_gen_ins *ins) { return ins->op < TH_OP_COUNT && (th_ops[ins->op].flags & TH_OPF_END); }

/* ---- Tidying ------------------------------------------------------------------------------------------------ */

static bool is_silent(const th_gen_ins *ins) {
    return ins->op == TH_GEN_LABEL || ins->op == TH_GEN_MARK || ins->op == TH_GEN_DECLARE;
}

static th_gen_ins *after_label(const th_gen_label *label) {
    th_gen_ins *ins = label->at;
    while (ins != NULL && is_silent(ins)) ins = ins->next;
    return ins;
}

/* Where a branch to `label` ends up after the unconditional jumps that it meets. */
static th_gen_label *final_target(th_gen_label *label) {
    for (int hops = 0; hops < 32; hops++) {
        const th_gen_ins *ins = after_label(label);
        if (ins == NULL || ins->op != TH_OP_JMP || ins->label == label) break;
        label = ins->label;
    }
    return label;
}

static void thread_jumps(th_gen *g) {
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next) {
        if (ins->op >= TH_OP_COUNT) continue;
        if (ins->label != NULL) ins->label = final_target(ins->label);
        for (uint32_t i = 0; ins->targets != NULL && i < ins->b; i++) ins->targets[i] = final_target(ins->targets[i]);
        if (ins->op != TH_OP_JMP) continue;
        const th_gen_ins *there = after_label(ins->label);
        if (there != NULL && (there->op == TH_OP_RET || there->op == TH_OP_RETV)) {
            ins->op = there->op;
            ins->a = there->a;
            ins->label = NULL;
            ins->span = there->span;
        }
    }
}

enum { REACHED = 1 };

typedef struct work {
    th_gen_ins **items;
    size_t len, capacity;
} work;

static void add_work(th_gen *g, work *w, th_gen_label *label) {
    if (label->at == NULL || label->at->position == REACHED) return;
    void *array = w->items;
    if (th_mem_grow(g->mem, &array, &w->capacity, w->len + 1, sizeof *w->items) != TH_OK) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    w->items = array;
    w->items[w->len++] = label->at;
}

static void reach_from(th_gen *g, work *w, th_gen_ins *ins) {
    for (; ins != NULL && ins->position != REACHED; ins = ins->next) {
        ins->position = REACHED;
        if (ins->op >= TH_OP_COUNT) continue;
        if (ins->label != NULL) add_work(g, w, ins->label);
        for (uint32_t i = 0; ins->targets != NULL && i < ins->b; i++) add_work(g, w, ins->targets[i]);
        if (th_gen_ends(ins)) break;
    }
}

static bool range_reached(const th_gen_try *t) {
    for (const th_gen_ins *ins = t->start->at; ins != t->end->at; ins = ins->next)
        if (ins->position == REACHED && ins->op < TH_OP_COUNT) return true;
    return false;
}

static void drop_unreached(th_gen *g) {
    work w = {0};
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next) ins->position = 0;
    reach_from(g, &w, g->first);
    for (bool more = true; more && g->status == TH_OK;) {
        while (w.len > 0) reach_from(g, &w, w.items[--w.len]);
        more = false;
        for (th_gen_try *t = g->tries; t != NULL; t = t->next) {
            if (t->target->at->position == REACHED || !range_reached(t)) continue;
            add_work(g, &w, t->target);
            more = true;
        }
    }
    th_mem_free(g->mem, w.items, w.capacity * sizeof *w.items);
    if (g->status != TH_OK) return;
    for (th_gen_ins *ins = g->first, *next; ins != NULL; ins = next) {
        next = ins->next;
        if (ins->position != REACHED && ins->op != TH_GEN_LABEL && ins->op != TH_GEN_MARK) th_gen_unlink(g, ins);
    }
}

static th_op opposite(uint16_t op, bool *swap) {
    *swap = false;
    switch (op) {
    case TH_OP_JT: return TH_OP_JF;
    case TH_OP_JF: return TH_OP_JT;
    case TH_OP_JNULL: return TH_OP_JNNULL;
    case TH_OP_JNNULL: return TH_OP_JNULL;
    case TH_OP_JEQ: return TH_OP_JNE;
    case TH_OP_JNE: return TH_OP_JEQ;
    case TH_OP_JLT: *swap = true; return TH_OP_JLE;
    case TH_OP_JLE: *swap = true; return TH_OP_JLT;
    case TH_OP_JEQI: return TH_OP_JNEI;
    case TH_OP_JNEI: return TH_OP_JEQI;
    case TH_OP_JLTI: return TH_OP_JGEI;
    case TH_OP_JGEI: return TH_OP_JLTI;
    case TH_OP_JLEI: return TH_OP_JGTI;
    case TH_OP_JGTI: return TH_OP_JLEI;
    case TH_OP_JFEQ: return TH_OP_JFNE;
    case TH_OP_JFNE: return TH_OP_JFEQ;
    case TH_OP_JFLT: return TH_OP_JFNLT;
    case TH_OP_JFNLT: return TH_OP_JFLT;
    case TH_OP_JFLE: return TH_OP_JFNLE;
    case TH_OP_JFNLE: return TH_OP_JFLE;
    case TH_OP_JSEQ: return TH_OP_JSNE;
    case TH_OP_JSNE: return TH_OP_JSEQ;
    default: return TH_OP_NOP;
    }
}

static bool follows(const th_gen_ins *ins, const th_gen_label *label) {
    for (const th_gen_ins *at = ins->next; at != NULL && is_silent(at); at = at->next)
        if (at == label->at) return true;
    return false;
}

/* `if c goto L; goto M; L:` becomes `if not c goto M; L:`. */
static void invert_over_jump(th_gen *g, th_gen_ins *ins) {
    th_gen_ins *jump = ins->next;
    while (jump != NULL && (jump->op == TH_GEN_MARK || jump->op == TH_GEN_DECLARE)) jump = jump->next;
    if (jump == NULL || jump->op != TH_OP_JMP || !follows(jump, ins->label)) return;
    bool swap;
    th_op op = opposite(ins->op, &swap);
    if (op == TH_OP_NOP) return;
    ins->op = (uint16_t)op;
    if (swap) {
        uint32_t a = ins->a;
        ins->a = ins->b;
        ins->b = a;
    }
    ins->label = jump->label;
    th_gen_unlink(g, jump);
}

static void simplify_jumps(th_gen *g) {
    for (th_gen_ins *ins = g->first, *next; ins != NULL; ins = next) {
        next = ins->next;
        if (ins->op >= TH_OP_COUNT || ins->label == NULL) continue;
        if (ins->op == TH_OP_JMP && follows(ins, ins->label))
            th_gen_unlink(g, ins);
        else if (ins->op != TH_OP_JMP) {
            invert_over_jump(g, ins);
            next = ins->next;
        }
    }
}

/* The number that a register holds at `ins`, when its block says so shortly before. */
static bool holds_literal(const th_gen_ins *ins, uint32_t v, int64_t *value) {
    if (v == TH_GEN_ZERO) {
        *value = 0;
        return true;
    }
    int steps = 0;
    for (const th_gen_ins *at = ins->prev; at != NULL && steps < 40; at = at->prev, steps++) {
        if (at->op == TH_GEN_LABEL) return false;
        if (at->op < TH_OP_COUNT && (th_ops[at->op].flags & TH_OPF_END)) return false;
        if (th_gen_writes(at) != v) continue; /* a branch not taken changes nothing */
        *value = (int16_t)at->b;
        return at->op == TH_OP_LDI;
    }
    return false;
}

/* Whether a comparison of literals branches: 1, 0, or -1 when it is not known. */
static int known_branch(const th_gen_ins *ins) {
    int64_t x, y;
    switch (ins->op) {
    case TH_OP_JEQI:
    case TH_OP_JNEI:
    case TH_OP_JLTI:
    case TH_OP_JLEI:
    case TH_OP_JGTI:
    case TH_OP_JGEI: break;
    default: return -1;
    }
    if (!holds_literal(ins, ins->a, &x)) return -1;
    y = (int32_t)ins->b;
    switch (ins->op) {
    case TH_OP_JEQI: return x == y;
    case TH_OP_JNEI: return x != y;
    case TH_OP_JLTI: return x < y;
    case TH_OP_JLEI: return x <= y;
    case TH_OP_JGTI: return x > y;
    default: return x >= y;
    }
}

/* The test before a loop that starts at a literal. */
static void decide_branches(th_gen *g) {
    for (th_gen_ins *ins = g->first, *next; ins != NULL; ins = next) {
        next = ins->next;
        int known = known_branch(ins);
        if (known == 0) th_gen_unlink(g, ins);
        if (known != 1) continue;
        ins->op = TH_OP_JMP;
        ins->a = ins->b = 0;
    }
}

static void count_references(th_gen *g) {
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next)
        if (ins->op == TH_GEN_LABEL) ins->label->refs = 0;
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next) {
        if (ins->op >= TH_OP_COUNT) continue;
        if (ins->label != NULL) ins->label->refs++;
        for (uint32_t i = 0; ins->targets != NULL && i < ins->b; i++) ins->targets[i]->refs++;
    }
    for (th_gen_try *t = g->tries; t != NULL; t = t->next) {
        t->start->refs++;
        t->end->refs++;
        t->target->refs++;
    }
}

void th_gen_tidy(th_gen *g) {
    decide_branches(g);
    for (int round = 0; round < 2 && g->status == TH_OK; round++) {
        thread_jumps(g);
        drop_unreached(g);
        if (g->status == TH_OK) simplify_jumps(g);
    }
    if (g->status == TH_OK) count_references(g);
}
