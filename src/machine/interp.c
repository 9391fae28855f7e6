/*
** interp.c - the interpreter: one body per instruction, from one source for two ways of threading.
** clang: one function per instruction, threaded by guaranteed tail calls with preserve_none, so that the machine's
** state stays in registers. gcc: labels in one function, computed goto. Programs are verified: nothing is checked
** here that the verifier promises (program.h).
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>
#include <stdio.h>

#include "machine/dynamic.h"
#include "machine/machine_int.h"

/* AddressSanitizer's frames and preserve_none do not go together in clang 19: sanitized builds use the other way. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TH_COMPUTED_GOTO 1
#endif
#endif
#if defined(__has_attribute)
#if __has_attribute(musttail) && __has_attribute(preserve_none) && !defined(TH_COMPUTED_GOTO)
#define TH_TAIL_CALLS 1
#endif
#endif

const uint32_t th_exit_code[1] = {TH_OP_EXIT_};
const uint32_t th_mark_code[1] = {TH_OP_MARK_};
const uint32_t th_wait_code[1] = {TH_OP_WAIT_};
const uint32_t th_update_code[1] = {(uint32_t)TH_OP_VRET | 1u << 8};

/* ---- What every instruction can say ------------------------------------------------------------------------- */

#define A     TH_INSN_A(w)
#define B     TH_INSN_B(w)
#define C     TH_INSN_C(w)
#define SC    TH_INSN_SC(w)
#define IMM   TH_INSN_IMM(w)
#define SIMM  TH_INSN_SIMM(w)
#define RI(x) (((int64_t *)r)[x])
#define RU(x) (r[x])
#define RF(x) (((double *)(void *)r)[x])
#define RP(x) th_word_ptr(r[x])
#define FN    (ctx->fn)

/* The state is written back before anything that may fail, allocate, or look at the machine. */
#define SAVE() (m->context = ctx, ctx->pc = pc, m->base = r, m->fuel = fuel)
#define TRAP_IF(failed)                                                                                                \
    do {                                                                                                               \
        if (TH_UNLIKELY(failed)) EXIT(TH_EXIT_TRAP);                                                                   \
    } while (0)
#define FAIL(code, ...)                                                                                                \
    do {                                                                                                               \
        SAVE();                                                                                                        \
        (void)th_machine_trap(m, code, __VA_ARGS__);                                                                   \
        EXIT(TH_EXIT_TRAP);                                                                                            \
    } while (0)

/* Goes to word `t` of the function; a backward jump is charged its span and is a safe point. */
#define JUMP(t)                                                                                                        \
    do {                                                                                                               \
        const uint32_t *to = code + (t);                                                                               \
        if (to <= pc) {                                                                                                \
            fuel -= pc - to + 1;                                                                                       \
            pc = to;                                                                                                   \
            if (TH_UNLIKELY(fuel < 0)) GO(REFILL_);                                                                    \
            DISPATCH();                                                                                                \
        }                                                                                                              \
        pc = to;                                                                                                       \
        DISPATCH();                                                                                                    \
    } while (0)
#define BRANCH_IF(condition)                                                                                           \
    do {                                                                                                               \
        if (condition) JUMP(pc[1]);                                                                                    \
        NEXT(2);                                                                                                       \
    } while (0)
#define CALL_COST      8
#define MOST_REGISTERS 256 /* of a function */

#define FITS32(a, b) ((((uint64_t)(a) | (uint64_t)(b)) >> 31) == 0)
/* Division that takes the 32-bit path when both operands fit, several times faster on most processors. */
#define DIVIDE(a, b)                                                                                                   \
    (FITS32(a, b) ? (int64_t)((uint32_t)(a) / (uint32_t)(b)) : (b) == -1 ? (int64_t)(0 - (uint64_t)(a)) : (a) / (b))
#define MODULO(a, b) (FITS32(a, b) ? (int64_t)((uint32_t)(a) % (uint32_t)(b)) : (b) == -1 ? 0 : (a) % (b))

/* By a small constant d, other than 0: by a multiplication where that can be. */
#define SMALL(m, x, d) ((uint64_t)(x) <= UINT32_MAX && (d) >= 2)
#define SMALL_DIVIDE(m, x, d)                                                                                          \
    (SMALL(m, x, d) ? (int64_t)th_magic_div((m)->small_magic[d], (uint64_t)(x)) : DIVIDE(x, d))
#define SMALL_MODULO(m, x, d)                                                                                          \
    (SMALL(m, x, d) ? (int64_t)th_magic_rem((m)->small_magic[d], (uint64_t)(x), (uint64_t)(d)) : MODULO(x, d))

/* ---- Slow paths --------------------------------------------------------------------------------------------- */

static int64_t power(int64_t base, int64_t exponent) {
    uint64_t result = 1, square = (uint64_t)base;
    for (; exponent > 0; exponent >>= 1, square *= square)
        if (exponent & 1) result *= square;
    return (int64_t)result;
}

