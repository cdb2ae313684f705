/// Tokenizers of GGUF files: the metadata tokenizer.ggml.* to a tokenizer.json and back.
#pragma once
#include "store/gguf.h"

/// How a kind of byte-level BPE cuts texts into words: what the tokenizer.json of the models that
/// go by this name in `tokenizer.ggml.pre` says.
typedef struct {
    const char *pre;
    const char *normalizer;    ///< JSON
    const char *pre_tokenizer; ///< JSON
    bool ignore_merges;        ///< a word that is a token is not merged
    bool adds_bos;             ///< where the file does not say it
} GgufSplit;
extern const GgufSplit gguf_splits[];
extern const int gguf_split_count;

/// What a token is: the values of `tokenizer.ggml.token_type`.
enum {
    GGUF_TOKEN_NORMAL = 1,
    GGUF_TOKEN_UNKNOWN = 2,
    GGUF_TOKEN_CONTROL = 3,
    GGUF_TOKEN_USER = 4,
    GGUF_TOKEN_UNUSED = 5,
    GGUF_TOKEN_BYTE = 6,
};

/// Local. The text of a tokenizer.json that gives the ids of `transformers` on the same file; but
/// for words, where the names above know better. Models "gpt2" (byte-level BPE) and "llama"
/// (SentencePiece's BPE with byte fallback; merges of their scores where there are none). The
/// caller owns *json. FAILED for what is missing, not supported or no text.
Status tokenizer_json_from_gguf(char **json, const Gguf *file);

/// Local. The reverse: appends the entries for a tokenizer.json of BPE and a model of `rows`
/// tokens; those that the tokenizer lacks become unused ones. Not the numbers of tokens with a
/// role, which config.json holds. `where` names the file. FAILED for other tokenizers and for words
/// that no row above stands for.
Status tokenizer_json_to_gguf(GgufHeader *header, const char *json, size_t bytes, int64_t rows,
                              const char *where);
