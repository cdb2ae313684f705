/// The tokenizer of whatever names one on a command line.
#pragma once
#include "base/status.h"

/// Local. The text of the tokenizer.json of a model file or checkpoint, of a tokenizer.json, or of
/// a Hugging Face folder. The caller owns *json.
Status tokenizer_text_read(char **json, const char *path);
