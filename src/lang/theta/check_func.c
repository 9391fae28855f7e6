/*
** check_func.c - functions: signatures, instances of templates, closures and what they capture, capsule values.
** A function that is nested in another captures the variables it needs when it first mentions one; every place that
** makes a closure of it (a `site`) is told, so that a function may refer to itself before all its captures are known.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

/* ---- Signatures --------------------------------------------------------------------------------------------- */

const th_ast *tc_body(const func *f) { return tc_kid(f->ast, f->ast->kind == TH_AST_FUNCTION ? 2 : 1); }

static const th_ast *params_of(const func *f) { return tc_kid(f->ast, f->ast->kind == TH_AST_FUNCTION ? 1 : 0); }

func *tc_func_new(checker *c, th_view name, const th_ast *def, const th_ast *ast, const th_ast *annotation) {
    func *f = tc_new(c, sizeof *f);
    capsule *cap = c->scope->capsule;
    *f = (func){.name = name,
                .capsule = cap,
                .file = c->file,
                .ast = ast,
                .def = def,
                .annotation = annotation,
                .scope = c->scope,
                .outer = c->cur};
    if (f->name.len == 0) f->name = th_view_of("function");
    if (cap && cap->name.len && !f->outer)
        f->full_name = th_view_of(tc_printf(c, "%.*s.%.*s", V(cap->name), V(f->name)));
    else if (f->outer)
        f->full_name = th_view_of(tc_printf(c, "%.*s/%.*s", V(f->outer->tir->name), V(f->name)));
    else
        f->full_name = f->name;
    return f;
}

/* The parts of what is written at the name: full `Function<A, R>`, or the result alone (`f<R>`, `f<Function<R>>`). */
typedef struct annotation {
    const th_ast *const *params; /* NULL: not written there */
    const th_ast *result;
} annotation;

static annotation read_annotation(checker *c, func *f, uint32_t nparams) {
    const th_ast *a = f->annotation;
    if (!a || a->kind != TH_AST_TYPE) return (annotation){0};
    if (!th_view_is(a->text, "Function") || (a->flags & TH_AST_OPTIONAL)) return (annotation){NULL, a};
    if (a->nkids == nparams + 1) return (annotation){(const th_ast *const *)a->kids, a->kids[nparams]};
    if (a->nkids == 1) return (annotation){NULL, a->kids[0]};
    if (a->nkids == 0) return (annotation){0};
    if (tc_error(c, TH_E_TYPE, a, "the type says %u parameter%s, the function has %u", a->nkids - 1,
                 a->nkids == 2 ? "" : "s", nparams))
        tc_hint(c, "`Function<A, B, R>` takes an A and a B and gives an R: the last type is that of the result");
    f->bad = true;
    return (annotation){NULL, a->kids[a->nkids - 1]};
}

/* Equal as written: variables stand for themselves by name, Number for Number. */
static bool same_written(checker *c, ty a, ty b, uint32_t depth) {
    a = tc_shallow(c, a);
    b = tc_shallow(c, b);
    if (a == b || a == T_BAD || b == T_BAD) return true;
    ctype x = c->types[a], y = c->types[b];
    if (x.kind != y.kind || x.nargs != y.nargs || x.decl != y.decl || depth > 60) return false;
    if (x.kind == K_VAR || x.kind == K_HOLE) return x.numeric == y.numeric && th_view_eq(x.name, y.name);
    if (x.nargs == 0) return false;
    for (uint32_t i = 0; i < x.nargs; i++)
        if (!same_written(c, x.args[i], y.args[i], depth + 1)) return false;
    return true;
}

