/*
** version.c - versions as Nix compares them: runs of digits, runs of other characters; "pre" before nothing before others.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/nix_int.h"

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_separator(char c) { return c == '.' || c == '-'; }

bool nix_version_next(th_view *rest, th_view *component) {
    size_t i = 0;
    while (i < rest->len && is_separator(rest->data[i])) i++;
    size_t from = i;
    if (from == rest->len) {
        *component = (th_view){rest->data + from, 0};
        *rest = *component;
        return false;
    }
    bool digits = is_digit(rest->data[i]);
    while (i < rest->len && !is_separator(rest->data[i]) && is_digit(rest->data[i]) == digits) i++;
    *component = (th_view){rest->data + from, i - from};
    *rest = (th_view){rest->data + i, rest->len - i};
    return true;
}

static th_view without_zeros(th_view digits) {
    while (digits.len > 1 && digits.data[0] == '0') digits = (th_view){digits.data + 1, digits.len - 1};
    return digits;
}

static bool is_number(th_view c) { return c.len > 0 && is_digit(c.data[0]); }

static bool less(th_view a, th_view b) {
    if (is_number(a) && is_number(b)) {
        a = without_zeros(a);
        b = without_zeros(b);
        return a.len != b.len ? a.len < b.len : memcmp(a.data, b.data, a.len) < 0;
    }
    if (a.len == 0 && is_number(b)) return true;
    if (th_view_is(a, "pre") && !th_view_is(b, "pre")) return true;
    if (th_view_is(b, "pre")) return false;
    if (is_number(b)) return true; /* letters before digits */
    if (is_number(a)) return false;
    return th_view_compare(a, b) < 0;
}

int nix_compare_versions(th_view a, th_view b) {
    for (;;) {
        th_view x, y;
        bool more = nix_version_next(&a, &x);
        more |= nix_version_next(&b, &y);
        if (!more) return 0;
        if (less(x, y)) return -1;
        if (less(y, x)) return 1;
    }
}
