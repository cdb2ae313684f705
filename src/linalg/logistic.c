#include "linalg/logistic.h"
#include "base/mem.h"
#include "linalg/gemm.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 100, MOST_HALVINGS = 40 };

COLLECTIVE
static void logistic_start(Logistic *l, const Samples *samples)
{
    *l = (Logistic){ .samples = samples, .width = samples->features + samples->intercept };
    l->outputs = logistic_outputs(samples->classes);
    l->padded = system_padded(l->width);
    row_blocks_init(&l->rows, samples->comm, samples->all_rows);
    int64_t n = l->outputs * l->padded;
    system_start(&l->system, samples->comm, n);
    system_matrix(&l->hessian, &l->system);
    l->x = MEM_NEW(double, n);
    l->gradient = MEM_NEW(double, 1 + n);
    l->scores = MEM_NEW(double, l->rows.rows * l->outputs + 1);
    l->probabilities = MEM_NEW(double, l->rows.rows * l->outputs + 1);
    l->left_out = MEM_NEW(double, l->rows.rows + 1);
    l->skipped = -1;
    l->members = MEM_NEW(int64_t, samples->classes);
    for (int64_t i = 0; i < l->rows.rows; i++) l->members[samples->labels[i]]++;
    comm_sum_int64(samples->comm, l->members, samples->classes);
}

COLLECTIVE
static void logistic_stop(Logistic *l)
{
    mem_free(l->members), mem_free(l->left_out);
    mem_free(l->probabilities), mem_free(l->scores), mem_free(l->gradient), mem_free(l->x);
    spread_release(&l->hessian);
    system_stop(&l->system);
}

double logistic_row(const Logistic *l, double *probabilities, const double *z, int64_t row)
{
    double most = l->outputs == 1 ? 0 : -INFINITY, sum = 0, loss = 0;
    for (int64_t k = 0; k < l->outputs; k++) most = most < z[k] ? z[k] : most;
    if (l->outputs == 1) sum = exp(-most); // of the first class, whose score is 0
    for (int64_t k = 0; k < l->outputs; k++) {
        loss -= logistic_target(l, row, k) * z[k];
        sum += probabilities[k] = exp(z[k] - most);
    }
    for (int64_t k = 0; k < l->outputs; k++) probabilities[k] /= sum;
    return loss + most + log(sum);
}

/// Loss and gradient (1 + outputs * padded) of a block's rows, with their scores and probabilities.
static void add_loss(double *out, RowBlock block, void *context)
{
    Logistic *l = context;
    int64_t n = l->padded, outputs = l->outputs;
    double *rows = MEM_NEW(double, block.count *(n + outputs)), *errors = rows + block.count * n;
    double *scores = l->scores + block.first * outputs;
    samples_columns(rows, l->samples, block, 0, n, NULL, l->samples->intercept);
    gemm_double(scores, (GemmDouble){ rows, n, false }, (GemmDouble){ l->x, n, true }, block.count,
                outputs, n);
    for (int64_t i = 0; i < block.count; i++) {
        int64_t row = block.first + i;
        double *p = l->probabilities + row * outputs;
        double loss = logistic_row(l, p, scores + i * outputs, row);
        if (row == l->skipped) {
            memset(p, 0, (size_t)outputs * sizeof *p); // nor a part of the Hessian
            continue;
        }
        out[0] += loss;
        for (int64_t k = 0; k < outputs; k++)
            errors[i * outputs + k] = p[k] - logistic_target(l, row, k);
    }
    gemm_double(out + 1, (GemmDouble){ errors, outputs, true }, (GemmDouble){ rows, n, false },
                outputs, n, block.count);
    mem_free(rows);
}

bool logistic_penalised(const Logistic *l, int64_t e)
{
    return e % l->padded != l->samples->features || !l->samples->intercept;
}

/// Collective. The objective, with all that Logistic has at x.
COLLECTIVE
static double evaluate(Logistic *l)
{
    int64_t n = l->outputs * l->padded;
    double penalty = 0;
    row_blocks_sum(&l->rows, l->gradient, 1 + n, add_loss, l);
    for (int64_t e = 0; e < n; e++) {
        if (!logistic_penalised(l, e)) continue;
        penalty += l->x[e] * l->x[e];
        l->gradient[1 + e] += l->lambda * l->x[e];
    }
    return l->gradient[0] + l->lambda / 2 * penalty;
}

