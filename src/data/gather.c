#include "base/mem.h"
#include "comm/agree.h"
#include "data/documents.h"
#include "data/rows.h"
#include "data/split.h"

/// The last rank's part ends with the end of the last row.
static Status append_offsets(Rows *rows, int64_t first_token, bool is_last)
{
    Status status = OK;
    const int32_t *lengths = rows->lengths.data;
    Spool *offsets = &rows->arrays[ARRAY_OFFSETS];
    int64_t at = first_token;
    for (int64_t i = 0; i < rows->count && !rows->joined; i++) {
        TRY(spool_append(offsets, &at, sizeof at));
        at += lengths[i];
    }
    if (rows->joined) at = first_token + rows->tokens;
    if (is_last) TRY(spool_append(offsets, &at, sizeof at));
    TRY(spool_finish(offsets));
done:
    return status;
}

/// Documents are all of one kind.
static Status append_no_labels(Rows *rows)
{
    Status status = OK;
    Spool *labels = &rows->arrays[ARRAY_LABELS];
    for (int64_t i = 0; i < rows->count; i++) TRY(spool_append(labels, &(int32_t){ 0 }, 4));
    TRY(spool_finish(labels));
done:
    return status;
}

static Status append_splits(Rows *rows, const Source *source, const SplitPlan *plan,
                            int64_t first_row)
{
    Status status = OK;
    const int32_t *labels = rows->arrays[ARRAY_LABELS].data;
    Spool *splits = &rows->arrays[ARRAY_SPLITS];
    bool training = source->use == SOURCE_TRAINING;
    int64_t file = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        while (i >= rows->file_ends[file]) file++;
        Split split = training ? source->files[file].split : SPLIT_TEST;
        if (split == SPLIT_TRAIN) split = split_of(plan, labels[i], first_row + i);
        TRY(spool_append(splits, &(uint8_t){ (uint8_t)split }, 1));
    }
    TRY(spool_finish(splits));
done:
    return status;
}

/// Rows of data.path, which come first.
static int64_t path_rows(const Rows *rows, const Source *source)
{
    int64_t count = 0;
    for (int64_t i = 0; i < source->count; i++)
        if (source->files[i].split == SPLIT_TRAIN) count = rows->file_ends[i];
    return count;
}

Status rows_place(const Comm *comm, Rows *rows, const Source *source, int64_t label_count)
{
    Status status = OK;
    SplitPlan plan = { 0 };
    int64_t first_token = comm_offset(comm, rows->tokens);
    if (rows->joined) TRY(documents_cut(comm, rows, source)); // agreed: by the options
    if (source->options->form != FORM_LABELLED) TRY_ALL(comm, append_no_labels(rows));
    int64_t first_row = comm_offset(comm, rows->count);
    TRY_ALL(comm, append_offsets(rows, first_token, comm->rank == comm->size - 1));
    if (source->use == SOURCE_TRAINING) // agreed: the same source on all ranks
        split_plan(comm, &plan, rows->arrays[ARRAY_LABELS].data, first_row, path_rows(rows, source),
                   label_count, source->fractions[SPLIT_VALIDATION], source->fractions[SPLIT_TEST],
                   (uint64_t)source->options->split.seed);
    TRY_ALL(comm, append_splits(rows, source, &plan, first_row));
done:
    split_plan_release(&plan);
    return status;
}

Dataset *rows_count(const Comm *comm, const Rows *rows)
{
    Dataset *dataset = MEM_NEW(Dataset, 1);
    int64_t total[] = { rows->count,      rows->tokens,    rows->empty_texts,
                        rows->ill_formed, rows->truncated, rows->silent };
    comm_sum_int64(comm, total, sizeof total / sizeof *total);
    dataset->rows = total[0];
    dataset->tokens = total[1];
    dataset->empty_texts = total[2];
    dataset->ill_formed = total[3];
    dataset->truncated = total[4];
    dataset->silent = total[5];
    return dataset;
}

Dataset *rows_gather(const Comm *comm, const Rows *rows)
{
    Dataset *dataset = rows_count(comm, rows);
    int64_t *counts_bytes = MEM_NEW(int64_t, comm->size);
    for (Array array = 0; array < ARRAY_COUNT; array++) {
        const Spool *mine = &rows->arrays[array];
        int64_t any = mine->bytes;
        comm_max_int64(comm, &any, 1);
        if (!any && array_is_optional(array)) continue;
        void *all =
            mem_new((size_t)array_elements(dataset, array), element_bytes(array_type(array)));
        comm_gather_int64(comm, counts_bytes, mine->bytes);
        comm_gather_all(comm, all, mine->data, counts_bytes);
        array_set(dataset, array, all);
    }
    mem_free(counts_bytes);
    return dataset;
}
