/*
** check_column.c - expressions in the arguments of table verbs: over columns, for each row.
** A bare name is a column first, a variable second. What uses no column is computed once, by ordinary code, and
** handed to the flow as a parameter. Operators, conversions and conditions become expressions of the flow; a call
** becomes a call of a small function over the columns it needs; anything else too (a match, a lambda in an argument).
** Types are checked without null, which goes through every operator as in SQL.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check_verb.h"

/* ---- Types of columns --------------------------------------------------------------------------------------- */

bool tc_column_type(checker *c, ty t, th_column_type *out) {
    t = tc_shallow(c, t);
    switch (c->types[t].kind) {
    case TH_KIND_BOOL: *out = TH_COLUMN_BOOL; return true;
    case TH_KIND_I8: *out = TH_COLUMN_I8; return true;
    case TH_KIND_I16: *out = TH_COLUMN_I16; return true;
    case TH_KIND_I32: *out = TH_COLUMN_I32; return true;
    case TH_KIND_I64: *out = TH_COLUMN_I64; return true;
    case TH_KIND_F32: *out = TH_COLUMN_F32; return true;
    case TH_KIND_F64: *out = TH_COLUMN_F64; return true;
    case TH_KIND_STRING:
    case TH_KIND_SYMBOL:
    case TH_KIND_ENUM: *out = TH_COLUMN_STRING; return true;
    default: return false;
    }
}

static ty type_of(th_column_type t) {
    switch (t) {
    case TH_COLUMN_BOOL: return TH_TYPE_BOOL;
    case TH_COLUMN_I8: return TH_TYPE_I8;
    case TH_COLUMN_I16: return TH_TYPE_I16;
    case TH_COLUMN_I32: return TH_TYPE_I32;
    case TH_COLUMN_I64: return TH_TYPE_I64;
    case TH_COLUMN_F32: return TH_TYPE_F32;
    case TH_COLUMN_F64: return TH_TYPE_F64;
    default: return TH_TYPE_STRING; /* dates are texts where they leave the table */
    }
}

ty tc_type_of_column(checker *c, const th_field *f) {
    ty t = type_of(f->type);
    return f->nullable || f->type == TH_COLUMN_NULL ? tc_option(c, t) : t;
}

ty tc_cell_type(checker *c, const cell *x) { return x->nullable ? tc_option(c, x->type) : x->type; }

static th_column_type column_type(checker *c, ty t) {
    th_column_type type = TH_COLUMN_I64;
    return tc_column_type(c, t, &type) ? type : TH_COLUMN_I64;
}

static cell bad_cell(void) { return (cell){.type = T_BAD, .bad = true}; }

/* ---- Names -------------------------------------------------------------------------------------------------- */

int64_t tc_column(const verb *v, th_view name) {
    for (uint32_t i = 0; i < v->ncolumns; i++)
        if (th_view_eq(v->columns[i].name, name)) return i;
    return -1;
}

bool tc_written_column(const th_ast *ast, th_view *name) {
    bool col = ast->kind == TH_AST_CALL && ast->nkids == 2 && ast->kids[0]->kind == TH_AST_NAME &&
               th_view_is(ast->kids[0]->text, "col") && ast->kids[1]->kind == TH_AST_STRING;
    if (!col && ast->kind != TH_AST_NAME) return false;
    *name = col ? ast->kids[1]->text : ast->text;
    return true;
}

void tc_no_column(checker *c, const verb *v, const th_ast *ast, th_view name) {
    v = v ? v : c->verb;
    if (!tc_error(c, TH_E_REFERENCE, ast, "the table has no column `%.*s`", V(name))) return;
    th_suggest s;
    th_suggest_init(&s, name);
    for (uint32_t i = 0; i < v->ncolumns; i++) th_suggest_try(&s, v->columns[i].name);
    if (s.best.len) {
        tc_hint(c, "did you mean `%.*s`?", V(s.best));
        return;
    }
    const char *all = "";
    for (uint32_t i = 0; i < v->ncolumns && i < 12; i++)
        all = tc_printf(c, "%s%s%.*s", all, i ? ", " : "", V(v->columns[i].name));
    if (v->ncolumns) tc_hint(c, "it has %s%s", all, v->ncolumns > 12 ? ", ..." : "");
}

