/// Energy of this node's processor packages, where the kernel tells (RAPL, /sys/class/powercap; on
/// most systems its counters are the administrator's to open).
#pragma once
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

enum { ENERGY_ZONES = 16 };
#define ENERGY_FOLDER "/sys/class/powercap"

/// One counter: it starts again at 0 beyond its range.
typedef struct {
    char path[256];
    int64_t last_uj, range_uj;
} EnergyZone;

typedef struct {
    EnergyZone zones[ENERGY_ZONES];
    int count;
    int64_t used_uj;  ///< so far
    pthread_t thread; ///< reads before a counter can have gone round: in minutes at 100 W
    sem_t stopped;
    bool runs;
} Energy;

/// Local. Begins to count; `energy` must not move. `folder` is ENERGY_FOLDER, or a test's.
void energy_start(Energy *energy, const char *folder);
/// Local. Joules since the start, -1 where nothing can be read.
double energy_stop(Energy *energy);
