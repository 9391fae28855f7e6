/*
** check_scope.c - names: scopes, capsules (the user's, linked ones, the prelude's, the builtins'), dotted references.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

#include <ctype.h>

#define HASH_FROM 12 /* names in a scope from which it is worth a table */

static uint64_t hash_name(th_view name) { return th_hash_bytes(name.data, name.len, 7); }

/* ---- Scopes ------------------------------------------------------------------------------------------------- */

scope *tc_scope_new(checker *c, scope *outer) {
    scope *s = tc_new(c, sizeof *s);
    s->outer = outer;
    s->capsule = outer ? outer->capsule : NULL;
    return s;
}

void tc_push_scope(checker *c) { c->scope = tc_scope_new(c, c->scope); }
void tc_pop_scope(checker *c) { c->scope = c->scope->outer; }

static sym *find_hashed(const scope *s, th_view name, uint64_t hash) {
    if (s->table) {
        for (uint32_t i = (uint32_t)hash & (s->table_size - 1); s->table[i]; i = (i + 1) & (s->table_size - 1))
            if (s->table[i]->hash == hash && th_view_eq(s->table[i]->name, name)) return s->table[i];
        return NULL;
    }
    for (sym *m = s->syms; m; m = m->next)
        if (m->hash == hash && th_view_eq(m->name, name)) return m;
    return NULL;
}

sym *tc_scope_find(scope *s, th_view name) { return find_hashed(s, name, hash_name(name)); }

sym *tc_lookup(checker *c, th_view name) {
    uint64_t hash = hash_name(name);
    for (scope *s = c->scope; s; s = s->outer) {
        sym *m = s->count ? find_hashed(s, name, hash) : NULL;
        if (m) return m;
    }
    return NULL;
}

static void table_put(scope *s, sym *m) {
    uint32_t i = (uint32_t)m->hash & (s->table_size - 1);
    while (s->table[i] && !th_view_eq(s->table[i]->name, m->name)) i = (i + 1) & (s->table_size - 1);
    if (!s->table[i])
        s->table[i] = m; /* the newest of a name is put first when the table is rebuilt */
    else if (s->table[i] != m)
        s->table[i] = m;
}

static void table_rebuild(checker *c, scope *s) {
    uint32_t size = s->table_size ? s->table_size * 2 : 64;
    sym **all = tc_new(c, s->count * sizeof *all);
    uint32_t n = 0;
    for (sym *m = s->syms; m; m = m->next) all[n++] = m;
    s->table_size = size;
    s->table = tc_new(c, size * sizeof *s->table);
    while (n > 0) table_put(s, all[--n]);
}

sym *tc_scope_add(checker *c, scope *s, sym_kind kind, th_view name, const th_ast *ast, file *f) {
    sym *m = tc_new(c, sizeof *m);
    *m = (sym){.name = name, .hash = hash_name(name), .next = s->syms, .kind = (uint8_t)kind, .ast = ast, .file = f};
    s->syms = m;
    s->count++;
    if (s->count > HASH_FROM && s->count * 2 > s->table_size)
        table_rebuild(c, s);
    else if (s->table)
        table_put(s, m);
    return m;
}

sym *tc_define(checker *c, sym_kind kind, th_view name, const th_ast *ast) {
    sym *old = tc_scope_find(c->scope, name);
    if (old) {
        th_span at = tc_span(old->file, old->ast);
        if (tc_error(c, TH_E_REASSIGNMENT, ast, "`%.*s` is defined already, in line %u", V(name), at.line)) {
            bool again = ast->kind == TH_AST_BINDING && !tc_kid(ast, 0) && old->kind == SYM_LOCAL && old->var;
            if (again && !old->var->variable && !old->var->known) tc_variable_hint(c, name, old->ast, old->var->type);
            tc_note(c, old->file, old->ast, "the first definition of `%.*s`", V(name));
        }
    }
    return tc_scope_add(c, c->scope, kind, name, ast, c->file);
}

