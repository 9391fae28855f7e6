/*
** machine_lib_io.c - IO: files, folders, standard input, arguments.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_TEXT "Function<String, String>"
#define WRITE     "Function<String, String, void>"

static char folder[64];

static int make_folder(void **state) {
    snprintf(folder, sizeof folder, "/tmp/theta_io_XXXXXX");
    assert_non_null(mkdtemp(folder));
    return setup(state);
}

static int drop_folder(void **state) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    return teardown(state);
}

static uint64_t in_folder(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return string_word(path);
}

static const char *text_of(uint64_t word) { return ((th_str *)th_word_ptr(word))->bytes; }

static void files_are_written_and_read(void **state) {
    (void)state;
    uint64_t path = in_folder("a.txt"), result;
    uint64_t first[] = {path, string_word("one\r\ntwo\n")}, more[] = {path, string_word("three")};
    assert_int_equal(invoke("IO.write_text", WRITE, first, &result), TH_OK);
    assert_int_equal(invoke("IO.append_text", WRITE, more, &result), TH_OK);
    assert_int_equal(invoke("IO.read_text", PATH_TEXT, &path, &result), TH_OK);
    assert_string_equal(text_of(result), "one\r\ntwo\nthree");
    assert_int_equal(invoke("IO.read_lines", "Function<String, List<String>>", &path, &result), TH_OK);
    assert_string_equal(shown(type_named("List<String>"), result), "['one', 'two', 'three']");
    assert_int_equal(invoke("IO.size", "Function<String, i64>", &path, &result), TH_OK);
    assert_int_equal(result, 14);
    assert_int_equal(invoke("IO.exists", "Function<String, bool>", &path, &result), TH_OK);
    assert_int_equal(result, 1);
    assert_int_equal(invoke("IO.write_text", WRITE, more, &result), TH_OK);
    assert_int_equal(invoke("IO.read_text", PATH_TEXT, &path, &result), TH_OK);
    assert_string_equal(text_of(result), "three");
    assert_int_equal(invoke("IO.remove", "Function<String, void>", &path, &result), TH_OK);
    assert_int_equal(invoke("IO.exists", "Function<String, bool>", &path, &result), TH_OK);
    assert_int_equal(result, 0);
}

static void replacing_keeps_mode_and_links_and_leaves_no_other_file(void **state) {
    (void)state;
    uint64_t real = in_folder("real.txt"), link = in_folder("link.txt"), dir = string_word(folder), result;
    uint64_t old[] = {real, string_word("old")}, new[] = {link, string_word("new")};
    assert_int_equal(invoke("IO.write_text", WRITE, old, &result), TH_OK);
    assert_int_equal(chmod(text_of(real), 0640), 0);
    assert_int_equal(symlink("real.txt", text_of(link)), 0);
    assert_int_equal(invoke("IO.write_text", WRITE, new, &result), TH_OK);
    assert_int_equal(invoke("IO.read_text", PATH_TEXT, &real, &result), TH_OK);
    assert_string_equal(text_of(result), "new");
    struct stat info;
    assert_int_equal(lstat(text_of(link), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(text_of(real), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(invoke("IO.list_dir", "Function<String, List<String>>", &dir, &result), TH_OK);
    assert_string_equal(shown(type_named("List<String>"), result), "['link.txt', 'real.txt']");
}

static void failures_name_the_file_and_the_reason(void **state) {
    (void)state;
    uint64_t none = in_folder("none.txt"), deep = in_folder("no/such.txt"), dir = string_word(folder), result;
    uint64_t write[] = {deep, string_word("x")}, nul = th_ptr_word(th_new_str_of(b.machine, "a\0b", 3));
    assert_int_equal(invoke("IO.read_text", PATH_TEXT, &none, &result), TH_E_NOT_FOUND);
    assert_non_null(strstr(b.error.message, "none.txt': No such file or directory"));
    assert_int_equal(invoke("IO.write_text", WRITE, write, &result), TH_E_NOT_FOUND);
    assert_int_equal(invoke("IO.read_text", PATH_TEXT, &dir, &result), TH_E_IO);
    assert_non_null(strstr(b.error.message, "Is a directory"));
    assert_int_equal(invoke("IO.read_text", PATH_TEXT, &nul, &result), TH_E_ARGUMENT);
    assert_int_equal(invoke("IO.list_dir", "Function<String, List<String>>", &none, &result), TH_E_NOT_FOUND);
    assert_int_equal(invoke("IO.remove", "Function<String, void>", &none, &result), TH_E_NOT_FOUND);
}

static void folders_are_made_and_renamed(void **state) {
    (void)state;
    uint64_t dir = in_folder("sub"), moved[] = {dir, in_folder("other")}, result;
    assert_int_equal(invoke("IO.make_dir", "Function<String, void>", &dir, &result), TH_OK);
    assert_int_equal(invoke("IO.make_dir", "Function<String, void>", &dir, &result), TH_OK);
    assert_int_equal(invoke("IO.is_directory", "Function<String, bool>", &dir, &result), TH_OK);
    assert_int_equal(result, 1);
    assert_int_equal(invoke("IO.rename", "Function<String, String, void>", moved, &result), TH_OK);
    assert_int_equal(invoke("IO.is_directory", "Function<String, bool>", &dir, &result), TH_OK);
    assert_int_equal(result, 0);
}

/* Runs `body` with standard input coming from a pipe that holds `text`; an open pipe never ends. */
static void with_input(const char *text, bool open, void (*body)(void)) {
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
    if (!open) (void)close(ends[1]);
    assert_true(dup2(ends[0], STDIN_FILENO) >= 0);
    body();
    assert_true(dup2(saved, STDIN_FILENO) >= 0);
    (void)close(ends[0]);
    (void)close(saved);
    if (open) (void)close(ends[1]);
}

