/* TEST ranks=1,2,3,4,6 labels=linalg timeout=120 */
#include "base/file.h"
#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/solve.h"
#include "linalg/system.h"
#include "store/json.h"
#include "support/check.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

static Comm world;
static Json *golden;

enum { LAMBDAS = 5, MANY = 20, WIDE = 900 };

/// As make_solve.py has it.
static float formula(int64_t i, int64_t j)
{
    return (float)((i * 7919 + j * 104729 + i * j * j * 31) % 2001 - 1000) / 1000;
}

/// A rank's rows of a case; the caller frees x and labels.
static Samples samples_of(const Comm *comm, const Json *json, const Json *fit)
{
    Samples s = { .comm = comm,
                  .all_rows = json_size(json_get(json, "labels")),
                  .features = json_int(json_get(json, "features"), 0),
                  .classes = (int)json_int(json_get(json, "classes"), 0),
                  .intercept = json_bool(json_get(fit, "intercept"), false) };
    const Json *all = json_get(json, "x");
    RowBlocks blocks;
    row_blocks_init(&blocks, comm, s.all_rows);
    float *x = MEM_NEW(float, blocks.rows *s.features + 1);
    int32_t *labels = MEM_NEW(int32_t, blocks.rows + 1);
    for (int64_t i = 0; i < blocks.rows; i++) {
        int64_t row = blocks.first + i;
        labels[i] = (int32_t)json_int(json_at(json_get(json, "labels"), row), 0);
        for (int64_t j = 0; j < s.features; j++)
            x[i * s.features + j] =
                json_size(all) ? (float)json_number(json_at(all, row * s.features + j), NAN)
                               : formula(row, j);
    }
    s.x = x;
    s.labels = labels;
    return s;
}

static void samples_release(Samples *s)
{
    mem_free((float *)(uintptr_t)s->x);
    mem_free((int32_t *)(uintptr_t)s->labels);
}

/// scikit-learn has one vector for two classes: the difference of ours.
static void check_fit(const LinearFit *fit, const Samples *s, const Json *expected, bool difference)
{
    const Json *weights = json_get(expected, "weights"), *bias = json_get(expected, "bias");
    int64_t rows = difference ? 1 : s->classes, n = s->features;
    CHECK_EQ(json_size(weights), rows * n);
    CHECK_TRUE(!fit->bias == !s->intercept);
    for (int64_t k = 0; k < rows; k++) {
        if (difference && fit->bias)
            CHECK_NEAR(fit->bias[1] - fit->bias[0], json_number(json_at(bias, k), NAN), 1e-5);
        for (int64_t j = 0; j < n; j++) {
            double w = difference ? fit->weights[n + j] - fit->weights[j] : fit->weights[k * n + j];
            CHECK_NEAR(w, json_number(json_at(weights, k * n + j), NAN), 1e-5);
        }
    }
}

/// Calls of every model of every case.
typedef void (*Visit)(const Json *json, const Json *fit);
static void each(Visit visit)
{
    const Json *cases = json_get(golden, "cases");
    for (int64_t c = 0; c < json_size(cases); c++) {
        const Json *fits = json_get(json_at(cases, c), "fits");
        for (int64_t f = 0; f < json_size(fits); f++) visit(json_at(cases, c), json_at(fits, f));
    }
}

static double lambdas[LAMBDAS];

static void check_ridge(const Json *json, const Json *model)
{
    const Json *expected = json_get(model, "ridge");
    Samples s = samples_of(&world, json, model);
    LinearFit fit = { 0 };
    CHECK_EQ(solve_ridge(&fit, &s, &(Penalties){ lambdas, LAMBDAS, LEAVE_OUT_STEP }), OK);
    CHECK_TRUE(fit.exact && fit.lambda == json_number(json_get(expected, "lambda"), NAN));
    CHECK_NEAR(fit.error, json_number(json_get(expected, "error"), NAN), 1e-6);
    check_fit(&fit, &s, expected, false);
    for (int k = 0; k < s.classes && fit.bias; k++)
        CHECK_NEAR(fit.bias[k], json_number(json_at(json_get(expected, "bias"), k), NAN), 1e-6);
    linear_fit_release(&fit);
    samples_release(&s);
}

