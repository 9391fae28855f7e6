/*
** types.c - Nix: what a value is, evaluating for its own sake, and functions' arguments.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/builtin.h"

const th_dynamic_words nix_words = {.names = {
                                        [TH_VK_NULL] = "null",
                                        [TH_VK_BOOL] = "a Boolean",
                                        [TH_VK_INT] = "an integer",
                                        [TH_VK_FLOAT] = "a float",
                                        [TH_VK_BIG] = "an integer",
                                        [TH_VK_STRING] = "a string",
                                        [TH_VK_ARRAY] = "a list",
                                        [TH_VK_PAIR] = "a pair",
                                        [TH_VK_EMPTY] = "an empty list",
                                        [TH_VK_RECORD] = "a set",
                                        [TH_VK_FUNCTION] = "a function",
                                        [TH_VK_THUNK] = "a thunk",
                                        [TH_VK_ERROR] = "an error",
                                        [TH_VK_OTHER] = "a value",
                                    }};

/* ---- What it is -------------------------------------------------------------------------------------------------- */

static th_step type_of(th_machine *m, th_call *call) {
    th_value v = th_deref(call->args[0]);
    const char *name = "value";
    switch (th_value_kind_of(v)) {
    case TH_VK_NULL: name = "null"; break;
    case TH_VK_BOOL: name = "bool"; break;
    case TH_VK_INT:
    case TH_VK_BIG: name = "int"; break;
    case TH_VK_FLOAT: name = "float"; break;
    case TH_VK_STRING: name = nix_is_path(v) ? "path" : "string"; break;
    case TH_VK_ARRAY:
    case TH_VK_PAIR:
    case TH_VK_EMPTY: name = "list"; break;
    case TH_VK_RECORD: name = "set"; break;
    case TH_VK_FUNCTION: name = "lambda"; break;
    case TH_VK_THUNK:
    case TH_VK_ERROR:
    case TH_VK_OTHER: break;
    }
    th_symbol symbol; /* symbols' texts are there once and for all */
    if (!nix_symbol(m, th_view_of(name), &symbol)) return TH_STEP_ERROR;
    return nix_done(call, th_symbol_string(th_machine_heap(m), symbol));
}

static th_step is_null(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, th_deref(call->args[0]) == TH_V_NULL);
}
static th_step is_function(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_function(th_deref(call->args[0])));
}
static th_step is_int(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_int(th_deref(call->args[0])));
}
static th_step is_float(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_float(th_deref(call->args[0])));
}
static th_step is_string(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_text(th_deref(call->args[0])));
}
static th_step is_bool(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, th_is_bool(th_deref(call->args[0])));
}
static th_step is_path(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_path(th_deref(call->args[0])));
}
static th_step is_list(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_list(th_deref(call->args[0])));
}
static th_step is_attrs(th_machine *m, th_call *call) {
    (void)m;
    return nix_done_bool(call, nix_is_set(th_deref(call->args[0])));
}

/* ---- Evaluating -------------------------------------------------------------------------------------------------- */

static th_step second(th_machine *m, th_call *call) {
    (void)m;
    return nix_done(call, call->args[1]);
}

static th_step first(th_machine *m, th_call *call) {
    (void)m;
    return nix_done(call, call->args[0]);
}

static bool is_leaf(th_value v) { return !nix_is_list(v) && !nix_is_set(v); }

static th_step deep_seq(th_machine *m, th_call *call) {
    if (is_leaf(th_deref(call->args[0]))) return nix_done(call, call->args[1]);
    th_value all[2] = {TH_V_NULL, call->args[1]};
    if (!nix_later(m, NIX_I_DEEP_FORCE, call->args, 1, &all[0])) return TH_STEP_ERROR;
    return nix_tail(m, call, NIX_I_SEQ, all, 2);
}

/* A walk of containers on the stack: each with the number of its next item. Containers are known again by a weak
** table, which is kept only once the walk is long: a value that is small is walked as a tree, and one that
** is cyclic, or holds the same things many times over, makes the walk long. */
enum { W_SEEN, W_COUNT };
enum { W_START, W_FORCED };
enum { W_LONG = 2048, W_SMALL = 32 };

