/*
** expr.c - evaluates bound expressions over a batch, a column at a time.
** Integers of every width are i64 here and wrapped to their width after each operation; floats are f64 and f32 results
** rounded after each operation, which is exact for + - * / (Figueroa, "When is double rounding innocuous?", 1995).
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>

#include "flow/flow_int.h"

#define NEW(eval, type, n) ((type *)th_arena_new((eval)->scratch, (n) * sizeof(type) + 8))

static th_status no_memory(const th_eval *eval) { return th_fail(eval->err, TH_E_NOMEM, "out of memory"); }

/* ---- Columns to vectors ------------------------------------------------------------------------------------- */

static const uint8_t *unpack_bits(th_arena *scratch, const uint8_t *bits, size_t offset, size_t n) {
    uint8_t *bytes = th_arena_new(scratch, n + 8);
    if (!bytes) return NULL;
    size_t i = 0;
    for (; i < n && ((offset + i) & 7); i++) bytes[i] = bits[(offset + i) >> 3] >> ((offset + i) & 7) & 1;
    for (; i + 8 <= n; i += 8) { /* eight bits become eight bytes in one multiplication */
        uint64_t x = bits[(offset + i) >> 3];
        uint64_t spread = ((x * 0x8040201008040201u) >> 7) & 0x0101010101010101u;
        spread = __builtin_bswap64(spread);
        memcpy(bytes + i, &spread, 8);
    }
    for (; i < n; i++) bytes[i] = bits[(offset + i) >> 3] >> ((offset + i) & 7) & 1;
    return bytes;
}

#define WIDEN(ctype, to)                                                                                               \
    do {                                                                                                               \
        const ctype *from_ = TH_COLUMN_AT(c, ctype);                                                                   \
        for (size_t i = 0; i < n; i++) to[i] = from_[i];                                                               \
    } while (0)

th_status th_vector_of_column(th_arena *scratch, const th_column *c, th_vector *out) {
    size_t n = c->len;
    *out = (th_vector){.family = th_family_of(c->type)};
    if (c->null_count > 0 && c->validity) {
        out->valid = unpack_bits(scratch, c->validity->data, c->offset, n);
        if (!out->valid) return TH_E_NOMEM;
    }
    switch (c->type) {
    case TH_COLUMN_I64:
    case TH_COLUMN_TIMESTAMP: out->ints = TH_COLUMN_AT(c, int64_t); return TH_OK;
    case TH_COLUMN_F64: out->floats = TH_COLUMN_AT(c, double); return TH_OK;
    case TH_COLUMN_BOOL:
        out->bools = unpack_bits(scratch, c->values->data, c->offset, n);
        return out->bools ? TH_OK : TH_E_NOMEM;
    case TH_COLUMN_NULL: {
        uint8_t *none = th_arena_zeroed(scratch, n + 8);
        out->valid = out->bools = none;
        return none ? TH_OK : TH_E_NOMEM;
    }
    case TH_COLUMN_STRING: {
        th_view *texts = th_arena_new(scratch, n * sizeof *texts + 8);
        if (!texts) return TH_E_NOMEM;
        for (size_t i = 0; i < n; i++) texts[i] = th_column_text(c, i);
        out->texts = texts;
        return TH_OK;
    }
    case TH_COLUMN_F32: {
        double *floats = th_arena_new(scratch, n * sizeof *floats + 8);
        if (!floats) return TH_E_NOMEM;
        WIDEN(float, floats);
        out->floats = floats;
        return TH_OK;
    }
    default: break;
    }
    int64_t *ints = th_arena_new(scratch, n * sizeof *ints + 8);
    if (!ints) return TH_E_NOMEM;
    if (c->type == TH_COLUMN_I8)
        WIDEN(int8_t, ints);
    else if (c->type == TH_COLUMN_I16)
        WIDEN(int16_t, ints);
    else
        WIDEN(int32_t, ints);
    out->ints = ints;
    return TH_OK;
}

/* ---- Vectors to columns ------------------------------------------------------------------------------------- */

static void pack_bits(uint8_t *bits, const uint8_t *bytes, size_t n) {
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t x;
        memcpy(&x, bytes + i, 8);
        bits[i >> 3] = (uint8_t)((x * 0x0102040810204080u) >> 56);
    }
    for (; i < n; i++)
        if (bytes[i]) bits[i >> 3] |= (uint8_t)(1u << (i & 7));
}

