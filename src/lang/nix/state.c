/*
** state.c - the state of the Nix language on a machine: settings, the values of builtins, imported files; registration.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"
#include "machine/builtin_value.h"

typedef struct import_entry {
    char *path; /* owned, of `len` bytes; NULL: free */
    size_t len;
    th_value value;
} import_entry;

struct nix_state {
    th_mem *mem;
    th_machine *machine;
    th_arena arena; /* copies of the settings, values of builtins */
    nix_settings settings;
    th_value *values; /* of each builtin of the engine that is one of Nix, else TH_V_ABSENT */
    size_t nvalues;
    th_value internals[NIX_I_COUNT];
    th_symbol names[NIX_S_COUNT];
    th_value set; /* `builtins`, or TH_V_ABSENT until it is asked for */
    int64_t time; /* builtins.currentTime once it was asked for, else 0 */
    import_entry *imports;
    size_t import_count, import_capacity; /* a power of two, or 0 */
};

static const char *const internal_names[NIX_I_COUNT] = {
    [NIX_I_ADD] = "Nix.add",
    [NIX_I_EQUAL] = "Nix.equal",
    [NIX_I_LESS] = "Nix.less",
    [NIX_I_COERCE] = "Nix.coerce",
    [NIX_I_COERCE_ITEMS] = "Nix.coerce_items",
    [NIX_I_CONCAT_LIST] = "Nix.concat_list",
    [NIX_I_PATH_LIST] = "Nix.path_list",
    [NIX_I_DEEP_FORCE] = "Nix.deep_force",
    [NIX_I_FORCE_ITEMS] = "Nix.force_items",
    [NIX_I_SEQ] = "nix.seq",
    [NIX_I_CONSTANT] = "Nix.constant",
    [NIX_I_ELEM] = "Nix.elem",
    [NIX_I_PRINT] = "Nix.print",
    [NIX_I_REPR] = "Nix.repr",
    [NIX_I_AUTO_CALL] = "Nix.auto_call",
    [NIX_I_SELECT_PATH] = "Nix.select_path",
    [NIX_I_SELECT_PATH_WITH] = "Nix.select_path_with",
    [NIX_I_TO_JSON] = "nix.toJSON",
    [NIX_I_TO_XML] = "Nix.to_xml",
    [NIX_I_IMPORT] = "nix.import",
    [NIX_I_FIND_FILE] = "nix.findFile",
    [NIX_I_COPY_PATH] = "Nix.copy_path",
    [NIX_I_MAP] = "nix.map",
    [NIX_I_GEN_LIST] = "nix.genList",
    [NIX_I_ADD_NUMBERS] = "nix.add",
    [NIX_I_LESS_THAN] = "nix.lessThan",
    [NIX_I_REMOVE_ATTRS] = "nix.removeAttrs",
    [NIX_I_LIST_TO_ATTRS] = "nix.listToAttrs",
    [NIX_I_CAT_ATTRS] = "nix.catAttrs",
    [NIX_I_ZIP_ATTRS] = "nix.zipAttrsWith",
    [NIX_I_CONCAT_LISTS] = "nix.concatLists",
    [NIX_I_CONCAT_STRINGS_SEP] = "nix.concatStringsSep",
    [NIX_I_REPLACE_STRINGS] = "nix.replaceStrings",
    [NIX_I_SUBSTRING] = "nix.substring",
    [NIX_I_STRING_LENGTH] = "nix.stringLength",
    [NIX_I_THROW] = "nix.throw",
    [NIX_I_ABORT] = "nix.abort",
    [NIX_I_UNSAFE_DISCARD] = "nix.unsafeDiscardStringContext",
    [NIX_I_DISCARD_OUTPUT] = "nix.unsafeDiscardOutputDependency",
    [NIX_I_ADD_DRV_OUTPUTS] = "nix.addDrvOutputDependencies",
    [NIX_I_APPEND_CONTEXT] = "nix.appendContext",
    [NIX_I_FUNCTION_ARGS] = "nix.functionArgs",
    [NIX_I_READ_FILE] = "nix.readFile",
    [NIX_I_HASH_FILE] = "nix.hashFile",
    [NIX_I_PATH_EXISTS] = "nix.pathExists",
    [NIX_I_READ_FILE_TYPE] = "nix.readFileType",
    [NIX_I_READ_DIR] = "nix.readDir",
    [NIX_I_BASE_NAME_OF] = "nix.baseNameOf",
    [NIX_I_DIR_OF] = "nix.dirOf",
    [NIX_I_TO_PATH] = "nix.toPath",
    [NIX_I_SCOPED_IMPORT] = "nix.scopedImport",
    [NIX_I_GET_ATTR] = "nix.getAttr",
    [NIX_I_DERIVATION_STRICT] = "nix.derivationStrict",
};

