/*
** tools.c - what tools ask of programs: what they import and consist of, their sources, errors as text.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/api_int.h"

static bool type_text(const theta_program *program, th_type_id type, theta_text *out) {
    if (!out) return true;
    th_buf buf;
    th_buf_init(&buf, &program->engine->mem);
    th_type_print(&program->program->types, type, &buf);
    return th_api_text(&buf, out) == THETA_OK;
}

bool theta_program_import(const theta_program *program, size_t i, const char **name, theta_text *type) {
    const th_program *p = program->program;
    if (i >= p->nimports) return false;
    if (name) *name = p->imports[i].name->bytes;
    return type_text(program, p->imports[i].type, type);
}

bool theta_program_function(const theta_program *program, size_t i, theta_function_info *info, theta_text *type) {
    const th_program *p = program->program;
    if (i >= p->nfunctions) return false;
    const th_function *f = &p->functions[i];
    if (info) {
        info->name = f->name->bytes;
        info->words = f->ncode;
        info->registers = f->nregs;
    }
    return type_text(program, f->type, type);
}

/* Later programs first: a session gives all its inputs one name. */
bool theta_machine_source(const theta_machine *m, const char *name, const char **text, size_t *len) {
    for (size_t i = m->nunits; i > 0; i--) {
        const th_program *p = th_unit_program(m->units[i - 1]);
        for (uint32_t k = 0; k < p->nsources; k++) {
            const th_str *source = p->source_texts[k];
            if (!source || !th_view_is(th_view_str(p->source_names[k]), name)) continue;
            *text = source->bytes;
            *len = source->len;
            return true;
        }
    }
    return false;
}

/* A message may quote what a program made: control characters of that must not reach a terminal. */
static void safe_text(const char *text, th_buf *out) {
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        if (c1 || (*p < 0x20 && *p != '\n' && *p != '\t') || *p == 0x7f)
            th_buf_text(out, "\xef\xbf\xbd");
        else
            th_buf_char(out, (char)*p);
        p += c1;
    }
}

theta_status theta_error_render(theta_engine *engine, const theta_error *error, const char *source, size_t len,
                                bool color, theta_text *out) {
    th_source where = {error->file, source ? source : "", source ? len : 0};
    th_buf message;
    th_buf_init(&message, &engine->mem);
    safe_text(error->message, &message);
    th_diag diag = {.code = (th_status)error->code,
                    .severity = TH_ERROR,
                    .source = error->file[0] ? &where : NULL,
                    .span = {error->line, error->column, error->end_line, error->end_column},
                    .message = message.data ? message.data : ""};
    th_buf buf;
    th_buf_init(&buf, &engine->mem);
    th_diag_render(&diag, color, &buf);
    if (message.failed) buf.failed = true;
    th_buf_clear(&message);
    return th_api_text(&buf, out);
}
