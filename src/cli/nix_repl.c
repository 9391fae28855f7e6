/*
** nix_repl.c - read, evaluate, print Nix expressions. What is bound stays in scope: a set that grows.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct repl {
    job job;
    options o; /* as given, but for what is switched inside */
    lines *lines;
    theta_value scope, args, update; /* kept; `update` joins two sets */
    char *pending;                   /* the lines of an input so far */
    size_t len, capacity;
    char **inputs, **loaded; /* every text that was compiled, for errors; files to load again */
    size_t ninputs, inputs_capacity, nloaded, loaded_capacity;
    int64_t fuel_used;
    bool interactive, failed, done;
    bool refused; /* the error is the prompt's own: no evaluation failed */
} repl;

static bool remember_text(char ***list, size_t *n, size_t *capacity, const char *text, size_t len) {
    if (*n == *capacity) {
        size_t more = *capacity ? *capacity * 2 : 16;
        char **grown = realloc(*list, more * sizeof *grown);
        if (!grown) return false;
        *list = grown;
        *capacity = more;
    }
    char *copy = strndup(text, len);
    if (!copy) return false;
    (*list)[(*n)++] = copy;
    return true;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static bool find_input(job *j, const char *name, const char **text, size_t *len) {
    const repl *r = j->user;
    char *end;
    if (strncmp(name, "input ", 6) != 0) return false;
    unsigned long number = strtoul(name + 6, &end, 10);
    if (*end || number == 0 || number > r->ninputs) return false;
    *text = r->inputs[number - 1];
    *len = strlen(*text);
    return true;
}

static void failed(repl *r, theta_error *err) {
    r->failed = true;
    (void)out_direct(NULL, "", 0);
    if (err->code == THETA_E_CANCELLED && signals_seen())
        complain("interrupted");
    else if (r->refused)
        complain("%s", err->message);
    else {
        if (!err->file[0]) snprintf(err->file, sizeof err->file, "input %zu", r->ninputs);
        job_error(&r->job, err);
    }
    r->refused = false;
    signals_forget();
    theta_machine_clear_cancel(r->job.machine);
}

/* ---- Evaluating --------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 3, 4))) static bool refuse(repl *r, theta_error *err, const char *format, ...) {
    va_list args;
    *err = (theta_error){.code = THETA_E_ARGUMENT};
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    r->refused = true;
    return false;
}

static void refuel(repl *r) {
    if (r->o.fuel < 0) return;
    int64_t used = theta_machine_fuel_used(r->job.machine);
    theta_machine_add_fuel(r->job.machine, used - r->fuel_used);
    r->fuel_used = used;
}

static bool keep(repl *r, theta_value v, theta_value *slot, theta_error *err) {
    theta_value kept;
    theta_status status = theta_value_keep(r->job.machine, v, &kept);
    if (status != THETA_OK) {
        *err = (theta_error){.code = status};
        snprintf(err->message, sizeof err->message, "%s", theta_status_text(status));
        return false;
    }
    theta_value_drop(r->job.machine, slot);
    *slot = kept;
    return true;
}

static bool ends_early(const theta_error *err) {
    return err->code == THETA_E_SYNTAX && strstr(err->message, "unexpected end of file");
}

/* A thunk of the expression in the scope: what stands behind the first `skipped` bytes of the input, which errors show
** whole. */
static bool compile(repl *r, const char *input, size_t skipped, theta_value *out, theta_error *err) {
    char name[32];
    signals_watch(r->job.machine, false);
    refuel(r);
    char *blanked = strdup(input);
    if (!blanked || !remember_text(&r->inputs, &r->ninputs, &r->inputs_capacity, input, strlen(input))) {
        free(blanked);
        *err = (theta_error){.code = THETA_E_NOMEM, .message = "out of memory"};
        return false;
    }
    for (size_t i = 0; i < skipped; i++)
        if (blanked[i] != '\n') blanked[i] = ' ';
    size_t len = strlen(blanked);
    while (skipped && len > skipped && (isspace((unsigned char)blanked[len - 1]) || blanked[len - 1] == ';')) len--;
    snprintf(name, sizeof name, "input %zu", r->ninputs);
    theta_status status = theta_nix_load(r->job.machine, name, blanked, len, &r->scope, out, err);
    free(blanked);
    return status == THETA_OK;
}

static bool show(repl *r, theta_value v, int64_t depth, theta_error *err) {
    theta_value args[2] = {v, theta_int(depth)}, text;
    const char *data;
    size_t len;
    if (theta_nix(r->job.machine, THETA_NIX_SHOW, args, 2, &text, err) != THETA_OK) return false;
    if (theta_value_string(r->job.machine, text, &data, &len) != THETA_OK) return false;
    (void)out_buffered(NULL, data, len);
    put("\n");
    return true;
}

static bool add_names(repl *r, theta_value set, theta_error *err) {
    theta_value args[2] = {r->scope, set}, joined;
    return theta_call_value(r->job.machine, r->update, args, 2, &joined, err) == THETA_OK &&
           keep(r, joined, &r->scope, err);
}

static bool bind(repl *r, const char *name, const char *input, size_t skipped, theta_error *err) {
    theta_value v, set;
    return compile(r, input, skipped, &v, err) && theta_set(r->job.machine, &name, &v, 1, &set, err) == THETA_OK &&
           add_names(r, set, err);
}

/* The value of a text: evaluated, and a function called that needs nothing more than what was given with --arg. */
static bool called(repl *r, theta_value v, theta_value *out, theta_error *err) {
    if (theta_value_force(r->job.machine, v, &v, err) != THETA_OK) return false;
    theta_value args[2] = {v, r->args};
    *out = v;
    if (!theta_nix_callable(r->job.machine, v, r->args)) return true;
    return theta_nix(r->job.machine, THETA_NIX_AUTO_CALL, args, 2, out, err) == THETA_OK;
}

static const char *kind_words(theta_kind kind) {
    switch (kind) {
    case THETA_NULL: return "null";
    case THETA_BOOL: return "a Boolean";
    case THETA_INT: return "an integer";
    case THETA_FLOAT: return "a float";
    case THETA_STRING: return "a string";
    case THETA_PATH: return "a path";
    case THETA_LIST: return "a list";
    case THETA_SET: return "a set";
    case THETA_FUNCTION: return "a function";
    default: return "a value of another kind";
    }
}

static bool add_set(repl *r, theta_value v, theta_error *err) {
    size_t n;
    if (!called(r, v, &v, err)) return false;
    theta_kind kind = theta_value_kind(r->job.machine, v);
    if (kind != THETA_SET)
        return refuse(r, err, "this is %s: only the names of a set can be added to the scope", kind_words(kind));
    if (theta_value_len(r->job.machine, v, &n) != THETA_OK || !add_names(r, v, err)) return false;
    putf("Added %zu variable%s.\n", n, n == 1 ? "" : "s");
    return true;
}

/* ---- Commands ----------------------------------------------------------------------------------------------- */

typedef bool (*action)(repl *r, const char *rest, theta_error *err);

static bool open_session(repl *r, theta_error *err);
static void close_session(repl *r);
static bool help(repl *r, const char *rest, theta_error *err);

static bool type(repl *r, const char *rest, theta_error *err) {
    theta_value v;
    if (!compile(r, rest, 0, &v, err)) return false;
    if (theta_value_force(r->job.machine, v, &v, err) != THETA_OK) return false;
    putf("%s\n", kind_words(theta_value_kind(r->job.machine, v)));
    return true;
}

static bool print_deep(repl *r, const char *rest, theta_error *err) {
    theta_value v;
    return compile(r, rest, 0, &v, err) && show(r, v, 0, err);
}

static bool add(repl *r, const char *rest, theta_error *err) {
    theta_value v;
    return compile(r, rest, 0, &v, err) && add_set(r, v, err);
}

static bool load_file(repl *r, const char *path, theta_error *err) {
    char *real = realpath(path, NULL);
    theta_value v;
    if (!real) return refuse(r, err, "cannot read '%.900s': %s", path, strerror(errno));
    signals_watch(r->job.machine, false);
    refuel(r);
    bool good = theta_path(r->job.machine, real, strlen(real), &v) == THETA_OK &&
                theta_nix(r->job.machine, THETA_NIX_IMPORT, &v, 1, &v, err) == THETA_OK && add_set(r, v, err);
    free(real);
    return good;
}

static bool load(repl *r, const char *rest, theta_error *err) {
    size_t len = strlen(rest);
    while (len > 0 && isspace((unsigned char)rest[len - 1])) len--;
    if (!remember_text(&r->loaded, &r->nloaded, &r->loaded_capacity, rest, len)) return false;
    if (load_file(r, r->loaded[r->nloaded - 1], err)) return true;
    free(r->loaded[--r->nloaded]);
    return false;
}

/* Forgets everything, and reads the files again that were loaded. */
static bool reload(repl *r, const char *rest, theta_error *err) {
    (void)rest;
    close_session(r);
    if (!open_session(r, err)) {
        r->done = true;
        return false;
    }
    for (size_t i = 0; i < r->nloaded; i++)
        if (!load_file(r, r->loaded[i], err)) return false;
    return true;
}

static bool traces(repl *r, const char *rest, theta_error *err) {
    (void)err;
    bool on = !(r->o.given & OPTION_SHOW_TRACE);
    if (strncmp(rest, "enable", 6) == 0) on = true;
    if (strncmp(rest, "disable", 7) == 0) on = false;
    r->o.given = on ? r->o.given | OPTION_SHOW_TRACE : r->o.given & ~(uint32_t)OPTION_SHOW_TRACE;
    put(on ? "errors are shown with a trace\n" : "errors are shown without a trace\n");
    return true;
}

static bool quit(repl *r, const char *rest, theta_error *err) {
    (void)rest, (void)err;
    r->done = true;
    return true;
}

static const struct {
    const char *names[2], *argument, *help;
    action run;
} commands[] = {
    {{"a", "add"}, "EXPR", "add the names of a set to the scope", add},
    {{"l", "load"}, "FILE", "evaluate a file, and add the names of the set that it is", load},
    {{"p", "print"}, "EXPR", "evaluate all of a value, and print it", print_deep},
    {{"t", "type"}, "EXPR", "the kind of a value", type},
    {{"r", "reload"}, "", "forget everything, and load the files again", reload},
    {{"te", "trace"}, "", "switch traces of errors on or off (or: enable, disable)", traces},
    {{"?", "help"}, "", "this text", help},
    {{"q", "quit"}, "", "leave (so does Ctrl-D)", quit},
};
#define NCOMMANDS (sizeof commands / sizeof *commands)

static bool help(repl *r, const char *rest, theta_error *err) {
    (void)r, (void)rest, (void)err;
    put("EXPR          evaluate an expression, and print its value, one level deep\n"
        "NAME = EXPR   bind a name\n");
    for (size_t i = 0; i < NCOMMANDS; i++) {
        char left[32];
        snprintf(left, sizeof left, ":%s, :%s %s", commands[i].names[0], commands[i].names[1], commands[i].argument);
        putf("%-20s %s\n", left, commands[i].help);
    }
    put("An input that is not finished goes on in the next line; Ctrl-C drops it, or stops an evaluation.\n");
    return true;
}

static bool command_input(repl *r, const char *line, theta_error *err) {
    char name[16];
    size_t len = strcspn(line + 1, " \t\n");
    if (len < sizeof name) {
        memcpy(name, line + 1, len);
        name[len] = 0;
        const char *rest = line + 1 + len + strspn(line + 1 + len, " \t\n");
        for (size_t i = 0; i < NCOMMANDS; i++) {
            if (strcmp(name, commands[i].names[0]) != 0 && strcmp(name, commands[i].names[1]) != 0) continue;
            if (*rest || !*commands[i].argument) return commands[i].run(r, rest, err);
            return refuse(r, err, ":%s wants %s", name, commands[i].argument);
        }
    }
    return refuse(r, err, "there is no command '%.*s'; :? tells which there are", (int)(len < 200 ? len + 1 : 200),
                  line);
}

/* ---- Inputs ------------------------------------------------------------------------------------------------- */

/* `name = expression`: the name in `name`, and where the expression begins; NULL: it is another input. */
static const char *binding(const char *text, char *name, size_t room) {
    const char *p = text + strspn(text, " \t\n");
    size_t n = 0;
    if (!isalpha((unsigned char)*p) && *p != '_') return NULL;
    while (isalnum((unsigned char)p[n]) || (p[n] && strchr("_'-", p[n]))) n++;
    const char *equals = p + n + strspn(p + n, " \t\n");
    if (n >= room || equals[0] != '=' || equals[1] == '=') return NULL;
    memcpy(name, p, n);
    name[n] = 0;
    return equals + 1;
}

static bool run_input(repl *r, const char *text, theta_error *err) {
    char name[256];
    theta_value v;
    const char *expression = binding(text, name, sizeof name);
    if (text[0] == ':') return command_input(r, text, err);
    if (!expression) return compile(r, text, 0, &v, err) && show(r, v, 1, err);
    return bind(r, name, text, (size_t)(expression - text), err);
}

/* False: it goes on in the next line. */
static bool input(repl *r, bool more) {
    theta_error err = {0};
    if (run_input(r, r->pending, &err)) return true;
    if (more && ends_early(&err)) return false;
    failed(r, &err);
    return true;
}

static bool is_blank(const char *text) {
    text += strspn(text, " \t\r\n");
    return *text == 0 || (*text == '#' && !strchr(text, '\n'));
}

static bool append(repl *r, const char *line, size_t len) {
    if (r->capacity - r->len < len + 2) {
        size_t capacity = 2 * r->capacity + len + 256;
        char *grown = realloc(r->pending, capacity);
        if (!grown) return false;
        r->pending = grown;
        r->capacity = capacity;
    }
    if (r->len) r->pending[r->len++] = '\n';
    memcpy(r->pending + r->len, line, len);
    r->len += len;
    r->pending[r->len] = 0;
    return true;
}

static void take_line(repl *r, const char *line, size_t len) {
    if (!append(r, line, len)) {
        complain("out of memory");
        r->done = r->failed = true;
        return;
    }
    if (is_blank(r->pending)) {
        r->len = 0;
        return;
    }
    if (!input(r, true)) return;
    if (r->interactive) lines_remember(r->lines, r->pending);
    r->len = 0;
    (void)out_direct(NULL, "", 0);
}

static void interrupted(repl *r) {
    if (r->interactive) put("\n");
    (void)out_direct(NULL, "", 0);
    r->len = 0;
    signals_forget();
    theta_machine_clear_cancel(r->job.machine);
    if (!r->interactive) r->done = r->failed = true;
}

static void loop(repl *r) {
    while (!r->done && !out_failed()) {
        const char *line;
        size_t len;
        signals_watch(r->job.machine, false);
        switch (lines_next(r->lines, r->len ? "   ... " : "nix> ", &line, &len)) {
        case LINE_READ: take_line(r, line, len); break;
        case LINE_INTERRUPTED: interrupted(r); break;
        case LINE_END:
            if (r->len)
                (void)input(r, false);
            else if (r->interactive)
                put("\n");
            r->done = true;
            break;
        }
    }
}

/* ---- Completion --------------------------------------------------------------------------------------------- */

typedef struct completion {
    void (*found)(void *to, const char *name);
    void *to;
} completion;

static bool is_name(const char *text, size_t len) {
    if (len == 0 || (!isalpha((unsigned char)text[0]) && text[0] != '_')) return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr("_'-", text[i])) return false;
    return true;
}

