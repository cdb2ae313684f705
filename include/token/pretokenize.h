/// From a normalized text to words.
#pragma once
#include "base/status.h"
#include "store/json.h"
#include "token/code_table.h"
#include "token/normalize.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    CodeTable table;          ///< CodeClass of each code point: pretokenize.c
    unsigned char ascii[128]; ///< the same
} PreTokenizer;

/// Local. From the `pre_tokenizer` of a tokenizer.json (null: the whole text is one word); FAILED
/// for an unknown type. `where` names the file.
Status pretokenizer_init(PreTokenizer *words, const Json *spec, const char *where);
void pretokenizer_release(PreTokenizer *words);

/// Local. The next word at or after byte *end of `text` (and after `first`); false if there is
/// none. Start with *end = 0.
bool pretokenizer_next(const PreTokenizer *words, size_t *first, size_t *end,
                       const Normalized *text);
