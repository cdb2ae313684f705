/// What a run continues from: model, optimizer state, data position, effective recipe, in one file
/// RUN/checkpoints/step-0000000120.h5 that any number of ranks reads.
#pragma once
#include "train/trainer.h"

/// Collective. Writes the checkpoint of trainer->step, then removes all but the newest
/// `save_total_limit` and the best. On failure older ones are as before.
COLLECTIVE
Status checkpoint_save(Trainer *trainer);

/// Collective. Continues from `path`: FAILED for a damaged file, USAGE as `resume_check`.
COLLECTIVE
Status checkpoint_load(Trainer *trainer, const char *path);

/// Local. The effective recipe stored in a checkpoint.
Status checkpoint_recipe(Recipe *out, const char *path);
