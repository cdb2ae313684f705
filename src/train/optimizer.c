#include "train/optimizer.h"
#include "base/mem.h"
#include "linalg/vecmath.h"

#include <math.h>
#include <string.h>

void optimizer_init(Optimizer *o, const Comm *comm, Model *model, const Blocks *blocks)
{
    int64_t widest = 1;
    *o = (Optimizer){ .comm = comm, .model = model, .blocks = blocks };
    blocks_slice(blocks, comm->rank, &o->first, &o->count);
    o->exp_avg = MEM_NEW(float, o->count);
    o->exp_avg_sq = MEM_NEW(float, o->count);
    o->active = MEM_NEW(bool *, blocks->table_count);
    for (int t = 0; t < blocks->table_count; t++)
        o->active[t] = MEM_NEW(bool, model->params[blocks->tables[t]].rows);
    for (int t = 0; t < blocks->table_count; t++) {
        int64_t cols = model->params[blocks->tables[t]].cols;
        if (cols > widest) widest = cols;
    }
    o->zeros = MEM_NEW(float, widest);
    o->row_bytes = MEM_NEW(int64_t, comm->size);
    o->dense_bytes = MEM_NEW(int64_t, comm->size);
    for (int rank = 0; rank < comm->size; rank++) {
        int64_t first, count;
        blocks_dense_slice(blocks, rank, &first, &count);
        o->dense_bytes[rank] = count * (int64_t)sizeof(float);
    }
}

void optimizer_release(Optimizer *o)
{
    for (int t = 0; o->active && t < o->blocks->table_count; t++) mem_free(o->active[t]);
    mem_free(o->active);
    mem_free(o->exp_avg);
    mem_free(o->exp_avg_sq);
    mem_free(o->zeros);
    mem_free(o->row_bytes);
    mem_free(o->dense_bytes);
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

void optimizer_restored(Optimizer *o)
{
    for (int t = 0; t < o->blocks->table_count; t++) {
        const Param *p = &o->model->params[o->blocks->tables[t]];
        int64_t first, count;
        int64_t *flags = MEM_NEW(int64_t, p->rows);
        blocks_table_slice(o->blocks, t, o->comm->rank, &first, &count);
        for (int64_t row = first; row < first + count; row++) {
            int64_t at = p->offset + row * p->cols - o->first;
            flags[row] =
                any_nonzero(o->exp_avg + at, p->cols) || any_nonzero(o->exp_avg_sq + at, p->cols);
        }
        comm_sum_int64(o->comm, flags, (int)p->rows);
        for (int64_t row = 0; row < p->rows; row++) o->active[t][row] = flags[row] != 0;
        mem_free(flags);
    }
}

static AdamStep adam_step(const Optimizer *o, const TrainOptions *options, double learning_rate,
                          double gradient_scale)
{
    double t = (double)o->steps;
    return (AdamStep){ .learning_rate = (float)learning_rate,
                       .beta1 = (float)options->adam_beta1,
                       .beta2 = (float)options->adam_beta2,
                       .epsilon = (float)options->adam_epsilon,
                       .correction1 = 1 - pow(options->adam_beta1, t),
                       .correction2 = 1 - pow(options->adam_beta2, t),
                       .gradient_scale = (float)gradient_scale };
}

static void update_dense(Optimizer *o, const Gradients *gradients, AdamStep step,
                         double weight_decay)
{
    int64_t first, count;
    const float *gradient = gradients_dense(gradients);
    blocks_dense_slice(o->blocks, o->comm->rank, &first, &count);
    for (int i = 0; i < o->blocks->segment_count; i++) {
        const Segment *s = &o->blocks->segments[i];
        const Param *p = &o->model->params[s->param];
        if (p->kind == PARAM_FROZEN) continue;
        step.weight_decay = p->decays ? (float)weight_decay : 0;
        vec_adam(o->model->values + s->first, o->exp_avg + (s->first - o->first),
                 o->exp_avg_sq + (s->first - o->first), gradient + (s->first - first), s->count,
                 &step);
    }
}

/// Rows with a moment, on their owner.
static void update_rows(Optimizer *o, const Gradients *gradients, int table, const AdamStep *step)
{
    const Param *p = &o->model->params[o->blocks->tables[table]];
    const TouchedRows *touched = gradients_table(gradients, table);
    bool *active = o->active[table];
    int64_t first, count, next = 0;
    blocks_table_slice(o->blocks, table, o->comm->rank, &first, &count);
    for (int64_t i = 0; i < touched->count; i++) active[touched->ids[i]] = true;
    for (int64_t row = first; row < first + count; row++) {
        if (!active[row]) continue;
        while (next < touched->count && touched->ids[next] < row) next++;
        bool has = next < touched->count && touched->ids[next] == row;
        int64_t at = p->offset + row * p->cols;
        vec_adam(o->model->values + at, o->exp_avg + (at - o->first),
                 o->exp_avg_sq + (at - o->first), has ? touched->rows + next * p->cols : o->zeros,
                 p->cols, step);
    }
}

/// Rows without a moment change by decay alone: done on every rank, so they need not travel. A row
/// that became active elsewhere arrives from its owner afterwards.
static void decay_rest(Optimizer *o, int table, double learning_rate, double weight_decay)
{
    const Param *p = &o->model->params[o->blocks->tables[table]];
    float factor = 1 - (float)learning_rate * (float)weight_decay;
    float *rows = o->model->values + p->offset;
    if (factor == 1) return;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < p->rows; row++)
        if (!o->active[table][row]) vec_scale(rows + row * p->cols, factor, p->cols);
}

