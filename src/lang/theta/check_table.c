/*
** check_table.c - table verbs: where, derive, select, drop, rename, group, aggregate, sort, take, skip, distinct,
** join, union; and what makes tables: Csv.read, Arrow.read, Table.of. Each becomes one call of `Flow.apply` with a
** spec that is a string constant of the program; the type of the rows is computed here.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check_verb.h"

/* The keys of a `group`, until `aggregate` takes them. A type of its own carries them. */
typedef struct grouping {
    tdecl decl; /* first: the type points here */
    const th_ast **keys;
    uint32_t nkeys;
    scope *scope;
    file *file;
} grouping;

/* ---- Verbs in the making ------------------------------------------------------------------------------------ */

static void spec_status(checker *c, th_status status) {
    if (status == TH_E_NOMEM) tc_no_memory(c);
    if (status != TH_OK && c->status == TH_OK) c->status = status;
}

void tc_drop_verbs(checker *c) {
    for (verb *v = c->verb; v; v = v->outer) {
        if (v->spec) th_spec_free(v->spec);
        v->spec = NULL;
    }
    c->verb = NULL;
}

static void columns_of(checker *c, verb *v, ty row) {
    row = tc_shallow(c, row);
    if (c->types[row].kind != TH_KIND_STRUCT) return;
    tc_fields(c, c->types[row].decl);
    for (uint32_t i = 0; i < c->types[row].decl->nfields; i++) tc_force(c, c->types[row].decl->fields[i].type);
    v->columns = c->types[row].decl->fields;
    v->ncolumns = c->types[row].decl->nfields;
}

static ty row_of(checker *c, const th_tir *table) {
    ty t = tc_shallow(c, table->type);
    return c->types[t].nargs ? tc_arg(c, t, 0) : T_NONE;
}

verb *tc_verb_open(checker *c, th_verb kind, const th_ast *ast, th_tir *input) {
    verb *v = tc_new(c, sizeof *v);
    v->ast = ast;
    v->inputs = tc_new(c, 2 * sizeof *v->inputs);
    v->outer = c->verb;
    c->verb = v;
    spec_status(c, th_spec_new(c->mem, kind, &v->spec));
    if (input) {
        v->inputs[v->ninputs++] = input;
        columns_of(c, v, row_of(c, input));
    }
    return v;
}

static void abandon(checker *c, verb *v) {
    th_spec_free(v->spec);
    v->spec = NULL;
    c->verb = v->outer;
}

static th_tir *give_up(checker *c, verb *v) {
    const th_ast *ast = v->ast;
    abandon(c, v);
    return tc_bad(c, ast);
}

th_tir *tc_verb_close(checker *c, verb *v, ty row) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    th_spec_inputs(v->spec, v->ninputs);
    th_status status = th_spec_finish(v->spec, &bytes, &len);
    if (status != TH_OK) {
        if (status == TH_E_LIMIT)
            tc_error(c, status, v->ast, "this expression over columns is too large");
        else
            spec_status(c, status);
        return give_up(c, v);
    }
    char *text = th_arena_text(c->arena, (const char *)bytes, len);
    th_mem_free(c->mem, bytes, len);
    if (!text) tc_no_memory(c);
    uint32_t n = 1 + v->ninputs + v->nparams;
    th_tir **kids = tc_new(c, n * sizeof *kids);
    ty *types = tc_new(c, n * sizeof *types);
    kids[0] = tc_string(c, (th_view){text, len}, v->ast);
    for (uint32_t i = 0; i < v->ninputs; i++) kids[1 + i] = v->inputs[i];
    for (uint32_t i = 0; i < v->nparams; i++) kids[1 + v->ninputs + i] = v->params[i];
    for (uint32_t i = 0; i < n; i++) types[i] = kids[i]->type;
    const th_ast *ast = v->ast;
    abandon(c, v);
    th_tir *call = tc_node_list(c, TH_TIR_CALL_BUILTIN, tc_table_of(c, row), ast, kids, n);
    call->text = th_view_of("Flow.apply");
    call->fntype = tc_function(c, types, n, call->type);
    return call;
}

/* ---- Columns of results ------------------------------------------------------------------------------------- */

typedef struct columns {
    field *items;
    uint32_t count, cap;
} columns;

static int64_t find(const columns *cs, th_view name) {
    for (uint32_t i = 0; i < cs->count; i++)
        if (th_view_eq(cs->items[i].name, name)) return i;
    return -1;
}

static void put(checker *c, columns *cs, th_view name, ty type) {
    int64_t i = find(cs, name);
    if (i >= 0) {
        cs->items[i].type = type;
        return;
    }
    field f = {.name = name, .type = type};
    TC_PUSH(c, cs->items, cs->count, cs->cap, f);
}

static columns all_columns(checker *c, const verb *v) {
    columns cs = {0};
    for (uint32_t i = 0; i < v->ncolumns; i++) put(c, &cs, v->columns[i].name, tc_zonk(c, v->columns[i].type));
    return cs;
}

static bool takes_twice(checker *c, const columns *cs, const th_ast *ast, th_view name) {
    if (find(cs, name) < 0) return false;
    tc_error(c, TH_E_REASSIGNMENT, ast, "the column `%.*s` is there already", V(name));
    return true;
}

