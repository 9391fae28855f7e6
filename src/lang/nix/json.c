/*
** json.c - Nix: values as JSON and JSON as values. Neither recurses: the writer keeps its place on the builtin's stack
** of values, the reader on one of its own.
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lang/nix/convert.h"

/* ---- Work --------------------------------------------------------------------------------------------------- */

static bool charge_machine(void *m, int64_t units) { return th_machine_charge(m, units); }

nix_work nix_work_of(th_machine *m) {
    return (nix_work){.mem = th_machine_mem(m), .heap = th_machine_heap(m), .charge = charge_machine, .user = m};
}

th_step nix_work_failed(th_machine *m, th_status status, const th_error *err) {
    if (status == TH_E_FUEL) return TH_STEP_ERROR; /* the charge recorded why */
    if (status == TH_E_NOMEM || status == TH_E_MEMORY_LIMIT) return nix_no_memory(m);
    return th_machine_trap(m, status, "%s", err->message);
}

/* ---- The output of a walk ----------------------------------------------------------------------------------- */

void nix_output_start(th_call *call, size_t slot) {
    call->slots[slot] = TH_V_NULL;
    call->slots[slot + 1] = 0;
}

static char *bytes_of(th_value object) { return (char *)(th_obj(object) + 1); }

/* Room for `needed` bytes in the slots' object, twice as much when it must grow. */
static bool output_room(th_machine *m, th_call *call, size_t slot, size_t needed) {
    th_heap *heap = th_machine_heap(m);
    th_value old = call->slots[slot];
    size_t have = old == TH_V_NULL ? 0 : (size_t)th_header_size(*th_obj(old));
    if (needed <= have) return true;
    size_t want = have * 2 > needed ? have * 2 : needed < 256 ? 256 : needed;
    uint64_t *object = heap && want < SIZE_MAX / 4 ? th_heap_words(heap, 1 + (want + 7) / 8) : NULL;
    if (!object) return (void)nix_no_memory(m), false;
    object[0] = TH_HEADER(TH_OBJ_BYTES, 0, want);
    if (have) memcpy(object + 1, bytes_of(old), (size_t)call->slots[slot + 1]);
    call->slots[slot] = th_of_object(object);
    return true;
}

bool nix_output_keep(th_machine *m, th_call *call, size_t slot, th_buf *buf) {
    bool good = !buf->failed;
    size_t len = (size_t)call->slots[slot + 1];
    if (!good) (void)nix_no_memory(m);
    good = good && th_machine_charge(m, (int64_t)(buf->len / 8)) && output_room(m, call, slot, len + buf->len);
    if (good && buf->len) {
        memcpy(bytes_of(call->slots[slot]) + len, buf->data, buf->len);
        call->slots[slot + 1] = len + buf->len;
    }
    th_buf_clear(buf);
    return good;
}

bool nix_output_text(th_machine *m, th_call *call, size_t slot, th_buf *buf, th_value context, th_value *out) {
    bool good = true;
    if (call->slots[slot] == TH_V_NULL) { /* all of it is in the buffer */
        good = !buf->failed;
        if (!good) (void)nix_no_memory(m);
        good = good && nix_text_with(m, (th_view){buf->data, buf->len}, context, out);
        th_buf_clear(buf);
        return good;
    }
    if (!nix_output_keep(m, call, slot, buf)) return false;
    return nix_text_with(m, (th_view){bytes_of(call->slots[slot]), (size_t)call->slots[slot + 1]}, context, out);
}

/* ---- Writing ------------------------------------------------------------------------------------------------ */

bool nix_json_string(th_view text, th_buf *out, size_t *bad) {
    static const char *const short_forms = "\"\"\\\\\bb\ff\nn\rr\tt";
    *bad = th_utf8_valid(text.data, text.len);
    if (*bad < text.len) return false;
    size_t from = 0;
    th_buf_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        th_buf_put(out, text.data + from, i - from);
        from = i + 1;
        const char *form = short_forms;
        while (*form && (unsigned char)*form != c) form += 2;
        if (*form && c != 0)
            th_buf_printf(out, "\\%c", form[1]);
        else
            th_buf_printf(out, "\\u%04x", c);
    }
    th_buf_put(out, text.data + from, text.len - from);
    th_buf_char(out, '"');
    return true;
}

void nix_json_float(double x, th_buf *out) {
    if (isfinite(x))
        nix_print_float(x, true, out);
    else
        th_buf_text(out, "null");
}

