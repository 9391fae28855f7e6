/*
** csv_int.h - the CSV reader's parts: the scan that finds where cells end, and the cells that become columns.
** Private to src/table. The reader (csv.c) holds a window of the input; the scan (csv_scan.c) indexes it; columns are
** then read one at a time through that index (csv_cells.c), so that each loop is about one type and columns that nobody
** declared cost nothing.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_CSV_INT_H
#define TH_CSV_INT_H

#include "table/table_int.h"

/* The window may be read this far beyond its end. */
#define TH_CSV_PAD 64u
/* A row, and with it the window, stays below this, so that positions fit 32 bits. */
#define TH_CSV_ROW_MAX  ((size_t)1 << 30)
#define TH_CSV_CELL_MAX ((size_t)64 << 20)

/* ---- The scan (csv_scan.c) ---------------------------------------------------------------------------------- */

/* Invariants. 1: ends[0] is UINT32_MAX, so that the cell after entry k begins at ends[k] + 1 for the first cell too.
** 2: ends[k], k > 0, are the positions of the delimiters and newlines outside quotes, ascending. 3: lines[] are the
** indices into ends of the newlines among them. */
typedef struct th_csv_scan {
    uint32_t *ends;
    size_t nends, ends_capacity;
    uint32_t *lines;
    size_t nlines, lines_capacity;
    size_t at;             /* bytes of the window scanned */
    uint32_t closed_at;    /* where the last quoted cell seemed to end: a quote just after it goes on with the cell */
    bool quoted;           /* inside quotes at `at` */
    size_t inner_newlines; /* scanned over inside quotes: they end no line of the index */
    char delimiter;
} th_csv_scan;

th_status th_csv_scan_restart(th_mem *mem, th_csv_scan *scan) TH_CHECKED;
/* Goes on to the end of the window, or, unless `final`, to its last whole block of 64 bytes. */
th_status th_csv_scan_run(th_mem *mem, th_csv_scan *scan, const uint8_t *window, size_t len, bool final) TH_CHECKED;
void th_csv_scan_clear(th_mem *mem, th_csv_scan *scan);

/* ---- Cells (csv_cells.c) ------------------------------------------------------------------------------------ */

typedef struct th_csv_nulls {
    th_view words[4];
    size_t nwords, longest;
    bool first[256]; /* the bytes that a word may begin with */
} th_csv_nulls;

/* Rows of the window: cell c of row r ends at ends[rows[r] + c]. A short row was given cells that end before they
** begin. */
typedef struct th_csv_rows {
    const uint8_t *window;
    const uint32_t *ends, *rows;
    size_t nrows;
    const th_csv_nulls *nulls;
    th_bad_cell policy;
    size_t bad_row;  /* ERROR: the first row with a bad cell so far, else nrows; rows from it on are not read */
    size_t bad_cell; /* ERROR: its cell */
    uint8_t *skip;   /* SKIP: a bit for each row with a bad cell */
    bool any_skipped;
} th_csv_rows;

/* A cell as it stands in the file, carriage return and all but its delimiter. */
th_view th_csv_cell(const th_csv_rows *rows, size_t row, size_t cell);
/* Reads the column of cells `cell` (`last`: the last of a row) as `type`. Rows from rows->bad_row on hold anything. */
th_status th_csv_read_column(th_mem *mem, th_csv_rows *rows, size_t cell, bool last, th_column_type type, bool nullable,
                             th_column *out) TH_CHECKED;

/* Inference: the types a cell may have, as bits 1 << th_column_type; all bits for a null. */
uint32_t th_csv_cell_types(th_view cell, const th_csv_nulls *nulls);
#define TH_CSV_ANY_TYPE UINT32_MAX
/* Appends the text of a cell, without its quotes; false when it is not well formed. */
bool th_csv_cell_text(th_view cell, th_buf *out);

#endif
