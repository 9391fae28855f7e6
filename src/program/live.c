/*
** live.c - which registers of class VALUE will be read before they are written: a collector's roots in a frame.
** Relies on the function being verified and on the operands of the instruction table. Backward data flow over basic
** blocks with sets of registers as bits. An instruction that a handler covers may go to the handler's target, whatever it
** is. Nothing recurses. Sets only grow, and a block is looked at again only when a set of a successor grew, so that the
** work is bounded by 256 times the edges; code as compilers write it takes a few steps for each block.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/program.h"

#include "program/rules.h"

#define SET_WORDS 4 /* registers are at most 256 */

enum { MARK_START = 1, MARK_LEADER = 2 };

typedef struct set {
    uint64_t w[SET_WORDS];
} set;

/* What an instruction does to VALUE registers. */
typedef struct effect {
    set use, def;
} effect;

typedef struct block {
    uint32_t start, end; /* words */
    uint32_t last;       /* its last instruction */
    uint32_t handler;    /* index + 1 of the first handler that covers it, 0: none */
    bool queued;
    set in, out;  /* live before and behind it */
    set use, def; /* read before written in it; written in it */
    set caught;   /* live at the handler's target */
} block;

typedef struct live {
    th_arena arena;
    const th_program *program;
    const th_function *f;
    uint32_t index;
    set values; /* the registers of class VALUE */
    uint8_t *marks;
    block *blocks;
    uint32_t nblocks, longest; /* words of the longest block */
    uint32_t *block_of;        /* per word that is a leader */
    uint32_t *first_edge;      /* per block and one more: its incoming edges */
    uint32_t *edges;           /* 2 * block they come from, + 1 when by its handler */
    uint32_t *stack;           /* blocks to look at again */
    uint32_t nstack;
    uint32_t *calls;       /* callc and tcallc whose arguments may be values: pc */
    uint32_t *call_params; /* and the number of parameters */
    uint32_t ncalls;
} live;

/* ---- Sets --------------------------------------------------------------------------------------------------- */

static void add(set *s, uint32_t reg) { s->w[reg >> 6] |= (uint64_t)1 << (reg & 63); }

/* Registers from .. to-1. */
static void add_range(set *s, uint32_t from, uint32_t to) {
    for (uint32_t i = 0; i < SET_WORDS; i++) {
        uint32_t low = i * 64, first = from > low ? from - low : 0, end = to > low ? to - low : 0;
        if (first >= 64 || end <= first) continue;
        uint64_t below_end = end >= 64 ? UINT64_MAX : ((uint64_t)1 << end) - 1;
        s->w[i] |= below_end & (UINT64_MAX << first);
    }
}

static bool is_empty(const set *s) { return (s->w[0] | s->w[1] | s->w[2] | s->w[3]) == 0; }

/* True when `s` grew. */
static bool unite(set *s, const set *with) {
    uint64_t grown = 0;
    for (uint32_t i = 0; i < SET_WORDS; i++) {
        grown |= with->w[i] & ~s->w[i];
        s->w[i] |= with->w[i];
    }
    return grown != 0;
}

static set without(const set *s, const set *less) {
    set out;
    for (uint32_t i = 0; i < SET_WORDS; i++) out.w[i] = s->w[i] & ~less->w[i];
    return out;
}

static void keep_only(set *s, const set *of) {
    for (uint32_t i = 0; i < SET_WORDS; i++) s->w[i] &= of->w[i];
}

/* ---- What an instruction does ------------------------------------------------------------------------------- */

/* Parameters of the closure that the callc or tcallc at `pc` calls. */
static uint32_t closure_params(const live *l, uint32_t pc) {
    uint32_t low = 0, high = l->ncalls;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->calls[middle] == pc) return l->call_params[middle];
        if (l->calls[middle] < pc)
            low = middle + 1;
        else
            high = middle;
    }
    return 0; /* it passes no values */
}

/* Arguments that a window instruction passes; registers from base up are lost. */
static uint32_t window_params(const live *l, uint32_t pc, uint32_t word, th_rule rule) {
    const th_program *p = l->program;
    switch (rule) {
    case TH_RULE_CALL:
    case TH_RULE_TCALL: return p->functions[TH_INSN_IMM(word)].nparams;
    case TH_RULE_CALLB: return (uint32_t)th_types_nparams(&p->types, p->imports[TH_INSN_IMM(word)].type);
    case TH_RULE_VCALL:
    case TH_RULE_VTCALL: return TH_INSN_C(word);
    default: return closure_params(l, pc);
    }
}

