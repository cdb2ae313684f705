#include "linalg/solve.h"
#include "base/mem.h"
#include "linalg/spread.h"

#include <math.h>
#include <string.h>

static int64_t block_rows(const Comm *comm, int64_t all_rows)
{
    int64_t block = (all_rows + comm->size - 1) / comm->size;
    return block ? block : 1;
}

void solve_rows(int64_t *first, int64_t *rows, const Comm *comm, int64_t all_rows)
{
    dmat_block(first, rows, all_rows, block_rows(comm, all_rows), comm->rank);
}

void linear_fit_release(LinearFit *fit)
{
    mem_free(fit->weights);
    mem_free(fit->bias);
    *fit = (LinearFit){ 0 };
}

void solve_grids_start(SolveGrids *grids, const Comm *comm)
{
    matrix_grid_start(&grids->line, comm, comm->size, 1);
    matrix_grid_start_square(&grids->square, comm);
}

void solve_grids_stop(SolveGrids *grids)
{
    matrix_grid_stop(&grids->line);
    matrix_grid_stop(&grids->square);
}

void solve_spread_rows(Spread *out, const SolveGrids *grids, double *rows, int64_t all_rows,
                       int64_t width)
{
    Spread line;
    spread_over(&line, &grids->line, width, all_rows, width, block_rows(&grids->line.all, all_rows),
                rows);
    spread_init(out, &grids->square, width, all_rows);
    spread_copy(out, &line);
    spread_release(&line);
}

/// mean (width) of x (rows, width) over all rows, and x without it.
COLLECTIVE
static void centre(double *mean, double *x, const Samples *samples, int64_t rows, int64_t width)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) mean[j] += x[i * width + j];
    comm_sum_doubles(samples->comm, mean, width);
    for (int64_t j = 0; j < width; j++) mean[j] /= (double)samples->all_rows;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) x[i * width + j] -= mean[j];
}

/// Rows of the samples along the eigenvectors of their Gram matrix.
typedef struct {
    double *values;  ///< (features): eigenvalues
    double *rows;    ///< (rows, features) of this rank
    double *targets; ///< (features, classes): their products with the targets, over all rows
} Axes;

COLLECTIVE
static void turn_rows(Axes *axes, const SolveGrids *grids, const Samples *samples, const Spread *x,
                      const Spread *gram, const double *y, int64_t rows)
{
    int64_t features = samples->features, classes = samples->classes;
    Spread copy, vectors, turned, line;
    spread_init(&copy, &grids->square, features, features);
    spread_init(&vectors, &grids->square, features, features);
    spread_init(&turned, &grids->square, features, samples->all_rows);
    memcpy(copy.data, gram->data, (size_t)(copy.local_rows * copy.local_cols) * sizeof(double));
    axes->values = MEM_NEW(double, features);
    axes->rows = MEM_NEW(double, rows *features);
    axes->targets = MEM_NEW(double, features *classes);
    spread_eigen(axes->values, &vectors, &copy);
    spread_multiply(&turned, 0, 0, &vectors, true, x, false);
    spread_over(&line, &grids->line, features, samples->all_rows, features,
                block_rows(samples->comm, samples->all_rows), axes->rows);
    spread_copy(&line, &turned);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < features; j++)
            for (int64_t k = 0; k < classes; k++)
                axes->targets[j * classes + k] += axes->rows[i * features + j] * y[i * classes + k];
    comm_sum_doubles(samples->comm, axes->targets, features * classes);
    spread_release(&line);
    spread_release(&turned);
    spread_release(&vectors);
    spread_release(&copy);
}

/// Mean squared error of every row's targets predicted from the other rows.
COLLECTIVE
static double left_out_error(const Axes *axes, const Samples *samples, const double *y,
                             int64_t rows, double lambda)
{
    int64_t features = samples->features, classes = samples->classes;
    double sum = 0, *predicted = MEM_NEW(double, classes);
    for (int64_t i = 0; i < rows; i++) {
        double leverage = 1 / (double)samples->all_rows;
        memset(predicted, 0, (size_t)classes * sizeof *predicted);
        for (int64_t j = 0; j < features; j++) {
            double x = axes->rows[i * features + j], part = x / (axes->values[j] + lambda);
            leverage += x * part;
            for (int64_t k = 0; k < classes; k++)
                predicted[k] += part * axes->targets[j * classes + k];
        }
        for (int64_t k = 0; k < classes; k++) {
            double error = (y[i * classes + k] - predicted[k]) / (1 - leverage);
            sum += error * error;
        }
    }
    mem_free(predicted);
    comm_sum_doubles(samples->comm, &sum, 1);
    return sum / (double)(samples->all_rows * classes);
}

COLLECTIVE
static void choose_lambda(LinearFit *out, const Axes *axes, const Samples *samples, const double *y,
                          int64_t rows, const double *lambdas, int count)
{
    for (int i = 0; i < count; i++) {
        double error = left_out_error(axes, samples, y, rows, lambdas[i]);
        if (i && error >= out->error) continue;
        out->error = error;
        out->lambda = lambdas[i];
    }
}

Status solve_ridge(LinearFit *out, const Samples *samples, const double *lambdas, int count)
{
    int64_t first, rows, features = samples->features, classes = samples->classes;
    SolveGrids grids;
    Spread x_all, y_all, gram, sides;
    Axes axes;
    solve_rows(&first, &rows, samples->comm, samples->all_rows);
    double *x = MEM_NEW(double, rows *features), *y = MEM_NEW(double, rows *classes);
    double *x_mean = MEM_NEW(double, features), *y_mean = MEM_NEW(double, classes);
    for (int64_t i = 0; i < rows * features; i++) x[i] = (double)samples->x[i];
    for (int64_t i = 0; i < rows * classes; i++)
        y[i] = samples->labels[i / classes] == i % classes ? 1 : -1;
    centre(x_mean, x, samples, rows, features);
    centre(y_mean, y, samples, rows, classes);
    solve_grids_start(&grids, samples->comm);
    solve_spread_rows(&x_all, &grids, x, samples->all_rows, features);
    solve_spread_rows(&y_all, &grids, y, samples->all_rows, classes);
    spread_init(&gram, &grids.square, features, features);
    spread_init(&sides, &grids.square, features, classes);
    spread_multiply(&gram, 0, 0, &x_all, false, &x_all, true);
    spread_multiply(&sides, 0, 0, &x_all, false, &y_all, true);
    turn_rows(&axes, &grids, samples, &x_all, &gram, y, rows);
    choose_lambda(out, &axes, samples, y, rows, lambdas, count);
    for (int64_t j = 0; j < features; j++) spread_add(&gram, j, j, out->lambda);
    Status status = OK;
    if (!spread_solve(&gram, &sides)) // agreed: ScaLAPACK tells all ranks the same
        status = status_fail(FAILED,
                             "ridge regression with a penalty of %g has no single solution: "
                             "raise train.regularization",
                             out->lambda);
    out->weights = MEM_NEW(double, classes *features);
    out->bias = y_mean;
    spread_gather(out->weights, &sides);
    for (int64_t k = 0; k < classes; k++)
        for (int64_t j = 0; j < features; j++)
            out->bias[k] -= x_mean[j] * out->weights[k * features + j];
    mem_free(axes.values), mem_free(axes.rows), mem_free(axes.targets);
    spread_release(&sides), spread_release(&gram);
    spread_release(&y_all), spread_release(&x_all);
    solve_grids_stop(&grids);
    mem_free(x_mean), mem_free(y), mem_free(x);
    return status;
}
