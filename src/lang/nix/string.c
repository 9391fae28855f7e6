/*
** string.c - Nix: strings, by bytes; their contexts; names and versions of packages.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

/* ---- Parts ------------------------------------------------------------------------------------------------------- */

static th_step substring(th_machine *m, th_call *call) {
    int64_t start, len;
    th_value s = th_deref(call->args[2]), out;
    if (!nix_want_int(m, call->args[0], &start)) return TH_STEP_ERROR;
    if (start < 0) return th_machine_trap(m, TH_E_ARGUMENT, "negative start position in 'substring'");
    if (!nix_want_int(m, call->args[1], &len)) return TH_STEP_ERROR;
    if (!nix_is_text(s)) return nix_after_coerce(m, call, NIX_I_SUBSTRING, 3, 2, NIX_COERCE_COPY);
    th_view text = th_string_view(s);
    size_t from = (uint64_t)start < text.len ? (size_t)start : text.len;
    size_t n = len < 0 || (uint64_t)len > text.len - from ? text.len - from : (size_t)len;
    if (n == text.len) return nix_done(call, s);
    if (!nix_text_like(m, (th_view){text.data + from, n}, s, &out)) return TH_STEP_ERROR;
    return nix_done(call, out);
}

static th_step string_length(th_machine *m, th_call *call) {
    th_value s = th_deref(call->args[0]);
    if (!nix_is_text(s)) return nix_after_coerce(m, call, NIX_I_STRING_LENGTH, 1, 0, NIX_COERCE_COPY);
    return nix_done(call, th_of_int((int64_t)th_string_len(s)));
}

static th_step concat_strings_sep(th_machine *m, th_call *call) {
    th_view separator;
    const th_value *items = th_array_items(call->args[1]);
    size_t n = th_array_len(call->args[1]);
    th_value out, sep = th_deref(call->args[0]);
    if (!nix_want_text(m, sep, &separator)) return TH_STEP_ERROR;
    NIX_CHARGE(m, n / 4 + 1);
    for (size_t i = 0; i < n; i++) {
        if (nix_is_text(th_deref(items[i]))) continue;
        th_value args[2] = {call->args[1], th_of_int(NIX_COERCE_COPY)}, texts;
        if (!nix_later(m, NIX_I_COERCE_ITEMS, args, 2, &texts)) return TH_STEP_ERROR;
        return nix_again(m, call, NIX_I_CONCAT_STRINGS_SEP, 2, 1, texts);
    }
    if (!nix_concat_texts(m, items, n, separator, &out)) return TH_STEP_ERROR;
    th_value context;
    if (!nix_has_context(sep)) return nix_done(call, out);
    if (!nix_context_join(m, th_string_context(out), th_string_context(sep), &context)) return TH_STEP_ERROR;
    return nix_text_with(m, th_string_view(out), context, &out) ? nix_done(call, out) : TH_STEP_ERROR;
}

/* ---- replaceStrings ---------------------------------------------------------------------------------------------- */

typedef struct replacing {
    th_machine *m;
    const th_value *from, *to;
    size_t n;
    bool first[256]; /* bytes that some pattern begins with */
    bool empty;      /* one pattern is "" */
    th_buf out;
    th_value context;
    th_value wanted; /* a replacement that is not evaluated yet, or absent */
} replacing;

static bool prepare(replacing *r) {
    for (size_t i = 0; i < r->n; i++) {
        th_view text;
        if (!nix_want_text(r->m, r->from[i], &text)) return false;
        if (text.len)
            r->first[(unsigned char)text.data[0]] = true;
        else
            r->empty = true;
    }
    return true;
}

/* The first pattern that stands at this place; n: none. */
static size_t pattern_at(const replacing *r, th_view rest) {
    size_t i = 0;
    for (; i < r->n; i++) {
        th_view p = th_string_view(th_deref(r->from[i]));
        if (p.len <= rest.len && memcmp(p.data, rest.data, p.len) == 0) break;
    }
    return i;
}

static bool put_replacement(replacing *r, size_t i) {
    th_value to = r->to[i];
    th_view text;
    if (!th_evaluated(&to)) return r->wanted = to, false;
    if (!nix_want_text(r->m, to, &text)) return false;
    if (nix_has_context(to) && !nix_context_join(r->m, r->context, th_string_context(to), &r->context)) return false;
    th_buf_put(&r->out, text.data, text.len);
    return true;
}

