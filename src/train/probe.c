#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "infer/rows.h"
#include "linalg/solve.h"
#include "store/tensors.h"
#include "train/method.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

/// Rows of the training split, this rank's of them one after the other.
typedef struct {
    int64_t first, rows, width;
    float *x;        ///< (rows, width), owned
    int32_t *labels; ///< (rows), owned
} Features;

static void features_release(Features *features)
{
    mem_free(features->x);
    mem_free(features->labels);
}

Status probe_check(const Recipe *recipe)
{
    const char *wrong = strcmp(recipe->model.task, "text_classification") ? "model.task"
                        : *recipe->train.class_weights                    ? "train.class_weights"
                        : recipe->train.label_smoothing_factor > 0 ? "train.label_smoothing_factor"
                                                                   : NULL;
    if (!wrong) return OK;
    return status_fail(USAGE,
                       "%s: train.method linear_probe is for text_classification, without class "
                       "weights and label smoothing",
                       wrong);
}

/// The head's parameters with a row, or an element, for each label.
static void label_params(int *weight, int *bias, const Model *model)
{
    *weight = *bias = -1;
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].labels) *(model->params[i].rank == 1 ? bias : weight) = i;
}

Status probe_check_model(const Model *model, const char *where)
{
    int weight, bias;
    label_params(&weight, &bias, model);
    if (bias >= 0) return OK;
    return status_fail(USAGE,
                       "%s: train.method linear_probe needs a head with a bias, a %s model's has "
                       "none",
                       where, model->arch->model_type);
}

static void copy_features(void *results, const InferredLeaf *leaf, void *context)
{
    Output out = model_output(leaf->model, leaf->weights, leaf->tape);
    (void)context;
    memcpy(results, out.x->value, (size_t)(out.x->rows * out.x->cols) * sizeof(float));
}

/// What features depend on.
static void describe(Text *out, const Trainer *t)
{
    text_printf(out, "%s %s %" PRId64, t->model->source_sha256, t->data->content_key,
                t->recipe->train.seed);
}

static void name_file(Text *out, const Trainer *t)
{
    text_printf(out, "%s/features.h5", t->recipe->output.folder);
}

/// Local. This rank's rows from the file; leaves x NULL where it is of something else.
static Status read_features(Features *f, const Trainer *t, int64_t all_rows)
{
    Status status = OK;
    TensorFile *file = NULL;
    Text path = { 0 }, key = { 0 };
    name_file(&path, t);
    describe(&key, t);
    if (access(path.data, F_OK)) goto done;
    TRY(tensors_open(&file, path.data, "features"));
    const TensorInfo *info = tensors_find(file, "features");
    bool same = info && info->dims[0] == all_rows && info->dims[1] == f->width &&
                !strcmp(tensors_text(file, "key", ""), key.data);
    if (!same) goto done;
    f->x = MEM_NEW(float, f->rows * f->width + 1);
    TRY(tensors_read(file, info, f->first * f->width, f->rows * f->width, f->x));
done:
    tensors_close(file);
    text_release(&path);
    text_release(&key);
    return status;
}

COLLECTIVE
static Status write_features(const Features *f, const Trainer *t, int64_t all_rows)
{
    Text path = { 0 }, key = { 0 };
    name_file(&path, t);
    describe(&key, t);
    Value value = { .name = "key", .kind = VALUE_TEXT, .text = key.data };
    TensorPart part = { .path = "features",
                        .type = ELEMENT_F32,
                        .rank = 2,
                        .dims = { all_rows, f->width },
                        .first = f->first * f->width,
                        .count = f->rows * f->width,
                        .data = f->x };
    Status status = tensors_write(t->comm, path.data, "features", &value, 1, &part, 1);
    text_release(&path);
    text_release(&key);
    return status;
}

/// Collective. From the model; all rows pass through every rank's memory.
COLLECTIVE
static void compute_features(Features *f, Trainer *t)
{
    int64_t count = t->batches.count;
    float *all = MEM_NEW(float, count * f->width);
    infer_rows(t->comm, all, (size_t)f->width * sizeof(float), t->model, t->data, t->batches.rows,
               count, copy_features, NULL);
    f->x = mem_copy(all + f->first * f->width, (size_t)(f->rows * f->width) * sizeof(float));
    mem_free(all);
}

