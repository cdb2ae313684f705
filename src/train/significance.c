#include "train/significance.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/// Of sorted values, between two of them by their distance.
static double quantile(const double *values, int64_t count, double share)
{
    double place = share * (double)(count - 1);
    int64_t below = (int64_t)place;
    if (below + 1 >= count) return values[count - 1];
    return values[below] + (place - (double)below) * (values[below + 1] - values[below]);
}

/// Draws without a value, as of AUC where a label is absent, are left out.
static Interval interval(double *values, int64_t count)
{
    int64_t defined = 0;
    for (int64_t i = 0; i < count; i++)
        if (!isnan(values[i])) values[defined++] = values[i];
    if (!defined) return (Interval){ NAN, NAN };
    qsort(values, (size_t)defined, sizeof *values, by_value);
    return (Interval){ quantile(values, defined, 0.025), quantile(values, defined, 0.975) };
}

/// The row that is drawn as the i-th of so many.
static int64_t drawn_row(int64_t rows, uint32_t resample, int64_t i)
{
    return (int64_t)(rng_uniform(0, RNG_RESAMPLE, resample, (uint64_t)i) * (double)rows);
}

static void draw_rows(int32_t *labels, float *logits, const Outcomes *from, uint32_t resample)
{
    size_t width = (size_t)from->label_count;
    for (int64_t i = 0; i < from->rows; i++) {
        int64_t row = drawn_row(from->rows, resample, i);
        labels[i] = from->labels[row];
        memcpy(logits + (size_t)i * width, from->logits + (size_t)row * width,
               width * sizeof *logits);
    }
}

void bootstrap_intervals(Interval *out, int count, const Outcomes *outcomes)
{
    int32_t *labels = MEM_NEW(int32_t, outcomes->rows);
    float *logits = MEM_NEW(float, outcomes->rows * outcomes->label_count);
    double *values = MEM_NEW(double, (int64_t)count *RESAMPLES); // (count, RESAMPLES)
    for (uint32_t resample = 0; resample < RESAMPLES; resample++) {
        Metrics metrics;
        draw_rows(labels, logits, outcomes, resample);
        metrics_compute(&metrics, labels, logits, outcomes->rows, outcomes->label_count);
        for (int k = 0; k < count; k++)
            values[k * RESAMPLES + (int)resample] =
                metrics_value(&metrics, metrics_find(metric_names[k]));
        metrics_release(&metrics);
    }
    for (int k = 0; k < count; k++) out[k] = interval(values + k * RESAMPLES, RESAMPLES);
    mem_free(values);
    mem_free(logits);
    mem_free(labels);
}

const char *const token_names[] = { "loss", "perplexity", "token_accuracy", NULL };

void token_values(double out[TOKEN_VALUES], const TokenSums *sums)
{
    double targets = sums->targets ? (double)sums->targets : NAN;
    out[0] = sums->loss / targets;
    out[1] = exp(out[0]);
    out[2] = (double)sums->right / targets;
}

static void add_sums(TokenSums *to, const TokenSums *sums)
{
    to->loss += sums->loss;
    to->right += sums->right;
    to->targets += sums->targets;
}

TokenSums token_total(const Outcomes *outcomes)
{
    TokenSums out = { 0 };
    for (int64_t i = 0; i < outcomes->rows; i++) add_sums(&out, &outcomes->sums[i]);
    return out;
}

void bootstrap_tokens(Interval out[TOKEN_VALUES], const Outcomes *outcomes, const Outcomes *second)
{
    double *values = MEM_NEW(double, TOKEN_VALUES *RESAMPLES); // (TOKEN_VALUES, RESAMPLES)
    for (uint32_t resample = 0; resample < RESAMPLES; resample++) {
        TokenSums sums = { 0 }, others = { 0 };
        double these[TOKEN_VALUES], those[TOKEN_VALUES];
        for (int64_t i = 0; i < outcomes->rows; i++) {
            int64_t row = drawn_row(outcomes->rows, resample, i);
            add_sums(&sums, &outcomes->sums[row]);
            if (second) add_sums(&others, &second->sums[row]);
        }
        token_values(these, &sums);
        token_values(those, &others);
        for (int k = 0; k < TOKEN_VALUES; k++)
            values[k * RESAMPLES + (int)resample] = second ? those[k] - these[k] : these[k];
    }
    for (int k = 0; k < TOKEN_VALUES; k++) out[k] = interval(values + k * RESAMPLES, RESAMPLES);
    mem_free(values);
}

/// The first largest logit is the answer, as in metrics.
static bool is_right(const Outcomes *outcomes, int64_t row)
{
    const float *logits = outcomes->logits + row * outcomes->label_count;
    int best = 0;
    for (int k = 1; k < outcomes->label_count; k++)
        if (logits[k] > logits[best]) best = k;
    return best == outcomes->labels[row];
}

/// 2 P(X <= k) of n fair coins, at most 1.
static double two_sided(int64_t k, int64_t n)
{
    double sum = 0, all = lgamma((double)n + 1);
    for (int64_t i = 0; i <= k; i++)
        sum += exp(all - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) - (double)n * log(2));
    return fmin(1, 2 * sum);
}

McNemar mcnemar_exact(const Outcomes *first, const Outcomes *second)
{
    McNemar out = { 0 };
    for (int64_t row = 0; row < first->rows; row++) {
        bool a = is_right(first, row), b = is_right(second, row);
        out.first_alone += a && !b;
        out.second_alone += b && !a;
    }
    int64_t less = out.first_alone < out.second_alone ? out.first_alone : out.second_alone;
    out.p = two_sided(less, out.first_alone + out.second_alone);
    return out;
}
