/*
** lang_nix_convert.c - the parts of Nix's library that need no machine: hashes and their notations, versions, regular
** expressions, JSON, TOML, archives, store paths. Expected values come from the definitions, or from Nix itself.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lang/nix/convert.h"

/* ---- A world: a budget, a heap, work without limits --------------------------------------------------------- */

typedef struct world {
    th_mem mem;
    th_heap *heap;
    nix_work work;
    int64_t fuel;
} world;

static void no_roots(void *user, th_heap *heap, bool minor) {
    (void)user;
    (void)heap;
    (void)minor;
}

static bool burn(void *user, int64_t units) {
    world *w = user;
    w->fuel -= units;
    return w->fuel >= 0;
}

static void open_world(world *w) {
    th_mem_init(&w->mem, NULL, NULL, NULL, 0);
    assert_int_equal(th_heap_new(&w->mem, no_roots, NULL, &w->heap), TH_OK);
    w->fuel = INT64_MAX;
    w->work = (nix_work){&w->mem, w->heap, burn, w};
}

static void close_world(world *w) {
    th_heap_free(w->heap);
    assert_int_equal(w->mem.used_bytes, 0);
}

/* A value as text, for comparing: sets in the order of their names. For values that are not deep. */
static void show(th_heap *heap, th_value v, th_buf *out) {
    int64_t i;
    double x;
    char digits[32];
    if (v == TH_V_NULL) {
        th_buf_text(out, "null");
    } else if (th_is_bool(v)) {
        th_buf_text(out, v == TH_V_TRUE ? "true" : "false");
    } else if (th_get_i64(v, &i)) {
        th_buf_put(out, digits, th_format_i64(i, digits));
    } else if (th_get_f64(v, &x)) {
        th_buf_put(out, digits, th_format_f64(x, true, digits));
    } else if (nix_is_text(v)) {
        th_buf_printf(out, "'%s'", th_string_bytes(v));
    } else if (nix_is_list(v)) {
        th_buf_text(out, "[");
        for (size_t k = 0; k < th_array_len(v); k++) {
            th_buf_text(out, k ? " " : "");
            show(heap, th_array_items(v)[k], out);
        }
        th_buf_text(out, "]");
    } else {
        const th_shape *shape = th_record_shape(heap, v);
        const uint32_t *order = th_shape_order(heap, shape);
        th_buf_text(out, "{");
        for (uint32_t k = 0; k < shape->count; k++) {
            th_buf_printf(out, "%s%s=", k ? " " : "", th_symbol_text(heap, shape->keys[order[k]]).data);
            show(heap, th_record_values(v)[order[k]], out);
        }
        th_buf_text(out, "}");
    }
}

typedef th_status parser(const nix_work *work, th_view text, th_value *out, th_error *err);

static void reads(parser *parse, const char *text, const char *want) {
    world w;
    th_value v;
    th_error err = {0};
    th_buf out;
    open_world(&w);
    th_buf_init(&out, &w.mem);
    th_status status = parse(&w.work, th_view_of(text), &v, &err);
    if (status != TH_OK) fail_msg("%s: %s", text, err.message);
    show(w.heap, v, &out);
    assert_string_equal(out.data, want);
    th_buf_clear(&out);
    close_world(&w);
}

static void refuses(parser *parse, const char *text, const char *why) {
    world w;
    th_value v;
    th_error err = {0};
    open_world(&w);
    assert_int_equal(parse(&w.work, th_view_of(text), &v, &err), TH_E_SYNTAX);
    if (!strstr(err.message, why)) fail_msg("%s: '%s' does not say '%s'", text, err.message, why);
    close_world(&w);
}

/* ---- Hashes ------------------------------------------------------------------------------------------------- */

