/*
** parser.c - the Nix parser: expressions, operators, functions. Sets are in parser_set.c, texts in parser_text.c.
** One pass, one token ahead, its own stack (parser.h); the tree is in the caller's arena. It stops at the first error.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/parser.h"

#include <stdio.h>

/* ---- Memory ------------------------------------------------------------------------------------------------- */

nix_step nix_parser_no_memory(nix_parser *p) {
    if (!p->lx.status) p->lx.status = TH_E_NOMEM;
    return NIX_STEP_FAIL;
}

bool nix_grow(nix_parser *p, void **array, size_t *capacity, size_t needed, size_t item_bytes) {
    if (TH_LIKELY(needed <= *capacity)) return true;
    if (needed < UINT32_MAX && th_mem_grow(p->mem, array, capacity, needed, item_bytes) == TH_OK) return true;
    nix_parser_no_memory(p);
    return false;
}

nix_frame *nix_push(nix_parser *p, nix_frame_kind kind, nix_place from) {
    if (!nix_grow(p, (void **)&p->frames, &p->frames_capacity, p->nframes + 1, sizeof *p->frames)) return NULL;
    nix_frame *f = &p->frames[p->nframes++];
    *f = (nix_frame){.kind = (uint8_t)kind, .from = from};
    return f;
}

static bool push_value(nix_parser *p, nix_expr *e) {
    if (!nix_grow(p, (void **)&p->values, &p->values_capacity, p->nvalues + 1, sizeof *p->values)) return false;
    p->values[p->nvalues++] = e;
    return true;
}

nix_expr *nix_node(nix_parser *p, nix_kind kind, th_span span) {
    nix_expr *e = th_arena_zeroed(p->arena, sizeof *e);
    if (!e) {
        nix_parser_no_memory(p);
        return NULL;
    }
    e->kind = kind;
    e->span = e->at = span;
    return e;
}

nix_step nix_give(nix_parser *p, nix_expr *e, nix_place from, nix_step next) {
    if (!e) return NIX_STEP_FAIL;
    p->value = e;
    p->value_from = from;
    return next;
}

/* From a place to the end of the token before the one read last. */
static th_span since(const nix_parser *p, nix_place from) { return nix_between(from, p->lx.last_end); }

