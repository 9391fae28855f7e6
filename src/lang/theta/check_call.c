/*
** check_call.c - calls: which function is meant, what goes to which parameter, which types a generic one takes.
** Arguments are checked in three rounds, so that what is certain decides what is not: first those with a type of
** their own, then literals (which adapt to what is known by then, the expected result included), functions last.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

/* ---- Arguments ---------------------------------------------------------------------------------------------- */

th_tir *tc_arg_node(checker *c, arg *a) {
    if (!a->node) a->node = a->ast ? tc_value(c, a->ast) : tc_bad(c, NULL);
    return a->node;
}

static const th_ast *arg_ast(const arg *a, const th_ast *call) { return a->ast ? a->ast : call; }

static th_tir *check_all(checker *c, const th_ast *ast, arg *args, uint32_t nargs) {
    for (uint32_t i = 0; i < nargs; i++) {
        if (args[i].ast && args[i].ast->kind == TH_AST_LAMBDA) continue; /* nothing is known of its parameters */
        tc_arg_node(c, &args[i]);
    }
    return tc_bad(c, ast);
}

static bool names_function(checker *c, const th_ast *a) {
    if (a->kind != TH_AST_NAME && a->kind != TH_AST_MEMBER) return false;
    if (a->kind == TH_AST_NAME && !tc_lookup(c, a->text))
        return tc_intrinsic(a->text) != NULL || tc_builtin_funcs(c, th_view_of(tc_printf(c, "Core.%.*s", V(a->text))));
    ref r = tc_resolve_ref(c, a);
    return r.kind == REF_SYM &&
           (r.sym->kind == SYM_FUNCS || (r.sym->kind == SYM_LOCAL && r.sym->var && r.sym->var->known));
}

/* Which round an argument is for: 0 it has a type, 1 it adapts to one, 2 a function. */
static int round_of(checker *c, const arg *a) {
    if (a->node) return 0;
    switch (a->ast->kind) {
    case TH_AST_LAMBDA: return 2;
    case TH_AST_INT:
    case TH_AST_FLOAT:
    case TH_AST_NULL: return 1;
    case TH_AST_UNARY: return a->ast->kids[0]->kind == TH_AST_INT || a->ast->kids[0]->kind == TH_AST_FLOAT;
    case TH_AST_LIST:
    case TH_AST_DICT:
    case TH_AST_TUPLE:
        for (uint32_t i = 0; i < a->ast->nkids; i++) {
            const th_ast *kid = a->ast->kids[i];
            if (kid->kind == TH_AST_NAMED || kid->kind == TH_AST_PAIR) kid = kid->kids[kid->nkids - 1];
            arg inner = {.ast = kid};
            if (round_of(c, &inner) == 0) return 0;
        }
        return 1;
    case TH_AST_NAME:
    case TH_AST_MEMBER: return names_function(c, a->ast) ? 2 : 0;
    default: return 0;
    }
}

/* ---- Signatures as text ------------------------------------------------------------------------------------- */

const char *tc_signature_text(checker *c, const func *f) {
    const char *text = tc_printf(c, "%.*s(", V(f->builtin ? f->full_name : f->name));
    for (uint32_t i = 0; i < f->nparams; i++)
        text = tc_printf(c, "%s%s%.*s: %s%s", text, i ? ", " : "", V(f->params[i].name), tc_text(c, f->params[i].type),
                         f->params[i].initial ? " = ..." : "");
    if (f->rest) text = tc_printf(c, "%s%s...", text, f->nparams ? ", " : "");
    if (f->result == T_NONE) return tc_printf(c, "%s)", text);
    return tc_printf(c, "%s) -> %s", text, tc_text(c, f->result));
}

static void note_definition(checker *c, const func *f) {
    if (f->def) tc_note(c, f->file, f->def, "`%s` is defined here", tc_signature_text(c, f));
}

/* ---- Arguments to parameters -------------------------------------------------------------------------------- */

static int64_t param_named(const func *f, th_view name) {
    for (uint32_t i = 0; i < f->nparams; i++)
        if (th_view_eq(f->params[i].name, name)) return i;
    return -1;
}

