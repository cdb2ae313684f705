#include "linalg/solve.h"
#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/system.h"

#include <math.h>
#include <string.h>

void linear_fit_release(LinearFit *fit)
{
    mem_free(fit->weights);
    mem_free(fit->bias);
    mem_free(fit->left_out);
    *fit = (LinearFit){ 0 };
}

bool linear_fit_takes(LinearFit *fit, double lambda, double error)
{
    const double rounding = 1e-9;
    bool first = fit->tried++ == 0;
    double gain = fit->error - error, least = rounding * fmin(fabs(fit->error), fabs(error));
    bool better = first || gain > least || (isnan(fit->error) && !isnan(error));
    fit->tied = !better && (fit->tied || (fit->tried == 2 && gain >= -least));
    if (!better) return false;
    fit->lambda = lambda;
    fit->error = error;
    return true;
}

void samples_columns(double *out, const Samples *samples, RowBlock block, int64_t first,
                     int64_t count, const double *mean, double after)
{
    int64_t features = samples->features;
    for (int64_t i = 0; i < block.count; i++, out += count) {
        const float *x = samples->x + (block.first + i) * features;
        for (int64_t c = 0; c < count; c++) {
            int64_t j = first + c;
            out[c] = j < features ? (double)x[j] - (mean ? mean[j] : 0) : j == features ? after : 0;
        }
    }
}

/// Ridge regression on centred features.
typedef struct {
    const Samples *samples;
    RowBlocks rows;
    System system;
    double *mean;    ///< (features)
    double *targets; ///< (classes): their mean
    double *sides;   ///< (classes, n): products of features and targets, over all rows
    Spread gram;
    // along the eigenvectors of the Gram matrix
    double *values;      ///< (n)
    double *panel;       ///< (n, tile): some of the vectors
    double *panel_sides; ///< (tile, classes)
    int64_t panel_first; ///< the first of them
    double *left;        ///< (rows, lambdas, 1 + classes): a row's leverage, and what is predicted
    const double *lambdas;
    int lambda_count;
} Ridge;

static double ridge_target(const Ridge *r, int64_t row, int64_t k)
{
    return (r->samples->labels[row] == k ? 1 : -1) - r->targets[k];
}

static void add_features(double *out, RowBlock block, void *context)
{
    const Samples *samples = ((const Ridge *)context)->samples;
    const float *x = samples->x + block.first * samples->features;
    for (int64_t i = 0; i < block.count; i++)
        for (int64_t j = 0; j < samples->features; j++)
            out[j] += (double)x[i * samples->features + j];
}

/// Means of features and targets, where there is an intercept.
COLLECTIVE
static void centre(Ridge *r)
{
    const Samples *samples = r->samples;
    double all = (double)samples->all_rows;
    int64_t *counts = MEM_NEW(int64_t, samples->classes);
    if (samples->intercept) { // agreed: the same head on all ranks
        row_blocks_sum(&r->rows, r->mean, samples->features, add_features, r);
        for (int64_t j = 0; j < samples->features; j++) r->mean[j] /= all;
        for (int64_t i = 0; i < r->rows.rows; i++) counts[samples->labels[i]]++;
        comm_sum_int64(samples->comm, counts, samples->classes);
        for (int k = 0; k < samples->classes; k++)
            r->targets[k] = (2 * (double)counts[k] - all) / all;
    }
    mem_free(counts);
}

static void add_sides(double *out, RowBlock block, void *context)
{
    const Ridge *r = context;
    int64_t n = r->system.n, classes = r->samples->classes;
    double *x = MEM_NEW(double, block.count *(n + classes)), *y = x + block.count * n;
    samples_columns(x, r->samples, block, 0, n, r->mean, 0);
    for (int64_t i = 0; i < block.count * classes; i++)
        y[i] = ridge_target(r, block.first + i / classes, i % classes);
    gemm_double(out, (GemmDouble){ y, classes, true }, (GemmDouble){ x, n, false }, classes, n,
                block.count);
    mem_free(x);
}

static void gram_tile(double *tile, SystemTile place, RowBlock block, const void *context)
{
    const Ridge *r = context;
    double *x = MEM_NEW(double, 2 * block.count * SYSTEM_TILE), *y = x + block.count * SYSTEM_TILE;
    samples_columns(x, r->samples, block, place.col * SYSTEM_TILE, SYSTEM_TILE, r->mean, 0);
    samples_columns(y, r->samples, block, place.row * SYSTEM_TILE, SYSTEM_TILE, r->mean, 0);
    gemm_double(tile, (GemmDouble){ x, SYSTEM_TILE, true }, (GemmDouble){ y, SYSTEM_TILE, false },
                SYSTEM_TILE, SYSTEM_TILE, block.count);
    mem_free(x);
}

/// What the panel's eigenvectors add to leverage and prediction of a block's rows.
static void add_panel(Ridge *r, RowBlock block)
{
    int64_t n = r->system.n, classes = r->samples->classes, width = 1 + classes;
    double *x = MEM_NEW(double, block.count *(n + SYSTEM_TILE)), *turned = x + block.count * n;
    samples_columns(x, r->samples, block, 0, n, r->mean, 0);
    gemm_double(turned, (GemmDouble){ x, n, false }, (GemmDouble){ r->panel, n, true }, block.count,
                SYSTEM_TILE, n);
    for (int64_t i = 0; i < block.count; i++) {
        double *left = r->left + (block.first + i) * r->lambda_count * width;
        for (int l = 0; l < r->lambda_count; l++, left += width)
            for (int64_t j = 0; j < SYSTEM_TILE; j++) {
                double along = turned[i * SYSTEM_TILE + j];
                double part = along / (r->values[r->panel_first + j] + r->lambdas[l]);
                left[0] += along * part;
                for (int64_t k = 0; k < classes; k++)
                    left[1 + k] += part * r->panel_sides[j * classes + k];
            }
    }
    mem_free(x);
}

