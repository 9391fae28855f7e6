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
static void try_seed(uint64_t seed, uint32_t size, bool values, bool used[TH_OP_COUNT]) {
    th_status (*make_one)(th_mem *, uint64_t, uint32_t, uint8_t **, size_t *) =
        values ? th_random_value_program : th_random_program;
    uint8_t *bytes, *again;
    size_t len, again_len;
    th_program *p;
    th_error err = {0};
    th_buf text;
    if (make_one(&memory, seed, size, &bytes, &len) != TH_OK) fail_msg("seed %llu: not made", (unsigned long long)seed);
    if (th_program_load(&memory, bytes, len, &p, &err) != TH_OK)
        fail_msg("seed %llu size %u: %s", (unsigned long long)seed, size, err.message);
    for (uint32_t i = 0; i < p->nfunctions; i++)
        if (th_verify_function(&memory, p, i, &err) != TH_OK)
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
    assert_int_equal(make_one(&memory, seed, size, &again, &again_len), TH_OK);
    assert_int_equal(len, again_len);
    assert_memory_equal(bytes, again, len);
    th_mem_free(&memory, again, again_len);
    th_mem_free(&memory, bytes, len);
    assert_int_equal(memory.used_bytes, 0);
}

static void try_seeds(bool values) {
    bool used[TH_OP_COUNT] = {false};
    uint64_t first = setting("THETA_SEED", 1), runs = getenv("THETA_SEED") ? 1 : setting("THETA_RUNS", 400);
    for (uint64_t i = 0; i < runs; i++) try_seed(first + i, 5 + (uint32_t)(i % 60), values, used);
    if (runs < 400) return;
    unsigned unused = 0; /* imports and throw, no more than a few others by chance */
    for (int op = 0; op < (values ? TH_OP_COUNT : TH_OP_VINT); op++) unused += !used[op];
    assert_true(unused < 12);
}

static void random_programs_load_and_read_back(void **state) {
    (void)state;
    try_seeds(false);
}

static void random_programs_over_values_load_and_read_back(void **state) {
    (void)state;
    try_seeds(true);
}

/* What a program that was damaged and still loads must stand: the verifier in full, the disassembler, the search for roots. */
static void use_all(const th_program *p, uint64_t seed) {
    th_error err = {0};
    th_buf text;
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        uint32_t pc = 0;
        uint64_t bits[4];
        if (th_verify_function(&memory, p, i, &err) != TH_OK)
            fail_msg("seed %llu: %s", (unsigned long long)seed, err.message);
        assert_int_equal(th_program_live(&memory, p, i, &pc, 1, bits), TH_OK);
    }
    th_buf_init(&text, &memory);
    assert_int_equal(th_program_print(p, &text), TH_OK);
    th_buf_clear(&text);
}

static void damaged_programs_are_refused_or_right(void **state) {
    (void)state;
    uint64_t first = setting("THETA_SEED", 1), runs = getenv("THETA_SEED") ? 1 : setting("THETA_RUNS", 60);
    size_t loaded = 0, refused = 0;
    for (uint64_t seed = first; seed < first + runs; seed++) {
        uint8_t *bytes;
        size_t len;
        uint64_t rng = seed;
        assert_int_equal(th_random_value_program(&memory, seed, 4, &bytes, &len), TH_OK);
        for (int i = 0; i < 300; i++) {
            th_program *p;
            th_error err = {0};
            rng = th_hash_word(rng + 0x9e3779b97f4a7c15u);
            size_t at = rng % len;
            uint8_t old = bytes[at];
            bytes[at] = (uint8_t)(rng >> 50 & 1 ? rng >> 40 : old ^ 1u << (rng >> 40 & 7));
            th_status status = th_program_load(&memory, bytes, len, &p, &err);
            bytes[at] = old;
            if (status == TH_OK) {
                loaded++;
                use_all(p, seed);
                th_program_release(p);
            } else {
                refused++;
                assert_true(err.message[0] != 0);
            }
        }
        th_mem_free(&memory, bytes, len);
        assert_int_equal(memory.used_bytes, 0);
    }
    assert_true(runs < 60 || (loaded > 1000 && refused > 1000));
}

int main(void) {
    th_mem_init(&memory, NULL, NULL, NULL, 0);
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_programs_load_and_read_back),
                                       cmocka_unit_test(random_programs_over_values_load_and_read_back),
                                       cmocka_unit_test(damaged_programs_are_refused_or_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
