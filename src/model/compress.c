#include "model/compress.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "comm/agree.h"

/// A product with those joined to it: rows [first, end) of the table.
typedef struct {
    int first, end;
    int64_t rows, cols;
} Group;

/// The next one from `first` on; false if there is none.
static bool next_group(Group *out, const Model *model, int first)
{
    while (first < model->param_count && !model->params[first].product) first++;
    if (first == model->param_count) return false;
    *out = (Group){ first, first, 0, model->params[first].cols };
    do out->rows += model->params[out->end++].rows;
    while (out->end < model->param_count && model->params[out->end].product &&
           model->params[out->end].joined);
    return true;
}

/// Rows of joined products, one below the other. The caller owns the list.
static const float **list_rows(const Model *model, const Group *group)
{
    const float **rows = MEM_NEW(const float *, group->rows);
    int64_t count = 0;
    for (int i = group->first; i < group->end; i++) {
        const float *values = model_values_of(model, &model->params[i]);
        for (int64_t r = 0; r < model->params[i].rows; r++)
            rows[count++] = values + r * model->params[i].cols;
    }
    return rows;
}

/// svds[param_count]: of the first ones of groups, with `ranks` of those that are factored.
COLLECTIVE
static void factor_groups(Svd *svds, Json *ranks, const Comm *comm, const Model *model, SvdCut cut,
                          FactorVisit visit, void *context)
{
    SvdGrids grids;
    Group group = { 0 };
    svd_grids_start(&grids, comm);
    while (next_group(&group, model, group.end)) { // agreed: the same table on all ranks
        const Param *first = &model->params[group.first];
        Svd *svd = &svds[group.first];
        const float **rows = list_rows(model, &group);
        svd_factor(svd, &grids, rows, group.rows, group.cols, cut);
        mem_free(rows);
        if (svd->factored) json_set_int(ranks, first->name, svd->rank);
        visit(context, &(FactorReport){ first->name, group.rows, group.cols, svd->rank,
                                        svd->factored, svd->energy });
    }
    svd_grids_stop(&grids);
}

/// The imported files, and what was made of their weights.
static char *describe_source(const Model *model, const Json *ranks)
{
    Text text = { 0 }, ranks_text = { 0 };
    Sha256 sha;
    char hex[65];
    json_print(&ranks_text, ranks, 0);
    sha256_init(&sha);
    sha256_add(&sha, ranks_text.data, ranks_text.length_bytes);
    sha256_finish(hex, &sha);
    text_printf(&text, "%s%s  factor_ranks\n", model->source_sha256, hex);
    text_release(&ranks_text);
    return text.data;
}

/// Local. The table and texts, without values.
static Status make_table(Model **out, const Model *model, const Json *ranks, const char *where)
{
    Status status = OK;
    Json *config = json_clone(model->config);
    int64_t labels = model->spec.num_labels;
    if (!json_size(ranks))
        FAIL(USAGE, "%s: no product of a layer gets smaller so: keep less of them", where);
    json_set(config, "factor_ranks", json_clone(ranks));
    TRY(model_new(out, config, model->head ? model->head->task : NULL, labels, NULL, where));
    (*out)->tokenizer_json = mem_copy_text(model->tokenizer_json);
    (*out)->source = mem_copy_text(model->source);
    (*out)->source_sha256 = describe_source(model, ranks);
    if (model->label_names) (*out)->label_names = MEM_NEW(char *, labels);
    for (int64_t i = 0; i < labels && model->label_names; i++)
        (*out)->label_names[i] = mem_copy_text(model->label_names[i]);
done:
    json_free(config);
    return status;
}

/// What a parameter of the new model is made of.
typedef struct {
    const FactorRows *factor; ///< NULL: it is `whole`
    int64_t row;              ///< of the factor, where it begins
    const float *whole;
} Source;
typedef struct {
    const Comm *comm;
    const Model *model;
    Source *sources; ///< (param_count)
} Sources;

/// Local. Which of the parameters are absent, too.
static void list_sources(Source *out, Model *made, const Model *model, const Svd *svds)
{
    const Svd *svd = NULL; // of joined products: that of the one before
    int64_t row = 0;
    for (int i = 0; i < made->param_count; i++) {
        Param *param = &made->params[i];
        char name[sizeof param->name];
        model_whole_name(name, param);
        int from = model_find_param(model, name);
        if (from < 0) continue; // a right factor, which comes with its left one
        param->absent = model->params[from].absent;
        if (!param->right) {
            out[i].whole = model_values_of(model, &model->params[from]);
            continue;
        }
        if (!param->joined) {
            svd = &svds[from];
            row = 0;
            made->params[param->right].absent = false;
            out[param->right].factor = &svd->right;
        }
        out[i] = (Source){ .factor = &svd->left, .row = row };
        row += param->rows;
    }
}

/// What this rank writes of a parameter.
static TensorRange range_of(const void *context, int index)
{
    const Sources *all = context;
    const Source *source = &all->sources[index];
    const Param *param = &all->model->params[index];
    const FactorRows *f = source->factor;
    if (!f) {
        int64_t elements = param->rows * param->cols, size = all->comm->size;
        int64_t first = elements * all->comm->rank / size;
        int64_t end = elements * (all->comm->rank + 1) / size;
        return (TensorRange){ first, end - first, source->whole + first };
    }
    int64_t first = source->row > f->first ? source->row : f->first;
    int64_t end = source->row + param->rows, mine = f->first + f->rows;
    if (end > mine) end = mine;
    if (end <= first) return (TensorRange){ 0 };
    return (TensorRange){ (first - source->row) * f->cols, (end - first) * f->cols,
                          f->values + (first - f->first) * f->cols };
}

COLLECTIVE
static Status write_factors(const Comm *comm, const char *to, Model *made, const Model *model,
                            const Svd *svds)
{
    Sources sources = { comm, made, MEM_NEW(Source, made->param_count) };
    list_sources(sources.sources, made, model, svds);
    Status status = model_write(comm, made, to, range_of, &sources);
    mem_free(sources.sources);
    return status;
}

/// Local. Of every so many parameters one.
static Status check_share(const Comm *comm, const Model *model, const char *where)
{
    Status status = OK;
    for (int i = comm->rank; i < model->param_count; i += comm->size)
        if (!model->params[i].absent) TRY(param_check_values(model, &model->params[i], where));
done:
    return status;
}

static int64_t count_values(const Model *model)
{
    int64_t sum = 0;
    for (int i = 0; i < model->param_count; i++)
        if (!model->params[i].absent) sum += param_elements(&model->params[i]);
    return sum;
}

Status model_factor(const Comm *comm, const char *to, FactorSizes *sizes, const Model *model,
                    SvdCut cut, FactorVisit visit, void *context, const char *where)
{
    Status status = OK;
    Json *ranks = json_new_object();
    Model *made = NULL;
    Svd *svds = MEM_NEW(Svd, model->param_count);
    int factored;
    if (model_factor_floats(&factored, model)) // agreed: the same model on all ranks
        TRY_ALL(comm, status_fail(USAGE,
                                  "%s: %d products are factored already: compress what it was made "
                                  "of",
                                  where, factored));
    TRY_ALL(comm, check_share(comm, model, where));
    factor_groups(svds, ranks, comm, model, cut, visit, context);
    TRY_ALL(comm, make_table(&made, model, ranks, where));
    TRY(write_factors(comm, to, made, model, svds));
    *sizes = (FactorSizes){ count_values(model), count_values(made) };
done:
    for (int i = 0; i < model->param_count; i++) svd_release(&svds[i]);
    mem_free(svds);
    model_free(made);
    json_free(ranks);
    return status;
}
