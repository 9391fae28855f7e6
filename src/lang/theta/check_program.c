/*
** check_program.c - a whole program: links, capsules, bare statements, the order in which members are checked.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

/* ---- Links -------------------------------------------------------------------------------------------------- */

static const th_ast *parse_source(checker *c, const th_source *source) {
    th_ast *ast = NULL;
    if (th_theta_parse(c->arena, source, c->diags, NULL, &ast) != TH_OK) tc_no_memory(c);
    return ast;
}

static bool declared(checker *c, th_view name) {
    for (capsule *cap = c->capsules; cap; cap = cap->next)
        if (th_view_eq(cap->name, name)) return true;
    return false;
}

static void declare_file(checker *c, file *f) {
    for (uint32_t i = 0; i < f->ast->nkids; i++)
        if (f->ast->kids[i]->kind == TH_AST_CAPSULE) tc_declare_capsule(c, f->ast->kids[i], f);
}

static bool loaded(checker *c, const char *path) {
    for (uint32_t i = 0; i < c->nfiles; i++)
        if (strcmp(c->files[i]->source->name, path) == 0) return true;
    return false;
}

/* What the capsule would have is not told to be missing as well. */
static void link_failed(checker *c, const th_ast *link) {
    TC_PUSH(c, c->failed_links, c->nfailed_links, c->failed_links_cap, link);
}

static void link_one(checker *c, const th_ast *link, file *from) {
    const char *path = NULL, *text = NULL;
    size_t len = 0;
    c->file = from;
    if (declared(c, link->text)) return;
    th_status status = TH_E_NOT_FOUND;
    /* A capsule inside another is found with the one around it. */
    for (th_view name = link->text; c->options->load_link && name.len && status == TH_E_NOT_FOUND;) {
        status = c->options->load_link(c->options->user, name, from->source->name, &path, &text, &len);
        name.len--;
        while (name.len && name.data[name.len] != '.') name.len--;
    }
    if (status == TH_E_NOT_FOUND) {
        if (tc_capsule(c, link->text)) return; /* a standard one */
        if (!c->options->load_link) {
            link_failed(c, link);
            if (tc_error(c, TH_E_REFERENCE, link, "`%.*s` would be in another file, and none may be read here",
                         V(link->text)))
                tc_hint(c, "grant the capability 'fs', or compile the program before: the compiled one needs no file");
            return;
        }
        link_failed(c, link);
        if (tc_error(c, TH_E_REFERENCE, link, "there is no capsule `%.*s` to link", V(link->text)))
            tc_link_hint(c, link->text);
        return;
    }
    if (status != TH_OK) {
        link_failed(c, link);
        tc_error(c, status, link, "the capsule `%.*s` cannot be read: %s", V(link->text), th_status_text(status));
        return;
    }
    if (loaded(c, path ? path : "")) {
        if (!declared(c, link->text))
            tc_error(c, TH_E_REFERENCE, link, "%s has no capsule `%.*s`", path ? path : "?", V(link->text));
        return;
    }
    th_source *source = tc_new(c, sizeof *source);
    *source = (th_source){tc_printf(c, "%s", path ? path : "?"), text, len};
    file *f = tc_add_file(c, source, false);
    f->ast = parse_source(c, source);
    declare_file(c, f);
    if (!declared(c, link->text))
        tc_error(c, TH_E_REFERENCE, link, "%s has no capsule `%.*s`", source->name, V(link->text));
}

static void load_links(checker *c) {
    for (uint32_t k = 0; k < c->nfiles; k++) { /* files found on the way are added behind */
        file *f = c->files[k];
        if (f->standard) continue;
        for (uint32_t i = 0; i < f->ast->nkids; i++)
            if (f->ast->kids[i]->kind == TH_AST_LINK) link_one(c, f->ast->kids[i], f);
    }
}

/* ---- Bare statements ---------------------------------------------------------------------------------------- */

typedef struct names {
    th_view *items;
    uint32_t count, cap;
} names;

static bool has_name(const names *n, th_view name) {
    for (uint32_t i = 0; i < n->count; i++)
        if (th_view_eq(n->items[i], name)) return true;
    return false;
}

static void pattern_names(checker *c, const th_ast *p, names *out) {
    if (p->text.len && p->kind != TH_AST_FIELDS_PATTERN) TC_PUSH(c, out->items, out->count, out->cap, p->text);
    for (uint32_t i = 0; i < p->nkids; i++)
        if (p->kids[i]) pattern_names(c, p->kids[i], out);
}

