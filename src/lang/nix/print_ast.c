/*
** print_ast.c - prints a tree as `nix-instantiate --parse` of current C++ Nix does.
** Fully parenthesised, attributes sorted, operators that are calls of primitives as such calls.
** A stack of tasks, no recursion: a task is a text, a name, or an expression to come.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/ast.h"

#include <stdio.h>
#include <stdlib.h>

typedef enum task_kind {
    TEXT, /* a C string */
    NAME, /* an identifier, in quotes where it needs them */
    EXPR,
    CALLED,  /* an expression that is called: a call without its parentheses */
    LITERAL, /* a nix_part of a string */
    PATH,    /* the first nix_part of a path */
    SEARCH,  /* of a SEARCH_PATH, its text */
} task_kind;

typedef struct task {
    task_kind kind;
    const void *what;
} task;

typedef struct printer {
    th_mem *mem;
    th_arena arena; /* sorted arrays */
    th_buf *out;
    th_view base_dir;
    task *tasks;
    size_t len, capacity;
    bool nomem;
} printer;

static void put(printer *p, task_kind kind, const void *what) {
    if (p->len + 1 > p->capacity &&
        th_mem_grow(p->mem, (void **)&p->tasks, &p->capacity, p->len + 1, sizeof *p->tasks) != TH_OK) {
        p->nomem = true;
        return;
    }
    p->tasks[p->len++] = (task){kind, what};
}

static void put_text(printer *p, const char *text) { put(p, TEXT, text); }
static void put_expr(printer *p, const nix_expr *e) { put(p, EXPR, e); }

/* Tasks are put in the order of the text, and done from the end. */
static void turn(printer *p, size_t from) {
    for (size_t i = from, j = p->len; i + 1 < j; i++) {
        task t = p->tasks[i];
        p->tasks[i] = p->tasks[--j];
        p->tasks[j] = t;
    }
}

/* ---- Leaves ------------------------------------------------------------------------------------------------- */

static void print_string(th_buf *out, th_view text) {
    th_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        const char *escape = c == '"'    ? "\\\""
                             : c == '\\' ? "\\\\"
                             : c == '\n' ? "\\n"
                             : c == '\r' ? "\\r"
                             : c == '\t' ? "\\t"
                                         : NULL;
        if (c == '$' && i + 1 < text.len && text.data[i + 1] == '{') escape = "\\$";
        if (escape)
            th_buf_text(out, escape);
        else
            th_buf_char(out, c);
    }
    th_buf_char(out, '"');
}

static bool is_plain(th_view name) {
    static const char *const reserved[] = {"if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"};
    for (size_t i = 0; i < TH_COUNT(reserved); i++)
        if (th_view_is(name, reserved[i])) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '\'' || c == '-'))) return false;
    }
    return name.len;
}

static void print_name(th_buf *out, nix_name name) {
    th_view view = th_view_str(name);
    if (is_plain(view))
        th_buf_put(out, view.data, view.len);
    else
        print_string(out, view);
}

static void print_float(th_buf *out, double x) {
    char text[40];
    int n = snprintf(text, sizeof text, "%g", x);
    for (int i = 0; i < n; i++) /* the point of the C locale, whatever the program's is */
        if (!strchr("0123456789+-einfa", text[i])) text[i] = '.';
    th_buf_text(out, text);
}

/* Appends one path to another without ., .. and empty names. `root`: where `out` had "/" as a whole. */
static void put_path(th_buf *out, size_t root, th_view path) {
    for (size_t at = 0; at < path.len;) {
        size_t end = at;
        while (end < path.len && path.data[end] != '/') end++;
        th_view name = {path.data + at, end - at};
        at = end + 1;
        if (name.len == 0 || th_view_is(name, ".")) continue;
        if (th_view_is(name, "..")) {
            while (out->len > root && out->data[out->len - 1] != '/') out->len--;
            if (out->len > root) out->len--;
            continue;
        }
        th_buf_char(out, '/');
        th_buf_put(out, name.data, name.len);
    }
}

static void print_path(const printer *p, th_view text) {
    th_buf *out = p->out;
    size_t root = out->len;
    const char *home = text.data[0] == '~' ? getenv("HOME") : NULL;
    if (text.data[0] == '~') {
        th_buf_text(out, home ? home : "~");
        return th_buf_put(out, text.data + 1, text.len - 1);
    }
    if (text.data[0] != '/') put_path(out, root, p->base_dir);
    put_path(out, root, text);
    if (out->len == root) th_buf_char(out, '/');
    if (text.len > 1 && text.data[text.len - 1] == '/') th_buf_char(out, '/'); /* before an interpolation it stays */
}

