#include "nn/ops.h"
#include "nn/cache.h"
#include "nn/group.h"
#include "nn/mask.h"
#include "base/status.h"
#include "linalg/elementary.h"

#include <math.h>
#include <omp.h>
#include <string.h>

// One task is one head of one sequence. Queries go by blocks of 32, so that scores stay in the
// first-level cache; a value is the same in every block and tile shape.
enum { QUERIES = 32, MOST_ROWS = 8, MOST_WIDTH = 32 };

typedef struct {
    float greatest, inverse_sum; ///< of exp((score - greatest) * scale) over the keys
} SoftmaxMoments;

typedef struct {
    Var *y, *qkv;
    int64_t heads, kv_heads, width; ///< width: of a head
    int64_t first_head;             ///< of the model, in the mask
    bool causal;
    Mask mask;
    float scale;
    int vector_bytes;        ///< of this CPU's registers: the shape of tiles
    SoftmaxMoments *moments; ///< (T, heads)
} Attention;

/// A matrix with its row stride; columns are padded with zeros to a multiple of 16.
typedef struct {
    float *data;
    int64_t stride;
} Rows;

static int64_t padded(int64_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/// c (rows, width) = or += a b over k; a is (rows, k), or (k, rows) if transposed.
KERNEL_INLINE void tile(float *restrict c, int64_t c_stride, const float *restrict a,
                        int64_t a_stride, bool transposed, const float *restrict b,
                        int64_t b_stride, int64_t k, bool add, const int rows, const int width)
{
    float sum[MOST_ROWS][MOST_WIDTH];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) LANE_LOOP(l, width) sum[r][l] = add ? c[r * c_stride + l] : 0;
    for (int64_t i = 0; i < k; i++) {
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            float x = transposed ? a[i * a_stride + r] : a[r * a_stride + i];
            LANE_LOOP(l, width) sum[r][l] += x * b[i * b_stride + l];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) LANE_LOOP(l, width) c[r * c_stride + l] = sum[r][l];
}

typedef struct {
    Rows c, a, b;
    bool transposed, add;
    int64_t m, n, k;
} Product;

/// Rows i ... and as many more as are left, in tiles of `rows`.
KERNEL_INLINE int64_t tiles(const Product *p, int64_t i, int64_t j, const int rows, const int width)
{
    for (; i + rows <= p->m; i += rows)
        tile(p->c.data + i * p->c.stride + j, p->c.stride,
             p->a.data + i * (p->transposed ? 1 : p->a.stride), p->a.stride, p->transposed,
             p->b.data + j, p->b.stride, p->k, p->add, rows, width);
    return i;
}

/// Tiles as large as the registers hold; each value is the same sum in any of them.
KERNEL_INLINE void product(const Product *p, int vector_bytes)
{
    int64_t j = 0;
    for (; vector_bytes == 64 && j + 32 <= p->n; j += 32)
        tiles(p, tiles(p, tiles(p, tiles(p, 0, j, 8, 32), j, 4, 32), j, 2, 32), j, 1, 32);
    for (; vector_bytes == 64 && j < p->n; j += 16)
        tiles(p, tiles(p, tiles(p, tiles(p, 0, j, 8, 16), j, 4, 16), j, 2, 16), j, 1, 16);
    for (; j < p->n; j += 16) tiles(p, tiles(p, tiles(p, 0, j, 4, 16), j, 2, 16), j, 1, 16);
}

/// c (m, n) = a (m, k) b (k, n); n a multiple of 16.
KERNEL static void product_plain(Rows c, Rows a, Rows b, int64_t m, int64_t n, int64_t k,
                                 int vector_bytes)
{
    product(&(Product){ c, a, b, false, false, m, n, k }, vector_bytes);
}

/// c (m, n) = or += a' b, a (k, m), b (k, n); n a multiple of 16.
KERNEL static void product_transposed(Rows c, Rows a, Rows b, int64_t m, int64_t n, int64_t k,
                                      bool add, int vector_bytes)
{
    product(&(Product){ c, a, b, true, add, m, n, k }, vector_bytes);
}

KERNEL_INLINE void transpose_4x4(float *out, int64_t out_stride, const float *in, int64_t in_stride)
{
    Quad a[4], b[4];
    for (int i = 0; i < 4; i++) memcpy(&a[i], in + i * in_stride, sizeof a[i]);
    for (int i = 0; i < 2; i++) {
        b[2 * i] = QUAD_LANES(a[i], a[i + 2], 0, 4, 1, 5);
        b[2 * i + 1] = QUAD_LANES(a[i], a[i + 2], 2, 6, 3, 7);
    }
    for (int i = 0; i < 2; i++) {
        a[2 * i] = QUAD_LANES(b[i], b[i + 2], 0, 4, 1, 5);
        a[2 * i + 1] = QUAD_LANES(b[i], b[i + 2], 2, 6, 3, 7);
    }
    for (int i = 0; i < 4; i++) memcpy(out + i * out_stride, &a[i], sizeof a[i]);
}

