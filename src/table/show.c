/*
** show.c - tables for people and for other programs: a drawn grid, CSV, JSON, NDJSON, Markdown, Arrow.
** All but the grid are written as batches come. The grid keeps slices of the first and the last rows, no text, until it
** knows how wide the columns must be. What is drawn on a terminal holds no control character of the data.
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <assert.h>
#include <stdio.h>

#include "flat/flat.h"
#include "table/table_int.h"
#include "writer_flat.h"

#define WRITER_MAJOR 1
#define DEFAULT_ROWS 40u
#define PIECE_ROWS   4096u /* rows turned into text before it is handed to the sink */
#define TEXT_NEED    10u   /* a text column is not made narrower than this to make room for others */
#define ELLIPSIS     "…"

typedef struct batch_list {
    th_batch **items;
    size_t len, capacity, nrows;
} batch_list;

struct th_table_writer {
    th_mem *mem;
    th_table_format format;
    th_schema *schema; /* shared */
    size_t width, max_rows;
    th_sink sink;
    bool color;
    uint64_t nrows;
    th_buf text;
    th_ipc_writer *ipc;
    batch_list head, tail; /* GRID; the tail may begin with rows too many */
    bool failed;           /* nothing is written any more: what follows a gap would be taken for the whole */
};

static th_status no_memory(th_error *err) { return th_fail(err, TH_E_NOMEM, "not enough memory to write a table"); }

static th_status flush(th_table_writer *w, th_error *err) {
    if (w->text.failed) return no_memory(err);
    if (w->text.len == 0) return TH_OK;
    TH_TRY(w->sink.write(&w->sink, w->text.data, w->text.len, err));
    w->text.len = 0;
    return TH_OK;
}

bool th_table_format_of(th_view name, th_table_format *out) {
    static const struct {
        const char *name;
        th_table_format format;
    } names[] = {{"grid", TH_FORMAT_GRID},         {"table", TH_FORMAT_GRID},    {"csv", TH_FORMAT_CSV},
                 {"json", TH_FORMAT_JSON},         {"ndjson", TH_FORMAT_NDJSON}, {"jsonl", TH_FORMAT_NDJSON},
                 {"markdown", TH_FORMAT_MARKDOWN}, {"md", TH_FORMAT_MARKDOWN},   {"arrow", TH_FORMAT_ARROW}};
    for (size_t i = 0; i < TH_COUNT(names); i++) {
        if (!th_view_is(name, names[i].name)) continue;
        *out = names[i].format;
        return true;
    }
    return false;
}

/* ---- Text that is safe to draw ------------------------------------------------------------------------------ */

