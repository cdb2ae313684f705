/* TEST labels=model,token timeout=60 */
#include "base/mem.h"
#include "comm/comm.h"
#include "model/gguf_map.h"
#include "support/check.h"
#include "support/folder.h"
#include "token/gguf_vocab.h"
#include "token/tokenizer.h"

static const char *golden_path(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, TEST_FOLDER "/../golden/gguf/%s.gguf", name);
    return path;
}

static Json *parse(const char *text)
{
    Json *value;
    CHECK_EQ(json_parse(&value, text, strlen(text), "test"), OK);
    return value;
}

static Json *tokenizer_of(const char *path)
{
    Gguf *file;
    char *text;
    CHECK_EQ(gguf_open(&file, path), OK);
    CHECK_EQ(tokenizer_json_from_gguf(&text, file), OK);
    Json *json = parse(text ? text : "null");
    mem_free(text);
    gguf_close(file);
    return json;
}

static void check_json(const Json *value, const char *expected)
{
    Text text = { 0 };
    json_print(&text, value, 0);
    CHECK_TEXT(text_chars(&text), expected);
    text_release(&text);
}

static void makes_byte_level_tokenizers(void)
{
    Json *json = tokenizer_of(golden_path("llama-smollm"));
    const Json *model = json_get(json, "model"), *added = json_get(json, "added_tokens");
    const Json *words = json_get(json_get(json, "pre_tokenizer"), "pretokenizers");
    check_json(json_at(words, 0), "{\"type\": \"Digits\", \"individual_digits\": true}");
    CHECK_TEXT(json_text(json_get(json_at(words, 1), "type"), ""), "ByteLevel");
    check_json(json_get(model, "merges"), "[[\"h\", \"e\"], [\"l\", \"l\"], [\"he\", \"ll\"], "
                                          "[\"\xC4\xA0\", \"l\"]]");
    CHECK_EQ(json_size(json_get(model, "vocab")), 12);
    CHECK_EQ(json_int(json_get(json_get(model, "vocab"), "hell"), -1), 8);
    CHECK_TRUE(!json_bool(json_get(model, "byte_fallback"), true));
    CHECK_EQ(json_size(added), 2);
    CHECK_TEXT(json_text(json_get(json_at(added, 0), "content"), ""), "<|end|>");
    CHECK_TRUE(json_bool(json_get(json_at(added, 0), "special"), false));
    CHECK_TEXT(json_text(json_get(json_at(added, 1), "content"), ""), "<tool>");
    CHECK_TRUE(!json_bool(json_get(json_at(added, 1), "special"), true));
    check_json(json_get(json_get(json, "post_processor"), "single"),
               "[{\"SpecialToken\": {\"id\": \"<|end|>\", \"type_id\": 0}}, "
               "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}]");
    json_free(json);
    json = tokenizer_of(golden_path("qwen2-qwen2"));
    check_json(json_get(json, "normalizer"), "{\"type\": \"NFC\"}");
    json_free(json);
}

/// The merges are those of transformers' `generate_merges` for these scores.
static void makes_piece_tokenizers(void)
{
    Json *json = tokenizer_of(golden_path("llama-pieces"));
    const Json *model = json_get(json, "model");
    check_json(json_get(model, "merges"),
               "[[\"\xE2\x96\x81\", \"a\"], [\"a\", \"b\"], [\"\xE2\x96\x81"
               "a\", \"b\"], [\"\xE2\x96\x81\", \"ab\"]]");
    CHECK_TRUE(json_bool(json_get(model, "byte_fallback"), false));
    CHECK_TEXT(json_text(json_get(model, "unk_token"), ""), "<unk>");
    check_json(json_get(json, "pre_tokenizer"),
               "{\"type\": \"Metaspace\", \"replacement\": \"\xE2\x96\x81\", "
               "\"prepend_scheme\": \"first\", \"split\": false}");
    CHECK_EQ(json_size(json_get(json, "added_tokens")), 3);
    CHECK_EQ(json_size(json_get(json_get(json, "post_processor"), "single")), 3);
    json_free(json);
}

