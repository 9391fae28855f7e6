/*
** run.c - the commands that run something: run, resume, eval, query.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- Texts that grow ---------------------------------------------------------------------------------------- */

typedef struct text {
    char *data;
    size_t len, capacity;
    bool failed;
} text;

static void add(text *t, const char *bytes, size_t len) {
    if (t->failed) return;
    if (t->capacity - t->len < len + 1) {
        size_t capacity = t->capacity * 2 + len + 64;
        char *data = realloc(t->data, capacity);
        if (!data) {
            t->failed = true;
            return;
        }
        t->data = data;
        t->capacity = capacity;
    }
    memcpy(t->data + t->len, bytes, len);
    t->len += len;
    t->data[t->len] = 0;
}

static void add_text(text *t, const char *s) { add(t, s, strlen(s)); }

/* ---- run ---------------------------------------------------------------------------------------------------- */

static bool is_main(const char *name) {
    const char *dot = strrchr(name, '.');
    return strcmp(dot ? dot + 1 : name, "main") == 0;
}

/* Whether main takes the program's arguments as a list of strings. */
static bool main_takes_args(const theta_program *program) {
    static const char head[] = "Function<List<String>, ";
    const char *name;
    bool takes = false;
    for (size_t i = 0; theta_program_export(program, i, &name, NULL); i++) {
        theta_text type;
        if (!is_main(name) || !theta_program_export(program, i, NULL, &type)) continue;
        if (strncmp(type.data, head, sizeof head - 1) == 0) {
            size_t depth = 0, commas = 0;
            for (const char *p = strchr(type.data, '<') + 1; *p; p++) {
                depth += *p == '<';
                if (*p == '>' && depth > 0) depth--;
                commas += *p == ',' && depth == 0;
            }
            takes |= commas == 1;
        }
        theta_text_free(&type);
    }
    return takes;
}

static void add_json(text *t, const char *s) {
    add(t, "\"", 1);
    for (; *s; s++) {
        char code[8];
        unsigned char c = (unsigned char)*s;
        if (c == '"' || c == '\\')
            snprintf(code, sizeof code, "\\%c", c);
        else if (c < 0x20)
            snprintf(code, sizeof code, "\\u%04x", c);
        else
            snprintf(code, sizeof code, "%c", c);
        add_text(t, code);
    }
    add(t, "\"", 1);
}

static theta_status list_of(job *j, const char *const *args, size_t nargs, theta_value *out, theta_error *err) {
    text json = {0};
    add(&json, "[", 1);
    for (size_t i = 0; i < nargs; i++) {
        if (i) add(&json, ",", 1);
        add_json(&json, args[i]);
    }
    add(&json, "]", 1);
    theta_status status = THETA_E_NOMEM;
    if (!json.failed) status = theta_from_json(j->machine, "List<String>", json.data, json.len, out, err);
    free(json.data);
    return status;
}

static int run_main(job *j, const char *const *args, size_t nargs) {
    theta_error err = {0};
    theta_value list;
    bool takes = main_takes_args(j->program);
    theta_status status = takes ? list_of(j, args, nargs, &list, &err) : THETA_OK;
    if (status == THETA_OK) status = theta_start(j->machine, "main", &list, takes, &err);
    if (status == THETA_OK) return job_run(j);
    if (status == THETA_E_NOT_FOUND)
        complain("%s: nothing to run: %s", j->name, err.message);
    else
        job_error(j, &err);
    return STATUS_FAILED;
}

/* A program sees texts, and those are UTF-8. */
static bool are_texts(job *j, const char *const *args, size_t nargs) {
    theta_value ignored;
    for (size_t i = 0; i < nargs; i++) {
        if (theta_string(j->machine, args[i], strlen(args[i]), &ignored) == THETA_OK) continue;
        complain("argument %zu of the program is not UTF-8", i + 1);
        return false;
    }
    return true;
}

int run_command(const options *o) {
    job j;
    int status = STATUS_FAILED;
    const char *const *args = (const char *const *)o->words + 1;
    if (cli_nix_is_source(o, o->words[0])) return cli_nix_run(o, o->words[0]);
    if (!job_open(&j, o, o->words[0])) return STATUS_FAILED;
    if (job_compile_file(&j, o->words[0], false) && job_machine(&j, args, o->nwords - 1) &&
        are_texts(&j, args, o->nwords - 1))
        status = cli_nix_is_program(&j) ? cli_nix_run_program(&j) : run_main(&j, args, o->nwords - 1);
    job_close(&j);
    return status;
}

