/// Forward passes over rows of a data set, without gradients, on all ranks.
#pragma once
#include "data/leaves.h"
#include "model/model.h"

/// A leaf whose pass has been started: packed into the buffers, with nothing on the tape yet.
typedef struct {
    const Model *model;
    Weight *weights; ///< (param_count)
    Tape *tape;
    LeafBuffers *buffers;
    int64_t rows;
} InferredLeaf;
/// Local. Runs the leaf and writes the results of its rows.
typedef void (*InferLeaf)(void *results /* (leaf->rows) */, const InferredLeaf *leaf,
                          void *context);

/// Collective. results (count, row_bytes) of `rows` in their order, on all ranks. Rows are cut into
/// leaves by their order alone, so the bits do not depend on the number of ranks; surplus ranks
/// idle.
COLLECTIVE
void infer_rows(const Comm *comm, void *results, size_t row_bytes, const Model *model,
                const Dataset *data, const int64_t *rows, int64_t count, InferLeaf run,
                void *context);

/// Results (count, row_bytes) of rows [first, first + count).
typedef struct {
    int64_t first, count;
    void *results;
    Arena memory; ///< of the results, owned (`arena_release`): pages that go back at once
} OwnRows;
/// Collective. The same, but every rank has those of its own leaves alone: of a group the first
/// rank, the others none.
COLLECTIVE
void infer_own_rows(const Comm *comm, OwnRows *out, size_t row_bytes, const Model *model,
                    const Dataset *data, const int64_t *rows, int64_t count, InferLeaf run,
                    void *context);
