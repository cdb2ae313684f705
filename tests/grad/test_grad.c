/* TEST labels=nn timeout=120 */
#include "support/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/ops.h"

#include <omp.h>
#include <stdlib.h>

// The functional is a random linear form of the result, summed in double. Values are float, so a
// central difference with step e has an error of about 1e-7 |y| / e + e^2 |f'''| / 6; e = 0.01
// makes both a few 1e-5 of the result's size.

enum { MOST_SEQUENCES = 6, MOST_OPERANDS = 4, SAMPLED = 24, THREADS = 3 };

/// What a row of the table says beyond shapes.
typedef struct {
    int64_t cols, heads, classes;
    double dropout, smoothing;
    bool causal, weighted;
    ActivationKind kind;
    unsigned frozen; ///< bit i: operand i (inputs first) gets no gradient
    bool touched;    ///< tables have touched rows
} Options;

typedef struct {
    bool per_sequence; ///< else per token
    int64_t cols;      ///< 0: none
} Input;
typedef struct {
    int64_t rows, cols; ///< rows 0: none
} Shape;
typedef struct {
    Input inputs[2];
    Shape weights[MOST_OPERANDS];
} Operands;

typedef struct {
    Options options;
    Packing packing;
    Operands shapes;
    float *inputs[2]; ///< values
    Var *vars[2];     ///< of the last forward pass
    Weight weights[MOST_OPERANDS];
    TouchedRows touched[MOST_OPERANDS];
    int32_t *labels;
    double *class_weights;
    double loss; ///< of operators that return one
} Problem;

typedef struct {
    const char *name;
    Operands (*operands)(const Options *options);
    Var *(*forward)(Problem *problem, Tape *tape);
    bool exact_per_sequence; ///< values do not depend on what else is in the leaf
    Options options;
    double tolerance; ///< of the gradient's largest element
    int64_t lengths[MOST_SEQUENCES];
} Row;

// The operators.

static Operands embedding_operands(const Options *o)
{
    return (Operands){ .weights = { { 13, o->cols }, { 80, o->cols }, { 2, o->cols } } };
}
static Var *embedding_forward(Problem *p, Tape *tape)
{
    return embedding(tape, &p->weights[0], &p->weights[1], &p->weights[2], 2);
}
static Var *embedding_twice(Problem *p, Tape *tape)
{
    Var *a = embedding(tape, &p->weights[0], &p->weights[1], NULL, 0);
    Var *b = embedding(tape, &p->weights[0], &p->weights[1], &p->weights[2], 3);
    static Weight gain, bias;
    static float ones[64], zeros[64];
    for (int i = 0; i < 64; i++) ones[i] = 1;
    gain = (Weight){ 1, a->cols, .value = ones };
    bias = (Weight){ 1, a->cols, .value = zeros };
    return layer_norm(tape, a, b, &gain, &bias, 1e-5, 0);
}

static Operands linear_operands(const Options *o)
{
    return (Operands){ { { false, o->cols } }, { { 11, o->cols }, { 1, 11 } } };
}
static Var *linear_forward(Problem *p, Tape *tape)
{
    return linear(tape, p->vars[0], &p->weights[0], &p->weights[1]);
}
static Var *linear_no_bias(Problem *p, Tape *tape)
{
    return linear(tape, p->vars[0], &p->weights[0], NULL);
}
static Operands linear_twice_operands(const Options *o)
{
    return (Operands){ { { false, o->cols } }, { { o->cols, o->cols }, { 1, o->cols } } };
}
static Var *linear_twice(Problem *p, Tape *tape)
{
    Var *y = linear(tape, p->vars[0], &p->weights[0], &p->weights[1]);
    return linear(tape, activation(tape, y, TANH), &p->weights[0], &p->weights[1]);
}

