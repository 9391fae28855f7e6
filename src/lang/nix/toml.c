/*
** toml.c - Nix: TOML 1.0 as values. The text is first read into a tree in an arena, since tables may be added to from
** several places; the tree is then turned into values. Neither recurses.
** SPDX-License-Identifier: Apache-2.0
*/
#include <math.h>
#include <stdio.h>

#include "lang/nix/convert.h"

typedef enum node_kind { N_VALUE, N_TABLE, N_ARRAY } node_kind;

/* How a table came to be, which decides who may add to it. */
typedef enum table_origin {
    T_IMPLICIT, /* on the way to another: [a.b] makes a */
    T_HEADER,   /* [a] or [[a]] */
    T_DOTTED,   /* a.b = 1 makes a */
    T_INLINE    /* { }, complete as it stands */
} table_origin;

typedef struct node node;
typedef struct entry {
    th_view key;
    uint64_t hash;
    node *child;
} entry;

struct node {
    node_kind kind;
    table_origin origin;
    bool of_tables; /* N_ARRAY: made by [[a]] */
    th_value value;
    size_t count, room, index_room;
    entry *entries;  /* of a table */
    node **items;    /* of an array */
    uint32_t *index; /* of a large table: open addressing, entry number + 1 */
};

typedef struct key_part {
    th_view name;
    const char *at;
} key_part;

typedef struct open_value {
    node *container;
    bool first;
} open_value;

typedef struct toml_reader {
    const nix_work *work;
    th_arena arena;
    const char *at, *end, *start;
    th_error *err;
    node *root, *table; /* what the last header opened */
    key_part *parts;    /* of the key that was read last */
    size_t nparts, parts_room;
    open_value *open; /* lists and inline tables that are not closed yet */
    size_t nopen, open_room;
    th_buf text;
} toml_reader;

/* ---- Errors ------------------------------------------------------------------------------------------------- */

static th_status bad_at(toml_reader *r, const char *at, const char *what) {
    unsigned line = 1;
    const char *from = r->start;
    for (const char *p = r->start; p < at; p++)
        if (*p == '\n') line++, from = p + 1;
    size_t column = th_utf8_count(from, (size_t)(at - from)) + 1;
    return th_fail(r->err, TH_E_SYNTAX, "while parsing TOML: line %u, column %zu: %s", line, column, what);
}

static th_status bad(toml_reader *r, const char *what) { return bad_at(r, r->at, what); }

static th_status bad_key(toml_reader *r, const key_part *part, const char *what) {
    char message[300];
    snprintf(message, sizeof message, "'%.*s' %s", (int)(part->name.len < 150 ? part->name.len : 150), part->name.data,
             what);
    return bad_at(r, part->at, message);
}

static th_status no_room(toml_reader *r) { return th_fail(r->err, TH_E_NOMEM, "out of memory"); }

/* ---- The tree ----------------------------------------------------------------------------------------------- */

static node *new_node(toml_reader *r, node_kind kind) {
    node *n = th_arena_zeroed(&r->arena, sizeof *n);
    if (n) n->kind = kind;
    return n;
}

static uint32_t *index_slot(const node *table, th_view key, uint64_t hash) {
    size_t mask = table->index_room - 1, i = (size_t)hash & mask;
    for (; table->index[i]; i = (i + 1) & mask) {
        const entry *e = &table->entries[table->index[i] - 1];
        if (e->hash == hash && th_view_eq(e->key, key)) break;
    }
    return &table->index[i];
}

static node *find(const node *table, th_view key, uint64_t hash) {
    if (table->index_room) {
        uint32_t at = *index_slot(table, key, hash);
        return at ? table->entries[at - 1].child : NULL;
    }
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].hash == hash && th_view_eq(table->entries[i].key, key)) return table->entries[i].child;
    return NULL;
}

