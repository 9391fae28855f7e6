/*
** theta_parser.c - what the parser makes of small texts, what it says of bad ones and where, and that no text harms it.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/faulty.h"
#include "lang/theta/ast.h"

#include <stdio.h>
#include <stdlib.h>

/* One parse: everything it leaves behind, and the texts a user would see. */
typedef struct parse {
    th_mem mem;
    th_arena arena;
    th_diags diags;
    th_source source;
    th_buf tree, told;
    th_ast *ast;
    th_status status;
    bool incomplete;
} parse;

static void tell(parse *r) {
    for (size_t i = 0; i < r->diags.len; i++) {
        const th_diag *d = &r->diags.items[i];
        th_buf_printf(&r->told, "%u:%u: %s%s\n", (unsigned)d->span.line, (unsigned)d->span.column,
                      d->severity == TH_ERROR ? "" : "warning: ", d->message);
        if (d->hint) th_buf_printf(&r->told, "  %s\n", d->hint);
    }
}

static void parse_bytes(parse *r, const char *text, size_t len, size_t limit) {
    memset(r, 0, sizeof *r);
    th_mem_init(&r->mem, NULL, NULL, NULL, limit);
    th_arena_init(&r->arena, &r->mem);
    th_diags_init(&r->diags, &r->mem);
    th_buf_init(&r->tree, &r->mem);
    th_buf_init(&r->told, &r->mem);
    r->source = (th_source){"test.th", text, len};
    r->status = th_theta_parse(&r->arena, &r->source, &r->diags, &r->incomplete, &r->ast);
}

static void drop(parse *r) {
    th_buf_clear(&r->tree);
    th_buf_clear(&r->told);
    th_diags_clear(&r->diags);
    th_arena_clear(&r->arena);
    assert_int_equal(r->mem.used_bytes, 0);
}

static void parse_text(parse *r, const char *text) {
    parse_bytes(r, text, strlen(text), 0);
    assert_int_equal(r->status, TH_OK);
    assert_non_null(r->ast);
    th_ast_print(r->ast, &r->tree);
    tell(r);
}

/* The tree of a good text, without the `(file ` around it. */
static void good(const char *text, const char *expected) {
    parse r;
    parse_text(&r, text);
    if (r.diags.len) fail_msg("'%s' gives\n%s", text, r.told.data);
    char *whole = malloc(strlen(expected) + 8);
    sprintf(whole, *expected ? "(file %s)" : "(file%s)", expected);
    if (strcmp(r.tree.data, whole) != 0) fail_msg("'%s' gives\n%s\nnot\n%s", text, r.tree.data, whole);
    free(whole);
    drop(&r);
}

/* All that is said of a bad text: "line:column: message\n  hint\n"... */
static void bad(const char *text, const char *expected) {
    parse r;
    parse_text(&r, text);
    if (!r.told.data || strcmp(r.told.data, expected) != 0)
        fail_msg("'%s' gives\n%s\nnot\n%s", text, r.told.data ? r.told.data : "no error", expected);
    drop(&r);
}

/* ---- Files and capsules -- */

static void files_hold_links_capsules_and_statements(void **state) {
    (void)state;
    good("", "");
    good("\xef\xbb\xbf", "");
    good(" \r\n // nothing\r\n /- nor /- here -/ -/ ;", "");
    good("link Theta.IO\nlink A link B", "(link Theta.IO) (link A) (link B)");
    good("link Theta . IO", "(link Theta.IO)");
    good("capsule A { } capsule A.B { capsule C { x = 1 } }", "(capsule A) (capsule A.B (capsule C (binding x () 1)))");
    good("1 + 2; x", "(+ 1 2) x");
    good("capsule\nA\n{\n}", "(capsule A)");
}

static void members_have_three_forms(void **state) {
    (void)state;
    good("capsule A { x<Number> = 1 y = 2\n i64 z = 3 }",
         "(capsule A (binding x Number 1) (binding y () 2) (variable z i64 3))");
    good("i64 f(i64 a, List<i64> b = [], c<T>, d) { }", "(function f i64 (params (param c-form a i64 ()) (param c-form "
                                                        "b List<i64> (list)) (param c T ()) (param d () ())) (block))");
    good("main<Function<String>> -> { 'x' }", "(binding main Function<String> (lambda (params) (block 'x') ()))");
    good("capsule A { f<Number> -> 1 }", "(capsule A (binding f Number (lambda (params) 1 ())))");
    good("x<Number> = 1 y<Number> = 2 x + y", "(binding x Number 1) (binding y Number 2) (+ x y)");
}

static void types_nest_and_may_be_optional(void **state) {
    (void)state;
    good("x<Dict<List<A.B?>>?> = y", "(binding x Dict<List<A.B?>>? y)");
    good("x<List<T>>=y", "(binding x List<T> y)");
    good("x<List<List<T>>>=y", "(binding x List<List<T>> y)");
    good("x<T>=y", "(binding x T y)");
    good("x<T>\n= y", "(binding x T y)");
    good("i64? x\nList<i64>? y = z\nA.B c", "(variable x i64? ()) (variable y List<i64>? z) (variable c A.B ())");
    good("f<Function<A, B,\n C>> = g", "(binding f Function<A,B,C> g)");
}

static void structs_and_enums_separate_as_they_like(void **state) {
    (void)state;
    good("struct P { x<Number> y<f64?>, z<T>\n w<T> = 1; i64 v List<i64> u }",
         "(struct P (field x Number ()) (field y f64? ()) (field z T ()) (field w T 1) (field v i64 ()) (field u "
         "List<i64> ()))");
    good("struct P { link<i64>, if<i64> }", "(struct P (field link i64 ()) (field if i64 ()))");
    good("enum E { :LOW :MEDIUM, HIGH\n MAX; :A:B }", "(enum E :LOW :MEDIUM :HIGH :MAX :A :B)");
}

/* ---- Expressions -- */

static void precedence_is_that_of_c(void **state) {
    (void)state;
    good("a + b * c - d", "(- (+ a (* b c)) d)");
    good("a || b && c | d ^ e & f == g < h << i + j * k",
         "(|| a (&& b (| c (^ d (& e (== f (< g (<< h (+ i (* j k))))))))))");
}

