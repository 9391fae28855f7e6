/*
** parser_expr.c - expressions: operators by precedence, pipelines, calls, lambdas, literals, braces, if, match, try.
** Chains of operators, calls and members are loops, nesting is recursion under th_enter.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/syntax.h"

/* ---- Operators ---------------------------------------------------------------------------------------------- */

enum { PREC_LOWEST = 1, PREC_RANGE = 9, BALANCE_FROM = 32 };

unsigned th_precedence(th_token_kind kind) {
    switch (kind) {
    case TH_TOKEN_COALESCE: return PREC_LOWEST;
    case TH_TOKEN_OR_OR: return 2;
    case TH_TOKEN_AND_AND: return 3;
    case TH_TOKEN_BAR: return 4;
    case TH_TOKEN_CARET: return 5;
    case TH_TOKEN_AMPERSAND: return 6;
    case TH_TOKEN_EQ:
    case TH_TOKEN_NE: return 7;
    case TH_TOKEN_LT:
    case TH_TOKEN_LE:
    case TH_TOKEN_GT:
    case TH_TOKEN_GE: return 8;
    case TH_TOKEN_DOT_DOT: return PREC_RANGE;
    case TH_TOKEN_SHL:
    case TH_TOKEN_SHR: return 10;
    case TH_TOKEN_PLUS:
    case TH_TOKEN_MINUS: return 11;
    case TH_TOKEN_STAR:
    case TH_TOKEN_SLASH:
    case TH_TOKEN_PERCENT: return 12;
    default: return 0;
    }
}

static th_ast *parse_unary(th_parser *p);
static th_ast *parse_primary(th_parser *p);
static th_ast *parse_postfix(th_parser *p, th_ast *node);
static th_ast *parse_arguments(th_parser *p, th_ast *callee);

static th_ast *binary(th_parser *p, th_token_kind op, th_ast *left, th_ast *right) {
    th_ast *node = TH_NODE(p, op == TH_TOKEN_DOT_DOT ? TH_AST_RANGE : TH_AST_BINARY, left->from, left, right);
    node->op = (uint8_t)op;
    return node;
}

/* The left-deep chain of `n` operators `op` as a balanced tree over the same operands in the same order. */
static th_ast *balance(th_parser *p, th_ast *chain, uint8_t op, size_t n) {
    size_t mark = p->nkids;
    for (size_t i = 0; i <= n; i++) th_push(p, NULL);
    if (p->nomem) return chain;
    th_ast **leaves = p->kids + mark;
    for (size_t i = n; i > 0; i--) {
        leaves[i] = chain->kids[1];
        chain = chain->kids[0];
    }
    leaves[0] = chain;
    for (size_t count = n + 1; count > 1; count = (count + 1) / 2) {
        for (size_t i = 0; i + 1 < count; i += 2) {
            th_ast *a = leaves[i], *b = leaves[i + 1];
            th_ast *node = TH_NODE(p, TH_AST_BINARY, a->from, a, b);
            node->op = op;
            node->to = b->to;
            leaves[i / 2] = node;
        }
        if (count % 2) leaves[count / 2] = leaves[count - 1];
    }
    chain = leaves[0];
    p->nkids = mark;
    return chain;
}

static bool operator_ahead(const th_parser *p, unsigned min) {
    unsigned precedence = th_precedence(th_kind(p));
    if (precedence == 0 || precedence < min) return false;
    return th_kind(p) != TH_TOKEN_MINUS || !th_line_ends(p);
}

/* Operators of at least the precedence `min` after the operand `left`. */
static th_ast *climb(th_parser *p, th_ast *left, unsigned min) {
    size_t run = 0; /* of one operator, for balancing */
    uint8_t run_op = TH_TOKEN_END;
    while (!p->panic && operator_ahead(p, min)) {
        th_token_kind op = th_kind(p);
        unsigned precedence = th_precedence(op);
        th_advance(p);
        th_ast *right = parse_unary(p);
        if (!p->panic && operator_ahead(p, precedence + 1) && th_enter(p)) {
            right = climb(p, right, precedence + 1);
            th_leave(p);
        }
        bool logical = op == TH_TOKEN_AND_AND || op == TH_TOKEN_OR_OR;
        if (run_op != op) {
            if (run >= BALANCE_FROM && !p->nomem) left = balance(p, left, run_op, run);
            run = 0;
            run_op = logical ? (uint8_t)op : TH_TOKEN_END;
        }
        if (logical) run++;
        left = binary(p, op, left, right);
        if (op == TH_TOKEN_DOT_DOT && th_kind(p) == TH_TOKEN_DOT_DOT) th_error_at(p, th_cur(p), "a range has two ends");
    }
    if (run >= BALANCE_FROM && !p->nomem) left = balance(p, left, run_op, run);
    return left;
}

/* ** binds tighter than a sign on its left and looser than one on its right: -2 ** -2 is -(2 ** (-2)). */
static th_ast *power(th_parser *p, th_ast *base) {
    if (p->panic || th_kind(p) != TH_TOKEN_POWER) return base;
    if (!th_enter(p)) return base;
    th_advance(p);
    th_ast *exponent = parse_unary(p);
    th_leave(p);
    return binary(p, TH_TOKEN_POWER, base, exponent);
}

static bool is_prefix(th_token_kind kind) {
    return kind == TH_TOKEN_MINUS || kind == TH_TOKEN_NOT || kind == TH_TOKEN_TILDE;
}

static th_ast *parse_unary(th_parser *p) {
    uint32_t first = p->at;
    while (is_prefix(th_kind(p))) th_advance(p);
    uint32_t end = p->at;
    th_ast *node = power(p, parse_postfix(p, parse_primary(p)));
    while (end-- > first && !p->nomem) {
        node = TH_NODE(p, TH_AST_UNARY, p->tokens[end].from, node);
        node->op = p->tokens[end].kind;
    }
    return node;
}

