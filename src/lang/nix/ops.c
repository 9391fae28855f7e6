/*
** ops.c - the operators of Nix beyond what instructions do themselves, and what the compiler needs beside them.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

/* ---- Arithmetic -------------------------------------------------------------------------------------------------- */

static const char *const doing[] = {"adding", "subtracting", "multiplying", "dividing"};
static const char signs[] = "+-*/";

static bool integers(int op, int64_t i, int64_t j, int64_t *out) {
    switch (op) {
    case 0: return !__builtin_add_overflow(i, j, out);
    case 1: return !__builtin_sub_overflow(i, j, out);
    case 2: return !__builtin_mul_overflow(i, j, out);
    default:
        if (i == INT64_MIN && j == -1) return false;
        *out = i / j;
        return true;
    }
}

static double floats(int op, double x, double y) { return op == 0 ? x + y : op == 1 ? x - y : op == 2 ? x * y : x / y; }

static th_step arithmetic(th_machine *m, th_call *call, int op, th_value a, th_value b) {
    double x, y;
    int64_t i, j, result;
    if (op == 3) {
        if (!nix_want_float(m, b, &y)) return TH_STEP_ERROR;
        if (y == 0) return th_machine_trap(m, TH_E_DIVISION, "division by zero");
    }
    if (nix_is_float(a) || nix_is_float(b)) {
        if (!nix_want_float(m, a, &x) || !nix_want_float(m, b, &y)) return TH_STEP_ERROR;
        return nix_done_float(m, call, floats(op, x, y));
    }
    if (!nix_want_int(m, a, &i) || !nix_want_int(m, b, &j)) return TH_STEP_ERROR;
    if (integers(op, i, j, &result)) return nix_done_int(m, call, result);
    return th_machine_trap(m, TH_E_TRAP, "integer overflow in %s %lld %c %lld", doing[op], (long long)i, signs[op],
                           (long long)j);
}

static th_step add_numbers(th_machine *m, th_call *call) {
    return arithmetic(m, call, 0, th_deref(call->args[0]), th_deref(call->args[1]));
}
static th_step subtract(th_machine *m, th_call *call) {
    return arithmetic(m, call, 1, th_deref(call->args[0]), th_deref(call->args[1]));
}
static th_step multiply(th_machine *m, th_call *call) {
    return arithmetic(m, call, 2, th_deref(call->args[0]), th_deref(call->args[1]));
}
static th_step divide(th_machine *m, th_call *call) {
    return arithmetic(m, call, 3, th_deref(call->args[0]), th_deref(call->args[1]));
}
static th_step negate(th_machine *m, th_call *call) {
    return arithmetic(m, call, 1, th_of_int(0), th_deref(call->args[0]));
}

static th_step add(th_machine *m, th_call *call) {
    th_value a = th_deref(call->args[0]), b = th_deref(call->args[1]);
    bool integer = nix_is_int(a);
    if (!integer && !nix_is_float(a)) return nix_add_texts(m, call, a, b);
    if (nix_is_int(b) || nix_is_float(b)) return arithmetic(m, call, 0, a, b);
    char word[96];
    return th_machine_trap(m, TH_E_TYPE, "cannot add %s to %s", nix_type_word(m, b, word),
                           integer ? "an integer" : "a float");
}

static th_step bits(th_machine *m, th_call *call, int op) {
    int64_t i, j;
    if (!nix_want_int(m, call->args[0], &i) || !nix_want_int(m, call->args[1], &j)) return TH_STEP_ERROR;
    return nix_done_int(m, call, op == 0 ? i & j : op == 1 ? i | j : i ^ j);
}
static th_step bit_and(th_machine *m, th_call *call) { return bits(m, call, 0); }
static th_step bit_or(th_machine *m, th_call *call) { return bits(m, call, 1); }
static th_step bit_xor(th_machine *m, th_call *call) { return bits(m, call, 2); }

/* Towards +infinity when `up`, else towards -infinity. */
static double round_to(double x, bool up) {
    if (x != x || x >= 4503599627370496.0 || x <= -4503599627370496.0) return x; /* whole from 2^52 on */
    double whole = (double)(int64_t)x;
    if (up && whole < x) whole += 1;
    if (!up && whole > x) whole -= 1;
    return whole;
}

static th_step rounded(th_machine *m, th_call *call, bool up) {
    double x;
    th_value v = th_deref(call->args[0]);
    if (nix_is_int(v)) return nix_done(call, v);
    if (!nix_want_float(m, v, &x)) return TH_STEP_ERROR;
    double whole = round_to(x, up);
    if (whole >= -0x1p63 && whole < 0x1p63) return nix_done_int(m, call, (int64_t)whole);
    return th_machine_trap(m, TH_E_CONVERSION, "NixFloat argument %g is not in the range of NixInt", x);
}
static th_step ceiling(th_machine *m, th_call *call) { return rounded(m, call, true); }
static th_step floor_of(th_machine *m, th_call *call) { return rounded(m, call, false); }

