/*
** value.c - values as text, and deep comparing, hashing and copying of them, directed by their static types.
** Iterative: what is under way lies on a stack in the machine's memory budget, so that depth is bounded by memory
*alone.
** Values may be cyclic (structs and lists are mutable): printing writes "..." where an object lies within itself,
*comparing
** takes a pair it is already comparing as equal, hashing looks only so deep, copying copies each object once.
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/lib.h"

/* ---- Shared ------------------------------------------------------------------------------------------------- */

#define CHARGE_BLOCK 4096

/* Work is counted here and charged in blocks. */
typedef struct meter {
    th_machine *machine;
    int64_t work;
} meter;

static bool meter_add(meter *m, int64_t units) {
    m->work += units;
    if (TH_LIKELY(m->work < CHARGE_BLOCK)) return true;
    int64_t work = m->work;
    m->work = 0;
    return th_machine_charge(m->machine, work);
}

static bool meter_end(meter *m) { return th_machine_charge(m->machine, m->work); }

static th_status out_of_memory(th_machine *m) {
    (void)th_trap_memory(m);
    return TH_E_NOMEM;
}

/* Looks through options, variants and cells. False: the value is null. */
static bool peel(const th_types *types, th_type_id *type, uint64_t *word) {
    for (;;) {
        const th_type *t = th_types_get(types, *type);
        if (t->kind == TH_KIND_OPTION) {
            if (*word == 0) return false;
            *type = t->args[0];
            *word = option_value(th_types_get(types, *type), *word);
        } else if (t->kind == TH_KIND_VARIANT) {
            const th_record *record = th_word_ptr(*word);
            *type = t->args[record->slots[0]];
            *word = record->slots[1];
        } else if (t->kind == TH_KIND_CELL) {
            *type = t->args[0];
            *word = ((const th_record *)th_word_ptr(*word))->slots[0];
        } else {
            return true;
        }
    }
}

static bool is_container(th_kind kind) {
    return kind == TH_KIND_LIST || kind == TH_KIND_DICT || kind == TH_KIND_TUPLE || kind == TH_KIND_STRUCT;
}

/* Child i of a list, tuple or struct. */
static uint64_t child(const th_types *types, const th_type *t, const th_object *object, size_t i, th_type_id *type) {
    if (t->kind == TH_KIND_LIST) {
        *type = t->args[0];
        return list_load((const th_list *)object, th_types_get(types, *type), i);
    }
    *type = t->args[i];
    return ((const th_record *)object)->slots[i];
}

static size_t child_count(const th_type *t, const th_object *object) {
    return t->kind == TH_KIND_LIST ? ((const th_list *)object)->len : t->nargs;
}

/* ---- Printing ----------------------------------------------------------------------------------------------- */

typedef struct print_frame {
    const th_type *type;
    const th_object *object;
    size_t at;    /* next child, or the cursor of th_dict_next */
    size_t count; /* children written */
} print_frame;

typedef struct printer {
    th_machine *machine;
    const th_types *types;
    th_buf *out;
    uint32_t flags;
    meter meter;
    print_frame *frames;
    size_t depth, capacity;
    /* The objects on the path, hashed once it is longer than PATH_SHORT. */
    const th_object **path;
    size_t path_capacity;
} printer;

enum { PATH_SHORT = 32 };

static size_t path_home(const printer *p, const th_object *object) {
    return (size_t)th_hash_word(th_ptr_word(object)) & (p->path_capacity - 1);
}

static void path_put(printer *p, const th_object *object) {
    size_t i = path_home(p, object);
    while (p->path[i]) i = (i + 1) & (p->path_capacity - 1);
    p->path[i] = object;
}

static void path_drop(printer *p, const th_object *object) {
    size_t mask = p->path_capacity - 1, hole = path_home(p, object);
    while (p->path[hole] != object) hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; p->path[i]; i = (i + 1) & mask) {
        if (((i - path_home(p, p->path[i])) & mask) < ((i - hole) & mask)) continue;
        p->path[hole] = p->path[i];
        hole = i;
    }
    p->path[hole] = NULL;
}

static bool path_grow(printer *p) {
    size_t capacity = p->path_capacity ? p->path_capacity * 2 : 128;
    const th_object **old = p->path;
    size_t old_capacity = p->path_capacity;
    const th_object **path = th_mem_zeroed(th_machine_mem(p->machine), capacity * sizeof *path);
    if (!path) return false;
    p->path = path;
    p->path_capacity = capacity;
    for (size_t i = 0; i < p->depth; i++) path_put(p, p->frames[i].object);
    th_mem_free(th_machine_mem(p->machine), old, old_capacity * sizeof *old);
    return true;
}

static bool on_path(const printer *p, const th_object *object) {
    if (!p->path) {
        for (size_t i = p->depth; i-- > 0;)
            if (p->frames[i].object == object) return true;
        return false;
    }
    for (size_t i = path_home(p, object); p->path[i]; i = (i + 1) & (p->path_capacity - 1))
        if (p->path[i] == object) return true;
    return false;
}

static bool print_push(printer *p, const th_type *t, const th_object *object) {
    bool hashed = p->path || p->depth == PATH_SHORT;
    if (hashed && (!p->path || p->depth * 2 >= p->path_capacity) && !path_grow(p)) return false;
    if (th_mem_grow(th_machine_mem(p->machine), (void **)&p->frames, &p->capacity, p->depth + 1, sizeof *p->frames))
        return false;
    p->frames[p->depth++] = (print_frame){t, object, 0, 0};
    if (hashed) path_put(p, object);
    return true;
}

static void print_pop(printer *p) {
    p->depth--;
    if (p->path) path_drop(p, p->frames[p->depth].object);
}

