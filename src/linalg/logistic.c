#include "base/mem.h"
#include "linalg/solve.h"

#include <math.h>
#include <string.h>

enum { MOST_STEPS = 100, MOST_HALVINGS = 40 };

/// Newton's method over rows with a 1 behind their features: parameters are a vector of width for
/// each of `outputs` classes, its last element the intercept. Of two classes there is one vector,
/// for the second.
typedef struct {
    const Samples *samples;
    SolveGrids grids;
    Spread x;     ///< (width, all rows)
    double *rows; ///< (count, width) of this rank
    int64_t count, width, outputs;
    double lambda;
    double *probabilities; ///< (count, outputs)
} Logistic;

static void logistic_init(Logistic *l, const Samples *samples, double lambda)
{
    int64_t first, features = samples->features;
    *l = (Logistic){ .samples = samples, .lambda = lambda, .width = features + 1 };
    l->outputs = samples->classes == 2 ? 1 : samples->classes;
    solve_rows(&first, &l->count, samples->comm, samples->all_rows);
    l->rows = MEM_NEW(double, l->count * l->width + 1);
    l->probabilities = MEM_NEW(double, l->count * l->outputs + 1);
    for (int64_t i = 0; i < l->count; i++) {
        for (int64_t j = 0; j < features; j++)
            l->rows[i * l->width + j] = (double)samples->x[i * features + j];
        l->rows[i * l->width + features] = 1;
    }
}

static double target(const Logistic *l, int64_t row, int64_t k)
{
    return l->samples->labels[row] == (l->outputs == 1 ? 1 : k);
}

/// The row's probabilities from its scores, in place; returns its loss.
static double row_loss(const Logistic *l, double *z, int64_t row)
{
    double most = 0, sum = 0, loss = 0;
    for (int64_t k = 0; k < l->outputs; k++) most = most < z[k] ? z[k] : most;
    if (l->outputs == 1) sum = exp(-most); // of the first class, whose score is 0
    for (int64_t k = 0; k < l->outputs; k++) {
        loss -= target(l, row, k) * z[k];
        sum += exp(z[k] - most);
    }
    for (int64_t k = 0; k < l->outputs; k++) z[k] = exp(z[k] - most) / sum;
    return loss + most + log(sum);
}

/// Collective. The objective, with probabilities and gradient (outputs, width) at x.
COLLECTIVE
static double evaluate(Logistic *l, double *gradient, const double *x)
{
    int64_t n = l->outputs * l->width;
    double loss = 0, penalty = 0;
    memset(gradient, 0, (size_t)n * sizeof *gradient);
    for (int64_t i = 0; i < l->count; i++) {
        const double *row = l->rows + i * l->width;
        double *p = l->probabilities + i * l->outputs;
        for (int64_t k = 0; k < l->outputs; k++) {
            p[k] = 0;
            for (int64_t j = 0; j < l->width; j++) p[k] += row[j] * x[k * l->width + j];
        }
        loss += row_loss(l, p, i);
        for (int64_t k = 0; k < l->outputs; k++)
            for (int64_t j = 0; j < l->width; j++)
                gradient[k * l->width + j] += (p[k] - target(l, i, k)) * row[j];
    }
    comm_sum_doubles(l->samples->comm, &loss, 1);
    comm_sum_doubles(l->samples->comm, gradient, n);
    for (int64_t e = 0; e < n; e++) {
        if (e % l->width == l->width - 1) continue;
        penalty += x[e] * x[e];
        gradient[e] += l->lambda * x[e];
    }
    return loss + l->lambda / 2 * penalty;
}

/// Adds x diag(p_k (delta - p_m)) x' at the place of classes k and m.
COLLECTIVE
static void add_classes(Logistic *l, Spread *hessian, double *scaled, int64_t k, int64_t m)
{
    Spread weighted;
    for (int64_t i = 0; i < l->count; i++) {
        const double *p = l->probabilities + i * l->outputs;
        double weight = p[k] * ((k == m) - p[m]);
        for (int64_t j = 0; j < l->width; j++)
            scaled[i * l->width + j] = weight * l->rows[i * l->width + j];
    }
    solve_spread_rows(&weighted, &l->grids, scaled, l->samples->all_rows, l->width);
    spread_multiply(hessian, k * l->width, m * l->width, &weighted, false, &l->x, true);
    spread_release(&weighted);
}