/* ---- Parts -------------------------------------------------------------------------------------------------- */

static bool is_literal(const nix_expr *e) { return e->nparts == 0 || (e->nparts == 1 && !e->parts->expr); }

static void put_parts(printer *p, const nix_expr *e) {
    put_text(p, "(");
    for (uint32_t i = 0; i < e->nparts; i++) {
        if (i) put_text(p, " + ");
        if (e->parts[i].expr)
            put_expr(p, e->parts[i].expr);
        else
            put(p, e->kind == NIX_PATH && i == 0 ? PATH : LITERAL, &e->parts[i]);
    }
    put_text(p, ")");
}

static void put_names(printer *p, const nix_attr_name *path, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        if (i) put_text(p, ".");
        if (path[i].name) {
            put(p, NAME, path[i].name);
        } else {
            put_text(p, "\"${");
            put_expr(p, path[i].expr);
            put_text(p, "}\"");
        }
    }
}

static int by_name(const void *a, const void *b) {
    const nix_binding *x = *(const nix_binding *const *)a, *y = *(const nix_binding *const *)b;
    return th_view_compare(th_view_str(x->name), th_view_str(y->name));
}

static int formal_by_name(const void *a, const void *b) {
    const nix_formal *x = *(const nix_formal *const *)a, *y = *(const nix_formal *const *)b;
    return th_view_compare(th_view_str(x->name), th_view_str(y->name));
}

static void put_inherited(printer *p, const nix_binding **sorted, size_t n) {
    for (size_t i = 0; i < n; i++) {
        put_text(p, " ");
        put(p, NAME, sorted[i]->name);
    }
    put_text(p, "; ");
}

/* The bindings of one kind, from number *at on, sorted; those of one `inherit (from)` when it is that kind. */
static size_t pick(const nix_expr *e, const nix_binding **sorted, bool inherited, const nix_expr *from, uint32_t at) {
    size_t n = 0;
    for (uint32_t i = at; i < e->nbindings; i++) {
        const nix_binding *b = &e->bindings[i];
        if (b->inherited == inherited && b->from == from)
            sorted[n++] = b;
        else if (from)
            break;
    }
    if (n > 1) qsort(sorted, n, sizeof *sorted, by_name);
    return n;
}

static void put_bindings(printer *p, const nix_expr *e) {
    const nix_binding **sorted = th_arena_new(&p->arena, e->nbindings * sizeof *sorted);
    if (!sorted) {
        p->nomem = true;
        return;
    }
    size_t n = pick(e, sorted, true, NULL, 0);
    if (n) {
        put_text(p, "inherit");
        put_inherited(p, sorted, n);
    }
    for (uint32_t i = 0; i < e->nbindings; i += n ? (uint32_t)n : 1) {
        n = e->bindings[i].from ? pick(e, sorted, true, e->bindings[i].from, i) : 0;
        if (!n) continue;
        put_text(p, "inherit (");
        put_expr(p, e->bindings[i].from);
        put_text(p, ")");
        put_inherited(p, sorted, n);
    }
    n = pick(e, sorted, false, NULL, 0);
    for (size_t i = 0; i < n; i++) {
        put(p, NAME, sorted[i]->name);
        put_text(p, " = ");
        put_expr(p, sorted[i]->value);
        put_text(p, "; ");
    }
    for (uint32_t i = 0; i < e->ndynamics; i++) {
        put_text(p, "\"${");
        put_expr(p, e->dynamics[i].name);
        put_text(p, "}\" = ");
        put_expr(p, e->dynamics[i].value);
        put_text(p, "; ");
    }
}

static void put_set(printer *p, const nix_expr *e) {
    put_text(p, e->recursive ? "rec { " : "{ ");
    put_bindings(p, e);
    put_text(p, "}");
}

