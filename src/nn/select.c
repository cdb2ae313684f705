#include "nn/ops.h"
#include "base/status.h"
#include "linalg/vecmath.h"

#include <string.h>

typedef struct {
    Var *y, *x;
    const int32_t *rows;
} Select;

static void select_rows_backward(Tape *tape, void *context)
{
    Select *op = context;
    const float *dy = tape_gradient(tape, op->y);
    int64_t cols = op->y->cols;
    bool first;
    float *dx = tape_gradient_for(tape, op->x, &first);
    if (!dx) return;
    if (first) memset(dx, 0, (size_t)(op->x->rows * cols) * sizeof(float));
    for (int64_t i = 0; i < op->y->rows; i++) vec_add(dx + op->rows[i] * cols, dy + i * cols, cols);
}

Var *select_rows(Tape *tape, Var *x, const int32_t *rows, int64_t count)
{
    Var *y = tape_var(tape, count, x->cols, x->needs_gradient);
    for (int64_t i = 0; i < count; i++) {
        CHECK(rows[i] >= 0 && rows[i] < x->rows, "select_rows: row %d of %lld", rows[i],
              (long long)x->rows);
        memcpy(y->value + i * x->cols, x->value + rows[i] * x->cols,
               (size_t)x->cols * sizeof(float));
    }
    if (tape_records(tape, y)) {
        Select *op = tape_take(tape, sizeof *op);
        *op = (Select){ y, x, rows };
        tape_work(tape, 0, 2 * (double)(y->rows * y->cols) * sizeof(float));
        tape_record(tape, y, select_rows_backward, op);
    }
    return y;
}

static Var *token_of_each(Tape *tape, Var *x, bool last)
{
    const Packing *packing = tape_packing(tape);
    CHECK(x->rows == packing->tokens, "a row must be a token");
    int32_t *rows = tape_take(tape, (size_t)packing->sequences * sizeof *rows);
    for (int64_t i = 0; i < packing->sequences; i++) {
        int32_t start = packing->cu_seqlens[i], end = packing->cu_seqlens[i + 1];
        CHECK(start < end, "a sequence without tokens");
        rows[i] = last ? end - 1 : start;
    }
    return select_rows(tape, x, rows, packing->sequences);
}

Var *first_tokens(Tape *tape, Var *x)
{
    return token_of_each(tape, x, false);
}

Var *last_tokens(Tape *tape, Var *x)
{
    return token_of_each(tape, x, true);
}
