/*
** emit.c - the bodies of functions under construction: instructions, labels, keep sets, handlers, positions.
** Relies on the instruction table to tell what fits an operand; what the operands mean is the verifier's business.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/build.h"

#define BAD_LABEL UINT32_MAX

static bool stopped(const th_fn_builder *f) { return th_builder_status(f->builder) != TH_OK; }

static void fail(th_fn_builder *f, th_status status, const char *what) {
    th_view name = th_builder_fn_name(f->builder, f->function);
    th_builder_fail(f->builder, status, "function \"%.*s\", word %zu: %s", (int)(name.len > 200 ? 200 : name.len),
                    name.data, f->ncode, what);
}

/* ---- Words -------------------------------------------------------------------------------------------------- */

static bool same_span(th_span a, th_span b) {
    return a.line == b.line && a.column == b.column && a.end_line == b.end_line && a.end_column == b.end_column;
}

/* Notes the source of the instruction about to be emitted, where it differs from the one before. */
static void note_position(th_fn_builder *f) {
    th_span last = f->npositions ? f->positions[f->npositions - 1].span : (th_span){0};
    if (same_span(last, f->span)) return;
    if (!th_builder_grow(f->builder, (void **)&f->positions, &f->positions_capacity, f->npositions + 1,
                         sizeof *f->positions))
        return;
    f->positions[f->npositions++] = (th_position){(uint32_t)f->ncode, f->span};
}

static void put_word(th_fn_builder *f, uint32_t word) {
    if (f->ncode >= TH_MAX_CODE) return fail(f, TH_E_LIMIT, "the function has too much code");
    if (th_builder_grow(f->builder, (void **)&f->code, &f->code_capacity, f->ncode + 1, sizeof *f->code))
        f->code[f->ncode++] = word;
}

/* Whether an 8-bit field can say `value` (an int32_t in two's complement where the operand is signed). */
static bool fits8(uint8_t operand, uint32_t value) {
    if (operand == TH_OPERAND_S8) return (int32_t)value >= INT8_MIN && (int32_t)value <= INT8_MAX;
    return operand == TH_OPERAND_NO ? value == 0 : value <= UINT8_MAX;
}

static bool fits16(uint8_t operand, int32_t value) {
    if (operand == TH_OPERAND_S16) return value >= INT16_MIN && value <= INT16_MAX;
    return operand == TH_OPERAND_NO ? value == 0 : value >= 0 && value <= UINT16_MAX;
}

/* Whether `op` may be emitted in this way; fails when not. */
static bool ready(th_fn_builder *f, th_op op, th_format format, bool word, bool target) {
    if (stopped(f)) return false;
    if (f->ended) return fail(f, TH_E_ARGUMENT, "the function has ended already"), false;
    const th_op_info *info = (unsigned)op < TH_OP_COUNT ? &th_ops[op] : NULL;
    if (info == NULL || info->format != format || (info->word != TH_OPERAND_NO) != word ||
        (info->word == TH_OPERAND_TARGET) != target)
        return fail(f, TH_E_ARGUMENT, "the instruction has another format"), false;
    return true;
}

static void put_abc(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c) {
    const uint8_t *operand = th_ops[op].operand;
    if (!fits8(operand[0], a) || !fits8(operand[1], b) || !fits8(operand[2], c))
        return fail(f, TH_E_LIMIT, "an operand does not fit its eight bits");
    note_position(f);
    put_word(f, th_insn_abc(op, a, b, c));
}

static void put_ai(th_fn_builder *f, th_op op, uint32_t a, int32_t imm) {
    const uint8_t *operand = th_ops[op].operand;
    if (!fits8(operand[0], a) || !fits16(operand[1], imm))
        return fail(f, TH_E_LIMIT, "an operand does not fit its field");
    note_position(f);
    put_word(f, th_insn_ai(op, a, (uint32_t)imm));
}

static void put_target(th_fn_builder *f, th_label target) {
    if (stopped(f)) return;
    if (target.id >= f->nlabels) return fail(f, TH_E_ARGUMENT, "there is no such label");
    if (!th_builder_grow(f->builder, (void **)&f->patches, &f->patches_capacity, f->npatches + 1, sizeof *f->patches))
        return;
    f->patches[f->npatches++] = (th_patch){(uint32_t)f->ncode, target.id, false};
    put_word(f, 0);
}

