/*
** verify.c - decides whether a function may run.
** Reads the instruction table and the program's tables; executes nothing; back ends trust what passes here.
** Two passes. The first walks the words in order and checks all that needs no knowledge of values: operations, operand
** ranges, register classes, branch targets. The second follows the ways through the code and tracks what each register
** holds before every instruction that can be reached; unreachable code is not followed. Walks use a list of blocks to
** visit: nothing recurses. Plain functions are checked in one walk instead (verify_quickly).
** What a register holds is a type: for scalars that of its class (an enum is an i64), for strings String (a Symbol is
** one), for values of dynamic type `value`, else the pointee's type. Where ways meet, T and an option of T become the
** option; all else that differs becomes "nothing". So each register changes at most three times per block, and the walk
** ends; a budget ends it sooner for code made to be slow.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/program.h"

#include <stdio.h>

#include "program/rules.h"

#define UNDEFINED TH_TYPE_UNDEFINED
#define NO_BLOCK  UINT32_MAX

/* Most registers of all blocks' states together, and the steps allowed: about a second for the worst of functions. */
#define MAX_STATE_WORDS (16u << 20)
#define BASE_BUDGET     (4u << 20)
#define WORD_BUDGET     256u

enum { MARK_START = 1, MARK_LEADER = 2 };

typedef struct insn {
    uint32_t pc, words;
    th_op op;
    const th_op_info *info;
    uint32_t a, b, c; /* b: imm16 in AI; a: imm24 in I */
    uint32_t word;
} insn;

typedef struct block {
    uint32_t start, end;
    uint32_t handler; /* index + 1 of the first handler that covers it, 0: none */
    uint32_t depth;
    th_type_id *state; /* NULL: not reached yet */
    bool queued;
} block;

#define MAX_WAYS 16

/* What is held where branches to a place ahead meet. */
typedef struct way {
    uint32_t target, depth;
    th_type_id regs[256];
} way;

typedef struct verifier {
    th_arena arena;
    const th_program *program;
    const th_types *types;
    const th_function *f;
    th_error *err;
    uint8_t *marks;     /* per word: MARK_ */
    uint32_t *block_of; /* per word that is a leader */
    uint32_t *covered;  /* per word: index + 1 of the first handler that covers it; NULL without handlers */
    block *blocks;
    uint32_t nblocks;
    uint32_t *heap; /* blocks to visit, a binary heap: lowest first */
    uint32_t nheap;
    uint64_t budget, state_words;
    th_type_id regs[256]; /* what is held before (after) the instruction under check */
    uint32_t depth;
    uint32_t changed_from, changed_to; /* registers it may have changed */
    way *ways;                         /* of the quick walk, MAX_WAYS of them, the first nways of `order` in use: */
    uint8_t order[MAX_WAYS];           /* all slots, those in use from the farthest target to the nearest */
    uint32_t nways;
} verifier;

/* ---- Messages ----------------------------------------------------------------------------------------------- */

static int shown(const th_str *s) { return s->len > 200 ? 200 : (int)s->len; }

static th_status refuse_function(verifier *v, const char *format, ...) TH_PRINTF(2, 3);
static th_status refuse_function(verifier *v, const char *format, ...) {
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return th_fail(v->err, TH_E_VERIFY, "function \"%.*s\": %s", shown(v->f->name), v->f->name->bytes, what);
}

