/// Canonical composition (NFC; Unicode Standard Annex 15).
#pragma once
#include <stdbool.h>
#include <stdint.h>

/// Which two code points make which one. `(Compositions){0}` is empty.
typedef struct {
    uint64_t *pairs; ///< (slots), owned: an open hash table; 0: free
    uint32_t *codes; ///< (slots), owned
    int slots;
} Compositions;

void compositions_init(Compositions *table);
void compositions_release(Compositions *table);
/// Local. The composition of two code points, 0 if they have none.
uint32_t compositions_find(const Compositions *table, uint32_t first, uint32_t second);
/// Local. Calls `visit` for every code point that may be the second of a pair.
void compositions_seconds(const Compositions *table, void (*visit)(void *context, uint32_t code),
                          void *context);
