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

/// Rows [first, first + count) of those that there are.
typedef struct {
    int64_t first, count;
} RowRange;
/// What a rank has of the results.
typedef struct {
    RowRange *ranges; ///< (range_count), owned: ascending, in the order of the results
    int64_t range_count;
    void *results; ///< of the rows of all ranges, one after the other
    Arena memory;  ///< of the results, owned: pages that go back at once
} OwnRows;
void own_rows_release(OwnRows *own);
/// Collective. As `infer_rows`, but every rank has those of its own leaves alone: of a group the
/// first rank, the others none. Leaves of which no row is `wanted` (count; NULL: all are) are not
/// run, and dealt to nobody; so bits do not depend on what is wanted either. If the watch stops it
/// there are the results of the leaves that were run.
COLLECTIVE
void infer_own_rows(const Comm *comm, OwnRows *out, const Inference *inference, const Model *model,
                    const Dataset *data, const int64_t *rows, int64_t count, const uint8_t *wanted);
/// Local. How many leaves such rows are.
int64_t infer_leaves(const Dataset *data, const int64_t *rows, int64_t count);