static th_status refuse(verifier *v, const insn *in, const char *format, ...) TH_PRINTF(3, 4);
static th_status refuse(verifier *v, const insn *in, const char *format, ...) {
    char what[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return th_fail(v->err, TH_E_VERIFY, "function \"%.*s\", instruction %u (%s): %s", shown(v->f->name),
                   v->f->name->bytes, in->pc, in->info ? in->info->text : "?", what);
}

/* Where a type is part of the message: its text, cut to a fixed size. */
typedef struct type_text {
    char text[120];
} type_text;

static type_text text_of(verifier *v, th_type_id id) {
    type_text out = {"nothing"};
    if (id == UNDEFINED) return out;
    th_buf buf;
    th_buf_init(&buf, v->arena.mem);
    th_type_print(v->types, id, &buf);
    if (buf.data != NULL && !buf.failed) snprintf(out.text, sizeof out.text, "%s", buf.data);
    th_buf_clear(&buf);
    return out;
}

static th_status no_memory(verifier *v) { return th_fail(v->err, TH_E_NOMEM, "out of memory"); }

/* ---- First pass: words, operands, targets ------------------------------------------------------------------- */

static void decode(const th_function *f, uint32_t pc, insn *in) {
    uint32_t w = f->code[pc];
    in->pc = pc;
    in->op = TH_INSN_OP(w);
    in->info = &th_ops[in->op];
    bool word = in->info->word != TH_OPERAND_NO;
    in->words = in->op == TH_OP_SWITCH ? 1 + TH_INSN_IMM(w) : 1 + (uint32_t)word;
    in->word = word ? f->code[pc + 1] : 0;
    in->c = 0;
    switch (in->info->format) {
    case TH_FORMAT_ABC:
        in->a = TH_INSN_A(w);
        in->b = TH_INSN_B(w);
        in->c = TH_INSN_C(w);
        break;
    case TH_FORMAT_AI:
        in->a = TH_INSN_A(w);
        in->b = TH_INSN_IMM(w);
        break;
    default:
        in->a = TH_INSN_IMM24(w);
        in->b = 0;
        break;
    }
}

/* The class that a register operand asks for; NONE: any. */
static const uint8_t operand_classes[] = {
    [TH_OPERAND_R_I64] = TH_CLASS_I64,     [TH_OPERAND_R_I32] = TH_CLASS_I32,    [TH_OPERAND_R_F32] = TH_CLASS_F32,
    [TH_OPERAND_R_F64] = TH_CLASS_F64,     [TH_OPERAND_R_BOOL] = TH_CLASS_BOOL,  [TH_OPERAND_R_STR] = TH_CLASS_STRING,
    [TH_OPERAND_R_VAL] = TH_CLASS_VALUE,   [TH_OPERAND_W_I8] = TH_CLASS_I8,      [TH_OPERAND_W_I16] = TH_CLASS_I16,
    [TH_OPERAND_W_I32] = TH_CLASS_I32,     [TH_OPERAND_W_I64] = TH_CLASS_I64,    [TH_OPERAND_W_F32] = TH_CLASS_F32,
    [TH_OPERAND_W_F64] = TH_CLASS_F64,     [TH_OPERAND_W_BOOL] = TH_CLASS_BOOL,  [TH_OPERAND_W_STR] = TH_CLASS_STRING,
    [TH_OPERAND_W_VAL] = TH_CLASS_VALUE,   [TH_OPERAND_RW_I64] = TH_CLASS_I64,   [TH_OPERAND_RW_F64] = TH_CLASS_F64,
    [TH_OPERAND_RW_STR] = TH_CLASS_STRING, [TH_OPERAND_RW_VAL] = TH_CLASS_VALUE, [TH_OPERAND_U32] = TH_CLASS_NONE,
};
_Static_assert(sizeof operand_classes == TH_OPERAND_U32 + 1, "a class for each operand");

static th_class operand_class(uint8_t operand) { return (th_class)operand_classes[operand]; }

static th_status check_register(verifier *v, const insn *in, uint8_t operand, uint32_t reg) {
    if (reg >= v->f->nregs) return refuse(v, in, "register r%u is outside the frame of %u", reg, v->f->nregs);
    if (th_operand_writes(operand) && reg == 0) return refuse(v, in, "register r0 cannot be written");
    th_class cls = (th_class)v->f->classes[reg], wanted = operand_class(operand);
    if (operand == TH_OPERAND_R_INT && !th_class_is_int(cls))
        return refuse(v, in, "register r%u has class %s, an integer is needed", reg, th_class_text(cls));
    if (wanted != TH_CLASS_NONE && cls != wanted)
        return refuse(v, in, "register r%u has class %s, %s is needed", reg, th_class_text(cls), th_class_text(wanted));
    if (cls == TH_CLASS_NONE && operand != TH_OPERAND_BASE) return refuse(v, in, "register r%u has no class", reg);
    return TH_OK;
}

static th_status check_index(verifier *v, const insn *in, const char *what, uint32_t index, uint32_t count) {
    if (index < count) return TH_OK;
    return refuse(v, in, "there is no %s %u (the program has %u)", what, index, count);
}

static th_status check_type_operand(verifier *v, const insn *in, uint32_t id) {
    TH_TRY(check_index(v, in, "type", id, (uint32_t)v->types->len));
    if (v->types->items[id].generic || id == TH_TYPE_VOID)
        return refuse(v, in, "no value can have the type %s", text_of(v, id).text);
    return TH_OK;
}

static bool is_status(uint32_t number) {
    switch (number) {
#define TH_STATUS(name, value, text)                                                                                   \
    case value: return value != TH_OK;
#include "base/status.def"
#undef TH_STATUS
    default: return false;
    }
}

/* A shape and a name in it. */
static th_status check_field(verifier *v, const insn *in, uint32_t word) {
    const th_program *p = v->program;
    uint32_t shape = word >> 16, name = word & 0xffff;
    TH_TRY(check_index(v, in, "shape", shape, p->nshapes));
    if (name < p->shapes[shape].count) return TH_OK;
    return refuse(v, in, "shape %u has no name %u (it has %u)", shape, name, p->shapes[shape].count);
}

static th_status check_operand(verifier *v, const insn *in, uint8_t operand, uint32_t value) {
    const th_program *p = v->program;
    switch (operand) {
    case TH_OPERAND_NO: return value == 0 ? TH_OK : refuse(v, in, "an unused field is not zero");
    case TH_OPERAND_U8:
    case TH_OPERAND_S8:
    case TH_OPERAND_U16:
    case TH_OPERAND_S16:
    case TH_OPERAND_TARGET: return TH_OK; /* targets when all starts are known */
    case TH_OPERAND_CONST: return check_index(v, in, "constant", value, p->nconstants);
    case TH_OPERAND_STRING: return check_index(v, in, "string", value, p->nstrings);
    case TH_OPERAND_TYPE: return check_type_operand(v, in, value);
    case TH_OPERAND_GLOBAL: return check_index(v, in, "global", value, p->nglobals);
    case TH_OPERAND_KEEP: return check_index(v, in, "keep set", value, v->f->nkeeps);
    case TH_OPERAND_STATUS: return is_status(value) ? TH_OK : refuse(v, in, "%u is no error's number", value);
    case TH_OPERAND_FN: return check_index(v, in, "function", value, p->nfunctions);
    case TH_OPERAND_IMPORT: return check_index(v, in, "import", value, p->nimports);
    case TH_OPERAND_SITE: return check_index(v, in, "site", value, p->nsites);
    case TH_OPERAND_SHAPE: return check_index(v, in, "shape", value, p->nshapes);
    case TH_OPERAND_FIELD: return check_field(v, in, value);
    case TH_OPERAND_U32: return value <= TH_MAX_U32 ? TH_OK : refuse(v, in, "%u is more than %u", value, TH_MAX_U32);
    default: return check_register(v, in, operand, value);
    }
}

/* The first of no registers may be any. */
static bool is_first_of_none(const insn *in, uint8_t operand) {
    return operand == TH_OPERAND_R_VAL && in->c == 0 && th_rule_counts(in->info->rule);
}

/* The quick answer for most: a register of the class that the operand asks for, or nothing. */
static inline bool is_plainly_good(const th_function *f, uint8_t operand, uint32_t value) {
    uint8_t cls = operand_classes[operand];
    if (operand == TH_OPERAND_NO) return value == 0;
    return cls != TH_CLASS_NONE && value != 0 && value < f->nregs && f->classes[value] == cls;
}

static th_status check_operands(verifier *v, const insn *in) {
    const uint8_t *operand = in->info->operand;
    uint8_t b = is_first_of_none(in, operand[1]) ? (uint8_t)TH_OPERAND_BASE : operand[1];
    if (!is_plainly_good(v->f, operand[0], in->a)) TH_TRY(check_operand(v, in, operand[0], in->a));
    if (!is_plainly_good(v->f, b, in->b)) TH_TRY(check_operand(v, in, b, in->b));
    if (!is_plainly_good(v->f, operand[2], in->c)) TH_TRY(check_operand(v, in, operand[2], in->c));
    return in->info->word == TH_OPERAND_NO ? TH_OK : check_operand(v, in, in->info->word, in->word);
}

static th_status mark_starts(verifier *v) {
    const th_function *f = v->f;
    insn in = {0};
    for (uint32_t pc = 0; pc < f->ncode; pc += in.words) {
        uint32_t op = f->code[pc] & 255u;
        in = (insn){.pc = pc};
        if (op >= TH_OP_COUNT) return refuse(v, &in, "there is no operation %u", op);
        in.info = &th_ops[op];
        if (th_insn_words(&f->code[pc]) > f->ncode - pc) return refuse(v, &in, "it reaches past the end of the code");
        decode(f, pc, &in);
        TH_TRY(check_operands(v, &in));
        v->marks[pc] |= MARK_START;
    }
    if (!(in.info->flags & TH_OPF_END)) return refuse(v, &in, "the code ends without leaving the function");
    return TH_OK;
}

static th_status mark_target(verifier *v, const insn *in, uint32_t target) {
    if (target >= v->f->ncode) return refuse(v, in, "the target %u is outside the code", target);
    if (!(v->marks[target] & MARK_START))
        return refuse(v, in, "the target %u is not the start of an instruction", target);
    v->marks[target] |= MARK_LEADER;
    return TH_OK;
}

static th_status mark_targets_of(verifier *v, const insn *in) {
    if (in->op == TH_OP_JMP) return mark_target(v, in, in->a);
    if (in->op != TH_OP_SWITCH) return mark_target(v, in, in->word);
    for (uint32_t i = 0; i < in->b; i++) TH_TRY(mark_target(v, in, v->f->code[in->pc + 1 + i]));
    return TH_OK;
}

static th_status mark_leaders(verifier *v) {
    const th_function *f = v->f;
    insn in;
    v->marks[0] |= MARK_LEADER;
    for (uint32_t pc = 0; pc < f->ncode; pc += in.words) {
        decode(f, pc, &in);
        if (in.info->flags & TH_OPF_BRANCH) TH_TRY(mark_targets_of(v, &in));
        if ((in.info->flags & (TH_OPF_BRANCH | TH_OPF_END)) && pc + in.words < f->ncode)
            v->marks[pc + in.words] |= MARK_LEADER;
    }
    return TH_OK;
}

static bool is_start(const verifier *v, uint32_t pc) { return pc < v->f->ncode && (v->marks[pc] & MARK_START); }

static th_status check_handler(verifier *v, uint32_t index) {
    const th_function *f = v->f;
    const th_handler *h = &f->handlers[index];
    if (!is_start(v, h->start) || (h->end != f->ncode && !is_start(v, h->end)) || h->start >= h->end)
        return refuse_function(v, "handler %u does not cover whole instructions", index);
    if (!is_start(v, h->target)) return refuse_function(v, "handler %u goes to no instruction", index);
    if (h->reg == 0 || h->reg >= f->nregs || f->classes[h->reg] != TH_CLASS_PTR)
        return refuse_function(v, "handler %u has no register of class ptr for the error", index);
    if (h->depth > TH_MAX_REGIONS) return refuse_function(v, "handler %u expects too many regions", index);
    v->marks[h->start] |= MARK_LEADER;
    v->marks[h->target] |= MARK_LEADER;
    if (h->end < f->ncode) v->marks[h->end] |= MARK_LEADER;
    return TH_OK;
}

/* Writes the first covering handler of every word. `next` skips what is covered already: next[i] is a word at or after
** i that may be free. */
static th_status cover(verifier *v) {
    const th_function *f = v->f;
    if (f->nhandlers == 0) return TH_OK;
    v->covered = th_arena_zeroed(&v->arena, f->ncode * sizeof *v->covered);
    uint32_t *next = th_arena_new(&v->arena, ((size_t)f->ncode + 1) * sizeof *next);
    if (v->covered == NULL || next == NULL) return no_memory(v);
    for (uint32_t i = 0; i <= f->ncode; i++) next[i] = i;
    for (uint32_t h = 0; h < f->nhandlers; h++) {
        TH_TRY(check_handler(v, h));
        uint32_t i = f->handlers[h].start;
        for (;;) {
            while (next[i] != i) i = next[i] = next[next[i]];
            if (i >= f->handlers[h].end) break;
            v->covered[i] = h + 1;
            next[i] = i + 1;
        }
    }
    return TH_OK;
}

/* Cuts the code into blocks at the leaders. */
static th_status make_blocks(verifier *v) {
    const th_function *f = v->f;
    uint32_t count = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc++) count += (v->marks[pc] & MARK_LEADER) != 0;
    v->blocks = th_arena_zeroed(&v->arena, count * sizeof *v->blocks);
    v->heap = th_arena_new(&v->arena, count * sizeof *v->heap);
    v->block_of = th_arena_new(&v->arena, f->ncode * sizeof *v->block_of);
    if (v->blocks == NULL || v->heap == NULL || v->block_of == NULL) return no_memory(v);
    for (uint32_t pc = 0; pc < f->ncode; pc++) {
        v->block_of[pc] = NO_BLOCK;
        if (!(v->marks[pc] & MARK_LEADER)) continue;
        if (v->nblocks > 0) v->blocks[v->nblocks - 1].end = pc;
        v->blocks[v->nblocks].start = pc;
        v->blocks[v->nblocks].handler = v->covered ? v->covered[pc] : 0;
        v->block_of[pc] = v->nblocks++;
    }
    v->blocks[v->nblocks - 1].end = f->ncode;
    return TH_OK;
}

