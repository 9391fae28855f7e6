/*
** lang_nix_library.c - the library of Nix as users of the language meet it: expressions, and what they print or say.
** Expected results are those of C++ Nix.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lang/nix/nix.h"

/* ---- An evaluator: one expression a time ------------------------------------------------------------------------- */

typedef struct world {
    th_mem mem;
    th_engine *engine;
    th_machine *machine;
    char told[4096];                  /* by trace and warn */
    size_t refuse_after, allocations; /* for runs in which an allocation is refused */
} world;

static void told(void *user, const char *text, size_t len) {
    world *w = user;
    size_t n = strlen(w->told);
    snprintf(w->told + n, sizeof w->told - n, "%.*s\n", (int)len, text);
}

static const char *environment(void *user, const char *name) {
    (void)user;
    return strcmp(name, "GREETING") == 0 ? "hello" : NULL;
}

static void *counted(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    world *w = user;
    (void)old_bytes;
    if (new_bytes == 0) return free(block), NULL;
    if (w->refuse_after && ++w->allocations >= w->refuse_after) return NULL;
    return realloc(block, new_bytes);
}

static th_status try_open(world *w, const th_limits *limits) {
    th_limits none = {.fuel = -1, .capabilities = TH_BUILTIN_FS};
    nix_search search[] = {{"data", "/nowhere/data"}, {"", "/nowhere"}};
    nix_settings settings = {.size = sizeof settings,
                             .search = search,
                             .nsearch = 2,
                             .home = "/home/user",
                             .system = "x86_64-linux",
                             .current_time = 1700000000,
                             .user = w,
                             .message = told,
                             .get_env = environment};
    th_error err = {0};
    TH_TRY(th_engine_new(&w->mem, &w->engine));
    TH_TRY(th_engine_add_standard(w->engine, &err));
    TH_TRY(nix_register(w->engine, &err));
    TH_TRY(th_machine_new(w->engine, limits ? limits : &none, &w->machine));
    return nix_attach(w->machine, &settings, &err);
}

static void open_world(world *w, const th_limits *limits) {
    memset(w, 0, sizeof *w);
    th_mem_init(&w->mem, counted, w, NULL, 0);
    assert_int_equal(try_open(w, limits), TH_OK);
}

static void close_world(world *w) {
    if (w->machine) th_machine_free(w->machine);
    if (w->engine) th_engine_free(w->engine);
    w->machine = NULL;
    w->engine = NULL;
    assert_int_equal(w->mem.used_bytes, 0);
}

/* Begins `fn` applied to the expression's thunk and, with `more` >= 0, that number. */
static bool begin(world *w, const char *expression, nix_function fn, int64_t more, th_error *err) {
    th_value args[2], f;
    th_machine *m = w->machine;
    memset(err, 0, sizeof *err);
    if (!nix_load_text(m, "test.nix", expression, strlen(expression), th_view_of("/work"), NULL, &args[0]) ||
        !nix_function_value(m, fn, &f)) {
        (void)th_machine_take_trap(m, err);
        return false;
    }
    args[1] = th_of_int(more);
    if (th_machine_begin_apply(m, f, args, more >= 0 ? 2 : 1) == TH_OK) return true;
    err->code = TH_E_NOMEM;
    return false;
}

/* The text that the run gives, a malloc'ed copy; NULL: it failed. */
static char *finish(world *w, th_error *err) {
    if (th_machine_run(w->machine) != TH_RUN_DONE) {
        const th_error *failure = th_machine_error(w->machine);
        if (failure) *err = *failure;
        th_machine_abandon(w->machine);
        return NULL;
    }
    th_value text = th_deref(th_machine_result(w->machine));
    assert_true(th_is_kind(text, TH_OBJ_STRING));
    char *copy = malloc(th_string_len(text) + 1);
    assert_non_null(copy);
    memcpy(copy, th_string_bytes(text), th_string_len(text) + 1);
    return copy;
}

static char *evaluate(world *w, const char *expression, th_error *err) {
    return begin(w, expression, NIX_FN_PRINT, NIX_PRINT_STRICT, err) ? finish(w, err) : NULL;
}

typedef struct check {
    const char *expression;
    const char *expected; /* what it prints, or, with a status, what its error says somewhere */
    th_status status;
} check;

static void run_checks(const check *checks, size_t n) {
    world w;
    open_world(&w, NULL);
    for (size_t i = 0; i < n; i++) {
        th_error err;
        char *text = evaluate(&w, checks[i].expression, &err);
        if (checks[i].status == TH_OK) {
            if (!text) fail_msg("%s: error: %s", checks[i].expression, err.message);
            if (strcmp(text, checks[i].expected) != 0)
                fail_msg("%s: %s instead of %s", checks[i].expression, text, checks[i].expected);
        } else {
            if (text) fail_msg("%s: %s instead of an error", checks[i].expression, text);
            if (err.code != checks[i].status || !strstr(err.message, checks[i].expected))
                fail_msg("%s: error %d: %s", checks[i].expression, err.code, err.message);
        }
        free(text);
    }
    close_world(&w);
}
#define CHECK(...)                                                                                                     \
    do {                                                                                                               \
        static const check checks[] = {__VA_ARGS__};                                                                   \
        run_checks(checks, TH_COUNT(checks));                                                                          \
    } while (0)

/* ---- Operators --------------------------------------------------------------------------------------------------- */