static bool arity_fits(const func *f, const arg *args, uint32_t nargs) {
    bool given[TC_MAX_ARGS + 1] = {false};
    uint32_t position = 0;
    for (uint32_t i = 0; i < nargs; i++) {
        int64_t at = args[i].name.len ? param_named(f, args[i].name) : (int64_t)position++;
        if (at >= 0 && at >= f->nparams && f->rest) continue;
        if (at < 0 || at >= f->nparams || given[at]) return false;
        given[at] = true;
    }
    for (uint32_t i = 0; i < f->nparams; i++)
        if (!given[i] && (f->builtin || !f->params[i].initial)) return false;
    return true;
}

static void wrong_arity(checker *c, const th_ast *ast, const func *f, const arg *args, uint32_t nargs) {
    for (uint32_t i = 0; i < nargs; i++) {
        if (!args[i].name.len || param_named(f, args[i].name) >= 0) continue;
        if (!tc_error(c, TH_E_REFERENCE, args[i].named, "`%.*s` has no parameter `%.*s`", V(f->name), V(args[i].name)))
            return;
        th_suggest s;
        th_suggest_init(&s, args[i].name);
        for (uint32_t k = 0; k < f->nparams; k++) th_suggest_try(&s, f->params[k].name);
        if (s.best.len) tc_hint(c, "did you mean `%.*s`?", V(s.best));
        return;
    }
    const char *atleast = f->nrequired < f->nparams && nargs < f->nrequired ? "at least " : "";
    uint32_t wanted = nargs < f->nrequired ? f->nrequired : f->nparams;
    if (tc_error(c, TH_E_REFERENCE, ast, "`%.*s` takes %s%u argument%s, found %u", V(f->name), atleast, wanted,
                 wanted == 1 ? "" : "s", nargs)) {
        tc_hint(c, "it is %s", tc_signature_text(c, f));
        note_definition(c, f);
    }
}

/* slots[i]: the argument for parameter i, or NULL; further ones of a `...` follow. */
static arg **place(checker *c, const func *f, arg *args, uint32_t nargs, uint32_t *nslots) {
    uint32_t n = f->nparams + nargs, position = 0;
    arg **slots = tc_new(c, (n + 1) * sizeof *slots);
    *nslots = f->nparams;
    for (uint32_t i = 0; i < nargs; i++) {
        int64_t at = args[i].name.len ? param_named(f, args[i].name) : (int64_t)position++;
        slots[at] = &args[i];
        if (at >= *nslots) *nslots = (uint32_t)at + 1;
    }
    return slots;
}

static th_tir *default_value(checker *c, const func *f, uint32_t i, ty want) {
    file *file = c->file;
    scope *scope = c->scope;
    c->file = f->file;
    c->scope = f->scope;
    th_tir *n = tc_expr(c, f->params[i].initial, want);
    c->file = file;
    c->scope = scope;
    return n;
}

static th_tir *check_arg(checker *c, const th_ast *call, arg *a, ty want) {
    if (a->node) return tc_coerce(c, a->node, want, arg_ast(a, call));
    a->node = tc_expr(c, a->ast, want);
    if (a->node->type == TH_TYPE_VOID && !a->node->never) {
        tc_no_value(c, a->ast, T_NONE);
        a->node = tc_bad(c, a->ast);
    }
    return a->node;
}

/* What the place of the call expects decides type variables that nothing else has decided yet. */
static void expect_result(checker *c, ty result, ty want) {
    want = tc_shallow(c, want);
    result = tc_shallow(c, result);
    if (want == T_NONE || want == TH_TYPE_VOID || want == T_BAD || !c->types[result].open) return;
    uint8_t kind = c->types[want].kind;
    bool loose = kind == TH_KIND_OPTION || kind == TH_KIND_VARIANT;
    if (c->types[result].kind == K_HOLE && loose) return;
    tc_unify(c, result, want);
}

/* Number parameters that no argument decided follow the ones that were decided. */
static void settle_numbers(checker *c, const func *f, const ty *types) {
    bool whole = false, decimal = false;
    for (uint32_t i = 0; i < f->nvars; i++) {
        if (!c->types[f->vars[i]].numeric) continue;
        ty t = tc_shallow(c, types[i]);
        whole |= t == TH_TYPE_I64;
        decimal |= t == TH_TYPE_F64;
    }
    for (uint32_t i = 0; i < f->nvars; i++)
        if (c->types[f->vars[i]].numeric) tc_unify(c, types[i], decimal && !whole ? TH_TYPE_F64 : TH_TYPE_I64);
}

