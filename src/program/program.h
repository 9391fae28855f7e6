/*
** program.h - the Program: instructions, builder, loader and verifier, assembler and disassembler.
** A program is a FlatBuffer (schema/program.fbs). Loading checks everything once; nothing after it checks again.
** What loading promises: every operand is in range; every register is written before it is read, at its class; pointers
** have the pointee type each use needs; branches stay inside; calls fit their signatures; regions nest. What it does not
** promise: that the program ends, that it does not trap, that indices are in range (traps tell).
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_PROGRAM_H
#define TH_PROGRAM_H

#include "base/base.h"
#include "program/types.h"

#define TH_PROGRAM_MAJOR 1
#define TH_PROGRAM_MINOR 1

/* ---- Instructions (ops.c) ----------------------------------------------------------------------------------- */

typedef enum th_op {
#define TH_OP(name, text, format, a, b, c, word, rule, flags, meaning) TH_OP_##name,
#include "program/ops.def"
#undef TH_OP
    TH_OP_COUNT
} th_op;

typedef enum th_format { TH_FORMAT_ABC, TH_FORMAT_AI, TH_FORMAT_I } th_format;

/* What an operand is: the words of ops.def with a prefix. */
typedef enum th_operand {
    TH_OPERAND_NO,
    TH_OPERAND_R_INT, TH_OPERAND_R_I64, TH_OPERAND_R_I32, TH_OPERAND_R_F32, TH_OPERAND_R_F64, TH_OPERAND_R_BOOL,
    TH_OPERAND_R_STR, TH_OPERAND_R_VAL, TH_OPERAND_R_ANY,
    TH_OPERAND_W_I8, TH_OPERAND_W_I16, TH_OPERAND_W_I32, TH_OPERAND_W_I64, TH_OPERAND_W_F32, TH_OPERAND_W_F64,
    TH_OPERAND_W_BOOL, TH_OPERAND_W_STR, TH_OPERAND_W_VAL, TH_OPERAND_W_ANY,
    TH_OPERAND_RW_I64, TH_OPERAND_RW_F64, TH_OPERAND_RW_STR, TH_OPERAND_RW_VAL, TH_OPERAND_RW_ANY,
    TH_OPERAND_U8, TH_OPERAND_S8, TH_OPERAND_U16, TH_OPERAND_S16,
    TH_OPERAND_CONST, TH_OPERAND_STRING, TH_OPERAND_TYPE, TH_OPERAND_GLOBAL, TH_OPERAND_KEEP, TH_OPERAND_STATUS,
    TH_OPERAND_FN, TH_OPERAND_IMPORT, TH_OPERAND_BASE, TH_OPERAND_TARGET,
    TH_OPERAND_SITE, TH_OPERAND_SHAPE, TH_OPERAND_FIELD, TH_OPERAND_U32
} th_operand;

enum { TH_OPF_NONE = 0, TH_OPF_TRAP = 1, TH_OPF_BRANCH = 2, TH_OPF_END = 4, TH_OPF_SAFE = 8, TH_OPF_ALLOC = 16 };

typedef struct th_op_info {
    const char *text;
    uint8_t format;        /* th_format */
    uint8_t operand[3];    /* th_operand of a, b (or imm), c */
    uint8_t word;          /* th_operand of the extra word, NO: none */
    uint8_t rule;          /* th_rule, see rules.h */
    uint8_t flags;         /* TH_OPF_ */
    const char *meaning;
} th_op_info;
extern const th_op_info th_ops[TH_OP_COUNT];

static inline uint32_t th_insn_abc(th_op op, uint32_t a, uint32_t b, uint32_t c) {
    return (uint32_t)op | (a & 255u) << 8 | (b & 255u) << 16 | (c & 255u) << 24;
}
static inline uint32_t th_insn_ai(th_op op, uint32_t a, uint32_t imm) {
    return (uint32_t)op | (a & 255u) << 8 | (imm & 0xffffu) << 16;
}
static inline uint32_t th_insn_i(th_op op, uint32_t imm) { return (uint32_t)op | imm << 8; }
#define TH_INSN_OP(w)  ((th_op)((w)&255u))
#define TH_INSN_A(w)   (((w) >> 8) & 255u)
#define TH_INSN_B(w)   (((w) >> 16) & 255u)
#define TH_INSN_C(w)   ((w) >> 24)
#define TH_INSN_SC(w)  ((int32_t)(w) >> 24)
#define TH_INSN_IMM(w) ((w) >> 16)
#define TH_INSN_SIMM(w) ((int32_t)(w) >> 16)
#define TH_INSN_IMM24(w) ((w) >> 8)
/* Words of the instruction at code[0], SWITCH's table included. */
uint32_t th_insn_words(const uint32_t *code);

/* ---- A loaded program --------------------------------------------------------------------------------------- */

