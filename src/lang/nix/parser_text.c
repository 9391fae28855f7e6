/*
** parser_text.c - strings, indented strings and paths, with what is interpolated in them.
** Each is a frame whose pieces are on a pile until it ends. Relies on parser.h alone.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/nix/parser.h"

/* ---- Pieces ------------------------------------------------------------------------------------------------- */

static bool push_piece(nix_parser *p, nix_piece piece) {
    if (!nix_grow(p, (void **)&p->pieces, &p->pieces_capacity, p->npieces + 1, sizeof *p->pieces)) return false;
    p->pieces[p->npieces++] = piece;
    return true;
}

/* The text read last. */
static bool push_text(nix_parser *p) {
    return push_piece(p, (nix_piece){{.text = p->lx.view, .span = nix_token_span(&p->lx)}, p->lx.raw});
}

static nix_step begin_text(nix_parser *p, nix_frame_kind kind, nix_step next) {
    nix_frame *f = nix_push(p, kind, p->lx.start);
    if (!f) return NIX_STEP_FAIL;
    f->mark = (uint32_t)p->npieces;
    return next;
}

static nix_step begin_interpolation(nix_parser *p) {
    nix_top(p)->inner = p->lx.start;
    nix_advance(p);
    return NIX_STEP_FULL;
}

nix_step nix_interpolated(nix_parser *p) {
    nix_frame *f = nix_top(p);
    if (nix_kind_of(p) != NIX_T_RBRACE) return nix_unexpected(p, "'}'");
    nix_piece piece = {.part = {.expr = p->value, .span = nix_between(f->inner, nix_here(&p->lx))}};
    if (f->kind == NIX_F_PATH) f->flag = true;
    nix_step next = f->kind == NIX_F_STRING ? NIX_STEP_STRING
                    : f->kind == NIX_F_PATH ? NIX_STEP_PATH
                                            : NIX_STEP_INDENTED;
    return push_piece(p, piece) ? next : NIX_STEP_FAIL;
}

/* The pieces of the top frame become the parts of a node, and the frame ends. Pieces without anything are left out. */
static nix_expr *take_parts(nix_parser *p, nix_kind kind, th_span span) {
    const nix_frame *f = nix_top(p);
    size_t n = p->npieces - f->mark, used = 0;
    const nix_piece *pieces = n ? p->pieces + f->mark : NULL;
    nix_expr *e = nix_node(p, kind, span);
    nix_part *parts = e && n ? th_arena_new(p->arena, n * sizeof *parts) : NULL;
    if (!e) return NULL;
    if (n && !parts) return nix_parser_no_memory(p), NULL;
    for (size_t i = 0; i < n; i++)
        if (pieces[i].part.expr || pieces[i].part.text.len) parts[used++] = pieces[i].part;
    e->parts = used ? parts : NULL;
    e->nparts = (uint32_t)used;
    p->npieces = f->mark;
    nix_pop(p);
    return e;
}

static nix_step unterminated(nix_parser *p, const char *end, uint32_t width) {
    nix_place from = nix_top(p)->from, to = {from.line, from.column + width};
    nix_error(&p->lx, nix_between(from, to),
              "syntax error, unterminated string, expecting %s before the end of the file", end);
    nix_hint(&p->lx, "the string that begins here has no end");
    return NIX_STEP_FAIL;
}

/* ---- Strings ------------------------------------------------------------------------------------------------ */

nix_step nix_string(nix_parser *p, bool name) {
    nix_step next = begin_text(p, NIX_F_STRING, NIX_STEP_STRING);
    if (next != NIX_STEP_FAIL) nix_top(p)->flag = name;
    return next;
}

/* Errors in one with interpolations name the place of the first part. */
static void point_at_part(nix_expr *e) {
    if (e->nparts == 0 || (e->nparts == 1 && !e->parts->expr)) return;
    e->at.line = e->parts->span.line;
    e->at.column = e->parts->span.column;
}

/* A name without interpolations needs no node. */
static nix_step end_name(nix_parser *p, th_span span) {
    size_t mark = nix_top(p)->mark, n = p->npieces - mark;
    if (n > 1 || (n == 1 && p->pieces[mark].part.expr)) {
        nix_expr *e = take_parts(p, NIX_STRING, span);
        if (!e) return NIX_STEP_FAIL;
        point_at_part(e);
        nix_advance(p);
        return nix_add_name(p, NULL, e, span);
    }
    nix_name name = nix_intern(&p->lx, n ? p->pieces[mark].part.text : (th_view){"", 0});
    if (!name) return NIX_STEP_FAIL;
    p->npieces = mark;
    nix_pop(p);
    nix_advance(p);
    return nix_add_name(p, name, NULL, span);
}

static nix_step end_string(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    th_span span = nix_between(from, nix_here(&p->lx));
    if (nix_top(p)->flag) return end_name(p, span);
    nix_expr *e = take_parts(p, NIX_STRING, span);
    if (!e) return NIX_STEP_FAIL;
    point_at_part(e);
    nix_advance(p);
    return nix_give(p, e, from, NIX_STEP_POSTFIX);
}

nix_step nix_string_more(nix_parser *p) {
    for (;;) {
        nix_lex_string(&p->lx);
        switch (nix_kind_of(p)) {
        case NIX_T_STR:
            if (!push_text(p)) return NIX_STEP_FAIL;
            break;
        case NIX_T_QUOTE: return end_string(p);
        case NIX_T_DOLLAR_BRACE: return begin_interpolation(p);
        case NIX_T_END: return unterminated(p, "'\"'", 1);
        default: return NIX_STEP_FAIL;
        }
    }
}

/* ---- Indented strings --------------------------------------------------------------------------------------- */

