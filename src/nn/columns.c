#include "nn/columns.h"
#include "linalg/kernel.h"

#include <string.h>

int64_t column_blocks(int64_t rows)
{
    return rows > COLUMN_BLOCK ? (rows + COLUMN_BLOCK - 1) / COLUMN_BLOCK : 1;
}

KERNEL static void add_row(float *restrict y, const float *restrict x, int64_t cols)
{
    for (int64_t c = 0; c < cols; c++) y[c] += x[c];
}

void columns_add_up(float *out, float *sums, int64_t blocks, int64_t cols, bool first)
{
    for (int64_t step = 1; step < blocks; step *= 2)
        for (int64_t b = 0; b + step < blocks; b += 2 * step)
            add_row(sums + b * cols, sums + (b + step) * cols, cols);
    if (first)
        memcpy(out, sums, (size_t)cols * sizeof(float));
    else
        add_row(out, sums, cols);
}

/// Four rows a pass over the sums, which stay in the first-level cache.
KERNEL static void sum_block(float *restrict sums, const float *restrict x, int64_t rows,
                             int64_t cols)
{
    int64_t r = 0;
    memset(sums, 0, (size_t)cols * sizeof(float));
    for (; r + 4 <= rows; r += 4) {
        const float *a = x + r * cols, *b = a + cols, *c = b + cols, *d = c + cols;
        for (int64_t i = 0; i < cols; i++) sums[i] += (a[i] + b[i]) + (c[i] + d[i]);
    }
    for (; r < rows; r++)
        for (int64_t i = 0; i < cols; i++) sums[i] += x[r * cols + i];
}

void columns_block_sums(float *sums, const float *x, int64_t rows, int64_t cols)
{
    int64_t blocks = column_blocks(rows);
#pragma omp parallel for schedule(static)
    for (int64_t b = 0; b < blocks; b++) {
        int64_t start = b * COLUMN_BLOCK, rest = rows - start;
        sum_block(sums + b * cols, x + start * cols, rest < COLUMN_BLOCK ? rest : COLUMN_BLOCK,
                  cols);
    }
}

void columns_sum(Tape *tape, float *out, const float *x, int64_t rows, int64_t cols, bool first)
{
    size_t mark = tape_scratch_begin(tape);
    int64_t blocks = column_blocks(rows);
    float *sums = tape_take(tape, (size_t)(blocks * cols) * sizeof(float));
    columns_block_sums(sums, x, rows, cols);
    columns_add_up(out, sums, blocks, cols, first);
    tape_scratch_end(tape, mark);
}
