/*
** compiler.h - what the resolver and the compiler of Nix expressions share.
**
** resolve.c walks the tree once: every variable occurrence is bound to its variable, and every expression that may become
** a function of the program (a thunk or a lambda) gets the list of variables it captures. compile*.c then makes the
** functions one after the other from a queue, so that no walk is deeper than one function; an expression nested too deeply
** inside one function is made a thunk of its own and forced, which bounds the walks within a function as well.
**
** Registers of a function: r2.. are the arguments, then locals and temporaries as a stack. A variable is a register, a
** captured value, or, when its scope has many, a field of an array or record that stands for the scope (its frame).
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_COMPILER_H
#define TH_NIX_COMPILER_H

#include "lang/nix/ast.h"
#include "lang/nix/nix_int.h"
#include "program/program.h"

#define NIX_FRAME_FROM   24 /* a scope of more variables than this is kept in a frame */
#define NIX_OUTLINE_STEP 32 /* every so many levels of nesting an expression may become a function of its own */
#define NIX_MERGED_MAX   16 /* x: y: z: ... of at most so many parameters is one function */

typedef struct nix_var nix_var;
struct nix_var {
    nix_name name;  /* NULL: hidden */
    nix_var *frame; /* it is the field of that variable's array or record */
    uint32_t field; /* its number there */
    uint32_t id;
    uint32_t bound_at; /* closures open when it was bound: those opened later capture it */
    nix_var *shadowed; /* resolver: what its name meant outside */
    nix_expr *lambda;  /* it is bound to this LAMBDA and nothing else */
    /* the compiler's, of the function being made */
    uint32_t job;
    uint8_t where; /* nix_where */
    uint8_t at;
    bool evaluated; /* its register holds an evaluated value */
    uint32_t shape; /* of a frame that is a record: index + 1 in the program */
};
typedef enum nix_where { NIX_NOWHERE, NIX_IN_REGISTER, NIX_IN_CAPTURE } nix_where;

typedef enum nix_ref {
    NIX_REF_NONE,
    NIX_REF_VAR,
    NIX_REF_FIELD,
    NIX_REF_BUILTIN,
    NIX_REF_CONSTANT,
    NIX_REF_WITH
} nix_ref;

typedef struct nix_with {
    nix_var *var;
    struct nix_with *outer;
    uint32_t depth;
} nix_with;

typedef struct nix_info {
    /* VAR, and SELECT of a builtin */
    nix_ref ref;
    nix_var *var;              /* VAR; FIELD: the scope's record */
    const th_builtin *builtin; /* BUILTIN */
    nix_with *with;            /* WITH: innermost scope */
    /* of what may become a function */
    bool closure;
    uint32_t serial;
    nix_var **captures;
    uint32_t ncaptures, captures_capacity;
    /* LET, ATTRS: a variable for each binding (of rec and let), and for each `inherit (from)` */
    nix_var *vars;
    nix_var *hidden;
    nix_expr **hidden_values;
    uint32_t nhidden;
    nix_var *frame; /* or NULL */
    nix_var *scope; /* WITH */
    /* LAMBDA, outermost of a merged chain */
    nix_expr *last;   /* innermost of the chain: its body is the function's */
    nix_var **params; /* arity */
    uint32_t arity;
    nix_var *formals; /* of `last` */
    bool strict_known;
    uint64_t strict; /* parameters that the body evaluates before all else, in this order: 4 bits each, number + 1 */
} nix_info;

static inline nix_info *nix_info_of(const nix_expr *e) { return e->info; }

typedef struct nix_source {
    th_mem *mem;
    th_arena *arena;
    const th_engine *engine;
    const th_source *source; /* for diagnostics */
    th_diags *diags;
    const nix_scope *scope;
    nix_var *scope_var; /* main's parameter, when there is a scope */
} nix_source;

/* resolve.c. E_REFERENCE: diagnostics tell. */
th_status nix_resolve(nix_source *source, nix_expr *root) TH_CHECKED;
bool nix_is_atom(const nix_expr *e); /* evaluates to itself and needs no function: literals */
/* strict.c: fills info->strict of a LAMBDA. */
void nix_find_strict(nix_expr *lambda);

#endif