static bool all_leaves(const th_value *items, size_t n) {
    if (n > W_SMALL) return false;
    for (size_t i = 0; i < n; i++) {
        th_value v = items[i];
        if (!th_evaluated(&v) || !is_leaf(v)) return false;
    }
    return true;
}

int nix_walk_enters(th_machine *m, th_call *call, th_value *container) {
    th_heap *heap = th_machine_heap(m);
    size_t n;
    if (nix_is_set(*container)) {
        if (!th_record_flat(heap, *container, container)) return (void)nix_no_memory(m), -1;
        n = th_record_shape(heap, *container)->count;
    } else {
        n = th_array_len(*container);
    }
    if (n == 0) return 0;
    if (++call->slots[W_COUNT] < W_LONG || all_leaves(th_obj(*container) + 1, n)) return 1;
    if (call->slots[W_SEEN] == TH_V_NULL && !th_weak_new(heap, &call->slots[W_SEEN])) return (void)nix_no_memory(m), -1;
    th_value key = th_shared(*container);
    if (th_weak_get(heap, call->slots[W_SEEN], key) != TH_V_ABSENT) return 0;
    if (!th_weak_set(heap, call->slots[W_SEEN], key, TH_V_TRUE)) return (void)nix_no_memory(m), -1;
    return 1;
}

static th_step deep_force(th_machine *m, th_call *call) {
    th_heap *heap = th_machine_heap(m);
    int64_t work = 1;
    if (!heap) return TH_STEP_ERROR;
    th_value v = TH_V_NULL;
    if (call->state == W_START) {
        call->slots[W_SEEN] = TH_V_NULL;
        v = th_deref(call->args[0]);
    } else {
        v = th_deref(call->callback);
    }
    for (;;) {
        if (!is_leaf(v)) {
            int walks = nix_walk_enters(m, call, &v);
            if (walks < 0 || (walks && (!th_call_push(m, call, v) || !th_call_push_raw(m, call, 0))))
                return TH_STEP_ERROR;
        }
        size_t depth = th_call_depth(m, call);
        if (depth == 0) break;
        th_value *top = th_call_stack(m, call) + depth - 2;
        const th_value *items = th_obj(top[0]) + 1;
        size_t i = (size_t)th_int(top[1]),
               n = nix_is_list(top[0]) ? th_array_len(top[0]) : th_record_shape(heap, top[0])->count;
        v = TH_V_NULL;
        for (; i < n; i++, work++) {
            v = items[i];
            if (!th_evaluated(&v) || !is_leaf(v)) break;
        }
        work += 2;
        if (work >= 4096) {
            NIX_CHARGE(m, work);
            work = 0;
        }
        if (i == n) {
            v = TH_V_NULL;
            (void)th_call_pop(m, call);
            (void)th_call_pop(m, call);
            continue;
        }
        top[1] = th_of_int((int64_t)i + 1);
        if (!th_is_unevaluated(v)) continue;
        NIX_CHARGE(m, work);
        return th_call_force(m, call, v, W_FORCED);
    }
    NIX_CHARGE(m, work);
    return nix_done(call, th_deref(call->args[0]));
}

/* The same list, its items evaluated; NIX_ITEMS_NAMES: they are sets, and their fields `name` are evaluated too. */
static th_step force_items(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    if (!state || !heap) return TH_STEP_ERROR;
    bool names = th_int(call->args[1]) == NIX_ITEMS_NAMES;
    const th_value *items = th_array_items(call->args[0]);
    size_t n = th_array_len(call->args[0]);
    for (; call->slots[0] < n; call->slots[0]++) {
        if (call->slots[0] % 1024 == 0) NIX_CHARGE(m, n - call->slots[0] < 1024 ? n - call->slots[0] : 1024);
        th_value v = items[call->slots[0]];
        if (!th_evaluated(&v)) return th_call_force(m, call, v, 1);
        if (!names) continue;
        if (!nix_is_set(v)) return nix_expected(m, "a set", v);
        th_value name = th_record_get(heap, v, nix_name_symbol(state, NIX_S_NAME));
        if (name != TH_V_ABSENT && !th_evaluated(&name)) return th_call_force(m, call, name, 1);
    }
    return nix_done(call, call->args[0]);
}

/* ---- Functions' arguments ---------------------------------------------------------------------------------------- */