static const char *const interned[NIX_S_COUNT] = {
    [NIX_S_NAME] = "name",
    [NIX_S_VALUE] = "value",
    [NIX_S_KEY] = "key",
    [NIX_S_TYPE] = "type",
    [NIX_S_OUT_PATH] = "outPath",
    [NIX_S_DRV_PATH] = "drvPath",
    [NIX_S_TO_STRING] = "__toString",
    [NIX_S_FUNCTOR] = "__functor",
    [NIX_S_OVERRIDES] = "__overrides",
    [NIX_S_START_SET] = "startSet",
    [NIX_S_OPERATOR] = "operator",
    [NIX_S_PATH] = "path",
    [NIX_S_ALL_OUTPUTS] = "allOutputs",
    [NIX_S_OUTPUTS] = "outputs",
};

/* ---- Tables ------------------------------------------------------------------------------------------------------ */

typedef struct library {
    const th_builtin *items;
    const size_t *count;
} library;

static const library libraries[] = {
    {nix_lib_coerce, &nix_lib_coerce_count},   {nix_lib_compare, &nix_lib_compare_count},
    {nix_lib_ops, &nix_lib_ops_count},         {nix_lib_types, &nix_lib_types_count},
    {nix_lib_list, &nix_lib_list_count},       {nix_lib_set, &nix_lib_set_count},
    {nix_lib_string, &nix_lib_string_count},   {nix_lib_regex, &nix_lib_regex_count},
    {nix_lib_convert, &nix_lib_convert_count}, {nix_lib_file, &nix_lib_file_count},
    {nix_lib_drv, &nix_lib_drv_count},         {nix_lib_error, &nix_lib_error_count},
    {nix_lib_print, &nix_lib_print_count},
};

th_status nix_register(th_engine *engine, th_error *err) {
    for (size_t i = 0; i < TH_COUNT(libraries); i++)
        TH_TRY(th_engine_add(engine, libraries[i].items, *libraries[i].count, NULL, err));
    return TH_OK;
}

static bool is_member(const char *name, th_view wanted) { /* "nix.map" is map */
    return memcmp(name, "nix.", 4) == 0 && strncmp(name + 4, wanted.data, wanted.len) == 0 && name[4 + wanted.len] == 0;
}

static const th_builtin *find_in_tables(th_view name) {
    for (size_t i = 0; i < TH_COUNT(libraries); i++)
        for (size_t k = 0; k < *libraries[i].count; k++)
            if (is_member(libraries[i].items[k].name, name)) return &libraries[i].items[k];
    return NULL;
}

/* Functions of the embedder come behind the library's own. */
static const th_builtin *find_in_engine(const th_engine *engine, th_view name) {
    const library *last = &libraries[TH_COUNT(libraries) - 1];
    for (size_t i = th_engine_builtin_count(engine); i-- > 0;) {
        const th_builtin *b = th_engine_builtin(engine, i);
        if (*last->count && b == &last->items[*last->count - 1]) return NULL;
        if (is_member(b->name, name)) return b;
    }
    return NULL;
}

static bool named_in(th_view name, const char *const *names, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (th_view_is(name, names[i])) return true;
    return false;
}

const th_builtin *nix_builtin_find(const th_engine *engine, th_view name, bool *global) {
    static const char *const globals[] = {
        "map",          "import",      "toString",         "throw",
        "abort",        "removeAttrs", "isNull",           "derivation",
        "baseNameOf",   "dirOf",       "scopedImport",     "fetchGit",
        "fetchTarball", "fetchTree",   "fromTOML",         "fetchMercurial",
        "placeholder",  "break",       "derivationStrict",
    };
    *global = false;
    if (name.len == 0 || memchr(name.data, 0, name.len)) return NULL;
    bool hidden = name.len > 2 && name.data[0] == '_' && name.data[1] == '_';
    if (hidden) name = (th_view){name.data + 2, name.len - 2};
    const th_builtin *found = find_in_tables(name);
    if (found) { /* each is visible by one of the two names */
        bool plain = named_in(name, globals, TH_COUNT(globals));
        *global = hidden != plain;
        return hidden && plain ? NULL : found;
    }
    if (hidden) return NULL;
    return find_in_engine(engine, name);
}

