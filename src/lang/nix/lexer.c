/*
** lexer.c - cuts Nix source into tokens, one at a time, as the parser asks for them.
** Of the tokens that may begin at a place the longest one is meant; of two as long the keyword. Linear in the text
** whatever it holds (syntax.h, invariant 2). Relies on base alone.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/syntax.h"

#include <stdio.h>

/* ---- Characters --------------------------------------------------------------------------------------------- */

enum { PATH = 1, WORD = 2, SCHEME = 4, URI = 8, DIGIT = 16, LETTER = 32 };

#define ALPHA (PATH | WORD | SCHEME | URI | LETTER)
#define NUM   (PATH | WORD | SCHEME | URI | DIGIT)

static const uint8_t classes[256] = {
    ['a' ... 'z'] = ALPHA,
    ['A' ... 'Z'] = ALPHA,
    ['0' ... '9'] = NUM,
    ['_'] = PATH | WORD | URI,
    ['\''] = WORD | URI,
    ['-'] = PATH | WORD | SCHEME | URI,
    ['.'] = PATH | SCHEME | URI,
    ['+'] = PATH | SCHEME | URI,
    ['%'] = URI,
    ['/'] = URI,
    ['?'] = URI,
    [':'] = URI,
    ['@'] = URI,
    ['&'] = URI,
    ['='] = URI,
    ['$'] = URI,
    [','] = URI,
    ['!'] = URI,
    ['~'] = URI,
    ['*'] = URI,
};

static inline bool is(char c, uint8_t what) { return classes[(uint8_t)c] & what; }

static const char *const token_texts[] = {
#define X(name, text, starts) [NIX_T_##name] = text,
    NIX_TOKENS(X)
#undef X
};

static const bool token_starts[] = {
#define X(name, text, starts) [NIX_T_##name] = starts,
    NIX_TOKENS(X)
#undef X
};

const char *nix_token_text(nix_token kind) { return token_texts[kind]; }
bool nix_token_starts(nix_token kind) { return token_starts[kind]; }

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static void fail(nix_lexer *lx, th_status status) {
    if (!lx->status) lx->status = status;
    lx->kind = NIX_T_FAILED;
}

const th_source *nix_source_of(nix_lexer *lx) {
    if (lx->source) return lx->source;
    th_source *source = th_arena_zeroed(&lx->diags->arena, sizeof *source); /* diagnostics may outlive the tree */
    char *name = th_arena_text(&lx->diags->arena, lx->file, strlen(lx->file));
    if (!source || !name) return NULL;
    *source = (th_source){name, lx->given, lx->len};
    return lx->source = source;
}

void nix_error(nix_lexer *lx, th_span span, const char *format, ...) {
    if (lx->status) return;
    const th_source *source = nix_source_of(lx);
    char *message = NULL;
    th_buf text;
    th_buf_init(&text, lx->mem);
    va_list args;
    va_start(args, format);
    th_buf_vprintf(&text, format, args);
    va_end(args);
    message = text.data;
    if (message) th_diags_add(lx->diags, TH_ERROR, TH_E_SYNTAX, source, span, "%s", message);
    fail(lx, message && !text.failed ? TH_E_SYNTAX : TH_E_NOMEM);
    th_buf_clear(&text);
}

void nix_hint(nix_lexer *lx, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    th_diags_hint(lx->diags, "%s", text);
}

/* ---- Names -------------------------------------------------------------------------------------------------- */

static bool more_words(nix_lexer *lx) {
    uint32_t capacity = lx->words_capacity ? lx->words_capacity * 2 : 256;
    nix_word *words = th_mem_zeroed(lx->mem, capacity * sizeof *words);
    if (!words) return false;
    for (uint32_t i = 0; i < lx->words_capacity; i++) {
        if (!lx->words[i].name) continue;
        uint32_t slot = lx->words[i].hash & (capacity - 1);
        while (words[slot].name) slot = (slot + 1) & (capacity - 1);
        words[slot] = lx->words[i];
    }
    th_mem_free(lx->mem, lx->words, lx->words_capacity * sizeof *words);
    lx->words = words;
    lx->words_capacity = capacity;
    return true;
}

