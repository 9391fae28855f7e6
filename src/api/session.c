/*
** session.c - sessions: one input after another, earlier definitions and results in scope.
** Definitions (functions, structs, enums, links, capsules) are kept as text and compiled in front of every later input, each
** in the line of the session where it was given, so that positions mean the same in every message. Values are computed
** once and kept as bindings of the machine, which later inputs read by name (Session.get). A definition of a name that is
** there replaces it; one that a later redefinition broke is forgotten, and that is said.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/api_int.h"
#include "lang/theta/ast.h"

typedef struct place {
    uint32_t line, column;
} place; /* from 1; columns are code points */

typedef struct definition {
    th_view name, text;
    place from, to;
    bool left_out;  /* not part of the session any more, or on trial: see `trial` */
    uint32_t trial; /* number of the compilation that left it out and may yet put it back */
} definition;

struct theta_session {
    theta_machine *machine;
    definition *definitions; /* in the order of their places */
    size_t ndefinitions, capacity;
    th_arena kept;   /* their texts */
    th_buf document; /* every input so far, line by line: what errors quote */
    place document_end;
    uint32_t line; /* where the next input begins */
    uint32_t trials;
    th_arena pieces; /* texts of rewritten pieces, during one input */
    th_arena texts;  /* what one compilation is told */
    th_files files;
};

theta_status theta_session_new(theta_machine *machine, theta_session **out, theta_error *err) {
    th_mem *mem = &machine->engine->mem;
    theta_session *session = th_mem_zeroed(mem, sizeof *session);
    if (!session) return th_api_fail(err, TH_E_NOMEM, "out of memory");
    session->machine = machine;
    session->line = 1;
    session->document_end = (place){1, 1};
    th_arena_init(&session->kept, mem);
    th_buf_init(&session->document, mem);
    th_arena_init(&session->texts, mem);
    th_arena_init(&session->pieces, mem);
    session->files.mem = mem;
    th_arena_init(&session->files.arena, mem);
    *out = session;
    return THETA_OK;
}

void theta_session_free(theta_session *session) {
    if (!session) return;
    th_mem *mem = &session->machine->engine->mem;
    th_mem_free(mem, session->definitions, session->capacity * sizeof *session->definitions);
    th_arena_clear(&session->kept);
    th_buf_clear(&session->document);
    th_arena_clear(&session->texts);
    th_arena_clear(&session->pieces);
    th_arena_clear(&session->files.arena);
    th_mem_free(mem, session, sizeof *session);
}

void theta_session_at(theta_session *session, uint32_t line) {
    if (line > session->line) session->line = line;
}

/* ---- Values of earlier inputs ------------------------------------------------------------------------------- */

static th_step get_value(th_machine *m, th_call *call) {
    th_type_id type;
    uint64_t word;
    th_view name = th_view_str(th_word_ptr(call->args[0]));
    if (!th_machine_lookup(m, name, &type, &word))
        return th_machine_trap(m, TH_E_REFERENCE, "`%.*s` is not bound here", (int)name.len, name.data);
    if (type != th_types_result(th_machine_types(m), call->type))
        return th_machine_trap(m, TH_E_TYPE, "`%.*s` has another type by now", (int)name.len, name.data);
    call->result[0] = word;
    return TH_STEP_DONE;
}

const th_builtin th_api_session_get = {
    .name = "Session.get",
    .signature = "name: String -> T",
    .doc = "The value that an earlier input of a session bound to a name.",
    .fn = get_value,
    .flags = TH_BUILTIN_RETAINS,
    .slots = "",
};

static bool outer_type(void *user, th_view name, th_view *type) {
    theta_session *session = user;
    th_type_id id;
    if (!th_machine_lookup(session->machine->machine, name, &id, NULL)) return false;
    th_buf printed;
    th_buf_init(&printed, session->texts.mem);
    th_type_print(th_machine_types(session->machine->machine), id, &printed);
    const char *text = printed.failed ? NULL : th_arena_text(&session->texts, printed.data, printed.len);
    *type = (th_view){text, text ? printed.len : 0};
    th_buf_clear(&printed);
    return text != NULL;
}

static th_status outer_link(void *user, th_view name, const char *from, const char **path, const char **text,
                            size_t *len) {
    return th_files_link(&((theta_session *)user)->files, name, from, path, text, len);
}

static th_status outer_schema(void *user, const char *path, const th_csv_options *csv, th_schema **out, th_error *err) {
    return th_files_schema(&((theta_session *)user)->files, path, csv, out, err);
}