static void operators_bind_as_documented(void **state) {
    (void)state;
    good("a && b || c && d ?? e", "(?? (|| (&& a b) (&& c d)) e)");
    good("a ?? b ?? c", "(?? (?? a b) c)");
    good("a == b != c", "(!= (== a b) c)");
    good("a / b % c", "(% (/ a b) c)");
    good("2 ** 3 ** 2", "(** 2 (** 3 2))");
    good("-2 ** 2", "(- (** 2 2))");
    good("2 ** -1", "(** 2 (- 1))");
    good("!a == b", "(== (! a) b)");
    good("- -~!a", "(- (- (~ (! a))))");
    good("a >> b >= c", "(>= (>> a b) c)");
    good("(a + b) * c", "(* (+ a b) c)");
    good("0..n + 1", "(.. 0 (+ n 1))");
    good("a < 0..n", "(< a (.. 0 n))");
}

static void less_than_is_no_type_where_an_operand_stands(void **state) {
    (void)state;
    good("a < b", "(< a b)");
    good("a < b\nc > d", "(< a b) (> c d)");
    good("f(a < b, c > d)", "(call f (< a b) (> c d))");
    good("x = a < b && c > (d)", "(binding x () (&& (< a b) (> c d)))");
    good("if i < n { }", "(if (< i n) (block) ())");
    good("(a < b)", "(< a b)");
}

static void calls_members_and_indexes_chain(void **state) {
    (void)state;
    good("a.b.c(d)", "(call (. (. a b) c) d)");
    good("f(1)(2)", "(call (call f 1) 2)");
    good("xs[0].f?.g[1]", "(index (?. (. (index xs 0) f) g) 1)");
    good("t.0.1", "(. (. t 0) 1)");
    good("t.match.if", "(. (. t match) if)");
    good("f(a: 1, if: 2, b:c,)", "(call f (: a 1) (: if 2) (: b c))");
    good("5.foo", "(. 5 foo)");
}

static void names_in_backticks_are_any_text(void **state) {
    (void)state;
    good("where(`Cost Total $` > `if`)", "(call where (> Cost Total $ if))");
    good("rename(cost: `Cost, other`)", "(call rename (: cost Cost, other))");
    good("p.`the x`", "(. p the x)");
    good("struct S { `a b`<String> }", "(struct S (field a b String ()))");
    bad("x = ``", "1:5: a name in backticks is not empty\n  strings are written with single quotes: 'text'\n");
    bad("x = `a\ny = 1", "1:5: this name is never closed\n  strings are written with single quotes: 'text'\n");
}

static void reserved_words_may_name_columns(void **state) {
    (void)state;
    good("sort(desc(link), match, enum, in, try)", "(call sort (call desc link) match enum in try)");
    good("where(match == 5 && if > 3)", "(call where (&& (== match 5) (> if 3)))");
    good("throw == 4", "(== throw 4)");
}

static void line_ends_end_statements(void **state) {
    (void)state;
    good("a\n-5", "a (- 5)");
    good("a\n(b)", "a b");
    good("a\n[b]", "a (list b)");
    good("a\n+ 5\n.b\n?? c", "(?? (+ a (. 5 b)) c)");
    good("a +\nb", "(+ a b)");
    good("f(a\n-b\n(c))", "(call f (- a (call b c)))");
    good("x =\n 5", "(binding x () 5)");
    good("return\n5", "(return ()) 5");
    good("a\r\nb", "a b");
    good("a; b;; c", "a b c");
    good("a /- one\ntwo -/ b", "a b");
}

static void numbers_are_kept_as_written(void **state) {
    (void)state;
    good("1_000; 0xff; 0b1_01; 007", "1_000 0xff 0b1_01 007");
    good("1.5; 5.; 1e9; 1.5e-3; 2.e1; 1_0.2_5", "1.5 5. 1e9 1.5e-3 2.e1 1_0.2_5");
    good("0..5", "(.. 0 5)");
    good("1.5..2.5", "(.. 1.5 2.5)");
}

static void strings_resolve_escapes(void **state) {
    (void)state;
    good("'a\\n\\t\\r\\\\\\'\\x41\\u{1F600}\\u{e9}\\${x}'", "'a\\n\\t\\r\\\\\\'A\xf0\x9f\x98\x80\xc3\xa9\\${x}'");
    good("'\\0'", "'\\x00'");
    good("'two\r\nlines'", "'two\\nlines'");
    good("'$ {a} $a'", "'$ {a} $a'");
    good("''", "''");
}

static void strings_interpolate(void **state) {
    (void)state;
    good("'a ${x} b'", "(interpolation 'a ' x ' b')");
    good("'${x}${y + 1}'", "(interpolation '' x '' (+ y 1) '')");
    good("'${'in ${x}'}'", "(interpolation '' (interpolation 'in ' x '') '')");
    good("'${ { a: 1 }['}'] }'", "(interpolation '' (index (dict (: a 1)) '}') '')");
    good("'${f(x -> {\n x })}'", "(interpolation '' (call f (lambda (params (param x () ())) (block x) ())) '')");
}

static void names_take_letters_of_all_scripts(void **state) {
    (void)state;
    good("\xc3\xa9t\xc3\xa9 + \xe6\xbc\xa2\xe5\xad\x97_1", "(+ \xc3\xa9t\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97_1)");
    good("a\xc2\xa0+\xe2\x80\x89"
         "b",
         "(+ a b)"); /* spaces that are not ASCII */
    good(":ok; :42; [:a,:b]", ":ok :42 (list :a :b)");
}

static void lambdas_have_five_forms(void **state) {
    (void)state;
    good("(a<Number>, b) -> a + b", "(lambda (params (param a Number ()) (param b () ())) (+ a b) ())");
    good("x -> x", "(lambda (params (param x () ())) x ())");
    good("n<Number> -> n * 2", "(lambda (params (param n Number ())) (* n 2) ())");
    good("-> 5", "(lambda (params) 5 ())");
    good("() -> {}", "(lambda (params) (block) ())");
    good("(i64 a = 1, b<T> = x) -> a", "(lambda (params (param c-form a i64 1) (param b T x)) a ())");
    good("(x<A>) -> (y<B>) -> x < y",
         "(lambda (params (param x A ())) (lambda (params (param y B ())) (< x y) ()) ())");
    good("f = (a<T>)\n -> a", "(binding f () (lambda (params (param a T ())) a ()))");
    good("f(x -> total += x)", "(call f (lambda (params (param x () ())) (+= total x) ()))");
    good("(x -> x)(5)", "(call (lambda (params (param x () ())) x ()) 5)");
}

