/*
** codegen_live.c - liveness over the list of instructions: dead code goes, life spans and keep sets come.
** Relies on a tidy list. A span is one stretch of positions: instruction k reads at 2k and writes at 2k + 1; a register
** is held from its first position to its last, holes included.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

#define BLOCK_BITS_MAX ((size_t)1 << 32) /* of one kind of set over all blocks */

typedef struct block {
    th_gen_ins *first, *last;
    uint64_t *in, *out, *use, *def, *held; /* held: what handlers around the block need */
    bool regions;                          /* has instructions with keep sets */
} block;

typedef struct live {
    th_gen *g;
    block *blocks;
    uint32_t nblocks;
    uint32_t *globals; /* virtual registers by number */
    uint32_t nglobals;
    size_t words;
    uint32_t stamp;
} live;

static bool has(const uint64_t *bits, uint32_t i) { return bits[i >> 6] >> (i & 63) & 1; }
static void add(uint64_t *bits, uint32_t i) { bits[i >> 6] |= (uint64_t)1 << (i & 63); }
static void drop(uint64_t *bits, uint32_t i) { bits[i >> 6] &= ~((uint64_t)1 << (i & 63)); }

/* ---- Blocks ------------------------------------------------------------------------------------------------- */

static bool is_branch(const th_gen_ins *ins) {
    return ins->op < TH_OP_COUNT && (th_ops[ins->op].flags & (TH_OPF_BRANCH | TH_OPF_END));
}

static bool starts_block(const th_gen_ins *ins) {
    return ins->prev == NULL || is_branch(ins->prev) || (ins->op == TH_GEN_LABEL && ins->label->refs > 0);
}

static bool make_blocks(live *l) {
    th_gen *g = l->g;
    uint32_t count = 0, position = 2;
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next, position += 2) {
        ins->position = position;
        count += starts_block(ins);
    }
    l->blocks = th_arena_zeroed(&g->scratch, count * sizeof *l->blocks);
    if (l->blocks == NULL) return false;
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next) {
        if (starts_block(ins)) l->blocks[l->nblocks++].first = ins;
        block *b = &l->blocks[l->nblocks - 1];
        b->last = ins;
        if (ins->op == TH_GEN_LABEL) ins->label->block = l->nblocks - 1;
        if (ins->op == TH_OP_RLOOP || ins->op == TH_OP_RLEAVE) b->regions = true;
    }
    for (th_gen_try *t = g->tries; t != NULL; t = t->next) t->block = t->target->block;
    return true;
}

/* ---- Which registers live across blocks --------------------------------------------------------------------- */

/* stamp: the block of the first definition + 1, seen in no other so far. */
static void see(live *l, uint32_t v, uint32_t number, bool defines) {
    th_gen_vreg *r = &l->g->vregs[v];
    if (r->global != TH_GEN_NONE) return;
    if (r->stamp == number + 1) return;
    if (r->stamp == 0 && defines && !l->blocks[number].regions)
        r->stamp = number + 1;
    else
        r->global = l->nglobals++;
}

static void each_read(live *l, const th_gen_ins *ins, uint32_t number) {
    uint32_t reads[3];
    unsigned n = th_gen_reads(ins, reads);
    for (unsigned i = 0; i < n; i++) see(l, reads[i], number, false);
    if (ins->group == NULL || ins->op == TH_GEN_GROUP) return;
    for (uint32_t i = 0; i < ins->group->count; i++) see(l, ins->group->slots[i], number, false);
}

