#include "base/mem.h"
#include "cli/commands.h"
#include "cli/target.h"
#include "cli/trained.h"
#include "comm/agree.h"
#include "model/compress.h"
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
static Status check_flags(const CompressFlags *given, const char *input)
{
    if ((given->rank > 0) == (given->energy > 0))
        return status_fail(USAGE, "compress needs one of --rank and --energy, above 0");
    return target_check(given->output, input);
}

/// What is compressed, and of a run what its metrics are made with.
typedef struct {
    char *path;      ///< of the model, owned
    Trained trained; ///< of a run; empty of a model file
    Dataset *data;
    Text before, after; ///< lines of metrics
} Job;

/// Collective. A line of the metrics: of rows that the rank may be chosen by, if there are some.
COLLECTIVE
static void measure_run(Text *line, const Job *job, const Model *model, const char *when)
{
    static const Split order[] = { SPLIT_VALIDATION, SPLIT_TEST, SPLIT_TRAIN };
    const Trained *t = &job->trained;
    Evaluation found;
    int i = 0;
    while (!evaluate_split(&t->comm, &found, &t->recipe->train, model, t->tokenizer, job->data,
                           order[i], NULL))
        i++; // agreed: all ranks have the same rows, and training had some
    text_printf(line, "%s, %s: %s\n", when, split_names[order[i]], text_chars(&found.line));
    evaluation_release(&found);
}

/// Collective. A run with its data and metrics, or a model file as it is; no weights are kept.
COLLECTIVE
static Status start_job(Job *job, const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    Trained *t = &job->trained;
    int64_t is_model = 0;
    TRY_ROOT(world, trained_path(&job->path, &is_model, invocation->arguments[0]));
    comm_broadcast_text(world, &job->path, 0);
    comm_broadcast(world, &is_model, sizeof is_model, 0);
    if (is_model && invocation->overrides.count)
        TRY_ALL(world, status_fail(USAGE,
                                   "%s: a model file has no metrics, so no grid.* keys that they "
                                   "are made with",
                                   job->path));
    if (is_model) goto done;
    TRY(trained_load(t, world, job->path, "", &invocation->overrides));
    tokenizer_free(t->tokenizer);
    t->tokenizer = NULL;
    TRY(prepare_data(world, &job->data, &t->tokenizer, t->recipe, t->model->tokenizer_json,
                     t->model->spec.vocab_size));
    measure_run(&job->before, job, t->model, "before");
    model_free(t->model);
    t->model = NULL;
done:
    return status;
}

/// Collective. The metrics of the model that was written.
COLLECTIVE
static Status finish_job(Job *job, const char *output)
{
    Status status = OK;
    Trained *t = &job->trained;
    if (!t->recipe) goto done; // agreed: a run is one on all ranks
    // factors have no strict bits between ranks
    if (t->grid.cols > 1) t->grid.group.strict = false;
    TRY(model_load(&t->comm, &t->model, output, t->recipe->model.task));
    measure_run(&job->after, job, t->model, "after");
done:
    return status;
}

COLLECTIVE
static void job_release(Job *job)
{
    text_release(&job->before);
    text_release(&job->after);
    dataset_free(job->data);
    trained_release(&job->trained);
    mem_free(job->path);
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

COLLECTIVE
static Status compress_run(const Invocation *invocation)
{
    Status status = OK;
    const Comm *world = invocation->world;
    const CompressFlags *given = invocation->flags;
    Job job = { 0 };
    Model *model = NULL;
    Table table = { .prints = world->rank == 0 };
    FactorSizes sizes;
    SvdCut cut = { given->rank, given->rank ? 1 : given->energy };
    TRY_ROOT(world, check_flags(given, invocation->arguments[0]));
    TRY(start_job(&job, invocation));
    TRY(model_open(world, &model, job.path, ""));
    TRY(model_factor(world, given->output, &sizes, model, cut, print_product, &table, job.path));
    TRY(finish_job(&job, given->output));
    if (world->rank == 0)
        printf("%s%s%s: %" PRId64 " parameters, %.1f %% of %" PRId64
               "; %d of %d products in factors\n",
               text_chars(&job.before), text_chars(&job.after), given->output, sizes.after,
               100 * (double)sizes.after / (double)sizes.before, sizes.before, table.factored,
               table.products);
done:
    model_free(model);
    job_release(&job);
    return status;
}

const Command command_compress = {
    .name = "compress",
    .run = compress_run,
    .needs_mpi = true,
    .arguments = { "RUN" },
    .flags = flags,
    .flags_bytes = sizeof(CompressFlags),
    .keys = recipe_options,
    .key_sections = { "grid." },
    .summary = "makes a smaller model of factors of the layers' products",
    .description =
        "RUN is a run folder, which stands for its best checkpoint where one is kept and "
        "else for the\nnewest, a checkpoint, or a model file. Every large matrix of a layer "
        "becomes the product of two\nthinner ones that is nearest to it (its truncated singular "
        "value decomposition, computed over all\nranks) where these are smaller; query, key and "
        "value, or gate and up, together. Embeddings and\nheads stay. A rank reads its blocks of "
        "one matrix at a time from the file. Of a run the metrics\nbefore and after are printed "
        "too, by the run's grid or by grid.* keys. The result is a model file\nlike others: "
        "model.path of a recipe that goes on with it, which wins back most of what was "
        "lost.\n`export` multiplies the factors out.",
    .example = "mpirun -n 4 temper compress runs/sms-spam --energy 0.9 -o small.h5\n"
               "temper compress models/minilm-l6.h5 --rank 64 -o minilm-64.h5",
};