static void put_escaped(th_buf *out, unsigned char c, bool json) {
    const char *known = "\n\r\t\\", *letters = "nrt\\";
    const char *at = c ? strchr(known, c) : NULL;
    if (at)
        th_buf_printf(out, "\\%c", letters[at - known]);
    else if (json)
        th_buf_printf(out, "\\u%04x", c);
    else
        th_buf_printf(out, "\\u{%x}", c);
}

static void put_quoted(th_buf *out, th_view text, bool json) {
    char quote = json ? '"' : '\'';
    size_t from = 0;
    th_buf_char(out, quote);
    for (size_t i = 0; i < text.len;) {
        unsigned char c = (unsigned char)text.data[i];
        uint32_t code = c;
        size_t used = c < 128 ? 1 : th_utf8_decode(text.data, text.len, i, &code);
        bool bad = c >= 128 && used == 1;
        if (bad || c < 32 || c == 127 || c == '\\' || c == (unsigned char)quote) {
            th_buf_put(out, text.data + from, i - from);
            if (c == (unsigned char)quote)
                th_buf_put(out, json ? "\\\"" : "\\'", 2);
            else if (bad && json)
                th_buf_text(out, "\xef\xbf\xbd");
            else if (bad)
                th_buf_printf(out, "\\x%02x", c);
            else
                put_escaped(out, c, json);
            from = i + used;
        }
        i += used;
    }
    th_buf_put(out, text.data + from, text.len - from);
    th_buf_char(out, quote);
}

static void put_integer(th_buf *out, uint64_t word) {
    char text[32];
    th_buf_put(out, text, th_format_i64((int64_t)word, text));
}

static void put_float(printer *p, double x, bool single) {
    char text[40];
    if ((p->flags & TH_PRINT_JSON) && (x != x || x - x != 0)) {
        th_buf_text(p->out, "null");
        return;
    }
    size_t len = single ? th_format_f32((float)x, true, text) : th_format_f64(x, true, text);
    th_buf_put(p->out, text, len);
}

static void put_member(printer *p, const th_type *t, uint64_t word) {
    if (word >= t->nnames) {
        put_integer(p->out, word);
        return;
    }
    th_view name = th_view_str(t->names[word]);
    if (p->flags & TH_PRINT_JSON)
        put_quoted(p->out, name, true);
    else
        th_buf_put(p->out, name.data, name.len);
}

static void put_name(th_buf *out, th_view text) {
    if (th_lib_is_name(text))
        th_buf_put(out, text.data, text.len);
    else
        put_quoted(out, text, false);
}

static th_view closure_name(uint64_t word) {
    const th_closure *closure = th_word_ptr(word);
    if (!closure || !closure->fn) return th_view_of("function");
    const th_function *info = th_fn_info(closure->fn);
    return info && info->name ? th_view_str(info->name) : th_view_of("function");
}

static th_view error_text(uint64_t word, size_t slot) {
    const th_str *text = th_word_ptr(((const th_record *)th_word_ptr(word))->slots[slot]);
    return text ? th_view_str(text) : (th_view){"", 0};
}

static th_status put_error(printer *p, uint64_t word) {
    if (!(p->flags & TH_PRINT_JSON)) {
        th_view message = error_text(word, TH_ERROR_MESSAGE);
        if (p->depth)
            put_quoted(p->out, message, false);
        else
            th_buf_put(p->out, message.data, message.len);
        return TH_OK;
    }
    static const struct {
        const char *name;
        size_t slot;
    } texts[] = {
        {"{\"kind\": ", TH_ERROR_KIND}, {", \"message\": ", TH_ERROR_MESSAGE}, {", \"file\": ", TH_ERROR_FILE}};
    for (size_t i = 0; i < TH_COUNT(texts); i++) {
        th_buf_text(p->out, texts[i].name);
        put_quoted(p->out, error_text(word, texts[i].slot), true);
    }
    const th_record *record = th_word_ptr(word);
    th_buf_text(p->out, ", \"line\": ");
    put_integer(p->out, record->slots[TH_ERROR_LINE]);
    th_buf_text(p->out, ", \"column\": ");
    put_integer(p->out, record->slots[TH_ERROR_COLUMN]);
    th_buf_char(p->out, '}');
    return TH_OK;
}

static th_status put_opaque(printer *p, const th_type *t, th_view name, const char *what) {
    if (p->flags & TH_PRINT_JSON) {
        (void)th_machine_trap(p->machine, TH_E_UNSUPPORTED, "%s has no JSON form", what);
        return TH_E_UNSUPPORTED;
    }
    (void)t;
    th_buf_printf(p->out, "<%.*s>", (int)name.len, name.data);
    return TH_OK;
}

static void put_string(printer *p, th_view text) {
    bool plain = p->depth == 0 && !(p->flags & (TH_PRINT_QUOTED | TH_PRINT_JSON));
    if (plain)
        th_buf_put(p->out, text.data, text.len);
    else
        put_quoted(p->out, text, (p->flags & TH_PRINT_JSON) != 0);
}

static void put_symbol(printer *p, th_view text) {
    if (p->flags & TH_PRINT_JSON) {
        put_quoted(p->out, text, true);
        return;
    }
    th_buf_char(p->out, ':');
    put_name(p->out, text);
}

static th_status put_function(printer *p, const th_type *t, uint64_t word) {
    th_view name = closure_name(word);
    if (p->flags & TH_PRINT_JSON) return put_opaque(p, t, name, "a function");
    th_buf_text(p->out, "<function");
    if (name.len && !th_view_is(name, "function")) th_buf_printf(p->out, " %.*s", (int)name.len, name.data);
    th_buf_char(p->out, '>');
    return TH_OK;
}

