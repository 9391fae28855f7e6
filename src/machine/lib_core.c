/*
** lib_core.c - Core: what the compiler itself leans on. Printing, text of any value, deep equality, order, hash, copy;
** numbers and enum members from text.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

/* ---- Text of values ----------------------------------------------------------------------------------------- */

/* The text of a scalar in `out` (40 bytes), without a buffer; 0: not a scalar. */
static size_t scalar_text(const th_type *t, uint64_t word, char *out) {
    switch ((th_kind)t->kind) {
    case TH_KIND_I8:
    case TH_KIND_I16:
    case TH_KIND_I32:
    case TH_KIND_I64: return th_format_i64((int64_t)word, out);
    case TH_KIND_F64: return th_format_f64(th_word_f64(word), true, out);
    case TH_KIND_F32: return th_format_f32(th_word_f32(word), true, out);
    case TH_KIND_BOOL: return (size_t)(stpcpy(out, word ? "true" : "false") - out);
    default: return 0;
    }
}

static th_step core_text(th_machine *m, th_call *call) {
    th_type_id type = param_type(m, call, 0);
    const th_type *t = type_of(m, type);
    char text[40];
    CHARGE(m, 4);
    if (t->kind == TH_KIND_STRING) return done(call, call->args[0]);
    size_t len = scalar_text(t, call->args[0], text);
    if (len) return th_lib_done_view(m, call, (th_view){text, len});
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    if (th_value_print(m, type, call->args[0], TH_PRINT_PLAIN, &buf) == TH_OK) return th_lib_done_buf(m, call, &buf);
    th_buf_clear(&buf);
    return TH_STEP_ERROR;
}

static th_step core_quoted(th_machine *m, th_call *call) {
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    if (th_value_print(m, param_type(m, call, 0), call->args[0], TH_PRINT_QUOTED, &buf) == TH_OK)
        return th_lib_done_buf(m, call, &buf);
    th_buf_clear(&buf);
    return TH_STEP_ERROR;
}

static th_step core_pretty(th_machine *m, th_call *call) {
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    if (th_value_print(m, param_type(m, call, 0), call->args[0], TH_PRINT_PRETTY, &buf) == TH_OK)
        return th_lib_done_buf(m, call, &buf);
    th_buf_clear(&buf);
    return TH_STEP_ERROR;
}

static th_step write_out(th_machine *m, const char *bytes, size_t len, bool line) {
    CHARGE(m, 8 + len / 8);
    th_status status = th_machine_write(m, bytes, len);
    if (status == TH_OK && line) status = th_machine_write(m, "\n", 1);
    if (status == TH_OK) return TH_STEP_DONE;
    return status == TH_E_IO ? th_machine_trap(m, TH_E_IO, "the output could not be written") : th_trap_memory(m);
}

static th_step print_value(th_machine *m, th_call *call, bool line) {
    th_type_id type = param_type(m, call, 0);
    const th_type *t = type_of(m, type);
    char text[44];
    call->result[0] = 0;
    if (t->kind == TH_KIND_STRING) return write_out(m, arg_str(call, 0)->bytes, arg_str(call, 0)->len, line);
    size_t len = scalar_text(t, call->args[0], text);
    if (len) return write_out(m, text, len, line);
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    th_step step = TH_STEP_ERROR;
    if (th_value_print(m, type, call->args[0], TH_PRINT_PLAIN, &buf) == TH_OK)
        step = write_out(m, buf.data, buf.len, line);
    th_buf_clear(&buf);
    return step;
}

static th_step core_print(th_machine *m, th_call *call) { return print_value(m, call, true); }
static th_step core_write(th_machine *m, th_call *call) { return print_value(m, call, false); }

static th_step core_newline(th_machine *m, th_call *call) {
    call->result[0] = 0;
    return write_out(m, "", 0, true);
}

/* ---- Deep operations ---------------------------------------------------------------------------------------- */

static th_step core_equal(th_machine *m, th_call *call) {
    bool equal;
    if (th_value_equal(m, param_type(m, call, 0), call->args[0], call->args[1], &equal)) return TH_STEP_ERROR;
    return done(call, equal);
}

static th_step core_compare(th_machine *m, th_call *call) {
    int order;
    if (th_value_compare(m, param_type(m, call, 0), call->args[0], call->args[1], &order)) return TH_STEP_ERROR;
    return done(call, (uint64_t)(int64_t)order);
}

static th_step core_hash(th_machine *m, th_call *call) {
    uint64_t hash;
    if (th_value_hash(m, param_type(m, call, 0), call->args[0], &hash)) return TH_STEP_ERROR;
    return done(call, hash);
}

static th_step core_copy(th_machine *m, th_call *call) {
    uint64_t copy;
    if (th_value_copy(m, param_type(m, call, 0), call->args[0], &copy)) return TH_STEP_ERROR;
    return done(call, copy);
}

