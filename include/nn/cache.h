/// Keys and values of tokens that came before, so that a text is gone on with token by token.
#pragma once
#include "nn/tape.h"

struct KvCache {
    int64_t layers, slots, capacity; ///< capacity: tokens of a sequence
    int64_t cols;                    ///< of a token in a layer: keys | values of all heads
    float *data;                     ///< (layers, slots, capacity, cols), owned
    Arena memory;
    const int32_t *slot_of; ///< (sequences of the packing): where each is kept, borrowed
    int64_t layer;          ///< of the next attention; the pass begins at 0
};

/// Local. Room that is touched on use.
void cache_init(KvCache *cache, int64_t layers, int64_t slots, int64_t capacity, int64_t cols);
void cache_release(KvCache *cache);
/// Local. The rows (capacity, cols) of a sequence of the packing in the layer at hand.
float *cache_rows(const KvCache *cache, int64_t sequence);

/// cached.c: attention over what is kept and the new tokens, which are kept too; as `attention`,
/// causal and without dropout, and not recorded. For sequences that begin here it only keeps.
void attention_cached(Tape *tape, Var *y, const Var *qkv, int64_t heads, int64_t kv_heads);
