/*
** theta_codegen.c - what the code generator emits for small typed trees: every program is loaded, so verified, and the
** instructions of its functions are compared by name.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "../support/faulty.h"
#include "lang/theta/tir.h"

/* ---- Trees by hand ------------------------------------------------------------------------------------------ */

typedef struct maker {
    th_mem mem;
    th_arena arena;
    th_tir_program program;
    th_tir_function *functions[16];
    th_tir_global globals[4];
    th_tir_function *fn; /* under construction */
    th_local *locals[512];
    uint32_t line;
    th_program *loaded;
} maker;

static maker m;

static faulty allocator = {.once = true};

static int setup(void **state) {
    (void)state;
    memset(&m, 0, sizeof m);
    th_mem_init(&m.mem, faulty_alloc, &allocator, NULL, 0);
    th_arena_init(&m.arena, &m.mem);
    m.program.name = th_view_of("test");
    m.program.functions = m.functions;
    m.program.globals = m.globals;
    m.program.start = -1;
    return th_builder_new(&m.mem, m.program.name, &m.program.builder) != TH_OK;
}

static int teardown(void **state) {
    (void)state;
    th_program_release(m.loaded);
    th_builder_free(m.program.builder);
    th_arena_clear(&m.arena);
    assert_int_equal(m.mem.used_bytes, 0);
    return 0;
}

static th_types *types(void) { return th_builder_types(m.program.builder); }

static th_type_id function_type(th_type_id result, int n, const th_type_id *params) {
    th_type_id id;
    assert_int_equal(th_types_function(types(), params, (size_t)n, result, &id), TH_OK);
    return id;
}

static th_type_id list_of(th_type_id element) {
    th_type_id id;
    assert_int_equal(th_types_list(types(), element, &id), TH_OK);
    return id;
}

static th_type_id pair_type(void) {
    th_view names[2] = {th_view_of("x"), th_view_of("y")};
    th_type_id args[2] = {TH_TYPE_I64, TH_TYPE_I64}, id;
    assert_int_equal(th_types_add(types(), TH_KIND_STRUCT, th_view_of("Pair"), args, 2, names, 2, &id), TH_OK);
    return id;
}

static th_local *local(const char *name, th_type_id type, bool assigned) {
    th_local *l = th_arena_zeroed(&m.arena, sizeof *l);
    *l = (th_local){.name = th_view_of(name), .type = type, .assigned = assigned, .index = m.fn->nlocals};
    m.locals[m.fn->nlocals++] = l;
    return l;
}

static uint32_t begin_with(const char *name, th_type_id result, int n, const th_type_id *params, int captures) {
    th_tir_function *fn = th_arena_zeroed(&m.arena, sizeof *fn);
    fn->name = th_view_of(name);
    fn->type = function_type(result, n, params);
    fn->nparams = (uint32_t)n;
    fn->ncaptures = (uint32_t)captures;
    m.fn = fn;
    m.functions[m.program.nfunctions] = fn;
    return m.program.nfunctions++;
}

static uint32_t begin(const char *name, th_type_id result, int n, const th_type_id *params) {
    return begin_with(name, result, n, params, 0);
}

static th_tir *node(th_tir_kind kind, th_type_id type, int n, ...) {
    th_tir *t = th_arena_zeroed(&m.arena, sizeof *t);
    t->kind = (uint8_t)kind;
    t->type = type;
    t->nkids = (uint32_t)n;
    t->kids = th_arena_zeroed(&m.arena, (size_t)(n + 1) * sizeof *t->kids);
    m.line++;
    t->span = (th_span){m.line, 1, m.line, 2};
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) t->kids[i] = va_arg(args, th_tir *);
    va_end(args);
    return t;
}

static void end(th_tir *body) {
    m.fn->body = body;
    m.fn->locals = th_arena_copy(&m.arena, m.locals, (m.fn->nlocals + 1) * sizeof *m.locals);
    if (m.fn->ncaptures == 0) m.fn->export_name = m.fn->name;
}