/* What `group` makes has no rows yet. */
static bool grouped(checker *c, th_tir **nodes, uint32_t n, const th_ast *ast) {
    for (uint32_t i = 0; i < n; i++) {
        if (c->types[tc_shallow(c, nodes[i]->type)].kind != K_GROUPED) continue;
        if (tc_error(c, TH_E_TYPE, ast,
                     "after `group` comes `aggregate(...)`: this table is grouped and has no rows yet"))
            tc_hint(c, "`=> group(...) => aggregate(rows: count())`");
        return true;
    }
    return false;
}

static th_tir *finish_builtin(checker *c, func *f, const th_ast *ast, th_tir **nodes, uint32_t n, ty result) {
    if (grouped(c, nodes, n, ast)) return tc_bad(c, ast);
    ty *params = tc_new(c, (n + 1) * sizeof *params);
    for (uint32_t i = 0; i < n; i++) params[i] = nodes[i]->type;
    th_tir *call = tc_node_list(c, TH_TIR_CALL_BUILTIN, result, ast, nodes, n);
    call->text = f->full_name;
    call->fntype = tc_function(c, params, n, result);
    if (n > 0 && (f->builtin->flags & TH_BUILTIN_MUTATES)) tc_changes(c, nodes[0], ast);
    return call;
}

/* `Dict.get(d, :name)`: a symbol stands for the string of its name, as in `d[:name]`. */
static void symbol_keys(checker *c, const func *f, arg **slots, uint32_t nslots) {
    if (!f->builtin || f->full_name.len < 5 || memcmp(f->full_name.data, "Dict.", 5) != 0) return;
    for (uint32_t i = 1; i < nslots; i++) {
        if (!slots[i] || !(slots[i]->node || slots[i]->ast->kind == TH_AST_SYMBOL)) continue;
        th_tir *n = tc_arg_node(c, slots[i]);
        if (i == 1 && n->kind == TH_TIR_STRING) n->type = TH_TYPE_STRING;
    }
}

/* For each parameter of a prelude function the function it is given, when that captures nothing: the instance then
** calls it directly. NULL: there is none. */
static inst **given_functions(checker *c, const func *f, th_tir **nodes, uint32_t n) {
    inst **given = NULL;
    for (uint32_t i = 0; f->file && f->file->standard && i < n; i++) {
        if (nodes[i]->kind != TH_TIR_CLOSURE || nodes[i]->nlocals) continue;
        inst *one = c->insts[nodes[i]->index];
        if (one->state != 2 || one->needs_capture || one->ncaptures) continue;
        if (!given) given = tc_new(c, (f->nparams + 1) * sizeof *given);
        given[i] = one;
    }
    return given;
}

static th_tir *apply(checker *c, const th_ast *ast, func *f, arg *args, uint32_t nargs, ty want) {
    if (f->bad) return check_all(c, ast, args, nargs);
    if (!arity_fits(f, args, nargs)) {
        wrong_arity(c, ast, f, args, nargs);
        return check_all(c, ast, args, nargs);
    }
    uint32_t nslots = 0, nvars = f->nvars + f->nresult_vars;
    arg **slots = place(c, f, args, nargs, &nslots);
    ty *types = tc_new(c, (nvars + 1) * sizeof *types);
    for (uint32_t i = 0; i < nvars; i++) types[i] = tc_hole(c, c->types[f->vars[i]].numeric);
    ty result = f->result == T_NONE ? T_NONE : tc_subst(c, f->result, f->vars, types, nvars);
    th_tir **nodes = tc_new(c, (nslots + 1) * sizeof *nodes);
    uint8_t *rounds = tc_new(c, nslots + 1);
    for (uint32_t i = 0; i < nslots; i++) rounds[i] = slots[i] ? (uint8_t)round_of(c, slots[i]) : 1;
    symbol_keys(c, f, slots, nslots);
    bool bad = false;
    for (int round = 0; round < 3; round++) {
        if (round == 1 && result != T_NONE) expect_result(c, result, want);
        for (uint32_t i = 0; i < nslots; i++) {
            if (rounds[i] != round) continue;
            ty expected = i < f->nparams ? tc_subst(c, f->params[i].type, f->vars, types, nvars) : T_NONE;
            size_t told = c->diags->error_count;
            nodes[i] = slots[i] ? check_arg(c, ast, slots[i], expected) : default_value(c, f, i, expected);
            if (nodes[i]->type != T_BAD) continue;
            bad = true;
            if (slots[i] && i < f->nparams && f->params[i].ast && tc_mismatched(c, told, slots[i]->ast))
                tc_note(c, f->file, f->params[i].ast, "the parameter `%.*s` of `%.*s` is %s", V(f->params[i].name),
                        V(f->name), tc_text(c, expected));
        }
    }
    if (bad) return tc_bad(c, ast);
    if (f->builtin) {
        ty found = tc_zonk(c, result);
        return finish_builtin(c, f, ast, nodes, nslots, found);
    }
    settle_numbers(c, f, types);
    inst *i = tc_instance_for(c, f, types, given_functions(c, f, nodes, nslots), ast);
    if (i->result == T_BAD) return tc_bad(c, ast);
    for (uint32_t k = 0; k < nslots; k++)
        tc_argument_alias(c, i, k, nodes[k], slots[k] && slots[k]->ast ? slots[k]->ast : ast);
    return tc_call_instance(c, i, ast, nodes, nslots);
}

