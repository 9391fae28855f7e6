/*
** codegen.c - th_theta_generate: from a typed tree to the bytes of a program.
** Relies on the other parts (see codegen.h) and on the builder; here a function goes through all of them, is given
** frame objects for the locals that found no register, and is written out.
** SPDX-License-Identifier: Apache-2.0
*/
#include "lang/theta/codegen.h"

#include <stdio.h>
#include <stdlib.h>

#define SPILL_ROUNDS 8
#define FRAME_FIELDS 32 /* locals in one frame object: it is made of as many consecutive registers */

void th_gen_fail(th_gen *g, th_status status) {
    if (g->status != TH_OK) return;
    g->status = th_fail(g->err, status, "%s", th_status_text(status));
}

void th_gen_limit(th_gen *g, th_span span, const char *format, ...) {
    if (g->status != TH_OK) return;
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const th_source *source = g->fn != NULL ? g->fn->tir->source : NULL;
    g->status = th_fail_at(g->err, TH_E_LIMIT, source ? source->name : "", span, "%s", message);
}

/* ---- Writing instructions ----------------------------------------------------------------------------------- */

static uint32_t real(const th_gen *g, uint32_t v) { return g->vregs[v].real == TH_GEN_NONE ? 0 : g->vregs[v].real; }

static bool is_register(uint8_t operand) { return operand >= TH_OPERAND_R_INT && operand <= TH_OPERAND_RW_ANY; }

static uint32_t field(const th_gen *g, uint8_t operand, uint32_t value) {
    return is_register(operand) ? real(g, value) : value;
}

static uint32_t group_base(const th_gen *g, const th_gen_group *group) {
    if (group->count == 0) return group->window ? group->base : 0;
    return group->count == 1 && !group->window ? real(g, group->slots[0]) : group->base;
}

static th_label out_label(th_fn_builder *f, th_gen_label *label) {
    if (label->out.id == UINT32_MAX) label->out = th_fn_label(f);
    return label->out;
}

static void write_call(th_gen *g, th_fn_builder *f, const th_gen_ins *ins) {
    uint32_t base = ins->group->base;
    if (ins->op == TH_OP_CALLC)
        th_fn_abc(f, TH_OP_CALLC, base, real(g, ins->b), 0);
    else
        th_fn_ai(f, (th_op)ins->op, base, (int32_t)ins->b);
    if (ins->def != TH_GEN_NONE && real(g, ins->def) != base + 1)
        th_fn_abc(f, TH_OP_MOV, real(g, ins->def), base + 1, 0);
}

static int by_value(const void *a, const void *b) { return *(const uint8_t *)a - *(const uint8_t *)b; }

static void write_region(th_gen *g, th_fn_builder *f, const th_gen_ins *ins) {
    uint8_t regs[256];
    uint32_t count = 0;
    for (uint32_t i = 0; i < ins->nkeep && count < 256; i++) regs[count++] = (uint8_t)real(g, ins->keep[i]);
    qsort(regs, count, 1, by_value);
    th_fn_ai(f, (th_op)ins->op, 0, (int32_t)th_fn_keep(f, regs, count));
}

static void write_switch(th_gen *g, th_fn_builder *f, const th_gen_ins *ins) {
    th_label *targets = th_arena_new(&g->scratch, (ins->b + 1) * sizeof *targets);
    if (targets == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return;
    }
    for (uint32_t i = 0; i < ins->b; i++) targets[i] = out_label(f, ins->targets[i]);
    th_fn_switch(f, real(g, ins->a), targets, ins->b);
}

