/*
** parser.c - the parser's core (cursor, errors, recovery, nodes), statements, definitions and whole files.
** Recursive descent over the token array; linear in the text; C stack bounded by th_enter. See syntax.h for recovery.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/syntax.h"

#include <stdio.h>

/* Nested constructs the parser itself follows: parentheses leave no nodes, so this is no bound on the tree. */
enum { MAX_NESTING = 2 * TH_AST_MAX_DEPTH };

/* ---- Cursor ------------------------------------------------------------------------------------------------- */

th_view th_token_view(const th_parser *p, const th_token *t) {
    if (t->kind == TH_TOKEN_NAME && p->text[t->from] == '`') /* a name in backticks */
        return (th_view){p->text + t->from + 1, th_token_end(t) - t->from - 2};
    return (th_view){p->text + t->from, th_token_end(t) - t->from};
}

void th_advance(th_parser *p) {
    if (p->at + 1 >= p->count) return;
    p->last_end = th_token_end(th_cur(p));
    p->at++;
}

bool th_accept(th_parser *p, th_token_kind kind) {
    if (th_kind(p) != kind) return false;
    th_advance(p);
    return true;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static void give_up(th_parser *p) {
    p->dead = p->panic = true;
    p->at = p->count - 1;
}

static void no_memory(th_parser *p) {
    p->nomem = true;
    give_up(p);
}

static void report(th_parser *p, uint32_t from, uint32_t to, const char *format, va_list args) {
    char message[400];
    p->panic = true;
    p->told = from < p->quiet_from;
    if (!p->told) return;
    vsnprintf(message, sizeof message, format, args);
    th_report_add(&p->report, TH_ERROR, from, to, "%s", message);
}

void th_error_at(th_parser *p, const th_token *t, const char *format, ...) {
    if (p->panic) return;
    p->told = false;
    if (t->kind == TH_TOKEN_BAD) { /* the lexer said what is wrong */
        p->panic = true;
        return;
    }
    uint32_t from = t->from, to = th_token_end(t);
    if (t->kind == TH_TOKEN_END) {
        if (p->report.errors == 0) p->ended = true;
        from = to = p->last_end;
    }
    va_list args;
    va_start(args, format);
    report(p, from, to, format, args);
    va_end(args);
}

void th_error_node(th_parser *p, const th_ast *node, const char *format, ...) {
    if (p->panic) return;
    va_list args;
    va_start(args, format);
    report(p, node->from, node->to, format, args);
    va_end(args);
}

void th_hint(th_parser *p, const char *text) {
    if (p->told) th_report_hint(&p->report, text);
}

/* How a token is named in a message. */
static void describe(const th_parser *p, const th_token *t, char *out, size_t size) {
    enum { SHOWN = 40 };
    th_view text = th_token_view(p, t);
    switch (t->kind) {
    case TH_TOKEN_END: snprintf(out, size, "the end of the text"); return;
    case TH_TOKEN_STRING:
    case TH_TOKEN_STRING_HEAD: snprintf(out, size, "a string"); return;
    case TH_TOKEN_STRING_PART:
    case TH_TOKEN_STRING_TAIL: snprintf(out, size, "the '}' of '${'"); return;
    default: break;
    }
    size_t len = text.len;
    if (len > SHOWN) {
        for (len = SHOWN; len && ((uint8_t)text.data[len] & 0xc0) == 0x80;) len--;
    }
    snprintf(out, size, "'%.*s%s'", (int)len, text.data, len < text.len ? "..." : "");
}

void th_expected(th_parser *p, const char *wanted) {
    if (p->panic || th_foreign_word(p)) return;
    char found[64];
    const th_token *t = th_cur(p);
    describe(p, t, found, sizeof found);
    const char *reserved = t->kind == TH_TOKEN_NAME && th_word_reserved((th_word)t->word) ? "the word " : "";
    th_error_at(p, t, "expected %s, found %s%s", wanted, reserved, found);
    th_hint_unexpected(p);
}

bool th_expect(th_parser *p, th_token_kind kind, const char *wanted) {
    if (p->panic) return false;
    if (th_accept(p, kind)) return true;
    th_expected(p, wanted);
    return false;
}

bool th_enter(th_parser *p) {
    if (p->dead) return false;
    if (p->depth < MAX_NESTING) {
        p->depth++;
        return true;
    }
    th_error_at(p, th_cur(p), "nested too deeply: more than %d levels", MAX_NESTING);
    give_up(p);
    return false;
}

/* ---- Recovery ----------------------------------------------------------------------------------------------- */

static bool is_opener(th_token_kind kind) {
    return kind == TH_TOKEN_LPAREN || kind == TH_TOKEN_LBRACKET || kind == TH_TOKEN_LBRACE;
}

static bool is_closer(th_token_kind kind) {
    return kind == TH_TOKEN_RPAREN || kind == TH_TOKEN_RBRACKET || kind == TH_TOKEN_RBRACE;
}

static void expected_closer(th_parser *p, uint32_t open) {
    const th_token *t = &p->tokens[open];
    th_span span = th_report_span(&p->report, t->from, t->from + 1);
    char wanted[80];
    const char *closer = t->kind == TH_TOKEN_LPAREN ? ")" : t->kind == TH_TOKEN_LBRACKET ? "]" : "}";
    snprintf(wanted, sizeof wanted, "'%s' to close the '%s' opened at %u:%u", closer,
             th_token_text((th_token_kind)t->kind), (unsigned)span.line, (unsigned)span.column);
    th_expected(p, wanted);
}

static uint32_t column_of(th_parser *p, uint32_t i) {
    return th_report_span(&p->report, p->tokens[i].from, p->tokens[i].from).column;
}

/* Which brace lacks its partner, by indentation: the first `}` that stands further left than the line of its `{`. */
static void hint_missing_brace(th_parser *p, uint32_t open) {
    uint32_t line_first = open, worst = TH_NO_PARTNER;
    for (uint32_t i = open + 1; i < p->count; i++) {
        const th_token *t = &p->tokens[i];
        if (t->newline) line_first = i;
        if (t->kind != TH_TOKEN_LBRACE || t->to == TH_NO_PARTNER || line_first == open) continue;
        if (!p->tokens[t->to].newline || (worst != TH_NO_PARTNER && t->to >= worst)) continue;
        if (column_of(p, t->to) < column_of(p, line_first)) worst = t->to;
    }
    if (worst == TH_NO_PARTNER) return;
    uint32_t closed = p->tokens[worst].to - 1;
    th_span end = th_report_span(&p->report, p->tokens[worst].from, p->tokens[worst].from);
    th_span own = th_report_span(&p->report, p->tokens[closed].from, p->tokens[closed].from);
    char hint[160];
    snprintf(hint, sizeof hint,
             "the '}' at %u:%u closes the '{' at %u:%u, which is indented more: is one missing before it?",
             (unsigned)end.line, (unsigned)end.column, (unsigned)own.line, (unsigned)own.column);
    th_hint(p, hint);
}

void th_close(th_parser *p, uint32_t open, const char *wanted) {
    uint32_t partner = p->tokens[open].to;
    if (!p->panic && partner != p->at) {
        bool inside = partner != TH_NO_PARTNER && !is_closer(th_kind(p)) && th_kind(p) != TH_TOKEN_END;
        if (inside)
            th_expected(p, wanted);
        else
            expected_closer(p, open);
        bool ended = th_kind(p) == TH_TOKEN_END && p->tokens[open].kind == TH_TOKEN_LBRACE;
        if (p->told && ended && !p->unclosed) hint_missing_brace(p, open);
        p->unclosed |= ended; /* the brackets around it end there too: one cause */
    }
    if (p->dead || partner == TH_NO_PARTNER || partner < p->at) return;
    p->at = partner;
    p->panic = false;
    th_advance(p);
}

/* Tokens no statement begins with: a line that begins with one belongs to the line before. */
static bool continues_line(th_token_kind kind) {
    switch (kind) {
    case TH_TOKEN_PIPE:
    case TH_TOKEN_DOT:
    case TH_TOKEN_QUESTION_DOT:
    case TH_TOKEN_RPAREN:
    case TH_TOKEN_RBRACKET:
    case TH_TOKEN_COMMA:
    case TH_TOKEN_POWER:
    case TH_TOKEN_ASSIGN: return true;
    default: return th_precedence(kind) && kind != TH_TOKEN_MINUS;
    }
}

void th_sync(th_parser *p, uint32_t start) {
    if (p->dead) return;
    p->panic = false;
    while (th_kind(p) != TH_TOKEN_END && th_kind(p) != TH_TOKEN_RBRACE) {
        const th_token *t = th_cur(p);
        if (p->at > start) {
            if (th_accept(p, TH_TOKEN_SEMICOLON)) return;
            if (t->newline && !continues_line((th_token_kind)t->kind)) return;
        }
        if (is_opener((th_token_kind)t->kind) && t->to != TH_NO_PARTNER) p->at = t->to;
        th_advance(p);
    }
}

/* ---- Nodes -------------------------------------------------------------------------------------------------- */

th_ast *th_node(th_parser *p, th_ast_kind kind, uint32_t from, size_t n, th_ast *const *kids) {
    th_ast *node = th_arena_new(p->arena, sizeof *node);
    th_ast **own = n && node ? th_arena_new(p->arena, n * sizeof *own) : NULL;
    if (!node || (n && !own)) {
        no_memory(p);
        return p->hole;
    }
    if (n) memcpy(own, kids, n * sizeof *own);
    uint32_t to = p->last_end > from ? p->last_end : from;
    *node = (th_ast){.kind = (uint8_t)kind, .nkids = (uint32_t)n, .from = from, .to = to, .text = {"", 0}, .kids = own};
    return node;
}

th_ast *th_leaf(th_parser *p, th_ast_kind kind, uint32_t from, th_view text) {
    th_ast *node = th_node(p, kind, from, 0, NULL);
    node->text = text;
    return node;
}

th_ast *th_hole(th_parser *p) {
    if (p->dead) return p->hole;
    return th_leaf(p, TH_AST_ERROR, th_here(p), (th_view){"", 0});
}

void th_push(th_parser *p, th_ast *kid) {
    if (p->nkids == p->kids_capacity) {
        void *kids = p->kids;
        if (th_mem_grow(p->mem, &kids, &p->kids_capacity, p->nkids + 1, sizeof *p->kids)) {
            no_memory(p);
            return;
        }
        p->kids = kids;
    }
    p->kids[p->nkids++] = kid;
}

th_ast *th_node_of(th_parser *p, th_ast_kind kind, uint32_t from, size_t mark) {
    if (p->nkids < mark || p->nomem) {
        p->nkids = p->nkids < mark ? p->nkids : mark;
        return p->hole;
    }
    size_t n = p->nkids - mark;
    th_ast *node = th_node(p, kind, from, n, n ? p->kids + mark : NULL);
    p->nkids = mark;
    return node;
}

/* ---- Assignments -------------------------------------------------------------------------------------------- */

static bool is_assignment(th_token_kind kind) {
    switch (kind) {
    case TH_TOKEN_ASSIGN:
    case TH_TOKEN_PLUS_ASSIGN:
    case TH_TOKEN_MINUS_ASSIGN:
    case TH_TOKEN_STAR_ASSIGN:
    case TH_TOKEN_SLASH_ASSIGN:
    case TH_TOKEN_PERCENT_ASSIGN:
    case TH_TOKEN_AMPERSAND_ASSIGN:
    case TH_TOKEN_BAR_ASSIGN:
    case TH_TOKEN_CARET_ASSIGN:
    case TH_TOKEN_SHL_ASSIGN:
    case TH_TOKEN_SHR_ASSIGN:
    case TH_TOKEN_POWER_ASSIGN: return true;
    default: return false;
    }
}

static bool check_target(th_parser *p, const th_ast *target) {
    bool good = target->kind == TH_AST_NAME || target->kind == TH_AST_INDEX || target->kind == TH_AST_MEMBER;
    if (good && !(target->flags & TH_AST_OPTIONAL)) return true;
    if (target->kind == TH_AST_ERROR) return false;
    const char *sign = th_token_text(th_kind(p));
    bool open_type = target->kind == TH_AST_BINARY && target->op == TH_TOKEN_LT;
    if (good)
        th_error_at(p, th_cur(p), "'%s' cannot go through '?.'", sign);
    else
        th_error_at(p, th_cur(p), "'%s' follows what cannot be assigned to", sign);
    if (open_type)
        th_hint(p, "a type in '<' is closed with '>' before the '='");
    else if (th_kind(p) == TH_TOKEN_ASSIGN && !good)
        th_hint(p, "a variable, an element or a field stands left of '='; values are compared with '=='");
    else
        th_hint(p, "a variable, an element or a field stands before it");
    return false;
}

static bool step_ahead(const th_parser *p) {
    return (th_kind(p) == TH_TOKEN_INCREMENT || th_kind(p) == TH_TOKEN_DECREMENT) && !th_cur(p)->newline;
}

th_ast *th_parse_assignment(th_parser *p, th_ast *target) {
    if (p->panic || (!is_assignment(th_kind(p)) && !step_ahead(p)) || !check_target(p, target)) return target;
    th_token_kind op = th_kind(p);
    th_advance(p);
    if (op == TH_TOKEN_INCREMENT || op == TH_TOKEN_DECREMENT) {
        th_ast *node = TH_NODE(p, TH_AST_INCREMENT, target->from, target);
        node->op = (uint8_t)op;
        return node;
    }
    th_ast *value = th_parse_expression(p);
    if (op == TH_TOKEN_ASSIGN && target->kind == TH_AST_NAME) {
        th_ast *node = TH_NODE(p, TH_AST_BINDING, target->from, NULL, value);
        node->text = target->text;
        return node;
    }
    th_ast *node = TH_NODE(p, TH_AST_ASSIGN, target->from, target, value);
    node->op = (uint8_t)op;
    return node;
}

/* ++x */
static th_ast *parse_prefix_step(th_parser *p) {
    uint32_t from = th_here(p);
    th_token_kind op = th_kind(p);
    th_advance(p);
    uint32_t first = p->at;
    th_ast *target = th_parse_expression(p);
    bool good = target->kind == TH_AST_NAME || target->kind == TH_AST_INDEX || target->kind == TH_AST_MEMBER;
    if (!p->panic && !good)
        th_error_at(p, &p->tokens[first], "'%s' stands before a variable, an element or a field", th_token_text(op));
    th_ast *node = TH_NODE(p, TH_AST_INCREMENT, from, target);
    node->op = (uint8_t)op;
    return node;
}

/* ---- Definitions -------------------------------------------------------------------------------------------- */

/* name<T> = value; with `bare` name<T> -> value */
static th_ast *parse_typed_binding(th_parser *p, bool bare) {
    uint32_t from = th_here(p);
    th_view name = th_token_view(p, th_cur(p));
    th_advance(p);
    th_ast *type = th_parse_annotation(p);
    if (!bare) th_expect(p, TH_TOKEN_ASSIGN, "'=' and a value");
    th_ast *value = p->panic ? th_hole(p) : th_parse_expression(p);
    th_ast *node = TH_NODE(p, TH_AST_BINDING, from, type, value);
    node->text = name;
    return node;
}

/* Type name(params) { }, Type name = value, Type name */
static th_ast *parse_c_form(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *type = th_parse_type(p);
    th_view name = th_token_view(p, th_cur(p));
    if (!th_expect(p, TH_TOKEN_NAME, "a name")) return th_hole(p);
    if (th_kind(p) == TH_TOKEN_LPAREN && !th_cur(p)->newline) {
        th_ast *params = th_parse_params(p);
        th_ast *body = p->panic ? th_hole(p) : th_parse_block(p, "'{' and the body of the function");
        th_ast *node = TH_NODE(p, TH_AST_FUNCTION, from, type, params, body);
        node->text = name;
        return node;
    }
    th_ast *value = th_accept(p, TH_TOKEN_ASSIGN) ? th_parse_expression(p) : NULL;
    th_ast *node = TH_NODE(p, TH_AST_VARIABLE, from, type, value);
    node->text = name;
    return node;
}

static th_ast *parse_pattern_binding(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *pattern = th_parse_pattern(p);
    th_expect(p, TH_TOKEN_ASSIGN, "'=' and a value");
    th_ast *value = p->panic ? th_hole(p) : th_parse_expression(p);
    return TH_NODE(p, TH_AST_PATTERN_BINDING, from, pattern, value);
}

/* In a struct `List<i64> xs` is a type and a name, and `x<i64> y<i64>` are two fields. */
static bool c_field_ahead(const th_parser *p) {
    uint32_t i = th_after_type(p, p->at);
    if (i == 0 || p->tokens[i].kind != TH_TOKEN_NAME || p->tokens[i].newline) return false;
    if (th_peek(p, 1)->kind != TH_TOKEN_LT) return true;
    th_token_kind kind;
    char first = p->text[th_here(p)];
    bool upper = first >= 'A' && first <= 'Z';
    return upper && !th_after_types(p, i + 1, &kind);
}

static th_ast *parse_struct_field(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *type = NULL, *fallback = NULL;
    bool c_form = c_field_ahead(p);
    if (c_form) type = th_parse_type(p);
    th_view name = th_token_view(p, th_cur(p));
    if (!th_expect(p, TH_TOKEN_NAME, "a field, as in name<Type>, or '}'")) return th_hole(p);
    if (!c_form && th_kind(p) == TH_TOKEN_ASSIGN) {
        th_error_at(p, th_cur(p), "expected the type of the field in '<' and '>', found '='");
        th_hint(p, "if this is no field, the '}' of the struct is missing before it");
    } else if (!c_form && th_kind(p) != TH_TOKEN_LT) {
        th_expected(p, "the type of the field in '<' and '>'");
        if (th_kind(p) == TH_TOKEN_COLON) th_hint(p, "a field is written name<Type>");
    } else if (!c_form) {
        type = th_parse_annotation(p);
    }
    if (!p->panic && th_accept(p, TH_TOKEN_ASSIGN)) fallback = th_parse_expression(p);
    th_ast *node = TH_NODE(p, TH_AST_FIELD, from, type, fallback);
    node->text = name;
    return node;
}

static th_ast *parse_enum_member(th_parser *p) {
    uint32_t from = th_here(p);
    th_accept(p, TH_TOKEN_COLON); /* `:A:B` reads as a symbol, a colon and a name */
    th_view name = th_token_view(p, th_cur(p));
    if (th_accept(p, TH_TOKEN_SYMBOL)) return th_leaf(p, TH_AST_SYMBOL, from, (th_view){name.data + 1, name.len - 1});
    if (!th_expect(p, TH_TOKEN_NAME, "a member of the enum or '}'")) return th_hole(p);
    return th_leaf(p, TH_AST_SYMBOL, from, name);
}

/* struct Name { fields }, enum Name { members }; between them spaces, commas, semicolons or lines. */
static th_ast *parse_type_definition(th_parser *p, th_ast_kind kind) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_advance(p);
    th_view name = th_token_view(p, th_cur(p));
    bool named = th_is_name(th_cur(p));
    if (named)
        th_advance(p);
    else
        th_expected(p, kind == TH_AST_STRUCT ? "the name of the struct" : "the name of the enum");
    uint32_t open = p->at;
    if (!p->panic && th_kind(p) != TH_TOKEN_LBRACE)
        th_expected(p, kind == TH_AST_STRUCT ? "'{' and the fields of the struct" : "'{' and the members of the enum");
    if (p->panic) return th_hole(p);
    th_scope saved = th_scope_open(p, false);
    th_advance(p);
    while (!p->panic && th_kind(p) != TH_TOKEN_RBRACE && th_kind(p) != TH_TOKEN_END) {
        th_push(p, kind == TH_AST_STRUCT ? parse_struct_field(p) : parse_enum_member(p));
        if (!p->panic && kind == TH_AST_ENUM && th_kind(p) == TH_TOKEN_ASSIGN) {
            th_error_at(p, th_cur(p), "a member of an enum has no value of its own");
            th_hint(p, "members are numbered from 0, as they stand: i64(Name.MEMBER)");
        }
        if (!p->panic && !th_accept(p, TH_TOKEN_COMMA)) th_accept(p, TH_TOKEN_SEMICOLON);
    }
    th_close(p, open, "'}'");
    th_scope_close(p, saved);
    th_ast *node = th_node_of(p, kind, from, mark);
    node->text = name;
    return node;
}

