/*
** lib_regex.c - Regex: regular expressions over texts (regex.h has the syntax). Compiled patterns are kept by the machine,
** the latest few of them, so that a pattern in a loop is compiled once; the fuel charged does not depend on that.
** Matches of find_all, split and replace do not overlap; an empty match directly behind another match is left out.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include "machine/regex.h"

/* ---- Compiled patterns -------------------------------------------------------------------------------------- */

static th_step bad_pattern(th_machine *m, th_view pattern, const th_error *err) {
    if (err->code == TH_E_NOMEM) return th_trap_memory(m);
    return th_machine_trap(m, err->code, "invalid regular expression %s: %s", th_lib_excerpt(pattern).text,
                           err->message);
}

static bool is_kept(const th_str *kept, th_view pattern, uint32_t flags) {
    return kept && kept->len == pattern.len + 1 && kept->bytes[0] == (char)flags &&
           memcmp(kept->bytes + 1, pattern.data, pattern.len) == 0;
}

/* Puts a compiled pattern in the place of the one that was unused for longest. False: no memory; nothing is taken. */
static bool keep(th_lib_state *state, th_view pattern, uint32_t flags, th_regex *regex) {
    size_t oldest = 0;
    for (size_t i = 1; i < TH_COUNT(state->regexes); i++)
        if (state->regexes[i].used < state->regexes[oldest].used) oldest = i;
    th_str *copy = th_mem_new(state->mem, sizeof *copy + pattern.len + 1);
    if (!copy) return false;
    copy->len = (uint32_t)pattern.len + 1;
    copy->bytes[0] = (char)flags;
    if (pattern.len) memcpy(copy->bytes + 1, pattern.data, pattern.len);
    th_str *old = state->regexes[oldest].pattern;
    if (old) th_mem_free(state->mem, old, sizeof *old + old->len);
    th_regex_free(state->regexes[oldest].regex);
    state->regexes[oldest].pattern = copy;
    state->regexes[oldest].regex = regex;
    state->regexes[oldest].used = ++state->clock;
    return true;
}

/* The compiled pattern, borrowed until the next call. NULL: a trap. */
static th_regex *compiled(th_machine *m, th_view pattern, uint32_t flags) {
    th_lib_state *state = th_lib_state_get(m);
    th_regex *regex;
    th_error err;
    if (!state || !th_machine_charge(m, 64 + (int64_t)pattern.len * 16)) return NULL;
    for (size_t i = 0; i < TH_COUNT(state->regexes); i++) {
        if (!is_kept(state->regexes[i].pattern, pattern, flags)) continue;
        state->regexes[i].used = ++state->clock;
        return state->regexes[i].regex;
    }
    if (th_regex_new(state->mem, pattern, flags, &regex, &err) != TH_OK) {
        (void)bad_pattern(m, pattern, &err);
        return NULL;
    }
    if (keep(state, pattern, flags, regex)) return regex;
    th_regex_free(regex);
    (void)th_trap_memory(m);
    return NULL;
}

/* ---- Searching ---------------------------------------------------------------------------------------------- */

static bool charge(void *user, int64_t units) { return th_machine_charge(user, units); }

typedef struct search {
    th_machine *machine;
    th_regex *regex;
    th_view text;
    size_t at;     /* where the next search starts; past the end: over */
    size_t last;   /* end of the last match, or SIZE_MAX */
    size_t *spans; /* of the last match */
    size_t nspans;
    size_t few[20];
} search;

static bool search_init(search *s, th_machine *m, th_call *call, uint32_t flags, bool groups) {
    *s = (search){.machine = m, .text = arg_view(call, 0), .last = SIZE_MAX, .nspans = 1};
    s->regex = compiled(m, arg_view(call, 1), flags);
    if (!s->regex) return false;
    if (groups) s->nspans = th_regex_group_count(s->regex) + 1;
    s->spans = s->few;
    if (s->nspans * 2 > TH_COUNT(s->few)) s->spans = th_mem_new(th_machine_mem(m), s->nspans * 2 * sizeof *s->spans);
    if (!s->spans) (void)th_trap_memory(m);
    return s->spans != NULL;
}

