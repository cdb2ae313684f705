/* TEST labels=nn timeout=120 */
#include "support/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "grad/operators.h"

#include <omp.h>
#include <stdlib.h>

// The functional is a random linear form of the result, summed in double. Values are float, so a
// central difference with step e has an error of about 1e-7 |y| / e + e^2 |f'''| / 6; e = 0.01
// makes both a few 1e-5 of the result's size.
// Tolerances: 1e-3 where the third derivative is small, 2e-3 behind a norm or a softmax, 4e-3
// behind two, 1e-2 for a model.

enum { SAMPLED = 24, THREADS = 3 };

/// Away from 0 by more than a step, so that relu has no kink in between.
static float number(uint32_t stream, int64_t i)
{
    double u = 2 * rng_uniform(99, 1, stream, (uint64_t)i) - 1;
    return (float)(u + (u < 0 ? -0.05 : 0.05));
}

static float *numbers(uint32_t stream, int64_t n)
{
    float *x = MEM_NEW(float, n);
    for (int64_t i = 0; i < n; i++) x[i] = number(stream, i);
    return x;
}

static int64_t input_rows(const Problem *p, int i)
{
    return p->shapes.inputs[i].per_sequence ? p->packing.sequences : p->packing.tokens;
}

static int64_t weight_size(const Problem *p, int i)
{
    return p->shapes.weights[i].rows * p->shapes.weights[i].cols;
}

static bool is_frozen(const Problem *p, int operand)
{
    return p->options.frozen >> operand & 1;
}

static void problem_packing(Problem *p, const Row *row)
{
    Packing *packing = &p->packing;
    int32_t *ends = MEM_NEW(int32_t, MOST_SEQUENCES + 1);
    int64_t *samples = MEM_NEW(int64_t, MOST_SEQUENCES);
    for (; packing->sequences < MOST_SEQUENCES && row->lengths[packing->sequences];
         packing->sequences++) {
        int64_t i = packing->sequences, length = row->lengths[i];
        ends[i + 1] = ends[i] + (int32_t)length;
        samples[i] = 1000 + 7 * i;
        if (length > packing->longest) packing->longest = length;
    }
    packing->tokens = ends[packing->sequences];
    int32_t *ids = MEM_NEW(int32_t, packing->tokens), *types = MEM_NEW(int32_t, packing->tokens);
    for (int64_t t = 0; t < packing->tokens; t++) {
        ids[t] = t % 3 ? (int32_t)(rng_bits(5, 1, 0, (uint64_t)t) % 13) : 4;
        types[t] = t % 5 == 0;
    }
    packing->cu_seqlens = ends;
    packing->samples = samples;
    packing->ids = ids;
    packing->types = types;
}

static void problem_init(Problem *p, const Row *row)
{
    *p = (Problem){ .options = row->options, .shapes = row->operands(&row->options) };
    problem_packing(p, row);
    uint32_t stream = 1;
    int operand = 0;
    for (int i = 0; i < 2; i++) {
        if (!p->shapes.inputs[i].cols) continue;
        p->inputs[i] = numbers(stream++, input_rows(p, i) * p->shapes.inputs[i].cols);
        operand++;
    }
    for (int i = 0; i < MOST_OPERANDS; i++) {
        Shape s = p->shapes.weights[i];
        if (!s.rows) continue;
        Weight *w = &p->weights[i];
        *w = (Weight){ .rows = s.rows,
                       .cols = s.cols,
                       .value = numbers(stream++, weight_size(p, i)) };
        if (is_frozen(p, operand + i)) continue;
        w->gradient = MEM_NEW(float, weight_size(p, i));
        if (!p->options.touched) continue;
        p->touched[i] = (TouchedRows){
            .capacity = s.rows, .cols = s.cols, .rows = w->gradient, .ids = MEM_NEW(int32_t, s.rows)
        };
        w->touched = &p->touched[i];
        w->gradient = NULL;
    }
    p->labels = MEM_NEW(int32_t, MOST_SEQUENCES);
    p->class_weights = MEM_NEW(double, p->options.classes);
    for (int i = 0; i < MOST_SEQUENCES && p->options.classes; i++)
        p->labels[i] = (int32_t)(i * 3 % p->options.classes);
    for (int64_t k = 0; k < p->options.classes; k++) p->class_weights[k] = 0.5 + 0.3 * (double)k;
}

static void problem_release(Problem *p)
{
    mem_free(p->class_weights);
    mem_free(p->labels);
    for (int i = 0; i < MOST_OPERANDS; i++) {
        mem_free((void *)(uintptr_t)p->weights[i].value);
        mem_free(p->weights[i].gradient);
        mem_free(p->touched[i].rows);
        mem_free(p->touched[i].ids);
    }
    for (int i = 0; i < 2; i++) mem_free(p->inputs[i]);
    mem_free((void *)(uintptr_t)p->packing.types);
    mem_free((void *)(uintptr_t)p->packing.ids);
    mem_free((void *)(uintptr_t)p->packing.samples);
    mem_free((void *)(uintptr_t)p->packing.cu_seqlens);
}