static th_ast *parse_capsule(th_parser *p) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_advance(p);
    th_view name = th_parse_dotted(p, "the name of the capsule");
    uint32_t open = p->at;
    if (!p->panic && th_kind(p) != TH_TOKEN_LBRACE) th_expected(p, "'{' and the members of the capsule");
    if (p->panic) return th_hole(p);
    th_scope saved = th_scope_open(p, false);
    th_advance(p);
    th_parse_statements(p, TH_LEVEL_MEMBER);
    th_close(p, open, "'}'");
    th_scope_close(p, saved);
    th_ast *node = th_node_of(p, TH_AST_CAPSULE, from, mark);
    node->text = name;
    return node;
}

static th_ast *parse_link(th_parser *p, th_level level) {
    uint32_t from = th_here(p);
    if (level != TH_LEVEL_FILE) {
        th_error_at(p, th_cur(p), "'link' stands at the top of a file, outside its capsules");
        return th_hole(p);
    }
    th_advance(p);
    th_view name = th_parse_dotted(p, "the name of a capsule");
    return th_leaf(p, TH_AST_LINK, from, name);
}

/* Reports a word of another language that begins a definition. True: what follows can be read without it. */
static bool skip_foreign(th_parser *p, const char *hint, bool skip) {
    th_view word = th_token_view(p, th_cur(p));
    th_error_at(p, th_cur(p), "'%.*s' is no word of Theta", (int)word.len, word.data);
    th_hint(p, hint);
    if (!skip || p->dead) return false;
    p->panic = false;
    th_advance(p);
    while (th_kind(p) == TH_TOKEN_NAME && th_peek(p, 1)->kind == TH_TOKEN_NAME && !th_peek(p, 1)->newline &&
           th_foreign_prefix(th_token_view(p, th_cur(p))))
        th_advance(p); /* public static ..: one mistake */
    return true;
}