/* ---- Builtins ----------------------------------------------------------------------------------------------- */

void tc_index_builtins(checker *c) {
    uint32_t n = (uint32_t)th_engine_builtin_count(c->options->engine);
    c->builtin_heads_size = 64;
    while (c->builtin_heads_size < n * 2) c->builtin_heads_size *= 2;
    c->builtin_heads = tc_new(c, c->builtin_heads_size * sizeof *c->builtin_heads);
    c->builtin_next = tc_new(c, (n + 1) * sizeof *c->builtin_next);
    for (uint32_t i = n; i-- > 0;) {
        th_view name = th_view_of(th_engine_builtin(c->options->engine, i)->name);
        uint32_t *head = &c->builtin_heads[hash_name(name) & (c->builtin_heads_size - 1)];
        c->builtin_next[i] = *head;
        *head = i + 1;
    }
}

/* Reads "name: Type, name: Type -> Result". */
static void read_signature(checker *c, func *f, const char *text) {
    param params[TC_MAX_ARGS];
    tvars vars = {0};
    const char *p = text;
    while (*p) {
        while (*p == ' ' || *p == ',') p++;
        if (p[0] == '-' && p[1] == '>') break;
        if (strncmp(p, "...", 3) == 0) {
            f->rest = true;
            p += 3;
            continue;
        }
        const char *name = p;
        while (isalnum((unsigned char)*p) || *p == '_') p++;
        param q = {.name = {name, (size_t)(p - name)}};
        while (*p == ' ' || *p == ':') p++;
        const char *type = p;
        for (int depth = 0; *p && !(depth == 0 && (*p == ',' || (p[0] == '-' && p[1] == '>'))); p++)
            depth += (*p == '<') - (*p == '>');
        if (type == p) break;
        q.type = tc_parse_type(c, (th_view){type, (size_t)(p - type)}, &vars);
        if (f->nparams < TC_MAX_ARGS) params[f->nparams++] = q;
    }
    const char *arrow = strncmp(p, "->", 2) == 0 ? p + 2 : "void";
    f->result = tc_parse_type(c, th_view_of(arrow), &vars);
    f->params = tc_copy(c, params, f->nparams * sizeof *params);
    f->nrequired = f->nparams;
    f->vars = vars.items;
    f->nvars = vars.count;
    f->signed_ = true;
    f->template_ = f->nvars > 0;
}

func *tc_builtin_funcs(checker *c, th_view full_name) {
    func *first = NULL, **link = &first;
    uint32_t i = c->builtin_heads[hash_name(full_name) & (c->builtin_heads_size - 1)];
    for (; i; i = c->builtin_next[i - 1]) {
        const th_builtin *b = th_engine_builtin(c->options->engine, i - 1);
        if (!th_view_is(full_name, b->name)) continue;
        func *f = tc_new(c, sizeof *f);
        f->full_name = th_view_of(b->name);
        f->name = f->full_name;
        for (size_t k = 0; k < f->full_name.len; k++)
            if (b->name[k] == '.') f->name = th_view_of(b->name + k + 1);
        f->builtin = b;
        read_signature(c, f, b->signature);
        *link = f;
        link = &f->next;
    }
    return first;
}

static bool starts_with(const char *text, th_view prefix) {
    return strncmp(text, prefix.data, prefix.len) == 0 && text[prefix.len] == '.';
}

static bool has_builtins(checker *c, th_view name) {
    size_t n = th_engine_builtin_count(c->options->engine);
    for (size_t i = 0; i < n; i++) {
        const char *full = th_engine_builtin(c->options->engine, i)->name;
        if (starts_with(full, name) && !strchr(full + name.len + 1, '.')) return true;
    }
    return false;
}

/* ---- Capsules ----------------------------------------------------------------------------------------------- */

