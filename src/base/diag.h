/*
** diag.h - diagnostics: many per run, with spans, hints, and the source line and caret at the terminal.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_DIAG_H
#define TH_DIAG_H

#include "base/base.h"

typedef enum th_severity { TH_ERROR, TH_WARNING, TH_NOTE } th_severity;

/* A source text, kept so that errors can quote it. Owned by a th_sources; borrowed until that is cleared. */
typedef struct th_source {
    const char *name; /* as the user gave it */
    const char *text; /* len bytes, then a NUL */
    size_t len;
} th_source;

typedef struct th_diag {
    th_status code;
    th_severity severity;
    const th_source *source; /* NULL: none */
    th_span span;
    const char *message;
    const char *hint; /* NULL: none */
} th_diag;

/* Collects diagnostics in order; stops recording at `limit` errors and counts on. Owns its texts. */
typedef struct th_diags {
    th_arena arena;
    th_diag *items;
    size_t len, capacity;
    size_t error_count;
    size_t limit;  /* default 50 */
    bool failed;   /* a diagnostic was lost for want of memory */
    bool muted;    /* the last one added was not recorded; hints for it are ignored */
} th_diags;

void th_diags_init(th_diags *diags, th_mem *mem);
void th_diags_clear(th_diags *diags);
/* Adds one. `hint_format` results are given with th_diags_hint, which attaches to the last one added. An error with the same
** code and span start as the one before is dropped, so that one cause is told once. */
void th_diags_add(th_diags *diags, th_severity severity, th_status code, const th_source *source, th_span span,
                  const char *format, ...) TH_PRINTF(6, 7);
void th_diags_hint(th_diags *diags, const char *format, ...) TH_PRINTF(2, 3);
/* The first error as a th_error; TH_OK when there is none. */
th_status th_diags_first(const th_diags *diags, th_error *err);

/* `file:line:col: error: message`, the line, a caret under the span (tabs and wide characters respected), the hint.
** ANSI colour when `color`. */
void th_diag_render(const th_diag *diag, bool color, th_buf *out);
void th_diags_render(const th_diags *diags, bool color, th_buf *out);

/* The best candidate for a misspelt name by Damerau-Levenshtein distance (at most a third of its length), or NULL.
** Feed candidates one at a time. */
typedef struct th_suggest {
    th_view wanted;
    th_view best;
    size_t distance;
} th_suggest;
void th_suggest_init(th_suggest *s, th_view wanted);
void th_suggest_try(th_suggest *s, th_view candidate);

/* Lines and columns of byte offsets in a text: built once, then O(log lines) a look-up, however long a line is. Lines end
** at a line feed. TH_E_LIMIT when the text has 4 GiB or more. */
typedef struct th_lines {
    const char *text;
    size_t len;
    uint32_t *starts;
    size_t count;
    uint32_t *marks; /* code points before each 512th byte; NULL: the text is ASCII */
} th_lines;
th_status th_lines_init(th_lines *lines, th_arena *arena, const char *text, size_t len) TH_CHECKED;
th_span th_lines_span(const th_lines *lines, size_t from, size_t to);

#endif
