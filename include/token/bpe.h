/// Byte pair encoding (Sennrich, Haddow and Birch, "Neural machine translation of rare words with
/// subword units", 2016): a word begins as its characters (or bytes), and the pair of neighbours
/// that stands first in the list of merges is merged, leftmost first, until none is left.
#pragma once
#include "base/status.h"
#include "store/json.h"
#include "token/model_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPE_NO_RANK UINT32_MAX

/// A row of the hash table of merges.
typedef struct {
    int32_t left, right; ///< left -1: free
    uint32_t rank;       ///< place in the list
    int32_t into;        ///< token
} BpeMerge;

/// A row of the hash table of words that are one token.
typedef struct {
    uint64_t low, high; ///< the bytes of the word, then zeros
    int32_t id;
    int32_t bytes; ///< 0: free
} BpeWord;
enum { BPE_WORD_BYTES = 16 }; ///< longer words are not in the table

/// What a pair of neighbours becomes, and when: the least rank first.
typedef struct {
    uint32_t rank; ///< BPE_NO_RANK: nothing
    int32_t into;
} BpePair;

typedef struct {
    const Vocabulary *vocabulary; ///< borrowed
    bool spelled;                 ///< tokens are spelled in the alphabet of bytes
    int32_t byte_ids[256];        ///< of the byte, or of "<0x..>" if not spelled; -1: none
    BpePair *byte_pairs;          ///< (256, 256), owned: of the tokens of two bytes
    BpeMerge *merges;             ///< (merge_mask + 1), owned
    uint64_t *maybe;              ///< (maybe_mask + 1) bits, owned: 0 says that a pair has no merge
    BpeWord *words;               ///< (word_mask + 1), owned
    uint32_t merge_mask, maybe_mask, word_mask;
    int32_t unknown; ///< id, -1: characters without a token are left out
    bool fuse_unknown, byte_fallback, ignore_merges;
    size_t longest; ///< bytes of the longest token's text
} Bpe;

/// Local. From the `model` of a tokenizer.json. The caller owns *out. FAILED for options that
/// change the result and are not supported, and for merges of tokens that are not in the
/// vocabulary.
Status bpe_new(void **out, const ModelSource *source);
void bpe_free(void *model); ///< NULL-safe

/// Working memory, reused: the pieces of a word while they are merged. `(BpeWork){0}` is empty.
struct BpeWork {
    int32_t *ids, *ends;     ///< (capacity), owned: token, end in the word
    uint32_t *ranks;         ///< (capacity), owned: of the merge with the next piece
    int32_t *into;           ///< (capacity), owned: token that the merge makes
    int32_t *before, *after; ///< (capacity), owned: neighbours, -1: none
    uint64_t *heap;          ///< (3 capacity), owned: rank, place
    int32_t *places;         ///< (2 capacity), owned: where characters of a spelled word come from
    size_t capacity;
    Text spelling;
};
void bpe_work_release(struct BpeWork *work);

/// Local. Appends the pieces of the word at bytes [first, end) of `text`, at most as many as bytes.
void bpe_cut(const void *model, struct BpeWork *work, Pieces *out, const Normalized *text,
             size_t first, size_t end);

/// Local. The one token that the merges make of `bytes` (count), -1 if they make more.
int32_t bpe_single(const Bpe *model, struct BpeWork *work, const unsigned char *bytes,
                   size_t count);
