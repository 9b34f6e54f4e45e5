/* Range asymmetric numeral systems: what the tables of both ends are made of.
 *
 * Duda 2013, arXiv:1311.2540, in the interleaved form of Giesen 2014, arXiv:1402.3392: two states
 * of 31 bits, probabilities of 12 bits, renormalised by words of 16 bits. Every value belongs to a
 * class, its context; a class has a static table that both ends derive from four parameters.
 */
#ifndef RK_RANS_H
#define RK_RANS_H

#include "base.h"

enum {
    CLASSES = 64,
    SYMBOLS = 64, /* of the values 0, +1, -1, +2, -2 and so on; the last one in use is the escape */
    MAX_SHIFT = 24,
    MAX_VALUE = 1 << 30,
    WORDS_PER_VALUE = 7, /* at most one for the symbol, four for an escape, two for the shift */
    PROBABILITY_BITS = 12,
    SLOTS = 1 << PROBABILITY_BITS,
    STATE_BITS = 31,
    STATE_LOW = 1 << 15, /* where an encoder starts and a decoder must end */
    WORD_BITS = 16,
    /* Raw bits go through a state in parts of at most as many bits as a probability has. */
    PART_BITS = PROBABILITY_BITS,
    LENGTH_AND_SIGN_BITS = 6, /* of an escaped value, before its low bits */
};

/* Of a class, as Python holds them: one row of an array. */
typedef struct {
    i64 zero;  /* frequency of the value 0, out of SLOTS */
    i64 pair;  /* share of +1 and -1 among the rest, out of 256 */
    i64 decay; /* share of what is then left that each further pair takes, out of 256 */
    i64 shift; /* low bits of a value that are no part of its symbol */
} ClassParameters;

/* A row of a decoder's table: frequency and start of a symbol, and whether raw bits follow. */
enum {
    ENTRY_START_SHIFT = 12,
    ENTRY_MASK = SLOTS - 1,
    ENTRY_RARE = 1 << 28, /* the class has a shift, or the symbol is the escape */
    ENTRY_ESCAPE = 1 << 29,
};

#endif
