/*
** lang_nix_parse.c - what the Nix parser makes of texts, as the printer tells it; what it says of bad ones and where; that
** no text, however deep, and no refused allocation harms it.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/faulty.h"
#include "lang/nix/ast.h"

#include <stdio.h>
#include <stdlib.h>

/* One parse and what it leaves behind. */
typedef struct parse {
    th_mem mem;
    th_arena arena;
    th_diags diags;
    th_buf out;  /* the tree, printed */
    th_buf told; /* line:column: message, and hints after a tab */
    nix_expr *ast;
    th_status status;
} parse;

static void tell(parse *r) {
    for (size_t i = 0; i < r->diags.len; i++) {
        const th_diag *d = &r->diags.items[i];
        th_buf_printf(&r->told, "%s%u:%u: %s%s", i ? "\n" : "", (unsigned)d->span.line, (unsigned)d->span.column,
                      d->severity == TH_ERROR ? "" : "warning: ", d->message);
        if (d->hint) th_buf_printf(&r->told, "\t%s", d->hint);
    }
}

static void parse_bytes(parse *r, const char *text, size_t len) {
    memset(r, 0, sizeof *r);
    th_mem_init(&r->mem, NULL, NULL, NULL, 0);
    th_arena_init(&r->arena, &r->mem);
    th_diags_init(&r->diags, &r->mem);
    th_buf_init(&r->out, &r->mem);
    th_buf_init(&r->told, &r->mem);
    char *exact = malloc(len ? len : 1); /* so that a read past its end is seen */
    assert_non_null(exact);
    if (len) memcpy(exact, text, len);
    r->status = nix_parse(&r->mem, &r->arena, "t.nix", exact, len, &r->diags, &r->ast);
    tell(r);
    if (r->status == TH_OK) assert_int_equal(nix_print_ast(&r->mem, r->ast, th_view_of("/base/dir"), &r->out), TH_OK);
    free(exact);
}

static void parse_text(parse *r, const char *text) { parse_bytes(r, text, strlen(text)); }

static void drop(parse *r) {
    th_buf_clear(&r->out);
    th_buf_clear(&r->told);
    th_diags_clear(&r->diags);
    th_arena_clear(&r->arena);
    assert_int_equal(r->mem.used_bytes, 0);
}

static void prints_bytes(const char *text, size_t len, const char *printed) {
    parse r;
    parse_bytes(&r, text, len);
    if (r.status) print_error("%.*s\n%s\n", (int)len, text, r.told.data);
    assert_int_equal(r.status, TH_OK);
    assert_null(r.told.data);
    assert_string_equal(r.out.data, printed);
    drop(&r);
}

static void prints(const char *text, const char *printed) { prints_bytes(text, strlen(text), printed); }

static void fails_bytes(const char *text, size_t len, const char *told) {
    parse r;
    parse_bytes(&r, text, len);
    if (!r.status) print_error("%.*s\n%s\n", (int)len, text, r.out.data);
    assert_int_equal(r.status, TH_E_SYNTAX);
    assert_null(r.ast);
    assert_int_equal(r.diags.error_count, 1);
    char *tab = strchr(r.told.data, '\t');
    if (tab && !strchr(told, '\t')) *tab = '\0'; /* the hint, where the test does not ask for it */
    assert_string_equal(r.told.data, told);
    drop(&r);
}

static void fails(const char *text, const char *told) { fails_bytes(text, strlen(text), told); }

/* ---- Literals ----------------------------------------------------------------------------------------------- */

static void integers_go_up_to_63_bits(void **state) {
    (void)state;
    prints("0", "0");
    prints("007", "7");
    prints("9223372036854775807", "9223372036854775807");
    fails("9223372036854775808", "1:1: invalid integer '9223372036854775808'\tintegers go up to 9223372036854775807");
    fails("[ 1 99999999999999999999 ]", "1:5: invalid integer '99999999999999999999'");
    prints("-9223372036854775807", "(__sub 0 9223372036854775807)");
}

static void floats_take_all_the_forms_of_the_language(void **state) {
    (void)state;
    prints("[ 1.5 1. .5 0.5 12.e3 1.5e-3 1.5E+2 ]", "[ (1.5) (1) (0.5) (0.5) (12000) (0.0015) (150) ]");
    prints("1.0e100", "1e+100");
    prints("[ 00.5 1e5 1.5.2 ]", "[ (0) (0.5) (1) (e5) (1.5) (0.2) ]");
    fails("0.", "1:3: syntax error, unexpected end of file, expecting identifier or 'or' or '${' or '\"'");
    fails("1.0e400", "1:1: invalid float '1.0e400'");
    fails("1.0e-400", "1:1: invalid float '1.0e-400'");
    prints("0.0e-400", "0");
}

static void strings_resolve_escapes(void **state) {
    (void)state;
    prints("\"\"", "\"\"");
    prints("\"a\\nb\\tc\\rd\\\"e\\\\f\\$g\\q\"", "\"a\\nb\\tc\\rd\\\"e\\\\f$gq\"");
    prints("\"$\"", "\"$\"");
    prints("\"a$\"", "\"a$\"");
    prints("\"$$\"", "\"$$\"");
    prints("\"\\${a}\"", "\"\\${a}\"");
    prints("\"$${a}\"", "\"$\\${a}\"");
    prints("\"$$${a}\"", "(\"$$\" + a)");
    prints("\"$\\\"x\"", "\"$\\\"x\"");
    prints("\"a\nb\"", "\"a\\nb\"");
    prints("\"\\\n\"", "\"\\n\"");
}

