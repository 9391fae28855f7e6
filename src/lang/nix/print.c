/*
** print.c - Nix values as text: as nix-instantiate --eval writes them, as trace and errors show them, as the REPL does.
**
** Printing evaluates nothing: what is to be shown whole is evaluated first, by a walk of its own. It is one pass with
** a stack of its own, to any depth. A set, or a list in the same place, that was shown before is shown as «repeated».
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

#include <stdio.h>

/* ---- Scalars ----------------------------------------------------------------------------------------------------- */

static void elided(size_t n, const char *what, th_buf *out) {
    th_buf_printf(out, "«%zu %s%s elided»", n, what, n == 1 ? "" : "s");
}

static void print_text(th_view text, size_t most, th_buf *out) {
    th_buf_char(out, '"');
    size_t from = 0, end = text.len < most ? text.len : most;
    for (size_t i = 0; i < end; i++) {
        char c = text.data[i];
        char escape = c == '"' || c == '\\' ? c : c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\t' ? 't' : 0;
        if (c == '$' && i + 1 < text.len && text.data[i + 1] == '{') escape = '$';
        if (!escape) continue;
        th_buf_put(out, text.data + from, i - from);
        th_buf_char(out, '\\');
        th_buf_char(out, escape);
        from = i + 1;
    }
    if (end > from) th_buf_put(out, text.data + from, end - from);
    th_buf_char(out, '"');
    if (end == text.len) return;
    th_buf_char(out, ' ');
    elided(text.len - end, "byte", out);
}

void nix_print_text(th_view text, th_buf *out) { print_text(text, SIZE_MAX, out); }

bool nix_is_identifier(th_view name) {
    static const char *const reserved[] = {"if", "then", "else", "assert", "with", "let", "in", "rec", "inherit"};
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool other = (c >= '0' && c <= '9') || c == '\'' || c == '-';
        if (!letter && !(other && i > 0)) return false;
    }
    for (size_t i = 0; i < TH_COUNT(reserved); i++)
        if (th_view_is(name, reserved[i])) return false;
    return name.len > 0;
}

void nix_print_name(th_view name, th_buf *out) {
    if (nix_is_identifier(name))
        th_buf_put(out, name.data, name.len);
    else
        nix_print_text(name, out);
}

/* The digits and the exponent of the shortest text that reads back as x: x = 0.DIGITS * 10^point. */
static size_t shortest_digits(double x, char *digits, int *point) {
    char text[40];
    size_t n = th_format_f64(x, false, text), count = 0;
    int exponent = 0, before = 0;
    bool seen_point = false;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == 'e') {
            int sign = text[i + 1] == '-' ? -1 : 1;
            for (i += 1 + (text[i + 1] == '-' || text[i + 1] == '+'); i < n; i++)
                exponent = exponent * 10 + (text[i] - '0');
            exponent *= sign;
            break;
        }
        if (c == '.') seen_point = true;
        if (c < '0' || c > '9') continue;
        if (count == 0 && c == '0') { /* leading zeros move the point */
            before -= seen_point;
            continue;
        }
        digits[count++] = c;
        before += !seen_point;
    }
    *point = before + exponent;
    while (count > 1 && digits[count - 1] == '0') count--;
    return count;
}

