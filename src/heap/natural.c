/*
** natural.c - Karatsuba's multiplication, recursive division (Burnikel and Ziegler), conversion by halves.
** Recursion halves its numbers, so that it is no deeper than 64.
** SPDX-License-Identifier: Apache-2.0
*/
#include "heap/natural.h"

#include <assert.h>

#define PIECE        ((size_t)1024) /* limbs that are left to GMP's kernels: their temporaries then stay below 64 KiB */
#define CHUNK_DIGITS ((size_t)512)

static mp_limb_t *limbs(th_mem *mem, size_t n) {
    return n > SIZE_MAX / 16 ? NULL : th_mem_new(mem, n * sizeof(mp_limb_t));
}
static void drop(th_mem *mem, mp_limb_t *a, size_t n) { th_mem_free(mem, a, n * sizeof(mp_limb_t)); }

/* ---- Multiplication ------------------------------------------------------------------------------------------ */

static size_t karatsuba_scratch(size_t n) { return n <= PIECE ? 0 : 6 * n + 256; }

/* r = |a - b|, both of n limbs, b only of bn <= n; true when a < b. */
static bool difference(mp_limb_t *r, const mp_limb_t *a, size_t n, const mp_limb_t *b, size_t bn) {
    bool less = th_nat_trim(a + bn, n - bn) == 0 && mpn_cmp(a, b, (mp_size_t)bn) < 0;
    if (!less) {
        mpn_sub(r, a, (mp_size_t)n, b, (mp_size_t)bn);
        return false;
    }
    mpn_sub_n(r, b, a, (mp_size_t)bn);
    if (n > bn) mpn_zero(r + bn, (mp_size_t)(n - bn));
    return true;
}

/* r = a * b, both of n limbs. (a0 - a1)(b0 - b1) is computed where the result will be, before the other two products.
** */
static void karatsuba(mp_limb_t *r, const mp_limb_t *a, const mp_limb_t *b, size_t n, mp_limb_t *scratch) {
    if (n <= PIECE) {
        mpn_mul_n(r, a, b, (mp_size_t)n);
        return;
    }
    size_t h = (n + 1) / 2, top = n - h;
    mp_limb_t *product = scratch, *rest = scratch + 2 * h;
    bool negative = difference(r, a, h, a + h, top) != difference(r + h, b, h, b + h, top);
    karatsuba(product, r, r + h, h, rest);
    karatsuba(r, a, b, h, rest);
    karatsuba(r + 2 * h, a + h, b + h, top, rest);
    mp_limb_t *middle = rest; /* 2h + 1 limbs: a0 b1 + a1 b0 */
    middle[2 * h] = mpn_add(middle, r, (mp_size_t)(2 * h), r + 2 * h, (mp_size_t)(2 * top));
    if (negative)
        middle[2 * h] += mpn_add_n(middle, middle, product, (mp_size_t)(2 * h));
    else
        middle[2 * h] -= mpn_sub_n(middle, middle, product, (mp_size_t)(2 * h));
    size_t above = 2 * n - h, count = th_nat_trim(middle, 2 * h + 1);
    assert(count <= above);
    if (count > 0) mpn_add(r + h, r + h, (mp_size_t)above, middle, (mp_size_t)count);
}

/* b no longer than a. The scratch is for numbers of bn limbs, and bn * 2 more. */
static void multiply(mp_limb_t *r, const mp_limb_t *a, size_t an, const mp_limb_t *b, size_t bn, mp_limb_t *scratch) {
    size_t step = bn > PIECE ? bn : PIECE;
    if (an == bn) {
        karatsuba(r, a, b, an, scratch);
        return;
    }
    if (an <= step) {
        mpn_mul(r, a, (mp_size_t)an, b, (mp_size_t)bn);
        return;
    }
    /* Pieces of a as long as b; the product of each is added to what the pieces before it have left above. */
    mp_limb_t *product = scratch;
    mpn_zero(r, (mp_size_t)(an + bn));
    for (size_t at = 0; at < an; at += step) {
        size_t n = an - at < step ? an - at : step;
        mp_limb_t *rest = scratch + n + bn;
        if (n == bn)
            karatsuba(product, a + at, b, n, rest);
        else if (n > bn)
            mpn_mul(product, a + at, (mp_size_t)n, b, (mp_size_t)bn);
        else
            multiply(product, b, bn, a + at, n, rest);
        mpn_add(r + at, r + at, (mp_size_t)(an + bn - at), product, (mp_size_t)(n + bn));
    }
}