/* ---- The frame ---------------------------------------------------------------------------------------------- */

static bool is_value_type(const verifier *v, th_type_id id) {
    return id < v->types->len && id != TH_TYPE_VOID && !v->types->items[id].generic;
}

static th_status check_signature(verifier *v) {
    const th_function *f = v->f;
    if (f->type >= v->types->len || v->types->items[f->type].kind != TH_KIND_FUNCTION ||
        v->types->items[f->type].generic)
        return refuse_function(v, "its type is no function type");
    size_t nparams = th_types_nparams(v->types, f->type);
    if (f->nregs < 2 + nparams || f->nregs > 256)
        return refuse_function(v, "a frame of %u registers does not fit its %zu parameters", f->nregs, nparams);
    th_class result = th_types_class(v->types, th_types_result(v->types, f->type));
    if (f->classes[0] != TH_CLASS_I64) return refuse_function(v, "register r0 is not of class i64");
    if (result != TH_CLASS_NONE && f->classes[1] != result)
        return refuse_function(v, "register r1 is not of the result's class");
    for (size_t i = 0; i < nparams; i++)
        if (f->classes[2 + i] != th_types_class(v->types, th_types_param(v->types, f->type, i)))
            return refuse_function(v, "register r%zu is not of its parameter's class", 2 + i);
    return TH_OK;
}

static th_status check_frame(verifier *v) {
    const th_function *f = v->f;
    TH_TRY(check_signature(v));
    for (uint32_t i = 0; i < f->nregs; i++)
        if (f->classes[i] >= TH_CLASS_COUNT) return refuse_function(v, "register r%u has an unknown class", i);
    for (uint32_t i = 0; i < f->ncaptures; i++)
        if (!is_value_type(v, f->captures[i])) return refuse_function(v, "capture %u has no type of values", i);
    for (uint32_t k = 0; k < f->nkeeps; k++)
        for (uint32_t i = 0; i < f->keeps[k].count; i++) {
            uint32_t reg = f->keeps[k].regs[i];
            if (reg >= f->nregs || !th_class_is_pointer(f->classes[reg]))
                return refuse_function(v, "keep set %u names r%u, which is no pointer register", k, reg);
        }
    for (uint32_t i = 0; i < f->npositions; i++)
        if (f->positions[i].pc >= f->ncode || (i > 0 && f->positions[i].pc <= f->positions[i - 1].pc))
            return refuse_function(v, "its source positions are not in order");
    if (f->ncode == 0) return refuse_function(v, "it has no code");
    if (f->ncode > TH_MAX_CODE) return refuse_function(v, "it has more than %u words of code", TH_MAX_CODE);
    return TH_OK;
}

/* ---- Types and registers ------------------------------------------------------------------------------------ */

static const th_type *type_at(const verifier *v, th_type_id id) { return &v->types->items[id]; }

/* The type as registers know it. */
static th_type_id held(const verifier *v, th_type_id id) {
    static const uint8_t of_class[TH_CLASS_COUNT] = {
        [TH_CLASS_I8] = TH_TYPE_I8,     [TH_CLASS_I16] = TH_TYPE_I16, [TH_CLASS_I32] = TH_TYPE_I32,
        [TH_CLASS_I64] = TH_TYPE_I64,   [TH_CLASS_F32] = TH_TYPE_F32, [TH_CLASS_F64] = TH_TYPE_F64,
        [TH_CLASS_BOOL] = TH_TYPE_BOOL,
    };
    const th_type *t = type_at(v, id);
    if (t->kind == TH_KIND_SYMBOL) return TH_TYPE_STRING;
    return of_class[t->cls] ? of_class[t->cls] : id;
}

static bool alike(const verifier *v, th_type_id a, th_type_id b) { return held(v, a) == held(v, b); }

/* Whether a register that holds `from` may go where a `to` is expected. */
static bool assignable(const verifier *v, th_type_id from, th_type_id to) {
    if (alike(v, from, to)) return true;
    const th_type *t = type_at(v, to), *s = type_at(v, from);
    if (t->kind != TH_KIND_OPTION || !th_class_is_pointer(type_at(v, t->args[0])->cls)) return false;
    return alike(v, s->kind == TH_KIND_OPTION ? s->args[0] : from, t->args[0]);
}

static th_type_id join(const verifier *v, th_type_id a, th_type_id b) {
    if (a == b) return a;
    if (a == UNDEFINED || b == UNDEFINED) return UNDEFINED;
    bool up = assignable(v, a, b), down = assignable(v, b, a);
    if (up && down) return a < b ? a : b; /* options of String and of Symbol */
    return up ? b : down ? a : UNDEFINED;
}

static th_status read_reg(verifier *v, const insn *in, uint32_t reg, th_type_id *type) {
    *type = reg == 0 ? TH_TYPE_I64 : v->regs[reg];
    if (*type != UNDEFINED) return TH_OK;
    return refuse(v, in, "register r%u is read before it is written, or after a call or a region lost it", reg);
}

static void write_reg(verifier *v, uint32_t reg, th_type_id type) {
    v->regs[reg] = held(v, type);
    v->changed_from = reg;
    v->changed_to = reg + 1;
}

/* Register `reg` must be of the class of `to` and hold what is assignable to it. */
static th_status expect(verifier *v, const insn *in, uint32_t reg, th_type_id to) {
    th_type_id from;
    if (v->f->classes[reg] != type_at(v, to)->cls)
        return refuse(v, in, "register r%u has class %s, %s is needed", reg,
                      th_class_text((th_class)v->f->classes[reg]), text_of(v, to).text);
    TH_TRY(read_reg(v, in, reg, &from));
    if (assignable(v, from, to)) return TH_OK;
    return refuse(v, in, "register r%u holds %s, %s is needed", reg, text_of(v, from).text, text_of(v, to).text);
}

/* The type in a register whose kind must be the one given. */
static th_status expect_kind(verifier *v, const insn *in, uint32_t reg, th_kind kind, const char *what,
                             th_type_id *type) {
    TH_TRY(read_reg(v, in, reg, type));
    if (type_at(v, *type)->kind == kind) return TH_OK;
    return refuse(v, in, "register r%u holds %s, %s is needed", reg, text_of(v, *type).text, what);
}

/* The register that receives a `type` must be of its class. */
static th_status expect_class(verifier *v, const insn *in, uint32_t reg, th_type_id type) {
    if (v->f->classes[reg] == type_at(v, type)->cls) return TH_OK;
    return refuse(v, in, "register r%u has class %s and cannot hold %s", reg,
                  th_class_text((th_class)v->f->classes[reg]), text_of(v, type).text);
}

static th_status result(verifier *v, const insn *in, th_type_id type) {
    TH_TRY(expect_class(v, in, in->a, type));
    write_reg(v, in->a, type);
    return TH_OK;
}

/* Registers first .. first + types - 1 hold the fields of a new object. */
static th_status expect_fields(verifier *v, const insn *in, uint32_t first, const th_type_id *fields, uint32_t count) {
    if (first + count > v->f->nregs) return refuse(v, in, "its operands reach past the frame");
    for (uint32_t i = 0; i < count; i++) TH_TRY(expect(v, in, first + i, fields[i]));
    return TH_OK;
}

/* ---- Rules: moves, constants, globals ----------------------------------------------------------------------- */

