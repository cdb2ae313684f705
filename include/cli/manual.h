/// The command table for man(1) and for the shell.
#pragma once
#include "base/status.h"
#include "base/text.h"

/// Local. Writes temper.1 and temper-<command>.1 into an existing folder.
Status manual_write(const char *folder);
/// Local. Appends a completion script for bash.
void manual_completion(Text *out);
