#include "model/factors.h"
#include "linalg/gemm.h"

#include <string.h>

int64_t model_factor_rank(const Model *model, const char *name)
{
    return json_int(json_get(json_get(model->config, "factor_ranks"), name), 0);
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