/* The names of the set that start with the last `len` bytes of `prefix`, with what is in front of those. */
static void each_of(repl *r, theta_value set, const char *prefix, size_t len, completion c) {
    size_t n, name_len, before = strlen(prefix) - len;
    const char *name;
    if (theta_value_len(r->job.machine, set, &n) != THETA_OK) return;
    for (size_t i = 0; i < n && theta_value_name(r->job.machine, set, i, &name, &name_len) == THETA_OK; i++) {
        char whole[512];
        if (name_len < len || memcmp(name, prefix + before, len) != 0 || !is_name(name, name_len)) continue;
        if (before + name_len >= sizeof whole) continue;
        snprintf(whole, sizeof whole, "%.*s%.*s", (int)before, prefix, (int)name_len, name);
        c.found(c.to, whole);
    }
}

static void each_name(void *user, const char *prefix, void (*found)(void *to, const char *name), void *to) {
    static const char *const words[] = {"assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"};
    repl *r = user;
    completion c = {found, to};
    const char *dot = strrchr(prefix, '.');
    theta_value set;
    if (!dot) {
        each_of(r, r->scope, prefix, strlen(prefix), c);
        theta_nix_complete(r->job.engine, prefix, found, to);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (strncmp(words[i], prefix, strlen(prefix)) == 0) found(to, words[i]);
        return;
    }
    theta_error ignored = {0};
    if (dot > prefix &&
        theta_nix_load(r->job.machine, "completion", prefix, (size_t)(dot - prefix), &r->scope, &set, &ignored) ==
            THETA_OK &&
        theta_value_force(r->job.machine, set, &set, &ignored) == THETA_OK)
        each_of(r, set, prefix, strlen(dot + 1), c);
}

