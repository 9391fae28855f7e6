/*
** check_stmt.c - statements: blocks, bindings, assignments, loops, try, return.
** `finally` runs on every way out of its block. A way out is a jump to the end of a loop of one turn around the
** block; what kind it was is kept in a variable and resumed after the `finally` part, which therefore stands in the
** program once.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

enum { EXIT_NONE, EXIT_RETURN, EXIT_BREAK, EXIT_CONTINUE, EXIT_THROW };

/* ---- Names -------------------------------------------------------------------------------------------------- */

var *tc_bind(checker *c, th_view name, ty type, const th_ast *ast, bool variable) {
    var *v = tc_var_new(c, name, type, ast);
    v->variable = variable;
    v->loop = c->cur ? c->cur->loop : NULL;
    if (name.len && !th_view_is(name, "_")) tc_define(c, SYM_LOCAL, name, ast)->var = v;
    return v;
}

/* The type a new name gets from its value. */
static ty type_of_value(checker *c, th_tir *value, ty written, const th_ast *ast) {
    ty t = tc_zonk(c, written == T_NONE ? value->type : written);
    if (value->never && written == T_NONE) return tc_hole(c, false);
    if (value->type == T_BAD && written == T_NONE) return T_BAD;
    if (t == TH_TYPE_VOID) {
        tc_no_value(c, ast, T_NONE);
        return T_BAD;
    }
    if (t == T_NULL) return value->type = tc_option(c, tc_hole(c, false));
    return t;
}

static th_tir *set_local(checker *c, var *v, th_tir *value, const th_ast *ast) {
    th_tir *n = tc_node(c, TH_TIR_SET, TH_TYPE_VOID, ast, 1, value);
    n->local = tc_local_of(c, v);
    v->local->assigned = true;
    return n;
}

static void first_line_hint(checker *c, const th_ast *ast, th_view name, file *f, const th_ast *def, ty type) {
    if (!tc_error(c, TH_E_REASSIGNMENT, ast, "`%.*s` cannot be given another value: it is bound in line %u", V(name),
                  tc_span(f, def).line))
        return;
    tc_variable_hint(c, name, def, type);
    tc_note(c, f, def, "the first definition of `%.*s`", V(name));
}

static th_tir *assign_local(checker *c, const th_ast *ast, var *v, th_tir *value, const th_ast *at) {
    if (!v->variable) {
        first_line_hint(c, ast, v->name, v->file, v->ast, v->type);
        return tc_bad(c, ast);
    }
    ty have = tc_shallow(c, value->type);
    value = tc_coerce(c, value, v->type, at);
    if (value->type == T_BAD) {
        tc_assigned(c, v);
        return value;
    }
    if (v->owner != c->cur) v->captured_set = true;
    tc_assigned(c, v);
    if (tc_kind(c, v->type) == TH_KIND_OPTION) {
        bool there = have != T_NULL && c->types[have].kind != TH_KIND_OPTION && c->types[have].kind != K_HOLE;
        tc_assume(c, v, there ? tc_arg(c, v->type, 0) : T_NONE);
    }
    tc_alias(c, v, value, at);
    return set_local(c, v, value, ast);
}

static th_tir *assign_global(checker *c, const th_ast *ast, global *g, th_tir *value, const th_ast *at) {
    if (g->state != 3) tc_global(c, g);
    if (!g->variable) {
        first_line_hint(c, ast, g->name, g->file, g->ast, g->type);
        return tc_bad(c, ast);
    }
    value = tc_coerce(c, value, g->type, at);
    if (value->type == T_BAD || g->type == T_BAD) return tc_bad(c, ast);
    tc_uses(c, g);
    th_tir *n = tc_node(c, TH_TIR_GLOBAL_SET, TH_TYPE_VOID, ast, 1, value);
    n->index = g->index;
    return n;
}

/* ---- Local functions ---------------------------------------------------------------------------------------- */

static bool overloads(checker *c, func *f, func *older) {
    tc_sign(c, older);
    if (f->nparams != older->nparams) return true;
    for (uint32_t i = 0; i < f->nparams; i++)
        if (f->params[i].type != older->params[i].type &&
            !(c->types[f->params[i].type].kind == K_VAR && c->types[older->params[i].type].kind == K_VAR))
            return true;
    return false;
}

static th_tir *local_function(checker *c, const th_ast *ast, const th_ast *lambda, const th_ast *written, ty want) {
    func *f = tc_func_new(c, ast->text, ast, lambda, written);
    tc_sign(c, f);
    sym *old = tc_scope_find(c->scope, ast->text);
    var *v = tc_new(c, sizeof *v);
    *v = (var){.name = ast->text, .type = T_BAD, .owner = c->cur, .ast = ast, .file = c->file, .known = f};
    if (old && old->kind == SYM_LOCAL && old->var && old->var->known && overloads(c, f, old->var->known)) {
        f->next = old->var->known;
        tc_scope_add(c, c->scope, SYM_LOCAL, ast->text, ast, c->file)->var = v;
    } else {
        tc_define(c, SYM_LOCAL, ast->text, ast)->var = v;
    }
    if (f->bad) return tc_bad(c, ast);
    if (f->template_) { /* its instances are made where it is used */
        if (want == TH_TYPE_VOID) return tc_void(c, ast);
        return tc_func_value(c, f, want, ast);
    }
    inst *i = tc_instance(c, f, NULL, ast);
    if (i->ncaptures == 0 && !i->needs_capture) {
        if (want == TH_TYPE_VOID) return tc_void(c, ast);
        return tc_closure(c, i, ast);
    }
    th_tir *closure = tc_closure(c, i, ast);
    var *held = tc_var_new(c, ast->text, closure->type, ast);
    v->type = closure->type;
    v->local = held->local;
    f->var = held;
    th_tir *let = tc_let(c, held, closure, ast);
    return want == TH_TYPE_VOID ? let : tc_seq(c, let, tc_local_read(c, held, ast), ast);
}

/* ---- Bindings ----------------------------------------------------------------------------------------------- */