static const char empty16[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char empty32[] = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
static const char empty64[] = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

static void hash_is_written_in_all_notations(void **state) {
    (void)state;
    world w;
    uint8_t digest[64];
    th_buf out;
    open_world(&w);
    size_t n = nix_hash_bytes(NIX_SHA256, (th_view){"", 0}, digest);
    th_buf_init(&out, &w.mem);
    nix_base16(digest, n, &out);
    assert_string_equal(out.data, empty16);
    out.len = 0;
    nix_base32(digest, n, &out);
    assert_string_equal(out.data, empty32);
    out.len = 0;
    nix_base64(digest, n, &out);
    assert_string_equal(out.data, empty64);
    th_buf_clear(&out);
    close_world(&w);
}

static void hash_is_read_from_all_notations(void **state) {
    (void)state;
    static const char *const texts[] = {empty16, empty32, empty64,
                                        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                                        "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="};
    uint8_t want[64], got[64];
    size_t n;
    (void)nix_hash_bytes(NIX_SHA256, (th_view){"", 0}, want);
    for (size_t i = 0; i < TH_COUNT(texts); i++) {
        nix_hash algo = NIX_SHA256;
        assert_true(nix_hash_parse(th_view_of(texts[i]), &algo, true, got, &n));
        assert_int_equal(n, 32);
        assert_memory_equal(got, want, 32);
    }
    nix_hash algo = NIX_SHA256;
    assert_false(nix_hash_parse(th_view_of("e3b0"), &algo, true, got, &n));
    assert_false(nix_hash_parse(th_view_of("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709"), &algo, true, got, &n));
    assert_false(nix_hash_parse(th_view_of(empty16), &algo, false, got, &n));
    assert_false(
        nix_hash_parse(th_view_of("eeeee4w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"), &algo, true, got, &n));
}

static void hash_of_pieces_equals_hash_of_all(void **state) {
    (void)state;
    static const th_checksum_kind kinds[] = {TH_MD5, TH_SHA1, TH_SHA256, TH_SHA512};
    uint8_t bytes[1000], whole[TH_CHECKSUM_MAX], pieces[TH_CHECKSUM_MAX];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 7);
    for (size_t k = 0; k < TH_COUNT(kinds); k++) {
        th_hasher h;
        th_hasher_init(&h, kinds[k]);
        for (size_t at = 0, step = 1; at < sizeof bytes; at += step, step = step * 2 + 1) {
            if (step > sizeof bytes - at) step = sizeof bytes - at;
            th_hasher_put(&h, bytes + at, step);
        }
        size_t n = th_hasher_take(&h, pieces);
        assert_int_equal(n, th_checksum(kinds[k], bytes, sizeof bytes, whole));
        assert_memory_equal(whole, pieces, n);
    }
}

/* ---- Versions, regular expressions -------------------------------------------------------------------------- */

static int sign(int x) { return (x > 0) - (x < 0); }

static void versions_compare_as_documented(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int want;
    } cases[] = {
        {"1.0", "2.3", -1},          {"2.1", "2.3", -1},   {"2.3", "2.3", 0},       {"2.5", "2.3", 1},
        {"3.1", "2.3", 1},           {"2.3.1", "2.3", 1},  {"2.3.1", "2.3a", 1},    {"2.3pre1", "2.3", -1},
        {"2.3pre3", "2.3pre12", -1}, {"2.3a", "2.3c", -1}, {"2.3pre1", "2.3c", -1}, {"2.3pre1", "2.3q", -1},
        {"1.01", "1.1", 0},          {"", "1", -1},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        assert_int_equal(sign(nix_compare_versions(th_view_of(cases[i].a), th_view_of(cases[i].b))), cases[i].want);
        assert_int_equal(sign(nix_compare_versions(th_view_of(cases[i].b), th_view_of(cases[i].a))), -cases[i].want);
    }
}

/* Spans as text: "0-3 1-2 -", or "no". */
static void matches(const char *pattern, const char *text, bool whole, const char *want) {
    world w;
    nix_regex *regex;
    nix_subject subject;
    int64_t spans[16], cost = 0;
    bool matched;
    char got[200] = "no";
    th_error err = {0};
    open_world(&w);
    assert_int_equal(nix_regex_new(&w.mem, th_view_of(pattern), &regex, &err), TH_OK);
    assert_int_equal(nix_subject_init(&w.mem, th_view_of(text), &subject), TH_OK);
    assert_int_equal(nix_regex_match(&w.mem, regex, &subject, 0, whole, spans, &matched, &cost), TH_OK);
    if (matched) got[0] = 0;
    for (size_t i = 0; matched && i <= nix_regex_groups(regex); i++) {
        size_t len = strlen(got);
        if (spans[2 * i] < 0)
            snprintf(got + len, sizeof got - len, "%s-", i ? " " : "");
        else
            snprintf(got + len, sizeof got - len, "%s%d-%d", i ? " " : "", (int)spans[2 * i], (int)spans[2 * i + 1]);
    }
    assert_string_equal(got, want);
    nix_subject_clear(&subject);
    nix_regex_free(&w.mem, regex);
    close_world(&w);
}