/* ---- The public face ---------------------------------------------------------------------------------------- */

bool th_fn_class(th_fn_builder *f, uint32_t reg, th_class cls) {
    if (reg > 255) {
        if (!stopped(f)) fail(f, TH_E_LIMIT, "the function needs more than 256 registers");
        return false;
    }
    if (reg >= f->nregs) f->nregs = reg + 1;
    if (f->classes[reg] == TH_CLASS_NONE && reg != 0) f->classes[reg] = (uint8_t)cls;
    return f->classes[reg] == cls;
}

th_label th_fn_label(th_fn_builder *f) {
    if (!th_builder_grow(f->builder, (void **)&f->labels, &f->labels_capacity, f->nlabels + 1, sizeof *f->labels))
        return (th_label){BAD_LABEL};
    f->labels[f->nlabels] = TH_UNBOUND;
    return (th_label){(uint32_t)f->nlabels++};
}

void th_fn_bind(th_fn_builder *f, th_label label) {
    if (stopped(f)) return;
    if (label.id >= f->nlabels) return fail(f, TH_E_ARGUMENT, "there is no such label");
    if (f->labels[label.id] != TH_UNBOUND) return fail(f, TH_E_ARGUMENT, "the label is bound twice");
    f->labels[label.id] = (uint32_t)f->ncode;
}

void th_fn_span(th_fn_builder *f, th_span span) { f->span = span; }

void th_fn_note(th_fn_builder *f, uint32_t string) {
    if (stopped(f)) return;
    if (string >= th_builder_nstrings(f->builder))
        return fail(f, TH_E_ARGUMENT, "its note is a string that is not there");
    f->note = string + 1;
}

uint32_t th_fn_pc(const th_fn_builder *f) { return (uint32_t)f->ncode; }

void th_fn_abc(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c) {
    /* An instruction of format I without operands (renter) may be written like this too. */
    if ((unsigned)op < TH_OP_COUNT && th_ops[op].format == TH_FORMAT_I && th_ops[op].operand[0] == TH_OPERAND_NO) {
        if (ready(f, op, TH_FORMAT_I, false, false)) put_abc(f, op, a, b, c);
        return;
    }
    if (ready(f, op, TH_FORMAT_ABC, false, false)) put_abc(f, op, a, b, c);
}

void th_fn_abcw(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c, uint32_t word) {
    if (!ready(f, op, TH_FORMAT_ABC, true, false)) return;
    put_abc(f, op, a, b, c);
    if (!stopped(f)) put_word(f, word);
}

void th_fn_ai(th_fn_builder *f, th_op op, uint32_t a, int32_t imm) {
    if (op == TH_OP_SWITCH) { /* its table comes with th_fn_switch */
        if (!stopped(f)) fail(f, TH_E_ARGUMENT, "the instruction has another format");
        return;
    }
    if (ready(f, op, TH_FORMAT_AI, false, false)) put_ai(f, op, a, imm);
}

void th_fn_branch(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c, th_label target) {
    if (!ready(f, op, TH_FORMAT_ABC, true, true)) return;
    put_abc(f, op, a, b, c);
    put_target(f, target);
}

void th_fn_branch_i(th_fn_builder *f, th_op op, uint32_t a, int32_t imm, th_label target) {
    if (!ready(f, op, TH_FORMAT_AI, true, true)) return;
    put_ai(f, op, a, imm);
    put_target(f, target);
}

void th_fn_jump(th_fn_builder *f, th_label target) {
    if (!ready(f, TH_OP_JMP, TH_FORMAT_I, false, false)) return;
    note_position(f);
    put_target(f, target);
    if (stopped(f)) return;
    f->code[f->ncode - 1] = TH_OP_JMP;
    f->patches[f->npatches - 1].imm24 = true;
}

