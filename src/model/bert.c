#include "model/bert.h"
#include "base/status.h"

#include <omp.h>
#include <stddef.h>
#include <string.h>

enum { POSITIONS, TYPES, INPUT_GAIN, INPUT_BIAS, LAYERS };
enum {
    QUERY_WEIGHT,
    KEY_WEIGHT,
    VALUE_WEIGHT,
    QUERY_BIAS,
    KEY_BIAS,
    VALUE_BIAS,
    MIX_WEIGHT,
    MIX_BIAS,
    ATTENTION_GAIN,
    ATTENTION_BIAS,
    UP_WEIGHT,
    UP_BIAS,
    DOWN_WEIGHT,
    DOWN_BIAS,
    OUTPUT_GAIN,
    OUTPUT_BIAS,
    LAYER_ROWS
};
enum { POOLER_WEIGHT, POOLER_BIAS, CLASSIFIER_WEIGHT, CLASSIFIER_BIAS, WORDS };

/// A dimension of a parameter: the place of its size in the specification.
#define SIZE(member) offsetof(ModelSpec, member)
#define HIDDEN       SIZE(hidden_size)
#define FEED         SIZE(intermediate_size)
#define VECTOR       ((size_t)-1)

typedef struct {
    const char *name;
    size_t rows, cols; ///< places in ModelSpec
    unsigned flags;
} Row;

static const Row input_rows[] = {
    { "bert.embeddings.position_embeddings.weight", SIZE(max_position_embeddings), HIDDEN, 0 },
    { "bert.embeddings.token_type_embeddings.weight", SIZE(type_vocab_size), HIDDEN, 0 },
    { "bert.embeddings.LayerNorm.weight", VECTOR, HIDDEN, 0 },
    { "bert.embeddings.LayerNorm.bias", VECTOR, HIDDEN, 0 },
};

#define LAYER "bert.encoder.layer.%d."
static const Row layer_rows[LAYER_ROWS] = {
    [QUERY_WEIGHT] = { LAYER "attention.self.query.weight", HIDDEN, HIDDEN, 0 },
    [KEY_WEIGHT] = { LAYER "attention.self.key.weight", HIDDEN, HIDDEN, PARAM_JOINED },
    [VALUE_WEIGHT] = { LAYER "attention.self.value.weight", HIDDEN, HIDDEN, PARAM_JOINED },
    [QUERY_BIAS] = { LAYER "attention.self.query.bias", VECTOR, HIDDEN, 0 },
    [KEY_BIAS] = { LAYER "attention.self.key.bias", VECTOR, HIDDEN, PARAM_JOINED },
    [VALUE_BIAS] = { LAYER "attention.self.value.bias", VECTOR, HIDDEN, PARAM_JOINED },
    [MIX_WEIGHT] = { LAYER "attention.output.dense.weight", HIDDEN, HIDDEN, 0 },
    [MIX_BIAS] = { LAYER "attention.output.dense.bias", VECTOR, HIDDEN, 0 },
    [ATTENTION_GAIN] = { LAYER "attention.output.LayerNorm.weight", VECTOR, HIDDEN, 0 },
    [ATTENTION_BIAS] = { LAYER "attention.output.LayerNorm.bias", VECTOR, HIDDEN, 0 },
    [UP_WEIGHT] = { LAYER "intermediate.dense.weight", FEED, HIDDEN, 0 },
    [UP_BIAS] = { LAYER "intermediate.dense.bias", VECTOR, FEED, 0 },
    [DOWN_WEIGHT] = { LAYER "output.dense.weight", HIDDEN, FEED, 0 },
    [DOWN_BIAS] = { LAYER "output.dense.bias", VECTOR, HIDDEN, 0 },
    [OUTPUT_GAIN] = { LAYER "output.LayerNorm.weight", VECTOR, HIDDEN, 0 },
    [OUTPUT_BIAS] = { LAYER "output.LayerNorm.bias", VECTOR, HIDDEN, 0 },
};

static const Row last_rows[] = {
    [POOLER_WEIGHT] = { "bert.pooler.dense.weight", HIDDEN, HIDDEN, PARAM_HEAD },
    [POOLER_BIAS] = { "bert.pooler.dense.bias", VECTOR, HIDDEN, PARAM_HEAD },
    [CLASSIFIER_WEIGHT] = { "classifier.weight", SIZE(num_labels), HIDDEN,
                            PARAM_HEAD | PARAM_LABELS },
    [CLASSIFIER_BIAS] = { "classifier.bias", VECTOR, SIZE(num_labels), PARAM_HEAD | PARAM_LABELS },
    [WORDS] = { "bert.embeddings.word_embeddings.weight", SIZE(vocab_size), HIDDEN, PARAM_TABLE },
};

