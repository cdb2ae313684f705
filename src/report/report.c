#include "report/report.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/html.h"
#include "report/svg.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SPLITS = 4, CURVES = MOST_SPLITS + 2 };

/// The evaluations of one split during training.
typedef struct {
    char *name; ///< owned
    Points loss;
} SplitHistory;

typedef struct {
    Points loss, smooth, rate;
    SplitHistory splits[MOST_SPLITS];
    int split_count;
    int64_t steps, tokens, bad_lines;
    double epochs, seconds;
} History;

static void history_release(History *history)
{
    for (int i = 0; i < history->split_count; i++) {
        mem_free(history->splits[i].name);
        points_release(&history->splits[i].loss);
    }
    points_release(&history->rate);
    points_release(&history->smooth);
    points_release(&history->loss);
    *history = (History){ 0 };
}

/// NULL if there are more splits than a picture can tell apart.
static SplitHistory *split_of(History *history, const char *name)
{
    for (int i = 0; i < history->split_count; i++)
        if (!strcmp(history->splits[i].name, name)) return &history->splits[i];
    if (history->split_count == MOST_SPLITS) return NULL;
    SplitHistory *split = &history->splits[history->split_count++];
    split->name = mem_copy_text(name);
    return split;
}

static void add_if_number(Points *points, double x, const Json *y)
{
    double value = json_number(y, NAN);
    if (isfinite(x) && isfinite(value)) points_add(points, x, value);
}

static void add_line(History *history, const Json *line)
{
    const char *split = json_text(json_get(line, "split"), NULL);
    double step = json_number(json_get(line, "step"), NAN);
    if (split) {
        SplitHistory *into = split_of(history, split);
        if (into) add_if_number(&into->loss, step, json_get(line, "loss"));
        return;
    }
    add_if_number(&history->loss, step, json_get(line, "loss"));
    add_if_number(&history->rate, step, json_get(line, "learning_rate"));
    history->steps++;
    history->tokens += json_int(json_get(line, "tokens"), 0);
    history->seconds += json_number(json_get(line, "seconds"), 0);
    history->epochs = json_number(json_get(line, "epoch"), history->epochs);
}

static Status history_read(History *history, const char *folder)
{
    Status status = OK;
    char *text = NULL;
    Text path = { 0 };
    text_printf(&path, "%s/metrics.jsonl", folder);
    if (access(path.data, F_OK)) goto done;
    TRY(text_read_file(&text, NULL, path.data));
    for (char *line = text, *end; *line; line = end) {
        Json *parsed = NULL;
        end = line + strcspn(line, "\n");
        if (json_parse(&parsed, line, (size_t)(end - line), path.data) == OK)
            add_line(history, parsed);
        else if (end > line)
            history->bad_lines++;
        json_free(parsed);
        end += *end == '\n';
    }
    status_clear();
    if (history->bad_lines)
        log_warn("%s: %lld lines are not JSON and are left out of the report", path.data,
                 (long long)history->bad_lines);
done:
    mem_free(text);
    text_release(&path);
    return status;
}

/// Exponential mean over about a thirtieth of the run, weighted so that the start is not biased.
static void history_smooth(History *history)
{
    const Points *loss = &history->loss;
    double window = fmax(5, (double)loss->count / 30), keep = 1 - 2 / (window + 1);
    double mean = 0, weight = 0;
    if (loss->count < 10) return;
    for (int64_t i = 0; i < loss->count; i++) {
        mean = keep * mean + (1 - keep) * loss->y[i];
        weight = keep * weight + (1 - keep);
        points_add(&history->smooth, loss->x[i], mean / weight);
    }
}

static void plot(Text *out, const History *history)
{
    static const char *const colors[MOST_SPLITS] = { "#d1495b", "#e08a1e", "#7a4fa3", "#2a9d8f" };
    bool smooth = history->smooth.count > 0;
    Curve curves[CURVES] = {
        { "each step", "#4c86c6", smooth ? CURVE_FAINT : CURVE_BOLD, &history->loss },
        { "training, smoothed", "#1f5fa8", CURVE_BOLD, &history->smooth },
    };
    Curve rate = { "learning rate", "#3a7d44", CURVE_BOLD, &history->rate };
    for (int i = 0; i < history->split_count; i++)
        curves[2 + i] =
            (Curve){ history->splits[i].name, colors[i], CURVE_MARKED, &history->splits[i].loss };
    Panel panels[] = {
        { "Loss", 300, curves, 2 + history->split_count },
        { "Learning rate", 110, &rate, 1 },
    };
    svg_plot(out, panels, 2, "step");
}

static Json *training_json(const History *history)
{
    Json *out = json_new_object();
    json_set_int(out, "steps", history->steps);
    json_set_number(out, "epochs", history->epochs);
    json_set_int(out, "tokens", history->tokens);
    json_set_number(out, "seconds", history->seconds);
    if (history->seconds > 0)
        json_set_number(out, "tokens_per_second", (double)history->tokens / history->seconds);
    if (history->loss.count)
        json_set_number(out, "last_loss", history->loss.y[history->loss.count - 1]);
    return out;
}

static Status write_into(const char *folder, const char *name, const Text *content)
{
    Text path = { 0 };
    text_printf(&path, "%s/%s", folder, name);
    Status status = text_write_file(path.data, text_chars(content), content->length_bytes);
    text_release(&path);
    return status;
}

Status report_write(const char *folder, const Json *results)
{
    Status status = OK;
    History history = { 0 };
    Text svg = { 0 }, page = { 0 }, json = { 0 };
    Json *whole = json_clone(results);
    TRY(history_read(&history, folder));
    history_smooth(&history);
    json_set(whole, "training", training_json(&history));
    json_print(&json, whole, 2);
    text_append(&json, "\n");
    plot(&svg, &history);
    html_page(&page, whole, text_chars(&svg));
    TRY(write_into(folder, "report.json", &json));
    TRY(write_into(folder, "loss.svg", &svg));
    TRY(write_into(folder, "report.html", &page));
done:
    json_free(whole);
    text_release(&json);
    text_release(&page);
    text_release(&svg);
    history_release(&history);
    return status;
}
