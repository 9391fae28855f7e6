/*
** random_program.h - valid programs made from a seed, for property tests: what the verifier accepts must run without
** harm, the same on every back end, and survive a round trip through text.
** Compiled into a test by including random_program.c.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_RANDOM_PROGRAM_H
#define TH_RANDOM_PROGRAM_H

#include "program/program.h"

/* Writes the program of a seed; the same seed gives the same bytes. `size` is about the number of statements per
** function (20 is a good start). It exports `main: Function<i64>`; has neither imports nor a start function. Loops count,
** calls go from lower functions to higher ones, so that runs end, though perhaps not soon: give fuel. Runs may end in a
** trap. Free the bytes with th_mem_free(mem, *bytes, *len). */
th_status th_random_program(th_mem *mem, uint64_t seed, uint32_t size, uint8_t **bytes, size_t *len) TH_CHECKED;

/* Likewise, with instructions over values: thunks, function values, arrays, records, arithmetic. The program has one import,
** TH_RANDOM_BINARY: Function<value, value, value>, for what its arithmetic is not quick at. Thunks and function values may meet
** themselves, so that a run may need more fuel than there is. */
th_status th_random_value_program(th_mem *mem, uint64_t seed, uint32_t size, uint8_t **bytes, size_t *len) TH_CHECKED;
#define TH_RANDOM_BINARY "Test.binary"

#endif
