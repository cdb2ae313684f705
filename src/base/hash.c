#include "base/hash.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

Hash hash_bytes(const void *data, size_t bytes)
{
    Hash hash;
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, bytes));
    memcpy(hash.bytes, canonical.digest, sizeof hash.bytes);
    return hash;
}

void hash_text(char out[HASH_TEXT_BYTES], const Hash *hash)
{
    for (size_t i = 0; i < sizeof hash->bytes; i++)
        snprintf(out + 2 * i, 3, "%02x", hash->bytes[i]);
}