static bool mentions(const th_ast *ast, const names *n) {
    if (!ast) return false;
    if (ast->kind == TH_AST_NAME && has_name(n, ast->text)) return true;
    if (ast->kind == TH_AST_BINDING && has_name(n, ast->text)) return true;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (mentions(ast->kids[i], n)) return true;
    return false;
}

static const th_ast *function_part(const th_ast *ast) {
    if (ast->kind == TH_AST_FUNCTION) return ast;
    const th_ast *value = ast->kind == TH_AST_BINDING ? tc_kid(ast, 1) : NULL;
    return value && value->kind == TH_AST_LAMBDA ? value : NULL;
}

/* Which bare items are members (seen by all, in any order): types, and functions that use no bare value. */
static uint8_t *split_bare(checker *c, const th_ast *ast) {
    uint8_t *member = tc_new(c, ast->nkids + 1);
    names values = {0};
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        member[i] = kid->kind == TH_AST_STRUCT || kid->kind == TH_AST_ENUM || function_part(kid);
        if (member[i]) continue;
        if (kid->kind == TH_AST_BINDING || kid->kind == TH_AST_VARIABLE)
            TC_PUSH(c, values.items, values.count, values.cap, kid->text);
        if (kid->kind == TH_AST_PATTERN_BINDING) pattern_names(c, kid->kids[0], &values);
    }
    for (bool again = true; again;) {
        again = false;
        for (uint32_t i = 0; i < ast->nkids; i++) {
            const th_ast *f = member[i] ? function_part(ast->kids[i]) : NULL;
            bool assigned = f && ast->kids[i]->kind == TH_AST_BINDING && has_name(&values, ast->kids[i]->text);
            if (!f || (!assigned && !mentions(f, &values))) continue;
            member[i] = 0;
            again = true;
            TC_PUSH(c, values.items, values.count, values.cap, ast->kids[i]->text);
        }
    }
    return member;
}

static th_ast *make_ast(checker *c, th_ast_kind kind, const th_ast *like, uint32_t nkids) {
    th_ast *a = tc_new(c, sizeof *a);
    *a = (th_ast){.kind = (uint8_t)kind, .nkids = nkids, .from = like->from, .to = like->to};
    a->kids = tc_new(c, (nkids + 1) * sizeof *a->kids);
    return a;
}

static bool is_bare(const th_ast *ast) {
    return ast->kind != TH_AST_LINK && ast->kind != TH_AST_CAPSULE && ast->kind != TH_AST_ERROR;
}

/* Bare statements become the function `main`. NULL: there are none. */
static func *bare_main(checker *c, file *f) {
    const th_ast *ast = f->ast;
    uint32_t bare = 0, statements = 0;
    for (uint32_t i = 0; i < ast->nkids; i++) bare += is_bare(ast->kids[i]);
    if (bare == 0 && c->options->mode == TH_THETA_FILE) return NULL;
    uint8_t *member = split_bare(c, ast);
    th_ast *items = make_ast(c, TH_AST_CAPSULE, ast, ast->nkids), *block = make_ast(c, TH_AST_BLOCK, ast, ast->nkids);
    items->nkids = block->nkids = 0;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        if (!is_bare(ast->kids[i])) continue;
        if (member[i])
            items->kids[items->nkids++] = ast->kids[i];
        else {
            if (statements++ == 0) block->from = ast->kids[i]->from;
            block->to = ast->kids[i]->to;
            block->kids[block->nkids++] = ast->kids[i];
        }
    }
    tc_declare_capsule(c, items, f);
    capsule *cap = c->capsules;
    while (cap && cap->ast != items) cap = cap->next;
    if (!cap || (statements == 0 && c->options->mode == TH_THETA_FILE)) return NULL;
    th_ast *lambda = make_ast(c, TH_AST_LAMBDA, block, 3), *params = make_ast(c, TH_AST_PARAMS, block, 0);
    lambda->kids[0] = params;
    lambda->kids[1] = block;
    c->scope = cap->scope;
    c->file = f;
    func *main = tc_func_new(c, th_view_of("main"), NULL, lambda, NULL);
    c->scope = NULL;
    return main;
}

/* ---- Members ------------------------------------------------------------------------------------------------ */

