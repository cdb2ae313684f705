#include "report/html.h"

#include <math.h>
#include <string.h>

static const char style[] =
    "body{font:15px/1.5 system-ui,'DejaVu "
    "Sans',sans-serif;color:#1b2430;background:#f5f7fa;margin:0}"
    "main{max-width:920px;margin:0 auto;padding:28px 20px 60px}"
    "h1{font-size:26px;margin:0 0 18px;overflow-wrap:anywhere}h2{font-size:18px;margin:34px 0 12px}"
    "h3{font-size:14px;margin:20px 0 8px;color:#4a5565}"
    ".cards{display:flex;flex-wrap:wrap;gap:12px}"
    ".card{background:#fff;border:1px solid #e0e5ec;border-radius:10px;padding:12px 18px;"
    "min-width:104px}"
    ".card b{display:block;font-size:24px;font-weight:650;font-variant-numeric:tabular-nums}"
    ".card span{color:#5d6878;font-size:13px}"
    ".box{background:#fff;border:1px solid #e0e5ec;border-radius:10px;padding:10px 16px;"
    "overflow-x:auto}"
    ".box svg{width:100%;height:auto}"
    "table{border-collapse:collapse}td,th{padding:5px 12px;text-align:right;"
    "font-variant-numeric:tabular-nums}"
    "th{font-weight:600;color:#4a5565}.name{text-align:left;max-width:22em;overflow-wrap:anywhere}"
    ".lines td,.lines th{border-bottom:1px solid #edf0f4}.lines tr:last-child>*{border:0}"
    ".matrix td{min-width:54px;text-align:center;border:2px solid #fff;border-radius:6px}"
    ".matrix th{max-width:12em;overflow-wrap:anywhere}.matrix .top{text-align:center}"
    ".plain td{text-align:left;padding:3px 18px 3px 0;overflow-wrap:anywhere}"
    ".plain td:first-child{color:#5d6878;white-space:nowrap}"
    ".hint{color:#5d6878;font-size:13px;margin:6px 0}summary{cursor:pointer;font-weight:600}";

void html_escape(Text *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        const char *entity = byte == '&'                              ? "&amp;"
                             : byte == '<'                            ? "&lt;"
                             : byte == '>'                            ? "&gt;"
                             : byte == '"'                            ? "&quot;"
                             : byte == '\''                           ? "&#39;"
                             : byte < 0x20 && !strchr("\t\n\r", byte) ? "\xEF\xBF\xBD"
                                                                      : NULL;
        if (entity)
            text_append(out, entity);
        else
            text_append_bytes(out, c, 1);
    }
}

void html_element(Text *out, const char *open, const char *content, const char *close)
{
    text_append(out, open);
    html_escape(out, content);
    text_append(out, close);
}

static void append_value(Text *out, const Json *value)
{
    if (json_is_text(value)) {
        html_escape(out, json_text(value, ""));
    } else if (json_is_int(value)) {
        text_printf(out, "%lld", (long long)json_int(value, 0));
    } else if (isfinite(json_number(value, NAN))) {
        text_printf(out, "%.6g", json_number(value, 0));
    } else { // truth values, lists
        Text printed = { 0 };
        json_print(&printed, value, 0);
        html_escape(out, text_chars(&printed));
        text_release(&printed);
    }
}

static void append_rows(Text *out, const Json *object)
{
    void *at = NULL;
    const char *key;
    Json *value;
    while (json_next(object, &at, &key, &value)) {
        html_element(out, "<tr><td>", key, "</td><td>");
        append_value(out, value);
        text_append(out, "</td></tr>\n");
    }
}

static void append_training(Text *out, const Json *training)
{
    text_printf(out, "<tr><td>steps</td><td>%lld (%.2f epochs)</td></tr>\n",
                (long long)json_int(json_get(training, "steps"), 0),
                json_number(json_get(training, "epochs"), 0));
    text_append(out, "<tr><td>time in steps</td><td>");
    text_duration(out, json_number(json_get(training, "seconds"), 0));
    text_printf(out, "</td></tr>\n<tr><td>tokens</td><td>%lld, %.0f a second</td></tr>\n",
                (long long)json_int(json_get(training, "tokens"), 0),
                json_number(json_get(training, "tokens_per_second"), 0));
}

static const struct {
    const char *key, *title;
} card_rows[] = {
    { "accuracy", "accuracy" },
    { "macro_f1", "macro F1" },
    { "auc", "ROC AUC" },
    { "mcc", "Matthews" },
    { "perplexity", "perplexity" },
    { "token_accuracy", "token accuracy" },
    { "loss", "loss" },
};
enum { CARDS = sizeof card_rows / sizeof *card_rows };

static void append_cards(Text *out, const Json *metrics)
{
    text_append(out, "<div class=\"cards\">");
    for (int i = 0; i < CARDS; i++) {
        double value = json_number(json_get(metrics, card_rows[i].key), NAN);
        if (isfinite(value))
            text_printf(out, "<div class=\"card\"><b>%.4f</b><span>%s</span></div>\n", value,
                        card_rows[i].title);
    }
    text_append(out, "</div>\n");
}

static void metric_cells(Text *out, const Json *values, const char *prefix)
{
    static const char *const columns[] = { "precision", "recall", "f1" };
    for (int i = 0; i < 3; i++) {
        Text key = { 0 };
        text_printf(&key, "%s%s", prefix, columns[i]);
        text_printf(out, "<td>%.4f</td>", json_number(json_get(values, key.data), 0));
        text_release(&key);
    }
}

