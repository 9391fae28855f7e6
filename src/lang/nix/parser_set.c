/*
** parser_set.c - attribute paths, and sets: bindings, their merging, duplicates.
**
** A set's bindings are put into it as they are read, for those of another path may be merged into it later. While
** parsing, `integer` of a LET, ATTRS or LET_BODY holds how many bindings (low half) and dynamic ones (high half) its
** arrays have room for. A set of more than LINEAR bindings is searched through the parser's table of keys, which all of them share.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/parser.h"

enum { LINEAR = 8 };

/* ---- Attribute paths ---------------------------------------------------------------------------------------- */

nix_step nix_names(nix_parser *p, nix_names_for what, nix_place from, nix_expr *left) {
    nix_frame *f = nix_push(p, NIX_F_NAMES, from);
    if (!f) return NIX_STEP_FAIL;
    f->op = (uint8_t)what;
    f->left = left;
    f->mark = (uint32_t)p->nnames;
    return NIX_STEP_NAME;
}

nix_step nix_add_name(nix_parser *p, nix_name name, nix_expr *expr, th_span span) {
    if (!name && nix_top(p)->op == NIX_FOR_INHERIT) {
        nix_error(&p->lx, span, "dynamic attributes not allowed in inherit");
        nix_hint(&p->lx, "write it as a binding: ${...} = ...;");
        return NIX_STEP_FAIL;
    }
    if (!nix_grow(p, (void **)&p->names, &p->names_capacity, p->nnames + 1, sizeof *p->names)) return NIX_STEP_FAIL;
    p->names[p->nnames++] = (nix_attr_name){name, expr, span};
    return NIX_STEP_NAMED;
}

nix_step nix_name_step(nix_parser *p) {
    switch (nix_kind_of(p)) {
    case NIX_T_ID:
    case NIX_T_OR_WORD: {
        nix_name name = p->lx.name;
        th_span span = nix_token_span(&p->lx);
        nix_advance(p);
        return nix_add_name(p, name, NULL, span);
    }
    case NIX_T_QUOTE: return nix_string(p, true);
    case NIX_T_DOLLAR_BRACE:
        if (!nix_push(p, NIX_F_DYNAMIC, p->lx.start)) return NIX_STEP_FAIL;
        nix_advance(p);
        return NIX_STEP_FULL;
    default: return nix_unexpected(p, nix_top(p)->op == NIX_FOR_INHERIT ? NULL : "identifier or 'or' or '${' or '\"'");
    }
}

bool nix_literal(const nix_expr *e, th_view *text) {
    if (e->kind != NIX_STRING || e->nparts > 1 || (e->nparts == 1 && e->parts->expr)) return false;
    *text = e->nparts ? e->parts->text : (th_view){"", 0};
    return true;
}

nix_step nix_dynamic_named(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    if (nix_kind_of(p) != NIX_T_RBRACE) return nix_unexpected(p, "'}'");
    nix_pop(p);
    nix_advance(p);
    th_span span = nix_between(from, p->lx.last_end);
    th_view text;
    if (!nix_literal(p->value, &text)) return nix_add_name(p, NULL, p->value, span);
    nix_name name = nix_intern(&p->lx, text);
    return name ? nix_add_name(p, name, NULL, span) : NIX_STEP_FAIL;
}

/* The names from the top frame's mark on become the path of `e`, and the frame ends. */
static bool take_path(nix_parser *p, nix_expr *e) {
    const nix_frame *f = nix_top(p);
    size_t n = p->nnames - f->mark;
    e->path = th_arena_copy(p->arena, p->names + f->mark, n * sizeof *e->path);
    if (!e->path) return nix_parser_no_memory(p), false;
    e->npath = (uint32_t)n;
    e->span = nix_between(f->from, p->lx.last_end);
    p->nnames = f->mark;
    nix_pop(p);
    return true;
}

