/* TEST ranks=1,2,3 labels=train timeout=60 */
#include "base/mem.h"
#include "data/leaves.h"
#include "support/check.h"
#include "train/optimizer.h"

#include <stdlib.h>

// More updates than the optimizer keeps for rows that wait, twice over.
enum { STEPS = 2100, DENSE = 40, ROWS = 600, COLS = 20, LEAVES = 3, ELEMENTS = 48 + ROWS * COLS };
static Comm world;
static Param params[] = {
    { .name = "a", .rank = 2, .rows = 2, .cols = DENSE / 2, .offset = 0, .decays = true },
    { .name = "table",
      .rank = 2,
      .rows = ROWS,
      .cols = COLS,
      .offset = 48,
      .table = true,
      .decays = true },
};
static float values[ELEMENTS];
static Model model = {
    .params = params, .param_count = 2, .elements = ELEMENTS, .dense_elements = 48, .values = values
};
static const TrainOptions options = {
    .adam_beta1 = 0.9, .adam_beta2 = 0.999, .adam_epsilon = 1e-8, .weight_decay = 0.01
};

static float noise(int64_t step, int64_t element)
{
    uint32_t x = (uint32_t)(step * 2654435761u + element * 40503u + 12345u);
    x ^= x >> 13, x *= 0x5bd1e995u, x ^= x >> 15;
    return ((float)(x & 0xffff) - 32768) / 32768;
}

/// Two rows a step out of the first 500: some wait for hundreds of updates, some never come.
static int touched_rows(int32_t ids[2], int64_t step)
{
    int32_t a = (int32_t)(step * 37 % 499), b = (int32_t)(step / 50 % 499);
    ids[0] = a < b ? a : b;
    ids[1] = a < b ? b : a;
    return a == b ? 1 : 2;
}

static double rate(int64_t step)
{
    return 1e-3 * (1 + (double)(step % 7));
}

static void step_of(AdamStep *out, int64_t step)
{
    *out = (AdamStep){ .learning_rate = rate(step),
                       .beta1 = options.adam_beta1,
                       .beta2 = options.adam_beta2,
                       .epsilon = options.adam_epsilon,
                       .weight_decay = options.weight_decay,
                       .correction1 = 1 - pow(options.adam_beta1, (double)step + 1),
                       .correction2 = 1 - pow(options.adam_beta2, (double)step + 1),
                       .gradient_scale = 1 };
}

/// Every element at every step, on this process alone.
static void update_all(float *weights, int64_t steps)
{
    float *avg = MEM_NEW(float, ELEMENTS), *avg_sq = MEM_NEW(float, ELEMENTS);
    float *gradient = MEM_NEW(float, ELEMENTS);
    for (int64_t step = 0; step < steps; step++) {
        AdamStep adam;
        int32_t ids[2];
        int count = touched_rows(ids, step);
        memset(gradient, 0, ELEMENTS * sizeof *gradient);
        for (int64_t i = 0; i < DENSE; i++) gradient[i] = noise(step, i);
        for (int row = 0; row < count; row++)
            for (int64_t i = 48 + ids[row] * COLS; i < 48 + (ids[row] + 1) * COLS; i++)
                gradient[i] = noise(step, i);
        step_of(&adam, step);
        vec_adam(weights, avg, avg_sq, gradient, ELEMENTS, &adam);
    }
    mem_free(gradient);
    mem_free(avg_sq);
    mem_free(avg);
}

/// The first leaf has all of the gradient.
static void fill_leaf(Weight *weights, int64_t step)
{
    TouchedRows *touched = weights[1].touched;
    for (int64_t i = 0; i < DENSE; i++) weights[0].gradient[i] = noise(step, i);
    weights[0].written = weights[1].written = true;
    touched->count = touched_rows(touched->ids, step);
    for (int64_t row = 0; row < touched->count; row++)
        for (int64_t i = 0; i < COLS; i++)
            touched->rows[row * COLS + i] = noise(step, 48 + touched->ids[row] * COLS + i);
}

static void one_step(Optimizer *optimizer, Gradients *gradients, const int64_t *cuts, int64_t step)
{
    Weight weights[2] = { { 0 } };
    SquareSum squares;
    int32_t ids[2];
    optimizer_refresh(optimizer, 0, ids, touched_rows(ids, step));
    for (int64_t leaf = cuts[world.rank]; leaf < cuts[world.rank + 1]; leaf++) {
        gradients_leaf_start(gradients, weights);
        if (leaf == 0) fill_leaf(weights, step);
        gradients_leaf_done(gradients);
    }
    gradients_finish(gradients, &squares);
    optimizer_update_rows(optimizer, gradients, rate(step), 1);
    optimizer_update_dense(optimizer, gradients);
}

/// Rows that wait, past what is kept for them, end as if every step had updated them.
static void late_updates_are_the_same(void)
{
    Blocks blocks;
    Optimizer optimizer;
    int64_t cuts[LEAVES + 1];
    float *expected = MEM_NEW(float, ELEMENTS);
    for (int64_t i = 0; i < ELEMENTS; i++)
        values[i] = expected[i] = i < DENSE || i >= 48 ? noise(-1, i) : 0;
    leaves_cut(cuts, LEAVES, world.size);
    model.node = world.node ? world.node->alone : NULL; // the values are this rank's own
    blocks_init(&blocks, &model, &world);
    Gradients *gradients = gradients_new(&world, &model, &blocks, cuts, 2);
    optimizer_init(&optimizer, &world, &model, &blocks, &options);
    for (int64_t step = 0; step < STEPS; step++) one_step(&optimizer, gradients, cuts, step);
    optimizer_refresh_all(&optimizer);
    update_all(expected, STEPS);
    int64_t wrong = 0;
    for (int64_t i = 0; i < ELEMENTS; i++) wrong += memcmp(&values[i], &expected[i], 4) != 0;
    CHECK_EQ(wrong, 0);
    optimizer_release(&optimizer);
    gradients_free(gradients);
    blocks_release(&blocks);
    mem_free(expected);
}

static const Case cases[] = { { "late updates are the same", late_updates_are_the_same } };

int main(int argc, char **argv)
{
    CHECK_EQ(comm_start(&world), OK);
    int code = check_main(argc, argv, cases, 1);
    CHECK_EQ(mem_live_blocks(), 0);
    comm_stop(&world);
    return code;
}
