#include "base/mem.h"
#include "base/memory_left.h"
#include "cli/commands.h"
#include "linalg/gemm.h"
#include "train/layout.h"
#include "train/method.h"

#include <inttypes.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    int64_t nodes, ranks_per_node, threads;
    double memory_per_node, gflops;
    char network[64];
} PlanFlags;

static const Option flags[] = {
    { FIELD(PlanFlags, nodes), .def = "1", .min = 1, .max = 1e5, .help = "nodes of the job" },
    { FIELD(PlanFlags, ranks_per_node), .def = "0", .min = 0, .max = 4096,
      .help = "ranks on a node; 0: as many as this one has cores" },
    { FIELD(PlanFlags, threads), .def = "0", .min = 0, .max = 4096,
      .help = "of a rank; 0: this node's cores shared by its ranks" },
    { FIELD(PlanFlags, memory_per_node), .def = "0", .min = 0, .max = 1e9, .unit = "GB",
      .help = "for the job; 0: what this node has left" },
    { FIELD(PlanFlags, gflops), .def = "0", .min = 0, .max = 1e6, .unit = "GFLOP/s",
      .help = "sgemm of a core; 0: measured here" },
    { FIELD(PlanFlags, network), .def = "100Gb/s,2us",
      .help = "between nodes: bandwidth of a node, latency of a message" },
    { 0 }
};

static Status read_network(Machine *out, const char *text)
{
    double gigabits, microseconds;
    int end = 0;
    sscanf(text, "%lfGb/s,%lfus%n", &gigabits, &microseconds, &end);
    if (!end || text[end] || !(gigabits > 0 && microseconds >= 0) || !isfinite(gigabits) ||
        !isfinite(microseconds))
        return status_fail(USAGE, "--network: '%s' is not of the form 100Gb/s,2us", text);
    out->bytes_per_s = gigabits * 1e9 / 8;
    out->latency_s = microseconds * 1e-6;
    return OK;
}

static Status read_machine(Machine *out, const PlanFlags *given)
{
    int64_t cores = omp_get_num_procs();
    *out = (Machine){ .nodes = given->nodes,
                      .ranks_per_node = given->ranks_per_node ? given->ranks_per_node : cores,
                      .memory_bytes = given->memory_per_node * 1e9,
                      .gflops = given->gflops,
                      .near_latency_s = 1e-6,
                      .near_bytes_per_s = 4e9 };
    out->threads = given->threads ? given->threads : cores / out->ranks_per_node;
    if (!out->threads) out->threads = 1;
    if (out->memory_bytes == 0) out->memory_bytes = memory_left_bytes();
    if (out->gflops == 0) out->gflops = gemm_measure_gflops() / omp_get_max_threads();
    return read_network(out, given->network);
}

/// What the lines of the table have in common, and the one in hand.
typedef struct {
    const Machine *machine;
    const Plan *plan;
    double alone_s; ///< a step of one rank
    bool probe;
} Table;

static double weights(const Table *t)
{
    return t->plan->weights_bytes / 1e9;
}
static double gradients(const Table *t)
{
    return t->plan->gradients_bytes / 1e9;
}
static double state(const Table *t)
{
    return t->plan->state_bytes / 1e9;
}
static double activations(const Table *t)
{
    return t->plan->activations_bytes / 1e9;
}
static double buffers(const Table *t)
{
    return t->plan->buffers_bytes / 1e9;
}
static double rank_memory(const Table *t)
{
    return plan_rank_bytes(t->plan) / 1e9;
}
static double node_memory(const Table *t)
{
    return plan_rank_bytes(t->plan) * (double)t->machine->ranks_per_node / 1e9;
}
static double messages(const Table *t)
{
    return t->plan->messages;
}
static double sent(const Table *t)
{
    return t->plan->sent_bytes / 1e6;
}
static double step(const Table *t)
{
    return plan_step_s(t->plan);
}
static double efficiency(const Table *t)
{
    double ranks = (double)(t->machine->nodes * t->machine->ranks_per_node);
    return t->alone_s / plan_step_s(t->plan) / ranks;
}
static double waits(const Table *t)
{
    return t->plan->exchange_s + t->plan->group_s;
}
static double solver(const Table *t)
{
    return t->plan->solve_s;
}

/// A column is named for training and for a probe; NULL: there is no such thing.
typedef struct {
    const char *training, *probe;
    int width, decimals;
    double (*value)(const Table *table);
} Column;

