/*
** diag.c - diagnostics: collecting them, showing them with the source line and a caret, guessing misspelt names, and
** lines and columns of byte offsets.
** Relies on base only. A text shown at a terminal never carries control characters of the source.
** SPDX-License-Identifier: Apache-2.0
*/
#include "base/diag.h"

#include <stdio.h>

/* ---- Collecting --------------------------------------------------------------------------------------------- */

enum { DEFAULT_LIMIT = 50 };

void th_diags_init(th_diags *diags, th_mem *mem) {
    *diags = (th_diags){.limit = DEFAULT_LIMIT};
    th_arena_init(&diags->arena, mem);
}

void th_diags_clear(th_diags *diags) {
    th_mem *mem = diags->arena.mem;
    th_mem_free(mem, diags->items, diags->capacity * sizeof *diags->items);
    th_arena_clear(&diags->arena);
    size_t limit = diags->limit;
    *diags = (th_diags){.limit = limit};
    th_arena_init(&diags->arena, mem);
}

static const char *format_text(th_arena *arena, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0) return NULL;
    char *text = th_arena_new(arena, (size_t)len + 1);
    if (text) vsnprintf(text, (size_t)len + 1, format, args);
    return text;
}

/* The same cause again: the same code at the same place as the diagnostic before. */
static bool repeats_last(const th_diags *diags, th_status code, const th_source *source, th_span span) {
    if (diags->len == 0) return false;
    const th_diag *last = &diags->items[diags->len - 1];
    return last->severity == TH_ERROR && last->code == code && last->source == source && span.line != 0 &&
           last->span.line == span.line && last->span.column == span.column;
}

void th_diags_add(th_diags *diags, th_severity severity, th_status code, const th_source *source, th_span span,
                  const char *format, ...) {
    if (severity == TH_ERROR && repeats_last(diags, code, source, span)) {
        diags->muted = true;
        return;
    }
    diags->muted = diags->error_count >= diags->limit;
    if (severity == TH_ERROR) diags->error_count++;
    if (diags->muted) return;
    va_list args;
    va_start(args, format);
    const char *message = format_text(&diags->arena, format, args);
    va_end(args);
    void *items = diags->items;
    if (!message || th_mem_grow(diags->arena.mem, &items, &diags->capacity, diags->len + 1, sizeof *diags->items)) {
        diags->failed = diags->muted = true;
        return;
    }
    diags->items = items;
    diags->items[diags->len++] = (th_diag){code, severity, source, span, message, NULL};
}

void th_diags_hint(th_diags *diags, const char *format, ...) {
    if (diags->muted || diags->len == 0) return;
    va_list args;
    va_start(args, format);
    const char *hint = format_text(&diags->arena, format, args);
    va_end(args);
    diags->items[diags->len - 1].hint = hint;
    if (!hint) diags->failed = true;
}

th_status th_diags_first(const th_diags *diags, th_error *err) {
    for (size_t i = 0; i < diags->len; i++) {
        const th_diag *d = &diags->items[i];
        if (d->severity != TH_ERROR) continue;
        const char *file = d->source ? d->source->name : "";
        if (!d->hint) return th_fail_at(err, d->code, file, d->span, "%s", d->message);
        return th_fail_at(err, d->code, file, d->span, "%s (%s)", d->message, d->hint);
    }
    if (diags->failed) return th_fail(err, TH_E_NOMEM, "out of memory while reporting errors");
    if (diags->error_count) return th_fail(err, TH_E_LIMIT, "%zu errors, none recorded", diags->error_count);
    return TH_OK;
}

/* ---- Showing ------------------------------------------------------------------------------------------------ */

enum { TAB_CELLS = 4, WINDOW_CELLS = 120, LEAD_CELLS = 50 };

#define BOLD    "\033[1m"
#define RED     "\033[1;31m"
#define MAGENTA "\033[1;35m"
#define CYAN    "\033[1;36m"
#define GREEN   "\033[1;32m"
#define RESET   "\033[0m"

static void put_coloured(th_buf *out, bool color, const char *code, const char *text) {
    if (color) th_buf_text(out, code);
    th_buf_text(out, text);
    if (color) th_buf_text(out, RESET);
}

/* One character of a line as it is shown. */
typedef struct glyph {
    size_t used;      /* bytes of the source */
    uint32_t cells;   /* terminal columns */
    bool counts;      /* begins a code point: columns count these */
    const char *text; /* what is written: the source itself, or a stand-in */
    size_t text_bytes;
} glyph;

