/// Whether a job goes on, and which ranks are why it does not: told from the pulses of all ranks,
/// without messages.
#pragma once
#include "base/pulse.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    HOST_BYTES = 64,
    STALL_OPAQUE_TIMES = 8 ///< a library that tells nothing may take so many times `hang_s`
};

/// What is remembered of a rank between two looks.
typedef struct {
    int64_t progress, beats;
    double silent_s; ///< without progress, by the clock of the one who looks
    double quiet_s;  ///< without a sign of life
} Sight;

typedef struct {
    const Pulse *board; ///< (ranks), borrowed
    Sight *sights;      ///< (ranks), borrowed
    const char *hosts;  ///< (ranks, HOST_BYTES), borrowed
    int ranks;
    int first, end; ///< ranks whose pulses are seen at once: others' are seen late
    double hang_s;
    double elapsed_s; ///< since all stand still
} Stall;

/// Of a rank that has done all there was to do.
enum { BEATS_DONE = -1 };

/// Local. Looks at all ranks, `elapsed_s` after the last look.
void stall_look(Stall *stall, double elapsed_s);
/// Local. True if no rank has made progress for `hang_s`, those in a library for longer.
bool stall_found(const Stall *stall);
/// Local. True if the ranks that are seen at once have been silent for a quarter of `hang_s`.
bool stall_nears(const Stall *stall);
/// Local. The rank that ends the job: the lowest that waits for others, else the lowest alive.
int stall_speaker(const Stall *stall);
/// Local. The lowest rank alive of those that are seen at once.
int stall_courier(const Stall *stall);
/// Local. One sentence: the step, the ranks that are missing, what they do, and what to do.
void stall_text(char *out, size_t bytes, const Stall *stall);
