/*
** check.c - the checker's ground: memory that leaves on refusal, messages told once per cause, nodes of the typed tree.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/check.h"

#include <stdio.h>

/* ---- Memory ------------------------------------------------------------------------------------------------- */

void tc_no_memory(checker *c) { longjmp(c->no_memory, 1); }

void *tc_new(checker *c, size_t bytes) {
    void *p = th_arena_zeroed(c->arena, bytes ? bytes : 1);
    if (!p) tc_no_memory(c);
    return p;
}

void *tc_copy(checker *c, const void *bytes, size_t len) {
    void *p = tc_new(c, len);
    if (len) memcpy(p, bytes, len);
    return p;
}

void tc_grow(checker *c, void *array_pointer, uint32_t *capacity, uint32_t needed, size_t item_bytes) {
    void *old;
    memcpy(&old, array_pointer, sizeof old);
    uint32_t wanted = *capacity ? *capacity * 2 : 8;
    if (wanted < needed) wanted = needed;
    void *grown = tc_new(c, wanted * item_bytes);
    if (old) memcpy(grown, old, *capacity * item_bytes);
    memcpy(array_pointer, &grown, sizeof grown);
    *capacity = wanted;
}

static const char *format_text(checker *c, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = tc_new(c, (size_t)(len < 0 ? 0 : len) + 1);
    vsnprintf(text, (size_t)(len < 0 ? 0 : len) + 1, format, args);
    return text;
}

const char *tc_printf(checker *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(c, format, args);
    va_end(args);
    return text;
}

/* ---- Messages ----------------------------------------------------------------------------------------------- */

th_span tc_span(const file *f, const th_ast *ast) {
    return f && ast ? th_lines_span(&f->lines, ast->from, ast->to) : (th_span){0};
}

static void put_key(uint64_t *keys, uint32_t size, uint64_t key) {
    uint32_t i = (uint32_t)th_hash_word(key) & (size - 1);
    while (keys[i]) i = (i + 1) & (size - 1);
    keys[i] = key;
}

bool tc_told(checker *c, uint64_t key) {
    if (key == 0) key = 1; /* 0 marks a free place */
    for (uint32_t i = (uint32_t)th_hash_word(key); c->reported_size; i++) {
        uint64_t found = c->reported[i & (c->reported_size - 1)];
        if (found == key) return true;
        if (!found) break;
    }
    if (++c->nreported * 2 > c->reported_size) {
        uint32_t size = c->reported_size ? c->reported_size * 2 : 64;
        uint64_t *keys = tc_new(c, size * sizeof *keys);
        for (uint32_t i = 0; i < c->reported_size; i++)
            if (c->reported[i]) put_key(keys, size, c->reported[i]);
        c->reported = keys;
        c->reported_size = size;
    }
    put_key(c->reported, c->reported_size, key);
    return false;
}

static bool told_before(checker *c, th_status code, const file *f, const th_ast *ast) {
    return tc_told(c, th_hash_word((uint64_t)(uintptr_t)f) ^ ((uint64_t)(ast ? ast->from : 0) << 8 | (uint64_t)code));
}

/* The nearest use in the user's own text: what goes wrong inside the prelude is told there. */
static const inst *outermost_use(const inst *i) {
    while (i && i->standard && i->at_file && i->at_file->standard && i->outer) i = i->outer;
    return i;
}

/* Told after the error's own hints and notes: see tell. */
static void note_instance(checker *c) {
    const inst *i = c->told_in;
    c->told_in = NULL;
    if (!i || !i->at || !i->func || !i->func->template_ || !i->at_file) return;
    const char *types = "";
    for (uint32_t k = 0; k < i->func->nparams; k++)
        types = tc_printf(c, "%s%s%s", types, k ? ", " : "", tc_text(c, i->params[k]));
    tc_note(c, i->at_file, i->at, "`%.*s` is checked for (%s) because of this", V(i->func->name), types);
}

static bool tell(checker *c, th_status code, file *f, const th_ast *ast, const char *format, va_list args) {
    const inst *use = NULL;
    note_instance(c);
    const char *text = format_text(c, format, args);
    if (f && f->standard && c->cur) {
        use = outermost_use(c->cur);
        if (use->at) {
            text = tc_printf(c, "in `%.*s`: %s", V(use->func ? use->func->full_name : use->tir->name), text);
            f = use->at_file;
            ast = use->at;
        }
    }
    if (told_before(c, code, f, ast)) return false;
    th_diags_add(c->diags, TH_ERROR, code, f ? f->source : NULL, tc_span(f, ast), "%s", text);
    if (!use) c->told_in = c->cur;
    return !c->diags->muted; /* past the limit nothing is told, and no hint sought */
}

