/// What a run says while it goes: metrics.jsonl, run.log, and a line of progress.
#pragma once
#include "train/evaluation.h"
#include "train/trainer.h"

#include <stdio.h>

/// Rank 0 writes; on other ranks everything here does nothing.
typedef struct {
    FILE *metrics;  ///< NULL on other ranks
    Text unwritten; ///< lines of it that a full disk has not taken yet
    Text line;      ///< the one in hand, kept for its memory
    bool warned;
    const Trainer *trainer;
    int64_t steps, tokens; ///< of this process's life
    double seconds, flops;
} Record;

/// Local (rank 0). From here on every line that is logged also goes to RUN/run.log.
Status record_open_log(FILE **log, const char *run);
/// Local. Ends that, NULL-safe: the last line is the message of what failed.
void record_close_log(FILE *log, Status status);

/// Local. Opens metrics.jsonl in the run folder, cut to the steps done.
Status record_start(Record *record, const Trainer *trainer);
void record_step(Record *record, const StepRecord *step);
void record_evaluation(Record *record, Split split, const Evaluation *evaluation);
/// Local. FAILED if lines are left that could not be written.
Status record_stop(Record *record);
