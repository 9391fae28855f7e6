/*
** verify.c - decides whether bytes are a sound buffer of a schema, before anything reads them.
** Walks the tables from the root with a stack of its own, of bounded depth; reads nothing outside the buffer, allocates
** nothing. Every position is a 32-bit offset from the start of the buffer; sums are made in 64 bits.
** Invariant: what is on the stack has a checked vtable and lies wholly inside the buffer.
** SPDX-License-Identifier: Apache-2.0
*/
#include "flat/flat.h"

#define DEFAULT_DEPTH 64

/* A table on the way: which field is next, and the rest of a vector of tables, if one is being walked. */
typedef struct frame {
    const th_flat_object_info *object;
    uint32_t table, vtable;
    uint16_t table_bytes, vtable_bytes;
    uint16_t field;        /* next one; the current one is field - 1 */
    uint16_t element;      /* object of the vector's tables */
    uint32_t vector, left; /* next element, and how many are left */
} frame;

typedef struct checker {
    const uint8_t *bytes;
    uint64_t len;
    const th_flat_schema *schema;
    uint64_t tables_left, apparent_left;
    uint32_t max_depth, depth;
    bool utf8;
    th_flat_fault *fault;
    frame frames[TH_FLAT_DEPTH_CAP];
} checker;

#define CHECK(expression)                                                                                              \
    do {                                                                                                               \
        th_flat_reason check_reason = (expression);                                                                    \
        if (TH_UNLIKELY(check_reason != TH_FLAT_R_OK)) return check_reason;                                            \
    } while (0)

static uint32_t load_u32(const checker *c, uint64_t at) { return th_flat_load_u32(c->bytes + at); }
static uint16_t load_u16(const checker *c, uint64_t at) { return th_flat_load_u16(c->bytes + at); }

/* Records the refusal with the object and field under way. */
static th_flat_reason refuse(checker *c, th_flat_reason reason, uint64_t at) {
    const frame *top = c->depth ? &c->frames[c->depth - 1] : NULL;
    c->fault->reason = reason;
    c->fault->at = (size_t)at;
    c->fault->object = top ? top->object->name : NULL;
    c->fault->field = top && top->field ? top->object->fields[top->field - 1].name : NULL;
    return reason;
}

static th_flat_reason charge(checker *c, uint64_t bytes, uint64_t at) {
    if (bytes > c->apparent_left) return refuse(c, TH_FLAT_R_APPARENT, at);
    c->apparent_left -= bytes;
    return TH_FLAT_R_OK;
}

/* The target of the offset kept at `at`, which lies inside the buffer: aligned to 4, with 4 readable bytes. */
static th_flat_reason follow(checker *c, uint64_t at, uint64_t *target) {
    uint32_t offset = load_u32(c, at);
    if (offset == 0) return refuse(c, TH_FLAT_R_OFFSET_ZERO, at);
    uint64_t to = at + offset;
    if (to + 4 > c->len) return refuse(c, TH_FLAT_R_OFFSET_RANGE, at);
    if (to & 3) return refuse(c, TH_FLAT_R_ALIGNMENT, to);
    *target = to;
    return TH_FLAT_R_OK;
}

static th_flat_reason check_string(checker *c, uint64_t at) {
    uint64_t to;
    CHECK(follow(c, at, &to));
    uint32_t len = load_u32(c, to);
    if (to + 4 + len + 1 > c->len) return refuse(c, TH_FLAT_R_STRING_RANGE, to);
    if (c->bytes[to + 4 + len] != 0) return refuse(c, TH_FLAT_R_STRING_NUL, to + 4 + len);
    CHECK(charge(c, (uint64_t)len + 5, to));
    if (!c->utf8) return TH_FLAT_R_OK;
    size_t valid = th_utf8_valid((const char *)c->bytes + to + 4, len);
    return valid == len ? TH_FLAT_R_OK : refuse(c, TH_FLAT_R_STRING_UTF8, to + 4 + valid);
}

