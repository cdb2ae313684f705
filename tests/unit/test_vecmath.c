/* TEST labels=linalg timeout=60 */
#include "support/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "linalg/kernel.h"
#include "linalg/vecmath.h"

#include <omp.h>
#include <stdlib.h>

static const int64_t sizes[] = { 0, 1, 2, 15, 16, 17, 33, 1000, 65536, 65537, 300001 };
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 300001 };

static float *numbers(uint32_t stream, int64_t n)
{
    float *x = MEM_NEW(float, n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(8, 1, stream, (uint64_t)i) - 1);
    return x;
}

static void sums_and_scales(void)
{
    float *a = numbers(1, MOST), *b = numbers(2, MOST), *y = MEM_NEW(float, MOST + 1);
    for (int k = 0; k < SIZES; k++) {
        int64_t n = sizes[k], wrong = 0;
        y[n] = 42;
        memcpy(y, b, (size_t)n * sizeof *y);
        vec_add(y, a, n);
        for (int64_t i = 0; i < n; i++) wrong += y[i] != b[i] + a[i];
        vec_scale(y, 0.3f, n);
        for (int64_t i = 0; i < n; i++) wrong += y[i] != (b[i] + a[i]) * 0.3f;
        CHECK_EQ(wrong, 0);
        CHECK_TRUE(y[n] == 42);
    }
    mem_free(a);
    mem_free(b);
    mem_free(y);
}

static double square_sum_of(const float *x, int64_t n)
{
    SquareSum sum = { 0 };
    vec_add_squares(&sum, x, n);
    return square_sum_total(&sum);
}

static void square_sums(void)
{
    float *x = numbers(3, MOST);
    for (int k = 0; k < SIZES; k++) {
        long double expected = 0;
        for (int64_t i = 0; i < sizes[k]; i++) expected += (long double)x[i] * (long double)x[i];
        CHECK_NEAR(square_sum_of(x, sizes[k]), (double)expected, 1e-14 * (double)(expected + 1));
    }
    const float large = 0x1p37f, small = 0x1p-33f, other[] = { NAN, 1 }, most[] = { INFINITY, 1 };
    CHECK_TRUE(square_sum_of(&large, 1) == 0x1p74);
    CHECK_TRUE(square_sum_of(&small, 1) == 0x1p-66);
    CHECK_TRUE(isnan(square_sum_of(other, 2)));
    CHECK_TRUE(!isfinite(square_sum_of(most, 2)));
    mem_free(x);
}

/// Of any magnitudes: the levels are equal whatever is summed with what; a plain sum is not.
static void square_sums_have_no_order(void)
{
    enum { N = 100000 };
    float *x = numbers(4, N);
    double there = 0, back = 0;
    SquareSum whole = { 0 }, parts[3] = { { { 0 } } };
    for (int i = 0; i < N; i++) x[i] *= (float)ldexp(1, i * 7 % 40 - 30);
    vec_add_squares(&whole, x, N);
    for (int64_t start = 0, size = 1; start < N; start += size, size = size * 3 % 101 + 1)
        vec_add_squares(&parts[size % 3], x + start, start + size < N ? size : N - start);
    for (int level = 0; level < SQUARE_LEVELS; level++)
        CHECK_TRUE(parts[2].levels[level] + parts[0].levels[level] + parts[1].levels[level] ==
                   whole.levels[level]);
    for (int i = 0; i < N; i++) there += (double)x[i] * (double)x[i];
    for (int i = N - 1; i >= 0; i--) back += (double)x[i] * (double)x[i];
    CHECK_TRUE(there != back);
    CHECK_NEAR(square_sum_total(&whole), there, 1e-12 * there);
    mem_free(x);
}

static void adam_against_double(void)
{
    enum { N = 1000, STEPS = 5 };
    float *p = numbers(5, N), *g = numbers(6, N), *m = MEM_NEW(float, N), *v = MEM_NEW(float, N);
    double *dp = MEM_NEW(double, N), *dm = MEM_NEW(double, N), *dv = MEM_NEW(double, N);
    const double lr = 1e-2, b1 = 0.9, b2 = 0.999, eps = 1e-8, wd = 0.1, scale = 0.5;
    for (int i = 0; i < N; i++) dp[i] = (double)p[i];
    for (int t = 1; t <= STEPS; t++) {
        double c1 = 1 - pow(b1, t), c2 = 1 - pow(b2, t);
        AdamStep step = { lr, b1, b2, eps, wd, c1, c2, scale };
        for (int i = 0; i < N; i++) {
            double gradient = scale * (double)g[i];
            dp[i] *= 1 - lr * wd;
            dm[i] += (1 - b1) * (gradient - dm[i]);
            dv[i] = b2 * dv[i] + (1 - b2) * gradient * gradient;
            dp[i] -= lr / c1 * dm[i] / (sqrt(dv[i] / c2) + eps);
        }
        vec_adam(p, m, v, g, N, &step);
    }
    for (int i = 0; i < N; i++) {
        CHECK_NEAR(p[i], dp[i], 1e-6);
        CHECK_NEAR(m[i], dm[i], 1e-6 * fabs((double)g[i]));
        CHECK_NEAR(v[i], dv[i], 1e-6 * dv[i]);
    }
    mem_free(p);
    mem_free(g);
    mem_free(m);
    mem_free(v);
    mem_free(dp);
    mem_free(dm);
    mem_free(dv);
}

/// The bits of an element do not depend on where the array was cut, on its address, on threads.
static void adam_of_slices(void)
{
    enum { N = 70000 };
    const AdamStep step = { 1e-3, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 0.7 };
    float *g = numbers(7, N), *whole[3], *cut[3];
    for (uint32_t i = 0; i < 3; i++) {
        whole[i] = numbers(10 + i, N);
        for (int64_t k = 0; i == 2 && k < N; k++) whole[i][k] *= whole[i][k];
        cut[i] = mem_copy(whole[i], N * sizeof(float));
    }
    omp_set_num_threads(3);
    vec_adam(whole[0], whole[1], whole[2], g, N, &step);
    omp_set_num_threads(1);
    for (int64_t start = 0, size = 1; start < N; start += size, size = size * 3 % 101 + 1) {
        if (start + size > N) size = N - start;
        vec_adam(cut[0] + start, cut[1] + start, cut[2] + start, g + start, size, &step);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_TRUE(!memcmp(whole[i], cut[i], N * sizeof(float)));
        mem_free(whole[i]);
        mem_free(cut[i]);
    }
    mem_free(g);
}

static void threads_give_the_same_bits(void)
{
    float *x = numbers(9, MOST);
    double expected = 0;
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        double sum = square_sum_of(x, MOST);
        if (threads == 1) expected = sum;
        CHECK_TRUE(sum == expected);
    }
    omp_set_num_threads(1);
    mem_free(x);
    CHECK_EQ(mem_live_blocks(), 0);
    CHECK_TRUE(!strncmp(kernel_variant(), "x86-64-v", 8) || !strcmp(kernel_variant(), "portable"));
}

static const Case cases[] = {
    { "sums_and_scales", sums_and_scales },
    { "square_sums", square_sums },
    { "square_sums_have_no_order", square_sums_have_no_order },
    { "adam_against_double", adam_against_double },
    { "adam_of_slices", adam_of_slices },
    { "threads_give_the_same_bits", threads_give_the_same_bits },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
