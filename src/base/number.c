/*
** number.c - numbers as text and back, exact and independent of the locale.
** Writing finds the shortest decimal inside the rounding interval of the double, by Giulietti's method ("The Schubfach
** way to render doubles", 2020): three products with a 128-bit power of ten decide. Reading multiplies the digits by the
** same power and knows when the answer is certain; the rare rest goes to strtod as digits and exponent, where no locale
** matters.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/base.h"

#include <stdlib.h>

#include "base/pow10.h"

/* ---- Writing ------------------------------------------------------------------------------------------------ */

static const char digit_pairs[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464"
    "748495051525354555657585960616263646566676869707172737475767778798081828384858687888990919293949"
    "596979899";

/* Writes the digits of n so that they end before `end`; returns where they begin. */
static char *digits_before(char *end, uint64_t n) {
    while (n >= 100) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * (n % 100), 2);
        n /= 100;
    }
    if (n >= 10) {
        end -= 2;
        memcpy(end, digit_pairs + 2 * n, 2);
    } else {
        *--end = (char)('0' + n);
    }
    return end;
}

size_t th_format_i64(int64_t x, char *out) {
    char text[20];
    uint64_t n = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    char *from = digits_before(text + sizeof text, n);
    size_t len = (size_t)(text + sizeof text - from), at = 0;
    if (x < 0) out[at++] = '-';
    memcpy(out + at, from, len);
    out[at + len] = 0;
    return at + len;
}

/* digits * 10^exponent */
typedef struct decimal {
    uint64_t digits;
    int exponent;
} decimal;

/* floor(log2(10^k)), exact for |k| <= 1233. */
static int log2_pow10(int k) { return (k * 1741647) >> 19; }

/* Upper bits of g * c with the lost ones gathered in the lowest bit. g is at most one too large, hence "> 1". */
static uint64_t round_to_odd(const uint64_t g[2], uint64_t c) {
    uint64_t carry = (uint64_t)((unsigned __int128)g[1] * c >> 64);
    unsigned __int128 product = (unsigned __int128)g[0] * c + carry;
    return (uint64_t)(product >> 64) | ((uint64_t)product > 1);
}

/* The shortest decimal that rounds to c * 2^q, the nearest such. `narrow_below`: the next number below is half as far. */
static decimal shortest(uint64_t c, int q, bool narrow_below) {
    if (q <= 0 && q > -53 && (c & ((UINT64_C(1) << -q) - 1)) == 0) return (decimal){c >> -q, 0};
    bool open = c & 1; /* ties go to even, so an odd number does not own its interval's ends */
    int k = (q * 1262611 - (narrow_below ? 524031 : 0)) >> 22;
    int h = q + log2_pow10(-k) + 1;
    const uint64_t *g = th_pow10[-k - TH_POW10_LOW];
    uint64_t low = round_to_odd(g, (4 * c - 2 + narrow_below) << h) + open;
    uint64_t mid = round_to_odd(g, (4 * c) << h);
    uint64_t high = round_to_odd(g, (4 * c + 2) << h) - open;
    uint64_t s = mid / 4;
    if (s >= 10) { /* one digit fewer? */
        uint64_t t = s / 10;
        bool under = low <= 40 * t, over = 40 * t + 40 <= high;
        if (under != over) return (decimal){t + over, k + 1};
    }
    bool under = low <= 4 * s, over = 4 * s + 4 <= high;
    if (under != over) return (decimal){s + over, k};
    uint64_t half = 4 * s + 2;
    return (decimal){s + (mid > half || (mid == half && (s & 1))), k};
}

static size_t put_text(char *out, const char *text) {
    size_t len = strlen(text);
    memcpy(out, text, len + 1);
    return len;
}

static size_t put_zeros(char *out, size_t n) {
    memset(out, '0', n);
    return n;
}

/* d.ddde+dd */
static size_t put_scientific(char *out, const char *digits, size_t n, int exponent) {
    size_t len = 0;
    out[len++] = digits[0];
    if (n > 1) {
        out[len++] = '.';
        memcpy(out + len, digits + 1, n - 1);
        len += n - 1;
    }
    out[len++] = 'e';
    if (exponent >= 0) out[len++] = '+';
    return len + th_format_i64(exponent, out + len);
}

/* `n` digits whose decimal point stands after the first `point` of them (which may be outside). */
static size_t put_decimal(char *out, const char *digits, size_t n, int point, bool keep_point) {
    size_t len = 0;
    if (point < -3 || point > 16) return put_scientific(out, digits, n, point - 1);
    if (point <= 0) {
        memcpy(out, "0.", 2);
        len = 2 + put_zeros(out + 2, (size_t)-point);
        memcpy(out + len, digits, n);
        len += n;
    } else if ((size_t)point < n) {
        memcpy(out, digits, (size_t)point);
        out[point] = '.';
        memcpy(out + point + 1, digits + point, n - (size_t)point);
        len = n + 1;
    } else {
        memcpy(out, digits, n);
        len = n + put_zeros(out + n, (size_t)point - n);
        if (keep_point) {
            memcpy(out + len, ".0", 2);
            len += 2;
        }
    }
    out[len] = 0;
    return len;
}