static const hidden *hidden_of(const verb *v, const th_ast *ast) {
    for (uint32_t i = 0; i < v->nhidden; i++)
        if (v->hidden[i].ast == ast) return &v->hidden[i];
    return NULL;
}

bool tc_is_aggregate(const th_ast *ast, th_agg *out) {
    return ast->kind == TH_AST_CALL && ast->kids[0]->kind == TH_AST_NAME && ast->nkids <= 2 &&
           th_agg_of(ast->kids[0]->text, out);
}

bool tc_uses_columns(const verb *v, const th_ast *ast) {
    if (!ast) return false;
    th_agg agg;
    if (hidden_of(v, ast) || (v->aggregates && tc_is_aggregate(ast, &agg))) return true;
    th_view name;
    if (tc_written_column(ast, &name)) return ast->kind == TH_AST_CALL || tc_column(v, name) >= 0;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        bool function = kid && kid->kind == TH_AST_NAME &&
                        ((ast->kind == TH_AST_CALL && i == 0) || (ast->kind == TH_AST_PIPE && i == 1));
        if (!function && tc_uses_columns(v, kid)) return true;
    }
    return false;
}

/* A name that is neither column nor variable was most likely meant as a column. */
static bool unknown_name(checker *c, const verb *v, const th_ast *ast) {
    if (!ast || ast->kind == TH_AST_LAMBDA || ast->kind == TH_AST_MATCH || ast->kind == TH_AST_BLOCK) return false;
    if (ast->kind == TH_AST_NAME) {
        if (!tc_is_unknown(c, ast)) return false;
        tc_no_column(c, v, ast, ast->text);
        return true;
    }
    bool found = false;
    for (uint32_t i = ast->kind == TH_AST_CALL; i < ast->nkids; i++)
        if (!(ast->kind == TH_AST_PIPE && i == 1)) found |= unknown_name(c, v, ast->kids[i]);
    return found;
}

/* ---- Constants ---------------------------------------------------------------------------------------------- */

static cell constant(checker *c, verb *v, const th_ast *ast) {
    if (unknown_name(c, v, ast)) return bad_cell();
    th_tir *n = tc_value(c, ast);
    ty t = tc_force(c, n->type);
    th_column_type type;
    if (t == T_BAD) return bad_cell();
    if (t == T_NULL) return (cell){.type = T_NULL, .nullable = true, .constant = n};
    bool nullable = c->types[t].kind == TH_KIND_OPTION;
    ty inner = nullable ? tc_arg(c, t, 0) : t;
    if (tc_column_type(c, inner, &type)) return (cell){.type = inner, .nullable = nullable, .constant = n};
    tc_error(c, TH_E_TYPE, ast, "%s cannot stand in a table", tc_text(c, t));
    return bad_cell();
}

static uint32_t add_param(checker *c, verb *v, th_tir *n) {
    TC_PUSH(c, v->params, v->nparams, v->params_cap, n);
    return v->ninputs + v->nparams - 1;
}

th_expr_ref tc_emit(checker *c, verb *v, cell *x, ty type) {
    th_tir *n = x->constant;
    if (!n) return x->ref;
    x->constant = NULL;
    if (x->type == T_NULL) {
        x->type = type == T_NULL || type == T_NONE ? TH_TYPE_I64 : type;
        return x->ref = th_spec_null(v->spec, column_type(c, x->type));
    }
    if (type != T_NONE && !x->nullable && tc_is_number(type)) n = tc_coerce(c, n, type, v->ast);
    x->type = x->nullable ? x->type : tc_force(c, n->type);
    th_column_type t = column_type(c, x->type);
    const ctype *k = &c->types[tc_shallow(c, x->type)];
    if (n->kind == TH_TIR_INT && k->kind == TH_KIND_ENUM)
        return x->ref = th_spec_text(v->spec, k->decl->fields[n->ival].name);
    if (n->kind == TH_TIR_INT) return x->ref = th_spec_i64(v->spec, t, n->ival);
    if (n->kind == TH_TIR_FLOAT) return x->ref = th_spec_f64(v->spec, t, n->fval);
    if (n->kind == TH_TIR_STRING) return x->ref = th_spec_text(v->spec, n->text);
    return x->ref = th_spec_param(v->spec, add_param(c, v, n), t);
}