static void write_plain(th_gen *g, th_fn_builder *f, const th_gen_ins *ins) {
    const th_op_info *info = &th_ops[ins->op];
    th_op op = (th_op)ins->op;
    uint32_t a = field(g, info->operand[0], ins->a), b = field(g, info->operand[1], ins->b);
    uint32_t c = field(g, info->operand[2], ins->c);
    if (ins->group != NULL) b = group_base(g, ins->group); /* NEW, CLOSURE */
    if (info->format == TH_FORMAT_AI) {
        if (ins->label != NULL)
            th_fn_branch_i(f, op, a, (int32_t)b, out_label(f, ins->label));
        else
            th_fn_ai(f, op, a, (int32_t)b);
    } else if (ins->label != NULL) {
        th_fn_branch(f, op, a, b, c, out_label(f, ins->label));
    } else if (info->word != TH_OPERAND_NO) {
        th_fn_abcw(f, op, a, b, c, ins->word);
    } else {
        th_fn_abc(f, op, a, b, c);
    }
}

static void write_ins(th_gen *g, th_fn_builder *f, const th_gen_ins *ins) {
    if (ins->op == TH_GEN_LABEL) {
        if (ins->label->refs > 0) th_fn_bind(f, out_label(f, ins->label));
        return;
    }
    if (ins->op >= TH_OP_COUNT) return;
    th_fn_span(f, ins->span);
    switch (ins->op) {
    case TH_OP_CALL:
    case TH_OP_CALLB:
    case TH_OP_CALLC: write_call(g, f, ins); return;
    case TH_OP_RLOOP:
    case TH_OP_RLEAVE: write_region(g, f, ins); return;
    case TH_OP_RENTER: th_fn_abc(f, TH_OP_RENTER, 0, 0, 0); return;
    case TH_OP_SWITCH: write_switch(g, f, ins); return;
    case TH_OP_JMP: th_fn_jump(f, out_label(f, ins->label)); return;
    case TH_OP_MOV:
        if (real(g, ins->a) != real(g, ins->b)) th_fn_abc(f, TH_OP_MOV, real(g, ins->a), real(g, ins->b), 0);
        return;
    case TH_OP_LDKW:
        if (ins->word <= UINT16_MAX)
            th_fn_ai(f, TH_OP_LDK, real(g, ins->a), (int32_t)ins->word);
        else
            write_plain(g, f, ins);
        return;
    case TH_OP_LDSW:
        if (ins->word <= UINT16_MAX)
            th_fn_ai(f, TH_OP_LDS, real(g, ins->a), (int32_t)ins->word);
        else
            write_plain(g, f, ins);
        return;
    default: write_plain(g, f, ins); return;
    }
}

/* The class of every register of the frame, windows included. */
static void write_classes(th_gen *g, th_fn_builder *f) {
    uint8_t classes[256] = {TH_CLASS_I64};
    uint32_t top = 2 + g->fn->tir->nparams;
    for (size_t v = 0; v < g->nvregs; v++) {
        const th_gen_vreg *r = &g->vregs[v];
        if (r->real == TH_GEN_NONE) continue;
        classes[r->real] = r->cls;
        if (r->real >= top) top = r->real + 1;
    }
    for (const th_gen_ins *ins = g->first; ins != NULL; ins = ins->next) {
        const th_gen_group *group = ins->op < TH_OP_COUNT ? ins->group : NULL;
        if (group == NULL || !group->window) continue;
        if (group->result != TH_CLASS_NONE) classes[group->base + 1] = group->result;
        if (group->base + 2 + group->count > top) top = group->base + 2 + group->count;
    }
    for (uint32_t r = 2; r < top; r++)
        th_fn_class(f, r, classes[r] == TH_CLASS_NONE ? TH_CLASS_I64 : (th_class)classes[r]);
}

static void write_function(th_gen *g, th_fn_builder *f) {
    for (th_gen_ins *ins = g->first; ins != NULL; ins = ins->next)
        if (ins->op == TH_GEN_LABEL) ins->label->out.id = UINT32_MAX;
    write_classes(g, f);
    for (th_gen_ins *ins = g->first; ins != NULL && g->status == TH_OK; ins = ins->next) write_ins(g, f, ins);
    for (th_gen_try *t = g->tries; t != NULL; t = t->next)
        if (t->target->at->position != 0) /* reached */
            th_fn_handler(f, out_label(f, t->start), out_label(f, t->end), out_label(f, t->target), real(g, t->reg),
                          t->depth);
    th_status status = th_fn_end(f);
    if (status == TH_E_LIMIT)
        th_gen_limit(g, g->fn->tir->span, "the function '%.*s' is too large; split it", (int)g->fn->tir->name.len,
                     g->fn->tir->name.data);
    else if (status != TH_OK)
        th_gen_fail(g, status);
}