static nix_word *find_word(nix_lexer *lx, th_view text) {
    if (lx->nwords >= lx->words_capacity / 2 && !more_words(lx)) return NULL;
    uint32_t hash = (uint32_t)th_hash_bytes(text.data, text.len, 0), mask = lx->words_capacity - 1, i = hash & mask;
    for (; lx->words[i].name; i = (i + 1) & mask)
        if (lx->words[i].hash == hash && th_view_eq(th_view_str(lx->words[i].name), text)) return &lx->words[i];
    th_str *name = th_arena_new(lx->arena, sizeof *name + text.len + 1);
    if (!name) return NULL;
    name->len = (uint32_t)text.len;
    if (text.len) memcpy(name->bytes, text.data, text.len);
    name->bytes[text.len] = '\0';
    lx->words[i] = (nix_word){name, hash, NIX_T_ID};
    lx->nwords++;
    return &lx->words[i];
}

nix_name nix_intern(nix_lexer *lx, th_view text) {
    nix_word *word = find_word(lx, text);
    if (!word) return fail(lx, TH_E_NOMEM), NULL;
    return word->name;
}

/* ---- Beginning and end -------------------------------------------------------------------------------------- */

static bool has_wide(const char *text, size_t len) {
    uint64_t seen = 0, word;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        memcpy(&word, text + i, 8);
        seen |= word;
    }
    for (; i < len; i++) seen |= (uint8_t)text[i];
    return seen & UINT64_C(0x8080808080808080);
}

th_status nix_lexer_init(nix_lexer *lx, th_mem *mem, th_arena *arena, const char *file, const char *text, size_t len,
                         th_diags *diags) {
    static const struct {
        const char *word;
        nix_token token;
    } keywords[] = {
        {"if", NIX_T_IF},           {"then", NIX_T_THEN},  {"else", NIX_T_ELSE}, {"assert", NIX_T_ASSERT},
        {"with", NIX_T_WITH},       {"let", NIX_T_LET},    {"in", NIX_T_IN},     {"rec", NIX_T_REC},
        {"inherit", NIX_T_INHERIT}, {"or", NIX_T_OR_WORD},
    };
    *lx = (nix_lexer){.mem = mem,
                      .arena = arena,
                      .file = file,
                      .given = text,
                      .diags = diags,
                      .line = 1,
                      .start = {1, 1},
                      .last_end = {1, 1}};
    if (len > TH_STR_MAX) {
        nix_error(lx, (th_span){1, 1, 1, 1}, "the file is too large: %zu bytes", len);
        return lx->status = TH_E_LIMIT;
    }
    lx->len = (uint32_t)len;
    char *copy = th_arena_new(arena, len + NIX_PAD);
    if (!copy) return lx->status = TH_E_NOMEM;
    if (len) memcpy(copy, text, len);
    memset(copy + len, 0, NIX_PAD);
    lx->text = copy;
    lx->wide = has_wide(copy, len);
    for (size_t i = 0; i < TH_COUNT(keywords); i++) {
        nix_word *word = find_word(lx, th_view_of(keywords[i].word));
        if (!word) return lx->status = TH_E_NOMEM;
        word->token = keywords[i].token;
    }
    return TH_OK;
}

void nix_lexer_clear(nix_lexer *lx) {
    th_mem_free(lx->mem, lx->words, lx->words_capacity * sizeof *lx->words);
    lx->words = NULL;
    lx->words_capacity = 0;
}

/* ---- The cursor --------------------------------------------------------------------------------------------- */

/* Moves it over text that may have line ends and characters of several bytes. */
static void move_over(nix_lexer *lx, uint32_t to) {
    const char *text = lx->text, *end = text + to;
    uint32_t line = lx->at, code; /* where the last line begins, or what there is of it */
    for (const char *p = text + line; p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++) {
        lx->line++;
        lx->line_base = line = (uint32_t)(p + 1 - text);
    }
    lx->at = to;
    if (!lx->wide) return;
    while (line < to) {
        size_t n = (uint8_t)text[line] < 0x80 ? 1 : th_utf8_decode(text, to, line, &code);
        lx->line_base += (uint32_t)n - 1;
        line += (uint32_t)n;
    }
}

/* A token of ASCII on one line. */
static inline void take(nix_lexer *lx, nix_token kind, uint32_t to) {
    lx->kind = kind;
    lx->to = lx->at = to;
}

static void take_view(nix_lexer *lx, nix_token kind, uint32_t to) {
    lx->view = (th_view){lx->text + lx->from, to - lx->from};
    take(lx, kind, to);
}

