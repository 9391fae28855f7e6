/*
** apply.c - applying function values, evaluating thunks, and what builtins over values ask for: the slow halves of
** v.call and its kin, in C. Pushes contexts and never runs them; nothing is collected here, so values may be held in
** locals.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/dynamic.h"

#include <stdio.h>

#include "machine/machine_int.h"

#define CALL_COST 8

/* ---- Functions of the machine's own ------------------------------------------------------------------------- */

#define ABC(op, a, b, c) ((uint32_t)(op) | (uint32_t)(a) << 8 | (uint32_t)(b) << 16 | (uint32_t)(c) << 24)
#define AI(op, a, imm)   ((uint32_t)(op) | (uint32_t)(a) << 8 | (uint32_t)(imm) << 16)

/* SELF gives its argument, evaluated; a run that evaluates a value begins with it. APPLYn is the thunk of
** th_new_apply: its captures are the function, in r2 here, and n arguments, in the window at r3. */
static const uint32_t self_code[] = {ABC(TH_OP_VRET, 2, 0, 0)};
static const uint32_t apply1_code[] = {AI(TH_OP_VCAP, 2, 0), AI(TH_OP_VCAP, 5, 1), ABC(TH_OP_VTCALL, 3, 2, 1)};
static const uint32_t apply2_code[] = {AI(TH_OP_VCAP, 2, 0), AI(TH_OP_VCAP, 5, 1), AI(TH_OP_VCAP, 6, 2),
                                       ABC(TH_OP_VTCALL, 3, 2, 2)};
static const uint32_t apply3_code[] = {AI(TH_OP_VCAP, 2, 0), AI(TH_OP_VCAP, 5, 1), AI(TH_OP_VCAP, 6, 2),
                                       AI(TH_OP_VCAP, 7, 3), ABC(TH_OP_VTCALL, 3, 2, 3)};

/* Where a collection finds them: SELF at its start; APPLYn at its start, when it was not begun, and at its call. */
static const uint32_t self_pcs[] = {0}, apply1_pcs[] = {0, 2}, apply2_pcs[] = {0, 3}, apply3_pcs[] = {0, 4};
static const uint64_t self_bits[] = {1 << 2}, apply1_bits[] = {0, 1 << 2 | 1 << 5},
                      apply2_bits[] = {0, 1 << 2 | 3 << 5}, apply3_bits[] = {0, 1 << 2 | 7 << 5};
static const th_live self_live = {1, 1, self_pcs, self_bits}, apply1_live = {2, 1, apply1_pcs, apply1_bits},
                     apply2_live = {2, 1, apply2_pcs, apply2_bits}, apply3_live = {2, 1, apply3_pcs, apply3_bits};
static const th_str no_name = {0, {0}};
static const th_function self_info = {.name = &no_name, .nregs = 3, .nparams = 1, .code = self_code, .ncode = 1},
                         apply1_info = {.name = &no_name, .nregs = 6, .ncaptures = 2, .code = apply1_code, .ncode = 3},
                         apply2_info = {.name = &no_name, .nregs = 7, .ncaptures = 3, .code = apply2_code, .ncode = 4},
                         apply3_info = {.name = &no_name, .nregs = 8, .ncaptures = 4, .code = apply3_code, .ncode = 5};
static const th_fn internal[TH_INTERNAL_COUNT] = {
    {.code = self_code, .info = &self_info, .nregs = 3, .arity = 1, .values = true, .live = &self_live},
    {.code = apply1_code,
     .info = &apply1_info,
     .nregs = 6,
     .id = 1,
     .values = true,
     .captures = true,
     .live = &apply1_live},
    {.code = apply2_code,
     .info = &apply2_info,
     .nregs = 7,
     .id = 2,
     .values = true,
     .captures = true,
     .live = &apply2_live},
    {.code = apply3_code,
     .info = &apply3_info,
     .nregs = 8,
     .id = 3,
     .values = true,
     .captures = true,
     .live = &apply3_live},
};
const th_fn *th_internal_fn(uint32_t number) { return &internal[number]; }

bool th_new_apply(th_machine *m, th_value fn, const th_value *args, size_t nargs, th_value *out) {
    th_value captures[4] = {fn};
    for (size_t i = 0; i < nargs; i++) captures[1 + i] = args[i];
    if (th_new_closure(m->heap, TH_OBJ_THUNK, TH_INTERNAL_SELF + (uint32_t)nargs, captures, nargs + 1, out))
        return true;
    return th_trap_heap(m);
}