/* The values from `mark` on become the items of `e`. */
static bool take_items(nix_parser *p, nix_expr *e, size_t mark) {
    size_t n = p->nvalues - mark;
    if (n) {
        e->items = th_arena_copy(p->arena, p->values + mark, n * sizeof *e->items);
        if (!e->items) {
            nix_parser_no_memory(p);
            return false;
        }
    }
    e->nitems = (uint32_t)n;
    p->nvalues = mark;
    return true;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

/* What is open where the file ends. */
static void hint_open(nix_parser *p) {
    static const char *const openers[] = {
        [NIX_F_PAREN] = "(",   [NIX_F_LIST] = "[",      [NIX_F_BINDINGS] = "{", [NIX_F_FORMALS] = "{",
        [NIX_F_STRING] = "\"", [NIX_F_INDENTED] = "''", [NIX_F_FROM] = "(",     [NIX_F_DYNAMIC] = "${",
    };
    for (size_t i = p->nframes; i-- > 0;) {
        const nix_frame *f = &p->frames[i];
        const char *opener = f->kind < TH_COUNT(openers) ? openers[f->kind] : NULL;
        if (!opener || (f->kind == NIX_F_BINDINGS && f->left->kind == NIX_LET)) continue;
        bool inner = f->kind == NIX_F_STRING || f->kind == NIX_F_INDENTED;
        nix_place at = inner ? f->inner : f->from;
        if (f->kind == NIX_F_BINDINGS && f->left->kind == NIX_LET_BODY) opener = "let {";
        if (f->kind == NIX_F_BINDINGS && f->left->kind == NIX_ATTRS && f->left->recursive) opener = "rec {";
        return nix_hint(&p->lx, "the %s at line %u, column %u is not closed", inner ? "${" : opener, at.line,
                        at.column);
    }
}

static void hint_character(nix_parser *p) {
    th_view view = p->lx.view;
    uint32_t code = 0;
    if (view.len) th_utf8_decode(view.data, view.len, 0, &code);
    if (code == '\'')
        nix_hint(&p->lx, "strings are written in double quotes, or between two single quotes each");
    else if (code == '&' || code == '|')
        nix_hint(&p->lx, "write %c%c", (int)code, (int)code);
    else if (code >= 0x20 && code != 0x7f && code != 0xfffd)
        nix_hint(&p->lx, "%.*s (U+%04X) may only stand in strings and comments", (int)view.len, view.data, code);
    else if (view.len)
        nix_hint(&p->lx, "the byte %02X may not stand here", (uint8_t)view.data[0]);
}

static void hint_unexpected(nix_parser *p, nix_token kind, const char *expecting) {
    nix_frame_kind frame = (nix_frame_kind)nix_top(p)->kind;
    if (kind == NIX_T_BAD) return hint_character(p);
    if (kind == NIX_T_END) return hint_open(p);
    if (expecting && strcmp(expecting, "';'") == 0 && frame == NIX_F_VALUE)
        return nix_hint(&p->lx, kind == NIX_T_ASSIGN ? "is a ; missing before this binding?"
                                                     : "the value of a binding ends with ;");
    if (kind == NIX_T_ASSIGN && frame == NIX_F_FORMALS)
        return nix_hint(&p->lx, "the default of an argument is written with ?");
    if (kind == NIX_T_ASSIGN && frame != NIX_F_BINDINGS) return nix_hint(&p->lx, "values are compared with ==");
    if (frame == NIX_F_LIST && kind == NIX_T_COMMA)
        return nix_hint(&p->lx, "the elements of a list are separated by spaces");
    if (kind == NIX_T_PIPE_LEFT || kind == NIX_T_PIPE_RIGHT)
        return nix_hint(&p->lx, "|> and <| are mixed with parentheses only");
    if (!expecting && (kind == NIX_T_IF || kind == NIX_T_ASSERT || kind == NIX_T_WITH))
        nix_hint(&p->lx, "here it takes parentheses: (%.*s ...)", (int)strlen(nix_token_text(kind)) - 2,
                 nix_token_text(kind) + 1);
}

nix_step nix_unexpected(nix_parser *p, const char *expecting) {
    nix_token kind = nix_kind_of(p);
    if (nix_failed(p)) return NIX_STEP_FAIL;
    nix_error(&p->lx, nix_token_span(&p->lx), "syntax error, unexpected %s%s%s", nix_token_text(kind),
              expecting ? ", expecting " : "", expecting ? expecting : "");
    hint_unexpected(p, kind, expecting);
    return NIX_STEP_FAIL;
}

enum { MOST_WARNINGS = 20 };

/* `or` as an argument's function: `f g or` is f (g or) today, and will be (f g) or. */
static void warn_cursed(nix_parser *p) {
    if (p->value != p->cursed || p->warned++ >= MOST_WARNINGS) return;
    const th_source *source = nix_source_of(&p->lx);
    th_diags_add(p->lx.diags, TH_WARNING, TH_E_SYNTAX, source, p->value->span,
                 "`or` is used as a name here in a way that a future Nix will read differently");
    th_diags_hint(p->lx.diags, "put this application of it in parentheses to keep its meaning");
    p->cursed = NULL;
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static bool push_formal(nix_parser *p, nix_name name, th_span span) {
    if (!nix_grow(p, (void **)&p->formals, &p->formals_capacity, p->nformals + 1, sizeof *p->formals)) return false;
    p->formals[p->nformals++] = (nix_formal){.name = name, .span = span};
    return true;
}

/* A pattern begins at `from`; `name` is what stood before its @, or NULL. */
static bool begin_formals(nix_parser *p, nix_name name, nix_place from) {
    nix_expr *lambda = nix_node(p, NIX_LAMBDA, nix_between(from, from));
    nix_frame *f = lambda ? nix_push(p, NIX_F_FORMALS, from) : NULL;
    if (!f) return false;
    lambda->has_formals = true;
    lambda->name = name;
    f->left = lambda;
    f->mark = (uint32_t)p->nformals;
    f->flag = name != NULL;
    return true;
}

static nix_step formal_step(nix_parser *p) {
    nix_frame *f = nix_top(p);
    if (nix_kind_of(p) == NIX_T_ID) {
        if (!push_formal(p, p->lx.name, nix_token_span(&p->lx))) return NIX_STEP_FAIL;
        nix_advance(p);
        return NIX_STEP_FORMED;
    }
    if (nix_kind_of(p) == NIX_T_ELLIPSIS) {
        f->left->ellipsis = true;
        nix_advance(p);
        if (nix_kind_of(p) != NIX_T_RBRACE) return nix_unexpected(p, "'}'");
    }
    if (nix_kind_of(p) != NIX_T_RBRACE) return nix_unexpected(p, "identifier or '...' or '}'");
    nix_advance(p);
    return NIX_STEP_FORMALS;
}

static nix_step formed_step(nix_parser *p) {
    switch (nix_kind_of(p)) {
    case NIX_T_QUESTION:
        if (p->formals[p->nformals - 1].fallback) break;
        nix_advance(p);
        return NIX_STEP_FULL;
    case NIX_T_COMMA: nix_advance(p); return NIX_STEP_FORMAL;
    case NIX_T_RBRACE: nix_advance(p); return NIX_STEP_FORMALS;
    default: break;
    }
    return nix_unexpected(p, "'}' or ','");
}

/* The colon has been read; the top frame becomes the function's body. */
static nix_step begin_body(nix_parser *p) {
    nix_top(p)->kind = NIX_F_LAMBDA;
    nix_advance(p);
    return NIX_STEP_FULL;
}

/* After the closing brace. */
static nix_step formals_step(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_expr *lambda = f->left;
    size_t n = p->nformals - f->mark;
    if (n) {
        lambda->formals = th_arena_copy(p->arena, p->formals + f->mark, n * sizeof *lambda->formals);
        if (!lambda->formals) return nix_parser_no_memory(p);
    }
    lambda->nformals = (uint32_t)n;
    p->nformals = f->mark;
    if (!f->flag && nix_kind_of(p) == NIX_T_AT) {
        nix_advance(p);
        if (nix_kind_of(p) != NIX_T_ID) return nix_unexpected(p, "identifier");
        lambda->name = p->lx.name;
        f->flag = true;
        nix_advance(p);
    } else if (!f->flag && nix_kind_of(p) != NIX_T_COLON) {
        return nix_unexpected(p, "':' or '@'");
    }
    if (nix_kind_of(p) != NIX_T_COLON) return nix_unexpected(p, "':'");
    return begin_body(p);
}

static nix_expr *variable(nix_parser *p, nix_name name, th_span span) {
    bool place = th_view_is(th_view_str(name), "__curPos");
    nix_expr *e = nix_node(p, place ? NIX_CUR_POS : NIX_VAR, span);
    if (e && !place) e->name = name;
    return e;
}

/* A variable, or the function that it begins. */
static nix_step word_first(nix_parser *p) {
    nix_name name = p->lx.name;
    th_span span = nix_token_span(&p->lx);
    nix_place from = p->lx.start;
    nix_advance(p);
    if (nix_kind_of(p) == NIX_T_COLON) {
        nix_expr *lambda = nix_node(p, NIX_LAMBDA, span);
        nix_frame *f = lambda ? nix_push(p, NIX_F_LAMBDA, from) : NULL;
        if (!f) return NIX_STEP_FAIL;
        lambda->name = name;
        f->left = lambda;
        return begin_body(p);
    }
    if (nix_kind_of(p) == NIX_T_AT) {
        nix_advance(p);
        if (nix_kind_of(p) != NIX_T_LBRACE) return nix_unexpected(p, "'{'");
        nix_advance(p);
        return begin_formals(p, name, from) ? NIX_STEP_FORMAL : NIX_STEP_FAIL;
    }
    return nix_give(p, variable(p, name, span), from, NIX_STEP_POSTFIX);
}

/* `{ NAME` has been read, the name not as a token any more: a pattern or a set? */
static nix_step brace_name(nix_parser *p, nix_place from) {
    nix_name name = p->lx.name;
    th_span span = nix_token_span(&p->lx);
    nix_advance(p);
    nix_token kind = nix_kind_of(p);
    if (kind == NIX_T_COMMA || kind == NIX_T_QUESTION || kind == NIX_T_RBRACE) {
        if (!begin_formals(p, NULL, from) || !push_formal(p, name, span)) return NIX_STEP_FAIL;
        return NIX_STEP_FORMED;
    }
    if (nix_bindings(p, NIX_ATTRS, false, from) == NIX_STEP_FAIL) return NIX_STEP_FAIL;
    nix_place at = {span.line, span.column};
    if (nix_names(p, NIX_FOR_BINDING, at, NULL) == NIX_STEP_FAIL) return NIX_STEP_FAIL;
    return nix_add_name(p, name, NULL, span);
}

/* A brace where a function may begin. */
static nix_step brace_first(nix_parser *p) {
    nix_place from = p->lx.start;
    nix_advance(p);
    switch (nix_kind_of(p)) {
    case NIX_T_ID: return brace_name(p, from);
    case NIX_T_ELLIPSIS: return begin_formals(p, NULL, from) ? NIX_STEP_FORMAL : NIX_STEP_FAIL;
    case NIX_T_RBRACE:
        nix_advance(p);
        if (nix_kind_of(p) == NIX_T_COLON || nix_kind_of(p) == NIX_T_AT)
            return begin_formals(p, NULL, from) ? NIX_STEP_FORMALS : NIX_STEP_FAIL;
        return nix_give(p, nix_node(p, NIX_ATTRS, since(p, from)), from, NIX_STEP_POSTFIX);
    default: return nix_bindings(p, NIX_ATTRS, false, from);
    }
}

/* ---- Operands ----------------------------------------------------------------------------------------------- */

static nix_step begin(nix_parser *p, nix_frame_kind kind, nix_step next) {
    if (!nix_push(p, kind, p->lx.start)) return NIX_STEP_FAIL;
    nix_advance(p);
    return next;
}

/* `let`; a brace after it is the old form, which is an operand. */
static nix_step let_first(nix_parser *p, bool operand) {
    nix_place from = p->lx.start;
    nix_advance(p);
    if (nix_kind_of(p) != NIX_T_LBRACE)
        return operand ? nix_unexpected(p, "'{'") : nix_bindings(p, NIX_LET, false, from);
    nix_advance(p);
    return nix_bindings(p, NIX_LET_BODY, true, from);
}

static nix_step rec_first(nix_parser *p) {
    nix_place from = p->lx.start;
    nix_advance(p);
    if (nix_kind_of(p) != NIX_T_LBRACE) return nix_unexpected(p, "'{'");
    nix_advance(p);
    return nix_bindings(p, NIX_ATTRS, true, from);
}

static nix_step operand_step(nix_parser *p) {
    bool negate = nix_kind_of(p) == NIX_T_MINUS;
    if (!negate && nix_kind_of(p) != NIX_T_NOT) return NIX_STEP_SIMPLE;
    nix_frame *f = nix_push(p, NIX_F_UNARY, p->lx.start);
    if (!f) return NIX_STEP_FAIL;
    f->op = negate ? NIX_NEGATE : NIX_NOT;
    f->level = negate ? 12 : 7;
    f->inner = p->lx.start;
    f->inner_end = nix_here(&p->lx);
    nix_advance(p);
    return NIX_STEP_OPERAND;
}

static nix_step full_step(nix_parser *p) {
    switch (nix_kind_of(p)) {
    case NIX_T_ID: return word_first(p);
    case NIX_T_LBRACE: return brace_first(p);
    case NIX_T_LET: return let_first(p, false);
    case NIX_T_IF: return begin(p, NIX_F_IF, NIX_STEP_FULL);
    case NIX_T_WITH: return begin(p, NIX_F_WITH, NIX_STEP_FULL);
    case NIX_T_ASSERT: return begin(p, NIX_F_ASSERT, NIX_STEP_FULL);
    default: return operand_step(p);
    }
}

static nix_expr *literal(nix_parser *p) {
    static const uint8_t kinds[] = {[NIX_T_INT] = NIX_INT,
                                    [NIX_T_FLOAT] = NIX_FLOAT,
                                    [NIX_T_SEARCH_PATH] = NIX_SEARCH_PATH,
                                    [NIX_T_URI] = NIX_STRING};
    nix_token kind = nix_kind_of(p);
    nix_expr *e = nix_node(p, (nix_kind)kinds[kind], nix_token_span(&p->lx));
    if (!e) return NULL;
    if (kind == NIX_T_INT) e->integer = p->lx.integer;
    if (kind == NIX_T_FLOAT) e->number = p->lx.number;
    if (kind != NIX_T_URI) {
        e->text = p->lx.view;
        return e;
    }
    e->parts = th_arena_zeroed(p->arena, sizeof *e->parts);
    if (!e->parts) return nix_parser_no_memory(p), NULL;
    *e->parts = (nix_part){.text = p->lx.view, .span = e->span};
    e->nparts = 1;
    return e;
}

static nix_step atom(nix_parser *p, nix_expr *e) {
    nix_place from = p->lx.start;
    nix_advance(p);
    return nix_give(p, e, from, NIX_STEP_POSTFIX);
}

static nix_step list_end(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_place from = f->from;
    nix_advance(p);
    nix_expr *list = nix_node(p, NIX_LIST, since(p, from));
    if (!list || !take_items(p, list, f->mark)) return NIX_STEP_FAIL;
    nix_pop(p);
    return nix_give(p, list, from, NIX_STEP_POSTFIX);
}

/* The next element of a list, or its end. */
static nix_step list_next(nix_parser *p) { return nix_kind_of(p) == NIX_T_RBRACKET ? list_end(p) : NIX_STEP_SIMPLE; }

static nix_step list_first(nix_parser *p) {
    nix_frame *f = nix_push(p, NIX_F_LIST, p->lx.start);
    if (!f) return NIX_STEP_FAIL;
    f->mark = (uint32_t)p->nvalues;
    nix_advance(p);
    return list_next(p);
}

static nix_step simple_step(nix_parser *p) {
    switch (nix_kind_of(p)) {
    case NIX_T_ID: return atom(p, variable(p, p->lx.name, nix_token_span(&p->lx)));
    case NIX_T_INT:
    case NIX_T_FLOAT:
    case NIX_T_SEARCH_PATH:
    case NIX_T_URI: return atom(p, literal(p));
    case NIX_T_QUOTE: return nix_string(p, false);
    case NIX_T_IND_OPEN: return nix_indented(p);
    case NIX_T_PATH:
    case NIX_T_HOME_PATH: return nix_parse_path(p);
    case NIX_T_LPAREN: return begin(p, NIX_F_PAREN, NIX_STEP_FULL);
    case NIX_T_LBRACKET: return list_first(p);
    case NIX_T_LET: return let_first(p, true);
    case NIX_T_REC: return rec_first(p);
    case NIX_T_LBRACE: {
        nix_place from = p->lx.start;
        nix_advance(p);
        if (nix_kind_of(p) != NIX_T_RBRACE) return nix_bindings(p, NIX_ATTRS, false, from);
        nix_advance(p);
        return nix_give(p, nix_node(p, NIX_ATTRS, since(p, from)), from, NIX_STEP_POSTFIX);
    }
    default: return nix_unexpected(p, NULL);
    }
}

/* ---- Selections and calls ----------------------------------------------------------------------------------- */

/* `e or`, without a path before it: a call with the variable `or`. */
static nix_step call_or(nix_parser *p) {
    nix_expr *var = nix_node(p, NIX_VAR, nix_token_span(&p->lx)), *function = p->value;
    if (!var) return NIX_STEP_FAIL;
    var->name = p->lx.name;
    nix_advance(p);
    nix_expr *call = nix_node(p, NIX_CALL, since(p, p->value_from));
    size_t mark = p->nvalues;
    if (!call || !push_value(p, var) || !take_items(p, call, mark)) return NIX_STEP_FAIL;
    call->left = function;
    p->cursed = call;
    return nix_give(p, call, p->value_from, NIX_STEP_SELECT);
}

static nix_step postfix_step(nix_parser *p) {
    if (nix_kind_of(p) == NIX_T_OR_WORD) return call_or(p);
    if (nix_kind_of(p) != NIX_T_DOT) return NIX_STEP_SELECT;
    nix_advance(p);
    return nix_names(p, NIX_FOR_SELECT, p->value_from, p->value);
}

static nix_step call_end(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_expr *call = nix_node(p, NIX_CALL, since(p, f->from));
    if (!call || !take_items(p, call, f->mark)) return NIX_STEP_FAIL;
    call->left = f->left;
    call->at = nix_between(f->from, f->inner_end);
    if (f->left->kind == NIX_CALL) call->at = f->left->at; /* (f a) b fails where f a b does */
    nix_place from = f->from;
    nix_pop(p);
    return nix_give(p, call, from, NIX_STEP_OPERATOR);
}

static nix_step select_step(nix_parser *p) {
    nix_frame *f = nix_top(p);
    switch (f->kind) {
    case NIX_F_LIST: warn_cursed(p); return push_value(p, p->value) ? list_next(p) : NIX_STEP_FAIL;
    case NIX_F_OR_DEFAULT:
        warn_cursed(p);
        f->left->right = p->value;
        f->left->span = since(p, f->from);
        nix_pop(p);
        return nix_give(p, f->left, f->from, NIX_STEP_SELECT);
    case NIX_F_CALL:
        warn_cursed(p);
        if (!push_value(p, p->value)) return NIX_STEP_FAIL;
        return nix_token_starts(nix_kind_of(p)) ? NIX_STEP_SIMPLE : call_end(p);
    default: break;
    }
    p->cursed = NULL;
    if (!nix_token_starts(nix_kind_of(p))) return NIX_STEP_OPERATOR;
    f = nix_push(p, NIX_F_CALL, p->value_from);
    if (!f) return NIX_STEP_FAIL;
    f->left = p->value;
    f->inner_end = p->lx.last_end;
    f->mark = (uint32_t)p->nvalues;
    return NIX_STEP_SIMPLE;
}

/* ---- Operators ---------------------------------------------------------------------------------------------- */

enum { LEFT, RIGHT, NEITHER };

static const struct {
    uint8_t level; /* 0: no operator */
    uint8_t groups;
    uint8_t kind;
} operators[] = {
    [NIX_T_IMPLIES] = {1, RIGHT, NIX_IMPLIES},
    [NIX_T_OR] = {2, LEFT, NIX_OR},
    [NIX_T_AND] = {3, LEFT, NIX_AND},
    [NIX_T_EQ] = {4, NEITHER, NIX_EQ},
    [NIX_T_NE] = {4, NEITHER, NIX_NE},
    [NIX_T_LT] = {5, NEITHER, NIX_LT},
    [NIX_T_GT] = {5, NEITHER, NIX_GT},
    [NIX_T_LE] = {5, NEITHER, NIX_LE},
    [NIX_T_GE] = {5, NEITHER, NIX_GE},
    [NIX_T_UPDATE] = {6, RIGHT, NIX_UPDATE},
    [NIX_T_PLUS] = {8, LEFT, NIX_ADD},
    [NIX_T_MINUS] = {8, LEFT, NIX_SUB},
    [NIX_T_STAR] = {9, LEFT, NIX_MUL},
    [NIX_T_SLASH] = {9, LEFT, NIX_DIV},
    [NIX_T_CONCAT] = {10, RIGHT, NIX_CONCAT},
    [NIX_T_QUESTION] = {11, NEITHER, NIX_HAS},
    [NIX_T_COMMA] = {0, 0, 0},
};

/* The operator on top gets the value as its right operand, or as its only one, and is the value. */
static bool reduce(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_expr *e = nix_node(p, (nix_kind)f->op, since(p, f->from));
    if (!e) return false;
    e->at = nix_between(f->inner, f->inner_end);
    if (f->kind == NIX_F_UNARY) {
        e->left = p->value;
    } else {
        e->left = f->left;
        e->right = p->value;
    }
    p->value = e;
    p->value_from = f->from;
    nix_pop(p);
    return true;
}

static nix_step push_operator(nix_parser *p, nix_frame_kind frame, nix_kind op, uint8_t level) {
    nix_frame *f = nix_push(p, frame, p->value_from);
    if (!f) return NIX_STEP_FAIL;
    f->op = (uint8_t)op;
    f->level = level;
    f->left = p->value;
    f->inner = p->lx.start;
    f->inner_end = nix_here(&p->lx);
    nix_advance(p);
    return NIX_STEP_OPERAND;
}

/* Pipes bind less than any operator; the two kinds do not mix. */
static nix_step pipe_step(nix_parser *p) {
    nix_token kind = nix_kind_of(p);
    bool right = kind == NIX_T_PIPE_RIGHT;
    if (!right && kind != NIX_T_PIPE_LEFT) return NIX_STEP_WHOLE;
    nix_kind op = right ? NIX_PIPE_RIGHT : NIX_PIPE_LEFT;
    if (nix_top(p)->kind == NIX_F_PIPE) {
        if (nix_top(p)->op != op) return NIX_STEP_WHOLE;
        if (right && !reduce(p)) return NIX_STEP_FAIL;
    }
    return push_operator(p, NIX_F_PIPE, op, 0);
}

static nix_step operator_step(nix_parser *p) {
    nix_token kind = nix_kind_of(p);
    uint8_t level = kind < TH_COUNT(operators) ? operators[kind].level : 0;
    for (;;) {
        const nix_frame *f = nix_top(p);
        if (f->kind != NIX_F_BINARY && f->kind != NIX_F_UNARY) break;
        if (f->level < level || (f->level == level && operators[kind].groups == RIGHT)) break;
        if (f->level == level && operators[kind].groups == NEITHER) {
            nix_unexpected(p, NULL);
            nix_hint(&p->lx, "comparisons do not chain: use parentheses, or &&");
            return NIX_STEP_FAIL;
        }
        if (!reduce(p)) return NIX_STEP_FAIL;
    }
    if (level == 0) return pipe_step(p);
    if (kind != NIX_T_QUESTION) return push_operator(p, NIX_F_BINARY, (nix_kind)operators[kind].kind, level);
    nix_expr *has = nix_node(p, NIX_HAS, nix_token_span(&p->lx));
    if (!has) return NIX_STEP_FAIL;
    has->left = p->value;
    nix_advance(p);
    return nix_names(p, NIX_FOR_HAS, p->value_from, has);
}

/* ---- Whole expressions -------------------------------------------------------------------------------------- */

static nix_step paren_end(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    if (nix_kind_of(p) != NIX_T_RPAREN) return nix_unexpected(p, "')'");
    nix_pop(p);
    nix_advance(p);
    if (p->value->kind != NIX_VAR && p->value->kind != NIX_CUR_POS) p->value->span = since(p, from);
    return nix_give(p, p->value, from, NIX_STEP_POSTFIX);
}

/* The value is the left part of the top frame, which goes on as another kind after `token`. */
static nix_step go_on(nix_parser *p, nix_token token, nix_frame_kind kind) {
    nix_frame *f = nix_top(p);
    if (nix_kind_of(p) != token) return nix_unexpected(p, nix_token_text(token));
    if (kind == NIX_F_ELSE)
        f->right = p->value;
    else
        f->left = p->value;
    f->kind = (uint8_t)kind;
    nix_advance(p);
    return NIX_STEP_FULL;
}

/* The top frame's last part is the value: its node is the value now. */
static bool complete(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_expr *e = f->left;
    th_span span = since(p, f->from);
    switch (f->kind) {
    case NIX_F_LAMBDA:
        e->right = p->value;
        if (!nix_check_formals(p, e)) return false;
        break;
    case NIX_F_LET_BODY:
        e->right = p->value;
        if (e->ndynamics) {
            nix_error(&p->lx, span, "dynamic attributes not allowed in let");
            return false;
        }
        break;
    default:
        e = nix_node(p, f->kind == NIX_F_ELSE ? NIX_IF : f->kind == NIX_F_WITH_BODY ? NIX_WITH : NIX_ASSERT, span);
        if (!e) return false;
        e->left = f->left;
        e->right = f->kind == NIX_F_ELSE ? f->right : p->value;
        e->third = f->kind == NIX_F_ELSE ? p->value : NULL;
        break;
    }
    e->span = e->at = span;
    p->value = e;
    p->value_from = f->from;
    nix_pop(p);
    return true;
}

static nix_step whole_step(nix_parser *p) {
    nix_frame *f = nix_top(p);
    switch (f->kind) {
    case NIX_F_PIPE: return reduce(p) ? NIX_STEP_WHOLE : NIX_STEP_FAIL;
    case NIX_F_LAMBDA:
    case NIX_F_LET_BODY:
    case NIX_F_WITH_BODY:
    case NIX_F_ASSERT_BODY:
    case NIX_F_ELSE: return complete(p) ? NIX_STEP_WHOLE : NIX_STEP_FAIL;
    case NIX_F_PAREN: return paren_end(p);
    case NIX_F_IF: return go_on(p, NIX_T_THEN, NIX_F_THEN);
    case NIX_F_THEN: return go_on(p, NIX_T_ELSE, NIX_F_ELSE);
    case NIX_F_WITH: return go_on(p, NIX_T_SEMICOLON, NIX_F_WITH_BODY);
    case NIX_F_ASSERT: return go_on(p, NIX_T_SEMICOLON, NIX_F_ASSERT_BODY);
    case NIX_F_VALUE: return nix_bound(p);
    case NIX_F_FROM: return nix_inherit_from(p);
    case NIX_F_DYNAMIC: return nix_dynamic_named(p);
    case NIX_F_FORMALS: p->formals[p->nformals - 1].fallback = p->value; return NIX_STEP_FORMED;
    case NIX_F_STRING:
    case NIX_F_INDENTED:
    case NIX_F_PATH: return nix_interpolated(p);
    default: return nix_kind_of(p) == NIX_T_END ? NIX_STEP_DONE : nix_unexpected(p, "end of file");
    }
}

/* ---- The driver --------------------------------------------------------------------------------------------- */

static nix_step take_step(nix_parser *p, nix_step step) {
    switch (step) {
    case NIX_STEP_FULL: return full_step(p);
    case NIX_STEP_OPERAND: return operand_step(p);
    case NIX_STEP_SIMPLE: return simple_step(p);
    case NIX_STEP_POSTFIX: return postfix_step(p);
    case NIX_STEP_SELECT: return select_step(p);
    case NIX_STEP_OPERATOR: return operator_step(p);
    case NIX_STEP_WHOLE: return whole_step(p);
    case NIX_STEP_STRING: return nix_string_more(p);
    case NIX_STEP_INDENTED: return nix_indented_more(p);
    case NIX_STEP_PATH: return nix_path_more(p);
    case NIX_STEP_NAME: return nix_name_step(p);
    case NIX_STEP_NAMED: return nix_named_step(p);
    case NIX_STEP_BINDING: return nix_binding_step(p);
    case NIX_STEP_FORMAL: return formal_step(p);
    case NIX_STEP_FORMED: return formed_step(p);
    case NIX_STEP_FORMALS: return formals_step(p);
    case NIX_STEP_FAIL:
    case NIX_STEP_DONE: break;
    }
    return step;
}

static void parse(nix_parser *p) {
    nix_step step = nix_push(p, NIX_F_TOP, p->lx.start) ? NIX_STEP_FULL : NIX_STEP_FAIL;
    nix_advance(p);
    /* the lexer's errors are seen here, before the token that there is not is taken for something */
    while (step != NIX_STEP_FAIL && step != NIX_STEP_DONE && !nix_failed(p)) step = take_step(p, step);
}

static void clear(nix_parser *p) {
    nix_lexer_clear(&p->lx);
    th_mem_free(p->mem, p->frames, p->frames_capacity * sizeof *p->frames);
    th_mem_free(p->mem, p->values, p->values_capacity * sizeof *p->values);
    th_mem_free(p->mem, p->pieces, p->pieces_capacity * sizeof *p->pieces);
    th_mem_free(p->mem, p->names, p->names_capacity * sizeof *p->names);
    th_mem_free(p->mem, p->formals, p->formals_capacity * sizeof *p->formals);
    th_mem_free(p->mem, p->keys, p->keys_capacity * sizeof *p->keys);
}

th_status nix_parse(th_mem *mem, th_arena *arena, const char *file, const char *text, size_t len, th_diags *diags,
                    nix_expr **out) {
    nix_parser p = {.mem = mem, .arena = arena};
    th_status status = nix_lexer_init(&p.lx, mem, arena, file, text, len, diags);
    if (!status) {
        parse(&p);
        status = p.lx.status;
    }
    if (!status) *out = p.value;
    clear(&p);
    return status;
}
