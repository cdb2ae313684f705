/// Several ranks on one leaf: each has a part of every large weight, the tape's group has them all.
///
/// Products are column parallel (a rank has some of the outputs) or row parallel (some of the
/// inputs: its result is one summand of the whole; Shoeybi et al. 2019). Between them each rank has
/// a run of the leaf's tokens at full width, its own tokens (Korthikanti et al. 2022): norms,
/// residual sums and dropout of a token are done once and with the bits of a rank alone. A tape
/// without a group has all weights and all tokens, and nothing here does anything.
///
/// What is split is cut into slices, of which each rank has as many. A product is made slice by
/// slice, and a sum over them is one binary tree, wherever they are: so the bits follow from the
/// number of slices, not of ranks. Sums over tokens are trees over blocks of 64 tokens alike, which
/// every rank completes for itself.
///
/// Groupwise stands for: by all ranks of the group, which run the same operators in the same order.
/// Operators cannot fail, so none of them leaves early; every forward and backward pass is
/// groupwise.
#pragma once
#include "comm/comm.h"
#include "linalg/dmat.h"
#include "nn/tape.h"

enum { GROUP_MOST_RANKS = 64 };

/// A run of things, [first, first + count): tokens of the leaf, slices, blocks.
typedef struct {
    int64_t first, count;
} Span;

/// Local. The tape's ranks from now on (borrowed; NULL: none), and the slices that they have
/// between them: a multiple of their number. On `grid` (1 x ranks, of theirs, borrowed) ScaLAPACK
/// makes the products of layers; NULL: this folder does.
void tape_set_group(Tape *tape, const Comm *group, int64_t slices, const MatrixGrid *grid);
/// Local. Ranks of the group, and this one among them; 1 and 0 without one.
int tape_group_size(const Tape *tape);
int tape_group_rank(const Tape *tape);
const Comm *tape_group(const Tape *tape);             ///< NULL: none
int64_t tape_slices(const Tape *tape);                ///< of all ranks; 1 without a group
const MatrixGrid *tape_matrix_grid(const Tape *tape); ///< NULL: none
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
/// Local. The tokens of a rank of the group, of which there are `size`: whole blocks of 64.
Span group_token_span(int64_t tokens, int size, int rank);
Span tape_tokens_of(const Tape *tape, int rank); ///< Local. Likewise, of the leaf's.

/// Ranks [first, first + count) of the group, which have all slices between them.
typedef struct {
    int first, count;
    int64_t slices;
} GroupRanks;
/// A sum on its way. What has arrived lies in the scratch of the operator, which ends it after
/// `group_sum_finish`; until then x and out stay untouched.
typedef struct {
    float *out; ///< (count): this rank's section
    int64_t count;
    const struct Summand *parts; ///< (slices) of it
    GroupRanks ranks;
    bool add;
    float *all; ///< that out is a section of, where everybody gets the others' too, or NULL
    const Span *sections; ///< then: everybody's
} GroupSum;
/// Groupwise. Starts out (count) = or += the sum over all slices of x (subtrees, count), the same
/// bits on all ranks; what it is added to is the same everywhere too.
GroupSum group_sum_slices(Tape *tape, float *out, const float *x, int64_t count, bool add);
/// Groupwise. Starts out (own tokens, cols) = or += the same of x (subtrees, T, cols).
GroupSum group_sum_tokens(Tape *tape, float *out, const float *x, int64_t cols, bool add);
void group_sum_finish(Tape *tape, const GroupSum *sum); ///< Groupwise.
/// Local, between the tiles of a product (`GemmPart`): lets messages of the tape's group
/// move.
void group_move(void *tape);
/// Groupwise. x (count) = its sum over ranks [first, first + ranks) of the group, for whom this is
/// one of: the same bits on all of them.
void group_sum(Tape *tape, float *x, int64_t count, int first, int ranks);
/// Groupwise. Starts x (T, cols) = everybody's tokens, of which `own` (own tokens, cols) are this
/// rank's, and there at once.
void group_share_tokens(Tape *tape, float *x, const float *own, int64_t cols);
void group_share_finish(Tape *tape); ///< Groupwise.

/// Sums over x's blocks of tokens: this rank makes those of its `own`, of `all`.
typedef struct {
    int64_t all;
    Span own;
} TokenBlocks;
TokenBlocks token_blocks(const Tape *tape, const Var *x); ///< Local.
/// Groupwise. Each of sums[count] (NULL: skipped) is (all blocks, cols) with this rank's in place:
/// everybody's.
void token_blocks_share(Tape *tape, const Var *x, float *const *sums, int count, int64_t cols);
/// Groupwise. out (cols) = or += the sum of the rows of dy, of y's shape: of all tokens, where y
/// has own ones.
void group_columns_sum(Tape *tape, float *out, const Var *y, const float *dy, bool first);

/// Groupwise. y (T, C) = the tokens of all ranks from x, each rank's own ones, with which all ranks
/// do the same.
Var *gather_tokens(Tape *tape, Var *x);
/// Groupwise. y (own tokens, C) = the sum of x (T, C) over the ranks, of which one has a row and
/// the others zeros.
Var *scatter_tokens(Tape *tape, Var *x);
/// Groupwise. y (rows, all C) = the columns of all ranks, each its `group_share`, side by side. Not
/// recorded.
Var *gather_columns(Tape *tape, Var *x, int64_t all_columns);

/// Groupwise, parallel.c. As `linear`: of own tokens to all tokens and a part of the outputs; and
/// back. A weight may be a left factor: then y = (x right') w' + b.
Var *column_parallel(Tape *tape, Var *x, Weight *w, Weight *b);
Var *row_parallel(Tape *tape, Var *x, Weight *w, Weight *b);