typedef struct th_handler { uint32_t start, end, target, reg, depth; } th_handler;
typedef struct th_position { uint32_t pc; th_span span; } th_position;
typedef struct th_keep { const uint8_t *regs; uint32_t count; } th_keep;

typedef struct th_function {
    const th_str *name;
    th_type_id type;       /* FUNCTION, in the program's types */
    uint32_t index;
    uint32_t nregs, nparams;
    const uint8_t *classes; /* th_class of each register */
    const th_type_id *captures;
    uint32_t ncaptures;
    const uint32_t *code;  /* borrowed from the program's bytes */
    uint32_t ncode;
    const th_handler *handlers;
    uint32_t nhandlers;
    const th_keep *keeps;
    uint32_t nkeeps;
    const th_position *positions;
    uint32_t npositions;
    uint32_t source;       /* index + 1 into sources, or 0 */
    const th_str *note;    /* or NULL */
} th_function;

/* The names of a record, without duplicates; where each was written, or NULL; index + 1 of the source of that, or 0. */
typedef struct th_name_shape { const uint32_t *names; const th_span *positions; uint32_t count, source; } th_name_shape;
typedef struct th_named_type { const th_str *name; th_type_id type; } th_named_type; /* globals, imports */
typedef struct th_export { const th_str *name; uint32_t function; } th_export;

/* Immutable once loaded; shared by any number of machines and threads (retain/release). */
typedef struct th_program {
    _Atomic uint32_t refs;
    th_mem *mem;
    th_arena arena;
    const uint8_t *bytes;  /* the FlatBuffer, owned */
    size_t len;
    const th_str *name;
    th_types types;
    const th_function *functions; uint32_t nfunctions;
    const uint64_t *constants;    uint32_t nconstants;
    const uint8_t *constant_classes;
    const th_str *const *strings; uint32_t nstrings;
    const th_named_type *globals; uint32_t nglobals;
    const th_named_type *imports; uint32_t nimports;
    const th_export *exports;     uint32_t nexports;
    const th_str *const *source_names;
    const th_str *const *source_texts; uint32_t nsources;
    uint32_t start;               /* index + 1 */
    const uint32_t *sites;        uint32_t nsites;   /* the name of each: a string index */
    const th_name_shape *shapes;  uint32_t nshapes;
} th_program;

/* Checks and loads; copies the bytes. The error says function and instruction. */
th_status th_program_load(th_mem *mem, const void *bytes, size_t len, th_program **out, th_error *err) TH_CHECKED;
th_program *th_program_retain(th_program *program);
void th_program_release(th_program *program); /* NULL is allowed */
void th_program_digest(const th_program *program, th_digest *out); /* of its bytes; reads all of them */
/* Index of an exported function, or -1. */
int64_t th_program_find(const th_program *program, th_view name);
/* The source span of an instruction; zeros when unknown. */
th_span th_function_span(const th_function *function, uint32_t pc);

/* ---- Verifier (verify.c) ------------------------------------------------------------------------------------ */

#define TH_TYPE_UNDEFINED 0xffffffffu
/* Checks all functions of a structurally sound program, or one. */
th_status th_verify_program(th_mem *mem, const th_program *program, th_error *err) TH_CHECKED;
th_status th_verify_function(th_mem *mem, const th_program *program, uint32_t index, th_error *err) TH_CHECKED;
/* For a verified function: the type held by each register before the instruction at `pc` runs (TH_TYPE_UNDEFINED: none),
** for snapshots. `types` holds nregs ids. `depth` (may be NULL): regions open there. */
th_status th_verify_state_at(th_mem *mem, const th_program *program, uint32_t index, uint32_t pc, th_type_id *types,
                             uint32_t *depth) TH_CHECKED;
/* The same at `npcs` instructions at once, best in ascending order: `types` holds npcs * nregs ids, `depths` (may be NULL)
** npcs. An instruction that is never reached has no register that holds anything, not even r0. E_ARGUMENT when one of
** `pcs` is not the start of an instruction. */
th_status th_verify_states(th_mem *mem, const th_program *program, uint32_t index, const uint32_t *pcs, size_t npcs,
                           th_type_id *types, uint32_t *depths) TH_CHECKED;

/* The VALUE registers of a verified function that are live before the instruction at each of `pcs` (ascending): they will be
** read before they are written. `bits` holds npcs * 4 words, register r at bit r & 63 of word r >> 6. What a collector takes
** for roots. Live registers are defined (the verifier saw to it).
** `pc | TH_LIVE_WAITING` asks for a frame that waits for the result of the instruction at pc (a call, or one that calls its import):
** what will be read after it, the result not counted, or in the handler that covers it; nothing when it leaves the function.
** That is not what is live before the next instruction: the handler may not cover that one. E_ARGUMENT when a pc is not the start of an instruction. */
#define TH_LIVE_WAITING 0x80000000u
th_status th_program_live(th_mem *mem, const th_program *program, uint32_t function, const uint32_t *pcs, size_t npcs,
                          uint64_t *bits) TH_CHECKED;

