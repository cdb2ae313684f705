#include "train/phases.h"
#include "base/clock.h"
#include "base/pulse.h"

const char *const phase_names[PHASE_NAMES] = { "data",     "forward", "backward",   "reduction",
                                               "vote",     "update",  "evaluation", "checkpoint",
                                               "start-up", "report" };

void phases_start(Phases *phases, Phase phase)
{
    phases->now = phase;
    phases->last_s = clock_now_s();
    pulse_activity((int)phase);
}

double phases_lap(Phases *phases, Phase next)
{
    double now_s = clock_now_s(), lap_s = now_s - phases->last_s;
    phases->seconds[phases->now] += lap_s;
    phases->now = next;
    phases->last_s = now_s;
    pulse_activity((int)next);
    return lap_s;
}
