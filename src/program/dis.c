/*
** dis.c - a program as text (see text.h for the grammar) that assembles to an equal one.
** Relies on the program being loaded, so verified. Names stand for what they name where that is unambiguous, numbers
** otherwise; pools (constants, strings, keep sets) are listed only when the order of first use would not restore them.
** SPDX-License-Identifier: Apache-2.0
*/
#include "program/text.h"

#include "program/rules.h"

#define MAX_INLINE 40 /* parts of a type that is written out where it is used */
#define NO_LABEL   UINT32_MAX

typedef struct printer {
    const th_program *p;
    th_buf *out;
    th_arena arena;
    uint32_t *weights; /* of each type: parts of its text, MAX_INLINE + 1: too many */
    th_name_map type_names, functions, globals, imports, sources;
    th_name_map strings;      /* contents to first index */
    uint32_t *first_constant; /* of each constant: the first equal one */
    bool list_constants, list_strings, list_sites;
    const th_function *f; /* the one being printed */
    uint32_t *labels;     /* per word and one more: the number of its label */
    uint32_t *first_keep; /* of each keep set: the first equal one */
} printer;

/* ---- Words and strings -------------------------------------------------------------------------------------- */

static void put_escaped(th_buf *out, const char *bytes, size_t len) {
    for (size_t i = 0; i < len;) {
        uint32_t code;
        size_t used = th_utf8_decode(bytes, len, i, &code);
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n')
            th_buf_text(out, "\\n");
        else if (c == '\t')
            th_buf_text(out, "\\t");
        else if (c == '\r')
            th_buf_text(out, "\\r");
        else if (c == '\\' || c == '\'')
            th_buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (used == 1 && c >= 0x80))
            th_buf_printf(out, "\\x%02x", c);
        else
            th_buf_put(out, bytes + i, used);
        i += used;
    }
}

static void put_string(th_buf *out, th_view text) {
    th_buf_char(out, '\'');
    put_escaped(out, text.data, text.len);
    th_buf_char(out, '\'');
}

static void put_name(th_buf *out, th_view name) {
    if (th_text_is_word(name))
        th_buf_put(out, name.data, name.len);
    else
        put_string(out, name);
}

static bool is_unique(const th_name_map *map, th_view name) {
    const th_name_entry *entry = name.len > 0 ? th_name_map_get(map, name) : NULL;
    return entry != NULL && entry->uses == 1;
}

