#include "nn/slices.h"
#include "base/status.h"
#include "linalg/gemm.h"
#include "nn/columns.h"
#include "nn/ops.h"
#include "nn/product.h"
#include "nn/scalapack.h"

typedef struct {
    Var *y, *x;
    const float *all; ///< column parallel: x of all tokens (T, in)
    Weight *w, *b;
} Parallel;

/// The outputs, or the inputs, of this rank's slices: `sections` runs a slice, one in each of the
/// matrices that lie one below the other.
typedef struct {
    Span *items; ///< (count)
    int64_t count;
    int sections;
} Parts;

static Span section_of(const Weight *w, int sections, int index)
{
    int64_t rows = w->rows / sections, first = index * rows;
    if (!w->part_count) return (Span){ first, rows };
    first = 0;
    for (int i = 0; i < index; i++) first += w->parts[i].rows;
    return (Span){ first, w->parts[index].rows };
}

/// From the tape.
static Parts outputs_of(Tape *tape, const Weight *w)
{
    int sections = w->part_count ? w->part_count : w->sections ? w->sections : 1;
    int64_t slices = own_slices(tape).count;
    Parts parts = { .count = slices * sections, .sections = sections };
    parts.items = tape_take(tape, (size_t)parts.count * sizeof *parts.items);
    for (int64_t at = 0; at < parts.count; at++) {
        Span rows = section_of(w, sections, (int)(at % sections));
        Span part = group_share(rows.count, slices, at / sections);
        parts.items[at] = (Span){ rows.first + part.first, part.count };
    }
    return parts;
}

static Parts inputs_of(Tape *tape, const Weight *w)
{
    int64_t slices = own_slices(tape).count;
    Parts parts = { tape_take(tape, (size_t)slices * sizeof *parts.items), slices, 1 };
    for (int64_t at = 0; at < slices; at++) parts.items[at] = group_share(w->cols, slices, at);
    return parts;
}

static GemmProduct *products_of(Tape *tape, const Parts *parts)
{
    return tape_take(tape, (size_t)parts->count * sizeof(GemmProduct));
}

/// x (own tokens, cols) of all tokens, from the tape; of others they are on their way.
static const float *all_tokens(Tape *tape, const float *x, int64_t cols)
{
    int64_t tokens = tape_packing(tape)->tokens;
    if (tape_group_size(tape) == 1) return x;
    float *all = tape_take(tape, (size_t)(tokens * cols) * sizeof *all);
    group_share_tokens(tape, all, x, cols);
    return all;
}

/// Of products with a row for each token, what is of own ones, or of the others.
static GemmPart part_of_tokens(Tape *tape, GemmRows rows)
{
    Span own = tape_tokens_of(tape, tape_group_rank(tape));
    return (GemmPart){ rows, own.first, own.first + own.count, group_move, tape };
}

/// Makes products with a row for each token, of which own ones while the others are on their way.
static void token_products(Tape *tape, const GemmProduct *products, int64_t count)
{
    GemmPart part = part_of_tokens(tape, GEMM_INSIDE);
    gemm_products_part(products, count, &part);
    group_share_finish(tape);
    part.rows = GEMM_OTHERS;
    gemm_products_part(products, count, &part);
}

static void record(Tape *tape, const char *name, const Parallel *op, int64_t tokens,
                   Backward backward)
{
    if (!tape_records(tape, op->y)) return;
    Parallel *kept = tape_take(tape, sizeof *kept);
    *kept = *op;
    product_uses(tape, op->w, op->b, tokens);
    tape_record_as(tape, name, op->y, backward, kept);
}

/// A slice's summand of dx: of all its outputs.
typedef struct {
    const Parallel *op;
    const float *dy;
    const Parts *parts;
} ColumnSlice;

static void column_slice_input(float *out, int64_t slice, const void *context)
{
    const ColumnSlice *of = context;
    const Weight *w = of->op->w;
    const Span *part = of->parts->items + slice * of->parts->sections;
    for (int i = 0; i < of->parts->sections; i++)
        gemm_products(&(GemmProduct){ .c = out,
                                      .c_stride = w->cols,
                                      .a = { of->dy + part[i].first, w->rows, false },
                                      .b = { w->value + part[i].first * w->cols, w->cols, false },
                                      .m = of->op->y->rows,
                                      .n = w->cols,
                                      .k = part[i].count,
                                      .beta = i > 0 },
                      1);
}

