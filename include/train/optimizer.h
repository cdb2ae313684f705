/// AdamW on the parameters that this rank owns, whose new weights go to every rank.
///
/// Rows of lookup tables are updated late (train/late.h): those of the next step's batch by
/// `optimizer_refresh`, all for an evaluation or a checkpoint by `optimizer_refresh_all`. Between
/// those, Model.values holds stale rows of tables, and dense parameters that are on their way until
/// somebody awaits them (train/delivery.h).
#pragma once
#include "train/delivery.h"
#include "train/gradients.h"
#include "train/late.h"
#include "train/recipe.h"
#include "train/row_delivery.h"

typedef struct {
    const Comm *comm;
    Model *model;
    const Blocks *blocks;
    const TrainOptions *options;
    float *exp_avg;     ///< (blocks->own_elements) first moment, in the order of segments
    float *exp_avg_sq;  ///< (blocks->own_elements) second moment
    Late late;          ///< rows of tables
    AdamStep step;      ///< the last update
    Delivery *delivery; ///< of new weights, owned
    RowDelivery rows;   ///< of new rows of tables
} Optimizer;

/// Collective. Zero moments.
COLLECTIVE
void optimizer_init(Optimizer *optimizer, const Comm *comm, Model *model, const Blocks *blocks,
                    const TrainOptions *options);
void optimizer_release(Optimizer *optimizer);
/// Local. After exp_avg and exp_avg_sq were filled from a checkpoint of so many updates.
void optimizer_restored(Optimizer *optimizer, int64_t steps);
/// Collective. After that, where each rank has read the weights that it owns: all get them.
COLLECTIVE
void optimizer_deliver(Optimizer *optimizer);

/// Collective. One update with the merged gradients, scaled by `gradient_scale` (clipping), of rows
/// of tables.
COLLECTIVE
void optimizer_update_rows(Optimizer *optimizer, const Gradients *gradients, double learning_rate,
                           double gradient_scale);
/// Collective. The same update of the dense part, whose messages go on after it. What else the next
/// step needs at once is sent before, or it arrives behind them.
COLLECTIVE
void optimizer_update_dense(Optimizer *optimizer, const Gradients *gradients);
/// Local. Bytes that the update with these gradients moves at least, for the profile.
double optimizer_bytes(const Optimizer *optimizer, const Gradients *gradients);
/// Collective. Makes rows `ids` (ascending, unique, the same on all ranks) of a table fresh on
/// every rank.
COLLECTIVE
void optimizer_refresh(Optimizer *optimizer, int table, const int32_t *ids, int64_t count);
/// Collective. Makes all parameters fresh on every rank.
COLLECTIVE
void optimizer_refresh_all(Optimizer *optimizer);
