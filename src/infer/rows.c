#include "infer/rows.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "comm/grid.h"
#include "nn/group.h"

#include <unistd.h>

enum { LEAST_US = 100000, MOST_US = 500000 }; // between two questions

/// End of the leaf that starts at `at`; *tokens is its size.
static int64_t leaf_end(const Dataset *data, const int64_t *rows, int64_t at, int64_t count,
                        int64_t *tokens)
{
    int64_t end = at;
    for (*tokens = 0; end < count && end - at < INFER_LEAF_SEQUENCES; end++) {
        int64_t next = dataset_length(data, rows[end]);
        if (end > at && *tokens + next > INFER_LEAF_TOKENS) break;
        *tokens += next;
    }
    return end;
}

/// Leaves of some rows, and those of them that are this rank's replica's: [first, end).
typedef struct {
    const Dataset *data;
    const int64_t *rows;
    int64_t *starts; ///< (leaves + 1), owned
    int64_t leaves, most_tokens, first, end;
    int64_t turns; ///< the most leaves of a replica
} Cuts;

static void cut_leaves(Cuts *out, const Comm *replicas, const Dataset *data, const int64_t *rows,
                       int64_t count)
{
    int64_t tokens;
    *out = (Cuts){ .data = data, .rows = rows, .most_tokens = 1 };
    out->starts = MEM_NEW(int64_t, count + 1);
    for (int64_t at = 0; at < count; out->starts[++out->leaves] = at) {
        at = leaf_end(data, rows, at, count, &tokens);
        if (tokens > out->most_tokens) out->most_tokens = tokens;
    }
    out->first = out->leaves * replicas->rank / replicas->size;
    out->end = out->leaves * (replicas->rank + 1) / replicas->size;
    out->turns = (out->leaves + replicas->size - 1) / replicas->size;
}

/// When ranks ask each other next: some times a second, whatever a leaf takes, so that those with
/// short leaves seldom wait for the others.
typedef struct {
    int64_t turn, every;
    double asked_s;
} Asking;

/// Collective. True if a rank wants to stop.
COLLECTIVE
static bool wants_stop(const Comm *comm, Asking *asking, Watch *watch)
{
    double now_s = clock_now_s();
    int64_t answers[] = { watch->stops(watch->context),
                          (int64_t)(1e6 * (now_s - asking->asked_s)) };
    comm_max_int64(comm, answers, 2);
    if (answers[1] < LEAST_US) asking->every *= 2;
    if (answers[1] > MOST_US && asking->every > 1) asking->every /= 2;
    asking->turn += asking->every;
    asking->asked_s = now_s;
    return watch->stopped = answers[0];
}

/// Results of this rank's leaves, one after the other, or each in place of the last.
COLLECTIVE
static void run_leaves(const Comm *comm, char *results, const Inference *inference, bool keeps,
                       const Model *model, const Cuts *cuts)
{
    Weight *weights = MEM_NEW(Weight, model->param_count);
    Tape *tape = tape_new(model_arena_bytes(model, cuts->most_tokens, INFER_LEAF_SEQUENCES,
                                            dataset_longest(cuts->data)));
    tape_set_group(tape, model->group, model->slices, comm_matrix_grid(comm));
    LeafBuffers buffers = { 0 };
    Pass pass = { .training = false };
    Asking asking = { .every = 1, .asked_s = clock_now_s() };
    model_bind(model, weights);
    for (int64_t turn = 0; turn < cuts->turns; turn++) {
        Packing packing;
        int64_t leaf = cuts->first + turn;
        bool asks = inference->watch && turn == asking.turn;
        // agreed: at the same turns, and on all ranks or none
        if (asks && wants_stop(comm, &asking, inference->watch)) break;
        if (leaf >= cuts->end) continue;
        int64_t size = cuts->starts[leaf + 1] - cuts->starts[leaf];
        if (fault_at("infer-slow")) usleep(250000);
        leaf_pack(&buffers, &packing, cuts->data, cuts->rows + cuts->starts[leaf], size);
        tape_start(tape, &pass, &packing);
        inference->run(results, &(InferredLeaf){ model, weights, tape, &buffers, size },
                       inference->context);
        if (keeps) results += (size_t)size * inference->row_bytes;
    }
    leaf_buffers_release(&buffers);
    tape_free(tape);
    mem_free(weights);
}

void infer_rows(const Comm *comm, void *results, const Inference *inference, const Model *model,
                const Dataset *data, const int64_t *rows, int64_t count)
{
    size_t row_bytes = inference->row_bytes;
    const Comm *ranks = comm_replicas(comm);
    int64_t *counts = MEM_NEW(int64_t, ranks->size);
    Cuts cuts;
    cut_leaves(&cuts, ranks, data, rows, count);
    for (int rank = 0; rank < ranks->size; rank++) {
        int64_t from = cuts.starts[cuts.leaves * rank / ranks->size];
        int64_t to = cuts.starts[cuts.leaves * (rank + 1) / ranks->size];
        counts[rank] = (to - from) * (int64_t)row_bytes;
    }
    run_leaves(comm, (char *)results + (size_t)cuts.starts[cuts.first] * row_bytes, inference, true,
               model, &cuts);
    bool stopped = inference->watch && inference->watch->stopped;
    if (!stopped) comm_gather_in_place(ranks, results, counts); // agreed: they stop together
    mem_free(cuts.starts);
    mem_free(counts);
}

void infer_own_rows(const Comm *comm, OwnRows *out, const Inference *inference, const Model *model,
                    const Dataset *data, const int64_t *rows, int64_t count)
{
    bool keeps = !model->group || model->group->rank == 0;
    Cuts cuts;
    cut_leaves(&cuts, comm_replicas(comm), data, rows, count);
    *out = (OwnRows){ .first = cuts.starts[cuts.first] };
    if (keeps) out->count = cuts.starts[cuts.end] - out->first;
    size_t bytes = (size_t)(keeps ? out->count : INFER_LEAF_SEQUENCES) * inference->row_bytes;
    arena_init(&out->memory, bytes + 64);
    out->results = arena_take(&out->memory, bytes);
    run_leaves(comm, out->results, inference, keeps, model, &cuts);
    mem_free(cuts.starts);
}