static void arithmetic_is_exact_to_64_bits_and_then_an_error(void **state) {
    (void)state;
    CHECK({"4611686018427387903 + 1", "4611686018427387904", 0}, {"9223372036854775806 + 1", "9223372036854775807", 0},
          {"9223372036854775807 + 1", "integer overflow in adding 9223372036854775807 + 1", TH_E_TRAP},
          {"(-9223372036854775807) - 2", "integer overflow in subtracting -9223372036854775807 - 2", TH_E_TRAP},
          {"4611686018427387904 * 2", "integer overflow in multiplying", TH_E_TRAP},
          {"((-9223372036854775807) - 1) / (-1)", "integer overflow in dividing", TH_E_TRAP},
          {"4611686018427387904 == 4611686018427387904", "true", 0},
          {"4611686018427387905 < 4611686018427387904", "false", 0}, {"7 / 2", "3", 0}, {"(-7) / 2", "-3", 0},
          {"7.0 / 2", "3.5", 0}, {"1 / 0", "division by zero", TH_E_DIVISION},
          {"1 / 0.0", "division by zero", TH_E_DIVISION}, {"builtins.bitXor 12 10", "6", 0},
          {"builtins.bitAnd 1.5 1", "expected an integer but found a float: 1.5", TH_E_TYPE},
          {"map builtins.floor [ 1.5 (-1.5) 2 2.0 ]", "[ 1 -2 2 2 ]", 0},
          {"map builtins.ceil [ 1.5 (-1.5) 2 2.0 ]", "[ 2 -1 2 2 ]", 0},
          {"builtins.ceil 1.0e300", "not in the range", TH_E_CONVERSION});
}

static void plus_joins_texts_and_paths(void **state) {
    (void)state;
    CHECK({"\"a\" + \"b\"", "\"ab\"", 0}, {"/a + \"/../b\"", "/b", 0}, {"/a + /b", "/a/b", 0},
          {"{ outPath = \"/x\"; } + \"y\"", "\"/xy\"", 0}, {"\"x\" + { __toString = s: s.v; v = \"y\"; }", "\"xy\"", 0},
          {"\"a\" + 1", "cannot coerce an integer to a string: 1", TH_E_TYPE},
          {"1 + \"a\"", "cannot add a string to an integer", TH_E_TYPE},
          {"null + \"a\"", "cannot coerce null to a string: null", TH_E_TYPE},
          {"\"${toString 1}-${\"b\"}-${{ outPath = \"c\"; }}\"", "\"1-b-c\"", 0},
          {"\"${1}\"", "cannot coerce an integer to a string: 1", TH_E_TYPE});
}

static void values_compare_by_what_they_are(void **state) {
    (void)state;
    CHECK({"1 == 1.0", "true", 0}, {"\"a\" == /a", "false", 0},
          {"[ 1 [ 2 { a = 3; } ] ] == [ 1 [ 2 { a = 3; } ] ]", "true", 0},
          {"{ a = 1; b = 2; } == { a = 1; c = 2; }", "false", 0}, {"let f = x: x; in f == f", "false", 0},
          {"let f = x: x; in [ f ] == [ f ]", "true", 0}, {"[ (x: x) ] == [ (x: x) ]", "false", 0},
          {"{ type = \"derivation\"; outPath = \"/x\"; a = 1; } == { type = \"derivation\"; outPath = \"/x\"; a = 2; }",
           "true", 0},
          {"{ type = \"derivation\"; a = 1; } == { type = \"derivation\"; a = 2; }", "false", 0},
          {"[ 1 (throw \"not looked at\") ] == [ 2 3 ]", "false", 0}, {"[ 1 2 ] < [ 1 3 ]", "true", 0},
          {"[ 1 ] < [ 1 2 ]", "true", 0}, {"[ [ 1 ] 2 ] < [ [ 1 ] 3 ]", "true", 0}, {"/a < /b", "true", 0},
          {"1 < \"a\"", "cannot compare an integer with a string; values are 1 and \"a\"", TH_E_TYPE},
          {"{ } < { }", "cannot compare a set with a set", TH_E_TYPE},
          {"[ 2 true ] < [ 2 false ]", "cannot compare a Boolean with a Boolean", TH_E_TYPE});
}

static void computed_names_select_and_define(void **state) {
    (void)state;
    CHECK({"{ a = 1; }.${\"a\"}", "1", 0}, {"{ a = 1; }.${\"b\"} or 2", "2", 0}, {"1.5 . ${\"b\"} or 2", "2", 0},
          {"{ apple = 1; }.${\"aple\"}", "attribute 'aple' missing; did you mean 'apple'?", TH_E_REFERENCE},
          {"{ ${null} = 1; ${\"b\"} = 2; }", "{ b = 2; }", 0},
          {"{ a = 1; ${\"a\" + \"\"} = 2; }", "dynamic attribute 'a' already defined at test.nix:1:3", TH_E_REFERENCE},
          {"rec { __overrides = { a = 2; c = 3; }; a = 1; b = a; }.b", "2", 0},
          {"rec { __overrides = 1; a = 1; }", "expected a set but found an integer: 1", TH_E_TYPE},
          {"with { a = 1; }; b", "undefined variable 'b'", TH_E_REFERENCE},
          {"with 1; b", "expected a set but found an integer: 1", TH_E_TYPE},
          {"({ a }: a) { }", "called without required argument 'a'", TH_E_TYPE},
          {"assert 1 == 2; 3", "assertion '1 == 2' failed", TH_E_ASSERT});
}