/* Checks a vector of elements of this size; *first and *count tell where they are. */
static th_flat_reason check_vector(checker *c, uint64_t at, uint32_t bytes, uint32_t align, uint64_t *first,
                                   uint32_t *count) {
    uint64_t to;
    CHECK(follow(c, at, &to));
    uint32_t n = load_u32(c, to);
    uint64_t size = (uint64_t)n * bytes;
    if (to + 4 + size > c->len) return refuse(c, TH_FLAT_R_VECTOR_RANGE, to);
    /* Some writers do not align the elements of an empty vector, and nothing reads them. */
    if (n && (to + 4) % align) return refuse(c, TH_FLAT_R_ALIGNMENT, to + 4);
    CHECK(charge(c, size + 4, to));
    *first = to + 4;
    *count = n;
    return TH_FLAT_R_OK;
}

/* Checks a table's frame and pushes it: its fields are checked as the walk goes on. */
static th_flat_reason push_table(checker *c, uint64_t at, uint16_t object) {
    uint64_t to;
    CHECK(follow(c, at, &to));
    if (c->depth >= c->max_depth) return refuse(c, TH_FLAT_R_DEPTH, to);
    if (c->tables_left == 0) return refuse(c, TH_FLAT_R_TABLES, to);
    c->tables_left--;
    int64_t vtable = (int64_t)to - th_flat_load_i32(c->bytes + to);
    if (vtable < 0 || (uint64_t)vtable + 4 > c->len) return refuse(c, TH_FLAT_R_VTABLE_RANGE, to);
    if (vtable & 1) return refuse(c, TH_FLAT_R_ALIGNMENT, (uint64_t)vtable);
    uint16_t vtable_bytes = load_u16(c, (uint64_t)vtable);
    uint16_t table_bytes = load_u16(c, (uint64_t)vtable + 2);
    if (vtable_bytes < 4 || (vtable_bytes & 1)) return refuse(c, TH_FLAT_R_VTABLE_SIZE, (uint64_t)vtable);
    if ((uint64_t)vtable + vtable_bytes > c->len) return refuse(c, TH_FLAT_R_VTABLE_RANGE, (uint64_t)vtable);
    if (table_bytes < 4) return refuse(c, TH_FLAT_R_TABLE_SIZE, (uint64_t)vtable + 2);
    if (to + table_bytes > c->len) return refuse(c, TH_FLAT_R_TABLE_RANGE, to);
    CHECK(charge(c, table_bytes, to));
    c->frames[c->depth++] = (frame){.object = &c->schema->objects[object],
                                    .table = (uint32_t)to,
                                    .vtable = (uint32_t)vtable,
                                    .table_bytes = table_bytes,
                                    .vtable_bytes = vtable_bytes};
    return TH_FLAT_R_OK;
}

/* Where a slot's value starts in the table, from the start of the buffer; 0: absent. */
static uint64_t field_at(const checker *c, const frame *f, uint32_t slot) {
    uint32_t entry = 4 + 2 * slot;
    if (entry + 2 > f->vtable_bytes) return 0;
    uint16_t offset = load_u16(c, f->vtable + entry);
    return offset ? (uint64_t)f->table + offset : 0;
}

/* The value of that size lies inside its table, and is aligned. */
static th_flat_reason check_place(checker *c, const frame *f, uint64_t at, uint32_t bytes, uint32_t align) {
    if (at < (uint64_t)f->table + 4 || at + bytes > (uint64_t)f->table + f->table_bytes) {
        return refuse(c, TH_FLAT_R_FIELD_RANGE, at);
    }
    return at % align ? refuse(c, TH_FLAT_R_ALIGNMENT, at) : TH_FLAT_R_OK;
}

