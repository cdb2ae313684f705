#include "base/mem.h"
#include "token/tokenizer_parts.h"
#include "token/wordpiece.h"

#include <string.h>

static const ModelType model_types[] = {
    { "WordPiece", wordpiece_new, wordpiece_free, wordpiece_cut },
    { "BPE", bpe_new, bpe_free, bpe_cut },
};

static Status read_model(Tokenizer *tokenizer, const Json *spec, const char *where)
{
    Status status = OK;
    const char *type = json_text(json_get(spec, "type"), "(none)");
    if (!json_is_object(spec)) FAIL(FAILED, "%s: model is missing: is it a tokenizer.json?", where);
    for (size_t i = 0; i < sizeof model_types / sizeof *model_types; i++)
        if (!strcmp(type, model_types[i].type)) tokenizer->type = &model_types[i];
    if (!tokenizer->type)
        FAIL(FAILED, "%s: model type %s is not supported (only WordPiece and BPE)", where, type);
    TRY(vocabulary_init(&tokenizer->vocabulary, json_get(spec, "vocab"), where));
    tokenizer->unknown =
        trie_find(&tokenizer->vocabulary.trie, json_text(json_get(spec, "unk_token"), ""));
    ModelSource source = { &tokenizer->vocabulary, spec, tokenizer->words.bytes, where };
    TRY(tokenizer->type->new (&tokenizer->model, &source));
done:
    return status;
}

static void list_tokens(Tokenizer *tokenizer)
{
    const Vocabulary *vocabulary = &tokenizer->vocabulary;
    const AddedTokens *added = &tokenizer->added;
    tokenizer->tokens = MEM_NEW(const char *, vocabulary->count + added->count);
    memcpy(tokenizer->tokens, vocabulary->tokens,
           (size_t)vocabulary->count * sizeof *vocabulary->tokens);
    tokenizer->size = vocabulary->count;
    for (int64_t i = 0; i < added->count; i++) {
        tokenizer->tokens[added->tokens[i].id] = added->tokens[i].content;
        if (added->tokens[i].id >= tokenizer->size) tokenizer->size = added->tokens[i].id + 1;
    }
}

static void measure_spaces(Tokenizer *tokenizer)
{
    tokenizer->spaces = MEM_NEW(TokenSpaces, tokenizer->size);
    for (int64_t id = 0; id < tokenizer->size; id++) {
        const char *text = tokenizer->tokens[id] ? tokenizer->tokens[id] : "";
        tokenizer->spaces[id] = token_spaces((const unsigned char *)text, strlen(text));
    }
}

Status tokenizer_new(Tokenizer **out, const char *json, size_t bytes, const char *where)
{
    Status status = OK;
    Json *document = NULL;
    Tokenizer *tokenizer = MEM_NEW(Tokenizer, 1);
    *out = NULL;
    TRY(json_parse(&document, json, bytes, where));
    TRY(pretokenizer_init(&tokenizer->words, json_get(document, "pre_tokenizer"), where));
    TRY(read_model(tokenizer, json_get(document, "model"), where));
    TRY(normalizer_init(&tokenizer->normalizer, json_get(document, "normalizer"), where));
    TRY(added_tokens_init(&tokenizer->added, json_get(document, "added_tokens"),
                          &tokenizer->vocabulary, &tokenizer->normalizer, where));
    list_tokens(tokenizer);
    TRY(templates_init(&tokenizer->templates, json_get(document, "post_processor"), tokenizer->size,
                       where));
    if (tokenizer->templates.trims) measure_spaces(tokenizer);
    TRY(decoder_init(&tokenizer->decoder, json_get(document, "decoder"), tokenizer->tokens,
                     tokenizer->size, where));
    for (int64_t i = 0; i < tokenizer->added.count; i++)
        if (tokenizer->added.tokens[i].special)
            decoder_set_special(&tokenizer->decoder, tokenizer->added.tokens[i].id);
    *out = tokenizer;
    tokenizer = NULL;
done:
    tokenizer_free(tokenizer);
    json_free(document);
    return status;
}

void tokenizer_free(Tokenizer *tokenizer)
{
    if (!tokenizer) return;
    mem_free(tokenizer->spaces);
    decoder_release(&tokenizer->decoder);
    mem_free(tokenizer->tokens);
    templates_release(&tokenizer->templates);
    added_tokens_release(&tokenizer->added);
    pretokenizer_release(&tokenizer->words);
    normalizer_release(&tokenizer->normalizer);
    if (tokenizer->model) tokenizer->type->free(tokenizer->model);
    vocabulary_release(&tokenizer->vocabulary);
    mem_free(tokenizer);
}
