/*
** regex_lib.c - builtins.match and builtins.split. The expressions used last are kept compiled.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

#define KEPT 64 /* compiled expressions; by hash of the pattern, the last one of a slot stays */

typedef struct kept {
    char *pattern;
    size_t len;
    nix_regex *regex;
} kept;

typedef struct cache {
    th_mem *mem;
    kept items[KEPT];
} cache;

static void forget(cache *c, kept *k) {
    if (!k->regex) return;
    nix_regex_free(c->mem, k->regex);
    th_mem_free(c->mem, k->pattern, k->len + 1);
    *k = (kept){0};
}

static void release(void *state) {
    cache *c = state;
    for (size_t i = 0; i < KEPT; i++) forget(c, &c->items[i]);
    th_mem_free(c->mem, c, sizeof *c);
}

static const th_attachment cache_key = {release, NULL};

static cache *cache_of(th_machine *m) {
    cache *c = th_machine_attached(m, &cache_key);
    if (c) return c;
    c = th_mem_zeroed(th_machine_mem(m), sizeof *c);
    if (!c) return (void)nix_no_memory(m), NULL;
    c->mem = th_machine_mem(m);
    if (th_machine_attach(m, &cache_key, c) == TH_OK) return c;
    release(c);
    (void)nix_no_memory(m);
    return NULL;
}

static nix_regex *compiled(th_machine *m, th_view pattern) {
    cache *c = cache_of(m);
    if (!c) return NULL;
    kept *k = &c->items[th_hash_bytes(pattern.data, pattern.len, 0) % KEPT];
    if (k->regex && th_view_eq((th_view){k->pattern, k->len}, pattern)) return k->regex;
    if (!th_machine_charge(m, 64 + (int64_t)pattern.len * 8)) return NULL;
    nix_regex *regex;
    th_error err = {0};
    if (nix_regex_new(c->mem, pattern, &regex, &err) != TH_OK) {
        (void)th_machine_trap_error(m, &err);
        return NULL;
    }
    char *copy = th_mem_new(c->mem, pattern.len + 1);
    if (!copy) {
        nix_regex_free(c->mem, regex);
        (void)nix_no_memory(m);
        return NULL;
    }
    forget(c, k);
    memcpy(copy, pattern.data, pattern.len);
    copy[pattern.len] = 0;
    *k = (kept){copy, pattern.len, regex};
    return regex;
}

/* The groups of a match as a list: texts, null for one that took no part. */
static bool groups_of(th_machine *m, th_view text, const int64_t *spans, size_t n, th_value *out) {
    th_value *items;
    if (!th_new_array(th_machine_heap(m), n, TH_V_NULL, &items, out)) return (void)nix_no_memory(m), false;
    uint64_t *list = th_obj(*out);
    for (size_t i = 0; i < n; i++) {
        th_value v;
        int64_t from = spans[2 + 2 * i], to = spans[3 + 2 * i];
        if (from < 0) continue;
        if (!nix_text(m, (th_view){text.data + from, (size_t)(to - from)}, &v)) return false;
        th_heap_set(th_machine_heap(m), list, &items[i], v);
    }
    return true;
}

static th_step match(th_machine *m, th_call *call) {
    nix_regex *regex = compiled(m, th_string_view(call->args[0]));
    if (!regex) return TH_STEP_ERROR;
    th_view text = th_string_view(call->args[1]);
    size_t n = nix_regex_groups(regex);
    int64_t *spans = nix_scratch(m, 2 * (n + 1), sizeof *spans), cost = 0;
    if (!spans) return TH_STEP_ERROR;
    bool matched = false;
    nix_subject subject;
    th_status status = nix_subject_init(th_machine_mem(m), text, &subject);
    if (status == TH_OK) status = nix_regex_match(th_machine_mem(m), regex, &subject, 0, true, spans, &matched, &cost);
    nix_subject_clear(&subject);
    th_value out = TH_V_NULL;
    bool ok = status == TH_OK && th_machine_charge(m, cost) && (!matched || groups_of(m, text, spans, n, &out));
    nix_scratch_free(m, spans, 2 * (n + 1), sizeof *spans);
    if (status != TH_OK) return nix_no_memory(m);
    return ok ? nix_done(call, out) : TH_STEP_ERROR;
}