static th_status rule_mov(verifier *v, const insn *in) {
    if (v->f->classes[in->a] != v->f->classes[in->b])
        return refuse(v, in, "r%u has class %s and r%u class %s", in->a, th_class_text(v->f->classes[in->a]), in->b,
                      th_class_text(v->f->classes[in->b]));
    th_type_id type;
    TH_TRY(read_reg(v, in, in->b, &type));
    write_reg(v, in->a, type);
    return TH_OK;
}

/* The type of a scalar class; classes and scalar types have the same order. */
_Static_assert((int)TH_CLASS_I8 == (int)TH_TYPE_I8 && (int)TH_CLASS_BOOL == (int)TH_TYPE_BOOL, "scalars in one order");

static th_status rule_ldi(verifier *v, const insn *in) {
    th_class cls = (th_class)v->f->classes[in->a];
    int64_t value = (int16_t)in->b;
    if (!th_class_holds(cls, value))
        return refuse(v, in, "%d does not fit r%u of class %s", (int)value, in->a, th_class_text(cls));
    write_reg(v, in->a, (th_type_id)cls);
    return TH_OK;
}

static th_status rule_ldk(verifier *v, const insn *in) {
    uint32_t k = in->op == TH_OP_LDK ? in->b : in->word;
    th_class cls = (th_class)v->f->classes[in->a], from = (th_class)v->program->constant_classes[k];
    int64_t value = (int64_t)v->program->constants[k];
    bool fits = from == TH_CLASS_I64 ? th_class_is_int(cls) && th_class_holds(cls, value) : cls == from;
    if (!fits)
        return refuse(v, in, "constant %u (%s) does not fit r%u of class %s", k, th_class_text(from), in->a,
                      th_class_text(cls));
    write_reg(v, in->a, (th_type_id)cls);
    return TH_OK;
}

static th_status rule_divk(verifier *v, const insn *in) {
    int64_t value = (int64_t)v->program->constants[in->word];
    if (v->program->constant_classes[in->word] != TH_CLASS_I64 || value < 2 || value > INT32_MAX)
        return refuse(v, in, "constant %u is no i64 of 2 to 2^31 - 1", in->word);
    write_reg(v, in->a, TH_TYPE_I64);
    return TH_OK;
}

static th_status rule_ldnull(verifier *v, const insn *in) {
    if (type_at(v, in->b)->kind != TH_KIND_OPTION) return refuse(v, in, "%s has no null", text_of(v, in->b).text);
    return result(v, in, in->b);
}

static th_status rule_same(verifier *v, const insn *in) {
    th_type_id type;
    for (int i = 0; i < 2; i++) {
        uint32_t reg = i == 0 ? in->b : in->c;
        if (!th_class_is_pointer(v->f->classes[reg])) return refuse(v, in, "register r%u is no pointer", reg);
        TH_TRY(read_reg(v, in, reg, &type));
    }
    write_reg(v, in->a, TH_TYPE_BOOL);
    return TH_OK;
}

/* A test for null. A pointer that is known not to be null may be tested as well. */
static th_status rule_option(verifier *v, const insn *in) {
    uint32_t reg = in->op == TH_OP_ISNULL ? in->b : in->a;
    th_type_id type;
    if (!th_class_is_pointer(v->f->classes[reg])) return refuse(v, in, "register r%u is no option", reg);
    TH_TRY(read_reg(v, in, reg, &type));
    if (in->op == TH_OP_ISNULL) write_reg(v, in->a, TH_TYPE_BOOL);
    return TH_OK;
}

/* ---- Rules: calls ------------------------------------------------------------------------------------------- */

static th_status check_window(verifier *v, const insn *in, uint32_t base, th_type_id signature) {
    size_t nparams = th_types_nparams(v->types, signature);
    if (base + 1 + nparams >= v->f->nregs)
        return refuse(v, in, "the window at r%u with %zu arguments reaches past the frame", base, nparams);
    for (size_t i = 0; i < nparams; i++)
        TH_TRY(expect(v, in, base + 2 + (uint32_t)i, th_types_param(v->types, signature, i)));
    return TH_OK;
}

static th_status call(verifier *v, const insn *in, th_type_id signature) {
    uint32_t base = in->a;
    if (base == 0) return refuse(v, in, "a window cannot start at r0");
    TH_TRY(check_window(v, in, base, signature));
    th_type_id type = th_types_result(v->types, signature);
    if (type != TH_TYPE_VOID) TH_TRY(expect_class(v, in, base + 1, type));
    for (uint32_t i = base; i < v->f->nregs; i++) v->regs[i] = UNDEFINED;
    if (type != TH_TYPE_VOID) v->regs[base + 1] = held(v, type);
    v->changed_from = base;
    v->changed_to = v->f->nregs;
    return TH_OK;
}

static th_status tail_call(verifier *v, const insn *in, th_type_id signature) {
    TH_TRY(check_window(v, in, in->a, signature));
    th_type_id theirs = th_types_result(v->types, signature), ours = th_types_result(v->types, v->f->type);
    bool same = theirs == ours || (theirs != TH_TYPE_VOID && ours != TH_TYPE_VOID && assignable(v, theirs, ours));
    if (!same)
        return refuse(v, in, "it gives %s, the function has to give %s", text_of(v, theirs).text,
                      text_of(v, ours).text);
    if (v->depth > 0) return refuse(v, in, "the function is left with %u regions open", v->depth);
    return TH_OK;
}

static th_status rule_call(verifier *v, const insn *in) {
    const th_function *callee = &v->program->functions[in->b];
    if (callee->ncaptures > 0)
        return refuse(v, in, "function \"%.*s\" has captures and can only be called as a closure", shown(callee->name),
                      callee->name->bytes);
    return in->info->rule == TH_RULE_TCALL ? tail_call(v, in, callee->type) : call(v, in, callee->type);
}

static th_status rule_callc(verifier *v, const insn *in) {
    th_type_id signature;
    TH_TRY(expect_kind(v, in, in->b, TH_KIND_FUNCTION, "a function", &signature));
    return in->info->rule == TH_RULE_TCALLC ? tail_call(v, in, signature) : call(v, in, signature);
}

static th_status rule_ret(verifier *v, const insn *in) {
    th_type_id type = th_types_result(v->types, v->f->type);
    if (v->depth > 0) return refuse(v, in, "the function is left with %u regions open", v->depth);
    if (in->op == TH_OP_RETV) {
        if (type == TH_TYPE_VOID) return TH_OK;
        return refuse(v, in, "the function has to give %s", text_of(v, type).text);
    }
    if (type == TH_TYPE_VOID) return refuse(v, in, "the function has no result");
    if (type == TH_TYPE_VALUE) return refuse(v, in, "a value is given with v.ret, so that it is an evaluated one");
    return expect(v, in, in->a, type);
}

static th_status rule_closure(verifier *v, const insn *in) {
    const th_function *f = &v->program->functions[in->word];
    if (in->c != f->ncaptures)
        return refuse(v, in, "function \"%.*s\" captures %u values, not %u", shown(f->name), f->name->bytes,
                      f->ncaptures, in->c);
    if (th_function_captures_values(f))
        return refuse(v, in, "function \"%.*s\" captures values: it is for v.thunk or v.close", shown(f->name),
                      f->name->bytes);
    TH_TRY(expect_fields(v, in, in->b, f->captures, in->c));
    return result(v, in, f->type);
}

static th_status rule_ldcap(verifier *v, const insn *in) {
    if (in->b >= v->f->ncaptures)
        return refuse(v, in, "there is no capture %u (the function has %u)", in->b, v->f->ncaptures);
    if (th_function_captures_values(v->f)) return refuse(v, in, "captured values are read with v.cap");
    return result(v, in, v->f->captures[in->b]);
}

/* ---- Rules: objects ----------------------------------------------------------------------------------------- */

static th_status rule_new(verifier *v, const insn *in) {
    const th_type *t = type_at(v, in->word);
    if (t->kind != TH_KIND_STRUCT && t->kind != TH_KIND_TUPLE && t->kind != TH_KIND_CELL)
        return refuse(v, in, "%s is no struct, tuple or cell", text_of(v, in->word).text);
    if (in->c != t->nargs) return refuse(v, in, "%s has %u fields, not %u", text_of(v, in->word).text, t->nargs, in->c);
    TH_TRY(expect_fields(v, in, in->b, t->args, t->nargs));
    return result(v, in, in->word);
}