static void pipelines_pass_the_value_first(void **state) {
    (void)state;
    good("v => f(a)", "(=> v (call f a))");
    good("v => f => A.g", "(=> (=> v f) (. A g))");
    good("v\n => f(1)\n => g()", "(=> (=> v (call f 1)) (call g))");
    good("'a' => + 'b'", "(+ 'a' 'b')");
    good("v => - 1 => f", "(=> (- v 1) f)");
    good("5 - 3 => g(1) + 2 => h()", "(=> (+ (=> (- 5 3) (call g 1)) 2) (call h))");
    good("v => f(a).x[0](b)", "(call (index (. (=> v (call f a)) x) 0) b)");
    good("v => !f", "(! (=> v f))");
    good("v => (x -> x)", "(=> v (lambda (params (param x () ())) x ()))");
    good("x = v => f", "(binding x () (=> v f))");
}

static void braces_are_dicts_tuples_or_blocks(void **state) {
    (void)state;
    good("x = {}", "(binding x () (dict))");
    good("x = { a: 1, 'b': 2, [c]: 3, :d: 4, 5: 6, }",
         "(binding x () (dict (: a 1) (pair 'b' 2) (pair c 3) (: d 4) (pair 5 6)))");
    good("x = { a:1 }", "(binding x () (dict (: a 1)))");
    good("x = { '${a}': 1 }", "(binding x () (dict (pair (interpolation '' a '') 1)))");
    good("x = { a, b }", "(binding x () (tuple a b))");
    good("x = { :ok, 'done' }", "(binding x () (tuple :ok 'done'))");
    good("x = {\n 1,\n 2,\n 3\n}", "(binding x () (tuple 1 2 3))");
    good("x = { a; b }", "(binding x () (block a b))");
    good("x = { y = 1\n y }", "(binding x () (block (binding y () 1) y))");
    good("-> { a: 1 }", "(lambda (params) (dict (: a 1)) ())");
    good("-> { a, b }", "(lambda (params) (tuple a b) ())");
    good("if (a) { b, c } else {}", "(if a (tuple b c) (block))");
}

static void struct_literals_name_their_fields(void **state) {
    (void)state;
    good("@Point { x: 1,\n y: 2 }", "(struct-literal Point () (: x 1) (: y 2))");
    good("@A.P { ...p, x: 1 }", "(struct-literal A.P p (: x 1))");
    good("@P { x, if: 2 }", "(struct-literal P () (: x x) (: if 2))");
    good("@P {}", "(struct-literal P ())");
}

/* ---- Statements -- */

static void if_takes_parentheses_and_braces_or_not(void **state) {
    (void)state;
    good("x = if (n > 10) 'big' else if n > 5 'middle' else 'small'",
         "(binding x () (if (> n 10) 'big' (if (> n 5) 'middle' 'small')))");
    good("if (a) { b }\nelse { c }", "(if a (block b) (block c))");
    good("if (a) && b { c }", "(if (&& a b) (block c) ())");
    good("if (a) -b else c", "(if a (- b) c)");
    good("if (a) x = 1; else x += 2;", "(if a (binding x () 1) (+= x 2))");
    good("if a return 5\nb", "(if a (return 5) ()) b");
}

static void loops_have_all_their_forms(void **state) {
    (void)state;
    good("while (a) b++", "(while a (++ b))");
    good("while a { break; continue }", "(while a (block (break) (continue)))");
    good("for (i64 i = 0; i < n; i++) f(i)", "(for (variable i i64 0) (< i n) (++ i) (call f i))");
    good("for (;;) { }", "(for () () () (block))");
    good("for (i = 0; i < n; i = i + 1) { }", "(for (binding i () 0) (< i n) (binding i () (+ i 1)) (block))");
    good("for (x in xs) { }", "(for-in (bind x ()) xs (block))");
    good("for (x<T> in xs) y", "(for-in (bind x T) xs y)");
    good("for (i64 i in 0..n) { }", "(for-in (bind c-form i i64) (.. 0 n) (block))");
    good("for (k, v in d) { }", "(for-in (tuple-pattern (bind k ()) (bind v ())) d (block))");
    good("for ({ x, y } in ps) { }", "(for-in (fields-pattern (: x ()) (: y ())) ps (block))");
    good("for x in xs { }", "(for-in (bind x ()) xs (block))");
    good("for ((a, b) in xs) { }", "(for-in (tuple-pattern (bind a ()) (bind b ())) xs (block))");
    good("for (f in (in)) { }", "(for-in (bind f ()) in (block))");
}

static void assignments_are_statements(void **state) {
    (void)state;
    good("x = 1", "(binding x () 1)");
    good("xs[0] = 1; p.x = 2", "(= (index xs 0) 1) (= (. p x) 2)");
    good("a += 1; a -= 1; a *= 1; a /= 1; a %= 1", "(+= a 1) (-= a 1) (*= a 1) (/= a 1) (%= a 1)");
    good("a &= 1; a |= 1; a ^= 1; a <<= 1; a >>= 1; a **= 1",
         "(&= a 1) (|= a 1) (^= a 1) (<<= a 1) (>>= a 1) (**= a 1)");
    good("x++; --xs[0]", "(++ x) (-- (index xs 0))");
    good("[a, ...r] = xs\n{ x, y: z } = p\n@P { x } = p\n(a, _) = t",
         "(pattern-binding (list-pattern (bind a ()) (... r)) xs) (pattern-binding (fields-pattern (: x ()) (: y (bind "
         "z ()))) p) "
         "(pattern-binding (fields-pattern P (: x ())) p) (pattern-binding (tuple-pattern (bind a ()) _) t)");
}