static size_t put_finite(char *out, bool negative, decimal d, bool keep_point) {
    size_t sign = negative ? 1 : 0;
    if (negative) out[0] = '-';
    if (d.digits == 0) return sign + put_text(out + sign, keep_point ? "0.0" : "0");
    char text[20];
    char *from = digits_before(text + sizeof text, d.digits), *end = text + sizeof text;
    int point = (int)(end - from) + d.exponent;
    while (end[-1] == '0') end--;
    return sign + put_decimal(out + sign, from, (size_t)(end - from), point, keep_point);
}

size_t th_format_f64(double x, bool keep_point, char *out) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    bool negative = bits >> 63;
    int exponent = (int)(bits >> 52 & 0x7ff);
    uint64_t fraction = bits & ((UINT64_C(1) << 52) - 1);
    if (exponent == 0x7ff) return put_text(out, fraction ? "nan" : negative ? "-inf" : "inf");
    if ((bits << 1) == 0) return put_finite(out, negative, (decimal){0, 0}, keep_point);
    uint64_t c = exponent ? fraction | UINT64_C(1) << 52 : fraction;
    int q = (exponent ? exponent : 1) - 1075;
    return put_finite(out, negative, shortest(c, q, fraction == 0 && exponent > 1), keep_point);
}

size_t th_format_f32(float x, bool keep_point, char *out) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    bool negative = bits >> 31;
    int exponent = (int)(bits >> 23 & 0xff);
    uint32_t fraction = bits & 0x7fffff;
    if (exponent == 0xff) return put_text(out, fraction ? "nan" : negative ? "-inf" : "inf");
    if ((bits << 1) == 0) return put_finite(out, negative, (decimal){0, 0}, keep_point);
    uint64_t c = exponent ? fraction | 0x800000 : fraction;
    int q = (exponent ? exponent : 1) - 150;
    return put_finite(out, negative, shortest(c, q, fraction == 0 && exponent > 1), keep_point);
}

/* ---- Reading ------------------------------------------------------------------------------------------------ */

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

bool th_parse_i64(th_view text, int64_t *out) {
    const char *p = text.data, *end = text.data + text.len;
    if (text.len == 0) return false;
    bool negative = *p == '-';
    if (negative || *p == '+') p++;
    size_t n = (size_t)(end - p);
    if (n == 0) return false;
    uint64_t value = 0;
    for (; p < end; p++) {
        unsigned digit = (unsigned char)(*p - '0');
        if (digit > 9) return false;
        /* Only past 18 digits can it be too large. */
        if (TH_UNLIKELY(n > 18) && (value > UINT64_MAX / 10 || value * 10 > UINT64_MAX - digit)) return false;
        value = value * 10 + digit;
    }
    if (value > (uint64_t)INT64_MAX + negative) return false;
    *out = (int64_t)(negative ? 0 - value : value);
    return true;
}

/* What a text says: the first 19 significant digits, whether others that are not zero follow, the power of ten. */
typedef struct scanned {
    uint64_t digits;
    int64_t exponent;
    bool more;
    const char *first; /* first significant digit, for the slow way; may be followed by the point */
    const char *last;  /* end of the digits */
} scanned;

enum { MOST_DIGITS = 19, EXPONENT_CAP = 1 << 24 };

/* The exponent after an 'e': false when it is none. Kept below a cap that is far outside every double. */
static bool scan_exponent(const char *p, const char *end, int64_t *exponent) {
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (p == end) return false;
    int64_t value = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) return false;
        if (value < INT64_C(1) << 50) value = value * 10 + (*p - '0');
    }
    *exponent += negative ? -value : value;
    return true;
}

/* Goes on at digit `p` when 19 significant ones were taken. `point` is where the point was, or NULL. */
static const char *scan_rest(const char *p, const char *end, const char **point, scanned *s) {
    for (; p < end; p++) {
        if (*p == '.' && !*point) {
            *point = p;
            continue;
        }
        if (!is_digit(*p)) break;
        if (*p != '0') s->more = true;
        if (!*point) s->exponent++;
    }
    return p;
}

