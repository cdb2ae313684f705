/// A tokenizer.json (begins with a brace), and after its last newline a text to encode; a
/// merges.txt (begins with #), for a fixed vocab.json; else a vocab.txt, and a text for tokenizers
/// that have everything.
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

/// Of bytes: no byte is lost, but a space may come before each text.
static const char bytes_whole[] =
    "{\"added_tokens\":["
    "{\"id\":9,\"content\":\"<m>\",\"lstrip\":true,\"normalized\":false,\"special\":true}],"
    "\"normalizer\":{\"type\":\"NFC\"},\"decoder\":{\"type\":\"ByteLevel\"},"
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},"
    "\"post_processor\":{\"type\":\"RobertaProcessing\",\"sep\":[\"<m>\",9],\"cls\":[\"<m>\",9]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,"
    "\"merges\":[\"a a\",\"\u0120 a\",\"aa a\",\"\u00e4 \u00bd\"],"
    "\"vocab\":{\"a\":0,\"\u0120\":1,\"aa\":2,\"\u0120a\":3,\"aaa\":4,\"\u00e4\":5,\"?\":6,"
    "\"\u00bd\":7,\"\u00e4\u00bd\":8}}}";

/// Of pieces: a space is three bytes, and the text may begin with one more.
static const char pieces_whole[] =
    "{\"added_tokens\":[{\"id\":7,\"content\":\"<m>\",\"normalized\":false,\"special\":true}],"
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\u2581\"},"
    "\"decoder\":{\"type\":\"Metaspace\",\"replacement\":\"\u2581\"},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":true,\"byte_fallback\":true,"
    "\"merges\":[\"a a\",\"<0xE2> a\"],"
    "\"vocab\":{\"a\":0,\"aa\":1,\"?\":2,\"<0xE2>\":3,\"<0x96>\":4,\"<0x81>\":5,"
    "\"<0xE2>a\":6}}}";

static const char vocab_json[] = "{\"a\":0,\"b\":1,\"ab\":2,\"\u0120\":3,\"\u0120ab\":4,\"</s>\":5,"
                                 "\"<s>\":6,\"<mask>\":7}";

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
    Text decoded = { 0 };
    tokenizer_decode(&decoded, tokenizer, encoding.ids, encoding.count, bytes % 2);
    text_release(&decoded);
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

static void try_merges(const char *merges, size_t bytes)
{
    char *json;
    if (tokenizer_json_from_bpe(&json, vocab_json, sizeof vocab_json - 1, merges, bytes, NULL,
                                "input") == OK)
        try_json(json, strlen(json), merges, bytes);
    mem_free(json);
}

/// Made once: the tables of a tokenizer cost more than a text.
static void try_text(const char *text, size_t bytes)
{
    static const char *const wholes[] = { whole, bytes_whole, pieces_whole };
    static Tokenizer *tokenizers[sizeof wholes / sizeof *wholes];
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        if (!tokenizers[i])
            CHECK(tokenizer_new(&tokenizers[i], wholes[i], strlen(wholes[i]), "whole") == OK, "%s",
                  status_message());
        encode(tokenizers[i], text, bytes);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t bytes)
{
    const char *input = (const char *)data, *text = input + bytes;
    while (text > input && text[-1] != '\n') text--;
    if (bytes && *input == '{') {
        try_json(input, (size_t)(text - input), text, (size_t)(input + bytes - text));
    } else if (bytes && *input == '#') {
        try_merges(input, bytes);
    } else {
        try_vocab(input, bytes);
        try_text(input, bytes);
    }
    return 0;
}
