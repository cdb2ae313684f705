/// A tokenizer.json (begins with a brace), and after its last newline a text to encode; else a
/// vocab.txt, and a text for a tokenizer that has everything.
#include "base/mem.h"
#include "base/status.h"
#include "token/tokenizer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes);

static const char whole[] =
    "{\"added_tokens\":["
    "{\"id\":1,\"content\":\"[SEP]\",\"lstrip\":true,\"normalized\":false,\"special\":true},"
    "{\"id\":6,\"content\":\"<m>\",\"rstrip\":true,\"normalized\":false,\"single_word\":true},"
    "{\"id\":7,\"content\":\"\u4f60\u597d\",\"lstrip\":true,\"rstrip\":true,\"normalized\":true}],"
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
    "\"handle_chinese_chars\":true,\"strip_accents\":true,\"lowercase\":true},"
    "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",1],\"cls\":[\"[SEP]\",1]},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\",\"continuing_subword_prefix\":\"##"
    "\","
    "\"max_input_chars_per_word\":20,"
    "\"vocab\":{\"[UNK]\":0,\"[SEP]\":1,\"a\":2,\"##a\":3,\"##aab\":4,\"\u4f60\":5}}}";

/// Ranges lie in their text, and truncation only drops.
static void encode(const Tokenizer *tokenizer, const char *text, size_t bytes)
{
    Encoding encoding = { 0 };
    size_t half = bytes / 2;
    int64_t limit = bytes ? (unsigned char)text[0] : 0;
    tokenizer_encode(tokenizer, &encoding, text, bytes, NULL, 0, 0);
    for (int64_t i = 0; i < encoding.count; i++) {
        CHECK(encoding.starts[i] >= 0 && encoding.starts[i] <= encoding.ends[i] &&
                  (size_t)encoding.ends[i] <= bytes,
              "token %d is at [%d, %d) of %zu bytes", (int)i, encoding.starts[i], encoding.ends[i],
              bytes);
        CHECK(tokenizer_token(tokenizer, encoding.ids[i]), "no token %d", encoding.ids[i]);
    }
    int64_t whole_count = encoding.count;
    tokenizer_encode(tokenizer, &encoding, text, bytes, NULL, 0, limit + 1);
    CHECK(encoding.count <= whole_count, "%d tokens of %d", (int)encoding.count, (int)whole_count);
    tokenizer_encode(tokenizer, &encoding, text, half, text + half, bytes - half, limit);
    encoding_release(&encoding);
}

static void try_json(const char *json, size_t bytes, const char *text, size_t text_bytes)
{
    Tokenizer *tokenizer;
    if (tokenizer_new(&tokenizer, json, bytes, "input") == OK) encode(tokenizer, text, text_bytes);
    tokenizer_free(tokenizer);
}

static void try_vocab(const char *vocab, size_t bytes)
{
    char *json;
    if (tokenizer_json_from_vocab(&json, vocab, bytes, NULL, "input") == OK)
        try_json(json, strlen(json), vocab, bytes);
    mem_free(json);
}

static void try_text(const char *text, size_t bytes)
{
    Tokenizer *tokenizer;
    CHECK(tokenizer_new(&tokenizer, whole, sizeof whole - 1, "whole") == OK, "%s",
          status_message());
    encode(tokenizer, text, bytes);
    tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    const char *input = (const char *)data, *text = input + bytes;
    while (text > input && text[-1] != '\n') text--;
    if (bytes && *input == '{') {
        try_json(input, (size_t)(text - input), text, (size_t)(input + bytes - text));
    } else {
        try_vocab(input, bytes);
        try_text(input, bytes);
    }
    return 0;
}
