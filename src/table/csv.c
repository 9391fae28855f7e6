/*
** csv.c - the CSV reader: a stream of batches over a file, standard input or memory.
** Holds a window of whole rows (about a megabyte; more only while types are inferred or one row is that long), has it
** indexed by csv_scan.c, sorts rows from blank and ragged lines, and reads columns out of it with csv_cells.c. A batch
** never spans windows, so its text stays below 2^31 bytes. Rows before a bad one are delivered before its error.
** Sources: RFC 4180, read leniently where real files differ (LF ends, a quote inside an unquoted cell is a character).
** SPDX-License-Identifier: Apache-2.0
*/
#include "table/table.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/diag.h"
#include "table/csv_int.h"

#define WINDOW_BYTES ((size_t)1 << 20)
#define INFER_BYTES  ((size_t)16 << 20) /* inference reads ahead no further, however few rows that is */
#define INFER_ROWS   10000u
#define BATCH_ROWS   16384u
#define SHORT_ENTRIES                                                                                                  \
    ((size_t)4 << 20) /* made for short rows at a time: many of them under a wide header stay bounded */

typedef struct csv_column {
    size_t cell; /* in the row */
    th_column_type type;
    bool nullable, inferred;
} csv_column;

typedef struct reader {
    th_stream stream;
    th_mem *mem;
    th_arena arena; /* the name, names of columns, null words, columns */
    const char *name;
    char delimiter;
    bool no_header, only_declared;
    th_bad_cell policy;
    size_t infer_rows, batch_rows;
    th_csv_nulls nulls;

    int fd; /* -1: from memory */
    bool close_fd;
    th_file_mark mark;
    const uint8_t *memory;
    size_t memory_len, memory_at;

    uint8_t *window;
    size_t window_bytes;  /* how much is read at a time: less than WINDOW_BYTES when the input is small */
    size_t capacity, len; /* TH_CSV_PAD more bytes than `capacity` are there */
    bool eof;
    uint64_t line;      /* of the window's first byte, from 1 */
    uint64_t window_at; /* where in the file it lies */
    size_t target;      /* how many bytes it was to be filled to */
    th_csv_scan scan;
    size_t index_len;  /* entries that the scan made; those of short rows come after */
    size_t first_line; /* of the window's lines, the first of those that `rows` were made of */
    size_t next_line;  /* the first that was not sorted yet */
    uint32_t *rows;    /* as in th_csv_rows */
    size_t nrows, rows_capacity, next_row;
    size_t bad_row; /* of them: the one that ended the reading; SIZE_MAX: none did */

    const char **names; /* of all cells of a row */
    size_t ncells;
    csv_column *columns;
    th_column *scratch;
    size_t ncolumns;
    th_error failure; /* code not OK: what comes after the last row */
} reader;

static th_status no_memory(th_error *err) { return th_fail(err, TH_E_NOMEM, "not enough memory to read CSV"); }

/* ---- Places ------------------------------------------------------------------------------------------------- */

static size_t count_newlines(const uint8_t *p, size_t n) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++) count += p[i] == '\n';
    return count;
}

static th_span place(const reader *r, size_t at) {
    size_t start = at;
    while (start > 0 && r->window[start - 1] != '\n') start--;
    uint64_t line = r->line + count_newlines(r->window, start);
    size_t column = th_utf8_count((const char *)r->window + start, at - start) + 1;
    th_span span = {line > UINT32_MAX ? UINT32_MAX : (uint32_t)line, (uint32_t)column, 0, 0};
    span.end_line = span.line;
    span.end_column = span.column + 1;
    return span;
}

/* A text for a message: control characters as escapes, cut after 60 bytes. */
static const char *quoted(th_view text, char out[320]) {
    size_t n = 0, at = 0;
    out[n++] = '\'';
    while (at < text.len && at < 60) {
        uint32_t code;
        size_t used = th_utf8_decode(text.data, text.len, at, &code);
        bool bad = used == 1 && (uint8_t)text.data[at] >= 0x80;
        if (bad || code < 0x20 || code == 0x7f) {
            n += (size_t)snprintf(out + n, 8, "\\x%02x", (unsigned)(uint8_t)text.data[at]);
        } else {
            memcpy(out + n, text.data + at, used);
            n += used;
        }
        at += used;
    }
    snprintf(out + n, 8, "%s", at < text.len ? "…'" : "'");
    return out;
}

/* ---- The window --------------------------------------------------------------------------------------------- */

static th_status read_some(reader *r, size_t room, size_t *got, th_error *err) {
    if (r->fd < 0) {
        size_t left = r->memory_len - r->memory_at;
        *got = left < room ? left : room;
        if (*got) memcpy(r->window + r->len, r->memory + r->memory_at, *got);
        r->memory_at += *got;
        return TH_OK;
    }
    ssize_t n;
    do n = read(r->fd, r->window + r->len, room);
    while (n < 0 && errno == EINTR);
    if (n < 0) return th_fail(err, TH_E_IO, "cannot read '%s': %s", r->name, strerror(errno));
    *got = (size_t)n;
    return TH_OK;
}

static void skip_bom(reader *r) {
    if (r->len < 3 || memcmp(r->window, "\xef\xbb\xbf", 3) != 0) return;
    r->len -= 3;
    r->window_at += 3;
    memmove(r->window, r->window + 3, r->len);
}

