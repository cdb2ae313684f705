#include "linalg/spread.h"
#include "base/mem.h"

#include <string.h>

extern void pdgemm_(const char *transa, const char *transb, const int *m, const int *n,
                    const int *k, const double *alpha, const double *a, const int *ia,
                    const int *ja, const int *desca, const double *b, const int *ib, const int *jb,
                    const int *descb, const double *beta, double *c, const int *ic, const int *jc,
                    const int *descc);
extern void pdsymm_(const char *side, const char *uplo, const int *m, const int *n,
                    const double *alpha, const double *a, const int *ia, const int *ja,
                    const int *desca, const double *b, const int *ib, const int *jb,
                    const int *descb, const double *beta, double *c, const int *ic, const int *jc,
                    const int *descc);
extern void pdgemr2d_(const int *m, const int *n, const double *a, const int *ia, const int *ja,
                      const int *desca, double *b, const int *ib, const int *jb, const int *descb,
                      const int *context);
extern void pdposv_(const char *uplo, const int *n, const int *nrhs, double *a, const int *ia,
                    const int *ja, const int *desca, double *b, const int *ib, const int *jb,
                    const int *descb, int *info);
extern void pdpotri_(const char *uplo, const int *n, double *a, const int *ia, const int *ja,
                     const int *desca, int *info);
extern void pdsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *ia,
                     const int *ja, const int *desca, double *w, double *z, const int *iz,
                     const int *jz, const int *descz, double *work, const int *lwork, int *iwork,
                     const int *liwork, int *info);

static const int one = 1;

/// How many of n elements in blocks a rank of a line has.
static int64_t owned(int64_t n, int64_t block, int index, int ranks)
{
    int64_t blocks = n / block, count = blocks / ranks * block, extra = blocks % ranks;
    if (index < extra) return count + block;
    return index == extra ? count + n % block : count;
}

/// The element of the whole that is a rank's `local` one.
static int64_t place_of(int64_t local, int64_t block, int index, int ranks)
{
    return (local / block * ranks + index) * block + local % block;
}

void spread_over(Spread *m, const MatrixGrid *grid, int64_t rows, int64_t cols, int64_t row_block,
                 int64_t col_block, double *data)
{
    *m = (Spread){ .grid = grid,
                   .rows = rows,
                   .cols = cols,
                   .row_block = row_block,
                   .col_block = col_block,
                   .data = data,
                   .borrowed = data != NULL };
    m->local_rows = owned(rows, row_block, grid->col, grid->cols);
    m->local_cols = owned(cols, col_block, grid->row, grid->rows);
    CHECK(rows <= INT32_MAX && cols <= INT32_MAX, "%lld x %lld are more than ScaLAPACK counts",
          (long long)rows, (long long)cols);
    CHECK(m->local_rows * m->local_cols <= INT32_MAX,
          "%lld x %lld elements of a rank are more than ScaLAPACK counts", (long long)m->local_rows,
          (long long)m->local_cols);
    if (!data) m->data = MEM_NEW(double, m->local_rows * m->local_cols);
    const int desc[DESCRIPTOR] = { 1,
                                   grid->context,
                                   (int)rows,
                                   (int)cols,
                                   (int)row_block,
                                   (int)col_block,
                                   0,
                                   0,
                                   m->local_rows ? (int)m->local_rows : 1 };
    memcpy(m->desc, desc, sizeof desc);
}

void spread_init(Spread *m, const MatrixGrid *grid, int64_t rows, int64_t cols)
{
    spread_over(m, grid, rows, cols, SPREAD_BLOCK, SPREAD_BLOCK, NULL);
}

void spread_release(Spread *m)
{
    if (!m->borrowed) mem_free(m->data);
    *m = (Spread){ 0 };
}

/// The inverse of `place_of`; -1 of a place that another part has.
static int64_t local_of(int64_t place, int64_t block, int part, int parts)
{
    int64_t index = place / block;
    return index % parts == part ? index / parts * block + place % block : -1;
}