/* ---- Kinds, evaluating, errors ----------------------------------------------------------------------------------- */

static void kinds_are_told(void **state) {
    (void)state;
    CHECK({"map builtins.typeOf [ 1 1.5 \"a\" /a null true [ ] { } (x: x) builtins.map ]",
           "[ \"int\" \"float\" \"string\" \"path\" \"null\" \"bool\" \"list\" \"set\" \"lambda\" \"lambda\" ]", 0},
          {"builtins.isFunction { __functor = s: x: x; }", "false", 0}, {"builtins.isPath \"/a\"", "false", 0},
          {"builtins.functionArgs ({ a, b ? 1, ... }: a)", "{ a = false; b = true; }", 0},
          {"builtins.functionArgs (x: { a }: a)", "{ }", 0},
          {"builtins.functionArgs ((x: { a }: a) 1)", "{ a = false; }", 0},
          {"builtins.functionArgs 1", "requires a function", TH_E_TYPE});
}

static void seq_looks_at_the_head_and_deepSeq_at_all(void **state) {
    (void)state;
    CHECK({"builtins.seq [ (throw \"in\") ] 1", "1", 0}, {"builtins.seq (throw \"out\") 1", "out", TH_E_THROW},
          {"builtins.deepSeq { a = [ (throw \"deep\") ]; } 1", "deep", TH_E_THROW},
          {"let x = { a = [ x ]; }; in builtins.deepSeq x 1", "1", 0},
          /* 2^60 leaves, 60 lists */
          {"let f = n: l: if n == 0 then l else f (n - 1) [ l l ]; in builtins.deepSeq (f 60 [ 1 ]) 2", "2", 0});
}

static void tryEval_catches_what_users_raise(void **state) {
    (void)state;
    CHECK(
        {"builtins.tryEval (throw \"x\")", "{ success = false; value = false; }", 0},
        {"builtins.tryEval (assert false; 1)", "{ success = false; value = false; }", 0},
        {"builtins.tryEval 5", "{ success = true; value = 5; }", 0},
        {"builtins.tryEval (abort \"x\")", "evaluation aborted with the following error message: 'x'", TH_E_ABORT},
        {"builtins.tryEval (1 + \"a\")", "cannot add", TH_E_TYPE},
        {"let t = throw \"x\"; in [ (builtins.tryEval t).success (builtins.tryEval t).success ]", "[ false false ]", 0},
        {"(builtins.tryEval (builtins.sort (a: b: throw \"x\") [ 1 2 ])).success", "false", 0},
        {"(builtins.tryEval ([ (throw \"x\") ] == [ 1 ])).success", "false", 0},
        {"builtins.addErrorContext \"while testing\" (throw \"x\")", "while testing", TH_E_THROW},
        {"builtins.addErrorContext (throw \"never\") 5", "5", 0},
        {"(builtins.tryEval (builtins.addErrorContext (throw \"y\") (throw \"x\"))).success", "false", 0});
}

static void trace_and_warn_tell_the_owner(void **state) {
    (void)state;
    world w;
    th_error err;
    open_world(&w, NULL);
    char *text = evaluate(&w,
                          "builtins.trace { a = [ 1 (throw \"x\") ]; f = x: x; m = map; } (builtins.warn \"old\" "
                          "(builtins.trace \"text\" 1))",
                          &err);
    assert_non_null(text);
    assert_string_equal(text, "1");
    assert_string_equal(w.told, "trace: { a = [ 1 «thunk» ]; f = «lambda @ test.nix:1:48»; m = «primop map»; }\n"
                                "evaluation warning: old\ntrace: text\n");
    free(text);
    close_world(&w);
}

/* ---- Lists ------------------------------------------------------------------------------------------------------- */

static void lists_are_taken_apart_and_joined(void **state) {
    (void)state;
    CHECK({"builtins.elemAt [ 1 2 3 ] 1", "2", 0},
          {"builtins.elemAt [ 1 ] 5", "list index 5 is out of bounds", TH_E_INDEX},
          {"builtins.elemAt [ 1 ] (-1)", "out of bounds", TH_E_INDEX}, {"builtins.head [ ]", "empty list", TH_E_INDEX},
          {"builtins.tail [ 1 2 ]", "[ 2 ]", 0}, {"builtins.concatLists [ [ 1 ] [ ] [ 2 3 ] ]", "[ 1 2 3 ]", 0},
          {"builtins.concatLists (map (x: [ x ]) [ 1 2 ])", "[ 1 2 ]", 0},
          {"builtins.concatLists [ 1 ]", "expected a list but found an integer: 1", TH_E_TYPE},
          {"builtins.length (map (x: throw \"lazy\") [ 1 2 ])", "2", 0}, {"map 1 [ ]", "[ ]", 0},
          {"map 1 [ 1 ]", "expected a function but found an integer: 1", TH_E_TYPE},
          {"builtins.genList (x: x * x) 4", "[ 0 1 4 9 ]", 0},
          {"builtins.genList (x: x) (-1)", "cannot create list of size -1", TH_E_ARGUMENT},
          {"builtins.elem [ 2 ] [ 1 [ 2 ] (throw \"x\") ]", "true", 0}, {"builtins.elem 4 [ 1 2 ]", "false", 0});
}

