/*
** check_hint.c - names that mean nothing here: one error for each, with what was most likely meant.
** Candidates are tried in the order of their likelihood; of two that are equally near the first one is proposed.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

#include <ctype.h>

/* ---- Candidates --------------------------------------------------------------------------------------------- */

static bool within(const char *full, th_view capsule) {
    return strncmp(full, capsule.data, capsule.len) == 0 && full[capsule.len] == '.';
}

static void try_members(checker *c, capsule *cap, th_suggest *s) {
    for (sym *m = cap->scope->syms; m; m = m->next) th_suggest_try(s, m->name);
    size_t n = cap->builtins ? th_engine_builtin_count(c->options->engine) : 0;
    for (size_t i = 0; i < n; i++) {
        const char *full = th_engine_builtin(c->options->engine, i)->name;
        if (within(full, cap->name)) th_suggest_try(s, th_view_of(full + cap->name.len + 1));
    }
    if (th_view_is(cap->name, "Csv") || th_view_is(cap->name, "Arrow")) th_suggest_try(s, th_view_of("read"));
    if (th_view_is(cap->name, "Table")) th_suggest_try(s, th_view_of("of"));
}

static void try_verbs(th_suggest *s) {
    const char *name;
    for (size_t i = 0; (name = tc_verb_name(i)); i++) th_suggest_try(s, th_view_of(name));
}

static void try_capsules(checker *c, th_suggest *s) {
    for (capsule *cap = c->capsules; cap; cap = cap->next) {
        if (cap->name.len == 0) continue;
        if (cap->outer) th_suggest_try(s, cap->short_name);
        th_suggest_try(s, cap->name);
    }
    size_t n = th_engine_builtin_count(c->options->engine);
    for (size_t i = 0; i < n; i++) {
        const char *full = th_engine_builtin(c->options->engine, i)->name, *dot = strrchr(full, '.');
        th_view name = {full, dot ? (size_t)(dot - full) : 0};
        if (name.len && !th_view_is(name, "Core") && !th_view_is(name, "Flow")) th_suggest_try(s, name);
    }
    for (size_t i = 0; i < th_theta_std_count; i++) th_suggest_try(s, th_view_of(th_theta_std[i].name));
}

void tc_suggest_name(checker *c, th_suggest *s) {
    for (scope *sc = c->scope; sc; sc = sc->outer)
        for (sym *m = sc->syms; m; m = m->next) th_suggest_try(s, m->name);
    const char *known;
    for (size_t i = 0; (known = tc_intrinsic_name(i)); i++) th_suggest_try(s, th_view_of(known));
    size_t n = th_engine_builtin_count(c->options->engine);
    for (size_t i = 0; i < n; i++) {
        const char *full = th_engine_builtin(c->options->engine, i)->name;
        if (strncmp(full, "Core.", 5) == 0) th_suggest_try(s, th_view_of(full + 5));
    }
    if (s->wanted.len && isupper((unsigned char)s->wanted.data[0])) try_capsules(c, s);
}

/* A capsule that has what was looked for in vain. */
static const char *found_elsewhere(checker *c, th_view name) {
    for (capsule *cap = c->capsules; cap; cap = cap->next)
        if (!cap->standard && cap->name.len && tc_scope_find(cap->scope, name))
            return tc_printf(c, "%.*s.%.*s", V(cap->name), V(name));
    size_t n = th_engine_builtin_count(c->options->engine);
    for (size_t i = 0; i < n; i++) {
        const char *full = th_engine_builtin(c->options->engine, i)->name, *dot = strrchr(full, '.');
        if (dot && th_view_is(name, dot + 1)) return full;
    }
    for (size_t i = 0; i < th_theta_std_count; i++) {
        capsule *cap = tc_capsule(c, th_view_of(th_theta_std[i].name));
        if (cap && tc_scope_find(cap->scope, name)) return tc_printf(c, "%.*s.%.*s", V(cap->name), V(name));
    }
    return NULL;
}

bool tc_known_anywhere(checker *c, th_view name) { return tc_is_verb(name) || found_elsewhere(c, name) != NULL; }

/* ---- What other languages call it --------------------------------------------------------------------------- */

static const char *said_elsewhere(const char *const (*words)[2], size_t n, th_view name) {
    for (size_t i = 0; i < n; i++)
        if (th_view_is(name, words[i][0])) return words[i][1];
    return NULL;
}