static th_tir *integer(int64_t value) {
    th_tir *t = node(TH_TIR_INT, TH_TYPE_I64, 0);
    t->ival = value;
    return t;
}

static th_tir *number(double value) {
    th_tir *t = node(TH_TIR_FLOAT, TH_TYPE_F64, 0);
    t->fval = value;
    return t;
}

static th_tir *text(const char *value) {
    th_tir *t = node(TH_TIR_STRING, TH_TYPE_STRING, 0);
    t->text = th_view_of(value);
    return t;
}

static th_tir *get(th_local *l) {
    th_tir *t = node(TH_TIR_LOCAL, l->type, 0);
    t->local = l;
    return t;
}

static th_tir *let(th_local *l, th_tir *value) {
    th_tir *t = node(TH_TIR_LET, TH_TYPE_VOID, value ? 1 : 0, value);
    t->local = l;
    return t;
}

static th_tir *set(th_local *l, th_tir *value) {
    th_tir *t = node(TH_TIR_SET, TH_TYPE_VOID, 1, value);
    t->local = l;
    return t;
}

static th_tir *op(th_tir_op which, th_tir *a, th_tir *b) {
    th_tir *t = node(TH_TIR_BINARY, which >= TH_TIR_EQ ? TH_TYPE_BOOL : a->type, 2, a, b);
    t->op = (uint8_t)which;
    return t;
}

static th_tir *returns(th_tir *value) {
    th_tir *t = node(TH_TIR_RETURN, TH_TYPE_VOID, value ? 1 : 0, value);
    t->never = true;
    return t;
}

static th_tir *indexed(th_tir *t, uint32_t index) {
    t->index = index;
    return t;
}

static th_tir *loop_while(th_tir *test, th_tir *body, th_tir *step) {
    return node(TH_TIR_WHILE, TH_TYPE_VOID, 3, test, body, step);
}

#define add(a, b)         op(TH_TIR_ADD, a, b)
#define less(a, b)        op(TH_TIR_LT, a, b)
#define VOID              TH_TYPE_VOID
#define I64               TH_TYPE_I64
#define seq(type, n, ...) node(TH_TIR_BLOCK, type, n, __VA_ARGS__)

static th_tir *count_up(th_local *i, th_tir *limit, th_tir *body) {
    return loop_while(less(get(i), limit), body, set(i, add(get(i), integer(1))));
}

/* ---- What came out ------------------------------------------------------------------------------------------ */

static th_status generate(th_error *err) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    *err = (th_error){0};
    th_status status = th_theta_generate(&m.mem, &m.arena, &m.program, &bytes, &len, err);
    if (status != TH_OK) return status;
    status = th_program_load(&m.mem, bytes, len, &m.loaded, err);
    th_mem_free(&m.mem, bytes, len);
    if (status == TH_OK && getenv("THETA_PRINT")) {
        th_buf out;
        th_buf_init(&out, &m.mem);
        assert_int_equal(th_program_print(m.loaded, &out), TH_OK);
        fprintf(stderr, "%s\n", out.data);
        th_buf_clear(&out);
    }
    return status;
}

static void make(void) {
    th_error err;
    if (generate(&err) != TH_OK) fail_msg("%s", err.message);
}

static const th_function *function(const char *name) {
    for (uint32_t i = 0; i < m.loaded->nfunctions; i++)
        if (th_view_is(th_view_str(m.loaded->functions[i].name), name)) return &m.loaded->functions[i];
    fail_msg("no function %s", name);
    return NULL;
}

/* The instructions of a function by name, in order. */
static const char *code_of(const char *name) {
    static char out[8192];
    const th_function *f = function(name);
    size_t len = 0;
    out[0] = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(f->code + pc))
        len +=
            (size_t)snprintf(out + len, sizeof out - len, "%s%s", pc ? " " : "", th_ops[TH_INSN_OP(f->code[pc])].text);
    return out;
}

/* ---- Tests -------------------------------------------------------------------------------------------------- */