static const Pass training_pass = { .seed = 0x123456789abcdefull, .step = 41, .training = true };

static Var *run_forward(Problem *p, const Row *row, Tape *tape)
{
    tape_start(tape, &training_pass, &p->packing);
    for (int i = 0; i < 2; i++) {
        if (!p->inputs[i]) continue;
        int64_t cols = p->shapes.inputs[i].cols, n = input_rows(p, i) * cols;
        p->vars[i] = tape_var(tape, input_rows(p, i), cols, !is_frozen(p, i));
        memcpy(p->vars[i]->value, p->inputs[i], (size_t)n * sizeof(float));
    }
    return row->forward(p, tape);
}

static double functional(Problem *p, const Row *row, Tape *tape)
{
    Var *y = run_forward(p, row, tape);
    if (!y) return p->loss;
    double sum = 0;
    for (int64_t i = 0; i < y->rows * y->cols; i++) sum += (double)number(77, i) * y->value[i];
    return sum;
}

static void run_backward(Problem *p, const Row *row, Tape *tape)
{
    for (int i = 0; i < MOST_OPERANDS; i++) {
        p->weights[i].written = false;
        for (int64_t k = 0; p->weights[i].gradient && k < weight_size(p, i); k++)
            p->weights[i].gradient[k] = NAN; // the first use must store
    }
    Var *y = run_forward(p, row, tape);
    bool first;
    float *dy = y ? tape_gradient_for(tape, y, &first) : NULL;
    for (int64_t i = 0; dy && i < y->rows * y->cols; i++) dy[i] = number(77, i);
    tape_backward(tape);
}

// Against central differences.

static double numeric(Problem *p, const Row *row, Tape *tape, float *x)
{
    const float step = 0.01f, old = *x;
    volatile float above = old + step, below = old - step;
    *x = above;
    double up = functional(p, row, tape);
    *x = below;
    double down = functional(p, row, tape);
    *x = old;
    return (up - down) / ((double)above - (double)below);
}

static void compare(Problem *p, const Row *row, float *x, const float *gradient, int64_t n,
                    const char *what)
{
    Tape *tape = tape_new(64 << 20);
    double largest = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(gradient[i])) {
            check_failed(__FILE__, __LINE__, "%s: gradient %lld of %s is not finite", row->name,
                         (long long)i, what);
            break;
        }
        if (fabs((double)gradient[i]) > largest) largest = fabs((double)gradient[i]);
    }
    for (int64_t k = 0; k < SAMPLED && n; k++) {
        int64_t i = n <= SAMPLED ? k % n : (int64_t)(rng_bits(3, 9, 0, (uint64_t)k) % (uint64_t)n);
        double expected = numeric(p, row, tape, x + i);
        if (fabs(expected - (double)gradient[i]) > row->tolerance * (largest > 1 ? largest : 1))
            check_failed(__FILE__, __LINE__, "%s: gradient %lld of %s is %g, differences give %g",
                         row->name, (long long)i, what, (double)gradient[i], expected);
    }
    tape_free(tape);
}

/// The gradient of a weight, dense, from either form; the caller frees it.
static float *dense_gradient(const Problem *p, int i)
{
    const Weight *w = &p->weights[i];
    float *dense = MEM_NEW(float, weight_size(p, i));
    if (!w->touched) return memcpy(dense, w->gradient, (size_t)weight_size(p, i) * sizeof(float));
    for (int64_t k = 0; w->written && k < w->touched->count; k++) {
        if (k) CHECK_TRUE(w->touched->ids[k] > w->touched->ids[k - 1]);
        memcpy(dense + w->touched->ids[k] * w->cols, w->touched->rows + k * w->cols,
               (size_t)w->cols * sizeof(float));
    }
    return dense;
}

static void compare_inputs(Problem *p, const Row *row)
{
    float *gradients[2] = { NULL, NULL }; // the values of this pass go away with the next
    for (int i = 0; i < 2; i++) {
        if (!p->inputs[i]) continue;
        CHECK_TRUE(is_frozen(p, i) == !p->vars[i]->gradient);
        if (is_frozen(p, i)) continue;
        int64_t n = input_rows(p, i) * p->shapes.inputs[i].cols;
        gradients[i] = mem_copy(p->vars[i]->gradient, (size_t)n * sizeof(float));
    }
    for (int i = 0; i < 2; i++) {
        if (!gradients[i]) continue;
        compare(p, row, p->inputs[i], gradients[i], input_rows(p, i) * p->shapes.inputs[i].cols,
                i ? "input 1" : "input 0");
        mem_free(gradients[i]);
    }
}

