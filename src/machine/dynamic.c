/*
** dynamic.c - values on a machine: its heap, what units bring along for it, places and words for errors, attachments,
** runs that evaluate or apply a value.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/dynamic.h"

#include <stdio.h>

#include "machine/machine_int.h"

/* ---- The heap ----------------------------------------------------------------------------------------------- */

static bool add_function(th_machine *m, const th_fn *fn) {
    if (th_mem_grow(&m->mem, (void **)&m->function_table, &m->functions_capacity, m->nfunctions + 1,
                    sizeof *m->function_table) != TH_OK)
        return false;
    m->function_table[m->nfunctions++] = fn;
    m->functions = m->function_table;
    return true;
}

static th_status make_heap(th_machine *m) {
    if (m->heap) return TH_OK;
    for (uint32_t i = (uint32_t)m->nfunctions; i < TH_INTERNAL_COUNT; i++)
        if (!add_function(m, th_internal_fn(i))) return TH_E_NOMEM;
    th_heap *heap;
    TH_TRY(th_heap_new(&m->mem, th_roots, m, &heap));
    m->functor = th_symbol_of(heap, th_view_of("__functor"));
    if (m->functor == 0) {
        th_heap_free(heap);
        return TH_E_NOMEM;
    }
    m->heap = heap;
    m->epoch = th_heap_epoch(heap);
    return TH_OK;
}

bool th_trap_heap(th_machine *m) { return (void)th_trap_memory(m), false; }

th_heap *th_machine_heap(th_machine *m) {
    if (make_heap(m) != TH_OK) (void)th_trap_memory(m);
    return m->heap;
}

/* Static objects are 16-byte aligned and live as long as the machine. */
static uint64_t *new_static(th_machine *m, size_t bytes) {
    char *block = th_arena_new(&m->statics, bytes + 8);
    return block ? (uint64_t *)(void *)(block + (16 - (uintptr_t)block % 16) % 16) : NULL;
}

/* ---- Words for errors --------------------------------------------------------------------------------------- */

static const th_dynamic_words default_words = {{
    [TH_VK_NULL] = "null",
    [TH_VK_BOOL] = "a boolean",
    [TH_VK_INT] = "an integer",
    [TH_VK_FLOAT] = "a float",
    [TH_VK_BIG] = "an integer",
    [TH_VK_STRING] = "a string",
    [TH_VK_ARRAY] = "a list",
    [TH_VK_PAIR] = "a pair",
    [TH_VK_EMPTY] = "an empty list",
    [TH_VK_RECORD] = "a record",
    [TH_VK_FUNCTION] = "a function",
    [TH_VK_THUNK] = "a value that is not evaluated",
    [TH_VK_ERROR] = "an error",
    [TH_VK_OTHER] = "a value of another kind",
}};

#define SHOWN_BYTES 60

static void print_text(th_view text, th_buf *out) {
    size_t len = text.len;
    if (len > SHOWN_BYTES)
        for (len = SHOWN_BYTES; len > 0 && ((unsigned char)text.data[len] & 0xc0) == 0x80;) len--;
    th_buf_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < 32 || c == 127)
            th_buf_printf(out, "\\x%02x", c);
        else
            th_buf_char(out, (char)c);
    }
    th_buf_text(out, len < text.len ? "...\"" : "\"");
}

static void print_default(th_machine *m, th_value v, th_buf *out) {
    (void)m;
    char text[32];
    int64_t i;
    double x;
    v = th_deref(v);
    if (th_is_bool(v))
        th_buf_text(out, v == TH_V_TRUE ? "true" : "false");
    else if (th_get_i64(v, &i))
        th_buf_printf(out, "%lld", (long long)i);
    else if (th_get_f64(v, &x))
        th_buf_put(out, text, th_format_f64(x, true, text));
    else if (th_is_kind(v, TH_OBJ_STRING))
        print_text(th_string_view(v), out);
    else if (th_is_kind(v, TH_OBJ_BIG))
        TH_IGNORE(th_big_print(v, 10, out));
}

void th_machine_set_words(th_machine *m, const th_dynamic_words *words,
                          void (*print)(th_machine *machine, th_value v, th_buf *out)) {
    m->words = words ? words : &default_words;
    m->print_value = print ? print : print_default;
}

