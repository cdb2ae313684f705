/// Where the time of a run goes: a few clock reads a step, on every rank.
#pragma once
#include "base/status.h"

#include <stdint.h>

typedef enum {
    PHASE_DATA,
    PHASE_FORWARD,  ///< with what waits there for new weights
    PHASE_BACKWARD, ///< with the messages that leave meanwhile
    PHASE_REDUCTION,
    PHASE_VOTE, ///< mostly waiting for slower ranks
    PHASE_UPDATE,
    PHASE_EVALUATION,
    PHASE_CHECKPOINT,
    PHASES,               ///< those that are timed
    PHASE_START = PHASES, ///< before the first step
    PHASE_FINISH,         ///< after the last one
    PHASE_NAMES
} Phase;

extern const char *const phase_names[PHASE_NAMES]; ///< "data", "forward" ...

typedef struct {
    double seconds[PHASES];
    Phase now;             ///< of the lap that goes on
    double last_s;         ///< end of the last lap
    double start_s, end_s; ///< of all steps
    int64_t steps, tokens, saves;
    double save_s; ///< that those took, whoever waited for them
    double flops;  ///< of all steps, as StepRecord has them
} Phases;

/// Local. A lap of that phase starts: what came before is booked nowhere.
void phases_start(Phases *phases, Phase phase);
/// Local. Ends the lap, books it and starts one of `next`; returns its seconds.
double phases_lap(Phases *phases, Phase next);
