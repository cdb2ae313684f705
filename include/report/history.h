/// The steps and evaluations of a run, as its metrics.jsonl tells.
#pragma once
#include "base/status.h"
#include "report/svg.h"

enum { HISTORY_MOST_SPLITS = 4 };

/// The evaluations of one split during training.
typedef struct {
    char *name; ///< owned
    Points loss;
} SplitHistory;

typedef struct {
    Points loss, rate;
    Points smooth; ///< mean loss; empty if there are few steps
    SplitHistory splits[HISTORY_MOST_SPLITS];
    int split_count;
    int64_t steps, tokens, bad_lines;
    double epochs, seconds;
} History;

/// Local. Of FOLDER/metrics.jsonl; no steps if it is not there. Lines that are no JSON are left out
/// with a warning. `history` is {0}; `history_release` also after failure.
Status history_read(History *history, const char *folder);
void history_release(History *history);
