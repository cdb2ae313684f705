#include "train/ahead.h"

#include <stdlib.h>

static int ascending(const void *left, const void *right)
{
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

/// The distinct token ids of the next batch, ascending, into trainer->ids; returns their number.
static int64_t distinct_ids(Trainer *t)
{
    const Dataset *data = t->data;
    int64_t count = 0, stamp = t->step + 1; // 0: never seen
    for (int64_t i = 0; i < t->next.count; i++) {
        int64_t row = t->next.rows[i];
        for (int64_t j = data->offsets[row]; j < data->offsets[row + 1]; j++) {
            int32_t id = data->ids[j];
            if (t->id_stamps[id] == stamp) continue;
            t->id_stamps[id] = stamp;
            t->ids[count++] = id;
        }
    }
    qsort(t->ids, (size_t)count, sizeof *t->ids, ascending);
    return count;
}

void ahead_take(Trainer *t)
{
    if (t->step >= t->batches.last) return;
    batches_take(&t->batches, &t->next, t->step);
    int64_t count = distinct_ids(t);
    // every lookup table is looked up by token id
    for (int table = 0; table < t->blocks.table_count; table++)
        optimizer_refresh(&t->optimizer, table, t->ids, count);
}
