/// Which rows each step takes: a pure function of (data set, recipe, step).
#pragma once
#include "model/model.h"
#include "train/recipe.h"

typedef struct {
    const Dataset *data;
    const TrainOptions *options;
    int64_t *rows; ///< (count), owned: rows of the training split, ascending
    int64_t count;
    int64_t tokens;  ///< of those rows
    int64_t epoch;   ///< the one that `order` and `starts` hold; -1: none yet
    int64_t *order;  ///< (count), owned: rows in this epoch's order
    int64_t *starts; ///< (epoch_steps + 1), owned: step i of the epoch takes order[starts[i] ...]
    int64_t epoch_steps;    ///< steps of this epoch
    int64_t epoch_first;    ///< first step of this epoch
    int64_t horizon;        ///< steps of the whole schedule
    int64_t last;           ///< steps that this run does: horizon, or less by max_steps
    double mean_tokens;     ///< of a step
    double mean_rows;       ///< of a step
    int64_t most_sequences; ///< bounds of one step
} Batches;

typedef struct {
    int64_t step, epoch;
    const int64_t *rows; ///< (count), borrowed until the next call
    int64_t count;
    int64_t rows_consumed; ///< of this epoch, with this batch
    bool epoch_ends;
    double progress; ///< epochs done after this step, as 1.25
} Batch;

/// Local. USAGE if the training split is empty, or the schedule longer than 2^32 steps.
Status batches_init(Batches *batches, const Dataset *data, const TrainOptions *options);
/// Local. The number of leaves of every step, and a bound of the tokens of one. USAGE where that is
/// more than a leaf can have.
Status batches_leaves(int64_t *leaves, int64_t *leaf_tokens, const Batches *batches,
                      const Model *model);
void batches_release(Batches *batches);
/// Local. The rows of step `step` (from 0). Steps may come in any order; going forward is cheap.
void batches_take(Batches *batches, Batch *out, int64_t step);
