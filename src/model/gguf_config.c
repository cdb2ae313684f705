#include "base/mem.h"
#include "model/gguf_map.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ROOM = 96 };

/// Tokens with a role, in config.json and in the metadata.
static const char *const token_keys[][2] = {
    { "bos_token_id", "tokenizer.ggml.bos_token_id" },
    { "eos_token_id", "tokenizer.ggml.eos_token_id" },
    { "pad_token_id", "tokenizer.ggml.padding_token_id" },
};
enum { TOKEN_KEYS = sizeof token_keys / sizeof *token_keys };

/// "llama." and the rest of a key.
static const char *key_of(char out[KEY_ROOM], const GgufArch *arch, const char *key)
{
    snprintf(out, KEY_ROOM, "%s.%s", arch->name, key);
    return out;
}
#define KEY(arch, key) key_of((char[KEY_ROOM]){ 0 }, arch, key)

/// A float32 as the shortest decimal that gives it: 1e-05, not 9.999999747378752e-06.
static double shortest(double value)
{
    char digits[32];
    if ((double)(float)value != value) return value;
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtof(digits, NULL) == (float)value) break;
    }
    return strtod(digits, NULL);
}

static Status check_number(double value, const GgufKey *key, const char *name, const char *where)
{
    bool whole = value >= 1 && value < 0x1p31 && value == floor(value);
    if (key->real ? value > 0 && value < 1e30 : whole) return OK;
    return status_fail(FAILED, "%s: %s is missing or not a sensible %s greater than 0", where, name,
                       key->real ? "number" : "whole number");
}

/// A member of config.json; old and new files have those of rotations in different places.
static const Json *member(const Json *config, const char *key)
{
    const Json *value = json_get(config, key);
    return value ? value : json_get(json_get(config, "rope_parameters"), key);
}

/// The number of a row in config.json.
static double hf_number(const Json *config, const GgufKey *key)
{
    const Json *value = member(config, key->hf);
    if (!json_is_null(value) || !key->usual) return json_number(value, 0);
    char *rest;
    double number = strtod(key->usual, &rest);
    if (rest == key->usual) number = 1;
    rest += strspn(rest, " ");
    return *rest ? number * json_number(json_get(config, rest), 0) : number;
}

static Status read_keys(Json *config, const Gguf *file, const GgufArch *arch)
{
    Status status = OK;
    for (const GgufKey *key = arch->keys; key->gguf; key++) {
        const char *name = KEY(arch, key->gguf);
        double value = gguf_value(file, name) ? gguf_real(file, name, 0) : hf_number(config, key);
        TRY(check_number(value, key, name, gguf_path(file)));
        if (key->real)
            json_set_number(config, key->hf, shortest(value));
        else
            json_set_int(config, key->hf, (int64_t)value);
    }
done:
    return status;
}

static void read_tokens(Json *config, const Gguf *file)
{
    for (int i = 0; i < TOKEN_KEYS; i++) {
        int64_t id = gguf_int(file, token_keys[i][1], -1);
        if (id >= 0) json_set_int(config, token_keys[i][0], id);
    }
}

/// config.json's "rope_scaling" for the factors of a file.
static Status read_factors(Json *config, const Gguf *file, const GgufInfo *tensor)
{
    Status status = OK;
    float given[GGUF_MAX_ROTATIONS], factors[GGUF_MAX_ROTATIONS];
    if (tensor->elements < 1 || tensor->elements > GGUF_MAX_ROTATIONS)
        FAIL(FAILED, "%s: tensor %s has %" PRId64 " elements", gguf_path(file), gguf_rope_tensor,
             tensor->elements);
    TRY(gguf_read(given, file, tensor, 0, tensor->elements));
    float most = 1;
    for (int64_t i = 0; i < tensor->elements; i++) most = fmaxf(most, given[i]);
    Json *scaling = json_new_object();
    json_set_text(scaling, "rope_type", "llama3");
    json_set_number(scaling, "factor", shortest((double)most));
    json_set_number(scaling, "low_freq_factor", 1);
    json_set_number(scaling, "high_freq_factor", 4);
    json_set_int(scaling, "original_max_position_embeddings", 8192);
    json_set(config, "rope_scaling", scaling);
    bool same = gguf_rope_factors(factors, config) == tensor->elements;
    for (int64_t i = 0; same && i < tensor->elements; i++)
        same = fabsf(factors[i] - given[i]) <= 1e-4f * factors[i];
    if (!same)
        FAIL(FAILED, "%s: tensor %s stretches rotations in another way than Llama 3 does",
             gguf_path(file), gguf_rope_tensor);
done:
    return status;
}

