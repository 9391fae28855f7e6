/*
** lib_math.c - Math: functions on i64 and f64. Floats follow IEEE 754 and give NaN or an infinity instead of an error;
** integers wrap, and trap where there is no answer.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

#include <math.h>

/* ---- f64 -> f64 --------------------------------------------------------------------------------------------- */

#define F64_FUNCTION(name, expression)                                                                                 \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        (void)m;                                                                                                       \
        double x = arg_f64(call, 0);                                                                                   \
        return done_f64(call, expression);                                                                             \
    }
F64_FUNCTION(math_sqrt, sqrt(x))

/* The C library may be one bit off where the root is whole. */
static double cube_root(double x) {
    double root = cbrt(x), whole = round(root);
    return whole * whole * whole == x ? whole : root;
}
F64_FUNCTION(math_cbrt, cube_root(x))
F64_FUNCTION(math_exp, exp(x))
F64_FUNCTION(math_expm1, expm1(x))
F64_FUNCTION(math_log, log(x))
F64_FUNCTION(math_log1p, log1p(x))
F64_FUNCTION(math_log2, log2(x))
F64_FUNCTION(math_log10, log10(x))
F64_FUNCTION(math_sin, sin(x))
F64_FUNCTION(math_cos, cos(x))
F64_FUNCTION(math_tan, tan(x))
F64_FUNCTION(math_asin, asin(x))
F64_FUNCTION(math_acos, acos(x))
F64_FUNCTION(math_atan, atan(x))
F64_FUNCTION(math_sinh, sinh(x))
F64_FUNCTION(math_cosh, cosh(x))
F64_FUNCTION(math_tanh, tanh(x))
F64_FUNCTION(math_floor, floor(x))
F64_FUNCTION(math_ceil, ceil(x))
F64_FUNCTION(math_round, round(x))
F64_FUNCTION(math_trunc, trunc(x))
F64_FUNCTION(math_fraction, x - trunc(x))
F64_FUNCTION(math_abs_f64, fabs(x))
F64_FUNCTION(math_sign_f64, x != x ? x : (double)((x > 0) - (x < 0)))
F64_FUNCTION(math_degrees, x * (180.0 / M_PI))
F64_FUNCTION(math_radians, x *(M_PI / 180.0))

#define F64_FUNCTION_2(name, expression)                                                                               \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        (void)m;                                                                                                       \
        double x = arg_f64(call, 0), y = arg_f64(call, 1);                                                             \
        return done_f64(call, expression);                                                                             \
    }

/* fmod, with the sign of the divisor. */
static double floor_rest(double x, double y) {
    double rest = fmod(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

F64_FUNCTION_2(math_atan2, atan2(x, y))
F64_FUNCTION_2(math_hypot, hypot(x, y))
F64_FUNCTION_2(math_pow_f64, pow(x, y))
F64_FUNCTION_2(math_min_f64, x != x || y != y ? NAN : x < y || (x == y && signbit(x)) ? x : y)
F64_FUNCTION_2(math_max_f64, x != x || y != y ? NAN : x > y || (x == y && !signbit(x)) ? x : y)
F64_FUNCTION_2(math_copy_sign, copysign(x, y))
F64_FUNCTION_2(math_remainder, remainder(x, y))
F64_FUNCTION_2(math_floor_mod_f64, floor_rest(x, y))

static th_step math_clamp_f64(th_machine *m, th_call *call) {
    double x = arg_f64(call, 0), low = arg_f64(call, 1), high = arg_f64(call, 2);
    if (!(low <= high)) return th_machine_trap(m, TH_E_ARGUMENT, "a range from %g to %g is empty", low, high);
    return done_f64(call, x < low ? low : x > high ? high : x);
}

static th_step math_round_to(th_machine *m, th_call *call) {
    double x = arg_f64(call, 0);
    int64_t decimals = arg_i64(call, 1);
    if (decimals < -308 || decimals > 308)
        return th_machine_trap(m, TH_E_ARGUMENT, "%lld decimals: -308 to 308 are possible", (long long)decimals);
    double scale = pow(10.0, fabs((double)decimals));
    double scaled = decimals >= 0 ? x * scale : x / scale;
    if (scaled - scaled != 0 || fabs(scaled) >= 4503599627370496.0) return done_f64(call, x); /* no digits to lose */
    double whole = round(scaled);
    return done_f64(call, decimals >= 0 ? whole / scale : whole * scale);
}

#define F64_CONSTANT(name, value)                                                                                      \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        (void)m;                                                                                                       \
        return done_f64(call, value);                                                                                  \
    }
F64_CONSTANT(math_pi, M_PI)
F64_CONSTANT(math_tau, 2 * M_PI)
F64_CONSTANT(math_e, M_E)
F64_CONSTANT(math_infinity, INFINITY)
F64_CONSTANT(math_nan, NAN)
F64_CONSTANT(math_epsilon, 0x1p-52)

#define F64_QUESTION(name, expression)                                                                                 \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        (void)m;                                                                                                       \
        double x = arg_f64(call, 0);                                                                                   \
        return done(call, expression);                                                                                 \
    }