static ty param_type(checker *c, func *f, const th_ast *p, const th_ast *annotated, tvars *vars) {
    const th_ast *own = tc_kid(p, 0);
    ty t = own ? tc_resolve(c, own, vars) : annotated ? tc_resolve(c, annotated, vars) : NO_TYPE;
    if (t == NO_TYPE) {
        t = tc_variable(c, th_view_of("_"), false);
        TC_PUSH(c, vars->items, vars->count, vars->cap, t);
    }
    if (own && annotated) {
        tvars other = {0};
        ty said = tc_resolve(c, annotated, &other);
        if (!same_written(c, t, said, 0)) {
            if (tc_error(c, TH_E_TYPE, p, "the parameter `%.*s` is %s here, but %s in the type of `%.*s`", V(p->text),
                         tc_text(c, t), tc_text(c, said), V(f->name)))
                tc_note(c, f->file, annotated, "%s is written here", tc_text(c, said));
            f->bad = true;
        }
    }
    if (t == TH_TYPE_VOID) {
        tc_error(c, TH_E_TYPE, p, "a parameter cannot be void");
        t = T_BAD;
    }
    return t;
}

void tc_sign(checker *c, func *f) {
    if (f->signed_) return;
    f->signed_ = true;
    scope *saved = c->scope;
    file *saved_file = c->file;
    c->scope = f->scope;
    c->file = f->file;
    const th_ast *params = params_of(f);
    uint32_t n = params ? params->nkids : 0;
    if (n > TC_MAX_ARGS) {
        tc_error(c, TH_E_LIMIT, params, "a function has at most %u parameters", TC_MAX_ARGS);
        n = TC_MAX_ARGS;
    }
    annotation a = read_annotation(c, f, n);
    tvars vars = {0};
    f->params = tc_new(c, (n + 1) * sizeof *f->params);
    f->nparams = n;
    for (uint32_t i = 0; i < n; i++) {
        const th_ast *p = params->kids[i];
        f->params[i] = (param){.name = p->text, .type = T_BAD, .ast = p, .variable = p->flags & TH_AST_C_FORM};
        if (p->kind != TH_AST_PARAM) continue;
        f->params[i].type = param_type(c, f, p, a.params ? a.params[i] : NULL, &vars);
        f->params[i].initial = tc_kid(p, 1);
        if (!f->params[i].initial) f->nrequired = i + 1;
    }
    f->nvars = vars.count;
    const th_ast *result = f->ast->kind == TH_AST_FUNCTION ? tc_kid(f->ast, 0) : tc_kid(f->ast, 2);
    if (!result) result = a.result;
    f->result = result ? tc_resolve(c, result, &vars) : T_NONE;
    f->vars = vars.items;
    f->nresult_vars = vars.count - f->nvars;
    f->template_ = f->nvars > 0;
    c->scope = saved;
    c->file = saved_file;
}

/* ---- Variables and captures --------------------------------------------------------------------------------- */

/* A th_local that knows its variable. */
typedef struct local_box {
    th_local local;
    var *var;
} local_box;

static th_local *new_box(checker *c, var *v) {
    local_box *box = tc_new(c, sizeof *box);
    *box = (local_box){{.name = v->name, .type = v->type}, v};
    return &box->local;
}

var *tc_var_of(const th_local *local) { return ((const local_box *)(const void *)local)->var; }

var *tc_var_new(checker *c, th_view name, ty type, const th_ast *ast) {
    var *v = tc_new(c, sizeof *v);
    *v = (var){.name = name, .type = type, .owner = c->cur, .ast = ast, .file = c->file};
    v->local = new_box(c, v);
    TC_PUSH(c, c->cur->locals, c->cur->nlocals, c->cur->locals_cap, v->local);
    return v;
}

th_tir *tc_let(checker *c, var *v, th_tir *value, const th_ast *ast) {
    th_tir *n = tc_node(c, TH_TIR_LET, TH_TYPE_VOID, ast, 1, value);
    if (value && value->never) n->never = true;
    n->local = v->local;
    return n;
}

static th_local *local_in(checker *c, inst *i, var *v) {
    if (v->owner == i) return v->local;
    for (uint32_t k = 0; k < i->ncaptures; k++)
        if (i->captures[k].var == v) return i->captures[k].local;
    th_local *l = new_box(c, v);
    v->local->captured = true;
    TC_PUSH(c, i->captures, i->ncaptures, i->captures_cap, ((capture){v, l}));
    for (uint32_t k = 0; k < i->nsites; k++) {
        th_tir *node = i->sites[k].node;
        th_local *outer = local_in(c, i->sites[k].in, v);
        th_local **grown = tc_new(c, (node->nlocals + 1) * sizeof *grown);
        if (node->nlocals) memcpy(grown, node->locals, node->nlocals * sizeof *grown);
        grown[node->nlocals++] = outer;
        node->locals = grown;
    }
    return l;
}

