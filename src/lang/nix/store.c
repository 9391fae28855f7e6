/*
** store.c - the store of Nix as an evaluation needs it: which path a text, a file, a folder or an output would have.
** Nothing is written. The pure parts come first; what was made in an evaluation is remembered by its machine.
** SPDX-License-Identifier: Apache-2.0
*/
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lang/nix/convert.h"

/* ---- Names and paths ---------------------------------------------------------------------------------------- */

static bool name_char(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("+-._?=", c));
}

th_status nix_store_check_name(th_view name, th_error *err) {
    int len = (int)(name.len < 300 ? name.len : 300);
    if (name.len == 0) return th_fail(err, TH_E_ARGUMENT, "name must not be empty");
    if (name.len > NIX_STORE_NAME_MAX)
        return th_fail(err, TH_E_ARGUMENT, "name '%.*s' must be no longer than %d characters", len, name.data,
                       NIX_STORE_NAME_MAX);
    for (size_t dots = 1; dots <= 2 && dots <= name.len && name.data[dots - 1] == '.'; dots++) {
        if (name.len == dots) return th_fail(err, TH_E_ARGUMENT, "name '%.*s' is not valid", len, name.data);
        if (name.data[dots] == '-')
            return th_fail(err, TH_E_ARGUMENT,
                           "name '%.*s' is not valid: first dash-separated component must not be '%.*s'", len,
                           name.data, (int)dots, "..");
    }
    for (size_t i = 0; i < name.len; i++)
        if (!name_char(name.data[i]))
            return th_fail(err, TH_E_ARGUMENT, "name '%.*s' contains illegal character '%c'", len, name.data,
                           name.data[i] >= 0x20 && name.data[i] < 0x7f ? name.data[i] : '?');
    return TH_OK;
}

bool nix_store_is_base(th_view base) {
    if (base.len < NIX_STORE_HASH + 2 || base.data[NIX_STORE_HASH] != '-') return false;
    for (size_t i = 0; i < NIX_STORE_HASH; i++)
        if (nix_base32_digit(base.data[i]) < 0) return false;
    return nix_store_check_name((th_view){base.data + NIX_STORE_HASH + 1, base.len - NIX_STORE_HASH - 1}, NULL) ==
           TH_OK;
}

static void put_view(th_buf *out, th_view text) { th_buf_put(out, text.data, text.len); }

static size_t hash_length(nix_hash algo) {
    static const size_t lengths[] = {16, 20, 32, 64};
    return lengths[algo];
}

/* 256 bits folded to 160, as digits of base 32: the first part of a store path. */
static void put_short_hash(const uint8_t digest[32], th_buf *out) {
    uint8_t folded[20] = {0};
    for (size_t i = 0; i < 32; i++) folded[i % 20] ^= digest[i];
    nix_base32(folded, sizeof folded, out);
}

th_status nix_store_make(th_view store_dir, th_view type, nix_hash algo, const uint8_t *hash, th_view name, th_buf *out,
                         th_error *err) {
    TH_TRY(nix_store_check_name(name, err));
    uint8_t digest[TH_CHECKSUM_MAX];
    th_buf text;
    th_buf_init(&text, out->mem);
    put_view(&text, type);
    th_buf_printf(&text, ":%s:", nix_hash_name(algo));
    nix_base16(hash, hash_length(algo), &text);
    th_buf_char(&text, ':');
    put_view(&text, store_dir);
    th_buf_char(&text, ':');
    put_view(&text, name);
    bool failed = text.failed;
    if (!failed) {
        (void)nix_hash_bytes(NIX_SHA256, (th_view){text.data, text.len}, digest);
        put_short_hash(digest, out);
        th_buf_char(out, '-');
        put_view(out, name);
    }
    th_buf_clear(&text);
    return failed || out->failed ? th_fail(err, TH_E_NOMEM, "out of memory") : TH_OK;
}

th_status nix_store_fixed(th_view store_dir, bool nar, nix_hash algo, const uint8_t *hash, th_view name, th_buf *out,
                          th_error *err) {
    if (nar && algo == NIX_SHA256) return nix_store_make(store_dir, th_view_of("source"), algo, hash, name, out, err);
    th_buf text;
    uint8_t digest[TH_CHECKSUM_MAX];
    th_buf_init(&text, out->mem);
    th_buf_printf(&text, "fixed:out:%s%s:", nar ? "r:" : "", nix_hash_name(algo));
    nix_base16(hash, hash_length(algo), &text);
    th_buf_char(&text, ':');
    bool failed = text.failed;
    if (!failed) (void)nix_hash_bytes(NIX_SHA256, (th_view){text.data, text.len}, digest);
    th_buf_clear(&text);
    if (failed) return th_fail(err, TH_E_NOMEM, "out of memory");
    return nix_store_make(store_dir, th_view_of("output:out"), NIX_SHA256, digest, name, out, err);
}

