/// What a leaf is made of: whole sequences laid end to end, without padding.
#pragma once
#include <stdint.h>

typedef struct {
    int64_t sequences, tokens, longest; ///< longest sequence in tokens; all may be 0
    const int32_t *cu_seqlens; ///< (sequences + 1): sequence i is tokens [i, i + 1) of these
    const int64_t *samples;    ///< (sequences): row of the data set, the coordinate of randomness
    const int32_t *ids;        ///< (tokens)
    const int32_t *types;      ///< (tokens): token types; NULL: all 0
} Packing;
