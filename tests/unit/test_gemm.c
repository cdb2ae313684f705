/* TEST labels=linalg timeout=300 */
#include "support/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "linalg/gemm.h"

#include <omp.h>
#include <pthread.h>
#include <stdlib.h>

static const int64_t sizes[] = { 1, 2, 3, 15, 17, 128, 333, 513 };
enum { SIZES = sizeof sizes / sizeof *sizes, MOST = 513 * 513, THREADS = 3 };

static float *numbers(uint32_t stream, int64_t n)
{
    float *x = MEM_NEW(float, n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(8, 2, stream, (uint64_t)i) - 1);
    return x;
}

/// What a product reads; results are (m, n), (m, k) and (n, k).
typedef struct {
    float *x, *w, *y, *bias, *start;
} Operands;

typedef struct {
    int64_t m, n, k;
} Shape;

typedef struct {
    const char *name;
    /// out = product + beta out
    void (*run)(float *out, const Operands *in, Shape s, float beta);
    double (*element)(const Operands *in, Shape s, int64_t row, int64_t col);
    int64_t (*size)(Shape s);
    int64_t (*width)(Shape s);
} Product;

static void run_forward(float *out, const Operands *in, Shape s, float beta)
{
    gemm_forward(out, in->x, in->w, beta == 0 ? in->bias : NULL, s.m, s.n, s.k, beta);
}
static double forward_element(const Operands *in, Shape s, int64_t row, int64_t col)
{
    double sum = 0;
    for (int64_t i = 0; i < s.k; i++) sum += (double)in->x[row * s.k + i] * in->w[col * s.k + i];
    return sum;
}
static int64_t forward_size(Shape s)
{
    return s.m * s.n;
}
static int64_t forward_width(Shape s)
{
    return s.n;
}

static void run_input(float *out, const Operands *in, Shape s, float beta)
{
    gemm_backward_input(out, in->y, in->w, s.m, s.n, s.k, beta);
}
static double input_element(const Operands *in, Shape s, int64_t row, int64_t col)
{
    double sum = 0;
    for (int64_t i = 0; i < s.n; i++) sum += (double)in->y[row * s.n + i] * in->w[i * s.k + col];
    return sum;
}
static int64_t input_size(Shape s)
{
    return s.m * s.k;
}
static int64_t input_width(Shape s)
{
    return s.k;
}

static void run_weight(float *out, const Operands *in, Shape s, float beta)
{
    gemm_backward_weight(out, in->y, in->x, s.m, s.n, s.k, beta);
}
static double weight_element(const Operands *in, Shape s, int64_t row, int64_t col)
{
    double sum = 0;
    for (int64_t i = 0; i < s.m; i++) sum += (double)in->y[i * s.n + row] * in->x[i * s.k + col];
    return sum;
}
static int64_t weight_size(Shape s)
{
    return s.n * s.k;
}

static const Product products[] = {
    { "forward", run_forward, forward_element, forward_size, forward_width },
    { "backward_input", run_input, input_element, input_size, input_width },
    { "backward_weight", run_weight, weight_element, weight_size, input_width },
};
enum { PRODUCTS = sizeof products / sizeof *products };

static void operands_init(Operands *in)
{
    *in = (Operands){ numbers(1, MOST), numbers(2, MOST), numbers(3, MOST), numbers(4, 513),
                      numbers(5, MOST) };
}

static void operands_release(Operands *in)
{
    mem_free(in->x);
    mem_free(in->w);
    mem_free(in->y);
    mem_free(in->bias);
    mem_free(in->start);
}

/// Some elements against sums in double: all rows and columns of small results are among them.
static void check_values(const Product *product, const Operands *in, Shape s, const float *out,
                         float beta)
{
    int64_t size = product->size(s), width = product->width(s);
    int64_t stride = size > 300 ? size / 97 : 1;
    for (int64_t i = 0; i < size; i += stride) {
        double expected = product->element(in, s, i / width, i % width);
        expected += beta == 0 ? 0 : (double)beta * (double)in->start[i];
        if (beta == 0 && product->run == run_forward) expected += (double)in->bias[i % width];
        if (fabs(expected - (double)out[i]) > 2e-5)
            check_failed(__FILE__, __LINE__, "%s of %lld, %lld, %lld: element %lld is %g, not %g",
                         product->name, (long long)s.m, (long long)s.n, (long long)s.k,
                         (long long)i, (double)out[i], expected);
    }
}

