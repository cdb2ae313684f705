#include "linalg/refits.h"
#include "base/mem.h"

#include <math.h>
#include <string.h>

enum { PART_VECTORS = 32, MOST_PARTS = 64 };
static const double most_doubles = 1 << 24; // 128 MiB, of as many ranks as there can be

RefitShape refit_shape(int64_t all_rows, int64_t outputs, int64_t n)
{
    RefitShape s = { .rows = PART_VECTORS / outputs };
    if (!s.rows) s.rows = 1;
    s.row_doubles =
        n * (7 + SECANTS_DOUBLES + outputs) + n / outputs + 2 * outputs + outputs * outputs;
    double parts = most_doubles / (double)(s.rows * (s.row_doubles + n * ROW_BLOCKS_MOST));
    int64_t needed = (all_rows + s.rows - 1) / s.rows;
    s.parts = parts < 1 ? 1 : parts > MOST_PARTS ? MOST_PARTS : (int64_t)parts;
    if (s.parts > needed) s.parts = needed;
    return s;
}

static int64_t record_doubles(const Logistic *l)
{
    return l->padded + 2 * l->outputs;
}

static double *take(double **memory, int64_t count)
{
    double *taken = *memory;
    *memory += count;
    return taken;
}

static void refits_init(Refits *r, Logistic *l)
{
    int64_t n = l->outputs * l->padded, outputs = l->outputs;
    *r = (Refits){ .logistic = l, .n = n, .shape = refit_shape(l->samples->all_rows, outputs, n) };
    r->slots = r->shape.rows * r->shape.parts;
    r->refits = MEM_NEW(Refit, r->slots);
    r->list = MEM_NEW(int64_t, r->slots);
    r->alone = MEM_NEW(int64_t, l->samples->all_rows);
    double *at = r->memory = MEM_NEW(double, r->slots * r->shape.row_doubles);
    r->trials = take(&at, r->slots * n);
    r->found = take(&at, r->slots * n);
    r->sides = take(&at, r->slots * n);
    r->results = take(&at, r->slots * n);
    for (int64_t s = 0; s < r->slots; s++) {
        Refit *f = &r->refits[s];
        *f = (Refit){ .row = -1, .trial = r->trials + s * n };
        f->record = take(&at, record_doubles(l));
        f->turned = take(&at, outputs * n);
        f->shift = take(&at, outputs * outputs);
        f->x = take(&at, n);
        f->gradient = take(&at, n);
        f->direction = take(&at, n);
        secants_start(&f->secants, take(&at, SECANTS_DOUBLES * n), n);
    }
}

static void refits_release(Refits *r)
{
    mem_free(r->memory), mem_free(r->alone), mem_free(r->list), mem_free(r->refits);
}

/// Features, probabilities and errors of one of this rank's rows.
static void write_record(double *record, const Logistic *l, int64_t row)
{
    double *p = record + l->padded, *errors = p + l->outputs;
    samples_columns(record, l->samples, (RowBlock){ row, 1 }, 0, l->padded, NULL,
                    l->samples->intercept);
    for (int64_t k = 0; k < l->outputs; k++) {
        p[k] = logistic_lone(l, row) ? 0 : l->probabilities[row * l->outputs + k];
        errors[k] = logistic_lone(l, row) ? 0 : p[k] - logistic_target(l, row, k);
    }
}

/// Those of rows [first, first + count) that a rank has, from its own first one on.
static RowBlock overlap(const RowBlocks *rows, int64_t first, int64_t count)
{
    int64_t begin = first < rows->first ? rows->first : first, end = first + count;
    if (end > rows->first + rows->rows) end = rows->first + rows->rows;
    return (RowBlock){ begin - rows->first, end > begin ? end - begin : 0 };
}

