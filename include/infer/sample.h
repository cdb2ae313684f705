/// The next token of a text from its logits.
#pragma once
#include "infer/generate.h"

/// Working memory, reused from token to token. `(Sampler){0}` is empty.
typedef struct {
    float *logits;   ///< (vocabulary), owned
    int32_t *order;  ///< (vocabulary), owned
    double *weights; ///< (vocabulary), owned
    bool *seen;      ///< (vocabulary), owned
    int64_t capacity;
} Sampler;
void sampler_release(Sampler *sampler);

/// Local. As transformers: the logits of tokens that are in the text already (ids[count]) are
/// divided (if positive, else multiplied) by the repetition penalty, all by the temperature; then
/// the top_k likeliest stay, of these the fewest with a probability of top_p together; one is drawn
/// by the random number of (seed, text, place). Temperature 0: the first largest logit.
int32_t sample_token(Sampler *sampler, const float *logits /* (vocabulary) */, int64_t vocabulary,
                     const int32_t *ids, int64_t count, const GenerateOptions *options,
                     int64_t text, int64_t place);