/* ---- Operators ---------------------------------------------------------------------------------------------- */

/* A node that stands for a cell where the types of operands are checked. */
static th_tir *stand_in(checker *c, const cell *x, const th_ast *ast) {
    if (x->constant && !x->nullable) return x->constant;
    return tc_node(c, TH_TIR_BLOCK, x->type, ast, 0);
}

static cell op(checker *c, verb *v, th_expr_op o, ty type, bool nullable, const th_expr_ref *refs, size_t n) {
    return (cell){.ref = th_spec_op(v->spec, o, column_type(c, type), 0, refs, n), .type = type, .nullable = nullable};
}

static th_expr_op op_of(uint8_t token) {
    switch (token) {
    case TH_TOKEN_PLUS: return TH_EXPR_ADD;
    case TH_TOKEN_MINUS: return TH_EXPR_SUB;
    case TH_TOKEN_STAR: return TH_EXPR_MUL;
    case TH_TOKEN_SLASH: return TH_EXPR_DIV;
    case TH_TOKEN_PERCENT: return TH_EXPR_REM;
    case TH_TOKEN_POWER: return TH_EXPR_POW;
    case TH_TOKEN_AMPERSAND: return TH_EXPR_BAND;
    case TH_TOKEN_BAR: return TH_EXPR_BOR;
    case TH_TOKEN_CARET: return TH_EXPR_BXOR;
    case TH_TOKEN_SHL: return TH_EXPR_SHL;
    case TH_TOKEN_SHR: return TH_EXPR_SHR;
    case TH_TOKEN_EQ: return TH_EXPR_EQ;
    case TH_TOKEN_NE: return TH_EXPR_NE;
    case TH_TOKEN_LT: return TH_EXPR_LT;
    case TH_TOKEN_LE: return TH_EXPR_LE;
    case TH_TOKEN_GT: return TH_EXPR_GT;
    case TH_TOKEN_GE: return TH_EXPR_GE;
    case TH_TOKEN_AND_AND: return TH_EXPR_AND;
    default: return TH_EXPR_OR;
    }
}

/* Members of enums are kept as their names. */
static void as_text(checker *c, cell *x, const cell *beside) {
    if (beside->type == TH_TYPE_STRING && c->types[tc_shallow(c, x->type)].kind == TH_KIND_ENUM)
        x->type = TH_TYPE_STRING;
}

static cell null_test(checker *c, verb *v, cell x, bool negate) {
    th_expr_ref ref = tc_emit(c, v, &x, T_NONE);
    cell test = op(c, v, TH_EXPR_IS_NULL, TH_TYPE_BOOL, false, &ref, 1);
    return negate ? op(c, v, TH_EXPR_NOT, TH_TYPE_BOOL, false, &test.ref, 1) : test;
}

static cell binary_cells(checker *c, verb *v, const th_ast *ast, cell a, cell b) {
    bool equality = ast->op == TH_TOKEN_EQ || ast->op == TH_TOKEN_NE;
    if (equality && b.type == T_NULL) return null_test(c, v, a, ast->op == TH_TOKEN_NE);
    if (equality && a.type == T_NULL) return null_test(c, v, b, ast->op == TH_TOKEN_NE);
    as_text(c, &a, &b);
    as_text(c, &b, &a);
    bool text = a.type == TH_TYPE_STRING && b.type == TH_TYPE_STRING;
    th_tir *x = text ? tc_node(c, TH_TIR_BLOCK, a.type, ast, 0) : stand_in(c, &a, ast);
    th_tir *y = text ? tc_node(c, TH_TIR_BLOCK, b.type, ast, 0) : stand_in(c, &b, ast);
    th_tir *made = tc_binary_nodes(c, ast, ast->op, x, y);
    if (made->type == T_BAD) return bad_cell();
    ty type = tc_force(c, made->type);
    ty beside = a.constant ? b.type : a.type;
    th_expr_ref refs[2] = {tc_emit(c, v, &a, beside), tc_emit(c, v, &b, beside)};
    return op(c, v, op_of(ast->op), type, a.nullable || b.nullable, refs, 2);
}