/* Begins a token here. */
static inline void begin(nix_lexer *lx) {
    lx->from = lx->at;
    lx->start = nix_here(lx);
}

static void unterminated(nix_lexer *lx, const char *what, const char *end) {
    nix_place start = nix_here(lx);
    nix_error(lx, nix_between(start, (nix_place){start.line, start.column + 1}), "unterminated %s", what);
    nix_hint(lx, "%s is missing before the end of the file", end);
}

/* Skips spaces and comments; false: a comment has no end. */
static bool skip(nix_lexer *lx) {
    const char *text = lx->text;
    for (;;) {
        char c = text[lx->at];
        if (c == ' ' || c == '\t' || c == '\r') {
            lx->at++;
        } else if (c == '\n') {
            lx->line_base = ++lx->at;
            lx->line++;
        } else if (c == '#') {
            uint32_t to = lx->at;
            while (text[to] != '\n' && text[to] != '\r' && to < lx->len) to++;
            lx->wide ? move_over(lx, to) : (void)(lx->at = to);
        } else if (c == '/' && text[lx->at + 1] == '*') {
            const char *p = text + lx->at + 2, *end = text + lx->len;
            while (p < end && (p = memchr(p, '*', (size_t)(end - p))) && p[1] != '/') p++;
            if (!p || p >= end) return unterminated(lx, "comment", "*/"), false;
            move_over(lx, (uint32_t)(p + 2 - text));
        } else {
            return true;
        }
    }
}

/* ---- Paths and URIs ----------------------------------------------------------------------------------------- */

static uint32_t run_end(nix_lexer *lx, uint32_t at) {
    if (at < lx->run_end) return lx->run_end;
    while (is(lx->text[at], PATH)) at++;
    return lx->run_end = at;
}

/* A segment has ended before the slash at `at`; goes on over whole segments, and one slash at the end. */
static uint32_t segments_end(nix_lexer *lx, uint32_t at) {
    const char *text = lx->text;
    while (text[at] == '/' && is(text[at + 1], PATH)) at = run_end(lx, at + 1);
    return text[at] == '/' ? at + 1 : at;
}

/* Where the path that begins at `from` ends, or 0; of a/b/${c} only the text before the interpolation. */
static uint32_t path_end(nix_lexer *lx, uint32_t from) {
    const char *text = lx->text;
    uint32_t at = is(text[from], PATH) ? run_end(lx, from) : from;
    if (text[at] != '/') return 0;
    if (is(text[at + 1], PATH)) return segments_end(lx, at);
    return text[at + 1] == '$' && text[at + 2] == '{' ? at + 1 : 0;
}

static uint32_t uri_end(nix_lexer *lx, uint32_t from) {
    const char *text = lx->text;
    uint32_t at = from;
    if (at < lx->scheme_end) {
        at = lx->scheme_end;
    } else {
        while (is(text[at], SCHEME)) at++;
        lx->scheme_end = at;
    }
    if (text[at] != ':' || !is(text[at + 1], URI)) return 0;
    while (is(text[at + 1], URI)) at++;
    return at + 1;
}

static uint32_t search_path_end(const nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at + 1;
    for (;; at++) {
        if (!is(text[at], PATH)) return 0;
        while (is(text[at], PATH)) at++;
        if (text[at] == '>') return at + 1;
        if (text[at] != '/') return 0;
    }
}

static bool take_path(nix_lexer *lx) {
    uint32_t end = path_end(lx, lx->at);
    if (end) take_view(lx, NIX_T_PATH, end);
    return end;
}

void nix_lex_path(nix_lexer *lx, bool after_slash) {
    const char *text = lx->text;
    nix_place last = lx->start;
    lx->last_end = nix_here(lx);
    begin(lx);
    if (text[lx->at] == '$' && text[lx->at + 1] == '{') return take(lx, NIX_T_DOLLAR_BRACE, lx->at + 2);
    uint32_t end = is(text[lx->at], PATH) ? run_end(lx, lx->at) : lx->at;
    if (text[end] == '/') end = segments_end(lx, end);
    if (end > lx->at) return take_view(lx, NIX_T_STR, end);
    if (!after_slash) return take(lx, NIX_T_PATH_END, lx->at);
    nix_place place = lx->at < lx->len ? lx->start : last;
    nix_error(lx, nix_between(place, place), "path has a trailing slash");
}