static void errors_are_thrown_and_caught(void **state) {
    (void)state;
    good("try { a } catch (e) { b } finally { c }", "(try e (block a) (block b) (block c))");
    good("x = try { a } catch { b }", "(binding x () (try (block a) (block b) ()))");
    good("try { a }\nfinally { b }", "(try (block a) () (block b))");
    good("throw 'x'; throw Error('y')", "(throw 'x') (throw (call Error 'y'))");
    good("x ?? throw 'none'", "(?? x (throw 'none'))");
    good("x ?? return 0", "(?? x (return 0))");
}

static void match_has_patterns_and_guards(void **state) {
    (void)state;
    good("match x { 1 => a, 'b' -> c\n -1 | 2..5 -> d; _ -> e }",
         "(match x (case (literal-pattern 1) () a) (case (literal-pattern 'b') () c) "
         "(case (| (literal-pattern (- 1)) (literal-pattern (.. 2 5))) () d) (case _ () e))");
    good("match (x) { [a, ...rest] if (a > 1) => a => f, [] -> b }",
         "(match x (case (list-pattern (bind a ()) (... rest)) (> a 1) (=> a f)) (case (list-pattern) () b))");
    good(
        "match x { @Point { x: 0, y } -> y\n{ :ok, v } -> v\n{ a, b: _ } -> a }",
        "(match x (case (fields-pattern Point (: x (literal-pattern 0)) (: y ())) () y) "
        "(case (tuple-pattern (literal-pattern :ok) (bind v ())) () v) (case (fields-pattern (: a ()) (: b _)) () a))");
    good("match x { Status.OK -> 1, s<String> -> 2, i64 n -> 3, n if n > 5 => 4, null -> 5, true -> 6 }",
         "(match x (case (literal-pattern (. Status OK)) () 1) (case (bind s String) () 2) (case (bind c-form n i64) "
         "() 3) "
         "(case (bind n ()) (> n 5) 4) (case (literal-pattern null) () 5) (case (literal-pattern true) () 6))");
    good("match x { n if (n > 1) -> (y) -> y\n n -> { 5 }\n n -> return 1 }",
         "(match x (case (bind n ()) (> n 1) (lambda (params (param y () ())) y ())) (case (bind n ()) () (block 5)) "
         "(case (bind n ()) () (return 1)))");
    good("y = match x { } + 1", "(binding y () (+ (match x) 1))");
}

/* ---- Errors -- */

static void errors_say_what_was_expected_and_found(void **state) {
    (void)state;
    bad("x = (1 + 2\ny = 3", "2:1: expected ')' to close the '(' opened at 1:5, found 'y'\n");
    bad("x = (a b)", "1:8: expected an operator or ')', found 'b'\n");
    bad("f(1 2)", "1:5: expected ',' or ')', found '2'\n");
    bad("x = [1, 2", "1:10: expected ']' to close the '[' opened at 1:5, found the end of the text\n");
    bad("[1 2]", "1:4: expected ',' or ']', found '2'\n");
    bad("[1,, 2]", "1:4: expected an expression, found ','\n");
    bad("capsule A {\n x = 1\n", "2:7: expected '}' to close the '{' opened at 1:11, found the end of the text\n");
    bad("{ a: 1 b: 2 }", "1:8: expected ',' or '}', found 'b'\n");
    bad("x = { a: 1, b }", "1:15: expected ':' after the key, found '}'\n");
    bad("x<List<A = 1",
        "1:10: '=' follows what cannot be assigned to\n  a type in '<' is closed with '>' before the '='\n");
}

static void errors_in_definitions(void **state) {
    (void)state;
    bad("capsule { }", "1:9: expected the name of the capsule, found '{'\n");
    bad("capsule A", "1:10: expected '{' and the members of the capsule, found the end of the text\n");
    bad("struct { }", "1:8: expected the name of the struct, found '{'\n");
    bad("struct A { x }", "1:14: expected the type of the field in '<' and '>', found '}'\n");
    bad("struct A { x: i64 }",
        "1:13: expected the type of the field in '<' and '>', found ':'\n  a field is written name<Type>\n");
    bad("struct A { 5 }", "1:12: expected a field, as in name<Type>, or '}', found '5'\n");
    bad("enum A { 5 }", "1:10: expected a member of the enum or '}', found '5'\n");
    bad("i64 f(i64 a)", "1:13: expected '{' and the body of the function, found the end of the text\n");
    bad("i64 f(5) { }", "1:7: expected the name of a parameter, found '5'\n");
    bad("x<Number>\ny = 1", "2:1: expected '=' and a value, found 'y'\n");
    bad("i64 a = 1, b = 2",
        "1:10: expected a new line or ';' after the statement, found ','\n  each variable is a statement of its own\n");
    bad("enum = 5", "1:1: 'enum' is a reserved word and cannot be defined\n");
    bad("capsule A { link B }", "1:13: 'link' stands at the top of a file, outside its capsules\n");
    bad("f = -> { capsule A { } }", "1:10: a capsule stands at the top of a file or in another capsule\n");
    bad("capsule A {\n 5\n x = 1\n f()\n}", "2:2: a capsule holds definitions, and this is none\n  put it into a "
                                            "function, such as main<Function<void>> = () -> { ... }\n"
                                            "4:2: a capsule holds definitions, and this is none\n  put it into a "
                                            "function, such as main<Function<void>> = () -> { ... }\n");
}