/* A column given by its bare name. */
static bool column_name(checker *c, const verb *v, const arg *a, th_view *name) {
    if (!a->ast || a->name.len || !tc_written_column(a->ast, name)) {
        tc_error(c, TH_E_TYPE, a->ast ? a->ast : v->ast, "the name of a column is expected here");
        return false;
    }
    if (tc_column(v, *name) >= 0) return true;
    tc_no_column(c, v, a->ast, *name);
    return false;
}

static bool check_count(checker *c, const th_ast *ast, const char *name, uint32_t n, uint32_t least, uint32_t most,
                        const char *form) {
    if (n >= least && n <= most) return true;
    if (tc_error(c, TH_E_REFERENCE, ast, "`%s` takes %s%u argument%s, found %u", name, least == most ? "" : "at least ",
                 least, least == 1 ? "" : "s", n))
        tc_hint(c, "it is written %s", form);
    return false;
}

/* ---- Verbs of one table ------------------------------------------------------------------------------------- */

static th_tir *where(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "where", n, 1, 64, "`table => where(condition)`")) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_WHERE, ast, table);
    th_expr_ref all = 0;
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        cell x = tc_cell(c, v, args[i].ast);
        if (!x.bad && x.type != TH_TYPE_BOOL) {
            tc_error(c, TH_E_TYPE, args[i].ast, "expected a condition (bool), found %s",
                     tc_text(c, tc_cell_type(c, &x)));
            x.bad = true;
        }
        bad |= x.bad;
        if (bad) continue;
        th_expr_ref ref = tc_emit(c, v, &x, TH_TYPE_BOOL), both[2] = {all, ref};
        all = i ? th_spec_op(v->spec, TH_EXPR_AND, TH_COLUMN_BOOL, 0, both, 2) : ref;
    }
    if (bad) return give_up(c, v);
    th_spec_add(v->spec, (th_view){0}, all, false);
    return tc_verb_close(c, v, row_of(c, table));
}

static bool add_named(checker *c, verb *v, columns *cs, th_view name, const th_ast *value) {
    cell x = tc_cell(c, v, value);
    if (x.bad) return false;
    if (x.type == T_NULL) {
        tc_error(c, TH_E_TYPE, value, "the type of this column cannot be told from null alone");
        return false;
    }
    th_expr_ref ref = tc_emit(c, v, &x, T_NONE);
    ty type = tc_cell_type(c, &x);
    if (c->types[tc_shallow(c, x.type)].kind == TH_KIND_ENUM || x.type == TH_TYPE_SYMBOL)
        type = x.nullable ? tc_option(c, TH_TYPE_STRING) : TH_TYPE_STRING;
    th_spec_add(v->spec, name, ref, false);
    put(c, cs, name, type);
    return true;
}

static bool mentions_new(const th_ast *ast, const verb *v, arg *args, uint32_t from, uint32_t to) {
    if (!ast) return false;
    if (ast->kind == TH_AST_NAME && tc_column(v, ast->text) < 0)
        for (uint32_t i = from; i < to; i++)
            if (th_view_eq(args[i].name, ast->text)) return true;
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (mentions_new(ast->kids[i], v, args, from, to)) return true;
    return false;
}

/* A new column may use ones before it in the same `derive`: then it is a second step. */
static th_tir *derive(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "derive", n, 1, TC_MAX_ARGS, "`table => derive(name: expression)`")) return tc_bad(c, ast);
    bool bad = false;
    for (uint32_t at = 0; at < n;) {
        verb *v = tc_verb_open(c, TH_VERB_DERIVE, ast, table);
        columns cs = all_columns(c, v);
        uint32_t first = at;
        for (; at < n; at++) {
            if (at > first && mentions_new(args[at].ast, v, args, first, at)) break;
            if (!args[at].name.len) {
                tc_error(c, TH_E_TYPE, args[at].ast, "a new column needs a name: `derive(name: ...)`");
                bad = true;
            } else if (!add_named(c, v, &cs, args[at].name, args[at].ast)) {
                bad = true;
                put(c, &cs, args[at].name, T_BAD);
            }
        }
        if (bad) return give_up(c, v);
        table = tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
        if (table->type == T_BAD) return table;
    }
    return table;
}

static th_tir *select_columns(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "select", n, 1, TC_MAX_ARGS, "`table => select(a, b, name: expression)`"))
        return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_SELECT, ast, table);
    columns cs = {0};
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        th_view name = args[i].name;
        bool good = name.len || column_name(c, v, &args[i], &name);
        if (good && takes_twice(c, &cs, args[i].named ? args[i].named : args[i].ast, name)) good = false;
        bad |= !good || !add_named(c, v, &cs, name, args[i].ast);
    }
    return bad ? give_up(c, v) : tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
}

static th_tir *drop_columns(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "drop", n, 1, TC_MAX_ARGS, "`table => drop(a, b)`")) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_DROP, ast, table);
    columns cs = {0};
    bool bad = false, *gone = tc_new(c, v->ncolumns + 1);
    for (uint32_t i = 0; i < n; i++) {
        th_view name;
        if (!column_name(c, v, &args[i], &name)) {
            bad = true;
            continue;
        }
        if (!gone[tc_column(v, name)]) th_spec_name(v->spec, name);
        gone[tc_column(v, name)] = true;
    }
    for (uint32_t i = 0; i < v->ncolumns; i++)
        if (!gone[i]) put(c, &cs, v->columns[i].name, v->columns[i].type);
    if (!bad && cs.count == 0) {
        tc_error(c, TH_E_TYPE, ast, "no column would be left");
        bad = true;
    }
    return bad ? give_up(c, v) : tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
}

