/*
** resolve.c - binds variables and finds what each function captures. One walk with a stack of its own.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/compiler.h"

typedef enum task_kind {
    VISIT_STRICT,
    VISIT_LAZY,
    CLOSE,     /* the closure of expr is complete */
    BIND,      /* the scope of expr begins */
    UNBIND,    /* and ends */
    BIND_WITH, /* inside the `with` of expr */
    UNBIND_WITH,
} task_kind;

typedef struct task {
    task_kind kind;
    uint32_t depth;
    nix_expr *expr;
} task;

typedef struct resolver {
    nix_source *s;
    task *tasks;
    size_t ntasks, tasks_capacity;
    nix_info **open; /* closures around the place */
    size_t nopen, open_capacity;
    struct {
        nix_name name;
        nix_var *var;
    } *names; /* open addressing by pointer: what each name means here */
    size_t nnames, names_capacity;
    struct {
        uint32_t serial, var;
    } *pairs; /* which closure captures which variable: open addressing */
    size_t npairs, pairs_capacity;
    nix_with *with;
    uint32_t serial, nvars;
    th_status status;
} resolver;

static bool no_memory(resolver *r) {
    if (r->status == TH_OK) r->status = TH_E_NOMEM;
    return false;
}

static void push(resolver *r, task_kind kind, nix_expr *expr, uint32_t depth) {
    if (!expr) return;
    if (r->ntasks == r->tasks_capacity &&
        th_mem_grow(r->s->mem, (void **)&r->tasks, &r->tasks_capacity, r->ntasks + 1, sizeof *r->tasks) != TH_OK) {
        no_memory(r);
        return;
    }
    r->tasks[r->ntasks++] = (task){kind, depth, expr};
}

static nix_info *info_of(resolver *r, nix_expr *e) {
    if (!e->info) {
        e->info = th_arena_zeroed(r->s->arena, sizeof(nix_info));
        if (!e->info) no_memory(r);
    }
    return e->info;
}

static nix_expr *new_expr(resolver *r, nix_kind kind, const nix_expr *like) {
    nix_expr *e = th_arena_zeroed(r->s->arena, sizeof *e);
    if (!e) return no_memory(r), NULL;
    e->kind = kind;
    e->span = like->span;
    e->at = like->at;
    return e;
}

/* ---- Names -------------------------------------------------------------------------------------------------- */

static size_t name_slot(const resolver *r, nix_name name) {
    size_t mask = r->names_capacity - 1, i = th_hash_word((uintptr_t)name) & mask;
    while (r->names[i].name && r->names[i].name != name) i = (i + 1) & mask;
    return i;
}

static bool grow_names(resolver *r) {
    size_t capacity = r->names_capacity ? r->names_capacity * 2 : 256;
    void *names = th_mem_zeroed(r->s->mem, capacity * sizeof *r->names);
    if (!names) return no_memory(r);
    resolver old = *r;
    r->names = names;
    r->names_capacity = capacity;
    for (size_t i = 0; i < old.names_capacity; i++)
        if (old.names[i].name) r->names[name_slot(r, old.names[i].name)] = old.names[i];
    th_mem_free(r->s->mem, old.names, old.names_capacity * sizeof *old.names);
    return true;
}

static nix_var *lookup(const resolver *r, nix_name name) {
    return r->names_capacity ? r->names[name_slot(r, name)].var : NULL;
}

static void bind(resolver *r, nix_var *var) {
    var->bound_at = (uint32_t)r->nopen;
    if (!var->name) return;
    if (r->nnames * 2 >= r->names_capacity && !grow_names(r)) return;
    size_t i = name_slot(r, var->name);
    if (!r->names[i].name) r->nnames++;
    var->shadowed = r->names[i].name ? r->names[i].var : NULL;
    r->names[i].name = var->name;
    r->names[i].var = var;
}

static void unbind(resolver *r, const nix_var *var) {
    if (var->name && r->names_capacity) r->names[name_slot(r, var->name)].var = var->shadowed;
}

