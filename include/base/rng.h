/// Randomness as a pure function: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy
/// as 1, 2, 3", SC11). No state: nothing to save but the seed, and any rank may draw any number.
#pragma once
#include <stdint.h>

/// What a draw is for. A new use is a new row; the numbers are part of every file's meaning.
typedef enum {
    RNG_SHUFFLE = 1,  ///< counter (epoch, row)
    RNG_SPLIT = 2,    ///< counter (label, row)
    RNG_INIT = 3,     ///< counter (parameter, element)
    RNG_MASK = 4,     ///< counter (step, row and place)
    RNG_REPLACE = 5,  ///< counter (step, row and place)
    RNG_SAMPLE = 6,   ///< counter (place, text)
    RNG_RESAMPLE = 7, ///< counter (resample, draw)
    RNG_DROPOUT = 16  ///< + site: counter (step, sample, element / 8)
} RngPurpose;

/// Local. Four 32-bit words of (key, counter).
void philox(uint32_t out[4], const uint32_t key[2], const uint32_t counter[4]);

/// Local. 64 random bits of (seed, purpose; a, b). `b` may use all 64 bits.
uint64_t rng_bits(uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b);
/// Local. Uniform in [0, 1), 53 bits.
double rng_uniform(uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b);
/// Local. Standard normal (Box-Muller).
double rng_normal(uint64_t seed, uint32_t purpose, uint32_t a, uint64_t b);