static bool same_params(checker *c, const func *a, const func *b) {
    if (a->nparams != b->nparams) return false;
    for (uint32_t i = 0; i < a->nparams; i++) {
        ty x = a->params[i].type, y = b->params[i].type;
        if (x == y || x == T_BAD || y == T_BAD) continue;
        if (!c->types[x].generic || !c->types[y].generic || strcmp(tc_text(c, x), tc_text(c, y)) != 0) return false;
    }
    return true;
}

static void check_overloads(checker *c, sym *s) {
    for (func *f = s->funcs; f; f = f->next) {
        if (f->builtin) continue;
        for (func *older = f->next; older; older = older->next) {
            if (older->builtin || f->bad || older->bad || !same_params(c, f, older)) continue;
            c->file = f->file;
            if (tc_error(c, TH_E_REASSIGNMENT, f->def, "`%.*s` with these parameters is defined already, in line %u",
                         V(f->name), tc_span(older->file, older->def).line))
                tc_note(c, older->file, older->def, "the first definition of `%.*s`", V(f->name));
            break;
        }
    }
}

static void sign_members(checker *c) {
    for (capsule *cap = c->capsules; cap; cap = cap->next) {
        if (cap->standard) continue;
        for (sym *s = cap->scope->syms; s; s = s->next) {
            if (s->kind == SYM_TYPE && s->decl) tc_fields(c, s->decl);
            if (s->kind != SYM_FUNCS) continue;
            for (func *f = s->funcs; f; f = f->next) tc_sign(c, f);
            check_overloads(c, s);
        }
    }
}

/* Members are visited after those whose names they mention, with an own stack, so that results that are inferred from
** one another do not nest on the C stack. */
typedef struct visit {
    func *func;
    global *global;
    const th_ast **asts; /* what is still to be looked at */
    uint32_t nasts, asts_cap;
} visit;

typedef struct visits {
    visit *items;
    uint32_t count, cap;
} visits;

static void visit_push(checker *c, visits *v, func *f, global *g) {
    if (f ? f->exported : g->mark) return;
    if (f)
        f->exported = true; /* used as the mark here; set anew when exports are made */
    else
        g->mark = 1;
    visit item = {.func = f, .global = g};
    const th_ast *ast = f ? f->ast : g->ast;
    TC_PUSH(c, item.asts, item.nasts, item.asts_cap, ast);
    TC_PUSH(c, v->items, v->count, v->cap, item);
}

static void visit_done(checker *c, const visit *item) {
    if (item->global) {
        if (item->global->state == 0) tc_global(c, item->global);
        return;
    }
    func *f = item->func;
    tc_sign(c, f);
    if (!f->template_ && !f->bad) tc_instance(c, f, NULL, NULL);
}

static void visit_members(checker *c, visits *v, scope *members) {
    while (v->count) {
        visit *top = &v->items[v->count - 1];
        if (top->nasts == 0) {
            visit done = v->items[--v->count];
            visit_done(c, &done);
            continue;
        }
        const th_ast *ast = top->asts[--top->nasts];
        for (uint32_t i = 0; i < ast->nkids; i++)
            if (ast->kids[i]) TC_PUSH(c, top->asts, top->nasts, top->asts_cap, ast->kids[i]);
        sym *s = NULL;
        for (scope *in = members; in && !s && ast->kind == TH_AST_NAME; in = in->outer)
            s = tc_scope_find(in, ast->text);
        if (s && s->kind == SYM_GLOBAL) visit_push(c, v, NULL, s->global);
        for (func *f = s && s->kind == SYM_FUNCS ? s->funcs : NULL; f; f = f->next)
            if (!f->builtin) visit_push(c, v, f, NULL);
    }
}

static void check_members(checker *c, capsule *cap) {
    uint32_t n = cap->scope->count, k = 0;
    sym **syms = tc_new(c, (n + 1) * sizeof *syms);
    for (sym *s = cap->scope->syms; s && k < n; s = s->next) syms[k++] = s;
    visits v = {0};
    while (k-- > 0) { /* as they stand in the text */
        sym *s = syms[k];
        if (s->kind == SYM_GLOBAL) visit_push(c, &v, NULL, s->global);
        visit_members(c, &v, cap->scope);
        for (func *f = s->kind == SYM_FUNCS ? s->funcs : NULL; f; f = f->next) {
            if (f->builtin) continue;
            visit_push(c, &v, f, NULL);
            visit_members(c, &v, cap->scope);
        }
    }
}