static void regex_finds_groups(void **state) {
    (void)state;
    matches("ab", "abc", true, "no");
    matches("a(b)(c)", "abc", true, "0-3 1-2 2-3");
    matches("a(x)?bc", "abc", true, "0-3 -");
    matches("[[:space:]]+([[:upper:]]+)[[:space:]]+", "  FOO   ", true, "0-8 2-5");
    matches("(a|ab)(c|bcd)", "abcd", true, "0-4 0-1 1-4");
    matches("b+", "aabbb", false, "2-5");
}

/* ---- JSON --------------------------------------------------------------------------------------------------- */

static void json_reads_every_kind(void **state) {
    (void)state;
    reads(nix_json_parse, " {\"b\" : [1, -2, true,false ,null], \"a\":\"x\"} ", "{a='x' b=[1 -2 true false null]}");
    reads(nix_json_parse, "[1e2, 1.5, -0.0, 1E-2]", "[100.0 1.5 -0.0 0.01]");
    reads(nix_json_parse, "[[],{},[[]]]", "[[] {} [[]]]");
    reads(nix_json_parse, "\"\\u00e9\\ud83d\\ude00\\n\\/\"", "'\xc3\xa9\xf0\x9f\x98\x80\n/'");
    reads(nix_json_parse, "\xef\xbb\xbf 7", "7");
}

static void json_last_member_of_a_name_counts(void **state) {
    (void)state;
    reads(nix_json_parse, "{\"a\":1,\"b\":2,\"a\":3}", "{a=3 b=2}");
}

static void json_integers_keep_64_bits_and_then_become_floats(void **state) {
    (void)state;
    reads(nix_json_parse, "[9223372036854775807,-9223372036854775808]", "[9223372036854775807 -9223372036854775808]");
    reads(nix_json_parse, "[-9223372036854775809,18446744073709551616]",
          "[-9.223372036854776e+18 1.8446744073709552e+19]");
    refuses(nix_json_parse, "9223372036854775808", "outside of the range");
    refuses(nix_json_parse, "18446744073709551615", "outside of the range");
}

static void json_refuses_what_is_not_json(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "line 1, column 1: expected a value"},
        {"[1,]", "column 4"},
        {"[1 2]", "expected ',' or ']'"},
        {"{\"a\":1,}", "expected a string"},
        {"{a:1}", "column 2"},
        {"[01]", "begin with 0"},
        {"1.", "decimal point"},
        {"1e", "exponent"},
        {"-", "digit"},
        {"\"x", "does not end"},
        {"\"\\x\"", "no such escape"},
        {"\"\t\"", "control character"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\\u0000\"", "null byte"},
        {"\"\xff\"", "not UTF-8"},
        {"nul", "expected a value"},
        {"1 2", "expected the end"},
        {"[\n1,\n  ?]", "line 3, column 3"},
        {"1e999", "too large"},
        {"{\"a\" 1}", "expected ':'"},
        {"[", "the text ends here"},
        {"{\"a\":1", "expected ',' or '}'"},
        {"+1", "expected a value"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) refuses(nix_json_parse, cases[i].text, cases[i].why);
}

