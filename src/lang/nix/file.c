/*
** file.c - paths and files: import, reading, directories, the search path. All of it needs the capability 'fs'; in restricted
** mode only what lies under the search path may be read.
** SPDX-License-Identifier: Apache-2.0
*/
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/nix/builtin.h"

/* ---- Arguments that are paths ----------------------------------------------------------------------------------- */

/* Argument i as the text of an absolute path. False: *step is what the builtin returns (an error, or itself once more after
** the argument was coerced). */
static bool path_argument(th_machine *m, th_call *call, size_t i, nix_internal self, size_t nargs, th_view *out,
                          th_step *step) {
    th_value v = call->args[i];
    if (nix_is_set(v)) {
        *step = nix_after_coerce(m, call, self, nargs, i, NIX_COERCE_PATH);
        return false;
    }
    if (!th_is_kind(v, TH_OBJ_STRING)) {
        *step = nix_expected(m, "a path", v);
        return false;
    }
    *out = th_string_view(v);
    if (memchr(out->data, 0, out->len)) {
        *step = th_machine_trap(m, TH_E_ARGUMENT, "a path must not contain a null byte");
        return false;
    }
    if (out->len > 0 && out->data[0] == '/') return true;
    *step =
        th_machine_trap(m, TH_E_ARGUMENT, "string '%.*s' doesn't represent an absolute path", (int)out->len, out->data);
    return false;
}

static bool lies_under(th_view path, th_view prefix) {
    while (prefix.len > 1 && prefix.data[prefix.len - 1] == '/') prefix.len--;
    return path.len >= prefix.len && memcmp(path.data, prefix.data, prefix.len) == 0 &&
           (path.len == prefix.len || path.data[prefix.len] == '/' || prefix.len == 1);
}

static bool may_read(th_machine *m, const nix_state *state, th_view path) {
    const nix_settings *s = nix_settings_of(state);
    if (!s->restricted && !s->pure) return true;
    for (size_t i = 0; i < s->nsearch; i++)
        if (lies_under(path, th_view_of(s->search[i].path))) return true;
    (void)th_machine_trap(m, TH_E_DENIED, "access to absolute path '%.*s' is forbidden in %s mode", (int)path.len,
                          path.data, s->pure ? "pure evaluation" : "restricted");
    return false;
}

static th_step io_error(th_machine *m, const char *what, const char *path) {
    int code = errno;
    if (code == ENOENT) return th_machine_trap(m, TH_E_NOT_FOUND, "path '%s' does not exist", path);
    return th_machine_trap(m, TH_E_IO, "%s '%s': %s", what, path, strerror(code));
}

/* The path as C sees it, without `.`, `..` and doubled slashes; cleared by the caller. */
static bool canonical(th_machine *m, th_view path, th_buf *out) {
    th_buf_init(out, th_machine_mem(m));
    nix_canon_path(path, out);
    if (!out->failed) return true;
    th_buf_clear(out);
    (void)nix_no_memory(m);
    return false;
}

/* ---- Reading ------------------------------------------------------------------------------------------------------ */

static th_step read_all(th_machine *m, const char *path, th_buf *out) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return io_error(m, "opening file", path);
    struct stat st;
    th_step step = TH_STEP_DONE;
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        return th_machine_trap(m, TH_E_IO, "reading file '%s': Is a directory", path);
    }
    for (;;) {
        if (!th_buf_reserve(out, (size_t)64 << 10)) {
            step = nix_no_memory(m);
            break;
        }
        ssize_t n = read(fd, out->data + out->len, (size_t)64 << 10);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) step = io_error(m, "reading file", path);
        if (n > 0 && !th_machine_charge(m, 1 + n / 8)) step = TH_STEP_ERROR;
        if (n <= 0 || step != TH_STEP_DONE) break;
        out->len += (size_t)n;
    }
    close(fd);
    return step;
}

