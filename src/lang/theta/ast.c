/*
** ast.c - printing and copying of syntax trees. Recursive: the parser bounds the depth to TH_AST_MAX_DEPTH.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/ast.h"

const char *th_ast_kind_text(th_ast_kind kind) {
    static const char *const names[] = {
        [TH_AST_FILE] = "file",
        [TH_AST_LINK] = "link",
        [TH_AST_CAPSULE] = "capsule",
        [TH_AST_BINDING] = "binding",
        [TH_AST_PATTERN_BINDING] = "pattern-binding",
        [TH_AST_VARIABLE] = "variable",
        [TH_AST_FUNCTION] = "function",
        [TH_AST_STRUCT] = "struct",
        [TH_AST_ENUM] = "enum",
        [TH_AST_FIELD] = "field",
        [TH_AST_TYPE] = "type",
        [TH_AST_LAMBDA] = "lambda",
        [TH_AST_PARAMS] = "params",
        [TH_AST_PARAM] = "param",
        [TH_AST_BLOCK] = "block",
        [TH_AST_ASSIGN] = "assign",
        [TH_AST_INCREMENT] = "increment",
        [TH_AST_WHILE] = "while",
        [TH_AST_FOR] = "for",
        [TH_AST_FOR_IN] = "for-in",
        [TH_AST_BREAK] = "break",
        [TH_AST_CONTINUE] = "continue",
        [TH_AST_RETURN] = "return",
        [TH_AST_TRY] = "try",
        [TH_AST_THROW] = "throw",
        [TH_AST_NAME] = "name",
        [TH_AST_INT] = "int",
        [TH_AST_FLOAT] = "float",
        [TH_AST_STRING] = "string",
        [TH_AST_INTERPOLATION] = "interpolation",
        [TH_AST_SYMBOL] = "symbol",
        [TH_AST_TRUE] = "true",
        [TH_AST_FALSE] = "false",
        [TH_AST_NULL] = "null",
        [TH_AST_UNARY] = "unary",
        [TH_AST_BINARY] = "binary",
        [TH_AST_PIPE] = "pipe",
        [TH_AST_CALL] = "call",
        [TH_AST_NAMED] = "named",
        [TH_AST_INDEX] = "index",
        [TH_AST_MEMBER] = "member",
        [TH_AST_IF] = "if",
        [TH_AST_MATCH] = "match",
        [TH_AST_CASE] = "case",
        [TH_AST_LIST] = "list",
        [TH_AST_DICT] = "dict",
        [TH_AST_PAIR] = "pair",
        [TH_AST_TUPLE] = "tuple",
        [TH_AST_STRUCT_LITERAL] = "struct-literal",
        [TH_AST_RANGE] = "range",
        [TH_AST_WILDCARD] = "wildcard",
        [TH_AST_BIND] = "bind",
        [TH_AST_LITERAL_PATTERN] = "literal-pattern",
        [TH_AST_LIST_PATTERN] = "list-pattern",
        [TH_AST_REST] = "rest",
        [TH_AST_TUPLE_PATTERN] = "tuple-pattern",
        [TH_AST_FIELDS_PATTERN] = "fields-pattern",
        [TH_AST_FIELD_PATTERN] = "field-pattern",
        [TH_AST_OR_PATTERN] = "or-pattern",
        [TH_AST_ERROR] = "error",
    };
    return (size_t)kind < TH_COUNT(names) && names[kind] ? names[kind] : "?";
}

static void print_string(th_view text, th_buf *out) {
    th_buf_char(out, '\'');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (c == '\'' || c == '\\')
            th_buf_printf(out, "\\%c", c);
        else if (c == '\n')
            th_buf_text(out, "\\n");
        else if (c == '\t')
            th_buf_text(out, "\\t");
        else if (c == '\r')
            th_buf_text(out, "\\r");
        else if (c == '$' && i + 1 < text.len && text.data[i + 1] == '{')
            th_buf_text(out, "\\$");
        else if ((uint8_t)c < 0x20 || c == 0x7f)
            th_buf_printf(out, "\\x%02x", (unsigned)(uint8_t)c);
        else
            th_buf_char(out, c);
    }
    th_buf_char(out, '\'');
}

/* As in the source: Dict<List<i64>?> */
static void print_type(const th_ast *type, th_buf *out) {
    if (type->kind != TH_AST_TYPE) {
        th_ast_print(type, out);
        return;
    }
    th_buf_put(out, type->text.data, type->text.len);
    for (uint32_t i = 0; i < type->nkids; i++) {
        th_buf_char(out, i ? ',' : '<');
        print_type(type->kids[i], out);
    }
    if (type->nkids) th_buf_char(out, '>');
    if (type->flags & TH_AST_OPTIONAL) th_buf_char(out, '?');
}

