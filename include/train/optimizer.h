/// AdamW on this rank's slice of the parameters, then the new weights to every rank.
#pragma once
#include "train/gradients.h"
#include "train/recipe.h"

typedef struct {
    const Comm *comm;
    Model *model;
    const Blocks *blocks;
    int64_t first, count; ///< this rank's elements of Model.values
    float *exp_avg;       ///< (count) first moment
    float *exp_avg_sq;    ///< (count) second moment
    int64_t steps;        ///< updates done
    bool *
        *active; ///< [table][row]: the row has a moment. Other rows only decay, on every rank alike
    int64_t *dense_bytes;      ///< (ranks): each rank's dense slice
    int64_t *row_bytes;        ///< (ranks): each rank's rows in transit
    float *zeros;              ///< the gradient of a row that this step did not touch
    char *outgoing, *incoming; ///< (outgoing_bytes), (incoming_bytes): rows in transit
    size_t outgoing_bytes, incoming_bytes;
} Optimizer;

/// Local. Zero moments.
void optimizer_init(Optimizer *optimizer, const Comm *comm, Model *model, const Blocks *blocks);
void optimizer_release(Optimizer *optimizer);
/// Collective. After exp_avg, exp_avg_sq and steps were filled from a checkpoint.
COLLECTIVE
void optimizer_restored(Optimizer *optimizer);

/// Collective. One update with the merged gradients, scaled by `gradient_scale` (clipping).
COLLECTIVE
void optimizer_update(Optimizer *optimizer, const Gradients *gradients, const TrainOptions *options,
                      double learning_rate, double gradient_scale);