/// Two texts with a special token between them: only the first gets a space.
static void cuts_and_joins_pieces(void)
{
    static const char text[] = "ab \n<s>\xC3\xBC"
                               "b";
    static const int32_t expected[] = { 1, 9, 4, 3, 1, 10, 6, 2 };
    Gguf *file;
    char *json;
    Tokenizer *tokenizer;
    Encoding encoding = { 0 };
    Text back = { 0 };
    CHECK_EQ(gguf_open(&file, golden_path("llama-pieces")), OK);
    CHECK_EQ(tokenizer_json_from_gguf(&json, file), OK);
    CHECK_EQ(tokenizer_new(&tokenizer, json, strlen(json), "test"), OK);
    tokenizer_encode(tokenizer, &encoding, text, sizeof text - 1, NULL, 0, 0);
    CHECK_EQ(encoding.count, 8);
    for (int i = 0; i < 8; i++) CHECK_EQ(encoding.ids[i], expected[i]);
    tokenizer_decode(&back, tokenizer, encoding.ids, encoding.count, true);
    CHECK_TEXT(text_chars(&back), "ab \n\xC3\xBC"
                                  "b");
    text_release(&back);
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    mem_free(json);
    gguf_close(file);
}

/// One fault in the metadata of a tokenizer that is sound without it.
typedef struct {
    const char *message; ///< NULL: none
    const char *model, *pre, *second_token, *merge;
    int types, scores, bos;
} Fault;

static const Fault faults[] = {
    { NULL, "gpt2", "smollm", "b", "a b", 3, 0, 1 },
    { NULL, "gpt2", NULL, "b", "a b", 0, 0, -1 },
    { NULL, "llama", NULL, "b", NULL, 3, 3, 1 },
    { "tokenizer.ggml.model 'bert' is not read", "bert", NULL, "b", "a b", 3, 0, 1 },
    { "tokenizer.ggml.model '(none)'", NULL, NULL, "b", "a b", 3, 0, 1 },
    { "tokenizer.ggml.pre 'mine' is not known (", "gpt2", "mine", "b", "a b", 3, 0, 1 },
    { "tokens is missing", "gpt2", "smollm", NULL, "a b", 0, 0, -1 },
    { "number 1 'a' is there twice", "gpt2", "smollm", "a", "a b", 3, 0, 1 },
    { "number 1 '' is empty", "gpt2", "smollm", "", "a b", 3, 0, 1 },
    { "tokens: number 1 is not UTF-8", "gpt2", "smollm", "b\xFF", "a b", 3, 0, 1 },
    { "tokenizer.ggml.token_type is not", "gpt2", "smollm", "b", "a b", 2, 0, 1 },
    { "tokenizer.ggml.scores is not", "llama", NULL, "b", NULL, 3, 2, 1 },
    { "tokenizer.ggml.merges is missing", "gpt2", "smollm", "b", NULL, 3, 0, 1 },
    { "tokenizer.ggml.merges is missing", "llama", NULL, "b", NULL, 3, 0, 1 },
    { "merges: number 0 'ab' is not two", "gpt2", "smollm", "b", "ab", 3, 0, 1 },
    { "merges: number 0 'a ' is not two", "gpt2", "smollm", "b", "a ", 3, 0, 1 },
    { "merges: number 0 ' b' is not two", "gpt2", "smollm", "b", " b", 3, 0, 1 },
    { "merges: number 0 'a b c' is not two", "gpt2", "smollm", "b", "a b c", 3, 0, 1 },
    { "merges: number 0 is not UTF-8", "gpt2", "smollm", "b", "a \xFF", 3, 0, 1 },
    { "bos_token_id is not the number of one of the 3", "gpt2", "smollm", "b", "a b", 3, 0, 3 },
    { "bos_token_id is missing", "gpt2", "smollm", "b", "a b", 3, 0, -2 },
};