static cell condition(checker *c, verb *v, const th_ast *ast) {
    cell x = tc_cell(c, v, ast);
    if (x.bad || x.type == TH_TYPE_BOOL || x.type == T_NULL) return x;
    if (tc_error(c, TH_E_TYPE, ast, "expected a condition (bool), found %s", tc_text(c, tc_cell_type(c, &x))))
        if (tc_is_int(x.type)) tc_hint(c, "write `... != 0`");
    return bad_cell();
}

static cell both_conditions(checker *c, verb *v, const th_ast *ast) {
    cell a = condition(c, v, ast->kids[0]), b = condition(c, v, ast->kids[1]);
    if (a.bad || b.bad) return bad_cell();
    th_expr_ref refs[2] = {tc_emit(c, v, &a, TH_TYPE_BOOL), tc_emit(c, v, &b, TH_TYPE_BOOL)};
    return op(c, v, op_of(ast->op), TH_TYPE_BOOL, a.nullable || b.nullable, refs, 2);
}

/* Two ways to a value of one type. */
static bool same_type(checker *c, const th_ast *ast, cell *a, cell *b, ty *type) {
    as_text(c, a, b);
    as_text(c, b, a);
    if (a->type == T_NULL || b->type == T_NULL) {
        *type = a->type == T_NULL ? b->type : a->type;
        return true;
    }
    th_tir *x = stand_in(c, a, ast), *y = stand_in(c, b, ast), *nodes[2] = {x, y};
    const th_ast *asts[2] = {ast, ast};
    if (a->type == b->type)
        *type = a->type;
    else if (!tc_join_nodes(c, nodes, asts, 2, type, false)) {
        tc_error(c, TH_E_TYPE, ast, "this is %s or %s; a column has one type", tc_text(c, a->type),
                 tc_text(c, b->type));
        return false;
    }
    return *type != T_BAD;
}

static cell coalesce(checker *c, verb *v, const th_ast *ast) {
    cell a = tc_cell(c, v, ast->kids[0]), b = tc_cell(c, v, ast->kids[1]);
    ty type;
    if (a.bad || b.bad || !same_type(c, ast, &a, &b, &type)) return bad_cell();
    th_expr_ref refs[2] = {tc_emit(c, v, &a, type), tc_emit(c, v, &b, type)};
    return op(c, v, TH_EXPR_COALESCE, type, b.nullable, refs, 2);
}

static const th_ast *single(const th_ast *ast) {
    while (ast && ast->kind == TH_AST_BLOCK && ast->nkids == 1) ast = ast->kids[0];
    return ast && ast->kind == TH_AST_BLOCK ? NULL : ast;
}

static cell choice(checker *c, verb *v, const th_ast *ast, const th_ast *then, const th_ast *otherwise) {
    cell test = condition(c, v, ast->kids[0]), a = tc_cell(c, v, then), b = tc_cell(c, v, otherwise);
    ty type;
    if (test.bad || a.bad || b.bad || !same_type(c, ast, &a, &b, &type)) return bad_cell();
    th_expr_ref refs[3] = {tc_emit(c, v, &test, TH_TYPE_BOOL), tc_emit(c, v, &a, type), tc_emit(c, v, &b, type)};
    return op(c, v, TH_EXPR_IF, type, a.nullable || b.nullable, refs, 3);
}

static cell unary(checker *c, verb *v, const th_ast *ast) {
    if (ast->op == TH_TOKEN_NOT) {
        cell x = condition(c, v, ast->kids[0]);
        if (x.bad) return x;
        th_expr_ref ref = tc_emit(c, v, &x, TH_TYPE_BOOL);
        return op(c, v, TH_EXPR_NOT, TH_TYPE_BOOL, x.nullable, &ref, 1);
    }
    cell x = tc_cell(c, v, ast->kids[0]);
    if (x.bad) return x;
    bool minus = ast->op == TH_TOKEN_MINUS;
    if (minus ? !tc_is_number(x.type) : !tc_is_int(x.type)) {
        tc_error(c, TH_E_TYPE, ast, "`%s` does not work on %s", minus ? "-" : "~", tc_text(c, x.type));
        return bad_cell();
    }
    th_expr_ref ref = tc_emit(c, v, &x, x.type);
    return op(c, v, minus ? TH_EXPR_NEG : TH_EXPR_BNOT, x.type, x.nullable, &ref, 1);
}