th_status nix_store_text(th_view store_dir, th_view text, const th_view *refs, size_t nrefs, th_view name, th_buf *out,
                         th_error *err) {
    uint8_t digest[TH_CHECKSUM_MAX];
    th_buf type;
    (void)nix_hash_bytes(NIX_SHA256, text, digest);
    th_buf_init(&type, out->mem);
    th_buf_text(&type, "text");
    for (size_t i = 0; i < nrefs; i++) {
        th_buf_char(&type, ':');
        put_view(&type, store_dir);
        th_buf_char(&type, '/');
        put_view(&type, refs[i]);
    }
    th_status status =
        type.failed ? th_fail(err, TH_E_NOMEM, "out of memory")
                    : nix_store_make(store_dir, (th_view){type.data, type.len}, NIX_SHA256, digest, name, out, err);
    th_buf_clear(&type);
    return status;
}

static void put_hash_of(const char *prefix, th_view a, const char *between, th_view b, th_buf *out) {
    uint8_t digest[TH_CHECKSUM_MAX];
    th_hasher h;
    th_hasher_init(&h, TH_SHA256);
    th_hasher_put(&h, prefix, strlen(prefix));
    th_hasher_put(&h, a.data, a.len);
    th_hasher_put(&h, between, strlen(between));
    th_hasher_put(&h, b.data, b.len);
    size_t n = th_hasher_take(&h, digest);
    th_buf_char(out, '/');
    nix_base32(digest, n, out);
}

void nix_store_placeholder(th_view output, th_buf *out) {
    put_hash_of("nix-output:", output, "", (th_view){"", 0}, out);
}

void nix_store_downstream(th_view drv_base, th_view output, th_buf *out) {
    size_t end = drv_base.len >= 4 ? drv_base.len - 4 : 0; /* without ".drv" */
    th_buf clear;
    th_buf_init(&clear, out->mem);
    th_buf_put(&clear, drv_base.data, NIX_STORE_HASH);
    th_buf_char(&clear, ':');
    if (end > NIX_STORE_HASH + 1) th_buf_put(&clear, drv_base.data + NIX_STORE_HASH + 1, end - NIX_STORE_HASH - 1);
    bool other = !th_view_is(output, "out");
    if (clear.failed)
        out->failed = true;
    else
        put_hash_of("nix-upstream-output:", (th_view){clear.data, clear.len}, other ? "-" : "",
                    other ? output : (th_view){"", 0}, out);
    th_buf_clear(&clear);
}

/* ---- Folders ------------------------------------------------------------------------------------------------ */

static th_status io_failed(th_error *err, const char *what, const char *path) {
    int code = errno;
    if (code == ENOENT) return th_fail(err, TH_E_NOT_FOUND, "path '%.700s' does not exist", path);
    return th_fail(err, TH_E_IO, "%s '%.700s': %s", what, path, strerror(code));
}

static th_status no_room(th_error *err) { return th_fail(err, TH_E_NOMEM, "out of memory"); }

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

void nix_names_free(th_mem *mem, nix_names *names) {
    for (size_t i = 0; i < names->n; i++) th_mem_free(mem, names->names[i], strlen(names->names[i]) + 1);
    th_mem_free(mem, names->names, names->capacity * sizeof *names->names);
    *names = (nix_names){0};
}

static th_status add_name(const nix_work *work, nix_names *names, const char *name, th_error *err) {
    size_t len = strlen(name) + 1;
    if (!nix_work_charge(work, 8)) return TH_E_FUEL;
    if (th_mem_grow(work->mem, (void **)&names->names, &names->capacity, names->n + 1, sizeof *names->names) != TH_OK)
        return no_room(err);
    char *copy = th_mem_new(work->mem, len);
    if (!copy) return no_room(err);
    memcpy(copy, name, len);
    names->names[names->n++] = copy;
    return TH_OK;
}

