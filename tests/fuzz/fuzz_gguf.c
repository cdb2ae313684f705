#include "base/mem.h"
#include "model/gguf_map.h"
#include "store/gguf.h"
#include "support/scratch.h"
#include "token/gguf_vocab.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_values(const Gguf *file, size_t bytes)
{
    uint64_t sum = 0;
    for (int i = 0; i < gguf_value_count(file); i++) {
        const GgufValue *value = gguf_value_at(file, i);
        CHECK(gguf_value(file, value->key) == value, "%s is not found", value->key);
        CHECK(value->count <= (int64_t)bytes, "%s is too long", value->key);
        for (int64_t k = 0; k < value->count; k++) {
            if (value->kind == GGUF_TEXT)
                sum += strlen(gguf_text_at(value, k)) <= gguf_text_bytes_at(value, k);
            else
                sum += (uint64_t)gguf_int_at(value, k) + (gguf_real_at(value, k) > 0);
        }
    }
    CHECK(sum != 1 || bytes, "nothing was read");
}

/// Whatever tokenizer comes out is JSON.
static void read_model(const Gguf *file)
{
    char *tokenizer;
    Json *config, *parsed = NULL;
    if (gguf_read_config(&config, file) == OK)
        CHECK(json_int(json_get(config, "vocab_size"), -1) >= 0, "no vocabulary");
    if (tokenizer_json_from_gguf(&tokenizer, file) == OK)
        CHECK(json_parse(&parsed, tokenizer, strlen(tokenizer), "tokenizer") == OK, "%s",
              status_message());
    json_free(parsed);
    mem_free(tokenizer);
    json_free(config);
}

/// Whatever opens can be read to its last element.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    Gguf *file;
    Status opened = gguf_open(&file, scratch_file(data, bytes));
    if (opened == OK) read_values(file, bytes);
    if (opened == OK) read_model(file);
    for (int i = 0; opened == OK && i < gguf_count(file); i++) {
        const GgufInfo *info = gguf_at(file, i);
        CHECK(gguf_find(file, info->name) == info, "%s is not found", info->name);
        CHECK(gguf_bytes(info) <= (int64_t)bytes, "%s is too large", info->name);
        CHECK(info->elements <= (int64_t)bytes * 8, "%s is too long", info->name);
        float *out = MEM_NEW(float, info->elements);
        gguf_read(out, file, info, 0, info->elements);
        gguf_read(out, file, info, info->elements / 3, info->elements / 2);
        gguf_read(out, file, info, info->elements, 1);
        mem_free(out);
    }
    gguf_close(file);
    return 0;
}
