/*
** check_change.c - what may be changed in place: through C-form variables and parameters, never through a binding.
** Changes are followed through other names: a variable that was given part of a binding, and a parameter that the
** called function changes, pass the change on to where the value came from (a fixed point over the recorded edges at
** the end).
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

typedef struct root {
    var *var;
    global *global;
} root;

static root root_of(checker *c, const th_tir *n) {
    for (;;) {
        switch (n->kind) {
        case TH_TIR_LOCAL: return (root){tc_var_of(n->local), NULL};
        case TH_TIR_GLOBAL: return (root){NULL, c->used_globals[n->index]};
        case TH_TIR_FIELD:
        case TH_TIR_INDEX:
        case TH_TIR_UNWRAP:
        case TH_TIR_SOME:
        case TH_TIR_COALESCE:
        case TH_TIR_DICT_GET:
        case TH_TIR_DICT_GET_OR:
        case TH_TIR_VARIANT:
        case TH_TIR_VARIANT_GET: n = n->kids[0]; break;
        default: return (root){0};
        }
    }
}

static bool is_reference(checker *c, ty t) {
    t = tc_shallow(c, t);
    switch (c->types[t].kind) {
    case TH_KIND_OPTION: return is_reference(c, c->types[t].args[0]);
    case TH_KIND_LIST:
    case TH_KIND_DICT:
    case TH_KIND_STRUCT:
    case TH_KIND_TUPLE:
    case TH_KIND_VARIANT: return true;
    default: return false;
    }
}

static void read_only_hint(checker *c, th_view name, ty t) {
    tc_hint(c, "declare it as a variable, `%s %.*s = ...`, or change a `copy(%.*s)`", tc_text(c, t), V(name), V(name));
}

void tc_changes(checker *c, const th_tir *node, const th_ast *ast) {
    root r = root_of(c, node);
    if (r.var && r.var->name.len == 0) return; /* a temporary */
    if (r.var) r.var->changed = true;
    if ((r.var && r.var->variable) || (r.global && r.global->variable) || (!r.var && !r.global)) return;
    th_view name = r.var ? r.var->name : r.global->name;
    if (!tc_error(c, TH_E_REASSIGNMENT, ast, "`%.*s` is a binding: what it holds cannot be changed", V(name))) return;
    read_only_hint(c, name, r.var ? r.var->type : r.global->type);
    tc_note(c, r.var ? r.var->file : r.global->file, r.var ? r.var->ast : r.global->ast, "`%.*s` is bound here",
            V(name));
}

static void add_edge(checker *c, flow_edge e, const th_tir *node, const th_ast *ast) {
    if (!is_reference(c, node->type)) return;
    root r = root_of(c, node);
    if (!r.var && !r.global) return;
    e.to = r.var;
    e.to_global = r.global;
    e.file = c->file;
    e.ast = ast;
    TC_PUSH(c, c->edges, c->nedges, c->edges_cap, e);
}

void tc_alias(checker *c, var *v, const th_tir *node, const th_ast *ast) {
    if (v->variable || v->name.len == 0) add_edge(c, (flow_edge){.from = v}, node, ast);
}

void tc_argument_alias(checker *c, inst *callee, uint32_t param, const th_tir *node, const th_ast *ast) {
    if (callee->func && callee->func->params[param].variable)
        add_edge(c, (flow_edge){.callee = callee, .param = param}, node, ast);
}

static var *from_of(const flow_edge *e) {
    if (e->from) return e->from;
    return e->callee->param_vars ? e->callee->param_vars[e->param] : NULL;
}

static void tell_change(checker *c, const flow_edge *e, const var *from) {
    th_view to = e->to ? e->to->name : e->to_global->name;
    bool told;
    if (e->callee)
        told = tc_error_in(c, TH_E_REASSIGNMENT, e->file, e->ast,
                           "`%.*s` changes its parameter `%.*s` in place, but `%.*s` is "
                           "a binding",
                           V(e->callee->func->name), V(from->name), V(to));
    else
        told = tc_error_in(c, TH_E_REASSIGNMENT, e->file, e->ast,
                           "`%.*s` is changed in place, but it is part of the binding "
                           "`%.*s`",
                           V(from->name), V(to));
    if (told) read_only_hint(c, to, e->to ? e->to->type : e->to_global->type);
}

void tc_check_changes(checker *c) {
    c->cur = NULL;
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < c->nedges; i++) {
            flow_edge *e = &c->edges[i];
            var *from = from_of(e);
            if (e->done || !from || !from->changed) continue;
            e->done = again = true;
            bool free = e->to ? e->to->variable || e->to->name.len == 0 : e->to_global->variable;
            if (e->to) e->to->changed = true;
            if (!free) tell_change(c, e, from);
        }
    }
}
