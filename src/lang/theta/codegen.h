/*
** codegen.h - what the parts of the code generator share. Private to this room.
**
** The way of a function from typed tree to bytecode:
**   codegen_facts.c  what the trees do: which locals escape, which calls may allocate, what may be moved out of a loop
**   codegen_tree.c   lowering: statements and control        } both write a list of instructions over
**   codegen_expr.c   lowering: values, calls, conditions     } VIRTUAL registers, as many as they like
**   codegen_list.c   the list: making, tidying (branches to branches, code nothing reaches)
**   codegen_live.c   liveness over the list: dead code, life spans, the keep sets of regions
**   codegen_regs.c   virtual to real registers, call windows; when they do not fit the function is lowered once more
**                    with some of its locals in frame objects
**   codegen.c        writes the instructions with the builder; drives it all
**
** Rules that lowering keeps, and the later parts rely on:
**   G1  A destination handed down is written by the last instruction on each path, after all operands were read.
**   G2  Each virtual register has one class and, if a pointer, one pointee type.
**   G3  Only registers marked `builder` may hold a string under construction (SAPPEND); a copy of one is sealed first.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_CODEGEN_H
#define TH_THETA_CODEGEN_H

#include "lang/theta/tir.h"

#define TH_GEN_NONE   UINT32_MAX
#define TH_GEN_ZERO   0u   /* the virtual register that is r0: a zero of class i64 */
#define TH_GEN_REGS   255u /* real registers in use: r0 .. r254 */
#define TH_GEN_FIELDS 200u /* most fields of a struct literal */

/* ---- The list of instructions ------------------------------------------------------------------------------- */

typedef struct th_gen_vreg {
    uint8_t cls;
    bool shared;         /* a local that is assigned again: not to be written before all is read */
    bool builder;        /* may hold an open string builder (G3) */
    bool slot;           /* placed with its group */
    bool fixed;          /* holds one value for all that is to come: a literal, a capture, what left a loop */
    uint32_t real;       /* register, or TH_GEN_NONE */
    uint32_t hint;       /* wished register, or TH_GEN_NONE */
    uint32_t start, end; /* life span in positions; start > end: never alive */
    uint32_t global;     /* number among those alive across blocks, or TH_GEN_NONE */
    uint32_t stamp;
    const th_local *local; /* may be NULL */
} th_gen_vreg;

/* Instructions of the list that are none of the machine's. */
enum {
    TH_GEN_LABEL = TH_OP_COUNT, /* label */
    TH_GEN_DECLARE,             /* a's life begins here at the latest */
    TH_GEN_GROUP,               /* the registers of `group` are chosen here */
    TH_GEN_CATCH,               /* a receives an Error: first of a handler */
    TH_GEN_MARK,                /* nothing; code is inserted before it */
};

typedef struct th_gen_label {
    uint32_t refs;
    struct th_gen_ins *at; /* its TH_GEN_LABEL instruction, once placed */
    th_label out;
    uint32_t block;
} th_gen_label;

/* Consecutive registers: a call's window (slots are the arguments, from base + 2) or operands of NEW and CLOSURE. */
typedef struct th_gen_group {
    uint32_t *slots;
    uint32_t count;
    bool window;
    uint8_t result; /* class of the result, NONE: void */
    uint32_t base;
    struct th_gen_ins *user;
    struct th_gen_group *outer; /* open windows around, while registers are chosen */
} th_gen_group;

typedef struct th_gen_ins {
    struct th_gen_ins *prev, *next;
    uint16_t op;
    uint32_t a, b, c, word; /* virtual registers or immediates, as th_ops says; calls: a is unused */
    uint32_t def;           /* calls: the result's register or TH_GEN_NONE */
    uint32_t position;
    th_gen_label *label;    /* target, or the label placed here */
    th_gen_label **targets; /* SWITCH: b of them */
    th_gen_group *group;
    uint32_t *keep; /* RLOOP, RLEAVE: nkeep virtual registers */
    uint32_t nkeep;
    th_span span;
} th_gen_ins;

