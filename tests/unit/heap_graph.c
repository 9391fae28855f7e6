/*
** heap_graph.c - random graphs of every kind of object against a model in C memory, through collections of both kinds.
** TEST_SEED chooses another random sequence.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap_test.h"

/* A value of the model: a word that is no reference, or the number of a node. */
typedef struct mval {
    bool ref;
    uint64_t word;
} mval;

typedef enum mkind { PAIR, ARRAY, CLOSURE, THUNK, DONE, PARTIAL, FAULT, STRING, INT, FLOAT, NATIVE, MKINDS } mkind;

typedef struct mnode {
    mkind kind;
    size_t n;
    mval *items;    /* values */
    uint64_t plain; /* number, function, seed of the text, sort */
    th_value where; /* found there in comparison number `stamp` */
    uint32_t stamp;
} mnode;

typedef struct graph {
    heap_test t;
    mval roots[ROOTS];
    mnode *nodes;
    size_t n, capacity;
    uint32_t stamp;
    unsigned finalized;
} graph;

static mnode *new_node(graph *g, mkind kind, size_t nitems, uint64_t plain, mval *out) {
    if (g->n == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 1024;
        mnode *nodes = realloc(g->nodes, g->capacity * sizeof *nodes);
        assert_non_null(nodes);
        g->nodes = nodes;
    }
    mnode *node = &g->nodes[g->n];
    *node = (mnode){.kind = kind, .n = nitems, .plain = plain};
    node->items = calloc(nitems + 1, sizeof *node->items);
    assert_non_null(node->items);
    *out = (mval){true, g->n++};
    return node;
}

static mval deref(const graph *g, mval v) {
    while (v.ref && g->nodes[v.word].kind == DONE) v = g->nodes[v.word].items[0];
    return v;
}

static void text_of(uint64_t seed, size_t len, char *out) {
    for (size_t i = 0; i < len; i++) out[i] = (char)('a' + (seed + i * 7) % 26);
}

/* ---- Comparing ------------------------------------------------------------------------------------------------ */

typedef struct pending {
    mval model;
    th_value v;
} pending;

typedef struct work {
    pending *items;
    size_t n, capacity;
} work;

static void add_work(work *w, mval model, th_value v) {
    if (w->n == w->capacity) {
        w->capacity = w->capacity ? w->capacity * 2 : 256;
        pending *items = realloc(w->items, w->capacity * sizeof *items);
        assert_non_null(items);
        w->items = items;
    }
    w->items[w->n++] = (pending){model, v};
}

static void check_string(const mnode *node, th_value v, work *w) {
    char text[300];
    size_t len = node->plain >> 32;
    text_of(node->plain, len, text);
    assert_int_equal(th_string_len(v), len);
    assert_memory_equal(th_string_bytes(v), text, len);
    assert_int_equal(th_string_bytes(v)[len], 0);
    assert_int_equal(th_string_sort(v), node->plain % 3);
    if (node->n)
        add_work(w, node->items[0], th_string_context(v));
    else
        assert_true(th_string_context(v) == TH_V_NULL);
}

static void check_fields(const mnode *node, const th_value *fields, work *w) {
    for (size_t i = 0; i < node->n; i++) add_work(w, node->items[i], fields[i]);
}

static void check_node(const mnode *node, th_value v, work *w) {
    int64_t i;
    double x, y;
    if (node->kind == PAIR) {
        assert_true(th_is_pair(v));
        check_fields(node, th_obj(v), w);
        return;
    }
    assert_true(th_is_object(v));
    uint64_t h = *th_obj(v);
    switch (node->kind) {
    case ARRAY:
        assert_int_equal(th_array_len(v), node->n);
        check_fields(node, th_array_items(v), w);
        break;
    case CLOSURE:
    case THUNK:
        assert_int_equal(th_header_kind(h), node->kind == THUNK ? TH_OBJ_THUNK : TH_OBJ_CLOSURE);
        assert_int_equal(th_header_fn(h), node->plain);
        assert_int_equal(th_header_captures(h), node->n);
        check_fields(node, th_obj(v) + 1, w);
        break;
    case PARTIAL:
        assert_int_equal(th_header_kind(h), TH_OBJ_PARTIAL);
        assert_int_equal(th_header_size(h) + 1, node->n);
        check_fields(node, th_obj(v) + 1, w);
        break;
    case FAULT:
        assert_int_equal(th_header_kind(h), TH_OBJ_ERROR);
        check_fields(node, th_obj(v) + 1, w);
        break;
    case STRING: check_string(node, v, w); break;
    case INT:
        assert_true(th_get_i64(v, &i));
        assert_int_equal(i, node->plain);
        break;
    case FLOAT:
        memcpy(&y, &node->plain, 8);
        assert_true(th_get_f64(v, &x));
        assert_memory_equal(&x, &y, 8);
        break;
    case NATIVE:
        assert_int_equal(th_header_kind(h), TH_OBJ_NATIVE);
        assert_int_equal(th_header_size(h), node->plain);
        break;
    default: fail();
    }
}