static th_tir *bind_value(checker *c, const th_ast *ast, const th_ast *value_ast, ty written, bool is_variable,
                          ty want) {
    th_tir *value = tc_expr(c, value_ast, written);
    ty have = tc_shallow(c, value->type);
    ty t = type_of_value(c, value, written, value_ast);
    var *v = tc_bind(c, ast->text, t, ast, is_variable);
    if (t == T_BAD || value->type == T_BAD) return tc_bad(c, ast);
    if (value->never) return tc_seq(c, value, tc_void(c, ast), ast);
    if (is_variable && tc_kind(c, t) == TH_KIND_OPTION && have != T_NULL && c->types[have].kind != TH_KIND_OPTION)
        tc_assume(c, v, tc_arg(c, t, 0));
    if (is_variable) tc_alias(c, v, value, value_ast);
    th_tir *let = tc_let(c, v, value, ast);
    return want == TH_TYPE_VOID ? let : tc_seq(c, let, tc_local_read(c, v, ast), ast);
}

static sym *assignable(checker *c, th_view name) {
    sym *s = tc_lookup(c, name);
    if (s && s->kind == SYM_LOCAL && s->var && s->var->variable) return s;
    return s && s->kind == SYM_GLOBAL && s->global->variable ? s : NULL;
}

static bool used_later(const checker *c, const th_ast *ast) {
    for (uint32_t i = 0; c->block && i < c->block->nkids; i++)
        if (c->block->kids[i]->from > ast->from && tc_mentions(c->block->kids[i], ast->text)) return true;
    return false;
}

/* `n = n + 1` in a block or loop where n is bound outside of it: a new n, which is most likely not what is meant. */
static void warn_shadow(checker *c, const th_ast *ast, const th_ast *value) {
    sym *s = tc_lookup(c, ast->text);
    bool local = s && s->kind == SYM_LOCAL && s->var && s->var->owner == c->cur && !s->var->known;
    if ((!local && !(s && s->kind == SYM_GLOBAL)) || tc_scope_find(c->scope, ast->text) || !c->cur) return;
    if (!tc_mentions(value, ast->text)) return;
    bool each_turn = c->cur->loop && (!local || c->cur->loop != s->var->loop);
    if (!each_turn && used_later(c, ast)) return;
    if (!tc_warn(c, ast, "this binds a new `%.*s` in this block; the one of line %u stays as it is", V(ast->text),
                 tc_span(s->file, s->ast).line))
        return;
    tc_variable_hint(c, ast->text, s->ast, local ? s->var->type : s->global->type);
}

static th_tir *binding(checker *c, const th_ast *ast, ty want) {
    const th_ast *written = tc_kid(ast, 0), *value = tc_kid(ast, 1);
    if (!value) return tc_bad(c, ast);
    if (!written && want == TH_TYPE_VOID && !assignable(c, ast->text)) warn_shadow(c, ast, value);
    sym *s = written ? NULL : assignable(c, ast->text);
    if (s) {
        size_t told = c->diags->error_count;
        th_tir *n = tc_expr(c, value, s->kind == SYM_LOCAL ? s->var->type : T_NONE);
        if (n->type == T_BAD && s->kind == SYM_LOCAL && tc_mismatched(c, told, value))
            tc_note(c, s->file, s->ast, "`%.*s` is declared as %s", V(s->name), tc_text(c, s->var->type));
        if (n->type == T_BAD) return n;
        n = s->kind == SYM_LOCAL ? assign_local(c, ast, s->var, n, value) : assign_global(c, ast, s->global, n, value);
        if (want == TH_TYPE_VOID || n->type == T_BAD || s->kind != SYM_LOCAL) return n;
        return tc_seq(c, n, tc_local_read(c, s->var, ast), ast);
    }
    if (value->kind == TH_AST_LAMBDA) return local_function(c, ast, value, written, want);
    return bind_value(c, ast, value, written ? tc_resolve(c, written, NULL) : T_NONE, false, want);
}

/* `print x` reads as a variable of the type `print`: told as the call it is meant to be. */
static bool names_no_type(checker *c, const th_ast *type) {
    if (type->nkids || (type->flags & TH_AST_OPTIONAL)) return false;
    th_ast name = *type;
    name.kind = TH_AST_NAME;
    ref r = tc_resolve_ref(c, &name);
    bool function = r.kind == REF_SYM &&
                    (r.sym->kind == SYM_FUNCS || (r.sym->kind == SYM_LOCAL && r.sym->var && r.sym->var->known));
    bool core = tc_builtin_funcs(c, th_view_of(tc_printf(c, "Core.%.*s", V(type->text)))) != NULL;
    bool known = r.kind == REF_NONE && (core || (tc_intrinsic(type->text) && !tc_names_type(c, type->text)));
    if (!function && !known) return false;
    if (tc_error(c, TH_E_REFERENCE, type, "`%.*s` is a function, not a type", V(type->text)))
        tc_hint(c, "a call needs parentheses: `%.*s(...)`", V(type->text));
    return true;
}

static th_tir *declaration(checker *c, const th_ast *ast, ty want) {
    const th_ast *value = tc_kid(ast, 1);
    if (!value && names_no_type(c, ast->kids[0])) return tc_bad(c, ast);
    ty t = tc_resolve(c, ast->kids[0], NULL);
    if (t == TH_TYPE_VOID) {
        tc_error(c, TH_E_TYPE, ast->kids[0], "a variable cannot be void");
        t = T_BAD;
    }
    if (value) return bind_value(c, ast, value, t, true, want);
    var *v = tc_bind(c, ast->text, t, ast, true);
    v->unset = true;
    return tc_let(c, v, NULL, ast);
}

/* ---- Assignments -------------------------------------------------------------------------------------------- */