static th_tir *rename_columns(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "rename", n, 1, TC_MAX_ARGS, "`table => rename(new: old)`")) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_RENAME, ast, table);
    columns cs = {0};
    bool bad = false;
    th_view *names = tc_new(c, (v->ncolumns + 1) * sizeof *names);
    for (uint32_t i = 0; i < v->ncolumns; i++) names[i] = v->columns[i].name;
    for (uint32_t i = 0; i < n; i++) {
        arg old = {.ast = args[i].ast};
        th_view name;
        if (!args[i].name.len) {
            tc_error(c, TH_E_TYPE, args[i].ast, "the new name stands first: `rename(new: old)`");
            bad = true;
        } else if (column_name(c, v, &old, &name)) {
            names[tc_column(v, name)] = args[i].name;
            th_spec_add(v->spec, args[i].name, th_spec_column(v->spec, name), false);
        } else
            bad = true;
    }
    for (uint32_t i = 0; i < v->ncolumns && !bad; i++) {
        bad |= takes_twice(c, &cs, ast, names[i]);
        put(c, &cs, names[i], v->columns[i].type);
    }
    return bad ? give_up(c, v) : tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
}

static th_tir *sort_rows(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "sort", n, 1, TC_MAX_ARGS, "`table => sort(a, desc(b))`")) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_SORT, ast, table);
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        const th_ast *key = args[i].ast;
        bool call = key->kind == TH_AST_CALL && key->nkids == 2 && key->kids[0]->kind == TH_AST_NAME;
        bool descending = call && th_view_is(key->kids[0]->text, "desc");
        if (descending || (call && th_view_is(key->kids[0]->text, "asc"))) key = key->kids[1];
        cell x = tc_cell(c, v, key);
        if (!x.bad && x.constant) {
            if (tc_error(c, TH_E_TYPE, key, "this is the same for all rows, and so no order"))
                tc_hint(c, "rows are sorted by columns: `sort(a, desc(b))`");
            x.bad = true;
        }
        bad |= x.bad;
        if (!bad) th_spec_add(v->spec, (th_view){0}, tc_emit(c, v, &x, T_NONE), descending);
    }
    return bad ? give_up(c, v) : tc_verb_close(c, v, row_of(c, table));
}

static th_tir *some_rows(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n, bool take) {
    if (!check_count(c, ast, take ? "take" : "skip", n, 1, 1, take ? "`table => take(10)`" : "`table => skip(10)`"))
        return tc_bad(c, ast);
    verb *v = tc_verb_open(c, take ? TH_VERB_TAKE : TH_VERB_SKIP, ast, table);
    columns none = {0};
    v->columns = none.items; /* a number of rows is no matter of a row */
    v->ncolumns = 0;
    th_tir *count = tc_expr(c, args[0].ast, TH_TYPE_I64);
    cell x = {.type = TH_TYPE_I64, .constant = count};
    if (count->kind == TH_TIR_INT && count->ival < 0) {
        tc_error(c, TH_E_TYPE, args[0].ast, "a number of rows is not negative");
        return give_up(c, v);
    }
    if (count->type == T_BAD) return give_up(c, v);
    th_spec_add(v->spec, (th_view){0}, tc_emit(c, v, &x, TH_TYPE_I64), false);
    return tc_verb_close(c, v, row_of(c, table));
}

static th_tir *distinct(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    verb *v = tc_verb_open(c, TH_VERB_DISTINCT, ast, table);
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        cell x = tc_cell(c, v, args[i].ast);
        bad |= x.bad;
        th_view name = {0};
        tc_written_column(args[i].ast, &name);
        if (!bad) th_spec_add(v->spec, name, tc_emit(c, v, &x, T_NONE), false);
    }
    return bad ? give_up(c, v) : tc_verb_close(c, v, row_of(c, table));
}

/* One column as a list. */
static th_tir *one_column(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "column", n, 1, 1, "`table => column(name)`")) return tc_bad(c, ast);
    verb in = {.ast = ast};
    columns_of(c, &in, row_of(c, table));
    th_ast name = *args[0].ast;
    if (name.kind == TH_AST_STRING) name.kind = TH_AST_NAME;
    arg a = {.ast = &name};
    th_view text;
    if (!column_name(c, &in, &a, &text)) return tc_bad(c, ast);
    ty t = tc_zonk(c, in.columns[tc_column(&in, text)].type);
    return tc_call_builtin(c, "Table.column", tc_list(c, t), ast, 2, table, tc_string(c, text, ast));
}

/* ---- Grouping ----------------------------------------------------------------------------------------------- */

static th_tir *group(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "group", n, 1, TC_MAX_ARGS, "`table => group(a, b) => aggregate(...)`"))
        return tc_bad(c, ast);
    grouping *g = tc_new(c, sizeof *g);
    g->decl = (tdecl){.name = th_view_of("grouped"), .resolved = true};
    g->keys = tc_new(c, n * sizeof *g->keys);
    g->nkeys = n;
    g->scope = c->scope;
    g->file = c->file;
    verb *v = tc_verb_open(c, TH_VERB_SELECT, ast, table); /* to look at the keys here, where they are written */
    bool bad = false;
    for (uint32_t i = 0; i < n; i++) {
        g->keys[i] = args[i].named ? args[i].named : args[i].ast;
        th_view name;
        if (args[i].name.len)
            bad |= tc_cell(c, v, args[i].ast).bad;
        else
            bad |= !column_name(c, v, &args[i], &name);
    }
    abandon(c, v);
    if (bad) return tc_bad(c, ast);
    ty row = row_of(c, table);
    ty t = tc_intern(c, K_GROUPED, &row, 1, &g->decl, (th_view){0});
    th_tir *n2 = tc_node(c, TH_TIR_BLOCK, t, ast, 1, table);
    return n2;
}