static th_status pack_validity(th_mem *mem, const uint8_t *valid, size_t n, th_column *c) {
    if (!valid) return TH_OK;
    size_t present = 0;
    for (size_t i = 0; i < n; i++) present += valid[i];
    c->null_count = (int64_t)(n - present);
    if (c->null_count == 0) return TH_OK;
    TH_TRY(th_buffer_new(mem, (n + 7) / 8, &c->validity));
    memset(c->validity->data, 0, (n + 7) / 8);
    pack_bits(c->validity->data, valid, n);
    return TH_OK;
}

#define NARROW(ctype, from)                                                                                            \
    do {                                                                                                               \
        ctype *to_ = (ctype *)(void *)c->values->data;                                                                 \
        for (size_t i = 0; i < n; i++) to_[i] = (ctype)from[i];                                                        \
    } while (0)

static th_status texts_column(th_mem *mem, const th_vector *v, size_t n, th_column *c) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += !v->valid || v->valid[i] ? v->texts[i].len : 0;
    if (total > INT32_MAX) return TH_E_LIMIT;
    TH_TRY(th_buffer_new(mem, (n + 1) * sizeof(int32_t), &c->offsets));
    TH_TRY(th_buffer_new(mem, total, &c->values));
    int32_t *offsets = (int32_t *)(void *)c->offsets->data;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        offsets[i] = (int32_t)at;
        if (v->valid && !v->valid[i]) continue;
        if (v->texts[i].len) memcpy(c->values->data + at, v->texts[i].data, v->texts[i].len);
        at += v->texts[i].len;
    }
    offsets[n] = (int32_t)at;
    return TH_OK;
}

static th_status fill_column(th_mem *mem, const th_vector *v, size_t n, th_column *c) {
    TH_TRY(pack_validity(mem, v->valid, n, c));
    switch (c->type) {
    case TH_COLUMN_NULL: return TH_OK;
    case TH_COLUMN_STRING: return texts_column(mem, v, n, c);
    case TH_COLUMN_BOOL:
        TH_TRY(th_buffer_new(mem, (n + 7) / 8, &c->values));
        memset(c->values->data, 0, (n + 7) / 8);
        pack_bits(c->values->data, v->bools, n);
        return TH_OK;
    default: break;
    }
    static const uint8_t widths[TH_COLUMN_TYPE_COUNT] = {
#define X(name, number, bytes, format) bytes,
        TH_COLUMN_TYPES(X)
#undef X
    };
    TH_TRY(th_buffer_new(mem, n * widths[c->type], &c->values));
    switch (c->type) {
    case TH_COLUMN_I8: NARROW(int8_t, v->ints); break;
    case TH_COLUMN_I16: NARROW(int16_t, v->ints); break;
    case TH_COLUMN_I32:
    case TH_COLUMN_DATE: NARROW(int32_t, v->ints); break;
    case TH_COLUMN_F32: NARROW(float, v->floats); break;
    default:
        if (n) memcpy(c->values->data, v->ints, n * 8);
    }
    return TH_OK;
}

th_status th_vector_column(th_mem *mem, const th_vector *v, size_t n, th_column_type type, th_column *out) {
    th_column c = {.type = type, .len = n};
    th_vector all_null;
    uint8_t *none = NULL;
    if (v->family == TH_FAMILY_NULL && type != TH_COLUMN_NULL) { /* a null of any type: zeros, none valid */
        none = th_mem_zeroed(mem, n * sizeof(th_view) + 8);
        if (!none) return TH_E_NOMEM;
        all_null = (th_vector){.family = th_family_of(type), .bools = none, .valid = none};
        v = &all_null;
    }
    th_status status = fill_column(mem, v, n, &c);
    if (type == TH_COLUMN_NULL) c.null_count = (int64_t)n;
    if (none) th_mem_free(mem, none, n * sizeof(th_view) + 8);
    if (status != TH_OK) {
        th_column_clear(&c);
        return status;
    }
    *out = c;
    return TH_OK;
}

/* ---- Validity ----------------------------------------------------------------------------------------------- */

static th_status both_valid(const th_eval *eval, const uint8_t *a, const uint8_t *b, const uint8_t **out) {
    if (!a || !b) {
        *out = a ? a : b;
        return TH_OK;
    }
    uint8_t *both = NEW(eval, uint8_t, eval->nrows);
    if (!both) return no_memory(eval);
    for (size_t i = 0; i < eval->nrows; i++) both[i] = a[i] & b[i];
    *out = both;
    return TH_OK;
}

static bool counts(const uint8_t *active, const uint8_t *valid, size_t i) {
    return (!active || active[i]) && (!valid || valid[i]);
}

