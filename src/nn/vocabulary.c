#include "nn/ops.h"
#include "nn/columns.h"
#include "base/status.h"
#include "linalg/elementary.h"
#include "linalg/gemm.h"
#include "nn/slices.h"

#include <math.h>
#include <string.h>

enum { MOST_LOGITS = 1 << 23, LEAST_ROWS = 64, EXP_BLOCK = 1024, ROW_PART_FLOATS = 8 };

/// Rows whose logits are in memory at a time: by the vocabulary alone, so that bits are.
static int64_t chunk_rows(int64_t vocabulary)
{
    int64_t rows = MOST_LOGITS / vocabulary / LEAST_ROWS * LEAST_ROWS;
    return rows < LEAST_ROWS ? LEAST_ROWS : rows;
}

int64_t vocabulary_scratch_floats(int64_t vocabulary, int64_t rows, int64_t ranks, int64_t slices)
{
    int64_t chunk = chunk_rows(vocabulary) < rows ? chunk_rows(vocabulary) : rows;
    int64_t width = (vocabulary + ranks - 1) / ranks;
    return chunk * width + (column_blocks(chunk) + 1) * width + 4 * rows + 64 +
           chunk * slices * ROW_PART_FLOATS;
}

typedef struct {
    double smoothing, divisor;
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

/// What a slice of the classes says of a row.
typedef struct {
    float most, on_target; ///< logits: the greatest; the target's, -INFINITY where it is elsewhere
    bool leads;            ///< the target is here, and the first of the greatest
    int32_t classes;
    double exps, plain; ///< sums of exp(z - most), and of z - most
} RowPart;
_Static_assert(sizeof(RowPart) == ROW_PART_FLOATS * sizeof(float), "of a group's scratch");

/// target: among these n classes, else of another slice.
static RowPart row_part(const float *z, int64_t n, int64_t target)
{
    RowPart part = { .most = greatest(z, n), .on_target = -INFINITY, .classes = (int32_t)n };
    for (int64_t at = 0; at < n; at += EXP_BLOCK) {
        float e, p;
        block_sums(&e, &p, z + at, part.most, n - at < EXP_BLOCK ? n - at : EXP_BLOCK);
        part.exps += e;
        part.plain += p;
    }
    if (target < 0 || target >= n) return part;
    part.on_target = z[target];
    part.leads = z[target] == part.most;
    for (int64_t k = 0; k < target && part.leads; k++) part.leads = z[k] < part.most;
    return part;
}

/// Of all classes, from the parts in the order of their classes.
static RowPart join_parts(const RowPart *parts, int64_t stride, int64_t count)
{
    RowPart all = parts[0];
    for (int64_t i = 1; i < count; i++) {
        const RowPart *next = &parts[i * stride];
        if (!next->classes) continue; // fewer words than slices
        if (!all.classes) {
            all = *next;
            continue;
        }
        float most = all.most < next->most ? next->most : all.most;
        double before = (double)all.most - (double)most, after = (double)next->most - (double)most;
        all.plain += all.classes * before + next->plain + next->classes * after;
        all.exps = all.exps * exp(before) + next->exps * exp(after);
        all.leads = all.most == most ? all.leads : next->leads;
        all.on_target = all.on_target < next->on_target ? next->on_target : all.on_target;
        all.classes += next->classes;
        all.most = most;
    }
    return all;
}

/// The row's loss; its n logits here become gradients.
static TargetLoss row_loss(const Loss *loss, const RowPart *all, float *z, int64_t n,
                           int64_t target)
{
    double classes = all->classes, log_sum = log(all->exps);
    double on_target = log_sum - ((double)all->on_target - (double)all->most);
    double spread = log_sum - all->plain / classes;
    if (loss->slopes) {
        to_slopes(z, all->most, (float)(1 / (all->exps * loss->divisor)),
                  (float)(loss->smoothing / (classes * loss->divisor)), n);
        if (target >= 0 && target < n) z[target] -= (float)((1 - loss->smoothing) / loss->divisor);
    }
    return (TargetLoss){ .loss = ((1 - loss->smoothing) * on_target + loss->smoothing * spread) /
                                 loss->divisor,
                         .correct = all->leads };
}

/// The rank's words of each of its slices, numbered from its first.
static Span words_of(const Tape *tape, const Weight *w, int64_t slice)
{
    int64_t all = w->all_rows ? w->all_rows : w->rows, first = own_slices(tape).first + slice;
    Span words = group_share(all, tape_slices(tape), first);
    return (Span){ words.first - w->first_row, words.count };
}

/// parts (slices, rows) of all ranks, from this rank's, which are in their place.
static void share_parts(Tape *tape, RowPart *parts, int64_t rows)
{
    int size = tape_group_size(tape);
    if (size == 1) return;
    size_t mark = tape_scratch_begin(tape);
    int64_t *counts = tape_take(tape, (size_t)size * sizeof *counts);
    for (int i = 0; i < size; i++)
        counts[i] = own_slices(tape).count * rows * (int64_t)sizeof *parts;
    comm_gather_in_place(tape_group(tape), parts, counts);
    tape_scratch_end(tape, mark);
}

/// Losses of a chunk of rows from its logits (rows, n), which become gradients.
static void chunk_loss(Tape *tape, TargetLoss *out, const Loss *loss, float *logits,
                       const Weight *w, const int32_t *targets, int64_t rows)
{
    int64_t n = w->rows, slices = tape_slices(tape);
    Span own = own_slices(tape);
    size_t mark = tape_scratch_begin(tape);
    RowPart *parts = tape_take(tape, (size_t)(slices * rows) * sizeof *parts);
#pragma omp parallel for schedule(dynamic)
    for (int64_t r = 0; r < rows; r++)
        for (int64_t s = 0; s < own.count; s++) {
            Span words = words_of(tape, w, s);
            parts[(own.first + s) * rows + r] = row_part(logits + r * n + words.first, words.count,
                                                         targets[r] - w->first_row - words.first);
        }
    share_parts(tape, parts, rows);
#pragma omp parallel for schedule(dynamic)
    for (int64_t r = 0; r < rows; r++) {
        RowPart all = join_parts(parts + r, rows, slices);
        out[r] = row_loss(loss, &all, logits + r * n, n, targets[r] - w->first_row);
    }
    tape_scratch_end(tape, mark);
}

/// A chunk of rows on its way: x (rows, k), and logits (rows, n), which become gradients.
typedef struct {
    Tape *tape;
    const Weight *w, *b;
    const float *x;
    float *logits;
    int64_t rows;
} Chunk;

/// One product a slice: logits from the words of each, or with `dw` their gradient.
static void word_products(const Chunk *chunk, float *dw, bool first)
{
    int64_t n = chunk->w->rows, k = chunk->w->cols, slices = own_slices(chunk->tape).count;
    size_t mark = tape_scratch_begin(chunk->tape);
    GemmProduct *products = tape_take(chunk->tape, (size_t)slices * sizeof *products);
    for (int64_t s = 0; s < slices; s++) {
        Span words = words_of(chunk->tape, chunk->w, s);
        float *logits = chunk->logits + words.first;
        products[s] = dw ? (GemmProduct){ .c = dw + words.first * k,
                                          .c_stride = k,
                                          .a = { logits, n, true },
                                          .b = { chunk->x, k, false },
                                          .m = words.count,
                                          .n = k,
                                          .k = chunk->rows,
                                          .beta = !first }
                         : (GemmProduct){ .c = logits,
                                          .c_stride = n,
                                          .a = { chunk->x, k, false },
                                          .b = { chunk->w->value + words.first * k, k, true },
                                          .bias = chunk->b ? chunk->b->value + words.first : NULL,
                                          .m = chunk->rows,
                                          .n = words.count,
                                          .k = k };
    }
    gemm_products_part(products, slices,
                       &(GemmPart){ .between = group_move, .context = chunk->tape });
    tape_scratch_end(chunk->tape, mark);
}

/// A slice's summand of the gradient of x.
static void slice_input(float *out, int64_t slice, const void *context)
{
    const Chunk *chunk = context;
    int64_t k = chunk->w->cols;
    Span words = words_of(chunk->tape, chunk->w, slice);
    gemm_products(&(GemmProduct){ .c = out,
                                  .c_stride = k,
                                  .a = { chunk->logits + words.first, chunk->w->rows, false },
                                  .b = { chunk->w->value + words.first * k, k, false },
                                  .m = chunk->rows,
                                  .n = k,
                                  .k = words.count },
                  1);
}

/// dx (rows, k) = or += the sum over all words; of a group, starts it.
static GroupSum chunk_input(const Chunk *chunk, float *dx, bool first)
{
    int64_t n = chunk->w->rows, k = chunk->w->cols;
    if (!tape_group(chunk->tape)) {
        gemm_backward_input(dx, chunk->logits, chunk->w->value, chunk->rows, n, k, !first);
        return (GroupSum){ 0 };
    }
    float *sums = sum_subtrees(chunk->tape, chunk->rows * k, slice_input, chunk);
    return group_sum_slices(chunk->tape, dx, sums, chunk->rows * k, !first);
}

/// Where the gradients go.
typedef struct {
    float *dx, *dw, *db;
    bool x_first, w_first, b_first;
} Slopes;

static void chunk_backward(const Chunk *chunk, Slopes *to, int64_t start)
{
    int64_t n = chunk->w->rows;
    GroupSum input = { 0 };
    size_t mark = tape_scratch_begin(chunk->tape);
    if (to->dx) input = chunk_input(chunk, to->dx + start * chunk->w->cols, to->x_first);
    if (to->dw) word_products(chunk, to->dw, to->w_first);
    if (to->db) columns_sum(chunk->tape, to->db, chunk->logits, chunk->rows, n, to->b_first);
    if (input.out) group_sum_finish(chunk->tape, &input);
    tape_scratch_end(chunk->tape, mark);
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
    int64_t rows = x->rows, n = w->rows, k = w->cols;
    int64_t chunk = chunk_rows(w->all_rows ? w->all_rows : n); // the same on all ranks
    Loss loss = { label_smoothing, divisor, tape_pass(tape)->training };
    Slopes to = { 0 };
    VocabularyLoss out = { 0 };
    tape_needs(tape, w);
    tape_needs(tape, b);
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
        Chunk of = { tape, w, b, x->value + start * k, logits, count };
        word_products(&of, NULL, false);
        chunk_loss(tape, results + start, &loss, logits, w, targets + start, count);
        if (loss.slopes) chunk_backward(&of, &to, start);
    }
    out.sum = pairwise(results, rows);
    for (int64_t r = 0; r < rows; r++) out.correct += results[r].correct;
    tape_scratch_end(tape, mark);
    tape_work(tape, (loss.slopes ? 6 : 2) * (double)rows * (double)n * (double)k, 0);
    // its way back is done: the record only says that the weights are
    tape_record(tape, tape_var(tape, 0, 0, false), NULL, NULL);
    return out;
}