th_status nix_names_read(const nix_work *work, const char *path, nix_names *out, th_error *err) {
    *out = (nix_names){0};
    DIR *dir = opendir(path);
    th_status status = TH_OK;
    if (!dir) return io_failed(err, "cannot read directory", path);
    for (const struct dirent *e; status == TH_OK && (errno = 0, e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) status = add_name(work, out, e->d_name, err);
    if (status == TH_OK && errno) status = io_failed(err, "cannot read directory", path);
    closedir(dir);
    if (status != TH_OK)
        nix_names_free(work->mem, out);
    else if (out->n)
        qsort(out->names, out->n, sizeof *out->names, by_bytes);
    return status;
}

const char *nix_file_type(const char *path) {
    struct stat st;
    if (lstat(path, &st) != 0) return NULL;
    return S_ISREG(st.st_mode)   ? "regular"
           : S_ISDIR(st.st_mode) ? "directory"
           : S_ISLNK(st.st_mode) ? "symlink"
                                 : "unknown";
}

/* ---- Archives ----------------------------------------------------------------------------------------------- */

/* What is written is a sequence of strings, each with its length before it and zeros behind it up to eight bytes;
** nothing is kept, only hashed. */
typedef struct archive_level {
    nix_names names;
    size_t next, path_len; /* of the folder */
} archive_level;

typedef struct archive {
    const nix_work *work;
    const nix_tree_filter *filter;
    th_hasher hasher;
    th_buf path;
    char *block; /* for reading */
    archive_level *levels;
    size_t nlevels, levels_room;
    th_error *err;
} archive;

enum { BLOCK = 64 << 10 };

static void put_length(th_hasher *h, uint64_t n) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(n >> 8 * i);
    th_hasher_put(h, bytes, 8);
}

static void put_padding(th_hasher *h, uint64_t n) { th_hasher_put(h, "\0\0\0\0\0\0\0", (size_t)(-n & 7)); }

static void put_bytes(th_hasher *h, const char *bytes, size_t n) {
    put_length(h, n);
    th_hasher_put(h, bytes, n);
    put_padding(h, n);
}

static void put(th_hasher *h, const char *text) { put_bytes(h, text, strlen(text)); }

/* Hashes exactly `size` bytes of the file. */
static th_status hash_file(archive *a, int fd, uint64_t size) {
    while (size) {
        size_t want = size < BLOCK ? (size_t)size : BLOCK;
        ssize_t n = read(fd, a->block, want);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_failed(a->err, "reading file", a->path.data);
        if (n == 0) return th_fail(a->err, TH_E_IO, "the file '%.700s' became shorter while it was read", a->path.data);
        if (!nix_work_charge(a->work, n / 8 + 1)) return TH_E_FUEL;
        th_hasher_put(&a->hasher, a->block, (size_t)n);
        size -= (uint64_t)n;
    }
    return TH_OK;
}

static th_status open_regular(archive *a, int *fd, struct stat *st) {
    *fd = open(a->path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0) return io_failed(a->err, "opening file", a->path.data);
    if (fstat(*fd, st) == 0 && S_ISREG(st->st_mode)) return TH_OK;
    close(*fd);
    return th_fail(a->err, TH_E_IO, "'%.700s' is not a regular file", a->path.data);
}

static th_status put_regular(archive *a) {
    int fd;
    struct stat st;
    TH_TRY(open_regular(a, &fd, &st));
    put(&a->hasher, "type");
    put(&a->hasher, "regular");
    if (st.st_mode & S_IXUSR) {
        put(&a->hasher, "executable");
        put(&a->hasher, "");
    }
    put(&a->hasher, "contents");
    put_length(&a->hasher, (uint64_t)st.st_size);
    th_status status = hash_file(a, fd, (uint64_t)st.st_size);
    close(fd);
    put_padding(&a->hasher, (uint64_t)st.st_size);
    put(&a->hasher, ")");
    return status;
}

static th_status put_link(archive *a) {
    ssize_t n = readlink(a->path.data, a->block, BLOCK);
    if (n < 0) return io_failed(a->err, "reading symbolic link", a->path.data);
    if (n == BLOCK) return th_fail(a->err, TH_E_IO, "the symbolic link '%.700s' is too long", a->path.data);
    put(&a->hasher, "type");
    put(&a->hasher, "symlink");
    put(&a->hasher, "target");
    put_bytes(&a->hasher, a->block, (size_t)n);
    put(&a->hasher, ")");
    return TH_OK;
}

