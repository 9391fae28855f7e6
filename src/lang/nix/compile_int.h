/*
** compile_int.h - what the files of the compiler share: the state of one compilation, registers, jobs.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_COMPILE_INT_H
#define TH_NIX_COMPILE_INT_H

#include "lang/nix/compiler.h"

#define NIX_REGISTERS  250 /* a function may use */
#define NIX_CROWDED    150 /* from here on an expression that may is compiled to a function of its own */
#define NIX_DEEP       64  /* likewise for levels of nesting within a function */
#define NIX_WINDOW_MAX 40  /* items that are built or passed in registers at once */
#define NIX_NO_NAME    ((th_view){"", 0})

typedef struct nix_job { /* a function to be made */
    nix_expr *expr;
    uint32_t function;
    bool lambda;
    th_view name;
} nix_job;

typedef struct nix_cursor {
    uint32_t line, column;
    size_t byte;
} nix_cursor;

typedef struct nix_compiler {
    nix_source *s;
    th_builder *b;
    th_fn_builder *f;
    th_view base_dir;
    th_lines lines;
    nix_cursor cursor; /* the place of the text that was last looked for */
    nix_job *jobs;
    size_t njobs, jobs_capacity;
    th_view name;        /* of the function at work */
    uint32_t job;        /* serial of the one at work */
    uint32_t top;        /* next free register */
    uint32_t depth;      /* of the walk */
    bool thunk;          /* the function at work is a thunk's (or main's): no parameters */
    nix_var **evaluated; /* log of variables marked as evaluated, to be undone after a branch */
    size_t nevaluated, evaluated_capacity;
    th_type_id types[NIX_WINDOW_MAX + 2]; /* function types by number of parameters, 0: not made */
    uint32_t source_index;                /* + 1 */
    th_status status;
} nix_compiler;

/* compile.c */
void nixc_fail(nix_compiler *c, th_status status);
uint32_t nixc_take(nix_compiler *c);                  /* a new register */
uint32_t nixc_take_many(nix_compiler *c, uint32_t n); /* the first of n consecutive ones */
th_type_id nixc_type(nix_compiler *c, uint32_t nparams);
uint32_t nixc_string(nix_compiler *c, th_view text);
uint32_t nixc_site(nix_compiler *c, nix_name name);
uint32_t nixc_import(nix_compiler *c, const char *name, uint32_t nparams);
void nixc_call_import(nix_compiler *c, const char *name, uint32_t base, uint32_t nargs); /* result in base + 1 */
void nixc_text_to(nix_compiler *c, th_view text, uint32_t sort, uint32_t dst);
void nixc_move(nix_compiler *c, uint32_t dst, uint32_t from);
uint32_t nixc_function_for(nix_compiler *c, nix_expr *e, bool lambda, th_view name); /* declares it and adds the job */
void nixc_bind_register(nix_compiler *c, nix_var *var, uint32_t reg, bool evaluated);
void nixc_mark_evaluated(nix_compiler *c, nix_var *var);
void nixc_unmark(nix_compiler *c, size_t mark);
/* The variable's value into dst, not evaluated. */
void nixc_load(nix_compiler *c, nix_var *var, uint32_t dst);
/* A register that holds it: its own, or a new one. */
uint32_t nixc_hold(nix_compiler *c, nix_var *var);
bool nixc_owns_register(const nix_compiler *c, const nix_var *var);

/* compile_expr.c: r[dst] = the evaluated value; as it is needed for an operand that instructions evaluate themselves; not
** evaluated; as the function's result. */
void nixc_strict_to(nix_compiler *c, nix_expr *e, uint32_t dst);
uint32_t nixc_strict(nix_compiler *c, nix_expr *e);
void nixc_lazy_to(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name);
void nixc_tail(nix_compiler *c, nix_expr *e);
/* Goes to the label when e is `when`, else falls through. */
void nixc_branch(nix_compiler *c, nix_expr *e, bool when, th_label label);
/* r[dst] = a closure (of a LAMBDA) or thunk of e, which captures what it needs. */
void nixc_closure_to(nix_compiler *c, nix_expr *e, uint32_t dst, th_view name);

/* compile_bind.c */
void nixc_bind_let(nix_compiler *c, nix_expr *e); /* the variables of a LET, or of a rec set */
void nixc_attrs_to(nix_compiler *c, nix_expr *e, uint32_t dst);
void nixc_lambda_body(nix_compiler *c, nix_expr *e); /* parameters and formals, then the body */
void nixc_with_scope(nix_compiler *c, nix_expr *e);

#endif