static void functions_are_asked_about_items(void **state) {
    (void)state;
    CHECK({"builtins.filter (x: x > 1) [ 1 2 3 ]", "[ 2 3 ]", 0},
          {"builtins.filter (x: 1) [ 1 ]", "expected a Boolean but found an integer: 1", TH_E_TYPE},
          {"builtins.partition (x: x > 1) [ 1 2 3 ]", "{ right = [ 2 3 ]; wrong = [ 1 ]; }", 0},
          {"builtins.any (x: x) [ false true (throw \"x\") ]", "true", 0},
          {"builtins.all (x: x) [ true false (throw \"x\") ]", "false", 0},
          {"builtins.foldl' (a: b: a ++ [ b ]) [ ] [ 1 2 ]", "[ 1 2 ]", 0},
          {"builtins.foldl' (a: b: b) (throw \"not looked at\") [ 1 ]", "1", 0},
          {"builtins.foldl' builtins.add 0 (builtins.genList (x: x) 100000)", "4999950000", 0},
          {"builtins.foldl' builtins.add 4611686018427387903 [ 1 2 ]", "4611686018427387906", 0},
          {"builtins.concatMap (x: [ x x ]) [ 1 2 ]", "[ 1 1 2 2 ]", 0},
          {"builtins.groupBy (x: if x > 1 then \"big\" else \"small\") [ 1 2 3 ]", "{ big = [ 2 3 ]; small = [ 1 ]; }",
           0},
          {"let f = { __functor = s: x: x > s.n; n = 1; }; in builtins.filter f [ 1 2 ]", "[ 2 ]", 0});
}

static void sort_is_stable_and_takes_any_order(void **state) {
    (void)state;
    CHECK({"builtins.sort builtins.lessThan [ 3 1 2.5 ]", "[ 1 2.5 3 ]", 0},
          {"builtins.sort builtins.lessThan [ \"b\" \"\" \"a\" ]", "[ \"\" \"a\" \"b\" ]", 0},
          {"builtins.sort builtins.lessThan [ [ 2 ] [ 1 2 ] [ 1 ] ]", "[ [ 1 ] [ 1 2 ] [ 2 ] ]", 0},
          {"builtins.sort builtins.lessThan [ 1 \"a\" ]", "cannot compare", TH_E_TYPE},
          {"map (x: x.i) (builtins.sort (a: b: a.k < b.k) [ { k = 2; i = 1; } { k = 1; i = 2; } { k = 2; i = 3; } { k "
           "= 1; i = 4; } ])",
           "[ 2 4 1 3 ]", 0},
          {"builtins.sort (a: b: true) [ 1 2 3 ]", "[ 3 2 1 ]", 0},
          {"builtins.sort (a: b: false) [ 3 1 2 ]", "[ 3 1 2 ]", 0},
          {"let l = builtins.genList (x: x * 7919 - (x * 7919 / 1009) * 1009) 3000; "
           "in builtins.sort (a: b: a < b) l == builtins.sort builtins.lessThan l",
           "true", 0},
          {"builtins.sort (a: b: 1) [ 1 2 ]", "expected a Boolean but found an integer: 1", TH_E_TYPE});
}

static void genericClosure_takes_each_key_once(void **state) {
    (void)state;
    CHECK(
        {"map (x: x.key) (builtins.genericClosure { startSet = [ { key = 0; } ]; "
         "operator = x: if x.key < 5 then [ { key = x.key + 2; } { key = x.key + 1; } ] else [ ]; })",
         "[ 0 2 1 4 3 6 5 ]", 0},
        {"map (x: x.key) (builtins.genericClosure { startSet = [ { key = [ 2 ]; } { key = [ 1 ]; } { key = [ 2 ]; } ]; "
         "operator = x: [ ]; })",
         "[ [ 2 ] [ 1 ] ]", 0},
        {"map (x: x.key) (builtins.genericClosure { startSet = [ { key = 1; } { key = 1.0; } ]; operator = x: [ ]; })",
         "[ 1 ]", 0},
        {"builtins.genericClosure { startSet = [ { key = 1; } { key = \"a\"; } ]; operator = x: [ ]; }",
         "cannot compare a string with an integer", TH_E_TYPE},
        {"builtins.genericClosure { startSet = [ { } ]; operator = x: [ ]; }", "attribute 'key' missing",
         TH_E_REFERENCE},
        {"builtins.genericClosure { startSet = [ ]; operator = throw \"not looked at\"; }", "[ ]", 0},
        {"builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; "
         "operator = x: if x.key < 3000 then [ { key = x.key + 1; } { key = x.key / 2; } ] else [ ]; })",
         "3001", 0});
}

/* ---- Sets -------------------------------------------------------------------------------------------------------- */

