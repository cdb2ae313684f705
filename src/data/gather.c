#include "base/mem.h"
#include "data/rows.h"

Dataset *dataset_new(int64_t rows, int64_t tokens)
{
    Dataset *dataset = MEM_NEW(Dataset, 1);
    dataset->rows = rows;
    dataset->tokens = tokens;
    dataset->offsets = MEM_NEW(int64_t, rows + 1);
    dataset->ids = MEM_NEW(int32_t, tokens);
    dataset->type_starts = MEM_NEW(int32_t, rows);
    dataset->labels = MEM_NEW(int32_t, rows);
    dataset->splits = MEM_NEW(uint8_t, rows);
    dataset->row_numbers = MEM_NEW(int64_t, rows);
    return dataset;
}

/// Concatenates `counts[rank]` elements of every rank.
COLLECTIVE
static void gather(const Comm *comm, void *all, const void *mine, const int64_t *counts,
                   size_t element_bytes)
{
    int64_t *bytes = MEM_NEW(int64_t, comm->size);
    for (int rank = 0; rank < comm->size; rank++)
        bytes[rank] = counts[rank] * (int64_t)element_bytes;
    comm_gather_all(comm, all, mine, bytes);
    mem_free(bytes);
}

void rows_gather(const Comm *comm, Dataset **out, const Rows *rows, const Source *source)
{
    int64_t total[5] = { rows->count, rows->tokens, rows->empty_texts, rows->ill_formed,
                         rows->truncated };
    int64_t *row_counts = MEM_NEW(int64_t, comm->size),
            *token_counts = MEM_NEW(int64_t, comm->size);
    int64_t *offsets = MEM_NEW(int64_t, rows->count);
    uint8_t *splits = MEM_NEW(uint8_t, rows->count);
    comm_gather_int64(comm, row_counts, rows->count);
    comm_gather_int64(comm, token_counts, rows->tokens);
    int64_t end = comm_offset(comm, rows->tokens);
    comm_sum_int64(comm, total, 5);
    for (int64_t i = 0; i < rows->count; i++) {
        offsets[i] = end;
        end += rows->lengths[i];
        splits[i] = (uint8_t)source->files[rows->files[i]].split;
    }
    Dataset *set = dataset_new(total[0], total[1]);
    set->empty_texts = total[2];
    set->ill_formed = total[3];
    set->truncated = total[4];
    set->offsets[set->rows] = set->tokens;
    gather(comm, set->offsets, offsets, row_counts, sizeof *offsets);
    gather(comm, set->ids, rows->ids, token_counts, sizeof *rows->ids);
    gather(comm, set->type_starts, rows->type_starts, row_counts, sizeof *rows->type_starts);
    gather(comm, set->labels, rows->labels, row_counts, sizeof *rows->labels);
    gather(comm, set->splits, splits, row_counts, sizeof *splits);
    gather(comm, set->row_numbers, rows->row_numbers, row_counts, sizeof *rows->row_numbers);
    mem_free(splits);
    mem_free(offsets);
    mem_free(token_counts);
    mem_free(row_counts);
    *out = set;
}
