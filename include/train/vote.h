/// The one small message of a step: losses, norm, and whether to stop.
#pragma once
#include "comm/comm.h"
#include "linalg/vecmath.h"

typedef struct {
    const Comm *comm;      ///< of the replicas
    const Comm *group;     ///< NULL: none
    const int64_t *cuts;   ///< (ranks + 1): leaves of each rank
    double *mine, *all;    ///< packed ballots, owned
    int64_t *counts_bytes; ///< (ranks), owned
    double *losses;        ///< (leaves), owned
    SquareSum squares;     ///< of what this rank owns of the gradient
    bool writes;           ///< a thread of this rank is writing a checkpoint
} Vote;

typedef struct {
    double loss;      ///< summed over leaves, pairwise; not finite on all ranks or on none
    double grad_norm; ///< global norm before clipping
    bool stop;        ///< a rank was asked to stop
    bool writes;      ///< on some rank
} Verdict;

/// Local. `cuts` as for `gradients_new`. All are borrowed.
void vote_init(Vote *vote, const Comm *comm, const Comm *group, const int64_t *cuts);
void vote_release(Vote *vote);
/// Collective. Combines every rank's leaf losses (vote->losses), squares (vote->squares) and `stop`
/// into one verdict, the same on all ranks and for all rank counts.
COLLECTIVE
void vote_cast(Vote *vote, Verdict *out, bool stop);
