/*
** xml.c - Nix: values as XML, in the form that builtins.toXML and --xml give. It does not recurse: containers under way
** are on the builtin's stack of values, each with the number of its next item and what it is written as.
** SPDX-License-Identifier: Apache-2.0
*/
#include <stdio.h>
#include <stdlib.h>

#include "lang/nix/convert.h"

enum { X_BYTES, X_LEN, X_CONTEXT, X_VALUE, X_SEEN, X_SEEN_COUNT, X_DEPTH };
enum { X_START, X_VALUE_AGAIN, X_NEXT };
enum { AS_LIST, AS_SET, AS_DERIVATION };
enum { SLICE = 1 << 16 };

static const char *const container_names[] = {"list", "attrs", "derivation"};

typedef struct xml_walk {
    th_machine *m;
    th_call *call;
    th_heap *heap;
    const nix_state *state;
    th_buf out;
    int64_t work;
    bool strict, locations;
    th_step step;
} xml_walk;

static bool stop(xml_walk *w, th_step step) {
    w->step = step;
    return false;
}

/* ---- Elements ----------------------------------------------------------------------------------------------- */

static void indent(xml_walk *w) {
    for (uint64_t i = 0; i < w->call->slots[X_DEPTH]; i++) th_buf_put(&w->out, "  ", 2);
    w->work += (int64_t)w->call->slots[X_DEPTH] / 4;
}

static void begin(xml_walk *w, const char *name) {
    indent(w);
    th_buf_char(&w->out, '<');
    th_buf_text(&w->out, name);
}

static void attribute(xml_walk *w, const char *name, th_view value) {
    th_buf_printf(&w->out, " %s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        switch (value.data[i]) {
        case '"': th_buf_text(&w->out, "&quot;"); break;
        case '<': th_buf_text(&w->out, "&lt;"); break;
        case '>': th_buf_text(&w->out, "&gt;"); break;
        case '&': th_buf_text(&w->out, "&amp;"); break;
        case '\n': th_buf_text(&w->out, "&#xA;"); break;
        default: th_buf_char(&w->out, value.data[i]);
        }
    }
    th_buf_char(&w->out, '"');
    w->work += (int64_t)(value.len / 4);
}

static void opened(xml_walk *w) {
    th_buf_text(&w->out, ">\n");
    w->call->slots[X_DEPTH]++;
}

static void empty(xml_walk *w) { th_buf_text(&w->out, " />\n"); }

static void closing(xml_walk *w, const char *name) {
    w->call->slots[X_DEPTH]--;
    indent(w);
    th_buf_printf(&w->out, "</%s>\n", name);
}

static void simple(xml_walk *w, const char *name, th_view value) {
    begin(w, name);
    attribute(w, "value", value);
    empty(w);
}

/* Attributes are in the order of their names: column, line, (name,) path. */
static void place_before(xml_walk *w, const th_place *place) {
    char number[16];
    snprintf(number, sizeof number, "%u", place->span.column);
    attribute(w, "column", th_view_of(number));
    snprintf(number, sizeof number, "%u", place->span.line);
    attribute(w, "line", th_view_of(number));
}

static void place_after(xml_walk *w, const th_place *place) {
    if (place->file && place->file[0] == '/') attribute(w, "path", th_view_of(place->file));
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b) { return th_view_compare(*(const th_view *)a, *(const th_view *)b); }

/* A function's note has a line for each parameter: "{ a:1:2 ?b:1:5 ... @all" of a set pattern, else its name. The one
** that the next argument goes to: counted from the end, since a partial application has fewer left. */
static th_view next_parameter(th_machine *m, th_value fn) {
    const th_str *note = th_value_note(m, fn);
    uint32_t left = th_value_arity(m, fn);
    if (!note || left == 0) return (th_view){"", 0};
    size_t end = note->len;
    for (;; left--) {
        size_t from = end;
        while (from > 0 && note->bytes[from - 1] != '\n') from--;
        if (left == 1) return (th_view){note->bytes + from, end - from};
        if (from == 0) return (th_view){"", 0};
        end = from - 1;
    }
}

static bool next_word(th_view *rest, th_view *word) {
    while (rest->len && *rest->data == ' ') rest->data++, rest->len--;
    size_t n = 0;
    while (n < rest->len && rest->data[n] != ' ') n++;
    *word = (th_view){rest->data, n};
    *rest = (th_view){rest->data + n, rest->len - n};
    return n > 0;
}

