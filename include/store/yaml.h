/// Recipes: YAML to settings. The only libyaml calls.
#pragma once
#include "base/options.h"

/// Local. Maps become dotted keys, lists canonical text ("[a, b]"), null the empty text. USAGE with
/// file and line for anything else: aliases, tags, several documents, a root that is no map.
/// Repeated keys are for `settings_check_once`. Settings read before the error stay in *out
/// (`settings_release`).
Status yaml_read(Settings *out, const char *path);
/// Local. As `yaml_read`, of a text; `where` stands for the path.
Status yaml_parse(Settings *out, const char *text, size_t bytes, const char *where);
/// Local. The version of the library in use.
const char *yaml_library(void);