/* By name where that says which one, else by number. */
static void put_reference(printer *d, const th_name_map *map, const th_str *name, uint32_t index) {
    if (is_unique(map, th_view_str(name)))
        put_name(d->out, th_view_str(name));
    else
        th_buf_printf(d->out, "#%u", index);
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

static bool is_nominal(const th_type *t) { return t->name != NULL && t->kind != TH_KIND_TYPE_VARIABLE; }

static bool weigh_types(printer *d) {
    const th_types *types = &d->p->types;
    d->weights = th_arena_new(&d->arena, types->len * sizeof *d->weights);
    if (d->weights == NULL) return false;
    for (size_t i = 0; i < types->len; i++)
        if (is_nominal(&types->items[i]) &&
            !th_name_map_put(&d->type_names, th_view_str(types->items[i].name), (uint32_t)i))
            return false;
    for (size_t i = 0; i < types->len; i++) {
        const th_type *t = &types->items[i];
        uint32_t weight = 1;
        if (t->kind == TH_KIND_TYPE_VARIABLE || (is_nominal(t) && !is_unique(&d->type_names, th_view_str(t->name))))
            weight = MAX_INLINE + 1;
        for (uint32_t k = 0; k < t->nargs && !is_nominal(t) && weight <= MAX_INLINE; k++)
            weight += d->weights[t->args[k]];
        d->weights[i] = weight;
    }
    return true;
}

static void put_type(printer *d, th_type_id id);

static void put_type_args(printer *d, const th_type *t) {
    for (uint32_t i = 0; i < t->nargs; i++) {
        if (i > 0) th_buf_text(d->out, ", ");
        put_type(d, t->args[i]);
    }
}

/* The structure of a type without a name. */
static void put_structure(printer *d, const th_type *t) {
    if (t->kind == TH_KIND_OPTION) {
        put_type(d, t->args[0]);
        th_buf_char(d->out, '?');
        return;
    }
    th_buf_text(d->out, th_text_of_kind(t->kind));
    if (t->nargs == 0) return;
    th_buf_char(d->out, '<');
    put_type_args(d, t);
    th_buf_char(d->out, '>');
}

/* Recursion is bounded by TH_TYPE_DEPTH, as names are not entered. */
static void put_type(printer *d, th_type_id id) {
    const th_type *t = th_types_get(&d->p->types, id);
    if (d->weights[id] > MAX_INLINE)
        th_buf_printf(d->out, "$%u", id);
    else if (!is_nominal(t))
        put_structure(d, t);
    else if (th_text_is_type_word(th_view_str(t->name)))
        put_string(d->out, th_view_str(t->name));
    else
        put_name(d->out, th_view_str(t->name));
}

static void put_members(printer *d, const th_type *t) {
    th_buf_text(d->out, " {");
    for (uint32_t i = 0; i < t->nnames; i++) {
        th_buf_text(d->out, i > 0 ? ", " : " ");
        put_name(d->out, th_view_str(t->names[i]));
        if (t->kind != TH_KIND_STRUCT) continue;
        th_buf_text(d->out, ": ");
        put_type(d, t->args[i]);
    }
    th_buf_text(d->out, " }");
}

static void put_types(printer *d) {
    for (uint32_t i = TH_TYPE_FIRST_FREE; i < d->p->types.len; i++) {
        const th_type *t = th_types_get(&d->p->types, i);
        th_buf_printf(d->out, "type $%u = ", i);
        if (t->name == NULL) {
            put_structure(d, t);
        } else {
            th_buf_printf(d->out, "%s ", t->kind == TH_KIND_OPAQUE ? "opaque" : th_text_of_kind(t->kind));
            put_name(d->out, th_view_str(t->name));
            if (t->kind == TH_KIND_STRUCT || t->kind == TH_KIND_ENUM) put_members(d, t);
        }
        th_buf_char(d->out, '\n');
    }
}

/* ---- Constants ---------------------------------------------------------------------------------------------- */

/* The shorter f32 text is used where it reads back to the same bits by way of an f64. */
static void put_f32(th_buf *out, uint32_t bits) {
    float x;
    double back;
    char text[40];
    memcpy(&x, &bits, sizeof x);
    size_t len = th_format_f32(x, true, text);
    if (x == x && (!th_parse_f64((th_view){text, len}, &back) || (float)back != x))
        th_format_f64((double)x, true, text);
    th_buf_printf(out, "%sf", text);
}

static void put_literal(printer *d, uint32_t index) {
    uint64_t bits = d->p->constants[index];
    char text[40];
    double x;
    switch (d->p->constant_classes[index]) {
    case TH_CLASS_I64:
        th_format_i64((int64_t)bits, text);
        th_buf_text(d->out, text);
        break;
    case TH_CLASS_F64:
        memcpy(&x, &bits, sizeof x);
        th_format_f64(x, true, text);
        th_buf_text(d->out, text);
        break;
    default: put_f32(d->out, (uint32_t)bits); break;
    }
}

/* The first constant equal to each, found through a table of their bytes. */
static bool index_constants(printer *d) {
    typedef struct key {
        uint64_t bits, cls;
    } key;
    th_name_map map = {.arena = &d->arena};
    uint32_t n = d->p->nconstants;
    key *keys = th_arena_new(&d->arena, n * sizeof *keys + 1);
    d->first_constant = th_arena_new(&d->arena, n * sizeof *d->first_constant + 1);
    if (keys == NULL || d->first_constant == NULL) return false;
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = (key){d->p->constants[i], d->p->constant_classes[i]};
        th_view name = {(const char *)&keys[i], sizeof *keys};
        if (!th_name_map_put(&map, name, i)) return false;
        d->first_constant[i] = th_name_map_get(&map, name)->index;
    }
    return true;
}

static bool index_strings(printer *d) {
    for (uint32_t i = 0; i < d->p->nstrings; i++)
        if (!th_name_map_put(&d->strings, th_view_str(d->p->strings[i]), i)) return false;
    return true;
}

/* What interning in the order of first use would number: `next` counts, `seen` remembers. False: another order. */
static bool in_order(uint8_t *seen, uint32_t *next, uint32_t index) {
    if (seen[index]) return true;
    seen[index] = 1;
    return index == (*next)++;
}