/* As JSON's usual printers do: plain from 1e-4 up to 15 digits before the point, else with an exponent. */
static void print_json_float(double x, th_buf *out) {
    enum { LEAST = -4, MOST = 15 };
    char digits[40];
    int point;
    if (x - x != 0) return th_buf_text(out, "null");
    if (__builtin_signbit(x)) th_buf_char(out, '-');
    if (x == 0) return th_buf_text(out, "0.0");
    size_t n = shortest_digits(x < 0 ? -x : x, digits, &point);
    if ((int)n <= point && point <= MOST) {
        th_buf_put(out, digits, n);
        for (int i = (int)n; i < point; i++) th_buf_char(out, '0');
        th_buf_text(out, ".0");
    } else if (0 < point && point <= MOST) {
        th_buf_put(out, digits, (size_t)point);
        th_buf_char(out, '.');
        th_buf_put(out, digits + point, n - (size_t)point);
    } else if (LEAST < point && point <= 0) {
        th_buf_text(out, "0.");
        for (int i = point; i < 0; i++) th_buf_char(out, '0');
        th_buf_put(out, digits, n);
    } else {
        th_buf_char(out, digits[0]);
        if (n > 1) th_buf_char(out, '.');
        th_buf_put(out, digits + 1, n - 1);
        int e = point - 1;
        th_buf_printf(out, "e%c%02d", e < 0 ? '-' : '+', e < 0 ? -e : e);
    }
}

void nix_print_float(double x, bool json, th_buf *out) {
    char text[40];
    if (json) return print_json_float(x, out);
    snprintf(text, sizeof text, "%g", x);
    for (char *p = text; *p; p++)
        if (*p == ',') *p = '.'; /* whatever the locale says */
    th_buf_text(out, text);
}

/* ---- The printer ------------------------------------------------------------------------------------------------- */

typedef struct options {
    bool plain;                       /* as nix-instantiate --eval: <CODE>, <LAMBDA> ... */
    bool pretty;                      /* on several lines */
    bool derivations;                 /* as «derivation PATH» */
    bool errors;                      /* what failed as «error: ...» */
    size_t depth, attrs, items, text; /* the most of each */
} options;

static const options plain_options = {
    .plain = true, .depth = SIZE_MAX, .attrs = SIZE_MAX, .items = SIZE_MAX, .text = SIZE_MAX};
static const options trace_options = {.depth = SIZE_MAX, .attrs = SIZE_MAX, .items = SIZE_MAX, .text = SIZE_MAX};
static const options error_options = {.depth = 10, .attrs = 10, .items = 10, .text = 1024};

typedef struct frame {
    th_value container;    /* flat */
    const uint32_t *order; /* of a set's names */
    size_t i, n, cursor;
    size_t first[2]; /* fields that come before all others, when only a few are shown */
    uint8_t nfirst;
    bool pretty;
} frame;

typedef struct printer {
    th_machine *m;
    th_heap *heap;
    const nix_state *state;
    const options *options;
    th_buf *out;
    frame *frames;
    size_t depth, capacity;
    uintptr_t *seen; /* open addressing; 0: free */
    size_t nseen, seen_capacity;
    size_t attrs, items; /* shown so far */
    bool charges;
    bool failed; /* a trap is recorded, or the output is cut for want of memory */
} printer;

static void refuse(printer *p) {
    if (!p->failed) (void)nix_no_memory(p->m);
    p->failed = true;
}

static bool grow_seen(printer *p) {
    size_t old = p->seen_capacity, capacity = old ? old * 2 : 64;
    th_mem *mem = th_machine_mem(p->m);
    uintptr_t *to = th_mem_zeroed(mem, capacity * sizeof *to);
    if (!to) return false;
    for (size_t i = 0; i < old; i++) {
        if (!p->seen[i]) continue;
        size_t at = (size_t)th_hash_word(p->seen[i]) & (capacity - 1);
        while (to[at]) at = (at + 1) & (capacity - 1);
        to[at] = p->seen[i];
    }
    th_mem_free(mem, p->seen, old * sizeof *to);
    p->seen = to;
    p->seen_capacity = capacity;
    return true;
}

/* Whether this was shown before; from now on it was. */
static bool repeated(printer *p, const void *key) {
    if ((p->nseen + 1) * 2 > p->seen_capacity && !grow_seen(p)) return refuse(p), true;
    size_t mask = p->seen_capacity - 1, i = (size_t)th_hash_word((uintptr_t)key) & mask;
    for (; p->seen[i]; i = (i + 1) & mask)
        if (p->seen[i] == (uintptr_t)key) return true;
    p->seen[i] = (uintptr_t)key;
    p->nseen++;
    return false;
}