/* ---- Pipelines ---------------------------------------------------------------------------------------------- */

/* The target of a pipe: a name or member, and its first call. */
static th_ast *parse_pipe_target(th_parser *p) {
    th_ast *node = parse_primary(p);
    while (!p->panic && node->kind != TH_AST_LAMBDA) {
        th_token_kind kind = th_kind(p);
        if (kind == TH_TOKEN_LPAREN && !th_line_ends(p)) return parse_arguments(p, node);
        if (kind != TH_TOKEN_DOT) return node;
        th_advance(p);
        th_view name = th_token_view(p, th_cur(p));
        if (!th_expect(p, TH_TOKEN_NAME, "the name of a member")) return node;
        node = TH_NODE(p, TH_AST_MEMBER, node->from, node);
        node->text = name;
    }
    return node;
}

/* After `=>`: the value stands first in the call that follows, or for the missing operand of an operator. */
static th_ast *parse_pipe_step(th_parser *p, th_ast *value) {
    th_token_kind kind = th_kind(p);
    p->tokens[p->at].newline = false; /* after an operator the line goes on */
    if (th_precedence(kind) || kind == TH_TOKEN_POWER) return climb(p, power(p, value), PREC_LOWEST);
    if (kind == TH_TOKEN_DOT || kind == TH_TOKEN_QUESTION_DOT)
        return climb(p, power(p, parse_postfix(p, value)), PREC_LOWEST);
    uint32_t first = p->at;
    while (th_kind(p) == TH_TOKEN_NOT || th_kind(p) == TH_TOKEN_TILDE) th_advance(p);
    uint32_t end = p->at;
    th_ast *target = parse_pipe_target(p);
    th_ast *node = TH_NODE(p, TH_AST_PIPE, value->from, value, target);
    if (target->kind != TH_AST_LAMBDA) node = power(p, parse_postfix(p, node));
    while (end-- > first && !p->nomem) {
        node = TH_NODE(p, TH_AST_UNARY, p->tokens[end].from, node);
        node->op = p->tokens[end].kind;
    }
    return climb(p, node, PREC_LOWEST);
}

th_ast *th_parse_expression(th_parser *p) {
    if (!th_enter(p)) return th_hole(p);
    th_ast *node = climb(p, parse_unary(p), PREC_LOWEST);
    while (!p->panic && th_kind(p) == TH_TOKEN_PIPE && !p->no_arrow) {
        th_advance(p);
        node = parse_pipe_step(p, node);
    }
    if (!p->panic && th_kind(p) == TH_TOKEN_QUESTION) {
        th_expected(p, "the end of the expression");
        th_hint(p, "write if (condition) a else b; a default for null is written x ?? y");
    }
    th_leave(p);
    return node;
}

/* ---- Calls, indexes, members -------------------------------------------------------------------------------- */

static th_ast *parse_argument(th_parser *p) {
    uint32_t from = th_here(p);
    th_token_kind next = (th_token_kind)th_peek(p, 1)->kind;
    if (th_kind(p) == TH_TOKEN_NAME && (next == TH_TOKEN_COLON || next == TH_TOKEN_ASSIGN)) {
        th_view name = th_token_view(p, th_cur(p));
        th_advance(p);
        if (next == TH_TOKEN_ASSIGN) {
            th_expected(p, "',' or ')'");
            th_hint(p, "values are compared with '=='; an argument is named with ':', as in f(name: value)");
            return th_hole(p);
        }
        th_advance(p);
        th_ast *value = th_parse_expression(p);
        th_ast *node = TH_NODE(p, TH_AST_NAMED, from, value);
        node->text = name;
        return node;
    }
    return th_parse_expression(p);
}

static th_ast *parse_arguments(th_parser *p, th_ast *callee) {
    uint32_t open = p->at;
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, true);
    th_push(p, callee);
    th_advance(p);
    while (!p->panic && th_kind(p) != TH_TOKEN_RPAREN) {
        th_push(p, parse_argument(p));
        if (p->panic || !th_accept(p, TH_TOKEN_COMMA)) break;
    }
    th_close(p, open, "',' or ')'");
    th_scope_close(p, saved);
    return th_node_of(p, TH_AST_CALL, callee->from, mark);
}

static th_ast *parse_index(th_parser *p, th_ast *subject) {
    uint32_t open = p->at;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    if (th_kind(p) == TH_TOKEN_RBRACKET) {
        th_expected(p, "an index");
        th_hint(p, "the type of a list is written List<Type>");
    }
    bool empty = p->panic;
    th_ast *index = p->panic ? th_hole(p) : th_parse_expression(p);
    th_close(p, open, "an operator or ']'");
    th_scope_close(p, saved);
    p->panic |= empty; /* what follows `i64[]` is no statement's end either */
    return TH_NODE(p, TH_AST_INDEX, subject->from, subject, index);
}

static th_ast *parse_member(th_parser *p, th_ast *subject) {
    bool optional = th_kind(p) == TH_TOKEN_QUESTION_DOT;
    th_advance(p);
    const th_token *t = th_cur(p);
    if (t->kind != TH_TOKEN_NAME && t->kind != TH_TOKEN_INT) {
        th_expected(p, "the name of a member");
        return subject;
    }
    th_view name = th_token_view(p, t);
    th_advance(p);
    th_ast *node = TH_NODE(p, TH_AST_MEMBER, subject->from, subject);
    node->text = name;
    if (optional) node->flags |= TH_AST_OPTIONAL;
    return node;
}

