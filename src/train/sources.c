#include "train/sources.h"
#include "base/mem.h"
#include "data/leaves.h"

/// The subtrees of leaves [leaf, end), which are `from`'s.
static void add_subtrees(Sources *s, Source from, int64_t leaf, int64_t end)
{
    int count = leaves_subtree_count(leaf, end);
    if (count > s->widest) s->widest = count;
    s->items = mem_resize(s->items, (size_t)(s->count + count), sizeof *s->items);
    for (int place = 0; place < count; place++) {
        Source *source = &s->items[s->count++];
        *source = from;
        source->start = leaf;
        source->size = leaves_subtree_size(leaf, end);
        source->place = place;
        leaf += source->size;
    }
}

static void add_ranks(Sources *s, const Comm *comm, const int64_t *cuts, const Subtrees *own,
                      int first, int end)
{
    for (int rank = first; rank < end; rank++) {
        int before = s->count;
        add_subtrees(s, (Source){ .rank = rank }, cuts[rank], cuts[rank + 1]);
        if (rank != comm->rank) continue;
        s->own_count = s->count - before;
        for (int i = 0; i < s->own_count; i++) s->items[before + i].own = &own->items[i];
    }
}

static void start(Sources *s, const Comm *comm, const int64_t *cuts)
{
    *s = (Sources){ .leaves = cuts[comm->size], .root = 1, .near_leaves = { 0, cuts[comm->size] } };
    while (s->root < s->leaves) s->root *= 2;
}

void sources_init(Sources *s, const Comm *comm, const int64_t *cuts, const Subtrees *own)
{
    start(s, comm, cuts);
    add_ranks(s, comm, cuts, own, 0, comm->size);
}

void sources_init_near(Sources *s, const Comm *comm, const int64_t *cuts, const Subtrees *own)
{
    const Node *node = comm->node;
    int here = node_island_of_rank(node, comm->rank);
    if (!node || node->island_count == 1) {
        sources_init(s, comm, cuts, own);
        return;
    }
    start(s, comm, cuts);
    for (int i = 0; i < node->island_count; i++) {
        int first = node->firsts[node->islands[i]], end = node->firsts[node->islands[i + 1]];
        if (i == here) {
            s->near_leaves[0] = cuts[first], s->near_leaves[1] = cuts[end];
            add_ranks(s, comm, cuts, own, first, end);
        } else
            add_subtrees(s, (Source){ .rank = -1, .island = i }, cuts[first], cuts[end]);
    }
}

void sources_release(Sources *s)
{
    mem_free(s->items);
    *s = (Sources){ 0 };
}

const Source *sources_find(const Sources *s, int64_t start, int64_t size)
{
    for (int i = 0; i < s->count; i++)
        if (s->items[i].start == start && s->items[i].size == size) return &s->items[i];
    return NULL;
}