static void deep(parser *parse, const char *before, const char *after, char open, char close) {
    enum { DEPTH = 300000 };
    world w;
    th_value v;
    th_error err = {0};
    th_buf text;
    open_world(&w);
    th_buf_init(&text, &w.mem);
    th_buf_text(&text, before);
    for (int i = 0; i < DEPTH; i++) th_buf_char(&text, open);
    for (int i = 0; i < DEPTH; i++) th_buf_char(&text, close);
    th_buf_text(&text, after);
    assert_int_equal(parse(&w.work, (th_view){text.data, text.len}, &v, &err), TH_OK);
    if (!nix_is_list(v)) v = th_record_values(v)[0];
    int depth = 1;
    for (; th_array_len(v); depth++) v = th_array_items(v)[0];
    assert_int_equal(depth, DEPTH);
    assert_int_equal(parse(&w.work, (th_view){text.data, text.len / 2}, &v, &err), TH_E_SYNTAX);
    th_buf_clear(&text);
    close_world(&w);
}

static void json_nests_to_any_depth(void **state) {
    (void)state;
    deep(nix_json_parse, "", "", '[', ']');
}

static void json_strings_are_escaped(void **state) {
    (void)state;
    world w;
    th_buf out;
    size_t bad;
    open_world(&w);
    th_buf_init(&out, &w.mem);
    assert_true(nix_json_string((th_view){"a\"\\\b\f\n\r\t\x01\x7f/\xc3\xa9", 13}, &out, &bad));
    assert_string_equal(out.data, "\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f/\xc3\xa9\"");
    assert_false(nix_json_string((th_view){"ab\xff", 3}, &out, &bad));
    assert_int_equal(bad, 2);
    th_buf_clear(&out);
    close_world(&w);
}

/* ---- TOML --------------------------------------------------------------------------------------------------- */

static void toml_reads_every_kind(void **state) {
    (void)state;
    reads(nix_toml_parse, "", "{}");
    reads(nix_toml_parse, "a = 1_000 # c\nb = 0xff\nc = 0o17\nd = 0b101\ne = -3\n", "{a=1000 b=255 c=15 d=5 e=-3}");
    reads(nix_toml_parse, "a=1.5\nb=5e+22\nc=-inf\nd=1e-2\ne=nan", "{a=1.5 b=5e+22 c=-inf d=0.01 e=nan}");
    reads(nix_toml_parse, "a=\"x\\ty\\u00e9\"\nb='li\\t'\r\n", "{a='x\ty\xc3\xa9' b='li\\t'}");
    reads(nix_toml_parse, "a=\"\"\"\nx\\\n   y \"\" z\"\"\"\"\"\nb='''\nq''r'''", "{a='xy \"\" z\"\"' b='q''r'}");
    reads(nix_toml_parse, "a=[1, #c\n [true,], ]\nb={c=1, d.e='f'}", "{a=[1 [true]] b={c=1 d={e='f'}}}");
}

static void toml_tables_nest_by_headers_and_dots(void **state) {
    (void)state;
    reads(nix_toml_parse, "[a.b.c]\nx=1\n[a]\ny=2\n[a.b]\nz=3", "{a={b={c={x=1} z=3} y=2}}");
    reads(nix_toml_parse, "[[p]]\nn=1\n[[p.q]]\nm=1\n[[p.q]]\nm=2\n[[p]]\n[p.r]\nk=1",
          "{p=[{n=1 q=[{m=1} {m=2}]} {r={k=1}}]}");
    reads(nix_toml_parse, "f.a.c=1\n[f.o]\nx=1\n", "{f={a={c=1} o={x=1}}}");
    reads(nix_toml_parse, "[ a . 'b c' ]\n1.2=3", "{a={b c={1={2=3}}}}");
}

static void toml_many_keys_are_found_again(void **state) {
    (void)state;
    world w;
    th_buf text;
    th_value v;
    th_error err = {0};
    open_world(&w);
    th_buf_init(&text, &w.mem);
    for (int i = 0; i < 5000; i++) th_buf_printf(&text, "k%d = %d\n", i, i);
    size_t len = text.len;
    th_buf_text(&text, "k2500 = 1\n");
    assert_int_equal(nix_toml_parse(&w.work, (th_view){text.data, len}, &v, &err), TH_OK);
    assert_int_equal(th_record_shape(w.heap, v)->count, 5000);
    assert_int_equal(th_int(th_record_get(w.heap, v, th_symbol_find(w.heap, th_view_of("k4999")))), 4999);
    assert_int_equal(nix_toml_parse(&w.work, (th_view){text.data, text.len}, &v, &err), TH_E_SYNTAX);
    assert_non_null(strstr(err.message, "line 5001, column 1: 'k2500' is defined twice"));
    th_buf_clear(&text);
    close_world(&w);
}

