/*
** ast.h - the syntax tree of a Nix expression, between the parser, the printer, the resolver and the compiler.
**
** Nodes live in the arena that the parse was given; nothing is freed by itself. The tree may be as deep as the input makes it:
** walks over it keep their own stack (none recurses in C). Names are interned per tree, so that equal names are equal
** pointers. The parser has merged nested attribute paths (`a.b = 1; a.c = 2;`), refused duplicates, and removed the common
** indentation of '' strings, so that what is left is what it means.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_AST_H
#define TH_NIX_AST_H

#include "base/base.h"
#include "base/diag.h"

typedef struct nix_expr nix_expr;
typedef const th_str *nix_name; /* interned in the tree */

typedef enum nix_kind {
    NIX_INT, NIX_FLOAT,
    NIX_STRING,      /* parts: literal text and interpolations; no part: "" */
    NIX_PATH,        /* parts; the first is literal text as written ("./a", "/b", "~/c"), more when it has ${ } */
    NIX_SEARCH_PATH, /* <text> */
    NIX_VAR,
    NIX_CUR_POS,     /* __curPos */
    NIX_SELECT,      /* left . path [or right] */
    NIX_HAS,         /* left ? path */
    NIX_LAMBDA,
    NIX_CALL,        /* left applied to items, in order; f a b is one CALL with two */
    NIX_LET, NIX_ATTRS /* rec or not */, NIX_LET_BODY /* let { ... body = ...; }: an ATTRS with `recursive`, selecting body */,
    NIX_LIST,        /* items */
    NIX_WITH,        /* with left; right */
    NIX_ASSERT,      /* assert left; right */
    NIX_IF,          /* if left then right else third */
    NIX_NOT, NIX_NEGATE,             /* left */
    NIX_EQ, NIX_NE, NIX_LT, NIX_LE, NIX_GT, NIX_GE, NIX_AND, NIX_OR, NIX_IMPLIES,
    NIX_UPDATE, NIX_CONCAT, NIX_ADD, NIX_SUB, NIX_MUL, NIX_DIV, /* left, right */
    NIX_PIPE_RIGHT, NIX_PIPE_LEFT    /* a |> f and f <| a: left, right as written */
} nix_kind;

typedef struct nix_part { /* of a string, path or attribute path */
    nix_expr *expr;       /* the interpolation, or NULL */
    th_view text;         /* the literal, escapes resolved */
    th_span span;
} nix_part;

typedef struct nix_attr_name { /* one step of an attribute path */
    nix_name name;  /* NULL: dynamic */
    nix_expr *expr; /* the dynamic name: what is in ${ }, or a NIX_STRING with interpolations */
    th_span span;
} nix_attr_name;

typedef struct nix_binding { /* of a set or let, in order of writing; names are unique */
    nix_name name;
    nix_expr *value;      /* for `inherit a`: NULL, it is the variable of the surrounding scope */
    nix_expr *from;       /* for `inherit (from) a`: the shared expression; bindings of one clause have the same pointer */
    bool inherited;       /* inherit a, or inherit (from) a */
    th_span span;         /* of the name */
} nix_binding;

typedef struct nix_dynamic { /* ${name} = value; */
    nix_expr *name;
    nix_expr *value;
    th_span span;
} nix_dynamic;

typedef struct nix_formal {
    nix_name name;
    nix_expr *fallback; /* or NULL */
    th_span span;
} nix_formal;

struct nix_expr {
    nix_kind kind;
    bool recursive;        /* ATTRS: rec */
    bool ellipsis;         /* LAMBDA: { ... } */
    bool has_formals;      /* LAMBDA: { } pattern, even when empty */
    bool indented;         /* STRING: written with '' '' */
    th_span span;          /* of the whole, but for operators, calls and selections: see `at` */
    th_span at;            /* the place errors name: the operator; the function of a call; else as `span` */
    int64_t integer;       /* INT */
    double number;         /* FLOAT */
    th_view text;          /* SEARCH_PATH, and INT and FLOAT as written */
    nix_name name;         /* VAR; LAMBDA: the argument (x: or @x), or NULL */
    nix_expr *left, *right, *third; /* SELECT: right is the default, or NULL. LAMBDA, LET: right is the body */
    nix_part *parts;               uint32_t nparts;
    nix_attr_name *path;           uint32_t npath;
    nix_expr **items;              uint32_t nitems;    /* LIST, CALL */
    nix_binding *bindings;         uint32_t nbindings; /* LET, ATTRS */
    nix_dynamic *dynamics;         uint32_t ndynamics; /* ATTRS */
    nix_formal *formals;           uint32_t nformals;  /* LAMBDA, in order of writing */
    void *info;            /* the resolver's */
};

/* Parses one expression, the whole of `text`. `file` is for diagnostics; `base_dir` is not needed here: paths stay as
** written. False: `diags` tells (error positions as C++ Nix gives them: the unexpected token). Any input, any depth. The tree may
** keep pointers into `text`. `trusted` may be NULL. */
th_status nix_parse(th_mem *mem, th_arena *arena, const char *file, const char *text, size_t len, th_diags *diags,
                    nix_expr **out) TH_CHECKED;
/* As `nix-instantiate --parse` of current C++ Nix prints it (attributes sorted by name, strings escaped, everything in
** parentheses). `base_dir` resolves relative paths. */
th_status nix_print_ast(th_mem *mem, const nix_expr *expr, th_view base_dir, th_buf *out) TH_CHECKED;

#endif