static size_t multiply_scratch(size_t an, size_t bn) {
    size_t step = bn > PIECE ? bn : PIECE;
    if (an <= step && bn <= PIECE) return 0;
    return karatsuba_scratch(bn) + 4 * (step + bn) +
           256; /* the last piece may be cut up once more, by less each time */
}

bool th_nat_mul(th_mem *mem, mp_limb_t *r, const mp_limb_t *a, size_t an, const mp_limb_t *b, size_t bn) {
    if (an < bn) {
        const mp_limb_t *t = a;
        size_t tn = an;
        a = b, an = bn;
        b = t, bn = tn;
    }
    size_t n = multiply_scratch(an, bn);
    mp_limb_t *scratch = n ? limbs(mem, n) : NULL;
    if (n && !scratch) return false;
    multiply(r, a, an, b, bn, scratch);
    drop(mem, scratch, n);
    return true;
}

/* ---- Division -------------------------------------------------------------------------------------------------- */

/* a (2n limbs) by b (n limbs, highest bit set), a < b * 2^(64 n): the quotient of n limbs to q, the remainder to a's
** lower half; the upper is zero then. Scratch: 2n, and what a multiplication of half the size wants. */
static void divide(mp_limb_t *q, mp_limb_t *a, const mp_limb_t *b, size_t n, mp_limb_t *scratch);

/* The same for 3h limbs by 2h, with a quotient of h. */
static void divide_part(mp_limb_t *q, mp_limb_t *a, const mp_limb_t *b, size_t h, mp_limb_t *scratch) {
    mp_limb_t *high = a + 2 * h;
    const mp_limb_t *b1 = b + h;
    mp_size_t hs = (mp_size_t)h;
    if (mpn_cmp(high, b1, hs) < 0) {
        divide(q, a + h, b1, h, scratch);
    } else { /* they are equal: the quotient is at most all ones */
        memset(q, 0xff, h * sizeof *q);
        mpn_zero(high, hs);
        high[0] = mpn_add_n(a + h, a + h, b1, hs);
    }
    mp_limb_t *product = scratch;
    karatsuba(product, q, b, h, scratch + 2 * h);
    int64_t over = (int64_t)high[0] - (int64_t)mpn_sub_n(a, a, product, 2 * hs);
    while (over < 0) {
        over += (int64_t)mpn_add_n(a, a, b, 2 * hs);
        mpn_sub_1(q, q, hs, 1);
    }
    high[0] = 0;
}

static void divide(mp_limb_t *q, mp_limb_t *a, const mp_limb_t *b, size_t n, mp_limb_t *scratch) {
    if (n <= PIECE || n % 2) {
        mp_limb_t *quotient = scratch, *remainder = scratch + n + 1;
        mpn_tdiv_qr(quotient, remainder, 0, a, (mp_size_t)(2 * n), b, (mp_size_t)n);
        assert(quotient[n] == 0);
        mpn_copyi(q, quotient, (mp_size_t)n);
        mpn_copyi(a, remainder, (mp_size_t)n);
        mpn_zero(a + n, (mp_size_t)n);
        return;
    }
    size_t h = n / 2;
    divide_part(q + h, a + h, b, h, scratch);
    divide_part(q, a, b, h, scratch);
}

/* Limbs for numbers of n that can be halved until GMP takes them. */
static size_t even_size(size_t n) {
    size_t parts = 1;
    while ((n + parts - 1) / parts > PIECE) parts *= 2;
    return (n + parts - 1) / parts * parts;
}

/* By at most PIECE limbs: as on paper, with PIECE limbs for a digit. */
static void divide_by_small(mp_limb_t *q, mp_limb_t *r, const mp_limb_t *a, size_t an, const mp_limb_t *d, size_t dn) {
    mp_limb_t work[2 * PIECE], quotient[PIECE + 1];
    size_t nq = an - dn + 1;
    if (dn == 1) {
        r[0] = mpn_divrem_1(q, 0, a, (mp_size_t)an, d[0]);
        return;
    }
    mpn_zero(r, (mp_size_t)dn);
    for (size_t at = an; at > 0;) {
        size_t n = at < PIECE ? at : PIECE;
        at -= n;
        mpn_copyi(work, a + at, (mp_size_t)n);
        mpn_copyi(work + n, r, (mp_size_t)dn);
        mpn_tdiv_qr(quotient, r, 0, work, (mp_size_t)(n + dn), d, (mp_size_t)dn);
        for (size_t i = 0; i < n && at + i < nq; i++) q[at + i] = quotient[i];
    }
}