static const Column columns[] = {
    { "weights", "weights", 8, 2, weights },
    { "gradient", NULL, 8, 2, gradients },
    { "state", "features", 8, 2, state },
    { "activat.", "work", 8, 2, activations },
    { "buffers", NULL, 8, 2, buffers },
    { "GB/rank", "GB/rank", 8, 2, rank_memory },
    { "GB/node", "GB/node", 9, 2, node_memory },
    { "messages", "messages", 9, 0, messages },
    { "MB sent", "MB sent", 9, 1, sent },
    { "s/step", "s/step", 8, 3, step },
    { "effic.", "effic.", 6, 2, efficiency },
    { "waits", "waits", 8, 3, waits },
    { NULL, "solver", 8, 3, solver },
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void print_plan(void *context, const Plan *p, const char *refusal)
{
    Table *table = context;
    table->plan = p;
    double over = node_memory(table) - table->machine->memory_bytes / 1e9;
    Text grid = { 0 };
    text_printf(&grid, "%lldx%lldx%lld", (long long)p->layout.data, (long long)p->layout.rows,
                (long long)p->layout.cols);
    printf("%-12s", grid.data);
    for (const Column *c = columns; c < columns + COLUMNS && !refusal; c++) {
        if (table->probe ? c->probe : c->training)
            printf(" %*.*f", c->width, c->decimals, c->value(table));
        else if (table->probe)
            printf(" %*s", c->width, "-");
    }
    if (refusal)
        printf(" cannot be: %s\n", refusal);
    else if (plan_fits(p, table->machine))
        printf("\n");
    else if (over > 0)
        printf("  does not fit: %.2f GB a node too much\n", over);
    else
        printf("  does not fit: a matrix of the solver is too large for a rank\n");
    text_release(&grid);
}

static void print_names(bool probe)
{
    printf("%-12s", "grid");
    for (const Column *c = columns; c < columns + COLUMNS; c++) {
        const char *name = probe && c->probe ? c->probe : c->training;
        if (name) printf(" %*s", c->width, name);
    }
    printf("\n");
}

/// Prints all grids of these ranks; *best is the fastest that fits, its data 0 if none does.
static Status print_grids(Plan *best, const PlanInput *input, const Machine *machine)
{
    Status status = OK;
    Machine single = *machine;
    Table table = { .machine = machine, .probe = method_find(input->recipe->train.method)->once };
    Plan alone;
    single.nodes = single.ranks_per_node = 1;
    TRY(plan_make(&alone, input, (Layout){ 1, 1, 1 }, &single));
    table.alone_s = plan_step_s(&alone);
    print_names(table.probe);
    TRY(plan_best(best, input, machine, print_plan, &table));
    if (table.probe)
        printf("where %s/features.h5 has the features of this model and these rows, a step is the "
               "solver's part alone\n",
               input->recipe->output.folder);
done:
    return status;
}

static Status advise(const Plan *best, const PlanInput *input, const Machine *machine)
{
    const Layout *l = &best->layout;
    if (l->data) {
        printf("take  grid.data=%" PRId64 " grid.rows=%" PRId64 " grid.cols=%" PRId64
               ": the fastest of those that fit into %.2f GB a node\n",
               l->data, l->rows, l->cols, machine->memory_bytes / 1e9);
        return OK;
    }
    return plan_none_fits(input, machine);
}

static void print_input(const PlanSource *source, const Recipe *recipe, const Machine *machine)
{
    const Batches *b = &source->batches;
    printf("%.1f M parameters, ", (double)model_parameters(source->model) / 1e6);
    if (method_find(recipe->train.method)->once)
        printf("%" PRId64 " rows of %" PRId64 " tokens in one step", b->count, b->tokens);
    else
        printf("%.0f tokens and %" PRId64 " leaves a step", b->mean_tokens, source->input.leaves);
    printf("; %" PRId64 " x %" PRId64 " ranks of %" PRId64 " threads, %.0f GFLOP/s a core\n",
           machine->nodes, machine->ranks_per_node, machine->threads, machine->gflops);
}

static Status plan_run(const Invocation *invocation)
{
    Status status = OK;
    Comm self = comm_self();
    Recipe *recipe = MEM_NEW(Recipe, 1);
    PlanSource source = { 0 };
    Machine machine;
    Plan best;
    TRY(recipe_read(&self, recipe, invocation->arguments[0], &invocation->overrides));
    TRY(read_machine(&machine, invocation->flags));
    TRY(plan_source_open(&self, &source, recipe));
    print_input(&source, recipe, &machine);
    TRY(print_grids(&best, &source.input, &machine));
    TRY(advise(&best, &source.input, &machine));
done:
    plan_source_close(&source);
    mem_free(recipe);
    return status;
}

const Command command_plan = {
    .name = "plan",
    .run = plan_run,
    .arguments = { "RECIPE" },
    .flags = flags,
    .flags_bytes = sizeof(PlanFlags),
    .keys = recipe_options,
    .summary = "what each process grid would take: memory, messages, time",
    .description =
        "For a job of so many nodes and ranks: the memory of a rank in GB by what holds it, the "
        "messages\nand megabytes it sends in a step, the seconds of a step, the share of a perfect "
        "speed-up over\none rank, and of the step the seconds in which it waits for messages that "
        "nothing hides. A line\nfor each number of columns, with as few rows as leave every copy a "
        "leaf. Names the fastest grid\nthat fits. Exit code 1 if none does, with the fewest nodes "
        "that would.\nOf a linear probe, which is one step: its features and what "
        "computing and solving take, and of the\nstep the seconds behind the pass forward.",
    .example = "temper plan jobs/sms-spam.yaml\n"
               "temper plan jobs/sms-spam.yaml --nodes 8 --ranks-per-node 4 --threads 16 "
               "--memory-per-node 256",
};