static int64_t local_row(const Spread *m, int64_t row)
{
    return local_of(row, m->row_block, m->grid->col, m->grid->cols);
}

static int64_t local_col(const Spread *m, int64_t col)
{
    return local_of(col, m->col_block, m->grid->row, m->grid->rows);
}

void spread_add(Spread *m, int64_t row, int64_t col, double value)
{
    int64_t r = local_row(m, row), c = local_col(m, col);
    if (r >= 0 && c >= 0) m->data[c * m->local_rows + r] += value;
}

static int64_t row_of(const Spread *m, int64_t local)
{
    return place_of(local, m->row_block, m->grid->col, m->grid->cols);
}

static int64_t col_of(const Spread *m, int64_t local)
{
    return place_of(local, m->col_block, m->grid->row, m->grid->rows);
}

void spread_set(Spread *m, const float *const *rows)
{
    for (int64_t r = 0; r < m->local_rows; r++)
        for (int64_t c = 0; c < m->local_cols; c++)
            m->data[c * m->local_rows + r] = (double)rows[row_of(m, r)][col_of(m, c)];
}

void spread_set_row(Spread *m, int64_t row, const double *values)
{
    int64_t r = local_row(m, row);
    for (int64_t c = 0; c < m->local_cols && r >= 0; c++)
        m->data[c * m->local_rows + r] = values[col_of(m, c)];
}

void spread_set_column(Spread *m, int64_t col, const double *values)
{
    int64_t c = local_col(m, col);
    for (int64_t r = 0; r < m->local_rows && c >= 0; r++)
        m->data[c * m->local_rows + r] = values[row_of(m, r)];
}

void spread_copy(Spread *to, const Spread *from)
{
    const int rows = (int)to->rows, cols = (int)to->cols;
    pdgemr2d_(&rows, &cols, from->data, &one, &one, from->desc, to->data, &one, &one, to->desc,
              &to->grid->context);
}

void spread_gather(double *whole, const Spread *m)
{
    const MatrixGrid *grid = m->grid;
    int size = grid->rows * grid->cols;
    int64_t *counts = MEM_NEW(int64_t, size);
    double *blocks = MEM_NEW(double, m->rows * m->cols), *at = blocks;
    for (int rank = 0; rank < size; rank++)
        counts[rank] = owned(m->rows, m->row_block, rank % grid->cols, grid->cols) *
                       owned(m->cols, m->col_block, rank / grid->cols, grid->rows) *
                       (int64_t)sizeof(double);
    comm_gather_all(&grid->all, blocks, m->data, counts);
    for (int rank = 0; rank < size; rank++) {
        int row = rank / grid->cols, col = rank % grid->cols;
        int64_t rows = owned(m->rows, m->row_block, col, grid->cols);
        int64_t cols = owned(m->cols, m->col_block, row, grid->rows);
        for (int64_t c = 0; c < cols; c++)
            for (int64_t r = 0; r < rows; r++)
                whole[place_of(c, m->col_block, row, grid->rows) * m->rows +
                      place_of(r, m->row_block, col, grid->cols)] = *at++;
    }
    mem_free(blocks);
    mem_free(counts);
}

void spread_gather_columns(double *columns, const Spread *m, int64_t first, int64_t count)
{
    const MatrixGrid *grid = m->grid;
    int size = grid->rows * grid->cols, owner = (int)(first / m->col_block % grid->rows);
    int64_t local = local_col(m, first);
    int64_t *counts = MEM_NEW(int64_t, size);
    double *blocks = MEM_NEW(double, m->rows *count), *at = blocks;
    for (int rank = owner * grid->cols; rank < (owner + 1) * grid->cols; rank++)
        counts[rank] = owned(m->rows, m->row_block, rank % grid->cols, grid->cols) * count *
                       (int64_t)sizeof(double);
    comm_gather_all(&grid->all, blocks, local < 0 ? NULL : m->data + local * m->local_rows, counts);
    for (int col = 0; col < grid->cols; col++) {
        int64_t rows = owned(m->rows, m->row_block, col, grid->cols);
        for (int64_t c = 0; c < count; c++)
            for (int64_t r = 0; r < rows; r++)
                columns[c * m->rows + place_of(r, m->row_block, col, grid->cols)] = *at++;
    }
    mem_free(blocks);
    mem_free(counts);
}