static void line_ends_in_strings_become_line_feeds(void **state) {
    (void)state;
    prints("\"a\r\nb\rc\\\r\nd\"", "\"a\\nb\\nc\\r\\nd\"");
    prints("''a\r\nb''", "\"a\\r\\nb\"");
    prints("[ # a\r\n 1 # b\r 2 /* c\r\n */ ]\r\n", "[ (1) (2) ]");
}

static void interpolations_are_parts(void **state) {
    (void)state;
    prints("\"${a}\"", "(a)");
    prints("\"a${b}c${d}\"", "(\"a\" + b + \"c\" + d)");
    prints("\"a${\"b${c}\"}\"", "(\"a\" + (\"b\" + c))");
    prints("\"${ { a = \"}\"; }.a }\"", "(({ a = \"}\"; }).a)");
    prints("\"a${''b}''}c\"", "(\"a\" + \"b}\" + \"c\")");
}

static void bytes_that_are_no_text_may_stand_in_strings_and_comments(void **state) {
    (void)state;
    prints("# \xff\xfe\n\"\xff\xc3\" /* \x80 */", "\"\xff\xc3\"");
    fails("\xff", "1:1: syntax error, unexpected invalid token\tthe byte FF may not stand here");
    fails("a \xc3\xa9", "1:3: syntax error, unexpected invalid token, expecting end of file\t"
                        "\xc3\xa9 (U+00E9) may only stand in strings and comments");
}

static void null_bytes_are_refused_but_in_comments(void **state) {
    (void)state;
    prints_bytes("1 # \0\n", 6, "1");
    prints_bytes("/*\0*/ 1", 7, "1");
    fails_bytes("1 \0 2", 5, "1:3: syntax error, unexpected invalid token, expecting end of file");
    fails_bytes("\"a\0b\"", 5, "1:2: the string contains a null byte, which no Nix string can hold");
    fails_bytes("''a\0b''", 7, "1:3: the string contains a null byte, which no Nix string can hold");
    fails_bytes("''a''\\\0b''", 10, "1:4: the string contains a null byte, which no Nix string can hold");
}

/* ---- Indented strings --------------------------------------------------------------------------------------- */

static void indented_strings_lose_their_common_spaces(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"''''", "\"\""},
        {"''  ''", "\"\""},
        {"''\n  ''", "\"\""},
        {"''  \n  a\n  ''", "\"a\\n\""},
        {"''\n  a\n    b\n  c\n''", "\"a\\n  b\\nc\\n\""},
        {"''\n  a\n b''", "\" a\\nb\""},
        {"''a\n  b''", "\"a\\n  b\""},
        {"''  a\n  b''", "\"a\\nb\""},
        {"''\n\n  a\n\n  b\n\n''", "\"\\na\\n\\nb\\n\\n\""},
        {"''\n   \n  a\n     \n''", "\" \\na\\n   \\n\""},
        {"''\n\ta\n\t b''", "\"\\ta\\n\\t b\""},
        {"''\n  a\n b\n    ''", "\" a\\nb\\n\""},
        {"''\n  a\n\t''", "\"  a\\n\\t\""},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) prints(cases[i][0], cases[i][1]);
}

static void interpolations_and_escapes_end_the_indentation(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"''${a}''", "(a)"},
        {"''  ${a}''", "(a)"},
        {"''\n  ${a}\n  b''", "(a + \"\\nb\")"},
        {"''\n    a\n  ${b}''", "(\"  a\\n\" + b)"},
        {"''\n  a\n    ${b} c\n  ''", "(\"a\\n  \" + b + \" c\\n\")"},
        {"''${a}\n  ''", "(a + \"\\n\")"},
        {"''\n  ''\\n  x''", "(\"\\n\" + \"x\")"},
        {"''\n  a\n ''\\ b''", "(\" a\\n\" + \" \" + \"b\")"},
        {"''\n  ${a} ${b}\n  ''", "(a + \" \" + b + \"\\n\")"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) prints(cases[i][0], cases[i][1]);
}

static void indented_strings_have_escapes_of_their_own(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"''a''$b''", "(\"a\" + \"$\" + \"b\")"},
        {"''''${a}''", "(\"$\" + \"{a}\")"},
        {"''$${a}''", "\"$\\${a}\""},
        {"''a'''b''", "(\"a\" + \"''\" + \"b\")"},
        {"''''\\t''\\x''\\'''", "(\"\\t\" + \"x\" + \"'\")"},
        {"''it's''", "\"it's\""},
        {"''a'$b''", "(\"a\" + \"'\" + \"$b\")"},
        {"''a'${b}''", "(\"a\" + \"'\" + b)"},
        {"''a\\nb''", "\"a\\\\nb\""},
        {"''$''", "\"$\""},
        {"''\"''", "\"\\\"\""},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) prints(cases[i][0], cases[i][1]);
}

/* ---- Paths, URIs -------------------------------------------------------------------------------------------- */

