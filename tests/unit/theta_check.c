/*
** theta_check.c - what the checker makes of small programs: the typed tree as text, or the errors with their places.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/faulty.h"
#include "flow/flow.h"
#include "lang/theta/check.h"
#include "lang/theta/lang.h"

static th_mem mem;
static th_engine *engine;
static th_buf tree, errors;

static int setup(void **state) {
    (void)state;
    th_error err;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    if (th_engine_new(&mem, &engine) || th_engine_add_standard(engine, &err) || th_flow_register(engine, &err))
        return 1;
    th_buf_init(&tree, &mem);
    th_buf_init(&errors, &mem);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    th_buf_clear(&tree);
    th_buf_clear(&errors);
    th_engine_free(engine);
    assert_int_equal(mem.used_bytes, 0);
    return 0;
}

static th_status file_schema(void *user, const char *path, const th_csv_options *csv, th_schema **out, th_error *err) {
    (void)user;
    if (!csv || strcmp(path, "rides.csv") != 0) return th_fail(err, TH_E_NOT_FOUND, "no file '%s'", path);
    static const th_field fields[] = {
        {"city", TH_COLUMN_STRING, true}, {"fare", TH_COLUMN_F64, true}, {"day", TH_COLUMN_DATE, true}};
    return th_schema_new(&mem, fields, 3, out);
}

static bool outer_type(void *user, th_view name, th_view *type) {
    (void)user;
    static const struct {
        const char *name, *type;
    } kept[] = {
        {"kept_list", "List<i64>"},
        {"kept_function", "Function<i64, i64>"},
        {"kept_table", "Table<{city: String, fare amount: f64?}>"},
    };
    for (size_t i = 0; i < TH_COUNT(kept); i++) {
        if (!th_view_is(name, kept[i].name)) continue;
        *type = th_view_of(kept[i].type);
        return true;
    }
    return false;
}

/* Checks a text: the tree goes to `tree`, a line "line:column status: message [hint]" per error and note to `errors`.
** */
static void check(const char *text, th_theta_mode mode) {
    th_arena arena;
    th_diags diags;
    th_arena_init(&arena, &mem);
    th_diags_init(&diags, &mem);
    tree.len = errors.len = 0;
    th_buf_text(&tree, "");
    th_buf_text(&errors, "");
    th_source source = {"test", text, strlen(text)};
    th_ast *ast = NULL;
    th_theta_options options = {.size = sizeof options,
                                .mode = mode,
                                .engine = engine,
                                .file_schema = file_schema,
                                .outer_type = mode == TH_THETA_INPUT ? outer_type : NULL};
    assert_int_equal(th_theta_parse(&arena, &source, &diags, NULL, &ast), TH_OK);
    checker *c = th_arena_zeroed(&arena, sizeof *c);
    th_tir_program program = {.name = th_view_of("test"), .start = -1};
    assert_int_equal(th_builder_new(&mem, program.name, &c->builder), TH_OK);
    c->mem = &mem;
    c->arena = &arena;
    c->options = &options;
    c->diags = &diags;
    c->program_types = th_builder_types(c->builder);
    if (diags.error_count == 0) {
        assert_int_equal(tc_check(c, &source, ast, &program), TH_OK);
        if (diags.error_count == 0) th_tir_print(&program, &tree);
    }
    for (size_t i = 0; i < diags.len; i++) {
        const th_diag *d = &diags.items[i];
        static const char *const severities[] = {"", "warning ", "note "};
        th_buf_printf(&errors, "%u:%u %s%s%s%s%s%s\n", d->span.line, d->span.column, severities[d->severity],
                      d->severity == TH_ERROR ? th_status_text(d->code) : "", d->severity == TH_ERROR ? ": " : "",
                      d->message, d->hint ? " | " : "", d->hint ? d->hint : "");
    }
    th_builder_free(c->builder);
    th_diags_clear(&diags);
    th_arena_clear(&arena);
}