static int64_t size_at(const ModelSpec *spec, size_t place)
{
    return place == VECTOR ? 0 : *(const int64_t *)((const char *)spec + place);
}

static void add_rows(Model *model, const Row *rows, size_t count, int64_t layer)
{
    for (const Row *row = rows; row < rows + count; row++)
        model_add_param(model, row->name, layer, size_at(&model->spec, row->rows),
                        size_at(&model->spec, row->cols), row->flags);
}

static void add_params(Model *model)
{
    add_rows(model, input_rows, sizeof input_rows / sizeof *input_rows, 0);
    for (int64_t layer = 0; layer < model->spec.num_hidden_layers; layer++)
        add_rows(model, layer_rows, LAYER_ROWS, layer);
    add_rows(model, last_rows, sizeof last_rows / sizeof *last_rows, 0);
}

typedef struct {
    const char *key;
    size_t place;
    int64_t max;
} Size;

static const Size sizes[] = {
    { "hidden_size", HIDDEN, 1 << 20 },
    { "num_hidden_layers", SIZE(num_hidden_layers), 1 << 12 },
    { "num_attention_heads", SIZE(num_attention_heads), 1 << 16 },
    { "intermediate_size", FEED, 1 << 24 },
    { "vocab_size", SIZE(vocab_size), 1 << 28 },
    { "max_position_embeddings", SIZE(max_position_embeddings), 1 << 24 },
    { "type_vocab_size", SIZE(type_vocab_size), 1 << 16 },
};

static Status read_size(ModelSpec *out, const Json *config, const Size *size, const char *where)
{
    const Json *value = json_get(config, size->key);
    if (json_is_null(value)) return status_fail(FAILED, "%s: %s is missing", where, size->key);
    int64_t number = json_int(value, -1);
    if (!json_is_int(value) || number < 1 || number > size->max)
        return status_fail(FAILED, "%s: %s must be a whole number from 1 to %lld", where, size->key,
                           (long long)size->max);
    *(int64_t *)((char *)out + size->place) = number;
    return OK;
}

static Status read_rate(double *out, const Json *value, double fallback, const char *key,
                        const char *where)
{
    *out = json_is_null(value) ? fallback : json_number(value, -1);
    if (*out >= 0 && *out < 1) return OK;
    return status_fail(FAILED, "%s: %s must be a number from 0 to below 1", where, key);
}

static Status read_switches(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    const char *act = json_text(json_get(config, "hidden_act"), NULL);
    const char *positions = json_text(json_get(config, "position_embedding_type"), "absolute");
    const Json *eps = json_get(config, "layer_norm_eps");
    if (json_is_null(eps)) FAIL(FAILED, "%s: layer_norm_eps is missing", where);
    TRY(read_rate(&out->layer_norm_eps, eps, 0, "layer_norm_eps", where));
    TRY(read_rate(&out->dropout, json_get(config, "hidden_dropout_prob"), 0.1,
                  "hidden_dropout_prob", where));
    if (!act) FAIL(FAILED, "%s: hidden_act is missing", where);
    if (!activation_by_name(&out->hidden_act, act))
        FAIL(FAILED, "%s: hidden_act '%.40s' is not supported", where, act);
    if (strcmp(positions, "absolute"))
        FAIL(FAILED, "%s: position_embedding_type '%.40s' is not supported, only absolute", where,
             positions);
    if (json_bool(json_get(config, "is_decoder"), false))
        FAIL(FAILED, "%s: is_decoder is not supported", where);
done:
    return status;
}

static Status read_config(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        TRY(read_size(out, config, &sizes[i], where));
    if (out->hidden_size % out->num_attention_heads)
        FAIL(FAILED, "%s: hidden_size %lld is no multiple of num_attention_heads %lld", where,
             (long long)out->hidden_size, (long long)out->num_attention_heads);
    TRY(read_switches(out, config, where));
done:
    return status;
}

