#include "train/metrics.h"
#include "base/mem.h"
#include "infer/logits.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/// Sum over halves: the order is a function of n alone, the error grows with log n.
static double pairwise_sum(const double *x, int64_t n)
{
    double sum = 0;
    if (n > 16) return pairwise_sum(x, n / 2) + pairwise_sum(x + n / 2, n - n / 2);
    for (int64_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

static double ratio(double numerator, double denominator)
{
    return denominator != 0 ? numerator / denominator : 0;
}

typedef struct {
    double score;
    bool positive;
} Scored;

static int by_score(const void *left, const void *right)
{
    double a = ((const Scored *)left)->score, b = ((const Scored *)right)->score;
    return (a > b) - (a < b);
}

/// (sum of the positives' mid-ranks - p (p + 1) / 2) / (p n); twice the ranks are whole numbers.
static double area_under_curve(Scored *scored, int64_t rows)
{
    int64_t positives = 0, twice_ranks = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (isnan(scored[i].score)) return NAN;
        positives += scored[i].positive;
    }
    if (positives == 0 || positives == rows) return NAN;
    qsort(scored, (size_t)rows, sizeof *scored, by_score);
    for (int64_t first = 0, end; first < rows; first = end) {
        int64_t tied = 0;
        for (end = first; end < rows && scored[end].score == scored[first].score; end++)
            tied += scored[end].positive;
        twice_ranks += tied * (first + 1 + end);
    }
    return ((double)(twice_ranks - positives * (positives + 1)) / 2) /
           ((double)positives * (double)(rows - positives));
}

/// `probabilities` (rows, K).
static double auc_of(const int32_t *labels, const double *probabilities, int64_t rows, int count)
{
    Scored *scored = MEM_NEW(Scored, rows);
    double sum = 0;
    int first = count == 2 ? 1 : 0;
    for (int k = first; k < count; k++) {
        for (int64_t i = 0; i < rows; i++)
            scored[i] = (Scored){ probabilities[i * count + k], labels[i] == k };
        sum += area_under_curve(scored, rows);
    }
    mem_free(scored);
    return count < 2 ? NAN : sum / (count - first);
}

static int64_t predicted_rows(const Metrics *metrics, int label)
{
    int64_t sum = 0;
    for (int k = 0; k < metrics->label_count; k++)
        sum += metrics->confusion[k * metrics->label_count + label];
    return sum;
}

static void fill_per_label(Metrics *metrics)
{
    int count = metrics->label_count;
    int64_t present = 0;
    for (int k = 0; k < count; k++) {
        for (int j = 0; j < count; j++) metrics->support[k] += metrics->confusion[k * count + j];
        double right = (double)metrics->confusion[k * count + k];
        double truth = (double)metrics->support[k], predicted = (double)predicted_rows(metrics, k);
        metrics->precision[k] = ratio(right, predicted);
        metrics->recall[k] = ratio(right, truth);
        metrics->f1[k] = ratio(2 * right, truth + predicted);
        present += truth + predicted > 0;
        metrics->weighted_precision += truth * metrics->precision[k];
        metrics->weighted_recall += truth * metrics->recall[k];
        metrics->weighted_f1 += truth * metrics->f1[k];
    }
    metrics->macro_precision = ratio(pairwise_sum(metrics->precision, count), (double)present);
    metrics->macro_recall = ratio(pairwise_sum(metrics->recall, count), (double)present);
    metrics->macro_f1 = ratio(pairwise_sum(metrics->f1, count), (double)present);
    metrics->weighted_precision = ratio(metrics->weighted_precision, (double)metrics->rows);
    metrics->weighted_recall = ratio(metrics->weighted_recall, (double)metrics->rows);
    metrics->weighted_f1 = ratio(metrics->weighted_f1, (double)metrics->rows);
}

/// Accuracy, its three micro names (equal where every row has one label), and Matthews correlation.
static void fill_overall(Metrics *metrics)
{
    double rows = (double)metrics->rows, right = 0, cross = 0, truths = 0, predictions = 0;
    for (int k = 0; k < metrics->label_count; k++) {
        double truth = (double)metrics->support[k], predicted = (double)predicted_rows(metrics, k);
        right += (double)metrics->confusion[k * metrics->label_count + k];
        cross += truth * predicted;
        truths += truth * truth;
        predictions += predicted * predicted;
    }
    metrics->accuracy = ratio(right, rows);
    metrics->micro_precision = metrics->micro_recall = metrics->micro_f1 = metrics->accuracy;
    metrics->mcc =
        ratio(right * rows - cross, sqrt(rows * rows - predictions) * sqrt(rows * rows - truths));
}

void metrics_compute(Metrics *metrics, const int32_t *labels, const float *logits, int64_t rows,
                     int label_count)
{
    double *losses = MEM_NEW(double, rows), *probabilities = MEM_NEW(double, rows *label_count);
    *metrics = (Metrics){
        .rows = rows,
        .label_count = label_count,
        .precision = MEM_NEW(double, label_count),
        .recall = MEM_NEW(double, label_count),
        .f1 = MEM_NEW(double, label_count),
        .support = MEM_NEW(int64_t, label_count),
        .confusion = MEM_NEW(int64_t, (int64_t)label_count * label_count),
    };
    for (int64_t i = 0; i < rows; i++) {
        const float *row = logits + i * label_count;
        CHECK(labels[i] >= 0 && labels[i] < label_count, "label %d of %d", labels[i], label_count);
        double log_sum;
        int64_t best = softmax_row(probabilities + i * label_count, &log_sum, row, label_count);
        losses[i] = log_sum - ((double)row[labels[i]] - (double)row[best]);
        metrics->confusion[labels[i] * label_count + best]++;
    }
    metrics->loss = rows ? pairwise_sum(losses, rows) / (double)rows : NAN;
    metrics->auc = auc_of(labels, probabilities, rows, label_count);
    fill_per_label(metrics);
    fill_overall(metrics);
    mem_free(probabilities);
    mem_free(losses);
}

void metrics_release(Metrics *metrics)
{
    mem_free(metrics->confusion);
    mem_free(metrics->support);
    mem_free(metrics->f1);
    mem_free(metrics->recall);
    mem_free(metrics->precision);
    *metrics = (Metrics){ 0 };
}

#define METRIC_ROW(name, higher)  { #name, offsetof(Metrics, name), higher },
#define METRIC_NAME(name, higher) #name,
static const MetricRow metric_rows[] = { METRICS(METRIC_ROW) };
const char *const metric_names[] = { METRICS(METRIC_NAME) NULL };
enum { METRIC_COUNT = sizeof metric_rows / sizeof *metric_rows };

const MetricRow *metrics_find(const char *name)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (!strcmp(metric_rows[i].name, name)) return &metric_rows[i];
    return NULL;
}