static uint32_t operand_value(const uint32_t *code, const th_op_info *info, int i) {
    uint32_t w = code[0];
    if (info->format == TH_FORMAT_I) return i == 0 ? TH_INSN_IMM24(w) : 0;
    if (i == 0) return TH_INSN_A(w);
    if (info->format == TH_FORMAT_AI) return i == 1 ? TH_INSN_IMM(w) : 0;
    return i == 1 ? TH_INSN_B(w) : TH_INSN_C(w);
}

/* The first index that an instruction's operand of this kind names; false: it has none. */
static bool find_operand(const uint32_t *code, th_operand operand, uint32_t *value) {
    const th_op_info *info = &th_ops[TH_INSN_OP(code[0])];
    for (int i = 0; i < 3; i++)
        if (info->operand[i] == operand) return *value = operand_value(code, info, i), true;
    if (info->word == operand) return *value = code[1], true;
    return false;
}

/* Whether the pool of `count` entries has to be listed: when its order is not that of first use, or not all is used. */
static bool must_list(const th_function *functions, uint32_t nfunctions, th_operand operand, uint8_t *seen,
                      uint32_t count) {
    uint32_t next = 0, value;
    for (uint32_t i = 0; i < nfunctions; i++) {
        const th_function *f = &functions[i];
        for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc]))
            if (find_operand(&f->code[pc], operand, &value) && !in_order(seen, &next, value)) return true;
    }
    return next != count;
}

/* Sites are not interned: each must be used once, in order, and its name be told by its text, to be left out. */
static bool must_list_sites(const printer *d) {
    const th_program *p = d->p;
    uint32_t next = 0, value;
    if (d->strings.count != p->nstrings) return true;
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        const th_function *f = &p->functions[i];
        for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc]))
            if (find_operand(&f->code[pc], TH_OPERAND_SITE, &value) && value != next++) return true;
    }
    return next != p->nsites;
}

/* The string that the text of the function's note will mean. */
static bool note_index(const printer *d, const th_function *f, uint32_t *index) {
    const th_name_entry *entry = f->note != NULL ? th_name_map_get(&d->strings, th_view_str(f->note)) : NULL;
    if (entry != NULL) *index = entry->index;
    return entry != NULL;
}

/* The strings that a function's text names, in order; false: one is out of order. */
static bool strings_in_order(const printer *d, const th_function *f, uint8_t *seen, uint32_t *next) {
    uint32_t value;
    if (note_index(d, f, &value) && !in_order(seen, next, value)) return false;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc])) {
        if (find_operand(&f->code[pc], TH_OPERAND_STRING, &value) && !in_order(seen, next, value)) return false;
        if (!d->list_sites && find_operand(&f->code[pc], TH_OPERAND_SITE, &value) &&
            !in_order(seen, next, d->p->sites[value]))
            return false;
    }
    return true;
}

/* As the text is read: listed sites and shapes before the functions. */
static bool must_list_strings(const printer *d, uint8_t *seen) {
    const th_program *p = d->p;
    uint32_t next = 0;
    for (uint32_t i = 0; d->list_sites && i < p->nsites; i++)
        if (!in_order(seen, &next, p->sites[i])) return true;
    for (uint32_t i = 0; i < p->nshapes; i++)
        for (uint32_t k = 0; k < p->shapes[i].count; k++)
            if (!in_order(seen, &next, p->shapes[i].names[k])) return true;
    for (uint32_t i = 0; i < p->nfunctions; i++)
        if (!strings_in_order(d, &p->functions[i], seen, &next)) return true;
    return next != p->nstrings;
}

static bool look_at_pools(printer *d) {
    const th_program *p = d->p;
    uint8_t *seen_constants = th_arena_zeroed(&d->arena, p->nconstants + 1);
    uint8_t *seen_strings = th_arena_zeroed(&d->arena, p->nstrings + 1);
    if (seen_constants == NULL || seen_strings == NULL || !index_constants(d) || !index_strings(d)) return false;
    d->list_sites = must_list_sites(d);
    d->list_constants = must_list(p->functions, p->nfunctions, TH_OPERAND_CONST, seen_constants, p->nconstants);
    d->list_strings = must_list_strings(d, seen_strings);
    for (uint32_t i = 0; i < p->nconstants; i++) d->list_constants |= d->first_constant[i] != i;
    d->list_strings |= d->strings.count != p->nstrings;
    return true;
}