/// x diag(p_k (delta - p_m)) x' at the place of classes k and m.
static void hessian_tile(double *tile, SystemTile place, RowBlock block, const void *context)
{
    const Logistic *l = context;
    const Samples *samples = l->samples;
    int64_t tiles = l->padded / SYSTEM_TILE, k = place.row / tiles, m = place.col / tiles;
    double *x = MEM_NEW(double, 2 * block.count * SYSTEM_TILE), *y = x + block.count * SYSTEM_TILE;
    samples_columns(x, samples, block, place.col % tiles * SYSTEM_TILE, SYSTEM_TILE, NULL,
                    samples->intercept);
    samples_columns(y, samples, block, place.row % tiles * SYSTEM_TILE, SYSTEM_TILE, NULL,
                    samples->intercept);
    for (int64_t i = 0; i < block.count; i++) {
        const double *p = l->probabilities + (block.first + i) * l->outputs;
        double weight = p[k] * ((k == m) - p[m]);
        for (int64_t j = 0; j < SYSTEM_TILE; j++) y[i * SYSTEM_TILE + j] *= weight;
    }
    gemm_double(tile, (GemmDouble){ x, SYSTEM_TILE, true }, (GemmDouble){ y, SYSTEM_TILE, false },
                SYSTEM_TILE, SYSTEM_TILE, block.count);
    mem_free(x);
}

/// Collective. direction = hessian^-1 gradient. False if there is none.
COLLECTIVE
static bool newton(Logistic *l, double *direction)
{
    int64_t n = l->outputs * l->padded, last = l->samples->features;
    system_sum(&l->system, &l->hessian, &l->rows, hessian_tile, l);
    for (int64_t e = 0; e < n; e++)
        if (logistic_penalised(l, e)) system_add(&l->hessian, e, e, l->lambda);
    // all intercepts may grow alike without a change: their sum stays 0
    for (int64_t k = 0; k < l->outputs && l->outputs > 1 && l->samples->intercept; k++)
        for (int64_t m = k; m < l->outputs; m++)
            system_add(&l->hessian, k * l->padded + last, m * l->padded + last, 1);
    memcpy(direction, l->gradient + 1, (size_t)n * sizeof *direction);
    return system_solve(&l->system, &l->hessian, direction, 1);
}

/// Collective. One step from x, halved until the objective falls; returns what it falls by.
COLLECTIVE
static double descend(Logistic *l, double *value, const double *direction)
{
    int64_t n = l->outputs * l->padded;
    double slope = 0, before = *value, size = 1;
    double *start = mem_copy(l->x, (size_t)n * sizeof *l->x);
    for (int64_t e = 0; e < n; e++) slope += l->gradient[1 + e] * direction[e];
    for (int halvings = 0; halvings < MOST_HALVINGS; halvings++, size /= 2) {
        for (int64_t e = 0; e < n; e++) l->x[e] = start[e] - size * direction[e];
        *value = evaluate(l);
        if (*value <= before - 1e-4 * size * slope || slope <= 1e-12 * fabs(before)) break;
    }
    mem_free(start);
    return slope;
}

/// Collective. From x to the solution at this penalty; false if it does not converge.
COLLECTIVE
static bool solve_at(Logistic *l, int *steps, double lambda)
{
    double *direction = MEM_NEW(double, l->outputs * l->padded), fall = INFINITY;
    l->lambda = lambda;
    double value = evaluate(l);
    for (int i = 0; i < MOST_STEPS && fall > 1e-12 * fabs(value); i++) { // agreed: same values
        if (!newton(l, direction)) break;
        fall = descend(l, &value, direction);
        ++*steps;
    }
    mem_free(direction);
    return fall <= 1e-12 * fabs(value);
}

/// Of one vector for the second of two classes, half for it and half against the first.
static void unpack(LinearFit *out, const Logistic *l, const double *x)
{
    int64_t features = l->samples->features, classes = l->samples->classes;
    out->weights = MEM_NEW(double, classes *features);
    if (l->samples->intercept) out->bias = MEM_NEW(double, classes);
    for (int64_t k = 0; k < classes; k++) {
        double factor = l->outputs > 1 ? 1 : k ? 0.5 : -0.5;
        const double *from = x + (l->outputs > 1 ? k : 0) * l->padded;
        for (int64_t j = 0; j < features; j++) out->weights[k * features + j] = factor * from[j];
        if (out->bias) out->bias[k] = factor * from[features];
    }
}

