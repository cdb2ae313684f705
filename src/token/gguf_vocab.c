#include "token/gguf_vocab.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "store/json.h"
#include "token/trie.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { BOS, EOS, UNK, PAD, SPECIALS };
static const char *const special_keys[SPECIALS] = {
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.padding_token_id",
};

/// The metadata of a tokenizer.
typedef struct {
    const Gguf *file;
    const GgufValue *tokens, *types, *merges, *scores; ///< but tokens: NULL if absent
    const GgufSplit *split;                            ///< NULL: SentencePiece
    int64_t ids[SPECIALS];                             ///< -1 if absent
    Trie trie;                                         ///< text to id
} Vocab;

static const char *token_text(const Vocab *vocab, int64_t id)
{
    return gguf_text_at(vocab->tokens, id);
}

static void print_token(Text *out, const Vocab *vocab, int64_t id)
{
    json_quote(out, token_text(vocab, id), gguf_text_bytes_at(vocab->tokens, id));
}

/// An array of `count` elements (-1: any number) of one kind; *out is NULL where it is absent.
static Status find_array(const GgufValue **out, const Gguf *file, const char *key, GgufKind kind,
                         int64_t count)
{
    const GgufValue *value = gguf_value(file, key);
    *out = value;
    if (!value) return OK;
    if (!value->array || value->kind != kind || (count >= 0 && value->count != count))
        return status_fail(FAILED, "%s: %s is not an array of the kind and length that it must be",
                           gguf_path(file), key);
    return OK;
}

static Status check_text(const Vocab *vocab, const GgufValue *texts, int64_t index)
{
    const unsigned char *text = (const unsigned char *)gguf_text_at(texts, index);
    size_t bytes = gguf_text_bytes_at(texts, index);
    int taken;
    for (size_t at = 0; at < bytes; at += (size_t)taken) {
        uint32_t code = utf8_decode(&taken, text + at, bytes - at);
        if (code == UTF8_ILL_FORMED || !code)
            return status_fail(FAILED, "%s: %s: number %" PRId64 " is not UTF-8 text",
                               gguf_path(vocab->file), texts->key, index);
    }
    return OK;
}

static Status read_tokens(Vocab *vocab)
{
    Status status = OK;
    TrieKey *keys = NULL;
    const char *path = gguf_path(vocab->file);
    TRY(find_array(&vocab->tokens, vocab->file, "tokenizer.ggml.tokens", GGUF_TEXT, -1));
    int64_t count = vocab->tokens ? vocab->tokens->count : 0;
    if (!count || count > INT32_MAX / 2)
        FAIL(FAILED, "%s: tokenizer.ggml.tokens is missing or has no valid length", path);
    keys = MEM_NEW(TrieKey, count);
    for (int64_t i = 0; i < count; i++) {
        TRY(check_text(vocab, vocab->tokens, i));
        keys[i] =
            (TrieKey){ token_text(vocab, i), gguf_text_bytes_at(vocab->tokens, i), (int32_t)i };
    }
    trie_init(&vocab->trie, keys, count);
    for (int64_t i = 0; i < count; i++) {
        int32_t first = trie_find(&vocab->trie, token_text(vocab, i));
        if (first != i)
            FAIL(FAILED, "%s: tokenizer.ggml.tokens: number %" PRId64 " '%s' is %s", path, i,
                 token_text(vocab, i), first < 0 ? "empty" : "there twice");
    }
done:
    mem_free(keys);
    return status;
}