typedef struct formals {
    th_machine *m;
    th_symbol *keys;
    th_value *values;
    size_t n, capacity;
    bool failed;
} formals;

static bool count_formal(void *user, th_view name, bool optional) {
    (void)name;
    (void)optional;
    ((formals *)user)->capacity++;
    return true;
}

static bool add_formal(void *user, th_view name, bool optional) {
    formals *f = user;
    if (f->n == f->capacity || !nix_symbol(f->m, name, &f->keys[f->n])) return !(f->failed = true);
    f->values[f->n++] = th_of_bool(optional);
    return true;
}

static th_step function_args(th_machine *m, th_call *call) {
    th_value fn = th_deref(call->args[0]), set;
    bool ellipsis;
    if (!nix_is_function(fn)) return th_machine_trap(m, TH_E_TYPE, "'functionArgs' requires a function");
    formals f = {.m = m};
    (void)nix_each_formal(m, fn, count_formal, &f, &ellipsis);
    size_t capacity = f.capacity;
    NIX_CHARGE(m, capacity + 1);
    f.keys = nix_scratch(m, capacity, sizeof *f.keys);
    f.values = f.keys ? nix_scratch(m, capacity, sizeof *f.values) : NULL;
    th_step step = TH_STEP_ERROR;
    if (f.values) {
        (void)nix_each_formal(m, fn, add_formal, &f, &ellipsis);
        if (!f.failed)
            step = th_record_build(th_machine_heap(m), f.keys, f.values, NULL, f.n, &set) ? nix_done(call, set)
                                                                                          : nix_no_memory(m);
    }
    nix_scratch_free(m, f.keys, capacity, sizeof *f.keys);
    nix_scratch_free(m, f.values, capacity, sizeof *f.values);
    return step;
}

/* ---- Calling with what is at hand -------------------------------------------------------------------------------- */

typedef struct chosen {
    th_machine *m;
    th_heap *heap;
    th_value args;
    formals f;
    th_view missing;
} chosen;

static bool choose(void *user, th_view name, bool optional) {
    chosen *c = user;
    th_symbol symbol;
    if (!nix_symbol(c->m, name, &symbol)) return !(c->f.failed = true);
    th_value v = th_record_get(c->heap, c->args, symbol);
    if (v != TH_V_ABSENT && c->f.n < c->f.capacity) {
        c->f.keys[c->f.n] = symbol;
        c->f.values[c->f.n++] = th_shared(v);
    } else if (!optional) {
        c->missing = name;
        return false;
    }
    return true;
}

static th_step call_with(th_machine *m, th_call *call, th_value fn, th_value set) {
    th_value result;
    return th_new_apply(m, fn, &set, 1, &result) ? nix_done(call, result) : TH_STEP_ERROR;
}

/* fn applied to those of the arguments that its pattern names; what is no function with a pattern, as it is. */
static th_step auto_call(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_heap *heap = th_machine_heap(m);
    th_value fn = th_deref(call->args[0]), args = call->args[1], set;
    bool ellipsis;
    if (!state || !heap) return TH_STEP_ERROR;
    if (nix_is_set(fn)) {
        th_value functor = th_record_get(heap, fn, nix_name_symbol(state, NIX_S_FUNCTOR)), again[2] = {TH_V_NULL, args};
        if (functor == TH_V_ABSENT) return nix_done(call, fn);
        if (!th_new_apply(m, functor, &fn, 1, &again[0])) return TH_STEP_ERROR;
        return nix_tail(m, call, NIX_I_AUTO_CALL, again, 2);
    }
    chosen c = {.m = m, .heap = heap, .args = args, .f = {.m = m}};
    if (!nix_each_formal(m, fn, count_formal, &c.f, &ellipsis)) return nix_done(call, fn);
    size_t capacity = c.f.capacity;
    NIX_CHARGE(m, capacity + 1);
    c.f.keys = nix_scratch(m, capacity, sizeof *c.f.keys);
    c.f.values = c.f.keys ? nix_scratch(m, capacity, sizeof *c.f.values) : NULL;
    th_step step = TH_STEP_ERROR;
    if (c.f.values) {
        (void)nix_each_formal(m, fn, choose, &c, &ellipsis);
        if (ellipsis)
            step = call_with(m, call, fn, args);
        else if (c.missing.len)
            step = th_machine_trap(
                m, TH_E_TYPE,
                "cannot evaluate a function that has an argument without a value ('%.*s'): give it with "
                "--arg or --argstr, or write a default in the function",
                (int)(c.missing.len < 300 ? c.missing.len : 300), c.missing.data);
        else if (!c.f.failed)
            step = th_record_build(heap, c.f.keys, c.f.values, NULL, c.f.n, &set) ? call_with(m, call, fn, set)
                                                                                  : nix_no_memory(m);
    }
    nix_scratch_free(m, c.f.keys, capacity, sizeof *c.f.keys);
    nix_scratch_free(m, c.f.values, capacity, sizeof *c.f.values);
    return step;
}

