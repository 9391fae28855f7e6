/*
** nix.c - the Nix language of the public interface: compiling, settings of a machine, functions over values, printing.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <unistd.h>

#include "api/dynamic.h"
#include "lang/nix/ast.h"

/* ---- Names of sources --------------------------------------------------------------------------------------- */

/* The name that errors and __curPos give, and the folder that relative paths start from: of "lib/a.nix" both are made absolute;
** "expression" stays as it is, in the working folder. */
typedef struct source_name {
    th_buf file, base;
} source_name;

static void working_folder(th_buf *out) {
    size_t room = 256;
    char *found = NULL;
    while (!found && room <= (size_t)1 << 20 && th_buf_reserve(out, room)) {
        found = getcwd(out->data, room);
        room *= 4;
    }
    if (found)
        out->len = strlen(out->data);
    else
        th_buf_char(out, '/');
}

static bool is_path(const char *name) {
    size_t len = strlen(name);
    return strchr(name, '/') || (len > 4 && strcmp(name + len - 4, ".nix") == 0);
}

static bool source_open(source_name *s, th_mem *mem, const char *name) {
    th_buf whole;
    th_buf_init(&s->file, mem);
    th_buf_init(&s->base, mem);
    th_buf_init(&whole, mem);
    if (name[0] != '/') working_folder(&whole);
    bool path = is_path(name);
    if (path) {
        th_buf_char(&whole, '/');
        th_buf_text(&whole, name);
        nix_canon_path((th_view){whole.data ? whole.data : "", whole.len}, &s->file);
        size_t folder = s->file.len;
        while (folder > 1 && s->file.data[folder - 1] != '/') folder--;
        th_buf_put(&s->base, s->file.data ? s->file.data : "/", folder > 1 ? folder - 1 : 1);
    } else {
        th_buf_text(&s->file, name);
        nix_canon_path((th_view){whole.data ? whole.data : "/", whole.data ? whole.len : 1}, &s->base);
    }
    bool ok = !whole.failed && !s->file.failed && !s->base.failed && s->base.data;
    if (ok && !s->file.data) th_buf_put(&s->file, "", 0);
    ok = ok && th_buf_reserve(&s->file, 1);
    if (ok) s->file.data[s->file.len] = 0;
    th_buf_clear(&whole);
    return ok;
}

static th_view base_of(const source_name *s) { return (th_view){s->base.data, s->base.len}; }

static void source_close(source_name *s) {
    th_buf_clear(&s->file);
    th_buf_clear(&s->base);
}

/* ---- Compiling ---------------------------------------------------------------------------------------------- */

static theta_status first_error(const th_diags *diags, th_status status, theta_error *err) {
    th_error first = {.code = TH_OK};
    if (th_diags_first(diags, &first) == TH_OK) (void)th_fail(&first, status, "%s", th_status_text(status));
    th_api_error(err, &first);
    return (theta_status)status;
}

theta_status th_api_nix_compile(theta_engine *engine, const char *name, const char *text, size_t len,
                                const theta_compile_config *config, theta_program **out, theta_text *diagnostics,
                                theta_error *err) {
    th_arena arena;
    th_diags diags;
    th_buf rendered;
    source_name source;
    uint8_t *bytes = NULL;
    size_t size = 0;
    th_arena_init(&arena, &engine->mem);
    th_diags_init(&diags, &engine->mem);
    th_buf_init(&rendered, &engine->mem);
    th_status status = TH_E_NOMEM;
    if (source_open(&source, &engine->mem, name))
        status = nix_compile(&engine->mem, &arena, source.file.data, text, len, base_of(&source), NULL, engine->engine,
                             &diags, &bytes, &size);
    th_diags_render(&diags, config->color, &rendered);
    theta_status result = (theta_status)status;
    if (status != TH_OK) {
        result = first_error(&diags, status, err);
    } else {
        *out = NULL;
        if (!config->parse_only && !config->check_only) result = th_api_program_of(engine, bytes, size, out, err);
        th_mem_free(&engine->mem, bytes, size);
    }
    if (!diagnostics || th_api_text(&rendered, diagnostics) != THETA_OK) th_buf_clear(&rendered);
    source_close(&source);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return result;
}

