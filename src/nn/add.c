#include "nn/ops.h"
#include "base/status.h"
#include "linalg/vecmath.h"

#include <string.h>

typedef struct {
    Var *y, *a, *b;
} Add;

enum { BLOCK = 8192 }; // elements; one thread takes one block

static int64_t block_size(int64_t start, int64_t n)
{
    return n - start < BLOCK ? n - start : BLOCK;
}

static void add_backward(Tape *tape, void *context)
{
    Add *op = context;
    const float *dy = tape_gradient(tape, op->y);
    Var *const operands[] = { op->a, op->b };
    int64_t n = op->y->rows * op->y->cols;
    for (int i = 0; i < 2; i++) {
        bool first;
        float *dx = tape_gradient_for(tape, operands[i], &first);
        if (!dx) continue;
#pragma omp parallel for schedule(static)
        for (int64_t at = 0; at < n; at += BLOCK) {
            if (first)
                memcpy(dx + at, dy + at, (size_t)block_size(at, n) * sizeof(float));
            else
                vec_add(dx + at, dy + at, block_size(at, n));
        }
    }
}

Var *add(Tape *tape, Var *a, Var *b)
{
    CHECK(a->rows == b->rows && a->cols == b->cols && a->own == b->own,
          "add: operands differ in shape");
    Var *y = tape_var(tape, a->rows, a->cols, a->needs_gradient || b->needs_gradient);
    y->own = a->own;
    int64_t n = a->rows * a->cols;
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < n; at += BLOCK) {
        memcpy(y->value + at, a->value + at, (size_t)block_size(at, n) * sizeof(float));
        vec_add(y->value + at, b->value + at, block_size(at, n));
    }
    if (tape_records(tape, y)) {
        Add *op = tape_take(tape, sizeof *op);
        *op = (Add){ y, a, b };
        tape_work(tape, 0, 3 * (double)n * sizeof(float));
        tape_record(tape, y, add_backward, op);
    }
    return y;
}
