/// Metrics of rows of a data set.
#pragma once
#include "infer/rows.h"
#include "train/evaluation.h"
#include "train/objective.h"

/// Collective. Metrics of the rows of `split`, the same on every rank and for every rank count;
/// `evaluation_release` frees them. False if the split has no rows, or if `watch` (NULL: none)
/// stopped it. `train` says how targets are chosen.
COLLECTIVE
bool evaluate_split(const Comm *comm, Evaluation *out, const TrainOptions *train,
                    const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                    Split split, Watch *watch);