enum { J_BYTES, J_LEN, J_CONTEXT, J_PEELED };
enum { J_START, J_GOT, J_COPIED, J_NEXT };
enum { SLICE = 1 << 16 }; /* work between two safe points */

typedef struct json_walk {
    th_machine *m;
    th_call *call;
    th_heap *heap;
    const nix_state *state;
    th_buf out;
    int64_t work;
    th_step step; /* what is to be returned when a part says false */
} json_walk;

static bool stop(json_walk *w, th_step step) {
    w->step = step;
    return false;
}

/* Where in the value the walk stands, innermost first, as lines of a message. */
static void tell_place(json_walk *w, char *message, size_t room) {
    enum { MOST = 12 };
    size_t depth = th_call_depth(w->m, w->call), len = strlen(message);
    const th_value *stack = th_call_stack(w->m, w->call);
    for (size_t told = 0; depth >= 2 && told < MOST; depth -= 2, told++) {
        th_value container = stack[depth - 2];
        size_t i = (size_t)th_int(stack[depth - 1]);
        if (i == 0 || len + 1 >= room) continue;
        char line[200];
        if (nix_is_set(container)) {
            const th_shape *shape = th_record_shape(w->heap, container);
            const uint32_t *order = th_shape_order(w->heap, shape);
            th_view name = order ? th_symbol_text(w->heap, shape->keys[order[i - 1]]) : (th_view){"?", 1};
            snprintf(line, sizeof line, "\n  … while evaluating attribute '%.*s'",
                     (int)(name.len < 120 ? name.len : 120), name.data);
        } else {
            snprintf(line, sizeof line, "\n  … while evaluating list element at index %zu", i - 1);
        }
        if (len + strlen(line) >= room) break;
        memcpy(message + len, line, strlen(line) + 1);
        len += strlen(line);
    }
}

static bool refuse(json_walk *w, const char *message) {
    char whole[1000];
    snprintf(whole, sizeof whole, "%s", message);
    tell_place(w, whole, sizeof whole);
    return stop(w, th_machine_trap(w->m, TH_E_TYPE, "%s", whole));
}

static bool write_text(json_walk *w, th_value text) {
    size_t bad;
    th_view view = th_string_view(text);
    w->work += (int64_t)(view.len / 8);
    th_value context = th_string_context(text);
    if (context != TH_V_NULL && !nix_context_join(w->m, w->call->slots[J_CONTEXT], context, &w->call->slots[J_CONTEXT]))
        return stop(w, TH_STEP_ERROR);
    if (nix_json_string(view, &w->out, &bad)) return true;
    char message[120];
    snprintf(message, sizeof message, "JSON serialization error: invalid UTF-8 byte at index %zu: 0x%02X", bad,
             (unsigned)(unsigned char)view.data[bad]);
    return refuse(w, message);
}

static bool open_container(json_walk *w, th_value container, size_t n) {
    bool set = nix_is_set(container);
    th_buf_text(&w->out, n ? set ? "{" : "[" : set ? "{}" : "[]");
    if (n == 0) return true;
    if (!th_call_push(w->m, w->call, container) || !th_call_push_raw(w->m, w->call, 0)) return stop(w, TH_STEP_ERROR);
    return true;
}

/* What a set stands for: the result of its __toString, its outPath, or itself. *again: *v has another value to be
** written. */
static bool peel(json_walk *w, th_value *v, bool *again) {
    th_value f = th_record_get(w->heap, *v, nix_name_symbol(w->state, NIX_S_TO_STRING)), flat;
    *again = true;
    if (f != TH_V_ABSENT) {
        w->call->slots[J_PEELED] = 1;
        return stop(w, th_call_apply(w->m, w->call, f, v, 1, J_GOT));
    }
    th_value path = th_record_get(w->heap, *v, nix_name_symbol(w->state, NIX_S_OUT_PATH));
    if (path != TH_V_ABSENT) return *v = path, true;
    *again = false;
    if (w->call->slots[J_PEELED]) return true; /* told by the caller */
    if (!th_record_flat(w->heap, *v, &flat)) return stop(w, nix_no_memory(w->m));
    return open_container(w, flat, th_record_shape(w->heap, flat)->count);
}

static bool copy_path(json_walk *w, th_value path) {
    th_value copy;
    if (!nix_later(w->m, NIX_I_COPY_PATH, &path, 1, &copy)) return stop(w, TH_STEP_ERROR);
    return stop(w, th_call_force(w->m, w->call, copy, J_COPIED));
}

