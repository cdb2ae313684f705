/// What a person reads of the command table.
#pragma once
#include "cli/commands.h"

/// Local. Appends "temper import SRC -o OUTPUT [flags]", without a newline.
void help_usage(Text *out, const Command *command);
/// Local. Appends the text of `temper COMMAND --help`.
void help_command(Text *out, const Command *command);
/// Local. Appends the text of `temper --help`.
void help_overview(Text *out);
/// Local. Appends docs/OPTIONS.md.
void help_markdown(Text *out);
