/// SHA-256 (FIPS 180-4) of source files, for provenance.
#pragma once
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t total_bytes;
    unsigned char block[64]; ///< the first total_bytes % 64 bytes wait here
} Sha256;

/// Local. Takes whole blocks of 64 bytes, with the SHA instructions of the CPU if it has them; and
/// without them, to the same end.
void sha256_blocks(uint32_t state[8], const unsigned char *data, size_t blocks);
void sha256_blocks_portable(uint32_t state[8], const unsigned char *data, size_t blocks);

void sha256_init(Sha256 *sha);
void sha256_add(Sha256 *sha, const void *data, size_t bytes);
/// Local. 64 lower-case digits and a NUL; `sha` is used up.
void sha256_finish(char hex[65], Sha256 *sha);

/// Local. Of a whole file. FAILED if it cannot be read.
Status sha256_file(char hex[65], const char *path);
