/*
** json.c - writes a buffer as JSON, driven by its schema.
** Verifies first, so that what follows may trust every offset. Walks tables with a stack of its own, which the
*verifier's
** depth limit bounds; structs nest only as deep as the schema says.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

#include <math.h>

/* A table on the way: the next field, and the rest of the vector of tables being written. */
typedef struct frame {
    const th_flat_object_info *object;
    th_flat_table table;
    th_flat_vector vector;
    uint32_t next; /* element of the vector */
    uint16_t field;
    uint16_t element;    /* object of the vector's tables */
    bool in_vector, any; /* any: a member was written */
} frame;

typedef struct printer {
    const th_flat_schema *schema;
    th_buf *out;
    unsigned indent;
    uint32_t level, depth;
    frame frames[TH_FLAT_DEPTH_CAP];
} printer;

static void new_line(printer *p) {
    if (p->indent == 0) return;
    th_buf_char(p->out, '\n');
    for (uint64_t i = (uint64_t)p->level * p->indent; i > 0; i--) th_buf_char(p->out, ' ');
}

/* Between members: a comma when there was one before, and a new line. */
static void separate(printer *p, bool any) {
    if (any) th_buf_char(p->out, ',');
    new_line(p);
}

static void open_bracket(printer *p, char bracket) {
    th_buf_char(p->out, bracket);
    p->level++;
}

static void close_bracket(printer *p, char bracket, bool any) {
    p->level--;
    if (any) new_line(p);
    th_buf_char(p->out, bracket);
}

static void put_text(printer *p, const char *text, size_t len) {
    size_t done = 0;
    th_buf_char(p->out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        th_buf_put(p->out, text + done, i - done);
        done = i + 1;
        switch (c) {
        case '"': th_buf_text(p->out, "\\\""); break;
        case '\\': th_buf_text(p->out, "\\\\"); break;
        case '\n': th_buf_text(p->out, "\\n"); break;
        case '\r': th_buf_text(p->out, "\\r"); break;
        case '\t': th_buf_text(p->out, "\\t"); break;
        case '\b': th_buf_text(p->out, "\\b"); break;
        case '\f': th_buf_text(p->out, "\\f"); break;
        default: th_buf_printf(p->out, "\\u%04x", c);
        }
    }
    th_buf_put(p->out, text + done, len - done);
    th_buf_char(p->out, '"');
}

/* ---- Scalars ------------------------------------------------------------------------------------------------ */

/* An integer in two's complement, extended to 64 bits as its type says. */
static uint64_t load_bits(uint8_t base, const uint8_t *at) {
    switch (base) {
    case TH_FLAT_BOOL: return *at != 0;
    case TH_FLAT_I8: return (uint64_t)th_flat_load_i8(at);
    case TH_FLAT_U8: return th_flat_load_u8(at);
    case TH_FLAT_I16: return (uint64_t)th_flat_load_i16(at);
    case TH_FLAT_U16: return th_flat_load_u16(at);
    case TH_FLAT_I32: return (uint64_t)th_flat_load_i32(at);
    case TH_FLAT_U32: return th_flat_load_u32(at);
    default: return th_flat_load_u64(at);
    }
}

static void put_float(printer *p, uint8_t base, double x) {
    char text[40];
    if (isnan(x) || isinf(x)) {
        th_buf_text(p->out, isnan(x) ? "\"nan\"" : x > 0 ? "\"inf\"" : "\"-inf\"");
        return;
    }
    size_t len = base == TH_FLAT_F32 ? th_format_f32((float)x, true, text) : th_format_f64(x, true, text);
    th_buf_put(p->out, text, len);
}

