/// Whether a run is what its record says (`temper verify`).
#pragma once
#include "base/text.h"
#include "train/recipe.h"

/// Local (rank 0). Hashes every file that the record names, relative paths against the working
/// directory. Appends a sentence for each that changed or is missing, whose number is *wrong, or
/// one that all are as they were. USAGE if there is no record.
Status verify_files(Text *out, int64_t *wrong, const char *run);

/// What to repeat, and where.
typedef struct {
    const char *run;
    int64_t steps;
    const char *scratch;       ///< folder for what is written; "": where the run folder lies
    const Settings *overrides; ///< of grid.* alone
} Repetition;

/// Collective. Repeats steps from the checkpoint before the newest, or from the start, at most up
/// to the newest one, in a folder that is removed afterwards. Appends on rank 0 whether metrics
/// and, where the newest checkpoint is reached, weights and state have the same bits, and what
/// differs between the program that made the run and this one. *wrong counts differences.
COLLECTIVE
Status verify_again(const Comm *comm, Text *out, int64_t *wrong, const Repetition *what);