/* ---- Loops -------------------------------------------------------------------------------------------------- */

static th_ast *parse_while(th_parser *p) {
    uint32_t from = th_here(p);
    th_advance(p);
    th_ast *condition = th_parse_condition(p);
    th_ast *body = p->panic ? th_hole(p) : th_parse_branch(p);
    return TH_NODE(p, TH_AST_WHILE, from, condition, body);
}

/* k, v: a tuple */
static th_ast *parse_loop_pattern(th_parser *p) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_ast *pattern = th_parse_pattern(p);
    if (p->panic || th_kind(p) != TH_TOKEN_COMMA) return pattern;
    th_push(p, pattern);
    while (!p->panic && th_accept(p, TH_TOKEN_COMMA)) th_push(p, th_parse_pattern(p));
    return th_node_of(p, TH_AST_TUPLE_PATTERN, from, mark);
}

static bool accept_in(th_parser *p) {
    bool found = !p->panic && th_kind(p) == TH_TOKEN_NAME && th_word_at(p) == TH_WORD_IN;
    if (found)
        th_advance(p);
    else
        th_expected(p, "'in' and what to go through");
    return found;
}

static th_ast *parse_for_in(th_parser *p, uint32_t from, bool paren) {
    uint32_t open = p->at;
    th_scope saved = th_scope_open(p, paren || p->flat);
    if (paren) th_advance(p);
    th_ast *pattern = parse_loop_pattern(p);
    th_ast *iterable = accept_in(p) ? th_parse_expression(p) : th_hole(p);
    if (paren) th_close(p, open, "an operator or ')'");
    th_scope_close(p, saved);
    th_ast *body = p->panic ? th_hole(p) : th_parse_branch(p);
    return TH_NODE(p, TH_AST_FOR_IN, from, pattern, iterable, body);
}