/* The type of field c of the object in `reg`. */
static th_status field_of(verifier *v, const insn *in, uint32_t reg, th_type_id *object, th_type_id *field) {
    TH_TRY(read_reg(v, in, reg, object));
    if (th_types_field(v->types, *object, in->c, field)) return TH_OK;
    return refuse(v, in, "register r%u holds %s, which has no field %u", reg, text_of(v, *object).text, in->c);
}

static th_status rule_get(verifier *v, const insn *in) {
    th_type_id object, field;
    TH_TRY(field_of(v, in, in->b, &object, &field));
    return result(v, in, field);
}

static th_status rule_set(verifier *v, const insn *in) {
    th_type_id object, field;
    TH_TRY(field_of(v, in, in->a, &object, &field));
    if (object == TH_TYPE_ERROR) return refuse(v, in, "the fields of an error cannot be set");
    if (type_at(v, field)->pointers != (in->op == TH_OP_SETP))
        return refuse(v, in, "field %u of %s is %s pointer", in->c, text_of(v, object).text,
                      in->op == TH_OP_SETP ? "no" : "a");
    return expect(v, in, in->b, field);
}

static th_status rule_vnew(verifier *v, const insn *in) {
    const th_type *t = type_at(v, in->word);
    if (t->kind != TH_KIND_VARIANT || in->c >= t->nargs)
        return refuse(v, in, "%s has no alternative %u", text_of(v, in->word).text, in->c);
    TH_TRY(expect(v, in, in->b, t->args[in->c]));
    return result(v, in, in->word);
}

static th_status rule_vtag(verifier *v, const insn *in) {
    th_type_id type;
    TH_TRY(expect_kind(v, in, in->b, TH_KIND_VARIANT, "a variant", &type));
    write_reg(v, in->a, TH_TYPE_I64);
    return TH_OK;
}

static th_status rule_vget(verifier *v, const insn *in) {
    th_type_id type;
    TH_TRY(expect_kind(v, in, in->b, TH_KIND_VARIANT, "a variant", &type));
    if (in->c >= type_at(v, type)->nargs)
        return refuse(v, in, "%s has no alternative %u", text_of(v, type).text, in->c);
    return result(v, in, type_at(v, type)->args[in->c]);
}

static th_status rule_some(verifier *v, const insn *in) {
    const th_type *t = type_at(v, in->word);
    if (t->kind != TH_KIND_OPTION) return refuse(v, in, "%s is no option", text_of(v, in->word).text);
    TH_TRY(expect(v, in, in->b, t->args[0]));
    return result(v, in, in->word);
}

/* A pointer that is known not to be null may be unwrapped as well. */
static th_status rule_unwrap(verifier *v, const insn *in) {
    th_type_id type;
    if (!th_class_is_pointer(v->f->classes[in->b])) return refuse(v, in, "register r%u is no option", in->b);
    TH_TRY(read_reg(v, in, in->b, &type));
    const th_type *t = type_at(v, type);
    return result(v, in, t->kind == TH_KIND_OPTION ? t->args[0] : type);
}

/* ---- Rules: lists and dicts --------------------------------------------------------------------------------- */

static th_status rule_new_of_kind(verifier *v, const insn *in, th_kind kind, const char *what) {
    if (type_at(v, in->word)->kind != kind) return refuse(v, in, "%s is no %s", text_of(v, in->word).text, what);
    return result(v, in, in->word);
}

/* Reads a list or dict only to tell its length. */
static th_status rule_len(verifier *v, const insn *in, th_kind kind, const char *what) {
    th_type_id type;
    TH_TRY(expect_kind(v, in, in->b, kind, what, &type));
    write_reg(v, in->a, TH_TYPE_I64);
    return TH_OK;
}

/* Whether the instruction's width fits elements of the type. */
static bool fits_elements(th_op op, const th_type *t) {
    switch (op) {
    case TH_OP_LGET8: return t->cls == TH_CLASS_I8;
    case TH_OP_LGETB: return t->cls == TH_CLASS_BOOL;
    case TH_OP_LSET8: return t->cls == TH_CLASS_I8 || t->cls == TH_CLASS_BOOL;
    case TH_OP_LGET16:
    case TH_OP_LSET16: return t->cls == TH_CLASS_I16;
    case TH_OP_LGET32: return t->cls == TH_CLASS_I32;
    case TH_OP_LGETF: return t->cls == TH_CLASS_F32;
    case TH_OP_LSET32: return t->cls == TH_CLASS_I32 || t->cls == TH_CLASS_F32;
    case TH_OP_LGET64: return t->bytes == 8;
    case TH_OP_LSET64: return t->bytes == 8 && !t->pointers;
    case TH_OP_LSETP: return t->pointers;
    default: return true;
    }
}

static th_status element_of(verifier *v, const insn *in, uint32_t reg, th_type_id *element) {
    th_type_id list;
    TH_TRY(expect_kind(v, in, reg, TH_KIND_LIST, "a list", &list));
    *element = type_at(v, list)->args[0];
    if (fits_elements(in->op, type_at(v, *element))) return TH_OK;
    return refuse(v, in, "it does not fit the elements of %s", text_of(v, list).text);
}

static th_status rule_lget(verifier *v, const insn *in) {
    th_type_id element;
    TH_TRY(element_of(v, in, in->b, &element));
    return result(v, in, element);
}

static th_status rule_lset(verifier *v, const insn *in, uint32_t from) {
    th_type_id element;
    TH_TRY(element_of(v, in, in->a, &element));
    return expect(v, in, from, element);
}

/* The dict in `reg`, with a key of its type in `key`. */
static th_status dict_of(verifier *v, const insn *in, uint32_t reg, uint32_t key, th_type_id *value) {
    th_type_id dict;
    TH_TRY(expect_kind(v, in, reg, TH_KIND_DICT, "a dict", &dict));
    *value = type_at(v, dict)->args[1];
    return expect(v, in, key, type_at(v, dict)->args[0]);
}

static th_status rule_dget(verifier *v, const insn *in) {
    th_type_id value;
    TH_TRY(dict_of(v, in, in->b, in->c, &value));
    if (type_at(v, value)->kind != TH_KIND_OPTION &&
        !th_types_find(v->types, TH_KIND_OPTION, (th_view){0}, &value, 1, NULL, 0, &value))
        return refuse(v, in, "the program has no option type of %s for its result", text_of(v, value).text);
    return result(v, in, value);
}

static th_status rule_dgetor(verifier *v, const insn *in) {
    th_type_id value;
    TH_TRY(dict_of(v, in, in->b, in->c, &value));
    TH_TRY(expect(v, in, in->a, value));
    return result(v, in, value);
}

static th_status rule_dset(verifier *v, const insn *in) {
    th_type_id value;
    TH_TRY(dict_of(v, in, in->a, in->b, &value));
    return expect(v, in, in->c, value);
}

static th_status rule_dhas(verifier *v, const insn *in) {
    th_type_id value;
    TH_TRY(dict_of(v, in, in->b, in->c, &value));
    write_reg(v, in->a, TH_TYPE_BOOL);
    return TH_OK;
}

/* ---- Rules: regions ----------------------------------------------------------------------------------------- */

static th_status rule_renter(verifier *v, const insn *in) {
    if (v->depth >= TH_MAX_REGIONS) return refuse(v, in, "regions nest deeper than %u", TH_MAX_REGIONS);
    v->depth++;
    return TH_OK;
}

/* The kept registers must hold something; what other pointer registers hold is gone. */
static th_status rule_collect(verifier *v, const insn *in) {
    const th_keep *keep = &v->f->keeps[in->b];
    bool kept[256] = {false};
    th_type_id type;
    if (v->depth == 0) return refuse(v, in, "no region is open");
    for (uint32_t i = 0; i < keep->count; i++) {
        TH_TRY(read_reg(v, in, keep->regs[i], &type));
        kept[keep->regs[i]] = true;
    }
    for (uint32_t i = 1; i < v->f->nregs; i++) {
        if (!kept[i] && th_class_is_pointer(v->f->classes[i])) v->regs[i] = UNDEFINED;
    }
    v->changed_from = 1;
    v->changed_to = v->f->nregs;
    if (in->op == TH_OP_RLEAVE) v->depth--;
    return TH_OK;
}

static th_status rule_throw(verifier *v, const insn *in) {
    th_type_id type;
    return expect_kind(v, in, in->a, TH_KIND_ERROR, "an error", &type);
}

/* ---- Rules: values ------------------------------------------------------------------------------------------ */

static th_status wrote_value(verifier *v, const insn *in) {
    write_reg(v, in->a, TH_TYPE_VALUE);
    return TH_OK;
}

