#include "base/pulse.h"

static Pulse nobodys;
_Thread_local Pulse *pulse = &nobodys;

void pulse_move(Pulse *place)
{
    Pulse *to = place ? place : &nobodys;
    atomic_store(&to->progress, atomic_load(&pulse->progress));
    atomic_store(&to->step, atomic_load(&pulse->step));
    atomic_store(&to->activity, atomic_load(&pulse->activity));
    atomic_store(&to->state, atomic_load(&pulse->state));
    pulse = to;
}
