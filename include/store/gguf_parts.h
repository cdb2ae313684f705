/// What an open GGUF file is made of: gguf_header.c parses it, gguf.c checks it and
/// answers from it.
#pragma once
#include "store/gguf.h"
#include "store/gguf_blocks.h"

/// A type of the metadata; `bytes` is 0 for texts.
typedef struct {
    int bytes;
    GgufKind kind;
    bool has_sign;
} GgufValueType;

/// A text of the header, by offset while that grows.
typedef struct {
    size_t at, bytes;
} GgufSpan;

typedef struct {
    GgufValue value; ///< first: a value leads back to its entry
    const GgufValueType *type;
    const unsigned char *header; ///< borrowed from the file
    GgufSpan key;
    size_t at;       ///< of the elements, but texts
    GgufSpan *texts; ///< (count), owned
} GgufEntry;

typedef struct {
    GgufInfo info; ///< first: an info leads back to its tensor
    const GgufType *type;
    GgufSpan name;
    uint64_t offset;      ///< in the data, as the file says it
    int64_t begin, bytes; ///< in the file
} GgufStored;

struct Gguf {
    char *path; ///< owned
    int file;
    int64_t file_bytes;
    unsigned char *header; ///< owned: the file up to the data
    size_t have, at;       ///< bytes of it that were read, and that were parsed
    GgufEntry *entries;    ///< owned
    int64_t entry_count;
    GgufStored *tensors; ///< owned
    int64_t tensor_count;
};

/// Local. The lists of entries and tensors, their places in the data not yet checked.
Status gguf_parse_header(Gguf *file);
/// Local. A number of 1 to 8 bytes.
uint64_t gguf_number(const unsigned char *at, int bytes);