static void errors_in_statements(void **state) {
    (void)state;
    bad("x = 5 6", "1:7: expected a new line or ';' after the statement, found '6'\n");
    bad("5 = x", "1:3: '=' follows what cannot be assigned to\n  a variable, an element or a field stands left of '='; "
                 "values are compared with '=='\n");
    bad("f() += 1",
        "1:5: '+=' follows what cannot be assigned to\n  a variable, an element or a field stands before it\n");
    bad("a?.b = 1", "1:6: '=' cannot go through '?.'\n  a variable, an element or a field stands before it\n");
    bad("++5", "1:3: '++' stands before a variable, an element or a field\n");
    bad("a = b = c", "1:7: expected a new line or ';' after the statement, found '='\n"
                     "  an assignment is a statement of its own; values are compared with '=='\n");
    bad("for (x of xs) { }", "1:5: the head of this 'for' has neither 'in' nor ';'\n  a loop is written for (x in xs) "
                             "or for (i64 i = 0; i < n; i++)\n");
    bad("for (i = 0; i < n) { }", "1:18: expected ';' after the condition of the loop, found ')'\n");
    bad("for x { }", "1:7: expected 'in' and what to go through, found '{'\n");
    bad("try { }", "1:8: expected 'catch' or 'finally' after the block of 'try', found the end of the text\n");
    bad("try { } catch (e<Error>) { }", "1:16: a caught error has no type: write its name alone\n");
    bad("else { }", "1:1: expected an expression, found the word 'else'\n  'else' follows the branch of an 'if'\n");
    bad("x = while (a) { }",
        "1:5: expected an expression, found the word 'while'\n  loops are statements and have no value\n");
    bad(")", "1:1: ')' closes nothing\n");
    bad("}\nx = ]", "1:1: '}' closes nothing\n2:5: ']' closes nothing\n");
}

static void errors_in_expressions_and_patterns(void **state) {
    (void)state;
    bad("x = *", "1:5: expected an expression, found '*'\n");
    bad("x = + 5", "1:5: expected an expression, found '+'\n  there is no unary '+'\n");
    bad("x = .5", "1:5: expected an expression, found '.'\n  write a digit before the point: 0.5\n");
    bad("a..b..c", "1:5: a range has two ends\n");
    bad("x = ++y", "1:5: expected an expression, found '++'\n  '++' and '--' are statements of their own, and no part "
                   "of an expression\n");
    bad("a.(b)", "1:3: expected the name of a member, found '('\n");
    bad("@ { }", "1:3: expected the name of a struct after '@', found '{'\n");
    bad("@P { x = 1 }", "1:8: expected ':' after the name of a field, found '='\n  an assignment is a statement of its "
                        "own; values are compared with '=='\n");
    bad("x = { a, }", "1:10: a tuple has two or more elements\n");
    bad("match x { 1: 2 }", "1:12: expected '->' and the value of the case, or 'if' and a guard, found ':'\n  a case "
                            "is written pattern -> value\n");
    bad("match x { else -> 1 }",
        "1:11: expected a pattern, found the word 'else'\n  the case for all else is written _ -> ...\n");
    bad("match x { 1 -> a 2 -> b }", "1:18: expected ',' or a new line after the case, found '2'\n");
    bad("match x { [...a, ...b] -> 1 }", "1:18: a list pattern has at most one '...'\n");
    bad("match x { { :a, b: c } -> 1 }", "1:17: a pattern has either fields with names or elements, not both\n");
    bad("match x { '${a}' -> 1 }", "1:11: expected a pattern, found a string\n  a pattern's string has no ${...}; bind "
                                   "a name and test it with a guard: s if (s == '...')\n");
    bad("'${}'",
        "1:4: expected an expression after '${', found the '}' of '${'\n  write \\${ for the characters themselves\n");
    bad("'${a b}' + *",
        "1:6: expected an operator or '}' to end the '${', found 'b'\n1:12: expected an expression, found '*'\n");
}

static void habits_of_other_languages_get_a_hint(void **state) {
    (void)state;
    const char *strings = "strings are written with single quotes: 'text'";
    char expected[400];
    snprintf(expected, sizeof expected, "1:5: \" does not open a string\n  %s\n", strings);
    bad("x = \"a\"\ny = 2\nz = 1", expected);
    bad("if (x = 5) { }", "1:7: '=' in a condition\n  values are compared with '=='\n");
    bad("while x = 5 { }", "1:9: '=' in a condition\n  values are compared with '=='\n");
    bad("a === b", "1:3: there is no '==='\n  values are compared with '=='\n");
    bad("a !== b", "1:3: there is no '!=='\n  values are compared with '!='\n");
    bad("if (a) { b } elif (c) { d }", "1:14: 'elif' is no word of Theta\n  write 'else if'\n");
    bad("if (a) { b }\nelsif c { d }", "2:1: 'elsif' is no word of Theta\n  write 'else if'\n");
    bad("let x = 5", "1:1: 'let' is no word of Theta\n  a value is bound with name = value or name<Type> = value, and "
                     "a variable with Type name = value\n");
    const char *function =
        "a function is written Result name(Type a) { ... } or name<Function<Type, Result>> = (a<Type>) -> ...";
    snprintf(expected, sizeof expected, "1:1: 'function' is no word of Theta\n  %s\n", function);
    bad("function f(a) {\n  return a\n}\ny = 1", expected);
    bad("f(a) { a }",
        "1:1: the function 'f' lacks the type of its result\n  it stands before the name, void when there "
        "is no result: void name(Type a) { ... }\n");
    bad("switch (x) { }", "1:1: 'switch' is no word of Theta\n  write match x { pattern -> value }\n");
    bad("q = a and b", "1:7: expected a new line or ';' after the statement, found 'and'\n  'and' is written &&\n");
    bad("f(a or b)", "1:5: expected ',' or ')', found 'or'\n  'or' is written ||\n");
    bad("x = (a<Number>) a + 1", "1:17: expected '->' and the body of the function, found 'a'\n");
    bad("x = () { 1 }", "1:8: expected '->' after the empty parameter list, found '{'\n  a function is written "
                        "(a<Type>) -> { ... }\n");
    bad("x = a ? b : c", "1:7: expected the end of the expression, found '?'\n  write if (condition) a else b; a "
                         "default for null is written x ?? y\n");
    bad("f(a = 1)", "1:5: expected ',' or ')', found '='\n  values are compared with '=='; an argument is named with "
                    "':', as in f(name: value)\n");
    bad("(a, b)", "1:3: expected ')', found ','\n  a tuple is written { a, b }; parameters are followed by '->'\n");
    bad("a <> b", "1:4: expected an expression, found '>'\n  'not equal' is written !=\n");
    bad("a |> f", "1:4: expected an expression, found '>'\n  the pipeline is written =>\n");
    bad("x /* y */ + 1",
        "1:3: '/*' does not open a comment\n  a comment is written '/- ... -/', or '// ...' to the line's end\n");
    bad("# x", "1:1: unexpected character '#'\n  a comment is written '// ...'\n");
    bad("i64[] x = y", "1:5: expected an index, found ']'\n  the type of a list is written List<Type>\n");
    bad("x: i64 = 5", "1:2: a type does not stand after ':'\n  it stands in '<' and '>': name<Type> = value\n");
    bad("print 'a'",
        "1:7: expected a new line or ';' after the statement, found a string\n  a call needs parentheses: f(x)\n");
    bad("import x", "1:1: 'import' is no word of Theta\n  write link Name; the standard library needs no link\n");
    bad("x = \xe2\x80\x98y",
        "1:5: unexpected character '\xe2\x80\x98'\n  strings are written with straight single quotes: 'text'\n");
}