typedef struct gathered {
    hidden *items;
    uint32_t count, cap;
} gathered;

static void gather(checker *c, const th_ast *ast, gathered *out) {
    th_agg agg;
    if (!ast) return;
    if (tc_is_aggregate(ast, &agg)) {
        hidden h = {ast, th_view_of(tc_printf(c, "#%u", out->count))};
        TC_PUSH(c, out->items, out->count, out->cap, h);
        return;
    }
    for (uint32_t i = 0; i < ast->nkids; i++) gather(c, ast->kids[i], out);
}

static bool add_keys(checker *c, verb *v, const grouping *g, columns *cs) {
    scope *scope = c->scope;
    file *file = c->file;
    bool good = true;
    c->scope = g->scope;
    c->file = g->file;
    for (uint32_t i = 0; i < g->nkeys; i++) {
        const th_ast *k = g->keys[i], *value = k->kind == TH_AST_NAMED ? k->kids[0] : k;
        th_view name = k->text;
        if (k->kind != TH_AST_NAMED) tc_written_column(k, &name);
        if (takes_twice(c, cs, k, name))
            good = false;
        else
            good &= add_named(c, v, cs, name, value);
    }
    c->scope = scope;
    c->file = file;
    return good;
}

/* Expressions of several aggregates, `sum(a) / sum(b)`: the aggregates first, then a selection that computes with
** them. */
static th_tir *compose(checker *c, const th_ast *ast, th_tir *table, const grouping *g, columns *keys, arg *args,
                       uint32_t n, const gathered *all) {
    verb *v = tc_verb_open(c, TH_VERB_SELECT, ast, table);
    columns cs = {0};
    bool bad = false;
    (void)g;
    v->hidden = all->items;
    v->nhidden = all->count;
    for (uint32_t i = 0; i < keys->count; i++) {
        th_view name = keys->items[i].name;
        th_spec_add(v->spec, name, th_spec_column(v->spec, name), false);
        put(c, &cs, name, keys->items[i].type);
    }
    for (uint32_t i = 0; i < n; i++) bad |= !add_named(c, v, &cs, args[i].name, args[i].ast);
    return bad ? give_up(c, v) : tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
}

static bool good_aggregates(checker *c, const columns *keys, arg *args, uint32_t n) {
    bool good = true;
    for (uint32_t i = 0; i < n; i++) {
        if (!args[i].name.len) {
            (void)tc_error(c, TH_E_TYPE, args[i].ast, "a result needs a name: `aggregate(name: count())`");
            good = false;
            continue;
        }
        if (takes_twice(c, keys, args[i].named, args[i].name)) good = false;
        for (uint32_t k = 0; k < i; k++)
            if (th_view_eq(args[k].name, args[i].name)) {
                tc_error(c, TH_E_REASSIGNMENT, args[i].named, "`%.*s` is given twice", V(args[i].name));
                good = false;
            }
    }
    return good;
}

static th_tir *aggregate(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    if (!check_count(c, ast, "aggregate", n, 1, TC_MAX_ARGS, "`table => group(a) => aggregate(rows: count())`"))
        return tc_bad(c, ast);
    const ctype *t = &c->types[tc_shallow(c, table->type)];
    const grouping *g = t->kind == K_GROUPED ? (const grouping *)(const void *)t->decl : NULL;
    ty row = row_of(c, table);
    if (g) {
        table = tc_node_copy(c, table); /* the table that was grouped */
        table->type = tc_table_of(c, row);
    }
    verb *v = tc_verb_open(c, TH_VERB_AGGREGATE, ast, table);
    columns cs = {0};
    bool good = !g || add_keys(c, v, g, &cs), composed = false;
    good &= good_aggregates(c, &cs, args, n);
    th_spec_keys(v->spec, g ? g->nkeys : 0);
    columns keys = cs;
    if (cs.count) keys.items = tc_copy(c, cs.items, cs.count * sizeof *cs.items);
    gathered all = {0};
    th_agg agg;
    for (uint32_t i = 0; i < n; i++) {
        if (tc_unknown_aggregates(c, args[i].ast)) {
            good = false;
            continue;
        }
        composed |= !tc_is_aggregate(args[i].ast, &agg);
        uint32_t before = all.count;
        gather(c, args[i].ast, &all);
        if (all.count > before) continue;
        tc_error(c, TH_E_TYPE, args[i].ast,
                 "this has no aggregate in it, such as count(), sum(x), mean(x), min(x), max(x)");
        good = false;
    }
    if (!good) return give_up(c, v);
    v->aggregates = true;
    for (uint32_t i = 0; i < all.count; i++) {
        th_view name = composed ? all.items[i].name : args[i].name;
        good &= add_named(c, v, &cs, name, all.items[i].ast);
    }
    v->aggregates = false;
    if (!good) return give_up(c, v);
    th_tir *made = tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
    return composed && made->type != T_BAD ? compose(c, ast, made, g, &keys, args, n, &all) : made;
}

/* ---- Two tables --------------------------------------------------------------------------------------------- */

