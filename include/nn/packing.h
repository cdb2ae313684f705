/// What a leaf is made of: whole sequences laid end to end, without padding.
#pragma once
#include <stdint.h>

typedef struct {
    int64_t sequences, tokens, longest; ///< longest sequence in tokens; all may be 0
    const int32_t *cu_seqlens; ///< (sequences + 1): sequence i is tokens [i, i + 1) of these
    const int64_t *samples;    ///< (sequences): row of the data set, the coordinate of randomness
    const int32_t *ids;        ///< (tokens)
    const int32_t *types;      ///< (tokens): token types; NULL: all 0
    const int32_t *pasts; ///< (sequences): tokens before these, in the tape's cache; NULL: none
} Packing;

/// Local. Tokens of a sequence that came before: the place of its first token here.
static inline int64_t packing_past(const Packing *packing, int64_t sequence)
{
    return packing->pasts ? packing->pasts[sequence] : 0;
}

/// Local. The most places of a sequence, with those that came before.
static inline int64_t packing_end(const Packing *packing)
{
    int64_t most = 0;
    for (int64_t i = 0; i < packing->sequences; i++) {
        int64_t end =
            packing_past(packing, i) + packing->cu_seqlens[i + 1] - packing->cu_seqlens[i];
        most = end > most ? end : most;
    }
    return most;
}