static bool pattern(xml_walk *w, th_view note) {
    th_view rest = note, word, name = {"", 0};
    size_t n = 0, most = 0;
    bool ellipsis = false;
    while (next_word(&rest, &word)) most++;
    th_view *formals = nix_scratch(w->m, most, sizeof *formals);
    if (!formals) return stop(w, TH_STEP_ERROR);
    for (rest = note; next_word(&rest, &word);) {
        if (th_view_is(word, "...")) {
            ellipsis = true;
        } else if (word.data[0] == '@') {
            name = (th_view){word.data + 1, word.len - 1};
        } else {
            if (word.data[0] == '?') word.data++, word.len--;
            const char *colon = memchr(word.data, ':', word.len);
            formals[n++] = (th_view){word.data, colon ? (size_t)(colon - word.data) : word.len};
        }
    }
    if (n) qsort(formals, n, sizeof *formals, by_text);
    begin(w, "attrspat");
    if (ellipsis) attribute(w, "ellipsis", th_view_of("1"));
    if (name.len) attribute(w, "name", name);
    opened(w);
    for (size_t i = 0; i < n; i++) {
        begin(w, "attr");
        attribute(w, "name", formals[i]);
        empty(w);
    }
    closing(w, "attrspat");
    nix_scratch_free(w->m, formals, most, sizeof *formals);
    return true;
}

static bool function(xml_walk *w, th_value fn) {
    th_value inner = fn;
    while (th_is_kind(inner, TH_OBJ_PARTIAL)) inner = th_deref(th_obj(inner)[1]);
    if (th_is_kind(inner, TH_OBJ_BUILTIN)) {
        begin(w, "unevaluated");
        empty(w);
        return true;
    }
    th_place place = {0};
    bool placed = w->locations && th_value_place(w->m, fn, &place);
    begin(w, "function");
    if (placed) {
        place_before(w, &place);
        place_after(w, &place);
    }
    opened(w);
    th_view text = next_parameter(w->m, fn);
    if (text.len && text.data[0] == '{') {
        if (!pattern(w, (th_view){text.data + 1, text.len - 1})) return false;
    } else {
        begin(w, "varpat");
        attribute(w, "name", text);
        empty(w);
    }
    closing(w, "function");
    return true;
}

/* ---- Containers --------------------------------------------------------------------------------------------- */

static bool push_container(xml_walk *w, th_value container, int as) {
    opened(w);
    if (th_call_push(w->m, w->call, container) && th_call_push_raw(w->m, w->call, 0) &&
        th_call_push_raw(w->m, w->call, (uint64_t)as))
        return true;
    return stop(w, TH_STEP_ERROR);
}

static uint32_t *seen_table(th_value object) { return (uint32_t *)(void *)(th_obj(object) + 1); }

static bool grow_seen(xml_walk *w) {
    th_value old = w->call->slots[X_SEEN];
    size_t had = old == TH_V_NULL ? 0 : (size_t)th_header_size(*th_obj(old)) / 4, room = had ? had * 2 : 64;
    uint64_t *object = th_heap_words(w->heap, 1 + room / 2);
    if (!object) return stop(w, nix_no_memory(w->m));
    object[0] = TH_HEADER(TH_OBJ_BYTES, 0, room * 4);
    memset(object + 1, 0, room * 4);
    th_value fresh = th_of_object(object);
    for (size_t i = 0; i < had; i++) {
        uint32_t symbol = seen_table(old)[i];
        size_t at = (size_t)th_hash_word(symbol) & (room - 1);
        while (symbol && seen_table(fresh)[at]) at = (at + 1) & (room - 1);
        if (symbol) seen_table(fresh)[at] = symbol;
    }
    w->call->slots[X_SEEN] = fresh;
    return true;
}

