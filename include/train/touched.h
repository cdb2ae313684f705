/// Sums of sparse table gradients: rows by ascending id.
#pragma once
#include "base/mem.h"
#include "nn/tape.h"

/// Local. Makes room for `capacity` rows in the arena.
void touched_init(TouchedRows *rows, Arena *arena, int64_t capacity, int64_t cols);
/// Local. into += more, in place: rows of both are added (into first), others are kept.
void touched_merge(TouchedRows *into, const TouchedRows *more);
/// Local. Place of the first of `ids` (count, ascending) that is at least `least`; count if none
/// is.
int64_t touched_search(const int32_t *ids, int64_t count, int64_t least);
