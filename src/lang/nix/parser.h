/*
** parser.h - what the files of the Nix parser share: frames, piles, steps. Private to them.
**
** The parser keeps its own stack: a frame stands for a construct that waits for an expression inside it. It is driven
** by steps: each function does a bounded piece of work and says what comes next. Errors come where a table-driven parser
** of the language's grammar finds them, with the tokens that it would list: those of the innermost construct that cannot
** end.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_PARSER_H
#define TH_NIX_PARSER_H

#include "lang/nix/syntax.h"

typedef enum nix_step {
    NIX_STEP_FAIL,     /* told, or no memory */
    NIX_STEP_DONE,     /* the value is the tree */
    NIX_STEP_FULL,     /* read any expression */
    NIX_STEP_OPERAND,  /* read what an operator may stand before or after */
    NIX_STEP_SIMPLE,   /* read what a selection may begin with */
    NIX_STEP_POSTFIX,  /* the value is one: does a selection follow? */
    NIX_STEP_SELECT,   /* the value is a selection, complete: is it an argument, does one follow? */
    NIX_STEP_OPERATOR, /* the value is a call, complete: does an operator follow? */
    NIX_STEP_WHOLE,    /* the value is an expression that no operator continues */
    NIX_STEP_STRING,   /* read on in a string, indented string, path */
    NIX_STEP_INDENTED,
    NIX_STEP_PATH,
    NIX_STEP_NAME,    /* read a name of an attribute path */
    NIX_STEP_NAMED,   /* a name has been read: what follows? */
    NIX_STEP_BINDING, /* read a binding, or the end of them */
    NIX_STEP_FORMAL,  /* read a formal, or the end of them */
    NIX_STEP_FORMED,  /* a formal has been read: what follows? */
    NIX_STEP_FORMALS, /* all have */
} nix_step;

typedef enum nix_frame_kind {
    NIX_F_TOP,
    NIX_F_PAREN,
    NIX_F_LIST,       /* mark: its elements among the values */
    NIX_F_CALL,       /* left: the function; mark: the arguments among the values */
    NIX_F_UNARY,      /* op, level */
    NIX_F_BINARY,     /* op, level, left */
    NIX_F_PIPE,       /* op, left */
    NIX_F_OR_DEFAULT, /* left: the SELECT that wants it */
    NIX_F_LAMBDA,     /* left: the LAMBDA that wants its body */
    NIX_F_FORMALS,    /* left: the LAMBDA; mark: among the formals; flag: name @ stood before */
    NIX_F_WITH,       /* the set */
    NIX_F_WITH_BODY,  /* left: the set */
    NIX_F_ASSERT,
    NIX_F_ASSERT_BODY,
    NIX_F_IF,
    NIX_F_THEN,     /* left: the condition */
    NIX_F_ELSE,     /* left: the condition, right: then */
    NIX_F_BINDINGS, /* left: the LET, ATTRS or LET_BODY */
    NIX_F_LET_BODY, /* left: the LET */
    NIX_F_VALUE,    /* of a binding; the path is on the pile from mark */
    NIX_F_FROM,     /* inherit ( */
    NIX_F_STRING,   /* mark: its pieces; flag: it is a name of a path */
    NIX_F_INDENTED, /* mark */
    NIX_F_PATH,     /* mark */
    NIX_F_NAMES,    /* an attribute path: mark: its names; op: what for */
    NIX_F_DYNAMIC,  /* ${ in an attribute path */
} nix_frame_kind;

typedef enum nix_names_for { NIX_FOR_SELECT, NIX_FOR_HAS, NIX_FOR_BINDING, NIX_FOR_INHERIT } nix_names_for;

typedef struct nix_frame {
    uint8_t kind;  /* nix_frame_kind */
    uint8_t op;    /* nix_kind of an operator; nix_names_for */
    uint8_t level; /* precedence */
    bool flag;
    uint32_t mark;
    nix_place from;             /* where it begins */
    nix_place inner, inner_end; /* of the operator; of the ${ */
    nix_expr *left, *right;
} nix_frame;

