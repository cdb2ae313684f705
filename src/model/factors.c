#include "model/factors.h"
#include "base/mem.h"
#include "base/sha256.h"
#include "comm/agree.h"
#include "comm/grid.h"
#include "linalg/gemm.h"

#include <stdio.h>
#include <string.h>

int64_t model_factor_rank(const Model *model, const char *name)
{
    return json_int(json_get(json_get(model->config, "factor_ranks"), name), 0);
}

Status model_check_factors(const Model *model, const char *where)
{
    const Json *ranks = json_get(model->config, "factor_ranks");
    char left[sizeof((Param *)0)->name];
    void *iterator = NULL;
    const char *name;
    Json *rank;
    while (json_next(ranks, &iterator, &name, &rank)) {
        snprintf(left, sizeof left, "%s.left", name);
        int found = model_find_param(model, left);
        if (found >= 0 && !model->params[found].joined) continue;
        return status_fail(FAILED,
                           "%s: factor_ranks: '%.100s' is no large product of a layer, or its "
                           "rank is no whole number from 1 to its inputs",
                           where, name);
    }
    return OK;
}

int64_t model_factor_floats(int *products, const Model *model)
{
    int64_t floats = 0;
    *products = 0;
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        if (!param->right || param->joined) continue;
        floats += param->factor_rank;
        ++*products;
    }
    return floats;
}

double model_forward_flops(const Model *model, int64_t tokens)
{
    double flops = model->arch->forward_flops(&model->spec, tokens);
    for (int i = 0; i < model->param_count; i++) {
        const Param *left = &model->params[i], *right = model_right(model, left);
        if (!right) continue;
        double rows = (double)left->dims[0], cols = (double)right->dims[1];
        double rank = (double)left->factor_rank;
        flops -= 2 * (double)tokens * rows * (cols - rank);
        if (!left->joined) flops += 2 * (double)tokens * rank * cols;
    }
    return flops;
}

void model_whole_name(char *out, const Param *param)
{
    strcpy(out, param->name);
    if (param->right) out[strlen(out) - strlen(".left")] = '\0';
}

void model_multiply_out(float *out, const Model *model, const Param *left)
{
    const Param *right = model_right(model, left);
    gemm_backward_input(out, model_values_of(model, left), model_values_of(model, right),
                        left->rows, left->cols, right->cols, 0);
}

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

/// svds[param_count]: of the first ones of groups, with `ranks` of those that are factored.
COLLECTIVE
static void factor_groups(Svd *svds, Json *ranks, const Comm *comm, const Model *model, SvdCut cut,
                          FactorVisit visit, void *context)
{
    MatrixGrid grid;
    Group group = { 0 };
    matrix_grid_start_square(&grid, comm);
    while (next_group(&group, model, group.end)) { // agreed: the same table on all ranks
        const Param *first = &model->params[group.first];
        Svd *svd = &svds[group.first];
        svd_factor(svd, &grid, model_values_of(model, first), group.rows, group.cols, cut);
        if (svd->left) json_set_int(ranks, first->name, svd->rank);
        visit(context, &(FactorReport){ first->name, group.rows, group.cols, svd->rank,
                                        svd->left != NULL, svd->energy });
    }
    matrix_grid_stop(&grid);
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

static void copy_values(Model *to, const Param *param, const float *values)
{
    if (!node_leads(to->node)) return;
    memcpy(to->values + param->offset, values, (size_t)(param->rows * param->cols) * sizeof(float));
}

/// Collective over those that share the values.
COLLECTIVE
static void fill_values(Model *out, const Model *model, const Svd *svds)
{
    const float *left = NULL; // of joined products: those of the next one
    for (int i = 0; i < out->param_count; i++) {
        Param *param = &out->params[i];
        char name[sizeof param->name];
        model_whole_name(name, param);
        int from = model_find_param(model, name);
        if (from < 0) continue; // a right factor, which comes with its left one
        param->absent = model->params[from].absent;
        if (!param->right) {
            copy_values(out, param, model_values_of(model, &model->params[from]));
            continue;
        }
        if (!param->joined) {
            left = svds[from].left;
            out->params[param->right].absent = false;
            copy_values(out, &out->params[param->right], svds[from].right);
        }
        copy_values(out, param, left);
        left += param->rows * param->cols;
    }
    node_settle(out->node);
}

Status model_factor(const Comm *comm, Model **out, const Model *model, SvdCut cut,
                    FactorVisit visit, void *context, const char *where)
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
    TRY_ALL(comm, model_check_values(model, where));
    factor_groups(svds, ranks, comm, model, cut, visit, context);
    TRY_ALL(comm, make_table(&made, model, ranks, where));
    model_allocate_shared(made, comm_replicas(comm)->node);
    fill_values(made, model, svds);
    *out = made;
    made = NULL;
done:
    for (int i = 0; i < model->param_count; i++) svd_release(&svds[i]);
    mem_free(svds);
    model_free(made);
    json_free(ranks);
    return status;
}
