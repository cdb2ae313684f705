#include "nn/ops.h"
#include "base/status.h"
#include "linalg/elementary.h"

#include <string.h>

// f(x), and f'(x) from x alone: the value is not kept twice.

static const float bell_scale = 0.3989422804f; // 1 / sqrt(2 pi)
static const float tanh_scale = 0.7978845608f; // sqrt(2 / pi)
static const float tanh_cube = 0.044715f;

KERNEL_INLINE float gelu_value(float x)
{
    float bell;
    return x * kernel_normal(&bell, x);
}
KERNEL_INLINE float gelu_slope(float x)
{
    float bell, below = kernel_normal(&bell, x);
    return below + x * bell_scale * bell;
}

KERNEL_INLINE float gelu_tanh_value(float x)
{
    return 0.5f * x * (1 + kernel_tanh(tanh_scale * x * (1 + tanh_cube * x * x)));
}
KERNEL_INLINE float gelu_tanh_slope(float x)
{
    float t = kernel_tanh(tanh_scale * x * (1 + tanh_cube * x * x));
    float inner = tanh_scale * (1 + 3 * tanh_cube * x * x);
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * inner;
}

KERNEL_INLINE float tanh_value(float x)
{
    return kernel_tanh(x);
}
KERNEL_INLINE float tanh_slope(float x)
{
    float t = kernel_tanh(x);
    return 1 - t * t;
}

KERNEL_INLINE float relu_value(float x)
{
    return x < 0 ? 0 : x;
}
KERNEL_INLINE float relu_slope(float x)
{
    return x > 0 ? 1 : 0;
}

KERNEL_INLINE float silu_value(float x)
{
    return x * kernel_sigmoid(x);
}
KERNEL_INLINE float silu_slope(float x)
{
    float s = kernel_sigmoid(x);
    return s + x * s * (1 - s);
}

/// y = f(x), and dx = or += dy f'(x), over one block.
#define ACTIVATION(f)                                                                              \
    KERNEL static void f##_forward(float *restrict y, const float *restrict x, int64_t n)          \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) y[i] = f##_value(x[i]);                                    \
    }                                                                                              \
    KERNEL static void f##_backward(float *restrict dx, const float *restrict dy,                  \
                                    const float *restrict x, bool first, int64_t n)                \
    {                                                                                              \
        if (first)                                                                                 \
            for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * f##_slope(x[i]);                       \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) dx[i] += dy[i] * f##_slope(x[i]);                      \
    }

/// y = f(x) g of rows x | g, and their gradients.
#define GATED(f)                                                                                   \
    KERNEL static void f##_gated_forward(float *restrict y, const float *restrict x,               \
                                         const float *restrict g, int64_t n)                       \
    {                                                                                              \
        for (int64_t i = 0; i < n; i++) y[i] = f##_value(x[i]) * g[i];                             \
    }                                                                                              \
    KERNEL static void f##_gated_backward(float *restrict dx, float *restrict dg,                  \
                                          const float *restrict dy, const float *restrict x,       \
                                          const float *restrict g, bool first, int64_t n)          \
    {                                                                                              \
        if (first)                                                                                 \
            for (int64_t i = 0; i < n; i++) {                                                      \
                dx[i] = dy[i] * g[i] * f##_slope(x[i]);                                            \
                dg[i] = dy[i] * f##_value(x[i]);                                                   \
            }                                                                                      \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) {                                                      \
                dx[i] += dy[i] * g[i] * f##_slope(x[i]);                                           \
                dg[i] += dy[i] * f##_value(x[i]);                                                  \
            }                                                                                      \
    }

ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
ACTIVATION(tanh)
ACTIVATION(relu)
ACTIVATION(silu)
GATED(gelu)
GATED(gelu_tanh)
GATED(tanh)
GATED(relu)
GATED(silu)

typedef void (*Forward)(float *y, const float *x, int64_t n);
typedef void (*Slope)(float *dx, const float *dy, const float *x, bool first, int64_t n);
typedef void (*GatedForward)(float *y, const float *x, const float *g, int64_t n);
typedef void (*GatedSlope)(float *dx, float *dg, const float *dy, const float *x, const float *g,
                           bool first, int64_t n);

static const struct {
    Forward forward;
    Slope backward;
    GatedForward gated_forward;
    GatedSlope gated_backward;
} kernels[] = {
#define ROW(f)                                                                                     \
    {                                                                                              \
        f##_forward, f##_backward, f##_gated_forward, f##_gated_backward                           \
    }
    [GELU] = ROW(gelu), [GELU_TANH] = ROW(gelu_tanh), [TANH] = ROW(tanh),
    [RELU] = ROW(relu), [SILU] = ROW(silu),
};

static const struct {
    const char *name;
    ActivationKind kind;
} names[] = {
    { "gelu", GELU },  { "gelu_new", GELU_TANH }, { "gelu_pytorch_tanh", GELU_TANH },
    { "tanh", TANH },  { "relu", RELU },          { "silu", SILU },
    { "swish", SILU },
};

bool activation_by_name(ActivationKind *out, const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name)) continue;
        *out = names[i].kind;
        return true;
    }
    return false;
}

typedef struct {
    Var *y, *x;
    ActivationKind kind;
} Activation;

enum { BLOCK = 8192 }; // elements; one thread takes one block

static int64_t block_size(int64_t start, int64_t n)
{
    return n - start < BLOCK ? n - start : BLOCK;
}

static void activation_backward(Tape *tape, void *context)
{
    Activation *op = context;
    const float *dy = tape_gradient(tape, op->y), *x = op->x->value;
    int64_t n = op->y->rows * op->y->cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += BLOCK)
        kernels[op->kind].backward(dx + i, dy + i, x + i, first, block_size(i, n));
}

Var *activation(Tape *tape, Var *x, ActivationKind kind)
{
    Var *y = tape_var(tape, x->rows, x->cols, x->needs_gradient);
    int64_t n = x->rows * x->cols;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < n; i += BLOCK)
        kernels[kind].forward(y->value + i, x->value + i, block_size(i, n));
    if (tape_records(tape, y)) {
        Activation *op = tape_take(tape, sizeof *op);
        *op = (Activation){ y, x, kind };
        tape_work(tape, 0, 2 * (double)n * sizeof(float));
        tape_record(tape, y, activation_backward, op);
    }
    return y;
}

static void gated_backward(Tape *tape, void *context)
{
    Activation *op = context;
    const float *dy = tape_gradient(tape, op->y), *x = op->x->value;
    int64_t cols = op->y->cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < op->y->rows; r++) {
        int64_t at = 2 * r * cols;
        kernels[op->kind].gated_backward(dx + at, dx + at + cols, dy + r * cols, x + at,
                                         x + at + cols, first, cols);
    }
}

Var *gated(Tape *tape, Var *x, ActivationKind kind)
{
    int64_t cols = x->cols / 2;
    CHECK(x->cols == 2 * cols, "gated: %lld columns are no pairs", (long long)x->cols);
    Var *y = tape_var(tape, x->rows, cols, x->needs_gradient);
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < x->rows; r++) {
        const float *row = x->value + 2 * r * cols;
        kernels[kind].gated_forward(y->value + r * cols, row, row + cols, cols);
    }
    if (tape_records(tape, y)) {
        Activation *op = tape_take(tape, sizeof *op);
        *op = (Activation){ y, x, kind };
        tape_work(tape, 0, 3 * (double)(x->rows * cols) * sizeof(float));
        tape_record(tape, y, gated_backward, op);
    }
    return y;
}
