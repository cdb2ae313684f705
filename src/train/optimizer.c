#include "train/optimizer.h"
#include "base/mem.h"
#include "train/touched.h"

#include <math.h>
#include <string.h>

static const Param *table_param(const Optimizer *o, int table)
{
    return &o->model->params[o->blocks->tables[table]];
}

void optimizer_init(Optimizer *o, const Comm *comm, Model *model, const Blocks *blocks,
                    const TrainOptions *options)
{
    *o = (Optimizer){ .comm = comm, .model = model, .blocks = blocks, .options = options };
    o->exp_avg = MEM_NEW(float, blocks->own_elements);
    o->exp_avg_sq = MEM_NEW(float, blocks->own_elements);
    row_delivery_init(&o->rows, model->node, blocks);
    o->delivery = delivery_new(model->node, blocks, model->values, model->elements);
    late_init(&o->late, model, blocks, comm->size);
}

void optimizer_release(Optimizer *o)
{
    late_release(&o->late);
    delivery_free(o->delivery);
    row_delivery_release(&o->rows);
    mem_free(o->exp_avg);
    mem_free(o->exp_avg_sq);
    *o = (Optimizer){ 0 };
}

void optimizer_restored(Optimizer *o, int64_t steps)
{
    late_restored(&o->late, steps, o->exp_avg, o->exp_avg_sq);
}

void optimizer_deliver(Optimizer *o)
{
    const Blocks *blocks = o->blocks;
    delivery_start(o->delivery);
    for (int i = 0; i < blocks->bucket_count; i++)
        if (blocks->buckets[i].owner == o->comm->rank) delivery_made(o->delivery, i);
    delivery_made_all(o->delivery);
    optimizer_refresh_all(o);
}

static AdamState state_of(const Optimizer *o, const Segment *own)
{
    return (AdamState){ o->model->values + own->first, o->exp_avg + own->at,
                        o->exp_avg_sq + own->at };
}

static void catch_up(Optimizer *o, int table, int64_t row)
{
    Segment own = late_segment(&o->late, table, row);
    AdamState state = state_of(o, &own);
    late_catch_up(&o->late, table, row, &state);
}

static void update_touched(Optimizer *o, const Gradients *gradients, int table)
{
    const Param *p = table_param(o, table);
    const TouchedRows *touched = gradients_table(gradients, table);
    if (p->kind == PARAM_FROZEN) return;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < touched->count; i++) {
        Segment own = late_segment(&o->late, table, touched->ids[i]);
        AdamState state = state_of(o, &own);
        late_update(&o->late, table, touched->ids[i], &state, touched->rows + i * p->cols);
    }
}

void optimizer_update_rows(Optimizer *o, const Gradients *gradients, double learning_rate,
                           double gradient_scale)
{
    const TrainOptions *options = o->options;
    if (late_is_full(&o->late)) optimizer_refresh_all(o);
    double t = (double)o->late.steps + 1;
    o->step = (AdamStep){ .learning_rate = learning_rate,
                          .beta1 = options->adam_beta1,
                          .beta2 = options->adam_beta2,
                          .epsilon = options->adam_epsilon,
                          .weight_decay = options->weight_decay,
                          .correction1 = 1 - pow(options->adam_beta1, t),
                          .correction2 = 1 - pow(options->adam_beta2, t),
                          .gradient_scale = gradient_scale };
    late_add_step(&o->late, &o->step);
    for (int i = 0; i < o->blocks->table_count; i++) update_touched(o, gradients, i);
}

void optimizer_update_dense(Optimizer *o, const Gradients *gradients)
{
    const Blocks *blocks = o->blocks;
    delivery_start(o->delivery);
    for (int i = 0; i < blocks->segment_count && blocks->segments[i].bucket >= 0; i++) {
        const Segment *s = &blocks->segments[i];
        const Param *p = &o->model->params[s->param];
        bool last = i + 1 == blocks->segment_count || s[1].bucket != s->bucket;
        AdamState state = state_of(o, s);
        if (p->kind != PARAM_FROZEN)
            adam_update(&state, p, gradients_dense(gradients) + s->first, s->count, o->step);
        if (last) delivery_made(o->delivery, s->bucket);
    }
    delivery_made_all(o->delivery);
}

double optimizer_bytes(const Optimizer *o, const Gradients *gradients)
{
    enum { MOVED = 7 }; // gradient, weight and moments are read, weight and moments written
    int64_t elements = 0;
    for (int i = 0; i < o->blocks->segment_count; i++)
        if (o->blocks->segments[i].bucket >= 0) elements += o->blocks->segments[i].count;
    for (int t = 0; t < o->blocks->table_count; t++)
        elements += gradients_table(gradients, t)->count * table_param(o, t)->cols;
    return (double)elements * MOVED * sizeof(float);
}

void optimizer_refresh(Optimizer *o, int table, const int32_t *ids, int64_t count)
{
    const Node *node = o->model->node;
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < count; i++)
        if (late_is_own(&o->late, table, ids[i])) catch_up(o, table, ids[i]);
    if (o->comm->size == 1) return;
    node_settle(node);
    if (node->count == 1) return; // agreed: all ranks see the same nodes
    const Param *p = table_param(o, table);
    if (node_leads(node))
        row_delivery_run(&o->rows, o->model->values + p->offset, p->cols, table, ids, count);
    node_settle(node);
}

void optimizer_refresh_all(Optimizer *o)
{
    enum { ROWS_AT_ONCE = 4096 };
    int32_t ids[ROWS_AT_ONCE];
    delivery_await_all(o->delivery);
    for (int t = 0; t < o->blocks->table_count; t++) {
        int64_t rows = table_param(o, t)->rows;
        for (int64_t first = 0; first < rows; first += ROWS_AT_ONCE) {
            int64_t count = rows - first < ROWS_AT_ONCE ? rows - first : ROWS_AT_ONCE;
            for (int64_t i = 0; i < count; i++) ids[i] = (int32_t)(first + i);
            optimizer_refresh(o, t, ids, count);
        }
    }
    late_forget(&o->late);
}