static bool number_globals(live *l) {
    th_gen *g = l->g;
    for (size_t v = 0; v < g->nvregs; v++) {
        g->vregs[v].global = TH_GEN_NONE;
        g->vregs[v].stamp = 0;
    }
    for (size_t v = 0; v < g->nvregs; v++) /* the parameters and r0 */
        if (g->vregs[v].real != TH_GEN_NONE) g->vregs[v].global = l->nglobals++;
    for (uint32_t i = 0; i < l->nblocks; i++) {
        for (th_gen_ins *ins = l->blocks[i].first;; ins = ins->next) {
            each_read(l, ins, i);
            uint32_t written = th_gen_writes(ins);
            if (written != TH_GEN_NONE) see(l, written, i, true);
            if (ins == l->blocks[i].last) break;
        }
    }
    l->globals = th_arena_new(&g->scratch, (l->nglobals + 1) * sizeof *l->globals);
    if (l->globals == NULL) return false;
    for (size_t v = 0; v < g->nvregs; v++)
        if (g->vregs[v].global != TH_GEN_NONE) l->globals[g->vregs[v].global] = (uint32_t)v;
    l->words = (l->nglobals + 63) / 64;
    return true;
}

/* ---- The flow ----------------------------------------------------------------------------------------------- */

static bool too_large(const live *l) { return l->words * 64 * l->nblocks > BLOCK_BITS_MAX; }

static bool make_sets(live *l) {
    for (uint32_t i = 0; i < l->nblocks; i++) {
        uint64_t *bits = th_arena_zeroed(&l->g->scratch, 5 * l->words * sizeof *bits + 8);
        if (bits == NULL) return false;
        block *b = &l->blocks[i];
        b->in = bits;
        b->out = bits + l->words;
        b->use = bits + 2 * l->words;
        b->def = bits + 3 * l->words;
        b->held = bits + 4 * l->words;
    }
    return true;
}

static void note_use(live *l, block *b, uint32_t v) {
    uint32_t n = l->g->vregs[v].global;
    if (n != TH_GEN_NONE && !has(b->def, n)) add(b->use, n);
}

static void fill_sets(live *l) {
    for (uint32_t i = 0; i < l->nblocks; i++) {
        block *b = &l->blocks[i];
        for (th_gen_ins *ins = b->first;; ins = ins->next) {
            uint32_t reads[3];
            unsigned n = th_gen_reads(ins, reads);
            for (unsigned k = 0; k < n; k++) note_use(l, b, reads[k]);
            if (ins->group != NULL && ins->op != TH_GEN_GROUP)
                for (uint32_t k = 0; k < ins->group->count; k++) note_use(l, b, ins->group->slots[k]);
            uint32_t written = th_gen_writes(ins);
            if (written != TH_GEN_NONE && l->g->vregs[written].global != TH_GEN_NONE)
                add(b->def, l->g->vregs[written].global);
            if (ins == b->last) break;
        }
    }
}

static void join(live *l, block *b, uint32_t target) {
    for (size_t w = 0; w < l->words; w++) b->out[w] |= l->blocks[target].in[w];
}

static bool flow_block(live *l, uint32_t i) {
    block *b = &l->blocks[i];
    th_gen_ins *last = b->last;
    if (!th_gen_ends(last) && i + 1 < l->nblocks) join(l, b, i + 1);
    if (last->op < TH_OP_COUNT && last->label != NULL) join(l, b, last->label->block);
    for (uint32_t k = 0; last->targets != NULL && k < last->b; k++) join(l, b, last->targets[k]->block);
    bool changed = false;
    for (size_t w = 0; w < l->words; w++) {
        b->out[w] |= b->held[w];
        uint64_t in = b->use[w] | (b->out[w] & ~b->def[w]) | b->held[w];
        changed |= in != b->in[w];
        b->in[w] = in;
    }
    return changed;
}

/* What a handler needs is needed all over its range. */
static bool hold_for_handlers(live *l) {
    bool changed = false;
    for (th_gen_try *t = l->g->tries; t != NULL; t = t->next) {
        const uint64_t *need = l->blocks[t->block].in;
        for (uint32_t i = t->start->block; i < t->end->block; i++)
            for (size_t w = 0; w < l->words; w++) {
                uint64_t held = l->blocks[i].held[w] | need[w];
                changed |= held != l->blocks[i].held[w];
                l->blocks[i].held[w] = held;
            }
    }
    return changed;
}

static void flow(live *l) {
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = l->nblocks; i-- > 0;) changed |= flow_block(l, i);
        changed |= hold_for_handlers(l);
    }
}

