#include "train/optimizer.h"
#include "base/mem.h"
#include "comm/exchange.h"
#include "train/touched.h"

#include <math.h>
#include <string.h>

// new weights of the dense part travel between the same ranks with tag 0
enum { ROWS_TAG = 1 };

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
    if (model->node && node_leads(model->node))
        o->rows = exchange_new(&model->node->leaders, 2 * model->node->count);
    o->delivery = delivery_new(model->node, blocks, model->values);
    late_init(&o->late, model, blocks, comm->size);
    o->counts_bytes = MEM_NEW(int64_t, comm->size);
    o->unread = MEM_NEW(const float *, comm->size);
}

void optimizer_release(Optimizer *o)
{
    late_release(&o->late);
    delivery_free(o->delivery);
    exchange_free(o->rows);
    mem_free(o->exp_avg);
    mem_free(o->exp_avg_sq);
    mem_free(o->counts_bytes);
    mem_free(o->unread);
    mem_free(o->outgoing);
    mem_free(o->incoming);
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
    const Param *p = table_param(o, table);
    int64_t cols = p->cols, row_bytes = cols * (int64_t)sizeof(float), own = 0;
    float *values = o->model->values + p->offset;
    float *out = grow(&o->outgoing, &o->outgoing_floats, count * cols);
    float *in = grow(&o->incoming, &o->incoming_floats, count * cols);
    memset(o->counts_bytes, 0, (size_t)node->count * sizeof *o->counts_bytes);
    for (int64_t i = 0; i < count; i++) {
        int from = node_of(node, blocks_of_row(o->blocks, table, ids[i])->owner);
        o->counts_bytes[from] += row_bytes;
        if (from == node->leaders.rank)
            memcpy(out + own++ * cols, values + ids[i] * cols, (size_t)row_bytes);
    }
    for (int n = 0; n < node->count; n++) {
        bool here = n == node->leaders.rank;
        o->unread[n] = here ? out : in;
        if (here) continue;
        exchange_receive(o->rows, in, (size_t)o->counts_bytes[n], n, ROWS_TAG);
        exchange_send(o->rows, out, (size_t)(own * row_bytes), n, ROWS_TAG);
        in += o->counts_bytes[n] / (int64_t)sizeof *in;
    }
    exchange_finish(o->rows); // agreed: of all leaders
    for (int64_t i = 0; i < count; i++) {
        const float **from =
            &o->unread[node_of(node, blocks_of_row(o->blocks, table, ids[i])->owner)];
        memcpy(values + ids[i] * cols, *from, (size_t)row_bytes);
        *from += cols;
    }
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
    if (node_leads(node)) gather_rows(o, table, ids, count);
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