static th_ast *parse_postfix(th_parser *p, th_ast *node) {
    bool closed = node->kind == TH_AST_LAMBDA && !(node->flags & TH_AST_PARENTHESISED);
    while (!p->panic && !closed) {
        switch (th_kind(p)) {
        case TH_TOKEN_LPAREN:
            if (th_line_ends(p)) return node;
            node = parse_arguments(p, node);
            break;
        case TH_TOKEN_LBRACKET:
            if (th_line_ends(p)) return node;
            node = parse_index(p, node);
            break;
        case TH_TOKEN_DOT:
        case TH_TOKEN_QUESTION_DOT: node = parse_member(p, node); break;
        default: return node;
        }
    }
    return node;
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

/* name, name<T>, T name, each with `= default` */
static th_ast *parse_param(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *type = NULL, *fallback = NULL;
    bool c_form = th_c_form_ahead(p);
    if (c_form) type = th_parse_type(p);
    th_view name = th_token_view(p, th_cur(p));
    if (!th_is_name(th_cur(p))) {
        th_expected(p, "the name of a parameter");
        return th_hole(p);
    }
    th_advance(p);
    if (!c_form && th_kind(p) == TH_TOKEN_LT) type = th_parse_annotation(p);
    if (!p->panic && th_accept(p, TH_TOKEN_ASSIGN)) fallback = th_parse_expression(p);
    th_ast *param = TH_NODE(p, TH_AST_PARAM, from, type, fallback);
    param->text = name;
    if (c_form) param->flags |= TH_AST_C_FORM;
    return param;
}

/* ( param, param ) */
th_ast *th_parse_params(th_parser *p) {
    uint32_t from = th_here(p), open = p->at;
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    while (!p->panic && th_kind(p) != TH_TOKEN_RPAREN) {
        th_push(p, parse_param(p));
        if (p->panic || !th_accept(p, TH_TOKEN_COMMA)) break;
    }
    if (!p->panic && th_kind(p) == TH_TOKEN_COLON) {
        th_expected(p, "',' or ')'");
        th_hint(p, "a parameter is written name<Type> or Type name");
    }
    th_close(p, open, "',' or ')'");
    th_scope_close(p, saved);
    return th_node_of(p, TH_AST_PARAMS, from, mark);
}

/* From the `->` on. */
static th_ast *parse_lambda_body(th_parser *p, uint32_t from, th_ast *params) {
    th_advance(p);
    th_ast *body =
        th_kind(p) == TH_TOKEN_LBRACE ? th_parse_brace(p, true) : th_parse_assignment(p, th_parse_expression(p));
    return TH_NODE(p, TH_AST_LAMBDA, from, params, body, NULL);
}

static th_ast *parse_name_lambda(th_parser *p) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_push(p, parse_param(p));
    th_ast *params = th_node_of(p, TH_AST_PARAMS, from, mark);
    if (!p->panic && th_kind(p) != TH_TOKEN_ARROW) th_expected(p, "'->' and the body of the function");
    if (p->panic) return th_hole(p);
    return parse_lambda_body(p, from, params);
}

static th_ast *parse_bare_lambda(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *params = th_node_of(p, TH_AST_PARAMS, from, p->nkids);
    params->to = from;
    return parse_lambda_body(p, from, params);
}

/* Is the parenthesis at `open` a list of parameters, judging by its first few tokens? */
static bool typed_params_at(const th_parser *p, uint32_t open) {
    const th_token *t = &p->tokens[open + 1];
    if (t->kind == TH_TOKEN_RPAREN) return true;
    th_token_kind kind;
    if (!th_is_name(t) || !th_after_types(p, open + 2, &kind)) return false;
    return kind == TH_TOKEN_COMMA || kind == TH_TOKEN_RPAREN;
}

/* Does `->` follow the parameters that end before token `i`? On the next line it does only where it cannot begin a
** function of its own. */
static bool arrow_at(const th_parser *p, uint32_t i, bool definite) {
    const th_token *t = &p->tokens[i];
    return t->kind == TH_TOKEN_ARROW && !p->no_arrow && (!t->newline || p->flat || definite);
}

static th_ast *parse_paren(th_parser *p) {
    uint32_t from = th_here(p), open = p->at, close = p->tokens[open].to;
    bool typed = typed_params_at(p, open);
    if (typed && close != TH_NO_PARTNER && p->tokens[close + 1].kind == TH_TOKEN_PIPE && !p->no_arrow) {
        th_error_at(p, &p->tokens[close + 1], "the body of a function follows '->', not '=>'");
        th_hint(p, "'=>' hands a value to a function; a function is written (a<Type>) -> ...");
        p->panic = p->dead;
        if (p->dead) return th_hole(p);
        th_ast *params = th_parse_params(p);
        return p->panic ? th_hole(p) : parse_lambda_body(p, from, params);
    }
    if (close != TH_NO_PARTNER && arrow_at(p, close + 1, typed)) {
        th_ast *params = th_parse_params(p);
        return p->panic || th_kind(p) != TH_TOKEN_ARROW ? th_hole(p) : parse_lambda_body(p, from, params);
    }
    if (typed && close != TH_NO_PARTNER) {
        th_ast *params = th_parse_params(p);
        th_expected(p, params->nkids ? "'->' and the body of the function" : "'->' after the empty parameter list");
        if (th_kind(p) == TH_TOKEN_LBRACE) th_hint(p, "a function is written (a<Type>) -> { ... }");
        return th_hole(p);
    }
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    th_ast *node = th_parse_expression(p);
    if (!p->panic && th_kind(p) == TH_TOKEN_COMMA) {
        th_expected(p, "')'");
        th_hint(p, close == TH_NO_PARTNER ? "parameters are closed with ')' and followed by '->'"
                                          : "a tuple is written { a, b }; parameters are followed by '->'");
    } else if (!p->panic && th_kind(p) == TH_TOKEN_ASSIGN) {
        th_expected(p, "an operator or ')'");
        th_hint(p, "values are compared with '=='; an assignment is a statement of its own");
    }
    th_close(p, open, "an operator or ')'");
    th_scope_close(p, saved);
    if (!p->nomem) node->flags |= TH_AST_PARENTHESISED;
    return node;
}

