/// Where a command writes a model file.
#pragma once
#include "base/status.h"

/// Local. Before anything is read for it: USAGE unless the folder of --output is there, and what
/// stands under the name, if anything, is a file of ours.
Status target_check(const char *path);