/* A value that has no children. */
static th_status put_leaf(printer *p, const th_type *t, uint64_t word) {
    switch ((th_kind)t->kind) {
    case TH_KIND_I8:
    case TH_KIND_I16:
    case TH_KIND_I32:
    case TH_KIND_I64: put_integer(p->out, word); return TH_OK;
    case TH_KIND_F32: put_float(p, (double)th_word_f32(word), true); return TH_OK;
    case TH_KIND_F64: put_float(p, th_word_f64(word), false); return TH_OK;
    case TH_KIND_BOOL: th_buf_text(p->out, word ? "true" : "false"); return TH_OK;
    case TH_KIND_STRING: put_string(p, th_view_str(th_word_ptr(word))); return TH_OK;
    case TH_KIND_SYMBOL: put_symbol(p, th_view_str(th_word_ptr(word))); return TH_OK;
    case TH_KIND_ENUM: put_member(p, t, word); return TH_OK;
    case TH_KIND_ERROR: return put_error(p, word);
    case TH_KIND_FUNCTION: return put_function(p, t, word);
    case TH_KIND_TABLE: return put_opaque(p, t, th_view_of("table"), "a table");
    case TH_KIND_OPAQUE: return put_opaque(p, t, th_view_str(t->name), "an opaque value");
    case TH_KIND_VALUE: return put_opaque(p, t, th_view_of("value"), "a guest value");
    default: th_buf_text(p->out, p->flags & TH_PRINT_JSON ? "null" : "void"); return TH_OK;
    }
}

static size_t frame_children(const print_frame *f) {
    return f->type->kind == TH_KIND_DICT ? (size_t)((const th_dict *)f->object)->len : child_count(f->type, f->object);
}

static void put_open(printer *p, const print_frame *f) {
    bool json = (p->flags & TH_PRINT_JSON) != 0;
    th_kind kind = (th_kind)f->type->kind;
    if (kind == TH_KIND_STRUCT && !json) {
        th_view name = th_view_str(f->type->name);
        th_buf_char(p->out, '@');
        th_buf_put(p->out, name.data, name.len);
        th_buf_text(p->out, " {");
        if (frame_children(f) && !(p->flags & TH_PRINT_PRETTY)) th_buf_char(p->out, ' ');
    } else {
        th_buf_char(p->out, kind == TH_KIND_LIST || (json && kind == TH_KIND_TUPLE) ? '[' : '{');
    }
}

static void put_line(printer *p) {
    th_buf_char(p->out, '\n');
    for (size_t i = 0; i < p->depth; i++) th_buf_put(p->out, "  ", 2);
}

static void put_close(printer *p, const print_frame *f) {
    bool json = (p->flags & TH_PRINT_JSON) != 0;
    th_kind kind = (th_kind)f->type->kind;
    if (f->count && (p->flags & TH_PRINT_PRETTY))
        put_line(p); /* the depth is the parent's by now */
    else if (f->count && kind == TH_KIND_STRUCT && !json)
        th_buf_char(p->out, ' ');
    th_buf_char(p->out, kind == TH_KIND_LIST || (json && kind == TH_KIND_TUPLE) ? ']' : '}');
}

static void put_key(printer *p, const th_type *t, uint64_t key) {
    if (p->flags & TH_PRINT_JSON) {
        bool quoted = t->kind == TH_KIND_STRING || t->kind == TH_KIND_SYMBOL || t->kind == TH_KIND_ENUM;
        if (!quoted) th_buf_char(p->out, '"');
        (void)put_leaf(p, t, key);
        if (!quoted) th_buf_char(p->out, '"');
    } else if (t->kind == TH_KIND_STRING || t->kind == TH_KIND_SYMBOL) {
        put_name(p->out, th_view_str(th_word_ptr(key)));
    } else {
        (void)put_leaf(p, t, key);
    }
    th_buf_text(p->out, ": ");
}

/* Writes what stands before the next child of the top frame and gives the child. False: there is none. */
static bool next_child(printer *p, th_type_id *type, uint64_t *word) {
    print_frame *f = &p->frames[p->depth - 1];
    const th_dict_entry *entry = NULL;
    if (f->type->kind == TH_KIND_DICT) entry = th_dict_next((const th_dict *)f->object, &f->at);
    if (f->type->kind == TH_KIND_DICT ? !entry : f->at >= child_count(f->type, f->object)) return false;
    bool pretty = (p->flags & TH_PRINT_PRETTY) != 0;
    if (f->count++) th_buf_put(p->out, ", ", pretty ? 1 : 2);
    if (pretty) put_line(p);
    if (entry) {
        put_key(p, th_types_get(p->types, f->type->args[0]), entry->key);
        *type = f->type->args[1];
        *word = entry->value;
        return true;
    }
    if (f->type->kind == TH_KIND_STRUCT) {
        th_view name = th_view_str(f->type->names[f->at]);
        if (p->flags & TH_PRINT_JSON)
            put_quoted(p->out, name, true);
        else
            th_buf_put(p->out, name.data, name.len);
        th_buf_text(p->out, ": ");
    }
    *word = child(p->types, f->type, f->object, f->at++, type);
    return true;
}

static th_status put_value(printer *p, th_type_id type, uint64_t word) {
    if (!peel(p->types, &type, &word)) {
        th_buf_text(p->out, "null");
        return TH_OK;
    }
    const th_type *t = th_types_get(p->types, type);
    if (!is_container((th_kind)t->kind)) return put_leaf(p, t, word);
    const th_object *object = th_word_ptr(word);
    if (on_path(p, object)) {
        th_buf_text(p->out, p->flags & TH_PRINT_JSON ? "null" : "...");
        return TH_OK;
    }
    if (!print_push(p, t, object)) return out_of_memory(p->machine);
    put_open(p, &p->frames[p->depth - 1]);
    return TH_OK;
}

static th_status print_all(printer *p, th_type_id type, uint64_t word) {
    size_t seen = p->out->len;
    TH_TRY(put_value(p, type, word));
    while (p->depth > 0) {
        if (next_child(p, &type, &word)) {
            TH_TRY(put_value(p, type, word));
        } else {
            print_frame f = p->frames[p->depth - 1];
            print_pop(p);
            put_close(p, &f);
        }
        if (p->out->failed) return out_of_memory(p->machine);
        size_t grown = p->out->len - seen;
        seen = p->out->len;
        if (!meter_add(&p->meter, (int64_t)(2 + grown / 8))) return TH_E_TRAP;
    }
    if (p->out->failed) return out_of_memory(p->machine);
    p->meter.work += (int64_t)(1 + (p->out->len - seen) / 8);
    return meter_end(&p->meter) ? TH_OK : TH_E_TRAP;
}

