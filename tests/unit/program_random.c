/*
** program_random.c - properties of programs made at random: they load, read back from text, give the same bytes again.
** THETA_SEED=n tries one seed, THETA_RUNS=n other numbers of them; a failure prints its seed.
** SPDX-License-Identifier: Apache-2.0
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "../support/random_program.c"

static th_mem memory;

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

/* One program: returns the operations it has in `used`. */
static void try_seed(uint64_t seed, uint32_t size, bool used[TH_OP_COUNT]) {
    uint8_t *bytes, *again;
    size_t len, again_len;
    th_program *p;
    th_error err = {0};
    th_buf text;
    if (th_random_program(&memory, seed, size, &bytes, &len) != TH_OK)
        fail_msg("seed %llu: not made", (unsigned long long)seed);
    if (th_program_load(&memory, bytes, len, &p, &err) != TH_OK)
        fail_msg("seed %llu size %u: %s", (unsigned long long)seed, size, err.message);
    for (uint32_t i = 0; i < p->nfunctions; i++)
        for (uint32_t pc = 0; pc < p->functions[i].ncode; pc += th_insn_words(&p->functions[i].code[pc]))
            used[TH_INSN_OP(p->functions[i].code[pc])] = true;
    th_buf_init(&text, &memory);
    assert_int_equal(th_program_print(p, &text), TH_OK);
    if (th_program_assemble(&memory, th_view_of("x"), (th_view){text.data, text.len}, &again, &again_len, &err) !=
        TH_OK)
        fail_msg("seed %llu: %u:%u: %s", (unsigned long long)seed, err.span.line, err.span.column, err.message);
    if (len != again_len || memcmp(bytes, again, len) != 0)
        fail_msg("seed %llu: other bytes after a round trip", (unsigned long long)seed);
    th_mem_free(&memory, again, again_len);
    th_buf_clear(&text);
    th_program_release(p);
    assert_int_equal(th_random_program(&memory, seed, size, &again, &again_len), TH_OK);
    assert_int_equal(len, again_len);
    assert_memory_equal(bytes, again, len);
    th_mem_free(&memory, again, again_len);
    th_mem_free(&memory, bytes, len);
    assert_int_equal(memory.used_bytes, 0);
}

static void random_programs_load_and_read_back(void **state) {
    (void)state;
    bool used[TH_OP_COUNT] = {false};
    uint64_t first = setting("THETA_SEED", 1), runs = getenv("THETA_SEED") ? 1 : setting("THETA_RUNS", 400);
    for (uint64_t i = 0; i < runs; i++) try_seed(first + i, 5 + (uint32_t)(i % 60), used);
    if (runs < 400) return;
    unsigned unused = 0; /* imports and throw, no more than a few others by chance */
    for (int op = 0; op < TH_OP_COUNT; op++) unused += !used[op];
    assert_true(unused < 12);
}

int main(void) {
    th_mem_init(&memory, NULL, NULL, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs_load_and_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
