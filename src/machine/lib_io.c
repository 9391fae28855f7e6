/*
** lib_io.c - IO: output, standard input, files, arguments. Everything but the output and the arguments needs the capability
** `fs`. Waiting for input looks at the limits and at cancellation all the while. Files are replaced as a whole: another
** program sees the old text or the new one.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 65536, WAIT_MS = 20 };

/* ---- Failures ----------------------------------------------------------------------------------------------- */

static th_step failed(th_machine *m, const char *what, th_view path, int number) {
    char text[128];
    const char *reason = strerror_r(number, text, sizeof text);
    return th_machine_trap(m, number == ENOENT ? TH_E_NOT_FOUND : TH_E_IO, "cannot %s %s: %s", what,
                           th_lib_excerpt(path).text, reason);
}

/* A path as the system takes it; NULL: a trap. Strings end with a NUL already. */
static const char *path_of(th_machine *m, th_view path) {
    if (path.len > 0 && !memchr(path.data, 0, path.len)) return path.data;
    (void)th_machine_trap(m, TH_E_ARGUMENT, "%s is no path", th_lib_excerpt(path).text);
    return NULL;
}

/* ---- Waiting, reading, writing ------------------------------------------------------------------------------ */

/* Looks at the limits now, not when the slice of fuel is spent: waiting costs hardly any. False: a trap. */
static bool look_at_limits(th_machine *m) {
    if (m->fuel > 0) { /* what is left of the slice goes back */
        m->slice -= m->fuel;
        m->fuel = 0;
    }
    return th_machine_charge(m, 1);
}

/* Until the descriptor is ready, or the limits say stop (false: a trap). Who gives `later` can leave and be entered again:
** false with *later set when the run is to be suspended. */
static bool wait_for(th_machine *m, int fd, short events, bool *later) {
    for (;;) {
        struct pollfd one = {.fd = fd, .events = events};
        int ready = poll(&one, 1, WAIT_MS);
        if (ready != 0 && !(ready < 0 && errno == EINTR)) return true;
        if (!look_at_limits(m)) return false;
        if (later && m->fuel < 0) { /* the next safe point stops */
            *later = true;
            return false;
        }
    }
}

/* As read(2), but waits; -1: a trap, or *later as above, or errno when *number is set. */
static ssize_t read_some(th_machine *m, int fd, char *to, size_t len, int *number, bool *later) {
    *number = 0;
    for (;;) {
        if (!wait_for(m, fd, POLLIN, later)) return -1;
        ssize_t n = read(fd, to, len);
        if (n >= 0) return th_machine_charge(m, 16 + n / 8) ? n : -1;
        if (errno == EINTR || errno == EAGAIN) continue;
        *number = errno;
        return -1;
    }
}

static bool write_all(th_machine *m, int fd, th_view text, int *number) {
    *number = 0;
    for (size_t done = 0; done < text.len;) {
        size_t len = text.len - done < CHUNK ? text.len - done : CHUNK;
        if (!th_machine_charge(m, 16 + (int64_t)(len / 8)) || !wait_for(m, fd, POLLOUT, NULL)) return false;
        ssize_t n = write(fd, text.data + done, len);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR && errno != EAGAIN) {
            *number = errno;
            return false;
        }
    }
    return true;
}

/* Appends what is left to read. False: a trap (or *number). */
static bool read_rest(th_machine *m, int fd, th_buf *buf, int *number) {
    for (;;) {
        *number = 0;
        if (buf->len > TH_STR_MAX) {
            (void)th_machine_trap(m, TH_E_LIMIT, "the input is longer than a string can be");
            return false;
        }
        if (!th_buf_reserve(buf, CHUNK)) {
            (void)th_trap_memory(m);
            return false;
        }
        ssize_t n = read_some(m, fd, buf->data + buf->len, CHUNK, number, NULL);
        if (n < 0) return false;
        if (n == 0) return true;
        buf->len += (size_t)n;
        buf->data[buf->len] = 0;
    }
}

/* ---- Output ------------------------------------------------------------------------------------------------- */