th_local *tc_local_of(checker *c, var *v) {
    /* Functions between the owner and here capture it too, so that each can hand it on. */
    inst *chain[64];
    uint32_t n = 0;
    for (inst *i = c->cur; i && i != v->owner; i = i->outer) {
        if (n == TH_COUNT(chain)) {
            tc_error(c, TH_E_LIMIT, v->ast, "functions are nested too deeply");
            return v->local;
        }
        chain[n++] = i;
    }
    while (n > 0) local_in(c, chain[--n], v);
    return local_in(c, c->cur, v);
}

static void remember_call(checker *c, inst *callee) {
    if (!c->cur) return;
    for (uint32_t k = c->cur->ncalls; k > 0 && k + 8 > c->cur->ncalls; k--)
        if (c->cur->calls[k - 1] == callee) return;
    TC_PUSH(c, c->cur->calls, c->cur->ncalls, c->cur->calls_cap, callee);
}

void tc_uses(checker *c, global *g) {
    if (g->index == UINT32_MAX) {
        g->index = c->nused_globals;
        TC_PUSH(c, c->used_globals, c->nused_globals, c->used_globals_cap, g);
    }
    if (c->cur) TC_PUSH(c, c->cur->uses, c->cur->nuses, c->cur->uses_cap, g);
}

/* ---- Instances ---------------------------------------------------------------------------------------------- */

inst *tc_inst_new(checker *c, func *f, file *file, th_view name) {
    inst *i = tc_new(c, sizeof *i);
    i->func = f;
    i->file = file;
    i->standard = file && file->standard;
    i->outer = f ? f->outer : NULL;
    i->tir = tc_new(c, sizeof *i->tir);
    i->tir->name = name;
    i->tir->source = file ? file->source : NULL;
    i->index = c->nfunctions;
    TC_PUSH(c, c->functions, c->nfunctions, c->functions_cap, i->tir);
    TC_PUSH(c, c->insts, c->ninsts, c->insts_cap, i);
    return i;
}

static bool same_types(checker *c, const ty *a, const ty *b, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (tc_zonk(c, a[i]) != tc_zonk(c, b[i])) return false;
    return true;
}

/* Types for the signature's variables: `types` for those of the parameters, holes for those of the result alone. */
static ty *all_vars(checker *c, const func *f, const ty *types) {
    uint32_t n = f->nvars + f->nresult_vars;
    ty *all = tc_new(c, (n + 1) * sizeof *all);
    for (uint32_t i = 0; i < n; i++) all[i] = i < f->nvars ? types[i] : tc_hole(c, c->types[f->vars[i]].numeric);
    return all;
}

static inst *make_instance(checker *c, func *f, const ty *types, const th_ast *at) {
    inst *i = tc_inst_new(c, f, f->file, f->full_name);
    i->types = all_vars(c, f, types);
    i->at = at;
    i->at_file = c->file;
    if (c->cur && c->cur->standard && c->cur->at) { /* a prelude function used by another: the user's use counts */
        i->at = c->cur->at;
        i->at_file = c->cur->at_file;
    }
    i->scope = tc_scope_new(c, f->scope);
    i->params = tc_new(c, (f->nparams + 1) * sizeof *i->params);
    uint32_t nvars = f->nvars + f->nresult_vars;
    for (uint32_t k = 0; k < f->nparams; k++)
        i->params[k] = tc_zonk(c, tc_subst(c, f->params[k].type, f->vars, i->types, nvars));
    for (uint32_t k = 0; k < nvars; k++) {
        const ctype *v = &c->types[f->vars[k]];
        if (v->numeric || th_view_is(v->name, "_")) continue;
        tc_scope_add(c, i->scope, SYM_TYPE, v->name, NULL, NULL)->type = i->types[k];
    }
    i->inferred = f->result == T_NONE;
    i->result = i->inferred ? tc_hole(c, false) : tc_zonk(c, tc_subst(c, f->result, f->vars, i->types, nvars));
    i->tir->span = tc_span(f->file, f->def ? f->def : f->ast);
    return i;
}

