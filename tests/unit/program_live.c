/*
** program_live.c - which values a frame still needs: small programs by hand, random ones against a search of all paths.
** THETA_SEED=n tries one seed, THETA_RUNS=n other numbers of them; a failure prints its seed.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "../support/random_program.c"

static th_mem memory;

static th_program *load_text(const char *text) {
    th_error err = {0};
    th_program *p = NULL;
    uint8_t *bytes;
    size_t len;
    if (th_program_assemble(&memory, th_view_of("live"), th_view_of(text), &bytes, &len, &err) != TH_OK)
        fail_msg("%s\n%u:%u: %s", text, err.span.line, err.span.column, err.message);
    th_status status = th_program_load(&memory, bytes, len, &p, &err);
    th_mem_free(&memory, bytes, len);
    if (status != TH_OK) fail_msg("%s\n%s", text, err.message);
    return p;
}

/* What is live at a pc of the last function, as text: "2 5". */
static const char *live_at(const th_program *p, uint32_t pc) {
    static char text[1200];
    uint64_t bits[4] = {~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0};
    size_t len = 0;
    text[0] = 0;
    assert_int_equal(th_program_live(&memory, p, p->nfunctions - 1, &pc, 1, bits), TH_OK);
    for (uint32_t r = 0; r < 256; r++)
        if (bits[r >> 6] >> (r & 63) & 1)
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%u", len ? " " : "", r);
    return text;
}

typedef struct place {
    uint32_t pc;
    const char *live;
} place;

static void check(const char *text, const place *places, size_t count) {
    th_program *p = load_text(text);
    for (size_t i = 0; i < count; i++) {
        const char *found = live_at(p, places[i].pc);
        if (strcmp(found, places[i].live) != 0)
            fail_msg("%s\nat %u%s: live are \"%s\", not \"%s\"", text, places[i].pc & ~TH_LIVE_WAITING,
                     places[i].pc & TH_LIVE_WAITING ? ", waiting" : "", found, places[i].live);
    }
    th_program_release(p);
    assert_int_equal(memory.used_bytes, 0);
}
#define CHECK(text, ...)                                                                                               \
    do {                                                                                                               \
        static const place places[] = {__VA_ARGS__};                                                                   \
        check(text, places, TH_COUNT(places));                                                                         \
    } while (0)
#define WAITING TH_LIVE_WAITING

static void what_is_read_later_is_live(void **state) {
    (void)state;
    CHECK("func f(value, value, i64) -> value { mov r2, r3 v.int r3, 1 v.force r2 v.ret r2 }", {0, "3"}, {1, "2"},
          {2, "2"}, {3, "2"});
    CHECK("import op: Function<value, value, value> func f(value, value) -> value { v.add r2, r3, r3, op v.ret r2 }",
          {0, "3"}, {0 | WAITING, ""}, {2, "2"});
    CHECK("shape {a, b} func f(value) -> value { v.int r3, 1 v.rec r4, r2, 2, #0 v.ret r4 }", {0, "2"}, {1, "2 3"});
    CHECK("func f(value) -> value { regs r3 value v.list r3, r2, 0 v.ret r3 }", {0, ""}, {1, "3"});
    CHECK("func t() -> value { captures value, value v.cap r2, 0 v.ret r2 } func f(value) -> value { regs r200 value "
          "v.int r3, 7 mov r200, r3 v.thunk r3, r2, 2, t v.ret r200 }",
          {0, "2"}, {1, "2 3"}, {2, "2 3 200"}, {4, "200"});
    CHECK("global g: value func f(value, String, i64) -> void { gset r2, g ret.v }", {0, "2"}, {1, ""});
    CHECK("func f(i64, String) -> i64 { ret r2 }", {0, ""});
}

static void branches_are_followed(void **state) {
    (void)state;
    CHECK("func f(bool, value, value) -> value { jt r2, L mov r3, r4 L: v.ret r3 }", {0, "3 4"}, {2, "4"}, {3, "3"});
    /* around a loop */
    CHECK("func f(value, value) -> value { L: v.jf r2, L v.ret r3 }", {0, "2 3"}, {2, "3"});
    CHECK("func f(value, value) -> value { regs r4 value L: mov r4, r2 v.tadd r2, r3, r4, M jmp L M: v.ret r2 }",
          {0, "2 3"}, {1, "3 4"}, {3, "2 3"}, {4, "2"});
    CHECK("func f(i64, value, value, value) -> value { switch r2, [A, B] v.ret r3 A: v.ret r4 B: v.ret r5 }",
          {0, "3 4 5"}, {3, "3"}, {4, "4"}, {5, "5"});
}