F64_QUESTION(math_is_nan, x != x)
F64_QUESTION(math_is_finite, x - x == 0)
F64_QUESTION(math_is_infinite, x == INFINITY || x == -INFINITY)
F64_QUESTION(math_is_whole, x - x == 0 && x == trunc(x))
F64_QUESTION(math_bits, th_f64_word(x))

static th_step math_from_bits(th_machine *m, th_call *call) {
    (void)m;
    return done_f64(call, th_word_f64(call->args[0]));
}

/* ---- i64 ---------------------------------------------------------------------------------------------------- */

#define I64_FUNCTION(name, expression)                                                                                 \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        (void)m;                                                                                                       \
        int64_t x = arg_i64(call, 0);                                                                                  \
        return done(call, (uint64_t)(expression));                                                                     \
    }
I64_FUNCTION(math_abs_i64, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)
I64_FUNCTION(math_sign_i64, (int64_t)((x > 0) - (x < 0)))
I64_FUNCTION(math_count_ones, (int64_t)__builtin_popcountll((uint64_t)x))
I64_FUNCTION(math_leading_zeros, (int64_t)(x ? __builtin_clzll((uint64_t)x) : 64))
I64_FUNCTION(math_trailing_zeros, (int64_t)(x ? __builtin_ctzll((uint64_t)x) : 64))
I64_FUNCTION(math_swap_bytes, __builtin_bswap64((uint64_t)x))

#define I64_FUNCTION_2(name, expression)                                                                               \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        (void)m;                                                                                                       \
        int64_t x = arg_i64(call, 0), y = arg_i64(call, 1);                                                            \
        return done(call, (uint64_t)(expression));                                                                     \
    }
I64_FUNCTION_2(math_min_i64, x < y ? x : y)
I64_FUNCTION_2(math_max_i64, x > y ? x : y)
I64_FUNCTION_2(math_rotate_left, (uint64_t)x << (y & 63) | (uint64_t)x >> (-y & 63))
I64_FUNCTION_2(math_rotate_right, (uint64_t)x >> (y & 63) | (uint64_t)x << (-y & 63))

static uint64_t magnitude(int64_t x) { return x < 0 ? 0 - (uint64_t)x : (uint64_t)x; }

static uint64_t gcd(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static th_step math_gcd(th_machine *m, th_call *call) {
    CHARGE(m, 16);
    return done(call, gcd(magnitude(arg_i64(call, 0)), magnitude(arg_i64(call, 1))));
}

static th_step overflow(th_machine *m, const char *what, int64_t x, int64_t y) {
    return th_machine_trap(m, TH_E_CONVERSION, "%s of %lld and %lld does not fit i64", what, (long long)x,
                           (long long)y);
}

static th_step math_lcm(th_machine *m, th_call *call) {
    uint64_t x = magnitude(arg_i64(call, 0)), y = magnitude(arg_i64(call, 1)), product;
    CHARGE(m, 16);
    if (x == 0 || y == 0) return done(call, 0);
    if (__builtin_mul_overflow(x / gcd(x, y), y, &product) || product > INT64_MAX)
        return overflow(m, "the least common multiple", arg_i64(call, 0), arg_i64(call, 1));
    return done(call, product);
}

static th_step math_pow_i64(th_machine *m, th_call *call) {
    int64_t exponent = arg_i64(call, 1), base = arg_i64(call, 0), result = 1;
    CHARGE(m, 16);
    if (exponent < 0)
        return th_machine_trap(m, TH_E_ARGUMENT, "a negative exponent, %lld, has no whole result", (long long)exponent);
    while (exponent > 0) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result))
            return overflow(m, "the power", arg_i64(call, 0), arg_i64(call, 1));
        exponent >>= 1;
        if (exponent > 0 && __builtin_mul_overflow(base, base, &base))
            return overflow(m, "the power", arg_i64(call, 0), arg_i64(call, 1));
    }
    return done(call, (uint64_t)result);
}

