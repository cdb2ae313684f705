/* TEST labels=data timeout=60 */
#include "base/mem.h"
#include "base/rng.h"
#include "data/leaves.h"
#include "support/check.h"

static void leaves_are_chosen_by_batch_and_tokens(void)
{
    CHECK_EQ(leaves_choose(32, 32 * 25), 2); // the SMS recipe: 800 tokens a step
    CHECK_EQ(leaves_choose(32, 512), 2);
    CHECK_EQ(leaves_choose(32, 511), 1);
    CHECK_EQ(leaves_choose(32, 1e6), 32);
    CHECK_EQ(leaves_choose(33, 1e6), 32);
    CHECK_EQ(leaves_choose(1, 1e6), 1);
    CHECK_EQ(leaves_choose(32, 0), 1);
}

static void order_is_a_permutation(void)
{
    enum { COUNT = 1000 };
    int64_t rows[COUNT], again[COUNT], same = 0;
    bool seen[2 * COUNT] = { false };
    for (int i = 0; i < COUNT; i++) rows[i] = 2 * i;
    order_epoch(rows, COUNT, true, 5, 0);
    for (int i = 0; i < COUNT; i++) seen[rows[i]] = true;
    for (int i = 0; i < COUNT; i++) CHECK_TRUE(seen[2 * i]);
    for (int i = 1; i < COUNT; i++)
        CHECK_TRUE(rng_bits(5, RNG_SHUFFLE, 0, (uint64_t)rows[i - 1]) <
                   rng_bits(5, RNG_SHUFFLE, 0, (uint64_t)rows[i]));
    memcpy(again, rows, sizeof rows);
    order_epoch(again, COUNT, true, 5, 1);
    for (int i = 0; i < COUNT; i++) same += rows[i] == again[i];
    CHECK_TRUE(same < 10);
    order_epoch(again, COUNT, true, 5, 0); // whatever the order was before
    CHECK_TRUE(!memcmp(rows, again, sizeof rows));
    order_epoch(again, COUNT, false, 5, 3);
    for (int i = 0; i < COUNT; i++) CHECK_EQ(again[i], 2 * i);
}

/// Lengths as in text messages: most are short, some go up to the limit.
static double draw_cost(uint64_t i)
{
    double u = rng_uniform(1, RNG_INIT, 0, i);
    double length = floor(6 + 18 * u + 100 * pow(u, 8));
    return length + length * length / (6 * 384);
}

static void check_plan(const LeafPlan *plan, const double *costs, int64_t count)
{
    bool *seen = MEM_NEW(bool, count);
    CHECK_EQ(plan->starts[0], 0);
    CHECK_EQ(plan->starts[plan->leaves], count);
    for (int64_t leaf = 0; leaf < plan->leaves; leaf++) {
        double sum = 0;
        for (int64_t i = plan->starts[leaf]; i < plan->starts[leaf + 1]; i++) {
            CHECK_TRUE(!seen[plan->members[i]]);
            seen[plan->members[i]] = true;
            sum += costs[plan->members[i]];
            if (i > plan->starts[leaf]) CHECK_TRUE(plan->members[i - 1] < plan->members[i]);
        }
        CHECK_NEAR(plan->costs[leaf], sum, 1e-9 * sum);
    }
    mem_free(seen);
}

static void leaves_are_balanced(void)
{
    enum { MOST = 2048 };
    double costs[MOST];
    LeafPlan plan = { 0 };
    for (int64_t leaves = 1; leaves <= 64; leaves *= 2) {
        for (uint64_t step = 0; step < 50; step++) {
            int64_t count = 16 * leaves;
            double most = 0, sum = 0;
            for (int64_t i = 0; i < count; i++) costs[i] = draw_cost(step * MOST + (uint64_t)i);
            leaves_assign(&plan, costs, count, leaves);
            check_plan(&plan, costs, count);
            for (int64_t leaf = 0; leaf < leaves; leaf++) {
                if (plan.costs[leaf] > most) most = plan.costs[leaf];
                sum += plan.costs[leaf];
            }
            CHECK_TRUE(most <= 1.03 * sum / (double)leaves);
        }
    }
    leaf_plan_release(&plan);
}

static void ties_are_decided(void)
{
    // 5 to leaf 0, 5 to 1, 3 to 0, 3 to 1, 3 to 0, 1 to 1
    const double costs[] = { 1, 5, 3, 3, 5, 3 };
    LeafPlan plan = { 0 };
    leaves_assign(&plan, costs, 6, 2);
    CHECK_EQ(plan.starts[1], 3);
    const int64_t first[] = { 1, 2, 5 }, second[] = { 0, 3, 4 };
    CHECK_TRUE(!memcmp(plan.members, first, sizeof first));
    CHECK_TRUE(!memcmp(plan.members + 3, second, sizeof second));
    leaf_plan_release(&plan);
}

