#include "store/gguf_blocks.h"
#include "base/half.h"

#include <math.h>
#include <string.h>

// Layouts are those of ggml: its block_q8_0 and so on. A nibble's block holds the first half of its
// elements in the low halves of the bytes, the second half in the high ones.

enum { Q = 32, K = 256 }; // elements of a simple block and of a block of blocks

static float half_at(const unsigned char *at)
{
    return half_value((uint32_t)at[0] | (uint32_t)at[1] << 8);
}

static void read_f32(float *out, const void *in, int64_t count)
{
    memcpy(out, in, (size_t)count * sizeof *out);
}

static void read_q8_0(float *out, const void *blocks, int64_t count)
{
    const unsigned char *block = blocks;
    for (float *end = out + count; out < end; out += Q, block += 2 + Q) {
        float scale = half_at(block);
        for (int i = 0; i < Q; i++) out[i] = scale * (float)(int8_t)block[2 + i];
    }
}

static void read_q4_0(float *out, const void *blocks, int64_t count)
{
    const unsigned char *block = blocks;
    for (float *end = out + count; out < end; out += Q, block += 2 + Q / 2) {
        float scale = half_at(block);
        for (int i = 0; i < Q / 2; i++) {
            out[i] = scale * (float)((block[2 + i] & 15) - 8);
            out[i + Q / 2] = scale * (float)((block[2 + i] >> 4) - 8);
        }
    }
}

static void read_q4_1(float *out, const void *blocks, int64_t count)
{
    const unsigned char *block = blocks;
    for (float *end = out + count; out < end; out += Q, block += 4 + Q / 2) {
        float scale = half_at(block), least = half_at(block + 2);
        for (int i = 0; i < Q / 2; i++) {
            out[i] = scale * (float)(block[4 + i] & 15) + least;
            out[i + Q / 2] = scale * (float)(block[4 + i] >> 4) + least;
        }
    }
}

/// The 6-bit scale and minimum of part i of 8, packed into 12 bytes.
static void unpack_scale(int *scale, int *least, const unsigned char *packed, int i)
{
    if (i < 4) {
        *scale = packed[i] & 63;
        *least = packed[i + 4] & 63;
    } else {
        *scale = (packed[i + 4] & 15) | packed[i - 4] >> 6 << 4;
        *least = packed[i + 4] >> 4 | packed[i] >> 6 << 4;
    }
}

static void read_q4_k(float *out, const void *blocks, int64_t count)
{
    const unsigned char *block = blocks;
    for (float *end = out + count; out < end; out += K, block += 16 + K / 2) {
        float scale = half_at(block), least = half_at(block + 2);
        for (int part = 0; part < 8; part++) {
            const unsigned char *nibbles = block + 16 + part / 2 * Q;
            int multiple, offset, shift = part % 2 * 4;
            unpack_scale(&multiple, &offset, block + 4, part);
            float step = scale * (float)multiple, low = least * (float)offset;
            for (int i = 0; i < Q; i++)
                out[part * Q + i] = step * (float)(nibbles[i] >> shift & 15) - low;
        }
    }
}

static void read_q6_k(float *out, const void *blocks, int64_t count)
{
    const unsigned char *block = blocks;
    for (float *end = out + count; out < end; out += K, block += 210) {
        float scale = half_at(block + 208);
        for (int part = 0; part < 8; part++) {
            const unsigned char *low = block + part / 4 * 64 + part % 2 * Q; // 4 bits
            const unsigned char *high = block + 128 + part / 4 * Q;          // 2 bits
            int low_shift = part % 4 / 2 * 4, high_shift = part % 4 * 2;
            for (int i = 0; i < Q; i++) {
                float step = scale * (float)(int8_t)block[192 + part * 2 + i / 16];
                int value = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
                out[part * Q + i] = step * (float)(value - 32);
            }
        }
    }
}

static bool write_f32(void *out, const float *in, int64_t count)
{
    memcpy(out, in, (size_t)count * sizeof *in);
    return true;
}

static bool write_f16(void *out, const float *in, int64_t count)
{
    half_write_f16(out, in, count);
    for (int64_t i = 0; i < count; i++)
        if (!(fabsf(in[i]) < 65520)) return false; // what rounds to infinity, and NaN
    return true;
}

static bool write_q8_0(void *blocks, const float *in, int64_t count)
{
    unsigned char *block = blocks;
    for (const float *end = in + count; in < end; in += Q, block += 2 + Q) {
        float most = 0;
        for (int i = 0; i < Q; i++) {
            if (!isfinite(in[i])) return false;
            most = fmaxf(most, fabsf(in[i]));
        }
        float scale = most / 127, inverse = 1 / scale;
        if (!isfinite(inverse)) inverse = 0;
        if (!write_f16(block, &scale, 1)) return false;
        for (int i = 0; i < Q; i++) block[2 + i] = (unsigned char)(int8_t)roundf(in[i] * inverse);
    }
    return true;
}

static const GgufType types[] = {
    { 0, "F32", 1, 4, read_f32, write_f32 },
    { 1, "F16", 1, 2, half_read_f16, write_f16 },
    { 30, "BF16", 1, 2, half_read_bf16, NULL },
    { 8, "Q8_0", Q, 2 + Q, read_q8_0, write_q8_0 },
    { 2, "Q4_0", Q, 2 + Q / 2, read_q4_0, NULL },
    { 3, "Q4_1", Q, 4 + Q / 2, read_q4_1, NULL },
    { 12, "Q4_K", K, 144, read_q4_k, NULL },
    { 14, "Q6_K", K, 210, read_q6_k, NULL },
    { 6, "Q5_0", Q, 22, NULL, NULL },
    { 7, "Q5_1", Q, 24, NULL, NULL },
    { 9, "Q8_1", Q, 36, NULL, NULL },
    { 10, "Q2_K", K, 84, NULL, NULL },
    { 11, "Q3_K", K, 110, NULL, NULL },
    { 13, "Q5_K", K, 176, NULL, NULL },
    { 15, "Q8_K", K, 292, NULL, NULL },
    { 16, "IQ2_XXS", K, 66, NULL, NULL },
    { 17, "IQ2_XS", K, 74, NULL, NULL },
    { 18, "IQ3_XXS", K, 98, NULL, NULL },
    { 19, "IQ1_S", K, 50, NULL, NULL },
    { 20, "IQ4_NL", Q, 18, NULL, NULL },
    { 21, "IQ3_S", K, 110, NULL, NULL },
    { 22, "IQ2_S", K, 82, NULL, NULL },
    { 23, "IQ4_XS", K, 136, NULL, NULL },
    { 24, "I8", 1, 1, NULL, NULL },
    { 25, "I16", 1, 2, NULL, NULL },
    { 26, "I32", 1, 4, NULL, NULL },
    { 27, "I64", 1, 8, NULL, NULL },
    { 28, "F64", 1, 8, NULL, NULL },
    { 29, "IQ1_M", K, 56, NULL, NULL },
    { 34, "TQ1_0", K, 54, NULL, NULL },
    { 35, "TQ2_0", K, 66, NULL, NULL },
    { 39, "MXFP4", Q, 17, NULL, NULL },
};
enum { TYPES = sizeof types / sizeof *types };

const GgufType *gguf_type(uint32_t id)
{
    for (int i = 0; i < TYPES; i++)
        if (types[i].id == id) return &types[i];
    return NULL;
}

const GgufType *gguf_type_named(const char *name)
{
    for (int i = 0; i < TYPES; i++)
        if (!strcmp(types[i].name, name)) return &types[i];
    return NULL;
}
