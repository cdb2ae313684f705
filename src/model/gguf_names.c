#include "model/gguf_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char gguf_rope_tensor[] = "rope_freqs.weight";

// Qwen2's too, but its rows are not interleaved
static const GgufName llama_names[] = {
    { "token_embd.weight", "model.embed_tokens.weight", GGUF_SAME },
    { "blk.%d.attn_norm.weight", "model.layers.%d.input_layernorm.weight", GGUF_SAME },
    { "blk.%d.attn_q.weight", "model.layers.%d.self_attn.q_proj.weight", GGUF_ROTARY_Q },
    { "blk.%d.attn_q.bias", "model.layers.%d.self_attn.q_proj.bias", GGUF_ROTARY_Q },
    { "blk.%d.attn_k.weight", "model.layers.%d.self_attn.k_proj.weight", GGUF_ROTARY_K },
    { "blk.%d.attn_k.bias", "model.layers.%d.self_attn.k_proj.bias", GGUF_ROTARY_K },
    { "blk.%d.attn_v.weight", "model.layers.%d.self_attn.v_proj.weight", GGUF_SAME },
    { "blk.%d.attn_v.bias", "model.layers.%d.self_attn.v_proj.bias", GGUF_SAME },
    { "blk.%d.attn_output.weight", "model.layers.%d.self_attn.o_proj.weight", GGUF_SAME },
    { "blk.%d.attn_output.bias", "model.layers.%d.self_attn.o_proj.bias", GGUF_SAME },
    { "blk.%d.ffn_norm.weight", "model.layers.%d.post_attention_layernorm.weight", GGUF_SAME },
    { "blk.%d.ffn_gate.weight", "model.layers.%d.mlp.gate_proj.weight", GGUF_SAME },
    { "blk.%d.ffn_up.weight", "model.layers.%d.mlp.up_proj.weight", GGUF_SAME },
    { "blk.%d.ffn_down.weight", "model.layers.%d.mlp.down_proj.weight", GGUF_SAME },
    { "output_norm.weight", "model.norm.weight", GGUF_SAME },
    { "output.weight", "lm_head.weight", GGUF_SAME },
    { 0 },
};

static const GgufName gpt2_names[] = {
    { "token_embd.weight", "transformer.wte.weight", GGUF_SAME },
    { "position_embd.weight", "transformer.wpe.weight", GGUF_SAME },
    { "blk.%d.attn_norm.weight", "transformer.h.%d.ln_1.weight", GGUF_SAME },
    { "blk.%d.attn_norm.bias", "transformer.h.%d.ln_1.bias", GGUF_SAME },
    { "blk.%d.attn_qkv.weight", "transformer.h.%d.attn.c_attn.weight", GGUF_TRANSPOSED },
    { "blk.%d.attn_qkv.bias", "transformer.h.%d.attn.c_attn.bias", GGUF_SAME },
    { "blk.%d.attn_output.weight", "transformer.h.%d.attn.c_proj.weight", GGUF_TRANSPOSED },
    { "blk.%d.attn_output.bias", "transformer.h.%d.attn.c_proj.bias", GGUF_SAME },
    { "blk.%d.ffn_norm.weight", "transformer.h.%d.ln_2.weight", GGUF_SAME },
    { "blk.%d.ffn_norm.bias", "transformer.h.%d.ln_2.bias", GGUF_SAME },
    { "blk.%d.ffn_up.weight", "transformer.h.%d.mlp.c_fc.weight", GGUF_TRANSPOSED },
    { "blk.%d.ffn_up.bias", "transformer.h.%d.mlp.c_fc.bias", GGUF_SAME },
    { "blk.%d.ffn_down.weight", "transformer.h.%d.mlp.c_proj.weight", GGUF_TRANSPOSED },
    { "blk.%d.ffn_down.bias", "transformer.h.%d.mlp.c_proj.bias", GGUF_SAME },
    { "output_norm.weight", "transformer.ln_f.weight", GGUF_SAME },
    { "output_norm.bias", "transformer.ln_f.bias", GGUF_SAME },
    { "output.weight", "lm_head.weight", GGUF_SAME },
    { 0 },
};

static const GgufKey llama_keys[] = {
    { "context_length", "max_position_embeddings", false, NULL },
    { "embedding_length", "hidden_size", false, NULL },
    { "block_count", "num_hidden_layers", false, NULL },
    { "feed_forward_length", "intermediate_size", false, NULL },
    { "attention.head_count", "num_attention_heads", false, NULL },
    { "attention.head_count_kv", "num_key_value_heads", false, "num_attention_heads" },
    { "attention.layer_norm_rms_epsilon", "rms_norm_eps", true, NULL },
    { "rope.freq_base", "rope_theta", true, "10000" },
    { 0 },
};

static const GgufKey gpt2_keys[] = {
    { "context_length", "n_positions", false, NULL },
    { "embedding_length", "n_embd", false, NULL },
    { "block_count", "n_layer", false, NULL },
    { "feed_forward_length", "n_inner", false, "4 n_embd" },
    { "attention.head_count", "n_head", false, NULL },
    { "attention.layer_norm_epsilon", "layer_norm_epsilon", true, NULL },
    { 0 },
};

