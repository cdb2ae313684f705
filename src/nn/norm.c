#include "nn/ops.h"
#include "nn/columns.h"
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

KERNEL_INLINE Lanes input_lanes(const NormRow *row, int64_t i, int64_t n)
{
    Lanes s = lanes_load_part(row->x + i, n);
    if (row->factors) s *= lanes_load_part(row->factors + i, n);
    if (row->residual) s += lanes_load_part(row->residual + i, n);
    return s;
}

KERNEL_INLINE Lanes squared_deviation(const float *s, float mean, int64_t n)
{
    Lanes d = lanes_first(lanes_load_part(s, n) - mean, n, lanes_all(0));
    return d * d;
}

/// y holds the sum of residual and x until the last pass; a row stays in the first-level cache.
KERNEL static void norm_row(float *restrict y, Moments *moments, const NormRow *input,
                            float epsilon, int64_t cols)
{
    const NormRow row = *input;
    const int64_t full = cols / LANES * LANES, rest = cols - full;
    Lanes total = { 0 }, squares = { 0 };
    for (int64_t i = 0; i < full; i += LANES) {
        Lanes s = input_lanes(&row, i, LANES);
        lanes_store(y + i, s);
        total += s;
    }
    if (rest) {
        Lanes s = input_lanes(&row, full, rest);
        lanes_store_part(y + full, s, rest);
        total += s;
    }
    float mean = lanes_sum(total) / (float)cols;
    for (int64_t i = 0; i < full; i += LANES) squares += squared_deviation(y + i, mean, LANES);
    if (rest) squares += squared_deviation(y + full, mean, rest);
    float scale = 1 / sqrtf(lanes_sum(squares) / (float)cols + epsilon);
    for (int64_t i = 0; i < cols; i++) y[i] = (y[i] - mean) * scale * row.gain[i] + row.bias[i];
    *moments = (Moments){ mean, scale };
}

/// Where the gradients of one row go; NULL where they are not needed.
typedef struct {
    float *residual, *x;
    bool residual_first, x_first;
    float *gain, *bias; ///< sums of the block
    float *normalised;  ///< scratch (cols)
} NormGradients;

typedef struct {
    Lanes slope, slope_times_input; ///< sums of g and g * normalised, g = dy * gain
} NormSums;

KERNEL_INLINE void backward_sums(NormSums *sums, const NormGradients *to, const NormRow *row,
                                 const float *dy, Moments moments, int64_t i, int64_t n)
{
    Lanes d = lanes_load_part(dy + i, n), g = d * lanes_load_part(row->gain + i, n);
    Lanes normalised = (input_lanes(row, i, n) - moments.mean) * moments.inverse_deviation;
    lanes_store_part(to->normalised + i, normalised, n);
    sums->slope += g;
    sums->slope_times_input += g * normalised;
    if (to->gain)
        lanes_store_part(to->gain + i, lanes_load_part(to->gain + i, n) + d * normalised, n);
    if (to->bias) lanes_store_part(to->bias + i, lanes_load_part(to->bias + i, n) + d, n);
}

KERNEL_INLINE void put(float *to, Lanes d, bool first, int64_t n)
{
    lanes_store_part(to, first ? d : d + lanes_load_part(to, n), n);
}

KERNEL_INLINE void backward_inputs(const NormGradients *to, const NormRow *row, const float *dy,
                                   float scale, float mean_slope, float mean_product, int64_t i,
                                   int64_t n)
{
    Lanes g = lanes_load_part(dy + i, n) * lanes_load_part(row->gain + i, n);
    Lanes ds = scale * (g - mean_slope - lanes_load_part(to->normalised + i, n) * mean_product);
    if (to->residual) put(to->residual + i, ds, to->residual_first, n);
    if (!to->x) return;
    if (row->factors) ds *= lanes_load_part(row->factors + i, n);
    put(to->x + i, ds, to->x_first, n);
}

