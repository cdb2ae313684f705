/// One job per run folder.
#pragma once
#include "base/status.h"

#include <pthread.h>
#include <semaphore.h>

typedef struct {
    char path[1100];  ///< "" while not held
    pthread_t thread; ///< renews the heartbeat, whatever this process is busy with
    sem_t released;   ///< ends it
    bool beats;
} Lock;

/// Local (rank 0). Takes RUN/lock. A holder whose process this one can see (same boot, same pid
/// namespace) is replaced silently if it is dead; one that is alive is waited for up to 30 s, then
/// refused by name. Any other is replaced when Slurm says that its job is gone or its heartbeat is
/// older than 120 s by the file server's clock. The heartbeat of a lock that is held is renewed
/// every 20 s. `lock` must not move.
Status lock_take(Lock *lock, const char *run);
/// Local (rank 0). FAILED if the lock is no longer ours: another job took it over while this one
/// was frozen or cut off. Asked before anything of value is written.
Status lock_check(const Lock *lock);
void lock_release(Lock *lock);
