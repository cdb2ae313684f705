/// What a run takes on a process grid, before it is paid for: memory, messages, time.
#pragma once
#include "train/batches.h"

typedef struct {
    int64_t data, rows, cols;
} Layout;

/// Nodes of one kind, and what joins them.
typedef struct {
    int64_t nodes, ranks_per_node, threads; ///< threads: of a rank
    bool dealt;                    ///< ranks are dealt around the nodes, so that they share nothing
    double memory_bytes;           ///< of a node, for the run; 0: what the one here has left
    double gflops;                 ///< products of a core
    double latency_s, bytes_per_s; ///< of a message between nodes
    double near_latency_s, near_bytes_per_s; ///< of one within a node
} Machine;

/// Of a rank; what the ranks of a node share counts in equal parts.
typedef struct {
    Layout layout;
    double weights_bytes, gradients_bytes, state_bytes, activations_bytes, buffers_bytes;
    double copy_bytes;           ///< of a copy for checkpoints; buffers_bytes may have it
    double solver_elements;      ///< of a matrix of a probe, on the rank with most of it
    double base_bytes;           ///< of the program itself, its tokenizer and data
    double messages, sent_bytes; ///< in a step
    double group_bytes;          ///< of them within groups
    double compute_s;            ///< of a step
    double exchange_s, group_s;  ///< what shows of messages: of weights, and within groups
    double solve_s;              ///< a probe's, behind the features: computing and messages
} Plan;

/// What plans of one recipe have in common.
typedef struct {
    const Recipe *recipe;
    const Model *model; ///< its table alone: values are not needed
    Batches *batches;
    int64_t leaves; ///< of a step, without the grid's rows
    int64_t words;  ///< distinct tokens of the steps to come
    double targets; ///< share of tokens that a head predicts from the vocabulary
} PlanInput;

/// Local. Counts the distinct tokens of the training rows that the run's steps take.
void plan_input_init(PlanInput *input, const Recipe *recipe, const Model *model, Batches *batches,
                     int64_t leaves);
/// Local. USAGE where the model or its leaves cannot be laid out so; FAILED where the machine's
/// memory is not given, and a linear probe cannot be solved in what is left here.
Status plan_make(Plan *out, const PlanInput *input, Layout layout, const Machine *machine);
/// Local. True if the machine's nodes hold it.
bool plan_fits(const Plan *plan, const Machine *machine);
/// `refusal`: why there is no such grid; NULL where there is.
typedef void (*PlanVisit)(void *context, const Plan *plan, const char *refusal);
/// Local. The fastest plan that fits, of all numbers of columns that the machine's ranks divide
/// into; best->layout is 0 where none fits. USAGE where there is no grid at all. `visit` (may be
/// NULL) is told of each.
Status plan_best(Plan *best, const PlanInput *input, const Machine *machine, PlanVisit visit,
                 void *context);
/// Local. The fewest nodes of this kind, up to 1024, on which some grid fits, with as many ranks on
/// each or some of them with more threads; false: on none.
bool plan_least_nodes(Machine *least, const PlanInput *input, const Machine *machine);
/// Local. FAILED: no grid fits, with what would do.
Status plan_none_fits(const PlanInput *input, const Machine *machine);
/// Local. All of it.
double plan_rank_bytes(const Plan *plan);
double plan_step_s(const Plan *plan);
