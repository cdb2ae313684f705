/* TEST labels=token timeout=300 */
#include "golden/token_check.h"
#include "token/normalize.h"

// Ids, types and byte ranges against Hugging Face `tokenizers` (tests/golden/make_tokens.py).
// `test_wordpiece --dump TOKENIZER.json` answers the questions of compare_tokens.py.

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

static void small_vocabularies(void)
{
    for (int i = 0; i <= VARIANTS; i++) {
        const char *name = i < VARIANTS ? variants[i].name : "added";
        Tokenizer *tokenizer = small_tokenizer(name);
        check_hashes(tokenizer, "hashes.txt", name);
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
        int32_t count = (int32_t)text->count - NORMALIZED_FIRST;
        value = crc(value, &count, sizeof count);
        for (size_t i = NORMALIZED_FIRST; i < text->count; i++) {
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

static void single_cases(void)
{
    check_cases("cases.json", small_tokenizer);
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
        check_hashes(tokenizer, "hashes.txt", name);
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

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--dump")) return dump(argv[2]);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
