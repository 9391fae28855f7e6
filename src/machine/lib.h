/*
** lib.h - what the standard builtins (lib_*.c) and value.c share: arguments, results, charging, scratch memory.
** Builtins keep nothing outside the machine: scratch memory comes from the machine's th_mem and is freed before they return.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_LIB_H
#define TH_LIB_H

#include "machine/machine_int.h"

/* ---- Arguments ---------------------------------------------------------------------------------------------- */

static inline th_str *arg_str(const th_call *call, size_t i) { return th_word_ptr(call->args[i]); }
static inline th_view arg_view(const th_call *call, size_t i) { return th_view_str(arg_str(call, i)); }
static inline int64_t arg_i64(const th_call *call, size_t i) { return (int64_t)call->args[i]; }
static inline double arg_f64(const th_call *call, size_t i) { return th_word_f64(call->args[i]); }
static inline th_list *arg_list(const th_call *call, size_t i) { return th_word_ptr(call->args[i]); }
static inline th_dict *arg_dict(const th_call *call, size_t i) { return th_word_ptr(call->args[i]); }

/* Types of this call. A th_type is borrowed until a type is added. */
static inline const th_type *type_of(th_machine *m, th_type_id id) { return th_types_get(th_machine_types(m), id); }
static inline th_type_id param_type(th_machine *m, const th_call *call, size_t i) {
    return th_types_param(th_machine_types(m), call->type, i);
}
static inline th_type_id result_type(th_machine *m, const th_call *call) {
    return th_types_result(th_machine_types(m), call->type);
}
static inline th_type_id type_arg(th_machine *m, th_type_id type, size_t i) { return type_of(m, type)->args[i]; }

/* ---- Results ------------------------------------------------------------------------------------------------ */

static inline th_step done(th_call *call, uint64_t word) {
    call->result[0] = word;
    return TH_STEP_DONE;
}
static inline th_step done_f64(th_call *call, double x) {
    if (x != x) x = __builtin_nan(""); /* one NaN only, so that runs are the same everywhere */
    return done(call, th_f64_word(x));
}
/* NULL means refused: the trap is recorded already. */
static inline th_step done_ptr(th_call *call, const void *pointer) {
    return pointer ? done(call, th_ptr_word(pointer)) : TH_STEP_ERROR;
}
th_step th_lib_done_view(th_machine *m, th_call *call, th_view text); /* a new string */
th_step th_lib_done_buf(th_machine *m, th_call *call, th_buf *buf);   /* a new string; clears the buffer */
/* The result is an option of type T?, and `word` is a T: null stays null when T is an option itself. */
th_step th_lib_done_some(th_machine *m, th_call *call, th_type_id of, uint64_t word);
static inline th_step done_null(th_call *call) { return done(call, 0); }

/* ---- Charging ----------------------------------------------------------------------------------------------- */

#define CHARGE(machine, units)                                                                                         \
    do {                                                                                                               \
        if (!th_machine_charge(machine, (int64_t)(units))) return TH_STEP_ERROR;                                       \
    } while (0)

/* Charges a loop of cheap turns in blocks: true when turn i may go on. */
#define LOOP_BLOCK 16384
static inline bool loop_charge(th_machine *m, size_t i, size_t n) {
    if (TH_LIKELY(i % LOOP_BLOCK != 0)) return true;
    size_t left = n - i;
    return th_machine_charge(m, (int64_t)(left < LOOP_BLOCK ? left : LOOP_BLOCK));
}

/* ---- Traps -------------------------------------------------------------------------------------------------- */

/* A piece of text as it may stand in a message: quoted, cut at 60 bytes, control and ill-formed bytes shown as '?'. */
typedef struct th_excerpt {
    char text[80];
} th_excerpt;
th_excerpt th_lib_excerpt(th_view text);

/* ---- Elements of lists -------------------------------------------------------------------------------------- */

static inline uint64_t list_load(const th_list *list, const th_type *element, size_t i) {
    if (TH_LIKELY(element->bytes == 8)) return list->words[i];
    if (element->bytes == 1)
        return element->kind == TH_KIND_BOOL ? (uint64_t)list->bytes[i] : (uint64_t)(int64_t)list->i8[i];
    if (element->bytes == 2) return (uint64_t)(int64_t)list->i16[i];
    return element->kind == TH_KIND_F32 ? (uint64_t)(uint32_t)list->i32[i] : (uint64_t)(int64_t)list->i32[i];
}
/* Without telling the regions: th_list_written must follow. */
static inline void list_store(th_list *list, const th_type *element, size_t i, uint64_t word) {
    if (TH_LIKELY(element->bytes == 8))
        list->words[i] = word;
    else if (element->bytes == 1)
        list->bytes[i] = (uint8_t)word;
    else if (element->bytes == 2)
        list->i16[i] = (int16_t)word;
    else
        list->i32[i] = (int32_t)word;
}
/* A new list of `n` elements, to be filled and then passed to th_list_written. */
th_list *th_lib_new_list(th_machine *m, th_type_id type, size_t n);
/* Copies elements from..from+n of `source` behind `to` in `list` (same element type), and tells the regions. */
void th_lib_list_copy(th_machine *m, th_list *list, size_t to, const th_list *source, size_t from, size_t n);

/* Sorts in place by the natural order. False: a trap; then the list is as it was. */
bool th_lib_sort(th_machine *m, th_list *list);

/* Whether an option of this type is a box (a record of one slot) and no bare pointer. */
static inline bool option_boxed(th_class of) {
    return of != TH_CLASS_PTR && of != TH_CLASS_STRING && of != TH_CLASS_TABLE && of != TH_CLASS_NODE;
}
static inline uint64_t option_value(const th_type *of, uint64_t word) {
    return option_boxed((th_class)of->cls) ? ((const th_record *)th_word_ptr(word))->slots[0] : word;
}

/* ---- Text --------------------------------------------------------------------------------------------------- */

/* A name that needs no quotes as a dict key or symbol. */
bool th_lib_is_name(th_view text);
static inline bool is_ascii(th_view text) {
    size_t i = 0;
    for (; i + 8 <= text.len; i += 8) {
        uint64_t word;
        memcpy(&word, text.data + i, 8);
        if (word & 0x8080808080808080u) return false;
    }
    for (; i < text.len; i++)
        if ((unsigned char)text.data[i] >= 128) return false;
    return true;
}

/* A total order of floats: NaN equals itself and comes last, the two zeros are equal. */
static inline int compare_f64(double a, double b) {
    if (a < b) return -1;
    if (a > b) return 1;
    if (a == b) return 0;
    return (a != a) - (b != b);
}

/* ---- What a machine keeps for its builtins ------------------------------------------------------------------ */

struct th_regex;
/* Compiled patterns and unread standard input, kept as a binding of the machine and freed with it. */
typedef struct th_lib_state {
    th_mem *mem;
    struct {
        th_str *pattern; /* owned copy */
        struct th_regex *regex;
        uint64_t used; /* when, for replacing the oldest */
    } regexes[16];
    uint64_t clock;
    th_buf input;      /* read from standard input and not yet taken */
    size_t input_from; /* start of the rest in it */
    bool input_ended;
} th_lib_state;
/* NULL: refused, and a trap is recorded. */
th_lib_state *th_lib_state_get(th_machine *m);

/* Makes the native classes and opaque types of the standard builtins known; before their tables are added. */
th_status th_lib_register(th_engine *engine, th_error *err) TH_CHECKED;
extern const th_native_class th_random_class; /* lib_random.c */

#endif
