/// UTF-8 one code point at a time.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_ILL_FORMED  UINT32_MAX
#define UTF8_REPLACEMENT 0xFFFDu

/// Local. The code point at `s` and the bytes it takes. Ill-formed: UTF8_ILL_FORMED with the length
/// of the maximal subpart (Unicode 15, 3.9, table 3-8), as Python's errors='replace' cuts it.
/// left >= 1.
uint32_t utf8_decode(int *bytes, const unsigned char *s, size_t left);
/// Local. The code point that ends at s[end - 1] (end >= 1), UTF8_ILL_FORMED if none does; and its
/// bytes, or those of the maximal subpart that ends there.
uint32_t utf8_decode_before(int *bytes, const unsigned char *s, size_t end);
/// Local. Writes 1 to 4 bytes and returns how many.
int utf8_encode(unsigned char out[4], uint32_t code);
/// Local. True for well-formed text without a NUL.
bool utf8_is_text(const char *s, size_t bytes);
/// Local. Code points of a well-formed text.
size_t utf8_count(const unsigned char *s, size_t bytes);