static void take_panel(Ridge *r, int64_t tile)
{
    int64_t n = r->system.n, classes = r->samples->classes;
    r->panel_first = tile * SYSTEM_TILE;
    gemm_double(r->panel_sides, (GemmDouble){ r->panel, n, false },
                (GemmDouble){ r->sides, n, true }, SYSTEM_TILE, classes, n);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < r->rows.blocks; i++) add_panel(r, row_block_at(&r->rows, i));
}

/// Leverages and predictions of this rank's rows, at all penalties.
COLLECTIVE
static void turn_rows(Ridge *r)
{
    int64_t n = r->system.n;
    Spread copy, vectors;
    system_matrix(&copy, &r->system);
    system_matrix(&vectors, &r->system);
    if (copy.grid)
        memcpy(copy.data, r->gram.data,
               (size_t)(copy.local_rows * copy.local_cols) * sizeof(double));
    system_eigen(&r->system, r->values, &vectors, &copy);
    spread_release(&copy);
    for (int64_t tile = 0; tile < n / SYSTEM_TILE; tile++) {
        system_panel(&r->system, r->panel, &vectors, tile);
        take_panel(r, tile);
    }
    spread_release(&vectors);
}

/// Squared errors (lambdas) of a block's rows, each predicted from all others.
static void add_errors(double *out, RowBlock block, void *context)
{
    const Ridge *r = context;
    int64_t classes = r->samples->classes;
    double mean = r->samples->intercept ? 1 / (double)r->samples->all_rows : 0;
    const double *left = r->left + block.first * r->lambda_count * (1 + classes);
    for (int64_t i = 0; i < block.count; i++)
        for (int l = 0; l < r->lambda_count; l++, left += 1 + classes)
            for (int64_t k = 0; k < classes; k++) {
                double error = ridge_target(r, block.first + i, k) - left[1 + k];
                error /= 1 - mean - left[0];
                out[l] += error * error;
            }
}

COLLECTIVE
static void choose_lambda(LinearFit *out, Ridge *r)
{
    double *errors = MEM_NEW(double, r->lambda_count);
    row_blocks_sum(&r->rows, errors, r->lambda_count, add_errors, r);
    for (int l = r->lambda_count - 1; l >= 0; l--)
        linear_fit_takes(out, r->lambdas[l],
                         errors[l] / (double)(r->samples->all_rows * r->samples->classes));
    mem_free(errors);
}

/// From the solutions (classes, n).
static void take_weights(LinearFit *out, const Ridge *r, const double *x)
{
    int64_t n = r->system.n, features = r->samples->features;
    out->weights = MEM_NEW(double, r->samples->classes *features);
    if (r->samples->intercept) out->bias = MEM_NEW(double, r->samples->classes);
    for (int64_t k = 0; k < r->samples->classes; k++) {
        memcpy(out->weights + k * features, x + k * n, (size_t)features * sizeof *x);
        if (!out->bias) continue;
        out->bias[k] = r->targets[k];
        for (int64_t j = 0; j < features; j++) out->bias[k] -= r->mean[j] * x[k * n + j];
    }
}

COLLECTIVE
static void ridge_start(Ridge *r, const Samples *samples, const Penalties *penalties)
{
    int64_t n = system_padded(samples->features), classes = samples->classes;
    int count = penalties->count;
    *r = (Ridge){ .samples = samples, .lambdas = penalties->lambdas, .lambda_count = count };
    row_blocks_init(&r->rows, samples->comm, samples->all_rows);
    system_start(&r->system, samples->comm, n);
    system_matrix(&r->gram, &r->system);
    r->mean = MEM_NEW(double, samples->features);
    r->targets = MEM_NEW(double, classes);
    r->sides = MEM_NEW(double, classes *n);
    r->values = MEM_NEW(double, n);
    r->panel = MEM_NEW(double, n *SYSTEM_TILE);
    r->panel_sides = MEM_NEW(double, SYSTEM_TILE *classes);
    r->left = MEM_NEW(double, r->rows.rows *count *(1 + classes) + 1);
}

COLLECTIVE
static void ridge_stop(Ridge *r)
{
    mem_free(r->left), mem_free(r->panel_sides), mem_free(r->panel), mem_free(r->values);
    mem_free(r->sides), mem_free(r->targets), mem_free(r->mean);
    spread_release(&r->gram);
    system_stop(&r->system);
}

Status solve_ridge(LinearFit *out, const Samples *samples, const Penalties *penalties)
{
    Status status = OK;
    Ridge r;
    ridge_start(&r, samples, penalties);
    centre(&r);
    row_blocks_sum(&r.rows, r.sides, samples->classes * r.system.n, add_sides, &r);
    system_sum(&r.system, &r.gram, &r.rows, gram_tile, &r);
    turn_rows(&r);
    choose_lambda(out, &r);
    for (int64_t j = 0; j < r.system.n; j++) system_add(&r.gram, j, j, out->lambda);
    if (!system_solve(&r.system, &r.gram, r.sides, samples->classes)) // agreed: all are told
        status = status_fail(FAILED,
                             "ridge regression with a penalty of %g has no single solution: "
                             "raise train.regularization",
                             out->lambda);
    out->exact = true;
    take_weights(out, &r, r.sides);
    ridge_stop(&r);
    return status;
}
