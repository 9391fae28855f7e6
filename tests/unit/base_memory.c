/*
** base_memory.c - budgets, arenas and buffers: what they promise when memory is there, refused, or failing.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/faulty.h"
#include "base/base.h"

static void mem_counts_and_gives_back(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    char *block = th_mem_new(&mem, 100);
    assert_non_null(block);
    assert_int_equal(mem.used_bytes, 100);
    block = th_mem_resize(&mem, block, 100, 250);
    assert_int_equal(mem.used_bytes, 250);
    block = th_mem_resize(&mem, block, 250, 10);
    assert_int_equal(mem.used_bytes, 10);
    assert_null(th_mem_resize(&mem, block, 10, 0));
    assert_int_equal(mem.used_bytes, 0);
    assert_int_equal(mem.peak_bytes, 250);
    th_mem_free(&mem, NULL, 0);
    assert_int_equal(mem.used_bytes, 0);
}

static void mem_block_of_no_bytes_is_a_block(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    void *block = th_mem_new(&mem, 0);
    assert_non_null(block);
    th_mem_free(&mem, block, 0);
    block = th_mem_resize(&mem, th_mem_zeroed(&mem, 0), 0, 32);
    assert_int_equal(mem.used_bytes, 32);
    th_mem_free(&mem, block, 32);
    assert_int_equal(mem.used_bytes, 0);
}

static void mem_limit_refuses_and_tells(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 1000);
    void *block = th_mem_new(&mem, 1000);
    assert_non_null(block);
    assert_false(mem.refused);
    assert_null(th_mem_new(&mem, 1));
    assert_true(mem.refused);
    assert_null(th_mem_resize(&mem, block, 1000, 1001));
    assert_null(th_mem_new(&mem, SIZE_MAX));
    assert_int_equal(mem.used_bytes, 1000);
    th_mem_free(&mem, block, 1000);
    mem.refused = false;
    block = th_mem_new(&mem, 999);
    assert_non_null(block);
    assert_false(mem.refused);
    th_mem_free(&mem, block, 999);
}

static void mem_child_charges_parent_and_refusal_charges_neither(void **state) {
    (void)state;
    th_mem parent, child;
    th_mem_init(&parent, NULL, NULL, NULL, 500);
    th_mem_init(&child, NULL, NULL, &parent, 0);
    void *block = th_mem_new(&child, 300);
    assert_non_null(block);
    assert_int_equal(parent.used_bytes, 300);
    assert_null(th_mem_new(&child, 300));
    assert_true(parent.refused);
    assert_false(child.refused);
    assert_int_equal(child.used_bytes, 300);
    assert_int_equal(parent.used_bytes, 300);
    th_mem_free(&child, block, 300);
    assert_int_equal(parent.used_bytes, 0);
}

static void mem_allocator_failure_is_not_a_refusal(void **state) {
    (void)state;
    faulty f = {.fail_at = 2};
    th_mem mem, child;
    th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
    th_mem_init(&child, NULL, NULL, &mem, 0);
    char *block = th_mem_new(&child, 8);
    assert_non_null(block);
    memcpy(block, "content", 8);
    assert_null(th_mem_resize(&child, block, 8, 64));
    assert_string_equal(block, "content");
    assert_false(mem.refused);
    assert_int_equal(mem.used_bytes, 8);
    th_mem_free(&child, block, 8);
    assert_int_equal(f.held, 0);
    assert_int_equal(mem.used_bytes, 0);
}

static void mem_grow_doubles_then_takes_what_is_left(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 1000);
    void *array = NULL;
    size_t capacity = 0;
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, 1, 8), TH_OK);
    assert_int_equal(capacity, 8);
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, 9, 8), TH_OK);
    assert_int_equal(capacity, 16);
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, 16, 8), TH_OK);
    assert_int_equal(capacity, 16);
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, 100, 8), TH_OK);
    assert_int_equal(capacity, 100);
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, 125, 8), TH_OK); /* 200 do not fit, 125 do */
    assert_int_equal(capacity, 125);
    assert_false(mem.refused);
    void *before = array;
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, 126, 8), TH_E_NOMEM);
    assert_true(mem.refused);
    assert_int_equal(th_mem_grow(&mem, &array, &capacity, SIZE_MAX / 4, 8), TH_E_NOMEM);
    assert_ptr_equal(array, before);
    assert_int_equal(capacity, 125);
    th_mem_free(&mem, array, capacity * 8);
    assert_int_equal(mem.used_bytes, 0);
}

