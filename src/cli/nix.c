/*
** nix.c - evaluating Nix expressions from the command line: what is read, its arguments, what is selected and printed.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- What is Nix -------------------------------------------------------------------------------------------- */

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* `folder/default.nix`, to be freed; NULL: no memory. */
static char *default_of(const char *folder) {
    size_t len = strlen(folder), room = len + sizeof "/default.nix";
    char *path = malloc(room);
    if (path) snprintf(path, room, "%s%sdefault.nix", folder, len && folder[len - 1] == '/' ? "" : "/");
    return path;
}

bool cli_nix_is_source(const options *o, const char *path) {
    static const char *const extensions[] = {"nix", NULL};
    if (o->language) return strcmp(o->language, "nix") == 0;
    if (!is_folder(path)) return has_extension(path, extensions);
    char *inside = default_of(path);
    bool found = inside && access(inside, F_OK) == 0;
    free(inside);
    return found;
}

/* What a link leads to, to be freed; relative to the link's folder. */
static char *target_of(const char *link) {
    char target[PATH_MAX];
    ssize_t n = readlink(link, target, sizeof target - 1);
    if (n < 0) return NULL;
    target[n] = 0;
    const char *slash = strrchr(link, '/');
    size_t folder = target[0] != '/' && slash ? (size_t)(slash - link) + 1 : 0;
    char *path;
    return asprintf(&path, "%.*s%s", (int)folder, link, target) < 0 ? NULL : path;
}

/* The file that a path means: a folder's default.nix, and what a link leads to, since relative paths start there. To be
** freed; NULL: told. */
static char *resolved(const char *path) {
    char *file = is_folder(path) ? default_of(path) : strdup(path);
    struct stat info;
    for (int links = 0; file && links < 40 && lstat(file, &info) == 0 && S_ISLNK(info.st_mode); links++) {
        char *target = target_of(file);
        free(file);
        file = target;
    }
    if (!file) complain("out of memory");
    return file;
}

/* ---- Settings ----------------------------------------------------------------------------------------------- */

typedef struct search {
    theta_nix_search *entries;
    char **texts; /* owned, one for each entry */
    size_t n, capacity;
    bool failed;
} search;

/* Relative paths start from the working folder: NAME=PATH or PATH. */
static char *absolute_entry(const char *entry, size_t len, size_t *path_at) {
    const char *equals = memchr(entry, '=', len);
    size_t prefix = equals ? (size_t)(equals - entry) : 0, skip = equals ? prefix + 1 : 0;
    char folder[PATH_MAX] = "";
    bool relative = len == skip || entry[skip] != '/';
    if (relative && !getcwd(folder, sizeof folder)) folder[0] = 0;
    size_t room = prefix + strlen(folder) + (len - skip) + 4;
    char *text = malloc(room);
    if (!text) return NULL;
    memcpy(text, entry, prefix);
    text[prefix] = 0;
    *path_at = prefix + 1;
    const char *path = entry + skip;
    size_t path_len = len - skip;
    while (relative && path_len >= 2 && path[0] == '.' && path[1] == '/') path += 2, path_len -= 2;
    if (relative && path_len == 1 && path[0] == '.') path_len = 0;
    snprintf(text + *path_at, room - *path_at, "%s%s%.*s", folder, relative && path_len ? "/" : "", (int)path_len,
             path);
    return text;
}

static void add_entry(search *s, const char *entry, size_t len) {
    if (s->failed || len == 0) return;
    if (s->n == s->capacity) {
        size_t capacity = s->capacity ? s->capacity * 2 : 16;
        theta_nix_search *entries = realloc(s->entries, capacity * sizeof *entries);
        if (entries) s->entries = entries;
        char **texts = entries ? realloc(s->texts, capacity * sizeof *texts) : NULL;
        if (!texts) {
            s->failed = true;
            return;
        }
        s->texts = texts;
        s->capacity = capacity;
    }
    size_t at;
    char *text = absolute_entry(entry, len, &at);
    if (!text) {
        s->failed = true;
        return;
    }
    s->texts[s->n] = text;
    s->entries[s->n++] = (theta_nix_search){text, text + at};
}

