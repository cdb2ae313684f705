#include "base/mem.h"
#include "store/json.h"
#include "token/gguf_vocab.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    const Json *document, *model;
    const char *where;
    int64_t rows;
    const char **tokens; ///< (rows), owned
    int32_t *types;      ///< (rows), owned
    Text pool;           ///< texts that are not in the document
} Vocab;

/// True if what a row says holds of what was given. Offsets of tokens do not matter; old files
/// leave out what is usual.
static bool agrees(const Json *row, const Json *given)
{
    static const char *const usual[][2] = { { "use_regex", "true" }, { "invert", "false" } };
    void *iterator = NULL;
    const char *key;
    Json *value;
    if (json_is_array(row)) {
        bool same = json_is_array(given) && json_size(row) == json_size(given);
        for (int64_t i = 0; same && i < json_size(row); i++)
            same = agrees(json_at(row, i), json_at(given, i));
        return same;
    }
    if (!json_is_object(row)) {
        Text a = { 0 }, b = { 0 };
        json_print(&a, row, 0);
        if (given) json_print(&b, given, 0);
        bool same = !strcmp(text_chars(&a), text_chars(&b));
        text_release(&b);
        text_release(&a);
        return same;
    }
    while (json_next(row, &iterator, &key, &value)) {
        const Json *member = json_get(given, key);
        bool left_out = !strcmp(key, "trim_offsets");
        for (size_t i = 0; !member && i < sizeof usual / sizeof *usual; i++)
            left_out |= !strcmp(key, usual[i][0]) &&
                        json_bool(value, false) == !strcmp(usual[i][1], "true");
        if (!left_out && !agrees(value, member)) return false;
    }
    return true;
}

static bool agrees_with_text(const char *row, const Json *given)
{
    Json *parsed;
    if (!strcmp(row, "null")) return json_is_null(given);
    CHECK(json_parse(&parsed, row, strlen(row), "a split") == OK, "%s", status_message());
    bool same = agrees(parsed, given);
    json_free(parsed);
    return same;
}

static const GgufSplit *find_split(const Vocab *vocab)
{
    for (int i = 0; i < gguf_split_count; i++)
        if (agrees_with_text(gguf_splits[i].normalizer, json_get(vocab->document, "normalizer")) &&
            agrees_with_text(gguf_splits[i].pre_tokenizer,
                             json_get(vocab->document, "pre_tokenizer")))
            return &gguf_splits[i];
    return NULL;
}

static Status put_token(Vocab *vocab, const char *token, const Json *id, int32_t type)
{
    int64_t row = json_int(id, -1);
    if (row < 0 || row >= vocab->rows)
        return status_fail(FAILED,
                           "%s: token '%s' has no number below the %" PRId64 " of the model",
                           vocab->where, token, vocab->rows);
    vocab->tokens[row] = token;
    vocab->types[row] = type;
    return OK;
}

static bool is_byte(const char *token)
{
    unsigned value;
    int end = 0;
    return sscanf(token, "<0x%2X>%n", &value, &end) == 1 && end == 6 && !token[6];
}

static Status read_tokens(Vocab *vocab)
{
    Status status = OK;
    const Json *added = json_get(vocab->document, "added_tokens");
    const char *unknown = json_text(json_get(vocab->model, "unk_token"), "");
    bool fallback = json_bool(json_get(vocab->model, "byte_fallback"), false);
    void *iterator = NULL;
    const char *token;
    Json *id;
    while (json_next(json_get(vocab->model, "vocab"), &iterator, &token, &id))
        TRY(put_token(vocab, token, id,
                      fallback && is_byte(token) ? GGUF_TOKEN_BYTE : GGUF_TOKEN_NORMAL));
    for (int64_t i = 0; i < json_size(added); i++) {
        const Json *entry = json_at(added, i);
        bool special = json_bool(json_get(entry, "special"), false);
        token = json_text(json_get(entry, "content"), "");
        TRY(put_token(vocab, token, json_get(entry, "id"),
                      fallback && !strcmp(token, unknown) ? GGUF_TOKEN_UNKNOWN
                      : special                           ? GGUF_TOKEN_CONTROL
                                                          : GGUF_TOKEN_USER));
    }
done:
    return status;
}

