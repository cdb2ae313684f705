#include "sim/check_sums.h"
#include "sim/engine.h"

#include <stdio.h>
#include <string.h>

static uint64_t hash_floats(uint64_t hash, const float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
    }
    return hash;
}

/// Of the merged gradient: a number that does not depend on who owns which block.
COLLECTIVE
static int64_t hash_gradients(const Engine *e)
{
    const Blocks *blocks = &e->blocks;
    int64_t sum = 0;
    for (int b = 0; b < blocks->dense_count; b++) {
        const Block *block = &blocks->items[b];
        const float *dense = gradients_dense(e->gradients) + block->first;
        if (block->owner == e->comm->rank)
            sum += (int64_t)hash_floats((uint64_t)b + 1, dense, block->count);
    }
    const TouchedRows *rows = gradients_table(e->gradients, 0);
    for (int64_t i = 0; i < rows->count; i++)
        sum += (int64_t)hash_floats((uint64_t)rows->ids[i] + 1, rows->rows + i * rows->cols,
                                    rows->cols);
    comm_sum_int64(e->comm, &sum, 1);
    return sum;
}

typedef struct {
    int64_t gradients, weights;
    Verdict verdict;
} Outcome;

COLLECTIVE
static Outcome run(const Comm *comm)
{
    enum { STEPS = 2, TOKENS = 2048, LEAVES = 16 };
    Engine e;
    Outcome out = { 0 };
    engine_init(&e, comm, shape_find("tiny"), 1, TOKENS, LEAVES, true);
    for (int step = 0; step < STEPS; step++) {
        engine_step(&e);
        out.gradients ^= hash_gradients(&e);
    }
    optimizer_refresh_all(&e.optimizer);
    out.verdict = e.verdict;
    out.weights = (int64_t)hash_floats(1, e.model.values, e.model.elements);
    engine_release(&e);
    return out;
}

Status check_sums(const Comm *world)
{
    Comm self = comm_self();
    Outcome all = run(world), alone = { 0 };
    if (!world->rank) alone = run(&self);
    comm_broadcast(world, &alone, sizeof alone, 0);
    int64_t differ[] = { all.gradients != alone.gradients, all.weights != alone.weights,
                         all.verdict.grad_norm != alone.verdict.grad_norm ||
                             all.verdict.loss != alone.verdict.loss };
    comm_sum_int64(world, differ, 3);
    bool fails = differ[0] || differ[1] || differ[2];
    if (!world->rank && fails)
        fprintf(stderr, "of %d nodes, %lld gradients, %lld weights and %lld norms differ\n",
                world->size, (long long)differ[0], (long long)differ[1], (long long)differ[2]);
    if (!world->rank && !fails) printf("the bits of one rank\n");
    return fails ? FAILED : OK;
}
