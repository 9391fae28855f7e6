/*
** job.c - one program from its text to its end: compile, run under limits, print, suspend into a file, tell errors.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool job_open(job *j, const options *o, const char *name) {
    theta_error err = {0};
    *j = (job){.o = o, .name = name};
    if (o->given & OPTION_PROFILE) j->profile = profile_new();
    if (theta_engine_new(NULL, &j->engine, &err) == THETA_OK) return true;
    complain("%s", err.message);
    return false;
}

void job_close(job *j) {
    signals_watch(NULL, false);
    theta_machine_free(j->machine);
    theta_program_release(j->program);
    theta_engine_free(j->engine);
    profile_free(j->profile);
    free(j->source);
    j->machine = NULL;
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

/* The file itself, when it is one and no program holds its text. */
static bool read_source(job *j, const char *file) {
    struct stat info;
    char *text;
    size_t len;
    if (stat(file, &info) != 0 || !S_ISREG(info.st_mode) || !read_quietly(file, &text, &len)) return false;
    free(j->source);
    j->source = text;
    j->source_len = len;
    return true;
}

static bool find_source(job *j, const char *file, const char **text, size_t *len) {
    if (j->machine && theta_machine_source(j->machine, file, text, len)) return true;
    if (j->find_input && j->find_input(j, file, text, len)) return true;
    if (!(j->source && strcmp(file, j->name) == 0) && !read_source(j, file)) return false;
    *text = j->source;
    *len = j->source_len;
    return true;
}

static void tell_trace(job *j) {
    theta_text trace;
    theta_state state = j->machine ? theta_machine_state(j->machine) : THETA_IDLE;
    if (state != THETA_FAILED && state != THETA_SUSPENDED) return;
    if (theta_machine_trace(j->machine, &trace) != THETA_OK) return;
    if (trace.len && j->show_trace)
        j->show_trace(j, &trace);
    else if (trace.len)
        fwrite(trace.data, 1, trace.len, stderr);
    theta_text_free(&trace);
}

void job_error(job *j, const theta_error *err) {
    const char *text = NULL;
    size_t len = 0;
    theta_text rendered;
    if (err->file[0]) (void)find_source(j, err->file, &text, &len);
    if (err->file[0] && theta_error_render(j->engine, err, text, len, j->o->color, &rendered) == THETA_OK) {
        fwrite(rendered.data, 1, rendered.len, stderr);
        theta_text_free(&rendered);
    } else {
        const char *kind = theta_status_text(err->code);
        if (strncmp(err->message, kind, strlen(kind)) == 0)
            complain("error: %s", err->message);
        else
            complain("error: %s%s%s", kind, err->message[0] ? ": " : "", err->message);
    }
    tell_trace(j);
}

void job_diagnostics(job *j, theta_status status, theta_text *diagnostics, const theta_error *err) {
    if (diagnostics->len)
        fwrite(diagnostics->data, 1, diagnostics->len, stderr);
    else if (status != THETA_OK)
        job_error(j, err);
    theta_text_free(diagnostics);
}

/* ---- Compiling ---------------------------------------------------------------------------------------------- */

bool job_compile_text(job *j, const char *name, const char *text, size_t len, bool expression) {
    theta_compile_config config;
    theta_compile_config_init(&config);
    theta_error err = {0};
    theta_text diagnostics = {0};
    config.language = j->o->language ? j->o->language : expression ? "theta" : NULL;
    config.expression = expression;
    config.color = j->o->color;
    config.parse_only = j->o->given & OPTION_PARSE_ONLY;
    config.read_files = j->o->allow & THETA_ALLOW_FS; /* what the program may not do is not done for it either */
    theta_status status = theta_compile(j->engine, name, text, len, &config, &j->program, &diagnostics, &err);
    job_diagnostics(j, status, &diagnostics, &err);
    profile_compiled(j->profile);
    return status == THETA_OK;
}

bool job_compile_file(job *j, const char *path, bool expression) {
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    j->name = name;
    if (!read_whole(path, &j->source, &j->source_len)) return false;
    return job_compile_text(j, name, j->source, j->source_len, expression);
}

/* Unless told otherwise, three quarters of the machine's memory: a runaway program gets an error, and not everybody else. */
static size_t most_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages / 4 * 3 * (size_t)size : 0;
}

/* ---- Running ------------------------------------------------------------------------------------------------ */

bool job_machine(job *j, const char *const *args, size_t nargs) {
    const options *o = j->o;
    theta_machine_config config;
    theta_machine_config_init(&config);
    theta_error err = {0};
    config.fuel = o->given & OPTION_TRACE ? 0 : o->fuel;
    config.memory_bytes = o->memory_bytes ? o->memory_bytes : most_memory();
    config.timeout_s = o->timeout_s;
    config.allow = o->allow;
    config.resumable = o->save || (o->given & OPTION_TRACE);
    config.write = out_direct;
    config.args = args;
    config.nargs = nargs;
    theta_status status = theta_machine_new(j->engine, &config, &j->machine, &err);
    if (status == THETA_OK)
        status = theta_machine_set_format(j->machine,
                                          o->format          ? o->format
                                          : terminal_width() ? "grid"
                                                             : "csv",
                                          terminal_width(), 0, false);
    if (status == THETA_OK && j->program) status = theta_machine_add(j->machine, j->program, &err);
    if (status == THETA_OK) return true;
    if (err.code == THETA_OK) err.code = status;
    job_error(j, &err);
    return false;
}