void spread_multiply(Spread *c, const Spread *a, bool a_transposed, const Spread *b,
                     bool b_transposed)
{
    const int m = (int)(a_transposed ? a->cols : a->rows),
              k = (int)(a_transposed ? a->rows : a->cols);
    const int n = (int)(b_transposed ? b->rows : b->cols);
    const double alpha = 1, beta = 0;
    int threads = scalapack_begin();
    pdgemm_(a_transposed ? "T" : "N", b_transposed ? "T" : "N", &m, &n, &k, &alpha, a->data, &one,
            &one, a->desc, b->data, &one, &one, b->desc, &beta, c->data, &one, &one, c->desc);
    scalapack_end(threads);
}

void spread_multiply_part(Spread *c, const Spread *a, int64_t first, const Spread *b)
{
    const int before = (int)first, count = (int)b->rows, sides = (int)b->cols;
    const int at = before + 1, end = at + count, after = (int)a->rows - before - count;
    const double alpha = 1, beta = 0;
    int threads = scalapack_begin();
    if (before)
        pdgemm_("N", "N", &before, &sides, &count, &alpha, a->data, &one, &at, a->desc, b->data,
                &one, &one, b->desc, &beta, c->data, &one, &one, c->desc);
    pdsymm_("L", "U", &count, &sides, &alpha, a->data, &at, &at, a->desc, b->data, &one, &one,
            b->desc, &beta, c->data, &at, &one, c->desc);
    if (after)
        pdgemm_("T", "N", &after, &sides, &count, &alpha, a->data, &at, &end, a->desc, b->data,
                &one, &one, b->desc, &beta, c->data, &end, &one, c->desc);
    scalapack_end(threads);
}

bool spread_solve(Spread *a, Spread *x)
{
    const int n = (int)a->rows, sides = (int)x->cols;
    int info, threads = scalapack_begin();
    pdposv_("U", &n, &sides, a->data, &one, &one, a->desc, x->data, &one, &one, x->desc, &info);
    scalapack_end(threads);
    CHECK(info >= 0, "pdposv refuses argument %d", -info);
    return info == 0;
}

void spread_invert(Spread *factor)
{
    const int n = (int)factor->rows;
    int info, threads = scalapack_begin();
    pdpotri_("U", &n, factor->data, &one, &one, factor->desc, &info);
    scalapack_end(threads);
    CHECK(info == 0, "pdpotri fails with %d", info);
}

void spread_eigen(double *values, Spread *vectors, Spread *a)
{
    const int n = (int)a->rows, ask = -1;
    double work_size;
    int index_size, info;
    pdsyevd_("V", "U", &n, a->data, &one, &one, a->desc, values, vectors->data, &one, &one,
             vectors->desc, &work_size, &ask, &index_size, &ask, &info);
    // of a small matrix pdsyevd asks for less than the pdormtr in it takes
    const int more = (int)((a->local_rows + a->local_cols + 2 * SPREAD_BLOCK) * SPREAD_BLOCK);
    const int work_count = (int)work_size + more, index_count = index_size + 1;
    double *work = MEM_NEW(double, work_count);
    int *indices = MEM_NEW(int, index_count), threads = scalapack_begin();
    pdsyevd_("V", "U", &n, a->data, &one, &one, a->desc, values, vectors->data, &one, &one,
             vectors->desc, work, &work_count, indices, &index_count, &info);
    scalapack_end(threads);
    CHECK(info == 0, "pdsyevd fails with %d", info);
    // ranks without a part of the matrix are not told
    comm_broadcast(&a->grid->all, values, (size_t)n * sizeof *values, 0);
    mem_free(indices);
    mem_free(work);
}
