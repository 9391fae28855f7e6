/*
** api_int.h - what the files of the api room share: the structures behind the handles of theta.h.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_API_INT_H
#define TH_API_INT_H

#include "theta.h"

#include "flow/flow.h"
#include "lang/theta/lang.h"
#include "machine/machine.h"
#include "table/table.h"

typedef struct th_host { /* a registered host function; lives as long as the engine */
    const char *name;    /* as the host calls it; the builtin's may have a prefix */
    theta_host_fn call;
    void *user;
    bool may_suspend;
    th_builtin builtin;
} th_host;

struct theta_engine {
    th_mem mem;
    th_arena arena; /* of registrations */
    th_engine *engine;
};

struct theta_program {
    _Atomic uint32_t refs;
    theta_engine *engine;
    th_program *program; /* shared */
};

struct theta_machine {
    theta_engine *engine;
    th_machine *machine;
    th_unit **units; /* in order of adding */
    size_t nunits, units_capacity;
    theta_write_fn write;
    void *write_user;
    struct th_api_nix *nix; /* dynamic.h; NULL: not asked for */
};

struct theta_call_frame {
    theta_machine *machine;
    th_call *call;
    th_step step; /* what theta_frame_force asks for */
};

_Static_assert(sizeof(theta_error) == sizeof(th_error), "theta_error and th_error have one layout");

/* Internal errors and statuses have the numbers of the public ones (status.def is the list of both). */
void th_api_error(theta_error *out, const th_error *err);
theta_status th_api_fail(theta_error *out, th_status code, const char *format, ...) TH_PRINTF(3, 4);
/* Gives a buffer's bytes away as a text; the buffer is empty afterwards, also on failure. */
theta_status th_api_text(th_buf *buf, theta_text *out);

/* api/engine.c: how the host calls a function that it registered; another builtin's name as it is */
const char *th_api_host_name(const th_builtin *builtin);

/* api/value.c: the word of a value now (held ones move), and a value as an argument of type `type`. */
uint64_t th_api_word(const theta_machine *machine, theta_value value);
theta_status th_api_convert(theta_machine *machine, theta_value value, th_type_id type, uint64_t *word,
                            theta_error *err, const char *what);

/* api/program.c */
theta_status th_api_program_of(theta_engine *engine, const void *bytes, size_t len, theta_program **out,
                               theta_error *err);
void th_api_theta_options(theta_engine *engine, bool read_files, th_theta_options *out);

/* api/session.c: registered with every engine, so that a session's programs and saved states can be loaded */
extern const th_builtin th_api_session_get;

/* api/files.c: what the compiler needs to read */
typedef struct th_files {
    th_arena arena;
    th_mem *mem;
} th_files;
th_status th_files_link(void *files, th_view name, const char *from_file, const char **path, const char **text,
                        size_t *len);
th_status th_files_schema(void *files, const char *path, const th_csv_options *csv, th_schema **out, th_error *err);
th_status th_files_read(th_arena *arena, const char *path, const char **text, size_t *len, th_error *err);

#endif