static bool write_scalar(json_walk *w, th_value v) {
    int64_t i;
    double x;
    char digits[32], word[96], message[160];
    if (v == TH_V_NULL) {
        th_buf_text(&w->out, "null");
    } else if (th_is_bool(v)) {
        th_buf_text(&w->out, v == TH_V_TRUE ? "true" : "false");
    } else if (nix_is_int(v) && th_get_i64(v, &i)) {
        th_buf_put(&w->out, digits, th_format_i64(i, digits));
    } else if (nix_is_float(v) && th_get_f64(v, &x)) {
        nix_json_float(x, &w->out);
    } else {
        th_place place;
        const char *kind = nix_type_word(w->m, v, word);
        if (nix_is_function(v) && th_value_place(w->m, v, &place) && place.file)
            snprintf(message, sizeof message, "cannot convert %s to JSON (it is defined at %.60s:%u:%u)", kind,
                     place.file, place.span.line, place.span.column);
        else
            snprintf(message, sizeof message, "cannot convert %s to JSON", kind);
        return refuse(w, message);
    }
    return true;
}

static bool not_a_string(json_walk *w, th_value v) {
    char word[96], message[700];
    th_buf text;
    th_buf_init(&text, th_machine_mem(w->m));
    nix_print_error(w->m, v, &text);
    snprintf(message, sizeof message, "`__toString` should return a string, but got %s: %.500s",
             nix_type_word(w->m, v, word), text.data ? text.data : "?");
    th_buf_clear(&text);
    return refuse(w, message);
}

static bool write_value(json_walk *w, th_value v) {
    for (bool again = true; again;) {
        w->work++;
        if (!th_evaluated(&v)) return stop(w, th_call_force(w->m, w->call, v, J_GOT));
        if (!nix_is_set(v)) break;
        if (!peel(w, &v, &again)) return false;
        if (!again && !w->call->slots[J_PEELED]) return true;
    }
    bool peeled = w->call->slots[J_PEELED];
    w->call->slots[J_PEELED] = 0;
    if (nix_is_text(v)) return write_text(w, v);
    if (nix_is_path(v)) return peeled ? write_text(w, v) : copy_path(w, v);
    if (peeled) return not_a_string(w, v);
    return nix_is_list(v) ? open_container(w, v, th_array_len(v)) : write_scalar(w, v);
}

/* The next value; *over: there is none. */
static bool next_value(json_walk *w, th_value *v, bool *over) {
    size_t depth = th_call_depth(w->m, w->call), bad;
    *over = depth == 0;
    if (depth == 0) return true;
    th_value *top = th_call_stack(w->m, w->call) + depth - 2;
    bool set = nix_is_set(top[0]);
    const th_shape *shape = set ? th_record_shape(w->heap, top[0]) : NULL;
    size_t i = (size_t)th_int(top[1]), n = set ? shape->count : th_array_len(top[0]);
    *v = TH_V_ABSENT;
    if (i == n) {
        th_buf_char(&w->out, set ? '}' : ']');
        (void)th_call_pop(w->m, w->call);
        (void)th_call_pop(w->m, w->call);
        return true;
    }
    top[1] = th_of_int((int64_t)i + 1);
    if (i) th_buf_char(&w->out, ',');
    if (!set) return *v = th_array_items(top[0])[i], true;
    const uint32_t *order = th_shape_order(w->heap, shape);
    if (!order) return stop(w, nix_no_memory(w->m));
    if (!nix_json_string(th_symbol_text(w->heap, shape->keys[order[i]]), &w->out, &bad))
        return refuse(w, "JSON serialization error: an attribute's name is not UTF-8");
    th_buf_char(&w->out, ':');
    *v = th_record_values(top[0])[order[i]];
    return true;
}

/* From the value in hand, or from the next one when there is none. */
static th_step json_steps(json_walk *w, th_value v) {
    bool over = false;
    for (int64_t since = 0;;) {
        if (v != TH_V_ABSENT && !write_value(w, v)) return w->step;
        if (w->work >= 1024) {
            NIX_CHARGE(w->m, w->work);
            since += w->work;
            w->work = 0;
        }
        if (since >= SLICE) {
            w->call->state = J_NEXT;
            return TH_STEP_AGAIN;
        }
        if (!next_value(w, &v, &over)) return w->step;
        if (over) return TH_STEP_DONE;
    }
}

