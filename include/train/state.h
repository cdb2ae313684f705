/// RUN/state.json: how the run stands, for scripts.
#pragma once
#include "train/trainer.h"

enum { STATE_RUNNING = -1 };

/// Local (rank 0 of a trainer with the lock). Writes "state" (running, finished, failed or
/// stopped), "reason" of a stop (stop_names) or "message" of a failure, "step" of "steps", the
/// newest "checkpoint", "exit_code" unless it runs, "job" and "restarts" of Slurm, and
/// "updated_utc", one a line. `exit_code` is a Status or STATE_RUNNING. Warns where it cannot be
/// written; the recorded message stays. Nothing is written into a folder that is another job's by
/// now.
void state_write(const Trainer *trainer, int exit_code);
