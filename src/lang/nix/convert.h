/*
** convert.h - what the files of the library of Nix that turn values into text and back share, and the paths of the
** store. The readers and the hashing know no machine: they are given a heap, a budget, and how to charge for work.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_NIX_CONVERT_H
#define TH_NIX_CONVERT_H

#include "lang/nix/builtin.h"

/* ---- Reading ------------------------------------------------------------------------------------------------ */

/* How a long job asks whether it may go on. `charge` NULL: always. False: stop with E_FUEL; the caller knows why. */
typedef struct nix_work {
    th_mem *mem;   /* borrowed */
    th_heap *heap; /* borrowed; NULL where no values are made */
    bool (*charge)(void *user, int64_t units);
    void *user;
} nix_work;
static inline bool nix_work_charge(const nix_work *work, int64_t units) {
    return !work->charge || work->charge(work->user, units);
}
nix_work nix_work_of(th_machine *m); /* charges the machine */
/* After a job with nix_work_of failed: a trap is recorded, its own or this error. */
th_step nix_work_failed(th_machine *m, th_status status, const th_error *err);

/* Strict JSON (RFC 8259), any depth. Whole numbers beyond 64 bits become floats. */
th_status nix_json_parse(const nix_work *work, th_view text, th_value *out, th_error *err) TH_CHECKED;
/* TOML 1.0, any depth. */
th_status nix_toml_parse(const nix_work *work, th_view text, th_value *out, th_error *err) TH_CHECKED;

/* A string of JSON with its quotes. False: not UTF-8, *bad is the offset of the first byte that is wrong. */
bool nix_json_string(th_view text, th_buf *out, size_t *bad);
void nix_json_float(double x, th_buf *out); /* null for what JSON has no number for */

/* ---- The output of a walk that may be suspended ------------------------------------------------------------- */

/* Two slots of a builtin, of classes 'v' and 'i': the bytes so far, and how many. Each entry writes to a buffer of its
** own; before it returns for something else, the buffer is added to the slots. */
void nix_output_start(th_call *call, size_t slot);
bool nix_output_keep(th_machine *m, th_call *call, size_t slot, th_buf *buf) TH_CHECKED; /* empties the buffer */
bool nix_output_text(th_machine *m, th_call *call, size_t slot, th_buf *buf, th_value context,
                     th_value *out) TH_CHECKED;

/* ---- The store: pure parts ---------------------------------------------------------------------------------- */

/* Store paths are handled by their last component, "HASH-NAME". */
enum { NIX_STORE_HASH = 32, NIX_STORE_NAME_MAX = 211 };
th_status nix_store_check_name(th_view name, th_error *err) TH_CHECKED;
bool nix_store_is_base(th_view base); /* 32 digits, a dash, a good name */
/* HASH-NAME of what `type` and `hash` describe ("source", "output:out", "text:REF:REF" ...); the name is checked. */
th_status nix_store_make(th_view store_dir, th_view type, nix_hash algo, const uint8_t *hash, th_view name, th_buf *out,
                         th_error *err) TH_CHECKED;
/* Of contents with a known hash; `nar`: of the archive, else of the flat file. */
th_status nix_store_fixed(th_view store_dir, bool nar, nix_hash algo, const uint8_t *hash, th_view name, th_buf *out,
                          th_error *err) TH_CHECKED;
/* Of a text. The references are bases, sorted and unique. */
th_status nix_store_text(th_view store_dir, th_view text, const th_view *refs, size_t nrefs, th_view name, th_buf *out,
                         th_error *err) TH_CHECKED;
/* "/HASH": stands for the path of an output that is not known before it is built. */
void nix_store_placeholder(th_view output, th_buf *out);
void nix_store_downstream(th_view drv_base, th_view output, th_buf *out);

/* The SHA-256 of a file or folder: of its archive, or (`nar` false) of a regular file's bytes. `keep` (may be NULL):
** whether what is found below the root belongs to it. Symbolic links are kept as such, also at the root. */
typedef struct nix_tree_filter {
    bool (*keep)(void *user, th_view path);
    void *user;
} nix_tree_filter;
th_status nix_store_hash_tree(const nix_work *work, const char *path, bool nar, const nix_tree_filter *filter,
                              uint8_t out[64], th_error *err) TH_CHECKED;

/* The names in a folder, sorted; th_mem_free each (length + 1) by nix_names_free. */
typedef struct nix_names {
    char **names;
    size_t n, capacity;
} nix_names;
th_status nix_names_read(const nix_work *work, const char *path, nix_names *out, th_error *err) TH_CHECKED;
void nix_names_free(th_mem *mem, nix_names *names);
const char *nix_file_type(const char *path); /* "regular", "directory", "symlink", "unknown"; NULL: not there (errno) */

/* ---- The store of an evaluation ----------------------------------------------------------------------------- */

/* What was made here: texts, sources, derivations. Nothing is written anywhere; this is what is known of it. */
typedef enum nix_drv_kind {
    NIX_DRV_NONE,    /* a text or a source */
    NIX_DRV_INPUT,   /* addressed by its inputs: `hash` stands for it in others */
    NIX_DRV_FIXED,   /* its one output is known by contents: `hash` stands for that output */
    NIX_DRV_DEFERRED /* what it makes is known only once it is built */
} nix_drv_kind;
typedef struct nix_known {
    const char *base; /* HASH-NAME */
    size_t len;
    nix_drv_kind kind;
    uint8_t hash[32];
    const char *const *refs; /* bases */
    size_t nrefs;
    const char *const *outputs; /* names, sorted */
    size_t noutputs;
} nix_known;
const nix_known *nix_known_find(th_machine *m, th_view base);         /* NULL: not made here */
bool nix_known_add(th_machine *m, const nix_known *known) TH_CHECKED; /* copies; the first one of a base stays */

/* Texts of store paths. */
bool nix_store_text_of(th_machine *m, th_view base, th_value context, th_value *out) TH_CHECKED; /* "DIR/HASH-NAME" */
/* An array of the one element. */
bool nix_context_of(th_machine *m, const char *mark /* "", "=", "!out!" */, th_view base, th_value *out) TH_CHECKED;
/* The store path that the file or folder would have; remembered for the evaluation. */
bool nix_store_copy(th_machine *m, th_view path, th_value *out) TH_CHECKED;
bool nix_may_read(th_machine *m, th_view path) TH_CHECKED; /* by the settings; else a trap is recorded */

/* Tables of the files that share nix_lib_convert and nix_lib_drv. */
th_step nix_to_json(th_machine *m, th_call *call);
th_step nix_to_xml(th_machine *m, th_call *call);
th_step nix_derivation(th_machine *m, th_call *call);
th_step nix_derivation_strict(th_machine *m, th_call *call);

#endif
