/*
** big.c - exact integers: small ones in the word, then boxed ones, then as many limbs as needed.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/collector.h"
#include "heap/natural.h"

#define DIGITS_MAX ((size_t)1 << 40)

/* An integer of any form, borrowed until the next collection. */
typedef struct number {
    mp_limb_t one; /* where `limbs` points for those that fit a limb */
    const mp_limb_t *limbs;
    size_t n; /* without leading zeros; 0: zero */
    bool negative;
} number;

static void number_of(th_value v, number *out) {
    int64_t i;
    v = th_deref(v);
    if (th_get_i64(v, &i)) {
        out->negative = i < 0;
        out->one = i < 0 ? 0 - (mp_limb_t)i : (mp_limb_t)i;
        out->limbs = &out->one;
        out->n = i != 0;
        return;
    }
    const uint64_t *p = th_obj(v);
    assert(th_is_kind(v, TH_OBJ_BIG));
    out->negative = th_header_flags(*p) & 1;
    out->limbs = (const mp_limb_t *)(p + 1);
    out->n = (size_t)th_header_size(*p);
}

/* Room for a result of at most n limbs. */
static uint64_t *new_big(th_heap *heap, size_t n) {
    uint64_t *p = n > SIZE_MAX / 64 ? NULL : th_heap_words(heap, 1 + n);
    if (p) p[0] = TH_HEADER(TH_OBJ_BIG, 0, n);
    return p;
}
static mp_limb_t *limbs_of(uint64_t *p) { return (mp_limb_t *)(p + 1); }

/* Makes what was computed in place of n limbs a value of the smallest form. */
static bool finish(th_heap *heap, uint64_t *p, size_t n, bool negative, th_value *out) {
    size_t used = th_nat_trim(limbs_of(p), n);
    mp_limb_t low = used ? limbs_of(p)[0] : 0;
    if (used <= 1 && low <= (mp_limb_t)INT64_MAX + negative) {
        th_heap_shrink(heap, p, 1 + n, 0);
        return th_new_int(heap, (int64_t)(negative ? 0 - low : low), out);
    }
    p[0] = TH_HEADER(TH_OBJ_BIG, negative ? 1 : 0, used);
    th_heap_shrink(heap, p, 1 + n, 1 + used);
    *out = th_of_object(p);
    return true;
}

static int compare_sizes(const number *a, const number *b) {
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    return a->n ? mpn_cmp(a->limbs, b->limbs, (mp_size_t)a->n) : 0;
}

static bool add(th_heap *heap, const number *a, const number *b, bool b_negative, th_value *out) {
    bool swap = compare_sizes(a, b) < 0;
    const number *large = swap ? b : a, *small = swap ? a : b;
    bool negative = swap ? b_negative : a->negative, opposite = a->negative != b_negative;
    uint64_t *p = new_big(heap, large->n + 1);
    if (!p) return false;
    mp_limb_t *r = limbs_of(p);
    r[large->n] = 0;
    if (small->n == 0)
        mpn_copyi(r, large->limbs, (mp_size_t)large->n);
    else if (opposite)
        mpn_sub(r, large->limbs, (mp_size_t)large->n, small->limbs, (mp_size_t)small->n);
    else
        r[large->n] = mpn_add(r, large->limbs, (mp_size_t)large->n, small->limbs, (mp_size_t)small->n);
    return finish(heap, p, large->n + 1, negative, out);
}

bool th_big_add(th_heap *heap, th_value a, th_value b, th_value *out) {
    int64_t x, y, sum;
    if (th_get_i64(a, &x) && th_get_i64(b, &y) && !__builtin_add_overflow(x, y, &sum))
        return th_new_int(heap, sum, out);
    number m, n;
    number_of(a, &m);
    number_of(b, &n);
    return add(heap, &m, &n, n.negative, out);
}

bool th_big_sub(th_heap *heap, th_value a, th_value b, th_value *out) {
    int64_t x, y, difference;
    if (th_get_i64(a, &x) && th_get_i64(b, &y) && !__builtin_sub_overflow(x, y, &difference))
        return th_new_int(heap, difference, out);
    number m, n;
    number_of(a, &m);
    number_of(b, &n);
    return add(heap, &m, &n, !n.negative, out);
}

