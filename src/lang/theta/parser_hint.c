/*
** parser_hint.c - what people write who come from other languages, and what it is called here.
** Looks at tokens only; says nothing itself but what th_foreign_word reports.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/syntax.h"

#include <stdio.h>

#define FUNCTION_FORM                                                                                                  \
    "a function is written Result name(Type a) { ... } or name<Function<Type, Result>> = (a<Type>) -> ..."
#define LOOP_FORM  "a loop is written while (condition) { ... }"
#define MATCH_FORM "write match x { pattern -> value }"

typedef const char *const entry[2];

static const char *look_up(entry *table, size_t n, th_view word) {
    for (size_t i = 0; i < n; i++)
        if (th_view_is(word, table[i][0])) return table[i][1];
    return NULL;
}
#define LOOK_UP(table, word) look_up(table, TH_COUNT(table), word)

static const th_token *before(const th_parser *p) { return p->at ? th_cur(p) - 1 : th_cur(p); }

static bool upper_name(const th_parser *p, const th_token *t) {
    return t->kind == TH_TOKEN_NAME && p->text[t->from] >= 'A' && p->text[t->from] <= 'Z';
}

/* ---- Words in the midst of an expression -------------------------------------------------------------------- */

/* A word right before the token that surprised: it is the one that is foreign. */
static const char *foreign_before(const th_parser *p) {
    static entry words[] = {
        {"not", "'not' is written !"},
        {"new", "a value of a struct is written @Name { field: value }"},
        {"lambda", "a function is written x -> ..."},
        {"await", "nothing is awaited here: leave it out"},
        {"async", "nothing is asynchronous here: leave it out"},
        {"yield", "a function gives one value: a list, or what its last expression is"},
        {"typeof", "types are known before the program runs; a Variadic is told apart with match"},
        {"delete", "nothing is freed by hand"},
        {"echo", "write print(x)"},
        {"raise", "write throw 'text'"},
        {"let", "a variable of a loop is declared with its type: for (i64 i = 0; ...)"},
        {"var", "a variable of a loop is declared with its type: for (i64 i = 0; ...)"},
        {"try", "'try' is followed by a block: try { ... } catch (e) { ... }"},
    };
    const th_token *word = before(p), *t = th_cur(p);
    if (word == t || word->kind != TH_TOKEN_NAME || t->newline || p->text[word->from] == '`') return NULL;
    bool value = t->kind == TH_TOKEN_NAME || (t->kind >= TH_TOKEN_INT && t->kind <= TH_TOKEN_SYMBOL) ||
                 t->kind == TH_TOKEN_LBRACE || t->kind == TH_TOKEN_STRING_HEAD || t->kind == TH_TOKEN_LBRACKET;
    if (!value) return NULL;
    if (th_view_is(th_token_view(p, word), "new") && p->at > 1 && word[-1].word == TH_WORD_THROW)
        return "an error is thrown as a text: throw 'text'";
    return LOOK_UP(words, th_token_view(p, word));
}

/* The word or sign itself, where something else was expected. */
static const char *foreign_here(const th_parser *p) {
    static entry words[] = {
        {"and", "'and' is written &&"},
        {"or", "'or' is written ||"},
        {"not", "'not' is written !"},
        {"is", "values are compared with =="},
        {"elif", "write 'else if'"},
        {"elseif", "write 'else if'"},
        {"elsif", "write 'else if'"},
        {"then", "no 'then' follows a condition"},
        {"do", "no 'do' follows a condition"},
        {"of", "a loop over values is written for (x in xs)"},
        {"as", "a conversion is a call of the type: f64(x)"},
        {"extends", "there is no inheritance; a struct may hold another one"},
        {"end", "a block ends with '}'"},
        {"desc", "descending order is written desc(column)"},
        {"asc", "ascending order needs no word"},
    };
    const th_token *t = th_cur(p), *last = before(p);
    bool touches = last != t && last->kind == TH_TOKEN_NAME && th_token_end(last) == t->from;
    switch (t->kind) {
    case TH_TOKEN_QUESTION: return "write if (condition) a else b; a default for null is written x ?? y";
    case TH_TOKEN_ELLIPSIS: return "a range is written a..b: from a up to, not including, b";
    case TH_TOKEN_ASSIGN:
        if (last->kind == TH_TOKEN_DOT_DOT) return "a range is written a..b: from a up to, not including, b";
        if (last->kind == TH_TOKEN_GT) return "between '<' and '>' stand types: name<Function<Type, Result>> = ...";
        return "an assignment is a statement of its own; values are compared with '=='";
    case TH_TOKEN_INCREMENT:
    case TH_TOKEN_DECREMENT: return "'++' and '--' are statements of their own, and no part of an expression";
    case TH_TOKEN_STRING:
    case TH_TOKEN_STRING_HEAD: return touches ? "a string has no prefix; a value is put into it with '${...}'" : NULL;
    case TH_TOKEN_PIPE: return last->kind == TH_TOKEN_RPAREN ? "a function is written (a<Type>) -> ..." : NULL;
    case TH_TOKEN_NAME: return LOOK_UP(words, th_token_view(p, t));
    default: return NULL;
    }
}