bool th_nat_div(th_mem *mem, mp_limb_t *q, mp_limb_t *r, const mp_limb_t *a, size_t an, const mp_limb_t *d, size_t dn) {
    if (dn <= PIECE) {
        divide_by_small(q, r, a, an, d, dn);
        return true;
    }
    /* Both are moved up until the divisor has n limbs and its highest bit: pad limbs and shift bits. */
    size_t n = even_size(dn), pad = n - dn, blocks = (an + pad) / n + 1, nq = an - dn + 1;
    unsigned shift = (unsigned)__builtin_clzll(d[dn - 1]);
    size_t all = n + (blocks + 1) * n + blocks * n + (2 * n + karatsuba_scratch(n) + 64);
    mp_limb_t *divisor = limbs(mem, all);
    if (!divisor) return false;
    mp_limb_t *work = divisor + n, *quotient = work + (blocks + 1) * n, *scratch = quotient + blocks * n;
    mpn_zero(divisor, (mp_size_t)pad);
    mpn_zero(work, (mp_size_t)((blocks + 1) * n));
    mpn_copyi(divisor + pad, d, (mp_size_t)dn);
    mpn_copyi(work + pad, a, (mp_size_t)an);
    if (shift) {
        mpn_lshift(divisor + pad, divisor + pad, (mp_size_t)dn, shift);
        work[pad + an] = mpn_lshift(work + pad, work + pad, (mp_size_t)an, shift);
    }
    for (size_t i = blocks; i-- > 0;) divide(quotient + i * n, work + i * n, divisor, n, scratch);
    assert(th_nat_trim(quotient, blocks * n) <= nq);
    for (size_t i = 0; i < nq; i++) q[i] = i < blocks * n ? quotient[i] : 0;
    if (shift) mpn_rshift(work + pad, work + pad, (mp_size_t)dn, shift);
    mpn_copyi(r, work + pad, (mp_size_t)dn);
    drop(mem, divisor, all);
    return true;
}

/* ---- From digits ------------------------------------------------------------------------------------------------ */

static unsigned digit_bits(int base) { return base <= 2 ? 1 : 32u - (unsigned)__builtin_clz((unsigned)base - 1); }

static size_t chunk_limbs(int base) {
    return CHUNK_DIGITS * digit_bits(base) / 64 + 1;
} /* more than base^CHUNK_DIGITS */

/* How many chunks there are, as a power of two. */
static size_t chunks_above(size_t ndigits) {
    size_t n = (ndigits + CHUNK_DIGITS - 1) / CHUNK_DIGITS, power = 1;
    while (power < n) power *= 2;
    return power;
}

size_t th_nat_limbs(size_t ndigits, int base) {
    return ndigits > SIZE_MAX / 128 ? SIZE_MAX / 128 : chunks_above(ndigits) * chunk_limbs(base);
}

static void chunk_power(mp_limb_t *power, size_t width, int base) { /* base^CHUNK_DIGITS */
    mpn_zero(power, (mp_size_t)width);
    power[0] = 1;
    for (size_t i = 0; i < CHUNK_DIGITS; i++) mpn_mul_1(power, power, (mp_size_t)width, (mp_limb_t)base);
}

/* Bottom up: numbers of `width` limbs are joined in pairs, high * power + low. */
bool th_nat_parse(th_mem *mem, mp_limb_t *r, const uint8_t *digits, size_t n, int base) {
    size_t width = chunk_limbs(base), count = chunks_above(n), all = count * width;
    mp_limb_t *other = limbs(mem, 3 * all);
    if (!other) return false;
    mp_limb_t *power = other + all, *square = power + all, *from = r, *to = other;
    mpn_zero(r, (mp_size_t)all);
    for (size_t i = 0, end = n; end > 0; i++) {
        size_t len = end < CHUNK_DIGITS ? end : CHUNK_DIGITS, zeros = 0;
        end -= len;
        while (zeros < len && digits[end + zeros] == 0) zeros++;
        if (zeros < len) mpn_set_str(r + i * width, digits + end + zeros, len - zeros, base);
    }
    chunk_power(power, width, base);
    bool ok = true;
    for (; count > 1 && ok; count /= 2, width *= 2) {
        for (size_t i = 0; i < count && ok; i += 2) {
            mp_limb_t *low = from + i * width, *sum = to + i * width;
            ok = th_nat_mul(mem, sum, low + width, width, power, width);
            if (ok) mpn_add(sum, sum, (mp_size_t)(2 * width), low, (mp_size_t)width);
        }
        if (ok && count > 2) {
            ok = th_nat_mul(mem, square, power, width, power, width);
            mp_limb_t *swap = power;
            power = square;
            square = swap;
        }
        mp_limb_t *swap = from;
        from = to;
        to = swap;
    }
    if (ok && from != r) mpn_copyi(r, from, (mp_size_t)all);
    drop(mem, other, 3 * all);
    return ok;
}

