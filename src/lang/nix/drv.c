/*
** drv.c - Nix: the builtins about derivations and about what goes into the store. Nothing is written to a store: these
** tell which paths things would have.
** SPDX-License-Identifier: Apache-2.0
*/
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "lang/nix/convert.h"

static int shown(th_view text) { return (int)(text.len < 400 ? text.len : 400); }

static th_step placeholder(th_machine *m, th_call *call) {
    th_view name;
    th_buf text;
    th_value v;
    if (!nix_want_plain(m, call->args[0], &name)) return TH_STEP_ERROR;
    th_buf_init(&text, th_machine_mem(m));
    nix_store_placeholder(name, &text);
    return nix_text_of_buf(m, &text, &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

static th_step copy_path(th_machine *m, th_call *call) {
    th_value v;
    if (!th_is_kind(call->args[0], TH_OBJ_STRING)) return nix_expected(m, "a path", call->args[0]);
    return nix_store_copy(m, th_string_view(call->args[0]), &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

/* ---- Texts -------------------------------------------------------------------------------------------------- */

/* The bases a text depends on, which must not be of derivations; sorted, as contexts are. */
static bool plain_references(th_machine *m, th_view name, th_value context, th_view *refs) {
    for (size_t i = 0; context != TH_V_NULL && i < th_array_len(context); i++) {
        refs[i] = th_string_view(th_deref(th_array_items(context)[i]));
        if (refs[i].len && refs[i].data[0] != '!' && refs[i].data[0] != '=') continue;
        (void)th_machine_trap(
            m, TH_E_ARGUMENT,
            "files created by builtins.toFile may not reference derivations, but %.*s references %.*s", shown(name),
            name.data, shown(refs[i]), refs[i].data);
        return false;
    }
    return true;
}

static bool remember_text(th_machine *m, const th_buf *base, const th_view *refs, size_t n) {
    th_arena arena;
    th_arena_init(&arena, th_machine_mem(m));
    const char **texts = th_arena_new(&arena, (n + 1) * sizeof *texts);
    bool good = texts != NULL;
    for (size_t i = 0; good && i < n; i++) good = (texts[i] = th_arena_text(&arena, refs[i].data, refs[i].len)) != NULL;
    if (!good) (void)nix_no_memory(m);
    nix_known known = {.base = base->data, .len = base->len, .refs = texts, .nrefs = n};
    good = good && nix_known_add(m, &known);
    th_arena_clear(&arena);
    return good;
}

static th_step to_file(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_view name, text = th_string_view(call->args[1]);
    th_value context = th_string_context(call->args[1]), own, v;
    size_t n = context == TH_V_NULL ? 0 : th_array_len(context);
    th_error err = {0};
    th_buf base;
    if (!state || !nix_want_plain(m, call->args[0], &name)) return TH_STEP_ERROR;
    NIX_CHARGE(m, text.len / 4 + n + 16);
    th_view *refs = nix_scratch(m, n, sizeof *refs);
    if (!refs) return TH_STEP_ERROR;
    th_buf_init(&base, th_machine_mem(m));
    bool good = plain_references(m, name, context, refs);
    if (good) {
        th_status status =
            nix_store_text(th_view_of(nix_settings_of(state)->store_dir), text, refs, n, name, &base, &err);
        good = status == TH_OK;
        if (!good) (void)nix_work_failed(m, status, &err);
    }
    good = good && remember_text(m, &base, refs, n) && nix_context_of(m, "", (th_view){base.data, base.len}, &own) &&
           nix_store_text_of(m, (th_view){base.data, base.len}, own, &v);
    nix_scratch_free(m, refs, n, sizeof *refs);
    th_buf_clear(&base);
    return good ? nix_done(call, v) : TH_STEP_ERROR;
}

/* ---- Paths of the store ------------------------------------------------------------------------------------- */

/* The base of a path at or below the store's folder. */
static bool in_store(const nix_state *state, th_view path, th_view *base, bool *whole) {
    th_view dir = th_view_of(nix_settings_of(state)->store_dir);
    if (path.len <= dir.len + 1 || memcmp(path.data, dir.data, dir.len) != 0 || path.data[dir.len] != '/') return false;
    th_view rest = {path.data + dir.len + 1, path.len - dir.len - 1};
    const char *slash = memchr(rest.data, '/', rest.len);
    *base = (th_view){rest.data, slash ? (size_t)(slash - rest.data) : rest.len};
    *whole = slash == NULL;
    return nix_store_is_base(*base);
}

static th_step no_such_path(th_machine *m, const char *path) {
    int code = errno;
    if (code == ENOENT) return th_machine_trap(m, TH_E_NOT_FOUND, "path '%.700s' does not exist", path);
    return th_machine_trap(m, TH_E_IO, "getting status of '%.700s': %s", path, strerror(code));
}

static th_step store_path_of(th_machine *m, th_call *call, th_value text) {
    const nix_state *state = nix_state_of(m);
    th_view path = th_string_view(text), base;
    th_value context, v;
    bool whole;
    if (!state) return TH_STEP_ERROR;
    if (nix_settings_of(state)->pure)
        return th_machine_trap(m, TH_E_DENIED, "'builtins.storePath' is not allowed in pure evaluation mode");
    char *real = NULL;
    if (!in_store(state, path, &base, &whole) || !whole) { /* links may lead there */
        real = memchr(path.data, 0, path.len) ? NULL : realpath(path.data, NULL);
        if (!real) return no_such_path(m, path.data);
        path = th_view_of(real);
    }
    bool good = in_store(state, path, &base, &whole);
    if (!good) (void)th_machine_trap(m, TH_E_ARGUMENT, "path '%.*s' is not in the Nix store", shown(path), path.data);
    good = good && nix_may_read(m, path) && nix_context_of(m, "", base, &context) &&
           nix_context_join(m, th_string_context(text), context, &context) && nix_text_with(m, path, context, &v);
    free(real);
    return good ? nix_done(call, v) : TH_STEP_ERROR;
}

static th_step store_path(th_machine *m, th_call *call) {
    if (call->state == 0) return nix_coerce(m, call, call->args[0], NIX_COERCE_PATH, 1);
    return store_path_of(m, call, th_deref(call->callback));
}

/* ---- Files and folders -------------------------------------------------------------------------------------- */

/* path and filterSource. With a filter, what stands below the root is first gone through in the order of an archive, on
** the builtin's stack of values; what the filter lets pass is kept in a list, which the archive then follows. */
enum { P_PATH, P_NAME, P_FILTER, P_KEPT, P_NKEPT, P_ITEM, P_HASH, P_FLAT };
enum { P_START, P_COERCED, P_FILTERED, P_FUNCTION };

typedef struct follow {
    const th_value *kept;
    size_t n, next;
} follow;

static bool is_next(void *user, th_view path) {
    follow *f = user;
    if (f->next == f->n || !th_view_eq(th_string_view(f->kept[f->next]), path)) return false;
    f->next++;
    return true;
}

static bool check_expected(th_machine *m, const th_call *call, const uint8_t *digest) {
    uint8_t expected[64];
    size_t n;
    nix_hash algo = NIX_SHA256;
    if (call->slots[P_HASH] == TH_V_NULL) return true;
    th_view text = th_string_view(call->slots[P_HASH]), path = th_string_view(call->slots[P_PATH]);
    memset(expected, 0, sizeof expected);
    if (text.len && !nix_hash_parse(text, &algo, true, expected, &n)) {
        (void)th_machine_trap(m, TH_E_ARGUMENT, "'%.*s' is not a hash of algorithm sha256", shown(text), text.data);
        return false;
    }
    if (memcmp(expected, digest, 32) == 0) return true;
    (void)th_machine_trap(m, TH_E_ARGUMENT, "store path mismatch in (possibly filtered) path added from '%.*s'",
                          shown(path), path.data);
    return false;
}

static th_step add_tree(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_value kept = call->slots[P_KEPT], context, v;
    follow f = {kept == TH_V_NULL ? NULL : th_array_items(kept), (size_t)call->slots[P_NKEPT], 0};
    nix_tree_filter filter = {is_next, &f};
    nix_work work = nix_work_of(m);
    uint8_t digest[64];
    th_error err = {0};
    th_buf base;
    bool flat = call->slots[P_FLAT];
    th_status status = nix_store_hash_tree(&work, th_string_bytes(call->slots[P_PATH]), !flat,
                                           call->slots[P_FILTER] == TH_V_NULL ? NULL : &filter, digest, &err);
    if (status != TH_OK) return nix_work_failed(m, status, &err);
    if (!check_expected(m, call, digest)) return TH_STEP_ERROR;
    th_buf_init(&base, th_machine_mem(m));
    status = nix_store_fixed(th_view_of(nix_settings_of(state)->store_dir), !flat, NIX_SHA256, digest,
                             th_string_view(call->slots[P_NAME]), &base, &err);
    th_view view = {base.data, base.len};
    bool good = status == TH_OK && nix_context_of(m, "", view, &context) && nix_store_text_of(m, view, context, &v);
    if (status != TH_OK) (void)nix_work_failed(m, status, &err);
    th_buf_clear(&base);
    return good ? nix_done(call, v) : TH_STEP_ERROR;
}

/* Puts what is in a folder on the stack, the first name on top. */
static bool push_folder(th_machine *m, th_call *call, th_view folder) {
    nix_names names;
    nix_work work = nix_work_of(m);
    th_error err = {0};
    th_buf path;
    th_buf_init(&path, th_machine_mem(m));
    th_buf_put(&path, folder.data, folder.len);
    if (path.failed) return (void)nix_no_memory(m), false;
    th_status status = nix_names_read(&work, path.data, &names, &err);
    bool good = status == TH_OK;
    if (!good) (void)nix_work_failed(m, status, &err);
    if (path.data[path.len - 1] != '/') th_buf_char(&path, '/');
    size_t len = path.len;
    for (size_t i = good ? names.n : 0; good && i-- > 0;) {
        th_value v;
        path.len = len;
        th_buf_text(&path, names.names[i]);
        if (path.failed) (void)nix_no_memory(m);
        good = !path.failed && nix_text(m, (th_view){path.data, path.len}, &v) && th_call_push(m, call, v);
    }
    if (status == TH_OK) nix_names_free(work.mem, &names);
    th_buf_clear(&path);
    return good;
}

static bool keep_item(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    size_t n = (size_t)call->slots[P_NKEPT],
           room = call->slots[P_KEPT] == TH_V_NULL ? 0 : th_array_len(call->slots[P_KEPT]);
    if (n == room) {
        th_value *items, grown;
        if (!th_new_array(heap, room ? room * 2 : 16, TH_V_NULL, &items, &grown)) return (void)nix_no_memory(m), false;
        if (n) memcpy(items, th_array_items(call->slots[P_KEPT]), n * sizeof *items);
        call->slots[P_KEPT] = grown;
    }
    th_value kept = call->slots[P_KEPT];
    th_heap_set(heap, th_obj(kept), &th_array_items(kept)[n], th_shared(call->slots[P_ITEM]));
    call->slots[P_NKEPT] = n + 1;
    return true;
}

static th_step filter_next(th_machine *m, th_call *call) {
    if (th_call_depth(m, call) == 0) return add_tree(m, call);
    th_value item = th_call_pop(m, call), args[2] = {item, TH_V_NULL};
    const char *type = nix_file_type(th_string_bytes(item));
    if (!type) return no_such_path(m, th_string_bytes(item));
    NIX_CHARGE(m, 32);
    if (!nix_text(m, th_view_of(type), &args[1])) return TH_STEP_ERROR;
    call->slots[P_ITEM] = item;
    return th_call_apply(m, call, call->slots[P_FILTER], args, 2, P_FILTERED);
}

static th_step filtered(th_machine *m, th_call *call) {
    bool passes;
    if (!nix_want_bool(m, call->callback, &passes)) return TH_STEP_ERROR;
    if (passes) {
        th_view path = th_string_view(call->slots[P_ITEM]);
        const char *type = nix_file_type(path.data);
        if (!keep_item(m, call)) return TH_STEP_ERROR;
        if (type && type[0] == 'd' && !push_folder(m, call, path)) return TH_STEP_ERROR;
    }
    return filter_next(m, call);
}

/* The path is known: links are followed, and the name is taken from it unless one was given. */
static th_step begin_tree(th_machine *m, th_call *call, th_value text) {
    th_view path = th_string_view(text);
    if (!nix_state_of(m) || !nix_may_read(m, path)) return TH_STEP_ERROR;
    if (memchr(path.data, 0, path.len)) return th_machine_trap(m, TH_E_ARGUMENT, "a path must not contain a null byte");
    if (call->slots[P_NAME] == TH_V_NULL) {
        size_t at = path.len;
        while (at > 0 && path.data[at - 1] != '/') at--;
        if (!nix_text(m, (th_view){path.data + at, path.len - at}, &call->slots[P_NAME])) return TH_STEP_ERROR;
    }
    char *real = realpath(path.data, NULL);
    if (!real) return no_such_path(m, path.data);
    bool good = nix_text(m, th_view_of(real), &call->slots[P_PATH]);
    free(real);
    if (!good) return TH_STEP_ERROR;
    path = th_string_view(call->slots[P_PATH]);
    const char *type = nix_file_type(path.data);
    if (call->slots[P_FILTER] == TH_V_NULL || call->slots[P_FLAT] || !type || type[0] != 'd') return add_tree(m, call);
    return push_folder(m, call, path) ? filter_next(m, call) : TH_STEP_ERROR;
}

static void clear_slots(th_call *call) {
    uint64_t *s = call->slots;
    s[P_PATH] = s[P_NAME] = s[P_FILTER] = s[P_KEPT] = s[P_ITEM] = s[P_HASH] = TH_V_NULL;
    s[P_NKEPT] = s[P_FLAT] = 0;
}

/* The path comes first, then the function. */
static th_step filter_source(th_machine *m, th_call *call) {
    th_step step;
    if (call->state == P_FILTERED) return filtered(m, call);
    if (call->state == P_START) {
        clear_slots(call);
        return nix_coerce(m, call, call->args[1], NIX_COERCE_PATH, P_COERCED);
    }
    if (call->state == P_COERCED) call->slots[P_ITEM] = th_deref(call->callback);
    if (!nix_function_ready(m, call, 0, P_FUNCTION, &step)) return step;
    call->slots[P_FILTER] = call->args[0];
    return begin_tree(m, call, call->slots[P_ITEM]);
}

/* One attribute of path's argument, evaluated (but for the path, which is coerced later). */
static bool path_attribute(th_machine *m, th_call *call, th_view name, th_value v, th_value *path) {
    uint64_t *s = call->slots;
    th_view text;
    bool recursive;
    if (th_view_is(name, "path")) {
        *path = v;
    } else if (th_view_is(name, "name")) {
        if (!nix_want_plain(m, v, &text)) return false;
        if (text.len) s[P_NAME] = v;
    } else if (th_view_is(name, "filter")) {
        if (!nix_is_applicable(m, v)) return (void)nix_expected(m, "a function", v), false;
        s[P_FILTER] = v;
    } else if (th_view_is(name, "recursive")) {
        if (!nix_want_bool(m, v, &recursive)) return false;
        s[P_FLAT] = !recursive;
    } else if (th_view_is(name, "sha256")) {
        if (!nix_want_plain(m, v, &text)) return false;
        s[P_HASH] = v;
    } else {
        (void)th_machine_trap(m, TH_E_ARGUMENT, "unsupported argument '%.*s' to 'builtins.path'", shown(name),
                              name.data);
        return false;
    }
    return true;
}

static th_step path(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    if (!heap) return TH_STEP_ERROR;
    if (call->state == P_FILTERED) return filtered(m, call);
    if (call->state == P_COERCED) return begin_tree(m, call, th_deref(call->callback));
    clear_slots(call);
    const th_shape *shape = th_record_shape(heap, call->args[0]);
    th_value source = TH_V_ABSENT;
    NIX_CHARGE(m, shape->count);
    for (uint32_t i = 0; i < shape->count; i++) {
        th_view name = th_symbol_text(heap, shape->keys[i]);
        th_value v = th_record_values(call->args[0])[i];
        if (!th_view_is(name, "path") && !th_evaluated(&v)) return th_call_force(m, call, v, P_START);
        if (!path_attribute(m, call, name, v, &source)) return TH_STEP_ERROR;
    }
    if (source == TH_V_ABSENT)
        return th_machine_trap(m, TH_E_ARGUMENT,
                               "missing required 'path' attribute in the first argument to 'builtins.path'");
    return nix_coerce(m, call, source, NIX_COERCE_PATH, P_COERCED);
}

#define STATEFUL TH_BUILTIN_STATEFUL
#define CATCHES  (TH_BUILTIN_STATEFUL | TH_BUILTIN_CATCHES)

const th_builtin nix_lib_drv[] = {
    {"nix.derivation", "attrs: value -> value",
     "Describes a build: the set of its attributes with drvPath, outPath, type and a set for each output. Paths are "
     "computed when "
     "they are asked for.",
     nix_derivation, STATEFUL, 0, "", "r"},
    {"nix.derivationStrict", "attrs: value -> value",
     "Evaluates a derivation: the set of its drvPath and the path of each output.", nix_derivation_strict, CATCHES, 7,
     "ivvvvvi", "r"},
    {"nix.placeholder", "output: value -> value",
     "A text that stands for the path of an output of the derivation in which it is used.", placeholder, 0, 0, NULL,
     "s"},
    {"nix.toFile", "name: value, s: value -> value", "The path in the store of a file with that name and contents.",
     to_file, 0, 0, NULL, "ss"},
    {"nix.path", "args: value -> value",
     "The path in the store of a file or folder: a set of path and, optionally, name, filter, recursive and sha256.",
     path, STATEFUL | TH_BUILTIN_FS, 8, "vvvvivvi", "r"},
    {"nix.filterSource", "filter: value, path: value -> value",
     "The path in the store of a folder without what the filter refuses; it is called with each path and its type.",
     filter_source, STATEFUL | TH_BUILTIN_FS, 8, "vvvvivvi", ".."},
    {"nix.storePath", "path: value -> value",
     "A path that is in the store already, as something that can be depended on.", store_path, STATEFUL | TH_BUILTIN_FS,
     0, "", "."},
    {"Nix.copy_path", "path: value -> value",
     "The path in the store that a file or folder has when it is copied there.", copy_path, TH_BUILTIN_FS, 0, NULL,
     "v"},
};
const size_t nix_lib_drv_count = TH_COUNT(nix_lib_drv);
