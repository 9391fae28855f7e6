/*
** ast.h - what the parser makes of a Theta source: a tree of uniform nodes, untyped, names unresolved.
** Lives in one arena, given by the caller; texts are borrowed from the source or lie in the arena.
**
** Depth: no path from the root to a leaf has more than TH_AST_MAX_DEPTH nodes, chains such as a + b + c .. and else-if
** included; the parser reports what is deeper and cuts it off with an ERROR node. So a pass may recurse once per level:
** with up to 6 KiB of C stack a level it stays within 8 MiB. Chains of more than 32 `&&` or `||` arrive balanced (both
** are associative and still evaluate from left to right), so that thousands of them fit.
**
** Kids: a kind whose kids are named k0 k1 .. has exactly these slots; a slot marked `?` is there and may be NULL. No
** other kid is ever NULL. `from` and `to` span the whole construct.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_AST_H
#define TH_THETA_AST_H

#include "base/base.h"
#include "base/diag.h"

#define TH_AST_MAX_DEPTH 1000

/* kind: what `text`, `op`, `flags` and the kids k0 k1 .. mean. `?` may be NULL. */
typedef enum th_ast_kind {
    /* -- files -- */
    TH_AST_FILE,       /* kids: links, capsules, and (REPL, query, eval) bare statements and expressions */
    TH_AST_LINK,       /* text: dotted name */
    TH_AST_CAPSULE,    /* text: dotted name; kids: members */
    /* -- definitions: capsule members or statements -- */
    TH_AST_BINDING,    /* text: name; k0 type?; k1 value.  x<T> = v, x = v.  Whether `x = v` defines or assigns, the checker decides */
    TH_AST_PATTERN_BINDING, /* k0 pattern, k1 value.  [a, b] = xs;  { x, y } = p */
    TH_AST_VARIABLE,   /* C form: text: name; k0 type; k1 value?.  i64 x = 1 */
    TH_AST_FUNCTION,   /* C form: text: name; k0 result type; k1 PARAMS; k2 BLOCK.  i64 f(i64 a) { } */
    TH_AST_STRUCT,     /* text: name; kids: FIELDs */
    TH_AST_ENUM,       /* text: name; kids: SYMBOLs (members) */
    TH_AST_FIELD,      /* text: name; k0 type; k1 default? */
    /* -- types -- */
    TH_AST_TYPE,       /* text: name (dotted); kids: arguments.  flags: TH_AST_OPTIONAL for T? */
    /* -- functions -- */
    TH_AST_LAMBDA,     /* k0 PARAMS; k1 body (expression or BLOCK); k2 result type? */
    TH_AST_PARAMS,     /* kids: PARAM */
    TH_AST_PARAM,      /* text: name; k0 type?; k1 default?; flags: TH_AST_C_FORM (mutable inside) */
    /* -- statements -- */
    TH_AST_BLOCK,      /* kids: statements; the last is the value */
    TH_AST_ASSIGN,     /* op: TH_TOKEN_ASSIGN, PLUS_ASSIGN ...; k0 target (NAME, INDEX, MEMBER); k1 value */
    TH_AST_INCREMENT,  /* op: INCREMENT or DECREMENT; k0 target.  x++, ++x as statements */
    TH_AST_WHILE,      /* k0 condition; k1 body */
    TH_AST_FOR,        /* k0 init?; k1 condition?; k2 step?; k3 body */
    TH_AST_FOR_IN,     /* k0 pattern (BIND with type?, or destructuring); k1 iterable; k2 body.  for (k, v in dict): TUPLE_PATTERN */
    TH_AST_BREAK, TH_AST_CONTINUE,
    TH_AST_RETURN,     /* k0 value? */
    TH_AST_TRY,        /* k0 BLOCK; text: error name (may be empty); k1 handler BLOCK? (NULL: only finally); k2 finally BLOCK? */
    TH_AST_THROW,      /* k0 value (a String or an Error) */
    /* Bodies and branches (of IF, WHILE, FOR, CASE) are a BLOCK, an expression or any one statement. IF, MATCH, TRY, BLOCK,
    ** RETURN, BREAK, CONTINUE and THROW may stand wherever an expression may: `x ?? return 0`, `y = try { f() } catch { 1 }`.
    ** A lambda's body may also be an ASSIGN, BINDING or INCREMENT: each(x -> total += x). */
    /* -- expressions -- */
    TH_AST_NAME,       /* text; a TABLE verb's column or a variable */
    TH_AST_INT,        /* text as written: 12, 1_000, 0xff, 0b1; no sign */
    TH_AST_FLOAT,      /* text: 1.5, 5., 1e9 */
    TH_AST_STRING,     /* text: the value, escapes resolved (in the arena) */
    TH_AST_INTERPOLATION, /* kids: STRING, expression, STRING, .. STRING: always in turn, empty STRINGs included.  'a ${x} b' */
    TH_AST_SYMBOL,     /* text without the colon */
    TH_AST_TRUE, TH_AST_FALSE, TH_AST_NULL,
    TH_AST_UNARY,      /* op: MINUS NOT TILDE; k0 */
    TH_AST_BINARY,     /* op; k0 k1.  AND_AND and OR_OR too, and COALESCE (??) */
    TH_AST_PIPE,       /* k0 => k1.  `v => + 'b'` arrives as BINARY; `v => f` as PIPE to NAME f. k1 ends at its first call:
                          `v => f(a) + 2` is BINARY of PIPE and 2, `v => f(a).x` MEMBER of PIPE; `v => A.f(b)` PIPE to CALL */
    TH_AST_CALL,       /* k0 callee; then arguments (each an expression or NAMED) */
    TH_AST_NAMED,      /* text: name; k0 value.  derive(per_km: fare / km) */
    TH_AST_INDEX,      /* k0[k1] */
    TH_AST_MEMBER,     /* k0.text; flags: TH_AST_OPTIONAL for ?.; text may be digits: t.0 is a tuple's first */
    TH_AST_IF,         /* k0 condition; k1 then; k2 else? */
    TH_AST_MATCH,      /* k0 subject; kids after it: CASEs */
    TH_AST_CASE,       /* k0 pattern; k1 guard?; k2 body */
    TH_AST_LIST,       /* kids */
    TH_AST_DICT,       /* kids: NAMED (symbol keys: { a: 1 }, { :a: 1 }) and PAIR; may be empty: {} where a value stands */
    TH_AST_PAIR,       /* k0 key expression; k1 value.  { 'a': 1, [k]: 2 } */
    TH_AST_TUPLE,      /* kids: two or more.  { a, b } */
    TH_AST_STRUCT_LITERAL, /* text: type name; k0 spread? ; kids after it: NAMED.  @P { x: 1 }, @P { ...p, x: 1 }; @P { x } is x: x */
    TH_AST_RANGE,      /* k0 .. k1 (end not included) */
    /* -- patterns -- */
    TH_AST_WILDCARD,   /* _ */
    TH_AST_BIND,       /* text: name; k0 type? (in match: the alternative of a Variadic, or a test); `_<T>` has the text "_" (a test
                          that binds nothing); flags: TH_AST_C_FORM for `T name` */
    TH_AST_LITERAL_PATTERN, /* k0 literal (INT FLOAT STRING SYMBOL TRUE FALSE NULL, sign folded as UNARY) or MEMBER (an enum's) or RANGE */
    TH_AST_LIST_PATTERN,   /* kids: patterns; a REST may stand anywhere once.  [first, ...rest] */
    TH_AST_REST,       /* text: name, may be empty */
    TH_AST_TUPLE_PATTERN,  /* kids: patterns */
    TH_AST_FIELDS_PATTERN, /* text: struct name, may be empty; kids: FIELD_PATTERN.  { x, y: 0 }, @Point { x } ; also for dicts.
                          { a, b } of names alone is this too; against a tuple it goes by position. { :ok, v } is a TUPLE_PATTERN */
    TH_AST_FIELD_PATTERN,  /* text: field; k0 pattern? (NULL: bind the field's name) */
    TH_AST_OR_PATTERN, /* kids: patterns.  1 | 2 */
    TH_AST_ERROR,      /* a hole where a syntax error was reported; types as anything */
} th_ast_kind;

