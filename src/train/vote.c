#include "train/vote.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

/// A rank's ballot: stop, writes, its sum of squares, the losses of its leaves.
enum { SQUARES = 2, FIXED = SQUARES + SQUARE_LEVELS };

void vote_init(Vote *vote, const Comm *comm, const Comm *group, const int64_t *cuts)
{
    int64_t leaves = cuts[comm->size];
    *vote = (Vote){ .comm = comm, .group = group, .cuts = cuts };
    vote->counts_bytes = MEM_NEW(int64_t, comm->size);
    for (int rank = 0; rank < comm->size; rank++)
        vote->counts_bytes[rank] = (FIXED + cuts[rank + 1] - cuts[rank]) * (int64_t)sizeof(double);
    vote->mine = MEM_NEW(double, FIXED + leaves);
    vote->all = MEM_NEW(double, FIXED * comm->size + leaves);
    vote->losses = MEM_NEW(double, leaves);
}

void vote_release(Vote *vote)
{
    mem_free(vote->mine);
    mem_free(vote->all);
    mem_free(vote->counts_bytes);
    mem_free(vote->losses);
    *vote = (Vote){ 0 };
}

/// The sum as a balanced tree over positions.
static double pairwise(const double *x, int64_t n)
{
    if (n == 0) return 0;
    if (n == 1) return x[0];
    return pairwise(x, n / 2) + pairwise(x + n / 2, n - n / 2);
}

void vote_cast(Vote *vote, Verdict *out, bool stop)
{
    const int64_t *cuts = vote->cuts;
    int rank = vote->comm->rank;
    double *at = vote->mine, sums[FIXED + 1] = { 0 }; // exact: in any order
    SquareSum squares;
    at[0] = stop;
    at[1] = vote->writes;
    memcpy(at + SQUARES, vote->squares.levels, sizeof squares.levels);
    memcpy(at + FIXED, vote->losses + cuts[rank],
           (size_t)(cuts[rank + 1] - cuts[rank]) * sizeof *at);
    comm_gather_all(vote->comm, vote->all, vote->mine, vote->counts_bytes);
    at = vote->all;
    for (rank = 0; rank < vote->comm->size; rank++) {
        int64_t count = cuts[rank + 1] - cuts[rank];
        for (int i = 0; i < FIXED; i++) sums[i] += at[i];
        memcpy(vote->losses + cuts[rank], at + FIXED, (size_t)count * sizeof *at);
        at += FIXED + count;
    }
    double loss = pairwise(vote->losses, cuts[vote->comm->size]);
    sums[FIXED] = !isfinite(loss);
    if (vote->group) comm_sum_doubles(vote->group, sums, FIXED + 1); // agreed: all have one or none
    memcpy(squares.levels, sums + SQUARES, sizeof squares.levels);
    // one that a single rank of the group has found stops all of them
    *out = (Verdict){ .loss = isfinite(loss) && sums[FIXED] > 0 ? NAN : loss,
                      .grad_norm = sqrt(square_sum_total(&squares)),
                      .stop = sums[0] > 0,
                      .writes = sums[1] > 0 };
}