static void space(printer *p, bool pretty, size_t depth) {
    if (!pretty) return th_buf_char(p->out, ' ');
    th_buf_char(p->out, '\n');
    for (size_t i = 0; i < depth; i++) th_buf_text(p->out, "  ");
}

static void print_function(printer *p, th_value fn) {
    th_place place;
    const char *name = nix_builtin_name(p->m, fn);
    bool partial = th_is_kind(fn, TH_OBJ_PARTIAL);
    if (p->options->plain) return th_buf_text(p->out, !name ? "<LAMBDA>" : partial ? "<PRIMOP-APP>" : "<PRIMOP>");
    if (name) {
        th_buf_printf(p->out, "«%sprimop %s»", partial ? "partially applied " : "", name);
    } else if (th_value_place(p->m, fn, &place) && place.file) {
        th_buf_printf(p->out, "«lambda @ %s:%u:%u»", place.file, place.span.line, place.span.column);
    } else {
        th_buf_text(p->out, "«lambda»");
    }
}

static void print_unevaluated(printer *p, th_value v) {
    th_object_kind kind = th_header_kind(*th_obj(v));
    if (kind == TH_OBJ_BUSY) return th_buf_text(p->out, "«potential infinite recursion»");
    if (kind == TH_OBJ_FAILED && p->options->errors) {
        th_value error = th_obj(v)[1];
        for (uint64_t i = 0; i < th_header_size(*th_obj(error)); i++) {
            th_value field = th_obj(error)[1 + i];
            if (!th_is_kind(field, TH_OBJ_STRING)) continue;
            th_buf_printf(p->out, "«error: %s»", th_string_bytes(field)); /* the message is its first text */
            return;
        }
    }
    th_buf_text(p->out, p->options->plain ? "<CODE>" : "«thunk»");
}

static void print_scalar(printer *p, th_value v) {
    int64_t i;
    double x;
    if (v == TH_V_NULL) {
        th_buf_text(p->out, "null");
    } else if (th_is_bool(v)) {
        th_buf_text(p->out, v == TH_V_TRUE ? "true" : "false");
    } else if (nix_is_int(v) && th_get_i64(v, &i)) {
        th_buf_printf(p->out, "%lld", (long long)i);
    } else if (nix_is_float(v) && th_get_f64(v, &x)) {
        nix_print_float(x, false, p->out);
    } else if (nix_is_text(v)) {
        print_text(th_string_view(v), p->options->text, p->out);
    } else if (nix_is_path(v)) {
        th_buf_put(p->out, th_string_bytes(v), th_string_len(v));
    } else if (nix_is_function(v)) {
        print_function(p, v);
    } else if (th_is_unevaluated(v)) {
        print_unevaluated(p, v);
    } else {
        th_buf_text(p->out, "«unknown»");
    }
}

static bool is_derivation(printer *p, th_value set, th_value *path) {
    th_value type = th_record_get(p->heap, set, nix_name_symbol(p->state, NIX_S_TYPE));
    *path = th_deref(th_record_get(p->heap, set, nix_name_symbol(p->state, NIX_S_DRV_PATH)));
    type = th_deref(type);
    return nix_is_text(type) && th_view_is(th_string_view(type), "derivation");
}

/* A container of one item is on one line unless that holds more. */
static bool is_pretty(const printer *p, const th_value *items, size_t n) {
    if (!p->options->pretty || n == 0) return false;
    if (n > 1) return true;
    th_value v = th_deref(items[0]);
    return nix_is_list(v) || nix_is_set(v) || th_is_unevaluated(v);
}