double metrics_value(const Metrics *metrics, const MetricRow *row)
{
    double value;
    memcpy(&value, (const char *)metrics + row->offset_bytes, sizeof value);
    return value;
}

void metrics_set(Json *object, const Metrics *metrics)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        double value = metrics_value(metrics, &metric_rows[i]);
        if (isfinite(value)) json_set_number(object, metric_rows[i].name, value);
    }
}

static Json *label_json(const Metrics *metrics, int label, const char *name)
{
    Json *out = json_new_object();
    json_set_text(out, "label", name);
    json_set_number(out, "precision", metrics->precision[label]);
    json_set_number(out, "recall", metrics->recall[label]);
    json_set_number(out, "f1", metrics->f1[label]);
    json_set_int(out, "support", metrics->support[label]);
    return out;
}

Json *metrics_json(const Metrics *metrics, const char *const *label_names)
{
    Json *out = json_new_object(), *per_label = json_new_array(), *confusion = json_new_array();
    json_set_int(out, "rows", metrics->rows);
    metrics_set(out, metrics);
    for (int k = 0; k < metrics->label_count; k++) {
        Json *row = json_new_array();
        for (int j = 0; j < metrics->label_count; j++)
            json_append(row, json_new_int(metrics->confusion[k * metrics->label_count + j]));
        json_append(confusion, row);
        json_append(per_label, label_json(metrics, k, label_names[k]));
    }
    json_set(out, "per_label", per_label);
    json_set(out, "confusion", confusion);
    return out;
}

