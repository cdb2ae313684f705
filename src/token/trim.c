#include "token/trim.h"
#include "base/utf8.h"
#include "token/byte_alphabet.h"
#include "token/unicode.h"

static bool is_space(uint32_t code)
{
    return code == byte_alphabet_code(' ') || code_set_has(&unicode_spaces, code);
}

TokenSpaces token_spaces(const unsigned char *text, size_t bytes)
{
    TokenSpaces spaces = { 0 };
    int taken;
    for (size_t at = 0; at < bytes && is_space(utf8_decode(&taken, text + at, bytes - at));
         at += (size_t)taken)
        spaces.leading++;
    for (; bytes && is_space(utf8_decode_before(&taken, text, bytes)); bytes -= (size_t)taken)
        spaces.trailing++;
    return spaces;
}

void trim_place(int32_t *start, int32_t *end, TokenSpaces spaces, const unsigned char *text)
{
    int taken;
    for (int32_t left = spaces.leading; left && *start < *end; left--, *start += taken)
        utf8_decode(&taken, text + *start, (size_t)(*end - *start));
    for (int32_t left = spaces.trailing; left && *end > *start; left--, *end -= taken)
        utf8_decode_before(&taken, text, (size_t)*end);
    if (*end < *start) *end = *start;
}