/* Also looks behind the last byte, where "" stands. */
static bool replace(replacing *r, th_view s) {
    for (size_t p = 0; p <= s.len;) {
        size_t run = p;
        while (!r->empty && run < s.len && !r->first[(unsigned char)s.data[run]]) run++;
        if (run > p) th_buf_put(&r->out, s.data + p, run - p);
        p = run;
        if (p == s.len && !r->empty) break;
        if (!th_machine_charge(r->m, (int64_t)(r->n / 4 + 1))) return false;
        size_t i = pattern_at(r, (th_view){s.data + p, s.len - p});
        size_t len = i < r->n ? th_string_len(th_deref(r->from[i])) : 0;
        if (i < r->n && !put_replacement(r, i)) return false;
        if (len == 0 && p < s.len) th_buf_char(&r->out, s.data[p]);
        p += len ? len : 1;
    }
    return true;
}

static th_step replace_strings(th_machine *m, th_call *call) {
    replacing r = {.m = m, .from = th_array_items(call->args[0]), .to = th_array_items(call->args[1])};
    th_value s = th_deref(call->args[2]), out;
    th_view text;
    r.n = th_array_len(call->args[0]);
    if (r.n != th_array_len(call->args[1]))
        return th_machine_trap(m, TH_E_ARGUMENT,
                               "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths");
    for (size_t i = 0; i < r.n; i++)
        if (th_is_unevaluated(th_deref(r.from[i])))
            return nix_after_items(m, call, NIX_I_REPLACE_STRINGS, 3, 0, NIX_ITEMS_VALUES);
    if (!prepare(&r) || !nix_want_text(m, s, &text)) return TH_STEP_ERROR;
    NIX_CHARGE(m, text.len / 4 + r.n + 1);
    r.context = th_string_context(s);
    r.wanted = TH_V_ABSENT;
    th_buf_init(&r.out, th_machine_mem(m));
    th_step step = replace(&r, text) ? TH_STEP_DONE : TH_STEP_ERROR;
    if (r.wanted != TH_V_ABSENT)
        step = nix_after(m, call, NIX_I_REPLACE_STRINGS, 3, r.wanted);
    else if (step == TH_STEP_DONE && r.out.failed)
        step = nix_no_memory(m);
    else if (step == TH_STEP_DONE)
        step = nix_text_with(m, (th_view){r.out.data ? r.out.data : "", r.out.len}, r.context, &out)
                   ? nix_done(call, out)
                   : TH_STEP_ERROR;
    th_buf_clear(&r.out);
    return step;
}

/* ---- Contexts ---------------------------------------------------------------------------------------------------- */

static th_step has_context(th_machine *m, th_call *call) {
    th_view text;
    if (!nix_want_text(m, call->args[0], &text)) return TH_STEP_ERROR;
    return nix_done_bool(call, nix_has_context(th_deref(call->args[0])));
}

static th_step discard_context(th_machine *m, th_call *call) {
    th_value s = th_deref(call->args[0]), out;
    if (!nix_is_text(s)) return nix_after_coerce(m, call, NIX_I_UNSAFE_DISCARD, 1, 0, NIX_COERCE_COPY);
    if (!nix_has_context(s)) return nix_done(call, s);
    return nix_text(m, th_string_view(s), &out) ? nix_done(call, out) : TH_STEP_ERROR;
}

/* A text with this list of elements, in any order, as its context. */
static th_step with_elements(th_machine *m, th_call *call, th_view text, const th_value *elements, size_t n) {
    th_value context = TH_V_NULL, out, one, *items;
    for (size_t i = 0; i < n; i++) {
        if (!th_new_array(th_machine_heap(m), 1, elements[i], &items, &one)) return nix_no_memory(m);
        if (!nix_context_join(m, context, one, &context)) return TH_STEP_ERROR;
    }
    return nix_text_with(m, text, context, &out) ? nix_done(call, out) : TH_STEP_ERROR;
}

