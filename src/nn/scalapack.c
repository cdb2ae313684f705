#include "nn/scalapack.h"
#include "base/status.h"
#include "comm/exchange.h"
#include "linalg/pgemm.h"
#include "linalg/vecmath.h"
#include "nn/group.h"
#include "nn/product.h"

#include <string.h>

enum { TILE = 32 }; // rows and columns of a matrix that are transposed together

static float *take_floats(Tape *tape, int64_t count)
{
    return tape_take(tape, (size_t)count * sizeof(float));
}

/// to (cols, rows) = or += from (rows, cols)'.
static void transpose(float *to, const float *from, int64_t rows, int64_t cols, bool add)
{
#pragma omp parallel for schedule(static)
    for (int64_t top = 0; top < rows; top += TILE)
        for (int64_t left = 0; left < cols; left += TILE) {
            int64_t bottom = top + TILE < rows ? top + TILE : rows;
            int64_t right = left + TILE < cols ? left + TILE : cols;
            for (int64_t c = left; c < right; c++)
                for (int64_t r = top; r < bottom; r++) {
                    float old = add ? to[c * rows + r] : 0;
                    to[c * rows + r] = old + from[r * cols + c];
                }
        }
}

/// to (rows, cols) with its rows to_stride apart = or += from, likewise.
static void put_rows(float *to, int64_t to_stride, const float *from, int64_t from_stride,
                     int64_t rows, int64_t cols, bool add)
{
    for (int64_t r = 0; r < rows; r++, to += to_stride, from += from_stride)
        if (add)
            vec_add(to, from, cols);
        else
            memcpy(to, from, (size_t)cols * sizeof(float));
}

/// A matrix (rows, cols) split by columns, whose part of this rank is there.
static Dmat by_columns(const Tape *tape, const float *part, int64_t rows, int64_t cols)
{
    Dmat matrix;
    dmat_over(&matrix, tape_matrix_grid(tape), rows, cols, (float *)(uintptr_t)part);
    return matrix;
}

/// The columns of (rows, cols) that a rank has.
static Span columns_of(const Tape *tape, int64_t cols, int rank)
{
    Dmat matrix = by_columns(tape, NULL, 1, cols);
    Span columns;
    dmat_block(&columns.first, &columns.count, cols, matrix.col_block, rank);
    return columns;
}

static Span own_columns(const Tape *tape, int64_t cols)
{
    return columns_of(tape, cols, tape_group_rank(tape));
}

static void send(Tape *tape, const float *data, int64_t count, int to)
{
    exchange_send(tape_exchange(tape), data, (size_t)count * sizeof(float), to, 0);
}

static void receive(Tape *tape, float *data, int64_t count, int from)
{
    exchange_receive(tape_exchange(tape), data, (size_t)count * sizeof(float), from, 0);
}

/// features (T, own columns) of x (own tokens, cols).
static void split_by_features(Tape *tape, float *features, const float *x, int64_t cols)
{
    int rank = tape_group_rank(tape);
    Span own = tape_tokens_of(tape, rank), columns = own_columns(tape, cols);
    size_t mark = tape_scratch_begin(tape);
    float *packed = take_floats(tape, own.count * cols);
    for (int i = 0; i < tape_group_size(tape); i++) {
        Span tokens = tape_tokens_of(tape, i), theirs = columns_of(tape, cols, i);
        float *part = i == rank ? features + own.first * columns.count : packed;
        put_rows(part, theirs.count, x + theirs.first, cols, own.count, theirs.count, false);
        if (i == rank) continue;
        receive(tape, features + tokens.first * columns.count, tokens.count * columns.count, i);
        send(tape, part, own.count * theirs.count, i);
        packed += own.count * theirs.count;
    }
    exchange_finish(tape_exchange(tape));
    tape_scratch_end(tape, mark);
}

/// x (own tokens, cols) = or += what is their part of features (T, own columns).
static void split_by_tokens(Tape *tape, float *x, const float *features, int64_t cols, bool add)
{
    int rank = tape_group_rank(tape), size = tape_group_size(tape);
    Span own = tape_tokens_of(tape, rank), columns = own_columns(tape, cols);
    size_t mark = tape_scratch_begin(tape);
    float *received = take_floats(tape, own.count * cols);
    for (int i = 0; i < size; i++) {
        Span tokens = tape_tokens_of(tape, i), theirs = columns_of(tape, cols, i);
        if (i == rank) continue;
        receive(tape, received + own.count * theirs.first, own.count * theirs.count, i);
        send(tape, features + tokens.first * columns.count, tokens.count * columns.count, i);
    }
    exchange_finish(tape_exchange(tape));
    for (int i = 0; i < size; i++) {
        Span theirs = columns_of(tape, cols, i);
        const float *part =
            i == rank ? features + own.first * columns.count : received + own.count * theirs.first;
        put_rows(x + theirs.first, cols, part, theirs.count, own.count, theirs.count, add);
    }
    tape_scratch_end(tape, mark);
}

/// c = a b, or what else `kind` says, of matrices split by columns.
static void multiply(Dmat c, Dmat a, Dmat b, PgemmKind kind)
{
    pgemm(&c, &a, &b, kind, PGEMM_SCALAPACK);
}

typedef struct {
    Var *y, *x;
    Weight *w, *b;
    const float *features; ///< column parallel: x (T, own columns)
    bool needs_gradient;   ///< y does
    int64_t tokens, in, out;
} Product;

static Product *product(Tape *tape, Var *x, Weight *w, Weight *b, int64_t in, int64_t out)
{
    bool needs = product_start("scalapack", x, w, b);
    tape_needs(tape, w);
    tape_needs(tape, b);
    Product *op = tape_take(tape, sizeof *op);
    *op = (Product){ .x = x, .w = w, .b = b, .needs_gradient = needs, .in = in, .out = out };
    op->tokens = tape_packing(tape)->tokens;
    return op;
}

