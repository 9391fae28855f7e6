/*
** snapshot_restore.h - a saved state while it is checked (snapshot_check.c) and then built (snapshot_restore.c). Private to
** these two.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_SNAPSHOT_RESTORE_H
#define TH_SNAPSHOT_RESTORE_H

#include "machine/snapshot.h"
#include "state_flat.h"

typedef struct th_frame { /* a context of the file */
    th_context_kind kind;
    const th_fn *fn;           /* CODE */
    const th_binding *binding; /* BUILTIN, HOST */
    uint32_t pc, base, closure, state;
    const theta_state_Word *slots; /* NULL: zeros */
} th_frame;

typedef struct th_restorer {
    th_machine *m;
    th_mem *mem;
    th_arena arena; /* of what lives as long as the restoring */
    th_error *err;
    th_flat_table root;
    size_t len;
    th_type_id *types; /* the file's to the machine's */
    uint32_t ntypes;
    /* objects */
    const theta_values_Object *objects;
    uint32_t nobjects;
    const uint64_t *words;
    const uint8_t *bytes;
    th_flat_vector classes;
    th_type_id *object_types; /* the machine's */
    uint32_t *references;     /* how many places refer to each */
    void **built;
    /* contexts */
    th_frame *frames;
    th_place *places; /* one more than frames */
    uint32_t nframes;
    const theta_state_Word *stack;
    uint32_t nstack;
} th_restorer;

/* Loads the programs and checks everything else against them; when it is TH_OK, all of the file can be taken as it is. */
th_status th_restore_check(th_restorer *r) TH_CHECKED;

th_status th_restore_refuse(th_restorer *r, const char *format, ...) TH_PRINTF(2, 3); /* E_FORMAT */
th_status th_restore_no_memory(th_restorer *r);
void *th_restore_array(th_restorer *r, size_t count, size_t bytes); /* zeroed; NULL: no memory */
/* The type of a slot of a record that was checked; of a variant once its words[0] was. */
th_type_id th_restore_slot_type(const th_restorer *r, th_type_id type, const uint64_t *words, size_t slot);
const th_native_class *th_restore_class(const th_restorer *r,
                                        const theta_values_Object *object); /* NULL: not registered */
/* How many registers of a CODE context are its own: from the window above it on they are that one's. */
uint32_t th_restore_nregs(const th_restorer *r, uint32_t context);

static inline const th_type *type_at(const th_restorer *r, th_type_id id) { return th_types_get(&r->m->types, id); }
static inline th_view binding_name(th_flat_table t) {
    const th_str *name = theta_state_Binding_name(t);
    return name ? th_view_str(name) : (th_view){"", 0};
}

#endif
