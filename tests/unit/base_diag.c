/*
** base_diag.c - what diagnostics look like, how many are kept, what is suggested, where offsets lie.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/diag.h"

#include <stdio.h>
#include <stdlib.h>

static th_mem mem;

static int setup(void **state) {
    (void)state;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    return 0;
}

static int nothing_left(void **state) {
    (void)state;
    assert_int_equal(mem.used_bytes, 0);
    return 0;
}

/* One error over bytes [from, to) of a text, as it is shown. */
static void assert_shown(const char *text, size_t from, size_t to, const char *hint, const char *expected) {
    th_arena arena;
    th_arena_init(&arena, &mem);
    th_lines lines;
    assert_int_equal(th_lines_init(&lines, &arena, text, strlen(text)), TH_OK);
    th_source source = {"a.th", text, strlen(text)};
    th_diags diags;
    th_diags_init(&diags, &mem);
    th_diags_add(&diags, TH_ERROR, TH_E_TYPE, &source, th_lines_span(&lines, from, to), "no %s", "good");
    if (hint) th_diags_hint(&diags, "%s", hint);
    th_buf out;
    th_buf_init(&out, &mem);
    th_diags_render(&diags, false, &out);
    assert_string_equal(out.data, expected);
    th_buf_clear(&out);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
}

static void error_shows_line_and_underline(void **state) {
    (void)state;
    assert_shown("one\ntwo three\nfour", 8, 13, NULL,
                 "a.th:2:5: error: type error: no good\n    2 | two three\n      |     ^~~~~\n");
}

static void hint_follows_the_line(void **state) {
    (void)state;
    assert_shown("x", 0, 1, "try y", "a.th:1:1: error: type error: no good\n    1 | x\n      | ^\n  hint: try y\n");
}

static void empty_span_shows_one_caret(void **state) {
    (void)state;
    assert_shown("ab", 2, 2, NULL, "a.th:1:3: error: type error: no good\n    1 | ab\n      |   ^\n");
}

static void span_over_lines_is_underlined_to_the_end_of_the_first(void **state) {
    (void)state;
    assert_shown("abc def\nghi", 4, 10, NULL,
                 "a.th:1:5: error: type error: no good\n    1 | abc def\n      |     ^~~\n");
}

static void tabs_widen_to_four_cells(void **state) {
    (void)state;
    assert_shown("\ta\tb", 3, 4, NULL, "a.th:1:4: error: type error: no good\n    1 |     a   b\n      |         ^\n");
}

static void wide_characters_take_two_cells_and_one_column(void **state) {
    (void)state;
    assert_shown("\xe6\xbc\xa2\xe5\xad\x97 x", 7, 8, NULL,
                 "a.th:1:4: error: type error: no good\n    1 | \xe6\xbc\xa2\xe5\xad\x97 x\n      |      ^\n");
    assert_shown("\xe6\xbc\xa2\xe5\xad\x97", 3, 6, NULL,
                 "a.th:1:2: error: type error: no good\n    1 | \xe6\xbc\xa2\xe5\xad\x97\n      |   ^~\n");
}

static void combining_marks_take_no_cell(void **state) {
    (void)state;
    assert_shown("e\xcc\x81 x", 4, 5, NULL, "a.th:1:4: error: type error: no good\n    1 | e\xcc\x81 x\n      |   ^\n");
}

static void control_characters_never_reach_the_terminal(void **state) {
    (void)state;
    assert_shown(
        "\x1b[2J \xe2\x80\xae x\xff", 0, 1, NULL,
        "a.th:1:1: error: type error: no good\n    1 | \xef\xbf\xbd[2J \xef\xbf\xbd x\xef\xbf\xbd\n      | ^\n");
}

static void carriage_return_is_not_part_of_the_line(void **state) {
    (void)state;
    assert_shown("ab\r\ncd\r\n", 1, 2, NULL, "a.th:1:2: error: type error: no good\n    1 | ab\n      |  ^\n");
}

static void long_line_is_cut_around_the_caret(void **state) {
    (void)state;
    char text[1001], expected[600];
    for (int i = 0; i < 1000; i++) text[i] = (char)('a' + i % 26);
    text[1000] = '\0';
    snprintf(expected, sizeof expected, "a.th:1:501: error: type error: no good\n    1 | ...%.120s...\n      | %54s\n",
             text + 450, "^");
    assert_shown(text, 500, 501, NULL, expected);
}

