#include "linalg/pgemm.h"
#include "comm/exchange.h"
#include "linalg/gemm.h"
#include "linalg/vecmath.h"

#include <string.h>

int pgemm_panel = 256;
PgemmTraffic pgemm_traffic;

/// Called by PBLAS, in place of its own.
extern int pilaenv_(const int *context, const char *type);
int pilaenv_(const int *context, const char *type)
{
    (void)context, (void)type;
    return pgemm_panel;
}

extern void psgemm_(const char *transa, const char *transb, const int *m, const int *n,
                    const int *k, const float *alpha, const float *a, const int *ia, const int *ja,
                    const int *desca, const float *b, const int *ib, const int *jb,
                    const int *descb, const float *beta, float *c, const int *ic, const int *jc,
                    const int *descc);

/// c' = b' a' for PBLAS, which sees all three transposed.
COLLECTIVE
static void scalapack(Dmat *c, const Dmat *a, const Dmat *b, PgemmKind kind)
{
    const int m = (int)c->cols, n = (int)c->rows, one = 1;
    const int k = (int)(kind == PGEMM_TN ? a->rows : a->cols);
    const float alpha = 1, beta = 0;
    int threads = scalapack_begin();
    psgemm_(kind == PGEMM_NT ? "T" : "N", kind == PGEMM_TN ? "T" : "N", &m, &n, &k, &alpha, b->data,
            &one, &one, b->desc, a->data, &one, &one, a->desc, &beta, c->data, &one, &one, c->desc);
    scalapack_end(threads);
}

static size_t block_bytes(int64_t rows, int64_t cols)
{
    return (size_t)(rows * cols) * sizeof(float);
}

static void send(Exchange *exchange, const float *data, size_t bytes, int to)
{
    exchange_send(exchange, data, bytes, to, 0);
    pgemm_traffic.messages += bytes > 0;
    pgemm_traffic.bytes += (int64_t)bytes;
}

/// The blocks of a grid row (along the columns of m) or of a grid column.
COLLECTIVE
static const float **gather_line(const Dmat *m, const Comm *ranks, bool along_cols)
{
    Exchange *exchange = exchange_new(ranks, 2 * ranks->size);
    const float **blocks = arena_take(m->grid->scratch, (size_t)ranks->size * sizeof *blocks);
    float *at = arena_take(m->grid->scratch, along_cols ? block_bytes(m->local_rows, m->cols)
                                                        : block_bytes(m->rows, m->local_cols));
    for (int i = 0; i < ranks->size; i++) {
        int64_t first, count;
        dmat_block(&first, &count, along_cols ? m->cols : m->rows,
                   along_cols ? m->col_block : m->row_block, i);
        size_t bytes =
            along_cols ? block_bytes(m->local_rows, count) : block_bytes(count, m->local_cols);
        blocks[i] = i == ranks->rank ? m->data : at;
        if (i == ranks->rank) continue;
        exchange_receive(exchange, at, bytes, i, 0);
        send(exchange, m->data, block_bytes(m->local_rows, m->local_cols), i);
        at += bytes / sizeof(float);
    }
    exchange_finish(exchange); // agreed: every rank leaves the loop
    exchange_free(exchange);
    return blocks;
}

/// own = the sum over the ranks of a line of what each has for this one, in their order. parts[i]
/// (counts[i]) is what this rank has for rank i; its own, parts[rank], is `own`.
COLLECTIVE
static void sum_line(float *own, float *const *parts, const int64_t *counts, const Comm *ranks,
                     Arena *scratch)
{
    int64_t count = counts[ranks->rank];
    if (ranks->size == 1) return;
    Exchange *exchange = exchange_new(ranks, 2 * ranks->size);
    float *received = arena_take(scratch, block_bytes(count, ranks->size));
    for (int i = 0; i < ranks->size; i++) {
        if (i == ranks->rank) continue;
        exchange_receive(exchange, received + i * count, block_bytes(1, count), i, 0);
        send(exchange, parts[i], block_bytes(1, counts[i]), i);
    }
    exchange_finish(exchange); // agreed: every rank leaves the loop
    memcpy(received + ranks->rank * count, own, block_bytes(1, count));
    for (int i = 1; i < ranks->size; i++) vec_add(received, received + i * count, count);
    memcpy(own, received, block_bytes(1, count));
    exchange_free(exchange);
}

/// c = a b: a's grid row and b's grid column are gathered; products of the blocks that the inner
/// dimension is cut into on both sides.
COLLECTIVE
static void native_nn(Dmat *c, const Dmat *a, const Dmat *b)
{
    const MatrixGrid *grid = c->grid;
    const float **across = gather_line(a, &grid->row_ranks, true);
    const float **down = gather_line(b, &grid->col_ranks, false);
    float beta = 0;
    for (int i = 0; i < grid->cols; i++) {
        int64_t first, count;
        dmat_block(&first, &count, a->cols, a->col_block, i);
        for (int64_t k = first, next; k < first + count; k = next) {
            int owner = (int)(k / b->row_block);
            next = (owner + 1) * b->row_block;
            if (next > first + count) next = first + count;
            GemmOperand left = { across[i] + (k - first), count, false };
            GemmOperand right = { down[owner] + (k - owner * b->row_block) * b->local_cols,
                                  b->local_cols, false };
            gemm_products(&(GemmProduct){ c->data, c->local_cols, left, right, NULL, c->local_rows,
                                          c->local_cols, next - k, beta },
                          1);
            beta = 1;
        }
    }
}