static void handlers_need_what_they_read(void **state) {
    (void)state;
    /* the handler reads r3; v.force covered, v.ret not */
    CHECK("func f(value, value) -> value { regs r4 ptr A: v.force r2 B: v.ret r2 C: v.ret r3 "
          "handler A to B goto C with r4 depth 0 }",
          {0, "2 3"}, {0 | WAITING, "3"}, {1, "2"}, {2, "3"});
    /* a frame that waits in a covered call needs r3, although the instruction behind it is not covered */
    CHECK("func f(value, value) -> value { regs r4 ptr, r5 i64, r6-r7 value mov r7, r2 A: v.call r5, r2, 1 B: v.ret r6 "
          "C: v.ret r3 handler A to B goto C with r4 depth 0 }",
          {0, "2 3"}, {1, "2 3 7"}, {1 | WAITING, "3"}, {2, "6"});
}

static void calls_take_their_window(void **state) {
    (void)state;
    CHECK("func f(value, value) -> value { regs r4 i64, r5-r7 value mov r6, r2 v.call r4, r2, 1 mov r2, r5 v.ret r3 }",
          {0, "2 3"}, {1, "2 3 6"}, {1 | WAITING, "3"}, {2, "3 5"}, {3, "3"});
    CHECK("func f(value, value) -> value { regs r4 i64, r5-r7 value mov r6, r2 mov r7, r3 v.tcall r4, r2, 2 }",
          {2, "2 6 7"}, {2 | WAITING, ""});
    CHECK("import two: Function<i64, value, value> func f(value, value) -> value { regs r4 i64, r5 value, r6 i64, r7 "
          "value mov r6, r0 mov r7, r3 callb r4, two v.ret r5 }",
          {0, "3"}, {2, "7"}, {2 | WAITING, ""}, {3, "5"});
    CHECK("func g(value, i64) -> value { v.ret r2 } func f(value, value) -> value { regs r4 i64, r5-r6 value, r7 i64 "
          "mov r6, r2 mov r7, r0 call r4, g v.ret r3 }",
          {0, "2 3"}, {2, "3 6"}, {2 | WAITING, "3"}, {3, "3"});
    /* how many values a typed closure takes is known from its type only */
    CHECK("type Function<value, value> func f(value, Function<value, value>) -> value { regs r4 i64, r5-r8 value "
          "mov r6, r2 mov r7, r2 callc r4, r3 v.ret r5 }",
          {1, "2 6"}, {2, "6"}, {2 | WAITING, ""}, {3, "5"});
    CHECK("type Function<value, value> func f(value, Function<value, value>) -> value { regs r4 i64, r5-r8 value "
          "mov r6, r2 tcallc r4, r3 }",
          {0, "2"}, {1, "6"});
}

static void only_starts_of_instructions_can_be_asked(void **state) {
    (void)state;
    th_program *p = load_text("func f(value) -> value { v.jf r2, L L: v.ret r2 }");
    uint64_t bits[8];
    uint32_t bad[] = {1}, outside[] = {3}, order[] = {2, 0}, good[] = {0, 2};
    assert_int_equal(th_program_live(&memory, p, 0, bad, 1, bits), TH_E_ARGUMENT);
    assert_int_equal(th_program_live(&memory, p, 0, outside, 1, bits), TH_E_ARGUMENT);
    assert_int_equal(th_program_live(&memory, p, 0, order, 2, bits), TH_E_ARGUMENT);
    assert_int_equal(th_program_live(&memory, p, 0, good, 2, bits), TH_OK);
    assert_int_equal(th_program_live(&memory, p, 0, NULL, 0, NULL), TH_OK);
    th_program_release(p);
}

/* ---- Against a search of all paths -------------------------------------------------------------------------- */

typedef struct searcher {
    const th_program *p;
    const th_function *f;
    const th_type_id *types; /* per pc and register: what the verifier says */
    uint8_t *seen;
    uint32_t *stack;
} searcher;

