/*
** check_match.c - patterns: `match`, and taking values apart in bindings and loops.
** A pattern becomes a list of tests and a list of names, both told as paths from the subject, which is kept in a
** variable. Tests come first, names are bound at the start of what follows (the guard, the body): a path is cheap to
** walk again.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

typedef enum path_kind { P_ROOT, P_FIELD, P_ELEMENT, P_FROM_END, P_SLICE, P_UNWRAP, P_VARIANT, P_ENTRY } path_kind;

typedef struct path {
    path_kind kind;
    const struct path *from;
    var *root;
    uint32_t index, behind; /* SLICE: elements before and behind it */
    ty type;
    th_view key;
} path;

typedef struct name_at {
    th_view name;
    const path *path;
    const th_ast *ast;
} name_at;

typedef struct pattern {
    th_tir **tests;
    uint32_t ntests, tests_cap;
    name_at *names;
    uint32_t nnames, names_cap;
    bool bad;
} pattern;

static path *step(checker *c, path_kind kind, const path *from, uint32_t index, ty type) {
    path *p = tc_new(c, sizeof *p);
    *p = (path){.kind = kind, .from = from, .index = index, .type = tc_shallow(c, type)};
    return p;
}

static th_tir *read_path(checker *c, const path *p, const th_ast *ast) {
    if (p->kind == P_ROOT) return tc_local_read(c, p->root, ast);
    th_tir *from = read_path(c, p->from, ast), *n = NULL;
    switch (p->kind) {
    case P_FIELD: n = tc_node(c, TH_TIR_FIELD, p->type, ast, 1, from); break;
    case P_ELEMENT: return tc_node(c, TH_TIR_INDEX, p->type, ast, 2, from, tc_int(c, TH_TYPE_I64, p->index, ast));
    case P_FROM_END: {
        th_tir *len = tc_node(c, TH_TIR_LEN, TH_TYPE_I64, ast, 1, read_path(c, p->from, ast));
        th_tir *at = tc_op(c, TH_TIR_BINARY, TH_TIR_SUB, TH_TYPE_I64, ast, len, tc_int(c, TH_TYPE_I64, p->index, ast));
        return tc_node(c, TH_TIR_INDEX, p->type, ast, 2, from, at);
    }
    case P_SLICE: {
        th_tir *len = tc_node(c, TH_TIR_LEN, TH_TYPE_I64, ast, 1, read_path(c, p->from, ast));
        th_tir *end =
            tc_op(c, TH_TIR_BINARY, TH_TIR_SUB, TH_TYPE_I64, ast, len, tc_int(c, TH_TYPE_I64, p->behind, ast));
        return tc_call_named(c, "List.slice", ast, 3, from, tc_int(c, TH_TYPE_I64, p->index, ast), end);
    }
    case P_UNWRAP: return tc_node(c, TH_TIR_UNWRAP, p->type, ast, 1, from);
    case P_VARIANT: n = tc_node(c, TH_TIR_VARIANT_GET, p->type, ast, 1, from); break;
    case P_ENTRY: {
        th_tir *got = tc_node(c, TH_TIR_DICT_GET, tc_option(c, p->type), ast, 2, from, tc_string(c, p->key, ast));
        if (tc_kind(c, p->type) == TH_KIND_OPTION) return got;
        return tc_node(c, TH_TIR_UNWRAP, p->type, ast, 1, got);
    }
    default: return from;
    }
    n->index = p->index;
    return n;
}

static void test(checker *c, pattern *p, th_tir *n) {
    if (n->type == T_BAD) p->bad = true;
    TC_PUSH(c, p->tests, p->ntests, p->tests_cap, n);
}

static void bind_name(checker *c, pattern *p, th_view name, const path *at, const th_ast *ast) {
    if (name.len == 0 || th_view_is(name, "_")) return;
    for (uint32_t i = 0; i < p->nnames; i++)
        if (th_view_eq(p->names[i].name, name)) {
            tc_error(c, TH_E_REASSIGNMENT, ast, "`%.*s` stands twice in this pattern", V(name));
            p->bad = true;
        }
    TC_PUSH(c, p->names, p->nnames, p->names_cap, ((name_at){name, at, ast}));
}

static void never_matches(checker *c, pattern *p, const th_ast *ast, const char *what, ty subject) {
    p->bad = true;
    if (subject != T_BAD)
        tc_error(c, TH_E_TYPE, ast, "%s can never be what is matched here, which is %s", what, tc_text(c, subject));
}

/* ---- Going into nullable values and Variadics --------------------------------------------------------------- */

static const path *into_option(checker *c, pattern *p, const path *at, const th_ast *ast) {
    if (c->types[at->type].kind != TH_KIND_OPTION) return at;
    th_tir *null = tc_node(c, TH_TIR_IS_NULL, TH_TYPE_BOOL, ast, 1, read_path(c, at, ast));
    test(c, p, tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, null, NULL));
    return step(c, P_UNWRAP, at, 0, tc_arg(c, at->type, 0));
}

