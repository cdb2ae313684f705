#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/refits.h"

#include <math.h>
#include <string.h>

static const double tolerance = 1e-7; // of itself, what a row's loss may be off by
int refit_trials = REFIT_TRIALS;
// What a step may leave of the fall, upwards; how much less is tried after one that leaves more.
static const double fall_left = 0.5, least_cut = 0.02, most_cut = 0.7;

/// shift, and reach: the trace of C + C shift C.
static void set_shift(Refit *f, const Logistic *l)
{
    int64_t n = l->outputs, all = n * l->padded;
    const double *p = f->record + l->padded;
    double *c = MEM_NEW(double, 2 * n * n), *a = c + n * n;
    for (int64_t k = 0; k < n; k++)
        for (int64_t m = 0; m < n; m++) {
            c[k * n + m] = secants_dot(f->record, f->turned + m * all + k * l->padded, l->padded);
            f->shift[k * n + m] = p[k] * ((k == m) - p[m]);
        }
    logistic_downdate(a, p, c, n);
    f->fails = !logistic_eliminate(a, f->shift, n, n);
    f->reach = 0;
    for (int64_t k = 0; k < n; k++) {
        f->reach += c[k * n + k];
        for (int64_t m = 0; m < n; m++)
            for (int64_t j = 0; j < n; j++)
                f->reach += c[k * n + m] * f->shift[m * n + j] * c[j * n + k];
    }
    mem_free(c);
}

void refit_start(Refit *f, const Logistic *l, const double *record, int64_t row)
{
    int64_t n = l->outputs * l->padded;
    const double *errors = record + l->padded + l->outputs;
    memcpy(f->record, record, (size_t)(l->padded + 2 * l->outputs) * sizeof *record);
    f->row = row;
    f->trials = 0;
    f->turns = true;
    f->secants.count = 0;
    memcpy(f->x, l->x, (size_t)n * sizeof *f->x);
    for (int64_t e = 0; e < n; e++)
        f->gradient[e] = l->gradient[1 + e] - errors[e / l->padded] * record[e % l->padded];
    set_shift(f, l);
}

/// y = M^-1 of what y is H^-1 of.
static void downdate(const Refit *f, const Logistic *l, double *y)
{
    int64_t outputs = l->outputs, n = outputs * l->padded;
    double *along = MEM_NEW(double, outputs);
    for (int64_t k = 0; k < outputs; k++)
        along[k] = secants_dot(f->record, y + k * l->padded, l->padded);
    for (int64_t k = 0; k < outputs; k++) {
        double factor = 0;
        for (int64_t m = 0; m < outputs; m++) factor += f->shift[k * outputs + m] * along[m];
        for (int64_t e = 0; e < n; e++) y[e] += factor * f->turned[k * n + e];
    }
    mem_free(along);
}

/// The next direction, from M^-1 and what was learned since, times the gradient.
static void direct(Refit *f, const Logistic *l, double *y)
{
    int64_t n = l->outputs * l->padded;
    downdate(f, l, y);
    secants_after(&f->secants, y);
    f->fall = secants_dot(f->gradient, y, n);
    f->size = 1;
    for (int64_t e = 0; e < n; e++) {
        f->direction[e] = -y[e];
        f->trial[e] = f->x[e] - y[e];
    }
    // the row's scores are off by at most this, in the norm of M, and so its loss, of itself
    f->turns = f->reach * f->fall <= tolerance * tolerance;
    if (!(f->fall >= 0 && f->reach >= 0)) f->fails = true;
    if (f->trials >= refit_trials && !f->turns) f->fails = true;
    f->turns = f->turns || f->fails;
}

static int64_t list_turning(Refits *r)
{
    int64_t count = 0;
    for (int64_t s = 0; s < r->slots; s++)
        if (r->refits[s].row >= 0 && r->refits[s].turns) r->list[count++] = s;
    return count;
}

void refits_turn(Refits *r)
{
    const Logistic *l = r->logistic;
    int64_t count = list_turning(r), n = r->n;
    if (!count) return; // agreed: all have the same slots
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; i++) {
        Refit *f = &r->refits[r->list[i]];
        memcpy(r->sides + i * n, f->gradient, (size_t)n * sizeof(double));
        secants_before(&f->secants, r->sides + i * n);
    }
    system_apply(&l->system, r->results, &l->hessian, 0, n, r->sides, count);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < count; i++) direct(&r->refits[r->list[i]], l, r->results + i * n);
}