static void fib_needs_no_moves(void **state) {
    (void)state;
    uint32_t fib = begin("fib", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false);
    th_tir *a = indexed(node(TH_TIR_CALL, I64, 1, op(TH_TIR_SUB, get(n), integer(1))), fib);
    th_tir *b = indexed(node(TH_TIR_CALL, I64, 1, op(TH_TIR_SUB, get(n), integer(2))), fib);
    end(seq(VOID, 2, node(TH_TIR_IF, VOID, 2, less(get(n), integer(2)), returns(get(n))), returns(add(a, b))));
    make();
    assert_string_equal(code_of("fib"), "jge.i ret add.i call add.i call add ret");
}

static void nested_counting_loops_take_one_instruction_a_round(void **state) {
    (void)state;
    begin("f", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false), *s = local("s", I64, true), *i = local("i", I64, true),
             *j = local("j", I64, true);
    th_tir *inner =
        seq(VOID, 2, let(j, integer(0)), count_up(j, get(n), set(s, add(get(s), op(TH_TIR_MUL, get(i), get(j))))));
    end(seq(I64, 4, let(s, integer(0)), let(i, integer(0)), count_up(i, get(n), inner), get(s)));
    make();
    assert_string_equal(code_of("f"), "ldi ldi jle ldi jle madd loop loop ret");
}

static void sieve_works_on_registers_alone(void **state) {
    (void)state;
    th_type_id flags = list_of(TH_TYPE_BOOL);
    begin("mark", VOID, 3, (th_type_id[]){flags, I64, I64});
    th_local *xs = local("xs", flags, false), *n = local("n", I64, false), *p = local("p", I64, false),
             *i = local("i", I64, true);
    th_tir *no = node(TH_TIR_INT, TH_TYPE_BOOL, 0);
    th_tir *body = seq(VOID, 2, node(TH_TIR_INDEX_SET, VOID, 3, get(xs), get(i), no), set(i, add(get(i), get(p))));
    end(seq(VOID, 2, let(i, op(TH_TIR_MUL, get(p), get(p))), loop_while(less(get(i), get(n)), body, NULL)));
    make();
    assert_string_equal(code_of("mark"), "mul ldi jle lset.8 add jlt ret.v");
}

static void string_append_loop_appends_in_place(void **state) {
    (void)state;
    begin("f", TH_TYPE_STRING, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false), *s = local("s", TH_TYPE_STRING, true), *i = local("i", I64, true);
    th_tir *body = set(s, add(add(get(s), text("a")), text("b")));
    end(seq(TH_TYPE_STRING, 4, let(s, text("")), let(i, integer(0)), count_up(i, get(n), body), get(s)));
    make();
    assert_string_equal(code_of("f"), "lds ldi lds lds jle renter sappend sappend rloop loop rleave sseal ret");
}

static void constants_leave_the_loop_and_lengths_too(void **state) {
    (void)state;
    th_type_id numbers = list_of(TH_TYPE_F64);
    begin("sum", TH_TYPE_F64, 1, (th_type_id[]){numbers});
    th_local *xs = local("xs", numbers, false), *s = local("s", TH_TYPE_F64, true), *i = local("i", I64, true);
    th_tir *item = node(TH_TIR_INDEX, TH_TYPE_F64, 2, get(xs), get(i));
    th_tir *body = set(s, add(get(s), op(TH_TIR_MUL, item, number(0.5))));
    end(seq(TH_TYPE_F64, 4, let(s, number(0)), let(i, integer(0)), count_up(i, node(TH_TIR_LEN, I64, 1, get(xs)), body),
            get(s)));
    make();
    assert_string_equal(code_of("sum"), "ldk ldi llen ldk jle lget.64 madd.f64 loop ret");
}

static void comparisons_with_nan_keep_their_sense(void **state) {
    (void)state;
    begin("f", I64, 2, (th_type_id[]){TH_TYPE_F64, TH_TYPE_F64});
    th_local *a = local("a", TH_TYPE_F64, false), *b = local("b", TH_TYPE_F64, false);
    end(node(TH_TIR_IF, I64, 3, op(TH_TIR_GE, get(a), get(b)), integer(1), integer(2)));
    make();
    assert_string_equal(code_of("f"), "jnle.f64 ldi ret ldi ret");
}

