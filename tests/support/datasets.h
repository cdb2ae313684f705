/// Data sets that tests prepare, in the folder of the test (support/folder.h).
#pragma once
#include "data/dataset.h"
#include "support/folder.h"

extern Comm world;
extern Tokenizer *tokenizer; ///< of 100 tokens

/// Collective. Starts MPI, makes the folder, loads a tokenizer.json.
COLLECTIVE
void datasets_start(const char *tokenizer_path);
COLLECTIVE
void datasets_stop(void);

/// Local. Options as the recipe's defaults are.
DataOptions options_for(const char *path);
/// Collective. Rank 0 writes FOLDER/NAME; all wait. Returns the path.
COLLECTIVE
const char *write_bytes(const char *name, const char *data, size_t bytes);
COLLECTIVE
const char *write_text(const char *name, const char *text);
COLLECTIVE
const char *make_subfolder(const char *name);
COLLECTIVE
void remove_tree(const char *path);

/// Collective over `comm`. As `dataset_prepare`, which must not fail.
COLLECTIVE
Dataset *prepare(const Comm *comm, const DataOptions *options, const char *folder);
/// Local. Equal contents, every bit.
void check_same_sets(const Dataset *a, const Dataset *b);
/// Collective. Prepares on all ranks and on each alone: contents and files are the same.
COLLECTIVE
Dataset *prepare_both(const DataOptions *options);