static th_step read_file(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    if (!state) return TH_STEP_ERROR;
    if (!path_argument(m, call, 0, NIX_I_READ_FILE, 1, &path, &step)) return step;
    if (!may_read(m, state, path)) return TH_STEP_ERROR;
    th_buf name, text;
    if (!canonical(m, path, &name)) return TH_STEP_ERROR;
    th_buf_init(&text, th_machine_mem(m));
    step = read_all(m, name.data, &text);
    if (step == TH_STEP_DONE && text.len && memchr(text.data, 0, text.len))
        step = th_machine_trap(m, TH_E_ARGUMENT, "the contents of the file '%s' cannot be represented as a Nix string",
                               name.data);
    th_value v;
    if (step == TH_STEP_DONE && !nix_text(m, (th_view){text.data ? text.data : "", text.len}, &v)) step = TH_STEP_ERROR;
    th_buf_clear(&name);
    th_buf_clear(&text);
    return step == TH_STEP_DONE ? nix_done(call, v) : step;
}

static th_step hash_file(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    nix_hash hash;
    if (!state) return TH_STEP_ERROR;
    th_view kind = th_string_view(call->args[0]);
    if (!nix_hash_of(kind, &hash))
        return th_machine_trap(m, TH_E_ARGUMENT, "unknown hash algorithm '%.*s'", (int)kind.len, kind.data);
    if (!path_argument(m, call, 1, NIX_I_HASH_FILE, 2, &path, &step)) return step;
    if (!may_read(m, state, path)) return TH_STEP_ERROR;
    th_buf name, text;
    if (!canonical(m, path, &name)) return TH_STEP_ERROR;
    th_buf_init(&text, th_machine_mem(m));
    step = read_all(m, name.data, &text);
    th_value v;
    if (step == TH_STEP_DONE) {
        uint8_t digest[64];
        size_t n = nix_hash_bytes(hash, (th_view){text.data ? text.data : "", text.len}, digest);
        text.len = 0;
        nix_base16(digest, n, &text);
        if (text.failed || !nix_text(m, (th_view){text.data, text.len}, &v)) step = nix_no_memory(m);
    }
    th_buf_clear(&name);
    th_buf_clear(&text);
    return step == TH_STEP_DONE ? nix_done(call, v) : step;
}

/* ---- What there is -------------------------------------------------------------------------------------------------- */

static const char *type_of_mode(mode_t mode) {
    return S_ISREG(mode) ? "regular" : S_ISDIR(mode) ? "directory" : S_ISLNK(mode) ? "symlink" : "unknown";
}

static th_step path_exists(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    struct stat st;
    if (!state) return TH_STEP_ERROR;
    if (!path_argument(m, call, 0, NIX_I_PATH_EXISTS, 1, &path, &step)) return step;
    if (!may_read(m, state, path)) {
        th_error forbidden;
        (void)th_machine_take_trap(m, &forbidden);
        return nix_done_bool(call, false);
    }
    th_buf name;
    if (!canonical(m, path, &name)) return TH_STEP_ERROR;
    bool folder = path.data[path.len - 1] == '/' || (path.len > 1 && memcmp(path.data + path.len - 2, "/.", 2) == 0);
    bool there = folder ? stat(name.data, &st) == 0 && S_ISDIR(st.st_mode) : lstat(name.data, &st) == 0;
    th_buf_clear(&name);
    return nix_done_bool(call, there);
}

static th_step read_file_type(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    struct stat st;
    if (!state) return TH_STEP_ERROR;
    if (!path_argument(m, call, 0, NIX_I_READ_FILE_TYPE, 1, &path, &step)) return step;
    if (!may_read(m, state, path)) return TH_STEP_ERROR;
    th_buf name;
    if (!canonical(m, path, &name)) return TH_STEP_ERROR;
    step = lstat(name.data, &st) == 0 ? nix_done_text(m, call, th_view_of(type_of_mode(st.st_mode)))
                                      : io_error(m, "getting status of", name.data);
    th_buf_clear(&name);
    return step;
}

