/* TEST labels=train timeout=60 */
#include "train/batches.h"
#include "base/mem.h"
#include "base/rng.h"
#include "data/leaves.h"
#include "model/encoder.h"
#include "support/check.h"

#include <stdlib.h>

static const Model model = { .arch = &bert_arch, .spec = { .hidden_size = 32 } };

/// A data set of lengths alone, every row for training. The caller owns *offsets and the splits.
static Dataset lengths_of(int64_t rows, int64_t **offsets)
{
    *offsets = MEM_NEW(int64_t, rows + 1);
    return (Dataset){
        .rows = rows, .path = "here", .offsets = *offsets, .splits = MEM_NEW(uint8_t, rows)
    };
}

static void release(Dataset *data)
{
    mem_free((void *)data->offsets);
    mem_free((void *)data->splits);
}

/// Every leaf of some epochs is within the bound, and the bound is not a step's worth.
static void check_bound(const Dataset *data, TrainOptions options)
{
    Batches batches;
    Batch batch;
    LeafPlan plan = { 0 };
    int64_t leaves, bound, most = 0;
    double *costs = MEM_NEW(double, data->rows);
    CHECK_EQ(batches_init(&batches, data, &options), OK);
    CHECK_EQ(batches_leaves(&leaves, &bound, &batches, &model), OK);
    for (int64_t step = 0; step < batches.last; step++) {
        batches_take(&batches, &batch, step);
        CHECK_TRUE(batch.count <= batches.most_sequences);
        for (int64_t i = 0; i < batch.count; i++)
            costs[i] = model.arch->sequence_cost(&model.spec, dataset_length(data, batch.rows[i]));
        leaves_assign(&plan, costs, batch.count, leaves);
        for (int64_t leaf = 0; leaf < leaves; leaf++) {
            int64_t tokens = 0;
            for (int64_t i = plan.starts[leaf]; i < plan.starts[leaf + 1]; i++)
                tokens += dataset_length(data, batch.rows[plan.members[i]]);
            if (tokens > most) most = tokens;
        }
    }
    CHECK_TRUE(most > 0 && most <= bound);
    CHECK_TRUE(bound <= batches.tokens);
    leaf_plan_release(&plan);
    batches_release(&batches);
    mem_free(costs);
}

static void leaves_are_within_the_bound(void)
{
    enum { ROWS = 300 };
    int64_t *offsets;
    Dataset data = lengths_of(ROWS, &offsets);
    for (uint32_t kind = 0; kind < 3; kind++) {
        for (int64_t i = 0; i < ROWS; i++) {
            double u = rng_uniform(3, RNG_INIT, kind, (uint64_t)i);
            // even, skewed, and many short ones beside a few that cost much more a token
            double length = kind == 0 ? 64 : kind == 1 ? 2 + 500 * u * u : u < 0.97 ? 3 : 2000;
            offsets[i + 1] = offsets[i] + (int64_t)length;
        }
        TrainOptions options = { .epochs = 3, .seed = 5, .shuffle = true, .batch_size = 48 };
        for (options.leaves = 0; options.leaves <= 32; options.leaves += 4) {
            options.batch_tokens = 0;
            check_bound(&data, options);
            options.batch_tokens = 4096;
            check_bound(&data, options);
            options.batch_tokens = 10; // less than a row
            check_bound(&data, options);
        }
    }
    release(&data);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void bound_is_longest_processing_time(void)
{
    int64_t *offsets;
    Dataset data = lengths_of(100, &offsets);
    Batches batches;
    int64_t leaves, bound;
    for (int64_t i = 0; i < 100; i++) offsets[i + 1] = offsets[i] + 96;
    TrainOptions options = { .epochs = 1, .batch_size = 40, .leaves = 8 };
    CHECK_EQ(batches_init(&batches, &data, &options), OK);
    CHECK_EQ(batches_leaves(&leaves, &bound, &batches, &model), OK);
    CHECK_EQ(leaves, 8);
    CHECK_EQ(bound, 864); // 1.5 a token * (40 * 96 / 8 + 96)
    batches_release(&batches);
    options.batch_tokens = 1 << 30; // no more than there are
    CHECK_EQ(batches_init(&batches, &data, &options), OK);
    CHECK_EQ(batches_leaves(&leaves, &bound, &batches, &model), OK);
    CHECK_EQ(bound, 1944); // 1.5 a token * (9600 / 8 + 96)
    batches_release(&batches);
    release(&data);
}

static void steps_have_rows(void)
{
    int64_t *offsets;
    Dataset data = lengths_of(100, &offsets);
    Batches batches;
    for (int64_t i = 0; i < 100; i++) offsets[i + 1] = offsets[i] + 96;
    TrainOptions options = { .epochs = 1, .batch_size = 40 };
    CHECK_EQ(batches_init(&batches, &data, &options), OK);
    CHECK_NEAR(batches.mean_rows, 100 / 3.0, 1e-12); // 40, 40 and 20
    batches_release(&batches);
    options.batch_tokens = 1000;
    CHECK_EQ(batches_init(&batches, &data, &options), OK);
    CHECK_NEAR(batches.mean_rows, 10, 1e-12);
    batches_release(&batches);
    release(&data);
}

static void giant_leaves_are_refused(void)
{
    int64_t *offsets;
    Dataset data = lengths_of(4096, &offsets);
    Batches batches;
    int64_t leaves, bound;
    for (int64_t i = 0; i < 4096; i++) offsets[i + 1] = offsets[i] + (1 << 20);
    TrainOptions options = { .epochs = 1, .batch_size = 4096, .leaves = 1 };
    CHECK_EQ(batches_init(&batches, &data, &options), OK);
    CHECK_EQ(batches_leaves(&leaves, &bound, &batches, &model), USAGE);
    CHECK_TRUE(strstr(status_message(), "can have 4294967296 tokens, more than 2147483647: lower "
                                        "train.batch_size or raise train.leaves (now 1)") != NULL);
    batches_release(&batches);
    options.batch_size = 16;
    CHECK_EQ(batches_init(&batches, &data, &options), OK);
    CHECK_EQ(batches_leaves(&leaves, &bound, &batches, &model), OK);
    batches_release(&batches);
    release(&data);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "leaves are within the bound", leaves_are_within_the_bound },
    { "bound is longest processing time", bound_is_longest_processing_time },
    { "steps have rows", steps_have_rows },
    { "giant leaves are refused", giant_leaves_are_refused },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