static Status find_split(Vocab *vocab)
{
    const char *model = gguf_text(vocab->file, "tokenizer.ggml.model", "(none)");
    const char *pre = gguf_text(vocab->file, "tokenizer.ggml.pre", "default");
    Text names = { 0 };
    if (!strcmp(model, "llama")) return OK;
    if (strcmp(model, "gpt2"))
        return status_fail(FAILED, "%s: tokenizer.ggml.model '%s' is not read, only gpt2 and llama",
                           gguf_path(vocab->file), model);
    for (int i = gguf_split_count - 1; i >= 0; i--) {
        if (!strcmp(gguf_splits[i].pre, pre)) vocab->split = &gguf_splits[i];
        text_printf(&names, "%s%s", names.data ? ", " : "", gguf_splits[i].pre);
    }
    Status status = vocab->split
                        ? OK
                        : status_fail(FAILED, "%s: tokenizer.ggml.pre '%s' is not known (%s)",
                                      gguf_path(vocab->file), pre, text_chars(&names));
    text_release(&names);
    return status;
}

static Status read_vocab(Vocab *vocab)
{
    Status status = OK;
    TRY(find_split(vocab));
    TRY(read_tokens(vocab));
    int64_t count = vocab->tokens->count;
    TRY(find_array(&vocab->types, vocab->file, "tokenizer.ggml.token_type", GGUF_INT, count));
    TRY(find_array(&vocab->merges, vocab->file, "tokenizer.ggml.merges", GGUF_TEXT, -1));
    TRY(find_array(&vocab->scores, vocab->file, "tokenizer.ggml.scores", GGUF_REAL, count));
    if (!vocab->merges && (vocab->split || !vocab->scores))
        FAIL(FAILED, "%s: tokenizer.ggml.merges is missing", gguf_path(vocab->file));
    for (int i = 0; i < SPECIALS; i++) {
        bool there = gguf_value(vocab->file, special_keys[i]);
        vocab->ids[i] = there ? gguf_int(vocab->file, special_keys[i], -1) : -1;
        if (there && (vocab->ids[i] < 0 || vocab->ids[i] >= count))
            FAIL(FAILED, "%s: %s is not the number of one of the %" PRId64 " tokens",
                 gguf_path(vocab->file), special_keys[i], count);
    }
done:
    return status;
}

/// Tokens that are found whole in a text: those the file calls control or the user's, and those
/// with a role.
static void print_added(Text *out, const Vocab *vocab)
{
    const char *separator = "";
    text_append(out, "\"added_tokens\":[");
    for (int64_t id = 0; id < vocab->tokens->count; id++) {
        int64_t type = vocab->types ? gguf_int_at(vocab->types, id) : GGUF_TOKEN_NORMAL;
        bool special = type == GGUF_TOKEN_CONTROL;
        for (int i = 0; i < SPECIALS; i++) special |= vocab->ids[i] == id;
        if (!special && type != GGUF_TOKEN_USER) continue;
        text_printf(out, "%s{\"id\":%" PRId64 ",\"content\":", separator, id);
        print_token(out, vocab, id);
        text_printf(out,
                    ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                    "\"normalized\":false,\"special\":%s}",
                    special ? "true" : "false");
        separator = ",";
    }
    text_append(out, "],");
}

static void print_special(Text *out, const Vocab *vocab, int64_t id, int type)
{
    text_append(out, "{\"SpecialToken\":{\"id\":");
    print_token(out, vocab, id);
    text_printf(out, ",\"type_id\":%d}}", type);
}

/// The beginning and end that every text gets, -1 for none.
static Status find_ends(int64_t ends[2], const Vocab *vocab)
{
    static const char *const keys[] = { "tokenizer.ggml.add_bos_token",
                                        "tokenizer.ggml.add_eos_token" };
    const bool usual[] = { !vocab->split || vocab->split->adds_bos, false };
    for (int i = 0; i < 2; i++) {
        bool said = gguf_bool(vocab->file, keys[i], false);
        bool wanted = gguf_bool(vocab->file, keys[i], usual[i]);
        ends[i] = wanted ? vocab->ids[i ? EOS : BOS] : -1;
        if (said && ends[i] < 0)
            return status_fail(FAILED, "%s: %s is true but %s is missing", gguf_path(vocab->file),
                               keys[i], special_keys[i ? EOS : BOS]);
    }
    return OK;
}