/* NIX_PATH: entries with colons between them; the colon of "https://" is none of those. */
static void add_nix_path(search *s, const char *text) {
    while (text && *text) {
        size_t len = strcspn(text, ":");
        while (text[len] == ':' && strncmp(text + len, "://", 3) == 0) len += 3 + strcspn(text + len + 3, ":");
        add_entry(s, text, len);
        text += len + (text[len] == ':');
    }
}

static void say(void *user, const char *text, size_t len) {
    (void)user;
    (void)out_direct(NULL, "", 0); /* what was printed before comes first */
    fwrite(text, 1, len, stderr);
    fputc('\n', stderr);
}

static const char *variable(void *user, const char *name) {
    (void)user;
    return getenv(name);
}

bool cli_nix_configure(job *j) {
    theta_nix_config config;
    theta_error err = {0};
    search s = {0};
    theta_nix_config_init(&config);
    for (size_t i = 0; i < j->o->nix.nincludes; i++)
        add_entry(&s, j->o->nix.includes[i], strlen(j->o->nix.includes[i]));
    add_nix_path(&s, getenv("NIX_PATH"));
    const char *store = getenv("NIX_STORE_DIR");
    config.search = s.entries;
    config.nsearch = s.n;
    config.store_dir = store && *store == '/' ? store : NULL;
    config.home = getenv("HOME");
    config.restricted = j->o->given & OPTION_RESTRICT;
    config.pure = j->o->given & OPTION_PURE;
    config.message = say;
    config.get_env = variable;
    theta_status status = THETA_E_NOMEM;
    if (!s.failed) status = theta_machine_nix(j->machine, &config, &err);
    for (size_t i = 0; i < s.n; i++) free(s.texts[i]);
    free(s.texts);
    free(s.entries);
    if (status == THETA_OK) return true;
    if (err.code != status) snprintf(err.message, sizeof err.message, "out of memory");
    err.code = status;
    job_error(j, &err);
    return false;
}

/* ---- Traces ------------------------------------------------------------------------------------------------- */

/* "  at NAME (FILE:1:2)" */
static void trace_line(const char *line, size_t len) {
    static const char builtin[] = "  in nix.", internal[] = "  in Nix.", at[] = "  at ";
    if (len > sizeof builtin - 1 && memcmp(line, builtin, sizeof builtin - 1) == 0) {
        fprintf(stderr, "  … while calling the '%.*s' builtin\n", (int)(len - sizeof builtin + 1),
                line + sizeof builtin - 1);
        return;
    }
    if (len > sizeof internal - 1 && memcmp(line, internal, sizeof internal - 1) == 0) return;
    if (len <= sizeof at - 1 || memcmp(line, at, sizeof at - 1) != 0) {
        fprintf(stderr, "%.*s\n", (int)len, line);
        return;
    }
    const char *name = line + sizeof at - 1, *end = line + len, *open = end;
    while (open > name && !(open[0] == '(' && open[-1] == ' ')) open--;
    size_t name_len = open > name ? (size_t)(open - name) - 1 : (size_t)(end - name);
    bool unnamed = strncmp(name, "thunk", name_len) == 0 || strncmp(name, "main", name_len) == 0;
    if (unnamed)
        fprintf(stderr, "  … while evaluating an expression\n");
    else if (name_len >= 9 && strncmp(name, "anonymous", 9) == 0)
        fprintf(stderr, "  … while calling an anonymous function\n");
    else
        fprintf(stderr, "  … while evaluating '%.*s'\n", (int)name_len, name);
    if (open > name && end[-1] == ')') fprintf(stderr, "      at %.*s\n", (int)(end - open) - 2, open + 1);
}

void cli_nix_show_trace(job *j, const theta_text *trace) {
    if (!(j->o->given & OPTION_SHOW_TRACE)) return;
    for (const char *line = trace->data, *end = trace->data + trace->len; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop) stop = end;
        trace_line(line, (size_t)(stop - line));
        line = stop + 1;
    }
}