static th_step discard_output(th_machine *m, th_call *call) {
    th_value s = th_deref(call->args[0]);
    if (!nix_is_text(s)) return nix_after_coerce(m, call, NIX_I_DISCARD_OUTPUT, 1, 0, NIX_COERCE_COPY);
    if (!nix_has_context(s)) return nix_done(call, s);
    th_value context = th_string_context(s);
    size_t n = th_array_len(context);
    NIX_CHARGE(m, n * n + 1);
    th_value *elements = nix_scratch(m, n, sizeof *elements);
    th_step step = elements ? TH_STEP_DONE : TH_STEP_ERROR;
    for (size_t i = 0; i < n && step == TH_STEP_DONE; i++) {
        elements[i] = th_deref(th_array_items(context)[i]);
        th_view text = th_string_view(elements[i]);
        if (text.len && text.data[0] == '=' && !nix_text(m, (th_view){text.data + 1, text.len - 1}, &elements[i]))
            step = TH_STEP_ERROR;
    }
    if (step == TH_STEP_DONE) step = with_elements(m, call, th_string_view(s), elements, n);
    nix_scratch_free(m, elements, n, sizeof *elements);
    return step;
}

static bool is_derivation_path(th_view path) {
    return path.len > 4 && memcmp(path.data + path.len - 4, ".drv", 4) == 0;
}

static th_step add_drv_outputs(th_machine *m, th_call *call) {
    th_value s = th_deref(call->args[0]), deep;
    if (!nix_is_text(s)) return nix_after_coerce(m, call, NIX_I_ADD_DRV_OUTPUTS, 1, 0, NIX_COERCE_COPY);
    th_view text = th_string_view(s);
    int shown = (int)(text.len < 400 ? text.len : 400);
    size_t n = nix_has_context(s) ? th_array_len(th_string_context(s)) : 0;
    if (n != 1)
        return th_machine_trap(m, TH_E_ARGUMENT, "context of string '%.*s' must have exactly one element, but has %zu",
                               shown, text.data, n);
    th_view element = th_string_view(th_deref(th_array_items(th_string_context(s))[0]));
    if (element.len && element.data[0] == '=') return nix_done(call, s);
    if (element.len && element.data[0] == '!')
        return th_machine_trap(
            m, TH_E_ARGUMENT,
            "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as "
            "'%.*s'",
            (int)(element.len < 400 ? element.len : 400), element.data);
    if (!is_derivation_path(element))
        return th_machine_trap(m, TH_E_ARGUMENT, "path '%.*s' is not a derivation",
                               (int)(element.len < 400 ? element.len : 400), element.data);
    th_buf encoded;
    th_buf_init(&encoded, th_machine_mem(m));
    th_buf_char(&encoded, '=');
    th_buf_put(&encoded, element.data, element.len);
    if (!nix_text_of_buf(m, &encoded, &deep)) return TH_STEP_ERROR;
    return with_elements(m, call, text, &deep, 1);
}

/* The path of an element of a context in *path, its output ("" when it has none) in *output; the kind is the answer. */
static char read_element(th_view element, th_view *path, th_view *output) {
    *output = (th_view){"", 0};
    *path = element;
    if (element.len && element.data[0] == '=') {
        *path = (th_view){element.data + 1, element.len - 1};
        return '=';
    }
    const char *end = element.len && element.data[0] == '!' ? memchr(element.data + 1, '!', element.len - 1) : NULL;
    if (!end) return 'p';
    *output = (th_view){element.data + 1, (size_t)(end - element.data) - 1};
    *path = (th_view){end + 1, element.len - (size_t)(end - element.data) - 1};
    return '!';
}

/* Elements of paths in the store are kept with or without the name of the store; it is shown with it. */
static bool full_path(th_machine *m, const nix_state *state, th_view path, th_symbol *out) {
    if (path.len && path.data[0] == '/') return nix_symbol(m, path, out);
    th_buf text;
    th_buf_init(&text, th_machine_mem(m));
    th_buf_text(&text, nix_settings_of(state)->store_dir);
    th_buf_char(&text, '/');
    th_buf_put(&text, path.data, path.len);
    bool made = !text.failed && nix_symbol(m, (th_view){text.data, text.len}, out);
    if (text.failed) (void)nix_no_memory(m);
    th_buf_clear(&text);
    return made;
}

typedef struct info { /* of one path of a context */
    th_symbol path;
    bool plain, all;
    size_t noutputs;
} info;