/* e.path, and perhaps `or`; errors name where it begins. */
static nix_step end_select(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    nix_expr *e = nix_node(p, NIX_SELECT, nix_between(from, p->lx.last_end));
    if (!e) return NIX_STEP_FAIL;
    e->left = nix_top(p)->left;
    if (!take_path(p, e)) return NIX_STEP_FAIL;
    if (nix_kind_of(p) != NIX_T_OR_WORD) return nix_give(p, e, from, NIX_STEP_SELECT);
    nix_frame *f = nix_push(p, NIX_F_OR_DEFAULT, from);
    if (!f) return NIX_STEP_FAIL;
    f->left = e;
    nix_advance(p);
    return NIX_STEP_SIMPLE;
}

static nix_step end_has(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    nix_expr *e = nix_top(p)->left;
    return take_path(p, e) ? nix_give(p, e, from, NIX_STEP_OPERATOR) : NIX_STEP_FAIL;
}

/* ---- The table of keys -------------------------------------------------------------------------------------- */

static nix_key *key_slot(const nix_parser *p, const nix_expr *set, nix_name name) {
    size_t mask = p->keys_capacity - 1;
    size_t i = th_hash_word((uintptr_t)set * 31 + (uintptr_t)name) & mask;
    while (p->keys[i].set && (p->keys[i].set != set || p->keys[i].name != name)) i = (i + 1) & mask;
    return &p->keys[i];
}

static bool more_keys(nix_parser *p) {
    nix_parser bigger = {.keys_capacity = p->keys_capacity ? p->keys_capacity * 2 : 64};
    bigger.keys = th_mem_zeroed(p->mem, bigger.keys_capacity * sizeof *bigger.keys);
    if (!bigger.keys) return nix_parser_no_memory(p), false;
    for (size_t i = 0; i < p->keys_capacity; i++)
        if (p->keys[i].set) *key_slot(&bigger, p->keys[i].set, p->keys[i].name) = p->keys[i];
    th_mem_free(p->mem, p->keys, p->keys_capacity * sizeof *p->keys);
    p->keys = bigger.keys;
    p->keys_capacity = bigger.keys_capacity;
    return true;
}

static bool add_key(nix_parser *p, const nix_expr *set, nix_name name, uint32_t index) {
    if (p->nkeys >= p->keys_capacity / 2 && !more_keys(p)) return false;
    *key_slot(p, set, name) = (nix_key){set, name, index};
    p->nkeys++;
    return true;
}

/* NULL: there is none. */
static const nix_key *find_key(const nix_parser *p, const nix_expr *set, nix_name name) {
    const nix_key *key = p->keys_capacity ? key_slot(p, set, name) : NULL;
    return key && key->set ? key : NULL;
}

/* ---- Sets --------------------------------------------------------------------------------------------------- */

static uint32_t room_of(const nix_expr *set, bool dynamic) {
    return (uint32_t)((uint64_t)set->integer >> (dynamic ? 32 : 0));
}

/* An array of the arena has room for one more. */
static bool make_room(nix_parser *p, nix_expr *set, bool dynamic, void **array, uint32_t n, size_t item_bytes) {
    uint32_t room = room_of(set, dynamic);
    if (n < room) return true;
    uint64_t more = room ? (uint64_t)room * 2 : 2, other = room_of(set, !dynamic);
    void *items = more < UINT32_MAX ? th_arena_new(p->arena, more * item_bytes) : NULL;
    if (!items) return nix_parser_no_memory(p), false;
    if (n) memcpy(items, *array, n * item_bytes);
    *array = items;
    set->integer = (int64_t)(dynamic ? more << 32 | other : other << 32 | more);
    return true;
}

static nix_binding *find_binding(const nix_parser *p, const nix_expr *set, nix_name name) {
    if (set->nbindings > LINEAR) {
        const nix_key *key = find_key(p, set, name);
        return key ? &set->bindings[key->index] : NULL;
    }
    for (uint32_t i = 0; i < set->nbindings; i++)
        if (set->bindings[i].name == name) return &set->bindings[i];
    return NULL;
}