/* ---- Locals that find no register --------------------------------------------------------------------------- */

typedef struct candidate {
    uint32_t length;
    uint32_t local;
} candidate;

static int by_length(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->local < y->local ? -1 : x->local > y->local;
}

static bool add_frame(th_gen *g, th_type_id field) {
    uint32_t n = g->nframes + 1;
    uint32_t *frames = th_arena_new(g->arena, n * sizeof *frames), *sizes = th_arena_new(g->arena, n * sizeof *sizes);
    th_type_id *types = th_arena_new(g->arena, n * sizeof *types), *fields = th_arena_new(g->arena, n * sizeof *fields);
    if (frames == NULL || sizes == NULL || types == NULL || fields == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return false;
    }
    if (g->nframes > 0) {
        memcpy(sizes, g->frame_sizes, g->nframes * sizeof *sizes);
        memcpy(fields, g->frame_fields, g->nframes * sizeof *fields);
    }
    sizes[g->nframes] = 0;
    fields[g->nframes] = field;
    g->frames = frames;
    g->frame_sizes = sizes;
    g->frame_types = types;
    g->frame_fields = fields;
    g->nframes = n;
    return true;
}

static void spill(th_gen *g, uint32_t index) {
    th_gen_local *local = &g->fn->locals[index];
    th_type_id type = g->fn->tir->locals[index]->type;
    uint32_t frame = 0;
    while (frame < g->nframes && (g->frame_fields[frame] != type || g->frame_sizes[frame] == FRAME_FIELDS)) frame++;
    if (frame == g->nframes && !add_frame(g, type)) return;
    local->spilled = true;
    local->frame = frame;
    local->slot = g->frame_sizes[frame]++;
}

/* What blank() in codegen_tree.c gives for a field decides its type: an option where a pointer has no value yet. */
static void type_frames(th_gen *g) {
    for (uint32_t f = 0; f < g->nframes; f++) {
        th_type_id field = g->frame_fields[f], members[FRAME_FIELDS];
        th_class cls = th_gen_class(g, field);
        if (th_gen_is_pointer(cls) && cls != TH_CLASS_STRING) field = th_gen_option_of(g, field);
        for (uint32_t i = 0; i < FRAME_FIELDS; i++) members[i] = field;
        th_status status = th_types_add(g->types, TH_KIND_TUPLE, (th_view){0}, members, g->frame_sizes[f], NULL, 0,
                                        &g->frame_types[f]);
        if (status != TH_OK) th_gen_fail(g, status);
    }
}

/* Sends the longer-lived half of the locals to frames. False when there is none left to send. */
static bool spill_some(th_gen *g) {
    candidate *list = th_arena_new(&g->scratch, (g->nvregs + 1) * sizeof *list);
    size_t count = 0;
    if (list == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return false;
    }
    for (size_t v = 0; v < g->nvregs; v++) {
        const th_gen_vreg *r = &g->vregs[v];
        if (r->local == NULL || r->start > r->end) continue;
        const th_gen_local *facts = &g->fn->locals[r->local->index];
        if (facts->spilled || facts->cell || g->fn->tir->locals[r->local->index] != r->local) continue;
        if (r->end - r->start < 8) continue; /* would need as many registers again */
        list[count++] = (candidate){r->end - r->start, r->local->index};
    }
    qsort(list, count, sizeof *list, by_length);
    size_t wanted = count > 120 ? count - 80 : (count + 1) / 2;
    for (size_t i = 0; i < wanted && g->status == TH_OK; i++) {
        th_gen_local *facts = &g->fn->locals[list[i].local];
        if (facts->spilled) continue;
        facts->builder = false;
        spill(g, list[i].local);
    }
    type_frames(g);
    return count > 0;
}