static void errors_of_the_lexer(void **state) {
    (void)state;
    bad("x = 12abc", "1:5: '12abc' is no number\n  a name cannot begin with a digit\n");
    bad("x = 0x", "1:5: '0x' is no number\n  digits 0-9 and a-f follow 0x\n");
    bad("x = 0b12", "1:5: '0b12' is no number\n  digits 0 and 1 follow 0b\n");
    bad("x = 1__0", "1:5: '1__0' is no number\n  '_' stands between two digits\n");
    bad("x = 1e", "1:5: '1e' is no number\n  digits follow the exponent's 'e'\n");
    bad("x = 0o17", "1:5: '0o17' is no number\n  numbers are decimal, hexadecimal (0xff) or binary (0b101)\n");
    bad("'a\\q'", "1:3: unknown escape '\\q'\n  the escapes are \\n \\t \\r \\0 \\\\ \\' \\$ \\xNN \\u{...}; a "
                  "backslash itself is written \\\\\n");
    bad("'\\x4'", "1:2: '\\x' is not followed by a character's number\n  write two hexadecimal digits: \\x41\n");
    bad("'\\u{d800}'",
        "1:2: '\\u' is not followed by a character's number\n  write a code point of Unicode in braces: \\u{1F600}\n");
    bad("'\\u{110000}'",
        "1:2: '\\u' is not followed by a character's number\n  write a code point of Unicode in braces: \\u{1F600}\n");
    bad("'abc", "1:1: this string is never closed\n  close it with ', and write a quote inside a string as \\'\n");
    bad("x = 'abc\ny = 2 +* 3\nz = 'd'\nw = 'e'", "4:7: this string is never closed\n  the string that begins at 1:5 "
                                                  "spans several lines: is its closing quote missing?\n");
    bad("'${a", "1:1: this string is never closed\n  close it with ', and write a quote inside a string as \\'\n");
    bad("/- a", "1:1: this comment is never closed\n  a comment ends with '-/'\n");
    bad("/- /- a -/", "1:1: this comment is never closed\n  comments nest: each '/-' needs its own '-/'\n");
    bad("x = 8 /-2\ny = 3",
        "1:7: this comment is never closed\n  '/-' opens a comment; to divide by a negative number write '/ -'\n");
    bad("a -/", "1:3: '-/' closes a comment that was not opened\n");
    bad("x = \xff + 1", "1:5: the text is not valid UTF-8: byte 0xff\n  save the file as UTF-8\n");
    bad("x = \x01\x02 1", "1:5: unexpected character U+0001\n");
}

static void several_errors_are_told_in_order_without_cascades(void **state) {
    (void)state;
    bad("capsule A {\n"
        "  f<Function<i64>> = () -> { g(1, 2 }\n"
        "  h = 5 +\n"
        "  k = [1, 2\n"
        "  l = \"s\"\n"
        "}\n"
        "capsule B { x = }\n",
        "2:37: expected ')' to close the '(' opened at 2:31, found '}'\n"
        "4:5: expected a new line or ';' after the statement, found '='\n"
        "  an assignment is a statement of its own; values are compared with '=='\n"
        "5:7: \" does not open a string\n  strings are written with single quotes: 'text'\n"
        "7:17: expected an expression, found '}'\n");
    bad("f(1 +, 2)\ng(, 3)\nh = { a: }",
        "1:6: expected an expression, found ','\n2:3: expected an expression, found ','\n"
        "3:10: expected an expression, found '}'\n");
}

static void good_statements_around_bad_ones_are_kept(void **state) {
    (void)state;
    parse r;
    parse_text(&r, "a = 1\nb = f(2 3)\nc = *\nd = 4");
    assert_int_equal(r.diags.error_count, 2);
    assert_string_equal(r.tree.data,
                        "(file (binding a () 1) (binding b () (call f 2)) (binding c () (error)) (binding d () 4))");
    drop(&r);
}

static void missing_brace_is_found_by_its_indentation(void **state) {
    (void)state;
    bad("capsule A {\n"
        "  f = -> {\n"
        "    if (a) {\n"
        "      b\n"
        "  }\n"
        "  g = 1\n"
        "}\n",
        "7:2: expected '}' to close the '{' opened at 1:11, found the end of the text\n"
        "  the '}' at 5:3 closes the '{' at 3:12, which is indented more: is one missing before it?\n");
}

/* ---- The REPL's question -- */

static void assert_incomplete(const char *text, bool expected) {
    parse r;
    parse_text(&r, text);
    if (r.incomplete != expected) fail_msg("'%s' is taken for %s", text, r.incomplete ? "incomplete" : "complete");
    drop(&r);
}

static void incomplete_input_is_told_from_wrong_input(void **state) {
    (void)state;
    const char *const incomplete[] = {
        "(",     "f(1,", "{ a", "x = [1,\n2",    "'abc",        "'a ${",     "'a ${b",    "/- c",   "x =",
        "1 +",   "a =>", "x.",  "-> ",           "capsule A {", "capsule A", "match x {", "if (a)", "f<Function<A>> =",
        "x -> ", "!",    "@P",  "for (x in xs)", "try { a }",   "(a, b",     "x<T> ="};
    for (size_t i = 0; i < TH_COUNT(incomplete); i++) assert_incomplete(incomplete[i], true);
    const char *const complete[] = {"",     "1",     "f()",      "x = 1",         "{ a }",
                                    ")",    "( ]",   "x = * (",  "capsule A { }", "1 + * 2",
                                    "// c", "x y z", "if (a) b", "'a'",           "a b c +"};
    for (size_t i = 0; i < TH_COUNT(complete); i++) assert_incomplete(complete[i], i == 7 ? true : false);
}

