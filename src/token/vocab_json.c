#include "base/mem.h"
#include "base/text.h"
#include "token/tokenizer.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/// A line of a vocab.txt.
typedef struct {
    const char *text;
    size_t bytes;
    int64_t id;
} Line;

typedef struct {
    Line *lines; ///< (count), owned: by text once sorted
    int64_t count;
} Lines;

static int compare_texts(const void *left, const void *right)
{
    const Line *a = left, *b = right;
    int order = memcmp(a->text, b->text, a->bytes < b->bytes ? a->bytes : b->bytes);
    return order ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

/// Lines end with \n, \r\n or \r, as Python reads text.
static Status read_lines(Lines *lines, const char *vocab, size_t bytes, const char *where)
{
    Status status = OK;
    int64_t capacity = 1;
    for (size_t i = 0; i < bytes; i++) capacity += vocab[i] == '\n' || vocab[i] == '\r';
    lines->lines = MEM_NEW(Line, capacity);
    for (size_t at = 0; at < bytes;) {
        size_t end = at;
        while (end < bytes && vocab[end] != '\n' && vocab[end] != '\r') end++;
        Line line = { vocab + at, end - at, lines->count };
        if (!utf8_is_text(line.text, line.bytes))
            FAIL(FAILED, "%s: line %lld is not UTF-8 text", where, (long long)line.id + 1);
        lines->lines[lines->count++] = line;
        at = end + 1 + (end + 1 < bytes && vocab[end] == '\r' && vocab[end + 1] == '\n');
    }
    if (!lines->count) FAIL(FAILED, "%s: the vocabulary is empty", where);
done:
    return status;
}

static Status sort_lines(Lines *lines, const char *where)
{
    qsort(lines->lines, (size_t)lines->count, sizeof *lines->lines, compare_texts);
    for (int64_t i = 1; i < lines->count; i++) {
        const Line *a = &lines->lines[i - 1], *b = &lines->lines[i];
        if (!compare_texts(a, b))
            return status_fail(FAILED, "%s: lines %lld and %lld are the same token '%.*s'", where,
                               (long long)(a->id < b->id ? a->id : b->id) + 1,
                               (long long)(a->id < b->id ? b->id : a->id) + 1, (int)a->bytes,
                               a->text);
    }
    return OK;
}

static int64_t find_line(const Lines *lines, const char *text)
{
    Line key = { text, strlen(text), 0 };
    const Line *found =
        bsearch(&key, lines->lines, (size_t)lines->count, sizeof key, compare_texts);
    return found ? found->id : -1;
}

typedef struct {
    const char *key, *usual;
    bool required;
} Special;

static const Special specials[] = { { "unk_token", "[UNK]", true },
                                    { "sep_token", "[SEP]", true },
                                    { "pad_token", "[PAD]", false },
                                    { "cls_token", "[CLS]", true },
                                    { "mask_token", "[MASK]", false } };
enum { UNK, SEP, PAD, CLS, MASK, SPECIALS };

/// A special token is a text, or an object with its `content`.
static const char *special_text(const Json *config, const Special *special)
{
    const Json *value = json_get(config, special->key);
    return json_text(value, json_text(json_get(value, "content"), special->usual));
}

static void print_added(Text *out, const Lines *lines, const char *const names[SPECIALS])
{
    const char *separator = "";
    text_append(out, "\"added_tokens\":[");
    for (int i = 0; i < SPECIALS; i++) {
        int64_t id = find_line(lines, names[i]);
        if (id < 0) continue;
        text_printf(out, "%s{\"id\":%lld,\"content\":", separator, (long long)id);
        json_quote(out, names[i], strlen(names[i]));
        text_append(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                         "\"normalized\":false,\"special\":true}");
        separator = ",";
    }
    text_append(out, "],");
}

static void print_normalizer(Text *out, const Json *config)
{
    static const char *const names[] = { "false", "true" };
    const Json *strip = json_get(config, "strip_accents");
    text_printf(out,
                "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
                "\"handle_chinese_chars\":%s,\"strip_accents\":%s,\"lowercase\":%s},"
                "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},",
                names[json_bool(json_get(config, "tokenize_chinese_chars"), true)],
                json_is_bool(strip) ? names[json_bool(strip, false)] : "null",
                names[json_bool(json_get(config, "do_lower_case"), true)]);
}

static void print_special(Text *out, const char *name, int type)
{
    text_append(out, "{\"SpecialToken\":{\"id\":");
    json_quote(out, name, strlen(name));
    text_printf(out, ",\"type_id\":%d}}", type);
}

static void print_processor(Text *out, const Lines *lines, const char *const names[SPECIALS])
{
    static const char *const forms[] = { "single", "pair" };
    text_append(out, "\"post_processor\":{\"type\":\"TemplateProcessing\",");
    for (int pair = 0; pair < 2; pair++) {
        text_printf(out, "\"%s\":[", forms[pair]);
        print_special(out, names[CLS], 0);
        text_append(out, ",{\"Sequence\":{\"id\":\"A\",\"type_id\":0}},");
        print_special(out, names[SEP], 0);
        if (pair) text_append(out, ",{\"Sequence\":{\"id\":\"B\",\"type_id\":1}},");
        if (pair) print_special(out, names[SEP], 1);
        text_append(out, "],");
    }
    text_append(out, "\"special_tokens\":{");
    for (int i = 0; i < 2; i++) {
        const char *name = names[i ? SEP : CLS];
        text_append(out, i ? "," : "");
        json_quote(out, name, strlen(name));
        text_append(out, ":{\"id\":");
        json_quote(out, name, strlen(name));
        text_printf(out, ",\"ids\":[%lld],\"tokens\":[", (long long)find_line(lines, name));
        json_quote(out, name, strlen(name));
        text_append(out, "]}");
    }
    text_append(out, "}},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},");
}

static void print_model(Text *out, const Lines *lines, const char *unknown)
{
    text_append(out, "\"model\":{\"type\":\"WordPiece\",\"unk_token\":");
    json_quote(out, unknown, strlen(unknown));
    text_append(out, ",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"
                     "\"vocab\":{");
    for (int64_t i = 0; i < lines->count; i++) {
        text_append(out, i ? "," : "");
        json_quote(out, lines->lines[i].text, lines->lines[i].bytes);
        text_printf(out, ":%lld", (long long)lines->lines[i].id);
    }
    text_append(out, "}}}");
}

Status tokenizer_json_from_vocab(char **json, const char *vocab, size_t vocab_bytes,
                                 const Json *config, const char *where)
{
    Status status = OK;
    Lines lines = { 0 };
    Text out = { 0 };
    const char *names[SPECIALS];
    *json = NULL;
    TRY(read_lines(&lines, vocab, vocab_bytes, where));
    TRY(sort_lines(&lines, where));
    for (int i = 0; i < SPECIALS; i++) {
        names[i] = special_text(config, &specials[i]);
        if (specials[i].required && find_line(&lines, names[i]) < 0)
            FAIL(FAILED, "%s: the vocabulary lacks %s '%s': is it a BERT vocabulary?", where,
                 specials[i].key, names[i]);
    }
    text_append(&out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
    print_added(&out, &lines, names);
    print_normalizer(&out, config);
    print_processor(&out, &lines, names);
    print_model(&out, &lines, names[UNK]);
    *json = out.data;
    out = (Text){ 0 };
done:
    text_release(&out);
    mem_free(lines.lines);
    return status;
}