static void put_formals(printer *p, const nix_expr *e) {
    const nix_formal **sorted = th_arena_new(&p->arena, e->nformals * sizeof *sorted);
    if (!sorted) {
        p->nomem = true;
        return;
    }
    for (uint32_t i = 0; i < e->nformals; i++) sorted[i] = &e->formals[i];
    if (e->nformals > 1) qsort(sorted, e->nformals, sizeof *sorted, formal_by_name);
    put_text(p, "{ ");
    for (uint32_t i = 0; i < e->nformals; i++) {
        if (i) put_text(p, ", ");
        put(p, NAME, sorted[i]->name);
        if (!sorted[i]->fallback) continue;
        put_text(p, " ? ");
        put_expr(p, sorted[i]->fallback);
    }
    if (e->ellipsis) put_text(p, e->nformals ? ", ..." : "...");
    put_text(p, e->name ? " } @ " : " }");
}

/* ---- Expressions -------------------------------------------------------------------------------------------- */

/* For C++ Nix these are calls, and a call of one adds arguments to it. */
static bool is_call(const nix_expr *e) {
    switch (e->kind) {
    case NIX_CALL:
    case NIX_SEARCH_PATH:
    case NIX_NEGATE:
    case NIX_LT:
    case NIX_GT:
    case NIX_SUB:
    case NIX_MUL:
    case NIX_DIV:
    case NIX_PIPE_RIGHT:
    case NIX_PIPE_LEFT: return true;
    default: return false;
    }
}

static void put_primitive(printer *p, const char *name, const nix_expr *first, const nix_expr *second) {
    put_text(p, name);
    put_expr(p, first);
    put_text(p, " ");
    put_expr(p, second);
}

/* A call without its parentheses. */
static void put_called(printer *p, const nix_expr *e) {
    switch (e->kind) {
    case NIX_SEARCH_PATH:
        put_text(p, "__findFile __nixPath ");
        put(p, SEARCH, e);
        break;
    case NIX_NEGATE:
        put_text(p, "__sub 0 ");
        put_expr(p, e->left);
        break;
    case NIX_LT: put_primitive(p, "__lessThan ", e->left, e->right); break;
    case NIX_GT: put_primitive(p, "__lessThan ", e->right, e->left); break;
    case NIX_SUB: put_primitive(p, "__sub ", e->left, e->right); break;
    case NIX_MUL: put_primitive(p, "__mul ", e->left, e->right); break;
    case NIX_DIV: put_primitive(p, "__div ", e->left, e->right); break;
    case NIX_PIPE_RIGHT:
        put(p, CALLED, e->right);
        put_text(p, " ");
        put_expr(p, e->left);
        break;
    case NIX_PIPE_LEFT:
        put(p, CALLED, e->left);
        put_text(p, " ");
        put_expr(p, e->right);
        break;
    case NIX_CALL:
        put(p, CALLED, e->left);
        for (uint32_t i = 0; i < e->nitems; i++) {
            put_text(p, " ");
            put_expr(p, e->items[i]);
        }
        break;
    default: put_expr(p, e); break;
    }
}

static void put_binary(printer *p, const char *operator, const nix_expr * e) {
    put_text(p, "(");
    put_expr(p, e->left);
    put_text(p, operator);
    put_expr(p, e->right);
    put_text(p, ")");
}

static void put_not_less(printer *p, const nix_expr *first, const nix_expr *second) {
    put_primitive(p, "(! (__lessThan ", first, second);
    put_text(p, "))");
}

static const char *operator_of(nix_kind kind) {
    switch (kind) {
    case NIX_EQ: return " == ";
    case NIX_NE: return " != ";
    case NIX_AND: return " && ";
    case NIX_OR: return " || ";
    case NIX_IMPLIES: return " -> ";
    case NIX_UPDATE: return " // ";
    case NIX_CONCAT: return " ++ ";
    case NIX_ADD: return " + ";
    default: return NULL;
    }
}

static void put_select(printer *p, const nix_expr *e) {
    put_text(p, "(");
    put_expr(p, e->left);
    put_text(p, ").");
    put_names(p, e->path, e->npath);
    if (!e->right) return;
    put_text(p, " or (");
    put_expr(p, e->right);
    put_text(p, ")");
}

static void put_has(printer *p, const nix_expr *e) {
    put_text(p, "((");
    put_expr(p, e->left);
    put_text(p, ") ? ");
    put_names(p, e->path, e->npath);
    put_text(p, ")");
}

static void put_lambda(printer *p, const nix_expr *e) {
    put_text(p, "(");
    if (e->has_formals) put_formals(p, e);
    if (e->name) put(p, NAME, e->name);
    put_text(p, ": ");
    put_expr(p, e->right);
    put_text(p, ")");
}