static void check_logistic(const Json *json, const Json *model)
{
    const Json *expected = json_get(model, "logistic");
    double lambda = json_number(json_get(expected, "lambda"), NAN);
    Samples s = samples_of(&world, json, model);
    LinearFit fit = { 0 };
    CHECK_EQ(solve_logistic(&fit, &s, &(Penalties){ &lambda, 1, LEAVE_OUT_STEP }), OK);
    CHECK_TRUE(fit.lambda == lambda && fit.steps > 2 && fit.steps < 20);
    check_fit(&fit, &s, expected, s.classes == 2);
    for (int k = 1; k < s.classes && s.classes > 2 && fit.bias; k++) { // up to what all share
        const Json *bias = json_get(expected, "bias");
        CHECK_NEAR(fit.bias[k] - fit.bias[0],
                   json_number(json_at(bias, k), NAN) - json_number(json_at(bias, 0), NAN), 1e-5);
    }
    linear_fit_release(&fit);
    samples_release(&s);
}

static void ridge(void)
{
    each(check_ridge);
}
static void logistic(void)
{
    each(check_logistic);
}

static double left_out(const Samples *s, double lambda, LeaveOut how)
{
    LinearFit fit = { 0 };
    CHECK_EQ(solve_logistic(&fit, s, &(Penalties){ &lambda, 1, how }), OK);
    CHECK_TRUE(fit.exact == (how == LEAVE_OUT_EXACT) && (fit.trials > 0) == fit.exact);
    double error = fit.error;
    linear_fit_release(&fit);
    return error;
}

/// Against fits without each row, and one step against the same with its matrices written out, of
/// which that is an approximation, the better the less a row decides alone: here within 1 % from a
/// penalty of 10 on, 5 % at 1, 30 % at 0.01, where it is no more the loss itself (the control).
/// Both choose the same penalty.
static void check_left_out(const Json *json, const Json *model)
{
    const Json *expected = json_get(json_get(model, "logistic"), "left_out");
    const Json *stepped = json_get(json_get(model, "logistic"), "stepped");
    if (!json_size(expected)) return;
    Samples s = samples_of(&world, json, model);
    int best = 0;
    for (int i = 0; i < LAMBDAS; i++) {
        double error = json_number(json_at(expected, i), NAN);
        double step = json_number(json_at(stepped, i), NAN);
        double most = lambdas[i] >= 10 ? 0.01 : lambdas[i] >= 1 ? 0.05 : 0.3;
        double found = left_out(&s, lambdas[i], LEAVE_OUT_STEP);
        if (error < json_number(json_at(expected, best), NAN)) best = i;
        CHECK_NEAR(found, step, 1e-5 * step);
        CHECK_NEAR(found, error, most * error);
        CHECK_TRUE(lambdas[i] > 0.01 || fabs(found - error) > 1e-3 * error);
        CHECK_NEAR(left_out(&s, lambdas[i], LEAVE_OUT_EXACT), error, 1e-5 * error);
    }
    for (LeaveOut how = LEAVE_OUT_AUTO; how <= LEAVE_OUT_STEP; how++) {
        LinearFit fit = { 0 };
        CHECK_EQ(solve_logistic(&fit, &s, &(Penalties){ lambdas, LAMBDAS, how }), OK);
        CHECK_TRUE(fit.lambda == lambdas[best]);
        linear_fit_release(&fit);
    }
    samples_release(&s);
}

static void rows_are_left_out(void)
{
    each(check_left_out);
}

typedef Status (*Solve)(LinearFit *, const Samples *, const Penalties *);

static bool equal_bits(const double *a, const double *b, int64_t count)
{
    return !memcmp(a, b, (size_t)count * sizeof *a);
}