th_status th_value_print(th_machine *machine, th_type_id type, uint64_t word, uint32_t flags, th_buf *out) {
    printer p = {.machine = machine, .types = th_machine_types(machine), .out = out, .flags = flags};
    p.meter.machine = machine;
    th_status status = print_all(&p, type, word);
    th_mem_free(th_machine_mem(machine), p.frames, p.capacity * sizeof *p.frames);
    th_mem_free(th_machine_mem(machine), p.path, p.path_capacity * sizeof *p.path);
    return status;
}

/* ---- Comparing ---------------------------------------------------------------------------------------------- */

typedef struct compare_frame {
    const th_type *type;
    const th_object *a, *b;
    size_t at;
    const th_dict_entry **sorted; /* when ordering dicts: a's entries by key, then b's */
} compare_frame;

enum { FRAMES_INLINE = 12, CLASSES_AFTER = 4096, CLASSES_MIN = 1 << 14 };

/* An object met while comparing, and the one its class hangs on (itself: the root). */
typedef struct member {
    const th_object *object;
    uint32_t parent;
} member;

/* Every pair met so far was equal or is still being compared; both say that the two objects are to be taken as equal. After
** many pairs they are put into one class, and objects of one class are not compared again (Hopcroft and Karp, 1971), so
** that cycles end and shared parts are compared once. The table of classes is thrown away when it is full, which costs
** time alone; its limit grows with the depth, so that a cycle, which makes the stack grow, is caught in the end. */
typedef struct comparer {
    th_machine *machine;
    const th_types *types;
    meter meter;
    bool ordering; /* else equality alone is asked for */
    compare_frame *frames;
    size_t depth, capacity;
    compare_frame inline_frames[FRAMES_INLINE];
    member *members; /* open addressing by object */
    size_t nmembers, members_capacity;
    uint64_t containers; /* compared so far */
} comparer;

/* The slot of an object's class, made when it is new. */
static uint32_t class_of(comparer *c, const th_object *object) {
    size_t mask = c->members_capacity - 1, i = (size_t)th_hash_word(th_ptr_word(object)) & mask;
    while (c->members[i].object && c->members[i].object != object) i = (i + 1) & mask;
    if (!c->members[i].object) {
        c->members[i] = (member){object, (uint32_t)i};
        c->nmembers++;
    }
    while (c->members[i].parent != i) {
        c->members[i].parent = c->members[c->members[i].parent].parent;
        i = c->members[i].parent;
    }
    return (uint32_t)i;
}

static bool make_room(comparer *c) {
    size_t wanted = CLASSES_MIN;
    while (wanted < c->depth * 8 && wanted < (size_t)1 << 31) wanted *= 2;
    if (c->members_capacity >= wanted && (c->nmembers + 2) * 2 <= c->members_capacity) return true;
    th_mem *mem = th_machine_mem(c->machine);
    th_mem_free(mem, c->members, c->members_capacity * sizeof *c->members);
    c->members = th_mem_zeroed(mem, wanted * sizeof *c->members);
    c->members_capacity = c->members ? wanted : 0;
    c->nmembers = 0;
    return c->members != NULL;
}

/* Whether the two need not be compared; from now on they are taken as equal. */
static bool same_class(comparer *c, const th_object *a, const th_object *b, bool *nomem) {
    *nomem = !make_room(c);
    if (*nomem) return false;
    uint32_t x = class_of(c, a), y = class_of(c, b);
    c->members[x].parent = y;
    return x == y;
}

static bool compare_push(comparer *c, const th_type *t, const th_object *a, const th_object *b) {
    if (c->depth == c->capacity) {
        th_mem *mem = th_machine_mem(c->machine);
        size_t capacity = c->capacity * 2;
        bool was_inline = c->frames == c->inline_frames;
        compare_frame *frames = th_mem_resize(mem, was_inline ? NULL : c->frames,
                                              was_inline ? 0 : c->capacity * sizeof *frames, capacity * sizeof *frames);
        if (!frames) return false;
        if (was_inline) memcpy(frames, c->inline_frames, sizeof c->inline_frames);
        c->frames = frames;
        c->capacity = capacity;
    }
    c->frames[c->depth++] = (compare_frame){t, a, b, 0, NULL};
    return true;
}

static void compare_pop(comparer *c) {
    compare_frame *f = &c->frames[--c->depth];
    if (f->sorted)
        th_mem_free(th_machine_mem(c->machine), f->sorted,
                    2 * (size_t)((const th_dict *)f->a)->len * sizeof *f->sorted);
}

