#include "base/mem.h"
#include "cli/commands.h"
#include "cli/target.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "model/factors.h"
#include "train/evaluate.h"
#include "train/prepare.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char output[4096];
    int64_t rank;
    double energy;
} CompressFlags;

static const Option flags[] = {
    { FIELD(CompressFlags, output), .required = true, .letter = 'o',
      .help = "the model file to write" },
    { FIELD(CompressFlags, rank), .def = "0", .min = 0, .max = 1e6,
      .help = "keep so many singular values of every product; 0: --energy says how many" },
    { FIELD(CompressFlags, energy), .def = "0", .min = 0, .max = 1,
      .help = "keep the fewest whose squares are this share of all; 0: --rank says how many" },
    { 0 }
};

/// Local (rank 0).
static Status check_flags(const CompressFlags *given)
{
    if ((given->rank > 0) == (given->energy > 0))
        return status_fail(USAGE, "compress needs one of --rank and --energy, above 0");
    return target_check(given->output);
}

/// Collective. A run with its recipe, or a model file as it is; the whole model on every rank.
COLLECTIVE
static Status load_whole(Trained *out, const Comm *world, const char *run)
{
    static const char *const whole[][2] = { { "grid.data", "0" },
                                            { "grid.rows", "1" },
                                            { "grid.cols", "1" } };
    Status status = OK;
    Settings grid = { 0 };
    char *path = NULL;
    int64_t is_model = 0;
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        settings_add(&grid, whole[i][0], whole[i][1], "");
    TRY_ROOT(world, trained_path(&path, &is_model, run));
    comm_broadcast_text(world, &path, 0);
    comm_broadcast(world, &is_model, sizeof is_model, 0);
    if (!is_model) {
        TRY(trained_load(out, world, path, "", &grid));
        goto done;
    }
    out->comm = *world;
    out->path = mem_copy_text(path);
    TRY(model_load(world, &out->model, path, ""));
done:
    mem_free(path);
    settings_release(&grid);
    return status;
}

/// What the lines of the table have in common.
typedef struct {
    bool prints;
    int products, factored;
} Table;

static void print_product(void *context, const FactorReport *r)
{
    Table *table = context;
    if (!table->products++ && table->prints)
        printf("%-50s %13s %6s %8s\n", "product", "shape", "rank", "energy");
    table->factored += r->factored;
    if (!table->prints) return;
    Text shape = { 0 };
    text_printf(&shape, "%" PRId64 " x %" PRId64, r->rows, r->cols);
    if (r->factored)
        printf("%-50s %13s %6" PRId64 " %8.4f\n", r->name, shape.data, r->rank, r->energy);
    else
        printf("%-50s %13s %6s %8s\n", r->name, shape.data, "whole", "");
    text_release(&shape);
}

/// Collective. The run's data, of which the metrics are.
COLLECTIVE
static Status load_data(const Comm *comm, Dataset **data, Trained *t)
{
    tokenizer_free(t->tokenizer);
    t->tokenizer = NULL;
    return prepare_data(comm, data, &t->tokenizer, t->recipe, t->model->tokenizer_json,
                        t->model->spec.vocab_size);
}

/// Collective. A line of the metrics: of rows that the rank may be chosen by, if there are some.
COLLECTIVE
static void print_metrics(const Trained *t, const Model *model, const Dataset *data,
                          const char *when)
{
    static const Split order[] = { SPLIT_VALIDATION, SPLIT_TEST, SPLIT_TRAIN };
    Evaluation found;
    int i = 0;
    while (
        !evaluate_split(&t->comm, &found, &t->recipe->train, model, t->tokenizer, data, order[i]))
        i++; // agreed: all ranks have the same rows, and training had some
    if (t->comm.rank == 0)
        printf("%s, %s: %s\n", when, split_names[order[i]], text_chars(&found.line));
    evaluation_release(&found);
}

/// Of a whole model: heads that its file has not do not count.
static int64_t count_values(const Model *model)
{
    int64_t sum = 0;
    for (int i = 0; i < model->param_count; i++)
        if (!model->params[i].absent) sum += param_elements(&model->params[i]);
    return sum;
}

COLLECTIVE
static Status compress_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    const CompressFlags *given = invocation->flags;
    Trained trained = { 0 };
    Model *small = NULL;
    Dataset *data = NULL;
    Table table = { .prints = world->rank == 0 };
    SvdCut cut = { given->rank, given->rank ? 1 : given->energy };
    TRY_ROOT(world, check_flags(given));
    TRY(load_whole(&trained, world, invocation->arguments[0]));
    TRY(model_factor(&trained.comm, &small, trained.model, cut, print_product, &table,
                     trained.path));
    if (trained.recipe) { // agreed: a run is one on all ranks
        TRY(load_data(world, &data, &trained));
        print_metrics(&trained, trained.model, data, "before");
        print_metrics(&trained, small, data, "after");
    }
    TRY_ROOT(world, model_save(small, given->output));
    int64_t before = count_values(trained.model), after = count_values(small);
    if (world->rank == 0)
        printf("%s: %" PRId64 " parameters, %.1f %% of %" PRId64 "; %d of %d products in factors\n",
               given->output, after, 100 * (double)after / (double)before, before, table.factored,
               table.products);
done:
    dataset_free(data);
    model_free(small);
    trained_release(&trained);
    return status;
}

const Command command_compress = {
    .name = "compress",
    .run = compress_run,
    .needs_mpi = true,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(CompressFlags),
    .summary = "makes a smaller model of factors of the layers' products",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, a checkpoint, or a model file. Every large matrix of a layer "
        "becomes "
        "the product of two\nthinner ones that is nearest to it (its truncated singular value "
        "decomposition, computed over all\nranks) where these are smaller; query, key and value, "
        "or gate and up, together. Embeddings and\nheads stay. Of a run the metrics before and "
        "after are printed too. The result is a model file\nlike others: model.path of a recipe "
        "that goes on with it, which wins back most of what was lost.\n`export` multiplies the "
        "factors out.",
    .example = "mpirun -n 4 temper compress runs/sms-spam --energy 0.9 -o small.h5\n"
               "temper compress models/minilm-l6.h5 --rank 64 -o minilm-64.h5",
};