/* `7 // 2`: what follows the sign is a comment, which may have swallowed the closing bracket. */
static bool comment_before(const th_parser *p) {
    uint32_t from = p->last_end, to = th_here(p);
    const char *line = p->text + from;
    const char *stop = memchr(line, '\n', to - from);
    size_t len = stop ? (size_t)(stop - line) : to - from;
    for (size_t i = 0; i + 1 < len; i++)
        if (line[i] == '/' && line[i + 1] == '/')
            return memchr(line + i, ')', len - i) || memchr(line + i, ']', len - i);
    return false;
}

/* (i64) x */
static bool cast_before(const th_parser *p) {
    const th_token *close = before(p), *t = th_cur(p);
    if (close == t || close->kind != TH_TOKEN_RPAREN || t->newline || close->to == TH_NO_PARTNER || close->to == 0)
        return false;
    if (t->kind != TH_TOKEN_NAME && t->kind != TH_TOKEN_INT && t->kind != TH_TOKEN_FLOAT) return false;
    const th_token *open = &p->tokens[close->to - 1];
    if (close - open != 2 || open[1].kind != TH_TOKEN_NAME) return false;
    static entry types[] = {{"i64", ""}, {"f64", ""}, {"i32", ""},    {"int", ""},    {"float", ""},  {"f32", ""},
                            {"i8", ""},  {"i16", ""}, {"double", ""}, {"String", ""}, {"string", ""}, {"long", ""}};
    return LOOK_UP(types, th_token_view(p, open + 1)) != NULL;
}

void th_hint_unexpected(th_parser *p) {
    const char *hint = foreign_here(p);
    char text[160];
    const th_token *t = th_cur(p), *last = before(p);
    if (!hint && t->kind == TH_TOKEN_LBRACE && !t->newline && last != t && upper_name(p, last)) {
        th_view name = th_token_view(p, last);
        if (name.len > 60) return;
        snprintf(text, sizeof text, "a value of a struct is written @%.*s { field: value }", (int)name.len, name.data);
        hint = text;
    }
    if (!hint && cast_before(p)) hint = "a conversion is a call of the type: i64(x), f64(x), String(x)";
    if (!hint && comment_before(p)) hint = "'//' begins a comment; whole numbers are divided with '/'";
    if (hint) th_hint(p, hint);
}

bool th_foreign_word(th_parser *p) {
    const char *hint = foreign_before(p);
    if (!hint || p->panic) return false;
    th_view word = th_token_view(p, before(p));
    bool known = th_view_is(word, "try");
    if (known)
        th_error_at(p, before(p), "'try' is not followed by a block");
    else
        th_error_at(p, before(p), "'%.*s' is no word of Theta", (int)word.len, word.data);
    th_hint(p, hint);
    return true;
}

/* ---- Words that begin definitions --------------------------------------------------------------------------- */

static bool begins_function(th_view word) {
    static entry words[] = {{"function", ""}, {"def", ""}, {"fn", ""},  {"func", ""},
                            {"fun", ""},      {"sub", ""}, {"proc", ""}};
    return LOOK_UP(words, word) != NULL;
}

static bool begins_value(th_view word) {
    static entry words[] = {{"let", ""},  {"var", ""}, {"const", ""}, {"val", ""},
                            {"auto", ""}, {"my", ""},  {"mut", ""}};
    return LOOK_UP(words, word) != NULL;
}

static bool is_modifier(th_view word) {
    static entry words[] = {{"public", ""}, {"private", ""}, {"protected", ""}, {"static", ""},
                            {"export", ""}, {"final", ""},   {"async", ""},     {"inline", ""},
                            {"extern", ""}, {"pub", ""},     {"local", ""},     {"abstract", ""}};
    return LOOK_UP(words, word) != NULL;
}