static void paths_are_resolved_when_printed(void **state) {
    (void)state;
    prints("[ ./a ../b a/b /c/../d ./. ../../../.. /. .a/b 1/2 -a/b +a/b ]",
           "[ (/base/dir/a) (/base/b) (/base/dir/a/b) (/d) (/base/dir) (/) (/) (/base/dir/.a/b) (/base/dir/1/2) "
           "(/base/dir/-a/b) (/base/dir/+a/b) ]");
    prints("a-b.c+d/e", "/base/dir/a-b.c+d/e");
    prints("a /b", "(a /b)");
    prints("a / b", "(__div a b)");
    prints("a/ b", "(__div a b)");
    prints("a'/b", "(a' /b)");
}

static void paths_may_be_interpolated(void **state) {
    (void)state;
    prints("./a${b}", "(/base/dir/a + b)");
    prints("./a/${b}", "(/base/dir/a/ + b)");
    prints("a/${b}/c${d}.x", "(/base/dir/a/ + b + \"/c\" + d + \".x\")");
    prints("/${a}", "(/ + a)");
    prints("./${a}//b", "(/base/dir/ + a + \"/\" + \"/b\")");
    prints("[ ./${a}b c ]", "[ ((/base/dir/ + a + \"b\")) (c) ]");
}

static void bad_paths_are_refused(void **state) {
    (void)state;
    fails("a/b/", "1:1: path has a trailing slash");
    fails("[ a/b/ ]", "1:7: path has a trailing slash");
    fails("a/b//c ", "1:5: syntax error, unexpected end of path, expecting '${'\t"
                     "a path has one slash between two names");
    fails("a/b///c", "1:6: syntax error, unexpected string, expecting '${'");
    fails("~", "1:1: syntax error, unexpected invalid token");
    fails("~/", "1:1: syntax error, unexpected invalid token");
}

static void home_paths_begin_in_the_home_folder(void **state) {
    (void)state;
    setenv("HOME", "/home/me", 1);
    prints("[ ~/a ~/b/c ~/${d} ]", "[ (/home/me/a) (/home/me/b/c) ((/home/me/ + d)) ]");
}

static void search_paths_and_uris_are_tokens(void **state) {
    (void)state;
    prints("<nixpkgs>", "(__findFile __nixPath \"nixpkgs\")");
    prints("<a/b.c>", "(__findFile __nixPath \"a/b.c\")");
    prints("<a> { }", "(__findFile __nixPath \"a\" { })");
    prints("a <b", "(__lessThan a b)");
    prints("[ x:x http://a.b/c?d=e&f%20 ]", "[ (\"x:x\") (\"http://a.b/c?d=e&f%20\") ]");
    prints("x: x", "(x: x)");
    prints("x:x", "\"x:x\"");
    prints("x':x", "(x': x)");
    prints("x_y:z", "(x_y: z)");
    fails("{ inherit http://x; }", "1:11: syntax error, unexpected URI");
}

static void comments_are_skipped(void **state) {
    (void)state;
    prints("/* a */ 1 # b", "1");
    prints("/**/ /***/ /* * / **/ 1", "1");
    prints("a/*b*/c", "(a c)");
    fails("1 /* a", "1:3: unterminated comment\t*/ is missing before the end of the file");
    fails("/*/", "1:1: unterminated comment");
    fails("\n # a", "2:5: syntax error, unexpected end of file");
}

/* ---- Operators ---------------------------------------------------------------------------------------------- */

static void operators_bind_as_in_the_grammar(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"a -> b -> c", "(a -> (b -> c))"},
        {"a || b || c", "((a || b) || c)"},
        {"a || b && c -> d", "((a || (b && c)) -> d)"},
        {"a == b && c != d", "((a == b) && (c != d))"},
        {"a < b == (c > d)", "((__lessThan a b) == (__lessThan d c))"},
        {"a <= b", "(! (__lessThan b a))"},
        {"a >= b", "(! (__lessThan a b))"},
        {"a // b // c", "(a // (b // c))"},
        {"a // b < c", "(__lessThan (a // b) c)"},
        {"!a // b", "((! a) // b)"},
        {"!a + b", "(! (a + b))"},
        {"a * !b + c", "(__mul a (! (b + c)))"},
        {"a + b - c", "(__sub (a + b) c)"},
        {"a - b - c", "(__sub (__sub a b) c)"},
        {"a + b * c / d", "(a + (__div (__mul b c) d))"},
        {"a ++ b ++ c", "(a ++ (b ++ c))"},
        {"a * b ++ c", "(__mul a (b ++ c))"},
        {"a ++ b ? c", "(a ++ ((b) ? c))"},
        {"a ? b ? c", "((((a) ? b)) ? c)"},
        {"-a ? b", "(((__sub 0 a)) ? b)"},
        {"!a ? b", "(! ((a) ? b))"},
        {"-a.b c", "(__sub 0 ((a).b c))"},
        {"- - a", "(__sub 0 (__sub 0 a))"},
        {"a - -b", "(__sub a (__sub 0 b))"},
        {"a-b", "a-b"},
        {"a -b", "(__sub a b)"},
        {"a b c", "(a b c)"},
        {"(a b) c", "(a b c)"},
        {"a (b c)", "(a (b c))"},
        {"(a - b) c", "(__sub a b c)"},
        {"a ? \"b\".${c}.or", "((a) ? b.\"${c}\".or)"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) prints(cases[i][0], cases[i][1]);
}