/* Fills the window up to `target` bytes or the end of the input, which it gives a last newline when it has none. */
static th_status fill(reader *r, size_t target, bool first, th_error *err) {
    if (target > r->capacity) {
        size_t old = r->capacity ? r->capacity + TH_CSV_PAD : 0;
        uint8_t *window = th_mem_resize(r->mem, r->window, old, target + TH_CSV_PAD);
        if (!window) return no_memory(err);
        r->window = window;
        r->capacity = target;
        memset(window + target, 0, TH_CSV_PAD);
    }
    while (!r->eof && r->len < target) {
        size_t got = 0;
        TH_TRY(read_some(r, target - r->len, &got, err));
        r->len += got;
        r->eof = got == 0;
    }
    if (first) skip_bom(r);
    if (r->eof && r->len && r->window[r->len - 1] != '\n') r->window[r->len++] = '\n';
    return TH_OK;
}

/* Drops the lines that were dealt with. */
static th_status shift(reader *r, th_error *err) {
    if (r->scan.nlines) {
        size_t used = (size_t)r->scan.ends[r->scan.lines[r->scan.nlines - 1]] + 1;
        size_t unfinished = count_newlines(r->window + used, r->scan.at - used); /* in the quotes of the row to come */
        r->line += r->scan.nlines + r->scan.inner_newlines - unfinished;
        r->len -= used;
        r->window_at += used;
        memmove(r->window, r->window + used, r->len);
    }
    r->nrows = r->next_row = r->next_line = 0;
    return th_csv_scan_restart(r->mem, &r->scan) == TH_OK ? TH_OK : no_memory(err);
}

static size_t open_cell(const reader *r) { return (uint32_t)(r->scan.ends[r->scan.nends - 1] + 1); }

static th_status cell_too_long(reader *r, size_t at, bool in_quotes, th_error *err) {
    return th_fail_at(err, TH_E_LIMIT, r->name, place(r, at), "a cell is longer than 64 MiB%s",
                      in_quotes ? "; perhaps the quote that opens here is never closed" : "");
}

/* Refuses what the window cannot hold. */
static th_status check_open_row(reader *r, th_error *err) {
    if (r->len - open_cell(r) > TH_CSV_CELL_MAX) return cell_too_long(r, open_cell(r), r->scan.quoted, err);
    if (r->scan.nlines == 0 && r->len >= TH_CSV_ROW_MAX)
        return th_fail_at(err, TH_E_LIMIT, r->name, place(r, 0), "a row is longer than 1 GiB");
    return TH_OK;
}

static void loaded(reader *r) {
    r->index_len = r->scan.nends;
    if (r->eof && r->scan.quoted)
        th_fail_at(&r->failure, TH_E_FORMAT, r->name, place(r, open_cell(r)),
                   "the quote that opens here is never closed");
}

/* The next window: at least `min_lines` lines if they fit INFER_BYTES, at least one, or the rest of the input. */
static th_status load(reader *r, size_t min_lines, bool first, th_error *err) {
    TH_TRY(shift(r, err));
    size_t target = r->window_bytes;
    while (target <= r->len) target *= 2;
    for (;;) {
        TH_TRY(fill(r, target, first, err));
        first = false;
        if (th_csv_scan_run(r->mem, &r->scan, r->window, r->len, r->eof) != TH_OK) return no_memory(err);
        if (r->eof) break;
        if (r->scan.nlines >= min_lines || (r->scan.nlines && r->len >= INFER_BYTES)) break;
        TH_TRY(check_open_row(r, err));
        while (target <= r->len) target *= 2;
    }
    r->target = target;
    loaded(r);
    return TH_OK;
}

/* ---- Rows --------------------------------------------------------------------------------------------------- */

/* The line that ends at entry `last` of the index, from entry `first` on: has it no cell but an empty one? */
static bool blank_line(const reader *r, size_t first, size_t last, bool spaces_too) {
    if (first != last) return false;
    const uint8_t *p = r->window + (uint32_t)(r->scan.ends[first - 1] + 1), *end = r->window + r->scan.ends[last];
    if (p < end && end[-1] == '\r') end--;
    while (spaces_too && p < end && (*p == ' ' || *p == '\t')) p++;
    return p == end;
}

static th_status add_row(reader *r, size_t first) {
    if (TH_UNLIKELY(r->nrows == r->rows_capacity))
        TH_TRY(th_mem_grow(r->mem, (void **)&r->rows, &r->rows_capacity, r->nrows + 1, sizeof(uint32_t)));
    r->rows[r->nrows++] = (uint32_t)first;
    return TH_OK;
}

/* A copy of a short row's entries at the end of the index, with cells added that end before they begin. The scan is
** over for this window, so nobody else appends. */
static th_status add_short_row(reader *r, size_t first, size_t n) {
    th_csv_scan *s = &r->scan;
    TH_TRY(th_mem_grow(r->mem, (void **)&s->ends, &s->ends_capacity, s->nends + r->ncells + 1, sizeof(uint32_t)));
    TH_TRY(add_row(r, s->nends + 1));
    for (size_t i = 0; i <= n; i++) s->ends[s->nends++] = s->ends[first - 1 + i];
    uint32_t *last = &s->ends[s->nends - 1];
    if (*last > last[-1] + 1 && r->window[*last - 1] == '\r') --*last; /* last[-1] + 1 wraps to 0 at the start */
    for (size_t i = n; i < r->ncells; i++, s->nends++) s->ends[s->nends] = s->ends[s->nends - 1];
    return TH_OK;
}

