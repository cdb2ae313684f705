/// Sums over the slices of a group's products (nn/group.h) as one binary tree, wherever they are
/// made.
#pragma once
#include "nn/group.h"

/// Local. This rank's slices; its subtrees are the largest ones of the tree that hold only these.
Span own_slices(const Tape *tape);
/// out (count) = the result of a slice, numbered among this rank's.
typedef void (*SliceProduct)(float *out, int64_t slice, const void *context);
/// Local. x (subtrees, count) = the sums of this rank's subtrees, from the tape.
float *sum_subtrees(Tape *tape, int64_t count, SliceProduct product, const void *context);
/// The sum of `size` slices; 0: they are in another's.
typedef struct Summand {
    const float *data;
    int64_t size;
} Summand;
/// Local, threads inside. out (count) = or += the sum of parts[all].
void slices_add_up(float *out, const Summand *parts, int64_t all, int64_t count, bool add);