/* ---- Literals ----------------------------------------------------------------------------------------------- */

static th_status literal(const th_eval *eval, const th_bound *e, th_vector *out) {
    size_t n = eval->nrows;
    *out = (th_vector){.family = e->null ? TH_FAMILY_NULL : th_family_of(e->type)};
    switch (out->family) {
    case TH_FAMILY_INT: {
        int64_t *x = NEW(eval, int64_t, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) x[i] = e->ival;
        out->ints = x;
        return TH_OK;
    }
    case TH_FAMILY_FLOAT: {
        double *x = NEW(eval, double, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) x[i] = e->fval;
        out->floats = x;
        return TH_OK;
    }
    case TH_FAMILY_TEXT: {
        th_view *x = NEW(eval, th_view, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) x[i] = e->text;
        out->texts = x;
        return TH_OK;
    }
    default: {
        uint8_t *x = NEW(eval, uint8_t, n);
        if (!x) return no_memory(eval);
        memset(x, e->null ? 0 : e->ival != 0, n);
        out->bools = x;
        if (e->null) out->valid = x;
        return TH_OK;
    }
    }
}

/* A NULL vector where a family is needed: zeros, none valid. */
static th_status as_family(const th_eval *eval, th_vector *v, th_family family) {
    if (v->family == family || v->family != TH_FAMILY_NULL) return TH_OK;
    uint8_t *zeros = th_arena_zeroed(eval->scratch, eval->nrows * sizeof(th_view) + 8);
    if (!zeros) return no_memory(eval);
    *v = (th_vector){.family = family, .bools = zeros, .valid = zeros};
    return TH_OK;
}

/* ---- Arithmetic --------------------------------------------------------------------------------------------- */

static void wrap_ints(int64_t *x, size_t n, th_column_type type) {
    if (type == TH_COLUMN_I8)
        for (size_t i = 0; i < n; i++) x[i] = (int8_t)x[i];
    else if (type == TH_COLUMN_I16)
        for (size_t i = 0; i < n; i++) x[i] = (int16_t)x[i];
    else if (type == TH_COLUMN_I32)
        for (size_t i = 0; i < n; i++) x[i] = (int32_t)x[i];
}

static void round_floats(double *x, size_t n, th_column_type type) {
    if (type == TH_COLUMN_F32)
        for (size_t i = 0; i < n; i++) x[i] = (double)(float)x[i];
}

#define EACH(expression)                                                                                               \
    for (size_t i = 0; i < n; i++) x[i] = (expression);                                                                \
    break

static int64_t power(int64_t base, int64_t exponent) {
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent >>= 1, square *= square)
        if (exponent & 1) result *= square;
    return (int64_t)result;
}

/* Operations that can fail: only for rows that count. */
static th_status careful_ints(const th_eval *eval, th_expr_op op, const int64_t *a, const int64_t *b,
                              const uint8_t *active, const uint8_t *valid, int64_t *x) {
    for (size_t i = 0; i < eval->nrows; i++) {
        bool real = counts(active, valid, i);
        if (op == TH_EXPR_POW) {
            if (real && b[i] < 0)
                return th_fail(eval->err, TH_E_CONVERSION, "an integer to the power of %lld", (long long)b[i]);
            x[i] = real ? power(a[i], b[i]) : 0;
        } else if (b[i] == 0) {
            if (real) return th_fail(eval->err, TH_E_DIVISION, "division by zero");
            x[i] = 0;
        } else if (b[i] == -1) {
            x[i] = op == TH_EXPR_DIV ? (int64_t)(0 - (uint64_t)a[i]) : 0;
        } else {
            x[i] = op == TH_EXPR_DIV ? a[i] / b[i] : a[i] % b[i];
        }
    }
    return TH_OK;
}

static th_status int_binary(const th_eval *eval, const th_bound *e, const th_vector *l, const th_vector *r,
                            const uint8_t *active, th_vector *out) {
    size_t n = eval->nrows;
    int64_t *x = NEW(eval, int64_t, n);
    if (!x) return no_memory(eval);
    const int64_t *a = l->ints, *b = r->ints;
    switch (e->op) {
    case TH_EXPR_ADD: EACH((int64_t)((uint64_t)a[i] + (uint64_t)b[i]));
    case TH_EXPR_SUB: EACH((int64_t)((uint64_t)a[i] - (uint64_t)b[i]));
    case TH_EXPR_MUL: EACH((int64_t)((uint64_t)a[i] * (uint64_t)b[i]));
    case TH_EXPR_BAND: EACH(a[i] & b[i]);
    case TH_EXPR_BOR: EACH(a[i] | b[i]);
    case TH_EXPR_BXOR: EACH(a[i] ^ b[i]);
    case TH_EXPR_SHL: EACH((int64_t)((uint64_t)a[i] << (b[i] & 63)));
    case TH_EXPR_SHR: EACH(a[i] >> (b[i] & 63));
    default: TH_TRY(careful_ints(eval, e->op, a, b, active, out->valid, x));
    }
    wrap_ints(x, n, e->type);
    out->ints = x;
    return TH_OK;
}