/* ---- Selection paths: a.b.0."c d" -------------------------------------------------------------------------------- */

enum { P_VALUE, P_AT };

/* The next name of the path from *at on into `out`; false: there is none, or the quote is not closed (*open). */
static bool path_step(th_view path, size_t *at, th_buf *out, bool *open) {
    size_t i = *at;
    *open = false;
    if (i >= path.len) return false;
    for (; i < path.len && path.data[i] != '.'; i++) {
        if (path.data[i] != '"') {
            th_buf_char(out, path.data[i]);
            continue;
        }
        for (i++; i < path.len && path.data[i] != '"'; i++) th_buf_char(out, path.data[i]);
        if (i == path.len) return !(*open = true);
    }
    *at = i + 1;
    return true;
}

static th_step step_into(th_machine *m, th_call *call, th_value v, th_view path, th_view name) {
    int64_t index;
    char word[96];
    int np = (int)(path.len < 300 ? path.len : 300), nn = (int)(name.len < 300 ? name.len : 300);
    if (name.len && name.data[0] != '-' && name.data[0] != '+' && th_parse_i64(name, &index)) {
        if (!nix_is_list(v))
            return th_machine_trap(m, TH_E_TYPE,
                                   "the expression selected by the selection path '%.*s' should be a list but is %s",
                                   np, path.data, nix_type_word(m, v, word));
        if ((uint64_t)index >= th_array_len(v))
            return th_machine_trap(m, TH_E_INDEX, "list index %lld in selection path '%.*s' is out of range",
                                   (long long)index, np, path.data);
        call->slots[P_VALUE] = th_array_items(v)[index];
        return TH_STEP_DONE;
    }
    if (!nix_is_set(v))
        return th_machine_trap(m, TH_E_TYPE,
                               "the expression selected by the selection path '%.*s' should be a set but is %s", np,
                               path.data, nix_type_word(m, v, word));
    if (name.len == 0)
        return th_machine_trap(m, TH_E_ARGUMENT, "empty attribute name in selection path '%.*s'", np, path.data);
    th_symbol symbol = th_symbol_find(th_machine_heap(m), name);
    th_value field = symbol ? th_record_get(th_machine_heap(m), v, symbol) : TH_V_ABSENT;
    if (field == TH_V_ABSENT)
        return th_machine_trap(m, TH_E_REFERENCE, "attribute '%.*s' in selection path '%.*s' not found", nn, name.data,
                               np, path.data);
    call->slots[P_VALUE] = field;
    return TH_STEP_DONE;
}

/* Before each step, and not after the last, functions are called with the arguments. */
static th_step select_path_with(th_machine *m, th_call *call) {
    const nix_state *state = nix_state_of(m);
    th_view path;
    if (!state || !th_machine_heap(m) || !nix_want_text(m, call->args[1], &path)) return TH_STEP_ERROR;
    if (call->state == 0) call->slots[P_VALUE] = call->args[0];
    th_buf name;
    th_buf_init(&name, th_machine_mem(m));
    th_step step = TH_STEP_DONE;
    size_t at = (size_t)call->slots[P_AT];
    bool open, more = path_step(path, &at, &name, &open);
    NIX_CHARGE(m, 4);
    if (open) {
        step = th_machine_trap(m, TH_E_ARGUMENT, "missing closing quote in selection path '%.*s'",
                               (int)(path.len < 500 ? path.len : 500), path.data);
    } else if (!more) {
        step = nix_done(call, call->slots[P_VALUE]);
    } else if (name.failed) {
        step = nix_no_memory(m);
    } else if (call->state == 1) {
        call->slots[P_AT] = at;
        step = step_into(m, call, th_deref(call->callback), path, (th_view){name.data ? name.data : "", name.len});
        th_buf_clear(&name);
        if (step != TH_STEP_DONE) return step;
        call->state = 2;
        return TH_STEP_AGAIN;
    } else {
        th_value args[2] = {call->slots[P_VALUE], call->args[2]};
        step = th_call_apply(m, call, nix_internal_value(state, NIX_I_AUTO_CALL), args, 2, 1);
    }
    th_buf_clear(&name);
    return step;
}

