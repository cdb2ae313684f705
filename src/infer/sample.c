#include "infer/sample.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void sampler_release(Sampler *sampler)
{
    mem_free(sampler->logits);
    mem_free(sampler->order);
    mem_free(sampler->weights);
    mem_free(sampler->seen);
    *sampler = (Sampler){ 0 };
}

static void reserve(Sampler *s, int64_t vocabulary)
{
    if (vocabulary <= s->capacity) return;
    sampler_release(s);
    s->logits = MEM_NEW(float, vocabulary);
    s->order = MEM_NEW(int32_t, vocabulary);
    s->weights = MEM_NEW(double, vocabulary);
    s->seen = MEM_NEW(bool, vocabulary);
    s->capacity = vocabulary;
}

static void penalise(Sampler *s, const int32_t *ids, int64_t count, double penalty)
{
    for (int64_t i = 0; i < count; i++) {
        if (s->seen[ids[i]]) continue;
        s->seen[ids[i]] = true;
        float *z = &s->logits[ids[i]];
        *z = (float)(*z < 0 ? *z * penalty : *z / penalty);
    }
    for (int64_t i = 0; i < count; i++) s->seen[ids[i]] = false;
}

static int64_t first_largest(const float *z, int64_t n)
{
    int64_t best = 0;
    for (int64_t k = 1; k < n; k++)
        if (z[k] > z[best]) best = k;
    return best;
}

static int by_falling_logit(const void *a, const void *b, void *context)
{
    const float *z = context;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (z[x] != z[y]) return z[x] > z[y] ? -1 : 1;
    return (x > y) - (x < y);
}

/// Tokens in falling order, but for those too unlikely for a double to tell: returns their number.
static int64_t list_likely(Sampler *s, int64_t vocabulary, double temperature, int64_t top_k)
{
    double least = s->logits[first_largest(s->logits, vocabulary)] - 40 * temperature;
    int64_t count = 0;
    for (int64_t k = 0; k < vocabulary; k++)
        if (s->logits[k] >= least) s->order[count++] = (int32_t)k;
    qsort_r(s->order, (size_t)count, sizeof *s->order, by_falling_logit, s->logits);
    return top_k > 0 && top_k < count ? top_k : count;
}

int32_t sample_token(Sampler *s, const float *logits, int64_t vocabulary, const int32_t *ids,
                     int64_t count, const GenerateOptions *options, int64_t text, int64_t place)
{
    reserve(s, vocabulary);
    memcpy(s->logits, logits, (size_t)vocabulary * sizeof *logits);
    if (options->repetition_penalty != 1) penalise(s, ids, count, options->repetition_penalty);
    if (options->temperature == 0) return (int32_t)first_largest(s->logits, vocabulary);
    int64_t kept = list_likely(s, vocabulary, options->temperature, options->top_k), chosen = 0;
    double total = 0, sum = 0;
    for (int64_t i = 0; i < kept; i++) {
        double apart = (double)s->logits[s->order[i]] - (double)s->logits[s->order[0]];
        total += s->weights[i] = exp(apart / options->temperature);
    }
    if (options->top_p < 1) { // the fewest that reach it
        int64_t most = kept;
        for (kept = 0; kept < most && sum < options->top_p * total; kept++) sum += s->weights[kept];
        total = sum;
    }
    double point = total * rng_uniform(options->seed, RNG_SAMPLE, (uint32_t)place, (uint64_t)text);
    for (sum = s->weights[0]; chosen + 1 < kept && sum <= point;) sum += s->weights[++chosen];
    return s->order[chosen];
}
