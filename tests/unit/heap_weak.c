/*
** heap_weak.c - weak tables: entries live as long as their keys, values do not keep keys, chains of entries are
** followed, and all of it against a model with random keys and tables.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap_test.h"

static th_value table(heap_test *t) {
    th_value v = TH_V_NULL;
    assert_true(th_weak_new(t->heap, &v));
    return v;
}

static th_value cell(heap_test *t, int64_t i) {
    th_value v = TH_V_NULL;
    assert_true(th_new_pair(t->heap, th_of_int(i), TH_V_NULL, &v));
    return v;
}

static void set(heap_test *t, th_value weak, th_value key, th_value value) {
    assert_true(th_weak_set(t->heap, weak, key, value));
}

static void collect_both(heap_test *t) {
    heap_test_minor(t);
    heap_test_verify(t);
    heap_test_full(t);
    heap_test_verify(t);
}

static void entries_go_with_their_keys(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[0] = table(&t);
    t.roots[1] = cell(&t, 1);
    set(&t, t.roots[0], t.roots[1], th_of_int(10));
    set(&t, t.roots[0], cell(&t, 2), th_of_int(20)); /* dies young */
    assert_int_equal(th_weak_count(t.heap, t.roots[0]), 2);
    heap_test_minor(&t);
    assert_int_equal(th_weak_count(t.heap, t.roots[0]), 1);
    assert_true(th_weak_get(t.heap, t.roots[0], t.roots[1]) == th_of_int(10));
    assert_true(th_weak_get(t.heap, t.roots[0], th_shared(t.roots[1])) == th_of_int(10));
    set(&t, t.roots[0], t.roots[1], th_of_int(11));
    heap_test_full(&t);
    assert_true(th_weak_get(t.heap, t.roots[0], t.roots[1]) == th_of_int(11));
    t.roots[1] = TH_V_NULL; /* dies old */
    heap_test_full(&t);
    assert_int_equal(th_weak_count(t.heap, t.roots[0]), 0);
    heap_test_end(&t);
}

static void values_do_not_keep_keys_but_are_kept_by_them(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (int old = 0; old < 2; old++) {
        t.roots[0] = table(&t);
        if (old) heap_test_full(&t);
        th_value self = cell(&t, 1), v;
        assert_true(th_new_pair(t.heap, self, TH_V_NULL, &v));
        set(&t, t.roots[0], self, v); /* the value refers to the key */
        t.roots[1] = cell(&t, 2);
        set(&t, t.roots[0], t.roots[1], cell(&t, 3));
        collect_both(&t);
        assert_int_equal(th_weak_count(t.heap, t.roots[0]), 1);
        assert_true(th_obj(th_weak_get(t.heap, t.roots[0], t.roots[1]))[0] == th_of_int(3));
        set(&t, t.roots[0], t.roots[1], cell(&t, 4)); /* an old key with a young value */
        collect_both(&t);
        assert_true(th_obj(th_weak_get(t.heap, t.roots[0], t.roots[1]))[0] == th_of_int(4));
    }
    heap_test_end(&t);
}

static void keys_that_are_no_references_stay(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    t.roots[0] = table(&t);
    th_value text = th_symbol_string(t.heap, th_symbol_of(t.heap, th_view_of("key")));
    set(&t, t.roots[0], th_of_int(5), th_of_int(50));
    set(&t, t.roots[0], TH_V_TRUE, th_of_int(60));
    set(&t, t.roots[0], text, th_of_int(70));
    collect_both(&t);
    assert_true(th_weak_get(t.heap, t.roots[0], th_of_int(5)) == th_of_int(50));
    assert_true(th_weak_get(t.heap, t.roots[0], TH_V_TRUE) == th_of_int(60));
    assert_true(th_weak_get(t.heap, t.roots[0], text) == th_of_int(70));
    assert_true(th_weak_get(t.heap, t.roots[0], th_of_int(6)) == TH_V_ABSENT);
    heap_test_end(&t);
}