static const path *into_alternative(checker *c, pattern *p, const path *at, uint32_t i, const th_ast *ast) {
    th_tir *tag = tc_node(c, TH_TIR_VARIANT_TAG, TH_TYPE_I64, ast, 1, read_path(c, at, ast));
    th_tir *want = tc_int(c, TH_TYPE_I64, i, ast);
    test(c, p, tc_op(c, TH_TIR_BINARY, TH_TIR_EQ, TH_TYPE_BOOL, ast, tag, want));
    return step(c, P_VARIANT, at, i, tc_arg(c, at->type, i));
}

static int64_t alternative(checker *c, ty variant, ty t) {
    for (uint32_t i = 0; i < c->types[variant].nargs; i++) {
        uint32_t mark = tc_mark(c);
        if (tc_unify(c, c->types[variant].args[i], t)) return i;
        tc_undo(c, mark);
    }
    return -1;
}

/* The path to a part of the given kind (and struct), through null and Variadic; NULL: there is none. */
static const path *into_kind(checker *c, pattern *p, const path *at, uint8_t kind, const tdecl *d, const th_ast *ast) {
    at = into_option(c, p, at, ast);
    const ctype *t = &c->types[at->type];
    if (t->kind == TH_KIND_VARIANT)
        for (uint32_t i = 0; i < c->types[at->type].nargs; i++) {
            const ctype *a = &c->types[tc_arg(c, at->type, i)];
            if (a->kind == kind && (!d || a->decl == d)) return into_alternative(c, p, at, i, ast);
        }
    return t->kind == kind && (!d || t->decl == d) ? at : NULL;
}

/* ---- Patterns ----------------------------------------------------------------------------------------------- */

static void compile(checker *c, pattern *p, const th_ast *ast, const path *at);

static void typed_name(checker *c, pattern *p, const th_ast *ast, const path *at) {
    ty t = tc_resolve(c, ast->kids[0], NULL);
    if (t == T_BAD) {
        p->bad = true;
    } else if (!tc_unify(c, t, at->type)) {
        at = into_option(c, p, at, ast);
        int64_t i = c->types[at->type].kind == TH_KIND_VARIANT ? alternative(c, at->type, t) : -1;
        if (i >= 0)
            at = into_alternative(c, p, at, (uint32_t)i, ast);
        else if (!tc_unify(c, t, at->type))
            never_matches(c, p, ast->kids[0], tc_text(c, t), at->type);
    }
    bind_name(c, p, ast->text, at, ast);
}

static const th_ast *unsigned_literal(const th_ast *lit) { return lit->kind == TH_AST_UNARY ? lit->kids[0] : lit; }

/* The alternative of a Variadic that a literal is compared with. */
static int64_t literal_alternative(checker *c, const th_ast *lit, ty variant) {
    const th_ast *plain = unsigned_literal(lit);
    for (uint32_t i = 0; i < c->types[variant].nargs; i++) {
        ty t = tc_arg(c, variant, i);
        bool fits = (plain->kind == TH_AST_STRING && t == TH_TYPE_STRING) ||
                    (plain->kind == TH_AST_SYMBOL && t == TH_TYPE_SYMBOL) ||
                    (plain->kind == TH_AST_INT && tc_is_int(t)) || (plain->kind == TH_AST_FLOAT && tc_is_float(t)) ||
                    ((plain->kind == TH_AST_TRUE || plain->kind == TH_AST_FALSE) && t == TH_TYPE_BOOL) ||
                    (plain->kind == TH_AST_RANGE && tc_is_number(t));
        if (plain->kind == TH_AST_MEMBER) {
            ref r = tc_resolve_ref(c, plain);
            fits = r.kind == REF_MEMBER_OF_ENUM && r.type == t;
        }
        if (fits) return i;
    }
    return -1;
}

static void range_tests(checker *c, pattern *p, const th_ast *lit, const path *at) {
    th_tir *from = tc_expr(c, lit->kids[0], at->type), *to = tc_expr(c, lit->kids[1], at->type);
    if (!tc_is_number(at->type)) {
        never_matches(c, p, lit, "a range", at->type);
        return;
    }
    test(c, p, tc_binary_nodes(c, lit, TH_TOKEN_GE, read_path(c, at, lit), from));
    test(c, p, tc_binary_nodes(c, lit, TH_TOKEN_LT, read_path(c, at, lit), to));
}

