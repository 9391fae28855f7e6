/*
** files.c - what the compiler reads from outside: linked capsules and the schemas of data files.
** SPDX-License-Identifier: Apache-2.0
*/
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api_int.h"

static th_status io_error(th_error *err, const char *path) {
    return th_fail(err, errno == ENOENT ? TH_E_NOT_FOUND : TH_E_IO, "cannot read '%s': %s", path, strerror(errno));
}

static th_status read_all(int fd, th_buf *buf, const char *path, th_error *err) {
    for (;;) {
        if (!th_buf_reserve(buf, 65536)) return th_fail(err, TH_E_NOMEM, "out of memory");
        ssize_t n = read(fd, buf->data + buf->len, 65536);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return io_error(err, path);
        if (n == 0) return TH_OK;
        buf->len += (size_t)n;
    }
}

th_status th_files_read(th_arena *arena, const char *path, const char **text, size_t *len, th_error *err) {
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return io_error(err, path);
    struct stat info;
    th_status status = TH_OK;
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        errno = EISDIR;
        status = io_error(err, path);
    }
    th_buf buf;
    th_buf_init(&buf, arena->mem);
    if (status == TH_OK) status = read_all(fd, &buf, path, err);
    close(fd);
    if (status == TH_OK) {
        char *copy = th_arena_text(arena, buf.data ? buf.data : "", buf.len);
        if (copy)
            *text = copy, *len = buf.len;
        else
            status = th_fail(err, TH_E_NOMEM, "out of memory");
    }
    th_buf_clear(&buf);
    return status;
}

/* ---- Links -------------------------------------------------------------------------------------------------- */

static bool is_name_byte(char c) {
    return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Whether a text has "capsule NAME". A cheap look: the parser has the last word. */
static bool defines(const char *text, th_view name) {
    for (const char *at = text; (at = strstr(at, "capsule")) != NULL;) {
        at += strlen("capsule");
        const char *p = at;
        while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
        if (p > at && strncmp(p, name.data, name.len) == 0 && !is_name_byte(p[name.len])) return true;
    }
    return false;
}

static bool is_source(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".theta") == 0 || strcmp(dot, ".th") == 0);
}

static bool try_file(th_files *files, const char *path, th_view name, const char **text, size_t *len) {
    return is_source(path) && th_files_read(&files->arena, path, text, len, NULL) == TH_OK && defines(*text, name);
}

static const char *folder_of(th_files *files, const char *file) {
    const char *slash = strrchr(file, '/');
    if (!slash) return ".";
    return th_arena_text(&files->arena, file, slash == file ? 1 : (size_t)(slash - file));
}

/* `A.B.C` may be A/B/C.theta or C.theta (or .th) beside the file that links it. */
static const char *try_by_name(th_files *files, const char *folder, th_view name, const char **text, size_t *len) {
    char *slashes = th_arena_text(&files->arena, name.data, name.len);
    if (!slashes) return NULL;
    for (char *p = slashes; *p; p++)
        if (*p == '.') *p = '/';
    const char *last = strrchr(slashes, '/');
    const char *stems[2] = {slashes, last ? last + 1 : slashes};
    for (size_t i = 0; i < 4; i++) {
        char *path = th_arena_printf(&files->arena, "%s/%s%s", folder, stems[i / 2], i % 2 ? ".th" : ".theta");
        if (path && try_file(files, path, name, text, len)) return path;
    }
    return NULL;
}

#define MAX_FOLDERS 1000

/* Every source below the folder, breadth first, hidden folders left out. */
static const char *try_below(th_files *files, const char *folder, th_view name, const char **text, size_t *len) {
    const char *queue[MAX_FOLDERS] = {folder};
    size_t next = 0, end = 1;
    while (next < end) {
        DIR *dir = opendir(queue[next]);
        const char *here = queue[next++];
        const char *found = NULL;
        for (struct dirent *entry; dir && !found && (entry = readdir(dir)) != NULL;) {
            if (entry->d_name[0] == '.') continue;
            char *path = th_arena_printf(&files->arena, "%s/%s", here, entry->d_name);
            struct stat info;
            if (!path || lstat(path, &info) != 0) continue;
            if (S_ISDIR(info.st_mode) && end < MAX_FOLDERS)
                queue[end++] = path;
            else if (S_ISREG(info.st_mode) && try_file(files, path, name, text, len))
                found = path;
        }
        if (dir) closedir(dir);
        if (found) return found;
    }
    return NULL;
}

th_status th_files_link(void *user, th_view name, const char *from_file, const char **path, const char **text,
                        size_t *len) {
    th_files *files = user;
    const char *folder = folder_of(files, from_file);
    if (!folder) return TH_E_NOMEM;
    const char *found = try_by_name(files, folder, name, text, len);
    if (!found) found = try_below(files, folder, name, text, len);
    if (!found) return TH_E_NOT_FOUND;
    *path = found;
    return TH_OK;
}

/* ---- Schemas ------------------------------------------------------------------------------------------------ */

th_status th_files_schema(void *user, const char *path, const th_csv_options *csv, th_schema **out, th_error *err) {
    th_files *files = user;
    if (strcmp(path, "-") == 0) /* standard input is read once, by the run */
        return th_fail(err, TH_E_UNSUPPORTED, "the columns of standard input are not known before the run");
    th_stream *stream = NULL;
    TH_TRY(csv ? th_csv_open(files->mem, path, csv, &stream, err) : th_ipc_open(files->mem, path, &stream, err));
    *out = th_schema_retain(stream->schema);
    stream->close(stream);
    return TH_OK;
}
