/*
** repl.c - read, evaluate, print. Piped input is read without prompts, and then any failure makes the exit status 1.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct repl {
    job job;
    theta_session *session;
    lines *lines;
    char *input; /* the lines of an input so far */
    size_t len, capacity;
    bool interactive, failed, done, shows_time;
    uint32_t line, begin; /* of piped input: lines read, and where the input so far began */
    int64_t fuel_used;    /* by the inputs before */
} repl;

/* ---- Sessions ----------------------------------------------------------------------------------------------- */

static bool open_session(repl *r) {
    theta_error err = {0};
    if (!job_machine(&r->job, NULL, 0)) return false;
    r->fuel_used = 0;
    if (theta_session_new(r->job.machine, &r->session, &err) == THETA_OK) return true;
    job_error(&r->job, &err);
    return false;
}

static void close_session(repl *r) {
    signals_watch(NULL, false);
    theta_session_free(r->session);
    theta_machine_free(r->job.machine);
    r->session = NULL;
    r->job.machine = NULL;
}

/* Every input has the whole of the fuel: what the ones before used is given back. */
static void refuel(repl *r) {
    if (r->job.o->fuel < 0) return;
    int64_t used = theta_machine_fuel_used(r->job.machine);
    theta_machine_add_fuel(r->job.machine, used - r->fuel_used);
    r->fuel_used = used;
}

/* ---- Evaluating --------------------------------------------------------------------------------------------- */

static void failed(repl *r, theta_status status, theta_text *diagnostics, const theta_error *err) {
    r->failed = true;
    if (theta_machine_flush(r->job.machine) != THETA_OK) r->failed = true;
    (void)out_direct(NULL, "", 0);
    if (status == THETA_E_CANCELLED && signals_seen())
        complain("interrupted");
    else
        job_diagnostics(&r->job, status, diagnostics, err);
    theta_text_free(diagnostics);
    signals_forget();
    theta_machine_clear_cancel(r->job.machine);
}

static void show_value(repl *r, theta_value value) {
    theta_machine *machine = r->job.machine;
    theta_text text;
    theta_error err = {0};
    theta_kind kind = theta_value_kind(machine, value);
    theta_status status = THETA_OK;
    if (kind == THETA_VOID) return;
    if (kind == THETA_TABLE) {
        const char *format = r->job.o->format ? r->job.o->format : "grid";
        status = theta_table_write(machine, value, format, terminal_width(), 0, out_buffered, NULL, &err);
    } else {
        status = theta_value_text(machine, value, THETA_TEXT_QUOTED, &text, &err);
        if (status == THETA_OK) {
            (void)out_buffered(NULL, text.data, text.len);
            put("\n");
            theta_text_free(&text);
        }
    }
    if (status != THETA_OK) failed(r, status, &(theta_text){0}, &err);
}

/* False: the input goes on in the next line, as it may when there is `more` to come. */
static bool evaluate(repl *r, const char *text, size_t len, bool more) {
    theta_error err = {0};
    theta_text diagnostics = {0};
    theta_value value = {0};
    bool incomplete = false;
    double began = clock_seconds();
    signals_watch(r->job.machine, false);
    refuel(r);
    if (!r->interactive) theta_session_at(r->session, r->begin);
    theta_status status = theta_session_eval(r->session, text, len, r->job.o->color, more ? &incomplete : NULL, &value,
                                             &diagnostics, &err);
    if (incomplete && status == THETA_OK) {
        theta_text_free(&diagnostics);
        return false;
    }
    if (status == THETA_OK) {
        if (theta_machine_flush(r->job.machine) != THETA_OK) r->failed = true;
        job_diagnostics(&r->job, status, &diagnostics, &err);
        show_value(r, value);
    } else {
        failed(r, status, &diagnostics, &err);
    }
    if (r->shows_time) putf("%.3f ms\n", (clock_seconds() - began) * 1e3);
    r->shows_time = false;
    return true;
}

/* ---- The inputs that begin with a colon --------------------------------------------------------------------- */

