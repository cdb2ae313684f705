/// Tokens that are cut out of the text whole, before anything else looks at it.
#pragma once
#include "base/status.h"
#include "store/json.h"
#include "token/normalize.h"
#include "token/trie.h"
#include "token/vocabulary.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    char *content; ///< owned
    int32_t id;
    bool special;
    bool single_word;    ///< only where no letter or digit touches it
    bool lstrip, rstrip; ///< takes the white space before, after it
    bool normalized;     ///< looked for in the normalized text, as it would be normalized itself
} AddedToken;

/// What to look for in one kind of text.
typedef struct {
    Trie trie; ///< values are indices of tokens
    bool begins[256];
    bool any;
} AddedPatterns;

typedef struct {
    AddedToken *tokens; ///< (count), owned: special ones first, else as listed
    int64_t count;
    Trie contents; ///< place in the file's list
    AddedPatterns plain, normalized;
} AddedTokens;

/// Local. From the `added_tokens` of a tokenizer.json (null: none). A token of the vocabulary keeps
/// its id, others continue it in order; FAILED where the file says otherwise.
Status added_tokens_init(AddedTokens *added, const Json *list, const Vocabulary *vocabulary,
                         const Normalizer *normalizer, const char *where);
void added_tokens_release(AddedTokens *added);

/// A walk over one text. `(AddedWalk){ .bytes = ..., .count = ... }` is at its begin.
typedef struct {
    const unsigned char *bytes; ///< (count), borrowed
    size_t count;
    size_t covered; ///< end of the last token found, with the white space it took
    size_t search;  ///< where to look on
} AddedWalk;

/// Local. The next token, leftmost and longest, at bytes [*first, walk->covered); NULL if none.
/// What lies between the last one and *first is text.
const AddedToken *added_tokens_next(const AddedTokens *added, const AddedPatterns *patterns,
                                    AddedWalk *walk, size_t *first);