static uint8_t operator_of(uint8_t token) {
    switch (token) {
    case TH_TOKEN_PLUS_ASSIGN: return TH_TOKEN_PLUS;
    case TH_TOKEN_MINUS_ASSIGN: return TH_TOKEN_MINUS;
    case TH_TOKEN_STAR_ASSIGN: return TH_TOKEN_STAR;
    case TH_TOKEN_SLASH_ASSIGN: return TH_TOKEN_SLASH;
    case TH_TOKEN_PERCENT_ASSIGN: return TH_TOKEN_PERCENT;
    case TH_TOKEN_POWER_ASSIGN: return TH_TOKEN_POWER;
    case TH_TOKEN_AMPERSAND_ASSIGN: return TH_TOKEN_AMPERSAND;
    case TH_TOKEN_BAR_ASSIGN: return TH_TOKEN_BAR;
    case TH_TOKEN_CARET_ASSIGN: return TH_TOKEN_CARET;
    case TH_TOKEN_SHL_ASSIGN: return TH_TOKEN_SHL;
    case TH_TOKEN_SHR_ASSIGN: return TH_TOKEN_SHR;
    default: return 0;
    }
}

/* The new value: `value` as written, or `old op value`; for ++ and -- value is NULL. */
typedef struct change {
    const th_ast *ast;
    uint8_t op; /* token of the operator, or 0 */
    const th_ast *value;
} change;

static th_tir *new_value(checker *c, const change *ch, th_tir *old, ty type) {
    if (!ch->op) return tc_expr(c, ch->value, type);
    th_tir *by = ch->value ? tc_value(c, ch->value) : tc_int(c, TH_TYPE_I64, 1, ch->ast);
    ty t = tc_force(c, old->type);
    if (!ch->value && tc_is_float(t)) {
        by->kind = TH_TIR_FLOAT;
        by->fval = 1;
        by->type = t;
    } else if (!ch->value && tc_is_int(t))
        by->type = t;
    th_tir *n = tc_binary_nodes(c, ch->ast, ch->op, old, by);
    if (n->type == T_BAD) return n;
    return tc_coerce(c, n, type, ch->value ? ch->value : ch->ast);
}

static th_tir *change_name(checker *c, const change *ch, const th_ast *target, ty want) {
    ref r = tc_resolve_ref(c, target);
    if (r.kind == REF_TOLD) return tc_bad(c, ch->ast);
    if (r.kind != REF_SYM) {
        tc_unknown_target(c, target);
        if (ch->value) tc_value(c, ch->value);
        return tc_bad(c, ch->ast);
    }
    sym *s = r.sym;
    const th_ast *at = ch->value ? ch->value : ch->ast;
    if (s->kind == SYM_GLOBAL) {
        th_tir *old = tc_global_read(c, s->global, target);
        th_tir *value = new_value(c, ch, old, T_NONE);
        return value->type == T_BAD ? value : assign_global(c, ch->ast, s->global, value, at);
    }
    if (s->kind != SYM_LOCAL || !s->var || s->var->known) {
        first_line_hint(c, ch->ast, target->text, s->file, s->ast, T_NONE);
        return tc_bad(c, ch->ast);
    }
    th_tir *old = ch->op ? tc_value(c, target) : NULL;
    if (old && old->type == T_BAD) return old;
    size_t told = c->diags->error_count;
    th_tir *value = new_value(c, ch, old, ch->op ? T_NONE : s->var->type);
    if (value->type == T_BAD && tc_mismatched(c, told, at))
        tc_note(c, s->var->file, s->var->ast, "`%.*s` is declared as %s", V(s->name), tc_text(c, s->var->type));
    if (value->type == T_BAD) return tc_assigned(c, s->var), value;
    th_tir *n = assign_local(c, ch->ast, s->var, value, at);
    if (want == TH_TYPE_VOID || n->type == T_BAD) return n;
    return tc_seq(c, n, tc_local_read(c, s->var, ch->ast), ch->ast);
}

/* A value that is used twice: simple ones are read again, others kept. */
typedef struct kept {
    th_tir *let;
    var *var;
    th_tir *simple;
} kept;

static kept keep(checker *c, th_tir *n, const th_ast *ast) {
    if (n->kind == TH_TIR_LOCAL || n->kind == TH_TIR_INT || n->kind == TH_TIR_STRING || n->kind == TH_TIR_GLOBAL)
        return (kept){.simple = n};
    var *v = tc_var_new(c, (th_view){0}, n->type, ast);
    return (kept){.let = tc_let(c, v, n, ast), .var = v};
}

static th_tir *again(checker *c, const kept *k, const th_ast *ast) {
    if (k->var) return tc_local_read(c, k->var, ast);
    return tc_node_copy(c, k->simple);
}

static th_tir *with_lets(checker *c, const kept *a, const kept *b, th_tir *n, const th_ast *ast) {
    if (b && b->let) n = tc_seq(c, b->let, n, ast);
    return a->let ? tc_seq(c, a->let, n, ast) : n;
}

static th_tir *set_element(checker *c, const change *ch, const th_ast *target, th_tir *object, th_tir *index) {
    ty t = tc_force(c, object->type);
    uint8_t kind = c->types[t].kind;
    if (kind != TH_KIND_LIST && kind != TH_KIND_DICT) {
        if (t == T_BAD) return tc_bad(c, ch->ast);
        if (tc_error(c, TH_E_TYPE, target, "the parts of %s cannot be changed", tc_text(c, t))) {
            if (kind == TH_KIND_OPTION) tc_hint(c, "it may be null: test it with `!= null` first");
            if (kind == TH_KIND_TUPLE) tc_hint(c, "make a new one: `{ a, b }`");
        }
        return tc_bad(c, ch->ast);
    }
    kept o = {.simple = object}, i = {.simple = index};
    if (ch->op) {
        o = keep(c, object, target);
        i = keep(c, index, target);
        object = again(c, &o, target);
        index = again(c, &i, target);
    }
    th_tir *old = tc_index_of(c, target, object, index);
    if (old->type == T_BAD) return old;
    ty element = tc_arg(c, t, kind == TH_KIND_LIST ? 0 : 1);
    th_tir *value = new_value(c, ch, old, element);
    if (value->type == T_BAD) return value;
    object = ch->op ? again(c, &o, target) : old->kids[0];
    index = ch->op ? again(c, &i, target) : old->kids[1];
    th_tir_kind set = kind == TH_KIND_LIST ? TH_TIR_INDEX_SET : TH_TIR_DICT_SET;
    if (kind == TH_KIND_DICT && tc_arg(c, t, 0) == TH_TYPE_STRING && index->type == TH_TYPE_SYMBOL)
        index->type = TH_TYPE_STRING;
    return with_lets(c, &o, &i, tc_node(c, set, TH_TYPE_VOID, ch->ast, 3, object, index, value), ch->ast);
}

