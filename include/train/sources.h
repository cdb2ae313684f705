/// The subtrees of all ranks, or of the ranks of this island and of other islands each as a whole:
/// what the tree over a step's leaves is put together from.
#pragma once
#include "train/subtrees.h"

/// A subtree of some rank, known before the step.
typedef struct {
    int64_t start, size; ///< leaves
    int rank;            ///< whose; -1: of another island
    int island;          ///< that island
    int place;           ///< which of its subtrees
    Subtree *own;        ///< NULL if another rank's
} Source;

typedef struct {
    Source *items; ///< (count), owned; by start
    int count;
    int own_count, widest;  ///< subtrees of this rank; most of any rank
    int64_t leaves, root;   ///< of the step; size of the tree's root
    int64_t near_leaves[2]; ///< those of this island: [first, end)
} Sources;

/// Local. Rank r owns leaves [cuts[r], cuts[r + 1]); `own` are this rank's subtrees, borrowed.
void sources_init(Sources *sources, const Comm *comm, const int64_t *cuts, const Subtrees *own);
/// Local. With other islands as a whole.
void sources_init_near(Sources *sources, const Comm *comm, const int64_t *cuts,
                       const Subtrees *own);
void sources_release(Sources *sources);
/// Local. The subtree over leaves [start, start + size), NULL if it is no rank's.
const Source *sources_find(const Sources *sources, int64_t start, int64_t size);