/* Characters that would move the cursor, ring, or turn the text around. */
static bool unsafe(uint32_t code) {
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static size_t escape(uint32_t code, char out[16]) {
    switch (code) {
    case '\n': return (size_t)snprintf(out, 16, "\\n");
    case '\r': return (size_t)snprintf(out, 16, "\\r");
    case '\t': return (size_t)snprintf(out, 16, "\\t");
    default: return (size_t)snprintf(out, 16, code < 0x100 ? "\\x%02x" : "\\u{%x}", (unsigned)code);
    }
}

/* Appends `text` with unsafe characters escaped; no more than about `limit` columns of it are needed (0: all). Marks of
** no width do not make it longer without end. */
static void put_safe(th_buf *out, th_view text, size_t limit) {
    size_t columns = 0, most = limit ? 16 * limit + 64 : text.len;
    for (size_t at = 0; at < text.len && (limit == 0 || columns <= limit);) {
        if (at > most) {
            th_buf_text(out, ELLIPSIS);
            break;
        }
        uint32_t code;
        size_t used = th_utf8_decode(text.data, text.len, at, &code);
        char escaped[16];
        if (unsafe(code)) {
            size_t n = escape(code, escaped);
            th_buf_put(out, escaped, n);
            columns += n;
        } else {
            th_buf_put(out, text.data + at, used);
            columns += code < 0x80 ? 1 : th_utf8_width(text.data + at, used);
        }
        at += used;
    }
}

/* ---- JSON and Markdown -------------------------------------------------------------------------------------- */

static void put_json_text(th_buf *out, th_view text) {
    th_buf_char(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
        th_buf_put(out, text.data + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\') {
            th_buf_char(out, '\\');
            th_buf_char(out, (char)c);
        } else if (c == '\n')
            th_buf_text(out, "\\n");
        else if (c == '\r')
            th_buf_text(out, "\\r");
        else if (c == '\t')
            th_buf_text(out, "\\t");
        else
            th_buf_printf(out, "\\u%04x", c);
    }
    th_buf_put(out, text.data + from, text.len - from);
    th_buf_char(out, '"');
}

static bool finite_cell(const th_column *c, size_t i) {
    if (c->type == TH_COLUMN_F64) return __builtin_isfinite(TH_COLUMN_AT(c, double)[i]);
    if (c->type == TH_COLUMN_F32) return __builtin_isfinite(TH_COLUMN_AT(c, float)[i]);
    return true;
}

static void put_json_cell(th_buf *out, const th_column *c, size_t i) {
    if (!th_column_valid(c, i) || !finite_cell(c, i)) { /* JSON has no infinity and no NaN */
        th_buf_put(out, "null", 4);
    } else if (c->type == TH_COLUMN_STRING) {
        put_json_text(out, th_column_text(c, i));
    } else {
        char text[48];
        size_t n = th_cell_text(c, i, text);
        bool quotes = c->type == TH_COLUMN_DATE || c->type == TH_COLUMN_TIMESTAMP;
        if (quotes) th_buf_char(out, '"');
        th_buf_put(out, text, n);
        if (quotes) th_buf_char(out, '"');
    }
}

static void put_json_row(th_table_writer *w, const th_batch *batch, size_t row) {
    th_buf_char(&w->text, '{');
    for (size_t i = 0; i < w->schema->nfields; i++) {
        if (i) th_buf_char(&w->text, ',');
        put_json_text(&w->text, th_view_of(w->schema->fields[i].name));
        th_buf_char(&w->text, ':');
        put_json_cell(&w->text, &batch->columns[i], row);
    }
    th_buf_char(&w->text, '}');
}

static void put_json_rows(th_table_writer *w, const th_batch *batch) {
    for (size_t row = 0; row < batch->nrows && !w->text.failed; row++) {
        if (w->format == TH_FORMAT_JSON) th_buf_text(&w->text, w->nrows + row ? ",\n  " : "\n  ");
        put_json_row(w, batch, row);
        if (w->format == TH_FORMAT_NDJSON) th_buf_char(&w->text, '\n');
    }
}

static bool right_aligned(th_column_type type) { return type >= TH_COLUMN_I8 && type <= TH_COLUMN_F64; }

static void put_markdown_text(th_buf *out, th_view text) {
    for (size_t i = 0; i < text.len;) {
        char c = text.data[i];
        uint32_t code;
        size_t n = 1;
        if (c == '|' || c == '\\') {
            th_buf_char(out, '\\');
            th_buf_char(out, c);
        } else if (c == '\n') {
            th_buf_text(out, "<br>");
        } else {
            n = th_utf8_decode(text.data, text.len, i, &code);
            put_safe(out, (th_view){text.data + i, n}, 0);
        }
        i += n;
    }
}

static void put_markdown_head(th_table_writer *w) {
    for (size_t i = 0; i < w->schema->nfields; i++) {
        th_buf_text(&w->text, "| ");
        put_markdown_text(&w->text, th_view_of(w->schema->fields[i].name));
        th_buf_char(&w->text, ' ');
    }
    th_buf_text(&w->text, "|\n");
    for (size_t i = 0; i < w->schema->nfields; i++)
        th_buf_text(&w->text, right_aligned(w->schema->fields[i].type) ? "| ---: " : "| --- ");
    th_buf_text(&w->text, "|\n");
}

static void put_markdown_rows(th_table_writer *w, const th_batch *batch) {
    char text[48];
    for (size_t row = 0; row < batch->nrows && !w->text.failed; row++) {
        for (size_t i = 0; i < w->schema->nfields; i++) {
            const th_column *c = &batch->columns[i];
            th_buf_text(&w->text, "| ");
            if (th_column_valid(c, row)) {
                bool string = c->type == TH_COLUMN_STRING;
                th_view cell = string ? th_column_text(c, row) : (th_view){text, th_cell_text(c, row, text)};
                put_markdown_text(&w->text, cell);
            }
            th_buf_char(&w->text, ' ');
        }
        th_buf_text(&w->text, "|\n");
    }
}

/* ---- Grid: which rows --------------------------------------------------------------------------------------- */

static th_status list_add(th_mem *mem, batch_list *list, const th_batch *batch, size_t from, size_t n) {
    if (n == 0) return TH_OK;
    if (list->len == list->capacity)
        TH_TRY(th_mem_grow(mem, (void **)&list->items, &list->capacity, list->len + 1, sizeof *list->items));
    TH_TRY(th_batch_slice(batch, from, n, &list->items[list->len]));
    list->len++;
    list->nrows += n;
    return TH_OK;
}

static void list_clear(th_mem *mem, batch_list *list) {
    for (size_t i = 0; i < list->len; i++) th_batch_release(list->items[i]);
    th_mem_free(mem, list->items, list->capacity * sizeof *list->items);
    *list = (batch_list){0};
}

static size_t head_rows(const th_table_writer *w) { return w->max_rows - w->max_rows / 2; }
static size_t tail_rows(const th_table_writer *w) { return w->max_rows / 2; }

/* No batch stays in the tail that holds none of the last rows. */
static void drop_surplus(th_table_writer *w) {
    size_t dropped = 0, want = tail_rows(w);
    while (dropped < w->tail.len && w->tail.nrows - w->tail.items[dropped]->nrows >= want) {
        w->tail.nrows -= w->tail.items[dropped]->nrows;
        th_batch_release(w->tail.items[dropped++]);
    }
    w->tail.len -= dropped;
    if (dropped) memmove(w->tail.items, w->tail.items + dropped, w->tail.len * sizeof *w->tail.items);
}

static th_status keep_rows(th_table_writer *w, const th_batch *batch) {
    size_t room = head_rows(w) - w->head.nrows, n = batch->nrows < room ? batch->nrows : room;
    TH_TRY(list_add(w->mem, &w->head, batch, 0, n));
    size_t rest = batch->nrows - n, want = tail_rows(w), kept = rest < want ? rest : want;
    TH_TRY(list_add(w->mem, &w->tail, batch, batch->nrows - kept, kept));
    drop_surplus(w);
    return TH_OK;
}

/* ---- Grid: how wide ----------------------------------------------------------------------------------------- */

typedef struct grid_cell {
    size_t at, len; /* in the texts */
    uint32_t width;
    bool null;
} grid_cell;

/* Lines of cells: the names, the types, then the rows shown. */
typedef struct grid {
    th_mem *mem;
    th_table_writer *w;
    size_t ncolumns, nlines, head; /* head: rows before the elided ones */
    bool elided;                   /* rows are left out */
    grid_cell *cells;              /* nlines * ncolumns */
    th_buf texts;
    uint32_t *need, *want, *width; /* by column */
    size_t first, last;            /* columns shown: the first `first` and the last `last` */
} grid;

static void add_cell(grid *g, size_t line, size_t column, th_view text, bool null) {
    size_t at = g->texts.len;
    put_safe(&g->texts, text, g->w->width);
    if (g->texts.failed) return;
    grid_cell *cell = &g->cells[line * g->ncolumns + column];
    *cell = (grid_cell){.at = at, .len = g->texts.len - at, .null = null};
    size_t width = th_utf8_width(g->texts.data ? g->texts.data + at : "", cell->len);
    cell->width = width > UINT32_MAX ? UINT32_MAX : (uint32_t)width;
}

static void add_rows(grid *g, size_t *line, const th_batch *batch, size_t from) {
    char text[48];
    for (size_t row = from; row < batch->nrows; row++, ++*line) {
        for (size_t i = 0; i < g->ncolumns; i++) {
            const th_column *c = &batch->columns[i];
            bool valid = th_column_valid(c, row);
            th_view cell = {"null", 4};
            if (valid && c->type == TH_COLUMN_STRING)
                cell = th_column_text(c, row);
            else if (valid)
                cell = (th_view){text, th_cell_text(c, row, text)};
            add_cell(g, *line, i, cell, !valid);
        }
    }
}

static void add_lines(grid *g) {
    const th_table_writer *w = g->w;
    for (size_t i = 0; i < g->ncolumns; i++) {
        add_cell(g, 0, i, th_view_of(w->schema->fields[i].name), false);
        add_cell(g, 1, i, th_view_of(th_column_type_text(w->schema->fields[i].type)), false);
    }
    size_t line = 2, surplus = w->tail.nrows > tail_rows(w) ? w->tail.nrows - tail_rows(w) : 0;
    for (size_t i = 0; i < w->head.len; i++) add_rows(g, &line, w->head.items[i], 0);
    for (size_t i = 0; i < w->tail.len; i++) add_rows(g, &line, w->tail.items[i], i == 0 ? surplus : 0);
    assert(line == g->nlines);
}

/* What a column wants, and what it needs at least: numbers are never cut, names and texts may be. */
static void measure(grid *g) {
    for (size_t i = 0; i < g->ncolumns; i++) {
        uint32_t widest = g->elided ? 1 : 0, values = widest;
        for (size_t line = 0; line < g->nlines; line++) {
            uint32_t width = g->cells[line * g->ncolumns + i].width;
            if (width > widest) widest = width;
            if (line > 0 && width > values) values = width;
        }
        g->want[i] = widest ? widest : 1;
        bool number = right_aligned(g->w->schema->fields[i].type);
        g->need[i] = number ? (values ? values : 1) : g->want[i] < TEXT_NEED ? g->want[i] : TEXT_NEED;
    }
}

/* The width of a drawn line when the columns shown have the widths given. */
static size_t line_width(const grid *g, const uint32_t *widths) {
    size_t total = 1;
    for (size_t i = 0; i < g->first; i++) total += (size_t)widths[i] + 3;
    for (size_t i = g->ncolumns - g->last; i < g->ncolumns; i++) total += (size_t)widths[i] + 3;
    return g->first + g->last < g->ncolumns ? total + 4 : total;
}

/* Gives what is left of the line to the narrowest columns that want more, so that one long text starves no other. */
static void widen(grid *g) {
    size_t total = line_width(g, g->width);
    size_t spare = g->w->width > total ? g->w->width - total : 0;
    while (spare > 0) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < g->ncolumns; i++) {
            if (i >= g->first && i < g->ncolumns - g->last) continue;
            if (g->width[i] < g->want[i] && (best == SIZE_MAX || g->width[i] < g->width[best])) best = i;
        }
        if (best == SIZE_MAX) break;
        g->width[best]++;
        spare--;
    }
}