static void column_weight(Tape *tape, const Parallel *op, const float *dy, const Parts *parts)
{
    bool first;
    int64_t n = op->w->rows, k = op->w->cols, tokens = op->y->rows;
    float *dw = weight_gradient_for(op->w, &first);
    if (!dw) return;
    GemmProduct *products = products_of(tape, parts);
    for (int64_t i = 0; i < parts->count; i++) {
        Span part = parts->items[i];
        products[i] = (GemmProduct){ .c = dw + part.first * k,
                                     .c_stride = k,
                                     .a = { dy + part.first, n, true },
                                     .b = { op->all, k, false },
                                     .m = part.count,
                                     .n = k,
                                     .k = tokens,
                                     .beta = !first };
    }
    gemm_products_part(products, parts->count,
                       &(GemmPart){ .between = group_move, .context = tape });
}

static void column_backward(Tape *tape, void *context)
{
    Parallel *op = context;
    const float *dy = tape_gradient(tape, op->y);
    int64_t n = op->w->rows, k = op->w->cols, tokens = op->y->rows;
    bool first;
    size_t mark = tape_scratch_begin(tape);
    Parts parts = outputs_of(tape, op->w);
    float *dx = tape_gradient_for(tape, op->x, &first);
    GroupSum input;
    if (dx) {
        ColumnSlice slice = { op, dy, &parts };
        float *sums = sum_subtrees(tape, tokens * k, column_slice_input, &slice);
        input = group_sum_tokens(tape, dx, sums, k, !first);
    }
    column_weight(tape, op, dy, &parts);
    float *db = op->b ? weight_gradient_for(op->b, &first) : NULL;
    if (db) columns_sum(tape, db, dy, tokens, n, first);
    if (dx) group_sum_finish(tape, &input);
    tape_scratch_end(tape, mark);
}

// Of two factors the one between the messages has the width of their rank: so that less travels,
// the first product is made of own tokens and the second one of all, or the other way round.

Var *column_parallel(Tape *tape, Var *x, Weight *w, Weight *b)
{
    int64_t tokens = tape_packing(tape)->tokens, n = w->rows, k = w->cols;
    if (w->right) x = linear(tape, x, w->right, NULL);
    if (!tape_group(tape)) return linear(tape, x, w, b);
    if (tape_matrix_grid(tape)) return scalapack_column_parallel(tape, x, w, b);
    bool needs = product_start(__func__, x, w, b);
    CHECK(x->own, "column_parallel: not a rank's own tokens");
    Var *y = tape_var(tape, tokens, n, needs);
    Parallel op = { y, x, all_tokens(tape, x->value, k), w, b };
    tape_needs(tape, w);
    tape_needs(tape, b);
    size_t mark = tape_scratch_begin(tape);
    Parts parts = outputs_of(tape, w);
    GemmProduct *products = products_of(tape, &parts);
    for (int64_t i = 0; i < parts.count; i++) {
        Span part = parts.items[i];
        products[i] = (GemmProduct){ .c = y->value + part.first,
                                     .c_stride = n,
                                     .a = { op.all, k, false },
                                     .b = { w->value + part.first * k, k, true },
                                     .bias = b ? b->value + part.first : NULL,
                                     .m = tokens,
                                     .n = part.count,
                                     .k = k };
    }
    token_products(tape, products, parts.count);
    tape_scratch_end(tape, mark);
    record(tape, __func__, &op, tokens, column_backward);
    return y;
}