/// Names for rows that no token has, as llama.cpp calls them.
static void fill_tokens(Vocab *vocab)
{
    enum { ROOM = 32 };
    int64_t missing = 0;
    for (int64_t i = 0; i < vocab->rows; i++) missing += !vocab->tokens[i];
    char zeros[ROOM] = { 0 };
    for (int64_t i = 0; i < missing; i++) text_append_bytes(&vocab->pool, zeros, ROOM);
    char *next = vocab->pool.data;
    for (int64_t i = 0; i < vocab->rows; i++) {
        if (vocab->tokens[i]) continue;
        snprintf(next, ROOM, "[PAD%" PRId64 "]", i);
        vocab->tokens[i] = next;
        vocab->types[i] = GGUF_TOKEN_UNUSED;
        next += ROOM;
    }
}

/// The two sides of a merge: a pair of texts, in old files one text with a space between them.
static bool split_merge(const char *sides[2], int lengths[2], const Json *merge)
{
    const char *text = json_text(merge, NULL);
    sides[0] = text ? text : json_text(json_at(merge, 0), "");
    sides[1] = text ? text + strcspn(text, " ") : json_text(json_at(merge, 1), "");
    if (text && *sides[1]) sides[1]++;
    lengths[0] = (int)strcspn(sides[0], " ");
    lengths[1] = (int)strcspn(sides[1], " ");
    return lengths[0] && lengths[1] && !sides[1][lengths[1]] &&
           (text || (!sides[0][lengths[0]] && json_size(merge) == 2));
}

static Status put_merges(GgufHeader *header, Vocab *vocab)
{
    Status status = OK;
    const Json *merges = json_get(vocab->model, "merges");
    int64_t count = json_size(merges);
    const char **texts = MEM_NEW(const char *, count);
    size_t *starts = MEM_NEW(size_t, count);
    Text pool = { 0 };
    for (int64_t i = 0; i < count; i++) {
        const char *sides[2];
        int lengths[2];
        if (!split_merge(sides, lengths, json_at(merges, i)))
            FAIL(FAILED, "%s: number %" PRId64 " of model.merges is not two texts without spaces",
                 vocab->where, i);
        starts[i] = pool.length_bytes;
        text_printf(&pool, "%.*s %.*s", lengths[0], sides[0], lengths[1], sides[1]);
        text_append_bytes(&pool, "", 1);
    }
    for (int64_t i = 0; i < count; i++) texts[i] = pool.data + starts[i];
    gguf_put_texts(header, "tokenizer.ggml.merges", texts, count);
done:
    text_release(&pool);
    mem_free(starts);
    mem_free(texts);
    return status;
}

/// SentencePiece has no merges, but makes the token with the best score first.
static Status put_scores(GgufHeader *header, const Vocab *vocab)
{
    Status status = OK;
    const Json *merges = json_get(vocab->model, "merges"), *ids = json_get(vocab->model, "vocab");
    float *scores = MEM_NEW(float, vocab->rows);
    Text whole = { 0 };
    for (int64_t i = json_size(merges) - 1; i >= 0; i--) {
        const char *sides[2];
        int lengths[2];
        if (!split_merge(sides, lengths, json_at(merges, i))) continue; // `put_merges` says it
        text_clear(&whole);
        text_printf(&whole, "%.*s%.*s", lengths[0], sides[0], lengths[1], sides[1]);
        int64_t id = json_int(json_get(ids, whole.data), -1);
        if (id < 0 || id >= vocab->rows)
            FAIL(FAILED, "%s: number %" PRId64 " of model.merges makes no token", vocab->where, i);
        scores[id] = -(float)(i + 1);
    }
    for (int64_t i = 0; i < vocab->rows; i++) // what no merge makes comes last
        if (scores[i] == 0) scores[i] = -(float)(json_size(merges) + 1 + i);
    gguf_put_f32s(header, "tokenizer.ggml.scores", scores, vocab->rows);
done:
    text_release(&whole);
    mem_free(scores);
    return status;
}