static th_step core_same(th_machine *m, th_call *call) {
    (void)m;
    return done(call, call->args[0] == call->args[1]);
}

static th_step core_fail(th_machine *m, th_call *call) {
    th_str *message = arg_str(call, 0);
    int shown = message->len < 900 ? (int)message->len : 900;
    while (shown > 0 && shown < (int)message->len && ((unsigned char)message->bytes[shown] & 0xc0) == 0x80) shown--;
    return th_machine_trap(m, TH_E_TRAP, "%.*s%s", shown, message->bytes, shown < (int)message->len ? "..." : "");
}

static th_step core_type_name(th_machine *m, th_call *call) {
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    th_type_print(th_machine_types(m), param_type(m, call, 0), &buf);
    CHARGE(m, 8 + buf.len / 8);
    return th_lib_done_buf(m, call, &buf);
}

/* ---- From text ---------------------------------------------------------------------------------------------- */

static th_step not_a(th_machine *m, th_call *call, const char *what) {
    return th_machine_trap(m, TH_E_CONVERSION, "%s is not %s", th_lib_excerpt(arg_view(call, 0)).text, what);
}

static bool parse_bool(th_view text, uint64_t *out) {
    *out = th_view_is(text, "true");
    return *out || th_view_is(text, "false");
}

static bool parse_number(th_kind kind, th_view text, uint64_t *out) {
    double x = 0;
    if (kind == TH_KIND_I64) return th_parse_i64(text, (int64_t *)out);
    if (!th_parse_f64(text, &x)) return false;
    if (x != x) x = __builtin_nan("");
    *out = th_f64_word(x);
    return true;
}

static th_step core_parse_i64(th_machine *m, th_call *call) {
    uint64_t word;
    CHARGE(m, 4 + arg_str(call, 0)->len / 4);
    return parse_number(TH_KIND_I64, arg_view(call, 0), &word) ? done(call, word)
                                                               : not_a(m, call, "a whole number that fits i64");
}

static th_step core_parse_f64(th_machine *m, th_call *call) {
    uint64_t word;
    CHARGE(m, 4 + arg_str(call, 0)->len);
    return parse_number(TH_KIND_F64, arg_view(call, 0), &word) ? done(call, word) : not_a(m, call, "a number");
}

static th_step core_parse_bool(th_machine *m, th_call *call) {
    uint64_t word;
    CHARGE(m, 4);
    return parse_bool(arg_view(call, 0), &word) ? done(call, word) : not_a(m, call, "'true' or 'false'");
}

static th_step core_try_i64(th_machine *m, th_call *call) {
    uint64_t word;
    CHARGE(m, 4 + arg_str(call, 0)->len / 4);
    if (!parse_number(TH_KIND_I64, arg_view(call, 0), &word)) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_I64, word);
}

static th_step core_try_f64(th_machine *m, th_call *call) {
    uint64_t word;
    CHARGE(m, 4 + arg_str(call, 0)->len);
    if (!parse_number(TH_KIND_F64, arg_view(call, 0), &word)) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_F64, word);
}

static th_step core_try_bool(th_machine *m, th_call *call) {
    uint64_t word;
    CHARGE(m, 4);
    if (!parse_bool(arg_view(call, 0), &word)) return done_null(call);
    return th_lib_done_some(m, call, TH_TYPE_BOOL, word);
}

/* ---- Enums -------------------------------------------------------------------------------------------------- */

static th_step no_enum(th_machine *m, th_type_id type) {
    th_buf buf;
    th_buf_init(&buf, th_machine_mem(m));
    th_type_print(th_machine_types(m), type, &buf);
    th_step step = th_machine_trap(m, TH_E_TYPE, "%s is no enum", buf.data ? buf.data : "the type");
    th_buf_clear(&buf);
    return step;
}

static th_step core_parse_enum(th_machine *m, th_call *call) {
    th_type_id type = result_type(m, call);
    const th_type *t = type_of(m, type);
    if (t->kind != TH_KIND_ENUM) return no_enum(m, type);
    CHARGE(m, 4 + t->nnames);
    for (uint32_t i = 0; i < t->nnames; i++)
        if (th_view_eq(th_view_str(t->names[i]), arg_view(call, 0))) return done(call, i);
    return th_machine_trap(m, TH_E_CONVERSION, "%s is no member of %s", th_lib_excerpt(arg_view(call, 0)).text,
                           t->name->bytes);
}