th_step th_value_expected(th_machine *m, const char *what, th_value found) {
    th_buf text;
    th_buf_init(&text, &m->mem);
    found = th_deref(found);
    m->print_value(m, found, &text);
    th_step step =
        th_machine_trap(m, TH_E_TYPE, "expected %s but found %s%s%.200s", what ? what : m->words->names[TH_VK_BOOL],
                        m->words->names[th_value_kind_of(found)], text.len ? ": " : "", text.len ? text.data : "");
    th_buf_clear(&text);
    return step;
}

/* ---- What a unit brings along ------------------------------------------------------------------------------- */

static bool uses_values(const th_machine *m, th_unit *unit) {
    const th_program *p = unit->program;
    bool used = p->nsites > 0 || p->nshapes > 0;
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        const th_function *f = &p->functions[i];
        th_fn *fn = &unit->fns[i];
        fn->arity = f->nparams;
        fn->values = f->nregs > 0 && memchr(f->classes, TH_CLASS_VALUE, f->nregs) != NULL;
        fn->captures = f->ncaptures > 0 && th_types_kind(&p->types, f->captures[0]) == TH_KIND_VALUE;
        used |= fn->values || fn->captures;
    }
    for (uint32_t i = 0; i < p->nimports; i++) {
        th_binding *binding = &unit->imports[i];
        const char *slots = binding->builtin->slots;
        binding->values = (slots && strchr(slots, 'v')) || th_types_result(&m->types, binding->type) == TH_TYPE_VALUE;
        for (uint32_t a = 0; a < binding->nargs; a++)
            binding->values |= th_types_param(&m->types, binding->type, a) == TH_TYPE_VALUE;
        binding->slow = binding->special || binding->values || binding->builtin->strict;
        used |= binding->values;
    }
    for (uint32_t g = 0; g < p->nglobals; g++)
        unit->value_globals += th_types_kind(&p->types, p->globals[g].type) == TH_KIND_VALUE;
    return used || unit->value_globals > 0;
}

/* Only functions over values alone can be values. */
static bool is_over_values(const th_types *types, th_type_id type) {
    for (size_t i = 0; i < th_types_nparams(types, type); i++)
        if (th_types_kind(types, th_types_param(types, type, i)) != TH_KIND_VALUE) return false;
    return th_types_kind(types, th_types_result(types, type)) == TH_KIND_VALUE;
}

static size_t builtin_slot(const th_machine *m, const th_binding *binding) {
    size_t at = (size_t)th_hash_word((uintptr_t)binding->builtin ^ (uintptr_t)binding->user);
    for (;; at++) {
        uint32_t number = m->builtin_index[at & (m->builtin_index_size - 1)];
        const th_binding *other = number ? m->builtin_values[number - 1].binding : NULL;
        if (!other ||
            (other->builtin == binding->builtin && other->user == binding->user && other->type == binding->type))
            return at & (m->builtin_index_size - 1);
    }
}

static th_status grow_builtin_index(th_machine *m) {
    if ((m->nbuiltin_values + 1) * 2 <= m->builtin_index_size) return TH_OK;
    size_t old = m->builtin_index_size, size = old ? old : 64;
    while ((m->nbuiltin_values + 1) * 2 > size) size *= 2;
    uint32_t *index = th_mem_zeroed(&m->mem, size * sizeof *index);
    if (!index) return TH_E_NOMEM;
    th_mem_free(&m->mem, m->builtin_index, old * sizeof *index);
    m->builtin_index = index;
    m->builtin_index_size = size;
    for (size_t i = 0; i < m->nbuiltin_values; i++)
        index[builtin_slot(m, m->builtin_values[i].binding)] = (uint32_t)i + 1;
    return TH_OK;
}

/* The number of a builtin as a value: one for all units. */
static th_status number_builtin(th_machine *m, th_binding *binding) {
    TH_TRY(grow_builtin_index(m));
    size_t at = builtin_slot(m, binding);
    if (m->builtin_index[at]) {
        binding->number = m->builtin_index[at] - 1;
        return TH_OK;
    }
    TH_TRY(th_mem_grow(&m->mem, (void **)&m->builtin_values, &m->builtin_values_capacity, m->nbuiltin_values + 1,
                       sizeof *m->builtin_values));
    uint64_t *object = new_static(m, 16);
    th_binding *copy = th_arena_new(&m->statics, sizeof *copy);
    if (!object || !copy) return TH_E_NOMEM;
    binding->number = (uint32_t)m->nbuiltin_values;
    *copy = *binding;
    *object = TH_HEADER(TH_OBJ_BUILTIN, TH_FLAG_STATIC, binding->number);
    m->builtin_values[m->nbuiltin_values++] = (th_function_value){copy, th_of_object(object)};
    m->builtin_index[at] = (uint32_t)m->nbuiltin_values;
    return TH_OK;
}