static th_status open_folder(archive *a) {
    if (th_mem_grow(a->work->mem, (void **)&a->levels, &a->levels_room, a->nlevels + 1, sizeof *a->levels) != TH_OK)
        return no_room(a->err);
    archive_level *level = &a->levels[a->nlevels];
    *level = (archive_level){.path_len = a->path.len};
    TH_TRY(nix_names_read(a->work, a->path.data, &level->names, a->err));
    a->nlevels++;
    put(&a->hasher, "type");
    put(&a->hasher, "directory");
    return TH_OK;
}

/* What stands at a->path; a folder is opened only. */
static th_status put_node(archive *a) {
    const char *type = nix_file_type(a->path.data);
    if (!type) return io_failed(a->err, "getting status of", a->path.data);
    if (!nix_work_charge(a->work, 32)) return TH_E_FUEL;
    put(&a->hasher, "(");
    switch (type[0]) {
    case 'r': return put_regular(a);
    case 's': return put_link(a);
    case 'd': return open_folder(a);
    default: return th_fail(a->err, TH_E_UNSUPPORTED, "file '%.700s' has an unsupported type", a->path.data);
    }
}

/* The next entry of the innermost folder, or its end. */
static th_status folder_step(archive *a) {
    archive_level *level = &a->levels[a->nlevels - 1];
    a->path.len = level->path_len;
    a->path.data[a->path.len] = 0;
    if (level->next == level->names.n) {
        nix_names_free(a->work->mem, &level->names);
        a->nlevels--;
        put(&a->hasher, ")");
        if (a->nlevels) put(&a->hasher, ")"); /* and of the entry that it was */
        return TH_OK;
    }
    const char *name = level->names.names[level->next++];
    if (a->path.data[a->path.len - 1] != '/') th_buf_char(&a->path, '/');
    th_buf_text(&a->path, name);
    if (a->path.failed) return no_room(a->err);
    if (a->filter && !a->filter->keep(a->filter->user, (th_view){a->path.data, a->path.len})) return TH_OK;
    put(&a->hasher, "entry");
    put(&a->hasher, "(");
    put(&a->hasher, "name");
    put(&a->hasher, name);
    put(&a->hasher, "node");
    size_t before = a->nlevels;
    TH_TRY(put_node(a));
    if (a->nlevels == before) put(&a->hasher, ")");
    return TH_OK;
}

static th_status hash_flat(archive *a) {
    int fd;
    struct stat st;
    TH_TRY(open_regular(a, &fd, &st));
    th_status status = hash_file(a, fd, (uint64_t)st.st_size);
    close(fd);
    return status;
}

static th_status hash_archive(archive *a) {
    put(&a->hasher, "nix-archive-1");
    TH_TRY(put_node(a));
    while (a->nlevels) TH_TRY(folder_step(a));
    return TH_OK;
}

th_status nix_store_hash_tree(const nix_work *work, const char *path, bool nar, const nix_tree_filter *filter,
                              uint8_t out[64], th_error *err) {
    archive a = {.work = work, .filter = filter, .err = err};
    th_buf_init(&a.path, work->mem);
    th_buf_text(&a.path, path);
    a.block = th_mem_new(work->mem, BLOCK);
    th_hasher_init(&a.hasher, TH_SHA256);
    th_status status = a.path.failed || !a.block ? no_room(err) : nar ? hash_archive(&a) : hash_flat(&a);
    if (status == TH_OK) (void)th_hasher_take(&a.hasher, out);
    for (size_t i = 0; i < a.nlevels; i++) nix_names_free(work->mem, &a.levels[i].names);
    th_mem_free(work->mem, a.levels, a.levels_room * sizeof *a.levels);
    th_mem_free(work->mem, a.block, a.block ? BLOCK : 0);
    th_buf_clear(&a.path);
    return status;
}

/* ---- What an evaluation made -------------------------------------------------------------------------------- */

typedef struct copied {
    th_view path; /* of the file or folder, canonical */
    th_view base;
} copied;

typedef struct memory {
    th_mem *mem;
    th_arena arena;
    nix_known **known; /* open addressing by base */
    size_t nknown, known_room;
    copied *copies; /* by path */
    size_t ncopies, copies_room;
} memory;

static void forget(void *pointer) {
    memory *all = pointer;
    th_mem *mem = all->mem;
    th_mem_free(mem, all->known, all->known_room * sizeof *all->known);
    th_mem_free(mem, all->copies, all->copies_room * sizeof *all->copies);
    th_arena_clear(&all->arena);
    th_mem_free(mem, all, sizeof *all);
}

