#include "train/compare_runs.h"
#include "base/mem.h"
#include "train/run_record.h"
#include "train/significance.h"

#include <math.h>
#include <string.h>

enum { METRICS_MOST = 32 };

typedef struct {
    const char *name;
    Json *record, *report; ///< owned
    Outcomes outcomes;
} Run;

static void run_release(Run *run)
{
    json_free(run->record);
    json_free(run->report);
    outcomes_release(&run->outcomes);
}

static Status run_read(Run *run, const char *name)
{
    Status status = OK;
    Text path = { 0 };
    *run = (Run){ .name = name };
    text_printf(&path, "%s/report.json", name);
    TRY(run_record_read(&run->record, name));
    TRY(run_record_check(run->record, name));
    TRY(json_parse_file(&run->report, path.data));
    TRY(outcomes_read(&run->outcomes, name));
done:
    text_release(&path);
    return status;
}

static const Json *last_part(const Run *run)
{
    const Json *parts = json_get(run->record, "parts");
    return json_at(parts, json_size(parts) - 1);
}

/// The SHA-256 of the files that test rows come from: those of the split, or the whole data.
static void append_test_data(Text *out, const Run *run)
{
    const Json *files = json_get(last_part(run), "data");
    const char *const keys[] = { "data.split.test", "data.path" };
    for (int k = 0; k < 2 && !out->length_bytes; k++)
        for (int64_t i = 0; i < json_size(files); i++) {
            const Json *file = json_at(files, i);
            if (!strcmp(json_text(json_get(file, "key"), ""), keys[k]))
                text_append(out, json_text(json_get(file, "sha256"), ""));
        }
}

static bool has_same_items(const Run *a, const Run *b)
{
    const Outcomes *left = &a->outcomes, *right = &b->outcomes;
    size_t rows = (size_t)left->rows;
    Text data = { 0 }, other = { 0 };
    append_test_data(&data, a);
    append_test_data(&other, b);
    bool same = !strcmp(text_chars(&data), text_chars(&other)) && left->rows == right->rows &&
                !strcmp(left->names, right->names) &&
                !memcmp(left->numbers, right->numbers, rows * sizeof *left->numbers);
    if (same && left->labels)
        same = !memcmp(left->labels, right->labels, rows * sizeof *left->labels);
    for (int64_t i = 0; same && left->sums && i < left->rows; i++)
        same = left->sums[i].targets == right->sums[i].targets;
    text_release(&other);
    text_release(&data);
    return same;
}

static Json *metric_json(double value, const Interval *within)
{
    Json *out = json_new_object();
    json_set_number(out, "value", value);
    if (within && !isnan(within->low)) {
        json_set_number(out, "low", within->low);
        json_set_number(out, "high", within->high);
    }
    return out;
}

/// Of rows; those that are undefined are left out.
static Json *measure(const Outcomes *outcomes)
{
    Json *out = json_new_object();
    Interval intervals[METRICS_MOST];
    Metrics metrics;
    int count = 0;
    while (metric_names[count]) count++;
    CHECK(count <= METRICS_MOST, "%d metrics", count);
    bootstrap_intervals(intervals, count, outcomes);
    metrics_compute(&metrics, outcomes->labels, outcomes->logits, outcomes->rows,
                    outcomes->label_count);
    for (int k = 0; k < count; k++) {
        double value = metrics_value(&metrics, metrics_find(metric_names[k]));
        if (isfinite(value)) json_set(out, metric_names[k], metric_json(value, &intervals[k]));
    }
    metrics_release(&metrics);
    return out;
}

/// Those that are numbers.
static Json *tokens_json(const double *values, const Interval *intervals)
{
    Json *out = json_new_object();
    for (int k = 0; k < TOKEN_VALUES; k++)
        if (isfinite(values[k]))
            json_set(out, token_names[k], metric_json(values[k], &intervals[k]));
    return out;
}

static Json *measure_tokens(const Outcomes *outcomes)
{
    Interval intervals[TOKEN_VALUES];
    double values[TOKEN_VALUES];
    TokenSums all = token_total(outcomes);
    token_values(values, &all);
    bootstrap_tokens(intervals, outcomes, NULL);
    return tokens_json(values, intervals);
}

