/* TEST labels=train timeout=30 */
#include "base/mem.h"
#include "store/json.h"
#include "support/check.h"
#include "train/metrics.h"

#include <stdlib.h>

static Json *golden_cases(void)
{
    Json *document = NULL;
    Text path = { 0 };
    const char *source = getenv("TEMPER_SOURCE");
    text_printf(&path, "%s/tests/golden/metrics.json", source ? source : ".");
    if (json_parse_file(&document, path.data) != OK)
        check_failed(__FILE__, __LINE__, "%s", status_message());
    text_release(&path);
    return document;
}

static void compute(Metrics *metrics, const Json *golden)
{
    const Json *labels = json_get(golden, "labels"), *logits = json_get(golden, "logits");
    int64_t rows = json_size(labels), count = json_int(json_get(golden, "label_count"), 0);
    int32_t *label_ids = MEM_NEW(int32_t, rows);
    float *values = MEM_NEW(float, rows *count);
    CHECK_EQ(json_size(logits), rows * count);
    for (int64_t i = 0; i < rows; i++) label_ids[i] = (int32_t)json_int(json_at(labels, i), -1);
    for (int64_t i = 0; i < rows * count; i++)
        values[i] = (float)json_number(json_at(logits, i), 0);
    metrics_compute(metrics, label_ids, values, rows, (int)count);
    mem_free(values);
    mem_free(label_ids);
}

static void check_value(const char *name, const char *metric, double value, const Json *expected)
{
    double right = json_number(expected, NAN);
    if (isnan(right) && isnan(value)) return;
    if (!(fabs(value - right) <= 1e-12))
        check_failed(__FILE__, __LINE__, "%s: %s is %.17g, expected %.17g", name, metric, value,
                     right);
}

static void check_labels(const char *name, const Metrics *metrics, const Json *expected)
{
    for (int k = 0; k < metrics->label_count; k++) {
        const Json *row = json_at(json_get(expected, "confusion"), k);
        check_value(name, "precision", metrics->precision[k],
                    json_at(json_get(expected, "precision"), k));
        check_value(name, "recall", metrics->recall[k], json_at(json_get(expected, "recall"), k));
        check_value(name, "f1", metrics->f1[k], json_at(json_get(expected, "f1"), k));
        CHECK_EQ(metrics->support[k], json_int(json_at(json_get(expected, "support"), k), -1));
        for (int j = 0; j < metrics->label_count; j++)
            CHECK_EQ(metrics->confusion[k * metrics->label_count + j],
                     json_int(json_at(row, j), -1));
    }
}

static void agrees_with_scikit_learn(void)
{
    Json *document = golden_cases();
    const Json *cases = json_get(document, "cases");
    CHECK_EQ(json_size(cases), 13);
    for (int64_t i = 0; i < json_size(cases); i++) {
        Metrics metrics;
        const Json *golden = json_at(cases, i), *expected = json_get(golden, "expected");
        const char *name = json_text(json_get(golden, "name"), "");
        compute(&metrics, golden);
        for (const char *const *metric = metric_names; *metric; metric++)
            check_value(name, *metric, metrics_value(&metrics, metrics_find(*metric)),
                        json_get(expected, *metric));
        check_labels(name, &metrics, expected);
        metrics_release(&metrics);
    }
    json_free(document);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void names_lead_to_values(void)
{
    CHECK_TRUE(metrics_find("loss") && !metrics_find("loss")->higher_is_better);
    CHECK_TRUE(metrics_find("macro_f1") && metrics_find("macro_f1")->higher_is_better);
    CHECK_TRUE(!metrics_find("f1"));
    int count = 0;
    for (const char *const *name = metric_names; *name; name++, count++)
        CHECK_TEXT(metrics_find(*name)->name, *name);
    CHECK_EQ(count, 13);
}

static void nothing_and_one_label(void)
{
    Metrics metrics;
    Json *object = json_new_object();
    metrics_compute(&metrics, NULL, NULL, 0, 3);
    metrics_set(object, &metrics);
    CHECK_TRUE(isnan(metrics.loss) && isnan(metrics.auc));
    CHECK_NEAR(metrics.accuracy, 0, 0);
    CHECK_TRUE(!json_get(object, "loss") && !json_get(object, "auc"));
    CHECK_TRUE(json_get(object, "accuracy"));
    metrics_release(&metrics);
    metrics_compute(&metrics, (int32_t[]){ 0, 0 }, (float[]){ 3, 4 }, 2, 1);
    CHECK_NEAR(metrics.accuracy, 1, 0);
    CHECK_NEAR(metrics.loss, 0, 0);
    CHECK_TRUE(isnan(metrics.auc));
    metrics_release(&metrics);
    json_free(object);
}

static void bad_logits_stay_bad(void)
{
    Metrics metrics;
    metrics_compute(&metrics, (int32_t[]){ 0, 1 }, (float[]){ 1, 0, NAN, 0 }, 2, 2);
    CHECK_TRUE(isnan(metrics.loss) && isnan(metrics.auc));
    metrics_release(&metrics);
}

static const char *const spam_names[] = { "ham", "垃\x1b" };

static void prints_a_table(void)
{
    Metrics metrics;
    Text out = { 0 };
    metrics_compute(&metrics, (int32_t[]){ 0, 0, 1, 1 }, (float[]){ 1, 0, 0, 1, 0, 1, 0, 2 }, 4, 2);
    metrics_print(&out, &metrics, spam_names);
    CHECK_TEXT(text_chars(&out),
               "4 rows  loss 0.5167  accuracy 0.7500  macro F1 0.7333  AUC 0.8750  MCC 0.5774\n"
               "\n"
               "          precision  recall      F1  support\n"
               "ham          1.0000  0.5000  0.6667        2\n"
               "垃?          0.6667  1.0000  0.8000        2\n"
               "macro        0.8333  0.7500  0.7333        4\n"
               "weighted     0.8333  0.7500  0.7333        4\n"
               "\n"
               "confusion matrix (a line: what the label is; a column: what was predicted)\n"
               "                 ham         垃?\n"
               "ham                1           1\n"
               "垃?                0           2\n");
    metrics_release(&metrics);
    text_release(&out);
}

static void writes_json(void)
{
    Metrics metrics;
    metrics_compute(&metrics, (int32_t[]){ 0, 0, 1, 1 }, (float[]){ 1, 0, 0, 1, 0, 1, 0, 2 }, 4, 2);
    Json *out = metrics_json(&metrics, spam_names);
    CHECK_EQ(json_int(json_get(out, "rows"), 0), 4);
    CHECK_NEAR(json_number(json_get(out, "auc"), 0), 0.875, 0);
    CHECK_EQ(json_int(json_at(json_at(json_get(out, "confusion"), 0), 1), -1), 1);
    const Json *second = json_at(json_get(out, "per_label"), 1);
    CHECK_TEXT(json_text(json_get(second, "label"), ""), spam_names[1]);
    CHECK_EQ(json_int(json_get(second, "support"), 0), 2);
    json_free(out);
    metrics_release(&metrics);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "agrees with scikit-learn", agrees_with_scikit_learn },
    { "names lead to values", names_lead_to_values },
    { "nothing and one label", nothing_and_one_label },
    { "bad logits stay bad", bad_logits_stay_bad },
    { "prints a table", prints_a_table },
    { "writes JSON", writes_json },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
