/// Where a model is imported from: a Hugging Face folder or a GGUF file. Whatever it is, all is
/// given in Hugging Face's names, shapes and layouts.
#pragma once
#include "base/text.h"
#include "store/json.h"

#include <stdbool.h>

enum { ORIGIN_MAX_RANK = 8 };

typedef struct {
    char *name; ///< owned by the origin
    int rank;
    int64_t dims[ORIGIN_MAX_RANK];
    int64_t elements;
    const void *stored; ///< the kind's own
} OriginTensor;

typedef struct Origin Origin;

/// A kind of origin: one row of `kinds` (origin.c) and one file.
typedef struct {
    /// Local. True for paths that this kind is for.
    bool (*takes)(const char *path);
    /// Local. Fills configuration, chat template and tensors, in any order, and the hashes of what
    /// it reads.
    Status (*open)(Origin *origin);
    /// Local. The text of a tokenizer.json, owned by the caller; `where` names its file afterwards.
    Status (*tokenizer)(char **json, Origin *origin);
    /// Local. The whole tensor as F32.
    Status (*read)(float *out, const Origin *origin, const OriginTensor *tensor);
    void (*close)(Origin *origin); ///< NULL-safe for what `open` did not reach
} OriginKind;
extern const OriginKind origin_folder, origin_gguf;

struct Origin {
    const OriginKind *kind;
    const char *path;   ///< borrowed
    bool config_only;   ///< weights are not looked for
    void *weights;      ///< the kind's own
    Json *config;       ///< config.json
    Text chat_template; ///< Jinja; empty if there is none
    Text where;         ///< file that was read last, for messages
    Text hashes;        ///< one line a file: SHA-256 and name
    OriginTensor *tensors;
    int count;
};

/// Local. PATH lasts as long as the origin. FAILED for what cannot be read or is not consistent.
Status origin_open(Origin **out, const char *path);
/// Local. The same without weights.
Status origin_open_config(Origin **out, const char *path);
void origin_close(Origin *origin); ///< NULL-safe
/// Local. NULL if there is none of that name.
const OriginTensor *origin_find(const Origin *origin, const char *name);

/// Local, for kinds. Adds a tensor without sizes, and the hash of a file.
OriginTensor *origin_add(Origin *origin, const char *name);
Status origin_add_hash(Origin *origin, const char *path);
