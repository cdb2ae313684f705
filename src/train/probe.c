#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/mem.h"
#include "comm/agree.h"
#include "infer/rows.h"
#include "linalg/solve.h"
#include "linalg/vecmath.h"
#include "store/tensors.h"
#include "train/method.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

/// Rows of the training split, this rank's of them one after the other.
typedef struct {
    int64_t first, rows, width;
    bool computed;   ///< in this step, else taken from the file
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

/// The head's parameters with a row, or an element, for each label; -1: it has no bias.
static void label_params(int *weight, int *bias, const Model *model)
{
    *weight = *bias = -1;
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].labels) *(model->params[i].rank == 1 ? bias : weight) = i;
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
    Text config = { 0 };
    json_print(&config, t->model->config, 0);
    text_printf(out, "%s %08x %s %08x %s %" PRId64, t->model->source_sha256,
                (unsigned)t->model->file_crc, t->recipe->model.init,
                (unsigned)crc32c(0, config.data, config.length_bytes), t->data->content_key,
                t->recipe->train.seed);
    text_release(&config);
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
static Status write_features(const OwnRows *rows, const Trainer *t, int64_t all_rows, int64_t width)
{
    Text path = { 0 }, key = { 0 };
    name_file(&path, t);
    describe(&key, t);
    Value value = { .name = "key", .kind = VALUE_TEXT, .text = key.data };
    TensorPart part = { .path = "features",
                        .type = ELEMENT_F32,
                        .rank = 2,
                        .dims = { all_rows, width },
                        .first = rows->first * width,
                        .count = rows->count * width,
                        .data = rows->results };
    Status status = tensors_write(t->comm, path.data, "features", &value, 1, &part, 1);
    text_release(&path);
    text_release(&key);
    return status;
}

/// Collective. Into the file, from which every rank takes those that it solves with.
COLLECTIVE
static Status compute_features(Trainer *t, int64_t width)
{
    OwnRows own;
    Inference inference = { .row_bytes = (size_t)width * sizeof(float), .run = copy_features };
    infer_own_rows(t->comm, &own, &inference, t->model, t->data, t->batches.rows, t->batches.count);
    Status status = write_features(&own, t, t->batches.count, width);
    arena_release(&own.memory);
    return status;
}

COLLECTIVE
static Status take_features(Features *f, Trainer *t)
{
    Status status = OK;
    int weight, bias;
    RowBlocks blocks;
    label_params(&weight, &bias, t->model);
    row_blocks_init(&blocks, t->comm, t->batches.count);
    *f = (Features){ .first = blocks.first,
                     .rows = blocks.rows,
                     .width = t->model->params[weight].cols };
    TRY_ALL(t->comm, read_features(f, t, t->batches.count));
    int64_t missing = !f->x;
    comm_max_int64(t->comm, &missing, 1);
    f->computed = missing;
    if (missing) { // agreed: on some rank
        mem_free(f->x);
        f->x = NULL;
        TRY(compute_features(t, f->width));
        TRY_ALL(t->comm, read_features(f, t, t->batches.count));
        TRY_ALL(t->comm, f->x ? OK
                              : status_fail(FAILED, "%s/features.h5 was replaced meanwhile",
                                            t->recipe->output.folder));
    }
    f->labels = MEM_NEW(int32_t, f->rows + 1);
    for (int64_t i = 0; i < f->rows; i++)
        f->labels[i] = t->data->labels[t->batches.rows[f->first + i]];
done:
    return status;
}

/// How the head is solved: a row for each train.probe.
typedef struct {
    const char *name;
    Status (*solve)(LinearFit *out, const Samples *samples, const Penalties *penalties);
    void (*need)(SolveNeed *out, const SolveShape *shape);
    void (*work)(SolveWork *out, const SolveShape *shape);
    /// Penalties to choose from: `count` of them, up to 100 times the features' mean square, each
    /// `ratio` times the one below.
    int count;
    double ratio;
    const char *error; ///< what LinearFit.error is
} Probe;
enum { MOST_PENALTIES = 21 };
static const Probe probes[] = {
    { "ridge", solve_ridge, solve_ridge_need, solve_ridge_work, MOST_PENALTIES, 3.1622776601683795,
      "leave-one-out error" },
    { "logistic", solve_logistic, solve_logistic_need, solve_logistic_work, 9, 10,
      "leave-one-out loss" },
};
enum { PROBES = sizeof probes / sizeof *probes };
const char *const leave_one_out_names[] = { "auto", "exact", "one_step", NULL };
const char *const probe_names[] = { "ridge", "logistic", NULL };
_Static_assert(sizeof probe_names / sizeof *probe_names == PROBES + 1, "a name for each probe");