static th_tir *change_element(checker *c, const change *ch, const th_ast *target) {
    th_tir *object = tc_value(c, target->kids[0]);
    th_tir *index = tc_value(c, target->kids[1]);
    if (object->type == T_BAD || index->type == T_BAD) {
        if (ch->value) tc_value(c, ch->value);
        return tc_bad(c, ch->ast);
    }
    tc_changes(c, object, target);
    return set_element(c, ch, target, object, index);
}

static th_tir *change_field(checker *c, const change *ch, const th_ast *target, ty want) {
    ref r = tc_resolve_ref(c, target);
    if (r.kind == REF_SYM || r.kind == REF_TOLD) return change_name(c, ch, target, want);
    th_tir *object = tc_value(c, target->kids[0]);
    ty t = tc_force(c, object->type);
    if (t != T_BAD && c->types[t].kind != TH_KIND_STRUCT && c->types[t].kind != TH_KIND_OPTION) {
        tc_error(c, TH_E_TYPE, target, "the parts of %s cannot be changed", tc_text(c, t));
        return tc_bad(c, ch->ast);
    }
    kept o = ch->op ? keep(c, object, target) : (kept){.simple = object};
    th_tir *read = tc_member_of(c, target, ch->op ? again(c, &o, target) : object, target->text);
    if (read->type == T_BAD) {
        if (ch->value) tc_value(c, ch->value);
        return read;
    }
    tc_changes(c, object, target);
    uint32_t index = read->index;
    th_tir *value = new_value(c, ch, read, read->type);
    if (value->type == T_BAD) return value;
    th_tir *n = tc_node(c, TH_TIR_FIELD_SET, TH_TYPE_VOID, ch->ast, 2, ch->op ? again(c, &o, target) : object, value);
    n->index = index;
    return with_lets(c, &o, NULL, n, ch->ast);
}

static th_tir *assignment(checker *c, const th_ast *ast, ty want) {
    bool step = ast->kind == TH_AST_INCREMENT;
    change ch = {ast, step ? (ast->op == TH_TOKEN_INCREMENT ? TH_TOKEN_PLUS : TH_TOKEN_MINUS) : operator_of(ast->op),
                 step ? NULL : tc_kid(ast, 1)};
    const th_ast *target = ast->kids[0];
    switch (target->kind) {
    case TH_AST_NAME: return change_name(c, &ch, target, want);
    case TH_AST_INDEX: return change_element(c, &ch, target);
    case TH_AST_MEMBER: return change_field(c, &ch, target, want);
    case TH_AST_ERROR: return tc_bad(c, ast);
    default: tc_error(c, TH_E_SYNTAX, target, "this cannot be assigned to"); return tc_bad(c, ast);
    }
}

/* ---- Ways out ----------------------------------------------------------------------------------------------- */

static th_tir *jump(checker *c, th_tir_kind kind, const th_ast *ast) {
    c->facts = &tc_dead;
    return tc_node(c, kind, T_NEVER, ast, 0);
}

/* Leaves by way of the `finally` of `out`: every loop in between is left too. */
static th_tir *leave_by(checker *c, loop *out, int how, const th_ast *ast) {
    th_tir *set = set_local(c, out->exit, tc_int(c, TH_TYPE_I64, how, ast), ast);
    for (loop *l = c->cur->loop; l != out; l = l->outer) {
        l->passes = true;
        l->has_break = true;
    }
    out->has_break = true;
    return tc_seq(c, set, jump(c, TH_TIR_BREAK, ast), ast);
}

static th_tir *loop_jump(checker *c, const th_ast *ast, bool is_break) {
    for (loop *l = c->cur ? c->cur->loop : NULL; l; l = l->outer) {
        if (l->artificial) {
            loop *user = l->outer;
            while (user && user->artificial) user = user->outer;
            if (!user) break;
            if (is_break)
                l->exits_break = true;
            else
                l->exits_continue = true;
            return leave_by(c, l, is_break ? EXIT_BREAK : EXIT_CONTINUE, ast);
        }
        if (is_break) {
            l->break_state = tc_merge(c, l->break_state, c->facts);
            l->has_break = true;
        }
        return jump(c, is_break ? TH_TIR_BREAK : TH_TIR_CONTINUE, ast);
    }
    tc_error(c, TH_E_SYNTAX, ast, "`%s` stands outside a loop", is_break ? "break" : "continue");
    return tc_bad(c, ast);
}

static loop *finally_around(const inst *i) {
    for (loop *l = i->loop; l; l = l->outer)
        if (l->artificial) return l;
    return NULL;
}

/* A return of a checked value (NULL: none); `ast` of the statement. */
static th_tir *return_node(checker *c, th_tir *value, const th_ast *ast) {
    inst *i = c->cur;
    loop *out = finally_around(i);
    if (!out) {
        th_tir *n =
            value ? tc_node(c, TH_TIR_RETURN, T_NEVER, ast, 1, value) : tc_node(c, TH_TIR_RETURN, T_NEVER, ast, 0);
        TC_PUSH(c, i->returns, i->nreturns, i->returns_cap, n);
        TC_PUSH(c, i->return_asts, i->nreturn_asts, i->return_asts_cap, tc_kid(ast, 0) ? ast->kids[0] : ast);
        c->facts = &tc_dead;
        return n;
    }
    out->exits_return = true;
    if (!value) return leave_by(c, out, EXIT_RETURN, ast);
    if (i->inferred) value = tc_coerce(c, value, i->result, ast);
    if (!out->slot) { out->slot = tc_var_new(c, (th_view){0}, tc_option(c, value->type), ast); }
    th_tir *set = set_local(c, out->slot, tc_coerce(c, value, out->slot->type, ast), ast);
    return tc_seq(c, set, leave_by(c, out, EXIT_RETURN, ast), ast);
}

