#include "nn/ops.h"
#include "nn/columns.h"
#include "nn/mask.h"
#include "base/mem.h"
#include "linalg/kernel.h"

#include <omp.h>

typedef struct {
    Var *y, *x;
    Mask mask;
} Dropout;

KERNEL static void multiply_row(float *restrict out, const float *restrict x,
                                const float *restrict factors, bool first, int64_t cols)
{
    if (first)
        for (int64_t c = 0; c < cols; c++) out[c] = x[c] * factors[c];
    else
        for (int64_t c = 0; c < cols; c++) out[c] += x[c] * factors[c];
}

/// out (rows, cols) = or += x * mask; `like` has their shape.
static void apply(Tape *tape, float *out, const float *x, const Mask *mask, const Var *like,
                  bool first)
{
    const Packing *packing = tape_packing(tape);
    int64_t rows = like->rows, cols = like->cols;
    size_t mark = tape_scratch_begin(tape);
    int64_t width = cols + 2 * MASK_BLOCK;
    float *scratch = tape_take(tape, (size_t)(omp_get_max_threads() * width) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < column_blocks(rows); b++) {
        float *buffer = scratch + omp_get_thread_num() * width;
        int64_t start = b * COLUMN_BLOCK;
        int64_t end = start + COLUMN_BLOCK < rows ? start + COLUMN_BLOCK : rows;
        RowPlace at = row_place(tape, like, start);
        for (int64_t r = start; r < end; r++, row_place_next(&at)) {
            const float *factors =
                mask_factors(buffer, mask, packing->samples[at.sequence], at.place * cols, cols);
            multiply_row(out + r * cols, x + r * cols, factors, first, cols);
        }
    }
    tape_scratch_end(tape, mark);
}

static void dropout_backward(Tape *tape, void *context)
{
    Dropout *op = context;
    const float *dy = tape_gradient(tape, op->y);
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (dx) apply(tape, dx, dy, &op->mask, op->y, first);
}

Var *dropout(Tape *tape, Var *x, double p)
{
    Mask mask = mask_next(tape, p);
    if (!mask.cut) return x;
    Var *y = tape_var(tape, x->rows, x->cols, x->needs_gradient);
    y->own = x->own;
    apply(tape, y->value, x->value, &mask, x, true);
    if (tape_records(tape, y)) {
        Dropout *op = tape_take(tape, sizeof *op);
        *op = (Dropout){ y, x, mask };
        tape_work(tape, 0, 2 * (double)(y->rows * y->cols) * sizeof(float));
        tape_record(tape, y, dropout_backward, op);
    }
    return y;
}
