/* TEST labels=nn timeout=60 */
#include "support/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "nn/columns.h"

#include <omp.h>
#include <stdlib.h>

enum { COLS = 37, MOST = 1000 };
static const int64_t counts[] = { 0, 1, 3, 63, 64, 65, 200, 257, 321, MOST };
static const Pass pass = { .training = true };
static const Packing packing = { .sequences = 0 };

static void sums_of_all_counts(void)
{
    float *x = MEM_NEW(float, MOST *COLS), sums[COLS], again[COLS];
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    for (int64_t i = 0; i < MOST * COLS; i++)
        x[i] = (float)(2 * rng_uniform(4, 1, 0, (uint64_t)i) - 1);
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        omp_set_num_threads(1);
        columns_sum(tape, sums, x, counts[k], COLS, true);
        for (int64_t c = 0; c < COLS; c++) {
            double expected = 0;
            for (int64_t r = 0; r < counts[k]; r++) expected += (double)x[r * COLS + c];
            CHECK_NEAR(sums[c], expected, 2e-5);
        }
        for (int threads = 2; threads <= 3; threads++) {
            omp_set_num_threads(threads);
            columns_sum(tape, again, x, counts[k], COLS, true);
            CHECK_TRUE(!memcmp(sums, again, sizeof sums));
        }
        columns_sum(tape, again, x, counts[k], COLS, false);
        for (int64_t c = 0; c < COLS; c++) CHECK_TRUE(again[c] == 2 * sums[c]);
    }
    omp_set_num_threads(1);
    tape_free(tape);
    mem_free(x);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Blocks of 64 in order, then pairs: with one value a block the tree shows in the rounding.
static void blocks_are_added_pairwise(void)
{
    float *x = MEM_NEW(float, 4 * COLUMN_BLOCK), sum;
    Tape *tape = tape_new(1 << 20);
    tape_start(tape, &pass, &packing);
    x[0] = 1;
    for (int b = 1; b < 4; b++) x[b * COLUMN_BLOCK] = 0.4f * 0x1p-24f;
    columns_sum(tape, &sum, x, 4 * COLUMN_BLOCK, 1, true);
    CHECK_TRUE(sum == 1);
    for (int b = 1; b < 4; b++) x[b * COLUMN_BLOCK] = 0.75f * 0x1p-24f;
    columns_sum(tape, &sum, x, 4 * COLUMN_BLOCK, 1, true);
    CHECK_TRUE(sum == 1 + 0x1p-23f);
    tape_free(tape);
    mem_free(x);
}

static const Case cases[] = {
    { "sums_of_all_counts", sums_of_all_counts },
    { "blocks_are_added_pairwise", blocks_are_added_pairwise },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, (int)(sizeof cases / sizeof *cases));
}
