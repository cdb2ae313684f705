/* TEST labels=token timeout=60 */
#include "base/mem.h"
#include "base/text.h"
#include "store/json.h"
#include "support/check.h"
#include "token/tokenizer.h"
#include "token/trie.h"
#include "token/unicode.h"
#include "base/utf8.h"

#define VOCAB "\"vocab\":{\"[UNK]\":0,\"[CLS]\":1,\"[SEP]\":2,\"a\":3,\"##a\":4,\"b\":5}"
#define MODEL(vocab)                                                                               \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\","                                   \
    "\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100," vocab "}"
#define NORMALIZER                                                                                 \
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"                             \
    "\"handle_chinese_chars\":true,\"strip_accents\":null,\"lowercase\":true}"
#define WORDS "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}"
#define BERT                                                                                       \
    "\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"[SEP]\",2],\"cls\":[\"[CLS]\",1]}"
#define ADDED(id, content)                                                                         \
    "{\"id\":" id ",\"content\":\"" content "\",\"single_word\":false,\"lstrip\":false,"           \
    "\"rstrip\":false,\"normalized\":false,\"special\":true}"
#define SPECIALS "\"added_tokens\":[" ADDED("1", "[CLS]") "," ADDED("2", "[SEP]") "]"
#define WHOLE                                                                                      \
    "{" SPECIALS "," NORMALIZER "," WORDS "," BERT                                                 \
    "," MODEL(VOCAB) ",\"decoder\":null,"                                                          \
                     "\"truncation\":{\"max_length\":3},\"padding\":{\"strategy\":{\"Fixed\":9}}}"

static Status make(Tokenizer **out, const char *json)
{
    return tokenizer_new(out, json, strlen(json), "here");
}

static void check_ids(const Tokenizer *tokenizer, const char *text, const char *pair,
                      int64_t max_length, const char *expected)
{
    Encoding encoding = { 0 };
    Text ids = { 0 };
    tokenizer_encode(tokenizer, &encoding, text, strlen(text), pair, pair ? strlen(pair) : 0,
                     max_length);
    for (int64_t i = 0; i < encoding.count; i++)
        text_printf(&ids, "%s%d", i ? " " : "", encoding.ids[i]);
    CHECK_TEXT(text_chars(&ids), expected);
    bool truncated = encoding.truncated;
    int64_t count = encoding.count;
    tokenizer_encode(tokenizer, &encoding, text, strlen(text), pair, pair ? strlen(pair) : 0, 0);
    CHECK_EQ(truncated, count < encoding.count);
    CHECK_TRUE(!encoding.truncated);
    text_release(&ids);
    encoding_release(&encoding);
}

