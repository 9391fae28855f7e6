/*
** unicode.h - properties of code points, case, grapheme clusters, normal forms: what strings need beyond UTF-8 itself.
** The one place, with utf8.c, that knows libutf8proc. Code points that are no scalar values have no properties.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_UNICODE_H
#define TH_UNICODE_H

#include "base/base.h"

/* Simple (one to one) case mappings. */
uint32_t th_unicode_upper(uint32_t code);
uint32_t th_unicode_lower(uint32_t code);
uint32_t th_unicode_title(uint32_t code);

/* Full case mappings, as texts need them: one code point may become up to three (ß is SS). They give how many. What
** depends on the code points around it, the final sigma, is the caller's. */
enum { TH_CASE_MAX = 3 };
size_t th_unicode_upper_full(uint32_t code, uint32_t out[TH_CASE_MAX]);
size_t th_unicode_lower_full(uint32_t code, uint32_t out[TH_CASE_MAX]);
size_t th_unicode_title_full(uint32_t code, uint32_t out[TH_CASE_MAX]);
bool th_unicode_is_cased(uint32_t code);
bool th_unicode_is_case_ignorable(uint32_t code); /* stands within words without being a letter: marks, apostrophes */

bool th_unicode_is_letter(uint32_t code);
bool th_unicode_is_digit(uint32_t code);  /* decimal digits of any script */
bool th_unicode_is_number(uint32_t code); /* digits, letter numbers, fractions */
bool th_unicode_is_space(uint32_t code);
bool th_unicode_is_upper(uint32_t code);
bool th_unicode_is_lower(uint32_t code);

/* The general category, two letters ("Lu"); "Cn" when unassigned. */
const char *th_unicode_category(uint32_t code);

/* Byte offset of the end of the grapheme cluster that starts at `at` (< len). */
size_t th_grapheme_end(const char *bytes, size_t len, size_t at);

typedef enum th_normal_form { TH_NFC, TH_NFD, TH_NFKC, TH_NFKD } th_normal_form;
/* Appends the normal form of `text` to `out`; ill-formed bytes become U+FFFD. */
th_status th_unicode_normalize(th_view text, th_normal_form form, th_buf *out) TH_CHECKED;
/* Bounds used by those who scan all code points that have a case. */
#define TH_UNICODE_LAST_CASED 0x1e943u

#endif
