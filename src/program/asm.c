/*
** asm.c - the assembler: text (see text.h for the grammar) to a program's bytes.
** Reads the text twice: first everything but the bodies of structs and functions, which may refer to what comes later,
** then those. What the instructions mean is left to the verifier at loading. Recursion only over the nesting of types,
** which is bounded.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/build.h"
#include "program/text.h"

#include <float.h>
#include <stdio.h>

typedef enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NUMBER, TOKEN_STRING, TOKEN_MARK } token_kind;

typedef struct token {
    token_kind kind;
    th_view text; /* a string's contents */
    size_t at;    /* byte offset */
    uint32_t line;
    size_t line_at; /* where its line starts */
} token;

typedef struct lexer {
    th_view text;
    size_t at, line_at;
    uint32_t line;
} lexer;

/* What is read in the second pass: the token is the keyword, the lexer stands behind what was read of it. */
typedef enum later_kind { LATER_MEMBERS, LATER_EXPORT, LATER_START, LATER_BODY } later_kind;
typedef struct later {
    later_kind kind;
    lexer lexer;
    token token;
    uint32_t index; /* of the type or the function */
} later;

typedef struct label_use {
    th_view name;
    token first;
    bool bound;
} label_use;

typedef struct numbers {
    uint32_t *items;
    size_t len, capacity;
} numbers;

typedef struct assembler {
    th_arena arena;
    th_builder *builder;
    th_types *types;
    th_view file;
    th_error *err;
    lexer lexer;
    token token; /* the one to be read next */
    th_name_map operations, type_names, functions, globals, imports, sources;
    uint32_t nfunctions, nglobals, nimports, nsources;
    numbers constants, strings, keeps, sites, shapes; /* listed ones: what the builder numbered them */
    later *laters;
    size_t nlaters, laters_capacity;
    th_fn_builder *f; /* the function being read */
    th_name_map labels;
    label_use *label_uses;
    size_t nlabels, labels_capacity;
} assembler;

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static th_status fail_at(assembler *a, const token *t, th_status code, const char *format, ...) TH_PRINTF(4, 5);
static th_status fail_at(assembler *a, const token *t, th_status code, const char *format, ...) {
    char what[600], file[200];
    uint32_t column = (uint32_t)th_utf8_count(a->lexer.text.data + t->line_at, t->at - t->line_at) + 1;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(file, sizeof file, "%.*s", (int)(a->file.len > 199 ? 199 : a->file.len), a->file.data);
    return th_fail_at(a->err, code, file, (th_span){t->line, column, t->line, column + 1}, "%s", what);
}

static th_status expected(assembler *a, const char *what) {
    const token *t = &a->token;
    if (t->kind == TOKEN_END) return fail_at(a, t, TH_E_SYNTAX, "expected %s, the text ends", what);
    return fail_at(a, t, TH_E_SYNTAX, "expected %s, found '%.*s'", what, (int)(t->text.len > 60 ? 60 : t->text.len),
                   t->text.data);
}

static th_status no_memory(assembler *a) { return th_fail(a->err, TH_E_NOMEM, "out of memory"); }

/* A failure of the builder, told at the token that caused it. */
static th_status built(assembler *a, const token *t, th_status status) {
    if (status == TH_OK) return TH_OK;
    if (status == TH_E_NOMEM) return no_memory(a);
    return fail_at(a, t, status, "%s", th_builder_message(a->builder));
}

/* ---- Tokens ------------------------------------------------------------------------------------------------- */

