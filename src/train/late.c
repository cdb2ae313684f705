#include "train/late.h"
#include "base/mem.h"
#include "base/pulse.h"
#include "base/status.h"

#include <string.h>

enum { HISTORY = 1024 };

static const Param *table_param(const Late *late, int table)
{
    return &late->model->params[late->blocks->tables[table]];
}

/// Place of an own row among those of this rank: every rank's blocks are in their order.
static int64_t row_place(const Late *late, int64_t row)
{
    return row / BLOCK_ROWS / late->ranks * BLOCK_ROWS + row % BLOCK_ROWS;
}

bool late_is_own(const Late *late, int table, int64_t row)
{
    return blocks_of_row(late->blocks, table, row)->owner == late->blocks->rank;
}

static void init_table(Late *late, int table)
{
    LateTable *own = &late->tables[table];
    const Blocks *blocks = late->blocks;
    for (int i = blocks->table_blocks[table]; i < blocks->table_blocks[table + 1]; i++)
        if (blocks->items[i].owner == blocks->rank) own->rows += BLOCK_ROWS;
    own->updates = MEM_NEW(int64_t, own->rows);
    own->active = MEM_NEW(bool, own->rows);
    for (int i = blocks->segment_count - 1; i >= 0; i--) // the first of them
        if (blocks->segments[i].param == blocks->tables[table]) own->at = blocks->segments[i].at;
}

void late_init(Late *late, const Model *model, const Blocks *blocks, int ranks)
{
    int64_t widest = 1;
    *late = (Late){ .model = model, .blocks = blocks, .ranks = ranks };
    late->tables = MEM_NEW(LateTable, blocks->table_count);
    for (int t = 0; t < blocks->table_count; t++) {
        init_table(late, t);
        if (table_param(late, t)->cols > widest) widest = table_param(late, t)->cols;
    }
    late->history = MEM_NEW(AdamStep, HISTORY);
    late->zeros = MEM_NEW(float, widest);
}

void late_release(Late *late)
{
    for (int t = 0; late->tables && t < late->blocks->table_count; t++) {
        mem_free(late->tables[t].updates);
        mem_free(late->tables[t].active);
    }
    mem_free(late->tables);
    mem_free(late->history);
    mem_free(late->zeros);
    *late = (Late){ 0 };
}

void late_copy(Late *to, const Late *from)
{
    for (int t = 0; t < from->blocks->table_count; t++) {
        const LateTable *table = &from->tables[t];
        memcpy(to->tables[t].updates, table->updates, (size_t)table->rows * sizeof(int64_t));
        memcpy(to->tables[t].active, table->active, (size_t)table->rows * sizeof(bool));
    }
    memcpy(to->history, from->history, (size_t)from->history_count * sizeof *to->history);
    to->history_count = from->history_count;
    to->steps = from->steps;
}

Segment late_segment(const Late *late, int table, int64_t row)
{
    const Param *p = table_param(late, table);
    return (Segment){ .first = p->offset + row * p->cols,
                      .count = p->cols,
                      .param = late->blocks->tables[table],
                      .at = late->tables[table].at + row_place(late, row) * p->cols };
}

bool late_is_full(const Late *late)
{
    return late->history_count == HISTORY;
}

void late_add_step(Late *late, const AdamStep *step)
{
    late->history[late->history_count++] = *step;
    late->steps++;
}

void adam_update(const AdamState *state, const Param *param, const float *gradient, int64_t count,
                 AdamStep step)
{
    if (!param->decays) step.weight_decay = 0;
    vec_adam(state->values, state->exp_avg, state->exp_avg_sq, gradient, count, &step);
}

void late_update(Late *late, int table, int64_t row, const AdamState *state, const float *gradient)
{
    const Param *p = table_param(late, table);
    LateTable *own = &late->tables[table];
    int64_t place = row_place(late, row);
    CHECK(own->updates[place] == late->steps - 1, "row %lld is stale", (long long)row);
    adam_update(state, p, gradient, p->cols, late->history[late->history_count - 1]);
    own->active[place] = true;
    own->updates[place] = late->steps;
}

void late_catch_up(Late *late, int table, int64_t row, const AdamState *state)
{
    const Param *p = table_param(late, table);
    LateTable *own = &late->tables[table];
    int64_t place = row_place(late, row), done = own->updates[place];
    own->updates[place] = late->steps;
    if (p->kind == PARAM_FROZEN) return;
    for (int64_t i = done - (late->steps - late->history_count); i < late->history_count; i++) {
        const AdamStep *step = &late->history[i];
        if (own->active[place])
            adam_update(state, p, late->zeros, p->cols, *step);
        else if (p->decays && step->weight_decay != 0) // what is left of the update at zero moments
            vec_scale(state->values, (float)(1 - step->learning_rate * step->weight_decay),
                      p->cols);
    }
}

void late_catch_up_all(Late *late, const AdamState *own)
{
    for (int t = 0; t < late->blocks->table_count; t++)
        for (int64_t row = 0; row < table_param(late, t)->rows; row++) {
            if (!late_is_own(late, t, row)) continue;
            int64_t at = late_segment(late, t, row).at;
            late_catch_up(
                late, t, row,
                &(AdamState){ own->values + at, own->exp_avg + at, own->exp_avg_sq + at });
            pulse_progress();
        }
    late_forget(late);
}

void late_forget(Late *late)
{
    late->history_count = 0;
}

static bool any_nonzero(const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (x[i] != 0) return true;
    return false;
}

void late_restored(Late *late, int64_t steps, const float *exp_avg, const float *exp_avg_sq)
{
    late->steps = steps;
    for (int t = 0; t < late->blocks->table_count; t++) {
        const Param *p = table_param(late, t);
        for (int64_t row = 0; row < p->rows; row++) {
            if (!late_is_own(late, t, row)) continue;
            int64_t at = late_segment(late, t, row).at, place = row_place(late, row);
            late->tables[t].updates[place] = steps;
            late->tables[t].active[place] =
                any_nonzero(exp_avg + at, p->cols) || any_nonzero(exp_avg_sq + at, p->cols);
        }
    }
}
