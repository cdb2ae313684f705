#include "nn/ops.h"
#include "nn/columns.h"
#include "nn/group.h"
#include "nn/mask.h"
#include "base/status.h"
#include "linalg/kernel.h"

#include <math.h>
#include <omp.h>
#include <string.h>

typedef struct {
    float mean, inverse_deviation;
} Moments;

typedef struct {
    Var *y, *residual, *x;
    Weight *gain, *bias;
    Mask mask;
    float epsilon;
    Moments *moments; ///< (rows)
} Norm;

/// What one row reads.
typedef struct {
    const float *residual; ///< or NULL
    const float *x;
    const float *factors; ///< of dropout, or NULL
    const float *gain, *bias;
} NormRow;

/// s = residual + dropout(x).
KERNEL_INLINE void row_sum(float *restrict s, const NormRow *row, int64_t cols)
{
    const float *restrict x = row->x, *restrict factors = row->factors;
    const float *restrict residual = row->residual;
    for (int64_t i = 0; i < cols; i++) {
        float v = x[i];
        if (factors) v *= factors[i];
        if (residual) v += residual[i];
        s[i] = v;
    }
}

/// The mean of (s - shift)^power, power 1 or 2, over the row.
KERNEL_INLINE float mean_power(const float *restrict s, float shift, int power, int64_t cols)
{
    float sums[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= cols; i += LANES) LANE_LOOP(l, LANES)
        {
            float d = s[i + l] - shift;
            sums[l] += power == 2 ? d * d : d;
        }
    for (int l = 0; i + l < cols; l++) {
        float d = s[i + l] - shift;
        sums[l] += power == 2 ? d * d : d;
    }
    return lanes_sum(sums) / (float)cols;
}

/// y holds the sum of residual and x until the last pass; a row stays in the first-level cache.
KERNEL static void norm_row(float *restrict y, Moments *restrict moments,
                            const NormRow *restrict row, float epsilon, int64_t cols)
{
    const float *restrict gain = row->gain, *restrict bias = row->bias;
    row_sum(y, row, cols);
    float mean = mean_power(y, 0, 1, cols);
    float scale = 1 / sqrtf(mean_power(y, mean, 2, cols) + epsilon);
    for (int64_t i = 0; i < cols; i++) y[i] = (y[i] - mean) * scale * gain[i] + bias[i];
    *moments = (Moments){ mean, scale };
}

/// Where the gradients of one row go; NULL where they are not needed.
typedef struct {
    float *residual, *x;
    bool residual_first, x_first;
    float *gain, *bias; ///< sums of the block
    float *row;         ///< scratch (cols): the normalised row, then the gradient of the sum
} NormGradients;

/// out = or += ds * factors (NULL: 1).
KERNEL_INLINE void put(float *restrict out, const float *restrict ds, const float *restrict factors,
                       bool first, int64_t cols)
{
    for (int64_t i = 0; i < cols; i++) {
        float d = ds[i];
        if (factors) d *= factors[i];
        out[i] = first ? d : out[i] + d;
    }
}

KERNEL static void norm_row_backward(const NormGradients *restrict to, const NormRow *restrict row,
                                     const float *restrict dy, const Moments *restrict moments,
                                     int64_t cols)
{
    const float *restrict gain = row->gain;
    float *restrict s = to->row, *restrict dgain = to->gain, *restrict dbias = to->bias;
    const float mean = moments->mean, scale = moments->inverse_deviation;
    float slopes[LANES] = { 0 }, products[LANES] = { 0 };
    int64_t i = 0;
    row_sum(s, row, cols);
    for (int64_t k = 0; k < cols; k++) s[k] = (s[k] - mean) * scale;
    for (; i + LANES <= cols; i += LANES) LANE_LOOP(l, LANES)
        {
            float g = dy[i + l] * gain[i + l];
            slopes[l] += g;
            products[l] += g * s[i + l];
        }
    for (int l = 0; i + l < cols; l++) {
        float g = dy[i + l] * gain[i + l];
        slopes[l] += g;
        products[l] += g * s[i + l];
    }
    float mean_slope = lanes_sum(slopes) / (float)cols;
    float mean_product = lanes_sum(products) / (float)cols;
    if (dgain)
        for (int64_t k = 0; k < cols; k++) dgain[k] += dy[k] * s[k];
    if (dbias)
        for (int64_t k = 0; k < cols; k++) dbias[k] += dy[k];
    for (int64_t k = 0; k < cols; k++)
        s[k] = scale * (dy[k] * gain[k] - mean_slope - s[k] * mean_product);
    if (to->residual) put(to->residual, s, NULL, to->residual_first, cols);
    if (to->x) put(to->x, s, row->factors, to->x_first, cols);
}

/// Points `row` at row r; makes its mask in `factors`.
static void row_inputs(NormRow *row, const Norm *op, float *factors, RowPlace at, int64_t r)
{
    int64_t cols = op->x->cols;
    *row = (NormRow){ .x = op->x->value + r * cols,
                      .residual = op->residual ? op->residual->value + r * cols : NULL,
                      .gain = op->gain->value,
                      .bias = op->bias->value };
    if (op->mask.cut)
        row->factors = mask_factors(factors, &op->mask, at.packing->samples[at.sequence],
                                    at.place * cols, cols);
}

/// Scratch of one thread: factors, then a row.
static int64_t scratch_floats(const Norm *op)
{
    int64_t width = (op->x->cols + LANES - 1) / LANES * LANES;
    return 2 * width + 2 * MASK_BLOCK;
}