/* Flags as the names of their bits with spaces between; false when a bit has no name, or there is none. */
static bool put_flags(printer *p, const th_flat_enum_info *info, uint64_t bits) {
    uint64_t known = 0;
    for (uint16_t i = 0; i < info->nvalues; i++) known |= info->values[i].bits;
    if (bits == 0 || (bits & ~known)) return false;
    bool any = false;
    th_buf_char(p->out, '"');
    for (uint16_t i = 0; i < info->nvalues; i++) {
        if (!(bits & info->values[i].bits)) continue;
        if (any) th_buf_char(p->out, ' ');
        th_buf_text(p->out, info->values[i].name);
        any = true;
    }
    th_buf_char(p->out, '"');
    return true;
}

static void put_integer(printer *p, const th_flat_field_info *field, uint64_t bits) {
    if (field->index != TH_FLAT_NO_INDEX) {
        const char *name = th_flat_enum_text(p->schema, field->index, (int64_t)bits);
        if (name) {
            put_text(p, name, strlen(name));
            return;
        }
        const th_flat_enum_info *info = &p->schema->enums[field->index];
        if (info->bit_flags && put_flags(p, info, bits)) return;
    }
    if (field->base == TH_FLAT_BOOL) {
        th_buf_text(p->out, bits ? "true" : "false");
    } else if (field->base == TH_FLAT_U64) {
        th_buf_printf(p->out, "%llu", (unsigned long long)bits);
    } else {
        th_buf_printf(p->out, "%lld", (long long)(int64_t)bits);
    }
}

/* `at` NULL: the default. */
static void put_scalar(printer *p, const th_flat_field_info *field, const uint8_t *at) {
    if (field->base == TH_FLAT_F32) {
        put_float(p, field->base, at ? (double)th_flat_load_f32(at) : th_flat_load_f64(&field->bits));
    } else if (field->base == TH_FLAT_F64) {
        put_float(p, field->base, th_flat_load_f64(at ? at : (const uint8_t *)&field->bits));
    } else {
        put_integer(p, field, at ? load_bits(field->base, at) : field->bits);
    }
}

/* ---- Structs and vectors without tables --------------------------------------------------------------------- */

static void put_struct(printer *p, uint16_t index, const uint8_t *at);

static void put_elements(printer *p, const th_flat_field_info *field, const uint8_t *at, uint32_t count) {
    bool structs = field->base == TH_FLAT_STRUCT;
    uint32_t bytes = structs ? p->schema->objects[field->index].bytes : th_flat_base_bytes(field->base);
    open_bracket(p, '[');
    for (uint32_t i = 0; i < count && !p->out->failed; i++) {
        if (structs) {
            separate(p, i > 0);
            put_struct(p, field->index, at + (size_t)i * bytes);
        } else {
            if (i > 0) th_buf_text(p->out, p->indent ? ", " : ",");
            put_scalar(p, field, at + (size_t)i * bytes);
        }
    }
    close_bracket(p, ']', structs && count > 0);
}

static void put_name(printer *p, const char *name, bool any) {
    separate(p, any);
    put_text(p, name, strlen(name));
    th_buf_text(p->out, p->indent ? ": " : ":");
}

static void put_struct(printer *p, uint16_t index, const uint8_t *at) {
    const th_flat_object_info *object = &p->schema->objects[index];
    open_bracket(p, '{');
    for (uint16_t i = 0; i < object->nfields; i++) {
        const th_flat_field_info *field = &object->fields[i];
        put_name(p, field->name, i > 0);
        if (field->flags & TH_FLAT_ARRAY) {
            put_elements(p, field, at + field->at, field->count);
        } else if (field->base == TH_FLAT_STRUCT) {
            put_struct(p, field->index, at + field->at);
        } else {
            put_scalar(p, field, at + field->at);
        }
    }
    close_bracket(p, '}', object->nfields > 0);
}

static void put_strings(printer *p, th_flat_vector v) {
    open_bracket(p, '[');
    for (uint32_t i = 0; i < v.len && !p->out->failed; i++) {
        const th_str *s = th_flat_vec_str(v, i);
        separate(p, i > 0);
        put_text(p, s->bytes, s->len);
    }
    close_bracket(p, ']', v.len > 0);
}

/* ---- Tables ------------------------------------------------------------------------------------------------- */