/* ---- Literals ----------------------------------------------------------------------------------------------- */

static th_ast *parse_list(th_parser *p) {
    uint32_t from = th_here(p), open = p->at;
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    while (!p->panic && th_kind(p) != TH_TOKEN_RBRACKET) {
        th_push(p, th_parse_expression(p));
        if (p->panic || !th_accept(p, TH_TOKEN_COMMA)) break;
    }
    th_close(p, open, "',' or ']'");
    th_scope_close(p, saved);
    return th_node_of(p, TH_AST_LIST, from, mark);
}

/* The text between two marks of a string token: 1 byte before it, `tail` bytes after. */
static th_ast *string_piece(th_parser *p, uint32_t tail) {
    const th_token *t = th_cur(p);
    uint32_t from = t->from;
    th_view text = th_theta_unescape(&p->report, t->from + 1, t->to - tail);
    th_advance(p);
    return th_leaf(p, TH_AST_STRING, from, text);
}

/* After an error inside `${ }`: to the end of the string, where it has one. */
static void skip_string(th_parser *p) {
    if (p->dead || p->quiet_from != UINT32_MAX) return;
    size_t depth = 1;
    while (depth && th_kind(p) != TH_TOKEN_END) {
        if (th_kind(p) == TH_TOKEN_STRING_HEAD) depth++;
        if (th_kind(p) == TH_TOKEN_STRING_TAIL) depth--;
        th_advance(p);
    }
    p->panic = false;
}

static th_ast *parse_interpolation(th_parser *p) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, true);
    th_push(p, string_piece(p, 2));
    for (;;) {
        if (th_kind(p) == TH_TOKEN_STRING_PART || th_kind(p) == TH_TOKEN_STRING_TAIL) {
            th_expected(p, "an expression after '${'");
            th_hint(p, "write \\${ for the characters themselves");
        }
        if (!p->panic) th_push(p, th_parse_expression(p));
        if (p->panic) break;
        if (th_kind(p) == TH_TOKEN_STRING_TAIL) {
            th_push(p, string_piece(p, 1));
            break;
        }
        if (th_kind(p) != TH_TOKEN_STRING_PART) {
            th_expected(p, "an operator or '}' to end the '${'");
            break;
        }
        th_push(p, string_piece(p, 2));
    }
    th_scope_close(p, saved);
    if (!p->panic) return th_node_of(p, TH_AST_INTERPOLATION, from, mark);
    p->nkids = mark;
    skip_string(p);
    return th_hole(p);
}

static th_ast *parse_struct_literal(th_parser *p) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_advance(p);
    th_view name = th_parse_dotted(p, "the name of a struct after '@'");
    if (!p->panic && th_kind(p) != TH_TOKEN_LBRACE) th_expected(p, "'{' and the fields of the struct");
    if (p->panic) return th_hole(p);
    uint32_t open = p->at;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    th_push(p, NULL);
    bool more = true;
    if (th_accept(p, TH_TOKEN_ELLIPSIS)) {
        th_ast *spread = th_parse_expression(p);
        if (!p->nomem) p->kids[mark] = spread;
        more = !p->panic && th_accept(p, TH_TOKEN_COMMA);
    }
    while (more && !p->panic && th_kind(p) != TH_TOKEN_RBRACE) {
        const th_token *t = th_cur(p);
        uint32_t field_from = t->from;
        th_view field = th_token_view(p, t);
        if (!th_expect(p, TH_TOKEN_NAME, "the name of a field")) break;
        th_ast *value = th_accept(p, TH_TOKEN_COLON) ? th_parse_expression(p) : NULL;
        if (!value && th_kind(p) == TH_TOKEN_ASSIGN) {
            th_expected(p, "':' after the name of a field");
            break;
        }
        if (!value) value = th_leaf(p, TH_AST_NAME, field_from, field);
        th_ast *node = TH_NODE(p, TH_AST_NAMED, field_from, value);
        node->text = field;
        th_push(p, node);
        more = !p->panic && th_accept(p, TH_TOKEN_COMMA);
    }
    th_close(p, open, "',' or '}'");
    th_scope_close(p, saved);
    th_ast *node = th_node_of(p, TH_AST_STRUCT_LITERAL, from, mark);
    node->text = name;
    return node;
}

/* ---- Braces ------------------------------------------------------------------------------------------------- */

/* Does the entry of a dict begin at token `i`? */
static bool entry_at(const th_parser *p, uint32_t i) {
    switch (p->tokens[i].kind) {
    case TH_TOKEN_NAME:
    case TH_TOKEN_SYMBOL:
    case TH_TOKEN_STRING:
    case TH_TOKEN_INT: return p->tokens[i + 1].kind == TH_TOKEN_COLON;
    case TH_TOKEN_LBRACKET: return th_after_bracket(p, i) == TH_TOKEN_COLON;
    default: return false;
    }
}

static th_ast *pair(th_parser *p, th_ast *key) {
    if (!th_expect(p, TH_TOKEN_COLON, "':' after the key")) return th_hole(p);
    th_ast *value = th_parse_expression(p);
    return TH_NODE(p, TH_AST_PAIR, key->from, key, value);
}

