#include "linalg/vecmath.h"
#include "linalg/kernel.h"

#include <math.h>
#include <stdbool.h>

// Blocks are the unit of parallel work and of pairwise sums. Kernels hold no OpenMP: the compiler
// would take the outlined loop out of the chosen instruction set.
enum { BLOCK = 65536, MOST_LEVELS = 48 };
typedef double LanesDouble __attribute__((vector_size(8 * LANES)));

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
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < block_count(n); b++)
        add_block(y + b * BLOCK, x + b * BLOCK, block_size(b, n));
}

KERNEL static void sum_block(float *restrict y, const float *restrict a, const float *restrict b,
                             int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = a[i] + b[i];
}

void vec_sum(float *y, const float *a, const float *b, int64_t n)
{
#pragma omp parallel for schedule(static)
    for (int64_t k = 0; k < block_count(n); k++)
        sum_block(y + k * BLOCK, a + k * BLOCK, b + k * BLOCK, block_size(k, n));
}

KERNEL static void scale_block(float *y, float factor, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] *= factor;
}

void vec_scale(float *y, float factor, int64_t n)
{
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < block_count(n); b++)
        scale_block(y + b * BLOCK, factor, block_size(b, n));
}

KERNEL static void square_sum_block(double *sum, const float *x, int64_t n)
{
    LanesDouble even = { 0 }, odd = { 0 };
    int64_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        LanesDouble a = __builtin_convertvector(lanes_load(x + i), LanesDouble);
        LanesDouble b = __builtin_convertvector(lanes_load(x + i + LANES), LanesDouble);
        even += a * a;
        odd += b * b;
    }
    for (; i < n; i += LANES) {
        Lanes rest = lanes_load_part(x + i, n - i < LANES ? n - i : LANES);
        LanesDouble a = __builtin_convertvector(rest, LanesDouble);
        even += a * a;
    }
    even += odd;
    double total[LANES];
    memcpy(total, &even, sizeof total);
    for (int half = LANES / 2; half; half /= 2)
        for (int k = 0; k < half; k++) total[k] += total[k + half];
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
#pragma omp parallel for schedule(static)
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

KERNEL static int has_bad_block(const float *x, int64_t n)
{
    const int32_t exponent = 0x7f800000; // all ones: infinite or NaN
    int32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bad |= (bits & exponent) == exponent;
    }
    return bad;
}

int vec_has_bad(const float *x, int64_t n)
{
    int bad = 0;
#pragma omp parallel for schedule(static) reduction(| : bad)
    for (int64_t b = 0; b < block_count(n); b++)
        bad |= has_bad_block(x + b * BLOCK, block_size(b, n));
    return bad;
}

typedef struct {
    float keep; ///< 1 - learning rate * weight decay
    float rate; ///< learning rate / correction1
    float beta1, beta2, epsilon, root_correction2, gradient_scale;
} AdamFactors;

KERNEL static void adam_block(float *restrict p, float *restrict m, float *restrict v,
                              const float *restrict g, int64_t n, const AdamFactors *factors)
{
    const AdamFactors f = *factors;
    for (int64_t i = 0; i < n; i++) {
        float gradient = f.gradient_scale * g[i];
        m[i] += (1 - f.beta1) * (gradient - m[i]);
        v[i] = f.beta2 * v[i] + (1 - f.beta2) * gradient * gradient;
        p[i] = p[i] * f.keep - f.rate * m[i] / (sqrtf(v[i]) / f.root_correction2 + f.epsilon);
    }
}

void vec_adam(float *p, float *m, float *v, const float *g, int64_t n, const AdamStep *step)
{
    AdamFactors factors = {
        .keep = (float)(1 - (double)step->learning_rate * (double)step->weight_decay),
        .rate = (float)((double)step->learning_rate / step->correction1),
        .beta1 = step->beta1,
        .beta2 = step->beta2,
        .epsilon = step->epsilon,
        .root_correction2 = (float)sqrt(step->correction2),
        .gradient_scale = step->gradient_scale,
    };
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < block_count(n); b++)
        adam_block(p + b * BLOCK, m + b * BLOCK, v + b * BLOCK, g + b * BLOCK, block_size(b, n),
                   &factors);
}