/* Whether a derivation is met for the first time. */
static bool first_time(xml_walk *w, th_view path, bool *first) {
    th_symbol symbol;
    uint64_t *slots = w->call->slots;
    if (!nix_symbol(w->m, path, &symbol)) return stop(w, TH_STEP_ERROR);
    size_t room = slots[X_SEEN] == TH_V_NULL ? 0 : (size_t)th_header_size(*th_obj(slots[X_SEEN])) / 4;
    if ((slots[X_SEEN_COUNT] + 1) * 2 > room) {
        if (!grow_seen(w)) return false;
        room = (size_t)th_header_size(*th_obj(slots[X_SEEN])) / 4;
    }
    uint32_t *table = seen_table(slots[X_SEEN]);
    size_t at = (size_t)th_hash_word(symbol) & (room - 1);
    while (table[at] && table[at] != symbol) at = (at + 1) & (room - 1);
    *first = table[at] == 0;
    table[at] = symbol;
    slots[X_SEEN_COUNT] += *first;
    return true;
}

/* A field that is there, evaluated when it may be. False: it has to be evaluated first, and then the set is looked at
** again. */
static bool field(xml_walk *w, th_value set, nix_name_id name, bool force, th_value *out) {
    *out = th_record_get(w->heap, set, nix_name_symbol(w->state, name));
    if (*out == TH_V_ABSENT || th_evaluated(out) || !force) return true;
    w->call->slots[X_VALUE] = set;
    return stop(w, th_call_force(w->m, w->call, *out, X_VALUE_AGAIN));
}

static bool set(xml_walk *w, th_value v) {
    th_value type, drv_path, out_path, flat;
    bool first = false;
    if (!field(w, v, NIX_S_TYPE, true, &type)) return false;
    bool derivation = type != TH_V_ABSENT && nix_is_text(type) && th_view_is(th_string_view(type), "derivation");
    if (!th_record_flat(w->heap, v, &flat)) return stop(w, nix_no_memory(w->m));
    if (!derivation) {
        begin(w, "attrs");
        return push_container(w, flat, AS_SET);
    }
    if (!field(w, v, NIX_S_DRV_PATH, w->strict, &drv_path) || !field(w, v, NIX_S_OUT_PATH, w->strict, &out_path))
        return false;
    begin(w, "derivation");
    bool named = drv_path != TH_V_ABSENT && nix_is_text(drv_path);
    if (named) attribute(w, "drvPath", th_string_view(drv_path));
    if (out_path != TH_V_ABSENT && nix_is_text(out_path)) attribute(w, "outPath", th_string_view(out_path));
    if (named && th_string_len(drv_path) && !first_time(w, th_string_view(drv_path), &first)) return false;
    if (first) return push_container(w, flat, AS_DERIVATION);
    opened(w);
    begin(w, "repeated");
    empty(w);
    closing(w, "derivation");
    return true;
}

/* ---- The walk ----------------------------------------------------------------------------------------------- */

static bool text_value(xml_walk *w, th_value v) {
    th_value context = th_string_context(v);
    if (context != TH_V_NULL && !nix_context_join(w->m, w->call->slots[X_CONTEXT], context, &w->call->slots[X_CONTEXT]))
        return stop(w, TH_STEP_ERROR);
    simple(w, nix_is_path(v) ? "path" : "string", th_string_view(v));
    return true;
}

static bool number(xml_walk *w, th_value v) {
    char digits[32];
    int64_t i;
    double x;
    if (nix_is_int(v) && th_get_i64(v, &i)) {
        simple(w, "int", (th_view){digits, th_format_i64(i, digits)});
    } else if (nix_is_float(v) && th_get_f64(v, &x)) {
        th_buf text;
        th_buf_init(&text, th_machine_mem(w->m));
        nix_print_float(x, false, &text);
        simple(w, "float", (th_view){text.data ? text.data : "", text.len});
        th_buf_clear(&text);
    } else {
        begin(w, "unevaluated");
        empty(w);
    }
    return true;
}

static bool value(xml_walk *w, th_value v) {
    w->work++;
    if (!th_evaluated(&v)) {
        if (w->strict) return stop(w, th_call_force(w->m, w->call, v, X_VALUE_AGAIN));
        begin(w, "unevaluated");
        empty(w);
        return true;
    }
    if (th_is_bool(v)) return simple(w, "bool", th_view_of(v == TH_V_TRUE ? "true" : "false")), true;
    if (v == TH_V_NULL) return begin(w, "null"), empty(w), true;
    if (th_is_kind(v, TH_OBJ_STRING)) return text_value(w, v);
    if (nix_is_function(v)) return function(w, v);
    if (nix_is_set(v)) return set(w, v);
    if (!nix_is_list(v)) return number(w, v);
    begin(w, "list");
    return push_container(w, v, AS_LIST);
}

