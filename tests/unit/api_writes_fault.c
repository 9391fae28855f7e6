/*
** api_writes_fault.c - programs that write files while the disk is full: each system call of a write fails in turn. What
** was at the path stays as it was, nothing is left beside it, the run ends with a status that says why; and calls that
** move few bytes or are interrupted change nothing.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "../support/faulty.h"
#include "../support/faulty_io.c"
#include "theta.h"

static const char source[] = "capsule Out {\n"
                             "    table = () -> Csv.read('in.csv')\n"
                             "    csv<Function<void>> = () -> Csv.write(table(), 'out')\n"
                             "    json<Function<void>> = () -> Json.write(table(), 'out')\n"
                             "    lines<Function<void>> = () -> Json.write_lines(table(), 'out')\n"
                             "    arrow<Function<void>> = () -> Arrow.write(table(), 'out')\n"
                             "    markdown<Function<void>> = () -> Markdown.write(table(), 'out')\n"
                             "    text<Function<void>> = () -> IO.write_text('out', String.repeat('text of ', 20000))\n"
                             "    printed<Function<void>> = () -> print(String.repeat('text of ', 20000))\n"
                             "    append<Function<void>> = () -> IO.append_text('out', 'more')\n"
                             "}\n";
static const char old_text[] = "what was there before";

static char folder[64];
static faulty allocator;
static theta_engine *engine;
static theta_program *program;

static void write_file(const char *name, const char *text) {
    FILE *f = fopen(name, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* Its bytes, NUL-terminated, to be freed; NULL: there is none. */
static char *file_bytes(const char *name, size_t *len) {
    FILE *f = fopen(name, "rb");
    if (!f) return NULL;
    char *bytes = malloc(1 << 20);
    *len = fread(bytes, 1, (1 << 20) - 1, f);
    bytes[*len] = 0;
    fclose(f);
    return bytes;
}

