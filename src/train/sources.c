#include "train/sources.h"
#include "base/mem.h"
#include "data/leaves.h"

static void add_rank(Sources *s, int rank, int64_t leaf, int64_t end, Subtree *own)
{
    int count = leaves_subtree_count(leaf, end);
    if (count > s->widest) s->widest = count;
    if (own) s->own_count = count;
    s->items = mem_resize(s->items, (size_t)(s->count + count), sizeof *s->items);
    for (int place = 0; place < count; place++) {
        Source source = { .start = leaf, .rank = rank, .place = place };
        source.size = leaves_subtree_size(leaf, end);
        source.own = own ? own + place : NULL;
        s->items[s->count++] = source;
        leaf += source.size;
    }
}

void sources_init(Sources *s, const Comm *comm, const int64_t *cuts, const Subtrees *own)
{
    *s = (Sources){ .leaves = cuts[comm->size], .root = 1 };
    while (s->root < s->leaves) s->root *= 2;
    for (int rank = 0; rank < comm->size; rank++)
        add_rank(s, rank, cuts[rank], cuts[rank + 1], rank == comm->rank ? own->items : NULL);
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
