/*
** compute.c - the slow halves of instructions over values: arithmetic and comparison beyond small integers, fields,
** merging. Operands are evaluated; nothing here evaluates or collects.
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>
#include <stdio.h>

#include "machine/dynamic.h"
#include "machine/machine_int.h"

/* ---- Numbers and texts -------------------------------------------------------------------------------------- */

static bool is_float(th_value v) { return th_is_float_word(v) || th_is_kind(v, TH_OBJ_FLOAT); }

/* A small integer or a float, as a float. */
static bool as_float(th_value v, double *out) {
    if (!th_is_int(v)) return is_float(v) && th_get_f64(v, out);
    *out = (double)th_int(v);
    return true;
}

static th_done float_result(th_machine *m, double x, th_value *out) {
    if (x != x) x = NAN; /* one NaN, so that runs are the same everywhere */
    if (th_float_fits(x, out)) return TH_DONE;
    return th_new_float(m->heap, x, out) ? TH_DONE : TH_REFUSED;
}

static th_done float_binary(th_machine *m, uint32_t op, double x, double y, th_value *out) {
    switch (op) {
    case TH_OP_VADD: return float_result(m, x + y, out);
    case TH_OP_VSUB: return float_result(m, x - y, out);
    case TH_OP_VMUL: return float_result(m, x * y, out);
    case TH_OP_VDIV: return y == 0 ? TH_OTHER : float_result(m, x / y, out);
    case TH_OP_VEQ: *out = th_of_bool(x == y); return TH_DONE;
    case TH_OP_VLT: *out = th_of_bool(x < y); return TH_DONE;
    default: *out = th_of_bool(x <= y); return TH_DONE;
    }
}

static th_done equal_texts(th_machine *m, th_value x, th_value y, th_value *out) {
    uint64_t facts = *th_obj(x) ^ *th_obj(y); /* sort and length */
    if (th_header_flags(*th_obj(x) | *th_obj(y)) & TH_STRING_CONTEXT) return TH_OTHER;
    if (th_header_flags(facts) & TH_STRING_SORT) return TH_OTHER;
    size_t len = th_string_len(x);
    bool same = th_header_size(facts) == 0 && memcmp(th_string_bytes(x), th_string_bytes(y), len) == 0;
    *out = th_of_bool(same);
    if (same) m->fuel -= (int64_t)(len >> 3);
    return TH_DONE;
}

static th_done equal(th_machine *m, th_value x, th_value y, th_value *out) {
    if (th_is_constant(x) || th_is_constant(y)) { /* nothing else is equal to a constant */
        *out = th_of_bool(x == y);
        return TH_DONE;
    }
    if (th_is_kind(x, TH_OBJ_STRING) && th_is_kind(y, TH_OBJ_STRING)) return equal_texts(m, x, y, out);
    return TH_OTHER;
}

th_done th_value_binary(th_machine *m, uint32_t op, th_value x, th_value y, th_value *out) {
    double fx, fy;
    if ((is_float(x) || is_float(y)) && as_float(x, &fx) && as_float(y, &fy)) return float_binary(m, op, fx, fy, out);
    if (op == TH_OP_VEQ) return equal(m, x, y, out);
    if (op != TH_OP_VDIV || !th_is_int(x) || !th_is_int(y) || th_int(y) == 0) return TH_OTHER;
    int64_t quotient = th_int(x) / th_int(y); /* by -1, mostly: the interpreter does the others */
    if (!th_int_fits(quotient)) return TH_OTHER;
    *out = th_of_int(quotient);
    return TH_DONE;
}

static bool try_ints(uint32_t op, int64_t x, int64_t y, th_value *out) {
    int64_t z;
    bool over = op == TH_OP_VTADD   ? __builtin_add_overflow(x, y, &z)
                : op == TH_OP_VTSUB ? __builtin_sub_overflow(x, y, &z)
                                    : __builtin_mul_overflow(x, y, &z);
    if (over || !th_int_fits(z)) return false;
    *out = th_of_int(z);
    return true;
}

bool th_value_try(uint32_t op, th_value x, th_value y, th_value *out) {
    x = th_deref(x);
    y = th_deref(y);
    if (th_is_int(x) && th_is_int(y)) return try_ints(op, th_int(x), th_int(y), out);
    double fx, fy;
    if (!as_float(x, &fx) || !as_float(y, &fy)) return false;
    double z = op == TH_OP_VTADD ? fx + fy : op == TH_OP_VTSUB ? fx - fy : fx * fy;
    return th_float_fits(z, out);
}

/* ---- Fields ------------------------------------------------------------------------------------------------- */

th_value th_value_select(th_machine *m, th_site *site, th_value record) {
    record = th_deref(record);
    if (th_is_kind(record, TH_OBJ_LAYER)) return th_record_get(m->heap, record, site->symbol);
    if (!th_is_kind(record, TH_OBJ_RECORD)) return TH_V_ABSENT;
    int64_t at = th_shape_find(th_record_shape(m->heap, record), site->symbol);
    if (at < 0) return TH_V_ABSENT;
    site->header = *th_obj(record);
    site->index = (uint32_t)at;
    return th_record_values(record)[at];
}

th_done th_value_update(th_machine *m, th_value under, th_value over, th_value *out) {
    th_value other = th_value_kind_of(under) != TH_VK_RECORD ? under : over;
    if (th_value_kind_of(other) != TH_VK_RECORD) {
        (void)th_value_expected(m, m->words->names[TH_VK_RECORD], other);
        return TH_TRAPPED;
    }
    if (!th_record_update(m->heap, th_shared(under), th_shared(over), out)) return TH_REFUSED;
    m->fuel -= th_is_kind(*out, TH_OBJ_RECORD) ? (int64_t)(th_record_shape(m->heap, *out)->count >> 2) : 4;
    return TH_DONE;
}