static void drain(checker *c) {
    while (c->queue) {
        inst *i = c->queue;
        c->queue = i->next_queued;
        if (!c->queue) c->queue_end = &c->queue;
        c->cur = NULL;
        c->facts = NULL;
        tc_check_instance(c, i);
    }
}

static void check_globals(checker *c) {
    for (uint32_t i = 0; i < c->nglobals; i++) {
        global *g = c->global_list[i];
        if (!g->file->standard || g->index != UINT32_MAX) tc_check_global_value(c, g);
        drain(c);
    }
}

/* Templates that nothing uses are looked at once: Number as i64, other variables as anything. */
static void check_unused(checker *c) {
    for (func *f = c->funcs; f; f = f->next_all) {
        if (f->file->standard || f->insts || f->bad) continue;
        ty *types = tc_new(c, (f->nvars + 1) * sizeof *types);
        for (uint32_t i = 0; i < f->nvars; i++) types[i] = c->types[f->vars[i]].numeric ? TH_TYPE_I64 : T_BAD;
        tc_instance(c, f, types, NULL);
        drain(c);
    }
}

/* `main = args -> ...`: the parameter of main is the list of the program's arguments when nothing else is written. */
static void check_named_main(checker *c, func *main) {
    tc_sign(c, main);
    if (main->bad || !main->template_ || main->insts || main->nparams != 1) return;
    ty *types = tc_new(c, (main->nvars + 1) * sizeof *types);
    for (uint32_t i = 0; i < main->nvars; i++) types[i] = tc_hole(c, c->types[main->vars[i]].numeric);
    ty param = tc_subst(c, main->params[0].type, main->vars, types, main->nvars);
    if (!tc_unify(c, param, tc_list(c, TH_TYPE_STRING))) return;
    tc_instance(c, main, types, NULL)->arguments = true;
    drain(c);
}

static void check_all(checker *c, func *main, func *named) {
    sign_members(c);
    for (capsule *cap = c->capsules; cap; cap = cap->next)
        if (!cap->standard) check_members(c, cap);
    drain(c);
    if (main) {
        tc_sign(c, main);
        c->file = main->file;
        tc_instance(c, main, NULL, NULL);
    }
    drain(c);
    if (named) check_named_main(c, named);
    check_globals(c);
    check_unused(c);
    tc_check_changes(c);
}

static func *find_main(checker *c, file *f) {
    func *found = NULL;
    for (capsule *cap = c->capsules; cap; cap = cap->next) {
        if (cap->outer && found) continue; /* one inside another is the entry when there is no other */
        sym *s = cap->file == f ? tc_scope_find(cap->scope, th_view_of("main")) : NULL;
        if (s && s->kind == SYM_FUNCS) found = s->funcs;
    }
    return found;
}

static void check_whole(checker *c, const th_source *source, const th_ast *ast, th_tir_program *out) {
    size_t told = c->diags->len;
    tc_types_init(c);
    tc_index_builtins(c);
    file *f = tc_add_file(c, source, false);
    f->ast = ast;
    declare_file(c, f);
    load_links(c);
    func *bare = bare_main(c, f), *named = find_main(c, f);
    if (bare && named && c->options->mode == TH_THETA_FILE && tc_body(bare)->nkids) {
        tc_error_in(c, TH_E_REASSIGNMENT, f, tc_body(bare)->kids[0],
                    "a file has either a function `main` or statements outside of all capsules");
        tc_note(c, named->file, named->def, "`main` is defined here");
    }
    if (bare && named && tc_body(bare)->nkids == 0) bare = NULL;
    check_all(c, bare, named);
    tc_sort_messages(c, told);
    if (c->diags->error_count == 0 && c->status == TH_OK) tc_finish(c, bare ? bare : named, out);
}

th_status tc_check(checker *c, const th_source *source, const th_ast *ast, th_tir_program *out) {
    c->queue_end = &c->queue;
    /* The one place an exhausted memory budget comes back to; see the head of check.h. */
    if (setjmp(c->no_memory))
        c->status = TH_E_NOMEM;
    else
        check_whole(c, source, ast, out);
    tc_drop_verbs(c);
    if (c->schema) th_schema_release(c->schema);
    return c->status;
}
