#include "base/mem.h"
#include "data/leaves.h"

#include <string.h>

void leaf_buffers_release(LeafBuffers *buffers)
{
    mem_free(buffers->cu_seqlens);
    mem_free(buffers->samples);
    mem_free(buffers->labels);
    mem_free(buffers->ids);
    mem_free(buffers->types);
    mem_free(buffers->wanted);
    *buffers = (LeafBuffers){ 0 };
}

void leaf_buffers_reserve(LeafBuffers *buffers, int64_t sequences, int64_t tokens)
{
    if (sequences > buffers->sequence_capacity || !buffers->cu_seqlens) {
        size_t n = (size_t)sequences;
        buffers->cu_seqlens = mem_resize(buffers->cu_seqlens, n + 1, sizeof(int32_t));
        buffers->samples = mem_resize(buffers->samples, n, sizeof(int64_t));
        buffers->labels = mem_resize(buffers->labels, n, sizeof(int32_t));
        buffers->sequence_capacity = sequences;
    }
    if (tokens > buffers->token_capacity || !buffers->ids) {
        buffers->ids = mem_resize(buffers->ids, (size_t)tokens, sizeof(int32_t));
        buffers->types = mem_resize(buffers->types, (size_t)tokens, sizeof(int32_t));
        buffers->wanted = mem_resize(buffers->wanted, (size_t)tokens, 1);
        buffers->token_capacity = tokens;
    }
}

void leaf_pack(LeafBuffers *buffers, Packing *out, const Dataset *dataset, const int64_t *rows,
               int64_t count)
{
    int64_t tokens = 0, longest = 0, at = 0;
    bool typed = false;
    for (int64_t i = 0; i < count; i++) {
        int64_t length = dataset_length(dataset, rows[i]);
        tokens += length;
        if (length > longest) longest = length;
        typed |= dataset->type_starts[rows[i]] < length;
    }
    CHECK(tokens <= INT32_MAX, "a leaf of %lld tokens", (long long)tokens);
    leaf_buffers_reserve(buffers, count, tokens);
    for (int64_t i = 0; i < count; i++) {
        int64_t row = rows[i], first = dataset->offsets[row];
        int64_t length = dataset_length(dataset, row);
        buffers->cu_seqlens[i] = (int32_t)at;
        buffers->samples[i] = row;
        buffers->labels[i] = dataset->labels[row];
        memcpy(buffers->ids + at, dataset->ids + first, (size_t)length * sizeof(int32_t));
        if (dataset->wanted) memcpy(buffers->wanted + at, dataset->wanted + first, (size_t)length);
        for (int64_t t = 0; typed && t < length; t++)
            buffers->types[at + t] = t >= dataset->type_starts[row];
        at += length;
    }
    buffers->cu_seqlens[count] = (int32_t)at;
    buffers->has_wanted = dataset->wanted != NULL;
    *out = (Packing){ .sequences = count,
                      .tokens = tokens,
                      .longest = longest,
                      .cu_seqlens = buffers->cu_seqlens,
                      .samples = buffers->samples,
                      .ids = buffers->ids,
                      .types = typed ? buffers->types : NULL };
}
