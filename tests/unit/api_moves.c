/*
** api_moves.c - tables computed by a run that is moved from machine to machine: with any fuel for each move, what comes out is
** what comes out without moving, nothing twice and nothing missing, for the same fuel in all.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../support/faulty.h"
#include "theta.h"

enum { MOST_MOVES = 30000 };

typedef struct output {
    char *data;
    size_t len, capacity;
} output;

static theta_status take(void *user, const char *bytes, size_t len) {
    output *out = user;
    if (out->capacity - out->len < len + 1) {
        out->capacity = out->capacity * 2 + len + 64;
        out->data = realloc(out->data, out->capacity);
        assert_non_null(out->data);
    }
    if (len) memcpy(out->data + out->len, bytes, len);
    out->len += len;
    out->data[out->len] = 0;
    return THETA_OK;
}

static theta_engine *engine;
static char folder[] = "/tmp/theta-moves-XXXXXX";

static theta_machine *new_machine(int64_t fuel, output *out) {
    theta_machine_config config;
    theta_machine_config_init(&config);
    config.fuel = fuel;
    config.resumable = fuel >= 0;
    config.allow = THETA_ALLOW_FS;
    config.write = take;
    config.write_user = out;
    theta_machine *m;
    assert_int_equal(theta_machine_new(engine, &config, &m, NULL), THETA_OK);
    return m;
}

static theta_program *compile(const char *text) {
    theta_program *program;
    theta_text diagnostics = {0};
    theta_error err = {0};
    if (theta_compile(engine, "test.theta", text, strlen(text), NULL, &program, &diagnostics, &err) != THETA_OK)
        fail_msg("%s\n%s", text, diagnostics.data);
    theta_text_free(&diagnostics);
    return program;
}

/* Runs until it is over or suspended, a table that main gives included. */
static theta_state drive(theta_machine *m, theta_error *err) {
    theta_state state = theta_run(m);
    theta_value value;
    if (state != THETA_DONE) return state;
    assert_int_equal(theta_result(m, &value, err), THETA_OK);
    if (theta_value_kind(m, value) != THETA_TABLE) return state;
    assert_int_equal(theta_start_print(m, value, err), THETA_OK);
    return theta_run(m);
}

static theta_machine *move(theta_machine *m, int64_t fuel, output *out, const char *text) {
    theta_text state;
    theta_error err = {0};
    if (theta_save(m, &state, &err) != THETA_OK) fail_msg("%s\ncannot be saved: %s", text, err.message);
    theta_machine_free(m);
    m = new_machine(fuel, out);
    if (theta_restore(m, state.data, state.len, &err) != THETA_OK)
        fail_msg("%s\ncannot be restored: %s", text, err.message);
    memset(state.data, 0xee, state.len); /* nothing may still lie in it */
    theta_text_free(&state);
    return m;
}

/* How often it moved; *used is the fuel in all. */
static int run(const char *text, int64_t fuel, output *out, int64_t *used) {
    theta_program *program = compile(text);
    theta_machine *m = new_machine(fuel, out);
    theta_error err = {0};
    int moves = 0;
    assert_int_equal(theta_machine_add(m, program, NULL), THETA_OK);
    assert_int_equal(theta_start(m, "main", NULL, 0, &err), THETA_OK);
    theta_state state = drive(m, &err);
    for (; state == THETA_SUSPENDED; state = drive(m, &err)) {
        m = move(m, fuel, out, text);
        if (++moves > MOST_MOVES) fail_msg("%s\ndoes not end with %lld for each move", text, (long long)fuel);
    }
    if (state == THETA_FAILED && theta_result(m, NULL, &err) != THETA_OK)
        fail_msg("%s\nfails with %lld for each move: %s", text, (long long)fuel, err.message);
    assert_int_equal(theta_machine_flush(m), THETA_OK);
    *used = theta_machine_fuel_used(m);
    theta_machine_free(m);
    theta_program_release(program);
    return moves;
}

static void take_file(const char *path, output *out) {
    char bytes[4096];
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file) return;
    while ((n = fread(bytes, 1, sizeof bytes, file)) > 0) (void)take(out, bytes, n);
    (void)fclose(file);
    (void)unlink(path);
}