static void search_clear(search *s) {
    if (s->spans != s->few) th_mem_free(th_machine_mem(s->machine), s->spans, s->nspans * 2 * sizeof *s->spans);
}

/* The next match. False: a trap. */
static bool search_next(search *s, bool *found) {
    th_regex_meter meter = {charge, s->machine};
    *found = false;
    while (s->at <= s->text.len) {
        th_status status = th_regex_search(s->regex, s->text, s->at, &meter, s->spans, s->nspans, found);
        if (status == TH_E_NOMEM) (void)th_trap_memory(s->machine);
        if (status != TH_OK) return false;
        if (!*found) {
            s->at = s->text.len + 1;
            return true;
        }
        size_t start = s->spans[0], end = s->spans[1];
        uint32_t code;
        s->at = end;
        if (start == end) s->at += end < s->text.len ? th_utf8_decode(s->text.data, s->text.len, end, &code) : 1;
        bool behind = start == end && start == s->last;
        s->last = end;
        if (!behind) return true;
        *found = false;
    }
    return true;
}

/* ---- Questions ---------------------------------------------------------------------------------------------- */

static th_step test(th_machine *m, th_call *call, uint32_t flags) {
    th_regex *regex = compiled(m, arg_view(call, 1), flags);
    th_regex_meter meter = {charge, m};
    bool found;
    if (!regex) return TH_STEP_ERROR;
    th_status status = th_regex_search(regex, arg_view(call, 0), 0, &meter, NULL, 0, &found);
    if (status == TH_E_NOMEM) return th_trap_memory(m);
    return status == TH_OK ? done(call, found) : TH_STEP_ERROR;
}

static th_step regex_matches(th_machine *m, th_call *call) { return test(m, call, 0); }
static th_step regex_full_match(th_machine *m, th_call *call) { return test(m, call, TH_REGEX_WHOLE); }

static th_step regex_is_valid(th_machine *m, th_call *call) {
    th_view pattern = arg_view(call, 0);
    th_regex *regex;
    th_error err;
    CHARGE(m, 64 + pattern.len * 16);
    th_status status = th_regex_new(th_machine_mem(m), pattern, 0, &regex, &err);
    if (status == TH_E_NOMEM) return th_trap_memory(m);
    if (status == TH_OK) th_regex_free(regex);
    return done(call, status == TH_OK);
}

static th_step regex_count(th_machine *m, th_call *call) {
    search s;
    size_t n = 0;
    bool found, ok = search_init(&s, m, call, 0, false);
    if (!ok) return TH_STEP_ERROR;
    while ((ok = search_next(&s, &found)) && found) n++;
    search_clear(&s);
    return ok ? done(call, n) : TH_STEP_ERROR;
}

/* ---- Pieces ------------------------------------------------------------------------------------------------- */

static th_str *span_text(const search *s, size_t group) {
    size_t start = s->spans[group * 2], end = s->spans[group * 2 + 1];
    return th_new_str_of(s->machine, s->text.data + start, end - start);
}

/* The first match, or an error, or null (then the step is DONE and *found is false). */
static th_step first_match(search *s, th_machine *m, th_call *call, bool groups, bool *found) {
    *found = false;
    if (!search_init(s, m, call, 0, groups)) return TH_STEP_ERROR;
    if (search_next(s, found)) return *found ? TH_STEP_DONE : done_null(call);
    search_clear(s);
    return TH_STEP_ERROR;
}

static th_step regex_find(th_machine *m, th_call *call) {
    search s;
    bool found;
    th_step step = first_match(&s, m, call, false, &found);
    return step == TH_STEP_DONE && found ? done_ptr(call, span_text(&s, 0)) : step;
}