void th_fn_switch(th_fn_builder *f, uint32_t reg, const th_label *targets, uint32_t count) {
    if (!ready(f, TH_OP_SWITCH, TH_FORMAT_AI, false, false)) return;
    if (count > UINT16_MAX) return fail(f, TH_E_LIMIT, "the switch has too many targets");
    put_ai(f, TH_OP_SWITCH, reg, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) put_target(f, targets[i]);
}

uint32_t th_fn_keep(th_fn_builder *f, const uint8_t *regs, size_t count) {
    if (stopped(f)) return 0;
    const th_name_entry *known = th_name_map_get(&f->keep_index, (th_view){(const char *)regs, count});
    if (known != NULL) return known->index;
    if (f->nkeeps > UINT16_MAX || count > 256) return fail(f, TH_E_LIMIT, "there are too many keep sets"), 0;
    const char *copy = th_arena_text(th_builder_arena(f->builder), (const char *)regs, count);
    if (copy == NULL || !th_name_map_put(&f->keep_index, (th_view){copy, count}, (uint32_t)f->nkeeps))
        return fail(f, TH_E_NOMEM, "out of memory"), 0;
    if (!th_builder_grow(f->builder, (void **)&f->keeps, &f->keeps_capacity, f->nkeeps + 1, sizeof *f->keeps)) return 0;
    f->keeps[f->nkeeps] = (th_keep){(const uint8_t *)copy, (uint32_t)count};
    return (uint32_t)f->nkeeps++;
}

void th_fn_handler(th_fn_builder *f, th_label start, th_label end, th_label target, uint32_t reg, uint32_t depth) {
    if (stopped(f)) return;
    if (start.id >= f->nlabels || end.id >= f->nlabels || target.id >= f->nlabels)
        return fail(f, TH_E_ARGUMENT, "there is no such label");
    if (f->nlabelled >= TH_MAX_HANDLERS) return fail(f, TH_E_LIMIT, "the function has too many handlers");
    if (!th_builder_grow(f->builder, (void **)&f->labelled, &f->labelled_capacity, f->nlabelled + 1,
                         sizeof *f->labelled))
        return;
    f->labelled[f->nlabelled++] = (th_labelled_handler){start.id, end.id, target.id, reg, depth};
}

static bool resolve(th_fn_builder *f, uint32_t label, uint32_t *pc) {
    *pc = f->labels[label];
    if (*pc == TH_UNBOUND) fail(f, TH_E_ARGUMENT, "a label is used and never bound");
    return *pc != TH_UNBOUND;
}

static void resolve_patches(th_fn_builder *f) {
    for (size_t i = 0; i < f->npatches; i++) {
        uint32_t pc;
        if (!resolve(f, f->patches[i].label, &pc)) return;
        uint32_t *word = &f->code[f->patches[i].at];
        *word = f->patches[i].imm24 ? th_insn_i(TH_INSN_OP(*word), pc) : pc;
    }
}

/* Handlers over no code are left out: nothing can fail there. */
static void resolve_handlers(th_fn_builder *f) {
    if (f->nlabelled == 0) return;
    f->handlers = th_arena_new(th_builder_arena(f->builder), f->nlabelled * sizeof *f->handlers);
    if (f->handlers == NULL) return fail(f, TH_E_NOMEM, "out of memory");
    for (size_t i = 0; i < f->nlabelled; i++) {
        const th_labelled_handler *l = &f->labelled[i];
        th_handler h = {0, 0, 0, l->reg, l->depth};
        if (!resolve(f, l->start, &h.start) || !resolve(f, l->end, &h.end) || !resolve(f, l->target, &h.target)) return;
        if (h.start > h.end) return fail(f, TH_E_ARGUMENT, "a handler ends before it starts");
        if (h.start < h.end) f->handlers[f->nhandlers++] = h;
    }
}

th_status th_fn_end(th_fn_builder *f) {
    TH_TRY(th_builder_status(f->builder));
    if (f->ended) {
        fail(f, TH_E_ARGUMENT, "the function has ended already");
        return th_builder_status(f->builder);
    }
    resolve_patches(f);
    if (!stopped(f)) resolve_handlers(f);
    f->ended = true;
    return th_builder_status(f->builder);
}
