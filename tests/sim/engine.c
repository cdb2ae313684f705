#include "sim/engine.h"
#include "base/rng.h"
#include "data/leaves.h"
#include "support/noise.h"

#include <math.h>
#include <stdlib.h>

const char *const phase_names[PHASES] = { "leaves", "exchange", "vote", "ahead", "update" };

/// The id of a token: the k-th word is 1 / k times as frequent as the first.
static int32_t token_id(const Engine *e, int64_t step, int64_t token)
{
    uint64_t bits = rng_bits(1, RNG_SHUFFLE, (uint32_t)step, (uint64_t)token);
    return (int32_t)(pow((double)e->shape->vocab, (double)(bits >> 11) * 0x1p-53) - 1);
}

/// Distinct ids of tokens [first, first + count) of a step, ascending, of the words that this rank
/// has; returns their number.
static int64_t distinct_ids(const Engine *e, int32_t *ids, int64_t step, int64_t first,
                            int64_t count)
{
    int64_t found = 0;
    int64_t words = e->shape->vocab / e->grid.cols, own = words * e->grid.group.rank;
    for (int64_t i = first; i < first + count; i++) {
        int64_t id = token_id(e, step, i) - own;
        if (id >= 0 && id < words) e->seen[id] = true;
    }
    for (int64_t id = 0; id < words; id++) {
        if (!e->seen[id]) continue;
        e->seen[id] = false;
        ids[found++] = (int32_t)id;
    }
    return found;
}

/// The ids of the next step, which rank 0 counts for all: the ranks share an address space.
COLLECTIVE
static void count_ids(Engine *e)
{
    if (!e->comm->rank)
        e->id_count = distinct_ids(e, e->ids, e->step, 0, e->leaves * e->leaf_tokens);
    comm_broadcast(e->comm, &e->id_count, sizeof e->id_count, 0);
    comm_broadcast(e->comm, &e->ids, sizeof e->ids, 0);
}

/// A tape whose leaves are of one sequence, and what travels between the ranks of a group.
static void init_group(Engine *e)
{
    int64_t bytes = e->leaf_tokens * e->shape->hidden * (int64_t)sizeof(float);
    int32_t *cu_seqlens = MEM_NEW(int32_t, 2);
    cu_seqlens[1] = (int32_t)e->leaf_tokens;
    e->packing = (Packing){ .sequences = 1, .tokens = e->leaf_tokens, .cu_seqlens = cu_seqlens };
    e->tape = tape_new((size_t)(8 * bytes) + (1 << 20));
    tape_set_group(e->tape, &e->grid.group, e->grid.cols, NULL);
    tape_start(e->tape, &(Pass){ .training = true }, &e->packing);
}

void engine_init(Engine *e, const Comm *all, const Shape *shape, int cols, int64_t tokens,
                 int64_t leaves, bool computes)
{
    *e = (Engine){ .shape = shape, .computes = computes };
    CHECK(grid_start(&e->grid, all, 0, 1, cols, true, false) == OK, "%s", status_message());
    const Comm *comm = e->comm = &e->grid.replicas;
    const char *island = getenv("NODES_PER_ISLAND");
    if (island && comm->node) node_set_islands(comm->node, atoll(island));
    shape_init(&e->model, &e->moves, shape, cols);
    size_t bytes = (size_t)e->model.elements * sizeof(float);
    if (!computes) cost_fold(all, bytes);
    e->model.node = comm->node;
    if (computes) e->model.values = node_share(comm->node, bytes); // agreed: folded ones all share
    e->shared_bytes = e->model.values ? bytes : 0;
    arena_init(&e->model.memory, bytes);
    if (!e->shared_bytes) e->model.values = arena_take(&e->model.memory, bytes);
    for (int64_t i = 0; i < e->model.elements && computes; i++)
        e->model.values[i] = 1e-6f * noise(-1, i);
    e->leaves = leaves ? leaves : leaves_choose(tokens / shape->sequence_tokens, (double)tokens);
    e->leaf_tokens = tokens / e->leaves;
    CHECK(comm->size <= e->leaves, "%d nodes are more than the %lld leaves", comm->size,
          (long long)e->leaves);
    e->cuts = MEM_NEW(int64_t, comm->size + 1);
    leaves_cut(e->cuts, e->leaves, comm->size);
    blocks_init(&e->blocks, &e->model, comm);
    e->gradients = gradients_new(comm, &e->model, &e->blocks, e->cuts, e->leaf_tokens);
    e->options = (TrainOptions){ .adam_beta1 = 0.9, .adam_beta2 = 0.999, .adam_epsilon = 1e-8 };
    optimizer_init(&e->optimizer, comm, &e->model, &e->blocks, &e->options);
    vote_init(&e->vote, comm, NULL, e->cuts);
    e->weights = MEM_NEW(Weight, e->model.param_count);
    e->seen = MEM_NEW(bool, shape->vocab);
    e->ids = comm->rank ? NULL : MEM_NEW(int32_t, shape->vocab);
    init_group(e);
    count_ids(e);
}

