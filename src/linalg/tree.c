#include "linalg/tree.h"
#include "base/mem.h"
#include "base/status.h"

#include <string.h>

int64_t tree_subtree(int64_t first, int64_t end)
{
    int64_t size = 1;
    while (first % (2 * size) == 0 && first + 2 * size <= end) size *= 2;
    return size;
}

int64_t tree_subtrees(int64_t first, int64_t count)
{
    int64_t subtrees = 0, end = first + count;
    for (int64_t at = first; at < end; at += tree_subtree(at, end)) subtrees++;
    return subtrees;
}

void tree_sum_init(TreeSum *sum, int64_t count, int64_t summands)
{
    int64_t depth = 2; // up to two of each size, and the next one
    for (int64_t n = summands; n > 0; n /= 2) depth += 2;
    *sum = (TreeSum){ .count = count, .capacity = depth < TREE_DEPTH ? depth : TREE_DEPTH };
    sum->values = MEM_NEW(double, sum->capacity *count);
}

void tree_sum_release(TreeSum *sum)
{
    mem_free(sum->values);
    *sum = (TreeSum){ 0 };
}

void tree_sum_clear(TreeSum *sum)
{
    sum->subtrees = 0;
}

double *tree_sum_next(TreeSum *sum)
{
    CHECK(sum->subtrees < sum->capacity, "more subtrees than %lld", (long long)sum->capacity);
    return sum->values + sum->subtrees * sum->count;
}

/// The last subtree goes into the one before it.
static void join(TreeSum *sum)
{
    int64_t last = --sum->subtrees;
    double *left = sum->values + (last - 1) * sum->count;
    const double *right = sum->values + last * sum->count;
    for (int64_t i = 0; i < sum->count; i++) left[i] += right[i];
    sum->size[last - 1] += sum->size[last];
}

void tree_sum_push(TreeSum *sum, int64_t first, int64_t size)
{
    int64_t at = sum->subtrees++;
    sum->first[at] = first;
    sum->size[at] = size;
    while (sum->subtrees > 1) {
        int64_t last = sum->subtrees - 1, half = sum->size[last];
        if (sum->size[last - 1] != half || sum->first[last - 1] % (2 * half)) break;
        join(sum);
    }
}

void tree_sum_total(double *out, TreeSum *sum)
{
    while (sum->subtrees > 1) join(sum);
    if (sum->subtrees)
        memcpy(out, sum->values, (size_t)sum->count * sizeof *out);
    else
        memset(out, 0, (size_t)sum->count * sizeof *out);
    sum->subtrees = 0;
}