/* Everything that the roots reach is as in the model: kinds, contents, and what is the same object. */
static void compare(graph *g) {
    work w = {0};
    g->stamp++;
    for (size_t i = 0; i < ROOTS; i++) add_work(&w, g->roots[i], g->t.roots[i]);
    while (w.n > 0) {
        pending p = w.items[--w.n];
        mval model = deref(g, p.model);
        th_value v = th_deref(p.v);
        if (!model.ref) {
            assert_true(v == model.word);
            continue;
        }
        mnode *node = &g->nodes[model.word];
        th_value plain = v & ~(th_value)TH_TAG_SHARED;
        if (node->stamp == g->stamp) {
            assert_true(node->where == plain);
            continue;
        }
        node->stamp = g->stamp;
        node->where = plain;
        check_node(node, v, &w);
    }
    free(w.items);
}

/* ---- Building -------------------------------------------------------------------------------------------------- */

static size_t any_root(graph *g) { return heap_test_draw(&g->t, ROOTS); }

static void take(graph *g, th_value *v, mval *model) {
    size_t i = any_root(g);
    *v = th_shared(g->t.roots[i]);
    *model = g->roots[i];
}

static void put(graph *g, th_value v, mval model) {
    size_t i = any_root(g);
    g->t.roots[i] = v;
    g->roots[i] = model;
}

static void count_final(void *pointer) { ++*(unsigned *)pointer; }

static void make_fields(graph *g, mnode *node, th_value *values) {
    for (size_t i = 0; i < node->n; i++) take(g, &values[i], &node->items[i]);
}

static bool make_string(graph *g, mnode *node, th_value *out) {
    char text[300];
    size_t len = node->plain >> 32;
    th_value context = TH_V_NULL;
    if (node->n) take(g, &context, &node->items[0]);
    if (context == TH_V_NULL) node->n = 0;
    text_of(node->plain, len, text);
    return th_new_string(g->t.heap, node->plain % 3, text, len, context, out);
}

static void make(graph *g) {
    heap_test *t = &g->t;
    mkind kind = (mkind)heap_test_draw(t, MKINDS);
    size_t most = heap_test_draw(t, 200) == 0 ? 6000 : 12, n = kind == PAIR ? 2 : heap_test_draw(t, most);
    uint64_t plain = heap_test_draw(t, 1000);
    static th_value values[6000];
    mval model;
    th_value v = TH_V_NULL;
    if (kind == DONE) kind = THUNK;
    if (kind == INT) plain = ((uint64_t)1 << 62) + plain;
    if (kind == STRING) plain |= heap_test_draw(t, 300) << 32;
    if (kind == STRING) n = heap_test_draw(t, 2);
    if (kind == FLOAT) plain += (uint64_t)0x7fe << 52;
    if (kind >= INT) n = 0;
    if (kind == PARTIAL && n == 0) n = 1;
    mnode *node = new_node(g, kind, n, plain, &model);
    if (kind != STRING) make_fields(g, node, values);
    bool ok = false;
    double x;
    switch (kind) {
    case PAIR: ok = th_new_pair(t->heap, values[0], values[1], &v); break;
    case ARRAY: {
        th_value *items;
        ok = th_new_array(t->heap, n, TH_V_NULL, &items, &v);
        for (size_t i = 0; ok && i < n; i++) th_heap_set(t->heap, th_obj(v), &items[i], values[i]);
        break;
    }
    case CLOSURE: ok = th_new_closure(t->heap, TH_OBJ_CLOSURE, (uint32_t)plain, values, n, &v); break;
    case THUNK: ok = th_new_closure(t->heap, TH_OBJ_THUNK, (uint32_t)plain, values, n, &v); break;
    case PARTIAL: ok = th_new_partial(t->heap, values[0], values + 1, n - 1, &v); break;
    case FAULT: ok = th_new_error(t->heap, values, n, &v); break;
    case STRING: ok = make_string(g, node, &v); break;
    case INT: ok = th_new_int(t->heap, (int64_t)plain, &v); break;
    case FLOAT:
        memcpy(&x, &plain, 8);
        ok = th_new_float(t->heap, x, &v);
        break;
    case NATIVE: ok = th_new_heap_native(t->heap, (uint32_t)plain, &g->finalized, count_final, &v); break;
    default: break;
    }
    assert_true(ok);
    put(g, v, model);
}

