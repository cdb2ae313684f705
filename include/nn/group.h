/// Several ranks on one leaf: each has a part of every large weight, the tape's group has them all.
///
/// Products are column parallel (a rank has some of the outputs) or row parallel (some of the
/// inputs: its result is one summand of the whole; Shoeybi et al. 2019). Between them each rank has
/// a run of the leaf's tokens at full width, its own tokens (Korthikanti et al. 2022): norms,
/// residual sums and dropout of a token are done once and with the bits of a rank alone. A tape
/// without a group has all weights and all tokens, and nothing here does anything.
///
/// Groupwise stands for: by all ranks of the group, which run the same operators in the same order.
/// Operators cannot fail, so none of them leaves early; every forward and backward pass is
/// groupwise.
#pragma once
#include "comm/comm.h"
#include "nn/tape.h"

enum { GROUP_MOST_RANKS = 64 };

/// Tokens [first, first + count) of the leaf.
typedef struct {
    int64_t first, count;
} Span;

/// Local. The tape's ranks from now on; borrowed. One of a single rank is none.
void tape_set_group(Tape *tape, const Comm *group);
/// Local. Ranks of the group, and this one among them; 1 and 0 without one.
int tape_group_size(const Tape *tape);
int tape_group_rank(const Tape *tape);
const Comm *tape_group(const Tape *tape); ///< NULL: none
/// Local. For messages within the group.
struct Exchange *tape_exchange(const Tape *tape);
/// Local. The part of `count` things in a row that one of `ranks` has, where they are split.
static inline Span group_share(int64_t count, int64_t ranks, int64_t rank)
{
    int64_t first = count * rank / ranks;
    return (Span){ first, count * (rank + 1) / ranks - first };
}
/// Local. How many of a model's heads a rank has: its share, at least one.
int64_t group_heads(const Tape *tape, int64_t heads);
/// Local. The tokens of a rank of the group: whole blocks of 64.
Span tape_tokens_of(const Tape *tape, int rank);

/// Groupwise. x (count) = its sum over ranks [first, first + ranks) of the group, in their order,
/// for whom this is one of: the same bits on all of them.
void group_sum(Tape *tape, float *x, int64_t count, int first, int ranks);

/// Groupwise. y (T, C) = the tokens of all ranks from x, each rank's own ones. `partial`: what is
/// made of y differs from rank to rank, so that its gradient is the sum over them; else all ranks
/// do the same with it.
Var *gather_tokens(Tape *tape, Var *x, bool partial);
/// Groupwise. y (own tokens, C) = the sum of x (T, C) over the ranks + b (1, C; may be NULL).
Var *scatter_tokens(Tape *tape, Var *x, Weight *b);
/// Groupwise. y (rows, all C) = the columns of all ranks, each its `group_share`, side by side. Not
/// recorded.
Var *gather_columns(Tape *tape, Var *x, int64_t all_columns);

/// Groupwise. As `linear`: of own tokens to all tokens and a part of the outputs; and back.
Var *column_parallel(Tape *tape, Var *x, Weight *w, Weight *b);
Var *row_parallel(Tape *tape, Var *x, Weight *w, Weight *b);