static nix_var *new_vars(resolver *r, size_t n) {
    nix_var *vars = th_arena_zeroed(r->s->arena, (n ? n : 1) * sizeof *vars);
    if (!vars) return no_memory(r), NULL;
    for (size_t i = 0; i < n; i++) vars[i].id = ++r->nvars;
    return vars;
}

/* ---- Captures ----------------------------------------------------------------------------------------------- */

static size_t pair_slot(const resolver *r, uint32_t serial, uint32_t var) {
    size_t mask = r->pairs_capacity - 1, i = th_hash_word((uint64_t)serial << 32 | var) & mask;
    while (r->pairs[i].serial && (r->pairs[i].serial != serial || r->pairs[i].var != var)) i = (i + 1) & mask;
    return i;
}

static bool grow_pairs(resolver *r) {
    size_t capacity = r->pairs_capacity ? r->pairs_capacity * 2 : 1024;
    void *pairs = th_mem_zeroed(r->s->mem, capacity * sizeof *r->pairs);
    if (!pairs) return no_memory(r);
    resolver old = *r;
    r->pairs = pairs;
    r->pairs_capacity = capacity;
    for (size_t i = 0; i < old.pairs_capacity; i++)
        if (old.pairs[i].serial) r->pairs[pair_slot(r, old.pairs[i].serial, old.pairs[i].var)] = old.pairs[i];
    th_mem_free(r->s->mem, old.pairs, old.pairs_capacity * sizeof *old.pairs);
    return true;
}

/* False: it has it already. */
static bool add_capture(resolver *r, nix_info *closure, nix_var *var) {
    if (r->npairs * 2 >= r->pairs_capacity && !grow_pairs(r)) return false;
    size_t i = pair_slot(r, closure->serial, var->id);
    if (r->pairs[i].serial) return false;
    r->pairs[i].serial = closure->serial;
    r->pairs[i].var = var->id;
    r->npairs++;
    if (closure->ncaptures == closure->captures_capacity) {
        uint32_t capacity = closure->captures_capacity ? closure->captures_capacity * 2 : 4;
        nix_var **captures = th_arena_new(r->s->arena, capacity * sizeof *captures);
        if (!captures) return no_memory(r);
        if (closure->ncaptures) memcpy(captures, closure->captures, closure->ncaptures * sizeof *captures);
        closure->captures = captures;
        closure->captures_capacity = capacity;
    }
    closure->captures[closure->ncaptures++] = var;
    return true;
}

/* All closures opened since the variable was bound capture it; the outer ones of them may have it already. */
static void use(resolver *r, nix_var *var) {
    if (var->frame) var = var->frame;
    for (size_t i = r->nopen; i > var->bound_at; i--)
        if (!add_capture(r, r->open[i - 1], var)) return;
}

static void open_closure(resolver *r, nix_expr *e, uint32_t depth) {
    nix_info *info = info_of(r, e);
    if (!info) return;
    info->closure = true;
    info->serial = ++r->serial;
    if (r->nopen == r->open_capacity &&
        th_mem_grow(r->s->mem, (void **)&r->open, &r->open_capacity, r->nopen + 1, sizeof(nix_info *)) != TH_OK) {
        no_memory(r);
        return;
    }
    r->open[r->nopen++] = info;
    push(r, CLOSE, e, depth);
}

/* ---- Scopes ------------------------------------------------------------------------------------------------- */

/* `inherit (from) a` becomes a = from.a; one hidden variable holds what all names of the clause are taken from. */
static bool make_hidden(resolver *r, nix_expr *e, nix_info *info) {
    uint32_t n = 0;
    const nix_expr *last = NULL;
    for (uint32_t i = 0; i < e->nbindings; i++) {
        if (e->bindings[i].from && e->bindings[i].from != last) n++;
        last = e->bindings[i].from;
    }
    info->hidden = new_vars(r, n);
    info->hidden_values = th_arena_zeroed(r->s->arena, (n ? n : 1) * sizeof *info->hidden_values);
    if (!info->hidden || !info->hidden_values) return no_memory(r);
    last = NULL;
    for (uint32_t i = 0; i < e->nbindings; i++) {
        nix_binding *b = &e->bindings[i];
        if (b->from && b->from != last) info->hidden_values[info->nhidden++] = b->from;
        last = b->from;
        if (!b->from) continue;
        nix_expr *var = new_expr(r, NIX_VAR, b->from), *select = new_expr(r, NIX_SELECT, b->from);
        nix_attr_name *path = th_arena_zeroed(r->s->arena, sizeof *path);
        nix_info *ref = var ? info_of(r, var) : NULL;
        if (!ref || !select || !path) return no_memory(r);
        ref->ref = NIX_REF_VAR;
        ref->var = &info->hidden[info->nhidden - 1];
        *path = (nix_attr_name){.name = b->name, .span = b->span};
        select->at = select->span = b->span;
        select->left = var;
        select->path = path;
        select->npath = 1;
        b->value = select;
    }
    return true;
}

