/*
** lang_doc.c - what can be named: completion, and the library's documentation as Markdown.
** The texts come from the builtins' tables and from the comments above the functions of the prelude.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/lang.h"

#include <stdio.h>

#include "lang/theta/check.h"

static const char *const keywords[] = {"break",   "capsule", "catch", "continue", "else", "enum",  "false",
                                       "finally", "for",     "if",    "in",       "link", "match", "null",
                                       "return",  "struct",  "throw", "true",     "try",  "void",  "while"};
static const char *const type_names[] = {"Boolean", "Dict",   "Error", "Function", "List",     "Number",
                                         "String",  "Symbol", "Table", "Tuple",    "Variadic", "i8",
                                         "i16",     "i32",    "i64",   "f32",      "f64"};

/* ---- The prelude -------------------------------------------------------------------------------------------- */

/* Calls `each` with every function of a prelude file. False: no memory. */
static bool prelude_functions(th_mem *mem, const th_std_file *std,
                              void (*each)(void *user, const th_std_file *std, const th_ast *function), void *user) {
    th_arena arena;
    th_diags diags;
    th_arena_init(&arena, mem);
    th_diags_init(&diags, mem);
    th_source source = {std->name, std->text, std->len};
    th_ast *ast = NULL;
    bool ok = th_theta_parse(&arena, &source, &diags, NULL, &ast) == TH_OK;
    for (uint32_t i = 0; ok && i < ast->nkids; i++) {
        const th_ast *capsule = ast->kids[i];
        for (uint32_t k = 0; capsule->kind == TH_AST_CAPSULE && k < capsule->nkids; k++)
            if (capsule->kids[k]->kind == TH_AST_FUNCTION) each(user, std, capsule->kids[k]);
    }
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return ok;
}

/* ---- Completion --------------------------------------------------------------------------------------------- */

typedef struct completion {
    th_view prefix;
    void (*found)(void *user, th_view name);
    void *user;
    th_view last; /* so that overloads are told once */
} completion;

static void offer(completion *c, th_view name) {
    if (name.len < c->prefix.len || (c->prefix.len && memcmp(name.data, c->prefix.data, c->prefix.len) != 0)) return;
    if (th_view_eq(name, c->last)) return;
    c->last = name;
    c->found(c->user, name);
}

static void offer_function(void *user, const th_std_file *std, const th_ast *function) {
    char name[128];
    int len = snprintf(name, sizeof name, "%s.%.*s", std->name, V(function->text));
    if (len > 0 && (size_t)len < sizeof name) offer(user, (th_view){name, (size_t)len});
    ((completion *)user)->last = (th_view){0};
}

static bool dotted(th_view text) { return text.len && memchr(text.data, '.', text.len) != NULL; }

static void offer_capsules(completion *c, const th_engine *engine) {
    size_t n = th_engine_builtin_count(engine);
    th_view before = {0};
    for (size_t i = 0; i < n; i++) { /* a table's builtins stand together by capsule */
        const char *full = th_engine_builtin(engine, i)->name, *dot = strrchr(full, '.');
        if (!dot) continue;
        th_view capsule = {full, (size_t)(dot - full)};
        if (!th_view_eq(capsule, before) && !th_view_is(capsule, "Core") && !th_view_is(capsule, "Flow"))
            offer(c, capsule);
        before = capsule;
    }
}

void th_theta_complete(const th_theta_options *options, th_view prefix, void (*found)(void *user, th_view name),
                       void *user) {
    completion c = {.prefix = prefix, .found = found, .user = user};
    const th_engine *engine = options->engine;
    size_t n = th_engine_builtin_count(engine);
    if (dotted(prefix)) {
        for (size_t i = 0; i < n; i++) offer(&c, th_view_of(th_engine_builtin(engine, i)->name));
        for (size_t i = 0; i < th_theta_std_count; i++)
            if (!prelude_functions(th_engine_mem(options->engine), &th_theta_std[i], offer_function, &c)) return;
        return;
    }
    for (size_t i = 0; i < TH_COUNT(keywords); i++) offer(&c, th_view_of(keywords[i]));
    for (size_t i = 0; i < TH_COUNT(type_names); i++) offer(&c, th_view_of(type_names[i]));
    const char *known;
    for (size_t i = 0; (known = tc_intrinsic_name(i)); i++) offer(&c, th_view_of(known));
    for (size_t i = 0; i < n; i++) {
        const char *full = th_engine_builtin(engine, i)->name;
        if (strncmp(full, "Core.", 5) == 0) offer(&c, th_view_of(full + 5));
    }
    offer_capsules(&c, engine);
}

/* ---- Markdown ----------------------------------------------------------------------------------------------- */

/* "Text.\ne.g. EXPRESSION == RESULT" */
static void write_doc(th_buf *out, th_view doc) {
    static const char mark[] = "e.g. ";
    size_t at = 0;
    bool example = false;
    while (at < doc.len) {
        size_t end = at;
        while (end < doc.len && doc.data[end] != '\n') end++;
        th_view line = {doc.data + at, end - at};
        bool starts = line.len > sizeof mark - 1 && memcmp(line.data, mark, sizeof mark - 1) == 0;
        if (starts)
            th_buf_printf(out, "\n  `%.*s`", (int)(line.len - 5), line.data + 5);
        else
            th_buf_printf(out, "%s%.*s", at && !example ? " " : "", V(line));
        example = starts;
        at = end + 1;
    }
    th_buf_text(out, "\n");
}