static th_status number_builtins(th_machine *m, th_unit *unit) {
    for (uint32_t i = 0; i < unit->program->nimports; i++) {
        th_binding *binding = &unit->imports[i];
        if (binding->nargs > 0 && is_over_values(&m->types, binding->type)) TH_TRY(number_builtin(m, binding));
    }
    return TH_OK;
}

static th_status constant_value(th_machine *m, th_class cls, uint64_t word, th_value *out) {
    *out = TH_V_ABSENT;
    if (cls == TH_CLASS_I64 && th_int_fits((int64_t)word))
        *out = th_of_int((int64_t)word);
    else if (cls == TH_CLASS_F64 && th_float_fits(th_word_f64(word), out))
        return TH_OK;
    else if (cls == TH_CLASS_I64 || cls == TH_CLASS_F64) {
        uint64_t *object = new_static(m, 16);
        if (!object) return TH_E_NOMEM;
        object[0] = TH_HEADER(cls == TH_CLASS_I64 ? TH_OBJ_INT : TH_OBJ_FLOAT, TH_FLAG_STATIC, 0);
        object[1] = word;
        *out = th_of_object(object);
    }
    return TH_OK;
}

static th_status fill_constants(th_machine *m, th_unit *unit) {
    const th_program *p = unit->program;
    unit->value_constants = th_mem_zeroed(&m->mem, p->nconstants * sizeof *unit->value_constants);
    if (p->nconstants && !unit->value_constants) return TH_E_NOMEM;
    for (uint32_t i = 0; i < p->nconstants; i++)
        TH_TRY(constant_value(m, (th_class)p->constant_classes[i], p->constants[i], &unit->value_constants[i]));
    return TH_OK;
}

static th_symbol symbol_at(const th_machine *m, const th_program *p, uint32_t string) {
    return th_symbol_of(m->heap, th_view_str(p->strings[string]));
}

static th_status fill_sites(th_machine *m, th_unit *unit) {
    const th_program *p = unit->program;
    unit->sites = th_mem_zeroed(&m->mem, p->nsites * sizeof *unit->sites);
    if (p->nsites && !unit->sites) return TH_E_NOMEM;
    for (uint32_t i = 0; i < p->nsites; i++) {
        unit->sites[i].symbol = symbol_at(m, p, p->sites[i]);
        if (unit->sites[i].symbol == 0) return TH_E_NOMEM;
    }
    return TH_OK;
}

/* Numbers for the places of a shape's names; 0: it has none, or they are used up. */
static th_status number_places(th_machine *m, const th_program *p, const th_name_shape *shape, uint32_t *first) {
    *first = 0;
    if (!shape->positions || shape->source == 0 || shape->count == 0 || shape->count > UINT32_MAX - m->next_place)
        return TH_OK;
    TH_TRY(th_mem_grow(&m->mem, (void **)&m->places, &m->places_capacity, m->nplaces + 1, sizeof *m->places));
    *first = m->next_place;
    m->places[m->nplaces++] = (th_place_range){m->next_place, shape->count, p, shape};
    m->next_place += shape->count;
    return TH_OK;
}

/* `scratch` has room for three numbers for each name. */
static th_status fill_shape(th_machine *m, th_unit *unit, uint32_t i, uint32_t *places, uint32_t *scratch) {
    const th_name_shape *names = &unit->program->shapes[i];
    th_symbol *keys = scratch;
    uint32_t *positions = scratch + names->count, *order = positions + names->count, first;
    TH_TRY(number_places(m, unit->program, names, &first));
    for (uint32_t k = 0; k < names->count; k++) {
        keys[k] = symbol_at(m, unit->program, names->names[k]);
        if (keys[k] == 0) return TH_E_NOMEM;
        positions[k] = first + k;
    }
    const th_shape *shape = th_shape_new(m->heap, keys, first ? positions : NULL, names->count, true, order);
    if (!shape) return TH_E_NOMEM;
    for (uint32_t k = 0; k < names->count; k++) places[order[k]] = k;
    unit->shapes[i] = (th_unit_shape){shape, TH_RECORD_HEADER(shape, 0), places, names->count};
    return TH_OK;
}