/* The tree is printed of what compiles: names that are bound nowhere are errors of the parser to users of the language. */
theta_status theta_nix_parse(theta_engine *engine, const char *name, const char *text, size_t len, theta_text *out,
                             theta_error *err) {
    theta_compile_config config;
    theta_compile_config_init(&config);
    config.parse_only = true;
    theta_program *none = NULL;
    theta_status result = th_api_nix_compile(engine, name, text, len, &config, &none, NULL, err);
    if (result != THETA_OK) return result;
    th_arena arena;
    th_diags diags;
    th_buf printed;
    source_name source;
    nix_expr *root = NULL;
    th_arena_init(&arena, &engine->mem);
    th_diags_init(&diags, &engine->mem);
    th_buf_init(&printed, &engine->mem);
    th_status status = TH_E_NOMEM;
    if (source_open(&source, &engine->mem, name))
        status = nix_parse(&engine->mem, &arena, source.file.data, text, len, &diags, &root);
    if (status == TH_OK) status = nix_print_ast(&engine->mem, root, base_of(&source), &printed);
    result = status == TH_OK ? th_api_text(&printed, out) : first_error(&diags, status, err);
    if (result == THETA_E_NOMEM) (void)th_api_fail(err, TH_E_NOMEM, "out of memory");
    th_buf_clear(&printed);
    source_close(&source);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    return result;
}

/* ---- Settings ----------------------------------------------------------------------------------------------- */

void theta_nix_config_init(theta_nix_config *config) { *config = (theta_nix_config){.size = sizeof *config}; }

static const char *copied(th_arena *arena, const char *text, bool *ok) {
    if (!text) return NULL;
    const char *copy = th_arena_text(arena, text, strlen(text));
    *ok &= copy != NULL;
    return copy;
}

static bool copy_settings(th_api_nix *nix, const theta_nix_config *given) {
    theta_nix_config c;
    theta_nix_config_init(&c);
    if (given) memcpy(&c, given, given->size < sizeof c ? given->size : sizeof c);
    bool ok = true;
    nix_search *search = NULL;
    if (c.nsearch && c.nsearch < SIZE_MAX / sizeof *search)
        search = th_arena_zeroed(&nix->arena, c.nsearch * sizeof *search);
    if (c.nsearch && !search) return false;
    for (size_t i = 0; i < c.nsearch; i++) {
        search[i].prefix = copied(&nix->arena, c.search[i].prefix ? c.search[i].prefix : "", &ok);
        search[i].path = copied(&nix->arena, c.search[i].path ? c.search[i].path : "", &ok);
    }
    nix->settings = (nix_settings){
        .size = sizeof nix->settings,
        .search = search,
        .nsearch = c.nsearch,
        .store_dir = copied(&nix->arena, c.store_dir, &ok),
        .system = copied(&nix->arena, c.system, &ok),
        .home = copied(&nix->arena, c.home, &ok),
        .current_time = c.current_time,
        .restricted = c.restricted,
        .pure = c.pure,
        .user = c.user,
        .message = c.message,
        .get_env = c.get_env,
    };
    return ok;
}

static theta_status attach(theta_machine *m, theta_error *err) {
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_status status = nix_attach(m->machine, &m->nix->settings, &inner);
    m->nix->attached = status == TH_OK;
    if (status != TH_OK) th_api_error(err, &inner);
    return (theta_status)status;
}

theta_status theta_machine_nix(theta_machine *m, const theta_nix_config *config, theta_error *err) {
    th_run_state state = th_machine_state(m->machine);
    if (state == TH_RUN_READY || state == TH_RUN_SUSPENDED)
        return th_api_fail(err, TH_E_BUSY, "%s", th_status_text(TH_E_BUSY));
    th_api_nix *nix = th_mem_zeroed(&m->engine->mem, sizeof *nix);
    if (!nix) return th_api_fail(err, TH_E_NOMEM, "out of memory");
    th_arena_init(&nix->arena, &m->engine->mem);
    if (!copy_settings(nix, config)) {
        th_arena_clear(&nix->arena);
        th_mem_free(&m->engine->mem, nix, sizeof *nix);
        return th_api_fail(err, TH_E_NOMEM, "out of memory");
    }
    th_api_nix_free(m);
    m->nix = nix;
    return attach(m, err);
}

theta_status th_api_nix_ready(theta_machine *m, theta_error *err) {
    if (!m->nix) return theta_machine_nix(m, NULL, err);
    return m->nix->attached ? THETA_OK : attach(m, err);
}

theta_status th_api_nix_add(theta_machine *m, const th_program *program, theta_error *err) {
    for (uint32_t i = 0; i < program->nimports; i++) {
        const char *name = program->imports[i].name->bytes;
        if (strncmp(name, "nix.", 4) == 0 || strncmp(name, "Nix.", 4) == 0) return th_api_nix_ready(m, err);
    }
    return THETA_OK;
}

void th_api_nix_reset(theta_machine *m) {
    if (m->nix) m->nix->attached = false;
}