static const char *type_of_entry(DIR *dir, const struct dirent *entry) {
    switch (entry->d_type) {
    case DT_REG: return "regular";
    case DT_DIR: return "directory";
    case DT_LNK: return "symlink";
    case DT_UNKNOWN: break;
    default: return "unknown";
    }
    struct stat st;
    int fd = dirfd(dir);
    bool known = fd >= 0 && fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    return known ? type_of_mode(st.st_mode) : "unknown";
}

typedef struct listing {
    th_symbol *names;
    th_value *types;
    size_t n, names_capacity, types_capacity;
} listing;

static th_step list_folder(th_machine *m, DIR *dir, listing *l) {
    th_mem *mem = th_machine_mem(m);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        NIX_CHARGE(m, 8);
        if (th_mem_grow(mem, (void **)&l->names, &l->names_capacity, l->n + 1, sizeof *l->names) != TH_OK ||
            th_mem_grow(mem, (void **)&l->types, &l->types_capacity, l->n + 1, sizeof *l->types) != TH_OK)
            return nix_no_memory(m);
        if (!nix_symbol(m, th_view_of(entry->d_name), &l->names[l->n]) ||
            !nix_text(m, th_view_of(type_of_entry(dir, entry)), &l->types[l->n]))
            return TH_STEP_ERROR;
        l->n++;
    }
    return TH_STEP_DONE;
}

static th_step read_dir(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    if (!state) return TH_STEP_ERROR;
    if (!path_argument(m, call, 0, NIX_I_READ_DIR, 1, &path, &step)) return step;
    if (!may_read(m, state, path)) return TH_STEP_ERROR;
    th_buf name;
    if (!canonical(m, path, &name)) return TH_STEP_ERROR;
    DIR *dir = opendir(name.data);
    listing l = {0};
    th_value v;
    step = dir ? list_folder(m, dir, &l) : io_error(m, "cannot read directory", name.data);
    if (dir) closedir(dir);
    if (step == TH_STEP_DONE && !th_record_build(th_machine_heap(m), l.names, l.types, NULL, l.n, &v))
        step = nix_no_memory(m);
    th_mem_free(th_machine_mem(m), l.names, l.names_capacity * sizeof *l.names);
    th_mem_free(th_machine_mem(m), l.types, l.types_capacity * sizeof *l.types);
    th_buf_clear(&name);
    return step == TH_STEP_DONE ? nix_done(call, v) : step;
}

/* ---- Paths as texts -------------------------------------------------------------------------------------------------- */

/* One slash at the end does not count. */
static th_view base_name(th_view path) {
    if (path.len > 1 && path.data[path.len - 1] == '/') path.len--;
    size_t at = path.len;
    while (at > 0 && path.data[at - 1] != '/') at--;

    return (th_view){path.data + at, path.len - at};
}

static th_step base_name_of(th_machine *m, th_call *call) {
    th_value v = call->args[0];
    if (!th_is_kind(v, TH_OBJ_STRING)) return nix_after_coerce(m, call, NIX_I_BASE_NAME_OF, 1, 0, 0);
    th_value out;
    if (!nix_text_like(m, base_name(th_string_view(v)), v, &out)) return TH_STEP_ERROR;
    return nix_done(call, out);
}

static th_step dir_of(th_machine *m, th_call *call) {
    th_value v = call->args[0], out;
    if (!th_is_kind(v, TH_OBJ_STRING)) return nix_after_coerce(m, call, NIX_I_DIR_OF, 1, 0, 0);
    th_view path = th_string_view(v);
    size_t slash = path.len;
    while (slash > 0 && path.data[slash - 1] != '/') slash--;
    th_view dir = slash == 0 ? th_view_of(".") : slash == 1 ? th_view_of("/") : (th_view){path.data, slash - 1};
    bool ok = nix_is_path(v) ? nix_path(m, dir, &out) : nix_text_like(m, dir, v, &out);
    return ok ? nix_done(call, out) : TH_STEP_ERROR;
}