th_done th_value_join(th_machine *m, th_value a, th_value b, th_value *out) {
    th_value other = th_is_kind(a, TH_OBJ_ARRAY) ? b : a, *items;
    if (!th_is_kind(other, TH_OBJ_ARRAY)) {
        (void)th_value_expected(m, m->words->names[TH_VK_ARRAY], other);
        return TH_TRAPPED;
    }
    size_t na = th_array_len(a), nb = th_array_len(b);
    if (na == 0 || nb == 0) {
        *out = th_shared(na == 0 ? b : a);
        return TH_DONE;
    }
    if (!th_new_array(m->heap, na + nb, TH_V_ABSENT, &items, out)) return TH_REFUSED;
    memcpy(items, th_array_items(a), na * sizeof *items);
    memcpy(items + na, th_array_items(b), nb * sizeof *items);
    m->fuel -= (int64_t)((na + nb) >> 2);
    return TH_DONE;
}

/* ---- Names -------------------------------------------------------------------------------------------------- */

#define NAME_MAX_BYTES 64
#define NEAR_NAMES     3

/* Edits (insert, delete, replace, swap neighbours are two) from a to b, at most `limit` + 1. */
static unsigned edits(th_view a, th_view b, unsigned limit) {
    unsigned row[NAME_MAX_BYTES + 1];
    if (a.len > NAME_MAX_BYTES || b.len > NAME_MAX_BYTES) return limit + 1;
    if (a.len > b.len + limit || b.len > a.len + limit) return limit + 1;
    for (unsigned j = 0; j <= b.len; j++) row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0], least = row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned replaced = diagonal + (a.data[i - 1] != b.data[j - 1]),
                     other = row[j - 1] < row[j] ? row[j - 1] : row[j];
            diagonal = row[j];
            row[j] = replaced < other + 1 ? replaced : other + 1;
            if (row[j] < least) least = row[j];
        }
        if (least > limit) return limit + 1;
    }
    return row[b.len];
}

typedef struct near_names {
    th_view names[NEAR_NAMES];
    unsigned edits[NEAR_NAMES];
    size_t count;
} near_names;

static void consider(near_names *near, th_view wanted, th_view name) {
    unsigned limit = wanted.len <= 2 ? 1 : wanted.len <= 5 ? 2 : 3, n = edits(wanted, name, limit);
    if (n > limit || n >= wanted.len) return;
    size_t at = near->count < NEAR_NAMES ? near->count++ : NEAR_NAMES;
    for (; at > 0 && (at == NEAR_NAMES || near->edits[at - 1] > n); at--) {
        if (near->edits[at - 1] <= n) return;
        if (at == NEAR_NAMES) continue;
        near->names[at] = near->names[at - 1];
        near->edits[at] = near->edits[at - 1];
    }
    near->names[at] = name;
    near->edits[at] = n;
}

static void suggest(th_machine *m, const th_shape *shape, th_view wanted, th_buf *out) {
    near_names near = {.count = 0};
    for (uint32_t i = 0; i < shape->count && i < 10000; i++)
        consider(&near, wanted, th_symbol_text(m->heap, shape->keys[i]));
    for (size_t i = 0; i < near.count; i++) {
        const char *before = i == 0 ? "; did you mean " : i + 1 < near.count ? ", " : " or ";
        th_buf_printf(out, "%s'%.*s'", before, (int)near.names[i].len, near.names[i].data);
    }
    if (near.count > 0) th_buf_char(out, '?');
}

/* One error for a name: "attribute 'x' missing; did you mean 'y'?". */
static void trap_name(th_machine *m, th_status code, const char *format, const th_shape *shape, th_view name) {
    char text[sizeof m->error.message];
    th_buf hint;
    th_buf_init(&hint, &m->mem);
    if (shape) suggest(m, shape, name, &hint);
    snprintf(text, sizeof text, format, (int)(name.len < 200 ? name.len : 200), name.data);
    (void)th_machine_trap(m, code, "%s%s", text, hint.data ? hint.data : "");
    th_buf_clear(&hint);
}

bool th_trap_missing(th_machine *m, th_value record, th_symbol symbol) {
    record = th_deref(record);
    if (th_value_kind_of(record) != TH_VK_RECORD) {
        (void)th_value_expected(m, m->words->names[TH_VK_RECORD], record);
        return false;
    }
    th_value flat = record;
    bool known = th_is_kind(record, TH_OBJ_RECORD) || th_record_flat(m->heap, record, &flat);
    trap_name(m, TH_E_REFERENCE, "attribute '%.*s' missing", known ? th_record_shape(m->heap, flat) : NULL,
              th_symbol_text(m->heap, symbol));
    return false;
}

th_done th_value_only(th_machine *m, th_value record, const th_unit_shape *allowed) {
    if (th_value_kind_of(record) != TH_VK_RECORD) {
        (void)th_value_expected(m, m->words->names[TH_VK_RECORD], record);
        return TH_TRAPPED;
    }
    if (!th_is_kind(record, TH_OBJ_RECORD) && !th_record_flat(m->heap, record, &record)) return TH_REFUSED;
    const th_shape *has = th_record_shape(m->heap, record), *may = allowed->shape;
    uint32_t j = 0;
    for (uint32_t i = 0; i < has->count; i++) {
        while (j < may->count && may->keys[j] < has->keys[i]) j++;
        if (j < may->count && may->keys[j] == has->keys[i]) continue;
        trap_name(m, TH_E_TYPE, "unexpected argument '%.*s'", may, th_symbol_text(m->heap, has->keys[i]));
        return TH_TRAPPED;
    }
    m->fuel -= has->count >> 2;
    return TH_DONE;
}