/// Collective. direction = hessian^-1 gradient. False if there is none.
COLLECTIVE
static bool newton(Logistic *l, double *direction, const double *gradient)
{
    int64_t n = l->outputs * l->width, last = l->width - 1;
    double *scaled = MEM_NEW(double, l->count * l->width + 1);
    Spread hessian, side;
    spread_init(&hessian, &l->grids.square, n, n);
    spread_init(&side, &l->grids.square, n, 1);
    for (int64_t k = 0; k < l->outputs; k++)
        for (int64_t m = k; m < l->outputs; m++) add_classes(l, &hessian, scaled, k, m);
    for (int64_t e = 0; e < n; e++) {
        if (e % l->width != last) spread_add(&hessian, e, e, l->lambda);
        spread_add(&side, e, 0, gradient[e]);
    }
    // all intercepts may grow alike without a change: their sum stays 0
    for (int64_t k = 0; k < l->outputs && l->outputs > 1; k++)
        for (int64_t m = k; m < l->outputs; m++)
            spread_add(&hessian, k * l->width + last, m * l->width + last, 1);
    bool solved = spread_solve(&hessian, &side);
    spread_gather(direction, &side);
    spread_release(&side);
    spread_release(&hessian);
    mem_free(scaled);
    return solved;
}

/// Collective. One step from x, halved until the objective falls; returns what it falls by.
COLLECTIVE
static double descend(Logistic *l, double *x, double *value, double *gradient, double *direction)
{
    int64_t n = l->outputs * l->width;
    double slope = 0, before = *value, size = 1;
    double *start = mem_copy(x, (size_t)n * sizeof *x);
    for (int64_t e = 0; e < n; e++) slope += gradient[e] * direction[e];
    for (int halvings = 0; halvings < MOST_HALVINGS; halvings++, size /= 2) {
        for (int64_t e = 0; e < n; e++) x[e] = start[e] - size * direction[e];
        *value = evaluate(l, gradient, x);
        if (*value <= before - 1e-4 * size * slope || slope <= 1e-12 * fabs(before)) break;
    }
    mem_free(start);
    return slope;
}

/// Of one vector for the second of two classes, half for it and half against the first.
static void unpack(LinearFit *out, const Logistic *l, const double *x)
{
    int64_t features = l->samples->features;
    out->weights = MEM_NEW(double, l->samples->classes *features);
    out->bias = MEM_NEW(double, l->samples->classes);
    for (int64_t k = 0; k < l->samples->classes; k++) {
        double factor = l->outputs > 1 ? 1 : k ? 0.5 : -0.5;
        const double *from = x + (l->outputs > 1 ? k : 0) * l->width;
        for (int64_t j = 0; j < features; j++) out->weights[k * features + j] = factor * from[j];
        out->bias[k] = factor * from[features];
    }
}

Status solve_logistic(LinearFit *out, const Samples *samples, double lambda)
{
    Status status = OK;
    Logistic l;
    logistic_init(&l, samples, lambda);
    int64_t n = l.outputs * l.width;
    double *x = MEM_NEW(double, n), *gradient = MEM_NEW(double, n);
    double *direction = MEM_NEW(double, n), fall = INFINITY;
    solve_grids_start(&l.grids, samples->comm);
    solve_spread_rows(&l.x, &l.grids, l.rows, samples->all_rows, l.width);
    double value = evaluate(&l, gradient, x);
    out->lambda = lambda;
    while (out->steps < MOST_STEPS && fall > 1e-12 * fabs(value)) { // agreed: all have the same
        if (!newton(&l, direction, gradient)) break;
        fall = descend(&l, x, &value, gradient, direction);
        out->steps++;
    }
    if (!(fall <= 1e-12 * fabs(value)))
        status = status_fail(FAILED,
                             "logistic regression with a penalty of %g does not converge in %d "
                             "steps: raise train.regularization",
                             lambda, out->steps);
    unpack(out, &l, x);
    spread_release(&l.x);
    solve_grids_stop(&l.grids);
    mem_free(direction);
    mem_free(gradient);
    mem_free(x);
    mem_free(l.probabilities);
    mem_free(l.rows);
    return status;
}