static th_status float_binary(const th_eval *eval, const th_bound *e, const th_vector *l, const th_vector *r,
                              th_vector *out) {
    size_t n = eval->nrows;
    double *x = NEW(eval, double, n);
    if (!x) return no_memory(eval);
    const double *a = l->floats, *b = r->floats;
    switch (e->op) {
    case TH_EXPR_ADD: EACH(a[i] + b[i]);
    case TH_EXPR_SUB: EACH(a[i] - b[i]);
    case TH_EXPR_MUL: EACH(a[i] * b[i]);
    case TH_EXPR_DIV: EACH(a[i] / b[i]);
    case TH_EXPR_REM: EACH(fmod(a[i], b[i]));
    default: EACH(pow(a[i], b[i]));
    }
    round_floats(x, n, e->type);
    out->floats = x;
    return TH_OK;
}

static th_status text_join(const th_eval *eval, const th_vector *l, const th_vector *r, th_vector *out) {
    th_view *x = NEW(eval, th_view, eval->nrows);
    if (!x) return no_memory(eval);
    for (size_t i = 0; i < eval->nrows; i++) {
        x[i] = (th_view){"", 0};
        if (out->valid && !out->valid[i]) continue;
        size_t len = l->texts[i].len + r->texts[i].len;
        char *text = th_arena_new(eval->scratch, len + 1);
        if (!text) return no_memory(eval);
        if (l->texts[i].len) memcpy(text, l->texts[i].data, l->texts[i].len);
        if (r->texts[i].len) memcpy(text + l->texts[i].len, r->texts[i].data, r->texts[i].len);
        x[i] = (th_view){text, len};
    }
    out->texts = x;
    return TH_OK;
}

#define COMPARE(a, b)                                                                                                  \
    switch (op) {                                                                                                      \
    case TH_EXPR_EQ: EACH((a) == (b));                                                                                 \
    case TH_EXPR_NE: EACH((a) != (b));                                                                                 \
    case TH_EXPR_LT: EACH((a) < (b));                                                                                  \
    case TH_EXPR_LE: EACH((a) <= (b));                                                                                 \
    case TH_EXPR_GT: EACH((a) > (b));                                                                                  \
    default: EACH((a) >= (b));                                                                                         \
    }

static th_status compare(const th_eval *eval, th_expr_op op, const th_vector *l, const th_vector *r, th_vector *out) {
    size_t n = eval->nrows;
    uint8_t *x = NEW(eval, uint8_t, n);
    if (!x) return no_memory(eval);
    out->family = TH_FAMILY_BOOL;
    out->bools = x;
    switch (l->family) {
    case TH_FAMILY_INT: COMPARE(l->ints[i], r->ints[i]); break;
    case TH_FAMILY_FLOAT: COMPARE(l->floats[i], r->floats[i]); break;
    case TH_FAMILY_TEXT:
        if (op == TH_EXPR_EQ) {
            for (size_t i = 0; i < n; i++) x[i] = th_view_eq(l->texts[i], r->texts[i]);
        } else if (op == TH_EXPR_NE) {
            for (size_t i = 0; i < n; i++) x[i] = !th_view_eq(l->texts[i], r->texts[i]);
        } else {
            COMPARE(th_view_compare(l->texts[i], r->texts[i]), 0);
        }
        break;
    default: COMPARE(l->bools[i], r->bools[i]);
    }
    return TH_OK;
}