static void comparisons_do_not_chain(void **state) {
    (void)state;
    fails("1 == 2 == 3", "1:8: syntax error, unexpected '=='\tcomparisons do not chain: use parentheses, or &&");
    fails("a != b == c", "1:8: syntax error, unexpected '=='");
    fails("a < b > c", "1:7: syntax error, unexpected '>'");
    fails("a <= b < c", "1:8: syntax error, unexpected '<'");
    prints("a == b < c", "(a == (__lessThan b c))");
}

static void pipes_call_functions(void **state) {
    (void)state;
    prints("a |> f |> g", "(g (f a))");
    prints("f <| g <| a", "(f (g a))");
    prints("a |> f b", "(f b a)");
    prints("a -> b |> c || d", "((c || d) (a -> b))");
    prints("x: x |> f", "(x: (f x))");
    fails("a |> f <| b",
          "1:8: syntax error, unexpected '<|', expecting end of file\t|> and <| are mixed with parentheses only");
    fails("(f <| a |> b)", "1:9: syntax error, unexpected '|>', expecting ')'");
    fails("a |> x: x", "1:7: syntax error, unexpected ':', expecting end of file");
}

/* ---- Selections, or ----------------------------------------------------------------------------------------- */

static void selections_take_paths_and_defaults(void **state) {
    (void)state;
    prints("a.b.c", "(a).b.c");
    prints("a.\"b\".\"c d\".${e}.\"f${g}\"", "(a).b.\"c d\".\"${e}\".\"${(\"f\" + g)}\"");
    prints("a.${\"b\"}.${''c''}.${(\"d\")}", "(a).b.c.d");
    prints("a.b or c d", "((a).b or (c) d)");
    prints("a.b or c.d or e", "(a).b or ((c).d or (e))");
    prints("f a.b c.d", "(f (a).b (c).d)");
    prints("(a.b).c", "((a).b).c");
    prints("a.b . c", "(a).b.c");
    prints("a.if-", "(a).if-");
    prints("a.\"if\".\"\"", "(a).\"if\".\"\"");
    fails("a.if", "1:3: syntax error, unexpected 'if', expecting identifier or 'or' or '${' or '\"'");
    fails("a.b.", "1:5: syntax error, unexpected end of file, expecting identifier or 'or' or '${' or '\"'");
}

static void or_is_a_name_where_it_is_no_default(void **state) {
    (void)state;
    prints("{ or = 1; }.or or 2", "({ or = 1; }).or or (2)");
    prints("f or", "(f or)");
    prints("f or a", "(f or a)");
    prints("{ inherit or; }", "{ inherit or; }");
    fails("or", "1:1: syntax error, unexpected 'or'");
    parse r;
    parse_text(&r, "f g or");
    assert_string_equal(r.out.data, "(f (g or))");
    assert_int_equal(r.diags.error_count, 0);
    assert_int_equal(r.diags.len, 1);
    assert_memory_equal(r.told.data, "1:3: warning: `or` is used as a name", 36);
    drop(&r);
    parse_text(&r, "[ a or (f (b or)) ]");
    assert_int_equal(r.diags.len, 1); /* the one in parentheses keeps its meaning */
    drop(&r);
}

