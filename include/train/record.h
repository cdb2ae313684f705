/// What a run says while it goes: metrics.jsonl, run.log, and a line of progress.
#pragma once
#include "train/metrics.h"
#include "train/trainer.h"

#include <stdio.h>

/// Rank 0 writes; on other ranks everything here does nothing.
typedef struct {
    FILE *metrics, *log; ///< NULL on other ranks
    Text unwritten;      ///< lines of `metrics` that a full disk has not taken yet
    bool warned;
    const Trainer *trainer;
    double limit_gflops;   ///< measured product rate of all ranks
    int64_t steps, tokens; ///< of this process's life
    double seconds;
} Record;

/// Local. Opens the files of the run folder; metrics.jsonl is cut to the steps done.
Status record_start(Record *record, const Trainer *trainer, double limit_gflops);
void record_step(Record *record, const StepRecord *step);
void record_evaluation(Record *record, Split split, const Metrics *metrics);
/// Local. FAILED if lines are left that could not be written.
Status record_stop(Record *record);
