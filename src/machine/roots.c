/*
** roots.c - what keeps values alive: the registers of contexts by the verifier's liveness, slots and stacks of
** builtins, globals, bindings, holds, attachments; and when they are collected.
**
** R1  Between two instructions a frame's roots are its live VALUE registers. A context that waits for a call has
**     given the register of the result away: what is in it is stale.
** R2  A context that has not run since the last collection refers to old objects only, for survivors are promoted at
**     once; nobody else writes to its window. So a minor collection looks at the contexts above m->mark alone. The
**     context at the mark has th_mark_code for its pc; when control returns to it, the mark moves down.
** R3  Knowing the live registers may need memory; it is got before a collection begins, which then cannot fail.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/dynamic.h"
#include "machine/machine_int.h"

#define MARK_STEP 32 /* contexts that a return to the marker gives back */

/* ---- Live registers ----------------------------------------------------------------------------------------- */

static bool branches_back(const uint32_t *code, uint32_t pc, uint32_t *target) {
    const th_op_info *info = &th_ops[TH_INSN_OP(code[pc])];
    if (!(info->flags & TH_OPF_BRANCH)) return false;
    *target = info->word == TH_OPERAND_TARGET ? code[pc + 1] : TH_INSN_IMM24(code[pc]);
    return *target <= pc;
}

static void note(uint8_t *seen, size_t *count, uint32_t pc) {
    if (seen[pc >> 3] >> (pc & 7) & 1) return;
    seen[pc >> 3] |= (uint8_t)(1u << (pc & 7));
    ++*count;
}

/* Marks where a collection may find the function: its start, what a handler or a backward branch goes to, what
** allocates, calls or evaluates, and what comes after that. */
static size_t note_all(const th_function *f, uint8_t *seen) {
    size_t count = 0;
    note(seen, &count, 0);
    for (uint32_t i = 0; i < f->nhandlers; i++) note(seen, &count, f->handlers[i].target);
    for (uint32_t pc = 0, n; pc < f->ncode; pc += n) {
        uint32_t w = f->code[pc], target, flags = th_ops[TH_INSN_OP(w)].flags;
        n = th_insn_words(f->code + pc);
        if (TH_INSN_OP(w) == TH_OP_SWITCH)
            for (uint32_t i = 0; i < TH_INSN_IMM(w); i++) note(seen, &count, f->code[pc + 1 + i]);
        else if (branches_back(f->code, pc, &target))
            note(seen, &count, target);
        if (!(flags & (TH_OPF_SAFE | TH_OPF_ALLOC))) continue;
        note(seen, &count, pc);
        if (!(flags & TH_OPF_END) && pc + n < f->ncode) note(seen, &count, pc + n);
    }
    return count;
}

static size_t live_bytes(size_t npcs, size_t words) {
    return TH_ALIGN(sizeof(th_live) + npcs * sizeof(uint32_t), 8) + npcs * words * sizeof(uint64_t);
}

void th_live_free(th_machine *m, const th_live *live) {
    if (live) th_mem_free(&m->mem, (void *)(uintptr_t)live, live_bytes(live->npcs, live->words));
}

static th_live *live_new(th_machine *m, const th_function *f, const uint8_t *seen, size_t npcs) {
    size_t words = (f->nregs + 63) / 64;
    char *block = th_mem_new(&m->mem, live_bytes(npcs, words));
    if (!block) return NULL;
    th_live *live = (th_live *)(void *)block;
    uint32_t *pcs = (uint32_t *)(void *)(block + sizeof *live), at = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc++)
        if (seen[pc >> 3] >> (pc & 7) & 1) pcs[at++] = pc;
    *live = (th_live){(uint32_t)npcs, (uint32_t)words, pcs,
                      (uint64_t *)(void *)(block + TH_ALIGN(sizeof *live + npcs * sizeof *pcs, 8))};
    return live;
}

static th_status build_live(th_machine *m, const th_fn *fn) {
    const th_function *f = fn->info;
    size_t seen_bytes = f->ncode / 8 + 1;
    uint8_t *seen = th_mem_zeroed(&m->mem, seen_bytes);
    if (!seen) return TH_E_NOMEM;
    size_t count = note_all(f, seen);
    th_live *live = live_new(m, f, seen, count);
    th_mem_free(&m->mem, seen, seen_bytes);
    uint64_t *bits = live ? th_mem_new(&m->mem, count * 4 * sizeof *bits) : NULL;
    th_status status =
        bits ? th_program_live(&m->mem, fn->unit->program, f->index, live->pcs, live->npcs, bits) : TH_E_NOMEM;
    for (size_t i = 0; status == TH_OK && i < count; i++)
        for (size_t k = 0; k < live->words; k++)
            ((uint64_t *)(uintptr_t)live->bits)[i * live->words + k] = bits[i * 4 + k];
    if (bits) th_mem_free(&m->mem, bits, count * 4 * sizeof *bits);
    if (status != TH_OK) {
        th_live_free(m, live);
        return status;
    }
    fn->unit->fns[f->index].live = live;
    return TH_OK;
}

