/*
** theta_mistakes.c - one mistake, one error: the programs tests/theta/errors/mistake_*.theta announce each error they
** get (`// expect-error: ... error: ...`, looked at by run-golden), and here no other one may come of it.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "flow/flow.h"
#include "lang/theta/lang.h"

static th_mem mem;
static th_engine *engine;

static int setup(void **state) {
    (void)state;
    th_error err;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    return th_engine_new(&mem, &engine) || th_engine_add_standard(engine, &err) || th_flow_register(engine, &err);
}

static int teardown(void **state) {
    (void)state;
    th_engine_free(engine);
    assert_int_equal(mem.used_bytes, 0);
    return 0;
}

static th_status file_schema(void *user, const char *path, const th_csv_options *csv, th_schema **out, th_error *err) {
    (void)user;
    th_stream *stream = NULL;
    TH_TRY(th_csv_open(&mem, path, csv, &stream, err));
    *out = th_schema_retain(stream->schema);
    stream->close(stream);
    return TH_OK;
}

static char *read_text(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 16);
    assert_non_null(text);
    *len = fread(text, 1, (1 << 16) - 1, file);
    fclose(file);
    return text;
}

/* Errors announced by the program: its directives that have the word. */
static size_t announced(const char *text) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, "// expect-error: ")); at++) {
        const char *end = strchr(at, '\n'), *word = strstr(at, ": error: ");
        n += word && (!end || word < end);
    }
    return n;
}

static bool check_one(const char *name) {
    size_t len, out_len;
    char *text = read_text(name, &len);
    th_arena arena;
    th_diags diags;
    uint8_t *bytes = NULL;
    th_arena_init(&arena, &mem);
    th_diags_init(&diags, &mem);
    th_theta_options options = {
        .size = sizeof options, .engine = engine, .file_schema = file_schema, .check_only = true};
    th_status status = th_theta_compile(&mem, &arena, name, text, len, &options, &diags, &bytes, &out_len);
    size_t wanted = announced(text);
    bool good = status != TH_OK && diags.error_count == wanted && wanted > 0;
    if (!good) {
        th_buf shown;
        th_buf_init(&shown, &mem);
        th_diags_render(&diags, false, &shown);
        print_error("%s: %zu errors, %zu announced\n%s\n", name, diags.error_count, wanted, shown.data);
        th_buf_clear(&shown);
    }
    th_diags_clear(&diags);
    th_arena_clear(&arena);
    free(text);
    return good;
}

static void a_mistake_gives_no_errors_but_its_own(void **state) {
    (void)state;
    char *folder = getcwd(NULL, 0);
    size_t programs = 0, bad = 0;
    assert_non_null(folder);
    assert_int_equal(chdir(TEST_DATA "/theta/errors"), 0);
    DIR *dir = opendir(".");
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (strncmp(entry->d_name, "mistake_", 8) != 0) continue;
        programs++;
        bad += !check_one(entry->d_name);
    }
    closedir(dir);
    assert_int_equal(chdir(folder), 0);
    free(folder);
    assert_int_equal(bad, 0);
    assert_true(programs > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_mistake_gives_no_errors_but_its_own)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