static th_step to_path(th_machine *m, th_call *call) {
    th_view path;
    th_step step;
    if (!path_argument(m, call, 0, NIX_I_TO_PATH, 1, &path, &step)) return step;
    th_buf name;
    th_value out;
    if (!canonical(m, path, &name)) return TH_STEP_ERROR;
    bool ok = nix_text_like(m, (th_view){name.data, name.len}, call->args[0], &out);
    th_buf_clear(&name);
    return ok ? nix_done(call, out) : TH_STEP_ERROR;
}

/* ~/x, by the settings. */
static th_step home(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    if (!state) return TH_STEP_ERROR;
    th_view text = th_string_view(call->args[0]);
    const char *folder = nix_settings_of(state)->home;
    if (!folder)
        return th_machine_trap(m, TH_E_DENIED, "the path '%.*s' can not be resolved: there is no home directory here",
                               (int)text.len, text.data);
    th_buf joined, name;
    th_buf_init(&joined, th_machine_mem(m));
    th_buf_text(&joined, folder);
    th_buf_put(&joined, text.data + 1, text.len - 1);
    bool ok = !joined.failed && canonical(m, (th_view){joined.data, joined.len}, &name);
    th_buf_clear(&joined);
    th_value v;
    if (!ok) return nix_no_memory(m);
    ok = nix_path(m, (th_view){name.data, name.len}, &v);
    th_buf_clear(&name);
    return ok ? nix_done(call, v) : TH_STEP_ERROR;
}

static th_step get_env(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    if (!state) return TH_STEP_ERROR;
    const nix_settings *s = nix_settings_of(state);
    if (s->pure || s->restricted || !s->get_env) return nix_done_text(m, call, th_view_of(""));
    char name[256];
    th_view text = th_string_view(call->args[0]);
    if (text.len >= sizeof name) return nix_done_text(m, call, th_view_of(""));
    memcpy(name, text.data, text.len);
    name[text.len] = 0;
    const char *value = s->get_env(s->user, name);
    return nix_done_text(m, call, th_view_of(value ? value : ""));
}

/* ---- The search path ------------------------------------------------------------------------------------------------- */

/* What is left of `wanted` below an entry's prefix; false: the entry is for other names. */
static bool below_prefix(th_view wanted, th_view prefix, th_view *rest) {
    if (prefix.len == 0) return *rest = wanted, true;
    if (wanted.len < prefix.len || memcmp(wanted.data, prefix.data, prefix.len) != 0) return false;
    if (wanted.len > prefix.len && wanted.data[prefix.len] != '/') return false;
    size_t from = wanted.len > prefix.len ? prefix.len + 1 : prefix.len;
    *rest = (th_view){wanted.data + from, wanted.len - from};
    return true;
}

static th_step try_entry(th_machine *m, th_view root, th_view rest, bool *found, th_value *out) {
    th_buf joined, name;
    th_buf_init(&joined, th_machine_mem(m));
    th_buf_put(&joined, root.data, root.len);
    if (rest.len) th_buf_char(&joined, '/');
    th_buf_put(&joined, rest.data, rest.len);
    bool ok = !joined.failed && canonical(m, (th_view){joined.data, joined.len}, &name);
    th_buf_clear(&joined);
    if (!ok) return nix_no_memory(m);
    struct stat st;
    *found = stat(name.data, &st) == 0;
    ok = !*found || nix_path(m, (th_view){name.data, name.len}, out);
    th_buf_clear(&name);
    return ok ? TH_STEP_DONE : TH_STEP_ERROR;
}

static th_step not_found(th_machine *m, th_view wanted) {
    return th_machine_trap(m, TH_E_THROW,
                           "file '%.*s' was not found in the Nix search path (add it using $NIX_PATH or -I)",
                           (int)wanted.len, wanted.data);
}

static th_step search_path(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    if (!state) return TH_STEP_ERROR;
    const nix_settings *s = nix_settings_of(state);
    th_view wanted = th_string_view(call->args[0]), rest;
    if (s->pure)
        return th_machine_trap(m, TH_E_DENIED, "cannot look up '<%.*s>' in pure evaluation mode", (int)wanted.len,
                               wanted.data);
    for (size_t i = 0; i < s->nsearch; i++) {
        bool found;
        th_value v;
        if (!below_prefix(wanted, th_view_of(s->search[i].prefix), &rest)) continue;
        if (try_entry(m, th_view_of(s->search[i].path), rest, &found, &v) != TH_STEP_DONE) return TH_STEP_ERROR;
        if (found) return nix_done(call, v);
    }
    return not_found(m, wanted);
}

