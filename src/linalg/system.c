#include "linalg/system.h"
#include "base/mem.h"
#include "comm/exchange.h"

#include <string.h>

enum { TILE = SYSTEM_TILE, TILE_ELEMENTS = TILE * TILE };
// Tiles at once: of many subtrees few, so that what arrives of them stays at some 8 MiB.
enum { ROUND = 16, LEAST_ROUND = 4, ROUND_SUBTREES = 256 };
static const size_t tile_bytes = TILE_ELEMENTS * sizeof(double);

int64_t system_alone = SYSTEM_ALONE;

void system_start(System *out, const Comm *comm, int64_t n)
{
    *out = (System){ .comm = comm, .n = n, .grid = { .context = -1 } };
    out->part = comm_split(comm, n > system_alone || comm->rank == 0 ? 0 : -1);
    if (out->part.size) matrix_grid_start_square(&out->grid, &out->part); // agreed: all of the part
}

void system_stop(System *system)
{
    if (system->part.size) matrix_grid_stop(&system->grid); // agreed: all of the part
    comm_release(&system->part);
}

void system_matrix(Spread *out, const System *system)
{
    *out = (Spread){ 0 };
    if (system->part.size) spread_init(out, &system->grid, system->n, system->n);
}

void system_add(Spread *matrix, int64_t row, int64_t col, double value)
{
    if (matrix->grid) spread_add(matrix, row, col, value);
}

/// Tiles of the upper triangle [first, first + count), column by column, on their way to those that
/// have them.
typedef struct {
    const System *system;
    const RowBlocks *rows;
    int64_t first, count, most;
    SystemTile places[ROUND];
    int owners[ROUND];
    double *mine;      ///< (most, own subtrees, tile)
    double *theirs;    ///< (most, all subtrees, tile): of tiles that are this rank's
    int64_t *subtrees; ///< (ranks + 1): those of ranks before
    Exchange *exchange;
} Round;

static int owner_of(const System *system, SystemTile place)
{
    bool alone = system->n <= system_alone;
    int rows = alone ? 1 : system->grid.rows, cols = alone ? 1 : system->grid.cols;
    return (int)(place.col % rows) * cols + (int)(place.row % cols);
}

static void round_init(Round *r, const System *system, const RowBlocks *rows)
{
    int size = system->comm->size;
    *r = (Round){ .system = system, .rows = rows, .subtrees = MEM_NEW(int64_t, size + 1) };
    for (int rank = 0; rank < size; rank++) {
        int64_t first, count;
        row_blocks_of(&first, &count, rows, rank);
        r->subtrees[rank + 1] = r->subtrees[rank] + tree_subtrees(first, count);
    }
    int64_t own = tree_subtrees(rows->first_block, rows->blocks), most = ROUND_SUBTREES;
    most /= r->subtrees[size];
    r->most = most > ROUND ? ROUND : most < LEAST_ROUND ? LEAST_ROUND : most;
    r->mine = MEM_NEW(double, r->most *own *TILE_ELEMENTS + 1);
    r->theirs =
        MEM_NEW(double, system->part.size ? r->most * r->subtrees[size] * TILE_ELEMENTS : 1);
    r->exchange = exchange_new(system->comm, (int)r->most * size);
}

static void round_release(Round *r)
{
    exchange_free(r->exchange);
    mem_free(r->theirs);
    mem_free(r->mine);
    mem_free(r->subtrees);
}

/// The next tiles; false if there are none.
static bool round_next(Round *r)
{
    int64_t tiles = r->system->n / TILE, all = tiles * (tiles + 1) / 2, col = 0;
    r->first += r->count;
    r->count = all - r->first < r->most ? all - r->first : r->most;
    for (int64_t i = 0; i < r->count; i++) {
        while ((col + 1) * (col + 2) / 2 <= r->first + i) col++;
        r->places[i] = (SystemTile){ r->first + i - col * (col + 1) / 2, col };
        r->owners[i] = owner_of(r->system, r->places[i]);
    }
    return r->count > 0;
}

typedef struct {
    SystemTile place;
    SystemSummand summand;
    const void *context;
} TileSummand;

static void tile_summand(double *out, RowBlock block, void *context)
{
    const TileSummand *tile = context;
    tile->summand(out, tile->place, block, tile->context);
}

static void make_tiles(Round *r, SystemSummand summand, const void *context)
{
    int64_t own = tree_subtrees(r->rows->first_block, r->rows->blocks);
#pragma omp parallel
    {
        TreeSum sum;
        tree_sum_init(&sum, TILE_ELEMENTS, r->rows->blocks);
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < r->count; i++) {
            TileSummand tile = { r->places[i], summand, context };
            row_blocks_subtrees(&sum, r->rows, tile_summand, &tile);
            memcpy(r->mine + i * own * TILE_ELEMENTS, sum.values, (size_t)own * tile_bytes);
        }
        tree_sum_release(&sum);
    }
}