/* ---- Names and numbers -------------------------------------------------------------------------------------- */

static void lex_word(nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at + 1, end;
    while (is(text[at], WORD)) at++;
    char c = text[at];
    if (c == '.' || c == '/' || c == '+' || c == ':') { /* it may be the first part of something longer */
        if (take_path(lx)) return;
        end = is(text[lx->at], LETTER) ? uri_end(lx, lx->at) : 0;
        if (end) return take_view(lx, NIX_T_URI, end);
    }
    nix_word *word = find_word(lx, (th_view){text + lx->at, at - lx->at});
    if (!word) return fail(lx, TH_E_NOMEM);
    lx->name = word->name;
    take(lx, (nix_token)word->token, at);
}

static void bad_number(nix_lexer *lx, const char *kind, uint32_t to) {
    uint32_t n = to - lx->from;
    lx->at = to;
    nix_error(lx, nix_token_span(lx), "invalid %s '%.*s%s'", kind, (int)(n > 60 ? 60 : n), lx->text + lx->from,
              n > 60 ? "..." : "");
    if (*kind == 'i')
        nix_hint(lx, "integers go up to 9223372036854775807");
    else
        nix_hint(lx, "it does not fit in 64 bits of floating point");
}

static void lex_int(nix_lexer *lx, uint32_t to) {
    th_view digits = {lx->text + lx->from, to - lx->from};
    if (!th_parse_i64(digits, &lx->integer)) return bad_number(lx, "integer", to);
    take_view(lx, NIX_T_INT, to);
}

/* The digits after the point have been read up to `at`. Too small for a normal number is an error as too large is. */
static void lex_float(nix_lexer *lx, uint32_t at) {
    const char *text = lx->text;
    if (text[at] == 'e' || text[at] == 'E') {
        uint32_t digits = at + 1;
        if (text[digits] == '+' || text[digits] == '-') digits++;
        if (is(text[digits], DIGIT)) {
            while (is(text[digits], DIGIT)) digits++;
            at = digits;
        }
    }
    bool zero = true;
    for (uint32_t i = lx->from; i < at && text[i] != 'e' && text[i] != 'E'; i++)
        if (text[i] >= '1' && text[i] <= '9') zero = false;
    if (!th_parse_f64((th_view){text + lx->from, at - lx->from}, &lx->number) || (!zero && lx->number < 0x1p-1022))
        return bad_number(lx, "float", at);
    take_view(lx, NIX_T_FLOAT, at);
}

static void lex_number(nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at + 1;
    while (is(text[at], DIGIT)) at++;
    if ((is(text[at], PATH) || text[at] == '/') && take_path(lx)) return;
    bool whole = text[lx->at] != '0', lone_zero = !whole && at == lx->at + 1;
    /* 1. and 1.5 and 0.5 are numbers; 0. and 00.5 are not */
    if (text[at] != '.' || !(whole || (lone_zero && is(text[at + 1], DIGIT)))) return lex_int(lx, at);
    at++;
    while (is(text[at], DIGIT)) at++;
    lex_float(lx, at);
}

static void lex_dot(nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at + 1;
    if (take_path(lx)) return;
    if (is(text[at], DIGIT)) {
        while (is(text[at], DIGIT)) at++;
        return lex_float(lx, at);
    }
    if (text[at] == '.' && text[at + 1] == '.') return take(lx, NIX_T_ELLIPSIS, at + 2);
    take(lx, NIX_T_DOT, at);
}

static void lex_bad(nix_lexer *lx) {
    uint32_t code;
    size_t n = th_utf8_decode(lx->text, lx->len, lx->at, &code);
    lx->line_base += (uint32_t)n - 1;
    take_view(lx, NIX_T_BAD, lx->at + (uint32_t)n);
}

static void lex_tilde(nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at + 1;
    if (text[at] != '/') return lex_bad(lx);
    if (is(text[at + 1], PATH)) return take_view(lx, NIX_T_HOME_PATH, segments_end(lx, at));
    if (text[at + 1] == '$' && text[at + 2] == '{') return take_view(lx, NIX_T_HOME_PATH, at + 1);
    lex_bad(lx);
}

/* ---- Expressions -------------------------------------------------------------------------------------------- */