/* `inherit a` becomes a = a, where the second a is that of outside: its value is a variable visited there. */
static bool make_inherited(resolver *r, nix_expr *e, uint32_t depth) {
    for (uint32_t i = e->nbindings; i-- > 0;) {
        nix_binding *b = &e->bindings[i];
        if (!b->inherited || b->from) continue;
        nix_expr *var = new_expr(r, NIX_VAR, e);
        if (!var) return false;
        var->span = var->at = b->span;
        var->name = b->name;
        b->value = var;
        push(r, VISIT_LAZY, var, depth);
    }
    return true;
}

static void visit_bindings(resolver *r, nix_expr *e, uint32_t depth) {
    for (uint32_t i = e->ndynamics; i-- > 0;) {
        push(r, VISIT_LAZY, e->dynamics[i].value, depth);
        push(r, VISIT_STRICT, e->dynamics[i].name, depth);
    }
    for (uint32_t i = e->nbindings; i-- > 0;)
        if (!e->bindings[i].inherited || e->bindings[i].from) push(r, VISIT_LAZY, e->bindings[i].value, depth);
    nix_info *info = nix_info_of(e);
    for (uint32_t i = info->nhidden; i-- > 0;) push(r, VISIT_LAZY, info->hidden_values[i], depth);
}

static void visit_scope(resolver *r, nix_expr *e, uint32_t depth) {
    nix_info *info = info_of(r, e);
    if (!info || !make_hidden(r, e, info)) return;
    bool scope = e->kind == NIX_LET || e->recursive;
    if (!scope) {
        push(r, UNBIND, e, depth);
        visit_bindings(r, e, depth);
        push(r, BIND, e, depth);
        (void)make_inherited(r, e, depth);
        return;
    }
    info->vars = new_vars(r, e->nbindings);
    if (!info->vars) return;
    bool overrides = false;
    for (uint32_t i = 0; i < e->nbindings; i++) {
        info->vars[i].name = e->bindings[i].name;
        overrides |= e->kind == NIX_ATTRS && th_view_is(th_view_str(e->bindings[i].name), "__overrides");
    }
    if (e->nbindings > NIX_FRAME_FROM || overrides) {
        info->frame = new_vars(r, 1);
        if (!info->frame) return;
        for (uint32_t i = 0; i < e->nbindings; i++) {
            info->vars[i].frame = info->frame;
            info->vars[i].field = i;
        }
    }
    push(r, UNBIND, e, depth);
    if (e->kind == NIX_LET) push(r, VISIT_STRICT, e->right, depth);
    visit_bindings(r, e, depth);
    push(r, BIND, e, depth);
    (void)make_inherited(r, e, depth);
}

static void bind_scope(resolver *r, nix_expr *e, bool enter) {
    nix_info *info = nix_info_of(e);
    if (enter) {
        if (info->frame) info->frame->bound_at = (uint32_t)r->nopen;
        for (uint32_t i = 0; i < info->nhidden; i++) bind(r, &info->hidden[i]);
    }
    if (e->kind == NIX_LAMBDA) {
        nix_expr *last = info->last;
        if (enter) {
            for (uint32_t i = 0; i < info->arity; i++) bind(r, info->params[i]);
            for (uint32_t i = 0; i < last->nformals; i++) bind(r, &info->formals[i]);
        } else {
            for (uint32_t i = last->nformals; i-- > 0;) unbind(r, &info->formals[i]);
            for (uint32_t i = info->arity; i-- > 0;) unbind(r, info->params[i]);
        }
        return;
    }
    if (!info->vars) return;
    for (uint32_t i = 0; i < e->nbindings; i++) {
        if (enter) {
            bind(r, &info->vars[i]);
            nix_expr *value = e->bindings[i].value;
            if (value && value->kind == NIX_LAMBDA) info->vars[i].lambda = value;
        } else {
            unbind(r, &info->vars[e->nbindings - 1 - i]);
        }
    }
}

