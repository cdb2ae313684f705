/// Usage: mpirun -n 2 bench_pgemm: distributed products of a layer (forward, both gradients) on a
/// 1 x ranks grid: native against psgemm with panels of 32 columns, as PBLAS has them, and of 256,
/// in turn. A line a shape: milliseconds and ratios; exit code 1 if one misses its bar.
#include "base/clock.h"
#include "linalg/gemm.h"
#include "linalg/pgemm.h"

#include <stdio.h>
#include <stdlib.h>

static Comm world;
static MatrixGrid grid;

typedef struct {
    PgemmBackend backend;
    int panel;
    double bar; ///< native is so much faster
} Way;
static const Way ways[] = { { PGEMM_NATIVE, 256, 1 },
                            { PGEMM_SCALAPACK, 32, 1 },
                            { PGEMM_SCALAPACK, 256, 0.9 } };
enum { WAYS = sizeof ways / sizeof *ways, ROUNDS = 7 };

typedef struct {
    Dmat x, w, y, dx, dw;
} Layer;

/// Seconds of the slowest rank.
static double run(Layer *l, const Way *way)
{
    pgemm_panel = way->panel;
    comm_barrier(&world);
    double start_s = clock_now_s();
    pgemm(&l->y, &l->x, &l->w, PGEMM_NN, way->backend);
    pgemm(&l->dx, &l->y, &l->w, PGEMM_NT, way->backend);
    pgemm(&l->dw, &l->x, &l->y, PGEMM_TN, way->backend);
    int64_t ns = (int64_t)(1e9 * (clock_now_s() - start_s));
    comm_max_int64(&world, &ns, 1);
    return (double)ns / 1e9;
}

static bool compare(int64_t tokens, int64_t in, int64_t out)
{
    Layer l;
    double best[WAYS];
    bool met = true;
    dmat_init(&l.x, &grid, tokens, in);
    dmat_init(&l.w, &grid, in, out);
    dmat_init(&l.y, &grid, tokens, out);
    dmat_init(&l.dx, &grid, tokens, in);
    dmat_init(&l.dw, &grid, in, out);
    for (int64_t i = 0; i < tokens * l.x.local_cols; i++) l.x.data[i] = (float)(i % 17) / 17;
    for (int64_t i = 0; i < in * l.w.local_cols; i++) l.w.data[i] = (float)(i % 13) / 1300;
    for (int round = 0; round <= ROUNDS; round++)
        for (int i = 0; i < WAYS; i++) {
            double taken_s = run(&l, &ways[i]);
            if (round < 2 || taken_s < best[i]) best[i] = taken_s; // the first warms up
        }
    double flops = 6.0 * (double)tokens * (double)in * (double)out;
    for (int i = 1; i < WAYS; i++) met &= best[i] / best[0] >= ways[i].bar;
    if (world.rank == 0)
        printf("%5lld x %4lld x %4lld  native %7.2f ms (%.0f GFLOP/s)  psgemm %7.2f (%.2fx, bar "
               "%.2f)  panels of 256 %7.2f (%.2fx, bar %.2f)  %s\n",
               (long long)tokens, (long long)in, (long long)out, 1e3 * best[0],
               flops / best[0] / 1e9, 1e3 * best[1], best[1] / best[0], ways[1].bar, 1e3 * best[2],
               best[2] / best[0], ways[2].bar, met ? "yes" : "NO");
    Dmat *const all[] = { &l.x, &l.w, &l.y, &l.dx, &l.dw };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) dmat_release(all[i]);
    return met;
}

int main(int argc, char **argv)
{
    static const int64_t shapes[][3] = {
        { 1024, 768, 768 }, { 1024, 768, 3072 }, { 1024, 3072, 768 }, { 1024, 4096, 4096 }
    };
    bool met = true;
    (void)argc;
    gemm_choose_core(argv);
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    matrix_grid_start(&grid, &world, 1, world.size);
    if (world.rank == 0)
        printf("%d ranks, products of one %.0f GFLOP/s\n", world.size, gemm_measure_gflops());
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        met &= compare(shapes[i][0], shapes[i][1], shapes[i][2]);
    matrix_grid_stop(&grid);
    comm_stop(&world);
    return met ? EXIT_SUCCESS : EXIT_FAILURE;
}
