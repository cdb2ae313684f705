/// What the last product of a frozen model reads of every training row: computed once, on all
/// ranks, and kept in RUN/features.h5.
#pragma once
#include "base/mem.h"
#include "train/trainer.h"

/// Rows of the training split, this rank's of them one after the other, as `row_blocks_init` deals
/// them.
typedef struct {
    int64_t all_rows, first, rows, width;
    int64_t computed; ///< of all rows, in this life
    int64_t tokens;   ///< of those
    bool stopped;     ///< before all were computed, or behind them: what is there is kept
    float *x;         ///< (rows, width); NULL: no file has any
    Arena memory;     ///< of x, owned: pages that go back at once
    int32_t *labels;  ///< (rows), owned
    uint8_t *missing; ///< (all_rows), owned, the same on all ranks: in no file yet
} Features;

/// Collective. From the file, as far as it is of the same model and rows; what is missing is
/// computed. A stop leaves it, for the next life on any number of ranks to go on with: the bits are
/// those of one that nothing stopped. `then_s`: seconds of what comes behind it and cannot be left.
/// FAILED where features are not finite, or cannot be kept. The caller owns it, after failure too
/// (`features_release`).
COLLECTIVE
Status features_take(Features *out, Trainer *trainer, int64_t width, double then_s);
void features_release(Features *features);