/* ---- A function --------------------------------------------------------------------------------------------- */

static bool start_function(th_gen *g, th_gen_function *fn) {
    th_arena_clear(&g->scratch);
    g->fn = fn;
    g->nvregs = 0;
    g->span = fn->tir->span;
    g->loop = NULL;
    g->tries = NULL;
    g->last_try = &g->tries;
    g->guard = NULL;
    g->regions = g->hoisted = g->inlined = 0;
    g->fn_region = false;
    g->restart = NULL;
    g->first = th_arena_zeroed(&g->scratch, sizeof *g->first);
    g->scope = th_arena_zeroed(&g->scratch, sizeof *g->scope);
    if (g->first == NULL || g->scope == NULL) return false;
    g->first->op = TH_GEN_MARK;
    g->last = g->cursor = g->first;
    g->scope->fn = fn;
    g->scope->places = th_arena_zeroed(&g->scratch, (fn->tir->nlocals + 1) * sizeof *g->scope->places);
    return g->scope->places != NULL;
}

/* From tree to real registers. False: they did not suffice. */
static bool compile_once(th_gen *g, th_gen_function *fn) {
    if (!start_function(g, fn)) {
        th_gen_fail(g, TH_E_NOMEM);
        return true;
    }
    th_gen_body(g);
    if (g->status == TH_OK) th_gen_tidy(g);
    if (g->status == TH_OK) th_gen_live(g);
    return g->status != TH_OK || th_gen_assign(g);
}

static th_type_id *capture_types(th_gen *g, th_gen_function *fn) {
    const th_tir_function *tir = fn->tir;
    th_type_id *types = th_arena_new(&g->scratch, (tir->ncaptures + 1) * sizeof *types);
    if (types == NULL) {
        th_gen_fail(g, TH_E_NOMEM);
        return NULL;
    }
    for (uint32_t i = 0; i < tir->ncaptures; i++) {
        const th_local *local = tir->locals[tir->nparams + i];
        const th_gen_local *facts = &fn->locals[tir->nparams + i];
        types[i] = facts->cell ? th_gen_cell_type(g, local, facts) : local->type;
    }
    return types;
}

static uint32_t source_of(const th_gen *g, const th_tir_function *tir) {
    for (uint32_t i = 0; i < g->program->nsources; i++)
        if (g->program->sources[i] == tir->source) return g->source_index[i] + 1;
    return 0;
}

static void compile_function(th_gen *g, th_gen_function *fn) {
    if (fn->tir->nparams > 240) {
        g->fn = fn;
        th_gen_limit(g, fn->tir->span, "a function with %u parameters: at most 240 are possible", fn->tir->nparams);
        return;
    }
    g->nframes = 0;
    g->hoist_limit = 60;
    bool done = compile_once(g, fn);
    for (int round = 0; !done && g->status == TH_OK; round++) {
        g->hoist_limit = 0;
        if (round == SPILL_ROUNDS || !spill_some(g)) {
            th_gen_limit(g, fn->tir->span, "the function '%.*s' needs too many values at once; split it",
                         (int)fn->tir->name.len, fn->tir->name.data);
            return;
        }
        done = compile_once(g, fn);
    }
    if (g->status != TH_OK) return;
    th_type_id *captures = capture_types(g, fn);
    th_fn_builder *f = NULL;
    if (captures == NULL) return;
    th_status status = th_builder_begin(g->builder, fn->index, captures, fn->tir->ncaptures, source_of(g, fn->tir), &f);
    if (status != TH_OK)
        th_gen_fail(g, status);
    else
        write_function(g, f);
}

/* ---- The program -------------------------------------------------------------------------------------------- */

