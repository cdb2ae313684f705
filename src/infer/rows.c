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
    RowRange *leaves; ///< (count), owned
    int64_t count, most_tokens, first, end;
    int64_t turns; ///< the most leaves of a replica
} Cuts;

static bool any_wanted(const uint8_t *wanted, int64_t at, int64_t end)
{
    while (wanted && at < end && !wanted[at]) at++;
    return at < end;
}

static void cut_leaves(Cuts *out, const Comm *replicas, const Dataset *data, const int64_t *rows,
                       int64_t count, const uint8_t *wanted)
{
    int64_t end, tokens;
    *out = (Cuts){ .data = data, .rows = rows, .most_tokens = 1 };
    out->leaves = MEM_NEW(RowRange, count + 1);
    for (int64_t at = 0; at < count; at = end) {
        end = leaf_end(data, rows, at, count, &tokens);
        if (!any_wanted(wanted, at, end)) continue;
        out->leaves[out->count++] = (RowRange){ at, end - at };
        if (tokens > out->most_tokens) out->most_tokens = tokens;
    }
    out->first = out->count * replicas->rank / replicas->size;
    out->end = out->count * (replicas->rank + 1) / replicas->size;
    out->turns = (out->count + replicas->size - 1) / replicas->size;
}

/// Rows of leaves [first, end).
static int64_t count_rows(const Cuts *cuts, int64_t first, int64_t end)
{
    int64_t rows = 0;
    for (int64_t leaf = first; leaf < end; leaf++) rows += cuts->leaves[leaf].count;
    return rows;
}

int64_t infer_leaves(const Dataset *data, const int64_t *rows, int64_t count)
{
    int64_t leaves = 0, tokens;
    for (int64_t at = 0; at < count; leaves++) at = leaf_end(data, rows, at, count, &tokens);
    return leaves;
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

/// Results of this rank's leaves, one after the other, or each in place of the last; returns the
/// end of those that were run.
COLLECTIVE
static int64_t run_leaves(const Comm *comm, char *results, const Inference *inference, bool keeps,
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
    int64_t leaf = cuts->first;
    for (int64_t turn = 0; turn < cuts->turns; turn++) {
        Packing packing;
        bool asks = inference->watch && turn == asking.turn;
        // agreed: at the same turns, and on all ranks or none
        if (asks && wants_stop(comm, &asking, inference->watch)) break;
        if (leaf >= cuts->end) continue;
        RowRange own = cuts->leaves[leaf++];
        if (fault_at("infer-slow")) usleep(250000);
        leaf_pack(&buffers, &packing, cuts->data, cuts->rows + own.first, own.count);
        tape_start(tape, &pass, &packing);
        inference->run(results, &(InferredLeaf){ model, weights, tape, &buffers, own.count },
                       inference->context);
        if (keeps) results += (size_t)own.count * inference->row_bytes;
    }
    leaf_buffers_release(&buffers);
    tape_free(tape);
    mem_free(weights);
    return leaf;
}

void infer_rows(const Comm *comm, void *results, const Inference *inference, const Model *model,
                const Dataset *data, const int64_t *rows, int64_t count)
{
    size_t row_bytes = inference->row_bytes;
    const Comm *ranks = comm_replicas(comm);
    int64_t *counts = MEM_NEW(int64_t, ranks->size);
    Cuts cuts;
    cut_leaves(&cuts, ranks, data, rows, count, NULL);
    for (int rank = 0; rank < ranks->size; rank++)
        counts[rank] = (int64_t)row_bytes * count_rows(&cuts, cuts.count * rank / ranks->size,
                                                       cuts.count * (rank + 1) / ranks->size);
    char *own = (char *)results + row_bytes * (size_t)count_rows(&cuts, 0, cuts.first);
    run_leaves(comm, own, inference, true, model, &cuts);
    bool stopped = inference->watch && inference->watch->stopped;
    if (!stopped) comm_gather_in_place(ranks, results, counts); // agreed: they stop together
    mem_free(cuts.leaves);
    mem_free(counts);
}

void own_rows_release(OwnRows *own)
{
    mem_free(own->ranges);
    arena_release(&own->memory);
    *own = (OwnRows){ 0 };
}

/// Rows of leaves [first, end), neighbours in one range.
static void list_ranges(OwnRows *out, const Cuts *cuts, int64_t first, int64_t end)
{
    out->ranges = MEM_NEW(RowRange, end - first + 1);
    for (int64_t leaf = first; leaf < end; leaf++) {
        RowRange rows = cuts->leaves[leaf], *next = out->ranges + out->range_count;
        bool joins = out->range_count && next[-1].first + next[-1].count == rows.first;
        if (joins)
            next[-1].count += rows.count;
        else
            *next = rows;
        out->range_count += !joins;
    }
}

void infer_own_rows(const Comm *comm, OwnRows *out, const Inference *inference, const Model *model,
                    const Dataset *data, const int64_t *rows, int64_t count, const uint8_t *wanted)
{
    bool keeps = !model->group || model->group->rank == 0;
    Cuts cuts;
    cut_leaves(&cuts, comm_replicas(comm), data, rows, count, wanted);
    *out = (OwnRows){ 0 };
    int64_t most = keeps ? count_rows(&cuts, cuts.first, cuts.end) : INFER_LEAF_SEQUENCES;
    size_t bytes = (size_t)most * inference->row_bytes;
    arena_init(&out->memory, bytes + 64);
    out->results = arena_take(&out->memory, bytes);
    int64_t end = run_leaves(comm, out->results, inference, keeps, model, &cuts);
    list_ranges(out, &cuts, cuts.first, keeps ? end : cuts.first);
    mem_free(cuts.leaves);
}