/// Starts the messages of tile i.
static void send_tile(Round *r, int64_t i)
{
    const Comm *comm = r->system->comm;
    int64_t all = r->subtrees[comm->size];
    int64_t own = r->subtrees[comm->rank + 1] - r->subtrees[comm->rank];
    double *mine = r->mine + i * own * TILE_ELEMENTS;
    if (r->owners[i] != comm->rank) {
        exchange_send(r->exchange, mine, (size_t)own * tile_bytes, r->owners[i], (int)i);
        return;
    }
    for (int rank = 0; rank < comm->size; rank++) {
        double *to = r->theirs + (i * all + r->subtrees[rank]) * TILE_ELEMENTS;
        size_t bytes = (size_t)(r->subtrees[rank + 1] - r->subtrees[rank]) * tile_bytes;
        if (rank == comm->rank)
            memcpy(to, mine, bytes);
        else
            exchange_receive(r->exchange, to, bytes, rank, (int)i);
    }
}

static void add_tiles(Spread *matrix, const Round *r)
{
    const MatrixGrid *grid = matrix->grid;
    const Comm *comm = r->system->comm;
    TreeSum sum;
    double *tile = MEM_NEW(double, TILE_ELEMENTS);
    tree_sum_init(&sum, TILE_ELEMENTS, r->rows->all_blocks);
    for (int64_t i = 0; i < r->count; i++) {
        if (r->owners[i] != comm->rank) continue;
        const double *at = r->theirs + i * r->subtrees[comm->size] * TILE_ELEMENTS;
        tree_sum_clear(&sum);
        for (int rank = 0; rank < comm->size; rank++) at = row_blocks_add(&sum, r->rows, rank, at);
        tree_sum_total(tile, &sum);
        int64_t row = r->places[i].row / grid->cols * TILE;
        int64_t col = r->places[i].col / grid->rows * TILE;
        for (int64_t c = 0; c < TILE; c++)
            memcpy(matrix->data + (col + c) * matrix->local_rows + row, tile + c * TILE,
                   TILE * sizeof(double));
    }
    tree_sum_release(&sum);
    mem_free(tile);
}

void system_sum(const System *system, Spread *matrix, const RowBlocks *rows, SystemSummand summand,
                const void *context)
{
    Round round;
    round_init(&round, system, rows);
    while (round_next(&round)) { // agreed: the same tiles on all ranks
        make_tiles(&round, summand, context);
        for (int64_t i = 0; i < round.count; i++) send_tile(&round, i);
        exchange_finish(round.exchange);
        if (matrix->grid) add_tiles(matrix, &round);
    }
    round_release(&round);
}

/// Collective. What the first rank knows, to those that have no part.
COLLECTIVE
static void tell_all(const System *system, void *data, size_t bytes)
{
    if (system->n <= system_alone) comm_broadcast(system->comm, data, bytes, 0); // agreed: same n
}

/// Sides x (sides, n) as columns.
static void spread_sides(Spread *out, const System *system, const double *x, int64_t n,
                         int64_t sides)
{
    spread_init(out, &system->grid, n, sides);
    for (int64_t side = 0; side < sides; side++) spread_set_column(out, side, x + side * n);
}

bool system_solve(const System *system, Spread *matrix, double *x, int64_t sides)
{
    int64_t n = system->n, solved = 1;
    if (system->part.size) { // agreed: all of the part
        Spread all;
        spread_sides(&all, system, x, n, sides);
        solved = spread_solve(matrix, &all);
        spread_gather(x, &all);
        spread_release(&all);
    }
    tell_all(system, &solved, sizeof solved);
    tell_all(system, x, (size_t)(n * sides) * sizeof *x);
    return solved;
}

void system_invert(const System *system, Spread *factor)
{
    if (system->part.size) spread_invert(factor); // agreed: all of the part
}

void system_apply(const System *system, double *y, const Spread *inverse, int64_t first,
                  int64_t count, const double *x, int64_t sides)
{
    if (system->part.size) { // agreed: all of the part
        Spread in, out;
        spread_sides(&in, system, x, count, sides);
        spread_init(&out, &system->grid, system->n, sides);
        spread_multiply_part(&out, inverse, first, &in);
        spread_gather(y, &out);
        spread_release(&out);
        spread_release(&in);
    }
    tell_all(system, y, (size_t)(system->n * sides) * sizeof *y);
}

void system_eigen(const System *system, double *values, Spread *vectors, Spread *matrix)
{
    if (system->part.size) spread_eigen(values, vectors, matrix); // agreed: all of the part
    tell_all(system, values, (size_t)system->n * sizeof *values);
}

void system_panel(const System *system, double *panel, const Spread *matrix, int64_t col)
{
    if (system->part.size) // agreed: all of the part
        spread_gather_columns(panel, matrix, col * TILE, TILE);
    tell_all(system, panel, (size_t)(system->n * TILE) * sizeof *panel);
}
