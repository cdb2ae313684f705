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

typedef struct {
    Model *model;
    Moves *moves;
} Table;

static void add_param(Table *table, int64_t rows, int64_t cols, Moves moves)
{
    Model *model = table->model;
    Param *param = &model->params[model->param_count];
    int64_t offset = (model->elements + 15) / 16 * 16;
    *param = (Param){ .rank = rows > 1 ? 2 : 1, .rows = rows, .cols = cols, .offset = offset };
    param->decays = rows > 1;
    param->sharers = 1;
    table->moves[model->param_count++] = moves;
    model->elements = model->dense_elements = offset + rows * cols;
}

static void add_vectors(Table *table, int count, int64_t cols)
{
    for (int i = 0; i < count; i++) add_param(table, 1, cols, MOVES_NOTHING);
}

static void add_encoder(Table *table, const Shape *s, int64_t ranks)
{
    enum { TYPES = 2, LABELS = 2 };
    int64_t h = s->hidden, f = s->ffn / ranks;
    add_param(table, s->positions, h, MOVES_NOTHING);
    add_vectors(table, 2, h);
    add_param(table, TYPES, h, MOVES_NOTHING);
    for (int64_t layer = 0; layer < s->layers; layer++) {
        for (int i = 0; i < 3; i++)
            add_param(table, h / ranks, h, i ? MOVES_WITH_IT : MOVES_TOKENS_IN);
        add_vectors(table, 3, h / ranks);
        add_param(table, h, h / ranks, MOVES_SUMS_OUT);
        add_vectors(table, 3, h);
        add_param(table, f, h, MOVES_TOKENS_IN);
        add_vectors(table, 1, f);
        add_param(table, h, f, MOVES_SUMS_OUT);
        add_vectors(table, 3, h);
    }
    add_param(table, h, h, MOVES_NOTHING);
    add_vectors(table, 1, h);
    add_param(table, LABELS, h, MOVES_NOTHING);
    add_vectors(table, 1, LABELS);
}

static void add_decoder(Table *table, const Shape *s, int64_t ranks)
{
    int64_t h = s->hidden, f = s->ffn / ranks;
    for (int64_t layer = 0; layer < s->layers; layer++) {
        add_vectors(table, 1, h);
        for (int i = 0; i < 3; i++)
            add_param(table, h / ranks, h, i ? MOVES_WITH_IT : MOVES_TOKENS_IN);
        add_param(table, h, h / ranks, MOVES_SUMS_OUT);
        add_vectors(table, 1, h);
        for (int i = 0; i < 2; i++) add_param(table, f, h, i ? MOVES_WITH_IT : MOVES_TOKENS_IN);
        add_param(table, h, f, MOVES_SUMS_OUT);
    }
    add_vectors(table, 1, h);
    add_param(table, s->vocab / ranks, h, MOVES_SUMS_BACK);
}

void shape_init(Model *model, Moves **moves, const Shape *shape, int cols)
{
    enum { MOST_OF_A_LAYER = 16, OTHERS = 16 };
    int64_t most = shape->layers * MOST_OF_A_LAYER + OTHERS;
    Table table = { model, MEM_NEW(Moves, most) };
    *model = (Model){ .params = MEM_NEW(Param, most) };
    *moves = table.moves;
    if (shape->positions)
        add_encoder(&table, shape, cols);
    else
        add_decoder(&table, shape, cols);
    int64_t dense = model->dense_elements;
    add_param(&table, shape->vocab / cols, shape->hidden, MOVES_NOTHING);
    model->dense_elements = dense;
    model->params[model->param_count - 1].table = true;
}

void shape_release(Model *model, Moves *moves)
{
    arena_release(&model->memory);
    mem_free(model->params);
    mem_free(moves);
    *model = (Model){ 0 };
}

double shape_forward_flops(const Shape *shape, const Param *param, int64_t tokens)
{
    if (param->table || param->rows == shape->positions || param->rank < 2) return 0;
    // scores and mixes of s tokens are s / (6 h) of a layer's products
    double attention = (double)shape->sequence_tokens / (6 * (double)shape->hidden);
    return 2 * (double)tokens * (double)(param->rows * param->cols) * (1 + attention);
}
