/// Where a command writes a file of the user's choice.
#pragma once
#include "base/status.h"

/// Local. Before anything is read for it: USAGE unless the folder of --output is there, and what
/// stands under the name, if anything, is a file of tensors of ours, which `target_spares` what is
/// read.
Status target_check(const char *path, const char *input);
/// Local. The same for a page.
Status target_check_page(const char *path, const char *input);
/// Local. USAGE where `path` is `input` itself or among the files of a run, by links too: whether
/// something stands there or not, as a run would take it for its own.
Status target_spares(const char *path, const char *input);
