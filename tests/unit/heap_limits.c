/*
** heap_limits.c - refused memory: each allocation of a busy heap is refused once, or from there on; what was there
** stays whole and can be gone on with. The same with a limit that a program runs into.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap_test.h"

#include "../support/faulty.h"

typedef struct limited {
    heap_test t;
    faulty f;
    th_status status; /* of the last collection */
    size_t made;      /* pairs in roots[0]: made - 1, ..., 0 */
    bool keep;        /* arrays too, in roots[9] */
    unsigned finalized;
} limited;

static void finalized(void *pointer) { ++*(unsigned *)pointer; }

static bool some_record(limited *l) {
    char name[32];
    th_symbol keys[24];
    th_value values[24];
    for (size_t i = 0; i < TH_COUNT(keys); i++) {
        snprintf(name, sizeof name, "k%zu", (l->made + i) % 3000);
        keys[i] = th_symbol_of(l->t.heap, th_view_of(name));
        if (!keys[i]) return false;
        values[i] = l->t.roots[0];
    }
    th_value record, other, flat;
    if (!th_record_build(l->t.heap, keys, values, NULL, TH_COUNT(keys), &record)) return false;
    if (!th_record_build(l->t.heap, keys + 20, values, NULL, 3, &other)) return false;
    if (!th_record_update(l->t.heap, record, other, &l->t.roots[1])) return false;
    return l->made % 2 || th_record_flat(l->t.heap, l->t.roots[1], &flat);
}

static bool some_numbers(limited *l) {
    th_value a, b, q, r;
    if (!th_big_parse(l->t.heap, th_view_of("123456789012345678901234567890123456789012345678901234567890"), 10, &a))
        return false;
    for (int i = 0; i < 5; i++)
        if (!th_big_mul(l->t.heap, a, a, &a)) return false;
    if (!th_big_add(l->t.heap, a, th_of_int(5), &b) || !th_big_div(l->t.heap, b, a, &q, &r)) return false;
    assert_true(q == th_of_int(1) && r == th_of_int(5));
    th_buf text;
    th_buf_init(&text, &l->t.mem);
    bool ok = th_big_print(b, 10, &text);
    assert_true(ok || text.failed || l->f.refused || l->t.mem.refused);
    th_buf_clear(&text);
    l->t.roots[2] = a;
    return ok;
}

static bool some_objects(limited *l) {
    th_heap *heap = l->t.heap;
    th_value v, w;
    if (!th_new_array(heap, l->made % 7 ? 20 : 5000, l->t.roots[0], NULL, &v)) return false;
    l->t.roots[3 + l->made % 4] = v;
    if (l->keep && !th_new_pair(heap, v, l->t.roots[9], &l->t.roots[9])) return false;
    if (!th_new_string(heap, 0, "some text", 9, TH_V_NULL, &w)) return false;
    if (!th_new_heap_native(heap, 1, &l->finalized, finalized, &w)) return false;
    if (!th_weak_new(heap, &w)) return false;
    if (l->t.roots[8] == TH_V_NULL) l->t.roots[8] = w;
    if (!th_weak_set(heap, l->t.roots[8], v, w) || !th_weak_set(heap, w, v, v)) return false;
    return th_weak_get(heap, w, v) == v || th_is_shared(th_weak_get(heap, w, v));
}

static bool more(limited *l) {
    th_value v;
    if (!th_new_pair(l->t.heap, th_of_int((int64_t)l->made), l->t.roots[0], &v)) return false;
    l->t.roots[0] = v;
    l->made++;
    for (size_t i = 3; i < 7; i++) /* an old array gets what is young */
        if (th_is_object(l->t.roots[i]))
            th_heap_set(l->t.heap, th_obj(l->t.roots[i]), th_array_items(l->t.roots[i]), v);
    if (l->made % 8 == 0 && !some_record(l)) return false;
    if (l->made % 16 == 0 && !some_numbers(l)) return false;
    if (l->made % 4 == 0 && !some_objects(l)) return false;
    if (th_heap_due(l->t.heap) || l->made % 500 == 0) {
        l->status = th_heap_collect(l->t.heap, l->made % 500 == 0);
        if (l->status != TH_OK) return false;
    }
    return true;
}

