/// Where ranks run, and how many threads each gets.
#pragma once
#include "base/text.h"
#include "comm/comm.h"

#include <sched.h>

typedef struct {
    int64_t node;  ///< the same for ranks under one kernel
    char host[64]; ///< its name, for messages
    cpu_set_t cpus;
} Placement;

/// Collective. all[size], owned by the caller.
COLLECTIVE
void placements_gather(const Comm *comm, Placement **all);

/// Local. The CPUs of rank's mask, each shared by the ranks whose mask has it; at least 1.
int placements_threads(const Placement *all, int count, int rank);

/// Local. True if no lower rank is on its node.
bool placement_leads(const Placement *all, int rank);
/// Local. Appends "0-3,8".
void placement_cpus(Text *out, const cpu_set_t *cpus);

/// Collective. Sets the threads of this rank: OMP_NUM_THREADS if set, else `placements_threads`.
COLLECTIVE
void threads_start(const Comm *comm);
/// Local. Threads of this rank.
int threads_count(void);
