/*
** machine_lib_regex.c - regular expressions: the engine alone, and the builtins of Regex.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine_lib_test.h"

#include "machine/regex.h"

/* A pattern, a text, and the spans of the first match and its groups ("0-3 1-2 -"), "" for none, or "!" and an error. */
typedef struct match_case {
    const char *pattern, *text, *want;
} match_case;

static void match_text(th_regex *regex, th_view text, char *out, size_t size) {
    size_t spans[40], n = th_regex_group_count(regex) + 1;
    bool found, tested;
    assert_int_equal(th_regex_search(regex, text, 0, NULL, spans, n, &found), TH_OK);
    assert_int_equal(th_regex_search(regex, text, 0, NULL, NULL, 0, &tested), TH_OK);
    assert_int_equal(found, tested);
    out[0] = 0;
    for (size_t i = 0, at = 0; found && i < n; i++) {
        if (spans[2 * i] == TH_REGEX_UNSET)
            at += (size_t)snprintf(out + at, size - at, "%s-", i ? " " : "");
        else
            at += (size_t)snprintf(out + at, size - at, "%s%zu-%zu", i ? " " : "", spans[2 * i], spans[2 * i + 1]);
    }
}

static void check_match(const match_case *c) {
    th_mem mem;
    th_regex *regex;
    th_error err = {0};
    char got[256];
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    if (th_regex_new(&mem, view(c->pattern), 0, &regex, &err) != TH_OK) {
        snprintf(got, sizeof got, "!%.200s", err.message);
    } else {
        match_text(regex, view(c->text), got, sizeof got);
        th_regex_free(regex);
    }
    assert_int_equal((size_t)mem.used_bytes, 0);
    bool good = c->want[0] == '!' ? strncmp(got, c->want, strlen(c->want)) == 0 : strcmp(got, c->want) == 0;
    if (!good) fail_msg("/%s/ on '%s': wanted '%s', got '%s'", c->pattern, c->text, c->want, got);
}