static void is_whole(limited *l) {
    size_t fail_at = l->f.fail_at, limit = l->t.mem.limit_bytes, left = l->made;
    faulty_off(&l->f);
    l->t.mem.limit_bytes = 0; /* the verifier wants some memory for itself */
    heap_test_verify(&l->t);
    l->t.mem.limit_bytes = limit;
    l->f.fail_at = fail_at;
    for (th_value v = l->t.roots[0]; v != TH_V_EMPTY; v = th_obj(v)[1])
        assert_true(th_obj(v)[0] == th_of_int((int64_t)--left));
    assert_int_equal(left, 0);
}

static bool begin(limited *l, size_t limit) {
    heap_test_begin_with(&l->t, faulty_alloc, &l->f, limit);
    l->made = 0;
    l->status = TH_OK;
    l->t.roots[0] = TH_V_EMPTY;
    th_status status = th_heap_new(&l->t.mem, heap_test_roots, &l->t, &l->t.heap);
    if (status == TH_OK) return true;
    assert_true(status == (l->t.mem.refused ? TH_E_MEMORY_LIMIT : TH_E_NOMEM));
    assert_int_equal(l->t.mem.used_bytes, 0);
    return false;
}

static void end(limited *l) {
    faulty_off(&l->f);
    l->t.mem.limit_bytes = 0;
    if (l->t.heap) heap_test_end(&l->t);
    assert_int_equal(l->f.held, 0);
}

static size_t refuse(size_t at, bool once, size_t steps) {
    limited l = {.f = {.fail_at = at, .once = once}};
    if (begin(&l, 0)) {
        bool ok = true;
        while (ok && l.made < steps) ok = more(&l);
        assert_true(ok || l.f.refused);
        is_whole(&l);
        faulty_off(&l.f);
        assert_int_equal(th_heap_collect(l.t.heap, true), TH_OK);
        is_whole(&l);
        for (size_t i = 0; i < 50; i++) assert_true(more(&l)); /* and on it goes */
        is_whole(&l);
    }
    bool refused = l.f.refused;
    end(&l);
    return refused;
}

static void each_allocation_may_be_refused(void **state) {
    (void)state;
    size_t at = 1;
    while (refuse(at, false, 300)) at++;
    assert_true(at > 50);
}

static void each_allocation_may_be_refused_once(void **state) {
    (void)state;
    size_t at = 1;
    while (refuse(at, true, 300)) at++;
    assert_true(at > 50);
}

static void a_limit_stops_a_program_that_keeps_everything(void **state) {
    (void)state;
    for (size_t limit = (size_t)2 << 20; limit <= (size_t)24 << 20; limit += ((size_t)3 << 19) + 4096) {
        limited l = {.keep = true};
        assert_true(begin(&l, limit));
        while (more(&l)) {}
        assert_true(l.t.mem.refused && l.t.mem.used_bytes <= limit);
        assert_true(l.status == TH_OK || l.status == TH_E_MEMORY_LIMIT);
        is_whole(&l);
        l.t.mem.refused = false;
        th_status status = th_heap_collect(l.t.heap, true);
        assert_true(status == TH_OK || (status == TH_E_MEMORY_LIMIT && l.t.mem.refused));
        is_whole(&l);
        size_t was = l.made;
        assert_true(was > 100);
        l.made = 0; /* drops everything */
        for (size_t i = 0; i < ROOTS; i++) l.t.roots[i] = TH_V_NULL;
        l.t.roots[0] = TH_V_EMPTY;
        l.t.mem.refused = false;
        assert_int_equal(th_heap_collect(l.t.heap, true), TH_OK);
        assert_false(l.t.mem.refused);
        while (l.made < was / 2) assert_true(more(&l));
        is_whole(&l);
        end(&l);
    }
}