/* findFile list name: entries are sets with prefix and path, evaluated one after the other. Slots: the entry's number, the
** prefix that is known. */
enum { FIND_START, FIND_ENTRY, FIND_PREFIX, FIND_COERCED };

static th_step find_file(th_machine *m, th_call *call) {
    th_value list = call->args[0];
    th_view wanted = th_string_view(call->args[1]), rest;
    size_t n = th_array_len(list), i = call->state == FIND_START ? 0 : (size_t)th_int(call->slots[0]);
    th_value v = call->state == FIND_START ? TH_V_ABSENT : call->callback;
    uint32_t state = call->state == FIND_START ? FIND_ENTRY : call->state;
    if (call->state == FIND_START) {
        if (n == 0) return not_found(m, wanted);
        call->slots[0] = th_of_int(0);
        v = th_array_items(list)[0];
        return th_call_force(m, call, v, FIND_ENTRY);
    }
    if (state == FIND_ENTRY) {
        if (!nix_is_set(v)) return nix_expected(m, "a set", v);
        call->slots[1] = v;
        th_value prefix = nix_get(m, v, "prefix");
        if (prefix == TH_V_ABSENT && !nix_text(m, th_view_of(""), &prefix)) return TH_STEP_ERROR;
        return th_call_force(m, call, prefix, FIND_PREFIX);
    }
    if (state == FIND_PREFIX) {
        th_view prefix;
        if (!nix_want_text(m, v, &prefix)) return TH_STEP_ERROR;
        if (below_prefix(wanted, prefix, &rest)) {
            call->slots[2] = v;
            th_value path = nix_get(m, call->slots[1], "path");
            if (path == TH_V_ABSENT) return nix_missing(m, call->slots[1], th_view_of("path"));
            return nix_coerce(m, call, path, NIX_COERCE_PATH, FIND_COERCED);
        }
    } else if (state == FIND_COERCED) {
        bool found;
        th_value out;
        (void)below_prefix(wanted, th_string_view(call->slots[2]), &rest);
        if (try_entry(m, th_string_view(v), rest, &found, &out) != TH_STEP_DONE) return TH_STEP_ERROR;
        if (found) return nix_done(call, out);
    }
    if (++i == n) return not_found(m, wanted);
    NIX_CHARGE(m, 8);
    call->slots[0] = th_of_int((int64_t)i);
    return th_call_force(m, call, th_array_items(list)[i], FIND_ENTRY);
}

/* ---- import ---------------------------------------------------------------------------------------------------------- */

static th_view folder_of(th_view file) {
    size_t slash = file.len;
    while (slash > 1 && file.data[slash - 1] != '/') slash--;
    return (th_view){file.data, slash > 1 ? slash - 1 : 1};
}

#define LINKS_MAX 64

/* What a link at the path says: relative to its folder, so that `..` in it means what it does for the file system. */
static th_step follow(th_machine *m, th_buf *path, bool *link) {
    char target[4096];
    struct stat st;
    *link = false;
    if (lstat(path->data, &st) != 0) return io_error(m, "getting status of", path->data);
    if (!S_ISLNK(st.st_mode)) return TH_STEP_DONE;
    ssize_t n = readlink(path->data, target, sizeof target);
    if (n < 0) return io_error(m, "reading symbolic link", path->data);
    *link = true;
    th_buf joined, name;
    th_buf_init(&joined, th_machine_mem(m));
    if (target[0] != '/') {
        th_view folder = folder_of((th_view){path->data, path->len});
        th_buf_put(&joined, folder.data, folder.len);
        th_buf_char(&joined, '/');
    }
    th_buf_put(&joined, target, (size_t)n);
    bool ok = !joined.failed && canonical(m, (th_view){joined.data, joined.len}, &name);
    th_buf_clear(&joined);
    if (!ok) return nix_no_memory(m);
    th_buf_clear(path);
    *path = name;
    return TH_STEP_DONE;
}