static th_step core_enum_values(th_machine *m, th_call *call) {
    th_type_id type = type_arg(m, result_type(m, call), 0);
    const th_type *t = type_of(m, type);
    if (t->kind != TH_KIND_ENUM) return no_enum(m, type);
    CHARGE(m, 4 + t->nnames);
    th_list *list = th_lib_new_list(m, result_type(m, call), t->nnames);
    if (!list) return TH_STEP_ERROR;
    t = type_of(m, type);
    for (uint32_t i = 0; i < t->nnames; i++) list_store(list, t, i, i);
    return done_ptr(call, list);
}

#define PURE  (TH_BUILTIN_PURE)
#define KEEPS (TH_BUILTIN_RETAINS)

const th_builtin th_lib_core[] = {
    {"Core.print", "value: T -> void", "Writes the text of a value and a newline to the output.\ne.g. print('hello')",
     core_print, 0, 0, NULL},
    {"Core.print", "-> void", "Writes a newline to the output.\ne.g. print()", core_newline, 0, 0, NULL},
    {"Core.write", "value: T -> void",
     "Writes the text of a value to the output, without a newline.\ne.g. Core.write('a')", core_write, 0, 0, NULL},
    {"Core.text", "value: T -> String",
     "The text of any value; a string is its own text.\ne.g. Core.text([1, 2]) == '[1, 2]'", core_text, KEEPS, 0, NULL},
    {"Core.quoted", "value: T -> String",
     "The text of a value as it would stand in a program: strings have quotes.\ne.g. len(Core.quoted('a')) == 3",
     core_quoted, 0, 0, NULL},
    {"Core.pretty", "value: T -> String", "The text of a value on several lines, indented.\ne.g. Core.pretty(1) == '1'",
     core_pretty, 0, 0, NULL},
    {"Core.equal", "a: T, b: T -> bool",
     "Whether two values are equal, deeply. NaN equals itself here; dicts are equal whatever their order.\n"
     "e.g. Core.equal([1, 2], [1, 2]) == true",
     core_equal, 0, 0, NULL},
    {"Core.compare", "a: T, b: T -> i64",
     "-1, 0 or 1 as `a` sorts before, with or after `b`: strings by code points, lists and structs element by element, "
     "null first, NaN last.\ne.g. Core.compare('a', 'b') == -1",
     core_compare, 0, 0, NULL},
    {"Core.hash", "value: T -> i64",
     "A hash of a value: equal values have equal hashes. Not for storing.\ne.g. Core.hash([1]) == Core.hash([1])",
     core_hash, 0, 0, NULL},
    {"Core.copy", "value: T -> T",
     "A deep copy: changing it does not change the original.\ne.g. Core.copy([1, 2]) == [1, 2]", core_copy, KEEPS, 0,
     NULL},
    {"Core.same", "a: T, b: T -> bool",
     "Whether two references are to the same object.\ne.g. Core.same([1], [1]) == false", core_same, 0, 0, NULL},
    {"Core.fail", "message: String -> void", "Stops with an error that `catch` can handle.\ne.g. Core.fail('no data')",
     core_fail, 0, 0, NULL},
    {"Core.type_name", "value: T -> String", "The name of a value's type.\ne.g. Core.type_name([1]) == 'List<i64>'",
     core_type_name, 0, 0, NULL},
    {"Core.parse_i64", "text: String -> i64",
     "The whole number that a text is; an error when it is none.\ne.g. Core.parse_i64('42') == 42", core_parse_i64,
     PURE, 0, NULL},
    {"Core.parse_f64", "text: String -> f64",
     "The number that a text is; an error when it is none.\ne.g. Core.parse_f64('2.5') == 2.5", core_parse_f64, PURE, 0,
     NULL},
    {"Core.parse_bool", "text: String -> bool",
     "'true' or 'false' as a bool; an error for anything else.\ne.g. Core.parse_bool('true') == true", core_parse_bool,
     PURE, 0, NULL},
    {"Core.parse_enum", "text: String -> T",
     "The member of an enum that has this name; an error when there is none.\ne.g. level<Severity> = "
     "Core.parse_enum('HIGH')",
     core_parse_enum, PURE, 0, NULL},
    {"Core.enum_values", "-> List<T>",
     "All members of an enum, in order.\ne.g. levels<List<Severity>> = Core.enum_values()", core_enum_values, 0, 0,
     NULL},
    {"Core.try_i64", "text: String -> i64?",
     "The whole number that a text is, or null.\ne.g. Core.try_i64('x') == null", core_try_i64, PURE, 0, NULL},
    {"Core.try_f64", "text: String -> f64?", "The number that a text is, or null.\ne.g. Core.try_f64('') == null",
     core_try_f64, PURE, 0, NULL},
    {"Core.try_bool", "text: String -> bool?",
     "'true' or 'false' as a bool, or null for anything else.\ne.g. Core.try_bool('yes') == null", core_try_bool, PURE,
     0, NULL},
};
const size_t th_lib_core_count = TH_COUNT(th_lib_core);