static const char *write_fault(const Fault *fault)
{
    const char *path = folder_path("fault.gguf");
    const char *const tokens[] = { "a", fault->second_token, "ab" };
    GgufHeader header = { 0 };
    if (fault->model) gguf_put_text(&header, "tokenizer.ggml.model", fault->model);
    if (fault->pre) gguf_put_text(&header, "tokenizer.ggml.pre", fault->pre);
    if (tokens[1]) gguf_put_texts(&header, "tokenizer.ggml.tokens", tokens, 3);
    if (fault->merge) gguf_put_texts(&header, "tokenizer.ggml.merges", &fault->merge, 1);
    const int32_t types[] = { 1, 1, 1 };
    const float scores[] = { 0, -1, -2 };
    if (fault->types) gguf_put_i32s(&header, "tokenizer.ggml.token_type", types, fault->types);
    if (fault->scores) gguf_put_f32s(&header, "tokenizer.ggml.scores", scores, fault->scores);
    if (fault->bos >= 0) gguf_put_u32(&header, "tokenizer.ggml.bos_token_id", (uint32_t)fault->bos);
    gguf_put_bool(&header, "tokenizer.ggml.add_bos_token", fault->bos != -1);
    CHECK_EQ(gguf_write(path, &header, NULL, 0, NULL, NULL), OK);
    gguf_header_release(&header);
    return path;
}

static void refuses_faulty_tokenizers(void)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        Gguf *file;
        char *json;
        CHECK_EQ(gguf_open(&file, write_fault(&faults[i])), OK);
        Status status = tokenizer_json_from_gguf(&json, file);
        const char *wanted = faults[i].message;
        if (!wanted != (status == OK) || (wanted && !strstr(status_message(), wanted)))
            check_failed(__FILE__, __LINE__, "expected %s, got %s", wanted ? wanted : "success",
                         status == OK ? "success" : status_message());
        mem_free(json);
        gguf_close(file);
    }
}

/// tokenizer.json to metadata and back; the text of a failure otherwise.
static char *there_and_back(const char *json, int64_t rows, uint32_t eos)
{
    const char *path = folder_path("again.gguf");
    GgufHeader header = { 0 };
    Gguf *file = NULL;
    char *again = NULL;
    Status status = tokenizer_json_to_gguf(&header, json, strlen(json), rows, "t.json");
    gguf_put_u32(&header, "tokenizer.ggml.bos_token_id", 1);
    gguf_put_u32(&header, "tokenizer.ggml.eos_token_id", eos);
    if (status == OK) status = gguf_write(path, &header, NULL, 0, NULL, NULL);
    if (status == OK) status = gguf_open(&file, path);
    if (status == OK) status = tokenizer_json_from_gguf(&again, file);
    if (status != OK) again = mem_copy_text(status_message());
    gguf_close(file);
    gguf_header_release(&header);
    return again;
}

static void writes_every_kind_of_words(void)
{
    for (int i = 0; i < gguf_split_count; i++) {
        const Fault sound = { NULL, "gpt2", gguf_splits[i].pre, "b", "a b", 3, 0, 1 };
        Json *json = tokenizer_of(write_fault(&sound));
        Text text = { 0 };
        json_print(&text, json, 0);
        char *again = there_and_back(text.data, 3, 1);
        Json *parsed = parse(again);
        check_json(parsed, text.data);
        json_free(parsed);
        mem_free(again);
        text_release(&text);
        json_free(json);
    }
}

#define DOCUMENT(words, model)                                                                     \
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<t>\",\"special\":true}],\"normalizer\":null,"     \
    "\"pre_tokenizer\":" words ",\"model\":{" model "}}"
#define BYTES  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":false}"
#define DIGITS "{\"type\":\"Digits\",\"individual_digits\":true}"
#define BPE    "\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]"

