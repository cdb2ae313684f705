/// Sequences to labels: cross entropy, and the metrics of train/metrics.h.
#pragma once
#include "train/objective.h"

/// Local. The recipe's class_weights for these labels: *out is owned by the caller, NULL for ones.
Status classification_weights(double **out, const Recipe *recipe, const Dataset *data);

/// As `Objective` has them.
double classification_divisor(const Trainer *trainer, const Batch *batch);
double classification_loss(Trainer *trainer, double divisor);
COLLECTIVE
void classification_evaluate(const Comm *comm, Evaluation *out, const TrainOptions *train,
                             const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                             const int64_t *rows, int64_t count, Watch *watch);
COLLECTIVE
void classification_predict(const Comm *comm, FILE *out, const Model *model, const Dataset *data,
                            const int64_t *rows, int64_t count, bool logits);
