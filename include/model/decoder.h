/// Pre-norm causal decoders. Radford et al. 2019 (GPT-2), Touvron et al. 2023 (LLaMA, and what is
/// built like it); names and sizes as in transformers.
#pragma once
#include "model/model.h"

extern const Arch gpt2_arch, llama_arch, qwen2_arch;

/// What decoders share.
enum { DECODER_HEADS = 3 };
/// Local. Heads of a family: causal LM, and classification by the last token.
#define DECODER_HEADS_OF(causal, classifier)                                                       \
    {                                                                                              \
        { "causal_lm", causal, NULL, decoder_vocabulary, 1, true, decoder_predict },               \
            { "text_classification", classifier, last_tokens, decoder_score, 1, false,             \
              decoder_classify },                                                                  \
            { 0 },                                                                                 \
    }
extern const ParamRow decoder_vocabulary[1], decoder_score[1];
Output decoder_predict(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x);
Output decoder_classify(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x);
/// Local. As for `Arch`, from the flops of the layers' products.
double decoder_sequence_cost(const ModelSpec *spec, int64_t tokens);
