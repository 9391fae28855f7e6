/*
** builtin.h - what the files of the library of Nix share: arguments, results, traps, and calling each other.
**
** Most builtins are plain C functions over evaluated arguments. When one of them meets something that is not
** evaluated yet, it gives back a thunk that evaluates it first and then calls the builtin again (nix_after,
** nix_after_items ...): so the usual case needs no context of its own, and the unusual one no code of its own.
** Builtins that call functions of the user are state machines.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_BUILTIN_H
#define TH_NIX_BUILTIN_H

#include "lang/nix/nix_int.h"

/* Tables beside those of nix_int.h. */
extern const th_builtin nix_lib_coerce[], nix_lib_compare[];
extern const size_t nix_lib_coerce_count, nix_lib_compare_count;

/* ---- Results, charging -------------------------------------------------------------------------------------- */

static inline th_step nix_done(th_call *call, th_value v) {
    call->result[0] = v;
    return TH_STEP_DONE;
}
static inline th_step nix_done_bool(th_call *call, bool b) { return nix_done(call, th_of_bool(b)); }
th_step nix_done_int(th_machine *m, th_call *call, int64_t i);
th_step nix_done_float(th_machine *m, th_call *call, double x);
th_step nix_done_text(th_machine *m, th_call *call, th_view text);
th_step nix_no_memory(th_machine *m); /* records the trap: out of memory, or the limit */

#define NIX_CHARGE(machine, units)                                                                                     \
    do {                                                                                                               \
        if (!th_machine_charge(machine, (int64_t)(units))) return TH_STEP_ERROR;                                       \
    } while (0)
/* Memory for `n` items while a builtin runs; freed with nix_scratch_free. NULL: a trap is recorded. */
void *nix_scratch(th_machine *m, size_t n, size_t item_bytes);
void nix_scratch_free(th_machine *m, void *block, size_t n, size_t item_bytes);

/* ---- Kinds of evaluated values ------------------------------------------------------------------------------ */

static inline bool nix_is_text(th_value v) {
    return th_is_kind(v, TH_OBJ_STRING) && th_string_sort(v) == NIX_SORT_TEXT;
}
static inline bool nix_is_path(th_value v) {
    return th_is_kind(v, TH_OBJ_STRING) && th_string_sort(v) == NIX_SORT_PATH;
}
static inline bool nix_is_list(th_value v) { return th_is_kind(v, TH_OBJ_ARRAY); }
static inline bool nix_is_set(th_value v) {
    if (!th_is_object(v)) return false;
    th_object_kind kind = th_header_kind(*th_obj(v));
    return kind == TH_OBJ_RECORD || kind == TH_OBJ_LAYER;
}
static inline bool nix_is_function(th_value v) {
    if (!th_is_object(v)) return false;
    th_object_kind kind = th_header_kind(*th_obj(v));
    return kind == TH_OBJ_CLOSURE || kind == TH_OBJ_PARTIAL || kind == TH_OBJ_BUILTIN;
}
static inline bool nix_is_int(th_value v) { return th_is_int(v) || th_is_kind(v, TH_OBJ_INT); }
static inline bool nix_is_float(th_value v) { return th_is_float_word(v) || th_is_kind(v, TH_OBJ_FLOAT); }
bool nix_is_applicable(th_machine *m, th_value v); /* a function, or a set with __functor */
/* "an integer", "a path", "a set", "the built-in function 'map'" ... */
const char *nix_type_word(th_machine *m, th_value v, char buf[96]);
static inline bool nix_has_context(th_value text) { return th_string_context(text) != TH_V_NULL; }

/* The name of the builtin that a function is or applies, without "nix."; NULL: it is of a program. */
const char *nix_builtin_name(th_machine *m, th_value fn);

/* ---- Traps about values ------------------------------------------------------------------------------------- */