/* Stepping for --trace: tells the place when it is another one, then gives fuel for one more stretch. */
static bool trace_step(job *j, char *last, size_t room) {
    theta_text trace;
    if (theta_machine_trace(j->machine, &trace) != THETA_OK) return false;
    size_t len = strcspn(trace.data, "\n");
    if (len >= room) len = room - 1;
    trace.data[len] = 0;
    if (strcmp(trace.data, last) != 0) {
        fprintf(stderr, "%s\n", trace.data);
        memcpy(last, trace.data, len + 1);
    }
    theta_text_free(&trace);
    if (j->o->fuel >= 0 && theta_machine_fuel_used(j->machine) - j->fuel_before > j->o->fuel) return false;
    theta_machine_add_fuel(j->machine, 1);
    return true;
}

/* Runs until it is over, or stopped by what the user set. Each theta_run has the whole time limit, so it is kept here too. */
static theta_state drive(job *j) {
    char last[512] = "";
    for (;;) {
        theta_state state = theta_run(j->machine);
        if (state != THETA_SUSPENDED) return state;
        bool sampled = signals_sampled();
        if (sampled) profile_sample(j->profile, j->machine);
        switch (theta_suspended_for(j->machine)) {
        case THETA_E_SUSPENDED:
            if (signals_seen()) return state;
            break;
        case THETA_E_FUEL:
            if (!(j->o->given & OPTION_TRACE) || !trace_step(j, last, sizeof last)) return state;
            break;
        default: return state;
        }
        if (j->o->timeout_s > 0 && clock_seconds() - j->began > j->o->timeout_s) theta_machine_cancel(j->machine);
    }
}

static int print_text(job *j, theta_value value) {
    theta_error err = {0};
    theta_text text;
    bool json = j->o->format && strstr(j->o->format, "json");
    theta_status status = theta_value_text(j->machine, value, json ? THETA_TEXT_JSON : THETA_TEXT_PLAIN, &text, &err);
    if (status != THETA_OK) {
        job_error(j, &err);
        return STATUS_FAILED;
    }
    (void)out_buffered(NULL, text.data, text.len);
    (void)out_buffered(NULL, "\n", 1);
    theta_text_free(&text);
    return STATUS_OK;
}

/* How a failure is told and what it is worth as a status. */
static int fail(job *j, theta_error *err) {
    if (out_failed()) return STATUS_FAILED; /* told at the end */
    int signal = signals_seen();
    if (signal) {
        complain("interrupted");
        return STATUS_SIGNAL + signal;
    }
    if (err->code == THETA_E_CANCELLED && j->o->timeout_s > 0) {
        err->code = THETA_E_TIMEOUT;
        snprintf(err->message, sizeof err->message, "the time limit of %.3g s is reached", j->o->timeout_s);
    }
    job_error(j, err);
    return STATUS_FAILED;
}

/* ---- Suspension --------------------------------------------------------------------------------------------- */

static int save(job *j) {
    theta_error err = {0};
    theta_text state;
    if (theta_save(j->machine, &state, &err) != THETA_OK) {
        job_error(j, &err);
        return STATUS_FAILED;
    }
    bool written = write_whole(j->o->save, state.data, state.len);
    theta_text_free(&state);
    return written ? STATUS_OK : STATUS_FAILED;
}

static int suspended(job *j) {
    theta_error err = {.code = THETA_E_FUEL};
    int signal = signals_seen();
    size_t nargs;
    const char *waits = theta_waiting(j->machine, &nargs);
    if (waits) {
        complain("the run waits for %s, which only the program that started it can answer", waits);
        return STATUS_FAILED;
    }
    if (!j->o->save) {
        snprintf(err.message, sizeof err.message, "the fuel of %lld is used up", (long long)j->o->fuel);
        return fail(j, &err);
    }
    int status = save(j);
    if (status != STATUS_OK) return status;
    complain("%s after %lld instructions; `theta resume %s` goes on", signal ? "interrupted" : "out of fuel",
             (long long)theta_machine_fuel_used(j->machine), j->o->save);
    return signal ? STATUS_SIGNAL + signal : STATUS_SUSPENDED;
}

/* The run has given `value`: a table is still to be computed, and that is a run too. */
static theta_state drive_table(job *j, theta_state state, theta_error *err) {
    theta_value value;
    if (state != THETA_DONE || theta_result(j->machine, &value, err) != THETA_OK) return state;
    if (theta_value_kind(j->machine, value) != THETA_TABLE) return state;
    return theta_start_print(j->machine, value, err) == THETA_OK ? drive(j) : THETA_FAILED;
}

static int ended(job *j, theta_error *err) {
    theta_value value;
    if (err->code != THETA_OK || theta_result(j->machine, &value, err) != THETA_OK) return fail(j, err);
    signals_watch(j->machine, false);
    return theta_value_kind(j->machine, value) == THETA_VOID ? STATUS_OK : print_text(j, value);
}

int job_run(job *j) {
    theta_error err = {0};
    signals_watch(j->machine, j->o->save != NULL);
    j->began = clock_seconds();
    j->fuel_before = theta_machine_fuel_used(j->machine);
    if (j->profile) signals_sample(j->machine);
    theta_state state = drive_table(j, drive(j), &err);
    if (j->profile) signals_sample(NULL);
    if (theta_machine_flush(j->machine) != THETA_OK && out_failed()) return STATUS_FAILED;
    int status = state == THETA_SUSPENDED ? suspended(j) : ended(j, &err);
    if (j->profile) profile_report(j->profile, j->machine);
    return status;
}

/* ---- For other kinds of runs -------------------------------------------------------------------------------- */

theta_state job_drive(job *j) {
    if (j->profile) signals_sample(j->machine);
    theta_state state = drive(j);
    if (j->profile) signals_sample(NULL);
    return state;
}

int job_fail(job *j, theta_error *err) { return fail(j, err); }
