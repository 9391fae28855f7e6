/*
** dynamic.c - dynamic values of the public interface: reading, making, converting, evaluating, applying.
**
** Between runs nothing is collected but by th_machine_tidy and the runs themselves, so a th_value may be held in a C local
** while values are read and made.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/dynamic.h"

#include <stdio.h>
#include <stdlib.h>

#include "lang/nix/convert.h"

/* ---- Reading ------------------------------------------------------------------------------------------------ */

theta_kind th_api_dynamic_kind(th_value v) {
    static const theta_kind kinds[TH_VK_OTHER + 1] = {
        [TH_VK_NULL] = THETA_NULL,         [TH_VK_BOOL] = THETA_BOOL,         [TH_VK_INT] = THETA_INT,
        [TH_VK_FLOAT] = THETA_FLOAT,       [TH_VK_BIG] = THETA_OTHER,         [TH_VK_STRING] = THETA_STRING,
        [TH_VK_ARRAY] = THETA_LIST,        [TH_VK_PAIR] = THETA_OTHER,        [TH_VK_EMPTY] = THETA_OTHER,
        [TH_VK_RECORD] = THETA_SET,        [TH_VK_FUNCTION] = THETA_FUNCTION, [TH_VK_THUNK] = THETA_THUNK,
        [TH_VK_ERROR] = THETA_ERROR_VALUE, [TH_VK_OTHER] = THETA_OTHER,
    };
    v = th_deref(v);
    return nix_is_path(v) ? THETA_PATH : kinds[th_value_kind_of(v)];
}

static theta_status no_memory(theta_machine *m, theta_error *err) {
    (void)nix_no_memory(m->machine);
    return th_api_take_trap(m, TH_E_NOMEM, err);
}

/* A set as one record; layers are made flat once. */
static theta_status flat(theta_machine *m, th_value v, th_value *out) {
    v = th_deref(v);
    if (!nix_is_set(v)) return THETA_E_TYPE;
    th_heap *heap = th_machine_heap(m->machine);
    return heap && th_record_flat(heap, v, out) ? THETA_OK : no_memory(m, NULL);
}

theta_status th_api_dynamic_len(theta_machine *m, th_value v, size_t *out) {
    v = th_deref(v);
    if (nix_is_list(v)) {
        *out = th_array_len(v);
        return THETA_OK;
    }
    th_value set;
    theta_status status = flat(m, v, &set);
    if (status == THETA_OK) *out = th_record_shape(th_machine_heap(m->machine), set)->count;
    return status;
}

/* The place in the record of its i-th name. */
static theta_status ordered(theta_machine *m, th_value v, size_t i, th_value *set, uint32_t *place) {
    theta_status status = flat(m, v, set);
    if (status != THETA_OK) return status;
    th_heap *heap = th_machine_heap(m->machine);
    const th_shape *shape = th_record_shape(heap, *set);
    if (i >= shape->count) return THETA_E_INDEX;
    const uint32_t *order = th_shape_order(heap, shape);
    if (!order) return no_memory(m, NULL);
    *place = order[i];
    return THETA_OK;
}

theta_status th_api_dynamic_at(theta_machine *m, th_value v, size_t i, theta_value *out) {
    v = th_deref(v);
    if (nix_is_list(v)) {
        if (i >= th_array_len(v)) return THETA_E_INDEX;
        *out = th_api_value_of(th_shared(th_deref(th_array_items(v)[i])));
        return THETA_OK;
    }
    th_value set;
    uint32_t place;
    theta_status status = ordered(m, v, i, &set, &place);
    if (status == THETA_OK) *out = th_api_value_of(th_shared(th_deref(th_record_values(set)[place])));
    return status;
}

theta_status th_api_dynamic_name(theta_machine *m, th_value v, size_t i, const char **name, size_t *len) {
    th_value set;
    uint32_t place;
    theta_status status = ordered(m, v, i, &set, &place);
    if (status != THETA_OK) return status;
    th_heap *heap = th_machine_heap(m->machine);
    th_view text = th_symbol_text(heap, th_record_shape(heap, set)->keys[place]);
    *name = text.data;
    *len = text.len;
    return THETA_OK;
}

theta_status th_api_dynamic_field(theta_machine *m, th_value v, const char *name, theta_value *out) {
    v = th_deref(v);
    if (!nix_is_set(v)) return THETA_E_TYPE;
    th_heap *heap = th_machine_heap(m->machine);
    th_symbol symbol = th_symbol_find(heap, th_view_of(name));
    th_value field = symbol ? th_record_get(heap, v, symbol) : TH_V_ABSENT;
    if (field == TH_V_ABSENT) return THETA_E_NOT_FOUND;
    *out = th_api_value_of(th_shared(th_deref(field)));
    return THETA_OK;
}