static th_step regex_index_of(th_machine *m, th_call *call) {
    search s;
    bool found;
    th_step step = first_match(&s, m, call, false, &found);
    if (step != TH_STEP_DONE || !found) return step;
    return th_lib_done_some(m, call, TH_TYPE_I64, th_utf8_count(s.text.data, s.spans[0]));
}

static th_step regex_find_all(th_machine *m, th_call *call) {
    search s;
    bool found, ok = search_init(&s, m, call, 0, false);
    if (!ok) return TH_STEP_ERROR;
    th_list *list = th_new_list(m, result_type(m, call), 0);
    ok = list != NULL;
    while (ok && (ok = search_next(&s, &found)) && found) {
        th_str *text = span_text(&s, 0);
        ok = text && th_list_push(m, list, th_ptr_word(text));
    }
    search_clear(&s);
    return ok ? done_ptr(call, list) : TH_STEP_ERROR;
}

/* The groups of the match as a list, the whole match first; null for a group that took no part. */
static th_list *group_list(const search *s, th_type_id type) {
    th_list *list = th_lib_new_list(s->machine, type, s->nspans);
    for (size_t i = 0; list && i < s->nspans; i++) {
        list->strings[i] = s->spans[i * 2] == TH_REGEX_UNSET ? NULL : span_text(s, i);
        if (!list->strings[i] && s->spans[i * 2] != TH_REGEX_UNSET) return NULL;
    }
    if (list) th_list_written(s->machine, list);
    return list;
}

static th_step regex_captures(th_machine *m, th_call *call) {
    search s;
    bool found;
    th_step step = first_match(&s, m, call, true, &found);
    if (step != TH_STEP_DONE) return step;
    if (found) step = done_ptr(call, group_list(&s, type_arg(m, result_type(m, call), 0)));
    search_clear(&s);
    return step;
}

static th_step regex_captures_all(th_machine *m, th_call *call) {
    search s;
    bool found, ok = search_init(&s, m, call, 0, true);
    if (!ok) return TH_STEP_ERROR;
    th_list *list = th_new_list(m, result_type(m, call), 0);
    ok = list != NULL;
    while (ok && (ok = search_next(&s, &found)) && found) {
        th_list *groups = group_list(&s, type_arg(m, result_type(m, call), 0));
        ok = groups && th_list_push(m, list, th_ptr_word(groups));
    }
    search_clear(&s);
    return ok ? done_ptr(call, list) : TH_STEP_ERROR;
}

static th_dict *named_groups(const search *s, th_type_id type) {
    th_dict *dict = th_new_dict(s->machine, type, 0);
    for (size_t i = 1; dict && i < s->nspans; i++) {
        th_view name = th_regex_group_name(s->regex, i);
        if (name.len == 0 || s->spans[i * 2] == TH_REGEX_UNSET) continue;
        th_str *key = th_new_str_of(s->machine, name.data, name.len);
        th_str *text = key ? span_text(s, i) : NULL;
        if (!text || !th_dict_set(s->machine, dict, th_ptr_word(key), th_ptr_word(text))) return NULL;
    }
    return dict;
}

static th_step regex_named(th_machine *m, th_call *call) {
    search s;
    bool found;
    th_step step = first_match(&s, m, call, true, &found);
    if (step != TH_STEP_DONE) return step;
    if (found) step = done_ptr(call, named_groups(&s, type_arg(m, result_type(m, call), 0)));
    search_clear(&s);
    return step;
}

/* ---- split, replace ----------------------------------------------------------------------------------------- */

static bool push_part(search *s, th_list *list, size_t from, size_t to) {
    th_str *text = th_new_str_of(s->machine, s->text.data + from, to - from);
    return text && th_list_push(s->machine, list, th_ptr_word(text));
}