static th_step math_isqrt(th_machine *m, th_call *call) {
    int64_t x = arg_i64(call, 0);
    if (x < 0) return th_machine_trap(m, TH_E_ARGUMENT, "the root of a negative number, %lld", (long long)x);
    uint64_t root = (uint64_t)sqrt((double)x);
    while (root > 0 && root * root > (uint64_t)x) root--;
    while ((root + 1) * (root + 1) <= (uint64_t)x) root++;
    return done(call, root);
}

static th_step math_clamp_i64(th_machine *m, th_call *call) {
    int64_t x = arg_i64(call, 0), low = arg_i64(call, 1), high = arg_i64(call, 2);
    if (low > high)
        return th_machine_trap(m, TH_E_ARGUMENT, "a range from %lld to %lld is empty", (long long)low, (long long)high);
    return done(call, (uint64_t)(x < low ? low : x > high ? high : x));
}

/* Rounded down, so that the rest has the sign of the divisor; the one overflow wraps. */
static bool floor_divide(int64_t x, int64_t y, int64_t *quotient, int64_t *rest) {
    if (y == 0) return false;
    if (y == -1) {
        *quotient = (int64_t)(0 - (uint64_t)x);
        *rest = 0;
        return true;
    }
    *quotient = x / y;
    *rest = x % y;
    if (*rest != 0 && (*rest < 0) != (y < 0)) {
        *quotient -= 1;
        *rest += y;
    }
    return true;
}

static th_step by_zero(th_machine *m, int64_t x) {
    return th_machine_trap(m, TH_E_DIVISION, "%lld is divided by zero", (long long)x);
}

static th_step math_floor_div(th_machine *m, th_call *call) {
    int64_t quotient, rest;
    if (!floor_divide(arg_i64(call, 0), arg_i64(call, 1), &quotient, &rest)) return by_zero(m, arg_i64(call, 0));
    return done(call, (uint64_t)quotient);
}

static th_step math_floor_mod(th_machine *m, th_call *call) {
    int64_t quotient, rest;
    if (!floor_divide(arg_i64(call, 0), arg_i64(call, 1), &quotient, &rest)) return by_zero(m, arg_i64(call, 0));
    return done(call, (uint64_t)rest);
}

static th_step math_divmod(th_machine *m, th_call *call) {
    int64_t quotient, rest;
    if (!floor_divide(arg_i64(call, 0), arg_i64(call, 1), &quotient, &rest)) return by_zero(m, arg_i64(call, 0));
    th_record *pair = th_new_record(m, result_type(m, call), 2);
    if (!pair) return TH_STEP_ERROR;
    pair->slots[0] = (uint64_t)quotient;
    pair->slots[1] = (uint64_t)rest;
    return done_ptr(call, pair);
}

/* Wide results that wrapping arithmetic would lose. */
#define I64_CHECKED(name, builtin, what)                                                                               \
    static th_step name(th_machine *m, th_call *call) {                                                                \
        int64_t result;                                                                                                \
        if (builtin(arg_i64(call, 0), arg_i64(call, 1), &result))                                                      \
            return overflow(m, what, arg_i64(call, 0), arg_i64(call, 1));                                              \
        return done(call, (uint64_t)result);                                                                           \
    }
I64_CHECKED(math_add_checked, __builtin_add_overflow, "the sum")
I64_CHECKED(math_sub_checked, __builtin_sub_overflow, "the difference")
I64_CHECKED(math_mul_checked, __builtin_mul_overflow, "the product")