/* A machine without the capability for files gets none read by the compiler either. */
static void options_init(theta_session *session, th_theta_options *options) {
    bool files = th_machine_allows(session->machine->machine, TH_BUILTIN_FS);
    *options = (th_theta_options){.size = sizeof *options,
                                  .mode = TH_THETA_INPUT,
                                  .engine = session->machine->engine->engine,
                                  .user = session,
                                  .load_link = files ? outer_link : NULL,
                                  .file_schema = files ? outer_schema : NULL,
                                  .outer_type = outer_type};
}

typedef struct report {
    th_buf *diagnostics;
    bool color;
    theta_error *err;
} report;

/* What is compiled: a piece of an input, at its place, then a tail that gives its value. */
typedef struct piece {
    place from;
    th_view text, tail;
    th_view replaces; /* the name it may define anew; "" none */
} piece;

static place advance(place at, th_view text) {
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\n')
            at.line++, at.column = 1;
        else
            at.column += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    return at;
}

/* Blanks up to a place. Two pieces of one line were divided by something: a semicolon stands for it. */
static void pad(th_buf *out, place *at, place to) {
    if (at->line == to.line && at->column > 1 && at->column < to.column) th_buf_char(out, ';'), at->column++;
    for (; at->line < to.line; at->line++) th_buf_char(out, '\n'), at->column = 1;
    for (; at->line == to.line && at->column < to.column; at->column++) th_buf_char(out, ' ');
}

static void compose(const theta_session *session, const piece *p, th_buf *out) {
    place at = {1, 1};
    for (size_t i = 0; i < session->ndefinitions; i++) {
        const definition *d = &session->definitions[i];
        if (d->left_out) continue;
        pad(out, &at, d->from);
        th_buf_put(out, d->text.data, d->text.len);
        at = d->to;
    }
    pad(out, &at, p->from);
    th_buf_put(out, p->text.data, p->text.len);
    th_buf_char(out, '\n');
    th_buf_put(out, p->tail.data, p->tail.len);
}

/* One attempt. The diagnostics are added to `rendered`, and the first error is in *first. */
static th_status attempt(theta_session *session, const piece *p, bool color, th_buf *rendered, th_error *first,
                         theta_program **out) {
    th_mem *mem = &session->machine->engine->mem;
    th_arena arena;
    th_diags diags;
    th_buf text;
    th_arena_init(&arena, mem);
    th_diags_init(&diags, mem);
    th_buf_init(&text, mem);
    th_theta_options options;
    options_init(session, &options);
    uint8_t *bytes = NULL;
    size_t len = 0;
    compose(session, p, &text);
    th_status status = th_buf_status(&text);
    if (status == TH_OK)
        status = th_theta_compile(mem, &arena, "input", text.data, text.len, &options, &diags, &bytes, &len);
    if (status == TH_OK) {
        theta_error err = {0};
        status = (th_status)th_api_program_of(session->machine->engine, bytes, len, out, &err);
        if (status != TH_OK) (void)th_fail(first, status, "%s", err.message);
        th_mem_free(mem, bytes, len);
    } else if (th_diags_first(&diags, first) == TH_OK) {
        (void)th_fail(first, status, "%s", th_status_text(status));
    }
    th_diags_render(&diags, color, rendered);
    th_buf_clear(&text);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    th_arena_clear(&session->texts);
    return status;
}

static bool before(place a, place b) { return a.line < b.line || (a.line == b.line && a.column < b.column); }

/* The kept definition that an error lies in. */
static definition *blamed(theta_session *session, const th_error *err) {
    place at = {err->span.line, err->span.column};
    for (size_t i = 0; at.line && i < session->ndefinitions; i++) {
        definition *d = &session->definitions[i];
        if (!d->left_out && !before(at, d->from) && before(at, d->to)) return d;
    }
    return NULL;
}

static definition *newest(theta_session *session, th_view name) {
    for (size_t i = session->ndefinitions; name.len && i > 0; i--) {
        definition *d = &session->definitions[i - 1];
        if (!d->left_out && th_view_eq(d->name, name)) return d;
    }
    return NULL;
}

static void put_back(theta_session *session, uint32_t trial) {
    for (size_t i = 0; i < session->ndefinitions; i++)
        if (session->definitions[i].left_out && session->definitions[i].trial == trial)
            session->definitions[i].left_out = false;
}

