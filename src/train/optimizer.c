#include "train/optimizer.h"
#include "base/mem.h"
#include "comm/exchange.h"
#include "train/touched.h"

#include <math.h>
#include <string.h>

// new weights of the dense part travel between the same ranks with tag 0
enum { HISTORY = 1024, ROWS_TAG = 1 };

static const Param *table_param(const Optimizer *o, int table)
{
    return &o->model->params[o->tables[table].param];
}

/// Place of an own row among those of this rank: every rank's blocks are in their order.
static int64_t row_place(const Optimizer *o, int64_t row)
{
    return row / BLOCK_ROWS / o->comm->size * BLOCK_ROWS + row % BLOCK_ROWS;
}

static bool is_own(const Optimizer *o, int table, int64_t row)
{
    return blocks_of_row(o->blocks, table, row)->owner == o->comm->rank;
}

static void init_table(Optimizer *o, int table)
{
    LateTable *late = &o->tables[table];
    const Blocks *blocks = o->blocks;
    int64_t rows = 0;
    late->param = blocks->tables[table];
    for (int i = blocks->table_blocks[table]; i < blocks->table_blocks[table + 1]; i++)
        if (blocks->items[i].owner == o->comm->rank) rows += BLOCK_ROWS;
    late->updates = MEM_NEW(int64_t, rows);
    late->active = MEM_NEW(bool, rows);
    for (int i = blocks->segment_count - 1; i >= 0; i--) // the first of them
        if (blocks->segments[i].param == late->param) late->at = blocks->segments[i].at;
}

void optimizer_init(Optimizer *o, const Comm *comm, Model *model, const Blocks *blocks,
                    const TrainOptions *options)
{
    int64_t widest = 1;
    *o = (Optimizer){ .comm = comm, .model = model, .blocks = blocks, .options = options };
    o->exp_avg = MEM_NEW(float, blocks->own_elements);
    o->exp_avg_sq = MEM_NEW(float, blocks->own_elements);
    if (model->node && node_leads(model->node))
        o->rows = exchange_new(&model->node->leaders, 2 * model->node->count);
    o->delivery = delivery_new(model->node, blocks, model->values);
    o->tables = MEM_NEW(LateTable, blocks->table_count);
    for (int t = 0; t < blocks->table_count; t++) {
        init_table(o, t);
        if (table_param(o, t)->cols > widest) widest = table_param(o, t)->cols;
    }
    o->history = MEM_NEW(AdamStep, HISTORY);
    o->zeros = MEM_NEW(float, widest);
    o->counts_bytes = MEM_NEW(int64_t, comm->size);
    o->unread = MEM_NEW(const float *, comm->size);
}

void optimizer_release(Optimizer *o)
{
    for (int t = 0; o->tables && t < o->blocks->table_count; t++) {
        mem_free(o->tables[t].updates);
        mem_free(o->tables[t].active);
    }
    delivery_free(o->delivery);
    exchange_free(o->rows);
    mem_free(o->tables);
    mem_free(o->exp_avg);
    mem_free(o->exp_avg_sq);
    mem_free(o->history);
    mem_free(o->zeros);
    mem_free(o->counts_bytes);
    mem_free(o->unread);
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

/// An own row of a table.
static Segment row_segment(const Optimizer *o, int table, int64_t row)
{
    const LateTable *late = &o->tables[table];
    const Param *p = table_param(o, table);
    return (Segment){ .first = p->offset + row * p->cols,
                      .count = p->cols,
                      .param = late->param,
                      .at = late->at + row_place(o, row) * p->cols };
}

void optimizer_restored(Optimizer *o)
{
    for (int t = 0; t < o->blocks->table_count; t++) {
        const Param *p = table_param(o, t);
        for (int64_t row = 0; row < p->rows; row++) {
            if (!is_own(o, t, row)) continue;
            int64_t at = row_segment(o, t, row).at, place = row_place(o, row);
            o->tables[t].updates[place] = o->steps;
            o->tables[t].active[place] =
                any_nonzero(o->exp_avg + at, p->cols) || any_nonzero(o->exp_avg_sq + at, p->cols);
        }
    }
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

static void adam(Optimizer *o, const Segment *s, const float *gradient, AdamStep step)
{
    if (!o->model->params[s->param].decays) step.weight_decay = 0;
    vec_adam(o->model->values + s->first, o->exp_avg + s->at, o->exp_avg_sq + s->at, gradient,
             s->count, &step);
}

/// Replays the updates that an own row has missed, without a gradient.
static void catch_up(Optimizer *o, int table, int64_t row)
{
    LateTable *late = &o->tables[table];
    const Param *p = table_param(o, table);
    Segment own = row_segment(o, table, row);
    int64_t place = row_place(o, row), done = late->updates[place];
    late->updates[place] = o->steps;
    if (p->kind == PARAM_FROZEN) return;
    for (int64_t i = done - (o->steps - o->history_count); i < o->history_count; i++) {
        const AdamStep *step = &o->history[i];
        if (late->active[place])
            adam(o, &own, o->zeros, *step);
        else if (p->decays && step->weight_decay != 0) // what is left of the update at zero moments
            vec_scale(o->model->values + own.first,
                      (float)(1 - step->learning_rate * step->weight_decay), p->cols);
    }
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
        int64_t place = row_place(o, touched->ids[i]);
        CHECK(late->updates[place] == o->steps - 1, "row %d is stale", touched->ids[i]);
        Segment own = row_segment(o, table, touched->ids[i]);
        adam(o, &own, touched->rows + i * p->cols, *step);
        late->active[place] = true;
        late->updates[place] = o->steps;
    }
}

void optimizer_update_rows(Optimizer *o, const Gradients *gradients, double learning_rate,
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
    for (int i = 0; i < o->blocks->table_count; i++) update_touched(o, gradients, i, step);
}

void optimizer_update_dense(Optimizer *o, const Gradients *gradients)
{
    const Blocks *blocks = o->blocks;
    const AdamStep *step = &o->history[o->history_count - 1];
    delivery_start(o->delivery);
    for (int i = 0; i < blocks->segment_count && blocks->segments[i].bucket >= 0; i++) {
        const Segment *s = &blocks->segments[i];
        bool last = i + 1 == blocks->segment_count || s[1].bucket != s->bucket;
        if (o->model->params[s->param].kind != PARAM_FROZEN)
            adam(o, s, gradients_dense(gradients) + s->first, *step);
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
        if (is_own(o, table, ids[i])) catch_up(o, table, ids[i]);
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
    o->history_count = 0;
}
