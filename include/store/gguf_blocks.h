/// The element types of GGUF files. A tensor is a row of blocks, each of so many elements.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { GGUF_BLOCK_ELEMENTS = 256 }; ///< of the longest block

typedef struct {
    uint32_t id; ///< as files number it
    const char *name;
    int elements, bytes; ///< of a block
    /// Local. `count` elements of whole blocks at any address. NULL: this program does not read it.
    void (*dequantise)(float *out, const void *blocks, int64_t count);
    /// Local. `count` elements, whole blocks. False if the type cannot hold one of them: NaN,
    /// infinite or too large. NULL: this program does not write it.
    bool (*quantise)(void *blocks, const float *in, int64_t count);
} GgufType;

const GgufType *gguf_type(uint32_t id); ///< NULL if unknown
const GgufType *gguf_type_named(const char *name);