COLLECTIVE
static Status take_features(Features *f, Trainer *t)
{
    Status status = OK;
    int weight, bias;
    label_params(&weight, &bias, t->model);
    *f = (Features){ .width = t->model->params[weight].cols };
    solve_rows(&f->first, &f->rows, t->comm, t->batches.count);
    TRY_ALL(t->comm, read_features(f, t, t->batches.count));
    int64_t missing = !f->x;
    comm_max_int64(t->comm, &missing, 1);
    if (missing) { // agreed: on some rank
        mem_free(f->x);
        compute_features(f, t);
        TRY(write_features(f, t, t->batches.count));
    }
    f->labels = MEM_NEW(int32_t, f->rows);
    for (int64_t i = 0; i < f->rows; i++)
        f->labels[i] = t->data->labels[t->batches.rows[f->first + i]];
done:
    return status;
}

/// Penalties that ridge regression chooses from: half decades around the features' mean square.
enum { PENALTIES = 21 };

COLLECTIVE
static void list_penalties(double lambdas[PENALTIES], const Features *f, const Trainer *t)
{
    double square = 0;
    for (int64_t i = 0; i < f->rows * f->width; i++) square += (double)f->x[i] * (double)f->x[i];
    comm_sum_doubles(t->comm, &square, 1);
    square /= (double)f->width;
    for (int i = 0; i < PENALTIES; i++) lambdas[i] = square * pow(10, (double)(i - 16) / 2);
}

COLLECTIVE
static Status solve(LinearFit *fit, const Features *f, const Trainer *t)
{
    Status status = OK;
    double given = t->recipe->train.regularization, lambdas[PENALTIES];
    Samples samples = { .comm = t->comm,
                        .all_rows = t->batches.count,
                        .features = f->width,
                        .x = f->x,
                        .labels = f->labels,
                        .classes = (int)t->model->spec.num_labels };
    if (!strcmp(t->recipe->train.probe, "logistic")) { // agreed: the same recipe
        TRY(solve_logistic(fit, &samples, given > 0 ? given : 1));
        log_info("linear probe: logistic, penalty %g, %d steps of Newton", fit->lambda, fit->steps);
        return OK;
    }
    list_penalties(lambdas, f, t);
    if (given > 0)
        TRY(solve_ridge(fit, &samples, &given, 1));
    else
        TRY(solve_ridge(fit, &samples, lambdas, PENALTIES));
    log_info("linear probe: ridge, penalty %g, leave-one-out error %.6g", fit->lambda, fit->error);
done:
    return status;
}

/// Collective over those that share the values.
COLLECTIVE
static void set_head(Model *model, const LinearFit *fit)
{
    int weight, bias;
    label_params(&weight, &bias, model);
    const Param *w = &model->params[weight], *b = &model->params[bias];
    for (int64_t i = 0; i < w->rows * w->cols && node_leads(model->node); i++)
        model->values[w->offset + i] = (float)fit->weights[i];
    for (int64_t k = 0; k < b->cols && node_leads(model->node); k++)
        model->values[b->offset + k] = (float)fit->bias[k];
    node_settle(model->node);
}

/// Mean cross entropy of the training rows, over all ranks.
COLLECTIVE
static double mean_loss(const Features *f, const LinearFit *fit, const Trainer *t)
{
    int64_t classes = t->model->spec.num_labels;
    double sum = 0, *z = MEM_NEW(double, classes);
    for (int64_t i = 0; i < f->rows; i++) {
        double exps = 0, most = -INFINITY;
        for (int64_t k = 0; k < classes; k++) {
            z[k] = fit->bias[k];
            for (int64_t j = 0; j < f->width; j++)
                z[k] += fit->weights[k * f->width + j] * (double)f->x[i * f->width + j];
            most = most < z[k] ? z[k] : most;
        }
        for (int64_t k = 0; k < classes; k++) exps += exp(z[k] - most);
        sum += most + log(exps) - z[f->labels[i]];
    }
    mem_free(z);
    comm_sum_doubles(t->comm, &sum, 1);
    return sum / (double)t->batches.count;
}

Status probe_step(Trainer *t, StepRecord *out)
{
    Status status = OK;
    double start_s = clock_now_s();
    Features features = { 0 };
    LinearFit fit = { 0 };
    optimizer_refresh_all(&t->optimizer);
    TRY(take_features(&features, t));
    TRY(solve(&fit, &features, t));
    set_head(t->model, &fit);
    t->done = t->next;
    t->step++;
    *out = (StepRecord){ .step = t->step,
                         .epoch = 1,
                         .loss = mean_loss(&features, &fit, t),
                         .tokens = t->batches.tokens,
                         .seconds = clock_now_s() - start_s,
                         .epoch_ends = true };
done:
    linear_fit_release(&fit);
    features_release(&features);
    return status;
}
