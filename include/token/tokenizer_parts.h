/// What a Tokenizer is made of: tokenizer_json.c makes it, tokenizer.c runs it.
#pragma once
#include "token/added_tokens.h"
#include "token/normalize.h"
#include "token/pieces.h"
#include "token/pretokenize.h"
#include "token/template.h"
#include "token/tokenizer.h"
#include "token/vocabulary.h"

/// One row per algorithm that cuts words into pieces.
typedef struct {
    const char *type; ///< `model.type` of a tokenizer.json
    Status (*new)(void **out, const Vocabulary *vocabulary, const Json *spec, const char *where);
    void (*free)(void *model);
    void (*cut)(const void *model, Pieces *out, const Normalized *text, size_t first, size_t end);
} ModelType;

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
};

/// What one call needs besides its result.
struct EncodingScratch {
    Normalized normalized;
    Pieces pieces;
};
