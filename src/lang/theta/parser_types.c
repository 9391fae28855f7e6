/*
** parser_types.c - types, patterns, and the lookahead that tells them from expressions.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/syntax.h"

#include <stdio.h>

/* ---- Lookahead ---------------------------------------------------------------------------------------------- */

uint32_t th_after_types(const th_parser *p, uint32_t i, th_token_kind *kind) {
    *kind = TH_TOKEN_END;
    if (p->tokens[i].kind != TH_TOKEN_LT || p->tokens[i].to == TH_NO_PARTNER) return 0;
    uint32_t close = p->tokens[i].to;
    th_token_kind last = (th_token_kind)p->tokens[close].kind;
    if (last == TH_TOKEN_GE || last == TH_TOKEN_SHR_ASSIGN) {
        *kind = TH_TOKEN_ASSIGN;
        return close;
    }
    *kind = (th_token_kind)p->tokens[close + 1].kind;
    return close + 1;
}

uint32_t th_after_type(const th_parser *p, uint32_t i) {
    if (!th_is_name(&p->tokens[i])) return 0;
    i++;
    while (p->tokens[i].kind == TH_TOKEN_DOT && p->tokens[i + 1].kind == TH_TOKEN_NAME) i += 2;
    if (p->tokens[i].kind == TH_TOKEN_LT) {
        th_token_kind kind;
        i = th_after_types(p, i, &kind);
        if (i == 0 || (kind == TH_TOKEN_ASSIGN && p->tokens[i].kind != TH_TOKEN_ASSIGN)) return 0;
    }
    while (p->tokens[i].kind == TH_TOKEN_QUESTION) i++;
    return i;
}

bool th_c_form_ahead(const th_parser *p) {
    if (th_word_at(p) != TH_WORD_NONE) return false;
    uint32_t i = th_after_type(p, p->at);
    if (i == 0 || !th_is_name(&p->tokens[i]) || p->tokens[i].newline) return false;
    return p->tokens[i].word != TH_WORD_IN;
}

