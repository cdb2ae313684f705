/// From a normalized text to words.
#pragma once
#include "base/status.h"
#include "store/json.h"
#include "token/normalize.h"
#include "token/split.h"

#include <stdbool.h>
#include <stddef.h>

enum { SPLIT_STEPS = 6 };

/// Which stretches of a text that begin with no space get one.
typedef enum { PREFIX_NEVER, PREFIX_FIRST, PREFIX_ALWAYS } SpacePrefix;

typedef struct {
    CodeClasses classes;
    SplitRule rules[SPLIT_STEPS]; ///< (count): each cuts the pieces of the one before
    int count;
    bool bytes;    ///< words are spelled in the alphabet of bytes (ByteLevel)
    bool respaced; ///< spaces are NORMALIZED_SPACE (Metaspace)
    SpacePrefix prefix;
} PreTokenizer;

/// Local. The prepend_scheme of a Metaspace, which older files call add_prefix_space.
const char *metaspace_scheme(const Json *spec);

/// Local. From the `pre_tokenizer` of a tokenizer.json (null: the whole text is one word); FAILED
/// for an unknown type. `where` names the file.
Status pretokenizer_init(PreTokenizer *words, const Json *spec, const char *where);
void pretokenizer_release(PreTokenizer *words);

/// A walk over the words of a stretch of text.
typedef struct {
    const PreTokenizer *words;
    const Normalized *text; ///< what the places of words count in
    size_t at;
    size_t ends[SPLIT_STEPS + 1]; ///< of the stretch, of the piece that rule i cut
} WordWalk;

/// Local. Over bytes [first, end) of `text`, first < end, or over what *respaced, which lives as
/// long as the walk, makes of them; a space is written before them if asked.
WordWalk pretokenizer_begin(const PreTokenizer *words, Normalized *text, Normalized *respaced,
                            size_t first, size_t end);
/// Local. The next word, [*first, *end); false if there is none.
bool pretokenizer_next(WordWalk *walk, size_t *first, size_t *end);