KERNEL static void norm_row_backward(const NormGradients *gradients, const NormRow *input,
                                     const float *dy, const Moments *at, int64_t cols)
{
    const NormGradients to = *gradients;
    const NormRow row = *input;
    const Moments moments = *at;
    const int64_t full = cols / LANES * LANES, rest = cols - full;
    NormSums sums = { { 0 }, { 0 } };
    for (int64_t i = 0; i < full; i += LANES)
        backward_sums(&sums, &to, &row, dy, moments, i, LANES);
    if (rest) backward_sums(&sums, &to, &row, dy, moments, full, rest);
    float mean_slope = lanes_sum(sums.slope) / (float)cols;
    float mean_product = lanes_sum(sums.slope_times_input) / (float)cols;
    for (int64_t i = 0; i < full; i += LANES)
        backward_inputs(&to, &row, dy, moments.inverse_deviation, mean_slope, mean_product, i,
                        LANES);
    if (rest)
        backward_inputs(&to, &row, dy, moments.inverse_deviation, mean_slope, mean_product, full,
                        rest);
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

static void forward_block(const Norm *op, const Packing *packing, float *scratch, int64_t start)
{
    int64_t rows = op->y->rows, cols = op->y->cols;
    int64_t end = start + COLUMN_BLOCK < rows ? start + COLUMN_BLOCK : rows;
    RowPlace at = { 0 };
    if (op->mask.cut) at = row_place(packing, rows, start);
    for (int64_t r = start; r < end; r++) {
        NormRow row;
        row_inputs(&row, op, scratch, at, r);
        norm_row(op->y->value + r * cols, op->moments + r, &row, op->epsilon, cols);
        if (op->mask.cut) row_place_next(&at);
    }
}

/// Sums over tokens of one operator: (blocks, cols) each, NULL if frozen.
typedef struct {
    float *gain, *bias;
} Sums;

typedef struct {
    const float *dy;
    float *residual, *x; ///< (rows, cols) or NULL
    bool residual_first, x_first;
    Sums sums;
} NormBackward;

static void backward_block(const Norm *op, const NormBackward *pass, const Packing *packing,
                           float *scratch, int64_t block)
{
    int64_t rows = op->y->rows, cols = op->y->cols, start = block * COLUMN_BLOCK;
    int64_t end = start + COLUMN_BLOCK < rows ? start + COLUMN_BLOCK : rows;
    size_t bytes = (size_t)cols * sizeof(float);
    NormGradients to = { .residual_first = pass->residual_first,
                         .x_first = pass->x_first,
                         .gain = pass->sums.gain ? pass->sums.gain + block * cols : NULL,
                         .bias = pass->sums.bias ? pass->sums.bias + block * cols : NULL,
                         .normalised = scratch + scratch_floats(op) / 2 + MASK_BLOCK };
    RowPlace at = { 0 };
    if (op->mask.cut && start < end) at = row_place(packing, rows, start);
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
    const Packing *packing = tape_packing(tape);
    int64_t cols = op->y->cols, blocks = column_blocks(op->y->rows);
    bool gain_first, bias_first;
    NormBackward pass = { .dy = tape_gradient(tape, op->y) };
    if (op->residual) pass.residual = tape_gradient_for(tape, op->residual, &pass.residual_first);
    pass.x = tape_gradient_for(tape, op->x, &pass.x_first);
    float *dgain = weight_gradient_for(op->gain, &gain_first);
    float *dbias = weight_gradient_for(op->bias, &bias_first);
    size_t mark = tape_scratch_begin(tape), bytes = (size_t)(blocks * cols) * sizeof(float);
    if (dgain) pass.sums.gain = tape_take(tape, bytes);
    if (dbias) pass.sums.bias = tape_take(tape, bytes);
    int64_t each = scratch_floats(op);
    float *scratch = tape_take(tape, (size_t)(omp_get_max_threads() * each) * sizeof(float));
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks; b++)
        backward_block(op, &pass, packing, scratch + omp_get_thread_num() * each, b);
    if (dgain) columns_add_up(dgain, pass.sums.gain, blocks, cols, gain_first);
    if (dbias) columns_add_up(dbias, pass.sums.bias, blocks, cols, bias_first);
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
    CHECK(!residual || (residual->rows == rows && residual->cols == cols),
          "layer_norm: residual and input differ in shape");
    CHECK(is_vector(gain, cols) && is_vector(bias, cols),
          "layer_norm: gain or bias is not a vector of the input's width");
    bool needs = x->needs_gradient || (residual && residual->needs_gradient) || gain->gradient ||
                 bias->gradient;
    Var *y = tape_var(tape, rows, cols, needs);
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
        forward_block(op, tape_packing(tape), scratch + omp_get_thread_num() * each, start);
    tape_scratch_end(tape, mark);
    if (tape_records(tape, y)) tape_record(tape, y, layer_norm_backward, op);
    return y;
}
