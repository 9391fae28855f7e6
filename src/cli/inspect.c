/*
** inspect.c - what is in a file: a compiled program, an Arrow table, or a suspended run; told apart by their first bytes.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Programs ----------------------------------------------------------------------------------------------- */

static void each_export(const theta_program *program) {
    const char *name;
    theta_text type;
    for (size_t i = 0; theta_program_export(program, i, &name, &type); i++) {
        putf("%s  %s", i ? "" : "exports\n", name);
        putf("  %s\n", type.data);
        theta_text_free(&type);
    }
}

static void each_import(const theta_program *program) {
    const char *name;
    theta_text type;
    for (size_t i = 0; theta_program_import(program, i, &name, &type); i++) {
        putf("%s  %s", i ? "" : "imports\n", name);
        putf("  %s\n", type.data);
        theta_text_free(&type);
    }
}

static void each_function(const theta_program *program) {
    theta_function_info f = {.size = sizeof f};
    theta_text type;
    for (size_t i = 0; theta_program_function(program, i, &f, &type); i++) {
        putf("%s  %s", i ? "" : "functions\n", f.name);
        putf("  %s  %" PRIu32 " words, %" PRIu32 " registers\n", type.data, f.words, f.registers);
        theta_text_free(&type);
    }
}

static int inspect_program(job *j) {
    if (!job_compile_text(j, j->name, j->source, j->source_len, false)) return STATUS_FAILED;
    theta_function_info f = {.size = sizeof f};
    size_t nfunctions = 0, words = 0, len;
    while (theta_program_function(j->program, nfunctions, &f, NULL)) words += f.words, nfunctions++;
    (void)theta_program_bytes(j->program, &len);
    putf("%s: a program of %zu bytes, %zu function%s, %zu words of code\n", j->name, len, nfunctions,
         nfunctions == 1 ? "" : "s", words);
    each_export(j->program);
    each_import(j->program);
    each_function(j->program);
    return STATUS_OK;
}

/* ---- Tables ------------------------------------------------------------------------------------------------- */

/* The Arrow C stream interface, laid out as its specification says; an embedder has these from its Arrow library. */
struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};
struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};
struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

enum { ARROW_NULLABLE = 2 };

static const char *type_name(const char *format) {
    static const struct {
        const char *format, *name;
    } names[] = {
        {"n", "null"},   {"b", "bool"},   {"c", "i8"},     {"C", "u8"},     {"s", "i16"},
        {"S", "u16"},    {"i", "i32"},    {"I", "u32"},    {"l", "i64"},    {"L", "u64"},
        {"f", "f32"},    {"g", "f64"},    {"u", "String"}, {"U", "String"}, {"vu", "String"},
        {"z", "binary"}, {"Z", "binary"}, {"tdD", "date"}, {"tdm", "date"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].format, format) == 0) return names[i].name;
    return strncmp(format, "ts", 2) == 0 ? "timestamp" : format;
}

static void print_columns(const struct ArrowSchema *schema) {
    put("columns\n");
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *column = schema->children[i];
        putf("  %s", column->name ? column->name : "");
        putf("  %s%s\n", type_name(column->dictionary ? column->dictionary->format : column->format),
             column->flags & ARROW_NULLABLE ? "?" : "");
    }
}

static bool count_rows(struct ArrowArrayStream *stream, int64_t *rows, size_t *batches) {
    for (*rows = 0, *batches = 0;; ++*batches) {
        struct ArrowArray array = {0};
        if (stream->get_next(stream, &array) != 0) return false;
        if (!array.release) return true;
        *rows += array.length;
        array.release(&array);
    }
}

static int print_stream(const job *j, struct ArrowArrayStream *stream) {
    struct ArrowSchema schema = {0};
    int64_t rows;
    size_t batches;
    if (stream->get_schema(stream, &schema) == 0) {
        bool counted = count_rows(stream, &rows, &batches);
        if (counted) {
            putf("%s: a table of %" PRId64 " row%s in %zu batch%s, %" PRId64 " columns\n", j->name, rows,
                 rows == 1 ? "" : "s", batches, batches == 1 ? "" : "es", schema.n_children);
            print_columns(&schema);
        }
        schema.release(&schema);
        if (counted) return STATUS_OK;
    }
    const char *why = stream->get_last_error(stream);
    complain("%s: %s", j->name, why ? why : "cannot be read");
    return STATUS_FAILED;
}