static th_ast *parse_for_steps(th_parser *p, uint32_t from) {
    uint32_t open = p->at;
    th_ast *init = NULL, *condition = NULL, *step = NULL;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    bool skip = false;
    if (th_is_name(th_cur(p)) && th_foreign_definition(p, &skip) && skip)
        skip_foreign(p, "a variable of a loop is declared with its type: for (i64 i = 0; ...)", true);
    if (th_kind(p) != TH_TOKEN_SEMICOLON) init = th_parse_statement(p, TH_LEVEL_LOCAL);
    th_expect(p, TH_TOKEN_SEMICOLON, "';' after the start of the loop");
    if (!p->panic && th_kind(p) != TH_TOKEN_SEMICOLON) condition = th_parse_expression(p);
    th_expect(p, TH_TOKEN_SEMICOLON, "';' after the condition of the loop");
    if (!p->panic && th_kind(p) != TH_TOKEN_RPAREN) step = th_parse_statement(p, TH_LEVEL_LOCAL);
    th_close(p, open, "')' after the step of the loop");
    th_scope_close(p, saved);
    th_ast *body = p->panic ? th_hole(p) : th_parse_branch(p);
    return TH_NODE(p, TH_AST_FOR, from, init, condition, step, body);
}

typedef enum head { HEAD_NONE, HEAD_IN, HEAD_STEPS } head;