static Status read_scaling(Json *config, const Gguf *file, const GgufArch *arch)
{
    const GgufInfo *factors = gguf_find(file, gguf_rope_tensor);
    const char *type = gguf_text(file, KEY(arch, "rope.scaling.type"), "none");
    double factor = gguf_real(file, KEY(arch, "rope.scaling.factor"), 1);
    int64_t original = gguf_int(file, KEY(arch, "rope.scaling.original_context_length"), 0);
    if (factors) return read_factors(config, file, factors);
    if (!strcmp(type, "none")) return OK;
    Json *scaling = json_new_object();
    json_set_text(scaling, "rope_type", type);
    json_set_number(scaling, "factor", shortest(factor));
    if (original > 0) json_set_int(scaling, "original_max_position_embeddings", original);
    json_set(config, "rope_scaling", scaling);
    return OK;
}

/// What only models with rotary positions have.
static Status read_rotary(Json *config, const Gguf *file, const GgufArch *arch)
{
    int64_t width = gguf_int(file, KEY(arch, "attention.key_length"), 0);
    if (width <= 0) width = gguf_int(file, KEY(arch, "rope.dimension_count"), 0);
    if (width <= 0)
        width = json_int(json_get(config, "hidden_size"), 0) /
                json_int(json_get(config, "num_attention_heads"), 1);
    json_set_int(config, "head_dim", width);
    json_set_bool(config, "attention_bias", gguf_find(file, "blk.0.attn_q.bias"));
    return read_scaling(config, file, arch);
}

Status gguf_read_config(Json **out, const Gguf *file)
{
    Status status = OK;
    Json *config = NULL;
    const char *name = gguf_text(file, "general.architecture", "(none)");
    const GgufArch *arch = gguf_arch_find(name);
    const GgufInfo *embedding = gguf_find(file, "token_embd.weight");
    *out = NULL;
    if (!arch)
        FAIL(FAILED, "%s: general.architecture '%.40s' is not read, only llama, qwen2 and gpt2",
             gguf_path(file), name);
    if (!embedding || embedding->rank != 2)
        FAIL(FAILED, "%s: there is no tensor token_embd.weight", gguf_path(file));
    TRY(json_parse(&config, arch->hf_fixed, strlen(arch->hf_fixed), arch->name));
    Json *classes = json_new_array();
    json_append(classes, json_new_text(arch->class_name));
    json_set(config, "architectures", classes);
    json_set_text(config, "model_type", arch->name);
    TRY(read_keys(config, file, arch));
    json_set_int(config, "vocab_size", embedding->dims[0]);
    json_set_bool(config, "tie_word_embeddings", arch->tied || !gguf_find(file, "output.weight"));
    read_tokens(config, file);
    if (json_get(config, "rope_theta")) TRY(read_rotary(config, file, arch));
    *out = config;
    config = NULL;
done:
    json_free(config);
    return status;
}

static const Json *scaling_of(const Json *config)
{
    const Json *scaling = json_get(config, "rope_scaling");
    return json_is_object(scaling) ? scaling : json_get(config, "rope_parameters");
}

static const char *scaling_type(const Json *config)
{
    const Json *scaling = scaling_of(config);
    return json_text(json_get(scaling, "rope_type"),
                     json_text(json_get(scaling, "type"), "default"));
}

