/*
** tir.c - the typed tree as text, for tests: one function per paragraph, an S-expression for its body.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/tir.h"

static const char *const kind_names[] = {
    "int",         "float",     "string",   "null",      "local",        "global",   "unary",   "binary",
    "and",         "or",        "if",       "switch",    "block",        "let",      "set",     "global-set",
    "field",       "field-set", "index",    "index-set", "list-push",    "list-pop", "len",     "dict-get",
    "dict-get-or", "dict-has",  "dict-set", "call",      "call-closure", "builtin",  "closure", "struct",
    "list",        "dict",      "some",     "unwrap",    "is-null",      "coalesce", "variant", "variant-tag",
    "variant-get", "convert",   "while",    "for-range", "break",        "continue", "return",  "try",
    "throw",       "trap",
};
_Static_assert(TH_COUNT(kind_names) == TH_TIR_TRAP + 1, "one name per kind of node");

static const char *const op_names[] = {"neg", "not",  "bnot", "add", "sub", "mul", "div", "rem", "pow", "band",
                                       "bor", "bxor", "shl",  "shr", "eq",  "ne",  "lt",  "le",  "gt",  "ge"};
_Static_assert(TH_COUNT(op_names) == TH_TIR_GE + 1, "one name per operator");

typedef struct printer {
    const th_tir_program *program;
    const th_types *types;
    th_buf *out;
    uint32_t depth;
} printer;

static void newline(printer *p) {
    th_buf_char(p->out, '\n');
    for (uint32_t i = 0; i < p->depth && i < 60; i++) th_buf_text(p->out, "  ");
}

static void local_name(printer *p, const th_local *l) {
    if (l->name.len) th_buf_printf(p->out, "%.*s", (int)l->name.len, l->name.data);
    th_buf_printf(p->out, "%%%u", l->index);
    if (l->captured && l->assigned) th_buf_char(p->out, '*');
}

static void print_scalar(printer *p, const th_tir *n) {
    char text[32];
    switch (n->kind) {
    case TH_TIR_INT: th_buf_printf(p->out, "%lld", (long long)n->ival); break;
    case TH_TIR_FLOAT:
        th_format_f64(n->fval, true, text);
        th_buf_text(p->out, text);
        break;
    case TH_TIR_STRING: th_buf_printf(p->out, "'%.*s'", (int)n->text.len, n->text.data); break;
    case TH_TIR_LOCAL: local_name(p, n->local); break;
    default: break;
    }
    if (n->kind == TH_TIR_INT && n->type == TH_TYPE_I64) return;
    if (n->kind == TH_TIR_FLOAT && n->type == TH_TYPE_F64) return;
    if (n->kind == TH_TIR_STRING && n->type == TH_TYPE_STRING) return;
    if (n->kind == TH_TIR_LOCAL) return;
    th_buf_char(p->out, ':');
    th_type_print(p->types, n->type, p->out);
}

static void print_details(printer *p, const th_tir *n) {
    th_view name = {0};
    switch (n->kind) {
    case TH_TIR_UNARY:
    case TH_TIR_BINARY: break;
    case TH_TIR_CALL:
    case TH_TIR_CLOSURE:
        if (n->index < p->program->nfunctions) name = p->program->functions[n->index]->name;
        th_buf_printf(p->out, " %.*s", (int)name.len, name.data);
        break;
    case TH_TIR_CALL_BUILTIN: th_buf_printf(p->out, " %.*s", (int)n->text.len, n->text.data); break;
    case TH_TIR_GLOBAL:
    case TH_TIR_GLOBAL_SET:
        if (n->index < p->program->nglobals) name = p->program->globals[n->index].name;
        th_buf_printf(p->out, " %.*s", (int)name.len, name.data);
        break;
    case TH_TIR_FIELD:
    case TH_TIR_FIELD_SET:
    case TH_TIR_VARIANT:
    case TH_TIR_VARIANT_GET: th_buf_printf(p->out, " %u", n->index); break;
    case TH_TIR_TRAP: th_buf_printf(p->out, " '%s'", th_status_text((th_status)n->index)); break;
    case TH_TIR_LET:
    case TH_TIR_SET:
    case TH_TIR_FOR_RANGE:
    case TH_TIR_TRY:
        th_buf_char(p->out, ' ');
        if (n->local) local_name(p, n->local);
        break;
    default: break;
    }
    for (uint32_t i = 0; i < n->nlocals; i++) {
        th_buf_text(p->out, i ? " " : " [");
        local_name(p, n->locals[i]);
    }
    if (n->nlocals) th_buf_char(p->out, ']');
}

static bool on_own_lines(const th_tir *n) {
    switch (n->kind) {
    case TH_TIR_BLOCK:
    case TH_TIR_IF:
    case TH_TIR_WHILE:
    case TH_TIR_FOR_RANGE:
    case TH_TIR_SWITCH:
    case TH_TIR_TRY: return true;
    default: return false;
    }
}

static bool shows_type(const th_tir *n) {
    switch (n->kind) {
    case TH_TIR_UNARY:
    case TH_TIR_BINARY:
    case TH_TIR_IF:
    case TH_TIR_CALL:
    case TH_TIR_CALL_CLOSURE:
    case TH_TIR_CALL_BUILTIN:
    case TH_TIR_STRUCT:
    case TH_TIR_LIST:
    case TH_TIR_DICT:
    case TH_TIR_SOME:
    case TH_TIR_NULL:
    case TH_TIR_UNWRAP:
    case TH_TIR_VARIANT:
    case TH_TIR_VARIANT_GET:
    case TH_TIR_CONVERT:
    case TH_TIR_CLOSURE:
    case TH_TIR_TRY:
    case TH_TIR_SWITCH: return true;
    default: return false;
    }
}

static void print_node(printer *p, const th_tir *n) {
    if (!n) {
        th_buf_text(p->out, "-");
        return;
    }
    if (n->kind == TH_TIR_INT || n->kind == TH_TIR_FLOAT || n->kind == TH_TIR_STRING || n->kind == TH_TIR_LOCAL) {
        print_scalar(p, n);
        return;
    }
    bool op = n->kind == TH_TIR_UNARY || n->kind == TH_TIR_BINARY;
    th_buf_printf(p->out, "(%s", op ? op_names[n->op] : kind_names[n->kind]);
    if (shows_type(n) && n->type != TH_TYPE_VOID) {
        th_buf_char(p->out, ':');
        th_type_print(p->types, n->type, p->out);
    }
    print_details(p, n);
    p->depth++;
    for (uint32_t i = 0; i < n->nkids; i++) {
        if (on_own_lines(n))
            newline(p);
        else
            th_buf_char(p->out, ' ');
        print_node(p, n->kids[i]);
    }
    p->depth--;
    th_buf_char(p->out, ')');
}

static void print_function(printer *p, const th_tir_function *f) {
    th_buf_printf(p->out, "function %.*s", (int)f->name.len, f->name.data);
    for (uint32_t i = 0; i < f->nparams + f->ncaptures && i < f->nlocals; i++) {
        th_buf_text(p->out, i == f->nparams ? " | " : " ");
        local_name(p, f->locals[i]);
        th_buf_char(p->out, ':');
        th_type_print(p->types, f->locals[i]->type, p->out);
    }
    th_buf_text(p->out, " -> ");
    th_type_print(p->types, th_types_result(p->types, f->type), p->out);
    if (f->export_name.len) th_buf_printf(p->out, " export %.*s", (int)f->export_name.len, f->export_name.data);
    if (f->export_alias.len) th_buf_printf(p->out, " %.*s", (int)f->export_alias.len, f->export_alias.data);
    p->depth = 1;
    newline(p);
    print_node(p, f->body);
    th_buf_char(p->out, '\n');
}

void th_tir_print(const th_tir_program *program, th_buf *out) {
    printer p = {program, th_builder_types(program->builder), out, 0};
    for (uint32_t i = 0; i < program->nglobals; i++) {
        th_buf_printf(out, "global %.*s: ", (int)program->globals[i].name.len, program->globals[i].name.data);
        th_type_print(p.types, program->globals[i].type, out);
        th_buf_char(out, '\n');
    }
    for (uint32_t i = 0; i < program->nfunctions; i++) print_function(&p, program->functions[i]);
}
