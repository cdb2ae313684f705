#include "linalg/dmat.h"
#include "base/pulse.h"

#include <math.h>
#include <omp.h>
#include <string.h>

// Of the Fortran interface: MPI implementations differ in what a communicator is in C.
extern int sys2blacs_handle_(const int *communicator);
extern void free_blacs_system_handle_(const int *handle);
extern void blacs_gridmap_(int *context, const int *map, const int *map_rows, const int *rows,
                           const int *cols);
extern void blacs_gridexit_(const int *context);

// Address space alone.
static const size_t SCRATCH_BYTES = (size_t)1 << 37;

void matrix_grid_start(MatrixGrid *grid, const Comm *comm, int rows, int cols)
{
    CHECK(rows * cols == comm->size, "%d x %d ranks are not %d", rows, cols, comm->size);
    *grid = (MatrixGrid){ .rows = rows, .cols = cols, .all = *comm, .context = -1 };
    grid->row = comm->rank / cols;
    grid->col = comm->rank % cols;
    grid->row_ranks = comm_split(comm, grid->row);
    grid->col_ranks = comm_split(comm, grid->col);
    grid->scratch = MEM_NEW(Arena, 1);
    arena_init(grid->scratch, SCRATCH_BYTES);
    if (!comm->handle) return;
    int *map = MEM_NEW(int, comm->size), communicator = comm_fortran_handle(comm);
    for (int rank = 0; rank < comm->size; rank++) map[rank] = rank;
    int system = sys2blacs_handle_(&communicator);
    grid->context = system;
    blacs_gridmap_(&grid->context, map, &cols, &cols, &rows);
    free_blacs_system_handle_(&system);
    mem_free(map);
}

void matrix_grid_start_square(MatrixGrid *grid, const Comm *comm)
{
    int rows = (int)sqrt((double)comm->size);
    while (comm->size % rows) rows--;
    matrix_grid_start(grid, comm, rows, comm->size / rows);
}

void matrix_grid_stop(MatrixGrid *grid)
{
    if (grid->context >= 0) blacs_gridexit_(&grid->context);
    if (grid->scratch) arena_release(grid->scratch);
    mem_free(grid->scratch);
    comm_release(&grid->row_ranks);
    comm_release(&grid->col_ranks);
    *grid = (MatrixGrid){ .context = -1 };
}

void dmat_block(int64_t *first, int64_t *count, int64_t length, int64_t block, int index)
{
    *first = index * block < length ? index * block : length;
    *count = length - *first < block ? length - *first : block;
}

int scalapack_begin(void)
{
    int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    pulse_state(PULSE_OPAQUE);
    return threads;
}

void scalapack_end(int threads)
{
    pulse_state(PULSE_BUSY);
    omp_set_num_threads(threads);
}

static int64_t block_of(int64_t length, int parts)
{
    int64_t block = (length + parts - 1) / parts;
    return block ? block : 1;
}

void dmat_over(Dmat *m, const MatrixGrid *grid, int64_t rows, int64_t cols, float *data)
{
    *m = (Dmat){ .grid = grid, .rows = rows, .cols = cols, .data = data, .borrowed = true };
    m->row_block = block_of(rows, grid->rows);
    m->col_block = block_of(cols, grid->cols);
    dmat_block(&m->first_row, &m->local_rows, rows, m->row_block, grid->row);
    dmat_block(&m->first_col, &m->local_cols, cols, m->col_block, grid->col);
    CHECK(rows <= INT32_MAX && cols <= INT32_MAX, "%lld x %lld are more than ScaLAPACK counts",
          (long long)rows, (long long)cols);
    const int desc[DESCRIPTOR] = { 1, // dense
                                   grid->context,
                                   (int)cols,
                                   (int)rows,
                                   (int)m->col_block,
                                   (int)m->row_block,
                                   0, // the first rank's block comes first
                                   0,
                                   m->local_cols ? (int)m->local_cols : 1 };
    memcpy(m->desc, desc, sizeof desc);
}

void dmat_init(Dmat *m, const MatrixGrid *grid, int64_t rows, int64_t cols)
{
    dmat_over(m, grid, rows, cols, NULL);
    m->data = MEM_NEW(float, m->local_rows * m->local_cols);
    m->borrowed = false;
}

void dmat_release(Dmat *m)
{
    if (!m->borrowed) mem_free(m->data);
    *m = (Dmat){ 0 };
}

void dmat_set(Dmat *m, const float *whole)
{
    for (int64_t r = 0; r < m->local_rows; r++)
        memcpy(m->data + r * m->local_cols, whole + (m->first_row + r) * m->cols + m->first_col,
               (size_t)m->local_cols * sizeof(float));
}

void dmat_gather(float *whole, const Dmat *m)
{
    const MatrixGrid *grid = m->grid;
    int size = grid->rows * grid->cols;
    int64_t *counts = MEM_NEW(int64_t, size);
    float *blocks = MEM_NEW(float, m->rows * m->cols), *at = blocks;
    for (int rank = 0; rank < size; rank++) {
        int64_t first, rows, cols;
        dmat_block(&first, &rows, m->rows, m->row_block, rank / grid->cols);
        dmat_block(&first, &cols, m->cols, m->col_block, rank % grid->cols);
        counts[rank] = rows * cols * (int64_t)sizeof(float);
    }
    comm_gather_all(&grid->all, blocks, m->data, counts);
    for (int rank = 0; rank < size; rank++) {
        int64_t row, rows, col, cols;
        dmat_block(&row, &rows, m->rows, m->row_block, rank / grid->cols);
        dmat_block(&col, &cols, m->cols, m->col_block, rank % grid->cols);
        for (int64_t r = 0; r < rows; r++, at += cols)
            memcpy(whole + (row + r) * m->cols + col, at, (size_t)cols * sizeof(float));
    }
    mem_free(blocks);
    mem_free(counts);
}