th_token_kind th_after_bracket(const th_parser *p, uint32_t i) {
    uint32_t close = p->tokens[i].to;
    return close == TH_NO_PARTNER ? TH_TOKEN_END : (th_token_kind)p->tokens[close + 1].kind;
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

/* A dotted name; spaces around the dots are left out of its text. */
th_view th_parse_dotted(th_parser *p, const char *wanted) {
    if (th_kind(p) != TH_TOKEN_NAME || (th_word_reserved(th_word_at(p)) && th_peek(p, 1)->kind != TH_TOKEN_DOT)) {
        th_expected(p, wanted);
        return (th_view){"", 0};
    }
    uint32_t from = th_here(p), bytes = 0;
    uint32_t first = p->at;
    th_advance(p);
    while (th_kind(p) == TH_TOKEN_DOT && th_peek(p, 1)->kind == TH_TOKEN_NAME) {
        th_advance(p);
        th_advance(p);
    }
    for (uint32_t i = first; i < p->at; i++) bytes += th_token_end(&p->tokens[i]) - p->tokens[i].from;
    if (bytes == p->last_end - from) return (th_view){p->text + from, bytes};
    char *text = th_arena_new(p->arena, bytes + 1);
    if (!text) {
        p->nomem = true;
        return (th_view){"", 0};
    }
    uint32_t len = 0;
    for (uint32_t i = first; i < p->at; i++) {
        th_view part = th_token_view(p, &p->tokens[i]);
        memcpy(text + len, part.data, part.len);
        len += (uint32_t)part.len;
    }
    text[len] = '\0';
    return (th_view){text, len};
}

/* Takes one `>` off what may be `>>`, `>=` or `>>=`; the rest stays as the current token. */
static bool accept_angle(th_parser *p) {
    th_token *t = &p->tokens[p->at];
    switch (t->kind) {
    case TH_TOKEN_GT: th_advance(p); return true;
    case TH_TOKEN_SHR: t->kind = TH_TOKEN_GT; break;
    case TH_TOKEN_GE: t->kind = TH_TOKEN_ASSIGN; break;
    case TH_TOKEN_SHR_ASSIGN: t->kind = TH_TOKEN_GE; break;
    default: return false;
    }
    t->from++;
    t->newline = false;
    p->last_end = t->from;
    return true;
}

static void close_types(th_parser *p, const th_token *open) {
    if (p->panic || accept_angle(p)) return;
    th_span span = th_report_span(&p->report, open->from, open->from + 1);
    char wanted[80];
    snprintf(wanted, sizeof wanted, "'>' to close the '<' opened at %u:%u", (unsigned)span.line, (unsigned)span.column);
    th_expected(p, wanted);
}

th_ast *th_parse_type(th_parser *p) {
    if (!th_enter(p)) return th_hole(p);
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_view name = th_parse_dotted(p, "a type");
    const th_token *open = th_cur(p);
    if (!p->panic && th_accept(p, TH_TOKEN_LT)) {
        do th_push(p, th_parse_type(p));
        while (!p->panic && th_accept(p, TH_TOKEN_COMMA));
        close_types(p, open);
    }
    bool optional = false;
    while (!p->panic && th_accept(p, TH_TOKEN_QUESTION)) optional = true;
    th_ast *type = th_node_of(p, TH_AST_TYPE, from, mark);
    type->text = name;
    if (optional) type->flags |= TH_AST_OPTIONAL;
    th_leave(p);
    return type;
}

/* <T> after a name */
th_ast *th_parse_annotation(th_parser *p) {
    const th_token *open = th_cur(p);
    th_advance(p);
    th_ast *type = th_parse_type(p);
    close_types(p, open);
    return type;
}

/* ---- Patterns ----------------------------------------------------------------------------------------------- */

static th_ast *parse_literal(th_parser *p) {
    uint32_t from = th_here(p);
    if (th_kind(p) == TH_TOKEN_MINUS) {
        th_advance(p);
        if (th_kind(p) != TH_TOKEN_INT && th_kind(p) != TH_TOKEN_FLOAT) {
            th_expected(p, "a number");
            return th_hole(p);
        }
        th_ast *number = parse_literal(p);
        th_ast *node = TH_NODE(p, TH_AST_UNARY, from, number);
        node->op = TH_TOKEN_MINUS;
        return node;
    }
    const th_token *t = th_cur(p);
    th_view text = th_token_view(p, t);
    th_ast_kind kind = TH_AST_ERROR;
    switch (t->kind) {
    case TH_TOKEN_INT: kind = TH_AST_INT; break;
    case TH_TOKEN_FLOAT: kind = TH_AST_FLOAT; break;
    case TH_TOKEN_STRING:
        kind = TH_AST_STRING;
        text = th_theta_unescape(&p->report, t->from + 1, t->to - 1);
        break;
    case TH_TOKEN_SYMBOL:
        kind = TH_AST_SYMBOL;
        text = (th_view){text.data + 1, text.len - 1};
        break;
    case TH_TOKEN_NAME:
        if (t->word == TH_WORD_TRUE) kind = TH_AST_TRUE;
        if (t->word == TH_WORD_FALSE) kind = TH_AST_FALSE;
        if (t->word == TH_WORD_NULL) kind = TH_AST_NULL;
        break;
    default: break;
    }
    if (kind == TH_AST_ERROR) {
        th_expected(p, "a literal");
        return th_hole(p);
    }
    th_advance(p);
    return th_leaf(p, kind, from, text);
}

/* A literal, alone or as one end of a range. */
static th_ast *parse_literal_pattern(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *value = parse_literal(p);
    if (!p->panic && th_accept(p, TH_TOKEN_DOT_DOT)) {
        th_ast *end = parse_literal(p);
        value = TH_NODE(p, TH_AST_RANGE, from, value, end);
    }
    return TH_NODE(p, TH_AST_LITERAL_PATTERN, from, value);
}

/* Status.OK, Http.Status.OK */
static th_ast *parse_member_pattern(th_parser *p) {
    uint32_t from = th_here(p);
    th_view name = th_token_view(p, th_cur(p));
    th_advance(p);
    th_ast *node = th_leaf(p, TH_AST_NAME, from, name);
    while (!p->panic && th_accept(p, TH_TOKEN_DOT)) {
        th_view member = th_token_view(p, th_cur(p));
        if (!th_expect(p, TH_TOKEN_NAME, "the name of a member")) break;
        node = TH_NODE(p, TH_AST_MEMBER, from, node);
        node->text = member;
    }
    return TH_NODE(p, TH_AST_LITERAL_PATTERN, from, node);
}

/* name, name<T>, T name, _ */
static th_ast *parse_name_pattern(th_parser *p) {
    uint32_t from = th_here(p);
    if (th_c_form_ahead(p)) {
        th_ast *type = th_parse_type(p);
        th_view name = th_token_view(p, th_cur(p));
        th_expect(p, TH_TOKEN_NAME, "a name");
        th_ast *bind = TH_NODE(p, TH_AST_BIND, from, type);
        bind->text = name;
        bind->flags |= TH_AST_C_FORM;
        return bind;
    }
    th_view name = th_token_view(p, th_cur(p));
    th_advance(p);
    if (th_view_is(name, "_") && th_kind(p) != TH_TOKEN_LT) return th_leaf(p, TH_AST_WILDCARD, from, (th_view){"", 0});
    th_ast *type = th_kind(p) == TH_TOKEN_LT ? th_parse_annotation(p) : NULL;
    th_ast *bind = TH_NODE(p, TH_AST_BIND, from, type);
    bind->text = name;
    return bind;
}

static th_ast *parse_rest(th_parser *p) {
    uint32_t from = th_here(p);
    th_advance(p);
    th_view name = {"", 0};
    if (th_is_name(th_cur(p))) {
        name = th_token_view(p, th_cur(p));
        th_advance(p);
        if (th_view_is(name, "_")) name = (th_view){"", 0};
    }
    return th_leaf(p, TH_AST_REST, from, name);
}

/* Patterns between brackets, pushed as kids; `close` ends them. */
static void parse_pattern_list(th_parser *p, th_token_kind close) {
    bool rest = false;
    while (!p->panic && th_kind(p) != close) {
        if (th_kind(p) == TH_TOKEN_ELLIPSIS && close == TH_TOKEN_RBRACKET) {
            if (rest) th_error_at(p, th_cur(p), "a list pattern has at most one '...'");
            rest = true;
            th_push(p, parse_rest(p));
        } else {
            th_push(p, th_parse_pattern(p));
        }
        if (p->panic || !th_accept(p, TH_TOKEN_COMMA)) break;
    }
}

static th_ast *parse_list_pattern(th_parser *p) {
    uint32_t from = th_here(p), open = p->at;
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    parse_pattern_list(p, TH_TOKEN_RBRACKET);
    th_close(p, open, "',' or ']'");
    th_scope_close(p, saved);
    return th_node_of(p, TH_AST_LIST_PATTERN, from, mark);
}

/* (a, b): a tuple; (a): the pattern itself */
static th_ast *parse_paren_pattern(th_parser *p) {
    uint32_t from = th_here(p), open = p->at;
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    if (th_kind(p) == TH_TOKEN_RPAREN) th_expected(p, "a pattern");
    parse_pattern_list(p, TH_TOKEN_RPAREN);
    th_close(p, open, "',' or ')'");
    th_scope_close(p, saved);
    if (p->nkids == mark + 1) return p->kids[--p->nkids];
    return th_node_of(p, TH_AST_TUPLE_PATTERN, from, mark);
}

/* `name` or `name: pattern`, the elements of a fields pattern? */
static bool field_ahead(const th_parser *p) {
    const th_token *t = th_cur(p), *next = th_peek(p, 1);
    if (t->kind != TH_TOKEN_NAME && t->kind != TH_TOKEN_SYMBOL) return false;
    if (next->kind == TH_TOKEN_COLON) return true;
    bool alone = next->kind == TH_TOKEN_COMMA || next->kind == TH_TOKEN_RBRACE;
    return alone && th_is_name(t) && !th_view_is(th_token_view(p, t), "_");
}

static th_ast *parse_field(th_parser *p) {
    uint32_t from = th_here(p);
    th_view name = th_token_view(p, th_cur(p));
    if (th_kind(p) == TH_TOKEN_SYMBOL) name = (th_view){name.data + 1, name.len - 1};
    th_ast *pattern = NULL;
    th_advance(p);
    if (th_accept(p, TH_TOKEN_COLON)) pattern = th_parse_pattern(p);
    th_ast *field = TH_NODE(p, TH_AST_FIELD_PATTERN, from, pattern);
    field->text = name;
    return field;
}

/* A name among other patterns: in a tuple it binds, like any other. */
static th_ast *field_as_pattern(th_parser *p, th_ast *node) {
    if (node->kind != TH_AST_FIELD_PATTERN) return node;
    if (node->kids && node->kids[0]) {
        th_error_node(p, node, "a pattern has either fields with names or elements, not both");
        return node;
    }
    node->kind = TH_AST_BIND;
    return node;
}

/* { a, b: pattern } or, with any element that is no field, a tuple. */
static th_ast *parse_brace_pattern(th_parser *p, th_view struct_name, uint32_t from) {
    uint32_t open = p->at;
    size_t mark = p->nkids;
    bool fields = true, named = struct_name.len != 0;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    while (!p->panic && th_kind(p) != TH_TOKEN_RBRACE) {
        bool field = field_ahead(p);
        if (!field && named) th_expected(p, "the name of a field");
        fields &= field;
        th_push(p, field ? parse_field(p) : th_parse_pattern(p));
        if (p->panic || !th_accept(p, TH_TOKEN_COMMA)) break;
    }
    bool good = !p->panic;
    for (size_t i = mark; !fields && good && i < p->nkids; i++) p->kids[i] = field_as_pattern(p, p->kids[i]);
    if (good && !fields && p->nkids - mark < 2 && th_kind(p) == TH_TOKEN_RBRACE)
        th_error_at(p, th_cur(p), "a tuple has two or more elements");
    th_close(p, open, "',' or '}'");
    th_scope_close(p, saved);
    th_ast *node = th_node_of(p, fields ? TH_AST_FIELDS_PATTERN : TH_AST_TUPLE_PATTERN, from, mark);
    node->text = struct_name;
    return node;
}

static th_ast *parse_struct_pattern(th_parser *p) {
    uint32_t from = th_here(p);
    th_advance(p);
    th_view name = th_parse_dotted(p, "the name of a struct");
    if (!p->panic && th_kind(p) != TH_TOKEN_LBRACE) th_expected(p, "'{' and the fields of the pattern");
    if (p->panic) return th_hole(p);
    return parse_brace_pattern(p, name, from);
}

static th_ast *parse_alternative(th_parser *p) {
    const th_token *t = th_cur(p);
    switch (t->kind) {
    case TH_TOKEN_LBRACKET: return parse_list_pattern(p);
    case TH_TOKEN_LPAREN: return parse_paren_pattern(p);
    case TH_TOKEN_LBRACE: return parse_brace_pattern(p, (th_view){"", 0}, th_here(p));
    case TH_TOKEN_AT: return parse_struct_pattern(p);
    case TH_TOKEN_INT:
    case TH_TOKEN_FLOAT:
    case TH_TOKEN_STRING:
    case TH_TOKEN_SYMBOL:
    case TH_TOKEN_MINUS: return parse_literal_pattern(p);
    case TH_TOKEN_NAME:
        if (t->word == TH_WORD_TRUE || t->word == TH_WORD_FALSE || t->word == TH_WORD_NULL)
            return parse_literal_pattern(p);
        if (th_peek(p, 1)->kind == TH_TOKEN_DOT && !th_c_form_ahead(p)) return parse_member_pattern(p);
        if (!th_word_reserved((th_word)t->word)) return parse_name_pattern(p);
        break;
    default: break;
    }
    th_expected(p, "a pattern");
    if (t->kind == TH_TOKEN_STRING_HEAD)
        th_hint(p, "a pattern's string has no ${...}; bind a name and test it with a guard: s if (s == '...')");
    if (t->word == TH_WORD_ELSE) th_hint(p, "the case for all else is written _ -> ...");
    return th_hole(p);
}

th_ast *th_parse_pattern(th_parser *p) {
    if (!th_enter(p)) return th_hole(p);
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_ast *pattern = parse_alternative(p);
    if (!p->panic && th_kind(p) == TH_TOKEN_BAR) {
        th_push(p, pattern);
        while (!p->panic && th_accept(p, TH_TOKEN_BAR)) th_push(p, parse_alternative(p));
        pattern = th_node_of(p, TH_AST_OR_PATTERN, from, mark);
    }
    th_leave(p);
    return pattern;
}
