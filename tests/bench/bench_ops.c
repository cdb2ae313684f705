#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "linalg/gemm.h"
#include "linalg/kernel.h"
#include "linalg/vecmath.h"
#include "nn/columns.h"
#include "nn/ops.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Times the operators of one encoder layer on one leaf of short messages, beside its products: what
// is not a product should cost at most 15 % of them.

enum { HIDDEN = 384, HEADS = 12, INNER = 1536, SEQUENCES = 16, TRIALS = 60 };
static const int32_t lengths[SEQUENCES] = { 5,  9,  12, 14, 16, 18, 20, 22,
                                            24, 26, 28, 30, 34, 38, 44, 76 };
static const double dropout_rate = 0.1;

typedef struct {
    Packing packing;
    Tape *tape;
    Weight gain, bias;
    float *noise; ///< (most elements of a value)
} Bench;

static float *numbers(int64_t n)
{
    float *x = MEM_NEW(float, n);
    for (int64_t i = 0; i < n; i++) x[i] = (float)(2 * rng_uniform(1, 1, 0, (uint64_t)i) - 1);
    return x;
}

static Weight weight(int64_t rows, int64_t cols)
{
    return (Weight){
        .rows = rows, .cols = cols, .value = numbers(rows * cols), .gradient = numbers(rows * cols)
    };
}

static void bench_init(Bench *bench)
{
    int32_t *ends = MEM_NEW(int32_t, SEQUENCES + 1);
    int64_t *samples = MEM_NEW(int64_t, SEQUENCES);
    for (int i = 0; i < SEQUENCES; i++) {
        ends[i + 1] = ends[i] + lengths[i];
        samples[i] = 31 * i;
        if (lengths[i] > bench->packing.longest) bench->packing.longest = lengths[i];
    }
    bench->packing.sequences = SEQUENCES;
    bench->packing.tokens = ends[SEQUENCES];
    bench->packing.cu_seqlens = ends;
    bench->packing.samples = samples;
    bench->tape = tape_new((size_t)1 << 30);
    bench->gain = weight(1, HIDDEN);
    bench->bias = weight(1, HIDDEN);
    bench->noise = numbers(ends[SEQUENCES] * INNER);
}

static Var *input(Bench *bench, int64_t cols)
{
    Var *x = tape_var(bench->tape, bench->packing.tokens, cols, true);
    memcpy(x->value, bench->noise, (size_t)(x->rows * cols) * sizeof(float));
    return x;
}

typedef struct {
    const char *name;
    int64_t inputs, cols;
    int count; ///< uses in a layer
    Var *(*run)(Bench *bench, Var **in);
    double forward_mb, backward_mb, forward_mflop, backward_mflop;
} Operator;

static Var *run_norm(Bench *b, Var **in)
{
    return layer_norm(b->tape, in[0], in[1], &b->gain, &b->bias, 1e-12, dropout_rate);
}
static Var *run_norm_plain(Bench *b, Var **in)
{
    return layer_norm(b->tape, in[0], in[1], &b->gain, &b->bias, 1e-12, 0);
}
static Var *run_gelu(Bench *b, Var **in)
{
    return activation(b->tape, in[0], GELU);
}
static Var *run_attention(Bench *b, Var **in)
{
    return attention(b->tape, in[0], HEADS, HEADS, false, dropout_rate);
}
static Var *run_attention_plain(Bench *b, Var **in)
{
    return attention(b->tape, in[0], HEADS, HEADS, false, 0);
}

static void time_operator(Bench *bench, const Operator *op, double seconds[2])
{
    seconds[0] = seconds[1] = 1e9;
    for (int trial = 0; trial < TRIALS; trial++) {
        Pass pass = { .seed = 3, .step = (uint32_t)trial, .training = true };
        Var *in[2];
        bool first;
        tape_start(bench->tape, &pass, &bench->packing);
        for (int64_t i = 0; i < op->inputs; i++) in[i] = input(bench, op->cols);
        bench->gain.written = bench->bias.written = false;
        double start_s = clock_now_s();
        Var *y = op->run(bench, in);
        double forward_s = clock_now_s() - start_s;
        float *dy = tape_gradient_for(bench->tape, y, &first);
        memcpy(dy, bench->noise, (size_t)(y->rows * y->cols) * sizeof(float));
        start_s = clock_now_s();
        tape_backward(bench->tape);
        double backward_s = clock_now_s() - start_s;
        if (forward_s < seconds[0]) seconds[0] = forward_s;
        if (backward_s < seconds[1]) seconds[1] = backward_s;
    }
}

static void print_rate(double seconds, double mb, double mflop)
{
    printf("  %8.4f ms %7.1f %s", seconds * 1e3, (mflop > 0 ? mflop : mb) * 1e-3 / seconds,
           mflop > 0 ? "GFLOP/s" : "GB/s   ");
}