/* A string of the program: by its contents, or by number when another one has the same. */
static bool is_first_string(const printer *d, uint32_t index) {
    return th_name_map_get(&d->strings, th_view_str(d->p->strings[index]))->index == index;
}

static void put_text(printer *d, uint32_t index) {
    if (is_first_string(d, index))
        put_string(d->out, th_view_str(d->p->strings[index]));
    else
        th_buf_printf(d->out, "#%u", index);
}

/* Likewise, without quotes where it is a word. */
static void put_text_name(printer *d, uint32_t index) {
    if (is_first_string(d, index))
        put_name(d->out, th_view_str(d->p->strings[index]));
    else
        th_buf_printf(d->out, "#%u", index);
}

static void put_pools(printer *d) {
    for (uint32_t i = 0; d->list_constants && i < d->p->nconstants; i++) {
        th_buf_text(d->out, "const ");
        put_literal(d, i);
        th_buf_char(d->out, '\n');
    }
    for (uint32_t i = 0; d->list_strings && i < d->p->nstrings; i++) {
        th_buf_text(d->out, "string ");
        put_string(d->out, th_view_str(d->p->strings[i]));
        th_buf_char(d->out, '\n');
    }
}

/* ---- Globals, imports, sources, exports --------------------------------------------------------------------- */

static void put_named_types(printer *d, const char *word, const th_named_type *items, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        th_buf_printf(d->out, "%s ", word);
        put_name(d->out, th_view_str(items[i].name));
        th_buf_text(d->out, ": ");
        put_type(d, items[i].type);
        th_buf_char(d->out, '\n');
    }
}

/* A source's text, a line of it on a line. */
static void put_sources(printer *d) {
    for (uint32_t i = 0; i < d->p->nsources; i++) {
        th_view text = th_view_str(d->p->source_texts[i]);
        th_buf_text(d->out, "source ");
        put_string(d->out, th_view_str(d->p->source_names[i]));
        for (size_t at = 0; at < text.len;) {
            const char *end = memchr(text.data + at, '\n', text.len - at);
            size_t len = end != NULL ? (size_t)(end - (text.data + at)) + 1 : text.len - at;
            th_buf_text(d->out, "\n    ");
            put_string(d->out, (th_view){text.data + at, len});
            at += len;
        }
        th_buf_char(d->out, '\n');
    }
}

static void put_span(printer *d, th_span s) {
    th_buf_char(d->out, '@');
    if (s.line != 0 || s.column != 0 || s.end_line != 0 || s.end_column != 0)
        th_buf_printf(d->out, "%u:%u-%u:%u", s.line, s.column, s.end_line, s.end_column);
}

static void put_source_name(printer *d, uint32_t source) {
    const th_str *name = d->p->source_names[source];
    if (is_unique(&d->sources, th_view_str(name)))
        put_string(d->out, th_view_str(name));
    else
        th_buf_printf(d->out, "#%u", source);
}

static void put_shape(printer *d, const th_name_shape *s) {
    th_buf_text(d->out, "shape {");
    for (uint32_t i = 0; i < s->count; i++) {
        if (i > 0) th_buf_text(d->out, ", ");
        put_text_name(d, s->names[i]);
        if (s->positions == NULL) continue;
        th_buf_char(d->out, ' ');
        put_span(d, s->positions[i]);
    }
    th_buf_char(d->out, '}');
    if (s->source > 0) {
        th_buf_text(d->out, " from ");
        put_source_name(d, s->source - 1);
    }
    th_buf_char(d->out, '\n');
}

static void put_sites_and_shapes(printer *d) {
    for (uint32_t i = 0; d->list_sites && i < d->p->nsites; i++) {
        th_buf_text(d->out, "site ");
        put_text_name(d, d->p->sites[i]);
        th_buf_char(d->out, '\n');
    }
    for (uint32_t i = 0; i < d->p->nshapes; i++) put_shape(d, &d->p->shapes[i]);
}

static void put_function_name(printer *d, uint32_t index) {
    put_reference(d, &d->functions, d->p->functions[index].name, index);
}

