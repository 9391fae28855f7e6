/*
** base_file.c - files that are replaced as a whole: what was there stays until the end, with its mode, and a link stays a
** link; each failing system call and each refused allocation leaves the old file and nothing beside it.
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
#include <sys/stat.h>

#include "../support/counted_mem.h"
#include "../support/faulty.h"
#include "../support/faulty_io.c"

static char folder[64];

static int enter(void **state) {
    faulty_calls = (faulty_io){0};
    snprintf(folder, sizeof folder, "/tmp/theta_file_XXXXXX");
    return !mkdtemp(folder) || chdir(folder) != 0 || open_mem(state) != 0;
}

static int leave(void **state) {
    char command[96];
    faulty_calls = (faulty_io){0};
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return chdir("/") != 0 || system(command) != 0 || close_mem(state) != 0;
}

static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(th_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(close(fd), 0);
}

static void expect(const char *path, const char *text) {
    char have[256] = "";
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_true(read(fd, have, sizeof have - 1) >= 0);
    assert_int_equal(close(fd), 0);
    assert_string_equal(have, text);
}

static size_t files(void) {
    size_t n = 0;
    DIR *d = opendir(".");
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2;
}

/* 0, or errno. */
static int replace(const char *path, const char *text) {
    th_replacement r;
    int number = th_replacement_open(&mem, path, &r);
    if (number) return number;
    number = th_write_all(r.fd, text, strlen(text));
    if (number == 0) number = th_replacement_finish(&r);
    th_replacement_drop(&r);
    return number;
}

static unsigned mode_of(const char *path) {
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    return info.st_mode;
}

static void a_new_file_has_the_mode_that_the_process_gives(void **state) {
    (void)state;
    mode_t before = umask(027);
    int number = replace("new", "text");
    umask(before);
    assert_int_equal(number, 0);
    expect("new", "text");
    assert_int_equal(mode_of("new") & 0777, 0640);
    assert_int_equal(files(), 1);
}

static void an_old_file_keeps_its_mode_and_a_link_stays_one(void **state) {
    (void)state;
    put("real", "old");
    assert_int_equal(chmod("real", 0604), 0);
    assert_int_equal(symlink("real", "link"), 0);
    assert_int_equal(replace("link", "new"), 0);
    expect("real", "new");
    assert_int_equal(mode_of("real") & 0777, 0604);
    assert_true(S_ISLNK(mode_of("link")));
    assert_int_equal(files(), 2);
}

static void the_old_content_is_there_until_the_end_and_after_a_drop(void **state) {
    (void)state;
    th_replacement r;
    put("file", "old");
    assert_int_equal(th_replacement_open(&mem, "file", &r), 0);
    assert_int_equal(th_write_all(r.fd, "new", 3), 0);
    expect("file", "old");
    th_replacement_drop(&r);
    th_replacement_drop(&r);
    expect("file", "old");
    assert_int_equal(files(), 1);
}

static void a_pipe_is_written_and_not_replaced(void **state) {
    (void)state;
    char have[8] = "";
    assert_int_equal(mkfifo("pipe", 0600), 0);
    int fd = open("pipe", O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(replace("pipe", "text"), 0);
    assert_int_equal(read(fd, have, sizeof have), 4);
    assert_string_equal(have, "text");
    close(fd);
    assert_true(S_ISFIFO(mode_of("pipe")));
    assert_int_equal(files(), 1);
}

static void what_cannot_be_opened_is_told(void **state) {
    (void)state;
    th_replacement r;
    assert_int_equal(th_replacement_open(&mem, "none/file", &r), ENOENT);
    assert_int_equal(th_replacement_open(&mem, ".", &r), EISDIR);
    assert_int_equal(th_replacement_open(&mem, "", &r), ENOENT);
    assert_int_equal(files(), 0);
}

static void each_failing_call_leaves_the_old_file_fault(void **state) {
    (void)state;
    static const char *const paths[] = {"file", "new"};
    put("file", "old");
    for (size_t i = 0; i < 2; i++) {
        long n = 1;
        for (int number = ENOSPC; number != 0; n++) {
            faulty_calls = (faulty_io){.on = true, .fail_change = n, .error = ENOSPC, .most = 2, .interrupted = true};
            number = replace(paths[i], "new content");
            faulty_calls.on = false;
            if (number == 0) break;
            assert_int_equal(number, ENOSPC);
            expect("file", i == 0 ? "old" : "new content");
            assert_int_equal(files(), 1);
            assert_true(n < 100);
        }
        assert_true(n > 6 + 3); /* 6 writes, fsync, close, rename */
        expect(paths[i], "new content");
        assert_int_equal(files(), i + 1);
    }
}

static void each_refused_allocation_leaves_the_old_file_fault(void **state) {
    (void)state;
    put("file", "old");
    for (size_t n = 0;; n++) {
        faulty allocator = {0};
        faulty_allow(&allocator, n);
        th_mem_init(&mem, faulty_alloc, &allocator, NULL, 0);
        int number = replace("file", "new");
        assert_int_equal(allocator.held, 0);
        assert_int_equal(files(), 1);
        expect("file", number ? "old" : "new");
        if (number == 0) break;
        assert_int_equal(number, ENOMEM);
    }
    open_mem(state);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(a_new_file_has_the_mode_that_the_process_gives),
        TEST(an_old_file_keeps_its_mode_and_a_link_stays_one),
        TEST(the_old_content_is_there_until_the_end_and_after_a_drop),
        TEST(a_pipe_is_written_and_not_replaced),
        TEST(what_cannot_be_opened_is_told),
        TEST(each_failing_call_leaves_the_old_file_fault),
        TEST(each_refused_allocation_leaves_the_old_file_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