file *tc_add_file(checker *c, const th_source *source, bool standard) {
    file *f = tc_new(c, sizeof *f);
    f->source = source;
    f->standard = standard;
    if (th_lines_init(&f->lines, c->arena, source->text, source->len) != TH_OK) tc_no_memory(c);
    TC_PUSH(c, c->files, c->nfiles, c->files_cap, f);
    return f;
}

static void add_function(checker *c, const th_ast *def, const th_ast *ast, const th_ast *annotation) {
    func *f = tc_func_new(c, def->text, def, ast, annotation);
    f->next_all = c->funcs;
    c->funcs = f;
    sym *s = tc_scope_find(c->scope, def->text);
    if (!s || s->kind != SYM_FUNCS) s = tc_define(c, SYM_FUNCS, def->text, def);
    f->next = s->funcs;
    s->funcs = f;
}

static void add_global(checker *c, const th_ast *ast, bool variable) {
    global *g = tc_new(c, sizeof *g);
    *g = (global){.name = ast->text,
                  .capsule = c->scope->capsule,
                  .file = c->file,
                  .ast = ast,
                  .type = T_BAD,
                  .variable = variable,
                  .index = UINT32_MAX,
                  .next = NULL};
    tc_define(c, SYM_GLOBAL, ast->text, ast)->global = g;
    TC_PUSH(c, c->global_list, c->nglobals, c->global_list_cap, g);
}

void tc_declare_type(checker *c, const th_ast *ast) {
    tdecl *d = tc_new(c, sizeof *d);
    *d =
        (tdecl){.name = ast->text, .ast = ast, .file = c->file, .scope = c->scope, .is_enum = ast->kind == TH_AST_ENUM};
    d->fields = tc_new(c, (ast->nkids + 1) * sizeof *d->fields);
    for (uint32_t i = 0; i < ast->nkids; i++) {
        const th_ast *kid = ast->kids[i];
        if (kid->kind == TH_AST_ERROR) continue;
        if (tc_field_index(d, kid->text) >= 0) {
            tc_error(c, TH_E_REASSIGNMENT, kid, "`%.*s` stands twice in `%.*s`", V(kid->text), V(ast->text));
            continue;
        }
        field *f = &d->fields[d->nfields++];
        *f = (field){.name = kid->text, .type = T_BAD, .ast = kid, .initial = d->is_enum ? NULL : tc_kid(kid, 1)};
    }
    if (d->nfields > 255 && !d->is_enum) tc_error(c, TH_E_LIMIT, ast, "a struct has at most 255 fields");
    if (d->is_enum && d->nfields == 0) tc_error(c, TH_E_TYPE, ast, "the enum `%.*s` has no members", V(ast->text));
    d->resolved = d->is_enum;
    d->type = tc_intern(c, d->is_enum ? TH_KIND_ENUM : TH_KIND_STRUCT, NULL, 0, d, (th_view){0});
    sym *s = tc_define(c, SYM_TYPE, ast->text, ast);
    s->type = d->type;
    s->decl = d;
}

static void declare_inner(checker *c, const th_ast *ast);

/* A member of a capsule. */
static void declare_member(checker *c, const th_ast *ast) {
    switch (ast->kind) {
    case TH_AST_STRUCT:
    case TH_AST_ENUM: tc_declare_type(c, ast); break;
    case TH_AST_FUNCTION: add_function(c, ast, ast, NULL); break;
    case TH_AST_BINDING: {
        const th_ast *value = tc_kid(ast, 1);
        if (value && value->kind == TH_AST_LAMBDA)
            add_function(c, ast, value, tc_kid(ast, 0));
        else
            add_global(c, ast, false);
        break;
    }
    case TH_AST_VARIABLE: add_global(c, ast, true); break;
    case TH_AST_CAPSULE: declare_inner(c, ast); break;
    case TH_AST_ERROR: break;
    default:
        tc_error(c, TH_E_SYNTAX, ast,
                 "a capsule holds functions, values, structs, enums and capsules; put this into a function");
    }
}