static th_ast *parse_entry(th_parser *p) {
    const th_token *t = th_cur(p);
    uint32_t from = t->from;
    if (t->kind == TH_TOKEN_LBRACKET && entry_at(p, p->at)) {
        uint32_t open = p->at;
        th_advance(p);
        th_ast *key = th_parse_expression(p);
        th_close(p, open, "an operator or ']'");
        return p->panic ? th_hole(p) : pair(p, key);
    }
    bool symbol = t->kind == TH_TOKEN_SYMBOL;
    if ((t->kind != TH_TOKEN_NAME && !symbol) || th_peek(p, 1)->kind != TH_TOKEN_COLON) {
        th_ast *key = th_parse_expression(p);
        return p->panic ? th_hole(p) : pair(p, key);
    }
    th_view name = th_token_view(p, t);
    if (symbol) name = (th_view){name.data + 1, name.len - 1};
    th_advance(p);
    th_advance(p);
    th_ast *value = th_parse_expression(p);
    th_ast *node = TH_NODE(p, TH_AST_NAMED, from, value);
    node->text = name;
    return node;
}

/* The entries of a dict, from the first or from the comma after it. */
static th_ast *parse_dict(th_parser *p, uint32_t open, size_t mark) {
    p->flat = true;
    while (!p->panic && (p->nkids == mark || th_accept(p, TH_TOKEN_COMMA)) && th_kind(p) != TH_TOKEN_RBRACE)
        th_push(p, parse_entry(p));
    th_close(p, open, "',' or '}'");
    return th_node_of(p, TH_AST_DICT, p->tokens[open].from, mark);
}

/* From the comma after the first element on. */
static th_ast *parse_tuple(th_parser *p, uint32_t open, size_t mark) {
    p->flat = true;
    while (!p->panic && th_accept(p, TH_TOKEN_COMMA) && th_kind(p) != TH_TOKEN_RBRACE)
        th_push(p, th_parse_expression(p));
    if (!p->panic && p->nkids < mark + 2 && th_kind(p) == TH_TOKEN_RBRACE)
        th_error_at(p, th_cur(p), "a tuple has two or more elements");
    th_close(p, open, "',' or '}'");
    return th_node_of(p, TH_AST_TUPLE, p->tokens[open].from, mark);
}

static bool is_value(const th_ast *node) {
    return (node->kind >= TH_AST_NAME && node->kind <= TH_AST_RANGE) || node->kind == TH_AST_LAMBDA ||
           node->kind == TH_AST_BLOCK || node->kind == TH_AST_TRY;
}

static th_ast *parse_brace_inside(th_parser *p, uint32_t open, bool body) {
    uint32_t from = p->tokens[open].from;
    size_t mark = p->nkids;
    if (th_kind(p) == TH_TOKEN_RBRACE) {
        th_close(p, open, "'}'");
        return th_node_of(p, body ? TH_AST_BLOCK : TH_AST_DICT, from, mark);
    }
    if (entry_at(p, p->at)) return parse_dict(p, open, mark);
    while (th_accept(p, TH_TOKEN_SEMICOLON)) {}
    if (th_kind(p) != TH_TOKEN_RBRACE && th_kind(p) != TH_TOKEN_END) {
        uint32_t start = p->at;
        th_ast *first = th_parse_statement(p, TH_LEVEL_LOCAL);
        if (!p->panic && th_kind(p) == TH_TOKEN_COLON && is_value(first)) {
            p->flat = true;
            first = pair(p, first);
            th_push(p, first);
            return parse_dict(p, open, mark);
        }
        th_push(p, first);
        if (!p->panic && th_kind(p) == TH_TOKEN_COMMA && is_value(first)) return parse_tuple(p, open, mark);
        if (!p->panic) th_end_statement(p, first);
        if (p->panic) th_sync(p, start);
    }
    th_parse_statements(p, TH_LEVEL_LOCAL);
    th_close(p, open, "'}'");
    return th_node_of(p, TH_AST_BLOCK, from, mark);
}

th_ast *th_parse_brace(th_parser *p, bool body) {
    if (!th_enter(p)) return th_hole(p);
    uint32_t open = p->at;
    th_scope saved = th_scope_open(p, false);
    th_advance(p);
    th_ast *node = parse_brace_inside(p, open, body);
    th_scope_close(p, saved);
    th_leave(p);
    return node;
}

/* ---- if, match, try ----------------------------------------------------------------------------------------- */

/* Does the expression go on after the closing parenthesis, so that it is not the whole condition? */
static bool goes_on(const th_parser *p, th_token_kind kind) {
    if (kind == TH_TOKEN_PIPE) return !p->no_arrow;
    if (kind == TH_TOKEN_DOT || kind == TH_TOKEN_QUESTION_DOT || kind == TH_TOKEN_POWER) return true;
    return th_precedence(kind) && kind != TH_TOKEN_MINUS;
}

static void check_assignment(th_parser *p) {
    if (p->panic || th_kind(p) != TH_TOKEN_ASSIGN) return;
    th_error_at(p, th_cur(p), "'=' in a condition");
    th_hint(p, "values are compared with '=='");
    if (p->dead) return;
    p->panic = false;
    th_advance(p);
    th_parse_expression(p);
}

th_ast *th_parse_condition(th_parser *p) {
    if (th_kind(p) != TH_TOKEN_LPAREN || p->tokens[p->at].to == TH_NO_PARTNER ||
        goes_on(p, th_after_bracket(p, p->at))) {
        th_ast *node = th_parse_expression(p);
        check_assignment(p);
        return node;
    }
    uint32_t open = p->at;
    th_scope saved = th_scope_open(p, true);
    th_advance(p);
    th_ast *node = th_parse_expression(p);
    check_assignment(p);
    th_close(p, open, "an operator or ')'");
    th_scope_close(p, saved);
    if (!p->nomem) node->flags |= TH_AST_PARENTHESISED;
    return node;
}

/* if x: ..., as in languages where indentation makes blocks: told once, since all of them are written so. */
static void skip_colon(th_parser *p) {
    if (!p->colon) {
        th_error_at(p, th_cur(p), "a block does not begin with ':'");
        th_hint(p, "it stands in braces: if (condition) { ... } else { ... }");
        p->panic = p->dead;
    }
    p->colon = true;
    th_advance(p);
}