static bool grow_index(toml_reader *r, node *table) {
    size_t room = table->room * 2;
    uint32_t *index = th_arena_zeroed(&r->arena, room * sizeof *index);
    if (!index) return false;
    table->index = index;
    table->index_room = room;
    for (size_t i = 0; i < table->count; i++)
        *index_slot(table, table->entries[i].key, table->entries[i].hash) = (uint32_t)i + 1;
    return true;
}

static th_status add_entry(toml_reader *r, node *table, th_view key, uint64_t hash, node *child) {
    if (!child) return no_room(r);
    if (table->count == table->room) {
        size_t room = table->room ? table->room * 2 : 8;
        if (room > UINT32_MAX / 4) return no_room(r);
        entry *entries = th_arena_new(&r->arena, room * sizeof *entries);
        if (!entries) return no_room(r);
        if (table->count) memcpy(entries, table->entries, table->count * sizeof *entries);
        table->entries = entries;
        table->room = room;
        if (room > 8 && !grow_index(r, table)) return no_room(r);
    }
    table->entries[table->count] = (entry){key, hash, child};
    table->count++;
    if (table->index_room) *index_slot(table, key, hash) = (uint32_t)table->count;
    return TH_OK;
}

static th_status add_item(toml_reader *r, node *array, node *item) {
    if (!item) return no_room(r);
    if (array->count == array->room) {
        size_t room = array->room ? array->room * 2 : 4;
        node **items = th_arena_new(&r->arena, room * sizeof *items);
        if (!items) return no_room(r);
        if (array->count) memcpy(items, array->items, array->count * sizeof *items);
        array->items = items;
        array->room = room;
    }
    array->items[array->count++] = item;
    return TH_OK;
}

static uint64_t key_hash(th_view key) { return th_hash_bytes(key.data, key.len, 7); }

/* ---- Space -------------------------------------------------------------------------------------------------- */

static void skip_blank(toml_reader *r) {
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t')) r->at++;
}

static bool at_newline(const toml_reader *r) {
    return r->at < r->end && (*r->at == '\n' || (*r->at == '\r' && r->end - r->at > 1 && r->at[1] == '\n'));
}

static void take_newline(toml_reader *r) { r->at += *r->at == '\r' ? 2 : 1; }

static bool is_control(char c) { return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f; }

static th_status skip_comment(toml_reader *r) {
    if (r->at == r->end || *r->at != '#') return TH_OK;
    while (r->at < r->end && !at_newline(r)) {
        if (is_control(*r->at)) return bad(r, "a control character in a comment");
        r->at++;
    }
    return TH_OK;
}

/* Blanks, newlines and comments, as between the elements of a list. */
static th_status skip_lines(toml_reader *r) {
    for (;;) {
        skip_blank(r);
        TH_TRY(skip_comment(r));
        if (!at_newline(r)) return TH_OK;
        take_newline(r);
    }
}

static th_status end_of_line(toml_reader *r) {
    skip_blank(r);
    TH_TRY(skip_comment(r));
    if (r->at == r->end) return TH_OK;
    if (!at_newline(r)) return bad(r, "expected the end of the line");
    take_newline(r);
    return TH_OK;
}

/* ---- Strings ------------------------------------------------------------------------------------------------ */

static th_status read_code(toml_reader *r, int n) {
    uint32_t code = 0;
    const char *from = r->at - 2;
    char bytes[4];
    for (int i = 0; i < n; i++, r->at++) {
        char c = r->at < r->end ? *r->at : 0;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return bad(r, n == 4 ? "'\\u' needs 4 hex digits" : "'\\U' needs 8 hex digits");
        code = code << 4 | (uint32_t)digit;
    }
    size_t len = th_utf8_encode(code, bytes);
    if (len == 0) return bad_at(r, from, "there is no such character");
    if (code == 0) return bad_at(r, from, "a null byte cannot be part of a Nix string");
    th_buf_put(&r->text, bytes, len);
    return TH_OK;
}

