/// The learning rate as a pure function of the step.
#pragma once
#include "train/recipe.h"

/// Local. Learning rate of update `step` (from 0) of `horizon`, as transformers' schedules give it:
/// a linear rise over `warmup` steps, then by the recipe's lr_scheduler_type down to 0 at the
/// horizon.
double schedule_learning_rate(const TrainOptions *options, int64_t step, int64_t warmup,
                              int64_t horizon);
/// Local. Steps of the rise: train.warmup_steps, else ceil(train.warmup_ratio * horizon).
int64_t schedule_warmup(const TrainOptions *options, int64_t horizon);