static th_status fill_shapes(th_machine *m, th_unit *unit) {
    const th_program *p = unit->program;
    size_t most = 0;
    for (uint32_t i = 0; i < p->nshapes; i++) {
        unit->nshape_places += p->shapes[i].count;
        if (p->shapes[i].count > most) most = p->shapes[i].count;
    }
    unit->shapes = th_mem_zeroed(&m->mem, p->nshapes * sizeof *unit->shapes);
    unit->shape_places = th_mem_zeroed(&m->mem, unit->nshape_places * sizeof *unit->shape_places);
    uint32_t *scratch = th_mem_new(&m->mem, (most + 1) * 3 * sizeof *scratch), *places = unit->shape_places;
    bool ok = scratch && (unit->shapes || !p->nshapes) && (unit->shape_places || !unit->nshape_places);
    th_status status = ok ? TH_OK : TH_E_NOMEM;
    for (uint32_t i = 0; status == TH_OK && i < p->nshapes; places += p->shapes[i++].count)
        status = fill_shape(m, unit, i, places, scratch);
    th_mem_free(&m->mem, scratch, (most + 1) * 3 * sizeof *scratch);
    return status;
}

static th_status add_functions(th_machine *m, th_unit *unit) {
    uint32_t n = unit->program->nfunctions;
    TH_TRY(th_mem_grow(&m->mem, (void **)&m->function_table, &m->functions_capacity, m->nfunctions + n,
                       sizeof *m->function_table));
    m->functions = m->function_table;
    for (uint32_t i = 0; i < n; i++) {
        th_fn *fn = &unit->fns[i];
        fn->first_id = (uint32_t)m->nfunctions;
        fn->id = fn->first_id + i;
        fn->sites = unit->sites;
        fn->shapes = unit->shapes;
        fn->value_constants = unit->value_constants;
        m->function_table[fn->id] = fn;
    }
    m->nfunctions += n;
    return TH_OK;
}

static th_status fill_unit(th_machine *m, th_unit *unit) {
    TH_TRY(make_heap(m));
    TH_TRY(fill_constants(m, unit));
    TH_TRY(fill_sites(m, unit));
    TH_TRY(fill_shapes(m, unit));
    TH_TRY(number_builtins(m, unit));
    return add_functions(m, unit);
}

th_status th_unit_values(th_unit *unit, th_error *err) {
    th_machine *m = unit->machine;
    if (!uses_values(m, unit)) return TH_OK;
    size_t nplaces = m->nplaces;
    uint32_t next_place = m->next_place;
    th_status status = fill_unit(m, unit);
    if (status == TH_OK) return TH_OK;
    m->nplaces = nplaces;
    m->next_place = next_place;
    return th_fail(err, status, "out of memory");
}

void th_unit_values_free(th_unit *unit) {
    th_machine *m = unit->machine;
    const th_program *p = unit->program;
    for (uint32_t i = 0; unit->fns && i < p->nfunctions; i++) th_live_free(m, unit->fns[i].live);
    for (size_t sort = 0; sort < TH_TEXT_SORTS; sort++)
        th_mem_free(&m->mem, unit->texts[sort], p->nstrings * sizeof *unit->texts[sort]);
    th_mem_free(&m->mem, unit->value_constants, p->nconstants * sizeof *unit->value_constants);
    th_mem_free(&m->mem, unit->sites, p->nsites * sizeof *unit->sites);
    th_mem_free(&m->mem, unit->shapes, p->nshapes * sizeof *unit->shapes);
    th_mem_free(&m->mem, unit->shape_places, unit->nshape_places * sizeof *unit->shape_places);
}

/* A string of the program as a text, a static object that is made once. */
bool th_unit_text(th_machine *m, th_unit *unit, uint32_t string, uint32_t sort, th_value *out) {
    const th_program *p = unit->program;
    const th_str *text = p->strings[string];
    if (!unit->texts[sort]) unit->texts[sort] = th_mem_zeroed(&m->mem, p->nstrings * sizeof *unit->texts[sort]);
    uint64_t *object = unit->texts[sort] ? new_static(m, 8 + (size_t)text->len + 1) : NULL;
    if (!object) return th_trap_heap(m);
    *object = TH_HEADER(TH_OBJ_STRING, TH_FLAG_STATIC | sort, text->len);
    memcpy(object + 1, text->bytes, (size_t)text->len + 1);
    *out = unit->texts[sort][string] = th_of_object(object);
    return true;
}