static bool print_atom(const th_ast *ast, th_buf *out) {
    switch (ast->kind) {
    case TH_AST_NAME:
    case TH_AST_INT:
    case TH_AST_FLOAT: th_buf_put(out, ast->text.data, ast->text.len); return true;
    case TH_AST_STRING: print_string(ast->text, out); return true;
    case TH_AST_SYMBOL:
        th_buf_char(out, ':');
        th_buf_put(out, ast->text.data, ast->text.len);
        return true;
    case TH_AST_TRUE: th_buf_text(out, "true"); return true;
    case TH_AST_FALSE: th_buf_text(out, "false"); return true;
    case TH_AST_NULL: th_buf_text(out, "null"); return true;
    case TH_AST_WILDCARD: th_buf_char(out, '_'); return true;
    case TH_AST_TYPE: print_type(ast, out); return true;
    default: return false;
    }
}

/* The word after the opening parenthesis. */
static void print_head(const th_ast *ast, th_buf *out) {
    switch (ast->kind) {
    case TH_AST_UNARY:
    case TH_AST_BINARY: th_buf_text(out, th_token_text((th_token_kind)ast->op)); break;
    case TH_AST_PIPE: th_buf_text(out, "=>"); break;
    case TH_AST_RANGE: th_buf_text(out, ".."); break;
    case TH_AST_MEMBER: th_buf_text(out, ast->flags & TH_AST_OPTIONAL ? "?." : "."); break;
    case TH_AST_NAMED:
    case TH_AST_FIELD_PATTERN: th_buf_char(out, ':'); break;
    case TH_AST_REST: th_buf_text(out, "..."); break;
    case TH_AST_OR_PATTERN: th_buf_char(out, '|'); break;
    case TH_AST_ASSIGN:
    case TH_AST_INCREMENT: th_buf_text(out, th_token_text((th_token_kind)ast->op)); break;
    default: th_buf_text(out, th_ast_kind_text((th_ast_kind)ast->kind)); break;
    }
    if (ast->flags & TH_AST_C_FORM) th_buf_text(out, " c-form");
}

static void print_text(const th_ast *ast, th_buf *out) {
    if (ast->text.len == 0) return;
    th_buf_char(out, ' ');
    th_buf_put(out, ast->text.data, ast->text.len);
}

void th_ast_print(const th_ast *ast, th_buf *out) {
    if (!ast) {
        th_buf_text(out, "()");
        return;
    }
    if (print_atom(ast, out)) return;
    bool text_last = ast->kind == TH_AST_MEMBER; /* (. subject name) */
    th_buf_char(out, '(');
    print_head(ast, out);
    if (!text_last) print_text(ast, out);
    for (uint32_t i = 0; i < ast->nkids; i++) {
        th_buf_char(out, ' ');
        th_ast_print(ast->kids[i], out);
    }
    if (text_last) print_text(ast, out);
    th_buf_char(out, ')');
}

th_ast *th_ast_clone(th_arena *arena, const th_ast *ast) {
    th_ast *copy = th_arena_copy(arena, ast, sizeof *ast);
    if (!copy || ast->nkids == 0) return copy;
    copy->kids = th_arena_new(arena, ast->nkids * sizeof *copy->kids);
    if (!copy->kids) return NULL;
    for (uint32_t i = 0; i < ast->nkids; i++) {
        copy->kids[i] = ast->kids[i] ? th_ast_clone(arena, ast->kids[i]) : NULL;
        if (ast->kids[i] && !copy->kids[i]) return NULL;
    }
    return copy;
}