bool tc_error(checker *c, th_status code, const th_ast *ast, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool told = tell(c, code, c->file, ast, format, args);
    va_end(args);
    return told;
}

bool tc_error_in(checker *c, th_status code, file *f, const th_ast *ast, const char *format, ...) {
    va_list args;
    va_start(args, format);
    bool told = tell(c, code, f, ast, format, args);
    va_end(args);
    return told;
}

void tc_hint(checker *c, const char *format, ...) {
    va_list args;
    va_start(args, format);
    const char *text = format_text(c, format, args);
    va_end(args);
    th_diags_hint(c->diags, "%s", text);
}

void tc_note(checker *c, file *f, const th_ast *ast, const char *format, ...) {
    if (!f || !ast || f->standard) return;
    va_list args;
    va_start(args, format);
    const char *text = format_text(c, format, args);
    va_end(args);
    th_diags_add(c->diags, TH_NOTE, TH_OK, f->source, tc_span(f, ast), "%s", text);
}

bool tc_mismatched(checker *c, size_t before, const th_ast *ast) {
    if (!ast || c->diags->error_count != before + 1 || c->diags->len == 0) return false;
    const th_diag *last = &c->diags->items[c->diags->len - 1];
    th_span at = tc_span(c->file, ast);
    return last->code == TH_E_TYPE && last->severity == TH_ERROR && last->span.line == at.line &&
           last->span.column == at.column && strncmp(last->message, "expected ", 9) == 0;
}

bool tc_warn(checker *c, const th_ast *ast, const char *format, ...) {
    if (c->file->standard || told_before(c, TH_OK, c->file, ast)) return false;
    note_instance(c);
    va_list args;
    va_start(args, format);
    const char *text = format_text(c, format, args);
    va_end(args);
    th_diags_add(c->diags, TH_WARNING, TH_OK, c->file->source, tc_span(c->file, ast), "%s", text);
    return true;
}

/* ---- In the order of the text ----------------------------------------------------------------------------------- */

/* An error or warning with the notes behind it. */
typedef struct group {
    size_t from, count;
    uint32_t file;
    th_span at;
} group;

static bool before(const group *a, const group *b) {
    if (a->file != b->file) return a->file < b->file;
    if (a->at.line != b->at.line) return a->at.line < b->at.line;
    return a->at.column <= b->at.column;
}

static uint32_t file_number(const checker *c, const th_source *source) {
    for (uint32_t i = 0; i < c->nfiles; i++)
        if (c->files[i]->source == source) return i;
    return UINT32_MAX;
}

static void merge_sort(group *groups, group *scratch, size_t n) {
    if (n < 2) return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    merge_sort(groups, scratch, half);
    merge_sort(groups + half, scratch, n - half);
    while (i < half && j < n) scratch[k++] = before(&groups[i], &groups[j]) ? groups[i++] : groups[j++];
    while (i < half) scratch[k++] = groups[i++];
    while (j < n) scratch[k++] = groups[j++];
    memcpy(groups, scratch, n * sizeof *groups);
}

/* What is told twice of one place, as where a default value is checked for each use. */
static bool same_message(const th_diag *a, const th_diag *b) {
    return a->source == b->source && a->severity == b->severity && a->span.line == b->span.line &&
           a->span.column == b->span.column && a->span.line != 0 && strcmp(a->message, b->message) == 0;
}

void tc_sort_messages(checker *c, size_t first) {
    note_instance(c);
    size_t n = c->diags->len - (first < c->diags->len ? first : c->diags->len), ngroups = 0;
    if (n < 2) return;
    group *groups = tc_new(c, n * sizeof *groups), *scratch = tc_new(c, n * sizeof *scratch);
    th_diag *sorted = tc_new(c, n * sizeof *sorted), *items = c->diags->items + first;
    for (size_t i = 0; i < n; i++) {
        if (items[i].severity == TH_NOTE && ngroups)
            groups[ngroups - 1].count++;
        else
            groups[ngroups++] = (group){i, 1, file_number(c, items[i].source), items[i].span};
    }
    merge_sort(groups, scratch, ngroups);
    size_t kept = 0;
    for (size_t g = 0, last = 0; g < ngroups; g++) {
        if (g && same_message(&items[groups[g].from], &items[groups[last].from])) {
            c->diags->error_count -= items[groups[g].from].severity == TH_ERROR;
            continue;
        }
        last = g;
        for (size_t i = 0; i < groups[g].count; i++) sorted[kept++] = items[groups[g].from + i];
    }
    memcpy(items, sorted, kept * sizeof *items);
    c->diags->len = first + kept;
}