static void garbage_of_a_loop_is_released_round_by_round(void **state) {
    (void)state;
    th_type_id pair = pair_type();
    uint32_t make_pair = begin("pair", pair, 1, (th_type_id[]){I64});
    th_local *x = local("x", I64, false);
    end(node(TH_TIR_STRUCT, pair, 2, get(x), get(x)));
    begin("f", pair, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false), *last = local("last", pair, true), *i = local("i", I64, true);
    th_tir *call = indexed(node(TH_TIR_CALL, pair, 1, get(i)), make_pair);
    end(seq(pair, 4, let(last, indexed(node(TH_TIR_CALL, pair, 1, integer(0)), make_pair)), let(i, integer(0)),
            count_up(i, get(n), set(last, call)), get(last)));
    make();
    assert_string_equal(code_of("f"), "ldi call ldi jle renter mov call mov rloop loop rleave ret");
    const th_function *f = function("f");
    assert_int_equal(f->nkeeps, 1); /* `last` at both places */
    assert_int_equal(f->keeps[0].count, 1);
}

static void structs_that_nobody_else_sees_are_not_made(void **state) {
    (void)state;
    th_type_id pair = pair_type();
    begin("f", I64, 2, (th_type_id[]){I64, I64});
    th_local *a = local("a", I64, false), *b = local("b", I64, false), *p = local("p", pair, false);
    th_tir *x = indexed(node(TH_TIR_FIELD, I64, 1, get(p)), 0), *y = indexed(node(TH_TIR_FIELD, I64, 1, get(p)), 1);
    th_tir *made = node(TH_TIR_STRUCT, pair, 2, add(get(a), get(b)), op(TH_TIR_SUB, get(a), get(b)));
    end(seq(I64, 2, let(p, made), op(TH_TIR_MUL, x, y)));
    make();
    assert_string_equal(code_of("f"), "add sub mul ret");
}

static void small_functions_are_inlined(void **state) {
    (void)state;
    uint32_t square = begin("square", I64, 1, (th_type_id[]){I64});
    th_local *x = local("x", I64, false);
    end(op(TH_TIR_MUL, get(x), get(x)));
    begin("f", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false);
    end(indexed(node(TH_TIR_CALL, I64, 1, add(get(n), integer(1))), square));
    make();
    assert_string_equal(code_of("f"), "add.i mul ret");
}

static void calls_of_itself_in_tail_position_are_jumps(void **state) {
    (void)state;
    uint32_t gcd = begin("gcd", I64, 2, (th_type_id[]){I64, I64});
    th_local *a = local("a", I64, false), *b = local("b", I64, false);
    th_tir *call = indexed(node(TH_TIR_CALL, I64, 2, get(b), op(TH_TIR_REM, get(a), get(b))), gcd);
    end(node(TH_TIR_IF, I64, 3, op(TH_TIR_EQ, get(b), integer(0)), get(a), call));
    make();
    assert_string_equal(code_of("gcd"), "jne.i ret mov rem mov jmp");
}

static void shared_variables_live_in_cells(void **state) {
    (void)state;
    th_type_id type = function_type(I64, 0, NULL);
    uint32_t inner = begin_with("next", I64, 0, NULL, 1);
    th_local *captured = local("n", I64, true);
    captured->captured = true;
    end(seq(I64, 2, set(captured, add(get(captured), integer(1))), get(captured)));
    begin("counter", type, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, true);
    n->captured = true;
    th_tir *closure = indexed(node(TH_TIR_CLOSURE, type, 0), inner);
    closure->nlocals = 1;
    closure->locals = th_arena_copy(&m.arena, &n, sizeof n);
    end(closure);
    make();
    assert_string_equal(code_of("counter"), "new closure ret");
    assert_string_equal(code_of("next"), "ldcap get add.i set get ret");
}