/* `main` may write the file "out", which then counts as output too. */
static void same_with(const char *text, const int64_t *fuels, size_t n) {
    output expected = {0};
    int64_t expected_used, used;
    assert_int_equal(run(text, -1, &expected, &expected_used), 0);
    take_file("out", &expected);
    for (size_t i = 0; i < n; i++) {
        output out = {0};
        int moves = run(text, fuels[i], &out, &used);
        take_file("out", &out);
        if (out.len != expected.len || memcmp(out.data, expected.data, out.len) != 0)
            fail_msg(
                "%s\nwith %lld for each of %d moves: %zu bytes instead of %zu\n--- got\n%.2000s\n--- expected\n%.2000s",
                text, (long long)fuels[i], moves, out.len, expected.len, out.data, expected.data);
        if (used != expected_used)
            fail_msg("%s\nwith %lld for each of %d moves: %lld used instead of %lld", text, (long long)fuels[i], moves,
                     (long long)used, (long long)expected_used);
        if (fuels[i] < expected_used / 4) assert_true(moves > 0);
        free(out.data);
    }
    assert_true(expected.len > 0);
    free(expected.data);
}

#define HEAD                                                                                                           \
    "capsule T {\n"                                                                                                    \
    "    struct Row { id<i64> city<String> fare<f64?> day<String> }\n"                                                 \
    "    struct City { name<String> land<String> }\n"                                                                  \
    "    f64 fee(f64 x) { f64 y = 0.0; for (i in range(0, 3)) { y += x } return y }\n"                                 \
    "    bool odd(i64 n) { return n % 2 == 1 }\n"                                                                      \
    "    String loud(String s) { return s + '!' }\n"

static void moves_of(const char *definitions, const char *body, bool small) {
    static const int64_t tiny[] = {0, 1, 700, 15000}, few[] = {20000, 300000};
    char text[4000];
    snprintf(text, sizeof text, "%s%s    void main() {\n        t = Csv.read('%s.csv')\n        %s\n    }\n}\n", HEAD,
             definitions, small ? "small" : "big", body);
    same_with(text, small ? tiny : few, small ? 4 : 2);
}

static void both(const char *body) {
    moves_of("", body, true);
    moves_of("", body, false);
}

/* ---- Operators ---------------------------------------------------------------------------------------------- */

static void where_and_derive(void **state) {
    (void)state;
    both("t => where(id % 3 == 1) => derive(x: (fare ?? 1.0) * 2.0, y: city + day) => print()");
}

static void select_drop_rename(void **state) {
    (void)state;
    both("t => select(n: id, city, day) => drop(day) => rename(town: city) => where(n % 5 == 0) => print()");
}

static void every_aggregate(void **state) {
    (void)state;
    both("t => group(city) => aggregate(n: count(), k: count(fare), s: sum(id), sf: sum(fare), m: mean(fare), mi: "
         "mean(id), "
         "lo: min(fare), hi: max(id), a: min(day), z: max(day), f: first(day), l: last(fare), d: count_distinct(day), "
         "dd: count_distinct(fare), sd: stddev(fare), v: variance(id), md: median(fare), mj: median(id), "
         "any: any(id > 2990), all: all(id >= 0)) => print()");
}

static void aggregate_without_keys(void **state) {
    (void)state;
    both("t => aggregate(n: count(), s: sum(fare), m: median(id), d: count_distinct(city), f: first(city), l: "
         "max(city)) => "
         "print()");
    moves_of("", "t => where(id < 0) => aggregate(n: count(), s: sum(fare), m: median(id)) => print()", true);
}

static void several_keys(void **state) {
    (void)state;
    both("t => group(city, day, odd: id % 2 == 1) => aggregate(n: count(), d: count_distinct(fare), m: max(day)) => "
         "print()");
}

static void sort_all(void **state) {
    (void)state;
    both("t => sort(desc(fare), city, desc(id)) => print()");
    both("t => sort(city, day) => select(id, city) => print()");
    moves_of("", "t => where(id < 0) => sort(id) => aggregate(n: count()) => print()", true);
}