static th_step print_value(th_machine *m, th_call *call, bool line) {
    th_buf buf;
    th_type_id type = param_type(m, call, 0);
    CHARGE(m, 8);
    th_buf_init(&buf, th_machine_mem(m));
    th_status status = th_value_print(m, type, call->args[0], TH_PRINT_PLAIN, &buf);
    if (status == TH_OK && line) th_buf_char(&buf, '\n');
    if (status == TH_OK && buf.failed) {
        (void)th_trap_memory(m);
        status = TH_E_NOMEM;
    } else if (status == TH_OK && buf.len > 0) {
        status = th_machine_write(m, buf.data, buf.len);
        if (status != TH_OK) (void)th_machine_trap(m, TH_E_IO, "the output could not be written");
    }
    th_buf_clear(&buf);
    return status == TH_OK ? done(call, 0) : TH_STEP_ERROR;
}

static th_step io_print(th_machine *m, th_call *call) { return print_value(m, call, true); }
static th_step io_write(th_machine *m, th_call *call) { return print_value(m, call, false); }

static bool flush_output(th_machine *m) {
    if (th_machine_flush(m) == TH_OK) return true;
    (void)th_machine_trap(m, TH_E_IO, "the output could not be written");
    return false;
}

static th_step io_flush(th_machine *m, th_call *call) { return flush_output(m) ? done(call, 0) : TH_STEP_ERROR; }

static th_step io_error(th_machine *m, th_call *call) {
    th_buf buf;
    int number = 0;
    if (!flush_output(m)) return TH_STEP_ERROR;
    th_buf_init(&buf, th_machine_mem(m));
    bool ok = th_value_print(m, param_type(m, call, 0), call->args[0], TH_PRINT_PLAIN, &buf) == TH_OK;
    th_buf_char(&buf, '\n');
    if (ok && buf.failed) {
        (void)th_trap_memory(m);
        ok = false;
    }
    ok = ok && write_all(m, STDERR_FILENO, (th_view){buf.data, buf.len}, &number);
    th_buf_clear(&buf);
    if (number) return failed(m, "write to", th_view_of("standard error"), number);
    return ok ? done(call, 0) : TH_STEP_ERROR;
}

/* ---- Standard input ----------------------------------------------------------------------------------------- */

/* The builtins below are entered again, with state 1, when the run was suspended while they waited. */

/* Reads on behind what is kept: DONE; AGAIN when the run is to be suspended first; ERROR. */
static th_step fill_input(th_machine *m, th_lib_state *state) {
    th_buf *buf = &state->input;
    int number;
    bool later = false;
    if (state->input_from > CHUNK && state->input_from * 2 > buf->len) { /* move the rest to the front */
        memmove(buf->data, buf->data + state->input_from, buf->len - state->input_from);
        buf->len -= state->input_from;
        state->input_from = 0;
    }
    buf->failed = false;
    if (!th_buf_reserve(buf, CHUNK)) return th_trap_memory(m);
    ssize_t n = read_some(m, STDIN_FILENO, buf->data + buf->len, CHUNK, &number, &later);
    if (later) return TH_STEP_AGAIN;
    if (n < 0) return number ? failed(m, "read", th_view_of("standard input"), number) : TH_STEP_ERROR;
    state->input_ended = n == 0;
    buf->len += (size_t)n;
    buf->data[buf->len] = 0;
    return TH_STEP_DONE;
}

static th_step done_line(th_machine *m, th_call *call, th_lib_state *state, size_t len, bool newline) {
    const char *start = state->input.data + state->input_from;
    size_t shown = len && newline && start[len - 1] == '\r' ? len - 1 : len;
    th_str *line = th_new_str_of(m, start, shown);
    if (!line) return TH_STEP_ERROR;
    state->input_from += len + newline;
    return done_ptr(call, line);
}

static th_step read_line(th_machine *m, th_call *call) {
    th_lib_state *state = th_lib_state_get(m);
    size_t looked = 0;
    if (!state || !flush_output(m)) return TH_STEP_ERROR;
    for (;;) {
        size_t rest = state->input.len - state->input_from;
        const char *start = rest ? state->input.data + state->input_from : "";
        const char *newline = rest > looked ? memchr(start + looked, '\n', rest - looked) : NULL;
        if (newline) return done_line(m, call, state, (size_t)(newline - start), true);
        if (state->input_ended) return rest ? done_line(m, call, state, rest, false) : done_null(call);
        looked = rest;
        th_step step = fill_input(m, state);
        if (step != TH_STEP_DONE) return step;
    }
}

static th_step io_read_line(th_machine *m, th_call *call) {
    if (call->state == 0) CHARGE(m, 16);
    call->state = 1;
    return read_line(m, call);
}