/* What was left out and fits after all (another overload) comes back; what does not is told, unless it was replaced. */
static void settle(theta_session *session, const piece *p, uint32_t trial, th_buf *rendered) {
    for (size_t i = 0; i < session->ndefinitions; i++) {
        definition *d = &session->definitions[i];
        if (!d->left_out || d->trial != trial) continue;
        th_buf ignored;
        th_error first;
        theta_program *program;
        th_buf_init(&ignored, &session->machine->engine->mem);
        d->left_out = false;
        if (attempt(session, p, false, &ignored, &first, &program) == TH_OK) {
            theta_program_release(program);
        } else {
            d->left_out = true;
            d->trial = 0;
            if (!th_view_eq(d->name, p->replaces))
                th_buf_printf(rendered, "note: `%.*s` fits no more and is forgotten\n", (int)d->name.len, d->name.data);
        }
        th_buf_clear(&ignored);
    }
}

/* Compiles a piece behind the definitions so far. One that the piece replaces, or that no longer fits, is left out: for good
** when `keep` and the rest compiles, else for this time. */
static theta_status compile_piece(theta_session *session, const piece *p, bool keep, report *to, theta_program **out) {
    uint32_t trial = ++session->trials;
    th_buf rendered;
    th_error first = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status;
    for (;;) {
        th_buf_init(&rendered, &session->machine->engine->mem);
        status = attempt(session, p, to->color, &rendered, &first, out);
        if (status == TH_OK) break;
        definition *d = blamed(session, &first);
        if (!d && status == TH_E_REASSIGNMENT) d = newest(session, p->replaces);
        if (!d) break;
        d->left_out = true;
        d->trial = trial;
        th_buf_clear(&rendered);
    }
    if (status == TH_OK && keep)
        settle(session, p, trial, &rendered);
    else
        put_back(session, trial);
    if (status != TH_OK) th_api_error(to->err, &first);
    th_buf_put(to->diagnostics, rendered.data, rendered.len);
    th_buf_clear(&rendered);
    return (theta_status)status;
}

/* ---- Evaluating --------------------------------------------------------------------------------------------- */

typedef struct input {
    const char *text;
    place from;
    report *to;
} input;

static piece piece_of(const input *in, const th_ast *node) {
    place from = advance(in->from, (th_view){in->text, node->from});
    return (piece){.from = from, .text = {in->text + node->from, node->to - node->from}};
}

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

/* The failure of a run as a person reads it: the error with the line of the session, and the trace. */
static void render_failure(theta_session *session, report *to) {
    theta_machine *m = session->machine;
    const th_error *err = th_machine_error(m->machine);
    const char *text = session->document.data ? session->document.data : "";
    size_t len = session->document.len;
    if (strcmp(err->file, "input") != 0 && !theta_machine_source(m, err->file, &text, &len)) text = "", len = 0;
    th_source source = {err->file, text, len};
    th_diag diag = {.code = err->code,
                    .severity = TH_ERROR,
                    .source = err->file[0] ? &source : NULL,
                    .span = err->span,
                    .message = err->message};
    th_diag_render(&diag, to->color, to->diagnostics);
    th_machine_trace(m->machine, to->diagnostics);
}

static theta_status run(theta_session *session, theta_program *program, report *to, theta_value *result) {
    theta_machine *m = session->machine;
    theta_status status = theta_machine_add(m, program, to->err);
    theta_program_release(program);
    if (status != THETA_OK) return status;
    status = theta_call(m, "main", NULL, 0, result, to->err);
    if (status != THETA_OK && theta_machine_state(m) == THETA_FAILED) render_failure(session, to);
    if (theta_machine_state(m) == THETA_SUSPENDED) theta_abandon(m); /* no input can go on with it */
    return status;
}

static bool keep_definition(theta_session *session, const piece *p) {
    if (th_mem_grow(&session->machine->engine->mem, (void **)&session->definitions, &session->capacity,
                    session->ndefinitions + 1, sizeof *session->definitions) != TH_OK)
        return false;
    definition d = {.from = p->from, .to = advance(p->from, p->text)};
    d.name = (th_view){th_arena_text(&session->kept, p->replaces.data, p->replaces.len), p->replaces.len};
    d.text = (th_view){th_arena_text(&session->kept, p->text.data, p->text.len), p->text.len};
    if (!d.name.data || !d.text.data) return false;
    session->definitions[session->ndefinitions++] = d;
    return true;
}