static void ragged(reader *r, size_t first, size_t n) {
    th_fail_at(&r->failure, TH_E_CONVERSION, r->name, place(r, (uint32_t)(r->scan.ends[first - 1] + 1)),
               "this row has %zu cell%s, but the %s has %zu", n, n == 1 ? "" : "s",
               r->no_header ? "first row" : "header", r->ncells);
}

/* A line with too few or too many cells. */
static th_status add_ragged(reader *r, size_t first, size_t n) {
    if (r->policy == TH_BAD_SKIP) return TH_OK;
    if (r->policy == TH_BAD_ERROR) {
        ragged(r, first, n);
        return TH_OK;
    }
    return n > r->ncells ? add_row(r, first) : add_short_row(r, first, n);
}

static th_status check_cells(reader *r, size_t first, size_t last, th_error *err) {
    for (size_t i = first; i <= last; i++) {
        size_t from = (uint32_t)(r->scan.ends[i - 1] + 1);
        if (r->scan.ends[i] - from > TH_CSV_CELL_MAX) return cell_too_long(r, from, false, err);
    }
    return TH_OK;
}

/* The lines of the window that were not sorted yet, as rows. Stops at a line that ends the reading, and when short rows
** have taken much room. */
static th_status sort_lines(reader *r, th_error *err) {
    const size_t nlines = r->scan.nlines;
    const bool spaces_too = r->ncells > 1, check = r->len > TH_CSV_CELL_MAX;
    r->nrows = r->next_row = 0;
    r->bad_row = SIZE_MAX;
    r->first_line = r->next_line;
    r->scan.nends = r->index_len;
    size_t line = r->next_line, first = line ? r->scan.lines[line - 1] + 1 : 1;
    for (; line < nlines && r->scan.nends - r->index_len < SHORT_ENTRIES; line++) {
        size_t last = r->scan.lines[line], n = last - first + 1;
        if (check) TH_TRY(check_cells(r, first, last, err));
        th_status status = TH_OK;
        if (TH_UNLIKELY(n == 1 && blank_line(r, first, last, spaces_too)))
            status = TH_OK;
        else if (TH_LIKELY(n == r->ncells))
            status = add_row(r, first);
        else
            status = add_ragged(r, first, n);
        if (status != TH_OK) return no_memory(err);
        if (TH_UNLIKELY(r->failure.code == TH_E_CONVERSION)) line = nlines - 1;
        first = last + 1;
    }
    r->next_line = line;
    return TH_OK;
}

/* ---- Batches ------------------------------------------------------------------------------------------------ */

static th_csv_rows rows_view(reader *r, size_t from, size_t n) {
    return (th_csv_rows){.window = r->window,
                         .ends = r->scan.ends,
                         .rows = r->rows ? r->rows + from : NULL,
                         .nrows = n,
                         .nulls = &r->nulls,
                         .policy = r->policy,
                         .bad_row = n};
}

static const char *expected(th_column_type type) {
    switch (type) {
    case TH_COLUMN_BOOL: return "true or false";
    case TH_COLUMN_I8: return "a whole number from -128 to 127";
    case TH_COLUMN_I16: return "a whole number from -32768 to 32767";
    case TH_COLUMN_I32: return "a whole number from -2147483648 to 2147483647";
    case TH_COLUMN_I64: return "a whole number";
    case TH_COLUMN_F32:
    case TH_COLUMN_F64: return "a number";
    case TH_COLUMN_DATE: return "a date such as 2024-01-31";
    case TH_COLUMN_TIMESTAMP: return "a time such as 2024-01-31T12:00:00";
    default: return "text";
    }
}

/* Says why a cell is bad: its reading is repeated, this time for a message. */
static void describe(reader *r, const th_csv_rows *rows, size_t row, const csv_column *c) {
    th_view cell = th_csv_cell(rows, row, c->cell);
    th_span span = place(r, (size_t)((const uint8_t *)cell.data - r->window));
    const char *name = r->names[c->cell];
    char shown[320];
    th_buf text;
    th_buf_init(&text, r->mem);
    bool formed = th_csv_cell_text(cell, &text);
    if (!text.failed && formed) cell = (th_view){text.data ? text.data : "", text.len};
    if (!formed) {
        th_fail_at(&r->failure, TH_E_CONVERSION, r->name, span,
                   "cannot read %s in column '%s': there is text after the closing quote", quoted(cell, shown), name);
    } else if (th_csv_cell_types(cell, &r->nulls) == TH_CSV_ANY_TYPE) {
        th_fail_at(&r->failure, TH_E_CONVERSION, r->name, span,
                   "column '%s' is declared %s, which is not nullable, but this cell is empty or null", name,
                   th_column_type_text(c->type));
    } else if (c->type == TH_COLUMN_STRING) {
        th_fail_at(&r->failure, TH_E_CONVERSION, r->name, span, "cannot read %s in column '%s': it is not UTF-8 text",
                   quoted(cell, shown), name);
    } else {
        char hint[400] = "";
        if (c->inferred)
            snprintf(
                hint, sizeof hint,
                "; the type was inferred from the first rows: declare the column's type, for example %.200s<String>",
                name);
        th_fail_at(&r->failure, TH_E_CONVERSION, r->name, span, "cannot read %s as %s in column '%s': expected %s%s",
                   quoted(cell, shown), th_column_type_text(c->type), name, expected(c->type), hint);
    }
    th_buf_clear(&text);
}