static void literal(checker *c, pattern *p, const th_ast *ast, const path *at) {
    const th_ast *lit = ast->kids[0];
    if (at->type == T_BAD) return;
    if (lit->kind == TH_AST_NULL) {
        if (c->types[at->type].kind != TH_KIND_OPTION)
            never_matches(c, p, lit, "null", at->type);
        else
            test(c, p, tc_node(c, TH_TIR_IS_NULL, TH_TYPE_BOOL, lit, 1, read_path(c, at, lit)));
        return;
    }
    at = into_option(c, p, at, lit);
    if (c->types[at->type].kind == TH_KIND_VARIANT) {
        int64_t i = literal_alternative(c, lit, at->type);
        if (i < 0) {
            never_matches(c, p, lit, "this", at->type);
            return;
        }
        at = into_alternative(c, p, at, (uint32_t)i, lit);
    }
    if (lit->kind == TH_AST_RANGE) {
        range_tests(c, p, lit, at);
        return;
    }
    const tdecl *d = c->types[at->type].kind == TH_KIND_ENUM ? c->types[at->type].decl : NULL;
    int64_t member = d && lit->kind == TH_AST_SYMBOL ? tc_field_index(d, lit->text) : -1;
    th_tir *value = member >= 0 ? tc_int(c, at->type, member, lit) : tc_expr(c, lit, at->type);
    test(c, p, value->type == T_BAD ? value : tc_equal(c, read_path(c, at, lit), value, false, lit));
}

static void list(checker *c, pattern *p, const th_ast *ast, const path *at) {
    const path *l = into_kind(c, p, at, TH_KIND_LIST, NULL, ast);
    if (!l) {
        const path *pair = c->types[at->type].kind == TH_KIND_TUPLE ? at : NULL;
        if (!pair) never_matches(c, p, ast, "a list", at->type);
    }
    ty element = l ? tc_arg(c, l->type, 0) : T_BAD;
    int64_t rest = -1;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (ast->kids[i]->kind == TH_AST_REST) {
            if (rest >= 0) {
                tc_error(c, TH_E_SYNTAX, ast->kids[i], "a list pattern has at most one `...`");
                p->bad = true;
            }
            rest = i;
        }
    if (l) {
        th_tir *len = tc_node(c, TH_TIR_LEN, TH_TYPE_I64, ast, 1, read_path(c, l, ast));
        th_tir *n = tc_int(c, TH_TYPE_I64, rest < 0 ? ast->nkids : ast->nkids - 1, ast);
        if (rest < 0 || ast->nkids > 1)
            test(c, p, tc_op(c, TH_TIR_BINARY, rest < 0 ? TH_TIR_EQ : TH_TIR_GE, TH_TYPE_BOOL, ast, len, n));
    }
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        path *q;
        if ((int64_t)i == rest) {
            q = step(c, P_SLICE, l ? l : at, i, l ? l->type : T_BAD);
            q->behind = ast->nkids - 1 - i;
            bind_name(c, p, kid->text, q, kid);
            continue;
        }
        bool behind = rest >= 0 && (int64_t)i > rest;
        q = step(c, behind ? P_FROM_END : P_ELEMENT, l ? l : at, behind ? ast->nkids - i : i, element);
        compile(c, p, kid, q);
    }
}

static void members(checker *c, pattern *p, const th_ast *ast, const path *t) {
    if (c->types[t->type].nargs != ast->nkids) {
        p->bad = true;
        tc_error(c, TH_E_TYPE, ast, "%s has %u members, this pattern %u", tc_text(c, t->type), c->types[t->type].nargs,
                 ast->nkids);
        return;
    }
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        const path *q = step(c, P_FIELD, t, i, tc_arg(c, t->type, i));
        if (kid->kind != TH_AST_FIELD_PATTERN)
            compile(c, p, kid, q);
        else
            bind_name(c, p, kid->text, q, kid); /* { a, b } may be read as fields */
    }
}

/* The names of a pattern that cannot be taken apart are bound all the same, so that no more is told of them. */
static void bind_bad(checker *c, pattern *p, const th_ast *ast) {
    const path *nowhere = step(c, P_ROOT, NULL, 0, T_BAD);
    p->bad = true;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        if (kid->kind == TH_AST_FIELD_PATTERN && !tc_kid(kid, 0))
            bind_name(c, p, kid->text, nowhere, kid);
        else if (kid->kind == TH_AST_FIELD_PATTERN)
            compile(c, p, kid->kids[0], nowhere);
        else
            compile(c, p, kid, nowhere);
    }
}

static void tuple(checker *c, pattern *p, const th_ast *ast, const path *at) {
    const path *t = into_kind(c, p, at, TH_KIND_TUPLE, NULL, ast);
    if (t) {
        members(c, p, ast, t);
        return;
    }
    never_matches(c, p, ast, "a tuple", at->type);
    bind_bad(c, p, ast);
}

static void fields_of_struct(checker *c, pattern *p, const th_ast *ast, const path *at) {
    tdecl *d = c->types[at->type].decl;
    tc_fields(c, d);
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *f = ast->kids[i];
        int64_t k = tc_field_index(d, f->text);
        if (k < 0) {
            p->bad = true;
            if (tc_error(c, TH_E_REFERENCE, f, "%s has no field `%.*s`", tc_text(c, at->type), V(f->text))) {
                th_suggest s;
                th_suggest_init(&s, f->text);
                for (uint32_t j = 0; j < d->nfields; j++) th_suggest_try(&s, d->fields[j].name);
                if (s.best.len) tc_hint(c, "did you mean `%.*s`?", V(s.best));
            }
            continue;
        }
        const path *q = step(c, P_FIELD, at, (uint32_t)k, d->fields[k].type);
        if (tc_kid(f, 0))
            compile(c, p, f->kids[0], q);
        else
            bind_name(c, p, f->text, q, f);
    }
}