/* ---- Overloads ---------------------------------------------------------------------------------------------- */

/* How far arguments are from a candidate's parameters; -1: they do not fit. Fills nothing. */
static int distance(checker *c, func *f, arg *args, uint32_t nargs) {
    uint32_t mark = tc_mark(c), nslots = 0;
    arg **slots = place(c, f, args, nargs, &nslots);
    uint32_t nvars = f->nvars + f->nresult_vars;
    ty *types = tc_new(c, (nvars + 1) * sizeof *types);
    for (uint32_t i = 0; i < nvars; i++) types[i] = tc_hole(c, c->types[f->vars[i]].numeric);
    int cost = f->rest ? 1 : 0;
    bool fits = true;
    for (uint32_t i = 0; i < f->nparams && fits; i++) {
        if (!slots[i]) continue;
        ty want = tc_shallow(c, tc_subst(c, f->params[i].type, f->vars, types, nvars));
        if (!slots[i]->node) { /* a function */
            uint8_t kind = c->types[want].kind;
            const th_ast *a = slots[i]->ast;
            uint32_t params = a->kind == TH_AST_LAMBDA && tc_kid(a, 0) ? a->kids[0]->nkids : 0;
            fits = kind == K_HOLE ||
                   (kind == TH_KIND_FUNCTION && (a->kind != TH_AST_LAMBDA || c->types[want].nargs - 1 == params));
            cost += kind == K_HOLE ? 3 : 0;
            continue;
        }
        fits = tc_fits(c, slots[i]->node, slots[i]->node->type, want, &cost);
    }
    tc_undo(c, mark);
    return fits ? cost : -1;
}

static th_tir *none_fits(checker *c, const th_ast *ast, func *funcs, arg *args, uint32_t nargs, bool arity) {
    const char *given = "";
    for (uint32_t i = 0; i < nargs; i++) {
        if (args[i].node && args[i].node->type == T_BAD) return tc_bad(c, ast);
        given =
            tc_printf(c, "%s%s%s", given, i ? ", " : "", args[i].node ? tc_text(c, args[i].node->type) : "Function");
    }
    if (!tc_error(c, arity ? TH_E_TYPE : TH_E_REFERENCE, ast, "no `%.*s` takes (%s)", V(funcs->name), given))
        return tc_bad(c, ast);
    const char *all = "there is ";
    uint32_t n = 0;
    for (func *f = funcs; f && n < 6; f = f->next, n++)
        all = tc_printf(c, "%s%s%s", all, n ? "; " : "", tc_signature_text(c, f));
    tc_hint(c, "%s", all);
    return tc_bad(c, ast);
}

th_tir *tc_call_funcs(checker *c, const th_ast *ast, func *funcs, arg *args, uint32_t nargs, ty want) {
    uint32_t fitting = 0;
    func *only = NULL, *best = NULL;
    for (func *f = funcs; f; f = f->next) {
        tc_sign(c, f);
        if (!arity_fits(f, args, nargs)) continue;
        fitting++;
        only = f;
    }
    if (!funcs->next) return apply(c, ast, funcs, args, nargs, want);
    if (fitting == 1) return apply(c, ast, only, args, nargs, want);
    for (uint32_t i = 0; i < nargs; i++)
        if (args[i].node || round_of(c, &args[i]) < 2) tc_arg_node(c, &args[i]);
    if (fitting == 0) return none_fits(c, ast, funcs, args, nargs, false);
    int least = INT32_MAX;
    for (func *f = funcs; f; f = f->next) {
        if (!arity_fits(f, args, nargs)) continue;
        int cost = distance(c, f, args, nargs);
        if (cost < 0 || cost >= least) continue;
        least = cost;
        best = f;
    }
    if (!best) return none_fits(c, ast, funcs, args, nargs, true);
    return apply(c, ast, best, args, nargs, want);
}

