#include "data/leaves.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static const double tokens_of_leaf = 256; // fewer make matrix products slow

int64_t leaves_choose(int64_t batch_size, double mean_tokens_of_step)
{
    int64_t leaves = 1;
    while (2 * leaves <= batch_size && 2 * (double)leaves <= mean_tokens_of_step / tokens_of_leaf)
        leaves *= 2;
    return leaves;
}

typedef struct {
    uint64_t key;
    int64_t row;
} Place;

static int by_key(const void *a, const void *b)
{
    const Place *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

void order_epoch(int64_t *rows, int64_t count, bool shuffle, uint64_t seed, int64_t epoch)
{
    Place *places = MEM_NEW(Place, count);
    for (int64_t i = 0; i < count; i++) {
        uint64_t key =
            shuffle ? rng_bits(seed, RNG_SHUFFLE, (uint32_t)epoch, (uint64_t)rows[i]) : 0;
        places[i] = (Place){ key, rows[i] };
    }
    qsort(places, (size_t)count, sizeof *places, by_key);
    for (int64_t i = 0; i < count; i++) rows[i] = places[i].row;
    mem_free(places);
}

void leaf_plan_release(LeafPlan *plan)
{
    mem_free(plan->starts);
    mem_free(plan->members);
    mem_free(plan->costs);
    mem_free(plan->scratch);
    *plan = (LeafPlan){ 0 };
}

static void reserve_plan(LeafPlan *plan, int64_t count, int64_t leaves)
{
    if (leaves <= plan->leaf_capacity && count <= plan->member_capacity && plan->scratch) return;
    if (leaves > plan->leaf_capacity || !plan->starts) {
        plan->starts = mem_resize(plan->starts, (size_t)leaves + 1, sizeof *plan->starts);
        plan->costs = mem_resize(plan->costs, (size_t)leaves, sizeof *plan->costs);
        plan->leaf_capacity = leaves;
    }
    if (count > plan->member_capacity || !plan->members) {
        plan->members = mem_resize(plan->members, (size_t)count, sizeof *plan->members);
        plan->member_capacity = count;
    }
    size_t scratch = (size_t)(2 * plan->member_capacity + plan->leaf_capacity);
    plan->scratch = mem_resize(plan->scratch, scratch, sizeof *plan->scratch);
}

static int by_falling_cost(const void *a, const void *b, void *context)
{
    const double *costs = context;
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    if (costs[x] != costs[y]) return costs[x] > costs[y] ? -1 : 1;
    return (x > y) - (x < y);
}

static bool is_lighter(const double *costs, int64_t a, int64_t b)
{
    return costs[a] != costs[b] ? costs[a] < costs[b] : a < b;
}

/// Restores the heap after its first leaf became heavier.
static void sink_first(int64_t *heap, int64_t count, const double *costs)
{
    int64_t leaf = heap[0], at = 0;
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_lighter(costs, heap[child + 1], heap[child])) child++;
        if (is_lighter(costs, leaf, heap[child])) break;
        heap[at] = heap[child];
    }
    heap[at] = leaf;
}

void leaves_assign(LeafPlan *plan, const double *costs, int64_t count, int64_t leaves)
{
    CHECK(leaves > 0, "a step of no leaves");
    reserve_plan(plan, count, leaves);
    plan->leaves = leaves;
    int64_t *order = plan->scratch, *leaf_of = order + count, *heap = leaf_of + count;
    memset(plan->starts, 0, (size_t)(leaves + 1) * sizeof *plan->starts);
    for (int64_t i = 0; i < count; i++) order[i] = i;
    for (int64_t i = 0; i < leaves; i++) {
        heap[i] = i;
        plan->costs[i] = 0;
    }
    qsort_r(order, (size_t)count, sizeof *order, by_falling_cost, (void *)costs);
    for (int64_t i = 0; i < count; i++) {
        leaf_of[order[i]] = heap[0];
        plan->costs[heap[0]] += costs[order[i]];
        plan->starts[heap[0] + 1]++;
        sink_first(heap, leaves, plan->costs);
    }
    for (int64_t i = 0; i < leaves; i++) plan->starts[i + 1] += plan->starts[i];
    int64_t *next = heap; // the heap is done with
    memcpy(next, plan->starts, (size_t)leaves * sizeof *next);
    for (int64_t i = 0; i < count; i++) plan->members[next[leaf_of[i]]++] = i;
}

int64_t leaves_subtree_size(int64_t first, int64_t end)
{
    int64_t size = first ? first & -first : INT64_MAX / 2 + 1;
    while (size > end - first) size /= 2;
    return size;
}

int leaves_subtree_count(int64_t first, int64_t end)
{
    int subtrees = 0;
    for (int64_t at = first; at < end; at += leaves_subtree_size(at, end)) subtrees++;
    return subtrees;
}

/// `leaves_cut` of fewer ranks than leaves. After r ranks the cut stands at most
/// slack = ranks x cap - leaves below r x cap, so a table of slack + 1 columns holds the fewest
/// pieces: least[r][d] for the cut at r x cap - d.
static void cut_fewest_pieces(int64_t *cuts, int64_t leaves, int64_t ranks)
{
    int64_t cap = (leaves + ranks - 1) / ranks, slack = ranks * cap - leaves, width = slack + 1;
    int64_t *least = MEM_NEW(int64_t, (ranks + 1) * width);
    int64_t *previous = MEM_NEW(int64_t, (ranks + 1) * width);
    for (int64_t d = 1; d < width; d++) least[d] = INT64_MAX;
    for (int64_t r = 1; r <= ranks; r++) {
        for (int64_t d = 0; d < width; d++) {
            int64_t at = r * width + d, end = r * cap - d;
            least[at] = INT64_MAX;
            for (int64_t size = cap; end >= 0 && size >= 0 && cap - size <= d; size--) {
                int64_t from = (r - 1) * width + d - (cap - size);
                if (least[from] == INT64_MAX) continue;
                int64_t pieces = least[from] + leaves_subtree_count(end - size, end);
                if (pieces >= least[at]) continue;
                least[at] = pieces;
                previous[at] = end - size;
            }
        }
    }
    cuts[ranks] = leaves;
    for (int64_t r = ranks; r > 0; r--) cuts[r - 1] = previous[r * width + r * cap - cuts[r]];
    mem_free(previous);
    mem_free(least);
}

void leaves_cut(int64_t *cuts, int64_t leaves, int64_t ranks)
{
    if (ranks < leaves)
        cut_fewest_pieces(cuts, leaves, ranks);
    else // one each, the others idle
        for (int64_t rank = 0; rank <= ranks; rank++) cuts[rank] = rank < leaves ? rank : leaves;
}