static theta_status define(theta_session *session, const piece *p, report *to) {
    theta_program *program;
    theta_status status = compile_piece(session, p, true, to, &program);
    if (status != THETA_OK) return status;
    theta_program_release(program);
    return keep_definition(session, p) ? THETA_OK : th_api_fail(to->err, TH_E_NOMEM, "out of memory");
}

static bool is_void(const theta_session *session, theta_value value) {
    return th_types_kind(th_machine_types(session->machine->machine), value.type) == TH_KIND_VOID;
}

/* Runs a piece, and binds its value to `it` and to `name`, if any. */
static theta_status evaluate(theta_session *session, const piece *p, th_view name, report *to, theta_value *result) {
    th_machine *m = session->machine->machine;
    theta_program *program;
    theta_status status = compile_piece(session, p, true, to, &program);
    if (status == THETA_OK) status = run(session, program, to, result);
    if (status != THETA_OK || is_void(session, *result)) return status;
    status = (theta_status)th_machine_bind(m, th_view_of("it"), result->type, result->word);
    if (status == THETA_OK && name.len) status = (theta_status)th_machine_bind(m, name, result->type, result->word);
    if (status != THETA_OK) return th_api_fail(to->err, (th_status)status, "out of memory");
    return status;
}

/* `x += 2` and `x++` on a name of the session: a new value of it. */
static theta_status change(theta_session *session, const input *in, const th_ast *node, theta_value *result) {
    th_arena *arena = &session->pieces;
    piece p = piece_of(in, node);
    const th_ast *target = node->kids[0];
    const char *op = th_token_text(node->op);
    int op_len = (int)strlen(op) - 1;
    const char *text;
    if (node->kind == TH_AST_INCREMENT) {
        text = th_arena_printf(arena, "%.*s %c 1", (int)target->text.len, target->text.data, op[0]);
    } else {
        const th_ast *value = node->kids[1];
        text = th_arena_printf(arena, "%.*s %.*s (%.*s)", (int)target->text.len, target->text.data, op_len, op,
                               (int)(value->to - value->from), in->text + value->from);
    }
    if (!text) return th_api_fail(in->to->err, TH_E_NOMEM, "out of memory");
    p.text = th_view_of(text);
    return evaluate(session, &p, target->text, in->to, result);
}