static bool is_value_register(const th_function *f, uint32_t reg) { return f->classes[reg] == TH_CLASS_VALUE; }

static uint32_t window_count(const searcher *s, uint32_t pc) {
    uint32_t w = s->f->code[pc];
    const th_types *types = &s->p->types;
    switch (TH_INSN_OP(w)) {
    case TH_OP_CALL:
    case TH_OP_TCALL: return (uint32_t)th_types_nparams(types, s->p->functions[TH_INSN_IMM(w)].type);
    case TH_OP_CALLB: return (uint32_t)th_types_nparams(types, s->p->imports[TH_INSN_IMM(w)].type);
    case TH_OP_VCALL:
    case TH_OP_VTCALL: return TH_INSN_C(w);
    default: {
        th_type_id type = s->types[(size_t)pc * s->f->nregs + TH_INSN_B(w)];
        return type == TH_TYPE_UNDEFINED ? 0 : (uint32_t)th_types_nparams(types, type);
    }
    }
}

static void touches(const searcher *s, uint32_t pc, uint32_t reg, bool *reads, bool *writes) {
    uint32_t w = s->f->code[pc], field[3] = {TH_INSN_A(w), TH_INSN_B(w), TH_INSN_C(w)};
    th_op op = TH_INSN_OP(w);
    const th_op_info *info = &th_ops[op];
    bool counted = op == TH_OP_NEW || op == TH_OP_CLOSURE || op == TH_OP_VTHUNK || op == TH_OP_VCLOSE ||
                   op == TH_OP_VLIST || op == TH_OP_VREC;
    *reads = *writes = false;
    for (int i = 0; i < (info->format == TH_FORMAT_ABC ? 3 : info->format == TH_FORMAT_AI ? 1 : 0); i++) {
        const uint8_t o = info->operand[i];
        bool reading =
            (o >= TH_OPERAND_R_INT && o <= TH_OPERAND_R_ANY) || (o >= TH_OPERAND_RW_I64 && o <= TH_OPERAND_RW_ANY);
        if (i == 1 && counted)
            *reads |= reg >= field[1] && reg < field[1] + field[2];
        else if (field[i] == reg) {
            *reads |= reading;
            *writes |= o >= TH_OPERAND_W_I8 && o <= TH_OPERAND_RW_ANY;
        }
    }
    if (info->operand[0] != TH_OPERAND_BASE) return;
    *reads |= reg >= field[0] + 2 && reg < field[0] + 2 + window_count(s, pc);
    *writes |= reg >= field[0];
}

static int64_t handler_target(const th_function *f, uint32_t pc) {
    for (uint32_t i = 0; i < f->nhandlers; i++)
        if (pc >= f->handlers[i].start && pc < f->handlers[i].end) return f->handlers[i].target;
    return -1;
}

static void visit(searcher *s, uint32_t *n, uint32_t pc) {
    if (s->seen[pc]) return;
    s->seen[pc] = 1;
    s->stack[(*n)++] = pc;
}

static void visit_next(searcher *s, uint32_t *n, uint32_t pc) {
    const uint32_t *code = s->f->code;
    const th_op_info *info = &th_ops[TH_INSN_OP(code[pc])];
    if (TH_INSN_OP(code[pc]) == TH_OP_SWITCH)
        for (uint32_t i = 0; i < TH_INSN_IMM(code[pc]); i++) visit(s, n, code[pc + 1 + i]);
    else if (TH_INSN_OP(code[pc]) == TH_OP_JMP)
        visit(s, n, TH_INSN_IMM24(code[pc]));
    else if (info->word == TH_OPERAND_TARGET)
        visit(s, n, code[pc + 1]);
    if (!(info->flags & TH_OPF_END)) visit(s, n, pc + th_insn_words(&code[pc]));
}