/// Collective. Records of rows [next, next + count), from those that have them.
COLLECTIVE
static void gather_records(double *all, const Refits *r, int64_t count)
{
    const Logistic *l = r->logistic;
    int size = l->samples->comm->size;
    int64_t doubles = record_doubles(l), *counts_bytes = MEM_NEW(int64_t, size);
    double *mine = MEM_NEW(double, count *doubles);
    RowBlock own = overlap(&l->rows, r->next, count);
    for (int64_t i = 0; i < own.count; i++) write_record(mine + i * doubles, l, own.first + i);
    for (int rank = 0; rank < size; rank++) {
        const Comm other = { .rank = rank, .size = size };
        RowBlocks rows;
        row_blocks_init(&rows, &other, l->samples->all_rows);
        counts_bytes[rank] =
            overlap(&rows, r->next, count).count * doubles * (int64_t)sizeof(double);
    }
    comm_gather_all(l->samples->comm, all, mine, counts_bytes);
    mem_free(mine);
    mem_free(counts_bytes);
}

/// Collective. turned of those in the list, a class at a time.
COLLECTIVE
static void turn_features(Refits *r, const double *records, int64_t count)
{
    const Logistic *l = r->logistic;
    int64_t n = r->n, size = record_doubles(l);
    for (int64_t i = 0; i < count; i++)
        memcpy(r->sides + i * l->padded, records + i * size, (size_t)l->padded * sizeof(double));
    for (int64_t k = 0; k < l->outputs; k++) {
        system_apply(&l->system, r->results, &l->hessian, k * l->padded, l->padded, r->sides,
                     count);
        for (int64_t i = 0; i < count; i++)
            memcpy(r->refits[r->list[i]].turned + k * n, r->results + i * n,
                   (size_t)n * sizeof(double));
    }
}

/// Collective. New rows where rows have left, not a few at a time. False if there are none.
COLLECTIVE
static bool refill(Refits *r)
{
    int64_t left = r->logistic->samples->all_rows - r->next, empty = 0;
    for (int64_t s = 0; s < r->slots; s++)
        if (r->refits[s].row < 0) r->list[empty++] = s;
    int64_t count = empty < left ? empty : left;
    if (!count || 4 * empty < r->slots) return false; // agreed: all have the same slots
    double *records = MEM_NEW(double, count *record_doubles(r->logistic));
    gather_records(records, r, count);
    turn_features(r, records, count);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; i++)
        refit_start(&r->refits[r->list[i]], r->logistic, records + i * record_doubles(r->logistic),
                    r->next + i);
    r->next += count;
    r->active += count;
    mem_free(records);
    return true;
}

/// The loss of a row of this rank where it has ended.
static void take_loss(const Refit *f, Logistic *l)
{
    int64_t row = f->row - l->rows.first;
    if (row < 0 || row >= l->rows.rows) return;
    double *z = MEM_NEW(double, 2 * l->outputs);
    for (int64_t k = 0; k < l->outputs; k++)
        z[k] = secants_dot(f->record, f->trial + k * l->padded, l->padded);
    l->left_out[row] = logistic_row(l, z + l->outputs, z, row);
    mem_free(z);
}

/// Collective. Those that have ended, and those that are to be solved alone, make room.
COLLECTIVE
static void turn_or_leave(Refits *r)
{
    refits_turn(r);
    for (int64_t s = 0; s < r->slots; s++) {
        Refit *f = &r->refits[s];
        if (f->row < 0 || !f->turns) continue;
        r->made += f->trials;
        r->active--;
        if (f->fails)
            r->alone[r->alone_count++] = f->row;
        else
            take_loss(f, r->logistic);
        f->row = -1;
    }
}

void logistic_refit(Logistic *l, int64_t *trials, int64_t *alone)
{
    Refits r;
    refits_init(&r, l);
    system_invert(&l->system, &l->hessian);
    do { // agreed: all have the same slots
        if (r.active) refits_try(&r);
        do turn_or_leave(&r); // some are there before they try
        while (refill(&r));
    } while (r.active);
    for (int64_t i = 0; i < r.alone_count; i++) logistic_refit_alone(l, r.alone[i]);
    *trials += r.made;
    *alone += r.alone_count;
    refits_release(&r);
}