/* A capsule inside another is named like a member of it. */
static void clash_with_member(checker *c, const th_ast *ast) {
    sym *s = tc_scope_find(c->scope, ast->text);
    if (s && tc_error(c, TH_E_REASSIGNMENT, ast, "`%.*s` is defined already, in line %u", V(ast->text),
                      tc_span(s->file, s->ast).line))
        tc_note(c, s->file, s->ast, "the first definition of `%.*s`", V(ast->text));
}

static void fill_capsule(checker *c, capsule *cap, const th_ast *ast, file *f) {
    scope *saved = c->scope;
    file *saved_file = c->file;
    struct inst *cur = c->cur;
    cap->ast = ast;
    cap->file = f;
    c->scope = cap->scope;
    c->file = f;
    c->cur = NULL; /* the prelude's are declared in the midst of a function that uses them */
    for (uint32_t i = 0; i < ast->nkids; i++) declare_member(c, ast->kids[i]);
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (ast->kids[i]->kind == TH_AST_CAPSULE) clash_with_member(c, ast->kids[i]);
    c->scope = saved;
    c->file = saved_file;
    c->cur = cur;
}

static capsule *new_capsule(checker *c, th_view name, bool standard) {
    capsule *cap = tc_new(c, sizeof *cap);
    cap->name = name;
    cap->standard = standard;
    cap->scope = tc_scope_new(c, NULL);
    cap->scope->capsule = cap;
    capsule **link = &c->capsules;
    while (*link) link = &(*link)->next;
    *link = cap;
    return cap;
}

static capsule *find_capsule(checker *c, th_view name) {
    for (capsule *cap = c->capsules; cap; cap = cap->next)
        if (th_view_eq(cap->name, name)) return cap;
    return NULL;
}

static void declare_capsule(checker *c, const th_ast *ast, file *f, capsule *outer) {
    th_view name = ast->text;
    if (outer && outer->name.len) name = th_view_of(tc_printf(c, "%.*s.%.*s", V(outer->name), V(name)));
    capsule *old = find_capsule(c, name);
    if (old && old->ast) {
        th_span at = tc_span(old->file, old->ast);
        tc_error_in(c, TH_E_REASSIGNMENT, f, ast, "the capsule `%.*s` is defined already, in %s, line %u", V(name),
                    old->file->source->name, at.line);
        return;
    }
    capsule *cap = new_capsule(c, name, outer && outer->standard);
    cap->short_name = ast->text;
    cap->outer = outer;
    if (outer) {
        cap->next_inner = outer->inner;
        outer->inner = cap;
    }
    cap->scope->outer = outer ? outer->scope : NULL; /* what is around it is seen from inside */
    fill_capsule(c, cap, ast, f);
}

static void declare_inner(checker *c, const th_ast *ast) { declare_capsule(c, ast, c->file, c->scope->capsule); }

void tc_declare_capsule(checker *c, const th_ast *ast, file *f) { declare_capsule(c, ast, f, NULL); }

static const th_std_file *std_file(th_view name) {
    for (size_t i = 0; i < th_theta_std_count; i++)
        if (th_view_is(name, th_theta_std[i].name)) return &th_theta_std[i];
    return NULL;
}

static void parse_standard(checker *c, capsule *cap, const th_std_file *std) {
    th_source *source = tc_new(c, sizeof *source);
    *source = (th_source){tc_printf(c, "%s.th", std->name), std->text, std->len};
    th_ast *ast = NULL;
    if (th_theta_parse(c->arena, source, c->diags, NULL, &ast) != TH_OK) tc_no_memory(c);
    file *f = tc_add_file(c, source, true);
    f->ast = ast;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (ast->kids[i]->kind == TH_AST_CAPSULE) fill_capsule(c, cap, ast->kids[i], f);
}