static th_step io_prompt(th_machine *m, th_call *call) {
    th_view prompt = arg_view(call, 0);
    if (call->state == 0) {
        CHARGE(m, 16 + prompt.len / 8);
        if (th_machine_write(m, prompt.data, prompt.len) != TH_OK)
            return th_machine_trap(m, TH_E_IO, "the output could not be written");
    }
    call->state = 1;
    return read_line(m, call);
}

static th_step io_read_all(th_machine *m, th_call *call) {
    th_lib_state *state = th_lib_state_get(m);
    if (call->state == 0) CHARGE(m, 16);
    call->state = 1;
    if (!state || !flush_output(m)) return TH_STEP_ERROR;
    while (!state->input_ended) {
        th_step step = fill_input(m, state);
        if (step != TH_STEP_DONE) return step;
    }
    return done_line(m, call, state, state->input.len - state->input_from, false);
}

/* ---- Reading files ------------------------------------------------------------------------------------------ */

static int open_to_read(th_machine *m, th_view path, struct stat *info) {
    const char *name = path_of(m, path);
    if (!name) return -1;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    int number = fd < 0 || fstat(fd, info) < 0 ? errno : S_ISDIR(info->st_mode) ? EISDIR : 0;
    if (number == 0) return fd;
    if (fd >= 0) (void)close(fd);
    (void)failed(m, "read", path, number);
    return -1;
}

/* A file of a known size goes straight into its string. NULL: a trap, or *number. */
static th_str *read_sized(th_machine *m, int fd, size_t size, int *number) {
    th_str *s = th_new_str(m, size);
    size_t got = 0;
    while (s && got < size) {
        ssize_t n = read_some(m, fd, s->bytes + got, size - got < CHUNK * 16 ? size - got : CHUNK * 16, number, NULL);
        if (n < 0) return NULL;
        if (n == 0) break;
        got += (size_t)n;
    }
    if (!s) return NULL;
    s->len = (uint32_t)got;
    s->bytes[got] = 0;
    return s;
}

static th_str *read_stream(th_machine *m, int fd, int *number) {
    th_buf buf;
    th_str *s = NULL;
    th_buf_init(&buf, th_machine_mem(m));
    if (read_rest(m, fd, &buf, number)) s = th_new_str_of(m, buf.data, buf.len);
    th_buf_clear(&buf);
    return s;
}

static th_str *read_file(th_machine *m, th_view path) {
    struct stat info;
    int number = 0, fd = open_to_read(m, path, &info);
    if (fd < 0) return NULL;
    bool sized = S_ISREG(info.st_mode) && info.st_size > 0;
    th_str *s = sized ? read_sized(m, fd, (size_t)info.st_size, &number) : read_stream(m, fd, &number);
    (void)close(fd);
    if (number) (void)failed(m, "read", path, number);
    return s;
}

static th_step io_read_text(th_machine *m, th_call *call) {
    CHARGE(m, 64);
    return done_ptr(call, read_file(m, arg_view(call, 0)));
}

static th_step io_read_lines(th_machine *m, th_call *call) {
    CHARGE(m, 64);
    const th_str *s = read_file(m, arg_view(call, 0));
    th_list *list = s ? th_new_list(m, result_type(m, call), 0) : NULL;
    if (!list) return TH_STEP_ERROR;
    CHARGE(m, s->len / 4);
    for (size_t at = 0, n = 0; at < s->len; n++) {
        const char *newline = memchr(s->bytes + at, '\n', s->len - at);
        size_t end = newline ? (size_t)(newline - s->bytes) : s->len;
        size_t shown = newline && end > at && s->bytes[end - 1] == '\r' ? end - 1 : end;
        th_str *line = th_new_str_of(m, s->bytes + at, shown - at);
        if (!line || !th_list_push(m, list, th_ptr_word(line))) return TH_STEP_ERROR;
        if (n % LOOP_BLOCK == LOOP_BLOCK - 1) CHARGE(m, LOOP_BLOCK);
        at = end + 1;
    }
    return done_ptr(call, list);
}

/* ---- Writing files ------------------------------------------------------------------------------------------ */

static bool replace_file(th_machine *m, const char *path, th_view text, int *number) {
    th_replacement file;
    *number = th_replacement_open(th_machine_mem(m), path, &file);
    if (*number) return false;
    bool ok = write_all(m, file.fd, text, number);
    if (ok) *number = th_replacement_finish(&file);
    th_replacement_drop(&file);
    return ok && *number == 0;
}