static void fit(grid *g) {
    size_t limit = g->w->width;
    g->first = g->ncolumns;
    g->last = 0;
    memcpy(g->width, g->want, g->ncolumns * sizeof *g->width);
    if (limit == 0 || line_width(g, g->want) <= limit) return;
    memcpy(g->width, g->need, g->ncolumns * sizeof *g->width);
    if (g->ncolumns > 1 && line_width(g, g->need) > limit) { /* leave out columns, but not the last */
        g->first--;
        g->last = 1;
        while (g->first > 0 && line_width(g, g->need) > limit) g->first--;
        if (g->first == 0) { /* not even two: the first one alone */
            g->first = 1;
            g->last = 0;
        }
    }
    if (line_width(g, g->width) > limit) {
        size_t rest = line_width(g, g->width) - g->width[0];
        g->width[0] = limit > rest ? (uint32_t)(limit - rest) : 1;
    }
    widen(g);
}

/* ---- Grid: drawing ------------------------------------------------------------------------------------------ */

static void put_times(th_buf *out, const char *text, size_t n) {
    while (n-- > 0) th_buf_text(out, text);
}

static void put_rule(grid *g, const char *left, const char *middle, const char *right) {
    th_buf *out = &g->w->text;
    bool gap = g->first + g->last < g->ncolumns, begun = false;
    th_buf_text(out, left);
    for (size_t i = 0; i < g->ncolumns; i++) {
        bool hidden = i >= g->first && i < g->ncolumns - g->last;
        if (hidden && !(gap && i == g->first)) continue;
        if (begun) th_buf_text(out, middle);
        begun = true;
        put_times(out, "─", hidden ? 3 : (size_t)g->width[i] + 2);
    }
    th_buf_text(out, right);
    th_buf_char(out, '\n');
}