static void encodes(void)
{
    Tokenizer *tokenizer;
    CHECK_EQ(make(&tokenizer, WHOLE), OK);
    check_ids(tokenizer, "a aa Aaa b! \xC3\xA1", NULL, 0, "1 3 3 4 3 4 4 5 0 3 2");
    check_ids(tokenizer, "", NULL, 0, "1 2");
    check_ids(tokenizer, "a[SEP]b", NULL, 0, "1 3 2 5 2");
    check_ids(tokenizer, "a a", "b", 0, "1 3 3 2 5 2");
    CHECK_EQ(tokenizer_size(tokenizer), 6);
    CHECK_TEXT(tokenizer_token(tokenizer, 4), "##a");
    CHECK_TRUE(!tokenizer_token(tokenizer, 6) && !tokenizer_token(tokenizer, -1));
    CHECK_EQ(tokenizer_id(tokenizer, "##a"), 4);
    CHECK_EQ(tokenizer_id(tokenizer, "##b"), -1);
    CHECK_EQ(tokenizer_id(tokenizer, ""), -1);
    tokenizer_free(tokenizer);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void truncates(void)
{
    Tokenizer *tokenizer;
    CHECK_EQ(make(&tokenizer, WHOLE), OK);
    check_ids(tokenizer, "a a a b", NULL, 4, "1 3 3 2");
    check_ids(tokenizer, "a a a b", NULL, 6, "1 3 3 3 5 2");
    check_ids(tokenizer, "a a a", "b b b", 6, "1 3 2 5 5 2");   // the second wins the odd one
    check_ids(tokenizer, "a a a a", "b b b", 6, "1 3 3 2 5 2"); // unless the first is longer
    check_ids(tokenizer, "a", "b b b", 6, "1 3 2 5 5 2");
    check_ids(tokenizer, "a a a", "b b b", 3, "1 2 2");
    check_ids(tokenizer, "a a", "b", 6, "1 3 3 2 5 2");
    check_ids(tokenizer, "aaa b", NULL, 3, "1 3 2"); // within a word
    check_ids(tokenizer, "", NULL, 1, "1 2");
    check_ids(tokenizer, "a", "b", 1, "1 2 2"); // special tokens always stay
    tokenizer_free(tokenizer);
}

static void types_and_places(void)
{
    Tokenizer *tokenizer;
    Encoding encoding = { 0 };
    CHECK_EQ(make(&tokenizer, WHOLE), OK);
    const char text[] = "\xFF\xC3\x81"
                        "a \xE4\xB8";
    tokenizer_encode(tokenizer, &encoding, text, sizeof text - 1, "b", 1, 0);
    CHECK_EQ(encoding.count, 6); // [CLS] a ##a [SEP] b [SEP]
    CHECK_EQ(encoding.ill_formed, 2);
    CHECK_EQ(encoding.starts[1], 1);
    CHECK_EQ(encoding.ends[1], 3);
    CHECK_EQ(encoding.starts[2], 3);
    CHECK_EQ(encoding.ends[2], 4);
    CHECK_EQ(encoding.types[3], 0);
    CHECK_EQ(encoding.types[4], 1);
    CHECK_EQ(encoding.ends[4], 1);
    CHECK_EQ(encoding.types[5], 1);
    tokenizer_encode(tokenizer, &encoding, "a", 1, NULL, 0, 0);
    CHECK_EQ(encoding.ill_formed, 0);
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Nothing is allocated once the encoding has grown.
static void reuses_memory(void)
{
    enum { BYTES = 1000000 };
    Tokenizer *tokenizer;
    Encoding encoding = { 0 };
    char *line = MEM_NEW(char, BYTES);
    memset(line, 'a', BYTES);
    for (int i = 0; i < BYTES; i += 7) line[i] = ' ';
    CHECK_EQ(make(&tokenizer, WHOLE), OK);
    tokenizer_encode(tokenizer, &encoding, line, BYTES, NULL, 0, 0);
    CHECK_EQ(encoding.count, 857142 + 2);
    Encoding before = encoding;
    int64_t blocks = mem_live_blocks();
    tokenizer_encode(tokenizer, &encoding, line, BYTES, NULL, 0, 0);
    tokenizer_encode(tokenizer, &encoding, line, BYTES, NULL, 0, 8);
    CHECK_EQ(encoding.count, 8);
    CHECK_TRUE(encoding.ids == before.ids && encoding.ends == before.ends);
    CHECK_EQ(mem_live_blocks(), blocks);
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    mem_free(line);
}

static void threads_share_one(void)
{
    enum { TEXTS = 4000 };
    Tokenizer *tokenizer;
    int64_t total = 0;
    CHECK_EQ(make(&tokenizer, WHOLE), OK);
#pragma omp parallel num_threads(4) reduction(+ : total)
    {
        Encoding encoding = { 0 };
#pragma omp for
        for (int i = 0; i < TEXTS; i++) {
            tokenizer_encode(tokenizer, &encoding, "a aa Aaa b! \xC3\xA1", 14, NULL, 0, 0);
            total += encoding.count;
        }
        encoding_release(&encoding);
    }
    CHECK_EQ(total, TEXTS * 11);
    tokenizer_free(tokenizer);
    CHECK_EQ(mem_live_blocks(), 0);
}

static void parts_may_be_null(void)
{
    Tokenizer *tokenizer;
    CHECK_EQ(make(&tokenizer, "{\"normalizer\":null," MODEL(VOCAB) "}"), OK);
    check_ids(tokenizer, "aa", NULL, 0, "3 4");
    check_ids(tokenizer, "a a", NULL, 0, "0"); // one word
    check_ids(tokenizer, "A", "b", 0, "0 5");
    tokenizer_free(tokenizer);
}

typedef struct {
    const char *json, *message;
} Wrong;

/// Bytes of "a b" and of a small word, some merges of them, and a token no merge makes.
#define BPE(options)                                                                               \
    "\"model\":{\"type\":\"BPE\"," options "\"vocab\":{\"a\":0,\"b\":1,\"\u0120\":2,\"ab\":3,"     \
    "\"\u0120ab\":4,\"ba\":5,\"aab\":6,\"bab\":7,\"<x>\":8},\"merges\":[\"a "                      \
    "b\",[\"\u0120\",\"ab\"],"                                                                     \
    "\"b a\",\"a ab\"]}"
#define BYTE_WORDS "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define METASPACE(replacement, scheme)                                                             \
    "{\"type\":\"Metaspace\",\"replacement\":\"" replacement "\",\"prepend_scheme\":\"" scheme "\"}"
#define WITH_BPE(parts) "{" parts "," BPE("") "}"
#define SPLIT(regex, behavior)                                                                     \
    "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex                        \
    "\"},\"behavior\":\"" behavior "\"}"

static const Wrong wrong[] = {
    { "{" BPE("\"dropout\":0.1,") "}", "model.dropout is not supported" },
    { "{" BPE("\"end_of_word_suffix\":\"</w>\",") "}", "end_of_word_suffix is not supported" },
    { "{" BPE("\"continuing_subword_prefix\":\"##\",") "}",
      "continuing_subword_prefix is not supported" },
    { "{" BPE("\"unk_token\":\"?\",") "}", "model.unk_token '?' is not in the vocabulary" },
    { "{" BYTE_WORDS "," BPE("\"byte_fallback\":true,") "}", "byte_fallback beside ByteLevel" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "model.merges is missing" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a\"]}}",
      "model.merges: entry 1 is not a pair" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a a\"]}}",
      "model.merges: entry 1 is not a pair" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}",
      "model.merges: entry 1 is not a pair" },
    { "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a a\"]}}",
      "model.merges: entry 1 needs 'aa'" },
    { WITH_BPE(SPLIT("[a-z]+", "Isolated")), "the regular expression [a-z]+ is not known" },
    { WITH_BPE(SPLIT("[a-z]+", "Removed")), "Split with behavior Removed is not supported" },
    { WITH_BPE(
          "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
          "{\"type\":\"Digits\"}]}"),
      "nothing may follow ByteLevel" },
    { WITH_BPE("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},"
               "{\"type\":\"ByteLevel\"}]}"),
      "ByteLevel with add_prefix_space must come first" },
    { WITH_BPE("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"},"
               "{\"type\":\"BertPreTokenizer\"}]}"),
      "BertPreTokenizer must stand alone" },
    { WITH_BPE("\"pre_tokenizer\":" METASPACE("_", "last")),
      "Metaspace with replacement _ is not supported" },
    { WITH_BPE("\"pre_tokenizer\":" METASPACE("\xE2\x96\x81", "last")),
      "Metaspace with prepend_scheme last is not known" },
    { WITH_BPE("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}"
               "," METASPACE("\xE2\x96\x81", "first") "]}"),
      "Metaspace must come first" },
    { WITH_BPE("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},"
               "{\"type\":\"Prepend\",\"prepend\":\" \"}]}"),
      "normalizer: NFC beside others" },
    { WITH_BPE(
          "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\"ab\"},\"content\":\"\"}"),
      "this Replace is not supported" },
    { WITH_BPE("\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\"}"),
      "Prepend must stand once" },
    { WITH_BPE("\"post_processor\":{\"type\":\"Sequence\",\"processors\":[{\"type\":\"ByteLevel\"},"
               "{\"type\":\"ByteLevel\"}]}"),
      "trim_offsets in two places" },
    { WITH_BPE("\"decoder\":{\"type\":\"CTC\"}"), "decoder type CTC is not supported" },
    { WITH_BPE("\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}"),
      "Strip is supported once, after Fuse" },
    { WITH_BPE("\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},"
               "{\"type\":\"Strip\",\"content\":\"\",\"start\":9,\"stop\":0}]}"),
      "content must be a short text" },
    { WITH_BPE("\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"ByteLevel\"},"
               "{\"type\":\"Fuse\"}]}"),
      "ByteLevel beside others" },
    { "", "here: column 0" },
    { "[]", "here: model is missing" },
    { "{\"model\":{}}", "model type (none) is not supported" },
    { "{\"model\":{\"type\":\"Unigram\"}}", "model type Unigram is not supported" },
    { "{" MODEL("\"v\":1") "}", "model.vocab is missing or empty" },
    { "{" MODEL("\"vocab\":{}") "}", "model.vocab is missing or empty" },
    { "{" MODEL("\"vocab\":[\"a\"]") "}", "model.vocab is missing or empty" },
    { "{" MODEL("\"vocab\":{\"[UNK]\":0,\"a\":2}") "}", "the id of token 'a' must be" },
    { "{" MODEL("\"vocab\":{\"[UNK]\":0,\"a\":-1}") "}", "the id of token 'a' must be" },
    { "{" MODEL("\"vocab\":{\"[UNK]\":0,\"a\":\"1\"}") "}", "the id of token 'a' must be" },
    { "{" MODEL("\"vocab\":{\"[UNK]\":0,\"a\":0}") "}", "'[UNK]' and 'a' have the same id 0" },
    { "{" MODEL("\"vocab\":{\"a\":0,\"a\":1}") "}", "duplicate" },
    { "{" MODEL("\"vocab\":{\"a\":0}") "}", "unk_token '[UNK]' is not in the vocabulary" },
    { "{\"model\":{\"type\":\"WordPiece\"," VOCAB "}}", "model.unk_token is missing" },
    { "{\"normalizer\":{\"type\":\"NFKC\"}," MODEL(VOCAB) "}",
      "normalizer type NFKC is not supported" },
    { "{\"normalizer\":7," MODEL(VOCAB) "}", "normalizer type (none) is not supported" },
    { "{\"normalizer\":{\"type\":\"BertNormalizer\"}," MODEL(VOCAB) "}",
      "normalizer.clean_text must be" },
    { "{\"pre_tokenizer\":{\"type\":\"Whitespace\"}," MODEL(VOCAB) "}",
      "pre_tokenizer type Whitespace is not supported" },
    { "{\"pre_tokenizer\":{\"type\":\"ByteLevel\"}," MODEL(VOCAB) "}",
      "WordPiece after ByteLevel is not supported" },
    { "{\"post_processor\":{\"type\":\"Other\"}," MODEL(VOCAB) "}",
      "post_processor type Other is not supported" },
    { "{\"post_processor\":{\"type\":\"BertProcessing\",\"sep\":[\"x\",6],\"cls\":[\"y\",1]}"
      "," MODEL(VOCAB) "}",
      "has id 6 outside the vocabulary of 6 tokens" },
    { "{\"post_processor\":{\"type\":\"TemplateProcessing\"}," MODEL(VOCAB) "}",
      "post_processor.single must name each" },
    { "{\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":"
      "\"A\",\"type_id\":0}},{\"SpecialToken\":{\"id\":\"x\",\"type_id\":0}}]}," MODEL(VOCAB) "}",
      "'x' is not among its special_tokens" },
    { "{\"added_tokens\":{}," MODEL(VOCAB) "}", "added_tokens must be a list" },
    { "{\"added_tokens\":[{}]," MODEL(VOCAB) "}", "an entry has no content" },
    { "{\"added_tokens\":[" ADDED("7", "x") "]," MODEL(VOCAB) "}", "'x' has id 7, but" },
    { "{\"added_tokens\":[" ADDED("1", "a") "]," MODEL(VOCAB) "}", "'a' has id 1, but" },
    { "{\"added_tokens\":[" ADDED("6", "x") "," ADDED("7", "x") "]," MODEL(VOCAB) "}",
      "'x' is listed twice" },
};