static void append_per_label(Text *out, const Json *metrics)
{
    static const char *const means[] = { "macro", "weighted" };
    const Json *labels = json_get(metrics, "per_label");
    text_append(out, "<h3>Per label</h3><div class=\"box\"><table class=\"lines\"><tr>"
                     "<th class=\"name\">label</th><th>precision</th><th>recall</th><th>F1</th>"
                     "<th>rows</th></tr>\n");
    for (int64_t i = 0; i < json_size(labels); i++) {
        const Json *label = json_at(labels, i);
        html_element(out, "<tr><td class=\"name\">", json_text(json_get(label, "label"), ""),
                     "</td>");
        metric_cells(out, label, "");
        text_printf(out, "<td>%lld</td></tr>\n",
                    (long long)json_int(json_get(label, "support"), 0));
    }
    for (int i = 0; i < 2; i++) {
        Text prefix = { 0 };
        text_printf(&prefix, "%s_", means[i]);
        text_printf(out, "<tr><th class=\"name\">%s mean</th>", means[i]);
        metric_cells(out, metrics, prefix.data);
        text_printf(out, "<td>%lld</td></tr>\n", (long long)json_int(json_get(metrics, "rows"), 0));
        text_release(&prefix);
    }
    text_append(out, "</table></div>\n");
}

/// One line of the matrix; the shade is the share of the label's rows: blue where right, red where
/// wrong.
static void matrix_row(Text *out, const Json *row, int64_t truth, int64_t support)
{
    for (int64_t j = 0; j < json_size(row); j++) {
        int64_t count = json_int(json_at(row, j), 0);
        double share = support ? (double)count / (double)support : 0;
        double shade = count ? 0.12 + 0.88 * share : 0.03;
        text_printf(out,
                    "<td style=\"background:rgba(%s,%.2f);color:%s\" title=\"%.1f %%\">%lld</td>",
                    j == truth ? "31,95,168" : "209,73,91", shade,
                    shade > 0.55 ? "#fff" : "#1b2430", 100 * share, (long long)count);
    }
}

enum { MOST_MATRIX_LABELS = 40 };

static void append_confusion(Text *out, const Json *metrics)
{
    const Json *labels = json_get(metrics, "per_label"),
               *confusion = json_get(metrics, "confusion");
    int64_t count = json_size(labels);
    text_append(out, "<h3>Confusion matrix</h3>\n");
    if (count > MOST_MATRIX_LABELS) {
        text_append(out, "<p class=\"hint\">Too many labels to show; see report.json.</p>\n");
        return;
    }
    text_append(out, "<div class=\"box\"><table class=\"matrix\"><tr><th></th>");
    for (int64_t i = 0; i < count; i++)
        html_element(out, "<th class=\"top\">",
                     json_text(json_get(json_at(labels, i), "label"), ""), "</th>");
    text_append(out, "</tr>\n");
    for (int64_t i = 0; i < count; i++) {
        const Json *label = json_at(labels, i);
        html_element(out, "<tr><th class=\"name\">", json_text(json_get(label, "label"), ""),
                     "</th>");
        matrix_row(out, json_at(confusion, i), i, json_int(json_get(label, "support"), 0));
        text_append(out, "</tr>\n");
    }
    text_append(out, "</table><p class=\"hint\">A line is what the label is, a column what was "
                     "predicted; the shade is the share of the line.</p></div>\n");
}

static void append_splits(Text *out, const Json *splits)
{
    void *at = NULL;
    const char *name;
    Json *metrics;
    while (json_next(splits, &at, &name, &metrics)) {
        html_element(out, "<h2>Evaluation on ", name, "</h2>\n");
        append_cards(out, metrics);
        if (!json_is_array(json_get(metrics, "per_label"))) continue;
        append_per_label(out, metrics);
        append_confusion(out, metrics);
    }
}

const char html_head[] = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                         "<meta name=\"viewport\" content=\"width=device-width\">\n"
                         "<meta http-equiv=\"Content-Security-Policy\" "
                         "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n";

void html_start(Text *out, const char *title)
{
    text_append(out, html_head);
    html_element(out, "<title>", title, "</title>\n");
    text_printf(out, "<style>%s</style></head>\n<body><main>\n", style);
    html_element(out, "<h1>", title, "</h1>\n");
}

void html_end(Text *out)
{
    text_append(out, "</main></body></html>\n");
}

void html_page(Text *out, const Json *results, const char *svg)
{
    html_start(out, json_text(json_get(results, "title"), "Training run"));
    text_append(out, "<div class=\"box\"><table class=\"plain\">\n");
    append_rows(out, json_get(results, "summary"));
    append_training(out, json_get(results, "training"));
    text_append(out, "</table></div>\n<h2>Curves</h2>\n<div class=\"box\">\n");
    text_append(out, svg);
    text_append(out, "</div>\n");
    append_splits(out, json_get(results, "splits"));
    if (json_size(json_get(results, "recipe"))) {
        text_append(out, "<h2>Recipe</h2>\n<details class=\"box\"><summary>All options of this "
                         "run</summary><table class=\"plain\">\n");
        append_rows(out, json_get(results, "recipe"));
        text_append(out, "</table></details>\n");
    }
    html_end(out);
}
