/// Text to token ids, as Hugging Face `tokenizers` does it.
#pragma once
#include "base/status.h"
#include "base/text.h"
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

/// Local. The tokenizer.json text of a vocab.json and a merges.txt (GPT-2, RoBERTa, Qwen2) and the
/// content of tokenizer_config.json (NULL: told from the vocabulary). The caller owns *json.
Status tokenizer_json_from_bpe(char **json, const char *vocab, size_t vocab_bytes,
                               const char *merges, size_t merges_bytes, const Json *config,
                               const char *where);

/// Local. The tokenizer.json text of a Hugging Face folder: its own, or made of vocab.txt, or of
/// vocab.json and merges.txt, with tokenizer_config.json. *where becomes the path of the file to
/// name in messages; `used` (or NULL) is told the path of every file read. The caller owns *json.
Status tokenizer_json_from_folder(char **json, Text *where, const char *folder,
                                  Status (*used)(void *context, const char *path), void *context);

/// Local. Ids of `text` (and `pair`, or NULL), with the special tokens of the post-processor,
/// truncated to `max_length` ids by longest_first (0: not truncated; special tokens always stay).
/// A text has less than 2 GiB. Cannot fail: ill-formed UTF-8 is read as Python's errors='replace'.
void tokenizer_encode(const Tokenizer *tokenizer, Encoding *out, const char *text,
                      size_t text_bytes, const char *pair, size_t pair_bytes, int64_t max_length);

/// Local. Replaces *out by the text of ids (count), as `tokenizers` decodes them; ids outside the
/// vocabulary are passed over, special ones if asked. Cannot fail: bytes that are not UTF-8 become
/// U+FFFD. May hold NULs.
void tokenizer_decode(Text *out, const Tokenizer *tokenizer, const int32_t *ids, int64_t count,
                      bool skip_special);

/// Decoding token by token, for text that is being generated. `(Decoding){0}` is at the begin.
typedef struct {
    bool begun, unstripped; ///< a token was seen; what begins the text stays
    int64_t stripped;       ///< characters taken from the begin
    Text bytes;             ///< owned: not yet known to be text
} Decoding;
void decoding_release(Decoding *state);

/// Local. Appends what one more token adds for certain; then, once, what was still open. All that
/// is appended is the text that tokenizer_decode makes of the ids.
void tokenizer_decode_next(Text *out, Decoding *state, const Tokenizer *tokenizer, int32_t id,
                           bool skip_special);
void tokenizer_decode_end(Text *out, Decoding *state, const Tokenizer *tokenizer);

/// Tokens with a part to play.
typedef enum {
    TOKEN_BEGIN,
    TOKEN_END,
    TOKEN_PAD,
    TOKEN_UNKNOWN,
    TOKEN_CLASS,
    TOKEN_SEPARATOR,
    TOKEN_MASK,
    TOKEN_ROLES
} TokenRole;
/// Local. The special token that has this role by its usual name, or by the model's unk_token; -1
/// if there is none. A configuration that names an id knows better: SmolLM2's begin is
/// <|im_start|>.
int32_t tokenizer_role(const Tokenizer *tokenizer, TokenRole role);

/// Local. True for tokens that are no text, such as [CLS].
bool tokenizer_is_special(const Tokenizer *tokenizer, int64_t id);

/// Local. True if every sequence begins with a special token, such as BERT's [CLS].
bool tokenizer_marks_start(const Tokenizer *tokenizer);
int64_t tokenizer_size(const Tokenizer *tokenizer); ///< vocabulary with added tokens
/// Local. The token's text, NULL outside the vocabulary; and its id, -1 if absent.
const char *tokenizer_token(const Tokenizer *tokenizer, int64_t id);
int32_t tokenizer_id(const Tokenizer *tokenizer, const char *token);
