/// Safetensors files, read and written. Opening checks the header completely: lengths, offsets,
/// overlaps, holes, shapes, so that reading can only fail with the disk.
#pragma once
#include "base/status.h"

#include <stdint.h>

enum { SAFETENSORS_MAX_RANK = 8 };

typedef struct {
    const char *name;  ///< borrowed from the file
    const char *dtype; ///< "F32", "BF16", ...: static text
    int rank;
    int64_t dims[SAFETENSORS_MAX_RANK];
    int64_t elements;
} SafetensorsInfo;

typedef struct Safetensors Safetensors;

/// Local. PATH is a file, or a folder that holds model.safetensors or the index and shards of
/// model.safetensors.index.json. FAILED with the file, and the tensor and byte offset where there
/// is one.
Status safetensors_open(Safetensors **out, const char *path);
void safetensors_close(Safetensors *file); ///< NULL-safe
int safetensors_count(const Safetensors *file);
const SafetensorsInfo *safetensors_at(const Safetensors *file, int index);
/// Local. NULL if there is none of that name.
const SafetensorsInfo *safetensors_find(const Safetensors *file, const char *name);
/// Local. In the file, before any conversion.
int64_t safetensors_bytes(const SafetensorsInfo *info);
/// Local. An entry of `__metadata__` (the first shard's), NULL if absent.
const char *safetensors_metadata(const Safetensors *file, const char *key);
/// Local. Files that were opened (shards), and their paths: for provenance.
int safetensors_file_count(const Safetensors *file);
const char *safetensors_file_path(const Safetensors *file, int index);

/// Local. Elements [first, first + count) as F32 (F16, BF16 and F64 are converted). FAILED for
/// other element types, by name.
Status safetensors_read(float *out, const Safetensors *file, const SafetensorsInfo *info,
                        int64_t first, int64_t count);

/// Gives elements [first, first + count) of one tensor to the writer.
typedef Status (*SafetensorsPull)(float *out, const SafetensorsInfo *info, int64_t first,
                                  int64_t count, void *context);

/// Local. One F32 file (`dtype` of the infos is not read), tensors ordered by name; through a
/// temporary name, fsync and rename, so that PATH is whole or as before.
Status safetensors_write(const char *path, const SafetensorsInfo *infos, int count,
                         SafetensorsPull pull, void *context);
