/*
** sink_file.c - the file that a table is written to: whole or not at all.
** A device or a pipe is written directly; a link stays one. Else it is written beside its place under a name of its own and moved there when it is done. When the run is saved in the middle
** the part written so far stays where it is, and the state has its name and its length: a state that held the bytes
** themselves would copy all of them at every move, and grow beyond what a FlatBuffer holds. So a state can be gone on with
** where the file can be reached, as it can where the table's sources can; what was written behind its length by a run that
** went on in the meantime is cut off again.
** SPDX-License-Identifier: Apache-2.0
*/
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/flow_int.h"

#define TAIL_BYTES 7 /* a point and six letters or digits */

static th_status write_fd(th_sink *to, const void *bytes, size_t len, th_error *err) {
    const th_file_sink *f = to->user;
    int number = th_write_all(f->fd, bytes, len);
    return number ? th_fail(err, TH_E_IO, "cannot write '%s': %s", f->path, strerror(number)) : TH_OK;
}

th_sink th_file_sink_of(th_file_sink *file) { return (th_sink){write_fd, file}; }

void th_file_sink_free(th_file_sink *f) {
    if (!f) return;
    if (f->fd >= 0 && f->fd != STDOUT_FILENO) close(f->fd);
    if (f->temporary && !f->done && !f->kept) (void)unlink(f->temporary);
    if (f->path) th_mem_free(f->mem, f->path, strlen(f->path) + 1);
    if (f->target) th_mem_free(f->mem, f->target, strlen(f->target) + 1);
    if (f->temporary) th_mem_free(f->mem, f->temporary, strlen(f->temporary) + 1);
    th_mem_free(f->mem, f, sizeof *f);
}

static char *joined(th_mem *mem, th_view path, th_view tail) {
    char *text = th_mem_new(mem, path.len + tail.len + 1);
    if (!text) return NULL;
    memcpy(text, path.data, path.len);
    memcpy(text + path.len, tail.data, tail.len);
    text[path.len + tail.len] = 0;
    return text;
}

/* Where the rows go: standard output, a device or pipe as it stands, or a file beside the place. False: no memory. */
static bool place(th_file_sink *f, th_view tail) {
    char resolved[PATH_MAX];
    if (strcmp(f->path, "-") == 0) return true;
    f->fd = -1;
    f->there = stat(f->path, &f->old) == 0;
    f->direct = f->there && !S_ISREG(f->old.st_mode);
    if (f->direct) return true;
    const char *target = f->there && realpath(f->path, resolved) ? resolved : f->path;
    f->target = joined(f->mem, th_view_of(target), (th_view){"", 0});
    f->temporary = joined(f->mem, th_view_of(target), tail);
    return f->target && f->temporary;
}

