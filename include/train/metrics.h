/// Classification metrics as scikit-learn defines them, in double. All are Local and pure: counts
/// are exact, sums go in a fixed order, so values depend on the order of the rows alone.
#pragma once
#include "base/text.h"
#include "store/json.h"

#include <stdbool.h>
#include <stdint.h>

/// K labels. Ratios with a zero divisor are 0. "macro" is the mean over labels that occur in truth
/// or prediction, "weighted" weighs by support.
typedef struct {
    int64_t rows;
    int label_count;
    double loss; ///< mean cross entropy, natural logarithm
    double accuracy;
    double macro_precision, macro_recall, macro_f1;
    double micro_precision, micro_recall, micro_f1;
    double weighted_precision, weighted_recall, weighted_f1;
    double auc; ///< ROC AUC with mid-ranks; K = 2: of label 1; more: one against the rest, mean
                ///< over labels; NaN if a label has no row
    double mcc; ///< Matthews correlation, R_K for K > 2 (Gorodkin 2004)
    double *precision, *recall, *f1; ///< (K), owned
    int64_t *support;                ///< (K), owned: rows of the label
    int64_t *confusion;              ///< (K, K), owned: truth by prediction
} Metrics;

/// Local. From labels (rows) and logits (rows, K). The prediction is the first largest logit,
/// scores are the softmax in double. `metrics_release` frees the result. No rows: loss is NaN.
void metrics_compute(Metrics *metrics, const int32_t *labels, const float *logits, int64_t rows,
                     int label_count);
void metrics_release(Metrics *metrics);

/// The named values, and whether higher is better.
#define METRICS(X)                                                                                 \
    X(loss, false)                                                                                 \
    X(accuracy, true)                                                                              \
    X(macro_f1, true)                                                                              \
    X(micro_f1, true)                                                                              \
    X(weighted_f1, true)                                                                           \
    X(macro_precision, true)                                                                       \
    X(micro_precision, true)                                                                       \
    X(weighted_precision, true)                                                                    \
    X(macro_recall, true)                                                                          \
    X(micro_recall, true)                                                                          \
    X(weighted_recall, true)                                                                       \
    X(auc, true)                                                                                   \
    X(mcc, true)

/// One of the named values of `Metrics`.
typedef struct {
    const char *name;
    size_t offset_bytes;
    bool higher_is_better;
} MetricRow;

/// Ended by NULL: "loss", "accuracy", "macro_f1", "micro_f1", "weighted_f1", "macro_precision" ...
extern const char *const metric_names[];
/// Local. NULL if unknown.
const MetricRow *metrics_find(const char *name);
double metrics_value(const Metrics *metrics, const MetricRow *row);

/// Local. Sets every named value in `object`; those that are NaN are left out.
void metrics_set(Json *object, const Metrics *metrics);
/// Local. The named values, "rows", "per_label" (label, precision, recall, f1, support) and
/// "confusion" (truth by prediction). The caller owns the result. label_names (K), UTF-8.
Json *metrics_json(const Metrics *metrics, const char *const *label_names);
/// Local. Appends an aligned table for a person: named values, a line a label, confusion matrix.
void metrics_print(Text *out, const Metrics *metrics, const char *const *label_names);