/// Columns that a terminal gives to a label, with at most `limit`; *bytes is what fits. East Asian
/// wide letters start with E3 to ED (but for Hangul's neighbours) or are outside the basic plane.
static int label_columns(size_t *bytes, const char *label, int limit)
{
    int columns = 0;
    size_t at = 0;
    while (label[at]) {
        unsigned char lead = (unsigned char)label[at];
        size_t next = at + 1;
        while (((unsigned char)label[next] & 0xC0) == 0x80) next++;
        int wide = (lead >= 0xE3 && lead <= 0xED) || lead >= 0xF0 ? 2 : 1;
        if (columns + wide > limit) break;
        columns += wide;
        at = next;
    }
    *bytes = at;
    return columns;
}

/// Appends a label in `columns`, cut or padded, on the left or the right side of them.
static void append_label(Text *out, const char *label, int columns, bool right)
{
    size_t bytes;
    int pad = columns - label_columns(&bytes, label, columns);
    if (right) text_printf(out, "%*s", pad, "");
    for (size_t i = 0; i < bytes; i++) // a control character would move the cursor
        text_append_bytes(out, (unsigned char)label[i] < 0x20 || label[i] == 0x7F ? "?" : label + i,
                          1);
    if (!right) text_printf(out, "%*s", pad, "");
}

enum { LABEL_COLUMNS = 32, CELL_COLUMNS = 10, PRINTED_LABELS = 20 };

static int longest_label(const Metrics *metrics, const char *const *label_names)
{
    int longest = (int)strlen("weighted");
    size_t bytes;
    for (int k = 0; k < metrics->label_count; k++) {
        int columns = label_columns(&bytes, label_names[k], LABEL_COLUMNS);
        if (columns > longest) longest = columns;
    }
    return longest;
}

static void print_line(Text *out, const char *label, int columns, const double values[3],
                       int64_t support)
{
    append_label(out, label, columns, false);
    text_printf(out, "  %9.4f  %6.4f  %6.4f  %7lld\n", values[0], values[1], values[2],
                (long long)support);
}

static void print_confusion(Text *out, const Metrics *metrics, const char *const *label_names,
                            int columns)
{
    int count = metrics->label_count;
    text_append(out,
                "\nconfusion matrix (a line: what the label is; a column: what was predicted)\n");
    text_printf(out, "%*s", columns, "");
    for (int k = 0; k < count; k++) {
        text_append(out, "  ");
        append_label(out, label_names[k], CELL_COLUMNS, true);
    }
    text_append(out, "\n");
    for (int k = 0; k < count; k++) {
        append_label(out, label_names[k], columns, false);
        for (int j = 0; j < count; j++)
            text_printf(out, "  %*lld", CELL_COLUMNS, (long long)metrics->confusion[k * count + j]);
        text_append(out, "\n");
    }
}

void metrics_print(Text *out, const Metrics *metrics, const char *const *label_names)
{
    int columns = longest_label(metrics, label_names);
    text_printf(out, "%lld rows  loss %.4f  accuracy %.4f  macro F1 %.4f", (long long)metrics->rows,
                metrics->loss, metrics->accuracy, metrics->macro_f1);
    if (isfinite(metrics->auc)) text_printf(out, "  AUC %.4f", metrics->auc);
    text_printf(out, "  MCC %.4f\n\n%*s  precision  recall      F1  support\n", metrics->mcc,
                columns, "");
    for (int k = 0; k < metrics->label_count; k++)
        print_line(out, label_names[k], columns,
                   (double[]){ metrics->precision[k], metrics->recall[k], metrics->f1[k] },
                   metrics->support[k]);
    print_line(out, "macro", columns,
               (double[]){ metrics->macro_precision, metrics->macro_recall, metrics->macro_f1 },
               metrics->rows);
    print_line(
        out, "weighted", columns,
        (double[]){ metrics->weighted_precision, metrics->weighted_recall, metrics->weighted_f1 },
        metrics->rows);
    if (metrics->label_count <= PRINTED_LABELS) print_confusion(out, metrics, label_names, columns);
}