static void lex_quotes(nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at + 2;
    if (text[lx->at + 1] != '\'') return lex_bad(lx);
    while (text[at] == ' ') at++;
    if (text[at] != '\n')
        return take(lx, NIX_T_IND_OPEN, lx->at + 2); /* a line of spaces after the quotes is no text */
    lx->kind = NIX_T_IND_OPEN;
    lx->at = lx->to = lx->line_base = at + 1;
    lx->line++;
}

/* One character, or two when `next` follows. */
static inline void one_or_two(nix_lexer *lx, nix_token one, char next, nix_token two) {
    if (lx->text[lx->at + 1] == next) return take(lx, two, lx->at + 2);
    one == NIX_T_BAD ? lex_bad(lx) : take(lx, one, lx->at + 1);
}

static void lex_less(nix_lexer *lx) {
    uint32_t end = search_path_end(lx);
    if (end) {
        lx->view = (th_view){lx->text + lx->at + 1, end - lx->at - 2};
        return take(lx, NIX_T_SEARCH_PATH, end);
    }
    if (lx->text[lx->at + 1] == '|') return take(lx, NIX_T_PIPE_LEFT, lx->at + 2);
    one_or_two(lx, NIX_T_LT, '=', NIX_T_LE);
}

static void lex_pipe(nix_lexer *lx) {
    if (lx->text[lx->at + 1] == '>') return take(lx, NIX_T_PIPE_RIGHT, lx->at + 2);
    one_or_two(lx, NIX_T_BAD, '|', NIX_T_OR);
}

void nix_lex(nix_lexer *lx) {
    const char *text = lx->text;
    lx->last_end = nix_here(lx);
    if (!skip(lx)) return;
    begin(lx);
    char c = text[lx->at];
    if (is(c, LETTER) || c == '_') return lex_word(lx);
    switch (c) {
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return lex_number(lx);
    case '.': return lex_dot(lx);
    case '~': return lex_tilde(lx);
    case '-':
        if (take_path(lx)) return;
        return one_or_two(lx, NIX_T_MINUS, '>', NIX_T_IMPLIES);
    case '+':
        if (take_path(lx)) return;
        return one_or_two(lx, NIX_T_PLUS, '+', NIX_T_CONCAT);
    case '/':
        if (take_path(lx)) return;
        return one_or_two(lx, NIX_T_SLASH, '/', NIX_T_UPDATE);
    case '<': return lex_less(lx);
    case '|': return lex_pipe(lx);
    case '\'': return lex_quotes(lx);
    case '=': return one_or_two(lx, NIX_T_ASSIGN, '=', NIX_T_EQ);
    case '!': return one_or_two(lx, NIX_T_NOT, '=', NIX_T_NE);
    case '>': return one_or_two(lx, NIX_T_GT, '=', NIX_T_GE);
    case '&': return one_or_two(lx, NIX_T_BAD, '&', NIX_T_AND);
    case '$': return one_or_two(lx, NIX_T_BAD, '{', NIX_T_DOLLAR_BRACE);
    case '*': return take(lx, NIX_T_STAR, lx->at + 1);
    case '?': return take(lx, NIX_T_QUESTION, lx->at + 1);
    case ':': return take(lx, NIX_T_COLON, lx->at + 1);
    case '@': return take(lx, NIX_T_AT, lx->at + 1);
    case ';': return take(lx, NIX_T_SEMICOLON, lx->at + 1);
    case ',': return take(lx, NIX_T_COMMA, lx->at + 1);
    case '"': return take(lx, NIX_T_QUOTE, lx->at + 1);
    case '(': return take(lx, NIX_T_LPAREN, lx->at + 1);
    case ')': return take(lx, NIX_T_RPAREN, lx->at + 1);
    case '{': return take(lx, NIX_T_LBRACE, lx->at + 1);
    case '}': return take(lx, NIX_T_RBRACE, lx->at + 1);
    case '[': return take(lx, NIX_T_LBRACKET, lx->at + 1);
    case ']': return take(lx, NIX_T_RBRACKET, lx->at + 1);
    case '\0':
        if (lx->at == lx->len) return take(lx, NIX_T_END, lx->at);
        return lex_bad(lx);
    default: return lex_bad(lx);
    }
}

/* ---- Strings ------------------------------------------------------------------------------------------------ */

static char escaped(char c) { return c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c; }

