/// Text to token ids, as Hugging Face `tokenizers` does it.
#pragma once
#include "base/status.h"
#include "store/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Tokenizer Tokenizer;

/// Ids of one text, reused from call to call. `(Encoding){0}` is empty.
typedef struct {
    int32_t *ids;   ///< (count), owned
    int32_t *types; ///< (count), owned: token types
    int32_t *starts,
        *ends; ///< (count), owned: byte range in the text the token came from, [start, end)
    int64_t count, capacity;
    bool truncated;                  ///< by max_length
    int64_t ill_formed;              ///< UTF-8 errors replaced by U+FFFD
    struct EncodingScratch *scratch; ///< owned: the tokenizer's working memory
} Encoding;
void encoding_release(Encoding *encoding);

/// Local. From the text of a tokenizer.json (`where` names it in messages). Unknown component types
/// are refused by name. The caller owns *out. Immutable after: threads may share it.
Status tokenizer_new(Tokenizer **out, const char *json, size_t bytes, const char *where);
void tokenizer_free(Tokenizer *tokenizer); ///< NULL-safe

/// Local. The tokenizer.json text of a BERT vocab.txt (one token a line) and the content of
/// tokenizer_config.json (NULL: uncased). The caller owns *json.
Status tokenizer_json_from_vocab(char **json, const char *vocab, size_t vocab_bytes,
                                 const Json *config, const char *where);

/// Local. Ids of `text` (and `pair`, or NULL), with the special tokens of the post-processor,
/// truncated to `max_length` ids by longest_first (0: not truncated; special tokens always stay).
/// A text has less than 2 GiB. Cannot fail: ill-formed UTF-8 is read as Python's errors='replace'.
void tokenizer_encode(const Tokenizer *tokenizer, Encoding *out, const char *text,
                      size_t text_bytes, const char *pair, size_t pair_bytes, int64_t max_length);

/// Local. True if every sequence begins with a special token, such as BERT's [CLS].
bool tokenizer_marks_start(const Tokenizer *tokenizer);
int64_t tokenizer_size(const Tokenizer *tokenizer); ///< vocabulary with added tokens
/// Local. The token's text, NULL outside the vocabulary; and its id, -1 if absent.
const char *tokenizer_token(const Tokenizer *tokenizer, int64_t id);
int32_t tokenizer_id(const Tokenizer *tokenizer, const char *token);
