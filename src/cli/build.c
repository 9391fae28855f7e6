/*
** build.c - the commands that compile and run nothing: check, build, asm, dis, doc.
** SPDX-License-Identifier: Apache-2.0
*/
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int check_command(const options *o) {
    int status = STATUS_OK;
    for (size_t i = 0; i < o->nwords; i++) {
        job j;
        if (o->given & OPTION_PRINT_AST) {
            if (cli_nix_print_ast(o, o->words[i]) != STATUS_OK) status = STATUS_FAILED;
            continue;
        }
        if (!job_open(&j, o, o->words[i])) return STATUS_FAILED;
        if (!job_compile_file(&j, o->words[i], false)) status = STATUS_FAILED;
        job_close(&j);
    }
    return status;
}

static int write_program(const job *j, const char *path) {
    size_t len;
    const void *bytes = theta_program_bytes(j->program, &len);
    return write_whole(path, bytes, len) ? STATUS_OK : STATUS_FAILED;
}

/* `dir/name.theta` becomes `dir/name.thb`. */
static char *default_output(const char *path) {
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t stem = dot && (!slash || dot > slash + 1) && dot != path ? (size_t)(dot - path) : strlen(path);
    char *out = malloc(stem + sizeof ".thb");
    if (!out) return NULL;
    memcpy(out, path, stem);
    memcpy(out + stem, ".thb", sizeof ".thb");
    return out;
}

static bool can_write_as(const char *path) {
    static const char *const bytecode[] = {"thb", NULL};
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    if (!dot || (slash && slash > dot) || has_extension(path, bytecode)) return true;
    complain("'%s': this build writes .thb and nothing else", path);
    return false;
}

static int compile_to(const options *o, const char *language) {
    const char *path = o->words[0];
    char *guessed = o->output || strcmp(path, "-") == 0 ? NULL : default_output(path);
    const char *output = o->output ? o->output : guessed;
    if (!output) {
        complain("wanted -o OUT, the file to write");
        return STATUS_USAGE;
    }
    options changed = *o;
    if (language) changed.language = language;
    int status = STATUS_FAILED;
    job j;
    if (!can_write_as(output)) {
        status = STATUS_USAGE;
    } else if (guessed && strcmp(guessed, path) == 0) {
        complain("'%s' would be written over itself; give -o OUT", path);
        status = STATUS_USAGE;
    } else if (job_open(&j, &changed, path)) {
        if (job_compile_file(&j, path, false)) status = write_program(&j, output);
        job_close(&j);
    }
    free(guessed);
    return status;
}

int build_command(const options *o) { return compile_to(o, NULL); }
int asm_command(const options *o) { return compile_to(o, "tha"); }

static int print_or_write(const options *o, const theta_text *text) {
    if (o->output) return write_whole(o->output, text->data, text->len) ? STATUS_OK : STATUS_FAILED;
    (void)out_buffered(NULL, text->data, text->len);
    return STATUS_OK;
}

int dis_command(const options *o) {
    job j;
    theta_error err = {0};
    theta_text text;
    int status = STATUS_FAILED;
    if (!job_open(&j, o, o->words[0])) return STATUS_FAILED;
    if (job_compile_file(&j, o->words[0], false)) {
        if (theta_program_disassemble(j.program, &text, &err) == THETA_OK) {
            status = print_or_write(o, &text);
            theta_text_free(&text);
        } else {
            job_error(&j, &err);
        }
    }
    job_close(&j);
    return status;
}

int doc_command(const options *o) {
    job j;
    theta_text text;
    int status = STATUS_FAILED;
    if (!job_open(&j, o, "doc")) return STATUS_FAILED;
    theta_status made = theta_library_markdown(j.engine, &text);
    if (made == THETA_OK) {
        status = print_or_write(o, &text);
        theta_text_free(&text);
    } else {
        complain("%s", theta_status_text(made));
    }
    job_close(&j);
    return status;
}