static void find_first(printer *p, frame *f) {
    static const char *const names[] = {"_type", "type"};
    const th_shape *shape = th_record_shape(p->heap, f->container);
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        th_symbol symbol = th_symbol_find(p->heap, th_view_of(names[i]));
        int64_t at = symbol ? th_shape_find(shape, symbol) : -1;
        if (at >= 0) f->first[f->nfirst++] = (size_t)at;
    }
}

static void push(printer *p, th_value container, size_t n) {
    frame f = {.container = container, .n = n, .pretty = is_pretty(p, th_obj(container) + 1, n)};
    if (nix_is_set(container)) {
        f.order = th_shape_order(p->heap, th_record_shape(p->heap, container));
        if (!f.order && n) return refuse(p);
        if (p->options->attrs != SIZE_MAX) find_first(p, &f);
    }
    if (th_mem_grow(th_machine_mem(p->m), (void **)&p->frames, &p->capacity, p->depth + 1, sizeof f) != TH_OK)
        return refuse(p);
    p->frames[p->depth++] = f;
    th_buf_text(p->out, f.order || nix_is_set(container) ? "{" : "[");
    if (p->options->plain) th_buf_char(p->out, ' ');
}

static void print_set(printer *p, th_value set) {
    th_value flat, path;
    if (!th_record_flat(p->heap, set, &flat)) return refuse(p);
    size_t n = th_record_shape(p->heap, flat)->count;
    if (n > 0 && repeated(p, th_obj(flat))) return p->failed ? (void)0 : th_buf_text(p->out, "«repeated»");
    if (p->options->derivations && is_derivation(p, flat, &path)) {
        th_buf_text(p->out, "«derivation");
        if (nix_is_text(path)) th_buf_printf(p->out, " %s", th_string_bytes(path));
        return th_buf_text(p->out, "»");
    }
    if (p->depth >= p->options->depth) return th_buf_text(p->out, "{ ... }");
    push(p, flat, n);
}

/* A list is known again by the place it stands in: `word` is what refers to it there. */
static void print_list(printer *p, th_value word, th_value list) {
    size_t n = th_array_len(list);
    if (n > 0 && repeated(p, th_obj(word))) return p->failed ? (void)0 : th_buf_text(p->out, "«repeated»");
    if (p->depth >= p->options->depth) return th_buf_text(p->out, "[ ... ]");
    push(p, list, n);
}

static void print_one(printer *p, th_value word) {
    th_value v = th_deref(word);
    if (nix_is_set(v))
        print_set(p, v);
    else if (nix_is_list(v))
        print_list(p, word, v);
    else
        print_scalar(p, v);
}

static void close_frame(printer *p, const frame *f) {
    bool set = nix_is_set(f->container);
    p->depth--;
    if (!p->options->plain) space(p, f->pretty, p->depth);
    th_buf_char(p->out, set ? '}' : ']');
}

/* What follows a value that stands in f. */
static void after_item(printer *p, const frame *f) {
    if (nix_is_set(f->container)) th_buf_char(p->out, ';');
    if (p->options->plain) th_buf_char(p->out, ' ');
}

static size_t next_field(frame *f) {
    if (f->i < f->nfirst) return f->first[f->i];
    for (;;) {
        size_t at = f->order[f->cursor++];
        bool was_first = false;
        for (size_t i = 0; i < f->nfirst; i++) was_first |= f->first[i] == at;
        if (!was_first) return at;
    }
}

/* True: there was an item, and it is being printed. */
static bool next(printer *p, frame *f) {
    if (f->i == f->n) return false;
    bool set = nix_is_set(f->container);
    if (!p->options->plain) space(p, f->pretty, p->depth);
    if (set ? p->attrs >= p->options->attrs : p->items >= p->options->items) {
        elided(f->n - f->i, set ? "attribute" : "item", p->out);
        f->i = f->n;
        return false;
    }
    size_t at = set ? next_field(f) : f->i;
    f->i++;
    if (set) {
        p->attrs++;
        nix_print_name(th_symbol_text(p->heap, th_record_shape(p->heap, f->container)->keys[at]), p->out);
        th_buf_text(p->out, " = ");
    } else {
        p->items++;
    }
    print_one(p, th_obj(f->container)[1 + at]);
    return true;
}