static void sort_expressions(void **state) {
    (void)state;
    both("t => sort(desc(city + day), id % 10) => print()");
}

static void top_n(void **state) {
    (void)state;
    both("t => sort(desc(fare), day) => take(50) => print()");
    both("t => sort(city) => take(2) => print()");
}

static void distinct(void **state) {
    (void)state;
    both("t => distinct(city, day) => print()");
    both("t => select(city, fare) => distinct() => sort(city, fare) => print()");
    both("t => distinct(fare) => print()");
}

static void joins(void **state) {
    (void)state;
    both("t => join(Csv.read('cities.csv'), on: city == name) => select(id, city, land) => print()");
    both("t => left_join(Csv.read('cities.csv'), on: city == name) => where(id % 10 < 3) => select(id, city, land) => "
         "print()");
    moves_of("", "t => join(t => where(id < 300), on: city) => aggregate(n: count(), s: sum(id_right)) => print()",
             true);
}

static void unions(void **state) {
    (void)state;
    both("t => where(id < 40) => union(t => where(id % 50 == 7)) => print()");
}

static void take_and_skip(void **state) {
    (void)state;
    both("t => skip(1200) => take(900) => print()");
}

static void functions_in_verbs(void **state) {
    (void)state;
    moves_of("",
             "t => where(odd(id)) => derive(f: fee(fare ?? 2.0), l: if (odd(id / 2)) loud(city) else day) => take(300) "
             "=> print()",
             true);
    moves_of("",
             "t => take(150) => group(k: loud(city)) => aggregate(s: sum(fee(fare ?? 1.0))) => sort(desc(loud(k))) => "
             "print()",
             true);
}

static void functions_that_print_and_query(void **state) {
    (void)state;
    moves_of("    i64 look(i64 n) {\n"
             "        if (n == 5) { Csv.read('cities.csv') => sort(desc(land)) => print() }\n"
             "        print('at ' + String(n))\n"
             "        return Csv.read('cities.csv') => where(land > 'C') => len()\n"
             "    }\n",
             "t => take(12) => derive(n: look(id)) => print()", true);
}

/* ---- Sources ------------------------------------------------------------------------------------------------ */

static void arrow_files(void **state) {
    (void)state;
    static const int64_t fuels[] = {300, 20000, 300000};
    same_with(HEAD "    void main() { Arrow.read('big.arrow') => where(id % 7 == 1) => print() }\n}\n", fuels + 1, 2);
    same_with(HEAD "    void main() { Arrow.read('small.arrow') => sort(desc(id)) => print() }\n}\n", fuels, 2);
}

static void lists_as_they_were(void **state) {
    (void)state;
    static const int64_t fuels[] = {1, 500, 5000};
    same_with(
        HEAD
        "    void main() {\n"
        "        List<City> cs = []\n"
        "        for (i in range(0, 200)) { push(cs, @City { name: 'n' + String(i % 7), land: 'l' + String(i) }) }\n"
        "        seen<Function<String, i64>> = (s<String>) -> { push(cs, @City { name: s, land: 'x' }); len(cs) }\n"
        "        Table.of(cs) => derive(n: seen(name)) => print()\n"
        "        print(len(cs))\n"
        "    }\n}\n",
        fuels, 3);
}

static void kept_rows(void **state) {
    (void)state;
    both("k = t => where(id % 4 == 0) => collect()\n        k => sort(desc(id)) => take(30) => print()\n        "
         "print(k => len(), k "
         "=> where(city == 'Rome') => len())");
}

/* ---- Sinks -------------------------------------------------------------------------------------------------- */

static void sinks_that_make_values(void **state) {
    (void)state;
    both("print(t => where(id % 3 == 0) => len())");
    both("rows = t => where(id % 3 == 0) => rows()\n        i64 n = 0\n        for (r in rows) { n += len(r.city ?? "
         "'none') + "
         "len(r.day ?? '') }\n"
         "        print(len(rows), n, rows[7])");
    both("print(t => where(id % 11 == 0) => column(city))");
}