static void places_are_kept(void **state) {
    (void)state;
    prints("__curPos", "__curPos");
    prints("__curPos.line", "(__curPos).line");
    parse r;
    parse_text(&r, "  [ __curPos ]");
    assert_int_equal(r.ast->items[0]->kind, NIX_CUR_POS);
    assert_int_equal(r.ast->items[0]->span.column, 5);
    drop(&r);
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static void functions_take_names_and_patterns(void **state) {
    (void)state;
    prints("x: y: x", "(x: (y: x))");
    prints("{ }: 1", "({  }: 1)");
    prints("{ a }: a", "({ a }: a)");
    prints("{ b, a ? 1, }: a", "({ a ? 1, b }: a)");
    prints("{ ... }: 1", "({ ... }: 1)");
    prints("{ b, a, ... }: 1", "({ a, b, ... }: 1)");
    prints("x@{ a }: x", "({ a } @ x: x)");
    prints("{ a, ... }@x: x", "({ a, ... } @ x: x)");
    prints("{ a ? x: { b }: c, d }: 1", "({ a ? (x: ({ b }: c)), d }: 1)");
    prints("{ }@x: x", "({  } @ x: x)");
    prints("if a then x: x else y: y", "(if a then (x: x) else (y: y))");
}

static void bad_patterns_are_refused(void **state) {
    (void)state;
    fails("{ a, b, a }: 1", "1:9: duplicate formal function argument 'a'");
    fails("{ a, b, b, a }: 1", "1:12: duplicate formal function argument 'a'");
    fails("a@{ a }: 1", "1:1: duplicate formal function argument 'a'");
    fails("[ ({ b, a }@a: 1) ]", "1:4: duplicate formal function argument 'a'");
    fails("{a,b,c,d,e,f,g,h,i,j,k,l,c}: 1", "1:26: duplicate formal function argument 'c'");
    fails("{ a, ..., b }: 1", "1:9: syntax error, unexpected ',', expecting '}'");
    fails("{ a, , b }: 1", "1:6: syntax error, unexpected ',', expecting identifier or '...' or '}'");
    fails("{ a = 1, b }: 1", "1:8: syntax error, unexpected ',', expecting ';'");
    fails("{ a, b = 1 }: 1", "1:8: syntax error, unexpected '=', expecting '}' or ','\t"
                             "the default of an argument is written with ?");
    fails("{ a } 1", "1:7: syntax error, unexpected integer, expecting ':' or '@'");
    fails("{ a }@x 1", "1:9: syntax error, unexpected integer, expecting ':'");
    fails("x@y: 1", "1:3: syntax error, unexpected identifier, expecting '{'");
    fails("x@{ a }@y: 1", "1:8: syntax error, unexpected '@', expecting ':'");
    fails("f { a, b }: 1", "1:6: syntax error, unexpected ',', expecting '.' or '='");
    fails("f x: 1", "1:4: syntax error, unexpected ':', expecting end of file");
}

/* ---- Keywords ----------------------------------------------------------------------------------------------- */

static void keywords_make_expressions(void **state) {
    (void)state;
    prints("with a; b", "(with a; b)");
    prints("assert a; b", "assert a; b");
    prints("if a then b else c", "(if a then b else c)");
    prints("if a then b else if c then d else e + f", "(if a then b else (if c then d else (e + f)))");
    prints("let in 1", "(let in 1)");
    prints("let a = 1; b = a; in b", "(let a = 1; b = a; in b)");
    prints("let { a = 1; body = a; }", "(rec { a = 1; body = a; }).body");
    prints("let { body = f; } x", "((rec { body = f; }).body x)");
    prints("rec { }", "rec { }");
    prints("[ rec { } let { body = 1; } ]", "[ (rec { }) ((rec { body = 1; }).body) ]");
    prints("[ ]", "[ ]");
    prints("[ a b.c (d e) [ f ] ]", "[ (a) ((b).c) ((d e)) ([ (f) ]) ]");
}

static void unfinished_keywords_are_refused(void **state) {
    (void)state;
    fails("if a else", "1:6: syntax error, unexpected 'else', expecting 'then'");
    fails("if a then b", "1:12: syntax error, unexpected end of file, expecting 'else'");
    fails("with a b", "1:9: syntax error, unexpected end of file, expecting ';'");
    fails("assert a, b", "1:9: syntax error, unexpected ',', expecting ';'");
    fails("let a = 1; b", "1:13: syntax error, unexpected end of file, expecting '.' or '='");
    fails("let a = 1; ; in a", "1:12: syntax error, unexpected ';', expecting 'in' or 'inherit'");
    fails("let a = 1; }", "1:12: syntax error, unexpected '}', expecting 'in' or 'inherit'");
    fails("rec a", "1:5: syntax error, unexpected identifier, expecting '{'");
    fails("f let a = 1; in a", "1:7: syntax error, unexpected identifier, expecting '{'");
    fails("1 + if a then b else c", "1:5: syntax error, unexpected 'if'\there it takes parentheses: (if ...)");
    fails("[ 1, 2 ]", "1:4: syntax error, unexpected ','\tthe elements of a list are separated by spaces");
    fails("(a", "1:3: syntax error, unexpected end of file, expecting ')'\tthe ( at line 1, column 1 is not closed");
    fails("{ a = [ 1", "1:10: syntax error, unexpected end of file\tthe [ at line 1, column 7 is not closed");
    fails("a)", "1:2: syntax error, unexpected ')', expecting end of file");
    fails("a }", "1:3: syntax error, unexpected '}', expecting end of file");
    fails("", "1:1: syntax error, unexpected end of file");
    fails("a 'b'", "1:3: syntax error, unexpected invalid token, expecting end of file\t"
                   "strings are written in double quotes, or between two single quotes each");
    fails("a = 1", "1:3: syntax error, unexpected '=', expecting end of file\tvalues are compared with ==");
}

static void strings_without_an_end_are_told_where_they_begin(void **state) {
    (void)state;
    fails("a\n \"b", "2:2: syntax error, unterminated string, expecting '\"' before the end of the file\t"
                     "the string that begins here has no end");
    fails("a \"b\\", "1:3: syntax error, unterminated string, expecting '\"' before the end of the file");
    fails("\"$", "1:1: syntax error, unterminated string, expecting '\"' before the end of the file");
    fails("{ a = ''b'; }", "1:7: syntax error, unterminated string, expecting '' before the end of the file");
    fails("\"a${b", "1:6: syntax error, unexpected end of file, expecting '}'\t"
                    "the ${ at line 1, column 3 is not closed");
}

/* ---- Sets --------------------------------------------------------------------------------------------------- */

static void sets_bind_and_inherit(void **state) {
    (void)state;
    prints("{ b = 1; a = 2; }", "{ a = 2; b = 1; }");
    prints("{ inherit b a; inherit; inherit (c) e d; x = 1; inherit (f) g; }",
           "{ inherit a b; inherit (c) d e; inherit (f) g; x = 1; }");
    prints("{ inherit \"a\" ${\"b\"}; \"c d\" = 1; \"if\" = 2; }", "{ inherit a b; \"c d\" = 1; \"if\" = 2; }");
    prints("{ ${a} = 1; \"b${c}\" = 2; \"d\" = 3; ${\"e\"} = 4; }",
           "{ d = 3; e = 4; \"${a}\" = 1; \"${(\"b\" + c)}\" = 2; }");
    fails("{ inherit ${a}; }", "1:11: dynamic attributes not allowed in inherit");
    fails("{ inherit \"a${b}\"; }", "1:11: dynamic attributes not allowed in inherit");
    fails("x: let ${a} = 1; in 2", "1:4: dynamic attributes not allowed in let");
    prints("let a.${b} = 1; in 2", "(let a = { \"${b}\" = 1; }; in 2)");
}

static void nested_paths_are_merged(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"{ a.b = 1; a.c = 2; }", "{ a = { b = 1; c = 2; }; }"},
        {"{ a.b.c = 1; a.b.d = 2; a.e = 3; }", "{ a = { b = { c = 1; d = 2; }; e = 3; }; }"},
        {"{ a = { b = 1; }; a.c = 2; }", "{ a = { b = 1; c = 2; }; }"},
        {"{ a.c = 2; a = { b = 1; }; }", "{ a = { b = 1; c = 2; }; }"},
        {"{ a = { b = { c = 1; }; }; a = { b.d = 2; }; }", "{ a = { b = { c = 1; d = 2; }; }; }"},
        {"{ a = rec { b = 1; }; a.c = 2; }", "{ a = rec { b = 1; c = 2; }; }"},
        {"{ a.c = 2; a = rec { b = 1; }; }", "{ a = { b = 1; c = 2; }; }"},
        {"{ a = ({ b = 1; }); a.c = 2; }", "{ a = { b = 1; c = 2; }; }"},
        {"{ a = { inherit (x) b; }; a = { inherit (y) c; inherit d; }; }",
         "{ a = { inherit d; inherit (x) b; inherit (y) c; }; }"},
        {"{ a.${b} = 1; a.${b} = 2; }", "{ a = { \"${b}\" = 1; \"${b}\" = 2; }; }"},
        {"{ ${a}.b = 1; ${a}.c = 2; }", "{ \"${a}\" = { b = 1; }; \"${a}\" = { c = 2; }; }"},
        {"{ a = { ${b} = 1; }; a = { ${c} = 2; }; }", "{ a = { \"${b}\" = 1; \"${c}\" = 2; }; }"},
        {"let a.b = 1; a.c = 2; in a", "(let a = { b = 1; c = 2; }; in a)"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) prints(cases[i][0], cases[i][1]);
}

