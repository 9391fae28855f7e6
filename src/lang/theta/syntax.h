/*
** syntax.h - what the parser's files share: the cursor, errors and recovery, building of nodes. Private to the parser.
**
** Errors: the first error of a construct sets `panic`; until it is cleared nothing is reported or consumed, and every
** function returns at once. It is cleared where the reader can be sure of the place again: at the bracket that closes
*the
** one being parsed, or at the next statement.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_SYNTAX_H
#define TH_THETA_SYNTAX_H

#include "lang/theta/ast.h"
#include "lang/theta/lexer.h"

typedef struct th_parser {
    th_arena *arena;
    th_mem *mem;
    const char *text;
    th_report report;
    th_token *tokens; /* the last is END */
    uint32_t count;
    uint32_t at;
    uint32_t last_end;   /* offset one past the token consumed last */
    uint32_t depth;      /* of the C stack, in nested constructs */
    uint32_t quiet_from; /* see th_tokens */
    bool flat;           /* inside brackets where line ends mean nothing */
    bool no_arrow;       /* in a guard: `->` and `=>` end the expression */
    bool panic;
    bool dead; /* too deep, or no memory: nothing more is parsed */
    bool nomem;
    bool told;     /* the last error was reported, so that a hint may follow */
    bool colon;    /* a block begun with a colon was told */
    bool unclosed; /* a brace was found open at the end */
    bool ended;    /* the first error is that the text ends too early */
    th_ast **kids; /* of the nodes being built */
    size_t nkids, kids_capacity;
    th_ast *hole; /* stands for nodes there is no memory for, and for all after nesting too deep */
} th_parser;

/* ---- Cursor -- */
static inline const th_token *th_cur(const th_parser *p) { return &p->tokens[p->at]; }
static inline th_token_kind th_kind(const th_parser *p) { return (th_token_kind)p->tokens[p->at].kind; }
static inline th_word th_word_at(const th_parser *p) { return (th_word)p->tokens[p->at].word; }
static inline const th_token *th_peek(const th_parser *p, uint32_t ahead) {
    uint32_t i = p->count - 1 - p->at < ahead ? p->count - 1 : p->at + ahead;
    return &p->tokens[i];
}
static inline uint32_t th_here(const th_parser *p) { return p->tokens[p->at].from; }
/* Does a line end before the current token end the expression? */
static inline bool th_line_ends(const th_parser *p) { return p->tokens[p->at].newline && !p->flat; }
static inline bool th_is_name(const th_token *t) {
    return t->kind == TH_TOKEN_NAME && !th_word_reserved((th_word)t->word);
}
th_view th_token_view(const th_parser *p, const th_token *t);
void th_advance(th_parser *p);
bool th_accept(th_parser *p, th_token_kind kind);

/* ---- Errors: all are silent in panic, and leave the parser in panic -- */
void th_error_at(th_parser *p, const th_token *t, const char *format, ...) TH_PRINTF(3, 4);
void th_error_node(th_parser *p, const th_ast *node, const char *format, ...) TH_PRINTF(3, 4);
void th_hint(th_parser *p, const char *text);
/* "expected WANTED, found ..." at the current token. */
void th_expected(th_parser *p, const char *wanted);
bool th_expect(th_parser *p, th_token_kind kind, const char *wanted);
/* Ends a bracketed construct: consumes the partner of the bracket `open`, after an error skipping to it. `wanted` names
*what
** might have stood here instead of another token. */
void th_close(th_parser *p, uint32_t open, const char *wanted);
/* To the next statement; consumes at least one token when the cursor still is at `start`. */
void th_sync(th_parser *p, uint32_t start);
/* Depth: th_enter is false, with an error, when the input is nested too deeply. Each true one needs a th_leave. */
bool th_enter(th_parser *p);
static inline void th_leave(th_parser *p) { p->depth--; }

/* ---- Line rules: saved on entering a bracket, put back on leaving it -- */
typedef struct th_scope {
    bool flat, no_arrow;
} th_scope;
static inline th_scope th_scope_open(th_parser *p, bool flat) {
    th_scope saved = {p->flat, p->no_arrow};
    p->flat = flat;
    p->no_arrow = false;
    return saved;
}
static inline void th_scope_close(th_parser *p, th_scope saved) {
    p->flat = saved.flat;
    p->no_arrow = saved.no_arrow;
}