static th_tir *other_table(checker *c, const th_ast *ast, arg *args, uint32_t n, const char *name) {
    if (n == 0 || args[0].name.len) {
        tc_error(c, TH_E_REFERENCE, ast, "`%s` needs the other table as its first argument", name);
        return NULL;
    }
    th_tir *other = tc_arg_node(c, &args[0]);
    ty t = tc_shallow(c, other->type);
    if (c->types[t].kind == TH_KIND_TABLE && tc_kind(c, row_of(c, other)) == TH_KIND_STRUCT) return other;
    if (t != T_BAD) tc_error(c, TH_E_TYPE, args[0].ast, "expected a table, found %s", tc_text(c, t));
    return NULL;
}

typedef struct join_sides {
    verb *left; /* the verb; its columns are the left ones */
    verb right; /* shares the spec; its columns are the right ones */
    columns dropped;
} join_sides;

static cell side_cell(checker *c, join_sides *s, const th_ast *ast, bool right) {
    const field *columns = s->left->columns;
    uint32_t n = s->left->ncolumns;
    if (right) {
        s->left->columns = s->right.columns;
        s->left->ncolumns = s->right.ncolumns;
    }
    cell x = tc_cell(c, s->left, ast);
    if (!x.bad) tc_emit(c, s->left, &x, T_NONE);
    s->left->columns = columns;
    s->left->ncolumns = n;
    return x;
}

static bool add_pair(checker *c, join_sides *s, const th_ast *ast, const th_ast *left, const th_ast *right) {
    cell a = side_cell(c, s, left, false), b = side_cell(c, s, right, true);
    if (a.bad || b.bad) return false;
    if (a.type != b.type) {
        if (tc_error(c, TH_E_TYPE, ast, "the left key is %s, the right one %s", tc_text(c, a.type), tc_text(c, b.type)))
            tc_hint(c, "convert one of them, e.g. `on: %s(left) == right`", tc_text(c, b.type));
        return false;
    }
    th_spec_add(s->left->spec, (th_view){0}, a.ref, false);
    th_spec_add(s->left->spec, (th_view){0}, b.ref, false);
    th_view from, to;
    bool same = tc_written_column(left, &from) && tc_written_column(right, &to) && th_view_eq(from, to);
    if (same) put(c, &s->dropped, to, T_BAD);
    return true;
}

static bool join_keys(checker *c, join_sides *s, const th_ast *on) {
    th_view name;
    if (tc_written_column(on, &name)) return add_pair(c, s, on, on, on);
    if (on->kind == TH_AST_BINARY && on->op == TH_TOKEN_AND_AND) {
        bool first = join_keys(c, s, on->kids[0]);
        return join_keys(c, s, on->kids[1]) && first;
    }
    if (on->kind == TH_AST_BINARY && on->op == TH_TOKEN_EQ) {
        const th_ast *a = on->kids[0], *b = on->kids[1];
        bool swapped = !tc_uses_columns(s->left, a) && tc_uses_columns(&s->right, a) && tc_uses_columns(s->left, b);
        return add_pair(c, s, on, swapped ? b : a, swapped ? a : b);
    }
    if (on->kind == TH_AST_LIST || on->kind == TH_AST_TUPLE) {
        bool good = on->nkids > 0;
        for (uint32_t i = 0; i < on->nkids; i++) good &= join_keys(c, s, on->kids[i]);
        return good;
    }
    if (tc_error(c, TH_E_TYPE, on, "the keys of a join are equal columns"))
        tc_hint(c, "write `on: id`, `on: left_id == right_id`, or several with `&&`");
    return false;
}

static bool join_kind(checker *c, const arg *a, bool *left) {
    th_view text = a->ast->text;
    bool word = a->ast->kind == TH_AST_STRING || a->ast->kind == TH_AST_SYMBOL;
    if (word && (th_view_is(text, "left") || th_view_is(text, "inner"))) {
        *left = th_view_is(text, "left");
        return true;
    }
    tc_error(c, TH_E_UNSUPPORTED, a->ast, "a join is 'inner' or 'left'");
    return false;
}

static void join_columns(checker *c, join_sides *s, columns *cs, bool left) {
    *cs = all_columns(c, s->left);
    for (uint32_t i = 0; i < s->right.ncolumns; i++) {
        th_view name = s->right.columns[i].name;
        ty t = tc_zonk(c, s->right.columns[i].type);
        if (find(&s->dropped, name) >= 0) continue;
        while (tc_column(s->left, name) >= 0) name = th_view_of(tc_printf(c, "%.*s_right", V(name)));
        put(c, cs, name, left ? tc_option(c, t) : t);
    }
}

static th_tir *join(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n, bool left) {
    th_tir *other = other_table(c, ast, args, n, "join");
    const th_ast *on = NULL;
    bool good = other != NULL;
    for (uint32_t i = 1; i < n; i++) {
        if (th_view_is(args[i].name, "on") || (!args[i].name.len && !on))
            on = args[i].ast;
        else if (th_view_is(args[i].name, "kind"))
            good &= join_kind(c, &args[i], &left);
        else {
            tc_error(c, TH_E_REFERENCE, args[i].named ? args[i].named : args[i].ast, "`join` takes `on:` and `kind:`");
            good = false;
        }
    }
    if (good && !on) {
        if (tc_error(c, TH_E_REFERENCE, ast, "`join` needs to know on which columns")) tc_hint(c, "add `on: column`");
        good = false;
    }
    if (!good) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_JOIN, ast, table);
    v->inputs[v->ninputs++] = other;
    join_sides s = {.left = v, .right = {.ast = ast}};
    columns_of(c, &s.right, row_of(c, other));
    th_spec_join(v->spec, left ? TH_JOIN_LEFT : TH_JOIN_INNER);
    if (!join_keys(c, &s, on)) return give_up(c, v);
    columns cs;
    join_columns(c, &s, &cs, left);
    return tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
}