static glyph glyph_at(const char *line, size_t len, size_t at, uint32_t cell) {
    static const char blanks[TAB_CELLS + 1] = "    ";
    static const char bad[] = "\xef\xbf\xbd"; /* U+FFFD stands in for what must not reach a terminal */
    uint8_t first = (uint8_t)line[at];
    if (first == '\t') return (glyph){1, TAB_CELLS - cell % TAB_CELLS, true, blanks, TAB_CELLS - cell % TAB_CELLS};
    if (first < 0x20 || first == 0x7f) return (glyph){1, 1, true, bad, 3};
    if (first < 0x80) return (glyph){1, 1, true, line + at, 1};
    uint32_t code;
    size_t used = th_utf8_decode(line, len, at, &code);
    bool counts = (first & 0xc0) != 0x80;
    bool control = code < 0xa0 || (code >= 0x200b && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
                   (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
    if (used == 1 || control) return (glyph){used, 1, counts, bad, 3};
    return (glyph){used, (uint32_t)th_utf8_width(line + at, used), counts, line + at, used};
}

/* Cells [*from, *to) that the span covers on its first line; at least one. */
static void span_cells(const char *line, size_t len, th_span span, uint32_t *from, uint32_t *to) {
    bool one_line = span.end_line == span.line;
    uint32_t column = 0, cell = 0, first = UINT32_MAX, last = UINT32_MAX;
    for (size_t at = 0; at < len;) {
        glyph g = glyph_at(line, len, at, cell);
        column += g.counts;
        if (first == UINT32_MAX && column >= span.column) first = cell;
        if (one_line && column >= span.end_column) {
            last = cell;
            break;
        }
        if (cell > UINT32_MAX - 8) break;
        cell += g.cells;
        at += g.used;
    }
    *from = first == UINT32_MAX ? cell : first;
    *to = last != UINT32_MAX ? last : span.end_line < span.line ? *from + 1 : cell;
    if (*to <= *from) *to = *from + 1;
}

/* The cells [from, to) of a line, as text. */
static void put_cells(const char *line, size_t len, uint32_t from, uint32_t to, th_buf *out) {
    uint32_t cell = 0;
    for (size_t at = 0; at < len && cell < to;) {
        glyph g = glyph_at(line, len, at, cell);
        uint32_t end = cell + g.cells;
        if (cell >= from && end <= to) {
            th_buf_put(out, g.text, g.text_bytes);
        } else if (end > from) { /* cut by an edge of the window */
            for (uint32_t c = cell < from ? from : cell; c < end && c < to; c++) th_buf_char(out, ' ');
        }
        cell = end;
        at += g.used;
    }
}

static uint32_t line_cells(const char *line, size_t len, uint32_t enough) {
    uint32_t cell = 0;
    for (size_t at = 0; at < len && cell < enough;) {
        glyph g = glyph_at(line, len, at, cell);
        cell += g.cells;
        at += g.used;
    }
    return cell;
}

static bool find_line(const th_source *source, uint32_t number, th_view *line) {
    const char *at = source->text, *end = source->text + source->len;
    for (uint32_t i = 1; i < number; i++) {
        at = memchr(at, '\n', (size_t)(end - at));
        if (!at) return false;
        at++;
    }
    const char *stop = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
    if (!stop) stop = end;
    if (stop > at && stop[-1] == '\r') stop--;
    *line = (th_view){at, (size_t)(stop - at)};
    return true;
}

static void put_quote(const th_diag *diag, bool color, th_buf *out) {
    th_view line;
    if (!diag->source->text || !find_line(diag->source, diag->span.line, &line)) return;
    uint32_t from, to;
    span_cells(line.data, line.len, diag->span, &from, &to);
    uint32_t left = from > WINDOW_CELLS - 20 ? from - LEAD_CELLS : 0, right = left + WINDOW_CELLS;
    if (to > right) to = right;
    char margin[24];
    int margin_len = snprintf(margin, sizeof margin, "%5u | ", (unsigned)diag->span.line);
    put_coloured(out, color, BOLD, margin);
    if (left) th_buf_text(out, "...");
    put_cells(line.data, line.len, left, right, out);
    if (line_cells(line.data, line.len, right + 1) > right) th_buf_text(out, "...");
    th_buf_char(out, '\n');
    for (int i = 0; i < margin_len - 2; i++) th_buf_char(out, ' ');
    put_coloured(out, color, BOLD, "| ");
    for (uint32_t i = left ? left - 3 : 0; i < from; i++) th_buf_char(out, ' ');
    if (color) th_buf_text(out, GREEN);
    th_buf_char(out, '^');
    for (uint32_t i = from + 1; i < to; i++) th_buf_char(out, '~');
    if (color) th_buf_text(out, RESET);
    th_buf_char(out, '\n');
}

static void put_place(const th_diag *diag, bool color, th_buf *out) {
    if (!diag->source) return;
    if (color) th_buf_text(out, BOLD);
    th_buf_text(out, diag->source->name);
    if (diag->span.line) th_buf_printf(out, ":%u:%u", (unsigned)diag->span.line, (unsigned)diag->span.column);
    th_buf_text(out, ": ");
    if (color) th_buf_text(out, RESET);
}

void th_diag_render(const th_diag *diag, bool color, th_buf *out) {
    static const char *const words[] = {"error: ", "warning: ", "note: "};
    static const char *const colours[] = {RED, MAGENTA, CYAN};
    put_place(diag, color, out);
    put_coloured(out, color, colours[diag->severity], words[diag->severity]);
    const char *kind = th_status_text(diag->code);
    if (color) th_buf_text(out, BOLD);
    /* The kind of an error is part of what is said; a message that names it already is left alone. */
    if (diag->severity == TH_ERROR && strncmp(diag->message, kind, strlen(kind)) != 0) {
        th_buf_text(out, kind);
        th_buf_text(out, ": ");
    }
    th_buf_text(out, diag->message);
    if (color) th_buf_text(out, RESET);
    th_buf_char(out, '\n');
    if (diag->source && diag->span.line) put_quote(diag, color, out);
    if (!diag->hint) return;
    th_buf_text(out, "  ");
    put_coloured(out, color, CYAN, "hint: ");
    th_buf_text(out, diag->hint);
    th_buf_char(out, '\n');
}

void th_diags_render(const th_diags *diags, bool color, th_buf *out) {
    size_t shown = 0;
    for (size_t i = 0; i < diags->len; i++) {
        th_diag_render(&diags->items[i], color, out);
        shown += diags->items[i].severity == TH_ERROR;
    }
    size_t more = diags->error_count - shown;
    if (more) th_buf_printf(out, "%zu more error%s not shown\n", more, more == 1 ? "" : "s");
}

/* ---- Misspelt names ----------------------------------------------------------------------------------------- */

enum { SUGGEST_MAX = 64 };

void th_suggest_init(th_suggest *s, th_view wanted) {
    *s = (th_suggest){.wanted = wanted, .distance = wanted.len / 3 + 1};
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Edits between two short texts: insert, delete, replace, or swap two neighbours. Three rows of the usual table. */
static size_t edit_distance(th_view a, th_view b) {
    size_t rows[3][SUGGEST_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) rows[0][j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.data[i - 1] == b.data[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same);
            bool swapped = i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (swapped) row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[a.len % 3][b.len];
}

void th_suggest_try(th_suggest *s, th_view candidate) {
    if (s->wanted.len > SUGGEST_MAX || candidate.len > SUGGEST_MAX || th_view_eq(s->wanted, candidate)) return;
    size_t gap = s->wanted.len > candidate.len ? s->wanted.len - candidate.len : candidate.len - s->wanted.len;
    if (gap >= s->distance) return;
    size_t distance = edit_distance(s->wanted, candidate);
    if (distance >= s->distance) return;
    s->distance = distance;
    s->best = candidate;
}

/* ---- Lines and columns -------------------------------------------------------------------------------------- */

enum { MARK_BYTES = 512 };

static uint32_t count_starts(const char *text, size_t from, size_t to) {
    uint32_t n = 0;
    for (size_t i = from; i < to; i++) n += ((uint8_t)text[i] & 0xc0) != 0x80;
    return n;
}

static bool is_ascii(const char *text, size_t len) {
    for (size_t i = 0; i < len; i++)
        if ((uint8_t)text[i] >= 0x80) return false;
    return true;
}

static size_t count_lines(const char *text, size_t len) {
    size_t count = 1;
    for (const char *at = text, *end = text + len; at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        count++;
    return count;
}

th_status th_lines_init(th_lines *lines, th_arena *arena, const char *text, size_t len) {
    if (len >= UINT32_MAX) return TH_E_LIMIT;
    th_lines built = {.text = text, .len = len, .count = count_lines(text, len)};
    built.starts = th_arena_new(arena, built.count * sizeof *built.starts);
    if (!built.starts) return TH_E_NOMEM;
    built.starts[0] = 0;
    for (size_t i = 1, at = 0; i < built.count; i++) {
        at = (size_t)((const char *)memchr(text + at, '\n', len - at) - text) + 1;
        built.starts[i] = (uint32_t)at;
    }
    if (!is_ascii(text, len)) {
        size_t n = len / MARK_BYTES + 1;
        built.marks = th_arena_new(arena, n * sizeof *built.marks);
        if (!built.marks) return TH_E_NOMEM;
        built.marks[0] = 0;
        for (size_t i = 1; i < n; i++)
            built.marks[i] = built.marks[i - 1] + count_starts(text, (i - 1) * MARK_BYTES, i * MARK_BYTES);
    }
    *lines = built;
    return TH_OK;
}

static uint32_t code_points_before(const th_lines *lines, size_t at) {
    if (!lines->marks) return (uint32_t)at;
    size_t mark = at / MARK_BYTES;
    return lines->marks[mark] + count_starts(lines->text, mark * MARK_BYTES, at);
}

static void place_of(const th_lines *lines, size_t at, uint32_t *line, uint32_t *column) {
    size_t low = 0, high = lines->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (lines->starts[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    *line = (uint32_t)low + 1;
    *column = code_points_before(lines, at) - code_points_before(lines, lines->starts[low]) + 1;
}

th_span th_lines_span(const th_lines *lines, size_t from, size_t to) {
    if (from > lines->len) from = lines->len;
    if (to > lines->len) to = lines->len;
    if (to < from) to = from;
    th_span span;
    place_of(lines, from, &span.line, &span.column);
    place_of(lines, to, &span.end_line, &span.end_column);
    return span;
}