/// out (cols, padded rows) = in' , in (rows, cols); the padding is 0.
KERNEL static void transpose(Rows out, Rows in, int64_t rows, int64_t cols)
{
    int64_t r = 0;
    for (; r + 4 <= rows; r += 4) {
        int64_t c = 0;
        for (; c + 4 <= cols; c += 4)
            transpose_4x4(out.data + c * out.stride + r, out.stride, in.data + r * in.stride + c,
                          in.stride);
        for (; c < cols; c++)
            for (int64_t i = r; i < r + 4; i++)
                out.data[c * out.stride + i] = in.data[i * in.stride + c];
    }
    for (int64_t c = 0; c < cols; c++) {
        float *row = out.data + c * out.stride;
        for (int64_t i = r; i < rows; i++) row[i] = in.data[i * in.stride + c];
        for (int64_t i = rows; i < out.stride; i++) row[i] = 0;
    }
}

typedef struct {
    int keys;         ///< of the first row
    int keys_per_row; ///< 1 if causal, else 0
    int end;          ///< columns that the next product reads
    float scale;
    const float *factors; ///< of dropout, or NULL
    int64_t factors_stride;
} RowShape;

/// Scores to probabilities times their sum, with dropout; 0 beyond the keys.
KERNEL_INLINE void softmax_row(float *restrict row, SoftmaxMoments *restrict moments,
                               const float *restrict factors, bool drops, float scale, int keys)
{
    float lanes[LANES];
    LANE_LOOP(l, LANES) lanes[l] = -INFINITY;
    for (int j = 0; j < keys; j += LANES) LANE_LOOP(l, LANES)
        {
            float score = j + l < keys ? row[j + l] : -INFINITY;
            lanes[l] = lanes[l] < score ? score : lanes[l];
        }
    float most = lanes_greatest(lanes);
    LANE_LOOP(l, LANES) lanes[l] = 0;
    for (int j = 0; j < keys; j += LANES) LANE_LOOP(l, LANES)
        {
            float e = kernel_exp((row[j + l] - most) * scale), dropped = e;
            if (drops) dropped *= factors[j + l];
            row[j + l] = j + l < keys ? dropped : 0;
            lanes[l] += j + l < keys ? e : 0;
        }
    *moments = (SoftmaxMoments){ most, 1 / lanes_sum(lanes) };
}

KERNEL static void softmax_rows(Rows scores, SoftmaxMoments *restrict moments,
                                const RowShape *restrict shape, int rows)
{
    for (int r = 0; r < rows; r++) {
        float *row = scores.data + r * scores.stride;
        int keys = shape->keys + r * shape->keys_per_row;
        if (shape->factors)
            softmax_row(row, &moments[r], shape->factors + r * shape->factors_stride, true,
                        shape->scale, keys);
        else
            softmax_row(row, &moments[r], NULL, false, shape->scale, keys);
        for (int j = (keys + LANES - 1) / LANES * LANES; j < shape->end; j++) row[j] = 0;
    }
}

/// scores: to probabilities after dropout; slopes (of those): to gradients of Q K'. The mean slope
/// of a row, sum_j p_j dp_j, is the product of the output and its gradient.
KERNEL_INLINE void softmax_row_backward(float *restrict row, float *restrict slope,
                                        SoftmaxMoments moments, float mean_slope,
                                        const float *restrict factors, bool drops, float scale,
                                        int keys)
{
    for (int j = 0; j < keys; j += LANES) LANE_LOOP(l, LANES)
        {
            float p = kernel_exp((row[j + l] - moments.greatest) * scale) * moments.inverse_sum;
            float d = slope[j + l], dropped = p;
            if (drops) d *= factors[j + l], dropped *= factors[j + l];
            row[j + l] = j + l < keys ? dropped : 0;
            slope[j + l] = j + l < keys ? p * (d - mean_slope) * scale : 0;
        }
}

