/// What a run continues from: model, optimizer state, data position, effective recipe, in one file
/// RUN/checkpoints/step-0000000120.h5 that any number of ranks reads.
#pragma once
#include "train/trainer.h"

/// Collective. Writes the checkpoint of trainer->step, then removes all but the newest
/// `save_total_limit` and the best. On failure older ones are as before.
COLLECTIVE
Status checkpoint_save(Trainer *trainer);

/// The same while training goes on, where trainer->async has a copy.
///
/// Collective. Copies what this rank owns and makes the file's structure; a thread writes from the
/// copy. Until `checkpoint_finish` there is no checkpoint, and no other may be started.
COLLECTIVE
Status checkpoint_start(Trainer *trainer);
/// Local. True while this rank's thread is at it: once it is false on all ranks, nothing keeps
/// `checkpoint_finish` waiting.
bool checkpoint_writes(const Trainer *trainer);
/// Collective. Waits for the threads and commits, as `checkpoint_save` does, unless a rank may not
/// (`may` is not OK), and tells in trainer->saved_step. *seconds: of the slowest thread and of the
/// commit.
COLLECTIVE
Status checkpoint_finish(Trainer *trainer, Status may, double *seconds);

/// Collective. Continues from `path`: FAILED for a damaged file, USAGE as `resume_check`.
COLLECTIVE
Status checkpoint_load(Trainer *trainer, const char *path);

/// Local. The effective recipe stored in a checkpoint.
Status checkpoint_recipe(Recipe *out, const char *path);
