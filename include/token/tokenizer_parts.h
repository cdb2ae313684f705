/// What a Tokenizer is made of: tokenizer_json.c makes it, tokenizer.c runs it.
#pragma once
#include "token/added_tokens.h"
#include "token/bpe.h"
#include "token/decode.h"
#include "token/model_type.h"
#include "token/normalize.h"
#include "token/pieces.h"
#include "token/pretokenize.h"
#include "token/template.h"
#include "token/tokenizer.h"
#include "token/trim.h"
#include "token/vocabulary.h"

struct Tokenizer {
    Vocabulary vocabulary;
    Normalizer normalizer;
    PreTokenizer words;
    AddedTokens added;
    Templates templates;
    const ModelType *type;
    void *model;         ///< owned
    const char **tokens; ///< (size), owned: texts borrowed from vocabulary and added tokens
    int64_t size;
    Decoder decoder;
    TokenSpaces *spaces; ///< (size), owned; NULL: places are not trimmed
    int32_t unknown;     ///< `model.unk_token`, -1: none
};

/// What one call needs besides its result.
struct EncodingScratch {
    Normalized normalized, respaced;
    Pieces pieces;
    size_t text_first; ///< the first piece of the text that is being cut
    struct BpeWork work;
};
