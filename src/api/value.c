/*
** value.c - typed words of a machine as values of the public interface: reading, making, keeping.
** SPDX-License-Identifier: Apache-2.0
*/
#include "api/dynamic.h"

uint64_t th_api_word(const theta_machine *m, theta_value value) {
    return value.hold ? th_machine_held(m->machine, value.hold, NULL) : value.word;
}

typedef struct view {
    const th_type *type;
    uint64_t word;
} view; /* what a value is, options and Variadics opened */

static view open_value(theta_machine *m, theta_value value) {
    const th_types *types = th_machine_types(m->machine);
    view v = {th_types_get(types, value.type), th_api_word(m, value)};
    for (;;) {
        if (v.type->kind == TH_KIND_OPTION && v.word != 0) {
            const th_type *inner = th_types_get(types, v.type->args[0]);
            if (!inner->pointers) v.word = ((const th_record *)th_word_ptr(v.word))->slots[0];
            v.type = inner;
        } else if (v.type->kind == TH_KIND_VARIANT) {
            const th_record *record = th_word_ptr(v.word);
            v.type = th_types_get(types, v.type->args[record->slots[0]]);
            v.word = record->slots[1];
        } else {
            return v;
        }
    }
}

theta_kind theta_value_kind(theta_machine *m, theta_value value) {
    view v = open_value(m, value);
    switch (v.type->kind) {
    case TH_KIND_VALUE: return th_api_dynamic_kind(v.word);
    case TH_KIND_VOID: return THETA_VOID;
    case TH_KIND_I8:
    case TH_KIND_I16:
    case TH_KIND_I32:
    case TH_KIND_I64: return THETA_INT;
    case TH_KIND_F32:
    case TH_KIND_F64: return THETA_FLOAT;
    case TH_KIND_BOOL: return THETA_BOOL;
    case TH_KIND_STRING: return THETA_STRING;
    case TH_KIND_SYMBOL: return THETA_SYMBOL;
    case TH_KIND_LIST: return THETA_LIST;
    case TH_KIND_DICT: return THETA_DICT;
    case TH_KIND_TUPLE: return THETA_TUPLE;
    case TH_KIND_STRUCT: return THETA_STRUCT;
    case TH_KIND_ENUM: return THETA_ENUM;
    case TH_KIND_FUNCTION: return THETA_FUNCTION;
    case TH_KIND_OPTION: return THETA_NULL;
    case TH_KIND_TABLE: return THETA_TABLE;
    case TH_KIND_ERROR: return THETA_ERROR_VALUE;
    default: return THETA_OTHER;
    }
}

theta_status theta_value_type(theta_machine *m, theta_value value, theta_text *out) {
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    th_type_print(th_machine_types(m->machine), value.type, &buf);
    return th_api_text(&buf, out);
}

/* ---- Reading ------------------------------------------------------------------------------------------------ */

theta_status theta_value_bool(theta_machine *m, theta_value value, bool *out) {
    view v = open_value(m, value);
    if (v.type->kind == TH_KIND_VALUE && th_is_bool(th_deref(v.word))) {
        *out = th_deref(v.word) == TH_V_TRUE;
        return THETA_OK;
    }
    if (v.type->kind != TH_KIND_BOOL) return THETA_E_TYPE;
    *out = v.word != 0;
    return THETA_OK;
}

static bool is_integer(th_kind kind) { return kind >= TH_KIND_I8 && kind <= TH_KIND_I64; }

theta_status theta_value_int(theta_machine *m, theta_value value, int64_t *out) {
    view v = open_value(m, value);
    if (v.type->kind == TH_KIND_VALUE) return th_get_i64(th_deref(v.word), out) ? THETA_OK : THETA_E_TYPE;
    if (!is_integer(v.type->kind) && v.type->kind != TH_KIND_ENUM) return THETA_E_TYPE;
    *out = (int64_t)v.word;
    return THETA_OK;
}

theta_status theta_value_float(theta_machine *m, theta_value value, double *out) {
    view v = open_value(m, value);
    if (v.type->kind == TH_KIND_VALUE) return th_get_f64(th_deref(v.word), out) ? THETA_OK : THETA_E_TYPE;
    if (v.type->kind == TH_KIND_F64)
        *out = th_word_f64(v.word);
    else if (v.type->kind == TH_KIND_F32)
        *out = (double)th_word_f32(v.word);
    else
        return THETA_E_TYPE;
    return THETA_OK;
}

theta_status theta_value_string(theta_machine *m, theta_value value, const char **data, size_t *len) {
    view v = open_value(m, value);
    const th_str *s;
    if (v.type->kind == TH_KIND_VALUE) {
        th_value text = th_deref(v.word);
        if (!th_is_kind(text, TH_OBJ_STRING)) return THETA_E_TYPE;
        *data = th_string_bytes(text);
        *len = th_string_len(text);
        return THETA_OK;
    }
    if (v.type->kind == TH_KIND_ENUM && v.word < v.type->nnames)
        s = v.type->names[v.word];
    else if (v.type->cls == TH_CLASS_STRING && v.word)
        s = th_word_ptr(v.word);
    else
        return THETA_E_TYPE;
    *data = s->bytes;
    *len = s->len;
    return THETA_OK;
}