static void entries_of_dict(checker *c, pattern *p, const th_ast *ast, const path *at) {
    if (tc_arg(c, at->type, 0) != TH_TYPE_STRING) {
        never_matches(c, p, ast, "a dict with names as keys", at->type);
        return;
    }
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *f = ast->kids[i];
        th_tir *key = tc_string(c, f->text, f);
        test(c, p, tc_node(c, TH_TIR_DICT_HAS, TH_TYPE_BOOL, f, 2, read_path(c, at, f), key));
        path *q = step(c, P_ENTRY, at, 0, tc_arg(c, at->type, 1));
        q->key = f->text;
        if (tc_kid(f, 0))
            compile(c, p, f->kids[0], q);
        else
            bind_name(c, p, f->text, q, f);
    }
}

static bool only_names(const th_ast *ast) {
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (tc_kid(ast->kids[i], 0)) return false;
    return true;
}

static void fields(checker *c, pattern *p, const th_ast *ast, const path *at) {
    const tdecl *d = NULL;
    const path *q = NULL;
    if (ast->text.len) {
        th_ast type = {.kind = TH_AST_TYPE, .from = ast->from, .to = ast->to, .text = ast->text};
        ty t = tc_resolve(c, &type, NULL);
        if (c->types[t].kind == TH_KIND_STRUCT) q = into_kind(c, p, at, TH_KIND_STRUCT, c->types[t].decl, ast);
        if (!q) never_matches(c, p, ast, tc_printf(c, "`%.*s`", V(ast->text)), t == T_BAD ? T_BAD : at->type);
    } else {
        pattern saved = *p;
        static const uint8_t kinds[] = {TH_KIND_STRUCT, TH_KIND_DICT, TH_KIND_TUPLE};
        for (size_t i = 0; !q && i < TH_COUNT(kinds); i++) {
            *p = saved;
            q = into_kind(c, p, at, kinds[i], d, ast);
        }
        if (!q) never_matches(c, p, ast, "a value with fields", at->type);
    }
    if (!q)
        bind_bad(c, p, ast);
    else if (c->types[q->type].kind == TH_KIND_STRUCT)
        fields_of_struct(c, p, ast, q);
    else if (c->types[q->type].kind == TH_KIND_DICT)
        entries_of_dict(c, p, ast, q);
    else if (only_names(ast))
        members(c, p, ast, q);
    else
        never_matches(c, p, ast, "a value with fields", at->type);
}

/* Balanced, so that a pattern of many parts does not become a tree of that depth. */
static th_tir *all_between(checker *c, th_tir **tests, uint32_t n, const th_ast *ast) {
    if (n == 1) return tests[0];
    th_tir *a = all_between(c, tests, n / 2, ast), *b = all_between(c, tests + n / 2, n - n / 2, ast);
    return tc_node(c, TH_TIR_AND, TH_TYPE_BOOL, ast, 2, a, b);
}

static th_tir *all_of(checker *c, const pattern *p, const th_ast *ast) {
    return p->ntests ? all_between(c, p->tests, p->ntests, ast) : NULL;
}

static void either(checker *c, pattern *p, const th_ast *ast, const path *at) {
    th_tir *n = NULL;
    bool always = false;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        pattern one = {0};
        compile(c, &one, ast->kids[i], at);
        p->bad |= one.bad;
        if (one.nnames) {
            tc_error(c, TH_E_SYNTAX, ast->kids[i], "a pattern with `|` cannot bind names");
            p->bad = true;
        }
        th_tir *tests = all_of(c, &one, ast->kids[i]);
        if (!tests)
            always = true;
        else
            n = n ? tc_node(c, TH_TIR_OR, TH_TYPE_BOOL, ast, 2, n, tests) : tests;
    }
    if (n && !always) test(c, p, n);
}

static void compile(checker *c, pattern *p, const th_ast *ast, const path *at) {
    switch (ast->kind) {
    case TH_AST_WILDCARD: break;
    case TH_AST_NAME:
    case TH_AST_BIND:
        if (tc_kid(ast, 0))
            typed_name(c, p, ast, at);
        else
            bind_name(c, p, ast->text, at, ast);
        break;
    case TH_AST_LITERAL_PATTERN: literal(c, p, ast, at); break;
    case TH_AST_LIST_PATTERN: list(c, p, ast, at); break;
    case TH_AST_TUPLE_PATTERN: tuple(c, p, ast, at); break;
    case TH_AST_FIELDS_PATTERN: fields(c, p, ast, at); break;
    case TH_AST_OR_PATTERN: either(c, p, ast, at); break;
    case TH_AST_ERROR: p->bad = true; break;
    default: tc_error(c, TH_E_SYNTAX, ast, "a pattern is expected here"); p->bad = true;
    }
}