/* ---- Evaluating --------------------------------------------------------------------------------------------- */

bool th_trap_force(th_machine *m, th_value v) {
    uint64_t *thunk = th_obj(v);
    th_place began;
    if (th_header_kind(*thunk) == TH_OBJ_FAILED) {
        th_raise_error_value(m, thunk[1]);
        return false;
    }
    if (th_value_place(m, v, &began))
        (void)th_machine_trap(m, TH_E_RECURSION,
                              "infinite recursion encountered: this needs the value that is computed at %s:%u:%u",
                              began.file, began.span.line, began.span.column);
    else
        (void)th_machine_trap(m, TH_E_RECURSION, "infinite recursion encountered");
    return false;
}

static inline void set_busy(uint64_t *thunk) { *thunk ^= (uint64_t)(TH_OBJ_THUNK ^ TH_OBJ_BUSY) << 3; }

bool th_push_force(th_machine *m, th_value v, uint32_t delta, uint32_t dest, bool again) {
    uint64_t *thunk = th_obj(v);
    if (th_header_kind(*thunk) != TH_OBJ_THUNK) return th_trap_force(m, v);
    const th_fn *fn = m->functions[th_header_fn(*thunk)];
    th_context context = {.fn = fn, .pc = fn->code, .object = thunk, .delta = delta};
    context.facts = TH_FACTS(TH_CONTEXT_FORCE, again, dest);
    if (!th_push_context(m, &context, fn->nregs)) return false;
    set_busy(thunk);
    m->fuel -= CALL_COST;
    return true;
}

bool th_force_in_place(th_machine *m, th_value v) {
    uint64_t *thunk = th_obj(v);
    if (th_header_kind(*thunk) != TH_OBJ_THUNK) return th_trap_force(m, v);
    const th_fn *fn = m->functions[th_header_fn(*thunk)];
    uint64_t *window = th_stack_grow(m, m->base, fn->nregs);
    if (!window) return false;
    th_context *c = m->context;
    c->fn = fn;
    c->pc = fn->code;
    c->object = thunk;
    c->facts = TH_FACTS(TH_CONTEXT_FORCE, 0, c->dest);
    m->base = window;
    window[0] = 0;
    set_busy(thunk);
    m->fuel -= CALL_COST;
    return true;
}

/* ---- What builtins want of their arguments ------------------------------------------------------------------ */

static bool has_functor(const th_machine *m, th_value v) {
    return th_value_kind_of(v) == TH_VK_RECORD && th_record_get(m->heap, v, m->functor) != TH_V_ABSENT;
}

static bool is_as_wanted(const th_machine *m, char letter, th_value v) {
    th_value_kind kind = th_value_kind_of(v);
    switch (letter) {
    case 'i': return kind == TH_VK_INT || kind == TH_VK_BIG;
    case 'n': return kind == TH_VK_INT || kind == TH_VK_BIG || kind == TH_VK_FLOAT;
    case 's': return kind == TH_VK_STRING && th_string_sort(v) == 0;
    case 't': return kind == TH_VK_STRING;
    case 'l': return kind == TH_VK_ARRAY;
    case 'r':
    case 'd': return kind == TH_VK_RECORD;
    case 'b': return kind == TH_VK_BOOL;
    case 'f': return kind == TH_VK_FUNCTION || has_functor(m, v);
    default: return true;
    }
}

static const char *wanted_name(const th_machine *m, char letter) {
    static const struct {
        char letter;
        uint8_t kind;
    } kinds[] = {{'i', TH_VK_INT},    {'s', TH_VK_STRING}, {'t', TH_VK_STRING}, {'l', TH_VK_ARRAY},
                 {'r', TH_VK_RECORD}, {'d', TH_VK_RECORD}, {'b', TH_VK_BOOL},   {'f', TH_VK_FUNCTION}};
    for (size_t i = 0; i < TH_COUNT(kinds); i++)
        if (kinds[i].letter == letter) return m->words->names[kinds[i].kind];
    return "a number";
}