bool nix_constant_known(th_view name, bool *global) {
    static const char *const globals[] = {"true", "false", "null", "builtins"};
    static const char *const others[] = {"nixVersion",    "langVersion", "storeDir",
                                         "currentSystem", "currentTime", "nixPath"};
    bool hidden = name.len > 2 && name.data[0] == '_' && name.data[1] == '_';
    if (hidden) {
        name = (th_view){name.data + 2, name.len - 2};
        return *global = named_in(name, others, TH_COUNT(others));
    }
    *global = named_in(name, globals, TH_COUNT(globals));
    return *global || named_in(name, others, TH_COUNT(others));
}

/* ---- The state --------------------------------------------------------------------------------------------------- */

static void release(void *pointer) {
    nix_state *state = pointer;
    th_mem *mem = state->mem;
    for (size_t i = 0; i < state->import_capacity; i++)
        if (state->imports[i].path) th_mem_free(mem, state->imports[i].path, state->imports[i].len + 1);
    th_mem_free(mem, state->imports, state->import_capacity * sizeof *state->imports);
    th_arena_clear(&state->arena);
    th_mem_free(mem, state, sizeof *state);
}

static void visit_roots(void *pointer, th_heap *heap) {
    nix_state *state = pointer;
    th_heap_visit(heap, &state->set);
    for (size_t i = 0; i < state->import_capacity; i++)
        if (state->imports[i].path) th_heap_visit(heap, &state->imports[i].value);
}

static const th_attachment attachment = {release, visit_roots};

nix_state *nix_state_of(th_machine *m) {
    nix_state *state = th_machine_attached(m, &attachment);
    if (!state) (void)th_machine_trap(m, TH_E_ARGUMENT, "the Nix language is not attached to this machine");
    return state;
}

const nix_settings *nix_settings_of(const nix_state *state) { return &state->settings; }
bool nix_is_internal(th_machine *m, const nix_state *state, th_value fn, nix_internal which) {
    return th_is_kind(fn, TH_OBJ_BUILTIN) &&
           th_builtin_of_value(m, fn) == th_builtin_of_value(m, state->internals[which]);
}
th_value nix_internal_value(const nix_state *state, nix_internal which) { return state->internals[which]; }
th_symbol nix_name_symbol(const nix_state *state, nix_name_id which) { return state->names[which]; }

static bool copy_text(nix_state *state, const char **text) {
    if (*text) *text = th_arena_text(&state->arena, *text, strlen(*text));
    return *text != NULL;
}

static const char *this_system(void) {
#if defined(__x86_64__)
#define NIX_CPU "x86_64"
#elif defined(__aarch64__)
#define NIX_CPU "aarch64"
#elif defined(__riscv)
#define NIX_CPU "riscv64"
#elif defined(__i386__)
#define NIX_CPU "i686"
#else
#define NIX_CPU "unknown"
#endif
#if defined(__APPLE__)
    return NIX_CPU "-darwin";
#elif defined(__FreeBSD__)
    return NIX_CPU "-freebsd";
#else
    return NIX_CPU "-linux";
#endif
}

/* Settings may be shorter than ours: an embedder of an older version. */
static bool copy_settings(nix_state *state, const nix_settings *given) {
    nix_settings *s = &state->settings;
    if (given) memcpy(s, given, given->size && given->size < sizeof *s ? given->size : sizeof *s);
    s->size = sizeof *s;
    if (!s->store_dir) s->store_dir = "/nix/store";
    if (!s->system) s->system = this_system();
    if (!copy_text(state, &s->store_dir) || !copy_text(state, &s->system)) return false;
    if (s->home && !copy_text(state, &s->home)) return false;
    if (s->nsearch == 0) return true;
    nix_search *search = th_arena_copy(&state->arena, s->search, s->nsearch * sizeof *search);
    if (!search) return false;
    for (size_t i = 0; i < s->nsearch; i++) {
        if (!search[i].prefix) search[i].prefix = "";
        if (!search[i].path) search[i].path = "";
        if (!copy_text(state, &search[i].prefix) || !copy_text(state, &search[i].path)) return false;
    }
    s->search = search;
    return true;
}