static Operands norm_operands(const Options *o)
{
    return (Operands){ { { false, o->cols }, { false, o->cols } },
                       { { 1, o->cols }, { 1, o->cols } } };
}
static Var *norm_forward(Problem *p, Tape *tape)
{
    return layer_norm(tape, p->vars[1], p->vars[0], &p->weights[0], &p->weights[1], 1e-5,
                      p->options.dropout);
}
static Operands norm_alone_operands(const Options *o)
{
    return (Operands){ { { false, o->cols } }, { { 1, o->cols }, { 1, o->cols } } };
}
static Var *norm_alone(Problem *p, Tape *tape)
{
    return layer_norm(tape, NULL, p->vars[0], &p->weights[0], &p->weights[1], 1e-5,
                      p->options.dropout);
}
static Var *norm_two_consumers(Problem *p, Tape *tape)
{
    Var *inner = activation(tape, p->vars[0], GELU);
    Var *y =
        layer_norm(tape, inner, inner, &p->weights[0], &p->weights[1], 1e-5, p->options.dropout);
    return layer_norm(tape, p->vars[0], dropout(tape, y, p->options.dropout), &p->weights[0],
                      &p->weights[1], 1e-5, 0);
}

static Operands attention_operands(const Options *o)
{
    return (Operands){ .inputs = { { false, 3 * o->cols } } };
}
static Var *attention_forward(Problem *p, Tape *tape)
{
    return attention(tape, p->vars[0], p->options.heads, p->options.causal, p->options.dropout);
}
static Var *attention_twice(Problem *p, Tape *tape)
{
    Var *a = attention_forward(p, tape), *b = attention_forward(p, tape);
    static Weight gain, bias;
    static float ones[64], zeros[64];
    for (int i = 0; i < 64; i++) ones[i] = 1;
    gain = (Weight){ 1, a->cols, .value = ones };
    bias = (Weight){ 1, a->cols, .value = zeros };
    return layer_norm(tape, a, b, &gain, &bias, 1e-2, 0);
}

static Operands token_operands(const Options *o)
{
    return (Operands){ .inputs = { { false, o->cols } } };
}
static Operands sequence_operands(const Options *o)
{
    return (Operands){ .inputs = { { true, o->cols } } };
}
static Var *activation_forward(Problem *p, Tape *tape)
{
    return activation(tape, p->vars[0], p->options.kind);
}
static Var *dropout_forward(Problem *p, Tape *tape)
{
    return dropout(tape, p->vars[0], p->options.dropout);
}
static Var *first_tokens_forward(Problem *p, Tape *tape)
{
    return first_tokens(tape, p->vars[0]);
}
static Var *loss_forward(Problem *p, Tape *tape)
{
    p->loss = cross_entropy(tape, p->vars[0], p->labels,
                            p->options.weighted ? p->class_weights : NULL, p->options.smoothing, 3);
    return NULL;
}

/// A whole block of a model: every operator, weights shared by two layers.
static Operands model_operands(const Options *o)
{
    return (Operands){
        .weights = { { 13, o->cols }, { 80, o->cols }, { 3 * o->cols, o->cols }, { 1, o->cols } }
    };
}
static Var *model_forward(Problem *p, Tape *tape)
{
    Weight *both = &p->weights[3]; // gain and bias at once
    Var *x = embedding(tape, &p->weights[0], &p->weights[1], NULL, 0);
    for (int layer = 0; layer < 2; layer++) {
        Var *qkv = linear(tape, x, &p->weights[2], NULL);
        Var *a = attention(tape, qkv, p->options.heads, p->options.causal, p->options.dropout);
        x = layer_norm(tape, x, activation(tape, a, GELU), both, both, 1e-3, p->options.dropout);
    }
    return dropout(tape, first_tokens(tape, x), p->options.dropout);
}

#define LENGTHS_MIXED                                                                              \
    {                                                                                              \
        5, 1, 33, 17, 2, 70                                                                        \
    }
#define LENGTHS_SHORT                                                                              \
    {                                                                                              \
        3, 1, 4                                                                                    \
    }
#define LENGTHS_NONE                                                                               \
    {                                                                                              \
        0                                                                                          \
    }

