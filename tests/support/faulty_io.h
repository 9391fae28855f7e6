/*
** faulty_io.h - the system calls of input and output for tests: the n-th one of a kind fails, each moves few bytes, or a
** signal comes between. They stand in for the C library's, so that every file that is written or read is reached, whoever
** does it. A test includes faulty_io.c; loaded before the command (LD_PRELOAD) it obeys the variable FAULTY_IO.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef FAULTY_IO_H
#define FAULTY_IO_H

#include <stdbool.h>
#include <stddef.h>

/* Standard error is left alone. Changes are write, fsync, rename, and the close of a descriptor that was written. */
typedef struct faulty_io {
    long fail_change, fail_read; /* that one fails, and all of its kind after it; from 1; 0: none */
    int error;                   /* with this errno */
    size_t most;                 /* bytes that a write or a read moves; 0: all */
    bool interrupted;            /* every second write and read is: EINTR */
    long changes, reads;         /* so far; kept while `on` */
    bool on;
} faulty_io;

extern faulty_io faulty_calls;

#endif