static bool info_value(th_machine *m, const nix_state *state, const info *of, th_value context, th_value *out) {
    const char *names[3];
    th_value values[3], *items;
    size_t n = 0, at = 0;
    if (of->plain) names[n] = "path", values[n++] = TH_V_TRUE;
    if (of->all) names[n] = "allOutputs", values[n++] = TH_V_TRUE;
    if (of->noutputs) {
        th_heap *heap = th_machine_heap(m);
        if (!th_new_array(heap, of->noutputs, TH_V_NULL, &items, &values[n])) return nix_no_memory(m), false;
        for (size_t i = 0; i < th_array_len(context); i++) {
            th_view path, output;
            th_symbol symbol;
            th_value text;
            char kind = read_element(th_string_view(th_deref(th_array_items(context)[i])), &path, &output);
            if (kind != '!') continue;
            if (!full_path(m, state, path, &symbol)) return false;
            if (symbol != of->path) continue;
            if (!nix_text(m, output, &text)) return false;
            th_heap_set(heap, th_obj(values[n]), &items[at++], text);
        }
        names[n++] = "outputs";
    }
    return nix_record(m, names, values, n, out);
}

static bool collect_infos(th_machine *m, const nix_state *state, th_value context, info *infos, size_t *n) {
    for (size_t i = 0; i < th_array_len(context); i++) {
        th_view path, output;
        th_symbol symbol;
        char kind = read_element(th_string_view(th_deref(th_array_items(context)[i])), &path, &output);
        if (!full_path(m, state, path, &symbol)) return false;
        size_t k = 0;
        while (k < *n && infos[k].path != symbol) k++;
        if (k == *n) infos[(*n)++] = (info){.path = symbol};
        infos[k].plain |= kind == 'p';
        infos[k].all |= kind == '=';
        infos[k].noutputs += kind == '!';
    }
    return true;
}

static th_step get_context(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_value s = th_deref(call->args[0]), set;
    th_view text;
    if (!state || !nix_want_text(m, s, &text)) return TH_STEP_ERROR;
    th_value context = th_string_context(s);
    size_t most = context == TH_V_NULL ? 0 : th_array_len(context), n = 0;
    NIX_CHARGE(m, most * most + 1);
    info *infos = nix_scratch(m, most, sizeof *infos);
    th_symbol *keys = infos ? nix_scratch(m, most, sizeof *keys) : NULL;
    th_value *values = keys ? nix_scratch(m, most, sizeof *values) : NULL;
    bool good = values && (most == 0 || collect_infos(m, state, context, infos, &n));
    for (size_t i = 0; good && i < n; i++) {
        keys[i] = infos[i].path;
        good = info_value(m, state, &infos[i], context, &values[i]);
    }
    th_step step = TH_STEP_ERROR;
    if (good)
        step =
            th_record_build(th_machine_heap(m), keys, values, NULL, n, &set) ? nix_done(call, set) : nix_no_memory(m);
    nix_scratch_free(m, infos, most, sizeof *infos);
    nix_scratch_free(m, keys, most, sizeof *keys);
    nix_scratch_free(m, values, most, sizeof *values);
    return step;
}

/* A path of the store: its folder, 32 digits of a hash, a dash, a name. *base: without the folder. */
static bool is_store_path(const nix_state *state, th_view path, th_view *base) {
    th_view dir = th_view_of(nix_settings_of(state)->store_dir);
    if (path.len < dir.len + 35 || memcmp(path.data, dir.data, dir.len) != 0 || path.data[dir.len] != '/') return false;
    *base = (th_view){path.data + dir.len + 1, path.len - dir.len - 1};
    if (base->data[32] != '-' || memchr(base->data, '/', base->len)) return false;
    for (int i = 0; i < 32; i++)
        if (nix_base32_digit(base->data[i]) < 0) return false;
    return true;
}

typedef struct appending {
    th_machine *m;
    th_call *call;
    th_value context;
} appending;

static bool append_element(appending *a, const char *before, th_view output, th_view path) {
    th_buf text;
    th_value element, one, *items;
    th_buf_init(&text, th_machine_mem(a->m));
    th_buf_text(&text, before);
    if (output.len) {
        th_buf_put(&text, output.data, output.len);
        th_buf_char(&text, '!');
    }
    th_buf_put(&text, path.data, path.len);
    if (!nix_text_of_buf(a->m, &text, &element)) return false;
    if (!th_new_array(th_machine_heap(a->m), 1, element, &items, &one)) return nix_no_memory(a->m), false;
    return nix_context_join(a->m, a->context, one, &a->context);
}

static bool flag_of(appending *a, th_value info, th_symbol name, bool *out) {
    th_value v = th_record_get(th_machine_heap(a->m), info, name);
    *out = false;
    return v == TH_V_ABSENT || nix_want_bool(a->m, v, out);
}

