/*
** builtin.c - what the builtins of Nix share: results, traps about values, and one builtin going on as another.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

#include <stdio.h>

#include "machine/builtin_value.h"

/* ---- Results ----------------------------------------------------------------------------------------------------- */

th_step nix_no_memory(th_machine *m) {
    bool limit = false;
    for (th_mem *mem = th_machine_mem(m); mem; mem = mem->parent) limit |= atomic_load(&mem->refused);
    th_status status = limit ? TH_E_MEMORY_LIMIT : TH_E_NOMEM;
    return th_machine_trap(m, status, "%s", th_status_text(status));
}

th_step nix_done_int(th_machine *m, th_call *call, int64_t i) {
    th_value v = th_of_int(i);
    if (!th_int_fits(i)) {
        th_heap *heap = th_machine_heap(m);
        if (!heap) return TH_STEP_ERROR;
        if (!th_new_int(heap, i, &v)) return nix_no_memory(m);
    }
    return nix_done(call, v);
}

th_step nix_done_float(th_machine *m, th_call *call, double x) {
    th_value v;
    if (x != x) x = __builtin_nan("");
    if (!th_float_fits(x, &v)) {
        th_heap *heap = th_machine_heap(m);
        if (!heap) return TH_STEP_ERROR;
        if (!th_new_float(heap, x, &v)) return nix_no_memory(m);
    }
    return nix_done(call, v);
}

