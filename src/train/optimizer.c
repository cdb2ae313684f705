#include "train/optimizer.h"
#include "base/mem.h"
#include "train/touched.h"

#include <math.h>
#include <string.h>

enum { HISTORY = 1024 };

static const Param *table_param(const Optimizer *o, int table)
{
    return &o->model->params[o->tables[table].param];
}

static int64_t own_rows(const Optimizer *o, int table)
{
    const int64_t *cuts = o->tables[table].cuts;
    return cuts[o->comm->rank + 1] - cuts[o->comm->rank];
}

static void init_table(Optimizer *o, int table)
{
    LateTable *late = &o->tables[table];
    late->param = o->blocks->tables[table];
    late->cuts = MEM_NEW(int64_t, o->comm->size + 1);
    for (int rank = 0; rank < o->comm->size; rank++) {
        int64_t first, count;
        blocks_table_slice(o->blocks, table, rank, &first, &count);
        late->cuts[rank + 1] = late->cuts[rank] + count;
    }
    late->updates = MEM_NEW(int64_t, own_rows(o, table));
    late->active = MEM_NEW(bool, own_rows(o, table));
}

void optimizer_init(Optimizer *o, const Comm *comm, Model *model, const Blocks *blocks,
                    const TrainOptions *options)
{
    int64_t widest = 1;
    *o = (Optimizer){ .comm = comm, .model = model, .blocks = blocks, .options = options };
    blocks_slice(blocks, comm->rank, &o->first, &o->count);
    o->exp_avg = MEM_NEW(float, o->count);
    o->exp_avg_sq = MEM_NEW(float, o->count);
    o->tables = MEM_NEW(LateTable, blocks->table_count);
    for (int t = 0; t < blocks->table_count; t++) {
        init_table(o, t);
        if (table_param(o, t)->cols > widest) widest = table_param(o, t)->cols;
    }
    o->history = MEM_NEW(AdamStep, HISTORY);
    o->zeros = MEM_NEW(float, widest);
    o->counts_bytes = MEM_NEW(int64_t, comm->size);
}

void optimizer_release(Optimizer *o)
{
    for (int t = 0; o->tables && t < o->blocks->table_count; t++) {
        mem_free(o->tables[t].cuts);
        mem_free(o->tables[t].updates);
        mem_free(o->tables[t].active);
    }
    mem_free(o->tables);
    mem_free(o->exp_avg);
    mem_free(o->exp_avg_sq);
    mem_free(o->history);
    mem_free(o->zeros);
    mem_free(o->counts_bytes);
    mem_free(o->outgoing);
    mem_free(o->incoming);
    *o = (Optimizer){ 0 };
}

static bool any_nonzero(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != 0) return true;
    return false;
}

/// Element of Model.values where own row `row` (from 0) of a table begins.
static int64_t row_place(const Optimizer *o, int table, int64_t row)
{
    const Param *p = table_param(o, table);
    return p->offset + (o->tables[table].cuts[o->comm->rank] + row) * p->cols;
}

void optimizer_restored(Optimizer *o)
{
    for (int t = 0; t < o->blocks->table_count; t++) {
        int64_t cols = table_param(o, t)->cols;
        for (int64_t row = 0; row < own_rows(o, t); row++) {
            int64_t at = row_place(o, t, row) - o->first;
            o->tables[t].updates[row] = o->steps;
            o->tables[t].active[row] =
                any_nonzero(o->exp_avg + at, cols) || any_nonzero(o->exp_avg_sq + at, cols);
        }
    }
}

static void adam(Optimizer *o, int64_t at, const float *gradient, int64_t count, AdamStep step,
                 const Param *p)
{
    if (!p->decays) step.weight_decay = 0;
    vec_adam(o->model->values + at, o->exp_avg + (at - o->first), o->exp_avg_sq + (at - o->first),
             gradient, count, &step);
}

/// Replays the updates that an own row has missed, without a gradient.
static void catch_up(Optimizer *o, int table, int64_t row)
{
    LateTable *late = &o->tables[table];
    const Param *p = table_param(o, table);
    int64_t at = row_place(o, table, row), done = late->updates[row];
    late->updates[row] = o->steps;
    if (p->kind == PARAM_FROZEN) return;
    for (int64_t i = done - (o->steps - o->history_count); i < o->history_count; i++) {
        const AdamStep *step = &o->history[i];
        if (late->active[row])
            adam(o, at, o->zeros, p->cols, *step, p);
        else if (p->decays && step->weight_decay != 0) // what is left of the update at zero moments
            vec_scale(o->model->values + at, (float)(1 - step->learning_rate * step->weight_decay),
                      p->cols);
    }
}

static void update_dense(Optimizer *o, const Gradients *gradients, const AdamStep *step)
{
    int64_t first, count;
    blocks_dense_slice(o->blocks, o->comm->rank, &first, &count);
    for (int i = 0; i < o->blocks->segment_count; i++) {
        const Segment *s = &o->blocks->segments[i];
        const Param *p = &o->model->params[s->param];
        if (p->kind == PARAM_FROZEN) continue;
        adam(o, s->first, gradients_dense(gradients) + (s->first - first), s->count, *step, p);
    }
}