/* A stretch of code whose failures go to a handler. */
typedef struct th_gen_try {
    struct th_gen_try *next;
    th_gen_label *start, *end, *target;
    uint32_t reg, depth;
    uint32_t block; /* of the target */
} th_gen_try;

/* A `try` whose body is being lowered. */
typedef struct th_gen_guard {
    struct th_gen_guard *outer;
    th_gen_label *start, *target; /* start: of the stretch under way */
    uint32_t reg, depth;
} th_gen_guard;

/* ---- Facts about the trees ---------------------------------------------------------------------------------- */

enum {
    TH_FACT_SETS = 1,     /* sets a local */
    TH_FACT_CALLS = 2,    /* contains a call */
    TH_FACT_MOVABLE = 4,  /* a value without effect or trap, of operands that may be moved */
    TH_FACT_CONST = 8,    /* literals only, and MOVABLE */
    TH_FACT_GARBAGE = 16, /* allocates what may be dropped soon */
    TH_FACT_WRITES_FIELDS = 32,
    TH_FACT_WRITES_LENGTHS = 64,
    TH_FACT_CONTINUES = 128, /* a `continue` of the loop around */
    TH_FACT_TRAPS = 256,     /* may stop, raise or allocate */
    TH_FACT_CONTROL = 512,   /* loops, try, return, break, continue */
    TH_FACT_CLOSURES = 1024,
    TH_FACT_READS = 2048,    /* reads fields or lengths */
    TH_FACT_COMPOUND = 4096, /* costs more than one instruction */
};

typedef struct th_gen_fact {
    const th_tir *node;
    uint16_t flags;
    uint16_t size; /* nodes, saturating */
} th_gen_fact;

typedef struct th_gen_local {
    bool cell;        /* lives in a Cell */
    bool cell_option; /* the Cell holds an option: the local is not set where it is declared */
    bool builder;     /* target of s = s + .. */
    bool in_loop;     /* used in a loop */
    bool spilled;
    bool scalars;         /* a struct whose fields live in registers: it is never seen as a whole */
    uint32_t uses;        /* as a value; */
    uint32_t fields;      /* as what a field is taken of; */
    uint32_t heads;       /* as what is called */
    const th_tir *made;   /* STRUCT: what it is bound to */
    uint32_t frame, slot; /* spilled: where */
} th_gen_local;

typedef struct th_gen_function {
    const th_tir_function *tir;
    uint32_t index; /* in the builder */
    th_gen_local *locals;
    uint32_t *callees; /* functions it may run */
    size_t ncallees, callees_capacity;
    uint16_t flags;        /* TH_FACT_ of a call of it */
    bool garbage_here;     /* allocates outside of loops itself, */
    bool garbage_in_loops; /* in loops, */
    bool garbage_outside;  /* outside of loops, calls included */
    bool called;           /* by the program itself, directly or as a closure */
    bool closed;           /* made a closure of */
    bool in_start;         /* may run while the globals are being set */
    bool tail_loop;        /* calls itself in tail position */
    bool inlinable;
    uint32_t size;
} th_gen_function;

/* A closure made: `locals` of function `from` become the captures of function `to`. */
typedef struct th_gen_capture {
    uint32_t from, to;
    const th_tir *node;
} th_gen_capture;

typedef struct th_gen_facts {
    th_gen_function *functions;
    bool *global_fixed; /* set by the start function alone */
    th_gen_capture *captures;
    size_t ncaptures, captures_capacity;
    th_gen_fact *slots; /* open addressing by node */
    size_t capacity, count;
} th_gen_facts;

/* ---- Lowering ----------------------------------------------------------------------------------------------- */

typedef enum th_gen_place_kind {
    TH_PLACE_UNSET,
    TH_PLACE_REG,    /* v */
    TH_PLACE_CELL,   /* v: the Cell */
    TH_PLACE_FRAME,  /* slot of frame object v */
    TH_PLACE_NODE,   /* node: a literal; or a closure that is called only */
    TH_PLACE_FIELDS, /* v + i: field i of a struct */
} th_gen_place_kind;