/* Entry i's value is the key of entry i + 1; only the first key is a root. In random order, so that naive rounds over
** the table would take time in the square. */
static void long_chains_of_entries_are_followed(void **state) {
    (void)state;
    heap_test t;
    size_t n = SCALED(300000);
    heap_test_begin(&t);
    size_t *order = malloc(n * sizeof *order);
    assert_non_null(order);
    for (int old = 0; old < 2; old++) {
        assert_true(th_new_array(t.heap, n, TH_V_NULL, NULL, &t.roots[1]));
        for (size_t i = 0; i < n; i++) {
            th_heap_set(t.heap, th_obj(t.roots[1]), &th_array_items(t.roots[1])[i], cell(&t, (int64_t)i));
            order[i] = i;
        }
        t.roots[0] = table(&t);
        for (size_t i = n; i-- > 1;) {
            size_t k = heap_test_draw(&t, i + 1), swap = order[i];
            order[i] = order[k];
            order[k] = swap;
        }
        for (size_t i = 0; i < n; i++) {
            size_t at = order[i];
            th_value *cells = th_array_items(t.roots[1]);
            set(&t, t.roots[0], cells[at], at + 1 < n ? cells[at + 1] : TH_V_TRUE);
        }
        t.roots[2] = th_array_items(t.roots[1])[0];
        if (old) heap_test_full(&t);
        t.roots[1] = TH_V_NULL;
        collect_both(&t);
        assert_int_equal(th_weak_count(t.heap, t.roots[0]), n);
        th_value key = t.roots[2];
        size_t len = 1;
        while ((key = th_weak_get(t.heap, t.roots[0], key)) != TH_V_TRUE) len++;
        assert_int_equal(len, n);
        t.roots[2] = TH_V_NULL;
        heap_test_full(&t);
        assert_int_equal(th_weak_count(t.heap, t.roots[0]), 0);
    }
    free(order);
    heap_test_end(&t);
}

static void a_key_that_is_evaluated_becomes_its_value(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (int old = 0; old < 2; old++) {
        t.roots[0] = table(&t);
        assert_true(th_new_closure(t.heap, TH_OBJ_THUNK, 1, NULL, 0, &t.roots[1]));
        if (old) heap_test_full(&t);
        t.roots[2] = cell(&t, 9);
        set(&t, t.roots[0], t.roots[1], th_of_int(1));
        uint64_t *p = th_obj(t.roots[1]);
        p[0] = TH_HEADER(TH_OBJ_DONE, 0, 1);
        th_heap_set(t.heap, p, &p[1], th_shared(t.roots[2]));
        assert_true(th_weak_get(t.heap, t.roots[0], t.roots[1]) == th_of_int(1));
        collect_both(&t);
        assert_true(th_weak_get(t.heap, t.roots[0], t.roots[1]) == th_of_int(1));
        assert_true(th_weak_get(t.heap, t.roots[0], t.roots[2]) == th_of_int(1));
        assert_int_equal(th_weak_count(t.heap, t.roots[0]), 1);
    }
    heap_test_end(&t);
}

static void tables_die_and_are_reached_through_tables(void **state) {
    (void)state;
    heap_test t;
    heap_test_begin(&t);
    for (int i = 0; i < 100; i++) set(&t, table(&t), cell(&t, i), cell(&t, i)); /* garbage */
    t.roots[0] = table(&t);
    t.roots[1] = cell(&t, 0);
    th_value outer = t.roots[0], key = t.roots[1];
    for (int i = 0; i < 50; i++) { /* each table is reached through the one before */
        th_value inner = table(&t);
        set(&t, outer, key, inner);
        outer = inner;
    }
    set(&t, outer, key, th_of_int(77));
    collect_both(&t);
    outer = t.roots[0];
    for (int i = 0; i < 50; i++) outer = th_weak_get(t.heap, outer, t.roots[1]);
    assert_true(th_weak_get(t.heap, outer, t.roots[1]) == th_of_int(77));
    heap_test_end(&t);
}

/* ---- Against a model --------------------------------------------------------------------------------------------- */

#define KEYS   200
#define TABLES 4

typedef struct model {
    heap_test t;
    bool rooted[KEYS];           /* roots[4] is an array of the keys that are */
    int64_t value[TABLES][KEYS]; /* -1: none, >= KEYS: a number, else a key */
    bool live[KEYS];
} model;

static th_value *slot(model *m, size_t key) { return &th_array_items(m->t.roots[4])[key]; }

