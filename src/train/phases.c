#include "train/phases.h"
#include "base/clock.h"

const char *const phase_names[PHASES] = { "data", "forward", "backward",   "reduction",
                                          "vote", "update",  "evaluation", "checkpoint" };

void phases_start(Phases *phases)
{
    phases->last_s = clock_now_s();
}

double phases_lap(Phases *phases, Phase phase)
{
    double now_s = clock_now_s(), lap_s = now_s - phases->last_s;
    phases->seconds[phase] += lap_s;
    phases->last_s = now_s;
    return lap_s;
}