static bool not_derivation(appending *a, const char *what, th_view key) {
    (void)th_machine_trap(a->m, TH_E_ARGUMENT,
                          "tried to add %s context of %.*s, which is not a derivation, to a string", what,
                          (int)(key.len < 400 ? key.len : 400), key.data);
    return false;
}

static bool append_outputs(appending *a, th_value list, th_view key, th_view path) {
    if (!nix_is_list(list)) return (void)nix_expected(a->m, "a list", list), false;
    if (th_array_len(list) && !is_derivation_path(key)) return not_derivation(a, "derivation output", key);
    for (size_t i = 0; i < th_array_len(list); i++) {
        th_view output;
        if (!nix_want_plain(a->m, th_array_items(list)[i], &output) || !append_element(a, "!", output, path))
            return false;
    }
    return true;
}

static bool append_info(appending *a, const nix_state *state, th_view key, th_value info) {
    th_view path;
    bool plain, all;
    if (!is_store_path(state, key, &path)) {
        (void)th_machine_trap(a->m, TH_E_ARGUMENT, "context key '%.*s' is not a store path",
                              (int)(key.len < 400 ? key.len : 400), key.data);
        return false;
    }
    if (!nix_is_set(info)) return (void)nix_expected(a->m, "a set", info), false;
    if (!flag_of(a, info, nix_name_symbol(state, NIX_S_PATH), &plain)) return false;
    if (!flag_of(a, info, nix_name_symbol(state, NIX_S_ALL_OUTPUTS), &all)) return false;
    if (all && !is_derivation_path(key)) return not_derivation(a, "all-outputs", key);
    if (plain && !append_element(a, "", (th_view){"", 0}, path)) return false;
    if (all && !append_element(a, "=", (th_view){"", 0}, path)) return false;
    th_value outputs = th_record_get(th_machine_heap(a->m), info, nix_name_symbol(state, NIX_S_OUTPUTS));
    return outputs == TH_V_ABSENT || append_outputs(a, th_deref(outputs), key, path);
}

/* Whether everything that is looked at in { path = { path; allOutputs; outputs; }; } is evaluated. */
static bool context_ready(th_machine *m, const nix_state *state, th_value set) {
    static const nix_name_id fields[] = {NIX_S_PATH, NIX_S_ALL_OUTPUTS, NIX_S_OUTPUTS};
    th_heap *heap = th_machine_heap(m);
    const th_shape *shape = th_record_shape(heap, set);
    for (uint32_t i = 0; i < shape->count; i++) {
        th_value info = th_record_values(set)[i];
        if (!th_evaluated(&info)) return false;
        for (size_t k = 0; nix_is_set(info) && k < TH_COUNT(fields); k++) {
            th_value v = th_record_get(heap, info, nix_name_symbol(state, fields[k]));
            if (!th_evaluated(&v)) return false;
            for (size_t j = 0; nix_is_list(v) && j < th_array_len(v); j++)
                if (th_is_unevaluated(th_deref(th_array_items(v)[j]))) return false;
        }
    }
    return true;
}

static th_step append_context(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    th_value s = th_deref(call->args[0]), set = call->args[1], out;
    th_view text;
    if (!state || !heap || !nix_want_text(m, s, &text)) return TH_STEP_ERROR;
    if (!context_ready(m, state, set)) {
        th_value forced;
        if (!nix_later(m, NIX_I_DEEP_FORCE, &set, 1, &forced)) return TH_STEP_ERROR;
        return nix_again(m, call, NIX_I_APPEND_CONTEXT, 2, 1, forced);
    }
    appending a = {.m = m, .call = call, .context = th_string_context(s)};
    const th_shape *shape = th_record_shape(heap, set);
    NIX_CHARGE(m, shape->count * 8 + 1);
    for (uint32_t i = 0; i < shape->count; i++)
        if (!append_info(&a, state, th_symbol_text(heap, shape->keys[i]), th_deref(th_record_values(set)[i])))
            return TH_STEP_ERROR;
    return nix_text_with(m, text, a.context, &out) ? nix_done(call, out) : TH_STEP_ERROR;
}

/* ---- Names and versions ------------------------------------------------------------------------------------------ */