static void put_exports(printer *d) {
    for (uint32_t i = 0; i < d->p->nexports; i++) {
        th_buf_text(d->out, "export ");
        put_name(d->out, th_view_str(d->p->exports[i].name));
        th_buf_text(d->out, " = ");
        put_function_name(d, d->p->exports[i].function);
        th_buf_char(d->out, '\n');
    }
    if (d->p->start == 0) return;
    th_buf_text(d->out, "start ");
    put_function_name(d, d->p->start - 1);
    th_buf_char(d->out, '\n');
}

/* ---- Functions ---------------------------------------------------------------------------------------------- */

static void mark_label(printer *d, uint32_t pc) { d->labels[pc] = 0; }

static bool number_labels(printer *d) {
    const th_function *f = d->f;
    d->labels = th_arena_new(&d->arena, ((size_t)f->ncode + 1) * sizeof *d->labels);
    if (d->labels == NULL) return false;
    for (uint32_t i = 0; i <= f->ncode; i++) d->labels[i] = NO_LABEL;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc])) {
        uint32_t target;
        if (find_operand(&f->code[pc], TH_OPERAND_TARGET, &target)) mark_label(d, target);
        if (TH_INSN_OP(f->code[pc]) != TH_OP_SWITCH) continue;
        for (uint32_t i = 0; i < TH_INSN_IMM(f->code[pc]); i++) mark_label(d, f->code[pc + 1 + i]);
    }
    for (uint32_t i = 0; i < f->nhandlers; i++) {
        mark_label(d, f->handlers[i].start);
        mark_label(d, f->handlers[i].end);
        mark_label(d, f->handlers[i].target);
    }
    uint32_t number = 1;
    for (uint32_t i = 0; i <= f->ncode; i++)
        if (d->labels[i] != NO_LABEL) d->labels[i] = number++;
    return true;
}

static bool same_keep(const th_keep *a, const th_keep *b) {
    return a->count == b->count && (a->count == 0 || memcmp(a->regs, b->regs, a->count) == 0);
}

static bool index_keeps(printer *d, bool *list) {
    const th_function *f = d->f;
    uint8_t *seen = th_arena_zeroed(&d->arena, f->nkeeps + 1);
    th_name_map map = {.arena = &d->arena};
    d->first_keep = th_arena_new(&d->arena, f->nkeeps * sizeof *d->first_keep + 1);
    if (seen == NULL || d->first_keep == NULL) return false;
    *list = must_list(f, 1, TH_OPERAND_KEEP, seen, f->nkeeps);
    for (uint32_t i = 0; i < f->nkeeps; i++) {
        th_view name = {(const char *)f->keeps[i].regs, f->keeps[i].count};
        if (!th_name_map_put(&map, name, i)) return false;
        d->first_keep[i] = th_name_map_get(&map, name)->index;
        if (!same_keep(&f->keeps[d->first_keep[i]], &f->keeps[i]) || d->first_keep[i] != i) *list = true;
    }
    return true;
}

static void put_keep(printer *d, uint32_t index) {
    const th_keep *keep = &d->f->keeps[index];
    th_buf_char(d->out, '{');
    for (uint32_t i = 0; i < keep->count; i++) th_buf_printf(d->out, "%sr%u", i > 0 ? ", " : "", keep->regs[i]);
    th_buf_char(d->out, '}');
}

static const char *status_name(uint32_t number) {
    switch (number) {
#define TH_STATUS(name, value, text)                                                                                   \
    case value: return #name;
#include "base/status.def"
#undef TH_STATUS
    default: return "E_TRAP";
    }
}