static th_tir *return_statement(checker *c, const th_ast *ast) {
    const th_ast *value_ast = tc_kid(ast, 0);
    inst *i = c->cur;
    if (!i->func) {
        tc_error(c, TH_E_SYNTAX, ast, "`return` stands outside a function");
        return tc_bad(c, ast);
    }
    th_tir *value = NULL;
    if (value_ast && !i->inferred && i->result == TH_TYPE_VOID) {
        value = tc_expr(c, value_ast, T_NONE);
        if (value->type != TH_TYPE_VOID && value->type != T_BAD && !value->never) {
            if (tc_error(c, TH_E_TYPE, value_ast, "`%.*s` gives no value, but %s is returned", V(i->func->name),
                         tc_text(c, value->type)) &&
                i->func->def)
                tc_note(c, i->func->file, i->func->def, "it is declared as void here");
            value = tc_bad(c, ast);
        } else if (value->type == TH_TYPE_VOID && !value->never) {
            th_tir *after = return_node(c, NULL, ast);
            return tc_seq(c, value, after, ast);
        }
    } else if (value_ast) {
        size_t told = c->diags->error_count;
        value = i->inferred ? tc_value(c, value_ast) : tc_expr(c, value_ast, i->result);
        if (value->type == T_BAD && i->func->def && tc_mismatched(c, told, value_ast))
            tc_note(c, i->func->file, i->func->def, "`%.*s` gives %s", V(i->func->name), tc_text(c, i->result));
    } else if (!i->inferred && i->result != TH_TYPE_VOID && i->result != T_BAD) {
        tc_error(c, TH_E_TYPE, ast, "`%.*s` must return %s", V(i->func->name), tc_text(c, i->result));
    }
    if (value && value->type == T_BAD) {
        c->facts = &tc_dead;
        th_tir *bad = tc_bad(c, ast);
        bad->never = true;
        return bad;
    }
    return return_node(c, value, ast);
}

/* ---- Loops -------------------------------------------------------------------------------------------------- */

static loop *enter_loop(checker *c) {
    loop *l = tc_new(c, sizeof *l);
    l->outer = c->cur->loop;
    l->break_state = &tc_dead;
    c->cur->loop = l;
    return l;
}

/* The loop is done: facts after it, and the next way out when it was left on the way to a `finally`. */
static th_tir *leave_loop(checker *c, loop *l, th_tir *node, fact *normal, const th_ast *ast) {
    c->cur->loop = l->outer;
    c->facts = tc_merge(c, normal, l->break_state);
    if (!l->passes) return node;
    loop *out = finally_around(c->cur);
    th_tir *leaving = tc_op(c, TH_TIR_BINARY, TH_TIR_NE, TH_TYPE_BOOL, ast, tc_local_read(c, out->exit, ast),
                            tc_int(c, TH_TYPE_I64, EXIT_NONE, ast));
    node->never = false;
    th_tir *pass =
        tc_node(c, TH_TIR_IF, TH_TYPE_VOID, ast, 3, leaving, tc_node(c, TH_TIR_BREAK, T_NEVER, ast, 0), NULL);
    return tc_seq(c, node, pass, ast);
}

static th_tir *loop_body(checker *c, const th_ast *ast) {
    if (!ast) return tc_void(c, NULL);
    if (ast->kind == TH_AST_BLOCK) return tc_expr(c, ast, TH_TYPE_VOID);
    const th_ast *block = c->block;
    c->block = NULL;
    tc_push_scope(c);
    th_tir *n = tc_expr(c, ast, TH_TYPE_VOID);
    tc_pop_scope(c);
    c->block = block;
    return n;
}

static th_tir *while_loop(checker *c, const th_ast *ast, const th_ast *condition, const th_ast *step,
                          const th_ast *body) {
    tc_forget(c, condition);
    tc_forget(c, body);
    tc_forget(c, step);
    fact *if_true = c->facts, *if_false = &tc_dead;
    loop *l = enter_loop(c);
    th_tir *test = condition ? tc_condition(c, condition, &if_true, &if_false) : tc_bool(c, true, ast);
    c->facts = if_true;
    th_tir *inner = loop_body(c, body);
    c->facts = if_true;
    th_tir *next = step ? tc_expr(c, step, TH_TYPE_VOID) : NULL;
    th_tir *n = tc_node(c, TH_TIR_WHILE, TH_TYPE_VOID, ast, 3, test, inner, next);
    if (if_false == &tc_dead && !l->has_break) n->never = true;
    n = leave_loop(c, l, n, if_false, ast);
    if (test->type == T_BAD || inner->type == T_BAD || (next && next->type == T_BAD)) return tc_bad(c, ast);
    return n;
}

static th_tir *for_loop(checker *c, const th_ast *ast) {
    tc_push_scope(c);
    th_tir *init = tc_kid(ast, 0) ? tc_expr(c, ast->kids[0], TH_TYPE_VOID) : NULL;
    th_tir *n = while_loop(c, ast, tc_kid(ast, 1), tc_kid(ast, 2), tc_kid(ast, 3));
    tc_pop_scope(c);
    if (init && init->type == T_BAD) return init;
    return init ? tc_seq(c, init, n, ast) : n;
}

/* What a for-in loop goes over: numbers from..to, or the elements of one or two lists. */
typedef struct sequence {
    th_tir *from, *to;  /* a range */
    th_tir *lets;       /* what is computed before */
    var *list, *second; /* lists of equal length */
    bool aliases;       /* the elements are part of what the user named */
} sequence;

static bool is_range_call(checker *c, const th_ast *ast) {
    return ast->kind == TH_AST_CALL && ast->kids[0]->kind == TH_AST_NAME && th_view_is(ast->kids[0]->text, "range") &&
           (ast->nkids == 2 || ast->nkids == 3) && !tc_lookup(c, ast->kids[0]->text);
}