static th_flat_reason check_strings(checker *c, uint64_t at) {
    uint64_t first;
    uint32_t count;
    CHECK(check_vector(c, at, 4, 4, &first, &count));
    for (uint32_t i = 0; i < count; i++) CHECK(check_string(c, first + 4 * (uint64_t)i));
    return TH_FLAT_R_OK;
}

static th_flat_reason check_field_vector(checker *c, frame *f, const th_flat_field_info *field, uint64_t at) {
    uint64_t first;
    uint32_t count;
    CHECK(check_place(c, f, at, 4, 4));
    if (field->base == TH_FLAT_STRING) return check_strings(c, at);
    if (field->base == TH_FLAT_TABLE) {
        CHECK(check_vector(c, at, 4, 4, &first, &count));
        f->vector = (uint32_t)first;
        f->left = count;
        f->element = field->index;
        return TH_FLAT_R_OK;
    }
    uint32_t bytes = th_flat_base_bytes(field->base), align = bytes;
    if (field->base == TH_FLAT_STRUCT) {
        bytes = c->schema->objects[field->index].bytes;
        align = c->schema->objects[field->index].align;
    }
    return check_vector(c, at, bytes, align, &first, &count);
}

/* `at` 0: there is no value. A type beyond the schema's comes from a newer writer: its value is left alone. */
static th_flat_reason check_union(checker *c, frame *f, const th_flat_field_info *field, uint64_t at) {
    uint64_t type_at = field_at(c, f, field->at - 1u); /* its place was checked as the field before */
    uint8_t type = type_at ? c->bytes[type_at] : 0;
    if (type == 0) return at ? refuse(c, TH_FLAT_R_UNION_TYPE, at) : TH_FLAT_R_OK;
    if (at == 0) return refuse(c, TH_FLAT_R_UNION_VALUE, type_at);
    CHECK(check_place(c, f, at, 4, 4));
    const th_flat_enum_info *members = &c->schema->enums[field->index];
    for (uint16_t i = 0; i < members->nvalues; i++) {
        if (members->values[i].bits == type) return push_table(c, at, members->values[i].object);
    }
    return TH_FLAT_R_OK;
}

static th_flat_reason check_field(checker *c, frame *f, const th_flat_field_info *field) {
    if (field->flags & TH_FLAT_DEPRECATED) return TH_FLAT_R_OK;
    uint64_t at = field_at(c, f, field->at);
    if (at == 0 && (field->flags & TH_FLAT_REQUIRED)) return refuse(c, TH_FLAT_R_REQUIRED, f->table);
    if (field->base == TH_FLAT_UNION) return check_union(c, f, field, at);
    if (at == 0) return TH_FLAT_R_OK;
    if (field->flags & TH_FLAT_VECTOR) return check_field_vector(c, f, field, at);
    switch (field->base) {
    case TH_FLAT_STRUCT: {
        const th_flat_object_info *object = &c->schema->objects[field->index];
        return check_place(c, f, at, object->bytes, object->align);
    }
    case TH_FLAT_STRING: CHECK(check_place(c, f, at, 4, 4)); return check_string(c, at);
    case TH_FLAT_TABLE: CHECK(check_place(c, f, at, 4, 4)); return push_table(c, at, field->index);
    default: {
        uint32_t bytes = th_flat_base_bytes(field->base);
        return check_place(c, f, at, bytes, bytes);
    }
    }
}

static th_flat_reason walk(checker *c, uint64_t root_at, uint16_t root) {
    CHECK(push_table(c, root_at, root));
    while (c->depth) {
        frame *f = &c->frames[c->depth - 1];
        if (f->left) {
            uint32_t at = f->vector;
            f->vector += 4;
            f->left--;
            CHECK(push_table(c, at, f->element));
        } else if (f->field < f->object->nfields) {
            CHECK(check_field(c, f, &f->object->fields[f->field++]));
        } else {
            c->depth--;
        }
    }
    return TH_FLAT_R_OK;
}