th_step nix_to_json(th_machine *m, th_call *call) {
    json_walk w = {.m = m, .call = call, .heap = th_machine_heap(m), .state = nix_state_of(m), .step = TH_STEP_ERROR};
    th_value v = call->state == J_GOT ? call->callback : TH_V_ABSENT;
    if (!w.heap || !w.state) return TH_STEP_ERROR;
    if (call->caught) {
        th_error e = *call->caught;
        tell_place(&w, e.message, sizeof e.message);
        return th_machine_trap_error(m, &e);
    }
    if (call->state == J_START) {
        nix_output_start(call, J_BYTES);
        call->slots[J_CONTEXT] = TH_V_NULL;
        call->slots[J_PEELED] = 0;
        v = call->args[0];
    }
    th_buf_init(&w.out, th_machine_mem(m));
    bool begun = call->state != J_COPIED || write_text(&w, th_deref(call->callback));
    th_step step = begun ? json_steps(&w, v) : w.step;
    th_value text;
    if (step == TH_STEP_DONE &&
        (!th_machine_charge(m, w.work) || !nix_output_text(m, call, J_BYTES, &w.out, call->slots[J_CONTEXT], &text)))
        step = TH_STEP_ERROR;
    else if ((step == TH_STEP_CALL || step == TH_STEP_AGAIN) && !nix_output_keep(m, call, J_BYTES, &w.out))
        step = TH_STEP_ERROR;
    th_buf_clear(&w.out);
    return step == TH_STEP_DONE ? nix_done(call, text) : step;
}

/* ---- Reading ------------------------------------------------------------------------------------------------ */

typedef struct json_frame {
    size_t values, keys; /* where its own begin on the stacks */
    bool object;
} json_frame;

typedef struct json_reader {
    const nix_work *work;
    const char *at, *end, *start;
    th_error *err;
    th_value *values;
    th_symbol *keys;
    json_frame *frames;
    size_t nvalues, nkeys, nframes, values_room, keys_room, frames_room;
    th_buf text; /* of the string being read */
} json_reader;

static th_status bad_json(json_reader *r, const char *at, const char *what) {
    unsigned line = 1;
    const char *from = r->start;
    for (const char *p = r->start; p < at; p++)
        if (*p == '\n') line++, from = p + 1;
    size_t column = th_utf8_count(from, (size_t)(at - from)) + 1;
    return th_fail(r->err, TH_E_SYNTAX, "while decoding a JSON string: line %u, column %zu: %s", line, column, what);
}

static th_status no_room(json_reader *r) { return th_fail(r->err, TH_E_NOMEM, "out of memory"); }

static void skip_space(json_reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r')) r->at++;
}

static bool read_hex4(json_reader *r, uint32_t *out) {
    *out = 0;
    if (r->end - r->at < 4) return false;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return r->at--, false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return true;
}

/* After \u: one character, of two of these when the first is half a pair. */
static th_status read_unicode(json_reader *r) {
    uint32_t code, low;
    char bytes[4];
    const char *from = r->at - 2;
    if (!read_hex4(r, &code)) return bad_json(r, r->at, "'\\u' must be followed by 4 hex digits");
    if (code >= 0xdc00 && code < 0xe000)
        return bad_json(r, from, "the second half of a surrogate pair without the first");
    if (code >= 0xd800 && code < 0xdc00) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return bad_json(r, r->at, "the first half of a surrogate pair must be followed by the second");
        r->at += 2;
        if (!read_hex4(r, &low)) return bad_json(r, r->at, "'\\u' must be followed by 4 hex digits");
        if (low < 0xdc00 || low >= 0xe000)
            return bad_json(r, r->at - 6, "the first half of a surrogate pair must be followed by the second");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code == 0) return bad_json(r, from, "a null byte cannot be part of a Nix string");
    th_buf_put(&r->text, bytes, th_utf8_encode(code, bytes));
    return TH_OK;
}

static th_status read_escape(json_reader *r) {
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    r->at++;
    if (r->at == r->end) return bad_json(r, r->at, "the string does not end");
    char c = *r->at++;
    if (c == 'u') return read_unicode(r);
    const char *found = c ? strchr(names, c) : NULL;
    if (!found) return bad_json(r, r->at - 2, "no such escape in a string");
    th_buf_char(&r->text, meanings[found - names]);
    return TH_OK;
}

