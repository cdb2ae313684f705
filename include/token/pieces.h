/// Tokens of a text before the special ones are added.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// `(Pieces){0}` is empty. Whoever appends reserves first.
typedef struct {
    int32_t *ids, *starts, *ends; ///< (count), owned: token, byte range in the original text
    size_t count, capacity;
} Pieces;

void pieces_reserve(Pieces *pieces, size_t more);
void pieces_release(Pieces *pieces);

static inline void pieces_add(Pieces *pieces, int32_t id, int32_t start, int32_t end)
{
    pieces->ids[pieces->count] = id;
    pieces->starts[pieces->count] = start;
    pieces->ends[pieces->count++] = end;
}