static Var *result(Tape *tape, Product *op, int64_t rows, int64_t cols)
{
    op->y = tape_var(tape, rows, cols, op->needs_gradient);
    return op->y;
}

static void bias_backward(Tape *tape, const Product *op, const float *dy)
{
    bool first;
    float *db = op->b ? weight_gradient_for(op->b, &first) : NULL;
    if (db) group_columns_sum(tape, db, op->y, dy, first);
}

/// dx += dy w', or = it where it is the first.
static void column_backward_input(Tape *tape, const Product *op, const float *dy)
{
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    size_t mark = tape_scratch_begin(tape);
    float *w = take_floats(tape, op->w->rows * op->w->cols);
    float *features = take_floats(tape, op->tokens * own_columns(tape, op->in).count);
    transpose(w, op->w->value, op->w->rows, op->w->cols, false);
    multiply(by_columns(tape, features, op->tokens, op->in),
             by_columns(tape, dy, op->tokens, op->out), by_columns(tape, w, op->in, op->out),
             PGEMM_NT);
    split_by_tokens(tape, dx, features, op->in, !first);
    tape_scratch_end(tape, mark);
}

static void column_backward(Tape *tape, void *context)
{
    const Product *op = context;
    const float *dy = tape_gradient(tape, op->y);
    bool first;
    column_backward_input(tape, op, dy);
    float *dw = weight_gradient_for(op->w, &first);
    if (dw) {
        size_t mark = tape_scratch_begin(tape);
        float *turned = take_floats(tape, op->w->rows * op->w->cols);
        multiply(by_columns(tape, turned, op->in, op->out),
                 by_columns(tape, op->features, op->tokens, op->in),
                 by_columns(tape, dy, op->tokens, op->out), PGEMM_TN);
        transpose(dw, turned, op->w->cols, op->w->rows, !first);
        tape_scratch_end(tape, mark);
    }
    bias_backward(tape, op, dy);
}

Var *scalapack_column_parallel(Tape *tape, Var *x, Weight *w, Weight *b)
{
    CHECK(x->own, "the tokens are not split");
    Product *op = product(tape, x, w, b, x->cols, w->rows * tape_group_size(tape));
    Var *y = result(tape, op, op->tokens, w->rows);
    float *features = take_floats(tape, op->tokens * own_columns(tape, op->in).count);
    split_by_features(tape, features, x->value, op->in);
    op->features = features;
    size_t mark = tape_scratch_begin(tape);
    float *turned = take_floats(tape, w->rows * w->cols);
    transpose(turned, w->value, w->rows, w->cols, false);
    multiply(by_columns(tape, y->value, op->tokens, op->out),
             by_columns(tape, features, op->tokens, op->in),
             by_columns(tape, turned, op->in, op->out), PGEMM_NN);
    tape_scratch_end(tape, mark);
    product_add_bias(y, b);
    if (tape_records(tape, y)) {
        product_uses(tape, w, b, op->tokens);
        tape_record(tape, y, column_backward, op);
    }
    return y;
}

/// c = or += a b, or what else `kind` says; c (rows, cols) split by columns.
static void multiply_onto(Tape *tape, float *c, int64_t rows, int64_t cols, Dmat a, Dmat b,
                          PgemmKind kind, bool add)
{
    int64_t count = rows * own_columns(tape, cols).count;
    size_t mark = tape_scratch_begin(tape);
    float *product = add ? take_floats(tape, count) : c;
    multiply(by_columns(tape, product, rows, cols), a, b, kind);
    if (add) vec_add(c, product, count);
    tape_scratch_end(tape, mark);
}

static void row_backward(Tape *tape, void *context)
{
    const Product *op = context;
    const float *dy = tape_gradient(tape, op->y);
    bool first;
    bias_backward(tape, op, dy);
    size_t mark = tape_scratch_begin(tape);
    float *features = take_floats(tape, op->tokens * own_columns(tape, op->out).count);
    split_by_features(tape, features, dy, op->out);
    Dmat slope = by_columns(tape, features, op->tokens, op->out);
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (dx)
        multiply_onto(tape, dx, op->tokens, op->in, slope,
                      by_columns(tape, op->w->value, op->out, op->in), PGEMM_NN, !first);
    float *dw = weight_gradient_for(op->w, &first);
    if (dw)
        multiply_onto(tape, dw, op->out, op->in, slope,
                      by_columns(tape, op->x->value, op->tokens, op->in), PGEMM_TN, !first);
    tape_scratch_end(tape, mark);
}

Var *scalapack_row_parallel(Tape *tape, Var *x, Weight *w, Weight *b)
{
    Product *op = product(tape, x, w, b, w->cols * tape_group_size(tape), w->rows);
    CHECK(x->rows == op->tokens, "scalapack_row_parallel: a row must be a token");
    Span own = tape_tokens_of(tape, tape_group_rank(tape));
    Var *y = result(tape, op, own.count, w->rows);
    y->own = true;
    size_t mark = tape_scratch_begin(tape);
    float *features = take_floats(tape, op->tokens * own_columns(tape, op->out).count);
    multiply(by_columns(tape, features, op->tokens, op->out),
             by_columns(tape, x->value, op->tokens, op->in),
             by_columns(tape, w->value, op->out, op->in), PGEMM_NT);
    split_by_tokens(tape, y->value, features, op->out, false);
    tape_scratch_end(tape, mark);
    product_add_bias(y, b);
    if (tape_records(tape, y)) {
        product_uses(tape, w, b, op->tokens);
        tape_record(tape, y, row_backward, op);
    }
    return y;
}