typedef struct pieces {
    th_value *items;
    size_t n, capacity;
} pieces;

static bool add(th_machine *m, pieces *p, th_value v) {
    if (th_mem_grow(th_machine_mem(m), (void **)&p->items, &p->capacity, p->n + 1, sizeof *p->items) != TH_OK)
        return (void)nix_no_memory(m), false;
    p->items[p->n++] = v;
    return true;
}

static bool add_text(th_machine *m, pieces *p, th_value whole, size_t from, size_t to) {
    th_value v;
    th_view text = th_string_view(whole);
    return nix_text_like(m, (th_view){text.data + from, to - from}, whole, &v) && add(m, p, v);
}

/* What lies between the matches, and for each match the list of its groups. */
static bool split_into(th_machine *m, nix_regex *regex, th_value whole, nix_subject *subject, int64_t *spans,
                       pieces *p) {
    th_view text = subject->text;
    size_t n = nix_regex_groups(regex), at = 0, from = 0;
    for (;;) {
        bool matched = false;
        int64_t cost = 1;
        th_value groups;
        if (nix_regex_match(th_machine_mem(m), regex, subject, at, false, spans, &matched, &cost) != TH_OK)
            return (void)nix_no_memory(m), false;
        if (!th_machine_charge(m, cost)) return false;
        if (!matched) break;
        size_t start = (size_t)spans[0], end = (size_t)spans[1];
        if (!add_text(m, p, whole, from, start) || !groups_of(m, text, spans, n, &groups) || !add(m, p, groups))
            return false;
        from = end;
        if (end > start) {
            at = end;
        } else { /* an empty match: go on behind the next character */
            if (end == text.len) break;
            at = end + 1;
        }
    }
    return add_text(m, p, whole, from, text.len);
}

static th_step split(th_machine *m, th_call *call) {
    nix_regex *regex = compiled(m, th_string_view(call->args[0]));
    if (!regex) return TH_STEP_ERROR;
    size_t nspans = 2 * (nix_regex_groups(regex) + 1);
    int64_t *spans = nix_scratch(m, nspans, sizeof *spans);
    if (!spans) return TH_STEP_ERROR;
    pieces p = {0};
    th_value *items, out;
    nix_subject subject;
    bool ok = nix_subject_init(th_machine_mem(m), th_string_view(call->args[1]), &subject) == TH_OK;
    if (!ok) (void)nix_no_memory(m);
    ok = ok && split_into(m, regex, call->args[1], &subject, spans, &p);
    nix_subject_clear(&subject);
    nix_scratch_free(m, spans, nspans, sizeof *spans);
    if (ok && !th_new_array(th_machine_heap(m), p.n, TH_V_NULL, &items, &out)) {
        (void)nix_no_memory(m);
        ok = false;
    }
    for (size_t i = 0; ok && i < p.n; i++) th_heap_set(th_machine_heap(m), th_obj(out), &items[i], p.items[i]);
    th_mem_free(th_machine_mem(m), p.items, p.capacity * sizeof *p.items);
    return ok ? nix_done(call, out) : TH_STEP_ERROR;
}

const th_builtin nix_lib_regex[] = {
    {.name = "nix.match",
     .signature = "regex: value, text: value -> value",
     .doc = "The groups of a POSIX extended regular expression that matches the whole text, or null.",
     .fn = match,
     .slots = "",
     .strict = "ss"},
    {.name = "nix.split",
     .signature = "regex: value, text: value -> value",
     .doc = "The text between the matches of a regular expression, and between these the lists of their groups.",
     .fn = split,
     .slots = "",
     .strict = "ss"},
};
const size_t nix_lib_regex_count = TH_COUNT(nix_lib_regex);
