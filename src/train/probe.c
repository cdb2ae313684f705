#include "train/method.h"
#include "base/clock.h"
#include "base/log.h"
#include "comm/agree.h"
#include "linalg/vecmath.h"
#include "train/features.h"
#include "train/layout.h"
#include "train/plan.h"

#include <math.h>
#include <omp.h>
#include <string.h>

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
    if (count == 1 || fit->tied || !(least || greatest)) return;
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

/// Seconds that what comes behind the features takes, about.
static double solver_s(Trainer *t)
{
    Machine machine = layout_machine(t->comm, node_ranks_here(t->comm->node));
    machine.threads = omp_get_max_threads();
    machine.memory_bytes = INFINITY;
    machine.gflops = t->limit_gflops / (double)(t->comm->size * machine.threads);
    machine.bytes_per_s = machine.near_bytes_per_s = 1e9;
    PlanInput input;
    Plan plan;
    plan_input_init(&input, t->recipe, t->model, &t->batches,
                    method_copies(t->recipe, t->row_leaves));
    Layout layout = { t->grid.data, t->grid.rows, t->grid.cols };
    Status planned = plan_make(&plan, &input, layout, &machine);
    status_clear();
    return planned == OK ? plan.solve_s : 0;
}

/// Collective. The head's weights and its loss, which is finite.
COLLECTIVE
static Status solve_head(double *loss, Trainer *t, const Features *f)
{
    Status status = OK;
    LinearFit fit = { 0 };
    int weight, bias;
    label_params(&weight, &bias, t->model);
    Samples samples = { .comm = t->comm,
                        .all_rows = f->all_rows,
                        .features = f->width,
                        .x = f->x,
                        .labels = f->labels,
                        .classes = (int)t->model->spec.num_labels,
                        .intercept = bias >= 0 };
    TRY(solve(&fit, &samples, f, t));
    *loss = solve_loss(&fit, &samples);
    if (!isfinite(*loss) || !isfinite(fit.lambda)) // agreed: the same on all ranks
        FAIL(FAILED,
             "linear probe: the loss is %g with a penalty of %g: set train.regularization, or "
             "choose another model: its features are too large",
             *loss, fit.lambda);
    set_head(t->model, &fit);
done:
    linear_fit_release(&fit);
    return status;
}

Status probe_step(Trainer *t, StepRecord *out)
{
    Status status = OK;
    double loss, start_s = clock_now_s();
    Features features = { 0 };
    int weight, bias;
    label_params(&weight, &bias, t->model);
    phases_start(&t->phases, PHASE_DATA);
    optimizer_refresh_all(&t->optimizer);
    TRY(features_take(&features, t, t->model->params[weight].cols, solver_s(t)));
    if (features.stopped) { // agreed: by all
        status = deadline_obey(&t->deadline, t->step);
        goto done;
    }
    int64_t timed = features.computed ? features.computed : features.all_rows;
    deadline_step_rows(&t->deadline, (double)timed / t->batches.mean_rows);
    phases_lap(&t->phases, PHASE_UPDATE);
    TRY(solve_head(&loss, t, &features));
    phases_lap(&t->phases, PHASE_DATA);
    t->done = t->next;
    t->step++;
    *out = (StepRecord){ .step = t->step,
                         .epoch = 1,
                         .loss = loss,
                         .tokens = t->batches.tokens,
                         .flops = model_forward_flops(t->model, features.tokens),
                         .seconds = clock_now_s() - start_s,
                         .epoch_ends = true };
done:
    features_release(&features);
    return status;
}