/* if (x) then ... */
static bool foreign_then(th_parser *p) {
    const th_token *t = th_cur(p), *next = th_peek(p, 1);
    th_view word = th_token_view(p, t);
    if (t->kind != TH_TOKEN_NAME || (!th_view_is(word, "then") && !th_view_is(word, "do"))) return false;
    bool block = next->newline || next->kind == TH_TOKEN_LBRACE || next->kind == TH_TOKEN_NAME;
    if (!block) return false;
    th_error_at(p, t, "no '%.*s' follows a condition", (int)word.len, word.data);
    th_hint(p, "a branch is a block in braces, or one statement");
    return true;
}

th_ast *th_parse_branch(th_parser *p) {
    if (!p->panic && th_kind(p) == TH_TOKEN_COLON) skip_colon(p);
    if (p->panic || foreign_then(p)) return th_hole(p);
    if (th_kind(p) == TH_TOKEN_LBRACE) return th_parse_brace(p, true);
    return th_parse_statement(p, TH_LEVEL_LOCAL);
}

static bool else_ahead(const th_parser *p) {
    const th_token *t = th_cur(p);
    if (t->kind == TH_TOKEN_SEMICOLON) t = th_peek(p, 1); /* if (a) b; else c; */
    return t->kind == TH_TOKEN_NAME && t->word == TH_WORD_ELSE;
}

/* `if`, with a chain of `else if` built from its end so that a long one takes no C stack: conditions and branches are
** pushed in pairs, the last `else` alone. */
static th_ast *parse_if(th_parser *p) {
    size_t mark = p->nkids;
    uint32_t from = th_here(p);
    th_advance(p);
    bool more = true, has_else = false;
    while (more) {
        th_push(p, th_leaf(p, TH_AST_IF, from, (th_view){"", 0}));
        th_push(p, th_parse_condition(p));
        th_push(p, p->panic ? th_hole(p) : th_parse_branch(p));
        more = false;
        if (p->panic) break;
        if (th_else_if_word(th_cur(p), th_token_view(p, th_cur(p)))) {
            th_view word = th_token_view(p, th_cur(p));
            th_error_at(p, th_cur(p), "'%.*s' is no word of Theta", (int)word.len, word.data);
            th_hint(p, "write 'else if'");
            p->panic = p->dead;
            from = th_here(p);
            th_advance(p);
            more = !p->dead;
            continue;
        }
        if (!else_ahead(p)) break;
        th_accept(p, TH_TOKEN_SEMICOLON);
        th_advance(p);
        if (th_kind(p) == TH_TOKEN_NAME && th_word_at(p) == TH_WORD_IF) {
            from = th_here(p);
            th_advance(p);
            more = true;
        } else {
            has_else = true;
            th_push(p, th_parse_branch(p));
        }
    }
    if (p->nomem) return th_hole(p);
    th_ast *node = has_else ? p->kids[--p->nkids] : NULL;
    while (p->nkids > mark) {
        p->nkids -= 3;
        th_ast **part = p->kids + p->nkids;
        node = TH_NODE(p, TH_AST_IF, part[0]->from, part[1], part[2], node);
    }
    return node;
}

static th_ast *parse_case(th_parser *p) {
    uint32_t from = th_here(p);
    th_ast *pattern = th_parse_pattern(p), *guard = NULL;
    if (!p->panic && th_kind(p) == TH_TOKEN_NAME && th_word_at(p) == TH_WORD_IF) {
        th_advance(p);
        p->no_arrow = true;
        guard = th_parse_condition(p);
        p->no_arrow = false;
    }
    if (p->panic) return th_hole(p);
    if (th_kind(p) != TH_TOKEN_ARROW && th_kind(p) != TH_TOKEN_PIPE) {
        th_expected(p,
                    guard ? "'->' and the value of the case" : "'->' and the value of the case, or 'if' and a guard");
        if (th_kind(p) == TH_TOKEN_COLON) th_hint(p, "a case is written pattern -> value");
        return th_hole(p);
    }
    th_advance(p);
    th_ast *body = th_parse_branch(p);
    return TH_NODE(p, TH_AST_CASE, from, pattern, guard, body);
}

/* Cases end with a comma, a semicolon, a brace or the line. */
static bool case_ends(th_parser *p) {
    bool ended = p->tokens[p->at - 1].kind == TH_TOKEN_RBRACE || th_cur(p)->newline;
    while (th_kind(p) == TH_TOKEN_COMMA || th_kind(p) == TH_TOKEN_SEMICOLON) {
        th_advance(p);
        ended = true;
    }
    return ended || th_kind(p) == TH_TOKEN_RBRACE;
}

static th_ast *parse_match(th_parser *p) {
    uint32_t from = th_here(p);
    size_t mark = p->nkids;
    th_advance(p);
    th_push(p, th_parse_expression(p));
    uint32_t open = p->at;
    if (!p->panic && th_kind(p) != TH_TOKEN_LBRACE) th_expected(p, "'{' and the cases of the match");
    if (p->panic || !th_enter(p)) {
        p->nkids = mark;
        return th_hole(p);
    }
    th_scope saved = th_scope_open(p, false);
    th_advance(p);
    while (th_kind(p) != TH_TOKEN_RBRACE && th_kind(p) != TH_TOKEN_END) {
        uint32_t start = p->at;
        th_ast *one = parse_case(p);
        if (!p->panic && !case_ends(p)) th_expected(p, "',' or a new line after the case");
        if (p->panic) th_sync(p, start);
        if (one->kind == TH_AST_CASE) th_push(p, one);
    }
    th_close(p, open, "'}'");
    th_scope_close(p, saved);
    th_leave(p);
    return th_node_of(p, TH_AST_MATCH, from, mark);
}