static void sets_are_told_in_the_order_of_names(void **state) {
    (void)state;
    CHECK(
        {"builtins.attrNames { z = 1; a = 2; \"b c\" = 3; }", "[ \"a\" \"b c\" \"z\" ]", 0},
        {"builtins.attrValues { z = 1; a = 2; \"b c\" = 3; }", "[ 2 3 1 ]", 0},
        {"builtins.attrNames (({ c = 1; } // { b = 2; }) // { a = 3; c = 4; })", "[ \"a\" \"b\" \"c\" ]", 0},
        {"builtins.getAttr \"b\" { a = 1; }", "attribute 'b' missing", TH_E_REFERENCE},
        {"[ (builtins.hasAttr \"a\" { a = throw \"x\"; }) (builtins.hasAttr \"b\" { }) ]", "[ true false ]", 0},
        {"removeAttrs { a = 1; b = 2; c = 3; } (map (x: x) [ \"a\" \"c\" \"q\" ])", "{ b = 2; }", 0},
        {"removeAttrs { a = 1; } [ 1 ]", "expected a string but found an integer: 1", TH_E_TYPE},
        {"builtins.intersectAttrs { a = 1; b = 2; } { b = 3; c = 4; }", "{ b = 3; }", 0},
        {"builtins.intersectAttrs { q = 1; c = 1; } { a = 1; b = 2; c = 3; d = 4; e = 5; f = 6; g = 7; h = 8; i = 9; }",
         "{ c = 3; }", 0},
        {"builtins.mapAttrs (n: v: n + toString v) { a = 1; b = 2; }", "{ a = \"a1\"; b = \"b2\"; }", 0},
        {"builtins.attrNames (builtins.mapAttrs (throw \"lazy\") { a = 1; })", "[ \"a\" ]", 0},
        {"builtins.listToAttrs [ { name = \"a\"; value = 1; } { name = \"a\"; value = 2; } { name = \"b\"; value = 3; "
         "} ]",
         "{ a = 1; b = 3; }", 0},
        {"builtins.listToAttrs (map (x: { name = toString x; value = x; }) [ 1 2 ])", "{ \"1\" = 1; \"2\" = 2; }", 0},
        {"builtins.listToAttrs [ { name = \"a\"; } ]", "attribute 'value' missing", TH_E_REFERENCE},
        {"builtins.catAttrs \"a\" [ { a = 1; } { b = 2; } { a = 3; } ]", "[ 1 3 ]", 0},
        {"builtins.zipAttrsWith (n: vs: vs) [ { a = 1; b = 2; } { a = 3; } ]", "{ a = [ 1 3 ]; b = [ 2 ]; }", 0},
        {"(builtins.unsafeGetAttrPos \"b\" { }) ", "null", 0});
}

/* ---- Strings ----------------------------------------------------------------------------------------------------- */

static void texts_are_made_of_values(void **state) {
    (void)state;
    CHECK({"toString [ 1 [ ] [ 2 [ ] ] null true false 1.5 \"x\" { outPath = \"o\"; } { __toString = s: \"p\"; } ]",
           "\"1 2   1  1.500000 x o p\"", 0},
          {"toString /a/../b", "\"/b\"", 0}, {"toString (x: x)", "cannot coerce a function to a string", TH_E_TYPE},
          {"toString builtins.map", "cannot coerce the built-in function 'map' to a string: «primop map»", TH_E_TYPE},
          {"toString { a = 1; }", "cannot coerce a set to a string: { a = 1; }", TH_E_TYPE},
          {"builtins.substring 1 (-1) \"abc\"", "\"bc\"", 0}, {"builtins.substring 9 1 \"abc\"", "\"\"", 0},
          {"builtins.substring (-1) 1 \"abc\"", "negative start position in 'substring'", TH_E_ARGUMENT},
          {"builtins.stringLength \"héllo\"", "6", 0},
          {"builtins.concatStringsSep \", \" [ \"a\" { outPath = \"b\"; } ]", "\"a, b\"", 0},
          {"builtins.replaceStrings [ \"oo\" \"a\" ] [ \"a\" \"i\" ] \"foobar\"", "\"fabir\"", 0},
          {"builtins.replaceStrings [ \"\" \"a\" ] [ \"X\" \"i\" ] \"ba\"", "\"XbXaX\"", 0},
          {"builtins.replaceStrings [ \"a\" \"b\" ] [ \"x\" (throw \"not used\") ] \"aa\"", "\"xx\"", 0},
          {"builtins.replaceStrings [ \"a\" ] [ ] \"b\"", "different lengths", TH_E_ARGUMENT},
          {"builtins.parseDrvName \"nix-web-0.12pre\"", "{ name = \"nix-web\"; version = \"0.12pre\"; }", 0},
          {"builtins.splitVersion \"1.2pre3\"", "[ \"1\" \"2\" \"pre\" \"3\" ]", 0},
          {"builtins.compareVersions \"2.3pre1\" \"2.3\"", "-1", 0});
}

#define STORE_PATH "/nix/store/ya937r4ydw0l6kayq8jkyqaips9c75jm-a"

