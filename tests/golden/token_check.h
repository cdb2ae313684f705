/// What test_wordpiece.c and test_bpe.c share: encodings of generated strings against the hashes of
/// make_tokens.py and make_bpe.py, single cases, and the answers to compare_tokens.py.
#pragma once
#include "base/mem.h"
#include "base/text.h"
#include "golden/token_strings.h"
#include "store/json.h"
#include "support/check.h"
#include "token/tokenizer.h"

#include <stdlib.h>

enum { STRINGS = 100000, PAIRS = 20000, LONGER_PAIRS = 5000, CHUNK = 1000, CODE_CHUNK = 0x4000 };

static inline char *read_file(const char *name, size_t *bytes)
{
    Text path = { 0 };
    char *data = NULL;
    text_printf(&path, "%s/tokens/%s", TEST_FOLDER, name);
    if (text_read_file(&data, bytes, path.data)) check_failed(name, 0, "%s", status_message());
    text_release(&path);
    return data ? data : mem_copy_text("");
}

static inline Tokenizer *new_tokenizer(const char *json, size_t bytes, const char *name)
{
    Tokenizer *tokenizer = NULL;
    if (tokenizer_new(&tokenizer, json, bytes, name)) check_failed(name, 0, "%s", status_message());
    return tokenizer;
}

/// zlib's CRC-32.
static inline uint32_t crc(uint32_t value, const void *data, size_t bytes)
{
    static uint32_t table[256];
    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t entry = i;
        for (int bit = 0; bit < 8; bit++) entry = entry >> 1 ^ (entry & 1 ? 0xEDB88320u : 0);
        table[i] = entry;
    }
    const unsigned char *s = data;
    value = ~value;
    for (size_t i = 0; i < bytes; i++) value = table[(value ^ s[i]) & 0xFF] ^ value >> 8;
    return ~value;
}

static inline uint32_t crc_encoding(uint32_t value, const Encoding *encoding)
{
    int32_t count = (int32_t)encoding->count;
    size_t bytes = (size_t)count * sizeof count;
    value = crc(value, &count, sizeof count);
    value = crc(value, encoding->ids, bytes);
    value = crc(value, encoding->types, bytes);
    value = crc(value, encoding->starts, bytes);
    return crc(value, encoding->ends, bytes);
}

/// The CRC of results [first, first + count) of one kind.
typedef uint32_t (*ChunkFunction)(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                  uint64_t count);

static inline uint32_t chunk_strings(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                     uint64_t count)
{
    Text text = { 0 };
    uint32_t value = 0;
    for (uint64_t i = first; i < first + count; i++) {
        make_string(&text, i);
        tokenizer_encode(tokenizer, encoding, text_chars(&text), text.length_bytes, NULL, 0, 0);
        value = crc_encoding(value, encoding);
    }
    text_release(&text);
    return value;
}

static inline uint32_t chunk_atoms(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                   uint64_t count)
{
    Text text = { 0 };
    uint32_t value = 0;
    for (uint64_t i = first; i < first + count; i++) {
        make_atoms(&text, i);
        tokenizer_encode(tokenizer, encoding, text_chars(&text), text.length_bytes, NULL, 0, 0);
        value = crc_encoding(value, encoding);
    }
    text_release(&text);
    return value;
}

static inline uint32_t chunk_cut(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                 uint64_t count, int64_t least)
{
    Text text = { 0 }, pair = { 0 };
    uint32_t value = 0;
    for (uint64_t i = first; i < first + count; i++) {
        make_string(&text, i);
        make_string(&pair, i + 1);
        tokenizer_encode(tokenizer, encoding, text_chars(&text), text.length_bytes,
                         text_chars(&pair), pair.length_bytes, least + (int64_t)(i % 40));
        value = crc_encoding(value, encoding);
    }
    text_release(&pair);
    text_release(&text);
    return value;
}

static inline uint32_t chunk_pairs(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                   uint64_t count)
{
    return chunk_cut(tokenizer, encoding, first, count, 3);
}

/// For templates with up to four special tokens.
static inline uint32_t chunk_longer_pairs(const Tokenizer *tokenizer, Encoding *encoding,
                                          uint64_t first, uint64_t count)
{
    return chunk_cut(tokenizer, encoding, first, count, 4);
}

