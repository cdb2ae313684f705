/* TEST ranks=1,2,3,4,6 labels=linalg timeout=60 */
#include "base/file.h"
#include "base/mem.h"
#include "linalg/gemm.h"
#include "linalg/solve.h"
#include "store/json.h"
#include "support/check.h"

#include <math.h>
#include <stdlib.h>

static Comm world;
static Json *golden;

enum { LAMBDAS = 5 };

/// As make_solve.py has it.
static float formula(int64_t i, int64_t j)
{
    return (float)((i * 7919 + j * 104729 + i * j * j * 31) % 2001 - 1000) / 1000;
}

/// This rank's rows of a case; the caller frees x and labels.
static Samples samples_of(const Json *json)
{
    Samples s = { .comm = &world,
                  .all_rows = json_size(json_get(json, "labels")),
                  .features = json_int(json_get(json, "features"), 0),
                  .classes = (int)json_int(json_get(json, "classes"), 0) };
    const Json *all = json_get(json, "x");
    int64_t first, rows;
    solve_rows(&first, &rows, &world, s.all_rows);
    float *x = MEM_NEW(float, rows *s.features + 1);
    int32_t *labels = MEM_NEW(int32_t, rows + 1);
    for (int64_t i = 0; i < rows; i++) {
        labels[i] = (int32_t)json_int(json_at(json_get(json, "labels"), first + i), 0);
        for (int64_t j = 0; j < s.features; j++)
            x[i * s.features + j] =
                json_size(all) ? (float)json_number(json_at(all, (first + i) * s.features + j), NAN)
                               : formula(first + i, j);
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
    for (int64_t k = 0; k < rows; k++) {
        double b = difference ? fit->bias[1] - fit->bias[0] : fit->bias[k];

        if (difference) CHECK_NEAR(b, json_number(json_at(bias, k), NAN), 1e-5);
        for (int64_t j = 0; j < n; j++) {
            double w = difference ? fit->weights[n + j] - fit->weights[j] : fit->weights[k * n + j];
            CHECK_NEAR(w, json_number(json_at(weights, k * n + j), NAN), 1e-5);
        }
    }
}

static void ridge(void)
{
    const Json *cases = json_get(golden, "cases");
    double lambdas[LAMBDAS];
    for (int i = 0; i < LAMBDAS; i++)
        lambdas[i] = json_number(json_at(json_get(golden, "lambdas"), i), NAN);
    for (int64_t c = 0; c < json_size(cases); c++) {
        const Json *expected = json_get(json_at(cases, c), "ridge");
        Samples s = samples_of(json_at(cases, c));
        LinearFit fit = { 0 };
        CHECK_EQ(solve_ridge(&fit, &s, lambdas, LAMBDAS), OK);
        CHECK_TRUE(fit.lambda == json_number(json_get(expected, "lambda"), NAN));
        CHECK_NEAR(fit.error, json_number(json_get(expected, "error"), NAN), 1e-6);
        check_fit(&fit, &s, expected, false);
        for (int k = 0; k < s.classes; k++)
            CHECK_NEAR(fit.bias[k], json_number(json_at(json_get(expected, "bias"), k), NAN), 1e-6);
        linear_fit_release(&fit);
        samples_release(&s);
    }
}

static void logistic(void)
{
    const Json *cases = json_get(golden, "cases");
    for (int64_t c = 0; c < json_size(cases); c++) {
        const Json *expected = json_get(json_at(cases, c), "logistic");
        Samples s = samples_of(json_at(cases, c));
        LinearFit fit = { 0 };
        CHECK_EQ(solve_logistic(&fit, &s, json_number(json_get(expected, "lambda"), NAN)), OK);
        CHECK_TRUE(fit.steps > 2 && fit.steps < 20);
        check_fit(&fit, &s, expected, s.classes == 2);
        for (int k = 1; k < s.classes && s.classes > 2; k++) { // up to what all have in common
            const Json *bias = json_get(expected, "bias");
            CHECK_NEAR(fit.bias[k] - fit.bias[0],
                       json_number(json_at(bias, k), NAN) - json_number(json_at(bias, 0), NAN),
                       1e-5);
        }
        linear_fit_release(&fit);
        samples_release(&s);
    }
}

static const Case cases[] = { { "ridge", ridge }, { "logistic", logistic } };

int main(int argc, char **argv)
{
    if (comm_start(&world) != OK) return EXIT_FAILURE;
    gemm_start();
    CHECK_EQ(json_parse_file(&golden, TEST_FOLDER "/../golden/solve.json"), OK);
    int result = check_main(argc, argv, cases, sizeof cases / sizeof *cases);
    json_free(golden);
    comm_stop(&world);
    return result;
}