/* ---- Nodes -------------------------------------------------------------------------------------------------- */

/* How many of a node's first kids are evaluated whenever the node is. */
static uint32_t strict_kids(th_tir_kind kind, uint32_t nkids) {
    switch (kind) {
    case TH_TIR_IF:
    case TH_TIR_SWITCH:
    case TH_TIR_AND:
    case TH_TIR_OR:
    case TH_TIR_COALESCE:
    case TH_TIR_WHILE: return nkids < 1 ? nkids : 1;
    case TH_TIR_FOR_RANGE: return nkids < 2 ? nkids : 2;
    case TH_TIR_TRY: return 0;
    default: return nkids;
    }
}

static bool never_comes_out(const th_tir *node) {
    uint32_t strict = strict_kids(node->kind, node->nkids);
    for (uint32_t i = 0; i < strict; i++)
        if (node->kids[i] && node->kids[i]->never) return true;
    switch (node->kind) {
    case TH_TIR_RETURN:
    case TH_TIR_BREAK:
    case TH_TIR_CONTINUE:
    case TH_TIR_THROW:
    case TH_TIR_TRAP: return true;
    case TH_TIR_IF: return node->kids[2] && node->kids[1]->never && node->kids[2]->never;
    case TH_TIR_TRY: return node->kids[0]->never && node->kids[1]->never;
    case TH_TIR_SWITCH:
        for (uint32_t i = 1; i < node->nkids; i++)
            if (!node->kids[i]->never) return false;
        return true;
    default: return false;
    }
}

typedef struct node_box {
    th_tir node;
    bool finished; /* its types are the program's */
} node_box;

bool tc_finish_once(th_tir *node) {
    node_box *box = (node_box *)(void *)node;
    bool first = !box->finished;
    box->finished = true;
    return first;
}

th_tir *tc_node_copy(checker *c, const th_tir *node) {
    node_box *box = tc_new(c, sizeof *box);
    box->node = *node;
    return &box->node;
}

th_tir *tc_node_list(checker *c, th_tir_kind kind, ty type, const th_ast *ast, th_tir **kids, uint32_t nkids) {
    node_box *box = tc_new(c, sizeof *box);
    th_tir *node = &box->node;
    node->kind = (uint8_t)kind;
    node->type = type;
    node->span = tc_span(c->file, ast);
    node->kids = kids;
    node->nkids = nkids;
    node->never = never_comes_out(node);
    return node;
}

th_tir *tc_node(checker *c, th_tir_kind kind, ty type, const th_ast *ast, uint32_t nkids, ...) {
    th_tir **kids = nkids ? tc_new(c, nkids * sizeof *kids) : NULL;
    va_list args;
    va_start(args, nkids);
    for (uint32_t i = 0; i < nkids; i++) kids[i] = va_arg(args, th_tir *);
    va_end(args);
    return tc_node_list(c, kind, type, ast, kids, nkids);
}

th_tir *tc_bad(checker *c, const th_ast *ast) { return tc_node(c, TH_TIR_BLOCK, T_BAD, ast, 0); }
th_tir *tc_void(checker *c, const th_ast *ast) { return tc_node(c, TH_TIR_BLOCK, TH_TYPE_VOID, ast, 0); }

th_tir *tc_int(checker *c, ty type, int64_t value, const th_ast *ast) {
    th_tir *node = tc_node(c, TH_TIR_INT, type, ast, 0);
    node->ival = value;
    return node;
}

th_tir *tc_bool(checker *c, bool value, const th_ast *ast) { return tc_int(c, TH_TYPE_BOOL, value, ast); }

th_tir *tc_string(checker *c, th_view text, const th_ast *ast) {
    th_tir *node = tc_node(c, TH_TIR_STRING, TH_TYPE_STRING, ast, 0);
    node->text = text;
    return node;
}

th_tir *tc_op(checker *c, th_tir_kind kind, th_tir_op op, ty type, const th_ast *ast, th_tir *a, th_tir *b) {
    th_tir *node = b ? tc_node(c, kind, type, ast, 2, a, b) : tc_node(c, kind, type, ast, 1, a);
    node->op = (uint8_t)op;
    return node;
}

th_tir *tc_seq(checker *c, th_tir *a, th_tir *b, const th_ast *ast) {
    return tc_node(c, TH_TIR_BLOCK, b->type, ast, 2, a, b);
}