static cell cast(checker *c, verb *v, cell x, ty to) {
    if (x.bad || x.type == to) return x;
    th_expr_ref ref = tc_emit(c, v, &x, T_NONE);
    return op(c, v, TH_EXPR_CAST, to, x.nullable, &ref, 1);
}

static cell interpolation(checker *c, verb *v, const th_ast *ast) {
    cell text = {0};
    bool any = false, bad = false;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        if (kid->kind == TH_AST_STRING && kid->text.len == 0) continue;
        cell part = cast(c, v, tc_cell(c, v, kid), TH_TYPE_STRING);
        bad |= part.bad;
        if (bad) continue;
        part.ref = tc_emit(c, v, &part, TH_TYPE_STRING);
        th_expr_ref refs[2] = {text.ref, part.ref};
        text = any ? op(c, v, TH_EXPR_ADD, TH_TYPE_STRING, text.nullable || part.nullable, refs, 2) : part;
        any = true;
    }
    return bad ? bad_cell() : text;
}

/* ---- Functions over columns --------------------------------------------------------------------------------- */

static cell call_closure(checker *c, verb *v, const th_ast *ast, th_tir *closure, ty result, const cell *args,
                         uint32_t n, bool nullable) {
    th_column_type type;
    result = tc_force(c, result);
    bool option = c->types[result].kind == TH_KIND_OPTION;
    ty inner = option ? tc_arg(c, result, 0) : result;
    if (result == T_BAD) return bad_cell();
    if (!tc_column_type(c, inner, &type)) {
        tc_error(c, TH_E_TYPE, ast, "%s cannot stand in a table",
                 result == TH_TYPE_VOID ? "this gives no value, and" : tc_text(c, result));
        return bad_cell();
    }
    th_expr_ref *refs = tc_new(c, (n + 1) * sizeof *refs);
    for (uint32_t i = 0; i < n; i++) refs[i] = args[i].ref;
    uint32_t param = add_param(c, v, closure);
    return (cell){
        .ref = th_spec_op(v->spec, TH_EXPR_CALL, type, param, refs, n), .type = inner, .nullable = option || nullable};
}

/* A function whose only act is to call another with its own parameters in order: that other one. */
static th_tir *without_wrapper(checker *c, const inst *wrapper, th_tir *closure, const th_ast *ast) {
    const th_tir *body = wrapper->tir->body;
    if (body->kind != TH_TIR_CALL || body->nkids != wrapper->tir->nparams || wrapper->ncaptures) return closure;
    for (uint32_t i = 0; i < body->nkids; i++)
        if (body->kids[i]->kind != TH_TIR_LOCAL || body->kids[i]->local != wrapper->param_vars[i]->local)
            return closure;
    inst *callee = c->insts[body->index];
    return callee->outer ? closure : tc_closure(c, callee, ast);
}

/* Makes the function: its parameters are named `names` (or nothing) and have these types; `body` is checked inside. */
typedef struct row_function {
    inst *inst, *cur;
    th_tir *closure;
    ty result;
} row_function;

static row_function open_function(checker *c, const th_ast *ast, const ty *params, uint32_t n) {
    row_function f = {.cur = c->cur, .result = tc_hole(c, false)};
    f.closure = tc_wrapper(c, tc_function(c, params, n, f.result), ast, th_view_of("row function"), &f.inst);
    f.inst->outer = c->cur;
    c->cur = f.inst;
    return f;
}

static ty close_function(checker *c, row_function *f, th_tir *body) {
    f->inst->tir->body = body;
    c->cur = f->cur;
    ty result = tc_force(c, body->type);
    if (result == T_NULL) result = T_BAD;
    tc_unify(c, f->result, result);
    f->inst->result = result;
    return result;
}

