/// Sums of sparse table gradients: rows by ascending id.
#pragma once
#include "base/mem.h"
#include "nn/tape.h"

/// Local. Makes room for `capacity` rows in the arena.
void touched_init(TouchedRows *rows, Arena *arena, int64_t capacity, int64_t cols);
/// Local. into += more, in place: rows of both are added (into first), others are kept.
void touched_merge(TouchedRows *into, const TouchedRows *more);
/// Local. The rows with ids in [first, first + count), as a view into `rows`.
TouchedRows touched_range(const TouchedRows *rows, int64_t first, int64_t count);
