/// One job per run folder.
#pragma once
#include "base/status.h"

#include <pthread.h>

typedef struct {
    char path[1100];  ///< "" while not held
    pthread_t thread; ///< renews the heartbeat, whatever this process is busy with
    bool beats;
} Lock;

/// Local (rank 0). Takes RUN/lock. A holder on this host that is dead is replaced silently; one
/// that is alive is waited for up to 30 s, then refused by name; one on another host is replaced
/// when Slurm says that its job is gone or, where Slurm says nothing, its heartbeat is older than
/// 120 s. The heartbeat of a lock that is held is renewed every 20 s. `lock` must not move.
Status lock_take(Lock *lock, const char *run);
void lock_release(Lock *lock);