/* Binds the names of a pattern in the present scope; what to do goes to nodes. */
static uint32_t bind_names(checker *c, const pattern *p, th_tir **nodes, uint32_t n) {
    for (uint32_t i = 0; i < p->nnames; i++) {
        const name_at *b = &p->names[i];
        if (p->bad || b->path->type == T_BAD) {
            tc_bind(c, b->name, T_BAD, b->ast, false);
            continue;
        }
        th_tir *value = read_path(c, b->path, b->ast);
        var *v = tc_bind(c, b->name, b->path->type, b->ast, false);
        nodes[n++] = tc_let(c, v, value, b->ast);
    }
    return n;
}

/* ---- Taking apart ------------------------------------------------------------------------------------------- */

static path *root_path(checker *c, th_tir *value, const th_ast *ast, th_tir **let) {
    path *p = step(c, P_ROOT, NULL, 0, tc_force(c, value->type));
    if (value->type == T_BAD) {
        *let = NULL;
        return p;
    }
    if (p->type == T_NULL) p->type = value->type = tc_option(c, tc_hole(c, false));
    p->root = tc_var_new(c, (th_view){0}, p->type, ast);
    *let = tc_let(c, p->root, value, ast);
    return p;
}

th_tir *tc_destructure(checker *c, const th_ast *ast, th_tir *value) {
    th_tir *let;
    const path *root = root_path(c, value, ast, &let);
    pattern p = {.bad = !let};
    if (let)
        compile(c, &p, ast, root);
    else
        bind_bad(c, &p, ast);
    th_tir **nodes = tc_new(c, (p.nnames + 3) * sizeof *nodes);
    uint32_t n = 0;
    if (let) nodes[n++] = let;
    th_tir *tests = p.bad ? NULL : all_of(c, &p, ast);
    if (tests) {
        const char *text = tc_printf(c, "the value has not the shape `%.*s`", (int)(ast->to - ast->from),
                                     c->file->source->text + ast->from);
        th_tir *trap = tc_node(c, TH_TIR_TRAP, T_NEVER, ast, 1, tc_string(c, th_view_of(text), ast));
        trap->index = TH_E_TRAP;
        th_tir *no = tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, tests, NULL);
        nodes[n++] = tc_node(c, TH_TIR_IF, TH_TYPE_VOID, ast, 3, no, trap, NULL);
    }
    n = bind_names(c, &p, nodes, n);
    if (p.bad) return tc_bad(c, ast);
    return tc_node_list(c, TH_TIR_BLOCK, TH_TYPE_VOID, ast, nodes, n);
}

/* ---- Which cases there are ---------------------------------------------------------------------------------- */

/* The values of a type as far as cases can name them: members, alternatives; else one. Null is the last of all. */
typedef struct domain {
    ty type, inner;
    uint32_t count; /* without null */
    bool nullable, countable;
    uint8_t seen[257];
} domain;

static domain domain_of(checker *c, ty t) {
    domain d = {.type = t, .inner = t, .count = 1};
    if (c->types[t].kind == TH_KIND_OPTION) {
        d.nullable = d.countable = true;
        d.inner = tc_arg(c, t, 0);
    }
    const ctype *k = &c->types[d.inner];
    if (d.inner == TH_TYPE_BOOL) d.count = 2;
    if (k->kind == TH_KIND_ENUM) d.count = k->decl->nfields;
    if (k->kind == TH_KIND_VARIANT) d.count = k->nargs;
    if (d.count > 1 || k->kind == TH_KIND_ENUM) d.countable = true;
    if (d.count > 256) d.countable = false;
    return d;
}

static bool irrefutable(checker *c, const th_ast *p, ty t) {
    switch (p->kind) {
    case TH_AST_WILDCARD: return true;
    case TH_AST_NAME:
    case TH_AST_BIND: {
        if (!tc_kid(p, 0)) return true;
        ty written = tc_resolve(c, p->kids[0], NULL);
        return tc_unify(c, written, t);
    }
    case TH_AST_TUPLE_PATTERN:
        for (uint32_t i = 0; i < p->nkids; i++)
            if (!irrefutable(c, p->kids[i], tc_arg(c, t, i))) return false;
        return c->types[t].kind == TH_KIND_TUPLE;
    case TH_AST_FIELDS_PATTERN: {
        const tdecl *d = c->types[t].kind == TH_KIND_STRUCT ? c->types[t].decl : NULL;
        for (uint32_t i = 0; i < p->nkids; i++) {
            int64_t k = d ? tc_field_index(d, p->kids[i]->text) : -1;
            const th_ast *sub = tc_kid(p->kids[i], 0);
            if (sub && (k < 0 || !irrefutable(c, sub, d->fields[k].type))) return false;
        }
        return d || c->types[t].kind == TH_KIND_TUPLE;
    }
    case TH_AST_LIST_PATTERN: return p->nkids == 1 && p->kids[0]->kind == TH_AST_REST;
    case TH_AST_OR_PATTERN:
        for (uint32_t i = 0; i < p->nkids; i++)
            if (irrefutable(c, p->kids[i], t)) return true;
        return false;
    default: return false;
    }
}

