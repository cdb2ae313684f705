#include "model/build.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/factors.h"
#include "nn/group.h"

#include <math.h>
#include <string.h>

static Status find_head(Model *model, const char *task, const char *where)
{
    Text tasks = { 0 };
    if (!task) return OK;
    model->head = arch_head(model->arch, task);
    if (model->head) return OK;
    for (const Head *head = model->arch->heads; head->task; head++)
        text_printf(&tasks, "%s%s", head == model->arch->heads ? "" : ", ", head->task);
    Status status = status_fail(USAGE, "%s: a %s model has no head for model.task %s (it has: %s)",
                                where, model->arch->model_type, task, text_chars(&tasks));
    text_release(&tasks);
    return status;
}

Status model_new(Model **out, const Json *config, const char *task, int64_t num_labels,
                 const Comm *group, const char *where)
{
    Status status = OK;
    Model *model = MEM_NEW(Model, 1);
    Text names = { 0 };
    const char *type = json_text(json_get(config, "model_type"), NULL);
    const Json *labels = json_get(config, "id2label");
    arch_names(&names);
    if (!type) FAIL(FAILED, "%s: model_type is missing (supported: %s)", where, names.data);
    model->arch = arch_find(type);
    if (!model->arch)
        FAIL(FAILED, "%s: model_type '%.40s' is not supported (supported: %s)", where, type,
             names.data);
    TRY(find_head(model, task, where));
    TRY(model->arch->read_config(&model->spec, config, where));
    model->group = group && (group->size > 1 || group->strict) ? group : NULL;
    if (model->group) TRY(model_check_group(&model->spec, group->size, group->strict, where));
    model->slices = !model->group   ? 1
                    : group->strict ? model_most_slices(&model->spec)
                                    : group->size;
    if (!num_labels) num_labels = json_size(labels);
    if (!num_labels) num_labels = json_int(json_get(config, "num_labels"), 2);
    if (num_labels < 1 || num_labels > 1 << 24)
        FAIL(FAILED, "%s: num_labels must be a whole number from 1 to %d", where, 1 << 24);
    model->spec.num_labels = num_labels;
    model->config = json_clone(config);
    model_build(model);
    TRY(model_check_factors(model, where));
    if (model->group && group->strict && group->size > 1 && json_get(config, "factor_ranks"))
        FAIL(USAGE,
             "%s: factors have no strict bits between ranks: with grid.reproducible=strict "
             "grid.cols can be 1",
             where);
    *out = model;
    model = NULL;
done:
    text_release(&names);
    model_free(model);
    return status;
}

void model_release_values(Model *model)
{
    if (model->memory.base)
        arena_release(&model->memory);
    else
        node_unshare(model->values, (size_t)model->elements * sizeof(float));
}

void model_free(Model *model)
{
    if (!model) return;
    for (int64_t i = 0; model->label_names && i < model->spec.num_labels; i++)
        mem_free(model->label_names[i]);
    mem_free(model->label_names);
    mem_free(model->labels_note);
    mem_free(model->source_sha256);
    mem_free(model->source);
    mem_free(model->tokenizer_json);
    json_free(model->config);
    tensors_close(model->file);
    model_release_values(model);
    mem_free(model->params);
    mem_free(model);
}

void model_allocate(Model *model)
{
    size_t bytes = (size_t)model->elements * sizeof(float);
    arena_init(&model->memory, bytes);
    model->values = arena_take(&model->memory, bytes);
}

void model_allocate_shared(Model *model, const Node *node)
{
    model->values = node_share(node, (size_t)model->elements * sizeof(float));
    model->node = model->values || !node ? node : node->alone;
    if (model->values) return;
    if (node_shares(node))
        log_warn("the ranks of a node cannot share memory: each keeps its own copy of the weights");
    model_allocate(model);
}

void model_sum_gradient(const Model *model, const Weight *weights, Tape *tape, int index)
{
    const Param *param = &model->params[index];
    const Weight *weight = &weights[index];
    if (!param->summed || !weight->written) return; // agreed: the same operators on all ranks
    CHECK(!weight->touched, "%s: a table that ranks share", param->name);
    int first = model->group->rank / param->sharers * param->sharers;
    group_sum(tape, weight->gradient, param->rows * param->cols, first, param->sharers);
}

