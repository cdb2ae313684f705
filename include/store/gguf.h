/// GGUF files (versions 2 and 3), read and written. Opening checks the header completely: lengths,
/// counts, types, shapes, alignment, offsets, overlaps, so that reading can only fail with the
/// disk.
#pragma once
#include "base/text.h"

#include <stdint.h>

enum { GGUF_MAX_RANK = 4 };

/// A tensor. The file has the sizes in the reverse order: its first is dims[rank - 1].
typedef struct {
    const char *name; ///< borrowed from the file
    const char *type; ///< "F32", "Q4_K", ...: static text
    int rank;
    int64_t dims[GGUF_MAX_RANK]; ///< row-major
    int64_t elements;
} GgufInfo;

typedef enum { GGUF_TEXT, GGUF_INT, GGUF_REAL, GGUF_BOOL } GgufKind;

/// An entry of the metadata: a value, or an array of values of one kind.
typedef struct {
    const char *key; ///< borrowed from the file
    GgufKind kind;
    bool array;
    int64_t count; ///< 1 if it is no array
} GgufValue;

typedef struct Gguf Gguf;

/// Local. FAILED with the file, and the key or tensor and the byte offset where there is one.
Status gguf_open(Gguf **out, const char *path);
void gguf_close(Gguf *file); ///< NULL-safe
const char *gguf_path(const Gguf *file);

/// Local. The metadata in byte order of the keys.
int gguf_value_count(const Gguf *file);
const GgufValue *gguf_value_at(const Gguf *file, int index);
const GgufValue *gguf_value(const Gguf *file, const char *key); ///< NULL if absent
/// Local. The value of that key if it is one of that kind and no array, else the fallback.
const char *gguf_text(const Gguf *file, const char *key, const char *fallback);
int64_t gguf_int(const Gguf *file, const char *key, int64_t fallback);
double gguf_real(const Gguf *file, const char *key, double fallback); ///< integers too
bool gguf_bool(const Gguf *file, const char *key, bool fallback);
/// Local. Element `index` of 0 .. count - 1 of a value of that kind. Whole numbers beyond INT64_MAX
/// are INT64_MAX. A text ends with NUL and may hold others.
const char *gguf_text_at(const GgufValue *value, int64_t index);
size_t gguf_text_bytes_at(const GgufValue *value, int64_t index);
int64_t gguf_int_at(const GgufValue *value, int64_t index); ///< of BOOL: 0 or 1
double gguf_real_at(const GgufValue *value, int64_t index); ///< of INT too

/// Local. The tensors in byte order of their names.
int gguf_count(const Gguf *file);
const GgufInfo *gguf_at(const Gguf *file, int index);
const GgufInfo *gguf_find(const Gguf *file, const char *name); ///< NULL if absent
int64_t gguf_bytes(const GgufInfo *info);                      ///< in the file
/// Local. Elements [first, first + count) as F32. FAILED for element types that are not read, by
/// name.
Status gguf_read(float *out, const Gguf *file, const GgufInfo *info, int64_t first, int64_t count);

/// Metadata to write. `(GgufHeader){0}` is empty; `gguf_header_release` frees it.
typedef struct {
    Text bytes;
    int64_t count;
} GgufHeader;

/// Local. Appends an entry, with the width that readers of the format expect. Keys are not
/// repeated.
void gguf_put_text(GgufHeader *header, const char *key, const char *value);
void gguf_put_u32(GgufHeader *header, const char *key, uint32_t value);
void gguf_put_f32(GgufHeader *header, const char *key, float value);
void gguf_put_bool(GgufHeader *header, const char *key, bool value);
void gguf_put_texts(GgufHeader *header, const char *key, const char *const *values, int64_t count);
void gguf_put_i32s(GgufHeader *header, const char *key, const int32_t *values, int64_t count);
void gguf_put_f32s(GgufHeader *header, const char *key, const float *values, int64_t count);
void gguf_header_release(GgufHeader *header);

/// Gives elements [first, first + count) of one tensor to the writer.
typedef Status (*GgufPull)(float *out, const GgufInfo *info, int64_t first, int64_t count,
                           void *context);

/// Local. One file: the metadata, then the tensors in the order given, each of the type that its
/// info names: F32, F16 (nearest, ties to even) or Q8_0 (rows of a multiple of 32, as ggml
/// quantises). Through a temporary name, fsync and rename, so that PATH is whole or as before.
/// FAILED where a type cannot hold a value: what is not finite or too large for it.
Status gguf_write(const char *path, const GgufHeader *header, const GgufInfo *infos, int count,
                  GgufPull pull, void *context);