static void print_processor(Text *out, const Vocab *vocab, const int64_t ends[2])
{
    static const char *const forms[] = { "single", "pair" };
    const char *separator = "";
    text_append(out, "\"post_processor\":{\"type\":\"TemplateProcessing\",");
    for (int form = 0; form < 2; form++) {
        text_printf(out, "\"%s\":[", forms[form]);
        for (int part = 0; part <= form; part++) {
            if (part) text_append(out, ",");
            if (ends[0] >= 0) print_special(out, vocab, ends[0], part);
            if (ends[0] >= 0) text_append(out, ",");
            text_printf(out, "{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", 'A' + part, part);
            if (ends[1] >= 0) text_append(out, ",");
            if (ends[1] >= 0) print_special(out, vocab, ends[1], part);
        }
        text_append(out, "],");
    }
    text_append(out, "\"special_tokens\":{");
    for (int i = 0; i < 2; i++) {
        if (ends[i] < 0 || (i && ends[0] == ends[1])) continue;
        text_append(out, separator);
        print_token(out, vocab, ends[i]);
        text_append(out, ":{\"id\":");
        print_token(out, vocab, ends[i]);
        text_printf(out, ",\"ids\":[%" PRId64 "],\"tokens\":[", ends[i]);
        print_token(out, vocab, ends[i]);
        text_append(out, "]}");
        separator = ",";
    }
    text_append(out, "}},");
}

static const char bytes_decoder[] =
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,\"use_regex\":true}";

