#include "infer/rows.h"
#include "base/mem.h"
#include "comm/grid.h"
#include "nn/group.h"

enum { LEAF_TOKENS = 1024, LEAF_SEQUENCES = 64 };

/// End of the leaf that starts at `at`; *tokens is its size.
static int64_t leaf_end(const Dataset *data, const int64_t *rows, int64_t at, int64_t count,
                        int64_t *tokens)
{
    int64_t end = at;
    for (*tokens = 0; end < count && end - at < LEAF_SEQUENCES; end++) {
        int64_t next = dataset_length(data, rows[end]);
        if (end > at && *tokens + next > LEAF_TOKENS) break;
        *tokens += next;
    }
    return end;
}

/// Starts of all leaves (leaves + 1): owned by the caller.
static int64_t *cut_leaves(const Dataset *data, const int64_t *rows, int64_t count, int64_t *leaves,
                           int64_t *most_tokens)
{
    int64_t *starts = MEM_NEW(int64_t, count + 1), tokens;
    *leaves = 0, *most_tokens = 1;
    for (int64_t at = 0; at < count; starts[++*leaves] = at) {
        at = leaf_end(data, rows, at, count, &tokens);
        if (tokens > *most_tokens) *most_tokens = tokens;
    }
    return starts;
}

void infer_rows(const Comm *comm, void *results, size_t row_bytes, const Model *model,
                const Dataset *data, const int64_t *rows, int64_t count, InferLeaf run,
                void *context)
{
    const Comm *ranks = comm_replicas(comm);
    int64_t leaves, most_tokens;
    int64_t *starts = cut_leaves(data, rows, count, &leaves, &most_tokens);
    int64_t *counts = MEM_NEW(int64_t, ranks->size);
    Weight *weights = MEM_NEW(Weight, model->param_count);
    Tape *tape =
        tape_new(model_arena_bytes(model, most_tokens, LEAF_SEQUENCES, dataset_longest(data)));
    tape_set_group(tape, model->group, model->slices, comm_matrix_grid(comm));
    LeafBuffers buffers = { 0 };
    Pass pass = { .training = false };
    model_bind(model, weights);
    for (int rank = 0; rank < ranks->size; rank++) {
        int64_t from = starts[leaves * rank / ranks->size];
        int64_t to = starts[leaves * (rank + 1) / ranks->size];
        counts[rank] = (to - from) * (int64_t)row_bytes;
    }
    int64_t last = leaves * (ranks->rank + 1) / ranks->size;
    for (int64_t leaf = leaves * ranks->rank / ranks->size; leaf < last; leaf++) {
        Packing packing;
        int64_t size = starts[leaf + 1] - starts[leaf];
        leaf_pack(&buffers, &packing, data, rows + starts[leaf], size);
        tape_start(tape, &pass, &packing);
        run((char *)results + (size_t)starts[leaf] * row_bytes,
            &(InferredLeaf){ model, weights, tape, &buffers, size }, context);
    }
    comm_gather_in_place(ranks, results, counts);
    leaf_buffers_release(&buffers);
    tape_free(tape);
    mem_free(weights);
    mem_free(counts);
    mem_free(starts);
}
