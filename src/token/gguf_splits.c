#include "token/gguf_vocab.h"

#define BYTES(own_words)                                                                           \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_"              \
    "regex\":" own_words "}"
#define SEQUENCE(first, second) "{\"type\":\"Sequence\",\"pretokenizers\":[" first "," second "]}"
#define SPLIT(expression)                                                                          \
    SEQUENCE("{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" expression                            \
             "\"},\"behavior\":\"Isolated\",\"invert\":false}",                                    \
             BYTES("false"))
#define WORDS(digits)                                                                              \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits                 \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static const char nothing[] = "null";
static const char gpt2[] = BYTES("true");
static const char digits[] =
    SEQUENCE("{\"type\":\"Digits\",\"individual_digits\":true}", BYTES("true"));
static const char llama3[] = SPLIT(WORDS("\\\\p{N}{1,3}"));
static const char qwen2[] = SPLIT(WORDS("\\\\p{N}"));

// of equal rows the first is written
const GgufSplit gguf_splits[] = {
    { "gpt-2", nothing, gpt2, false, false },
    { "default", nothing, gpt2, false, false },
    { "smollm", nothing, digits, false, false },
    { "llama-bpe", nothing, llama3, true, true },
    { "llama3", nothing, llama3, true, true },
    { "llama-v3", nothing, llama3, true, true },
    { "qwen2", "{\"type\":\"NFC\"}", qwen2, false, false },
};
const int gguf_split_count = sizeof gguf_splits / sizeof *gguf_splits;
