/// Helpers to read a config.json in an architecture's file.
#pragma once
#include "model/model.h"

/// A whole number of the configuration.
typedef struct ConfigSize {
    const char *key;
    size_t place;           ///< in ModelSpec
    int64_t most, fallback; ///< fallback -1: it must be there; absent and null count as one
} ConfigSize;

/// Local. FAILED with `where` and the key for a number that is missing or not from 1 to `most`.
Status config_sizes(ModelSpec *out, const Json *config, const ConfigSize *rows, int count,
                    const char *where);
/// Local. FAILED unless it is a number from 0 to below 1; a negative `fallback`: it must be there.
Status config_rate(double *out, const Json *config, const char *key, double fallback,
                   const char *where);
/// Local. FAILED for a name that is missing or unknown.
Status config_activation(ActivationKind *out, const Json *config, const char *key,
                         const char *where);
/// Local. FAILED if the key is there and true.
Status config_refuse(const Json *config, const char *const *keys, int count, const char *where);
/// Local. Sets query_size and key_size. FAILED where heads do not divide `hidden_size` (if head_dim
/// is 0, which it then becomes) or one another.
Status config_heads(ModelSpec *out, const char *where);
