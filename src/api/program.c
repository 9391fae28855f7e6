/*
** program.c - compiling, loading and printing programs.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/dynamic.h"

static theta_status wrap(theta_engine *engine, th_program *program, theta_program **out, theta_error *err) {
    theta_program *wrapped = th_mem_new(&engine->mem, sizeof *wrapped);
    if (!wrapped) {
        th_program_release(program);
        return th_api_fail(err, TH_E_NOMEM, "out of memory");
    }
    *wrapped = (theta_program){.engine = engine, .program = program};
    atomic_init(&wrapped->refs, 1);
    *out = wrapped;
    return THETA_OK;
}

theta_status th_api_program_of(theta_engine *engine, const void *bytes, size_t len, theta_program **out,
                               theta_error *err) {
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_program *program;
    th_status status = th_program_load(&engine->mem, bytes, len, &program, &inner);
    if (status != TH_OK) {
        th_api_error(err, &inner);
        return (theta_status)status;
    }
    return wrap(engine, program, out, err);
}

theta_status theta_program_load(theta_engine *engine, const void *bytes, size_t len, theta_program **out,
                                theta_error *err) {
    return th_api_program_of(engine, bytes, len, out, err);
}

const void *theta_program_bytes(const theta_program *program, size_t *len) {
    *len = program->program->len;
    return program->program->bytes;
}

theta_program *theta_program_retain(theta_program *program) {
    atomic_fetch_add_explicit(&program->refs, 1, memory_order_relaxed);
    return program;
}

void theta_program_release(theta_program *program) {
    if (!program || atomic_fetch_sub_explicit(&program->refs, 1, memory_order_acq_rel) != 1) return;
    th_program_release(program->program);
    th_mem_free(&program->engine->mem, program, sizeof *program);
}

bool theta_program_export(const theta_program *program, size_t i, const char **name, theta_text *type) {
    const th_program *p = program->program;
    if (i >= p->nexports) return false;
    if (name) *name = p->exports[i].name->bytes;
    if (!type) return true;
    th_buf buf;
    th_buf_init(&buf, &program->engine->mem);
    th_type_print(&p->types, p->functions[p->exports[i].function].type, &buf);
    return th_api_text(&buf, type) == THETA_OK;
}

theta_status theta_program_disassemble(const theta_program *program, theta_text *out, theta_error *err) {
    th_buf buf;
    th_buf_init(&buf, &program->engine->mem);
    th_status status = th_program_print(program->program, &buf);
    if (status != TH_OK) {
        th_buf_clear(&buf);
        return th_api_fail(err, status, "%s", th_status_text(status));
    }
    return th_api_text(&buf, out);
}

theta_status theta_assemble(theta_engine *engine, const char *name, const char *text, size_t len, theta_program **out,
                            theta_error *err) {
    uint8_t *bytes;
    size_t size;
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status = th_program_assemble(&engine->mem, th_view_of(name), (th_view){text, len}, &bytes, &size, &inner);
    if (status != TH_OK) {
        th_api_error(err, &inner);
        return (theta_status)status;
    }
    theta_status result = th_api_program_of(engine, bytes, size, out, err);
    th_mem_free(&engine->mem, bytes, size);
    return result;
}

/* ---- Compiling ---------------------------------------------------------------------------------------------- */

void theta_compile_config_init(theta_compile_config *config) {
    *config = (theta_compile_config){.size = sizeof *config, .read_files = true};
}

typedef enum language { LANGUAGE_THETA, LANGUAGE_NIX, LANGUAGE_BYTECODE, LANGUAGE_ASSEMBLY, LANGUAGE_UNKNOWN } language;

static language language_of(const char *name, const theta_compile_config *config) {
    static const struct {
        const char *key;
        language language;
    } known[] = {
        {"theta", LANGUAGE_THETA},  {"th", LANGUAGE_THETA},     {"nix", LANGUAGE_NIX},
        {"thb", LANGUAGE_BYTECODE}, {"tha", LANGUAGE_ASSEMBLY},
    };
    const char *dot = strrchr(name, '.');
    const char *key = config->language ? config->language : dot ? dot + 1 : "theta";
    for (size_t i = 0; i < TH_COUNT(known); i++)
        if (strcmp(known[i].key, key) == 0) return known[i].language;
    return config->language ? LANGUAGE_UNKNOWN : LANGUAGE_THETA;
}