static void colour_wraps_severity_and_caret(void **state) {
    (void)state;
    th_source source = {"a.th", "x", 1};
    th_diag diag = {TH_E_SYNTAX, TH_WARNING, &source, {1, 1, 1, 2}, "odd", NULL};
    th_buf out;
    th_buf_init(&out, &mem);
    th_diag_render(&diag, true, &out);
    assert_string_equal(out.data, "\033[1ma.th:1:1: \033[0m\033[1;35mwarning: \033[0m\033[1modd\033[0m\n"
                                  "\033[1m    1 | \033[0mx\n      \033[1m| \033[0m\033[1;32m^\033[0m\n");
    th_buf_clear(&out);
}

static void error_without_a_place_has_no_line(void **state) {
    (void)state;
    th_diag diag = {TH_E_IO, TH_ERROR, NULL, {0}, "disk on fire", NULL};
    th_buf out;
    th_buf_init(&out, &mem);
    th_diag_render(&diag, false, &out);
    assert_string_equal(out.data, "error: input or output error: disk on fire\n");
    th_buf_clear(&out);
}

static void kind_is_not_named_twice(void **state) {
    (void)state;
    th_diag diag = {TH_E_TYPE, TH_ERROR, NULL, {0}, "type error: no", NULL};
    th_buf out;
    th_buf_init(&out, &mem);
    th_diag_render(&diag, false, &out);
    assert_string_equal(out.data, "error: type error: no\n");
    th_buf_clear(&out);
}

static void place_beyond_the_text_is_shown_without_a_line(void **state) {
    (void)state;
    th_source source = {"a.th", "x\n", 2};
    th_diag diag = {TH_E_SYNTAX, TH_ERROR, &source, {9, 4, 9, 5}, "gone", NULL};
    th_buf out;
    th_buf_init(&out, &mem);
    th_diag_render(&diag, false, &out);
    assert_string_equal(out.data, "a.th:9:4: error: syntax error: gone\n");
    th_buf_clear(&out);
}

static void same_cause_is_told_once_and_its_hint_ignored(void **state) {
    (void)state;
    th_source source = {"a.th", "x y", 3};
    th_diags diags;
    th_diags_init(&diags, &mem);
    th_diags_add(&diags, TH_ERROR, TH_E_TYPE, &source, (th_span){1, 1, 1, 2}, "first");
    th_diags_add(&diags, TH_ERROR, TH_E_TYPE, &source, (th_span){1, 1, 1, 4}, "again");
    th_diags_hint(&diags, "for the second");
    th_diags_add(&diags, TH_ERROR, TH_E_REFERENCE, &source, (th_span){1, 1, 1, 2}, "another kind");
    assert_int_equal(diags.len, 2);
    assert_int_equal(diags.error_count, 2);
    assert_null(diags.items[0].hint);
    assert_string_equal(diags.items[1].message, "another kind");
    th_diags_clear(&diags);
}

static void errors_beyond_the_limit_are_counted(void **state) {
    (void)state;
    th_source source = {"a.th", "", 0};
    th_diags diags;
    th_diags_init(&diags, &mem);
    diags.limit = 2;
    for (uint32_t i = 1; i <= 4; i++) {
        th_diags_add(&diags, TH_ERROR, TH_E_TYPE, &source, (th_span){i, 1, i, 1}, "e%u", (unsigned)i);
        th_diags_hint(&diags, "h%u", (unsigned)i);
    }
    assert_int_equal(diags.len, 2);
    assert_int_equal(diags.error_count, 4);
    assert_string_equal(diags.items[1].hint, "h2");
    th_buf out;
    th_buf_init(&out, &mem);
    th_diags_render(&diags, false, &out);
    assert_non_null(strstr(out.data, "\n2 more errors not shown\n"));
    th_buf_clear(&out);
    th_diags_clear(&diags);
}

static void first_error_skips_warnings(void **state) {
    (void)state;
    th_source source = {"a.th", "", 0};
    th_diags diags;
    th_diags_init(&diags, &mem);
    th_error err = {0};
    assert_int_equal(th_diags_first(&diags, &err), TH_OK);
    th_diags_add(&diags, TH_WARNING, TH_E_TYPE, &source, (th_span){1, 1, 1, 1}, "w");
    assert_int_equal(th_diags_first(&diags, &err), TH_OK);
    th_diags_add(&diags, TH_ERROR, TH_E_REFERENCE, &source, (th_span){3, 2, 3, 4}, "e");
    assert_int_equal(th_diags_first(&diags, &err), TH_E_REFERENCE);
    assert_string_equal(err.message, "e");
    assert_string_equal(err.file, "a.th");
    assert_int_equal(err.span.line, 3);
    th_diags_clear(&diags);
}

static void lost_diagnostic_is_an_error_fault(void **state) {
    (void)state;
    th_mem small;
    th_mem_init(&small, NULL, NULL, NULL, 1);
    th_diags diags;
    th_diags_init(&diags, &small);
    th_diags_add(&diags, TH_ERROR, TH_E_TYPE, NULL, (th_span){0}, "e");
    th_diags_hint(&diags, "h");
    assert_true(diags.failed);
    assert_int_equal(diags.error_count, 1);
    assert_int_equal(th_diags_first(&diags, NULL), TH_E_NOMEM);
    th_diags_clear(&diags);
}