static void handlers_see_locals_set_before(void **state) {
    (void)state;
    begin("f", I64, 2, (th_type_id[]){I64, I64});
    th_local *a = local("a", I64, false), *b = local("b", I64, false), *r = local("r", I64, true),
             *e = local("e", TH_TYPE_ERROR, false);
    th_tir *attempt =
        node(TH_TIR_TRY, VOID, 2, set(r, op(TH_TIR_DIV, get(a), get(b))), set(r, add(get(r), integer(100))));
    attempt->local = e;
    end(seq(I64, 3, let(r, integer(7)), attempt, get(r)));
    make();
    assert_string_equal(code_of("f"), "ldi div ret add.i ret");
    assert_int_equal(function("f")->nhandlers, 1);
}

static void three_hundred_locals_alive_at_once_compile(void **state) {
    (void)state;
    begin("f", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false), *l[300];
    th_tir *body = node(TH_TIR_BLOCK, I64, 0);
    body->kids = th_arena_zeroed(&m.arena, 400 * sizeof *body->kids);
    for (int i = 0; i < 300; i++) {
        l[i] = local("l", I64, true);
        body->kids[body->nkids++] = let(l[i], op(TH_TIR_MUL, get(n), integer(i + 2)));
    }
    th_tir *sum = get(n);
    for (int i = 0; i < 300; i++) sum = add(sum, get(l[i]));
    body->kids[body->nkids++] = sum;
    end(body);
    make();
    assert_true(function("f")->nregs < 256);
}

static void a_struct_literal_beyond_the_limit_is_told_by_name(void **state) {
    (void)state;
    th_view names[250];
    th_type_id args[250], big;
    for (int i = 0; i < 250; i++) {
        names[i] = th_view_of(th_arena_printf(&m.arena, "f%d", i));
        args[i] = I64;
    }
    assert_int_equal(th_types_add(types(), TH_KIND_STRUCT, th_view_of("Big"), args, 250, names, 250, &big), TH_OK);
    begin("f", big, 0, NULL);
    th_tir *made = node(TH_TIR_STRUCT, big, 0);
    made->kids = th_arena_zeroed(&m.arena, 250 * sizeof *made->kids);
    for (int i = 0; i < 250; i++) made->kids[made->nkids++] = integer(i);
    end(made);
    th_error err;
    assert_int_equal(generate(&err), TH_E_LIMIT);
    assert_non_null(strstr(err.message, "Big"));
    assert_int_not_equal(err.span.line, 0);
}

static void traps_keep_the_place_of_their_operator(void **state) {
    (void)state;
    begin("f", I64, 2, (th_type_id[]){I64, I64});
    th_local *a = local("a", I64, false), *b = local("b", I64, false);
    th_tir *quotient = op(TH_TIR_DIV, get(a), get(b));
    quotient->span = (th_span){77, 5, 77, 10};
    end(add(quotient, integer(1)));
    make();
    const th_function *f = function("f");
    assert_int_equal(th_function_span(f, 0).line, 77);
    assert_int_equal(th_function_span(f, 0).column, 5);
}

static void dense_comparisons_become_a_table(void **state) {
    (void)state;
    begin("f", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false);
    th_tir *chain = get(n);
    for (int i = 5; i >= 0; i--)
        chain = node(TH_TIR_IF, I64, 3, op(TH_TIR_EQ, get(n), integer(i)), integer(i * 10 + 1), chain);
    end(chain);
    make();
    assert_string_equal(code_of("f"), "switch ret ldi ret ldi ret ldi ret ldi ret ldi ret ldi ret");
}

static void parity_needs_no_division(void **state) {
    (void)state;
    begin("f", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false);
    th_tir *even = op(TH_TIR_EQ, op(TH_TIR_REM, get(n), integer(2)), integer(0));
    end(node(TH_TIR_IF, I64, 3, even, op(TH_TIR_DIV, get(n), integer(2)), op(TH_TIR_REM, get(n), integer(10))));
    make();
    assert_string_equal(code_of("f"), "and.i jne.i div.k ret rem.k ret");
}

