#include "token/wordpiece.h"
#include "base/mem.h"
#include "base/utf8.h"

Status wordpiece_new(void **out, const ModelSource *source)
{
    const Json *spec = source->spec;
    const char *where = source->where;
    const char *unknown = json_text(json_get(spec, "unk_token"), NULL);
    const char *prefix = json_text(json_get(spec, "continuing_subword_prefix"), NULL);
    int64_t max_codes = json_int(json_get(spec, "max_input_chars_per_word"), -1);
    if (!unknown) return status_fail(FAILED, "%s: model.unk_token is missing", where);
    if (!prefix)
        return status_fail(FAILED, "%s: model.continuing_subword_prefix is missing", where);
    if (max_codes < 0)
        return status_fail(
            FAILED, "%s: model.max_input_chars_per_word must be a whole number from 0", where);
    if (source->bytes)
        return status_fail(FAILED, "%s: WordPiece after ByteLevel is not supported", where);
    const Vocabulary *vocabulary = source->vocabulary;
    int32_t id = trie_find(&vocabulary->trie, unknown);
    if (id < 0)
        return status_fail(FAILED, "%s: model.unk_token '%s' is not in the vocabulary", where,
                           unknown);
    WordPiece *model = MEM_NEW(WordPiece, 1);
    *model = (WordPiece){ .vocabulary = vocabulary,
                          .unknown = id,
                          .continuation = trie_node(&vocabulary->trie, prefix),
                          .max_codes = (size_t)max_codes };
    *out = model;
    return OK;
}

void wordpiece_free(void *model)
{
    mem_free(model);
}

/// The count of pieces becomes 0 if the word cannot be covered.
static size_t cut(const WordPiece *model, Pieces *out, const Normalized *text, size_t first,
                  size_t end)
{
    const Trie *trie = &model->vocabulary->trie;
    size_t bytes = end - first, before = out->count, taken;
    if (bytes > model->max_codes && utf8_count(text->bytes + first, bytes) > model->max_codes)
        return 0;
    int32_t node = 0;
    for (size_t at = first; at < end; at += taken) {
        int32_t id = -1;
        if (node >= 0) id = trie_longest(trie, node, text->bytes + at, end - at, &taken);
        if (id < 0) {
            out->count = before;
            return 0;
        }
        pieces_add(out, id, text->starts[at], normalized_end(text, at + taken - 1));
        node = model->continuation;
    }
    return out->count - before;
}

void wordpiece_cut(const void *model, struct BpeWork *work, Pieces *out, const Normalized *text,
                   size_t first, size_t end)
{
    (void)work;
    const WordPiece *wordpiece = model;
    if (cut(wordpiece, out, text, first, end)) return;
    pieces_add(out, wordpiece->unknown, text->starts[first], normalized_end(text, end - 1));
}