static th_status binary(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector l, r;
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &l));
    TH_TRY(th_eval_expr(eval, e->kids[1], active, &r));
    th_family family = l.family == TH_FAMILY_NULL ? r.family : l.family;
    TH_TRY(as_family(eval, &l, family));
    TH_TRY(as_family(eval, &r, family));
    *out = (th_vector){.family = family};
    TH_TRY(both_valid(eval, l.valid, r.valid, &out->valid));
    if (e->op >= TH_EXPR_EQ && e->op <= TH_EXPR_GE) return compare(eval, e->op, &l, &r, out);
    switch (family) {
    case TH_FAMILY_INT: return int_binary(eval, e, &l, &r, active, out);
    case TH_FAMILY_FLOAT: return float_binary(eval, e, &l, &r, out);
    case TH_FAMILY_TEXT: return text_join(eval, &l, &r, out);
    default: *out = l; return TH_OK; /* null and null */
    }
}

static th_status unary(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector v;
    size_t n = eval->nrows;
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &v));
    *out = v;
    if (v.family == TH_FAMILY_INT) {
        int64_t *x = NEW(eval, int64_t, n);
        if (!x) return no_memory(eval);
        if (e->op == TH_EXPR_NEG)
            for (size_t i = 0; i < n; i++) x[i] = (int64_t)(0 - (uint64_t)v.ints[i]);
        else
            for (size_t i = 0; i < n; i++) x[i] = ~v.ints[i];
        wrap_ints(x, n, e->type);
        out->ints = x;
    } else if (v.family == TH_FAMILY_FLOAT) {
        double *x = NEW(eval, double, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) x[i] = -v.floats[i];
        out->floats = x;
    } else if (v.family == TH_FAMILY_BOOL) {
        uint8_t *x = NEW(eval, uint8_t, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) x[i] = !v.bools[i];
        out->bools = x;
    }
    return TH_OK;
}

/* ---- Logic -------------------------------------------------------------------------------------------------- */

/* Rows of `active` where `v` is true (or, negated, is not). */
static th_status narrow(const th_eval *eval, const uint8_t *active, const th_vector *v, bool negated,
                        const uint8_t **out) {
    uint8_t *x = NEW(eval, uint8_t, eval->nrows);
    if (!x) return no_memory(eval);
    for (size_t i = 0; i < eval->nrows; i++) {
        uint8_t is_true = v->bools[i] & (v->valid ? v->valid[i] : 1);
        x[i] = (uint8_t)((is_true != negated) & (active ? active[i] : 1));
    }
    *out = x;
    return TH_OK;
}

/* Kleene's three-valued tables: false decides AND, true decides OR, whatever the other side. */
static th_status logic(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector l, r;
    size_t n = eval->nrows;
    bool is_or = e->op == TH_EXPR_OR;
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &l));
    TH_TRY(as_family(eval, &l, TH_FAMILY_BOOL));
    uint8_t *undecided = NEW(eval, uint8_t, n), *x = NEW(eval, uint8_t, n), *valid = NEW(eval, uint8_t, n);
    if (!undecided || !x || !valid) return no_memory(eval);
    for (size_t i = 0; i < n; i++)
        undecided[i] = (uint8_t)(((l.valid && !l.valid[i]) || l.bools[i] != is_or) ? (active ? active[i] : 1) : 0);
    TH_TRY(th_eval_expr(eval, e->kids[1], undecided, &r));
    TH_TRY(as_family(eval, &r, TH_FAMILY_BOOL));
    for (size_t i = 0; i < n; i++) {
        uint8_t lv = l.valid ? l.valid[i] : 1, rv = r.valid ? r.valid[i] : 1;
        uint8_t decided = (uint8_t)((lv & (l.bools[i] == is_or)) | (rv & (r.bools[i] == is_or)));
        x[i] = decided ? is_or : !is_or;
        valid[i] = decided | (lv & rv);
    }
    *out = (th_vector){.family = TH_FAMILY_BOOL, .bools = x, .valid = l.valid || r.valid ? valid : NULL};
    return TH_OK;
}

#define CHOOSE(type, member)                                                                                           \
    do {                                                                                                               \
        type *x = NEW(eval, type, n);                                                                                  \
        if (!x) return no_memory(eval);                                                                                \
        for (size_t i = 0; i < n; i++) x[i] = pick[i] ? a->member[i] : b->member[i];                                   \
        out->member = x;                                                                                               \
    } while (0)