static void check_product(const Product *product, const Operands *in, Shape s, float beta)
{
    size_t bytes = (size_t)product->size(s) * sizeof(float);
    float *first = MEM_NEW(float, product->size(s) + 1), *out = MEM_NEW(float, product->size(s));
    for (int threads = 1; threads <= THREADS; threads++) {
        float *to = threads == 1 ? first : out;
        memcpy(to, in->start, bytes);
        first[product->size(s)] = 42;
        omp_set_num_threads(threads);
        product->run(to, in, s, beta);
        if (threads > 1 && memcmp(first, out, bytes))
            check_failed(__FILE__, __LINE__, "%s of %lld, %lld, %lld: other bits with %d threads",
                         product->name, (long long)s.m, (long long)s.n, (long long)s.k, threads);
    }
    omp_set_num_threads(1);
    check_values(product, in, s, first, beta);
    CHECK_TRUE(first[product->size(s)] == 42);
    mem_free(first);
    mem_free(out);
}

static void values_and_threads(void)
{
    Operands in;
    operands_init(&in);
    for (int p = 0; p < PRODUCTS; p++)
        for (int i = 0; i < SIZES * SIZES * SIZES; i++) {
            Shape s = { sizes[i % SIZES], sizes[i / SIZES % SIZES], sizes[i / SIZES / SIZES] };
            check_product(&products[p], &in, s, i % 2 ? 1.0f : 0.0f);
        }
    operands_release(&in);
}

static void no_rows(void)
{
    float w[6] = { 1, 2, 3, 4, 5, 6 }, dw[6] = { 7, 7, 7, 7, 7, 7 }, none[1] = { 0 };
    gemm_forward(none, none, w, NULL, 0, 2, 3, 0);
    gemm_backward_input(none, none, w, 0, 2, 3, 0);
    gemm_backward_weight(dw, none, none, 0, 2, 3, 1);
    CHECK_TRUE(dw[0] == 7 && dw[5] == 7);
    gemm_backward_weight(dw, none, none, 0, 2, 3, 0);
    CHECK_TRUE(dw[0] == 0 && dw[5] == 0);
}

/// A copy of x at `offset_bytes` past a multiple of 64.
static float *copy_at(float **block, const float *x, int64_t n, int64_t offset_bytes)
{
    *block = MEM_NEW(float, n + 64);
    float *at = *block;
    while ((uintptr_t)at % 64 != (uintptr_t)(offset_bytes % 64)) at++;
    return memcpy(at, x, (size_t)n * sizeof(float));
}

/// The design rests on it: a tile has the same bits wherever its operands lie, and whoever runs it.
static void addresses_do_not_matter(void)
{
    const Shape shapes[] = {
        { 3, 17, 15 }, { 128, 384, 333 }, { 416, 384, 384 }, { 65, 130, 513 }
    };
    Operands in;
    operands_init(&in);
    for (int p = 0; p < PRODUCTS; p++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const Product *product = &products[p];
            int64_t n = product->size(shapes[i]);
            float *expected = MEM_NEW(float, n);
            product->run(expected, &in, shapes[i], 0);
            for (int64_t offset_bytes = 4; offset_bytes <= 64; offset_bytes += 4) {
                float *blocks[4];
                Operands moved = in;
                moved.x = copy_at(&blocks[0], in.x, MOST, offset_bytes);
                moved.w = copy_at(&blocks[1], in.w, MOST, 3 * offset_bytes);
                moved.y = copy_at(&blocks[2], in.y, MOST, 5 * offset_bytes);
                float *out = copy_at(&blocks[3], in.start, n, 7 * offset_bytes);
                omp_set_num_threads(1 + (int)(offset_bytes / 4 % 3));
                product->run(out, &moved, shapes[i], 0);
                if (memcmp(out, expected, (size_t)n * sizeof(float)))
                    check_failed(__FILE__, __LINE__, "%s: other bits at offset %lld", product->name,
                                 (long long)offset_bytes);
                for (int b = 0; b < 4; b++) mem_free(blocks[b]);
            }
            mem_free(expected);
        }
    omp_set_num_threads(1);
    operands_release(&in);
    CHECK_EQ(mem_live_blocks(), 0);
}

typedef struct {
    pthread_t thread;
    int calls;
    bool elsewhere; ///< some were made by another thread
} Calls;

static void count_call(void *context)
{
    Calls *calls = context;
    calls->calls++;
    calls->elsewhere |= !pthread_equal(calls->thread, pthread_self());
}

