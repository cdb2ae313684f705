#include "nn/ops.h"
#include "linalg/gemm.h"
#include "linalg/vecmath.h"
#include "nn/group.h"
#include "nn/product.h"

#include <string.h>

typedef struct {
    Var *y, *x;
    Weight *w, *b;
} Linear;

/// Of all tokens on every rank, where each has its own ones.
static void weight_backward(Tape *tape, const Linear *op, const float *dy)
{
    bool first;
    int64_t m = op->y->rows, n = op->w->rows, k = op->w->cols;
    float *dw = weight_gradient_for(op->w, &first);
    if (!dw) return;
    if (!op->x->own || tape_group_size(tape) == 1) {
        gemm_backward_weight(dw, dy, op->x->value, m, n, k, first ? 0 : 1);
        return;
    }
    size_t mark = tape_scratch_begin(tape);
    float *sum = tape_take(tape, (size_t)(n * k) * sizeof *sum);
    gemm_backward_weight(sum, dy, op->x->value, m, n, k, 0);
    group_sum(tape, sum, n * k, 0, tape_group_size(tape));
    if (first)
        memcpy(dw, sum, (size_t)(n * k) * sizeof *sum);
    else
        vec_add(dw, sum, n * k);
    tape_scratch_end(tape, mark);
}

static void linear_backward(Tape *tape, void *context)
{
    Linear *op = context;
    int64_t m = op->y->rows, n = op->w->rows, k = op->w->cols;
    const float *dy = tape_gradient(tape, op->y);
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (dx) gemm_backward_input(dx, dy, op->w->value, m, n, k, first ? 0 : 1);
    weight_backward(tape, op, dy);
    float *db = op->b ? weight_gradient_for(op->b, &first) : NULL;
    if (db) group_columns_sum(tape, db, op->y, dy, first);
}

Var *linear(Tape *tape, Var *x, Weight *w, Weight *b)
{
    bool needs = product_start(__func__, x, w, b);
    tape_needs(tape, w);
    tape_needs(tape, b);
    Var *y = tape_var(tape, x->rows, w->rows, needs);
    y->own = x->own;
    gemm_forward(y->value, x->value, w->value, b ? b->value : NULL, x->rows, w->rows, w->cols, 0);
    if (tape_records(tape, y)) {
        Linear *op = tape_take(tape, sizeof *op);
        *op = (Linear){ y, x, w, b };
        product_uses(tape, w, b, x->rows);
        tape_record(tape, y, linear_backward, op);
    }
    return y;
}
