/*
** nix_parse.c - fuzz target: any bytes through the Nix parser, its diagnostics and the tree's printer.
** Checks what the parser promises: one error or a tree, places inside the text, names that are unique, no memory kept; and
** the same with little memory.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/ast.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth, const char *what) {
    if (truth) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

typedef struct walk {
    const nix_expr **todo;
    size_t len, capacity;
    uint32_t lines; /* of the text */
} walk;

static void visit(walk *w, const nix_expr *e) {
    if (!e) return;
    if (w->len == w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : 64;
        w->todo = realloc(w->todo, w->capacity * sizeof *w->todo);
        if (!w->todo) abort();
    }
    w->todo[w->len++] = e;
}

static void check_span(const walk *w, th_span s) {
    require(s.line >= 1 && s.column >= 1 && s.end_line <= w->lines, "a place inside the text");
    require(s.line < s.end_line || (s.line == s.end_line && s.column <= s.end_column), "a place that goes forward");
}

static void check_bindings(walk *w, const nix_expr *e) {
    for (uint32_t i = 0; i < e->nbindings; i++) {
        const nix_binding *b = &e->bindings[i];
        require(b->inherited ? !b->value : b->value && !b->from, "a binding is inherited or has a value");
        check_span(w, b->span);
        if (i < 16) /* enough: the cost is that of pairs */
            for (uint32_t j = 0; j < i; j++) require(e->bindings[j].name != b->name, "names are unique");
        visit(w, b->value);
        if (b->from && (i == 0 || b[-1].from != b->from)) visit(w, b->from);
    }
    for (uint32_t i = 0; i < e->ndynamics; i++) {
        visit(w, e->dynamics[i].name);
        visit(w, e->dynamics[i].value);
    }
}

static void check_node(walk *w, const nix_expr *e) {
    check_span(w, e->span);
    check_span(w, e->at);
    require(!e->info, "the resolver's field is empty");
    visit(w, e->left);
    visit(w, e->right);
    visit(w, e->third);
    for (uint32_t i = 0; i < e->nitems; i++) visit(w, e->items[i]);
    for (uint32_t i = 0; i < e->nparts; i++) {
        require(e->parts[i].expr || e->parts[i].text.len, "a part is something");
        check_span(w, e->parts[i].span);
        visit(w, e->parts[i].expr);
    }
    for (uint32_t i = 0; i < e->npath; i++) {
        require(!e->path[i].name != !e->path[i].expr, "a step is a name or an expression");
        visit(w, e->path[i].expr);
    }
    for (uint32_t i = 0; i < e->nformals; i++) visit(w, e->formals[i].fallback);
    check_bindings(w, e);
}

static void check_tree(const nix_expr *root, uint32_t lines) {
    walk w = {.lines = lines};
    visit(&w, root);
    while (w.len) check_node(&w, w.todo[--w.len]);
    free(w.todo);
}

static void parse(const char *text, size_t len, size_t limit, uint32_t lines) {
    th_mem mem;
    th_arena arena;
    th_diags diags;
    th_buf out;
    th_mem_init(&mem, NULL, NULL, NULL, limit);
    th_arena_init(&arena, &mem);
    th_diags_init(&diags, &mem);
    th_buf_init(&out, &mem);
    nix_expr *ast = NULL;
    th_status status = nix_parse(&mem, &arena, "fuzz.nix", text, len, &diags, &ast);
    require(status == TH_OK || status == TH_E_SYNTAX || (limit && status == TH_E_NOMEM), "status");
    require((status == TH_OK) == (ast != NULL), "a tree or an error");
    if (!limit) require(diags.error_count == (status == TH_E_SYNTAX), "one error");
    if (ast) check_tree(ast, lines);
    if (ast) status = nix_print_ast(&mem, ast, th_view_of("/fuzz"), &out);
    require(status == TH_OK || status == TH_E_SYNTAX || limit, "printed");
    th_buf_clear(&out);
    th_buf_init(&out, &mem);
    th_diags_render(&diags, len & 1, &out);
    th_buf_clear(&out);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    require(mem.used_bytes == 0, "leak");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = calloc(size ? size : 1, 1); /* of that size exactly, so that a read past its end is seen */
    if (!text) abort();
    if (size) memcpy(text, data, size);
    uint32_t lines = 1;
    for (size_t i = 0; i < size; i++) lines += text[i] == '\n';
    parse(text, size, 0, lines);
    if (size) parse(text, size, 4096 + (size_t)data[0] * 64 + size, lines);
    free(text);
    return 0;
}