/* ---- Making ------------------------------------------------------------------------------------------------- */

theta_value theta_null(void) { return th_api_value_of(TH_V_NULL); }

static theta_status make_text(theta_machine *m, uint32_t sort, const char *data, size_t len, theta_value *out) {
    th_value v;
    th_heap *heap = th_machine_heap(m->machine);
    if (!heap || !th_new_string(heap, sort, data, len, TH_V_NULL, &v)) return no_memory(m, NULL);
    *out = th_api_value_of(v);
    return THETA_OK;
}

theta_status theta_bytes(theta_machine *m, const char *data, size_t len, theta_value *out) {
    return make_text(m, NIX_SORT_TEXT, len ? data : "", len, out);
}

theta_status theta_path(theta_machine *m, const char *path, size_t len, theta_value *out) {
    if (len == 0 || path[0] != '/' || memchr(path, 0, len)) return THETA_E_ARGUMENT;
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    nix_canon_path((th_view){path, len}, &buf);
    theta_status status = buf.failed ? THETA_E_NOMEM : make_text(m, NIX_SORT_PATH, buf.data, buf.len, out);
    th_buf_clear(&buf);
    return status;
}

theta_status theta_list(theta_machine *m, const theta_value *items, size_t n, theta_value *out, theta_error *err) {
    th_value list, *to;
    th_heap *heap = th_machine_heap(m->machine);
    if (!heap || !th_new_array(heap, n, TH_V_NULL, &to, &list)) return no_memory(m, err);
    for (size_t i = 0; i < n; i++) {
        th_value v;
        char what[32];
        snprintf(what, sizeof what, "item %zu", i + 1);
        theta_status status = th_api_to_dynamic(m, items[i], &v, err, what);
        if (status != THETA_OK) return status;
        th_heap_set(heap, th_obj(list), &to[i], v);
    }
    *out = th_api_value_of(list);
    return THETA_OK;
}

typedef struct pairs {
    th_symbol *keys;
    th_value *values;
} pairs;

static int by_number(const void *a, const void *b) {
    th_symbol x = *(const th_symbol *)a, y = *(const th_symbol *)b;
    return x < y ? -1 : x > y;
}

/* The name that is there twice, or 0. Sorts. */
static th_symbol twice(th_symbol *keys, size_t n) {
    if (n > 1) qsort(keys, n, sizeof *keys, by_number);
    for (size_t i = 1; i < n; i++)
        if (keys[i] == keys[i - 1]) return keys[i];
    return 0;
}

static theta_status fill_pairs(theta_machine *m, const char *const *names, const theta_value *values, size_t n,
                               pairs *p, theta_error *err) {
    th_heap *heap = th_machine_heap(m->machine);
    for (size_t i = 0; i < n; i++) {
        p->keys[i] = p->keys[n + i] = th_symbol_of(heap, th_view_of(names[i]));
        if (!p->keys[i]) return no_memory(m, err);
        theta_status status = th_api_to_dynamic(m, values[i], &p->values[i], err, names[i]);
        if (status != THETA_OK) return status;
    }
    th_symbol same = twice(p->keys + n, n);
    if (!same) return THETA_OK;
    return th_api_fail(err, TH_E_ARGUMENT, "the name '%s' is given twice", th_symbol_text(heap, same).data);
}

theta_status theta_set(theta_machine *m, const char *const *names, const theta_value *values, size_t n,
                       theta_value *out, theta_error *err) {
    th_mem *mem = &m->engine->mem;
    th_heap *heap = th_machine_heap(m->machine);
    if (!heap || n > SIZE_MAX / 32) return no_memory(m, err);
    pairs p = {th_mem_new(mem, (2 * n + 1) * sizeof *p.keys), th_mem_new(mem, (n + 1) * sizeof *p.values)};
    th_value set;
    theta_status status =
        p.keys && p.values ? fill_pairs(m, names, values, n, &p, err) : th_api_fail(err, TH_E_NOMEM, "out of memory");
    if (status == THETA_OK && !th_record_build(heap, p.keys, p.values, NULL, n, &set)) status = no_memory(m, err);
    if (status == THETA_OK) *out = th_api_value_of(set);
    th_mem_free(mem, p.keys, (2 * n + 1) * sizeof *p.keys);
    th_mem_free(mem, p.values, (n + 1) * sizeof *p.values);
    return status;
}

/* ---- Converting --------------------------------------------------------------------------------------------- */