static void says_what_it_cannot_write(void)
{
    static const struct {
        const char *json;
        int64_t rows;
        const char *wanted; ///< in what comes back, or in the message
    } documents[] = {
        { DOCUMENT(BYTES, BPE), 4, "\"merges\":[[\"a\",\"b\"]]" },
        { DOCUMENT(BYTES, BPE), 6, "\"[PAD5]\":5" },
        { DOCUMENT(BYTES, BPE), 3, "token '<t>' has no number below the 3" },
        { DOCUMENT("{\"type\":\"Whitespace\"}", BPE), 4, "GGUF has no name for this" },
        { DOCUMENT("{\"type\":\"ByteLevel\",\"add_prefix_space\":true}", BPE), 4, "no name for" },
        { DOCUMENT("{\"type\":\"Sequence\",\"pretokenizers\":[" DIGITS "," BYTES "]}", BPE), 4,
          "\"individual_digits\":true" },
        { DOCUMENT("{\"type\":\"Sequence\",\"pretokenizers\":[" DIGITS "," BYTES "," BYTES "]}",
                   BPE),
          4, "no name for" },
        { DOCUMENT(BYTES, "\"type\":\"WordPiece\""), 4, "tokenizer of type WordPiece" },
        { DOCUMENT(BYTES, "\"type\":\"BPE\",\"vocab\":{},\"merges\":[\"a\"]"), 4, "number 0 of" },
        { DOCUMENT(BYTES, "\"type\":\"BPE\",\"vocab\":{},\"merges\":[[\"a\",\"\"]]"), 4,
          "number 0 of" },
        { DOCUMENT(BYTES, BPE), -1, "no model has -1 tokens" },
        { "{", 4, "t.json: column 1" },
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        char *result = there_and_back(documents[i].json, documents[i].rows, 1);
        if (!strstr(result, documents[i].wanted))
            check_failed(__FILE__, __LINE__, "document %zu: %s", i, result);
        mem_free(result);
    }
}

static void reads_pieces_that_it_writes(void)
{
    Json *json = tokenizer_of(golden_path("llama-pieces"));
    Text text = { 0 };
    json_print(&text, json, 0);
    char *again = there_and_back(text.data, 11, 2);
    static const char *const parts[] = { "added_tokens", "model", "pre_tokenizer", "decoder" };
    Json *parsed = parse(again);
    for (int i = 0; i < 4; i++) {
        Text part = { 0 };
        json_print(&part, json_get(json, parts[i]), 0);
        check_json(json_get(parsed, parts[i]), part.data);
        text_release(&part);
    }
    json_free(parsed);
    mem_free(again);
    text_release(&text);
    json_free(json);
}

static void translates_names(void)
{
    static const char *const names[][3] = {
        { "llama", "blk.12.attn_q.weight", "model.layers.12.self_attn.q_proj.weight" },
        { "qwen2", "blk.0.attn_k.bias", "model.layers.0.self_attn.k_proj.bias" },
        { "gpt2", "blk.3.ffn_up.weight", "transformer.h.3.mlp.c_fc.weight" },
        { "llama", "output.weight", "lm_head.weight" },
    };
    static const GgufLayout layouts[] = { GGUF_ROTARY_Q, GGUF_SAME, GGUF_TRANSPOSED, GGUF_SAME };
    static const char *const unknown[] = { "blk.attn_q.weight",           "blk.01.attn_q.weight",
                                           "blk.1.attn_q.weights",        "blk.-1.attn_q.weight",
                                           "blk.999999999.attn_q.weight", "" };
    char out[GGUF_NAME_ROOM];
    GgufLayout layout;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const GgufArch *arch = gguf_arch_find(names[i][0]);
        CHECK_TRUE(gguf_name_to_hf(out, &layout, arch, names[i][1]));
        CHECK_TEXT(out, names[i][2]);
        CHECK_EQ(layout, layouts[i]);
        CHECK_TRUE(gguf_name_from_hf(out, &layout, arch, names[i][2]));
        CHECK_TEXT(out, names[i][1]);
        CHECK_EQ(layout, layouts[i]);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        CHECK_TRUE(!gguf_name_to_hf(out, &layout, gguf_arch_find("llama"), unknown[i]));
    CHECK_TRUE(!gguf_arch_find("mamba"));
}