/* The file that a path means: a link is followed (those of its folders are left: what the file imports is found from where
** it was asked for), and of a folder it is default.nix. */
static th_step resolve_file(th_machine *m, th_view path, th_buf *out) {
    if (!canonical(m, path, out)) return TH_STEP_ERROR;
    th_step step = TH_STEP_DONE;
    bool link = true;
    for (int i = 0; link && i <= LINKS_MAX && step == TH_STEP_DONE; i++) {
        step = follow(m, out, &link);
        if (i == LINKS_MAX && link)
            step = th_machine_trap(m, TH_E_IO, "too many symbolic links encountered while traversing the path '%s'",
                                   out->data);
    }
    struct stat st;
    if (step == TH_STEP_DONE && stat(out->data, &st) == 0 && S_ISDIR(st.st_mode)) th_buf_text(out, "/default.nix");
    if (step == TH_STEP_DONE && out->failed) step = nix_no_memory(m);
    if (step != TH_STEP_DONE) th_buf_clear(out);
    return step;
}

/* A thunk of the file's value, or a function of the record of a scope. */
static th_step load(th_machine *m, const char *file, const nix_scope *scope, th_value *out) {
    th_buf text;
    th_buf_init(&text, th_machine_mem(m));
    th_step step = read_all(m, file, &text);
    if (step == TH_STEP_DONE &&
        !nix_load_text(m, file, text.data ? text.data : "", text.len, folder_of(th_view_of(file)), scope, out))
        step = TH_STEP_ERROR;
    th_buf_clear(&text);
    return step;
}

static th_step import(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    if (!state) return TH_STEP_ERROR;
    if (!path_argument(m, call, 0, NIX_I_IMPORT, 1, &path, &step)) return step;
    if (!may_read(m, state, path)) return TH_STEP_ERROR;
    th_value v;
    if (nix_import_find(state, path, &v)) return nix_done(call, v);
    th_buf file;
    step = resolve_file(m, path, &file);
    if (step != TH_STEP_DONE) return step;
    th_view real = {file.data, file.len};
    if (!nix_import_find(state, real, &v)) {
        step = load(m, file.data, NULL, &v);
        if (step == TH_STEP_DONE && !nix_import_add(m, state, real, v)) step = TH_STEP_ERROR;
    }
    if (step == TH_STEP_DONE && !th_view_eq(path, real) && !nix_import_add(m, state, path, v)) step = TH_STEP_ERROR;
    th_buf_clear(&file);
    return step == TH_STEP_DONE ? nix_done(call, v) : step;
}

static th_step scoped_import(th_machine *m, th_call *call) {
    nix_state *state = nix_state_of(m);
    th_view path;
    th_step step;
    if (!state) return TH_STEP_ERROR;
    if (!path_argument(m, call, 1, NIX_I_SCOPED_IMPORT, 2, &path, &step)) return step;
    if (!may_read(m, state, path)) return TH_STEP_ERROR;
    const th_shape *shape = th_record_shape(th_machine_heap(m), call->args[0]);
    th_buf file;
    step = resolve_file(m, path, &file);
    if (step != TH_STEP_DONE) return step;
    th_view *names = nix_scratch(m, shape->count, sizeof *names);
    step = names ? TH_STEP_DONE : TH_STEP_ERROR;
    for (uint32_t i = 0; names && i < shape->count; i++) names[i] = th_symbol_text(th_machine_heap(m), shape->keys[i]);
    nix_scope scope = {names, shape->count};
    th_value fn, v;
    if (names) step = load(m, file.data, &scope, &fn);
    if (step == TH_STEP_DONE && !th_new_apply(m, fn, &call->args[0], 1, &v)) step = TH_STEP_ERROR;
    if (names) nix_scratch_free(m, names, shape->count, sizeof *names);
    th_buf_clear(&file);
    return step == TH_STEP_DONE ? nix_done(call, v) : step;
}

