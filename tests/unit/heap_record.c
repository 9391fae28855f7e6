/*
** heap_record.c - symbols, shapes and records: against a model, through collections; layered updates cost what they
** should.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap_test.h"

#define KEYS    300
#define RECORDS 24

typedef struct model {
    heap_test t;
    th_symbol keys[KEYS];
    int64_t value[RECORDS][KEYS]; /* -1: absent */
    uint32_t position[RECORDS][KEYS];
} model;

static th_symbol symbol(heap_test *t, size_t i) {
    char text[32];
    snprintf(text, sizeof text, "key %zu", i);
    th_symbol s = th_symbol_of(t->heap, th_view_of(text));
    assert_true(s != 0);
    return s;
}

static void symbols_are_one_for_each_text(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    assert_int_equal(th_symbol_find(t.heap, th_view_of("key 7")), 0);
    th_symbol first = symbol(&t, 7);
    for (size_t i = 0; i < 20000; i++) symbol(&t, i);
    assert_int_equal(symbol(&t, 7), first);
    assert_int_equal(th_symbol_find(t.heap, th_view_of("key 7")), first);
    assert_true(th_view_is(th_symbol_text(t.heap, first), "key 7"));
    th_symbol empty = th_symbol_of(t.heap, (th_view){NULL, 0});
    assert_true(empty != 0 && empty != first);
    assert_int_equal(th_string_len(th_symbol_string(t.heap, empty)), 0);
    heap_test_full(&t);
    assert_int_equal(symbol(&t, 7), first);
    heap_test_end(&t);
}

static void equal_keys_have_one_shape(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    th_symbol keys[] = {symbol(&t, 3), symbol(&t, 1), symbol(&t, 2)}, other[] = {keys[1], keys[2], keys[0]};
    uint32_t order[3], places[] = {30, 10, 20};
    const th_shape *a = th_shape_new(t.heap, keys, NULL, 3, false, order),
                   *b = th_shape_new(t.heap, other, NULL, 3, false, NULL);
    assert_ptr_equal(a, b);
    for (size_t i = 0; i < 3; i++) assert_int_equal(a->keys[i], keys[order[i]]);
    const th_shape *c = th_shape_new(t.heap, keys, places, 3, false, NULL);
    assert_ptr_not_equal(a, c);
    for (size_t i = 0; i < 3; i++) assert_int_equal(c->positions[th_shape_find(c, keys[i])], places[i]);
    assert_int_equal(th_shape_find(a, symbol(&t, 99)), -1);
    const uint32_t *names = th_shape_order(t.heap, a);
    for (size_t i = 1; i < 3; i++)
        assert_true(th_view_compare(th_symbol_text(t.heap, a->keys[names[i - 1]]),
                                    th_symbol_text(t.heap, a->keys[names[i]])) < 0);
    heap_test_end(&t);
}

static void dead_shapes_go_and_the_epoch_tells(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    th_symbol keys[] = {symbol(&t, 1), symbol(&t, 2), symbol(&t, 3)};
    const th_shape *kept = th_shape_new(t.heap, keys, NULL, 1, true, NULL);
    const th_shape *used = th_shape_new(t.heap, keys, NULL, 2, false, NULL);
    const th_shape *dead = th_shape_new(t.heap, keys, NULL, 3, false, NULL);
    uint32_t dead_id = dead->id;
    th_value values[] = {th_of_int(1), th_of_int(2), th_of_int(3)}, v;
    assert_true(th_new_record_of(t.heap, used, values, &t.roots[0]));
    assert_true(th_new_record_of(t.heap, dead, values, &v));
    uint64_t epoch = th_heap_epoch(t.heap);
    heap_test_full(&t);
    assert_true(th_heap_epoch(t.heap) != epoch);
    assert_ptr_equal(th_shape_by_id(t.heap, kept->id), kept);
    assert_ptr_equal(th_record_shape(t.heap, t.roots[0]), used);
    assert_null(th_shape_by_id(t.heap, dead_id));
    epoch = th_heap_epoch(t.heap);
    heap_test_full(&t);
    assert_int_equal(th_heap_epoch(t.heap), epoch);
    assert_ptr_equal(th_shape_new(t.heap, keys, NULL, 2, false, NULL), used);
    heap_test_end(&t);
}

/* ---- Against the model --------------------------------------------------------------------------------------- */

static th_value value_of(model *m, int64_t i) {
    th_value v = TH_V_NULL;
    assert_true(th_new_int(m->t.heap, i % 3 ? i : INT64_MAX - i, &v));
    return v;
}

static void is_value(th_value v, int64_t i) {
    int64_t x = 0;
    assert_true(th_get_i64(th_deref(v), &x));
    assert_int_equal(x, i % 3 ? i : INT64_MAX - i);
}

static void build(model *m, size_t r, size_t most) {
    th_symbol keys[KEYS];
    th_value values[KEYS];
    uint32_t positions[KEYS];
    size_t n = heap_test_draw(&m->t, most);
    bool with = heap_test_draw(&m->t, 2);
    for (size_t k = 0; k < KEYS; k++) m->value[r][k] = -1;
    for (size_t i = 0; i < n; i++) {
        size_t k = heap_test_draw(&m->t, KEYS);
        int64_t x = (int64_t)heap_test_draw(&m->t, 1000000);
        keys[i] = m->keys[k];
        values[i] = value_of(m, x);
        positions[i] = (uint32_t)heap_test_draw(&m->t, 50);
        if (m->value[r][k] >= 0) continue; /* the first one wins */
        m->value[r][k] = x;
        m->position[r][k] = with ? positions[i] : 0;
    }
    assert_true(th_record_build(m->t.heap, keys, values, with ? positions : NULL, n, &m->t.roots[r]));
}

