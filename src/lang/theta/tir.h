/*
** tir.h - the typed tree between checker and code generator: names resolved, overloads chosen, generics instantiated,
** patterns, pipelines, string interpolation, table verbs and defaults desugared; every conversion explicit.
** The checker makes only well-typed trees (when it reported no error), the generator trusts them.
** Types are ids in the program builder's th_types. Everything lives in the compilation's arena.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_TIR_H
#define TH_THETA_TIR_H

#include "base/base.h"
#include "base/diag.h"
#include "program/program.h"

typedef struct th_local {
    th_view name; /* may be empty (temporary) */
    th_type_id type;
    bool assigned; /* by TIR_SET somewhere besides its one TIR_LET */
    bool captured; /* by a closure; captured && assigned: lives in a Cell shared by all */
    bool parameter;
    uint32_t index; /* in the function's locals; parameters first, then captures, in order */
} th_local;

typedef enum th_tir_kind {
    /* -- values; every node has a type, void for statements -- */
    TH_TIR_INT,      /* ival: any integer class, enum or bool */
    TH_TIR_FLOAT,    /* fval: f64 or f32 */
    TH_TIR_STRING,   /* text: String or Symbol */
    TH_TIR_NULL,     /* of an OPTION type */
    TH_TIR_LOCAL,    /* local */
    TH_TIR_GLOBAL,   /* index: global */
    TH_TIR_UNARY,    /* op; k0.  NEG (ints wrap to their width, floats), NOT (bool), BNOT */
    TH_TIR_BINARY,   /* op; k0 k1 of equal types.  ADD SUB MUL DIV REM POW AND OR XOR SHL SHR, on any integer type (wraps to
                        its width) or float; ADD on String joins; EQ NE LT LE GT GE on integers, enums, floats, bool, String, Symbol */
    TH_TIR_AND, TH_TIR_OR, /* k0 k1: bool, short-circuit */
    TH_TIR_IF,       /* k0 bool; k1; k2 or NULL (then void).  Branch types equal the node's, or the branch is `never` */
    TH_TIR_SWITCH,   /* k0 integer or enum; then kids: bodies by value 0 .. n-2, the last one for all else */
    TH_TIR_BLOCK,    /* kids; the value is the last kid's (when the type is not void) */
    TH_TIR_LET,      /* local; k0 initial value (NULL: set before use on every path) */
    TH_TIR_SET,      /* local; k0 */
    TH_TIR_GLOBAL_SET, /* index; k0 */
    TH_TIR_FIELD,    /* k0 struct, tuple or Error; index */
    TH_TIR_FIELD_SET,/* k0; index; k1 value */
    TH_TIR_INDEX,    /* k0 list; k1 i64.  Traps outside */
    TH_TIR_INDEX_SET,/* k0 list; k1; k2 value */
    TH_TIR_LIST_PUSH,/* k0 list; k1 value */
    TH_TIR_LIST_POP, /* k0 */
    TH_TIR_LEN,      /* k0 list, dict or String (code points); i64 */
    TH_TIR_DICT_GET, /* k0 dict; k1 key: option of the value type */
    TH_TIR_DICT_GET_OR, /* k0; k1; k2 default, evaluated always: only when it is a constant or a local */
    TH_TIR_DICT_HAS, /* k0; k1: bool */
    TH_TIR_DICT_SET, /* k0; k1; k2 */
    TH_TIR_CALL,     /* index: function; kids: arguments */
    TH_TIR_CALL_CLOSURE, /* k0 closure; then arguments */
    TH_TIR_CALL_BUILTIN, /* text: "String.split"; fntype: concrete FUNCTION type; kids: arguments */
    TH_TIR_CLOSURE,  /* index: function; locals: what it captures, in order (cells for captured && assigned) */
    TH_TIR_STRUCT,   /* kids: the fields in order.  Also TUPLE, by type */
    TH_TIR_LIST,     /* kids: elements */
    TH_TIR_DICT,     /* kids: key, value, key, value .. */
    TH_TIR_SOME,     /* k0 as the node's OPTION type */
    TH_TIR_UNWRAP,   /* k0 option; traps on null */
    TH_TIR_IS_NULL,  /* k0 option: bool */
    TH_TIR_COALESCE, /* k0 option; k1 used when it is null (same type as the node: T or T?) */
    TH_TIR_VARIANT,  /* k0 as alternative `index` of the node's type */
    TH_TIR_VARIANT_TAG, /* k0: i64 */
    TH_TIR_VARIANT_GET, /* k0; index */
    TH_TIR_CONVERT,  /* k0: between numeric types, checked (trap when it does not fit); enum to int, int to enum (checked) */
    /* -- control, of type void unless said -- */
    TH_TIR_WHILE,    /* k0 bool; k1 body; k2 step or NULL (runs after the body and on continue) */
    TH_TIR_FOR_RANGE,/* local (i64, set by the loop); k0 from; k1 to (not included, evaluated once); k2 body */
    TH_TIR_BREAK, TH_TIR_CONTINUE, /* of the innermost loop; never */
    TH_TIR_RETURN,   /* k0 or NULL; never */
    TH_TIR_TRY,      /* k0 body; local: the Error; k1 handler.  Value as IF */
    TH_TIR_THROW,    /* k0 Error; never */
    TH_TIR_TRAP,     /* k0 String message; index: th_status; never */
} th_tir_kind;