/* ---- Nodes: never NULL; `to` is the end of the last token consumed -- */
th_ast *th_node(th_parser *p, th_ast_kind kind, uint32_t from, size_t n, th_ast *const *kids);
th_ast *th_leaf(th_parser *p, th_ast_kind kind, uint32_t from, th_view text);
th_ast *th_hole(th_parser *p);
#define TH_NODE(p, kind, from, ...)                                                                                    \
    th_node(p, kind, from, sizeof((th_ast *[]){__VA_ARGS__}) / sizeof(th_ast *), (th_ast *[]){__VA_ARGS__})
/* Kids of unknown number: remember p->nkids, push them, and th_node_of takes them off again. */
void th_push(th_parser *p, th_ast *kid);
th_ast *th_node_of(th_parser *p, th_ast_kind kind, uint32_t from, size_t mark);

/* ---- Hints: parser_hint.c -- */
/* After "expected ...": what the token that was found, or the text around it, is called here. */
void th_hint_unexpected(th_parser *p);
/* A word before the current token that only another language has (`not x`): reports it. */
bool th_foreign_word(th_parser *p);
/* A word of another language that begins a definition: its hint, or NULL. *skip: what follows reads well without it. */
const char *th_foreign_definition(const th_parser *p, bool *skip);
bool th_foreign_prefix(th_view word); /* one of those */
bool th_else_if_word(const th_token *t, th_view word);
const char *th_foreign_block(th_view name); /* of what stands as a call before a block: switch (x) { */
void th_hint_statement(th_parser *p, const th_ast *statement);

/* ---- Lookahead -- */
/* Index of the token after the types of the `<` at token `i`; 0 when no types follow. *kind: what stands there (`>=`
*counts
** as `>` and `=`). */
uint32_t th_after_types(const th_parser *p, uint32_t i, th_token_kind *kind);
/* Index of the token after the type that begins at token `i`; 0: there is none. */
uint32_t th_after_type(const th_parser *p, uint32_t i);
/* Does `Type name` begin here, on one line? */
bool th_c_form_ahead(const th_parser *p);
/* Kind of the token after the partner of the bracket at `i`; END when it has none. */
th_token_kind th_after_bracket(const th_parser *p, uint32_t i);

/* ---- Grammar -- */
typedef enum th_level { TH_LEVEL_FILE, TH_LEVEL_MEMBER, TH_LEVEL_LOCAL } th_level;

th_ast *th_parse_type(th_parser *p);
/* `<T>`, the cursor on the `<`. */
th_ast *th_parse_annotation(th_parser *p);
th_view th_parse_dotted(th_parser *p, const char *wanted);
th_ast *th_parse_pattern(th_parser *p);
th_ast *th_parse_expression(th_parser *p);
th_ast *th_parse_statement(th_parser *p, th_level level);
/* Statements up to a `}` or the end, pushed as kids. */
void th_parse_statements(th_parser *p, th_level level);
/* One that has been parsed: does another one follow properly? Reports when not. */
void th_end_statement(th_parser *p, const th_ast *statement);
th_ast *th_parse_block(th_parser *p, const char *after);
/* `{`: a block, dict or tuple. `body`: `{}` is an empty block, not an empty dict. */
th_ast *th_parse_brace(th_parser *p, bool body);
th_ast *th_parse_branch(th_parser *p);
th_ast *th_parse_condition(th_parser *p);
/* After an expression: `= v`, `+= v`, `++` make a statement of it. */
th_ast *th_parse_assignment(th_parser *p, th_ast *target);
th_ast *th_parse_params(th_parser *p);
th_ast *th_parse_try(th_parser *p);
/* A reserved word before this token can only be meant as a name: a column called match, say. */
bool th_names_before(const th_token *t);
/* Precedence of a binary operator; 0: it is none. */
unsigned th_precedence(th_token_kind kind);

#endif
