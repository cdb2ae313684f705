#include "token/byte_alphabet.h"
#include "base/utf8.h"

#include <string.h>

/// Printable characters of Latin-1 stand for themselves, the other bytes come after it, in order.
enum { AFTER = 0x100, CONTROLS = 0x21, HIGH_FIRST = 0x7F, HIGH_END = 0xA1, SOFT_HYPHEN = 0xAD };
enum { HIGH_AFTER = AFTER + CONTROLS, LAST = HIGH_AFTER + HIGH_END - HIGH_FIRST };

uint32_t byte_alphabet_code(unsigned char byte)
{
    if (byte < CONTROLS) return AFTER + (uint32_t)byte;
    if (byte >= HIGH_FIRST && byte < HIGH_END) return HIGH_AFTER + (uint32_t)byte - HIGH_FIRST;
    return byte == SOFT_HYPHEN ? LAST : byte;
}

int byte_alphabet_byte(uint32_t code)
{
    if (code < AFTER) return byte_alphabet_code((unsigned char)code) == code ? (int)code : -1;
    if (code < HIGH_AFTER) return (int)code - AFTER;
    if (code < LAST) return (int)code - HIGH_AFTER + HIGH_FIRST;
    return code == LAST ? SOFT_HYPHEN : -1;
}

void byte_alphabet_spell(Text *out, const unsigned char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unsigned char spelled[4];
        int length = utf8_encode(spelled, byte_alphabet_code(bytes[i]));
        text_append_bytes(out, spelled, (size_t)length);
    }
}

bool byte_alphabet_read(Text *out, const char *characters)
{
    size_t before = out->length_bytes, left = strlen(characters);
    int taken;
    for (const char *s = characters; left; s += taken, left -= (size_t)taken) {
        int byte = byte_alphabet_byte(utf8_decode(&taken, (const unsigned char *)s, left));
        if (byte < 0) {
            out->length_bytes = before;
            return false;
        }
        text_append_bytes(out, &(char){ (char)byte }, 1);
    }
    return true;
}