static th_view without_theta(th_view name) {
    if (name.len > 6 && memcmp(name.data, "Theta.", 6) == 0) name = (th_view){name.data + 6, name.len - 6};
    return th_view_is(name, "Enumerable") ? th_view_of("List") : name;
}

/* The last part of a dotted capsule name stands for it, when it is the only one. */
static capsule *by_last_part(checker *c, th_view name) {
    capsule *found = NULL;
    for (capsule *cap = c->capsules; cap; cap = cap->next) {
        if (cap->name.len <= name.len || cap->name.data[cap->name.len - name.len - 1] != '.') continue;
        if (memcmp(cap->name.data + cap->name.len - name.len, name.data, name.len) != 0) continue;
        if (found) return NULL;
        found = cap;
    }
    return found;
}

capsule *tc_capsule(checker *c, th_view name) {
    capsule *cap = find_capsule(c, name);
    if (cap) return cap;
    th_view plain = without_theta(name);
    if (plain.len != name.len && (cap = find_capsule(c, plain)) && cap->standard) return cap;
    const th_std_file *std = std_file(plain);
    if (std || has_builtins(c, plain)) {
        cap = new_capsule(c, plain, true);
        cap->builtins = true;
        if (std) parse_standard(c, cap, std);
        return cap;
    }
    return by_last_part(c, name);
}

bool tc_capsule_prefix(checker *c, th_view prefix) {
    if (th_view_is(prefix, "Theta")) return true;
    for (capsule *cap = c->capsules; cap; cap = cap->next)
        if (cap->name.len > prefix.len && cap->name.data[prefix.len] == '.' &&
            memcmp(cap->name.data, prefix.data, prefix.len) == 0)
            return true;
    return false;
}

static void merge_builtins(checker *c, capsule *cap, sym **s, th_view name) {
    func *funcs = tc_builtin_funcs(c, th_view_of(tc_printf(c, "%.*s.%.*s", V(cap->name), V(name))));
    if (!*s && funcs) *s = tc_scope_add(c, cap->scope, SYM_FUNCS, name, NULL, NULL);
    if (!*s) return;
    (*s)->merged = true;
    if ((*s)->kind != SYM_FUNCS) return;
    func **link = &(*s)->funcs;
    while (*link) link = &(*link)->next;
    *link = funcs;
}

sym *tc_member(checker *c, capsule *cap, th_view name) {
    sym *s = tc_scope_find(cap->scope, name);
    if (cap->builtins && (!s || !s->merged)) merge_builtins(c, cap, &s, name);
    return s;
}

/* ---- References --------------------------------------------------------------------------------------------- */

/* The name behind the point of a MEMBER. */
th_ast tc_tail(const th_ast *ast) {
    th_ast tail = *ast;
    if (ast->kind == TH_AST_MEMBER && ast->to >= ast->from + ast->text.len)
        tail.from = ast->to - (uint32_t)ast->text.len;
    return tail;
}

static ref enum_member(checker *c, const th_ast *ast, tdecl *d) {
    int64_t i = tc_field_index(d, ast->text);
    if (i >= 0) return (ref){.kind = REF_MEMBER_OF_ENUM, .member = i, .type = d->type};
    if (th_view_is(ast->text, "members")) return (ref){.kind = REF_MEMBER_OF_ENUM, .member = -1, .type = d->type};
    th_ast tail = tc_tail(ast);
    if (tc_error(c, TH_E_REFERENCE, &tail, "the enum `%.*s` has no member `%.*s`", V(d->name), V(ast->text))) {
        th_suggest s;
        th_suggest_init(&s, ast->text);
        for (uint32_t k = 0; k < d->nfields; k++) th_suggest_try(&s, d->fields[k].name);
        if (s.best.len) tc_hint(c, "did you mean `%.*s`?", V(s.best));
    }
    return (ref){.kind = REF_TOLD};
}