static void clear_columns(reader *r) {
    for (size_t i = 0; i < r->ncolumns; i++) th_column_clear(&r->scratch[i]);
}

static th_status read_columns(reader *r, th_csv_rows *rows) {
    const csv_column *bad = NULL;
    for (size_t i = 0; i < r->ncolumns; i++) {
        const csv_column *c = &r->columns[i];
        size_t before = rows->bad_row;
        th_status status =
            th_csv_read_column(r->mem, rows, c->cell, c->cell + 1 == r->ncells, c->type, c->nullable, &r->scratch[i]);
        if (status != TH_OK) {
            clear_columns(r);
            return status;
        }
        if (rows->bad_row < before) bad = c;
    }
    if (bad) describe(r, rows, rows->bad_row, bad);
    return TH_OK;
}

/* Columns were read with more rows than turned out to be good. */
static void cut_columns(reader *r, size_t n) {
    for (size_t i = 0; i < r->ncolumns; i++) {
        th_column *c = &r->scratch[i];
        c->len = n;
        if (c->validity) c->null_count = (int64_t)(n - th_bits_count(c->validity->data, 0, n));
    }
}

/* SKIP: reads the columns; when rows turn out bad, takes them out and reads again. */
static th_status read_skipping(reader *r, th_csv_rows *rows) {
    size_t bytes = rows->nrows / 8 + 1;
    rows->skip = th_mem_zeroed(r->mem, bytes);
    if (!rows->skip) return TH_E_NOMEM;
    th_status status = read_columns(r, rows);
    if (status == TH_OK && rows->any_skipped) {
        clear_columns(r);
        uint32_t *list = r->rows + r->next_row;
        size_t n = 0;
        for (size_t i = 0; i < rows->nrows; i++)
            if (!th_bit_get(rows->skip, i)) list[n++] = list[i];
        rows->nrows = rows->bad_row = n;
        rows->any_skipped = false;
        status = read_columns(r, rows);
        assert(!rows->any_skipped);
    }
    th_mem_free(r->mem, rows->skip, bytes);
    return status;
}

/* One batch of the window's rows; none when they all were bad. */
static th_status emit(reader *r, th_batch **out, th_error *err) {
    size_t left = r->nrows - r->next_row, parts = (left + r->batch_rows - 1) / r->batch_rows;
    size_t n = (left + parts - 1) / parts; /* batches of like size, no small one at the window's end */
    th_csv_rows rows = rows_view(r, r->next_row, n);
    th_status status = r->policy == TH_BAD_SKIP ? read_skipping(r, &rows) : read_columns(r, &rows);
    if (status != TH_OK) return no_memory(err);
    if (rows.bad_row < rows.nrows) r->bad_row = r->next_row + rows.bad_row;
    r->next_row += n;
    if (rows.bad_row < rows.nrows) {
        cut_columns(r, rows.bad_row);
        r->next_row = r->nrows; /* the failure comes next */
        r->next_line = r->scan.nlines;
    }
    if (rows.bad_row > 0) status = th_batch_new(r->mem, r->stream.schema, rows.bad_row, r->scratch, out);
    if (rows.bad_row == 0 || status != TH_OK)
        clear_columns(r);
    else
        memset(r->scratch, 0, r->ncolumns * sizeof *r->scratch); /* they are the batch's now */
    return status == TH_OK ? TH_OK : no_memory(err);
}

static th_status next_batch(reader *r, th_batch **out, th_error *err) {
    for (;;) {
        if (r->next_row < r->nrows) {
            TH_TRY(emit(r, out, err));
            if (*out) return TH_OK;
            continue;
        }
        if (r->next_line == r->scan.nlines) {
            if (r->failure.code != TH_OK) {
                if (err) *err = r->failure;
                return r->failure.code;
            }
            if (r->eof) return TH_OK;
            TH_TRY(load(r, 1, false, err));
        }
        TH_TRY(sort_lines(r, err));
    }
}

static th_status csv_next(th_stream *stream, th_batch **out, th_error *err) {
    reader *r = (reader *)stream;
    th_error detail = {.code = TH_OK};
    *out = NULL;
    th_status status = next_batch(r, out, &detail);
    if (status == TH_OK) return TH_OK;
    if (r->failure.code == TH_OK) r->failure = detail; /* a stream that failed stays so */
    r->next_row = r->nrows;
    r->next_line = r->scan.nlines;
    if (err) *err = detail;
    return status;
}

