#include "nn/ops.h"
#include "nn/columns.h"
#include "nn/group.h"
#include "base/status.h"
#include "linalg/kernel.h"

#include <math.h>
#include <string.h>

typedef struct {
    Var *y, *x;
    Weight *gain;
    float epsilon;
    float *scales; ///< (rows): 1 / sqrt(mean of squares + eps)
} RmsNorm;

KERNEL_INLINE float dot(const float *restrict a, const float *restrict b, int64_t cols)
{
    float sums[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= cols; i += LANES) LANE_LOOP(l, LANES) sums[l] += a[i + l] * b[i + l];
    for (int l = 0; i + l < cols; l++) sums[l] += a[i + l] * b[i + l];
    return lanes_sum(sums);
}

KERNEL static float norm_row(float *restrict y, const float *restrict x, const float *restrict gain,
                             float epsilon, int64_t cols)
{
    float scale = 1 / sqrtf(dot(x, x, cols) / (float)cols + epsilon);
    for (int64_t i = 0; i < cols; i++) y[i] = x[i] * scale * gain[i];
    return scale;
}

/// g = dy * gain, n = x * scale: dx = scale * (g - n * mean(g n)), dgain += dy * n.
KERNEL static void norm_row_backward(float *restrict dx, bool first, float *restrict dgain,
                                     const float *restrict dy, const float *restrict x,
                                     const float *restrict gain, float scale, int64_t cols)
{
    float sums[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= cols; i += LANES) LANE_LOOP(l, LANES)
    sums[l] += dy[i + l] * gain[i + l] * x[i + l];
    for (int l = 0; i + l < cols; l++) sums[l] += dy[i + l] * gain[i + l] * x[i + l];
    float mean = lanes_sum(sums) * scale * scale / (float)cols;
    if (dgain)
        for (int64_t c = 0; c < cols; c++) dgain[c] += dy[c] * x[c] * scale;
    if (!dx) return;
    for (int64_t c = 0; c < cols; c++) {
        float d = scale * (dy[c] * gain[c] - x[c] * mean);
        dx[c] = first ? d : dx[c] + d;
    }
}

static void rms_norm_backward(Tape *tape, void *context)
{
    RmsNorm *op = context;
    int64_t rows = op->y->rows, cols = op->y->cols;
    TokenBlocks blocks = token_blocks(tape, op->y);
    const float *dy = tape_gradient(tape, op->y);
    bool first, gain_first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    float *dgain = weight_gradient_for(op->gain, &gain_first), *sums = NULL;
    size_t mark = tape_scratch_begin(tape);
    if (dgain) sums = tape_take(tape, (size_t)(blocks.all * cols) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks.own.count; b++) {
        int64_t start = b * COLUMN_BLOCK;
        int64_t end = start + COLUMN_BLOCK < rows ? start + COLUMN_BLOCK : rows;
        float *sum = sums ? sums + (blocks.own.first + b) * cols : NULL;
        if (sum) memset(sum, 0, (size_t)cols * sizeof(float));
        for (int64_t r = start; r < end; r++)
            norm_row_backward(dx ? dx + r * cols : NULL, first, sum, dy + r * cols,
                              op->x->value + r * cols, op->gain->value, op->scales[r], cols);
    }
    token_blocks_share(tape, op->y, &sums, 1, cols);
    if (dgain) columns_add_up(dgain, sums, blocks.all, cols, gain_first);
    tape_scratch_end(tape, mark);
}

Var *rms_norm(Tape *tape, Var *x, Weight *gain, double eps)
{
    int64_t rows = x->rows, cols = x->cols;
    CHECK(gain->rows == 1 && gain->cols == cols && !gain->touched,
          "rms_norm: the gain is not a vector of the input's width");
    tape_needs(tape, gain);
    Var *y = tape_var(tape, rows, cols, x->needs_gradient || gain->gradient);
    y->own = x->own;
    RmsNorm *op = tape_take(tape, sizeof *op);
    *op = (RmsNorm){ y, x, gain, (float)eps, tape_take(tape, (size_t)rows * sizeof(float)) };
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        op->scales[r] =
            norm_row(y->value + r * cols, x->value + r * cols, gain->value, op->epsilon, cols);
    if (tape_records(tape, y)) {
        tape_uses(tape, gain);
        tape_work(tape, 0, 2 * (double)(rows * cols) * sizeof(float));
        tape_record(tape, y, rms_norm_backward, op);
    }
    return y;
}