static void write_builtin(th_buf *out, const th_builtin *b) {
    const char *arrow = strstr(b->signature, "->");
    while (arrow && strstr(arrow + 2, "->")) arrow = strstr(arrow + 2, "->");
    size_t params = arrow ? (size_t)(arrow - b->signature) : strlen(b->signature);
    while (params > 0 && b->signature[params - 1] == ' ') params--;
    th_buf_printf(out, "- `%s(%.*s)%s%s` - ", b->name, (int)params, b->signature, arrow ? " " : "", arrow ? arrow : "");
    write_doc(out, th_view_of(b->doc ? b->doc : ""));
}

/* The lines of comment right above a function. */
static void write_comment(th_buf *out, const th_std_file *std, const th_ast *function) {
    size_t start = function->from, end;
    while (start > 0 && std->text[start - 1] != '\n') start--;
    end = start;
    for (;;) {
        size_t line = start;
        if (line == 0) break;
        line--;
        while (line > 0 && std->text[line - 1] != '\n') line--;
        size_t text = line;
        while (std->text[text] == ' ') text++;
        if (std->text[text] != '/' || std->text[text + 1] != '/') break;
        start = line;
    }
    th_buf doc;
    th_buf_init(&doc, out->mem);
    while (start < end) {
        while (std->text[start] == ' ' || std->text[start] == '/') start++;
        size_t stop = start;
        while (std->text[stop] != '\n') stop++;
        if (doc.len) th_buf_char(&doc, '\n');
        th_buf_put(&doc, std->text + start, stop - start);
        start = stop + 1;
    }
    if (doc.failed) out->failed = true;
    write_doc(out, (th_view){doc.data, doc.len});
    th_buf_clear(&doc);
}

static void write_slice(th_buf *out, const th_std_file *std, const th_ast *ast) {
    th_buf_put(out, std->text + ast->from, ast->to - ast->from);
}

static void write_function(void *user, const th_std_file *std, const th_ast *function) {
    th_buf *out = user;
    const th_ast *params = function->kids[1];
    th_buf_printf(out, "- `%s.%.*s(", std->name, V(function->text));
    for (uint32_t i = 0; i < params->nkids; i++) {
        const th_ast *p = params->kids[i];
        th_buf_printf(out, "%s%.*s: ", i ? ", " : "", V(p->text));
        write_slice(out, std, p->kids[0]);
    }
    th_buf_text(out, ") -> ");
    write_slice(out, std, function->kids[0]);
    th_buf_text(out, "` - ");
    write_comment(out, std, function);
}

static th_view capsule_of(const th_builtin *b) {
    const char *dot = strrchr(b->name, '.');
    return (th_view){b->name, dot ? (size_t)(dot - b->name) : 0};
}

static bool seen_before(const th_engine *engine, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (th_view_eq(capsule_of(th_engine_builtin(engine, k)), capsule_of(th_engine_builtin(engine, i)))) return true;
    return false;
}

static bool write_prelude(th_buf *out, th_view capsule) {
    for (size_t i = 0; i < th_theta_std_count; i++)
        if (th_view_is(capsule, th_theta_std[i].name) &&
            !prelude_functions(out->mem, &th_theta_std[i], write_function, out))
            return false;
    return true;
}

th_status th_theta_library_markdown(const th_engine *engine, th_buf *out) {
    th_buf_text(
        out, "# The library\n\nMade from the descriptions in the sources. A function is called by its "
             "full name, `List.map(xs, f)`; in a\npipeline, or as a method, the capsule follows from the first value: "
             "`xs => map(f)`, `xs.map(f)`. What `Core` has needs no\ncapsule at all. `T?` may be null.\n");
    size_t n = th_engine_builtin_count(engine);
    for (size_t i = 0; i < n; i++) {
        th_view capsule = capsule_of(th_engine_builtin(engine, i));
        if (seen_before(engine, i) || th_view_is(capsule, "Flow")) continue;
        if (th_engine_signature(engine, i)->result == TH_TYPE_VALUE) continue; /* of another language */
        th_buf_printf(out, "\n## %.*s\n\n", V(capsule));
        for (size_t k = i; k < n; k++)
            if (th_view_eq(capsule_of(th_engine_builtin(engine, k)), capsule))
                write_builtin(out, th_engine_builtin(engine, k));
        if (!write_prelude(out, capsule)) return TH_E_NOMEM;
    }
    for (size_t i = 0; i < th_theta_std_count; i++) {
        bool written = false;
        for (size_t k = 0; k < n; k++)
            written |= th_view_is(capsule_of(th_engine_builtin(engine, k)), th_theta_std[i].name);
        if (written) continue;
        th_buf_printf(out, "\n## %s\n\n", th_theta_std[i].name);
        if (!write_prelude(out, th_view_of(th_theta_std[i].name))) return TH_E_NOMEM;
    }
    return th_buf_status(out);
}