static void see_all(domain *d, bool null_too) {
    for (uint32_t i = 0; i < d->count && i < 256; i++) d->seen[i] = 1;
    if (null_too) d->seen[256] = 1;
}

static void see_literal(checker *c, domain *d, const th_ast *lit) {
    if (lit->kind == TH_AST_NULL) d->seen[256] = 1;
    if (d->inner == TH_TYPE_BOOL && lit->kind == TH_AST_FALSE) d->seen[0] = 1;
    if (d->inner == TH_TYPE_BOOL && lit->kind == TH_AST_TRUE) d->seen[1] = 1;
    if (c->types[d->inner].kind != TH_KIND_ENUM) return;
    int64_t k = -1;
    if (lit->kind == TH_AST_SYMBOL)
        k = tc_field_index(c->types[d->inner].decl, lit->text);
    else if (lit->kind == TH_AST_MEMBER || lit->kind == TH_AST_NAME) {
        ref r = tc_resolve_ref(c, lit);
        if (r.kind == REF_MEMBER_OF_ENUM && r.type == d->inner) k = r.member;
    }
    if (k >= 0 && k < 256) d->seen[k] = 1;
}

static void see(checker *c, domain *d, const th_ast *p) {
    if (p->kind == TH_AST_OR_PATTERN) {
        for (uint32_t i = 0; i < p->nkids; i++) see(c, d, p->kids[i]);
        return;
    }
    if (p->kind == TH_AST_LITERAL_PATTERN) {
        see_literal(c, d, p->kids[0]);
        return;
    }
    bool typed = (p->kind == TH_AST_BIND || p->kind == TH_AST_NAME) && tc_kid(p, 0);
    bool apart = p->kind == TH_AST_TUPLE_PATTERN || p->kind == TH_AST_FIELDS_PATTERN || p->kind == TH_AST_LIST_PATTERN;
    if (!typed && !apart) {
        if (p->kind != TH_AST_ERROR) see_all(d, true);
        return;
    }
    if (typed && irrefutable(c, p, d->type))
        see_all(d, true);
    else if (irrefutable(c, p, d->inner))
        see_all(d, false);
    else if (c->types[d->inner].kind == TH_KIND_VARIANT) {
        bool named = p->kind == TH_AST_FIELDS_PATTERN && p->text.len;
        for (uint32_t i = 0; i < d->count && i < 256; i++) {
            ty t = tc_arg(c, d->inner, i);
            if (named && (!c->types[t].decl || !th_view_eq(c->types[t].decl->name, p->text))) continue;
            if (!irrefutable(c, p, t)) continue;
            d->seen[i] = 1;
            break;
        }
    }
}

static bool complete(const domain *d) {
    for (uint32_t i = 0; i < d->count; i++)
        if (i >= 256 || !d->seen[i]) return false;
    return !d->nullable || d->seen[256];
}

static const char *case_text(checker *c, const domain *d, uint32_t i) {
    if (d->inner == TH_TYPE_BOOL) return i ? "true" : "false";
    const ctype *k = &c->types[d->inner];
    if (k->kind == TH_KIND_ENUM) return tc_printf(c, "%.*s.%.*s", V(k->decl->name), V(k->decl->fields[i].name));
    if (k->kind == TH_KIND_VARIANT) return tc_printf(c, "name<%s>", tc_text(c, k->args[i]));
    return tc_printf(c, "name<%s>", tc_text(c, d->inner));
}

static void missing_cases(checker *c, const th_ast *ast, const domain *d) {
    const char *text = "";
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->count && i < 256; i++)
        if (!d->seen[i] && n++ < 8) text = tc_printf(c, "%s%s`%s`", text, n > 1 ? ", " : "", case_text(c, d, i));
    if (d->nullable && !d->seen[256]) text = tc_printf(c, "%s%s`null`", text, n++ ? ", " : "");
    if (tc_error(c, TH_E_TYPE, ast, "this `match` lacks the case%s %s", n > 1 ? "s" : "", text))
        tc_hint(c, "add it, or `_ -> ...` for all else");
}

/* ---- match -------------------------------------------------------------------------------------------------- */

typedef struct arm {
    th_tir *test; /* NULL: always */
    th_tir *body;
    const th_ast *ast;
    pattern pattern;
} arm;

static th_tir *guard_of(checker *c, const pattern *p, const th_ast *guard) {
    tc_push_scope(c);
    th_tir **nodes = tc_new(c, (p->nnames + 2) * sizeof *nodes);
    uint32_t n = bind_names(c, p, nodes, 0);
    fact *if_true, *if_false;
    nodes[n] = tc_condition(c, guard, &if_true, &if_false);
    n++;
    tc_pop_scope(c);
    if (nodes[n - 1]->type == T_BAD) return nodes[n - 1];
    return n == 1 ? nodes[0] : tc_node_list(c, TH_TIR_BLOCK, TH_TYPE_BOOL, guard, nodes, n);
}