static const char *suggested(const char *wanted, const char *const *names) {
    th_suggest s;
    th_suggest_init(&s, th_view_of(wanted));
    for (; *names; names++) th_suggest_try(&s, th_view_of(*names));
    return s.best.data;
}

static void suggestion_is_the_nearest_name(void **state) {
    (void)state;
    const char *const names[] = {"where", "when", "there", "aggregate", "take", "ab", NULL};
    assert_string_equal(suggested("whree", names), "where"); /* two neighbours swapped are one edit */
    assert_string_equal(suggested("agregate", names), "aggregate");
    assert_string_equal(suggested("tke", names), "take");
    assert_null(suggested("distinct", names));
    assert_null(suggested("ac", names)); /* a third of two letters is none */
    assert_null(suggested("", names));
    const char *const same[] = {"where", NULL};
    assert_null(suggested("where", same));
}

static void suggestion_ignores_endless_names(void **state) {
    (void)state;
    char a[300], b[300];
    memset(a, 'a', sizeof a);
    memset(b, 'a', sizeof b);
    a[299] = b[298] = '\0';
    const char *const names[] = {b, NULL};
    assert_null(suggested(a, names));
}

static void assert_place(const th_lines *lines, size_t at, uint32_t line, uint32_t column) {
    th_span span = th_lines_span(lines, at, at);
    assert_int_equal(span.line, line);
    assert_int_equal(span.column, column);
}

static void offsets_have_lines_and_columns(void **state) {
    (void)state;
    th_arena arena;
    th_arena_init(&arena, &mem);
    th_lines lines;
    const char *text = "ab\nc\xc3\xa9x\n\n";
    assert_int_equal(th_lines_init(&lines, &arena, text, strlen(text)), TH_OK);
    assert_int_equal(lines.count, 4);
    assert_place(&lines, 0, 1, 1);
    assert_place(&lines, 2, 1, 3);
    assert_place(&lines, 3, 2, 1);
    assert_place(&lines, 6, 2, 3);
    assert_place(&lines, 8, 3, 1);
    assert_place(&lines, 9, 4, 1);
    assert_place(&lines, 999, 4, 1);
    assert_int_equal(th_lines_init(&lines, &arena, "", 0), TH_OK);
    assert_place(&lines, 0, 1, 1);
    th_arena_clear(&arena);
}

/* Every offset of a long line of mixed widths agrees with counting from its start. */
static void columns_of_a_long_line_are_exact(void **state) {
    (void)state;
    enum { N = 5000 };
    static char text[N + 4];
    size_t len = 0;
    while (len < N) {
        const char *piece = len % 7 == 3 ? "\xe2\x82\xac" : len % 5 == 0 ? "\xc3\xa9" : "a";
        memcpy(text + len, piece, strlen(piece));
        len += strlen(piece);
    }
    th_arena arena;
    th_arena_init(&arena, &mem);
    th_lines lines;
    assert_int_equal(th_lines_init(&lines, &arena, text, len), TH_OK);
    for (size_t at = 0; at <= len; at++) {
        if (at < len && ((uint8_t)text[at] & 0xc0) == 0x80) continue;
        assert_place(&lines, at, 1, (uint32_t)th_utf8_count(text, at) + 1);
    }
    th_arena_clear(&arena);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, nothing_left)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(error_shows_line_and_underline),
        TEST(hint_follows_the_line),
        TEST(empty_span_shows_one_caret),
        TEST(span_over_lines_is_underlined_to_the_end_of_the_first),
        TEST(tabs_widen_to_four_cells),
        TEST(wide_characters_take_two_cells_and_one_column),
        TEST(combining_marks_take_no_cell),
        TEST(control_characters_never_reach_the_terminal),
        TEST(carriage_return_is_not_part_of_the_line),
        TEST(long_line_is_cut_around_the_caret),
        TEST(colour_wraps_severity_and_caret),
        TEST(error_without_a_place_has_no_line),
        TEST(kind_is_not_named_twice),
        TEST(place_beyond_the_text_is_shown_without_a_line),
        TEST(same_cause_is_told_once_and_its_hint_ignored),
        TEST(errors_beyond_the_limit_are_counted),
        TEST(first_error_skips_warnings),
        TEST(lost_diagnostic_is_an_error_fault),
        TEST(suggestion_is_the_nearest_name),
        TEST(suggestion_ignores_endless_names),
        TEST(offsets_have_lines_and_columns),
        TEST(columns_of_a_long_line_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