static int64_t head_width(const Json *config)
{
    int64_t heads = json_int(json_get(config, "num_attention_heads"), 1);
    int64_t width = json_int(json_get(config, "hidden_size"), 0) / (heads > 0 ? heads : 1);
    return json_int(json_get(config, "head_dim"), width);
}

static Status put_rotary(GgufHeader *header, const Json *config, const GgufArch *arch,
                         const char *where)
{
    const char *type = scaling_type(config);
    const Json *scaling = scaling_of(config);
    uint32_t width = (uint32_t)head_width(config);
    gguf_put_u32(header, KEY(arch, "rope.dimension_count"), width);
    gguf_put_u32(header, KEY(arch, "attention.key_length"), width);
    gguf_put_u32(header, KEY(arch, "attention.value_length"), width);
    if (!strcmp(type, "default") || !strcmp(type, "llama3")) return OK; // the latter as a tensor
    if (strcmp(type, "linear"))
        return status_fail(FAILED, "%s: rope_scaling '%.40s' is not written to GGUF", where, type);
    gguf_put_text(header, KEY(arch, "rope.scaling.type"), type);
    gguf_put_f32(header, KEY(arch, "rope.scaling.factor"),
                 (float)json_number(json_get(scaling, "factor"), 1));
    return OK;
}

Status gguf_put_config(GgufHeader *header, const Json *config, const char *where)
{
    Status status = OK;
    const char *type = json_text(json_get(config, "model_type"), "(none)");
    const GgufArch *arch = gguf_arch_find(type);
    if (!arch)
        FAIL(FAILED, "%s: model_type '%.40s' is not written to GGUF, only llama, qwen2 and gpt2",
             where, type);
    gguf_put_text(header, "general.architecture", arch->name);
    for (const GgufKey *key = arch->keys; key->gguf; key++) {
        double value = hf_number(config, key);
        TRY(check_number(value, key, key->hf, where));
        if (key->real)
            gguf_put_f32(header, KEY(arch, key->gguf), (float)value);
        else
            gguf_put_u32(header, KEY(arch, key->gguf), (uint32_t)value);
    }
    gguf_put_u32(header, KEY(arch, "vocab_size"),
                 (uint32_t)json_int(json_get(config, "vocab_size"), 0));
    for (int i = 0; i < TOKEN_KEYS; i++) {
        const Json *id = json_get(config, token_keys[i][0]);
        if (json_is_array(id)) id = json_at(id, 0);
        if (json_int(id, -1) >= 0)
            gguf_put_u32(header, token_keys[i][1], (uint32_t)json_int(id, 0));
    }
    if (json_get(config, "hidden_size")) TRY(put_rotary(header, config, arch, where));
done:
    return status;
}

int gguf_rope_factors(float factors[GGUF_MAX_ROTATIONS], const Json *config)
{
    const double turn = 6.283185307179586;
    const Json *scaling = scaling_of(config);
    int64_t width = head_width(config);
    double base = json_number(member(config, "rope_theta"), 10000);
    double most = json_number(json_get(scaling, "factor"), 1);
    double low = json_number(json_get(scaling, "low_freq_factor"), 1);
    double high = json_number(json_get(scaling, "high_freq_factor"), 4);
    double original = json_number(json_get(scaling, "original_max_position_embeddings"), 8192);
    if (strcmp(scaling_type(config), "llama3") || width < 2 || width / 2 > GGUF_MAX_ROTATIONS)
        return 0;
    for (int64_t i = 0; i < width / 2; i++) {
        double length = turn * pow(base, 2.0 * (double)i / (double)width); // of a wave, in tokens
        double smooth = (original / length - low) / (high - low);
        factors[i] = length < original / high  ? 1
                     : length > original / low ? (float)most
                                               : (float)(1 / ((1 - smooth) / most + smooth));
    }
    return (int)(width / 2);
}