/// What the second has more.
static Json *differences(const Outcomes *first, const Outcomes *second)
{
    Interval intervals[TOKEN_VALUES];
    double values[TOKEN_VALUES], before[TOKEN_VALUES];
    TokenSums all = token_total(first), others = token_total(second);
    token_values(before, &all);
    token_values(values, &others);
    bootstrap_tokens(intervals, first, second);
    for (int k = 0; k < TOKEN_VALUES; k++) values[k] -= before[k];
    return tokens_json(values, intervals);
}

static Json *mcnemar_json(const Outcomes *first, const Outcomes *second)
{
    McNemar found = mcnemar_exact(first, second);
    Json *out = json_new_object();
    json_set_int(out, "first_alone", found.first_alone);
    json_set_int(out, "second_alone", found.second_alone);
    json_set_number(out, "p", found.p);
    return out;
}

/// As the report has them, without intervals.
static Json *reported(const Json *test)
{
    Json *out = json_new_object(), *value;
    void *at = NULL;
    const char *name;
    while (json_next(test, &at, &name, &value))
        if (!json_is_int(value) && isfinite(json_number(value, NAN)))
            json_set(out, name, metric_json(json_number(value, 0), NULL));
    return out;
}

static void set_comparison(Json *out, const Run *first, const Run *run)
{
    Text why = { 0 };
    if (!first->outcomes.rows || !run->outcomes.rows) {
        text_printf(&why, "%s keeps no answers to test rows (test.jsonl)",
                    run->outcomes.rows ? first->name : run->name);
    } else if (!has_same_items(first, run)) {
        text_printf(&why,
                    "%s has other test rows than %s: only answers to the same ones are compared",
                    run->name, first->name);
    } else if (first->outcomes.sums) {
        json_set(out, "differences", differences(&first->outcomes, &run->outcomes));
    } else {
        json_set(out, "mcnemar", mcnemar_json(&first->outcomes, &run->outcomes));
    }
    if (why.length_bytes) json_set_text(out, "refused", why.data);
    text_release(&why);
}

static Json *run_json(const Run *first, const Run *run)
{
    const Json *test = json_get(json_get(run->report, "splits"), "test");
    Json *out = json_new_object();
    json_set_text(out, "name", run->name);
    json_set_int(out, "rows", json_int(json_get(test, "rows"), 0));
    json_set(out, "metrics",
             !run->outcomes.rows  ? reported(test)
             : run->outcomes.sums ? measure_tokens(&run->outcomes)
                                  : measure(&run->outcomes));
    if (run != first) set_comparison(out, first, run);
    return out;
}

/// Keys whose value is not the same in all runs, but for where they write.
static Json *differing_options(const Run *runs, int count)
{
    Json *out = json_new_object();
    for (const Option *row = recipe_options; row->key; row++) {
        Json *values = json_new_array();
        bool differ = false;
        const char *first = "";
        for (int i = 0; i < count; i++) {
            const Json *recipe = json_get(last_part(&runs[i]), "recipe");
            const char *value = json_text(json_get(recipe, row->key), "");
            json_append(values, json_new_text(value));
            if (!i) first = value;
            differ |= strcmp(first, value) != 0;
        }
        if (differ && strcmp(row->key, "output.folder"))
            json_set(out, row->key, values);
        else
            json_free(values);
    }
    return out;
}

Status compare_runs(Json **out, const char *const *names, int count)
{
    Status status = OK;
    Run *runs = MEM_NEW(Run, count);
    Json *list = NULL;
    *out = NULL;
    for (int i = 0; i < count; i++) TRY(run_read(&runs[i], names[i]));
    *out = json_new_object();
    list = json_new_array();
    for (int i = 0; i < count; i++) json_append(list, run_json(&runs[0], &runs[i]));
    json_set(*out, "runs", list);
    json_set(*out, "options", differing_options(runs, count));
done:
    for (int i = 0; i < count; i++) run_release(&runs[i]);
    mem_free(runs);
    return status;
}