int64_t model_parameters(const Model *model)
{
    int64_t sum = 0;
    for (int i = 0; i < model->param_count; i++) sum += param_elements(&model->params[i]);
    return sum;
}

int64_t model_key_columns(const Model *model)
{
    int64_t heads = model->spec.num_key_value_heads, size = model->group ? model->group->size : 1;
    return model->spec.key_size / (heads < size ? heads : size);
}

double model_dropout(const ModelSpec *spec, const Tape *tape)
{
    return tape_pass(tape)->training ? spec->dropout : 0;
}

Output model_head(const Model *model, Weight *weights, Tape *tape, Var *x)
{
    return model->head->forward(model, weights + model->head_first, &weights[model->words], tape,
                                x);
}

Var *model_hidden(const Model *model, Weight *weights, Tape *tape)
{
    return gather_tokens(tape, model->arch->hidden(model, weights, tape));
}

Output model_output(const Model *model, Weight *weights, Tape *tape)
{
    Var *x = model_hidden(model, weights, tape);
    return model_head(model, weights, tape, model->head->reads(tape, x));
}

void model_bind(const Model *model, Weight *weights)
{
    for (int i = 0; i < model->param_count; i++) {
        const Param *param = &model->params[i];
        weights[i] = (Weight){ .rows = param->rows,
                               .cols = param->cols,
                               .sections = param->sections,
                               .value = model->values + param->offset };
        if (param->right) weights[i].right = &weights[param->right];
        if (param->layout.run < param->cols || param->cols < param->dims[1]) continue;
        weights[i].first_row = param->layout.first / param->cols;
        weights[i].all_rows = param->dims[0];
    }
}

Status model_check_tokenizer(const Arch *arch, const Tokenizer *tokenizer, const char *where)
{
    for (const Head *head = arch->heads; head->task; head++)
        if (head->reads == first_tokens && !tokenizer_marks_start(tokenizer))
            return status_fail(FAILED,
                               "%s: the tokenizer adds no [CLS] token, a %s classifier needs it: "
                               "give tokenizer.json a post_processor",
                               where, arch->model_type);
    return OK;
}

Status model_check_whole(const Model *model, const char *where)
{
    for (int i = 0; i < model->param_count; i++)
        if (model->params[i].absent)
            return status_fail(FAILED, "%s: has no %s: it is not trained for %s", where,
                               model->params[i].name, model->head ? model->head->task : "any task");
    return OK;
}

Status param_check_values(const Model *model, const Param *param, const char *where)
{
    const float *value = model_values_of(model, param);
    for (int64_t k = 0; k < param->rows * param->cols; k++)
        if (!isfinite(value[k]))
            return status_fail(FAILED,
                               "%s: element %lld of %s is %s: the weights are damaged, or "
                               "training them diverged",
                               where, (long long)k, param->name,
                               isnan(value[k]) ? "no number (NaN)" : "infinite");
    return OK;
}

Status model_check_values(const Model *model, const char *where)
{
    Status status = OK;
    for (int i = 0; i < model->param_count; i++)
        TRY(param_check_values(model, &model->params[i], where));
done:
    return status;
}

int64_t model_positions(const ModelSpec *spec)
{
    return spec->max_position_embeddings - spec->position_offset;
}

size_t model_arena_bytes(const Model *model, int64_t tokens, int64_t sequences, int64_t longest)
{
    double h = (double)model->spec.hidden_size, rows = (double)sequences, outputs = 0;
    int products;
    double floats = model->arch->arena_floats(&model->spec, tokens, longest);
    if (model->head->vocabulary) {
        rows = (double)tokens;
        outputs = (double)vocabulary_scratch_floats(
            model->spec.vocab_size, tokens, model->group ? model->group->size : 1, model->slices);
    } else {
        outputs = 6 * rows * (double)model->spec.num_labels;
    }
    floats += 24 * rows * h + outputs; // a head keeps up to eight rows, and their gradients
    // between two factors a value and a gradient, of own tokens and of all
    floats += 4 * (double)tokens * (double)model_factor_floats(&products, model);
    if (model->group) // subtrees of a sum over slices; or a weight as ScaLAPACK has it
        floats +=
            4 * (1 + log2((double)model->slices)) * (double)tokens * h + (double)model->elements;
    return (size_t)floats * sizeof(float) + ((size_t)16 << 20);
}
