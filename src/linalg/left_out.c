#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/logistic.h"

#include <math.h>
#include <string.h>

/// What the inverse of the Hessian makes of rows: of each, C = X_i H^-1 X_i' between its classes.
typedef struct {
    Logistic *logistic;
    double *c; ///< (rows, pairs): of classes k <= m at k + m (m + 1) / 2
    int64_t pairs;
    double *panel; ///< (unknowns, tile) of the inverse
    int64_t tile;
} LeftOut;

/// The inverse comes as its upper triangle: what is below counts above, twice.
static void double_above(LeftOut *o)
{
    const Logistic *l = o->logistic;
    int64_t n = l->outputs * l->padded, tiles = l->padded / SYSTEM_TILE;
    int64_t class_first = o->tile / tiles * l->padded, first = o->tile * SYSTEM_TILE;
    for (int64_t c = 0; c < SYSTEM_TILE; c++) {
        double *column = o->panel + c * n;
        for (int64_t r = class_first; r < first + c; r++) column[r] *= 2;
        for (int64_t r = first + c + 1; r < n; r++) column[r] = 0;
    }
}

/// The panel's part of a block's C.
static void add_panel(LeftOut *o, RowBlock block)
{
    const Logistic *l = o->logistic;
    int64_t n = l->padded, tiles = n / SYSTEM_TILE, m = o->tile / tiles;
    int64_t column = o->tile % tiles * SYSTEM_TILE;
    double *x = MEM_NEW(double, block.count *(n + SYSTEM_TILE)), *turned = x + block.count * n;
    samples_columns(x, l->samples, block, 0, n, NULL, l->samples->intercept);
    for (int64_t k = 0; k <= m; k++) {
        int64_t used = k < m ? n : column + SYSTEM_TILE;
        gemm_double(turned, (GemmDouble){ x, n, false },
                    (GemmDouble){ o->panel + k * n, l->outputs * n, true }, block.count,
                    SYSTEM_TILE, used);
        for (int64_t i = 0; i < block.count; i++) {
            double sum = 0;
            for (int64_t j = 0; j < SYSTEM_TILE; j++)
                sum += turned[i * SYSTEM_TILE + j] * x[i * n + column + j];
            o->c[(block.first + i) * o->pairs + k + m * (m + 1) / 2] += sum;
        }
    }
    mem_free(x);
}

/// u = a^-1 u by elimination, a (n, n) row-major; both are destroyed. False if a is singular.
static bool eliminate(double *a, double *u, int64_t n)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        if (!(fabs(a[pivot * n + k]) > 0)) return false;
        for (int64_t j = 0; j < n; j++) {
            double swap = a[k * n + j];
            a[k * n + j] = a[pivot * n + j];
            a[pivot * n + j] = swap;
        }
        double side = u[k];
        u[k] = u[pivot];
        u[pivot] = side;
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            for (int64_t j = k; j < n; j++) a[i * n + j] -= factor * a[k * n + j];
            u[i] -= factor * u[k];
        }
    }
    for (int64_t k = n - 1; k >= 0; k--) {
        for (int64_t j = k + 1; j < n; j++) u[k] -= a[k * n + j] * u[j];
        u[k] /= a[k * n + k];
    }
    return true;
}

static double pair_of(const double *c, int64_t k, int64_t m)
{
    return k < m ? c[k + m * (m + 1) / 2] : c[m + k * (k + 1) / 2];
}

/// The row's loss at scores z + C (I - A C)^-1 g, with A = diag(p) - p p'. scratch (outputs + 3,
/// outputs).
static double left_out_loss(const LeftOut *o, double *scratch, int64_t row)
{
    const Logistic *l = o->logistic;
    int64_t n = l->outputs;
    const double *p = l->probabilities + row * n, *c = o->c + row * o->pairs;
    double *a = scratch, *u = a + n * n, *z = u + n, *ignored = z + n;
    for (int64_t m = 0; m < n; m++) {
        double mean = 0;
        for (int64_t k = 0; k < n; k++) mean += p[k] * pair_of(c, k, m);
        for (int64_t k = 0; k < n; k++) a[k * n + m] = (k == m) - p[k] * (pair_of(c, k, m) - mean);
        u[m] = p[m] - logistic_target(l, row, m);
    }
    if (!eliminate(a, u, n)) return INFINITY;
    for (int64_t k = 0; k < n; k++) {
        z[k] = l->scores[row * n + k];
        for (int64_t m = 0; m < n; m++) z[k] += pair_of(c, k, m) * u[m];
    }
    double loss = logistic_row(l, ignored, z, row);
    return isnan(loss) ? INFINITY : loss;
}

static void add_losses(double *out, RowBlock block, void *context)
{
    const LeftOut *o = context;
    int64_t n = o->logistic->outputs;
    double *scratch = MEM_NEW(double, (n + 3) * n);
    for (int64_t i = 0; i < block.count; i++) *out += left_out_loss(o, scratch, block.first + i);
    mem_free(scratch);
}

double logistic_left_out(Logistic *l)
{
    int64_t n = l->outputs * l->padded;
    LeftOut o = { .logistic = l, .pairs = l->outputs * (l->outputs + 1) / 2 };
    double sum = 0;
    o.c = MEM_NEW(double, l->rows.rows *o.pairs + 1);
    o.panel = MEM_NEW(double, n *SYSTEM_TILE);
    system_invert(&l->system, &l->hessian);
    for (o.tile = 0; o.tile < n / SYSTEM_TILE; o.tile++) {
        system_panel(&l->system, o.panel, &l->hessian, o.tile);
        double_above(&o);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < l->rows.blocks; i++) add_panel(&o, row_block_at(&l->rows, i));
    }
    row_blocks_sum(&l->rows, &sum, 1, add_losses, &o);
    mem_free(o.panel);
    mem_free(o.c);
    return sum / (double)l->samples->all_rows;
}