static void leaves_may_be_empty(void)
{
    const double costs[] = { 2, 2, 2 };
    LeafPlan plan = { 0 };
    leaves_assign(&plan, costs, 3, 8);
    for (int leaf = 0; leaf < 8; leaf++)
        CHECK_EQ(plan.starts[leaf + 1] - plan.starts[leaf], leaf < 3);
    leaves_assign(&plan, costs, 0, 4);
    CHECK_EQ(plan.starts[4], 0);
    leaf_plan_release(&plan);
}

/// Aligned powers of two in [first, first + count).
static int64_t count_pieces(int64_t first, int64_t count)
{
    int64_t pieces = 0;
    for (int64_t end = first + count; first < end; pieces++) {
        int64_t size = 1;
        while (first % (2 * size) == 0 && first + 2 * size <= end) size *= 2;
        first += size;
    }
    return pieces;
}

static double mean_pieces(int64_t leaves, int64_t ranks)
{
    int64_t cuts[65], pieces = 0;
    leaves_cut(cuts, leaves, ranks);
    CHECK_EQ(cuts[0], 0);
    CHECK_EQ(cuts[ranks], leaves);
    for (int64_t rank = 0; rank < ranks; rank++) {
        int64_t count = cuts[rank + 1] - cuts[rank];
        CHECK_TRUE(count >= 0 && count <= (leaves + ranks - 1) / ranks);
        pieces += count_pieces(cuts[rank], count);
    }
    return (double)pieces / (double)ranks;
}

static void ranks_cover_the_leaves(void)
{
    for (int64_t leaves = 1; leaves <= 40; leaves++)
        for (int64_t ranks = 1; ranks <= 45; ranks++) mean_pieces(leaves, ranks);
}

static void pieces_are_fewest(void)
{
    static const struct {
        int64_t leaves;
        double worst, mean; ///< over 1 .. leaves ranks, of the mean pieces of a rank
    } expected[] = { { 16, 5.0 / 3, 0.95 }, { 32, 3.0, 1.08 }, { 64, 3.4, 1.11 } };
    for (int i = 0; i < 3; i++) {
        double worst = 0, sum = 0;
        for (int64_t ranks = 1; ranks <= expected[i].leaves; ranks++) {
            double mean = mean_pieces(expected[i].leaves, ranks);
            if (!(ranks & (ranks - 1))) CHECK_EQ(mean, 1);
            if (mean > worst) worst = mean;
            sum += mean;
        }
        CHECK_NEAR(worst, expected[i].worst, 1e-9);
        CHECK_NEAR(sum / (double)expected[i].leaves, expected[i].mean, 0.005);
    }
}

static void leaf_is_laid_end_to_end(void)
{
    int64_t offsets[] = { 0, 2, 5, 5, 9 };
    int32_t ids[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, type_starts[] = { 2, 3, 0, 1 };
    int32_t labels[] = { 1, 0, -1, 1 };
    const Dataset dataset = { .rows = 4,
                              .tokens = 9,
                              .offsets = offsets,
                              .ids = ids,
                              .type_starts = type_starts,
                              .labels = labels };
    LeafBuffers buffers = { 0 };
    Packing packing;
    leaf_pack(&buffers, &packing, &dataset, (int64_t[]){ 3, 2, 0 }, 3);
    CHECK_EQ(packing.sequences, 3);
    CHECK_EQ(packing.tokens, 6);
    CHECK_EQ(packing.longest, 4);
    CHECK_TRUE(!memcmp(packing.cu_seqlens, (int32_t[]){ 0, 4, 4, 6 }, 16));
    CHECK_TRUE(!memcmp(packing.samples, (int64_t[]){ 3, 2, 0 }, 24));
    CHECK_TRUE(!memcmp(packing.ids, (int32_t[]){ 6, 7, 8, 9, 1, 2 }, 24));
    CHECK_TRUE(!memcmp(packing.types, (int32_t[]){ 0, 1, 1, 1, 0, 0 }, 24));
    CHECK_TRUE(!memcmp(buffers.labels, (int32_t[]){ 1, -1, 1 }, 12));
    leaf_pack(&buffers, &packing, &dataset, (int64_t[]){ 1 }, 1);
    CHECK_TRUE(packing.types == NULL && packing.tokens == 3);
    leaf_pack(&buffers, &packing, &dataset, NULL, 0);
    CHECK_TRUE(packing.sequences == 0 && packing.tokens == 0 && packing.longest == 0);
    CHECK_EQ(packing.cu_seqlens[0], 0);
    leaf_buffers_release(&buffers);
}

static void frees_all_blocks(void)
{
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "leaves are chosen by batch and tokens", leaves_are_chosen_by_batch_and_tokens },
    { "order is a permutation", order_is_a_permutation },
    { "leaves are balanced", leaves_are_balanced },
    { "ties are decided", ties_are_decided },
    { "leaves may be empty", leaves_may_be_empty },
    { "ranks cover the leaves", ranks_cover_the_leaves },
    { "pieces are fewest", pieces_are_fewest },
    { "leaf is laid end to end", leaf_is_laid_end_to_end },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