/* Does a parameter take null? Looks at what the name being called means. */
static bool takes_null(checker *c, const th_ast *callee, uint32_t i) {
    ref r = callee->kind == TH_AST_NAME || callee->kind == TH_AST_MEMBER ? tc_resolve_ref(c, callee) : (ref){0};
    func *f = NULL;
    if (r.kind == REF_SYM && r.sym->kind == SYM_FUNCS) f = r.sym->funcs;
    if (r.kind == REF_SYM && r.sym->kind == SYM_LOCAL && r.sym->var) {
        f = r.sym->var->known;
        ty t = f ? T_NONE : tc_shallow(c, r.sym->var->type);
        if (c->types[t].kind == TH_KIND_FUNCTION && i + 1 < c->types[t].nargs)
            return tc_kind(c, c->types[t].args[i]) == TH_KIND_OPTION;
    }
    for (; f; f = f->next) {
        tc_sign(c, f);
        if (i < f->nparams && tc_kind(c, f->params[i].type) == TH_KIND_OPTION) return true;
    }
    return false;
}

/* The whole expression as a function of the columns it names. */
static void mentioned(checker *c, const verb *v, const th_ast *ast, bool *used) {
    if (!ast) return;
    th_view name;
    int64_t i = tc_written_column(ast, &name) ? tc_column(v, name) : -1;
    if (i >= 0) used[i] = true;
    for (uint32_t k = 0; k < ast->nkids; k++) mentioned(c, v, ast->kids[k], used);
}

static cell over_columns(checker *c, verb *v, const th_ast *ast, bool with_null) {
    bool *used = tc_new(c, v->ncolumns + 1), nullable = false;
    mentioned(c, v, ast, used);
    cell args[64];
    ty params[64];
    uint32_t n = 0, at[64];
    for (uint32_t i = 0; i < v->ncolumns; i++) {
        if (!used[i]) continue;
        if (n == TH_COUNT(args)) {
            tc_error(c, TH_E_LIMIT, ast, "more than %zu columns in one expression", TH_COUNT(args));
            return bad_cell();
        }
        ty t = tc_shallow(c, v->columns[i].type);
        bool option = c->types[t].kind == TH_KIND_OPTION;
        nullable |= option && !with_null;
        at[n] = i;
        params[n] = option && !with_null ? tc_arg(c, t, 0) : t;
        args[n++] = (cell){.ref = th_spec_column(v->spec, v->columns[i].name)};
    }
    row_function f = open_function(c, ast, params, n);
    tc_push_scope(c);
    for (uint32_t i = 0; i < n; i++) {
        var *p = f.inst->param_vars[i];
        p->name = p->local->name = v->columns[at[i]].name;
        tc_scope_add(c, c->scope, SYM_LOCAL, p->name, ast, c->file)->var = p;
    }
    th_tir *body = tc_value(c, ast);
    tc_pop_scope(c);
    ty result = close_function(c, &f, body);
    return call_closure(c, v, ast, f.closure, result, args, n, nullable);
}

static bool is_lambda_over(const verb *v, const th_ast *ast) {
    return ast->kind == TH_AST_LAMBDA || ((ast->kind == TH_AST_LIST || ast->kind == TH_AST_DICT ||
                                           ast->kind == TH_AST_TUPLE || ast->kind == TH_AST_STRUCT_LITERAL) &&
                                          tc_uses_columns(v, ast));
}

/* callee(args...): arguments that use columns become parameters of a function; the others stand in its body. */
static cell call(checker *c, verb *v, const th_ast *ast, const th_ast *callee, arg *args, uint32_t n) {
    cell cells[TC_MAX_ARGS];
    ty params[TC_MAX_ARGS] = {0};
    uint32_t index[TC_MAX_ARGS], used = 0;
    bool nullable = false, bad = false;
    for (uint32_t i = 0; i < n; i++)
        if (is_lambda_over(v, args[i].ast) && tc_uses_columns(v, args[i].ast)) return over_columns(c, v, ast, false);
    for (uint32_t i = 0; i < n; i++) {
        if (!tc_uses_columns(v, args[i].ast)) continue;
        cell x = tc_cell(c, v, args[i].ast);
        bad |= x.bad;
        x.ref = x.bad ? 0 : tc_emit(c, v, &x, T_NONE);
        bool null_too = x.nullable && takes_null(c, callee, i);
        params[used] = null_too ? tc_cell_type(c, &x) : x.type;
        nullable |= x.nullable && !null_too;
        index[used] = i;
        cells[used++] = x;
    }
    if (bad) return bad_cell();
    row_function f = open_function(c, ast, params, used);
    for (uint32_t i = 0; i < used; i++) {
        args[index[i]].node = tc_local_read(c, f.inst->param_vars[i], args[index[i]].ast);
        f.inst->param_vars[i]->variable = true;
    }
    th_tir *body = tc_call_args(c, ast, callee, args, n, T_NONE);
    ty result = close_function(c, &f, body);
    if (result == T_BAD) return bad_cell();
    return call_closure(c, v, ast, without_wrapper(c, f.inst, f.closure, ast), result, cells, used, nullable);
}

