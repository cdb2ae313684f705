#include "nn/ops.h"
#include "base/status.h"

#include <math.h>

typedef struct {
    const double *weights; ///< (classes) or NULL: ones
    double weight_sum, smoothing, divisor;
    int64_t classes;
} Loss;

static double weight_of(const Loss *loss, int64_t k)
{
    return loss->weights ? loss->weights[k] : 1;
}

/// log sum exp of a row.
static double log_total(const float *z, int64_t classes)
{
    double most = z[0], total = 0;
    for (int64_t k = 1; k < classes; k++) most = z[k] > most ? z[k] : most;
    for (int64_t k = 0; k < classes; k++) total += exp(z[k] - most);
    return most + log(total);
}

static double row_loss(const Loss *loss, const float *z, int32_t label)
{
    double log_sum = log_total(z, loss->classes), spread = 0;
    double sum = (1 - loss->smoothing) * weight_of(loss, label) * (log_sum - z[label]);
    if (loss->smoothing > 0)
        for (int64_t k = 0; k < loss->classes; k++) spread += weight_of(loss, k) * (log_sum - z[k]);
    return (sum + loss->smoothing / (double)loss->classes * spread) / loss->divisor;
}

static void row_gradient(const Loss *loss, float *dz, const float *z, int32_t label, bool first)
{
    double log_sum = log_total(z, loss->classes);
    double on_label = (1 - loss->smoothing) * weight_of(loss, label);
    double on_each = loss->smoothing / (double)loss->classes;
    double total = on_label + on_each * loss->weight_sum;
    for (int64_t k = 0; k < loss->classes; k++) {
        double d = total * exp(z[k] - log_sum) - on_each * weight_of(loss, k);
        if (k == label) d -= on_label;
        dz[k] = (float)((first ? 0 : (double)dz[k]) + d / loss->divisor);
    }
}

double cross_entropy(Tape *tape, Var *logits, const int32_t *labels, const double *class_weights,
                     double label_smoothing, double divisor)
{
    Loss loss = { class_weights, 0, label_smoothing, divisor, logits->cols };
    for (int64_t k = 0; k < loss.classes; k++) loss.weight_sum += weight_of(&loss, k);
    bool first = false;
    float *gradient = tape_records(tape, logits) ? tape_gradient_for(tape, logits, &first) : NULL;
    double sum = 0;
    for (int64_t i = 0; i < logits->rows; i++) {
        const float *z = logits->value + i * loss.classes;
        CHECK(labels[i] >= 0 && labels[i] < loss.classes, "label %d of %lld classes", labels[i],
              (long long)loss.classes);
        sum += row_loss(&loss, z, labels[i]);
        if (gradient) row_gradient(&loss, gradient + i * loss.classes, z, labels[i], first);
    }
    return sum;
}