/* ---- Table -------------------------------------------------------------------------------------------------- */

#define PURE TH_BUILTIN_PURE
#define F1   "x: f64 -> f64"
#define F2   "x: f64, y: f64 -> f64"
#define I1   "x: i64 -> i64"
#define I2   "x: i64, y: i64 -> i64"

const th_builtin th_lib_math[] = {
    {"Math.sqrt", F1, "The square root; NaN below zero.\ne.g. Math.sqrt(9.0) == 3.0", math_sqrt, PURE, 0, NULL},
    {"Math.cbrt", F1, "The cube root.\ne.g. Math.cbrt(27.0) == 3.0", math_cbrt, PURE, 0, NULL},
    {"Math.isqrt", I1, "The whole part of the square root.\ne.g. Math.isqrt(10) == 3", math_isqrt, PURE, 0, NULL},
    {"Math.exp", F1, "e to the power of x.\ne.g. Math.exp(0.0) == 1.0", math_exp, PURE, 0, NULL},
    {"Math.expm1", F1, "exp(x) - 1, exact for small x.\ne.g. Math.expm1(0.0) == 0.0", math_expm1, PURE, 0, NULL},
    {"Math.log", F1, "The natural logarithm.\ne.g. Math.log(1.0) == 0.0", math_log, PURE, 0, NULL},
    {"Math.log1p", F1, "log(1 + x), exact for small x.\ne.g. Math.log1p(0.0) == 0.0", math_log1p, PURE, 0, NULL},
    {"Math.log2", F1, "The logarithm to base 2.\ne.g. Math.log2(8.0) == 3.0", math_log2, PURE, 0, NULL},
    {"Math.log10", F1, "The logarithm to base 10.\ne.g. Math.log10(1000.0) == 3.0", math_log10, PURE, 0, NULL},
    {"Math.sin", F1, "The sine of an angle in radians.\ne.g. Math.sin(0.0) == 0.0", math_sin, PURE, 0, NULL},
    {"Math.cos", F1, "The cosine of an angle in radians.\ne.g. Math.cos(0.0) == 1.0", math_cos, PURE, 0, NULL},
    {"Math.tan", F1, "The tangent of an angle in radians.\ne.g. Math.tan(0.0) == 0.0", math_tan, PURE, 0, NULL},
    {"Math.asin", F1, "The angle that has this sine.\ne.g. Math.asin(0.0) == 0.0", math_asin, PURE, 0, NULL},
    {"Math.acos", F1, "The angle that has this cosine.\ne.g. Math.acos(1.0) == 0.0", math_acos, PURE, 0, NULL},
    {"Math.atan", F1, "The angle that has this tangent.\ne.g. Math.atan(0.0) == 0.0", math_atan, PURE, 0, NULL},
    {"Math.atan2", "y: f64, x: f64 -> f64", "The angle of the point (x, y).\ne.g. Math.atan2(0.0, 1.0) == 0.0",
     math_atan2, PURE, 0, NULL},
    {"Math.sinh", F1, "The hyperbolic sine.\ne.g. Math.sinh(0.0) == 0.0", math_sinh, PURE, 0, NULL},
    {"Math.cosh", F1, "The hyperbolic cosine.\ne.g. Math.cosh(0.0) == 1.0", math_cosh, PURE, 0, NULL},
    {"Math.tanh", F1, "The hyperbolic tangent.\ne.g. Math.tanh(0.0) == 0.0", math_tanh, PURE, 0, NULL},
    {"Math.hypot", F2, "The length of the vector (x, y).\ne.g. Math.hypot(3.0, 4.0) == 5.0", math_hypot, PURE, 0, NULL},
    {"Math.pow", F2, "x to the power of y.\ne.g. Math.pow(2.0, 0.5) == Math.sqrt(2.0)", math_pow_f64, PURE, 0, NULL},
    {"Math.pow", I2, "x to the power of y; an error when it does not fit.\ne.g. Math.pow(2, 10) == 1024", math_pow_i64,
     PURE, 0, NULL},
    {"Math.floor", F1, "The nearest whole number not above x.\ne.g. Math.floor(-1.5) == -2.0", math_floor, PURE, 0,
     NULL},
    {"Math.ceil", F1, "The nearest whole number not below x.\ne.g. Math.ceil(1.2) == 2.0", math_ceil, PURE, 0, NULL},
    {"Math.round", F1, "The nearest whole number; halves away from zero.\ne.g. Math.round(2.5) == 3.0", math_round,
     PURE, 0, NULL},
    {"Math.round", "x: f64, decimals: i64 -> f64", "Rounded to so many decimals.\ne.g. Math.round(2.345, 1) == 2.3",
     math_round_to, PURE, 0, NULL},
    {"Math.trunc", F1, "Without what is behind the point.\ne.g. Math.trunc(-1.5) == -1.0", math_trunc, PURE, 0, NULL},
    {"Math.fraction", F1, "What is behind the point.\ne.g. Math.fraction(1.5) == 0.5", math_fraction, PURE, 0, NULL},
    {"Math.abs", F1, "Without the sign.\ne.g. Math.abs(-1.5) == 1.5", math_abs_f64, PURE, 0, NULL},
    {"Math.abs", I1, "Without the sign; the smallest i64 stays as it is.\ne.g. Math.abs(-3) == 3", math_abs_i64, PURE,
     0, NULL},
    {"Math.sign", F1, "-1.0, 0.0 or 1.0.\ne.g. Math.sign(-2.5) == -1.0", math_sign_f64, PURE, 0, NULL},
    {"Math.sign", I1, "-1, 0 or 1.\ne.g. Math.sign(-7) == -1", math_sign_i64, PURE, 0, NULL},
    {"Math.min", F2, "The smaller one; NaN when one is NaN.\ne.g. Math.min(1.0, 2.0) == 1.0", math_min_f64, PURE, 0,
     NULL},
    {"Math.min", I2, "The smaller one.\ne.g. Math.min(1, 2) == 1", math_min_i64, PURE, 0, NULL},
    {"Math.max", F2, "The larger one; NaN when one is NaN.\ne.g. Math.max(1.0, 2.0) == 2.0", math_max_f64, PURE, 0,
     NULL},
    {"Math.max", I2, "The larger one.\ne.g. Math.max(1, 2) == 2", math_max_i64, PURE, 0, NULL},
    {"Math.clamp", "x: f64, low: f64, high: f64 -> f64",
     "x kept within a range.\ne.g. Math.clamp(5.0, 0.0, 1.0) == 1.0", math_clamp_f64, PURE, 0, NULL},
    {"Math.clamp", "x: i64, low: i64, high: i64 -> i64", "x kept within a range.\ne.g. Math.clamp(-5, 0, 9) == 0",
     math_clamp_i64, PURE, 0, NULL},
    {"Math.copy_sign", F2, "x with the sign of y.\ne.g. Math.copy_sign(2.0, -1.0) == -2.0", math_copy_sign, PURE, 0,
     NULL},
    {"Math.remainder", F2, "x less the nearest multiple of y (IEEE 754).\ne.g. Math.remainder(5.0, 3.0) == -1.0",
     math_remainder, PURE, 0, NULL},
    {"Math.degrees", F1, "Radians as degrees.\ne.g. Math.degrees(0.0) == 0.0", math_degrees, PURE, 0, NULL},
    {"Math.radians", F1, "Degrees as radians.\ne.g. Math.radians(0.0) == 0.0", math_radians, PURE, 0, NULL},
    {"Math.gcd", I2, "The greatest common divisor.\ne.g. Math.gcd(12, 18) == 6", math_gcd, PURE, 0, NULL},
    {"Math.lcm", I2, "The least common multiple.\ne.g. Math.lcm(4, 6) == 12", math_lcm, PURE, 0, NULL},
    {"Math.floor_div", I2, "x / y rounded down.\ne.g. Math.floor_div(-7, 2) == -4", math_floor_div, PURE, 0, NULL},
    {"Math.floor_mod", I2, "The rest of floor_div, with the sign of y.\ne.g. Math.floor_mod(-7, 2) == 1",
     math_floor_mod, PURE, 0, NULL},
    {"Math.floor_mod", F2, "The rest of x / y rounded down.\ne.g. Math.floor_mod(-7.0, 2.0) == 1.0", math_floor_mod_f64,
     PURE, 0, NULL},
    {"Math.divmod", "x: i64, y: i64 -> Tuple<i64, i64>",
     "The quotient rounded down, and the rest.\ne.g. Math.divmod(-7, 2) == {-4, 1}", math_divmod, 0, 0, NULL},
    {"Math.add_checked", I2, "x + y; an error when it does not fit.\ne.g. Math.add_checked(1, 2) == 3",
     math_add_checked, PURE, 0, NULL},
    {"Math.sub_checked", I2, "x - y; an error when it does not fit.\ne.g. Math.sub_checked(3, 2) == 1",
     math_sub_checked, PURE, 0, NULL},
    {"Math.mul_checked", I2, "x * y; an error when it does not fit.\ne.g. Math.mul_checked(3, 2) == 6",
     math_mul_checked, PURE, 0, NULL},
    {"Math.is_nan", "x: f64 -> bool", "Whether x is no number.\ne.g. Math.is_nan(Math.nan()) == true", math_is_nan,
     PURE, 0, NULL},
    {"Math.is_finite", "x: f64 -> bool", "Whether x is neither infinite nor NaN.\ne.g. Math.is_finite(1.0) == true",
     math_is_finite, PURE, 0, NULL},
    {"Math.is_infinite", "x: f64 -> bool", "Whether x is an infinity.\ne.g. Math.is_infinite(1.0) == false",
     math_is_infinite, PURE, 0, NULL},
    {"Math.is_whole", "x: f64 -> bool", "Whether x has nothing behind the point.\ne.g. Math.is_whole(2.0) == true",
     math_is_whole, PURE, 0, NULL},
    {"Math.bits", "x: f64 -> i64", "The bits of x.\ne.g. Math.bits(0.0) == 0", math_bits, PURE, 0, NULL},
    {"Math.from_bits", "bits: i64 -> f64", "The number that has these bits.\ne.g. Math.from_bits(0) == 0.0",
     math_from_bits, PURE, 0, NULL},
    {"Math.count_ones", I1, "How many bits are set.\ne.g. Math.count_ones(7) == 3", math_count_ones, PURE, 0, NULL},
    {"Math.leading_zeros", I1, "Zero bits above the highest one.\ne.g. Math.leading_zeros(1) == 63", math_leading_zeros,
     PURE, 0, NULL},
    {"Math.trailing_zeros", I1, "Zero bits below the lowest one.\ne.g. Math.trailing_zeros(8) == 3",
     math_trailing_zeros, PURE, 0, NULL},
    {"Math.swap_bytes", I1, "The eight bytes in reverse order.\ne.g. Math.swap_bytes(0) == 0", math_swap_bytes, PURE, 0,
     NULL},
    {"Math.rotate_left", I2, "The bits of x moved up by y, round the end.\ne.g. Math.rotate_left(1, 65) == 2",
     math_rotate_left, PURE, 0, NULL},
    {"Math.rotate_right", I2, "The bits of x moved down by y, round the end.\ne.g. Math.rotate_right(2, 1) == 1",
     math_rotate_right, PURE, 0, NULL},
    {"Math.pi", "-> f64", "The ratio of a circle's circumference to its diameter.\ne.g. Math.floor(Math.pi()) == 3.0",
     math_pi, PURE, 0, NULL},
    {"Math.tau", "-> f64", "Twice pi.\ne.g. Math.floor(Math.tau()) == 6.0", math_tau, PURE, 0, NULL},
    {"Math.e", "-> f64", "The base of the natural logarithm.\ne.g. Math.floor(Math.e()) == 2.0", math_e, PURE, 0, NULL},
    {"Math.infinity", "-> f64", "Positive infinity.\ne.g. Math.is_finite(Math.infinity()) == false", math_infinity,
     PURE, 0, NULL},
    {"Math.nan", "-> f64", "The float that is no number.\ne.g. Math.is_nan(Math.nan()) == true", math_nan, PURE, 0,
     NULL},
    {"Math.epsilon", "-> f64", "The gap between 1.0 and the next float.\ne.g. 1.0 + Math.epsilon() > 1.0", math_epsilon,
     PURE, 0, NULL},
};
const size_t th_lib_math_count = TH_COUNT(th_lib_math);