static inline uint32_t chunk_codes(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                   uint64_t count)
{
    uint32_t value = 0;
    for (uint64_t code = first; code < first + count; code++) {
        unsigned char bytes[6] = { 'a' };
        int length = utf8_encode(bytes + 1, (uint32_t)code);
        bytes[length + 1] = 'b';
        const char *s = (const char *)bytes;
        tokenizer_encode(tokenizer, encoding, s + 1, (size_t)length, NULL, 0, 0);
        value = crc_encoding(value, encoding);
        tokenizer_encode(tokenizer, encoding, s, (size_t)length + 2, NULL, 0, 0);
        value = crc_encoding(value, encoding);
    }
    return value;
}

/// The count of bytes and the bytes of what the ids of string i are decoded to.
static inline uint32_t chunk_decoded(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                                     uint64_t count)
{
    Text text = { 0 };
    uint32_t value = 0;
    for (uint64_t i = first; i < first + count; i++) {
        make_string(&text, i);
        tokenizer_encode(tokenizer, encoding, text_chars(&text), text.length_bytes, NULL, 0, 0);
        tokenizer_decode(&text, tokenizer, encoding->ids, encoding->count, i % 2);
        int32_t bytes = (int32_t)text.length_bytes;
        value = crc(value, &bytes, sizeof bytes);
        value = crc(value, text_chars(&text), text.length_bytes);
    }
    text_release(&text);
    return value;
}

static const struct {
    const char *name;
    ChunkFunction run;
    uint64_t total, chunk;
} kinds[] = {
    { "strings", chunk_strings, STRINGS, CHUNK },
    { "atoms", chunk_atoms, STRINGS, CHUNK },
    { "pairs", chunk_pairs, PAIRS, CHUNK },
    { "longer-pairs", chunk_longer_pairs, LONGER_PAIRS, CHUNK },
    { "codes", chunk_codes, 0x110000, CODE_CHUNK },
    { "decoded", chunk_decoded, STRINGS, CHUNK },
};

/// The hashes of one line of hashes.txt, NULL if it is not there.
static const char *find_hashes(const char *hashes, const char *name, const char *kind)
{
    Text key = { 0 };
    text_printf(&key, "%s %s ", name, kind);
    const char *line = hashes;
    while (line && strncmp(line, key.data, key.length_bytes)) {
        line = strchr(line, '\n');
        if (line) line++;
    }
    const char *found = line ? line + key.length_bytes : NULL;
    text_release(&key);
    return found;
}

static inline uint32_t next_hash(const char **hashes)
{
    char *end;
    uint32_t value = (uint32_t)strtoul(*hashes, &end, 16);
    *hashes = end;
    return value;
}

/// Every kind that the file holds for this tokenizer; at least two.
static inline void check_hashes(const Tokenizer *tokenizer, const char *hashes_file,
                                const char *name)
{
    size_t bytes;
    char *file = read_file(hashes_file, &bytes);
    Encoding encoding = { 0 };
    int found = 0;
    for (size_t k = 0; tokenizer && k < sizeof kinds / sizeof *kinds; k++) {
        const char *hashes = find_hashes(file, name, kinds[k].name);
        found += hashes != NULL;
        for (uint64_t first = 0; hashes && first < kinds[k].total; first += kinds[k].chunk) {
            uint32_t got = kinds[k].run(tokenizer, &encoding, first, kinds[k].chunk);
            uint32_t expected = next_hash(&hashes);
            if (got != expected)
                check_failed(__FILE__, __LINE__, "%s, %s from %llu: %08x, expected %08x", name,
                             kinds[k].name, (unsigned long long)first, got, expected);
        }
    }
    CHECK_TRUE(found >= 2);
    encoding_release(&encoding);
    mem_free(file);
}

/// {"text": ...} or {"hex": ...}
static inline void append_readable(Text *out, const Json *value)
{
    const char *hex = json_text(json_get(value, "hex"), "");
    text_append(out, json_text(json_get(value, "text"), ""));
    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = { hex[0], hex[1] }, byte = (char)strtoul(digits, NULL, 16);
        text_append_bytes(out, &byte, 1);
    }
}

