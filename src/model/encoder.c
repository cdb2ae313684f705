#include "model/encoder.h"
#include "model/config.h"
#include "nn/group.h"

#include <omp.h>
#include <string.h>

// Places of the rows below, which the families name differently and compute alike. Token types
// come last of the input, since not all have them.
enum { POSITIONS, INPUT_GAIN, INPUT_BIAS, TYPES, INPUT_ROWS };
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
enum { DENSE_WEIGHT, DENSE_BIAS, LABEL_WEIGHT, LABEL_BIAS, CLASSIFIER_ROWS };
enum { TRANSFORM_WEIGHT, TRANSFORM_BIAS, TRANSFORM_GAIN, TRANSFORM_SHIFT, TOKEN_BIAS, MASKED_ROWS };

#define HIDDEN     SIZE(hidden_size)
#define FEED       SIZE(intermediate_size)
#define VOCABULARY SIZE(vocab_size)
#define LABELS     SIZE(num_labels)

/// `words` of the input are the rows of table; attention, norms and feed-forward by the names
/// given.
#define INPUT(embeddings)                                                                          \
    {                                                                                              \
        [POSITIONS] = { embeddings "position_embeddings.weight", SIZE(max_position_embeddings),    \
                        HIDDEN, 0, 0 },                                                            \
        [INPUT_GAIN] = { embeddings "LayerNorm.weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },           \
        [INPUT_BIAS] = { embeddings "LayerNorm.bias", VECTOR, HIDDEN, 0, 0 },                      \
        [TYPES] = { embeddings "token_type_embeddings.weight", SIZE(type_vocab_size), HIDDEN, 0,   \
                    SIZE(type_vocab_size) },                                                       \
    }
#define LAYER(at, query, key, value, mix, attention_norm, up, down, output_norm)                   \
    {                                                                                              \
        [QUERY_WEIGHT] = { at query ".weight", HIDDEN, HIDDEN, PARAM_OUT, 0 },                     \
        [KEY_WEIGHT] = { at key ".weight", HIDDEN, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },          \
        [VALUE_WEIGHT] = { at value ".weight", HIDDEN, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },      \
        [QUERY_BIAS] = { at query ".bias", VECTOR, HIDDEN, PARAM_OUT, 0 },                         \
        [KEY_BIAS] = { at key ".bias", VECTOR, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },              \
        [VALUE_BIAS] = { at value ".bias", VECTOR, HIDDEN, PARAM_JOINED | PARAM_OUT, 0 },          \
        [MIX_WEIGHT] = { at mix ".weight", HIDDEN, HIDDEN, PARAM_IN, 0 },                          \
        [MIX_BIAS] = { at mix ".bias", VECTOR, HIDDEN, 0, 0 },                                     \
        [ATTENTION_GAIN] = { at attention_norm ".weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },         \
        [ATTENTION_BIAS] = { at attention_norm ".bias", VECTOR, HIDDEN, 0, 0 },                    \
        [UP_WEIGHT] = { at up ".weight", FEED, HIDDEN, PARAM_OUT, 0 },                             \
        [UP_BIAS] = { at up ".bias", VECTOR, FEED, PARAM_OUT, 0 },                                 \
        [DOWN_WEIGHT] = { at down ".weight", HIDDEN, FEED, PARAM_IN, 0 },                          \
        [DOWN_BIAS] = { at down ".bias", VECTOR, HIDDEN, 0, 0 },                                   \
        [OUTPUT_GAIN] = { at output_norm ".weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },               \
        [OUTPUT_BIAS] = { at output_norm ".bias", VECTOR, HIDDEN, 0, 0 },                          \
    }
#define CLASSIFIER(dense, label)                                                                   \
    {                                                                                              \
        [DENSE_WEIGHT] = { dense ".weight", HIDDEN, HIDDEN, 0, 0 },                                \
        [DENSE_BIAS] = { dense ".bias", VECTOR, HIDDEN, 0, 0 },                                    \
        [LABEL_WEIGHT] = { label ".weight", LABELS, HIDDEN, PARAM_LABELS, 0 },                     \
        [LABEL_BIAS] = { label ".bias", VECTOR, LABELS, PARAM_LABELS, 0 },                         \
    }
#define MASKED(dense, norm, bias)                                                                  \
    {                                                                                              \
        [TRANSFORM_WEIGHT] = { dense ".weight", HIDDEN, HIDDEN, 0, 0 },                            \
        [TRANSFORM_BIAS] = { dense ".bias", VECTOR, HIDDEN, 0, 0 },                                \
        [TRANSFORM_GAIN] = { norm ".weight", VECTOR, HIDDEN, PARAM_GAIN, 0 },                      \
        [TRANSFORM_SHIFT] = { norm ".bias", VECTOR, HIDDEN, 0, 0 },                                \
        [TOKEN_BIAS] = { bias, VECTOR, VOCABULARY, PARAM_OUT, 0 },                                 \
    }

static const ParamRow input_rows[] = INPUT("%sembeddings.");
static const ParamRow bert_layer[] =
    LAYER("%sencoder.layer.%d.", "attention.self.query", "attention.self.key",
          "attention.self.value", "attention.output.dense", "attention.output.LayerNorm",
          "intermediate.dense", "output.dense", "output.LayerNorm");
static const ParamRow distilbert_layer[] =
    LAYER("%stransformer.layer.%d.", "attention.q_lin", "attention.k_lin", "attention.v_lin",
          "attention.out_lin", "sa_layer_norm", "ffn.lin1", "ffn.lin2", "output_layer_norm");

static const ParamRow bert_classifier[] = CLASSIFIER("%spooler.dense", "classifier");
static const ParamRow roberta_classifier[] = CLASSIFIER("classifier.dense", "classifier.out_proj");
static const ParamRow distilbert_classifier[] = CLASSIFIER("pre_classifier", "classifier");
static const ParamRow bert_masked[] =
    MASKED("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
           "cls.predictions.bias");
static const ParamRow roberta_masked[] =
    MASKED("lm_head.dense", "lm_head.layer_norm", "lm_head.bias");
static const ParamRow distilbert_masked[] =
    MASKED("vocab_transform", "vocab_layer_norm", "vocab_projector.bias");

static void add_body(Model *model, const ParamRow *layer)
{
    model_add_rows(model, input_rows, INPUT_ROWS, 0);
    for (int64_t i = 0; i < model->spec.num_hidden_layers; i++)
        model_add_rows(model, layer, LAYER_ROWS, i);
}
static void add_bert(Model *model)
{
    add_body(model, bert_layer);
}
static void add_distilbert(Model *model)
{
    add_body(model, distilbert_layer);
}

static const ConfigSize bert_sizes[] = {
    { "hidden_size", HIDDEN, 1 << 20, -1 },
    { "num_hidden_layers", SIZE(num_hidden_layers), 1 << 12, -1 },
    { "num_attention_heads", SIZE(num_attention_heads), 1 << 16, -1 },
    { "intermediate_size", FEED, 1 << 24, -1 },
    { "vocab_size", VOCABULARY, 1 << 28, -1 },
    { "max_position_embeddings", SIZE(max_position_embeddings), 1 << 24, -1 },
    { "type_vocab_size", SIZE(type_vocab_size), 1 << 16, -1 },
};
static const ConfigSize distilbert_sizes[] = {
    { "dim", HIDDEN, 1 << 20, -1 },
    { "n_layers", SIZE(num_hidden_layers), 1 << 12, -1 },
    { "n_heads", SIZE(num_attention_heads), 1 << 16, -1 },
    { "hidden_dim", FEED, 1 << 24, -1 },
    { "vocab_size", VOCABULARY, 1 << 28, -1 },
    { "max_position_embeddings", SIZE(max_position_embeddings), 1 << 24, -1 },
};
enum {
    BERT_SIZES = sizeof bert_sizes / sizeof *bert_sizes,
    DISTILBERT_SIZES = sizeof distilbert_sizes / sizeof *distilbert_sizes
};

static Status read_bert(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    const char *positions = json_text(json_get(config, "position_embedding_type"), "absolute");
    static const char *const refused[] = { "is_decoder" };
    TRY(config_sizes(out, config, bert_sizes, BERT_SIZES, where));
    TRY(config_heads(out, where));
    TRY(config_rate(&out->norm_eps, config, "layer_norm_eps", -1, where));
    TRY(config_rate(&out->dropout, config, "hidden_dropout_prob", 0.1, where));
    TRY(config_activation(&out->hidden_act, config, "hidden_act", where));
    if (strcmp(positions, "absolute"))
        FAIL(FAILED, "%s: position_embedding_type '%.40s' is not supported, only absolute", where,
             positions);
    TRY(config_refuse(config, refused, 1, where));
done:
    return status;
}

static Status read_roberta(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    TRY(read_bert(out, config, where));
    out->position_offset = json_int(json_get(config, "pad_token_id"), 1) + 1;
    if (out->position_offset < 0 || out->position_offset >= out->max_position_embeddings)
        FAIL(FAILED, "%s: pad_token_id does not fit max_position_embeddings", where);
done:
    return status;
}

static Status read_distilbert(ModelSpec *out, const Json *config, const char *where)
{
    Status status = OK;
    TRY(config_sizes(out, config, distilbert_sizes, DISTILBERT_SIZES, where));
    TRY(config_heads(out, where));
    out->norm_eps = 1e-12; // of the code, not of the configuration
    TRY(config_rate(&out->dropout, config, "dropout", 0.1, where));
    TRY(config_activation(&out->hidden_act, config, "activation", where));
done:
    return status;
}

static Var *attention_half(Tape *tape, const void *context, Weight *w, Var *x)
{
    const ModelSpec *spec = context;
    double p = model_dropout(spec, tape);
    Var *qkv = column_parallel(tape, x, weights_joined(tape, &w[QUERY_WEIGHT], 3),
                               weights_joined(tape, &w[QUERY_BIAS], 3));
    Var *mixed =
        attention(tape, qkv, spec->num_attention_heads, spec->num_key_value_heads, false, p);
    mixed = row_parallel(tape, mixed, &w[MIX_WEIGHT], &w[MIX_BIAS]);
    return layer_norm(tape, x, mixed, &w[ATTENTION_GAIN], &w[ATTENTION_BIAS], spec->norm_eps, p);
}

static Var *layer_forward(Tape *tape, const void *context, Weight *w, Var *x)
{
    const ModelSpec *spec = context;
    double p = model_dropout(spec, tape);
    x = tape_attention(tape, &(Layer){ attention_half, spec, w, LAYER_ROWS }, x);
    Var *up = column_parallel(tape, x, &w[UP_WEIGHT], &w[UP_BIAS]);
    up = activation(tape, up, spec->hidden_act);
    Var *down = row_parallel(tape, up, &w[DOWN_WEIGHT], &w[DOWN_BIAS]);
    return layer_norm(tape, x, down, &w[OUTPUT_GAIN], &w[OUTPUT_BIAS], spec->norm_eps, p);
}

static Var *hidden(const Model *model, Weight *weights, Tape *tape)
{
    const ModelSpec *spec = &model->spec;
    Weight *types = spec->type_vocab_size ? &weights[TYPES] : NULL;
    Weight *layers = weights + model_count_rows(spec, input_rows, INPUT_ROWS);
    size_t mark = tape_mark(tape);
    Var *x =
        embedding(tape, &weights[model->words], &weights[POSITIONS], types, spec->position_offset);
    x = layer_norm(tape, NULL, x, &weights[INPUT_GAIN], &weights[INPUT_BIAS], spec->norm_eps, 0);
    x = dropout(tape, x, model_dropout(spec, tape));
    for (int64_t i = 0; i < spec->num_hidden_layers; i++) {
        Layer layer = { layer_forward, spec, layers + i * LAYER_ROWS, LAYER_ROWS };
        x = tape_layer(tape, mark, &layer, x);
    }
    return x;
}

static Output classify(const Model *model, Weight *w, Tape *tape, Var *x, ActivationKind kind)
{
    x = activation(tape, linear(tape, x, &w[DENSE_WEIGHT], &w[DENSE_BIAS]), kind);
    return (Output){ dropout(tape, x, model_dropout(&model->spec, tape)), &w[LABEL_WEIGHT],
                     &w[LABEL_BIAS] };
}
static Output classify_bert(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x)
{
    (void)words;
    return classify(model, w, tape, x, TANH);
}
static Output classify_roberta(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x)
{
    (void)words;
    return classify(model, w, tape, dropout(tape, x, model_dropout(&model->spec, tape)), TANH);
}
static Output classify_distilbert(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x)
{
    (void)words;
    return classify(model, w, tape, x, RELU);
}

static Output predict_masked(const Model *model, Weight *w, Weight *words, Tape *tape, Var *x)
{
    x = linear(tape, x, &w[TRANSFORM_WEIGHT], &w[TRANSFORM_BIAS]);
    x = activation(tape, x, model->spec.hidden_act);
    x = layer_norm(tape, NULL, x, &w[TRANSFORM_GAIN], &w[TRANSFORM_SHIFT], model->spec.norm_eps, 0);
    return (Output){ x, words, &w[TOKEN_BIAS] };
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

static double attention_floats(const ModelSpec *spec)
{
    // qkv (3 h), mixed and projected (h each), moments of softmax
    return 5 * (double)spec->hidden_size + 2 * (double)spec->num_attention_heads + 2;
}

static double layer_floats(const ModelSpec *spec)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    // the norm of attention's half, up and activated (f each), down and normed (h each), moments
    return attention_floats(spec) + 3 * h + 2 * f + 6;
}

static double arena_floats(const ModelSpec *spec, int64_t tokens, int64_t longest)
{
    double h = (double)spec->hidden_size, f = (double)spec->intermediate_size;
    double heads = (double)spec->num_attention_heads;
    double t = (double)tokens, s = (double)longest;
    double kept = t * ((double)spec->num_hidden_layers * layer_floats(spec) + 3 * h); // and input
    // per thread: copies of one head of a sequence, scores of a block of queries, rows of a norm
    double width = h / heads + 16;
    double thread = 8 * (s + 16) * width + 256 * (s + width) + 8 * h + 16384;
    // sums over blocks of 64 tokens, and the order of tokens by table row
    double sums = 2 * (t / 64 + 1) * (3 * h + f) + 16 * t;
    return 3 * kept + (double)omp_get_max_threads() * thread + sums;
}

#define HEADS(classifier, classify, masked, name)                                                  \
    {                                                                                              \
        { "text_classification",                                                                   \
          name "ForSequenceClassification",                                                        \
          first_tokens,                                                                            \
          classifier,                                                                              \
          CLASSIFIER_ROWS,                                                                         \
          false,                                                                                   \
          classify },                                                                              \
            { "masked_lm", name "ForMaskedLM", NULL, masked, MASKED_ROWS, true, predict_masked },  \
            { 0 },                                                                                 \
    }
static const Head bert_heads[] = HEADS(bert_classifier, classify_bert, bert_masked, "Bert");
static const Head roberta_heads[] =
    HEADS(roberta_classifier, classify_roberta, roberta_masked, "Roberta");
static const Head distilbert_heads[] =
    HEADS(distilbert_classifier, classify_distilbert, distilbert_masked, "DistilBert");

#define COMMON                                                                                     \
    .words = "%sembeddings.word_embeddings.weight", .hidden = hidden,                              \
    .sequence_cost = sequence_cost, .forward_flops = forward_flops,                                \
    .attention_floats = attention_floats, .layer_floats = layer_floats,                            \
    .arena_floats = arena_floats

const Arch bert_arch = { .model_type = "bert",
                         .prefix = "bert.",
                         .tokenizer_class = "BertTokenizer",
                         .heads = bert_heads,
                         .sizes = bert_sizes,
                         .size_count = BERT_SIZES,
                         .read_config = read_bert,
                         .add_params = add_bert,
                         COMMON };
const Arch roberta_arch = { .model_type = "roberta",
                            .prefix = "roberta.",
                            .tokenizer_class = "RobertaTokenizer",
                            .heads = roberta_heads,
                            .sizes = bert_sizes,
                            .size_count = BERT_SIZES,
                            .read_config = read_roberta,
                            .add_params = add_bert,
                            COMMON };
const Arch distilbert_arch = { .model_type = "distilbert",
                               .prefix = "distilbert.",
                               .tokenizer_class = "DistilBertTokenizer",
                               .heads = distilbert_heads,
                               .sizes = distilbert_sizes,
                               .size_count = DISTILBERT_SIZES,
                               .read_config = read_distilbert,
                               .add_params = add_distilbert,
                               COMMON };