enum { TH_AST_OPTIONAL = 1, TH_AST_C_FORM = 2, TH_AST_PARENTHESISED = 4 };

typedef struct th_ast {
    uint8_t kind; /* th_ast_kind */
    uint8_t op;   /* th_token_kind of an operator */
    uint8_t flags;
    uint32_t nkids;
    uint32_t from, to; /* byte offsets in the source */
    th_view text;
    struct th_ast **kids;
} th_ast;

/* Operators and all other tokens; the lexer's enum (lexer.h has the rest). */
typedef enum th_token_kind {
    TH_TOKEN_END, TH_TOKEN_NEWLINE, TH_TOKEN_NAME, TH_TOKEN_INT, TH_TOKEN_FLOAT, TH_TOKEN_STRING, TH_TOKEN_SYMBOL, TH_TOKEN_BAD,
    TH_TOKEN_PLUS, TH_TOKEN_MINUS, TH_TOKEN_STAR, TH_TOKEN_SLASH, TH_TOKEN_PERCENT, TH_TOKEN_POWER, /* + - * / % ** */
    TH_TOKEN_EQ, TH_TOKEN_NE, TH_TOKEN_LT, TH_TOKEN_LE, TH_TOKEN_GT, TH_TOKEN_GE,
    TH_TOKEN_AND_AND, TH_TOKEN_OR_OR, TH_TOKEN_NOT, TH_TOKEN_AMPERSAND, TH_TOKEN_BAR, TH_TOKEN_CARET, TH_TOKEN_TILDE,
    TH_TOKEN_SHL, TH_TOKEN_SHR, TH_TOKEN_COALESCE, /* << >> ?? */
    TH_TOKEN_ASSIGN, TH_TOKEN_PLUS_ASSIGN, TH_TOKEN_MINUS_ASSIGN, TH_TOKEN_STAR_ASSIGN, TH_TOKEN_SLASH_ASSIGN, TH_TOKEN_PERCENT_ASSIGN,
    TH_TOKEN_INCREMENT, TH_TOKEN_DECREMENT,
    TH_TOKEN_ARROW, TH_TOKEN_PIPE, TH_TOKEN_QUESTION, TH_TOKEN_QUESTION_DOT, TH_TOKEN_DOT, TH_TOKEN_DOT_DOT, TH_TOKEN_ELLIPSIS, /* -> => ? ?. . .. ... */
    TH_TOKEN_COMMA, TH_TOKEN_COLON, TH_TOKEN_SEMICOLON, TH_TOKEN_AT,
    TH_TOKEN_LPAREN, TH_TOKEN_RPAREN, TH_TOKEN_LBRACKET, TH_TOKEN_RBRACKET, TH_TOKEN_LBRACE, TH_TOKEN_RBRACE,
    TH_TOKEN_AMPERSAND_ASSIGN, TH_TOKEN_BAR_ASSIGN, TH_TOKEN_CARET_ASSIGN, TH_TOKEN_SHL_ASSIGN, TH_TOKEN_SHR_ASSIGN, TH_TOKEN_POWER_ASSIGN,
    TH_TOKEN_STRING_HEAD, TH_TOKEN_STRING_PART, TH_TOKEN_STRING_TAIL, /* 'a ${  } b ${  } c' */
} th_token_kind;

/* Parses a whole text. Never fails on bad input: errors go to `diags` (several, with recovery) and leave ERROR nodes.
** TH_E_NOMEM is the one failure. `source` must outlive the tree. In `interactive` mode *incomplete is set when the text ends
** inside an open bracket, string, comment or after an operator (the REPL asks for more); it may be NULL. */
th_status th_theta_parse(th_arena *arena, const th_source *source, th_diags *diags, bool *incomplete, th_ast **out) TH_CHECKED;
/* An S-expression of the tree, for tests and `theta check --parse-only --ast`. */
void th_ast_print(const th_ast *ast, th_buf *out);
/* How a kind and an operator are written: "for-in"; "+=". Never NULL. */
const char *th_ast_kind_text(th_ast_kind kind);
const char *th_token_text(th_token_kind kind);
/* NULL: no memory. A deep copy (for instances of generic functions). */
th_ast *th_ast_clone(th_arena *arena, const th_ast *ast);

#endif