theta_status theta_value_len(theta_machine *m, theta_value value, size_t *out) {
    view v = open_value(m, value);
    switch (v.type->kind) {
    case TH_KIND_VALUE: return th_api_dynamic_len(m, v.word, out);
    case TH_KIND_LIST: *out = ((const th_list *)th_word_ptr(v.word))->len; return THETA_OK;
    case TH_KIND_DICT: *out = ((const th_dict *)th_word_ptr(v.word))->len; return THETA_OK;
    case TH_KIND_TUPLE:
    case TH_KIND_STRUCT: *out = v.type->nargs; return THETA_OK;
    default: return THETA_E_TYPE;
    }
}

theta_status theta_value_at(theta_machine *m, theta_value value, size_t i, theta_value *out) {
    view v = open_value(m, value);
    size_t len;
    if (v.type->kind == TH_KIND_VALUE) return th_api_dynamic_at(m, v.word, i, out);
    if (v.type->kind == TH_KIND_DICT || theta_value_len(m, value, &len) != THETA_OK) return THETA_E_TYPE;
    if (i >= len) return THETA_E_INDEX;
    if (v.type->kind == TH_KIND_LIST)
        *out = (theta_value){th_list_get(m->machine, th_word_ptr(v.word), i), v.type->args[0], 0};
    else
        *out = (theta_value){((const th_record *)th_word_ptr(v.word))->slots[i], v.type->args[i], 0};
    return THETA_OK;
}

static theta_status dict_entry(theta_machine *m, view v, const char *name, theta_value *out) {
    size_t cursor = 0;
    const th_dict *dict = th_word_ptr(v.word);
    if (!dict->string_keys) return THETA_E_TYPE;
    (void)m;
    for (const th_dict_entry *e; (e = th_dict_next(dict, &cursor)) != NULL;) {
        if (!th_view_is(th_view_str(th_word_ptr(e->key)), name)) continue;
        *out = (theta_value){e->value, v.type->args[1], 0};
        return THETA_OK;
    }
    return THETA_E_NOT_FOUND;
}

theta_status theta_value_field(theta_machine *m, theta_value value, const char *name, theta_value *out) {
    view v = open_value(m, value);
    if (v.type->kind == TH_KIND_VALUE) return th_api_dynamic_field(m, v.word, name, out);
    if (v.type->kind == TH_KIND_DICT) return dict_entry(m, v, name, out);
    if (v.type->kind != TH_KIND_STRUCT) return THETA_E_TYPE;
    for (uint32_t i = 0; i < v.type->nargs; i++)
        if (th_view_is(th_view_str(v.type->names[i]), name)) return theta_value_at(m, value, i, out);
    return THETA_E_NOT_FOUND;
}

theta_status theta_value_name(theta_machine *m, theta_value value, size_t i, const char **name, size_t *len) {
    view v = open_value(m, value);
    if (v.type->kind == TH_KIND_VALUE) return th_api_dynamic_name(m, v.word, i, name, len);
    if (v.type->kind != TH_KIND_STRUCT) return THETA_E_TYPE;
    if (i >= v.type->nargs) return THETA_E_INDEX;
    *name = v.type->names[i]->bytes;
    *len = v.type->names[i]->len;
    return THETA_OK;
}

theta_status theta_value_entry(theta_machine *m, theta_value value, size_t *cursor, theta_value *key,
                               theta_value *item) {
    view v = open_value(m, value);
    if (v.type->kind != TH_KIND_DICT) return THETA_E_TYPE;
    const th_dict_entry *entry = th_dict_next(th_word_ptr(v.word), cursor);
    if (!entry) return THETA_E_NOT_FOUND;
    if (key) *key = (theta_value){entry->key, v.type->args[0], 0};
    if (item) *item = (theta_value){entry->value, v.type->args[1], 0};
    return THETA_OK;
}

/* What a builtin or a printer recorded outside a run. */
theta_status th_api_take_trap(theta_machine *m, th_status status, theta_error *err) {
    th_error trapped;
    if (!th_machine_take_trap(m->machine, &trapped)) return th_api_fail(err, status, "%s", th_status_text(status));
    th_api_error(err, &trapped);
    return (theta_status)trapped.code;
}

theta_status theta_value_text(theta_machine *m, theta_value value, uint32_t flags, theta_text *out, theta_error *err) {
    if (th_api_is_dynamic(value)) return th_api_nix_text(m, value, flags, out, err);
    th_buf buf;
    th_buf_init(&buf, &m->engine->mem);
    th_status status = th_value_print(m->machine, value.type, th_api_word(m, value), flags, &buf);
    if (status != TH_OK) {
        th_buf_clear(&buf);
        return th_api_take_trap(m, status, err);
    }
    return th_api_text(&buf, out);
}

/* ---- Making ------------------------------------------------------------------------------------------------- */