static bool is_of_nix(const char *name) {
    return (name[0] == 'n' || name[0] == 'N') && name[1] == 'i' && name[2] == 'x' && name[3] == '.';
}

/* Values of builtins are static objects: made once here. */
static bool make_values(nix_state *state) {
    th_engine *engine = th_machine_engine(state->machine);
    size_t n = th_engine_builtin_count(engine);
    state->values = th_arena_new(&state->arena, (n + 1) * sizeof *state->values);
    if (!state->values) return false;
    state->nvalues = n;
    for (size_t i = 0; i < NIX_I_COUNT; i++) state->internals[i] = TH_V_ABSENT;
    for (size_t i = 0; i < n; i++) {
        const char *name = th_engine_builtin(engine, i)->name;
        state->values[i] = TH_V_ABSENT;
        if (!is_of_nix(name)) continue;
        th_status status = th_builtin_value_new(state->machine, i, &state->values[i]);
        if (status == TH_E_ARGUMENT) continue; /* without parameters: no function */
        if (status != TH_OK) return false;
        for (size_t k = 0; k < NIX_I_COUNT; k++)
            if (internal_names[k] && strcmp(name, internal_names[k]) == 0) state->internals[k] = state->values[i];
    }
    return true;
}

static bool make_names(nix_state *state) {
    th_heap *heap = th_machine_heap(state->machine);
    if (!heap) return false;
    for (size_t i = 0; i < NIX_S_COUNT; i++)
        if ((state->names[i] = th_symbol_of(heap, th_view_of(interned[i]))) == 0) return false;
    return true;
}

th_status nix_attach(th_machine *m, const nix_settings *settings, th_error *err) {
    th_mem *mem = th_machine_mem(m);
    nix_state *state = th_mem_zeroed(mem, sizeof *state);
    if (!state) return th_fail(err, TH_E_NOMEM, "out of memory");
    state->mem = mem;
    state->machine = m;
    state->set = TH_V_ABSENT;
    th_arena_init(&state->arena, mem);
    if (!copy_settings(state, settings) || !make_values(state) || !make_names(state)) {
        release(state);
        th_error trap;
        (void)th_machine_take_trap(m, &trap);
        return th_fail(err, TH_E_NOMEM, "out of memory");
    }
    th_status status = th_machine_attach(m, &attachment, state);
    if (status != TH_OK) {
        release(state);
        return th_fail(err, status, "%s", th_status_text(status));
    }
    th_machine_set_words(m, &nix_words, nix_print_short);
    return TH_OK;
}

/* ---- Values of builtins ------------------------------------------------------------------------------------------ */

bool nix_builtin_value(th_machine *m, const char *name, th_value *out) {
    nix_state *state = nix_state_of(m);
    if (!state) return false;
    th_engine *engine = th_machine_engine(m);
    for (size_t i = 0; i < state->nvalues; i++) {
        if (state->values[i] == TH_V_ABSENT || strcmp(th_engine_builtin(engine, i)->name, name) != 0) continue;
        *out = state->values[i];
        return true;
    }
    (void)th_machine_trap(m, TH_E_NOT_FOUND, "there is no builtin '%s'", name);
    return false;
}

bool nix_function_value(th_machine *m, nix_function fn, th_value *out) {
    static const nix_internal of[NIX_FN_COUNT] = {
        [NIX_FN_DEEP_FORCE] = NIX_I_DEEP_FORCE,
        [NIX_FN_PRINT] = NIX_I_PRINT,
        [NIX_FN_TO_JSON] = NIX_I_TO_JSON,
        [NIX_FN_TO_XML] = NIX_I_TO_XML,
        [NIX_FN_COERCE] = NIX_I_COERCE,
        [NIX_FN_EQUAL] = NIX_I_EQUAL,
        [NIX_FN_LESS] = NIX_I_LESS,
        [NIX_FN_AUTO_CALL] = NIX_I_AUTO_CALL,
        [NIX_FN_SELECT_PATH] = NIX_I_SELECT_PATH,
        [NIX_FN_REPR] = NIX_I_REPR,
        [NIX_FN_IMPORT] = NIX_I_IMPORT,
        [NIX_FN_ADD] = NIX_I_ADD,
        [NIX_FN_CONCAT_STRINGS] = NIX_I_CONCAT_LIST,
    };
    nix_state *state = nix_state_of(m);
    if (!state) return false;
    th_value v = (unsigned)fn < NIX_FN_COUNT ? nix_internal_value(state, of[fn]) : TH_V_ABSENT;
    if (v == TH_V_ABSENT) {
        (void)th_machine_trap(m, TH_E_ARGUMENT, "there is no such function of the Nix library");
        return false;
    }
    *out = v;
    return true;
}