static th_status choose(const th_eval *eval, const uint8_t *pick, th_vector *a, th_vector *b, th_vector *out) {
    size_t n = eval->nrows;
    th_family family = a->family == TH_FAMILY_NULL ? b->family : a->family;
    TH_TRY(as_family(eval, a, family));
    TH_TRY(as_family(eval, b, family));
    *out = (th_vector){.family = family};
    if (a->valid || b->valid) {
        uint8_t *valid = NEW(eval, uint8_t, n);
        if (!valid) return no_memory(eval);
        for (size_t i = 0; i < n; i++) valid[i] = pick[i] ? (a->valid ? a->valid[i] : 1) : (b->valid ? b->valid[i] : 1);
        out->valid = valid;
    }
    switch (family) {
    case TH_FAMILY_INT: CHOOSE(int64_t, ints); break;
    case TH_FAMILY_FLOAT: CHOOSE(double, floats); break;
    case TH_FAMILY_TEXT: CHOOSE(th_view, texts); break;
    default: CHOOSE(uint8_t, bools);
    }
    return TH_OK;
}

static th_status if_else(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector condition, a, b;
    const uint8_t *yes, *no, *pick;
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &condition));
    TH_TRY(as_family(eval, &condition, TH_FAMILY_BOOL));
    TH_TRY(narrow(eval, active, &condition, false, &yes));
    TH_TRY(narrow(eval, active, &condition, true, &no));
    TH_TRY(narrow(eval, NULL, &condition, false, &pick));
    TH_TRY(th_eval_expr(eval, e->kids[1], yes, &a));
    TH_TRY(th_eval_expr(eval, e->kids[2], no, &b));
    return choose(eval, pick, &a, &b, out);
}

static th_status coalesce(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector a, b;
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &a));
    if (!a.valid) {
        *out = a;
        return TH_OK;
    }
    uint8_t *missing = NEW(eval, uint8_t, eval->nrows);
    if (!missing) return no_memory(eval);
    for (size_t i = 0; i < eval->nrows; i++) missing[i] = (uint8_t)(a.valid[i] ? 0 : active ? active[i] : 1);
    TH_TRY(th_eval_expr(eval, e->kids[1], missing, &b));
    const uint8_t *pick = a.valid;
    return choose(eval, pick, &a, &b, out);
}

static th_status is_null(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector v;
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &v));
    uint8_t *x = NEW(eval, uint8_t, eval->nrows);
    if (!x) return no_memory(eval);
    for (size_t i = 0; i < eval->nrows; i++) x[i] = v.valid ? !v.valid[i] : 0;
    *out = (th_vector){.family = TH_FAMILY_BOOL, .bools = x};
    return TH_OK;
}

/* ---- Casts -------------------------------------------------------------------------------------------------- */

static bool int_fits(int64_t x, th_column_type type) {
    switch (type) {
    case TH_COLUMN_I8: return x == (int8_t)x;
    case TH_COLUMN_I16: return x == (int16_t)x;
    case TH_COLUMN_I32: return x == (int32_t)x;
    default: return true;
    }
}

static th_status cast_failed(const th_eval *eval, const th_bound *from, const th_vector *v, size_t i,
                             th_column_type type) {
    char text[64];
    if (v->family == TH_FAMILY_TEXT)
        return th_fail(eval->err, TH_E_CONVERSION, "'%.*s' is no %s",
                       (int)(v->texts[i].len > 60 ? 60 : v->texts[i].len), v->texts[i].data, th_column_type_text(type));
    if (v->family == TH_FAMILY_FLOAT)
        th_format_f64(v->floats[i], true, text);
    else
        th_format_i64(v->ints[i], text);
    return th_fail(eval->err, TH_E_CONVERSION, "%s does not fit in %s%s%.*s", text, th_column_type_text(type),
                   from->text.len ? ", column " : "", (int)from->text.len, from->text.data);
}

static bool cast_to_int(const th_vector *v, size_t i, th_column_type type, int64_t *out) {
    switch (v->family) {
    case TH_FAMILY_INT: *out = v->ints[i]; break;
    case TH_FAMILY_BOOL: *out = v->bools[i]; break;
    case TH_FAMILY_FLOAT:
        if (!(v->floats[i] >= -9223372036854775808.0 && v->floats[i] < 9223372036854775808.0)) return false;
        *out = (int64_t)v->floats[i];
        break;
    default:
        if (type == TH_COLUMN_DATE) {
            int32_t days;
            if (!th_parse_date(v->texts[i], &days)) return false;
            *out = days;
        } else if (type == TH_COLUMN_TIMESTAMP) {
            return th_parse_timestamp(v->texts[i], out);
        } else if (!th_parse_i64(v->texts[i], out)) {
            return false;
        }
    }
    return int_fits(*out, type);
}

static bool cast_to_float(const th_vector *v, size_t i, double *out) {
    switch (v->family) {
    case TH_FAMILY_FLOAT: *out = v->floats[i]; return true;
    case TH_FAMILY_INT: *out = (double)v->ints[i]; return true;
    case TH_FAMILY_BOOL: *out = v->bools[i]; return true;
    default: return th_parse_f64(v->texts[i], out);
    }
}