static void toml_refuses_what_is_defined_twice(void **state) {
    (void)state;
    static const char *const texts[] = {"a=1\na=2",   "[a]\n[a]",     "a=1\n[a]",   "a.b=1\na=2",
                                        "[[a]]\n[a]", "a=[1]\n[[a]]", "a.b=1\n[a]", "[a]\nb.c=1\n[a.b]"};
    for (size_t i = 0; i < TH_COUNT(texts); i++) refuses(nix_toml_parse, texts[i], "is defined");
    refuses(nix_toml_parse, "a={b=1}\na.c=2", "defined elsewhere");
    refuses(nix_toml_parse, "a={b=1}\n[a.c]", "inline table");
    refuses(nix_toml_parse, "a=1\n[a.c]", "no table");
    refuses(nix_toml_parse, "[a.b.c]\nz=9\n[a]\nb.c.t=1", "defined elsewhere");
}

static void toml_refuses_what_is_not_toml(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"a", "expected '='"},
        {"a =", "the text ends here"},
        {"= 1", "expected a key"},
        {"[a", "expected ']'"},
        {"[]", "expected a key"},
        {"[a]]", "end of the line"},
        {"a={b=1,}", "expected a key"},
        {"a={b=1\n}", "expected ',' or '}'"},
        {"a=[1 2]", "expected ','"},
        {"a=1 b=2", "end of the line"},
        {"a=01", "expected a value"},
        {"a=1__0", "expected a value"},
        {"a=1.", "expected a value"},
        {"a=.5", "expected a value"},
        {"a=1e", "expected a value"},
        {"a=tru", "expected a value"},
        {"a=0xg", "not a number"},
        {"a=9223372036854775808", "64 bits"},
        {"a=0x8000000000000000", "64 bits"},
        {"a=\"x", "does not end"},
        {"a=\"x\n\"", "in its line"},
        {"a='''x", "does not end"},
        {"a=\"\\q\"", "no such escape"},
        {"a=\"\\uD800\"", "no such character"},
        {"a=\"\\u0000\"", "null byte"},
        {"a=\"\x01\"", "control character"},
        {"# \x01", "control character"},
        {"a=\"\xff\"", "not UTF-8"},
        {"\n\na = ?", "line 3, column 5"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) refuses(nix_toml_parse, cases[i].text, cases[i].why);
}

static void toml_dates_are_known_but_refused(void **state) {
    (void)state;
    static const char *const dates[] = {"1979-05-27", "07:32:00", "1979-05-27T07:32:00Z",
                                        "1979-05-27 07:32:00.999-07:00"};
    static const char *const none[] = {"1979-13-27", "1979-02-29", "25:00:00", "1979-05-27T07:32", "1979-05-27T"};
    char text[64];
    for (size_t i = 0; i < TH_COUNT(dates); i++) {
        snprintf(text, sizeof text, "a = %s\n", dates[i]);
        refuses(nix_toml_parse, text, "Dates and times are not supported");
    }
    for (size_t i = 0; i < TH_COUNT(none); i++) {
        snprintf(text, sizeof text, "a = %s\n", none[i]);
        refuses(nix_toml_parse, text, "no such date");
    }
}

static void toml_nests_to_any_depth(void **state) {
    (void)state;
    deep(nix_toml_parse, "a = ", "\n", '[', ']');
}

/* ---- Limits ------------------------------------------------------------------------------------------------- */

static void work_stops_when_fuel_is_spent(void **state) {
    (void)state;
    static parser *const parsers[] = {nix_json_parse, nix_toml_parse};
    static const char *const texts[] = {"[1,[2,{\"a\":\"x\"}],3]", "a=[1,[2,{a='x'}]]\n[b]\nc=1"};
    for (int k = 0; k < 2; k++) {
        world w;
        th_value v;
        th_error err = {0};
        int64_t enough = 0;
        for (;; enough++) {
            open_world(&w);
            w.fuel = enough;
            th_status status = parsers[k](&w.work, th_view_of(texts[k]), &v, &err);
            close_world(&w);
            if (status == TH_OK) break;
            assert_int_equal(status, TH_E_FUEL);
        }
        assert_in_range(enough, 3, 200);
    }
}