static void csv_close(th_stream *stream) {
    reader *r = (reader *)stream;
    th_mem *mem = r->mem;
    if (r->close_fd) close(r->fd);
    th_csv_scan_clear(mem, &r->scan);
    th_mem_free(mem, r->rows, r->rows_capacity * sizeof *r->rows);
    th_mem_free(mem, r->window, r->capacity ? r->capacity + TH_CSV_PAD : 0);
    th_schema_release(stream->schema);
    th_arena_clear(&r->arena);
    th_mem_free(mem, r, sizeof *r);
}

/* ---- Header ------------------------------------------------------------------------------------------------- */

/* Names to cells: open addressing, at least twice as many slots as names. */
typedef struct name_set {
    const char **names; /* by cell */
    uint32_t *slots;    /* cell + 1; 0: free */
    size_t mask;
} name_set;

static uint32_t *find_slot(const name_set *set, th_view name) {
    size_t i = th_hash_bytes(name.data, name.len, 0) & set->mask;
    while (set->slots[i] && !th_view_is(name, set->names[set->slots[i] - 1])) i = (i + 1) & set->mask;
    return &set->slots[i];
}

static th_status set_init(name_set *set, th_arena *arena, const char **names, size_t n) {
    size_t size = 8;
    while (size < 4 * n) size *= 2;
    *set = (name_set){names, th_arena_zeroed(arena, size * sizeof(uint32_t)), size - 1};
    return set->slots ? TH_OK : TH_E_NOMEM;
}

static th_status header_error(reader *r, th_view cell, const char *what, th_error *err) {
    return th_fail_at(err, TH_E_FORMAT, r->name, place(r, (size_t)((const uint8_t *)cell.data - r->window)),
                      "in the header, %s", what);
}

/* The text of one header cell; "" for an empty one. */
static th_status header_name(reader *r, th_view cell, const char **out, th_error *err) {
    th_buf text;
    th_buf_init(&text, r->mem);
    bool formed = th_csv_cell_text(cell, &text);
    th_view name = {text.data ? text.data : "", text.len};
    bool was_quoted = cell.len && cell.data[0] == '"';
    while (!was_quoted && name.len && (name.data[0] == ' ' || name.data[0] == '\t'))
        name = (th_view){name.data + 1, name.len - 1};
    while (!was_quoted && name.len && (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '\t')) name.len--;
    th_status status = TH_OK;
    const char *problem = NULL;
    if (!formed)
        problem = "there is text after a closing quote";
    else if (th_utf8_valid(name.data, name.len) != name.len)
        problem = "a column's name is not UTF-8 text";
    else if (memchr(name.data, 0, name.len))
        problem = "a column's name holds a NUL byte; is this a text file?";
    else if (!was_quoted && memchr(name.data, '\r', name.len))
        problem = "there is a carriage return without a newline: lines must end in LF or CRLF";
    if (problem)
        status = header_error(r, cell, problem, err);
    else
        *out = th_arena_text(&r->arena, name.data, name.len);
    if (status == TH_OK && (text.failed || !*out)) status = no_memory(err);
    th_buf_clear(&text);
    return status;
}

/* Duplicate and empty names are made unique: "name_2", "c3". Names that the file has keep precedence over made ones. */
static th_status unique_names(reader *r) {
    name_set set;
    TH_TRY(set_init(&set, &r->arena, r->names, r->ncells));
    uint32_t *suffix = th_arena_zeroed(&r->arena, r->ncells * sizeof(uint32_t));
    bool *rename = th_arena_zeroed(&r->arena, r->ncells * sizeof(bool));
    if (!suffix || !rename) return TH_E_NOMEM;
    for (size_t i = 0; i < r->ncells; i++) {
        uint32_t *slot = find_slot(&set, th_view_of(r->names[i]));
        rename[i] = *slot || !*r->names[i];
        if (!rename[i]) *slot = (uint32_t)i + 1;
    }
    for (size_t i = 0; i < r->ncells; i++) {
        if (!rename[i]) continue;
        const char *base = *r->names[i] ? r->names[i] : th_arena_printf(&r->arena, "c%zu", i + 1), *name = base;
        if (!base) return TH_E_NOMEM;
        uint32_t *slot = find_slot(&set, th_view_of(name));
        uint32_t *next = *slot ? &suffix[*slot - 1] : NULL; /* where the last duplicate left off */
        for (uint32_t k = next && *next ? *next : 2; *slot; k++) {
            if (!(name = th_arena_printf(&r->arena, "%s_%u", base, k))) return TH_E_NOMEM;
            slot = find_slot(&set, th_view_of(name));
            *next = k + 1;
        }
        r->names[i] = name;
        *slot = (uint32_t)i + 1;
    }
    return TH_OK;
}

/* The first line that is not blank makes the header, or tells how many cells there are. */
static th_status read_header(reader *r, th_error *err) {
    size_t first = 1, at = 0;
    for (; at < r->scan.nlines; at++) {
        size_t last = r->scan.lines[at];
        if (!blank_line(r, first, last, true)) break;
        first = last + 1;
    }
    if (at == r->scan.nlines) {
        if (r->failure.code != TH_OK) {
            if (err) *err = r->failure;
            return r->failure.code;
        }
        return th_fail(err, TH_E_FORMAT, "'%s' is empty: there is no %s", r->name,
                       r->no_header ? "row" : "header line");
    }
    r->ncells = r->scan.lines[at] - first + 1;
    r->names = th_arena_zeroed(&r->arena, r->ncells * sizeof *r->names);
    if (!r->names) return no_memory(err);
    th_csv_rows header = {.window = r->window, .ends = r->scan.ends, .rows = &(uint32_t){(uint32_t)first}, .nrows = 1};
    for (size_t i = 0; i < r->ncells; i++) {
        r->names[i] = "";
        if (!r->no_header) TH_TRY(header_name(r, th_csv_cell(&header, 0, i), &r->names[i], err));
    }
    r->next_line = r->no_header ? at : at + 1;
    return unique_names(r) == TH_OK ? TH_OK : no_memory(err);
}