static bool may_read_value(uint8_t operand) {
    return operand == TH_OPERAND_R_VAL || operand == TH_OPERAND_R_ANY || operand == TH_OPERAND_RW_VAL ||
           operand == TH_OPERAND_RW_ANY;
}

static bool may_write_value(uint8_t operand) {
    return operand == TH_OPERAND_W_VAL || operand == TH_OPERAND_W_ANY || operand == TH_OPERAND_RW_VAL ||
           operand == TH_OPERAND_RW_ANY;
}

static void effect_of(const live *l, uint32_t pc, effect *e) {
    uint32_t word = l->f->code[pc], a = TH_INSN_A(word), b = TH_INSN_B(word), c = TH_INSN_C(word);
    const th_op_info *info = &th_ops[TH_INSN_OP(word)];
    *e = (effect){0};
    if (may_write_value(info->operand[0])) add(&e->def, a);
    if (may_read_value(info->operand[0])) add(&e->use, a);
    if (info->format == TH_FORMAT_ABC) {
        if (may_read_value(info->operand[1])) {
            if (th_rule_counts(info->rule))
                add_range(&e->use, b, b + c);
            else
                add(&e->use, b);
        }
        if (may_read_value(info->operand[2])) add(&e->use, c);
    }
    if (info->operand[0] == TH_OPERAND_BASE) {
        uint32_t count = window_params(l, pc, word, (th_rule)info->rule);
        add_range(&e->use, a + 2, a + 2 + count);
        add_range(&e->def, a, 256);
    }
    keep_only(&e->use, &l->values);
    keep_only(&e->def, &l->values);
}

/* ---- Blocks and edges --------------------------------------------------------------------------------------- */

/* Calls `visit` with each word that the branch at `pc` may go to. */
#define FOR_TARGETS(l, pc, target)                                                                                     \
    for (uint32_t i_ = 0, n_ = target_count((l)->f, pc), target;                                                       \
         i_ < n_ && (target = target_at((l)->f, pc, i_), true); i_++)

static uint32_t target_count(const th_function *f, uint32_t pc) {
    uint32_t word = f->code[pc];
    if (!(th_ops[TH_INSN_OP(word)].flags & TH_OPF_BRANCH)) return 0;
    return TH_INSN_OP(word) == TH_OP_SWITCH ? TH_INSN_IMM(word) : 1;
}

static uint32_t target_at(const th_function *f, uint32_t pc, uint32_t i) {
    uint32_t word = f->code[pc];
    return TH_INSN_OP(word) == TH_OP_JMP ? TH_INSN_IMM24(word) : f->code[pc + 1 + i];
}

static bool mark(live *l) {
    const th_function *f = l->f;
    l->marks = th_arena_zeroed(&l->arena, (size_t)f->ncode + 1);
    if (l->marks == NULL) return false;
    l->marks[0] = MARK_LEADER;
    for (uint32_t pc = 0, words; pc < f->ncode; pc += words) {
        uint8_t flags = th_ops[TH_INSN_OP(f->code[pc])].flags;
        words = th_insn_words(&f->code[pc]);
        l->marks[pc] |= MARK_START;
        FOR_TARGETS(l, pc, target) l->marks[target] |= MARK_LEADER;
        if (flags & (TH_OPF_BRANCH | TH_OPF_END)) l->marks[pc + words] |= MARK_LEADER;
    }
    for (uint32_t i = 0; i < f->nhandlers; i++) {
        l->marks[f->handlers[i].start] |= MARK_LEADER;
        l->marks[f->handlers[i].end] |= MARK_LEADER;
        l->marks[f->handlers[i].target] |= MARK_LEADER;
    }
    return true;
}

static bool make_blocks(live *l) {
    const th_function *f = l->f;
    uint32_t count = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc++) count += (l->marks[pc] & MARK_LEADER) != 0;
    l->blocks = th_arena_zeroed(&l->arena, count * sizeof *l->blocks);
    l->block_of = th_arena_new(&l->arena, ((size_t)f->ncode + 1) * sizeof *l->block_of);
    l->stack = th_arena_new(&l->arena, count * sizeof *l->stack);
    if (l->blocks == NULL || l->block_of == NULL || l->stack == NULL) return false;
    block *b = l->blocks;
    for (uint32_t pc = 0, words; pc < f->ncode; pc += words) {
        effect e;
        words = th_insn_words(&f->code[pc]);
        if (l->marks[pc] & MARK_LEADER) {
            l->block_of[pc] = l->nblocks;
            b = &l->blocks[l->nblocks++];
            b->start = pc;
        }
        b->last = pc;
        b->end = pc + words;
        if (b->end - b->start > l->longest) l->longest = b->end - b->start;
        effect_of(l, pc, &e);
        e.use = without(&e.use, &b->def);
        unite(&b->use, &e.use);
        unite(&b->def, &e.def);
    }
    l->block_of[f->ncode] = l->nblocks;
    return true;
}