typedef struct failing {
    int left;
} failing;

static void *failing_alloc(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    failing *f = user;
    (void)old_bytes;
    if (new_bytes == 0) return free(block), NULL;
    if (f->left-- <= 0) return NULL;
    return realloc(block, new_bytes);
}

static void refused_memory_is_a_status_fault(void **state) {
    (void)state;
    static parser *const parsers[] = {nix_json_parse, nix_toml_parse};
    static const char *const texts[] = {
        "{\"a\":[1,\"\\u00e9 and more of it\",{\"b\":[[[]]]}],\"c\":9223372036854775807}",
        "a=[1,\"\\u00e9 and more of it\",{b=[[[]]]}]\n[c.d]\ne=9223372036854775807\n[[f]]\ng=1"};
    for (int k = 0; k < 2; k++) {
        for (int n = 0;; n++) {
            failing f = {n};
            th_mem mem;
            th_heap *heap;
            th_value v;
            th_error err = {0};
            th_mem_init(&mem, failing_alloc, &f, NULL, 0);
            if (th_heap_new(&mem, no_roots, NULL, &heap) != TH_OK) continue;
            nix_work work = {&mem, heap, NULL, NULL};
            th_status status = parsers[k](&work, th_view_of(texts[k]), &v, &err);
            th_heap_free(heap);
            assert_int_equal(mem.used_bytes, 0);
            if (status == TH_OK) break;
            assert_int_equal(status, TH_E_NOMEM);
        }
    }
}

/* ---- The store ---------------------------------------------------------------------------------------------- */

static void names_are_checked(void **state) {
    (void)state;
    static const char *const good[] = {"a", ".a", "...", "a+b-._?=Z9", "..a"};
    static const char *const bad[] = {"", ".", "..", ".-a", "..-a", "a b", "a/b", "\xc3\xa9"};
    th_error err;
    for (size_t i = 0; i < TH_COUNT(good); i++)
        assert_int_equal(nix_store_check_name(th_view_of(good[i]), NULL), TH_OK);
    for (size_t i = 0; i < TH_COUNT(bad); i++) {
        assert_int_equal(nix_store_check_name(th_view_of(bad[i]), &err), TH_E_ARGUMENT);
        assert_true(err.message[0] != 0);
    }
    char longest[NIX_STORE_NAME_MAX + 1];
    memset(longest, 'x', sizeof longest);
    assert_int_equal(nix_store_check_name((th_view){longest, NIX_STORE_NAME_MAX}, NULL), TH_OK);
    assert_int_equal(nix_store_check_name((th_view){longest, NIX_STORE_NAME_MAX + 1}, NULL), TH_E_ARGUMENT);
}

