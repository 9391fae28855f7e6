/*
** heap_collect.c - what the collector promises: what is reached stays as it is, what is not goes, nothing recurses,
** large objects lie still, old objects' references to young ones are known, finalizers run once.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap_test.h"

static th_value pair(heap_test *t, th_value head, th_value tail) {
    th_value v = TH_V_NULL;
    assert_true(th_new_pair(t->heap, head, tail, &v));
    return v;
}

static th_value array(heap_test *t, size_t n, th_value fill) {
    th_value v = TH_V_NULL;
    assert_true(th_new_array(t->heap, n, fill, NULL, &v));
    return v;
}

static th_value boxed(heap_test *t, int64_t i) {
    th_value v = TH_V_NULL;
    assert_true(th_new_int(t->heap, INT64_MAX - i, &v));
    return v;
}

static void is_boxed(th_value v, int64_t i) {
    int64_t x;
    assert_true(th_get_i64(v, &x));
    assert_int_equal(x, INT64_MAX - i);
}

static size_t live_bytes(heap_test *t) {
    th_heap_stats stats;
    heap_test_full(t);
    th_heap_get_stats(t->heap, &stats);
    return stats.live_bytes;
}

static void a_list_of_ten_million_is_traced_without_recursion(void **state) {
    (void)state;
    heap_test t;
    size_t n = SCALED(10000000);
    heap_test_begin(&t);
    t.roots[0] = t.roots[1] = TH_V_EMPTY;
    for (size_t i = 0; i < n; i++) {
        t.roots[0] = pair(&t, th_of_int((int64_t)i), t.roots[0]);
        heap_test_safe_point(&t);
    }
    heap_test_full(&t);
    heap_test_full(&t);
    size_t left = n;
    for (th_value v = t.roots[0]; v != TH_V_EMPTY; v = th_obj(v)[1])
        assert_true(th_obj(v)[0] == th_of_int((int64_t)--left));
    assert_int_equal(left, 0);
    heap_test_end(&t);
}

static void lists_nested_in_their_heads_are_traced_without_recursion(void **state) {
    (void)state;
    heap_test t;
    size_t n = SCALED(3000000);
    heap_test_begin(&t);
    t.roots[0] = t.roots[1] = TH_V_EMPTY;
    for (size_t i = 0; i < n; i++) { /* the mark stack overflows: both fields lead to something */
        t.roots[1] = pair(&t, th_of_int((int64_t)i), TH_V_NULL);
        t.roots[0] = pair(&t, t.roots[0], t.roots[1]);
        heap_test_safe_point(&t);
    }
    heap_test_full(&t);
    size_t left = n;
    for (th_value v = t.roots[0]; v != TH_V_EMPTY; v = th_obj(v)[0])
        assert_true(th_obj(th_obj(v)[1])[0] == th_of_int((int64_t)--left));
    assert_int_equal(left, 0);
    heap_test_end(&t);
}

static th_value thunk(heap_test *t) {
    th_value v = TH_V_NULL;
    assert_true(th_new_closure(t->heap, TH_OBJ_THUNK, 1, NULL, 0, &v));
    return v;
}

static void evaluate(heap_test *t, th_value thunk, th_value value) {
    uint64_t *p = th_obj(thunk);
    p[0] = TH_HEADER(TH_OBJ_DONE, 0, th_object_words(t->heap, p[0]) - 1);
    th_heap_set(t->heap, p, &p[1], value);
}

/* Each thunk's value is the next one; an array refers to all of them. */
static void a_chain_of_evaluated_thunks(bool old, bool backwards) {
    heap_test t;
    size_t n = SCALED(1000000);
    heap_test_begin(&t);
    t.roots[0] = array(&t, n, TH_V_NULL);
    for (size_t i = 0; i < n; i++) {
        th_value v = thunk(&t);
        th_heap_set(t.heap, th_obj(t.roots[0]), &th_array_items(t.roots[0])[i], v);
        if (old) heap_test_safe_point(&t);
    }
    if (old) heap_test_full(&t);
    th_value *items = th_array_items(t.roots[0]), end = boxed(&t, 7);
    for (size_t i = 0; i < n; i++) {
        size_t at = backwards ? n - 1 - i : i;
        evaluate(&t, items[at], at + 1 < n ? items[at + 1] : end);
    }
    heap_test_minor(&t);
    heap_test_full(&t);
    items = th_array_items(t.roots[0]);
    for (size_t i = 0; i < n; i++) {
        assert_true(items[i] == items[0]);
        assert_true(th_is_shared(items[i])); /* it has many references now */
    }
    is_boxed(items[0], 7);
    heap_test_end(&t);
}