/// What is done between tiles is done by the thread that asked, and changes no bit.
static void between_tiles(void)
{
    enum { N = 513, TILES = 4 };
    Operands in;
    operands_init(&in);
    float *expected = MEM_NEW(float, MOST), *out = MEM_NEW(float, MOST);
    gemm_forward(expected, in.x, in.w, NULL, N, N, N, 0);
    for (int threads = 1; threads <= THREADS; threads++) {
        Calls calls = { .thread = pthread_self() };
        omp_set_num_threads(threads);
        GemmProduct product = { out, N, { in.x, N, false }, { in.w, N, true }, NULL, N, N, N, 0 };
        gemm_products_part(&product, 1, &(GemmPart){ .between = count_call, .context = &calls });
        CHECK_TRUE(threads > 1 ? calls.calls <= TILES : calls.calls == TILES);
        CHECK_TRUE(!calls.elsewhere);
        CHECK_EQ(memcmp(expected, out, MOST * sizeof(float)), 0);
    }
    omp_set_num_threads(1);
    mem_free(expected);
    mem_free(out);
    operands_release(&in);
}

/// Rows of tiles in two steps, which do not touch each other's: the bits of one.
static void parts_of_rows(void)
{
    static const Shape shapes[] = { { 513, 333, 128 }, { 513, 17, 333 }, { 3, 333, 128 } };
    static const int64_t runs[][2] = {
        { 0, 272 }, { 200, 513 }, { 64, 320 }, { 0, 0 }, { 0, 513 }
    };
    Operands in;
    operands_init(&in);
    float *expected = MEM_NEW(float, MOST), *out = MEM_NEW(float, MOST);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
            int64_t m = shapes[s].m, n = shapes[s].n, k = shapes[s].k;
            GemmPart part = { .first = runs[r][0], .end = runs[r][1] };
            GemmProduct product = { out, n, { in.x, k, false }, { in.w, k, true }, in.bias, m, n,
                                    k,   0 };
            gemm_forward(expected, in.x, in.w, in.bias, m, n, k, 0);
            for (int64_t i = 0; i < m * n; i++) out[i] = -42;
            part.rows = GEMM_INSIDE;
            gemm_products_part(&product, 1, &part);
            for (int64_t i = 0; i < m * n; i++)
                if (out[i] != -42) CHECK_TRUE(i / n >= part.first && i / n < part.end);
            for (int64_t i = 0; i < m * n; i++) // the first tile of two is of 272 rows
                if (m > 272 && r < 2 && (i / n < 272) == !r) CHECK_TRUE(out[i] != -42);
            part.rows = GEMM_OTHERS;
            gemm_products_part(&product, 1, &part);
            CHECK_EQ(memcmp(expected, out, (size_t)(m * n) * sizeof(float)), 0);
        }
    mem_free(expected);
    mem_free(out);
    operands_release(&in);
}

static void check_double(Shape s, const double *a, const double *b)
{
    int64_t size = s.m * s.n;
    double *first = MEM_NEW(double, size), *out = MEM_NEW(double, size);
    for (int threads = 1; threads <= THREADS; threads++) {
        omp_set_num_threads(threads);
        gemm_double(threads == 1 ? first : out, (GemmDouble){ a, s.m, true },
                    (GemmDouble){ b, s.k, true }, s.m, s.n, s.k);
        if (threads > 1 && memcmp(first, out, (size_t)size * sizeof *out))
            check_failed(__FILE__, __LINE__, "double %lld, %lld, %lld: other bits with %d threads",
                         (long long)s.m, (long long)s.n, (long long)s.k, threads);
    }
    omp_set_num_threads(1);
    for (int64_t at = 0; at<size; at += size> 300 ? size / 97 : 1) {
        double expected = 0;
        for (int64_t i = 0; i < s.k; i++) expected += a[i * s.m + at / s.n] * b[at % s.n * s.k + i];
        CHECK_NEAR(first[at], expected, 1e-11);
    }
    mem_free(first);
    mem_free(out);
}

static void doubles(void)
{
    float *numbers_a = numbers(6, MOST), *numbers_b = numbers(7, MOST);
    double *a = MEM_NEW(double, 2 * MOST), *b = a + MOST;
    for (int64_t i = 0; i < MOST; i++) {
        a[i] = (double)numbers_a[i];
        b[i] = (double)numbers_b[i];
    }
    for (int i = 0; i < SIZES * SIZES * SIZES; i++)
        check_double(
            (Shape){ sizes[i % SIZES], sizes[i / SIZES % SIZES], sizes[i / SIZES / SIZES] }, a, b);
    mem_free(a);
    mem_free(numbers_a);
    mem_free(numbers_b);
}

static const Case cases[] = {
    { "doubles", doubles },
    { "values_and_threads", values_and_threads },
    { "no_rows", no_rows },
    { "addresses_do_not_matter", addresses_do_not_matter },
    { "between_tiles", between_tiles },
    { "parts_of_rows", parts_of_rows },
};

int main(int argc, char **argv)
{
    gemm_choose_core(argv);
    gemm_start();
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