/// Whether the fit over all ranks is that of one rank alone; a loss is in any case.
static bool same_alone(const Json *json, const Json *model, Solve solve)
{
    Comm self = comm_split(&world, world.rank);
    Samples s = samples_of(&world, json, model), all = samples_of(&self, json, model);
    LinearFit fit = { 0 }, alone = { 0 };
    Penalties penalties = { lambdas + 2, 2, LEAVE_OUT_AUTO };
    CHECK_EQ(solve(&fit, &s, &penalties), OK);
    CHECK_EQ(solve(&alone, &all, &penalties), OK);
    CHECK_TRUE(fit.exact && alone.exact);
    bool same = fit.error == alone.error && fit.lambda == alone.lambda &&
                equal_bits(fit.weights, alone.weights, s.classes * s.features) &&
                (!fit.bias || equal_bits(fit.bias, alone.bias, s.classes));
    CHECK_TRUE(solve_loss(&alone, &s) == solve_loss(&alone, &all));
    linear_fit_release(&fit);
    linear_fit_release(&alone);
    samples_release(&s);
    samples_release(&all);
    comm_release(&self);
    return same;
}

static void check_bits(const Json *json, const Json *model)
{
    CHECK_TRUE(same_alone(json, model, solve_ridge));
    CHECK_TRUE(same_alone(json, model, solve_logistic));
}

static void bits_are_those_of_one_rank(void)
{
    each(check_bits);
}

/// Of so many classes and features that products of a block are worth threads.
static void fit_wide(LinearFit *fit, double *loss)
{
    Samples s = { .comm = &world, .all_rows = 100, .features = WIDE, .classes = MANY };
    RowBlocks blocks;
    row_blocks_init(&blocks, &world, s.all_rows);
    float *x = MEM_NEW(float, blocks.rows *WIDE + 1);
    int32_t *labels = MEM_NEW(int32_t, blocks.rows + 1);
    for (int64_t i = 0; i < blocks.rows; i++) {
        labels[i] = (int32_t)((blocks.first + i) % MANY);
        for (int64_t j = 0; j < WIDE; j++) x[i * WIDE + j] = formula(blocks.first + i, j);
    }
    s.x = x;
    s.labels = labels;
    CHECK_EQ(solve_ridge(fit, &s, &(Penalties){ lambdas, LAMBDAS, LEAVE_OUT_AUTO }), OK);
    *loss = solve_loss(fit, &s);
    samples_release(&s);
}

static void bits_are_those_of_one_thread(void)
{
    LinearFit first = { 0 }, fit = { 0 };
    double first_loss, loss;
    if (world.size > 2) return; // of many threads on few cores
    fit_wide(&first, &first_loss);
    for (int threads = 2; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        fit_wide(&fit, &loss);
        CHECK_TRUE(fit.error == first.error);
        CHECK_TRUE(loss == first_loss);
        CHECK_TRUE(equal_bits(fit.weights, first.weights, MANY * WIDE));
        linear_fit_release(&fit);
    }
    omp_set_num_threads(1);
    linear_fit_release(&first);
}

/// Where all ranks have a part of the system: the same values, though not the same bits.
static void large_systems_are_spread(void)
{
    enum { SMALL = 2, LARGE = 3 };
    const Json *small = json_at(json_get(golden, "cases"), SMALL);
    const Json *json = json_at(json_get(golden, "cases"), LARGE);
    system_alone = 0;
    each(check_ridge);
    each(check_logistic);
    check_left_out(small, json_at(json_get(small, "fits"), 0));
    if (world.size > 1)
        CHECK_TRUE(!same_alone(json, json_at(json_get(json, "fits"), 0), solve_ridge));
    system_alone = SYSTEM_ALONE;
}

static const Case cases[] = {
    { "ridge", ridge },
    { "logistic", logistic },
    { "rows_are_left_out", rows_are_left_out },
    { "bits_are_those_of_one_rank", bits_are_those_of_one_rank },
    { "bits_are_those_of_one_thread", bits_are_those_of_one_thread },
    { "large_systems_are_spread", large_systems_are_spread },
};

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    CHECK_EQ(json_parse_file(&golden, TEST_FOLDER "/../golden/solve.json"), OK);
    for (int i = 0; i < LAMBDAS; i++)
        lambdas[i] = json_number(json_at(json_get(golden, "lambdas"), i), NAN);
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    json_free(golden);
    comm_stop(&world);
    return result;
}
