#include "token/pretokenize.h"
#include "token/unicode.h"
#include "base/utf8.h"

#include <string.h>

typedef enum { IN_WORD, SPACE, ALONE } CodeClass;

static CodeClass class_at(const PreTokenizer *words, const Normalized *text, size_t at, int *bytes)
{
    unsigned char byte = text->bytes[at];
    *bytes = 1;
    if (byte < 0x80) return (CodeClass)words->ascii[byte];
    uint32_t code = utf8_decode(bytes, text->bytes + at, text->count - at);
    return (CodeClass)code_table_get(&words->table, code);
}

bool pretokenizer_next(const PreTokenizer *words, size_t *first, size_t *end,
                       const Normalized *text)
{
    int bytes;
    size_t at = *end;
    CodeClass kind = SPACE;
    for (; at < text->count; at += (size_t)bytes) {
        kind = class_at(words, text, at, &bytes);
        if (kind != SPACE) break;
    }
    if (at >= text->count) return false;
    *first = at;
    at += (size_t)bytes;
    while (kind == IN_WORD && at < text->count && class_at(words, text, at, &bytes) == IN_WORD)
        at += (size_t)bytes;
    *end = at;
    return true;
}

static void set_class(PreTokenizer *words, const CodeSet *set, CodeClass kind)
{
    for (int i = 0; i < set->count; i++)
        code_table_set_range(&words->table, set->ranges[i].first, set->ranges[i].last, kind);
}

static void set_bert(PreTokenizer *words)
{
    set_class(words, &unicode_punctuation, ALONE);
    set_class(words, &unicode_spaces, SPACE);
}

static const struct {
    const char *type;
    void (*set)(PreTokenizer *words);
} types[] = {
    { "BertPreTokenizer", set_bert },
};

Status pretokenizer_init(PreTokenizer *words, const Json *spec, const char *where)
{
    const char *type = json_text(json_get(spec, "type"), "(none)");
    bool known = json_is_null(spec);
    code_table_init(&words->table);
    for (size_t i = 0; i < sizeof types / sizeof *types && !known; i++) {
        known = !strcmp(type, types[i].type);
        if (known) types[i].set(words);
    }
    if (!known)
        return status_fail(FAILED,
                           "%s: pre_tokenizer type %s is not supported (only BertPreTokenizer)",
                           where, type);
    for (uint32_t code = 0; code < 128; code++)
        words->ascii[code] = (unsigned char)code_table_get(&words->table, code);
    return OK;
}

void pretokenizer_release(PreTokenizer *words)
{
    code_table_release(&words->table);
}
