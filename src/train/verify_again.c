#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "linalg/system.h"
#include "store/inspect.h"
#include "train/checkpoint.h"
#include "train/checkpoint_folder.h"
#include "train/layout.h"
#include "train/method.h"
#include "train/program.h"
#include "train/run.h"
#include "train/run_record.h"
#include "train/verify.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Steps `first` (from 0) to `last`, of a run whose newest checkpoint is of step `newest`.
typedef struct {
    char from[PATH_MAX], newest_path[PATH_MAX]; ///< from "": the start
    int64_t first, last, newest;
    bool owes; ///< the newest one, the evaluation of its step
} Range;

static Status step_of(int64_t *out, bool *owes, const char *path)
{
    Status status = OK;
    TensorFile *file = NULL;
    TRY(tensors_open(&file, path, "checkpoint"));
    *out = tensors_int(file, "step", 0);
    *owes = tensors_int(file, "owes_evaluation", 0);
done:
    tensors_close(file);
    return status;
}

static Status choose_range(Range *out, const Repetition *what)
{
    Status status = OK;
    char *newest = NULL, *before = NULL;
    TRY(checkpoint_newest(&newest, what->run, 0));
    if (!newest) FAIL(USAGE, "%s: holds no checkpoint to compare with", what->run);
    TRY(checkpoint_newest(&before, what->run, 1));
    snprintf(out->newest_path, sizeof out->newest_path, "%s", newest);
    snprintf(out->from, sizeof out->from, "%s", before ? before : "");
    bool unused;
    TRY(step_of(&out->newest, &out->owes, newest));
    if (before) TRY(step_of(&out->first, &unused, before));
    out->last = out->first + what->steps;
    if (out->last > out->newest) out->last = out->newest;
done:
    mem_free(before);
    mem_free(newest);
    return status;
}

typedef struct {
    char path[sizeof((Recipe *)0)->output.folder];
} Folder;

/// A new folder beside the run's, so that its prepared data is found, or in `scratch`. Where it
/// fails *out stays "": what that names is removed in the end.
static Status make_scratch(Folder *out, const Repetition *what)
{
    char run[PATH_MAX];
    Folder folder;
    size_t bytes = sizeof folder.path;
    if (!realpath(what->run, run)) return status_fail(FAILED, "%s: %s", what->run, strerror(errno));
    int length = *what->scratch ? snprintf(folder.path, bytes, "%s/verify-XXXXXX", what->scratch)
                                : snprintf(folder.path, bytes, "%s.verify-XXXXXX", run);
    if (length >= (int)bytes || !mkdtemp(folder.path))
        return status_fail(FAILED, "%s: cannot be made: %s; --scratch names another folder",
                           folder.path,
                           length < (int)bytes ? strerror(errno) : "the path is too long");
    *out = folder;
    return OK;
}

static Status check_keys(const Settings *overrides)
{
    for (int i = 0; i < overrides->count; i++)
        if (strncmp(overrides->items[i].key, "grid.", 5))
            return status_fail(USAGE, "command line: %s: verify takes grid.* keys alone",
                               overrides->items[i].key);
    return OK;
}

/// The recipe as it was, for these ranks and a folder of its own.
static Status make_recipe(Recipe *out, Range *range, Folder *scratch, const Repetition *what,
                          int ranks)
{
    Status status = OK;
    TRY(check_keys(what->overrides));
    TRY(choose_range(range, what));
    TRY(checkpoint_recipe(out, range->newest_path));
    TRY(options_override(out, recipe_options, what->overrides));
    layout_keep(&out->grid, ranks, what->overrides);
    int length = snprintf(out->train.resume, sizeof out->train.resume, "%s",
                          *range->from ? range->from : "never");
    if (length >= (int)sizeof out->train.resume)
        FAIL(USAGE, "%s: the path is too long", range->from);
    out->output.save_steps = 0;
    out->train.max_seconds = 0;
    TRY(make_scratch(scratch, what));
    memcpy(out->output.folder, scratch->path, sizeof scratch->path);
done:
    return status;
}