static th_tir *union_of(checker *c, const th_ast *ast, th_tir *table, arg *args, uint32_t n) {
    th_tir *other = other_table(c, ast, args, n, "union");
    if (!other || !check_count(c, ast, "union", n, 1, 1, "`table => union(other)`")) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_UNION, ast, table), right = {.ast = ast};
    columns_of(c, &right, row_of(c, other));
    columns cs = {0};
    for (uint32_t i = 0; i < v->ncolumns || i < right.ncolumns; i++) {
        const field *a = i < v->ncolumns ? &v->columns[i] : NULL, *b = i < right.ncolumns ? &right.columns[i] : NULL;
        ty joined = a && b && th_view_eq(a->name, b->name) ? tc_join(c, a->type, b->type) : NO_TYPE;
        if (joined != NO_TYPE) {
            put(c, &cs, a->name, tc_zonk(c, joined));
            continue;
        }
        if (tc_error(c, TH_E_TYPE, args[0].ast, "a union needs the same columns on both sides"))
            tc_hint(c, "column %u is `%.*s` %s on the left and `%.*s` %s on the right", i + 1,
                    V(a ? a->name : th_view_of("-")), a ? tc_text(c, a->type) : "", V(b ? b->name : th_view_of("-")),
                    b ? tc_text(c, b->type) : "");
        return give_up(c, v);
    }
    v->inputs[v->ninputs++] = other;
    return tc_verb_close(c, v, tc_row(c, cs.items, cs.count));
}

/* ---- The table of verbs ------------------------------------------------------------------------------------- */

typedef enum verb_name {
    WHERE,
    DERIVE,
    SELECT,
    DROP,
    RENAME,
    GROUP,
    AGGREGATE,
    SORT,
    TAKE,
    SKIP,
    DISTINCT,
    JOIN,
    LEFT_JOIN,
    UNION,
    COLUMN
} verb_name;

static const struct {
    const char *name;
    verb_name verb;
} verbs[] = {
    {"where", WHERE},   {"filter", WHERE},  {"derive", DERIVE},     {"select", SELECT},       {"drop", DROP},
    {"rename", RENAME}, {"group", GROUP},   {"group_by", GROUP},    {"aggregate", AGGREGATE}, {"sort", SORT},
    {"take", TAKE},     {"skip", SKIP},     {"distinct", DISTINCT}, {"join", JOIN},           {"left_join", LEFT_JOIN},
    {"union", UNION},   {"column", COLUMN},
};

bool tc_is_verb(th_view name) {
    for (size_t i = 0; i < TH_COUNT(verbs); i++)
        if (th_view_is(name, verbs[i].name)) return true;
    return false;
}

const char *tc_verb_name(size_t i) { return i < TH_COUNT(verbs) ? verbs[i].name : NULL; }

static bool plain_arguments(checker *c, arg *args, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (!args[i].ast || args[i].ast->kind == TH_AST_ERROR) return false;
    (void)c;
    return true;
}

th_tir *tc_verb(checker *c, const th_ast *ast, th_view name, th_tir *table, arg *args, uint32_t n) {
    size_t k = 0;
    while (!th_view_is(name, verbs[k].name)) k++;
    ty t = tc_shallow(c, table->type);
    verb_name verb = verbs[k].verb;
    if (t == T_BAD || !plain_arguments(c, args, n)) return tc_bad(c, ast);
    if (c->types[t].kind == K_GROUPED && verb != AGGREGATE) {
        tc_error(c, TH_E_TYPE, ast, "after `group` comes `aggregate(...)`, not `%.*s`", V(name));
        return tc_bad(c, ast);
    }
    if (tc_kind(c, row_of(c, table)) != TH_KIND_STRUCT) {
        if (tc_error(c, TH_E_TYPE, ast, "the columns of this table are not known here"))
            tc_hint(c, "give its type with the row: `Table<Row>` with `struct Row { ... }`");
        return tc_bad(c, ast);
    }
    switch (verb) {
    case WHERE: return where(c, ast, table, args, n);
    case DERIVE: return derive(c, ast, table, args, n);
    case SELECT: return select_columns(c, ast, table, args, n);
    case DROP: return drop_columns(c, ast, table, args, n);
    case RENAME: return rename_columns(c, ast, table, args, n);
    case GROUP: return group(c, ast, table, args, n);
    case AGGREGATE: return aggregate(c, ast, table, args, n);
    case SORT: return sort_rows(c, ast, table, args, n);
    case TAKE: return some_rows(c, ast, table, args, n, true);
    case SKIP: return some_rows(c, ast, table, args, n, false);
    case DISTINCT: return distinct(c, ast, table, args, n);
    case JOIN: return join(c, ast, table, args, n, false);
    case LEFT_JOIN: return join(c, ast, table, args, n, true);
    case UNION: return union_of(c, ast, table, args, n);
    default: return one_column(c, ast, table, args, n);
    }
}

/* ---- Readers ------------------------------------------------------------------------------------------------ */

static bool word_of(const th_ast *ast, th_view *out) {
    *out = ast->text;
    return ast->kind == TH_AST_STRING || ast->kind == TH_AST_SYMBOL;
}

