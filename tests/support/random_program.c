/*
** random_program.c - statements are drawn at random and made to fit: the generator knows, as the verifier does, what
** each register holds, takes operands of the type it needs, and makes one when there is none.
** What holds around a loop or a try stays true inside: registers defined before it keep their type ("locked"), so that
** the state at the loop's head and at the handler is the state before.
** SPDX-License-Identifier: Apache-2.0
*/
#include "../support/random_program.h"

#define NOTHING       TH_TYPE_UNDEFINED
#define MAX_FUNCTIONS 6
#define MAX_WINDOWS   5
#define MAX_ARGUMENTS 3                /* of a function value */
#define CLOSURES      UINT32_MAX       /* windows for closures of type T_CLOSURE */
#define VALUES        (UINT32_MAX - 1) /* windows for function values */

/* The types that values are drawn from. */
enum {
    T_I64,
    T_I32,
    T_I8,
    T_BOOL,
    T_F64,
    T_F32,
    T_STRING,
    T_COLOUR,
    T_INTS,
    T_STRINGS,
    T_BOOLS,
    T_FLOATS,
    T_BYTES,
    T_NODE,
    T_MAYBE_NODE,
    T_MAYBE_INT,
    T_MAYBE_STRING,
    T_DICT,
    T_NODES,
    T_CELL,
    T_TUPLE,
    T_VARIANT,
    T_CLOSURE,
    T_VALUE, /* last: where values are wanted */
    T_COUNT
};

/* Registers of each class in every function, above the parameters; then the scratch registers for fields. */
static const struct {
    th_class cls;
    uint32_t count;
} locals[] = {{TH_CLASS_I64, 6}, {TH_CLASS_I32, 2}, {TH_CLASS_I8, 2},     {TH_CLASS_I16, 1}, {TH_CLASS_BOOL, 3},
              {TH_CLASS_F64, 4}, {TH_CLASS_F32, 2}, {TH_CLASS_STRING, 5}, {TH_CLASS_PTR, 14}};

typedef struct window {
    uint32_t base;
    uint32_t function; /* or CLOSURES, VALUES */
} window;

typedef struct random_gen {
    uint64_t rng;
    th_builder *b;
    th_types *types;
    th_type_id t[T_COUNT];
    th_type_id signatures[MAX_FUNCTIONS];
    uint32_t nfunctions, closure_function;
    bool values;                             /* instructions over values too */
    uint32_t ntypes;                         /* those that are drawn */
    uint32_t thunk_function, value_function; /* over two captures; of two parameters */
    uint32_t binary;                         /* an import of two values */
    uint32_t shapes[2];                      /* of two and of three names */
    uint32_t names[3];
    uint32_t function; /* the one being made */
    th_fn_builder *f;
    uint8_t classes[256];
    th_type_id held[256];
    bool locked[256];
    bool pinned[256];  /* operands of the statement being made: not to be written over */
    uint32_t nlocals;  /* registers that statements use are below */
    uint32_t counters; /* four i64, one per nested loop */
    uint32_t fields;   /* i64, string, ptr in a row */
    uint32_t parts;    /* three values in a row */
    window windows[MAX_WINDOWS];
    uint32_t nwindows;
    uint32_t loops, regions, nesting, budget;
    th_status status;
} random_gen;

