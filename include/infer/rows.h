/// Forward passes over rows of a data set, without gradients, on all ranks.
#pragma once
#include "data/leaves.h"
#include "model/model.h"

/// Most tokens of a leaf of several rows, and most rows.
enum { INFER_LEAF_TOKENS = 1024, INFER_LEAF_SEQUENCES = 64 };
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

/// Whether to go on: every rank asks between its leaves, some times a second, and one rank's yes
/// stops all of them.
typedef struct {
    bool (*stops)(void *context); ///< Local.
    void *context;
    bool stopped; ///< out, the same on all ranks
} Watch;

/// What is done with each leaf.
typedef struct {
    size_t row_bytes; ///< of a row's result
    InferLeaf run;
    void *context;
    Watch *watch; ///< NULL: nothing stops it
} Inference;

/// Collective. results (count, row_bytes) of `rows` in their order, on all ranks; undefined if the
/// watch stopped it. Rows are cut into leaves by their order alone, so the bits do not depend on
/// the number of ranks; surplus ranks idle.
COLLECTIVE
void infer_rows(const Comm *comm, void *results, const Inference *inference, const Model *model,
                const Dataset *data, const int64_t *rows, int64_t count);

/// Results (count, row_bytes) of rows [first, first + count).
typedef struct {
    int64_t first, count;
    void *results;
    Arena memory; ///< of the results, owned (`arena_release`): pages that go back at once
} OwnRows;
/// Collective. The same, but every rank has those of its own leaves alone: of a group the first
/// rank, the others none.
COLLECTIVE
void infer_own_rows(const Comm *comm, OwnRows *out, const Inference *inference, const Model *model,
                    const Dataset *data, const int64_t *rows, int64_t count);
