/// Sums over the slices of a group's products (nn/group.h) as one binary tree, wherever they are
/// made.
#pragma once
#include "nn/group.h"

/// Local. This rank's slices; its subtrees are the largest ones of the tree that hold only these.
Span own_slices(const Tape *tape);
/// Local. How many subtrees a run of slices comes to.
int64_t subtrees_of(Span run);
/// out (count) = the result of a slice, numbered among this rank's.
typedef void (*SliceProduct)(float *out, int64_t slice, const void *context);
/// Local. x (subtrees, count) = the sums of this rank's subtrees, from the tape.
float *sum_subtrees(Tape *tape, int64_t count, SliceProduct product, const void *context);
/// Local. Slices of the largest subtree that starts at `first` and holds none from `end` on.
int64_t slices_subtree(int64_t first, int64_t end);
/// The sum of `size` slices; 0: they are in another's.
typedef struct {
    const float *data;
    int64_t size;
} Summand;
/// Local, threads inside. out (count) = or += the sum of parts[all].
void slices_add_up(float *out, const Summand *parts, int64_t all, int64_t count, bool add);