static const th_attachment key = {forget, NULL};

static memory *memory_of(th_machine *m) {
    memory *all = th_machine_attached(m, &key);
    if (all) return all;
    th_mem *mem = th_machine_mem(m);
    all = th_mem_zeroed(mem, sizeof *all);
    if (!all) return (void)nix_no_memory(m), NULL;
    all->mem = mem;
    th_arena_init(&all->arena, mem);
    if (th_machine_attach(m, &key, all) == TH_OK) return all;
    forget(all);
    (void)nix_no_memory(m);
    return NULL;
}

static uint64_t hash_view(th_view text) { return th_hash_bytes(text.data, text.len, 3); }

static nix_known **known_slot(const memory *all, th_view base) {
    size_t mask = all->known_room - 1, i = (size_t)hash_view(base) & mask;
    while (all->known[i] && !th_view_eq((th_view){all->known[i]->base, all->known[i]->len}, base)) i = (i + 1) & mask;
    return &all->known[i];
}

static copied *copy_slot(const memory *all, th_view path) {
    size_t mask = all->copies_room - 1, i = (size_t)hash_view(path) & mask;
    while (all->copies[i].path.data && !th_view_eq(all->copies[i].path, path)) i = (i + 1) & mask;
    return &all->copies[i];
}

static bool grow_known(memory *all) {
    size_t old = all->known_room, room = old ? old * 2 : 64;
    nix_known **from = all->known, **to = th_mem_zeroed(all->mem, room * sizeof *to);
    if (!to) return false;
    all->known = to;
    all->known_room = room;
    for (size_t i = 0; i < old; i++)
        if (from[i]) *known_slot(all, (th_view){from[i]->base, from[i]->len}) = from[i];
    th_mem_free(all->mem, from, old * sizeof *from);
    return true;
}

static bool grow_copies(memory *all) {
    size_t old = all->copies_room, room = old ? old * 2 : 64;
    copied *from = all->copies, *to = th_mem_zeroed(all->mem, room * sizeof *to);
    if (!to) return false;
    all->copies = to;
    all->copies_room = room;
    for (size_t i = 0; i < old; i++)
        if (from[i].path.data) *copy_slot(all, from[i].path) = from[i];
    th_mem_free(all->mem, from, old * sizeof *from);
    return true;
}

const nix_known *nix_known_find(th_machine *m, th_view base) {
    const memory *all = th_machine_attached(m, &key);
    return all && all->known_room ? *known_slot(all, base) : NULL;
}

