#include "nn/ops.h"
#include "base/status.h"
#include "linalg/elementary.h"

#include <string.h>

// f(x), and f'(x) from x alone: the value is not kept twice.

static const float bell_scale = 0.3989422804f; // 1 / sqrt(2 pi)
static const float tanh_scale = 0.7978845608f; // sqrt(2 / pi)
static const float tanh_cube = 0.044715f;

KERNEL_INLINE Lanes gelu_value(Lanes x)
{
    Lanes bell;
    return x * lanes_normal(&bell, x);
}
KERNEL_INLINE Lanes gelu_slope(Lanes x)
{
    Lanes bell, below = lanes_normal(&bell, x);
    return below + x * bell_scale * bell;
}

KERNEL_INLINE Lanes gelu_tanh_value(Lanes x)
{
    return 0.5f * x * (1 + lanes_tanh(tanh_scale * x * (1 + tanh_cube * x * x)));
}
KERNEL_INLINE Lanes gelu_tanh_slope(Lanes x)
{
    Lanes t = lanes_tanh(tanh_scale * x * (1 + tanh_cube * x * x));
    Lanes inner = tanh_scale * (1 + 3 * tanh_cube * x * x);
    return 0.5f * (1 + t) + 0.5f * x * (1 - t * t) * inner;
}

KERNEL_INLINE Lanes tanh_value(Lanes x)
{
    return lanes_tanh(x);
}
KERNEL_INLINE Lanes tanh_slope(Lanes x)
{
    Lanes t = lanes_tanh(x);
    return 1 - t * t;
}

KERNEL_INLINE Lanes relu_value(Lanes x)
{
    return lanes_select(x < 0, lanes_all(0), x);
}
KERNEL_INLINE Lanes relu_slope(Lanes x)
{
    return lanes_select(x > 0, lanes_all(1), lanes_all(0));
}

KERNEL_INLINE Lanes silu_value(Lanes x)
{
    return x * lanes_sigmoid(x);
}
KERNEL_INLINE Lanes silu_slope(Lanes x)
{
    Lanes s = lanes_sigmoid(x);
    return s + x * s * (1 - s);
}

/// y = f(x), and dx = or += dy f'(x), over one block.
#define ACTIVATION(f)                                                                              \
    KERNEL static void f##_forward(float *y, const float *x, int64_t n)                            \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + LANES <= n; i += LANES) lanes_store(y + i, f##_value(lanes_load(x + i)));       \
        if (i < n) lanes_store_part(y + i, f##_value(lanes_load_part(x + i, n - i)), n - i);       \
    }                                                                                              \
    KERNEL static void f##_backward(float *dx, const float *dy, const float *x, bool first,        \
                                    int64_t n)                                                     \
    {                                                                                              \
        int64_t i = 0;                                                                             \
        for (; i + LANES <= n; i += LANES) {                                                       \
            Lanes d = lanes_load(dy + i) * f##_slope(lanes_load(x + i));                           \
            lanes_store(dx + i, first ? d : d + lanes_load(dx + i));                               \
        }                                                                                          \
        if (i == n) return;                                                                        \
        Lanes d = lanes_load_part(dy + i, n - i) * f##_slope(lanes_load_part(x + i, n - i));       \
        if (!first) d += lanes_load_part(dx + i, n - i);                                           \
        lanes_store_part(dx + i, d, n - i);                                                        \
    }

ACTIVATION(gelu)
ACTIVATION(gelu_tanh)
ACTIVATION(tanh)
ACTIVATION(relu)
ACTIVATION(silu)

static const struct {
    void (*forward)(float *y, const float *x, int64_t n);
    void (*backward)(float *dx, const float *dy, const float *x, bool first, int64_t n);
} kernels[] = {
    [GELU] = { gelu_forward, gelu_backward },
    [GELU_TANH] = { gelu_tanh_forward, gelu_tanh_backward },
    [TANH] = { tanh_forward, tanh_backward },
    [RELU] = { relu_forward, relu_backward },
    [SILU] = { silu_forward, silu_backward },
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
        tape_record(tape, y, activation_backward, op);
    }
    return y;
}