th_ready th_strict(th_machine *m, const th_binding *binding, uint64_t *args, uint32_t *which) {
    const char *letters = binding->builtin->strict;
    if (!letters) return TH_READY;
    for (uint32_t i = 0; i < binding->nargs && letters[i]; i++) {
        if (letters[i] == '.') continue;
        args[i] = th_deref(args[i]);
        *which = i;
        if (th_is_thunkish(args[i])) return TH_NOT_READY;
        if (!is_as_wanted(m, letters[i], args[i])) {
            (void)th_value_expected(m, wanted_name(m, letters[i]), args[i]);
            return TH_READY_TRAP;
        }
        if (letters[i] == 'r' && !th_is_kind(args[i], TH_OBJ_RECORD) && !th_record_flat(m->heap, args[i], &args[i])) {
            (void)th_trap_heap(m);
            return TH_READY_TRAP;
        }
        args[i] = th_shared(args[i]); /* who passed it may still have it */
    }
    return TH_READY;
}

/* ---- Calling builtins --------------------------------------------------------------------------------------- */

bool th_call_builtin(th_machine *m, const th_binding *binding, uint32_t delta, uint32_t dest, bool evaluate) {
    uint64_t *window = m->base + delta;
    uint32_t which;
    if (binding->special) return th_push_builtin(m, binding, delta, dest, evaluate);
    switch (th_strict(m, binding, window + 2, &which)) {
    case TH_READY: break;
    case TH_NOT_READY: return th_push_builtin(m, binding, delta, dest, evaluate);
    case TH_READY_TRAP: return false;
    }
    th_call call = {.args = window + 2, .result = window + 1, .type = binding->type, .user = binding->user};
    m->fuel -= CALL_COST;
    if (binding->builtin->fn(m, &call) != TH_STEP_DONE || m->trapped) return false;
    if (evaluate) {
        window[1] = th_deref(window[1]);
        if (th_is_thunkish(window[1])) return th_push_force(m, window[1], delta, dest, false);
    }
    if (dest) m->base[dest] = window[1];
    return true;
}

bool th_binary_import(th_machine *m) {
    const th_context *c = m->context;
    const uint32_t *pc = c->pc;
    size_t index = (size_t)(c - m->contexts);
    uint32_t w = *pc, above = c->fn->nregs;
    const th_binding *binding = &c->fn->unit->imports[pc[1]];
    uint64_t *window = th_stack_grow(m, m->base + above, 8);
    if (!window) return false;
    window[2] = m->base[TH_INSN_B(w)];
    window[3] = m->base[TH_INSN_C(w)];
    if (!th_call_builtin(m, binding, above, TH_INSN_A(w), true)) return false;
    m->contexts[index].pc = pc + 2;
    return true;
}

/* ---- Applying ----------------------------------------------------------------------------------------------- */

#define MAX_ARGUMENTS 4096 /* a functor of a functor of ... has no end */

bool th_trap_not_function(th_machine *m, th_value f) {
    th_buf text;
    th_buf_init(&text, &m->mem);
    m->print_value(m, f, &text);
    (void)th_machine_trap(m, TH_E_TYPE, "attempt to call something which is not a function but %s%s%.200s",
                          m->words->names[th_value_kind_of(f)], text.len ? ": " : "", text.len ? text.data : "");
    th_buf_clear(&text);
    return false;
}

/* Puts k values before the n arguments of the window. */
static bool put_before(th_machine *m, uint32_t delta, const th_value *values, uint32_t k, uint32_t n) {
    uint64_t *window = th_stack_grow(m, m->base + delta, (size_t)n + k + 2);
    if (!window) return false;
    memmove(window + 2 + k, window + 2, n * sizeof *window);
    memcpy(window + 2, values, k * sizeof *window);
    return true;
}

/* The last `rest` of the n arguments wait in a context for the function that the first ones give; *delta is from
** there on the window of that call. */
static bool push_wait(th_machine *m, uint32_t *delta, uint32_t n, uint32_t rest) {
    uint64_t *window = th_stack_grow(m, m->base + *delta, 2 * (size_t)n + rest + 8);
    if (!window) return false;
    uint64_t *kept = window + n + rest + 4;
    memcpy(kept, window + 2 + (n - rest), rest * sizeof *window);
    th_context context = {.fn = &th_exit_fn, .pc = th_wait_code, .delta = *delta};
    context.facts = TH_FACTS(TH_CONTEXT_WAIT, 0, 0);
    context.state = rest & TH_CONTEXT_STATE_MAX;
    if (!th_push_context(m, &context, 2 * (size_t)n + rest + 8)) return false;
    window = m->base;
    memmove(window + 2 + rest + 2, window + 2, (n - rest) * sizeof *window);
    memcpy(window + 2, window + n + rest + 4, rest * sizeof *window);
    *delta = 2 + rest;
    return true;
}

