/* TEST labels=train timeout=60 */
#include "base/log.h"
#include "base/mem.h"
#include "support/check.h"
#include "support/folder.h"
#include "train/record.h"

#include <stdlib.h>

static char *read_back(const char *name)
{
    char *text = NULL;
    CHECK_EQ(text_read_file(&text, NULL, folder_path(name)), OK);
    return text ? text : mem_copy_text("");
}

/// Two steps of 100: what is said of the first follows from it alone, of the last from both.
static void progress_and_metrics(void)
{
    static Recipe recipe;
    Model model = { 0 };
    Comm self = comm_self();
    Trainer trainer = {
        .comm = &self, .recipe = &recipe, .model = &model, .batches.last = 100, .limit_gflops = 600
    };
    Record record;
    FILE *log = NULL;
    folder_make(&self);
    snprintf(recipe.output.folder, sizeof recipe.output.folder, "%s", folder_path("."));
    recipe.output.logging_steps = 1;
    CHECK_EQ(record_open_log(&log, recipe.output.folder), OK);
    CHECK_EQ(record_start(&record, &trainer), OK);
    record_step(&record, &(StepRecord){ .step = 1,
                                        .epoch = 0.125,
                                        .loss = 0.75,
                                        .learning_rate = 5e-5,
                                        .grad_norm = 2.5,
                                        .tokens = 1000,
                                        .flops = 3e11,
                                        .seconds = 2 });
    record_step(
        &record,
        &(StepRecord){
            .step = 100, .epoch = 2, .loss = 0.5, .tokens = 5000, .flops = 1.5e12, .seconds = 4 });
    CHECK_EQ(record_stop(&record), OK);
    record_close_log(log, OK);
    char *said = read_back("run.log"), *metrics = read_back("metrics.jsonl");
    // 3e11 flops in 2 s; 99 more such steps
    CHECK_TEXT(said, "step 1/100  epoch 0.12  loss 0.7500  lr 5.00e-05  500 tok/s  150 GFLOP/s "
                     "(25 % of sgemm)  ETA 3 min 18 s\n"
                     "step 100/100  epoch 2.00  loss 0.5000  lr 0.00e+00  1000 tok/s  300 GFLOP/s "
                     "(50 % of sgemm)  ETA 0.0 s\n");
    CHECK_TEXT(metrics, "{\"step\": 1, \"epoch\": 0.125, \"loss\": 0.75, \"learning_rate\": 5e-05, "
                        "\"grad_norm\": 2.5, \"tokens\": 1000, \"seconds\": 2.000000}\n"
                        "{\"step\": 100, \"epoch\": 2, \"loss\": 0.5, \"learning_rate\": 0, "
                        "\"grad_norm\": 0, \"tokens\": 5000, \"seconds\": 4.000000}\n");
    mem_free(metrics);
    mem_free(said);
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = { { "progress and metrics", progress_and_metrics } };

int main(int argc, char **argv)
{
    setenv("TERM", "dumb", 1); // a batch log, wherever this runs
    return check_main(argc, argv, cases, 1);
}