void engine_release(Engine *e)
{
    mem_free((void *)(uintptr_t)e->packing.cu_seqlens);
    tape_free(e->tape);
    if (!e->comm->rank) mem_free(e->ids);
    mem_free(e->seen);
    mem_free(e->weights);
    vote_release(&e->vote);
    optimizer_release(&e->optimizer);
    gradients_free(e->gradients);
    blocks_release(&e->blocks);
    mem_free(e->cuts);
    if (e->shared_bytes) node_unshare(e->model.values, e->shared_bytes);
    shape_release(&e->model, e->moves);
    grid_stop(&e->grid);
}

static void fill(Engine *e, int64_t leaf, int param)
{
    const Param *p = &e->model.params[param];
    Weight *weight = &e->weights[param];
    weight->written = true;
    if (p->table)
        weight->touched->count =
            distinct_ids(e, weight->touched->ids, e->step, leaf * e->leaf_tokens, e->leaf_tokens);
    float *to = p->table ? weight->touched->rows : weight->gradient;
    int64_t count = p->table ? weight->touched->count * p->cols : p->rows * p->cols;
    for (int64_t k = 0; k < count && e->computes; k++) to[k] = noise(leaf + e->step, p->offset + k);
}

/// A product of each of the parameters [first, last], or a share of each.
static void compute(const Engine *e, int first, int last, double share)
{
    double flops = 0;
    for (int i = first; i <= last; i++)
        flops += shape_forward_flops(e->shape, &e->model.params[i], e->leaf_tokens);
    cost_compute(share * flops / node_flop_s);
}

/// What the ranks of a group have of a leaf.
typedef struct {
    float *all, *own;
} Tokens;

static Tokens take_tokens(Engine *e)
{
    size_t bytes = (size_t)(e->leaf_tokens * e->shape->hidden) * sizeof(float);
    tape_start(e->tape, &(Pass){ .training = true }, &e->packing);
    return (Tokens){ tape_take(e->tape, bytes), tape_take(e->tape, bytes) };
}

/// The share of a product's rows that are in tiles (linalg/gemm.c) of own tokens alone.
static double own_share(const Engine *e)
{
    enum { TILE_ROWS = 512, ROUND = 16 };
    int64_t tokens = e->leaf_tokens, tiles = (tokens + TILE_ROWS - 1) / TILE_ROWS, rows = 0;
    int64_t size = ((tokens + tiles - 1) / tiles + ROUND - 1) / ROUND * ROUND;
    Span own = tape_tokens_of(e->tape, e->grid.group.rank);
    for (int64_t at = 0, end; at < tokens; at = end) {
        end = at + size < tokens ? at + size : tokens;
        if (at >= own.first && end <= own.first + own.count) rows += end - at;
    }
    return (double)rows / (double)tokens;
}

/// Gathers tokens and makes a product of each of the parameters [first, last] of them.
static void gather(Engine *e, int first, int last)
{
    double early = 0;
    if (e->grid.cols > 1) {
        Tokens tokens = take_tokens(e);
        group_share_tokens(e->tape, tokens.all, tokens.own, e->shape->hidden);
        early = own_share(e);
        compute(e, first, last, early);
        group_share_finish(e->tape);
    }
    compute(e, first, last, 1 - early);
}

/// Sums up, and meanwhile makes a share of a product of each of the parameters [first, last].
static void sum(Engine *e, int first, int last, double share)
{
    GroupSum started;
    if (e->grid.cols > 1) {
        Tokens tokens = take_tokens(e);
        started = group_sum_tokens(e->tape, tokens.own, tokens.all, e->shape->hidden, false);
    }
    compute(e, first, last, share);
    if (e->grid.cols > 1) group_sum_finish(e->tape, &started);
}

