/// The run: steps, evaluation, checkpoints, stop.
#pragma once
#include "train/record.h"

/// Collective. Steps until the last one, an early stop or a request to stop (STOPPED, after a
/// checkpoint). A final checkpoint is always written. FAILED with the step if the loss is not
/// finite.
COLLECTIVE
Status loop_run(Trainer *trainer, Record *record);
/// Local. Nothing is left to do: the last step is done, or it stopped early.
bool loop_is_done(const Trainer *trainer);
