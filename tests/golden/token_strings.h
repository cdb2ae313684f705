/// The strings of token_strings.py.
#pragma once
#include "base/text.h"
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

typedef struct {
    uint64_t state;
} Draws;

/// splitmix64
static inline uint32_t draw_below(Draws *draws, uint32_t n)
{
    uint64_t z = draws->state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (uint32_t)(((z ^ (z >> 31)) >> 11) % n);
}

static const uint32_t string_ranges[][2] = {
    { 0x61, 0x7A },       { 0x61, 0x7A },       { 0x61, 0x7A },       { 0x41, 0x5A },
    { 0x30, 0x39 },       { 0x20, 0x20 },       { 0x20, 0x20 },       { 0x00, 0x7F },
    { 0x21, 0x2F },       { 0xA0, 0x24F },      { 0x300, 0x36F },     { 0x370, 0x52F },
    { 0x590, 0x8FF },     { 0x900, 0xDFF },     { 0xE00, 0xFFF },     { 0x1100, 0x11FF },
    { 0x1B00, 0x1BFF },   { 0x1D00, 0x1FFF },   { 0x2000, 0x20FF },   { 0x3000, 0x30FF },
    { 0x4E00, 0x9FFF },   { 0xAC00, 0xD7A3 },   { 0xE000, 0xFFFF },   { 0x10000, 0x10FFF },
    { 0x11000, 0x11FFF }, { 0x1D100, 0x1D1FF }, { 0x1E000, 0x1E94F }, { 0x1F300, 0x1FAFF },
    { 0x20000, 0x2A6DF }, { 0x2A700, 0x2CEAF }, { 0x2F800, 0x2FA1F }, { 0, 0x10FFFF },
};
enum { STRING_RANGES = sizeof string_ranges / sizeof *string_ranges };

/// A text repeated.
typedef struct {
    const char *text;
    int times;
} StringWord;

static const StringWord string_words[] = {
    { "[CLS]", 1 },
    { "[SEP]", 1 },
    { "[MASK]", 1 },
    { "[UNK]", 1 },
    { "[PAD]", 1 },
    { "[cls]", 1 },
    { "[[SEP]]", 1 },
    { "<one>", 1 },
    { "<left>", 1 },
    { "<right>", 1 },
    { "Caf\xC3\xA9", 1 },
    { "\xE4\xBD\xA0\xE5\xA5\xBD", 1 },
    { "the", 1 },
    { "unaffable", 1 },
    { "Tokenization", 1 },
    { "don't", 1 },
    { "e-mail", 1 },
    { "a", 99 },
    { "b", 100 },
    { "c", 101 },
    { "\xC3\xA9", 100 },
    { "e\xCC\x81", 101 },
    { "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7", 1 },
    { "\xEF\xB8\x8F", 1 },
    { "\xF0\x9F\x8F\xBD", 1 },
    { "\xED\xA0\x80", 1 },
    { "\xC0\xAF", 1 },
    { "\xF4\x90\x80\x80", 1 },
    { "\xF0\x9F\x98", 1 },
    { "\xE4\xB8", 1 },
    { "\xEF\xBF\xBD", 1 },
    { "\xE2\x80\x8B", 1 },
    { "\xC4\xB0", 1 },
    { "\xCE\xA3\xCE\xA3", 1 },
    { "\xE3\x80\xAE\xE1\xAD\x84\xCC\x81", 1 },
    { "\xF0\x9D\x85\xA0\xF0\x9D\x85\xA5\xCC\x96", 1 },
    { "\xCC\x81\xE1\xAD\x84", 1 },
    { "\xEA\xB0\x80", 1 },
    { "\xEF\xBC\xA1\xEF\xBC\xA2", 1 },
    { "\xC2\xA0", 1 },
    { "\t\r\n", 1 },
};
enum { STRING_WORDS = sizeof string_words / sizeof *string_words };

static inline void append_code(Text *out, uint32_t code)
{
    unsigned char bytes[4];
    text_append_bytes(out, bytes, (size_t)utf8_encode(bytes, code));
}