static th_step regex_split(th_machine *m, th_call *call) {
    search s;
    size_t from = 0;
    bool found, ok = search_init(&s, m, call, 0, false);
    if (!ok) return TH_STEP_ERROR;
    th_list *list = th_new_list(m, result_type(m, call), 0);
    ok = list != NULL;
    while (ok && (ok = search_next(&s, &found)) && found) {
        size_t start = s.spans[0], end = s.spans[1];
        if (start == end && (start == 0 || start == s.text.len)) continue; /* no empty parts at the ends for those */
        ok = push_part(&s, list, from, start);
        from = end;
    }
    ok = ok && push_part(&s, list, from, s.text.len);
    search_clear(&s);
    return ok ? done_ptr(call, list) : TH_STEP_ERROR;
}

static size_t group_named(const th_regex *regex, th_view name) {
    for (size_t i = 1; i <= th_regex_group_count(regex); i++)
        if (th_view_eq(th_regex_group_name(regex, i), name)) return i;
    return SIZE_MAX;
}

/* A reference in a replacement, after the '$': 0-9.., {number} or {name}. Gives its group and the place behind it. */
static bool read_reference(const search *s, th_view text, size_t *at, size_t *group) {
    bool braces = *at < text.len && text.data[*at] == '{';
    size_t from = *at + braces, end = from;
    if (braces)
        while (end < text.len && text.data[end] != '}') end++;
    else
        while (end < text.len && end < from + 3 && text.data[end] >= '0' && text.data[end] <= '9') end++;
    if (end == from || (braces && end == text.len)) return false;
    th_view name = {text.data + from, end - from};
    int64_t number;
    if (th_parse_i64(name, &number) && number >= 0)
        *group = (size_t)number;
    else
        *group = group_named(s->regex, name);
    *at = end + braces;
    return *group < s->nspans;
}

/* Appends the replacement of the current match. False: a trap. */
static bool put_replacement(search *s, th_view text, th_buf *out) {
    for (size_t at = 0; at < text.len;) {
        const char *dollar = memchr(text.data + at, '$', text.len - at);
        size_t end = dollar ? (size_t)(dollar - text.data) : text.len, group;
        th_buf_put(out, text.data + at, end - at);
        if (!dollar) break;
        at = end + 1;
        if (at < text.len && text.data[at] == '$') {
            th_buf_char(out, '$');
            at++;
        } else if (read_reference(s, text, &at, &group)) {
            size_t start = s->spans[group * 2];
            if (start != TH_REGEX_UNSET) th_buf_put(out, s->text.data + start, s->spans[group * 2 + 1] - start);
        } else {
            th_view rest = {text.data + end, text.len - end};
            (void)th_machine_trap(s->machine, TH_E_ARGUMENT,
                                  "the replacement %s names no group of the pattern ($$ is a dollar sign)",
                                  th_lib_excerpt(rest).text);
            return false;
        }
    }
    return true;
}

static bool replace_all(search *s, th_view replacement, size_t max, th_buf *out) {
    size_t from = 0, paid = 0;
    bool found;
    for (size_t n = 0; n < max; n++) {
        if (!search_next(s, &found)) return false;
        if (!found) break;
        th_buf_put(out, s->text.data + from, s->spans[0] - from);
        if (!put_replacement(s, replacement, out)) return false;
        from = s->spans[1];
        if (!th_machine_charge(s->machine, (int64_t)(8 + (out->len - paid) / 8))) return false;
        paid = out->len;
        if (out->failed || out->len > TH_STR_MAX) break;
    }
    th_buf_put(out, s->text.data + from, s->text.len - from);
    return true;
}

static th_step replace_some(th_machine *m, th_call *call, size_t max) {
    search s;
    th_buf out;
    if (!search_init(&s, m, call, 0, true)) return TH_STEP_ERROR;
    th_buf_init(&out, th_machine_mem(m));
    bool ok = replace_all(&s, arg_view(call, 2), max, &out);
    search_clear(&s);
    if (ok) return th_lib_done_buf(m, call, &out);
    th_buf_clear(&out);
    return TH_STEP_ERROR;
}