typedef struct nix_piece { /* of a string being read */
    nix_part part;
    bool raw;
} nix_piece;

typedef struct nix_key { /* a binding of a set with many of them; formals have the LAMBDA as their set */
    const nix_expr *set; /* NULL: free */
    nix_name name;
    uint32_t index;
} nix_key;

typedef struct nix_parser {
    nix_lexer lx;
    th_mem *mem;
    th_arena *arena;
    nix_expr *value;
    nix_place value_from;   /* parentheses included */
    const nix_expr *cursed; /* the value is `f or` */
    uint32_t warned;        /* how often about that */
    nix_frame *frames;
    size_t nframes, frames_capacity;
    nix_expr **values;
    size_t nvalues, values_capacity;
    nix_piece *pieces;
    size_t npieces, pieces_capacity;
    nix_attr_name *names;
    size_t nnames, names_capacity;
    nix_formal *formals;
    size_t nformals, formals_capacity;
    nix_key *keys;
    size_t nkeys, keys_capacity; /* a power of 2 */
} nix_parser;

static inline nix_frame *nix_top(nix_parser *p) { return &p->frames[p->nframes - 1]; }
static inline nix_token nix_kind_of(const nix_parser *p) { return p->lx.kind; }
static inline bool nix_failed(const nix_parser *p) { return p->lx.status != TH_OK; }
static inline void nix_advance(nix_parser *p) { nix_lex(&p->lx); }

/* parser.c. All return what means failure (NIX_STEP_FAIL, NULL, false) after telling it. */
nix_step nix_parser_no_memory(nix_parser *p);
/* Reports the token read last; `expecting` may be NULL. */
nix_step nix_unexpected(nix_parser *p, const char *expecting);
nix_frame *nix_push(nix_parser *p, nix_frame_kind kind, nix_place from);
static inline void nix_pop(nix_parser *p) { p->nframes--; }
nix_expr *nix_node(nix_parser *p, nix_kind kind, th_span span);
/* The node becomes the value: it began at `from`. */
nix_step nix_give(nix_parser *p, nix_expr *e, nix_place from, nix_step next);
bool nix_grow(nix_parser *p, void **array, size_t *capacity, size_t needed, size_t item_bytes);

/* parser_text.c: the cursor is after the opening quote, or on the PATH. `name`: as a name of an attribute path. */
nix_step nix_string(nix_parser *p, bool name);
nix_step nix_indented(nix_parser *p);
nix_step nix_parse_path(nix_parser *p);
nix_step nix_string_more(nix_parser *p);
nix_step nix_indented_more(nix_parser *p);
nix_step nix_path_more(nix_parser *p);
/* After the expression of an interpolation. */
nix_step nix_interpolated(nix_parser *p);

/* parser_set.c */
nix_step nix_names(nix_parser *p, nix_names_for what, nix_place from, nix_expr *left);
nix_step nix_name_step(nix_parser *p);
nix_step nix_named_step(nix_parser *p);
/* A name of the path has been read, and the token after it; `name` NULL: `expr` is it, when evaluated. */
nix_step nix_add_name(nix_parser *p, nix_name name, nix_expr *expr, th_span span);
/* After the value in ${ } of a path. */
nix_step nix_dynamic_named(nix_parser *p);
/* Inside the brace, or after `let`. */
nix_step nix_bindings(nix_parser *p, nix_kind kind, bool recursive, nix_place from);
nix_step nix_binding_step(nix_parser *p);
nix_step nix_bound(nix_parser *p);        /* after the value of a binding */
nix_step nix_inherit_from(nix_parser *p); /* after the expression in inherit ( ) */
/* The text of a string without interpolations; false: it is another expression. */
bool nix_literal(const nix_expr *e, th_view *text);
/* No two formals of the LAMBDA have one name, nor that of the argument. */
bool nix_check_formals(nix_parser *p, nix_expr *lambda);

#endif