static bool bad_option(checker *c, const arg *a, const char *takes) {
    tc_error(c, TH_E_TYPE, a->ast, "`%.*s` is %s, written here as it stands", V(a->name), takes);
    return false;
}

static bool null_texts(checker *c, const arg *a, th_csv_options *o) {
    bool list = a->ast->kind == TH_AST_LIST;
    uint32_t n = list ? a->ast->nkids : 1;
    if (n > 4) return bad_option(c, a, "a text or a list of at most 4");
    for (uint32_t i = 0; i < n; i++) {
        th_view text;
        if (!word_of(list ? a->ast->kids[i] : a->ast, &text)) return bad_option(c, a, "a text or a list of texts");
        o->null_text[i] = tc_printf(c, "%.*s", V(text));
    }
    return true;
}

static bool csv_option(checker *c, const arg *a, th_csv_options *o) {
    th_view text;
    uint64_t number;
    if (th_view_is(a->name, "delimiter")) {
        if (!word_of(a->ast, &text) || text.len != 1) return bad_option(c, a, "a text of one character");
        o->delimiter = text.data[0];
    } else if (th_view_is(a->name, "header")) {
        if (a->ast->kind != TH_AST_TRUE && a->ast->kind != TH_AST_FALSE) return bad_option(c, a, "true or false");
        o->no_header = a->ast->kind == TH_AST_FALSE;
    } else if (th_view_is(a->name, "bad")) {
        bool word = word_of(a->ast, &text);
        if (word && th_view_is(text, "error"))
            o->bad_cell = TH_BAD_ERROR;
        else if (word && th_view_is(text, "null"))
            o->bad_cell = TH_BAD_NULL;
        else if (word && th_view_is(text, "skip"))
            o->bad_cell = TH_BAD_SKIP;
        else
            return bad_option(c, a, "'error', 'null' or 'skip'");
    } else if (th_view_is(a->name, "null_text")) {
        return null_texts(c, a, o);
    } else if (th_view_is(a->name, "infer_rows")) {
        if (a->ast->kind != TH_AST_INT || !tc_parse_int(a->ast->text, &number))
            return bad_option(c, a, "a whole number");
        o->infer_rows = (size_t)number;
    } else {
        if (tc_error(c, TH_E_REFERENCE, a->named ? a->named : a->ast, "`Csv.read` has no option `%.*s`", V(a->name)))
            tc_hint(c, "it has delimiter, header, bad, null_text and infer_rows");
        return false;
    }
    return true;
}

/* The row a reader is declared to give: a struct, or nothing known. */
static ty wanted_row(checker *c, ty want) {
    want = tc_shallow(c, want);
    if (c->types[want].kind != TH_KIND_TABLE || c->types[want].nargs == 0) return T_NONE;
    ty row = tc_arg(c, want, 0);
    return c->types[row].kind == TH_KIND_STRUCT ? row : T_NONE;
}

static bool declare_fields(checker *c, const th_ast *ast, ty row, th_csv_options *o) {
    tdecl *d = c->types[row].decl;
    tc_fields(c, d);
    th_field *fields = tc_new(c, (d->nfields + 1) * sizeof *fields);
    for (uint32_t i = 0; i < d->nfields; i++) {
        ty t = tc_force(c, d->fields[i].type);
        fields[i].nullable = c->types[t].kind == TH_KIND_OPTION;
        if (fields[i].nullable) t = tc_arg(c, t, 0);
        fields[i].name = tc_printf(c, "%.*s", V(d->fields[i].name));
        if (tc_column_type(c, t, &fields[i].type)) continue;
        if (tc_error(c, TH_E_TYPE, ast, "the field `%s` of `%.*s` is %s, which no column can be", fields[i].name,
                     V(d->name), tc_text(c, d->fields[i].type)))
            tc_note(c, d->file, d->fields[i].ast, "it is declared here");
        return false;
    }
    o->declared = fields;
    o->ndeclared = d->nfields;
    o->only_declared = true;
    return true;
}

/* The row as the file has it at compile time; it is declared in the spec, so that the types hold at run time too. */
static ty row_of_file(checker *c, const th_ast *ast, const char *path, th_csv_options *o, bool csv) {
    th_error err = {0};
    th_schema *schema = NULL;
    th_status status = c->options->file_schema(c->options->user, path, csv ? o : NULL, &schema, &err);
    if (status == TH_E_NOMEM) tc_no_memory(c);
    if (status != TH_OK) {
        if (tc_error(c, status, ast, "%s", err.message[0] ? err.message : th_status_text(status)))
            tc_hint(c, "for a file that comes later, declare the row: `name<Table<Row>> = ...`");
        return T_BAD;
    }
    c->schema = schema;
    columns cs = {0};
    th_field *fields = tc_new(c, (schema->nfields + 1) * sizeof *fields);
    for (size_t i = 0; i < schema->nfields; i++) {
        fields[i] = schema->fields[i];
        fields[i].name = tc_printf(c, "%s", schema->fields[i].name);
        if (fields[i].type == TH_COLUMN_NULL) fields[i].type = TH_COLUMN_STRING;
        put(c, &cs, th_view_of(fields[i].name), tc_type_of_column(c, &fields[i]));
    }
    size_t n = schema->nfields;
    c->schema = NULL;
    th_schema_release(schema);
    if (csv && cs.count == n) {
        o->declared = fields;
        o->ndeclared = n;
        o->only_declared = true;
    }
    return tc_row(c, cs.items, cs.count);
}