/* ---- A machine's life --------------------------------------------------------------------------------------- */

th_status th_values_init(th_machine *m) {
    th_machine_set_words(m, NULL, NULL);
    th_arena_init(&m->statics, &m->mem);
    m->next_place = 1;
    m->refused = UINT64_MAX;
    return TH_OK;
}

static void release_attached(th_machine *m) {
    while (m->nattached > 0) {
        th_attached gone = m->attached[--m->nattached];
        if (gone.key->release) gone.key->release(gone.state);
    }
}

/* Before the units go. */
void th_values_free(th_machine *m) {
    release_attached(m);
    th_mem_free(&m->mem, m->attached, m->attached_capacity * sizeof *m->attached);
    th_heap_free(m->heap);
    m->heap = NULL;
    th_arena_clear(&m->statics);
    th_mem_free(&m->mem, m->function_table, m->functions_capacity * sizeof *m->function_table);
    th_mem_free(&m->mem, m->builtin_values, m->builtin_values_capacity * sizeof *m->builtin_values);
    th_mem_free(&m->mem, m->builtin_index, m->builtin_index_size * sizeof *m->builtin_index);
    th_mem_free(&m->mem, m->places, m->places_capacity * sizeof *m->places);
}

/* Nothing is reached any more: what finalizers there are run. */
void th_values_reset(th_machine *m) {
    release_attached(m);
    if (m->heap && !th_collect(m, true)) m->trapped = false;
}

th_status th_machine_attach(th_machine *m, const th_attachment *key, void *state) {
    for (size_t i = 0; i < m->nattached; i++) {
        if (m->attached[i].key != key) continue;
        if (key->release && m->attached[i].state != state) key->release(m->attached[i].state);
        m->attached[i].state = state;
        return TH_OK;
    }
    TH_TRY(th_mem_grow(&m->mem, (void **)&m->attached, &m->attached_capacity, m->nattached + 1, sizeof *m->attached));
    m->attached[m->nattached++] = (th_attached){key, state};
    return TH_OK;
}

void *th_machine_attached(const th_machine *m, const th_attachment *key) {
    for (size_t i = 0; i < m->nattached; i++)
        if (m->attached[i].key == key) return m->attached[i].state;
    return NULL;
}

/* ---- Places and facts of functions -------------------------------------------------------------------------- */

bool th_machine_place(const th_machine *m, uint32_t number, th_place *out) {
    size_t low = 0, high = m->nplaces;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const th_place_range *range = &m->places[middle];
        if (number < range->first)
            high = middle;
        else if (number - range->first >= range->count)
            low = middle + 1;
        else {
            *out = (th_place){range->program->source_names[range->shape->source - 1]->bytes,
                              range->shape->positions[number - range->first]};
            return true;
        }
    }
    return false;
}

static bool source_of(const th_fn *fn, th_span span, th_place *out) {
    if (!fn->unit || fn->info->source == 0 || span.line == 0) return false;
    *out = (th_place){fn->unit->program->source_names[fn->info->source - 1]->bytes, span};
    return true;
}

/* The function of a closure or thunk, or of what was applied to too few arguments; NULL: a builtin, or no function. */
static const th_fn *fn_of(const th_machine *m, th_value v) {
    v = th_deref(v);
    while (th_is_kind(v, TH_OBJ_PARTIAL)) v = th_deref(th_obj(v)[1]);
    if (!th_is_object(v)) return NULL;
    th_object_kind kind = th_header_kind(*th_obj(v));
    bool has_fn = kind == TH_OBJ_CLOSURE || kind == TH_OBJ_THUNK || kind == TH_OBJ_BUSY;
    return has_fn ? m->functions[th_header_fn(*th_obj(v))] : NULL;
}

bool th_value_place(const th_machine *m, th_value v, th_place *out) {
    const th_fn *fn = fn_of(m, v);
    if (!fn) return false;
    th_span span = th_function_span(fn->info, 0);
    for (uint32_t i = 0; i < fn->info->npositions && span.line == 0; i++) span = fn->info->positions[i].span;
    return source_of(fn, span, out);
}

