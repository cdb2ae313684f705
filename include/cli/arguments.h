/// The words of a command line, sorted by the command's row.
#pragma once
#include "cli/commands.h"

/// Local. `words` are those after the command's name. Flags are --name value, --name=value, -l
/// value where the row has a letter, and --name alone for a switch; -- ends them; - is an argument.
/// A word with = and no / before it is an override where the row has keys. USAGE, with the usage
/// line, for an unknown flag (and the nearest name), a missing value, missing or surplus arguments.
/// The caller releases *out in any case.
Status arguments_read(Invocation *out, const Command *command, int count, char **words);
/// Local. True if the flag of this key was given, be it with an empty value.
bool arguments_has(const Invocation *invocation, const char *key);
void arguments_release(Invocation *invocation);
