#include "train/finish.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "report/report.h"
#include "store/provenance.h"
#include "train/checkpoint_folder.h"
#include "train/efficiency.h"
#include "train/evaluate.h"
#include "train/outcomes.h"
#include "train/series.h"

#include <omp.h>
#include <stdio.h>

static Json *summary(const Trainer *t, const char *checkpoint)
{
    Json *object = json_new_object();
    Value facts[PROVENANCE_VALUES];
    ProvenanceTexts texts;
    int count = provenance_values(facts, &texts);
    json_set_text(object, "model", t->recipe->model.path);
    json_set_text(object, "data", t->recipe->data.path);
    json_set_text(object, "checkpoint", checkpoint);
    json_set_int(object, "step", t->step);
    json_set_int(object, "ranks", t->comm->size);
    Text grid = { 0 };
    text_printf(&grid, "%d x %d x %d", t->grid.data, t->grid.rows, t->grid.cols);
    json_set_text(object, "grid", grid.data);
    text_release(&grid);
    json_set_int(object, "threads a rank", omp_get_max_threads());
    json_set_int(object, "leaves", t->leaves);
    json_set_int(object, "parameters", model_parameters(t->model));
    for (int i = 0; i < count; i++) json_set_text(object, facts[i].name, facts[i].text);
    return object;
}

COLLECTIVE
static Status write_report(Trainer *t, const Json *results, const Evaluation *test)
{
    Status status = OK;
    TRY_ROOT(t->comm, series_write(t->recipe));
    TRY_ROOT(t->comm, lock_check(t->lock));
    if (test->whole) // agreed: the same rows on all ranks
        TRY_ROOT(t->comm, outcomes_write(t->recipe->output.folder, t->model, t->data, test));
    TRY_ROOT(t->comm, report_write(t->recipe->output.folder, results));
done:
    return status;
}

static bool has_to_stop(void *deadline)
{
    return deadline_reached(deadline);
}

/// Collective. Evaluates the splits that have rows, into `splits` and `table`; *test, if there are
/// such rows, is the caller's.
COLLECTIVE
static Status evaluate_splits(Json *splits, Text *table, Evaluation *test, Trainer *t,
                              const char *path)
{
    Watch watch = { has_to_stop, &t->deadline, false };
    for (Split split = SPLIT_VALIDATION; split <= SPLIT_TEST; split++) {
        Evaluation found;
        bool any = evaluate_split(t->comm, &found, &t->recipe->train, t->model, t->tokenizer,
                                  t->data, split, &watch);
        if (watch.stopped) return deadline_obey(&t->deadline, t->step);
        if (!any) continue;
        text_printf(table, "%s (%s)\n%s", split_names[split], path, text_chars(&found.table));
        json_set(splits, split_names[split], json_clone(found.whole));
        if (split == SPLIT_TEST)
            *test = found;
        else
            evaluation_release(&found);
    }
    return OK;
}

Status finish_run(Trainer *t, const Json *efficiency)
{
    Status status = OK;
    char *path = NULL;
    Json *results = json_new_object();
    Text table = { 0 };
    Evaluation test = { 0 };
    json_set_text(results, "title", t->recipe->output.folder);
    deadline_finish(&t->deadline);
    TRY_ROOT(t->comm, checkpoint_of_run(&path, t->recipe->output.folder, false));
    comm_broadcast_text(t->comm, &path, 0);
    trainer_release_engine(t); // the last weights are in their checkpoint
    model_free(t->model);
    t->model = NULL;
    TRY(model_load(t->comm, &t->model, path, t->recipe->model.task));
    json_set(results, "summary", summary(t, path));
    Json *splits = json_new_object();
    json_set(results, "splits", splits);                  // which owns it from here on
    TRY(evaluate_splits(splits, &table, &test, t, path)); // agreed: the same on all ranks
    if (t->comm->rank == 0) efficiency_put(results, efficiency, t);
    json_set(results, "recipe", recipe_json(t->recipe));
    if (t->lock) TRY(write_report(t, results, &test));
    if (t->comm->rank == 0)
        printf(
            "%scheckpoint %s\nrun folder %s\nreport     %s/report.html\nloss curve %s/loss.svg\n",
            text_chars(&table), path, t->recipe->output.folder, t->recipe->output.folder,
            t->recipe->output.folder);
done:
    evaluation_release(&test);
    text_release(&table);
    json_free(results);
    mem_free(path);
    return status;
}