static bool same_text(const th_str *a, const th_str *b) {
    return a == b || (a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0);
}

static int text_order(const th_str *a, const th_str *b) { return th_view_compare(th_view_str(a), th_view_str(b)); }

static TH_NOINLINE bool trap_index(th_machine *m, int64_t index, const th_list *list) {
    (void)th_machine_trap(m, TH_E_INDEX, "index %lld is outside a list of %llu element%s", (long long)index,
                          (unsigned long long)list->len, list->len == 1 ? "" : "s");
    return true;
}

static TH_NOINLINE bool trap_fit(th_machine *m, int64_t value, const char *type) {
    (void)th_machine_trap(m, TH_E_CONVERSION, "%lld does not fit in %s", (long long)value, type);
    return true;
}

static TH_NOINLINE bool trap_float(th_machine *m, double value) {
    char text[32];
    th_format_f64(value, true, text);
    (void)th_machine_trap(m, TH_E_CONVERSION, "%s does not fit in i64", text);
    return true;
}

static bool make_record(th_machine *m, uint64_t *out, th_type_id type, const uint64_t *fields, size_t n) {
    th_record *record = th_new_bytes(m, sizeof *record + n * sizeof record->slots[0]);
    if (!record) return false;
    record->object = (th_object){type, 0};
    for (size_t i = 0; i < n; i++) record->slots[i] = fields[i];
    *out = th_ptr_word(record);
    return true;
}

static bool make_closure(th_machine *m, uint64_t *out, const th_fn *fn, const uint64_t *captures, size_t n) {
    th_closure *closure = th_new_bytes(m, sizeof *closure + n * sizeof closure->captures[0]);
    if (!closure) return false;
    closure->object = (th_object){fn->type, 0};
    closure->fn = fn;
    closure->ncaptures = n;
    for (size_t i = 0; i < n; i++) closure->captures[i] = captures[i];
    *out = th_ptr_word(closure);
    return true;
}

static bool make_variant(th_machine *m, uint64_t *out, th_type_id type, uint64_t tag, uint64_t word) {
    uint64_t slots[2] = {tag, word};
    return make_record(m, out, type, slots, 2);
}

static bool dict_get(th_machine *m, uint64_t *out, const th_dict *dict, uint64_t key) {
    const uint64_t *value = th_dict_find(dict, key);
    if (!value) {
        *out = 0;
        return true;
    }
    if (dict->pointer_values) {
        *out = *value;
        return true;
    }
    th_type_id type; /* the option of the value type exists: the verifier saw a register of it */
    if (th_types_option(&m->types, th_types_get(&m->types, dict->object.type)->args[1], &type) != TH_OK) {
        (void)th_trap_memory(m);
        return false;
    }
    return th_new_option(m, type, *value, out);
}

static bool list_pop(th_machine *m, uint64_t *out, th_list *list) {
    if (list->len == 0) {
        (void)th_machine_trap(m, TH_E_INDEX, "pop from an empty list");
        return false;
    }
    *out = th_list_get(m, list, list->len - 1);
    list->len--;
    return true;
}

static bool join_strings(th_machine *m, uint64_t *out, const th_str *a, const th_str *b) {
    size_t len = (size_t)a->len + b->len;
    th_str *s = th_new_str(m, len);
    if (!s) return false;
    memcpy(s->bytes, a->bytes, a->len);
    memcpy(s->bytes + a->len, b->bytes, b->len);
    *out = th_ptr_word(s);
    return true;
}

static void seal(th_machine *m, const th_str *s) {
    for (size_t i = 0; i < TH_OPEN_BUILDERS; i++)
        if (m->builders[i].str == s) m->builders[i].str = NULL;
}

static bool set_global(th_machine *m, th_unit *unit, uint32_t global, uint64_t word) {
    unit->globals[global] = word;
    unit->globals_set[global] = true;
    if (m->memory.nregions > 0) m->memory.regions[m->memory.nregions - 1].globals = true;
    return true;
}

static void trap_global(th_machine *m, const th_unit *unit, uint32_t global) {
    const th_str *name = unit->program->globals[global].name;
    (void)th_machine_trap(m, TH_E_REFERENCE, "'%.*s' is used before it has a value", (int)name->len, name->bytes);
}

static bool enter_region(th_machine *m) {
    if (th_memory_enter(&m->memory, (size_t)(m->context - m->contexts)) == TH_OK) return true;
    (void)th_trap_memory(m);
    return false;
}

static bool throw_error(th_machine *m, const th_record *record) {
    const th_str *message = th_word_ptr(record->slots[TH_ERROR_MESSAGE]);
    const th_str *kind = th_word_ptr(record->slots[TH_ERROR_KIND]);
    th_status code = TH_E_TRAP;
#define TH_STATUS(name, number, text)                                                                                  \
    if (th_view_is(th_view_str(kind), text)) code = TH_##name;
#include "base/status.def"
#undef TH_STATUS
    (void)th_machine_trap(m, code, "%.*s", (int)message->len, message->bytes);
    const th_str *file = th_word_ptr(record->slots[TH_ERROR_FILE]);
    snprintf(m->error.file, sizeof m->error.file, "%.*s", (int)file->len, file->bytes);
    m->error.span = (th_span){(uint32_t)record->slots[TH_ERROR_LINE], (uint32_t)record->slots[TH_ERROR_COLUMN], 0, 0};
    return true;
}