static ty conversion_of(th_view name) {
    static const struct {
        const char *name;
        ty type;
    } table[] = {
        {"i64", TH_TYPE_I64}, {"f64", TH_TYPE_F64}, {"i32", TH_TYPE_I32},       {"f32", TH_TYPE_F32},
        {"i16", TH_TYPE_I16}, {"i8", TH_TYPE_I8},   {"String", TH_TYPE_STRING},
    };
    for (size_t i = 0; i < TH_COUNT(table); i++)
        if (th_view_is(name, table[i].name)) return table[i].type;
    return NO_TYPE;
}

static cell named_call(checker *c, verb *v, const th_ast *ast, const th_ast *callee, arg *args, uint32_t n) {
    th_agg agg;
    if (callee->kind == TH_AST_NAME && !tc_lookup(c, callee->text)) {
        ty to = n == 1 ? conversion_of(callee->text) : NO_TYPE;
        if (to != NO_TYPE) {
            cell x = tc_cell(c, v, args[0].ast);
            if (x.bad || to == TH_TYPE_STRING || tc_is_number(x.type) || x.type == TH_TYPE_STRING)
                return cast(c, v, x, to);
            if (x.type == TH_TYPE_BOOL && tc_is_int(to)) return cast(c, v, x, to);
            tc_error(c, TH_E_TYPE, ast, "%s cannot be converted to %s", tc_text(c, x.type), tc_text(c, to));
            return bad_cell();
        }
        bool alone = n == 0 || (n == 1 && args[0].ast->kind == TH_AST_NAME);
        if (alone && th_agg_of(callee->text, &agg) && !v->aggregates) {
            if (tc_error(c, TH_E_TYPE, ast, "`%.*s` is over many rows; it belongs into `aggregate`", V(callee->text)))
                tc_hint(c, "`=> group(...) => aggregate(name: %.*s(...))`", V(callee->text));
            return bad_cell();
        }
    }
    bool method = callee->kind == TH_AST_MEMBER && tc_uses_columns(v, callee->kids[0]);
    if (!method) return call(c, v, ast, callee, args, n);
    arg *all = tc_new(c, (n + 1) * sizeof *all);
    all[0] = (arg){.ast = callee->kids[0]};
    if (n) memcpy(all + 1, args, n * sizeof *args);
    th_ast *name = tc_new(c, sizeof *name);
    *name = tc_tail(callee);
    *name = (th_ast){.kind = TH_AST_NAME, .text = callee->text, .from = name->from, .to = callee->to};
    return call(c, v, ast, name, all, n + 1);
}

static cell call_expr(checker *c, verb *v, const th_ast *ast) {
    bool pipe = ast->kind == TH_AST_PIPE;
    const th_ast *to = pipe ? ast->kids[1] : ast;
    uint32_t written = to->kind == TH_AST_CALL ? to->nkids - 1 : 0, n = 0;
    if (pipe && to->kind == TH_AST_LAMBDA) return over_columns(c, v, ast, false);
    if (written >= TC_MAX_ARGS) {
        tc_error(c, TH_E_LIMIT, ast, "a call has at most %u arguments", TC_MAX_ARGS);
        return bad_cell();
    }
    arg *args = tc_new(c, (written + 2) * sizeof *args);
    if (pipe) args[n++] = (arg){.ast = ast->kids[0]};
    for (uint32_t i = 0; i < written; i++) {
        const th_ast *a = to->kids[i + 1];
        args[n++] = a->kind == TH_AST_NAMED ? (arg){.ast = a->kids[0], .name = a->text, .named = a} : (arg){.ast = a};
    }
    return named_call(c, v, ast, to->kind == TH_AST_CALL ? to->kids[0] : to, args, n);
}