/* The longest beginning that leaves room for the ellipsis; returns its width. */
static size_t cut(th_view *text, size_t width) {
    size_t at = 0, columns = 0;
    while (at < text->len) {
        uint32_t code;
        size_t used = th_utf8_decode(text->data, text->len, at, &code);
        size_t more = th_utf8_width(text->data, at + used);
        if (more + 1 > width) break;
        columns = more;
        at += used;
    }
    text->len = at;
    return columns;
}

static void put_grid_cell(grid *g, size_t line, size_t column) {
    th_buf *out = &g->w->text;
    const grid_cell *cell = &g->cells[line * g->ncolumns + column];
    th_view text = {g->texts.data + cell->at, cell->len};
    size_t width = cell->width, room = g->width[column];
    bool shortened = width > room;
    if (shortened) width = cut(&text, room) + 1;
    bool right = right_aligned(g->w->schema->fields[column].type);
    const char *style = !g->w->color ? NULL : line == 0 ? "\x1b[1m" : line == 1 || cell->null ? "\x1b[2m" : NULL;
    size_t padding = room > width ? room - width : 0;
    if (right) put_times(out, " ", padding);
    if (style) th_buf_text(out, style);
    th_buf_put(out, text.data, text.len);
    if (shortened) th_buf_text(out, ELLIPSIS);
    if (style) th_buf_text(out, "\x1b[0m");
    if (!right) put_times(out, " ", padding);
}