static void turns_layouts_there_and_back(void)
{
    float gguf[24], hf[24], again[24];
    for (int i = 0; i < 24; i++) gguf[i] = (float)i;
    // 2 heads of 4 rows of 3: rows 0, 2 are the first half of a head, rows 1, 3 the second
    static const int rows[] = { 0, 2, 1, 3, 4, 6, 5, 7 };
    gguf_from_layout(hf, gguf, GGUF_ROTARY_K, 2, 8, 3);
    for (int i = 0; i < 8; i++) CHECK_TRUE(hf[3 * i + 2] == (float)(3 * rows[i] + 2));
    gguf_to_layout(again, hf, GGUF_ROTARY_K, 2, 8, 3);
    CHECK_TRUE(!memcmp(again, gguf, sizeof gguf));
    gguf_from_layout(hf, gguf, GGUF_TRANSPOSED, 0, 4, 6);
    CHECK_TRUE(hf[6] == 1 && hf[1] == 4 && hf[23] == 23);
    gguf_to_layout(again, hf, GGUF_TRANSPOSED, 0, 4, 6);
    CHECK_TRUE(!memcmp(again, gguf, sizeof gguf));
}

static void reads_configurations(void)
{
    Origin *origin;
    CHECK_EQ(origin_open(&origin, golden_path("llama-smollm")), OK);
    const Json *config = origin->config;
    CHECK_TEXT(json_text(json_get(config, "model_type"), ""), "llama");
    CHECK_EQ(json_int(json_get(config, "hidden_size"), 0), 32);
    CHECK_EQ(json_int(json_get(config, "num_key_value_heads"), 0), 1);
    CHECK_EQ(json_int(json_get(config, "head_dim"), 0), 16);
    CHECK_EQ(json_int(json_get(config, "vocab_size"), 0), 12);
    CHECK_EQ(json_int(json_get(config, "eos_token_id"), 0), 10);
    CHECK_TRUE(json_number(json_get(config, "rms_norm_eps"), 0) == 1e-5);
    CHECK_TRUE(json_bool(json_get(config, "tie_word_embeddings"), false));
    origin_close(origin);
}

static void reads_tensors_in_other_layouts(void)
{
    float out[32 * 96];
    Origin *origin;
    CHECK_EQ(origin_open(&origin, golden_path("llama-smollm")), OK);
    const OriginTensor *tensor = origin_find(origin, "model.layers.0.self_attn.q_proj.weight");
    CHECK_EQ(origin->kind->read(out, origin, tensor), OK);
    CHECK_TRUE(out[0] == 0 && out[32] == 64 && out[8 * 32] == 32 &&
               out[17 * 32 + 3] == 18 * 32 + 3);
    origin_close(origin);
    CHECK_EQ(origin_open(&origin, golden_path("qwen2-qwen2")), OK);
    tensor = origin_find(origin, "model.layers.0.self_attn.q_proj.weight");
    CHECK_EQ(origin->kind->read(out, origin, tensor), OK);
    CHECK_TRUE(out[32] == 32);
    origin_close(origin);
    CHECK_EQ(origin_open(&origin, golden_path("gpt2-gpt-2")), OK);
    tensor = origin_find(origin, "transformer.h.0.attn.c_attn.weight");
    CHECK_EQ(tensor->dims[0], 32);
    CHECK_EQ(tensor->dims[1], 96);
    CHECK_EQ(origin->kind->read(out, origin, tensor), OK);
    CHECK_TRUE(out[1] == 32 && out[96] == 1 && out[96 * 31 + 95] == 32 * 96 - 1);
    CHECK_TRUE(!origin_find(origin, "blk.0.attn_qkv.weight"));
    origin_close(origin);
}

static Status pull_zeros(float *out, const GgufInfo *info, int64_t first, int64_t count,
                         void *context)
{
    const float *factor = context;
    (void)first;
    for (int64_t i = 0; i < count; i++) out[i] = info->rank == 1 ? *factor : 0;
    return OK;
}