/* ---- Hostile texts -- */

static char *repeated(const char *head, const char *piece, size_t n, const char *tail) {
    size_t len = strlen(piece);
    char *text = malloc(strlen(head) + n * len + strlen(tail) + 1), *at = text;
    at += sprintf(at, "%s", head);
    for (size_t i = 0; i < n; i++, at += len) memcpy(at, piece, len);
    strcpy(at, tail);
    return text;
}

static size_t depth_of(const th_ast *ast) {
    size_t deepest = 0;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        size_t depth = ast->kids[i] ? depth_of(ast->kids[i]) : 0;
        if (depth > deepest) deepest = depth;
    }
    return deepest + 1;
}

static void assert_too_deep(const char *head, const char *piece, const char *tail) {
    char *text = repeated(head, piece, 200000, tail);
    parse r;
    parse_bytes(&r, text, strlen(text), 0);
    assert_int_equal(r.status, TH_OK);
    tell(&r);
    if (r.diags.error_count != 1 || !strstr(r.told.data, "nested too deeply: more than"))
        fail_msg("'%s%s..%.9s' gives %zu errors\n%s", head, piece, tail, r.diags.error_count,
                 r.told.data ? r.told.data : "");
    assert_true(depth_of(r.ast) <= TH_AST_MAX_DEPTH);
    drop(&r);
    free(text);
}

static void depth_is_limited_with_one_clear_error(void **state) {
    (void)state;
    assert_too_deep("x = ", "(", "");
    assert_too_deep("x = ", "[", "");
    assert_too_deep("x = ", "{", "");
    assert_too_deep("x = ", "!", "a");
    assert_too_deep("x = ", "a + ", "a");
    assert_too_deep("x = ", "a ** ", "a");
    assert_too_deep("x = a", " => f", "");
    assert_too_deep("x = a", "(1)", "");
    assert_too_deep("x = a", ".b", "");
    assert_too_deep("x = a", "[0]", "");
    assert_too_deep("x = ", "a -> ", "a");
    assert_too_deep("", "if (a) b else ", "c");
    assert_too_deep("", "if (a) ", "b");
    assert_too_deep("", "while a ", "b");
    assert_too_deep("", "capsule A { ", "");
    assert_too_deep("match x { ", "[", "");
    assert_too_deep("struct A { x<", "List<", "");
    char *closing = repeated("1", "}'", 200000, "");
    assert_too_deep("x = ", "'${", closing);
    free(closing);
    assert_too_deep("", "f<Function<A>> -> ", "1");
}

static void long_flat_texts_are_fine(void **state) {
    (void)state;
    const char *const pieces[][3] = {{"x = [", "1, ", "1]"},      {"", "x = 1\n", ""},
                                     {"x = f(", "a < b, ", "c)"}, {"", ";", ""},
                                     {"enum E {", ":A ", "}"},    {"match x { ", "1 | ", "2 -> 3 }"},
                                     {"x = '", "${a}", "'"}};
    for (size_t i = 0; i < TH_COUNT(pieces); i++) {
        char *text = repeated(pieces[i][0], pieces[i][1], 100000, pieces[i][2]);
        parse r;
        parse_bytes(&r, text, strlen(text), 0);
        assert_int_equal(r.status, TH_OK);
        if (r.diags.error_count) fail_msg("%s: %s", pieces[i][1], r.diags.items[0].message);
        drop(&r);
        free(text);
    }
}

static void collect_leaves(const th_ast *ast, th_buf *out) {
    if (ast->kind == TH_AST_NAME || ast->kind == TH_AST_INT) {
        th_buf_put(out, ast->text.data, ast->text.len);
        th_buf_char(out, ' ');
    }
    for (uint32_t i = 0; i < ast->nkids; i++)
        if (ast->kids[i]) collect_leaves(ast->kids[i], out);
}

static void long_logical_chains_are_balanced_in_order(void **state) {
    (void)state;
    th_mem mem;
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    th_buf text, expected, found;
    th_buf_init(&text, &mem);
    th_buf_init(&expected, &mem);
    th_buf_init(&found, &mem);
    for (int i = 0; i < 5000; i++) {
        th_buf_printf(&text, i ? " || %d" : "%d", i);
        th_buf_printf(&expected, "%d ", i);
    }
    parse r;
    parse_bytes(&r, text.data, text.len, 0);
    assert_int_equal(r.diags.error_count, 0);
    collect_leaves(r.ast, &found);
    assert_string_equal(found.data, expected.data);
    assert_true(depth_of(r.ast) < 20);
    drop(&r);
    th_buf_clear(&text);
    th_buf_clear(&expected);
    th_buf_clear(&found);
}

static void any_bytes_are_survived(void **state) {
    (void)state;
    unsigned seed = 20260101;
    static const char *const pieces[] = {
        "(",   ")",  "[",        "]",       "{",    "}",      "<",  ">",    ">>",   ">=",    "a",      "b",
        " ",   "\n", "'",        "${",      "\\",   "->",     "=>", "=",    "if ",  "else ", "match ", "for ",
        "in ", ":",  "@",        ".",       "..",   "...",    "1",  "1.5",  ",",    ";",     "?",      "-",
        "/-",  "-/", "capsule ", "struct ", "try ", "catch ", "*",  "\xc3", "\xff", "\"",    "x<T>"};
    for (int round = 0; round < 3000; round++) {
        char text[400];
        size_t len = 0;
        while (len < 300) {
            seed = seed * 1103515245u + 12345u;
            const char *piece = pieces[(seed >> 16) % TH_COUNT(pieces)];
            memcpy(text + len, piece, strlen(piece));
            len += strlen(piece);
        }
        parse r;
        parse_bytes(&r, text, len, 0);
        assert_int_equal(r.status, TH_OK);
        assert_int_equal(r.ast->kind, TH_AST_FILE);
        th_ast_print(r.ast, &r.tree);
        drop(&r);
    }
    parse r;
    parse_bytes(&r, "a\0b\0", 4, 0);
    assert_int_equal(r.diags.error_count, 2);
    drop(&r);
}