static void contexts_go_with_texts(void **state) {
    (void)state;
#define PLAIN "(builtins.appendContext \"x\" { \"" STORE_PATH "\" = { path = true; }; })"
#define DEEP                                                                                                           \
    "(builtins.appendContext \"x\" { \"" STORE_PATH ".drv\" = { allOutputs = true; outputs = [ \"out\" \"dev\" ]; }; " \
    "})"
    CHECK({"builtins.getContext (\"a\" + " PLAIN " + \"b\")", "{ \"" STORE_PATH "\" = { path = true; }; }", 0},
          {"builtins.getContext (builtins.substring 0 0 " PLAIN ")", "{ \"" STORE_PATH "\" = { path = true; }; }", 0},
          {"builtins.getContext " DEEP,
           "{ \"" STORE_PATH ".drv\" = { allOutputs = true; outputs = [ \"dev\" \"out\" ]; }; }", 0},
          {"builtins.attrNames (builtins.getContext \"${" PLAIN "}${" DEEP "}${" PLAIN "}\")",
           "[ \"" STORE_PATH "\" \"" STORE_PATH ".drv\" ]", 0},
          {"builtins.hasContext (builtins.unsafeDiscardStringContext " PLAIN ")", "false", 0},
          {"builtins.getContext (builtins.unsafeDiscardOutputDependency (builtins.appendContext \"x\" { \"" STORE_PATH
           ".drv\" = { allOutputs = true; }; }))",
           "{ \"" STORE_PATH ".drv\" = { path = true; }; }", 0},
          {"builtins.appendContext \"x\" { a = { }; }", "context key 'a' is not a store path", TH_E_ARGUMENT},
          {"builtins.appendContext \"x\" { \"" STORE_PATH "\" = { outputs = [ \"a\" ]; }; }",
           "which is not a derivation", TH_E_ARGUMENT},
          {"/a + " PLAIN, "a string that refers to a store path cannot be appended to a path", TH_E_TYPE},
          {"builtins.getAttr " PLAIN " { }", "is not allowed to refer to a store path", TH_E_TYPE});
}

/* ---- Constants --------------------------------------------------------------------------------------------------- */

static void builtins_holds_itself_and_the_settings(void **state) {
    (void)state;
    CHECK({"builtins.builtins.langVersion", "6", 0}, {"builtins.currentSystem", "\"x86_64-linux\"", 0},
          {"builtins.currentTime", "1700000000", 0}, {"builtins.storeDir", "\"/nix/store\"", 0},
          {"builtins.nixPath",
           "[ { path = \"/nowhere/data\"; prefix = \"data\"; } { path = \"/nowhere\"; prefix = \"\"; } ]", 0},
          {"builtins ? map && builtins ? derivation && !(builtins ? nothing)", "true", 0},
          {"builtins.getEnv \"GREETING\"", "\"hello\"", 0}, {"builtins.getEnv \"OTHER\"", "\"\"", 0},
          {"__add 1 2", "3", 0}, {"__langVersion", "6", 0}, {"__map", "undefined variable '__map'", TH_E_REFERENCE},
          {"~/x", "/home/user/x", 0}, {"builtins.fetchGit \"x\"", "not allowed", TH_E_DENIED});
}

/* ---- Printing ---------------------------------------------------------------------------------------------------- */

static void values_print_as_nix_instantiate_does(void **state) {
    (void)state;
    CHECK({"[ 1.0 100000.0 1000000.0 0.1 1.5e-7 ]", "[ 1 100000 1e+06 0.1 1.5e-07 ]", 0},
          {"\"a\\n\\t\\\"\\\\ \\${x} $x\"", "\"a\\n\\t\\\"\\\\ \\${x} $x\"", 0},
          {"{ \"if\" = 1; \"a b\" = 2; a-b = 3; \"1\" = 4; \"\" = 5; }",
           "{ \"\" = 5; \"1\" = 4; \"a b\" = 2; a-b = 3; \"if\" = 1; }", 0},
          {"[ (x: x) map (map 1) null /a ]", "[ <LAMBDA> <PRIMOP> <PRIMOP-APP> null /a ]", 0},
          {"let a = { x = 1; }; in [ a a { } { } [ ] [ ] ]", "[ { x = 1; } «repeated» { } { } [ ] [ ] ]", 0},
          {"let l = [ 1 ]; in [ l l ]", "[ [ 1 ] «repeated» ]", 0},
          {"let x = { y = x; }; in x", "{ y = «repeated»; }", 0});
}

static char *repr(world *w, const char *expression, int64_t depth) {
    th_error err;
    char *text = begin(w, expression, NIX_FN_REPR, depth, &err) ? finish(w, &err) : NULL;
    if (!text) fail_msg("%s: %s", expression, err.message);
    return text;
}

static void the_repl_shows_what_fails_where_it_fails(void **state) {
    (void)state;
    static const struct {
        const char *expression;
        int64_t depth;
        const char *expected;
    } cases[] = {
        {"{ a = 1 + 1; b = { c = 1; }; d = [ 1 ]; e = throw \"no\"; f = [ ]; }", 1,
         "{\n  a = 2;\n  b = { ... };\n  d = [ ... ];\n  e = «error: no»;\n  f = [ ... ];\n}"},
        {"{ b = { c = 1 + 1; }; f = [ ]; }", 0, "{\n  b = { c = 2; };\n  f = [ ];\n}"},
        {"[ { a = 1; } ]", 0, "[\n  { a = 1; }\n]"},
        {"{ d = { type = \"derivation\"; drvPath = \"/nix/store/x.drv\"; z = throw \"not shown\"; }; }", 0,
         "{\n  d = «derivation /nix/store/x.drv»;\n}"},
        {"let x = { y = x; }; in x", 0, "{\n  y = «repeated»;\n}"},
    };
    world w;
    open_world(&w, NULL);
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        char *text = repr(&w, cases[i].expression, cases[i].depth);
        assert_string_equal(text, cases[i].expected);
        free(text);
    }
    close_world(&w);
}