/* `line` SIZE_MAX: the line that stands for the rows left out. */
static void put_line(grid *g, size_t line) {
    th_buf *out = &g->w->text;
    for (size_t i = 0; i < g->ncolumns; i++) {
        bool hidden = i >= g->first && i < g->ncolumns - g->last;
        if (hidden && i > g->first) continue;
        th_buf_text(out, "│ ");
        if (hidden) {
            th_buf_text(out, ELLIPSIS);
        } else if (line == SIZE_MAX) {
            bool right = right_aligned(g->w->schema->fields[i].type);
            if (right) put_times(out, " ", g->width[i] - 1);
            th_buf_text(out, ELLIPSIS);
            if (!right) put_times(out, " ", g->width[i] - 1);
        } else {
            put_grid_cell(g, line, i);
        }
        th_buf_char(out, ' ');
    }
    th_buf_text(out, "│\n");
}

/* 1234567 as 1,234,567 */
static void put_count(th_buf *out, uint64_t n) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) th_buf_char(out, ',');
        th_buf_char(out, digits[i]);
    }
}

static void put_footer(grid *g) {
    th_buf *out = &g->w->text;
    if (g->elided) {
        put_count(out, g->nlines - 2);
        th_buf_text(out, " of ");
    }
    put_count(out, g->w->nrows);
    th_buf_text(out, g->w->nrows == 1 ? " row × " : " rows × ");
    if (g->first + g->last < g->ncolumns) {
        put_count(out, g->first + g->last);
        th_buf_text(out, " of ");
    }
    put_count(out, g->ncolumns);
    th_buf_text(out, g->ncolumns == 1 ? " column\n" : " columns\n");
}

static void draw(grid *g) {
    add_lines(g);
    if (g->texts.failed) return;
    measure(g);
    fit(g);
    if (g->ncolumns > 0) {
        put_rule(g, "┌", "┬", "┐");
        put_line(g, 0);
        put_line(g, 1);
        put_rule(g, "├", "┼", "┤");
        for (size_t line = 2; line < g->nlines; line++) {
            if (g->elided && line == 2 + g->head) put_line(g, SIZE_MAX);
            put_line(g, line);
        }
        if (g->elided && g->nlines == 2 + g->head) put_line(g, SIZE_MAX);
        put_rule(g, "└", "┴", "┘");
    }
    put_footer(g);
}