/* The first handler over each block. `next` skips blocks that have theirs. */
static bool find_handlers(live *l) {
    const th_function *f = l->f;
    if (f->nhandlers == 0) return true;
    uint32_t *next = th_arena_new(&l->arena, ((size_t)l->nblocks + 1) * sizeof *next);
    if (next == NULL) return false;
    for (uint32_t i = 0; i <= l->nblocks; i++) next[i] = i;
    for (uint32_t h = 0; h < f->nhandlers; h++) {
        uint32_t i = l->block_of[f->handlers[h].start], end = l->block_of[f->handlers[h].end];
        for (;;) {
            while (next[i] != i) i = next[i] = next[next[i]];
            if (i >= end) break;
            l->blocks[i].handler = h + 1;
            next[i] = i + 1;
        }
    }
    return true;
}

/* The blocks that control may go to from block `index`: each is counted, or recorded, at the block it goes to. */
static void put_edge(live *l, uint32_t to, uint32_t from, bool record) {
    if (record)
        l->edges[--l->first_edge[to]] = from;
    else
        l->first_edge[to]++;
}

static void put_edges(live *l, bool record) {
    for (uint32_t i = 0; i < l->nblocks; i++) {
        const block *b = &l->blocks[i];
        FOR_TARGETS(l, b->last, target) put_edge(l, l->block_of[target], 2 * i, record);
        if (!(th_ops[TH_INSN_OP(l->f->code[b->last])].flags & TH_OPF_END)) put_edge(l, i + 1, 2 * i, record);
        if (b->handler != 0) put_edge(l, l->block_of[l->f->handlers[b->handler - 1].target], 2 * i + 1, record);
    }
}

static bool make_edges(live *l) {
    l->first_edge = th_arena_zeroed(&l->arena, ((size_t)l->nblocks + 1) * sizeof *l->first_edge);
    if (l->first_edge == NULL) return false;
    put_edges(l, false);
    for (uint32_t i = 0; i < l->nblocks; i++) l->first_edge[i + 1] += l->first_edge[i];
    l->edges = th_arena_new(&l->arena, (size_t)l->first_edge[l->nblocks] * sizeof *l->edges + 1);
    if (l->edges == NULL) return false;
    put_edges(l, true);
    return true;
}

/* ---- The flow ----------------------------------------------------------------------------------------------- */

static void queue(live *l, uint32_t index) {
    if (l->blocks[index].queued) return;
    l->blocks[index].queued = true;
    l->stack[l->nstack++] = index;
}

static void flow(live *l) {
    for (uint32_t i = 0; i < l->nblocks; i++) queue(l, i);
    while (l->nstack > 0) {
        uint32_t index = l->stack[--l->nstack];
        block *b = &l->blocks[index];
        b->queued = false;
        set through = without(&b->out, &b->def);
        bool grown = unite(&b->in, &b->use);
        grown |= unite(&b->in, &b->caught);
        grown |= unite(&b->in, &through);
        if (!grown) continue;
        for (uint32_t e = l->first_edge[index]; e < l->first_edge[index + 1]; e++) {
            block *from = &l->blocks[l->edges[e] >> 1];
            if (unite(l->edges[e] & 1 ? &from->caught : &from->out, &b->in)) queue(l, l->edges[e] >> 1);
        }
    }
}

/* ---- Calls of typed closures -------------------------------------------------------------------------------- */

static bool passes_values(const live *l, uint32_t pc) {
    uint32_t word = l->f->code[pc];
    uint8_t rule = th_ops[TH_INSN_OP(word)].rule;
    set window = {0};
    if (rule != TH_RULE_CALLC && rule != TH_RULE_TCALLC) return false;
    add_range(&window, TH_INSN_A(word) + 2, 256);
    keep_only(&window, &l->values);
    return !is_empty(&window);
}