static const GgufArch archs[] = {
    { .name = "llama",
      .class_name = "LlamaForCausalLM",
      .hf_fixed = "{\"hidden_act\":\"silu\",\"mlp_bias\":false}",
      .interleaved = true,
      .keys = llama_keys,
      .names = llama_names },
    { .name = "qwen2",
      .class_name = "Qwen2ForCausalLM",
      .hf_fixed = "{\"hidden_act\":\"silu\",\"use_sliding_window\":false}",
      .keys = llama_keys,
      .names = llama_names },
    { .name = "gpt2",
      .class_name = "GPT2LMHeadModel",
      .hf_fixed = "{\"activation_function\":\"gelu_new\"}",
      .tied = true,
      .keys = gpt2_keys,
      .names = gpt2_names },
};

const GgufArch *gguf_arch_find(const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (!strcmp(archs[i].name, name)) return &archs[i];
    return NULL;
}

/// The layer that `name` has where `pattern` has %d, -1 where neither has one, -2 for another name.
static long match_layer(const char *pattern, const char *name)
{
    const char *mark = strstr(pattern, "%d");
    if (!mark) return strcmp(pattern, name) ? -2 : -1;
    size_t before = (size_t)(mark - pattern);
    if (strncmp(pattern, name, before)) return -2;
    char *end;
    size_t digits = strspn(name + before, "0123456789");
    if (!digits || digits > 8 || (name[before] == '0' && digits > 1)) return -2;
    long layer = strtol(name + before, &end, 10);
    return strcmp(end, mark + 2) ? -2 : layer;
}

static void put_layer(char out[GGUF_NAME_ROOM], const char *pattern, long layer)
{
    const char *mark = strstr(pattern, "%d");
    if (mark)
        snprintf(out, GGUF_NAME_ROOM, "%.*s%ld%s", (int)(mark - pattern), pattern, layer, mark + 2);
    else
        snprintf(out, GGUF_NAME_ROOM, "%s", pattern);
}

static bool translate(char out[GGUF_NAME_ROOM], GgufLayout *layout, const GgufArch *arch,
                      const char *name, bool to_hf)
{
    for (const GgufName *row = arch->names; row->gguf; row++) {
        long layer = match_layer(to_hf ? row->gguf : row->hf, name);
        if (layer == -2) continue;
        put_layer(out, to_hf ? row->hf : row->gguf, layer);
        bool rotary = row->layout == GGUF_ROTARY_Q || row->layout == GGUF_ROTARY_K;
        *layout = rotary && !arch->interleaved ? GGUF_SAME : row->layout;
        return true;
    }
    return false;
}

bool gguf_name_to_hf(char out[GGUF_NAME_ROOM], GgufLayout *layout, const GgufArch *arch,
                     const char *gguf)
{
    return translate(out, layout, arch, gguf, true);
}

bool gguf_name_from_hf(char out[GGUF_NAME_ROOM], GgufLayout *layout, const GgufArch *arch,
                       const char *hf)
{
    return translate(out, layout, arch, hf, false);
}

int64_t gguf_layout_heads(GgufLayout layout, const Json *config)
{
    static const char *const keys[] = {
        [GGUF_ROTARY_Q] = "num_attention_heads", [GGUF_ROTARY_K] = "num_key_value_heads"
    };
    if (layout != GGUF_ROTARY_Q && layout != GGUF_ROTARY_K) return 0;
    return json_int(json_get(config, keys[layout]),
                    json_int(json_get(config, "num_attention_heads"), 1));
}

/// Row `row` of Hugging Face's is this row of GGUF's: (head, half, pair) becomes (head, pair,
/// half).
static int64_t rotary_row(int64_t row, int64_t heads, int64_t rows)
{
    int64_t width = rows / heads, head = row / width, half = row % width / (width / 2);
    return head * width + 2 * (row % (width / 2)) + half;
}

void gguf_from_layout(float *out, const float *in, GgufLayout layout, int64_t heads, int64_t rows,
                      int64_t cols)
{
    size_t row_bytes = (size_t)cols * sizeof *out;
    if (layout == GGUF_TRANSPOSED) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = 0; k < cols; k++) out[i * cols + k] = in[k * rows + i];
    } else if (layout == GGUF_SAME) {
        memcpy(out, in, (size_t)rows * row_bytes);
    } else {
        for (int64_t i = 0; i < rows; i++)
            memcpy(out + i * cols, in + rotary_row(i, heads, rows) * cols, row_bytes);
    }
}

void gguf_to_layout(float *out, const float *in, GgufLayout layout, int64_t heads, int64_t rows,
                    int64_t cols)
{
    if (layout == GGUF_TRANSPOSED) { // the reverse transposes the other shape
        gguf_from_layout(out, in, layout, heads, cols, rows);
    } else if (layout == GGUF_SAME) {
        memcpy(out, in, (size_t)(rows * cols) * sizeof *out);
    } else {
        for (int64_t i = 0; i < rows; i++)
            memcpy(out + rotary_row(i, heads, rows) * cols, in + i * cols,
                   (size_t)cols * sizeof *out);
    }
}
