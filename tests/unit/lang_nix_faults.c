/*
** lang_nix_faults.c - the Nix language when memory is refused: request by request, compiling and evaluating end with "out of
** memory", lose nothing, and the same machine evaluates afterwards as if nothing had been.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../support/faulty.h"
#include "../support/nix_world.h"

/* Every kind of syntax. */
static const char syntax[] =
    "let\n"
    "  inherit (lib) id const;\n"
    "  lib = rec { id = x: x; const = a: b: a; compose = f: g: x: f (g x); };\n"
    "  f = { a, b ? a + 1, ... }@all: [ a b (all.c or null) (all ? d.e) ];\n"
    "  s = { x.y.z = 1; x.w = 2.5; \"quoted name\" = ./some/path; ${id \"dyn\"} = -3; __functor = self: arg: self.x.w "
    "+ arg; };\n"
    "  text = ''\n    line ${toString 12}\n      indented ''${no} $$\n  '';\n"
    "in with lib; assert 1 < 2 && !false || true -> true;\n"
    "if s.x ? w then f { a = 1; c = text; } ++ [ (s 1) \"a${\"b\"}\\n\" __curPos.line ] else throw \"no\"\n";

/* Functions of the library, of each file of it, that need no capability. */
static const char library[] =
    "with builtins; let s = genList (x: { name = toString x; value = x * 3; }) 12; in {\n"
    "  set = mapAttrs (n: v: [ n v ]) (listToAttrs s // { a = 1; } // { b = 2; });\n"
    "  sorted = sort (a: b: a > b) (map (x: x.value) s);\n"
    "  groups = groupBy (x: if x.value > 9 then \"high\" else \"low\") s;\n"
    "  fold = foldl' (a: x: a + x.value) 0 s;\n"
    "  text = replaceStrings [ \"a\" \"b\" ] [ \"xyz\" \"\" ] (concatStringsSep \"-\" (attrNames { aa = 1; bb = 2; "
    "}));\n"
    "  match = [ (match \"([a-z]+)([0-9]*)\" \"abc123\") (split \"(,)\" \"a,b,c\") ];\n"
    "  json = [ (toJSON s) (fromJSON \"{\\\"a\\\": [1, 2.5, \\\"x\\\", null]}\") (fromTOML \"a = 1\\n[b]\\nc = [ 'd' "
    "]\\n\") (toXML s) ];\n"
    "  versions = [ (compareVersions \"1.2pre\" \"1.2\") (splitVersion \"1.2.3\") (parseDrvName \"a-1\") ];\n"
    "  hash = hashString \"sha256\" \"text\";\n"
    "  closure = genericClosure { startSet = [ { key = 0; } ]; operator = i: if i.key < 5 then [ { key = i.key + 1; } "
    "] else [ ]; };\n"
    "  tried = [ (tryEval (throw \"x\")) (tryEval 1).value ];\n"
    "  zipped = zipAttrsWith (n: v: v) [ { a = 1; } { a = 2; b = 3; } ];\n"
    "  drv = (derivation { name = \"n\"; system = \"s\"; builder = \"b\"; outputs = [ \"out\" \"dev\" ]; "
    "}).dev.outPath;\n"
    "  context = getContext (toFile \"n\" \"t\");\n"
    "  equal = [ (s == s) ([ 1 [ 2 ] ] < [ 1 [ 3 ] ]) ];\n"
    "}\n";

/* A recursion and garbage enough that the stacks grow and the heap is collected. */
static const char load[] =
    "let f = n: if n == 0 then 0 else 1 + f (n - 1); l = builtins.genList (x: { a = x; }) 3000; in "
    "[ (f 3000) (builtins.foldl' (a: x: a + x.a) 0 l) (builtins.length (l ++ l)) ]";

static void check_compile(void **state) {
    (void)state;
    faulty f = {0};
    th_mem mem;
    nix_world w;
    th_error err;
    size_t n = 0, failures = 0;
    th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
    assert_int_equal(nix_world_engine(&w, &mem, &err), TH_OK);
    size_t held = f.held;
    for (bool done = false; !done;) {
        uint8_t *bytes = NULL;
        size_t len = 0;
        th_arena arena;
        th_diags diags;
        th_arena_init(&arena, &mem);
        th_diags_init(&diags, &mem);
        faulty_allow(&f, n++);
        th_status status = nix_compile(&mem, &arena, "t.nix", syntax, sizeof syntax - 1, th_view_of("/base"), NULL,
                                       w.engine, &diags, &bytes, &len);
        faulty_off(&f);
        if (status == TH_OK)
            th_mem_free(&mem, bytes, len);
        else
            assert_int_equal(status, TH_E_NOMEM);
        done = !f.refused;
        failures += !done;
        th_diags_clear(&diags);
        th_arena_clear(&arena);
        assert_int_equal(f.held, held);
    }
    assert_true(failures > 20);
    nix_world_close(&w);
    assert_int_equal(f.held, 0);
}