/* ---- resume ------------------------------------------------------------------------------------------------- */

static int resume(job *j) {
    char *bytes;
    size_t len;
    theta_error err = {0};
    if (!read_whole(j->name, &bytes, &len)) return STATUS_FAILED;
    theta_status status = theta_restore(j->machine, bytes, len, &err);
    free(bytes);
    if (status == THETA_OK) return job_run(j);
    if (!err.file[0]) snprintf(err.file, sizeof err.file, "%s", j->name);
    job_error(j, &err);
    return STATUS_FAILED;
}

int resume_command(const options *o) {
    job j;
    int status = STATUS_FAILED;
    options changed = *o;
    if (changed.fuel < 0) changed.fuel = INT64_MAX / 4; /* -1 would mean what the state has left */
    if (!job_open(&j, &changed, o->words[0])) return STATUS_FAILED;
    if (job_machine(&j, (const char *const *)o->words + 1, o->nwords - 1)) status = resume(&j);
    job_close(&j);
    return status;
}

/* ---- eval --------------------------------------------------------------------------------------------------- */

static bool compile_expression(job *j) {
    const options *o = j->o;
    if (o->file) return job_compile_file(j, o->file, true);
    return job_compile_text(j, j->name, o->words[0], strlen(o->words[0]), true);
}

int eval_command(const options *o) {
    job j;
    int status = STATUS_FAILED;
    if (o->file ? o->nwords > 0 : o->nwords == 0) {
        complain("eval: wanted either an expression or -f FILE");
        return STATUS_USAGE;
    }
    if (o->file ? cli_nix_is_source(o, o->file) : o->language && strcmp(o->language, "nix") == 0)
        return cli_nix_run(o, o->file);
    if (!job_open(&j, o, "expression")) return STATUS_FAILED;
    if (compile_expression(&j) && job_machine(&j, NULL, 0)) status = run_main(&j, NULL, 0);
    job_close(&j);
    return status;
}

/* ---- query -------------------------------------------------------------------------------------------------- */

static bool is_word_byte(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* A name with dots and an opening parenthesis: `Csv.read(...`. */
static bool is_call(const char *p, size_t len) {
    size_t i = 0;
    if (len == 0 || isdigit((unsigned char)p[0])) return false;
    while (i < len && (is_word_byte(p[i]) || p[i] == '.')) i++;
    return i > 0 && i < len && p[i] == '(';
}

/* The source of the pipeline: what stands in front of its first `=>`, and whether that is the path of a file. */
typedef struct head {
    const char *path;
    size_t len, rest;
    bool is_path;
} head;

static head find_head(const char *pipeline) {
    size_t start = strspn(pipeline, " \t\r\n"), end;
    char quote = pipeline[start] == '\'' || pipeline[start] == '"' ? pipeline[start] : 0;
    if (quote) {
        const char *close = strchr(pipeline + start + 1, quote);
        if (!close) return (head){0};
        return (head){pipeline + start + 1, (size_t)(close - pipeline) - start - 1, (size_t)(close - pipeline) + 1,
                      true};
    }
    const char *arrow = strstr(pipeline + start, "=>");
    size_t rest = end = arrow ? (size_t)(arrow - pipeline) : strlen(pipeline);
    while (end > start && isspace((unsigned char)pipeline[end - 1])) end--;
    head h = {pipeline + start, end - start, rest, end > start};
    if (strchr("[({@", pipeline[start]) || is_call(h.path, h.len)) h.is_path = false;
    return h;
}

/* The functions that read each kind of file; what stands behind the path in the call. */
static const struct {
    const char *extensions[5], *function, *more;
} readers[] = {
    {{"csv"}, "Csv.read", ""},
    {{"tsv", "tab"}, "Csv.read", ", delimiter: '\\t'"},
    {{"arrow", "arrows", "feather", "ipc"}, "Arrow.read", ""},
};

static void add_call(text *t, const char *function, const char *path, const char *more) {
    add_text(t, function);
    add_text(t, "('");
    for (; *path; path++) {
        if (*path == '\'' || *path == '\\') add_text(t, "\\");
        add(t, path, 1);
    }
    add_text(t, "'");
    add_text(t, more);
    add_text(t, ")");
}

/* Standard input as a file that can be looked at before it is read: its columns must be known to compile. */
static bool spool(text *t) {
    char *bytes;
    size_t len;
    char path[32];
    if (!read_whole("-", &bytes, &len)) return false;
    FILE *file = tmpfile();
    int fd = file ? dup(fileno(file)) : -1; /* open until the process ends: it is read by its descriptor's name */
    bool done = fd >= 0 && fwrite(bytes, 1, len, file) == len && fflush(file) == 0;
    bool arrow = len >= 4 && (memcmp(bytes, "ARRO", 4) == 0 || memcmp(bytes, "\377\377\377\377", 4) == 0);
    free(bytes);
    if (file) done = fclose(file) == 0 && done;
    if (!done) {
        complain("standard input cannot be kept: %s", strerror(errno));
        if (fd >= 0) close(fd);
        return false;
    }
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    add_call(t, arrow ? "Arrow.read" : "Csv.read", path, "");
    return true;
}

/* A Nix expression is evaluated before the query is compiled: what it gives decides which columns there are. */
static bool spool_nix(const options *o, text *t, const char *path) {
    char name[32];
    int fd = cli_nix_spool(o, path);
    if (fd < 0) return false;
    snprintf(name, sizeof name, "/dev/fd/%d", fd);
    add_call(t, "Arrow.read", name, "");
    return true;
}

static bool add_head(const options *o, text *t, const char *path) {
    if (strcmp(path, "-") == 0) return spool(t);
    if (cli_nix_is_source(o, path)) return spool_nix(o, t, path);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        if (!has_extension(path, readers[i].extensions)) continue;
        add_call(t, readers[i].function, path, readers[i].more);
        return true;
    }
    complain(
        "query: '%s' has none of the extensions .csv, .tsv, .arrow, .nix; write Csv.read('%s') or Arrow.read('%s')",
        path, path, path);
    return false;
}