static bool make_partial(th_machine *m, uint32_t delta, th_value f, uint32_t n) {
    uint64_t *window = m->base + delta;
    if (th_new_partial(m->heap, f, window + 2, n, &window[1])) return true;
    return th_trap_heap(m);
}

static bool push_closure_value(th_machine *m, uint32_t delta, const th_fn *fn, uint64_t *closure) {
    th_context context = {.fn = fn, .pc = fn->code, .object = closure, .delta = delta};
    context.facts = TH_FACTS(TH_CONTEXT_CODE, 0, 0);
    if (!th_push_context(m, &context, fn->nregs)) return false;
    m->fuel -= CALL_COST;
    return true;
}

/* A closure or builtin of that arity: too few arguments, too many, or a call. */
static bool apply_exact(th_machine *m, uint32_t delta, th_value f, uint32_t arity, uint32_t n) {
    uint64_t *object = th_obj(f);
    if (n < arity) return make_partial(m, delta, f, n);
    if (n > arity && !push_wait(m, &delta, n, n - arity)) return false;
    if (th_header_kind(*object) == TH_OBJ_CLOSURE)
        return push_closure_value(m, delta, m->functions[th_header_fn(*object)], object);
    return th_call_builtin(m, m->builtin_values[th_header_size(*object)].binding, delta, 0, true);
}

static bool is_function(th_value f) {
    if (!th_is_object(f)) return false;
    th_object_kind kind = th_header_kind(*th_obj(f));
    return kind == TH_OBJ_CLOSURE || kind == TH_OBJ_PARTIAL || kind == TH_OBJ_BUILTIN;
}

bool th_apply(th_machine *m, uint32_t delta, th_value f, uint32_t n) {
    for (;; m->fuel -= CALL_COST) {
        f = th_deref(f);
        if (th_is_thunkish(f)) return push_wait(m, &delta, n, n) && th_push_force(m, f, delta, 0, false);
        if (n > MAX_ARGUMENTS) {
            (void)th_machine_trap(m, TH_E_RECURSION, "infinite recursion encountered: calling a record calls a record");
            return false;
        }
        if (!is_function(f)) {
            th_value functor =
                th_value_kind_of(f) == TH_VK_RECORD ? th_record_get(m->heap, f, m->functor) : TH_V_ABSENT;
            if (functor == TH_V_ABSENT) return th_trap_not_function(m, f);
            if (!put_before(m, delta, &f, 1, n)) return false;
            f = functor;
            n++;
            continue;
        }
        uint64_t *object = th_obj(f), header = *object;
        switch (th_header_kind(header)) {
        case TH_OBJ_PARTIAL: {
            uint32_t k = (uint32_t)th_header_size(header);
            if (!put_before(m, delta, object + 2, k, n)) return false;
            f = object[1];
            n += k;
            continue;
        }
        case TH_OBJ_CLOSURE: return apply_exact(m, delta, f, m->functions[th_header_fn(header)]->arity, n);
        default: return apply_exact(m, delta, f, m->builtin_values[th_header_size(header)].binding->nargs, n);
        }
    }
}

bool th_wait_step(th_machine *m) {
    uint32_t n = m->context->state, delta = m->context->delta;
    th_value f = m->base[2 + n + 1];
    m->base -= delta;
    m->context--;
    return th_apply(m, delta, f, n);
}

bool th_value_call(th_machine *m, uint32_t a, uint32_t n) {
    size_t index = (size_t)(m->context - m->contexts);
    const uint32_t *pc = m->context->pc;
    th_value f = m->base[TH_INSN_B(*pc)];
    if (!th_apply(m, a, f, n)) return false;
    m->contexts[index].pc = pc + 1; /* only now: a trap is at the call */
    return true;
}

/* The context goes on with v.ret r1; it remembers where it was, for traces. */
static void finish_with_update(th_machine *m) {
    size_t at = th_context_pc(m, m->context);
    m->context->state = (uint16_t)(at < TH_CONTEXT_STATE_MAX ? at : TH_CONTEXT_STATE_MAX);
    m->context->pc = th_update_code;
}

