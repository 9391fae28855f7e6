/*
** dynamic.h - values on the machine: what builtins of dynamically typed languages see, and how programs with `value`
** registers run.
**
** A value function takes values and gives an evaluated value. A thunk is a function without parameters over captured values;
** its activation is a FORCE context: it marks the thunk (BUSY), and on return writes the result back (DONE) and hands
** it to the register that asked. When an error unwinds it, the thunk keeps the error (FAILED) and raises it again at the next
** force; but when a limit or a cancellation unwinds it, it becomes a THUNK again. Forcing a BUSY thunk is the error
** E_RECURSION, which tells both places.
**
** Instructions marked (e) in ops.def evaluate operands by beginning anew: the force's result is written to the operand's
** register, with the pc still at the instruction. So at every collection each frame is between two instructions, and its roots
** are the VALUE registers that are live there (th_program_live). A context that waits for a call does not count the
** register of the result. Frames that have not run since the last minor collection are not looked at again: a marker pc below
** them tells when one of them is returned to.
**
** Applying (VCALL, VTCALL, th_call_apply): a closure whose arity is the number of arguments is entered at once; with fewer
** arguments a PARTIAL is made; with more, the result of the first is applied to the rest (a WAIT context holds them). A
** record with a field `__functor` is applied as that function to itself. Anything else traps. A builtin's result may be
** a thunk: the machine evaluates it before the caller goes on.
**
** Nothing is collected while a builtin's entry runs (heap.h): C locals may hold values until it returns. What must survive
** a return (CALL, AGAIN) is kept in slots of class 'v', or in the builtin's own stack of values (th_call_push).
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_DYNAMIC_H
#define TH_DYNAMIC_H

#include "heap/heap.h"
#include "machine/machine.h"

/* The machine's heap, made at the first use. NULL: refused, a trap is recorded. */
th_heap *th_machine_heap(th_machine *machine);

/* ---- Builtins over values ----------------------------------------------------------------------------------- */

/* Their signatures name `value` for every parameter and the result ("list: value, n: value -> value"). The field `strict` of
** th_builtin has a letter for each parameter, which the machine sees to before the first entry:
**   .  as it is: perhaps a thunk       v  evaluated            i  an integer        n  an integer or float
**   s  a text (sort 0)                 t  a text of any sort   l  an array          r  a record (RECORD, not LAYER: flattened)
**   b  a boolean                       f  a function or a record with __functor     d  a record, perhaps layered
** A wrong kind traps with E_TYPE: "expected a list but found an integer: 5" (th_value_expected). */

/* Evaluates `v`: returns TH_STEP_CALL (the builtin must return it); at the next entry call->callback is the result. When v is
** evaluated already, use th_deref(v) and save the trip: `if (th_evaluated(&v))`. */
th_step th_call_force(th_machine *machine, th_call *call, th_value v, uint32_t next_state) TH_CHECKED;
static inline bool th_evaluated(th_value *v) { /* follows DONE; true when *v needs no force */
    *v = th_deref(*v);
    return !th_is_unevaluated(*v);
}
/* Applies `fn` (evaluated or not) to arguments (evaluated or not); the result is evaluated. */
th_step th_call_apply(th_machine *machine, th_call *call, th_value fn, const th_value *args, size_t nargs,
                      uint32_t next_state) TH_CHECKED;
/* A thunk that applies fn to 1 to 3 arguments when it is forced. */
bool th_new_apply(th_machine *machine, th_value fn, const th_value *args, size_t nargs, th_value *out) TH_CHECKED;

/* A stack of values of this activation, of any depth, seen by the collector; it starts empty, lives until the builtin is
** done and is kept across returns. For walks of any depth. push may move call->args and call->slots (they are updated). */
bool th_call_push(th_machine *machine, th_call *call, th_value v) TH_CHECKED; /* false: a trap is recorded */
bool th_call_push_raw(th_machine *machine, th_call *call, uint64_t bits) TH_CHECKED; /* as a small integer: 62 bits */
th_value th_call_pop(th_machine *machine, th_call *call); /* of a stack that is not empty */
size_t th_call_depth(const th_machine *machine, const th_call *call);
th_value *th_call_stack(th_machine *machine, th_call *call); /* bottom; valid until the next push or return */

/* A builtin with the flag TH_BUILTIN_CATCHES is entered again when an error (not a limit, not a cancellation) unwinds to it from
** something it called: call->caught is the error (borrowed for this entry; else NULL), and call->callback is TH_V_NULL. It
** may go on, or raise it again with th_machine_trap_error. */

/* For a text that names the kind: "an integer", "a list", "a set", "null" ... as a language would say it. */
typedef struct th_dynamic_words { const char *names[TH_VK_OTHER + 1]; } th_dynamic_words;
/* How traps of instructions and `strict` word things, and how they print the value (short, one line, evaluates nothing); per
** machine; a sensible default without. */
void th_machine_set_words(th_machine *machine, const th_dynamic_words *words,
                          void (*print)(th_machine *machine, th_value v, th_buf *out));
th_step th_value_expected(th_machine *machine, const char *what /* "a list" */, th_value found);

/* Places: numbers for positions in sources, kept in shapes (heap.h) and small enough to keep in values. */
typedef struct th_place { const char *file; th_span span; } th_place; /* borrowed for the machine's life */
bool th_machine_place(const th_machine *machine, uint32_t number, th_place *out); /* false: 0 or unknown */
/* The place of a function value's body, or of the running instruction of the innermost CODE or FORCE context below the builtin. */
bool th_value_place(const th_machine *machine, th_value fn, th_place *out);
bool th_machine_here(const th_machine *machine, th_place *out);

/* Facts of a function value, for languages that show them: names of the parameters of the next application that are set patterns
** are the language's business, kept in the program as the function's `note` (th_builder_note), a string. NULL: none. */
const th_str *th_value_note(const th_machine *machine, th_value fn);
uint32_t th_value_arity(const th_machine *machine, th_value fn); /* arguments still to come; 0: no function */

/* ---- State of a language on a machine ----------------------------------------------------------------------- */

/* One pointer for each key (any static address); `release` runs when the machine is freed or reset, `roots` (may be NULL) visits the
** values it holds with th_heap_visit, at every collection. */
typedef struct th_attachment {
    void (*release)(void *state);
    void (*roots)(void *state, th_heap *heap);
} th_attachment;
th_status th_machine_attach(th_machine *machine, const th_attachment *key, void *state) TH_CHECKED;
void *th_machine_attached(const th_machine *machine, const th_attachment *key); /* NULL: none */

/* ---- Running from outside ----------------------------------------------------------------------------------- */

/* Begins a run that evaluates `v`, or applies it (between runs keep values with th_machine_hold, type TH_TYPE_VALUE). */
th_status th_machine_begin_force(th_machine *machine, th_value v) TH_CHECKED;
th_status th_machine_begin_apply(th_machine *machine, th_value fn, const th_value *args, size_t nargs) TH_CHECKED;
/* A value function of a unit without captures, as a value. */
bool th_unit_value(th_unit *unit, uint32_t function, th_value *out) TH_CHECKED;

#endif
