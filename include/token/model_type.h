/// The algorithms that cut words into pieces, each a row of tokenizer_json.c.
#pragma once
#include "base/status.h"
#include "store/json.h"
#include "token/normalize.h"
#include "token/pieces.h"
#include "token/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>

/// What a model is made from.
typedef struct {
    const Vocabulary *vocabulary; ///< borrowed, outlives the model
    const Json *spec;             ///< `model` of the tokenizer.json
    bool bytes;                   ///< words come spelled in the alphabet of bytes
    const char *where;            ///< names the file
} ModelSource;

struct BpeWork; ///< working memory of one thread: bpe.h

typedef struct {
    const char *type; ///< `model.type` of a tokenizer.json
    Status (*new)(void **out, const ModelSource *source);
    void (*free)(void *model);
    /// Appends the pieces of the word at bytes [first, end) of `text`.
    void (*cut)(const void *model, struct BpeWork *work, Pieces *out, const Normalized *text,
                size_t first, size_t end);
} ModelType;