static void young_chains_of_evaluated_thunks_vanish(void **state) {
    (void)state;
    a_chain_of_evaluated_thunks(false, false);
    a_chain_of_evaluated_thunks(false, true);
}

static void old_chains_of_evaluated_thunks_vanish(void **state) {
    (void)state;
    a_chain_of_evaluated_thunks(true, false);
    a_chain_of_evaluated_thunks(true, true);
}

static void a_root_that_is_an_evaluated_thunk_becomes_its_value(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[0] = thunk(&t);
    t.roots[1] = thunk(&t);
    evaluate(&t, t.roots[0], th_of_int(3));
    heap_test_minor(&t);
    assert_true(t.roots[0] == th_of_int(3));
    evaluate(&t, t.roots[1], TH_V_TRUE);
    heap_test_full(&t);
    assert_true(t.roots[1] == TH_V_TRUE);
    for (int full = 0; full < 2; full++) { /* two references to the thunk become two to its value */
        t.roots[2] = t.roots[3] = thunk(&t);
        if (full) heap_test_full(&t);
        evaluate(&t, t.roots[2], array(&t, 1, TH_V_NULL));
        (full ? heap_test_full : heap_test_minor)(&t);
        assert_true(t.roots[2] == t.roots[3] && th_is_shared(t.roots[2]));
        assert_true(th_is_kind(t.roots[2], TH_OBJ_ARRAY));
    }
    heap_test_end(&t);
}

static void an_old_array_keeps_young_values(void **state) {
    (void)state;
    heap_test t;
    size_t n = 3000; /* with more slots than the remembered set begins with */
    heap_test_begin(&t);
    t.roots[0] = array(&t, n, TH_V_NULL);
    heap_test_full(&t);
    assert_false(th_is_young(t.heap, th_obj(t.roots[0])));
    for (size_t turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < n; i++)
            th_heap_set(t.heap, th_obj(t.roots[0]), &th_array_items(t.roots[0])[i], boxed(&t, (int64_t)(i + turn)));
        heap_test_verify(&t);
        heap_test_minor(&t);
        for (size_t i = 0; i < n; i++) is_boxed(th_array_items(t.roots[0])[i], (int64_t)(i + turn));
    }
    heap_test_end(&t);
}

static void storing_without_end_takes_little_memory_and_asks_for_a_collection(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[0] = array(&t, 2, TH_V_NULL);
    heap_test_full(&t);
    t.roots[1] = boxed(&t, 1);
    t.roots[2] = boxed(&t, 2);
    size_t before = t.mem.used_bytes;
    t.heap->due = false;
    for (size_t i = 0; i < 5000000; i++)
        th_heap_set(t.heap, th_obj(t.roots[0]), &th_array_items(t.roots[0])[i % 2], t.roots[1 + i % 3 / 2]);
    assert_true(t.mem.used_bytes < before + ((size_t)9 << 20));
    assert_true(th_heap_due(t.heap));
    heap_test_minor(&t);
    is_boxed(th_array_items(t.roots[0])[0], 1 + (4999998 % 3 == 2));
    is_boxed(th_array_items(t.roots[0])[1], 1 + (4999999 % 3 == 2));
    assert_true(t.mem.used_bytes < before + ((size_t)9 << 20));
    heap_test_end(&t);
}

static void large_objects_lie_still_and_go_when_dead(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    size_t n = TH_HEAP_LARGE_BYTES / 8, before = live_bytes(&t);
    t.roots[0] = array(&t, n, TH_V_NULL);
    for (size_t i = 0; i < n; i += 100)
        th_heap_set(t.heap, th_obj(t.roots[0]), &th_array_items(t.roots[0])[i], boxed(&t, (int64_t)i));
    t.roots[1] = array(&t, 10 * n, t.roots[0]);
    th_value place = t.roots[0];
    t.roots[0] = TH_V_NULL;
    t.roots[2] = array(&t, n, boxed(&t, 3)); /* filled without a store that would be noted */
    heap_test_minor(&t);
    is_boxed(th_array_items(t.roots[2])[n - 1], 3);
    t.roots[2] = TH_V_NULL;
    heap_test_full(&t);
    assert_true(th_array_items(t.roots[1])[n] == place);
    for (size_t i = 0; i < n; i += 100) is_boxed(th_array_items(place)[i], (int64_t)i);
    assert_true(live_bytes(&t) > before + 11 * TH_HEAP_LARGE_BYTES);
    t.roots[1] = TH_V_NULL;
    assert_true(live_bytes(&t) <= before + 64);
    heap_test_end(&t);
}

