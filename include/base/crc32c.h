/// CRC-32C (Castagnoli): the checksum of file blocks.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Local. The sum of `bytes` more bytes after those that gave `crc` (0 at the start).
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);
/// Local. The same values without the processor's instruction.
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t bytes);
/// Local. The sum of A followed by B, from the sums of both and the length of B.
uint32_t crc32c_combine(uint32_t crc_a, uint32_t crc_b, uint64_t b_bytes);