/// c = a b': b's grid column is gathered, which gives all columns of c for a's part of the inner
/// dimension; the sum over the grid row remains.
COLLECTIVE
static void native_nt(Dmat *c, const Dmat *a, const Dmat *b)
{
    const MatrixGrid *grid = c->grid;
    const float **down = gather_line(b, &grid->col_ranks, false);
    float **parts = arena_take(grid->scratch, (size_t)grid->cols * sizeof *parts);
    int64_t *counts = arena_take(grid->scratch, (size_t)grid->cols * sizeof *counts);
    for (int i = 0; i < grid->cols; i++) {
        int64_t first, cols;
        dmat_block(&first, &cols, c->cols, c->col_block, i);
        counts[i] = c->local_rows * cols;
        parts[i] = i == grid->col ? c->data : arena_take(grid->scratch, block_bytes(1, counts[i]));
        for (int64_t n = first, next; n < first + cols; n = next) {
            int owner = (int)(n / b->row_block);
            next = (owner + 1) * b->row_block;
            if (next > first + cols) next = first + cols;
            GemmOperand left = { a->data, a->local_cols, false };
            GemmOperand right = { down[owner] + (n - owner * b->row_block) * b->local_cols,
                                  b->local_cols, true };
            gemm_products(&(GemmProduct){ parts[i] + (n - first), cols, left, right, NULL,
                                          c->local_rows, next - n, a->local_cols, 0 },
                          1);
        }
    }
    sum_line(c->data, parts, counts, &grid->row_ranks, grid->scratch);
}

/// c = a' b: a's grid row is gathered, which gives all rows of c for this rank's part of the inner
/// dimension; the sum over the grid column remains.
COLLECTIVE
static void native_tn(Dmat *c, const Dmat *a, const Dmat *b)
{
    const MatrixGrid *grid = c->grid;
    const float **across = gather_line(a, &grid->row_ranks, true);
    float **parts = arena_take(grid->scratch, (size_t)grid->rows * sizeof *parts);
    int64_t *counts = arena_take(grid->scratch, (size_t)grid->rows * sizeof *counts);
    for (int i = 0; i < grid->rows; i++) {
        int64_t first, rows;
        dmat_block(&first, &rows, c->rows, c->row_block, i);
        counts[i] = rows * c->local_cols;
        parts[i] = i == grid->row ? c->data : arena_take(grid->scratch, block_bytes(1, counts[i]));
        for (int64_t m = first, next; m < first + rows; m = next) {
            int owner = (int)(m / a->col_block);
            int64_t start, width;
            dmat_block(&start, &width, a->cols, a->col_block, owner);
            next = start + width;
            if (next > first + rows) next = first + rows;
            GemmOperand left = { across[owner] + (m - start), width, true };
            GemmOperand right = { b->data, b->local_cols, false };
            gemm_products(&(GemmProduct){ parts[i] + (m - first) * c->local_cols, c->local_cols,
                                          left, right, NULL, next - m, c->local_cols, a->local_rows,
                                          0 },
                          1);
        }
    }
    sum_line(c->data, parts, counts, &grid->col_ranks, grid->scratch);
}

void pgemm(Dmat *c, const Dmat *a, const Dmat *b, PgemmKind kind, PgemmBackend backend)
{
    int64_t rows = kind == PGEMM_TN ? a->cols : a->rows,
            inner = kind == PGEMM_TN ? a->rows : a->cols;
    int64_t cols = kind == PGEMM_NT ? b->rows : b->cols,
            other = kind == PGEMM_NT ? b->cols : b->rows;
    CHECK(rows == c->rows && cols == c->cols && inner == other, "pgemm: shapes do not fit");
    if (backend == PGEMM_SCALAPACK && c->grid->context >= 0) // agreed: the same on all ranks
        scalapack(c, a, b, kind);
    else if (kind == PGEMM_NN)
        native_nn(c, a, b);
    else if (kind == PGEMM_NT)
        native_nt(c, a, b);
    else
        native_tn(c, a, b);
    arena_reset(c->grid->scratch, 0);
}

/// To each of the others of a line.
static PgemmTraffic to_others(int64_t elements, int ranks)
{
    int64_t messages = elements ? ranks - 1 : 0;
    return (PgemmTraffic){ messages, messages * elements * (int64_t)sizeof(float) };
}

PgemmTraffic pgemm_predict(const Dmat *c, const Dmat *a, const Dmat *b, PgemmKind kind)
{
    const MatrixGrid *grid = c->grid;
    PgemmTraffic across, down;
    if (kind == PGEMM_NT)
        across = to_others(c->row_block * c->col_block, grid->cols);
    else
        across = to_others(a->row_block * a->col_block, grid->cols);
    if (kind == PGEMM_TN)
        down = to_others(c->row_block * c->col_block, grid->rows);
    else
        down = to_others(b->row_block * b->col_block, grid->rows);
    return (PgemmTraffic){ across.messages + down.messages, across.bytes + down.bytes };
}
