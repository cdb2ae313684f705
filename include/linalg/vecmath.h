/// Kernels on flat arrays: the only float arithmetic outside nn/. Local; x86-64-v2, v3 and v4 forms
/// are chosen at start (linalg/kernel.h). Sums are over fixed blocks, so bits do not depend on
/// threads or alignment.
#pragma once
#include <stdint.h>

/// y += x over n elements.
void vec_add(float *y, const float *x, int64_t n);
void vec_scale(float *y, float factor, int64_t n);

/// A sum of squares without an order: the same bits however the elements are dealt to sums that are
/// added later, up to 2^32 elements. Each square, exact in double, is cut at fixed powers of two,
/// and the sum of the pieces of a level is exact (Demmel & Nguyen 2013). What is below 2^-66 of a
/// square is dropped. Beyond 2^75 it is infinity or a number, but not always the same.
enum { SQUARE_LEVELS = 5 };
typedef struct {
    double levels[SQUARE_LEVELS];
} SquareSum;
/// *sum += the squares of x (n).
void vec_add_squares(SquareSum *sum, const float *x, int64_t n);
void square_sum_add(SquareSum *sum, const SquareSum *more);
double square_sum_total(const SquareSum *sum);

/// One AdamW step on n elements (Loshchilov & Hutter 2019, as torch.optim.AdamW):
/// p *= 1 - lr wd; m += (1 - b1)(g - m); v = b2 v + (1 - b2) g^2;
/// p -= lr / c1 * m / (sqrt(v / c2) + eps), with c1 = 1 - b1^t, c2 = 1 - b2^t, g = scale *
/// gradient.
typedef struct {
    double learning_rate, beta1, beta2, epsilon, weight_decay;
    double correction1, correction2; ///< c1, c2
    double gradient_scale;           ///< clipping factor
} AdamStep;
void vec_adam(float *p, float *m, float *v, const float *g, int64_t n, const AdamStep *step);