/* Registers first .. first + count - 1 hold values. */
static th_status expect_values(verifier *v, const insn *in, uint32_t first, uint32_t count) {
    if (first + count > v->f->nregs) return refuse(v, in, "its operands reach past the frame");
    for (uint32_t i = first; i < first + count; i++)
        if (v->f->classes[i] != TH_CLASS_VALUE || v->regs[i] != TH_TYPE_VALUE) TH_TRY(expect(v, in, i, TH_TYPE_VALUE));
    return TH_OK;
}

/* Whether a signature names values only. */
static bool is_dynamic(const th_type *signature) {
    for (uint32_t i = 0; i < signature->nargs; i++)
        if (signature->args[i] != TH_TYPE_VALUE) return false;
    return true;
}

static th_status rule_vldk(verifier *v, const insn *in) {
    th_class cls = (th_class)v->program->constant_classes[in->b];
    if (cls != TH_CLASS_I64 && cls != TH_CLASS_F64)
        return refuse(v, in, "constant %u (%s) is no i64 or f64", in->b, th_class_text(cls));
    return wrote_value(v, in);
}

/* The import of v.func takes one value or more, that of an operator two. */
static th_status rule_vimport(verifier *v, const insn *in) {
    bool binary = in->info->rule == TH_RULE_VBINARY;
    const th_named_type *import = &v->program->imports[binary ? in->word : in->b];
    const th_type *t = type_at(v, import->type);
    if (is_dynamic(t) && (binary ? t->nargs == 3 : t->nargs >= 2)) return wrote_value(v, in);
    return refuse(v, in, "import \"%.*s\" is %s, %s is needed", shown(import->name), import->name->bytes,
                  text_of(v, import->type).text,
                  binary ? "Function<value, value, value>" : "a function of one value or more that gives a value");
}

static th_status rule_vclose(verifier *v, const insn *in) {
    const th_function *f = &v->program->functions[in->word];
    bool thunk = in->info->rule == TH_RULE_VTHUNK;
    if (!is_dynamic(type_at(v, f->type)) || (f->ncaptures > 0 && !th_function_captures_values(f)) ||
        (f->nparams == 0) != thunk)
        return refuse(v, in, "function \"%.*s\" cannot be %s: its type is %s", shown(f->name), f->name->bytes,
                      thunk ? "a thunk" : "a function value", text_of(v, f->type).text);
    if (in->c != f->ncaptures)
        return refuse(v, in, "function \"%.*s\" captures %u values, not %u", shown(f->name), f->name->bytes,
                      f->ncaptures, in->c);
    TH_TRY(expect_values(v, in, in->b, in->c));
    return wrote_value(v, in);
}

static th_status rule_vcap(verifier *v, const insn *in) {
    if (in->b >= v->f->ncaptures)
        return refuse(v, in, "there is no capture %u (the function has %u)", in->b, v->f->ncaptures);
    if (!th_function_captures_values(v->f)) return refuse(v, in, "the function captures no values");
    return wrote_value(v, in);
}

/* What is left with a value. */
static th_status check_value_exit(verifier *v, const insn *in) {
    th_type_id type = th_types_result(v->types, v->f->type);
    if (type != TH_TYPE_VALUE) return refuse(v, in, "the function gives %s, not a value", text_of(v, type).text);
    if (v->depth > 0) return refuse(v, in, "the function is left with %u regions open", v->depth);
    return TH_OK;
}

static th_status rule_vret(verifier *v, const insn *in) { return check_value_exit(v, in); }

static th_status rule_vlist(verifier *v, const insn *in) {
    if (in->op == TH_OP_VREC && in->c != v->program->shapes[in->word].count)
        return refuse(v, in, "shape %u has %u names, not %u", in->word, v->program->shapes[in->word].count, in->c);
    TH_TRY(expect_values(v, in, in->b, in->c));
    return wrote_value(v, in);
}

/* The applied value stays where it is while it is evaluated and called: below the window. */
static th_status check_value_window(verifier *v, const insn *in) {
    if (in->c == 0) return refuse(v, in, "a function value is applied to one argument or more");
    if (in->b >= in->a) return refuse(v, in, "what is applied, r%u, lies in the window at r%u", in->b, in->a);
    if (in->a + 1 + in->c >= v->f->nregs)
        return refuse(v, in, "the window at r%u with %u arguments reaches past the frame", in->a, in->c);
    return expect_values(v, in, in->a + 2, in->c);
}

static th_status rule_vcall(verifier *v, const insn *in) {
    uint32_t base = in->a;
    TH_TRY(check_value_window(v, in));
    TH_TRY(expect_class(v, in, base + 1, TH_TYPE_VALUE));
    for (uint32_t i = base; i < v->f->nregs; i++) v->regs[i] = UNDEFINED;
    v->regs[base + 1] = TH_TYPE_VALUE;
    v->changed_from = base;
    v->changed_to = v->f->nregs;
    return TH_OK;
}

static th_status rule_vtcall(verifier *v, const insn *in) {
    TH_TRY(check_value_window(v, in));
    return check_value_exit(v, in);
}

/* ---- One instruction ---------------------------------------------------------------------------------------- */

/* What the operands alone tell: registers that are read hold something, strings are there. */
static th_status read_operands(verifier *v, const insn *in) {
    bool counted = th_rule_counts(in->info->rule);
    uint32_t values[3] = {in->a, in->b, in->c};
    for (int i = 0; i < 3; i++) {
        uint8_t operand = in->info->operand[i];
        th_type_id type;
        if (!th_operand_reads(operand) || (counted && i == 1)) continue;
        TH_TRY(read_reg(v, in, values[i], &type));
        if (operand_class(operand) == TH_CLASS_STRING && type != TH_TYPE_STRING)
            return refuse(v, in, "register r%u holds %s, which may be null", values[i], text_of(v, type).text);
    }
    return TH_OK;
}

static void rule_simple(verifier *v, const insn *in) {
    static const uint8_t types[] = {
        [TH_OPERAND_W_I8] = TH_TYPE_I8,      [TH_OPERAND_W_I16] = TH_TYPE_I16,     [TH_OPERAND_W_I32] = TH_TYPE_I32,
        [TH_OPERAND_W_I64] = TH_TYPE_I64,    [TH_OPERAND_W_F32] = TH_TYPE_F32,     [TH_OPERAND_W_F64] = TH_TYPE_F64,
        [TH_OPERAND_W_BOOL] = TH_TYPE_BOOL,  [TH_OPERAND_W_STR] = TH_TYPE_STRING,  [TH_OPERAND_RW_I64] = TH_TYPE_I64,
        [TH_OPERAND_RW_F64] = TH_TYPE_F64,   [TH_OPERAND_RW_STR] = TH_TYPE_STRING, [TH_OPERAND_W_VAL] = TH_TYPE_VALUE,
        [TH_OPERAND_RW_VAL] = TH_TYPE_VALUE,
    };
    uint8_t operand = in->info->operand[0];
    if (operand < sizeof types && types[operand] != 0) write_reg(v, in->a, types[operand]);
}