/* Whether a path from the instruction, or from behind it when waiting, reads the register before it writes it. */
static bool search(searcher *s, uint32_t pc, uint32_t reg, bool waiting) {
    uint32_t n = 0;
    bool reads, writes;
    memset(s->seen, 0, s->f->ncode + 1);
    if (waiting) {
        touches(s, pc, reg, &reads, &writes);
        if (th_ops[TH_INSN_OP(s->f->code[pc])].flags & TH_OPF_END) return false;
        if (!writes) visit_next(s, &n, pc);
        if (handler_target(s->f, pc) >= 0) visit(s, &n, (uint32_t)handler_target(s->f, pc));
    } else {
        visit(s, &n, pc);
    }
    while (n > 0) {
        uint32_t at = s->stack[--n];
        touches(s, at, reg, &reads, &writes);
        if (reads) return true;
        if (handler_target(s->f, at) >= 0) visit(s, &n, (uint32_t)handler_target(s->f, at));
        if (!writes) visit_next(s, &n, at);
    }
    return false;
}

static size_t compare(searcher *s, uint64_t seed, const uint32_t *pcs, size_t npcs, const uint64_t *bits) {
    size_t live = 0;
    for (size_t i = 0; i < npcs; i++) {
        uint32_t pc = pcs[i] & ~TH_LIVE_WAITING;
        bool reached = s->types[(size_t)pc * s->f->nregs] != TH_TYPE_UNDEFINED;
        for (uint32_t reg = 0; reg < 256; reg++) {
            bool found = bits[i * 4 + (reg >> 6)] >> (reg & 63) & 1;
            bool wanted = reg < s->f->nregs && is_value_register(s->f, reg) && search(s, pc, reg, pcs[i] != pc);
            if (found != wanted)
                fail_msg("seed %llu, %s at %u%s: r%u is %slive", (unsigned long long)seed, s->f->name->bytes, pc,
                         pcs[i] != pc ? ", waiting" : "", reg, wanted ? "" : "not ");
            if (found && pcs[i] == pc && reached && s->types[(size_t)pc * s->f->nregs + reg] != TH_TYPE_VALUE)
                fail_msg("seed %llu, %s at %u: r%u is live and not defined", (unsigned long long)seed,
                         s->f->name->bytes, pc, reg);
            live += found;
        }
    }
    return live;
}

static size_t try_function(const th_program *p, uint32_t index, uint64_t seed) {
    const th_function *f = &p->functions[index];
    uint32_t *pcs = malloc(2 * f->ncode * sizeof *pcs), *starts = malloc(f->ncode * sizeof *starts);
    th_type_id *types = malloc((size_t)f->ncode * f->nregs * sizeof *types),
               *packed = malloc((size_t)f->ncode * f->nregs * sizeof *packed);
    uint64_t *bits = malloc(2 * f->ncode * 4 * sizeof *bits);
    size_t npcs = 0, nstarts = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc])) {
        starts[nstarts++] = pc;
        pcs[npcs++] = pc;
        pcs[npcs++] = pc | TH_LIVE_WAITING;
    }
    assert_int_equal(th_verify_states(&memory, p, index, starts, nstarts, packed, NULL), TH_OK);
    for (size_t i = 0; i < nstarts; i++)
        memcpy(types + (size_t)starts[i] * f->nregs, packed + i * f->nregs, f->nregs * sizeof *types);
    assert_int_equal(th_program_live(&memory, p, index, pcs, npcs, bits), TH_OK);
    searcher s = {p, f, types, malloc(f->ncode + 1), malloc((f->ncode + 1) * sizeof(uint32_t))};
    size_t live = compare(&s, seed, pcs, npcs, bits);
    free(s.seen);
    free(s.stack);
    free(bits);
    free(packed);
    free(types);
    free(starts);
    free(pcs);
    return live;
}

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void random_programs_have_the_liveness_of_their_paths(void **state) {
    (void)state;
    uint64_t first = setting("THETA_SEED", 1), runs = getenv("THETA_SEED") ? 1 : setting("THETA_RUNS", 60);
    size_t live = 0;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        uint8_t *bytes;
        size_t len;
        th_program *p;
        th_error err = {0};
        assert_int_equal(th_random_value_program(&memory, seed, 5 + seed % 40, &bytes, &len), TH_OK);
        if (th_program_load(&memory, bytes, len, &p, &err) != TH_OK) fail_msg("%s", err.message);
        for (uint32_t i = 0; i < p->nfunctions; i++) live += try_function(p, i, seed);
        th_program_release(p);
        th_mem_free(&memory, bytes, len);
        assert_int_equal(memory.used_bytes, 0);
    }
    assert_true(live > 1000 || runs == 1);
}