/// String number `index`, not always well-formed UTF-8, replaces *out.
static inline void make_string(Text *out, uint64_t index)
{
    Draws draws = { index * 0x1000003 };
    text_clear(out);
    for (uint32_t parts = 1 + draw_below(&draws, 12); parts; parts--) {
        uint32_t kind = draw_below(&draws, STRING_RANGES + 6);
        if (kind == STRING_RANGES) {
            for (uint32_t n = 1 + draw_below(&draws, 3); n; n--) {
                char byte = (char)(0x80 + draw_below(&draws, 0x80));
                text_append_bytes(out, &byte, 1);
            }
        } else if (kind > STRING_RANGES) {
            const StringWord *word = &string_words[draw_below(&draws, STRING_WORDS)];
            for (int i = 0; i < word->times; i++) text_append(out, word->text);
        } else {
            const uint32_t *range = string_ranges[kind];
            for (uint32_t n = 1 + draw_below(&draws, 6); n; n--)
                append_code(out, range[0] + draw_below(&draws, range[1] - range[0] + 1));
        }
    }
}

/// What split rules and compositions turn on.
typedef struct {
    const char *text;
    size_t bytes;
} StringAtom;

// clang-format off
static const StringAtom string_atoms[] = {
    { " ", 1 }, { " ", 1 }, { "  ", 2 }, { "\x0A", 1 }, { "\x0D\x0A", 2 }, { "\x09", 1 },
    { "\xC2\xA0", 2 }, { "\xE3\x80\x80", 3 }, { "\xC2\x85", 2 }, { "'s", 2 }, { "'S", 2 },
    { "'\xC5\xBF", 3 }, { "'re", 3 }, { "'LL", 3 }, { "'ve", 3 }, { "'x", 2 }, { "'", 1 },
    { "a", 1 }, { "the", 3 }, { "A", 1 }, { "Ab", 2 }, { "aB", 2 }, { "Hello", 5 },
    { "\xC7\x85", 2 }, { "\xCA\xB0", 2 }, { "\xC2\xAA", 2 }, { "\xE4\xB8\xAD", 3 },
    { "\xE4\xBD\xA0\xE5\xA5\xBD", 6 }, { "\xCC\x81", 2 }, { "\xCC\xA3", 2 }, { "1", 1 },
    { "12", 2 }, { "2024", 4 }, { "\xC2\xB2", 2 }, { "\xE2\x85\xA7", 3 }, { "\xD9\xA3", 2 },
    { ".", 1 }, { "!?", 2 }, { "/", 1 }, { "_", 1 }, { "...", 3 }, { "\xC3\xA9", 2 }, { "e", 1 },
    { "\xE1\x84\x80", 3 }, { "\xE1\x85\xA1", 3 }, { "\xE1\x86\xA8", 3 }, { "\xEA\xB0\x80", 3 },
    { "\xE0\xA4\x95\xE0\xA4\xBC", 6 }, { "\xE1\xB8\x8B", 3 }, { "\xCD\x84", 2 },
    { "\xE2\x84\xA6", 3 }, { "\xE2\x96\x81", 3 }, { "<mask>", 6 }, { "<|endoftext|>", 13 },
    { "<|begin_of_text|>", 17 }, { "<|im_end|>", 10 }, { "<s>", 3 }, { "</s>", 4 },
    { "\xF0\x9F\x98\x80", 4 }, { "\x00", 1 }, { "\x7F", 1 }, { "\xC2\xAD", 2 },
};
// clang-format on
enum { STRING_ATOMS = sizeof string_atoms / sizeof *string_atoms };

/// String number `index` of atoms, well-formed, replaces *out.
static inline void make_atoms(Text *out, uint64_t index)
{
    Draws draws = { index * 0x1000003 + 1 };
    text_clear(out);
    for (uint32_t parts = 1 + draw_below(&draws, 16); parts; parts--) {
        const StringAtom *atom = &string_atoms[draw_below(&draws, STRING_ATOMS)];
        text_append_bytes(out, atom->text, atom->bytes);
    }
}
