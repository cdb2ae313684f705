/* TEST ranks=1,2,3,4,5,8 labels=train timeout=30 */
#include "base/mem.h"
#include "comm/agree.h"
#include "data/leaves.h"
#include "support/check.h"
#include "support/noise.h"
#include "train/gradients.h"

#include <stdlib.h>

// A model of two dense parameters and two tables, big enough for several blocks.
enum { DENSE_A = 70001, DENSE_B = 3000, ROWS = 1000, COLS = 24, FEW_ROWS = 5 };
static Comm world;
static Param params[] = {
    { .name = "a", .rank = 1, .rows = 1, .cols = DENSE_A, .offset = 0 },
    { .name = "b", .rank = 1, .rows = 1, .cols = DENSE_B, .offset = 70016 },
    { .name = "table", .rank = 2, .rows = ROWS, .cols = COLS, .offset = 73024, .table = true },
    { .name = "few", .rank = 2, .rows = FEW_ROWS, .cols = COLS, .offset = 97024, .table = true },
};
static Model model = {
    .params = params, .param_count = 4, .elements = 97024 + FEW_ROWS * COLS, .dense_elements = 73024
};

static void fill_table(TouchedRows *rows, int64_t leaf, int64_t count, int64_t step)
{
    for (int64_t id = leaf % 3; id < count; id += step + leaf % 4) {
        int64_t at = rows->count++;
        rows->ids[at] = (int32_t)id;
        for (int64_t j = 0; j < COLS; j++)
            rows->rows[at * COLS + j] = noise(leaf, 1000000 + id * COLS + j);
    }
}

static void fill_leaf(Weight *weights, int64_t leaf)
{
    for (int64_t i = 0; i < DENSE_A; i++) weights[0].gradient[i] = noise(leaf, i);
    weights[0].written = true;
    // a leaf may leave a parameter out: then its gradient counts as zero
    weights[1].written = leaf % 5 != 2;
    for (int64_t i = 0; i < DENSE_B && weights[1].written; i++)
        weights[1].gradient[i] = noise(leaf, 500000 + i);
    fill_table(weights[2].touched, leaf, ROWS, 7);
    fill_table(weights[3].touched, leaf, FEW_ROWS, 1);
}

/// The tree sum of one value, straight from its definition.
static float tree(int64_t leaves, int64_t start, int64_t size, float (*value)(int64_t, int64_t),
                  int64_t element, bool *any)
{
    *any = start < leaves;
    if (!*any) return 0;
    if (size == 1) return value(start, element);
    bool has_left, has_right;
    float left = tree(leaves, start, size / 2, value, element, &has_left);
    float right = tree(leaves, start + size / 2, size / 2, value, element, &has_right);
    return has_right ? left + right : left;
}

static float dense_b(int64_t leaf, int64_t element)
{
    return leaf % 5 != 2 ? noise(leaf, 500000 + element) : 0;
}

static void check_dense(const Gradients *gradients, const Blocks *blocks, int64_t leaves)
{
    int64_t wrong = 0, elements = 0;
    bool any;
    const float *sum = gradients_dense(gradients);
    for (int b = 0; b < blocks->dense_count; b++) {
        const Block *block = &blocks->items[b];
        if (block->owner != world.rank) continue;
        for (int64_t e = block->first; e < block->first + block->count; e++) {
            float expected = 0;
            if (e < DENSE_A) expected = tree(leaves, 0, 16, noise, e, &any);
            if (e >= 70016 && e < 70016 + DENSE_B)
                expected = tree(leaves, 0, 16, dense_b, e - 70016, &any);
            wrong += memcmp(&expected, &sum[e], sizeof expected) != 0;
            elements++;
        }
    }
    CHECK_EQ(wrong, 0);
    comm_sum_int64(&world, &elements, 1);
    CHECK_EQ(elements, blocks->items[blocks->dense_count - 1].first +
                           blocks->items[blocks->dense_count - 1].count);
}

static uint64_t hash_bytes_of(uint64_t hash, const void *data, size_t bytes)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

/// A hash of each row of a table and of the sum of squares, gathered over ranks.
static uint64_t hash_tables(const Gradients *gradients, SquareSum squares)
{
    int64_t *hashes = MEM_NEW(int64_t, ROWS + FEW_ROWS);
    for (int table = 0; table < 2; table++) {
        const TouchedRows *rows = gradients_table(gradients, table);
        for (int64_t i = 0; i < rows->count; i++)
            hashes[table * ROWS + rows->ids[i]] = (int64_t)hash_bytes_of(
                1469598103934665603u, rows->rows + i * COLS, COLS * sizeof(float));
    }
    comm_sum_int64(&world, hashes, ROWS + FEW_ROWS);
    uint64_t hash =
        hash_bytes_of(1469598103934665603u, hashes, (size_t)(ROWS + FEW_ROWS) * sizeof *hashes);
    comm_sum_doubles(&world, squares.levels, SQUARE_LEVELS);
    hash = hash_bytes_of(hash, &squares, sizeof squares);
    mem_free(hashes);
    return hash;
}

static uint64_t sum_leaves(int64_t leaves)
{
    Blocks blocks;
    Weight weights[4] = { { 0 } };
    int64_t cuts[17];
    leaves_cut(cuts, leaves, world.size);
    blocks_init(&blocks, &model, &world);
    Gradients *gradients = gradients_new(&world, &model, &blocks, cuts, ROWS);
    SquareSum squares;
    uint64_t hash = 0;
    for (int step = 0; step < 2; step++) { // the second step reuses every buffer
        for (int64_t leaf = cuts[world.rank]; leaf < cuts[world.rank + 1]; leaf++) {
            gradients_leaf_start(gradients, weights);
            fill_leaf(weights, leaf);
            gradients_leaf_done(gradients);
        }
        gradients_finish(gradients, &squares);
        check_dense(gradients, &blocks, leaves);
        uint64_t again = hash_tables(gradients, squares);
        if (step) CHECK_TRUE(hash == again);
        hash = again;
    }
    gradients_free(gradients);
    blocks_release(&blocks);
    return hash;
}

/// Every rank count must give the value that one rank gives: computed here on this process alone.
static void same_on_one_rank(void)
{
    static const int64_t counts[] = { 16, 13, 9, 8 };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (world.size > counts[i]) continue;
        uint64_t spread = sum_leaves(counts[i]);
        Comm all = world;
        world = comm_self();
        uint64_t alone = sum_leaves(counts[i]);
        world = all;
        CHECK_TRUE(spread == alone);
    }
}

static const Case cases[] = { { "the same sum as on one rank", same_on_one_rank } };

int main(int argc, char **argv)
{
    CHECK_EQ(comm_start(&world), OK);
    int code = check_main(argc, argv, cases, 1);
    CHECK_EQ(mem_live_blocks(), 0);
    comm_stop(&world);
    return code;
}