/* ---- Sessions ----------------------------------------------------------------------------------------------- */

static bool open_session(repl *r, theta_error *err) {
    static const char join[] = "a: b: a // b";
    theta_value set;
    if (!job_machine(&r->job, NULL, 0) || !cli_nix_configure(&r->job)) return false;
    r->fuel_used = 0;
    r->scope = r->update = r->args = (theta_value){0};
    if (theta_set(r->job.machine, NULL, NULL, 0, &set, err) != THETA_OK || !keep(r, set, &r->scope, err)) return false;
    if (theta_nix_load(r->job.machine, "join", join, sizeof join - 1, NULL, &set, err) != THETA_OK) return false;
    return keep(r, set, &r->update, err) && cli_nix_args(&r->job, &r->args);
}

static void close_session(repl *r) {
    signals_watch(NULL, false);
    theta_machine_free(r->job.machine);
    r->job.machine = NULL;
}

static void load_words(repl *r) {
    for (size_t i = 0; i < r->o.nwords; i++) {
        theta_error err = {0};
        if (!load(r, r->o.words[i], &err)) failed(r, &err);
    }
}

int cli_nix_repl(const options *o) {
    repl *r = calloc(1, sizeof *r);
    theta_error err = {0};
    if (!r) {
        complain("out of memory");
        return STATUS_FAILED;
    }
    r->o = *o;
    r->interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    bool opened = job_open(&r->job, &r->o, "input");
    if (opened) {
        r->job.user = r;
        r->job.find_input = find_input;
        r->job.show_trace = cli_nix_show_trace;
        opened = open_session(r, &err);
        if (!opened && err.code != THETA_OK) job_error(&r->job, &err);
    }
    if (opened) r->lines = lines_new(r->interactive, (line_names){each_name, r, "-'"});
    if (opened && r->lines) {
        if (r->interactive) put("theta: Nix expressions; :? tells more, Ctrl-D leaves\n");
        load_words(r);
        (void)out_direct(NULL, "", 0);
        loop(r);
    } else {
        r->failed = true;
    }
    int status = r->failed && !r->interactive ? STATUS_FAILED : STATUS_OK;
    lines_free(r->lines);
    close_session(r);
    job_close(&r->job);
    for (size_t i = 0; i < r->ninputs; i++) free(r->inputs[i]);
    for (size_t i = 0; i < r->nloaded; i++) free(r->loaded[i]);
    free(r->inputs);
    free(r->loaded);
    free(r->pending);
    free(r);
    return status;
}