static void enqueue(checker *c, inst *i) {
    *c->queue_end = i;
    c->queue_end = &i->next_queued;
}

static bool same_direct(const inst *i, inst **direct, uint32_t n) {
    for (uint32_t k = 0; k < n; k++)
        if ((i->direct ? i->direct[k] : NULL) != (direct ? direct[k] : NULL)) return false;
    return true;
}

inst *tc_instance(checker *c, func *f, const ty *types, const th_ast *at) {
    return tc_instance_for(c, f, types, NULL, at);
}

inst *tc_instance_for(checker *c, func *f, const ty *types, inst **direct, const th_ast *at) {
    ty *closed = tc_new(c, (f->nvars + 1) * sizeof *closed);
    for (uint32_t k = 0; k < f->nvars; k++) {
        closed[k] = tc_zonk(c, types[k]);
        if (c->types[closed[k]].kind == K_HOLE) {
            tc_unify(c, closed[k], TH_TYPE_I64);
            closed[k] = TH_TYPE_I64;
        }
    }
    for (inst *i = f->insts; i; i = i->next)
        if (same_types(c, i->types, closed, f->nvars) && same_direct(i, direct, f->nparams)) return i;
    inst *i = make_instance(c, f, closed, at);
    i->direct = direct;
    i->next = f->insts;
    f->insts = i;
    if (f->outer || c->types[i->result].open)
        tc_check_instance(c, i);
    else
        enqueue(c, i);
    return i;
}

ty tc_instance_type(checker *c, inst *i) {
    return tc_function(c, i->params, i->func ? i->func->nparams : i->tir->nparams, i->result);
}

static void define_params(checker *c, inst *i) {
    func *f = i->func;
    i->param_vars = tc_new(c, (f->nparams + 1) * sizeof *i->param_vars);
    for (uint32_t k = 0; k < f->nparams; k++) {
        const param *p = &f->params[k];
        var *v = tc_var_new(c, p->name, i->params[k], p->ast);
        v->variable = p->variable;
        v->param = k + 1;
        v->local->parameter = true;
        if (i->direct && !p->initial) v->direct = i->direct[k];
        i->param_vars[k] = v;
        if (p->name.len && !th_view_is(p->name, "_")) tc_define(c, SYM_LOCAL, p->name, p->ast)->var = v;
    }
    i->tir->nparams = f->nparams;
}

/* The result of a function whose result is not declared: what its returns and its last value have in common. */
static void join_results(checker *c, inst *i, th_tir **body, const th_ast *ast) {
    uint32_t n = i->nreturns;
    th_tir **nodes = tc_new(c, (n + 1) * sizeof *nodes);
    const th_ast **asts = tc_new(c, (n + 1) * sizeof *asts);
    for (uint32_t k = 0; k < n; k++) {
        nodes[k] = i->returns[k]->nkids ? i->returns[k]->kids[0] : tc_void(c, ast);
        asts[k] = i->return_asts[k];
    }
    bool with_body = !(*body)->never;
    if (with_body) {
        nodes[n] = *body;
        asts[n] = ast;
    }
    ty joined = TH_TYPE_VOID;
    if (n + with_body > 0) tc_join_nodes(c, nodes, asts, n + with_body, &joined, true);
    if (joined == T_NEVER) joined = TH_TYPE_VOID;
    for (uint32_t k = 0; k < n; k++)
        if (i->returns[k]->nkids) i->returns[k]->kids[0] = nodes[k];
    if (with_body) *body = nodes[n];
    ty hole = tc_shallow(c, i->result);
    if ((joined == TH_TYPE_VOID || joined == T_BAD) && c->types[hole].kind == K_HOLE) {
        c->types[hole].bound = joined;
    } else if (!tc_unify(c, hole, joined)) {
        if (tc_error(c, TH_E_TYPE, i->func->def ? i->func->def : i->func->ast,
                     "the result of `%.*s` is used as %s in itself, but is %s", V(i->func->name), tc_text(c, hole),
                     tc_text(c, joined)))
            tc_hint(c, "write its result type");
    }
    i->result = tc_zonk(c, i->result);
}