static void a_program_that_drops_what_it_makes_runs_under_a_small_limit(void **state) {
    (void)state;
    limited l = {0};
    assert_true(begin(&l, (size_t)2 << 20));
    for (size_t i = 0; i < SCALED(2000000); i++) {
        th_value v = TH_V_NULL;
        assert_true(th_new_array(l.t.heap, i % 100 == 0 ? 5000 : i % 30, TH_V_NULL, NULL, &v));
        l.t.roots[1 + i % 5] = v;
        if (th_heap_due(l.t.heap)) assert_int_equal(th_heap_collect(l.t.heap, false), TH_OK);
    }
    assert_false(l.t.mem.refused);
    end(&l);
}

/* What does not fit because of garbage fits after a full collection. */
static void a_refused_large_object_fits_after_a_full_collection(void **state) {
    (void)state;
    limited l = {0};
    assert_true(begin(&l, (size_t)6 << 20));
    assert_true(th_new_array(l.t.heap, 300000, TH_V_NULL, NULL, &l.t.roots[1]));
    th_value v;
    assert_false(th_new_array(l.t.heap, 400000, TH_V_NULL, NULL, &v));
    is_whole(&l);
    l.t.roots[1] = TH_V_NULL;
    assert_int_equal(th_heap_collect(l.t.heap, true), TH_OK);
    assert_true(th_new_array(l.t.heap, 400000, TH_V_NULL, NULL, &v));
    assert_false(th_new_array(l.t.heap, SIZE_MAX / 17, TH_V_NULL, NULL, &v));
    assert_null(th_heap_words(l.t.heap, SIZE_MAX / 16));
    end(&l);
}

static void old_references_are_found_when_they_could_not_be_noted(void **state) {
    (void)state;
    limited l = {0};
    assert_true(begin(&l, 0));
    size_t n = 3000;
    assert_true(th_new_array(l.t.heap, n, TH_V_NULL, NULL, &l.t.roots[1]));
    assert_true(th_new_array(l.t.heap, 5000, TH_V_NULL, NULL, &l.t.roots[2]));
    assert_int_equal(th_heap_collect(l.t.heap, true), TH_OK);
    faulty_allow(&l.f, 0);
    for (size_t k = 1; k < 3; k++) {
        for (size_t i = 0; i < n; i++) {
            th_value v = TH_V_NULL;
            if (!th_new_pair(l.t.heap, th_of_int((int64_t)i), TH_V_NULL, &v)) break;
            th_heap_set(l.t.heap, th_obj(l.t.roots[k]), &th_array_items(l.t.roots[k])[i], v);
        }
    }
    assert_true(l.f.refused);
    faulty_off(&l.f);
    assert_int_equal(th_heap_collect(l.t.heap, true), TH_OK);
    for (size_t k = 1; k < 3; k++) {
        for (size_t i = 0; i < n; i++) {
            th_value v = th_array_items(l.t.roots[k])[i];
            assert_true(v == TH_V_NULL || th_obj(v)[0] == th_of_int((int64_t)i));
        }
        assert_true(th_is_pair(th_array_items(l.t.roots[k])[0]));
    }
    l.t.roots[0] = TH_V_EMPTY;
    end(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_may_be_refused),
        cmocka_unit_test(each_allocation_may_be_refused_once),
        cmocka_unit_test(a_limit_stops_a_program_that_keeps_everything),
        cmocka_unit_test(a_program_that_drops_what_it_makes_runs_under_a_small_limit),
        cmocka_unit_test(a_refused_large_object_fits_after_a_full_collection),
        cmocka_unit_test(old_references_are_found_when_they_could_not_be_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