static bool pay(printer *p, size_t *paid, size_t *work) {
    if (!p->charges || (*work < 4096 && p->out->len - *paid < 32768)) return true;
    int64_t units = (int64_t)(*work + (p->out->len - *paid) / 8);
    *paid = p->out->len;
    *work = 0;
    return th_machine_charge(p->m, units);
}

static void run(printer *p, th_value v) {
    size_t paid = p->out->len, work = 0;
    print_one(p, v);
    while (p->depth > 0 && !p->failed && !p->out->failed) {
        size_t depth = p->depth;
        frame *f = &p->frames[depth - 1];
        work++;
        if (!pay(p, &paid, &work)) {
            p->failed = true;
        } else if (!next(p, f)) {
            close_frame(p, f);
            if (p->depth > 0) after_item(p, &p->frames[p->depth - 1]);
        } else if (p->depth == depth) { /* it was no container: it is finished */
            after_item(p, &p->frames[depth - 1]);
        }
    }
    work = 4096;
    if (!p->failed && !pay(p, &paid, &work)) p->failed = true;
    th_mem_free(th_machine_mem(p->m), p->frames, p->capacity * sizeof *p->frames);
    th_mem_free(th_machine_mem(p->m), p->seen, p->seen_capacity * sizeof *p->seen);
}

static bool print_with(th_machine *m, const options *o, bool charges, th_value v, th_buf *out) {
    printer p = {
        .m = m, .heap = th_machine_heap(m), .state = nix_state_of(m), .options = o, .out = out, .charges = charges};
    if (!p.heap || !p.state) return false;
    run(&p, v);
    if (!p.failed && out->failed) refuse(&p);
    return !p.failed;
}

/* Messages are written when something went wrong already: what cannot be printed is left out. */
void nix_print_error(th_machine *m, th_value v, th_buf *out) {
    printer p = {.m = m, .heap = th_machine_heap(m), .state = nix_state_of(m), .options = &error_options, .out = out};
    if (p.heap && p.state) run(&p, v);
}

void nix_print_short(th_machine *m, th_value v, th_buf *out) { nix_print_error(m, v, out); }

bool nix_print_trace(th_machine *m, th_value v, th_buf *out) { return print_with(m, &trace_options, true, v, out); }

/* ---- Builtins ---------------------------------------------------------------------------------------------------- */

static th_step print(th_machine *m, th_call *call) {
    int64_t flags = th_int(call->args[1]);
    th_buf out;
    th_value text;
    if (flags & NIX_PRINT_STRICT) {
        th_value args[2] = {TH_V_NULL, th_of_int(flags & ~(int64_t)NIX_PRINT_STRICT)};
        if (!nix_later(m, NIX_I_DEEP_FORCE, call->args, 1, &args[0])) return TH_STEP_ERROR;
        return nix_tail(m, call, NIX_I_PRINT, args, 2);
    }
    th_buf_init(&out, th_machine_mem(m));
    bool good = print_with(m, &plain_options, true, call->args[0], &out) && nix_text_of_buf(m, &out, &text);
    th_buf_clear(&out);
    return good ? nix_done(call, text) : TH_STEP_ERROR;
}

/* The REPL's: items down to a depth are evaluated first, and what fails is shown as such. */
enum { R_PENDING = NIX_WALK_SLOTS, R_SLOTS };
enum { R_START, R_ITEM, R_TYPE, R_DRV_PATH };