static void patterns_match_as_they_should(void **state) {
    (void)state;
    static const match_case cases[] = {
        {"abc", "xabcx", "1-4"},
        {"", "abc", "0-0"},
        {"a|b|", "c", "0-0"},
        {"a.c", "a\nc abc", "4-7"},
        {"(?s)a.c", "a\nc", "0-3"},
        {".", "\u00e9", "0-2"},
        {"[^a]", "a\u4e2d", "1-4"},
        {"[\u00e0-\u00ff]+", "a\u00e9\u00ea", "1-5"},
        {"a*", "aaa", "0-3"},
        {"a*?", "aaa", "0-0"},
        {"a+?b", "aab", "0-3"},
        {"(a|ab)(c|bcd)", "abcd", "0-4 0-1 1-4"},
        {"(a+)(b+)?", "aac", "0-2 0-2 -"},
        {"(a)|(b)", "b", "0-1 - 0-1"},
        {"a{2}", "aaa", "0-2"},
        {"a{2,}", "aaaa", "0-4"},
        {"a{1,2}", "aaa", "0-2"},
        {"a{,2}", "a{,2}", "0-5"},
        {"a{0}b", "b", "0-1"},
        {"x{2,3}?", "xxxx", "0-2"},
        {"^b", "ab", ""},
        {"(?m)^b", "a\nb", "2-3"},
        {"a$", "a\n", ""},
        {"(?m)a$", "a\n", "0-1"},
        {"\\Aa\\z", "a", "0-1"},
        {"\\bfoo\\b", "afoo foo", "5-8"},
        {"\\Boo", "foo", "1-3"},
        {"\\b", "", ""},
        {"(?i)straSSE", "STRAsse", "0-7"},
        {"(?i)\u00c9", "\u00e9", "0-2"},
        {"(?i)[a-c]+", "ABCd", "0-3"},
        {"a(?i)b(?-i)c", "aBc", "0-3"},
        {"a(?i:b)c", "aBC", ""},
        {"(?i:a)b", "Ab", "0-2"},
        {"[[:alpha:]_]+", "1ab_", "1-4"},
        {"[[:^digit:]]", "1a", "1-2"},
        {"[]a]+", "]a", "0-2"},
        {"[a-]+", "-a", "0-2"},
        {"[\\d-]+", "1-2", "0-3"},
        {"[\\]]", "]", "0-1"},
        {"[^\\D5]+", "5467", "1-4"},
        {"[/\\D]+", "12/a", "2-4"},
        {"\\d+\\.\\d*", "a12.5", "1-5"},
        {"\\w+", "\u00e9ab_1", "2-6"},
        {"\\s+", "a \t\n", "1-4"},
        {"\\x41\\x{42}\\u0043\\u{44}", "ABCD", "0-4"},
        {"\\p{Lu}+", "a\u00c9B", "1-4"},
        {"\\PL", "a1", "1-2"},
        {"\\pN", "a1", "1-2"},
        {"(?P<year>\\d{4})-(?<m>\\d\\d)", "on 2024-05", "3-10 3-7 8-10"},
        {"(a*)*b", "aab", "0-3 0-2"},
        {"(?:)+x", "x", "0-1"},
        {"(a|b)*c", "abac", "0-4 2-3"},
        {"((a)|b)+", "ab", "0-2 1-2 0-1"},
        {"\\.\\*\\[", ".*[", "0-3"},
        {"\\n\\t", "\n\t", "0-2"},
        {"(foo|foobar)$", "foobar", "0-6 0-6"},
        {"a.*c|b", "abd", "1-2"},
        {"[^\\x00-\\x{10ffff}]", "a", ""},
        {"\xc3\xa9?x", "x", "0-1"},
        {"(x)?(y)?z", "yz", "0-2 - 0-1"},
        {"(?:a(b)?)+", "aba", "0-3 1-2"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) check_match(&cases[i]);
}

static void bad_patterns_are_refused_with_a_position(void **state) {
    (void)state;
    static const match_case cases[] = {
        {"a(b", "", "!'(' is not closed at position 2"},
        {"a)b", "", "!')' without '(' at position 2"},
        {"[a", "", "!'[' is not closed at position 1"},
        {"*a", "", "!there is nothing to repeat at position 1"},
        {"a**", "", "!a repetition of a repetition at position 3"},
        {"a*+", "", "!possessive repetition is not supported"},
        {"(a)\\1", "", "!back-references are not supported at position 4"},
        {"(?=a)", "", "!look-around is not supported"},
        {"(?<!a)", "", "!look-around is not supported"},
        {"(?>a)", "", "!atomic groups are not supported"},
        {"a{3,2}", "", "!a repetition from more to less at position 2"},
        {"a{1001}", "", "!a repetition of more than 1000"},
        {"\u00e9[z-a]", "", "!a range that is no range at position 3"},
        {"[[:foo:]]", "", "!unknown class name"},
        {"\\q", "", "!unknown escape"},
        {"\\", "", "!a backslash ends the pattern"},
        {"\\x{110000}", "", "!invalid character escape"},
        {"\\xg", "", "!invalid character escape"},
        {"\\p{Zz}", "", "!unknown character property"},
        {"\\p{Greek}", "", "!unknown character property"},
        {"(?P<1>a)", "", "!invalid group name"},
        {"(?<a>x)(?<a>y)", "", "!a second group of the same name"},
        {"(?x)a", "", "!unknown kind of group"},
        {"((a{1000}){1000}){1000}", "", "!the pattern is too large"},
        {"(((((){1000}){1000}){1000}){1000})", "", "!the pattern is too large"},
        {"[\\pL\\pL\\pL\\pL\\pL\\pL\\pL\\pL\\pL]", "", "!the pattern has too many large classes"},
    };
    for (size_t i = 0; i < TH_COUNT(cases); i++) check_match(&cases[i]);
}

static void groups_may_not_nest_without_end(void **state) {
    (void)state;
    char pattern[3001];
    for (size_t i = 0; i < 3000; i++) pattern[i] = "(?:"[i % 3];
    pattern[3000] = 0;
    check_match(&(match_case){pattern, "", "!groups are nested too deeply"});
}

static bool count_units(void *user, int64_t units) {
    *(int64_t *)user += units;
    return *(int64_t *)user < (int64_t)1 << 40;
}
static bool refuse_units(void *user, int64_t units) {
    (void)user;
    (void)units;
    return false;
}

/* Patterns that make backtracking engines explode: the work stays in proportion to the text. */
static void hard_patterns_stay_linear(void **state) {
    (void)state;
    static const char *const patterns[] = {"(a*)*b",
                                           "(a|aa)+$",
                                           "(a|a?)+b",
                                           "(.*)(.*)(.*)(.*)(.*)x",
                                           "(x+x+)+y",
                                           "([a-z]+)*=",
                                           "^(([a-z])+.)+[A-Z]([a-z])+$",
                                           "(?:a?){50}a{50}b",
                                           "[ab]*a[ab]{200}c"};
    enum { LEN = 100000 };
    char *text = malloc(LEN + 1);
    for (size_t i = 0; i < LEN; i++) text[i] = i % 7 == 3 ? 'x' : 'a';
    for (size_t i = 0; i < TH_COUNT(patterns); i++) {
        th_mem mem;
        th_regex *regex;
        size_t spans[20];
        bool found;
        int64_t units = 0;
        th_mem_init(&mem, NULL, NULL, NULL, 64 << 20);
        assert_int_equal(th_regex_new(&mem, view(patterns[i]), 0, &regex, NULL), TH_OK);
        th_regex_meter meter = {count_units, &units}, none = {refuse_units, NULL};
        th_view whole = {text, LEN};
        assert_int_equal(th_regex_search(regex, whole, 0, &meter, spans, th_regex_group_count(regex) + 1, &found),
                         TH_OK);
        assert_true(units < LEN * 200);
        assert_int_equal(th_regex_search(regex, whole, 0, &none, spans, 1, &found), TH_E_FUEL);
        th_regex_free(regex);
        assert_int_equal((size_t)mem.used_bytes, 0);
    }
    free(text);
}

/* The charge is for pattern, text and result; not for what is kept from before. */
static void the_charge_is_the_same_each_time(void **state) {
    (void)state;
    th_mem mem;
    th_regex *regex;
    size_t spans[4];
    bool found;
    char text[5000];
    memset(text, 'a', sizeof text);
    th_mem_init(&mem, NULL, NULL, NULL, 0);
    assert_int_equal(th_regex_new(&mem, view("(a|b)*c|a{3}(d)?"), 0, &regex, NULL), TH_OK);
    int64_t first = 0, second = 0;
    th_regex_meter one = {count_units, &first}, two = {count_units, &second};
    assert_int_equal(th_regex_search(regex, (th_view){text, sizeof text}, 0, &one, spans, 2, &found), TH_OK);
    assert_int_equal(th_regex_search(regex, (th_view){text, sizeof text}, 0, &two, spans, 2, &found), TH_OK);
    assert_int_equal(first, second);
    th_regex_free(regex);
}

/* Every allocation may fail: then the status says so and nothing is lost. */
static void failing_memory_is_a_status(void **state) {
    (void)state;
    for (size_t limit = 0;; limit += 512) {
        th_mem mem;
        th_regex *regex;
        size_t spans[6];
        bool found = false;
        th_mem_init(&mem, NULL, NULL, NULL, limit ? limit : 1);
        th_status status = th_regex_new(&mem, view("(\\bx[\u00e0-\u4e2d]+|a)*?(b{2,5})"), 0, &regex, NULL);
        if (status == TH_OK) {
            status = th_regex_search(regex, view("aaa x\u00e9bbb"), 0, NULL, spans, 3, &found);
            th_regex_free(regex);
        }
        assert_int_equal((size_t)mem.used_bytes, 0);
        assert_true(status == TH_OK || status == TH_E_NOMEM);
        if (status != TH_OK) continue;
        assert_true(found && spans[0] == 4 && spans[1] == 10);
        break;
    }
}

static void regex_builtins_answer(void **state) {
    (void)state;
    const char *test = "Function<String, String, bool>", *list = "Function<String, String, List<String>>";
    const char *replace = "Function<String, String, String, String>",
               *captures = "Function<String, String, List<String?>?>";
    const lib_case cases[] = {
        {"Regex.matches", test, {"\"theta 1\"", "\"[0-9]+\""}, "true"},
        {"Regex.matches", test, {"\"x\"", "\"(\""}, "!invalid regular expression '(': '(' is not closed at position 1"},
        {"Regex.full_match", test, {"\"abc\"", "\"b\""}, "false"},
        {"Regex.full_match", test, {"\"ab\"", "\"a|ab\""}, "true"},
        {"Regex.full_match", test, {"\"ab\"", "\"(?i)A|AB\""}, "true"},
        {"Regex.find", "Function<String, String, String?>", {"\"a12b3\"", "\"[0-9]+\""}, "'12'"},
        {"Regex.find", "Function<String, String, String?>", {"\"a\"", "\"[0-9]+\""}, "null"},
        {"Regex.index_of", "Function<String, String, i64?>", {"\"\u00e912\"", "\"[0-9]\""}, "1"},
        {"Regex.find_all", list, {"\"a12b3\"", "\"[0-9]+\""}, "['12', '3']"},
        {"Regex.find_all", list, {"\"\u00e9ab\"", "\"x*\""}, "['', '', '', '']"},
        {"Regex.find_all", list, {"\"baac\"", "\"a*\""}, "['', 'aa', '']"},
        {"Regex.count", "Function<String, String, i64>", {"\"a1b22\"", "\"[0-9]\""}, "3"},
        {"Regex.captures", captures, {"\"k=v\"", "\"(.)=(.)(x)?\""}, "['k=v', 'k', 'v', null]"},
        {"Regex.captures", captures, {"\"k\"", "\"(.)=\""}, "null"},
        {"Regex.captures_all",
         "Function<String, String, List<List<String?>>>",
         {"\"a=1,b=2\"", "\"(.)=(.)\""},
         "[['a=1', 'a', '1'], ['b=2', 'b', '2']]"},
        {"Regex.named",
         "Function<String, String, Dict<String, String>?>",
         {"\"k=v\"", "\"(?<key>.)=(?<value>.)(?<more>x)?\""},
         "{key: 'k', value: 'v'}"},
        {"Regex.replace", replace, {"\"a1b22\"", "\"([0-9])([0-9])?\"", "\"<$1${2}$$>\""}, "'a<1$>b<22$>'"},
        {"Regex.replace", replace, {"\"x-y\"", "\"(?<l>.)-(?<r>.)\"", "\"${r}-${l}\""}, "'y-x'"},
        {"Regex.replace", replace, {"\"abc\"", "\"\"", "\"-\""}, "'-a-b-c-'"},
        {"Regex.replace", replace, {"\"a\"", "\"a\"", "\"$1\""}, "!the replacement '$1' names no group"},
        {"Regex.replace_first", replace, {"\"a1b2\"", "\"[0-9]\"", "\"_\""}, "'a_b2'"},
        {"Regex.split", list, {"\"a, b;c\"", "\"[,;] *\""}, "['a', 'b', 'c']"},
        {"Regex.split", list, {"\"abc\"", "\"\""}, "['a', 'b', 'c']"},
        {"Regex.split", list, {"\",a\"", "\",\""}, "['', 'a']"},
        {"Regex.escape", "Function<String, String>", {"\"1.5\""}, "'1\\\\.5'"},
        {"Regex.is_valid", "Function<String, bool>", {"\"(\""}, "false"},
    };
    CHECK_CASES(cases);
}

static uint64_t in_brackets(const uint64_t *args, size_t nargs) {
    assert_int_equal(nargs, 1);
    const th_list *groups = th_word_ptr(args[0]);
    char text[64];
    snprintf(text, sizeof text, "[%s|%s]", groups->strings[0]->bytes,
             groups->strings[1] ? groups->strings[1]->bytes : "null");
    return string_word(text);
}

static void replace_by_asks_for_each_match(void **state) {
    (void)state;
    uint64_t args[] = {string_word("a1b22c"), string_word("[0-9]([0-9])?"), 0}, result;
    b.closure = in_brackets;
    assert_int_equal(
        invoke("Regex.replace_by", "Function<String, String, Function<List<String?>, String>, String>", args, &result),
        TH_OK);
    assert_string_equal(((th_str *)th_word_ptr(result))->bytes, "a[1|null]b[22|2]c");
}

static void many_patterns_replace_each_other(void **state) {
    (void)state;
    for (size_t round = 0; round < 3; round++)
        for (size_t i = 0; i < 40; i++) {
            char pattern[32];
            snprintf(pattern, sizeof pattern, "^x{%zu}$", i + 1);
            uint64_t args[] = {string_word("xxxxxxxxxx"), string_word(pattern)}, result;
            assert_int_equal(invoke("Regex.matches", "Function<String, String, bool>", args, &result), TH_OK);
            assert_int_equal(result, i + 1 == 10);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_they_should),
        cmocka_unit_test(bad_patterns_are_refused_with_a_position),
        cmocka_unit_test(groups_may_not_nest_without_end),
        cmocka_unit_test(hard_patterns_stay_linear),
        cmocka_unit_test(the_charge_is_the_same_each_time),
        cmocka_unit_test(failing_memory_is_a_status),
        cmocka_unit_test_setup_teardown(regex_builtins_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(replace_by_asks_for_each_match, setup, teardown),
        cmocka_unit_test_setup_teardown(many_patterns_replace_each_other, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