static void duplicates_are_told_with_both_places(void **state) {
    (void)state;
    fails("{ a = 1;\n  a = 2; }", "2:3: attribute 'a' already defined at t.nix:1:3");
    fails("{ a.b = 1; a.b = 2; }", "1:12: attribute 'a.b' already defined at t.nix:1:3");
    fails("{ a = 1; a.b = 2; }", "1:10: attribute 'a' already defined at t.nix:1:3");
    fails("{ a.b = 1; a = 2; }", "1:12: attribute 'a' already defined at t.nix:1:3");
    fails("{ a.b.c = 1; a = { x = 1; b.c = 2; }; }", "1:27: attribute 'a.b.c' already defined at t.nix:1:3");
    fails("{ a = f { }; a.b = 1; }", "1:14: attribute 'a' already defined at t.nix:1:3");
    fails("{ inherit a; a = 1; }", "1:14: attribute 'a' already defined at t.nix:1:11");
    fails("{ a = 1; inherit (b) c a; }", "1:24: attribute 'a' already defined at t.nix:1:3");
    fails("let a = 1; a = 2; in a", "1:12: attribute 'a' already defined at t.nix:1:5");
    fails("{ \"a\" = 1; ${\"a\"} = 2; }", "1:12: attribute 'a' already defined at t.nix:1:3");
    fails("{a=1;b=1;c=1;d=1;e=1;f=1;g=1;h=1;i=1;j=1;i=2;}", "1:42: attribute 'i' already defined at t.nix:1:34");
    fails("{ a = 1; } // { b = 1; b = 2; }", "1:24: attribute 'b' already defined at t.nix:1:17");
}

static void bad_sets_are_refused(void **state) {
    (void)state;
    fails("{ a ... }", "1:5: syntax error, unexpected '...', expecting '.' or '='");
    fails("{ a = 1 }", "1:9: syntax error, unexpected '}', expecting ';'\tthe value of a binding ends with ;");
    fails("{ a = 1\n  b = 2; }",
          "2:5: syntax error, unexpected '=', expecting ';'\tis a ; missing before this binding?");
    fails("{ a; }", "1:4: syntax error, unexpected ';', expecting '.' or '='");
    fails("{ a = 1; 2 }", "1:10: syntax error, unexpected integer, expecting 'inherit'");
    fails("rec { a = 1; 2 }", "1:14: syntax error, unexpected integer, expecting 'inherit' or '}'");
    fails("{ inherit 1; }", "1:11: syntax error, unexpected integer");
    fails("{ inherit (a; }", "1:13: syntax error, unexpected ';', expecting ')'");
    fails("{ a.1 = 2; }", "1:4: syntax error, unexpected floating-point literal, expecting '.' or '='");
    fails("{ ${a = 1; }", "1:7: syntax error, unexpected '=', expecting '}'");
}

static void large_sets_keep_every_name(void **state) {
    (void)state;
    enum { N = 3000 };
    char *text = malloc(N * 48), *to = text;
    assert_non_null(text);
    to += sprintf(to, "{ ");
    for (int i = 0; i < N; i++) to += sprintf(to, "a%d = %d; s.t%d = 1; ", i, i, i % 7 ? i : i + N);
    sprintf(to, "}");
    parse r;
    parse_text(&r, text);
    assert_int_equal(r.status, TH_OK);
    assert_int_equal(r.ast->nbindings, N + 1);
    for (uint32_t i = 0; i < r.ast->nbindings; i++) {
        nix_expr *value = r.ast->bindings[i].value;
        assert_true(value->kind == NIX_INT ? value->integer == (i ? i - 1 : 0) : value->nbindings == N);
    }
    drop(&r);
    sprintf(to, "a1234 = 1; }");
    parse_text(&r, text);
    assert_int_equal(r.status, TH_E_SYNTAX);
    assert_non_null(strstr(r.told.data, "attribute 'a1234' already defined at t.nix:1:"));
    drop(&r);
    free(text);
}

