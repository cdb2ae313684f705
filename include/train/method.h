/// How weights are found: a row of a table.
#pragma once
#include "linalg/solve.h"
#include "train/trainer.h"

typedef struct {
    const char *name; ///< train.method
    /// Collective. A step of it; FAILED ends the run.
    Status (*step)(Trainer *trainer, StepRecord *out);
    bool once; ///< a run is one step
} Method;

extern const char *const method_names[]; ///< ended by NULL
const Method *method_find(const char *name);

/// Collective, as Method.step. The exact linear classifier on what the head's last product reads,
/// all else frozen: ridge or logistic regression (linalg/solve.h), by train.probe. Features are
/// computed once and kept in RUN/features.h5, from which the step goes on where they are of the
/// same model and rows.
COLLECTIVE
Status probe_step(Trainer *trainer, StepRecord *out);
/// Local. What the recipe's probe takes to solve; all_rows, classes and ranks are the shape's.
/// *width: floats of a row's features.
void probe_need(SolveNeed *out, int64_t *width, const Recipe *recipe, const Model *model,
                SolveShape shape);
extern const char *const probe_names[];         ///< of train.probe, ended by NULL
extern const char *const leave_one_out_names[]; ///< likewise
/// Local. USAGE where the recipe asks of the probe what it does not have.
Status probe_check(const Recipe *recipe);