/* Room for any call from the top context; false: a trap is recorded. */
static bool grow_for_call(th_machine *m) {
    if (m->context + 2 >= m->contexts_end && !th_contexts_grow(m)) return false;
    return th_stack_grow(m, m->base, 2 * MOST_REGISTERS) != NULL;
}

/* ---- The two ways of threading ------------------------------------------------------------------------------ */

#ifdef TH_TAIL_CALLS

#define HANDLER __attribute__((preserve_none)) static void
#define PARAMETERS                                                                                                     \
    const uint32_t *pc, uint64_t *r, th_context *ctx, const uint32_t *code, int64_t fuel, th_machine *m, uint32_t w
typedef __attribute__((preserve_none)) void (*handler)(PARAMETERS);
static const handler handlers[256];
#define OP(name) HANDLER op_##name(PARAMETERS)
#define DISPATCH()                                                                                                     \
    do {                                                                                                               \
        uint32_t word_ = *pc;                                                                                          \
        __attribute__((musttail)) return handlers[word_ & 255](pc, r, ctx, code, fuel, m, word_);                      \
    } while (0)
#define EXIT(reason)                                                                                                   \
    do {                                                                                                               \
        m->exit = (reason);                                                                                            \
        return;                                                                                                        \
    } while (0)
#define GO(name) __attribute__((musttail)) return op_##name(pc, r, ctx, code, fuel, m, w)
#pragma clang diagnostic ignored "-Wunused-parameter"

#else

#define OP(name) op_##name:
#define DISPATCH()                                                                                                     \
    do {                                                                                                               \
        w = *pc;                                                                                                       \
        goto *handlers[w & 255];                                                                                       \
    } while (0)
#define EXIT(reason)                                                                                                   \
    do {                                                                                                               \
        m->exit = (reason);                                                                                            \
        return reason;                                                                                                 \
    } while (0)
#define GO(name) goto op_##name

#endif

#define NEXT(n)                                                                                                        \
    do {                                                                                                               \
        pc += (n);                                                                                                     \
        DISPATCH();                                                                                                    \
    } while (0)
/* Bodies that stand for no instruction: reached from others by GO. What they do is rare, and kept out of the others,
** which so need no frame of their own. */
#define BODIES(X)                                                                                                      \
    X(REFILL_)                                                                                                         \
    X(GROW_)                                                                                                           \
    X(FORCE_)                                                                                                          \
    X(COLLECT_)                                                                                                        \
    X(REFUSED_)                                                                                                        \
    X(DUE_)                                                                                                            \
    X(CALLB_SLOW_)                                                                                                     \
    X(VCALL_SLOW_)                                                                                                     \
    X(VTCALL_SLOW_)                                                                                                    \
    X(VDONE_)                                                                                                          \
    X(VRET_SLOW_)                                                                                                      \
    X(VBOOL_SLOW_)                                                                                                     \
    X(VBINARY_SLOW_)                                                                                                   \
    X(VSEL_SLOW_)

#ifdef TH_TAIL_CALLS
#define X(name) OP(name);
BODIES(X)
#undef X
#include "machine/interp_ops.inc"
#include "machine/interp_values.inc"

static const handler handlers[256] = {
#define TH_OP(name, text, format, a, b, c, word, rule, flags, meaning) [TH_OP_##name] = op_##name,
#include "program/ops.def"
#undef TH_OP
    [TH_OP_WAIT_] = op_WAIT_,
    [TH_OP_MARK_] = op_MARK_,
    [TH_OP_EXIT_] = op_EXIT_,
};

th_exit th_interpret(th_machine *m) {
    th_context *ctx = m->context;
    handlers[*ctx->pc & 255](ctx->pc, m->base, ctx, ctx->fn->code, m->fuel, m, *ctx->pc);
    return m->exit;
}
#else
th_exit th_interpret(th_machine *m) {
    static const void *const handlers[256] = {
#define TH_OP(name, text, format, a, b, c, word, rule, flags, meaning) [TH_OP_##name] = &&op_##name,
#include "program/ops.def"
#undef TH_OP
        [TH_OP_WAIT_] = &&op_WAIT_,
        [TH_OP_MARK_] = &&op_MARK_,
        [TH_OP_EXIT_] = &&op_EXIT_,
    };
    th_context *ctx = m->context;
    const uint32_t *pc = ctx->pc, *code = ctx->fn->code;
    uint64_t *r = m->base;
    int64_t fuel = m->fuel;
    uint32_t w;
    DISPATCH();
#include "machine/interp_ops.inc"
#include "machine/interp_values.inc"
}
#endif