static th_step repr_print(th_machine *m, th_call *call) {
    int64_t depth = th_int(call->args[1]);
    options o = {.pretty = true, .derivations = true, .errors = true};
    o.depth = depth > 0 ? (size_t)depth : SIZE_MAX;
    o.attrs = o.items = o.text = SIZE_MAX;
    th_buf out;
    th_value text;
    th_buf_init(&out, th_machine_mem(m));
    bool good = print_with(m, &o, true, call->args[0], &out) && nix_text_of_buf(m, &out, &text);
    th_buf_clear(&out);
    return good ? nix_done(call, text) : TH_STEP_ERROR;
}

/* The value in R_PENDING: goes into it when it is a container whose items are shown. TH_STEP_DONE: go on with the
** items. */
static th_step repr_enter(th_machine *m, th_call *call, const nix_state *state, bool type_known) {
    th_heap *heap = th_machine_heap(m);
    th_value v = th_deref(call->slots[R_PENDING]);
    int64_t most = th_int(call->args[1]);
    if (!nix_is_list(v) && !nix_is_set(v)) return TH_STEP_DONE;
    if (nix_is_set(v)) {
        th_value type = th_record_get(heap, v, nix_name_symbol(state, NIX_S_TYPE));
        if (type != TH_V_ABSENT && !th_evaluated(&type) && !type_known) return th_call_force(m, call, type, R_TYPE);
        if (type != TH_V_ABSENT && nix_is_text(type) && th_view_is(th_string_view(type), "derivation")) {
            th_value path = th_record_get(heap, v, nix_name_symbol(state, NIX_S_DRV_PATH));
            if (path == TH_V_ABSENT || th_evaluated(&path)) return TH_STEP_DONE;
            return th_call_force(m, call, path, R_DRV_PATH);
        }
    }
    if (most > 0 && th_call_depth(m, call) / 2 >= (uint64_t)most) return TH_STEP_DONE;
    int enters = nix_walk_enters(m, call, &v);
    if (enters < 0) return TH_STEP_ERROR;
    if (enters && (!th_call_push(m, call, v) || !th_call_push_raw(m, call, 0))) return TH_STEP_ERROR;
    return TH_STEP_DONE;
}

static th_step repr(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    if (!state || !heap) return TH_STEP_ERROR;
    th_step step = TH_STEP_DONE;
    if (call->state == R_START) {
        call->slots[0] = TH_V_NULL;
        call->slots[R_PENDING] = call->args[0];
        step = repr_enter(m, call, state, false);
    } else if (call->state == R_ITEM && !call->caught) {
        call->slots[R_PENDING] = call->callback;
        step = repr_enter(m, call, state, false);
    } else if (call->state == R_TYPE) {
        step = repr_enter(m, call, state, true);
    }
    while (step == TH_STEP_DONE) {
        size_t depth = th_call_depth(m, call);
        if (depth == 0) return repr_print(m, call);
        th_value *top = th_call_stack(m, call) + depth - 2;
        size_t i = (size_t)th_int(top[1]);
        size_t n = nix_is_list(top[0]) ? th_array_len(top[0]) : th_record_shape(heap, top[0])->count;
        NIX_CHARGE(m, 1);
        if (i == n) {
            (void)th_call_pop(m, call);
            (void)th_call_pop(m, call);
            continue;
        }
        top[1] = th_of_int((int64_t)i + 1);
        th_value v = th_obj(top[0])[1 + i];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, R_ITEM);
        call->slots[R_PENDING] = v;
        step = repr_enter(m, call, state, false);
    }
    return step;
}

#define CATCHES (TH_BUILTIN_STATEFUL | TH_BUILTIN_CATCHES)

const th_builtin nix_lib_print[] = {
    {"Nix.print", "v: value, flags: value -> value", "The value as text in the syntax of the language.", print, 0, 0,
     NULL, "vi"},
    {"Nix.repr", "v: value, depth: value -> value", "The value as text on several lines, evaluated to that depth.",
     repr, CATCHES, R_SLOTS, "viv", "vi"},
};
const size_t nix_lib_print_count = TH_COUNT(nix_lib_print);
