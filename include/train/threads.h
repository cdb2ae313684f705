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

/// Local. Appends "0-3,8".
void placement_cpus(Text *out, const cpu_set_t *cpus);
/// Local. Ranks on the node of `rank`; *first is the lowest of them.
int placements_on_node(const Placement *all, int count, int rank, int *first);
/// Local. True if two ranks of a node have a CPU in common: *one and *other.
bool placements_share(const Placement *all, int count, int *one, int *other);
/// Local. Appends how ranks with so many threads lie on nodes and CPUs, and to `trouble` a sentence
/// a line of what is wrong with that.
void placements_describe(Text *out, Text *trouble, const Placement *all, const int64_t *threads,
                         int count);

/// Collective. Logs that, where Slurm started the ranks; warns where those of a node are no run.
COLLECTIVE
void threads_announce(const Comm *comm);
/// Collective. Sets the threads of this rank: OMP_NUM_THREADS if set, else `placements_threads`.
COLLECTIVE
void threads_start(const Comm *comm);
/// Local. Threads of this rank.
int threads_count(void);
