/// XXH3, 128 bits: for cache keys and duplicates, not against malice.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// In the canonical byte order of XXH3: the same on every machine.
typedef struct {
    uint8_t bytes[16];
} Hash;

enum {
    HASH_BLOCK_BYTES =
        1 << 20,         ///< files are hashed by blocks, then the hashes: ranks share the work
    HASH_TEXT_BYTES = 33 ///< 32 lower-case digits and a NUL
};

/// Local.
Hash hash_bytes(const void *data, size_t bytes);
/// Local.
void hash_text(char out[HASH_TEXT_BYTES], const Hash *hash);
