/// Where a command writes a file of the user's choice.
#pragma once
#include "base/status.h"

/// Local. Before anything is read for it: USAGE unless the folder of --output is there, and what
/// stands under the name, if anything, is a file of tensors of ours.
Status target_check(const char *path);
/// Local. The same for a page.
Status target_check_page(const char *path);