static inline bool same_numbers(const Json *expected, const int32_t *got, int64_t count)
{
    bool same = json_size(expected) == count;
    for (int64_t i = 0; same && i < count; i++) same = json_int(json_at(expected, i), -1) == got[i];
    return same;
}

static inline void check_case(const Tokenizer *tokenizer, Encoding *encoding, const Json *row,
                              int64_t i)
{
    Text first = { 0 }, second = { 0 };
    const Json *pair = json_get(row, "second");
    append_readable(&first, json_get(row, "first"));
    append_readable(&second, pair);
    tokenizer_encode(tokenizer, encoding, text_chars(&first), first.length_bytes,
                     pair ? text_chars(&second) : NULL, second.length_bytes,
                     json_int(json_get(row, "max_length"), -1));
    if (!same_numbers(json_get(row, "ids"), encoding->ids, encoding->count) ||
        !same_numbers(json_get(row, "types"), encoding->types, encoding->count) ||
        !same_numbers(json_get(row, "starts"), encoding->starts, encoding->count) ||
        !same_numbers(json_get(row, "ends"), encoding->ends, encoding->count))
        check_failed("case", (int)i + 1, "other tokens for '%s'", text_chars(&first));
    text_release(&second);
    text_release(&first);
}

/// `load` makes the tokenizer that a case names.
static inline void check_cases(const char *cases_file, Tokenizer *(*load)(const char *name))
{
    size_t bytes;
    char *text = read_file(cases_file, &bytes);
    Json *rows = NULL;
    Tokenizer *tokenizer = NULL;
    Encoding encoding = { 0 };
    const char *last = "";
    CHECK_EQ(json_parse(&rows, text, bytes, cases_file), OK);
    CHECK_TRUE(json_size(rows) > 50);
    for (int64_t i = 0; i < json_size(rows); i++) {
        const char *name = json_text(json_get(json_at(rows, i), "tokenizer"), "");
        if (strcmp(name, last)) {
            tokenizer_free(tokenizer);
            tokenizer = load(name);
            last = name;
        }
        if (tokenizer) check_case(tokenizer, &encoding, json_at(rows, i), i);
    }
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    json_free(rows);
    mem_free(text);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// A length and as many bytes from standard input; false at its end.
static inline bool read_question(Text *out, uint32_t bytes)
{
    char block[4096];
    text_clear(out);
    while (bytes) {
        size_t want = bytes < sizeof block ? bytes : sizeof block;
        if (fread(block, 1, want, stdin) != want) return false;
        text_append_bytes(out, block, want);
        bytes -= (uint32_t)want;
    }
    return true;
}

/// Questions are uint32 {bytes, bytes of the pair or UINT32_MAX, max_length} and the bytes; answers
/// are a count and then ids, types, starts, ends.
static inline int dump(const char *path)
{
    char *json = NULL;
    size_t bytes;
    Tokenizer *tokenizer = NULL;
    Encoding encoding = { 0 };
    Text text = { 0 }, pair = { 0 };
    if (text_read_file(&json, &bytes, path) || tokenizer_new(&tokenizer, json, bytes, path)) {
        fprintf(stderr, "%s\n", status_message());
        mem_free(json);
        return EXIT_FAILURE;
    }
    for (uint32_t head[3]; fread(head, sizeof head, 1, stdin) == 1;) {
        bool single = head[1] == UINT32_MAX;
        if (!read_question(&text, head[0]) || !read_question(&pair, single ? 0 : head[1])) break;
        tokenizer_encode(tokenizer, &encoding, text_chars(&text), text.length_bytes,
                         single ? NULL : text_chars(&pair), pair.length_bytes, head[2]);
        int32_t count = (int32_t)encoding.count;
        int32_t *const lists[] = { encoding.ids, encoding.types, encoding.starts, encoding.ends };
        fwrite(&count, sizeof count, 1, stdout);
        for (int i = 0; i < 4; i++) fwrite(lists[i], sizeof count, (size_t)count, stdout);
    }
    text_release(&pair);
    text_release(&text);
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    mem_free(json);
    return EXIT_SUCCESS;
}