/* The string at the quote; *out is valid until the next one. */
static th_status read_string(json_reader *r, th_view *out) {
    const char *open = r->at++;
    r->text.len = 0;
    for (bool escaped = false;; escaped = true) {
        const char *from = r->at;
        while (r->at < r->end && *r->at != '"' && *r->at != '\\' && (unsigned char)*r->at >= 0x20) r->at++;
        size_t n = (size_t)(r->at - from), valid = th_utf8_valid(from, n);
        if (valid < n) return bad_json(r, from + valid, "the string is not UTF-8");
        if (r->at == r->end) return bad_json(r, open, "the string that begins here does not end");
        if (!nix_work_charge(r->work, (int64_t)(n / 8 + 1))) return TH_E_FUEL;
        if (*r->at == '"' && !escaped) return *out = (th_view){from, n}, r->at++, TH_OK;
        th_buf_put(&r->text, from, n);
        if (*r->at == '"') break;
        if (*r->at != '\\')
            return bad_json(r, r->at,
                            *r->at ? "a control character in a string must be escaped" : "a null byte in a string");
        TH_TRY(read_escape(r));
    }
    r->at++;
    if (r->text.failed) return no_room(r);
    *out = (th_view){r->text.data ? r->text.data : "", r->text.len};
    return TH_OK;
}

static void digits(json_reader *r) {
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
}

static th_status number_value(json_reader *r, th_view text, bool whole, th_value *out) {
    int64_t i;
    double x;
    if (whole && th_parse_i64(text, &i)) {
        *out = th_of_int(i);
        return th_int_fits(i) || th_new_int(r->work->heap, i, out) ? TH_OK : no_room(r);
    }
    if (!th_parse_f64(text, &x) || !isfinite(x)) return bad_json(r, text.data, "the number is too large");
    if (whole && text.data[0] != '-' &&
        (text.len < 20 || (text.len == 20 && memcmp(text.data, "18446744073709551615", 20) <= 0)))
        return bad_json(r, text.data, "the unsigned number is outside of the range of Nix integers");
    return th_float_fits(x, out) || th_new_float(r->work->heap, x, out) ? TH_OK : no_room(r);
}

static th_status read_number(json_reader *r, th_value *out) {
    const char *from = r->at;
    bool whole = true;
    if (*r->at == '-') r->at++;
    const char *first = r->at;
    digits(r);
    if (r->at == first) return bad_json(r, r->at, "expected a digit after '-'");
    if (*first == '0' && r->at - first > 1) return bad_json(r, first, "a number must not begin with 0");
    if (r->at < r->end && *r->at == '.') {
        whole = false;
        const char *point = ++r->at;
        digits(r);
        if (r->at == point) return bad_json(r, r->at, "expected a digit after the decimal point");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        whole = false;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        const char *exponent = r->at;
        digits(r);
        if (r->at == exponent) return bad_json(r, r->at, "expected a digit in the exponent");
    }
    if (!nix_work_charge(r->work, (int64_t)((r->at - from) / 8 + 1))) return TH_E_FUEL;
    return number_value(r, (th_view){from, (size_t)(r->at - from)}, whole, out);
}

static bool word(json_reader *r, const char *text, size_t len) {
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, text, len) != 0) return false;
    r->at += len;
    return true;
}

static th_status push_value(json_reader *r, th_value v) {
    TH_TRY(th_mem_grow(r->work->mem, (void **)&r->values, &r->values_room, r->nvalues + 1, sizeof *r->values));
    r->values[r->nvalues++] = v;
    return TH_OK;
}

/* `"name" :` */
static th_status read_key(json_reader *r) {
    th_view name;
    skip_space(r);
    if (r->at == r->end || *r->at != '"') return bad_json(r, r->at, "expected a string: the name of a member");
    TH_TRY(read_string(r, &name));
    TH_TRY(th_mem_grow(r->work->mem, (void **)&r->keys, &r->keys_room, r->nkeys + 1, sizeof *r->keys));
    r->keys[r->nkeys] = th_symbol_of(r->work->heap, name);
    if (!r->keys[r->nkeys++]) return no_room(r);
    skip_space(r);
    if (r->at == r->end || *r->at != ':') return bad_json(r, r->at, "expected ':' after the name of a member");
    r->at++;
    return TH_OK;
}

