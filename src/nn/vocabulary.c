#include "nn/ops.h"
#include "nn/columns.h"
#include "base/status.h"
#include "linalg/elementary.h"
#include "linalg/gemm.h"

enum { MOST_LOGITS = 1 << 23, LEAST_ROWS = 64, EXP_BLOCK = 1024 };

/// Rows whose logits are in memory at a time: by the vocabulary alone, so that bits are.
static int64_t chunk_rows(int64_t vocabulary)
{
    int64_t rows = MOST_LOGITS / vocabulary / LEAST_ROWS * LEAST_ROWS;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows;
}

int64_t vocabulary_scratch_floats(int64_t vocabulary, int64_t rows)
{
    int64_t chunk = chunk_rows(vocabulary) < rows ? chunk_rows(vocabulary) : rows;
    return chunk * vocabulary + (column_blocks(chunk) + 1) * vocabulary + 4 * rows + 64;
}

typedef struct {
    double smoothing, divisor;
    int64_t classes;
    bool slopes; ///< logits become gradients
} Loss;

KERNEL static float greatest(const float *restrict z, int64_t n)
{
    float most[LANES];
    LANE_LOOP(l, LANES) most[l] = -INFINITY;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) LANE_LOOP(l, LANES)
    most[l] = most[l] < z[i + l] ? z[i + l] : most[l];
    for (int l = 0; i + l < n; l++) most[l] = most[l] < z[i + l] ? z[i + l] : most[l];
    return lanes_greatest(most);
}

KERNEL static void block_sums(float *exps, float *plain, const float *restrict z, float most,
                              int64_t n)
{
    float e[LANES] = { 0 }, sum[LANES] = { 0 };
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) LANE_LOOP(l, LANES)
        {
            e[l] += kernel_exp(z[i + l] - most);
            sum[l] += z[i + l] - most;
        }
    for (int l = 0; i + l < n; l++) {
        e[l] += kernel_exp(z[i + l] - most);
        sum[l] += z[i + l] - most;
    }
    *exps = lanes_sum(e);
    *plain = lanes_sum(sum);
}

KERNEL static void to_slopes(float *restrict z, float most, float scale, float on_each, int64_t n)
{
    for (int64_t i = 0; i < n; i++) z[i] = kernel_exp(z[i] - most) * scale - on_each;
}

static TargetLoss row_loss(const Loss *loss, float *z, int32_t target)
{
    float most = greatest(z, loss->classes);
    double exps = 0, plain = 0, classes = (double)loss->classes;
    for (int64_t at = 0; at < loss->classes; at += EXP_BLOCK) {
        float e, p;
        int64_t n = loss->classes - at < EXP_BLOCK ? loss->classes - at : EXP_BLOCK;
        block_sums(&e, &p, z + at, most, n);
        exps += e;
        plain += p;
    }
    double log_sum = log(exps), on_target = log_sum - ((double)z[target] - most);
    double spread = log_sum - plain / classes;
    TargetLoss result = { .loss = ((1 - loss->smoothing) * on_target + loss->smoothing * spread) /
                                  loss->divisor,
                          .correct = z[target] == most };
    for (int32_t k = 0; k < target && result.correct; k++) result.correct = z[k] < most;
    if (loss->slopes) {
        to_slopes(z, most, (float)(1 / (exps * loss->divisor)),
                  (float)(loss->smoothing / (classes * loss->divisor)), loss->classes);
        z[target] -= (float)((1 - loss->smoothing) / loss->divisor);
    }
    return result;
}

/// Where the gradients go.
typedef struct {
    float *dx, *dw, *db;
    bool x_first, w_first, b_first;
} Slopes;

static void chunk_backward(Tape *tape, Slopes *to, const float *dlogits, const float *x,
                           const Weight *w, int64_t start, int64_t rows)
{
    int64_t n = w->rows, k = w->cols;
    if (to->dx)
        gemm_backward_input(to->dx + start * k, dlogits, w->value, rows, n, k, to->x_first ? 0 : 1);
    if (to->dw) gemm_backward_weight(to->dw, dlogits, x, rows, n, k, to->w_first ? 0 : 1);
    if (to->db) columns_sum(tape, to->db, dlogits, rows, n, to->b_first);
    to->w_first = to->b_first = false;
}

static double pairwise(const TargetLoss *rows, int64_t n)
{
    if (n > 1) return pairwise(rows, n / 2) + pairwise(rows + n / 2, n - n / 2);
    return n ? rows->loss : 0;
}

VocabularyLoss vocabulary_loss(Tape *tape, TargetLoss *each, Var *x, Weight *w, Weight *b,
                               const int32_t *targets, double label_smoothing, double divisor)
{
    int64_t rows = x->rows, n = w->rows, k = w->cols, chunk = chunk_rows(n);
    Loss loss = { label_smoothing, divisor, n, tape_pass(tape)->training };
    Slopes to = { 0 };
    VocabularyLoss out = { 0 };
    CHECK(x->cols == k && !w->touched, "vocabulary_loss: %lld columns meet a weight of %lld",
          (long long)x->cols, (long long)k);
    if (loss.slopes) {
        tape_uses(tape, w);
        tape_uses(tape, b);
        to.dx = tape_gradient_for(tape, x, &to.x_first);
        to.dw = weight_gradient_for(w, &to.w_first);
        if (b) to.db = weight_gradient_for(b, &to.b_first);
    }
    size_t mark = tape_scratch_begin(tape);
    TargetLoss *results = each ? each : tape_take(tape, (size_t)rows * sizeof *results);
    if (rows < chunk) chunk = rows;
    float *logits = tape_take(tape, (size_t)(chunk * n) * sizeof(float));
    for (int64_t start = 0; start < rows || (start == 0 && loss.slopes); start += chunk + !chunk) {
        int64_t count = rows - start < chunk ? rows - start : chunk;
        gemm_forward(logits, x->value + start * k, w->value, b ? b->value : NULL, count, n, k, 0);
#pragma omp parallel for schedule(dynamic)
        for (int64_t r = 0; r < count; r++)
            results[start + r] = row_loss(&loss, logits + r * n, targets[start + r]);
        if (loss.slopes) chunk_backward(tape, &to, logits, x->value + start * k, w, start, count);
    }
    out.sum = pairwise(results, rows);
    for (int64_t r = 0; r < rows; r++) out.correct += results[r].correct;
    tape_scratch_end(tape, mark);
    tape_work(tape, (loss.slopes ? 6 : 2) * (double)rows * (double)n * (double)k, 0);
    // its way back is done: the record only says that the weights are
    tape_record(tape, tape_var(tape, 0, 0, false), NULL, NULL);
    return out;
}