static void divisions_that_trap_stay_where_they_are(void **state) {
    (void)state;
    begin("f", I64, 2, (th_type_id[]){I64, I64});
    th_local *n = local("n", I64, false), *d = local("d", I64, false), *s = local("s", I64, true),
             *i = local("i", I64, true);
    th_tir *body = set(s, add(get(s), op(TH_TIR_DIV, get(n), get(d))));
    end(seq(I64, 4, let(s, op(TH_TIR_DIV, integer(1), integer(0))), let(i, integer(0)), count_up(i, get(n), body),
            get(s)));
    make();
    assert_string_equal(code_of("f"), "ldi div ldi jle div add loop ret");
}

static void a_function_drops_what_it_made_before_it_returns(void **state) {
    (void)state;
    th_type_id numbers = list_of(I64);
    uint32_t f = begin("f", I64, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false);
    end(node(TH_TIR_LEN, I64, 1, node(TH_TIR_LIST, numbers, 1, get(n))));
    begin("g", I64, 1, (th_type_id[]){I64});
    th_local *m0 = local("m", I64, false), *s = local("s", I64, true), *i = local("i", I64, true);
    th_tir *call = indexed(node(TH_TIR_CALL, I64, 1, get(i)), f);
    end(seq(I64, 4, let(s, integer(0)), let(i, integer(0)), count_up(i, get(m0), set(s, add(get(s), call))), get(s)));
    make();
    assert_string_equal(code_of("f"), "renter ldi lnew lpush llen rleave ret");
    assert_string_equal(code_of("g"), "ldi ldi jle mov call add loop ret"); /* nothing is left for the loop to drop */
}

static void string_tree(void) {
    begin("f", TH_TYPE_STRING, 1, (th_type_id[]){I64});
    th_local *n = local("n", I64, false), *s = local("s", TH_TYPE_STRING, true), *i = local("i", I64, true);
    th_tir *body = set(s, add(add(get(s), text("a")), text("b")));
    end(seq(TH_TYPE_STRING, 4, let(s, text("")), let(i, integer(0)), count_up(i, get(n), body), get(s)));
}

static void a_refused_allocation_is_told_and_nothing_leaks_fault(void **state) {
    th_status status = TH_E_NOMEM;
    for (size_t at = 0; status != TH_OK && at < 10000; at++) {
        if (at > 0) {
            assert_int_equal(teardown(state), 0);
            assert_int_equal(setup(state), 0);
        }
        string_tree();
        uint8_t *bytes = NULL;
        size_t len = 0;
        th_error err;
        faulty_allow(&allocator, at);
        status = th_theta_generate(&m.mem, &m.arena, &m.program, &bytes, &len, &err);
        faulty_off(&allocator);
        assert_true(status == TH_OK || status == TH_E_NOMEM);
        if (status == TH_OK) th_mem_free(&m.mem, bytes, len);
    }
    assert_int_equal(status, TH_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(fib_needs_no_moves),
        T(nested_counting_loops_take_one_instruction_a_round),
        T(sieve_works_on_registers_alone),
        T(string_append_loop_appends_in_place),
        T(constants_leave_the_loop_and_lengths_too),
        T(comparisons_with_nan_keep_their_sense),
        T(garbage_of_a_loop_is_released_round_by_round),
        T(structs_that_nobody_else_sees_are_not_made),
        T(small_functions_are_inlined),
        T(calls_of_itself_in_tail_position_are_jumps),
        T(shared_variables_live_in_cells),
        T(handlers_see_locals_set_before),
        T(three_hundred_locals_alive_at_once_compile),
        T(a_struct_literal_beyond_the_limit_is_told_by_name),
        T(traps_keep_the_place_of_their_operator),
        T(dense_comparisons_become_a_table),
        T(parity_needs_no_division),
        T(divisions_that_trap_stay_where_they_are),
        T(a_function_drops_what_it_made_before_it_returns),
        T(a_refused_allocation_is_told_and_nothing_leaks_fault),
#undef T
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
