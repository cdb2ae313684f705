#include "base/utf8.h"

/// By lead byte: length of the sequence and the range of its second byte.
typedef struct {
    unsigned char first, last, length, low, high;
} Lead;

static const Lead leads[] = {
    { 0xC2, 0xDF, 2, 0x80, 0xBF }, { 0xE0, 0xE0, 3, 0xA0, 0xBF }, { 0xE1, 0xEC, 3, 0x80, 0xBF },
    { 0xED, 0xED, 3, 0x80, 0x9F }, { 0xEE, 0xEF, 3, 0x80, 0xBF }, { 0xF0, 0xF0, 4, 0x90, 0xBF },
    { 0xF1, 0xF3, 4, 0x80, 0xBF }, { 0xF4, 0xF4, 4, 0x80, 0x8F },
};

static uint32_t decode_rare(int *bytes, const unsigned char *s, size_t left)
{
    const Lead *lead = NULL;
    for (size_t i = 0; i < sizeof leads / sizeof *leads && !lead; i++)
        if (s[0] >= leads[i].first && s[0] <= leads[i].last) lead = &leads[i];
    *bytes = 1;
    if (!lead || left < 2 || s[1] < lead->low || s[1] > lead->high) return UTF8_ILL_FORMED;
    uint32_t code = s[0] & (0xFFu >> (lead->length + 1));
    code = code << 6 | (s[1] & 0x3Fu);
    for (*bytes = 2; *bytes < lead->length; ++*bytes) {
        if ((size_t)*bytes >= left || (s[*bytes] & 0xC0) != 0x80) return UTF8_ILL_FORMED;
        code = code << 6 | (s[*bytes] & 0x3Fu);
    }
    return code;
}

uint32_t utf8_decode(int *bytes, const unsigned char *s, size_t left)
{
    if (s[0] < 0x80) {
        *bytes = 1;
        return s[0];
    }
    bool plain = left >= 3 && s[0] > 0xE0 && s[0] < 0xED; // most of the BMP, no bounds to check
    if (plain && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80) {
        *bytes = 3;
        return (s[0] & 0xFu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
    }
    return decode_rare(bytes, s, left);
}

uint32_t utf8_decode_before(int *bytes, const unsigned char *s, size_t end)
{
    for (size_t back = 1; back <= 4 && back <= end; back++) {
        if ((s[end - back] & 0xC0) == 0x80) continue;
        uint32_t code = utf8_decode(bytes, s + end - back, back);
        if ((size_t)*bytes == back) return code;
        break;
    }
    *bytes = 1;
    return UTF8_ILL_FORMED;
}

int utf8_encode(unsigned char out[4], uint32_t code)
{
    int bytes = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    if (bytes == 1) {
        out[0] = (unsigned char)code;
        return 1;
    }
    for (int i = bytes - 1; i > 0; i--, code >>= 6) out[i] = (unsigned char)(0x80 | (code & 0x3F));
    out[0] = (unsigned char)((0xF00 >> bytes) | code);
    return bytes;
}

bool utf8_is_text(const char *s, size_t bytes)
{
    int taken;
    for (size_t at = 0; at < bytes; at += (size_t)taken) {
        uint32_t code = utf8_decode(&taken, (const unsigned char *)s + at, bytes - at);
        if (code == UTF8_ILL_FORMED || !code) return false;
    }
    return true;
}

size_t utf8_count(const unsigned char *s, size_t bytes)
{
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += (s[i] & 0xC0) != 0x80;
    return count;
}