/// Spaces are U+2581; one goes before the text unless the file says no.
static void print_words(Text *out, const Vocab *vocab)
{
    if (vocab->split) {
        text_printf(out, "\"normalizer\":%s,\"pre_tokenizer\":%s,\"decoder\":%s,",
                    vocab->split->normalizer, vocab->split->pre_tokenizer, bytes_decoder);
        return;
    }
    bool prefix = gguf_bool(vocab->file, "tokenizer.ggml.add_space_prefix", true);
    text_printf(out,
                "\"normalizer\":null,\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":"
                "\"\xE2\x96\x81\",\"prepend_scheme\":\"%s\",\"split\":false},"
                "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\","
                "\"pattern\":{\"String\":\"\xE2\x96\x81\"},\"content\":\" \"},"
                "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}%s]},",
                prefix ? "first" : "never",
                prefix ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
}

static Status print_merges(Text *out, const Vocab *vocab)
{
    for (int64_t i = 0; i < vocab->merges->count; i++) {
        const char *merge = gguf_text_at(vocab->merges, i);
        size_t bytes = gguf_text_bytes_at(vocab->merges, i), left = strcspn(merge, " ");
        Status status = check_text(vocab, vocab->merges, i);
        if (status != OK) return status;
        if (!left || left + 1 >= bytes || strchr(merge + left + 1, ' '))
            return status_fail(FAILED,
                               "%s: tokenizer.ggml.merges: number %" PRId64 " '%s' is not two "
                               "texts with a space between them",
                               gguf_path(vocab->file), i, merge);
        text_append(out, i ? ",[" : "[");
        json_quote(out, merge, left);
        text_append(out, ",");
        json_quote(out, merge + left + 1, bytes - left - 1);
        text_append(out, "]");
    }
    return OK;
}

/// Two tokens that make a third.
typedef struct {
    double score;
    size_t left_codes, right_codes;
    int32_t whole, left, right;
} Merge;

static int compare_merges(const void *first, const void *second)
{
    const Merge *a = first, *b = second;
    if (a->score != b->score) return a->score > b->score ? -1 : 1;
    if (a->left_codes != b->left_codes) return a->left_codes > b->left_codes ? -1 : 1;
    if (a->right_codes != b->right_codes) return a->right_codes > b->right_codes ? -1 : 1;
    if (a->whole != b->whole) return a->whole < b->whole ? -1 : 1;
    return (a->left > b->left) - (a->left < b->left);
}

/// Appends the ways to make a token of two others.
static void add_ways(Merge **merges, int64_t *count, int64_t *capacity, const Vocab *vocab,
                     int32_t whole)
{
    const unsigned char *text = (const unsigned char *)token_text(vocab, whole);
    size_t bytes = gguf_text_bytes_at(vocab->tokens, whole), codes = utf8_count(text, bytes);
    const TrieNode *nodes = vocab->trie.nodes;
    int32_t node = 0;
    size_t left_codes = 0;
    for (size_t at = 1; at < bytes; at++) {
        node = nodes[node].base ^ text[at - 1]; // every prefix of a token is in the trie
        if ((text[at] & 0xC0) == 0x80) continue;
        left_codes++;
        int32_t left = nodes[node].value;
        int32_t right = left < 0 ? -1 : trie_find(&vocab->trie, (const char *)text + at);
        if (right < 0) continue;
        if (*count == *capacity) {
            *capacity = 2 * *capacity + 1024;
            *merges = mem_resize(*merges, (size_t)*capacity, sizeof **merges);
        }
        (*merges)[(*count)++] = (Merge){
            gguf_real_at(vocab->scores, whole), left_codes, codes - left_codes, whole, left, right
        };
    }
}

/// Merges in the order in which SentencePiece would make them: the best token first.
static Status print_implied_merges(Text *out, const Vocab *vocab)
{
    Status status = OK;
    Merge *merges = NULL;
    int64_t count = 0, capacity = 0;
    for (int64_t i = 0; i < vocab->tokens->count; i++) {
        if (gguf_real_at(vocab->scores, i) != gguf_real_at(vocab->scores, i))
            FAIL(FAILED, "%s: tokenizer.ggml.scores: number %" PRId64 " is no number",
                 gguf_path(vocab->file), i);
        add_ways(&merges, &count, &capacity, vocab, (int32_t)i);
    }
    if (count) qsort(merges, (size_t)count, sizeof *merges, compare_merges);
    for (int64_t i = 0; i < count; i++) {
        text_append(out, i ? ",[" : "[");
        print_token(out, vocab, merges[i].left);
        text_append(out, ",");
        print_token(out, vocab, merges[i].right);
        text_append(out, "]");
    }
done:
    mem_free(merges);
    return status;
}

static Status print_model(Text *out, const Vocab *vocab)
{
    bool bytes = vocab->split;
    text_append(out, "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    if (!bytes && vocab->ids[UNK] >= 0)
        print_token(out, vocab, vocab->ids[UNK]);
    else
        text_append(out, "null");
    text_printf(out,
                ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                "\"fuse_unk\":%s,\"byte_fallback\":%s,\"ignore_merges\":%s,\"vocab\":{",
                bytes ? "false" : "true", bytes ? "false" : "true",
                bytes && vocab->split->ignore_merges ? "true" : "false");
    for (int64_t id = 0; id < vocab->tokens->count; id++) {
        if (id) text_append(out, ",");
        print_token(out, vocab, id);
        text_printf(out, ":%" PRId64, id);
    }
    text_append(out, "},\"merges\":[");
    Status status = vocab->merges ? print_merges(out, vocab) : print_implied_merges(out, vocab);
    text_append(out, "]}}");
    return status;
}

Status tokenizer_json_from_gguf(char **json, const Gguf *file)
{
    Status status = OK;
    Vocab vocab = { .file = file };
    Text out = { 0 };
    int64_t ends[2];
    *json = NULL;
    TRY(read_vocab(&vocab));
    TRY(find_ends(ends, &vocab));
    text_append(&out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
    print_added(&out, &vocab);
    print_words(&out, &vocab);
    print_processor(&out, &vocab, ends);
    TRY(print_model(&out, &vocab));
    *json = out.data;
    out = (Text){ 0 };
done:
    text_release(&out);
    trie_release(&vocab.trie);
    return status;
}
