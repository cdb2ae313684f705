/// What is learnt: one row per task.
#pragma once
#include "infer/rows.h"
#include "train/evaluation.h"
#include "train/trainer.h"

#include <stdio.h>

struct Objective {
    const char *task; ///< model.task of the recipe
    DataForm form;    ///< what it reads of the data
    /// Local. The divisor of the step's loss: a sum over all rows of the step, whoever owns them.
    double (*divisor)(const Trainer *trainer, const Batch *batch);
    /// Local. Forward pass of the leaf in trainer->buffers on trainer->tape, its part of the loss,
    /// and the gradient of the result for `tape_backward`.
    double (*loss)(Trainer *trainer, double divisor);
    /// Collective. Fills an empty evaluation with the metrics of some rows, the same on all ranks,
    /// unless `watch` (NULL: none) stops it.
    void (*evaluate)(const Comm *comm, Evaluation *out, const TrainOptions *train,
                     const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                     const int64_t *rows, int64_t count, Watch *watch);
    /// Collective. Writes a JSON line for each text of the rows, in order, to rank 0's `out`;
    /// `logits`: with them. NULL: there is nothing to predict.
    void (*predict)(const Comm *comm, FILE *out, const Model *model, const Dataset *data,
                    const int64_t *rows, int64_t count, bool logits);
};

const Objective *objective_find(const char *task); ///< NULL if unknown
extern const char *const objective_tasks[];        ///< ended by NULL
