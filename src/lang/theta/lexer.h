/*
** lexer.h - Theta source as an array of tokens, with brackets and type arguments already paired.
** The whole text is cut up before it is parsed, so that the parser can look from an opening bracket to what follows its
** closing one in constant time: that is how it tells `(a, b) -> ..` from `(a)`, and `x<T> = ..` from `x < T`.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_THETA_LEXER_H
#define TH_THETA_LEXER_H

#include "lang/theta/ast.h"

/* Words with a meaning of their own. Up to TH_WORD_NULL they are reserved; the others mean something only where a plain
** name could not stand. */
typedef enum th_word {
    TH_WORD_NONE,
    TH_WORD_LINK,
    TH_WORD_CAPSULE,
    TH_WORD_IF,
    TH_WORD_ELSE,
    TH_WORD_STRUCT,
    TH_WORD_ENUM,
    TH_WORD_RETURN,
    TH_WORD_WHILE,
    TH_WORD_FOR,
    TH_WORD_BREAK,
    TH_WORD_CONTINUE,
    TH_WORD_MATCH,
    TH_WORD_TRUE,
    TH_WORD_FALSE,
    TH_WORD_NULL,
    TH_WORD_IN,
    TH_WORD_TRY,
    TH_WORD_CATCH,
    TH_WORD_FINALLY,
    TH_WORD_THROW,
} th_word;

#define TH_NO_PARTNER 0u

typedef struct th_token {
    uint8_t kind; /* th_token_kind */
    uint8_t word; /* th_word, of a NAME */
    bool newline; /* a line ended between the token before and this one */
    uint32_t from;
    /* Of brackets and `<`: the index of the partner, plus one in closing brackets; TH_NO_PARTNER: it has none. A `<`
    ** has one when a well-formed list of types and its `>` follow. Of all others: the offset one past the last byte. */
    uint32_t to;
} th_token;

/* The last token is always END. Owned by `mem`. */
typedef struct th_tokens {
    th_mem *mem;
    th_token *items;
    size_t count, capacity;
    bool unfinished;     /* the text ends inside a bracket, string or comment, and more text could make it right */
    uint32_t quiet_from; /* from here on a missing quote makes nonsense of what follows; UINT32_MAX: all is well */
} th_tokens;

/* Reports problems in a text, and stays silent where they would only follow from others. */
typedef struct th_report {
    th_arena *arena;
    const th_source *source;
    th_diags *diags;
    th_lines lines; /* built when the first problem is told */
    size_t errors;  /* told or swallowed */
    bool nomem;
} th_report;

void th_report_add(th_report *report, th_severity severity, size_t from, size_t to, const char *format, ...)
    TH_PRINTF(5, 6);
void th_report_hint(th_report *report, const char *text);
th_span th_report_span(th_report *report, size_t from, size_t to);

/* Bad characters are reported and become BAD tokens, about which the parser says nothing more. */
th_status th_theta_lex(th_mem *mem, th_report *report, th_tokens *out) TH_CHECKED;
void th_tokens_clear(th_tokens *tokens);

/* One past the last byte of a token. */
static inline uint32_t th_token_end(const th_token *t) {
    bool paired = t->kind == TH_TOKEN_LT || (t->kind >= TH_TOKEN_LPAREN && t->kind <= TH_TOKEN_RBRACE);
    return paired ? t->from + 1 : t->to;
}
static inline bool th_word_reserved(th_word word) { return word != TH_WORD_NONE && word <= TH_WORD_NULL; }

/* Resolves the escapes of string text (the source between the quotes, at `from`); reports bad ones. */
th_view th_theta_unescape(th_report *report, size_t from, size_t to);

#endif