static bool append_file(th_machine *m, const char *path, th_view text, int *number) {
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_APPEND | O_CREAT, 0666);
    *number = fd < 0 ? errno : 0;
    if (fd < 0) return false;
    bool ok = write_all(m, fd, text, number);
    if (close(fd) < 0 && ok) ok = false, *number = errno;
    return ok;
}

static th_step write_file(th_machine *m, th_call *call,
                          bool (*write_it)(th_machine *m, const char *path, th_view text, int *number)) {
    th_view path = arg_view(call, 0);
    const char *name = path_of(m, path);
    int number = 0;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    bool ok = write_it(m, name, arg_view(call, 1), &number);
    if (number == ENOMEM) return th_trap_memory(m);
    if (number) return failed(m, "write", path, number);
    return ok ? done(call, 0) : TH_STEP_ERROR;
}

static th_step io_write_text(th_machine *m, th_call *call) { return write_file(m, call, replace_file); }
static th_step io_append_text(th_machine *m, th_call *call) { return write_file(m, call, append_file); }

/* ---- The file system ---------------------------------------------------------------------------------------- */

static th_step io_exists(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    struct stat info;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    return done(call, stat(name, &info) == 0);
}

static th_step io_is_directory(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    struct stat info;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    return done(call, stat(name, &info) == 0 && S_ISDIR(info.st_mode));
}

static th_step io_size(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    struct stat info;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    if (stat(name, &info) < 0) return failed(m, "look at", arg_view(call, 0), errno);
    return done(call, (uint64_t)info.st_size);
}

static th_step io_modified(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    struct stat info;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    if (stat(name, &info) < 0) return failed(m, "look at", arg_view(call, 0), errno);
    return done(call, (uint64_t)(info.st_mtim.tv_sec * 1000000 + info.st_mtim.tv_nsec / 1000));
}

static bool read_names(th_machine *m, DIR *folder, th_list *list, int *number) {
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(folder);
        if (!entry) {
            *number = errno;
            return errno == 0;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        th_str *name = th_machine_charge(m, 16) ? th_new_str_of(m, entry->d_name, strlen(entry->d_name)) : NULL;
        if (!name || !th_list_push(m, list, th_ptr_word(name))) return false;
    }
}

static th_step io_list_dir(th_machine *m, th_call *call) {
    th_view path = arg_view(call, 0);
    const char *name = path_of(m, path);
    int number = 0;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    DIR *folder = opendir(name);
    if (!folder) return failed(m, "list", path, errno);
    th_list *list = th_new_list(m, result_type(m, call), 0);
    bool ok = list && read_names(m, folder, list, &number);
    (void)closedir(folder);
    if (number) return failed(m, "list", path, number);
    return ok && th_lib_sort(m, list) ? done_ptr(call, list) : TH_STEP_ERROR;
}

static th_step io_remove(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    if (remove(name) < 0) return failed(m, "remove", arg_view(call, 0), errno);
    return done(call, 0);
}

static th_step io_rename(th_machine *m, th_call *call) {
    const char *from = path_of(m, arg_view(call, 0)), *to = from ? path_of(m, arg_view(call, 1)) : NULL;
    if (!to) return TH_STEP_ERROR;
    CHARGE(m, 64);
    if (rename(from, to) < 0) return failed(m, "rename", arg_view(call, 0), errno);
    return done(call, 0);
}

static th_step io_make_dir(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    struct stat info;
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    if (mkdir(name, 0777) == 0) return done(call, 0);
    int number = errno;
    if (number == EEXIST && stat(name, &info) == 0 && S_ISDIR(info.st_mode)) return done(call, 0);
    return failed(m, "make the folder", arg_view(call, 0), number);
}

/* ---- Surroundings ------------------------------------------------------------------------------------------- */

static th_step io_args(th_machine *m, th_call *call) {
    CHARGE(m, 4 + m->nargs * 4);
    th_list *list = th_new_list(m, result_type(m, call), m->nargs);
    for (size_t i = 0; list && i < m->nargs; i++) {
        th_str *arg = th_new_str_of(m, m->args[i], strlen(m->args[i]));
        if (!arg || !th_list_push(m, list, th_ptr_word(arg))) return TH_STEP_ERROR;
    }
    return done_ptr(call, list);
}