static void messages_show_a_few_levels_of_values(void **state) {
    (void)state;
    CHECK({"1 + (builtins.genList (x: x) 1000)", "cannot add a list to an integer", TH_E_TYPE},
          {"toString { a = { b = { c = [ 1 2 3 4 5 6 7 8 9 10 11 12 ]; }; }; type = 1; }",
           "{ type = 1; a = { b = { c = [ 1 2 3 4 5 6 7 8 9 10 «2 items elided» ]; }; }; }", TH_E_TYPE},
          {"builtins.length \"text\"", "expected a list but found a string: \"text\"", TH_E_TYPE});
}

/* ---- From outside ------------------------------------------------------------------------------------------------ */

static void selection_paths_lead_into_values(void **state) {
    (void)state;
    static const struct {
        const char *path;
        const char *expected; /* the text there */
        const char *message;  /* of the error */
    } cases[] = {
        {"a.b.1.c", "found", NULL},
        {"\"x.y\"", "dotted", NULL},
        {"f.r", "default", NULL},
        {"a.b.7", NULL, "list index 7 in selection path 'a.b.7' is out of range"},
        {"a.q", NULL, "attribute 'q' in selection path 'a.q' not found"},
        {"a.b.c", NULL, "should be a set but is a list"},
        {"\"x", NULL, "missing closing quote"},
    };
    static const char source[] =
        "{ a.b = [ 1 { c = \"found\"; } ]; \"x.y\" = \"dotted\"; f = { v ? \"default\" }: { r = v; }; }";
    world w;
    open_world(&w, NULL);
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        th_error err = {0};
        th_value args[2], f;
        assert_true(nix_load_text(w.machine, "test.nix", source, strlen(source), th_view_of("/"), NULL, &args[0]));
        th_heap *heap = th_machine_heap(w.machine);
        assert_true(th_new_string(heap, 0, cases[i].path, strlen(cases[i].path), TH_V_NULL, &args[1]));
        assert_true(nix_function_value(w.machine, NIX_FN_SELECT_PATH, &f));
        assert_int_equal(th_machine_begin_apply(w.machine, f, args, 2), TH_OK);
        char *text = finish(&w, &err);
        if (cases[i].expected) {
            assert_non_null(text);
            assert_string_equal(text, cases[i].expected);
        } else {
            assert_null(text);
            if (!strstr(err.message, cases[i].message)) fail_msg("%s: %s", cases[i].path, err.message);
        }
        free(text);
    }
    close_world(&w);
}

/* ---- Limits ------------------------------------------------------------------------------------------------------ */

static const char busy[] =
    "let l = builtins.genList (x: x * 7919 - (x * 7919 / 101) * 101) 300; s = builtins.sort (a: b: a < b) l; "
    "g = builtins.groupBy (x: toString (x / 10)) s; "
    "c = builtins.genericClosure { startSet = map (key: { inherit key; }) l; operator = x: if x.key < 150 then [ { key "
    "= x.key + 1; } ] else [ ]; }; "
    "in [ (builtins.foldl' (a: b: a + b) 0 (builtins.filter (x: x > 50) s)) (builtins.attrNames g) (builtins.length c) "
    "(builtins.concatStringsSep \",\" (map toString (builtins.concatMap (x: [ x x ]) (builtins.tail s)))) "
    "(s == map (x: x + 0) s) (builtins.elem 300 s) (toString [ s [ l ] ]) (builtins.partition (x: x < 3) s).right "
    "(builtins.replaceStrings [ \"a\" \"bc\" ] [ \"bc\" \"a\" ] \"aabcbc\") "
    "(builtins.mapAttrs (n: v: builtins.length v) g) (builtins.zipAttrsWith (n: builtins.length) [ g g ]) ]";

static void a_run_in_small_portions_of_fuel_ends_the_same(void **state) {
    (void)state;
    world w;
    th_error err;
    open_world(&w, NULL);
    char *whole = evaluate(&w, busy, &err);
    if (!whole) fail_msg("%s", err.message);
    close_world(&w);
    th_limits limits = {.fuel = 100};
    open_world(&w, &limits);
    th_machine_set_resumable(w.machine, true);
    assert_true(begin(&w, busy, NIX_FN_PRINT, NIX_PRINT_STRICT, &err));
    size_t pauses = 0;
    while (th_machine_run(w.machine) == TH_RUN_SUSPENDED) {
        assert_int_equal(th_machine_stopped_for(w.machine), TH_E_FUEL);
        th_machine_add_fuel(w.machine, 1000);
        pauses++;
    }
    assert_int_equal(th_machine_state(w.machine), TH_RUN_DONE);
    assert_true(pauses > 50);
    th_value text = th_deref(th_machine_result(w.machine));
    assert_string_equal(th_string_bytes(text), whole);
    free(whole);
    close_world(&w);
}

static void without_fuel_every_builtin_stops(void **state) {
    (void)state;
    static const char *const endless[] = {
        "builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }",
        "let l = [ l ]; in builtins.foldl' (a: b: a) 0 (builtins.genList (x: x) 100000000)",
        "let f = x: [ (f x) ]; in builtins.deepSeq (f 1) 1",
        "let f = x: [ (f x) ]; in f 1 == f 1",
        "let f = x: [ (f x) ]; in f 1 < f 1",
        "let f = x: [ (f x) ]; in toString (f 1)",
        "let f = x: { __toString = f; }; in toString (f 1)",
        "builtins.sort (a: b: a < b) (builtins.genList (x: 0 - x) 10000000)",
        "let f = x: { outPath = f x; }; in \"${f 1}\"",
    };
    th_limits limits = {.fuel = 300000, .memory_bytes = (size_t)256 << 20};
    for (size_t i = 0; i < TH_COUNT(endless); i++) {
        world w;
        th_error err;
        open_world(&w, &limits);
        char *text = evaluate(&w, endless[i], &err);
        if (text || err.code != TH_E_FUEL) fail_msg("%s: %s", endless[i], text ? text : err.message);
        close_world(&w);
    }
}