static size_t print_value(const th_vector *v, size_t i, th_column_type type, char *text) {
    if (type == TH_COLUMN_DATE) return th_format_date((int32_t)v->ints[i], text);
    if (type == TH_COLUMN_TIMESTAMP) return th_format_timestamp(v->ints[i], text);
    if (type == TH_COLUMN_F32) return th_format_f32((float)v->floats[i], true, text);
    if (v->family == TH_FAMILY_FLOAT) return th_format_f64(v->floats[i], true, text);
    if (v->family == TH_FAMILY_INT) return th_format_i64(v->ints[i], text);
    memcpy(text, v->bools[i] ? "true" : "false", 6);
    return v->bools[i] ? 4 : 5;
}

static th_status cast_to_text(const th_eval *eval, const th_bound *from, const th_vector *v, th_vector *out) {
    th_view *x = NEW(eval, th_view, eval->nrows);
    if (!x) return no_memory(eval);
    for (size_t i = 0; i < eval->nrows; i++) {
        char text[64];
        x[i] = (th_view){"", 0};
        if (v->valid && !v->valid[i]) continue;
        size_t len = print_value(v, i, from->type, text);
        x[i] = (th_view){th_arena_copy(eval->scratch, text, len), len};
        if (!x[i].data) return no_memory(eval);
    }
    out->texts = x;
    return TH_OK;
}

static th_status cast(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    th_vector v;
    size_t n = eval->nrows;
    th_family to = th_family_of(e->type);
    TH_TRY(th_eval_expr(eval, e->kids[0], active, &v));
    TH_TRY(as_family(eval, &v, to));
    *out = (th_vector){.family = to, .valid = v.valid};
    if (to == TH_FAMILY_TEXT && v.family != TH_FAMILY_TEXT) return cast_to_text(eval, e->kids[0], &v, out);
    if (to == TH_FAMILY_FLOAT) {
        double *x = NEW(eval, double, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) {
            x[i] = 0;
            if (counts(active, v.valid, i) && !cast_to_float(&v, i, &x[i]))
                return cast_failed(eval, e->kids[0], &v, i, e->type);
        }
        round_floats(x, n, e->type);
        out->floats = x;
    } else if (to == TH_FAMILY_INT) {
        int64_t *x = NEW(eval, int64_t, n);
        if (!x) return no_memory(eval);
        for (size_t i = 0; i < n; i++) {
            x[i] = 0;
            if (counts(active, v.valid, i) && !cast_to_int(&v, i, e->type, &x[i]))
                return cast_failed(eval, e->kids[0], &v, i, e->type);
        }
        out->ints = x;
    } else if (v.family == to) {
        *out = v;
    } else {
        return th_fail(eval->err, TH_E_TYPE, "%s cannot become %s", th_column_type_text(e->kids[0]->type),
                       th_column_type_text(e->type));
    }
    return TH_OK;
}

/* ---- Evaluation --------------------------------------------------------------------------------------------- */

th_status th_eval_expr(const th_eval *eval, const th_bound *e, const uint8_t *active, th_vector *out) {
    switch (e->op) {
    case TH_EXPR_COLUMN: {
        size_t n = eval->batch->schema->nfields;
        const th_column *c = e->index < n ? &eval->batch->columns[e->index] : &eval->calls[e->index - n];
        return th_vector_of_column(eval->scratch, c, out) == TH_OK ? TH_OK : no_memory(eval);
    }
    case TH_EXPR_LITERAL: return literal(eval, e, out);
    case TH_EXPR_NEG:
    case TH_EXPR_NOT:
    case TH_EXPR_BNOT: return unary(eval, e, active, out);
    case TH_EXPR_AND:
    case TH_EXPR_OR: return logic(eval, e, active, out);
    case TH_EXPR_IF: return if_else(eval, e, active, out);
    case TH_EXPR_IS_NULL: return is_null(eval, e, active, out);
    case TH_EXPR_COALESCE: return coalesce(eval, e, active, out);
    case TH_EXPR_CAST: return cast(eval, e, active, out);
    default: return binary(eval, e, active, out);
    }
}

