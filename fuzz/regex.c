/*
** regex.c - fuzz target: the first line is a pattern, the rest a text. Whatever they are, a search ends, stays within its
** memory, answers alike however much is asked, and gives places that lie in the text and in order.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdlib.h>

#include "machine/regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

static bool charge(void *user, int64_t units) {
    int64_t *left = user;
    must(units > 0);
    *left -= units;
    return *left >= 0;
}

static void check_spans(th_view text, size_t from, const size_t *spans, size_t n) {
    must(spans[0] >= from && spans[0] <= spans[1] && spans[1] <= text.len);
    for (size_t i = 1; i < n; i++) {
        if (spans[2 * i] == TH_REGEX_UNSET) continue;
        must(spans[2 * i] >= spans[0] && spans[2 * i] <= spans[2 * i + 1] && spans[2 * i + 1] <= spans[1]);
    }
}

/* Goes through all matches, asking in three ways. */
static void search_all(th_regex *regex, th_view text) {
    enum { SPANS = 64 };
    size_t spans[2 * SPANS], whole[2], n = th_regex_group_count(regex) + 1;
    int64_t left = (int64_t)1 << 24;
    th_regex_meter meter = {charge, &left};
    bool found = true, tested;
    if (n > SPANS) n = SPANS;
    for (size_t from = 0, turns = 0; found && from <= text.len && turns < 64; turns++) {
        if (th_regex_search(regex, text, from, &meter, spans, n, &found) != TH_OK) return;
        if (th_regex_search(regex, text, from, &meter, NULL, 0, &tested) != TH_OK) return;
        must(tested == found);
        if (th_regex_search(regex, text, from, &meter, whole, 1, &tested) != TH_OK) return;
        must(tested == found);
        if (!found) return;
        check_spans(text, from, spans, n);
        must(whole[0] == spans[0] && whole[1] == spans[1]);
        from = spans[1] > spans[0] ? spans[1] : spans[1] + 1;
        while (from < text.len && ((uint8_t)text.data[from] & 0xc0) == 0x80) from++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    size_t pattern_len = newline ? (size_t)(newline - data) : size;
    th_view pattern = {(const char *)data, pattern_len};
    th_view text = {(const char *)data + (newline ? pattern_len + 1 : size), newline ? size - pattern_len - 1 : 0};
    for (uint32_t flags = 0; flags <= TH_REGEX_WHOLE; flags += TH_REGEX_WHOLE) {
        th_mem mem;
        th_regex *regex;
        th_error err = {0};
        th_mem_init(&mem, NULL, NULL, NULL, 64u << 20);
        if (th_regex_new(&mem, pattern, flags, &regex, &err) == TH_OK) {
            search_all(regex, text);
            th_regex_free(regex);
        } else {
            must(err.code != TH_OK && err.message[0] != 0);
        }
        must(mem.used_bytes == 0);
    }
    return 0;
}
