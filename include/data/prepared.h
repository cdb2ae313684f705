/// The file that a prepared data set is kept in.
#pragma once
#include "base/spool.h"
#include "data/arrays.h"
#include "data/source.h"

/// Local. Appends all that decides what the rows become, but for the contents of the files.
void prepared_options(Text *out, const Source *source, const char *tokenizer_key);
/// Collective. 32 digits of the hash of file contents (ranks share the blocks), tokenizer and the
/// options that matter. The caller owns *key.
COLLECTIVE
Status prepared_key(const Comm *comm, char **key, const Source *source, const char *tokenizer_key);

/// Collective. "hash  file" lines of all files; ranks share the files. The caller owns *out.
COLLECTIVE
Status source_sha256(const Comm *comm, char **out, const Source *source);

/// Collective. Maps the file and checks it once a job: ranks share the blocks and rows. *out is
/// NULL if there is no such file. FAILED, with what is wrong, for a file that is damaged, of
/// another key, or with ids outside [0, vocabulary). The caller owns *out (`dataset_free`).
COLLECTIVE
Status prepared_open(const Comm *comm, Dataset **out, const char *path, const char *key,
                     int64_t vocabulary);
/// Collective. Every rank writes its part. `dataset` has counts, names, path and keys; its arrays
/// are `mine` over all ranks.
COLLECTIVE
Status prepared_write(const Comm *comm, const Dataset *dataset,
                      const Spool *mine /* (ARRAY_COUNT) */, const Source *source,
                      const char *tokenizer_key);