static void push_table(printer *p, th_flat_table table, uint16_t object) {
    open_bracket(p, '{');
    p->frames[p->depth++] = (frame){.object = &p->schema->objects[object], .table = table};
}

/* The object that a union's value is, NO_INDEX when there is no value or its type is not in the schema. */
static uint16_t union_member(const printer *p, const frame *f, const th_flat_field_info *field) {
    uint8_t type = th_flat_u8(f->table, field->at - 1u, 0);
    const th_flat_enum_info *info = &p->schema->enums[field->index];
    for (uint16_t i = 0; i < info->nvalues; i++) {
        if (info->values[i].bits == type) return info->values[i].object;
    }
    return TH_FLAT_NO_INDEX;
}

static void put_vector(printer *p, frame *f, const th_flat_field_info *field) {
    th_flat_vector v = th_flat_vec(f->table, field->at);
    if (field->base == TH_FLAT_STRING) {
        put_strings(p, v);
    } else if (field->base == TH_FLAT_TABLE) {
        open_bracket(p, '[');
        f->vector = v;
        f->next = 0;
        f->element = field->index;
        f->in_vector = true;
    } else {
        put_elements(p, field, v.at, v.len);
    }
}

static void put_field(printer *p, frame *f, const th_flat_field_info *field) {
    const uint8_t *at = th_flat_field(f->table, field->at);
    bool scalar = field->base <= TH_FLAT_F64 && !(field->flags & TH_FLAT_VECTOR);
    uint16_t member = field->index;
    if (field->flags & TH_FLAT_DEPRECATED) return;
    if (!at && !scalar) return;
    if (field->base == TH_FLAT_UNION && (member = union_member(p, f, field)) == TH_FLAT_NO_INDEX) return;
    put_name(p, field->name, f->any);
    f->any = true;
    if (field->flags & TH_FLAT_VECTOR) {
        put_vector(p, f, field);
    } else if (scalar) {
        if (!at && (field->flags & TH_FLAT_OPTIONAL)) {
            th_buf_text(p->out, "null");
        } else {
            put_scalar(p, field, at);
        }
    } else if (field->base == TH_FLAT_STRUCT) {
        put_struct(p, field->index, at);
    } else if (field->base == TH_FLAT_STRING) {
        const th_str *s = th_flat_str(f->table, field->at);
        put_text(p, s->bytes, s->len);
    } else {
        push_table(p, th_flat_child(f->table, field->at), member);
    }
}

static void walk(printer *p) {
    while (p->depth && !p->out->failed) {
        frame *f = &p->frames[p->depth - 1];
        if (f->in_vector && f->next < f->vector.len) {
            separate(p, f->next > 0);
            push_table(p, th_flat_vec_table(f->vector, f->next++), f->element);
        } else if (f->in_vector) {
            close_bracket(p, ']', f->vector.len > 0);
            f->in_vector = false;
        } else if (f->field < f->object->nfields) {
            put_field(p, f, &f->object->fields[f->field++]);
        } else {
            close_bracket(p, '}', f->any);
            p->depth--;
        }
    }
}

th_status th_flat_to_json(const void *bytes, size_t len, const th_flat_schema *schema, uint16_t root,
                          const th_flat_limits *limits, unsigned indent, th_buf *out, th_error *err) {
    th_flat_limits checked = limits ? *limits : (th_flat_limits){0};
    checked.skip_utf8 = false; /* JSON is UTF-8 */
    TH_TRY(th_flat_verify_as(bytes, len, schema, root, &checked, err));
    printer p; /* not zeroed as a whole: the frames are written before they are read */
    p.schema = schema;
    p.out = out;
    p.indent = indent > 16 ? 16 : indent;
    p.level = p.depth = 0;
    push_table(&p, checked.size_prefixed ? th_flat_root_prefixed(bytes) : th_flat_root(bytes), root);
    walk(&p);
    if (out->failed) return th_fail(err, TH_E_NOMEM, "no memory for the JSON text");
    return TH_OK;
}