/* ---- Fields by computed names ------------------------------------------------------------------------------------ */

static th_step select_field(th_machine *m, th_call *call) {
    th_view name;
    th_heap *heap = th_machine_heap(m);
    if (!heap || !nix_want_plain(m, call->args[1], &name)) return TH_STEP_ERROR;
    th_symbol symbol = th_symbol_find(heap, name);
    th_value v = symbol ? th_record_get(heap, call->args[0], symbol) : TH_V_ABSENT;
    return v == TH_V_ABSENT ? nix_missing(m, call->args[0], name) : nix_done(call, v);
}

static th_step select_or(th_machine *m, th_call *call) {
    th_view name;
    th_heap *heap = th_machine_heap(m);
    if (!heap || !nix_want_plain(m, call->args[1], &name)) return TH_STEP_ERROR;
    th_value set = th_deref(call->args[0]);
    th_symbol symbol = th_symbol_find(heap, name);
    return nix_done(call, symbol && nix_is_set(set) ? th_record_get(heap, set, symbol) : TH_V_ABSENT);
}

static th_step set_dynamic(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    th_value record = th_deref(call->args[0]), name = th_deref(call->args[1]), one, out;
    th_view text;
    th_symbol symbol;
    if (name == TH_V_NULL) return nix_done(call, record);
    if (!heap || !nix_want_plain(m, name, &text) || !nix_symbol(m, text, &symbol)) return TH_STEP_ERROR;
    if (th_record_get(heap, record, symbol) != TH_V_ABSENT) {
        th_place place;
        int shown = (int)(text.len < 300 ? text.len : 300);
        if (!th_machine_place(m, th_record_position(heap, record, symbol), &place))
            return th_machine_trap(m, TH_E_REFERENCE, "dynamic attribute '%.*s' already defined", shown, text.data);
        return th_machine_trap(m, TH_E_REFERENCE, "dynamic attribute '%.*s' already defined at %s:%u:%u", shown,
                               text.data, place.file, place.span.line, place.span.column);
    }
    NIX_CHARGE(m, 4);
    th_value value = th_shared(call->args[2]);
    if (!th_record_build(heap, &symbol, &value, NULL, 1, &one) || !th_record_update(heap, record, one, &out))
        return nix_no_memory(m);
    return nix_done(call, out);
}

/* The fields of a rec set that its __overrides replaces are replaced where the other fields see it. */
static th_step overrides(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    if (!state || !heap) return TH_STEP_ERROR;
    th_value record = call->args[0], flat, out;
    th_value over = th_record_get(heap, record, nix_name_symbol(state, NIX_S_OVERRIDES));
    if (over == TH_V_ABSENT) return nix_done(call, record);
    if (!th_evaluated(&over)) return th_call_force(m, call, over, 1);
    if (!nix_is_set(over)) return nix_expected(m, "a set", over);
    if (!th_record_flat(heap, over, &flat)) return nix_no_memory(m);
    const th_shape *shape = th_record_shape(heap, record), *of = th_record_shape(heap, flat);
    NIX_CHARGE(m, of->count + 1);
    for (uint32_t i = 0; i < of->count; i++) {
        int64_t at = th_shape_find(shape, of->keys[i]);
        if (at >= 0)
            th_heap_set(heap, th_obj(record), &th_record_values(record)[at], th_shared(th_record_values(flat)[i]));
    }
    if (!th_record_update(heap, record, flat, &out)) return nix_no_memory(m);
    return nix_done(call, out);
}

/* ---- Errors of what the compiler writes -------------------------------------------------------------------------- */

static th_view text_argument(const th_call *call, size_t i) {
    th_value v = th_deref(call->args[i]);
    return th_is_kind(v, TH_OBJ_STRING) ? th_string_view(v) : (th_view){"", 0};
}

static th_step undefined(th_machine *m, th_call *call) {
    size_t n = th_types_nparams(th_machine_types(m), call->type);
    for (size_t i = 1; i < n; i++) {
        th_value scope = call->args[i];
        if (th_evaluated(&scope) && !nix_is_set(scope)) return nix_expected(m, "a set", scope);
    }
    th_view name = text_argument(call, 0);
    return th_machine_trap(m, TH_E_REFERENCE, "undefined variable '%.*s'", (int)(name.len < 500 ? name.len : 500),
                           name.data);
}

static th_step missing_argument(th_machine *m, th_call *call) {
    if (!nix_is_set(th_deref(call->args[0]))) return nix_expected(m, "a set", call->args[0]);
    th_view function = text_argument(call, 1), formal = text_argument(call, 2);
    if (function.len == 0) function = th_view_of("anonymous lambda");
    return th_machine_trap(m, TH_E_TYPE, "function '%.*s' called without required argument '%.*s'",
                           (int)(function.len < 300 ? function.len : 300), function.data,
                           (int)(formal.len < 300 ? formal.len : 300), formal.data);
}