/* The names a pattern binds, each its own piece: the value is computed once and taken apart as often. */
static theta_status bind_names(theta_session *session, const input *in, const th_ast *node, const th_ast *pattern) {
    th_arena *arena = &session->pieces;
    theta_value ignored;
    th_view names = {0};
    if (pattern->kind == TH_AST_BIND || pattern->kind == TH_AST_REST ||
        (pattern->kind == TH_AST_FIELD_PATTERN && (pattern->nkids == 0 || !pattern->kids[0])))
        names = pattern->text;
    if (names.len && !th_view_is(names, "_")) {
        const th_ast *whole = node->kids[0];
        piece p = piece_of(in, node);
        const char *text = th_arena_printf(arena, "%.*s = it", (int)(whole->to - whole->from), in->text + whole->from);
        if (!text) return th_api_fail(in->to->err, TH_E_NOMEM, "out of memory");
        p.text = th_view_of(text);
        p.tail = p.replaces = names;
        theta_program *program;
        theta_status status = compile_piece(session, &p, true, in->to, &program);
        if (status == THETA_OK) status = run(session, program, in->to, &ignored);
        if (status != THETA_OK) return status;
        status = (theta_status)th_machine_bind(session->machine->machine, names, ignored.type, ignored.word);
        if (status != THETA_OK) return th_api_fail(in->to->err, TH_E_NOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < pattern->nkids; i++) { /* depth: TH_AST_MAX_DEPTH at most */
        if (!pattern->kids[i]) continue;
        theta_status status = bind_names(session, in, node, pattern->kids[i]);
        if (status != THETA_OK) return status;
    }
    return THETA_OK;
}

static theta_status take_apart(theta_session *session, const input *in, const th_ast *node) {
    theta_value value;
    piece p = piece_of(in, node->kids[1]);
    theta_status status = evaluate(session, &p, (th_view){"", 0}, in->to, &value);
    return status == THETA_OK ? bind_names(session, in, node, node->kids[0]) : status;
}

static bool changes_name(const theta_session *session, const th_ast *node) {
    if (node->kind != TH_AST_ASSIGN && node->kind != TH_AST_INCREMENT) return false;
    return node->kids[0]->kind == TH_AST_NAME &&
           th_machine_lookup(session->machine->machine, node->kids[0]->text, NULL, NULL);
}

static theta_status eval_node(theta_session *session, const input *in, const th_ast *node, theta_value *result) {
    piece p = piece_of(in, node);
    theta_status status;
    *result = (theta_value){0};
    if (is_definition(node)) {
        p.replaces = node->text;
        return define(session, &p, in->to);
    }
    if (node->kind == TH_AST_PATTERN_BINDING) return take_apart(session, in, node);
    if (changes_name(session, node)) {
        status = change(session, in, node, result);
    } else if (node->kind == TH_AST_BINDING || node->kind == TH_AST_VARIABLE) {
        p.tail = p.replaces = node->text;
        status = evaluate(session, &p, node->text, in->to, result);
    } else {
        return evaluate(session, &p, (th_view){"", 0}, in->to, result);
    }
    *result = (theta_value){0}; /* what is bound is not shown */
    return status;
}

static theta_status eval_file(theta_session *session, const input *in, const th_ast *file, theta_value *result) {
    for (uint32_t i = 0; i < file->nkids; i++) {
        theta_status status = eval_node(session, in, file->kids[i], result);
        if (status != THETA_OK) return status;
    }
    return THETA_OK;
}

/* The input becomes the next lines of the document; the place where it begins. */
static place enter(theta_session *session, th_view text) {
    place from = {session->line, 1};
    pad(&session->document, &session->document_end, from);
    th_buf_put(&session->document, text.data, text.len);
    th_buf_char(&session->document, '\n');
    session->line = advance(from, text).line + 1;
    session->document_end = (place){session->line, 1};
    return from;
}

/* Tells what is wrong with a text that does not parse: parsed again where it stands in the session. */
static theta_status refuse(theta_session *session, th_view text, place from, report *to) {
    th_mem *mem = &session->machine->engine->mem;
    th_arena arena;
    th_diags diags;
    th_buf padded;
    th_ast *file;
    th_error first = {.code = TH_E_NOMEM, .message = "out of memory"};
    place at = {1, 1};
    th_arena_init(&arena, mem);
    th_diags_init(&diags, mem);
    th_buf_init(&padded, mem);
    pad(&padded, &at, from);
    th_buf_put(&padded, text.data, text.len);
    th_source source = {"input", padded.data, padded.len};
    if (!padded.failed && th_theta_parse(&arena, &source, &diags, NULL, &file) == TH_OK)
        (void)th_diags_first(&diags, &first);
    th_api_error(to->err, &first);
    th_diags_render(&diags, to->color, to->diagnostics);
    th_buf_clear(&padded);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return (theta_status)first.code;
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
    th_ast *file = NULL;
    theta_value value = {0};
    if (err) *err = (theta_error){0};
    th_source source = {"input", text, len};
    theta_status status = (theta_status)th_theta_parse(&arena, &source, &diags, &open, &file);
    if (incomplete) *incomplete = open;
    if (status == THETA_OK && !(open && incomplete)) {
        input in = {text, enter(session, (th_view){text, len}), &to};
        if (session->document.failed)
            status = THETA_E_NOMEM;
        else if (diags.error_count > 0)
            status = refuse(session, (th_view){text, len}, in.from, &to);
        else
            status = eval_file(session, &in, file, &value);
    }
    if (status == THETA_OK && result) *result = value;
    if (status != THETA_OK && err && err->code == THETA_OK)
        (void)th_api_fail(err, (th_status)status, "%s", th_status_text((th_status)status));
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
    piece p = {.from = {session->line, 1}, .text = {text, len}};
    theta_program *program;
    theta_status status = compile_piece(session, &p, false, &to, &program);
    if (status == THETA_OK) {
        const th_program *loaded = program->program;
        int64_t main = th_program_find(loaded, th_view_of("main"));
        if (main >= 0)
            th_type_print(&loaded->types, th_types_result(&loaded->types, loaded->functions[main].type), &printed);
        else
            th_buf_text(&printed, "void");
        status = th_api_text(&printed, type);
        theta_program_release(program);
    }
    th_buf_clear(&printed);
    if (!diagnostics || th_api_text(&rendered, diagnostics) != THETA_OK) th_buf_clear(&rendered);
    return status;
}

typedef struct completion {
    void (*found)(void *, const char *);
    void *user;
    th_buf name;
} completion;

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