/// One fault in a configuration that is sound without it.
static void refuses_faulty_models(void)
{
    static const struct {
        const char *message, *arch, *left_out, *tensor;
        int64_t rows;
        float factor;
    } models[] = {
        { NULL, "llama", "", "blk.0.attn_q.weight", 8, 0 },
        { NULL, "llama", "attention.head_count_kv", "blk.0.attn_q.weight", 8, 0 },
        { "general.architecture 'mamba' is not read", "mamba", "", "a", 8, 0 },
        { "llama.block_count is missing", "llama", "block_count", "a", 8, 0 },
        { "llama.attention.layer_norm_rms_epsilon is missing", "llama",
          "attention.layer_norm_rms_epsilon", "a", 8, 0 },
        { "tensor blk.0.attn_q.weight has not an even number of rows for each of 2 heads", "llama",
          "", "blk.0.attn_q.weight", 6, 0 },
        { "llama.attention.head_count is missing or not a sensible whole number", "llama",
          "attention.head_count", "a", 8, -1e-45f },
        { "no tensor token_embd.weight", "llama", "", NULL, 8, 0 },
        { "tensor rope_freqs.weight stretches rotations in another way", "llama", "",
          "rope_freqs.weight", 2, 3 },
    };
    static const char *const keys[] = { "context_length",       "embedding_length",
                                        "block_count",          "feed_forward_length",
                                        "attention.head_count", "attention.head_count_kv" };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const char *path = folder_path("model.gguf"), *name = models[i].tensor;
        char key[128];
        GgufHeader header = { 0 };
        Origin *origin;
        gguf_put_text(&header, "general.architecture", models[i].arch);
        for (int k = 0; k < 6; k++) {
            snprintf(key, sizeof key, "%s.%s", models[i].arch, keys[k]);
            if (strcmp(models[i].left_out, keys[k])) gguf_put_u32(&header, key, k < 4 ? 8 : 2);
        }
        snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", models[i].arch);
        if (!strstr(key, models[i].left_out) || !*models[i].left_out)
            gguf_put_f32(&header, key, 1e-5f);
        snprintf(key, sizeof key, "%s.attention.head_count", models[i].arch);
        if (models[i].factor < 0) gguf_put_f32(&header, key, -models[i].factor);
        int64_t rows = models[i].rows;
        bool vector = models[i].factor > 0;
        const GgufInfo infos[] = {
            { "token_embd.weight", "F32", 2, { 4, 8 }, 32 },
            { name, "F32", vector ? 1 : 2, { rows, 8 }, rows * (vector ? 1 : 8) },
        };
        CHECK_EQ(
            gguf_write(path, &header, infos, name ? 2 : 0, pull_zeros, (void *)&models[i].factor),
            OK);
        Status status = origin_open(&origin, path);
        const char *wanted = models[i].message;
        if (!wanted != (status == OK) || (wanted && !strstr(status_message(), wanted)))
            check_failed(__FILE__, __LINE__, "expected %s, got %s", wanted ? wanted : "success",
                         status == OK ? "success" : status_message());
        origin_close(origin);
        gguf_header_release(&header);
    }
}

static Status read_ones(float *out, const OriginTensor *tensor, void *context)
{
    (void)context;
    for (int64_t i = 0; i < tensor->elements; i++) out[i] = (float)(i % 7);
    return OK;
}

static const char config_text[] =
    "{\"model_type\":\"llama\",\"hidden_size\":32,\"num_hidden_layers\":1,\"intermediate_size\":48,"
    "\"num_attention_heads\":2,\"num_key_value_heads\":1,\"max_position_embeddings\":64,"
    "\"rms_norm_eps\":1e-5,\"vocab_size\":4,\"tie_word_embeddings\":false,\"head_dim\":16,"
    "\"rope_parameters\":{\"rope_theta\":500000.0,\"rope_type\":\"%s\",\"factor\":8.0,"
    "\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,\"original_max_position_embeddings\":8192}}";

static const OriginTensor exported[] = {
    { .name = "model.embed_tokens.weight", .rank = 2, .dims = { 4, 32 }, .elements = 128 },
    { .name = "model.layers.0.mlp.down_proj.weight",
      .rank = 2,
      .dims = { 32, 48 },
      .elements = 1536 },
    { .name = "model.norm.weight", .rank = 1, .dims = { 32 }, .elements = 32 },
    { .name = "lm_head.weight", .rank = 2, .dims = { 4, 32 }, .elements = 128 },
    { .name = "score.weight", .rank = 2, .dims = { 4, 32 }, .elements = 128 },
};

