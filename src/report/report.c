#include "report/report.h"
#include "base/mem.h"
#include "base/text.h"
#include "report/history.h"
#include "report/html.h"
#include "report/svg.h"

enum { CURVES = HISTORY_MOST_SPLITS + 2 };

static void plot(Text *out, const History *history)
{
    static const char *const colors[HISTORY_MOST_SPLITS] = { "#d1495b", "#e08a1e", "#7a4fa3",
                                                             "#2a9d8f" };
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
    Text svg = { 0 }, page = { 0 };
    Json *whole = json_clone(results);
    TRY(history_read(&history, folder));
    json_set(whole, "training", training_json(&history));
    plot(&svg, &history);
    html_page(&page, whole, text_chars(&svg));
    TRY(json_write_file(folder, "report.json", whole));
    TRY(write_into(folder, "loss.svg", &svg));
    TRY(write_into(folder, "report.html", &page));
done:
    json_free(whole);
    text_release(&page);
    text_release(&svg);
    history_release(&history);
    return status;
}