/* ---- Constants --------------------------------------------------------------------------------------------------- */

static bool search_path_value(th_machine *m, const nix_state *state, th_value *out) {
    static const char *const names[] = {"path", "prefix"};
    const nix_settings *s = &state->settings;
    size_t n = s->pure ? 0 : s->nsearch;
    th_value *items;
    if (!th_new_array(th_machine_heap(m), n, TH_V_NULL, &items, out)) {
        (void)nix_no_memory(m);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        th_value values[2], entry;
        if (!nix_text(m, th_view_of(s->search[i].path), &values[0])) return false;
        if (!nix_text(m, th_view_of(s->search[i].prefix), &values[1])) return false;
        if (!nix_record(m, names, values, 2, &entry)) return false;
        th_heap_set(th_machine_heap(m), th_obj(*out), &items[i], entry);
    }
    return true;
}

static bool current_time(th_machine *m, nix_state *state, th_value *out) {
    if (state->settings.current_time) state->time = state->settings.current_time;
    if (state->time == 0) {
        if (!th_machine_allows(m, TH_BUILTIN_CLOCK)) {
            (void)th_machine_trap(m, TH_E_DENIED, "'builtins.currentTime' needs the clock, which is not granted");
            return false;
        }
        state->time = th_clock_unix_ns() / 1000000000;
    }
    *out = th_of_int(state->time);
    return true;
}

static bool constant(th_machine *m, nix_state *state, th_view name, th_value *out) {
    const nix_settings *s = &state->settings;
    if (name.len > 2 && name.data[0] == '_') name = (th_view){name.data + 2, name.len - 2}; /* __storeDir */
    bool impure = th_view_is(name, "currentTime") || th_view_is(name, "currentSystem");
    if (impure && s->pure) {
        (void)th_machine_trap(m, TH_E_DENIED, "'builtins.%.*s' is not there in pure evaluation", (int)name.len,
                              name.data);
        return false;
    }
    if (th_view_is(name, "true")) return *out = TH_V_TRUE, true;
    if (th_view_is(name, "false")) return *out = TH_V_FALSE, true;
    if (th_view_is(name, "null")) return *out = TH_V_NULL, true;
    if (th_view_is(name, "langVersion")) return *out = th_of_int(6), true;
    if (th_view_is(name, "nixVersion")) return nix_text(m, th_view_of("2.36.0"), out);
    if (th_view_is(name, "storeDir")) return nix_text(m, th_view_of(s->store_dir), out);
    if (th_view_is(name, "currentSystem")) return nix_text(m, th_view_of(s->system), out);
    if (th_view_is(name, "currentTime")) return current_time(m, state, out);
    if (th_view_is(name, "nixPath")) return search_path_value(m, state, out);
    if (th_view_is(name, "builtins")) return nix_builtins_set(m, out);
    (void)th_machine_trap(m, TH_E_REFERENCE, "there is no constant '%.*s'", (int)name.len, name.data);
    return false;
}

bool nix_constant_value(th_machine *m, th_view name, th_value *out) {
    nix_state *state = nix_state_of(m);
    return state && th_machine_heap(m) && constant(m, state, name, out);
}

/* ---- `builtins` -------------------------------------------------------------------------------------------------- */

typedef struct member {
    th_symbol *keys;
    th_value *values;
    size_t n;
} member;

static bool add_member(th_machine *m, member *set, th_view name, th_value value) {
    if (!nix_symbol(m, name, &set->keys[set->n])) return false;
    set->values[set->n++] = value;
    return true;
}