/// The template of a single text, which may be one of a sequence of processors.
static const Json *single_template(const Json *processor)
{
    const Json *parts = json_get(processor, "processors");
    const Json *found = json_get(processor, "single");
    for (int64_t i = 0; !found && i < json_size(parts); i++)
        found = json_get(json_at(parts, i), "single");
    return found;
}

/// The token for what no other stands for, and whether texts begin and end with a special one.
static void put_roles(GgufHeader *header, const Vocab *vocab)
{
    const char *unknown = json_text(json_get(vocab->model, "unk_token"), "");
    int64_t id = json_int(json_get(json_get(vocab->model, "vocab"), unknown), -1);
    if (id >= 0) gguf_put_u32(header, "tokenizer.ggml.unknown_token_id", (uint32_t)id);
    const Json *items = single_template(json_get(vocab->document, "post_processor"));
    const Json *last = json_at(items, json_size(items) - 1);
    gguf_put_bool(header, "tokenizer.ggml.add_bos_token",
                  json_get(json_at(items, 0), "SpecialToken"));
    gguf_put_bool(header, "tokenizer.ggml.add_eos_token", json_get(last, "SpecialToken"));
}

static bool has_space_prefix(const Vocab *vocab)
{
    Text text = { 0 };
    json_print(&text, json_get(vocab->document, "pre_tokenizer"), 0);
    bool never = text.data && strstr(text.data, "\"never\"");
    bool metaspace = text.data && strstr(text.data, "\"Metaspace\"");
    text_clear(&text);
    json_print(&text, json_get(vocab->document, "normalizer"), 0);
    bool prepends = text.data && strstr(text.data, "\"Prepend\"");
    text_release(&text);
    return prepends || (metaspace && !never);
}

static Status put_kind(GgufHeader *header, const Vocab *vocab, bool fallback)
{
    const GgufSplit *split = fallback ? NULL : find_split(vocab);
    if (!fallback && !split)
        return status_fail(FAILED,
                           "%s: GGUF has no name for this normalizer and pre_tokenizer; export the "
                           "model as a folder",
                           vocab->where);
    gguf_put_text(header, "tokenizer.ggml.model", fallback ? "llama" : "gpt2");
    gguf_put_text(header, "tokenizer.ggml.pre", fallback ? "default" : split->pre);
    gguf_put_bool(header, "tokenizer.ggml.add_space_prefix", fallback && has_space_prefix(vocab));
    return OK;
}

static Status put_vocab(GgufHeader *header, Vocab *vocab)
{
    Status status = OK;
    const char *type = json_text(json_get(vocab->model, "type"), "(none)");
    bool fallback = json_bool(json_get(vocab->model, "byte_fallback"), false);
    if (strcmp(type, "BPE"))
        FAIL(FAILED, "%s: a tokenizer of type %s has no place in a GGUF file, only BPE has",
             vocab->where, type);
    TRY(put_kind(header, vocab, fallback));
    TRY(read_tokens(vocab));
    fill_tokens(vocab);
    gguf_put_texts(header, "tokenizer.ggml.tokens", vocab->tokens, vocab->rows);
    gguf_put_i32s(header, "tokenizer.ggml.token_type", vocab->types, vocab->rows);
    if (fallback) TRY(put_scores(header, vocab));
    TRY(put_merges(header, vocab));
    put_roles(header, vocab);
done:
    return status;
}

Status tokenizer_json_to_gguf(GgufHeader *header, const char *json, size_t bytes, int64_t rows,
                              const char *where)
{
    Status status = OK;
    Json *document = NULL;
    Vocab vocab = { .where = where, .rows = rows };
    if (rows < 1 || rows > INT32_MAX / 2)
        FAIL(FAILED, "%s: no model has %" PRId64 " tokens", where, rows);
    TRY(json_parse(&document, json, bytes, where));
    vocab.document = document;
    vocab.model = json_get(document, "model");
    vocab.tokens = MEM_NEW(const char *, rows);
    vocab.types = MEM_NEW(int32_t, rows);
    TRY(put_vocab(header, &vocab));
done:
    text_release(&vocab.pool);
    mem_free(vocab.types);
    mem_free(vocab.tokens);
    json_free(document);
    return status;
}