bool th_machine_here(const th_machine *m, th_place *out) {
    for (const th_context *c = m->context; c > m->contexts; c--) {
        if (c->kind != TH_CONTEXT_CODE && c->kind != TH_CONTEXT_FORCE) continue;
        if (source_of(c->fn, th_function_span(c->fn->info, th_context_pc(m, c)), out)) return true;
    }
    return false;
}

const th_str *th_value_note(const th_machine *m, th_value v) {
    const th_fn *fn = fn_of(m, v);
    return fn ? fn->info->note : NULL;
}

uint32_t th_value_arity(const th_machine *m, th_value v) {
    uint32_t given = 0, arity = 0;
    for (v = th_deref(v); th_is_kind(v, TH_OBJ_PARTIAL); v = th_deref(th_obj(v)[1]))
        given += (uint32_t)th_header_size(*th_obj(v));
    if (th_is_kind(v, TH_OBJ_CLOSURE)) arity = fn_of(m, v)->arity;
    if (th_is_kind(v, TH_OBJ_BUILTIN)) arity = m->builtin_values[th_header_size(*th_obj(v))].binding->nargs;
    return arity > given ? arity - given : 0;
}

/* ---- Runs --------------------------------------------------------------------------------------------------- */

bool th_unit_value(th_unit *unit, uint32_t function, th_value *out) {
    th_machine *m = unit->machine;
    const th_fn *fn = &unit->fns[function];
    if (fn->info->ncaptures > 0 || !is_over_values(&m->types, fn->type) || !m->heap) {
        (void)th_machine_trap(m, TH_E_ARGUMENT, "the function is not one over values alone");
        return false;
    }
    th_object_kind kind = fn->info->nparams == 0 ? TH_OBJ_THUNK : TH_OBJ_CLOSURE;
    return th_new_closure(m->heap, kind, fn->id, NULL, 0, out) || th_trap_heap(m);
}

static bool push_self(th_machine *m, uint32_t delta, th_value v) {
    const th_fn *fn = th_internal_fn(TH_INTERNAL_SELF);
    th_context context = {.fn = fn, .pc = fn->code, .delta = delta};
    context.facts = TH_FACTS(TH_CONTEXT_CODE, 0, 0);
    if (!th_push_context(m, &context, fn->nregs)) return false;
    m->base[2] = v;
    return true;
}

static bool push_apply(th_machine *m, th_value fn, const th_value *args, size_t nargs) {
    th_context context = {.fn = &th_exit_fn, .pc = th_wait_code};
    context.facts = TH_FACTS(TH_CONTEXT_WAIT, 0, 0);
    context.state = nargs & TH_CONTEXT_STATE_MAX;
    if (!th_push_context(m, &context, nargs + 4)) return false;
    memcpy(m->base + 2, args, nargs * sizeof *args);
    return push_self(m, (uint32_t)nargs + 2, fn);
}

static th_status begin(th_machine *m, th_value v, const th_value *args, size_t nargs) {
    if (m->state == TH_RUN_READY || m->state == TH_RUN_SUSPENDED) return TH_E_BUSY;
    if (nargs > TH_CONTEXT_STATE_MAX) return TH_E_ARGUMENT;
    TH_TRY(make_heap(m));
    m->trapped = false;
    m->trace.len = 0;
    m->context = m->contexts;
    m->base = m->stack;
    if (m->memory.nregions == 0) TH_TRY(th_memory_enter(&m->memory, 0));
    bool ok = nargs ? push_apply(m, v, args, nargs) : push_self(m, 0, v);
    m->state = TH_RUN_READY;
    if (!ok || !th_push_starts(m)) {
        m->trapped = false;
        th_machine_abandon(m);
        return TH_E_NOMEM;
    }
    m->main_fn = NULL;
    m->result_type = TH_TYPE_VALUE;
    m->deadline_ns = 0;
    return TH_OK;
}

th_status th_machine_begin_force(th_machine *m, th_value v) { return begin(m, v, NULL, 0); }

th_status th_machine_begin_apply(th_machine *m, th_value fn, const th_value *args, size_t nargs) {
    return nargs == 0 ? TH_E_ARGUMENT : begin(m, fn, args, nargs);
}