static bool collect(th_machine *m, nix_state *state, member *set) {
    static const char *const constants[] = {"true",     "false",   "null",          "nixVersion", "langVersion",
                                            "storeDir", "nixPath", "currentSystem", "builtins"};
    th_engine *engine = th_machine_engine(m);
    th_value v;
    for (size_t i = 0; i < state->nvalues; i++) {
        th_view name = th_view_of(th_engine_builtin(engine, i)->name);
        if (name.data[0] != 'n' || state->values[i] == TH_V_ABSENT) continue;
        if (!add_member(m, set, (th_view){name.data + 4, name.len - 4}, state->values[i])) return false;
    }
    for (size_t i = 0; i < TH_COUNT(constants); i++) {
        th_view name = th_view_of(constants[i]);
        if (state->settings.pure && th_view_is(name, "currentSystem")) continue;
        if (th_view_is(name, "builtins"))
            v = TH_V_NULL; /* itself, when it is there */
        else if (!constant(m, state, name, &v))
            return false;
        if (!add_member(m, set, name, v)) return false;
    }
    if (state->settings.pure) return true;
    th_value time;
    if (!nix_text(m, th_view_of("currentTime"), &v) || !nix_later(m, NIX_I_CONSTANT, &v, 1, &time)) return false;
    return add_member(m, set, th_view_of("currentTime"), time);
}

static bool make_set(th_machine *m, nix_state *state, member *set) {
    th_heap *heap = th_machine_heap(m);
    th_symbol own;
    if (!heap || !collect(m, state, set) || !nix_symbol(m, th_view_of("builtins"), &own)) return false;
    if (!th_record_build(heap, set->keys, set->values, NULL, set->n, &state->set)) {
        state->set = TH_V_ABSENT;
        (void)nix_no_memory(m);
        return false;
    }
    state->set = th_shared(state->set);
    int64_t at = th_shape_find(th_record_shape(heap, state->set), own);
    if (at >= 0) th_heap_set(heap, th_obj(state->set), &th_record_values(state->set)[at], state->set);
    return true;
}

bool nix_builtins_set(th_machine *m, th_value *out) {
    nix_state *state = nix_state_of(m);
    if (!state) return false;
    if (state->set == TH_V_ABSENT) {
        size_t most = state->nvalues + 16;
        member set = {nix_scratch(m, most, sizeof(th_symbol)), nix_scratch(m, most, sizeof(th_value)), 0};
        bool made = set.keys && set.values && make_set(m, state, &set);
        nix_scratch_free(m, set.keys, most, sizeof(th_symbol));
        nix_scratch_free(m, set.values, most, sizeof(th_value));
        if (!made) return false;
    }
    *out = state->set;
    return true;
}

/* ---- Imported files ---------------------------------------------------------------------------------------------- */

static import_entry *import_slot(nix_state *state, th_view path) {
    size_t mask = state->import_capacity - 1, i = (size_t)th_hash_bytes(path.data, path.len, 1) & mask;
    while (state->imports[i].path && !th_view_eq((th_view){state->imports[i].path, state->imports[i].len}, path))
        i = (i + 1) & mask;
    return &state->imports[i];
}

bool nix_import_find(nix_state *state, th_view path, th_value *out) {
    if (state->import_capacity == 0) return false;
    const import_entry *entry = import_slot(state, path);
    if (entry->path) *out = entry->value;
    return entry->path != NULL;
}

static bool grow_imports(nix_state *state) {
    size_t old = state->import_capacity, capacity = old ? old * 2 : 64;
    import_entry *from = state->imports, *to = th_mem_zeroed(state->mem, capacity * sizeof *to);
    if (!to) return false;
    state->imports = to;
    state->import_capacity = capacity;
    for (size_t i = 0; i < old; i++)
        if (from[i].path) *import_slot(state, (th_view){from[i].path, from[i].len}) = from[i];
    th_mem_free(state->mem, from, old * sizeof *from);
    return true;
}

bool nix_import_add(th_machine *m, nix_state *state, th_view path, th_value value) {
    if ((state->import_count + 1) * 2 > state->import_capacity && !grow_imports(state)) return nix_no_memory(m), false;
    import_entry *entry = import_slot(state, path);
    if (!entry->path) {
        char *copy = th_mem_new(state->mem, path.len + 1);
        if (!copy) return nix_no_memory(m), false;
        if (path.len) memcpy(copy, path.data, path.len);
        copy[path.len] = 0;
        entry->path = copy;
        entry->len = path.len;
        state->import_count++;
    }
    entry->value = th_shared(value);
    return true;
}