static theta_status through_json(theta_machine *m, theta_value value, th_value *out, theta_error *err) {
    th_buf json;
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_buf_init(&json, &m->engine->mem);
    th_status status = th_value_print(m->machine, value.type, th_api_word(m, value), TH_PRINT_JSON, &json);
    if (status == TH_OK && th_machine_heap(m->machine)) {
        nix_work work = nix_work_of(m->machine);
        status = nix_json_parse(&work, (th_view){json.data, json.len}, out, &inner);
    }
    th_buf_clear(&json);
    if (status == TH_OK) return THETA_OK;
    theta_error ignored;
    theta_status trapped = th_api_take_trap(m, status, err ? err : &ignored);
    if (inner.code == status && trapped == (theta_status)status) th_api_error(err, &inner);
    return trapped;
}

theta_status th_api_to_dynamic(theta_machine *m, theta_value value, th_value *out, theta_error *err, const char *what) {
    const th_types *types = th_machine_types(m->machine);
    uint64_t word = th_api_word(m, value);
    th_heap *heap = th_machine_heap(m->machine);
    if (!heap) return no_memory(m, err);
    bool ok = true;
    theta_value given;
    if (th_api_is_dynamic(value)) {
        *out = th_shared(word);
        return THETA_OK;
    }
    int64_t i;
    double x;
    bool b;
    const char *data;
    size_t len;
    switch (theta_value_kind(m, value)) {
    case THETA_NULL: *out = TH_V_NULL; break;
    case THETA_BOOL:
        ok = theta_value_bool(m, value, &b) == THETA_OK;
        *out = th_of_bool(ok && b);
        break;
    case THETA_INT: ok = theta_value_int(m, value, &i) == THETA_OK && th_new_int(heap, i, out); break;
    case THETA_FLOAT: ok = theta_value_float(m, value, &x) == THETA_OK && th_new_float(heap, x, out); break;
    case THETA_STRING:
    case THETA_SYMBOL:
    case THETA_ENUM:
        ok = theta_value_string(m, value, &data, &len) == THETA_OK;
        if (!ok) return th_api_fail(err, TH_E_ARGUMENT, "%s: it has no name", what);
        ok = theta_bytes(m, data, len, &given) == THETA_OK;
        *out = ok ? given.word : TH_V_NULL;
        break;
    case THETA_LIST:
    case THETA_DICT:
    case THETA_TUPLE:
    case THETA_STRUCT: return through_json(m, value, out, err);
    default: {
        th_buf text;
        th_buf_init(&text, &m->engine->mem);
        th_type_print(types, value.type, &text);
        (void)th_api_fail(err, TH_E_ARGUMENT, "%s: a %s cannot become a dynamic value", what,
                          text.data ? text.data : "?");
        th_buf_clear(&text);
        return THETA_E_ARGUMENT;
    }
    }
    return ok ? THETA_OK : no_memory(m, err);
}

theta_status th_api_from_dynamic(theta_machine *m, theta_value value, th_type_id type, uint64_t *word, theta_error *err,
                                 const char *what) {
    th_value v = th_deref(th_api_word(m, value));
    const th_type *to = th_types_get(th_machine_types(m->machine), type);
    int64_t i;
    double x;
    char found[96];
    if (to->kind == TH_KIND_BOOL && th_is_bool(v)) {
        *word = v == TH_V_TRUE;
        return THETA_OK;
    }
    if (to->kind >= TH_KIND_I8 && to->kind <= TH_KIND_I64 && th_get_i64(v, &i))
        return th_api_convert(m, theta_int(i), type, word, err, what);
    if ((to->kind == TH_KIND_F64 || to->kind == TH_KIND_F32) && th_get_f64(v, &x))
        return th_api_convert(m, theta_float(x), type, word, err, what);
    if (to->kind == TH_KIND_STRING && th_is_kind(v, TH_OBJ_STRING)) {
        theta_value text;
        th_view bytes = th_string_view(v);
        theta_status status = theta_string(m, bytes.data, bytes.len, &text);
        if (status == THETA_E_ARGUMENT) return th_api_fail(err, TH_E_ARGUMENT, "%s: the string is not UTF-8", what);
        if (status != THETA_OK) return th_api_fail(err, (th_status)status, "%s", theta_status_text(status));
        *word = text.word;
        return THETA_OK;
    }
    th_buf wanted;
    th_buf_init(&wanted, &m->engine->mem);
    th_type_print(th_machine_types(m->machine), type, &wanted);
    (void)th_api_fail(err, TH_E_ARGUMENT, "%s: wanted %s, given %s", what, wanted.data ? wanted.data : "?",
                      th_api_dynamic_kind(v) == THETA_THUNK ? "a value that is not evaluated"
                                                            : nix_type_word(m->machine, v, found));
    th_buf_clear(&wanted);
    return THETA_E_ARGUMENT;
}