static arm match_arm(checker *c, const th_ast *ast, const path *root, ty want) {
    arm a = {.ast = tc_kid(ast, 2) ? ast->kids[2] : ast};
    const th_ast *guard = tc_kid(ast, 1);
    if (root->root)
        compile(c, &a.pattern, ast->kids[0], root);
    else {
        a.pattern.bad = true;
        if (ast->kids[0]->kind == TH_AST_BIND)
            bind_name(c, &a.pattern, ast->kids[0]->text, root, ast->kids[0]);
        else
            bind_bad(c, &a.pattern, ast->kids[0]);
    }
    a.test = a.pattern.bad ? NULL : all_of(c, &a.pattern, ast);
    if (guard) {
        th_tir *g = guard_of(c, &a.pattern, guard);
        if (g->type == T_BAD) a.pattern.bad = true;
        a.test = a.test ? tc_node(c, TH_TIR_AND, TH_TYPE_BOOL, guard, 2, a.test, g) : g;
    }
    tc_push_scope(c);
    th_tir **nodes = tc_new(c, (a.pattern.nnames + 2) * sizeof *nodes);
    uint32_t n = bind_names(c, &a.pattern, nodes, 0);
    th_tir *body = tc_kid(ast, 2) ? tc_expr(c, ast->kids[2], want) : tc_bad(c, ast);
    tc_pop_scope(c);
    nodes[n++] = body;
    bool never = body->never;
    a.body = n == 1 || body->type == T_BAD ? body : tc_node_list(c, TH_TIR_BLOCK, body->type, ast, nodes, n);
    a.body->never = never;
    return a;
}

static th_tir *no_case(checker *c, const th_ast *ast) {
    th_tir *n = tc_node(c, TH_TIR_TRAP, T_NEVER, ast, 1, tc_string(c, th_view_of("no case of this match fits"), ast));
    n->index = TH_E_TRAP;
    return n;
}

/* Every case one member of an enum, in any order, the others together in a last `_`: one jump. */
static th_tir *as_switch(checker *c, const th_ast *ast, const path *root, arm *arms, uint32_t n, ty type) {
    if (!root->root || c->types[root->type].kind != TH_KIND_ENUM || n < 3) return NULL;
    uint32_t count = c->types[root->type].decl->nfields, used = 0;
    if (count > 255) return NULL;
    th_tir **kids = tc_new(c, (count + 2) * sizeof *kids), *rest = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const th_ast *p = ast->kids[i + 1]->kids[0];
        if (tc_kid(ast->kids[i + 1], 1)) return NULL;
        domain d = domain_of(c, root->type);
        if (p->kind == TH_AST_WILDCARD && i + 1 == n) {
            rest = arms[i].body;
            continue;
        }
        if (p->kind != TH_AST_LITERAL_PATTERN) return NULL;
        see_literal(c, &d, p->kids[0]);
        uint32_t k = 0;
        while (k < count && !d.seen[k]) k++;
        if (k == count || kids[k + 1]) return NULL;
        kids[k + 1] = arms[i].body;
        used = k + 1 > used ? k + 1 : used;
    }
    for (uint32_t k = 0; k < used; k++)
        if (!kids[k + 1]) return NULL;
    kids[0] = tc_local_read(c, root->root, ast);
    if (rest) kids[++used] = rest;
    return tc_node_list(c, TH_TIR_SWITCH, type, ast, kids, used + 1);
}

#define MAX_NESTED 100 /* cases in one chain of ifs */

static th_tir *as_ifs(checker *c, const th_ast *ast, arm *arms, uint32_t from, uint32_t to, ty type, th_tir *rest) {
    for (uint32_t i = to; i-- > from;) {
        bool guarded = tc_kid(ast->kids[i + 1], 1) != NULL;
        if (!arms[i].test || (!rest && !guarded))
            rest = arms[i].body;
        else {
            if (!rest) rest = no_case(c, ast);
            rest = tc_node(c, TH_TIR_IF, type, ast->kids[i + 1], 3, arms[i].test, arms[i].body, rest);
        }
    }
    return rest ? rest : no_case(c, ast);
}

static th_tir *set_to(checker *c, var *v, th_tir *value, const th_ast *ast) {
    th_tir *n = tc_node(c, TH_TIR_SET, TH_TYPE_VOID, ast, 1, value);
    n->local = v->local;
    v->local->assigned = true;
    return n;
}