/// One weight over three that lie end to end: this many times as high and wide as each.
static Weight *join(Tape *tape, Weight *parts, int64_t high, int64_t wide)
{
    Weight *all = tape_take(tape, sizeof *all);
    CHECK(parts[1].value == parts->value + parts->rows * parts->cols, "parts do not join");
    *all = *parts;
    all->rows *= high;
    all->cols *= wide;
    all->parts = parts;
    all->part_count = 3;
    return all;
}

static Var *layer_forward(const ModelSpec *spec, Weight *w, Tape *tape, Var *x, double p)
{
    Var *qkv =
        linear(tape, x, join(tape, &w[QUERY_WEIGHT], 3, 1), join(tape, &w[QUERY_BIAS], 1, 3));
    Var *mixed = attention(tape, qkv, spec->num_attention_heads, false, p);
    mixed = linear(tape, mixed, &w[MIX_WEIGHT], &w[MIX_BIAS]);
    x = layer_norm(tape, x, mixed, &w[ATTENTION_GAIN], &w[ATTENTION_BIAS], spec->layer_norm_eps, p);
    Var *up = linear(tape, x, &w[UP_WEIGHT], &w[UP_BIAS]);
    Var *down =
        linear(tape, activation(tape, up, spec->hidden_act), &w[DOWN_WEIGHT], &w[DOWN_BIAS]);
    return layer_norm(tape, x, down, &w[OUTPUT_GAIN], &w[OUTPUT_BIAS], spec->layer_norm_eps, p);
}

static Var *classify(const Model *model, Weight *weights, Tape *tape)
{
    const ModelSpec *spec = &model->spec;
    double p = tape_pass(tape)->training ? spec->dropout : 0;
    Weight *last = weights + LAYERS + spec->num_hidden_layers * LAYER_ROWS;
    Var *x = embedding(tape, &last[WORDS], &weights[POSITIONS], &weights[TYPES], 0);
    x = layer_norm(tape, NULL, x, &weights[INPUT_GAIN], &weights[INPUT_BIAS], spec->layer_norm_eps,
                   0);
    x = dropout(tape, x, p);
    for (int64_t i = 0; i < spec->num_hidden_layers; i++)
        x = layer_forward(spec, weights + LAYERS + i * LAYER_ROWS, tape, x, p);
    x = linear(tape, first_tokens(tape, x), &last[POOLER_WEIGHT], &last[POOLER_BIAS]);
    x = dropout(tape, activation(tape, x, TANH), p);
    return linear(tape, x, &last[CLASSIFIER_WEIGHT], &last[CLASSIFIER_BIAS]);
}

static double sequence_cost(const ModelSpec *spec, int64_t tokens)
{
    double s = (double)tokens;
    return s + s * s / (6 * (double)spec->hidden_size);
}

static double forward_flops(const ModelSpec *spec, int64_t tokens)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    return (double)tokens * (double)spec->num_hidden_layers * (8 * h * h + 4 * h * f);
}

static double arena_floats(const ModelSpec *spec, int64_t tokens, int64_t sequences,
                           int64_t longest)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double heads = (double)spec->num_attention_heads, labels = (double)spec->num_labels;
    double t = (double)tokens, s = (double)longest;
    // a layer keeps qkv (3 h), mixed, projected, normed (h each), up and activated (f each), down
    // and normed (h each), moments of softmax and norms; the input another 3 h
    double kept = t * ((double)spec->num_hidden_layers * (8 * h + 2 * f + 2 * heads + 8) + 3 * h);
    kept += (double)sequences * (4 * h + 2 * labels);
    // per thread: copies of one head of a sequence, scores of a block of queries, rows of a norm
    double width = h / heads + 16;
    double thread = 8 * (s + 16) * width + 256 * (s + width) + 8 * h + 16384;
    // sums over blocks of 64 tokens, and the order of tokens by table row
    double sums = 2 * (t / 64 + 1) * (3 * h + f + labels) + 16 * t;
    return 3 * kept + (double)omp_get_max_threads() * thread + sums;
}

const Arch bert_arch = { .model_type = "bert",
                         .prefix = "bert.",
                         .class_name = "BertForSequenceClassification",
                         .tokenizer_class = "BertTokenizer",
                         .read_config = read_config,
                         .add_params = add_params,
                         .classify = classify,
                         .sequence_cost = sequence_cost,
                         .forward_flops = forward_flops,
                         .arena_floats = arena_floats };