static Status export(const char *rope, const char *type, int count)
{
    Text text = { 0 };
    text_printf(&text, config_text, rope);
    Json *config = parse(text.data);
    Status status = gguf_export(folder_path("e.gguf"), type, config, DOCUMENT(BYTES, BPE), "{{x}}",
                                exported, count, read_ones, NULL);
    json_free(config);
    text_release(&text);
    return status;
}

static void exports_models(void)
{
    Gguf *file;
    Json *config;
    CHECK_EQ(export("llama3", "Q8_0", 4), OK);
    CHECK_EQ(gguf_open(&file, folder_path("e.gguf")), OK);
    CHECK_EQ(gguf_int(file, "general.file_type", -1), 7);
    CHECK_EQ(gguf_int(file, "general.quantization_version", -1), 2);
    CHECK_TEXT(gguf_text(file, "tokenizer.chat_template", ""), "{{x}}");
    CHECK_TEXT(gguf_find(file, "token_embd.weight")->type, "Q8_0");
    CHECK_TEXT(gguf_find(file, "blk.0.ffn_down.weight")->type, "F16"); // rows of 48
    CHECK_TEXT(gguf_find(file, "output_norm.weight")->type, "F32");
    CHECK_TRUE(gguf_find(file, "output.weight"));
    CHECK_TRUE(gguf_find(file, gguf_rope_tensor));
    CHECK_EQ(gguf_read_config(&config, file), OK);
    const Json *scaling = json_get(config, "rope_scaling");
    CHECK_TEXT(json_text(json_get(scaling, "rope_type"), ""), "llama3");
    CHECK_TRUE(json_number(json_get(scaling, "factor"), 0) == 8);
    CHECK_TRUE(json_number(json_get(config, "rope_theta"), 0) == 500000);
    CHECK_TRUE(!json_bool(json_get(config, "tie_word_embeddings"), true));
    json_free(config);
    gguf_close(file);
    Origin *origin;
    CHECK_EQ(origin_open(&origin, folder_path("e.gguf")), OK);
    CHECK_EQ(origin->count, 4);
    CHECK_TRUE(!origin_find(origin, gguf_rope_tensor));
    origin_close(origin);
    CHECK_EQ(export("linear", "F32", 4), OK);
    CHECK_EQ(gguf_open(&file, folder_path("e.gguf")), OK);
    CHECK_EQ(gguf_read_config(&config, file), OK);
    check_json(json_get(config, "rope_scaling"), "{\"rope_type\": \"linear\", \"factor\": 8.0}");
    json_free(config);
    gguf_close(file);
    CHECK_EQ(export("yarn", "F32", 4), FAILED);
    CHECK_TRUE(strstr(status_message(), "rope_scaling 'yarn' is not written"));
    CHECK_EQ(export("default", "Q4_0", 4), USAGE);
    CHECK_EQ(export("default", "F16", 5), FAILED);
    CHECK_TRUE(strstr(status_message(), "score.weight has no name in a GGUF file"));
}

static void frees_all_blocks(void)
{
    Comm self = comm_self();
    folder_remove(&self);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "makes byte-level tokenizers", makes_byte_level_tokenizers },
    { "makes piece tokenizers", makes_piece_tokenizers },
    { "cuts and joins pieces", cuts_and_joins_pieces },
    { "refuses faulty tokenizers", refuses_faulty_tokenizers },
    { "writes every kind of words", writes_every_kind_of_words },
    { "says what it cannot write", says_what_it_cannot_write },
    { "reads pieces that it writes", reads_pieces_that_it_writes },
    { "translates names", translates_names },
    { "turns layouts there and back", turns_layouts_there_and_back },
    { "reads configurations", reads_configurations },
    { "reads tensors in other layouts", reads_tensors_in_other_layouts },
    { "refuses faulty models", refuses_faulty_models },
    { "exports models", exports_models },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    Comm self = comm_self();
    folder_make(&self);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