static void check_setup(void **state) {
    (void)state;
    for (size_t n = 0;; n++) {
        faulty f = {0};
        th_mem mem;
        nix_world w;
        th_error err = {0};
        faulty_allow(&f, n);
        th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
        th_status status = nix_world_engine(&w, &mem, &err);
        if (status == TH_OK) status = nix_world_machine(&w, &(th_limits){.fuel = -1}, &err);
        nix_world_close(&w);
        assert_int_equal(f.held, 0);
        if (!f.refused) {
            assert_int_equal(status, TH_OK);
            assert_true(n > 20);
            return;
        }
        if (status != TH_OK) assert_int_equal(status, TH_E_NOMEM);
    }
}

/* Evaluates `text` with request n refused, for n = 1, 2, ..., and `step` more each time after the first thousand; each on a
** machine of its own, where it is then evaluated once more. */
static void evaluate_each(const char *text, bool once) {
    faulty f = {0};
    th_mem mem;
    nix_world w;
    th_error err;
    th_view shown;
    char *expected = NULL;
    th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
    assert_int_equal(nix_world_engine(&w, &mem, &err), TH_OK);
    size_t held = f.held;
    f.once = once;
    for (size_t n = SIZE_MAX - 1, step = 0;; n += step) {
        assert_int_equal(nix_world_machine(&w, &(th_limits){.fuel = -1}, &err), TH_OK);
        faulty_allow(&f, n);
        th_status status = nix_world_eval(&w, text, strlen(text), &shown, &err);
        faulty_off(&f);
        bool refused = f.refused;
        if (!expected) { /* the first time nothing is refused */
            if (status != TH_OK) print_error("%s\n", err.message);
            assert_int_equal(status, TH_OK);
            expected = strndup(shown.data, shown.len);
            assert_non_null(expected);
            n = 0;
            refused = true;
        } else if (status != TH_OK) {
            if (status != TH_E_NOMEM || !err.message[0])
                print_error("request %zu: %s (%d)\n", n, err.message, (int)status);
            assert_int_equal(status, TH_E_NOMEM);
            assert_int_not_equal(err.message[0], 0);
            status = nix_world_eval(&w, text, strlen(text), &shown, &err);
            if (status != TH_OK) print_error("again, after request %zu: %s\n", n, err.message);
            assert_int_equal(status, TH_OK);
        }
        assert_int_equal(shown.len, strlen(expected));
        assert_memory_equal(shown.data, expected, shown.len);
        th_machine_free(w.machine);
        w.machine = NULL;
        assert_int_equal(f.held, held);
        if (!refused) break;
        step = step == 0 ? 1 : n > 1000 ? n / 200 : 1;
    }
    free(expected);
    nix_world_close(&w);
    assert_int_equal(f.held, 0);
}

static void compiling_without_memory_fails_and_loses_nothing_fault(void **state) { check_compile(state); }
static void making_a_machine_without_memory_fails_and_loses_nothing_fault(void **state) { check_setup(state); }
static void syntax_without_memory_fails_and_can_be_evaluated_again_fault(void **state) {
    (void)state;
    evaluate_each(syntax, false);
}
static void library_without_memory_fails_and_can_be_evaluated_again_fault(void **state) {
    (void)state;
    evaluate_each(library, false);
}
static void one_refusal_in_the_library_is_an_error_or_goes_unnoticed_fault(void **state) {
    (void)state;
    evaluate_each(library, true);
}
static void deep_calls_and_collections_without_memory_fail_and_can_be_evaluated_again_fault(void **state) {
    (void)state;
    evaluate_each(load, false);
    evaluate_each(load, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiling_without_memory_fails_and_loses_nothing_fault),
        cmocka_unit_test(making_a_machine_without_memory_fails_and_loses_nothing_fault),
        cmocka_unit_test(syntax_without_memory_fails_and_can_be_evaluated_again_fault),
        cmocka_unit_test(library_without_memory_fails_and_can_be_evaluated_again_fault),
        cmocka_unit_test(one_refusal_in_the_library_is_an_error_or_goes_unnoticed_fault),
        cmocka_unit_test(deep_calls_and_collections_without_memory_fail_and_can_be_evaluated_again_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