static void put_operand(printer *d, uint8_t operand, uint32_t value) {
    const th_program *p = d->p;
    switch (operand) {
    case TH_OPERAND_U8:
    case TH_OPERAND_U16:
    case TH_OPERAND_U32: th_buf_printf(d->out, "%u", value); break;
    case TH_OPERAND_S8: th_buf_printf(d->out, "%d", (int8_t)value); break;
    case TH_OPERAND_S16: th_buf_printf(d->out, "%d", (int16_t)value); break;
    case TH_OPERAND_CONST:
        if (d->first_constant[value] == value)
            put_literal(d, value);
        else
            th_buf_printf(d->out, "#%u", value);
        break;
    case TH_OPERAND_STRING: put_text(d, value); break;
    case TH_OPERAND_SITE:
        if (d->list_sites)
            th_buf_printf(d->out, "#%u", value);
        else
            put_text_name(d, p->sites[value]);
        break;
    case TH_OPERAND_SHAPE: th_buf_printf(d->out, "#%u", value); break;
    case TH_OPERAND_FIELD:
        th_buf_printf(d->out, "#%u:", value >> 16);
        put_text_name(d, p->shapes[value >> 16].names[value & 0xffff]);
        break;
    case TH_OPERAND_TYPE: put_type(d, value); break;
    case TH_OPERAND_GLOBAL: put_reference(d, &d->globals, p->globals[value].name, value); break;
    case TH_OPERAND_IMPORT: put_reference(d, &d->imports, p->imports[value].name, value); break;
    case TH_OPERAND_FN: put_function_name(d, value); break;
    case TH_OPERAND_KEEP:
        if (d->first_keep[value] == value)
            put_keep(d, value);
        else
            th_buf_printf(d->out, "#%u", value);
        break;
    case TH_OPERAND_STATUS: th_buf_text(d->out, status_name(value)); break;
    case TH_OPERAND_TARGET: th_buf_printf(d->out, "L%u", d->labels[value]); break;
    default: th_buf_printf(d->out, "r%u", value); break;
    }
}

static void put_switch(printer *d, uint32_t pc) {
    uint32_t w = d->f->code[pc];
    th_buf_printf(d->out, " r%u, [", TH_INSN_A(w));
    for (uint32_t i = 0; i < TH_INSN_IMM(w); i++)
        th_buf_printf(d->out, "%sL%u", i > 0 ? ", " : "", d->labels[d->f->code[pc + 1 + i]]);
    th_buf_char(d->out, ']');
}

static void put_instruction(printer *d, uint32_t pc) {
    const uint32_t *code = &d->f->code[pc];
    const th_op_info *info = &th_ops[TH_INSN_OP(code[0])];
    const char *separator = " ";
    th_buf_printf(d->out, "    %s", info->text);
    if (TH_INSN_OP(code[0]) == TH_OP_SWITCH) {
        put_switch(d, pc);
    } else {
        for (int i = 0; i < 4; i++) {
            uint8_t operand = i < 3 ? info->operand[i] : info->word;
            if (operand == TH_OPERAND_NO) continue;
            th_buf_text(d->out, separator);
            put_operand(d, operand, i < 3 ? operand_value(code, info, i) : code[1]);
            separator = ", ";
        }
    }
    th_buf_char(d->out, '\n');
}

static void put_signature(printer *d) {
    const th_types *types = &d->p->types;
    th_type_id type = d->f->type;
    th_buf_text(d->out, "\nfunc ");
    put_name(d->out, th_view_str(d->f->name));
    th_buf_char(d->out, '(');
    for (size_t i = 0; i < th_types_nparams(types, type); i++) {
        if (i > 0) th_buf_text(d->out, ", ");
        put_type(d, th_types_param(types, type, i));
    }
    th_buf_text(d->out, ") -> ");
    put_type(d, th_types_result(types, type));
    th_buf_text(d->out, " {\n");
}

/* Registers whose class the signature does not tell, in runs of one class. */
static void put_registers(printer *d) {
    const th_function *f = d->f;
    bool void_result = th_types_result(&d->p->types, f->type) == TH_TYPE_VOID;
    const char *separator = "    regs ";
    if (void_result && f->classes[1] != TH_CLASS_NONE) {
        th_buf_printf(d->out, "%sr1 %s", separator, th_class_text(f->classes[1]));
        separator = ", ";
    }
    for (uint32_t i = 2 + f->nparams; i < f->nregs;) {
        uint32_t end = i;
        while (end + 1 < f->nregs && f->classes[end + 1] == f->classes[i]) end++;
        th_buf_printf(d->out, "%sr%u", separator, i);
        if (end > i) th_buf_printf(d->out, "-r%u", end);
        th_buf_printf(d->out, " %s", th_class_text(f->classes[i]));
        separator = ", ";
        i = end + 1;
    }
    if (separator[0] == ',') th_buf_char(d->out, '\n');
}