static void update(model *m, size_t r, size_t under, size_t over) {
    assert_true(th_record_update(m->t.heap, th_shared(m->t.roots[under]), th_shared(m->t.roots[over]), &m->t.roots[r]));
    for (size_t k = 0; k < KEYS; k++) {
        size_t from = m->value[over][k] >= 0 ? over : under;
        m->position[r][k] = m->position[from][k];
        m->value[r][k] = m->value[from][k];
    }
}

static void keep_some(model *m, size_t r, size_t from) {
    bool keep[KEYS];
    th_value flat = TH_V_NULL;
    size_t one_in = 1 + heap_test_draw(&m->t, 3);
    assert_true(th_record_flat(m->t.heap, m->t.roots[from], &flat));
    const th_shape *shape = th_record_shape(m->t.heap, flat);
    for (uint32_t i = 0; i < shape->count; i++) keep[i] = heap_test_draw(&m->t, one_in) == 0;
    for (size_t k = 0; k < KEYS; k++) {
        int64_t at = th_shape_find(shape, m->keys[k]);
        m->position[r][k] = m->position[from][k];
        m->value[r][k] = at >= 0 && keep[at] ? m->value[from][k] : -1;
    }
    assert_true(th_record_keep(m->t.heap, flat, keep, &m->t.roots[r]));
}

static void check(model *m, size_t r) {
    size_t n = 0;
    th_value record = m->t.roots[r];
    assert_int_equal(th_value_kind_of(record), TH_VK_RECORD);
    for (size_t k = 0; k < KEYS; k++) {
        th_value v = th_record_get(m->t.heap, record, m->keys[k]);
        n += m->value[r][k] >= 0;
        if (m->value[r][k] < 0) {
            assert_true(v == TH_V_ABSENT);
            assert_int_equal(th_record_position(m->t.heap, record, m->keys[k]), 0);
        } else {
            is_value(v, m->value[r][k]);
            assert_int_equal(th_record_position(m->t.heap, record, m->keys[k]), m->position[r][k]);
        }
    }
    if (heap_test_draw(&m->t, 4)) return; /* the next look flattens */
    bool ok = false;
    assert_int_equal(th_record_count(m->t.heap, record, &ok), n);
    assert_true(ok);
}

static void step(model *m) {
    size_t r = heap_test_draw(&m->t, RECORDS), a = heap_test_draw(&m->t, RECORDS), b = heap_test_draw(&m->t, RECORDS);
    switch (heap_test_draw(&m->t, 12)) {
    case 0: build(m, r, KEYS); break;
    case 1:
    case 2:
    case 3: build(m, r, 6); break;
    case 4: keep_some(m, r, a); break;
    default: update(m, r, r == b ? a : r, b); break;
    }
}

static void random_records_agree_with_the_model(void **state) {
    (void)state;
    static model m;
    memset(m.position, 0, sizeof m.position);
    heap_test_begin(&m.t);
    for (size_t k = 0; k < KEYS; k++) m.keys[k] = symbol(&m.t, k);
    for (size_t r = 0; r < RECORDS; r++) build(&m, r, 20);
    for (size_t i = 0; i < STEPS(60000); i++) {
        step(&m);
        if (i % 3 == 0) check(&m, heap_test_draw(&m.t, RECORDS));
        if (heap_test_draw(&m.t, 30) == 0) heap_test_minor(&m.t);
        if (heap_test_draw(&m.t, 400) == 0) heap_test_full(&m.t);
        if (heap_test_draw(&m.t, 400) == 0) heap_test_verify(&m.t);
    }
    for (size_t r = 0; r < RECORDS; r++) check(&m, r);
    heap_test_end(&m.t);
}

/* acc // { key = i; }, n times: n log n words, where copying would take n * n. */
static void many_small_updates_share(void **state) {
    (void)state;
    heap_test t;
    size_t n = STEPS(100000);
    th_heap_stats stats;
    heap_test_begin(&t);
    assert_true(th_record_build(t.heap, NULL, NULL, NULL, 0, &t.roots[0]));
    for (size_t i = 0; i < n; i++) {
        th_symbol key = symbol(&t, i * 7919 % n);
        th_value value = th_of_int((int64_t)i), one = TH_V_NULL;
        assert_true(th_record_build(t.heap, &key, &value, NULL, 1, &one));
        assert_true(th_record_update(t.heap, t.roots[0], one, &t.roots[0]));
        if (i % 64 == 0)
            assert_true(th_record_get(t.heap, t.roots[0], symbol(&t, i / 2 * 7919 % n)) == th_of_int((int64_t)i / 2));
        heap_test_safe_point(&t);
    }
    th_heap_get_stats(t.heap, &stats);
    assert_true(stats.allocated_bytes < n * 20 * 16 * 8);
    for (size_t i = 0; i < n; i += 11)
        assert_true(th_record_get(t.heap, t.roots[0], symbol(&t, i * 7919 % n)) == th_of_int((int64_t)i));
    bool ok = false;
    assert_int_equal(th_record_count(t.heap, t.roots[0], &ok), n);
    assert_true(ok);
    heap_test_end(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(symbols_are_one_for_each_text),      cmocka_unit_test(equal_keys_have_one_shape),
        cmocka_unit_test(dead_shapes_go_and_the_epoch_tells), cmocka_unit_test(random_records_agree_with_the_model),
        cmocka_unit_test(many_small_updates_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
