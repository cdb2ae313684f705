/// An open file of tensors, for what reads it.
#pragma once
#include "store/integrity.h"
#include "store/tensors.h"

typedef struct {
    TensorInfo info; ///< first: an info leads back to its tensor
    int64_t bytes, offset_bytes, block_first;
    void *copy; ///< owned: the elements, where they are not aligned in the file
} Tensor;

struct TensorFile {
    char *path; ///< owned
    int file;
    int64_t file_bytes;
    const void *map; ///< (file_bytes), made on first use
    Tensor *tensors; ///< owned
    int count;
    Value *values; ///< owned with their texts
    int value_count;
    char *table; ///< owned: the index as stored; paths point into it
    uint32_t *sums, table_crc;
    bool *sound; ///< (blocks): verified since the file was opened
    int64_t blocks;
    char *block; ///< (BLOCK_BYTES), owned, made on first use
};

/// Local. Bytes [begin, end) of a tensor, each block checked when it is first read.
Status tensor_read_bytes(TensorFile *file, const Tensor *tensor, int64_t begin, int64_t end,
                         char *out);
