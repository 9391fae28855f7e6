/*
** session.c - sessions: one input after another, earlier definitions and results in scope.
** Definitions (functions, structs, enums, links, capsules) are kept as text and compiled in front of every later input;
** values are computed once and kept as bindings of the machine, which later inputs read by name.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/api_int.h"
#include "lang/theta/ast.h"

struct theta_session {
    theta_machine *machine;
    th_buf definitions;
    th_buf type_text; /* of the last outer name asked for */
    th_files files;
};

theta_status theta_session_new(theta_machine *machine, theta_session **out, theta_error *err) {
    th_mem *mem = &machine->engine->mem;
    theta_session *session = th_mem_zeroed(mem, sizeof *session);
    if (!session) return th_api_fail(err, TH_E_NOMEM, "out of memory");
    session->machine = machine;
    th_buf_init(&session->definitions, mem);
    th_buf_init(&session->type_text, mem);
    session->files.mem = mem;
    th_arena_init(&session->files.arena, mem);
    *out = session;
    return THETA_OK;
}

void theta_session_free(theta_session *session) {
    if (!session) return;
    th_buf_clear(&session->definitions);
    th_buf_clear(&session->type_text);
    th_arena_clear(&session->files.arena);
    th_mem_free(&session->machine->engine->mem, session, sizeof *session);
}

/* ---- Compiling one piece ------------------------------------------------------------------------------------ */

static bool outer_type(void *user, th_view name, th_view *type) {
    theta_session *session = user;
    th_type_id id;
    if (!th_machine_lookup(session->machine->machine, name, &id, NULL)) return false;
    session->type_text.len = 0;
    th_type_print(th_machine_types(session->machine->machine), id, &session->type_text);
    *type = (th_view){session->type_text.data, session->type_text.len};
    return !session->type_text.failed;
}

static th_status outer_link(void *user, th_view name, const char *from, const char **path, const char **text,
                            size_t *len) {
    return th_files_link(&((theta_session *)user)->files, name, from, path, text, len);
}

static th_status outer_schema(void *user, const char *path, const th_csv_options *csv, th_schema **out, th_error *err) {
    return th_files_schema(&((theta_session *)user)->files, path, csv, out, err);
}

static void options_init(theta_session *session, th_theta_options *options) {
    *options = (th_theta_options){.size = sizeof *options,
                                  .mode = TH_THETA_INPUT,
                                  .engine = session->machine->engine->engine,
                                  .user = session,
                                  .load_link = outer_link,
                                  .file_schema = outer_schema,
                                  .outer_type = outer_type};
}

typedef struct report { th_buf *diagnostics; bool color; theta_error *err; } report;

static theta_status compile(theta_session *session, th_view text, report *to, theta_program **out) {
    th_mem *mem = &session->machine->engine->mem;
    th_arena arena;
    th_diags diags;
    th_arena_init(&arena, mem);
    th_diags_init(&diags, mem);
    th_theta_options options;
    options_init(session, &options);
    uint8_t *bytes = NULL;
    size_t len = 0;
    th_status status = th_theta_compile(mem, &arena, "input", text.data, text.len, &options, &diags, &bytes, &len);
    theta_status result = (theta_status)status;
    if (status == TH_OK) {
        result = th_api_program_of(session->machine->engine, bytes, len, out, to->err);
        th_mem_free(mem, bytes, len);
    } else {
        th_error first = {.code = status};
        if (th_diags_first(&diags, &first) == TH_OK) (void)th_fail(&first, status, "%s", th_status_text(status));
        th_api_error(to->err, &first);
    }
    th_diags_render(&diags, to->color, to->diagnostics);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return result;
}

/* The definitions so far, blanked out line by line into one, then the piece, so that its lines count from its own start. */
static theta_status compile_piece(theta_session *session, th_view piece, th_view tail, report *to,
                                  theta_program **out) {
    th_buf text;
    th_buf_init(&text, &session->machine->engine->mem);
    th_buf_put(&text, piece.data, piece.len);
    th_buf_char(&text, '\n');
    th_buf_put(&text, session->definitions.data, session->definitions.len);
    th_buf_char(&text, '\n');
    th_buf_put(&text, tail.data, tail.len);
    theta_status status = text.failed ? th_api_fail(to->err, TH_E_NOMEM, "out of memory")
                                      : compile(session, (th_view){text.data, text.len}, to, out);
    th_buf_clear(&text);
    return status;
}

/* ---- Evaluating --------------------------------------------------------------------------------------------- */

static bool is_function_value(const th_ast *node) {
    return node->nkids > 1 && node->kids[1] && node->kids[1]->kind == TH_AST_LAMBDA;
}

static bool is_definition(const th_ast *node) {
    switch (node->kind) {
    case TH_AST_LINK:
    case TH_AST_CAPSULE:
    case TH_AST_STRUCT:
    case TH_AST_ENUM:
    case TH_AST_FUNCTION: return true;
    case TH_AST_BINDING: return is_function_value(node);
    default: return false;
    }
}

