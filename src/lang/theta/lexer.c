/*
** lexer.c - cuts Theta source into tokens and pairs brackets.
** Linear in the text whatever it holds: NULs, ill-formed UTF-8, unbalanced quotes. Relies on base alone.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/lexer.h"

#include "base/unicode.h"

#include <stdio.h>

/* ---- Reports ------------------------------------------------------------------------------------------------ */

th_span th_report_span(th_report *report, size_t from, size_t to) {
    if (!report->lines.starts &&
        th_lines_init(&report->lines, report->arena, report->source->text, report->source->len)) {
        report->nomem = true;
        return (th_span){0};
    }
    return th_lines_span(&report->lines, from, to);
}

void th_report_add(th_report *report, th_severity severity, size_t from, size_t to, const char *format, ...) {
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (severity == TH_ERROR) report->errors++;
    th_span span = th_report_span(report, from, to);
    th_diags_add(report->diags, severity, TH_E_SYNTAX, report->source, span, "%s", message);
}

void th_report_hint(th_report *report, const char *text) { th_diags_hint(report->diags, "%s", text); }

/* ---- The cursor --------------------------------------------------------------------------------------------- */

/* An open `${`: where its string began and how many braces were open around it. */
typedef struct opening {
    uint32_t string_from;
    uint32_t braces;
} opening;

typedef struct lexer {
    th_report *report;
    th_tokens *out;
    const char *text;
    uint32_t len, at;
    bool newline;
    bool nomem;
    uint32_t braces;      /* open in the innermost `${` */
    uint32_t tall_string; /* where the first string of several lines began, or UINT32_MAX */
    opening *openings;
    size_t depth, capacity;
} lexer;

static int peek(const lexer *lx, uint32_t ahead) {
    return lx->at + ahead < lx->len ? (uint8_t)lx->text[lx->at + ahead] : -1;
}

static void emit(lexer *lx, th_token_kind kind, uint32_t from) {
    th_tokens *out = lx->out;
    if (out->count == out->capacity) {
        void *items = out->items;
        if (th_mem_grow(out->mem, &items, &out->capacity, out->count + 1, sizeof *out->items)) {
            lx->nomem = true;
            return;
        }
        out->items = items;
    }
    out->items[out->count++] = (th_token){(uint8_t)kind, TH_WORD_NONE, lx->newline, from, lx->at};
    lx->newline = false;
}

static void fail(lexer *lx, uint32_t from, uint32_t to, const char *message, const char *hint) {
    th_report_add(lx->report, TH_ERROR, from, to, "%s", message);
    if (hint) th_report_hint(lx->report, hint);
}

/* ---- Spaces and comments ------------------------------------------------------------------------------------ */

static void skip_line(lexer *lx) {
    const char *end = memchr(lx->text + lx->at, '\n', lx->len - lx->at);
    lx->at = end ? (uint32_t)(end - lx->text) : lx->len;
}

static bool is_operand_end(const th_tokens *tokens) {
    if (tokens->count == 0) return false;
    switch (tokens->items[tokens->count - 1].kind) {
    case TH_TOKEN_NAME:
    case TH_TOKEN_INT:
    case TH_TOKEN_FLOAT:
    case TH_TOKEN_RPAREN:
    case TH_TOKEN_RBRACKET: return true;
    default: return false;
    }
}

static void unterminated_comment(lexer *lx, uint32_t from, bool nested) {
    fail(lx, from, from + 2, "this comment is never closed", NULL);
    bool line_begin = lx->newline || lx->out->count == 0;
    int next = from + 2 < lx->len ? (uint8_t)lx->text[from + 2] : -1;
    bool division = !line_begin && is_operand_end(lx->out) && next != ' ' && next != '\n' && next != '\r';
    if (division)
        th_report_hint(lx->report, "'/-' opens a comment; to divide by a negative number write '/ -'");
    else if (nested)
        th_report_hint(lx->report, "comments nest: each '/-' needs its own '-/'");
    else
        th_report_hint(lx->report, "a comment ends with '-/'");
    lx->out->unfinished = true;
}

static void skip_comment(lexer *lx) {
    uint32_t from = lx->at, depth = 1;
    bool nested = false, lines = false;
    lx->at += 2;
    while (depth && lx->at < lx->len) {
        if (peek(lx, 0) == '-' && peek(lx, 1) == '/') {
            depth--;
            lx->at += 2;
        } else if (peek(lx, 0) == '/' && peek(lx, 1) == '-') {
            nested = true;
            depth++;
            lx->at += 2;
        } else {
            lines |= peek(lx, 0) == '\n';
            lx->at++;
        }
    }
    if (depth) unterminated_comment(lx, from, nested);
    lx->newline |= lines;
}

