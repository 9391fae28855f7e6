/*
** text.c - fuzz target: numbers and UTF-8 in any bytes. Reading agrees with strtod, writing reads back, counting agrees
** with decoding.
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

static void check_written(double x) {
    char text[32];
    double back;
    size_t len = th_format_f64(x, true, text);
    must(len < sizeof text && text[len] == 0);
    must(th_parse_f64((th_view){text, len}, &back));
    must(isnan(x) ? isnan(back) : memcmp(&back, &x, sizeof x) == 0);
}

static void check_number(th_view text) {
    double x;
    if (th_parse_f64(text, &x)) {
        char copy[512];
        if (text.len < sizeof copy) {
            memcpy(copy, text.data, text.len);
            copy[text.len] = 0;
            double y = strtod(copy, NULL);
            must(isnan(x) ? isnan(y) : memcmp(&x, &y, sizeof x) == 0);
        }
        check_written(x);
    }
    int64_t i;
    if (th_parse_i64(text, &i)) {
        char out[32];
        int64_t again;
        must(th_parse_i64((th_view){out, th_format_i64(i, out)}, &again) && again == i);
    }
}

static void check_utf8(th_view text) {
    size_t valid = th_utf8_valid(text.data, text.len), at = 0, count = 0;
    while (at < text.len) {
        uint32_t code;
        char again[4];
        size_t n = th_utf8_decode(text.data, text.len, at, &code);
        must(n >= 1 && n <= text.len - at);
        if (at < valid) must(th_utf8_encode(code, again) == n && memcmp(again, text.data + at, n) == 0);
        if (at == valid) must(code == 0xfffd && n == 1);
        at += n;
        count++;
    }
    must(count == th_utf8_count(text.data, text.len));
    must(th_utf8_width(text.data, text.len) <= 2 * count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    th_view text = {(const char *)data, size};
    check_number(text);
    check_utf8(text);
    if (size >= 8) {
        double x;
        memcpy(&x, data, 8);
        check_written(x);
    }
    must(th_hash_bytes(data, size, 1) == th_hash_bytes(data, size, 1));
    return 0;
}
