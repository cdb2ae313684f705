/* TEST labels=token timeout=300 */
#include "golden/token_check.h"

// Byte-level BPE against Hugging Face `tokenizers` (tests/golden/make_bpe.py).

static Tokenizer *load(const char *name)
{
    Text file = { 0 };
    size_t bytes;
    text_printf(&file, "bpe-%s.json", name);
    char *json = read_file(file.data, &bytes);
    Tokenizer *tokenizer = new_tokenizer(json, bytes, name);
    mem_free(json);
    text_release(&file);
    return tokenizer;
}

static void single_cases(void)
{
    check_cases("bpe-cases.json", load);
}

static void generated_strings(void)
{
    static const char *const families[] = { "gpt2",   "roberta",   "added",        "llama3",
                                            "qwen2",  "smollm2",   "o200k",        "unknown",
                                            "llama2", "metaspace", "sentencepiece" };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        Tokenizer *tokenizer = load(families[i]);
        check_hashes(tokenizer, "bpe-hashes.txt", families[i]);
        tokenizer_free(tokenizer);
    }
    CHECK_EQ(mem_live_blocks(), 0);
}

/// Every text comes back as it was.
static void round_trips(void)
{
    static const char *const families[] = { "gpt2", "llama3", "o200k" };
    enum { TEXTS = 100000 };
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        Tokenizer *tokenizer = load(families[i]);
        Encoding encoding = { 0 };
        Text text = { 0 }, back = { 0 };
        int64_t texts = 0;
        for (uint64_t k = 0; tokenizer && k < 2 * TEXTS; k++) {
            (k % 2 ? make_atoms : make_string)(&text, k);
            tokenizer_encode(tokenizer, &encoding, text_chars(&text), text.length_bytes, NULL, 0,
                             0);
            if (encoding.ill_formed) continue;
            const int32_t *ids = encoding.ids + tokenizer_marks_start(tokenizer);
            tokenizer_decode(&back, tokenizer, ids, encoding.count - (ids - encoding.ids), false);
            texts++;
            if (back.length_bytes != text.length_bytes ||
                memcmp(text_chars(&back), text_chars(&text), text.length_bytes) != 0)
                check_failed(__FILE__, __LINE__, "%s: string %llu comes back as '%s'", families[i],
                             (unsigned long long)k, text_chars(&back));
        }
        CHECK_TRUE(texts > TEXTS);
        text_release(&back);
        text_release(&text);
        encoding_release(&encoding);
        tokenizer_free(tokenizer);
    }
}

static const Case cases[] = {
    { "single_cases", single_cases },
    { "generated_strings", generated_strings },
    { "round_trips", round_trips },
};

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--dump")) return dump(argv[2]);
    return check_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
