#include "linalg/vecmath.h"
#include "linalg/kernel.h"

#include <math.h>
#include <stdbool.h>

// Blocks are the unit of parallel work and of pairwise sums. Kernels hold no OpenMP: the compiler
// would take the outlined loop out of the chosen instruction set.
enum { BLOCK = 65536, MOST_LEVELS = 48 };

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

KERNEL static void square_sum_block(double *restrict sum, const float *restrict x, int64_t n)
{
    double total[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        LANE_LOOP(l, LANES) total[l] += (double)x[i + l] * (double)x[i + l];
    for (int l = 0; i + l < n; l++) total[l] += (double)x[i + l] * (double)x[i + l];
    for (int half = LANES / 2; half; half /= 2)
        for (int l = 0; l < half; l++) total[l] += total[l + half];
    *sum = total[0];
}

double vec_square_sum(const float *x, int64_t n)
{
    // Groups of blocks bound the memory; sums of 64 blocks are merged like carries of a binary
    // counter, which is the pairwise tree.
    enum { GROUP = 64 };
    double level[MOST_LEVELS], sums[GROUP];
    int depth = 0;
    for (int64_t group = 0; group * GROUP < block_count(n); group++) {
        int64_t first = group * GROUP, rest = block_count(n) - first;
        int64_t count = rest < GROUP ? rest : GROUP;
#pragma omp parallel for schedule(static) if (count > 1)
        for (int64_t b = 0; b < count; b++)
            square_sum_block(&sums[b], x + (first + b) * BLOCK, block_size(first + b, n));
        for (int64_t b = 0; b < count; b++) {
            double sum = sums[b];
            for (int64_t index = first + b; index & 1; index >>= 1) sum = level[--depth] + sum;
            level[depth++] = sum;
        }
    }
    double total = depth ? level[--depth] : 0;
    while (depth) total = level[--depth] + total;
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