static void forward_block(const Norm *op, const Tape *tape, float *scratch, int64_t start)
{
    int64_t rows = op->y->rows, cols = op->y->cols;
    int64_t end = start + COLUMN_BLOCK < rows ? start + COLUMN_BLOCK : rows;
    RowPlace at = { 0 };
    if (op->mask.cut) at = row_place(tape, op->y, start);
    for (int64_t r = start; r < end; r++) {
        NormRow row;
        row_inputs(&row, op, scratch, at, r);
        norm_row(op->y->value + r * cols, op->moments + r, &row, op->epsilon, cols);
        if (op->mask.cut) row_place_next(&at);
    }
}

/// Sums over this rank's tokens of one operator: (blocks, cols) each, NULL if frozen.
typedef struct {
    float *gain, *bias;
} Sums;

typedef struct {
    const float *dy;
    float *residual, *x; ///< (rows, cols) or NULL
    bool residual_first, x_first;
    Sums sums;
} NormBackward;

static void backward_block(const Norm *op, const NormBackward *pass, const Tape *tape,
                           float *scratch, int64_t block)
{
    int64_t rows = op->y->rows, cols = op->y->cols, start = block * COLUMN_BLOCK;
    int64_t end = start + COLUMN_BLOCK < rows ? start + COLUMN_BLOCK : rows;
    size_t bytes = (size_t)cols * sizeof(float);
    NormGradients to = { .residual_first = pass->residual_first,
                         .x_first = pass->x_first,
                         .gain = pass->sums.gain ? pass->sums.gain + block * cols : NULL,
                         .bias = pass->sums.bias ? pass->sums.bias + block * cols : NULL,
                         .row = scratch + scratch_floats(op) / 2 + MASK_BLOCK };
    RowPlace at = { 0 };
    if (op->mask.cut && start < end) at = row_place(tape, op->y, start);
    if (to.gain) memset(to.gain, 0, bytes);
    if (to.bias) memset(to.bias, 0, bytes);
    for (int64_t r = start; r < end; r++) {
        NormRow row;
        row_inputs(&row, op, scratch, at, r);
        to.residual = pass->residual ? pass->residual + r * cols : NULL;
        to.x = pass->x ? pass->x + r * cols : NULL;
        norm_row_backward(&to, &row, pass->dy + r * cols, op->moments + r, cols);
        if (op->mask.cut) row_place_next(&at);
    }
}

static void layer_norm_backward(Tape *tape, void *context)
{
    Norm *op = context;
    int64_t cols = op->y->cols;
    TokenBlocks blocks = token_blocks(tape, op->y);
    bool gain_first, bias_first;
    NormBackward pass = { .dy = tape_gradient(tape, op->y) };
    if (op->residual) pass.residual = tape_gradient_for(tape, op->residual, &pass.residual_first);
    pass.x = tape_gradient_for(tape, op->x, &pass.x_first);
    float *dgain = weight_gradient_for(op->gain, &gain_first);
    float *dbias = weight_gradient_for(op->bias, &bias_first);
    size_t mark = tape_scratch_begin(tape), bytes = (size_t)(blocks.all * cols) * sizeof(float);
    float *gains = dgain ? tape_take(tape, bytes) : NULL;
    float *biases = dbias ? tape_take(tape, bytes) : NULL;
    if (gains) pass.sums.gain = gains + blocks.own.first * cols;
    if (biases) pass.sums.bias = biases + blocks.own.first * cols;
    int64_t each = scratch_floats(op);
    float *scratch = tape_take(tape, (size_t)(omp_get_max_threads() * each) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks.own.count; b++)
        backward_block(op, &pass, tape, scratch + omp_get_thread_num() * each, b);
    token_blocks_share(tape, op->y, (float *const[]){ gains, biases }, 2, cols);
    if (dgain) columns_add_up(dgain, gains, blocks.all, cols, gain_first);
    if (dbias) columns_add_up(dbias, biases, blocks.all, cols, bias_first);
    tape_scratch_end(tape, mark);
}

static bool is_vector(const Weight *weight, int64_t cols)
{
    return weight->rows == 1 && weight->cols == cols;
}

Var *layer_norm(Tape *tape, Var *residual, Var *x, Weight *gain, Weight *bias, double eps,
                double dropout)
{
    int64_t rows = x->rows, cols = x->cols;
    CHECK(!residual ||
              (residual->rows == rows && residual->cols == cols && residual->own == x->own),
          "layer_norm: residual and input differ in shape");
    CHECK(is_vector(gain, cols) && is_vector(bias, cols),
          "layer_norm: gain or bias is not a vector of the input's width");
    CHECK(!gain->touched && !bias->touched, "layer_norm: a lookup table has no dense gradient");
    tape_needs(tape, gain);
    tape_needs(tape, bias);
    bool needs = x->needs_gradient || (residual && residual->needs_gradient) || gain->gradient ||
                 bias->gradient;
    Var *y = tape_var(tape, rows, cols, needs);
    y->own = x->own;
    Norm *op = tape_take(tape, sizeof *op);
    *op = (Norm){ y,          residual,
                  x,          gain,
                  bias,       mask_next(tape, dropout),
                  (float)eps, tape_take(tape, (size_t)rows * sizeof(Moments)) };
    size_t mark = tape_scratch_begin(tape);
    int64_t each = scratch_floats(op);
    float *scratch = tape_take(tape, (size_t)(omp_get_max_threads() * each) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (int64_t start = 0; start < rows; start += COLUMN_BLOCK)
        forward_block(op, tape, scratch + omp_get_thread_num() * each, start);
    tape_scratch_end(tape, mark);
    if (tape_records(tape, y)) {
        tape_uses(tape, gain);
        tape_uses(tape, bias);
        tape_work(tape, 0, (residual ? 3 : 2) * (double)(rows * cols) * sizeof(float));
        tape_record(tape, y, layer_norm_backward, op);
    }
    return y;
}
