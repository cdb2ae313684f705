/// What is learnt: one row per task.
#pragma once
#include "train/trainer.h"

struct Objective {
    const char *task; ///< model.task of the recipe
    /// Local. The divisor of the step's loss: a sum over all rows of the step, whoever owns them.
    double (*divisor)(const Trainer *trainer, const Batch *batch);
    /// Local. Forward pass of the leaf on trainer->tape, its part of the loss, and the gradient of
    /// the result for `tape_backward`.
    double (*loss)(Trainer *trainer, const int32_t *labels, double divisor);
};

const Objective *objective_find(const char *task); ///< NULL if unknown
/// Local. The recipe's class_weights for these labels: *out is owned by the caller, NULL for ones.
Status objective_class_weights(double **out, const Recipe *recipe, const Dataset *data);
