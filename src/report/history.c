#include "report/history.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/json.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

void history_release(History *history)
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
    if (history->split_count == HISTORY_MOST_SPLITS) return NULL;
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
    int64_t tokens = json_int(json_get(line, "tokens"), 0);
    if (__builtin_add_overflow(history->tokens, tokens, &history->tokens))
        history->tokens = INT64_MAX;
    history->seconds += json_number(json_get(line, "seconds"), 0);
    history->epochs = json_number(json_get(line, "epoch"), history->epochs);
}

/// Exponential mean over about a thirtieth of the run, weighted so that the start is not biased.
static void smooth_loss(History *history)
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

Status history_read(History *history, const char *folder)
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
    smooth_loss(history);
done:
    mem_free(text);
    text_release(&path);
    return status;
}
