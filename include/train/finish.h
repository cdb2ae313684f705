/// The end of a run: what it stands for is evaluated and reported.
#pragma once
#include "train/trainer.h"

/// Collective. Evaluates what the run folder stands for on validation and test rows, prints that,
/// and writes the reports unless the folder is closed. `efficiency` (rank 0; NULL: none) goes into
/// them. The trainer has its model alone afterwards. STOPPED if it is asked to stop or lacks time:
/// nothing is written then.
COLLECTIVE
Status finish_run(Trainer *trainer, const Json *efficiency);
