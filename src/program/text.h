/*
** text.h - what the disassembler (dis.c) and the assembler (asm.c) share, and the grammar of the text. Private to this room.
**
**     program  'name'                                     ; comments run from a semicolon to the end of the line
**     type     $12 = List<i64>                            ; `$12 =` may be left out; numbers follow the fixed types
**     type     $13 = struct Trip { city: String, fare: f64, next: Trip? }
**     type     $14 = enum Colour { red, green }
**     type     $15 = opaque File                          ; variable T likewise
**     const    3.14                                       ; constants, strings: only where their order is not that of
**     string   'text'                                     ;   first use
**     global   total: i64
**     import   String.split: Function<String, String, List<String>>
**     source   'trips.theta' 'its text\n' 'goes on'
**     site     name                                       ; places that read a field, likewise
**     shape    {city @3:9-3:13, fare @3:15-3:19} from 'trips.nix' ; names of records; positions, source: where known
**     export   main = Trips.main
**     start    init
**     func Trips.gcd(i64, i64) -> i64 {
**         from 'trips.theta'
**         note 'for the language'
**         captures i64, Cell<i64>
**         regs r4-r6 i64, r7 ptr                          ; r0, r1 and the parameters are known
**         keep {r7}                                       ; keep sets: as constants
**       L1:
**         @3:9-3:20                                       ; source of what follows; `@` alone: unknown
**         jeq.i r3, 0, L2
**         switch r4, [L1, L2]
**         call r4, Trips.gcd
**         rloop {r7}
**         v.sel r8, r9, name                              ; a site of its own
**         v.rset r8, r9, #0:city                          ; a listed shape and a name in it
**         v.rec r8, r9, 2, {a, b}                         ; a shape of its own, or a listed one: #0
**         trap r5, E_INDEX
**         handler L1 to L2 goto L3 with r7 depth 0
**     }
**
** Line ends mean nothing. Operands stand in the order of the table ops.def. i64 constants are whole numbers, f64 ones have
** a point or an exponent (or are inf, nan), f32 ones end in f. Strings have single quotes and the escapes \n \t \r \\ \'
** \xHH. Names that are no words are written as strings; types, functions, globals, imports and constants can be given by
** number: $12, #3.
** SPDX-License-Identifier: Apache-2.0
*/
#ifndef TH_PROGRAM_TEXT_H
#define TH_PROGRAM_TEXT_H

#include "program/names.h"
#include "program/program.h"

/* Whether the name can stand without quotes. */
bool th_text_is_word(th_view name);
bool th_text_is_word_char(char c);
/* Whether the word has a meaning where a type is expected, so that a type of this name needs quotes. */
bool th_text_is_type_word(th_view name);

/* The texts of kinds, for types that are written by their kind; -1: none. */
int th_text_kind(th_view name);
const char *th_text_of_kind(th_kind kind);

#endif