/* x: y: { a, b }: body is one function of three parameters. */
static void visit_lambda(resolver *r, nix_expr *e, uint32_t depth) {
    nix_info *info = info_of(r, e);
    if (!info) return;
    nix_expr *last = e;
    info->arity = 1;
    while (!last->has_formals && last->right->kind == NIX_LAMBDA && info->arity < NIX_MERGED_MAX) {
        last = last->right;
        info->arity++;
    }
    info->last = last;
    info->params = th_arena_zeroed(r->s->arena, info->arity * sizeof *info->params);
    nix_var *vars = new_vars(r, info->arity);
    info->formals = new_vars(r, last->nformals);
    if (!info->params || !vars || !info->formals) return (void)no_memory(r);
    const nix_expr *at = e;
    for (uint32_t i = 0; i < info->arity; i++, at = at->right) {
        vars[i].name = at->name;
        info->params[i] = &vars[i];
    }
    if (last->nformals > NIX_FRAME_FROM) {
        info->frame = new_vars(r, 1);
        if (!info->frame) return;
    }
    for (uint32_t i = 0; i < last->nformals; i++) {
        info->formals[i].name = last->formals[i].name;
        info->formals[i].frame = info->frame;
        info->formals[i].field = i;
    }
    push(r, UNBIND, e, depth);
    push(r, VISIT_STRICT, last->right, depth);
    for (uint32_t i = last->nformals; i-- > 0;) push(r, VISIT_LAZY, last->formals[i].fallback, depth);
    push(r, BIND, e, depth);
}

/* ---- Variables ---------------------------------------------------------------------------------------------- */

static bool in_main_scope(const resolver *r, nix_name name) {
    const nix_scope *scope = r->s->scope;
    for (size_t i = 0; scope && i < scope->count; i++)
        if (th_view_eq(scope->names[i], th_view_str(name))) return true;
    return false;
}

static void suggest(resolver *r, nix_name name) {
    th_suggest s;
    th_suggest_init(&s, th_view_str(name));
    for (size_t i = 0; i < r->names_capacity; i++)
        if (r->names[i].name && r->names[i].var) th_suggest_try(&s, th_view_str(r->names[i].name));
    for (size_t i = 0; i < th_engine_builtin_count(r->s->engine); i++) {
        th_view text = th_view_of(th_engine_builtin(r->s->engine, i)->name);
        bool global = false;
        if (text.len < 5 || memcmp(text.data, "nix.", 4) != 0) continue;
        text = (th_view){text.data + 4, text.len - 4};
        if (nix_builtin_find(r->s->engine, text, &global) && global) th_suggest_try(&s, text);
    }
    if (s.best.data) th_diags_hint(r->s->diags, "did you mean '%.*s'?", (int)s.best.len, s.best.data);
}

static void resolve_name(resolver *r, nix_expr *e, nix_info *info) {
    nix_var *var = lookup(r, e->name);
    if (var) {
        info->ref = NIX_REF_VAR;
        info->var = var;
        use(r, var);
        return;
    }
    if (r->s->scope_var && in_main_scope(r, e->name)) {
        info->ref = NIX_REF_FIELD;
        info->var = r->s->scope_var;
        use(r, info->var);
        return;
    }
    bool global = false;
    th_view text = th_view_str(e->name);
    info->builtin = nix_builtin_find(r->s->engine, text, &global);
    if (info->builtin && global) {
        info->ref = NIX_REF_BUILTIN;
        return;
    }
    if (nix_constant_known(text, &global) && global) {
        info->ref = NIX_REF_CONSTANT;
        return;
    }
    if (r->with) {
        info->ref = NIX_REF_WITH;
        info->with = r->with;
        for (nix_with *w = r->with; w; w = w->outer) use(r, w->var);
        return;
    }
    th_diags_add(r->s->diags, TH_ERROR, TH_E_REFERENCE, r->s->source, e->span, "undefined variable '%.*s'",
                 (int)text.len, text.data);
    suggest(r, e->name);
    if (r->status == TH_OK) r->status = TH_E_REFERENCE;
}