th_ast *th_parse_block(th_parser *p, const char *after) {
    if (th_kind(p) != TH_TOKEN_LBRACE) {
        th_expected(p, after);
        return th_hole(p);
    }
    if (!th_enter(p)) return th_hole(p);
    uint32_t from = th_here(p), open = p->at;
    size_t mark = p->nkids;
    th_scope saved = th_scope_open(p, false);
    th_advance(p);
    th_parse_statements(p, TH_LEVEL_LOCAL);
    th_close(p, open, "'}'");
    th_scope_close(p, saved);
    th_leave(p);
    return th_node_of(p, TH_AST_BLOCK, from, mark);
}

/* (e), e, or nothing */
static th_view parse_caught(th_parser *p) {
    th_view name = {"", 0};
    bool paren = th_kind(p) == TH_TOKEN_LPAREN;
    uint32_t open = p->at;
    if (paren) th_advance(p);
    if (paren || th_is_name(th_cur(p))) {
        if (th_c_form_ahead(p) || th_peek(p, 1)->kind == TH_TOKEN_LT) {
            th_error_at(p, th_cur(p), "a caught error has no type: write its name alone");
        } else if (!th_is_name(th_cur(p))) {
            th_expected(p, "a name for the error");
        } else {
            name = th_token_view(p, th_cur(p));
            th_advance(p);
        }
    }
    if (paren) th_close(p, open, "')'");
    return name;
}

static bool contextual_ahead(const th_parser *p, th_word word) {
    return th_kind(p) == TH_TOKEN_NAME && th_word_at(p) == word;
}

static void no_handler(th_parser *p, uint32_t from) {
    static const char *const words[] = {"catch", "finally", "except", "rescue", "ensure"};
    const th_token *t = th_cur(p);
    th_suggest s;
    th_view word = th_token_view(p, t);
    th_suggest_init(&s, word);
    for (size_t i = 0; i < TH_COUNT(words) && t->kind == TH_TOKEN_NAME; i++) {
        if (th_view_is(word, words[i])) s.best = th_view_of(words[i]); /* a name that is spelt right is none to try */
        th_suggest_try(&s, th_view_of(words[i]));
    }
    bool last = th_view_is(s.best, "finally") || th_view_is(s.best, "ensure");
    if (s.best.len && (th_peek(p, 1)->kind == TH_TOKEN_LBRACE || th_peek(p, 1)->kind == TH_TOKEN_LPAREN)) {
        th_error_at(p, t, "expected 'catch' or 'finally' after the block of 'try', found '%.*s'", (int)word.len,
                    word.data);
        th_hint(p, last ? "did you mean 'finally'?" : "did you mean 'catch'?");
        return;
    }
    if (t->kind == TH_TOKEN_END) { /* more may come, where the text is typed line by line */
        th_expected(p, "'catch' or 'finally' after the block of 'try'");
        return;
    }
    th_token whole = {.kind = TH_TOKEN_NAME, .from = from, .to = from + 3};
    th_error_at(p, &whole, "this 'try' has neither 'catch' nor 'finally'");
    th_hint(p, "write try { ... } catch (e) { ... }, or leave 'try' out");
}

th_ast *th_parse_try(th_parser *p) {
    uint32_t from = th_here(p);
    th_view name = {"", 0};
    th_advance(p);
    th_ast *body = th_parse_block(p, "'{' after 'try'"), *handler = NULL, *always = NULL;
    if (!p->panic && contextual_ahead(p, TH_WORD_CATCH)) {
        th_advance(p);
        name = parse_caught(p);
        if (!p->panic) handler = th_parse_block(p, "'{' after 'catch'");
    }
    if (!p->panic && contextual_ahead(p, TH_WORD_FINALLY)) {
        th_advance(p);
        always = th_parse_block(p, "'{' after 'finally'");
    }
    if (!p->panic && !handler && !always) no_handler(p, from);
    if (!p->panic && always && contextual_ahead(p, TH_WORD_CATCH) && th_peek(p, 1)->kind != TH_TOKEN_ASSIGN) {
        th_error_at(p, th_cur(p), "'catch' stands before 'finally'");
        th_hint(p, "write try { ... } catch (e) { ... } finally { ... }");
    }
    th_ast *node = TH_NODE(p, TH_AST_TRY, from, body, handler, always);
    node->text = name;
    return node;
}

/* ---- Primaries ---------------------------------------------------------------------------------------------- */

/* Can an expression begin with this token, on the line of the one before? */
static bool begins_value(const th_token *t) {
    if (t->newline) return false;
    switch (t->kind) {
    case TH_TOKEN_NAME: return t->word != TH_WORD_ELSE;
    case TH_TOKEN_INT:
    case TH_TOKEN_FLOAT:
    case TH_TOKEN_STRING:
    case TH_TOKEN_STRING_HEAD:
    case TH_TOKEN_SYMBOL:
    case TH_TOKEN_AT:
    case TH_TOKEN_LPAREN:
    case TH_TOKEN_LBRACKET:
    case TH_TOKEN_LBRACE:
    case TH_TOKEN_MINUS:
    case TH_TOKEN_NOT:
    case TH_TOKEN_TILDE:
    case TH_TOKEN_ARROW:
    case TH_TOKEN_BAD: return true;
    default: return false;
    }
}

bool th_names_before(const th_token *t) {
    switch (t->kind) {
    case TH_TOKEN_RPAREN:
    case TH_TOKEN_RBRACKET:
    case TH_TOKEN_COMMA:
    case TH_TOKEN_DOT:
    case TH_TOKEN_QUESTION_DOT:
    case TH_TOKEN_PIPE:
    case TH_TOKEN_POWER: return true;
    default: return th_precedence((th_token_kind)t->kind) && t->kind != TH_TOKEN_MINUS;
    }
}

