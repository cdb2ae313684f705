/// Where the time of a run goes. Time is cut into laps: each lap is everything since the one
/// before, booked on a line. All functions do nothing with a NULL profile.
#pragma once
#include "base/text.h"

#include <stdint.h>

typedef struct {
    const char *name, *phase; ///< "linear", "forward"; texts that outlive the profile
    int64_t calls;
    double seconds, flops, bytes;
} ProfileLine;

enum { PROFILE_LINES = 64 };

typedef struct {
    ProfileLine lines[PROFILE_LINES]; ///< (count), in the order of their first lap
    int count;
    double last_s;
} Profile;

/// Local. Starts a lap: what came before is booked nowhere.
void profile_start(Profile *profile);
/// Local. Ends the lap and starts the next; `flops` and `bytes` are the work done in it, 0:
/// unknown.
void profile_lap(Profile *profile, const char *name, const char *phase, double flops, double bytes);
/// Local. Appends a table, most time first: seconds, share, calls, GFLOP/s, GB/s; the last line is
/// the total.
void profile_print(Text *out, const Profile *profile);
