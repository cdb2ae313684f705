#include "model/decoder.h"
#include "model/config.h"
#include "nn/group.h"

#include <omp.h>

enum {
    ATTENTION_GAIN,
    ATTENTION_SHIFT,
    QKV_WEIGHT,
    QKV_BIAS,
    MIX_WEIGHT,
    MIX_BIAS,
    FEED_GAIN,
    FEED_SHIFT,
    UP_WEIGHT,
    UP_BIAS,
    DOWN_WEIGHT,
    DOWN_BIAS,
    LAYER_ROWS
};
enum { LAST_GAIN, LAST_SHIFT, LAST_ROWS };

#define HIDDEN SIZE(hidden_size)
#define FEED   SIZE(intermediate_size)
#define QKV    SIZE(qkv_size)
#define LAYER  "%sh.%d."

static const ParamRow positions = { "%swpe.weight", SIZE(max_position_embeddings), HIDDEN, 0, 0 };
static const ParamRow layer_rows[LAYER_ROWS] = {
    [ATTENTION_GAIN] = { LAYER "ln_1.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },
    [ATTENTION_SHIFT] = { LAYER "ln_1.bias", VECTOR, HIDDEN, 0, 0 },
    [QKV_WEIGHT] = { LAYER "attn.c_attn.weight", QKV, HIDDEN, PARAM_TRANSPOSED | PARAM_QKV, 0 },
    [QKV_BIAS] = { LAYER "attn.c_attn.bias", VECTOR, QKV, PARAM_QKV, 0 },
    [MIX_WEIGHT] = { LAYER "attn.c_proj.weight", HIDDEN, HIDDEN,
                     PARAM_TRANSPOSED | PARAM_RESIDUAL | PARAM_IN, 0 },
    [MIX_BIAS] = { LAYER "attn.c_proj.bias", VECTOR, HIDDEN, 0, 0 },
    [FEED_GAIN] = { LAYER "ln_2.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },
    [FEED_SHIFT] = { LAYER "ln_2.bias", VECTOR, HIDDEN, 0, 0 },
    [UP_WEIGHT] = { LAYER "mlp.c_fc.weight", FEED, HIDDEN, PARAM_TRANSPOSED | PARAM_OUT, 0 },
    [UP_BIAS] = { LAYER "mlp.c_fc.bias", VECTOR, FEED, PARAM_OUT, 0 },
    [DOWN_WEIGHT] = { LAYER "mlp.c_proj.weight", HIDDEN, FEED,
                      PARAM_TRANSPOSED | PARAM_RESIDUAL | PARAM_IN, 0 },
    [DOWN_BIAS] = { LAYER "mlp.c_proj.bias", VECTOR, HIDDEN, 0, 0 },
};
static const ParamRow last_rows[LAST_ROWS] = {
    [LAST_GAIN] = { "%sln_f.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },
    [LAST_SHIFT] = { "%sln_f.bias", VECTOR, HIDDEN, 0, 0 },
};

static void add_params(Model *model)
{
    model_add_rows(model, &positions, 1, 0);
    for (int64_t i = 0; i < model->spec.num_hidden_layers; i++)
        model_add_rows(model, layer_rows, LAYER_ROWS, i);
    model_add_rows(model, last_rows, LAST_ROWS, 0);
}

static const ConfigSize sizes[] = {
    { "n_embd", HIDDEN, 1 << 20, -1 },
    { "n_layer", SIZE(num_hidden_layers), 1 << 12, -1 },
    { "n_head", SIZE(num_attention_heads), 1 << 16, -1 },
    { "n_inner", FEED, 1 << 24, 0 },
    { "vocab_size", SIZE(vocab_size), 1 << 28, -1 },
    { "n_positions", SIZE(max_position_embeddings), 1 << 24, -1 },
};

static Status read_config(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    static const char *const refused[] = { "scale_attn_by_inverse_layer_idx",
                                           "reorder_and_upcast_attn", "add_cross_attention" };
    TRY(config_sizes(out, config, sizes, sizeof sizes / sizeof *sizes, where));
    TRY(config_heads(out, where));
    if (!out->intermediate_size) out->intermediate_size = 4 * out->hidden_size;
    TRY(config_rate(&out->norm_eps, config, "layer_norm_epsilon", 1e-5, where));
    TRY(config_rate(&out->dropout, config, "resid_pdrop", 0.1, where));
    TRY(config_activation(&out->hidden_act, config, "activation_function", where));
    TRY(config_refuse(config, refused, 3, where));
    if (!json_bool(json_get(config, "scale_attn_weights"), true))
        FAIL(FAILED, "%s: scale_attn_weights false is not supported", where);
    out->untied = !json_bool(json_get(config, "tie_word_embeddings"), true);
done:
    return status;
}

static Var *attention_half(Tape *tape, const void *context, Weight *w, Var *x)
{
    const ModelSpec *spec = context;
    double eps = spec->norm_eps, p = model_dropout(spec, tape);
    Var *a = layer_norm(tape, NULL, x, &w[ATTENTION_GAIN], &w[ATTENTION_SHIFT], eps, 0);
    a = column_parallel(tape, a, &w[QKV_WEIGHT], &w[QKV_BIAS]);
    a = attention(tape, a, spec->num_attention_heads, spec->num_key_value_heads, true, p);
    a = row_parallel(tape, a, &w[MIX_WEIGHT], &w[MIX_BIAS]);
    return add(tape, x, dropout(tape, a, p));
}

static Var *layer_forward(Tape *tape, const void *context, Weight *w, Var *x)
{
    const ModelSpec *spec = context;
    double eps = spec->norm_eps, p = model_dropout(spec, tape);
    x = tape_attention(tape, &(Layer){ attention_half, spec, w, LAYER_ROWS }, x);
    Var *f = layer_norm(tape, NULL, x, &w[FEED_GAIN], &w[FEED_SHIFT], eps, 0);
    f = column_parallel(tape, f, &w[UP_WEIGHT], &w[UP_BIAS]);
    f = row_parallel(tape, activation(tape, f, spec->hidden_act), &w[DOWN_WEIGHT], &w[DOWN_BIAS]);
    return add(tape, x, dropout(tape, f, p));
}

static Var *hidden(const Model *model, Weight *weights, Tape *tape)
{
    const ModelSpec *spec = &model->spec;
    Weight *layers = weights + 1, *last = layers + spec->num_hidden_layers * LAYER_ROWS;
    size_t mark = tape_mark(tape);
    Var *x = embedding(tape, &weights[model->words], &weights[0], NULL, 0);
    x = dropout(tape, x, model_dropout(spec, tape));
    for (int64_t i = 0; i < spec->num_hidden_layers; i++) {
        Layer layer = { layer_forward, spec, layers + i * LAYER_ROWS, LAYER_ROWS };
        x = tape_layer(tape, mark, &layer, x);
    }
    return layer_norm(tape, NULL, x, &last[LAST_GAIN], &last[LAST_SHIFT], spec->norm_eps, 0);
}

static double forward_flops(const ModelSpec *spec, int64_t tokens)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    return (double)tokens * (double)spec->num_hidden_layers * (8 * h * h + 4 * h * f);
}

static double attention_floats(const ModelSpec *spec)
{
    // a norm, qkv (3 h), attention, a product and what dropout leaves of it (h each), moments
    return 7 * (double)spec->hidden_size + 2 * (double)spec->num_attention_heads + 4;
}

static double layer_floats(const ModelSpec *spec)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    // two sums, a norm, a product and what dropout leaves of it (h each), up and activated (f
    // each), moments
    return attention_floats(spec) + 5 * h + 2 * f + 4;
}

static double arena_floats(const ModelSpec *spec, int64_t tokens, int64_t longest)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double width = (double)spec->head_dim + 16;
    double t = (double)tokens, s = (double)longest;
    double kept = t * ((double)spec->num_hidden_layers * layer_floats(spec) + 4 * h);
    double thread = 8 * (s + 16) * width + 256 * (s + width) + 8 * h + 16384;
    double sums = 2 * (t / 64 + 1) * (3 * h + f) + 16 * t;
    return 3 * kept + (double)omp_get_max_threads() * thread + sums;
}

static const Head heads[DECODER_HEADS] =
    DECODER_HEADS_OF("GPT2LMHeadModel", "GPT2ForSequenceClassification");

const Arch gpt2_arch = { .model_type = "gpt2",
                         .prefix = "transformer.",
                         .tokenizer_class = "GPT2Tokenizer",
                         .words = "%swte.weight",
                         .heads = heads,
                         .sizes = sizes,
                         .size_count = sizeof sizes / sizeof *sizes,
                         .causal = true,
                         .read_config = read_config,
                         .add_params = add_params,
                         .hidden = hidden,
                         .sequence_cost = decoder_sequence_cost,
                         .forward_flops = forward_flops,
                         .attention_floats = attention_floats,
                         .layer_floats = layer_floats,
                         .arena_floats = arena_floats };