static uint64_t draw(random_gen *g) {
    g->rng += 0x9e3779b97f4a7c15u;
    uint64_t x = g->rng;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t below(random_gen *g, uint32_t n) { return (uint32_t)(draw(g) % n); }
static bool chance(random_gen *g, uint32_t percent) { return below(g, 100) < percent; }
static void note(random_gen *g, th_status status) {
    if (g->status == TH_OK) g->status = status;
}
static th_kind kind_of(const random_gen *g, th_type_id id) { return th_types_kind(g->types, id); }

/* ---- Registers ---------------------------------------------------------------------------------------------- */

/* As the verifier holds it: enums and integers by class. */
static th_type_id as_held(const random_gen *g, th_type_id id) {
    return kind_of(g, id) == TH_KIND_ENUM ? TH_TYPE_I64 : id;
}

/* A register to write a value of the type to; 0: none is free. */
static uint32_t target_for(random_gen *g, th_type_id id) {
    th_class cls = th_types_class(g->types, id);
    uint32_t start = below(g, g->nlocals);
    for (uint32_t i = 0; i < g->nlocals; i++) {
        uint32_t reg = 2 + (start + i) % (g->nlocals - 2);
        if (g->classes[reg] != cls || g->pinned[reg]) continue;
        if (!g->locked[reg] || g->held[reg] == as_held(g, id)) return reg;
    }
    return 0;
}

static void wrote(random_gen *g, uint32_t reg, th_type_id id) { g->held[reg] = as_held(g, id); }

/* A register that holds the type, or something of the class when `id` is NOTHING; 0: none (r0 itself is an i64). */
static uint32_t find_held(random_gen *g, th_type_id id, th_class cls) {
    uint32_t start = below(g, g->nlocals);
    for (uint32_t i = 0; i < g->nlocals; i++) {
        uint32_t reg = 2 + (start + i) % (g->nlocals - 2);
        if (g->held[reg] == NOTHING) continue;
        if (id == NOTHING ? g->classes[reg] == cls : g->held[reg] == as_held(g, id)) return reg;
    }
    return 0;
}

static uint32_t make(random_gen *g, th_type_id id, uint32_t depth);

/* A register that holds the type; made when there is none. It is an operand from now to the end of the statement. */
static uint32_t value_of(random_gen *g, th_type_id id, uint32_t depth) {
    uint32_t reg = chance(g, 80) ? find_held(g, id, TH_CLASS_NONE) : 0;
    if (reg == 0) reg = make(g, id, depth);
    if (reg == 0) reg = find_held(g, id, TH_CLASS_NONE);
    g->pinned[reg] = true;
    return reg;
}

static bool move_to(random_gen *g, uint32_t reg, th_type_id id, uint32_t depth) {
    uint32_t from = value_of(g, id, depth);
    if (from == 0) return false;
    th_fn_abc(g->f, TH_OP_MOV, reg, from, 0);
    return true;
}

/* ---- Values of a type --------------------------------------------------------------------------------------- */

static int64_t random_int(random_gen *g) {
    static const int64_t some[] = {0,     1,      -1,    2,         7,         127,       -128,     255,
                                   32767, -32768, 65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    return chance(g, 60) ? (int64_t)below(g, 20) - 5 : some[below(g, TH_COUNT(some))];
}

static double random_float(random_gen *g) {
    static const double some[] = {0.0, -0.0, 0.5, 1.0, -2.25, 1e300, -1e-300, 3.0};
    uint32_t i = below(g, TH_COUNT(some) + 2);
    return i < TH_COUNT(some) ? some[i] : i == TH_COUNT(some) ? __builtin_inf() : __builtin_nan("");
}

static void make_scalar(random_gen *g, uint32_t reg, th_class cls) {
    uint32_t k = 0;
    switch (cls) {
    case TH_CLASS_F64:
        note(g, th_builder_f64(g->b, random_float(g), &k));
        th_fn_ai(g->f, TH_OP_LDK, reg, (int32_t)k);
        break;
    case TH_CLASS_F32:
        note(g, th_builder_f32(g->b, (float)(int)below(g, 100) / 8, &k));
        th_fn_abcw(g->f, TH_OP_LDKW, reg, 0, 0, k);
        break;
    case TH_CLASS_I64:
        note(g, th_builder_i64(g->b, random_int(g), &k));
        th_fn_ai(g->f, TH_OP_LDK, reg, (int32_t)k);
        break;
    case TH_CLASS_BOOL: th_fn_ai(g->f, TH_OP_LDI, reg, (int32_t)below(g, 2)); break;
    default: th_fn_ai(g->f, TH_OP_LDI, reg, (int32_t)below(g, 256) - 128); break;
    }
}

static void make_string(random_gen *g, uint32_t reg) {
    static const char *const some[] = {"", "a", "theta", "\xc3\xa9t\xc3\xa9", "a longer text, of more than a word"};
    uint32_t s = 0;
    note(g, th_builder_string(g->b, th_view_of(some[below(g, TH_COUNT(some))]), &s));
    if (chance(g, 80))
        th_fn_ai(g->f, TH_OP_LDS, reg, (int32_t)s);
    else
        th_fn_abcw(g->f, TH_OP_LDSW, reg, 0, 0, s);
}

/* The fields of a node, a tuple or a closure's captures into the scratch registers. */
static bool make_fields(random_gen *g, bool node, uint32_t depth) {
    uint32_t i = value_of(g, TH_TYPE_I64, depth), s = value_of(g, TH_TYPE_STRING, depth);
    if (s == 0) return false;
    if (node && !move_to(g, g->fields + 2, g->t[T_MAYBE_NODE], depth + 1)) return false;
    th_fn_abc(g->f, TH_OP_MOV, g->fields, i, 0); /* i is r0 when there is none */
    th_fn_abc(g->f, TH_OP_MOV, g->fields + 1, s, 0);
    return true;
}

static bool make_option(random_gen *g, uint32_t reg, th_type_id id, uint32_t depth) {
    th_type_id inner = th_types_get(g->types, id)->args[0];
    uint32_t from = depth < 3 && chance(g, 60) ? value_of(g, inner, depth + 1) : 0;
    if (from != 0)
        th_fn_abcw(g->f, TH_OP_SOME, reg, from, 0, id);
    else
        th_fn_ai(g->f, TH_OP_LDNULL, reg, (int32_t)id);
    return true;
}

/* Values into the scratch registers for the parts of a list, a record, a thunk. */
static bool make_parts(random_gen *g, uint32_t count, uint32_t depth) {
    for (uint32_t i = 0; i < count; i++)
        if (!move_to(g, g->parts + i, TH_TYPE_VALUE, depth + 1)) return false;
    return true;
}

static bool make_plain_value(random_gen *g, uint32_t reg) {
    static const char *const some[] = {"", "a", "a text that is a value"};
    uint32_t k = 0;
    switch (below(g, 5)) {
    case 0: th_fn_ai(g->f, TH_OP_VINT, reg, (int32_t)below(g, 100) - 20); return true;
    case 1:
        note(g, chance(g, 60) ? th_builder_i64(g->b, random_int(g), &k) : th_builder_f64(g->b, random_float(g), &k));
        th_fn_ai(g->f, TH_OP_VLDK, reg, (int32_t)k);
        return true;
    case 2:
        note(g, th_builder_string(g->b, th_view_of(some[below(g, TH_COUNT(some))]), &k));
        th_fn_abcw(g->f, TH_OP_VSTR, reg, below(g, 3) / 2, 0, k);
        return true;
    case 3: th_fn_ai(g->f, TH_OP_VCONST, reg, 1 + (int32_t)below(g, 5)); return true;
    default: th_fn_abc(g->f, TH_OP_VTAKE, reg, value_of(g, TH_TYPE_I64, 0), 0); return true;
    }
}

/* An array or a record that is filled after it was made. */
static bool make_filled(random_gen *g, uint32_t reg, bool record, uint32_t depth) {
    uint32_t which = below(g, 2), count = 2 + which, from;
    if (record)
        th_fn_abcw(g->f, TH_OP_VRNEW, reg, 0, 0, g->shapes[which]);
    else
        th_fn_abcw(g->f, TH_OP_VLNEW, reg, 0, 0, count);
    for (uint32_t i = 0; i < count; i++) {
        if (chance(g, 20) || (from = value_of(g, TH_TYPE_VALUE, depth + 1)) == 0) continue;
        if (record)
            th_fn_abcw(g->f, TH_OP_VRSET, reg, from, 0, g->shapes[which] << 16 | i);
        else
            th_fn_abcw(g->f, TH_OP_VLSET, reg, from, 0, i);
    }
    return true;
}

static bool make_value(random_gen *g, uint32_t reg, uint32_t depth) {
    uint32_t which = below(g, 2);
    switch (depth < 2 ? below(g, 14) : 0) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5: return make_plain_value(g, reg);
    case 6: th_fn_ai(g->f, TH_OP_VFUNC, reg, (int32_t)g->binary); return true;
    case 7:
        if (!make_parts(g, which, depth)) return false;
        th_fn_abcw(g->f, TH_OP_VCLOSE, reg, which ? g->parts : 0, which, g->value_function + which);
        return true;
    case 8:
        if (!make_parts(g, which * 3, depth)) return false;
        th_fn_abc(g->f, TH_OP_VLIST, reg, which ? g->parts : 0, which * 3);
        return true;
    case 9:
        if (!make_parts(g, 2 + which, depth)) return false;
        th_fn_abcw(g->f, TH_OP_VREC, reg, g->parts, 2 + which, g->shapes[which]);
        return true;
    case 10:
    case 11: return make_filled(g, reg, which != 0, depth);
    default:
        if (!make_parts(g, 2, depth)) return false;
        th_fn_abcw(g->f, TH_OP_VTHUNK, reg, g->parts, 2, g->thunk_function);
        return true;
    }
}

static bool make_object(random_gen *g, uint32_t reg, th_type_id id, uint32_t depth) {
    uint32_t from;
    if (kind_of(g, id) == TH_KIND_VALUE) return make_value(g, reg, depth);
    switch (kind_of(g, id)) {
    case TH_KIND_LIST: th_fn_abcw(g->f, TH_OP_LNEW, reg, 0, 0, id); return true;
    case TH_KIND_DICT: th_fn_abcw(g->f, TH_OP_DNEW, reg, 0, 0, id); return true;
    case TH_KIND_OPTION: return make_option(g, reg, id, depth);
    case TH_KIND_STRUCT:
        if (!make_fields(g, true, depth)) return false;
        th_fn_abcw(g->f, TH_OP_NEW, reg, g->fields, 3, id);
        return true;
    case TH_KIND_TUPLE:
        if (!make_fields(g, false, depth)) return false;
        th_fn_abcw(g->f, TH_OP_NEW, reg, g->fields, 2, id);
        return true;
    case TH_KIND_FUNCTION:
        if (!make_fields(g, false, depth)) return false;
        th_fn_abcw(g->f, TH_OP_CLOSURE, reg, g->fields, 2, g->closure_function);
        return true;
    case TH_KIND_CELL: th_fn_abcw(g->f, TH_OP_NEW, reg, value_of(g, TH_TYPE_I64, depth), 1, id); return true;
    default: /* a variant of an i64 and a string */
        from = chance(g, 50) ? value_of(g, TH_TYPE_STRING, depth) : 0;
        th_fn_abcw(g->f, TH_OP_VNEW, reg, from, from != 0, id);
        return true;
    }
}

/* Makes a value; 0: there was no register for it. */
static uint32_t make(random_gen *g, th_type_id id, uint32_t depth) {
    uint32_t reg = target_for(g, id);
    if (reg == 0) return 0;
    th_class cls = th_types_class(g->types, id);
    if (kind_of(g, id) == TH_KIND_ENUM) {
        th_fn_ai(g->f, TH_OP_LDI, reg, (int32_t)below(g, 3));
    } else if (kind_of(g, id) == TH_KIND_STRING) {
        make_string(g, reg);
    } else if (cls != TH_CLASS_PTR && cls != TH_CLASS_STRING && cls != TH_CLASS_VALUE) {
        make_scalar(g, reg, cls);
    } else {
        /* Its parts must not be made in the register that is being filled. */
        bool was = g->locked[reg];
        th_type_id before = g->held[reg];
        g->locked[reg] = true;
        if (!was) g->held[reg] = NOTHING;
        bool made = make_object(g, reg, id, depth);
        g->locked[reg] = was;
        if (!made) {
            g->held[reg] = before;
            return 0;
        }
    }
    wrote(g, reg, id);
    return reg;
}

/* ---- Statements without control flow ------------------------------------------------------------------------ */

/* The register for an operand that reads a class; r0 where an integer is enough. False: there is none. */
static bool read_operand(random_gen *g, uint8_t operand, uint32_t *out) {
    static const uint8_t ints[] = {TH_TYPE_I64, TH_TYPE_I64, TH_TYPE_I32, TH_TYPE_I8};
    switch (operand) {
    case TH_OPERAND_R_INT: *out = chance(g, 10) ? 0 : value_of(g, ints[below(g, TH_COUNT(ints))], 0); return true;
    case TH_OPERAND_R_F64: return (*out = value_of(g, TH_TYPE_F64, 0)) != 0;
    case TH_OPERAND_R_F32: return (*out = value_of(g, TH_TYPE_F32, 0)) != 0;
    case TH_OPERAND_R_BOOL: return (*out = value_of(g, TH_TYPE_BOOL, 0)) != 0;
    case TH_OPERAND_RW_STR:
    case TH_OPERAND_R_STR: return (*out = value_of(g, TH_TYPE_STRING, 0)) != 0;
    case TH_OPERAND_R_I64: *out = value_of(g, TH_TYPE_I64, 0); return true;
    case TH_OPERAND_RW_VAL:
    case TH_OPERAND_R_VAL: return g->values && (*out = value_of(g, TH_TYPE_VALUE, 0)) != 0;
    case TH_OPERAND_S8: *out = (uint32_t)((int32_t)below(g, 256) - 128); return true;
    case TH_OPERAND_U8: *out = below(g, 256); return true;
    case TH_OPERAND_S16: *out = (uint32_t)((int32_t)below(g, 30) - 10); return true;
    case TH_OPERAND_NO: *out = 0; return true;
    default: return false;
    }
}

static th_type_id written_type(uint8_t operand) {
    switch (operand) {
    case TH_OPERAND_W_I8: return TH_TYPE_I8;
    case TH_OPERAND_W_I16: return TH_TYPE_I16;
    case TH_OPERAND_W_I32: return TH_TYPE_I32;
    case TH_OPERAND_W_I64: return TH_TYPE_I64;
    case TH_OPERAND_W_F32: return TH_TYPE_F32;
    case TH_OPERAND_W_F64: return TH_TYPE_F64;
    case TH_OPERAND_W_BOOL: return TH_TYPE_BOOL;
    case TH_OPERAND_W_STR: return TH_TYPE_STRING;
    case TH_OPERAND_W_VAL: return TH_TYPE_VALUE;
    default: return NOTHING;
    }
}

/* Any instruction that the table alone explains. */
static void simple_statement(random_gen *g) {
    th_op op = (th_op)below(g, TH_OP_COUNT);
    const th_op_info *info = &th_ops[op];
    uint32_t v[3];
    if (info->format != TH_FORMAT_ABC || info->word != TH_OPERAND_NO || (info->flags & (TH_OPF_BRANCH | TH_OPF_END)) ||
        op == TH_OP_VLIST)
        return;
    th_type_id type = written_type(info->operand[0]);
    for (int i = 0; i < 3; i++) {
        if (i == 0 && type != NOTHING) continue;
        if (!read_operand(g, info->operand[i], &v[i])) return;
    }
    memset(g->pinned, 0, sizeof g->pinned); /* all operands are chosen: the result may take the place of one */
    if (type != NOTHING && (v[0] = target_for(g, type)) == 0) return;
    bool constant_divisor = op == TH_OP_DIVI || op == TH_OP_REMI;
    if (constant_divisor && v[2] == 0) v[2] = 3;
    th_fn_abc(g->f, op, v[0], v[1], v[2]);
    if (type != NOTHING) wrote(g, v[0], type);
}

/* Emits `op` with a target for a value of `type`: op target, b, c. */
static void into(random_gen *g, th_op op, th_type_id type, uint32_t b, uint32_t c) {
    uint32_t reg = target_for(g, type);
    if (reg == 0) return;
    th_fn_abc(g->f, op, reg, b, c);
    wrote(g, reg, type);
}

/* An accumulation, or a division by a constant. */
static void fused_statement(random_gen *g) {
    static const th_op ops[] = {TH_OP_MADD, TH_OP_FMADD, TH_OP_FMSUB, TH_OP_DIVK, TH_OP_REMK};
    th_op op = ops[below(g, TH_COUNT(ops))];
    th_type_id type = op == TH_OP_FMADD || op == TH_OP_FMSUB ? TH_TYPE_F64 : TH_TYPE_I64;
    uint32_t from = value_of(g, type, 0), x = value_of(g, type, 0), y = value_of(g, type, 0), k;
    uint32_t reg = target_for(g, type);
    if (reg == 0 || (type == TH_TYPE_F64 && (from == 0 || x == 0 || y == 0))) return;
    if (op == TH_OP_DIVK || op == TH_OP_REMK) {
        note(g, th_builder_i64(g->b, 2 + (int64_t)below(g, INT32_MAX - 2), &k));
        th_fn_abcw(g->f, op, reg, x, 0, k);
    } else {
        th_fn_abc(g->f, TH_OP_MOV, reg, from, 0);
        th_fn_abc(g->f, op, reg, x, y);
    }
    wrote(g, reg, type);
}

static void object_statement(random_gen *g) {
    uint32_t node = value_of(g, g->t[T_NODE], 0), s = value_of(g, TH_TYPE_STRING, 0), x;
    if (node == 0 || s == 0) return;
    switch (below(g, 12)) {
    case 0: into(g, TH_OP_GET, TH_TYPE_I64, node, 0); break;
    case 1: into(g, TH_OP_GET, TH_TYPE_STRING, node, 1); break;
    case 2: into(g, TH_OP_GET, g->t[T_MAYBE_NODE], node, 2); break;
    case 3: th_fn_abc(g->f, TH_OP_SET, node, value_of(g, TH_TYPE_I64, 0), 0); break;
    case 4: th_fn_abc(g->f, TH_OP_SETP, node, s, 1); break;
    case 5: th_fn_abc(g->f, TH_OP_SETP, node, node, 2); break;
    case 6:
        if ((x = value_of(g, g->t[T_MAYBE_NODE], 0)) != 0) into(g, TH_OP_UNWRAP, g->t[T_NODE], x, 0);
        break;
    case 7:
        if ((x = value_of(g, g->t[T_MAYBE_INT], 0)) != 0) into(g, TH_OP_UNWRAP, TH_TYPE_I64, x, 0);
        break;
    case 8:
        if ((x = value_of(g, g->t[T_MAYBE_STRING], 0)) != 0) into(g, TH_OP_ISNULL, TH_TYPE_BOOL, x, 0);
        break;
    case 9:
        if ((x = value_of(g, g->t[T_VARIANT], 0)) != 0) into(g, TH_OP_VTAG, TH_TYPE_I64, x, 0);
        break;
    case 10:
        if ((x = value_of(g, g->t[T_VARIANT], 0)) == 0) break;
        if (chance(g, 50))
            into(g, TH_OP_VGET, TH_TYPE_I64, x, 0);
        else
            into(g, TH_OP_VGET, TH_TYPE_STRING, x, 1);
        break;
    default:
        if ((x = value_of(g, g->t[T_CELL], 0)) == 0) break;
        th_fn_abc(g->f, TH_OP_SET, x, value_of(g, TH_TYPE_I64, 0), 0);
        into(g, TH_OP_GET, TH_TYPE_I64, x, 0);
        into(g, TH_OP_SAME, TH_TYPE_BOOL, x, node);
        break;
    }
}

/* An index that is often good. */
static uint32_t index_value(random_gen *g) { return chance(g, 70) ? 0 : value_of(g, TH_TYPE_I64, 0); }

static void list_statement(random_gen *g) {
    static const struct {
        uint8_t type;
        th_op get, set;
    } lists[] = {{T_INTS, TH_OP_LGET64, TH_OP_LSET64}, {T_STRINGS, TH_OP_LGET64, TH_OP_LSETP},
                 {T_BOOLS, TH_OP_LGETB, TH_OP_LSET8},  {T_FLOATS, TH_OP_LGETF, TH_OP_LSET32},
                 {T_BYTES, TH_OP_LGET8, TH_OP_LSET8},  {T_NODES, TH_OP_LGET64, TH_OP_LSETP}};
    uint32_t which = below(g, TH_COUNT(lists));
    th_type_id type = g->t[lists[which].type], element = th_types_get(g->types, type)->args[0];
    uint32_t list = value_of(g, type, 0), value = value_of(g, element, 0);
    if (list == 0 || value == 0) return;
    switch (below(g, 5)) {
    case 0:
    case 1: th_fn_abc(g->f, TH_OP_LPUSH, list, value, 0); break;
    case 2: into(g, TH_OP_LPOP, element, list, 0); break;
    case 3: th_fn_abc(g->f, lists[which].set, list, index_value(g), value); break;
    default: into(g, lists[which].get, element, list, index_value(g)); break;
    }
    into(g, TH_OP_LLEN, TH_TYPE_I64, list, 0);
}

static void dict_statement(random_gen *g) {
    uint32_t dict = value_of(g, g->t[T_DICT], 0), key = value_of(g, TH_TYPE_STRING, 0), reg;
    if (dict == 0 || key == 0) return;
    switch (below(g, 5)) {
    case 0: th_fn_abc(g->f, TH_OP_DSET, dict, key, value_of(g, TH_TYPE_I64, 0)); break;
    case 1: into(g, TH_OP_DGET, g->t[T_MAYBE_INT], dict, key); break;
    case 2: into(g, TH_OP_DHAS, TH_TYPE_BOOL, dict, key); break;
    case 3:
        if ((reg = value_of(g, TH_TYPE_I64, 0)) != 0) th_fn_abc(g->f, TH_OP_DGETOR, reg, dict, key);
        break;
    default: into(g, TH_OP_DLEN, TH_TYPE_I64, dict, 0); break;
    }
}

static void global_statement(random_gen *g) {
    uint32_t reg;
    if (chance(g, 60)) {
        if ((reg = value_of(g, g->t[T_NODE], 0)) != 0) th_fn_ai(g->f, TH_OP_GSET, reg, 1);
        th_fn_ai(g->f, TH_OP_GSET, value_of(g, TH_TYPE_I64, 0), 0);
    }
    th_type_id type = chance(g, 50) ? TH_TYPE_I64 : g->t[T_MAYBE_NODE];
    if ((reg = target_for(g, type)) == 0) return;
    th_fn_ai(g->f, TH_OP_GGET, reg, type == TH_TYPE_I64 ? 0 : 1);
    wrote(g, reg, type);
}

static void block(random_gen *g, uint32_t statements);

/* Instructions over values that have a word of their own, or a branch that writes. */
static void value_statement(random_gen *g) {
    static const th_op binary[] = {TH_OP_VADD, TH_OP_VSUB, TH_OP_VMUL, TH_OP_VDIV, TH_OP_VEQ, TH_OP_VLT, TH_OP_VLE};
    static const th_op select[] = {TH_OP_VSEL, TH_OP_VSELO, TH_OP_VTSEL},
                       tries[] = {TH_OP_VTADD, TH_OP_VTSUB, TH_OP_VTMUL};
    uint32_t x = value_of(g, TH_TYPE_VALUE, 0), y = value_of(g, TH_TYPE_VALUE, 0), shape = below(g, 2), site = 0;
    if (x == 0 || y == 0) return;
    uint32_t reg = target_for(g, TH_TYPE_VALUE);
    if (reg == 0) return;
    switch (below(g, 10)) {
    case 0:
    case 1:
    case 2: th_fn_abcw(g->f, binary[below(g, TH_COUNT(binary))], reg, x, y, g->binary); break;
    case 3:
    case 4:
        note(g, th_builder_site(g->b, g->names[below(g, 3)], &site));
        th_fn_abcw(g->f, select[below(g, TH_COUNT(select))], reg, x, 0, site);
        break;
    case 5: th_fn_abcw(g->f, TH_OP_VLGET, reg, x, 0, below(g, 3)); break;
    case 6: th_fn_abcw(g->f, TH_OP_VRGET, reg, x, 0, g->shapes[shape] << 16 | below(g, 2 + shape)); break;
    case 7: th_fn_abcw(g->f, TH_OP_VONLY, x, 0, 0, g->shapes[shape]); return;
    default: {
        th_type_id before[256];
        th_label past = th_fn_label(g->f);
        th_fn_branch(g->f, tries[below(g, TH_COUNT(tries))], reg, x, y, past);
        wrote(g, reg, TH_TYPE_VALUE);
        memcpy(before, g->held, sizeof before);
        block(g, 1);
        th_fn_bind(g->f, past);
        for (uint32_t i = 0; i < 256; i++)
            if (g->held[i] != before[i]) g->held[i] = NOTHING;
        return;
    }
    }
    wrote(g, reg, TH_TYPE_VALUE);
}

/* ---- Calls -------------------------------------------------------------------------------------------------- */

/* What is applied, and its arguments in the window: 0 when there is no register. */
static uint32_t make_application(random_gen *g, const window *w, uint32_t *count) {
    uint32_t callee = value_of(g, TH_TYPE_VALUE, 0);
    *count = 1 + below(g, MAX_ARGUMENTS);
    for (uint32_t i = 0; i < *count && callee != 0; i++)
        if (!move_to(g, w->base + 2 + i, TH_TYPE_VALUE, 0)) callee = 0;
    return callee;
}

static void call_statement(random_gen *g) {
    if (g->nwindows == 0) return;
    const window *w = &g->windows[below(g, g->nwindows)];
    bool closure = w->function == CLOSURES;
    if (w->function == VALUES) {
        uint32_t count, applied = make_application(g, w, &count);
        if (applied == 0) return;
        th_fn_abc(g->f, TH_OP_VCALL, w->base, applied, count);
        into(g, TH_OP_MOV, TH_TYPE_VALUE, w->base + 1, 0);
        return;
    }
    th_type_id type = closure ? g->t[T_CLOSURE] : g->signatures[w->function];
    uint32_t callee = closure ? value_of(g, type, 0) : 0;
    if (closure && callee == 0) return;
    for (uint32_t i = 0; i < th_types_nparams(g->types, type); i++)
        if (!move_to(g, w->base + 2 + i, th_types_param(g->types, type, i), 0)) return;
    if (closure)
        th_fn_abc(g->f, TH_OP_CALLC, w->base, callee, 0);
    else
        th_fn_ai(g->f, TH_OP_CALL, w->base, (int32_t)w->function);
    th_type_id result = th_types_result(g->types, type);
    into(g, TH_OP_MOV, result, w->base + 1, 0);
}

/* ---- Control flow ------------------------------------------------------------------------------------------- */

typedef struct scope {
    th_type_id held[256];
    bool locked[256];
} scope;

static void save(const random_gen *g, scope *s) {
    memcpy(s->held, g->held, sizeof s->held);
    memcpy(s->locked, g->locked, sizeof s->locked);
}

static void lock_all(random_gen *g) {
    for (uint32_t i = 0; i < 256; i++) g->locked[i] = g->locked[i] || g->held[i] != NOTHING;
}

/* What is the same on both ways. */
static void meet(random_gen *g, const scope *other) {
    for (uint32_t i = 0; i < 256; i++)
        if (g->held[i] != other->held[i]) g->held[i] = NOTHING;
}

/* A conditional jump that the table alone explains; an unconditional one when the draw does not fit. */
static void branch_to(random_gen *g, th_label target) {
    for (int tries = 0; tries < 30; tries++) {
        th_op op = (th_op)below(g, TH_OP_COUNT);
        const th_op_info *info = &th_ops[op];
        uint32_t v[3];
        if (info->word != TH_OPERAND_TARGET || op == TH_OP_LOOP || op == TH_OP_LOOPI) continue;
        if (op == TH_OP_JNULL || op == TH_OP_JNNULL) {
            if ((v[0] = value_of(g, g->t[T_MAYBE_NODE], 0)) == 0) continue;
            th_fn_branch(g->f, op, v[0], 0, 0, target);
            return;
        }
        bool good = true;
        for (int i = 0; i < 3 && good; i++) good = read_operand(g, info->operand[i], &v[i]);
        if (!good) continue;
        if (info->format == TH_FORMAT_AI)
            th_fn_branch_i(g->f, op, v[0], (int32_t)v[1], target);
        else
            th_fn_branch(g->f, op, v[0], v[1], v[2], target);
        return;
    }
    th_fn_branch_i(g->f, TH_OP_JEQI, 0, 0, target);
}

static void if_statement(random_gen *g) {
    scope before, then;
    th_label other = th_fn_label(g->f), end = th_fn_label(g->f);
    branch_to(g, other);
    save(g, &before);
    block(g, 1 + below(g, 4));
    save(g, &then);
    th_fn_jump(g->f, end);
    th_fn_bind(g->f, other);
    memcpy(g->held, before.held, sizeof g->held);
    block(g, below(g, 3));
    th_fn_bind(g->f, end);
    meet(g, &then);
}

static void switch_statement(random_gen *g) {
    scope before, met;
    uint32_t n = 1 + below(g, 4), reg = value_of(g, g->t[T_COLOUR], 0);
    th_label cases[4], end = th_fn_label(g->f);
    for (uint32_t i = 0; i < n; i++) cases[i] = th_fn_label(g->f);
    th_fn_switch(g->f, reg, cases, n);
    save(g, &before);
    met = before;
    for (uint32_t i = 0; i < n; i++) {
        th_fn_jump(g->f, end);
        th_fn_bind(g->f, cases[i]);
        memcpy(g->held, before.held, sizeof g->held);
        block(g, 1 + below(g, 2));
        meet(g, &met);
        save(g, &met);
    }
    th_fn_bind(g->f, end);
    memcpy(g->held, met.held, sizeof g->held);
}

static void loop_statement(random_gen *g) {
    scope before;
    if (g->loops == 3) return;
    uint32_t counter = g->counters + g->loops++, limit = 1 + below(g, 4);
    th_label head = th_fn_label(g->f);
    th_fn_ai(g->f, TH_OP_LDI, counter, 0);
    save(g, &before);
    lock_all(g);
    th_fn_bind(g->f, head);
    block(g, 1 + below(g, 5));
    if (chance(g, 70)) {
        th_fn_branch_i(g->f, TH_OP_LOOPI, counter, (int32_t)limit, head);
    } else {
        th_fn_ai(g->f, TH_OP_LDI, g->counters + 3, (int32_t)limit);
        th_fn_branch(g->f, TH_OP_LOOP, counter, g->counters + 3, 1 + below(g, 3), head);
    }
    memcpy(g->locked, before.locked, sizeof g->locked);
    g->loops--;
}

/* Closes or collects, keeping what is locked and some of the rest. */
static void collect(random_gen *g, th_op op) {
    uint8_t kept[256];
    size_t count = 0;
    for (uint32_t i = 2; i < g->nlocals; i++) {
        th_class cls = (th_class)g->classes[i];
        if (g->held[i] == NOTHING || (cls != TH_CLASS_PTR && cls != TH_CLASS_STRING)) continue;
        if (g->locked[i] || chance(g, 50))
            kept[count++] = (uint8_t)i;
        else
            g->held[i] = NOTHING;
    }
    th_fn_ai(g->f, op, 0, (int32_t)th_fn_keep(g->f, kept, count));
}

static void region_statement(random_gen *g) {
    if (g->regions == 3) return;
    g->regions++;
    th_fn_abc(g->f, TH_OP_RENTER, 0, 0, 0);
    block(g, 1 + below(g, 4));
    if (chance(g, 60)) collect(g, TH_OP_RLOOP);
    block(g, 1 + below(g, 2));
    collect(g, TH_OP_RLEAVE);
    g->regions--;
}

static void catch_statement(random_gen *g, uint32_t error) {
    switch (below(g, 4)) {
    case 0: into(g, TH_OP_GET, TH_TYPE_STRING, error, 1); break;
    case 1: into(g, TH_OP_GET, TH_TYPE_I64, error, 3); break;
    default: break;
    }
    block(g, below(g, 2));
}

static void try_statement(random_gen *g) {
    scope before, done;
    th_label from = th_fn_label(g->f), to = th_fn_label(g->f), caught = th_fn_label(g->f), end = th_fn_label(g->f);
    uint32_t error = target_for(g, TH_TYPE_ERROR), s;
    if (error == 0 || g->locked[error]) return;
    g->held[error] = NOTHING;
    save(g, &before);
    lock_all(g);
    th_fn_bind(g->f, from);
    block(g, 1 + below(g, 5));
    if (chance(g, 20) && (s = value_of(g, TH_TYPE_STRING, 0)) != 0) {
        th_label past = th_fn_label(g->f);
        branch_to(g, past);
        th_fn_ai(g->f, TH_OP_TRAP, s, TH_E_ASSERT);
        th_fn_bind(g->f, past);
    }
    th_fn_bind(g->f, to);
    save(g, &done);
    memcpy(g->locked, before.locked, sizeof g->locked);
    th_fn_jump(g->f, end);
    th_fn_bind(g->f, caught);
    memcpy(g->held, before.held, sizeof g->held);
    wrote(g, error, TH_TYPE_ERROR);
    th_fn_handler(g->f, from, to, caught, error, g->regions);
    catch_statement(g, error);
    th_fn_bind(g->f, end);
    meet(g, &done);
}

static void statement(random_gen *g) {
    if (g->budget == 0) return;
    g->budget--;
    memset(g->pinned, 0, sizeof g->pinned);
    uint32_t what = below(g, g->nesting < 4 ? 100 : 70);
    g->nesting++;
    if (g->values && chance(g, 25))
        value_statement(g);
    else if (what < 27)
        simple_statement(g);
    else if (what < 30)
        fused_statement(g);
    else if (what < 42)
        object_statement(g);
    else if (what < 52)
        list_statement(g);
    else if (what < 58)
        dict_statement(g);
    else if (what < 62)
        global_statement(g);
    else if (what < 68)
        call_statement(g);
    else if (what < 70)
        (void)make(g, g->t[below(g, g->ntypes)], 0);
    else if (what < 78)
        if_statement(g);
    else if (what < 82)
        switch_statement(g);
    else if (what < 90)
        loop_statement(g);
    else if (what < 95)
        region_statement(g);
    else
        try_statement(g);
    g->nesting--;
}

static void block(random_gen *g, uint32_t statements) {
    for (uint32_t i = 0; i < statements; i++) {
        th_fn_span(g->f, (th_span){1 + below(g, 40), 1, 1 + below(g, 40), 9});
        statement(g);
    }
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static uint32_t new_register(random_gen *g, uint32_t *next, th_class cls) {
    if (!th_fn_class(g->f, *next, cls)) note(g, TH_E_LIMIT);
    g->classes[*next] = (uint8_t)cls;
    return (*next)++;
}

/* A window for calls: its registers have the classes of the signature. */
static void new_window(random_gen *g, uint32_t *next, uint32_t function, th_type_id type) {
    uint32_t base = new_register(g, next, TH_CLASS_I64);
    new_register(g, next, th_types_class(g->types, th_types_result(g->types, type)));
    for (size_t i = 0; i < th_types_nparams(g->types, type); i++)
        new_register(g, next, th_types_class(g->types, th_types_param(g->types, type, i)));
    g->windows[g->nwindows++] = (window){base, function};
}

static void lay_out_frame(random_gen *g, th_type_id type) {
    uint32_t next = 2;
    memset(g->classes, 0, sizeof g->classes);
    memset(g->locked, 0, sizeof g->locked);
    for (uint32_t i = 0; i < 256; i++) g->held[i] = NOTHING;
    for (size_t i = 0; i < th_types_nparams(g->types, type); i++, next++) {
        g->classes[next] = (uint8_t)th_types_class(g->types, th_types_param(g->types, type, i));
        wrote(g, next, th_types_param(g->types, type, i));
    }
    for (size_t i = 0; i < TH_COUNT(locals); i++)
        for (uint32_t k = 0; k < locals[i].count; k++) new_register(g, &next, locals[i].cls);
    for (uint32_t i = 0; g->values && i < 7; i++) new_register(g, &next, TH_CLASS_VALUE);
    g->nlocals = next;
    g->counters = next;
    for (int i = 0; i < 4; i++) new_register(g, &next, TH_CLASS_I64);
    g->fields = new_register(g, &next, TH_CLASS_I64);
    new_register(g, &next, TH_CLASS_STRING);
    new_register(g, &next, TH_CLASS_PTR);
    g->parts = next;
    for (uint32_t i = 0; g->values && i < 3; i++) new_register(g, &next, TH_CLASS_VALUE);
    g->nwindows = 0;
    for (uint32_t callee = g->function + 1; callee < g->nfunctions && g->nwindows < MAX_WINDOWS - 2; callee++)
        if (chance(g, 70)) new_window(g, &next, callee, g->signatures[callee]);
    if (g->function < g->nfunctions) new_window(g, &next, CLOSURES, g->t[T_CLOSURE]);
    if (!g->values) return;
    g->windows[g->nwindows++] = (window){new_register(g, &next, TH_CLASS_I64), VALUES};
    for (uint32_t i = 0; i < 1 + MAX_ARGUMENTS; i++) new_register(g, &next, TH_CLASS_VALUE);
}

/* The last statement: a result, or a call of the same result in its place. */
static void leave(random_gen *g, th_type_id type) {
    th_type_id result = th_types_result(g->types, type);
    for (uint32_t i = 0; i < g->nwindows && chance(g, 50); i++) {
        const window *w = &g->windows[i];
        if (w->function == VALUES && result == TH_TYPE_VALUE) {
            uint32_t count, applied = make_application(g, w, &count);
            if (applied == 0) continue;
            th_fn_abc(g->f, TH_OP_VTCALL, w->base, applied, count);
            return;
        }
        if (w->function >= VALUES || th_types_result(g->types, g->signatures[w->function]) != result) continue;
        th_type_id callee = g->signatures[w->function];
        bool ready = true;
        for (uint32_t k = 0; k < th_types_nparams(g->types, callee) && ready; k++)
            ready = move_to(g, w->base + 2 + k, th_types_param(g->types, callee, k), 0);
        if (!ready) continue;
        th_fn_ai(g->f, TH_OP_TCALL, w->base, (int32_t)w->function);
        return;
    }
    uint32_t reg = value_of(g, result, 0); /* 0 is an i64 too; there is a register for anything else */
    th_fn_abc(g->f, result == TH_TYPE_VALUE ? TH_OP_VRET : TH_OP_RET, reg, 0, 0);
}

/* What a function captures: the typed closure an i64 and a string, thunks and function values values. */
static uint32_t captures_of(const random_gen *g, uint32_t index, th_type_id captures[2]) {
    captures[0] = captures[1] = TH_TYPE_VALUE;
    if (g->values && index == g->thunk_function) return 2;
    if (g->values && index == g->value_function + 1) return 1;
    captures[0] = TH_TYPE_I64;
    captures[1] = TH_TYPE_STRING;
    return index == g->closure_function ? 2 : 0;
}

static void make_function(random_gen *g, uint32_t index, th_type_id type, uint32_t size) {
    th_type_id captures[2];
    uint32_t ncaptures = captures_of(g, index, captures);
    g->function = index;
    note(g, th_builder_begin(g->b, index, captures, ncaptures, 1, &g->f));
    if (g->status != TH_OK) return;
    lay_out_frame(g, type);
    if (captures[0] == TH_TYPE_VALUE) th_fn_note(g->f, g->names[0]);
    for (uint32_t i = 0; i < ncaptures; i++) {
        uint32_t reg = target_for(g, captures[i]);
        th_fn_ai(g->f, captures[i] == TH_TYPE_VALUE ? TH_OP_VCAP : TH_OP_LDCAP, reg, (int32_t)i);
        wrote(g, reg, captures[i]);
    }
    g->budget = size;
    g->loops = g->regions = g->nesting = 0;
    while (g->budget > 0) block(g, 1);
    leave(g, type);
    note(g, th_fn_end(g->f));
}

static void make_types(random_gen *g) {
    static const char *const texts[T_COUNT] = {"i64",
                                               "i32",
                                               "i8",
                                               "bool",
                                               "f64",
                                               "f32",
                                               "String",
                                               "Colour",
                                               "List<i64>",
                                               "List<String>",
                                               "List<bool>",
                                               "List<f32>",
                                               "List<i8>",
                                               "Node",
                                               "Node?",
                                               "i64?",
                                               "String?",
                                               "Dict<String, i64>",
                                               "List<Node>",
                                               "Cell<i64>",
                                               "Tuple<i64, String>",
                                               "Variadic<i64, String>",
                                               "Function<i64, i64>",
                                               "value"};
    th_view names[3] = {{"value", 5}, {"text", 4}, {"next", 4}}, colours[3] = {{"red", 3}, {"green", 5}, {"blue", 4}};
    th_type_id node, maybe, colour;
    note(g, th_types_declare(g->types, TH_KIND_STRUCT, th_view_of("Node"), &node));
    if (g->status == TH_OK) note(g, th_types_option(g->types, node, &maybe));
    if (g->status != TH_OK) return;
    th_type_id fields[3] = {TH_TYPE_I64, TH_TYPE_STRING, maybe};
    note(g, th_types_define(g->types, node, fields, 3, names, 3));
    note(g, th_types_add(g->types, TH_KIND_ENUM, th_view_of("Colour"), NULL, 0, colours, 3, &colour));
    for (int i = 0; i < T_COUNT && g->status == TH_OK; i++)
        note(g, th_type_parse(g->types, th_view_of(texts[i]), &g->t[i], NULL));
}

static void declare_functions(random_gen *g) {
    uint32_t index;
    g->nfunctions = 2 + below(g, MAX_FUNCTIONS - 1);
    for (uint32_t i = 0; i < g->nfunctions && g->status == TH_OK; i++) {
        th_type_id params[4];
        uint32_t nparams = i == 0 ? 0 : below(g, 5);
        for (uint32_t k = 0; k < nparams; k++) params[k] = g->t[below(g, g->ntypes)];
        th_type_id result = i == 0 || chance(g, 40) ? TH_TYPE_I64 : g->t[below(g, g->ntypes)];
        char name[8] = {'f', (char)('0' + i), 0};
        note(g, th_types_function(g->types, params, nparams, result, &g->signatures[i]));
        if (g->status == TH_OK) note(g, th_builder_declare(g->b, th_view_of(name), g->signatures[i], &index));
    }
    if (g->status == TH_OK)
        note(g, th_builder_declare(g->b, th_view_of("closure"), g->t[T_CLOSURE], &g->closure_function));
}

/* A thunk, a function value without captures and one with: after all others, which therefore they do not call. */
static void declare_values(random_gen *g, th_type_id types[3]) {
    static const char *const names[] = {"a", "b", "a longer name"}, *const functions[] = {"thunk", "value", "captures"};
    th_type_id two[2] = {TH_TYPE_VALUE, TH_TYPE_VALUE};
    uint32_t index[3] = {0};
    th_span spans[3] = {{1, 2, 1, 3}, {0}, {2, 1, 2, 4}};
    note(g, th_types_function(g->types, NULL, 0, TH_TYPE_VALUE, &types[0]));
    note(g, th_types_function(g->types, two, 2, TH_TYPE_VALUE, &types[1]));
    types[2] = types[1];
    for (int i = 0; i < 3 && g->status == TH_OK; i++) {
        note(g, th_builder_string(g->b, th_view_of(names[i]), &g->names[i]));
        note(g, th_builder_declare(g->b, th_view_of(functions[i]), types[i], &index[i]));
    }
    g->thunk_function = index[0];
    g->value_function = index[1];
    if (g->status == TH_OK) note(g, th_builder_import(g->b, th_view_of(TH_RANDOM_BINARY), types[1], &g->binary));
    if (g->status == TH_OK) note(g, th_builder_shape(g->b, g->names, spans, 2, 1, &g->shapes[0]));
    if (g->status == TH_OK) note(g, th_builder_shape(g->b, g->names, NULL, 3, 0, &g->shapes[1]));
}

static void make_program(random_gen *g, uint32_t size) {
    uint32_t index;
    th_type_id dynamic[3];
    make_types(g);
    if (g->status != TH_OK) return;
    note(g, th_builder_global(g->b, th_view_of("number"), TH_TYPE_I64, &index));
    note(g, th_builder_global(g->b, th_view_of("node"), g->t[T_MAYBE_NODE], &index));
    note(g, th_builder_source(g->b, th_view_of("random"), th_view_of("made from a seed\n"), &index));
    declare_functions(g);
    if (g->values && g->status == TH_OK) declare_values(g, dynamic);
    for (uint32_t i = 0; i < g->nfunctions && g->status == TH_OK; i++) make_function(g, i, g->signatures[i], size);
    if (g->status == TH_OK) make_function(g, g->closure_function, g->t[T_CLOSURE], size / 4);
    for (uint32_t i = 0; g->values && i < 3 && g->status == TH_OK; i++)
        make_function(g, g->thunk_function + i, dynamic[i], size / 4);
    note(g, th_builder_export(g->b, th_view_of("main"), 0));
}

static th_status random_program(th_mem *mem, uint64_t seed, uint32_t size, bool values, uint8_t **bytes, size_t *len) {
    random_gen g = {.rng = seed, .values = values, .ntypes = values ? T_COUNT : T_VALUE};
    TH_TRY(th_builder_new(mem, th_view_of("random"), &g.b));
    g.types = th_builder_types(g.b);
    make_program(&g, size);
    if (g.status == TH_OK) g.status = th_builder_finish(g.b, bytes, len, NULL);
    th_builder_free(g.b);
    return g.status;
}

th_status th_random_program(th_mem *mem, uint64_t seed, uint32_t size, uint8_t **bytes, size_t *len) {
    return random_program(mem, seed, size, false, bytes, len);
}

th_status th_random_value_program(th_mem *mem, uint64_t seed, uint32_t size, uint8_t **bytes, size_t *len) {
    return random_program(mem, seed, size, true, bytes, len);
}