/* ---- Arguments ---------------------------------------------------------------------------------------------- */

static bool argument(job *j, const nix_argument *a, theta_value *out, theta_error *err) {
    char name[128];
    theta_value v;
    theta_status status;
    snprintf(name, sizeof name, "--arg %.100s", a->name);
    for (char *p = name; *p; p++) /* no path: a source of this name is no file */
        if (*p == '/') *p = '_';
    if (a->is_text)
        status = theta_bytes(j->machine, a->text, strlen(a->text), &v);
    else
        status = theta_nix_load(j->machine, name, a->text, strlen(a->text), NULL, &v, err);
    if (status == THETA_OK) status = theta_value_keep(j->machine, v, out);
    if (status != THETA_OK && err->code != status) {
        err->code = status;
        snprintf(err->message, sizeof err->message, "%s", theta_status_text(status));
    }
    return status == THETA_OK;
}

/* The text of an argument, for errors in it. */
static bool find_argument(job *j, const char *name, const char **text, size_t *len) {
    if (strncmp(name, "--arg ", 6) != 0) return false;
    for (size_t i = j->o->nix.nargs; i-- > 0;) {
        const nix_argument *a = &j->o->nix.args[i];
        if (a->is_text || strcmp(a->name, name + 6) != 0) continue;
        *text = a->text;
        *len = strlen(a->text);
        return true;
    }
    return false;
}

/* Of an argument given twice the last one counts. */
bool cli_nix_args(job *j, theta_value *out) {
    const char *names[NIX_MANY] = {NULL};
    theta_value values[NIX_MANY] = {{0}}, set;
    theta_error err = {0};
    size_t n = 0;
    j->find_input = j->find_input ? j->find_input : find_argument;
    for (size_t i = 0; i < j->o->nix.nargs; i++) {
        size_t at = 0;
        while (at < n && strcmp(names[at], j->o->nix.args[i].name) != 0) at++;
        names[at] = j->o->nix.args[i].name;
        if (!argument(j, &j->o->nix.args[i], &values[at], &err)) {
            job_error(j, &err);
            return false;
        }
        if (at == n) n++;
    }
    theta_status status = theta_set(j->machine, names, values, n, &set, &err);
    if (status == THETA_OK) status = theta_value_keep(j->machine, set, out);
    for (size_t i = 0; i < n; i++) theta_value_drop(j->machine, &values[i]);
    if (status == THETA_OK) return true;
    if (err.code != status) err.code = status;
    job_error(j, &err);
    return false;
}

/* ---- Selecting and printing --------------------------------------------------------------------------------- */

/* An error without a place is at least of the source. */
static int fail(job *j, theta_error *err) {
    if (!err->file[0]) snprintf(err->file, sizeof err->file, "%s", j->name);
    return job_fail(j, err);
}

/* What was started: its result. */
static bool finish(job *j, theta_status started, theta_value *out, theta_error *err) {
    if (started != THETA_OK) return false;
    (void)job_drive(j);
    return theta_result(j->machine, out, err) == THETA_OK;
}

static bool select_and_call(job *j, theta_value root, const char *path, theta_value args, theta_value *out,
                            theta_error *err) {
    theta_value v;
    theta_status status = THETA_OK;
    if (path) {
        theta_value selection[3] = {root, {0}, args};
        status = theta_bytes(j->machine, path, strlen(path), &selection[1]);
        if (status == THETA_OK) status = theta_start_nix(j->machine, THETA_NIX_SELECT, selection, 3, err);
    } else {
        status = theta_start_force(j->machine, root, err);
    }
    if (!finish(j, status, &v, err)) return false;
    if (j->o->nix.nargs == 0 && !theta_nix_callable(j->machine, v, args)) {
        *out = v;
        return true;
    }
    theta_value call[2] = {v, args};
    return finish(j, theta_start_nix(j->machine, THETA_NIX_AUTO_CALL, call, 2, err), out, err);
}