static th_status apply(verifier *v, const insn *in) {
    v->changed_from = v->changed_to = 0;
    TH_TRY(read_operands(v, in));
    switch ((th_rule)in->info->rule) {
    case TH_RULE_SIMPLE:
    case TH_RULE_SWITCH:
    case TH_RULE_VTRY: rule_simple(v, in); return TH_OK;
    case TH_RULE_NONZERO:
        if (in->c == 0) return refuse(v, in, "division by a constant zero");
        rule_simple(v, in);
        return TH_OK;
    case TH_RULE_DIVK: return rule_divk(v, in);
    case TH_RULE_MOV: return rule_mov(v, in);
    case TH_RULE_LDI: return rule_ldi(v, in);
    case TH_RULE_LDK: return rule_ldk(v, in);
    case TH_RULE_LDNULL: return rule_ldnull(v, in);
    case TH_RULE_GGET: return result(v, in, v->program->globals[in->b].type);
    case TH_RULE_GSET: return expect(v, in, in->a, v->program->globals[in->b].type);
    case TH_RULE_SAME: return rule_same(v, in);
    case TH_RULE_OPTION: return rule_option(v, in);
    case TH_RULE_CALL:
    case TH_RULE_TCALL: return rule_call(v, in);
    case TH_RULE_CALLB: return call(v, in, v->program->imports[in->b].type);
    case TH_RULE_CALLC:
    case TH_RULE_TCALLC: return rule_callc(v, in);
    case TH_RULE_RET:
    case TH_RULE_RETV: return rule_ret(v, in);
    case TH_RULE_CLOSURE: return rule_closure(v, in);
    case TH_RULE_LDCAP: return rule_ldcap(v, in);
    case TH_RULE_NEW: return rule_new(v, in);
    case TH_RULE_GET: return rule_get(v, in);
    case TH_RULE_SET:
    case TH_RULE_SETP: return rule_set(v, in);
    case TH_RULE_VNEW: return rule_vnew(v, in);
    case TH_RULE_VTAG: return rule_vtag(v, in);
    case TH_RULE_VGET: return rule_vget(v, in);
    case TH_RULE_SOME: return rule_some(v, in);
    case TH_RULE_UNWRAP: return rule_unwrap(v, in);
    case TH_RULE_LNEW: return rule_new_of_kind(v, in, TH_KIND_LIST, "list");
    case TH_RULE_LIST: return rule_len(v, in, TH_KIND_LIST, "a list");
    case TH_RULE_LGET:
    case TH_RULE_LPOP: return rule_lget(v, in);
    case TH_RULE_LSET: return rule_lset(v, in, in->c);
    case TH_RULE_LPUSH: return rule_lset(v, in, in->b);
    case TH_RULE_DNEW: return rule_new_of_kind(v, in, TH_KIND_DICT, "dict");
    case TH_RULE_DICT: return rule_len(v, in, TH_KIND_DICT, "a dict");
    case TH_RULE_DGET: return rule_dget(v, in);
    case TH_RULE_DGETOR: return rule_dgetor(v, in);
    case TH_RULE_DSET: return rule_dset(v, in);
    case TH_RULE_DHAS: return rule_dhas(v, in);
    case TH_RULE_RENTER: return rule_renter(v, in);
    case TH_RULE_RLOOP:
    case TH_RULE_RLEAVE: return rule_collect(v, in);
    case TH_RULE_THROW: return rule_throw(v, in);
    case TH_RULE_VLDK: return rule_vldk(v, in);
    case TH_RULE_VSTR:
        if (in->b > TH_MAX_SORT) return refuse(v, in, "there is no sort %u of texts", in->b);
        return wrote_value(v, in);
    case TH_RULE_VCONST:
        if (in->b < 1 || in->b > TH_MAX_CONSTANT) return refuse(v, in, "there is no constant %u", in->b);
        return wrote_value(v, in);
    case TH_RULE_VFUNC:
    case TH_RULE_VBINARY: return rule_vimport(v, in);
    case TH_RULE_VTHUNK:
    case TH_RULE_VCLOSE: return rule_vclose(v, in);
    case TH_RULE_VCAP: return rule_vcap(v, in);
    case TH_RULE_VRET: return rule_vret(v, in);
    case TH_RULE_VLIST:
    case TH_RULE_VREC: return rule_vlist(v, in);
    case TH_RULE_VCALL: return rule_vcall(v, in);
    case TH_RULE_VTCALL: return rule_vtcall(v, in);
    }
    return refuse(v, in, "the verifier does not know it");
}

/* ---- Second pass: the ways through the code ----------------------------------------------------------------- */

static void heap_put(verifier *v, uint32_t item) {
    uint32_t i = v->nheap++;
    for (; i > 0 && v->heap[(i - 1) / 2] > item; i = (i - 1) / 2) v->heap[i] = v->heap[(i - 1) / 2];
    v->heap[i] = item;
}

static uint32_t heap_take(verifier *v) {
    uint32_t first = v->heap[0], last = v->heap[--v->nheap], i = 0;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= v->nheap) break;
        if (child + 1 < v->nheap && v->heap[child + 1] < v->heap[child]) child++;
        if (v->heap[child] >= last) break;
        v->heap[i] = v->heap[child];
        i = child;
    }
    v->heap[i] = last;
    return first;
}

static void queue(verifier *v, uint32_t index) {
    if (v->blocks[index].queued) return;
    v->blocks[index].queued = true;
    heap_put(v, index);
}

static th_status spend(verifier *v, uint64_t units) {
    if (units <= v->budget) {
        v->budget -= units;
        return TH_OK;
    }
    return th_fail(v->err, TH_E_LIMIT, "function \"%.*s\": its control flow is too complex to verify",
                   shown(v->f->name), v->f->name->bytes);
}

/* The first way into a block. */
static th_status enter(verifier *v, block *b, uint32_t depth) {
    v->state_words += v->f->nregs;
    if (v->state_words > MAX_STATE_WORDS) return spend(v, UINT64_MAX);
    b->state = th_arena_copy(&v->arena, v->regs, v->f->nregs * sizeof *v->regs);
    if (b->state == NULL) return no_memory(v);
    b->depth = depth;
    return TH_OK;
}

/* Joins registers from .. to-1 into the block's state. `error` is the register a handler writes, 0: none. */
static th_status join_into(verifier *v, const insn *in, uint32_t pc, uint32_t depth, uint32_t from, uint32_t to,
                           uint32_t error) {
    uint32_t index = v->block_of[pc];
    block *b = &v->blocks[index];
    TH_TRY(spend(v, 2 + (to - from) / 8));
    if (b->state == NULL) {
        TH_TRY(enter(v, b, depth));
        if (error != 0) b->state[error] = TH_TYPE_ERROR;
        queue(v, index);
        return TH_OK;
    }
    if (b->depth != depth)
        return refuse(v, in, "instruction %u is reached with %u regions open, elsewhere with %u", pc, depth, b->depth);
    bool changed = false;
    for (uint32_t i = from; i < to; i++) {
        th_type_id joined = join(v, b->state[i], i == error && error != 0 ? TH_TYPE_ERROR : v->regs[i]);
        changed = changed || joined != b->state[i];
        b->state[i] = joined;
    }
    if (changed) queue(v, index);
    return TH_OK;
}

/* What the handler over the present instruction may find in the registers from .. to-1. */
static th_status join_handler(verifier *v, const insn *in, uint32_t handler, uint32_t from, uint32_t to) {
    if (handler == 0) return TH_OK;
    const th_handler *h = &v->f->handlers[handler - 1];
    if (h->depth > v->depth)
        return refuse(v, in, "%u regions are open here, its handler expects %u", v->depth, h->depth);
    return join_into(v, in, h->target, h->depth, from, to, h->reg);
}

static th_status join_targets(verifier *v, const insn *in) {
    uint32_t n = v->f->nregs;
    if (in->op == TH_OP_JMP) return join_into(v, in, in->a, v->depth, 0, n, 0);
    if (in->op != TH_OP_SWITCH) return join_into(v, in, in->word, v->depth, 0, n, 0);
    for (uint32_t i = 0; i < in->b; i++) TH_TRY(join_into(v, in, v->f->code[in->pc + 1 + i], v->depth, 0, n, 0));
    return TH_OK;
}

/* Follows a block from its state to its end and into its successors. */
static th_status follow(verifier *v, block *b) {
    insn in = {0};
    memcpy(v->regs, b->state, v->f->nregs * sizeof *v->regs);
    v->depth = b->depth;
    decode(v->f, b->start, &in);
    TH_TRY(join_handler(v, &in, b->handler, 0, v->f->nregs));
    for (uint32_t pc = b->start; pc < b->end; pc += in.words) {
        decode(v->f, pc, &in);
        TH_TRY(spend(v, 1));
        TH_TRY(apply(v, &in));
        bool last = pc + in.words >= b->end;
        if (v->changed_to > v->changed_from || (!last && (in.op == TH_OP_RENTER || in.op == TH_OP_RLEAVE))) {
            /* After the last instruction another handler may rule, with fewer regions. */
            uint32_t depth = v->depth;
            if (last && b->handler != 0 && v->f->handlers[b->handler - 1].depth > depth)
                v->depth = v->f->handlers[b->handler - 1].depth;
            TH_TRY(join_handler(v, &in, b->handler, v->changed_from, v->changed_to));
            v->depth = depth;
        }
    }
    if (in.info->flags & TH_OPF_BRANCH) TH_TRY(join_targets(v, &in));
    if (in.info->flags & TH_OPF_END) return TH_OK;
    return join_into(v, &in, b->end, v->depth, 0, v->f->nregs, 0);
}