static head head_of(const th_parser *p, uint32_t open) {
    for (uint32_t i = open + 1; i < p->tokens[open].to; i++) {
        const th_token *t = &p->tokens[i];
        if (t->kind == TH_TOKEN_SEMICOLON) return HEAD_STEPS;
        if (t->kind == TH_TOKEN_NAME && t->word == TH_WORD_IN && i > open + 1) return HEAD_IN;
        if (is_opener((th_token_kind)t->kind) && t->to != TH_NO_PARTNER) i = t->to;
    }
    return HEAD_NONE;
}

static th_ast *parse_for(th_parser *p) {
    uint32_t from = th_here(p), open = p->at + 1;
    th_advance(p);
    if (th_kind(p) != TH_TOKEN_LPAREN) return parse_for_in(p, from, false);
    if (p->tokens[open].to == TH_NO_PARTNER) {
        th_error_at(p, th_cur(p), "this '(' is never closed");
        return th_hole(p);
    }
    /* for (a, b) in pairs */
    const th_token *after = &p->tokens[p->tokens[open].to + 1];
    if (after->kind == TH_TOKEN_NAME && after->word == TH_WORD_IN) return parse_for_in(p, from, false);
    switch (head_of(p, open)) {
    case HEAD_IN: return parse_for_in(p, from, true);
    case HEAD_STEPS: return parse_for_steps(p, from);
    default: break;
    }
    th_error_at(p, th_cur(p), "the head of this 'for' has neither 'in' nor ';'");
    th_hint(p, "a loop is written for (x in xs) or for (i64 i = 0; i < n; i++)");
    th_scope saved = th_scope_open(p, true);
    th_close(p, open, "')'");
    th_scope_close(p, saved);
    th_ast *hole = th_hole(p);
    if (!p->panic) th_parse_branch(p);
    return hole;
}

