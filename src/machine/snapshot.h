/*
** snapshot.h - what saving and restoring a machine share: what a context's registers hold, and which builtins can go on
** where they were. Private to the machine room; the promise is in machine.h, the file in schema/state.fbs.
**
** A file may be hostile. What makes a restored machine as safe as one that got there by itself:
**   S1  Programs are loaded and verified as any program is.
**   S2  Every context stands where the verifier has followed its function, each register that it says holds something
**       holds a value of that type, and each context was called by the instruction that the one below it waits at.
**   S3  Every object has the parts that its type asks for, each of the type it asks for; types are compared, not trusted.
**   S4  A builtin that was under way goes on from its state only where that state can be checked, here or by itself
**       (TH_BUILTIN_CHECKS); else it starts again. Of the latter kind the slots are of their classes, natives in them are
**       referred to by nobody else, and what it has called gives the type that its slot of class t says.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_SNAPSHOT_H
#define TH_SNAPSHOT_H

#include "machine/machine_int.h"

#define TH_STATE_MAJOR 1
#define TH_STATE_MINOR 1

/* An instruction and what the verifier knows before it: types of registers in the program's ids. */
typedef struct th_place {
    const th_fn *fn; /* NULL: none */
    uint32_t pc;
    uint32_t depth; /* regions open */
    const th_type_id *types;
} th_place;

/* Fills in depth and types of all places that have a function, looking at each function once; in the arena. E_FORMAT when
** one is no instruction, or one that is never reached. */
th_status th_places_resolve(th_mem *mem, th_arena *arena, th_place *places, size_t count, th_error *err) TH_CHECKED;

/* Whether a function that gives `from` may return to where `to` is expected; both may be void. */
bool th_result_fits(const th_types *types, th_type_id from, th_type_id to);

/* What the window of a builtin's callee is above its own. */
static inline uint32_t th_binding_delta(const th_binding *binding) {
    return 2 + binding->nargs + binding->builtin->nslots;
}
/* What closures give that this builtin calls; TH_TYPE_UNDEFINED when its signature does not tell. */
th_type_id th_binding_callback(const th_types *types, const th_binding *binding);

/* The slot of class t; nslots: there is none. */
uint32_t th_builtin_type_slot(const th_builtin *builtin);

/* How a stateful builtin in `state`, with or without a callee above it, is saved and restored (S4). */
typedef enum th_resume {
    TH_RESUME_START,   /* as it was when it was called */
    TH_RESUME_STATE,   /* at its state; it has no slots */
    TH_RESUME_CHECKED, /* at its state, its slots checked by name */
    TH_RESUME_SELF,    /* at its state, its slots checked by itself */
    TH_RESUME_NOT,     /* not where it is: saving rewinds it to its start */
} th_resume;
th_resume th_binding_resume(const th_types *types, const th_binding *binding, uint32_t state, bool called);

/* Whether objects of the type are natives of this class. */
bool th_native_fits(const th_types *types, th_type_id type, th_view cls);

/* The state of List.sort_by, which is checked when it is restored; see lib_list.c. */
enum { TH_SORT_A, TH_SORT_B, TH_SORT_WIDTH, TH_SORT_LO, TH_SORT_I, TH_SORT_J, TH_SORT_K, TH_SORT_SLOTS };
enum { TH_SORT_ORDERED = 2, TH_SORT_MERGED = 3 };

#endif
