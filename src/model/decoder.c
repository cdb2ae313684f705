#include "model/decoder.h"

const ParamRow decoder_vocabulary[] = {
    { "lm_head.weight", SIZE(vocab_size), SIZE(hidden_size), PARAM_OUT, SIZE(untied) },
};
const ParamRow decoder_score[] = {
    { "score.weight", SIZE(num_labels), SIZE(hidden_size), PARAM_LABELS, 0 },
};

Output decoder_predict(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x)
{
    (void)tape;
    return (Output){ x, model->spec.untied ? w : words, NULL };
}

Output decoder_classify(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x)
{
    (void)model, (void)words, (void)tape;
    return (Output){ x, w, NULL };
}

double decoder_sequence_cost(const ModelSpec *spec, int64_t tokens)
{
    double s = (double)tokens, wide = (double)spec->query_size;
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    // a token meets (s + 1) / 2 others, each in two products of a head's width
    return s + s * s * 2 * wide / (4 * h * wide + 6 * h * f);
}