static th_ast *parse_plain_name(th_parser *p) {
    uint32_t from = th_here(p);
    th_view name = th_token_view(p, th_cur(p));
    th_advance(p);
    return th_leaf(p, TH_AST_NAME, from, name);
}

static th_ast *parse_jump(th_parser *p, th_ast_kind kind) {
    uint32_t from = th_here(p);
    th_advance(p);
    if (kind == TH_AST_BREAK || kind == TH_AST_CONTINUE) return th_leaf(p, kind, from, (th_view){"", 0});
    th_ast *value = begins_value(th_cur(p)) ? th_parse_expression(p) : NULL;
    return TH_NODE(p, kind, from, value);
}

static bool throw_ahead(const th_parser *p) {
    const th_token *next = th_peek(p, 1);
    if (next->kind == TH_TOKEN_MINUS || next->kind == TH_TOKEN_LBRACKET || next->kind == TH_TOKEN_ARROW) return false;
    return begins_value(next);
}

static th_ast *unexpected(th_parser *p) {
    const th_token *t = th_cur(p), *before = p->at ? t - 1 : t;
    bool closer = t->kind == TH_TOKEN_RPAREN || t->kind == TH_TOKEN_RBRACKET || t->kind == TH_TOKEN_RBRACE;
    if (closer && t->to == TH_NO_PARTNER)
        th_error_at(p, t, "'%s' closes nothing", th_token_text((th_token_kind)t->kind));
    else
        th_expected(p, "an expression");
    switch (t->kind) {
    case TH_TOKEN_GT:
        if (before->kind == TH_TOKEN_LT)
            th_hint(p, "'not equal' is written !=");
        else if (before->kind == TH_TOKEN_BAR)
            th_hint(p, "the pipeline is written =>");
        break;
    case TH_TOKEN_PLUS: th_hint(p, "there is no unary '+'"); break;
    case TH_TOKEN_INCREMENT:
    case TH_TOKEN_DECREMENT:
        th_hint(p, "'++' and '--' are statements of their own, and no part of an expression");
        break;
    case TH_TOKEN_DOT:
        if (th_peek(p, 1)->kind == TH_TOKEN_INT) th_hint(p, "write a digit before the point: 0.5");
        break;
    case TH_TOKEN_ELLIPSIS: th_hint(p, "'...' stands in list patterns and struct literals only"); break;
    default: break;
    }
    return th_hole(p);
}

static th_ast *parse_word(th_parser *p) {
    const th_token *t = th_cur(p), *next = th_peek(p, 1);
    th_token_kind after;
    switch ((th_word)t->word) {
    case TH_WORD_TRUE:
    case TH_WORD_FALSE:
    case TH_WORD_NULL: {
        th_ast_kind kind = t->word == TH_WORD_TRUE    ? TH_AST_TRUE
                           : t->word == TH_WORD_FALSE ? TH_AST_FALSE
                                                      : TH_AST_NULL;
        uint32_t from = t->from;
        th_advance(p);
        return th_leaf(p, kind, from, (th_view){"", 0});
    }
    case TH_WORD_IF: return th_names_before(next) ? parse_plain_name(p) : parse_if(p);
    case TH_WORD_MATCH: return th_names_before(next) ? parse_plain_name(p) : parse_match(p);
    case TH_WORD_RETURN: return parse_jump(p, TH_AST_RETURN);
    case TH_WORD_BREAK: return parse_jump(p, TH_AST_BREAK);
    case TH_WORD_CONTINUE: return parse_jump(p, TH_AST_CONTINUE);
    case TH_WORD_ELSE:
        th_expected(p, "an expression");
        th_hint(p, "'else' follows the branch of an 'if'");
        return th_hole(p);
    case TH_WORD_FOR:
    case TH_WORD_WHILE:
        if (th_names_before(next)) return parse_plain_name(p);
        th_expected(p, "an expression");
        th_hint(p, "loops are statements and have no value");
        return th_hole(p);
    case TH_WORD_TRY: return next->kind == TH_TOKEN_LBRACE ? th_parse_try(p) : parse_plain_name(p);
    case TH_WORD_THROW: return throw_ahead(p) ? parse_jump(p, TH_AST_THROW) : parse_plain_name(p);
    default: break;
    }
    if (!th_word_reserved((th_word)t->word)) {
        if (arrow_at(p, p->at + 1, false)) return parse_name_lambda(p);
        if (next->kind == TH_TOKEN_LT && !p->no_arrow && th_after_types(p, p->at + 1, &after) &&
            after == TH_TOKEN_ARROW)
            return parse_name_lambda(p);
    }
    return parse_plain_name(p);
}

static th_ast *parse_primary(th_parser *p) {
    const th_token *t = th_cur(p);
    uint32_t from = t->from;
    th_view text = th_token_view(p, t);
    switch (t->kind) {
    case TH_TOKEN_NAME: return parse_word(p);
    case TH_TOKEN_INT: th_advance(p); return th_leaf(p, TH_AST_INT, from, text);
    case TH_TOKEN_FLOAT: th_advance(p); return th_leaf(p, TH_AST_FLOAT, from, text);
    case TH_TOKEN_SYMBOL: th_advance(p); return th_leaf(p, TH_AST_SYMBOL, from, (th_view){text.data + 1, text.len - 1});
    case TH_TOKEN_STRING: return string_piece(p, 1);
    case TH_TOKEN_STRING_HEAD: return parse_interpolation(p);
    case TH_TOKEN_LPAREN: return parse_paren(p);
    case TH_TOKEN_LBRACKET: return parse_list(p);
    case TH_TOKEN_LBRACE: return th_parse_brace(p, false);
    case TH_TOKEN_AT: return parse_struct_literal(p);
    case TH_TOKEN_ARROW: return parse_bare_lambda(p);
    default: return unexpected(p);
    }
}