static th_status declare(th_gen *g) {
    const th_tir_program *p = g->program;
    uint32_t index;
    for (uint32_t i = 0; i < p->nsources; i++) {
        const th_source *source = p->sources[i];
        TH_TRY(th_builder_source(g->builder, th_view_of(source->name), (th_view){source->text, source->len},
                                 &g->source_index[i]));
    }
    for (uint32_t i = 0; i < p->nglobals; i++)
        TH_TRY(th_builder_global(g->builder, p->globals[i].name, p->globals[i].type, &index));
    for (uint32_t i = 0; i < p->nfunctions; i++)
        TH_TRY(
            th_builder_declare(g->builder, p->functions[i]->name, p->functions[i]->type, &g->facts.functions[i].index));
    return TH_OK;
}

static th_status export(th_gen *g) {
    const th_tir_program *p = g->program;
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        const th_tir_function *fn = p->functions[i];
        uint32_t index = g->facts.functions[i].index;
        if (fn->export_name.len > 0) TH_TRY(th_builder_export(g->builder, fn->export_name, index));
        if (fn->export_alias.len > 0) TH_TRY(th_builder_export(g->builder, fn->export_alias, index));
    }
    if (p->start >= 0) TH_TRY(th_builder_start(g->builder, g->facts.functions[p->start].index));
    return TH_OK;
}

static th_status prepare(th_gen *g) {
    const th_tir_program *p = g->program;
    g->facts.functions = th_arena_zeroed(g->arena, (p->nfunctions + 1) * sizeof *g->facts.functions);
    g->facts.global_fixed = th_arena_zeroed(g->arena, p->nglobals + 1);
    g->source_index = th_arena_zeroed(g->arena, (p->nsources + 1) * sizeof *g->source_index);
    if (g->facts.functions == NULL || g->facts.global_fixed == NULL || g->source_index == NULL)
        return th_fail(g->err, TH_E_NOMEM, "out of memory");
    for (uint32_t i = 0; i < p->nfunctions; i++) {
        th_gen_function *fn = &g->facts.functions[i];
        fn->tir = p->functions[i];
        fn->locals = th_arena_zeroed(g->arena, (fn->tir->nlocals + 1) * sizeof *fn->locals);
        if (fn->locals == NULL) return th_fail(g->err, TH_E_NOMEM, "out of memory");
    }
    th_status status = declare(g);
    return status == TH_OK ? TH_OK : th_fail(g->err, status, "%s", th_status_text(status));
}

static void clear(th_gen *g) {
    for (uint32_t i = 0; g->facts.functions != NULL && i < g->program->nfunctions; i++) {
        th_gen_function *fn = &g->facts.functions[i];
        th_mem_free(g->mem, fn->callees, fn->callees_capacity * sizeof *fn->callees);
    }
    th_mem_free(g->mem, g->facts.captures, g->facts.captures_capacity * sizeof *g->facts.captures);
    th_mem_free(g->mem, g->facts.slots, g->facts.capacity * sizeof *g->facts.slots);
    th_mem_free(g->mem, g->vregs, g->vregs_capacity * sizeof *g->vregs);
    th_arena_clear(&g->scratch);
}

th_status th_theta_generate(th_mem *mem, th_arena *arena, const th_tir_program *program, uint8_t **bytes, size_t *len,
                            th_error *err) {
    th_error own = {0};
    th_gen g = {.mem = mem,
                .arena = arena,
                .program = program,
                .builder = program->builder,
                .types = th_builder_types(program->builder),
                .err = err != NULL ? err : &own};
    th_arena_init(&g.scratch, mem);
    g.status = prepare(&g);
    if (g.status == TH_OK) th_gen_learn(&g);
    for (uint32_t i = 0; i < program->nfunctions && g.status == TH_OK; i++) compile_function(&g, &g.facts.functions[i]);
    g.fn = NULL;
    if (g.status == TH_OK) {
        th_status status = export(&g);
        if (status != TH_OK) th_gen_fail(&g, status);
    }
    th_status status = g.status;
    clear(&g);
    return status == TH_OK ? th_builder_finish(program->builder, bytes, len, g.err) : status;
}
