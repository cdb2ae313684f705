/// A step is a list of leaves: which rows, in which leaf, on which rank. Functions of their
/// arguments alone, computed alike on every rank; the number of ranks enters only in the last one.
#pragma once
#include "data/dataset.h"
#include "nn/packing.h"

#include <stdbool.h>
#include <stdint.h>

/// Local. Leaves of a step: the largest power of two that is <= batch_size and <= mean tokens of a
/// step / 256; at least 1.
int64_t leaves_choose(int64_t batch_size, double mean_tokens_of_step);

/// Local. Puts `rows` into the order of an epoch: by the random number of (seed, epoch, row), ties
/// by row; ascending without `shuffle`. The order before does not matter.
void order_epoch(int64_t *rows /* (count) */, int64_t count, bool shuffle, uint64_t seed,
                 int64_t epoch);

/// The leaves of one step, reused from step to step. `(LeafPlan){0}` is empty.
typedef struct {
    int64_t leaves;
    int64_t *starts;  ///< (leaves + 1), owned: leaf g is members [starts[g], starts[g + 1])
    int64_t *members; ///< (count), owned: positions in the step, ascending within a leaf
    double *costs;    ///< (leaves), owned
    int64_t *scratch; ///< owned
    int64_t leaf_capacity, member_capacity;
} LeafPlan;
void leaf_plan_release(LeafPlan *plan);

/// Local. Cuts the sequences of a step into leaves, longest processing time first: by falling cost
/// (ties: position), each into the leaf with the least cost so far (ties: lowest leaf). `costs` is
/// the model's work for each sequence. A leaf may stay empty.
void leaves_assign(LeafPlan *plan, const double *costs /* (count) */, int64_t count,
                   int64_t leaves);

/// Local. Leaves [first, end) fall into maximal aligned powers of two, the whole subtrees of the
/// tree over all leaves: the size of the first one, and their number.
int64_t leaves_subtree_size(int64_t first, int64_t end);
int leaves_subtree_count(int64_t first, int64_t end);

/// Local. Rank r has leaves [cuts[r], cuts[r + 1]): at most ceil(leaves / ranks), cut so that the
/// aligned powers of two into which all runs fall are fewest (they are what ranks exchange). With
/// more ranks than leaves, and sometimes with fewer, a rank has none.
void leaves_cut(int64_t *cuts /* (ranks + 1) */, int64_t leaves, int64_t ranks);

/// What a leaf's packing points to, reused from leaf to leaf. `(LeafBuffers){0}` is empty;
/// `leaf_buffers_reserve` sizes it, else it grows with the largest leaf.
typedef struct {
    int64_t sequence_capacity, token_capacity;
    int32_t *cu_seqlens; ///< (sequence_capacity + 1), owned
    int64_t *samples;    ///< (sequence_capacity), owned
    int32_t *labels;     ///< (sequence_capacity), owned: -1 without a label
    int32_t *ids;        ///< (token_capacity), owned
    int32_t *types;      ///< (token_capacity), owned
    uint8_t *wanted;     ///< (token_capacity), owned: to be predicted, if has_wanted, else all are
    bool has_wanted;
} LeafBuffers;
void leaf_buffers_reserve(LeafBuffers *buffers, int64_t sequences, int64_t tokens);
void leaf_buffers_release(LeafBuffers *buffers);

/// Local. Lays rows of the data set end to end. `out` borrows from the buffers and lives until the
/// next call; its types are NULL if no row has a second text. Labels are in buffers->labels.
void leaf_pack(LeafBuffers *buffers, Packing *out, const Dataset *dataset,
               const int64_t *rows /* (count) */, int64_t count);
