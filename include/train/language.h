/// Language models: cross entropy of tokens, each predicted from those before it (causal_lm), or
/// masked ones from all others (masked_lm). Metrics weigh every target alike: loss, perplexity =
/// exp(loss), token_accuracy.
#pragma once
#include "train/objective.h"

/// As `Objective` has them.
double language_divisor(const Trainer *trainer, const Batch *batch);
double language_loss(Trainer *trainer, double divisor);
COLLECTIVE
void language_evaluate(const Comm *comm, Evaluation *out, const TrainOptions *train,
                       const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                       const int64_t *rows, int64_t count, Watch *watch);
COLLECTIVE
void language_predict(const Comm *comm, FILE *out, const Model *model, const Dataset *data,
                      const int64_t *rows, int64_t count, bool logits);
