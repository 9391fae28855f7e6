/*
** regex.h - regular expressions in time linear in the text: no pattern and no text can make a search explode.
**
** Syntax (that of RE2 and of PCRE without what needs backtracking):
**   x  .  [abc]  [^a-z]  [[:alpha:]]  \d \D \w \W \s \S  \pL \p{Lu} \P{Lu}     one code point
**   xy  x|y  x* x+ x? x{n} x{n,} x{n,m}, lazy with a further ?                 sequences, choices, repetition
**   (x)  (?:x)  (?P<name>x)  (?<name>x)  (?i) (?m) (?s) (?i:x) (?-i)          groups, flags
**   ^ $ (of the text; of lines with m)  \A  \z  \b  \B                         places
**   \n \t \r \f \v \a \e \0 \x41 \x{1f600} \u{1f600}, \ before punctuation    single code points
** \d, \w, \s, \b and the [:classes:] are ASCII. Back-references and look-around are refused with a message. Among the
** matches at the leftmost place the one that a backtracking engine would find is chosen.
**
** Texts are bytes and may be ill-formed UTF-8: no pattern matches an ill-formed byte. A th_regex is used by one thread at a time
** (it keeps automaton states between searches); its memory, states included, is bounded.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_REGEX_H
#define TH_REGEX_H

#include "base/base.h"

typedef struct th_regex th_regex;

enum {
    TH_REGEX_IGNORE_CASE = 1, /* as (?i) */
    TH_REGEX_MULTILINE = 2,   /* as (?m) */
    TH_REGEX_DOT_ALL = 4,     /* as (?s) */
    TH_REGEX_WHOLE = 8,       /* a match is the whole text */
    TH_REGEX_LONGEST = 16,    /* of a pattern that begins with \A: the longest match (POSIX) instead of the first */
};

/* Asked to pay for work in advance; false stops the search with E_FUEL. */
typedef struct th_regex_meter {
    bool (*charge)(void *user, int64_t units);
    void *user;
} th_regex_meter;

/* E_SYNTAX with the column in the pattern in err->span, E_UNSUPPORTED likewise, E_LIMIT when the pattern is too large. */
th_status th_regex_new(th_mem *mem, th_view pattern, uint32_t flags, th_regex **out, th_error *err) TH_CHECKED;
void th_regex_free(th_regex *regex); /* NULL is allowed */

size_t th_regex_group_count(const th_regex *regex);               /* capturing groups, the whole match not counted */
th_view th_regex_group_name(const th_regex *regex, size_t group); /* 1 .. count; empty: it has none */

#define TH_REGEX_UNSET SIZE_MAX /* offsets of a group that took no part */
/* Searches text at or after byte `from` (a code point's start; what stands before is seen by ^ and \b). Fills `nspans` pairs of byte offsets: the
** whole match, then the groups in order; nspans 0 only asks whether there is a match. The charge depends on pattern, text
** and result alone. */
th_status th_regex_search(th_regex *regex, th_view text, size_t from, const th_regex_meter *meter, size_t *spans,
                          size_t nspans, bool *found) TH_CHECKED;

#endif