/* ---- To digits ----------------------------------------------------------------------------------------------- */

typedef struct printer {
    th_mem *mem;
    th_buf *out;
    int base;
    mp_limb_t *powers[64]; /* base^(CHUNK_DIGITS * 2^i) */
    size_t lens[64];
    bool started; /* a digit was written: from here on zeros count */
} printer;

static void put_zeros(printer *p, size_t n) {
    for (; n > 0 && !p->out->failed; n--) th_buf_char(p->out, '0');
}

/* A number below base^CHUNK_DIGITS. */
static void put_chunk(printer *p, const mp_limb_t *a, size_t n) {
    unsigned char digits[CHUNK_DIGITS + 64];
    mp_limb_t copy[CHUNK_DIGITS * 6 / 64 + 2];
    n = th_nat_trim(a, n);
    assert(n <= TH_COUNT(copy));
    size_t len = 0, zeros = 0;
    if (n > 0) {
        mpn_copyi(copy, a, (mp_size_t)n);
        len = mpn_get_str(digits, p->base, copy, (mp_size_t)n);
        while (zeros < len && digits[zeros] == 0) zeros++;
    }
    if (p->started) put_zeros(p, CHUNK_DIGITS - (len - zeros));
    for (size_t i = zeros; i < len; i++) th_buf_char(p->out, "0123456789abcdefghijklmnopqrstuvwxyz"[digits[i]]);
    p->started |= len > zeros;
}

/* A number below powers[level], or the square of the last one. */
static bool put(printer *p, const mp_limb_t *a, size_t n, int level) {
    n = th_nat_trim(a, n);
    if (level == 0) {
        put_chunk(p, a, n);
        return !p->out->failed;
    }
    const mp_limb_t *d = p->powers[level - 1];
    size_t dn = p->lens[level - 1];
    if (n < dn) {
        if (p->started) put_zeros(p, CHUNK_DIGITS << (level - 1));
        return put(p, a, n, level - 1);
    }
    size_t nq = n - dn + 1;
    mp_limb_t *q = limbs(p->mem, nq + dn);
    if (!q) return false;
    bool ok = th_nat_div(p->mem, q, q + nq, a, n, d, dn) && put(p, q, nq, level - 1) && put(p, q + nq, dn, level - 1);
    drop(p->mem, q, nq + dn);
    return ok;
}

/* Powers, each the square of the one before, until the next would be above the number. Returns how many, or -1. */
static int make_powers(printer *p, size_t n) {
    size_t width = chunk_limbs(p->base);
    p->powers[0] = limbs(p->mem, width);
    if (!p->powers[0]) return -1;
    chunk_power(p->powers[0], width, p->base);
    p->lens[0] = th_nat_trim(p->powers[0], width);
    int count = 1;
    for (; 2 * p->lens[count - 1] - 1 <= n; count++) {
        size_t len = p->lens[count - 1];
        p->powers[count] = limbs(p->mem, 2 * len);
        if (!p->powers[count]) return -1;
        p->lens[count] = 2 * len;
        if (!th_nat_mul(p->mem, p->powers[count], p->powers[count - 1], len, p->powers[count - 1], len)) return -1;
        p->lens[count] = th_nat_trim(p->powers[count], 2 * len);
    }
    return count;
}

bool th_nat_print(const mp_limb_t *a, size_t n, int base, th_buf *out) {
    printer p = {.mem = out->mem, .out = out, .base = base};
    n = th_nat_trim(a, n);
    if (n == 0) {
        th_buf_char(out, '0');
        return !out->failed;
    }
    int levels = make_powers(&p, n);
    bool ok = levels > 0 && put(&p, a, n, levels);
    for (int i = 0; i < 64 && p.powers[i]; i++) /* each was got with twice the length of the one before */
        drop(p.mem, p.powers[i], i == 0 ? chunk_limbs(base) : 2 * p.lens[i - 1]);
    return ok;
}