static void visit_variable(resolver *r, nix_expr *e, bool lazy, uint32_t depth) {
    nix_info *info = info_of(r, e);
    if (!info) return;
    if (info->ref == NIX_REF_VAR) { /* made by the resolver */
        use(r, info->var);
        return;
    }
    /* One that only a `with` may have is looked up when it is needed: it needs a function of its own where it is lazy. */
    if (lazy && r->with && !lookup(r, e->name)) {
        open_closure(r, e, depth);
        if (r->status != TH_OK) return;
    }
    resolve_name(r, e, info);
}

/* builtins.NAME, when `builtins` is the one of the language. */
static bool visit_builtin(resolver *r, nix_expr *e) {
    const nix_expr *left = e->left;
    if (left->kind != NIX_VAR || !left->name || e->npath != 1 || !e->path[0].name || e->right) return false;
    if (!th_view_is(th_view_str(left->name), "builtins") || lookup(r, left->name) || in_main_scope(r, left->name))
        return false;
    bool global;
    const th_builtin *builtin = nix_builtin_find(r->s->engine, th_view_str(e->path[0].name), &global);
    nix_info *info = builtin ? info_of(r, e) : NULL;
    if (!info) return false;
    info->ref = NIX_REF_BUILTIN;
    info->builtin = builtin;
    return true;
}

/* ---- The walk ----------------------------------------------------------------------------------------------- */

bool nix_is_atom(const nix_expr *e) {
    switch (e->kind) {
    case NIX_INT:
    case NIX_FLOAT:
    case NIX_CUR_POS: return true;
    case NIX_STRING:
    case NIX_PATH:
        for (uint32_t i = 0; i < e->nparts; i++)
            if (e->parts[i].expr) return false;
        return true;
    default: return false;
    }
}

static void visit_path(resolver *r, const nix_expr *e, uint32_t depth) {
    for (uint32_t i = e->npath; i-- > 0;) push(r, VISIT_STRICT, e->path[i].expr, depth);
}

static void become_call(resolver *r, nix_expr *e, nix_expr *fn, nix_expr *argument) {
    e->items = th_arena_new(r->s->arena, sizeof *e->items);
    if (!e->items) return (void)no_memory(r);
    e->kind = NIX_CALL;
    e->items[0] = argument;
    e->nitems = 1;
    e->left = fn;
    e->right = NULL;
}

/* let { body = ...; } is (rec { body = ...; }).body */
static void become_select(resolver *r, nix_expr *e) {
    nix_expr *set = new_expr(r, NIX_ATTRS, e);
    nix_attr_name *path = th_arena_zeroed(r->s->arena, sizeof *path);
    struct {
        uint32_t len;
        char bytes[8];
    } *body = th_arena_zeroed(r->s->arena, sizeof *body);
    if (!set || !path || !body) return (void)no_memory(r);
    body->len = 4;
    memcpy(body->bytes, "body", 4);
    *set = *e;
    set->kind = NIX_ATTRS;
    set->recursive = true;
    *path = (nix_attr_name){.name = (nix_name)(const void *)body, .span = e->span};
    e->kind = NIX_SELECT;
    e->left = set;
    e->right = NULL;
    e->path = path;
    e->npath = 1;
    e->nbindings = e->ndynamics = 0;
}