void th_api_theta_options(theta_engine *engine, bool read_files, th_theta_options *out) {
    *out = (th_theta_options){.size = sizeof *out, .engine = engine->engine};
    if (!read_files) return;
    out->load_link = th_files_link;
    out->file_schema = th_files_schema;
}

static theta_status compile_theta(theta_engine *engine, const char *name, const char *text, size_t len,
                                  const theta_compile_config *config, theta_program **out, theta_text *diagnostics,
                                  theta_error *err) {
    th_arena arena;
    th_diags diags;
    th_files files = {.mem = &engine->mem};
    th_arena_init(&arena, &engine->mem);
    th_arena_init(&files.arena, &engine->mem);
    th_diags_init(&diags, &engine->mem);
    th_theta_options options;
    th_api_theta_options(engine, config->read_files, &options);
    options.mode = config->expression ? TH_THETA_INPUT : TH_THETA_FILE;
    options.user = &files;
    options.parse_only = config->parse_only;
    options.check_only = config->check_only;
    uint8_t *bytes = NULL;
    size_t size = 0;
    th_status status = th_theta_compile(&engine->mem, &arena, name, text, len, &options, &diags, &bytes, &size);
    th_buf rendered;
    th_buf_init(&rendered, &engine->mem);
    th_diags_render(&diags, config->color, &rendered);
    theta_status result = (theta_status)status;
    th_error first = {.code = TH_OK};
    if (status != TH_OK) {
        if (th_diags_first(&diags, &first) == TH_OK) (void)th_fail(&first, status, "%s", th_status_text(status));
        th_api_error(err, &first);
    } else {
        *out = NULL;
        if (bytes) result = th_api_program_of(engine, bytes, size, out, err);
    }
    if (diagnostics && th_api_text(&rendered, diagnostics) != THETA_OK) *diagnostics = (theta_text){0};
    th_buf_clear(&rendered);
    if (bytes) th_mem_free(&engine->mem, bytes, size);
    th_diags_clear(&diags);
    th_arena_clear(&files.arena);
    th_arena_clear(&arena);
    return result;
}

theta_status theta_compile(theta_engine *engine, const char *name, const char *text, size_t len,
                           const theta_compile_config *config, theta_program **out, theta_text *diagnostics,
                           theta_error *err) {
    theta_compile_config defaults;
    theta_compile_config_init(&defaults);
    if (!config) config = &defaults;
    if (diagnostics) *diagnostics = (theta_text){0};
    switch (language_of(name, config)) {
    case LANGUAGE_THETA: return compile_theta(engine, name, text, len, config, out, diagnostics, err);
    case LANGUAGE_NIX: return th_api_nix_compile(engine, name, text, len, config, out, diagnostics, err);
    case LANGUAGE_BYTECODE: return th_api_program_of(engine, text, len, out, err);
    case LANGUAGE_ASSEMBLY: return theta_assemble(engine, name, text, len, out, err);
    case LANGUAGE_UNKNOWN: break;
    }
    return th_api_fail(err, TH_E_UNSUPPORTED, "there is no language '%s'; known: theta, nix, thb, tha",
                       config->language);
}

theta_status theta_compile_file(theta_engine *engine, const char *path, const theta_compile_config *config,
                                theta_program **out, theta_text *diagnostics, theta_error *err) {
    if (diagnostics) *diagnostics = (theta_text){0};
    th_arena arena;
    th_arena_init(&arena, &engine->mem);
    const char *text;
    size_t len;
    th_error inner;
    th_status status = th_files_read(&arena, path, &text, &len, &inner);
    theta_status result = (theta_status)status;
    if (status == TH_OK)
        result = theta_compile(engine, path, text, len, config, out, diagnostics, err);
    else
        th_api_error(err, &inner);
    th_arena_clear(&arena);
    return result;
}