typedef struct th_gen_place {
    uint8_t kind;
    uint32_t v, slot;
    const th_tir *node;    /* NODE */
    const th_tir *closure; /* the CLOSURE it is known to be, or NULL */
} th_gen_place;

/* A function being lowered: the one under way, or one inlined in it. */
typedef struct th_gen_scope {
    struct th_gen_scope *outer;
    th_gen_function *fn;
    th_gen_place *places;
    th_gen_label *leave; /* inlined: where `return` goes, */
    uint32_t result;     /* and its value */
} th_gen_scope;

typedef struct th_gen_hoisted {
    struct th_gen_hoisted *next;
    const th_tir *node; /* an expression or GLOBAL; NULL: a literal, by class and bits */
    uint8_t cls;
    uint64_t bits;
    uint32_t v;
} th_gen_hoisted;

typedef struct th_gen_loop {
    struct th_gen_loop *outer;
    th_gen_ins *before;          /* code inserted before it runs before the loop */
    th_gen_label *again, *leave; /* where continue and break go */
    uint64_t *assigned;          /* bit set of locals set in it; NULL: nothing may be moved out */
    uint16_t flags;              /* TH_FACT_ */
    th_gen_hoisted *hoisted;
} th_gen_loop;

typedef struct th_gen {
    th_mem *mem;
    th_arena *arena; /* for the whole run */
    const th_tir_program *program;
    th_builder *builder;
    th_types *types;
    th_gen_facts facts;
    uint32_t *source_index;
    th_status status;
    th_error *err;

    /* -- of the function under way -- */
    th_arena scratch; /* dropped after each */
    th_gen_function *fn;
    th_gen_vreg *vregs;
    size_t nvregs, vregs_capacity;
    th_gen_ins *first, *last; /* MARKs at both ends */
    th_gen_ins *cursor;       /* instructions go after it */
    th_gen_ins *entry;        /* captures are loaded before it */
    th_span span;
    th_gen_scope *scope;
    th_gen_loop *loop;
    th_gen_try *tries, **last_try;
    th_gen_guard *guard;
    uint32_t regions, hoisted, inlined;
    bool fn_region;        /* a region around the whole function is open */
    th_gen_label *restart; /* where a call of itself in tail position goes */
    uint32_t nframes;
    uint32_t *frames;         /* virtual registers of the frame objects */
    th_type_id *frame_types;  /* of each, the TUPLE, */
    th_type_id *frame_fields; /* and of its fields */
    uint32_t *frame_sizes;
    uint32_t hoist_limit; /* registers that may be held for what is moved out of loops */
} th_gen;

/* -- codegen.c -- */
void th_gen_fail(th_gen *g, th_status status); /* first failure stays */
void th_gen_limit(th_gen *g, th_span span, const char *format, ...) TH_PRINTF(3, 4);

/* -- codegen_facts.c -- */
void th_gen_learn(th_gen *g);
void th_gen_learn_node(th_gen *g, const th_tir *node); /* of a tree made while lowering */
const th_gen_fact *th_gen_fact_of(const th_gen *g, const th_tir *node);
/* Sets in `bits` the locals that `node` sets, declarations included. */
void th_gen_assigned(const th_tir *node, uint64_t *bits);
/* s = s + a + b where a and b do not mention s. */
bool th_gen_is_append(const th_tir *set);
bool th_gen_mentions(const th_tir *node, const th_local *local);
/* The leftmost operand when `node` is x + a + b .. on strings, NULL when it is no chain. */
const th_tir *th_gen_string_head(const th_tir *node);
/* Whether it is a builtin that is one instruction; then *op is that. */
bool th_gen_intrinsic(const th_types *types, const th_tir *node, th_op *op);
/* The value of a literal expression. False when it has none (or a trap). */
bool th_gen_fold(const th_gen *g, const th_tir *node, th_tir *out);
bool th_gen_same(const th_tir *a, const th_tir *b); /* equal MOVABLE trees */

