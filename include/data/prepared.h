/// The file that a prepared data set is kept in.
#pragma once
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

/// Collective. Reads the file once a job. *out stays NULL if there is none of this key; a damaged
/// one, or one with ids outside [0, vocabulary), is warned of and counts as none. The caller owns
/// *out (`dataset_free`).
COLLECTIVE
Status prepared_read(const Comm *comm, Dataset **out, const char *path, const char *key,
                     int64_t vocabulary);
/// Collective. Every rank writes a part.
COLLECTIVE
Status prepared_write(const Comm *comm, const Dataset *dataset, const Source *source,
                      const char *tokenizer_key);