static void put_list(printer *p, const nix_expr *e) {
    put_text(p, "[ ");
    for (uint32_t i = 0; i < e->nitems; i++) {
        put_text(p, "(");
        put_expr(p, e->items[i]);
        put_text(p, ") ");
    }
    put_text(p, "]");
}

/* Three expressions at most, each after its text, and a text at the end. */
static void put_words(printer *p, const char *a, const nix_expr *x, const char *b, const nix_expr *y, const char *c,
                      const nix_expr *z, const char *end) {
    put_text(p, a);
    put_expr(p, x);
    put_text(p, b);
    put_expr(p, y);
    if (z) {
        put_text(p, c);
        put_expr(p, z);
    }
    put_text(p, end);
}

static void put_let(printer *p, const nix_expr *e) {
    put_text(p, "(let ");
    put_bindings(p, e);
    put_text(p, "in ");
    put_expr(p, e->right);
    put_text(p, ")");
}

static void put_call(printer *p, const nix_expr *e) {
    put_text(p, "(");
    put(p, CALLED, e);
    put_text(p, ")");
}

static void put_text_expr(printer *p, const nix_expr *e) {
    static const nix_part empty = {.text = {"", 0}};
    if (is_literal(e))
        put(p, LITERAL, e->nparts ? &e->parts[0] : &empty);
    else
        put_parts(p, e);
}

static void print_expr(printer *p, const nix_expr *e) {
    if (is_call(e)) return put_call(p, e);
    if (operator_of(e->kind)) return put_binary(p, operator_of(e->kind), e);
    switch (e->kind) {
    case NIX_INT: return th_buf_printf(p->out, "%lld", (long long)e->integer);
    case NIX_FLOAT: return print_float(p->out, e->number);
    case NIX_STRING: return put_text_expr(p, e);
    case NIX_PATH: return e->nparts == 1 ? print_path(p, e->parts->text) : put_parts(p, e);
    case NIX_VAR: return print_name(p->out, e->name);
    case NIX_CUR_POS: return th_buf_text(p->out, "__curPos");
    case NIX_SELECT: return put_select(p, e);
    case NIX_HAS: return put_has(p, e);
    case NIX_LAMBDA: return put_lambda(p, e);
    case NIX_LET: return put_let(p, e);
    case NIX_ATTRS: return put_set(p, e);
    case NIX_LET_BODY:
        put_text(p, "(");
        put_set(p, e);
        return put_text(p, ").body");
    case NIX_LIST: return put_list(p, e);
    case NIX_WITH: return put_words(p, "(with ", e->left, "; ", e->right, "", NULL, ")");
    case NIX_ASSERT: return put_words(p, "assert ", e->left, "; ", e->right, "", NULL, "");
    case NIX_IF: return put_words(p, "(if ", e->left, " then ", e->right, " else ", e->third, ")");
    case NIX_NOT:
        put_text(p, "(! ");
        put_expr(p, e->left);
        return put_text(p, ")");
    case NIX_LE: return put_not_less(p, e->right, e->left);
    case NIX_GE: return put_not_less(p, e->left, e->right);
    default: return;
    }
}

static void print_task(printer *p, task t) {
    size_t from = p->len;
    switch (t.kind) {
    case TEXT: th_buf_text(p->out, t.what); break;
    case NAME: print_name(p->out, t.what); break;
    case LITERAL: print_string(p->out, ((const nix_part *)t.what)->text); break;
    case PATH: print_path(p, ((const nix_part *)t.what)->text); break;
    case SEARCH: print_string(p->out, ((const nix_expr *)t.what)->text); break;
    case EXPR: print_expr(p, t.what); break;
    case CALLED: put_called(p, t.what); break;
    }
    turn(p, from);
}

th_status nix_print_ast(th_mem *mem, const nix_expr *expr, th_view base_dir, th_buf *out) {
    printer p = {.mem = mem, .out = out, .base_dir = base_dir};
    th_arena_init(&p.arena, mem);
    put_expr(&p, expr);
    while (p.len && !p.nomem && !out->failed) print_task(&p, p.tasks[--p.len]);
    th_mem_free(mem, p.tasks, p.capacity * sizeof *p.tasks);
    th_arena_clear(&p.arena);
    return p.nomem ? TH_E_NOMEM : th_buf_status(out);
}