static ref capsule_or_prefix(checker *c, th_view text) {
    capsule *cap = tc_capsule(c, text);
    if (cap) return (ref){.kind = REF_CAPSULE, .capsule = cap, .text = cap->outer ? cap->name : text};
    if (tc_capsule_prefix(c, text)) return (ref){.kind = REF_PREFIX, .text = text};
    return (ref){.kind = REF_NONE};
}

/* Is `part` the beginning of the dotted name `whole`, up to a point or its end? */
static bool begins_dotted(th_view whole, th_view part) {
    return whole.len >= part.len && memcmp(whole.data, part.data, part.len) == 0 &&
           (whole.len == part.len || whole.data[part.len] == '.');
}

/* The first name of a dotted one: a capsule in this one or in those around it comes before others. */
static ref first_capsule(checker *c, th_view text) {
    for (capsule *in = c->scope ? c->scope->capsule : NULL; in; in = in->outer)
        for (capsule *inner = in->inner; inner; inner = inner->next_inner) {
            if (!begins_dotted(inner->short_name, text)) continue;
            th_view full = {inner->name.data, inner->name.len - inner->short_name.len + text.len};
            capsule *cap = find_capsule(c, full);
            if (cap) return (ref){.kind = REF_CAPSULE, .capsule = cap, .text = full};
            return (ref){.kind = REF_PREFIX, .text = full};
        }
    ref r = capsule_or_prefix(c, text);
    return r.kind == REF_NONE && tc_link_failed(c, text) ? (ref){.kind = REF_TOLD} : r;
}

capsule *tc_capsule_here(checker *c, th_view name) {
    for (capsule *in = c->scope ? c->scope->capsule : NULL; in; in = in->outer)
        for (capsule *inner = in->inner; inner; inner = inner->next_inner) {
            if (!begins_dotted(name, inner->short_name)) continue;
            th_view rest = {name.data + inner->short_name.len, name.len - inner->short_name.len};
            capsule *cap = find_capsule(c, th_view_of(tc_printf(c, "%.*s%.*s", V(inner->name), V(rest))));
            if (cap) return cap;
        }
    return tc_capsule(c, name);
}

ref tc_resolve_ref(checker *c, const th_ast *ast) {
    if (ast->kind == TH_AST_NAME) {
        sym *s = tc_lookup(c, ast->text);
        if (s) return (ref){.kind = REF_SYM, .sym = s, .text = ast->text};
        return first_capsule(c, ast->text);
    }
    const th_ast *object = ast->kind == TH_AST_MEMBER && !(ast->flags & TH_AST_OPTIONAL) ? tc_kid(ast, 0) : NULL;
    if (!object || (object->kind != TH_AST_NAME && object->kind != TH_AST_MEMBER)) return (ref){.kind = REF_NONE};
    ref r = tc_resolve_ref(c, object);
    if (r.kind == REF_CAPSULE || r.kind == REF_PREFIX) {
        sym *s = r.kind == REF_CAPSULE ? tc_member(c, r.capsule, ast->text) : NULL;
        if (s) return (ref){.kind = REF_SYM, .sym = s, .text = ast->text};
        ref deeper = capsule_or_prefix(c, th_view_of(tc_printf(c, "%.*s.%.*s", V(r.text), V(ast->text))));
        if (deeper.kind != REF_NONE) return deeper;
        if (r.kind == REF_CAPSULE)
            tc_no_member(c, ast, r.capsule);
        else
            tc_no_capsule(c, ast, th_view_of(tc_printf(c, "%.*s.%.*s", V(r.text), V(ast->text))));
        return (ref){.kind = REF_TOLD};
    }
    if (r.kind == REF_SYM && r.sym->kind == SYM_TYPE) {
        if (r.sym->decl && r.sym->decl->is_enum) return enum_member(c, ast, r.sym->decl);
        tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is a type; `%.*s` is a field of its values", V(r.text), V(ast->text));
        return (ref){.kind = REF_TOLD};
    }
    return (ref){.kind = r.kind == REF_TOLD ? REF_TOLD : REF_NONE};
}
