/// Tokens by id and ids by token.
#pragma once
#include "base/status.h"
#include "store/json.h"
#include "token/trie.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char **tokens; ///< (count), owned; the texts lie in `pool`
    int64_t count;
    char *pool; ///< owned
    Trie trie;  ///< text to id
} Vocabulary;

/// Local. From {"token": id}: the ids must be 0 to count - 1, each once. `where` names the file.
Status vocabulary_init(Vocabulary *vocabulary, const Json *ids, const char *where);
void vocabulary_release(Vocabulary *vocabulary);