static void refuses_by_name(void)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        Tokenizer *tokenizer;
        CHECK_EQ(make(&tokenizer, wrong[i].json), FAILED);
        CHECK_TRUE(!tokenizer);
        if (!strstr(status_message(), wrong[i].message) || strncmp(status_message(), "here:", 5))
            check_failed(__FILE__, __LINE__, "%s gave: %s", wrong[i].json, status_message());
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

static void check_bpe(const char *parts, const char *text, const char *expected)
{
    Tokenizer *tokenizer;
    CHECK_EQ(make(&tokenizer, parts), OK);
    if (tokenizer) check_ids(tokenizer, text, NULL, 0, expected);
    tokenizer_free(tokenizer);
}

static void merges_pairs(void)
{
    check_bpe(WITH_BPE(BYTE_WORDS), "ab ab", "3 4");
    check_bpe(WITH_BPE(BYTE_WORDS), "aab abab", "6 4 3");
    check_bpe(WITH_BPE(BYTE_WORDS), "ba bba", "5 2 1 5");
    check_bpe(WITH_BPE(BYTE_WORDS), "bab", "1 3"); // (a, b) stands before (b, a)
    check_bpe("{" BYTE_WORDS "," BPE("\"ignore_merges\":true,") "}", "bab", "7");
    check_bpe(WITH_BPE(BYTE_WORDS), "azb", "3"); // a byte without a token is left out
    check_bpe("{" BYTE_WORDS "," BPE("\"unk_token\":\"<x>\",") "}", "azzb", "0 8 8 1");
    check_bpe("{" BYTE_WORDS "," BPE("\"unk_token\":\"<x>\",\"fuse_unk\":true,") "}", "azzb",
              "0 8 1");
    check_bpe("{" BPE("") "}", "ab\xC4\xA0", "3 2"); // characters, not bytes
    check_bpe("{\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"\u0120\"}," BPE("") "}", "ab",
              "4");
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Both ways to merge make the same of words around the length where one takes over.
static void merges_long_words(void)
{
    enum { LONGEST = 1000000 };
    Tokenizer *tokenizer;
    Encoding encoding = { 0 };
    char *word = MEM_NEW(char, LONGEST);
    for (int i = 0; i < LONGEST; i++) word[i] = "aab"[i % 3];
    CHECK_EQ(make(&tokenizer, WITH_BPE(BYTE_WORDS)), OK);
    for (int parts = 1; parts < 60; parts++) {
        tokenizer_encode(tokenizer, &encoding, word, (size_t)parts * 3, NULL, 0, 0);
        CHECK_EQ(encoding.count, parts);
        for (int64_t i = 0; i < encoding.count; i++) CHECK_EQ(encoding.ids[i], 6);
    }
    tokenizer_encode(tokenizer, &encoding, word, LONGEST, NULL, 0, 0); // in well under a second
    CHECK_EQ(encoding.count, LONGEST / 3 + 1);
    CHECK_EQ(encoding.ends[LONGEST / 3], LONGEST);
    encoding_release(&encoding);
    tokenizer_free(tokenizer);
    mem_free(word);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Text appears only when it is certain, and all of it in the end.
static void decodes_step_by_step(void)
{
    static const char json[] = "{\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[" ADDED(
        "5", "<end>") "],\"model\":{\"type\":\"BPE\",\"merges\":[],\"vocab\":{\"a\":0,\"\u00e4\":1,"
                      "\"\u00bd\":2,"
                      "\"\u0142\":3,\"\u0120\":4}}}";
    static const int32_t ids[] = { 0, 1, 2, 3, 1, 2, 0, 99, 5, 1 };
    static const char *const texts[] = {
        "a",
        "a",
        "a",
        "a\xE4\xBD\xA0",
        "a\xE4\xBD\xA0",
        "a\xE4\xBD\xA0",
        "a\xE4\xBD\xA0\xEF\xBF\xBD\x61",
        "a\xE4\xBD\xA0\xEF\xBF\xBD\x61",
        "a\xE4\xBD\xA0\xEF\xBF\xBD\x61<end>",
        "a\xE4\xBD\xA0\xEF\xBF\xBD\x61<end>",
    };
    Tokenizer *tokenizer;
    Decoding state = { 0 };
    Text out = { 0 }, whole = { 0 };
    CHECK_EQ(make(&tokenizer, json), OK);
    for (int i = 0; i < 10; i++) {
        tokenizer_decode_next(&out, &state, tokenizer, ids[i], false);
        CHECK_TEXT(text_chars(&out), texts[i]);
    }
    tokenizer_decode_end(&out, &state, tokenizer);
    tokenizer_decode(&whole, tokenizer, ids, 10, false);
    CHECK_TEXT(text_chars(&whole), text_chars(&out));
    CHECK_TRUE(out.length_bytes == strlen(texts[9]) + 3);
    tokenizer_decode(&whole, tokenizer, ids, 10, true);
    CHECK_TRUE(!strstr(whole.data, "<end>"));
    CHECK_EQ(tokenizer_role(tokenizer, TOKEN_END), -1);
    decoding_release(&state);
    text_release(&whole);
    text_release(&out);
    tokenizer_free(tokenizer);
    CHECK_EQ(mem_live_blocks(), 0);
}

/// The ids of a text by a vocab.json and a merges.txt, or the message.
static void check_merges(const char *vocab, const char *merges, const char *settings,
                         const char *text, const char *expected)
{
    Json *config = NULL;
    char *json = NULL;
    Tokenizer *tokenizer = NULL;
    if (settings) CHECK_EQ(json_parse(&config, settings, strlen(settings), "config"), OK);
    if (tokenizer_json_from_bpe(&json, vocab, strlen(vocab), merges, strlen(merges), config,
                                "here")) {
        CHECK_TEXT(status_message(), expected);
    } else {
        CHECK_EQ(make(&tokenizer, json), OK);
        if (tokenizer) check_ids(tokenizer, text, NULL, 0, expected);
    }
    tokenizer_free(tokenizer);
    mem_free(json);
    json_free(config);
}

static void reads_vocab_and_merges(void)
{
    const char *gpt2 = "{\"a\":0,\"b\":1,\"\u0120\":2,\"ab\":3,\"\u0120ab\":4,\"<|endoftext|>\":5}";
    const char *roberta = "{\"<s>\":0,\"<pad>\":1,\"</s>\":2,\"a\":3,\"b\":4,\"ab\":5,\"\u0120\":6,"
                          "\"<mask>\":7,\"\u0120ab\":8}";
    const char *qwen2 = "{\"e\":0,\"\u00c3\":1,\"\u00a9\":2,\"<|im_start|>\":3}";
    const char *spelled = "#version: 0.2\na b\r\n\xC4\xA0 ab\n";
    check_merges(gpt2, spelled, NULL, "ab ab<|endoftext|>", "3 4 5");
    check_merges(gpt2, spelled, "{\"add_prefix_space\":true}", "ab", "4");
    check_merges(gpt2, spelled, "{\"pad_token\":\"<pad>\"}", "ab<pad>", "3 6");
    check_merges(roberta, spelled, NULL, "ab  <mask>", "0 5 7 2");
    check_merges(roberta, spelled, "{\"tokenizer_class\":\"GPT2TokenizerFast\"}", "ab</s>", "5");
    check_merges(qwen2, "", NULL, "e\xCC\x81<|im_start|>", "1 2 3");
    check_merges(gpt2, spelled, "{\"tokenizer_class\":\"T5Tokenizer\"}", "",
                 "here: the tokenizer class T5Tokenizer is not known by its vocabulary and merges "
                 "(only GPT2Tokenizer, RobertaTokenizer and Qwen2Tokenizer): save it with "
                 "transformers, which writes a tokenizer.json");
    check_merges("{\"a\":0}", "", NULL, "",
                 "here: the vocabulary has none of the tokens <|endoftext|>, <|im_start|> and "
                 "</s>: give tokenizer_config.json its tokenizer_class");
    check_merges(gpt2, "a b\nab\n", NULL, "", "here: merges: line 2 is not a pair of tokens");
    check_merges(gpt2, "a \xFF\n", NULL, "", "here: merges: line 1 is not a pair of tokens");
    CHECK_EQ(mem_live_blocks(), 0);
}

static void tells_roles(void)
{
    Tokenizer *tokenizer;
    CHECK_EQ(make(&tokenizer, WHOLE), OK);
    CHECK_EQ(tokenizer_role(tokenizer, TOKEN_CLASS), 1);
    CHECK_EQ(tokenizer_role(tokenizer, TOKEN_SEPARATOR), 2);
    CHECK_EQ(tokenizer_role(tokenizer, TOKEN_UNKNOWN), 0);
    CHECK_EQ(tokenizer_role(tokenizer, TOKEN_BEGIN), -1);
    tokenizer_free(tokenizer);
}

/// The tokenizer of a vocab.txt, or the message.
static void check_vocab(const char *vocab, const char *settings, const char *text,
                        const char *expected)
{
    Json *config = NULL;
    char *json = NULL;
    Tokenizer *tokenizer = NULL;
    if (settings) CHECK_EQ(json_parse(&config, settings, strlen(settings), "config"), OK);
    if (tokenizer_json_from_vocab(&json, vocab, strlen(vocab), config, "here")) {
        CHECK_TEXT(status_message(), expected);
    } else {
        CHECK_EQ(make(&tokenizer, json), OK);
        if (tokenizer) check_ids(tokenizer, text, NULL, 0, expected);
    }
    tokenizer_free(tokenizer);
    mem_free(json);
    json_free(config);
}

static void reads_vocab_txt(void)
{
    const char *vocab =
        "[UNK]\r\n[CLS]\n[SEP]\nA\na\n##a\n\xE4\xBD\xA0\"\xE5\xA5\xBD\n\xE4\xBD\xA0";
    check_vocab(vocab, NULL, "A a", "1 4 4 2");
    check_vocab(vocab, "{\"do_lower_case\":false}", "A aa", "1 3 4 5 2");
    check_vocab(vocab, NULL, "\xE4\xBD\xA0\xE4\xBD\xA0", "1 7 7 2");
    check_vocab(vocab, "{\"tokenize_chinese_chars\":false}", "\xE4\xBD\xA0\xE4\xBD\xA0", "1 0 2");
    check_vocab(vocab, "{\"strip_accents\":false}", "\xC3\xA1", "1 0 2");
    check_vocab(vocab, NULL, "\xC3\xA1", "1 4 2");
    check_vocab(vocab, "{\"cls_token\":{\"content\":\"A\"}}", "a[CLS]A", "3 4 0 0 0 3 2");
    check_vocab("", NULL, "", "here: the vocabulary is empty");
    check_vocab("[UNK]\n[CLS]\n[SEP]\na\nb\na\n", NULL, "",
                "here: lines 4 and 6 are the same token 'a'");
    check_vocab("[UNK]\n[CLS]\n", NULL, "",
                "here: the vocabulary lacks sep_token '[SEP]': is it a BERT vocabulary?");
    check_vocab("[UNK]\n\xFF\n", NULL, "", "here: line 2 is not UTF-8 text");
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Table 3-8 of the Unicode standard and its neighbours: lengths of the pieces.
static void cuts_ill_formed_text(void)
{
    static const struct {
        const char *bytes;
        const char *lengths;
    } rows[] = {
        { "a\xF1\x80\x80\xE1\x80\xC2"
          "b\x80"
          "c\x80\xBF"
          "d",
          "1 3- 2- 1- 1 1- 1 1- 1- 1" },
        { "\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", "1- 1- 1- 1- 1- 1- 1- 1- 1" },
        { "\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", "1- 1- 1- 1- 1- 1- 1- 1- 1" },
        { "\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", "1- 1- 1- 1- 1- 1 1- 1- 1" },
        { "\xF4\x8F\xBF\xBF\xEF\xBF\xBD\xC3\xA9\xF0\x9F\x98", "4 3 2 3-" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text got = { 0 };
        size_t left = strlen(rows[i].bytes);
        const unsigned char *s = (const unsigned char *)rows[i].bytes;
        for (int bytes; left; s += bytes, left -= (size_t)bytes) {
            uint32_t code = utf8_decode(&bytes, s, left);
            text_printf(&got, "%s%d%s", got.data ? " " : "", bytes,
                        code == UTF8_ILL_FORMED ? "-" : "");
        }
        CHECK_TEXT(text_chars(&got), rows[i].lengths);
        text_release(&got);
    }
}

static void codes_round_trip(void)
{
    for (uint32_t code = 0; code < 0x110000; code++) {
        unsigned char s[4];
        int length, back;
        int bytes = utf8_encode(s, code);
        uint32_t got = utf8_decode(&length, s, (size_t)bytes);
        uint32_t before = utf8_decode_before(&back, s, (size_t)bytes);
        bool surrogate = code >= 0xD800 && code < 0xE000;
        uint32_t expected = surrogate ? UTF8_ILL_FORMED : code;
        if (got != expected || (!surrogate && (length != bytes || before != code)))
            check_failed(__FILE__, __LINE__, "U+%04X is read as U+%04X", code, got);
    }
}

static void tells_words_from_other_codes(void)
{
    static const uint32_t words[] = { '0', 'z', '_', 0xE9, 0x301, 0x4E00, 0x200D, 0x24B6, 0x1F130 };
    static const uint32_t others[] = { ' ', '-', '$', 0xA0, 0xD7, 0x2028, 0x3002, 0x1F600, 0xB2 };
    for (int i = 0; i < 9; i++) {
        CHECK_TRUE(unicode_is_word(words[i]));
        CHECK_TRUE(!unicode_is_word(others[i]));
    }
}

static void finds_longest_keys(void)
{
    static const char *const texts[] = { "a", "abc", "abcde", "b\xFF", "b\x01", "", "abc" };
    TrieKey keys[7];
    Trie trie;
    size_t matched = 0;
    for (int i = 0; i < 7; i++) keys[i] = (TrieKey){ texts[i], strlen(texts[i]), i };
    trie_init(&trie, keys, 7);
    CHECK_EQ(trie_longest(&trie, 0, (const unsigned char *)"abcdx", 5, &matched), 1);
    CHECK_EQ(matched, 3);
    CHECK_EQ(trie_longest(&trie, 0, (const unsigned char *)"abcde", 4, &matched), 1);
    CHECK_EQ(trie_longest(&trie, 0, (const unsigned char *)"abcde", 5, &matched), 2);
    CHECK_EQ(trie_longest(&trie, 0, (const unsigned char *)"xa", 2, &matched), -1);
    CHECK_EQ(trie_longest(&trie, 0, (const unsigned char *)"\0\0", 2, &matched), -1);
    CHECK_EQ(trie_find(&trie, "b\xFF"), 3);
    CHECK_EQ(trie_find(&trie, "b\x01"), 4);
    CHECK_EQ(trie_find(&trie, "ab"), -1);
    CHECK_EQ(trie_find(&trie, ""), -1);
    CHECK_EQ(trie_node(&trie, "ax"), -1);
    int32_t node = trie_node(&trie, "ab");
    CHECK_EQ(trie_longest(&trie, node, (const unsigned char *)"cd", 2, &matched), 1);
    CHECK_EQ(matched, 1);
    trie_release(&trie);
    trie_init(&trie, keys, 0);
    CHECK_EQ(trie_longest(&trie, 0, (const unsigned char *)"a", 1, &matched), -1);
    trie_release(&trie);
}

static const Case cases[] = {
    { "encodes", encodes },
    { "truncates", truncates },
    { "types_and_places", types_and_places },
    { "reuses_memory", reuses_memory },
    { "threads_share_one", threads_share_one },
    { "parts_may_be_null", parts_may_be_null },
    { "refuses_by_name", refuses_by_name },
    { "merges_pairs", merges_pairs },
    { "merges_long_words", merges_long_words },
    { "decodes_step_by_step", decodes_step_by_step },
    { "reads_vocab_and_merges", reads_vocab_and_merges },
    { "tells_roles", tells_roles },
    { "reads_vocab_txt", reads_vocab_txt },
    { "cuts_ill_formed_text", cuts_ill_formed_text },
    { "codes_round_trip", codes_round_trip },
    { "tells_words_from_other_codes", tells_words_from_other_codes },
    { "finds_longest_keys", finds_longest_keys },
};

int main(int argc, char **argv)
{
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
