/// A whole training run: a function of (communicator, recipe, folder).
#pragma once
#include "train/recipe.h"

/// Collective. What `temper train` does: prepares, trains or goes on training, evaluates, writes
/// metrics.jsonl, run.log, recipe.yaml, checkpoints, report.json, report.html and loss.svg into the
/// run folder, and prints the results. STOPPED when asked to stop.
COLLECTIVE
Status run_train(const Comm *comm, Recipe *recipe);
/// Collective. Steps of a run once more, until `last` are done: from train.resume, into a folder of
/// their own (output.folder), where only metrics.jsonl, run.log, recipe.yaml and checkpoints are
/// written; the last step is one of these.
COLLECTIVE
Status run_again(const Comm *comm, Recipe *recipe, int64_t last);
