/* TEST ranks=1,2,3,4,5,8 labels=train timeout=120 */
#include "base/mem.h"
#include "comm/agree.h"
#include "data/leaves.h"
#include "support/check.h"
#include "support/noise.h"
#include "support/folder.h"
#include "train/ahead.h"

#include <mpi.h>
#include <stdlib.h>

static Comm world;

// The exchange of the dense gradient starts in the backward pass and gives the bits of one that
// starts after it. Several buckets a rank, whatever the number of ranks.
enum { PARAMS = 9, COLS = 150011, UNWRITTEN = 5, FROZEN = 3 };
static Param params[PARAMS];
static Model model = { .params = params, .param_count = PARAMS };

static void make_params(void)
{
    for (int i = 0; i < PARAMS; i++) {
        params[i] = (Param){ .rank = 1, .rows = 1, .cols = COLS, .offset = model.elements };
        model.elements += (COLS + 15) / 16 * 16;
    }
    params[FROZEN].kind = PARAM_FROZEN;
    model.dense_elements = model.elements;
}

static void fill(Weight *weight, int64_t leaf, int param)
{
    // what no record wrote counts as zero, whatever the buffer holds
    weight->written = param != UNWRITTEN || leaf % 3 == 1;
    for (int64_t k = 0; k < COLS && weight->gradient && weight->written; k++)
        weight->gradient[k] = noise(leaf, params[param].offset + k);
}

/// In which order a leaf's gradients are announced as they are written.
typedef enum { NEVER, LAST_FIRST, FIRST_FIRST, EACH_RANK_ITS_OWN } Order;

static void run_leaf(Gradients *gradients, Weight *weights, int64_t leaf, Order order)
{
    if (order == EACH_RANK_ITS_OWN) order = (Order)(world.rank % EACH_RANK_ITS_OWN);
    gradients_leaf_start(gradients, weights);
    for (int i = 0; i < PARAMS; i++) {
        int param = order == LAST_FIRST ? PARAMS - 1 - i : i;
        fill(&weights[param], leaf, param);
        if (order != NEVER) gradients_ready(gradients, param);
    }
    gradients_leaf_done(gradients);
}

/// A number for the sums and squares of all ranks.
static uint64_t hash_sum(const Gradients *gradients, const Blocks *blocks, SquareSum squares)
{
    int64_t *hashes = MEM_NEW(int64_t, blocks->count);
    for (int b = 0; b < blocks->count; b++) {
        if (blocks->items[b].owner != world.rank) continue;
        const float *sum = gradients_dense(gradients) + blocks->items[b].first;
        uint64_t hash = 1469598103934665603u;
        for (int64_t k = 0; k < blocks->items[b].count; k++) {
            uint32_t bits;
            memcpy(&bits, &sum[k], sizeof bits);
            hash = (hash ^ bits) * 0x100000001b3u;
        }
        hashes[b] = (int64_t)hash;
    }
    comm_sum_int64(&world, hashes, blocks->count);
    comm_sum_doubles(&world, squares.levels, SQUARE_LEVELS);
    uint64_t hash;
    double norm = square_sum_total(&squares);
    memcpy(&hash, &norm, sizeof hash);
    for (int b = 0; b < blocks->count; b++) hash = (hash ^ (uint64_t)hashes[b]) * 0x100000001b3u;
    mem_free(hashes);
    return hash;
}

static uint64_t sum_leaves(int64_t leaves, Order order)
{
    Blocks blocks;
    Weight weights[PARAMS] = { { 0 } };
    int64_t cuts[17];
    uint64_t hash = 0;
    leaves_cut(cuts, leaves, world.size);
    blocks_init(&blocks, &model, &world);
    Gradients *gradients = gradients_new(&world, &model, &blocks, cuts, 1);
    SquareSum squares;
    for (int step = 0; step < 2; step++) { // the second step reuses every buffer
        for (int64_t leaf = cuts[world.rank]; leaf < cuts[world.rank + 1]; leaf++)
            run_leaf(gradients, weights, leaf, order);
        gradients_finish(gradients, &squares);
        uint64_t again = hash_sum(gradients, &blocks, squares);
        if (step) CHECK_TRUE(hash == again);
        hash = again;
    }
    gradients_free(gradients);
    blocks_release(&blocks);
    return hash;
}

/// What rank 0 computes by itself, all at the end.
static uint64_t sum_alone(int64_t leaves)
{
    Comm all = world;
    uint64_t sum = 0;
    world = comm_self();
    if (!all.rank) sum = sum_leaves(leaves, NEVER);
    world = all;
    comm_broadcast(&world, &sum, sizeof sum, 0);
    return sum;
}

static void early_is_late(void)
{
    static const int64_t counts[] = { 16, 13, 3 }; // of 3, some ranks have no leaf
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        uint64_t alone = sum_alone(counts[i]);
        for (Order order = NEVER; order <= EACH_RANK_ITS_OWN; order++)
            CHECK_TRUE(sum_leaves(counts[i], order) == alone);
    }
}

