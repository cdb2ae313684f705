/// Sums as one binary tree over numbered summands, wherever these are: the same bits however runs
/// of them are dealt to ranks. Two neighbours of one size are added when the first begins at a
/// multiple of twice that size.
#pragma once
#include <stdint.h>

/// Local. Summands of the largest subtree that starts at `first` and holds none from `end` on.
int64_t tree_subtree(int64_t first, int64_t end);
/// Local. How many subtrees the run [first, first + count) comes to.
int64_t tree_subtrees(int64_t first, int64_t count);

enum { TREE_DEPTH = 64 };
/// The subtrees of a run that is pushed in its order.
typedef struct {
    int64_t count;  ///< doubles of a summand
    double *values; ///< (capacity, count), owned
    int64_t subtrees, capacity;
    int64_t first[TREE_DEPTH], size[TREE_DEPTH];
} TreeSum;
/// Local. Room for runs of so many subtrees, each of so many summands. The caller owns it.
void tree_sum_init(TreeSum *sum, int64_t count, int64_t summands);
void tree_sum_release(TreeSum *sum);
void tree_sum_clear(TreeSum *sum);
/// Local. Where the next subtree's values (count) go, before it is pushed.
double *tree_sum_next(TreeSum *sum);
/// Local. Takes them as the subtree [first, first + size), which follows the last one.
void tree_sum_push(TreeSum *sum, int64_t first, int64_t size);
/// Local. out (count) = the whole; what was pushed is destroyed.
void tree_sum_total(double *out, TreeSum *sum);