/// A line of metrics.jsonl without what depends on the machine; false if it is of other steps.
static bool read_line(Text *out, const char *line, size_t bytes, const Range *range)
{
    Json *object = NULL;
    text_clear(out);
    if (json_parse(&object, line, bytes, "") != OK) status_clear();
    int64_t step = json_int(json_get(object, "step"), 0);
    bool is_owed = range->owes && step == range->newest && json_get(object, "split");
    bool is_of = step > range->first && step <= range->last && !is_owed;
    if (is_of) json_remove(object, "seconds");
    if (is_of) json_print(out, object, 0);
    json_free(object);
    return is_of;
}

/// The next line of the range, "" at the end.
static void next_line(Text *out, const char **at, const Range *range)
{
    text_clear(out);
    while (**at) {
        size_t bytes = strcspn(*at, "\n");
        bool found = read_line(out, *at, bytes, range);
        *at += bytes + ((*at)[bytes] == '\n');
        if (found) return;
    }
}

static Status read_metrics(char **out, const char *folder)
{
    Text path = { 0 };
    text_printf(&path, "%s/metrics.jsonl", folder);
    Status status = text_read_file(out, NULL, path.data);
    text_release(&path);
    return status;
}

static Status compare_metrics(Text *out, int64_t *wrong, const Repetition *what, const Range *range,
                              const char *folder)
{
    Status status = OK;
    char *then = NULL, *now = NULL;
    Text a = { 0 }, b = { 0 };
    int64_t lines = 0, differ = 0;
    TRY(read_metrics(&then, what->run));
    TRY(read_metrics(&now, folder));
    for (const char *left = then, *right = now;; lines++) {
        next_line(&a, &left, range);
        next_line(&b, &right, range);
        if (!a.length_bytes && !b.length_bytes) break;
        if (!strcmp(text_chars(&a), text_chars(&b))) continue;
        if (!differ++)
            text_printf(out, "metrics differ: %s here, %s then\n",
                        b.length_bytes ? b.data : "nothing", a.length_bytes ? a.data : "nothing");
    }
    if (differ)
        text_printf(out, "%" PRId64 " of %" PRId64 " lines of metrics.jsonl differ\n", differ,
                    lines);
    else
        text_printf(out, "metrics: %" PRId64 " line%s, equal in every bit\n", lines,
                    lines == 1 ? "" : "s");
    *wrong += differ;
done:
    text_release(&b);
    text_release(&a);
    mem_free(now);
    mem_free(then);
    return status;
}

static Status compare_state(Text *out, int64_t *wrong, const Range *range, const char *folder)
{
    Status status = OK;
    Text path = { 0 }, found = { 0 };
    bool different;
    if (range->last < range->newest) {
        text_printf(out,
                    "weights and state: not compared, the next checkpoint is of step %" PRId64
                    "; --rerun %" PRId64 " reaches it\n",
                    range->newest, range->newest - range->first);
        return OK;
    }
    checkpoint_path(&path, folder, range->last);
    TRY(compare_files(&found, &different, range->newest_path, path.data, -1, 0));
    if (different) // the last line sums up
        text_printf(out, "weights and state: %s",
                    strstr(text_chars(&found), "different: ") + strlen("different: "));
    else
        text_append(out, "weights and state: equal in every bit\n");
    *wrong += different;
done:
    text_release(&found);
    text_release(&path);
    return status;
}

/// The library's text names the core too.
static bool is_same_library(const char *now, const char *then, const char *core_now,
                            const char *core_then)
{
    const char *a = strstr(now, core_now), *b = strstr(then, core_then);
    if (!a || !b || a - now != b - then) return !strcmp(now, then);
    return !memcmp(now, then, (size_t)(a - now)) &&
           !strcmp(a + strlen(core_now), b + strlen(core_then));
}