KERNEL static void softmax_rows_backward(Rows scores, Rows slopes,
                                         const SoftmaxMoments *restrict moments,
                                         const float *restrict mean_slopes,
                                         const RowShape *restrict shape, int rows)
{
    for (int r = 0; r < rows; r++) {
        float *row = scores.data + r * scores.stride, *slope = slopes.data + r * slopes.stride;
        int keys = shape->keys + r * shape->keys_per_row;
        if (shape->factors)
            softmax_row_backward(row, slope, moments[r], mean_slopes[r],
                                 shape->factors + r * shape->factors_stride, true, shape->scale,
                                 keys);
        else
            softmax_row_backward(row, slope, moments[r], mean_slopes[r], NULL, false, shape->scale,
                                 keys);
        for (int j = (keys + LANES - 1) / LANES * LANES; j < shape->end; j++) row[j] = slope[j] = 0;
    }
}

/// out (rows, cols) = or += in * moments[r].inverse_sum (NULL: 1).
KERNEL static void put_rows(float *restrict out, int64_t out_stride, Rows in,
                            const SoftmaxMoments *restrict moments, bool first, int64_t rows,
                            int64_t cols)
{
    for (int64_t r = 0; r < rows; r++) {
        const float factor = moments ? moments[r].inverse_sum : 1;
        float *restrict to = out + r * out_stride;
        const float *restrict from = in.data + r * in.stride;
        if (first)
            for (int64_t c = 0; c < cols; c++) to[c] = from[c] * factor;
        else
            for (int64_t c = 0; c < cols; c++) to[c] += from[c] * factor;
    }
}

KERNEL static void row_products(float *restrict out, Rows a, const float *restrict b,
                                int64_t b_stride, int64_t rows, int64_t cols)
{
    for (int64_t r = 0; r < rows; r++) {
        const float *restrict x = a.data + r * a.stride, *restrict y = b + r * b_stride;
        float sum[LANES] = { 0 };
        int64_t c = 0;
        for (; c + LANES <= cols; c += LANES) LANE_LOOP(l, LANES) sum[l] += x[c + l] * y[c + l];
        for (int l = 0; c + l < cols; l++) sum[l] += x[c + l] * y[c + l];
        out[r] = lanes_sum(sum);
    }
}

/// Memory of one thread.
typedef struct {
    float *next;
} Scratch;

static Rows take_rows(Scratch *scratch, int64_t rows, int64_t cols)
{
    Rows taken = { scratch->next, padded(cols) };
    scratch->next += rows * taken.stride;
    return taken;
}

/// More than either pass takes, for a sequence of s tokens.
static int64_t scratch_floats(const Attention *op, int64_t s)
{
    int64_t wide = padded(op->width), tokens = padded(s);
    return 5 * s * wide + 2 * wide * tokens + 2 * QUERIES * (tokens + wide) + 2 * LANES +
           QUERIES * (s + 1) + 2 * MASK_BLOCK + QUERIES;
}

/// Columns of some rows of a matrix, in place if their number is a multiple of 16, else a copy.
static Rows view(Scratch *scratch, float *data, int64_t stride, int64_t rows, int64_t cols)
{
    if (cols % LANES == 0) return (Rows){ data, stride };
    Rows copy = take_rows(scratch, rows, cols);
    for (int64_t r = 0; r < rows; r++) {
        float *row = copy.data + r * copy.stride;
        memcpy(row, data + r * stride, (size_t)cols * sizeof(float));
        memset(row + cols, 0, (size_t)(copy.stride - cols) * sizeof(float));
    }
    return copy;
}

static Rows transposed_copy(Scratch *scratch, const float *data, int64_t stride, int64_t rows,
                            int64_t cols)
{
    Rows copy = take_rows(scratch, cols, rows);
    transpose(copy, (Rows){ (float *)(uintptr_t)data, stride }, rows, cols);
    return copy;
}

/// One head of queries of one sequence, with the head of keys and values that it reads.
typedef struct {
    int64_t head, first, length; ///< the sequence is tokens first ... first + length - 1
    int64_t sample;
    float *q, *k, *v; ///< of the first token
    int64_t stride;   ///< of their rows
} Task;

/// Columns of q and of each of k and v, which lie behind it.
static int64_t query_cols(const Attention *op)
{
    return op->heads * op->width;
}
static int64_t key_cols(const Attention *op)
{
    return op->kv_heads * op->width;
}

static Task task_of(const Attention *op, const Packing *packing, int64_t sequence, int64_t head)
{
    int64_t first = packing->cu_seqlens[sequence], stride = op->qkv->cols;
    int64_t kv_head = head / (op->heads / op->kv_heads);
    float *row = op->qkv->value + first * stride, *k = row + query_cols(op) + kv_head * op->width;
    return (Task){
        .head = head,
        .first = first,
        .length = packing->cu_seqlens[sequence + 1] - first,
        .sample = op->mask.cut ? packing->samples[sequence] : 0,
        .q = row + head * op->width,
        .k = k,
        .v = k + key_cols(op),
        .stride = stride,
    };
}