void th_api_nix_free(theta_machine *m) {
    if (!m->nix) return;
    th_arena_clear(&m->nix->arena);
    th_mem_free(&m->engine->mem, m->nix, sizeof *m->nix);
    m->nix = NULL;
}

/* ---- Loading ------------------------------------------------------------------------------------------------ */

static bool scope_names(theta_machine *m, th_value set, th_arena *arena, nix_scope *out) {
    th_heap *heap = th_machine_heap(m->machine);
    const th_shape *shape = th_record_shape(heap, set);
    th_view *names = th_arena_new(arena, (shape->count + 1) * sizeof *names);
    for (uint32_t i = 0; names && i < shape->count; i++) names[i] = th_symbol_text(heap, shape->keys[i]);
    *out = (nix_scope){names, shape->count};
    return names != NULL;
}

static theta_status load(theta_machine *m, const char *name, const char *text, size_t len, const nix_scope *scope,
                         th_value *out, theta_error *err) {
    source_name source;
    bool named = source_open(&source, &m->engine->mem, name);
    bool loaded = named && nix_load_text(m->machine, source.file.data, text, len, base_of(&source), scope, out);
    source_close(&source);
    return loaded ? THETA_OK : th_api_take_trap(m, TH_E_NOMEM, err);
}

theta_status theta_nix_load(theta_machine *m, const char *name, const char *text, size_t len, const theta_value *scope,
                            theta_value *out, theta_error *err) {
    theta_status status = th_api_nix_ready(m, err);
    if (status != THETA_OK) return status;
    th_value set = TH_V_NULL, v;
    th_arena arena;
    nix_scope names = {0};
    th_arena_init(&arena, &m->engine->mem);
    if (scope) {
        set = th_api_is_dynamic(*scope) ? th_deref(th_api_word(m, *scope)) : TH_V_NULL;
        if (!nix_is_set(set))
            status = th_api_fail(err, TH_E_ARGUMENT, "the scope is no set");
        else if (!th_record_flat(th_machine_heap(m->machine), set, &set) || !scope_names(m, set, &arena, &names))
            status = th_api_fail(err, TH_E_NOMEM, "out of memory");
    }
    if (status == THETA_OK) status = load(m, name, text, len, scope ? &names : NULL, &v, err);
    th_arena_clear(&arena);
    if (status != THETA_OK) return status;
    set = th_shared(set);
    if (scope && !th_new_apply(m->machine, v, &set, 1, &v)) return th_api_take_trap(m, TH_E_NOMEM, err);
    *out = th_api_value_of(v);
    return THETA_OK;
}

/* ---- Functions over values ---------------------------------------------------------------------------------- */

static theta_status start_named(theta_machine *m, const char *builtin, const theta_value *args, size_t nargs,
                                theta_error *err) {
    th_value fn;
    theta_status status = th_api_nix_ready(m, err);
    if (status != THETA_OK) return status;
    if (!nix_builtin_value(m->machine, builtin, &fn)) return th_api_take_trap(m, TH_E_NOT_FOUND, err);
    return th_api_begin(m, th_api_value_of(fn), args, nargs, err);
}

theta_status theta_start_nix(theta_machine *m, theta_nix_function function, const theta_value *args, size_t nargs,
                             theta_error *err) {
    static const struct {
        const char *builtin;
        size_t nargs;
    } known[] = {
        [THETA_NIX_DEEP] = {"Nix.deep_force", 1},
        [THETA_NIX_AUTO_CALL] = {"Nix.auto_call", 2},
        [THETA_NIX_SELECT] = {"Nix.select_path_with", 3},
        [THETA_NIX_IMPORT] = {"nix.import", 1},
        [THETA_NIX_TO_STRING] = {"nix.toString", 1},
        [THETA_NIX_EQUAL] = {"Nix.equal", 2},
        [THETA_NIX_LESS] = {"Nix.less", 2},
        [THETA_NIX_SHOW] = {"Nix.repr", 2},
    };
    if ((size_t)function >= TH_COUNT(known)) return th_api_fail(err, TH_E_ARGUMENT, "there is no such function");
    if (nargs != known[function].nargs)
        return th_api_fail(err, TH_E_ARGUMENT, "the function takes %zu argument%s, not %zu", known[function].nargs,
                           known[function].nargs == 1 ? "" : "s", nargs);
    return start_named(m, known[function].builtin, args, nargs, err);
}

theta_status theta_nix(theta_machine *m, theta_nix_function function, const theta_value *args, size_t nargs,
                       theta_value *out, theta_error *err) {
    theta_status status = theta_start_nix(m, function, args, nargs, err);
    if (status != THETA_OK) return status;
    (void)theta_run(m);
    return theta_result(m, out, err);
}