th_step nix_done_text(th_machine *m, th_call *call, th_view text) {
    th_value v;
    return nix_text(m, text, &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

void *nix_scratch(th_machine *m, size_t n, size_t item_bytes) {
    void *block = n <= SIZE_MAX / 2 / item_bytes ? th_mem_new(th_machine_mem(m), (n ? n : 1) * item_bytes) : NULL;
    if (!block) (void)nix_no_memory(m);
    return block;
}

void nix_scratch_free(th_machine *m, void *block, size_t n, size_t item_bytes) {
    if (block) th_mem_free(th_machine_mem(m), block, (n ? n : 1) * item_bytes);
}

/* ---- Kinds ------------------------------------------------------------------------------------------------------- */

bool nix_is_applicable(th_machine *m, th_value v) {
    if (nix_is_function(v)) return true;
    if (!nix_is_set(v)) return false;
    nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    return state && heap && th_record_get(heap, v, nix_name_symbol(state, NIX_S_FUNCTOR)) != TH_V_ABSENT;
}

const char *nix_builtin_name(th_machine *m, th_value fn) {
    const th_builtin *builtin = th_builtin_of_value(m, fn);
    if (!builtin) return NULL;
    const char *point = strchr(builtin->name, '.');
    return point ? point + 1 : builtin->name;
}

const char *nix_type_word(th_machine *m, th_value v, char buf[96]) {
    v = th_deref(v);
    if (nix_is_path(v)) return "a path";
    if (nix_is_text(v) && nix_has_context(v)) return "a string with context";
    const char *name = nix_is_function(v) ? nix_builtin_name(m, v) : NULL;
    if (!name) return nix_words.names[th_value_kind_of(v)];
    bool partial = th_is_kind(v, TH_OBJ_PARTIAL);
    snprintf(buf, 96, "the %sbuilt-in function '%.50s'", partial ? "partially applied " : "", name);
    return buf;
}

/* ---- Traps ------------------------------------------------------------------------------------------------------- */

th_step nix_expected(th_machine *m, const char *what, th_value found) {
    char word[96];
    th_buf text;
    th_buf_init(&text, th_machine_mem(m));
    nix_print_error(m, found, &text);
    th_step step = th_machine_trap(m, TH_E_TYPE, "expected %s but found %s: %s", what, nix_type_word(m, found, word),
                                   text.data ? text.data : "?");
    th_buf_clear(&text);
    return step;
}

bool nix_want_text(th_machine *m, th_value v, th_view *out) {
    v = th_deref(v);
    if (!nix_is_text(v)) {
        (void)nix_expected(m, "a string", v);
        return false;
    }
    *out = th_string_view(v);
    return true;
}

bool nix_want_plain(th_machine *m, th_value v, th_view *out) {
    v = th_deref(v);
    th_view text;
    if (!nix_want_text(m, v, &text)) return false;
    if (nix_has_context(v)) {
        th_view first = th_string_view(th_deref(th_array_items(th_string_context(v))[0]));
        (void)th_machine_trap(
            m, TH_E_TYPE, "the string '%.*s' is not allowed to refer to a store path (such as '%.*s')",
            (int)(text.len < 300 ? text.len : 300), text.data, (int)(first.len < 300 ? first.len : 300), first.data);
        return false;
    }
    *out = text;
    return true;
}

bool nix_want_bool(th_machine *m, th_value v, bool *out) {
    v = th_deref(v);
    if (!th_is_bool(v)) {
        (void)nix_expected(m, "a Boolean", v);
        return false;
    }
    *out = v == TH_V_TRUE;
    return true;
}

bool nix_want_int(th_machine *m, th_value v, int64_t *out) {
    v = th_deref(v);
    if (nix_is_int(v) && th_get_i64(v, out)) return true;
    (void)nix_expected(m, "an integer", v);
    return false;
}

bool nix_want_float(th_machine *m, th_value v, double *out) {
    v = th_deref(v);
    int64_t i;
    if (nix_is_float(v) && th_get_f64(v, out)) return true;
    if (!nix_is_int(v) || !th_get_i64(v, &i)) {
        (void)nix_expected(m, "a float", v);
        return false;
    }
    *out = (double)i;
    return true;
}

th_step nix_missing(th_machine *m, th_value set, th_view name) {
    th_heap *heap = th_machine_heap(m);
    th_value flat;
    th_suggest s;
    th_suggest_init(&s, name);
    if (heap && nix_is_set(set) && th_record_flat(heap, set, &flat)) {
        const th_shape *shape = th_record_shape(heap, flat);
        for (uint32_t i = 0; i < shape->count; i++) th_suggest_try(&s, th_symbol_text(heap, shape->keys[i]));
    }
    int shown = (int)(name.len < 300 ? name.len : 300);
    if (!s.best.data || s.best.len > 300)
        return th_machine_trap(m, TH_E_REFERENCE, "attribute '%.*s' missing", shown, name.data);
    return th_machine_trap(m, TH_E_REFERENCE, "attribute '%.*s' missing; did you mean '%.*s'?", shown, name.data,
                           (int)s.best.len, s.best.data);
}

bool nix_symbol(th_machine *m, th_view name, th_symbol *out) {
    th_heap *heap = th_machine_heap(m);
    if (!heap) return false;
    *out = th_symbol_of(heap, name);
    if (*out == 0) (void)nix_no_memory(m);
    return *out != 0;
}

bool nix_function_ready(th_machine *m, th_call *call, size_t i, uint32_t state, th_step *step) {
    th_value f = call->args[i];
    if (!th_evaluated(&f)) {
        *step = th_call_force(m, call, f, state);
        return false;
    }
    call->args[i] = f;
    if (nix_is_applicable(m, f)) return true;
    *step = nix_expected(m, "a function", f);
    return false;
}

/* ---- One builtin going on as another ----------------------------------------------------------------------------- */

bool nix_later(th_machine *m, nix_internal fn, const th_value *args, size_t n, th_value *out) {
    const nix_state *state = nix_state_of(m);
    if (!state) return false;
    th_value f = nix_internal_value(state, fn);
    if (f == TH_V_ABSENT) {
        (void)th_machine_trap(m, TH_E_UNSUPPORTED, "this part of the Nix library is not there");
        return false;
    }
    return th_new_apply(m, f, args, n, out);
}

th_step nix_tail(th_machine *m, th_call *call, nix_internal fn, const th_value *args, size_t n) {
    th_value v;
    return nix_later(m, fn, args, n, &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

th_step nix_after(th_machine *m, th_call *call, nix_internal self, size_t nargs, th_value wanted) {
    th_value again;
    if (!nix_later(m, self, call->args, nargs, &again)) return TH_STEP_ERROR;
    th_value both[2] = {wanted, again};
    return nix_tail(m, call, NIX_I_SEQ, both, 2);
}

th_step nix_again(th_machine *m, th_call *call, nix_internal self, size_t nargs, size_t which, th_value instead) {
    th_value args[3];
    for (size_t i = 0; i < nargs && i < 3; i++) args[i] = i == which ? instead : call->args[i];
    return nix_tail(m, call, self, args, nargs);
}

th_step nix_after_items(th_machine *m, th_call *call, nix_internal self, size_t nargs, size_t which, int mode) {
    th_value args[2] = {call->args[which], th_of_int(mode)}, forced;
    if (!nix_later(m, NIX_I_FORCE_ITEMS, args, 2, &forced)) return TH_STEP_ERROR;
    return nix_again(m, call, self, nargs, which, forced);
}

th_step nix_after_coerce(th_machine *m, th_call *call, nix_internal self, size_t nargs, size_t which, uint32_t flags) {
    th_value args[2] = {call->args[which], th_of_int(flags)}, text;
    if (!nix_later(m, NIX_I_COERCE, args, 2, &text)) return TH_STEP_ERROR;
    return nix_again(m, call, self, nargs, which, text);
}

static th_step apply_internal(th_machine *m, th_call *call, nix_internal fn, const th_value *args, size_t n,
                              uint32_t next_state) {
    const nix_state *state = nix_state_of(m);
    if (!state) return TH_STEP_ERROR;
    return th_call_apply(m, call, nix_internal_value(state, fn), args, n, next_state);
}

th_step nix_coerce(th_machine *m, th_call *call, th_value v, uint32_t flags, uint32_t next_state) {
    th_value args[2] = {v, th_of_int(flags)};
    return apply_internal(m, call, NIX_I_COERCE, args, 2, next_state);
}

th_step nix_equal(th_machine *m, th_call *call, th_value a, th_value b, uint32_t next_state) {
    th_value args[2] = {a, b};
    return apply_internal(m, call, NIX_I_EQUAL, args, 2, next_state);
}

th_step nix_deep_force(th_machine *m, th_call *call, th_value v, uint32_t next_state) {
    return apply_internal(m, call, NIX_I_DEEP_FORCE, &v, 1, next_state);
}

/* ---- Records ----------------------------------------------------------------------------------------------------- */

th_value nix_get(th_machine *m, th_value record, const char *name) {
    th_heap *heap = th_machine_heap(m);
    th_symbol symbol = heap ? th_symbol_find(heap, th_view_of(name)) : 0;
    return symbol ? th_record_get(heap, record, symbol) : TH_V_ABSENT;
}

bool nix_record(th_machine *m, const char *const *names, const th_value *values, size_t n, th_value *out) {
    enum { MOST = 16 };
    th_symbol keys[MOST];
    th_heap *heap = th_machine_heap(m);
    if (!heap) return false;
    for (size_t i = 0; i < n && i < MOST; i++)
        if (!nix_symbol(m, th_view_of(names[i]), &keys[i])) return false;
    if (th_record_build(heap, keys, values, NULL, n < MOST ? n : MOST, out)) return true;
    (void)nix_no_memory(m);
    return false;
}

bool nix_place_set(th_machine *m, const th_place *place, th_value *out) {
    static const char *const names[] = {"file", "line", "column"};
    if (!place->file || place->file[0] != '/') { /* not of a file */
        *out = TH_V_NULL;
        return true;
    }
    th_value values[3] = {0, th_of_int(place->span.line), th_of_int(place->span.column)};
    return nix_text(m, th_view_of(place->file), &values[0]) && nix_record(m, names, values, 3, out);
}

/* ---- Facts of functions ------------------------------------------------------------------------------------------ */

bool nix_each_formal(th_machine *m, th_value fn, bool (*found)(void *user, th_view name, bool optional), void *user,
                     bool *ellipsis) {
    *ellipsis = false;
    /* x: { a }: ... is one function of two parameters, and the note is about the last. */
    if (!nix_is_function(fn) || th_is_kind(fn, TH_OBJ_BUILTIN) || th_value_arity(m, fn) != 1) return false;
    const th_str *note = th_value_note(m, fn);
    if (!note || note->len == 0) return false;
    const char *last = memrchr(note->bytes, '\n', note->len);
    const char *p = last ? last + 1 : note->bytes, *end = note->bytes + note->len;
    if (*p++ != '{') return false;
    while (p < end) {
        while (p < end && *p == ' ') p++;
        const char *word = p;
        while (p < end && *p != ' ') p++;
        if (p == word) break;
        if (p - word == 3 && memcmp(word, "...", 3) == 0) {
            *ellipsis = true;
            continue;
        }
        if (*word == '@') continue;
        bool optional = *word == '?';
        word += optional;
        const char *colon = memchr(word, ':', (size_t)(p - word));
        if (!found(user, (th_view){word, (size_t)((colon ? colon : p) - word)}, optional)) break;
    }
    return true;
}