static char peek_char(const lexer *l, size_t ahead) {
    return l->at + ahead < l->text.len ? l->text.data[l->at + ahead] : 0;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void skip_space(lexer *l) {
    for (; l->at < l->text.len; l->at++) {
        char c = l->text.data[l->at];
        if (c == ';') {
            const char *end = memchr(l->text.data + l->at, '\n', l->text.len - l->at);
            if (end == NULL) {
                l->at = l->text.len;
                return;
            }
            l->at = (size_t)(end - l->text.data);
            c = '\n';
        }
        if (c == '\n') {
            l->line++;
            l->line_at = l->at + 1;
        } else if (c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

static int hex_digit(char c) {
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Reads the escape behind a backslash; -1: there is no such escape. */
static int read_escape(lexer *l) {
    char c = peek_char(l, 0);
    l->at++;
    switch (c) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case '\\':
    case '\'': return c;
    case 'x': {
        int high = hex_digit(peek_char(l, 0)), low = hex_digit(peek_char(l, 1));
        if (high < 0 || low < 0) return -1;
        l->at += 2;
        return high * 16 + low;
    }
    default: return -1;
    }
}

static th_status read_string(assembler *a, token *t) {
    lexer *l = &a->lexer;
    size_t end = ++l->at; /* the closing quote bounds the length of the contents */
    while (end < l->text.len && l->text.data[end] != '\'' && l->text.data[end] != '\n')
        end += l->text.data[end] == '\\' && end + 1 < l->text.len ? 2 : 1;
    if (end >= l->text.len || l->text.data[end] != '\'') return fail_at(a, t, TH_E_SYNTAX, "the string is not closed");
    char *out = th_arena_new(&a->arena, end - l->at + 1);
    if (out == NULL) return no_memory(a);
    size_t len = 0;
    while (l->at < end) {
        int c = (unsigned char)l->text.data[l->at++];
        if (c == '\\' && (c = read_escape(l)) < 0)
            return fail_at(a, t, TH_E_SYNTAX,
                           "the string has an unknown escape (known are \\n \\t \\r \\\\ \\' \\xHH)");
        out[len++] = (char)c;
    }
    l->at = end + 1;
    t->kind = TOKEN_STRING;
    t->text = (th_view){out, len};
    return TH_OK;
}

/* A number may have a sign, a point, an exponent with a sign, and a letter at its end. */
static void read_number(lexer *l, token *t) {
    size_t start = l->at++;
    for (; l->at < l->text.len; l->at++) {
        char c = l->text.data[l->at], before = l->text.data[l->at - 1];
        bool sign = (c == '+' || c == '-') && (before == 'e' || before == 'E');
        if (!sign && !th_text_is_word_char(c)) break;
    }
    t->kind = TOKEN_NUMBER;
    t->text = (th_view){l->text.data + start, l->at - start};
}

static th_status next(assembler *a) {
    lexer *l = &a->lexer;
    skip_space(l);
    token *t = &a->token;
    *t = (token){TOKEN_END, {l->text.data + l->at, 0}, l->at, l->line, l->line_at};
    if (l->at >= l->text.len) return TH_OK;
    char c = peek_char(l, 0);
    if (c == '\'') return read_string(a, t);
    if (is_digit(c) || (c == '-' && (is_digit(peek_char(l, 1)) || peek_char(l, 1) == 'i'))) {
        read_number(l, t);
    } else if (c != '.' && th_text_is_word_char(c)) {
        size_t start = l->at;
        while (l->at < l->text.len && th_text_is_word_char(l->text.data[l->at])) l->at++;
        t->kind = TOKEN_WORD;
        t->text = (th_view){l->text.data + start, l->at - start};
    } else {
        uint32_t code;
        t->kind = TOKEN_MARK;
        t->text.len = th_utf8_decode(l->text.data, l->text.len, l->at, &code);
        l->at += t->text.len;
    }
    return TH_OK;
}

static bool at_mark(const assembler *a, char c) {
    return a->token.kind == TOKEN_MARK && a->token.text.len == 1 && a->token.text.data[0] == c;
}

static bool at_word(const assembler *a, const char *word) {
    return a->token.kind == TOKEN_WORD && th_view_is(a->token.text, word);
}

static th_status need_mark(assembler *a, char c) {
    char what[4] = {'\'', c, '\'', 0};
    return at_mark(a, c) ? next(a) : expected(a, what);
}

static th_status need_word(assembler *a, const char *word) { return at_word(a, word) ? next(a) : expected(a, word); }

/* Takes the mark when it is there. */
static th_status take_mark(assembler *a, char c, bool *taken) {
    *taken = at_mark(a, c);
    return *taken ? next(a) : TH_OK;
}

static th_status read_name(assembler *a, const char *what, th_view *out) {
    if (a->token.kind != TOKEN_WORD && a->token.kind != TOKEN_STRING) return expected(a, what);
    *out = a->token.text;
    return next(a);
}

/* ---- Numbers ------------------------------------------------------------------------------------------------ */

static th_status read_int(assembler *a, int64_t low, int64_t high, int64_t *out) {
    token t = a->token;
    int64_t value = 0;
    if (t.kind != TOKEN_NUMBER || !th_parse_i64(t.text, &value)) return expected(a, "a whole number");
    if (value < low || value > high)
        return fail_at(a, &t, TH_E_SYNTAX, "the number must be from %lld to %lld", (long long)low, (long long)high);
    *out = value;
    return next(a);
}

static th_status read_index(assembler *a, const char *what, uint32_t count, uint32_t *out) {
    token t = a->token;
    int64_t value = 0;
    TH_TRY(read_int(a, 0, UINT32_MAX, &value));
    if (value >= count) return fail_at(a, &t, TH_E_SYNTAX, "there is no %s %lld", what, (long long)value);
    *out = (uint32_t)value;
    return TH_OK;
}

static th_status remember(assembler *a, numbers *n, uint32_t value) {
    if (!th_builder_grow(a->builder, (void **)&n->items, &n->capacity, n->len + 1, sizeof value)) return no_memory(a);
    n->items[n->len++] = value;
    return TH_OK;
}

/* `#n`: the n-th of a listed pool. */
static th_status read_listed(assembler *a, const char *what, const numbers *n, uint32_t *out) {
    uint32_t index = 0;
    TH_TRY(need_mark(a, '#'));
    TH_TRY(read_index(a, what, (uint32_t)n->len, &index));
    *out = n->items[index];
    return TH_OK;
}

static bool is_f32(th_view text) {
    return text.len > 1 && text.data[text.len - 1] == 'f' && !th_view_is(text, "inf") && !th_view_is(text, "-inf");
}

static th_status read_float(assembler *a, const token *t, bool narrow, uint32_t *out) {
    double value;
    th_view text = t->text;
    if (narrow) text.len--;
    if (!th_parse_f64(text, &value)) return fail_at(a, t, TH_E_SYNTAX, "this is no number");
    if (!narrow) return built(a, t, th_builder_f64(a->builder, value, out));
    bool finite = value - value == 0;
    if (finite && (value > (double)FLT_MAX || value < -(double)FLT_MAX))
        return fail_at(a, t, TH_E_SYNTAX, "the number does not fit f32");
    return built(a, t, th_builder_f32(a->builder, (float)value, out));
}

static th_status read_constant(assembler *a, uint32_t *out) {
    token t = a->token;
    int64_t value = 0;
    if (at_mark(a, '#')) return read_listed(a, "listed constant", &a->constants, out);
    if (t.kind != TOKEN_NUMBER && t.kind != TOKEN_WORD) return expected(a, "a constant");
    TH_TRY(next(a));
    if (th_parse_i64(t.text, &value)) return built(a, &t, th_builder_i64(a->builder, value, out));
    return read_float(a, &t, is_f32(t.text), out);
}

static th_status read_text(assembler *a, uint32_t *out) {
    token t = a->token;
    if (at_mark(a, '#')) return read_listed(a, "listed string", &a->strings, out);
    if (t.kind != TOKEN_STRING) return expected(a, "a string");
    TH_TRY(next(a));
    return built(a, &t, th_builder_string(a->builder, t.text, out));
}

/* A string whose quotes may be left out where it is a word. */
static th_status read_text_name(assembler *a, uint32_t *out) {
    token t = a->token;
    if (t.kind != TOKEN_WORD)
        return at_mark(a, '#') || t.kind == TOKEN_STRING ? read_text(a, out) : expected(a, "a name");
    TH_TRY(next(a));
    return built(a, &t, th_builder_string(a->builder, t.text, out));
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

static th_status read_type(assembler *a, unsigned depth, th_type_id *out);

static th_status added(assembler *a, const token *t, th_status status) {
    if (status == TH_OK) return TH_OK;
    if (status == TH_E_NOMEM) return no_memory(a);
    if (status == TH_E_LIMIT) return fail_at(a, t, status, "the type nests too deeply");
    return fail_at(a, t, TH_E_SYNTAX, "these parts make no type");
}

static th_status read_type_args(assembler *a, unsigned depth, th_type_id args[], size_t *nargs) {
    bool more;
    *nargs = 0;
    TH_TRY(take_mark(a, '<', &more));
    if (!more) return TH_OK;
    while (more) {
        if (*nargs == 255) return fail_at(a, &a->token, TH_E_SYNTAX, "the type has too many parts");
        TH_TRY(read_type(a, depth + 1, &args[*nargs]));
        ++*nargs;
        TH_TRY(take_mark(a, ',', &more));
    }
    return need_mark(a, '>');
}

static th_status read_kind(assembler *a, const token *t, th_kind kind, unsigned depth, th_type_id *out) {
    th_type_id args[255];
    size_t nargs;
    TH_TRY(read_type_args(a, depth, args, &nargs));
    return added(a, t, th_types_add(a->types, kind, (th_view){0}, args, nargs, NULL, 0, out));
}

static th_status find_type(assembler *a, const token *t, th_type_id *out) {
    const th_name_entry *entry = th_name_map_get(&a->type_names, t->text);
    if (entry == NULL) return fail_at(a, t, TH_E_REFERENCE, "there is no type of this name");
    if (entry->uses > 1) return fail_at(a, t, TH_E_REFERENCE, "several types have this name, give a number: $n");
    *out = entry->index;
    return TH_OK;
}

static th_status read_simple_type(assembler *a, unsigned depth, th_type_id *out) {
    token t = a->token;
    bool numbered;
    TH_TRY(take_mark(a, '$', &numbered));
    if (numbered) return read_index(a, "type", (uint32_t)a->types->len, out);
    if (t.kind != TOKEN_WORD && t.kind != TOKEN_STRING) return expected(a, "a type");
    TH_TRY(next(a));
    int kind = t.kind == TOKEN_WORD ? th_text_kind(t.text) : -1;
    return kind >= 0 ? read_kind(a, &t, (th_kind)kind, depth, out) : find_type(a, &t, out);
}

static th_status read_type(assembler *a, unsigned depth, th_type_id *out) {
    token t = a->token;
    if (depth > TH_TYPE_DEPTH) return fail_at(a, &t, TH_E_LIMIT, "the type nests too deeply");
    TH_TRY(read_simple_type(a, depth, out));
    bool option;
    TH_TRY(take_mark(a, '?', &option));
    if (!option) return TH_OK;
    if (th_types_kind(a->types, *out) == TH_KIND_OPTION || at_mark(a, '?'))
        return fail_at(a, &t, TH_E_SYNTAX, "an option of an option is no type");
    return added(a, &t, th_types_option(a->types, *out, out));
}

static th_status put_later(assembler *a, later_kind kind, const token *t, const lexer *from, uint32_t index) {
    if (!th_builder_grow(a->builder, (void **)&a->laters, &a->laters_capacity, a->nlaters + 1, sizeof *a->laters))
        return no_memory(a);
    a->laters[a->nlaters++] = (later){kind, *from, *t, index};
    return TH_OK;
}

/* Skips to behind the brace that closes the one just read. */
static th_status skip_braces(assembler *a, const token *opened_by) {
    for (size_t depth = 1; depth > 0;) {
        if (a->token.kind == TOKEN_END) return fail_at(a, opened_by, TH_E_SYNTAX, "its braces are not closed");
        if (at_mark(a, '{')) depth++;
        if (at_mark(a, '}')) depth--;
        TH_TRY(next(a));
    }
    return TH_OK;
}

/* The name now, the members later. */
static th_status declare_nominal(assembler *a, th_kind kind, th_type_id *out) {
    token t = a->token;
    th_view name;
    TH_TRY(read_name(a, "a name", &name));
    TH_TRY(added(a, &t, th_types_declare(a->types, kind, name, out)));
    if (!at_mark(a, '{')) return expected(a, "'{'");
    lexer members = a->lexer;
    TH_TRY(next(a));
    TH_TRY(skip_braces(a, &t));
    return put_later(a, LATER_MEMBERS, &t, &members, *out);
}

static th_status add_named_type(assembler *a, th_kind kind, th_type_id *out) {
    token t = a->token;
    th_view name;
    TH_TRY(read_name(a, "a name", &name));
    return added(a, &t, th_types_add(a->types, kind, name, NULL, 0, NULL, 0, out));
}

static th_status read_definition(assembler *a, th_type_id *out) {
    static const struct {
        const char *word;
        th_kind kind;
    } nominal[] = {{"struct", TH_KIND_STRUCT},
                   {"enum", TH_KIND_ENUM},
                   {"opaque", TH_KIND_OPAQUE},
                   {"variable", TH_KIND_TYPE_VARIABLE}};
    for (size_t i = 0; i < TH_COUNT(nominal); i++) {
        if (!at_word(a, nominal[i].word)) continue;
        TH_TRY(next(a));
        return i < 2 ? declare_nominal(a, nominal[i].kind, out) : add_named_type(a, nominal[i].kind, out);
    }
    return read_type(a, 0, out);
}

static th_status type_statement(assembler *a) {
    token t = a->token;
    int64_t number = -1;
    size_t before = a->types->len;
    th_type_id id;
    if (at_mark(a, '$')) {
        TH_TRY(next(a));
        TH_TRY(read_int(a, 0, UINT32_MAX, &number));
        TH_TRY(need_mark(a, '='));
    }
    TH_TRY(read_definition(a, &id));
    if (number >= 0 && id != number) return fail_at(a, &t, TH_E_SYNTAX, "this type has the number $%u", id);
    const th_type *type = th_types_get(a->types, id);
    if (id < before || type->name == NULL || type->kind == TH_KIND_TYPE_VARIABLE) return TH_OK;
    return th_name_map_put(&a->type_names, th_view_str(type->name), id) ? TH_OK : no_memory(a);
}

/* The members of a struct or enum, up to the closing brace. */
static th_status read_members(assembler *a, const later *l) {
    th_type_id args[255];
    th_view *names = NULL;
    size_t nargs = 0, count = 0, capacity = 0;
    bool is_struct = th_types_kind(a->types, l->index) == TH_KIND_STRUCT, more = !at_mark(a, '}');
    while (more) {
        if (is_struct && nargs == 255) return fail_at(a, &a->token, TH_E_SYNTAX, "the struct has too many fields");
        if (!th_builder_grow(a->builder, (void **)&names, &capacity, count + 1, sizeof *names)) return no_memory(a);
        TH_TRY(read_name(a, "a name", &names[count++]));
        if (is_struct) {
            TH_TRY(need_mark(a, ':'));
            TH_TRY(read_type(a, 0, &args[nargs++]));
        }
        TH_TRY(take_mark(a, ',', &more));
    }
    if (!at_mark(a, '}')) return expected(a, "'}'");
    return added(a, &l->token, th_types_define(a->types, l->index, args, nargs, names, count));
}

/* ---- Statements --------------------------------------------------------------------------------------------- */

static th_status const_statement(assembler *a) {
    uint32_t index = 0;
    if (at_mark(a, '#')) return expected(a, "a constant");
    TH_TRY(read_constant(a, &index));
    return remember(a, &a->constants, index);
}

static th_status string_statement(assembler *a) {
    uint32_t index = 0;
    if (at_mark(a, '#')) return expected(a, "a string");
    TH_TRY(read_text(a, &index));
    return remember(a, &a->strings, index);
}

static th_status named_statement(assembler *a, bool import) {
    token t = a->token;
    th_view name;
    th_type_id type;
    uint32_t index = 0;
    TH_TRY(read_name(a, "a name", &name));
    TH_TRY(need_mark(a, ':'));
    TH_TRY(read_type(a, 0, &type));
    if (import) {
        TH_TRY(built(a, &t, th_builder_import(a->builder, name, type, &index)));
        if (index != a->nimports) return fail_at(a, &t, TH_E_SYNTAX, "this import is there already");
        a->nimports++;
    } else {
        TH_TRY(built(a, &t, th_builder_global(a->builder, name, type, &index)));
        a->nglobals++;
    }
    return th_name_map_put(import ? &a->imports : &a->globals, name, index) ? TH_OK : no_memory(a);
}

static th_status source_statement(assembler *a) {
    token t = a->token;
    th_view name;
    uint32_t index = 0;
    th_buf text;
    TH_TRY(read_name(a, "a source's name", &name));
    th_buf_init(&text, a->arena.mem);
    th_status status = TH_OK;
    while (status == TH_OK && a->token.kind == TOKEN_STRING) {
        th_buf_put(&text, a->token.text.data, a->token.text.len);
        status = next(a);
    }
    if (status == TH_OK && text.failed) status = no_memory(a);
    if (status == TH_OK)
        status = built(a, &t, th_builder_source(a->builder, name, (th_view){text.data, text.len}, &index));
    th_buf_clear(&text);
    TH_TRY(status);
    a->nsources++;
    return th_name_map_put(&a->sources, name, index) ? TH_OK : no_memory(a);
}

/* Skips a reference; it is read when all functions are known. */
static th_status skip_reference(assembler *a) {
    bool numbered;
    TH_TRY(take_mark(a, '#', &numbered));
    if (numbered ? a->token.kind != TOKEN_NUMBER : a->token.kind != TOKEN_WORD && a->token.kind != TOKEN_STRING)
        return expected(a, "a function");
    return next(a);
}

/* The lexer as it was before the present token, so that reading can begin there again. */
static lexer before_token(const assembler *a) {
    return (lexer){a->lexer.text, a->token.at, a->token.line_at, a->token.line};
}

static th_status export_statement(assembler *a) {
    token t = a->token;
    lexer from = before_token(a);
    th_view name;
    TH_TRY(read_name(a, "a name", &name));
    TH_TRY(need_mark(a, '='));
    TH_TRY(skip_reference(a));
    return put_later(a, LATER_EXPORT, &t, &from, 0);
}

static th_status read_reference(assembler *a, const char *what, const th_name_map *map, uint32_t count, uint32_t *out);
static th_status read_span(assembler *a, th_span *out);

static th_status site_statement(assembler *a) {
    token t = a->token;
    uint32_t name = 0, index = 0;
    TH_TRY(read_text_name(a, &name));
    TH_TRY(built(a, &t, th_builder_site(a->builder, name, &index)));
    return remember(a, &a->sites, index);
}

typedef struct shape_text { /* in the builder's arena */
    uint32_t *names;
    th_span *positions;
    size_t count, names_capacity, positions_capacity;
    bool placed; /* one of the names has a position */
} shape_text;

static th_status read_shape_name(assembler *a, shape_text *s) {
    size_t n = s->count + 1;
    if (!th_builder_grow(a->builder, (void **)&s->names, &s->names_capacity, n, sizeof *s->names) ||
        !th_builder_grow(a->builder, (void **)&s->positions, &s->positions_capacity, n, sizeof *s->positions))
        return no_memory(a);
    TH_TRY(read_text_name(a, &s->names[s->count]));
    s->positions[s->count] = (th_span){0};
    s->count++;
    if (!at_mark(a, '@')) return TH_OK;
    s->placed = true;
    return read_span(a, &s->positions[s->count - 1]);
}

/* `{a, 'b c' @1:2-1:5}`, and where `sourced`, `from` a source. */
static th_status read_shape(assembler *a, bool sourced, uint32_t *out) {
    token t = a->token;
    shape_text s = {0};
    uint32_t source = 0;
    TH_TRY(need_mark(a, '{'));
    bool more = !at_mark(a, '}');
    while (more) {
        TH_TRY(read_shape_name(a, &s));
        TH_TRY(take_mark(a, ',', &more));
    }
    TH_TRY(need_mark(a, '}'));
    if (sourced && at_word(a, "from")) {
        TH_TRY(next(a));
        TH_TRY(read_reference(a, "source", &a->sources, a->nsources, &source));
        source++;
    }
    return built(a, &t, th_builder_shape(a->builder, s.names, s.placed ? s.positions : NULL, s.count, source, out));
}

static th_status shape_statement(assembler *a) {
    uint32_t index = 0;
    TH_TRY(read_shape(a, true, &index));
    return remember(a, &a->shapes, index);
}

static th_status start_statement(assembler *a) {
    token t = a->token;
    lexer from = before_token(a);
    TH_TRY(skip_reference(a));
    return put_later(a, LATER_START, &t, &from, 0);
}

static th_status read_parameters(assembler *a, th_type_id params[], size_t *nparams) {
    bool more = !at_mark(a, ')');
    *nparams = 0;
    while (more) {
        if (*nparams == 255) return fail_at(a, &a->token, TH_E_SYNTAX, "the function has too many parameters");
        TH_TRY(read_type(a, 0, &params[*nparams]));
        ++*nparams;
        TH_TRY(take_mark(a, ',', &more));
    }
    return need_mark(a, ')');
}

static th_status func_statement(assembler *a) {
    token t = a->token;
    th_view name;
    th_type_id params[255], result, type;
    size_t nparams;
    uint32_t index = 0;
    TH_TRY(read_name(a, "a function's name", &name));
    TH_TRY(need_mark(a, '('));
    TH_TRY(read_parameters(a, params, &nparams));
    TH_TRY(need_mark(a, '-'));
    TH_TRY(need_mark(a, '>'));
    TH_TRY(read_type(a, 0, &result));
    TH_TRY(added(a, &t, th_types_function(a->types, params, nparams, result, &type)));
    TH_TRY(built(a, &t, th_builder_declare(a->builder, name, type, &index)));
    if (!th_name_map_put(&a->functions, name, index)) return no_memory(a);
    a->nfunctions++;
    if (!at_mark(a, '{')) return expected(a, "'{'");
    lexer body = a->lexer;
    TH_TRY(next(a));
    TH_TRY(skip_braces(a, &t));
    return put_later(a, LATER_BODY, &t, &body, index);
}

static th_status program_statement(assembler *a) {
    token t = a->token;
    th_view name;
    TH_TRY(read_name(a, "a name", &name));
    return built(a, &t, th_builder_rename(a->builder, name));
}

static th_status statement(assembler *a) {
    token t = a->token;
    if (t.kind != TOKEN_WORD) return expected(a, "a statement");
    TH_TRY(next(a));
    if (th_view_is(t.text, "program")) return program_statement(a);
    if (th_view_is(t.text, "type")) return type_statement(a);
    if (th_view_is(t.text, "const")) return const_statement(a);
    if (th_view_is(t.text, "string")) return string_statement(a);
    if (th_view_is(t.text, "global")) return named_statement(a, false);
    if (th_view_is(t.text, "import")) return named_statement(a, true);
    if (th_view_is(t.text, "source")) return source_statement(a);
    if (th_view_is(t.text, "site")) return site_statement(a);
    if (th_view_is(t.text, "shape")) return shape_statement(a);
    if (th_view_is(t.text, "export")) return export_statement(a);
    if (th_view_is(t.text, "start")) return start_statement(a);
    if (th_view_is(t.text, "func")) return func_statement(a);
    return fail_at(a, &t, TH_E_SYNTAX,
                   "expected program, type, const, string, global, import, source, site, shape, export, start or func");
}

/* ---- Operands ----------------------------------------------------------------------------------------------- */

/* A name of `what` or its number behind '#'. */
static th_status read_reference(assembler *a, const char *what, const th_name_map *map, uint32_t count, uint32_t *out) {
    token t = a->token;
    bool numbered;
    th_view name;
    TH_TRY(take_mark(a, '#', &numbered));
    if (numbered) return read_index(a, what, count, out);
    TH_TRY(read_name(a, what, &name));
    const th_name_entry *entry = th_name_map_get(map, name);
    if (entry == NULL) return fail_at(a, &t, TH_E_REFERENCE, "there is no %s of this name", what);
    if (entry->uses > 1)
        return fail_at(a, &t, TH_E_REFERENCE, "more than one %s has this name, give a number: #n", what);
    *out = entry->index;
    return TH_OK;
}

static th_status read_register(assembler *a, uint32_t *out) {
    int64_t value = 0;
    th_view digits = {a->token.text.data + 1, a->token.text.len - 1};
    if (a->token.kind != TOKEN_WORD || a->token.text.len < 2 || a->token.text.data[0] != 'r' ||
        !is_digit(digits.data[0]) || !th_parse_i64(digits, &value) || value > 255)
        return expected(a, "a register (r0 to r255)");
    *out = (uint32_t)value;
    return next(a);
}

/* Labels are numbered as they come up. */
static th_status find_label(assembler *a, const token *t, uint32_t *out) {
    const th_name_entry *entry = th_name_map_get(&a->labels, t->text);
    if (entry != NULL) {
        *out = entry->index;
        return TH_OK;
    }
    uint32_t id = th_fn_label(a->f).id;
    TH_TRY(built(a, t, th_builder_status(a->builder)));
    if (!th_builder_grow(a->builder, (void **)&a->label_uses, &a->labels_capacity, id + 1, sizeof *a->label_uses) ||
        !th_name_map_put(&a->labels, t->text, id))
        return no_memory(a);
    a->label_uses[id] = (label_use){t->text, *t, false};
    a->nlabels = id + 1;
    *out = id;
    return TH_OK;
}

static th_status read_label(assembler *a, th_label *out) {
    token t = a->token;
    if (t.kind != TOKEN_WORD) return expected(a, "a label");
    TH_TRY(find_label(a, &t, &out->id));
    return next(a);
}

static th_status read_keep(assembler *a, uint32_t *out) {
    token t = a->token;
    uint8_t regs[256];
    size_t count = 0;
    if (at_mark(a, '#')) return read_listed(a, "listed keep set", &a->keeps, out);
    TH_TRY(need_mark(a, '{'));
    bool more = !at_mark(a, '}');
    while (more) {
        uint32_t reg = 0;
        if (count == TH_COUNT(regs)) return fail_at(a, &t, TH_E_SYNTAX, "the keep set has too many registers");
        TH_TRY(read_register(a, &reg));
        regs[count++] = (uint8_t)reg;
        TH_TRY(take_mark(a, ',', &more));
    }
    TH_TRY(need_mark(a, '}'));
    *out = th_fn_keep(a->f, regs, count);
    return built(a, &t, th_builder_status(a->builder));
}

static th_status read_status(assembler *a, uint32_t *out) {
    static const struct {
        const char *name;
        uint32_t number;
    } statuses[] = {
#define TH_STATUS(name, number, text) {#name, number},
#include "base/status.def"
#undef TH_STATUS
    };
    for (size_t i = 0; i < TH_COUNT(statuses); i++) {
        if (!at_word(a, statuses[i].name)) continue;
        *out = statuses[i].number;
        return next(a);
    }
    return expected(a, "a status (as E_TRAP)");
}

/* The class that an operand alone fixes is given to a register that has none yet, so that `regs` may leave it out. */
static void infer_class(assembler *a, uint8_t operand, uint32_t reg) {
    th_class cls = TH_CLASS_NONE;
    switch (operand) {
    case TH_OPERAND_W_I8: cls = TH_CLASS_I8; break;
    case TH_OPERAND_W_I16: cls = TH_CLASS_I16; break;
    case TH_OPERAND_W_I32: cls = TH_CLASS_I32; break;
    case TH_OPERAND_W_I64: cls = TH_CLASS_I64; break;
    case TH_OPERAND_W_F32: cls = TH_CLASS_F32; break;
    case TH_OPERAND_W_F64: cls = TH_CLASS_F64; break;
    case TH_OPERAND_W_BOOL: cls = TH_CLASS_BOOL; break;
    case TH_OPERAND_W_STR: cls = TH_CLASS_STRING; break;
    case TH_OPERAND_W_VAL: cls = TH_CLASS_VALUE; break;
    default: return;
    }
    if (a->f->classes[reg] == TH_CLASS_NONE) (void)th_fn_class(a->f, reg, cls);
}

static th_status read_small(assembler *a, int64_t low, int64_t high, uint32_t *out) {
    int64_t value = 0;
    TH_TRY(read_int(a, low, high, &value));
    *out = (uint32_t)(int32_t)value;
    return TH_OK;
}

/* A listed site, or a name: then it is a site of its own. */
static th_status read_site(assembler *a, uint32_t *out) {
    token t = a->token;
    uint32_t name = 0;
    if (at_mark(a, '#')) return read_listed(a, "listed site", &a->sites, out);
    TH_TRY(read_text_name(a, &name));
    return built(a, &t, th_builder_site(a->builder, name, out));
}

static th_status read_shape_operand(assembler *a, uint32_t *out) {
    return at_mark(a, '#') ? read_listed(a, "listed shape", &a->shapes, out) : read_shape(a, false, out);
}

/* `#2:name`, or the number of the name. */
static th_status read_field(assembler *a, uint32_t *out) {
    token t = a->token;
    uint32_t shape = 0, name = 0, number = 0;
    int64_t given = 0;
    TH_TRY(read_listed(a, "listed shape", &a->shapes, &shape));
    TH_TRY(need_mark(a, ':'));
    if (a->token.kind == TOKEN_NUMBER) {
        TH_TRY(read_int(a, 0, UINT16_MAX, &given));
        number = (uint32_t)given;
    } else {
        token at = a->token;
        TH_TRY(read_text_name(a, &name));
        if (!th_builder_shape_find(a->builder, shape, name, &number))
            return fail_at(a, &at, TH_E_REFERENCE, "the shape has no name '%.*s'",
                           (int)(at.text.len > 60 ? 60 : at.text.len), at.text.data);
    }
    if (shape > UINT16_MAX || number > UINT16_MAX)
        return fail_at(a, &t, TH_E_LIMIT, "the shape or the name has a number that is too large for an operand");
    *out = shape << 16 | number;
    return TH_OK;
}

static th_status read_wide(assembler *a, uint32_t *out) {
    int64_t value = 0;
    TH_TRY(read_int(a, 0, UINT32_MAX, &value));
    *out = (uint32_t)value;
    return TH_OK;
}

static th_status read_operand(assembler *a, uint8_t operand, uint32_t *out) {
    switch (operand) {
    case TH_OPERAND_U8: return read_small(a, 0, UINT8_MAX, out);
    case TH_OPERAND_S8: return read_small(a, INT8_MIN, INT8_MAX, out);
    case TH_OPERAND_U16: return read_small(a, 0, UINT16_MAX, out);
    case TH_OPERAND_S16: return read_small(a, INT16_MIN, INT16_MAX, out);
    case TH_OPERAND_CONST: return read_constant(a, out);
    case TH_OPERAND_STRING: return read_text(a, out);
    case TH_OPERAND_TYPE: return read_type(a, 0, out);
    case TH_OPERAND_GLOBAL: return read_reference(a, "global", &a->globals, a->nglobals, out);
    case TH_OPERAND_IMPORT: return read_reference(a, "import", &a->imports, a->nimports, out);
    case TH_OPERAND_FN: return read_reference(a, "function", &a->functions, a->nfunctions, out);
    case TH_OPERAND_KEEP: return read_keep(a, out);
    case TH_OPERAND_STATUS: return read_status(a, out);
    case TH_OPERAND_SITE: return read_site(a, out);
    case TH_OPERAND_SHAPE: return read_shape_operand(a, out);
    case TH_OPERAND_FIELD: return read_field(a, out);
    case TH_OPERAND_U32: return read_wide(a, out);
    default:
        TH_TRY(read_register(a, out));
        infer_class(a, operand, *out);
        return TH_OK;
    }
}

/* ---- Instructions ------------------------------------------------------------------------------------------- */

static th_status read_switch(assembler *a, const token *t) {
    uint32_t reg = 0;
    th_label *targets = NULL;
    size_t count = 0, capacity = 0;
    TH_TRY(read_register(a, &reg));
    TH_TRY(need_mark(a, ','));
    TH_TRY(need_mark(a, '['));
    bool more = !at_mark(a, ']');
    while (more) {
        if (!th_builder_grow(a->builder, (void **)&targets, &capacity, count + 1, sizeof *targets)) return no_memory(a);
        TH_TRY(read_label(a, &targets[count++]));
        TH_TRY(take_mark(a, ',', &more));
    }
    TH_TRY(need_mark(a, ']'));
    th_fn_switch(a->f, reg, targets, (uint32_t)count);
    return built(a, t, th_builder_status(a->builder));
}

/* A constant or a string whose number is too large for its field is loaded by the wide form of the instruction. */
static void emit_plain(assembler *a, th_op op, const uint32_t v[4]) {
    const th_op_info *info = &th_ops[op];
    if ((op == TH_OP_LDK || op == TH_OP_LDS) && v[1] > UINT16_MAX)
        th_fn_abcw(a->f, op == TH_OP_LDK ? TH_OP_LDKW : TH_OP_LDSW, v[0], 0, 0, v[1]);
    else if (info->word != TH_OPERAND_NO)
        th_fn_abcw(a->f, op, v[0], v[1], v[2], v[3]);
    else if (info->format == TH_FORMAT_AI)
        th_fn_ai(a->f, op, v[0], (int32_t)v[1]);
    else
        th_fn_abc(a->f, op, v[0], v[1], v[2]);
}

static void emit_branch(assembler *a, th_op op, const uint32_t v[4], th_label target) {
    if (op == TH_OP_JMP)
        th_fn_jump(a->f, target);
    else if (th_ops[op].format == TH_FORMAT_AI)
        th_fn_branch_i(a->f, op, v[0], (int32_t)v[1], target);
    else
        th_fn_branch(a->f, op, v[0], v[1], v[2], target);
}

static th_status read_instruction(assembler *a, const token *t, th_op op) {
    const th_op_info *info = &th_ops[op];
    uint32_t v[4] = {0};
    th_label target = {0};
    bool branch = false, first = true;
    if (op == TH_OP_SWITCH) return read_switch(a, t);
    for (int i = 0; i < 4; i++) {
        uint8_t operand = i < 3 ? info->operand[i] : info->word;
        if (operand == TH_OPERAND_NO) continue;
        if (!first) TH_TRY(need_mark(a, ','));
        first = false;
        if (operand == TH_OPERAND_TARGET) {
            branch = true;
            TH_TRY(read_label(a, &target));
        } else {
            TH_TRY(read_operand(a, operand, &v[i]));
        }
    }
    if (branch)
        emit_branch(a, op, v, target);
    else
        emit_plain(a, op, v);
    return built(a, t, th_builder_status(a->builder));
}

/* ---- Bodies ------------------------------------------------------------------------------------------------- */

static th_status read_class(assembler *a, th_class *out) {
    for (int c = 0; c < TH_CLASS_COUNT; c++) {
        if (!at_word(a, th_class_text((th_class)c))) continue;
        *out = (th_class)c;
        return next(a);
    }
    return expected(a, "a register class");
}

static th_status set_classes(assembler *a, const token *t, uint32_t from, uint32_t to, th_class cls) {
    for (uint32_t reg = from; reg <= to; reg++) {
        if (th_fn_class(a->f, reg, cls)) continue;
        TH_TRY(built(a, t, th_builder_status(a->builder)));
        return fail_at(a, t, TH_E_SYNTAX, "register r%u has class %s already", reg,
                       th_class_text((th_class)a->f->classes[reg]));
    }
    return TH_OK;
}

static th_status read_regs(assembler *a) {
    bool more = true;
    while (more) {
        token t = a->token;
        uint32_t from, to;
        th_class cls = TH_CLASS_NONE;
        bool range;
        TH_TRY(read_register(a, &from));
        to = from;
        TH_TRY(take_mark(a, '-', &range));
        if (range) TH_TRY(read_register(a, &to));
        if (to < from) return fail_at(a, &t, TH_E_SYNTAX, "the range of registers is empty");
        TH_TRY(read_class(a, &cls));
        TH_TRY(set_classes(a, &t, from, to, cls));
        TH_TRY(take_mark(a, ',', &more));
    }
    return TH_OK;
}

static th_status read_keep_line(assembler *a) {
    uint32_t index = 0;
    if (!at_mark(a, '{')) return expected(a, "'{'");
    TH_TRY(read_keep(a, &index));
    return remember(a, &a->keeps, index);
}

static th_status read_handler(assembler *a) {
    token t = a->token;
    th_label start, end, target;
    uint32_t reg = 0;
    int64_t depth = 0;
    TH_TRY(read_label(a, &start));
    TH_TRY(need_word(a, "to"));
    TH_TRY(read_label(a, &end));
    TH_TRY(need_word(a, "goto"));
    TH_TRY(read_label(a, &target));
    TH_TRY(need_word(a, "with"));
    TH_TRY(read_register(a, &reg));
    TH_TRY(need_word(a, "depth"));
    TH_TRY(read_int(a, 0, UINT32_MAX, &depth));
    th_fn_handler(a->f, start, end, target, reg, (uint32_t)depth);
    return built(a, &t, th_builder_status(a->builder));
}

/* Digits of a position, read from the characters: "3-4" is two numbers there. */
static bool read_digits(lexer *l, uint32_t *out) {
    uint64_t value = 0;
    if (!is_digit(peek_char(l, 0))) return false;
    for (; is_digit(peek_char(l, 0)); l->at++) {
        value = value * 10 + (uint64_t)(peek_char(l, 0) - '0');
        if (value > UINT32_MAX) return false;
    }
    *out = (uint32_t)value;
    return true;
}

static bool read_char(lexer *l, char c) { return peek_char(l, 0) == c ? l->at++, true : false; }

/* At the '@', the lexer behind it. */
static th_status read_span(assembler *a, th_span *out) {
    token t = a->token;
    lexer *l = &a->lexer;
    th_span s = {0};
    if (is_digit(peek_char(l, 0)) &&
        !(read_digits(l, &s.line) && read_char(l, ':') && read_digits(l, &s.column) && read_char(l, '-') &&
          read_digits(l, &s.end_line) && read_char(l, ':') && read_digits(l, &s.end_column)))
        return fail_at(a, &t, TH_E_SYNTAX, "expected a position as @1:2-3:4");
    *out = s;
    return next(a);
}

static th_status read_position(assembler *a) {
    th_span s;
    TH_TRY(read_span(a, &s));
    th_fn_span(a->f, s);
    return TH_OK;
}

static th_status read_note(assembler *a) {
    token t = a->token;
    uint32_t text = 0;
    TH_TRY(read_text(a, &text));
    th_fn_note(a->f, text);
    return built(a, &t, th_builder_status(a->builder));
}

static th_status bind_label(assembler *a, const token *t) {
    uint32_t id = 0;
    TH_TRY(find_label(a, t, &id));
    if (a->label_uses[id].bound) return fail_at(a, t, TH_E_SYNTAX, "this label is here twice");
    a->label_uses[id].bound = true;
    th_fn_bind(a->f, (th_label){id});
    return next(a); /* the colon */
}

static th_status read_item(assembler *a) {
    token t = a->token;
    if (at_mark(a, '@')) return read_position(a);
    if (t.kind != TOKEN_WORD) return expected(a, "an instruction");
    TH_TRY(next(a));
    if (at_mark(a, ':')) return bind_label(a, &t);
    if (th_view_is(t.text, "regs")) return read_regs(a);
    if (th_view_is(t.text, "keep")) return read_keep_line(a);
    if (th_view_is(t.text, "handler")) return read_handler(a);
    if (th_view_is(t.text, "note")) return read_note(a);
    const th_name_entry *entry = th_name_map_get(&a->operations, t.text);
    if (entry != NULL) return read_instruction(a, &t, (th_op)entry->index);
    return fail_at(a, &t, TH_E_SYNTAX, "there is no instruction '%.*s'", (int)(t.text.len > 60 ? 60 : t.text.len),
                   t.text.data);
}

/* What must be known before the body is begun: `from` and `captures`. */
static th_status begin_body(assembler *a, const later *l) {
    th_type_id captures[256];
    size_t ncaptures = 0;
    uint32_t source = 0;
    if (at_word(a, "from")) {
        TH_TRY(next(a));
        TH_TRY(read_reference(a, "source", &a->sources, a->nsources, &source));
        source++;
    }
    bool more = at_word(a, "captures");
    if (more) TH_TRY(next(a));
    while (more) {
        if (ncaptures == 255) return fail_at(a, &a->token, TH_E_SYNTAX, "the function has too many captures");
        TH_TRY(read_type(a, 0, &captures[ncaptures++]));
        TH_TRY(take_mark(a, ',', &more));
    }
    return built(a, &l->token, th_builder_begin(a->builder, l->index, captures, ncaptures, source, &a->f));
}

static th_status read_body(assembler *a, const later *l) {
    a->labels = (th_name_map){.arena = &a->arena};
    a->nlabels = 0;
    a->keeps.len = 0;
    TH_TRY(begin_body(a, l));
    while (!at_mark(a, '}')) TH_TRY(read_item(a));
    for (size_t i = 0; i < a->nlabels; i++) {
        const label_use *use = &a->label_uses[i];
        if (!use->bound)
            return fail_at(a, &use->first, TH_E_REFERENCE, "there is no label '%.*s' in this function",
                           (int)(use->name.len > 60 ? 60 : use->name.len), use->name.data);
    }
    return built(a, &l->token, th_fn_end(a->f));
}

/* ---- The whole ---------------------------------------------------------------------------------------------- */

static th_status read_export(assembler *a, const later *l) {
    th_view name;
    uint32_t function = 0;
    TH_TRY(read_name(a, "a name", &name));
    TH_TRY(need_mark(a, '='));
    TH_TRY(read_reference(a, "function", &a->functions, a->nfunctions, &function));
    return built(a, &l->token, th_builder_export(a->builder, name, function));
}

static th_status read_start(assembler *a, const later *l) {
    uint32_t function = 0;
    TH_TRY(read_reference(a, "function", &a->functions, a->nfunctions, &function));
    return built(a, &l->token, th_builder_start(a->builder, function));
}

static th_status read_later(assembler *a, const later *l) {
    a->lexer = l->lexer;
    TH_TRY(next(a));
    switch (l->kind) {
    case LATER_MEMBERS: return read_members(a, l);
    case LATER_EXPORT: return read_export(a, l);
    case LATER_START: return read_start(a, l);
    default: return read_body(a, l);
    }
}

static th_status read_program(assembler *a) {
    for (uint32_t op = 0; op < TH_OP_COUNT; op++)
        if (!th_name_map_put(&a->operations, th_view_of(th_ops[op].text), op)) return no_memory(a);
    TH_TRY(next(a));
    while (a->token.kind != TOKEN_END) TH_TRY(statement(a));
    for (size_t i = 0; i < a->nlaters; i++)
        if (a->laters[i].kind == LATER_MEMBERS) TH_TRY(read_later(a, &a->laters[i]));
    for (size_t i = 0; i < a->nlaters; i++)
        if (a->laters[i].kind != LATER_MEMBERS) TH_TRY(read_later(a, &a->laters[i]));
    return TH_OK;
}

static th_status assemble(assembler *a, th_view text, uint8_t **bytes, size_t *len) {
    if (text.len >= UINT32_MAX) return th_fail(a->err, TH_E_LIMIT, "the text is too long");
    a->lexer = (lexer){text, 0, 0, 1};
    a->types = th_builder_types(a->builder);
    a->operations.arena = a->type_names.arena = a->functions.arena = &a->arena;
    a->globals.arena = a->imports.arena = a->sources.arena = &a->arena;
    TH_TRY(read_program(a));
    return th_builder_finish(a->builder, bytes, len, a->err);
}

th_status th_program_assemble(th_mem *mem, th_view name, th_view text, uint8_t **bytes, size_t *len, th_error *err) {
    assembler a = {.file = name, .err = err};
    th_status status = th_builder_new(mem, name, &a.builder);
    if (status != TH_OK) return th_fail(err, status, "%s", th_status_text(status));
    th_arena_init(&a.arena, mem);
    status = assemble(&a, text, bytes, len);
    th_arena_clear(&a.arena);
    th_builder_free(a.builder);
    return status;
}
