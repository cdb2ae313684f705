/* TEST labels=token timeout=300 */
#include "base/mem.h"
#include "base/text.h"
#include "golden/token_strings.h"
#include "store/json.h"
#include "support/check.h"
#include "token/normalize.h"
#include "token/tokenizer.h"

#include <stdlib.h>

// Ids, types and byte ranges against Hugging Face `tokenizers` (tests/golden/make_tokens.py).
// `test_wordpiece --dump TOKENIZER.json` answers the questions of compare_tokens.py.

enum { STRINGS = 100000, PAIRS = 20000, CHUNK = 1000, CODE_CHUNK = 0x4000 };

typedef struct {
    const char *name, *config; ///< of tokenizer_config.json, for vocab.txt
} Variant;

static const Variant variants[] = {
    { "uncased", "{}" },
    { "cased", "{\"do_lower_case\": false}" },
    { "accents", "{\"strip_accents\": false}" },
    { "no-chinese", "{\"do_lower_case\": false, \"tokenize_chinese_chars\": false,"
                    " \"strip_accents\": true}" },
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static char *read_file(const char *name, size_t *bytes)
{
    Text path = { 0 };
    char *data = NULL;
    text_printf(&path, "%s/tokens/%s", TEST_FOLDER, name);
    if (text_read_file(&data, bytes, path.data)) check_failed(name, 0, "%s", status_message());
    text_release(&path);
    return data ? data : mem_copy_text("");
}

static Tokenizer *new_tokenizer(const char *json, size_t bytes, const char *name)
{
    Tokenizer *tokenizer = NULL;
    if (tokenizer_new(&tokenizer, json, bytes, name)) check_failed(name, 0, "%s", status_message());
    return tokenizer;
}

/// Of the committed files: a variant of vocab.txt, or added.json.
static Tokenizer *small_tokenizer(const char *name)
{
    Tokenizer *tokenizer = NULL;
    char *json = NULL;
    size_t bytes;
    if (!strcmp(name, "added")) {
        json = read_file("added.json", &bytes);
        tokenizer = new_tokenizer(json, bytes, name);
    }
    for (int i = 0; i < VARIANTS; i++) {
        if (strcmp(name, variants[i].name)) continue;
        Json *config = NULL;
        char *vocab = read_file("vocab.txt", &bytes);
        const char *text = variants[i].config;
        CHECK_EQ(json_parse(&config, text, strlen(text), name), OK);
        CHECK_EQ(tokenizer_json_from_vocab(&json, vocab, bytes, config, name), OK);
        if (json) tokenizer = new_tokenizer(json, strlen(json), name);
        mem_free(vocab);
        json_free(config);
    }
    mem_free(json);
    return tokenizer;
}

/// zlib's CRC-32.
static uint32_t crc(uint32_t value, const void *data, size_t bytes)
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

static uint32_t crc_encoding(uint32_t value, const Encoding *encoding)
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

static uint32_t chunk_strings(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
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

static uint32_t chunk_pairs(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
                            uint64_t count)
{
    Text text = { 0 }, pair = { 0 };
    uint32_t value = 0;
    for (uint64_t i = first; i < first + count; i++) {
        make_string(&text, i);
        make_string(&pair, i + 1);
        tokenizer_encode(tokenizer, encoding, text_chars(&text), text.length_bytes,
                         text_chars(&pair), pair.length_bytes, (int64_t)(3 + i % 40));
        value = crc_encoding(value, encoding);
    }
    text_release(&pair);
    text_release(&text);
    return value;
}

static uint32_t chunk_codes(const Tokenizer *tokenizer, Encoding *encoding, uint64_t first,
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

static const struct {
    const char *name;
    ChunkFunction run;
    uint64_t total, chunk;
} kinds[] = {
    { "strings", chunk_strings, STRINGS, CHUNK },
    { "pairs", chunk_pairs, PAIRS, CHUNK },
    { "codes", chunk_codes, 0x110000, CODE_CHUNK },
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

static uint32_t next_hash(const char **hashes)
{
    char *end;
    uint32_t value = (uint32_t)strtoul(*hashes, &end, 16);
    *hashes = end;
    return value;
}

/// Every kind that the file holds for this tokenizer; at least two.
static void check_hashes(const Tokenizer *tokenizer, const char *name)
{
    size_t bytes;
    char *file = read_file("hashes.txt", &bytes);
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

static void small_vocabularies(void)
{
    for (int i = 0; i <= VARIANTS; i++) {
        const char *name = i < VARIANTS ? variants[i].name : "added";
        Tokenizer *tokenizer = small_tokenizer(name);
        check_hashes(tokenizer, name);
        tokenizer_free(tokenizer);
    }
}

static uint32_t crc_normalized(const Normalizer *normalizer, Normalized *text, uint32_t first)
{
    uint32_t value = 0;
    for (uint32_t code = first; code < first + CODE_CHUNK; code++) {
        unsigned char bytes[6] = { 'a' };
        int length = utf8_encode(bytes + 1, code);
        bytes[length + 1] = 'b';
        text->source = bytes;
        text->source_bytes = (size_t)length + 2;
        normalizer_run(normalizer, text, 0, text->source_bytes);
        int32_t count = (int32_t)text->count;
        value = crc(value, &count, sizeof count);
        for (size_t i = 0; i < text->count; i++) {
            int32_t byte = text->bytes[i];
            value = crc(value, &byte, sizeof byte);
        }
    }
    return value;
}

/// Every code point between two letters, for every mixture of steps that the file holds.
static void every_code_point_normalized(void)
{
    static const char *const specs[] = { "true,true,null", "false,true,null", "true,true,false",
                                         "false,false,true" }; // as `variants`
    size_t bytes;
    char *file = read_file("hashes.txt", &bytes);
    for (int i = 0; i < 2 * VARIANTS; i++) {
        int lower, chinese;
        Normalizer normalizer;
        Normalized text = { 0 };
        Text name = { 0 }, spec = { 0 };
        Json *json = NULL;
        lower = *specs[i / 2] == 't';
        chinese = strstr(specs[i / 2], ",true,") != NULL;
        text_printf(&name, "%s%s", variants[i / 2].name, i % 2 ? "-raw" : "");
        text_printf(&spec,
                    "{\"type\":\"BertNormalizer\",\"clean_text\":%s,\"lowercase\":%s,"
                    "\"handle_chinese_chars\":%s,\"strip_accents\":%s}",
                    i % 2 ? "false" : "true", lower ? "true" : "false", chinese ? "true" : "false",
                    strrchr(specs[i / 2], ',') + 1);
        CHECK_EQ(json_parse(&json, spec.data, spec.length_bytes, "spec"), OK);
        CHECK_EQ(normalizer_init(&normalizer, json, "spec"), OK);
        const char *hashes = find_hashes(file, name.data, "normalized");
        CHECK_TRUE(hashes != NULL);
        for (uint32_t first = 0; hashes && first < 0x110000; first += CODE_CHUNK) {
            uint32_t got = crc_normalized(&normalizer, &text, first);
            if (got != next_hash(&hashes))
                check_failed(__FILE__, __LINE__, "%s: a code point from U+%04X differs", name.data,
                             first);
        }
        normalized_release(&text);
        normalizer_release(&normalizer);
        json_free(json);
        text_release(&spec);
        text_release(&name);
    }
    mem_free(file);
}

/// {"text": ...} or {"hex": ...}
static void append_readable(Text *out, const Json *value)
{
    const char *hex = json_text(json_get(value, "hex"), "");
    text_append(out, json_text(json_get(value, "text"), ""));
    for (; hex[0] && hex[1]; hex += 2) {
        char digits[3] = { hex[0], hex[1] }, byte = (char)strtoul(digits, NULL, 16);
        text_append_bytes(out, &byte, 1);
    }
}

static bool same_numbers(const Json *expected, const int32_t *got, int64_t count)
{
    bool same = json_size(expected) == count;
    for (int64_t i = 0; same && i < count; i++) same = json_int(json_at(expected, i), -1) == got[i];
    return same;
}

static void check_case(const Tokenizer *tokenizer, Encoding *encoding, const Json *row, int64_t i)
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
        check_failed("cases.json", (int)i + 1, "other tokens for '%s'", text_chars(&first));
    text_release(&second);
    text_release(&first);
}

static void single_cases(void)
{
    size_t bytes;
    char *text = read_file("cases.json", &bytes);
    Json *rows = NULL;
    Tokenizer *tokenizer = NULL;
    Encoding encoding = { 0 };
    const char *last = "";
    CHECK_EQ(json_parse(&rows, text, bytes, "cases.json"), OK);
    CHECK_TRUE(json_size(rows) > 150);
    for (int64_t i = 0; i < json_size(rows); i++) {
        const char *name = json_text(json_get(json_at(rows, i), "tokenizer"), "");
        if (strcmp(name, last)) {
            tokenizer_free(tokenizer);
            tokenizer = small_tokenizer(name);
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

/// As the file is, and with lower-casing (and so stripping of accents) off.
static void check_real(Json *document)
{
    for (int cased = 0; cased < 2; cased++) {
        Text json = { 0 };
        if (cased) json_set_bool(json_get(document, "normalizer"), "lowercase", false);
        json_print(&json, document, 0);
        const char *name = cased ? "minilm-cased" : "minilm";
        Tokenizer *tokenizer = new_tokenizer(json.data, json.length_bytes, name);
        check_hashes(tokenizer, name);
        tokenizer_free(tokenizer);
        text_release(&json);
    }
}

static void the_real_vocabulary(void)
{
    const char *models = getenv("TEMPER_MODELS");
    Text path = { 0 };
    Json *document = NULL;
    text_printf(&path, "%s/minilm-l6/tokenizer.json", models ? models : "models");
    if (json_parse_file(&document, path.data))
        check_skip("no real vocabulary: %s", status_message());
    else
        check_real(document);
    json_free(document);
    text_release(&path);
}

static const Case cases[] = {
    { "single_cases", single_cases },
    { "every_code_point_normalized", every_code_point_normalized },
    { "small_vocabularies", small_vocabularies },
    { "the_real_vocabulary", the_real_vocabulary },
};

/// A length and as many bytes from standard input; false at its end.
static bool read_question(Text *out, uint32_t bytes)
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
static int dump(const char *path)
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

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--dump")) return dump(argv[2]);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