static int open_direct(th_file_sink *f) {
    f->fd = open(f->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return f->fd < 0 ? errno : 0;
}

/* A new file of the name `temporary`, whose last letters are chosen until nobody has it. 0, or errno. */
static int create_part(th_file_sink *f) {
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    char *end = f->temporary + strlen(f->temporary);
    for (uint64_t attempt = 0; attempt < 100; attempt++) {
        uint64_t bits = th_hash_word((uint64_t)th_clock_monotonic_ns() ^ (uint64_t)getpid() << 40 ^ attempt);
        for (int i = 1; i < TAIL_BYTES; i++, bits /= 36) end[-i] = letters[bits % 36];
        f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (f->fd >= 0 || errno != EEXIST) break;
    }
    if (f->fd < 0) return errno;
    if (f->there) (void)fchmod(f->fd, f->old.st_mode & 07777); /* not allowed? the content counts more */
    return 0;
}

/* Nothing is open yet, and nothing to be removed. */
static th_status new_file(th_mem *mem, const th_str *path, th_view tail, th_file_sink **out, th_error *err) {
    if (memchr(path->bytes, 0, path->len)) return th_fail(err, TH_E_ARGUMENT, "a path with a NUL in it");
    th_file_sink *f = th_mem_zeroed(mem, sizeof *f);
    if (!f) return th_fail(err, TH_E_NOMEM, "out of memory");
    f->mem = mem;
    f->fd = STDOUT_FILENO;
    f->done = true;
    f->path = joined(mem, th_view_str(path), (th_view){"", 0});
    if (f->path && place(f, tail)) {
        *out = f;
        return TH_OK;
    }
    th_file_sink_free(f);
    return th_fail(err, TH_E_NOMEM, "out of memory");
}

th_status th_file_sink_open(th_mem *mem, const th_str *path, th_file_sink **out, th_error *err) {
    th_file_sink *f;
    TH_TRY(new_file(mem, path, th_view_of(".XXXXXX"), &f, err));
    int number = f->temporary ? create_part(f) : f->direct ? open_direct(f) : 0;
    if (number) {
        (void)th_fail(err, TH_E_IO, "cannot write '%s': %s", f->path, strerror(number));
        th_file_sink_free(f);
        return TH_E_IO;
    }
    f->done = false;
    *out = f;
    return TH_OK;
}

static bool is_tail(th_view tail) {
    bool good = tail.len == TAIL_BYTES && tail.data[0] == '.';
    for (size_t i = 1; good && i < TAIL_BYTES; i++) good = isalnum((unsigned char)tail.data[i]) != 0;
    return good;
}

static th_status open_part(th_file_sink *f, uint64_t written, th_error *err) {
    struct stat info;
    f->fd = open(f->temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (f->fd < 0)
        return th_fail(err, TH_E_IO,
                       "the part of '%s' that was written before the run was saved, '%s', cannot be opened: %s",
                       f->path, f->temporary, strerror(errno));
    if (fstat(f->fd, &info) != 0 || !S_ISREG(info.st_mode) || (uint64_t)info.st_size < written)
        return th_fail(err, TH_E_IO, "'%s' is not the part of '%s' that was written before the run was saved",
                       f->temporary, f->path);
    if (ftruncate(f->fd, (off_t)written) != 0 || lseek(f->fd, 0, SEEK_END) < 0)
        return th_fail(err, TH_E_IO, "cannot write '%s': %s", f->temporary, strerror(errno));
    return TH_OK;
}

th_status th_file_sink_reopen(th_mem *mem, const th_str *path, th_view tail, uint64_t written, th_file_sink **out,
                              th_error *err) {
    th_file_sink *f;
    TH_TRY(new_file(mem, path, tail, &f, err));
    th_status status = TH_OK;
    if (f->temporary)
        status = is_tail(tail) ? open_part(f, written, err) : th_malformed(err, "a file has no such name");
    int number = status == TH_OK && f->direct ? open_direct(f) : 0;
    if (number) status = th_fail(err, TH_E_IO, "cannot write '%s': %s", f->path, strerror(number));
    f->kept = true; /* the state that it came from may be gone on with again */
    if (status != TH_OK) {
        th_file_sink_free(f);
        return status;
    }
    f->done = false;
    *out = f;
    return TH_OK;
}

th_view th_file_sink_tail(const th_file_sink *f) {
    return f->temporary ? (th_view){f->temporary + strlen(f->target), TAIL_BYTES} : (th_view){"", 0};
}

th_status th_file_sink_keep(th_file_sink *f, uint64_t *written, th_error *err) {
    *written = 0;
    if (!f->temporary) return TH_OK;
    off_t at = lseek(f->fd, 0, SEEK_CUR);
    if (at < 0) return th_fail(err, TH_E_IO, "cannot tell how much of '%s' is written: %s", f->path, strerror(errno));
    f->kept = true;
    *written = (uint64_t)at;
    return TH_OK;
}

th_status th_file_sink_finish(th_file_sink *f, th_error *err) {
    if (!f->temporary) {
        int number = f->direct && close(f->fd) != 0 ? errno : 0;
        if (f->direct) f->fd = -1;
        return number ? th_fail(err, TH_E_IO, "cannot write '%s': %s", f->path, strerror(number)) : TH_OK;
    }
    bool ok = fsync(f->fd) == 0 || errno == EINVAL;
    ok = close(f->fd) == 0 && ok;
    f->fd = -1;
    if (!ok || rename(f->temporary, f->target) != 0)
        return th_fail(err, TH_E_IO, "cannot write '%s': %s", f->path, strerror(errno));
    f->done = true;
    return TH_OK;
}
