#include "model/decoder.h"
#include "model/config.h"
#include "nn/group.h"

#include <math.h>
#include <omp.h>
#include <string.h>

// Biases come last of a layer, since few have them.
enum {
    ATTENTION_GAIN,
    QUERY_WEIGHT,
    KEY_WEIGHT,
    VALUE_WEIGHT,
    MIX_WEIGHT,
    FEED_GAIN,
    GATE_WEIGHT,
    UP_WEIGHT,
    DOWN_WEIGHT,
    QUERY_BIAS,
    KEY_BIAS,
    VALUE_BIAS,
    MIX_BIAS,
    LAYER_ROWS
};

#define HIDDEN  SIZE(hidden_size)
#define FEED    SIZE(intermediate_size)
#define QUERIES SIZE(query_size)
#define KEYS    SIZE(key_size)
#define LAYER   "%slayers.%d."

static const ParamRow layer_rows[LAYER_ROWS] = {
    [ATTENTION_GAIN] = { LAYER "input_layernorm.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },
    [QUERY_WEIGHT] = { LAYER "self_attn.q_proj.weight", QUERIES, HIDDEN, PARAM_OUT, 0 },
    [KEY_WEIGHT] = { LAYER "self_attn.k_proj.weight", KEYS, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },
    [VALUE_WEIGHT] = { LAYER "self_attn.v_proj.weight", KEYS, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },
    [MIX_WEIGHT] = { LAYER "self_attn.o_proj.weight", HIDDEN, QUERIES, PARAM_RESIDUAL | PARAM_IN,
                     0 },
    [FEED_GAIN] = { LAYER "post_attention_layernorm.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },
    [GATE_WEIGHT] = { LAYER "mlp.gate_proj.weight", FEED, HIDDEN, PARAM_OUT, 0 },
    [UP_WEIGHT] = { LAYER "mlp.up_proj.weight", FEED, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },
    [DOWN_WEIGHT] = { LAYER "mlp.down_proj.weight", HIDDEN, FEED, PARAM_RESIDUAL | PARAM_IN, 0 },
    [QUERY_BIAS] = { LAYER "self_attn.q_proj.bias", VECTOR, QUERIES, PARAM_OUT, SIZE(qkv_bias) },
    [KEY_BIAS] = { LAYER "self_attn.k_proj.bias", VECTOR, KEYS, PARAM_JOINED | PARAM_OUT,
                   SIZE(qkv_bias) },
    [VALUE_BIAS] = { LAYER "self_attn.v_proj.bias", VECTOR, KEYS, PARAM_JOINED | PARAM_OUT,
                     SIZE(qkv_bias) },
    [MIX_BIAS] = { LAYER "self_attn.o_proj.bias", VECTOR, HIDDEN, 0, SIZE(output_bias) },
};
static const ParamRow last_row = { "%snorm.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 };

static void add_params(Model *model)
{
    for (int64_t i = 0; i < model->spec.num_hidden_layers; i++)
        model_add_rows(model, layer_rows, LAYER_ROWS, i);
    model_add_rows(model, &last_row, 1, 0);
}

static const ConfigSize sizes[] = {
    { "hidden_size", HIDDEN, 1 << 20, -1 },
    { "num_hidden_layers", SIZE(num_hidden_layers), 1 << 12, -1 },
    { "num_attention_heads", SIZE(num_attention_heads), 1 << 16, -1 },
    { "num_key_value_heads", SIZE(num_key_value_heads), 1 << 16, 0 },
    { "head_dim", SIZE(head_dim), 2 * MOST_ROTARY_PAIRS, 0 },
    { "intermediate_size", FEED, 1 << 24, -1 },
    { "vocab_size", SIZE(vocab_size), 1 << 28, -1 },
    { "max_position_embeddings", SIZE(max_position_embeddings), 1 << 24, -1 },
};

typedef struct {
    double factor, low, high, original;
} Scaling;

/// Wavelengths beyond original / low are stretched by the factor, those below original / high stay,
/// and those between are blended: Llama 3.1.
static double stretch(double frequency, const Scaling *s)
{
    double turns = s->original * frequency / (2 * 3.14159265358979323846);
    if (turns < s->low) return frequency / s->factor;
    if (turns > s->high) return frequency;
    double smooth = (turns - s->low) / (s->high - s->low);
    return (1 - smooth) * frequency / s->factor + smooth * frequency;
}

/// rope_theta and rope_scaling, or both in rope_parameters, as newer files have them.
static Status read_rotary(ModelSpec *out, const Json *config, const char *where)
{
    const Json *both = json_get(config, "rope_parameters");
    const Json *scaling = json_is_null(both) ? json_get(config, "rope_scaling") : both;
    const Json *theta = json_get(json_is_null(both) ? config : both, "rope_theta");
    const char *type = json_text(json_get(scaling, "rope_type"), NULL);
    if (!type) type = json_text(json_get(scaling, "type"), "default");
    Scaling s = { .factor = json_number(json_get(scaling, "factor"), 0),
                  .low = json_number(json_get(scaling, "low_freq_factor"), 0),
                  .high = json_number(json_get(scaling, "high_freq_factor"), 0),
                  .original =
                      json_number(json_get(scaling, "original_max_position_embeddings"), 0) };
    double base = json_number(theta, 10000);
    bool linear = !strcmp(type, "linear"), llama3 = !strcmp(type, "llama3");
    if (!(base > 0)) return status_fail(FAILED, "%s: rope_theta must be above 0", where);
    if (strcmp(type, "default") && !linear && !llama3)
        return status_fail(FAILED,
                           "%s: rope_type '%.40s' is not supported (default, linear, llama3)",
                           where, type);
    if ((linear || llama3) && !(s.factor > 0))
        return status_fail(FAILED, "%s: rope_type %s needs a factor above 0", where, type);
    if (llama3 && !(s.low > 0 && s.high > s.low && s.original > 0))
        return status_fail(FAILED,
                           "%s: rope_type llama3 needs low_freq_factor below high_freq_factor and "
                           "original_max_position_embeddings",
                           where);
    for (int64_t i = 0; i < out->head_dim / 2; i++) {
        float power = (float)pow(base, (double)((float)(2 * i) / (float)out->head_dim));
        double frequency = (double)(1 / power);
        if (linear) frequency /= s.factor;
        if (llama3) frequency = stretch(frequency, &s);
        out->rotary_frequencies[i] = (float)frequency;
    }
    return OK;
}

static Status read_common(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    static const char *const refused[] = { "mlp_bias", "use_sliding_window" };
    TRY(config_sizes(out, config, sizes, sizeof sizes / sizeof *sizes, where));
    TRY(config_heads(out, where));
    if (out->head_dim % 2 || out->head_dim > 2 * MOST_ROTARY_PAIRS)
        FAIL(FAILED, "%s: heads of %lld columns are not supported, only even ones up to %d", where,
             (long long)out->head_dim, 2 * MOST_ROTARY_PAIRS);
    TRY(config_rate(&out->norm_eps, config, "rms_norm_eps", 1e-6, where));
    TRY(config_rate(&out->dropout, config, "attention_dropout", 0, where));
    TRY(config_activation(&out->hidden_act, config, "hidden_act", where));
    TRY(config_refuse(config, refused, 2, where));
    out->untied = !json_bool(json_get(config, "tie_word_embeddings"), false);
    TRY(read_rotary(out, config, where));
done:
    return status;
}

static Status read_llama(ModelSpec *out, const Json *config, const char *where)
{
    out->qkv_bias = out->output_bias = json_bool(json_get(config, "attention_bias"), false);
    return read_common(out, config, where);
}

static Status read_qwen2(ModelSpec *out, const Json *config, const char *where)
{
    out->qkv_bias = 1;
    return read_common(out, config, where);
}

typedef struct {
    const ModelSpec *spec;
    const Rotary *places;
    int rows; ///< of a layer's weights
} LayerContext;

static Var *attention_half(Tape *tape, const void *context, Weight *w, Var *x)
{
    const ModelSpec *spec = ((const LayerContext *)context)->spec;
    const Rotary *places = ((const LayerContext *)context)->places;
    double p = model_dropout(spec, tape);
    int64_t heads = spec->num_attention_heads, kv_heads = spec->num_key_value_heads;
    Weight *bias = spec->qkv_bias ? weights_joined(tape, &w[QUERY_BIAS], 3) : NULL;
    Var *a = rms_norm(tape, x, &w[ATTENTION_GAIN], spec->norm_eps);
    a = column_parallel(tape, a, weights_joined(tape, &w[QUERY_WEIGHT], 3), bias);
    a = attention(tape, rotary(tape, a, places, heads, kv_heads), heads, kv_heads, true, p);
    a = row_parallel(tape, a, &w[MIX_WEIGHT], spec->output_bias ? &w[MIX_BIAS] : NULL);
    return add(tape, x, a);
}

static Var *layer_forward(Tape *tape, const void *context, Weight *w, Var *x)
{
    const LayerContext *layer = context;
    const ModelSpec *spec = layer->spec;
    x = tape_attention(tape, &(Layer){ attention_half, layer, w, layer->rows }, x);
    Var *f = rms_norm(tape, x, &w[FEED_GAIN], spec->norm_eps);
    f = column_parallel(tape, f, weights_joined(tape, &w[GATE_WEIGHT], 2), NULL);
    f = gated(tape, f, spec->hidden_act);
    return add(tape, x, row_parallel(tape, f, &w[DOWN_WEIGHT], NULL));
}

static Var *hidden(const Model *model, Weight *weights, Tape *tape)
{
    const ModelSpec *spec = &model->spec;
    int rows = model_count_rows(spec, layer_rows, LAYER_ROWS);
    LayerContext *context = tape_take(tape, sizeof *context);
    *context =
        (LayerContext){ spec, rotary_table(tape, spec->rotary_frequencies, spec->head_dim / 2),
                        rows };
    size_t mark = tape_mark(tape);
    Var *x = embedding(tape, &weights[model->words], NULL, NULL, 0);
    for (int64_t i = 0; i < spec->num_hidden_layers; i++) {
        Layer layer = { layer_forward, context, weights + i * rows, rows };
        x = tape_layer(tape, mark, &layer, x);
    }
    return rms_norm(tape, x, &weights[spec->num_hidden_layers * rows], spec->norm_eps);
}

static double forward_flops(const ModelSpec *spec, int64_t tokens)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double wide = (double)(2 * spec->query_size + 2 * spec->key_size);
    return (double)tokens * (double)spec->num_hidden_layers * (2 * h * wide + 6 * h * f);
}

static double attention_floats(const ModelSpec *spec)
{
    double h = (double)spec->hidden_size, q = (double)spec->query_size;
    double qkv = q + 2 * (double)spec->key_size;
    // a norm and a product (h each), qkv before and after rotation, attention, moments
    return 2 * h + 2 * qkv + q + 2 * (double)spec->num_attention_heads + 4;
}

static double layer_floats(const ModelSpec *spec)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    // two sums, a norm and a product (h each), gate, up and their product (f each), moments
    return attention_floats(spec) + 4 * h + 3 * f + 4;
}

static double arena_floats(const ModelSpec *spec, int64_t tokens, int64_t longest)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double width = (double)spec->head_dim + 16;
    double t = (double)tokens, s = (double)longest;
    double layers = (double)spec->num_hidden_layers;
    double kept = t * (layers * layer_floats(spec) + 3 * h) + 2 * s * width;
    double thread = 8 * (s + 16) * width + 256 * (s + width) + 8 * h + 16384;
    double sums = 2 * (t / 64 + 1) * (3 * h + 2 * f) + 16 * t;
    return 3 * kept + (double)omp_get_max_threads() * thread + sums;
}

#define COMMON                                                                                     \
    .prefix = "model.", .words = "%sembed_tokens.weight", .sizes = sizes,                          \
    .size_count = sizeof sizes / sizeof *sizes, .causal = true,                                    \
    .tokenizer_class = "PreTrainedTokenizerFast", .add_params = add_params, .hidden = hidden,      \
    .sequence_cost = decoder_sequence_cost, .forward_flops = forward_flops,                        \
    .attention_floats = attention_floats, .layer_floats = layer_floats,                            \
    .arena_floats = arena_floats

static const Head llama_heads[DECODER_HEADS] =
    DECODER_HEADS_OF("LlamaForCausalLM", "LlamaForSequenceClassification");
static const Head qwen2_heads[DECODER_HEADS] =
    DECODER_HEADS_OF("Qwen2ForCausalLM", "Qwen2ForSequenceClassification");

const Arch llama_arch = {
    .model_type = "llama", .heads = llama_heads, .read_config = read_llama, COMMON
};
const Arch qwen2_arch = {
    .model_type = "qwen2", .heads = qwen2_heads, .read_config = read_qwen2, COMMON
};
