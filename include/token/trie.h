/// A set of byte strings with values, as a double array (Aoe 1989): a step is one load.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int32_t base;   ///< children are at base ^ byte
    int32_t parent; ///< -1: free
    int32_t value;  ///< -1: no string ends here
} TrieNode;

typedef struct {
    TrieNode *nodes; ///< (count), owned; node 0 is the empty string
    int32_t count;
} Trie;

typedef struct {
    const char *text; ///< borrowed while the trie is made
    size_t bytes;
    int32_t value;
} TrieKey;

/// Local. Sorts `keys`. Empty texts are left out; of equal texts the least value stays.
void trie_init(Trie *trie, TrieKey *keys, int64_t count);
void trie_release(Trie *trie);

/// Local. The value of the longest key that is a prefix of `s`, after the `node` reached so far
/// (0: from the start), -1 if none; *matched is its length, at least 1.
static inline int32_t trie_longest(const Trie *trie, int32_t node, const unsigned char *s,
                                   size_t bytes, size_t *matched)
{
    const TrieNode *nodes = trie->nodes;
    int32_t best = -1;
    for (size_t i = 0; i < bytes; i++) {
        int32_t next = nodes[node].base ^ s[i];
        if (nodes[next].parent != node) break;
        node = next;
        if (nodes[node].value < 0) continue;
        best = nodes[node].value;
        *matched = i + 1;
    }
    return best;
}

/// Local. The node of a prefix, -1 if no key begins with it.
int32_t trie_node(const Trie *trie, const char *prefix);
/// Local. The value of exactly this key, -1 if absent.
int32_t trie_find(const Trie *trie, const char *text);
