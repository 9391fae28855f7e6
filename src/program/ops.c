/*
** ops.c - the instruction table as data: an expansion of ops.def.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/program.h"

#include "program/rules.h"

/* The flag words as ops.def writes them, so that A|B is an expression here. */
enum {
    NONE = TH_OPF_NONE,
    TRAP = TH_OPF_TRAP,
    BRANCH = TH_OPF_BRANCH,
    END = TH_OPF_END,
    SAFE = TH_OPF_SAFE,
    ALLOC = TH_OPF_ALLOC
};

const th_op_info th_ops[TH_OP_COUNT] = {
#define TH_OP(name, text, format, a, b, c, word, rule, flags, meaning)                                                 \
    [TH_OP_##name] = {text,                                                                                            \
                      TH_FORMAT_##format,                                                                              \
                      {TH_OPERAND_##a, TH_OPERAND_##b, TH_OPERAND_##c},                                                \
                      TH_OPERAND_##word,                                                                               \
                      TH_RULE_##rule,                                                                                  \
                      flags,                                                                                           \
                      meaning},
#include "program/ops.def"
#undef TH_OP
};

_Static_assert(TH_OP_COUNT <= 256, "an operation is a byte");

uint32_t th_insn_words(const uint32_t *code) {
    uint32_t op = code[0] & 255u;
    if (op >= TH_OP_COUNT) return 1;
    if (op == TH_OP_SWITCH) return 1 + TH_INSN_IMM(code[0]);
    return th_ops[op].word == TH_OPERAND_NO ? 1 : 2;
}