/* ---- Values that are called --------------------------------------------------------------------------------- */

th_tir *tc_call_value(checker *c, const th_ast *ast, th_tir *callee, arg *args, uint32_t nargs) {
    ty t = tc_shallow(c, callee->type);
    if (t == T_BAD) return check_all(c, ast, args, nargs);
    if (c->types[t].kind == K_HOLE) { /* a parameter whose type is not written: the arguments say what it is */
        ty params[TC_MAX_ARGS];
        for (uint32_t i = 0; i < nargs && i < TC_MAX_ARGS; i++) params[i] = tc_arg_node(c, &args[i])->type;
        tc_unify(c, t, tc_function(c, params, nargs, tc_hole(c, false)));
        t = tc_shallow(c, t);
    }
    if (c->types[t].kind != TH_KIND_FUNCTION) {
        if (tc_error(c, TH_E_TYPE, ast, "%s cannot be called", tc_text(c, t)) && c->types[t].kind == TH_KIND_OPTION)
            tc_hint(c, "it may be null: test it with `!= null` first");
        return check_all(c, ast, args, nargs);
    }
    uint32_t n = c->types[t].nargs - 1;
    bool bad = false;
    for (uint32_t i = 0; i < nargs; i++) {
        if (!args[i].name.len) continue;
        tc_error(c, TH_E_REFERENCE, args[i].named, "a function value has no parameter names");
        bad = true;
    }
    if (n != nargs) {
        if (tc_error(c, TH_E_REFERENCE, ast, "this function takes %u argument%s, found %u", n, n == 1 ? "" : "s",
                     nargs))
            tc_hint(c, "it is a %s", tc_text(c, t));
        return check_all(c, ast, args, nargs);
    }
    th_tir **kids = tc_new(c, (n + 1) * sizeof *kids);
    kids[0] = callee;
    for (uint32_t i = 0; i < n; i++) {
        kids[i + 1] = check_arg(c, ast, &args[i], tc_arg(c, t, i));
        bad |= kids[i + 1]->type == T_BAD;
    }
    if (bad) return tc_bad(c, ast);
    inst *direct = callee->kind == TH_TIR_LOCAL ? tc_var_of(callee->local)->direct : NULL;
    if (direct && !callee->local->assigned) return tc_call_instance(c, direct, ast, kids + 1, n);
    return tc_node_list(c, TH_TIR_CALL_CLOSURE, tc_arg(c, t, n), ast, kids, n + 1);
}

/* ---- Names that are called ---------------------------------------------------------------------------------- */

const char *tc_home(checker *c, ty t) {
    t = tc_force(c, t);
    if (tc_is_number(t)) return "Math";
    switch (c->types[t].kind) {
    case TH_KIND_LIST: return "List";
    case TH_KIND_DICT: return "Dict";
    case TH_KIND_STRING: return "String";
    case TH_KIND_SYMBOL: return "Symbol";
    case TH_KIND_TABLE: return "Table";
    case TH_KIND_OPTION: return "Option";
    case TH_KIND_TUPLE: return "Tuple";
    case TH_KIND_FUNCTION: return "Function";
    case TH_KIND_ERROR: return "Error";
    case TH_KIND_OPAQUE: return tc_printf(c, "%.*s", V(c->types[t].name));
    default: return NULL;
    }
}

