/// Look-ups of bpe.h's tables, for the loops that live on them.
#pragma once
#include "token/bpe.h"

#include <string.h>

static inline uint32_t bpe_mix(uint64_t value)
{
    value *= 0x9E3779B97F4A7C15u;
    return (uint32_t)(value >> 32);
}

static inline uint64_t bpe_merge_key(int32_t left, int32_t right)
{
    return (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
}

/// Local. What two tokens become.
static inline BpePair bpe_pair(const Bpe *model, int32_t left, int32_t right)
{
    uint32_t mixed = bpe_mix(bpe_merge_key(left, right)), bit = mixed & model->maybe_mask;
    if (!(model->maybe[bit / 64] >> bit % 64 & 1)) return (BpePair){ BPE_NO_RANK, -1 };
    for (uint32_t slot = mixed & model->merge_mask;; slot = (slot + 1) & model->merge_mask) {
        const BpeMerge *merge = &model->merges[slot];
        if (merge->left == left && merge->right == right)
            return (BpePair){ merge->rank, merge->into };
        if (merge->left < 0) return (BpePair){ BPE_NO_RANK, -1 };
    }
}

/// Local. The key of a word: `count` <= BPE_WORD_BYTES of the BPE_WORD_BYTES that are readable.
static inline BpeWord bpe_word(const unsigned char *s, size_t count)
{
    static const unsigned char keep[2 * BPE_WORD_BYTES] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255
    };
    const unsigned char *mask = keep + BPE_WORD_BYTES - count;
    uint64_t words[2], masks[2];
    memcpy(words, s, sizeof words);
    memcpy(masks, mask, sizeof masks);
    return (BpeWord){ words[0] & masks[0], words[1] & masks[1], -1, (int32_t)count };
}

static inline uint32_t bpe_word_slot(const Bpe *model, const BpeWord *word)
{
    uint64_t high = word->high * 0xD6E8FEB86659FD93u;
    return bpe_mix(word->low ^ high ^ high >> 29 ^ (uint64_t)word->bytes << 59) & model->word_mask;
}

/// Local. The token that a word is, -1 if it must be cut.
static inline int32_t bpe_word_find(const Bpe *model, const unsigned char *s, size_t count)
{
    BpeWord word = bpe_word(s, count);
    uint32_t slot = bpe_word_slot(model, &word);
    for (;; slot = (slot + 1) & model->word_mask) {
        const BpeWord *row = &model->words[slot];
        if (row->low == word.low && row->high == word.high && row->bytes == word.bytes)
            return row->id;
        if (!row->bytes) return -1;
    }
}