theta_value theta_int(int64_t x) { return (theta_value){(uint64_t)x, TH_TYPE_I64, 0}; }
theta_value theta_float(double x) { return (theta_value){th_f64_word(x), TH_TYPE_F64, 0}; }
theta_value theta_bool(bool x) { return (theta_value){x, TH_TYPE_BOOL, 0}; }

theta_status theta_string(theta_machine *m, const char *data, size_t len, theta_value *out) {
    if (th_utf8_valid(data, len) != len) return THETA_E_ARGUMENT;
    th_str *s = th_new_str_of(m->machine, data, len);
    if (!s) return th_api_take_trap(m, TH_E_NOMEM, NULL);
    *out = (theta_value){th_ptr_word(s), TH_TYPE_STRING, 0};
    return THETA_OK;
}

theta_status theta_from_json(theta_machine *m, const char *type, const char *json, size_t len, theta_value *out,
                             theta_error *err) {
    th_error inner = {.code = TH_E_NOMEM, .message = "out of memory"};
    th_type_id id;
    uint64_t word;
    th_status status = th_type_parse(th_machine_types(m->machine), th_view_of(type), &id, &inner);
    if (status != TH_OK) {
        th_api_error(err, &inner);
        return (theta_status)status;
    }
    status = th_value_from_json(m->machine, id, (th_view){json, len}, &word);
    if (status != TH_OK) return th_api_take_trap(m, status, err);
    *out = (theta_value){word, id, 0};
    return THETA_OK;
}

static bool fits(int64_t x, th_class cls) {
    switch (cls) {
    case TH_CLASS_I8: return x == (int8_t)x;
    case TH_CLASS_I16: return x == (int16_t)x;
    case TH_CLASS_I32: return x == (int32_t)x;
    default: return cls == TH_CLASS_I64;
    }
}

static theta_status mismatch(theta_machine *m, theta_value value, th_type_id type, theta_error *err, const char *what) {
    th_buf wanted, given;
    th_buf_init(&wanted, &m->engine->mem);
    th_buf_init(&given, &m->engine->mem);
    th_type_print(th_machine_types(m->machine), type, &wanted);
    th_type_print(th_machine_types(m->machine), value.type, &given);
    theta_status status = th_api_fail(err, TH_E_ARGUMENT, "%s: wanted %s, given %s", what,
                                      wanted.data ? wanted.data : "?", given.data ? given.data : "?");
    th_buf_clear(&wanted);
    th_buf_clear(&given);
    return status;
}

static bool same_enough(const th_type *from, const th_type *to) {
    if (from->kind == TH_KIND_TABLE && to->kind == TH_KIND_TABLE) return true;
    return from->cls == TH_CLASS_STRING && to->cls == TH_CLASS_STRING && from->kind != TH_KIND_OPTION &&
           to->kind != TH_KIND_OPTION;
}

theta_status th_api_convert(theta_machine *m, theta_value value, th_type_id type, uint64_t *word, theta_error *err,
                            const char *what) {
    const th_types *types = th_machine_types(m->machine);
    const th_type *to = th_types_get(types, type), *from = th_types_get(types, value.type);
    *word = th_api_word(m, value);
    if (value.type == type || same_enough(from, to)) return THETA_OK;
    if (to->kind == TH_KIND_VALUE) return th_api_to_dynamic(m, value, word, err, what);
    if (to->kind == TH_KIND_OPTION) {
        if (from->kind == TH_KIND_VALUE && th_deref(*word) == TH_V_NULL) {
            *word = 0;
            return THETA_OK;
        }
        theta_status status = th_api_convert(m, value, to->args[0], word, err, what);
        if (status != THETA_OK) return status;
        return th_new_option(m->machine, type, *word, word) ? THETA_OK : th_api_take_trap(m, TH_E_NOMEM, err);
    }
    if (from->kind == TH_KIND_VALUE) return th_api_from_dynamic(m, value, type, word, err, what);
    if (is_integer(from->kind) && (is_integer(to->kind) || to->kind == TH_KIND_ENUM)) {
        bool ok = to->kind == TH_KIND_ENUM ? *word < to->nnames : fits((int64_t)*word, to->cls);
        if (ok) return THETA_OK;
        return th_api_fail(err, TH_E_ARGUMENT, "%s: %lld does not fit in %s", what, (long long)*word,
                           th_class_text(to->cls));
    }
    if (from->kind == TH_KIND_F64 && to->kind == TH_KIND_F32) {
        *word = th_f32_word((float)th_word_f64(*word));
        return THETA_OK;
    }
    return mismatch(m, value, type, err, what);
}

/* ---- Keeping ------------------------------------------------------------------------------------------------ */

theta_status theta_value_keep(theta_machine *m, theta_value value, theta_value *out) {
    uint32_t hold;
    th_status status = th_machine_hold(m->machine, value.type, th_api_word(m, value), &hold);
    if (status == TH_OK) *out = (theta_value){0, value.type, hold};
    return (theta_status)status;
}

void theta_value_drop(theta_machine *m, theta_value *value) {
    th_machine_drop(m->machine, value->hold);
    *value = (theta_value){0, TH_TYPE_VOID, 0};
}