static const uint64_t *find_live(th_machine *m, const th_fn *fn, const uint32_t *pc) {
    const th_live *live = fn->live;
    size_t slot = ((uintptr_t)pc >> 2) % TH_COUNT(m->live_cache);
    if (m->live_cache[slot].pc == pc && m->live_cache[slot].live == live)
        return live->bits + (size_t)m->live_cache[slot].at * live->words;
    uint32_t wanted = (uint32_t)(pc - fn->code), low = 0, high = live->npcs;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (live->pcs[middle] < wanted)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == live->npcs || live->pcs[low] != wanted) return NULL;
    m->live_cache[slot].pc = pc;
    m->live_cache[slot].live = live;
    m->live_cache[slot].at = low;
    return live->bits + (size_t)low * live->words;
}

/* ---- Contexts ----------------------------------------------------------------------------------------------- */

static void visit(th_heap *heap, uint64_t *word) {
    if (*word) th_heap_visit(heap, word); /* 0: a slot that was never set */
}

static void visit_registers(th_heap *heap, uint64_t *window, const uint64_t *bits, size_t words, size_t given) {
    for (size_t k = 0; k < words; k++)
        for (uint64_t left = bits[k]; left; left &= left - 1) {
            size_t reg = k * 64 + (size_t)__builtin_ctzll(left);
            if (reg != given) visit(heap, window + reg);
        }
}

#define NOT_GIVEN SIZE_MAX

/* The register that what `c` waits for will write. */
static size_t given_away(const th_machine *m, const th_context *c) {
    if (c == m->context || c[1].again) return NOT_GIVEN; /* runs, or reads its operand again */
    return c[1].dest ? c[1].dest : (size_t)c[1].delta + 1;
}

static void visit_code(th_machine *m, th_heap *heap, th_context *c, uint64_t *window) {
    const uint32_t *pc = th_true_pc(m, c);
    if (c->kind == TH_CONTEXT_FORCE || c->fn->captures) visit(heap, (uint64_t *)(void *)&c->object);
    if (pc == th_update_code) {
        if (given_away(m, c) != 1) visit(heap, window + 1);
        return;
    }
    if (!c->fn->values) return;
    const uint64_t *bits = find_live(m, c->fn, pc);
    if (bits) visit_registers(heap, window, bits, c->fn->live->words, given_away(m, c));
}

static void visit_builtin(th_machine *m, th_heap *heap, th_context *c, uint64_t *window) {
    const th_binding *binding = c->binding;
    if (!binding->values) return;
    for (uint32_t i = 0; i < binding->nargs; i++)
        if (th_types_param(&m->types, binding->type, i) == TH_TYPE_VALUE) visit(heap, window + 2 + i);
    uint64_t *slots = window + 2 + binding->nargs;
    const char *classes = binding->builtin->slots;
    for (uint32_t i = 0; i < binding->builtin->nslots && classes && classes[i]; i++)
        if (classes[i] == 'v') visit(heap, slots + i);
    uint64_t *stack = slots + binding->builtin->nslots, depth = (uint32_t)window[0];
    for (uint64_t i = 0; i < depth; i++) visit(heap, stack + i);
    if (c == m->context) visit(heap, stack + depth + 1); /* the callback's result, or 0 */
}

static void visit_contexts(th_machine *m, th_heap *heap, size_t down_to) {
    uint64_t *window = m->base;
    for (th_context *c = m->context; c > m->contexts + down_to; window -= c->delta, c--) {
        switch ((th_context_kind)c->kind) {
        case TH_CONTEXT_CODE:
        case TH_CONTEXT_FORCE: visit_code(m, heap, c, window); break;
        case TH_CONTEXT_BUILTIN:
        case TH_CONTEXT_HOST: visit_builtin(m, heap, c, window); break;
        case TH_CONTEXT_WAIT:
            for (uint32_t i = 0; i < c->state; i++) visit(heap, window + 2 + i);
            if (c == m->context) visit(heap, window + 2 + c->state + 1);
            break;
        case TH_CONTEXT_ENTRY: break;
        }
    }
}