static void past_the_memory_limit_there_is_an_error_and_the_machine_goes_on(void **state) {
    (void)state;
    static const char *const big[] = {
        "builtins.length (builtins.genList (x: x) 1000000000)",
        "let f = x: [ (f x) ]; in builtins.deepSeq (f 1) 1",
        "let f = s: n: if n == 0 then s else f (s + s) (n - 1); in builtins.stringLength (f \"0123456789\" 40)",
        "builtins.genericClosure { startSet = [ { key = 0; } ]; operator = x: [ { key = x.key + 1; } ]; }",
    };
#ifdef TH_STRESS /* collects all the time */
    th_limits limits = {.fuel = -1, .memory_bytes = (size_t)6 << 20};
#else
    th_limits limits = {.fuel = -1, .memory_bytes = (size_t)48 << 20};
#endif
    world w;
    open_world(&w, &limits);
    for (size_t i = 0; i < TH_COUNT(big); i++) {
        th_error err;
        char *text = evaluate(&w, big[i], &err);
        if (text || (err.code != TH_E_MEMORY_LIMIT && err.code != TH_E_NOMEM))
            fail_msg("%s: %s", big[i], text ? text : err.message);
        assert_int_equal(th_machine_tidy(w.machine), TH_OK);
        text = evaluate(&w, "1 + 1", &err);
        if (!text) fail_msg("after %s: %s", big[i], err.message);
        assert_string_equal(text, "2");
        free(text);
    }
    close_world(&w);
}

static void any_refused_allocation_is_an_error(void **state) {
    (void)state;
    char *whole = NULL;
    for (size_t refuse = 1; !whole; refuse += 1 + refuse / 16) {
        world w;
        th_error err = {0};
        memset(&w, 0, sizeof w);
        th_mem_init(&w.mem, counted, &w, NULL, 0);
        w.refuse_after = refuse;
        if (try_open(&w, NULL) == TH_OK) whole = evaluate(&w, busy, &err);
        if (!whole && err.code != TH_OK) assert_int_equal(err.code, TH_E_NOMEM);
        w.refuse_after = 0;
        close_world(&w);
    }
    free(whole);
}

static void depth_is_bounded_by_memory_alone(void **state) {
    (void)state;
#ifdef TH_STRESS
#define LEVELS      "2000"
#define JSON_LENGTH "4001"
#else
#define LEVELS      "100000"
#define JSON_LENGTH "200001"
#endif
#define NESTED "let f = n: v: if n == 0 then v else f (n - 1) [ v ]; in "
    CHECK({NESTED "f " LEVELS " 1 == f " LEVELS " 1", "true", 0}, {NESTED "f " LEVELS " 1 < f " LEVELS " 2", "true", 0},
          {NESTED "builtins.deepSeq (f " LEVELS " 1) 2", "2", 0}, {NESTED "toString (f " LEVELS " 1)", "\"1\"", 0},
          {NESTED "builtins.stringLength (builtins.toJSON (f " LEVELS " 1))", JSON_LENGTH, 0});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_is_exact_to_64_bits_and_then_an_error),
        cmocka_unit_test(plus_joins_texts_and_paths),
        cmocka_unit_test(values_compare_by_what_they_are),
        cmocka_unit_test(computed_names_select_and_define),
        cmocka_unit_test(kinds_are_told),
        cmocka_unit_test(seq_looks_at_the_head_and_deepSeq_at_all),
        cmocka_unit_test(tryEval_catches_what_users_raise),
        cmocka_unit_test(trace_and_warn_tell_the_owner),
        cmocka_unit_test(lists_are_taken_apart_and_joined),
        cmocka_unit_test(functions_are_asked_about_items),
        cmocka_unit_test(sort_is_stable_and_takes_any_order),
        cmocka_unit_test(genericClosure_takes_each_key_once),
        cmocka_unit_test(sets_are_told_in_the_order_of_names),
        cmocka_unit_test(texts_are_made_of_values),
        cmocka_unit_test(contexts_go_with_texts),
        cmocka_unit_test(builtins_holds_itself_and_the_settings),
        cmocka_unit_test(values_print_as_nix_instantiate_does),
        cmocka_unit_test(the_repl_shows_what_fails_where_it_fails),
        cmocka_unit_test(messages_show_a_few_levels_of_values),
        cmocka_unit_test(selection_paths_lead_into_values),
        cmocka_unit_test(a_run_in_small_portions_of_fuel_ends_the_same),
        cmocka_unit_test(without_fuel_every_builtin_stops),
        cmocka_unit_test(past_the_memory_limit_there_is_an_error_and_the_machine_goes_on),
        cmocka_unit_test(any_refused_allocation_is_an_error),
        cmocka_unit_test(depth_is_bounded_by_memory_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