static int inspect_table(job *j) {
    char *text = malloc(2 * strlen(j->name) + 32), *p = text;
    if (!text) return STATUS_FAILED;
    p += sprintf(p, "Arrow.read('");
    for (const char *s = j->name; *s; s++) {
        if (*s == '\'' || *s == '\\') *p++ = '\\';
        *p++ = *s;
    }
    size_t len = (size_t)(p - text) + (size_t)sprintf(p, "')");
    struct ArrowArrayStream stream = {0};
    theta_error err = {0};
    theta_value value;
    int status = STATUS_FAILED;
    bool compiled = job_compile_text(j, "inspect", text, len, true) && job_machine(j, NULL, 0);
    free(text);
    if (!compiled) return STATUS_FAILED;
    if (theta_call(j->machine, "main", NULL, 0, &value, &err) == THETA_OK &&
        theta_table_export(j->machine, value, &stream, &err) == THETA_OK) {
        status = print_stream(j, &stream);
        stream.release(&stream);
    } else {
        job_error(j, &err);
    }
    return status;
}

/* ---- States ------------------------------------------------------------------------------------------------- */

static const char *why_suspended(const theta_machine *machine) {
    if (theta_machine_state(machine) != THETA_SUSPENDED) return "not suspended";
    switch (theta_suspended_for(machine)) {
    case THETA_E_FUEL: return "out of fuel";
    case THETA_E_SUSPENDED: return "interrupted";
    default: return "waiting for the host";
    }
}

static int inspect_state(job *j) {
    theta_error err = {0};
    theta_text trace;
    size_t nargs = 0;
    if (!job_machine(j, NULL, 0)) return STATUS_FAILED;
    if (theta_restore(j->machine, j->source, j->source_len, &err) != THETA_OK) {
        if (!err.file[0]) snprintf(err.file, sizeof err.file, "%s", j->name);
        job_error(j, &err);
        return STATUS_FAILED;
    }
    putf("%s: a suspended run of %zu bytes, %s\n", j->name, j->source_len, why_suspended(j->machine));
    putf("%" PRId64 " instructions run, %zu bytes in use\n", theta_machine_fuel_used(j->machine),
         theta_machine_memory_used(j->machine));
    const char *waits = theta_waiting(j->machine, &nargs);
    if (waits) putf("waits for %s, called with %zu argument%s\n", waits, nargs, nargs == 1 ? "" : "s");
    if (theta_machine_trace(j->machine, &trace) == THETA_OK) {
        (void)out_buffered(NULL, trace.data, trace.len);
        theta_text_free(&trace);
    }
    return STATUS_OK;
}

/* ---- Which it is -------------------------------------------------------------------------------------------- */

static bool begins(const job *j, size_t at, const char *magic) {
    size_t len = strlen(magic);
    return j->source_len >= at + len && memcmp(j->source + at, magic, len) == 0;
}

static int inspect(job *j) {
    static const char *const sources[] = {"theta", "th", "nix", "tha", NULL};
    if (!read_whole(j->name, &j->source, &j->source_len)) return STATUS_FAILED;
    options o = *j->o;
    const options *given = j->o;
    int status;
    j->o = &o;
    if (begins(j, 4, "THPG") || has_extension(j->name, sources)) {
        if (begins(j, 4, "THPG")) o.language = "thb";
        status = inspect_program(j);
    } else if (begins(j, 4, "THST")) {
        status = inspect_state(j);
    } else if (begins(j, 0, "ARROW1") || begins(j, 0, "\377\377\377\377")) {
        status = inspect_table(j);
    } else {
        complain("%s: neither a program (.thb, .theta), nor a table (.arrow), nor a suspended run (.state)", j->name);
        status = STATUS_FAILED;
    }
    j->o = given;
    return status;
}

int inspect_command(const options *o) {
    job j;
    if (!job_open(&j, o, o->words[0])) return STATUS_FAILED;
    int status = inspect(&j);
    job_close(&j);
    return status;
}
