/// What a code point is. The only utf8proc calls: what Unicode promises never to change comes from
/// the library, what differs between versions from token/unicode_tables.h, so that ids do not
/// depend on the installed version.
#pragma once
#include "token/unicode_tables.h"

#include <stdbool.h>

#define UNICODE_DECOMPOSED_MAX 4

bool code_set_has(const CodeSet *set, uint32_t code);

/// Local. Canonical decomposition; `code` alone if it has none. Returns the count.
int unicode_decompose(uint32_t out[UNICODE_DECOMPOSED_MAX], uint32_t code);
int unicode_combining_class(uint32_t code);
/// Local. Lower case of one code point without context; 1 or 2 codes. Returns the count.
int unicode_lower(uint32_t out[2], uint32_t code);
/// Local. \w of a regular expression: letters, marks, decimal digits, connectors, joiners.
bool unicode_is_word(uint32_t code);
/// Local. The version of utf8proc in use.
const char *unicode_library(void);
