/// AdamW on this rank's slice of the parameters, then the new weights to every rank.
///
/// Rows of lookup tables are updated late: a row that a step does not touch still decays and
/// follows its moments, and those updates are replayed, one by one and so with the same bits, when
/// somebody needs the row: the next step's batch (`optimizer_refresh`), or an evaluation or a
/// checkpoint
/// (`optimizer_refresh_all`). Between those, Model.values holds stale rows of tables.
#pragma once
#include "linalg/vecmath.h"
#include "train/gradients.h"
#include "train/recipe.h"

/// This rank's rows of one lookup table.
typedef struct {
    int param;        ///< index in Model.params
    int64_t *cuts;    ///< (ranks + 1), owned: rank r owns rows [cuts[r], cuts[r + 1])
    int64_t *updates; ///< (own rows), owned: updates applied to the row
    bool *active;     ///< (own rows), owned: the row has a moment; the others only decay
} LateTable;

typedef struct {
    const Comm *comm;
    Model *model;
    const Blocks *blocks;
    const TrainOptions *options;
    int64_t first, count; ///< this rank's elements of Model.values
    float *exp_avg;       ///< (count) first moment
    float *exp_avg_sq;    ///< (count) second moment
    int64_t steps;        ///< updates done
    LateTable *tables;    ///< (blocks->table_count)
    AdamStep *history;    ///< (HISTORY): the updates since all rows were fresh
    int64_t history_count;
    float *zeros;               ///< the gradient of a row that a step did not touch
    int64_t *counts_bytes;      ///< (ranks): of what is gathered
    float *outgoing, *incoming; ///< rows in transit, growing in the first steps
    int64_t outgoing_floats, incoming_floats;
} Optimizer;

/// Local. Zero moments.
void optimizer_init(Optimizer *optimizer, const Comm *comm, Model *model, const Blocks *blocks,
                    const TrainOptions *options);
void optimizer_release(Optimizer *optimizer);
/// Local. After exp_avg, exp_avg_sq and steps were filled from a checkpoint.
void optimizer_restored(Optimizer *optimizer);

/// Collective. One update with the merged gradients, scaled by `gradient_scale` (clipping). Dense
/// parameters are fresh on every rank afterwards, rows of tables are not.
COLLECTIVE
void optimizer_update(Optimizer *optimizer, const Gradients *gradients, double learning_rate,
                      double gradient_scale);
/// Local. Bytes that the update with these gradients moves at least, for the profile.
double optimizer_bytes(const Optimizer *optimizer, const Gradients *gradients);
/// Collective. Makes rows `ids` (ascending, unique, the same on all ranks) of a table fresh on
/// every rank.
COLLECTIVE
void optimizer_refresh(Optimizer *optimizer, int table, const int32_t *ids, int64_t count);
/// Collective. Makes every row of every table fresh on every rank.
COLLECTIVE
void optimizer_refresh_all(Optimizer *optimizer);