static const char *const *copy_list(th_arena *arena, const char *const *list, size_t n) {
    const char **copy = th_arena_new(arena, (n + 1) * sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        if (!(copy[i] = th_arena_text(arena, list[i], strlen(list[i])))) return NULL;
    return copy;
}

bool nix_known_add(th_machine *m, const nix_known *known) {
    memory *all = memory_of(m);
    th_view base = {known->base, known->len};
    if (!all) return false;
    if (nix_known_find(m, base)) return true;
    nix_known *copy = th_arena_copy(&all->arena, known, sizeof *known);
    bool good = copy && (copy->base = th_arena_text(&all->arena, known->base, known->len)) &&
                (copy->refs = copy_list(&all->arena, known->refs, known->nrefs)) &&
                (copy->outputs = copy_list(&all->arena, known->outputs, known->noutputs)) &&
                ((all->nknown + 1) * 2 <= all->known_room || grow_known(all));
    if (!good) return (void)nix_no_memory(m), false;
    *known_slot(all, base) = copy;
    all->nknown++;
    return true;
}

/* ---- Values of paths ---------------------------------------------------------------------------------------- */

bool nix_store_text_of(th_machine *m, th_view base, th_value context, th_value *out) {
    const nix_state *state = nix_state_of(m);
    th_buf text;
    if (!state) return false;
    th_buf_init(&text, th_machine_mem(m));
    th_buf_text(&text, nix_settings_of(state)->store_dir);
    th_buf_char(&text, '/');
    put_view(&text, base);
    bool good = !text.failed;
    if (!good) (void)nix_no_memory(m);
    good = good && nix_text_with(m, (th_view){text.data, text.len}, context, out);
    th_buf_clear(&text);
    return good;
}

bool nix_context_of(th_machine *m, const char *mark, th_view base, th_value *out) {
    th_buf text;
    th_value element, *items;
    th_buf_init(&text, th_machine_mem(m));
    th_buf_text(&text, mark);
    put_view(&text, base);
    if (!nix_text_of_buf(m, &text, &element)) return false;
    if (th_new_array(th_machine_heap(m), 1, th_shared(element), &items, out)) return true;
    (void)nix_no_memory(m);
    return false;
}

static bool lies_under(th_view path, th_view prefix) {
    while (prefix.len > 1 && prefix.data[prefix.len - 1] == '/') prefix.len--;
    return path.len >= prefix.len && memcmp(path.data, prefix.data, prefix.len) == 0 &&
           (path.len == prefix.len || path.data[prefix.len] == '/' || prefix.len == 1);
}

bool nix_may_read(th_machine *m, th_view path) {
    const nix_state *state = nix_state_of(m);
    if (!state) return false;
    const nix_settings *s = nix_settings_of(state);
    if (!s->restricted && !s->pure) return true;
    for (size_t i = 0; i < s->nsearch; i++)
        if (lies_under(path, th_view_of(s->search[i].path))) return true;
    (void)th_machine_trap(m, TH_E_DENIED, "access to absolute path '%.*s' is forbidden in %s mode",
                          (int)(path.len < 700 ? path.len : 700), path.data,
                          s->pure ? "pure evaluation" : "restricted");
    return false;
}

static th_view last_part(th_view path) {
    size_t at = path.len;
    while (at > 0 && path.data[at - 1] != '/') at--;
    return (th_view){path.data + at, path.len - at};
}

static th_status copy_base(th_machine *m, th_view path, th_buf *out, th_error *err) {
    uint8_t digest[64];
    nix_work work = nix_work_of(m);
    th_view name = last_part(path), dir = th_view_of(nix_settings_of(nix_state_of(m))->store_dir);
    if (name.len >= 4 && memcmp(name.data + name.len - 4, ".drv", 4) == 0)
        return th_fail(err, TH_E_ARGUMENT, "file names are not allowed to end in '.drv'");
    TH_TRY(nix_store_check_name(name, err));
    TH_TRY(nix_store_hash_tree(&work, path.data, true, NULL, digest, err));
    return nix_store_fixed(dir, true, NIX_SHA256, digest, name, out, err);
}

static bool remember_copy(th_machine *m, memory *all, th_view path, th_view base) {
    char *path_copy = th_arena_text(&all->arena, path.data, path.len);
    char *base_copy = th_arena_text(&all->arena, base.data, base.len);
    if (!path_copy || !base_copy || ((all->ncopies + 1) * 2 > all->copies_room && !grow_copies(all)))
        return (void)nix_no_memory(m), false;
    *copy_slot(all, (th_view){path_copy, path.len}) = (copied){{path_copy, path.len}, {base_copy, base.len}};
    all->ncopies++;
    return true;
}

/* `path` is terminated. */
static bool copy_new(th_machine *m, memory *all, th_view path, th_view *base) {
    th_buf out;
    th_error err = {0};
    th_buf_init(&out, th_machine_mem(m));
    th_status status = copy_base(m, path, &out, &err);
    if (status != TH_OK) (void)nix_work_failed(m, status, &err);
    bool good = status == TH_OK && remember_copy(m, all, path, (th_view){out.data, out.len});
    if (good) *base = copy_slot(all, path)->base;
    th_buf_clear(&out);
    return good;
}

bool nix_store_copy(th_machine *m, th_view path, th_value *out) {
    memory *all = memory_of(m);
    th_value context;
    th_buf canon;
    th_view base;
    if (!all || !nix_state_of(m) || !nix_may_read(m, path)) return false;
    if (memchr(path.data, 0, path.len)) {
        (void)th_machine_trap(m, TH_E_ARGUMENT, "a path must not contain a null byte");
        return false;
    }
    th_buf_init(&canon, th_machine_mem(m));
    nix_canon_path(path, &canon);
    bool good = !canon.failed;
    if (!good) (void)nix_no_memory(m);
    th_view name = {canon.data, canon.len};
    copied *before = good && all->copies_room ? copy_slot(all, name) : NULL;
    if (before && before->path.data)
        base = before->base;
    else
        good = good && copy_new(m, all, name, &base);
    th_buf_clear(&canon);
    return good && nix_context_of(m, "", base, &context) && nix_store_text_of(m, base, context, out);
}
