#include "token/added_tokens.h"
#include "base/mem.h"
#include "token/unicode.h"
#include "base/utf8.h"

#include <string.h>

static bool word_before(const AddedWalk *walk, size_t at)
{
    int bytes;
    uint32_t code = at ? utf8_decode_before(&bytes, walk->bytes, at) : UTF8_ILL_FORMED;
    return code != UTF8_ILL_FORMED && unicode_is_word(code);
}

static bool word_after(const AddedWalk *walk, size_t at)
{
    if (at == walk->count) return false;
    int bytes;
    uint32_t code = utf8_decode(&bytes, walk->bytes + at, walk->count - at);
    return code != UTF8_ILL_FORMED && unicode_is_word(code);
}

static size_t spaces_begin(const AddedWalk *walk, size_t at)
{
    int bytes;
    while (at && code_set_has(&unicode_spaces, utf8_decode_before(&bytes, walk->bytes, at)))
        at -= (size_t)bytes;
    return at;
}

static size_t spaces_end(const AddedWalk *walk, size_t at)
{
    int bytes;
    while (at < walk->count &&
           code_set_has(&unicode_spaces, utf8_decode(&bytes, walk->bytes + at, walk->count - at)))
        at += (size_t)bytes;
    return at;
}

const AddedToken *added_tokens_next(const AddedTokens *added, const AddedPatterns *patterns,
                                    AddedWalk *walk, size_t *first)
{
    if (!patterns->any) return NULL;
    while (walk->search < walk->count) {
        size_t at = walk->search, taken;
        int32_t index = -1;
        if (patterns->begins[walk->bytes[at]])
            index = trie_longest(&patterns->trie, 0, walk->bytes + at, walk->count - at, &taken);
        walk->search += index < 0 ? 1 : taken;
        if (index < 0) continue;
        const AddedToken *token = &added->tokens[index];
        size_t end = walk->search;
        if (token->single_word && (word_before(walk, at) || word_after(walk, end))) continue;
        *first = token->lstrip ? spaces_begin(walk, at) : at;
        if (*first < walk->covered && token->lstrip) *first = walk->covered;
        walk->covered = token->rstrip ? spaces_end(walk, end) : end;
        return token;
    }
    return NULL;
}

static Status read_token(AddedToken *token, const Json *item, const char *where)
{
    const char *content = json_text(json_get(item, "content"), "");
    int64_t id = json_int(json_get(item, "id"), -1);
    if (!*content) return status_fail(FAILED, "%s: added_tokens: an entry has no content", where);
    if (id < 0 || id > INT32_MAX)
        return status_fail(FAILED, "%s: added_tokens: '%s' has no id", where, content);
    bool special = json_bool(json_get(item, "special"), false);
    *token = (AddedToken){ .content = mem_copy_text(content),
                           .id = (int32_t)id,
                           .special = special,
                           .single_word = json_bool(json_get(item, "single_word"), false),
                           .lstrip = json_bool(json_get(item, "lstrip"), false),
                           .rstrip = json_bool(json_get(item, "rstrip"), false),
                           .normalized = json_bool(json_get(item, "normalized"), !special) };
    return OK;
}

static Status check_ids(const AddedTokens *added, const Vocabulary *vocabulary, const char *where)
{
    int64_t next_id = vocabulary->count;
    for (int64_t i = 0; i < added->count; i++) {
        const AddedToken *token = &added->tokens[i];
        if (trie_find(&added->contents, token->content) != i)
            return status_fail(FAILED, "%s: added_tokens: '%s' is listed twice", where,
                               token->content);
        int64_t known = trie_find(&vocabulary->trie, token->content);
        int64_t expected = known < 0 ? next_id++ : known;
        if (token->id != expected)
            return status_fail(FAILED,
                               "%s: added_tokens: '%s' has id %d, but after the vocabulary it must "
                               "be %lld",
                               where, token->content, token->id, (long long)expected);
    }
    return OK;
}

/// Where two tokens look the same once normalized, special ones come first.
static void put_special_first(AddedTokens *added)
{
    AddedToken *sorted = MEM_NEW(AddedToken, added->count + 1);
    int64_t count = 0;
    for (int special = 1; special >= 0; special--)
        for (int64_t i = 0; i < added->count; i++)
            if (added->tokens[i].special == special) sorted[count++] = added->tokens[i];
    mem_free(added->tokens);
    added->tokens = sorted;
}

/// The texts to look for: the contents, or what the normalizer makes of them.
static Status make_patterns(AddedPatterns *patterns, const AddedTokens *added,
                            const Normalizer *normalizer, bool normalized, const char *where)
{
    Status status = OK;
    TrieKey *keys = MEM_NEW(TrieKey, added->count + 1);
    int64_t count = 0;
    Normalized text = { 0 };
    for (int64_t i = 0; i < added->count; i++) {
        const char *content = added->tokens[i].content;
        if (added->tokens[i].normalized != normalized) continue;
        size_t bytes = strlen(content);
        const void *pattern = content;
        text.source = (const unsigned char *)content;
        text.source_bytes = bytes;
        if (normalized) {
            normalizer_run(normalizer, &text, 0, bytes);
            pattern = text.bytes + NORMALIZED_FIRST;
            bytes = text.count - NORMALIZED_FIRST;
        }
        if (!bytes)
            FAIL(FAILED, "%s: added_tokens: nothing is left of '%s' after normalization", where,
                 content);
        keys[count++] = (TrieKey){ mem_copy(pattern, bytes), bytes, (int32_t)i };
        patterns->begins[*(const unsigned char *)pattern] = patterns->any = true;
    }
    trie_init(&patterns->trie, keys, count);
done:
    for (int64_t i = 0; i < count; i++) mem_free((void *)keys[i].text);
    mem_free(keys);
    normalized_release(&text);
    return status;
}

Status added_tokens_init(AddedTokens *added, const Json *list, const Vocabulary *vocabulary,
                         const Normalizer *normalizer, const char *where)
{
    Status status = OK;
    int64_t count = json_size(list);
    TrieKey *keys = MEM_NEW(TrieKey, count + 1);
    *added = (AddedTokens){ 0 };
    if (!json_is_null(list) && !json_is_array(list))
        FAIL(FAILED, "%s: added_tokens must be a list", where);
    added->tokens = MEM_NEW(AddedToken, count + 1);
    for (; added->count < count; added->count++) {
        AddedToken *token = &added->tokens[added->count];
        TRY(read_token(token, json_at(list, added->count), where));
        keys[added->count] =
            (TrieKey){ token->content, strlen(token->content), (int32_t)added->count };
    }
    trie_init(&added->contents, keys, count);
    TRY(check_ids(added, vocabulary, where));
    put_special_first(added);
    TRY(make_patterns(&added->plain, added, normalizer, false, where));
    TRY(make_patterns(&added->normalized, added, normalizer, true, where));
done:
    mem_free(keys);
    return status;
}

void added_tokens_release(AddedTokens *added)
{
    trie_release(&added->normalized.trie);
    trie_release(&added->plain.trie);
    trie_release(&added->contents);
    for (int64_t i = 0; i < added->count; i++) mem_free(added->tokens[i].content);
    mem_free(added->tokens);
    *added = (AddedTokens){ 0 };
}