static void read_three_lines(void) {
    uint64_t result;
    static const char *const lines[] = {"one", "", "three"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(invoke("IO.read_line", "Function<String?>", NULL, &result), TH_OK);
        assert_string_equal(text_of(result), lines[i]);
    }
    assert_int_equal(invoke("IO.read_line", "Function<String?>", NULL, &result), TH_OK);
    assert_int_equal(result, 0);
}

static void read_line_and_rest(void) {
    uint64_t result;
    assert_int_equal(invoke("IO.read_line", "Function<String?>", NULL, &result), TH_OK);
    assert_string_equal(text_of(result), "one");
    assert_int_equal(invoke("IO.read_all", "Function<String>", NULL, &result), TH_OK);
    assert_string_equal(text_of(result), "two\nthree");
    assert_int_equal(invoke("IO.read_all", "Function<String>", NULL, &result), TH_OK);
    assert_string_equal(text_of(result), "");
}

static void wait_out_the_fuel(void) {
    uint64_t result;
    assert_int_equal(invoke("IO.read_line", "Function<String?>", NULL, &result), TH_E_FUEL);
}

static void standard_input_is_read_by_lines(void **state) {
    (void)state;
    with_input("one\r\n\nthree", false, read_three_lines);
}

static void standard_input_is_read_as_a_whole(void **state) {
    (void)state;
    with_input("one\ntwo\nthree", false, read_line_and_rest);
}

static void waiting_for_input_stops_at_the_limits(void **state) {
    (void)state;
    th_limits limits = {.fuel = 25, .capabilities = TH_BUILTIN_FS};
    bench_open(&limits);
    with_input("no end of line", true, wait_out_the_fuel);
    bench_close();
}

static void arguments_and_environment_are_seen(void **state) {
    (void)state;
    static const char *const args[] = {"a", "b c"};
    uint64_t result, none = string_word("THETA_NO_SUCH_VARIABLE"), path = string_word("PATH");
    th_machine_set_args(b.machine, args, 2);
    assert_int_equal(invoke("IO.args", "Function<List<String>>", NULL, &result), TH_OK);
    assert_string_equal(shown(type_named("List<String>"), result), "['a', 'b c']");
    assert_int_equal(invoke("IO.env", "Function<String, String?>", &none, &result), TH_OK);
    assert_int_equal(result, 0);
    assert_int_equal(invoke("IO.env", "Function<String, String?>", &path, &result), TH_OK);
    assert_int_not_equal(result, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_written_and_read, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(replacing_keeps_mode_and_links_and_leaves_no_other_file, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(failures_name_the_file_and_the_reason, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(folders_are_made_and_renamed, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(standard_input_is_read_by_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(standard_input_is_read_as_a_whole, setup, teardown),
        cmocka_unit_test(waiting_for_input_stops_at_the_limits),
        cmocka_unit_test_setup_teardown(arguments_and_environment_are_seen, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