/// The shape of the score rows of queries start ... start + rows - 1; makes their mask.
static RowShape row_shape(const Attention *op, const Task *task, int64_t start, int64_t rows,
                          float *factors)
{
    int64_t s = task->length;
    RowShape shape = { .keys = (int)(op->causal ? start + 1 : s),
                       .keys_per_row = op->causal,
                       .end = (int)(op->causal ? start + rows : s),
                       .scale = op->scale,
                       .factors_stride = s };
    if (op->mask.cut)
        shape.factors = mask_factors(factors, &op->mask, task->sample,
                                     ((op->first_head + task->head) * s + start) * s, rows * s);
    return shape;
}

static void forward_task(const Attention *op, Task task, Scratch scratch)
{
    int64_t s = task.length, width = op->width, wide = padded(width), cols = query_cols(op);
    Rows q = view(&scratch, task.q, task.stride, s, width);
    Rows v = view(&scratch, task.v, task.stride, s, width);
    Rows keys = transposed_copy(&scratch, task.k, task.stride, s, width);
    Rows scores = take_rows(&scratch, QUERIES, s), out = take_rows(&scratch, QUERIES, width);
    SoftmaxMoments moments[QUERIES];
    for (int64_t start = 0; start < s; start += QUERIES) {
        int64_t rows = s - start < QUERIES ? s - start : QUERIES;
        RowShape shape = row_shape(op, &task, start, rows, scratch.next);
        Rows block = { q.data + start * q.stride, q.stride };
        product_plain(scores, block, keys, rows, padded(shape.end), width, op->vector_bytes);
        softmax_rows(scores, moments, &shape, (int)rows);
        product_plain(out, scores, v, rows, wide, shape.end, op->vector_bytes);
        put_rows(op->y->value + (task.first + start) * cols + task.head * width, cols, out, moments,
                 true, rows, width);
        for (int64_t r = 0; r < rows; r++)
            op->moments[(task.first + start + r) * op->heads + task.head] = moments[r];
    }
}

/// What the heads of a group share on the way back.
typedef struct {
    const float *dy; ///< (T, heads * width)
    float *dqkv;     ///< like qkv
    bool first;
    Rows k, keys, values; ///< keys and values transposed
    Rows dk, dv;          ///< summed over the group
} GroupBackward;

static void backward_task(const Attention *op, Task task, const GroupBackward *group, bool add,
                          Scratch scratch)
{
    int64_t s = task.length, width = op->width, wide = padded(width), cols = query_cols(op);
    int64_t place = task.first * cols + task.head * width;
    float *to = group->dqkv + (task.q - op->qkv->value);
    Rows q = view(&scratch, task.q, task.stride, s, width);
    Rows slope = view(&scratch, (float *)(uintptr_t)group->dy + place, cols, s, width);
    Rows scores = take_rows(&scratch, QUERIES, s), slopes = take_rows(&scratch, QUERIES, s);
    Rows dq = take_rows(&scratch, QUERIES, width);
    SoftmaxMoments moments[QUERIES];
    float mean_slopes[QUERIES];
    int64_t last = (s - 1) / QUERIES * QUERIES;
    for (int64_t start = last; start >= 0; start -= QUERIES) { // the last queries see all keys
        int64_t rows = s - start < QUERIES ? s - start : QUERIES;
        RowShape shape = row_shape(op, &task, start, rows, scratch.next);
        Rows queries = { q.data + start * q.stride, q.stride };
        Rows dout = { slope.data + start * slope.stride, slope.stride };
        for (int64_t r = 0; r < rows; r++)
            moments[r] = op->moments[(task.first + start + r) * op->heads + task.head];
        row_products(mean_slopes, dout, op->y->value + place + start * cols, cols, rows, width);
        product_plain(scores, queries, group->keys, rows, padded(shape.end), width,
                      op->vector_bytes);
        product_plain(slopes, dout, group->values, rows, padded(shape.end), width,
                      op->vector_bytes);
        softmax_rows_backward(scores, slopes, moments, mean_slopes, &shape, (int)rows);
        product_plain(dq, slopes, group->k, rows, wide, shape.end, op->vector_bytes);
        put_rows(to + start * task.stride, task.stride, dq, NULL, group->first, rows, width);
        product_transposed(group->dv, scores, dout, shape.end, wide, rows, add || start < last,
                           op->vector_bytes);
        product_transposed(group->dk, slopes, queries, shape.end, wide, rows, add || start < last,
                           op->vector_bytes);
    }
}