static void explain_program(Text *out, const Json *then)
{
    const char *core_now = "", *core_then = json_text(json_get(then, "blas_core"), "");
    for (const ProgramFact *fact = program_facts(); fact->name; fact++)
        if (!strcmp(fact->name, "blas_core")) core_now = fact->value;
    for (const ProgramFact *fact = program_facts(); fact->name; fact++) {
        const char *was = json_text(json_get(then, fact->name), "");
        if (!strcmp(fact->value, was)) continue;
        if (!strcmp(fact->name, "blas") && is_same_library(fact->value, was, core_now, core_then))
            continue;
        text_printf(out, "%s is %s here and was %s then\n", fact->meaning,
                    *fact->value ? fact->value : "none", *was ? was : "none");
    }
}

static void explain_grid(Text *out, const Json *then, const GridOptions *now)
{
    long long rows = json_int(json_get(then, "rows"), 1),
              cols = json_int(json_get(then, "cols"), 1);
    if (recipe_strict(now) || (rows == now->rows && cols == now->cols)) return;
    text_printf(out,
                "the grid has %lld rows and %lld columns here and had %lld and %lld then: only "
                "grids with as many, or grid.reproducible=strict, have the same bits\n",
                (long long)now->rows, (long long)now->cols, rows, cols);
}

/// A system of the head that is spread over ranks.
static void explain_probe(Text *out, const Json *part, const Recipe *recipe, int ranks)
{
    long long then = json_int(json_get(part, "ranks"), 0);
    if (!method_find(recipe->train.method)->once || then == ranks) return;
    text_printf(out,
                "ranks: %d here and %lld then: the last bits of a %s with more than %d unknowns "
                "follow from their number\n",
                ranks, then, recipe->train.method, SYSTEM_ALONE);
}

/// What differs from each part of the run that did some of these steps.
static Status explain(Text *out, const Repetition *what, const Range *range, const Recipe *recipe,
                      int ranks, bool differ)
{
    Status status = OK;
    Json *record = NULL;
    Text found = { 0 };
    TRY(run_record_read(&record, what->run));
    const Json *parts = json_get(record, "parts");
    for (int64_t i = 0; i < json_size(parts); i++) {
        const Json *part = json_at(parts, i);
        if (json_int(json_get(part, "from_step"), 0) >= range->last ||
            json_int(json_get(part, "to_step"), INT64_MAX) <= range->first)
            continue;
        explain_program(&found, json_get(part, "program"));
        explain_grid(&found, json_get(part, "grid"), &recipe->grid);
        explain_probe(&found, part, recipe, ranks);
    }
    text_append(out, text_chars(&found));
    if (differ && !found.length_bytes)
        text_append(out, "program, libraries, kernels and grid are those of the record: it does "
                         "not tell why\n");
done:
    text_release(&found);
    json_free(record);
    return status;
}

static Status compare(Text *out, int64_t *wrong, const Repetition *what, const Range *range,
                      const Recipe *recipe, int ranks)
{
    Status status = OK;
    const char *folder = recipe->output.folder;
    text_printf(out, "steps %" PRId64 " to %" PRId64 " repeated from %s on %d rank%s\n",
                range->first + 1, range->last, *range->from ? range->from : "the start", ranks,
                ranks == 1 ? "" : "s");
    TRY(compare_metrics(out, wrong, what, range, folder));
    TRY(compare_state(out, wrong, range, folder));
    TRY(explain(out, what, range, recipe, ranks, *wrong));
done:
    return status;
}

Status verify_again(const Comm *comm, Text *out, int64_t *wrong, const Repetition *what)
{
    Status status = OK;
    Recipe *recipe = MEM_NEW(Recipe, 1);
    Range range = { 0 };
    Folder scratch = { "" }; // of rank 0
    TRY_ROOT(comm, make_recipe(recipe, &range, &scratch, what, comm->size));
    comm_broadcast(comm, recipe, sizeof *recipe, 0);
    comm_broadcast(comm, &range, sizeof range, 0);
    TRY(run_again(comm, recipe, range.last));
    TRY_ROOT(comm, compare(out, wrong, what, &range, recipe, comm->size));
done:
    if (*scratch.path) {
        char *message = mem_copy_text(status_message());
        if (file_remove_folder(scratch.path) != OK) log_warn("%s", status_message());
        if (*message) status_fail(status, "%s", message);
        mem_free(message);
    }
    mem_free(recipe);
    return status;
}
