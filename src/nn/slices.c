#include "nn/slices.h"
#include "linalg/tree.h"
#include "linalg/vecmath.h"

#include <string.h>

enum { BLOCK = 2048 }; // elements; one thread takes one block

static size_t floats_bytes(int64_t count)
{
    return (size_t)count * sizeof(float);
}

Span own_slices(const Tape *tape)
{
    return group_share(tape_slices(tape), tape_group_size(tape), tape_group_rank(tape));
}

/// out (count) = the sum of slices [first, first + size), numbered among this rank's.
static void sum_subtree(Tape *tape, float *out, int64_t count, Span slices, SliceProduct product,
                        const void *context)
{
    if (slices.count == 1) {
        product(out, slices.first, context);
        return;
    }
    int64_t half = slices.count / 2;
    sum_subtree(tape, out, count, (Span){ slices.first, half }, product, context);
    size_t mark = tape_scratch_begin(tape);
    float *right = tape_take(tape, floats_bytes(count));
    sum_subtree(tape, right, count, (Span){ slices.first + half, half }, product, context);
    vec_add(out, right, count);
    tape_scratch_end(tape, mark);
}

float *sum_subtrees(Tape *tape, int64_t count, SliceProduct product, const void *context)
{
    Span own = own_slices(tape);
    int64_t end = own.first + own.count;
    float *x = tape_take(tape, floats_bytes(tree_subtrees(own.first, own.count) * count)), *out = x;
    for (int64_t at = own.first, size; at < end; at += size, out += count) {
        size = tree_subtree(at, end);
        sum_subtree(tape, out, count, (Span){ at - own.first, size }, product, context);
    }
    return x;
}

/// sum (n) = elements [at, at + n) of the tree over slices [first, first + size), of `all`.
static void add_tree(float *sum, const Summand *parts, Span tree, int64_t all, Span elements)
{
    int64_t half = tree.count / 2, middle = tree.first + half;
    if (parts[tree.first].size == tree.count) {
        memcpy(sum, parts[tree.first].data + elements.first, floats_bytes(elements.count));
        return;
    }
    add_tree(sum, parts, (Span){ tree.first, half }, all, elements);
    if (middle >= all) return;
    float right[BLOCK];
    add_tree(right, parts, (Span){ middle, half }, all, elements);
    vec_add(sum, right, elements.count);
}

void slices_add_up(float *out, const Summand *parts, int64_t all, int64_t count, bool add)
{
    int64_t root = 1;
    while (root < all) root *= 2;
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < count; at += BLOCK) {
        float sum[BLOCK];
        int64_t n = count - at < BLOCK ? count - at : BLOCK;
        add_tree(sum, parts, (Span){ 0, root }, all, (Span){ at, n });
        if (add)
            vec_add(out + at, sum, n);
        else
            memcpy(out + at, sum, floats_bytes(n));
    }
}