static th_step set_argument(th_machine *m, th_call *call) {
    (void)m;
    return nix_done(call, call->args[0]);
}

static th_step assert_failed(th_machine *m, th_call *call) {
    th_view text = text_argument(call, 0);
    return th_machine_trap(m, TH_E_ASSERT, "assertion '%.*s' failed", (int)(text.len < 900 ? text.len : 900),
                           text.data);
}

/* ---- Constants --------------------------------------------------------------------------------------------------- */

static th_step builtins(th_machine *m, th_call *call) {
    th_value v;
    return nix_builtins_set(m, &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

static th_step constant(th_machine *m, th_call *call) {
    th_value v;
    return nix_constant_value(m, text_argument(call, 0), &v) ? nix_done(call, v) : TH_STEP_ERROR;
}

static th_step cur_pos(th_machine *m, th_call *call) {
    static const char *const names[] = {"file", "line", "column"};
    th_value set, values[3] = {call->args[0], call->args[1], call->args[2]};
    th_view file = text_argument(call, 0);
    if (file.len == 0 || file.data[0] != '/') return nix_done(call, TH_V_NULL); /* not of a file */
    return nix_record(m, names, values, 3, &set) ? nix_done(call, set) : TH_STEP_ERROR;
}

const th_builtin nix_lib_ops[] = {
    {"Nix.add", "a: value, b: value -> value", "a + b: numbers, strings, paths.", add, 0, 0, NULL, "vv"},
    {"Nix.sub", "a: value, b: value -> value", "a - b.", subtract, 0, 0, NULL, "vv"},
    {"Nix.mul", "a: value, b: value -> value", "a * b.", multiply, 0, 0, NULL, "vv"},
    {"Nix.div", "a: value, b: value -> value", "a / b.", divide, 0, 0, NULL, "vv"},
    {"Nix.negate", "v: value -> value", "-v.", negate, 0, 0, NULL, "v"},
    {"Nix.select", "set: value, name: value -> value", "set.${name}.", select_field, 0, 0, NULL, "dv"},
    {"Nix.select_or", "set: value, name: value -> value", "set.${name}, or absent.", select_or, 0, 0, NULL, "vv"},
    {"Nix.set_dynamic", "set: value, name: value, v: value -> value", "The set with one more field.", set_dynamic, 0, 0,
     NULL, "dv."},
    {"Nix.overrides", "set: value -> value", "A rec set with its __overrides.", overrides, TH_BUILTIN_STATEFUL, 0, NULL,
     "r"},
    {"Nix.undefined", "name: value, ... -> value", "The error of a variable that no scope has.", undefined, 0, 0, NULL,
     NULL},
    {"Nix.missing_argument", "argument: value, function: value, formal: value -> value",
     "The error of an argument that was not given.", missing_argument, 0, 0, NULL, "v.."},
    {"Nix.set_argument", "v: value -> value", "A set, or an error.", set_argument, 0, 0, NULL, "d"},
    {"Nix.assert_failed", "condition: value -> value", "The error of an assertion.", assert_failed, 0, 0, NULL, "."},
    {"Nix.builtins", "-> value", "The set `builtins`.", builtins, 0, 0, NULL, ""},
    {"Nix.constant", "name: value -> value", "A member of `builtins` that is no function.", constant, 0, 0, NULL, "v"},
    {"Nix.cur_pos", "file: value, line: value, column: value -> value", "__curPos.", cur_pos, 0, 0, NULL, "..."},
    {"nix.add", "e1: value, e2: value -> value", "The sum of two numbers.", add_numbers, 0, 0, NULL, "vv"},
    {"nix.sub", "e1: value, e2: value -> value", "The difference of two numbers.", subtract, 0, 0, NULL, "vv"},
    {"nix.mul", "e1: value, e2: value -> value", "The product of two numbers.", multiply, 0, 0, NULL, "vv"},
    {"nix.div", "e1: value, e2: value -> value",
     "The quotient of two numbers; of two integers it is cut towards zero. Division by zero is an error.", divide, 0, 0,
     NULL, "vv"},
    {"nix.bitAnd", "e1: value, e2: value -> value", "The bits that both integers have.", bit_and, 0, 0, NULL, "vv"},
    {"nix.bitOr", "e1: value, e2: value -> value", "The bits that one or both integers have.", bit_or, 0, 0, NULL,
     "vv"},
    {"nix.bitXor", "e1: value, e2: value -> value", "The bits that exactly one of the integers has.", bit_xor, 0, 0,
     NULL, "vv"},
    {"nix.ceil", "number: value -> value", "The least integer that is not below the number.", ceiling, 0, 0, NULL, "v"},
    {"nix.floor", "number: value -> value", "The greatest integer that is not above the number.", floor_of, 0, 0, NULL,
     "v"},
};
const size_t nix_lib_ops_count = TH_COUNT(nix_lib_ops);