/* A backslash at the end of a line swallows white space up to the next character. */
static bool line_continues(toml_reader *r) {
    const char *from = r->at;
    skip_blank(r);
    if (!at_newline(r)) return r->at = from, false;
    while (at_newline(r)) {
        take_newline(r);
        skip_blank(r);
    }
    return true;
}

static th_status read_escape(toml_reader *r, bool multi) {
    static const char names[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
    const char *from = r->at++;
    if (multi && line_continues(r)) return TH_OK;
    char c = r->at < r->end ? *r->at : 0;
    r->at += r->at < r->end;
    if (c == 'u') return read_code(r, 4);
    if (c == 'U') return read_code(r, 8);
    const char *found = c ? strchr(names, c) : NULL;
    if (!found) return bad_at(r, from, "no such escape in a string");
    th_buf_char(&r->text, meanings[found - names]);
    return TH_OK;
}

static bool quotes(const toml_reader *r, char quote, size_t n) {
    if ((size_t)(r->end - r->at) < n) return false;
    for (size_t i = 0; i < n; i++)
        if (r->at[i] != quote) return false;
    return true;
}

/* At the quotes that may close a string of several lines: one or two more belong to the text. */
static bool closes(toml_reader *r, char quote, bool multi) {
    if (!multi) return r->at++, true;
    if (!quotes(r, quote, 3)) return th_buf_char(&r->text, quote), r->at++, false;
    r->at += 3;
    for (int i = 0; i < 2 && r->at < r->end && *r->at == quote; i++, r->at++) th_buf_char(&r->text, quote);
    return true;
}

static th_status read_string(toml_reader *r, bool key, th_view *out) {
    const char *from = r->at;
    char quote = *r->at;
    bool multi = quotes(r, quote, 3);
    if (multi && key) return bad(r, "a key cannot be a string of several lines");
    r->at += multi ? 3 : 1;
    if (multi && at_newline(r)) take_newline(r);
    r->text.len = 0;
    for (;;) {
        const char *run = r->at;
        while (r->at < r->end && *r->at != quote && *r->at != '\\' && !is_control(*r->at)) r->at++;
        th_buf_put(&r->text, run, (size_t)(r->at - run));
        if (r->at == r->end) return bad_at(r, from, "the string that begins here does not end");
        if (*r->at == quote) {
            if (closes(r, quote, multi)) break;
        } else if (*r->at == '\\' && quote == '"') {
            TH_TRY(read_escape(r, multi));
        } else if (*r->at == '\\') {
            th_buf_char(&r->text, *r->at++);
        } else if (multi && at_newline(r)) {
            th_buf_put(&r->text, r->at, *r->at == '\r' ? 2 : 1);
            take_newline(r);
        } else {
            return at_newline(r) ? bad_at(r, from, "the string that begins here does not end in its line")
                                 : bad(r, "a control character in a string must be escaped");
        }
    }
    if (r->text.failed) return no_room(r);
    if (!nix_work_charge(r->work, (int64_t)(r->text.len / 8 + 1))) return TH_E_FUEL;
    *out = (th_view){r->text.data ? r->text.data : "", r->text.len};
    return TH_OK;
}

/* ---- Keys --------------------------------------------------------------------------------------------------- */

static bool is_bare(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static th_status read_part(toml_reader *r) {
    key_part part = {.at = r->at};
    if (r->at < r->end && (*r->at == '"' || *r->at == '\'')) {
        TH_TRY(read_string(r, true, &part.name));
    } else {
        while (r->at < r->end && is_bare(*r->at)) r->at++;
        part.name = (th_view){part.at, (size_t)(r->at - part.at)};
        if (part.name.len == 0) return bad(r, "expected a key");
    }
    char *copy = th_arena_text(&r->arena, part.name.data, part.name.len);
    if (!copy) return no_room(r);
    part.name.data = copy;
    if (th_mem_grow(r->work->mem, (void **)&r->parts, &r->parts_room, r->nparts + 1, sizeof part) != TH_OK)
        return no_room(r);
    r->parts[r->nparts++] = part;
    return TH_OK;
}

static th_status read_key(toml_reader *r) {
    r->nparts = 0;
    for (;;) {
        skip_blank(r);
        TH_TRY(read_part(r));
        skip_blank(r);
        if (r->at == r->end || *r->at != '.') return TH_OK;
        r->at++;
    }
}

/* ---- Numbers and dates -------------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool two_digits(th_view t, size_t at, unsigned most, unsigned *out) {
    if (at + 2 > t.len || !is_digit(t.data[at]) || !is_digit(t.data[at + 1])) return false;
    *out = (unsigned)(t.data[at] - '0') * 10 + (unsigned)(t.data[at + 1] - '0');
    return *out <= most;
}

/* hh:mm:ss and a fraction; *at moves past it. */
static bool is_time(th_view t, size_t *at) {
    unsigned part;
    size_t i = *at;
    if (!two_digits(t, i, 23, &part) || i + 8 > t.len || t.data[i + 2] != ':') return false;
    if (!two_digits(t, i + 3, 59, &part) || t.data[i + 5] != ':' || !two_digits(t, i + 6, 60, &part)) return false;
    i += 8;
    if (i < t.len && t.data[i] == '.') {
        size_t from = ++i;
        while (i < t.len && is_digit(t.data[i])) i++;
        if (i == from) return false;
    }
    *at = i;
    return true;
}

static bool is_date(th_view t, size_t *at) {
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    unsigned month, day, high, low;
    if (!two_digits(t, 0, 99, &high) || !two_digits(t, 2, 99, &low) || t.len < 10 || t.data[4] != '-') return false;
    if (!two_digits(t, 5, 12, &month) || t.data[7] != '-' || !two_digits(t, 8, 31, &day) || !month || !day)
        return false;
    unsigned year = high * 100 + low;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    *at = 10;
    return day <= days[month - 1] + (unsigned)(month == 2 && leap);
}

static bool is_datetime(th_view t) {
    size_t at = 0;
    unsigned part;
    if (is_time(t, &at)) return at == t.len;
    at = 0;
    if (!is_date(t, &at)) return false;
    if (at == t.len) return true;
    char mark = t.data[at++];
    if (mark != 'T' && mark != 't' && mark != ' ') return false;
    if (!is_time(t, &at)) return false;
    if (at == t.len) return true;
    if (t.data[at] == 'Z' || t.data[at] == 'z') return at + 1 == t.len;
    return (t.data[at] == '+' || t.data[at] == '-') && at + 6 == t.len && two_digits(t, at + 1, 23, &part) &&
           t.data[at + 3] == ':' && two_digits(t, at + 4, 59, &part);
}

static bool looks_like_date(th_view t) {
    for (size_t i = 0; i < t.len && i < 4; i++)
        if (!is_digit(t.data[i])) return i == 2 && t.data[2] == ':';
    return t.len > 4 && t.data[4] == '-';
}

static int digit_value(char c) {
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* Takes out the underscores, each of which must stand between two digits of the base. False: one does not, or it is too
** long. */
static bool plain_digits(th_view t, int base, char *out, size_t room, size_t *len) {
    *len = 0;
    for (size_t i = 0; i < t.len; i++) {
        char c = t.data[i];
        if (c == '_') {
            if (i == 0 || i + 1 == t.len || digit_value(t.data[i - 1]) >= base || digit_value(t.data[i + 1]) >= base)
                return false;
            continue;
        }
        if (*len + 1 >= room) return false;
        out[(*len)++] = c;
    }
    out[*len] = 0;
    return true;
}

static th_status whole_value(toml_reader *r, int64_t i, th_value *out) {
    *out = th_of_int(i);
    return th_int_fits(i) || th_new_int(r->work->heap, i, out) ? TH_OK : no_room(r);
}

static th_status float_value(toml_reader *r, double x, th_value *out) {
    return th_float_fits(x, out) || th_new_float(r->work->heap, x, out) ? TH_OK : no_room(r);
}

static th_status read_based(toml_reader *r, th_view t, int base, th_value *out) {
    char text[128];
    size_t len;
    uint64_t value = 0;
    if (!plain_digits((th_view){t.data + 2, t.len - 2}, base, text, sizeof text, &len) || len == 0)
        return bad_at(r, t.data, "this is not a number");
    for (size_t i = 0; i < len; i++) {
        int digit = digit_value(text[i]);
        if (digit >= base) return bad_at(r, t.data, "this is not a number of its base");
        if (value > ((uint64_t)INT64_MAX - (uint64_t)digit) / (uint64_t)base)
            return bad_at(r, t.data, "the integer does not fit in 64 bits");
        value = value * (uint64_t)base + (uint64_t)digit;
    }
    return whole_value(r, (int64_t)value, out);
}

/* sign? digits (. digits)? (e sign? digits)? without leading zeros. */
static bool is_decimal(const char *p, bool *whole) {
    if (*p == '+' || *p == '-') p++;
    const char *first = p;
    while (is_digit(*p)) p++;
    if (p == first || (*first == '0' && p - first > 1)) return false;
    *whole = *p == 0;
    if (*p == '.') {
        const char *point = ++p;
        while (is_digit(*p)) p++;
        if (p == point) return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        if (*p == '+' || *p == '-') p++;
        const char *exponent = p;
        while (is_digit(*p)) p++;
        if (p == exponent) return false;
    }
    return *p == 0;
}

static th_status read_decimal(toml_reader *r, th_view t, th_value *out) {
    char text[512];
    size_t len;
    bool whole;
    int64_t i;
    double x;
    if (!plain_digits(t, 10, text, sizeof text, &len) || !is_decimal(text, &whole))
        return bad_at(r, t.data, "expected a value");
    if (whole)
        return th_parse_i64((th_view){text, len}, &i) ? whole_value(r, i, out)
                                                      : bad_at(r, t.data, "the integer does not fit in 64 bits");
    if (!th_parse_f64((th_view){text, len}, &x) || !isfinite(x)) return bad_at(r, t.data, "the float is too large");
    return float_value(r, x, out);
}

/* What is written without quotes: true, false, numbers, dates. */
static th_status read_word(toml_reader *r, th_value *out) {
    const char *from = r->at;
    while (r->at < r->end && (is_bare(*r->at) || *r->at == '+' || *r->at == '.' || *r->at == ':')) r->at++;
    th_view t = {from, (size_t)(r->at - from)};
    if (looks_like_date(t)) {
        /* A blank may stand between date and time. */
        if (t.len == 10 && r->end - r->at > 3 && *r->at == ' ' && is_digit(r->at[1]) && is_digit(r->at[2]) &&
            r->at[3] == ':') {
            for (r->at++; r->at < r->end && (is_bare(*r->at) || *r->at == '+' || *r->at == '.' || *r->at == ':');)
                r->at++;
            t.len = (size_t)(r->at - from);
        }
        return bad_at(r, from, is_datetime(t) ? "Dates and times are not supported" : "there is no such date or time");
    }
    if (th_view_is(t, "true")) return *out = TH_V_TRUE, TH_OK;
    if (th_view_is(t, "false")) return *out = TH_V_FALSE, TH_OK;
    bool sign = t.len == 4 && (*from == '+' || *from == '-');
    th_view unsigned_part = {from + sign, t.len - sign};
    if (th_view_is(unsigned_part, "inf")) return float_value(r, *from == '-' ? -INFINITY : INFINITY, out);
    if (th_view_is(unsigned_part, "nan")) return float_value(r, __builtin_nan(""), out);
    if (t.len > 2 && *from == '0' && (from[1] == 'x' || from[1] == 'o' || from[1] == 'b'))
        return read_based(r, t, from[1] == 'x' ? 16 : from[1] == 'o' ? 8 : 2, out);
    if (t.len == 0 || !(is_digit(*from) || *from == '+' || *from == '-')) return bad_at(r, from, "expected a value");
    return read_decimal(r, t, out);
}

/* ---- Where things go ---------------------------------------------------------------------------------------- */

/* The table that `a.b.` of `a.b.c = 1` means within `table`. */
static th_status dotted_table(toml_reader *r, node **table) {
    for (size_t i = 0; i + 1 < r->nparts; i++) {
        const key_part *part = &r->parts[i];
        uint64_t hash = key_hash(part->name);
        node *child = find(*table, part->name, hash);
        if (!child) {
            if ((child = new_node(r, N_TABLE))) child->origin = T_DOTTED;
            TH_TRY(add_entry(r, *table, part->name, hash, child));
        } else if (child->kind != N_TABLE) {
            return bad_key(r, part, "has a value that is no table, nothing can be added to it");
        } else if (child->origin == T_HEADER || child->origin == T_INLINE) {
            return bad_key(r, part, "is a table that is defined elsewhere, nothing can be added to it here");
        } else {
            child->origin = T_DOTTED;
        }
        *table = child;
    }
    return TH_OK;
}

/* Puts a node where the key that was read says. */
static th_status set_key(toml_reader *r, node *table, node *child) {
    TH_TRY(dotted_table(r, &table));
    const key_part *last = &r->parts[r->nparts - 1];
    uint64_t hash = key_hash(last->name);
    if (find(table, last->name, hash)) return bad_key(r, last, "is defined twice");
    return add_entry(r, table, last->name, hash, child);
}

/* The table in which the last part of a header lies. */
static th_status header_table(toml_reader *r, node **table) {
    *table = r->root;
    for (size_t i = 0; i + 1 < r->nparts; i++) {
        const key_part *part = &r->parts[i];
        uint64_t hash = key_hash(part->name);
        node *child = find(*table, part->name, hash);
        if (!child) {
            child = new_node(r, N_TABLE);
            TH_TRY(add_entry(r, *table, part->name, hash, child));
        }
        if (child->kind == N_ARRAY && child->of_tables) child = child->items[child->count - 1];
        if (child->kind != N_TABLE) return bad_key(r, part, "has a value that is no table");
        if (child->origin == T_INLINE) return bad_key(r, part, "is an inline table, nothing can be added to it");
        *table = child;
    }
    return TH_OK;
}

static th_status open_table(toml_reader *r) {
    node *parent;
    TH_TRY(header_table(r, &parent));
    const key_part *last = &r->parts[r->nparts - 1];
    uint64_t hash = key_hash(last->name);
    node *child = find(parent, last->name, hash);
    if (!child) {
        child = new_node(r, N_TABLE);
        TH_TRY(add_entry(r, parent, last->name, hash, child));
    } else if (child->kind != N_TABLE || child->origin != T_IMPLICIT) {
        return bad_key(r, last, "is defined twice");
    }
    child->origin = T_HEADER;
    r->table = child;
    return TH_OK;
}

static th_status open_array_table(toml_reader *r) {
    node *parent;
    TH_TRY(header_table(r, &parent));
    const key_part *last = &r->parts[r->nparts - 1];
    uint64_t hash = key_hash(last->name);
    node *array = find(parent, last->name, hash), *table = new_node(r, N_TABLE);
    if (!array) {
        if ((array = new_node(r, N_ARRAY))) array->of_tables = true;
        TH_TRY(add_entry(r, parent, last->name, hash, array));
    } else if (array->kind != N_ARRAY || !array->of_tables) {
        return bad_key(r, last, "is defined already, and not as a list of tables");
    }
    TH_TRY(add_item(r, array, table));
    table->origin = T_HEADER;
    r->table = table;
    return TH_OK;
}

static th_status read_header(toml_reader *r) {
    r->at++;
    bool array = r->at < r->end && *r->at == '[';
    r->at += array;
    TH_TRY(read_key(r));
    if (!nix_work_charge(r->work, (int64_t)r->nparts * 4)) return TH_E_FUEL;
    if (!quotes(r, ']', array ? 2 : 1))
        return bad(r, array ? "expected ']]' after the name of a table" : "expected ']' after the name of a table");
    r->at += array ? 2 : 1;
    TH_TRY(array ? open_array_table(r) : open_table(r));
    return end_of_line(r);
}

/* ---- Values ------------------------------------------------------------------------------------------------- */

static th_status read_equals(toml_reader *r) {
    TH_TRY(read_key(r));
    if (!nix_work_charge(r->work, (int64_t)r->nparts * 4)) return TH_E_FUEL;
    if (r->at == r->end || *r->at != '=') return bad(r, "expected '=' after a key");
    r->at++;
    skip_blank(r);
    return TH_OK;
}

/* The beginning of a value: a complete one, or an open container. It has been put into what it belongs to. */
static th_status begin_value(toml_reader *r, node *into) {
    if (r->at == r->end) return bad(r, "expected a value, but the text ends here");
    char c = *r->at;
    node *n = new_node(r, c == '[' ? N_ARRAY : c == '{' ? N_TABLE : N_VALUE);
    if (!n) return no_room(r);
    n->origin = T_INLINE;
    /* The key's parts are overwritten by what is inside of the value. */
    TH_TRY(into->kind == N_ARRAY ? add_item(r, into, n) : set_key(r, into, n));
    if (c == '[' || c == '{') {
        r->at++;
        if (th_mem_grow(r->work->mem, (void **)&r->open, &r->open_room, r->nopen + 1, sizeof *r->open) != TH_OK)
            return no_room(r);
        r->open[r->nopen++] = (open_value){n, true};
        return TH_OK;
    }
    if (c != '"' && c != '\'') return read_word(r, &n->value);
    th_view text;
    TH_TRY(read_string(r, false, &text));
    if (memchr(text.data, 0, text.len)) return bad(r, "a null byte cannot be part of a Nix string");
    return th_new_string(r->work->heap, NIX_SORT_TEXT, text.data, text.len, TH_V_NULL, &n->value) ? TH_OK : no_room(r);
}

static th_status list_step(toml_reader *r, open_value *open) {
    TH_TRY(skip_lines(r));
    if (!open->first && r->at < r->end && *r->at == ',') {
        r->at++;
        TH_TRY(skip_lines(r));
    } else if (!open->first && (r->at == r->end || *r->at != ']')) {
        return bad(r, "expected ',' or ']' in a list");
    }
    open->first = false;
    if (r->at < r->end && *r->at == ']') return r->at++, r->nopen--, TH_OK;
    return begin_value(r, open->container);
}

static th_status inline_step(toml_reader *r, open_value *open) {
    skip_blank(r);
    bool first = open->first;
    if (r->at < r->end && *r->at == '}') return r->at++, r->nopen--, TH_OK;
    if (!first) {
        if (r->at == r->end || *r->at != ',') return bad(r, "expected ',' or '}' in an inline table");
        r->at++;
        skip_blank(r);
    }
    open->first = false;
    node *into = open->container;
    TH_TRY(read_equals(r));
    return begin_value(r, into);
}

static th_status read_pair(toml_reader *r) {
    TH_TRY(read_equals(r));
    TH_TRY(begin_value(r, r->table));
    while (r->nopen) {
        if (!nix_work_charge(r->work, 4)) return TH_E_FUEL;
        open_value *open = &r->open[r->nopen - 1];
        TH_TRY(open->container->kind == N_ARRAY ? list_step(r, open) : inline_step(r, open));
    }
    return end_of_line(r);
}

static th_status read_document(toml_reader *r) {
    size_t valid = th_utf8_valid(r->start, (size_t)(r->end - r->start));
    if (!nix_work_charge(r->work, (int64_t)((r->end - r->start) / 8 + 1))) return TH_E_FUEL;
    if (valid < (size_t)(r->end - r->start)) return bad_at(r, r->start + valid, "the text is not UTF-8");
    if (r->end - r->at >= 3 && memcmp(r->at, "\xef\xbb\xbf", 3) == 0) r->at += 3;
    for (;;) {
        TH_TRY(skip_lines(r));
        if (r->at == r->end) return TH_OK;
        TH_TRY(*r->at == '[' ? read_header(r) : read_pair(r));
    }
}

/* ---- The tree as a value ------------------------------------------------------------------------------------ */

typedef struct place {
    node *container;
    size_t next;
} place;

/* The children of a container have values: makes its own. */
static th_status make_value(toml_reader *r, node *n) {
    th_heap *heap = r->work->heap;
    th_value *items;
    if (!nix_work_charge(r->work, (int64_t)n->count + 1)) return TH_E_FUEL;
    if (n->kind == N_ARRAY) {
        if (!th_new_array(heap, n->count, TH_V_NULL, &items, &n->value)) return no_room(r);
        for (size_t i = 0; i < n->count; i++) items[i] = n->items[i]->value;
        return TH_OK;
    }
    th_symbol *keys = th_arena_new(&r->arena, (n->count + 1) * sizeof *keys);
    th_value *values = th_arena_new(&r->arena, (n->count + 1) * sizeof *values);
    if (!keys || !values) return no_room(r);
    for (size_t i = 0; i < n->count; i++) {
        keys[i] = th_symbol_of(heap, n->entries[i].key);
        if (!keys[i]) return no_room(r);
        values[i] = n->entries[i].child->value;
    }
    return th_record_build(heap, keys, values, NULL, n->count, &n->value) ? TH_OK : no_room(r);
}

static th_status make_values(toml_reader *r, th_value *out) {
    place *stack = NULL;
    size_t depth = 0, room = 0;
    th_status status = th_mem_grow(r->work->mem, (void **)&stack, &room, 1, sizeof *stack);
    if (status == TH_OK) stack[depth++] = (place){r->root, 0};
    while (status == TH_OK && depth) {
        place *top = &stack[depth - 1];
        node *n = top->container;
        if (top->next == n->count) {
            status = make_value(r, n);
            depth--;
            continue;
        }
        node *child = n->kind == N_ARRAY ? n->items[top->next] : n->entries[top->next].child;
        top->next++;
        if (child->kind == N_VALUE) continue;
        status = th_mem_grow(r->work->mem, (void **)&stack, &room, depth + 1, sizeof *stack);
        if (status == TH_OK) stack[depth++] = (place){child, 0};
    }
    th_mem_free(r->work->mem, stack, room * sizeof *stack);
    if (status == TH_OK) *out = r->root->value;
    return status;
}

th_status nix_toml_parse(const nix_work *work, th_view text, th_value *out, th_error *err) {
    const char *start = text.data ? text.data : "";
    toml_reader r = {.work = work, .at = start, .end = start + text.len, .start = start, .err = err};
    th_arena_init(&r.arena, work->mem);
    th_buf_init(&r.text, work->mem);
    r.root = r.table = new_node(&r, N_TABLE);
    th_status status = r.root ? TH_OK : no_room(&r);
    if (status == TH_OK) {
        r.root->origin = T_HEADER;
        status = read_document(&r);
    }
    if (status == TH_OK) status = make_values(&r, out);
    if (status == TH_E_NOMEM) TH_IGNORE(no_room(&r));
    th_mem_free(work->mem, r.parts, r.parts_room * sizeof *r.parts);
    th_mem_free(work->mem, r.open, r.open_room * sizeof *r.open);
    th_buf_clear(&r.text);
    th_arena_clear(&r.arena);
    return status;
}