static void mem_grow_near_the_limit_copies_seldom(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 1000003);
    void *array = NULL;
    size_t capacity = 0, growths = 0, items = 0;
    for (;; items++) {
        size_t before = capacity;
        if (th_mem_grow(&mem, &array, &capacity, items + 1, 8) != TH_OK) break;
        growths += capacity != before;
    }
    assert_int_equal(items, 1000003 / 8); /* all there is was given out, */
    assert_true(growths < 60);            /* and not one by one */
    th_mem_free(&mem, array, capacity * 8);
    assert_int_equal(mem.used_bytes, 0);
}

static void arena_blocks_are_aligned_and_apart(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_arena arena;
    th_arena_init(&arena, &mem);
    enum { COUNT = 4000 };
    static unsigned char *blocks[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t bytes = i % 97 == 0 ? 5000 + i : i % 61;
        blocks[i] = th_arena_new(&arena, bytes);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 8, 0);
        memset(blocks[i], (int)(i & 0xff), bytes);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t bytes = i % 97 == 0 ? 5000 + i : i % 61;
        for (size_t k = 0; k < bytes; k++) assert_int_equal(blocks[i][k], i & 0xff);
    }
    th_arena_clear(&arena);
    assert_int_equal(mem.used_bytes, 0);
}

static void arena_wastes_little_of_many_small_blocks(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_arena arena;
    th_arena_init(&arena, &mem);
    for (size_t i = 0; i < 1000000; i++) assert_non_null(th_arena_new(&arena, 24));
    assert_true(mem.used_bytes < 24000000 + 24000000 / 8);
    th_arena_clear(&arena);
}

static void arena_uses_a_budget_to_its_end(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 2000); /* less than a first chunk */
    th_arena arena;
    th_arena_init(&arena, &mem);
    size_t got = 0;
    while (th_arena_new(&arena, 100)) got += 100;
    assert_true(got >= 1600);
    assert_true(mem.refused);
    assert_null(th_arena_new(&arena, SIZE_MAX - 8));
    assert_null(th_arena_text(&arena, "x", SIZE_MAX - 8));
    th_arena_clear(&arena);
    assert_int_equal(mem.used_bytes, 0);
    assert_non_null(th_arena_new(&arena, 100)); /* usable again */
    th_arena_clear(&arena);
}

typedef struct witness {
    th_arena *arena;
    const char *text;
    char *log;
} witness;

static void note(void *argument) {
    witness *w = argument;
    strcat(w->log, w->text);
    assert_non_null(th_arena_new(w->arena, 10)); /* hooks may still allocate */
}

static void arena_hooks_run_last_added_first_and_once(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_arena arena;
    th_arena_init(&arena, &mem);
    char log[16] = "";
    witness a = {&arena, "a", log}, b = {&arena, "b", log}, c = {&arena, "c", log};
    assert_int_equal(th_arena_on_clear(&arena, note, &a), TH_OK);
    assert_int_equal(th_arena_on_clear(&arena, note, &b), TH_OK);
    assert_int_equal(th_arena_on_clear(&arena, note, &c), TH_OK);
    th_arena_clear(&arena);
    assert_string_equal(log, "cba");
    th_arena_clear(&arena);
    assert_string_equal(log, "cba");
    assert_int_equal(mem.used_bytes, 0);
}

static void arena_text_and_printf_are_terminated(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_arena arena;
    th_arena_init(&arena, &mem);
    assert_string_equal(th_arena_text(&arena, "hello world", 5), "hello");
    assert_string_equal(th_arena_text(&arena, NULL, 0), "");
    assert_string_equal(th_arena_printf(&arena, "%s-%d", "x", 42), "x-42");
    char *wide = th_arena_printf(&arena, "%*d", 9000, 7);
    assert_int_equal(strlen(wide), 9000);
    const char *zeros = th_arena_zeroed(&arena, 64);
    for (size_t i = 0; i < 64; i++) assert_int_equal(zeros[i], 0);
    assert_memory_equal(th_arena_copy(&arena, "\0\1\2", 3), "\0\1\2", 3);
    th_arena_clear(&arena);
}