/* ---- The tree ----------------------------------------------------------------------------------------------- */

static void equal_names_are_one_pointer(void **state) {
    (void)state;
    parse r;
    parse_text(&r, "x: [ x x.x { inherit x; } \"x\" ]");
    const nix_expr *list = r.ast->right;
    assert_ptr_equal(r.ast->name, list->items[0]->name);
    assert_ptr_equal(r.ast->name, list->items[1]->left->name);
    assert_ptr_equal(r.ast->name, list->items[1]->path[0].name);
    assert_ptr_equal(r.ast->name, list->items[2]->bindings[0].name);
    drop(&r);
}

static void bindings_of_one_inherit_share_its_source(void **state) {
    (void)state;
    parse r;
    parse_text(&r, "{ inherit (a) b c; inherit (a) d; inherit e; f = 1; }");
    const nix_binding *b = r.ast->bindings;
    assert_int_equal(r.ast->nbindings, 5);
    assert_true(b[0].inherited && b[0].from && b[0].from == b[1].from && b[2].from != b[0].from);
    assert_true(b[3].inherited && !b[3].from && !b[3].value);
    assert_true(!b[4].inherited && b[4].value);
    drop(&r);
}

static void assert_span(th_span span, uint32_t line, uint32_t column, uint32_t end_line, uint32_t end_column) {
    assert_int_equal(span.line, line);
    assert_int_equal(span.column, column);
    assert_int_equal(span.end_line, end_line);
    assert_int_equal(span.end_column, end_column);
}

static void places_are_those_that_errors_name(void **state) {
    (void)state;
    parse r;
    parse_text(&r, "(a b)\n + (c.d)");
    assert_span(r.ast->at, 2, 2, 2, 3); /* the operator */
    assert_span(r.ast->span, 1, 1, 2, 9);
    assert_span(r.ast->left->span, 1, 1, 1, 6); /* with its parentheses */
    assert_span(r.ast->left->at, 1, 2, 1, 3);   /* the function */
    assert_span(r.ast->right->at, 2, 5, 2, 8);
    drop(&r);
    parse_text(&r, "[ \"\xc3\xa9${a}\" ''\n x'' b ]");
    assert_span(r.ast->items[0]->parts[1].span, 1, 5, 1, 9); /* in characters */
    assert_span(r.ast->items[2]->span, 2, 6, 2, 7);
    drop(&r);
    parse_text(&r, "{ a.b = 1; inherit (f) \"c\"; }");
    assert_span(r.ast->bindings[0].span, 1, 3, 1, 6);
    assert_span(r.ast->bindings[0].value->bindings[0].span, 1, 3, 1, 6);
    assert_span(r.ast->bindings[1].span, 1, 24, 1, 27);
    drop(&r);
}

static void the_resolver_finds_its_fields_empty(void **state) {
    (void)state;
    parse r;
    parse_text(&r, "{ a = 1; b.c = 2; ${d} = 3; }");
    assert_null(r.ast->info);
    assert_null(r.ast->bindings[1].value->info);
    drop(&r);
}

/* ---- Any text, any depth ------------------------------------------------------------------------------------ */

static char *repeat(const char *open, const char *middle, const char *close, size_t n) {
    size_t a = strlen(open), b = strlen(middle), c = strlen(close);
    char *text = malloc(n * (a + c) + b + 1), *to = text;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++, to += a) memcpy(to, open, a);
    memcpy(to, middle, b);
    to += b;
    for (size_t i = 0; i < n; i++, to += c) memcpy(to, close, c);
    *to = '\0';
    return text;
}

static void nesting_has_no_limit(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"(", "1", ")"},
        {"[", "", "]"},
        {"{a=", "1", ";}"},
        {"let a=1; in ", "a", ""},
        {"let a=", "1", "; in a"},
        {"x: ", "x", ""},
        {"{a}: ", "a", ""},
        {"a@{b?", "1", "}: 1"},
        {"\"${", "1", "}\""},
        {"''${", "1", "}''"},
        {"1+", "1", ""},
        {"a++", "a", ""},
        {"-", "1", ""},
        {"!", "a", ""},
        {"f (", "x", ")"},
        {"f ", "x", ""},
        {"(", "a", ").b"},
        {"a.b or ", "c", ""},
        {"a", "", "?b"},
        {"if a then b else ", "c", ""},
        {"if ", "a", " then b else c"},
        {"with a; ", "b", ""},
        {"assert a; ", "b", ""},
        {"", "a", " |> f"},
        {"f <| ", "a", ""},
        {"{${", "a", "}=1;}"},
        {"./a${", "b", "}"},
        {"{inherit (", "a", ") b;}"},
        {"", "a", ".b"},
        {"a.b.c == (", "a", ")"},
        {"a.${", "b", "}"},
        {"/**/", "1", ""},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) {
        char *text = repeat(cases[i][0], cases[i][1], cases[i][2], 100000);
        parse r;
        parse_text(&r, text);
        if (r.status) print_error("%.40s: %s\n", text, r.told.data);
        assert_int_equal(r.status, TH_OK);
        drop(&r);
        /* the first half alone is an error, and a clean one */
        text[strlen(text) / 2] = '\0';
        parse_text(&r, text);
        assert_true(r.status == TH_OK || r.status == TH_E_SYNTAX);
        drop(&r);
        free(text);
    }
}