static th_status draw_grid(th_table_writer *w, th_error *err) {
    size_t tail = w->tail.nrows < tail_rows(w) ? w->tail.nrows : tail_rows(w), n = w->schema->nfields;
    grid g = {.mem = w->mem, .w = w, .ncolumns = n, .head = w->head.nrows, .nlines = 2 + w->head.nrows + tail};
    g.elided = g.nlines - 2 < w->nrows;
    th_buf_init(&g.texts, w->mem);
    size_t cells_bytes = g.nlines * n * sizeof *g.cells + 1, widths_bytes = 3 * n * sizeof *g.width + 1;
    g.cells = th_mem_zeroed(w->mem, cells_bytes);
    g.need = th_mem_zeroed(w->mem, widths_bytes);
    th_status status = TH_E_NOMEM;
    if (g.cells && g.need) {
        g.want = g.need + n;
        g.width = g.want + n;
        draw(&g);
        status = g.texts.failed ? TH_E_NOMEM : TH_OK;
    }
    th_mem_free(w->mem, g.cells, g.cells ? cells_bytes : 0);
    th_mem_free(w->mem, g.need, g.need ? widths_bytes : 0);
    th_buf_clear(&g.texts);
    return status == TH_OK ? flush(w, err) : no_memory(err);
}

/* ---- The writer --------------------------------------------------------------------------------------------- */

static th_status put_head(th_table_writer *w, th_error *err) {
    switch (w->format) {
    case TH_FORMAT_CSV:
        if (th_csv_write_header(w->schema, &w->text) != TH_OK) return no_memory(err);
        break;
    case TH_FORMAT_JSON: th_buf_char(&w->text, '['); break;
    case TH_FORMAT_MARKDOWN: put_markdown_head(w); break;
    case TH_FORMAT_ARROW: return th_ipc_writer_new(w->mem, w->schema, true, w->sink, &w->ipc, err);
    default: break;
    }
    return w->text.failed ? no_memory(err) : TH_OK;
}

static th_table_writer *bare_writer(th_mem *mem, th_table_format format, const th_schema *schema, th_sink sink) {
    th_table_writer *w = th_mem_zeroed(mem, sizeof *w);
    if (!w) return NULL;
    w->mem = mem;
    w->format = format;
    w->schema = th_schema_retain((th_schema *)(uintptr_t)schema);
    w->sink = sink;
    th_buf_init(&w->text, mem);
    return w;
}

th_status th_table_writer_new(th_mem *mem, th_table_format format, const th_schema *schema, size_t width,
                              size_t max_rows, th_sink sink, th_table_writer **out, th_error *err) {
    th_table_writer *w = bare_writer(mem, format, schema, sink);
    if (!w) return no_memory(err);
    w->width = width;
    w->max_rows = max_rows ? max_rows : DEFAULT_ROWS;
    th_status status = put_head(w, err);
    if (status != TH_OK)
        th_table_writer_free(w);
    else
        *out = w;
    return status;
}

void th_table_writer_color(th_table_writer *w, bool color) { w->color = color; }

static th_status write_piece(th_table_writer *w, const th_batch *batch, th_error *err) {
    switch (w->format) {
    case TH_FORMAT_CSV:
        if (th_csv_write_batch(batch, &w->text) != TH_OK) return no_memory(err);
        break;
    case TH_FORMAT_MARKDOWN: put_markdown_rows(w, batch); break;
    default: put_json_rows(w, batch); break;
    }
    w->nrows += batch->nrows;
    return flush(w, err);
}

static th_status put_rows(th_table_writer *w, const th_batch *batch, th_error *err) {
    if (w->format == TH_FORMAT_ARROW) return th_ipc_writer_batch(w->ipc, batch, err);
    if (w->format == TH_FORMAT_GRID) {
        w->nrows += batch->nrows;
        return keep_rows(w, batch) == TH_OK ? TH_OK : no_memory(err);
    }
    for (size_t from = 0; from < batch->nrows;) {
        size_t n = batch->nrows - from < PIECE_ROWS ? batch->nrows - from : PIECE_ROWS;
        th_batch *piece;
        if (th_batch_slice(batch, from, n, &piece) != TH_OK) return no_memory(err);
        th_status status = write_piece(w, piece, err);
        th_batch_release(piece);
        if (status != TH_OK) return status;
        from += n;
    }
    return TH_OK;
}