const char *th_foreign_definition(const th_parser *p, bool *skip) {
    static entry words[] = {
        {"elif", "write 'else if'"},
        {"elseif", "write 'else if'"},
        {"elsif", "write 'else if'"},
        {"class", "data is described by struct Name { field<Type> }, and what it does by functions"},
        {"interface", "data is described by struct Name { field<Type> }"},
        {"trait", "functions are told apart by the types of their parameters"},
        {"impl", "functions of a struct stand beside it, in its capsule"},
        {"type", "data is described by struct Name { field<Type> }"},
        {"import", "write link Name; the standard library needs no link"},
        {"from", "write link Name; the standard library needs no link"},
        {"use", "write link Name; the standard library needs no link"},
        {"using", "write link Name; the standard library needs no link"},
        {"include", "write link Name; the standard library needs no link"},
        {"require", "write link Name; the standard library needs no link"},
        {"module", "write capsule Name { }"},
        {"namespace", "write capsule Name { }"},
        {"package", "write capsule Name { }"},
        {"mod", "write capsule Name { }"},
        {"case", MATCH_FORM},
    };
    const th_token *next = th_peek(p, 1);
    *skip = false;
    if (next->kind != TH_TOKEN_NAME || next->newline) return NULL;
    th_view word = th_token_view(p, th_cur(p));
    if (begins_value(word)) {
        *skip = true;
        return "a value is bound with name = value or name<Type> = value, and a variable with Type name = value";
    }
    if (is_modifier(word)) {
        *skip = true;
        return "definitions have no such marks: leave it out";
    }
    if (begins_function(word)) return FUNCTION_FORM;
    return LOOK_UP(words, word);
}

bool th_foreign_prefix(th_view word) { return begins_value(word) || is_modifier(word); }

bool th_else_if_word(const th_token *t, th_view word) {
    return t->kind == TH_TOKEN_NAME &&
           (th_view_is(word, "elif") || th_view_is(word, "elseif") || th_view_is(word, "elsif"));
}

/* ---- Statements that do not end ----------------------------------------------------------------------------- */

/* `name(...) {`: a construct of another language, or a function without its result type. */
const char *th_foreign_block(th_view name) {
    static entry words[] = {
        {"switch", MATCH_FORM},
        {"elif", "write 'else if'"},
        {"elseif", "write 'else if'"},
        {"elsif", "write 'else if'"},
        {"foreach", "write for (x in xs) { ... }"},
        {"catch", "'catch' follows the block of a 'try'"},
        {"except", "write try { ... } catch (e) { ... }"},
        {"unless", "write if (!condition) { ... }"},
        {"until", "write while (!condition) { ... }"},
        {"loop", LOOP_FORM},
        {"function", "a function is written (a<Type>) -> ..."},
        {"fn", "a function is written (a<Type>) -> ..."},
        {"func", "a function is written (a<Type>) -> ..."},
    };
    return LOOK_UP(words, name);
}

/* A word alone before `{`. */
static const char *block_word(th_view name) {
    static entry words[] = {
        {"do", LOOP_FORM},
        {"loop", LOOP_FORM},
        {"repeat", LOOP_FORM},
        {"begin", "a block needs no word before it"},
        {"finally", "'finally' follows the block of a 'try' or of its 'catch'"},
        {"catch", "'catch' follows the block of a 'try', and stands before 'finally'"},
        {"switch", MATCH_FORM},
    };
    return LOOK_UP(words, name);
}

void th_hint_statement(th_parser *p, const th_ast *statement) {
    const char *hint = NULL;
    th_token_kind kind = th_kind(p);
    bool value = kind >= TH_TOKEN_INT && kind <= TH_TOKEN_SYMBOL;
    bool one_name = statement->kind == TH_AST_LIST && statement->kids && statement->nkids == 1 &&
                    statement->kids[0]->kind == TH_AST_NAME;
    if (kind == TH_TOKEN_COMMA && statement->kind == TH_AST_VARIABLE)
        hint = "each variable is a statement of its own";
    else if (kind == TH_TOKEN_LT && statement->kind == TH_AST_VARIABLE)
        hint = "type variables are not declared: a single capital letter is one";
    else if (statement->kind == TH_AST_VARIABLE && !statement->kids[1] && (th_precedence(kind) || kind == TH_TOKEN_DOT))
        hint = "a call needs parentheses: f(x)";
    else if (kind == TH_TOKEN_LBRACE && statement->kind == TH_AST_NAME)
        hint = block_word(statement->text);
    else if (kind == TH_TOKEN_COLON && statement->kind == TH_AST_NAME)
        hint =
            th_peek(p, 1)->kind == TH_TOKEN_ASSIGN ? "a value is bound with '=' alone" : "a type is written name<Type>";
    else if (statement->kind == TH_AST_NAME && value)
        hint = "a call needs parentheses: f(x)";
    else if (kind == TH_TOKEN_NAME && one_name)
        hint = "the type of a list is written List<Type>";
    else if (kind == TH_TOKEN_ARROW)
        hint = "a function's parameters stand in parentheses: (a<Type>, b<Type>) -> ...";
    else if (kind == TH_TOKEN_NAME && th_word_at(p) == TH_WORD_ELSE)
        hint = "'else' follows the branch of an 'if'";
    if (hint) th_hint(p, hint);
}