/* Such a call's signature is that of what its register holds, which the verifier tells. Rare: languages whose functions
** are values have no typed closures. */
static th_status find_closures(live *l) {
    const th_function *f = l->f;
    uint32_t count = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc])) count += passes_values(l, pc);
    if (count == 0) return TH_OK;
    l->calls = th_arena_new(&l->arena, count * sizeof *l->calls);
    l->call_params = th_arena_new(&l->arena, count * sizeof *l->call_params);
    th_type_id *types = th_arena_new(&l->arena, (size_t)count * f->nregs * sizeof *types);
    if (l->calls == NULL || l->call_params == NULL || types == NULL) return TH_E_NOMEM;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc]))
        if (passes_values(l, pc)) l->calls[l->ncalls++] = pc;
    TH_TRY(th_verify_states(l->arena.mem, l->program, l->index, l->calls, count, types, NULL));
    for (uint32_t i = 0; i < count; i++) {
        th_type_id type = types[(size_t)i * f->nregs + TH_INSN_B(f->code[l->calls[i]])];
        l->call_params[i] =
            type != TH_TYPE_UNDEFINED ? (uint32_t)th_types_nparams(&l->program->types, type) : 0; /* never reached */
    }
    return TH_OK;
}

/* ---- Answers ------------------------------------------------------------------------------------------------ */

static bool good_pcs(const live *l, const uint32_t *pcs, size_t npcs) {
    for (size_t i = 0; i < npcs; i++) {
        uint32_t pc = pcs[i] & ~TH_LIVE_WAITING;
        if (pc >= l->f->ncode || !(l->marks[pc] & MARK_START)) return false;
        if (i > 0 && pc < (pcs[i - 1] & ~TH_LIVE_WAITING)) return false;
    }
    return true;
}

/* Answers for pcs[from .. to-1], which lie in block b, from its end to its start. */
static void answer_block(const live *l, const block *b, uint32_t *starts, const uint32_t *pcs, size_t from, size_t to,
                         uint64_t *bits) {
    uint32_t n = 0;
    set now = b->out;
    for (uint32_t pc = b->start; pc < b->end; pc += th_insn_words(&l->f->code[pc])) starts[n++] = pc;
    while (to > from) {
        effect e;
        uint32_t pc = starts[--n];
        effect_of(l, pc, &e);
        now = without(&now, &e.def);
        unite(&now, &b->caught);
        set waiting = th_ops[TH_INSN_OP(l->f->code[pc])].flags & TH_OPF_END ? (set){0} : now;
        unite(&now, &e.use);
        for (; to > from && (pcs[to - 1] & ~TH_LIVE_WAITING) == pc; to--)
            memcpy(bits + (to - 1) * SET_WORDS, pcs[to - 1] & TH_LIVE_WAITING ? waiting.w : now.w, sizeof now.w);
    }
}

static bool answer(live *l, const uint32_t *pcs, size_t npcs, uint64_t *bits) {
    uint32_t *starts = th_arena_new(&l->arena, ((size_t)l->longest + 1) * sizeof *starts);
    if (starts == NULL) return false;
    uint32_t at = 0;
    for (size_t i = 0, end; i < npcs; i = end) {
        uint32_t low = at, high = l->nblocks; /* the last block that starts at or before the pc lies before `high` */
        uint32_t pc = pcs[i] & ~TH_LIVE_WAITING;
        while (high - low > 1) {
            uint32_t middle = low + (high - low) / 2;
            if (l->blocks[middle].start <= pc)
                low = middle;
            else
                high = middle;
        }
        at = low;
        for (end = i + 1; end < npcs && (pcs[end] & ~TH_LIVE_WAITING) < l->blocks[at].end;) end++;
        answer_block(l, &l->blocks[at], starts, pcs, i, end, bits);
    }
    return true;
}

static th_status find_live(live *l, const uint32_t *pcs, size_t npcs, uint64_t *bits) {
    const th_function *f = l->f;
    for (uint32_t i = 0; i < f->nregs; i++)
        if (f->classes[i] == TH_CLASS_VALUE) add(&l->values, i);
    if (!mark(l)) return TH_E_NOMEM;
    if (!good_pcs(l, pcs, npcs)) return TH_E_ARGUMENT;
    if (is_empty(&l->values)) {
        memset(bits, 0, npcs * SET_WORDS * sizeof *bits);
        return TH_OK;
    }
    TH_TRY(find_closures(l));
    if (!make_blocks(l) || !find_handlers(l) || !make_edges(l)) return TH_E_NOMEM;
    flow(l);
    return answer(l, pcs, npcs, bits) ? TH_OK : TH_E_NOMEM;
}

th_status th_program_live(th_mem *mem, const th_program *program, uint32_t function, const uint32_t *pcs, size_t npcs,
                          uint64_t *bits) {
    live l = {.program = program, .f = &program->functions[function], .index = function};
    if (npcs == 0) return TH_OK;
    th_arena_init(&l.arena, mem);
    th_status status = find_live(&l, pcs, npcs, bits);
    th_arena_clear(&l.arena);
    return status;
}