typedef enum th_tir_op {
    TH_TIR_NEG, TH_TIR_NOT, TH_TIR_BNOT,
    TH_TIR_ADD, TH_TIR_SUB, TH_TIR_MUL, TH_TIR_DIV, TH_TIR_REM, TH_TIR_POW,
    TH_TIR_BAND, TH_TIR_BOR, TH_TIR_BXOR, TH_TIR_SHL, TH_TIR_SHR,
    TH_TIR_EQ, TH_TIR_NE, TH_TIR_LT, TH_TIR_LE, TH_TIR_GT, TH_TIR_GE
} th_tir_op;

typedef struct th_tir {
    uint8_t kind; /* th_tir_kind */
    uint8_t op;   /* th_tir_op */
    bool never;   /* control does not come out of it; then it stands for a value of any type */
    uint32_t index;
    th_type_id type;
    th_type_id fntype;
    th_span span;
    uint32_t nkids, nlocals;
    struct th_tir **kids;
    th_local *local;
    th_local **locals;
    th_view text;
    int64_t ival;
    double fval;
} th_tir;

typedef struct th_tir_function {
    th_view name;          /* "Trips.gcd" */
    th_type_id type;       /* FUNCTION */
    const th_source *source;
    th_span span;
    th_local **locals;     /* parameters, captures, then all others */
    uint32_t nlocals, nparams, ncaptures;
    th_tir *body;          /* its value is the result */
    th_view export_name;   /* empty: not exported */
    th_view export_alias;  /* "main0"; empty: none */
} th_tir_function;

typedef struct th_tir_global { th_view name; th_type_id type; th_span span; } th_tir_global;

typedef struct th_tir_program {
    th_view name;
    th_builder *builder;   /* its types are used; the generator adds all else */
    th_tir_function **functions; /* CALL and CLOSURE index here */
    uint32_t nfunctions;
    th_tir_global *globals;
    uint32_t nglobals;
    int64_t start;         /* function that sets the globals in order of need, or -1 */
    const th_source **sources;
    uint32_t nsources;
} th_tir_program;

/* Writes the bytecode (codegen.c): register assignment, regions by escape analysis, superinstructions. */
th_status th_theta_generate(th_mem *mem, th_arena *arena, const th_tir_program *program, uint8_t **bytes, size_t *len,
                            th_error *err) TH_CHECKED;
/* An S-expression, for tests. */
void th_tir_print(const th_tir_program *program, th_buf *out);

#endif