COLLECTIVE
static void gather_dense(Optimizer *o)
{
    if (o->comm->size == 1) return;
    for (int rank = 0; rank < o->comm->size; rank++) {
        int64_t first, count;
        blocks_dense_slice(o->blocks, rank, &first, &count);
        o->counts_bytes[rank] = count * (int64_t)sizeof(float);
    }
    node_gather_in_place(o->model->node, o->model->values, o->counts_bytes);
}

static void update_touched(Optimizer *o, const Gradients *gradients, int table,
                           const AdamStep *step)
{
    LateTable *late = &o->tables[table];
    const Param *p = table_param(o, table);
    const TouchedRows *touched = gradients_table(gradients, table);
    if (p->kind == PARAM_FROZEN) return;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < touched->count; i++) {
        int64_t row = touched->ids[i] - late->cuts[o->comm->rank];
        CHECK(late->updates[row] == o->steps - 1, "row %d is stale", touched->ids[i]);
        adam(o, row_place(o, table, row), touched->rows + i * p->cols, p->cols, *step, p);
        late->active[row] = true;
        late->updates[row] = o->steps;
    }
}

void optimizer_update(Optimizer *o, const Gradients *gradients, double learning_rate,
                      double gradient_scale)
{
    const TrainOptions *options = o->options;
    if (o->history_count == HISTORY) optimizer_refresh_all(o);
    double t = (double)++o->steps;
    AdamStep *step = &o->history[o->history_count++];
    *step = (AdamStep){ .learning_rate = learning_rate,
                        .beta1 = options->adam_beta1,
                        .beta2 = options->adam_beta2,
                        .epsilon = options->adam_epsilon,
                        .weight_decay = options->weight_decay,
                        .correction1 = 1 - pow(options->adam_beta1, t),
                        .correction2 = 1 - pow(options->adam_beta2, t),
                        .gradient_scale = gradient_scale };
    update_dense(o, gradients, step);
    gather_dense(o);
    for (int i = 0; i < o->blocks->table_count; i++) update_touched(o, gradients, i, step);
}

double optimizer_bytes(const Optimizer *o, const Gradients *gradients)
{
    enum { MOVED = 7 }; // gradient, weight and moments are read, weight and moments written
    int64_t first, elements;
    blocks_dense_slice(o->blocks, o->comm->rank, &first, &elements);
    for (int t = 0; t < o->blocks->table_count; t++)
        elements += gradients_table(gradients, t)->count * table_param(o, t)->cols;
    return (double)elements * MOVED * sizeof(float);
}

static float *grow(float **buffer, int64_t *capacity, int64_t floats)
{
    if (floats > *capacity) {
        *capacity = floats + floats / 2;
        *buffer = mem_resize(*buffer, (size_t)*capacity, sizeof(float));
    }
    return *buffer;
}

/// Sends the fresh rows among `ids` of this node to the others, and takes theirs.
COLLECTIVE
static void gather_rows(Optimizer *o, int table, const int32_t *ids, int64_t count)
{
    const Node *node = o->model->node;
    const int64_t *cuts = o->tables[table].cuts;
    const Param *p = table_param(o, table);
    int64_t cols = p->cols, row_bytes = cols * (int64_t)sizeof(float), from = 0, to = 0;
    float *values = o->model->values + p->offset;
    for (int n = 0; n < node->count; n++) {
        int64_t first = touched_search(ids, count, cuts[node->firsts[n]]);
        int64_t end = touched_search(ids, count, cuts[node->firsts[n + 1]]);
        o->counts_bytes[n] = (end - first) * row_bytes;
        if (n == node->leaders.rank) from = first, to = end;
    }
    float *out = grow(&o->outgoing, &o->outgoing_floats, (to - from) * cols);
    float *in = grow(&o->incoming, &o->incoming_floats, count * cols);
    for (int64_t i = from; i < to; i++)
        memcpy(out + (i - from) * cols, values + ids[i] * cols, (size_t)row_bytes);
    comm_gather_all(&node->leaders, in, out, o->counts_bytes);
    for (int64_t i = 0; i < count; i++)
        memcpy(values + ids[i] * cols, in + i * cols, (size_t)row_bytes);
}

void optimizer_refresh(Optimizer *o, int table, const int32_t *ids, int64_t count)
{
    const LateTable *late = &o->tables[table];
    const Node *node = o->model->node;
    int64_t rank = o->comm->rank;
    int64_t from = touched_search(ids, count, late->cuts[rank]);
    int64_t to = touched_search(ids, count, late->cuts[rank + 1]);
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = from; i < to; i++) catch_up(o, table, ids[i] - late->cuts[rank]);
    if (o->comm->size == 1) return;
    node_settle(node);
    if (node->count == 1) return; // agreed: all ranks see the same nodes
    if (node_leads(node)) gather_rows(o, table, ids, count);
    node_settle(node);
}

void optimizer_refresh_all(Optimizer *o)
{
    for (int t = 0; t < o->blocks->table_count; t++) {
        const LateTable *late = &o->tables[t];
        const Param *p = table_param(o, t);
#pragma omp parallel for schedule(dynamic, 64)
        for (int64_t row = 0; row < own_rows(o, t); row++) catch_up(o, t, row);
        if (o->comm->size == 1) continue;
        for (int r = 0; r < o->comm->size; r++)
            o->counts_bytes[r] =
                (late->cuts[r + 1] - late->cuts[r]) * p->cols * (int64_t)sizeof(float);
        node_gather_in_place(o->model->node, o->model->values + p->offset, o->counts_bytes);
    }
    o->history_count = 0;
}