static void sinks_that_write_files(void **state) {
    (void)state;
    both("t => where(id % 2 == 0) => Csv.write('out')");
    both("t => where(id % 2 == 0) => Json.write('out')");
    both("t => derive(x: fare) => Json.write_lines('out')");
    both("t => where(id % 2 == 0) => Arrow.write('out')");
    moves_of("", "t => Markdown.write('out')", true);
    moves_of("", "t => where(odd(id)) => derive(f: fee(fare ?? 2.0)) => take(200) => Csv.write('out')", true);
}

static void a_table_that_main_gives(void **state) {
    (void)state;
    static const int64_t fuels[] = {0, 1, 900, 20000};
    same_with(HEAD "    main<Function<Table>> = () -> { print('first'); Csv.read('small.csv') => sort(desc(id)) }\n}\n",
              fuels, 4);
    same_with(
        HEAD "    main<Function<Table>> = () -> Csv.read('small.csv') => take(100) => derive(x: fee(fare ?? 1.0))\n}\n",
        fuels, 4);
}

static void many_sinks_in_one_run(void **state) {
    (void)state;
    both("for (i in range(0, 4)) { t => where(id % 1000 == i) => print(); print(t => where(id % 7 == i) => len()) }");
}

/* ---- Refused memory ----------------------------------------------------------------------------------------- */

static bool in_sink(const theta_text *state) {
    for (size_t i = 0; i + 4 <= state->len; i++)
        if (memcmp(state->data + i, "THEX", 4) == 0) return true;
    return false;
}

/* The state of the run after so many moves within a sink. */
static theta_text state_within(const char *text, int64_t fuel, int moves) {
    output out = {0};
    theta_program *program = compile(text);
    theta_machine *m = new_machine(fuel, &out);
    theta_error err = {0};
    theta_text state = {0};
    assert_int_equal(theta_machine_add(m, program, NULL), THETA_OK);
    assert_int_equal(theta_start(m, "main", NULL, 0, &err), THETA_OK);
    while (moves > 0 && theta_run(m) == THETA_SUSPENDED) {
        theta_text_free(&state);
        assert_int_equal(theta_save(m, &state, &err), THETA_OK);
        moves -= in_sink(&state);
        theta_machine_add_fuel(m, fuel);
    }
    assert_int_equal(moves, 0);
    theta_machine_free(m);
    theta_program_release(program);
    free(out.data);
    return state;
}

static theta_status go_on(theta_engine *with, const theta_text *state, theta_error *err) {
    output out = {0};
    theta_machine_config config;
    theta_machine *m;
    theta_text again = {0};
    theta_machine_config_init(&config);
    config.fuel = 2000;
    config.resumable = true;
    config.allow = THETA_ALLOW_FS;
    config.write = take;
    config.write_user = &out;
    theta_status status = theta_machine_new(with, &config, &m, err);
    if (status != THETA_OK) return status;
    status = theta_restore(m, state->data, state->len, err);
    if (status == THETA_OK && theta_run(m) == THETA_SUSPENDED)
        status = theta_save(m, &again, err);
    else if (status == THETA_OK)
        status = theta_result(m, NULL, err);
    theta_text_free(&again);
    theta_machine_free(m);
    free(out.data);
    return status;
}

static void every_refused_allocation_is_told(const char *body) {
    char text[4000];
    snprintf(text, sizeof text, "%s    void main() {\n        t = Csv.read('cities.csv')\n        %s\n    }\n}\n", HEAD,
             body);
    theta_text state = state_within(text, 20, 3);
    theta_status status = THETA_E_NOMEM;
    for (size_t fail_at = 1; status != THETA_OK; fail_at++) {
        faulty allocator = {0};
        theta_engine_config config;
        theta_engine *with;
        theta_error err = {0};
        theta_engine_config_init(&config);
        config.alloc = faulty_alloc;
        config.alloc_user = &allocator;
        assert_int_equal(theta_engine_new(&config, &with, NULL), THETA_OK);
        faulty_allow(&allocator, fail_at - 1);
        status = go_on(with, &state, &err);
        if (status != THETA_OK && status != THETA_E_NOMEM)
            fail_msg("%s\nallocation %zu refused: %d %s", text, fail_at, status, err.message);
        if (status == THETA_OK && allocator.refused) status = THETA_E_NOMEM; /* what was optional went without */
        theta_engine_free(with);
        if (allocator.held)
            fail_msg("%s\nallocation %zu refused: %zu bytes are not given back", text, fail_at, allocator.held);
    }
    theta_text_free(&state);
}

