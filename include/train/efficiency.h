/// What a run made of its machine.
#pragma once
#include "store/json.h"
#include "train/trainer.h"

/// Collective. Of the steps of this process's life: logs a few lines and makes the object of
/// report.json on rank 0; NULL on other ranks, and where no step was made. Of a probe's step the
/// pass forward is the features, the update the solver.
///
///   steps, tokens, seconds, tokens_per_second, gflops
///   sgemm_share       of the measured product rate of all ranks
///   phases_s          object: mean over ranks of each phase, and what is left ("other")
///   own_work_s        object: forward and backward pass of a step on the fastest and slowest rank
///   waiting_share     of the time, that ranks with less of it had to wait, in the mean
///   memory_bytes      object: "most" that a rank had, libraries and shared pages too; "planned"
///   checkpoints       object: count, bytes_per_second
COLLECTIVE
Json *efficiency_report(const Trainer *trainer);
/// Local (rank 0). Puts it into the results of a run, else what the report in the run folder has,
/// if it is the run that goes on there: one that is complete makes no steps when it is started once
/// more.
void efficiency_put(Json *results, const Json *efficiency, const Trainer *trainer);