/* One that the set has not. */
static bool append_binding(nix_parser *p, nix_expr *set, nix_binding binding) {
    if (!make_room(p, set, false, (void **)&set->bindings, set->nbindings, sizeof binding)) return false;
    set->bindings[set->nbindings++] = binding;
    if (set->nbindings <= LINEAR) return true;
    for (uint32_t i = set->nbindings == LINEAR + 1 ? 0 : set->nbindings - 1; i < set->nbindings; i++)
        if (!add_key(p, set, set->bindings[i].name, i)) return false;
    return true;
}

static bool append_dynamic(nix_parser *p, nix_expr *set, nix_dynamic dynamic) {
    if (!make_room(p, set, true, (void **)&set->dynamics, set->ndynamics, sizeof dynamic)) return false;
    set->dynamics[set->ndynamics++] = dynamic;
    return true;
}

/* ---- Duplicates and merging --------------------------------------------------------------------------------- */

typedef struct merge { /* of the bindings of `from`, from number `next` on, into `into` */
    nix_expr *into, *from;
    uint32_t next;
} merge;

typedef struct merges {
    merge *items;
    size_t len, capacity;
} merges;

static void put_name(th_buf *out, nix_name name) {
    if (out->len) th_buf_char(out, '.');
    th_buf_put(out, name->bytes, name->len);
}

/* `names`: the path up to the one that is there already; `inner`: the sets that were being merged below it. */
static void duplicate(nix_parser *p, const nix_attr_name *names, size_t n, const merges *inner, th_span at,
                      th_span before) {
    th_buf path;
    th_buf_init(&path, p->mem);
    for (size_t i = 0; i < n; i++)
        if (names[i].name) put_name(&path, names[i].name);
    for (size_t i = 0; inner && i < inner->len; i++)
        put_name(&path, inner->items[i].from->bindings[inner->items[i].next].name);
    if (path.failed) nix_parser_no_memory(p);
    nix_error(&p->lx, at, "attribute '%s' already defined at %s:%u:%u", path.data ? path.data : "", p->lx.file,
              before.line, before.column);
    th_buf_clear(&path);
}

static bool is_set(const nix_expr *e) { return e && e->kind == NIX_ATTRS; }

static bool push_merge(nix_parser *p, merges *m, nix_expr *into, nix_expr *from) {
    if (!nix_grow(p, (void **)&m->items, &m->capacity, m->len + 1, sizeof *m->items)) return false;
    m->items[m->len++] = (merge){into, from, 0};
    return true;
}

/* One binding of the innermost merge. */
static bool merge_one(nix_parser *p, merges *m, const nix_attr_name *names, size_t n) {
    merge *top = &m->items[m->len - 1];
    const nix_binding *b = &top->from->bindings[top->next];
    const nix_binding *there = find_binding(p, top->into, b->name);
    if (!there) {
        top->next++;
        return append_binding(p, top->into, *b);
    }
    if (is_set(there->value) && is_set(b->value)) return push_merge(p, m, there->value, b->value);
    duplicate(p, names, n, m, b->span, there->span);
    return false;
}

static bool end_merge(nix_parser *p, merges *m) {
    merge top = m->items[--m->len];
    for (uint32_t i = 0; i < top.from->ndynamics; i++)
        if (!append_dynamic(p, top.into, top.from->dynamics[i])) return false;
    if (m->len) m->items[m->len - 1].next++;
    return true;
}

/* All that is in the set `from` goes into `into`; a `rec` of `from` is lost, as it always was. */
static bool merge_sets(nix_parser *p, nix_expr *into, nix_expr *from, const nix_attr_name *names, size_t n) {
    merges m = {0};
    bool ok = push_merge(p, &m, into, from);
    while (ok && m.len) {
        const merge *top = &m.items[m.len - 1];
        ok = top->next < top->from->nbindings ? merge_one(p, &m, names, n) : end_merge(p, &m);
    }
    th_mem_free(p->mem, m.items, m.capacity * sizeof *m.items);
    return ok;
}

