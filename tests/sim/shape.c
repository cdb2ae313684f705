#include "sim/shape.h"

#include <string.h>

static const Shape shapes[] = {
    { "bert-base", 12, 768, 3072, 30522, 512, 128 },
    { "bert-large", 24, 1024, 4096, 30522, 512, 128 },
    { "llama-7b", 32, 4096, 11008, 32000, 0, 2048 },
    { "llama-7b-quarter", 8, 4096, 11008, 32000, 0, 2048 }, // of the layers
    { "tiny", 2, 256, 1024, 4000, 64, 32 }, // its values take 8 MiB, dense and table
};

const Shape *shape_find(const char *name)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (!strcmp(shapes[i].name, name)) return &shapes[i];
    return NULL;
}

const char *shape_names(void)
{
    return "bert-base, bert-large, llama-7b, llama-7b-quarter, tiny";
}

static void add_param(Model *model, int64_t rows, int64_t cols)
{
    Param *param = &model->params[model->param_count++];
    int64_t offset = (model->elements + 15) / 16 * 16;
    *param = (Param){ .rank = rows > 1 ? 2 : 1, .rows = rows, .cols = cols, .offset = offset };
    param->decays = rows > 1;
    model->elements = model->dense_elements = offset + rows * cols;
}

static void add_encoder(Model *model, const Shape *s)
{
    enum { TYPES = 2, LABELS = 2 };
    int64_t h = s->hidden;
    add_param(model, s->positions, h);
    for (int i = 0; i < 2; i++) add_param(model, 1, h);
    add_param(model, TYPES, h);
    for (int64_t layer = 0; layer < s->layers; layer++) {
        for (int i = 0; i < 3; i++) add_param(model, h, h);
        for (int i = 0; i < 3; i++) add_param(model, 1, h);
        add_param(model, h, h);
        for (int i = 0; i < 3; i++) add_param(model, 1, h);
        add_param(model, s->ffn, h);
        add_param(model, 1, s->ffn);
        add_param(model, h, s->ffn);
        for (int i = 0; i < 3; i++) add_param(model, 1, h);
    }
    add_param(model, h, h);
    add_param(model, 1, h);
    add_param(model, LABELS, h);
    add_param(model, 1, LABELS);
}

static void add_decoder(Model *model, const Shape *s)
{
    int64_t h = s->hidden;
    for (int64_t layer = 0; layer < s->layers; layer++) {
        add_param(model, 1, h);
        for (int i = 0; i < 4; i++) add_param(model, h, h);
        add_param(model, 1, h);
        for (int i = 0; i < 2; i++) add_param(model, s->ffn, h);
        add_param(model, h, s->ffn);
    }
    add_param(model, 1, h);
    add_param(model, s->vocab, h);
}

void shape_init(Model *model, const Shape *shape)
{
    enum { MOST_OF_A_LAYER = 16, OTHERS = 16 };
    *model = (Model){ 0 };
    model->params = MEM_NEW(Param, shape->layers * MOST_OF_A_LAYER + OTHERS);
    if (shape->positions)
        add_encoder(model, shape);
    else
        add_decoder(model, shape);
    int64_t dense = model->dense_elements;
    add_param(model, shape->vocab, shape->hidden);
    model->dense_elements = dense;
    model->params[model->param_count - 1].table = true;
}

void shape_release(Model *model)
{
    arena_release(&model->memory);
    mem_free(model->params);
    *model = (Model){ 0 };
}

double shape_forward_flops(const Shape *shape, const Param *param, int64_t tokens)
{
    if (param->table || param->rows == shape->positions || param->rank < 2) return 0;
    // scores and mixes of s tokens are s / (6 h) of a layer's products
    double attention = (double)shape->sequence_tokens / (6 * (double)shape->hidden);
    return 2 * (double)tokens * (double)(param->rows * param->cols) * (1 + attention);
}