/* ---- Types -------------------------------------------------------------------------------------------------- */

static th_column_type infer(reader *r, size_t cell) {
    static const th_column_type order[] = {TH_COLUMN_BOOL, TH_COLUMN_I64, TH_COLUMN_F64, TH_COLUMN_DATE,
                                           TH_COLUMN_TIMESTAMP};
    size_t n = r->nrows < r->infer_rows ? r->nrows : r->infer_rows;
    th_csv_rows rows = rows_view(r, 0, n);
    uint32_t types = TH_CSV_ANY_TYPE;
    for (size_t i = 0; i < n && types; i++) types &= th_csv_cell_types(th_csv_cell(&rows, i, cell), &r->nulls);
    if (types == TH_CSV_ANY_TYPE) return TH_COLUMN_STRING; /* nothing to go by */
    for (size_t i = 0; i < TH_COUNT(order); i++)
        if (types >> order[i] & 1) return order[i];
    return TH_COLUMN_STRING;
}

static csv_column make_column(reader *r, size_t cell, const th_field *declared) {
    csv_column c = {.cell = cell, .nullable = true};
    if (declared) c.nullable = declared->nullable || r->policy == TH_BAD_NULL;
    if (declared && declared->type != TH_COLUMN_NULL) {
        c.type = declared->type;
    } else {
        c.type = infer(r, cell);
        c.inferred = true;
    }
    return c;
}

static th_status unknown_column(reader *r, const char *name, th_error *err) {
    th_suggest nearest;
    th_suggest_init(&nearest, th_view_of(name));
    for (size_t i = 0; i < r->ncells; i++) th_suggest_try(&nearest, th_view_of(r->names[i]));
    if (nearest.best.data)
        return th_fail(err, TH_E_REFERENCE, "'%s' has no column '%s'; did you mean '%.*s'?", r->name, name,
                       (int)nearest.best.len, nearest.best.data);
    char list[400];
    size_t n = 0, i = 0;
    for (; i < r->ncells && n + strlen(r->names[i]) + 16 < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", i ? ", " : "", r->names[i]);
    return th_fail(err, TH_E_REFERENCE, "'%s' has no column '%s'; its columns are: %.*s%s", r->name, name, (int)n, list,
                   i < r->ncells ? ", …" : "");
}

/* declared_at[cell]: 1 + the index of the declaration of this cell's column. */
static th_status match_declared(reader *r, const th_csv_options *options, uint32_t *declared_at, uint32_t *cell_of,
                                th_error *err) {
    name_set set;
    if (set_init(&set, &r->arena, r->names, r->ncells) != TH_OK) return no_memory(err);
    for (size_t i = 0; i < r->ncells; i++) *find_slot(&set, th_view_of(r->names[i])) = (uint32_t)i + 1;
    for (size_t i = 0; i < options->ndeclared; i++) {
        uint32_t slot = *find_slot(&set, th_view_of(options->declared[i].name));
        if (!slot) return unknown_column(r, options->declared[i].name, err);
        if (declared_at[slot - 1])
            return th_fail(err, TH_E_ARGUMENT, "column '%s' is declared twice", options->declared[i].name);
        declared_at[slot - 1] = (uint32_t)i + 1;
        cell_of[i] = slot - 1;
    }
    return TH_OK;
}

static th_status make_columns(reader *r, const th_csv_options *options, th_error *err) {
    size_t ndeclared = options->ndeclared;
    uint32_t *declared_at = th_arena_zeroed(&r->arena, (r->ncells + ndeclared) * sizeof(uint32_t));
    if (!declared_at) return no_memory(err);
    uint32_t *cell_of = declared_at + r->ncells;
    TH_TRY(match_declared(r, options, declared_at, cell_of, err));
    size_t n = r->only_declared ? ndeclared : r->ncells;
    r->columns = th_arena_zeroed(&r->arena, n * sizeof *r->columns + 1);
    r->scratch = th_arena_zeroed(&r->arena, n * sizeof *r->scratch + 1);
    th_field *fields = th_arena_zeroed(&r->arena, n * sizeof *fields + 1);
    if (!r->columns || !r->scratch || !fields) return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        size_t cell = r->only_declared ? cell_of[i] : i;
        uint32_t at = declared_at[cell];
        r->columns[i] = make_column(r, cell, at ? &options->declared[at - 1] : NULL);
        fields[i] = (th_field){r->names[cell], r->columns[i].type, r->columns[i].nullable};
    }
    r->ncolumns = n;
    return th_schema_new(r->mem, fields, n, &r->stream.schema) == TH_OK ? TH_OK : no_memory(err);
}

/* ---- Opening ------------------------------------------------------------------------------------------------ */