static bool show_help(repl *r, const char *rest);

static void whole_input(repl *r, const char *text, size_t len) { (void)evaluate(r, text, len, false); }

static bool show_type(repl *r, const char *rest) {
    theta_error err = {0};
    theta_text type = {0}, diagnostics = {0};
    theta_status status =
        theta_session_type(r->session, rest, strlen(rest), r->job.o->color, &type, &diagnostics, &err);
    if (status == THETA_OK) {
        (void)out_buffered(NULL, type.data, type.len);
        put("\n");
        theta_text_free(&type);
        theta_text_free(&diagnostics);
    } else {
        failed(r, status, &diagnostics, &err);
    }
    return true;
}

static bool show_plan(repl *r, const char *rest) {
    theta_error err = {0};
    theta_text plan, diagnostics = {0};
    theta_value value = {0};
    signals_watch(r->job.machine, false);
    refuel(r);
    theta_status status =
        theta_session_eval(r->session, rest, strlen(rest), r->job.o->color, NULL, &value, &diagnostics, &err);
    if (status == THETA_OK) status = theta_table_explain(r->job.machine, value, &plan, &err);
    if (status == THETA_OK) {
        (void)out_buffered(NULL, plan.data, plan.len);
        theta_text_free(&plan);
        theta_text_free(&diagnostics);
    } else {
        failed(r, status, &diagnostics, &err);
    }
    return true;
}

static bool load_file(repl *r, const char *rest) {
    char *text;
    size_t len;
    if (!read_whole(rest, &text, &len)) {
        r->failed = true;
        return true;
    }
    whole_input(r, text, len);
    free(text);
    return true;
}

static bool time_input(repl *r, const char *rest) {
    r->shows_time = true;
    whole_input(r, rest, strlen(rest));
    r->shows_time = false;
    return true;
}

static bool reset(repl *r, const char *rest) {
    (void)rest;
    close_session(r);
    return open_session(r);
}

static bool quit(repl *r, const char *rest) {
    (void)rest;
    r->done = true;
    return true;
}

static const struct {
    const char *name, *argument, *help;
    bool (*run)(repl *r, const char *rest); /* false: the session is lost */
} colon_commands[] = {
    {"type", "EXPR", "the type of an expression, which is not run", show_type},
    {"explain", "EXPR", "the plan of a table", show_plan},
    {"time", "EXPR", "evaluate, and say how long it took", time_input},
    {"load", "FILE", "evaluate a file as if it were typed here", load_file},
    {"reset", "", "forget everything", reset},
    {"help", "", "this text", show_help},
    {"quit", "", "leave (so does Ctrl-D)", quit},
};
#define NCOLON (sizeof colon_commands / sizeof *colon_commands)

static bool show_help(repl *r, const char *rest) {
    (void)r, (void)rest;
    put("An expression is evaluated and its value printed; `it` is the last value. What is bound stays bound.\n"
        "An input that is not finished goes on in the next line; Ctrl-C drops it.\n");
    for (size_t i = 0; i < NCOLON; i++)
        putf("  :%-8s%-5s %s\n", colon_commands[i].name, colon_commands[i].argument, colon_commands[i].help);
    return true;
}

static const char *nth_colon(const void *user, size_t i) {
    (void)user;
    return i < NCOLON ? colon_commands[i].name : NULL;
}

/* Whether the line is one of them: `:name` at its start that is no symbol on its own is hard to tell, so commands win. */
static bool colon_command(repl *r, const char *line) {
    char name[16];
    size_t len = strcspn(line + 1, " \t");
    if (len >= sizeof name) len = sizeof name - 1;
    memcpy(name, line + 1, len);
    name[len] = 0;
    const char *rest = line + 1 + len;
    rest += strspn(rest, " \t");
    for (size_t i = 0; i < NCOLON; i++) {
        if (strcmp(name, colon_commands[i].name) != 0 && !(strcmp(name, "q") == 0 && colon_commands[i].run == quit))
            continue;
        if (!*rest && *colon_commands[i].argument) {
            complain(":%s wants %s", colon_commands[i].name, colon_commands[i].argument);
            r->failed = true;
        } else if (!colon_commands[i].run(r, rest)) {
            r->done = r->failed = true;
        }
        return true;
    }
    const char *meant = suggest(name, nth_colon, NULL);
    if (!meant || *rest == 0) return false; /* a symbol */
    complain("there is no command :%s; did you mean :%s?", name, meant);
    r->failed = true;
    return true;
}

