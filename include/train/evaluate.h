/// Metrics of rows of a data set.
#pragma once
#include "data/dataset.h"
#include "model/model.h"
#include "train/metrics.h"

/// Collective. Metrics of the rows of `split`, the same on every rank and for every rank count.
/// `metrics_release` frees them. False if the split has no rows.
COLLECTIVE
bool evaluate_split(const Comm *comm, Metrics *out, const Model *model, const Dataset *data,
                    Split split);