static const char *foreign_verb(th_view name) {
    static const char *const words[][2] = {
        {"orderby", "sort"},   {"order_by", "sort"},       {"sort_by", "sort"},        {"sortby", "sort"},
        {"arrange", "sort"},   {"limit", "take"},          {"head", "take"},           {"offset", "skip"},
        {"mutate", "derive"},  {"with_column", "derive"},  {"extend", "derive"},       {"assign", "derive"},
        {"groupby", "group"},  {"summarize", "aggregate"}, {"summarise", "aggregate"}, {"agg", "aggregate"},
        {"having", "where"},   {"unique", "distinct"},     {"project", "select"},      {"inner_join", "join"},
        {"save", "Csv.write"}, {"to_csv", "Csv.write"},    {"write", "Csv.write"},     {"show", "print"},
        {"display", "print"},  {"concat", "union"},        {"remove", "drop"},         {"merge", "join"},
    };
    return said_elsewhere(words, TH_COUNT(words), name);
}

static const char *foreign_call(th_view name) {
    static const char *const words[][2] = {
        {"println", "print"},      {"printf", "print"},
        {"puts", "print"},         {"echo", "print"},
        {"log", "print"},          {"length", "len"},
        {"size", "len"},           {"count", "len"},
        {"strlen", "len"},         {"append", "push"},
        {"add", "push"},           {"str", "String"},
        {"string", "String"},      {"toString", "String"},
        {"to_string", "String"},   {"int", "i64"},
        {"parseInt", "i64"},       {"to_i64", "i64"},
        {"float", "f64"},          {"double", "f64"},
        {"parseFloat", "f64"},     {"to_f64", "f64"},
        {"contains", "has"},       {"includes", "has"},
        {"toUpperCase", "upper"},  {"to_upper", "upper"},
        {"toLowerCase", "lower"},  {"to_lower", "lower"},
        {"lenght", "len"},         {"clone", "copy"},
        {"substring", "slice"},    {"substr", "slice"},
        {"push_back", "push"},     {"trimmed", "trim"},
        {"forEach", "each"},       {"reduce", "fold"},
        {"strip", "trim"},         {"startsWith", "starts_with"},
        {"endsWith", "ends_with"}, {"indexOf", "index_of"},
    };
    return said_elsewhere(words, TH_COUNT(words), name);
}

static const char *foreign_name(th_view name) {
    static const char *const words[][2] = {
        {"nil", "null"},     {"None", "null"}, {"NULL", "null"}, {"undefined", "null"},
        {"nullptr", "null"}, {"True", "true"}, {"TRUE", "true"}, {"False", "false"},
        {"FALSE", "false"},  {"not", "!"},     {"and", "&&"},    {"or", "||"},
    };
    return said_elsewhere(words, TH_COUNT(words), name);
}

static const char *foreign_aggregate(th_view name) {
    static const char *const words[][2] = {
        {"avg", "mean"},     {"average", "mean"},
        {"total", "sum"},    {"std", "stddev"},
        {"stdev", "stddev"}, {"sd", "stddev"},
        {"var", "variance"}, {"nunique", "count_distinct"},
        {"n", "count"},      {"distinct", "count_distinct"},
        {"maximum", "max"},  {"minimum", "min"},
        {"size", "count"},   {"len", "count"},
    };
    return said_elsewhere(words, TH_COUNT(words), name);
}

/* ---- Telling ------------------------------------------------------------------------------------------------ */

static void did_you_mean(checker *c, const th_suggest *s, const char *foreign) {
    if (foreign)
        tc_hint(c, "did you mean `%s`?", foreign);
    else if (s->best.len)
        tc_hint(c, "did you mean `%.*s`?", V(s->best));
}

/* Where a name is bound in a function, in a part of it that does not reach the place `at`: behind it or before it. */
static const th_ast *bound_at(const th_ast *ast, th_view name, uint32_t at, bool later) {
    if (!ast) return NULL;
    bool binds = ast->kind == TH_AST_BINDING || ast->kind == TH_AST_VARIABLE || ast->kind == TH_AST_FUNCTION;
    if (binds && (later ? ast->from > at : ast->to < at) && th_view_eq(ast->text, name)) return ast;
    const th_ast *found = NULL;
    for (uint32_t i = 0; i < ast->nkids && !found; i++) {
        const th_ast *kid = ast->kids[i];
        if (kid && (later ? kid->to > at : kid->from < at)) found = bound_at(kid, name, at, later);
    }
    return found;
}

