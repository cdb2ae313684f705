#include "linalg/vecmath.h"
#include "linalg/kernel.h"

#include <math.h>
#include <stdbool.h>

// Blocks are the unit of parallel work. Kernels hold no OpenMP: the compiler would take the
// outlined loop out of the chosen instruction set.
enum { BLOCK = 65536 };

static int64_t block_count(int64_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

static int64_t block_size(int64_t block, int64_t n)
{
    int64_t start = block * BLOCK;
    return n - start < BLOCK ? n - start : BLOCK;
}

KERNEL static void add_block(float *restrict y, const float *restrict x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

void vec_add(float *y, const float *x, int64_t n)
{
#pragma omp parallel for schedule(static) if (n > BLOCK)
    for (int64_t b = 0; b < block_count(n); b++)
        add_block(y + b * BLOCK, x + b * BLOCK, block_size(b, n));
}

KERNEL static void scale_block(float *y, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] *= factor;
}

void vec_scale(float *y, float factor, int64_t n)
{
#pragma omp parallel for schedule(static) if (n > BLOCK)
    for (int64_t b = 0; b < block_count(n); b++)
        scale_block(y + b * BLOCK, factor, block_size(b, n));
}

// x + CUT(p) - CUT(p) is x rounded to a multiple of 2^p.
#define CUT(power) (0x1.8p52 * (power))
static const double cuts[SQUARE_LEVELS] = { CUT(0x1p22), CUT(1), CUT(0x1p-22), CUT(0x1p-44),
                                            CUT(0x1p-66) };

enum { SQUARE_LANES = 16 };

KERNEL_INLINE void add_squares(double sums[SQUARE_LEVELS][SQUARE_LANES], const float *restrict x,
                               const int lanes)
{
    double rest[SQUARE_LANES];
    LANE_LOOP(l, lanes) rest[l] = (double)x[l] * (double)x[l];
#pragma GCC unroll 5
    for (int level = 0; level < SQUARE_LEVELS; level++) {
        double cut = cuts[level];
        LANE_LOOP(l, lanes)
        {
            double piece = rest[l] + cut - cut;
            sums[level][l] += piece;
            rest[l] -= piece;
        }
    }
}

KERNEL static void squares_block(double *restrict levels, const float *restrict x, int64_t n)
{
    double sums[SQUARE_LEVELS][SQUARE_LANES] = { { 0 } };
    int64_t i = 0;
    for (; i + SQUARE_LANES <= n; i += SQUARE_LANES) add_squares(sums, x + i, SQUARE_LANES);
    for (; i < n; i++) add_squares(sums, x + i, 1);
    for (int level = 0; level < SQUARE_LEVELS; level++)
        for (int l = 0; l < SQUARE_LANES; l++) levels[level] += sums[level][l];
}

void vec_add_squares(SquareSum *sum, const float *x, int64_t n)
{
#pragma omp parallel for schedule(static) if (n > BLOCK)
    for (int64_t b = 0; b < block_count(n); b++) {
        SquareSum block = { 0 };
        squares_block(block.levels, x + b * BLOCK, block_size(b, n));
#pragma omp critical(square_sum)
        square_sum_add(sum, &block);
    }
}

void square_sum_add(SquareSum *sum, const SquareSum *more)
{
    for (int level = 0; level < SQUARE_LEVELS; level++) sum->levels[level] += more->levels[level];
}

double square_sum_total(const SquareSum *sum)
{
    double total = 0;
    for (int level = 0; level < SQUARE_LEVELS; level++) total += sum->levels[level];
    return total;
}

typedef struct {
    float keep;         ///< 1 - learning rate * weight decay
    float rate;         ///< learning rate / correction1
    float rise1;        ///< 1 - beta1, rounded once: 1 - 0.999f is off by 1e-5 of itself
    float beta2, rise2; ///< rise2: 1 - beta2
    float epsilon, root_correction2, gradient_scale;
} AdamFactors;

KERNEL static void adam_block(float *restrict p, float *restrict m, float *restrict v,
                              const float *restrict g, int64_t n, const AdamFactors *factors)
{
    const AdamFactors f = *factors;
    for (int64_t i = 0; i < n; i++) {
        float gradient = f.gradient_scale * g[i];
        m[i] += f.rise1 * (gradient - m[i]);
        v[i] = f.beta2 * v[i] + f.rise2 * gradient * gradient;
        p[i] = p[i] * f.keep - f.rate * m[i] / (sqrtf(v[i]) / f.root_correction2 + f.epsilon);
    }
}

void vec_adam(float *p, float *m, float *v, const float *g, int64_t n, const AdamStep *step)
{
    AdamFactors factors = {
        .keep = (float)(1 - step->learning_rate * step->weight_decay),
        .rate = (float)(step->learning_rate / step->correction1),
        .rise1 = (float)(1 - step->beta1),
        .beta2 = (float)step->beta2,
        .rise2 = (float)(1 - step->beta2),
        .epsilon = (float)step->epsilon,
        .root_correction2 = (float)sqrt(step->correction2),
        .gradient_scale = (float)step->gradient_scale,
    };
#pragma omp parallel for schedule(static) if (n > BLOCK)
    for (int64_t b = 0; b < block_count(n); b++)
        adam_block(p + b * BLOCK, m + b * BLOCK, v + b * BLOCK, g + b * BLOCK, block_size(b, n),
                   &factors);
}
