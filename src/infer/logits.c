#include "infer/logits.h"

#include <math.h>
#include <string.h>

static void copy_logits(void *results, const InferredLeaf *leaf, void *context)
{
    (void)context;
    Output out = model_output(leaf->model, leaf->weights, leaf->tape);
    Var *logits = linear(leaf->tape, out.x, out.weight, out.bias);
    memcpy(results, logits->value, (size_t)(logits->rows * logits->cols) * sizeof(float));
}

void infer_logits(const Comm *comm, float *logits, const Model *model, const Dataset *data,
                  const int64_t *rows, int64_t count, Watch *watch)
{
    Inference inference = { .row_bytes = (size_t)model->spec.num_labels * sizeof(float),
                            .run = copy_logits,
                            .watch = watch };
    infer_rows(comm, logits, &inference, model, data, rows, count);
}

int64_t softmax_row(double *probabilities, double *log_sum, const float *logits, int64_t count)
{
    int64_t best = 0;
    double sum = 0;
    for (int64_t k = 1; k < count; k++)
        if (logits[k] > logits[best]) best = k;
    for (int64_t k = 0; k < count; k++) {
        probabilities[k] = exp((double)logits[k] - (double)logits[best]);
        sum += probabilities[k];
    }
    for (int64_t k = 0; k < count; k++) probabilities[k] /= sum;
    if (log_sum) *log_sum = log(sum);
    return best;
}
