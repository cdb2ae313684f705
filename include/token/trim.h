/// White space at the ends of a token, which trim_offsets takes from its place in the text.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// In characters.
typedef struct {
    int32_t leading, trailing;
} TokenSpaces;

/// Local. Of a token's text (bytes), spelled in the alphabet of bytes or not.
TokenSpaces token_spaces(const unsigned char *text, size_t bytes);

/// Local. Takes as many characters of the original `text` from the place [*start, *end).
void trim_place(int32_t *start, int32_t *end, TokenSpaces spaces, const unsigned char *text);