/* ---- Lines -------------------------------------------------------------------------------------------------- */

static bool append(repl *r, const char *line, size_t len) {
    if (r->capacity - r->len < len + 2) {
        size_t capacity = 2 * r->capacity + len + 256;
        char *input = realloc(r->input, capacity);
        if (!input) {
            complain("out of memory");
            return false;
        }
        r->input = input;
        r->capacity = capacity;
    }
    if (r->len) r->input[r->len++] = '\n';
    memcpy(r->input + r->len, line, len);
    r->len += len;
    r->input[r->len] = 0;
    return true;
}

static bool is_blank(const char *text) { return text[strspn(text, " \t\r\n")] == 0; }

static void remember(repl *r) {
    if (r->interactive && !is_blank(r->input)) lines_remember(r->lines, r->input);
}

static void take_line(repl *r, const char *line, size_t len) {
    bool first = r->len == 0;
    r->line++;
    if (first) r->begin = r->line;
    if (!append(r, line, len)) {
        r->done = r->failed = true;
        return;
    }
    if (first && is_blank(r->input)) {
        r->len = 0;
        return;
    }
    /* The analyser loses sight of r->input, which is freed at the end. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    bool whole = first && r->input[0] == ':' && colon_command(r, r->input);
    if (!whole) whole = evaluate(r, r->input, r->len, true);
    if (!whole) return;
    remember(r);
    r->len = 0;
    (void)out_direct(NULL, "", 0);
}

static void interrupted(repl *r) {
    if (r->interactive) put("\n");
    (void)out_direct(NULL, "", 0);
    r->len = 0;
    signals_forget();
    theta_machine_clear_cancel(r->job.machine);
}

static void loop(repl *r) {
    while (!r->done && !out_failed()) {
        const char *line;
        size_t len;
        signals_watch(r->job.machine, false);
        switch (lines_next(r->lines, r->len ? "  ... " : "theta> ", &line, &len)) {
        case LINE_READ: take_line(r, line, len); break;
        case LINE_INTERRUPTED:
            interrupted(r);
            if (!r->interactive) r->done = r->failed = true;
            break;
        case LINE_END:
            if (r->len)
                whole_input(r, r->input, r->len);
            else if (r->interactive)
                put("\n");
            r->done = true;
            break;
        }
    }
}

static void each_name(void *user, const char *prefix, void (*found)(void *to, const char *name), void *to) {
    repl *r = user;
    theta_session_complete(r->session, prefix, found, to);
}

int repl_command(const options *o) {
    repl r = {.interactive = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)};
    if (o->language && strcmp(o->language, "nix") == 0) return cli_nix_repl(o);
    if (o->language && strcmp(o->language, "theta") != 0) {
        complain("repl: there is no language '%s'; known: theta, nix", o->language);
        return STATUS_USAGE;
    }
    if (o->nwords > 0) {
        complain("repl: '%s' is one argument too many", o->words[0]);
        return STATUS_USAGE;
    }
    bool opened = job_open(&r.job, o, "input") && open_session(&r);
    if (opened) r.lines = lines_new(r.interactive, (line_names){each_name, &r, NULL});
    if (opened && r.lines) {
        if (r.interactive) put("theta: an expression is evaluated; :help tells more, Ctrl-D leaves\n");
        (void)out_direct(NULL, "", 0);
        loop(&r);
    } else {
        r.failed = true;
    }
    lines_free(r.lines);
    close_session(&r);
    job_close(&r.job);
    free(r.input);
    return r.failed && !r.interactive ? STATUS_FAILED : STATUS_OK;
}