/* ---- Statements --------------------------------------------------------------------------------------------- */

/* name: Type = value, as the type stands in other languages. */
static bool colon_binding_ahead(const th_parser *p) {
    if (!th_is_name(th_cur(p)) || th_peek(p, 1)->kind != TH_TOKEN_COLON || th_peek(p, 1)->newline) return false;
    uint32_t after = th_after_type(p, p->at + 2);
    return after && p->tokens[after].kind == TH_TOKEN_ASSIGN;
}

static th_ast *parse_colon_binding(th_parser *p, bool told) {
    uint32_t from = th_here(p);
    th_view name = th_token_view(p, th_cur(p));
    th_advance(p);
    if (!told) {
        th_error_at(p, th_cur(p), "a type does not stand after ':'");
        th_hint(p, "it stands in '<' and '>': name<Type> = value");
        if (p->dead) return th_hole(p);
        p->panic = false;
    }
    th_advance(p);
    th_ast *type = th_parse_type(p);
    th_expect(p, TH_TOKEN_ASSIGN, "'=' and a value");
    th_ast *value = p->panic ? th_hole(p) : th_parse_expression(p);
    th_ast *node = TH_NODE(p, TH_AST_BINDING, from, type, value);
    node->text = name;
    return node;
}

/* name(Type a) { }: the result type is missing. */
static bool untyped_function_ahead(const th_parser *p) {
    const th_token *open = th_peek(p, 1);
    if (!th_is_name(th_cur(p)) || open->kind != TH_TOKEN_LPAREN || open->newline || open->to == TH_NO_PARTNER)
        return false;
    const th_token *brace = &p->tokens[open->to + 1];
    return brace->kind == TH_TOKEN_LBRACE && !brace->newline && !th_foreign_block(th_token_view(p, th_cur(p)));
}

static th_ast *parse_untyped_function(th_parser *p) {
    th_view name = th_token_view(p, th_cur(p));
    th_error_at(p, th_cur(p), "the function '%.*s' lacks the type of its result", (int)(name.len < 80 ? name.len : 80),
                name.data);
    th_hint(p, "it stands before the name, void when there is no result: void name(Type a) { ... }");
    if (p->dead) return th_hole(p);
    p->panic = false;
    p->at = th_peek(p, 1)->to + 1; /* the parameters may be written in any way: only the body is looked at */
    th_parse_block(p, "'{' and the body of the function");
    return th_hole(p);
}

/* Does `name<T>` begin a binding here? *bare: its `=` is left out. */
static bool binding_ahead(const th_parser *p, th_level level, bool *bare) {
    th_token_kind after;
    *bare = false;
    uint32_t i = th_after_types(p, p->at + 1, &after);
    if (i == 0) return false;
    if (after == TH_TOKEN_ASSIGN) return true;
    if (after == TH_TOKEN_ARROW) {
        *bare = level == TH_LEVEL_MEMBER || th_view_is(th_token_view(p, th_peek(p, 2)), "Function");
        return *bare;
    }
    const th_token *t = &p->tokens[i];
    bool ends = after == TH_TOKEN_END || after == TH_TOKEN_SEMICOLON || after == TH_TOKEN_RBRACE;
    return ends || (t->newline && !continues_line((th_token_kind)t->kind)) ||
           (level == TH_LEVEL_MEMBER && !th_is_name(t));
}

static th_ast *parse_expression_statement(th_parser *p) { return th_parse_assignment(p, th_parse_expression(p)); }

static th_ast *parse_named_statement(th_parser *p, th_level level) {
    bool bare, skip;
    const char *hint = th_foreign_definition(p, &skip);
    if (hint && !skip_foreign(p, hint, skip)) return th_hole(p);
    if (colon_binding_ahead(p)) return parse_colon_binding(p, hint != NULL);
    if (untyped_function_ahead(p)) return parse_untyped_function(p);
    if (binding_ahead(p, level, &bare)) return parse_typed_binding(p, bare);
    if (th_c_form_ahead(p)) return parse_c_form(p);
    return parse_expression_statement(p);
}