nix_step nix_indented(nix_parser *p) { return begin_text(p, NIX_F_INDENTED, NIX_STEP_INDENTED); }

/* The least number of spaces that a line begins with. Lines of spaces alone do not count; an interpolation and an
** escape are no space. More than this many are never removed. */
static size_t least_indent(const nix_piece *pieces, size_t n) {
    size_t least = 1000000, spaces = 0;
    bool start = true; /* only spaces have been seen in the line */
    for (size_t i = 0; i < n; i++) {
        th_view text = pieces[i].part.text;
        if (pieces[i].part.expr || !pieces[i].raw) {
            if (start && spaces < least) least = spaces;
            start = false;
            continue;
        }
        for (const char *c = text.data, *end = c + text.len; c < end; c++) {
            if (*c == '\n') {
                start = true;
                spaces = 0;
            } else if (!start) {
                c = memchr(c, '\n', (size_t)(end - c));
                if (!c) break;
                c--;
            } else if (*c == ' ') {
                spaces++;
            } else {
                start = false;
                if (spaces < least) least = spaces;
            }
        }
    }
    return least;
}

typedef struct trimmer {
    size_t least;
    size_t dropped; /* in this line */
    bool start;
} trimmer;

/* Removes what is to go from one text. */
static bool trim(nix_parser *p, trimmer *t, th_view *text) {
    if (!t->start && !memchr(text->data, '\n', text->len)) return true;
    char *out = th_arena_new(p->arena, text->len), *to = out;
    if (!out) return nix_parser_no_memory(p), false;
    for (const char *c = text->data, *end = c + text->len; c < end; c++) {
        if (t->start && *c == ' ') {
            if (t->dropped++ >= t->least) *to++ = *c;
            continue;
        }
        *to++ = *c;
        if (*c == '\n') t->dropped = 0;
        if (t->start && *c != '\n') t->dropped = 0;
        t->start = *c == '\n';
    }
    *text = (th_view){out, (size_t)(to - out)};
    return true;
}

/* A last line of spaces alone goes. */
static void trim_end(th_view *text) {
    size_t n = text->len;
    while (n && text->data[n - 1] == ' ') n--;
    if (n && text->data[n - 1] == '\n') text->len = n;
}

static bool strip_indent(nix_parser *p, nix_piece *pieces, size_t n) {
    if (n == 0) return true;
    trimmer t = {.least = least_indent(pieces, n), .start = true};
    for (size_t i = 0; i < n; i++) {
        if (pieces[i].part.expr) {
            t.start = false;
            t.dropped = 0;
        } else if (!trim(p, &t, &pieces[i].part.text)) {
            return false;
        }
    }
    if (!pieces[n - 1].part.expr) trim_end(&pieces[n - 1].part.text);
    return true;
}

static nix_step end_indented(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    size_t mark = nix_top(p)->mark;
    size_t n = p->npieces - mark;
    if (!strip_indent(p, n ? p->pieces + mark : NULL, n)) return NIX_STEP_FAIL;
    nix_expr *e = take_parts(p, NIX_STRING, nix_between(from, nix_here(&p->lx)));
    if (!e) return NIX_STEP_FAIL;
    e->indented = true;
    nix_advance(p);
    return nix_give(p, e, from, NIX_STEP_POSTFIX);
}

nix_step nix_indented_more(nix_parser *p) {
    for (;;) {
        nix_lex_indented(&p->lx);
        switch (nix_kind_of(p)) {
        case NIX_T_IND_STR:
            if (!push_text(p)) return NIX_STEP_FAIL;
            break;
        case NIX_T_IND_CLOSE: return end_indented(p);
        case NIX_T_DOLLAR_BRACE: return begin_interpolation(p);
        case NIX_T_END: return unterminated(p, "''", 2);
        default: return NIX_STEP_FAIL;
        }
    }
}

/* ---- Paths -------------------------------------------------------------------------------------------------- */

nix_step nix_parse_path(nix_parser *p) {
    nix_step next = begin_text(p, NIX_F_PATH, NIX_STEP_PATH);
    return next != NIX_STEP_FAIL && push_text(p) ? next : NIX_STEP_FAIL;
}

static nix_step end_path(nix_parser *p) {
    nix_place from = nix_top(p)->from;
    nix_expr *e = take_parts(p, NIX_PATH, nix_between(from, nix_here(&p->lx)));
    if (!e) return NIX_STEP_FAIL;
    nix_advance(p);
    return nix_give(p, e, from, NIX_STEP_POSTFIX);
}

/* In a/b//c a text follows the path without an interpolation between. */
static nix_step no_interpolation(nix_parser *p) {
    th_span span = nix_kind_of(p) == NIX_T_PATH_END ? p->pieces[p->npieces - 1].part.span : nix_token_span(&p->lx);
    nix_error(&p->lx, span, "syntax error, unexpected %s, expecting '${'", nix_token_text(nix_kind_of(p)));
    nix_hint(&p->lx, "a path has one slash between two names");
    return NIX_STEP_FAIL;
}

nix_step nix_path_more(nix_parser *p) {
    const nix_frame *f = nix_top(p);
    for (;;) {
        const nix_part *last = &p->pieces[p->npieces - 1].part;
        nix_lex_path(&p->lx, !last->expr && last->text.data[last->text.len - 1] == '/');
        bool split = !f->flag && p->npieces - f->mark > 1;
        switch (nix_kind_of(p)) {
        case NIX_T_STR:
            if (split) return no_interpolation(p);
            if (!push_text(p)) return NIX_STEP_FAIL;
            break;
        case NIX_T_PATH_END: return split ? no_interpolation(p) : end_path(p);
        case NIX_T_DOLLAR_BRACE: return begin_interpolation(p);
        default: return NIX_STEP_FAIL;
        }
    }
}
