/*
** syntax.h - what the lexer and the parser of Nix share: tokens, the cursor, the table of names. Private to them.
**
** The lexer is driven by the parser, one token ahead: what follows a quote or a path depends on where the parser is, so
** that texts and paths are read by functions of their own. Invariants:
** 1. `text` is followed by PAD NUL bytes, so that no look-ahead needs a bound; a NUL before `len` is a character.
** 2. The text is read in linear time: a run of characters that a path or URI might begin with is measured once.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_SYNTAX_H
#define TH_NIX_SYNTAX_H

#include "lang/nix/ast.h"

/* name, as errors call it, whether an operand (of a call, in a list) may begin with it */
#define NIX_TOKENS(X)                                                                                                  \
    X(END, "end of file", 0)                                                                                           \
    X(BAD, "invalid token", 0)                                                                                         \
    X(FAILED, "", 0) /* the lexer has told an error */                                                                 \
    X(ID, "identifier", 1)                                                                                             \
    X(STR, "string", 0)                                                                                                \
    X(IND_STR, "indented string", 0)                                                                                   \
    X(INT, "integer", 1)                                                                                               \
    X(FLOAT, "floating-point literal", 1)                                                                              \
    X(PATH, "path", 1)                                                                                                 \
    X(HOME_PATH, "'~/…' path", 1)                                                                                      \
    X(SEARCH_PATH, "'<…>' path", 1)                                                                                    \
    X(PATH_END, "end of path", 0)                                                                                      \
    X(URI, "URI", 1)                                                                                                   \
    X(IF, "'if'", 0)                                                                                                   \
    X(THEN, "'then'", 0)                                                                                               \
    X(ELSE, "'else'", 0)                                                                                               \
    X(ASSERT, "'assert'", 0)                                                                                           \
    X(WITH, "'with'", 0)                                                                                               \
    X(LET, "'let'", 1)                                                                                                 \
    X(IN, "'in'", 0)                                                                                                   \
    X(REC, "'rec'", 1)                                                                                                 \
    X(INHERIT, "'inherit'", 0)                                                                                         \
    X(EQ, "'=='", 0)                                                                                                   \
    X(NE, "'!='", 0)                                                                                                   \
    X(LE, "'<='", 0)                                                                                                   \
    X(GE, "'>='", 0)                                                                                                   \
    X(UPDATE, "'//'", 0)                                                                                               \
    X(CONCAT, "'++'", 0)                                                                                               \
    X(AND, "'&&'", 0)                                                                                                  \
    X(OR, "'||'", 0)                                                                                                   \
    X(IMPLIES, "'->'", 0)                                                                                              \
    X(OR_WORD, "'or'", 0)                                                                                              \
    X(PIPE_LEFT, "'<|'", 0)                                                                                            \
    X(PIPE_RIGHT, "'|>'", 0)                                                                                           \
    X(DOLLAR_BRACE, "'${'", 0)                                                                                         \
    X(IND_OPEN, "start of an indented string", 1)                                                                      \
    X(IND_CLOSE, "end of an indented string", 0)                                                                       \
    X(ELLIPSIS, "'...'", 0)                                                                                            \
    X(LT, "'<'", 0)                                                                                                    \
    X(GT, "'>'", 0)                                                                                                    \
    X(PLUS, "'+'", 0)                                                                                                  \
    X(MINUS, "'-'", 0)                                                                                                 \
    X(STAR, "'*'", 0)                                                                                                  \
    X(SLASH, "'/'", 0)                                                                                                 \
    X(QUESTION, "'?'", 0)                                                                                              \
    X(COLON, "':'", 0)                                                                                                 \
    X(AT, "'@'", 0)                                                                                                    \
    X(SEMICOLON, "';'", 0)                                                                                             \
    X(NOT, "'!'", 0)                                                                                                   \
    X(DOT, "'.'", 0)                                                                                                   \
    X(QUOTE, "'\"'", 1)                                                                                                \
    X(LPAREN, "'('", 1)                                                                                                \
    X(RPAREN, "')'", 0)                                                                                                \
    X(LBRACE, "'{'", 1)                                                                                                \
    X(RBRACE, "'}'", 0)                                                                                                \
    X(LBRACKET, "'['", 1)                                                                                              \
    X(RBRACKET, "']'", 0)                                                                                              \
    X(ASSIGN, "'='", 0)                                                                                                \
    X(COMMA, "','", 0)

typedef enum nix_token {
#define X(name, text, starts) NIX_T_##name,
    NIX_TOKENS(X)
#undef X
} nix_token;

typedef struct nix_place { /* of a character; as th_span counts */
    uint32_t line, column;
} nix_place;

typedef struct nix_word { /* of the table of names; `name` NULL: free */
    nix_name name;
    uint32_t hash;
    uint32_t token; /* ID, or the keyword that it is */
} nix_word;

#define NIX_PAD 8

typedef struct nix_lexer {
    /* the token read last; where the one before it ended */
    nix_token kind;
    uint32_t from, to;
    nix_place start, last_end;
    nix_name name; /* ID, OR_WORD */
    th_view view;  /* STR, IND_STR: escapes resolved; others: as written */
    bool raw;      /* IND_STR: the text itself, so that its spaces are indentation */
    int64_t integer;
    double number;
    /* the cursor */
    const char *text;
    uint32_t len, at;
    uint32_t line;
    uint32_t line_base;  /* offset of the line, and what its characters so far have more of bytes than of columns */
    bool wide;           /* the text is not ASCII */
    uint32_t run_end;    /* characters of paths go on up to here */
    uint32_t scheme_end; /* and those of the word before a URI's colon up to here */
    nix_word *words;
    uint32_t nwords, words_capacity; /* a power of 2 */
    th_mem *mem;
    th_arena *arena; /* the tree's */
    th_diags *diags;
    const char *file;
    const char *given; /* the caller's text, for diagnostics */
    const th_source *source;
    th_status status; /* the first failure */
} nix_lexer;

/* Copies the text into the arena. */
th_status nix_lexer_init(nix_lexer *lx, th_mem *mem, th_arena *arena, const char *file, const char *text, size_t len,
                         th_diags *diags) TH_CHECKED;
void nix_lexer_clear(nix_lexer *lx);

/* Each reads the next token: of an expression; after a quote; after two; after a part of a path (ending in a slash or
** not). */
void nix_lex(nix_lexer *lx);
void nix_lex_string(nix_lexer *lx);
void nix_lex_indented(nix_lexer *lx);
void nix_lex_path(nix_lexer *lx, bool after_slash);

/* NULL: no memory (told in status). */
nix_name nix_intern(nix_lexer *lx, th_view text);

/* An error at a place, as E_SYNTAX; what comes after the first is dropped. */
void nix_error(nix_lexer *lx, th_span span, const char *format, ...) TH_PRINTF(3, 4);
void nix_hint(nix_lexer *lx, const char *format, ...) TH_PRINTF(2, 3);
const th_source *nix_source_of(nix_lexer *lx); /* for diagnostics; may be NULL */

static inline nix_place nix_here(const nix_lexer *lx) { return (nix_place){lx->line, lx->at - lx->line_base + 1}; }
static inline th_span nix_between(nix_place from, nix_place to) {
    return (th_span){from.line, from.column, to.line, to.column};
}
/* Of the token read last, which must not have been followed by another. */
static inline th_span nix_token_span(const nix_lexer *lx) { return nix_between(lx->start, nix_here(lx)); }

const char *nix_token_text(nix_token kind);
bool nix_token_starts(nix_token kind);

#endif