bool tc_first_unknown(checker *c, th_view name) {
    return !tc_told(c, th_hash_bytes(name.data, name.len, 11) ^ th_hash_word((uint64_t)(uintptr_t)c->cur + 1));
}

/* The same name apart from capitals. */
static bool same_letters(th_view a, th_view b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (tolower((unsigned char)a.data[i]) != tolower((unsigned char)b.data[i])) return false;
    return true;
}

static bool other_capitals(checker *c, th_view name) {
    for (scope *s = c->scope; s; s = s->outer)
        for (sym *m = s->syms; m; m = m->next)
            if (same_letters(m->name, name)) return tc_hint(c, "did you mean `%.*s`?", V(m->name)), true;
    return false;
}

/* `LEFT` for `Side.LEFT`. */
static bool bare_enum_member(checker *c, th_view name) {
    for (scope *s = c->scope; s; s = s->outer)
        for (sym *m = s->syms; m; m = m->next) {
            bool has = m->kind == SYM_TYPE && m->decl && m->decl->is_enum && tc_field_index(m->decl, name) >= 0;
            if (has) return tc_hint(c, "did you mean `%.*s.%.*s`?", V(m->name), V(name)), true;
        }
    return false;
}

static bool foreign_object(checker *c, th_view name) {
    static const char *const words[][2] = {
        {"console", "a text is written with `print(x)`"},
        {"System", "a text is written with `print(x)`"},
        {"fmt", "a text is written with `print(x)`"},
        {"std", "the standard library is docs/LIBRARY.md: Math, List, ..."},
        {"pd", "a table is read with `Csv.read(path)`"},
        {"np", "numbers are in the capsule Math, lists in List"},
        {"os", "files and arguments are in the capsule IO"},
        {"sys", "files and arguments are in the capsule IO"},
        {"self", "a function of a struct takes it as a parameter"},
        {"this", "a function of a struct takes it as a parameter"},
    };
    const char *hint = said_elsewhere(words, TH_COUNT(words), name);
    if (hint) tc_hint(c, "%s", hint);
    return hint != NULL;
}

/* The function that is being checked binds the name, but not where it is seen. */
static bool bound_hint(checker *c, const th_ast *ast, th_view name) {
    const inst *in = c->cur;
    while (in && in->outer && in->outer->func && in->outer->func->file == c->file) in = in->outer;
    const th_ast *body = in && in->func && in->func->file == c->file ? in->func->ast : NULL;
    const th_ast *later = bound_at(body, name, ast->to, true), *inside = bound_at(body, name, ast->from, false);
    if (later)
        tc_hint(c, "it is defined further down, in line %u: what comes before cannot use it",
                tc_span(c->file, later).line);
    else if (inside)
        tc_hint(c, "it is defined inside a block, in line %u, and known only there", tc_span(c->file, inside).line);
    return later || inside;
}

