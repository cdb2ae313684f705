#include "token/trie.h"
#include "base/mem.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/// Nodes are added by the block; only the last few blocks are searched for free ones.
enum { BLOCK = 256, OPEN = 8 * BLOCK };

/// Keys [first, last) share their first `depth` bytes, which lead to `node`.
typedef struct {
    int64_t first, last;
    size_t depth;
    int32_t node;
} Task;

typedef struct {
    Trie trie;
    int32_t capacity, search_from;
    Task *tasks; ///< first in, first out: shallow nodes come to lie together
    int64_t task_count, task_capacity;
} Builder;

static int compare_keys(const void *left, const void *right)
{
    const TrieKey *a = left, *b = right;
    size_t shorter = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order = shorter ? memcmp(a->text, b->text, shorter) : 0;
    if (order) return order;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

static void add_block(Builder *builder)
{
    Trie *trie = &builder->trie;
    CHECK(trie->count <= INT32_MAX / 4, "a vocabulary too large to index");
    if (trie->count == builder->capacity) {
        builder->capacity = builder->capacity ? 2 * builder->capacity : 2 * BLOCK;
        trie->nodes = mem_resize(trie->nodes, (size_t)builder->capacity, sizeof *trie->nodes);
    }
    for (int32_t i = 0; i < BLOCK; i++)
        trie->nodes[trie->count++] = (TrieNode){ .parent = -1, .value = -1 };
}

static bool fits(const Trie *trie, int32_t base, const unsigned char *labels, int count)
{
    for (int i = 0; i < count; i++)
        if (trie->nodes[base ^ labels[i]].parent >= 0) return false;
    return true;
}

/// A base whose children with these labels are all free. They lie in one block.
static int32_t find_base(Builder *builder, const unsigned char *labels, int count)
{
    const Trie *trie = &builder->trie;
    if (builder->search_from < trie->count - OPEN) builder->search_from = trie->count - OPEN;
    while (builder->search_from < trie->count && trie->nodes[builder->search_from].parent >= 0)
        builder->search_from++;
    for (int32_t node = builder->search_from; node < trie->count; node++) {
        int32_t base = node ^ labels[0];
        if (trie->nodes[node].parent < 0 && fits(trie, base, labels, count)) return base;
    }
    add_block(builder);
    return trie->count - BLOCK;
}

static void add_task(Builder *builder, Task task)
{
    if (builder->task_count == builder->task_capacity) {
        builder->task_capacity = builder->task_capacity ? 2 * builder->task_capacity : 256;
        builder->tasks =
            mem_resize(builder->tasks, (size_t)builder->task_capacity, sizeof *builder->tasks);
    }
    builder->tasks[builder->task_count++] = task;
}

/// Gives the node of a task its value and its children, each of them a new task.
static void place_children(Builder *builder, const TrieKey *keys, Task task)
{
    unsigned char labels[256];
    int64_t starts[257];
    int count = 0;
    for (; task.first < task.last && keys[task.first].bytes == task.depth; task.first++) {
        TrieNode *node = &builder->trie.nodes[task.node];
        if (task.depth && node->value < 0) node->value = keys[task.first].value;
    }
    for (int64_t i = task.first; i < task.last; i++) {
        unsigned char label = (unsigned char)keys[i].text[task.depth];
        if (count && labels[count - 1] == label) continue;
        starts[count] = i;
        labels[count++] = label;
    }
    if (!count) return;
    starts[count] = task.last;
    int32_t base = find_base(builder, labels, count);
    builder->trie.nodes[task.node].base = base;
    for (int i = 0; i < count; i++) builder->trie.nodes[base ^ labels[i]].parent = task.node;
    for (int i = 0; i < count; i++)
        add_task(builder, (Task){ starts[i], starts[i + 1], task.depth + 1, base ^ labels[i] });
}

void trie_init(Trie *trie, TrieKey *keys, int64_t count)
{
    Builder builder = { 0 };
    if (count) qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    add_block(&builder);
    builder.trie.nodes[0].parent = INT32_MAX; // taken, and nobody's child
    add_task(&builder, (Task){ 0, count, 0, 0 });
    for (int64_t i = 0; i < builder.task_count; i++)
        place_children(&builder, keys, builder.tasks[i]);
    mem_free(builder.tasks);
    *trie = builder.trie;
}

void trie_release(Trie *trie)
{
    mem_free(trie->nodes);
    *trie = (Trie){ 0 };
}

int32_t trie_node(const Trie *trie, const char *prefix)
{
    int32_t node = 0;
    for (const char *s = prefix; *s; s++) {
        int32_t next = trie->nodes[node].base ^ (unsigned char)*s;
        if (trie->nodes[next].parent != node) return -1;
        node = next;
    }
    return node;
}

int32_t trie_find(const Trie *trie, const char *text)
{
    int32_t node = trie_node(trie, text);
    return node < 0 ? -1 : trie->nodes[node].value;
}
