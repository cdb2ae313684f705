/// The table of the gradient test: every operator, with the shapes and options to try it with.
#pragma once
#include "nn/group.h"
#include "nn/ops.h"

enum { MOST_SEQUENCES = 6, MOST_OPERANDS = 4 };

/// What a row of the table says beyond shapes.
typedef struct {
    int64_t cols, heads, kv_heads, classes;
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

/// Joins two values: their layer norm without a trained gain.
static Var *norm_of_sum(Tape *tape, Var *a, Var *b)
{
    float *values = tape_take(tape, (size_t)(2 * a->cols) * sizeof(float));
    Weight *weights = tape_take(tape, 2 * sizeof *weights);
    for (int64_t c = 0; c < a->cols; c++) values[c] = 1, values[a->cols + c] = 0;
    for (int i = 0; i < 2; i++)
        weights[i] = (Weight){ .rows = 1, .cols = a->cols, .value = values + i * a->cols };
    return layer_norm(tape, a, b, &weights[0], &weights[1], 1e-2, 0);
}

static Operands embedding_operands(const Options *o)
{
    return (Operands){ .weights = { { 13, o->cols }, { 80, o->cols }, { 2, o->cols } } };
}
static Var *embedding_forward(Problem *p, Tape *tape)
{
    return embedding(tape, &p->weights[0], &p->weights[1], &p->weights[2], 2);
}
static Var *embedding_without_position(Problem *p, Tape *tape)
{
    return embedding(tape, &p->weights[0], NULL, &p->weights[2], 0);
}
static Var *embedding_of_words(Problem *p, Tape *tape)
{
    return embedding(tape, &p->weights[0], NULL, NULL, 0);
}
static Var *embedding_twice(Problem *p, Tape *tape)
{
    Var *a = embedding(tape, &p->weights[0], &p->weights[1], NULL, 3);
    Var *b = embedding(tape, &p->weights[0], &p->weights[1], &p->weights[2], 0);
    return norm_of_sum(tape, a, b);
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

static Operands factored_operands(const Options *o)
{
    return (Operands){ { { false, o->cols } }, { { 11, 5 }, { 5, o->cols }, { 1, 11 } } };
}
static Var *factored_column(Problem *p, Tape *tape)
{
    p->weights[0].right = &p->weights[1];
    return column_parallel(tape, p->vars[0], &p->weights[0], &p->weights[2]);
}
static Var *factored_row(Problem *p, Tape *tape)
{
    p->weights[0].right = &p->weights[1];
    return row_parallel(tape, p->vars[0], &p->weights[0], NULL);
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
    int64_t shared = o->kv_heads ? o->cols / o->heads * o->kv_heads : o->cols;
    return (Operands){ .inputs = { { false, o->cols + 2 * shared } } };
}
static Var *attend(const Options *o, Tape *tape, Var *qkv)
{
    int64_t kv_heads = o->kv_heads ? o->kv_heads : o->heads;
    return attention(tape, qkv, o->heads, kv_heads, o->causal, o->dropout);
}
static Var *attention_forward(Problem *p, Tape *tape)
{
    return attend(&p->options, tape, p->vars[0]);
}
static Var *attention_twice(Problem *p, Tape *tape)
{
    Var *a = attention_forward(p, tape), *b = attention_forward(p, tape);
    return norm_of_sum(tape, a, b);
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
static Var *last_tokens_forward(Problem *p, Tape *tape)
{
    return last_tokens(tape, p->vars[0]);
}

static Operands rms_operands(const Options *o)
{
    return (Operands){ { { false, o->cols } }, { { 1, o->cols } } };
}
static Var *rms_forward(Problem *p, Tape *tape)
{
    return rms_norm(tape, p->vars[0], &p->weights[0], 1e-5);
}
static Var *rms_residual(Problem *p, Tape *tape)
{
    Var *x = add(tape, p->vars[0], rms_norm(tape, p->vars[0], &p->weights[0], 1e-5));
    return add(tape, x, rms_norm(tape, x, &p->weights[0], 1e-5));
}
static Operands pair_operands(const Options *o)
{
    return (Operands){ .inputs = { { false, o->cols }, { false, o->cols } } };
}
static Var *add_forward(Problem *p, Tape *tape)
{
    return add(tape, p->vars[0], p->vars[1]);
}
static Var *add_twice(Problem *p, Tape *tape)
{
    return add(tape, add(tape, p->vars[0], p->vars[1]), p->vars[0]);
}
static Var *gated_forward(Problem *p, Tape *tape)
{
    return gated(tape, p->vars[0], p->options.kind);
}
static Var *rotary_forward(Problem *p, Tape *tape)
{
    static const float frequencies[] = { 1, 0.3f, 0.1f, 0.03f };
    const Rotary *table = rotary_table(tape, frequencies, 4);
    return rotary(tape, p->vars[0], table, p->options.heads - 1, 1);
}

static Operands vocabulary_operands(const Options *o)
{
    return (Operands){ { { true, o->cols } }, { { o->classes, o->cols }, { 1, o->classes } } };
}
static Var *vocabulary_forward(Problem *p, Tape *tape)
{
    p->loss = vocabulary_loss(tape, NULL, p->vars[0], &p->weights[0], &p->weights[1], p->labels,
                              p->options.smoothing, 3)
                  .sum;
    return NULL;
}
/// Looked up and multiplied with, as a tied output matrix is.
static Operands tied_operands(const Options *o)
{
    return (Operands){ .weights = { { 13, o->cols } } };
}
static Var *tied_forward(Problem *p, Tape *tape)
{
    Var *x = first_tokens(tape, embedding(tape, &p->weights[0], NULL, NULL, 0));
    p->loss = vocabulary_loss(tape, NULL, x, &p->weights[0], NULL, p->labels, 0, 3).sum;
    return NULL;
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
        Var *a = attend(&p->options, tape, qkv);
        x = layer_norm(tape, x, activation(tape, a, GELU), both, both, 1e-3, p->options.dropout);
    }
    return dropout(tape, first_tokens(tape, x), p->options.dropout);
}

// clang-format off
#define LENGTHS_MIXED { 5, 1, 33, 17, 2, 70 }
#define LENGTHS_SHORT { 3, 1, 4 }
#define LENGTHS_NONE  { 0 }

static const Row rows[] = {
    { "embedding", embedding_operands, embedding_forward, true,
      { .cols = 24 }, 1e-3, LENGTHS_MIXED },
    { "embedding, touched rows", embedding_operands, embedding_forward, true,
      { .cols = 17, .touched = true }, 1e-3, LENGTHS_MIXED },
    { "embedding, tables twice", embedding_operands, embedding_twice, true,
      { .cols = 20, .touched = true }, 2e-3, LENGTHS_MIXED },
    { "embedding, frozen position", embedding_operands, embedding_forward, true,
      { .cols = 16, .frozen = 2 }, 1e-3, LENGTHS_SHORT },
    { "embedding, no position", embedding_operands, embedding_without_position, true,
      { .cols = 17, .touched = true }, 1e-3, LENGTHS_MIXED },
    { "embedding, words alone", embedding_operands, embedding_of_words, true,
      { .cols = 24 }, 1e-3, LENGTHS_MIXED },
    { "embedding, empty leaf", embedding_operands, embedding_forward, true,
      { .cols = 16, .touched = true }, 0, LENGTHS_NONE },
    { "linear", linear_operands, linear_forward, false, { .cols = 21 }, 1e-3, LENGTHS_MIXED },
    { "linear, no bias", linear_operands, linear_no_bias, false,
      { .cols = 16 }, 1e-3, LENGTHS_SHORT },
    { "linear, frozen weight", linear_operands, linear_forward, false,
      { .cols = 16, .frozen = 2 }, 1e-3, LENGTHS_SHORT },
    { "linear, input needs none", linear_operands, linear_forward, false,
      { .cols = 16, .frozen = 1 }, 1e-3, LENGTHS_SHORT },
    { "linear, one weight twice", linear_twice_operands, linear_twice, false,
      { .cols = 12 }, 2e-3, LENGTHS_MIXED },
    { "linear, empty leaf", linear_operands, linear_forward, false,
      { .cols = 16 }, 0, LENGTHS_NONE },
    { "two factors", factored_operands, factored_column, false, { .cols = 21 }, 1e-3,
      LENGTHS_MIXED },
    { "two factors, no bias", factored_operands, factored_row, false, { .cols = 21 }, 1e-3,
      LENGTHS_MIXED },
    { "two factors, frozen left", factored_operands, factored_column, false,
      { .cols = 21, .frozen = 2 }, 1e-3, LENGTHS_MIXED },
    { "two factors, frozen right", factored_operands, factored_row, false,
      { .cols = 21, .frozen = 4 }, 1e-3, LENGTHS_MIXED },
    { "two factors, empty leaf", factored_operands, factored_column, false,
      { .cols = 21 }, 0, LENGTHS_NONE },
    { "layer_norm", norm_operands, norm_forward, true, { .cols = 48 }, 2e-3, LENGTHS_MIXED },
    { "layer_norm, dropout", norm_operands, norm_forward, true,
      { .cols = 40, .dropout = 0.3 }, 2e-3, LENGTHS_MIXED },
    { "layer_norm, odd width", norm_operands, norm_forward, true,
      { .cols = 19, .dropout = 0.1 }, 2e-3, LENGTHS_MIXED },
    { "layer_norm, alone", norm_alone_operands, norm_alone, true,
      { .cols = 32, .dropout = 0.2 }, 2e-3, LENGTHS_MIXED },
    { "layer_norm, frozen gain", norm_operands, norm_forward, true,
      { .cols = 32, .frozen = 4 }, 2e-3, LENGTHS_SHORT },
    { "layer_norm, frozen residual", norm_operands, norm_forward, true,
      { .cols = 32, .frozen = 2 }, 2e-3, LENGTHS_SHORT },
    { "layer_norm, two consumers", norm_alone_operands, norm_two_consumers, true,
      { .cols = 24, .dropout = 0.2 }, 4e-3, LENGTHS_MIXED },
    { "layer_norm, empty leaf", norm_operands, norm_forward, true,
      { .cols = 32, .dropout = 0.1 }, 0, LENGTHS_NONE },
    { "attention, width 32", attention_operands, attention_forward, true,
      { .cols = 64, .heads = 2 }, 2e-3, LENGTHS_MIXED },
    { "attention, width 64, dropout", attention_operands, attention_forward, true,
      { .cols = 128, .heads = 2, .dropout = 0.2 }, 2e-3, LENGTHS_MIXED },
    { "attention, causal", attention_operands, attention_forward, true,
      { .cols = 48, .heads = 3, .causal = true }, 2e-3, LENGTHS_MIXED },
    { "attention, causal, dropout", attention_operands, attention_forward, true,
      { .cols = 64, .heads = 2, .causal = true, .dropout = 0.3 }, 2e-3, LENGTHS_MIXED },
    { "attention, width 8", attention_operands, attention_forward, true,
      { .cols = 24, .heads = 3, .dropout = 0.1 }, 2e-3, LENGTHS_MIXED },
    { "attention, width 40", attention_operands, attention_forward, true,
      { .cols = 40, .heads = 1, .causal = true }, 2e-3, LENGTHS_MIXED },
    { "attention, two consumers", attention_operands, attention_twice, true,
      { .cols = 48, .heads = 2, .dropout = 0.1 }, 4e-3, LENGTHS_SHORT },
    { "attention, empty leaf", attention_operands, attention_forward, true,
      { .cols = 32, .heads = 2, .dropout = 0.1 }, 0, LENGTHS_NONE },
    { "attention, grouped", attention_operands, attention_forward, true,
      { .cols = 64, .heads = 4, .kv_heads = 2, .causal = true }, 2e-3, LENGTHS_MIXED },
    { "attention, one head of keys", attention_operands, attention_forward, true,
      { .cols = 36, .heads = 3, .kv_heads = 1, .dropout = 0.2 }, 2e-3, LENGTHS_MIXED },
    { "rms_norm", rms_operands, rms_forward, true, { .cols = 48 }, 2e-3, LENGTHS_MIXED },
    { "rms_norm, odd width, residual", rms_operands, rms_residual, true,
      { .cols = 19 }, 4e-3, LENGTHS_MIXED },
    { "rms_norm, frozen gain", rms_operands, rms_forward, true,
      { .cols = 32, .frozen = 2 }, 2e-3, LENGTHS_SHORT },
    { "rms_norm, empty leaf", rms_operands, rms_forward, true, { .cols = 32 }, 0, LENGTHS_NONE },
    { "add", pair_operands, add_forward, true, { .cols = 37 }, 1e-3, LENGTHS_MIXED },
    { "add, one operand twice", pair_operands, add_twice, true,
      { .cols = 37 }, 1e-3, LENGTHS_MIXED },
    { "add, frozen operand", pair_operands, add_forward, true,
      { .cols = 16, .frozen = 1 }, 1e-3, LENGTHS_SHORT },
    { "silu, gated", token_operands, gated_forward, true,
      { .cols = 38, .kind = SILU }, 1e-3, LENGTHS_MIXED },
    { "gelu_tanh, gated", token_operands, gated_forward, true,
      { .cols = 6, .kind = GELU_TANH }, 1e-3, LENGTHS_MIXED },
    { "rotary", token_operands, rotary_forward, true,
      { .cols = 32, .heads = 3 }, 1e-3, LENGTHS_MIXED },
    { "rotary, empty leaf", token_operands, rotary_forward, true,
      { .cols = 32, .heads = 3 }, 0, LENGTHS_NONE },
    { "gelu", token_operands, activation_forward, true,
      { .cols = 37, .kind = GELU }, 1e-3, LENGTHS_MIXED },
    { "gelu_tanh", token_operands, activation_forward, true,
      { .cols = 37, .kind = GELU_TANH }, 1e-3, LENGTHS_MIXED },
    { "tanh", token_operands, activation_forward, true,
      { .cols = 37, .kind = TANH }, 1e-3, LENGTHS_MIXED },
    { "relu", token_operands, activation_forward, true,
      { .cols = 37, .kind = RELU }, 1e-3, LENGTHS_MIXED },
    { "silu", token_operands, activation_forward, true,
      { .cols = 37, .kind = SILU }, 1e-3, LENGTHS_MIXED },
    { "dropout of tokens", token_operands, dropout_forward, true,
      { .cols = 37, .dropout = 0.25 }, 1e-3, LENGTHS_MIXED },
    { "dropout of sequences", sequence_operands, dropout_forward, true,
      { .cols = 37, .dropout = 0.25 }, 1e-3, LENGTHS_MIXED },
    { "dropout, empty leaf", token_operands, dropout_forward, true,
      { .cols = 8, .dropout = 0.25 }, 0, LENGTHS_NONE },
    { "first_tokens", token_operands, first_tokens_forward, true,
      { .cols = 21 }, 1e-3, LENGTHS_MIXED },
    { "first_tokens, empty leaf", token_operands, first_tokens_forward, true,
      { .cols = 21 }, 0, LENGTHS_NONE },
    { "last_tokens", token_operands, last_tokens_forward, true,
      { .cols = 21 }, 1e-3, LENGTHS_MIXED },
    { "vocabulary_loss", vocabulary_operands, vocabulary_forward, false,
      { .cols = 12, .classes = 37 }, 1e-3, LENGTHS_MIXED },
    { "vocabulary_loss, smoothed", vocabulary_operands, vocabulary_forward, false,
      { .cols = 12, .classes = 37, .smoothing = 0.1 }, 1e-3, LENGTHS_MIXED },
    { "vocabulary_loss, frozen weight", vocabulary_operands, vocabulary_forward, false,
      { .cols = 12, .classes = 37, .frozen = 2 }, 1e-3, LENGTHS_MIXED },
    { "vocabulary_loss, tied", tied_operands, tied_forward, false,
      { .cols = 12, .classes = 13 }, 1e-3, LENGTHS_MIXED },
    { "vocabulary_loss, empty leaf", vocabulary_operands, vocabulary_forward, false,
      { .cols = 12, .classes = 37 }, 0, LENGTHS_NONE },
    { "cross_entropy", sequence_operands, loss_forward, false,
      { .cols = 4, .classes = 4 }, 1e-3, LENGTHS_MIXED },
    { "cross_entropy, smoothed, weighted", sequence_operands, loss_forward, false,
      { .cols = 5, .classes = 5, .smoothing = 0.1, .weighted = true }, 1e-3, LENGTHS_MIXED },
    { "cross_entropy, empty leaf", sequence_operands, loss_forward, false,
      { .cols = 5, .classes = 5 }, 0, LENGTHS_NONE },
    { "model", model_operands, model_forward, false,
      { .cols = 32, .heads = 2, .dropout = 0.1, .causal = true }, 1e-2, LENGTHS_MIXED },
    { "model, empty leaf", model_operands, model_forward, false,
      { .cols = 32, .heads = 2, .dropout = 0.1 }, 0, LENGTHS_NONE },
};
// clang-format on
enum { ROWS = sizeof rows / sizeof *rows };