static void missing_return(checker *c, inst *i, const th_tir *body, const th_ast *ast) {
    if (body->type != TH_TYPE_VOID || body->never || i->result == TH_TYPE_VOID || i->result == T_BAD) return;
    tc_error(c, TH_E_TYPE, i->func->def ? i->func->def : ast, "`%.*s` does not give %s on every path", V(i->func->name),
             tc_text(c, i->result));
}

/* Default values are looked at where they stand, whether a call uses them or not. */
static void check_defaults(checker *c, const inst *i) {
    scope *scope = c->scope;
    fact *facts = c->facts;
    c->scope = i->func->scope;
    for (uint32_t k = 0; k < i->func->nparams; k++)
        if (i->func->params[k].initial) tc_expr(c, i->func->params[k].initial, i->params[k]);
    c->scope = scope;
    c->facts = facts;
}

void tc_check_instance(checker *c, inst *i) {
    if (i->state) return;
    i->state = 1;
    inst *cur = c->cur;
    file *file = c->file;
    scope *scope = c->scope;
    fact *facts = c->facts;
    const th_ast *body_ast = tc_body(i->func);
    c->cur = i;
    c->file = i->file;
    c->scope = i->scope;
    if (!i->outer) c->facts = NULL;
    define_params(c, i);
    check_defaults(c, i);
    ty want = i->inferred ? T_NONE : i->result;
    th_tir *body;
    if (!body_ast)
        body = tc_bad(c, i->func->ast);
    else if (body_ast->kind == TH_AST_BLOCK)
        body = tc_block(c, body_ast, want, false);
    else
        body = tc_expr(c, body_ast, want);
    if (i->inferred)
        join_results(c, i, &body, body_ast ? body_ast : i->func->ast);
    else
        missing_return(c, i, body, body_ast);
    i->result = tc_zonk(c, i->result);
    i->tir->body = body;
    i->state = 2;
    c->cur = cur;
    c->file = file;
    c->scope = scope;
    c->facts = facts;
}

/* ---- Uses --------------------------------------------------------------------------------------------------- */

th_tir *tc_closure(checker *c, inst *i, const th_ast *ast) {
    th_tir *n = tc_node(c, TH_TIR_CLOSURE, tc_instance_type(c, i), ast, 0);
    n->index = i->index;
    n->nlocals = i->ncaptures;
    n->locals = tc_new(c, (i->ncaptures + 1) * sizeof *n->locals);
    inst *here = c->cur;
    for (uint32_t k = 0; k < i->ncaptures; k++) n->locals[k] = tc_local_of(c, i->captures[k].var);
    TC_PUSH(c, i->sites, i->nsites, i->sites_cap, ((site){n, here}));
    remember_call(c, i);
    if (i->state != 2 || i->needs_capture)
        for (inst *p = here; p && p != i->outer; p = p->outer) p->needs_capture = true;
    return n;
}

static bool captures_nothing(const inst *i) {
    return !i->outer || (i->state == 2 && i->ncaptures == 0 && !i->needs_capture);
}

th_tir *tc_call_instance(checker *c, inst *i, const th_ast *ast, th_tir **args, uint32_t nargs) {
    if (captures_nothing(i)) {
        th_tir *n = tc_node_list(c, TH_TIR_CALL, i->result, ast, args, nargs);
        n->index = i->index;
        remember_call(c, i);
        return n;
    }
    th_tir **kids = tc_new(c, (nargs + 1) * sizeof *kids);
    var *v = i->func ? i->func->var : NULL;
    bool held = v && v->local && i->state == 2;
    kids[0] = held ? tc_local_read(c, v, ast) : tc_closure(c, i, ast);
    if (nargs) memcpy(kids + 1, args, nargs * sizeof *kids);
    return tc_node_list(c, TH_TIR_CALL_CLOSURE, i->result, ast, kids, nargs + 1);
}

