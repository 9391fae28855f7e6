/*
** builtin_value.c - builtins as function values without a program that imports them (builtin_value.h).
** SPDX-License-Identifier: Apache-2.0
*/
#include "machine/builtin_value.h"

#include "machine/machine_int.h"

/* The concrete type of a builtin over values, in the machine's types; E_ARGUMENT for any other. */
static th_status value_type(th_machine *m, const th_signature *s, th_type_id *out) {
    enum { MOST = 16 };
    th_type_id params[MOST];
    if (s->nparams == 0 || s->nparams > MOST || s->result != TH_TYPE_VALUE) return TH_E_ARGUMENT;
    for (uint32_t i = 0; i < s->nparams; i++) {
        if (s->params[i] != TH_TYPE_VALUE) return TH_E_ARGUMENT;
        params[i] = TH_TYPE_VALUE;
    }
    return th_types_function(&m->types, params, s->nparams, TH_TYPE_VALUE, out);
}

th_status th_builtin_value_new(th_machine *m, size_t index, th_value *out) {
    enum { CAPABILITIES = TH_BUILTIN_FS | TH_BUILTIN_NET | TH_BUILTIN_CLOCK };
    const th_engine *engine = th_machine_engine(m);
    const th_signature *signature = th_engine_signature(engine, index);
    th_type_id type;
    TH_TRY(value_type(m, signature, &type));
    TH_TRY(th_mem_grow(&m->mem, (void **)&m->builtin_values, &m->builtin_values_capacity, m->nbuiltin_values + 1,
                       sizeof *m->builtin_values));
    th_binding *binding = th_arena_zeroed(&m->statics, sizeof *binding);
    char *block = th_arena_new(&m->statics, 32);
    if (!binding || !block) return TH_E_NOMEM;
    uint64_t *object = (uint64_t *)(void *)(((uintptr_t)block + 15) & ~(uintptr_t)15);
    binding->builtin = th_engine_builtin(engine, index);
    binding->type = type;
    binding->nargs = signature->nparams;
    binding->special = (binding->builtin->flags & TH_BUILTIN_STATEFUL) != 0;
    for (uint32_t c = 1; c <= CAPABILITIES; c <<= 1)
        if ((binding->builtin->flags & CAPABILITIES & c) && !th_machine_allows(m, c)) binding->special = true;
    binding->slow = binding->values = true;
    binding->number = (uint32_t)m->nbuiltin_values;
    (void)th_engine_match(engine, th_view_of(binding->builtin->name), &m->types, type, &binding->user);
    object[0] = TH_HEADER(TH_OBJ_BUILTIN, TH_FLAG_STATIC, binding->number);
    object[1] = 0;
    *out = th_of_object(object);
    m->builtin_values[m->nbuiltin_values++] = (th_function_value){binding, *out};
    return TH_OK;
}

const th_builtin *th_builtin_of_value(const th_machine *m, th_value fn) {
    for (fn = th_deref(fn); th_is_kind(fn, TH_OBJ_PARTIAL); fn = th_deref(th_obj(fn)[1])) {}
    if (!th_is_kind(fn, TH_OBJ_BUILTIN)) return NULL;
    size_t number = (size_t)th_header_size(*th_obj(fn));
    return number < m->nbuiltin_values ? m->builtin_values[number].binding->builtin : NULL;
}