/* What comes before the root: size, base address, size prefix, identifier. */
static th_flat_reason check_head(checker *c, uint64_t root_at, bool prefixed, const char *ident) {
    if (c->len > TH_FLAT_MAX_BYTES) return refuse(c, TH_FLAT_R_TOO_LARGE, 0);
    if (c->len < root_at + 4) return refuse(c, TH_FLAT_R_TOO_SMALL, 0);
    if ((uintptr_t)c->bytes & 7) return refuse(c, TH_FLAT_R_BASE_ALIGNMENT, 0);
    if (prefixed && load_u32(c, 0) != c->len - 4) return refuse(c, TH_FLAT_R_SIZE_PREFIX, 0);
    if (!*ident) return TH_FLAT_R_OK;
    if (c->len < root_at + 8) return refuse(c, TH_FLAT_R_TOO_SMALL, 0);
    if (memcmp(c->bytes + root_at + 4, ident, 4) != 0) return refuse(c, TH_FLAT_R_IDENTIFIER, root_at + 4);
    return TH_FLAT_R_OK;
}

th_flat_reason th_flat_check(const void *bytes, size_t len, const th_flat_schema *schema, uint16_t root,
                             const th_flat_limits *limits, th_flat_fault *fault) {
    static const th_flat_limits defaults = {0};
    th_flat_fault unwanted;
    if (!limits) limits = &defaults;
    checker c; /* not zeroed as a whole: the frames are written before they are read */
    c.bytes = bytes;
    c.len = len;
    c.schema = schema;
    c.tables_left = limits->max_tables ? limits->max_tables : (uint64_t)len / 4 + 1024;
    c.apparent_left = limits->max_apparent_bytes ? limits->max_apparent_bytes : (uint64_t)len * 64 + (1u << 20);
    c.max_depth = limits->max_depth ? limits->max_depth : DEFAULT_DEPTH;
    if (c.max_depth > TH_FLAT_DEPTH_CAP) c.max_depth = TH_FLAT_DEPTH_CAP;
    c.depth = 0;
    c.utf8 = !limits->skip_utf8;
    c.fault = fault ? fault : &unwanted;
    *c.fault = (th_flat_fault){TH_FLAT_R_OK, 0, NULL, NULL};
    uint64_t root_at = limits->size_prefixed ? 4 : 0;
    CHECK(check_head(&c, root_at, limits->size_prefixed, root == schema->root ? schema->ident : ""));
    return walk(&c, root_at, root);
}

th_status th_flat_verify_as(const void *bytes, size_t len, const th_flat_schema *schema, uint16_t root,
                            const th_flat_limits *limits, th_error *err) {
    th_flat_fault fault;
    th_flat_reason reason = th_flat_check(bytes, len, schema, root, limits, &fault);
    if (reason == TH_FLAT_R_OK) return TH_OK;
    bool limit = reason == TH_FLAT_R_DEPTH || reason == TH_FLAT_R_TABLES || reason == TH_FLAT_R_APPARENT;
    th_status code = limit ? TH_E_LIMIT : TH_E_FORMAT;
    const char *text = th_flat_reason_text(reason);
    if (reason == TH_FLAT_R_IDENTIFIER) {
        return th_fail(err, code, "not a %s buffer: byte %zu: the file identifier is not \"%s\"", schema->name,
                       fault.at, schema->ident);
    }
    if (fault.field) {
        return th_fail(err, code, "malformed %s buffer: byte %zu: %s (field %s of %s)", schema->name, fault.at, text,
                       fault.field, fault.object);
    }
    return th_fail(err, code, "malformed %s buffer: byte %zu: %s", schema->name, fault.at, text);
}

th_status th_flat_verify(const void *bytes, size_t len, const th_flat_schema *schema, const th_flat_limits *limits,
                         th_error *err) {
    return th_flat_verify_as(bytes, len, schema, schema->root, limits, err);
}