/* ---- Running ------------------------------------------------------------------------------------------------ */

#define MAX_ARGUMENTS 64

typedef struct held {
    uint32_t holds[MAX_ARGUMENTS + 1];
    size_t n;
} held;

static theta_status hold(theta_machine *m, held *h, th_value v) {
    th_status status = th_machine_hold(m->machine, TH_TYPE_VALUE, v, &h->holds[h->n]);
    if (status == TH_OK) h->n++;
    return (theta_status)status;
}

theta_status th_api_begin(theta_machine *m, theta_value fn, const theta_value *args, size_t nargs, theta_error *err) {
    if (err) err->code = THETA_OK;
    if (nargs > MAX_ARGUMENTS) return th_api_fail(err, TH_E_ARGUMENT, "more than %d arguments", MAX_ARGUMENTS);
    th_run_state state = th_machine_state(m->machine);
    if (state == TH_RUN_READY || state == TH_RUN_SUSPENDED)
        return th_api_fail(err, TH_E_BUSY, "%s", th_status_text(TH_E_BUSY));
    held h = {.n = 0};
    theta_status status = hold(m, &h, th_api_word(m, fn));
    for (size_t i = 0; i < nargs && status == THETA_OK; i++) {
        th_value v;
        char what[32];
        snprintf(what, sizeof what, "argument %zu", i + 1);
        status = th_api_to_dynamic(m, args[i], &v, err, what);
        if (status == THETA_OK) status = hold(m, &h, v);
    }
    if (status == THETA_OK) status = (theta_status)th_machine_tidy(m->machine);
    th_value words[MAX_ARGUMENTS + 1];
    for (size_t i = 0; i < h.n; i++) words[i] = th_machine_held(m->machine, h.holds[i], NULL);
    if (status == THETA_OK)
        status = (theta_status)(nargs ? th_machine_begin_apply(m->machine, words[0], words + 1, nargs)
                                      : th_machine_begin_force(m->machine, words[0]));
    while (h.n > 0) th_machine_drop(m->machine, h.holds[--h.n]);
    if (status != THETA_OK && (!err || err->code != status))
        return th_api_fail(err, (th_status)status, "%s", th_status_text((th_status)status));
    return status;
}

theta_status theta_start_force(theta_machine *m, theta_value value, theta_error *err) {
    if (!th_api_is_dynamic(value))
        return th_api_fail(err, TH_E_TYPE, "the value is not a dynamic one: it is evaluated");
    return th_api_begin(m, value, NULL, 0, err);
}

theta_status theta_value_force(theta_machine *m, theta_value value, theta_value *out, theta_error *err) {
    if (!th_api_is_dynamic(value)) {
        *out = value;
        return THETA_OK;
    }
    th_value v = th_api_word(m, value);
    if (th_evaluated(&v)) {
        *out = th_api_value_of(th_shared(v));
        return THETA_OK;
    }
    theta_status status = theta_start_force(m, value, err);
    if (status != THETA_OK) return status;
    (void)theta_run(m);
    return theta_result(m, out, err);
}

theta_status theta_start_value(theta_machine *m, theta_value function, const theta_value *args, size_t nargs,
                               theta_error *err) {
    if (!th_api_is_dynamic(function)) return th_api_fail(err, TH_E_TYPE, "the value is no dynamic function");
    if (nargs == 0) return th_api_fail(err, TH_E_ARGUMENT, "a dynamic function is applied to at least one argument");
    return th_api_begin(m, function, args, nargs, err);
}

/* ---- Host functions ----------------------------------------------------------------------------------------- */

theta_step theta_frame_force(theta_call_frame *frame, theta_value value, bool deeply, uint32_t state) {
    th_machine *m = frame->machine->machine;
    th_value v = th_api_word(frame->machine, value);
    const th_host *host = frame->call->user;
    if (!th_api_is_dynamic(value) || !(host->builtin.flags & TH_BUILTIN_STATEFUL) || state == 0 || state > UINT16_MAX) {
        (void)th_machine_trap(m, TH_E_HOST, "%s asked for the evaluation of what is no dynamic value", host->name);
        return THETA_STEP_ERROR;
    }
    frame->step = deeply ? nix_deep_force(m, frame->call, v, state) : th_call_force(m, frame->call, v, state);
    return frame->step == TH_STEP_ERROR ? THETA_STEP_ERROR : THETA_STEP_AGAIN;
}

uint32_t theta_frame_state(const theta_call_frame *frame) { return frame->call->state; }

theta_value theta_frame_forced(const theta_call_frame *frame) {
    return th_api_value_of(frame->call->state ? th_shared(th_deref(frame->call->callback)) : TH_V_NULL);
}