static bool has_field(const th_schema *schema, th_view name) {
    for (size_t i = 0; i < schema->nfields; i++)
        if (th_view_is(name, schema->fields[i].name)) return true;
    return false;
}

/* A declared row against the file as it is now: a column that is not there is told where the table is made, and not
** when rows are wanted. A file that cannot be read yet may come later. */
static bool declared_columns_there(checker *c, const th_ast *ast, const char *path, ty row, const th_csv_options *o) {
    th_error err = {0};
    th_schema *schema = NULL;
    tdecl *d = c->types[row].decl;
    th_status status = c->options->file_schema(c->options->user, path, o, &schema, &err);
    if (status == TH_E_NOMEM) tc_no_memory(c);
    c->schema = schema; /* released at the end, should the memory run out here */
    const char *missing = status == TH_E_REFERENCE ? err.message : NULL;
    tc_fields(c, d);
    for (uint32_t i = 0; status == TH_OK && !missing && i < d->nfields; i++)
        if (!has_field(schema, d->fields[i].name))
            missing = tc_printf(c, "'%s' has no column '%.*s'", path, V(d->fields[i].name));
    if (missing && tc_error(c, TH_E_REFERENCE, ast, "%s", missing))
        tc_note(c, d->file, d->ast, "the row `%.*s` is declared here", V(d->name));
    c->schema = NULL;
    if (schema) th_schema_release(schema);
    return !missing;
}

static th_tir *read_file(checker *c, const th_ast *ast, arg *args, uint32_t n, ty want, bool csv) {
    const char *name = csv ? "Csv.read" : "Arrow.read";
    th_csv_options o = {0};
    bool good = true;
    if (n == 0 || (args[0].name.len && !th_view_is(args[0].name, "path"))) {
        tc_error(c, TH_E_REFERENCE, ast, "`%s` needs a path", name);
        return tc_bad(c, ast);
    }
    for (uint32_t i = 1; i < n; i++) {
        if (csv && args[i].name.len)
            good &= csv_option(c, &args[i], &o);
        else {
            tc_error(c, TH_E_REFERENCE, args[i].ast, "`%s` takes a path%s", name, csv ? " and named options" : "");
            good = false;
        }
    }
    th_tir *path =
        args[0].node ? tc_coerce(c, args[0].node, TH_TYPE_STRING, ast) : tc_expr(c, args[0].ast, TH_TYPE_STRING);
    const th_ast *path_ast = args[0].ast ? args[0].ast : ast;
    if (!good || path->type == T_BAD) return tc_bad(c, ast);
    ty row = wanted_row(c, want);
    bool known = path->kind == TH_TIR_STRING && c->options->file_schema;
    if (row != T_NONE) {
        if (csv && !declare_fields(c, ast, row, &o)) return tc_bad(c, ast);
        if (known && !declared_columns_there(c, ast, tc_printf(c, "%.*s", V(path->text)), row, csv ? &o : NULL))
            return tc_bad(c, ast);
    } else if (known) {
        row = row_of_file(c, path_ast, tc_printf(c, "%.*s", V(path->text)), &o, csv);
    } else {
        bool closed = path->kind == TH_TIR_STRING; /* the path is known, but the host lets no file be read */
        if (tc_error(c, TH_E_TYPE, ast,
                     closed ? "this file may not be read when the program is compiled, so that its "
                              "columns are not known"
                            : "the columns of this file are not known when the program is compiled"))
            tc_hint(c, "declare the row: `struct Row { ... }` and `name<Table<Row>> = %s(...)`%s", name,
                    closed ? ", or grant the capability 'fs'" : "");
        return tc_bad(c, ast);
    }
    if (row == T_BAD) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, csv ? TH_VERB_READ_CSV : TH_VERB_READ_ARROW, ast, NULL);
    cell x = {.type = TH_TYPE_STRING, .constant = path};
    th_spec_add(v->spec, (th_view){0}, tc_emit(c, v, &x, T_NONE), false);
    if (csv) th_spec_csv(v->spec, &o);
    return tc_verb_close(c, v, row);
}

static th_tir *table_of(checker *c, const th_ast *ast, arg *args, uint32_t n) {
    if (!check_count(c, ast, "Table.of", n, 1, 1, "`Table.of(list of structs)`")) return tc_bad(c, ast);
    th_tir *list = tc_arg_node(c, &args[0]);
    ty t = tc_force(c, list->type), row = c->types[t].kind == TH_KIND_LIST ? tc_arg(c, t, 0) : T_NONE;
    if (t == T_BAD) return list;
    if (c->types[row].kind != TH_KIND_STRUCT) {
        tc_error(c, TH_E_TYPE, ast, "`Table.of` takes a list of structs, found %s", tc_text(c, t));
        return tc_bad(c, ast);
    }
    th_csv_options o = {0};
    if (!declare_fields(c, ast, row, &o)) return tc_bad(c, ast);
    verb *v = tc_verb_open(c, TH_VERB_ROWS, ast, NULL);
    TC_PUSH(c, v->params, v->nparams, v->params_cap, list);
    return tc_verb_close(c, v, row);
}

th_tir *tc_reader(checker *c, const th_ast *ast, th_view name, arg *args, uint32_t n, ty want) {
    if (th_view_is(name, "Table.of")) return table_of(c, ast, args, n);
    return read_file(c, ast, args, n, want, th_view_is(name, "Csv.read"));
}