static th_step regex_replace(th_machine *m, th_call *call) { return replace_some(m, call, SIZE_MAX); }
static th_step regex_replace_first(th_machine *m, th_call *call) { return replace_some(m, call, 1); }

/* replace_by: asks a function for each replacement. Keeps its place in the text and what is done so far in slots. */
enum { BY_PARTS, BY_AT, BY_LAST, BY_FROM, BY_STARTED, BY_SLOTS };

static bool by_push(th_machine *m, th_call *call, th_view text) {
    if (text.len == 0) return true;
    th_str *s = th_new_str_of(m, text.data, text.len);
    return s && th_list_push(m, th_word_ptr(call->slots[BY_PARTS]), th_ptr_word(s));
}

static th_step by_finish(th_machine *m, th_call *call) {
    const th_list *parts = th_word_ptr(call->slots[BY_PARTS]);
    size_t len = 0;
    for (size_t i = 0; i < parts->len; i++) len += parts->strings[i]->len;
    CHARGE(m, 4 + parts->len + len / 8);
    th_str *s = th_new_str(m, len);
    if (!s) return TH_STEP_ERROR;
    char *to = s->bytes;
    for (size_t i = 0; i < parts->len; i++) to = mempcpy(to, parts->strings[i]->bytes, parts->strings[i]->len);
    return done_ptr(call, s);
}

static th_step by_next(th_machine *m, th_call *call, search *s) {
    uint64_t *slots = call->slots;
    bool found;
    s->at = slots[BY_AT];
    s->last = slots[BY_STARTED] ? slots[BY_LAST] : SIZE_MAX;
    if (!search_next(s, &found)) return TH_STEP_ERROR;
    size_t start = found ? s->spans[0] : s->text.len;
    if (!by_push(m, call, (th_view){s->text.data + slots[BY_FROM], start - slots[BY_FROM]})) return TH_STEP_ERROR;
    if (!found) return by_finish(m, call);
    slots[BY_AT] = s->at;
    slots[BY_LAST] = s->last;
    slots[BY_FROM] = s->spans[1];
    slots[BY_STARTED] = 1;
    th_type_id function = param_type(m, call, 2);
    th_list *groups = group_list(s, th_types_param(th_machine_types(m), function, 0));
    if (!groups) return TH_STEP_ERROR;
    uint64_t arg = th_ptr_word(groups);
    return th_call_closure(m, call, th_word_ptr(call->args[2]), &arg, 1, 1);
}

static th_step regex_replace_by(th_machine *m, th_call *call) {
    search s;
    th_type_id strings;
    if (call->state == 0) {
        if (th_types_list(th_machine_types(m), TH_TYPE_STRING, &strings) != TH_OK) return th_trap_memory(m);
        th_list *parts = th_new_list(m, strings, 0);
        if (!parts) return TH_STEP_ERROR;
        call->slots[BY_PARTS] = th_ptr_word(parts);
    } else if (!th_list_push(m, th_word_ptr(call->slots[BY_PARTS]), call->callback)) {
        return TH_STEP_ERROR;
    }
    if (!search_init(&s, m, call, 0, true)) return TH_STEP_ERROR;
    th_step step = by_next(m, call, &s);
    search_clear(&s);
    return step;
}

static th_step regex_escape(th_machine *m, th_call *call) {
    th_view text = arg_view(call, 0);
    th_buf buf;
    CHARGE(m, 4 + text.len);
    th_buf_init(&buf, th_machine_mem(m));
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] && strchr("\\.+*?()|[]{}^$-", text.data[i])) th_buf_char(&buf, '\\');
        th_buf_char(&buf, text.data[i]);
    }
    return th_lib_done_buf(m, call, &buf);
}

/* ---- Table -------------------------------------------------------------------------------------------------- */

#define PURE TH_BUILTIN_PURE