static th_tir *whole(checker *c, const th_ast *ast) {
    th_tir *n = tc_value(c, ast);
    ty t = tc_force(c, n->type);
    if (tc_is_int(t) && t != TH_TYPE_I64) return tc_node(c, TH_TIR_CONVERT, TH_TYPE_I64, ast, 1, n);
    return tc_coerce(c, n, TH_TYPE_I64, ast);
}

static var *list_var(checker *c, sequence *s, th_tir *list, const th_ast *ast) {
    var *v = tc_var_new(c, (th_view){0}, list->type, ast);
    th_tir *let = tc_let(c, v, list, ast);
    s->lets = s->lets ? tc_seq(c, s->lets, let, ast) : let;
    return v;
}

static bool over_dict(checker *c, const th_ast *ast, sequence *s, th_tir *dict, bool pairs) {
    var *d = list_var(c, s, dict, ast);
    th_tir *keys = tc_call_named(c, "Dict.keys", ast, 1, tc_local_read(c, d, ast));
    if (keys->type == T_BAD) return false;
    s->list = list_var(c, s, keys, ast);
    if (!pairs) return true;
    th_tir *values = tc_call_named(c, "Dict.values", ast, 1, tc_local_read(c, d, ast));
    if (values->type == T_BAD) return false;
    s->second = list_var(c, s, values, ast);
    return true;
}

static bool sequence_of(checker *c, const th_ast *ast, sequence *s, bool pairs) {
    *s = (sequence){0};
    if (ast->kind == TH_AST_RANGE || is_range_call(c, ast)) {
        bool one = ast->kind == TH_AST_CALL && ast->nkids == 2;
        const th_ast *from = ast->kids[ast->kind == TH_AST_CALL ? 1 : 0], *to = ast->kids[ast->nkids - 1];
        s->from = one ? tc_int(c, TH_TYPE_I64, 0, ast) : whole(c, from);
        s->to = whole(c, to);
        return s->from->type != T_BAD && s->to->type != T_BAD;
    }
    th_tir *n = tc_value(c, ast);
    ty t = tc_force(c, n->type);
    switch (c->types[t].kind) {
    case K_BAD: return false;
    case TH_KIND_LIST: s->aliases = true; break;
    case TH_KIND_DICT: return over_dict(c, ast, s, n, pairs);
    case TH_KIND_STRING: n = tc_call_named(c, "String.chars", ast, 1, n); break;
    case TH_KIND_TABLE: n = tc_call_named(c, "Table.rows", ast, 1, n); break;
    default:
        if (tc_is_int(t)) {
            tc_error(c, TH_E_TYPE, ast, "a loop cannot go over %s", tc_text(c, t));
            tc_hint(c, "write `0..n` or `range(n)`");
        } else if (tc_error(c, TH_E_TYPE, ast, "a loop cannot go over %s", tc_text(c, t)) &&
                   c->types[t].kind == TH_KIND_OPTION)
            tc_hint(c, "it may be null: test it with `!= null` first");
        return false;
    }
    if (n->type == T_BAD) return false;
    s->list = list_var(c, s, n, ast);
    return true;
}

static th_tir *element(checker *c, var *list, var *index, const th_ast *ast) {
    return tc_node(c, TH_TIR_INDEX, tc_arg(c, list->type, 0), ast, 2, tc_local_read(c, list, ast),
                   tc_local_read(c, index, ast));
}

static bool plain_name(const th_ast *p) { return p->kind == TH_AST_NAME || p->kind == TH_AST_BIND; }

/* Binds what a turn of the loop goes by; what to do first is added to `nodes`. */
static th_tir *bind_turn(checker *c, const th_ast *pattern, th_tir *value, const sequence *s, const th_ast *over) {
    if (!plain_name(pattern)) return tc_destructure(c, pattern, value);
    const th_ast *written = tc_kid(pattern, 0);
    ty t = written ? tc_resolve(c, written, NULL) : T_NONE;
    if (written) value = tc_coerce(c, value, t, pattern);
    var *v = tc_bind(c, pattern->text, tc_zonk(c, t == T_NONE ? value->type : t), pattern, s->aliases);
    if (value->type == T_BAD) return tc_bad(c, pattern);
    if (s->aliases && s->lets->kids[0]) tc_alias(c, v, s->lets->kids[0], over);
    return tc_let(c, v, value, pattern);
}

static th_tir *bind_pair(checker *c, const th_ast *pattern, const sequence *s, var *index) {
    th_tir *both[2] = {NULL, NULL};
    var *lists[2] = {s->list, s->second};
    for (uint32_t i = 0; i < 2; i++) {
        const th_ast *p = pattern->kids[i];
        th_tir *value = element(c, lists[i], index, p);
        sequence none = {0};
        both[i] = p->kind == TH_AST_WILDCARD ? tc_void(c, p) : bind_turn(c, p, value, &none, p);
    }
    return tc_seq(c, both[0], both[1], pattern);
}