static void put_head(printer *d, bool list_keeps) {
    const th_function *f = d->f;
    if (f->source > 0) {
        th_buf_text(d->out, "    from ");
        put_source_name(d, f->source - 1);
        th_buf_char(d->out, '\n');
    }
    for (uint32_t i = 0; i < f->ncaptures; i++) {
        th_buf_text(d->out, i == 0 ? "    captures " : ", ");
        put_type(d, f->captures[i]);
    }
    if (f->ncaptures > 0) th_buf_char(d->out, '\n');
    if (f->note != NULL) {
        th_buf_text(d->out, "    note ");
        put_string(d->out, th_view_str(f->note));
        th_buf_char(d->out, '\n');
    }
    put_registers(d);
    for (uint32_t i = 0; list_keeps && i < f->nkeeps; i++) {
        th_buf_text(d->out, "    keep ");
        put_keep(d, i);
        th_buf_char(d->out, '\n');
    }
}

static void put_position(printer *d, th_span s) {
    th_buf_text(d->out, "    ");
    put_span(d, s);
    th_buf_char(d->out, '\n');
}

static void put_label(printer *d, uint32_t pc) {
    if (d->labels[pc] != NO_LABEL) th_buf_printf(d->out, "  L%u:\n", d->labels[pc]);
}

static void put_body(printer *d) {
    const th_function *f = d->f;
    uint32_t position = 0;
    for (uint32_t pc = 0; pc < f->ncode; pc += th_insn_words(&f->code[pc])) {
        put_label(d, pc);
        for (; position < f->npositions && f->positions[position].pc <= pc; position++)
            put_position(d, f->positions[position].span);
        put_instruction(d, pc);
    }
    put_label(d, f->ncode);
    for (uint32_t i = 0; i < f->nhandlers; i++) {
        const th_handler *h = &f->handlers[i];
        th_buf_printf(d->out, "    handler L%u to L%u goto L%u with r%u depth %u\n", d->labels[h->start],
                      d->labels[h->end], d->labels[h->target], h->reg, h->depth);
    }
    th_buf_text(d->out, "}\n");
}

static bool put_function(printer *d, uint32_t index) {
    bool list_keeps;
    d->f = &d->p->functions[index];
    if (!number_labels(d) || !index_keeps(d, &list_keeps)) return false;
    put_signature(d);
    put_head(d, list_keeps);
    put_body(d);
    return !d->out->failed;
}

static bool map_names(printer *d) {
    const th_program *p = d->p;
    bool good = true;
    for (uint32_t i = 0; i < p->nfunctions; i++)
        good = good && th_name_map_put(&d->functions, th_view_str(p->functions[i].name), i);
    for (uint32_t i = 0; i < p->nglobals; i++)
        good = good && th_name_map_put(&d->globals, th_view_str(p->globals[i].name), i);
    for (uint32_t i = 0; i < p->nimports; i++)
        good = good && th_name_map_put(&d->imports, th_view_str(p->imports[i].name), i);
    for (uint32_t i = 0; i < p->nsources; i++)
        good = good && th_name_map_put(&d->sources, th_view_str(p->source_names[i]), i);
    return good;
}

static bool print_program(printer *d) {
    if (!map_names(d) || !weigh_types(d) || !look_at_pools(d)) return false;
    th_buf_text(d->out, "program ");
    put_string(d->out, th_view_str(d->p->name));
    th_buf_char(d->out, '\n');
    put_types(d);
    put_pools(d);
    put_named_types(d, "global", d->p->globals, d->p->nglobals);
    put_named_types(d, "import", d->p->imports, d->p->nimports);
    put_sources(d);
    put_sites_and_shapes(d);
    put_exports(d);
    for (uint32_t i = 0; i < d->p->nfunctions; i++)
        if (!put_function(d, i)) return false;
    return !d->out->failed;
}

th_status th_program_print(const th_program *program, th_buf *out) {
    printer d = {.p = program, .out = out};
    th_arena_init(&d.arena, program->mem);
    d.type_names.arena = d.functions.arena = d.globals.arena = d.imports.arena = &d.arena;
    d.sources.arena = d.strings.arena = &d.arena;
    bool good = print_program(&d);
    th_arena_clear(&d.arena);
    return good ? th_buf_status(out) : TH_E_NOMEM;
}
