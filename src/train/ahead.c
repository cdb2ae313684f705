#include "train/ahead.h"
#include "train/touched.h"

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
    // the one lookup table that there is holds the words, or this rank's part of them
    CHECK(t->blocks.table_count <= 1, "%d lookup tables", t->blocks.table_count);
    for (int table = 0; table < t->blocks.table_count; table++) {
        const Weight *words = &t->weights[t->blocks.tables[table]];
        int64_t first = touched_search(t->ids, count, words->first_row);
        int64_t end = touched_search(t->ids, count, words->first_row + words->rows);
        for (int64_t i = first; i < end; i++)
            t->ids[i - first] = t->ids[i] - (int32_t)words->first_row;
        optimizer_refresh(&t->optimizer, table, t->ids, end - first);
    }
}
