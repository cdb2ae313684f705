/// The printable alphabet of byte-level tokenizers (Radford et al., "Language models are
/// unsupervised multitask learners", 2019): every byte has a character of its own, so that any text
/// is made of 256 characters none of which is white space.
#pragma once
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

uint32_t byte_alphabet_code(unsigned char byte);
/// Local. The byte that a character stands for, -1 if it stands for none.
int byte_alphabet_byte(uint32_t code);

/// Local. Appends the characters of `bytes` (count); the bytes of well-formed `characters`, or
/// nothing and false if one of them stands for no byte.
void byte_alphabet_spell(Text *out, const unsigned char *bytes, size_t count);
bool byte_alphabet_read(Text *out, const char *characters);