/* What the first bytes say that is certainly no CSV text. */
static const char *other_format(const uint8_t *p, size_t n) {
    static const struct {
        const char *bytes;
        size_t len;
        const char *what;
    } known[] = {
        {"\x1f\x8b", 2, "a gzip file; decompress it first"},
        {"PK\3\4", 4, "a zip file (or a spreadsheet); extract or export it first"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd file; decompress it first"},
        {"\xfd"
         "7zXZ",
         5, "an xz file; decompress it first"},
        {"PAR1\x15", 5, "a Parquet file"},
        {"ARROW1\0\0", 8, "an Arrow file"},
        {"\xff\xff\xff\xff", 4, "an Arrow stream"},
        {"\xff\xfe", 2, "UTF-16 text; convert it to UTF-8 first"},
        {"\xfe\xff", 2, "UTF-16 text; convert it to UTF-8 first"},
    };
    for (size_t i = 0; i < TH_COUNT(known); i++)
        if (n > known[i].len && memcmp(p, known[i].bytes, known[i].len) == 0) return known[i].what;
    return NULL;
}

static bool is_tsv(const char *name) {
    size_t n = strlen(name);
    return n >= 4 && (strcasecmp(name + n - 4, ".tsv") == 0 || strcasecmp(name + n - 4, ".tab") == 0);
}

static th_status take_nulls(reader *r, const th_csv_options *options) {
    static const char *const defaults[] = {"NA", "null", "NULL", NULL};
    const char *const *words = defaults;
    for (size_t i = 0; i < 4; i++)
        if (options->null_text[i]) words = options->null_text;
    for (size_t i = 0; i < 4; i++) {
        if (!words[i] || !*words[i]) continue;
        size_t n = strlen(words[i]);
        char *copy = th_arena_text(&r->arena, words[i], n);
        if (!copy) return TH_E_NOMEM;
        r->nulls.words[r->nulls.nwords++] = (th_view){copy, n};
        r->nulls.first[(uint8_t)copy[0]] = true;
        if (n > r->nulls.longest) r->nulls.longest = n;
    }
    return TH_OK;
}

static th_status take_options(reader *r, const char *name, const th_csv_options *options, th_error *err) {
    r->delimiter = options->delimiter ? options->delimiter : is_tsv(name) ? '\t' : ',';
    if (strchr("\"\r\n", r->delimiter) || (uint8_t)r->delimiter >= 0x80)
        return th_fail(err, TH_E_ARGUMENT,
                       "the delimiter must be one ASCII character other than a quote or a line end");
    for (size_t i = 0; i < options->ndeclared; i++)
        if ((unsigned)options->declared[i].type >= TH_COLUMN_TYPE_COUNT)
            return th_fail(err, TH_E_ARGUMENT, "column '%s' is declared with no known type", options->declared[i].name);
    r->no_header = options->no_header;
    r->only_declared = options->only_declared;
    r->policy = options->bad_cell;
    r->infer_rows = options->infer_rows ? options->infer_rows : INFER_ROWS;
    r->batch_rows = options->batch_rows ? options->batch_rows : BATCH_ROWS;
    r->name = th_arena_text(&r->arena, name, strlen(name));
    r->scan.delimiter = r->delimiter;
    r->line = 1;
    return r->name && take_nulls(r, options) == TH_OK ? TH_OK : no_memory(err);
}

static bool needs_inference(const th_csv_options *options) {
    if (!options->only_declared) return true;
    for (size_t i = 0; i < options->ndeclared; i++)
        if (options->declared[i].type == TH_COLUMN_NULL) return true;
    return false;
}

static th_status start(reader *r, const th_csv_options *options, th_error *err) {
    size_t want = needs_inference(options) ? r->infer_rows : 1;
    TH_TRY(load(r, want < SIZE_MAX ? want + 1 : want, true, err));
    const char *what = other_format(r->window, r->len);
    if (what) return th_fail(err, TH_E_FORMAT, "'%s' is not CSV text but %s", r->name, what);
    TH_TRY(read_header(r, err));
    TH_TRY(sort_lines(r, err));
    return make_columns(r, options, err);
}

static th_status open_reader(th_mem *mem, const char *name, const th_csv_options *options, reader **out,
                             th_error *err) {
    reader *r = th_mem_zeroed(mem, sizeof *r);
    if (!r) return no_memory(err);
    r->stream = (th_stream){NULL, csv_next, csv_close};
    r->mem = mem;
    r->fd = -1;
    th_arena_init(&r->arena, mem);
    th_status status = take_options(r, name, options, err);
    if (status != TH_OK)
        csv_close(&r->stream);
    else
        *out = r;
    return status;
}

/* A small input gets a small window. One byte more than it has lets its end be seen. */
static void size_window(reader *r) {
    if (r->fd >= 0) r->mark = th_file_mark_of(r->fd);
    r->mark.again &= r->close_fd;
    size_t size = r->fd < 0 ? r->memory_len : (size_t)r->mark.size;
    r->window_bytes = size && size < WINDOW_BYTES ? TH_ALIGN(size + 1, 4096) : WINDOW_BYTES;
}

static th_status finish_open(reader *r, const th_csv_options *options, th_stream **out, th_error *err) {
    size_window(r);
    th_status status = start(r, options, err);
    if (status != TH_OK)
        csv_close(&r->stream);
    else
        *out = &r->stream;
    return status;
}

static th_status open_file(const char *path, int *fd, th_error *err) {
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        return th_fail(err, errno == ENOENT ? TH_E_NOT_FOUND : TH_E_IO, "cannot open '%s': %s", path, strerror(errno));
    struct stat info;
    if (fstat(*fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        close(*fd);
        return th_fail(err, TH_E_IO, "cannot read '%s': it is a directory", path);
    }
#if defined(POSIX_FADV_SEQUENTIAL)
    (void)posix_fadvise(*fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
    return TH_OK;
}

th_status th_csv_open(th_mem *mem, const char *path, const th_csv_options *options, th_stream **out, th_error *err) {
    static const th_csv_options defaults;
    if (!options) options = &defaults;
    bool standard = strcmp(path, "-") == 0;
    int fd = STDIN_FILENO;
    if (!standard) TH_TRY(open_file(path, &fd, err));
    reader *r;
    th_status status = open_reader(mem, standard ? "standard input" : path, options, &r, err);
    if (status != TH_OK) {
        if (!standard) close(fd);
        return status;
    }
    r->fd = fd;
    r->close_fd = !standard;
    return finish_open(r, options, out, err);
}

th_status th_csv_open_memory(th_mem *mem, const char *name, const void *bytes, size_t len,
                             const th_csv_options *options, th_stream **out, th_error *err) {
    static const th_csv_options defaults;
    if (!options) options = &defaults;
    reader *r;
    TH_TRY(open_reader(mem, name, options, &r, err));
    r->memory = bytes;
    r->memory_len = len;
    return finish_open(r, options, out, err);
}

th_status th_csv_project(th_stream *stream, const bool *keep, th_error *err) {
    reader *r = (reader *)stream;
    th_field *fields = th_arena_zeroed(&r->arena, r->ncolumns * sizeof *fields + 1);
    if (!fields) return no_memory(err);
    size_t n = 0;
    for (size_t i = 0; i < r->ncolumns; i++)
        if (keep[i]) fields[n++] = r->stream.schema->fields[i];
    th_schema *schema;
    if (th_schema_new(r->mem, fields, n, &schema) != TH_OK) return no_memory(err);
    n = 0;
    for (size_t i = 0; i < r->ncolumns; i++)
        if (keep[i]) r->columns[n++] = r->columns[i];
    r->ncolumns = n;
    th_schema_release(r->stream.schema);
    r->stream.schema = schema;
    return TH_OK;
}

/* ---- Going on elsewhere ------------------------------------------------------------------------------------- */

/* A window is read again from where it began: so batches are cut as they were, and types, quotes and lines are judged in
** the same company. A row that ended the reading is the next one, and will end it again. */
void th_csv_tell(const th_stream *stream, th_stream_place *out) {
    const reader *r = (const reader *)stream;
    *out = (th_stream_place){.again = r->mark.again,
                             .size = r->mark.size,
                             .mtime_ns = r->mark.mtime_ns,
                             .at = r->window_at,
                             .row = r->bad_row < r->next_row ? r->bad_row : r->next_row,
                             .line = r->line,
                             .target = r->target,
                             .first_line = r->first_line};
}

static th_status no_place(const reader *r, th_error *err) {
    return th_fail(err, TH_E_FORMAT, "there is no such place in '%s'", r->name);
}

static th_status load_again(reader *r, const th_stream_place *place, th_error *err) {
    if (place->target < 1 || place->target > 2 * TH_CSV_ROW_MAX || place->target > 2 * place->size + WINDOW_BYTES)
        return no_place(r, err);
    if (lseek(r->fd, (off_t)place->at, SEEK_SET) < 0)
        return th_fail(err, TH_E_IO, "cannot read '%s': %s", r->name, strerror(errno));
    r->len = 0;
    r->eof = false;
    r->window_at = place->at;
    r->line = place->line;
    r->target = (size_t)place->target;
    r->failure = (th_error){.code = TH_OK};
    r->nrows = r->next_row = r->next_line = 0;
    if (th_csv_scan_restart(r->mem, &r->scan) != TH_OK) return no_memory(err);
    TH_TRY(fill(r, r->target, false, err));
    if (th_csv_scan_run(r->mem, &r->scan, r->window, r->len, r->eof) != TH_OK) return no_memory(err);
    if (!r->eof && r->scan.nlines == 0) return no_place(r, err);
    loaded(r);
    return TH_OK;
}

th_status th_csv_seek(th_stream *stream, const th_stream_place *place, th_error *err) {
    reader *r = (reader *)stream;
    TH_TRY(th_file_mark_check(&r->mark, r->name, place, err));
    if (place->at > place->size) return no_place(r, err);
    if (place->at != r->window_at) TH_TRY(load_again(r, place, err));
    if (place->first_line > r->scan.nlines) return no_place(r, err);
    r->next_line = (size_t)place->first_line;
    r->failure = (th_error){.code = TH_OK};
    loaded(r); /* sorting tells the failures of lines, this those of the window */
    TH_TRY(sort_lines(r, err));
    if (place->row > r->nrows) return no_place(r, err);
    r->next_row = (size_t)place->row;
    return TH_OK;
}