static ty wanted_function(checker *c, ty want) {
    want = tc_shallow(c, want);
    if (c->types[want].kind == TH_KIND_OPTION) want = tc_arg(c, want, 0);
    for (uint32_t i = 0; c->types[want].kind == TH_KIND_VARIANT && i < c->types[want].nargs; i++)
        if (tc_kind(c, c->types[want].args[i]) == TH_KIND_FUNCTION) return c->types[want].args[i];
    return c->types[want].kind == TH_KIND_FUNCTION ? want : T_NONE;
}

static bool lambda_fits(checker *c, func *f, const ty *types, ty want) {
    uint32_t n = c->types[want].nargs - 1;
    if (n != f->nparams) {
        if (tc_error(c, TH_E_TYPE, f->ast, "expected a function of %u parameter%s, found one of %u", n,
                     n == 1 ? "" : "s", f->nparams))
            tc_hint(c, "%s is expected here", tc_text(c, want));
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        ty own = tc_subst(c, f->params[i].type, f->vars, types, f->nvars), expected = tc_arg(c, want, i);
        if (tc_unify(c, own, expected)) continue;
        tc_error(c, TH_E_TYPE, f->params[i].ast, "the parameter `%.*s` is %s, but %s is given to it",
                 V(f->params[i].name), tc_text(c, own), tc_text(c, expected));
        return false;
    }
    return true;
}

th_tir *tc_lambda(checker *c, const th_ast *ast, ty want, const th_ast *written) {
    func *f = tc_func_new(c, (th_view){0}, NULL, ast, written);
    tc_sign(c, f);
    ty *types = tc_new(c, (f->nvars + 1) * sizeof *types);
    for (uint32_t i = 0; i < f->nvars; i++) types[i] = tc_hole(c, c->types[f->vars[i]].numeric);
    ty expected = wanted_function(c, want), wanted = T_NONE;
    bool fits = expected == T_NONE || lambda_fits(c, f, types, expected);
    inst *i = make_instance(c, f, types, NULL);
    if (!fits) {
        i->inferred = false;
        i->result = T_BAD;
    } else if (expected != T_NONE) {
        wanted = tc_arg(c, expected, c->types[expected].nargs - 1);
        bool known = c->types[wanted].kind != K_HOLE;
        if (i->inferred && known) {
            i->result = wanted;
            i->inferred = false;
        } else if (!i->inferred && known)
            tc_unify(c, i->result, wanted);
    }
    tc_check_instance(c, i);
    if (!fits || f->bad || i->result == T_BAD) return tc_bad(c, ast);
    if (wanted != T_NONE && c->types[wanted].kind == K_HOLE) {
        ty result = tc_shallow(c, i->result);
        if (result == TH_TYPE_VOID) {
            tc_error(c, TH_E_TYPE, ast, "this function gives no value, but its value is needed");
            return tc_bad(c, ast);
        }
        tc_unify(c, wanted, result);
    }
    return tc_closure(c, i, ast);
}

/* ---- Functions as values ------------------------------------------------------------------------------------ */

static bool value_fits(checker *c, func *f, const ty *types, ty want) {
    if (want == T_NONE) return true;
    uint32_t n = c->types[want].nargs - 1;
    if (n != f->nparams) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!tc_unify(c, tc_subst(c, f->params[i].type, f->vars, types, f->nvars), tc_arg(c, want, i))) return false;
    return true;
}

static ty *fresh_types(checker *c, const func *f) {
    uint32_t n = f->nvars + f->nresult_vars;
    ty *types = tc_new(c, (n + 1) * sizeof *types);
    for (uint32_t i = 0; i < n; i++) types[i] = tc_hole(c, c->types[f->vars[i]].numeric);
    return types;
}