/* A function of the capsule that belongs to the first argument's type; a verb when that is a table. NULL: none. */
static th_tir *by_first_argument(checker *c, const th_ast *ast, const th_ast *callee, arg *args, uint32_t nargs,
                                 ty want) {
    th_view name = callee->text;
    if (nargs == 0 || args[0].name.len || (args[0].ast && args[0].ast->kind == TH_AST_LAMBDA)) return NULL;
    th_tir *first = tc_arg_node(c, &args[0]);
    ty t = tc_force(c, first->type);
    if (t == T_BAD) { /* which function is meant cannot be told, but that there is none can */
        if (!tc_known_anywhere(c, name)) tc_unknown_call(c, callee, name, T_BAD);
        return tc_bad(c, ast);
    }
    if ((c->types[t].kind == TH_KIND_TABLE || c->types[t].kind == K_GROUPED) && tc_is_verb(name))
        return tc_verb(c, ast, name, first, args + 1, nargs - 1);
    const char *home = tc_home(c, t);
    capsule *cap = home ? tc_capsule(c, th_view_of(home)) : NULL;
    sym *s = cap ? tc_member(c, cap, name) : NULL;
    if (s && s->kind == SYM_FUNCS) return tc_call_funcs(c, ast, s->funcs, args, nargs, want);
    if (c->types[t].kind == TH_KIND_OPTION && (home = tc_home(c, tc_arg(c, t, 0)))) {
        cap = tc_capsule(c, th_view_of(home));
        s = cap ? tc_member(c, cap, name) : NULL;
        if (s &&
            tc_error(c, TH_E_TYPE, arg_ast(&args[0], ast), "this may be null, and `%s.%.*s` takes none", home, V(name)))
            tc_hint(c, "write `... ?? default`, or test it with `!= null` first");
        if (s) return tc_bad(c, ast);
    }
    return NULL;
}