th_step nix_expected(th_machine *m, const char *what, th_value found);   /* "expected a list but found an integer: 5" */
bool nix_want_text(th_machine *m, th_value v, th_view *out) TH_CHECKED;  /* evaluated; any context */
bool nix_want_plain(th_machine *m, th_value v, th_view *out) TH_CHECKED; /* without context */
bool nix_want_bool(th_machine *m, th_value v, bool *out) TH_CHECKED;
bool nix_want_int(th_machine *m, th_value v, int64_t *out) TH_CHECKED;
bool nix_want_float(th_machine *m, th_value v, double *out) TH_CHECKED; /* integers too */
/* "attribute 'x' missing", with the name that was perhaps meant. */
th_step nix_missing(th_machine *m, th_value set, th_view name);
/* A member of `builtins` that is no function. */
bool nix_constant_value(th_machine *m, th_view name, th_value *out) TH_CHECKED;
bool nix_symbol(th_machine *m, th_view name, th_symbol *out) TH_CHECKED;
/* Argument i is a function, evaluated: true. Else *step is what the builtin returns now; it is entered again in
** `state`. */
bool nix_function_ready(th_machine *m, th_call *call, size_t i, uint32_t state, th_step *step) TH_CHECKED;

/* ---- Other builtins ----------------------------------------------------------------------------------------- */

typedef enum nix_internal {
    NIX_I_ADD,
    NIX_I_EQUAL,
    NIX_I_LESS,
    NIX_I_COERCE,
    NIX_I_COERCE_ITEMS,
    NIX_I_CONCAT_LIST,
    NIX_I_PATH_LIST,
    NIX_I_DEEP_FORCE,
    NIX_I_FORCE_ITEMS,
    NIX_I_SEQ,
    NIX_I_CONSTANT,
    NIX_I_ELEM,
    NIX_I_PRINT,
    NIX_I_REPR,
    NIX_I_AUTO_CALL,
    NIX_I_SELECT_PATH,
    NIX_I_SELECT_PATH_WITH,
    NIX_I_TO_JSON,
    NIX_I_TO_XML,
    NIX_I_IMPORT,
    NIX_I_FIND_FILE,
    NIX_I_COPY_PATH,
    NIX_I_MAP,
    NIX_I_GEN_LIST,
    NIX_I_ADD_NUMBERS,
    NIX_I_LESS_THAN,
    NIX_I_REMOVE_ATTRS,
    NIX_I_LIST_TO_ATTRS,
    NIX_I_CAT_ATTRS,
    NIX_I_ZIP_ATTRS,
    NIX_I_CONCAT_LISTS,
    NIX_I_CONCAT_STRINGS_SEP,
    NIX_I_REPLACE_STRINGS,
    NIX_I_SUBSTRING,
    NIX_I_STRING_LENGTH,
    NIX_I_THROW,
    NIX_I_ABORT,
    NIX_I_UNSAFE_DISCARD,
    NIX_I_DISCARD_OUTPUT,
    NIX_I_ADD_DRV_OUTPUTS,
    NIX_I_APPEND_CONTEXT,
    NIX_I_FUNCTION_ARGS,
    NIX_I_READ_FILE,
    NIX_I_HASH_FILE,
    NIX_I_PATH_EXISTS,
    NIX_I_READ_FILE_TYPE,
    NIX_I_READ_DIR,
    NIX_I_BASE_NAME_OF,
    NIX_I_DIR_OF,
    NIX_I_TO_PATH,
    NIX_I_SCOPED_IMPORT,
    NIX_I_GET_ATTR,
    NIX_I_DERIVATION_STRICT,
    NIX_I_COUNT
} nix_internal;
th_value nix_internal_value(const nix_state *state, nix_internal which); /* TH_V_ABSENT: not registered */

/* Whether the function value is that builtin. */
bool nix_is_internal(th_machine *m, const nix_state *state, th_value fn, nix_internal which);