/* Very many cases: chains one after the other, each tried when none before it fitted. */
static th_tir *in_groups(checker *c, const th_ast *ast, arm *arms, uint32_t n, ty type) {
    bool value = type != TH_TYPE_VOID;
    var *done = tc_var_new(c, (th_view){0}, TH_TYPE_BOOL, ast);
    var *result = value ? tc_var_new(c, (th_view){0}, tc_option(c, type), ast) : NULL;
    th_tir **nodes = tc_new(c, (n / MAX_NESTED + 6) * sizeof *nodes);
    uint32_t count = 0;
    nodes[count++] = tc_let(c, done, tc_bool(c, false, ast), ast);
    if (value) nodes[count++] = tc_let(c, result, tc_node(c, TH_TIR_NULL, result->type, ast, 0), ast);
    for (uint32_t i = 0; i < n; i++) {
        th_tir *body = arms[i].body;
        if (value && !body->never) body = set_to(c, result, tc_coerce(c, body, result->type, ast), ast);
        arms[i].body = tc_seq(c, set_to(c, done, tc_bool(c, true, ast), ast), body, ast);
    }
    for (uint32_t from = 0; from < n; from += MAX_NESTED) {
        uint32_t to = from + MAX_NESTED < n ? from + MAX_NESTED : n;
        th_tir *chain = as_ifs(c, ast, arms, from, to, TH_TYPE_VOID, tc_void(c, ast));
        th_tir *open = tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, tc_local_read(c, done, ast), NULL);
        nodes[count++] = tc_node(c, TH_TIR_IF, TH_TYPE_VOID, ast, 3, open, chain, NULL);
    }
    th_tir *open = tc_op(c, TH_TIR_UNARY, TH_TIR_NOT, TH_TYPE_BOOL, ast, tc_local_read(c, done, ast), NULL);
    nodes[count++] = tc_node(c, TH_TIR_IF, TH_TYPE_VOID, ast, 3, open, no_case(c, ast), NULL);
    if (value) {
        th_tir *got = tc_local_read(c, result, ast);
        nodes[count++] = result->type == type ? got : tc_node(c, TH_TIR_UNWRAP, type, ast, 1, got);
    }
    return tc_node_list(c, TH_TIR_BLOCK, type, ast, nodes, count);
}

static bool sees_nothing_new(const domain *before, const domain *after) {
    return memcmp(before->seen, after->seen, sizeof before->seen) == 0;
}

th_tir *tc_match(checker *c, const th_ast *ast, ty want) {
    th_tir *let;
    const path *root = root_path(c, tc_value(c, ast->kids[0]), ast->kids[0], &let);
    uint32_t n = ast->nkids - 1;
    bool free = want != TH_TYPE_VOID && (want == T_NONE || tc_kind(c, want) == K_HOLE);
    arm *arms = tc_new(c, (n + 1) * sizeof *arms);
    domain d = domain_of(c, root->type);
    fact *before = c->facts, *after = &tc_dead;
    bool bad = !let, all = false;
    for (uint32_t i = 0; i < n; i++) {
        const th_ast *one = ast->kids[i + 1];
        if (one->kind != TH_AST_CASE) {
            bad = true;
            continue;
        }
        if (all) tc_warn(c, one, "this case is never reached: the ones before it take everything");
        c->facts = before;
        arms[i] = match_arm(c, one, root, free ? T_NONE : want);
        after = tc_merge(c, after, c->facts);
        bad |= arms[i].pattern.bad || arms[i].body->type == T_BAD;
        if (arms[i].pattern.bad || tc_kid(one, 1)) continue;
        domain seen = d;
        see(c, &d, one->kids[0]);
        bool closed = d.countable && one->kids[0]->kind == TH_AST_LITERAL_PATTERN;
        if (!all && closed && (d.inner == TH_TYPE_BOOL || c->types[d.inner].kind == TH_KIND_ENUM) &&
            sees_nothing_new(&seen, &d))
            tc_warn(c, one, "this case is never reached: one before it takes the same");
        all |= complete(&d) && (d.countable || !arms[i].test);
    }
    c->facts = after;
    if (!bad && d.countable && !all) {
        missing_cases(c, ast, &d);
        bad = true;
    }
    if (bad) return tc_bad(c, ast);
    th_tir **bodies = tc_new(c, (n + 1) * sizeof *bodies);
    const th_ast **asts = tc_new(c, (n + 1) * sizeof *asts);
    ty type = want;
    for (uint32_t i = 0; i < n; i++) {
        bodies[i] = arms[i].body;
        asts[i] = arms[i].ast;
    }
    if (free) tc_join_nodes(c, bodies, asts, n, &type, true);
    for (uint32_t i = 0; i < n; i++) arms[i].body = bodies[i];
    if (type == T_NEVER || type == T_NONE) type = TH_TYPE_VOID;
    th_tir *made = all ? as_switch(c, ast, root, arms, n, type) : NULL;
    if (!made && n > 2 * MAX_NESTED) made = in_groups(c, ast, arms, n, type);
    if (!made) made = as_ifs(c, ast, arms, 0, n, type, all ? NULL : no_case(c, ast));
    th_tir *block = tc_seq(c, let, made, ast);
    block->type = type;
    return block;
}
