#include "nn/ops.h"
#include "base/status.h"
#include "linalg/vecmath.h"

#include <string.h>

typedef struct {
    Var *y, *x;
} Select;

static void first_tokens_backward(Tape *tape, void *context)
{
    Select *op = context;
    const Packing *packing = tape_packing(tape);
    const float *dy = tape_gradient(tape, op->y);
    int64_t cols = op->y->cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    if (first) memset(dx, 0, (size_t)(op->x->rows * cols) * sizeof(float));
    for (int64_t i = 0; i < packing->sequences; i++)
        vec_add(dx + packing->cu_seqlens[i] * cols, dy + i * cols, cols);
}

Var *first_tokens(Tape *tape, Var *x)
{
    const Packing *packing = tape_packing(tape);
    CHECK(x->rows == packing->tokens, "first_tokens: a row must be a token");
    Var *y = tape_var(tape, packing->sequences, x->cols, x->needs_gradient);
    for (int64_t i = 0; i < packing->sequences; i++) {
        int32_t row = packing->cu_seqlens[i];
        CHECK(row < packing->cu_seqlens[i + 1], "first_tokens: a sequence without tokens");
        memcpy(y->value + i * x->cols, x->value + row * x->cols, (size_t)x->cols * sizeof(float));
    }
    if (tape_records(tape, y)) {
        Select *op = tape_take(tape, sizeof *op);
        *op = (Select){ y, x };
        tape_work(tape, 0, 2 * (double)(y->rows * y->cols) * sizeof(float));
        tape_record(tape, y, first_tokens_backward, op);
    }
    return y;
}
