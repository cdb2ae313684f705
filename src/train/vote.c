#include "train/vote.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

/// A rank's ballot: stop, the losses of its leaves, the squares of its blocks.
static int64_t ballot_size(const Vote *vote, int rank)
{
    int64_t leaves = vote->cuts[rank + 1] - vote->cuts[rank];
    return 1 + leaves + blocks_owned(vote->blocks, rank);
}

void vote_init(Vote *vote, const Comm *comm, const Comm *group, const Blocks *blocks,
               const int64_t *cuts)
{
    int64_t total = 0;
    *vote = (Vote){ .comm = comm, .group = group, .blocks = blocks, .cuts = cuts };
    vote->counts_bytes = MEM_NEW(int64_t, comm->size);
    for (int rank = 0; rank < comm->size; rank++) {
        int64_t size = ballot_size(vote, rank);
        vote->counts_bytes[rank] = size * (int64_t)sizeof(double);
        total += size;
    }
    vote->mine = MEM_NEW(double, ballot_size(vote, comm->rank));
    vote->all = MEM_NEW(double, total);
    vote->losses = MEM_NEW(double, cuts[comm->size]);
    vote->squares = MEM_NEW(double, blocks->count);
    vote->unread = MEM_NEW(double *, comm->size);
}

void vote_release(Vote *vote)
{
    mem_free(vote->mine);
    mem_free(vote->all);
    mem_free(vote->counts_bytes);
    mem_free(vote->losses);
    mem_free(vote->squares);
    mem_free(vote->unread);
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
    const Blocks *blocks = vote->blocks;
    const int64_t *cuts = vote->cuts;
    int64_t first = cuts[vote->comm->rank], count = cuts[vote->comm->rank + 1] - first;
    double *at = vote->mine;
    *at++ = stop;
    memcpy(at, vote->losses + first, (size_t)count * sizeof *at);
    at += count;
    for (int i = 0; i < blocks->count; i++)
        if (blocks->items[i].owner == vote->comm->rank) *at++ = vote->squares[i];
    comm_gather_all(vote->comm, vote->all, vote->mine, vote->counts_bytes);
    double stops = 0;
    at = vote->all;
    for (int rank = 0; rank < vote->comm->size; rank++) {
        first = cuts[rank], count = cuts[rank + 1] - first;
        stops += at[0];
        memcpy(vote->losses + first, at + 1, (size_t)count * sizeof *at);
        vote->unread[rank] = at + 1 + count;
        at += vote->counts_bytes[rank] / (int64_t)sizeof *at;
    }
    for (int i = 0; i < blocks->count; i++)
        vote->squares[i] = *vote->unread[blocks->items[i].owner]++;
    double found[] = { pairwise(vote->squares, blocks->count), stops };
    if (vote->group) comm_sum_doubles(vote->group, found, 2); // agreed: all are in a group or none
    *out = (Verdict){ .loss = pairwise(vote->losses, cuts[vote->comm->size]),
                      .grad_norm = sqrt(found[0]),
                      .stop = found[1] > 0 };
}