static th_tir *call_type(checker *c, const th_ast *ast, sym *s, arg *args, uint32_t nargs) {
    if (!s->decl || !s->decl->is_enum) {
        if (tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is a type and cannot be called", V(s->name)))
            tc_hint(c, "a value of it is written `@%.*s { ... }`", V(s->name));
        return check_all(c, ast, args, nargs);
    }
    if (nargs != 1) {
        tc_error(c, TH_E_REFERENCE, ast, "`%.*s(...)` takes one number or text", V(s->name));
        return check_all(c, ast, args, nargs);
    }
    th_tir *n = tc_arg_node(c, &args[0]);
    if (tc_shallow(c, n->type) == TH_TYPE_STRING) return tc_call_builtin(c, "Core.parse_enum", s->type, ast, 1, n);
    n = tc_coerce(c, n, TH_TYPE_I64, arg_ast(&args[0], ast));
    return n->type == T_BAD ? n : tc_node(c, TH_TIR_CONVERT, s->type, ast, 1, n);
}

static bool takes_table(checker *c, func *funcs) {
    for (func *f = funcs; f; f = f->next) {
        tc_sign(c, f);
        uint8_t kind = f->nparams ? tc_kind(c, f->params[0].type) : TH_KIND_VOID;
        if (kind == TH_KIND_TABLE || kind == K_VAR) return true;
    }
    return false;
}

static th_tir *call_symbol(checker *c, const th_ast *ast, const th_ast *callee, const ref *r, arg *args, uint32_t nargs,
                           ty want) {
    sym *s = r->sym;
    switch (s->kind) {
    case SYM_FUNCS:
        if (callee->kind == TH_AST_NAME && nargs > 0 && tc_is_verb(callee->text) && !takes_table(c, s->funcs)) {
            ty t = round_of(c, &args[0]) == 0 ? tc_shallow(c, tc_arg_node(c, &args[0])->type) : T_NONE;
            if (c->types[t].kind == TH_KIND_TABLE || c->types[t].kind == K_GROUPED)
                return by_first_argument(c, ast, callee, args, nargs, want);
        }
        return tc_call_funcs(c, ast, s->funcs, args, nargs, want);
    case SYM_LOCAL:
        if (s->var && s->var->known) return tc_call_funcs(c, ast, s->var->known, args, nargs, want);
        return tc_call_value(c, ast, tc_value(c, callee), args, nargs);
    case SYM_TYPE: return call_type(c, ast, s, args, nargs);
    default: return tc_call_value(c, ast, tc_value(c, callee), args, nargs);
    }
}

/* Csv.read and its like are here even when no builtin of the name is there to be found. */
static bool reader_name(checker *c, const th_ast *callee, th_view *name) {
    if (callee->kind != TH_AST_MEMBER || callee->kids[0]->kind != TH_AST_NAME) return false;
    th_view cap = callee->kids[0]->text;
    bool of = th_view_is(callee->text, "of") && th_view_is(cap, "Table");
    if ((!of && !th_view_is(callee->text, "read")) || tc_lookup(c, cap)) return false;
    capsule *own = tc_capsule_here(c, cap);
    if (own && !own->standard) return false;
    if (of)
        *name = th_view_of("Table.of");
    else if (th_view_is(cap, "Csv"))
        *name = th_view_of("Csv.read");
    else if (th_view_is(cap, "Arrow"))
        *name = th_view_of("Arrow.read");
    else
        return false;
    return true;
}

/* The other arguments of what is meant as a table's verb are expressions over its columns: nothing is told of them. */
static th_tir *unknown_call(checker *c, const th_ast *ast, const th_ast *callee, arg *args, uint32_t nargs) {
    ty first = nargs && args[0].node ? tc_shallow(c, args[0].node->type) : T_NONE;
    tc_unknown_call(c, callee, callee->text, first);
    uint8_t kind = c->types[first].kind;
    if (kind == TH_KIND_TABLE || kind == K_GROUPED) return tc_bad(c, ast);
    return check_all(c, ast, args, nargs);
}

static th_tir *call_method(checker *c, const th_ast *ast, const th_ast *callee, arg *args, uint32_t nargs, ty want) {
    if (tc_unknown_object(c, callee->kids[0])) return check_all(c, ast, args, nargs);
    th_tir *object = tc_value(c, callee->kids[0]);
    ty t = tc_force(c, object->type);
    if (t == T_BAD) return check_all(c, ast, args, nargs);
    if (c->types[t].kind == TH_KIND_STRUCT) { /* a field that holds a function */
        tc_fields(c, c->types[t].decl);
        if (tc_field_index(c->types[t].decl, callee->text) >= 0)
            return tc_call_value(c, ast, tc_member_of(c, callee, object, callee->text), args, nargs);
    }
    arg *all = tc_new(c, (nargs + 1) * sizeof *all);
    all[0] = (arg){.ast = callee->kids[0], .node = object};
    if (nargs) memcpy(all + 1, args, nargs * sizeof *args);
    th_tir *n = by_first_argument(c, ast, callee, all, nargs + 1, want);
    if (n) return n;
    sym *s = tc_lookup(c, callee->text);
    if (s && s->kind == SYM_FUNCS) return tc_call_funcs(c, ast, s->funcs, all, nargs + 1, want);
    intrinsic known = s ? NULL : tc_intrinsic(callee->text);
    if (known) return known(c, ast, all, nargs + 1, want);
    uint8_t kind = c->types[t].kind;
    if (tc_home(c, t) && kind != TH_KIND_OPTION && kind != TH_KIND_TUPLE)
        return unknown_call(c, ast, callee, all, nargs + 1);
    return tc_call_value(c, ast, tc_member_of(c, callee, object, callee->text), args, nargs);
}

static th_tir *call_name(checker *c, const th_ast *ast, const th_ast *callee, arg *args, uint32_t nargs, ty want) {
    sym *s = tc_lookup(c, callee->text);
    if (s) {
        ref r = {.kind = REF_SYM, .sym = s, .text = callee->text};
        return call_symbol(c, ast, callee, &r, args, nargs, want);
    }
    intrinsic known = tc_intrinsic(callee->text);
    if (known) return known(c, ast, args, nargs, want);
    th_view outer;
    if (c->options->outer_type && c->options->outer_type(c->options->user, callee->text, &outer))
        return tc_call_value(c, ast, tc_value(c, callee), args, nargs);
    func *core = tc_builtin_funcs(c, th_view_of(tc_printf(c, "Core.%.*s", V(callee->text))));
    if (core) return tc_call_funcs(c, ast, core, args, nargs, want);
    th_tir *n = by_first_argument(c, ast, callee, args, nargs, want);
    return n ? n : unknown_call(c, ast, callee, args, nargs);
}

th_tir *tc_call_args(checker *c, const th_ast *ast, const th_ast *callee, arg *args, uint32_t nargs, ty want) {
    th_view reader;
    if (callee->kind == TH_AST_NAME) return call_name(c, ast, callee, args, nargs, want);
    if (callee->kind != TH_AST_MEMBER) return tc_call_value(c, ast, tc_value(c, callee), args, nargs);
    if (reader_name(c, callee, &reader)) return tc_reader(c, ast, reader, args, nargs, want);
    if (callee->flags & TH_AST_OPTIONAL) return tc_call_value(c, ast, tc_value(c, callee), args, nargs);
    ref r = tc_resolve_ref(c, callee);
    switch (r.kind) {
    case REF_SYM: return call_symbol(c, ast, callee, &r, args, nargs, want);
    case REF_TOLD: return check_all(c, ast, args, nargs);
    case REF_NONE: return call_method(c, ast, callee, args, nargs, want);
    default: return tc_call_value(c, ast, tc_value(c, callee), args, nargs);
    }
}

static arg arg_of(const th_ast *a) {
    if (a->kind == TH_AST_NAMED) return (arg){.ast = a->kids[0], .name = a->text, .named = a};
    return (arg){.ast = a};
}

static bool too_many(checker *c, const th_ast *ast, uint32_t n) {
    if (n <= TC_MAX_ARGS) return false;
    tc_error(c, TH_E_LIMIT, ast, "a call has at most %u arguments", TC_MAX_ARGS);
    return true;
}

th_tir *tc_call(checker *c, const th_ast *ast, ty want) {
    uint32_t n = ast->nkids - 1;
    if (too_many(c, ast, n)) return tc_bad(c, ast);
    arg *args = tc_new(c, (n + 1) * sizeof *args);
    for (uint32_t i = 0; i < n; i++) args[i] = arg_of(ast->kids[i + 1]);
    return tc_call_args(c, ast, ast->kids[0], args, n, want);
}

th_tir *tc_pipe(checker *c, const th_ast *ast, ty want) {
    const th_ast *to = ast->kids[1];
    bool call = to->kind == TH_AST_CALL;
    uint32_t n = call ? to->nkids : 1;
    if (too_many(c, ast, n)) return tc_bad(c, ast);
    arg *args = tc_new(c, (n + 1) * sizeof *args);
    if (tc_meant_lambda(c, ast)) return tc_bad(c, ast);
    args[0] = (arg){.ast = ast->kids[0]};
    for (uint32_t i = 1; i < n; i++) args[i] = arg_of(to->kids[i]);
    if (to->kind == TH_AST_LAMBDA) {
        ty param = tc_arg_node(c, &args[0])->type;
        th_tir *f = tc_expr(c, to, tc_function(c, &param, 1, tc_hole(c, false)));
        return tc_call_value(c, ast, f, args, 1);
    }
    return tc_call_args(c, ast, call ? to->kids[0] : to, args, n, want);
}

/* ---- Calls the checker makes itself ------------------------------------------------------------------------- */

th_tir *tc_call_builtin(checker *c, const char *name, ty result, const th_ast *ast, uint32_t nargs, ...) {
    th_tir **nodes = tc_new(c, (nargs + 1) * sizeof *nodes);
    ty params[8];
    va_list list;
    va_start(list, nargs);
    for (uint32_t i = 0; i < nargs; i++) {
        nodes[i] = va_arg(list, th_tir *);
        params[i] = nodes[i]->type == T_NULL ? tc_option(c, tc_hole(c, false)) : nodes[i]->type;
        nodes[i]->type = params[i];
    }
    va_end(list);
    if (grouped(c, nodes, nargs, ast)) return tc_bad(c, ast);
    th_tir *n = tc_node_list(c, TH_TIR_CALL_BUILTIN, result, ast, nodes, nargs);
    n->text = th_view_of(name);
    n->fntype = tc_function(c, params, nargs, result);
    return n;
}

th_tir *tc_call_named(checker *c, const char *name, const th_ast *ast, uint32_t nargs, ...) {
    arg args[8] = {0};
    va_list list;
    va_start(list, nargs);
    for (uint32_t i = 0; i < nargs; i++) args[i].node = va_arg(list, th_tir *);
    va_end(list);
    const char *dot = strchr(name, '.');
    capsule *cap = tc_capsule(c, (th_view){name, (size_t)(dot - name)});
    sym *s = cap ? tc_member(c, cap, th_view_of(dot + 1)) : NULL;
    if (s && s->kind == SYM_FUNCS) return tc_call_funcs(c, ast, s->funcs, args, nargs, T_NONE);
    tc_error(c, TH_E_UNSUPPORTED, ast, "`%s` is needed here, but this engine does not have it", name);
    return tc_bad(c, ast);
}