static void memory_refused_while_moving_fault(void **state) {
    (void)state;
    every_refused_allocation_is_told("t => derive(l: loud(name)) => sort(desc(l), land) => print()");
    every_refused_allocation_is_told(
        "t => group(land) => aggregate(n: count(), m: median(len(name)), d: count_distinct(name), "
        "f: first(name)) => print()");
    every_refused_allocation_is_told(
        "t => join(t, on: name) => distinct(land) => union(t => select(name, land, land_right: land) "
        "=> take(2)) => print()");
    every_refused_allocation_is_told("k = t => collect()\n        print(k => derive(l: loud(land)) => column(l))");
}

/* ---- Data --------------------------------------------------------------------------------------------------- */

static void write_rows(const char *path, int n) {
    static const char *const cities[] = {"Rome", "Oslo", "Nice", "Bern", "Paris, France", ""};
    uint64_t lot = 7;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("id,city,fare,day\n", file);
    for (int i = 0; i < n; i++) {
        lot = lot * 6364136223846793005u + 1442695040888963407u;
        unsigned x = (unsigned)(lot >> 40);
        const char *city = cities[x % 6];
        fprintf(file, "%d,%s%s%s,", i, *city ? "\"" : "NA", city, *city ? "\"" : "");
        if (x % 13) fprintf(file, "%u.%02u", x / 6 % 200, x % 100);
        fprintf(file, ",d%03u\n", x / 7 % 60);
    }
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state) {
    (void)state;
    assert_int_equal(theta_engine_new(NULL, &engine, NULL), THETA_OK);
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    write_rows("small.csv", 3000);
    write_rows("big.csv", 70000);
    FILE *file = fopen("cities.csv", "w");
    fputs("name,land\nRome,Italy\nOslo,Norway\nBern,Switzerland\nRome,Georgia\n", file);
    assert_int_equal(fclose(file), 0);
    output out = {0};
    int64_t used;
    run("capsule A { void main() { Csv.read('small.csv') => Arrow.write('small.arrow') } }", -1, &out, &used);
    run("capsule A { void main() { Csv.read('big.csv') => Arrow.write('big.arrow') } }", -1, &out, &used);
    free(out.data);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    static const char *const files[] = {"small.csv", "big.csv", "cities.csv", "small.arrow", "big.arrow"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)unlink(files[i]);
    theta_engine_free(engine);
    assert_int_equal(chdir("/"), 0);
    return rmdir(folder); /* nothing else is left behind */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_and_derive),
        cmocka_unit_test(select_drop_rename),
        cmocka_unit_test(every_aggregate),
        cmocka_unit_test(aggregate_without_keys),
        cmocka_unit_test(several_keys),
        cmocka_unit_test(sort_all),
        cmocka_unit_test(sort_expressions),
        cmocka_unit_test(top_n),
        cmocka_unit_test(distinct),
        cmocka_unit_test(joins),
        cmocka_unit_test(unions),
        cmocka_unit_test(take_and_skip),
        cmocka_unit_test(functions_in_verbs),
        cmocka_unit_test(functions_that_print_and_query),
        cmocka_unit_test(arrow_files),
        cmocka_unit_test(lists_as_they_were),
        cmocka_unit_test(kept_rows),
        cmocka_unit_test(sinks_that_make_values),
        cmocka_unit_test(sinks_that_write_files),
        cmocka_unit_test(a_table_that_main_gives),
        cmocka_unit_test(many_sinks_in_one_run),
        cmocka_unit_test(memory_refused_while_moving_fault),
    };
    if (getenv("MOVES")) cmocka_set_test_filter(getenv("MOVES"));
    return cmocka_run_group_tests_name("moves", tests, set_up, tear_down);
}