static bool scan(const char *p, const char *end, scanned *s) {
    const char *start = p, *point = NULL;
    *s = (scanned){.first = p};
    while (p < end && *p == '0') p++;
    s->first = p;
    uint64_t digits = 0;
    int taken = 0;
    for (; p < end && is_digit(*p) && taken < MOST_DIGITS; p++, taken++) digits = digits * 10 + (uint64_t)(*p - '0');
    if (p < end && *p == '.') {
        point = p++;
        if (taken == 0) {
            while (p < end && *p == '0') p++;
            s->first = p;
        }
        for (; p < end && is_digit(*p) && taken < MOST_DIGITS; p++, taken++)
            digits = digits * 10 + (uint64_t)(*p - '0');
        s->exponent = -(int64_t)(p - point - 1);
    }
    s->digits = digits;
    if (taken == MOST_DIGITS) p = scan_rest(p, end, &point, s);
    if (p - start == (point ? 1 : 0)) return false; /* no digit at all */
    s->last = p;
    if (p == end) return true;
    return (*p == 'e' || *p == 'E') && scan_exponent(p + 1, end, &s->exponent);
}

static const double exact_pow10[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                     1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* digits * 10^exponent as a double, when 128 bits of the power decide it; digits is not 0. The true product lies in
** (P - 2^64, P], P being what the power rounded up gives, so all is certain unless a rounding boundary lies in there. */
static bool by_product(uint64_t digits, int64_t exponent, uint64_t *bits) {
    if (exponent < -307 || exponent > 288) return false; /* subnormal or infinite results: the slow way */
    int shift = __builtin_clzll(digits);
    uint64_t w = digits << shift;
    const uint64_t *g = th_pow10[exponent - TH_POW10_LOW];
    unsigned __int128 low = (unsigned __int128)g[1] * w;
    unsigned __int128 top = (unsigned __int128)g[0] * w + (uint64_t)(low >> 64);
    uint64_t high = (uint64_t)(top >> 64), rest = (uint64_t)top;
    int scale = 63 - shift + log2_pow10((int)exponent);
    if (high >> 63)
        scale++;
    else {
        high = high << 1 | rest >> 63;
        rest <<= 1;
    }
    uint64_t tail = high & 0x7ff;                 /* what 53 bits do not hold */
    if (tail == 0x400 && rest <= 2) return false; /* a tie, or a hair's breadth from one */
    uint64_t mantissa = (high >> 11) + (tail >= 0x400);
    *bits =
        mantissa + ((uint64_t)(scale + 1022) << 52); /* a carry out of the mantissa raises the exponent, as it should */
    return scale > -1000 && scale < 1000;
}

/* The digits without a point, at most 800 of them (a double's boundary has fewer; a one at the end stands for the rest),
** and the exponent: strtod reads that alike in every locale. */
static double slow_f64(const scanned *s) {
    char text[840];
    size_t n = 0;
    bool dropped = false;
    for (const char *p = s->first; p < s->last; p++) {
        if (*p == '.') continue;
        if (n < 800)
            text[n++] = *p;
        else if (*p != '0')
            dropped = true;
    }
    int64_t exponent = s->exponent; /* of the first 19 digits, or of all when they are fewer */
    if (n > MOST_DIGITS) exponent -= (int64_t)n - MOST_DIGITS;
    if (dropped) {
        text[n++] = '1';
        exponent--;
    }
    if (exponent > EXPONENT_CAP) exponent = EXPONENT_CAP;
    if (exponent < -EXPONENT_CAP) exponent = -EXPONENT_CAP;
    text[n++] = 'e';
    th_format_i64(exponent, text + n);
    return strtod(text, NULL);
}

static double to_f64(const scanned *s) {
    if (s->digits == 0) return 0;
    if (!s->more && s->digits <= UINT64_C(1) << 53 && s->exponent >= -22 && s->exponent <= 22) {
        /* Both factors are exact, so the one rounding is right. */
        double x = (double)s->digits;
        return s->exponent < 0 ? x / exact_pow10[-s->exponent] : x * exact_pow10[s->exponent];
    }
    uint64_t bits, next;
    if (!by_product(s->digits, s->exponent, &bits)) return slow_f64(s);
    if (s->more && (!by_product(s->digits + 1, s->exponent, &next) || next != bits)) return slow_f64(s);
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

static bool is_word(const char *p, size_t len, const char *word) {
    if (len != strlen(word)) return false;
    for (size_t i = 0; i < len; i++)
        if ((p[i] | 0x20) != word[i]) return false;
    return true;
}

static bool parse_word(const char *p, size_t len, double *out) {
    if (is_word(p, len, "inf") || is_word(p, len, "infinity"))
        *out = __builtin_inf();
    else if (is_word(p, len, "nan"))
        *out = __builtin_nan("");
    else
        return false;
    return true;
}

bool th_parse_f64(th_view text, double *out) {
    const char *p = text.data, *end = text.data + text.len;
    if (text.len == 0) return false;
    bool negative = *p == '-';
    if (negative || *p == '+') p++;
    if (p == end) return false;
    double x;
    if (TH_LIKELY(is_digit(*p) || *p == '.')) {
        scanned s;
        if (!scan(p, end, &s)) return false;
        x = to_f64(&s);
        if (x > __DBL_MAX__) return false;
    } else if (!parse_word(p, (size_t)(end - p), &x)) {
        return false;
    }
    *out = negative ? -x : x;
    return true;
}