static size_t files(void) {
    size_t n = 0;
    DIR *d = opendir(".");
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

static int setup(void **state) {
    (void)state;
    theta_error err;
    theta_text diagnostics = {0};
    faulty_calls = (faulty_io){0};
    snprintf(folder, sizeof folder, "/tmp/theta_fault_XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    FILE *f = fopen("in.csv", "wb");
    fputs("id,name,price,day\n", f);
    for (int i = 0; i < 3000; i++) fprintf(f, "%d,\"name, of %d\",%d.5,2024-02-%02d\n", i, i % 7, i, i % 28 + 1);
    fclose(f);
    theta_engine_config config;
    theta_engine_config_init(&config);
    allocator = (faulty){0};
    config.alloc = faulty_alloc;
    config.alloc_user = &allocator;
    assert_int_equal(theta_engine_new(&config, &engine, &err), THETA_OK);
    theta_status status =
        theta_compile(engine, "out.theta", source, strlen(source), NULL, &program, &diagnostics, &err);
    if (status != THETA_OK) fail_msg("%s", diagnostics.data);
    theta_text_free(&diagnostics);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    faulty_calls = (faulty_io){0};
    theta_program_release(program);
    theta_engine_free(engine);
    (void)remove("in.csv");
    (void)remove("out");
    assert_int_equal(chdir("/"), 0);
    return rmdir(folder) != 0 || allocator.held != 0;
}

/* Calls a function of the program on a machine of its own, with the faults; they are over when it returns. */
static theta_status call(const char *name, faulty_io faults, theta_error *err) {
    theta_machine_config config;
    theta_machine *machine;
    theta_machine_config_init(&config);
    config.allow = THETA_ALLOW_FS;
    assert_int_equal(theta_machine_new(engine, &config, &machine, err), THETA_OK);
    assert_int_equal(theta_machine_add(machine, program, err), THETA_OK);
    faulty_calls = faults;
    faulty_calls.on = true;
    theta_status status = theta_call(machine, name, NULL, 0, NULL, err);
    if (status == THETA_OK) status = theta_machine_flush(machine);
    faulty_calls.on = false;
    theta_machine_free(machine);
    return status;
}

/* Standard output goes to the file `out` while `name` runs. */
static theta_status call_printing(const char *name, faulty_io faults, theta_error *err) {
    fflush(stdout);
    int saved = dup(STDOUT_FILENO), out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(saved >= 0 && out >= 0 && dup2(out, STDOUT_FILENO) >= 0);
    theta_status status = call(name, faults, err);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    close(out);
    return status;
}

static const char *const writers[] = {"csv", "json", "lines", "arrow", "markdown", "text"};
#define NWRITERS (sizeof writers / sizeof *writers)

static void expect_untouched(const char *name, long n, bool there) {
    size_t len;
    char *bytes = file_bytes("out", &len);
    if (there != (bytes != NULL) || (bytes && strcmp(bytes, old_text) != 0))
        fail_msg("%s, call %ld refused: the file is no longer what it was", name, n);
    free(bytes);
    if (files() != 1u + there) fail_msg("%s, call %ld refused: something is left in the folder", name, n);
}

static void break_each_call(const char *name, bool there) {
    theta_status status = THETA_E_IO;
    for (long n = 1; status != THETA_OK; n++) {
        theta_error err = {0};
        (void)remove("out");
        if (there) write_file("out", old_text);
        status = call(name, (faulty_io){.fail_change = n, .error = ENOSPC, .most = 20000}, &err);
        if (status == THETA_OK) {
            assert_true(n > 3); /* to write, to bring to the disk, to close, to put in place */
            break;
        }
        if (status != THETA_E_IO) fail_msg("%s, call %ld refused: status %d, %s", name, n, (int)status, err.message);
        assert_non_null(strstr(err.message, "out"));
        assert_non_null(strstr(err.message, strerror(ENOSPC)));
        expect_untouched(name, n, there);
        assert_true(n < 1000);
    }
    assert_int_equal(files(), 2);
}

static void a_file_is_there_whole_or_not_at_all_fault(void **state) {
    (void)state;
    for (size_t i = 0; i < NWRITERS; i++) {
        break_each_call(writers[i], true);
        break_each_call(writers[i], false);
    }
}

static void short_and_interrupted_writes_change_nothing_fault(void **state) {
    (void)state;
    for (size_t i = 0; i <= NWRITERS; i++) {
        theta_error err;
        size_t len, again_len;
        const char *name = i < NWRITERS ? writers[i] : "printed";
        theta_status (*run)(const char *, faulty_io, theta_error *) = i < NWRITERS ? call : call_printing;
        assert_int_equal(run(name, (faulty_io){0}, &err), THETA_OK);
        char *want = file_bytes("out", &len);
        assert_true(len > 50000);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(remove("out"), 0);
            assert_int_equal(run(name, (faulty_io){.most = k < 2 ? 1 : 999, .interrupted = k % 2}, &err), THETA_OK);
            char *have = file_bytes("out", &again_len);
            assert_int_equal(len, again_len);
            assert_memory_equal(have, want, len);
            free(have);
        }
        free(want);
        (void)remove("out");
    }
}

static void output_that_cannot_be_written_ends_the_run_fault(void **state) {
    (void)state;
    theta_status status = THETA_E_IO;
    long n = 1;
    for (; status != THETA_OK; n++) {
        theta_error err = {0};
        status = call_printing("printed", (faulty_io){.fail_change = n, .error = ENOSPC, .most = 20000}, &err);
        if (status != THETA_OK) assert_int_equal(status, THETA_E_IO);
        assert_true(n < 1000);
    }
    assert_true(n > 8);
}

static void appending_to_a_full_disk_is_an_error_fault(void **state) {
    (void)state;
    theta_error err = {0};
    write_file("out", old_text);
    assert_int_equal(call("append", (faulty_io){.fail_change = 1, .error = ENOSPC}, &err), THETA_E_IO);
    assert_non_null(strstr(err.message, strerror(ENOSPC)));
    expect_untouched("append", 1, true);
    assert_int_equal(call("append", (faulty_io){.most = 1, .interrupted = true}, &err), THETA_OK);
    size_t len;
    char *bytes = file_bytes("out", &len);
    assert_string_equal(bytes, "what was there beforemore");
    free(bytes);
}

/* A program whose input breaks off leaves what it would have replaced. */
static void a_failing_read_leaves_the_target_alone_fault(void **state) {
    (void)state;
    theta_error err = {0};
    write_file("out", old_text);
    for (long n = 1; n < 4; n++) {
        assert_int_equal(call("csv", (faulty_io){.fail_read = n, .error = EIO, .most = 20000}, &err), THETA_E_IO);
        assert_non_null(strstr(err.message, "in.csv"));
        assert_non_null(strstr(err.message, strerror(EIO)));
        expect_untouched("csv", n, true);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_is_there_whole_or_not_at_all_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(short_and_interrupted_writes_change_nothing_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(output_that_cannot_be_written_ends_the_run_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(appending_to_a_full_disk_is_an_error_fault, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failing_read_leaves_the_target_alone_fault, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