/* The set that the first n names of the path lead to from `set`, made where there is none; NULL: told. */
static nix_expr *descend(nix_parser *p, nix_expr *set, const nix_attr_name *names, size_t n, th_span span) {
    for (size_t i = 0; i < n; i++) {
        const nix_binding *there = names[i].name ? find_binding(p, set, names[i].name) : NULL;
        if (there && !is_set(there->value)) return duplicate(p, names, i + 1, NULL, span, there->span), NULL;
        nix_expr *inner = there ? there->value : nix_node(p, NIX_ATTRS, span);
        if (!inner) return NULL;
        bool ok = true;
        if (!names[i].name)
            ok = append_dynamic(p, set, (nix_dynamic){names[i].expr, inner, span});
        else if (!there)
            ok = append_binding(p, set, (nix_binding){.name = names[i].name, .value = inner, .span = span});
        if (!ok) return NULL;
        set = inner;
    }
    return set;
}

/* path = value; in a set. */
static bool bind(nix_parser *p, nix_expr *set, const nix_attr_name *names, size_t n, nix_expr *value, th_span span) {
    set = descend(p, set, names, n - 1, span);
    if (!set) return false;
    nix_name name = names[n - 1].name;
    if (!name) return append_dynamic(p, set, (nix_dynamic){names[n - 1].expr, value, span});
    const nix_binding *there = find_binding(p, set, name);
    if (!there) return append_binding(p, set, (nix_binding){.name = name, .value = value, .span = span});
    if (is_set(there->value) && is_set(value)) return merge_sets(p, there->value, value, names, n);
    duplicate(p, names, n, NULL, span, there->span);
    return false;
}

/* ---- Bindings ----------------------------------------------------------------------------------------------- */

nix_step nix_bindings(nix_parser *p, nix_kind kind, bool recursive, nix_place from) {
    nix_expr *set = nix_node(p, kind, nix_between(from, from));
    nix_frame *f = set ? nix_push(p, NIX_F_BINDINGS, from) : NULL;
    if (!f) return NIX_STEP_FAIL;
    set->recursive = recursive;
    f->left = set;
    return NIX_STEP_BINDING;
}

static nix_step end_bindings(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_expr *set = f->left;
    nix_place from = f->from;
    nix_advance(p);
    if (set->kind == NIX_LET) {
        f->kind = NIX_F_LET_BODY;
        return NIX_STEP_FULL;
    }
    set->span = set->at = nix_between(from, p->lx.last_end);
    nix_pop(p);
    return nix_give(p, set, from, NIX_STEP_POSTFIX);
}

static nix_step begin_inherit(nix_parser *p) {
    nix_advance(p);
    if (nix_kind_of(p) != NIX_T_LPAREN) {
        if (nix_names(p, NIX_FOR_INHERIT, p->lx.start, NULL) == NIX_STEP_FAIL) return NIX_STEP_FAIL;
        return NIX_STEP_NAMED;
    }
    if (!nix_push(p, NIX_F_FROM, p->lx.start)) return NIX_STEP_FAIL;
    nix_advance(p);
    return NIX_STEP_FULL;
}

nix_step nix_inherit_from(nix_parser *p) {
    if (nix_kind_of(p) != NIX_T_RPAREN) return nix_unexpected(p, "')'");
    nix_pop(p);
    nix_advance(p);
    if (nix_names(p, NIX_FOR_INHERIT, p->lx.start, p->value) == NIX_STEP_FAIL) return NIX_STEP_FAIL;
    return NIX_STEP_NAMED;
}

nix_step nix_binding_step(nix_parser *p) {
    nix_kind kind = nix_top(p)->left->kind;
    bool plain = kind == NIX_ATTRS && !nix_top(p)->left->recursive;
    switch (nix_kind_of(p)) {
    case NIX_T_ID:
    case NIX_T_OR_WORD:
    case NIX_T_QUOTE:
    case NIX_T_DOLLAR_BRACE: return nix_names(p, NIX_FOR_BINDING, p->lx.start, NULL);
    case NIX_T_INHERIT: return begin_inherit(p);
    case NIX_T_RBRACE:
        if (kind != NIX_LET) return end_bindings(p);
        break;
    case NIX_T_IN:
        if (kind == NIX_LET) return end_bindings(p);
        break;
    default: break;
    }
    return nix_unexpected(p, kind == NIX_LET ? "'in' or 'inherit'" : plain ? "'inherit'" : "'inherit' or '}'");
}