static th_step io_env(th_machine *m, th_call *call) {
    const char *name = path_of(m, arg_view(call, 0));
    if (!name) return TH_STEP_ERROR;
    CHARGE(m, 64);
    const char *value = getenv(name);
    return value ? th_lib_done_view(m, call, th_view_of(value)) : done_null(call);
}

#define FS    TH_BUILTIN_FS
#define WAITS (FS | TH_BUILTIN_STATEFUL)

const th_builtin th_lib_io[] = {
    {"IO.print", "value: T -> void",
     "Writes the text of a value and a newline to the output, as print.\ne.g. IO.print('hello')", io_print, 0, 0, NULL},
    {"IO.write", "value: T -> void",
     "Writes the text of a value to the output, without a newline.\ne.g. IO.write('hello')", io_write, 0, 0, NULL},
    {"IO.flush", "-> void", "Sends on what was written so far.\ne.g. IO.flush()", io_flush, 0, 0, NULL},
    {"IO.error", "value: T -> void",
     "Writes the text of a value and a newline to standard error. Needs the capability fs.\ne.g. IO.error('no such "
     "city')",
     io_error, FS, 0, NULL},
    {"IO.read_line", "-> String?",
     "The next line of standard input without its end, or null when there is none. Needs the capability fs.\ne.g. line "
     "= IO.read_line()",
     io_read_line, WAITS, 0, ""},
    {"IO.read_line", "prompt: String -> String?",
     "Writes a prompt and reads a line.\ne.g. name = IO.read_line('Name: ')", io_prompt, WAITS, 0, ""},
    {"IO.read_all", "-> String", "All the rest of standard input.\ne.g. text = IO.read_all()", io_read_all, WAITS, 0,
     ""},
    {"IO.read_text", "path: String -> String",
     "The text of a file. Needs the capability fs.\ne.g. text = IO.read_text('notes.txt')", io_read_text, FS, 0, NULL},
    {"IO.read_lines", "path: String -> List<String>",
     "The lines of a file, without their ends.\ne.g. lines = IO.read_lines('notes.txt')", io_read_lines, FS, 0, NULL},
    {"IO.write_text", "path: String, text: String -> void",
     "Makes or replaces a file, all at once.\ne.g. IO.write_text('notes.txt', 'hello')", io_write_text, FS, 0, NULL},
    {"IO.append_text", "path: String, text: String -> void",
     "Adds a text to the end of a file, which is made if need be.\ne.g. IO.append_text('log.txt', 'started')",
     io_append_text, FS, 0, NULL},
    {"IO.exists", "path: String -> bool", "Whether there is a file or folder.\ne.g. IO.exists('notes.txt')", io_exists,
     FS, 0, NULL},
    {"IO.is_directory", "path: String -> bool", "Whether there is a folder.\ne.g. IO.is_directory('src')",
     io_is_directory, FS, 0, NULL},
    {"IO.size", "path: String -> i64", "The bytes in a file.\ne.g. IO.size('notes.txt')", io_size, FS, 0, NULL},
    {"IO.modified", "path: String -> i64",
     "When a file was changed last, as Time counts.\ne.g. Time.to_iso(IO.modified('notes.txt'))", io_modified, FS, 0,
     NULL},
    {"IO.list_dir", "path: String -> List<String>", "The names in a folder, sorted.\ne.g. names = IO.list_dir('.')",
     io_list_dir, FS, 0, NULL},
    {"IO.remove", "path: String -> void", "Removes a file, or a folder that is empty.\ne.g. IO.remove('notes.txt')",
     io_remove, FS, 0, NULL},
    {"IO.rename", "from: String, to: String -> void",
     "Gives a file or folder another name, replacing a file of that name.\ne.g. IO.rename('a.txt', 'b.txt')", io_rename,
     FS, 0, NULL},
    {"IO.make_dir", "path: String -> void", "Makes a folder, if it is not there.\ne.g. IO.make_dir('out')", io_make_dir,
     FS, 0, NULL},
    {"IO.args", "-> List<String>", "The arguments the program was started with.\ne.g. args = IO.args()", io_args, 0, 0,
     NULL},
    {"IO.env", "name: String -> String?",
     "A variable of the environment, or null. Needs the capability fs.\ne.g. home = IO.env('HOME')", io_env, FS, 0,
     NULL},
};
const size_t th_lib_io_count = TH_COUNT(th_lib_io);