/* ---- Aggregates --------------------------------------------------------------------------------------------- */

cell tc_aggregate(checker *c, verb *v, const th_ast *ast, th_agg agg) {
    uint32_t n = ast->nkids - 1;
    if (n == 0 && agg == TH_AGG_COUNT)
        return (cell){.ref = th_spec_op(v->spec, TH_EXPR_AGG, TH_COLUMN_I64, agg, NULL, 0), .type = TH_TYPE_I64};
    if (n == 0) {
        tc_error(c, TH_E_REFERENCE, ast, "`%.*s` takes 1 argument, found 0", V(ast->kids[0]->text));
        return bad_cell();
    }
    v->aggregates = false;
    cell x = tc_cell(c, v, ast->kids[1]);
    v->aggregates = true;
    if (x.bad) return x;
    th_column_type argument, type;
    bool nullable;
    th_expr_ref ref = tc_emit(c, v, &x, T_NONE);
    if (!tc_column_type(c, x.type, &argument) || !th_agg_type(agg, argument, &type, &nullable)) {
        tc_error(c, TH_E_TYPE, ast, "`%.*s` does not work on %s", V(ast->kids[0]->text), tc_text(c, x.type));
        return bad_cell();
    }
    ty result = agg >= TH_AGG_MIN && agg <= TH_AGG_LAST ? x.type : type_of(type);
    return (cell){.ref = th_spec_op(v->spec, TH_EXPR_AGG, type, agg, &ref, 1), .type = result, .nullable = nullable};
}

/* ---- The one entry ------------------------------------------------------------------------------------------ */

static cell column(checker *c, verb *v, th_view name, const th_ast *ast) {
    if (tc_column(v, name) < 0) {
        tc_no_column(c, v, ast, name);
        return bad_cell();
    }
    ty t = tc_shallow(c, v->columns[tc_column(v, name)].type);
    bool nullable = c->types[t].kind == TH_KIND_OPTION;
    return (cell){.ref = th_spec_column(v->spec, name), .type = nullable ? tc_arg(c, t, 0) : t, .nullable = nullable};
}

static cell cell_of(checker *c, verb *v, const th_ast *ast) {
    const hidden *h = hidden_of(v, ast);
    th_agg agg;
    th_view name;
    if (h) return column(c, v, h->name, ast);
    if (v->aggregates && tc_is_aggregate(ast, &agg)) return tc_aggregate(c, v, ast, agg);
    if (!tc_uses_columns(v, ast)) return constant(c, v, ast);
    if (tc_written_column(ast, &name)) return column(c, v, name, ast);
    switch (ast->kind) {
    case TH_AST_UNARY: return unary(c, v, ast);
    case TH_AST_BINARY: {
        if (ast->op == TH_TOKEN_AND_AND || ast->op == TH_TOKEN_OR_OR) return both_conditions(c, v, ast);
        if (ast->op == TH_TOKEN_COALESCE) return coalesce(c, v, ast);
        cell a = tc_cell(c, v, ast->kids[0]), b = tc_cell(c, v, ast->kids[1]);
        return a.bad || b.bad ? bad_cell() : binary_cells(c, v, ast, a, b);
    }
    case TH_AST_IF: {
        const th_ast *then = single(ast->kids[1]), *otherwise = single(tc_kid(ast, 2));
        if (then && otherwise) return choice(c, v, ast, then, otherwise);
        return over_columns(c, v, ast, true);
    }
    case TH_AST_BLOCK: {
        const th_ast *one = single(ast);
        return one ? tc_cell(c, v, one) : over_columns(c, v, ast, true);
    }
    case TH_AST_INTERPOLATION: return interpolation(c, v, ast);
    case TH_AST_CALL:
    case TH_AST_PIPE: return call_expr(c, v, ast);
    case TH_AST_MATCH: return over_columns(c, v, ast, true);
    default: return over_columns(c, v, ast, false);
    }
}

cell tc_cell(checker *c, verb *v, const th_ast *ast) {
    if (++c->depth > TC_MAX_DEPTH) {
        c->depth--;
        tc_error(c, TH_E_LIMIT, ast, "this is nested too deeply");
        return bad_cell();
    }
    cell x = cell_of(c, v, ast);
    c->depth--;
    return x;
}