/* R3 */
static th_status prepare(th_machine *m) {
    for (const th_context *c = m->context; c > m->contexts + m->mark; c--) {
        bool code = c->kind == TH_CONTEXT_CODE || c->kind == TH_CONTEXT_FORCE;
        if (code && c->fn->values && !c->fn->live) TH_TRY(build_live(m, c->fn));
    }
    return TH_OK;
}

/* ---- All roots ---------------------------------------------------------------------------------------------- */

static void visit_globals(th_machine *m, th_heap *heap) {
    for (size_t u = 0; u < m->nunits; u++) {
        th_unit *unit = m->units[u];
        if (unit->value_globals == 0) continue;
        for (uint32_t g = 0; g < unit->program->nglobals; g++)
            if (unit->types[unit->program->globals[g].type] == TH_TYPE_VALUE && unit->globals_set[g])
                visit(heap, &unit->globals[g]);
    }
}

void th_roots(void *machine, th_heap *heap, bool minor) {
    th_machine *m = machine;
    visit_contexts(m, heap, minor ? m->mark : 0);
    visit_globals(m, heap);
    for (size_t i = 0; i < m->nbindings; i++)
        if (m->bindings[i].type == TH_TYPE_VALUE) visit(heap, &m->bindings[i].word);
    for (size_t i = 0; i < m->nholds; i++)
        if (m->holds[i].used && m->holds[i].type == TH_TYPE_VALUE) visit(heap, &m->holds[i].word);
    if (m->state == TH_RUN_READY && m->context == m->contexts && m->result_type == TH_TYPE_VALUE)
        visit(heap, &m->base[1]); /* the result, just given */
    if (m->state == TH_RUN_DONE && m->result_type == TH_TYPE_VALUE) visit(heap, &m->result);
    for (size_t i = 0; i < m->nattached; i++)
        if (m->attached[i].key->roots) m->attached[i].key->roots(m->attached[i].state, heap);
}

/* ---- The mark (R2) ------------------------------------------------------------------------------------------ */

static void unmark(th_machine *m) {
    if (m->mark == 0) return;
    if (m->contexts[m->mark].pc == th_mark_code) m->contexts[m->mark].pc = m->mark_pc;
    m->mark = 0;
}

static void set_mark(th_machine *m, size_t index) {
    m->mark = index;
    if (index == 0) return;
    m->mark_pc = m->contexts[index].pc;
    m->contexts[index].pc = th_mark_code;
}

void th_mark_reached(th_machine *m) { th_mark_below(m, (size_t)(m->context - m->contexts)); }

void th_mark_below(th_machine *m, size_t index) {
    if (m->mark == 0 || m->mark < index) return;
    unmark(m);
    set_mark(m, index > MARK_STEP ? index - MARK_STEP : 0);
}

/* ---- Collecting --------------------------------------------------------------------------------------------- */

static void forget_sites(th_machine *m) {
    for (size_t u = 0; u < m->nunits; u++)
        for (uint32_t i = 0; m->units[u]->sites && i < m->units[u]->program->nsites; i++)
            m->units[u]->sites[i].header = 0;
}

#ifdef TH_STRESS
/* At every allocation; less often over deep stacks, which full collections look at from top to bottom. */
bool th_stress_due(th_machine *m) {
    if (m->stress == 0) return true;
    m->stress--;
    return false;
}
#endif

/* For any one instruction, so that it does not ask again. */
static bool has_room(const th_heap *heap) { return (size_t)(heap->end - heap->next) >= (size_t)4 << 10; }

bool th_collect(th_machine *m, bool full) {
    size_t top = (size_t)(m->context - m->contexts);
    th_mark_below(m, top);
    m->stress = 1 + top / 16;
    m->collections++;
    th_status status = prepare(m);
    if (status != TH_OK) return (void)th_trap_memory(m), false;
    m->heap->due = true; /* whoever asks has no room, even where a little is left */
    status = th_heap_collect(m->heap, full);
    if (status == TH_OK && !has_room(m->heap)) status = th_heap_collect(m->heap, true);
    if (status == TH_OK && !has_room(m->heap)) status = TH_E_MEMORY_LIMIT;
    if (m->epoch != th_heap_epoch(m->heap)) {
        forget_sites(m);
        m->epoch = th_heap_epoch(m->heap);
    }
    if (status != TH_OK) {
        atomic_store_explicit(&m->mem.refused, status == TH_E_MEMORY_LIMIT, memory_order_relaxed);
        return (void)th_trap_memory(m), false;
    }
    if (m->heap->next != m->heap->young) return true; /* stress builds put a collection off at times: the mark stays */
    unmark(m);
    if (top > MARK_STEP) set_mark(m, top - 1);
    return true;
}