static theta_status run(theta_session *session, theta_program *program, theta_value *result, theta_error *err) {
    theta_machine *m = session->machine;
    theta_status status = theta_machine_add(m, program, err);
    if (status == THETA_OK) status = theta_call(m, "main", NULL, 0, result, err);
    theta_program_release(program);
    return status;
}

static theta_status define(theta_session *session, th_view piece, report *to) {
    theta_program *program;
    theta_status status = compile_piece(session, piece, (th_view){"", 0}, to, &program);
    if (status != THETA_OK) return status;
    theta_program_release(program);
    th_buf_put(&session->definitions, piece.data, piece.len);
    th_buf_char(&session->definitions, '\n');
    return session->definitions.failed ? THETA_E_NOMEM : THETA_OK;
}

static theta_status bind(theta_session *session, th_view name, theta_value value) {
    return (theta_status)th_machine_bind(session->machine->machine, name, value.type, value.word);
}

static theta_status eval_node(theta_session *session, const th_ast *node, const char *text, report *to,
                              theta_value *result) {
    th_view piece = {text + node->from, node->to - node->from};
    *result = (theta_value){0};
    if (is_definition(node)) return define(session, piece, to);
    bool named = node->kind == TH_AST_BINDING || node->kind == TH_AST_VARIABLE;
    theta_program *program;
    theta_status status = compile_piece(session, piece, named ? node->text : (th_view){"", 0}, to, &program);
    if (status != THETA_OK) return status;
    status = run(session, program, result, to->err);
    if (status != THETA_OK || th_types_kind(th_machine_types(session->machine->machine), result->type) == TH_KIND_VOID)
        return status;
    status = bind(session, th_view_of("it"), *result);
    if (status == THETA_OK && named) status = bind(session, node->text, *result);
    if (named) *result = (theta_value){0};
    return status;
}

static theta_status eval_file(theta_session *session, const th_ast *file, const char *text, report *to,
                              theta_value *result) {
    for (uint32_t i = 0; i < file->nkids; i++) {
        theta_status status = eval_node(session, file->kids[i], text, to, result);
        if (status != THETA_OK) return status;
    }
    return THETA_OK;
}

theta_status theta_session_eval(theta_session *session, const char *text, size_t len, bool color, bool *incomplete,
                                theta_value *result, theta_text *diagnostics, theta_error *err) {
    th_mem *mem = &session->machine->engine->mem;
    th_arena arena;
    th_diags diags;
    th_buf rendered;
    th_arena_init(&arena, mem);
    th_diags_init(&diags, mem);
    th_buf_init(&rendered, mem);
    report to = {&rendered, color, err};
    bool open = false;
    th_source source = {"input", text, len};
    th_ast *file = NULL;
    theta_value value = {0};
    theta_status status = (theta_status)th_theta_parse(&arena, &source, &diags, &open, &file);
    if (incomplete) *incomplete = open;
    if (status == THETA_OK && !open && diags.error_count > 0) {
        th_error first = {0};
        status = (theta_status)th_diags_first(&diags, &first);
        th_api_error(err, &first);
        th_diags_render(&diags, color, &rendered);
    } else if (status == THETA_OK && !open) {
        status = eval_file(session, file, text, &to, &value);
    }
    if (status == THETA_OK && result) *result = value;
    if (!diagnostics || th_api_text(&rendered, diagnostics) != THETA_OK) th_buf_clear(&rendered);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return status;
}

theta_status theta_session_type(theta_session *session, const char *text, size_t len, bool color, theta_text *type,
                                theta_text *diagnostics, theta_error *err) {
    th_buf rendered, printed;
    th_buf_init(&rendered, &session->machine->engine->mem);
    th_buf_init(&printed, &session->machine->engine->mem);
    report to = {&rendered, color, err};
    theta_program *program;
    theta_status status = compile_piece(session, (th_view){text, len}, (th_view){"", 0}, &to, &program);
    if (status == THETA_OK) {
        const th_program *p = program->program;
        int64_t main = th_program_find(p, th_view_of("main"));
        if (main >= 0) th_type_print(&p->types, th_types_result(&p->types, p->functions[main].type), &printed);
        else th_buf_text(&printed, "void");
        status = th_api_text(&printed, type);
        theta_program_release(program);
    }
    th_buf_clear(&printed);
    if (!diagnostics || th_api_text(&rendered, diagnostics) != THETA_OK) th_buf_clear(&rendered);
    return status;
}

typedef struct completion { void (*found)(void *, const char *); void *user; th_buf name; } completion;

static void complete_one(void *user, th_view name) {
    completion *c = user;
    c->name.len = 0;
    th_buf_put(&c->name, name.data, name.len);
    if (!c->name.failed) c->found(c->user, c->name.data);
}

void theta_session_complete(theta_session *session, const char *prefix, void (*found)(void *user, const char *name),
                            void *user) {
    completion c = {.found = found, .user = user};
    th_buf_init(&c.name, &session->machine->engine->mem);
    th_theta_options options;
    options_init(session, &options);
    th_theta_complete(&options, th_view_of(prefix), complete_one, &c);
    th_machine_each_binding(session->machine->machine, th_view_of(prefix), complete_one, &c);
    th_buf_clear(&c.name);
}