typedef struct {
    const Refits *refits;
    int64_t first; ///< slot
} Part;

/// errors (outputs) of a row at scores z, of which they take the place.
static void make_errors(double *z, const Logistic *l, int64_t row)
{
    if (l->outputs == 1)
        *z = 1 / (1 + exp(-*z));
    else
        logistic_row(l, z, z, row);
    for (int64_t k = 0; k < l->outputs; k++) z[k] -= logistic_target(l, row, k);
}

/// Gradients (a part's slots, n) of a block's rows, each without its slot's own.
static void add_gradients(double *out, RowBlock block, void *context)
{
    const Part *part = context;
    const Refits *r = part->refits;
    const Logistic *l = r->logistic;
    int64_t n = l->padded, outputs = l->outputs, vectors = r->shape.rows * outputs;
    double *rows = MEM_NEW(double, block.count *(n + vectors)), *errors = rows + block.count * n;
    samples_columns(rows, l->samples, block, 0, n, NULL, l->samples->intercept);
    gemm_double(errors, (GemmDouble){ rows, n, false },
                (GemmDouble){ r->trials + part->first * r->n, n, true }, block.count, vectors, n);
    for (int64_t i = 0; i < block.count; i++)
        for (int64_t s = 0; s < r->shape.rows; s++) {
            double *z = errors + i * vectors + s * outputs;
            int64_t left_out = r->refits[part->first + s].row, row = block.first + i;
            if (left_out < 0 || left_out == l->rows.first + row)
                memset(z, 0, (size_t)outputs * sizeof *z);
            else
                make_errors(z, l, row);
        }
    gemm_double(out, (GemmDouble){ errors, vectors, true }, (GemmDouble){ rows, n, false }, vectors,
                n, block.count);
    mem_free(rows);
}

/// Parts that have rows; where their gradients come.
static int64_t list_parts(Refits *r, Part *parts, void **contexts)
{
    int64_t count = 0, slots = r->shape.rows;
    for (int64_t first = 0; first < r->slots; first += slots) {
        bool any = false;
        for (int64_t s = 0; s < slots; s++) {
            any = any || r->refits[first + s].row >= 0;
            r->refits[first + s].found = r->found + (count * slots + s) * r->n;
        }
        if (!any) continue;
        parts[count] = (Part){ r, first };
        contexts[count] = &parts[count];
        count++;
    }
    return count;
}

/// Takes what was tried, or shortens the step: to where a line through both slopes is 0.
static void judge(Refit *f, const Logistic *l)
{
    int64_t n = l->outputs * l->padded;
    for (int64_t e = 0; e < n; e++)
        if (logistic_penalised(l, e)) f->found[e] += l->lambda * f->trial[e];
    double rise = secants_dot(f->found, f->direction, n);
    f->trials++;
    f->turns = rise <= fall_left * f->fall || f->trials >= refit_trials;
    if (f->turns) {
        secants_add(&f->secants, f->trial, f->x, f->found, f->gradient);
        memcpy(f->x, f->trial, (size_t)n * sizeof(double));
        memcpy(f->gradient, f->found, (size_t)n * sizeof(double));
        return;
    }
    double cut = f->fall / (f->fall + rise);
    f->size *= cut > most_cut ? most_cut : cut > least_cut ? cut : least_cut;
    for (int64_t e = 0; e < n; e++) f->trial[e] = f->x[e] + f->size * f->direction[e];
}

void refits_try(Refits *r)
{
    Part *parts = MEM_NEW(Part, r->shape.parts);
    void **contexts = MEM_NEW(void *, r->shape.parts);
    int64_t count = list_parts(r, parts, contexts);
    row_blocks_sums(&r->logistic->rows, r->found, count, r->shape.rows * r->n, add_gradients,
                    contexts);
#pragma omp parallel for schedule(dynamic)
    for (int64_t s = 0; s < r->slots; s++)
        if (r->refits[s].row >= 0) judge(&r->refits[s], r->logistic);
    mem_free(contexts);
    mem_free(parts);
}
