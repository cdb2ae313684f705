/// The operators. Each lives in the file of its name, with its formula, its backward pass and its
/// row in the gradient test's table. T tokens, B sequences, C width; outputs are new values on the
/// tape. All are Local, use this rank's threads, and cannot fail: shapes are checked by `CHECK`.
/// Sums over tokens (gradients of biases, gains, tables) go over fixed blocks of 64 tokens,
/// pairwise, so bits do not depend on threads.
#pragma once
#include "nn/tape.h"

/// embedding.c: y (T, C) = word[ids] + position[place in its sequence + offset] + type[types].
/// `position` and `type` may be NULL. word is a table (touched rows) unless its gradient is dense.
Var *embedding(Tape *tape, Weight *word, Weight *position, Weight *type, int64_t position_offset);

/// linear.c: y (rows, n) = x (rows, k) w' + b; w (n, k), b (1, n) or NULL. Groupwise (nn/group.h)
/// where x has own tokens: gradients of w and b are those of all.
Var *linear(Tape *tape, Var *x, Weight *w, Weight *b);

/// norm.c: y = LN(residual + dropout(x)), LN(s) = (s - mean) / sqrt(var + eps) * gain + bias with
/// the biased variance over the width. `residual` may be NULL. Ba et al. 2016.
Var *layer_norm(Tape *tape, Var *residual, Var *x, Weight *gain, Weight *bias, double eps,
                double dropout);

/// rms_norm.c: y = x / sqrt(mean(x^2) + eps) * gain. Zhang & Sennrich 2019.
Var *rms_norm(Tape *tape, Var *x, Weight *gain, double eps);

/// add.c: y = a + b.
Var *add(Tape *tape, Var *a, Var *b);

/// Cosines and sines of rotary positions (Su et al. 2021).
typedef struct Rotary Rotary;
/// rotary.c: the table for the places of this leaf; all layers share it. frequencies (half): angle
/// of a place, in float as transformers computes them.
const Rotary *rotary_table(Tape *tape, const float *frequencies, int64_t half);
/// rotary.c: x (T, C) with its first heads + kv_heads heads turned by the angles of each token's
/// place; a head's element i pairs with element half + i. The columns behind them stay. In a group
/// heads and kv_heads are the model's, x has this rank's, as in `attention`.
Var *rotary(Tape *tape, Var *x, const Rotary *table, int64_t heads, int64_t kv_heads);

/// attention.c: softmax(Q K' / sqrt(d)) V per sequence and head; qkv (T, (heads + 2 kv_heads) d)
/// holds q | k | v, each head's d columns together; y (T, heads d). Each heads / kv_heads heads of
/// queries share one of keys and values (Ainslie et al. 2023). Dropout on the probabilities.
/// `causal`: keys up to the query only, at half the cost. Probabilities are recomputed in backward,
/// not stored.
Var *attention(Tape *tape, Var *qkv, int64_t heads, int64_t kv_heads, bool causal, double dropout);

typedef enum { GELU, GELU_TANH, TANH, RELU, SILU } ActivationKind;
/// activation.c: elementwise. GELU is the exact erf form, GELU_TANH Hugging Face's gelu_new.
Var *activation(Tape *tape, Var *x, ActivationKind kind);
/// activation.c: y (T, C) = f(a) * b of x (T, 2 C) = a | b (Shazeer 2020).
Var *gated(Tape *tape, Var *x, ActivationKind kind);
/// Local. The kind by Hugging Face's name ("gelu", "gelu_new", "gelu_pytorch_tanh", "tanh", "relu",
/// "silu", "swish"); false if unknown.
bool activation_by_name(ActivationKind *out, const char *name);

/// dropout.c: y = x * mask / (1 - p); the coordinate of randomness is (step, sample, element of the
/// sequence), so the mask does not depend on the leaf. x has T or B rows. p = 0: x itself.
Var *dropout(Tape *tape, Var *x, double p);

/// select.c: y (count, C) = rows of x; `rows` is borrowed until the backward pass.
Var *select_rows(Tape *tape, Var *x, const int32_t *rows, int64_t count);
/// select.c: y (B, C) = the first token of every sequence, or the last.
Var *first_tokens(Tape *tape, Var *x);
Var *last_tokens(Tape *tape, Var *x);

/// loss.c: cross entropy of logits (B, K) against labels (B):
/// sum over rows of (1 - s) * w[label] * -log p[label] + s / K * sum_k w[k] * -log p[k], each
/// divided by `divisor` (the sum of w[label] over the whole step), with s the label smoothing and w
/// the class_weights (K) or NULL = ones, as PyTorch. Returns the sum in double and, when training,
/// fills the gradient of `logits`.
double cross_entropy(Tape *tape, Var *logits, const int32_t *labels, const double *class_weights,
                     double label_smoothing, double divisor);

/// What a row comes to.
typedef struct {
    double loss;  ///< divided by `divisor`
    bool correct; ///< the target has the first largest logit
} TargetLoss;
/// Sums over rows.
typedef struct {
    double sum;
    int64_t correct;
} VocabularyLoss;

/// vocabulary.c: cross entropy of the logits x w' + b against targets (rows), with its gradients
/// when training: as `linear` and `cross_entropy` without class weights, but the logits are made,
/// used and forgotten by chunks of max(64, 2^23 / vocabulary) rows. x (rows, C), w (vocabulary, C),
/// b (1, vocabulary) or NULL. each (rows), unless NULL, is what every row comes to.
VocabularyLoss vocabulary_loss(Tape *tape, TargetLoss *each, Var *x, Weight *w, Weight *b,
                               const int32_t *targets, double label_smoothing, double divisor);
/// Local. An upper bound of the floats that it takes from the tape for a while, but for gradients
/// of x, where each of `ranks` has its share of the vocabulary, in so many slices altogether.
int64_t vocabulary_scratch_floats(int64_t vocabulary, int64_t rows, int64_t ranks, int64_t slices);