static th_step parse_drv_name(th_machine *m, th_call *call) {
    static const char *const names[] = {"name", "version"};
    th_view s;
    th_value values[2], set;
    if (!nix_want_plain(m, call->args[0], &s)) return TH_STEP_ERROR;
    size_t dash = 0; /* the first that no letter follows */
    for (; dash + 1 < s.len; dash++) {
        char next = s.data[dash + 1];
        bool letter = (next >= 'a' && next <= 'z') || (next >= 'A' && next <= 'Z');
        if (s.data[dash] == '-' && !letter) break;
    }
    bool found = dash + 1 < s.len;
    th_view version = found ? (th_view){s.data + dash + 1, s.len - dash - 1} : (th_view){"", 0};
    if (!nix_text(m, (th_view){s.data, found ? dash : s.len}, &values[0]) || !nix_text(m, version, &values[1]))
        return TH_STEP_ERROR;
    return nix_record(m, names, values, 2, &set) ? nix_done(call, set) : TH_STEP_ERROR;
}

static th_step compare_versions(th_machine *m, th_call *call) {
    th_view a, b;
    if (!nix_want_plain(m, call->args[0], &a) || !nix_want_plain(m, call->args[1], &b)) return TH_STEP_ERROR;
    NIX_CHARGE(m, (a.len + b.len) / 4 + 1);
    int order = nix_compare_versions(a, b);
    return nix_done(call, th_of_int(order < 0 ? -1 : order > 0));
}

static th_step split_version(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_view s, component;
    th_value *items, out, text;
    size_t n = 0;
    if (!heap || !nix_want_plain(m, call->args[0], &s)) return TH_STEP_ERROR;
    NIX_CHARGE(m, s.len / 2 + 1);
    for (th_view rest = s; nix_version_next(&rest, &component) && component.len;) n++;
    if (!th_new_array(heap, n, TH_V_NULL, &items, &out)) return nix_no_memory(m);
    th_view rest = s;
    for (size_t i = 0; i < n && nix_version_next(&rest, &component); i++) {
        if (!nix_text(m, component, &text)) return TH_STEP_ERROR;
        th_heap_set(heap, th_obj(out), &items[i], text);
    }
    return nix_done(call, out);
}

const th_builtin nix_lib_string[] = {
    {"nix.substring", "start: value, len: value, s: value -> value",
     "The len bytes of the string from byte `start` on; fewer where it ends, all the rest when len is negative.",
     substring, 0, 0, NULL, "vvv"},
    {"nix.stringLength", "e: value -> value", "The length of the string in bytes.", string_length, 0, 0, NULL, "v"},
    {"nix.concatStringsSep", "separator: value, list: value -> value",
     "The strings of the list with the separator between them.", concat_strings_sep, 0, 0, NULL, "vl"},
    {"nix.replaceStrings", "from: value, to: value, s: value -> value",
     "The string with each occurrence of a string of the first list replaced by the one at the same place in the "
     "second; the "
     "first that fits counts.",
     replace_strings, 0, 0, NULL, "llv"},
    {"nix.hasContext", "s: value -> value", "Whether the string depends on paths of the store.", has_context, 0, 0,
     NULL, "v"},
    {"nix.getContext", "s: value -> value",
     "What the string depends on: a set from store paths to { path; allOutputs; outputs; }, each where it applies.",
     get_context, 0, 0, NULL, "v"},
    {"nix.appendContext", "s: value, context: value -> value",
     "The string, depending also on what a set as getContext makes it tells.", append_context, 0, 0, NULL, "vr"},
    {"nix.unsafeDiscardStringContext", "s: value -> value", "The string without what it depends on.", discard_context,
     0, 0, NULL, "v"},
    {"nix.unsafeDiscardOutputDependency", "s: value -> value",
     "The string, depending on derivations alone where it depended on all their outputs.", discard_output, 0, 0, NULL,
     "v"},
    {"nix.addDrvOutputDependencies", "s: value -> value",
     "The path of a derivation as a string, depending on all its outputs as well.", add_drv_outputs, 0, 0, NULL, "v"},
    {"nix.parseDrvName", "s: value -> value",
     "{ name; version; } of a package: the version begins behind the first dash that no letter follows.",
     parse_drv_name, 0, 0, NULL, "v"},
    {"nix.compareVersions", "s1: value, s2: value -> value",
     "-1, 0 or 1: whether s1 is an older, the same or a newer version than s2.", compare_versions, 0, 0, NULL, "vv"},
    {"nix.splitVersion", "s: value -> value", "The components of a version.", split_version, 0, 0, NULL, "v"},
};
const size_t nix_lib_string_count = TH_COUNT(nix_lib_string);