static th_ast *parse_word_statement(th_parser *p, th_level level) {
    const th_token *next = th_peek(p, 1);
    bool named = next->kind == TH_TOKEN_NAME;
    switch (th_word_at(p)) {
    case TH_WORD_LINK:
        if (named) return parse_link(p, level);
        break;
    case TH_WORD_CAPSULE:
        if (!named && next->kind != TH_TOKEN_LBRACE) break;
        if (level != TH_LEVEL_LOCAL) return parse_capsule(p);
        th_error_at(p, th_cur(p), "a capsule stands at the top of a file or in another capsule");
        return th_hole(p);
    case TH_WORD_STRUCT:
        if (named || next->kind == TH_TOKEN_LBRACE) return parse_type_definition(p, TH_AST_STRUCT);
        break;
    case TH_WORD_ENUM:
        if (named || next->kind == TH_TOKEN_LBRACE) return parse_type_definition(p, TH_AST_ENUM);
        break;
    case TH_WORD_WHILE:
        if (!th_names_before(next)) return parse_while(p);
        break;
    case TH_WORD_FOR:
        if (!th_names_before(next)) return parse_for(p);
        break;
    default: break;
    }
    if (next->kind == TH_TOKEN_ASSIGN) {
        th_view word = th_token_view(p, th_cur(p));
        th_error_at(p, th_cur(p), "'%.*s' is a reserved word and cannot be defined", (int)word.len, word.data);
        return th_hole(p);
    }
    return parse_expression_statement(p);
}

/* @Name { pattern } = value */
static bool struct_pattern_ahead(const th_parser *p) {
    uint32_t i = p->at + 1;
    while (p->tokens[i].kind == TH_TOKEN_NAME && p->tokens[i + 1].kind == TH_TOKEN_DOT) i += 2;
    if (p->tokens[i].kind != TH_TOKEN_NAME || p->tokens[i + 1].kind != TH_TOKEN_LBRACE) return false;
    return th_after_bracket(p, i + 1) == TH_TOKEN_ASSIGN;
}

static th_ast *parse_any_statement(th_parser *p, th_level level) {
    switch (th_kind(p)) {
    case TH_TOKEN_NAME:
        return th_word_reserved(th_word_at(p)) ? parse_word_statement(p, level) : parse_named_statement(p, level);
    case TH_TOKEN_LBRACE:
    case TH_TOKEN_LBRACKET:
    case TH_TOKEN_LPAREN:
        if (th_after_bracket(p, p->at) == TH_TOKEN_ASSIGN) return parse_pattern_binding(p);
        break;
    case TH_TOKEN_AT:
        if (struct_pattern_ahead(p)) return parse_pattern_binding(p);
        break;
    case TH_TOKEN_INCREMENT:
    case TH_TOKEN_DECREMENT: return parse_prefix_step(p);
    default: break;
    }
    return parse_expression_statement(p);
}

static bool is_definition(const th_ast *node) {
    return (node->kind >= TH_AST_CAPSULE && node->kind <= TH_AST_ENUM) || node->kind == TH_AST_ERROR;
}

th_ast *th_parse_statement(th_parser *p, th_level level) {
    if (!th_enter(p)) return th_hole(p);
    th_ast *node = parse_any_statement(p, level);
    th_leave(p);
    if (level == TH_LEVEL_MEMBER && !p->panic && !is_definition(node)) {
        th_error_node(p, node, "a capsule holds definitions, and this is none");
        th_hint(p, "put it into a function, such as main<Function<void>> = () -> { ... }");
        p->panic = p->dead;
    }
    return node;
}

/* May another statement follow on the same line? After a block, a typed binding, or before a word or form that can only
** begin one: definitions of the capsule language need nothing between them. */
static bool follows_freely(const th_parser *p, const th_ast *statement) {
    if (p->tokens[p->at - 1].kind == TH_TOKEN_RBRACE) return true;
    switch (statement->kind) {
    case TH_AST_BINDING:
        if (statement->kids && statement->kids[0]) return true;
        break;
    case TH_AST_STRUCT:
    case TH_AST_ENUM:
    case TH_AST_LINK:
    case TH_AST_CAPSULE: return true;
    default: break;
    }
    switch (th_word_at(p)) {
    case TH_WORD_CAPSULE:
    case TH_WORD_LINK:
    case TH_WORD_STRUCT:
    case TH_WORD_ENUM:
    case TH_WORD_RETURN:
    case TH_WORD_IF:
    case TH_WORD_WHILE:
    case TH_WORD_FOR:
    case TH_WORD_MATCH: return true;
    default: break;
    }
    th_token_kind after;
    return th_is_name(th_cur(p)) && th_after_types(p, p->at + 1, &after) && after == TH_TOKEN_ASSIGN;
}

/* switch (x) { ... } and the like: told at the word. */
static bool foreign_block(th_parser *p, const th_ast *statement) {
    if (th_kind(p) != TH_TOKEN_LBRACE || statement->kind != TH_AST_CALL || !statement->kids) return false;
    const th_ast *callee = statement->kids[0];
    const char *hint = callee->kind == TH_AST_NAME ? th_foreign_block(callee->text) : NULL;
    if (!hint) return false;
    th_error_node(p, callee, "'%.*s' is no word of Theta", (int)callee->text.len, callee->text.data);
    th_hint(p, hint);
    return true;
}

void th_end_statement(th_parser *p, const th_ast *statement) {
    const th_token *t = th_cur(p);
    switch (t->kind) {
    case TH_TOKEN_SEMICOLON:
    case TH_TOKEN_RBRACE:
    case TH_TOKEN_END: return;
    case TH_TOKEN_RPAREN:
    case TH_TOKEN_RBRACKET: th_error_at(p, t, "'%s' closes nothing", th_token_text((th_token_kind)t->kind)); return;
    default: break;
    }
    if (t->newline || follows_freely(p, statement)) return;
    if (foreign_block(p, statement)) return;
    th_expected(p, "a new line or ';' after the statement");
    th_hint_statement(p, statement);
}