static th_tir *builtin_value(checker *c, func *f, const ty *types, const th_ast *ast) {
    ty *params = tc_new(c, (f->nparams + 1) * sizeof *params);
    for (uint32_t i = 0; i < f->nparams; i++) params[i] = tc_subst(c, f->params[i].type, f->vars, types, f->nvars);
    ty result = tc_subst(c, f->result, f->vars, types, f->nvars);
    inst *i = NULL;
    th_tir *closure = tc_wrapper(c, tc_function(c, params, f->nparams, result), ast, f->full_name, &i);
    inst *cur = c->cur;
    c->cur = i;
    th_tir **args = tc_new(c, (f->nparams + 1) * sizeof *args);
    for (uint32_t k = 0; k < f->nparams; k++) args[k] = tc_local_read(c, i->param_vars[k], ast);
    th_tir *call = tc_node_list(c, TH_TIR_CALL_BUILTIN, result, ast, args, f->nparams);
    call->text = f->full_name;
    call->fntype = tc_function(c, params, f->nparams, result);
    i->tir->body = call;
    c->cur = cur;
    return closure;
}

/* A function made here whose body the caller fills in: its parameters are there as variables. */
th_tir *tc_wrapper(checker *c, ty type, const th_ast *ast, th_view name, inst **out) {
    inst *i = tc_inst_new(c, NULL, c->file, name), *cur = c->cur;
    uint32_t n = c->types[type].nargs - 1;
    i->params = tc_new(c, (n + 1) * sizeof *i->params);
    i->param_vars = tc_new(c, (n + 1) * sizeof *i->param_vars);
    i->result = tc_arg(c, type, n);
    i->tir->nparams = n;
    i->tir->span = tc_span(c->file, ast);
    i->state = 2;
    c->cur = i;
    for (uint32_t k = 0; k < n; k++) {
        i->params[k] = tc_arg(c, type, k);
        i->param_vars[k] = tc_var_new(c, th_view_of("it"), i->params[k], ast);
        i->param_vars[k]->local->parameter = true;
    }
    c->cur = cur;
    *out = i;
    return tc_closure(c, i, ast);
}

static th_tir *one_value(checker *c, func *f, const ty *types, ty want, const th_ast *ast) {
    if (want != T_NONE && tc_kind(c, tc_arg(c, want, f->nparams)) != K_HOLE)
        tc_unify(c, tc_subst(c, f->result, f->vars, types, f->nvars + f->nresult_vars), tc_arg(c, want, f->nparams));
    for (uint32_t i = 0; i < f->nvars; i++) {
        if (c->types[tc_force(c, types[i])].kind != K_HOLE || want != T_NONE) continue;
        if (tc_error(c, TH_E_TYPE, ast, "`%.*s` works for many types; which one is meant cannot be told here",
                     V(f->name)))
            tc_hint(c, "write a function around it: `(x<Type>) -> %.*s(x)`", V(f->name));
        return tc_bad(c, ast);
    }
    if (f->builtin) return builtin_value(c, f, types, ast);
    inst *i = tc_instance(c, f, types, ast);
    if (want != T_NONE && tc_kind(c, tc_arg(c, want, f->nparams)) == K_HOLE &&
        tc_shallow(c, i->result) == TH_TYPE_VOID) {
        tc_error(c, TH_E_TYPE, ast, "`%.*s` gives no value, but its value is needed", V(f->name));
        return tc_bad(c, ast);
    }
    if (f->outer && f->var && f->var->local && i->state == 2 && !captures_nothing(i))
        return tc_local_read(c, f->var, ast);
    return tc_closure(c, i, ast);
}

th_tir *tc_func_value(checker *c, func *funcs, ty want, const th_ast *ast) {
    ty expected = wanted_function(c, want);
    for (func *f = funcs; f; f = f->next) {
        tc_sign(c, f);
        if (f->bad) return tc_bad(c, ast);
        if (f->rest && expected == T_NONE) continue;
        uint32_t mark = tc_mark(c);
        ty *types = fresh_types(c, f);
        if (value_fits(c, f, types, expected)) return one_value(c, f, types, expected, ast);
        tc_undo(c, mark);
    }
    if (expected != T_NONE)
        tc_error(c, TH_E_TYPE, ast, "expected %s, but `%.*s` is %s", tc_text(c, expected), V(funcs->name),
                 tc_signature_text(c, funcs));
    return tc_bad(c, ast);
}