static void sizes_on_both_sides_of_large_are_kept(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (size_t turn = 0; turn < 40; turn++) {
        for (size_t i = 0; i < ROOTS; i++) {
            size_t n = TH_HEAP_LARGE_BYTES / 8 - 8 + heap_test_draw(&t, 16);
            t.roots[i] = array(&t, n, th_of_int((int64_t)n));
            if (heap_test_draw(&t, 3) == 0) heap_test_safe_point(&t);
        }
        heap_test_verify(&t);
        for (size_t i = 0; i < ROOTS; i++) {
            size_t n = th_array_len(t.roots[i]);
            assert_true(th_array_items(t.roots[i])[n - 1] == th_of_int((int64_t)n));
        }
    }
    heap_test_end(&t);
}

static void arrays_grown_one_by_one_keep_their_items(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[0] = array(&t, 0, TH_V_NULL);
    for (int64_t i = 0; i < 20000; i++) {
        assert_true(th_array_push(t.heap, t.roots[0], i % 5 ? th_of_int(i) : boxed(&t, i), &t.roots[0]));
        if (i % 1000 == 0) heap_test_safe_point(&t);
    }
    heap_test_full(&t);
    assert_int_equal(th_array_len(t.roots[0]), 20000);
    for (int64_t i = 0; i < 20000; i++) {
        th_value v = th_array_items(t.roots[0])[i];
        if (i % 5)
            assert_true(v == th_of_int(i));
        else
            is_boxed(v, i);
    }
    heap_test_end(&t);
}

static void garbage_is_given_back(void **state) {
    (void)state;
    heap_test t;
    th_heap_stats stats;
    heap_test_begin(&t);
    size_t before = live_bytes(&t);
    t.roots[0] = TH_V_EMPTY;
    for (int i = 0; i < SCALED(1000000); i++) {
        t.roots[0] = pair(&t, boxed(&t, i), t.roots[0]);
        heap_test_safe_point(&t);
    }
    assert_int_equal(live_bytes(&t), before + SCALED(1000000) * 32);
    size_t held = t.mem.used_bytes;
    t.roots[0] = TH_V_NULL;
    assert_int_equal(live_bytes(&t), before);
    th_heap_get_stats(t.heap, &stats);
    assert_true(stats.held_bytes <= t.mem.used_bytes);
    assert_true(SCALED(100) < 100 || t.mem.used_bytes < held / 4);
    assert_true(stats.minor >= stats.major && stats.major >= 3);
    heap_test_end(&t);
}

static void programs_that_drop_what_they_make_stay_small(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[1] = array(&t, 1000, TH_V_NULL);
    for (size_t i = 0; i < SCALED(20000000); i++) {
        th_value v = pair(&t, th_of_int(1), TH_V_EMPTY);
        if (i % 100 == 0) th_heap_set(t.heap, th_obj(t.roots[1]), &th_array_items(t.roots[1])[i / 100 % 1000], v);
        heap_test_safe_point(&t);
    }
    assert_true(t.mem.peak_bytes < (size_t)16 << 20);
    heap_test_end(&t);
}

static void objects_given_up_half_made_do_no_harm(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (size_t i = 0; i < 3000; i++) { /* without a safe point: most come to lie in the old generation */
        size_t words = 1 + heap_test_draw(&t, i % 50 ? 300 : 6000);
        uint64_t *p = th_heap_words(t.heap, words);
        assert_non_null(p);
        memset(p + 1, 0xee, words * 8 - 8);
        if (i % 100 == 0) t.roots[i % ROOTS] = boxed(&t, (int64_t)i);
    }
    heap_test_verify(&t);
    heap_test_minor(&t);
    heap_test_full(&t);
    is_boxed(t.roots[2900 % ROOTS], 2900);
    heap_test_end(&t);
}

static void finalized(void *pointer) { ++*(int *)pointer; }

static void finalizers_run_once_when_their_object_dies(void **state) {
    (void)state;
    heap_test t;
    int young = 0, old = 0, last = 0;
    th_value v;
    heap_test_begin(&t);
    assert_true(th_new_heap_native(t.heap, 1, &young, finalized, &v));
    assert_true(th_new_heap_native(t.heap, 2, &old, finalized, &t.roots[0]));
    assert_true(th_new_heap_native(t.heap, 3, &last, finalized, &t.roots[1]));
    assert_true(th_new_heap_native(t.heap, 4, &last, NULL, &t.roots[2]));
    heap_test_minor(&t);
    assert_int_equal(young, 1);
    heap_test_full(&t);
    assert_int_equal(old, 0);
    assert_true((void *)(uintptr_t)th_obj(t.roots[0])[1] == &old);
    t.roots[0] = TH_V_NULL;
    heap_test_full(&t);
    assert_int_equal(old, 1);
    heap_test_full(&t);
    assert_int_equal(last, 0);
    heap_test_end(&t);
    assert_int_equal(young, 1);
    assert_int_equal(old, 1);
    assert_int_equal(last, 1);
}