/* The pipeline with the path in front of it replaced by a call that reads it. */
static bool expand(const options *o, const char *pipeline, text *out) {
    head h = find_head(pipeline);
    if (!h.is_path) {
        add_text(out, pipeline);
        return true;
    }
    char *path = strndup(h.path, h.len);
    bool done = path && add_head(o, out, path);
    free(path);
    if (done) add_text(out, " ");
    if (done) add_text(out, pipeline + h.rest);
    return done;
}

static int explain(job *j) {
    theta_error err = {0};
    theta_value value;
    theta_text plan;
    theta_status status = theta_call(j->machine, "main", NULL, 0, &value, &err);
    if (status == THETA_OK) status = theta_table_explain(j->machine, value, &plan, &err);
    if (status != THETA_OK) {
        job_error(j, &err);
        return STATUS_FAILED;
    }
    (void)out_buffered(NULL, plan.data, plan.len);
    theta_text_free(&plan);
    return STATUS_OK;
}

/* Whether what failed was an evaluation. */
static bool starts_with_nix(const options *o) {
    head h = find_head(o->words[0]);
    char *path = h.is_path ? strndup(h.path, h.len) : NULL;
    bool nix = path && cli_nix_is_source(o, path);
    free(path);
    return nix;
}

int query_command(const options *o) {
    job j;
    text pipeline = {0};
    int status = STATUS_FAILED;
    if (o->words[0][strspn(o->words[0], " \t\r\n")] == 0) {
        complain("query: wanted a pipeline, such as 'data.csv => take(5)'");
        return STATUS_USAGE;
    }
    head h = find_head(o->words[0]);
    if (o->save && h.is_path && h.len == 1 && *h.path == '-') {
        complain("query: standard input cannot be gone on with in another process: with --save, name a file");
        return STATUS_USAGE;
    }
    if (!expand(o, o->words[0], &pipeline) || pipeline.failed) {
        free(pipeline.data);
        return starts_with_nix(o) ? STATUS_FAILED : STATUS_USAGE;
    }
    if (job_open(&j, o, "query")) {
        if (job_compile_text(&j, "query", pipeline.data, pipeline.len, true) && job_machine(&j, NULL, 0))
            status = o->given & OPTION_EXPLAIN ? explain(&j) : run_main(&j, NULL, 0);
        job_close(&j);
    }
    free(pipeline.data);
    return status;
}