static void assert_tree(const char *text, const char *expected) {
    check(text, TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    assert_string_equal(tree.data, expected);
}

/* The part of the tree after the first line that starts with "function NAME", up to the next function. */
static void assert_body(const char *text, const char *name, const char *expected) {
    check(text, TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    char start[200];
    snprintf(start, sizeof start, "function %s ", name);
    char *at = strstr(tree.data, start);
    assert_non_null(at);
    char *body = strchr(at, '\n') + 1, *end = strstr(body, "\nfunction ");
    if (end) end[1] = 0;
    assert_string_equal(body, expected);
}

static void assert_errors(const char *text, const char *expected) {
    check(text, TH_THETA_FILE);
    assert_string_equal(errors.data, expected);
}

static void assert_input(const char *text, const char *expected) {
    check(text, TH_THETA_INPUT);
    assert_string_equal(errors.data, "");
    assert_string_equal(tree.data, expected);
}

/* ---- Trees -------------------------------------------------------------------------------------------------- */

static void a_c_function_and_a_bound_one_are_both_exported_with_their_mangled_names(void **state) {
    (void)state;
    assert_tree("capsule A { i64 half(i64 n) { return n / 2 }  main<Function<Number>> = () -> half(9) }",
                "function A.main -> i64 export main main0\n  (call:i64 A.half 9)\n"
                "function A.half n%0:i64 -> i64 export half half1i64\n  (block\n    (return (div:i64 n%0 2)))\n");
}

static void number_is_decided_from_the_value(void **state) {
    (void)state;
    assert_body("capsule A { main<Function<void>> = () -> { a<Number> = 1; b<Number> = 1.5; c = a + 2; d = b + 2.0 } }",
                "A.main",
                "  (block\n    (let a%0 1)\n    (let b%1 1.5)\n    (let c%2 (add:i64 a%0 2))\n    (let d%3 (add:f64 "
                "b%1 2.0)))\n");
}

static void a_whole_literal_takes_the_declared_type(void **state) {
    (void)state;
    assert_body("capsule A { void f() { f64 x = 1; i8 y = -128; i32 z = 60 * 60 } }", "A.f",
                "  (block\n    (let x%0 1.0)\n    (let y%1 -128:i8)\n    (let z%2 3600:i32))\n");
}

static void a_captured_and_assigned_variable_is_marked_in_both_functions(void **state) {
    (void)state;
    assert_tree("capsule A { f<Function<Function<i64>>> = () -> { i64 n = 0; () -> { n = n + 1; n } } }",
                "function A.f -> Function<i64> export f f0\n  (block\n    (let n%0* 0)\n"
                "    (closure:Function<i64> A.f/function [n%0*]))\n"
                "function A.f/function | n%0*:i64 -> i64\n  (block\n    (set n%0* (add:i64 n%0* 1))\n    n%0*)\n");
}

static void a_local_function_without_captures_is_called_directly(void **state) {
    (void)state;
    assert_body("capsule A { main<Function<i64>> = () -> { f = (n<i64>) -> n + 1; f(2) } }", "A.main",
                "  (block\n    (block)\n    (call:i64 A.main/f 2))\n");
}

static void a_template_has_one_instance_per_types(void **state) {
    (void)state;
    check("capsule A { id = x -> x  main<Function<void>> = () -> { id(1); id(2); id('a') } }", TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    int instances = 0;
    for (const char *at = tree.data; (at = strstr(at, "function A.id ")); at++) instances++;
    assert_int_equal(instances, 2);
}

static void a_pipeline_passes_the_value_first(void **state) {
    (void)state;
    assert_body(
        "capsule A { g<Function<i64, i64, i64>> = (a<i64>, b<i64>) -> a - b  main<Function<i64>> = () -> 5 => g(2) }",
        "A.main", "  (call:i64 A.g 5 2)\n");
}

static void a_null_test_narrows(void **state) {
    (void)state;
    assert_body("capsule A { i64 f(i64? x) { if (x == null) { return 0 } return x + 1 } }", "A.f",
                "  (block\n    (if\n      (is-null x%0)\n      (block\n        (return 0))\n      -)\n"
                "    (return (add:i64 (unwrap:i64 x%0) 1)))\n");
}

static void a_dict_lookup_with_a_simple_default_is_one_node(void **state) {
    (void)state;
    assert_body("capsule A { i64 f(Dict<i64> d) { d['k'] ?? 7 } }", "A.f", "  (dict-get-or d%0 'k' 7)\n");
}

static void a_match_over_an_enum_is_a_switch(void **state) {
    (void)state;
    assert_body(
        "capsule A { enum E { :A :B :C }  f<Function<E, i64>> = (e<E>) -> match e { E.B -> 1, E.A -> 2, E.C -> 3 } }",
        "A.f", "  (block\n    (let %1 e%0)\n    (switch:i64\n      %1\n      2\n      1\n      3))\n");
}

static void a_plain_value_becomes_a_variadic(void **state) {
    (void)state;
    assert_body("capsule A { f<Function<Variadic<Number, String>>> = () -> 'x' }", "A.f",
                "  (variant:Variadic<String, i64> 0 'x')\n");
}

static void capsule_values_are_set_in_the_order_of_need(void **state) {
    (void)state;
    check("capsule A { z<List<i64>> = [y[0]]  y<List<i64>> = base()  base<Function<List<i64>>> = () -> k  k = [3] }",
          TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    const char *k = strstr(tree.data, "(global-set A.k"), *y = strstr(tree.data, "(global-set A.y");
    assert_non_null(k);
    assert_non_null(y);
    assert_true(k < y);
    assert_true(y < strstr(tree.data, "(call:List<i64> A.z)"));
}

static void a_literal_capsule_value_stands_where_it_is_used(void **state) {
    (void)state;
    assert_body("capsule A { limit = 10  main<Function<i64>> = () -> limit + 1 }", "A.main", "  (add:i64 10 1)\n");
}

static void finally_stands_once_and_every_way_out_goes_by_it(void **state) {
    (void)state;
    check("capsule A { i64 f(i64 n) { while (true) { try { if (n > 0) { return 1 } break } finally { print(n) } } "
          "return 2 } }",
          TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    const char *first = strstr(tree.data, "Core.print");
    assert_non_null(first);
    assert_null(strstr(first + 1, "Core.print"));
}

static void only_what_is_used_of_the_prelude_is_in_the_program(void **state) {
    (void)state;
    check("capsule A { main<Function<void>> = () -> print(List.any([1], x -> x > 0)) }", TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    assert_non_null(strstr(tree.data, "function List.any "));
    assert_null(strstr(tree.data, "function List.all "));
}

static void a_builtin_as_a_value_is_wrapped(void **state) {
    (void)state;
    assert_tree(
        "capsule A { f<Function<Function<String, String>>> = () -> String.upper }",
        "function A.f -> Function<String, String> export f f0\n  (closure:Function<String, String> String.upper)\n"
        "function String.upper it%0:String -> String\n  (builtin:String String.upper it%0)\n");
}

/* ---- Input -------------------------------------------------------------------------------------------------- */

static void bare_statements_become_main_and_functions_its_members(void **state) {
    (void)state;
    assert_input(
        "twice = (v<i64>) -> v * 2\nx = twice(4)\nx + 1",
        "function main -> i64 export main main0\n  (block\n    (let x%0 (call:i64 twice 4))\n    (add:i64 x%0 1))\n"
        "function twice v%0:i64 -> i64\n  (mul:i64 v%0 2)\n");
}

static void values_of_the_session_are_read_by_name(void **state) {
    (void)state;
    assert_input("len(kept_list)", "function main -> i64 export main main0\n"
                                   "  (len (builtin:List<i64> Session.get 'kept_list'))\n");
    assert_input("kept_function(1)",
                 "function main -> i64 export main main0\n"
                 "  (call-closure:i64 (builtin:Function<i64, i64> Session.get 'kept_function') 1)\n");
    check("kept_table => where(col('fare amount') > 1.0) => drop(city)", TH_THETA_INPUT);
    assert_string_equal(errors.data, "");
    assert_non_null(strstr(tree.data, "-> Table<{fare amount: f64?}>"));
}

/* ---- Tables ------------------------------------------------------------------------------------------------- */

static void the_row_type_follows_the_verbs(void **state) {
    (void)state;
    check("t = Csv.read('rides.csv') => derive(twice: fare * 2.0) => drop(day) => group(city) => aggregate(n: count(), "
          "most: max(twice))"
          "\nt",
          TH_THETA_INPUT);
    assert_string_equal(errors.data, "");
    assert_non_null(strstr(tree.data, "-> Table<{city: String?, n: i64, most: f64?}>"));
}

static void a_variable_in_a_verb_is_a_parameter_and_a_column_goes_before_it(void **state) {
    (void)state;
    check("fare = 1\nleast = String.length('abc')\nCsv.read('rides.csv') => where(f64(least) < fare) => column(city)",
          TH_THETA_INPUT);
    assert_string_equal(errors.data, "");
    assert_non_null(strstr(tree.data, "(convert:f64 least"));
    assert_non_null(strstr(tree.data, "(builtin:List<String?> Table.column"));
}

static void a_function_called_per_row_is_handed_over_itself(void **state) {
    (void)state;
    check("fee = (x<f64>) -> x * 0.1\nCsv.read('rides.csv') => derive(fee: fee(fare))", TH_THETA_INPUT);
    assert_string_equal(errors.data, "");
    assert_non_null(strstr(tree.data, "(closure:Function<f64, f64> fee)"));
}

static void wrong_verbs_are_told(void **state) {
    (void)state;
    assert_errors("capsule A { struct R { a<i64> b<String> }\n"
                  "f<Function<Table<R>, Table>> = t<Table<R>> -> t => select(a, c)\n"
                  "g<Function<Table<R>, Table>> = t<Table<R>> -> t => aggregate(x: a)\n"
                  "h<Function<Table<R>, Table>> = t<Table<R>> -> t => join(t, on: a == b)\n"
                  "i<Function<Table<R>, Table>> = t<Table<R>> -> t => take('x') }",
                  "2:62 reference error: the table has no column `c` | it has a, b\n"
                  "3:65 type error: this has no aggregate in it, such as count(), sum(x), mean(x), min(x), max(x)\n"
                  "4:64 type error: the left key is i64, the right one String | convert one of them, e.g. `on: "
                  "String(left) == right`\n"
                  "5:57 type error: expected i64, found String | convert it: `i64(...)` reads a number from a text\n");
}

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static void one_cause_is_told_once(void **state) {
    (void)state;
    assert_errors("capsule A {\n  a = nope\n  b = a + 1\n  c = f(b)\n  f<Function<i64, i64>> = (x<i64>) -> x\n}",
                  "2:7 reference error: `nope` is not defined here\n");
}

static void a_second_definition_names_the_line_of_the_first(void **state) {
    (void)state;
    assert_errors(
        "capsule A { main<Function<void>> = () -> {\n x = 1\n x = 2\n} }",
        "3:2 illegal reassignment: `x` is defined already, in line 2 | a variable is declared with its type in front: "
        "`i64 x = ...`\n2:2 note the first definition of `x`\n");
}

static void an_assignment_to_a_parameter_of_a_lambda_is_refused(void **state) {
    (void)state;
    assert_errors(
        "capsule A { f = (x<i64>) -> { x += 1 } }",
        "1:31 illegal reassignment: `x` cannot be given another value: it is bound in line 1 | a parameter that may be "
        "given another value is declared with its type in front: `i64 x`\n1:18 note the first definition of `x`\n");
}

static void a_change_through_a_parameter_is_followed_to_the_binding(void **state) {
    (void)state;
    assert_errors(
        "capsule A { void g(List<i64> a) { push(a, 1) }\nvoid h(List<i64> b) { g(b) }\n"
        "main<Function<void>> = () -> { xs = [1]\nh(xs) } }",
        "4:3 illegal reassignment: `h` changes its parameter `b` in place, but `xs` is a binding | declare it as a "
        "variable, `List<i64> xs = ...`, or change a `copy(xs)`\n");
    assert_tree("capsule A { i64 sum(List<i64> a) { len(a) } main<Function<i64>> = () -> { xs = [1]\nsum(xs) } }",
                tree.data);
}

static void an_error_in_a_template_names_the_use(void **state) {
    (void)state;
    assert_errors(
        "capsule A { add = (a<Number>, b<Number>) -> a + b\nx = add(1, 2.5) }",
        "1:45 type error: `+` needs the same type on both sides, found i64 and f64 | convert one of them: `f64(a)`\n"
        "2:5 note `add` is checked for (i64, f64) because of this\n");
}

static void an_error_inside_the_prelude_is_told_at_the_use(void **state) {
    (void)state;
    assert_errors("capsule A { struct P { x<i64> }\ny = List.max_by([@P { x: 1 }], p -> p) }",
                  "2:5 type error: in `List.max_by`: `>` does not work on P\n");
}

static void a_wrong_number_of_arguments_shows_the_signature(void **state) {
    (void)state;
    assert_errors("capsule A { f<Function<i64, String, bool>> = (n<i64>, s<String>) -> true\nx = f(1) }",
                  "2:5 reference error: `f` takes 2 arguments, found 1 | it is f(n: i64, s: String) -> bool\n"
                  "1:13 note `f(n: i64, s: String) -> bool` is defined here\n");
}

static void no_overload_fits_shows_them_all(void **state) {
    (void)state;
    assert_errors(
        "capsule A { f<Function<i64, i64>> = (n<i64>) -> n\nf<Function<bool, i64>> = (b<bool>) -> 1\nx = f('s') }",
        "3:5 type error: no `f` takes (String) | there is f(b: bool) -> i64; f(n: i64) -> i64\n");
}

static void a_variable_without_a_value_on_one_path_is_told(void **state) {
    (void)state;
    assert_errors(
        "capsule A { i64 f(bool b) {\n i64 n\n if (b) { n = 1 }\n n } }",
        "4:2 reference error: `n` may not have been given a value here\n2:2 note it is declared without one\n");
    check("capsule A { i64 f(bool b) {\n i64 n\n if (b) { n = 1 } else { return 0 }\n n } }", TH_THETA_FILE);
    assert_string_equal(errors.data, "");
}

static void missing_cases_are_listed(void **state) {
    (void)state;
    assert_errors("capsule A { enum E { :X :Y :Z }\nf<Function<E, i64>> = (e<E>) -> match e { E.Y -> 1 } }",
                  "2:33 type error: this `match` lacks the cases `E.X`, `E.Z` | add it, or `_ -> ...` for all else\n");
}

static void a_case_that_is_never_reached_is_a_warning(void **state) {
    (void)state;
    assert_errors("capsule A { f<Function<i64, i64>> = (n<i64>) -> match n { _ -> 1, 2 -> 2 } }",
                  "1:67 warning this case is never reached: the ones before it take everything\n");
}

static void a_chain_of_inferred_functions_of_any_length_is_checked(void **state) {
    (void)state;
    th_buf text;
    th_buf_init(&text, &mem);
    th_buf_text(&text, "capsule A {\n");
    for (int i = 0; i < 5000; i++) th_buf_printf(&text, "f%d = () -> f%d() + 1\n", i, i + 1);
    th_buf_text(&text, "f5000 = () -> 0\n}");
    check(text.data, TH_THETA_FILE);
    assert_string_equal(errors.data, "");
    th_buf_clear(&text);
}

static void templates_that_need_one_another_without_end_are_refused(void **state) {
    (void)state;
    check("capsule A { f = x -> f([x])\ny = f(1) }", TH_THETA_FILE);
    assert_true(errors.len > 0);
}

static void a_type_that_doubles_with_every_line_is_refused_or_checked_in_no_time(void **state) {
    (void)state;
    th_buf text;
    th_buf_init(&text, &mem);
    th_buf_text(&text, "x0 = []\n");
    for (int i = 0; i < 45; i++) th_buf_printf(&text, "x%d = { x%d, x%d }\n", i + 1, i, i);
    check(text.data, TH_THETA_INPUT);
    assert_non_null(strstr(errors.data, "size limit exceeded: the type of this is nested too deeply"));
    th_buf_clear(&text);
}

/* ---- Memory ------------------------------------------------------------------------------------------------- */

static void every_refused_allocation_is_a_status_fault(void **state) {
    (void)state;
    static const char text[] = "capsule A { struct P { x<f64?> }\n"
                               "f = (n<Number>) -> if (n < 2) 1 else n * f(n - 1)\n"
                               "main<Function<void>> = () -> { t = Table.of([@P { x: 1.0 }]) => where(x > 0.5)\n"
                               "print(List.map([1, 2], x -> f(x)), t => len(), match 1 { 1 -> 'a', _ -> 'b' }) } }";
    bool done = false;
    for (size_t n = 0; !done; n++) {
        assert_true(n < 20000);
        faulty f = {.fail_at = n + 1};
        th_mem limited;
        th_mem_init(&limited, faulty_alloc, &f, NULL, 0);
        th_arena arena;
        th_diags diags;
        th_arena_init(&arena, &limited);
        th_diags_init(&diags, &limited);
        th_theta_options options = {.size = sizeof options, .engine = engine};
        uint8_t *bytes = NULL;
        size_t len = 0;
        th_status status =
            th_theta_compile(&limited, &arena, "test", text, sizeof text - 1, &options, &diags, &bytes, &len);
        done = status == TH_OK;
        if (!done) assert_int_equal(status, TH_E_NOMEM);
        if (done)
            th_mem_free(&limited, bytes, len);
        else
            assert_null(bytes);
        th_diags_clear(&diags);
        th_arena_clear(&arena);
        assert_int_equal(limited.used_bytes, 0);
    }
}

/* ---- Names and documents ------------------------------------------------------------------------------------ */

static void add_name(void *user, th_view name) { th_buf_printf(user, "%.*s ", (int)name.len, name.data); }

static void completion_offers_keywords_builtins_and_the_prelude(void **state) {
    (void)state;
    th_theta_options options = {.size = sizeof options, .engine = engine};
    tree.len = 0;
    th_theta_complete(&options, th_view_of("List.ma"), add_name, &tree);
    assert_non_null(strstr(tree.data, "List.map "));
    assert_non_null(strstr(tree.data, "List.max "));
    assert_null(strstr(tree.data, "List.filter "));
    tree.len = 0;
    th_theta_complete(&options, th_view_of("mat"), add_name, &tree);
    assert_string_equal(tree.data, "match ");
}

static void the_library_document_has_builtins_and_prelude(void **state) {
    (void)state;
    tree.len = 0;
    assert_int_equal(th_theta_library_markdown(engine, &tree), TH_OK);
    assert_non_null(
        strstr(tree.data, "- `List.map(xs: List<T>, f: Function<T, U>) -> List<U>` - A list of what `f` makes"));
    assert_non_null(strstr(tree.data, "- `String.upper(text: String) -> String`"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_c_function_and_a_bound_one_are_both_exported_with_their_mangled_names),
        cmocka_unit_test(number_is_decided_from_the_value),
        cmocka_unit_test(a_whole_literal_takes_the_declared_type),
        cmocka_unit_test(a_captured_and_assigned_variable_is_marked_in_both_functions),
        cmocka_unit_test(a_local_function_without_captures_is_called_directly),
        cmocka_unit_test(a_template_has_one_instance_per_types),
        cmocka_unit_test(a_pipeline_passes_the_value_first),
        cmocka_unit_test(a_null_test_narrows),
        cmocka_unit_test(a_dict_lookup_with_a_simple_default_is_one_node),
        cmocka_unit_test(a_match_over_an_enum_is_a_switch),
        cmocka_unit_test(a_plain_value_becomes_a_variadic),
        cmocka_unit_test(capsule_values_are_set_in_the_order_of_need),
        cmocka_unit_test(a_literal_capsule_value_stands_where_it_is_used),
        cmocka_unit_test(finally_stands_once_and_every_way_out_goes_by_it),
        cmocka_unit_test(only_what_is_used_of_the_prelude_is_in_the_program),
        cmocka_unit_test(a_builtin_as_a_value_is_wrapped),
        cmocka_unit_test(bare_statements_become_main_and_functions_its_members),
        cmocka_unit_test(values_of_the_session_are_read_by_name),
        cmocka_unit_test(the_row_type_follows_the_verbs),
        cmocka_unit_test(a_variable_in_a_verb_is_a_parameter_and_a_column_goes_before_it),
        cmocka_unit_test(a_function_called_per_row_is_handed_over_itself),
        cmocka_unit_test(wrong_verbs_are_told),
        cmocka_unit_test(one_cause_is_told_once),
        cmocka_unit_test(a_second_definition_names_the_line_of_the_first),
        cmocka_unit_test(an_assignment_to_a_parameter_of_a_lambda_is_refused),
        cmocka_unit_test(a_change_through_a_parameter_is_followed_to_the_binding),
        cmocka_unit_test(an_error_in_a_template_names_the_use),
        cmocka_unit_test(an_error_inside_the_prelude_is_told_at_the_use),
        cmocka_unit_test(a_wrong_number_of_arguments_shows_the_signature),
        cmocka_unit_test(no_overload_fits_shows_them_all),
        cmocka_unit_test(a_variable_without_a_value_on_one_path_is_told),
        cmocka_unit_test(missing_cases_are_listed),
        cmocka_unit_test(a_case_that_is_never_reached_is_a_warning),
        cmocka_unit_test(a_chain_of_inferred_functions_of_any_length_is_checked),
        cmocka_unit_test(templates_that_need_one_another_without_end_are_refused),
        cmocka_unit_test(a_type_that_doubles_with_every_line_is_refused_or_checked_in_no_time),
        cmocka_unit_test(every_refused_allocation_is_a_status_fault),
        cmocka_unit_test(completion_offers_keywords_builtins_and_the_prelude),
        cmocka_unit_test(the_library_document_has_builtins_and_prelude),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