static void memory_running_out_is_a_status_fault(void **state) {
    (void)state;
    const char *text = "capsule A { f<Function<i64>> = (a<i64>, b) -> { if (a) { 'x ${b} \\n' } else match b { [c, "
                       "...d] -> { k: 1 } } } "
                       "\n i64 g(i64 x) { for (y in z) { @P { x: 1 } } } }";
    bool succeeded = false;
    for (size_t limit = 1; !succeeded; limit += limit < 40000 ? 97 : 4096) {
        parse r;
        parse_bytes(&r, text, strlen(text), limit);
        succeeded = r.status == TH_OK;
        if (!succeeded)
            assert_int_equal(r.status, TH_E_NOMEM);
        else
            assert_int_equal(r.diags.error_count, 0);
        drop(&r);
        assert_true(limit < 10000000);
    }
}

static void every_refused_allocation_is_a_status_fault(void **state) {
    (void)state;
    char *text = repeated("x = (\n 'bad \\q' + ", "[a, { b: c }, '${d}'] && ", 2000, "1 = 2");
    bool succeeded = false;
    for (size_t n = 0; !succeeded; n++) {
        faulty f = {.fail_at = n + 1};
        parse r;
        memset(&r, 0, sizeof r);
        th_mem_init(&r.mem, faulty_alloc, &f, NULL, 0);
        th_arena_init(&r.arena, &r.mem);
        th_diags_init(&r.diags, &r.mem);
        th_buf_init(&r.tree, &r.mem);
        th_buf_init(&r.told, &r.mem);
        r.source = (th_source){"test.th", text, strlen(text)};
        r.status = th_theta_parse(&r.arena, &r.source, &r.diags, NULL, &r.ast);
        succeeded = r.status == TH_OK && !r.diags.failed;
        assert_true(r.status == TH_OK || r.status == TH_E_NOMEM);
        drop(&r);
        assert_true(n < 10000);
    }
    free(text);
}

static void copies_share_nothing(void **state) {
    (void)state;
    parse r;
    parse_text(&r, "f<Function<A?>> = (a<T>, b = 1) -> match a { [x, ...y] if (x) -> 'a ${b}', _ -> x?.y }");
    th_ast *copy = th_ast_clone(&r.arena, r.ast);
    assert_non_null(copy);
    memset(r.ast->kids[0]->kids, 0, r.ast->kids[0]->nkids * sizeof(th_ast *));
    th_buf again;
    th_buf_init(&again, &r.mem);
    th_ast_print(copy, &again);
    assert_string_equal(again.data, r.tree.data);
    th_buf_clear(&again);
    drop(&r);
}

static void nodes_span_their_text(void **state) {
    (void)state;
    const char *text = "x = a + f(b, 'c')  // end\n";
    parse r;
    parse_text(&r, text);
    const th_ast *binding = r.ast->kids[0], *sum = binding->kids[1], *call = sum->kids[1];
    assert_int_equal(binding->from, 0);
    assert_int_equal(binding->to, 17);
    assert_int_equal(sum->from, 4);
    assert_int_equal(sum->to, 17);
    assert_int_equal(call->from, 8);
    assert_int_equal(call->kids[2]->from, 13);
    assert_int_equal(call->kids[2]->to, 16);
    drop(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_hold_links_capsules_and_statements),
        cmocka_unit_test(members_have_three_forms),
        cmocka_unit_test(types_nest_and_may_be_optional),
        cmocka_unit_test(structs_and_enums_separate_as_they_like),
        cmocka_unit_test(precedence_is_that_of_c),
        cmocka_unit_test(operators_bind_as_documented),
        cmocka_unit_test(less_than_is_no_type_where_an_operand_stands),
        cmocka_unit_test(calls_members_and_indexes_chain),
        cmocka_unit_test(names_in_backticks_are_any_text),
        cmocka_unit_test(reserved_words_may_name_columns),
        cmocka_unit_test(line_ends_end_statements),
        cmocka_unit_test(numbers_are_kept_as_written),
        cmocka_unit_test(strings_resolve_escapes),
        cmocka_unit_test(strings_interpolate),
        cmocka_unit_test(names_take_letters_of_all_scripts),
        cmocka_unit_test(lambdas_have_five_forms),
        cmocka_unit_test(pipelines_pass_the_value_first),
        cmocka_unit_test(braces_are_dicts_tuples_or_blocks),
        cmocka_unit_test(struct_literals_name_their_fields),
        cmocka_unit_test(if_takes_parentheses_and_braces_or_not),
        cmocka_unit_test(loops_have_all_their_forms),
        cmocka_unit_test(assignments_are_statements),
        cmocka_unit_test(errors_are_thrown_and_caught),
        cmocka_unit_test(match_has_patterns_and_guards),
        cmocka_unit_test(errors_say_what_was_expected_and_found),
        cmocka_unit_test(errors_in_definitions),
        cmocka_unit_test(errors_in_statements),
        cmocka_unit_test(errors_in_expressions_and_patterns),
        cmocka_unit_test(habits_of_other_languages_get_a_hint),
        cmocka_unit_test(errors_of_the_lexer),
        cmocka_unit_test(several_errors_are_told_in_order_without_cascades),
        cmocka_unit_test(good_statements_around_bad_ones_are_kept),
        cmocka_unit_test(missing_brace_is_found_by_its_indentation),
        cmocka_unit_test(incomplete_input_is_told_from_wrong_input),
        cmocka_unit_test(depth_is_limited_with_one_clear_error),
        cmocka_unit_test(long_flat_texts_are_fine),
        cmocka_unit_test(long_logical_chains_are_balanced_in_order),
        cmocka_unit_test(any_bytes_are_survived),
        cmocka_unit_test(memory_running_out_is_a_status_fault),
        cmocka_unit_test(every_refused_allocation_is_a_status_fault),
        cmocka_unit_test(copies_share_nothing),
        cmocka_unit_test(nodes_span_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
