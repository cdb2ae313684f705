#include "report/side_by_side.h"
#include "base/mem.h"
#include "report/history.h"
#include "report/html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char hint[] =
    "In brackets the 95 % interval of 2000 bootstrap resamples of the test rows (percentile); of "
    "language models, of ratios of the rows' sums, and of the difference of two runs on the same "
    "resamples. p is of McNemar's exact test: how often runs that are equally good would divide "
    "the rows that one of them alone has right as unevenly, or more so.";

static const char *const colors[] = { "#1f5fa8", "#d1495b", "#3a7d44", "#e08a1e",
                                      "#7a4fa3", "#2a9d8f", "#8c564b", "#5d6878" };
enum { COLORS = sizeof colors / sizeof *colors };

static const Json *metric_of(const Json *run, const char *name)
{
    return json_get(json_get(run, "metrics"), name);
}

static void append_metric(Text *out, const Json *metric)
{
    double low = json_number(json_get(metric, "low"), NAN);
    if (!metric) text_append(out, "-");
    if (metric) text_printf(out, "%.4f", json_number(json_get(metric, "value"), NAN));
    if (!isnan(low))
        text_printf(out, " [%.4f, %.4f]", low, json_number(json_get(metric, "high"), NAN));
}

static void append_differences(Text *out, const Json *differences, const char *name,
                               const char *first)
{
    void *at = NULL;
    const char *metric;
    Json *value;
    text_printf(out, "%s minus %s:", name, first);
    while (json_next(differences, &at, &metric, &value)) {
        text_printf(out, " %s ", metric);
        append_metric(out, value);
    }
}

static void append_test(Text *out, const Json *run, const char *first)
{
    const Json *test = json_get(run, "mcnemar");
    const char *name = json_text(json_get(run, "name"), "");
    if (json_get(run, "refused")) {
        text_append(out, json_text(json_get(run, "refused"), ""));
        return;
    }
    if (json_get(run, "differences")) {
        append_differences(out, json_get(run, "differences"), name, first);
        return;
    }
    text_printf(out, "%s alone is right on %lld rows, %s alone on %lld: p = %.4g", name,
                (long long)json_int(json_get(test, "second_alone"), 0), first,
                (long long)json_int(json_get(test, "first_alone"), 0),
                json_number(json_get(test, "p"), NAN));
}

void side_by_side_text(Text *out, const Json *results)
{
    const Json *runs = json_get(results, "runs");
    const char *first = json_text(json_get(json_at(runs, 0), "name"), "");
    for (int64_t i = 0; i < json_size(runs); i++) {
        const Json *run = json_at(runs, i);
        void *at = NULL;
        const char *name;
        Json *metric;
        text_printf(out, "%s: %lld test rows\n", json_text(json_get(run, "name"), ""),
                    (long long)json_int(json_get(run, "rows"), 0));
        while (json_next(json_get(run, "metrics"), &at, &name, &metric)) {
            text_printf(out, "  %-18s  ", name);
            append_metric(out, metric);
            text_append(out, "\n");
        }
    }
    for (int64_t i = 1; i < json_size(runs); i++) {
        append_test(out, json_at(runs, i), first);
        text_append(out, "\n");
    }
}

static void append_heads(Text *out, const Json *runs, const char *corner)
{
    html_element(out, "<table class=\"lines\"><tr><th class=\"name\">", corner, "</th>");
    for (int64_t i = 0; i < json_size(runs); i++)
        html_element(out, "<th>", json_text(json_get(json_at(runs, i), "name"), ""), "</th>");
    text_append(out, "</tr>\n");
}

/// The metrics that the first run has.
static void append_metrics(Text *out, const Json *runs)
{
    void *at = NULL;
    const char *name;
    Json *unused;
    append_heads(out, runs, "metric");
    while (json_next(json_get(json_at(runs, 0), "metrics"), &at, &name, &unused)) {
        html_element(out, "<tr><td class=\"name\">", name, "</td>");
        for (int64_t i = 0; i < json_size(runs); i++) {
            text_append(out, "<td>");
            append_metric(out, metric_of(json_at(runs, i), name));
            text_append(out, "</td>");
        }
        text_append(out, "</tr>\n");
    }
    text_append(out, "<tr><td class=\"name\">rows</td>");
    for (int64_t i = 0; i < json_size(runs); i++)
        text_printf(out, "<td>%lld</td>",
                    (long long)json_int(json_get(json_at(runs, i), "rows"), 0));
    text_append(out, "</tr></table>\n");
}

static void append_tests(Text *out, const Json *runs)
{
    const char *first = json_text(json_get(json_at(runs, 0), "name"), "");
    if (json_size(runs) < 2) return;
    text_append(out, "<h3>Against the first</h3><div class=\"box\">");
    for (int64_t i = 1; i < json_size(runs); i++) {
        Text line = { 0 };
        append_test(&line, json_at(runs, i), first);
        html_element(out, "<p>", line.data, "</p>\n");
        text_release(&line);
    }
    text_append(out, "</div>\n");
}

static void append_options(Text *out, const Json *results)
{
    void *at = NULL;
    const char *key;
    Json *values;
    if (!json_size(json_get(results, "options"))) return;
    text_append(out, "<h2>Recipes</h2><div class=\"box\">");
    append_heads(out, json_get(results, "runs"), "what differs");
    while (json_next(json_get(results, "options"), &at, &key, &values)) {
        html_element(out, "<tr><td class=\"name\">", key, "</td>");
        for (int64_t i = 0; i < json_size(values); i++)
            html_element(out, "<td>", json_text(json_at(values, i), ""), "</td>");
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table></div>\n");
}

/// The evaluations of validation rows, or none.
static const Points *validation_of(const History *history)
{
    static const Points none;
    for (int i = 0; i < history->split_count; i++)
        if (!strcmp(history->splits[i].name, "validation")) return &history->splits[i].loss;
    return &none;
}

static Status append_curves(Text *out, const Json *runs)
{
    Status status = OK;
    int count = (int)json_size(runs);
    History *histories = MEM_NEW(History, count);
    Curve *training = MEM_NEW(Curve, count), *validation = MEM_NEW(Curve, count);
    for (int i = 0; i < count; i++) {
        History *history = &histories[i];
        const char *name = json_text(json_get(json_at(runs, i), "name"), "");
        TRY(history_read(history, name));
        training[i] = (Curve){ name, colors[i % COLORS], CURVE_BOLD,
                               history->smooth.count ? &history->smooth : &history->loss };
        validation[i] = (Curve){ name, colors[i % COLORS], CURVE_MARKED, validation_of(history) };
    }
    Panel panels[] = { { "Training loss", 260, training, count },
                       { "Validation loss", 200, validation, count } };
    text_append(out, "<h2>Curves</h2>\n<div class=\"box\">\n");
    svg_plot(out, panels, 2, "step");
    text_append(out, "</div>\n");
done:
    for (int i = 0; i < count; i++) history_release(&histories[i]);
    mem_free(validation);
    mem_free(training);
    mem_free(histories);
    return status;
}

Status side_by_side_page(Text *out, const Json *results)
{
    Status status = OK;
    const Json *runs = json_get(results, "runs");
    html_start(out, json_size(runs) > 1 ? "Runs side by side" : "A run");
    text_append(out, "<h2>Test split</h2><div class=\"box\">");
    append_metrics(out, runs);
    html_element(out, "</div><p class=\"hint\">", hint, "</p>\n");
    append_tests(out, runs);
    TRY(append_curves(out, runs));
    append_options(out, results);
    html_end(out);
done:
    return status;
}