/// Everybody's own tokens to all, of so many floats each; nothing hides it.
static void share(Engine *e, int64_t floats)
{
    if (e->grid.cols == 1) return;
    Tokens tokens = take_tokens(e);
    group_share_tokens(e->tape, tokens.all, tokens.own, floats);
    group_share_finish(e->tape);
}

/// The way back of the product with the vocabulary: what each rank makes of its words is summed
/// meanwhile, and goes to all.
static void vocabulary_back(Engine *e, int param)
{
    GroupSum started;
    enum { PART_FLOATS = 8 }; // what a slice of the words says of a row
    share(e, PART_FLOATS * e->grid.cols);
    compute(e, param, param, 1);
    if (e->grid.cols > 1) {
        Tokens tokens = take_tokens(e);
        started = group_sum_slices(e->tape, tokens.own, tokens.all,
                                   e->leaf_tokens * e->shape->hidden, false);
    }
    compute(e, param, param, 1);
    if (e->grid.cols > 1) group_sum_finish(e->tape, &started);
}

static void compute_forward(Engine *e, int first, int last)
{
    bool sums = e->moves[first] == MOVES_SUMS_OUT;
    double late = sums ? own_share(e) : 0;
    if (e->moves[first] == MOVES_TOKENS_IN)
        gather(e, first, last);
    else
        compute(e, first, last, 1 - late);
    if (sums) sum(e, first, last, late);
}

/// The way back of parameters [first, last], which are one operator's.
static void compute_back(Engine *e, int first, int last)
{
    if (e->moves[first] == MOVES_SUMS_BACK) {
        vocabulary_back(e, first);
        return;
    }
    if (e->moves[first] == MOVES_SUMS_OUT)
        gather(e, first, last);
    else
        compute(e, first, last, 1);
    if (e->moves[first] == MOVES_TOKENS_IN)
        sum(e, first, last, 1);
    else
        compute(e, first, last, 1);
}

static void await_weights(Engine *e, int first, int last)
{
    for (int i = first; i <= last; i++) {
        const Param *p = &e->model.params[i];
        if (!p->table)
            delivery_await(e->optimizer.delivery, e->model.values + p->offset, p->rows * p->cols);
    }
}

static void run_leaf(Engine *e, int64_t leaf)
{
    gradients_leaf_start(e->gradients, e->weights);
    int table = e->model.param_count - 1;
    sum(e, table, table, 0); // of the rows that are looked up, of which each rank has some
    for (int first = 0, last; first <= table; first = last + 1) {
        for (last = first; last < table && e->moves[last + 1] == MOVES_WITH_IT;) last++;
        await_weights(e, first, last);
        compute_forward(e, first, last);
    }
    share(e, e->shape->hidden); // hidden values, for the head
    for (int last = table - 1, first; last >= 0; last = first - 1) {
        for (first = last; e->moves[first] == MOVES_WITH_IT;) first--;
        compute_back(e, first, last);
        for (int i = last; i >= first; i--) {
            fill(e, leaf, i);
            gradients_ready(e->gradients, i);
        }
    }
    share(e, e->shape->hidden); // gradients of the rows
    fill(e, leaf, table);
    gradients_ready(e->gradients, table);
    gradients_leaf_done(e->gradients);
    e->vote.losses[leaf] = noise(leaf, e->step);
}

static void lap(Engine *e, int phase, double *since_s)
{
    double now_s = cost_now_s();
    e->laps_s[phase] = now_s - *since_s;
    *since_s = now_s;
}

void engine_step(Engine *e)
{
    double since_s = cost_now_s();
    for (int64_t leaf = e->cuts[e->comm->rank]; leaf < e->cuts[e->comm->rank + 1]; leaf++)
        run_leaf(e, leaf);
    delivery_await_all(e->optimizer.delivery);
    lap(e, 0, &since_s);
    gradients_finish(e->gradients, &e->vote.squares);
    lap(e, 1, &since_s);
    vote_cast(&e->vote, &e->verdict, false);
    lap(e, 2, &since_s);
    optimizer_update_rows(&e->optimizer, e->gradients, 1e-3, 1);
    e->step++;
    count_ids(e); // only a delay of the simulation's own, not of the step
    since_s = cost_now_s();
    optimizer_refresh(&e->optimizer, 0, e->ids, e->id_count);
    lap(e, 3, &since_s);
    optimizer_update_dense(&e->optimizer, e->gradients);
    lap(e, 4, &since_s);
}
