/// Dropout masks as a pure function: they are made where they are used, forward and backward, and
/// never stored. Element e of a sequence draws 16 bits: half e % 8 of philox with counter
/// (e / 8, sample, step, RNG_DROPOUT + site + (pass << 16)); it is dropped if they are below
/// p * 65536. e is place * cols + column of a (T, C) value, column of a (B, C) value,
/// (head * s + query) * s + key of attention probabilities.
#pragma once
#include "nn/tape.h"

typedef struct {
    uint32_t key[2];
    uint32_t step, purpose;
    uint32_t cut; ///< draws below are dropped; 0: nothing is, and the mask is not needed
    float scale;  ///< of the elements that are kept
} Mask;

/// Elements of one 16-lane call of philox; factor buffers are a multiple of it and one more.
enum { MASK_BLOCK = 128 };

/// Local. The mask of the next random site of this pass. With p = 0 or outside of training
/// nothing is dropped, but a site is taken all the same: p does not renumber the others.
Mask mask_next(Tape *tape, double p);

/// Local. Writes 0 or `scale` for elements first ... first + count - 1 of the sequence `sample` and
/// returns where they start in `factors`, which holds count + 2 * MASK_BLOCK floats.
float *mask_factors(float *factors, const Mask *mask, int64_t sample, int64_t first, int64_t count);

/// Where a row of a (T, C) or (B, C) value lies: its sequence, and its place in it.
typedef struct {
    const Packing *packing;
    bool tokens; ///< rows are tokens, not sequences
    int64_t sequence, place;
} RowPlace;

/// Local. The place of a row of x; then of the next row.
RowPlace row_place(const Tape *tape, const Var *x, int64_t row);
void row_place_next(RowPlace *at);