/* Names that the library looks up all the time, interned when the state is made. */
typedef enum nix_name_id {
    NIX_S_NAME,
    NIX_S_VALUE,
    NIX_S_KEY,
    NIX_S_TYPE,
    NIX_S_OUT_PATH,
    NIX_S_DRV_PATH,
    NIX_S_TO_STRING,
    NIX_S_FUNCTOR,
    NIX_S_OVERRIDES,
    NIX_S_START_SET,
    NIX_S_OPERATOR,
    NIX_S_PATH,
    NIX_S_ALL_OUTPUTS,
    NIX_S_OUTPUTS,
    NIX_S_COUNT
} nix_name_id;
th_symbol nix_name_symbol(const nix_state *state, nix_name_id which);

/* A thunk of an internal builtin applied to 1 to 3 arguments; as the result: with nix_tail. */
bool nix_later(th_machine *m, nix_internal fn, const th_value *args, size_t n, th_value *out) TH_CHECKED;
th_step nix_tail(th_machine *m, th_call *call, nix_internal fn, const th_value *args, size_t n);
/* The same call once more, after `wanted` was evaluated. */
th_step nix_after(th_machine *m, th_call *call, nix_internal self, size_t nargs, th_value wanted);
/* The same call once more, with argument `which` replaced. */
th_step nix_again(th_machine *m, th_call *call, nix_internal self, size_t nargs, size_t which, th_value instead);
/* ... by the same list after its items were evaluated; and in NIX_ITEMS_NAMES, their fields `name`. */
enum { NIX_ITEMS_VALUES = 0, NIX_ITEMS_NAMES = 1 };
th_step nix_after_items(th_machine *m, th_call *call, nix_internal self, size_t nargs, size_t which, int mode);
/* ... by what it is coerced to. */
th_step nix_after_coerce(th_machine *m, th_call *call, nix_internal self, size_t nargs, size_t which, uint32_t flags);

/* ---- Text --------------------------------------------------------------------------------------------------- */

/* One text of many; contexts are joined. */
bool nix_concat_texts(th_machine *m, const th_value *parts, size_t n, th_view separator, th_value *out) TH_CHECKED;
/* A text of the same context as `like`. */
bool nix_text_like(th_machine *m, th_view text, th_value like, th_value *out) TH_CHECKED;
bool nix_text_of_buf(th_machine *m, th_buf *buf, th_value *out) TH_CHECKED; /* clears the buffer */
/* a + b where a is no number. */
th_step nix_add_texts(th_machine *m, th_call *call, th_value a, th_value b);
bool nix_path_of_texts(th_machine *m, const th_value *parts, size_t n, th_value *out) TH_CHECKED;

/* ---- Quick answers about evaluated values: -1 when it takes a walk ------------------------------------------ */

int nix_quick_equal(th_value a, th_value b, bool nested);
int nix_quick_less(th_value a, th_value b);
th_step nix_incomparable(th_machine *m, th_value a, th_value b);

/* ---- Printing ----------------------------------------------------------------------------------------------- */

void nix_print_short(th_machine *m, th_value v, th_buf *out); /* for messages: one line, cut, evaluates nothing */
void nix_print_error(th_machine *m, th_value v, th_buf *out); /* a few levels, as errors and trace show values */
/* As builtins.trace shows it. False: a trap is recorded. */
bool nix_print_trace(th_machine *m, th_value v, th_buf *out) TH_CHECKED;
void nix_print_name(th_view name, th_buf *out); /* an attribute's name, quoted where it must be */
bool nix_place_set(th_machine *m, const th_place *place, th_value *out) TH_CHECKED; /* { file, line, column } or null */

/* For walks of any depth: whether to go into a list or set. -1: a trap is recorded; 0: it was walked before, or holds
** nothing; 1: it is to be walked (a set is made flat). Uses the first slots of the builtin, classes "vi", the first
** TH_V_NULL to begin with. */
enum { NIX_WALK_SLOTS = 2 };
int nix_walk_enters(th_machine *m, th_call *call, th_value *container);

/* The facts of a set-pattern parameter: calls `found` for each formal; false: there is no pattern. */
bool nix_each_formal(th_machine *m, th_value fn, bool (*found)(void *user, th_view name, bool optional), void *user,
                     bool *ellipsis);

#endif
