/*
** natural.h - arithmetic on natural numbers of any size as arrays of limbs, least first, for big.c. GMP's kernels
** do the work on pieces so small that they need no memory but the stack's; above that are our own divide and
** conquer steps, on scratch memory of the budget. So nothing is allocated behind the budget's back, and a refusal
** is a refusal.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_HEAP_NATURAL_H
#define TH_HEAP_NATURAL_H

#include <gmp.h>

#include "base/base.h"

_Static_assert(GMP_NUMB_BITS == 64 && sizeof(mp_limb_t) == 8, "big integers are made of 64-bit limbs");

static inline size_t th_nat_trim(const mp_limb_t *a, size_t n) {
    while (n > 0 && a[n - 1] == 0) n--;
    return n;
}
/* r = a * b; r has room for an + bn limbs (all are set) and overlaps neither. an, bn at least 1. */
bool th_nat_mul(th_mem *mem, mp_limb_t *r, const mp_limb_t *a, size_t an, const mp_limb_t *b, size_t bn) TH_CHECKED;
/* q = a / d, r = a % d; d has no leading zero, an >= dn; q has room for an - dn + 1 limbs, r for dn; all are set. */
bool th_nat_div(th_mem *mem, mp_limb_t *q, mp_limb_t *r, const mp_limb_t *a, size_t an, const mp_limb_t *d,
                size_t dn) TH_CHECKED;
/* Digits of the base as numbers 0 .. base-1, the first is the highest. `r` has room for th_nat_limbs(n, base). */
bool th_nat_parse(th_mem *mem, mp_limb_t *r, const uint8_t *digits, size_t n, int base) TH_CHECKED;
size_t th_nat_limbs(size_t ndigits, int base);
bool th_nat_print(const mp_limb_t *a, size_t n, int base, th_buf *out) TH_CHECKED; /* n 0 is "0" */

#endif
