/* TEST labels=golden,gguf timeout=120 */
#include "base/mem.h"
#include "base/sha256.h"
#include "model/origin.h"
#include "support/check.h"

#include <stdlib.h>

// of all weights as float32, in the order of transformers' names: made by check_gguf.py
static const char weights_sha256[] =
    "1e7c8a1c726e693f3ef812fec44c0efdf79020fe1e36d5cd8a07e0341da3e3aa";

static Origin *origin;

static void reads_the_configuration(void)
{
    const Json *config = origin->config;
    CHECK_EQ(json_int(json_get(config, "hidden_size"), 0), 576);
    CHECK_EQ(json_int(json_get(config, "num_hidden_layers"), 0), 30);
    CHECK_EQ(json_int(json_get(config, "num_attention_heads"), 0), 9);
    CHECK_EQ(json_int(json_get(config, "num_key_value_heads"), 0), 3);
    CHECK_EQ(json_int(json_get(config, "vocab_size"), 0), 49152);
    CHECK_EQ(json_int(json_get(config, "max_position_embeddings"), 0), 8192);
    CHECK_TRUE(json_number(json_get(config, "rope_theta"), 0) == 100000);
    CHECK_TRUE(json_number(json_get(config, "rms_norm_eps"), 0) == 1e-5);
    CHECK_TRUE(json_bool(json_get(config, "tie_word_embeddings"), false));
    CHECK_TRUE(strstr(text_chars(&origin->chat_template), "<|im_start|>"));
}

static void reads_the_weights_that_transformers_reads(void)
{
    Sha256 sha;
    char hex[65];
    int64_t elements = 0;
    sha256_init(&sha);
    for (int i = 0; i < origin->count; i++) {
        const OriginTensor *tensor = &origin->tensors[i];
        float *values = MEM_NEW(float, tensor->elements);
        CHECK_EQ(origin->kind->read(values, origin, tensor), OK);
        sha256_add(&sha, values, (size_t)tensor->elements * sizeof *values);
        elements += tensor->elements;
        mem_free(values);
    }
    sha256_finish(hex, &sha);
    CHECK_EQ(origin->count, 272);
    CHECK_EQ(elements, 134515008);
    CHECK_TEXT(hex, weights_sha256);
}

static void makes_the_tokenizer(void)
{
    char *text;
    Json *json;
    CHECK_EQ(origin->kind->tokenizer(&text, origin), OK);
    CHECK_EQ(json_parse(&json, text, strlen(text), "tokenizer"), OK);
    const Json *model = json_get(json, "model"), *words = json_get(json, "pre_tokenizer");
    CHECK_EQ(json_size(json_get(model, "vocab")), 49152);
    CHECK_EQ(json_size(json_get(model, "merges")), 48900);
    CHECK_EQ(json_int(json_get(json_get(model, "vocab"), "\xC4\xA0the"), -1), 260);
    CHECK_EQ(json_size(json_get(json, "added_tokens")), 17);
    CHECK_TEXT(json_text(json_get(json_at(json_get(words, "pretokenizers"), 0), "type"), ""),
               "Digits");
    CHECK_EQ(json_size(json_get(json_get(json, "post_processor"), "single")), 1); // no BOS
    json_free(json);
    mem_free(text);
}

static void frees_all_blocks(void)
{
    origin_close(origin);
    CHECK_EQ(mem_live_blocks(), 0);
}

static const Case cases[] = {
    { "reads the configuration", reads_the_configuration },
    { "reads the weights that transformers reads", reads_the_weights_that_transformers_reads },
    { "makes the tokenizer", makes_the_tokenizer },
    { "frees all blocks", frees_all_blocks },
};

int main(int argc, char **argv)
{
    char path[4096];
    const char *models = getenv("TEMPER_MODELS");
    snprintf(path, sizeof path, "%s/smollm2-135m.gguf", models ? models : "models");
    FILE *file = fopen(path, "rb");
    if (!file) {
        check_skip("no smollm2-135m.gguf in TEMPER_MODELS (cmake/fetch smollm2-135m)");
        return check_main(argc, argv, cases, 0);
    }
    fclose(file);
    if (origin_open(&origin, path) != OK) {
        check_failed(__FILE__, __LINE__, "%s", status_message());
        return check_main(argc, argv, cases, 0);
    }
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
