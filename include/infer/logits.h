/// Logits of rows of a data set.
#pragma once
#include "infer/rows.h"

/// Collective. logits (count, num_labels) of `rows` in their order, on all ranks, as `infer_rows`.
COLLECTIVE
void infer_logits(const Comm *comm, float *logits, const Model *model, const Dataset *data,
                  const int64_t *rows, int64_t count, Watch *watch);

/// Local. Probabilities (count) of one row, in double; returns the first largest. *log_sum, unless
/// NULL, is the logarithm of the sum of exp(logit - the largest).
int64_t softmax_row(double *probabilities, double *log_sum, const float *logits, int64_t count);
