/// WordPiece (Schuster and Nakajima, "Japanese and Korean voice search", 2012): a word is cut
/// greedily into the longest pieces of the vocabulary, those after the first with a prefix; a word
/// that cannot be covered is one unknown token.
#pragma once
#include "base/status.h"
#include "token/model_type.h"

typedef struct {
    const Vocabulary *vocabulary; ///< borrowed
    int32_t unknown;              ///< id
    int32_t continuation;         ///< trie node of the prefix, -1: no token has it
    size_t max_codes;             ///< longer words are unknown
} WordPiece;

/// Local. From the `model` of a tokenizer.json. The caller owns *out.
Status wordpiece_new(void **out, const ModelSource *source);
void wordpiece_free(void *model); ///< NULL-safe

/// Local. Appends the pieces of the word at bytes [first, end) of `text`, at most as many as bytes.
void wordpiece_cut(const void *model, struct BpeWork *work, Pieces *out, const Normalized *text,
                   size_t first, size_t end);