static bool print_table(job *j, theta_value list, theta_error *err) {
    theta_value table;
    size_t width = terminal_width();
    return theta_table_of_value(j->machine, list, &table, err) == THETA_OK &&
           theta_table_write(j->machine, table, j->o->format, width, 0, out_buffered, NULL, err) == THETA_OK;
}

static bool print_value(job *j, theta_value v, theta_error *err) {
    uint32_t given = j->o->given, flags = THETA_TEXT_QUOTED;
    bool json = given & OPTION_JSON, raw = given & OPTION_RAW, xml = given & OPTION_XML;
    theta_value printed;
    const char *text;
    size_t len;
    if ((given & OPTION_FORMAT) && !json) return print_table(j, v, err);
    if (json) flags = THETA_TEXT_JSON;
    if (xml) flags = THETA_TEXT_XML | (given & OPTION_NO_LOCATION ? 0 : THETA_TEXT_LOCATIONS);
    if ((given & OPTION_LAZY) && !json) flags |= THETA_TEXT_LAZY;
    theta_status started = raw ? theta_start_nix(j->machine, THETA_NIX_TO_STRING, &v, 1, err)
                               : theta_start_text(j->machine, v, flags, err);
    if (!finish(j, started, &printed, err)) return false;
    if (theta_value_string(j->machine, printed, &text, &len) != THETA_OK) return false;
    (void)out_buffered(NULL, text, len);
    if (!raw && (len == 0 || text[len - 1] != '\n' || !xml)) put("\n");
    return true;
}

static int print_all(job *j, theta_value root) {
    theta_value args, v;
    theta_error err = {0};
    size_t n = j->o->nix.nattrs;
    if (theta_value_keep(j->machine, root, &root) != THETA_OK || !cli_nix_args(j, &args)) return STATUS_FAILED;
    for (size_t i = 0; i < (n ? n : 1); i++) {
        if (!select_and_call(j, root, n ? j->o->nix.attrs[i] : NULL, args, &v, &err) || !print_value(j, v, &err))
            return fail(j, &err);
    }
    return STATUS_OK;
}

/* ---- Commands ----------------------------------------------------------------------------------------------- */

static bool sensible(const options *o) {
    if (o->save) {
        complain("a run of Nix cannot be saved: --save is for other languages");
        return false;
    }
    if (!!(o->given & OPTION_JSON) + !!(o->given & OPTION_XML) + !!(o->given & OPTION_RAW) > 1) {
        complain("--json, --xml and --raw exclude each other");
        return false;
    }
    if ((o->given & OPTION_LAZY) && (o->given & OPTION_STRICT)) {
        complain("--lazy and --strict exclude each other");
        return false;
    }
    return true;
}

/* Loads the file, or the text when `path` is NULL: a thunk. */
static bool load(job *j, const char *path, const char *text, theta_value *out) {
    theta_error err = {0};
    size_t len = text ? strlen(text) : 0;
    bool standard = path && strcmp(path, "-") == 0;
    char *file = path && !standard ? resolved(path) : NULL;
    if (path && !standard && !file) return false;
    if (path && !read_whole(file ? file : "-", &j->source, &j->source_len)) {
        free(file);
        return false;
    }
    if (path) text = j->source, len = j->source_len;
    j->name = standard ? "stdin" : path ? path : "expression";
    if (!path && (j->source = strdup(text)) != NULL) j->source_len = len;
    theta_status status = theta_nix_load(j->machine, file ? file : j->name, text, len, NULL, out, &err);
    profile_compiled(j->profile);
    if (status != THETA_OK) job_error(j, &err);
    free(file);
    return status == THETA_OK;
}

static bool open_job(job *j, const options *o, const char *name) {
    if (!job_open(j, o, name)) return false;
    j->show_trace = cli_nix_show_trace;
    if (job_machine(j, NULL, 0) && cli_nix_configure(j)) return true;
    job_close(j);
    return false;
}