/* ---- What is refused -------------------------------------------------------------------------------------------------- */

static th_step refuse(th_machine *m, th_call *call) {
    (void)call;
    return th_machine_trap(m, TH_E_DENIED,
                           "fetching is not allowed here: sources are not downloaded during evaluation");
}

#define FETCHER(name_)                                                                                                 \
    {.name = "nix." name_,                                                                                             \
     .signature = "source: value -> value",                                                                            \
     .doc = "Would fetch a source; refused, since evaluation has no access to the network.",                           \
     .fn = refuse,                                                                                                     \
     .slots = "",                                                                                                      \
     .strict = "."}

const th_builtin nix_lib_file[] = {
    {.name = "nix.import",
     .signature = "path: value -> value",
     .doc = "The value of the expression in a file, or in default.nix of a folder. A file is read once.",
     .fn = import,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "v"},
    {.name = "nix.scopedImport",
     .signature = "scope: value, path: value -> value",
     .doc = "As import, with the fields of a set in scope before all else. Nothing is remembered.",
     .fn = scoped_import,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "rv"},
    {.name = "nix.readFile",
     .signature = "path: value -> value",
     .doc = "The contents of a file as a string.",
     .fn = read_file,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "v"},
    {.name = "nix.hashFile",
     .signature = "kind: value, path: value -> value",
     .doc = "The hash of a file's contents in base 16; kind is md5, sha1, sha256 or sha512.",
     .fn = hash_file,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "sv"},
    {.name = "nix.readDir",
     .signature = "path: value -> value",
     .doc = "The entries of a folder: a set from names to \"regular\", \"directory\", \"symlink\" or \"unknown\".",
     .fn = read_dir,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "v"},
    {.name = "nix.readFileType",
     .signature = "path: value -> value",
     .doc = "What stands at a path: \"regular\", \"directory\", \"symlink\" or \"unknown\".",
     .fn = read_file_type,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "v"},
    {.name = "nix.pathExists",
     .signature = "path: value -> value",
     .doc = "Whether something stands at a path.",
     .fn = path_exists,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "v"},
    {.name = "nix.baseNameOf",
     .signature = "path: value -> value",
     .doc = "The last component of a path.",
     .fn = base_name_of,
     .slots = "",
     .strict = "v"},
    {.name = "nix.dirOf",
     .signature = "path: value -> value",
     .doc = "A path without its last component: a path of a path, a string of a string.",
     .fn = dir_of,
     .slots = "",
     .strict = "v"},
    {.name = "nix.toPath",
     .signature = "path: value -> value",
     .doc = "An absolute path as a string, made canonical.",
     .fn = to_path,
     .slots = "",
     .strict = "v"},
    {.name = "nix.getEnv",
     .signature = "name: value -> value",
     .doc = "The value of an environment variable, \"\" when it is not set or may not be seen.",
     .fn = get_env,
     .slots = "",
     .strict = "s"},
    {.name = "nix.findFile",
     .signature = "entries: value, name: value -> value",
     .doc = "Looks for a file below a list of sets with prefix and path, as <name> does in builtins.nixPath.",
     .fn = find_file,
     .flags = TH_BUILTIN_FS | TH_BUILTIN_STATEFUL,
     .nslots = 3,
     .slots = "vvv",
     .strict = "ls"},
    {.name = "Nix.search_path",
     .signature = "name: value -> value",
     .doc = "<name>.",
     .fn = search_path,
     .flags = TH_BUILTIN_FS,
     .slots = "",
     .strict = "s"},
    {.name = "Nix.home", .signature = "text: value -> value", .doc = "~/text.", .fn = home, .slots = "", .strict = "s"},
    FETCHER("fetchurl"),
    FETCHER("fetchTarball"),
    FETCHER("fetchGit"),
    FETCHER("fetchMercurial"),
    FETCHER("fetchTree"),
    FETCHER("fetchClosure"),
    FETCHER("getFlake"),
};
const size_t nix_lib_file_count = TH_COUNT(nix_lib_file);