static const char everything[] =
    "# all of it\nargs@{ a, b ? 1.5, ... }: let inherit (a) c d; e.f = ''\n  x ${c}\n   y\n''; e.g = { h = rec { }; "
    "};\n"
    "in with e; assert c -> !d; if a ? b.\"x${c}\".${d} then [ ./p/${c} <n> ~/h u:v ] ++ f (-1) \"\\n${e}\" or_\n"
    "else { \"${c}\" = let { body = 1; }; i.j.k = c.l or d; i.j = { m = 1; }; a1=1;a2=1;a3=1;a4=1;a5=1;a6=1;a7=1;a8=1; "
    "}"
    " // (x: y: x |> y z)";

static void refused_memory_is_a_status(void **state) {
    (void)state;
    bool passed = false;
    for (size_t n = 1; !passed; n++) {
        faulty f = {.fail_at = n};
        th_mem mem;
        th_arena arena;
        th_diags diags;
        th_buf out;
        th_mem_init(&mem, faulty_alloc, &f, NULL, 0);
        th_arena_init(&arena, &mem);
        th_diags_init(&diags, &mem);
        th_buf_init(&out, &mem);
        nix_expr *ast = NULL;
        th_status status = nix_parse(&mem, &arena, "t.nix", everything, sizeof everything - 1, &diags, &ast);
        if (status == TH_OK) status = nix_print_ast(&mem, ast, th_view_of("/"), &out);
        assert_int_equal(status, f.refused ? TH_E_NOMEM : TH_OK);
        passed = !f.refused;
        th_buf_clear(&out);
        th_diags_clear(&diags);
        th_arena_clear(&arena);
        assert_int_equal(f.held, 0);
        assert_true(n < 10000);
    }
}

static void every_prefix_of_a_program_is_parsed_or_refused(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof everything; n++) {
        parse r;
        parse_bytes(&r, everything, n);
        assert_true(r.status == TH_OK || (r.status == TH_E_SYNTAX && r.diags.error_count == 1));
        drop(&r);
    }
}

static void warnings_are_few(void **state) {
    (void)state;
    char *text = repeat("f or ", "x", "", 1000);
    parse r;
    parse_text(&r, text);
    assert_int_equal(r.status, TH_OK);
    assert_int_equal(r.diags.len, 20);
    drop(&r);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_go_up_to_63_bits),
        cmocka_unit_test(floats_take_all_the_forms_of_the_language),
        cmocka_unit_test(strings_resolve_escapes),
        cmocka_unit_test(line_ends_in_strings_become_line_feeds),
        cmocka_unit_test(interpolations_are_parts),
        cmocka_unit_test(bytes_that_are_no_text_may_stand_in_strings_and_comments),
        cmocka_unit_test(null_bytes_are_refused_but_in_comments),
        cmocka_unit_test(indented_strings_lose_their_common_spaces),
        cmocka_unit_test(interpolations_and_escapes_end_the_indentation),
        cmocka_unit_test(indented_strings_have_escapes_of_their_own),
        cmocka_unit_test(paths_are_resolved_when_printed),
        cmocka_unit_test(paths_may_be_interpolated),
        cmocka_unit_test(bad_paths_are_refused),
        cmocka_unit_test(home_paths_begin_in_the_home_folder),
        cmocka_unit_test(search_paths_and_uris_are_tokens),
        cmocka_unit_test(comments_are_skipped),
        cmocka_unit_test(operators_bind_as_in_the_grammar),
        cmocka_unit_test(comparisons_do_not_chain),
        cmocka_unit_test(pipes_call_functions),
        cmocka_unit_test(selections_take_paths_and_defaults),
        cmocka_unit_test(or_is_a_name_where_it_is_no_default),
        cmocka_unit_test(places_are_kept),
        cmocka_unit_test(functions_take_names_and_patterns),
        cmocka_unit_test(bad_patterns_are_refused),
        cmocka_unit_test(keywords_make_expressions),
        cmocka_unit_test(unfinished_keywords_are_refused),
        cmocka_unit_test(strings_without_an_end_are_told_where_they_begin),
        cmocka_unit_test(sets_bind_and_inherit),
        cmocka_unit_test(nested_paths_are_merged),
        cmocka_unit_test(duplicates_are_told_with_both_places),
        cmocka_unit_test(bad_sets_are_refused),
        cmocka_unit_test(large_sets_keep_every_name),
        cmocka_unit_test(equal_names_are_one_pointer),
        cmocka_unit_test(bindings_of_one_inherit_share_its_source),
        cmocka_unit_test(places_are_those_that_errors_name),
        cmocka_unit_test(the_resolver_finds_its_fields_empty),
        cmocka_unit_test(nesting_has_no_limit),
        cmocka_unit_test(refused_memory_is_a_status),
        cmocka_unit_test(every_prefix_of_a_program_is_parsed_or_refused),
        cmocka_unit_test(warnings_are_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