void th_parse_statements(th_parser *p, th_level level) {
    while (th_kind(p) != TH_TOKEN_RBRACE && th_kind(p) != TH_TOKEN_END) {
        if (th_accept(p, TH_TOKEN_SEMICOLON)) continue;
        uint32_t start = p->at;
        th_ast *node = th_parse_statement(p, level);
        if (!p->panic) th_end_statement(p, node);
        if (p->panic) th_sync(p, start);
        th_push(p, node);
    }
}

/* ---- Files -------------------------------------------------------------------------------------------------- */

static th_ast *parse_file(th_parser *p) {
    size_t mark = p->nkids;
    th_parse_statements(p, TH_LEVEL_FILE);
    while (th_kind(p) == TH_TOKEN_RBRACE) {
        th_error_at(p, th_cur(p), "'}' closes nothing");
        p->panic = p->dead;
        th_advance(p);
        th_parse_statements(p, TH_LEVEL_FILE);
    }
    th_ast *file = th_node_of(p, TH_AST_FILE, 0, mark);
    file->to = (uint32_t)p->report.source->len;
    return file;
}

typedef struct walk {
    th_ast *node;
    uint32_t next;
} walk;

static void too_deep(th_parser *p, const th_ast *node) {
    th_report_add(&p->report, TH_ERROR, node->from, node->to, "nested too deeply: more than %d levels",
                  TH_AST_MAX_DEPTH);
    th_report_hint(&p->report, "give parts of it names, in statements before it");
}

/* Cuts off what is deeper than TH_AST_MAX_DEPTH. */
static void limit_depth(th_parser *p, th_ast *root) {
    walk *stack = th_mem_new(p->mem, TH_AST_MAX_DEPTH * sizeof *stack);
    if (!stack) {
        p->nomem = true;
        return;
    }
    size_t depth = 1;
    bool told = p->dead;
    stack[0] = (walk){root, 0};
    while (depth) {
        walk *top = &stack[depth - 1];
        if (top->next == top->node->nkids) {
            depth--;
            if (depth < TH_AST_MAX_DEPTH / 2) told = p->dead; /* another construct is another cause */
            continue;
        }
        th_ast *kid = top->node->kids[top->next++];
        if (!kid) continue;
        if (depth < TH_AST_MAX_DEPTH - 1) {
            stack[depth++] = (walk){kid, 0};
        } else if (kid->nkids) { /* the last level holds leaves alone */
            if (!told) too_deep(p, kid);
            told = true;
            *kid = (th_ast){.kind = TH_AST_ERROR, .from = kid->from, .to = kid->to, .text = {"", 0}};
        }
    }
    th_mem_free(p->mem, stack, TH_AST_MAX_DEPTH * sizeof *stack);
}

/* The lexer and the parser each report in order; together they are put in order of place. */
static void sort_diags(th_diags *diags, size_t first) {
    for (size_t i = first + 1; i < diags->len; i++) {
        th_diag moved = diags->items[i];
        size_t j = i;
        for (; j > first; j--) {
            const th_span *before = &diags->items[j - 1].span;
            if (before->line < moved.span.line ||
                (before->line == moved.span.line && before->column <= moved.span.column))
                break;
            diags->items[j] = diags->items[j - 1];
        }
        diags->items[j] = moved;
    }
}

static th_status parse_tokens(th_parser *p, th_tokens *tokens, th_ast **out) {
    p->tokens = tokens->items;
    p->count = (uint32_t)tokens->count;
    p->quiet_from = tokens->quiet_from;
    th_ast *file = parse_file(p);
    if (!p->nomem) limit_depth(p, file);
    th_mem_free(p->mem, p->kids, p->kids_capacity * sizeof *p->kids);
    if (p->nomem || p->report.nomem) return TH_E_NOMEM;
    *out = file;
    return TH_OK;
}

static th_status too_large(th_parser *p, th_diags *diags, const th_source *source, th_ast **out) {
    th_diags_add(diags, TH_ERROR, TH_E_LIMIT, source, (th_span){0}, "the text is too large: %zu bytes", source->len);
    *out = th_node(p, TH_AST_FILE, 0, 0, NULL);
    return p->nomem ? TH_E_NOMEM : TH_OK;
}

th_status th_theta_parse(th_arena *arena, const th_source *source, th_diags *diags, bool *incomplete, th_ast **out) {
    th_parser p = {.arena = arena, .mem = arena->mem, .text = source->text};
    p.hole = th_arena_zeroed(arena, sizeof *p.hole);
    if (!p.hole) return TH_E_NOMEM;
    *p.hole = (th_ast){.kind = TH_AST_ERROR, .text = {"", 0}};
    p.report = (th_report){.arena = arena, .source = source, .diags = diags};
    if (incomplete) *incomplete = false;
    if (source->len > UINT32_MAX - 64) return too_large(&p, diags, source, out);
    size_t first = diags->len;
    th_tokens tokens;
    th_status status = th_theta_lex(p.mem, &p.report, &tokens);
    if (status) return status;
    status = parse_tokens(&p, &tokens, out);
    sort_diags(diags, first);
    if (incomplete && !status) *incomplete = tokens.unfinished || p.ended;
    th_tokens_clear(&tokens);
    return status;
}