/* The innermost list or object is complete. */
static th_status close_frame(json_reader *r) {
    json_frame f = r->frames[--r->nframes];
    size_t n = r->nvalues - f.values;
    th_value out, *items;
    if (!nix_work_charge(r->work, (int64_t)n)) return TH_E_FUEL;
    if (!f.object) {
        if (!th_new_array(r->work->heap, n, TH_V_NULL, &items, &out)) return no_room(r);
        if (n) memcpy(items, r->values + f.values, n * sizeof *items);
    } else {
        th_value *v = n ? r->values + f.values : NULL;
        th_symbol *k = n ? r->keys + f.keys : NULL;
        for (size_t i = 0; i < n / 2; i++) { /* of equal names the last counts, and the builder takes the first */
            th_value value = v[i];
            th_symbol key = k[i];
            v[i] = v[n - 1 - i], v[n - 1 - i] = value;
            k[i] = k[n - 1 - i], k[n - 1 - i] = key;
        }
        if (!th_record_build(r->work->heap, k, v, NULL, n, &out)) return no_room(r);
    }
    r->nvalues = f.values;
    r->nkeys = f.keys;
    return push_value(r, out);
}

static th_status open_frame(json_reader *r, bool object, bool *wants_value) {
    r->at++;
    TH_TRY(th_mem_grow(r->work->mem, (void **)&r->frames, &r->frames_room, r->nframes + 1, sizeof *r->frames));
    r->frames[r->nframes++] = (json_frame){r->nvalues, r->nkeys, object};
    if (!nix_work_charge(r->work, 1)) return TH_E_FUEL;
    skip_space(r);
    *wants_value = r->at == r->end || *r->at != (object ? '}' : ']');
    if (*wants_value) return object ? read_key(r) : TH_OK;
    r->at++;
    return close_frame(r);
}

/* A value that is not a container, or the beginning of one. *wants_value: another value comes next. */
static th_status read_value(json_reader *r, bool *wants_value) {
    th_value v = TH_V_NULL;
    th_view text;
    *wants_value = false;
    skip_space(r);
    if (r->at == r->end) return bad_json(r, r->at, "expected a value, but the text ends here");
    char c = *r->at;
    if (c == '{' || c == '[') return open_frame(r, c == '{', wants_value);
    if (c == '"') {
        TH_TRY(read_string(r, &text));
        if (!th_new_string(r->work->heap, NIX_SORT_TEXT, text.data, text.len, TH_V_NULL, &v)) return no_room(r);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        TH_TRY(read_number(r, &v));
    } else if (word(r, "true", 4)) {
        v = TH_V_TRUE;
    } else if (word(r, "false", 5)) {
        v = TH_V_FALSE;
    } else if (!word(r, "null", 4)) {
        return bad_json(r, r->at, "expected a value");
    }
    return push_value(r, v);
}

/* After a value: what the innermost container says. */
static th_status after_value(json_reader *r, bool *wants_value) {
    while (r->nframes) {
        const json_frame *f = &r->frames[r->nframes - 1];
        skip_space(r);
        char close = f->object ? '}' : ']';
        if (r->at < r->end && *r->at == ',') {
            r->at++;
            *wants_value = true;
            return f->object ? read_key(r) : TH_OK;
        }
        if (r->at == r->end || *r->at != close)
            return bad_json(r, r->at,
                            f->object ? "expected ',' or '}' after a member" : "expected ',' or ']' after an element");
        r->at++;
        TH_TRY(close_frame(r));
    }
    *wants_value = false;
    return TH_OK;
}

static th_status read_all(json_reader *r) {
    if (r->end - r->at >= 3 && memcmp(r->at, "\xef\xbb\xbf", 3) == 0) r->at += 3;
    for (bool wants_value = true; wants_value;) {
        TH_TRY(read_value(r, &wants_value));
        if (!wants_value) TH_TRY(after_value(r, &wants_value));
    }
    skip_space(r);
    return r->at == r->end ? TH_OK : bad_json(r, r->at, "expected the end of the text after the value");
}

th_status nix_json_parse(const nix_work *work, th_view text, th_value *out, th_error *err) {
    const char *start = text.data ? text.data : "";
    json_reader r = {.work = work, .at = start, .end = start + text.len, .start = start, .err = err};
    th_buf_init(&r.text, work->mem);
    th_status status = read_all(&r);
    if (status == TH_OK) *out = r.values[0];
    if (status == TH_E_NOMEM) TH_IGNORE(no_room(&r));
    th_mem_free(work->mem, r.values, r.values_room * sizeof *r.values);
    th_mem_free(work->mem, r.keys, r.keys_room * sizeof *r.keys);
    th_mem_free(work->mem, r.frames, r.frames_room * sizeof *r.frames);
    th_buf_clear(&r.text);
    return status;
}