static void store_paths_equal_those_of_nix(void **state) {
    (void)state;
    world w;
    th_buf out;
    th_error err = {0};
    th_view dir = th_view_of("/nix/store");
    open_world(&w);
    th_buf_init(&out, &w.mem);
    assert_int_equal(nix_store_text(dir, th_view_of("hello"), NULL, 0, th_view_of("a.txt"), &out, &err), TH_OK);
    assert_string_equal(out.data, "wzflyq5q9kjg4p27yck2nnispnblxsnh-a.txt");
    assert_true(nix_store_is_base((th_view){out.data, out.len}));
    assert_false(nix_store_is_base((th_view){out.data, 33}));
    out.len = 0;
    nix_store_placeholder(th_view_of("out"), &out);
    assert_string_equal(out.data, "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
    th_buf_clear(&out);
    close_world(&w);
}

static void write_file(const char *folder, const char *name, const char *text, mode_t mode) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void tree_hashes_to(const char *path, bool nar, const nix_tree_filter *filter, const char *want) {
    world w;
    uint8_t digest[64];
    th_error err = {0};
    th_buf out;
    open_world(&w);
    w.work.heap = NULL;
    if (nix_store_hash_tree(&w.work, path, nar, filter, digest, &err) != TH_OK) fail_msg("%s", err.message);
    th_buf_init(&out, &w.mem);
    nix_base16(digest, 32, &out);
    assert_string_equal(out.data, want);
    th_buf_clear(&out);
    close_world(&w);
}

static bool not_the_rest(void *user, th_view path) {
    (void)user;
    return path.data[path.len - 1] != 'z';
}

static void archives_hash_as_nix_hashes_them(void **state) {
    (void)state;
    char folder[] = "/tmp/nix_archive_XXXXXX", path[512];
    assert_non_null(mkdtemp(folder));
    write_file(folder, "file", "hello\n", 0644);
    snprintf(path, sizeof path, "%s/dir", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    snprintf(path, sizeof path, "%s/dir/sub", folder);
    assert_int_equal(mkdir(path, 0755), 0);
    write_file(folder, "dir/b", "x", 0755);
    write_file(folder, "dir/a", "y", 0644);
    snprintf(path, sizeof path, "%s/dir/l", folder);
    assert_int_equal(symlink("b", path), 0);
    snprintf(path, sizeof path, "%s/file", folder);
    tree_hashes_to(path, true, NULL, "1c37d01af40be2e80691de3cc3df44377a699afbb17c68f080964b2fd071fc13");
    tree_hashes_to(path, false, NULL, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    snprintf(path, sizeof path, "%s/dir", folder);
    tree_hashes_to(path, true, NULL, "c01e132cf3643fb31618509610f9017095e7445af1904d461ce0031678a71d3d");
    write_file(folder, "dir/z", "not there", 0644);
    nix_tree_filter filter = {not_the_rest, NULL};
    tree_hashes_to(path, true, &filter, "c01e132cf3643fb31618509610f9017095e7445af1904d461ce0031678a71d3d");

    uint8_t digest[64];
    th_error err = {0};
    world w;
    open_world(&w);
    assert_int_equal(nix_store_hash_tree(&w.work, path, false, NULL, digest, &err), TH_E_IO);
    assert_int_equal(nix_store_hash_tree(&w.work, "/tmp/nothing/there", true, NULL, digest, &err), TH_E_NOT_FOUND);
    w.fuel = 20;
    assert_int_equal(nix_store_hash_tree(&w.work, path, true, NULL, digest, &err), TH_E_FUEL);
    close_world(&w);
    static const char *const made[] = {"dir/a", "dir/b", "dir/l", "dir/z", "file"};
    for (size_t i = 0; i < TH_COUNT(made); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, made[i]);
        assert_int_equal(unlink(path), 0);
    }
    snprintf(path, sizeof path, "%s/dir/sub", folder);
    assert_int_equal(rmdir(path), 0);
    snprintf(path, sizeof path, "%s/dir", folder);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_written_in_all_notations),
        cmocka_unit_test(hash_is_read_from_all_notations),
        cmocka_unit_test(hash_of_pieces_equals_hash_of_all),
        cmocka_unit_test(versions_compare_as_documented),
        cmocka_unit_test(regex_finds_groups),
        cmocka_unit_test(json_reads_every_kind),
        cmocka_unit_test(json_last_member_of_a_name_counts),
        cmocka_unit_test(json_integers_keep_64_bits_and_then_become_floats),
        cmocka_unit_test(json_refuses_what_is_not_json),
        cmocka_unit_test(json_nests_to_any_depth),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(toml_reads_every_kind),
        cmocka_unit_test(toml_tables_nest_by_headers_and_dots),
        cmocka_unit_test(toml_many_keys_are_found_again),
        cmocka_unit_test(toml_refuses_what_is_defined_twice),
        cmocka_unit_test(toml_refuses_what_is_not_toml),
        cmocka_unit_test(toml_dates_are_known_but_refused),
        cmocka_unit_test(toml_nests_to_any_depth),
        cmocka_unit_test(work_stops_when_fuel_is_spent),
        cmocka_unit_test(refused_memory_is_a_status_fault),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(store_paths_equal_those_of_nix),
        cmocka_unit_test(archives_hash_as_nix_hashes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