/// The heads of queries that share one head of keys and values, in order.
static void backward_group(const Attention *op, const Packing *packing, int64_t index,
                           const float *dy, float *dqkv, bool first, Scratch scratch)
{
    int64_t sequence = index / op->kv_heads, group = op->heads / op->kv_heads;
    int64_t head = index % op->kv_heads * group, width = op->width;
    Task task = task_of(op, packing, sequence, head);
    int64_t s = task.length;
    GroupBackward shared = { .dy = dy, .dqkv = dqkv, .first = first };
    shared.k = view(&scratch, task.k, task.stride, s, width);
    shared.keys = transposed_copy(&scratch, task.k, task.stride, s, width);
    shared.values = transposed_copy(&scratch, task.v, task.stride, s, width);
    shared.dk = take_rows(&scratch, s, width);
    shared.dv = take_rows(&scratch, s, width);
    for (int64_t i = 0; i < group; i++)
        backward_task(op, task_of(op, packing, sequence, head + i), &shared, i > 0, scratch);
    put_rows(dqkv + (task.k - op->qkv->value), task.stride, shared.dk, NULL, first, s, width);
    put_rows(dqkv + (task.v - op->qkv->value), task.stride, shared.dv, NULL, first, s, width);
}

static float *take_scratch(Tape *tape, const Attention *op, int64_t *each)
{
    *each = scratch_floats(op, tape_packing(tape)->longest);
    return tape_take(tape, (size_t)(omp_get_max_threads() * *each) * sizeof(float));
}

static void attention_backward(Tape *tape, void *context)
{
    Attention *op = context;
    const Packing *packing = tape_packing(tape);
    const float *dy = tape_gradient(tape, op->y);
    bool first;
    float *dqkv = tape_gradient_for(tape, op->qkv, &first);
    if (!dqkv) return;
    int64_t each;
    size_t mark = tape_scratch_begin(tape);
    float *scratch = take_scratch(tape, op, &each);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < packing->sequences * op->kv_heads; i++)
        backward_group(op, packing, i, dy, dqkv, first,
                       (Scratch){ scratch + omp_get_thread_num() * each });
    tape_scratch_end(tape, mark);
}

static double product_flops(const Attention *op, const Packing *packing)
{
    double squares = 0;
    for (int64_t i = 0; i < packing->sequences; i++) {
        double s = packing->cu_seqlens[i + 1] - packing->cu_seqlens[i];
        squares += s * s;
    }
    return (op->causal ? 2 : 4) * squares * (double)op->y->cols;
}

Var *attention(Tape *tape, Var *qkv, int64_t heads, int64_t kv_heads, bool causal, double dropout)
{
    const Packing *packing = tape_packing(tape);
    heads = group_heads(tape, heads), kv_heads = group_heads(tape, kv_heads);
    int64_t all = heads + 2 * kv_heads, width = all ? qkv->cols / all : 0, each;
    CHECK(qkv->rows == packing->tokens, "attention: a row must be a token");
    CHECK(width > 0 && all * width == qkv->cols && kv_heads > 0 && heads % kv_heads == 0,
          "attention: %lld columns for %lld heads and %lld of keys", (long long)qkv->cols,
          (long long)heads, (long long)kv_heads);
    Var *y = tape_var(tape, qkv->rows, heads * width, qkv->needs_gradient);
    if (tape_pass(tape)->cache) attention_cached(tape, y, qkv, heads, kv_heads);
    if (packing->pasts) return y;
    Attention *op = tape_take(tape, sizeof *op);
    *op = (Attention){ .y = y,
                       .qkv = qkv,
                       .heads = heads,
                       .kv_heads = kv_heads,
                       .width = width,
                       .first_head = heads * tape_group_rank(tape),
                       .causal = causal,
                       .mask = mask_next(tape, dropout),
                       .scale = (float)(1 / sqrt((double)width)),
                       .vector_bytes = kernel_vector_bytes() };
    op->moments = tape_take(tape, (size_t)(qkv->rows * heads) * sizeof *op->moments);
    size_t mark = tape_scratch_begin(tape);
    float *scratch = take_scratch(tape, op, &each);
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < packing->sequences * heads; i++)
        forward_task(op, task_of(op, packing, i / heads, i % heads),
                     (Scratch){ scratch + omp_get_thread_num() * each });
    tape_scratch_end(tape, mark);
    if (tape_records(tape, y)) {
        tape_work(tape, product_flops(op, packing),
                  4 * (double)(y->rows * y->cols) * sizeof(float)); // q, k, v and the result
        tape_record(tape, y, attention_backward, op);
    }
    return y;
}