/* The names of an `inherit`, at its semicolon. */
static nix_step end_inherit(nix_parser *p) {
    const nix_frame *f = nix_top(p);
    nix_expr *set = f[-1].left;
    for (size_t i = f->mark; i < p->nnames; i++) {
        const nix_attr_name *n = &p->names[i];
        const nix_binding *there = find_binding(p, set, n->name);
        if (there) {
            duplicate(p, n, 1, NULL, n->span, there->span);
            return NIX_STEP_FAIL;
        }
        nix_binding binding = {.name = n->name, .from = f->left, .inherited = true, .span = n->span};
        if (!append_binding(p, set, binding)) return NIX_STEP_FAIL;
    }
    p->nnames = f->mark;
    nix_pop(p);
    nix_advance(p);
    return NIX_STEP_BINDING;
}

nix_step nix_bound(nix_parser *p) {
    if (nix_kind_of(p) != NIX_T_SEMICOLON) return nix_unexpected(p, "';'");
    const nix_frame *f = nix_top(p);
    th_span span = nix_between(f->from, f->inner_end);
    if (!bind(p, f[-1].left, p->names + f->mark, p->nnames - f->mark, p->value, span)) return NIX_STEP_FAIL;
    p->nnames = f->mark;
    nix_pop(p);
    nix_advance(p);
    return NIX_STEP_BINDING;
}

nix_step nix_named_step(nix_parser *p) {
    nix_frame *f = nix_top(p);
    nix_token kind = nix_kind_of(p);
    if (f->op == NIX_FOR_INHERIT) return kind == NIX_T_SEMICOLON ? end_inherit(p) : NIX_STEP_NAME;
    if (kind == NIX_T_DOT) {
        nix_advance(p);
        return NIX_STEP_NAME;
    }
    if (f->op == NIX_FOR_SELECT) return end_select(p);
    if (f->op == NIX_FOR_HAS) return end_has(p);
    if (kind != NIX_T_ASSIGN) return nix_unexpected(p, "'.' or '='");
    f->kind = NIX_F_VALUE;
    f->inner_end = p->lx.last_end;
    nix_advance(p);
    return NIX_STEP_FULL;
}

/* ---- Formals ------------------------------------------------------------------------------------------------ */

static bool earlier_formal(nix_parser *p, const nix_expr *lambda, uint32_t at, uint32_t *earlier) {
    nix_name name = lambda->formals[at].name;
    if (lambda->nformals > LINEAR) {
        const nix_key *key = find_key(p, lambda, name);
        if (key) return *earlier = key->index, true;
        add_key(p, lambda, name, at); /* the caller sees a failure */
        return false;
    }
    for (*earlier = 0; *earlier < at; ++*earlier)
        if (lambda->formals[*earlier].name == name) return true;
    return false;
}

static bool duplicate_formal(nix_parser *p, nix_name name, th_span span) {
    nix_error(&p->lx, span, "duplicate formal function argument '%.*s'", (int)name->len, name->bytes);
    return false;
}

/* Of several, the one whose name comes first is told. */
bool nix_check_formals(nix_parser *p, nix_expr *lambda) {
    uint32_t first = UINT32_MAX, second = 0, earlier = 0;
    bool argument = false;
    for (uint32_t i = 0; i < lambda->nformals; i++) {
        if (earlier_formal(p, lambda, i, &earlier) && earlier < first) {
            first = earlier;
            second = i;
        }
        if (lambda->formals[i].name == lambda->name) argument = true;
    }
    if (nix_failed(p)) return false;
    if (first != UINT32_MAX) return duplicate_formal(p, lambda->formals[second].name, lambda->formals[second].span);
    if (!argument) return true;
    nix_place from = nix_top(p)->from;
    return duplicate_formal(p, lambda->name, nix_between(from, p->lx.last_end));
}
