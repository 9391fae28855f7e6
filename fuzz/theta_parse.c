/*
** theta_parse.c - fuzz target: any bytes through the Theta parser, its diagnostics, the tree's printer and copier.
** Checks what the parser promises: bounded depth, spans inside the text, an error for each hole.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/ast.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool truth, const char *what) {
    if (truth) return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check(const th_ast *node, size_t len, size_t depth, bool had_errors) {
    require(depth <= TH_AST_MAX_DEPTH, "depth");
    require(node->from <= node->to && node->to <= len, "span");
    require(node->kind != TH_AST_ERROR || had_errors, "a hole without an error");
    for (uint32_t i = 0; i < node->nkids; i++)
        if (node->kids[i]) check(node->kids[i], len, depth + 1, had_errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_mem mem;
    th_arena arena;
    th_diags diags;
    th_buf first, second;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_arena_init(&arena, &mem);
    th_diags_init(&diags, &mem);
    th_buf_init(&first, &mem);
    th_buf_init(&second, &mem);
    char *text = malloc(size + 1);
    if (!text) abort();
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    th_source source = {"fuzz.th", text, size};
    th_ast *ast = NULL;
    bool incomplete = false;
    require(th_theta_parse(&arena, &source, &diags, &incomplete, &ast) == TH_OK, "status");
    require(!incomplete || diags.error_count, "incomplete without an error");
    check(ast, size, 1, diags.error_count != 0);
    th_ast_print(ast, &first);
    th_ast_print(th_ast_clone(&arena, ast), &second);
    require(first.len == second.len && memcmp(first.data, second.data, first.len) == 0, "copy");
    th_buf_clear(&first);
    th_buf_init(&first, &mem);
    th_diags_render(&diags, size & 1, &first);
    th_buf_clear(&first);
    th_buf_clear(&second);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    require(mem.used_bytes == 0, "leak");
    free(text);
    return 0;
}
