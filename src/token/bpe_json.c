#include "base/mem.h"
#include "base/text.h"
#include "base/utf8.h"
#include "token/tokenizer.h"

#include <string.h>

/// How a family of models with a vocab.json and a merges.txt sets its tokenizer up, beside them.
typedef struct {
    const char *class; ///< `tokenizer_class` of tokenizer_config.json, less its ending
    const char *mark;  ///< a token that tells the family where nothing else does
    const char *parts; ///< normalizer and pre_tokenizer
    bool roberta;      ///< <s> and </s> around the texts
    const char *specials[6];
} Family;

#define BYTES(prefix, regex)                                                                       \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":" prefix                                         \
    ",\"trim_offsets\":true,\"use_regex\":" regex "}"
#define QWEN2_SPLIT                                                                                \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"                   \
    "[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"   \
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false}"
#define PLAIN(words) "\"normalizer\":null,\"pre_tokenizer\":" words

static const Family families[] = {
    { "RobertaTokenizer",
      "</s>",
      PLAIN(BYTES("%s", "true")),
      true,
      { "<s>", "<pad>", "</s>", "<unk>", "<mask>" } },
    { "Qwen2Tokenizer",
      "<|im_start|>",
      "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\","
      "\"pretokenizers\":[" QWEN2_SPLIT "," BYTES("%s", "false") "]}",
      false,
      { "<|endoftext|>", "<|im_start|>", "<|im_end|>" } },
    { "GPT2Tokenizer", "<|endoftext|>", PLAIN(BYTES("%s", "true")), false, { "<|endoftext|>" } },
};
enum { FAMILIES = sizeof families / sizeof *families };

/// The class may end in Fast.
static bool is_class(const Family *family, const char *class)
{
    size_t length = strlen(family->class);
    return !strncmp(class, family->class, length) &&
           (!class[length] || !strcmp(class + length, "Fast"));
}

static Status find_family(const Family **out, const Json *vocabulary, const Json *config,
                          const char *where)
{
    const char *class = json_text(json_get(config, "tokenizer_class"), NULL);
    for (int i = 0; i < FAMILIES; i++) {
        *out = &families[i];
        if (class ? is_class(*out, class) : json_get(vocabulary, (*out)->mark) != NULL) return OK;
    }
    if (class)
        return status_fail(FAILED,
                           "%s: the tokenizer class %s is not known by its vocabulary and merges "
                           "(only GPT2Tokenizer, RobertaTokenizer and Qwen2Tokenizer): save it "
                           "with transformers, which writes a tokenizer.json",
                           where, class);
    return status_fail(FAILED,
                       "%s: the vocabulary has none of the tokens <|endoftext|>, <|im_start|> and "
                       "</s>: give tokenizer_config.json its tokenizer_class",
                       where);
}

/// A line of a merges.txt is a pair; the first may be a comment.
static Status read_merges(Json *pairs, const char *merges, size_t bytes, const char *where)
{
    Text part = { 0 };
    Status status = OK;
    int64_t line = 0;
    for (const char *s = merges, *end = merges + bytes, *stop; s < end; s = stop + 1) {
        line++;
        stop = memchr(s, '\n', (size_t)(end - s));
        if (!stop) stop = end;
        size_t length = (size_t)(stop - s) - (stop > s && stop[-1] == '\r');
        if (!length || (length >= 8 && !memcmp(s, "#version", 8))) continue;
        const char *space = memchr(s, ' ', length);
        bool pair = space && space > s && space + 1 < s + length &&
                    !memchr(space + 1, ' ', (size_t)(s + length - space - 1));
        if (!pair || !utf8_is_text(s, length))
            FAIL(FAILED, "%s: merges: line %lld is not a pair of tokens", where, (long long)line);
        text_clear(&part);
        text_append_bytes(&part, s, length);
        json_append(pairs, json_new_text(part.data));
    }
done:
    text_release(&part);
    return status;
}

/// As tokenizer_config.json says it, a text or an object with its `content`.
static const char *config_text(const Json *config, const char *key, const char *usual)
{
    const Json *value = json_get(config, key);
    return json_text(value, json_text(json_get(value, "content"), usual));
}