/* The keys that live: rooted ones, and values of entries whose key lives. */
static void find_live(model *m) {
    memcpy(m->live, m->rooted, sizeof m->live);
    for (bool more = true; more;) {
        more = false;
        for (size_t t = 0; t < TABLES; t++) {
            for (size_t k = 0; k < KEYS; k++) {
                int64_t v = m->value[t][k];
                if (!m->live[k] || v < 0 || v >= KEYS || m->live[v]) continue;
                m->live[v] = more = true;
            }
        }
    }
}

static void check_model(model *m, bool exact) {
    find_live(m);
    for (size_t t = 0; t < TABLES; t++) {
        size_t n = 0;
        for (size_t k = 0; k < KEYS; k++) {
            if (!m->live[k]) m->value[t][k] = -1;
            n += m->value[t][k] >= 0;
            if (!m->rooted[k]) continue;
            th_value v = th_weak_get(m->t.heap, m->t.roots[t], *slot(m, k));
            int64_t want = m->value[t][k];
            if (want < 0)
                assert_true(v == TH_V_ABSENT);
            else if (want >= KEYS)
                assert_true(v == th_of_int(want));
            else
                assert_true(th_obj(v)[0] == th_of_int(want));
        }
        size_t count = th_weak_count(m->t.heap, m->t.roots[t]);
        assert_true(exact ? count == n : count >= n);
    }
}

static void step(model *m) {
    heap_test *t = &m->t;
    size_t k = heap_test_draw(t, KEYS), other = heap_test_draw(t, KEYS), at = heap_test_draw(t, TABLES);
    switch (heap_test_draw(t, 6)) {
    case 0: /* drop a key, or make another in its place when nothing knows it any more */
        if (m->rooted[k]) {
            m->rooted[k] = false;
            *slot(m, k) = TH_V_NULL;
            break;
        }
        find_live(m);
        if (m->live[k]) break;
        for (size_t i = 0; i < TABLES; i++) m->value[i][k] = -1;
        m->rooted[k] = true;
        th_heap_set(t->heap, th_obj(t->roots[4]), slot(m, k), cell(t, (int64_t)k));
        break;
    case 1:
        if (!m->rooted[k]) break;
        set(t, t->roots[at], *slot(m, k), th_of_int(KEYS + (int64_t)other));
        m->value[at][k] = KEYS + (int64_t)other;
        break;
    case 2:
        if (!m->rooted[k] || !m->rooted[other]) break;
        set(t, t->roots[at], *slot(m, k), *slot(m, other));
        m->value[at][k] = (int64_t)other;
        break;
    case 3: /* take a key out of a table */
        if (!m->rooted[k] || m->value[at][k] < 0 || m->value[at][k] >= KEYS) break;
        other = (size_t)m->value[at][k];
        m->rooted[other] = true;
        th_heap_set(t->heap, th_obj(t->roots[4]), slot(m, other), th_weak_get(t->heap, t->roots[at], *slot(m, k)));
        break;
    default: break;
    }
}

static void random_tables_agree_with_the_model(void **state) {
    (void)state;
    static model m;
    heap_test *t = &m.t;
    heap_test_begin(t);
    memset(m.rooted, 0, sizeof m.rooted);
    memset(m.value, 0xff, sizeof m.value);
    for (size_t i = 0; i < TABLES; i++) t->roots[i] = table(t);
    assert_true(th_new_array(t->heap, KEYS, TH_V_NULL, NULL, &t->roots[4]));
    for (size_t i = 0; i < SCALED(600000); i++) {
        step(&m);
        if (heap_test_draw(t, 60) == 0) {
            heap_test_minor(t);
            check_model(&m, false);
        }
        if (heap_test_draw(t, 500) == 0) {
            heap_test_full(t);
            check_model(&m, true);
            heap_test_verify(t);
        }
    }
    heap_test_end(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_go_with_their_keys),
        cmocka_unit_test(values_do_not_keep_keys_but_are_kept_by_them),
        cmocka_unit_test(keys_that_are_no_references_stay),
        cmocka_unit_test(long_chains_of_entries_are_followed),
        cmocka_unit_test(a_key_that_is_evaluated_becomes_its_value),
        cmocka_unit_test(tables_die_and_are_reached_through_tables),
        cmocka_unit_test(random_tables_agree_with_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