/* ---- Builder (builder.c) ------------------------------------------------------------------------------------ */

/* Collects the parts and writes the FlatBuffer. Owns all it is given (copies). After a failure it is poisoned:
** every call returns the first status and finish refuses. */
typedef struct th_builder th_builder;
typedef struct th_fn_builder th_fn_builder; /* owned by its th_builder */
typedef struct th_label { uint32_t id; } th_label;

th_status th_builder_new(th_mem *mem, th_view name, th_builder **out) TH_CHECKED;
void th_builder_free(th_builder *builder);
/* The program's types; add to it freely (th_types_declare and th_types_define for structs that refer to themselves). */
th_types *th_builder_types(th_builder *builder);
th_status th_builder_i64(th_builder *b, int64_t value, uint32_t *index);  /* constants, interned */
th_status th_builder_f64(th_builder *b, double value, uint32_t *index);
th_status th_builder_f32(th_builder *b, float value, uint32_t *index);
th_status th_builder_string(th_builder *b, th_view text, uint32_t *index); /* interned */
th_status th_builder_global(th_builder *b, th_view name, th_type_id type, uint32_t *index);
th_status th_builder_import(th_builder *b, th_view name, th_type_id type, uint32_t *index); /* interned */
th_status th_builder_export(th_builder *b, th_view name, uint32_t function);
th_status th_builder_source(th_builder *b, th_view name, th_view text, uint32_t *index);
th_status th_builder_start(th_builder *b, uint32_t function);
/* A site or shape for the instructions over values; `names` are string indices, `positions` may be NULL. */
th_status th_builder_site(th_builder *b, uint32_t name, uint32_t *index);
th_status th_builder_shape(th_builder *b, const uint32_t *names, const th_span *positions, size_t n, uint32_t source,
                           uint32_t *index);
/* Reserves a function index, so that calls may be emitted before its body. */
th_status th_builder_declare(th_builder *b, th_view name, th_type_id type, uint32_t *index);
/* Opens the body. r0 and r1 have classes i64 and the result's, r2.. the parameters'. `source` is the index of its source
** plus 1, 0 for none. */
th_status th_builder_begin(th_builder *b, uint32_t function, const th_type_id *captures, size_t ncaptures,
                           uint32_t source, th_fn_builder **out);
/* Sets or checks the class of register `reg` (grows the frame). False when it has another class already, or when there
** are more than 256 (then the builder is poisoned with E_LIMIT). r1 of a function without result is free. */
bool th_fn_class(th_fn_builder *f, uint32_t reg, th_class cls);
th_label th_fn_label(th_fn_builder *f);                   /* a new label, unbound */
void th_fn_bind(th_fn_builder *f, th_label label);        /* here */
void th_fn_span(th_fn_builder *f, th_span span);          /* source of what is emitted from here on */
uint32_t th_fn_pc(const th_fn_builder *f);                /* words emitted so far */
void th_fn_abc(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c); /* RENTER too, with zeros */
void th_fn_abcw(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c, uint32_t word);
void th_fn_ai(th_fn_builder *f, th_op op, uint32_t a, int32_t imm);
void th_fn_branch(th_fn_builder *f, th_op op, uint32_t a, uint32_t b, uint32_t c, th_label target); /* ABC + TARGET */
void th_fn_branch_i(th_fn_builder *f, th_op op, uint32_t a, int32_t imm, th_label target);           /* AI + TARGET */
void th_fn_note(th_fn_builder *f, uint32_t string); /* the function's note */
void th_fn_jump(th_fn_builder *f, th_label target);
void th_fn_switch(th_fn_builder *f, uint32_t reg, const th_label *targets, uint32_t count);
uint32_t th_fn_keep(th_fn_builder *f, const uint8_t *regs, size_t count); /* keep set index, interned */
/* Handlers are tried in the order given: inner ones first. One over no instructions is left out. */
void th_fn_handler(th_fn_builder *f, th_label start, th_label end, th_label target, uint32_t reg, uint32_t depth);
th_status th_fn_end(th_fn_builder *f); /* E_LIMIT when something did not fit its field */
/* Writes the program. The caller owns the bytes: free with th_mem_free(mem, *bytes, *len). */
th_status th_builder_finish(th_builder *b, uint8_t **bytes, size_t *len, th_error *err) TH_CHECKED;

/* ---- Text (text.c) ------------------------------------------------------------------------------------------ */

/* Disassembles to text that assembles to an equal program (same bytes when the builder wrote it). */
th_status th_program_print(const th_program *program, th_buf *out) TH_CHECKED;
/* Assembles; on success the caller owns the bytes as with th_builder_finish. */
th_status th_program_assemble(th_mem *mem, th_view name, th_view text, uint8_t **bytes, size_t *len,
                              th_error *err) TH_CHECKED;

#endif
