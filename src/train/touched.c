#include "train/touched.h"
#include "base/status.h"
#include "linalg/vecmath.h"

#include <string.h>

void touched_init(TouchedRows *rows, Arena *arena, int64_t capacity, int64_t cols)
{
    *rows = (TouchedRows){ .capacity = capacity, .cols = cols };
    rows->ids = arena_take(arena, (size_t)capacity * sizeof(int32_t));
    rows->rows = arena_take(arena, (size_t)(capacity * cols) * sizeof(float));
}

static int64_t union_count(const TouchedRows *a, const TouchedRows *b)
{
    int64_t i = 0, j = 0, count = 0;
    while (i < a->count && j < b->count) {
        int32_t left = a->ids[i], right = b->ids[j];
        i += left <= right;
        j += right <= left;
        count++;
    }
    return count + (a->count - i) + (b->count - j);
}

void touched_merge(TouchedRows *into, const TouchedRows *more)
{
    int64_t i = into->count - 1, j = more->count - 1, cols = into->cols;
    int64_t place = union_count(into, more);
    size_t row_bytes = (size_t)cols * sizeof(float);
    CHECK(place <= into->capacity, "%lld touched rows exceed %lld", (long long)place,
          (long long)into->capacity);
    into->count = place;
    while (j >= 0) { // from the back, so that nothing unread is overwritten
        place--;
        float *target = into->rows + place * cols;
        int32_t mine = i >= 0 ? into->ids[i] : -1, other = more->ids[j];
        if (mine >= other) {
            if (place != i) memcpy(target, into->rows + i * cols, row_bytes);
            into->ids[place] = mine;
            i--;
        } else {
            memcpy(target, more->rows + j * cols, row_bytes);
            into->ids[place] = other;
            j--;
        }
        if (mine == other) {
            vec_add(target, more->rows + j * cols, cols);
            j--;
        }
    }
}

int64_t touched_search(const int32_t *ids, int64_t count, int64_t least)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = (low + high) / 2;
        if (ids[middle] < least)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