static void skip_foreign_comment(lexer *lx) {
    uint32_t from = lx->at;
    const char *end = memmem(lx->text + from + 2, lx->len - from - 2, "*/", 2);
    fail(lx, from, from + 2, "'/*' does not open a comment",
         "a comment is written '/- ... -/', or '// ...' to the line's end");
    lx->at = end ? (uint32_t)(end - lx->text) + 2 : from + 2;
    lx->newline |= end && memchr(lx->text + from, '\n', lx->at - from);
}

/* Spaces beyond ASCII: what an editor or a web page may slip in. */
static uint32_t wide_space(const lexer *lx) {
    uint32_t code;
    size_t used = th_utf8_decode(lx->text, lx->len, lx->at, &code);
    return (used > 1 && th_unicode_is_space(code)) || code == 0xfeff ? (uint32_t)used : 0;
}

static void skip_spaces(lexer *lx) {
    for (;;) {
        int c = peek(lx, 0);
        if (c == '\n') {
            lx->newline = true;
            lx->at++;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
            lx->at++;
        } else if (c == '/' && peek(lx, 1) == '/') {
            skip_line(lx);
        } else if (c == '/' && peek(lx, 1) == '-') {
            skip_comment(lx);
        } else if (c == '/' && peek(lx, 1) == '*') {
            skip_foreign_comment(lx);
        } else if (c >= 0x80 && wide_space(lx)) {
            lx->at += wide_space(lx);
        } else {
            return;
        }
    }
}

/* ---- Names, numbers, symbols -------------------------------------------------------------------------------- */

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_ascii_name(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c); }

/* Bytes of the name character at the cursor, 0 when there is none. Beyond ASCII letters, marks, numbers and signs such
** as emoji are, punctuation and mathematical operators are not. */
static uint32_t name_bytes(const lexer *lx) {
    int c = peek(lx, 0);
    if (c < 0x80) return c >= 0 && is_ascii_name(c);
    uint32_t code;
    size_t used = th_utf8_decode(lx->text, lx->len, lx->at, &code);
    if (used == 1) return 1; /* ill-formed: reported for the whole text already */
    const char *category = th_unicode_category(code);
    bool joiner = code == 0x200c || code == 0x200d;
    bool good = joiner || category[0] == 'L' || category[0] == 'M' || category[0] == 'N' ||
                (category[0] == 'S' && category[1] != 'm') || (category[0] == 'P' && category[1] == 'c');
    return good ? (uint32_t)used : 0;
}

static void skip_name(lexer *lx) {
    uint32_t used;
    while ((used = name_bytes(lx)) != 0) lx->at += used;
}

static th_word word_of(const char *text, size_t len) {
    static const char *const words[] = {"",       "link",  "capsule", "if",    "else",     "struct",  "enum",
                                        "return", "while", "for",     "break", "continue", "match",   "true",
                                        "false",  "null",  "in",      "try",   "catch",    "finally", "throw"};
    if (len < 2 || len > 8) return TH_WORD_NONE;
    for (size_t i = 1; i < TH_COUNT(words); i++)
        if (words[i][0] == text[0] && strlen(words[i]) == len && memcmp(words[i], text, len) == 0) return (th_word)i;
    return TH_WORD_NONE;
}

static void lex_name(lexer *lx) {
    uint32_t from = lx->at;
    skip_name(lx);
    emit(lx, TH_TOKEN_NAME, from);
    if (!lx->nomem) lx->out->items[lx->out->count - 1].word = (uint8_t)word_of(lx->text + from, lx->at - from);
}

/* A name in backticks: any text of one line, for columns and fields whose names are no words. It has no escapes. */
static void lex_quoted_name(lexer *lx) {
    uint32_t from = lx->at++;
    while ((peek(lx, 0) >= ' ' || peek(lx, 0) == '\t') && peek(lx, 0) != '`') lx->at++;
    bool closed = peek(lx, 0) == '`', empty = lx->at == from + 1;
    if (closed) lx->at++;
    if (closed && !empty) {
        emit(lx, TH_TOKEN_NAME, from);
        return;
    }
    if (!closed) lx->at = from + 1;
    fail(lx, from, lx->at, closed ? "a name in backticks is not empty" : "this name is never closed",
         "strings are written with single quotes: 'text'");
    if (!closed) skip_line(lx);
    emit(lx, TH_TOKEN_BAD, from);
}

