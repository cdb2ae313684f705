#include "train/classification.h"
#include "base/mem.h"
#include "infer/logits.h"
#include "train/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double classification_divisor(const Trainer *trainer, const Batch *batch)
{
    double sum = 0;
    if (!trainer->class_weights) return (double)batch->count;
    for (int64_t i = 0; i < batch->count; i++)
        sum += trainer->class_weights[trainer->data->labels[batch->rows[i]]];
    return sum > 0 ? sum : 1; // rows of weight 0 alone: their loss is 0
}

double classification_loss(Trainer *trainer, double divisor)
{
    Output out = model_output(trainer->model, trainer->weights, trainer->tape);
    Var *logits = linear(trainer->tape, out.x, out.weight, out.bias);
    return cross_entropy(trainer->tape, logits, trainer->buffers.labels, trainer->class_weights,
                         trainer->recipe->train.label_smoothing_factor, divisor);
}

static void describe(Evaluation *out, const Model *model, const Dataset *data, const int64_t *rows,
                     int64_t count)
{
    Metrics metrics;
    int64_t labels = model->spec.num_labels;
    const char *const *names = (const char *const *)model->label_names;
    int32_t *truth = MEM_NEW(int32_t, count);
    for (int64_t i = 0; i < count; i++) truth[i] = data->labels[rows[i]];
    metrics_compute(&metrics, truth, out->logits, count, (int)labels);
    metrics_set(out->values, &metrics);
    out->whole = metrics_json(&metrics, names);
    metrics_print(&out->table, &metrics, names);
    text_printf(&out->line, "loss %.4f  accuracy %.4f  macro-F1 %.4f", metrics.loss,
                metrics.accuracy, metrics.macro_f1);
    metrics_release(&metrics);
    mem_free(truth);
}

void classification_evaluate(const Comm *comm, Evaluation *out, const TrainOptions *train,
                             const Model *model, const Tokenizer *tokenizer, const Dataset *data,
                             const int64_t *rows, int64_t count, Watch *watch)
{
    out->logits = MEM_NEW(float, count * model->spec.num_labels);
    (void)train, (void)tokenizer;
    infer_logits(comm, out->logits, model, data, rows, count, watch);
    if (!watch || !watch->stopped) describe(out, model, data, rows, count);
}

static void print_row(FILE *out, const Model *model, double *probabilities, const float *logits,
                      bool with_logits)
{
    Text line = { 0 };
    int64_t labels = model->spec.num_labels;
    const char *name = model->label_names[softmax_row(probabilities, NULL, logits, labels)];
    text_append(&line, "{\"label\": ");
    json_quote(&line, name, strlen(name));
    text_append(&line, ", \"probabilities\": [");
    for (int64_t k = 0; k < labels; k++)
        text_printf(&line, "%s%.9g", k ? ", " : "", probabilities[k]);
    if (with_logits) {
        text_append(&line, "], \"logits\": [");
        for (int64_t k = 0; k < labels; k++)
            text_printf(&line, "%s%.9g", k ? ", " : "", (double)logits[k]);
    }
    text_append(&line, "]}\n");
    fputs(line.data, out);
    text_release(&line);
}

void classification_predict(const Comm *comm, FILE *out, const Model *model, const Dataset *data,
                            const int64_t *rows, int64_t count, bool logits)
{
    int64_t labels = model->spec.num_labels;
    float *values = MEM_NEW(float, count *labels);
    double *probabilities = MEM_NEW(double, labels);
    infer_logits(comm, values, model, data, rows, count, NULL);
    for (int64_t i = 0; i < count && comm->rank == 0; i++)
        print_row(out, model, probabilities, values + i * labels, logits);
    mem_free(probabilities);
    mem_free(values);
}

/// n / (K n_c) over the training rows, as scikit-learn's "balanced".
static double *balanced(const Dataset *data)
{
    double *weights = MEM_NEW(double, data->label_count), rows = 0;
    for (int64_t i = 0; i < data->rows; i++) {
        if (data->splits[i] != SPLIT_TRAIN) continue;
        weights[data->labels[i]]++;
        rows++;
    }
    for (int64_t k = 0; k < data->label_count; k++)
        if (weights[k] > 0) weights[k] = rows / ((double)data->label_count * weights[k]);
    return weights;
}

/// False unless it is "[w0, w1, ...]" of finite weights, none negative and one of them positive.
static bool parse_list(double *weights, const char *text, int64_t count)
{
    double most = 0;
    const char *at = text;
    for (int64_t k = 0; k < count; k++) {
        char *end;
        if (*at++ != (k ? ',' : '[')) return false;
        weights[k] = strtod(at, &end);
        if (end == at || !isfinite(weights[k]) || weights[k] < 0) return false;
        if (weights[k] > most) most = weights[k];
        at = end + strspn(end, " ");
    }
    return most > 0 && !strcmp(at, "]");
}

static Status read_list(double **out, const char *text, int64_t count)
{
    Status status = OK;
    double *weights = MEM_NEW(double, count);
    if (!parse_list(weights, text, count))
        FAIL(USAGE,
             "train.class_weights: '%s' is not 'balanced' or a list of %lld weights by label id: "
             "finite, none negative, not all 0",
             text, (long long)count);
    *out = weights;
    weights = NULL;
done:
    mem_free(weights);
    return status;
}

Status classification_weights(double **out, const Recipe *recipe, const Dataset *data)
{
    const char *text = recipe->train.class_weights;
    *out = NULL;
    if (!*text) return OK;
    if (strcmp(text, "balanced")) return read_list(out, text, data->label_count);
    *out = balanced(data);
    return OK;
}