bool th_big_mul(th_heap *heap, th_value a, th_value b, th_value *out) {
    int64_t x, y, product;
    if (th_get_i64(a, &x) && th_get_i64(b, &y) && !__builtin_mul_overflow(x, y, &product))
        return th_new_int(heap, product, out);
    number m, n;
    number_of(a, &m);
    number_of(b, &n);
    if (m.n == 0 || n.n == 0) return *out = th_of_int(0), true;
    uint64_t *p = new_big(heap, m.n + n.n);
    if (!p || !th_nat_mul(heap->state->mem, limbs_of(p), m.limbs, m.n, n.limbs, n.n)) return false;
    return finish(heap, p, m.n + n.n, m.negative != n.negative, out);
}

/* Quotient and remainder of two numbers of limbs, the first not the shorter one. */
static bool divide(th_heap *heap, const number *a, const number *b, th_value *quotient, th_value *remainder) {
    size_t nq = a->n - b->n + 1;
    uint64_t *q = new_big(heap, nq), *r = q ? new_big(heap, b->n) : NULL;
    if (!r || !th_nat_div(heap->state->mem, limbs_of(q), limbs_of(r), a->limbs, a->n, b->limbs, b->n)) return false;
    th_value whole, rest;
    if (!finish(heap, r, b->n, a->negative, &rest) || !finish(heap, q, nq, a->negative != b->negative, &whole))
        return false;
    if (quotient) *quotient = whole;
    if (remainder) *remainder = rest;
    return true;
}

bool th_big_div(th_heap *heap, th_value a, th_value b, th_value *quotient, th_value *remainder) {
    int64_t x, y;
    th_value none;
    if (!quotient) quotient = &none;
    if (!remainder) remainder = &none;
    if (th_get_i64(a, &x) && th_get_i64(b, &y) && !(x == INT64_MIN && y == -1)) {
        th_value whole, rest;
        assert(y != 0);
        if (!th_new_int(heap, x / y, &whole) || !th_new_int(heap, x % y, &rest)) return false;
        *quotient = whole;
        *remainder = rest;
        return true;
    }
    number m, n;
    number_of(a, &m);
    number_of(b, &n);
    assert(n.n > 0);
    if (m.n < n.n) {
        *quotient = th_of_int(0);
        *remainder = th_deref(a);
        return true;
    }
    return divide(heap, &m, &n, quotient, remainder);
}

int th_big_compare(th_value a, th_value b) {
    number m, n;
    number_of(a, &m);
    number_of(b, &n);
    if (m.negative != n.negative) return m.negative ? -1 : 1;
    int order = compare_sizes(&m, &n);
    order = order < 0 ? -1 : order > 0;
    return m.negative ? -order : order;
}

/* ---- Text ------------------------------------------------------------------------------------------------------- */

static int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'z') return c - 'a' + 10;
    if (c >= 'A' && c <= 'Z') return c - 'A' + 10;
    return 99;
}

static bool are_digits(th_view text, int base) {
    for (size_t i = 0; i < text.len; i++)
        if (digit_of(text.data[i]) >= base) return false;
    return text.len > 0 && text.len <= DIGITS_MAX;
}

bool th_big_parse(th_heap *heap, th_view text, int base, th_value *out) {
    bool sign = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+'), negative = sign && text.data[0] == '-';
    th_view digits = {text.data + sign, text.len - sign};
    assert(base >= 2 && base <= 36);
    *out = TH_V_ABSENT;
    if (!are_digits(digits, base)) return false;
    *out = TH_V_NULL; /* what is wrong from here on is memory */
    while (digits.len > 1 && digits.data[0] == '0') digits.data++, digits.len--;
    size_t n = th_nat_limbs(digits.len, base);
    uint8_t *values = th_mem_new(heap->state->mem, digits.len);
    uint64_t *p = values ? new_big(heap, n) : NULL;
    bool ok = p != NULL;
    if (ok) {
        for (size_t i = 0; i < digits.len; i++) values[i] = (uint8_t)digit_of(digits.data[i]);
        ok = th_nat_parse(heap->state->mem, limbs_of(p), values, digits.len, base);
    }
    th_mem_free(heap->state->mem, values, digits.len);
    return ok && finish(heap, p, n, negative, out);
}

bool th_big_print(th_value v, int base, th_buf *out) {
    number n;
    number_of(v, &n);
    assert(base >= 2 && base <= 36);
    if (n.negative) th_buf_char(out, '-');
    return th_nat_print(n.limbs, n.n, base, out);
}
