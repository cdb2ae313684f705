#include "token/vocabulary.h"
#include "base/mem.h"

#include <string.h>

static Status read_ids(Vocabulary *vocabulary, const Json *ids, const char *where)
{
    void *iterator = NULL;
    const char *token;
    Json *value;
    char *end = vocabulary->pool;
    while (json_next(ids, &iterator, &token, &value)) {
        int64_t id = json_int(value, -1);
        if (id < 0 || id >= vocabulary->count)
            return status_fail(FAILED,
                               "%s: model.vocab: the id of token '%s' must be a whole number from "
                               "0 to %lld (one less than the tokens there are)",
                               where, token, (long long)vocabulary->count - 1);
        if (vocabulary->tokens[id])
            return status_fail(FAILED,
                               "%s: model.vocab: tokens '%s' and '%s' have the same id %lld", where,
                               vocabulary->tokens[id], token, (long long)id);
        vocabulary->tokens[id] = end;
        size_t bytes = strlen(token) + 1;
        memcpy(end, token, bytes);
        end += bytes;
    }
    return OK;
}

static size_t pool_bytes(const Json *ids)
{
    void *iterator = NULL;
    const char *token;
    Json *value;
    size_t bytes = 1;
    while (json_next(ids, &iterator, &token, &value)) bytes += strlen(token) + 1;
    return bytes;
}

Status vocabulary_init(Vocabulary *vocabulary, const Json *ids, const char *where)
{
    Status status = OK;
    TrieKey *keys = NULL;
    *vocabulary = (Vocabulary){ .count = json_size(ids) };
    if (!json_is_object(ids) || !vocabulary->count)
        FAIL(FAILED, "%s: model.vocab is missing or empty: it must map tokens to ids", where);
    if (vocabulary->count > INT32_MAX / 2)
        FAIL(FAILED, "%s: model.vocab has too many tokens (%lld)", where,
             (long long)vocabulary->count);
    vocabulary->tokens = MEM_NEW(const char *, vocabulary->count);
    vocabulary->pool = MEM_NEW(char, pool_bytes(ids));
    TRY(read_ids(vocabulary, ids, where));
    keys = MEM_NEW(TrieKey, vocabulary->count);
    for (int64_t i = 0; i < vocabulary->count; i++)
        keys[i] = (TrieKey){ vocabulary->tokens[i], strlen(vocabulary->tokens[i]), (int32_t)i };
    trie_init(&vocabulary->trie, keys, vocabulary->count);
done:
    mem_free(keys);
    return status;
}

void vocabulary_release(Vocabulary *vocabulary)
{
    trie_release(&vocabulary->trie);
    mem_free(vocabulary->pool);
    mem_free(vocabulary->tokens);
    *vocabulary = (Vocabulary){ 0 };
}
