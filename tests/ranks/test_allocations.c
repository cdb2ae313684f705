/* TEST ranks=1,2 labels=train timeout=60 */
#include "base/mem.h"
#include "support/check.h"
#include "support/folder.h"
#include "train/ahead.h"
#include "train/record.h"

// Rows of one length, so that nothing has a reason to grow; all steps are of one epoch.
enum { ROWS = 96, FIRST_STEPS = 2, STEPS = 10 };
static Comm world;

static Status write_files(const Recipe *recipe)
{
    Status status = OK;
    Text rows = { 0 };
    text_append(&rows, "label\ttext\n");
    for (int i = 0; i < ROWS; i++) text_printf(&rows, "%s\t%s\n", i % 2 ? "a" : "b", "good bad no");
    TRY(text_write_file(recipe->data.path, rows.data, rows.length_bytes));
    TRY(model_import(recipe->model.path, TEST_FOLDER "/../golden/tiny-bert"));
done:
    text_release(&rows);
    return status;
}

static void fill_recipe(Recipe *recipe, const char *cols)
{
    static const Recipe empty;
    const char *const set[][2] = {
        { "model.path", folder_path("model.h5") },
        { "data.path", folder_path("rows.tsv") },
        { "data.text", "text" },
        { "data.label", "label" },
        { "train.epochs", "1" },
        { "train.batch_size", "8" },
        { "train.learning_rate", "1e-3" },
        { "train.leaves", "4" },
        { "train.dropout", "0.1" },
        { "output.folder", folder_path(".") },
        { "output.logging_steps", "1" },
        { "data.max_length", "32" },
        { "grid.cols", cols },
    };
    Settings settings = { 0 };
    for (size_t i = 0; i < sizeof set / sizeof *set; i++)
        settings_add(&settings, set[i][0], set[i][1], "test");
    *recipe = empty;
    CHECK_EQ(options_read(recipe, recipe_options, &settings), OK);
    settings_release(&settings);
}

static void count_allocations(Trainer *trainer)
{
    Record record;
    int64_t before = 0;
    trainer->limit_gflops = 100;
    CHECK_EQ(record_start(&record, trainer), OK);
    ahead_take(trainer);
    for (int step = 0; step < STEPS; step++) {
        StepRecord done;
        if (step == FIRST_STEPS) before = mem_allocations();
        train_step(trainer, &done);
        record_step(&record, &done);
    }
    CHECK_EQ(mem_allocations() - before, 0);
    CHECK_TRUE(before > 0 && trainer->step == STEPS);
    CHECK_EQ(record_stop(&record), OK);
}

static void run_steps(const char *cols)
{
    Recipe recipe;
    Trainer trainer;
    folder_make(&world);
    fill_recipe(&recipe, cols);
    int64_t status = world.rank == 0 ? write_files(&recipe) : OK;
    comm_max_int64(&world, &status, 1);
    if (status == OK) status = trainer_init(&trainer, &world, &recipe);
    if (status != OK) {
        check_failed(__FILE__, __LINE__, "%s", status_message());
    } else {
        count_allocations(&trainer);
        trainer_release(&trainer);
    }
    folder_remove(&world);
}

static void steps_allocate_nothing(void)
{
    run_steps("1");
}

static void nor_in_a_group(void)
{
    run_steps(world.size > 1 ? "2" : "1");
}

static const Case cases[] = {
    { "steps allocate nothing", steps_allocate_nothing },
    { "nor in a group", nor_in_a_group },
};

int main(int argc, char **argv)
{
    CHECK_EQ(comm_start(&world), OK);
    int code = check_main(argc, argv, cases, 2);
    comm_stop(&world);
    return mem_live_blocks() ? 1 : code;
}