/* ---- Capsule values ----------------------------------------------------------------------------------------- */

static bool is_literal_ast(const th_ast *a) {
    if (a->kind == TH_AST_UNARY && a->op == TH_TOKEN_MINUS) a = a->kids[0];
    return a->kind == TH_AST_INT || a->kind == TH_AST_FLOAT || a->kind == TH_AST_STRING || a->kind == TH_AST_TRUE ||
           a->kind == TH_AST_FALSE || a->kind == TH_AST_SYMBOL;
}

static void check_global(checker *c, global *g, ty want) {
    const th_ast *value = tc_kid(g->ast, 1);
    inst *cur = c->cur;
    file *file = c->file;
    scope *scope = c->scope;
    fact *facts = c->facts;
    g->init = tc_inst_new(c, NULL, g->file, th_view_of(tc_printf(c, "%.*s.%.*s", V(g->capsule->name), V(g->name))));
    g->init->tir->span = tc_span(g->file, g->ast);
    g->init->state = 2;
    c->cur = g->init;
    c->file = g->file;
    c->scope = g->capsule->scope;
    c->facts = NULL;
    th_tir *n = value ? tc_expr(c, value, want) : tc_bad(c, g->ast);
    ty t = tc_zonk(c, want == T_NONE ? n->type : want);
    if (!value)
        tc_error(c, TH_E_REFERENCE, g->ast, "`%.*s` needs a value", V(g->name));
    else if (t == TH_TYPE_VOID || t == T_NEVER) {
        tc_error(c, TH_E_TYPE, value, "this gives no value");
        t = T_BAD;
    }
    g->type = t == T_NULL ? tc_option(c, tc_hole(c, false)) : t;
    g->value = n->type == T_NULL ? tc_coerce(c, n, g->type, value) : n;
    g->init->result = g->type;
    g->init->tir->body = g->value;
    if (!g->variable && value && is_literal_ast(value) && n->nkids == 0) g->constant = n;
    g->state = 2;
    c->cur = cur;
    c->file = file;
    c->scope = scope;
    c->facts = facts;
}

void tc_global(checker *c, global *g) {
    if (g->state == 2) return;
    if (g->state == 1) {
        tc_error_in(c, TH_E_REFERENCE, g->file, g->ast, "the value of `%.*s` needs itself", V(g->name));
        g->type = T_BAD;
        return;
    }
    g->state = 1;
    const th_ast *written = tc_kid(g->ast, 0);
    ty want = T_NONE;
    if (written) {
        file *file = c->file;
        scope *scope = c->scope;
        c->file = g->file;
        c->scope = g->capsule->scope;
        want = tc_resolve(c, written, NULL);
        c->file = file;
        c->scope = scope;
        g->type = want;
        bool literal = tc_kid(g->ast, 1) && is_literal_ast(tc_kid(g->ast, 1));
        if (!c->types[want].open && !literal) {
            g->state = 3; /* typed; its value is checked later */
            return;
        }
    }
    check_global(c, g, want);
}

th_tir *tc_global_read(checker *c, global *g, const th_ast *ast) {
    if (g->state != 3) tc_global(c, g);
    if (g->type == T_BAD) return tc_bad(c, ast);
    if (g->constant) {
        th_tir *n = tc_node_copy(c, g->constant);
        n->span = tc_span(c->file, ast);
        n->fntype = 0;
        return n;
    }
    tc_uses(c, g);
    th_tir *n = tc_node(c, TH_TIR_GLOBAL, g->type, ast, 0);
    n->text = g->name;
    n->index = g->index;
    return n;
}

void tc_check_global_value(checker *c, global *g) {
    if (g->state == 0) tc_global(c, g);
    if (g->state == 3) check_global(c, g, g->type);
}