static bool open_attr(xml_walk *w, th_value container, const th_shape *shape, uint32_t at) {
    th_place place = {0};
    bool placed =
        w->locations && th_machine_place(w->m, th_record_position(w->heap, container, shape->keys[at]), &place);
    begin(w, "attr");
    if (placed) place_before(w, &place);
    attribute(w, "name", th_symbol_text(w->heap, shape->keys[at]));
    if (placed) place_after(w, &place);
    opened(w);
    return true;
}

/* The next value, or TH_V_ABSENT after the end of a container. */
static bool next(xml_walk *w, th_value *v, bool *over) {
    size_t depth = th_call_depth(w->m, w->call);
    *over = depth == 0;
    *v = TH_V_ABSENT;
    if (depth == 0) return true;
    th_value *top = th_call_stack(w->m, w->call) + depth - 3;
    size_t i = (size_t)th_int(top[1]), as = (size_t)th_int(top[2]);
    const th_shape *shape = as == AS_LIST ? NULL : th_record_shape(w->heap, top[0]);
    size_t n = shape ? shape->count : th_array_len(top[0]);
    if (shape && i) closing(w, "attr");
    if (i == n) {
        closing(w, container_names[as]);
        for (int k = 0; k < 3; k++) (void)th_call_pop(w->m, w->call);
        return true;
    }
    top[1] = th_of_int((int64_t)i + 1);
    if (!shape) return *v = th_array_items(top[0])[i], true;
    const uint32_t *order = th_shape_order(w->heap, shape);
    if (!order) return stop(w, nix_no_memory(w->m));
    *v = th_record_values(top[0])[order[i]];
    return open_attr(w, top[0], shape, order[i]);
}

static th_step steps(xml_walk *w, th_value v) {
    bool over = false;
    for (int64_t since = 0;;) {
        if (v != TH_V_ABSENT && !value(w, v)) return w->step;
        if (w->work >= 1024) {
            NIX_CHARGE(w->m, w->work);
            since += w->work;
            w->work = 0;
        }
        if (since >= SLICE) {
            w->call->state = X_NEXT;
            return TH_STEP_AGAIN;
        }
        if (!next(w, &v, &over)) return w->step;
        if (over) return TH_STEP_DONE;
    }
}

static th_value resumed(xml_walk *w) {
    th_call *call = w->call;
    th_value v = TH_V_ABSENT;
    if (call->state == X_START) {
        nix_output_start(call, X_BYTES);
        call->slots[X_CONTEXT] = call->slots[X_VALUE] = call->slots[X_SEEN] = TH_V_NULL;
        call->slots[X_SEEN_COUNT] = 0;
        call->slots[X_DEPTH] = 1;
        th_buf_text(&w->out, "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n");
        v = call->args[0];
    } else if (call->state == X_VALUE_AGAIN) {
        v = call->slots[X_VALUE] == TH_V_NULL ? call->callback : call->slots[X_VALUE];
        call->slots[X_VALUE] = TH_V_NULL;
    }
    return v;
}

th_step nix_to_xml(th_machine *m, th_call *call) {
    int64_t flags = th_int(call->args[1]);
    xml_walk w = {.m = m,
                  .call = call,
                  .heap = th_machine_heap(m),
                  .state = nix_state_of(m),
                  .strict = flags & NIX_PRINT_STRICT,
                  .locations = flags & NIX_PRINT_XML_LOCATIONS,
                  .step = TH_STEP_ERROR};
    if (!w.heap || !w.state) return TH_STEP_ERROR;
    th_buf_init(&w.out, th_machine_mem(m));
    th_step step = steps(&w, resumed(&w));
    th_value text;
    if (step == TH_STEP_DONE) {
        th_buf_text(&w.out, "</expr>\n");
        if (!th_machine_charge(m, w.work) || !nix_output_text(m, call, X_BYTES, &w.out, call->slots[X_CONTEXT], &text))
            step = TH_STEP_ERROR;
    } else if ((step == TH_STEP_CALL || step == TH_STEP_AGAIN) && !nix_output_keep(m, call, X_BYTES, &w.out)) {
        step = TH_STEP_ERROR;
    }
    th_buf_clear(&w.out);
    return step == TH_STEP_DONE ? nix_done(call, text) : step;
}
