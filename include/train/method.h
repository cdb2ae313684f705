/// How weights are found: a row of a table.
#pragma once
#include "linalg/solve_work.h"
#include "train/trainer.h"

typedef struct {
    const char *name; ///< train.method
    /// Collective. A step of it; FAILED ends the run, STOPPED leaves the step to the next life.
    Status (*step)(Trainer *trainer, StepRecord *out);
    bool once; ///< a run is one step
} Method;

extern const char *const method_names[]; ///< ended by NULL
const Method *method_find(const char *name);
/// Local. The copies of the model that can have a part in a step of so many leaves. A step that is
/// a whole run has all rows instead, in leaves that are dealt anew, and no copy is too many.
int64_t method_copies(const Recipe *recipe, int64_t leaves);
/// Local. Those of them that it keeps busy.
int64_t method_busy(const Recipe *recipe, const Batches *batches, int64_t leaves);

/// Collective, as Method.step. The exact linear classifier on what the head's last product reads,
/// all else frozen: ridge or logistic regression (linalg/solve.h), by train.probe, on features that
/// are computed once (train/features.h).
COLLECTIVE
Status probe_step(Trainer *trainer, StepRecord *out);
/// Local. Completes the shape of the recipe's probe, of which rows, classes and ranks are known.
void probe_shape(SolveShape *shape, const Recipe *recipe, const Model *model);
/// Local. What it takes to solve.
void probe_need(SolveNeed *need, SolveWork *work, const Recipe *recipe, const SolveShape *shape);
extern const char *const probe_names[];         ///< of train.probe, ended by NULL
extern const char *const leave_one_out_names[]; ///< likewise
/// Local. USAGE where the recipe asks of the probe what it does not have.
Status probe_check(const Recipe *recipe);