static th_tir *for_in(checker *c, const th_ast *ast) {
    const th_ast *pattern = ast->kids[0], *over = ast->kids[1], *body = tc_kid(ast, 2);
    bool pairs = (pattern->kind == TH_AST_TUPLE_PATTERN || pattern->kind == TH_AST_LIST_PATTERN) && pattern->nkids == 2;
    sequence s;
    tc_push_scope(c);
    bool good = sequence_of(c, over, &s, pairs);
    tc_forget(c, body);
    fact *before = c->facts;
    loop *l = enter_loop(c);
    th_tir *bind = NULL;
    bool direct = good && s.from && pattern->kind != TH_AST_WILDCARD && plain_name(pattern) && !tc_kid(pattern, 0);
    var *index =
        direct ? tc_bind(c, pattern->text, TH_TYPE_I64, pattern, false) : tc_var_new(c, (th_view){0}, TH_TYPE_I64, ast);
    if (!good) {
        if (plain_name(pattern))
            tc_bind(c, pattern->text, T_BAD, pattern, true);
        else
            tc_destructure(c, pattern, tc_bad(c, pattern));
    } else if (pattern->kind != TH_AST_WILDCARD && !direct) {
        th_tir *value = s.from ? tc_local_read(c, index, pattern) : NULL;
        bind = s.second ? bind_pair(c, pattern, &s, index)
                        : bind_turn(c, pattern, value ? value : element(c, s.list, index, pattern), &s, over);
    }
    th_tir *inner = loop_body(c, body);
    if (direct && index->local->captured) { /* a closure keeps the number of its own turn */
        var *turn = tc_var_new(c, (th_view){0}, TH_TYPE_I64, ast);
        inner = tc_seq(c, tc_let(c, index, tc_local_read(c, turn, ast), ast), inner, ast);
        index = turn;
    }
    if (bind) inner = tc_seq(c, bind, inner, ast);
    th_tir *from = s.from ? s.from : tc_int(c, TH_TYPE_I64, 0, ast);
    th_tir *to = s.to   ? s.to
                 : good ? tc_node(c, TH_TIR_LEN, TH_TYPE_I64, over, 1, tc_local_read(c, s.list, over))
                        : from;
    th_tir *n = tc_node(c, TH_TIR_FOR_RANGE, TH_TYPE_VOID, ast, 3, from, to, inner);
    n->local = index->local;
    n = leave_loop(c, l, n, before, ast);
    tc_pop_scope(c);
    if (!good || inner->type == T_BAD || (bind && bind->type == T_BAD)) return tc_bad(c, ast);
    return s.lets ? tc_seq(c, s.lets, n, ast) : n;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static th_tir *throw_statement(checker *c, const th_ast *ast) {
    th_tir *value = tc_value(c, ast->kids[0]);
    ty t = tc_force(c, value->type);
    c->facts = &tc_dead;
    if (t == TH_TYPE_ERROR) return tc_node(c, TH_TIR_THROW, T_NEVER, ast, 1, value);
    if (t == TH_TYPE_STRING) {
        th_tir *n = tc_node(c, TH_TIR_TRAP, T_NEVER, ast, 1, value);
        n->index = TH_E_TRAP;
        return n;
    }
    if (t != T_BAD) tc_error(c, TH_E_TYPE, ast->kids[0], "a String or an Error can be thrown, found %s", tc_text(c, t));
    return tc_bad(c, ast);
}

/* try and catch without `finally`. */
static th_tir *try_catch(checker *c, const th_ast *ast, ty want) {
    const th_ast *handler_ast = tc_kid(ast, 1);
    fact *before = c->facts;
    th_tir *body = tc_expr(c, ast->kids[0], want);
    if (!handler_ast) return body;
    fact *after = c->facts;
    c->facts = before;
    tc_forget(c, ast->kids[0]);
    tc_push_scope(c);
    var *e = tc_bind(c, ast->text, TH_TYPE_ERROR, ast, false);
    th_tir *handler = tc_expr(c, handler_ast, want);
    tc_pop_scope(c);
    c->facts = tc_merge(c, after, c->facts);
    if (body->type == T_BAD || handler->type == T_BAD) return tc_bad(c, ast);
    ty type = want;
    if (want == T_NONE) {
        th_tir *both[2] = {body, handler};
        const th_ast *asts[2] = {ast->kids[0], handler_ast};
        tc_join_nodes(c, both, asts, 2, &type, true);
        body = both[0];
        handler = both[1];
        if (type == T_NEVER) type = TH_TYPE_VOID;
    }
    th_tir *n = tc_node(c, TH_TIR_TRY, type, ast, 2, body, handler);
    n->local = e->local;
    return n;
}

static th_tir *is_exit(checker *c, var *exit, int how, const th_ast *ast) {
    return tc_op(c, TH_TIR_BINARY, TH_TIR_EQ, TH_TYPE_BOOL, ast, tc_local_read(c, exit, ast),
                 tc_int(c, TH_TYPE_I64, how, ast));
}

static th_tir *resume_exit(checker *c, loop *l, int how, th_tir *jump_node, const th_ast *ast) {
    return tc_node(c, TH_TIR_IF, TH_TYPE_VOID, ast, 3, is_exit(c, l->exit, how, ast), jump_node, NULL);
}

static th_tir *unslot(checker *c, var *slot, ty type, const th_ast *ast) {
    th_tir *n = tc_local_read(c, slot, ast);
    return slot->type == type ? n : tc_node(c, TH_TIR_UNWRAP, type, ast, 1, n);
}

/* After the `finally` part: goes on with the way out that led to it. */
static uint32_t resume_exits(checker *c, loop *l, var *error, th_tir **nodes, uint32_t n, const th_ast *ast) {
    fact *facts = c->facts;
    nodes[n++] = resume_exit(c, l, EXIT_THROW,
                             tc_node(c, TH_TIR_THROW, T_NEVER, ast, 1,
                                     tc_node(c, TH_TIR_UNWRAP, TH_TYPE_ERROR, ast, 1, tc_local_read(c, error, ast))),
                             ast);
    if (l->exits_return) {
        ty result = c->cur->result;
        th_tir *value = l->slot ? unslot(c, l->slot, tc_shallow(c, result), ast) : NULL;
        nodes[n++] = resume_exit(c, l, EXIT_RETURN, return_node(c, value, ast), ast);
        c->facts = facts;
    }
    if (l->exits_break) {
        nodes[n++] = resume_exit(c, l, EXIT_BREAK, loop_jump(c, ast, true), ast);
        c->facts = facts;
    }
    if (l->exits_continue) {
        nodes[n++] = resume_exit(c, l, EXIT_CONTINUE, loop_jump(c, ast, false), ast);
        c->facts = facts;
    }
    return n;
}

static th_tir *option_slot(checker *c, var *v, const th_ast *ast) {
    return tc_let(c, v, tc_node(c, TH_TIR_NULL, v->type, ast, 0), ast);
}

static th_tir *try_finally(checker *c, const th_ast *ast, ty want) {
    loop *l = tc_new(c, sizeof *l);
    *l = (loop){.outer = c->cur->loop, .artificial = true};
    l->exit = tc_var_new(c, (th_view){0}, TH_TYPE_I64, ast);
    var *error = tc_var_new(c, (th_view){0}, tc_option(c, TH_TYPE_ERROR), ast);
    var *caught = tc_var_new(c, (th_view){0}, TH_TYPE_ERROR, ast), *result = NULL;
    fact *before = c->facts;
    c->cur->loop = l;
    th_tir *inner = try_catch(c, ast, want);
    c->cur->loop = l->outer;
    fact *after = c->facts;
    ty type = want == TH_TYPE_VOID ? TH_TYPE_VOID : tc_zonk(c, inner->type);
    bool value = type != TH_TYPE_VOID && type != T_NEVER && type != T_BAD && !inner->never;
    if (value) {
        result = tc_var_new(c, (th_view){0}, tc_option(c, type), ast);
        inner = set_local(c, result, tc_coerce(c, inner, result->type, ast), ast);
    }
    th_tir *keep_error = set_local(c, error, tc_coerce(c, tc_local_read(c, caught, ast), error->type, ast), ast);
    th_tir *handler = tc_seq(c, keep_error, set_local(c, l->exit, tc_int(c, TH_TYPE_I64, EXIT_THROW, ast), ast), ast);
    th_tir *guarded = tc_node(c, TH_TIR_TRY, TH_TYPE_VOID, ast, 2, inner, handler);
    guarded->local = caught->local;
    guarded->never = false;
    th_tir *once = tc_node(c, TH_TIR_WHILE, TH_TYPE_VOID, ast, 3, tc_bool(c, true, ast),
                           tc_seq(c, guarded, tc_node(c, TH_TIR_BREAK, T_NEVER, ast, 0), ast), NULL);
    th_tir **nodes = tc_new(c, 12 * sizeof *nodes);
    uint32_t n = 0;
    nodes[n++] = tc_let(c, l->exit, tc_int(c, TH_TYPE_I64, EXIT_NONE, ast), ast);
    nodes[n++] = option_slot(c, error, ast);
    if (result) nodes[n++] = option_slot(c, result, ast);
    if (l->slot) nodes[n++] = option_slot(c, l->slot, ast);
    nodes[n++] = once;
    c->facts = before;
    tc_forget(c, ast->kids[0]);
    if (tc_kid(ast, 1)) tc_forget(c, ast->kids[1]);
    th_tir *last = tc_expr(c, ast->kids[2], TH_TYPE_VOID);
    nodes[n++] = last;
    bool ends = c->facts == &tc_dead;
    n = resume_exits(c, l, error, nodes, n, ast);
    c->facts = ends ? &tc_dead : after;
    if (inner->type == T_BAD || last->type == T_BAD) return tc_bad(c, ast);
    if (value) nodes[n++] = unslot(c, result, type, ast);
    th_tir *block = tc_node_list(c, TH_TIR_BLOCK, value ? type : TH_TYPE_VOID, ast, nodes, n);
    return block;
}

/* ---- Blocks ------------------------------------------------------------------------------------------------- */

static void warn_unreached(checker *c, const th_ast *ast, bool *told) {
    if (*told || c->facts != &tc_dead) return;
    *told = true;
    tc_warn(c, ast, "this is never reached");
}

th_tir *tc_block(checker *c, const th_ast *ast, ty want, bool own_scope) {
    if (own_scope) tc_push_scope(c);
    uint32_t n = ast->nkids;
    th_tir **nodes = tc_new(c, (n + 1) * sizeof *nodes);
    bool bad = false, told = c->facts == &tc_dead, never = false;
    const th_ast *outer_block = c->block;
    for (uint32_t i = 0; i < n; i++) {
        warn_unreached(c, ast->kids[i], &told);
        c->block = ast;
        bool last = i + 1 == n && !never;
        nodes[i] = tc_expr(c, ast->kids[i], last ? want : TH_TYPE_VOID);
        bad |= nodes[i]->type == T_BAD;
        never |= nodes[i]->never;
    }
    c->block = outer_block;
    if (own_scope) tc_pop_scope(c);
    ty type = n && want != TH_TYPE_VOID && !never ? nodes[n - 1]->type : TH_TYPE_VOID;
    if (type == T_NEVER) type = TH_TYPE_VOID;
    if (bad) {
        th_tir *b = tc_bad(c, ast);
        b->never = never;
        return b;
    }
    if (n == 1 && nodes[0]->type == type) return nodes[0];
    return tc_node_list(c, TH_TIR_BLOCK, type, ast, nodes, n);
}

th_tir *tc_statement(checker *c, const th_ast *ast, ty want) {
    switch (ast->kind) {
    case TH_AST_BINDING: return binding(c, ast, want);
    case TH_AST_PATTERN_BINDING: return tc_destructure(c, ast->kids[0], tc_value(c, ast->kids[1]));
    case TH_AST_VARIABLE: return declaration(c, ast, want);
    case TH_AST_FUNCTION: return local_function(c, ast, ast, NULL, want);
    case TH_AST_STRUCT:
    case TH_AST_ENUM: tc_declare_type(c, ast); return tc_void(c, ast);
    case TH_AST_ASSIGN:
    case TH_AST_INCREMENT: return assignment(c, ast, want);
    case TH_AST_WHILE: return while_loop(c, ast, ast->kids[0], NULL, tc_kid(ast, 1));
    case TH_AST_FOR: return for_loop(c, ast);
    case TH_AST_FOR_IN: return for_in(c, ast);
    case TH_AST_BREAK: return loop_jump(c, ast, true);
    case TH_AST_CONTINUE: return loop_jump(c, ast, false);
    case TH_AST_RETURN: return return_statement(c, ast);
    case TH_AST_TRY: return tc_kid(ast, 2) ? try_finally(c, ast, want) : try_catch(c, ast, want);
    case TH_AST_THROW: return throw_statement(c, ast);
    case TH_AST_PAIR:
    case TH_AST_LINK:
    case TH_AST_CAPSULE: tc_error(c, TH_E_SYNTAX, ast, "this cannot stand here"); return tc_bad(c, ast);
    default: tc_error(c, TH_E_SYNTAX, ast, "an expression or a statement is expected here"); return tc_bad(c, ast);
    }
}