int cli_nix_run(const options *o, const char *path) {
    job j;
    theta_value root;
    if (!sensible(o)) return STATUS_USAGE;
    if (path && o->nwords > 1) {
        complain("'%s' is one argument too many: give --arg NAME EXPR or --argstr NAME TEXT", o->words[1]);
        return STATUS_USAGE;
    }
    if (!open_job(&j, o, path ? path : "expression")) return STATUS_FAILED;
    signals_watch(j.machine, false);
    int status = load(&j, path, path ? NULL : o->words[0], &root) ? print_all(&j, root) : STATUS_FAILED;
    if (j.profile) profile_report(j.profile, j.machine);
    job_close(&j);
    return status;
}

bool cli_nix_is_program(const job *j) {
    const char *name;
    bool found = false;
    for (size_t i = 0; theta_program_export(j->program, i, &name, NULL); i++) {
        theta_text type;
        if (strcmp(name, "main") != 0 || !theta_program_export(j->program, i, NULL, &type)) continue;
        found |= strcmp(type.data, "Function<value>") == 0;
        theta_text_free(&type);
    }
    return found;
}

int cli_nix_run_program(job *j) {
    theta_error err = {0};
    theta_value root;
    if (!sensible(j->o)) return STATUS_USAGE;
    j->show_trace = cli_nix_show_trace;
    if (!cli_nix_configure(j)) return STATUS_FAILED;
    signals_watch(j->machine, false);
    if (!finish(j, theta_start(j->machine, "main", NULL, 0, &err), &root, &err)) return fail(j, &err);
    int status = print_all(j, root);
    if (j->profile) profile_report(j->profile, j->machine);
    return status;
}

int cli_nix_print_ast(const options *o, const char *path) {
    job j;
    theta_error err = {0};
    theta_text text;
    int status = STATUS_FAILED;
    bool standard = strcmp(path, "-") == 0;
    char *file = standard ? NULL : resolved(path);
    if ((!standard && !file) || !job_open(&j, o, standard ? "stdin" : path)) {
        free(file);
        return STATUS_FAILED;
    }
    if (read_whole(file ? file : "-", &j.source, &j.source_len)) {
        if (theta_nix_parse(j.engine, file ? file : "stdin", j.source, j.source_len, &text, &err) == THETA_OK) {
            (void)out_buffered(NULL, text.data, text.len);
            put("\n");
            theta_text_free(&text);
            status = STATUS_OK;
        } else {
            job_error(&j, &err);
        }
    }
    job_close(&j);
    free(file);
    return status;
}

/* ---- As a table --------------------------------------------------------------------------------------------- */

static theta_status write_file(void *user, const char *bytes, size_t len) {
    return fwrite(bytes, 1, len, user) == len ? THETA_OK : THETA_E_IO;
}

/* The descriptor stays open until the process ends: the file is read by its descriptor's name. */
static int spool(job *j, theta_value list) {
    theta_error err = {0};
    theta_value table;
    FILE *file = tmpfile();
    int fd = file ? dup(fileno(file)) : -1;
    bool done = fd >= 0;
    if (!done) complain("the rows cannot be kept: %s", strerror(errno));
    if (done && (theta_table_of_value(j->machine, list, &table, &err) != THETA_OK ||
                 theta_table_write(j->machine, table, "arrow", 0, 0, write_file, file, &err) != THETA_OK)) {
        (void)fail(j, &err);
        done = false;
    }
    if (file && fclose(file) != 0 && done) {
        complain("the rows cannot be kept: %s", strerror(errno));
        done = false;
    }
    if (!done && fd >= 0) close(fd);
    return done ? fd : -1;
}

int cli_nix_spool(const options *o, const char *path) {
    job j;
    theta_error err = {0};
    theta_value root, args, v;
    int fd = -1;
    if (!sensible(o) || !open_job(&j, o, path)) return -1;
    signals_watch(j.machine, false);
    if (load(&j, path, NULL, &root) && theta_value_keep(j.machine, root, &root) == THETA_OK &&
        cli_nix_args(&j, &args)) {
        if (select_and_call(&j, root, o->nix.nattrs ? o->nix.attrs[0] : NULL, args, &v, &err))
            fd = spool(&j, v);
        else
            (void)fail(&j, &err);
    }
    job_close(&j);
    return fd;
}
