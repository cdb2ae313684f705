/// One job per run folder.
#pragma once
#include "base/status.h"

typedef struct {
    char path[1100]; ///< "" while not held
    double last_beat_s;
} Lock;

/// Local (rank 0). Takes RUN/lock. A holder on this host that is dead is replaced silently; one
/// that is alive is waited for up to 30 s, then refused by name; one on another host is replaced
/// when Slurm says that its job is gone, or its heartbeat is older than 120 s.
Status lock_take(Lock *lock, const char *run);
/// Local. Renews the heartbeat every 20 s; cheap to call each step.
void lock_beat(Lock *lock);
void lock_release(Lock *lock);