/* Resolves escapes, and makes line feeds of CR and CR LF, from `from` to `to`; false: no memory. */
static bool unescape(nix_lexer *lx, uint32_t from, uint32_t to) {
    const char *text = lx->text;
    char *out = th_arena_new(lx->arena, to - from), *end = out;
    if (!out) return fail(lx, TH_E_NOMEM), false;
    for (uint32_t i = from; i < to;) {
        char c = text[i++];
        if (c == '\\') {
            *end++ = escaped(text[i++]);
        } else if (c == '\r') {
            *end++ = '\n';
            if (text[i] == '\n') i++;
        } else {
            *end++ = c;
        }
    }
    lx->view = (th_view){out, (size_t)(end - out)};
    return true;
}

/* Text has been read up to `to`. */
static void take_text(nix_lexer *lx, nix_token kind, uint32_t to) {
    const char *nul = to == lx->from ? NULL : memchr(lx->text + lx->from, '\0', to - lx->from);
    move_over(lx, to);
    lx->kind = kind;
    lx->to = to;
    if (!nul) return;
    nix_error(lx, nix_token_span(lx), "the string contains a null byte, which no Nix string can hold");
}

void nix_lex_string(nix_lexer *lx) {
    const char *text = lx->text;
    lx->last_end = nix_here(lx);
    begin(lx);
    uint32_t at = lx->at;
    bool plain = true;
    for (;; at++) {
        char c = text[at];
        if (c == '"') break;
        if (c == '\r') {
            plain = false;
        } else if (c == '\\') {
            plain = false;
            at++;
        } else if (c == '$') {
            if (text[at + 1] == '{') break;
            if (text[at + 1] != '"' && text[at + 1] != '\\' && text[at + 1] != '\r')
                at++; /* $$ is no beginning of ${ */
        }
        if (at >= lx->len) return take(lx, NIX_T_END, lx->len);
    }
    if (at > lx->at) {
        if (plain)
            lx->view = (th_view){text + lx->at, at - lx->at};
        else if (!unescape(lx, lx->at, at))
            return;
        return take_text(lx, NIX_T_STR, at);
    }
    text[at] == '"' ? take(lx, NIX_T_QUOTE, at + 1) : take(lx, NIX_T_DOLLAR_BRACE, at + 2);
}

/* What stands for one or two characters that could not be written as they are. */
static void take_escape(nix_lexer *lx, const char *meaning, uint32_t bytes) {
    lx->raw = false;
    lx->view = th_view_of(meaning);
    take(lx, NIX_T_IND_STR, lx->at + bytes);
}

/* Two quotes: the end, or an escape. */
static void lex_two_quotes(nix_lexer *lx) {
    const char *text = lx->text;
    uint32_t at = lx->at;
    if (text[at + 2] == '$') return take_escape(lx, "$", 3);
    if (text[at + 2] == '\'') return take_escape(lx, "''", 3);
    if (text[at + 2] != '\\' || at + 3 >= lx->len) return take(lx, NIX_T_IND_CLOSE, at + 2);
    char *out = th_arena_new(lx->arena, 1);
    if (!out) return fail(lx, TH_E_NOMEM);
    *out = escaped(text[at + 3]);
    lx->raw = false;
    lx->view = (th_view){out, 1};
    take_text(lx, NIX_T_IND_STR, at + 4);
}

void nix_lex_indented(nix_lexer *lx) {
    const char *text = lx->text;
    lx->last_end = nix_here(lx);
    begin(lx);
    uint32_t at = lx->at;
    for (; at < lx->len; at++) {
        if (text[at] != '$' && text[at] != '\'') continue;
        char next = text[at + 1];
        if (next == '\'' || next == (text[at] == '$' ? '{' : '$') || at + 1 >= lx->len) break;
        at++; /* $$ is no beginning of ${, nor is the quote of '' the next one of '} */
    }
    if (at > lx->at) {
        lx->raw = true;
        lx->view = (th_view){text + lx->at, at - lx->at};
        return take_text(lx, NIX_T_IND_STR, at);
    }
    if (at >= lx->len) return take(lx, NIX_T_END, at);
    if (text[at] == '\'' && text[at + 1] == '\'') return lex_two_quotes(lx);
    if (text[at] == '$' && text[at + 1] == '{') return take(lx, NIX_T_DOLLAR_BRACE, at + 2);
    take_escape(lx, text[at] == '$' ? "$" : "'", 1);
}