static th_status put_end(th_table_writer *w, th_error *err) {
    if (w->format == TH_FORMAT_ARROW) return th_ipc_writer_finish(w->ipc, err);
    if (w->format == TH_FORMAT_GRID) return draw_grid(w, err);
    if (w->format == TH_FORMAT_JSON) th_buf_text(&w->text, w->nrows ? "\n]\n" : "]\n");
    return flush(w, err);
}

static th_status broken(th_error *err) { return th_fail(err, TH_E_IO, "writing the table failed before"); }

th_status th_table_writer_batch(th_table_writer *w, const th_batch *batch, th_error *err) {
    assert(batch->schema->nfields == w->schema->nfields);
    if (w->failed) return broken(err);
    th_status status = put_rows(w, batch, err);
    w->failed = status != TH_OK;
    return status;
}

th_status th_table_writer_finish(th_table_writer *w, th_error *err) {
    if (w->failed) return broken(err);
    th_status status = put_end(w, err);
    w->failed = status != TH_OK;
    return status;
}

void th_table_writer_free(th_table_writer *w) {
    if (!w) return;
    list_clear(w->mem, &w->head);
    list_clear(w->mem, &w->tail);
    th_ipc_writer_free(w->ipc);
    th_buf_clear(&w->text);
    th_schema_release(w->schema);
    th_mem_free(w->mem, w, sizeof *w);
}

/* ---- Going on elsewhere ------------------------------------------------------------------------------------- */

th_table_format th_table_writer_format(const th_table_writer *w) { return w->format; }

static th_status put_list(const th_table_writer *w, th_flat_builder *b, const batch_list *list, th_flat_ref *out,
                          th_error *err) {
    th_buf bytes;
    *out = 0;
    if (list->len == 0) return TH_OK;
    th_buf_init(&bytes, w->mem);
    th_status status = th_batches_write(w->mem, w->schema, list->items, list->len, &bytes, err);
    if (status == TH_OK) *out = theta_writer_Writer_put_head(b, (const uint8_t *)bytes.data, bytes.len);
    th_buf_clear(&bytes);
    return status;
}

static th_status put_writer(const th_table_writer *w, th_flat_builder *b, th_flat_ref *out, th_error *err) {
    th_flat_ref head, tail, blocks = 0, text = 0;
    const uint64_t *words;
    int64_t written = 0;
    TH_TRY(put_list(w, b, &w->head, &head, err));
    TH_TRY(put_list(w, b, &w->tail, &tail, err));
    size_t nblocks = w->ipc ? th_ipc_writer_blocks(w->ipc, &words, &written) : 0;
    if (nblocks) blocks = theta_writer_Writer_put_blocks(b, words, 3 * nblocks);
    if (w->text.len) text = theta_writer_Writer_put_text(b, (const uint8_t *)w->text.data, w->text.len);
    theta_writer_Writer_start_table(b);
    theta_writer_Writer_add_major(b, WRITER_MAJOR);
    theta_writer_Writer_add_format(b, (uint8_t)w->format);
    theta_writer_Writer_add_rows(b, w->nrows);
    theta_writer_Writer_add_width(b, w->width);
    theta_writer_Writer_add_max_rows(b, w->max_rows);
    theta_writer_Writer_add_color(b, w->color);
    theta_writer_Writer_add_text(b, text);
    theta_writer_Writer_add_head(b, head);
    theta_writer_Writer_add_tail(b, tail);
    theta_writer_Writer_add_written(b, written);
    theta_writer_Writer_add_blocks(b, blocks);
    *out = th_flat_end(b);
    return TH_OK;
}

th_status th_table_writer_save(const th_table_writer *w, th_buf *out, th_error *err) {
    th_flat_builder b;
    th_flat_ref root;
    uint8_t *bytes;
    size_t len;
    if (w->text.failed) return no_memory(err);
    th_flat_builder_init(&b, w->mem);
    th_status status = put_writer(w, &b, &root, err);
    if (status == TH_OK) {
        status = th_flat_finish(&b, root, theta_writer_ident, &bytes, &len);
        if (status != TH_OK)
            (void)th_fail(err, status, "a table half written cannot be saved: %s", th_status_text(status));
    }
    th_flat_builder_clear(&b);
    TH_TRY(status);
    th_buf_put(out, bytes, len);
    th_mem_free(w->mem, bytes, len);
    return out->failed ? no_memory(err) : TH_OK;
}