static double time_products(const Bench *bench, int64_t n, int64_t k)
{
    int64_t m = bench->packing.tokens;
    float *x = numbers(m * k), *w = numbers(n * k), *y = numbers(m * n);
    double best_s[3] = { 1e9, 1e9, 1e9 };
    for (int trial = 0; trial < TRIALS; trial++) {
        double at_s[4];
        at_s[0] = clock_now_s();
        gemm_forward(y, x, w, w, m, n, k, 0);
        at_s[1] = clock_now_s();
        gemm_backward_input(x, y, w, m, n, k, 0);
        at_s[2] = clock_now_s();
        gemm_backward_weight(w, y, x, m, n, k, 0);
        at_s[3] = clock_now_s();
        for (int i = 0; i < 3; i++)
            if (at_s[i + 1] - at_s[i] < best_s[i]) best_s[i] = at_s[i + 1] - at_s[i];
        memcpy(w, bench->noise, (size_t)(n * k) * sizeof(float)); // values stay finite
        memcpy(x, bench->noise, (size_t)(m * k) * sizeof(float));
    }
    printf("product %4lld x %4lld      ", (long long)n, (long long)k);
    double mflop = 2e-6 * (double)(m * n * k);
    for (int i = 0; i < 3; i++) print_rate(best_s[i], 0, mflop);
    printf("\n");
    mem_free(x);
    mem_free(w);
    mem_free(y);
    return best_s[0] + best_s[1] + best_s[2];
}

static double time_bias(const Bench *bench, int64_t cols)
{
    int64_t rows = bench->packing.tokens;
    float *out = numbers(cols);
    double best_s = 1e9;
    for (int trial = 0; trial < TRIALS; trial++) {
        double start_s = clock_now_s();
        columns_sum(bench->tape, out, bench->noise, rows, cols, true);
        double taken_s = clock_now_s() - start_s;
        if (taken_s < best_s) best_s = taken_s;
    }
    printf("%-24s%24s", "bias gradient", "");
    print_rate(best_s, 4e-6 * (double)(rows * cols), 0);
    printf("  (%lld)\n", (long long)cols);
    mem_free(out);
    return best_s;
}

static void time_vectors(void)
{
    enum { N = 1 << 22 };
    float *p = numbers(N), *m = MEM_NEW(float, N), *v = MEM_NEW(float, N), *g = numbers(N);
    AdamStep step = { 1e-5, 0.9, 0.999, 1e-8, 0.01, 0.1, 0.001, 1 };
    double best_s[3] = { 1e9, 1e9, 1e9 };
    SquareSum sum = { 0 };
    for (int trial = 0; trial < 10; trial++) {
        double at_s[4];
        at_s[0] = clock_now_s();
        vec_adam(p, m, v, g, N, &step);
        at_s[1] = clock_now_s();
        vec_add(p, g, N);
        at_s[2] = clock_now_s();
        vec_add_squares(&sum, p, N);
        at_s[3] = clock_now_s();
        for (int i = 0; i < 3; i++)
            if (at_s[i + 1] - at_s[i] < best_s[i]) best_s[i] = at_s[i + 1] - at_s[i];
    }
    printf("adam, add, square sum   ");
    print_rate(best_s[0], 28e-6 * N, 0);
    print_rate(best_s[1], 12e-6 * N, 0);
    print_rate(best_s[2], 4e-6 * N, 0);
    printf("%s\n", square_sum_total(&sum) < 0 ? " " : "");
    mem_free(p);
    mem_free(m);
    mem_free(v);
    mem_free(g);
}

int main(int argc, char **argv)
{
    (void)argc;
    gemm_choose_core(argv);
    gemm_start();
    if (!getenv("OMP_NUM_THREADS")) omp_set_num_threads(1);
    Bench bench = { 0 };
    bench_init(&bench);
    double tokens = (double)bench.packing.tokens, value_mb = tokens * HIDDEN * 4e-6;
    double inner_mb = tokens * INNER * 4e-6, pairs = 0;
    for (int i = 0; i < SEQUENCES; i++) pairs += (double)lengths[i] * lengths[i];
    double product_mflop = 2e-6 * pairs * HIDDEN;
    const Operator operators[] = {
        { "layer_norm, dropout", 2, HIDDEN, 2, run_norm, 3 * value_mb, 5 * value_mb, 0, 0 },
        { "  without dropout", 2, HIDDEN, 0, run_norm_plain, 3 * value_mb, 5 * value_mb, 0, 0 },
        { "gelu", 1, INNER, 1, run_gelu, 2 * inner_mb, 3 * inner_mb, 0, 0 },
        { "attention, dropout", 1, 3 * HIDDEN, 1, run_attention, 0, 0, 2 * product_mflop,
          5 * product_mflop },
        { "  without dropout", 1, 3 * HIDDEN, 0, run_attention_plain, 0, 0, 2 * product_mflop,
          5 * product_mflop },
    };
    printf("%s, BLAS core %s, %d threads, %.0f tokens\n", kernel_variant(), gemm_core(),
           omp_get_max_threads(), tokens);
    double products_s = time_products(&bench, 3 * HIDDEN, HIDDEN), others_s = 0;
    products_s += time_products(&bench, HIDDEN, HIDDEN);
    products_s += time_products(&bench, INNER, HIDDEN);
    products_s += time_products(&bench, HIDDEN, INNER);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        const Operator *op = &operators[i];
        double seconds[2];
        time_operator(&bench, op, seconds);
        printf("%-24s", op->name);
        print_rate(seconds[0], op->forward_mb, op->forward_mflop);
        print_rate(seconds[1], op->backward_mb, op->backward_mflop);
        printf("  x %d\n", op->count);
        others_s += op->count * (seconds[0] + seconds[1]);
    }
    others_s += time_bias(&bench, 3 * HIDDEN) + 2 * time_bias(&bench, HIDDEN);
    others_s += time_bias(&bench, INNER);
    time_vectors();
    printf("layer: products %.3f ms, the rest %.3f ms = %.1f %%\n", products_s * 1e3,
           others_s * 1e3, 100 * others_s / products_s);
    return 0;
}
