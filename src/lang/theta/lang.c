/*
** lang.c - the Theta compiler from text to program bytes: parse, check, generate.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/lang.h"

#include "lang/theta/check.h"

static th_status keep_source(th_arena *arena, const char *name, const char *text, size_t len, th_source **out) {
    th_source *source = th_arena_zeroed(arena, sizeof *source);
    if (!source) return TH_E_NOMEM;
    source->name = th_arena_text(arena, name, strlen(name));
    source->text = th_arena_text(arena, text, len);
    source->len = len;
    if (!source->name || !source->text) return TH_E_NOMEM;
    *out = source;
    return TH_OK;
}

/* The first error told; a failure that was not told is told now. */
static th_status failure(th_diags *diags, th_status status, const th_source *source, const th_error *err) {
    if (diags->failed) return TH_E_NOMEM;
    th_error first;
    if (diags->error_count) return th_diags_first(diags, &first);
    if (status == TH_OK) return TH_OK;
    bool said = err && err->message[0];
    th_diags_add(diags, TH_ERROR, status, source, said ? err->span : (th_span){0}, "%s",
                 said ? err->message : th_status_text(status));
    return status;
}

static th_status compile_parsed(th_mem *mem, th_arena *arena, const th_source *source, const th_ast *ast,
                                const th_theta_options *options, th_diags *diags, uint8_t **bytes, size_t *len) {
    checker *c = th_arena_zeroed(arena, sizeof *c);
    if (!c) return TH_E_NOMEM;
    th_tir_program program = {.name = th_view_of(source->name), .start = -1};
    TH_TRY(th_builder_new(mem, program.name, &c->builder));
    th_error err = {0};
    c->mem = mem;
    c->arena = arena;
    c->options = options;
    c->diags = diags;
    c->program_types = th_builder_types(c->builder);
    th_status status = tc_check(c, source, ast, &program);
    if (status == TH_OK && diags->error_count == 0 && !options->check_only)
        status = th_theta_generate(mem, arena, &program, bytes, len, &err);
    th_builder_free(c->builder);
    return failure(diags, status, source, &err);
}

th_status th_theta_compile(th_mem *mem, th_arena *arena, const char *name, const char *text, size_t len,
                           const th_theta_options *options, th_diags *diags, uint8_t **bytes, size_t *out_len) {
    th_source *source = NULL;
    th_ast *ast = NULL;
    *bytes = NULL;
    *out_len = 0;
    if (len > UINT32_MAX / 2) return TH_E_LIMIT;
    TH_TRY(keep_source(arena, name, text, len, &source));
    TH_TRY(th_theta_parse(arena, source, diags, options->incomplete, &ast));
    if (diags->error_count || diags->failed || options->parse_only) return failure(diags, TH_OK, source, NULL);
    return compile_parsed(mem, arena, source, ast, options, diags, bytes, out_len);
}