static void tell_unknown(checker *c, const th_ast *ast, th_view name, bool object) {
    if (!tc_first_unknown(c, name) || !tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is not defined here", V(name))) return;
    if (bound_hint(c, ast, name) || bare_enum_member(c, name) || other_capitals(c, name)) return;
    if (object && foreign_object(c, name)) return;
    if (memchr(name.data, '$', name.len) && c->file->source->text[ast->from] == '`') {
        tc_hint(c, "strings are written with single quotes: 'text ${value}'; backticks are for names");
        return;
    }
    th_suggest s;
    th_suggest_init(&s, name);
    tc_suggest_name(c, &s);
    if (object) try_capsules(c, &s);
    const char *foreign = foreign_name(name), *elsewhere = foreign || s.best.len ? NULL : found_elsewhere(c, name);
    did_you_mean(c, &s, foreign ? foreign : elsewhere);
}

void tc_unknown(checker *c, const th_ast *ast, th_view name) { tell_unknown(c, ast, name, false); }

void tc_unknown_target(checker *c, const th_ast *ast) {
    th_suggest s;
    th_suggest_init(&s, ast->text);
    for (scope *sc = c->scope; sc; sc = sc->outer)
        for (sym *m = sc->syms; m; m = m->next) th_suggest_try(&s, m->name);
    if (s.best.len) {
        tell_unknown(c, ast, ast->text, false);
        return;
    }
    if (tc_first_unknown(c, ast->text) &&
        tc_error(c, TH_E_REFERENCE, ast, "`%.*s` is not defined here", V(ast->text)) && !bound_hint(c, ast, ast->text))
        tc_hint(c, "a variable is declared before it is changed: `Type %.*s = ...`", V(ast->text));
}

void tc_no_value(checker *c, const th_ast *ast, ty want) {
    bool call = ast->kind == TH_AST_CALL && ast->kids[0]->kind == TH_AST_NAME;
    const char *what = call ? tc_printf(c, "`%.*s`", V(ast->kids[0]->text)) : "this";
    bool told = want == T_NONE
                    ? tc_error(c, TH_E_TYPE, ast, "%s gives no value", what)
                    : tc_error(c, TH_E_TYPE, ast, "expected %s, but %s gives no value", tc_text(c, want), what);
    if (told && ast->kind == TH_AST_IF && !tc_kid(ast, 2)) tc_hint(c, "an `if` without `else` has none: add an `else`");
}

bool tc_is_unknown(checker *c, const th_ast *ast) {
    if (ast->kind != TH_AST_NAME || tc_lookup(c, ast->text) || tc_intrinsic(ast->text) || tc_outer(c, ast->text))
        return false;
    if (tc_resolve_ref(c, ast).kind != REF_NONE) return false;
    return !tc_builtin_funcs(c, th_view_of(tc_printf(c, "Core.%.*s", V(ast->text))));
}

bool tc_unknown_object(checker *c, const th_ast *ast) {
    if (!tc_is_unknown(c, ast)) return false;
    tell_unknown(c, ast, ast->text, true);
    return true;
}

bool tc_mentions(const th_ast *ast, th_view name) {
    if (!ast) return false;
    if (ast->kind == TH_AST_NAME && th_view_eq(ast->text, name)) return true;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (tc_mentions(ast->kids[i], name)) return true;
    return false;
}

bool tc_meant_lambda(checker *c, const th_ast *pipe) {
    const th_ast *name = pipe->kids[0];
    if (!tc_is_unknown(c, name) || pipe->kids[1]->kind == TH_AST_LAMBDA || !tc_mentions(pipe->kids[1], name->text))
        return false;
    if (tc_error(c, TH_E_REFERENCE, name, "`%.*s` is not defined here", V(name->text)))
        tc_hint(c, "a function is written `%.*s -> ...`; `=>` hands a value on", V(name->text));
    return true;
}

static bool is_table(checker *c, ty t) {
    uint8_t kind = c->types[t].kind;
    return kind == TH_KIND_TABLE || kind == K_GROUPED;
}

/* What may be called with a first argument of this type. */
static void try_for_type(checker *c, ty t, th_suggest *s) {
    if (is_table(c, t)) try_verbs(s);
    const char *home = tc_home(c, t);
    capsule *cap = home ? tc_capsule(c, th_view_of(home)) : NULL;
    if (cap) try_members(c, cap, s);
}

/* Some of the verbs' names elsewhere are plain functions here and the other way about: the type decides. */
static const char *foreign_for(checker *c, ty t, th_view name) {
    const char *verb = is_table(c, t) ? foreign_verb(name) : NULL;
    if (verb) return verb;
    const char *word = foreign_call(name), *home = word && t != T_NONE ? tc_home(c, t) : NULL;
    capsule *cap = home ? tc_capsule(c, th_view_of(home)) : NULL;
    if (cap && tc_member(c, cap, th_view_of(word))) return word;
    bool plain = word && tc_intrinsic(th_view_of(word));
    bool of_table = plain && (strcmp(word, "len") == 0 || strcmp(word, "print") == 0);
    return plain && (of_table || !is_table(c, t)) ? word : NULL;
}

void tc_unknown_call(checker *c, const th_ast *callee, th_view name, ty first) {
    th_ast tail = tc_tail(callee);
    bool method = callee->kind == TH_AST_MEMBER;
    first = first == T_BAD ? T_NONE : tc_force(c, first);
    if (!method && !tc_first_unknown(c, name)) return;
    bool told = method && first != T_NONE
                    ? tc_error(c, TH_E_REFERENCE, &tail, "%s has no `%.*s`", tc_text(c, first), V(name))
                    : tc_error(c, TH_E_REFERENCE, &tail, "`%.*s` is not defined here", V(name));
    if (!told) return;
    th_suggest s;
    th_suggest_init(&s, name);
    if (first != T_NONE) {
        try_for_type(c, first, &s);
    } else {
        try_verbs(&s);
    }
    if (!method || s.best.len == 0) tc_suggest_name(c, &s);
    if (c->verb) th_suggest_try(&s, th_view_of("desc"));
    const char *foreign = foreign_for(c, first, name);
    if (!foreign && !s.best.len) foreign = found_elsewhere(c, name);
    did_you_mean(c, &s, foreign);
}

void tc_no_member(checker *c, const th_ast *ast, capsule *cap) {
    th_ast tail = tc_tail(ast);
    if (!tc_error(c, TH_E_REFERENCE, &tail, "the capsule `%.*s` has no `%.*s`", V(cap->name), V(ast->text))) return;
    th_suggest s;
    th_suggest_init(&s, ast->text);
    try_members(c, cap, &s);
    for (capsule *inner = cap->inner; inner; inner = inner->next_inner) th_suggest_try(&s, inner->short_name);
    const char *elsewhere = s.best.len ? NULL : found_elsewhere(c, ast->text);
    did_you_mean(c, &s, elsewhere);
}

bool tc_link_failed(checker *c, th_view name) {
    for (uint32_t i = 0; i < c->nfailed_links; i++) {
        th_view link = c->failed_links[i]->text;
        size_t a = 0, b = 0;
        while (a < link.len && link.data[a] != '.') a++;
        while (b < name.len && name.data[b] != '.') b++;
        if (a == b && memcmp(link.data, name.data, a) == 0) return true;
    }
    return false;
}

void tc_link_hint(checker *c, th_view name) {
    th_suggest s;
    bool ours = name.len > 6 && memcmp(name.data, "Theta.", 6) == 0;
    th_suggest_init(&s, ours ? (th_view){name.data + 6, name.len - 6} : name);
    try_capsules(c, &s);
    if (s.best.len)
        tc_hint(c, "did you mean `%s%.*s`?", ours ? "Theta." : "", V(s.best));
    else
        tc_hint(c, "a linked capsule is looked for in .theta and .th files beside this one and in folders below it");
}

void tc_no_capsule(checker *c, const th_ast *ast, th_view name) {
    if (!tc_error(c, TH_E_REFERENCE, ast, "there is no capsule `%.*s`", V(name))) return;
    th_suggest s;
    th_suggest_init(&s, name);
    try_capsules(c, &s);
    did_you_mean(c, &s, NULL);
}

/* ---- Aggregates --------------------------------------------------------------------------------------------- */

static void unknown_aggregate(checker *c, const th_ast *callee) {
    static const char *const known[] = {"count",  "sum",      "mean",           "min", "max", "first", "last", "median",
                                        "stddev", "variance", "count_distinct", "any", "all"};
    if (!tc_error(c, TH_E_REFERENCE, callee, "`%.*s` is not defined here", V(callee->text))) return;
    th_suggest s;
    th_suggest_init(&s, callee->text);
    for (size_t i = 0; i < TH_COUNT(known); i++) th_suggest_try(&s, th_view_of(known[i]));
    tc_suggest_name(c, &s);
    const char *foreign = foreign_aggregate(callee->text);
    did_you_mean(c, &s, foreign);
    if (!foreign && !s.best.len)
        tc_hint(c, "the aggregates are count, sum, mean, min, max, first, last, median, stddev, variance, "
                   "count_distinct, any and all");
}

bool tc_unknown_aggregates(checker *c, const th_ast *ast) {
    th_agg agg;
    bool found = false;
    if (!ast || tc_is_aggregate(ast, &agg)) return false;
    const th_ast *callee = ast->kind == TH_AST_CALL && ast->kids[0]->kind == TH_AST_NAME ? ast->kids[0] : NULL;
    if (callee && tc_is_unknown(c, callee) && !tc_known_anywhere(c, callee->text)) {
        unknown_aggregate(c, callee);
        return true; /* its arguments are columns: nothing is known of what it makes of them */
    }
    for (uint32_t i = 0; i < ast->nkids; i++) found |= tc_unknown_aggregates(c, ast->kids[i]);
    return found;
}

/* ---- Reassignment ------------------------------------------------------------------------------------------- */

void tc_variable_hint(checker *c, th_view name, const th_ast *def, ty type) {
    type = type == T_BAD ? T_NONE : tc_zonk(c, tc_force(c, type));
    bool known = type != T_NONE && type != TH_TYPE_VOID && !c->types[type].open;
    const char *text = known ? tc_text(c, type) : "Type";
    if (def && def->kind == TH_AST_PARAM)
        tc_hint(c, "a parameter that may be given another value is declared with its type in front: `%s %.*s`", text,
                V(name));
    else
        tc_hint(c, "a variable is declared with its type in front: `%s %.*s = ...`", text, V(name));
}