/* -- codegen_list.c -- */
uint32_t th_gen_vreg_new(th_gen *g, th_class cls);
th_gen_ins *th_gen_emit(th_gen *g, uint32_t op, uint32_t a, uint32_t b, uint32_t c);
th_gen_ins *th_gen_emit_word(th_gen *g, th_op op, uint32_t a, uint32_t b, uint32_t c, uint32_t word);
th_gen_ins *th_gen_emit_branch(th_gen *g, th_op op, uint32_t a, uint32_t b, uint32_t c, th_gen_label *target);
void th_gen_jump(th_gen *g, th_gen_label *target);
th_gen_label *th_gen_label_new(th_gen *g);
void th_gen_place_label(th_gen *g, th_gen_label *label);
void th_gen_unlink(th_gen *g, th_gen_ins *ins);
void th_gen_tidy(th_gen *g); /* threads jumps, drops what nothing reaches */
/* Operands: virtual registers read (at most 3, besides the group's) and the one written (TH_GEN_NONE: none). */
unsigned th_gen_reads(const th_gen_ins *ins, uint32_t out[3]);
uint32_t th_gen_writes(const th_gen_ins *ins);
bool th_gen_ends(const th_gen_ins *ins); /* never falls through */

/* -- codegen_live.c -- */
void th_gen_live(th_gen *g);

/* -- codegen_regs.c -- */
bool th_gen_assign(th_gen *g); /* false: they do not suffice */

/* -- codegen_tree.c -- */
void th_gen_body(th_gen *g);
void th_gen_void(th_gen *g, const th_tir *node); /* for its effects */
void th_gen_let(th_gen *g, const th_tir *node);
void th_gen_set(th_gen *g, const th_tir *node);
uint32_t th_gen_choice(th_gen *g, const th_tir *node, uint32_t dest); /* IF, SWITCH, TRY, BLOCK as values */

/* -- codegen_expr.c -- */
th_class th_gen_class(const th_gen *g, th_type_id type);
bool th_gen_is_pointer(th_class cls);
th_type_id th_gen_option_of(th_gen *g, th_type_id type);
th_type_id th_gen_cell_type(th_gen *g, const th_local *local, const th_gen_local *facts);
/* The value of `node`: in `dest` when that is given and it must be computed, else where it is already. */
uint32_t th_gen_value(th_gen *g, const th_tir *node, uint32_t dest);
void th_gen_into(th_gen *g, const th_tir *node, uint32_t dest);
uint32_t th_gen_kept(th_gen *g, const th_tir *node, uint32_t dest); /* for a use that keeps a reference */
void th_gen_move(th_gen *g, uint32_t dest, uint32_t from);
uint32_t th_gen_int(th_gen *g, th_class cls, int64_t value, uint32_t dest);
/* Goes to `target` when `node` is `sense`, else on. */
void th_gen_branch(th_gen *g, const th_tir *node, th_gen_label *target, bool sense);
uint32_t th_gen_dest(th_gen *g, uint32_t dest, th_class cls); /* `dest`, or a new one */
uint32_t th_gen_local_vreg(th_gen *g, const th_local *local); /* makes its register */
th_gen_place *th_gen_place_of(th_gen *g, const th_local *local);
void th_gen_new_cell(th_gen *g, const th_local *local, uint32_t value, bool already_option);
th_gen_group *th_gen_group_new(th_gen *g, uint32_t count, bool window, th_class result);
void th_gen_group_class(th_gen *g, th_gen_group *group, uint32_t i, th_class cls);
void th_gen_group_open(th_gen *g, th_gen_group *group);
uint32_t th_gen_append(th_gen *g, uint32_t builder, const th_tir *const *operands, size_t count);
size_t th_gen_string_operands(const th_tir *node, const th_tir **out, size_t limit);
void th_gen_set_fields_start(th_gen *g, th_gen_place *place, const th_tir *made);
void th_gen_trap_text(th_gen *g, th_status status, const char *text);

/* -- codegen_call.c -- */
uint32_t th_gen_call(th_gen *g, const th_tir *node, uint32_t dest); /* CALL, CALL_CLOSURE, CALL_BUILTIN */
uint32_t th_gen_closure(th_gen *g, const th_tir *node, uint32_t dest);
bool th_gen_tail_call(th_gen *g, const th_tir *node); /* as a jump, when it is one of the function to itself */

#endif