typedef struct wanted {
    th_heap *heap;
    th_value set;
    bool missing;
} wanted;

static bool look_for(void *user, th_view name, bool optional) {
    wanted *w = user;
    th_symbol symbol = th_symbol_find(w->heap, name);
    if (!optional && (!symbol || th_record_get(w->heap, w->set, symbol) == TH_V_ABSENT)) w->missing = true;
    return !w->missing;
}

bool theta_nix_callable(theta_machine *m, theta_value value, theta_value set) {
    bool ellipsis;
    th_value fn = th_deref(th_api_word(m, value));
    wanted w = {th_machine_heap(m->machine), th_deref(th_api_word(m, set)), false};
    if (!th_api_is_dynamic(value) || !th_api_is_dynamic(set) || !w.heap) return false;
    if (!nix_is_set(w.set) || !nix_is_function(fn)) return false;
    return nix_each_formal(m->machine, fn, look_for, &w, &ellipsis) && !w.missing;
}

/* ---- Text --------------------------------------------------------------------------------------------------- */

theta_status theta_start_text(theta_machine *m, theta_value value, uint32_t flags, theta_error *err) {
    if (!th_api_is_dynamic(value)) return th_api_fail(err, TH_E_TYPE, "the value is not a dynamic one");
    if ((flags & THETA_TEXT_JSON) && (flags & (THETA_TEXT_LAZY | THETA_TEXT_XML)))
        return th_api_fail(err, TH_E_ARGUMENT, "JSON is neither XML nor lazy");
    if (flags & THETA_TEXT_JSON) return start_named(m, "nix.toJSON", &value, 1, err);
    int64_t how = (flags & THETA_TEXT_LAZY ? 0 : NIX_PRINT_STRICT);
    bool xml = flags & THETA_TEXT_XML;
    if (xml && (flags & THETA_TEXT_LOCATIONS)) how |= NIX_PRINT_XML_LOCATIONS;
    theta_value args[2] = {value, theta_int(how)};
    if (flags & THETA_TEXT_PRETTY) args[1] = theta_int(0);
    const char *printer = xml ? "Nix.to_xml" : flags & THETA_TEXT_PRETTY ? "Nix.repr" : "Nix.print";
    return start_named(m, printer, args, 2, err);
}

static theta_status copy_text(theta_machine *m, th_value v, theta_text *out) {
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    th_buf_put(&buf, th_string_bytes(v), th_string_len(v));
    return th_api_text(&buf, out);
}

theta_status th_api_nix_text(theta_machine *m, theta_value value, uint32_t flags, theta_text *out, theta_error *err) {
    th_value v = th_deref(th_api_word(m, value));
    theta_status status = THETA_OK;
    if ((flags & ~(uint32_t)THETA_TEXT_LAZY) == THETA_TEXT_PLAIN && th_is_kind(v, TH_OBJ_STRING)) {
        status = copy_text(m, v, out);
        return status == THETA_OK ? status : th_api_fail(err, (th_status)status, "%s", theta_status_text(status));
    }
    status = theta_start_text(m, value, flags, err);
    if (status != THETA_OK) return status;
    theta_value text;
    (void)theta_run(m);
    status = theta_result(m, &text, err);
    if (status == THETA_E_SUSPENDED) {
        theta_abandon(m);
        return th_api_fail(err, TH_E_SUSPENDED, "printing was suspended, and is dropped: theta_start_text can go on");
    }
    if (status != THETA_OK) return status;
    v = th_deref(text.word);
    status = copy_text(m, v, out);
    return status == THETA_OK ? status : th_api_fail(err, (th_status)status, "%s", theta_status_text(status));
}

/* ---- Names -------------------------------------------------------------------------------------------------- */

void theta_nix_complete(theta_engine *engine, const char *prefix, void (*found)(void *user, const char *name),
                        void *user) {
    static const char *const others[] = {"true", "false", "null", "builtins"};
    size_t len = strlen(prefix);
    for (size_t i = 0; i < th_engine_builtin_count(engine->engine); i++) {
        const char *name = th_engine_builtin(engine->engine, i)->name;
        bool global;
        if (strncmp(name, "nix.", 4) != 0 || strncmp(name + 4, prefix, len) != 0) continue;
        if (nix_builtin_find(engine->engine, th_view_of(name + 4), &global) && global) found(user, name + 4);
    }
    for (size_t i = 0; i < TH_COUNT(others); i++)
        if (strncmp(others[i], prefix, len) == 0) found(user, others[i]);
}
