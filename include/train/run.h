/// A whole training run: a function of (communicator, recipe, folder).
#pragma once
#include "train/recipe.h"

/// Collective. What `temper train` does: prepares, trains or goes on training, evaluates, writes
/// metrics.jsonl, run.log, recipe.yaml, checkpoints, report.json, report.html and loss.svg into the
/// run folder, and prints the results. STOPPED when asked to stop.
COLLECTIVE
Status run_train(const Comm *comm, Recipe *recipe);