const th_builtin th_lib_regex[] = {
    {"Regex.matches", "text: String, pattern: String -> bool",
     "Whether the pattern matches somewhere in the text.\ne.g. Regex.matches('theta 1', '[0-9]+') == true",
     regex_matches, PURE, 0, NULL},
    {"Regex.full_match", "text: String, pattern: String -> bool",
     "Whether the pattern matches the whole text.\ne.g. Regex.full_match('abc', 'b') == false", regex_full_match, PURE,
     0, NULL},
    {"Regex.find", "text: String, pattern: String -> String?",
     "The first match, or null.\ne.g. Regex.find('a12b3', '[0-9]+') == '12'", regex_find, PURE, 0, NULL},
    {"Regex.index_of", "text: String, pattern: String -> i64?",
     "Where the first match starts, or null.\ne.g. Regex.index_of('a12', '[0-9]') == 1", regex_index_of, PURE, 0, NULL},
    {"Regex.find_all", "text: String, pattern: String -> List<String>",
     "All matches.\ne.g. Regex.find_all('a12b3', '[0-9]+') == ['12', '3']", regex_find_all, 0, 0, NULL},
    {"Regex.count", "text: String, pattern: String -> i64",
     "How many matches there are.\ne.g. Regex.count('a12b3', '[0-9]') == 3", regex_count, PURE, 0, NULL},
    {"Regex.captures", "text: String, pattern: String -> List<String?>?",
     "The first match and its groups, or null; a group that took no part is null.\ne.g. Regex.captures('k=v', "
     "'(.)=(.)') == ['k=v', 'k', 'v']",
     regex_captures, 0, 0, NULL},
    {"Regex.captures_all", "text: String, pattern: String -> List<List<String?>>",
     "All matches with their groups.\ne.g. Regex.captures_all('a=1', '(.)=(.)') == [['a=1', 'a', '1']]",
     regex_captures_all, 0, 0, NULL},
    {"Regex.named", "text: String, pattern: String -> Dict<String, String>?",
     "The named groups of the first match, or null.\ne.g. Regex.named('k=v', '(?<key>.)=') == {'key': 'k'}",
     regex_named, 0, 0, NULL},
    {"Regex.replace", "text: String, pattern: String, replacement: String -> String",
     "With all matches replaced; $1 or ${name} stand for groups, $0 for the match, $$ for a dollar sign.\ne.g. "
     "Regex.replace('a1b22', '[0-9]+', '<$0>') == 'a<1>b<22>'",
     regex_replace, PURE, 0, NULL},
    {"Regex.replace_first", "text: String, pattern: String, replacement: String -> String",
     "With the first match replaced.\ne.g. Regex.replace_first('a1b2', '[0-9]', '_') == 'a_b2'", regex_replace_first,
     PURE, 0, NULL},
    {"Regex.replace_by", "text: String, pattern: String, make: Function<List<String?>, String> -> String",
     "With each match replaced by what a function makes of it and its groups.\ne.g. Regex.replace_by('a1', '[0-9]', "
     "(m) -> '#') == 'a#'",
     regex_replace_by, TH_BUILTIN_STATEFUL, BY_SLOTS, "piiii"},
    {"Regex.split", "text: String, pattern: String -> List<String>",
     "The parts between matches.\ne.g. Regex.split('a, b;c', '[,;] *') == ['a', 'b', 'c']", regex_split, 0, 0, NULL},
    {"Regex.escape", "text: String -> String",
     "A pattern that matches exactly this text.\ne.g. Regex.escape('1.5') == '1\\\\.5'", regex_escape, PURE, 0, NULL},
    {"Regex.is_valid", "pattern: String -> bool",
     "Whether a text is a regular expression.\ne.g. Regex.is_valid('(') == false", regex_is_valid, PURE, 0, NULL},
};
const size_t th_lib_regex_count = TH_COUNT(th_lib_regex);