static const Row rows[] = {
    { "embedding",
      embedding_operands,
      embedding_forward,
      true,
      { .cols = 24 },
      1e-3,
      LENGTHS_MIXED },
    { "embedding, touched rows",
      embedding_operands,
      embedding_forward,
      true,
      { .cols = 17, .touched = true },
      1e-3,
      LENGTHS_MIXED },
    { "embedding, tables twice",
      embedding_operands,
      embedding_twice,
      true,
      { .cols = 20, .touched = true },
      2e-3,
      LENGTHS_MIXED },
    { "embedding, frozen position",
      embedding_operands,
      embedding_forward,
      true,
      { .cols = 16, .frozen = 2 },
      1e-3,
      LENGTHS_SHORT },
    { "embedding, empty leaf",
      embedding_operands,
      embedding_forward,
      true,
      { .cols = 16, .touched = true },
      0,
      LENGTHS_NONE },
    { "linear", linear_operands, linear_forward, false, { .cols = 21 }, 1e-3, LENGTHS_MIXED },
    { "linear, no bias",
      linear_operands,
      linear_no_bias,
      false,
      { .cols = 16 },
      1e-3,
      LENGTHS_SHORT },
    { "linear, frozen weight",
      linear_operands,
      linear_forward,
      false,
      { .cols = 16, .frozen = 2 },
      1e-3,
      LENGTHS_SHORT },
    { "linear, input needs none",
      linear_operands,
      linear_forward,
      false,
      { .cols = 16, .frozen = 1 },
      1e-3,
      LENGTHS_SHORT },
    { "linear, one weight twice",
      linear_twice_operands,
      linear_twice,
      false,
      { .cols = 12 },
      2e-3,
      LENGTHS_MIXED },
    { "linear, empty leaf",
      linear_operands,
      linear_forward,
      false,
      { .cols = 16 },
      0,
      LENGTHS_NONE },
    { "layer_norm", norm_operands, norm_forward, true, { .cols = 48 }, 2e-3, LENGTHS_MIXED },
    { "layer_norm, dropout",
      norm_operands,
      norm_forward,
      true,
      { .cols = 40, .dropout = 0.3 },
      2e-3,
      LENGTHS_MIXED },
    { "layer_norm, odd width",
      norm_operands,
      norm_forward,
      true,
      { .cols = 19, .dropout = 0.1 },
      2e-3,
      LENGTHS_MIXED },
    { "layer_norm, alone",
      norm_alone_operands,
      norm_alone,
      true,
      { .cols = 32, .dropout = 0.2 },
      2e-3,
      LENGTHS_MIXED },
    { "layer_norm, frozen gain",
      norm_operands,
      norm_forward,
      true,
      { .cols = 32, .frozen = 4 },
      2e-3,
      LENGTHS_SHORT },
    { "layer_norm, frozen residual",
      norm_operands,
      norm_forward,
      true,
      { .cols = 32, .frozen = 2 },
      2e-3,
      LENGTHS_SHORT },
    { "layer_norm, two consumers",
      norm_alone_operands,
      norm_two_consumers,
      true,
      { .cols = 24, .dropout = 0.2 },
      4e-3,
      LENGTHS_MIXED },
    { "layer_norm, empty leaf",
      norm_operands,
      norm_forward,
      true,
      { .cols = 32, .dropout = 0.1 },
      0,
      LENGTHS_NONE },
    { "attention, width 32",
      attention_operands,
      attention_forward,
      true,
      { .cols = 64, .heads = 2 },
      2e-3,
      LENGTHS_MIXED },
    { "attention, width 64, dropout",
      attention_operands,
      attention_forward,
      true,
      { .cols = 128, .heads = 2, .dropout = 0.2 },
      2e-3,
      LENGTHS_MIXED },
    { "attention, causal",
      attention_operands,
      attention_forward,
      true,
      { .cols = 48, .heads = 3, .causal = true },
      2e-3,
      LENGTHS_MIXED },
    { "attention, causal, dropout",
      attention_operands,
      attention_forward,
      true,
      { .cols = 64, .heads = 2, .causal = true, .dropout = 0.3 },
      2e-3,
      LENGTHS_MIXED },
    { "attention, width 8",
      attention_operands,
      attention_forward,
      true,
      { .cols = 24, .heads = 3, .dropout = 0.1 },
      2e-3,
      LENGTHS_MIXED },
    { "attention, width 40",
      attention_operands,
      attention_forward,
      true,
      { .cols = 40, .heads = 1, .causal = true },
      2e-3,
      LENGTHS_MIXED },
    { "attention, two consumers",
      attention_operands,
      attention_twice,
      true,
      { .cols = 48, .heads = 2, .dropout = 0.1 },
      4e-3,
      LENGTHS_SHORT },
    { "attention, empty leaf",
      attention_operands,
      attention_forward,
      true,
      { .cols = 32, .heads = 2, .dropout = 0.1 },
      0,
      LENGTHS_NONE },
    { "gelu",
      token_operands,
      activation_forward,
      true,
      { .cols = 37, .kind = GELU },
      1e-3,
      LENGTHS_MIXED },
    { "gelu_tanh",
      token_operands,
      activation_forward,
      true,
      { .cols = 37, .kind = GELU_TANH },
      1e-3,
      LENGTHS_MIXED },
    { "tanh",
      token_operands,
      activation_forward,
      true,
      { .cols = 37, .kind = TANH },
      1e-3,
      LENGTHS_MIXED },
    { "relu",
      token_operands,
      activation_forward,
      true,
      { .cols = 37, .kind = RELU },
      1e-3,
      LENGTHS_MIXED },
    { "silu",
      token_operands,
      activation_forward,
      true,
      { .cols = 37, .kind = SILU },
      1e-3,
      LENGTHS_MIXED },
    { "dropout of tokens",
      token_operands,
      dropout_forward,
      true,
      { .cols = 37, .dropout = 0.25 },
      1e-3,
      LENGTHS_MIXED },
    { "dropout of sequences",
      sequence_operands,
      dropout_forward,
      true,
      { .cols = 37, .dropout = 0.25 },
      1e-3,
      LENGTHS_MIXED },
    { "dropout, empty leaf",
      token_operands,
      dropout_forward,
      true,
      { .cols = 8, .dropout = 0.25 },
      0,
      LENGTHS_NONE },
    { "first_tokens",
      token_operands,
      first_tokens_forward,
      true,
      { .cols = 21 },
      1e-3,
      LENGTHS_MIXED },
    { "first_tokens, empty leaf",
      token_operands,
      first_tokens_forward,
      true,
      { .cols = 21 },
      0,
      LENGTHS_NONE },
    { "cross_entropy",
      sequence_operands,
      loss_forward,
      false,
      { .cols = 4, .classes = 4 },
      1e-3,
      LENGTHS_MIXED },
    { "cross_entropy, smoothed, weighted",
      sequence_operands,
      loss_forward,
      false,
      { .cols = 5, .classes = 5, .smoothing = 0.1, .weighted = true },
      1e-3,
      LENGTHS_MIXED },
    { "cross_entropy, empty leaf",
      sequence_operands,
      loss_forward,
      false,
      { .cols = 5, .classes = 5 },
      0,
      LENGTHS_NONE },
    { "model",
      model_operands,
      model_forward,
      false,
      { .cols = 32, .heads = 2, .dropout = 0.1, .causal = true },
      1e-2,
      LENGTHS_MIXED },
    { "model, empty leaf",
      model_operands,
      model_forward,
      false,
      { .cols = 32, .heads = 2, .dropout = 0.1 },
      0,
      LENGTHS_NONE },
};
enum { ROWS = sizeof rows / sizeof *rows };

// Problems.

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
        compare_inputs(&p, &rows[r]);
        for (int i = 0; i < MOST_OPERANDS; i++) {
            Weight *w = &p.weights[i];
            if (!w->written) continue; // frozen, or not an operand of this row
            char what[16];
            snprintf(what, sizeof what, "weight %d", i);
            float *dense = dense_gradient(&p, i);
            compare(&p, &rows[r], (float *)(uintptr_t)w->value, dense, weight_size(&p, i), what);
            mem_free(dense);
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
    p.packing = (Packing){ 1,
                           length,
                           length,
                           ends,
                           whole->packing.samples + s,
                           whole->packing.ids + first,
                           whole->packing.types + first };
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