static th_step select_path(th_machine *m, th_call *call) {
    th_value args[3] = {call->args[0], call->args[1], TH_V_NULL};
    if (!nix_record(m, NULL, NULL, 0, &args[2])) return TH_STEP_ERROR;
    return nix_tail(m, call, NIX_I_SELECT_PATH_WITH, args, 3);
}

#define STATEFUL TH_BUILTIN_STATEFUL

const th_builtin nix_lib_types[] = {
    {"Nix.deep_force", "v: value -> value", "The value, all of it evaluated.", deep_force, STATEFUL, NIX_WALK_SLOTS,
     "vi", "v"},
    {"Nix.force_items", "list: value, mode: value -> value", "The list, its items evaluated.", force_items, STATEFUL, 1,
     "i", "li"},
    {"Nix.auto_call", "f: value, args: value -> value", "A function called with those arguments that it names.",
     auto_call, 0, 0, NULL, "vd"},
    {"Nix.select_path", "v: value, path: value -> value", "What the selection path leads to.", select_path, 0, 0, NULL,
     ".v"},
    {"Nix.select_path_with", "v: value, path: value, args: value -> value",
     "What the selection path leads to; functions on the way are called with the arguments.", select_path_with,
     STATEFUL, 2, "vi", ".vd"},
    {"nix.typeOf", "e: value -> value",
     "The name of the value's type: \"int\", \"bool\", \"string\", \"path\", \"null\", \"set\", \"list\", \"lambda\" "
     "or "
     "\"float\".",
     type_of, 0, 0, NULL, "v"},
    {"nix.isNull", "e: value -> value", "Whether the value is null.", is_null, 0, 0, NULL, "v"},
    {"nix.isFunction", "e: value -> value", "Whether the value is a function.", is_function, 0, 0, NULL, "v"},
    {"nix.isInt", "e: value -> value", "Whether the value is an integer.", is_int, 0, 0, NULL, "v"},
    {"nix.isFloat", "e: value -> value", "Whether the value is a float.", is_float, 0, 0, NULL, "v"},
    {"nix.isString", "e: value -> value", "Whether the value is a string.", is_string, 0, 0, NULL, "v"},
    {"nix.isBool", "e: value -> value", "Whether the value is true or false.", is_bool, 0, 0, NULL, "v"},
    {"nix.isPath", "e: value -> value", "Whether the value is a path.", is_path, 0, 0, NULL, "v"},
    {"nix.isList", "e: value -> value", "Whether the value is a list.", is_list, 0, 0, NULL, "v"},
    {"nix.isAttrs", "e: value -> value", "Whether the value is a set.", is_attrs, 0, 0, NULL, "v"},
    {"nix.seq", "e1: value, e2: value -> value", "Evaluates e1, then gives e2.", second, 0, 0, NULL, "v."},
    {"nix.deepSeq", "e1: value, e2: value -> value", "Evaluates e1 and everything in it, then gives e2.", deep_seq, 0,
     0, NULL, "v."},
    {"nix.traceVerbose", "e1: value, e2: value -> value", "Gives e2; with verbose tracing, e1 would be shown.", second,
     0, 0, NULL, ".."},
    {"nix.break", "v: value -> value", "Gives its argument: there is no debugger to stop in.", first, 0, 0, NULL, "v"},
    {"nix.functionArgs", "f: value -> value",
     "The names that the function's set pattern takes, each true when it has a default.", function_args, 0, 0, NULL,
     "v"},
};
const size_t nix_lib_types_count = TH_COUNT(nix_lib_types);