/// dx and dw of the inputs of each slice, from dy (T, n) of all tokens.
static void row_gradients(Tape *tape, const Parallel *op, const float *dy)
{
    int64_t n = op->w->rows, k = op->w->cols, tokens = op->x->rows;
    bool x_first, w_first;
    float *dx = tape_gradient_for(tape, op->x, &x_first);
    float *dw = weight_gradient_for(op->w, &w_first);
    Parts parts = inputs_of(tape, op->w);
    GemmProduct *products = products_of(tape, &parts);
    int64_t inputs = dx ? parts.count : 0;
    for (int64_t i = 0; i < inputs; i++) {
        Span part = parts.items[i];
        products[i] = (GemmProduct){ .c = dx + part.first,
                                     .c_stride = k,
                                     .a = { dy, n, false },
                                     .b = { op->w->value + part.first, k, false },
                                     .m = tokens,
                                     .n = part.count,
                                     .k = n,
                                     .beta = !x_first };
    }
    token_products(tape, products, inputs);
    for (int64_t i = 0; i < parts.count && dw; i++) {
        Span part = parts.items[i];
        products[i] = (GemmProduct){ .c = dw + part.first,
                                     .c_stride = k,
                                     .a = { dy, n, true },
                                     .b = { op->x->value + part.first, k, false },
                                     .m = n,
                                     .n = part.count,
                                     .k = tokens,
                                     .beta = !w_first };
    }
    if (dw) gemm_products(products, parts.count);
}

static void row_backward(Tape *tape, void *context)
{
    Parallel *op = context;
    int64_t n = op->w->rows, tokens = op->x->rows;
    bool first;
    size_t mark = tape_scratch_begin(tape);
    const float *dy = all_tokens(tape, tape_gradient(tape, op->y), n);
    row_gradients(tape, op, dy);
    float *db = op->b ? weight_gradient_for(op->b, &first) : NULL;
    if (db) columns_sum(tape, db, dy, tokens, n, first);
    tape_scratch_end(tape, mark);
}

typedef struct {
    const Parallel *op;
    const Parts *parts;
    GemmPart tokens;
} RowSlice;

static void row_slice_output(float *out, int64_t slice, const void *context)
{
    const RowSlice *of = context;
    const Weight *w = of->op->w;
    Span part = of->parts->items[slice];
    gemm_products_part(&(GemmProduct){ .c = out,
                                       .c_stride = w->rows,
                                       .a = { of->op->x->value + part.first, w->cols, false },
                                       .b = { w->value + part.first, w->cols, true },
                                       .m = of->op->x->rows,
                                       .n = w->rows,
                                       .k = part.count },
                       1, &of->tokens);
}

/// y = the sum over all slices. Of one slice, own tokens' summands are made while others' travel.
static void sum_row_slices(Tape *tape, const Parallel *op)
{
    int64_t n = op->w->rows;
    size_t mark = tape_scratch_begin(tape);
    Parts parts = inputs_of(tape, op->w);
    bool one = parts.count == 1;
    RowSlice slice = { op, &parts, part_of_tokens(tape, one ? GEMM_OTHERS : GEMM_ALL) };
    float *sums = sum_subtrees(tape, op->x->rows * n, row_slice_output, &slice);
    GroupSum sum = group_sum_tokens(tape, op->y->value, sums, n, false);
    slice.tokens.rows = GEMM_INSIDE;
    if (one) row_slice_output(sums, 0, &slice);
    group_sum_finish(tape, &sum);
    tape_scratch_end(tape, mark);
}

Var *row_parallel(Tape *tape, Var *x, Weight *w, Weight *b)
{
    int64_t tokens = tape_packing(tape)->tokens, n = w->rows;
    if (w->right) return linear(tape, row_parallel(tape, x, w->right, NULL), w, b);
    if (!tape_group(tape)) return linear(tape, x, w, b);
    if (tape_matrix_grid(tape)) return scalapack_row_parallel(tape, x, w, b);
    bool needs = product_start(__func__, x, w, b);
    CHECK(x->rows == tokens && !x->own, "row_parallel: a row must be a token");
    Var *y = tape_var(tape, tape_tokens_of(tape, tape_group_rank(tape)).count, n, needs);
    Parallel op = { y, x, NULL, w, b };
    y->own = true;
    tape_needs(tape, w);
    tape_needs(tape, b);
    sum_row_slices(tape, &op);
    product_add_bias(y, b);
    record(tape, __func__, &op, tokens, row_backward);
    return y;
}