/* ---- Changing ---------------------------------------------------------------------------------------------------- */

static void change(graph *g) {
    size_t i = any_root(g);
    mval model = deref(g, g->roots[i]), value;
    th_value v = th_deref(g->t.roots[i]), word;
    if (!model.ref) return;
    mnode *node = &g->nodes[model.word];
    take(g, &word, &value);
    if (node->kind == ARRAY && node->n > 0) {
        size_t at = heap_test_draw(&g->t, node->n);
        th_heap_set(g->t.heap, th_obj(v), &th_array_items(v)[at], word);
        node->items[at] = value;
    } else if (node->kind == PAIR) {
        size_t at = heap_test_draw(&g->t, 2);
        th_heap_set(g->t.heap, th_obj(v), &th_obj(v)[at], word);
        node->items[at] = value;
    } else if (node->kind == THUNK) {
        mval end = deref(g, value);
        if (end.ref && end.word == model.word) return; /* its own value */
        uint64_t *p = th_obj(v);
        p[0] = TH_HEADER(TH_OBJ_DONE, 0, th_object_words(g->t.heap, p[0]) - 1);
        th_heap_set(g->t.heap, p, &p[1], word);
        node->kind = DONE;
        node->items[0] = value;
    }
}

static void descend(graph *g) {
    size_t i = any_root(g);
    mval model = deref(g, g->roots[i]);
    th_value v = th_deref(g->t.roots[i]);
    if (!model.ref) return;
    const mnode *node = &g->nodes[model.word];
    if (node->n == 0 || node->kind == STRING) return;
    size_t at = heap_test_draw(&g->t, node->n);
    put(g, th_shared(th_obj(v)[node->kind == PAIR ? at : at + 1]), node->items[at]);
}

static void step(graph *g) {
    switch (heap_test_draw(&g->t, 8)) {
    case 0:
    case 1:
    case 2: make(g); break;
    case 3: change(g); break;
    case 4: descend(g); break;
    case 5: put(g, th_of_int(5), (mval){false, th_of_int(5)}); break;
    default: {
        th_value v;
        mval model;
        take(g, &v, &model);
        put(g, v, model);
    }
    }
}

static unsigned natives_of(const graph *g) {
    unsigned n = 0;
    for (size_t i = 0; i < g->n; i++) n += g->nodes[i].kind == NATIVE;
    return n;
}

static void run(graph *g, size_t steps, size_t minor_every, size_t full_every) {
    *g = (graph){0};
    heap_test_begin(&g->t);
    for (size_t i = 0; i < ROOTS; i++) g->roots[i] = (mval){false, TH_V_NULL};
    for (size_t i = 0; i < steps; i++) {
        step(g);
        if (heap_test_draw(&g->t, minor_every) == 0) heap_test_minor(&g->t);
        if (heap_test_draw(&g->t, full_every) == 0) {
            heap_test_full(&g->t);
            compare(g);
        }
        if (heap_test_draw(&g->t, full_every) == 0) heap_test_verify(&g->t);
    }
    compare(g);
    heap_test_end(&g->t);
    assert_int_equal(g->finalized, natives_of(g));
    for (size_t i = 0; i < g->n; i++) free(g->nodes[i].items);
    free(g->nodes);
}

static void random_graphs_survive_frequent_collections(void **state) {
    (void)state;
    graph g;
    run(&g, STEPS(400000), 20, 200);
}

static void random_graphs_survive_when_the_nursery_fills_up(void **state) {
    (void)state;
    graph g;
    run(&g, STEPS(1000000), 100000, 20000);
}

static void random_graphs_survive_long_between_full_collections(void **state) {
    (void)state;
    graph g;
    run(&g, STEPS(1000000), 1000, 50000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_survive_frequent_collections),
        cmocka_unit_test(random_graphs_survive_when_the_nursery_fills_up),
        cmocka_unit_test(random_graphs_survive_long_between_full_collections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