static void buf_appends_and_terminates(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_buf buf;
    th_buf_init(&buf, &mem);
    th_buf_text(&buf, "one ");
    th_buf_char(&buf, '2');
    th_buf_printf(&buf, " %s %d", "three", 4);
    th_buf_put(&buf, NULL, 0);
    assert_string_equal(buf.data, "one 2 three 4");
    assert_int_equal(buf.len, 13);
    th_buf_printf(&buf, "%*d", 5000, 1);
    assert_int_equal(buf.len, 5013);
    assert_int_equal(buf.data[5012], '1');
    assert_int_equal(buf.data[5013], 0);
    assert_int_equal(th_buf_status(&buf), TH_OK);
    th_buf_clear(&buf);
    assert_int_equal(mem.used_bytes, 0);
}

static void buf_keeps_what_it_had_when_growth_is_refused(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 100);
    th_buf buf;
    th_buf_init(&buf, &mem);
    th_buf_text(&buf, "kept");
    th_buf_printf(&buf, "%*d", 500, 1);
    assert_int_equal(th_buf_status(&buf), TH_E_NOMEM);
    assert_string_equal(buf.data, "kept");
    th_buf_text(&buf, "ignored");
    assert_string_equal(buf.data, "kept");
    assert_false(th_buf_reserve(&buf, 1));
    assert_false(th_buf_reserve(&buf, SIZE_MAX));
    th_buf_clear(&buf);
    assert_int_equal(mem.used_bytes, 0);
}

/* A body that allocates in every way there is; false at the first refusal. */
static bool busy_body(th_mem *mem) {
    th_arena arena;
    th_arena_init(&arena, mem);
    th_buf buf;
    th_buf_init(&buf, mem);
    void *array = NULL;
    size_t capacity = 0;
    char log[8] = "";
    witness w = {&arena, "h", log};
    bool ok = th_arena_zeroed(&arena, 100) && th_arena_new(&arena, 100000) && th_arena_printf(&arena, "%d", 1) &&
              th_mem_grow(mem, &array, &capacity, 1000, 4) == TH_OK;
    if (ok) {
        th_buf_printf(&buf, "%*d", 300, 1);
        th_buf_text(&buf, "more");
        ok = th_buf_status(&buf) == TH_OK && th_mem_grow(mem, &array, &capacity, 5000, 4) == TH_OK &&
             th_arena_on_clear(&arena, note, &w) == TH_OK;
    }
    th_mem_free(mem, array, capacity * 4);
    th_buf_clear(&buf);
    th_arena_clear(&arena);
    return ok;
}

static void everything_is_given_back_whichever_request_fails_fault(void **state) {
    (void)state;
    bool ok = false;
    size_t fail_at = 0;
    while (!ok) {
        faulty f = {.fail_at = ++fail_at};
        th_mem mem;
        th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
        ok = busy_body(&mem);
        assert_int_equal(f.held, 0);
        assert_int_equal(mem.used_bytes, 0);
        assert_true(fail_at < 100);
    }
    assert_true(fail_at > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mem_counts_and_gives_back),
        cmocka_unit_test(mem_block_of_no_bytes_is_a_block),
        cmocka_unit_test(mem_limit_refuses_and_tells),
        cmocka_unit_test(mem_child_charges_parent_and_refusal_charges_neither),
        cmocka_unit_test(mem_allocator_failure_is_not_a_refusal),
        cmocka_unit_test(mem_grow_doubles_then_takes_what_is_left),
        cmocka_unit_test(mem_grow_near_the_limit_copies_seldom),
        cmocka_unit_test(arena_blocks_are_aligned_and_apart),
        cmocka_unit_test(arena_wastes_little_of_many_small_blocks),
        cmocka_unit_test(arena_uses_a_budget_to_its_end),
        cmocka_unit_test(arena_hooks_run_last_added_first_and_once),
        cmocka_unit_test(arena_text_and_printf_are_terminated),
        cmocka_unit_test(buf_appends_and_terminates),
        cmocka_unit_test(buf_keeps_what_it_had_when_growth_is_refused),
        cmocka_unit_test(everything_is_given_back_whichever_request_fails_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
