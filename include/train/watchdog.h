/// Ends a job that stands still, with one sentence that names the rank that is the cause.
///
/// A thread of each rank looks at the pulses of all (train/stall.h) and calls no MPI. Those of a
/// node are in memory that its ranks share. Where there are several nodes, the lowest rank alive of
/// each writes its node's pulses into RUN/pulse-NODE eight times in `train.hang_seconds`, and reads
/// the other nodes' files when its own node stands still.
#pragma once
#include "train/recipe.h"

typedef struct Watchdog Watchdog;

/// Collective. From here on the job ends with exit code 1 when no rank has made progress for
/// `train.hang_seconds`. NULL where that is 0. `keeps_files`: the run folder is this job's.
COLLECTIVE
Watchdog *watchdog_start(const Comm *comm, const Recipe *recipe, bool keeps_files);
/// Collective. NULL-safe.
COLLECTIVE
void watchdog_stop(Watchdog *watchdog);