static void gradients_match_differences(void)
{
    for (int r = 0; r < ROWS; r++) {
        Problem p;
        Tape *tape = tape_new(64 << 20);
        problem_init(&p, &rows[r]);
        run_backward(&p, &rows[r], tape);
        float *dense[MOST_OPERANDS] = { NULL }; // a loss that is fused adds to them at every pass
        for (int i = 0; i < MOST_OPERANDS; i++) // those not written: frozen, or not of this row
            if (p.weights[i].written) dense[i] = dense_gradient(&p, i);
        compare_inputs(&p, &rows[r]);
        for (int i = 0; i < MOST_OPERANDS; i++) {
            char what[32];
            if (!dense[i]) continue;
            snprintf(what, sizeof what, "weight %d", i);
            compare(&p, &rows[r], (float *)(uintptr_t)p.weights[i].value, dense[i],
                    weight_size(&p, i), what);
            mem_free(dense[i]);
        }
        problem_release(&p);
        tape_free(tape);
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

// Bits.

static uint64_t mix(uint64_t hash, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        hash = (hash ^ bits) * 0x9E3779B97F4A7C15ull;
        hash ^= hash >> 29;
    }
    return hash;
}

/// A number for all results and gradients of one run.
static uint64_t run_hash(const Row *row)
{
    Problem p;
    Tape *tape = tape_new(64 << 20);
    problem_init(&p, row);
    Var *y = run_forward(&p, row, tape);
    uint64_t hash = y ? mix(1, y->value, y->rows * y->cols) : 1;
    run_backward(&p, row, tape);
    for (int i = 0; i < 2; i++)
        if (p.inputs[i] && p.vars[i]->gradient)
            hash = mix(hash, p.vars[i]->gradient, input_rows(&p, i) * p.vars[i]->cols);
    for (int i = 0; i < MOST_OPERANDS; i++) {
        Weight *w = &p.weights[i];
        if (!w->rows || (!w->gradient && !w->touched)) continue;
        float *dense = dense_gradient(&p, i);
        hash = mix(hash, dense, weight_size(&p, i));
        mem_free(dense);
    }
    problem_release(&p);
    tape_free(tape);
    return hash;
}

static void bits_do_not_depend_on_threads(void)
{
    for (int r = 0; r < ROWS; r++) {
        omp_set_num_threads(1);
        uint64_t expected = run_hash(&rows[r]);
        for (int threads = 2; threads <= THREADS; threads++) {
            omp_set_num_threads(threads);
            if (run_hash(&rows[r]) != expected)
                check_failed(__FILE__, __LINE__, "%s: other bits with %d threads", rows[r].name,
                             threads);
        }
    }
    omp_set_num_threads(1);
}

/// Makes a leaf of sequence `s` of `whole` alone. Releases nothing of it.
static void check_alone(const Problem *whole, const Row *row, int64_t s, const float *expected,
                        int64_t rows_each)
{
    int32_t first = whole->packing.cu_seqlens[s];
    int32_t length = whole->packing.cu_seqlens[s + 1] - first, ends[2] = { 0, length };
    Problem p = *whole;
    Tape *tape = tape_new(64 << 20);
    p.packing = (Packing){ .sequences = 1,
                           .tokens = length,
                           .longest = length,
                           .cu_seqlens = ends,
                           .samples = whole->packing.samples + s,
                           .ids = whole->packing.ids + first,
                           .types = whole->packing.types + first };
    for (int i = 0; i < 2; i++)
        if (p.inputs[i])
            p.inputs[i] += p.shapes.inputs[i].cols * (p.shapes.inputs[i].per_sequence ? s : first);
    Var *y = run_forward(&p, row, tape);
    CHECK_EQ(y->rows, rows_each);
    if (memcmp(y->value, expected, (size_t)(rows_each * y->cols) * sizeof(float)))
        check_failed(__FILE__, __LINE__, "%s: sequence %lld has other values alone", row->name,
                     (long long)s);
    tape_free(tape);
}

static void values_do_not_depend_on_the_leaf(void)
{
    for (int r = 0; r < ROWS; r++) {
        Problem p;
        if (!rows[r].exact_per_sequence) continue;
        Tape *tape = tape_new(64 << 20);
        problem_init(&p, &rows[r]);
        Var *y = run_forward(&p, &rows[r], tape);
        bool tokens = y->rows == p.packing.tokens;
        for (int64_t s = 0; s < p.packing.sequences; s++) {
            int64_t first = tokens ? p.packing.cu_seqlens[s] : s;
            int64_t count = tokens ? p.packing.cu_seqlens[s + 1] - first : 1;
            check_alone(&p, &rows[r], s, y->value + first * y->cols, count);
        }
        problem_release(&p);
        tape_free(tape);
    }
}

static const Case cases[] = {
    { "gradients_match_differences", gradients_match_differences },
    { "bits_do_not_depend_on_threads", bits_do_not_depend_on_threads },
    { "values_do_not_depend_on_the_leaf", values_do_not_depend_on_the_leaf },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