// The trainer's own step.

static const Weight *watched; ///< (watched_count)
static int watched_count;
static int64_t early_sends, sends;

/// In the place of MPI's: counts messages that start while a record of the backward pass is left.
int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    bool early = false;
    for (int i = 0; i < watched_count; i++) early |= watched[i].awaited;
    early_sends += early;
    sends++;
    return PMPI_Isend(data, count, type, to, tag, comm, request);
}

/// A BERT whose layers fill several buckets.
static Status write_model(const char *path)
{
    static const char config_text[] =
        "{\"model_type\": \"bert\", \"vocab_size\": 100, \"hidden_size\": 128,"
        " \"num_hidden_layers\": 6, \"num_attention_heads\": 4, \"intermediate_size\": 512,"
        " \"max_position_embeddings\": 40, \"type_vocab_size\": 2, \"hidden_act\": \"gelu\","
        " \"layer_norm_eps\": 1e-12, \"id2label\": {\"0\": \"ham\", \"1\": \"spam\"}}";
    Status status = OK;
    Json *config = NULL;
    Model *bert = NULL;
    TRY(json_parse(&config, config_text, sizeof config_text - 1, "test"));
    TRY(model_new(&bert, config, "text_classification", 0, NULL, "test"));
    TRY(text_read_file(&bert->tokenizer_json, NULL,
                       TEST_FOLDER "/../golden/tiny-bert/tokenizer.json"));
    model_allocate(bert);
    for (int i = 0; i < bert->param_count; i++) {
        Param *param = &bert->params[i];
        param->absent = false;
        for (int64_t k = 0; k < param->rows * param->cols; k++)
            bert->values[param->offset + k] = 1e-6f * noise(i, k);
    }
    TRY(model_save(bert, path));
done:
    model_free(bert);
    json_free(config);
    return status;
}

static Status write_rows(const char *path)
{
    Text rows = { 0 };
    text_append(&rows, "Label\tSMS\n");
    for (int i = 0; i < 64; i++)
        text_printf(&rows, "%s\t%s %d\n", i % 3 ? "ham" : "spam", "a message", i);
    Status status = text_write_file(path, rows.data, rows.length_bytes);
    text_release(&rows);
    return status;
}

static void fill_recipe(Recipe *recipe)
{
    static const Recipe empty;
    const char *const set[][2] = {
        { "model.path", folder_path("model.h5") },
        { "data.path", folder_path("rows.tsv") },
        { "data.text", "SMS" },
        { "data.label", "Label" },
        { "data.max_length", "16" },
        { "train.epochs", "2" },
        { "train.batch_size", "32" },
        { "train.leaves", "8" },
        { "output.folder", folder_path("run") },
    };
    Settings settings = { 0 };
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        settings_add(&settings, set[i][0], set[i][1], "test");
    *recipe = empty;
    CHECK_EQ(options_read(recipe, recipe_options, &settings), OK);
    settings_release(&settings);
}

COLLECTIVE
static Status start_trainer(Trainer *trainer, const Recipe *recipe)
{
    Status status = OK;
    TRY_ROOT(&world, write_model(recipe->model.path));
    TRY_ROOT(&world, write_rows(recipe->data.path));
    TRY(trainer_init(trainer, &world, recipe));
done:
    return status;
}

static void sends_start_in_the_backward_pass(void)
{
    static Trainer trainer;
    Recipe recipe;
    folder_make(&world);
    fill_recipe(&recipe);
    Status status = start_trainer(&trainer, &recipe);
    if (status != OK) check_failed(__FILE__, __LINE__, "%s", status_message());
    for (int step = 0; step < 3 && status == OK; step++) {
        StepRecord record;
        if (!step) ahead_take(&trainer);
        watched = trainer.weights;
        watched_count = trainer.model->param_count;
        early_sends = sends = 0;
        train_step(&trainer, &record);
        watched_count = 0;
        CHECK_TRUE(!record.diverged);
        comm_sum_int64(&world, &early_sends, 1);
        comm_sum_int64(&world, &sends, 1);
        // every rank sends a bucket of the upper layers to each rank that owns some
        CHECK_TRUE(early_sends >= (world.size > 1 ? world.size - 1 : 0));
        CHECK_TRUE(early_sends < sends || world.size == 1);
    }
    if (status == OK) trainer_release(&trainer);
    folder_remove(&world);
}

static const Case cases[] = {
    { "early is late", early_is_late },
    { "sends start in the backward pass", sends_start_in_the_backward_pass },
};

int main(int argc, char **argv)
{
    CHECK_EQ(comm_start(&world), OK);
    make_params();
    int code = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    CHECK_EQ(mem_live_blocks(), 0);
    comm_stop(&world);
    return code;
}