static void static_strings_stay_where_they_are(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    th_symbol s = th_symbol_of(t.heap, th_view_of("a text"));
    th_value text = th_symbol_string(t.heap, s);
    t.roots[0] = pair(&t, text, text);
    t.roots[1] = text;
    heap_test_minor(&t);
    heap_test_full(&t);
    assert_true(th_obj(t.roots[0])[0] == text && th_obj(t.roots[0])[1] == text && t.roots[1] == text);
    assert_string_equal(th_string_bytes(t.roots[1]), "a text");
    heap_test_end(&t);
}

/* ---- Words --------------------------------------------------------------------------------------------------- */

static void every_double_comes_back(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (uint64_t exponent = 0; exponent < 2048; exponent++) {
        for (uint64_t k = 0; k < 12; k++) {
            static const uint64_t parts[] = {0, 1, 2, 0xfffffffffffff, 0x8000000000000, 0x5555555555555};
            uint64_t bits = exponent << 52 | parts[k % 6] | (k / 6) << 63, again;
            double x, y = 0;
            memcpy(&x, &bits, 8);
            assert_true(th_new_float(t.heap, x, &t.roots[0]));
            if (k == 3) heap_test_safe_point(&t);
            assert_true(th_get_f64(t.roots[0], &y));
            memcpy(&again, &y, 8);
            assert_int_equal(again, bits);
            assert_int_equal(th_value_kind_of(t.roots[0]), TH_VK_FLOAT);
            bool usual = exponent > 1023 - 127 && exponent < 1023 + 127;
            if (usual) assert_true(th_is_float_word(t.roots[0]));
        }
    }
    heap_test_end(&t);
}

static void every_integer_comes_back(void **state) {
    (void)state;
    static const int64_t some[] = {
        0,         1,           -1, INT64_MAX, INT64_MIN, TH_INT_MAX, TH_INT_MAX - 1, -TH_INT_MAX, -TH_INT_MAX - 1,
        1LL << 32, -(1LL << 53)};
    heap_test t;
    heap_test_begin(&t);
    for (size_t i = 0; i < TH_COUNT(some); i++) {
        int64_t x = 0;
        assert_true(th_new_int(t.heap, some[i], &t.roots[i]));
        heap_test_safe_point(&t);
        assert_true(th_get_i64(t.roots[i], &x));
        assert_int_equal(x, some[i]);
        assert_int_equal(th_value_kind_of(t.roots[i]), TH_VK_INT);
        assert_int_equal(th_is_int(t.roots[i]), some[i] >= -TH_INT_MAX && some[i] < TH_INT_MAX);
    }
    assert_true(th_is_bool(TH_V_TRUE) && th_is_bool(TH_V_FALSE) && !th_is_bool(TH_V_NULL) && !th_is_bool(TH_V_EMPTY));
    heap_test_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_of_ten_million_is_traced_without_recursion),
        cmocka_unit_test(lists_nested_in_their_heads_are_traced_without_recursion),
        cmocka_unit_test(young_chains_of_evaluated_thunks_vanish),
        cmocka_unit_test(old_chains_of_evaluated_thunks_vanish),
        cmocka_unit_test(a_root_that_is_an_evaluated_thunk_becomes_its_value),
        cmocka_unit_test(an_old_array_keeps_young_values),
        cmocka_unit_test(storing_without_end_takes_little_memory_and_asks_for_a_collection),
        cmocka_unit_test(large_objects_lie_still_and_go_when_dead),
        cmocka_unit_test(sizes_on_both_sides_of_large_are_kept),
        cmocka_unit_test(arrays_grown_one_by_one_keep_their_items),
        cmocka_unit_test(garbage_is_given_back),
        cmocka_unit_test(programs_that_drop_what_they_make_stay_small),
        cmocka_unit_test(objects_given_up_half_made_do_no_harm),
        cmocka_unit_test(finalizers_run_once_when_their_object_dies),
        cmocka_unit_test(static_strings_stay_where_they_are),
        cmocka_unit_test(every_double_comes_back),
        cmocka_unit_test(every_integer_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