COLLECTIVE
static int list_penalties(double *lambdas, const Probe *probe, const Features *f, const Trainer *t)
{
    double given = t->recipe->train.regularization;
    SquareSum sum = { 0 };
    lambdas[0] = given;
    if (given > 0) return 1; // agreed: the same recipe
    vec_add_squares(&sum, f->x, f->rows * f->width);
    comm_sum_doubles(t->comm, sum.levels, SQUARE_LEVELS); // exact, so in any order
    double lambda = 100 * square_sum_total(&sum) / (double)f->width;
    for (int i = probe->count - 1; i >= 0; i--, lambda /= probe->ratio) lambdas[i] = lambda;
    return probe->count;
}

static const Probe *probe_find(const char *name)
{
    const Probe *probe = probes;
    while (strcmp(probe->name, name)) probe++;
    return probe;
}

static LeaveOut how_to_leave_out(const Recipe *recipe)
{
    int i = 0;
    while (strcmp(leave_one_out_names[i], recipe->train.leave_one_out)) i++;
    return (LeaveOut)i;
}

/// What is chosen of a list may be better outside of it.
static void warn_of_end(const LinearFit *fit, const double *lambdas, int count)
{
    bool least = fit->lambda == lambdas[0], greatest = fit->lambda == lambdas[count - 1];
    if (count == 1 || !(least || greatest)) return;
    log_warn("linear probe: the penalty %g is the %s of %d that were tried: set "
             "train.regularization to a %s one, which may be better",
             fit->lambda, least ? "least" : "greatest", count, least ? "lower" : "greater");
}

void probe_shape(SolveShape *shape, const Recipe *recipe, const Model *model)
{
    int weight, bias;
    label_params(&weight, &bias, model);
    shape->features = model->params[weight].cols;
    shape->intercept = bias >= 0;
    shape->penalties =
        recipe->train.regularization > 0 ? 1 : probe_find(recipe->train.probe)->count;
    shape->leave_out = how_to_leave_out(recipe);
}

void probe_need(SolveNeed *need, SolveWork *work, const Recipe *recipe, const SolveShape *shape)
{
    const Probe *probe = probe_find(recipe->train.probe);
    probe->need(need, shape);
    probe->work(work, shape);
}

COLLECTIVE
static Status solve(LinearFit *fit, const Samples *samples, const Features *f, const Trainer *t)
{
    Status status = OK;
    const Probe *probe = probe_find(t->recipe->train.probe);
    double lambdas[MOST_PENALTIES];
    int count = list_penalties(lambdas, probe, f, t);
    Penalties penalties = { lambdas, count, how_to_leave_out(t->recipe) };
    TRY(probe->solve(fit, samples, &penalties)); // agreed: every solver is collective
    log_info("linear probe: %s, penalty %g, %s %.6g (%s)", probe->name, fit->lambda, probe->error,
             fit->error, fit->exact ? "exact" : "one step");
    warn_of_end(fit, lambdas, count);
done:
    return status;
}

/// Collective over those that share the values.
COLLECTIVE
static void set_head(Model *model, const LinearFit *fit)
{
    int weight, bias;
    label_params(&weight, &bias, model);
    const Param *w = &model->params[weight], *b = bias < 0 ? NULL : &model->params[bias];
    for (int64_t i = 0; i < w->rows * w->cols && node_leads(model->node); i++)
        model->values[w->offset + i] = (float)fit->weights[i];
    for (int64_t k = 0; b && k < b->cols && node_leads(model->node); k++)
        model->values[b->offset + k] = (float)fit->bias[k];
    node_settle(model->node);
}

Status probe_step(Trainer *t, StepRecord *out)
{
    Status status = OK;
    double start_s = clock_now_s();
    Features features = { 0 };
    LinearFit fit = { 0 };
    deadline_step_rows(&t->deadline, (double)t->batches.count / t->batches.mean_rows);
    optimizer_refresh_all(&t->optimizer);
    TRY(take_features(&features, t));
    int weight, bias;
    label_params(&weight, &bias, t->model);
    Samples samples = { .comm = t->comm,
                        .all_rows = t->batches.count,
                        .features = features.width,
                        .x = features.x,
                        .labels = features.labels,
                        .classes = (int)t->model->spec.num_labels,
                        .intercept = bias >= 0 };
    TRY(solve(&fit, &samples, &features, t));
    set_head(t->model, &fit);
    t->done = t->next;
    t->step++;
    *out =
        (StepRecord){ .step = t->step,
                      .epoch = 1,
                      .loss = solve_loss(&fit, &samples),
                      .tokens = t->batches.tokens,
                      .flops =
                          features.computed ? model_forward_flops(t->model, t->batches.tokens) : 0,
                      .seconds = clock_now_s() - start_s,
                      .epoch_ends = true };
done:
    linear_fit_release(&fit);
    features_release(&features);
    return status;
}