static int compare_signed(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int compare_strings(uint64_t a, uint64_t b) {
    if (a == b) return 0;
    int order = th_view_compare(th_view_str(th_word_ptr(a)), th_view_str(th_word_ptr(b)));
    return (order > 0) - (order < 0);
}

static int compare_errors(uint64_t a, uint64_t b) {
    static const size_t slots[] = {TH_ERROR_KIND, TH_ERROR_MESSAGE, TH_ERROR_FILE};
    for (size_t i = 0; i < TH_COUNT(slots); i++) {
        int order = th_view_compare(error_text(a, slots[i]), error_text(b, slots[i]));
        if (order) return order < 0 ? -1 : 1;
    }
    const th_record *x = th_word_ptr(a), *y = th_word_ptr(b);
    int order = compare_signed((int64_t)x->slots[TH_ERROR_LINE], (int64_t)y->slots[TH_ERROR_LINE]);
    return order ? order : compare_signed((int64_t)x->slots[TH_ERROR_COLUMN], (int64_t)y->slots[TH_ERROR_COLUMN]);
}

static th_status no_order(comparer *c, const th_type *t) {
    const char *what = t->kind == TH_KIND_FUNCTION ? "functions"
                       : t->kind == TH_KIND_TABLE  ? "tables"
                                                   : "opaque values";
    (void)th_machine_trap(c->machine, TH_E_TYPE, "%s have no order", what);
    return TH_E_TYPE;
}

static th_status compare_leaf(comparer *c, const th_type *t, uint64_t a, uint64_t b, int *out) {
    switch ((th_kind)t->kind) {
    case TH_KIND_VOID: *out = 0; return TH_OK;
    case TH_KIND_I8:
    case TH_KIND_I16:
    case TH_KIND_I32:
    case TH_KIND_I64:
    case TH_KIND_BOOL:
    case TH_KIND_ENUM: *out = compare_signed((int64_t)a, (int64_t)b); return TH_OK;
    case TH_KIND_F32: *out = compare_f64((double)th_word_f32(a), (double)th_word_f32(b)); return TH_OK;
    case TH_KIND_F64: *out = compare_f64(th_word_f64(a), th_word_f64(b)); return TH_OK;
    case TH_KIND_STRING:
    case TH_KIND_SYMBOL:
        c->meter.work += 1 + ((const th_str *)th_word_ptr(a))->len / 16;
        *out = compare_strings(a, b);
        return TH_OK;
    case TH_KIND_ERROR: *out = a == b ? 0 : compare_errors(a, b); return TH_OK;
    default: *out = a != b; return c->ordering && a != b ? no_order(c, t) : TH_OK;
    }
}

/* Looks through options and variants of both sides at once. True: *out is the answer already. */
static bool peel_pair(const th_types *types, th_type_id *type, uint64_t *a, uint64_t *b, int *out) {
    for (;;) {
        const th_type *t = th_types_get(types, *type);
        if (t->kind == TH_KIND_OPTION) {
            if (*a == 0 || *b == 0) {
                *out = (*a != 0) - (*b != 0);
                return true;
            }
            *type = t->args[0];
            const th_type *of = th_types_get(types, *type);
            *a = option_value(of, *a);
            *b = option_value(of, *b);
        } else if (t->kind == TH_KIND_VARIANT || t->kind == TH_KIND_CELL) {
            const th_record *x = th_word_ptr(*a), *y = th_word_ptr(*b);
            bool variant = t->kind == TH_KIND_VARIANT;
            if (variant && x->slots[0] != y->slots[0]) {
                *out = compare_signed((int64_t)x->slots[0], (int64_t)y->slots[0]);
                return true;
            }
            *type = variant ? t->args[x->slots[0]] : t->args[0];
            *a = x->slots[variant];
            *b = y->slots[variant];
        } else {
            return false;
        }
    }
}

static int compare_keys(const th_type *t, uint64_t a, uint64_t b) {
    if (t->cls == TH_CLASS_STRING) return compare_strings(a, b);
    return compare_signed((int64_t)a, (int64_t)b);
}

/* Merge sort of entries by key; `spare` has room for n. */
static bool sort_entries(comparer *c, const th_type *key, const th_dict_entry **entries, const th_dict_entry **spare,
                         size_t n) {
    for (size_t width = 1; width < n; width *= 2) {
        if (!th_machine_charge(c->machine, (int64_t)n * 2)) return false;
        for (size_t lo = 0; lo < n; lo += 2 * width) {
            size_t mid = lo + width < n ? lo + width : n, hi = lo + 2 * width < n ? lo + 2 * width : n;
            for (size_t i = lo, j = mid, k = lo; k < hi; k++) {
                bool left = j == hi || (i < mid && compare_keys(key, entries[i]->key, entries[j]->key) <= 0);
                spare[k] = left ? entries[i++] : entries[j++];
            }
        }
        memcpy(entries, spare, n * sizeof *entries);
    }
    return true;
}

static th_status start_dicts(comparer *c, compare_frame *f) {
    const th_dict *dicts[2] = {(const th_dict *)f->a, (const th_dict *)f->b};
    size_t n = (size_t)dicts[0]->len;
    th_mem *mem = th_machine_mem(c->machine);
    if (!c->ordering || n == 0) return TH_OK;
    const th_dict_entry **spare = th_mem_new(mem, n * sizeof *spare);
    f->sorted = th_mem_new(mem, 2 * n * sizeof *f->sorted);
    bool ok = true;
    for (size_t side = 0; spare && f->sorted && ok && side < 2; side++) {
        size_t count = 0, cursor = 0;
        for (const th_dict_entry *e; (e = th_dict_next(dicts[side], &cursor)) != NULL;)
            f->sorted[side * n + count++] = e;
        ok = sort_entries(c, th_types_get(c->types, f->type->args[0]), f->sorted + side * n, spare, n);
    }
    bool nomem = !spare || !f->sorted;
    th_mem_free(mem, spare, n * sizeof *spare);
    return nomem ? out_of_memory(c->machine) : ok ? TH_OK : TH_E_TRAP;
}

/* Two containers: answers at once, or pushes a frame. */
static th_status compare_containers(comparer *c, const th_type *t, uint64_t a, uint64_t b, int *out) {
    const th_object *x = th_word_ptr(a), *y = th_word_ptr(b);
    *out = 0;
    if (x == y) return TH_OK;
    if (t->kind == TH_KIND_LIST && !c->ordering && ((const th_list *)x)->len != ((const th_list *)y)->len) {
        *out = 1;
        return TH_OK;
    }
    if (t->kind == TH_KIND_DICT && ((const th_dict *)x)->len != ((const th_dict *)y)->len) {
        *out = ((const th_dict *)x)->len < ((const th_dict *)y)->len ? -1 : 1;
        return TH_OK;
    }
    bool nomem = false;
    if (++c->containers > CLASSES_AFTER && same_class(c, x, y, &nomem)) return TH_OK;
    if (nomem || !compare_push(c, t, x, y)) return out_of_memory(c->machine);
    return t->kind == TH_KIND_DICT ? start_dicts(c, &c->frames[c->depth - 1]) : TH_OK;
}

static th_status compare_values(comparer *c, th_type_id type, uint64_t a, uint64_t b, int *out) {
    if (peel_pair(c->types, &type, &a, &b, out)) return TH_OK;
    const th_type *t = th_types_get(c->types, type);
    if (is_container((th_kind)t->kind)) return compare_containers(c, t, a, b, out);
    return compare_leaf(c, t, a, b, out);
}

/* Lists of integers in a run, without a turn of the loop for each. */
static bool compare_integers(comparer *c, compare_frame *f, const th_type *element, size_t n, int *out) {
    const th_list *a = (const th_list *)f->a, *b = (const th_list *)f->b;
    size_t end = f->at + CHARGE_BLOCK < n ? f->at + CHARGE_BLOCK : n, i = f->at;
    if (memcmp(a->bytes + i * element->bytes, b->bytes + i * element->bytes, (end - i) * element->bytes) == 0) i = end;
    while (i < end && list_load(a, element, i) == list_load(b, element, i)) i++;
    c->meter.work += (int64_t)(i - f->at) / 4;
    f->at = i;
    if (i == end) return false;
    *out = compare_signed((int64_t)list_load(a, element, i), (int64_t)list_load(b, element, i));
    return true;
}

static bool is_integer_like(th_kind kind) {
    return (kind >= TH_KIND_I8 && kind <= TH_KIND_I64) || kind == TH_KIND_BOOL || kind == TH_KIND_ENUM;
}

static th_status step_list(comparer *c, compare_frame *f, int *out, bool *over) {
    const th_list *a = (const th_list *)f->a, *b = (const th_list *)f->b;
    size_t n = a->len < b->len ? a->len : b->len;
    const th_type *element = th_types_get(c->types, f->type->args[0]);
    if (f->at >= n) {
        *out = compare_signed((int64_t)a->len, (int64_t)b->len);
        *over = true;
        return TH_OK;
    }
    if (is_integer_like((th_kind)element->kind)) {
        (void)compare_integers(c, f, element, n, out);
        return TH_OK;
    }
    size_t i = f->at++;
    return compare_values(c, f->type->args[0], list_load(a, element, i), list_load(b, element, i), out);
}

static th_status step_dict(comparer *c, compare_frame *f, int *out, bool *over) {
    const th_dict *a = (const th_dict *)f->a, *b = (const th_dict *)f->b;
    th_type_id value = f->type->args[1];
    if (f->sorted) {
        if (f->at == a->len) {
            *over = true;
            return TH_OK;
        }
        const th_dict_entry *x = f->sorted[f->at], *y = f->sorted[a->len + f->at];
        f->at++;
        *out = compare_keys(th_types_get(c->types, f->type->args[0]), x->key, y->key);
        return *out ? TH_OK : compare_values(c, value, x->value, y->value, out);
    }
    const th_dict_entry *x = th_dict_next(a, &f->at);
    *over = x == NULL;
    if (!x) return TH_OK;
    const uint64_t *y = th_dict_find(b, x->key);
    if (y) return compare_values(c, value, x->value, *y, out);
    *out = 1;
    return TH_OK;
}

static th_status step_record(comparer *c, compare_frame *f, int *out, bool *over) {
    *over = f->at >= f->type->nargs;
    if (*over) return TH_OK;
    size_t i = f->at++;
    uint64_t a = ((const th_record *)f->a)->slots[i], b = ((const th_record *)f->b)->slots[i];
    return compare_values(c, f->type->args[i], a, b, out);
}

static th_status compare_all(comparer *c, th_type_id type, uint64_t a, uint64_t b, int *out) {
    *out = 0;
    TH_TRY(compare_values(c, type, a, b, out));
    while (*out == 0 && c->depth > 0) {
        compare_frame *f = &c->frames[c->depth - 1];
        bool over = false;
        if (f->type->kind == TH_KIND_LIST)
            TH_TRY(step_list(c, f, out, &over));
        else if (f->type->kind == TH_KIND_DICT)
            TH_TRY(step_dict(c, f, out, &over));
        else
            TH_TRY(step_record(c, f, out, &over));
        if (over) compare_pop(c);
        if (!meter_add(&c->meter, 2)) return TH_E_TRAP;
    }
    c->meter.work++;
    return meter_end(&c->meter) ? TH_OK : TH_E_TRAP;
}

static th_status compare_run(th_machine *machine, bool ordering, th_type_id type, uint64_t a, uint64_t b, int *out) {
    comparer c;
    c.machine = machine;
    c.types = th_machine_types(machine);
    c.meter = (meter){machine, 0};
    c.ordering = ordering;
    c.frames = c.inline_frames;
    c.depth = 0;
    c.capacity = FRAMES_INLINE;
    c.members = NULL;
    c.nmembers = c.members_capacity = 0;
    c.containers = 0;
    int order;
    th_status status = compare_all(&c, type, a, b, &order);
    while (c.depth > 0) compare_pop(&c);
    th_mem *mem = th_machine_mem(machine);
    if (c.frames != c.inline_frames) th_mem_free(mem, c.frames, c.capacity * sizeof *c.frames);
    th_mem_free(mem, c.members, c.members_capacity * sizeof *c.members);
    if (status == TH_OK) *out = order;
    return status;
}

th_status th_value_compare(th_machine *machine, th_type_id type, uint64_t a, uint64_t b, int *out) {
    return compare_run(machine, true, type, a, b, out);
}

th_status th_value_equal(th_machine *machine, th_type_id type, uint64_t a, uint64_t b, bool *out) {
    int order = 0;
    TH_TRY(compare_run(machine, false, type, a, b, &order));
    *out = order == 0;
    return TH_OK;
}

/* ---- Hashing ------------------------------------------------------------------------------------------------ */

/* Equal values have equal unfoldings, so a hash that looks at a part of the unfolding that is chosen by depth and count
** alone is the same for equal values, cyclic ones included. */
enum { HASH_DEPTH = 200, HASH_NODES = 1 << 20 };

typedef struct hash_frame {
    const th_type *type;
    const th_object *object;
    size_t at;
} hash_frame;

static uint64_t mix(uint64_t hash, uint64_t word) {
    return th_hash_word((hash << 7 | hash >> 57) ^ word ^ 0x9e3779b97f4a7c15u);
}

static uint64_t hash_f64(double x) {
    if (x == 0) x = 0; /* the two zeros are equal */
    return x != x ? 0x7ff8u : th_f64_word(x);
}

static uint64_t hash_text(th_view text) { return th_hash_bytes(text.data, text.len, 0x51ed270b); }

static uint64_t hash_leaf(const th_type *t, uint64_t word) {
    switch ((th_kind)t->kind) {
    case TH_KIND_F32: return hash_f64((double)th_word_f32(word));
    case TH_KIND_F64: return hash_f64(th_word_f64(word));
    case TH_KIND_STRING:
    case TH_KIND_SYMBOL: return hash_text(th_view_str(th_word_ptr(word)));
    case TH_KIND_ERROR: return hash_text(error_text(word, TH_ERROR_MESSAGE));
    default: return word;
    }
}

/* The order of a dict's entries does not count: the hashes of its keys are added up. */
static uint64_t hash_dict(const th_types *types, const th_type *t, const th_dict *dict, int64_t *work) {
    const th_type *key = th_types_get(types, t->args[0]);
    uint64_t sum = 0;
    size_t cursor = 0;
    for (const th_dict_entry *e; (e = th_dict_next(dict, &cursor)) != NULL;) {
        th_type_id type = t->args[1];
        uint64_t word = e->value, value = 0;
        if (!peel(types, &type, &word))
            value = 1;
        else if (!is_container(th_types_kind(types, type)))
            value = hash_leaf(th_types_get(types, type), word);
        sum += mix(mix(0, hash_leaf(key, e->key)), value);
    }
    *work += (int64_t)dict->used * 2;
    return sum;
}

th_status th_value_hash(th_machine *machine, th_type_id type, uint64_t word, uint64_t *out) {
    const th_types *types = th_machine_types(machine);
    hash_frame frames[HASH_DEPTH];
    size_t depth = 0, nodes = 0;
    uint64_t hash = 0;
    meter charge = {machine, 1};
    bool more = true;
    while (more) {
        bool some = peel(types, &type, &word);
        const th_type *t = th_types_get(types, type);
        if (!some) {
            hash = mix(hash, 1);
        } else if (t->kind == TH_KIND_DICT) {
            hash = mix(hash, hash_dict(types, t, th_word_ptr(word), &charge.work));
        } else if (is_container((th_kind)t->kind)) {
            const th_object *object = th_word_ptr(word);
            hash = mix(hash, child_count(t, object) + 0x100);
            if (depth < HASH_DEPTH) frames[depth++] = (hash_frame){t, object, 0};
        } else {
            hash = mix(hash, hash_leaf(t, word));
            if (t->cls == TH_CLASS_STRING) charge.work += ((const th_str *)th_word_ptr(word))->len / 8;
        }
        if (!meter_add(&charge, 2)) return TH_E_TRAP;
        while (depth > 0 && frames[depth - 1].at >= child_count(frames[depth - 1].type, frames[depth - 1].object))
            depth--;
        more = depth > 0 && ++nodes < HASH_NODES;
        if (more) {
            hash_frame *f = &frames[depth - 1];
            word = child(types, f->type, f->object, f->at++, &type);
        }
    }
    if (!meter_end(&charge)) return TH_E_TRAP;
    *out = hash;
    return TH_OK;
}

/* ---- Copying ------------------------------------------------------------------------------------------------ */

typedef struct moved {
    const th_object *from;
    th_object *to;
} moved;

/* Objects already copied, by address; and those whose children are still the originals', in `todo`. */
typedef struct copier {
    th_machine *machine;
    const th_types *types;
    meter meter;
    moved *map;
    size_t map_len, map_capacity;
    struct copy_item {
        th_object *object;
        th_type_id type;
    } *todo;
    size_t todo_len, todo_capacity;
} copier;

static moved *map_slot(moved *map, size_t capacity, const th_object *from) {
    size_t i = (size_t)th_hash_word(th_ptr_word(from)) & (capacity - 1);
    while (map[i].from && map[i].from != from) i = (i + 1) & (capacity - 1);
    return &map[i];
}

static bool map_grow(copier *c) {
    size_t capacity = c->map_capacity ? c->map_capacity * 2 : 64;
    th_mem *mem = th_machine_mem(c->machine);
    moved *map = th_mem_zeroed(mem, capacity * sizeof *map);
    if (!map) return false;
    for (size_t i = 0; i < c->map_capacity; i++)
        if (c->map[i].from) *map_slot(map, capacity, c->map[i].from) = c->map[i];
    th_mem_free(mem, c->map, c->map_capacity * sizeof *map);
    c->map = map;
    c->map_capacity = capacity;
    return true;
}

/* Types whose values are, or hold, something mutable that a copy must have of its own. */
static bool is_copied(th_kind kind) { return is_container(kind) || kind == TH_KIND_VARIANT || kind == TH_KIND_CELL; }

/* Whether words of this type lead to something that is_copied; bare options are their content. */
static bool leads_on(const th_types *types, th_type_id type) {
    const th_type *t = th_types_get(types, type);
    if (t->kind == TH_KIND_OPTION) t = th_types_get(types, t->args[0]);
    return is_copied((th_kind)t->kind);
}

static th_object *copy_list(copier *c, th_type_id type, const th_list *list) {
    th_list *copy = th_lib_new_list(c->machine, type, list->len);
    if (!copy) return NULL;
    th_lib_list_copy(c->machine, copy, 0, list, 0, list->len);
    c->meter.work += (int64_t)(list->len * th_types_get(c->types, th_types_get(c->types, type)->args[0])->bytes / 8);
    return &copy->object;
}

static th_object *copy_dict(copier *c, th_type_id type, const th_dict *dict) {
    th_dict *copy = th_new_dict(c->machine, type, (size_t)dict->len);
    size_t cursor = 0;
    for (const th_dict_entry *e; copy && (e = th_dict_next(dict, &cursor)) != NULL;)
        if (!th_dict_set(c->machine, copy, e->key, e->value) || !meter_add(&c->meter, 4)) return NULL;
    return copy ? &copy->object : NULL;
}

static th_object *copy_record(copier *c, th_type_id type, const th_record *record) {
    size_t n = th_record_slots(c->types, type);
    th_record *copy = th_new_record(c->machine, type, n);
    for (size_t i = 0; copy && i < n; i++) th_record_set(c->machine, copy, i, record->slots[i]);
    c->meter.work += (int64_t)n;
    return copy ? &copy->object : NULL;
}

static th_object *copy_shallow(copier *c, th_type_id type, const th_object *object) {
    th_kind kind = th_types_kind(c->types, type);
    if (kind == TH_KIND_LIST) return copy_list(c, type, (const th_list *)object);
    if (kind == TH_KIND_DICT) return copy_dict(c, type, (const th_dict *)object);
    return copy_record(c, type, (const th_record *)object);
}

/* The copy of a word; a new copy is put on the list of those to be gone through. */
static th_status copy_word(copier *c, th_type_id type, uint64_t word, uint64_t *out) {
    *out = word;
    const th_type *t = th_types_get(c->types, type);
    if (t->kind == TH_KIND_OPTION && word != 0) {
        type = t->args[0];
        t = th_types_get(c->types, type);
    }
    if (word == 0 || !is_copied((th_kind)t->kind)) return TH_OK;
    const th_object *object = th_word_ptr(word);
    th_mem *mem = th_machine_mem(c->machine);
    if (c->map_len * 2 >= c->map_capacity && !map_grow(c)) return out_of_memory(c->machine);
    moved *slot = map_slot(c->map, c->map_capacity, object);
    if (!slot->from) {
        if (th_mem_grow(mem, (void **)&c->todo, &c->todo_capacity, c->todo_len + 1, sizeof *c->todo))
            return out_of_memory(c->machine);
        th_object *copy = copy_shallow(c, type, object);
        if (!copy || !meter_add(&c->meter, 4)) return TH_E_TRAP;
        *slot = (moved){object, copy};
        c->map_len++;
        c->todo[c->todo_len].object = copy;
        c->todo[c->todo_len++].type = type;
    }
    *out = th_ptr_word(slot->to);
    return TH_OK;
}

static th_status copy_list_children(copier *c, const th_type *t, th_list *list) {
    th_type_id element = t->args[0];
    if (!leads_on(c->types, element)) return TH_OK;
    for (size_t i = 0; i < list->len; i++) {
        uint64_t word;
        TH_TRY(copy_word(c, element, list->words[i], &word));
        list->words[i] = word;
        if (!meter_add(&c->meter, 1)) return TH_E_TRAP;
    }
    th_list_written(c->machine, list);
    return TH_OK;
}

static th_status copy_dict_children(copier *c, const th_type *t, th_dict *dict) {
    th_type_id value = t->args[1];
    size_t cursor = 0;
    if (!leads_on(c->types, value)) return TH_OK;
    for (const th_dict_entry *e; (e = th_dict_next(dict, &cursor)) != NULL;) {
        uint64_t word;
        TH_TRY(copy_word(c, value, e->value, &word));
        if (!th_dict_set(c->machine, dict, e->key, word) || !meter_add(&c->meter, 2)) return TH_E_TRAP;
    }
    return TH_OK;
}

static th_status copy_record_children(copier *c, const th_type *t, th_record *record) {
    bool variant = t->kind == TH_KIND_VARIANT;
    size_t n = variant || t->kind == TH_KIND_CELL ? 1 : t->nargs;
    for (size_t i = 0; i < n; i++) {
        size_t slot = variant ? 1 : i;
        uint64_t word;
        TH_TRY(copy_word(c, t->args[variant ? record->slots[0] : i], record->slots[slot], &word));
        if (word != record->slots[slot]) th_record_set(c->machine, record, slot, word);
    }
    return TH_OK;
}

static th_status copy_all(copier *c, th_type_id type, uint64_t word, uint64_t *out) {
    TH_TRY(copy_word(c, type, word, out));
    while (c->todo_len > 0) {
        struct copy_item item = c->todo[--c->todo_len];
        const th_type *t = th_types_get(c->types, item.type);
        if (t->kind == TH_KIND_LIST)
            TH_TRY(copy_list_children(c, t, (th_list *)item.object));
        else if (t->kind == TH_KIND_DICT)
            TH_TRY(copy_dict_children(c, t, (th_dict *)item.object));
        else
            TH_TRY(copy_record_children(c, t, (th_record *)item.object));
    }
    return meter_end(&c->meter) ? TH_OK : TH_E_TRAP;
}

th_status th_value_copy(th_machine *machine, th_type_id type, uint64_t word, uint64_t *out) {
    copier c = {.machine = machine, .types = th_machine_types(machine), .meter = {machine, 1}};
    uint64_t copy;
    th_status status = copy_all(&c, type, word, &copy);
    th_mem_free(th_machine_mem(machine), c.map, c.map_capacity * sizeof *c.map);
    th_mem_free(th_machine_mem(machine), c.todo, c.todo_capacity * sizeof *c.todo);
    if (status == TH_OK) *out = copy;
    return status;
}
