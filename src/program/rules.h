/*
** rules.h - the verifier's rules, as ops.def names them, and what ops.c, verify.c and text.c share. Private to this room.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_PROGRAM_RULES_H
#define TH_PROGRAM_RULES_H

#include "program/program.h"

/* Every rule that ops.def may name. */
typedef enum th_rule {
    TH_RULE_SIMPLE,
    TH_RULE_MOV,
    TH_RULE_LDI,
    TH_RULE_LDK,
    TH_RULE_LDNULL,
    TH_RULE_GGET,
    TH_RULE_GSET,
    TH_RULE_NONZERO,
    TH_RULE_DIVK,
    TH_RULE_SAME,
    TH_RULE_OPTION,
    TH_RULE_SWITCH,
    TH_RULE_CALL,
    TH_RULE_CALLB,
    TH_RULE_CALLC,
    TH_RULE_TCALL,
    TH_RULE_TCALLC,
    TH_RULE_RET,
    TH_RULE_RETV,
    TH_RULE_CLOSURE,
    TH_RULE_LDCAP,
    TH_RULE_NEW,
    TH_RULE_GET,
    TH_RULE_SET,
    TH_RULE_SETP,
    TH_RULE_VNEW,
    TH_RULE_VTAG,
    TH_RULE_VGET,
    TH_RULE_SOME,
    TH_RULE_UNWRAP,
    TH_RULE_LNEW,
    TH_RULE_LIST,
    TH_RULE_LGET,
    TH_RULE_LSET,
    TH_RULE_LPUSH,
    TH_RULE_LPOP,
    TH_RULE_DNEW,
    TH_RULE_DICT,
    TH_RULE_DGET,
    TH_RULE_DGETOR,
    TH_RULE_DSET,
    TH_RULE_DHAS,
    TH_RULE_RENTER,
    TH_RULE_RLOOP,
    TH_RULE_RLEAVE,
    TH_RULE_THROW,
    TH_RULE_VLDK,
    TH_RULE_VSTR,
    TH_RULE_VCONST,
    TH_RULE_VFUNC,
    TH_RULE_VTHUNK,
    TH_RULE_VCLOSE,
    TH_RULE_VCAP,
    TH_RULE_VRET,
    TH_RULE_VBINARY,
    TH_RULE_VLIST,
    TH_RULE_VREC,
    TH_RULE_VCALL,
    TH_RULE_VTCALL,
    TH_RULE_VTRY
} th_rule;

/* Most words in one function's code, and most functions, globals and imports: what their operands can say. */
#define TH_MAX_CODE     (1u << 20)
#define TH_MAX_INDEX    65536u
#define TH_MAX_HANDLERS 65536u
#define TH_MAX_REGIONS  1000u
#define TH_MAX_U32      (1u << 24) /* of a U32 operand */
#define TH_MAX_SORT     15u        /* of texts: TH_STRING_SORT of heap.h */
#define TH_MAX_CONSTANT 5u         /* of v.const */

/* Whether operand b is the first of c registers that are read (of none, when c is 0). */
static inline bool th_rule_counts(uint8_t rule) {
    switch (rule) {
    case TH_RULE_NEW:
    case TH_RULE_CLOSURE:
    case TH_RULE_VTHUNK:
    case TH_RULE_VCLOSE:
    case TH_RULE_VLIST:
    case TH_RULE_VREC: return true;
    default: return false;
    }
}

static inline bool th_operand_writes(uint8_t operand) {
    return operand >= TH_OPERAND_W_I8 && operand <= TH_OPERAND_RW_ANY;
}
static inline bool th_operand_reads(uint8_t operand) {
    return (operand >= TH_OPERAND_R_INT && operand <= TH_OPERAND_R_ANY) ||
           (operand >= TH_OPERAND_RW_I64 && operand <= TH_OPERAND_RW_ANY);
}

/* A function that runs over captured values: a thunk's, or a function value's (v.cap). */
static inline bool th_function_captures_values(const th_function *f) {
    return f->ncaptures > 0 && f->captures[0] == TH_TYPE_VALUE;
}

/* Whether a register of the class is followed by collections. */
static inline bool th_class_is_pointer(th_class cls) {
    return cls == TH_CLASS_PTR || cls == TH_CLASS_STRING || cls == TH_CLASS_TABLE || cls == TH_CLASS_NODE;
}
static inline bool th_class_is_int(th_class cls) { return cls >= TH_CLASS_I8 && cls <= TH_CLASS_I64; }
/* Whether the value is kept by an integer register of the class (bool: 0 and 1). */
static inline bool th_class_holds(th_class cls, int64_t value) {
    switch (cls) {
    case TH_CLASS_BOOL: return value == 0 || value == 1;
    case TH_CLASS_I8: return value == (int8_t)value;
    case TH_CLASS_I16: return value == (int16_t)value;
    case TH_CLASS_I32: return value == (int32_t)value;
    case TH_CLASS_I64: return true;
    default: return false;
    }
}

#endif
