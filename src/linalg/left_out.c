#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/logistic.h"

#include <math.h>

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

static void swap(double *a, double *b, int64_t n)
{
    for (int64_t j = 0; j < n && a != b; j++) {
        double kept = a[j];
        a[j] = b[j];
        b[j] = kept;
    }
}

static void subtract(double *to, double factor, const double *from, int64_t n)
{
    for (int64_t j = 0; j < n; j++) to[j] -= factor * from[j];
}

bool logistic_eliminate(double *a, double *u, int64_t n, int64_t sides)
{
    for (int64_t k = 0; k < n; k++) {
        int64_t pivot = k;
        for (int64_t i = k + 1; i < n; i++)
            if (fabs(a[i * n + k]) > fabs(a[pivot * n + k])) pivot = i;
        if (!(fabs(a[pivot * n + k]) > 0)) return false;
        swap(a + k * n, a + pivot * n, n);
        swap(u + k * sides, u + pivot * sides, sides);
        for (int64_t i = k + 1; i < n; i++) {
            double factor = a[i * n + k] / a[k * n + k];
            subtract(a + i * n + k, factor, a + k * n + k, n - k);
            subtract(u + i * sides, factor, u + k * sides, sides);
        }
    }
    for (int64_t k = n - 1; k >= 0; k--) {
        for (int64_t j = k + 1; j < n; j++)
            subtract(u + k * sides, a[k * n + j], u + j * sides, sides);
        for (int64_t j = 0; j < sides; j++) u[k * sides + j] /= a[k * n + k];
    }
    return true;
}

void logistic_downdate(double *a, const double *p, const double *c, int64_t n)
{
    for (int64_t m = 0; m < n; m++) {
        double mean = 0;
        for (int64_t k = 0; k < n; k++) mean += p[k] * c[k * n + m];
        for (int64_t k = 0; k < n; k++) a[k * n + m] = (k == m) - p[k] * (c[k * n + m] - mean);
    }
}

/// The row's loss at scores z + C (I - A C)^-1 g. scratch (2 outputs + 3, outputs).
static double left_out_loss(const LeftOut *o, double *scratch, int64_t row)
{
    const Logistic *l = o->logistic;
    int64_t n = l->outputs;
    const double *p = l->probabilities + row * n, *pairs = o->c + row * o->pairs;
    double *a = scratch, *c = a + n * n, *u = c + n * n, *z = u + n, *ignored = z + n;
    for (int64_t m = 0; m < n; m++) {
        for (int64_t k = 0; k <= m; k++) c[k * n + m] = c[m * n + k] = pairs[k + m * (m + 1) / 2];
        u[m] = p[m] - logistic_target(l, row, m);
    }
    logistic_downdate(a, p, c, n);
    if (!logistic_eliminate(a, u, n, 1)) return INFINITY;
    for (int64_t k = 0; k < n; k++) {
        z[k] = l->scores[row * n + k];
        for (int64_t m = 0; m < n; m++) z[k] += c[k * n + m] * u[m];
    }
    double loss = logistic_row(l, ignored, z, row);
    return isnan(loss) ? INFINITY : loss;
}

void logistic_step_out(Logistic *l)
{
    int64_t n = l->outputs * l->padded;
    LeftOut o = { .logistic = l, .pairs = l->outputs * (l->outputs + 1) / 2 };
    o.c = MEM_NEW(double, l->rows.rows *o.pairs + 1);
    o.panel = MEM_NEW(double, n *SYSTEM_TILE);
    system_invert(&l->system, &l->hessian);
    for (o.tile = 0; o.tile < n / SYSTEM_TILE; o.tile++) {
        system_panel(&l->system, o.panel, &l->hessian, o.tile);
        double_above(&o);
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < l->rows.blocks; i++) add_panel(&o, row_block_at(&l->rows, i));
    }
    double *scratch = MEM_NEW(double, (2 * l->outputs + 3) * l->outputs);
    for (int64_t i = 0; i < l->rows.rows; i++) l->left_out[i] = left_out_loss(&o, scratch, i);
    mem_free(scratch);
    mem_free(o.panel);
    mem_free(o.c);
}