/* ---- Large and odd functions -------------------------------------------------------------------------------- */

/* A function of many blocks, each of which jumps back and on: the answer does not depend on the order of visits. */
static void many_branches_end_soon(void **state) {
    (void)state;
    enum { BLOCKS = 20000 };
    th_builder *b;
    th_fn_builder *f;
    th_type_id type, params[2] = {TH_TYPE_VALUE, TH_TYPE_VALUE};
    uint32_t index, pcs[3] = {0, 4 * (BLOCKS / 2), 4 * BLOCKS};
    uint8_t *bytes;
    size_t len;
    th_program *p;
    uint64_t bits[12];
    th_error err = {0};
    assert_int_equal(th_builder_new(&memory, th_view_of("many"), &b), TH_OK);
    assert_int_equal(th_types_function(th_builder_types(b), params, 2, TH_TYPE_VALUE, &type), TH_OK);
    assert_int_equal(th_builder_declare(b, th_view_of("f"), type, &index), TH_OK);
    assert_int_equal(th_builder_begin(b, index, NULL, 0, 0, &f), TH_OK);
    th_label before = th_fn_label(f);
    th_fn_bind(f, before);
    for (int i = 0; i < BLOCKS; i++) {
        th_label here = th_fn_label(f);
        th_fn_bind(f, here);
        th_fn_branch(f, TH_OP_VJABS, 2, 0, 0, before);
        th_fn_branch(f, TH_OP_VJABS, 2, 0, 0, here);
        before = here;
    }
    th_fn_abc(f, TH_OP_VRET, 3, 0, 0);
    assert_int_equal(th_fn_end(f), TH_OK);
    assert_int_equal(th_builder_finish(b, &bytes, &len, &err), TH_OK);
    th_builder_free(b);
    if (th_program_load(&memory, bytes, len, &p, &err) != TH_OK) fail_msg("%s", err.message);
    clock_t start = clock();
    assert_int_equal(th_program_live(&memory, p, 0, pcs, 3, bits), TH_OK);
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 2);
    assert_int_equal(bits[0], 1 << 2 | 1 << 3);
    assert_int_equal(bits[4], 1 << 2 | 1 << 3);
    assert_int_equal(bits[8], 1 << 3);
    th_program_release(p);
    th_mem_free(&memory, bytes, len);
}

static long countdown;

static void *failing_alloc(void *user, void *block, size_t old_bytes, size_t new_bytes) {
    (void)user;
    (void)old_bytes;
    if (new_bytes == 0) {
        free(block);
        return NULL;
    }
    return countdown-- == 0 ? NULL : realloc(block, new_bytes);
}

static void every_allocation_may_fail_fault(void **state) {
    (void)state;
    th_program *p =
        load_text("type Function<value, value> func f(value, Function<value, value>) -> value { regs r4 i64, "
                  "r5-r6 value, r7 ptr A: mov r6, r2 callc r4, r3 v.jf r5, A B: v.ret r5 C: v.ret r2 "
                  "handler A to B goto C with r7 depth 0 }");
    th_status status = TH_E_NOMEM;
    uint32_t pc = 0;
    uint64_t bits[4];
    for (long n = 0; status != TH_OK; n++) {
        th_mem mem;
        th_mem_init(&mem, failing_alloc, NULL, NULL, 0);
        countdown = n;
        status = th_program_live(&mem, p, 0, &pc, 1, bits);
        assert_true(status == TH_OK || status == TH_E_NOMEM);
        assert_int_equal(mem.used_bytes, 0);
        assert_true(n < 100);
    }
    assert_int_equal(bits[0], 1 << 2);
    th_program_release(p);
}

int main(void) {
    th_mem_init(&memory, NULL, NULL, NULL, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_later_is_live),
        cmocka_unit_test(branches_are_followed),
        cmocka_unit_test(handlers_need_what_they_read),
        cmocka_unit_test(calls_take_their_window),
        cmocka_unit_test(only_starts_of_instructions_can_be_asked),
        cmocka_unit_test(random_programs_have_the_liveness_of_their_paths),
        cmocka_unit_test(many_branches_end_soon),
        cmocka_unit_test(every_allocation_may_fail_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