static char *grow(char **buffer, size_t *capacity, size_t bytes)
{
    if (bytes > *capacity) {
        *buffer = mem_resize(*buffer, bytes, 1);
        *capacity = bytes;
    }
    return *buffer;
}

/// Every rank gets the active rows of all owners: records of a row number and the row.
static void gather_rows(Optimizer *o, int table)
{
    const Param *p = &o->model->params[o->blocks->tables[table]];
    float *rows = o->model->values + p->offset;
    size_t row_bytes = (size_t)p->cols * sizeof(float), record = sizeof(int64_t) + row_bytes;
    int64_t first, count, mine = 0, total = 0;
    int64_t *counts = o->row_bytes;
    blocks_table_slice(o->blocks, table, o->comm->rank, &first, &count);
    for (int64_t row = first; row < first + count; row++) mine += o->active[table][row];
    comm_gather_int64(o->comm, counts, mine * (int64_t)record);
    for (int rank = 0; rank < o->comm->size; rank++) total += counts[rank];
    char *out = grow(&o->outgoing, &o->outgoing_bytes, (size_t)mine * record + 1);
    char *in = grow(&o->incoming, &o->incoming_bytes, (size_t)total + 1);
    for (int64_t row = first; row < first + count; row++) {
        if (!o->active[table][row]) continue;
        memcpy(out, &row, sizeof row);
        memcpy(out + sizeof row, rows + row * p->cols, row_bytes);
        out += record;
    }
    comm_gather_all(o->comm, in, o->outgoing, counts);
    for (const char *at = in; at < in + total; at += record) {
        int64_t row;
        memcpy(&row, at, sizeof row);
        memcpy(rows + row * p->cols, at + sizeof row, row_bytes);
        o->active[table][row] = true;
    }
}

void optimizer_update(Optimizer *o, const Gradients *gradients, const TrainOptions *options,
                      double learning_rate, double gradient_scale)
{
    o->steps++;
    AdamStep step = adam_step(o, options, learning_rate, gradient_scale);
    update_dense(o, gradients, step, options->weight_decay);
    if (o->comm->size > 1) comm_gather_all(o->comm, o->model->values, NULL, o->dense_bytes);
    for (int t = 0; t < o->blocks->table_count; t++) {
        const Param *p = &o->model->params[o->blocks->tables[t]];
        if (p->kind == PARAM_FROZEN) continue;
        double weight_decay = p->decays ? options->weight_decay : 0;
        step.weight_decay = (float)weight_decay;
        update_rows(o, gradients, t, &step);
        decay_rest(o, t, learning_rate, weight_decay);
        if (o->comm->size > 1) gather_rows(o, t);
    }
}