static void visit(resolver *r, nix_expr *e, bool lazy, uint32_t depth) {
    if (nix_is_atom(e)) return;
    if (e->kind == NIX_VAR) return visit_variable(r, e, lazy, depth);
    if (e->kind == NIX_SELECT && visit_builtin(r, e)) return;
    if (e->kind == NIX_PIPE_RIGHT) become_call(r, e, e->right, e->left);
    if (e->kind == NIX_PIPE_LEFT) become_call(r, e, e->left, e->right);
    if (e->kind == NIX_LET_BODY) become_select(r, e);
    if (lazy || e->kind == NIX_LAMBDA || depth % NIX_OUTLINE_STEP == 0) open_closure(r, e, depth);
    depth++;
    switch (e->kind) {
    case NIX_STRING:
    case NIX_PATH:
        for (uint32_t i = e->nparts; i-- > 0;) push(r, VISIT_STRICT, e->parts[i].expr, depth);
        break;
    case NIX_SELECT:
        push(r, VISIT_STRICT, e->right, depth);
        visit_path(r, e, depth);
        push(r, VISIT_STRICT, e->left, depth);
        break;
    case NIX_HAS:
        visit_path(r, e, depth);
        push(r, VISIT_STRICT, e->left, depth);
        break;
    case NIX_LAMBDA: visit_lambda(r, e, depth); break;
    case NIX_CALL:
    case NIX_LIST:
        for (uint32_t i = e->nitems; i-- > 0;) push(r, VISIT_LAZY, e->items[i], depth);
        push(r, VISIT_STRICT, e->left, depth);
        break;
    case NIX_LET:
    case NIX_ATTRS: visit_scope(r, e, depth); break;
    case NIX_WITH: {
        nix_info *info = info_of(r, e);
        info->scope = info ? new_vars(r, 1) : NULL;
        if (!info->scope) return;
        push(r, UNBIND_WITH, e, depth);
        push(r, VISIT_STRICT, e->right, depth);
        push(r, BIND_WITH, e, depth);
        push(r, VISIT_LAZY, e->left, depth);
        break;
    }
    default:
        push(r, VISIT_STRICT, e->third, depth);
        push(r, VISIT_STRICT, e->right, depth);
        push(r, VISIT_STRICT, e->left, depth);
        break;
    }
}

#define WITH_DEPTH_MAX 1000

static void enter_with(resolver *r, nix_expr *e) {
    nix_with *with = th_arena_new(r->s->arena, sizeof *with);
    if (!with) return (void)no_memory(r);
    nix_var *scope = nix_info_of(e)->scope;
    scope->bound_at = (uint32_t)r->nopen;
    *with = (nix_with){scope, r->with, r->with ? r->with->depth + 1 : 1};
    r->with = with;
    if (with->depth <= WITH_DEPTH_MAX) return;
    th_diags_add(r->s->diags, TH_ERROR, TH_E_LIMIT, r->s->source, e->span, "more than %d scopes of `with` are nested",
                 WITH_DEPTH_MAX);
    if (r->status == TH_OK) r->status = TH_E_LIMIT;
}

static void run(resolver *r, task t) {
    switch (t.kind) {
    case VISIT_STRICT: visit(r, t.expr, false, t.depth); break;
    case VISIT_LAZY: visit(r, t.expr, true, t.depth); break;
    case CLOSE: r->nopen--; break;
    case BIND: bind_scope(r, t.expr, true); break;
    case UNBIND: bind_scope(r, t.expr, false); break;
    case BIND_WITH: enter_with(r, t.expr); break;
    case UNBIND_WITH:
        if (r->with) r->with = r->with->outer;
        break;
    }
}

th_status nix_resolve(nix_source *s, nix_expr *root) {
    resolver r = {.s = s};
    if (s->scope) {
        s->scope_var = new_vars(&r, 1);
        if (!s->scope_var) return TH_E_NOMEM;
    }
    push(&r, VISIT_STRICT, root, 1);
    while (r.ntasks > 0 && (r.status == TH_OK || r.status == TH_E_REFERENCE)) run(&r, r.tasks[--r.ntasks]);
    th_mem_free(s->mem, r.tasks, r.tasks_capacity * sizeof *r.tasks);
    th_mem_free(s->mem, r.open, r.open_capacity * sizeof *r.open);
    th_mem_free(s->mem, r.names, r.names_capacity * sizeof *r.names);
    th_mem_free(s->mem, r.pairs, r.pairs_capacity * sizeof *r.pairs);
    return r.status;
}