static bool is_hex(int c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
static bool is_bit(int c) { return c == '0' || c == '1'; }

/* Digits with single underscores between them; false when there is none or an underscore stands wrong. */
static bool skip_digits(lexer *lx, bool (*accepts)(int)) {
    if (!accepts(peek(lx, 0))) return false;
    for (;;) {
        while (accepts(peek(lx, 0))) lx->at++;
        if (peek(lx, 0) != '_') return true;
        if (!accepts(peek(lx, 1))) return false;
        lx->at++;
    }
}

static bool exponent_ahead(const lexer *lx) {
    if (peek(lx, 0) != 'e' && peek(lx, 0) != 'E') return false;
    return is_digit(peek(lx, 1)) || ((peek(lx, 1) == '+' || peek(lx, 1) == '-') && is_digit(peek(lx, 2)));
}

/* After the whole part: a point belongs to the number unless it begins a range or a member's name. */
static bool lex_fraction(lexer *lx, bool *is_float) {
    bool good = true;
    uint32_t point = lx->at;
    if (peek(lx, 0) == '.' && peek(lx, 1) != '.') {
        lx->at++;
        if (is_digit(peek(lx, 0)))
            good = skip_digits(lx, is_digit);
        else if (name_bytes(lx) && !exponent_ahead(lx))
            lx->at = point;
        *is_float = lx->at != point;
    }
    if (good && exponent_ahead(lx)) {
        lx->at += is_digit(peek(lx, 1)) ? 1 : 2;
        good = skip_digits(lx, is_digit);
        *is_float = true;
    }
    return good;
}

static void bad_number(lexer *lx, uint32_t from) {
    uint32_t end = lx->at;
    skip_name(lx);
    int c = (uint8_t)lx->text[from], next = from + 1 < lx->len ? (uint8_t)lx->text[from + 1] : -1;
    int shown = lx->at - from > 40 ? 40 : (int)(lx->at - from);
    th_report_add(lx->report, TH_ERROR, from, lx->at, "'%.*s' is no number", shown, lx->text + from);
    if (c == '0' && (next == 'o' || next == 'O'))
        th_report_hint(lx->report, "numbers are decimal, hexadecimal (0xff) or binary (0b101)");
    else if (lx->text[end] == '_')
        th_report_hint(lx->report, "'_' stands between two digits");
    else if (c == '0' && (next == 'x' || next == 'b'))
        th_report_hint(lx->report, next == 'x' ? "digits 0-9 and a-f follow 0x" : "digits 0 and 1 follow 0b");
    else if (lx->text[end] == 'e' || lx->text[end] == 'E')
        th_report_hint(lx->report, "digits follow the exponent's 'e'");
    else
        th_report_hint(lx->report, "a name cannot begin with a digit");
    emit(lx, TH_TOKEN_BAD, from);
}

static void lex_number(lexer *lx) {
    uint32_t from = lx->at;
    const th_tokens *out = lx->out;
    bool after_dot = out->count && out->items[out->count - 1].kind == TH_TOKEN_DOT; /* t.0.1 */
    bool good, is_float = false;
    int next = peek(lx, 1);
    if (peek(lx, 0) == '0' && (next == 'x' || next == 'b')) {
        lx->at += 2;
        good = skip_digits(lx, next == 'x' ? is_hex : is_bit);
    } else {
        good = skip_digits(lx, is_digit);
        if (good && !after_dot) good = lex_fraction(lx, &is_float);
    }
    if (!good || name_bytes(lx))
        bad_number(lx, from);
    else
        emit(lx, is_float ? TH_TOKEN_FLOAT : TH_TOKEN_INT, from);
}

/* `:name` is a symbol, except right after a name, a string or `]`, where it is the colon of `{ a:b }`. */
static bool symbol_ahead(lexer *lx) {
    uint32_t from = lx->at++;
    bool named = name_bytes(lx) != 0;
    lx->at = from;
    const th_tokens *out = lx->out;
    if (!named || out->count == 0) return named;
    const th_token *last = &out->items[out->count - 1];
    bool adjacent = th_token_end(last) == from;
    bool key = last->kind == TH_TOKEN_NAME || last->kind == TH_TOKEN_STRING || last->kind == TH_TOKEN_RBRACKET ||
               last->kind == TH_TOKEN_SYMBOL;
    return !adjacent || !key || th_word_reserved(last->word);
}

static void lex_colon(lexer *lx) {
    uint32_t from = lx->at;
    bool symbol = symbol_ahead(lx);
    lx->at++;
    if (symbol) skip_name(lx);
    emit(lx, symbol ? TH_TOKEN_SYMBOL : TH_TOKEN_COLON, from);
}

/* ---- Strings ------------------------------------------------------------------------------------------------ */

static bool push_opening(lexer *lx, uint32_t string_from) {
    void *openings = lx->openings;
    if (th_mem_grow(lx->out->mem, &openings, &lx->capacity, lx->depth + 1, sizeof *lx->openings)) return false;
    lx->openings = openings;
    lx->openings[lx->depth++] = (opening){string_from, lx->braces};
    lx->braces = 0;
    return true;
}

static uint32_t line_of(lexer *lx, uint32_t at) { return th_report_span(lx->report, at, at).line; }

/* With an odd quote in the file every later string is inside out: the first one that spans lines is the likely culprit,
*and
** what the parser would say from there on is noise. */
static void unterminated_string(lexer *lx, uint32_t from) {
    fail(lx, from, from + 1, "this string is never closed", NULL);
    uint32_t culprit = lx->tall_string < from ? lx->tall_string : from;
    if (culprit < from) {
        char hint[120];
        th_span span = th_report_span(lx->report, culprit, culprit + 1);
        snprintf(hint, sizeof hint,
                 "the string that begins at %u:%u spans several lines: is its closing quote missing?",
                 (unsigned)span.line, (unsigned)span.column);
        th_report_hint(lx->report, hint);
    } else if (lx->depth && from > lx->openings[lx->depth - 1].string_from &&
               line_of(lx, lx->openings[lx->depth - 1].string_from) == line_of(lx, from)) {
        th_report_hint(lx->report, "it begins inside '${': is the '}' missing before it?");
    } else {
        th_report_hint(lx->report, "close it with ', and write a quote inside a string as \\'");
    }
    if (lx->depth && lx->openings[0].string_from < culprit) culprit = lx->openings[0].string_from;
    if (culprit < lx->out->quiet_from) lx->out->quiet_from = culprit;
    lx->out->unfinished = true;
}

/* Text up to the closing quote or the next `${`. `string_from`: the opening quote; `from`: the quote or `}` before it.
 */
static void lex_string_text(lexer *lx, uint32_t string_from, uint32_t from, bool head) {
    bool tall = false;
    for (;;) {
        int c = peek(lx, 0);
        if (c < 0) {
            lx->at = lx->len;
            unterminated_string(lx, string_from);
            emit(lx, TH_TOKEN_BAD, from);
            return;
        }
        lx->at++;
        if (c == '\'') break;
        if (c == '\n') tall = true;
        if (c == '\\' && lx->at < lx->len) {
            tall |= peek(lx, 0) == '\n';
            lx->at++;
        }
        if (c == '$' && peek(lx, 0) == '{') {
            lx->at++;
            if (!push_opening(lx, string_from)) lx->nomem = true;
            emit(lx, head ? TH_TOKEN_STRING_HEAD : TH_TOKEN_STRING_PART, from);
            if (tall && string_from < lx->tall_string) lx->tall_string = string_from;
            return;
        }
    }
    if (tall && string_from < lx->tall_string) lx->tall_string = string_from;
    emit(lx, head ? TH_TOKEN_STRING : TH_TOKEN_STRING_TAIL, from);
}

static void lex_string(lexer *lx) {
    uint32_t from = lx->at++;
    lex_string_text(lx, from, from, true);
}

/* A `}` that closes a `${`: the string goes on. */
static void resume_string(lexer *lx) {
    opening o = lx->openings[--lx->depth];
    lx->braces = o.braces;
    uint32_t from = lx->at++;
    lex_string_text(lx, o.string_from, from, false);
}

static void lex_foreign_string(lexer *lx) {
    uint32_t from = lx->at;
    char quote = lx->text[lx->at++];
    while (peek(lx, 0) >= 0 && peek(lx, 0) != '\n' && peek(lx, 0) != quote)
        lx->at += peek(lx, 0) == '\\' && lx->at + 1 < lx->len && peek(lx, 1) != '\n' ? 2 : 1;
    bool closed = peek(lx, 0) == quote;
    lx->at = closed ? lx->at + 1 : from + 1;
    char message[48];
    snprintf(message, sizeof message, "%c does not open a string", quote);
    fail(lx, from, lx->at, message, "strings are written with single quotes: 'text'");
    if (!closed) skip_line(lx);
    emit(lx, closed ? TH_TOKEN_STRING : TH_TOKEN_BAD, from);
}

/* ---- Escapes ------------------------------------------------------------------------------------------------ */

static unsigned hex_value(int c) { return (unsigned)(is_digit(c) ? c - '0' : (c | 32) - 'a' + 10); }

/* \xNN and \u{N...} at `at` (the letter). Returns the bytes after the backslash, 0 when malformed. */
static size_t code_escape(const char *text, size_t at, size_t to, uint32_t *code) {
    if (text[at] == 'x') {
        if (at + 2 >= to || !is_hex((uint8_t)text[at + 1]) || !is_hex((uint8_t)text[at + 2])) return 0;
        *code = hex_value(text[at + 1]) * 16 + hex_value(text[at + 2]);
        return 3;
    }
    size_t i = at + 1;
    if (i >= to || text[i] != '{') return 0;
    *code = 0;
    for (i++; i < to && is_hex((uint8_t)text[i]); i++) {
        *code = *code * 16 + hex_value(text[i]);
        if (*code > 0x10ffff) return 0;
    }
    return i < to && text[i] == '}' && i > at + 2 ? i - at + 1 : 0;
}

static void bad_escape(th_report *report, size_t from, char letter) {
    size_t used = 1;
    uint32_t code;
    if (from + 1 < report->source->len)
        used = th_utf8_decode(report->source->text, report->source->len, from + 1, &code);
    if (letter == 'x' || letter == 'u') {
        th_report_add(report, TH_ERROR, from, from + 2, "'\\%c' is not followed by a character's number", letter);
        th_report_hint(report, letter == 'x' ? "write two hexadecimal digits: \\x41"
                                             : "write a code point of Unicode in braces: \\u{1F600}");
        return;
    }
    if (letter > ' ' && letter < 0x7f)
        th_report_add(report, TH_ERROR, from, from + 2, "unknown escape '\\%c'", letter);
    else
        th_report_add(report, TH_ERROR, from, from + 1 + used, "unknown escape");
    th_report_hint(report,
                   "the escapes are \\n \\t \\r \\0 \\\\ \\' \\$ \\xNN \\u{...}; a backslash itself is written \\\\");
}

/* Writes what the escape at text[at] (a backslash) stands for; returns the bytes it takes in the source. */
static size_t put_escape(th_report *report, size_t at, size_t to, char *out, size_t *len) {
    static const char letters[] = "ntr\\'$0", values[] = "\n\t\r\\'$\0";
    const char *text = report->source->text;
    char letter = at + 1 < to ? text[at + 1] : '\0';
    const char *found = at + 1 < to && letter ? strchr(letters, letter) : NULL;
    if (found) {
        out[(*len)++] = values[found - letters];
        return 2;
    }
    uint32_t code = 0;
    size_t used = letter == 'x' || letter == 'u' ? code_escape(text, at + 1, to, &code) : 0;
    char bytes[4];
    size_t n = used ? th_utf8_encode(code, bytes) : 0;
    if (n == 0) {
        bad_escape(report, at, letter);
        return at + 1 < to ? 2 : 1;
    }
    memcpy(out + *len, bytes, n);
    *len += n;
    return used + 1;
}

th_view th_theta_unescape(th_report *report, size_t from, size_t to) {
    const char *text = report->source->text;
    size_t len = to - from;
    if (!memchr(text + from, '\\', len) && !memchr(text + from, '\r', len)) return (th_view){text + from, len};
    char *out = th_arena_new(report->arena, len + 1); /* no escape is shorter than what it stands for */
    if (!out) {
        report->nomem = true;
        return (th_view){"", 0};
    }
    len = 0;
    for (size_t at = from; at < to;) {
        if (text[at] == '\\') {
            at += put_escape(report, at, to, out, &len);
        } else if (text[at] == '\r' && at + 1 < to && text[at + 1] == '\n') {
            at++; /* a line end is \n in a value, however the file is stored */
        } else {
            out[len++] = text[at++];
        }
    }
    out[len] = '\0';
    return (th_view){out, len};
}

/* ---- Operators ---------------------------------------------------------------------------------------------- */

typedef struct spelling {
    char text[4];
    uint8_t kind;
} spelling;

/* Longest first among those that begin alike. */
static const spelling spellings[] = {
    {"**=", TH_TOKEN_POWER_ASSIGN},
    {"<<=", TH_TOKEN_SHL_ASSIGN},
    {">>=", TH_TOKEN_SHR_ASSIGN},
    {"...", TH_TOKEN_ELLIPSIS},
    {"**", TH_TOKEN_POWER},
    {"==", TH_TOKEN_EQ},
    {"!=", TH_TOKEN_NE},
    {"<=", TH_TOKEN_LE},
    {">=", TH_TOKEN_GE},
    {"&&", TH_TOKEN_AND_AND},
    {"||", TH_TOKEN_OR_OR},
    {"<<", TH_TOKEN_SHL},
    {">>", TH_TOKEN_SHR},
    {"??", TH_TOKEN_COALESCE},
    {"+=", TH_TOKEN_PLUS_ASSIGN},
    {"-=", TH_TOKEN_MINUS_ASSIGN},
    {"*=", TH_TOKEN_STAR_ASSIGN},
    {"/=", TH_TOKEN_SLASH_ASSIGN},
    {"%=", TH_TOKEN_PERCENT_ASSIGN},
    {"&=", TH_TOKEN_AMPERSAND_ASSIGN},
    {"|=", TH_TOKEN_BAR_ASSIGN},
    {"^=", TH_TOKEN_CARET_ASSIGN},
    {"++", TH_TOKEN_INCREMENT},
    {"--", TH_TOKEN_DECREMENT},
    {"->", TH_TOKEN_ARROW},
    {"=>", TH_TOKEN_PIPE},
    {"?.", TH_TOKEN_QUESTION_DOT},
    {"..", TH_TOKEN_DOT_DOT},
    {"+", TH_TOKEN_PLUS},
    {"-", TH_TOKEN_MINUS},
    {"*", TH_TOKEN_STAR},
    {"/", TH_TOKEN_SLASH},
    {"%", TH_TOKEN_PERCENT},
    {"<", TH_TOKEN_LT},
    {">", TH_TOKEN_GT},
    {"!", TH_TOKEN_NOT},
    {"&", TH_TOKEN_AMPERSAND},
    {"|", TH_TOKEN_BAR},
    {"^", TH_TOKEN_CARET},
    {"~", TH_TOKEN_TILDE},
    {"=", TH_TOKEN_ASSIGN},
    {"?", TH_TOKEN_QUESTION},
    {".", TH_TOKEN_DOT},
    {",", TH_TOKEN_COMMA},
    {";", TH_TOKEN_SEMICOLON},
    {"@", TH_TOKEN_AT},
    {"(", TH_TOKEN_LPAREN},
    {")", TH_TOKEN_RPAREN},
    {"[", TH_TOKEN_LBRACKET},
    {"]", TH_TOKEN_RBRACKET},
    {"{", TH_TOKEN_LBRACE},
    {"}", TH_TOKEN_RBRACE},
    {":", TH_TOKEN_COLON},
};

const char *th_token_text(th_token_kind kind) {
    for (size_t i = 0; i < TH_COUNT(spellings); i++)
        if (spellings[i].kind == kind) return spellings[i].text;
    return "?";
}

static const spelling *spelling_ahead(const lexer *lx) {
    for (size_t i = 0; i < TH_COUNT(spellings); i++) {
        const char *text = spellings[i].text;
        if (text[0] != lx->text[lx->at]) continue;
        size_t len = strlen(text);
        if (len <= lx->len - lx->at && memcmp(text, lx->text + lx->at, len) == 0) return &spellings[i];
    }
    return NULL;
}

/* Operators of other languages that would otherwise read as two of ours. */
static bool lex_foreign_operator(lexer *lx) {
    uint32_t from = lx->at;
    int a = peek(lx, 0), b = peek(lx, 1), c = peek(lx, 2);
    if ((a == '=' || a == '!') && b == '=' && c == '=') {
        lx->at += 3;
        fail(lx, from, lx->at, a == '=' ? "there is no '==='" : "there is no '!=='",
             a == '=' ? "values are compared with '=='" : "values are compared with '!='");
        emit(lx, a == '=' ? TH_TOKEN_EQ : TH_TOKEN_NE, from);
        return true;
    }
    if (a == '-' && b == '/' && c != '/' && c != '-') {
        lx->at += 2;
        fail(lx, from, lx->at, "'-/' closes a comment that was not opened", NULL);
        return true; /* no token: the text around it is likely right */
    }
    return false;
}

static void bad_character(lexer *lx) {
    uint32_t from = lx->at, code;
    size_t used = th_utf8_decode(lx->text, lx->len, from, &code);
    lx->at += (uint32_t)used;
    bool visible = code > ' ' && code < 0x7f;
    const char *category = th_unicode_category(code);
    visible |= code >= 0x80 && category[0] != 'C' && category[0] != 'Z';
    if (visible)
        th_report_add(lx->report, TH_ERROR, from, lx->at, "unexpected character '%.*s'", (int)used, lx->text + from);
    else
        th_report_add(lx->report, TH_ERROR, from, lx->at, "unexpected character U+%04X", (unsigned)code);
    if (code == '#')
        th_report_hint(lx->report, "a comment is written '// ...'");
    else if (code >= 0x2018 && code <= 0x201f)
        th_report_hint(lx->report, "strings are written with straight single quotes: 'text'");
    else if (code == 0x2212 || code == 0x2013)
        th_report_hint(lx->report, "write '-'");
    else if (code == '\\')
        th_report_hint(lx->report, "a line needs no mark to go on: end it with an operator or a comma");
    /* A run of them is one cause. */
    while (lx->at < lx->len) {
        int c = peek(lx, 0);
        bool control = c < 0x20 && c != '\n' && c != '\t' && c != '\r' && c != '\f' && c != '\v';
        if (!control && c != '#' && c != '$' && c != '\\' && c != 0x7f) break;
        lx->at++;
    }
    emit(lx, TH_TOKEN_BAD, from);
}

static void lex_operator(lexer *lx) {
    if (lex_foreign_operator(lx)) return;
    const spelling *found = spelling_ahead(lx);
    if (!found) {
        bad_character(lx);
        return;
    }
    uint32_t from = lx->at;
    if (found->kind == TH_TOKEN_LBRACE) lx->braces++;
    if (found->kind == TH_TOKEN_RBRACE && lx->braces) lx->braces--;
    lx->at += (uint32_t)strlen(found->text);
    emit(lx, found->kind, from);
}

static void lex_token(lexer *lx) {
    int c = peek(lx, 0);
    if (is_digit(c))
        lex_number(lx);
    else if (name_bytes(lx))
        lex_name(lx);
    else if (c == '\'')
        lex_string(lx);
    else if (c == '`')
        lex_quoted_name(lx);
    else if (c == '"')
        lex_foreign_string(lx);
    else if (c == ':')
        lex_colon(lx);
    else if (c == '}' && lx->depth && lx->braces == 0)
        resume_string(lx);
    else
        lex_operator(lx);
}

/* ---- Pairs -------------------------------------------------------------------------------------------------- */

typedef struct index_stack {
    uint32_t *items;
    size_t len, capacity;
} index_stack;

static bool push_index(th_mem *mem, index_stack *stack, uint32_t index) {
    if (stack->len == stack->capacity) {
        void *items = stack->items;
        if (th_mem_grow(mem, &items, &stack->capacity, stack->len + 1, sizeof *stack->items)) return false;
        stack->items = items;
    }
    stack->items[stack->len++] = index;
    return true;
}

static uint8_t closer_of(uint8_t opener) {
    switch (opener) {
    case TH_TOKEN_LPAREN: return TH_TOKEN_RPAREN;
    case TH_TOKEN_LBRACKET: return TH_TOKEN_RBRACKET;
    case TH_TOKEN_LBRACE: return TH_TOKEN_RBRACE;
    default: return TH_TOKEN_STRING_TAIL;
    }
}

/* A closing bracket looks for its opener past unclosed ( and [ but never out of braces or an interpolation, unless it
*is
** the brace (the tail) itself: so one missing parenthesis costs no more than its block. */
static bool close_bracket(th_tokens *tokens, index_stack *open, uint32_t closer) {
    uint8_t kind = tokens->items[closer].kind;
    for (size_t i = open->len; i-- > 0;) {
        th_token *opener = &tokens->items[open->items[i]];
        if (closer_of(opener->kind) == kind) {
            bool clean = i + 1 == open->len;
            if (kind != TH_TOKEN_STRING_TAIL) {
                opener->to = closer;
                tokens->items[closer].to = open->items[i] + 1;
            }
            open->len = i;
            return clean;
        }
        if (opener->kind == TH_TOKEN_LBRACE ? kind != TH_TOKEN_STRING_TAIL : opener->kind == TH_TOKEN_STRING_HEAD)
            return false;
    }
    return false;
}

static bool pair_brackets(th_tokens *tokens, bool *clean, bool *open_at_end) {
    index_stack open = {0};
    bool enough = true;
    *clean = true;
    for (uint32_t i = 0; i < tokens->count && enough; i++) {
        th_token *t = &tokens->items[i];
        switch (t->kind) {
        case TH_TOKEN_LPAREN:
        case TH_TOKEN_LBRACKET:
        case TH_TOKEN_LBRACE:
            t->to = TH_NO_PARTNER;
            enough = push_index(tokens->mem, &open, i);
            break;
        case TH_TOKEN_STRING_HEAD: enough = push_index(tokens->mem, &open, i); break;
        case TH_TOKEN_RPAREN:
        case TH_TOKEN_RBRACKET:
        case TH_TOKEN_RBRACE:
            t->to = TH_NO_PARTNER;
            *clean &= close_bracket(tokens, &open, i);
            break;
        case TH_TOKEN_STRING_TAIL: *clean &= close_bracket(tokens, &open, i); break;
        default: break;
        }
    }
    *open_at_end = open.len != 0;
    th_mem_free(tokens->mem, open.items, open.capacity * sizeof *open.items);
    return enough;
}

/* Closes `n` of the open `<`; the last one only when `all` must be closed by it. */
static void close_angles(th_tokens *tokens, index_stack *open, uint32_t closer, size_t n, bool all) {
    if (open->len < n || (all && open->len != n)) {
        open->len = 0;
        return;
    }
    while (n--) tokens->items[open->items[--open->len]].to = closer;
    if (all) open->len = 0;
}

/* Pairs each `<` with its `>` where all between them reads as types: names, dots, commas, question marks. */
static bool pair_angles(th_tokens *tokens) {
    index_stack open = {0};
    bool enough = true;
    uint8_t before = TH_TOKEN_END;
    for (uint32_t i = 0; i < tokens->count && enough; i++) {
        th_token *t = &tokens->items[i];
        bool after_type =
            before == TH_TOKEN_NAME || before == TH_TOKEN_GT || before == TH_TOKEN_SHR || before == TH_TOKEN_QUESTION;
        bool good = true;
        switch (t->kind) {
        case TH_TOKEN_NAME: {
            bool begins = before == TH_TOKEN_LT || before == TH_TOKEN_COMMA || before == TH_TOKEN_DOT;
            good = begins && !th_word_reserved(t->word);
            break;
        }
        case TH_TOKEN_LT:
            t->to = TH_NO_PARTNER;
            if (before != TH_TOKEN_NAME)
                open.len = 0;
            else
                enough = push_index(tokens->mem, &open, i);
            break;
        case TH_TOKEN_COMMA:
        case TH_TOKEN_QUESTION: good = after_type; break;
        case TH_TOKEN_DOT: good = before == TH_TOKEN_NAME; break;
        case TH_TOKEN_GT:
        case TH_TOKEN_SHR:
        case TH_TOKEN_GE:
        case TH_TOKEN_SHR_ASSIGN: {
            bool two = t->kind == TH_TOKEN_SHR || t->kind == TH_TOKEN_SHR_ASSIGN;
            bool last = t->kind == TH_TOKEN_GE || t->kind == TH_TOKEN_SHR_ASSIGN;
            good = after_type;
            if (good) close_angles(tokens, &open, i, two ? 2 : 1, last);
            break;
        }
        default: good = false;
        }
        if (!good) open.len = 0;
        before = t->kind;
    }
    th_mem_free(tokens->mem, open.items, open.capacity * sizeof *open.items);
    return enough;
}

/* ---- Entry -------------------------------------------------------------------------------------------------- */

static void check_utf8(th_report *report) {
    const th_source *source = report->source;
    size_t at = th_utf8_valid(source->text, source->len);
    if (at == source->len) return;
    bool wide =
        source->len >= 2 && ((uint8_t)source->text[0] & 0xfe) == 0xfe && ((uint8_t)source->text[1] & 0xfe) == 0xfe;
    th_report_add(report, TH_ERROR, at, at + 1, "the text is not valid UTF-8: byte 0x%02x",
                  (unsigned)(uint8_t)source->text[at]);
    th_report_hint(report, wide ? "the file seems to be UTF-16; save it as UTF-8" : "save the file as UTF-8");
}

/* An interpolation that is open at the end is a string that is not closed. */
static void finish(lexer *lx) {
    if (lx->depth && !lx->out->unfinished) unterminated_string(lx, lx->openings[lx->depth - 1].string_from);
    lx->at = lx->len;
    emit(lx, TH_TOKEN_END, lx->len);
}

th_status th_theta_lex(th_mem *mem, th_report *report, th_tokens *out) {
    const th_source *source = report->source;
    *out = (th_tokens){.mem = mem, .quiet_from = UINT32_MAX};
    lexer lx = {
        .report = report, .out = out, .text = source->text, .len = (uint32_t)source->len, .tall_string = UINT32_MAX};
    size_t errors = report->errors;
    check_utf8(report);
    if (lx.len >= 3 && memcmp(lx.text, "\xef\xbb\xbf", 3) == 0) lx.at = 3;
    for (skip_spaces(&lx); lx.at < lx.len && !lx.nomem; skip_spaces(&lx)) lex_token(&lx);
    bool lexed_well = report->errors == errors;
    finish(&lx);
    th_mem_free(mem, lx.openings, lx.capacity * sizeof *lx.openings);
    bool clean = true, open = false;
    if (lx.nomem || report->nomem || !pair_brackets(out, &clean, &open) || !pair_angles(out)) {
        th_tokens_clear(out);
        return TH_E_NOMEM;
    }
    out->unfinished |= open && clean && lexed_well;
    return TH_OK;
}

void th_tokens_clear(th_tokens *tokens) {
    th_mem_free(tokens->mem, tokens->items, tokens->capacity * sizeof *tokens->items);
    *tokens = (th_tokens){.mem = tokens->mem};
}