th_status th_eval_column(const th_eval *eval, th_mem *mem, const th_bound *e, th_column *out) {
    if (e->op == TH_EXPR_COLUMN) {
        size_t n = eval->batch->schema->nfields;
        *out = th_column_share(e->index < n ? &eval->batch->columns[e->index] : &eval->calls[e->index - n]);
        return TH_OK;
    }
    th_vector v;
    TH_TRY(th_eval_expr(eval, e, NULL, &v));
    th_status status = th_vector_column(mem, &v, eval->nrows, e->type, out);
    return status == TH_OK ? TH_OK : th_fail(eval->err, status, "a column does not fit in memory");
}

/* ---- Gathering ---------------------------------------------------------------------------------------------- */

#define GATHER(ctype)                                                                                                  \
    do {                                                                                                               \
        const ctype *from_ = TH_COLUMN_AT(from, ctype);                                                                \
        ctype *to_ = (ctype *)(void *)c.values->data;                                                                  \
        for (size_t i = 0; i < n; i++) to_[i] = picks[i] == TH_PICK_NULL ? 0 : from_[picks[i]];                        \
    } while (0)

static th_status gather_values(th_mem *mem, const th_column *from, const uint64_t *picks, size_t n, th_column *out) {
    th_column c = *out;
    static const uint8_t widths[TH_COLUMN_TYPE_COUNT] = {
#define X(name, number, bytes, format) bytes,
        TH_COLUMN_TYPES(X)
#undef X
    };
    TH_TRY(th_buffer_new(mem, n * widths[from->type], &c.values));
    *out = c;
    switch (widths[from->type]) {
    case 1: GATHER(int8_t); break;
    case 2: GATHER(int16_t); break;
    case 4: GATHER(int32_t); break;
    default: GATHER(int64_t);
    }
    return TH_OK;
}

static th_status gather_validity(th_mem *mem, const th_column *from, const uint64_t *picks, size_t n, th_column *out) {
    size_t nulls = 0;
    for (size_t i = 0; i < n; i++) nulls += picks[i] == TH_PICK_NULL || !th_column_valid(from, picks[i]);
    out->null_count = (int64_t)nulls;
    if (nulls == 0) return TH_OK;
    TH_TRY(th_buffer_new(mem, (n + 7) / 8, &out->validity));
    memset(out->validity->data, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        if (picks[i] != TH_PICK_NULL && th_column_valid(from, picks[i]))
            out->validity->data[i >> 3] |= (uint8_t)(1u << (i & 7));
    return TH_OK;
}

static th_status gather_texts(th_mem *mem, const th_column *from, const uint64_t *picks, size_t n, th_column *out) {
    size_t total = 0;
    for (size_t i = 0; i < n; i++) total += picks[i] == TH_PICK_NULL ? 0 : th_column_text(from, picks[i]).len;
    if (total > INT32_MAX) return TH_E_LIMIT;
    TH_TRY(th_buffer_new(mem, (n + 1) * sizeof(int32_t), &out->offsets));
    TH_TRY(th_buffer_new(mem, total, &out->values));
    int32_t *offsets = (int32_t *)(void *)out->offsets->data;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        offsets[i] = (int32_t)at;
        if (picks[i] == TH_PICK_NULL) continue;
        th_view text = th_column_text(from, picks[i]);
        if (text.len) memcpy(out->values->data + at, text.data, text.len);
        at += text.len;
    }
    offsets[n] = (int32_t)at;
    return TH_OK;
}

static th_status gather_bools(th_mem *mem, const th_column *from, const uint64_t *picks, size_t n, th_column *out) {
    TH_TRY(th_buffer_new(mem, (n + 7) / 8, &out->values));
    memset(out->values->data, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        if (picks[i] != TH_PICK_NULL && th_column_bool(from, picks[i]))
            out->values->data[i >> 3] |= (uint8_t)(1u << (i & 7));
    return TH_OK;
}

th_status th_column_gather(th_mem *mem, const th_column *from, const uint64_t *picks, size_t n, th_column *out) {
    th_column c = {.type = from->type, .len = n};
    th_status status = TH_OK;
    if (from->type == TH_COLUMN_NULL) {
        c.null_count = (int64_t)n;
    } else {
        status = gather_validity(mem, from, picks, n, &c);
        if (status == TH_OK) {
            if (from->type == TH_COLUMN_STRING)
                status = gather_texts(mem, from, picks, n, &c);
            else if (from->type == TH_COLUMN_BOOL)
                status = gather_bools(mem, from, picks, n, &c);
            else
                status = gather_values(mem, from, picks, n, &c);
        }
    }
    if (status != TH_OK) {
        th_column_clear(&c);
        return status;
    }
    *out = c;
    return TH_OK;
}