static void add_special(Json *list, const Json *vocabulary, const char *content, int64_t *next_id,
                        bool lstrip)
{
    Json *token = json_new_object();
    int64_t id = json_int(json_get(vocabulary, content), -1);
    for (int64_t i = 0; i < json_size(list); i++)
        if (!strcmp(json_text(json_get(json_at(list, i), "content"), ""), content)) {
            json_free(token);
            return;
        }
    json_set_int(token, "id", id >= 0 ? id : (*next_id)++);
    json_set_text(token, "content", content);
    json_set_bool(token, "lstrip", lstrip);
    json_set_bool(token, "normalized", false);
    json_set_bool(token, "special", true);
    json_append(list, token);
}

/// What the configuration lists by id, else the family's own where the vocabulary has them, then
/// those with a part to play.
static Json *list_added(const Family *family, const Json *vocabulary, const Json *config)
{
    static const char *const roles[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token" };
    Json *list = json_new_array();
    int64_t next_id = json_size(vocabulary);
    const Json *listed = json_get(config, "added_tokens_decoder");
    void *iterator = NULL;
    const char *id;
    Json *token;
    while (json_next(listed, &iterator, &id, &token)) {
        int64_t number = -1;
        Json *copy = json_clone(token);
        if (text_to_int64(&number, id)) json_set_int(copy, "id", number);
        if (number >= next_id) next_id = number + 1;
        json_append(list, copy);
    }
    for (int i = 0; !json_size(listed) && family->specials[i]; i++)
        if (json_get(vocabulary, family->specials[i]))
            add_special(list, vocabulary, family->specials[i], &next_id,
                        !strcmp(family->specials[i], "<mask>"));
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        const char *content = config_text(config, roles[i], NULL);
        if (content) add_special(list, vocabulary, content, &next_id, !strcmp(content, "<mask>"));
    }
    return list;
}

static Status print_processor(Text *out, const Family *family, const Json *vocabulary,
                              const Json *config, bool prefix, const char *where)
{
    static const char *const keys[] = { "sep_token", "cls_token" };
    static const char *const usual[] = { "</s>", "<s>" };
    if (!family->roberta) {
        text_append(out, "\"post_processor\":{\"type\":\"ByteLevel\",\"trim_offsets\":false},");
        return OK;
    }
    text_printf(out,
                "\"post_processor\":{\"type\":\"RobertaProcessing\",\"trim_offsets\":true,"
                "\"add_prefix_space\":%s",
                prefix ? "true" : "false");
    for (int i = 0; i < 2; i++) {
        const char *content = config_text(config, keys[i], usual[i]);
        int64_t id = json_int(json_get(vocabulary, content), -1);
        if (id < 0)
            return status_fail(FAILED, "%s: the vocabulary lacks %s '%s'", where, keys[i], content);
        text_printf(out, ",\"%.3s\":[", keys[i]);
        json_quote(out, content, strlen(content));
        text_printf(out, ",%lld]", (long long)id);
    }
    text_append(out, "},");
    return OK;
}

static void print_json(Text *out, const char *name, const Json *value)
{
    text_printf(out, "\"%s\":", name);
    json_print(out, value, 0);
}

Status tokenizer_json_from_bpe(char **json, const char *vocab, size_t vocab_bytes,
                               const char *merges, size_t merges_bytes, const Json *config,
                               const char *where)
{
    Status status = OK;
    Text out = { 0 };
    Json *vocabulary = NULL, *pairs = json_new_array(), *added = NULL;
    const Family *family;
    bool prefix = json_bool(json_get(config, "add_prefix_space"), false);
    *json = NULL;
    TRY(json_parse(&vocabulary, vocab, vocab_bytes, where));
    TRY(read_merges(pairs, merges, merges_bytes, where));
    TRY(find_family(&family, vocabulary, config, where));
    if (json_bool(json_get(config, "add_bos_token"), false))
        FAIL(FAILED,
             "%s: add_bos_token is not supported without a tokenizer.json: save it with "
             "transformers, which writes one",
             where);
    text_append(&out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
    added = list_added(family, vocabulary, config);
    print_json(&out, "added_tokens", added);
    text_append(&out, ",");
    text_printf(&out, family->parts, prefix ? "true" : "false");
    text_append(&out, ",");
    TRY(print_processor(&out, family, vocabulary, config, prefix, where));
    text_append(&out, "\"decoder\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",");
    print_json(&out, "vocab", vocabulary);
    text_append(&out, ",");
    print_json(&out, "merges", pairs);
    text_append(&out, "}}");
    *json = out.data;
    out = (Text){ 0 };
done:
    json_free(added);
    json_free(pairs);
    json_free(vocabulary);
    text_release(&out);
    return status;
}