typedef struct taker {
    th_table_writer *w;
    batch_list *list;
} taker;

static th_status take_batch(void *user, th_batch *batch) {
    const taker *t = user;
    return list_add(t->w->mem, t->list, batch, 0, batch->nrows);
}

/* The rows of the grid: no more than the head takes, and no batch of the tail that could be left out whole. */
static th_status take_rows(th_table_writer *w, th_flat_table in, th_error *err) {
    taker head = {w, &w->head}, tail = {w, &w->tail};
    if (theta_writer_Writer_head_len(in) > 0)
        TH_TRY(th_batches_read(w->mem, w->schema, theta_writer_Writer_head(in), theta_writer_Writer_head_len(in),
                               take_batch, &head, err));
    if (theta_writer_Writer_tail_len(in) > 0)
        TH_TRY(th_batches_read(w->mem, w->schema, theta_writer_Writer_tail(in), theta_writer_Writer_tail_len(in),
                               take_batch, &tail, err));
    drop_surplus(w);
    uint64_t kept = (uint64_t)w->head.nrows + w->tail.nrows;
    bool good =
        w->head.nrows <= head_rows(w) && (w->tail.nrows == 0 || w->head.nrows == head_rows(w)) && kept <= w->nrows;
    return good ? TH_OK : th_fail(err, TH_E_FORMAT, "the rows of a grid do not fit together");
}

static th_status take_writer(th_table_writer *w, th_flat_table in, th_error *err) {
    if (w->format == TH_FORMAT_GRID) return take_rows(w, in, err);
    uint32_t len = theta_writer_Writer_text_len(in);
    if (len > 0) th_buf_put(&w->text, theta_writer_Writer_text(in), len);
    if (w->text.failed) return no_memory(err);
    if (w->format != TH_FORMAT_ARROW) return TH_OK;
    uint32_t n = theta_writer_Writer_blocks_len(in);
    int64_t written = theta_writer_Writer_written(in);
    if (n % 3 != 0 || written < 0 || written > INT64_MAX / 2)
        return th_fail(err, TH_E_FORMAT, "the batches of a half written Arrow file do not fit together");
    return th_ipc_writer_continue(w->mem, w->schema, w->sink, theta_writer_Writer_blocks(in), n / 3, written, &w->ipc,
                                  err);
}

static th_status open_saved(const void *bytes, size_t len, th_flat_table *out, th_error *err) {
    if (!th_flat_has_ident(bytes, len, theta_writer_ident))
        return th_fail(err, TH_E_FORMAT, "a half written table is not what it should be");
    TH_TRY(th_flat_verify(bytes, len, &theta_writer_schema, NULL, err));
    *out = th_flat_root(bytes);
    if (theta_writer_Writer_major(*out) != WRITER_MAJOR)
        return th_fail(err, TH_E_VERSION, "a half written table has format version %u, this Theta reads %d",
                       theta_writer_Writer_major(*out), WRITER_MAJOR);
    if (theta_writer_Writer_format(*out) <= TH_FORMAT_ARROW && theta_writer_Writer_max_rows(*out) >= 1 &&
        theta_writer_Writer_max_rows(*out) <= SIZE_MAX && theta_writer_Writer_width(*out) <= 1u << 20)
        return TH_OK;
    return th_fail(err, TH_E_FORMAT, "a half written table has no known format");
}

th_status th_table_writer_restore(th_mem *mem, const void *bytes, size_t len, const th_schema *schema, th_sink sink,
                                  th_table_writer **out, th_error *err) {
    th_flat_table in = {0};
    TH_TRY(open_saved(bytes, len, &in, err));
    th_table_writer *w = bare_writer(mem, (th_table_format)theta_writer_Writer_format(in), schema, sink);
    if (!w) return no_memory(err);
    w->width = theta_writer_Writer_width(in);
    w->max_rows = theta_writer_Writer_max_rows(in);
    w->color = theta_writer_Writer_color(in);
    w->nrows = theta_writer_Writer_rows(in);
    th_status status = take_writer(w, in, err);
    if (status != TH_OK)
        th_table_writer_free(w);
    else
        *out = w;
    return status;
}