/* What the registers hold when the function is entered. */
static void enter_function(verifier *v) {
    for (uint32_t i = 0; i < 256; i++) v->regs[i] = UNDEFINED;
    v->regs[0] = TH_TYPE_I64;
    for (size_t i = 0; i < th_types_nparams(v->types, v->f->type); i++)
        v->regs[2 + i] = held(v, th_types_param(v->types, v->f->type, i));
    v->depth = 0;
}

static th_status analyse(verifier *v) {
    const th_function *f = v->f;
    TH_TRY(check_frame(v));
    v->budget = BASE_BUDGET + (uint64_t)WORD_BUDGET * f->ncode;
    v->marks = th_arena_zeroed(&v->arena, f->ncode);
    if (v->marks == NULL) return no_memory(v);
    TH_TRY(mark_starts(v));
    TH_TRY(mark_leaders(v));
    TH_TRY(cover(v));
    TH_TRY(make_blocks(v));
    enter_function(v);
    TH_TRY(enter(v, &v->blocks[0], 0));
    queue(v, 0);
    while (v->nheap > 0) {
        block *b = &v->blocks[heap_take(v)];
        b->queued = false;
        TH_TRY(follow(v, b));
    }
    return TH_OK;
}

/* ---- The quick walk ------------------------------------------------------------------------------------------ */

/* Most functions, and nearly all that languages of values make, have no handlers and branch ahead only. They are walked
** once, both passes in one, without allocating. Whatever is out of the ordinary, errors included, is left to the two. */

static void join_way(const verifier *v, th_type_id *into, const th_type_id *from) {
    for (uint32_t i = 0; i < v->f->nregs; i++)
        if (into[i] != from[i]) into[i] = join(v, into[i], from[i]);
}

/* The present state goes to `target`, which lies ahead. False: there are too many ways, or their regions differ. */
static bool put_way(verifier *v, uint32_t target) {
    uint32_t at = v->nways;
    while (at > 0 && v->ways[v->order[at - 1]].target < target) at--;
    if (at > 0 && v->ways[v->order[at - 1]].target == target) {
        way *w = &v->ways[v->order[at - 1]];
        join_way(v, w->regs, v->regs);
        return w->depth == v->depth;
    }
    if (v->nways == MAX_WAYS) return false;
    uint8_t slot = v->order[v->nways];
    memmove(&v->order[at + 1], &v->order[at], v->nways++ - at);
    v->order[at] = slot;
    way *w = &v->ways[slot];
    w->target = target;
    w->depth = v->depth;
    memcpy(w->regs, v->regs, v->f->nregs * sizeof *v->regs);
    return true;
}

/* At the nearest way's target: its state is met, or is the only one. False: regions differ, or the target lies behind,
** in the middle of an instruction. */
static bool take_way(verifier *v, uint32_t pc, bool *reached) {
    way *w = &v->ways[v->order[--v->nways]];
    if (w->target != pc || (*reached && w->depth != v->depth)) return false;
    if (*reached)
        join_way(v, v->regs, w->regs);
    else
        memcpy(v->regs, w->regs, v->f->nregs * sizeof *v->regs);
    v->depth = w->depth;
    *reached = true;
    return true;
}

/* True: the function may run. False: it has to be looked at in full. */
static bool verify_quickly(verifier *v) {
    const th_function *f = v->f;
    insn in = {0};
    bool reached = true;
    if (f->nhandlers > 0 || check_frame(v) != TH_OK) return false;
    enter_function(v);
    v->nways = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc += in.words) {
        uint32_t op = f->code[pc] & 255u;
        if (v->nways > 0 && v->ways[v->order[v->nways - 1]].target <= pc && !take_way(v, pc, &reached)) return false;
        if (op >= TH_OP_COUNT || op == TH_OP_SWITCH || (pc + 1 == f->ncode && th_ops[op].word != TH_OPERAND_NO))
            return false;
        decode(f, pc, &in);
        if (check_operands(v, &in) != TH_OK) return false;
        if (!reached && (in.info->flags & TH_OPF_BRANCH)) return false; /* its target must be looked at all the same */
        if (!reached) continue;
        if (apply(v, &in) != TH_OK) return false;
        if (in.info->flags & TH_OPF_BRANCH) {
            uint32_t target = op == TH_OP_JMP ? in.a : in.word;
            if (target <= pc || !put_way(v, target)) return false;
        }
        if (in.info->flags & TH_OPF_END) reached = false;
    }
    return v->nways == 0 && (in.info->flags & TH_OPF_END);
}

static verifier *new_verifier(th_mem *mem, const th_program *program, uint32_t index, th_error *err) {
    verifier *v = th_mem_zeroed(mem, sizeof *v);
    if (v == NULL) {
        (void)th_fail(err, TH_E_NOMEM, "out of memory");
        return NULL;
    }
    th_arena_init(&v->arena, mem);
    v->program = program;
    v->types = &program->types;
    v->f = &program->functions[index];
    v->err = err;
    return v;
}

static void free_verifier(th_mem *mem, verifier *v) {
    th_arena_clear(&v->arena);
    th_mem_free(mem, v, sizeof *v);
}

th_status th_verify_program(th_mem *mem, const th_program *program, th_error *err) {
    if (program->nfunctions == 0) return TH_OK;
    verifier *v = new_verifier(mem, program, 0, NULL);
    way *ways = th_mem_new(mem, MAX_WAYS * sizeof *ways);
    th_status status = v != NULL && ways != NULL ? TH_OK : th_fail(err, TH_E_NOMEM, "out of memory");
    for (uint8_t i = 0; status == TH_OK && i < MAX_WAYS; i++) v->order[i] = i;
    for (uint32_t i = 0; i < program->nfunctions && status == TH_OK; i++) {
        v->f = &program->functions[i];
        v->ways = ways;
        if (!verify_quickly(v)) status = th_verify_function(mem, program, i, err);
    }
    th_mem_free(mem, ways, ways != NULL ? MAX_WAYS * sizeof *ways : 0);
    if (v != NULL) free_verifier(mem, v);
    return status;
}

th_status th_verify_function(th_mem *mem, const th_program *program, uint32_t index, th_error *err) {
    verifier *v = new_verifier(mem, program, index, err);
    if (v == NULL) return TH_E_NOMEM;
    th_status status = analyse(v);
    free_verifier(mem, v);
    return status;
}

/* The block that the instruction at `pc` is in. */
static block *block_at(const verifier *v, uint32_t pc) {
    uint32_t low = 0, high = v->nblocks; /* the last block that starts at or before pc lies before `high` */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (v->blocks[middle].start <= pc)
            low = middle;
        else
            high = middle;
    }
    return &v->blocks[low];
}

static void state_out(const verifier *v, th_type_id *types, uint32_t *depth) {
    memcpy(types, v->regs, v->f->nregs * sizeof *types);
    if (depth != NULL) *depth = v->depth;
}

/* The states before each of `pcs`, once the whole is analysed: each block is followed once. */
static th_status states_before(verifier *v, const uint32_t *pcs, size_t npcs, th_type_id *types, uint32_t *depths) {
    TH_TRY(analyse(v));
    v->budget = UINT64_MAX;
    block *b = NULL;
    uint32_t at = 0;
    for (size_t i = 0; i < npcs; i++) {
        if (!is_start(v, pcs[i])) return TH_E_ARGUMENT;
        if (b == NULL || pcs[i] >= b->end || pcs[i] < at) {
            b = block_at(v, pcs[i]);
            at = b->start;
            v->depth = b->depth;
            for (uint32_t r = 0; r < v->f->nregs; r++) v->regs[r] = b->state != NULL ? b->state[r] : UNDEFINED;
        }
        insn in;
        for (; b->state != NULL && at < pcs[i]; at += in.words) {
            decode(v->f, at, &in);
            TH_TRY(apply(v, &in));
        }
        state_out(v, types + i * v->f->nregs, depths != NULL ? depths + i : NULL);
    }
    return TH_OK;
}

th_status th_verify_states(th_mem *mem, const th_program *program, uint32_t index, const uint32_t *pcs, size_t npcs,
                           th_type_id *types, uint32_t *depths) {
    verifier *v = new_verifier(mem, program, index, NULL);
    if (v == NULL) return TH_E_NOMEM;
    th_status status = states_before(v, pcs, npcs, types, depths);
    free_verifier(mem, v);
    return status;
}

th_status th_verify_state_at(th_mem *mem, const th_program *program, uint32_t index, uint32_t pc, th_type_id *types,
                             uint32_t *depth) {
    return th_verify_states(mem, program, index, &pc, 1, types, depth);
}