/* ---- Spans, dead code, keep sets ---------------------------------------------------------------------------- */

static void extend(th_gen *g, uint32_t v, uint32_t position) {
    th_gen_vreg *r = &g->vregs[v];
    if (r->start > r->end) r->start = r->end = position;
    if (position < r->start) r->start = position;
    if (position > r->end) r->end = position;
}

static bool is_pure(const th_gen_ins *ins) {
    return ins->op < TH_OP_COUNT && th_ops[ins->op].flags == TH_OPF_NONE && ins->group == NULL &&
           th_gen_writes(ins) != TH_GEN_NONE;
}

static bool alive(const live *l, const uint64_t *now, uint32_t v) {
    const th_gen_vreg *r = &l->g->vregs[v];
    return r->global != TH_GEN_NONE ? has(now, r->global) : r->stamp == l->stamp;
}

static void read(live *l, uint64_t *now, uint32_t v, uint32_t position) {
    th_gen_vreg *r = &l->g->vregs[v];
    if (r->global != TH_GEN_NONE)
        add(now, r->global);
    else
        r->stamp = l->stamp;
    extend(l->g, v, position);
}

static void note_keep(live *l, const uint64_t *now, th_gen_ins *ins) {
    th_gen *g = l->g;
    uint32_t count = 0;
    for (uint32_t n = 0; n < l->nglobals; n++)
        count += has(now, n) && th_gen_is_pointer((th_class)g->vregs[l->globals[n]].cls);
    ins->nkeep = 0;
    ins->keep = th_arena_new(&g->scratch, (count + 1) * sizeof *ins->keep);
    if (ins->keep == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    for (uint32_t n = 0; n < l->nglobals; n++)
        if (has(now, n) && th_gen_is_pointer((th_class)g->vregs[l->globals[n]].cls))
            ins->keep[ins->nkeep++] = l->globals[n];
}

/* `now` is what is alive after `ins`; becomes what is alive before it. */
static void step_back(live *l, block *b, uint64_t *now, th_gen_ins *ins) {
    th_gen *g = l->g;
    uint32_t written = th_gen_writes(ins);
    if (written != TH_GEN_NONE) {
        bool used = alive(l, now, written);
        if (!used && is_pure(ins)) {
            const th_gen_vreg *r =
                &g->vregs[written]; /* set once more inside a call's arguments, it must lie below them */
            if (r->shared && r->start <= r->end) extend(g, written, ins->position);
            th_gen_unlink(g, ins);
            return;
        }
        if (!used && th_ops[ins->op < TH_OP_COUNT ? ins->op : 0].operand[0] == TH_OPERAND_BASE) {
            ins->def = TH_GEN_NONE; /* a call's result that nobody wants */
        } else {
            extend(g, written, ins->position + 1);
            th_gen_vreg *r = &g->vregs[written];
            if (r->global == TH_GEN_NONE)
                r->stamp = 0;
            else if (!has(b->held, r->global))
                drop(now, r->global);
        }
    }
    if (ins->op == TH_OP_RLOOP || ins->op == TH_OP_RLEAVE) note_keep(l, now, ins);
    if (ins->op == TH_GEN_DECLARE && g->vregs[ins->a].start <= g->vregs[ins->a].end) extend(g, ins->a, ins->position);
    uint32_t reads[3];
    unsigned n = th_gen_reads(ins, reads);
    for (unsigned i = 0; i < n; i++) read(l, now, reads[i], ins->position);
    if (ins->group == NULL || ins->op == TH_GEN_GROUP) return;
    for (uint32_t i = 0; i < ins->group->count; i++) read(l, now, ins->group->slots[i], ins->position);
}

static void extend_set(live *l, const uint64_t *bits, uint32_t position) {
    for (size_t w = 0; w < l->words; w++)
        for (uint64_t rest = bits[w]; rest != 0; rest &= rest - 1)
            extend(l->g, l->globals[w * 64 + (size_t)__builtin_ctzll(rest)], position);
}

static void make_spans(live *l) {
    th_gen *g = l->g;
    uint64_t *now = th_arena_zeroed(&g->scratch, l->words * sizeof *now + 8);
    if (now == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    for (size_t v = 0; v < g->nvregs; v++) {
        g->vregs[v].start = 1;
        g->vregs[v].end = 0;
        g->vregs[v].stamp = 0;
        if (g->vregs[v].real != TH_GEN_NONE) g->vregs[v].start = g->vregs[v].end = 0;
    }
    for (uint32_t i = l->nblocks; i-- > 0;) {
        block *b = &l->blocks[i];
        l->stamp = i + 1;
        memcpy(now, b->out, l->words * sizeof *now);
        uint32_t from = b->first->position, to = b->last->position + 1;
        extend_set(l, b->out, to);
        for (th_gen_ins *ins = b->last, *prev, *stop = b->first->prev; ins != stop; ins = prev) {
            prev = ins->prev;
            step_back(l, b, now, ins);
        }
        extend_set(l, b->in, from);
    }
}

/* ---- Registers that a path might read before they are set --------------------------------------------------- */

static void set_first(th_gen *g, uint32_t v) {
    g->cursor = g->first;
    g->span = (th_span){0};
    switch (g->vregs[v].cls) {
    case TH_CLASS_STRING: {
        uint32_t index = 0;
        th_status status = th_builder_string(g->builder, (th_view){"", 0}, &index);
        if (status != TH_OK) th_gen_fail(g, status);
        th_gen_emit_word(g, TH_OP_LDSW, v, 0, 0, index);
        return;
    }
    case TH_CLASS_F64: th_gen_emit(g, TH_OP_I2F, v, TH_GEN_ZERO, 0); return;
    case TH_CLASS_F32: {
        uint32_t wide = th_gen_vreg_new(g, TH_CLASS_F64);
        th_gen_emit(g, TH_OP_I2F, wide, TH_GEN_ZERO, 0);
        th_gen_emit(g, TH_OP_F2S, v, wide, 0);
        return;
    }
    case TH_CLASS_PTR:
    case TH_CLASS_TABLE:
    case TH_CLASS_NODE:
    case TH_CLASS_VALUE:
    case TH_CLASS_NONE: {
        const th_local *local = g->vregs[v].local;
        if (local != NULL && th_types_kind(g->types, local->type) == TH_KIND_OPTION) {
            th_gen_emit(g, TH_OP_LDNULL, v, local->type, 0);
            return;
        }
        th_view name = local != NULL ? local->name : th_view_of("a value");
        th_gen_limit(g, g->fn->tir->span, "'%.*s' may be used before it is set", (int)name.len, name.data);
        return;
    }
    default: th_gen_emit(g, TH_OP_LDI, v, 0, 0); return;
    }
}

/* True when something was inserted and liveness must be found again. */
static bool set_early(live *l) {
    th_gen *g = l->g;
    bool inserted = false;
    for (uint32_t n = 0; n < l->nglobals && g->status == TH_OK; n++) {
        if (!has(l->blocks[0].in, n) || g->vregs[l->globals[n]].real != TH_GEN_NONE) continue;
        set_first(g, l->globals[n]);
        inserted = true;
    }
    return inserted;
}

void th_gen_live(th_gen *g) {
    for (;;) {
        live l = {.g = g};
        if (!make_blocks(&l) || !number_globals(&l) || (!too_large(&l) && !make_sets(&l))) {
            th_gen_fail(g, TH_E_NOMEM);
            return;
        }
        if (too_large(&l)) {
            th_gen_limit(g, g->fn->tir->span, "the function '%.*s' is too large; split it", (int)g->fn->tir->name.len,
                         g->fn->tir->name.data);
            return;
        }
        fill_sets(&l);
        flow(&l);
        if (g->status == TH_OK && set_early(&l)) continue;
        if (g->status == TH_OK) make_spans(&l);
        return;
    }
}