/* A builtin that is called in C and done, or is to be. */
static bool is_plain_call(const th_machine *m, th_value f, uint32_t n) {
    if (!th_is_kind(f, TH_OBJ_BUILTIN)) return false;
    const th_binding *binding = m->builtin_values[th_header_size(*th_obj(f))].binding;
    return binding->nargs == n && !binding->special;
}

bool th_value_tail_call(th_machine *m, uint32_t a, uint32_t n) {
    th_value f = th_deref(m->base[TH_INSN_B(*m->context->pc)]);
    /* While this context is there, errors are at its instruction. */
    if (!is_function(f) && !has_functor(m, f)) return th_trap_not_function(m, f);
    memmove(m->base + 2, m->base + a + 2, n * sizeof *m->base);
    uint32_t delta = 0;
    if (is_plain_call(m, f, n) || m->context->kind == TH_CONTEXT_FORCE) {
        size_t index = (size_t)(m->context - m->contexts);
        if (!th_apply(m, delta, f, n)) return false;
        th_context *top = m->context;
        m->context = m->contexts + index;
        finish_with_update(m);
        m->context = top;
        return true;
    }
    delta = m->context->delta;
    m->base -= delta;
    m->context--;
    return th_apply(m, delta, f, n);
}

/* ---- Calls that builtins ask for ---------------------------------------------------------------------------- */

th_step th_call_force(th_machine *m, th_call *call, th_value v, uint32_t next_state) {
    call->state = next_state;
    m->call_kind = TH_CALL_FORCE;
    m->call_nargs = 0;
    m->call_words[0] = v;
    return TH_STEP_CALL;
}

th_step th_call_apply(th_machine *m, th_call *call, th_value fn, const th_value *args, size_t nargs,
                      uint32_t next_state) {
    if (nargs > MAX_ARGUMENTS) return th_machine_trap(m, TH_E_LIMIT, "a call with %zu arguments", nargs);
    th_step step = th_call_closure(m, call, NULL, args, nargs, next_state);
    if (step != TH_STEP_CALL) return step;
    m->call_kind = TH_CALL_APPLY;
    m->call_fn = fn;
    return step;
}

bool th_make_value_call(th_machine *m, uint32_t delta) {
    uint64_t *window = th_stack_grow(m, m->base + delta, m->call_nargs + 4);
    if (!window) return false;
    if (m->call_kind == TH_CALL_FORCE) {
        th_value v = th_deref(m->call_words[0]);
        if (th_is_thunkish(v)) return th_push_force(m, v, delta, 0, false);
        window[1] = th_shared(v);
        return true;
    }
    if (m->call_nargs) memcpy(window + 2, m->call_args, m->call_nargs * sizeof *window);
    return th_apply(m, delta, m->call_fn, (uint32_t)m->call_nargs);
}

/* The builtin's stack of values lies above its slots; the low half of [0] is the depth. */
th_value *th_call_stack(th_machine *m, th_call *call) {
    (void)call;
    const th_binding *binding = m->context->binding;
    return m->base + 2 + binding->nargs + binding->builtin->nslots;
}

size_t th_call_depth(const th_machine *m, const th_call *call) { return (void)call, (uint32_t)m->base[0]; }

bool th_call_push(th_machine *m, th_call *call, th_value v) {
    uint32_t bottom = 2 + m->context->binding->nargs + m->context->binding->builtin->nslots;
    size_t depth = (uint32_t)m->base[0];
    if (TH_UNLIKELY(m->base + bottom + depth + 4 > m->stack_end)) {
        bool slots = call->slots != NULL;
        uint64_t *window = depth < UINT32_MAX / 2 ? th_stack_grow(m, m->base, bottom + depth + 4) : NULL;
        if (!window) return depth < UINT32_MAX / 2 ? false : (th_machine_trap(m, TH_E_LIMIT, "too many values"), false);
        m->base = window;
        call->args = window + 2;
        call->result = window + 1;
        if (slots) call->slots = window + 2 + m->context->binding->nargs;
    }
    m->base[bottom + depth] = v;
    m->base[0]++;
    return true;
}

bool th_call_push_raw(th_machine *m, th_call *call, uint64_t bits) { return th_call_push(m, call, bits << 1 | 1); }

th_value th_call_pop(th_machine *m, th_call *call) {
    m->base[0]--;
    return th_call_stack(m, call)[(uint32_t)m->base[0]];
}