void logistic_refit_alone(Logistic *l, int64_t row)
{
    int steps = 0;
    int64_t own = row - l->rows.first;
    bool has = own >= 0 && own < l->rows.rows;
    size_t bytes = (size_t)(l->outputs * l->padded) * sizeof(double);
    double *x = mem_copy(l->x, bytes);
    if (has) l->skipped = own;
    bool solved = solve_at(l, &steps, l->lambda);
    if (has) {
        const double *z = l->scores + own * l->outputs;
        double *ignored = l->probabilities + own * l->outputs;
        l->left_out[own] = solved ? logistic_row(l, ignored, z, own) : INFINITY;
    }
    l->skipped = -1;
    memcpy(l->x, x, bytes);
    mem_free(x);
}

static void add_left_out(double *out, RowBlock block, void *context)
{
    Logistic *l = context;
    for (int64_t i = block.first; i < block.first + block.count; i++)
        if (logistic_lone(l, i))
            l->left_out[i] = NAN;
        else
            *out += l->left_out[i];
}

/// Collective. The mean loss of rows that are left out of the solution at x.
COLLECTIVE
static double leave_out(LinearFit *out, Logistic *l)
{
    double sum = 0;
    int64_t rows = l->samples->all_rows;
    if (out->exact) // agreed: follows from the problem
        logistic_refit(l, &out->trials, &out->alone);
    else
        logistic_step_out(l);
    for (int k = 0; k < l->samples->classes; k++)
        rows -= l->samples->intercept && l->members[k] == 1;
    row_blocks_sum(&l->rows, &sum, 1, add_left_out, l);
    return rows ? sum / (double)rows : 0;
}

/// What is the best so far.
static void keep(LinearFit *out, double **best, const Logistic *l)
{
    mem_free(*best);
    mem_free(out->left_out);
    *best = mem_copy(l->x, (size_t)(l->outputs * l->padded) * sizeof(double));
    out->left_out = mem_copy(l->left_out, (size_t)(l->rows.rows + 1) * sizeof(double));
}

Status solve_logistic(LinearFit *out, const Samples *samples, const Penalties *penalties)
{
    Status status = OK;
    Logistic l;
    logistic_start(&l, samples);
    out->exact = solve_refits(&(SolveShape){ .all_rows = samples->all_rows,
                                             .features = samples->features,
                                             .classes = samples->classes,
                                             .intercept = samples->intercept,
                                             .penalties = penalties->count,
                                             .leave_out = penalties->leave_out });
    double *best = NULL;
    for (int i = penalties->count - 1; i >= 0; i--) {
        if (!solve_at(&l, &out->steps, penalties->lambdas[i])) break; // agreed: the same values
        double error = leave_out(out, &l);
        if (linear_fit_takes(out, l.lambda, error)) keep(out, &best, &l);
    }
    if (best)
        unpack(out, &l, best);
    else
        status = status_fail(FAILED,
                             "logistic regression with a penalty of %g does not converge in %d "
                             "steps: raise train.regularization",
                             penalties->lambdas[penalties->count - 1], out->steps);
    mem_free(best);
    logistic_stop(&l);
    return status;
}

typedef struct {
    const LinearFit *fit;
    const Samples *samples;
} FitLoss;

static void add_fit_loss(double *out, RowBlock block, void *context)
{
    const FitLoss *f = context;
    const Samples *s = f->samples;
    int64_t classes = s->classes, n = s->features;
    double *rows = MEM_NEW(double, block.count *(n + classes)), *z = rows + block.count * n;
    samples_columns(rows, s, block, 0, n, NULL, 0);
    gemm_double(z, (GemmDouble){ rows, n, false }, (GemmDouble){ f->fit->weights, n, true },
                block.count, classes, n);
    for (int64_t i = 0; i < block.count; i++, z += classes) {
        double exps = 0, most = -INFINITY;
        for (int64_t k = 0; k < classes; k++) {
            if (f->fit->bias) z[k] += f->fit->bias[k];
            most = most < z[k] ? z[k] : most;
        }
        for (int64_t k = 0; k < classes; k++) exps += exp(z[k] - most);
        *out += most + log(exps) - z[s->labels[block.first + i]];
    }
    mem_free(rows);
}

double solve_loss(const LinearFit *fit, const Samples *samples)
{
    RowBlocks rows;
    double sum = 0;
    FitLoss context = { fit, samples };
    row_blocks_init(&rows, samples->comm, samples->all_rows);
    row_blocks_sum(&rows, &sum, 1, add_fit_loss, &context);
    return sum / (double)samples->all_rows;
}
