#include "nn/cache.h"
#include "base/status.h"
#include "linalg/elementary.h"

#include <math.h>
#include <omp.h>
#include <string.h>

void cache_init(KvCache *cache, int64_t layers, int64_t slots, int64_t capacity, int64_t cols)
{
    size_t bytes = (size_t)(layers * slots * capacity * cols) * sizeof(float);
    *cache = (KvCache){ .layers = layers, .slots = slots, .capacity = capacity, .cols = cols };
    arena_init(&cache->memory, bytes + 64);
    cache->data = arena_take(&cache->memory, bytes);
}

void cache_release(KvCache *cache)
{
    arena_release(&cache->memory);
    *cache = (KvCache){ 0 };
}

float *cache_rows(const KvCache *cache, int64_t sequence)
{
    int64_t slot = cache->layer * cache->slots + cache->slot_of[sequence];
    return cache->data + slot * cache->capacity * cache->cols;
}

/// scores[j] = q k[j], then their softmax; returns 1 / the sum.
KERNEL static float weigh_keys(float *restrict scores, const float *restrict q,
                               const float *restrict keys, int64_t stride, int64_t count,
                               int64_t width, float scale)
{
    float most = -INFINITY, total = 0;
    for (int64_t j = 0; j < count; j++) {
        const float *restrict k = keys + j * stride;
        float sum[LANES] = { 0 };
        int64_t c = 0;
        for (; c + LANES <= width; c += LANES) LANE_LOOP(l, LANES) sum[l] += q[c + l] * k[c + l];
        for (int l = 0; c + l < width; l++) sum[l] += q[c + l] * k[c + l];
        scores[j] = lanes_sum(sum) * scale;
        most = most < scores[j] ? scores[j] : most;
    }
    for (int64_t j = 0; j < count; j++) {
        scores[j] = kernel_exp(scores[j] - most);
        total += scores[j];
    }
    return 1 / total;
}

KERNEL static void mix_values(float *restrict y, const float *restrict scores, float factor,
                              const float *restrict values, int64_t stride, int64_t count,
                              int64_t width)
{
    for (int64_t c = 0; c < width; c++) y[c] = 0;
    for (int64_t j = 0; j < count; j++)
        for (int64_t c = 0; c < width; c++) y[c] += scores[j] * factor * values[j * stride + c];
}

/// What a token adds to its sequence.
static void keep_tokens(const KvCache *cache, const Packing *packing, const Var *qkv)
{
    for (int64_t s = 0; s < packing->sequences; s++) {
        float *rows = cache_rows(cache, s);
        int64_t first = packing->cu_seqlens[s], count = packing->cu_seqlens[s + 1] - first;
        int64_t past = packing_past(packing, s);
        CHECK(past + count <= cache->capacity, "a sequence outgrows its cache");
        for (int64_t t = 0; t < count; t++)
            memcpy(rows + (past + t) * cache->cols,
                   qkv->value + (first + t + 1) * qkv->cols - cache->cols,
                   (size_t)cache->cols * sizeof(float));
    }
}

void attention_cached(Tape *tape, Var *y, const Var *qkv, int64_t heads, int64_t kv_heads)
{
    const Packing *packing = tape_packing(tape);
    KvCache *cache = tape_pass(tape)->cache;
    int64_t width = y->cols / heads, group = heads / kv_heads;
    keep_tokens(cache, packing, qkv);
    if (packing->pasts) {
        size_t mark = tape_scratch_begin(tape);
        int64_t each = packing_end(packing);
        float *scratch = tape_take(tape, (size_t)(omp_get_max_threads() * each) * sizeof(float));
        float scale = (float)(1 / sqrt((double)width));
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < packing->sequences * heads; i++) {
            int64_t s = i / heads, head = i % heads, first = packing->cu_seqlens[s];
            const float *keys = cache_rows(cache, s) + head / group * width;
            float *scores = scratch + omp_get_thread_num() * each;
            for (int64_t t = first; t < packing->cu_seqlens[s + 1]; t++) {
                int64_t count = packing->pasts[s] + t - first + 1;
                float factor = weigh_keys(scores, qkv->value + t * qkv->cols + head * width, keys,
                                          cache->cols, count, width, scale);
                mix_values(y->value + t * y->cols + head * width, scores, factor,
                           keys + kv_heads * width, cache->cols, count, width);
            }
        }
        tape_scratch_end(tape, mark);
    }
    cache->layer++;
}
